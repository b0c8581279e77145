// Our emitter beside @socket.io/redis-emitter: what both publish, what stock
// clients of Node's servers get from either, and what happens when Redis is not
// as it should be.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { finish, test } from "../interop/harness.mjs";
import {
    build, deadline, OurEmitter, Redis, require, sleep, start,
    TheirEmitter,
} from "./emitter.mjs";
import { freePort } from "../interop/ports.mjs";

const { Server } = require("socket.io");
const { createAdapter, createShardedAdapter } =
    require("@socket.io/redis-adapter");
const { createAdapter: createStreamsAdapter } =
    require("@socket.io/redis-streams-adapter");
const { io } = require("socket.io-client");

const LONG = { timeout: 40000 };
const deep = (n) => n === 0 ? [] : [deep(n - 1)];

// One of everything that an emitter does.
const calls = {
    no_arguments: { op: "emit", event: "ev" },
    arguments: {
        op: "emit", event: "ev",
        args: [{ s: "x", n: [0, 127, 128, 255, 256, 65535, 65536, -1, -32, -33,
                             -128, -129, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1,
                             1.5, -0.25, 1e-7] }, [true, false, null]],
    },
    strings: {
        op: "emit", event: "\u00e9v \"q\" \\ \n \u001f \u{1f600}",
        args: ["\u0000" + "a".repeat(30), "b".repeat(32)],
    },
    long_strings: {
        op: "emit", event: "ev", args: ["c".repeat(256), "d".repeat(70000)],
    },
    lists: {
        op: "emit", event: "ev",
        args: [Array(16).fill(1),
               Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))],
    },
    depth: { op: "emit", event: "ev", args: [deep(50)] },
    bytes: { op: "emit", event: "ev", hex: "00ff7b22" },
    empty_bytes: { op: "emit", event: "ev", hex: "" },
    bytes_inside: { op: "emit", event: "ev", args: [{ a: 1 }], hex: "0102", wrap: true },
    what_looks_like_bytes: {
        op: "emit", event: "ev", args: [{ _placeholder: true, num: 0 }, 1],
    },
    one_room: { op: "emit", to: ["r1"], event: "ev", args: [1] },
    the_same_room_twice: { op: "emit", to: ["r1", "r1"], event: "ev" },
    rooms: { op: "emit", to: ["r1", "r2", "r1"], event: "ev", args: [1] },
    strange_rooms: { op: "emit", to: ["a#b", "", "*?[]\\", "\u00fc"], event: "ev" },
    a_room_with_marks: { op: "emit", to: ["a#\u00fc#"], event: "ev" },
    an_empty_room: { op: "emit", to: [""], event: "ev" },
    except: { op: "emit", except: ["r1", "r2", "r2"], event: "ev" },
    room_except: { op: "emit", to: ["r1"], except: ["r2"], event: "ev" },
    volatile: { op: "emit", flags: 1, event: "ev" },
    uncompressed: { op: "emit", flags: 4, event: "ev" },
    both_flags: { op: "emit", flags: 5, event: "ev" },
    namespace: { op: "emit", nsp: "/a", event: "ev" },
    namespace_without_slash: { op: "emit", nsp: "a", to: ["r1"], event: "ev" },
    join: { op: "join", rooms: ["z"] },
    join_of_a_target: {
        op: "join", nsp: "/a", to: ["r1", "r1", "r2"], except: ["r3"],
        rooms: ["z", "z", "y"],
    },
    join_nothing: { op: "join", rooms: [] },
    leave: { op: "leave", to: ["r1"], rooms: ["z"] },
    disconnect: { op: "disconnect", to: ["r1"] },
    close: { op: "disconnect", except: ["\u00e9\""], close: true },
    servers: { op: "server", event: "x", args: [1] },
    servers_without_arguments: { op: "server", nsp: "/a", event: "x" },
    servers_and_text: { op: "server", event: "e\"", args: [{ a: "\u2028\ud83d\ude00" }, 1.5] },
};

// All that is published, as hex, up to the mark that the listener publishes.
async function listen(redis) {
    const client = await redis.client();
    const mark = await redis.client();
    const heard = [];

    await client.pSubscribe("*", (message, channel) =>
        heard.push([channel.toString(), message.toString("hex")]), true);
    return async () => {
        await mark.publish("mark", "mark");
        for (let i = 0; i < 500 && heard.at(-1)?.[0] !== "mark"; i++)
            await sleep(10);
        assert.equal(heard.pop()?.[0], "mark");
        return heard.splice(0);
    };
}

