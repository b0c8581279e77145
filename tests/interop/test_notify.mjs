// The notification service of examples/notify: what it promises applications and
// readers, with the stock client.
import { spawnSync } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { check, finish, need, same, sleep, test } from "./harness.mjs";
import { API_KEY, isBuilt, Service, token, until } from "./notify.mjs";

need("socket.io-client");
if (!isBuilt) {
    console.log("1..0 # SKIP examples/notify is not built");
    process.exit(0);
}

const LONG = { timeout: 60000 };
const titles = (from, to) =>
    Array.from({ length: to - from + 1 }, (_, i) => `no. ${from + i}`);

async function service(t, options = [], environment) {
    const one = await new Service(["--demo", ...options]).start(environment);

    t.after(() => one.end());
    return one;
}

function reader(t, one, user, options) {
    const made = one.reader(user, options);

    t.after(() => made.close());
    return made;
}

async function accepted(one, body, headers) {
    const { status, body: answer } = await one.post(body, headers);

    check(status === 202, `${status}: ${JSON.stringify(answer)}`);
    return answer.id;
}

async function refused(one, wanted, body, headers) {
    const answer = await one.post(body, headers);

    check(answer.status === wanted,
          `${answer.status} in place of ${wanted}: ${JSON.stringify(body)}`);
    check(answer.body.error.length > 0, "no reason");
    return answer;
}

const becomes = (one, id, word) => until(`no. ${id} to be ${word}`,
    async () => (await one.status(id)).status === word);

test("a_notification_is_kept_delivered_and_confirmed", async (t) => {
    const one = await service(t);
    const ada = await reader(t, one, "ada").welcomed();
    const before = Date.now();

    const answer = await one.post({ to: "user:ada", title: "Tea", text: "Now",
                                    data: { cups: [1, 2] }, ttl_s: 60 });
    same([answer.status, answer.body], [202, { id: 1, readers: 1 }]);
    await ada.has(1);
    same(ada.last.content, { title: "Tea", text: "Now", data: { cups: [1, 2] } });
    same([ada.last.id, ada.last.to], [1, "user:ada"]);
    check(ada.last.at >= before && ada.last.at <= Date.now(), "when");
    same(ada.last.expires - ada.last.at, 60000);
    await becomes(one, 1, "delivered");
    const { queued, delivered, expired, dropped } = await one.status(1);
    same([queued, delivered, expired, dropped], [0, 1, 0, 0]);
}, LONG);

test("who_is_away_gets_all_of_it_in_order", async (t) => {
    const one = await service(t);

    for (const title of titles(1, 100))
        await accepted(one, { to: "user:ada", title });
    same((await one.status(1)).status, "queued");
    const ada = await reader(t, one, "ada").has(100);
    same(ada.titles, titles(1, 100));
    same(ada.arrivals, 100);
    for (const title of titles(101, 120))
        await accepted(one, { to: "user:ada", title });
    await ada.has(120);
    same(ada.titles, titles(1, 120));
    await becomes(one, 120, "delivered");
}, LONG);

test("what_comes_while_one_reads_is_in_order", async (t) => {
    const one = await service(t);
    const posted = (async () => {
        for (const title of titles(1, 150))
            await accepted(one, { to: "user:ada", title });
    })();

    for (let i = 0; i < 5; i++) { // connections that come and go meanwhile
        const short = reader(t, one, "bob");
        await short.welcomed();
        short.close();
    }
    const ada = await reader(t, one, "ada").has(150);
    await posted;
    same(ada.titles, titles(1, 150));
}, LONG);

test("without_a_receipt_it_comes_again_and_clients_drop_it", async (t) => {
    const one = await service(t, ["--receipt-ms", "200"]);
    const ids = [];

    for (const title of titles(1, 5))
        ids.push(await accepted(one, { to: "user:ada", title }));
    const ada = reader(t, one, "ada");
    ada.mute = true;
    await ada.has(5);
    await ada.until(() => ada.reason, "the disconnection");
    same(ada.reason, "io server disconnect");
    for (const id of ids) same((await one.status(id)).status, "queued");

    ada.mute = false;
    ada.socket.connect();
    for (const id of ids) await becomes(one, id, "delivered");
    same(ada.titles, titles(1, 5));
    check(ada.arrivals >= 10, `${ada.arrivals} arrivals`);
}, LONG);

