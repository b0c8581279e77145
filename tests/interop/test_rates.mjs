// Rate limits with stock clients: one that is too fast beside one that is not,
// by every transport; 429 on both; addresses that a proxy tells; and that no
// answer names the server.

import { check, finish, need, privateServer, same, sleep, test }
    from "./harness.mjs";
need("socket.io", "socket.io-client");
const { connect, dial, modes } = await import("./client4.mjs");
const { attempt, http } = await import("./raw.mjs");

const polling = "/socket.io/?EIO=4&transport=polling";
const socket = { EIO: 4, transport: "websocket" };

const serve = (t, ...options) =>
    privateServer(t, "ours", "rates", options.map(String));

async function told(server, t) {
    return JSON.parse((await http(server, t, "/told")).body);
}

// Why clients have gone: known some time after they know it.
async function reasons(server, t) {
    let text = "";

    for (let i = 0; i < 60 && text === ""; i++) {
        await sleep(i > 0 ? 50 : 0);
        text = (await told(server, t)).reasons;
    }
    return text;
}

const from = (address) => ({ headers: { "X-Forwarded-For": address } });

/*
 * Events and bytes
 */

for (const mode of Object.keys(modes)) {
    // Each has one answer to wait for: however a busy machine holds them up,
    // never more than 50 come in a second. The join is the first of the burst.
    test(`who_emits_too_fast_by_${mode}_is_disconnected_and_no_other`,
         async (t) => {
            const server = await serve(t, "--events", 50);
            const honest = await connect(server, t, mode);
            const fast = await connect(server, t, mode);
            const answers = (async () => {
                const got = [];
                for (let i = 0; i < 20; i++) {
                    got.push((await honest.ask("echo", i))[0]);
                    await sleep(20);
                }
                return got;
            })();

            // Fewer than max_payload_packets, which would end it as well.
            for (let i = 0; i < 600; i++)
                fast.emit("echo", i);
            const [, reason] = await fast.next("(gone)");
            check(/^transport (close|error)$/.test(reason), reason);
            same(await answers, [...Array(20).keys()]);
            check(honest.socket.connected, "the honest one was lost");
            same(await reasons(server, t), "rate limit");

            const { echoes, hits } = await told(server, t);
            check(echoes >= 49 + 20 && echoes < 600 + 20,
                  `${echoes} echoes`);
            same(hits, 1);
        });

    test(`who_sends_too_many_bytes_by_${mode}_is_disconnected_and_no_other`,
         async (t) => {
            const server = await serve(t, "--bytes", 100000);
            const honest = await connect(server, t, mode);
            const fast = await connect(server, t, mode);
            const piece = Buffer.alloc(90000);

            // The burst is that of the largest event, two megabytes.
            for (let i = 0; i < 60; i++)
                fast.emit("echo", i, piece);
            await fast.next("(gone)");
            same(await reasons(server, t), "rate limit");
            same(await honest.ask("echo", 7), [7]);
            check((await told(server, t)).echoes >= 1, "nothing came");
        });
}

test("dropped_events_are_told_of_and_the_rest_goes_on", async (t) => {
    const server = await serve(t, "--events", 10, "--blocked");
    const client = await connect(server, t, "websocket");

    for (let i = 0; i < 200; i++)
        client.emit("echo", i);
    const [, wait] = await client.next("blocked");
    check(wait >= 1 && wait <= 100, `${wait} ms`);
    // The answer follows all that was told before it.
    let answer = null;
    for (let i = 0; i < 50 && answer === null; i++) {
        await sleep(150);
        answer = await client.ask("echo", 1).catch(() => null);
    }
    same(answer, [1]);
    check(client.socket.connected, "it was disconnected");
    const { echoes, hits } = await told(server, t);
    same(echoes + hits >= 201, true);
    same((await told(server, t)).reasons, "");
});

/*
 * Connects
 */