test("every_call_publishes_the_bytes_of_the_npm_emitter", async (t) => {
    const redis = await new Redis(t).start();
    const heard = await listen(redis);

    for (const options of [{}, { key: "app" }]) {
        const theirs = new TheirEmitter(await redis.client(), options);
        const ours = new OurEmitter(t, { unix_path: redis.path, ...options });

        for (const [name, call] of Object.entries(calls)) {
            await theirs.send(call);
            const expected = await heard();
            await ours.send(call);
            assert.deepEqual(await heard(), expected, name);
            assert.equal(expected.length, 1, name);
        }
    }
}, LONG);

/*
 * Two servers of Node and their clients. What an emitter does to them is
 * written down until the emitter's own last word has come to everybody.
 */
async function nodes(t, redis, adapterOf) {
    const servers = [];

    for (let i = 0; i < 2; i++) {
        const http = createHttpServer().listen(0, "127.0.0.1");
        await once(http, "listening");
        const server = new Server(http, { adapter: await adapterOf(redis) });
        const url = `http://127.0.0.1:${http.address().port}`;
        server.url = url;
        server.said = [];
        for (const nsp of ["/", "/a"]) {
            server.of(nsp).on("connection", (socket) =>
                socket.on("join", (rooms, done) => {
                    socket.join(rooms);
                    done();
                }));
            server.of(nsp).on("x", (...args) =>
                server.said.push([nsp, ...args]));
        }
        servers.push(server);
        t.after(async () => {
            server.disconnectSockets(true);
            http.closeAllConnections();
            await new Promise((done) => server.close(() => done()));
        });
    }
    return servers;
}

const members = [
    [0, "/", ["r1"]], [0, "/", ["r2"]], [1, "/", ["r1", "r2"]], [1, "/", []],
    [0, "/a", ["r1"]], [1, "/a", []],
];

async function clientsOf(t, servers) {
    const sockets = [];

    for (const [server, nsp, rooms] of members) {
        const socket = io(servers[server].url + nsp, {
            forceNew: true, transports: ["websocket"], reconnection: false,
        });
        socket.log = [];
        socket.onAny((...args) => socket.log.push(args));
        socket.on("disconnect", (reason) => socket.log.push(["gone", reason]));
        t.after(() => socket.close());
        await deadline(once(socket, "connect"), 5000, "connecting");
        await socket.timeout(5000).emitWithAck("join", rooms);
        sockets.push(socket);
    }
    return sockets;
}

const story = [
    { op: "emit", event: "all", args: [1, { two: [2.5, null] }] },
    { op: "emit", nsp: "/a", event: "all" },
    { op: "emit", to: ["r1"], event: "one", args: ["\u00fc"] },
    { op: "emit", to: ["r1", "r2"], event: "both" },
    { op: "emit", to: ["r1"], except: ["r2"], event: "some" },
    { op: "emit", except: ["r1", "r2"], event: "rest" },
    { op: "emit", to: ["nobody"], event: "none" },
    { op: "emit", flags: 1, event: "volatile", args: [1] },
    { op: "emit", flags: 4, event: "uncompressed", args: [1] },
    { op: "emit", event: "bytes", hex: "00ff7b22" },
    { op: "emit", nsp: "a", to: ["r1"], event: "inside", args: [{ a: 1 }],
      hex: "0102", wrap: true },
    { op: "server", event: "x", args: ["hello", { n: 1 }] },
    { op: "server", nsp: "/a", event: "x" },
    { op: "join", to: ["r1"], rooms: ["z", "y"] },
    { op: "emit", to: ["z"], event: "joined" },
    { op: "leave", to: ["r2"], rooms: ["z"] },
    { op: "emit", to: ["z"], event: "left" },
    { op: "leave", rooms: ["y"] },
    { op: "emit", to: ["y"], event: "nowhere" },
    { op: "join", nsp: "/a", rooms: ["w"] },
    { op: "emit", nsp: "/a", to: ["w"], event: "everywhere" },
    { op: "disconnect", to: ["r2"], except: ["r1"] },
    { op: "emit", event: "after" },
    { op: "disconnect", nsp: "/a", to: ["r1"], close: true },
    { op: "emit", nsp: "/a", event: "after" },
];
const sayLastWords = async (emitter, n) => {
    for (const nsp of ["/", "/a"])
        await emitter.send({ op: "emit", nsp, event: "end", args: [n] });
};

