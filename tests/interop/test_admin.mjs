// The admin addon against instrument() of @socket.io/admin-ui: the stock client
// as an admin and as a client, the same script to both, equal events.

import { execFileSync } from "node:child_process";
import { check, finish, need, privateServer, require, same, sleep, test, twin }
    from "./harness.mjs";

need("socket.io-client", "@socket.io/admin-ui");

const { io } = require("socket.io-client");
const bcrypt = require("bcryptjs");

const WAIT_MS = 20000;
const RIGHT = { username: "admin", password: "correct horse" };
const DEVELOPMENT = ["--mode", "development", "--failures", "1000"];
const PRODUCTION = ["--mode", "production", "--failures", "1000"];

async function until(condition, what) {
    for (let left = WAIT_MS; left > 0; left -= 10) {
        const found = condition();
        if (found)
            return found;
        await sleep(10);
    }
    throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

function connect(server, t, nsp, options = {}) {
    const socket = io(server.url + nsp, {
        forceNew: true, reconnection: false, transports: ["websocket"],
        ...options,
    });

    socket.seen = [];
    socket.onAny((...args) => socket.seen.push(args));
    t.after(() => socket.close());
    return new Promise((done, failed) => {
        socket.on("connect", () => done(socket));
        socket.on("connect_error", failed);
    });
}

const has = (socket, name, times = 1) => until(() =>
    socket.seen.filter(([event]) => event === name).length >= times &&
    socket.seen.filter(([event]) => event === name), `${name} of an admin`);

// An admin who knows the first of what there is to know.
async function login(server, t, auth = RIGHT, options = {}) {
    const admin = await connect(server, t, "/admin", { auth, ...options });

    await has(admin, "config");
    const [, { supportedFeatures }] = admin.seen
        .find(([event]) => event === "config");
    if (supportedFeatures.includes("ALL_EVENTS"))
        await has(admin, "all_sockets");
    return admin;
}

const refusal = (server, t, auth) => connect(server, t, "/admin", { auth })
    .then(() => "let in", ({ message, data }) =>
        data === undefined ? { message } : { message, data });

/*
 * Comparing: ids and times differ, and what depends on them
 */

const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

function plain(value, names) {
    if (typeof value === "string")
        return DATE.test(value) ? "a date" : names.get(value) ?? value;
    if (Array.isArray(value))
        return value.map((each) => plain(each, names));
    if (value === null || typeof value !== "object")
        return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => {
        if (key === "handshake")
            return [key, plainHandshake(each)];
        if (key === "clientId")
            return [key, typeof each === "string" && each.length];
        return [key, plain(each, names)];
    }));
}

function plainHandshake({ address, headers, query, issued, time, url, ...rest }) {
    const { host, "sec-websocket-key": key, ...others } = headers;

    return {
        address: address.replace("::ffff:", ""), headers: others,
        host: /^127\.0\.0\.1:\d+$/.test(host), key: typeof key,
        query: { ...query, t: typeof query.t }, issued: issued > 1.7e12,
        time: /^\w{3} \w{3} \d\d \d{4} \d\d:\d\d:\d\d GMT\+\d{4} /.test(time),
        url: url.replace(/t=[^&]*/, "t="), ...rest,
    };
}

// What an admin was told, without numbers and without its own room, which Node
// tells before the answer to CONNECT.
function told(admin, ...sockets) {
    const names = new Map(sockets.map((id, i) => [id, `socket ${i}`]));

    names.set(admin.id, "the admin");
    return admin.seen
        .filter(([event, nsp, room]) => event !== "server_stats" &&
            !(event === "room_joined" && nsp === "/admin" && room === admin.id))
        .map(([event, ...args]) => event === "session"
            ? [event, typeof args[0], args.length]
            : [event, ...plain(args, names)]);
}

// Rooms end in no order.
const sortRooms = (events) => {
    const isLeft = ([event]) => event === "room_left";
    const left = events.filter(isLeft).sort((a, b) => a[2] < b[2] ? -1 : 1);

    return events.map((each) => isLeft(each) ? left.shift() : each);
};

/*
 * Both
 */

twin("an_admin_sees_what_a_client_does", async (server, t) => {
    const admin = await login(server, t);
    const client = await connect(server, t, "/");
    const id = client.id;

    await has(admin, "socket_connected", 2);
    await client.emitWithAck("echo", 1, { a: [null, "x"] });
    await client.emitWithAck("join", "r1");
    await client.emitWithAck("share", { name: "ada" });
    client.emit("say", "r1", 7);
    await has(client, "said");
    await client.emitWithAck("leave", "r1");
    client.emit("echo", "without an ack");
    await has(client, "echo");
    client.disconnect();
    await has(admin, "room_left", 2);
    return sortRooms(told(admin, id));
}, { kind: "admin", options: [...DEVELOPMENT, "--id", "sees"], timeout: 60000 });