test("all_devices_get_it_and_tell_each_other_what_was_read", async (t) => {
    const one = await service(t);
    const devices = [reader(t, one, "ada"), reader(t, one, "ada")];

    for (const device of devices) await device.welcomed();
    const id = await accepted(one, { to: "user:ada", title: "Tea" });
    for (const device of devices) await device.has(1);
    await becomes(one, id, "delivered");
    same((await one.status(id)).delivered, 1);
    const bob = await reader(t, one, "bob").welcomed();
    devices[0].socket.emit("read", id);
    await devices[1].until(() => devices[1].reads.length > 0, "that it was read");
    same([devices[1].reads, bob.reads], [[id], []]);
}, LONG);

test("a_room_reaches_who_entered_it_also_while_away", async (t) => {
    const one = await service(t);
    const ada = await reader(t, one, "ada").welcomed();
    const bob = await reader(t, one, "bob").welcomed();

    same((await refused(one, 404, { to: "room:ops", title: "x" })).status, 404);
    same(await ada.ask("join", "ops"), { ok: true });
    same(await ada.ask("join", "ops"), { ok: true });
    same(await bob.ask("join", "ops"), { ok: true });
    ada.close();
    const id = await accepted(one, { to: "room:ops", title: "Fire" });
    await bob.has(1);
    const again = await reader(t, one, "ada").welcomed();
    same(again.hello.rooms, ["ops"]);
    await again.has(1);
    await becomes(one, id, "delivered");
    same((await one.status(id)).delivered, 2);
    same(await bob.ask("leave", "ops"), { ok: true });
    same((await one.post({ to: "room:ops", title: "y" })).body.readers, 1);
    await again.has(2);
    same(bob.ids.length, 1);

    // Whoever leaves on one device has left on all, and may come again.
    const other = await reader(t, one, "ada").welcomed();
    same(await again.ask("join", "ops"), { ok: true });
    same(await other.ask("leave", "ops"), { ok: true });
    await refused(one, 404, { to: "room:ops", title: "z" });
    same(await again.ask("join", "ops"), { ok: true });
    same((await one.post({ to: "room:ops", title: "z" })).body.readers, 1);
    for (const device of [again, other]) await device.until(
        () => device.titles.at(-1) === "z", "the last one");
}, LONG);

test("nobody_enters_a_room_that_the_token_does_not_name", async (t) => {
    const one = await service(t);
    const ada = reader(t, one, "ada", { claims: { rooms: ["ops", "tea"] } });
    const bob = reader(t, one, "bob", { claims: { rooms: undefined } });

    await ada.welcomed();
    await bob.welcomed();
    same((await ada.ask("join", "tea")).ok, true);
    for (const [who, room] of [[ada, "vault"], [bob, "ops"], [ada, "user:bob"],
                               [ada, ""], [ada, 7], [ada, null],
                               [ada, bob.socket.id], [ada, "x".repeat(65)]]) {
        const answer = await who.ask("join", room);
        check(!answer.ok && answer.error.length > 0, `${room} was entered`);
    }
    await refused(one, 404, { to: "room:vault", title: "x" });
    const many = await reader(t, one, "many").welcomed();
    for (let i = 0; i < 32; i++)
        same(await many.ask("join", `room-${i}`), { ok: true });
    check(!(await many.ask("join", "one-more")).ok, "33 rooms");
    await many.ask("leave", "room-0");
    same((await many.ask("join", "one-more")).ok, true);
}, LONG);

test("all_are_all_who_are_known", async (t) => {
    const one = await service(t);

    await refused(one, 404, { to: "all", title: "Anybody?" });
    const ada = await reader(t, one, "ada").welcomed();
    await accepted(one, { to: "user:bob", title: "for bob" });
    const { body } = await one.post({ to: "all", title: "for all" });
    same(body.readers, 2);
    await ada.has(1);
    const bob = await reader(t, one, "bob").has(2);
    same([ada.titles, bob.titles], [["for all"], ["for bob", "for all"]]);
    await becomes(one, body.id, "delivered");
}, LONG);

test("nobody_connects_without_a_good_token", async (t) => {
    const one = await service(t);
    const now = Math.floor(Date.now() / 1000);

    for (const [what, auth] of [
        ["no token", {}], ["no string", { token: 7 }],
        ["not signed by us",
         { token: token("ada", { secret: "x".repeat(40) }) }],
        ["expired", { token: token("ada", { exp: now - 60 }) }],
        ["for another audience", { token: token("ada", { aud: "chat" }) }],
        ["for nobody", { token: token(undefined) }],
        ["with a bad name", { token: token("user:ada x") }],
        ["without an end", { token: token("ada", { exp: undefined }) }],
    ]) {
        const client = reader(t, one, "x", { auth });
        await client.until(() => client.error ?? client.hello, what);
        check(!client.hello, `${what}: welcome`);
        same(client.error.message, "unauthorized");
        client.close();
    }
    await reader(t, one, "ada").welcomed();
}, LONG);

