// What the official protocol suites hold of a server, case by case in our own
// words: 24 cases for Engine.IO v4, 32 for Socket.IO v5. The suites themselves
// are run by hand, since they sit on a fixed port.

import { networkInterfaces } from "node:os";
import { check, finish, need, sleep, twin } from "./harness.mjs";
need("socket.io", "ws");
const {
    answer, attempt, http, polling, probe, RS, target, websocket,
} = await import("./raw.mjs");

// The suites open a connection for each request. Ours are open already, so a
// request right behind a frame on another connection might overtake it.
const DIALING_MS = 10;

const settings = { pingInterval: 300, pingTimeout: 200, maxPayload: 1000000 };

// The suites have these cases twice, on both paths.
for (const [role, path] of [["engineio", "/engine.io/"],
                            ["socketio", "/socket.io/"]]) {
    const server = { kind: "conformance", options: [role] };
    const suite = (name, fn, more) =>
        twin(`${role}_${name}`, fn, { ...server, ...more });
    const open = (to, t) => polling(to, t, {}, path);
    const dial = (to, t, options) =>
        websocket(to, t, {}, { path, ...options });

    suite("polling_handshake", async (to, t) => {
        const { opened, handshake: { sid, ...rest } } = await open(to, t);
        return [opened.status, opened.body[0], typeof sid, rest];
    }, {
        expect: [200, "0", "string",
                 { upgrades: ["websocket"], ...settings }],
    });

    for (const [name, method, queries] of [
        ["protocol", "GET", ["transport=polling", "EIO=abc&transport=polling"]],
        ["transport", "GET", ["EIO=4", "EIO=4&transport=abc"]],
        ["method_post", "POST", ["EIO=4&transport=polling"]],
        ["method_put", "PUT", ["EIO=4&transport=polling"]],
    ])
        suite(`polling_handshake_with_bad_${name}`, async (to, t) => {
            const statuses = [];
            for (const query of queries)
                statuses.push((await answer(to, t, target(query, path),
                                            { method }))[0]);
            return statuses;
        }, { expect: queries.map(() => 400) });

    suite("websocket_handshake", async (to, t) => {
        const { handshake: { sid, ...rest } } = await dial(to, t);
        return [typeof sid, rest];
    }, { expect: ["string", { upgrades: [], ...settings }] });

    for (const [name, query] of [
        ["no_protocol", "transport=websocket"],
        ["bad_protocol", "EIO=abc&transport=websocket"],
        ["no_transport", "EIO=4"],
        ["bad_transport", "EIO=4&transport=abc"],
    ])
        suite(`websocket_handshake_with_${name}_is_refused`,
              async (to, t) => {
                const [status, ...rest] = await attempt(to, t, query, { path });
                return status === 400 || rest.at(-1) === "(closed 1006)";
            }, { expect: true });

    suite("polling_ping_and_pong", async (to, t) => {
        const session = await open(to, t);
        const results = [];

        for (let i = 0; i < 3; i++)
            results.push(await session.polled(),
                         (await session.posted("3"))[0]);
        return results;
    }, { expect: [1, 2, 3].flatMap(() => [[200, "2"], 200]) });

    suite("polling_ping_timeout", async (to, t) => {
        const session = await open(to, t);

        // The suite waits exactly so long, and then a little by its request.
        await sleep(settings.pingInterval + settings.pingTimeout + 40);
        return (await session.polled())[0];
    }, { expect: 400 });

    suite("websocket_ping_and_pong", async (to, t) => {
        const socket = await dial(to, t, { pongs: false });
        const messages = [];

        for (let i = 0; i < 3; i++) {
            messages.push(await socket.next());
            socket.send("3");
        }
        return messages;
    }, { expect: ["2", "2", "2"] });

    suite("websocket_ping_timeout", async (to, t) => {
        const socket = await dial(to, t, { pongs: false });
        return (await socket.rest()).at(-1);
    }, { expect: "(closed 1005)" });

    suite("polling_close", async (to, t) => {
        const session = await open(to, t);
        const waiting = session.polled();

        await sleep(20);
        await session.post("1");
        return [await waiting, (await session.polled())[0]];
    }, { expect: [[200, "6"], 400] });

    suite("websocket_close", async (to, t) => {
        const socket = await dial(to, t, { pongs: false });

        socket.send("1");
        return (await socket.rest(2000)).at(-1);
    }, { expect: "(closed 1005)" });

    suite("upgrade", async (to, t) => {
        const session = await open(to, t);
        const socket = await probe(session);

        socket.send("2probe");
        const answered = await socket.next();
        const polled = await session.polled();
        socket.send("5");
        return [answered, polled, await socket.during(50)];
    }, { expect: ["3probe", [200, "6"], []] });

    suite("poll_after_a_quick_upgrade", async (to, t) => {
        const session = await open(to, t);
        const socket = await probe(session);

        socket.send("2probe");
        socket.send("5");
        await sleep(DIALING_MS);
        const [status] = await session.polled();
        return [status, await socket.during(50)];
    }, { expect: [400, ["3probe"]] });

    suite("second_websocket_after_the_upgrade", async (to, t) => {
        const session = await open(to, t);
        const first = await probe(session);

        first.send("2probe");
        first.send("5");
        const second = await probe(session);
        return [await second.rest(), await first.during(50)];
    }, { expect: [["(closed 1005)"], ["3probe"]] });
}