twin("binary_arguments_are_shown", async (server, t) => {
    const admin = await login(server, t);
    const client = await connect(server, t, "/chat");

    client.emit("echo", Buffer.from([1, 2, 3]), { b: Buffer.from("x") });
    const [got] = await has(admin, "event_received");
    const [sent] = await has(admin, "event_sent");
    return [got, sent].map((each) => plain(each, new Map([[client.id, "it"]])));
}, {
    kind: "admin", options: [...DEVELOPMENT, "--id", "binary"], timeout: 60000,
});

twin("an_upgrade_is_told", async (server, t) => {
    const admin = await login(server, t);
    const client = await connect(server, t, "/",
        { transports: ["polling", "websocket"] });
    const id = client.id;

    const [[, updated]] = await until(() => {
        const found = admin.seen.filter(([event, { id: of }]) =>
            event === "socket_updated" && of === id);
        return found.length > 0 && found;
    }, "socket_updated");
    return { ...updated, id: updated.id === id };
}, {
    kind: "admin", options: [...DEVELOPMENT, "--id", "upgrades"],
    timeout: 60000,
    expect: { id: true, nsp: "/", transport: "websocket" },
});

twin("all_sockets_of_all_namespaces_are_listed", async (server, t) => {
    const clients = [
        await connect(server, t, "/"), await connect(server, t, "/chat"),
        await connect(server, t, "/room-7"),
    ];
    await clients[0].emitWithAck("join", "red");
    await clients[1].emitWithAck("share", { deep: { list: [1] } });
    const admin = await login(server, t);
    const [[, list]] = await has(admin, "all_sockets");
    const names = new Map(clients.map(({ id }, i) => [id, `socket ${i}`]));

    return clients.map(({ id }) =>
        plain(list.filter((each) => each.id === id), names));
}, { kind: "admin", options: [...DEVELOPMENT, "--id", "lists"], timeout: 60000 });

twin("actions_reach_sockets_and_rooms", async (server, t) => {
    const admin = await login(server, t);
    const one = await connect(server, t, "/");
    const two = await connect(server, t, "/");
    const other = await connect(server, t, "/chat");

    admin.emit("emit", "/", null, "all", 1, { a: null });
    await Promise.all([has(one, "all"), has(two, "all")]);
    admin.emit("emit", "/", one.id, "one", 2);
    await has(one, "one");
    admin.emit("join", "/", "red", two.id);
    admin.emit("emit", "/", "red", "red ones", 3);
    await has(two, "red ones");
    admin.emit("join", "/", "blue"); /* everybody */
    admin.emit("leave", "/", "blue", one.id);
    admin.emit("emit", "/", "blue", "blue ones", 4);
    await has(two, "blue ones");
    admin.emit("leave", "/", "red");
    admin.emit("emit", "/", "red", "nobody", 5);
    admin.emit("_disconnect", "/", false, one.id);
    const gone = until(() => one.disconnected, "the end of one");
    await gone;
    admin.emit("_disconnect", "/", true, "blue");
    await until(() => two.disconnected, "the end of two");
    admin.emit("emit", "/chat", "", "chat", 6);
    await has(other, "chat");
    return [one, two, other].map(({ seen }) => seen);
}, {
    kind: "admin", options: [...DEVELOPMENT, "--id", "acts"], timeout: 60000,
    expect: [
        [["all", 1, { a: null }], ["one", 2]],
        [["all", 1, { a: null }], ["red ones", 3], ["blue ones", 4]],
        [["chat", 6]],
    ],
});

twin("an_admin_that_may_only_look_changes_nothing", async (server, t) => {
    const admin = await login(server, t);
    const client = await connect(server, t, "/");

    admin.emit("emit", "/", null, "all", 1);
    admin.emit("join", "/", "red", client.id);
    admin.emit("_disconnect", "/", true, client.id);
    const config = admin.seen.find(([event]) => event === "config");
    await has(admin, "server_stats", 2); /* later than all of these */
    await client.emitWithAck("echo");
    return [config, client.connected, client.seen,
        admin.seen.filter(([event, , room]) => event === "room_joined" &&
            room === "red")];
}, {
    kind: "admin", options: [...DEVELOPMENT, "--readonly"], timeout: 60000,
});