// Until all who are still there have heard the last words of this number.
async function hearLastWords(sockets, n, what) {
    for (const socket of sockets) {
        const isOver = () => !socket.connected ||
            socket.log.some(([event, number]) => event === "end" && number === n);
        for (let i = 0; i < 500 && !isOver(); i++)
            await sleep(10);
        assert.ok(isOver(), `${what} has an end`);
    }
}

// Adapters begin to listen in their own time. Then each call is seen through
// before the next: servers do not act upon join and leave at once.
async function tell(t, servers, emitter) {
    const sockets = await clientsOf(t, servers);

    for (let n = -300; !sockets.every(({ log }) => log.length > 0); n++) {
        assert.notEqual(n, 0, "the servers listen");
        await sayLastWords(emitter, n);
        await sleep(20);
    }
    await sayLastWords(emitter, 0);
    await hearLastWords(sockets, 0, "the beginning");
    for (const socket of sockets)
        socket.log.length = 0;

    for (const [i, call] of story.entries()) {
        await emitter.send(call);
        await sayLastWords(emitter, i + 1);
        await hearLastWords(sockets, i + 1, JSON.stringify(call));
    }
    const said = servers.map((server) => server.said.splice(0));
    const clients = sockets.map(({ log }) => [...log]);
    for (const socket of sockets)
        socket.close();
    return { clients, said };
}

const classic = async (redis) =>
    createAdapter(await redis.client(), await redis.client());
const sharded = (subscriptionMode) => async (redis) =>
    createShardedAdapter(await redis.client(), await redis.client(),
                         { subscriptionMode });
const streams = async (redis) =>
    createStreamsAdapter(await redis.client(), { blockTimeInMs: 100 });

test("clients_of_node_get_what_the_npm_emitter_would_send", async (t) => {
    const redis = await new Redis(t).start();
    const servers = await nodes(t, redis, classic);
    const ours = new OurEmitter(t, { url: redis.url });
    const theirs = new TheirEmitter(await redis.client());

    const expected = await tell(t, servers, theirs);
    assert.deepEqual(await tell(t, servers, ours), expected);
    assert.equal(expected.said[0].length, 2);
    assert.deepEqual(expected.clients[1].filter(([e]) => e === "gone"),
                     [["gone", "io server disconnect"]]);
}, LONG);

test("bytes_among_servers_arrive_as_bytes", async (t) => {
    const redis = await new Redis(t).start();
    const servers = await nodes(t, redis, classic);
    const ours = new OurEmitter(t, { unix_path: redis.path });

    await ours.send({ op: "server", event: "x", args: ["a"], hex: "0102", wrap: true });
    for (const server of servers) {
        for (let i = 0; i < 500 && server.said.length === 0; i++)
            await sleep(10);
        assert.deepEqual(server.said, [
            ["/", "a", { file: Buffer.from([1, 2]), list: [1, Buffer.from([1, 2])] }],
        ]);
    }
}, LONG);

test("clients_of_node_get_the_same_through_a_stream", async (t) => {
    const redis = await new Redis(t).start();
    const servers = await nodes(t, redis, classic);
    const streaming = await nodes(t, redis, streams);
    const theirs = new TheirEmitter(await redis.client());
    const ours = new OurEmitter(t, { unix_path: redis.path, stream: "socket.io" });

    const expected = await tell(t, servers, theirs);
    assert.deepEqual(await tell(t, streaming, ours), expected);
}, LONG);

for (const mode of ["dynamic", "static", "dynamic-private"])
    test(`clients_of_node_get_the_same_through_shards_${mode.replace("-", "_")}`, async (t) => {
        const redis = await new Redis(t).start();
        const servers = await nodes(t, redis, classic);
        const others = await nodes(t, redis, sharded(mode));
        const theirs = new TheirEmitter(await redis.client());
        const ours = new OurEmitter(t, { unix_path: redis.path, sharded: true });

        const expected = await tell(t, servers, theirs);
        assert.deepEqual(await tell(t, others, ours), expected);
    }, LONG);

test("a_stream_is_kept_at_about_its_length", async (t) => {
    const redis = await new Redis(t, "--stream-node-max-entries", "10").start();
    const ours = new OurEmitter(t, {
        unix_path: redis.path, stream: "s", stream_max_len: 20,
    });

    for (let i = 0; i < 100; i++)
        await ours.send({ op: "emit", event: "ev", args: [i] });
    const length = await (await redis.client()).xLen("s");
    assert.ok(length >= 20 && length <= 40, `${length} entries`);
});