test("nobody_posts_without_an_api_key", async (t) => {
    const one = await service(t);
    const body = { to: "user:ada", title: "x" };

    for (const headers of [
        { Authorization: "" }, { Authorization: "Bearer" },
        { Authorization: `Basic ${API_KEY}` },
        { Authorization: `Bearer ${API_KEY}x` },
        { Authorization: `Bearer ${API_KEY.slice(0, -1)}` },
        { Authorization: "", "X-API-Key": "an-api-key-of-somebody" },
    ]) {
        await refused(one, 401, body, headers);
        same((await one.ask("GET", "/api/notify/1", undefined, headers)).status,
             401);
    }
    await accepted(one, body, { Authorization: "", "X-API-Key": API_KEY });
    for (const id of ["2", "0", "-1", "x", "1x", "", "9".repeat(30), "1/1"])
        same((await one.ask("GET", `/api/notify/${id}`)).status, 404);
    same((await one.ask("GET", "/api/notify")).status, 405);
}, LONG);

const deep = (n) => n === 0 ? 1 : [deep(n - 1)];

test("a_request_that_is_wrong_is_refused_with_the_reason", async (t) => {
    const one = await service(t);
    const good = { to: "user:ada", title: "x" };

    for (const body of [
        "", "{", "[]", "7", '"x"', '{"to":"user:ada","title":"x"} x',
        { title: "x" }, { to: "user:ada" }, { ...good, more: 1 },
        { ...good, to: "ada" }, { ...good, to: "user:" }, { ...good, to: 7 },
        { ...good, to: "user:a b" }, { ...good, to: "room:user:ada" },
        { ...good, to: "everybody" }, { ...good, to: `user:${"x".repeat(65)}` },
        { ...good, title: "" }, { ...good, title: "x".repeat(201) },
        { ...good, title: 7 }, { ...good, text: "x".repeat(2001) },
        { ...good, text: null }, { ...good, data: "x".repeat(3999) },
        { ...good, data: deep(33) }, { ...good, ttl_s: 0 },
        { ...good, ttl_s: 2592001 }, { ...good, ttl_s: "1" },
        { ...good, ttl_s: 1.5 },
    ])
        await refused(one, 400, body);
    for (const key of ["x".repeat(129), "two words", "Ω".repeat(3)])
        await refused(one, 400, good,
                      { "Idempotency-Key": Buffer.from(key).toString("latin1") });
    same((await one.post("x".repeat(16385))).status, 413);

    // What is just possible is possible, and readable.
    const fine = [
        { ...good, to: `user:${"x".repeat(64)}` },
        { ...good, title: "x".repeat(200), text: "x".repeat(2000),
          data: "x".repeat(3998), ttl_s: 2592000 },
        { ...good, data: deep(32) }, { ...good, text: "" },
        { ...good, title: "\u0000\u2028\"\\</script>", data: null, ttl_s: 1e1 },
        '{"to":"user:ada","title":"\\ud800 half a character"}',
        { ...good, data: { a: "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"" } },
        { ...good, title: "last" },
    ];
    for (const body of fine)
        await accepted(one, body, { "Idempotency-Key": `"${Math.random()}"` });
    await refused(one, 400, good, { "Idempotency-Key": "" });
    await accepted(one, good, { "Idempotency-Key": "x".repeat(128) });
    const ada = await reader(t, one, "ada").has(8);
    same(ada.titles.slice(-2), ["last", "x"]);
    await becomes(one, 9, "delivered");
}, LONG);

test("the_same_request_again_changes_nothing", async (t) => {
    const one = await service(t);
    const body = { to: "user:ada", title: "once" };
    const headers = { "Idempotency-Key": "order-7" };
    const first = await one.post(body, headers);

    same(first.status, 202);
    const again = await Promise.all(Array.from({ length: 20 },
        () => one.post(body, headers)));
    for (const each of again)
        same([each.status, each.body], [202, first.body]);
    await refused(one, 422, { ...body, title: "other" }, headers);
    await accepted(one, body, { "Idempotency-Key": "order-8" });

    // Also those that come together, and after a restart.
    const together = await Promise.all(Array.from({ length: 20 },
        () => one.post(body, { "Idempotency-Key": "order-9" })));
    same(new Set(together.map(({ body: { id } }) => id)).size, 1);
    await one.stop("SIGKILL");
    await one.start();
    same((await one.post(body, headers)).body, first.body);
    const ada = await reader(t, one, "ada").has(3);
    await accepted(one, { ...body, title: "end" });
    await ada.has(4);
    same(ada.titles, ["once", "once", "once", "end"]);
}, LONG);

test("each_api_key_has_its_rate_and_its_requests", async (t) => {
    const one = new Service(["--demo", "--rate", "5"]);
    const file = join(one.folder, "keys");
    const other = { Authorization: "Bearer another-key-of-the-file" };
    const body = { to: "user:ada", title: "x" };

    writeFileSync(file, "another-key-of-the-file\na-third-key-of-the-file\r\n");
    one.options.push("--keys", file);
    await one.start();
    t.after(() => one.end());

    const answers = await Promise.all(Array.from({ length: 30 },
        () => one.post(body)));
    const late = answers.filter(({ status }) => status === 429);
    same(answers.filter(({ status }) => status === 202).length + late.length, 30);
    check(late.length >= 15, `${late.length} of 30 refused`);
    for (const each of late)
        check(/^[1-9]\d*$/.test(each.headers["retry-after"]), "when, then?");
    const idempotent = { "Idempotency-Key": "k" };
    await accepted(one, body, { ...other, ...idempotent });
    await accepted(one, body,
        { Authorization: "", "X-API-Key": "a-third-key-of-the-file" });
    await until("the rate to allow one again",
                async () => (await one.post({ ...body, title: "y" },
                                            idempotent)).status === 202);
}, LONG);

test("the_oldest_is_dropped_for_one_too_many", async (t) => {
    const one = await service(t, ["--per-user", "3"]);
    const ids = [];

    for (const title of titles(1, 5))
        ids.push(await accepted(one, { to: "user:ada", title }));
    same((await Promise.all(ids.map((id) => one.status(id))))
        .map(({ status }) => status),
         ["dropped", "dropped", "queued", "queued", "queued"]);
    const ada = await reader(t, one, "ada").has(3);
    same(ada.titles, titles(3, 5));
    for (const id of ids.slice(2)) await becomes(one, id, "delivered");
    await accepted(one, { to: "user:ada", title: "one more" });
    await ada.has(4);
}, LONG);

test("what_has_expired_does_not_arrive", async (t) => {
    const one = await service(t);
    const id = await accepted(one, { to: "user:ada", title: "old", ttl_s: 1 });

    await accepted(one, { to: "user:ada", title: "new" });
    await becomes(one, id, "expired");
    const ada = await reader(t, one, "ada").has(1);
    same(ada.titles, ["new"]);
    // Swept or not, it is said in the same words.
    for (let i = 0; i < 3; i++) {
        const { status, queued, expired } = await one.status(id);
        same([status, queued, expired], ["expired", 0, 1]);
        await sleep(300);
    }
}, LONG);

test("old_ones_are_forgotten_and_numbers_never_used_again", async (t) => {
    const one = await service(t, ["--notifications", "10", "--keep-s", "1"]);

    for (const title of titles(1, 25))
        await accepted(one, { to: "user:ada", title });
    same((await one.ask("GET", "/api/notify/15")).status, 404);
    same((await one.status(16)).status, "queued");
    const ada = await reader(t, one, "ada").has(10);
    same(ada.titles, titles(16, 25));
    await until("the last one to be forgotten", async () =>
        (await one.ask("GET", "/api/notify/25")).status === 404);
    await one.stop("SIGKILL");
    await one.start();
    same(await accepted(one, { to: "user:ada", title: "x" }), 26);
}, LONG);

test("users_are_bounded", async (t) => {
    const one = await service(t, ["--users", "2"]);

    await accepted(one, { to: "user:ada", title: "x" });
    await reader(t, one, "bob").welcomed();
    await refused(one, 507, { to: "user:cy", title: "x" });
    const cy = reader(t, one, "cy");
    let trouble = null;
    cy.socket.on("trouble", (text) => { trouble = text; });
    await cy.until(() => cy.reason, "the refusal");
    check(/too many users/.test(trouble), trouble);
    await accepted(one, { to: "user:ada", title: "y" });
}, LONG);

test("more_than_the_writer_can_take_is_refused_at_once", async (t) => {
    const one = await service(t, ["--queue", "2"]);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) =>
        one.post({ to: "user:ada", title: `${i}` })));
    const kept = answers.filter(({ status }) => status === 202);
    const late = answers.filter(({ status }) => status === 503);

    same(kept.length + late.length, 200);
    check(kept.length > 0 && late.length > 0, `${kept.length} of 200`);
    for (const each of late) same(each.headers["retry-after"], "1");
    const ada = await reader(t, one, "ada").has(kept.length);
    same([...ada.ids].sort((a, b) => a - b),
         kept.map(({ body }) => body.id).sort((a, b) => a - b));
}, LONG);