twin("in_production_numbers_alone_are_told", async (server, t) => {
    const admin = await login(server, t);
    const client = await connect(server, t, "/");

    await client.emitWithAck("echo", 1);
    admin.emit("emit", "/", client.id, "hello");
    await has(client, "hello");
    await has(admin, "server_stats", 2);
    return told(admin);
}, { kind: "admin", options: PRODUCTION, timeout: 60000 });

// The shape of a value: names and types, of a list its first element.
function shape(value) {
    if (Array.isArray(value))
        return value.length > 0 ? [shape(value[0])] : [];
    if (value === null || typeof value !== "object")
        return typeof value;
    return Object.fromEntries(Object.entries(value)
        .map(([key, each]) => [key, shape(each)]));
}

twin("reports_have_the_same_shape_and_count_the_same", async (server, t) => {
    const admin = await login(server, t);
    const sum = (type) => admin.seen
        .filter(([event]) => event === "server_stats")
        .flatMap(([, { aggregatedEvents }]) => aggregatedEvents)
        .filter((each) => each.type === type)
        .reduce((total, { count }) => total + count, 0);
    const client = await connect(server, t, "/");
    const polling = await connect(server, t, "/chat",
        { transports: ["polling"] });

    /* The first report after all of them have come. */
    const [, stats] = await until(() => admin.seen.find(([event, each]) =>
        event === "server_stats" && each.clientsCount === 3 &&
        each.aggregatedEvents.length > 0 &&
        each.namespaces.every(({ socketsCount }) => socketsCount === 1)),
    "a report of three clients");
    const before = ["packetsIn", "packetsOut"].map(sum);
    for (let i = 0; i < 10; i++)
        await client.emitWithAck("echo", "ten");
    client.close();
    await until(() => sum("rawDisconnection") >= 1, "a disconnection");
    polling.close();

    const counts = stats.namespaces.map(({ name, socketsCount }) =>
        [name, socketsCount]).sort();
    return {
        shape: { ...shape(stats), aggregatedEvents: [] },
        aggregated: shape(stats.aggregatedEvents[0]),
        counts, serverId: stats.serverId,
        clients: [stats.clientsCount, stats.pollingClientsCount],
        before: before.map((count) => count > 0),
        times: stats.aggregatedEvents.every(({ timestamp }) =>
            timestamp % 1000 === 0 && Math.abs(Date.now() - timestamp) < 60000),
        disconnection: admin.seen
            .filter(([event]) => event === "server_stats")
            .flatMap(([, { aggregatedEvents }]) => aggregatedEvents)
            .find(({ type }) => type === "rawDisconnection").subType,
    };
}, {
    kind: "admin", timeout: 60000,
    options: [...PRODUCTION, "--id", "counts"],
});

twin("wrong_credentials_are_refused_in_the_same_words", async (server, t) => {
    const refused = [];

    for (const auth of [undefined, {}, { username: "admin", password: "no" },
        { username: "Admin", password: RIGHT.password },
        { sessionId: "0123456789abcdef" }])
        refused.push(await refusal(server, t, auth));
    return refused;
}, {
    kind: "admin", options: [...PRODUCTION, "--id", "refuses"], timeout: 60000,
    expect: Array(5).fill({ message: "invalid credentials" }),
});

twin("a_session_lets_in_again_and_is_not_renewed", async (server, t) => {
    const first = await login(server, t);
    const [[, sessionId]] = await has(first, "session");
    const again = await login(server, t, { sessionId });

    await has(again, "server_stats");
    return [
        /^[0-9a-f]{16,}$/.test(sessionId),
        again.seen.some(([event]) => event === "session"),
        await refusal(server, t, { sessionId: `${sessionId}0` }),
    ];
}, {
    kind: "admin", options: [...PRODUCTION, "--id", "sessions"], timeout: 60000,
    expect: [true, false, { message: "invalid credentials" }],
});

twin("without_authentication_everybody_is_let_in", async (server, t) => {
    const admin = await login(server, t, undefined);

    await has(admin, "server_stats");
    return admin.seen.map(([event]) => event)
        .filter((event) => event !== "server_stats");
}, {
    kind: "admin", options: [...PRODUCTION, "--no-auth"], timeout: 60000,
    expect: ["config"],
});

const hash = bcrypt.hashSync(RIGHT.password, 5);
twin("a_bcrypt_hash_of_node_is_understood", async (server, t) => {
    await login(server, t);
    return refusal(server, t, { username: "admin", password: "Correct horse" });
}, {
    kind: "admin", options: [...PRODUCTION, "--bcrypt", hash], timeout: 60000,
    expect: { message: "invalid credentials" },
});