test("the_example_announces_to_a_room_or_to_all", async (t) => {
    const redis = await new Redis(t).start();
    const [server] = await nodes(t, redis, classic);
    const announce = async (...args) => {
        const child = start(`${build}/examples/announce`, args);
        return [await deadline(child.exited, 5000, "announce"), child.text];
    };
    const sockets = await clientsOf(t, [server, server]);
    const heard = (i) => sockets[i].log.filter(([e]) => e === "announcement");

    for (let i = 0; i < 300 && heard(3).length === 0; i++) {
        assert.deepEqual(await announce(redis.url, "", "to all"), [0, ""]);
        await sleep(20);
    }
    for (const socket of sockets)
        socket.log.length = 0;
    assert.deepEqual(await announce(redis.url, "r1", "\u00fc \"1\""), [0, ""]);
    assert.deepEqual(await announce(`unix:${redis.path}`, "", "end"), [0, ""]);
    for (let i = 0; i < 500 && heard(3).at(-1)?.[1] !== "end"; i++)
        await sleep(10);
    assert.deepEqual(heard(0).slice(-2).map(([, text]) => text), ["\u00fc \"1\"", "end"]);
    assert.ok(!heard(3).some(([, text]) => text === "\u00fc \"1\""));

    assert.equal((await announce())[0], 2);
    await redis.kill();
    const [code, text] = await announce(redis.url, "r1", "x");
    assert.equal(code, 1);
    assert.match(text, /announce: the connection is closed: .*refused/);
    assert.equal((await announce("nonsense", "r1", "x"))[0], 1);
}, LONG);

/*
 * Redis as it should not be
 */

const hello = { op: "emit", event: "hello" };

test("an_absent_redis_is_told_at_once_and_found_later", async (t) => {
    const redis = new Redis(t);
    redis.port = await freePort();
    const ours = new OurEmitter(t, { port: redis.port });
    const absent = await ours.call(hello);

    assert.equal(absent.result, "SKIO_ECLOSED");
    assert.match(absent.text, /refused/);
    await redis.start();
    await ours.send(hello);
}, LONG);

test("an_absent_unix_socket_and_an_unknown_host_are_told", async (t) => {
    const absent = new OurEmitter(t, { unix_path: "/nonexistent/redis" });
    const unknown = new OurEmitter(t, { host: "redis.invalid" });

    assert.equal((await absent.call(hello)).result, "SKIO_ENOENT");
    assert.match((await unknown.call(hello)).result, /^SKIO_(ENOENT|EIO)$/);
}, LONG);

test("a_redis_that_was_killed_and_came_back_is_not_noticed", async (t) => {
    const redis = await new Redis(t).start();
    const ours = new OurEmitter(t, { url: redis.url });

    for (const signal of ["SIGKILL", "SIGTERM"]) {
        await ours.send(hello);
        await redis.kill(signal);
        await redis.start();
        const heard = await listen(redis);
        await ours.send(hello);
        assert.equal((await heard()).length, 1);
    }
    await redis.kill();
    assert.equal((await ours.call(hello)).result, "SKIO_ECLOSED");
    assert.equal((await ours.call(hello)).result, "SKIO_ECLOSED");
}, LONG);

test("a_connection_that_redis_ended_is_made_again", async (t) => {
    const redis = await new Redis(t).start();
    const ours = new OurEmitter(t, { unix_path: redis.path });
    const client = await redis.client();

    await ours.send(hello);
    await client.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    await ours.send(hello);
});

test("a_frozen_redis_is_a_time_out_and_answers_when_thawed", async (t) => {
    const redis = await new Redis(t).start();
    const ours = new OurEmitter(t, { url: redis.url, command_timeout_ms: 300 });

    await ours.send(hello);
    redis.child.kill("SIGSTOP");
    const frozen = await ours.call(hello);
    assert.equal(frozen.result, "SKIO_ETIMEDOUT");
    assert.ok(frozen.ms >= 300 && frozen.ms < 3000, `${frozen.ms} ms`);
    redis.child.kill("SIGCONT");
    await ours.send(hello);
});

