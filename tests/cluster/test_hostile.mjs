// What anybody who can write to Redis may put there. Two of our nodes hear all
// of it: they stay, their clients notice nothing of what is no message, what is
// honest still arrives, and memory does not grow.
//
//   SKIO_SEED     of the generated part (default: 1)
//   SKIO_CASES    how many messages are generated for each adapter (3000)

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { check, finish, need, require, same, test } from
    "../interop/harness.mjs";

need("@socket.io/redis-adapter", "redis", "socket.io-client");
const { Cluster, program, Redis, Run, until } = await import("./cluster.mjs");

const notepack = createRequire(require.resolve("@socket.io/redis-adapter"))(
    "notepack.io");

if (!existsSync(program) || process.env.SKIO_ORACLE_ONLY === "1") {
    console.log("1..0 # SKIP this is about our server alone");
    process.exit(0);
}

const seed = Number(process.env.SKIO_SEED ?? 1);
const cases = Number(process.env.SKIO_CASES ?? 3000);
const timeout = { timeout: 100000 };
const MB = 1 << 20;
const long = "x".repeat(MB);

/*
 * Messages as they should be
 */

const packet = { type: 2, data: ["evil", 1], nsp: "/" };
const opts = { rooms: [], except: [], flags: {} };
const nobody = { rooms: ["nobody's"], except: [], flags: {} };
const requestId = "0123456789abcdef";

const classicBroadcast = ["zzzzzz", packet, opts];
const classicRequests = [
    { type: 0, rooms: [] },
    { type: 1 },
    { type: 2, opts: nobody, rooms: ["evil"] },
    { type: 3, opts: nobody, rooms: ["r1"] },
    { type: 4, opts: nobody, close: true },
    { type: 2, sid: "nobody's", room: "evil" },
    { type: 5, opts },
    { type: 6, data: ["hello", "evil"] },
    { type: 7, packet, opts: { ...nobody, flags: { timeout: 100 } } },
].map((each) => ({ uid: "zzzzzz", requestId: "abcdef", ...each }));
const classicResponses = [
    { sockets: ["evil"] }, { rooms: ["evil"] },
    { sockets: [{ id: "evil", handshake: {}, rooms: [], data: {} }] },
    { type: 6, data: "evil" }, { type: 8, clientCount: 1 },
    { type: 9, packet: "evil" },
].map((each) => ({ requestId: "abcdef", ...each }));
const clusterBroadcast = { type: 3, data: { packet, opts } };
const clusterMessages = [
    { type: 1 }, { type: 2 }, { type: 13 },
    clusterBroadcast,
    { type: 3, data: { packet, opts: nobody, requestId } },
    { type: 4, data: { opts: nobody, rooms: ["evil"] } },
    { type: 5, data: { opts: nobody, rooms: ["r1"] } },
    { type: 6, data: { opts: nobody, close: true } },
    { type: 7, data: { opts, requestId } },
    { type: 8, data: { requestId, sockets: [{ id: "evil", handshake: {},
                                              rooms: [], data: {} }] } },
    { type: 9, data: { packet: ["hello", "evil"], requestId } },
    { type: 10, data: { requestId, packet: "evil" } },
    { type: 11, data: { requestId, clientCount: 1 } },
    { type: 12, data: { requestId, packet: "evil" } },
].map((each) => ({ ...each, uid: "f00df00df00df00d", nsp: "/" }));

/*
 * What is no message, whoever sends it
 */

const at = (value, path, put) => {
    const copy = structuredClone(value);
    let inner = copy;

    for (const key of path.slice(0, -1))
        inner = inner[key];
    inner[path.at(-1)] = put;
    return copy;
};

const reserved = ["connect", "connect_error", "disconnect", "disconnecting",
                  "newListener", "removeListener"];
const wrong = {
    packet: [null, 1, "evil", [], true],
    type: [0, 1, 3, 4, 99, -1],
    nsp: ["/custom", 5, {}, long],
    data: [null, 1, "evil", {}, [], [null], [{}], [["evil"]], [true],
           ...reserved.map((name) => [name, 1]), [long, 1]],
    opts: [1, "r1", true],
    rooms: ["r1", 1, {}, true, [1.5], [{}], [[]], [long]],
};

// The namespace of a cluster's message is that of its envelope.
function wrongBroadcasts(message, packetAt, optsAt, envelopeAt = []) {
    const list = wrong.packet.map((put) => at(message, packetAt, put));

    if (envelopeAt !== null)
        list.push(...wrong.nsp.map((put) => at(message, [...envelopeAt, "nsp"],
                                               put)));
    for (const key of ["type", "data"])
        list.push(...wrong[key].map((put) => at(message, [...packetAt, key],
                                                put)));
    list.push(...wrong.opts.map((put) => at(message, optsAt, put)));
    for (const key of ["rooms", "except"])
        list.push(...wrong.rooms.filter((put) => key === "rooms" ||
            !Array.isArray(put)).map((put) => at(message, [...optsAt, key],
                                                 put)));
    return list;
}