/*
 * Ours alone
 */

const ours = (name, options, run) => test(name, async (t) => {
    const server = await privateServer(t, "ours", "admin", options);
    await run(server, t);
}, { timeout: 60000 });

ours("what_an_admin_names_wrongly_is_refused_and_not_made",
    [...DEVELOPMENT, "--interval", "100"],
    async (server, t) => {
        const admin = await login(server, t);
        const client = await connect(server, t, "/");

        for (const [event, ...args] of [
            ["emit", "/nope", null, "x"], ["emit", "nope"], ["emit"],
            ["emit", 7, null, "x"], ["emit", "/", 7, "x"],
            ["emit", "/", {}, "x"], ["emit", "/", false, "x"],
            ["emit", "/", null, "connect"], ["emit", "/", null, 7],
            ["emit", "/", null, "x".repeat(600)],
            ["join", "/", null], ["join", "/", "r".repeat(600), client.id],
            ["join", "/nope", "r", client.id], ["leave", "/", {}],
            ["_disconnect", "/nope", true], ["_disconnect", "/", true, []],
            ["_disconnect", "/", true, 5], ["_disconnect"]])
            admin.emit(event, ...args);
        await has(admin, "server_stats", 3);
        await client.emitWithAck("echo");
        same(client.seen, [], "the client got", "nothing");
        const [, { namespaces }] = admin.seen
            .findLast(([event]) => event === "server_stats");
        same(namespaces.map(({ name }) => name), ["/", "/admin", "/chat"]);
        check(!admin.seen.some(([event, , room]) =>
            event === "room_joined" && /^r+$/.test(room)), "a room was joined");
    });

ours("failures_of_an_address_are_limited", [...PRODUCTION.slice(0, 2),
    "--failures", "3"], async (server, t) => {
    const wrong = { username: "admin", password: "wrong" };
    const admin = await login(server, t); /* is no failure */
    const [[, sessionId]] = await has(admin, "session");

    await login(server, t, { sessionId });
    await refusal(server, t, {}); /* neither is this */
    for (let i = 0; i < 2; i++)
        await refusal(server, t, wrong);
    await login(server, t); /* after two it is still possible */
    await refusal(server, t, wrong);
    same(await refusal(server, t, RIGHT), { message: "invalid credentials" });
    same(await refusal(server, t, { sessionId }),
        { message: "invalid credentials" });
    check(admin.connected, "who was logged in is still");
});

ours("many_logins_at_once_hold_up_nobody", [...PRODUCTION.slice(0, 2),
    "--failures", "100", "--slow"], async (server, t) => {
    const client = await connect(server, t, "/");
    const wrong = { username: "admin", password: "wrong" };
    let done = false, echoes = 0;
    /* More than 16 wait: those beyond are refused at once. */
    const all = Promise.all(Array.from({ length: 30 }, () =>
        refusal(server, t, wrong))).then((said) => { done = true; return said; });

    while (!done) {
        await client.emitWithAck("echo", echoes++);
        await sleep(1);
    }
    same(await all, Array(30).fill({ message: "invalid credentials" }));
    check(echoes > 30, `${echoes} echoes only`);
});

ours("admins_are_limited", [...PRODUCTION, "--admins", "2"],
    async (server, t) => {
        await login(server, t);
        await login(server, t);
        same(await refusal(server, t, RIGHT), { message: "too many admins" });
    });

ours("sessions_are_limited_and_the_oldest_give_way",
    [...PRODUCTION, "--sessions", "2"], async (server, t) => {
        const ids = [];

        for (let i = 0; i < 3; i++) {
            const [[, id]] = await has(await login(server, t), "session");
            ids.push(id);
        }
        check(new Set(ids).size === 3, "ids are the same");
        same(await refusal(server, t, { sessionId: ids[0] }),
            { message: "invalid credentials" });
        await login(server, t, { sessionId: ids[1] });
        await login(server, t, { sessionId: ids[2] });
    });

ours("large_events_are_shown_by_their_size",
    [...DEVELOPMENT, "--event-bytes", "400"], async (server, t) => {
        const admin = await login(server, t);
        const client = await connect(server, t, "/");

        await client.emitWithAck("echo", "y".repeat(100));
        await client.emitWithAck("echo", "y".repeat(500));
        await client.emitWithAck("echo", Buffer.alloc(500));
        const shown = (await has(admin, "event_received", 3))
            .map(([, , , [, arg]]) => arg);
        check(shown[0] === "y".repeat(100), shown[0]);
        check(/^\(\d+ bytes, not shown\)$/.test(shown[1]), shown[1]);
        check(/^\(\d+ bytes, not shown\)$/.test(shown[2]), shown[2]);
    });