test("the_connect_timeout_covers_the_password", async (t) => {
    const redis = await new Redis(t, "--requirepass", "secret").start();
    const ours = new OurEmitter(t, {
        unix_path: redis.path, password: "secret", connect_timeout_ms: 300,
    });

    redis.child.kill("SIGSTOP");
    const frozen = await ours.call(hello);
    assert.equal(frozen.result, "SKIO_ETIMEDOUT");
    assert.ok(frozen.ms < 3000, `${frozen.ms} ms`);
    redis.child.kill("SIGCONT");
    await ours.send(hello);
});

test("passwords_are_asked_for_refused_and_taken", async (t) => {
    const redis = await new Redis(
        t, "--requirepass", "se/cr et", "--user", "emitter", "on",
        ">p@ss:w%", "&*", "+publish",
    ).start();
    const at = (login) => ({ url: `redis://${login}127.0.0.1:${redis.port}` });
    const result = async (options) =>
        (await new OurEmitter(t, options).call(hello)).result;
    const wrong = await new OurEmitter(t, at(":wrong@")).call(hello);

    assert.equal(wrong.result, "SKIO_EACCES");
    assert.ok(!wrong.text.includes("wrong@"), wrong.text);
    assert.equal(await result(at("")), "SKIO_EACCES");
    assert.equal(await result(at("nobody:p@")), "SKIO_EACCES");
    assert.equal(await result(at(":se%2Fcr%20et@")), "SKIO_OK");
    assert.equal(await result(at("emitter:p%40ss%3Aw%25@")), "SKIO_OK");
    assert.equal(await result({ unix_path: redis.path, password: "se/cr et" }),
                 "SKIO_OK");
    assert.equal(await result({ url: `unix:${redis.path}?password=se%2Fcr%20et` }),
                 "SKIO_OK");
    assert.equal(await result({ port: redis.port, user: "emitter",
                                password: "p@ss:w%" }), "SKIO_OK");
    // What it may not do is no matter of the password.
    assert.equal(await result({ port: redis.port, user: "emitter",
                                password: "p@ss:w%", stream: "s" }),
                 "SKIO_EACCES");
}, LONG);

test("the_database_is_the_one_of_the_url_or_the_option", async (t) => {
    const redis = await new Redis(t).start();
    const options = [
        { url: `${redis.url}/3`, stream: "s" },
        { url: `unix:${redis.path}?db=3`, stream: "s" },
        { port: redis.port, database: 3, stream: "s" },
    ];

    for (const each of options)
        await new OurEmitter(t, each).send(hello);
    const client = await redis.client({ database: 3 });
    assert.equal(await client.xLen("s"), options.length);
    assert.equal(await (await redis.client()).xLen("s"), 0);

    const none = new OurEmitter(t, { url: `${redis.url}/99`, stream: "s" });
    const answer = await none.call(hello);
    assert.equal(answer.result, "SKIO_EIO");
    assert.match(answer.text, /DB index/);
});

test("what_redis_refuses_is_told_in_its_words", async (t) => {
    const redis = await new Redis(t).start();
    const client = await redis.client();
    const ours = new OurEmitter(t, { unix_path: redis.path, stream: "s" });

    await client.set("s", "no stream");
    const answer = await ours.call(hello);
    assert.equal(answer.result, "SKIO_EIO");
    assert.match(answer.text, /WRONGTYPE/);
    await client.del("s");
    await ours.send(hello);
});

test("tls_is_refused_with_a_reason", async (t) => {
    const ours = new OurEmitter(t, { url: "rediss://127.0.0.1:6379" });

    assert.equal((await ours.made).result, "SKIO_ENOTSUP");
    await ours.child.exited;
    assert.match(ours.child.text, /TLS/);
});

// A peer that says what it likes.
async function peer(t, onConnection) {
    const server = createServer(onConnection).listen(0, "127.0.0.1");

    await once(server, "listening");
    const sockets = new Set();
    server.on("connection", (socket) => {
        sockets.add(socket);
        socket.on("error", () => {});
    });
    t.after(() => {
        for (const socket of sockets)
            socket.destroy();
        server.close();
    });
    return server.address().port;
}