const raw = [
    Buffer.alloc(0), "{", "[", "{}", "[]", "null", "{\"type\":", "\0",
    "{\"type\":2,\"type\":2}", "{".repeat(100000), "[".repeat(100000),
    `${"{\"a\":".repeat(100000)}1${"}".repeat(100000)}`,
    `{"type":${"[".repeat(100000)}${"]".repeat(100000)}}`,
    `{"type":${"9".repeat(100000)}}`, "{\"type\":1e999,\"uid\":1}",
    Buffer.alloc(200000, 0x91), Buffer.alloc(200000, 0x81),
    Buffer.from([0x93]), Buffer.from([0xc1]), Buffer.from([0xd9]),
    ...["dd", "df", "db", "c6", "c9"].map((byte) =>
        Buffer.from(`${byte}ffffffff`, "hex")),
    Buffer.from("93dd7fffffff", "hex"), Buffer.from("85df7fffffffa1", "hex"),
    Buffer.from("93a3fffefd83", "hex"), Buffer.from("d70000", "hex"),
    "{\"type\":6,\"data\":[\"\ud800\"]}", Buffer.alloc(3 * MB, 0xff),
    `{"${long}":1}`, long,
];

// Cut at each byte, with one byte more, and with each byte another.
function* damaged(bytes) {
    for (let i = 0; i < bytes.length; i++)
        yield bytes.subarray(0, i);
    yield Buffer.concat([bytes, Buffer.from([0])]);
}

/*
 * How each adapter is reached
 */

const text = (message) => Buffer.from(JSON.stringify(message));
const pack = (message) => Buffer.from(notepack.encode(message));
const both = (message) => [text(message), pack(message)];

const adapters = {
    "redis": {
        options: ["--timeout", "1000"],
        uids: "CHANNELS", uid: /^socket\.io-response#\/#(.{6})#$/,
        channels: (uids) => ["socket.io#/#", "socket.io#/#r1#",
                             "socket.io#/#nobody's#", "socket.io#/#",
                             "socket.io-request#/#", "socket.io-response#/#",
                             ...uids.map((uid) =>
                                 `socket.io-response#/#${uid}#`)],
        send: (redis, channel, bytes) =>
            redis.command("PUBLISH", channel, bytes),
        none: () => wrongBroadcasts(classicBroadcast, [1], [2], [1]).map(pack),
        good: pack(classicBroadcast),
        all: () => [
            pack(classicBroadcast), ...classicRequests.flatMap(both),
            ...classicResponses.flatMap(both),
        ],
        trees: [classicBroadcast, ...classicRequests, ...classicResponses],
    },
    "redis-sharded": {
        options: [],
        uids: "SHARDCHANNELS", uid: /^socket\.io#\/#([0-9a-f]{16})#$/,
        channels: (uids) => ["socket.io#/#", "socket.io#/#r1#",
                             ...uids.map((uid) => `socket.io#/#${uid}#`)],
        send: (redis, channel, bytes) =>
            redis.command("SPUBLISH", channel, bytes),
        none: () => wrongBroadcasts(
            { ...clusterBroadcast, uid: "f00df00df00df00d", nsp: "/" },
            ["data", "packet"], ["data", "opts"]).flatMap(both),
        good: text(clusterMessages[3]),
        all: () => clusterMessages.flatMap(both),
        trees: clusterMessages,
    },
    "redis-streams": {
        options: [],
        uids: "CHANNELS", uid: /^socket\.io#\/#([0-9a-f]{16})#$/,
        channels: (uids) => ["socket.io#/#", "",
                             ...uids.map((uid) => `socket.io#/#${uid}#`)],
        // Without a channel it goes to the stream.
        send: (redis, channel, bytes, type = "3") => channel === ""
            ? redis.command("XADD", "socket.io", "*", "uid", "f00d", "nsp", "/",
                            "type", type, "data", bytes)
            : redis.command("PUBLISH", channel, bytes),
        none: () => wrongBroadcasts(
            { ...clusterBroadcast, uid: "f00df00df00df00d", nsp: "/" },
            ["data", "packet"], ["data", "opts"]).map(pack),
        // Broadcasts are read from the stream alone.
        good: text({ packet, opts }), heard: "",
        all: () => clusterMessages.flatMap(both),
        trees: clusterMessages,
        entries: () => [
            ...wrongBroadcasts({ packet, opts }, ["packet"], ["opts"], null)
                .flatMap((data) => [
                    { uid: "f00d", nsp: "/", type: "3", data: text(data) },
                    { uid: "f00d", nsp: "/", type: "3",
                      data: pack(data).toString("base64") },
                ]),
            ...raw.map((data) => ({ uid: "f", nsp: "/", type: "3", data })),
            ...["", "x", "-1", "99", "3x", "1e1", "9".repeat(1000), long]
                .map((type) => ({ uid: "f00d", nsp: "/", type,
                                  data: text({ packet, opts: nobody }) })),
            { nsp: "/", type: "3" }, { uid: "f", type: "3" },
            { uid: "f", nsp: long, type: "3", data: text({ packet, opts }) },
            { uid: "f", nsp: "/custom", type: "4", data: "{}" },
            { nothing: "" }, { [long]: "1" }, { nsp: "/" }, { nsp: "" },
            Object.fromEntries(Array.from({ length: 3000 }, (_, i) =>
                [`field${i}`, "x"])),
            { uid: "f", nsp: "/", type: "3", data: "////" },
            { uid: "f", nsp: "/", type: "3", data: "a===" },
            { uid: "f", nsp: "/", type: "3", data: "\u00ff\u0000" },
        ],
    },
};