const mayWrite = (one, bytes) => same(spawnSync("prlimit",
    ["--pid", `${one.child.pid}`, `--fsize=${bytes}:unlimited`]).status, 0);

test("a_disk_that_is_full_accepts_nothing_and_recovers", async (t) => {
    const one = await service(t);
    const headers = { "Idempotency-Key": "full" };
    const body = { to: "user:ada", title: "after" };
    const ready = async () => (await one.ask("GET", "/readyz")).status;

    if (spawnSync("prlimit", ["--version"]).error) {
        console.log("# prlimit is not installed");
        return;
    }
    await accepted(one, { to: "user:ada", title: "before" });
    same(await ready(), 200);
    mayWrite(one, statSync(`${one.data}-wal`).size);
    const answers = await Promise.all(Array.from({ length: 30 }, (_, i) =>
        one.post({ to: "user:ada", title: `${i}` })));
    for (const each of answers) {
        same(each.status, 503);
        same(each.headers["retry-after"], "1");
    }
    await refused(one, 503, body, headers);
    same(await ready(), 503);
    same((await one.status(1)).status, "queued"); // it still answers
    // What is there is read all the same; the receipt cannot be kept.
    const early = await reader(t, one, "ada").has(1);
    check(!(await early.ask("join", "ops")).ok, "a room was entered");
    early.close();
    same((await one.status(1)).status, "queued");

    mayWrite(one, "unlimited");
    await until("readiness, without a request", async () =>
        await ready() === 200);
    const id = await accepted(one, body, headers);
    same(await accepted(one, body, headers), id);
    const ada = await reader(t, one, "ada").has(2);
    same(ada.titles, ["before", "after"]);
    await becomes(one, id, "delivered");
    await one.stop("SIGKILL"); // and so it is on the disk
    await one.start();
    same((await one.status(id)).status, "delivered");
    same((await one.status(1)).status, "delivered");
}, LONG);