// 6 a minute: the next one is due in ten seconds, or what is left of them.
const few = ["--connects", 6, "--connects-burst", 2];

function isSoon(text) {
    check(/^[0-9]+$/.test(text) && text >= 1 && text <= 10, `in ${text} s`);
}

test("handshakes_beyond_the_rate_are_told_to_retry_on_both_transports",
     async (t) => {
        const server = await serve(t, ...few);
        const client = await connect(server, t, "websocket");

        same((await http(server, t, polling)).status, 200);
        for (let i = 0; i < 3; i++) {
            const answer = await http(server, t, polling);
            same([answer.status, answer.body], [429, ""]);
            isSoon(answer.headers["retry-after"]);
        }
        same((await attempt(server, t, socket))[0], 429);
        // Those that are there notice nothing.
        same(await client.ask("echo", 3), [3]);
        same((await told(server, t)).hits, 4);
    });

test("upgrades_of_a_session_are_no_further_connects", async (t) => {
    const server = await serve(t, ...few);

    await connect(server, t, "upgrade");
    await connect(server, t, "upgrade");
    same((await http(server, t, polling)).status, 429);
});

for (const mode of ["polling", "websocket"])
    test(`a_stock_${mode}_client_that_was_refused_comes_back_by_itself`,
         async (t) => {
            const server = await serve(t, "--connects", 40,
                                       "--connects-burst", 1);

            await connect(server, t, "websocket");
            const late = dial(server, t, mode, {
                reconnection: true, reconnectionDelay: 200,
                reconnectionDelayMax: 400,
            });
            await late.next("(refused)");
            await late.next("welcome", 8000);
        });

test("addresses_are_those_that_a_trusted_proxy_names", async (t) => {
    const server = await serve(t, ...few, "--trusted", "loopback");
    const status = async (address) =>
        (await http(server, t, polling, from(address))).status;

    same([await status("192.0.2.1"), await status("192.0.2.1"),
          await status("192.0.2.1")], [200, 200, 429]);
    same(await status("192.0.2.2"), 200);
    // What a client claims itself stands further left.
    same(await status("192.0.2.77, 192.0.2.1"), 429);
    same((await attempt(server, t, socket, from("192.0.2.1")))[0], 429);
    const client = await connect(server, t, "websocket", {
        extraHeaders: { "X-Forwarded-For": "192.0.2.3" },
    });
    same(await client.ask("echo", 1), [1]);
});

test("ipv6_addresses_count_by_their_network", async (t) => {
    const server = await serve(t, ...few, "--trusted", "loopback");
    const status = async (address) =>
        (await http(server, t, polling, from(address))).status;

    same([await status("2001:db8::1"), await status("2001:db8::ffff:1"),
          await status("2001:db8:0:0:1234::")], [200, 200, 429]);
    same([await status("2001:db8:0:1::1"), await status("::ffff:192.0.2.9"),
          await status("192.0.2.9"), await status("192.0.2.9")],
         [200, 200, 200, 429]);
});

test("nobody_names_an_address_unless_trusted", async (t) => {
    const server = await serve(t, ...few);
    const status = async (address) =>
        (await http(server, t, polling, from(address))).status;

    same([await status("192.0.2.1"), await status("192.0.2.2"),
          await status("192.0.2.3")], [200, 200, 429]);
});

/*
 * What is said of the server: nothing
 */

test("no_answer_names_the_server", async (t) => {
    const server = await serve(t, "--connects", 60, "--connects-burst", 1);
    const answers = [];

    for (const path of [polling, polling, "/nothing", "/told",
                        "/socket.io/?EIO=4&transport=no&sid=x"])
        answers.push(await http(server, t, path));
    same(answers.map(({ status }) => status), [200, 429, 404, 200, 400]);
    for (const { headers } of answers)
        same([headers.server, headers["x-powered-by"]],
             [undefined, undefined]);
});

await finish();