/*
 * Generated: messages with something replaced, and bytes changed
 */

function generator(state) {
    return (n) => { // mulberry32
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) % n;
    };
}

const odd = [null, true, false, -1, 0, 3, 1e300, 2 ** 53, 0.5, "", "x", "/",
             "r1", "0", "connect", [], {}, [[]], [null], [1], ["r1"],
             { a: 1 }, { length: 5 }, "y".repeat(3000), Buffer.from("bytes"),
             Array.from({ length: 2000 }, (_, i) => `room ${i}`)];

function places(value, path = []) {
    if (typeof value !== "object" || value === null ||
        value instanceof Uint8Array)
        return [path];
    return [path, ...Object.keys(value).flatMap((key) =>
        places(value[key], [...path, key]))];
}

function mutate(tree, random) {
    let message = structuredClone(tree);

    for (let n = 1 + random(2); n > 0; n--) {
        const all = places(message).filter((path) => path.length > 0);
        const path = all[random(all.length)];
        const put = odd[random(odd.length)];

        if (path === undefined)
            break;
        message = at(message, path, put);
        if (random(4) === 0)
            message = at(message, path, undefined); // left out
    }
    return message;
}

function* generate(adapter, count, random) {
    const { trees } = adapters[adapter];

    for (let i = 0; i < count; i++) {
        const tree = mutate(trees[random(trees.length)], random);
        // Of a stream's entries only the data is encoded.
        const inner = random(2) === 0 && tree.data ? tree.data : tree;
        const bytes = random(2) ? pack(inner) : text(inner);

        for (let n = random(3); n > 0 && bytes.length > 0; n--)
            bytes[random(bytes.length)] = random(256);
        yield [random(2) && inner !== tree
            ? Buffer.from(bytes.toString("base64")) : bytes,
               String(tree.type)];
    }
}

/*
 * Tests
 */

const redis = new Redis();
const clusters = {};
let started;