/*
 * Engine.IO: the server echoes
 */

const engine = { kind: "conformance", options: ["engineio"] };
const open = (server, t) => polling(server, t, {}, "/engine.io/");
const dial = (server, t) =>
    websocket(server, t, {}, { path: "/engine.io/" });

for (const [name, payload] of [
    ["one_text", "4hello"],
    ["three_texts", ["4test1", "4test2", "4test3"].join(RS)],
    ["text_and_binary", `4hello${RS}bAQIDBA==`],
    ["empty_text", "4"], ["empty_binary", "b"],
    ["unicode", "4äöü€😀"],
])
    twin(`engineio_polling_echo_of_${name}`, async (server, t) => {
        const session = await open(server, t);

        return [await session.posted(payload), await session.polled()];
    }, { ...engine, expect: [[200, "ok"], [200, payload]] });

twin("engineio_polling_bad_packet_closes", async (server, t) => {
    const session = await open(server, t);

    await session.post("abc").catch(() => {});
    return (await session.polled())[0];
}, { ...engine, expect: 400 });

twin("engineio_polling_second_poll_closes", async (server, t) => {
    const session = await open(server, t);
    const first = session.polled();

    await sleep(5);
    const [status] = await session.polled();
    check([400, 500].includes(status), `answered ${status}`);
    return [await first, (await session.polled())[0]];
}, { ...engine, expect: [[200, "1"], 400] });

twin("engineio_websocket_echo_of_text", async (server, t) => {
    const socket = await dial(server, t);

    socket.send("4hello");
    socket.send("4");
    return socket.take(2);
}, { ...engine, expect: ["4hello", "4"] });

twin("engineio_websocket_echo_of_binary", async (server, t) => {
    const socket = await dial(server, t);

    socket.send(Buffer.from([1, 2, 3, 4]));
    socket.send(Buffer.alloc(0));
    return socket.take(2);
}, { ...engine, expect: ["<01020304>", "<>"] });

twin("engineio_websocket_bad_packet_closes", async (server, t) => {
    const socket = await dial(server, t);

    socket.send("abc");
    return socket.rest();
}, { ...engine, expect: ["(closed 1005)"] });

twin("engineio_upgraded_session_echoes", async (server, t) => {
    const session = await open(server, t);
    const socket = await probe(session);

    socket.send("2probe");
    const answered = await socket.next();
    const polled = await session.polled();
    socket.send("5");
    socket.send("4hello");
    return [answered, polled, await socket.next()];
}, { ...engine, expect: ["3probe", [200, "6"], "4hello"] });

twin("engineio_quick_upgrade_echoes_and_refuses_polls",
    async (server, t) => {
        const session = await open(server, t);
        const socket = await probe(session);

        socket.send("2probe");
        socket.send("5");
        await sleep(DIALING_MS);
        const [status] = await session.polled();
        socket.send("4hello");
        return [status, await socket.take(2)];
    }, { ...engine, expect: [400, ["3probe", "4hello"]] });

twin("engineio_quick_upgrade_echoes_beside_a_second_websocket",
    async (server, t) => {
        const session = await open(server, t);
        const first = await probe(session);

        first.send("2probe");
        first.send("5");
        const second = await probe(session);
        const end = await second.rest();
        first.send("4hello");
        return [end, await first.take(2)];
    }, { ...engine, expect: [["(closed 1005)"], ["3probe", "4hello"]] });

/*
 * Socket.IO
 */

const socketio = { kind: "conformance", options: ["socketio"] };
const hideId = (text) => text.replace(/"sid":"[A-Za-z0-9_-]+"/, '"sid":"ID"');

async function joined(server, t, options) {
    const socket = await websocket(server, t, {}, options);

    socket.send("40");
    await socket.take(2);
    return socket;
}

for (const [name, packet, expect] of [
    ["main_namespace", "40", ['40{"sid":"ID"}', '42["auth",{}]']],
    ["main_namespace_with_auth", '40{"token":"123"}',
     ['40{"sid":"ID"}', '42["auth",{"token":"123"}]']],
    ["custom_namespace", "40/custom,",
     ['40/custom,{"sid":"ID"}', '42/custom,["auth",{}]']],
    ["custom_namespace_with_auth", '40/custom,{"token":"abc"}',
     ['40/custom,{"sid":"ID"}', '42/custom,["auth",{"token":"abc"}]']],
])
    twin(`socketio_connect_to_${name}`, async (server, t) => {
        const socket = await websocket(server, t);

        socket.send(packet);
        return (await socket.take(2)).map(hideId);
    }, { ...socketio, expect });

