// First inputs for the fuzz targets: what stock clients and the conformance
// tests send, what Node's adapters publish, and a few by hand. They go where
// `make fuzz` looks for its grown corpus; `make fuzz-merge` keeps what reaches
// something new.
//
//   node tests/fuzz/seed.mjs [interop-test...]
//
// FUZZ_BUILD  as in tests/fuzz/run; NPM and SKIO_BUILD as in tests/interop

import { spawnSync } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync }
    from "node:fs";
import { resolve } from "node:path";
import { deflateRawSync } from "node:zlib";
import { here as interop, require } from "../interop/npm.mjs";

const build = resolve(process.env.FUZZ_BUILD);
const recorder = resolve(interop, "../fuzz/record.mjs");
const recorded = `${build}/recorded`;
const SEED_MAX = 1400;
const count = {};

// Two of which one is good for the target's keys.
const tokenKey = "0123456789abcdef0123456789abcdef";
const tokenSeeds = [tokenKey, "another"].map((key) => {
    const part = (text) => Buffer.from(text).toString("base64url");
    const text = part('{"alg":"HS256"}') + "." + part('{"exp":1000000060}');

    return { token: text + "." +
             createHmac("sha256", key).update(text).digest("base64url") };
});

// The bytes that choose, and then the text.
function seed(target, choices, text = "") {
    const bytes = Buffer.concat([Buffer.from(choices), Buffer.from(text)]);
    const folder = `${build}/corpus/${target}`;

    if (bytes.length > SEED_MAX)
        return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/${createHash("sha1").update(bytes).digest("hex")}`,
                  bytes);
    count[target] = (count[target] ?? 0) + 1;
}

/* ---- What clients sent ---- */

function jsonSeed(text) {
    const start = text.search(/[[{]/);

    if (start >= 0)
        seed("json", [64, 11], text.slice(start));
}

// Steps of the target `server`: a WebSocket, or a polling session, opened by
// the first client.
const openWebSocket = [0, 0, 1, 1, 0, 0, 0];
const openPolling = [0, 0, 0, 0, 0];

function sayStep(data, binary) {
    return [0, 0, 13, data.length, ...data, 0, binary ? 1 : 0];
}

function postStep(body) {
    return [0, 0, 5, 0, 2, body.length, ...body, 6];
}

function serverSeed(steps, options = [0, 0, 0]) {
    seed("server", [...options, ...steps.flat()]);
}

// The messages in frames of a client.
function* messages(bytes) {
    while (bytes.length >= 6) {
        let length = bytes[1] & 0x7f, at = 2;

        if (length === 126) {
            length = bytes.readUInt16BE(2);
            at = 4;
        } else if (length === 127) {
            return; // nothing that small inputs are made of
        }
        if (bytes.length < at + 4 + length)
            return;
        const mask = bytes.subarray(at, at + 4);
        const data = Buffer.from(bytes.subarray(at + 4, at + 4 + length))
            .map((byte, i) => byte ^ mask[i & 3]);

        yield { opcode: bytes[0] & 15, data };
        bytes = bytes.subarray(at + 4 + length);
    }
}

function webSocket(bytes) {
    const steps = [openWebSocket];

    seed("frames", [2, 3], bytes.subarray(0, SEED_MAX - 2));
    for (const { opcode, data } of messages(bytes)) {
        const text = data.toString("latin1");

        if (opcode > 2 || data.length > 200)
            continue;
        steps.push(sayStep(data, opcode === 2));
        if (opcode === 2)
            seed("msgpack", [64, 255, 0], data);
        else if (text.startsWith("4"))
            seed("packet", [8, 64, 255, 1, 0x30], data.subarray(1));
        if (opcode === 1)
            jsonSeed(data.toString());
    }
    for (const options of [0, 1 + 2 + 32, 16])
        serverSeed(steps.slice(0, 12), [options, 0, 0]);
    serverSeed(steps.slice(0, 12), [8, 0, 0]);
}

function requestSeed(head) {
    const [line, ...headers] = head.split("\r\n");
    const query = (line.split(" ")[1] ?? "").split("?")[1] ?? "";
    const names = headers.map((text) => {
        const colon = text.indexOf(":");

        return `${text.slice(0, colon).toLowerCase()}:` +
            text.slice(colon + 1).trim();
    });

    seed("request", [], [query, "EIO", ...names].join("\n"));
    for (const text of names)
        if (/^(cookie|origin|accept-encoding|sec-websocket-ext)/.test(text))
            seed("request", [], `${query}\nio\n${text}`);
}

function connection(bytes) {
    const steps = [openPolling];

    for (;;) {
        const end = bytes.indexOf("\r\n\r\n");

        if (end < 0)
            break;
        const head = bytes.subarray(0, end).toString("latin1");
        const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        const body = bytes.subarray(end + 4, end + 4 + length);

        requestSeed(head);
        bytes = bytes.subarray(end + 4 + length);
        if (/upgrade: *websocket/i.test(head)) {
            webSocket(bytes);
            break;
        }
        for (const form of [0, 1, 2])
            seed("payload", [form, 100], body);
        if (body.length > 0 && body.length < 200)
            steps.push(postStep(body));
    }
    if (steps.length > 1)
        for (const options of [0, 2, 16])
            serverSeed(steps.slice(0, 12), [options, 0, 0]);
}

function record(tests) {
    rmSync(recorded, { recursive: true, force: true });
    for (const test of tests) {
        const { status } = spawnSync(process.execPath, [`${interop}/${test}`], {
            env: { ...process.env, FUZZ_RECORD: recorded,
                   NODE_OPTIONS: `--import ${recorder}` },
            stdio: ["ignore", "ignore", "inherit"],
            timeout: 300_000,
        });

        if (status !== 0)
            console.error(`${test}: status ${status}; what it sent counts`);
    }
    for (const file of readdirSync(recorded))
        connection(readFileSync(`${recorded}/${file}`));
}

/* ---- What Node's adapters publish ---- */

async function cluster() {
    const { Server } = require("socket.io");
    const adapters = require("@socket.io/redis-adapter");
    const limits = [32, 8, 16, 64];
    const published = [];
    const client = {
        publish: async (channel, message) => published.push(message),
        sPublish: async (channel, message) => published.push(message),
        subscribe: async () => {}, unsubscribe: async () => {},
        pSubscribe: async () => {}, pUnsubscribe: async () => {},
        sSubscribe: async () => {}, sUnsubscribe: async () => {},
        on: () => {}, off: () => {},
        sendCommand: async () => [["", 2]],
        duplicate: () => client,
    };

    for (const make of [adapters.createAdapter, adapters.createShardedAdapter]) {
        const io = new Server();
        const isClassic = make === adapters.createAdapter;

        published.length = 0;
        io.adapter(make(client, client));
        for (const to of [io, io.of("/chat"), io.to("a").to("b"),
                          io.except("c"), io.volatile.in("room")]) {
            to.emit("ev", "x", 1, { a: [null, true, 1.5, "é\u2028"] });
            to.emit("bin", Buffer.from([1, 2, 3]), { b: Buffer.alloc(2) });
            if (to.socketsJoin) {
                to.socketsJoin(["d", "e"]);
                to.socketsLeave("d");
                to.disconnectSockets(true);
                to.fetchSockets().catch(() => {});
            }
            to.timeout?.(50).emit("ask", 1, () => {});
        }
        io.serverSideEmit("hey", 1, "two");
        io.serverSideEmit("hey", 1, () => {});
        await new Promise((done) => setTimeout(done, 100));
        for (const message of published)
            for (const what of isClassic ? [0, 1, 2] : [3])
                for (const always of [0, 1])
                    seed("wire", [what, always, 0, ...limits], message);
        for (const message of published) {
            if (typeof message !== "string")
                seed("msgpack", [64, 255, 0], message);
            else
                jsonSeed(message);
        }
    }
    // Answers, which the questions above are not given.
    const answers = [
        { requestId: "id1", sockets: [{ id: "s", handshake: {}, rooms: ["a"],
                                        data: { b: 1 } }] },
        { requestId: "id1", sockets: ["s1", "s2"] },
        { requestId: "id1", rooms: ["a", "b"] },
        { requestId: "id1" },
        { type: 8, requestId: "id1", clientCount: 3 },
        { type: 9, requestId: "id1", packet: [{ a: 1 }] },
        { type: 6, requestId: "id1", data: { a: [1] } },
    ];
    const data = [
        [4, { opts: { rooms: ["a"], except: [] }, rooms: ["b"] }],
        [6, { opts: { rooms: [], except: ["a"] }, close: true }],
        [7, { opts: { rooms: [], except: [], flags: {} }, requestId: "id" }],
        [8, { requestId: "id", sockets: [{ id: "s", handshake: {},
                                           rooms: [], data: {} }] }],
        [9, { requestId: "id", packet: ["a", 1] }],
        [10, { requestId: "id", packet: { a: 1 } }],
        [11, { requestId: "id", clientCount: 2 }],
        [12, { requestId: "id", packet: ["a"] }],
    ];

    for (const answer of answers)
        seed("wire", [2, 0, 0, ...limits], JSON.stringify(answer));
    for (const [type, value] of data) {
        seed("wire", [4, 0, type - 1, ...limits], JSON.stringify(value));
        seed("wire", [3, 0, 0, ...limits],
             JSON.stringify({ uid: "u", nsp: "/", type, data: value }));
    }
}

/* ---- By hand ---- */

function byHand() {
    const tag = "0123456789abcdef";
    const forward = [
        [0x9a, 1, 5, [tag], 0, ["GET"], ["/socket.io/"], ["EIO=4"],
         { bin: "host\0a\0" }, ["192.0.2.1"], { bin: "body" }],
        [0x98, 2, 5, [tag], 0, 0xcc, 200, ["text/plain"], { bin: "a\0b\0" },
         { bin: "ok" }],
        [0x93, 3, 5, [tag]],
    ];

    for (const parts of forward)
        seed("wire", [5, 0, 0, 32, 8, 16, 64], Buffer.concat(parts.map((part) => {
            if (typeof part === "number")
                return Buffer.from([part]);
            return Array.isArray(part)
                ? Buffer.from(String.fromCharCode(0xa0 + part[0].length) +
                              part[0], "latin1")
                : Buffer.from("\xc4" + String.fromCharCode(part.bin.length) +
                              part.bin, "latin1");
        })));

    for (const text of ["0", "-0", "1.5e-7", "123456789012345678901234567890",
                        "9007199254740993", "1e400", "4.9406564584124654e-324",
                        "2.2250738585072011e-308", "-9223372036854775808",
                        "1e3", "1.0", "0.1e1"])
        seed("number", [0], text);
    for (const number of [0.1, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, NaN,
                          123456789, 0.000001, -0]) {
        const bytes = Buffer.alloc(8);

        bytes.writeDoubleLE(number);
        seed("number", [1], bytes);
    }
    for (const text of ["abc", "é", "€", "😀", "a\u0000b", "\ufeff\uffff"])
        for (const cut of [0, 1, 2])
            seed("utf8", [cut], text);
    seed("utf8", [1], Buffer.from([0xed, 0xa0, 0x80]));
    seed("utf8", [1], Buffer.from([0xf4, 0x90, 0x80, 0x80]));
    seed("utf8", [1], Buffer.from([0xc0, 0xaf]));

    for (const text of ["hello hello hello hello", "", "x".repeat(400)]) {
        seed("deflate", [0, 200, 200],
             deflateRawSync(text).subarray(0, -1));
        for (const format of [0, 1, 2])
            seed("deflate", [1, 200, 200, format, 5, 0, 0], text);
    }

    seed("proxy", [0, 3], "PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\nGET /");
    seed("proxy", [0, 3], "PROXY TCP6 2001:db8::1 ::1 50000 443\r\n");
    seed("proxy", [0, 3], "PROXY UNKNOWN\r\n");
    const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
    for (const tail of ["2111000cc0000201c0000202c35001bb", "200000000000",
                        "21210024" + "20010db8".repeat(8) + "c35001bb"])
        seed("proxy", [0, 14],
             Buffer.concat([signature, Buffer.from(tail, "hex")]));
    for (const what of [1, 3, 5, 9, 17, 33, 49])
        seed("proxy", [what, 0],
             "loopback,10.0.0.0/8,unix\0" +
             "203.0.113.9, [2001:db8::2]:8080, 10.0.0.7\0https, http\0");

    const exp = 1000000060;
    const claims = [{ exp }, { exp, sub: "a", iss: "i", aud: "a" }, {},
                    { exp, nbf: 1, iat: 1, aud: ["b", "a"], iss: "i" },
                    { exp: 1 }, { exp, aud: 7 }];
    for (const header of [{ alg: "HS256" }, { alg: "EdDSA", kid: "b" },
                          { alg: "HS256", typ: "JWT", kid: "a" },
                          { alg: "none" }, { alg: "HS256", crit: ["exp"] }])
        for (const [i, payload] of claims.entries())
            seed("token", [4 + i % 4],
                 JSON.stringify(header) + "\0" + JSON.stringify(payload));
    seed("token", [4], '{"alg":"HS256","alg":"HS256"}\0{"exp":1e15}');
    for (const { token } of tokenSeeds) {
        seed("token", [0], token);
        seed("token", [12], "Bearer  " + token);
    }

    for (const text of ["+OK\r\n", "-ERR no\r\n", ":42\r\n", "$-1\r\n",
                        "$5\r\nhello\r\n", "*0\r\n", "*-1\r\n",
                        "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
                        "*2\r\n*1\r\n:1\r\n*2\r\n+a\r\n$0\r\n\r\n",
                        "*4294967295\r\n", "$-2\r\n", "$536870912\r\n"])
        for (const step of [0, 6])
            seed("redis", [100, 50, step], text + "+PONG\r\n");

    // A client connects, goes, comes back; with and without an adapter.
    for (const how of [0, 1, 3, 4, 9, 18, 33, 65])
        for (const lie of [[], [5, 8 + 16 + 1, 1, 0x61, 6], [5, 12]])
            seed("recovery", [how, 0, 9, 7, 4, 0, 0, ...lie, 0, 2, 0, 6, 7]);
    for (const text of ["1700000000000-0", "0-1", "abcDEF01-12"])
        seed("recovery", [255], text);

    // Time, timers, an upgrade, acks, and the same without memory.
    const say = (packet) => [0, 0, 9, packet];
    const steps = [openWebSocket, say(0), say(5), say(7), say(11), say(1),
                   [0, 0, 16, 100, 1], [0, 0, 17], [0, 0, 19, 0, 0, 5, 1]];
    for (let allocation = 0; allocation < 60; allocation += 7)
        serverSeed(steps, [1, allocation, allocation > 0 ? 0x40 : 0x30]);
    serverSeed([openPolling, [0, 0, 1, 0, 0, 0], say(14), say(15), say(0)]);
}

record(process.argv.length > 2 ? process.argv.slice(2)
    : ["test_conformance.mjs", "test_engine_raw.mjs", "test_socket_raw.mjs",
       "test_client2.mjs", "test_msgpack.mjs", "test_recovery.mjs"]);
await cluster();
byHand();
console.log(Object.entries(count).map(([target, n]) => `${target} ${n}`)
    .sort().join(", "));
process.exit();