ours("events_beyond_so_many_in_a_second_are_not_shown",
    [...DEVELOPMENT, "--events", "5"], async (server, t) => {
        const admin = await login(server, t);
        const client = await connect(server, t, "/");

        for (let i = 0; i < 200; i++)
            client.emit("say", "nobody", i);
        await client.emitWithAck("join", "end");
        await until(() => admin.seen.some(([event, , room]) =>
            event === "room_joined" && room === "end"), "the end");
        const shown = admin.seen.filter(([event]) => event === "event_received")
            .length;
        check(shown >= 5 && shown < 150, `${shown} of 201 were shown`);
    });

ours("no_more_sockets_are_listed_than_the_limit",
    [...DEVELOPMENT, "--listed", "3"], async (server, t) => {
        for (let i = 0; i < 5; i++)
            await connect(server, t, "/");
        const [[, list]] = await has(await login(server, t), "all_sockets");
        same(list.length, 3);
    });

const withCookie = {
    extraHeaders: {
        cookie: "sid=secret", authorization: "Bearer secret", "x-plain": "seen",
    },
};
const headersOf = async (server, t) => {
    const client = await connect(server, t, "/", withCookie);
    const [[, list]] = await has(await login(server, t), "all_sockets");
    const { cookie, authorization, "x-plain": other } =
        list.find(({ id }) => id === client.id).handshake.headers;

    return [cookie, authorization, other];
};

ours("cookies_and_authorization_are_not_shown", DEVELOPMENT,
    async (server, t) => same(await headersOf(server, t),
        [undefined, undefined, "seen"]));
ours("cookies_are_shown_to_those_who_ask", [...DEVELOPMENT, "--secrets"],
    async (server, t) => same(await headersOf(server, t),
        ["sid=secret", "Bearer secret", "seen"]));

ours("data_that_is_no_object_or_has_a_mark_of_its_own_is_shown", DEVELOPMENT,
    async (server, t) => {
        const admin = await login(server, t);
        const client = await connect(server, t, "/");
        const values = [[1, 2], { _admin: { clientId: 7 }, a: 1 }, "x", {}];

        for (const value of values)
            await client.emitWithAck("share", value);
        const data = (await has(admin, "socket_updated", 4))
            .filter(([, { id }]) => id === client.id)
            .map(([, { data: each }]) => each);
        same(data, [[1, 2], { a: 1 }, "x", {}]);
        const [[, list]] = await has(await login(server, t), "all_sockets");
        same(list.find(({ id }) => id === client.id).clientId.length, 12);
    });

ours("who_is_not_watched_is_not_reported_later", DEVELOPMENT,
    async (server, t) => {
        const first = await login(server, t);
        const client = await connect(server, t, "/");

        await client.emitWithAck("echo", 1);
        await has(first, "event_received");
        first.close();
        await sleep(50);
        await client.emitWithAck("echo", 2);
        const second = await login(server, t);
        await client.emitWithAck("echo", 3);
        const [[, , , args]] = await has(second, "event_received");
        same(args, ["echo", 3]);
    });

test("options_that_make_no_sense_end_the_program_with_a_word", () => {
    const program = `${process.env.SKIO_BUILD ?? "build"}/admin-server`;

    for (const [name, ...words] of [
        ["password_hash", "--bcrypt", "plain text"],
        ["password_hash", "--bcrypt", "$argon2id$v=19$m=65536,t=2,p=1$x"],
        ["stats_interval_ms", "--interval", "99"],
        ["stats_interval_ms", "--interval", "9001"],
        ["max_failures", "--failures", "0"],
        ["max_admins", "--admins", "0"], ["max_listed", "--listed", "0"],
        ["max_sessions", "--sessions", "1000001"],
        ["max_event_bytes", "--event-bytes", "0"],
        ["max_events_per_second", "--events", "0"],
        ["server_id", "--id", ""], ["no_auth", "--no-auth", "--bcrypt", hash]]) {
        let said = "";
        try {
            execFileSync(program, ["0", ...words],
                { stdio: ["ignore", "ignore", "pipe"], timeout: WAIT_MS });
        } catch ({ stderr }) {
            said = String(stderr);
        }
        check(said.includes(`skio_admin_options.${name} is missing or out of` +
            " range"), `${words}: ${said}`);
    }
}, { timeout: 60000 });

await finish(20);