twin("socketio_connect_to_an_unknown_namespace", async (server, t) => {
    const socket = await websocket(server, t);

    socket.send("40/random");
    return socket.next();
}, { ...socketio, expect: '44/random,{"message":"Invalid namespace"}' });

twin("socketio_garbage_instead_of_connect_closes", async (server, t) => {
    const socket = await websocket(server, t);

    socket.send("4abc");
    return socket.rest();
}, { ...socketio, expect: ["(closed 1005)"] });

twin("socketio_silence_closes", async (server, t) => {
    const socket = await websocket(server, t, {}, { pongs: false });

    return socket.rest(2000);
}, { ...socketio, expect: ["2", "(closed 1005)"] });

// Pongs are sent here, so only the connect timeout can end it.
twin("socketio_silence_with_pongs_closes_after_a_second",
    async (server, t) => {
        const socket = await websocket(server, t);
        const started = Date.now();
        const end = await socket.rest(2000);
        const after = Date.now() - started;

        check(after > 900 && after < 1400, `after ${after} ms`);
        return end;
    }, { ...socketio, expect: ["(closed 1005)"] });

twin("socketio_disconnect_from_the_main_namespace", async (server, t) => {
    const socket = await joined(server, t, { pongs: false });

    socket.send("41");
    return socket.next();
}, { ...socketio, expect: "2" });

twin("socketio_custom_namespace_and_back_within_a_ping",
    async (server, t) => {
        const socket = await joined(server, t, { pongs: false });

        const ping = await socket.next();
        socket.send("40/custom");
        const replies = (await socket.take(2)).map(hideId);
        socket.send("41/custom");
        socket.send('42["message","message to main namespace"]');
        return [ping, replies, await socket.next()];
    }, {
        ...socketio,
        expect: ["2", ['40/custom,{"sid":"ID"}', '42/custom,["auth",{}]'],
                 '42["message-back","message to main namespace"]'],
    });

const holders = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}';
const bytes = [Buffer.from([1, 2, 3]), Buffer.from([4, 5, 6])];

for (const [name, packets, expect] of [
    ["text", ['42["message",1,"2",{"3":[true]}]'],
     ['42["message-back",1,"2",{"3":[true]}]']],
    ["binary", [`452-["message",${holders}]`, ...bytes],
     [`452-["message-back",${holders}]`, "<010203>", "<040506>"]],
    ["text_with_ack", ['42456["message-with-ack",1,"2",{"3":[false]}]'],
     ['43456[1,"2",{"3":[false]}]']],
    ["binary_with_ack", [`452-789["message-with-ack",${holders}]`, ...bytes],
     [`462-789[${holders}]`, "<010203>", "<040506>"]],
])
    twin(`socketio_message_with_${name}`, async (server, t) => {
        const socket = await joined(server, t);

        for (const packet of packets)
            socket.send(packet);
        return socket.take(expect.length);
    }, { ...socketio, expect });

for (const [name, packet] of [
    ["unknown_type", "4abc"], ["object_payload", "42{}"],
    ["bad_ack_id", '42abc["message-with-ack",1,"2",{"3":[false]}]'],
])
    twin(`socketio_${name}_closes`, async (server, t) => {
        const socket = await joined(server, t);

        socket.send(packet);
        return socket.rest();
    }, { ...socketio, expect: ["(closed 1005)"] });

/*
 * Around the cases: what the suites need of the server beside the protocol
 */

for (const [role, path] of [["engineio", "/engine.io/"],
                            ["socketio", "/socket.io/"]]) {
    const server = { kind: "conformance", options: [role] };
    const loopback = Object.values(networkInterfaces()).flat()
        .some(({ address }) => address === "::1");
    const hosts = loopback ? ["127.0.0.1", "[::1]"] : ["127.0.0.1"];

    twin(`${role}_answers_with_cors_headers`, async (to, t) => {
        const { status, headers } = await http(
            to, t, target("EIO=4&transport=polling", path),
            { headers: { Origin: "http://localhost:8080" } });
        return [status, headers["access-control-allow-origin"]];
    }, { ...server, expect: [200, "*"] });

    twin(`${role}_listens_on_both_address_families`, async (to) => {
        const statuses = [];
        for (const host of hosts) {
            const response = await fetch(
                `http://${host}:${to.port}${
                    target("EIO=4&transport=polling", path)}`,
                { signal: AbortSignal.timeout(4000) });
            await response.text();
            statuses.push(response.status);
        }
        return statuses;
    }, { ...server, expect: hosts.map(() => 200) });

    twin(`${role}_takes_a_million_bytes`, async (to, t) => {
        const session = await polling(to, t, {}, path);
        const text = "4".padEnd(1000001, "x");

        return (await session.posted(text))[0];
    }, { ...server, expect: 413 });
}

await finish();