const answers = {
    garbage: ["\u0000\u0001\u0002\r\n", "SKIO_EPROTO"],
    http: ["HTTP/1.1 400 Bad Request\r\n\r\n", "SKIO_EPROTO"],
    an_array: ["*1\r\n$2\r\nOK\r\n", "SKIO_EPROTO"],
    a_huge_array: ["*2147483647\r\n", "SKIO_EPROTO"],
    a_huge_string: ["$536870912\r\n" + "a".repeat(100000), "SKIO_EPROTO"],
    an_endless_line: ["+" + "a".repeat(200000), "SKIO_EPROTO"],
    a_push_of_resp3: [">2\r\n+a\r\n+b\r\n", "SKIO_EPROTO"],
    an_error: ["-ERR no\r\n", "SKIO_EIO"],
    an_error_with_controls: ["-ERR \u001b[31m\u0007\r\n", "SKIO_EIO"],
    loading: ["-LOADING Redis is loading the dataset\r\n", "SKIO_EIO"],
    nil: ["$-1\r\n", "SKIO_OK"],
    an_integer: [":0\r\n", "SKIO_OK"],
    a_half: [":1", "SKIO_ETIMEDOUT"],
    nothing: ["", "SKIO_ETIMEDOUT"],
};

for (const [name, [bytes, result]] of Object.entries(answers))
    test(`an_answer_of_${name}_is_${result.toLowerCase()}`, async (t) => {
        let connections = 0;
        const port = await peer(t, (socket) => {
            connections++;
            socket.on("data", () => socket.write(bytes));
        });
        const ours = new OurEmitter(t, { port, command_timeout_ms: 500 });

        for (let i = 0; i < 2; i++) {
            const answer = await ours.call(hello);
            assert.equal(answer.result, result, answer.text);
            assert.doesNotMatch(answer.text, /[\u0000-\u001f]/);
        }
        // After a failure nothing of the old connection is believed.
        assert.equal(connections, result === "SKIO_OK" ? 1 : 2);
    });

test("an_answer_byte_by_byte_is_read", async (t) => {
    const port = await peer(t, (socket) => {
        socket.setNoDelay(true);
        socket.once("data", async () => {
            for (const byte of ":1\r\n") {
                socket.write(byte);
                await sleep(20);
            }
        });
    });

    await new OurEmitter(t, { port }).send(hello);
});

test("bytes_that_drip_for_ever_do_not_hold_the_caller", async (t) => {
    const port = await peer(t, (socket) => {
        const timer = setInterval(() => socket.write("+a".slice(0, 1)), 50);
        socket.on("close", () => clearInterval(timer));
    });
    const ours = new OurEmitter(t, { port, command_timeout_ms: 400 });
    const answer = await ours.call(hello);

    assert.ok(answer.ms < 3000, `${answer.ms} ms`);
    assert.equal(answer.result, "SKIO_ETIMEDOUT");
});

test("a_peer_that_hangs_up_raises_no_signal", async (t) => {
    let connections = 0;
    const port = await peer(t, (socket) => {
        connections++;
        socket.once("data", () => socket.resetAndDestroy());
    });
    const ours = new OurEmitter(t, { port });
    const large = { op: "emit", event: "ev", args: ["x".repeat(900000)] };

    for (let i = 0; i < 3; i++)
        assert.equal((await ours.call(large)).result, "SKIO_ECLOSED");
    // Whether Redis had run it nobody knows: it was not sent a second time.
    assert.equal(connections, 3);
});

test("what_a_connection_says_unasked_ends_it", async (t) => {
    let connections = 0;
    const port = await peer(t, (socket) => {
        connections++;
        socket.on("data", () => {
            socket.write(":1\r\n");
            if (connections === 1)
                setTimeout(() => socket.write("-ERR late\r\n"), 20);
        });
    });
    const ours = new OurEmitter(t, { port });

    await ours.send(hello);
    await sleep(200);
    await ours.send(hello);
    assert.equal(connections, 2);
});

/*
 * Redis Cluster
 */

const onceSaid = (bytes) => (socket) => socket.on("data", () => socket.write(bytes));