const memory = ({ child: { pid } }) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`))[1]) *
    1024;

async function uidsOf(adapter) {
    const { uids, uid } = adapters[adapter];
    const channels = await redis.command("PUBSUB", uids);
    return channels.map((each) => uid.exec(each)?.[1]).filter(Boolean);
}

// Two of our nodes, when the first test that is chosen wants them.
async function start(adapter) {
    started ??= redis.start();
    await started;
    clusters[adapter] ??= await new Cluster(redis, adapter, ["ours", "ours"],
                                            adapters[adapter].options).start();
}

// Runs with two clients on each of two nodes, and looks after them.
async function among(adapter, act) {
    await start(adapter);
    const run = new Run(clusters[adapter], 0, {
        clients: [["a", { rooms: ["r1"] }], ["b", {}]],
    });

    try {
        await run.begin();
        await act(run, await uidsOf(adapter));
        // Honest messages still arrive, both ways.
        await run.fence();
        await run.emit({ rooms: ["r1"] }, "honest");
        await run.fence();
        return run.logs();
    } finally {
        await run.end();
    }
}

const untouched = {
    "0a": [["honest"]], "0b": [], "1a": [["honest"]], "1b": [],
};

for (const [adapter, { channels, send, none, good, heard, all, entries }] of
    Object.entries(adapters)) {
    const name = adapter.replace("-", "_");
    const everywhere = async (uids, messages) => {
        for (const bytes of messages)
            for (const channel of channels(uids))
                await send(redis, channel, bytes);
    };

    test(`${name}_two_of_our_nodes_find_each_other`, () => start(adapter),
         timeout);

    // Else the tests below would show nothing.
    test(`${name}_a_message_that_is_one_arrives`, async () => {
        const logs = await among(adapter, async (_, uids) => {
            await send(redis, heard ?? channels(uids)[0], good);
        });
        for (const log of Object.values(logs))
            same(log[0], ["evil", 1]);
    }, timeout);

    test(`${name}_what_is_no_message_reaches_nobody`, async () => {
        same(await among(adapter, (_, uids) => everywhere(uids, none())),
             untouched);
    }, timeout);

    test(`${name}_what_is_neither_json_nor_msgpack_reaches_nobody`,
         async () => {
             same(await among(adapter, (_, uids) => everywhere(uids, raw)),
                  untouched);
         }, timeout);

    test(`${name}_messages_cut_at_each_byte_reach_nobody`, async () => {
        same(await among(adapter, async (_, uids) => {
            for (const bytes of all())
                await everywhere(uids.slice(0, 1), [...damaged(bytes)]);
        }), untouched);
    }, timeout);

    if (entries) {
        test(`${name}_entries_that_are_no_messages_reach_nobody`, async () => {
            same(await among(adapter, async () => {
                for (const entry of entries())
                    await redis.command("XADD", "socket.io", "*",
                                        ...Object.entries(entry).flat());
            }), untouched);
        }, timeout);
    }

    test(`${name}_long_names_change_no_socket`, async () => {
        await among(adapter, async (run, uids) => {
            const target = { rooms: [], except: [], flags: {} };
            const rooms = [long, "ok".repeat(1000)];
            const join = adapter === "redis"
                ? [text({ type: 2, opts: target, rooms })]
                : both({ type: 4, data: { opts: target, rooms },
                         uid: "f00df00df00df00d", nsp: "/" });

            if (adapter === "redis") {
                await send(redis, "socket.io-request#/#", join[0]);
                await send(redis, `socket.io#/#${long}#`, good);
            } else if (adapter === "redis-streams") {
                await redis.command("XADD", "socket.io", "*", "uid", "f",
                                    "nsp", "/", "type", "4", "data",
                                    text({ opts: target, rooms }));
            } else {
                await everywhere(uids, join);
                await send(redis, `socket.io#/#${long}#`, good);
            }
            await run.fence();
            const { sockets } = await run.do("fetch");
            for (const each of sockets)
                check(each.rooms.every((room) => room.length < 1000),
                      "a long room was joined");
        });
    }, timeout);

    // Whoever knows a request's id can answer it.
    test(`${name}_answers_that_are_none_do_no_harm`, async () => {
        await among(adapter, async (run, uids) => {
            const pending = [
                run.do("say-ask", {}, "silent"),
                run.gather("ask", { timeout: 1500 }, "question"),
                run.do("fetch"), run.do("all-rooms"),
            ];
            const ids = ["abcdef", requestId];

            for (const id of ids)
                for (const put of odd)
                    await everywhere(uids, [...classicResponses,
                                            ...clusterMessages].flatMap(
                        (each) => both({ ...each, requestId: id,
                                         clientCount: put, sockets: put,
                                         rooms: put, packet: put,
                                         data: put })));
            await Promise.all(pending);
        });
    }, timeout);

    test(`${name}_generated_messages_do_no_harm`, async () => {
        await start(adapter);
        const random = generator(seed);
        const nodes = clusters[adapter].nodes;
        const sizes = [];
        const ROUNDS = 6;

        for (let round = 0; round < ROUNDS; round++) {
            const uids = await uidsOf(adapter);
            const places = channels(uids);
            // Clients of this round may be sent anything, or be disconnected.
            const run = new Run(clusters[adapter], 0, {
                clients: [["a", { rooms: ["r1"] }]],
            });
            await run.begin();
            for (const [bytes, type] of generate(
                adapter, Math.ceil(cases / ROUNDS), random))
                await send(redis, places[random(places.length)], bytes, type);
            await run.fence();
            await run.end();
            same(await among(adapter, () => {}), untouched);
            sizes.push(nodes.map(memory));
        }
        // The first rounds fill what is kept for later.
        if (!/address|thread|undefined/.test(program))
            for (const i of [0, 1]) {
                const grown = sizes.at(-1)[i] - sizes[2][i];
                check(grown < 2 * MB, `${nodes[i].name} grew by ${grown} bytes`);
            }
    }, timeout);

    test(`${name}_nodes_stop_cleanly`, async () => {
        await start(adapter);
        await clusters[adapter].stop();
    }, timeout);
}

test("redis_stops", () => redis.stop(), timeout);
await finish(1);