test("one_file_belongs_to_one_server", async (t) => {
    const one = await service(t);
    const two = new Service(["--demo", "--data", one.data]);

    t.after(() => two.end().catch(() => {}));
    const error = await two.start().then(() => null, (failed) => failed);
    check(/locked.*--data/.test(error?.message), `${error}`);
}, LONG);

test("a_drain_accepts_nothing_and_loses_nothing", async (t) => {
    const one = await service(t);
    const ada = await reader(t, one, "ada",
                             { reconnection: false }).welcomed();
    const posts = [];
    let stops = false;
    const poster = (async () => {
        while (!stops) {
            posts.push(await one.post({ to: "user:bob",
                                        title: `${posts.length}` }));
            if (posts.length === 20) one.child.kill("SIGTERM");
            if (posts.at(-1).status !== 202) stops = true;
        }
    })();

    await ada.until(() => ada.reason, "the end");
    await poster;
    const [code] = await one.child.over;
    same(code, 0);
    one.child = null;
    const last = posts.pop();
    check(last.status === 503 || last.status === 0, `${last.status}`);
    check(posts.length >= 20, `${posts.length} accepted`);
    await one.start();
    const bob = await reader(t, one, "bob").has(posts.length);
    same(bob.ids, posts.map(({ body }) => body.id));
}, LONG);

test("what_is_missing_is_named", async () => {
    for (const [options, env, wanted] of [
        [[], { NOTIFY_SECRET: "" }, /--secret.*NOTIFY_SECRET/],
        [[], { NOTIFY_SECRET: "too short" }, /32 bytes.*--secret/],
        [[], { NOTIFY_API_KEY: "short" }, /NOTIFY_API_KEY/],
        [["--per-user", "0"], {}, /--per-user: 1 to/],
        [["--keys", "/does/not/exist"], {}, /--keys/],
        [["--secret", "/does/not/exist"], {}, /--secret/],
        [["--data", "/does/not/exist"], {}, /--data/],
        [["--public", "/does/not/exist"], {}, /--public/],
        [["--what", "1"], {}, /--what/], [["--port"], {}, /--port/],
    ]) {
        const one = new Service(options);
        const error = await one.start({ env }).then(() => null, (e) => e);
        one.child = null;
        await one.end();
        check(wanted.test(error?.message), `${options}: ${error?.message}`);
    }
}, LONG);

await finish(4);