test("a_node_that_names_another_is_followed_once", async (t) => {
    const heard = [];
    let second = ":1\r\n";
    const to = await peer(t, (socket) => socket.on("data", (data) => {
        heard.push(data.toString("latin1").includes("hello"));
        socket.write(second);
    }));
    const from = await peer(t, onceSaid(`-MOVED 3999 127.0.0.1:${to}\r\n`));
    const same = await peer(t, onceSaid(`-MOVED 3999 :${to}\r\n`));

    for (const port of [from, same]) {
        const ours = new OurEmitter(t, { port, cluster: true });
        await ours.send(hello);
        await ours.send(hello);
        assert.deepEqual(heard.splice(0), [true, true]);
    }
    second = `-MOVED 3999 127.0.0.1:${from}\r\n`;
    const ours = new OurEmitter(t, { port: from, cluster: true });
    const answer = await ours.call(hello);
    assert.equal(answer.result, "SKIO_EIO");
    assert.match(answer.text, /MOVED/);
    // Who did not say that it is a cluster is sent nowhere.
    heard.length = 0;
    const alone = new OurEmitter(t, { port: from });
    assert.equal((await alone.call(hello)).result, "SKIO_EIO");
    assert.deepEqual(heard, []);
});

test("a_node_that_is_gone_is_asked_for_at_the_first_one", async (t) => {
    let where = await freePort();
    const from = await peer(t, (socket) => socket.on("data", () =>
        socket.write(where ? `-MOVED 1 127.0.0.1:${where}\r\n` : ":1\r\n")));
    const ours = new OurEmitter(t, { port: from, cluster: true });

    assert.equal((await ours.call(hello)).result, "SKIO_EIO");
    where = null;
    await ours.send(hello);
});

for (const [name, text] of Object.entries({
    nothing: "MOVED", no_address: "MOVED 1", no_port: "MOVED 1 localhost",
    a_word: "MOVED 1 localhost:x", zero: "MOVED 1 localhost:0",
    a_huge_port: "MOVED 1 localhost:65536",
    a_huger_port: "MOVED 1 localhost:99999999999999999999",
    a_long_host: `MOVED 1 ${"h".repeat(256)}:1`, no_slot: "MOVED :1",
}))
    test(`a_move_to_${name}_is_an_error_like_others`, async (t) => {
        const port = await peer(t, onceSaid(`-${text}\r\n`));
        const ours = new OurEmitter(t, { port, cluster: true });

        for (let i = 0; i < 2; i++)
            assert.equal((await ours.call(hello)).result, "SKIO_EIO");
    });

test("messages_go_to_the_master_of_their_slot", async (t) => {
    const nodes = [];

    for (let i = 0; i < 2; i++) {
        const redis = new Redis(t, "--cluster-enabled", "yes",
                                "--cluster-port", String(await freePort()));
        await redis.start();
        redis.direct = await redis.client();
        nodes.push(redis);
    }
    const [a, b] = nodes;
    await a.direct.sendCommand(["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]);
    await b.direct.sendCommand(["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]);
    const bus = b.options.at(-1);
    await a.direct.sendCommand(["CLUSTER", "MEET", "127.0.0.1", String(b.port), bus]);
    for (const { direct } of nodes)
        for (let i = 0; i < 1000; i++) {
            const info = await direct.sendCommand(["CLUSTER", "INFO"]);
            if (/cluster_state:ok/.test(info) && /known_nodes:2/.test(info))
                break;
            await sleep(20);
        }

    for (const { url } of nodes)
        for (const stream of ["s0", "s1", "s2", "s3"])
            await new OurEmitter(t, { url, cluster: true, stream }).send(hello);
    const lengths = [];
    for (const stream of ["s0", "s1", "s2", "s3"]) {
        const slot = Number(await a.direct.sendCommand(["CLUSTER", "KEYSLOT", stream]));
        lengths.push([slot < 8192, await nodes[slot < 8192 ? 0 : 1].direct.xLen(stream)]);
    }
    assert.deepEqual(lengths.map(([, length]) => length), [2, 2, 2, 2]);
    // The streams are at both nodes, or nothing had to move.
    assert.equal(new Set(lengths.map(([first]) => first)).size, 2);

    const heard = [];
    for (const nsp of ["/", "/a", "/b", "/c"]) {
        const channel = `socket.io#${nsp}#`;
        const slot = Number(await a.direct.sendCommand(["CLUSTER", "KEYSLOT", channel]));
        const listener = await nodes[slot < 8192 ? 0 : 1].client();
        await listener.sSubscribe(channel, () => heard.push(nsp));
    }
    const ours = new OurEmitter(t, { url: a.url, cluster: true, sharded: true });
    for (const nsp of ["/", "/a", "/b", "/c"])
        await ours.send({ ...hello, nsp });
    for (let i = 0; i < 500 && heard.length < 4; i++)
        await sleep(10);
    assert.deepEqual(heard.sort(), ["/", "/a", "/b", "/c"]);
}, LONG);

await finish();
