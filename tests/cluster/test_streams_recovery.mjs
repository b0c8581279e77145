// Clients that come back to another node of a cluster on streams: of ours, of
// the reference, also after their own node was killed.

import { existsSync } from "node:fs";
import { check, finish, need, same, test } from "../interop/harness.mjs";

need("@socket.io/redis-streams-adapter", "redis", "socket.io",
     "socket.io-client");
const { Node, program, Redis, until } = await import("./cluster.mjs");
const { require } = await import("../interop/npm.mjs");
const { io: connect } = require("socket.io-client");

const oracleOnly = process.env.SKIO_ORACLE_ONLY === "1";

if (!existsSync(program) && !oracleOnly) {
    console.log(`1..0 # SKIP ${program} was not built`);
    process.exit(0);
}

const timeout = { timeout: 60000 };
const data = { name: "traveller", list: [1, { deep: "ünï" }] };
const bytes = Buffer.from([0, 255, 1]);
const prefix = "of this test:";
const redis = new Redis();
const nodes = {};
let sources = 0;

// A stock client that takes its session from node to node.
class Traveller {
    constructor(node, options = {}) {
        this.heard = [];
        this.socket = connect(node.url, {
            transports: ["websocket"], reconnection: false, forceNew: true,
            auth: { rooms: ["r", "second room"], data }, ...options,
        });
        // The last argument is the offset.
        this.socket.onAny((event, ...args) =>
            this.heard.push([event, ...args.slice(0, -1)]));
        this.socket.on("connect", () => {
            this.recovered = this.socket.recovered;
        });
    }

    async settle() {
        await until("a client to be welcome", () => this.heard.length,
                    (n) => n === 1);
        this.id = this.socket.id;
        this.heard = [];
        return this;
    }

    leave() {
        this.socket.io.engine.close();
    }

    async come(node) {
        await until("a connection to end", () => !this.socket.connected);
        this.recovered = undefined;
        this.socket.io.uri = node.url;
        this.socket.connect();
        await until("a client to be back", () => this.recovered !== undefined);
    }

    close() {
        this.socket.removeAllListeners();
        this.socket.disconnect();
        this.socket.io.engine?.close();
    }
}

// A node that reads the stream: before, its clients cannot be recovered, which
// they know from events without an offset.
async function start(kind) {
    const node = new Node(kind, `${kind}${sources++}`, [
        "--adapter", "redis-streams", "--redis", redis.url,
        "--recovery", "60000", "--session-prefix", prefix,
    ]);

    await node.start();
    await until(`${node.name} to read the stream`, async () => {
        const probe = await new Traveller(node).settle();
        const { _lastOffset } = probe.socket;
        probe.close();
        return _lastOffset !== undefined;
    });
    return node;
}

// Node's servers find a session only of a client whose end they have seen.
const gone = (id, node) => until(`${id} to leave ${node.name}`, async () => {
    const { sockets } = await node.do("fetch", { rooms: [id], local: true });
    return sockets.length;
}, (n) => n === 0);

async function miss(node, { id }) {
    await node.do("emit", {}, "all", 1);
    await node.do("emit", { rooms: ["r"] }, "room", { bytes });
    await node.do("emit", { rooms: ["nobody's"] }, "not this");
    await node.do("emit", { except: ["second room"] }, "nor this");
    await node.do("emit", { rooms: [id] }, "own", "last");
}

const missed = [["all", 1], ["room", { bytes }], ["own", "last"]];

const plain = (heard) => heard.map((each) => each.map((value) =>
    value?.bytes ? { bytes: Buffer.from(value.bytes) } : value));

// It has what it missed, once and in order, its rooms, its data, and hears on.
async function expectRecovered(client, by) {
    check(client.recovered === true, "it was not recovered");
    check(client.socket.id === client.id, "it has another id");
    await by.do("emit", { rooms: ["second room"] }, "end");
    await until("the end", () => client.heard.at(-1)?.[0] === "end");
    same(plain(client.heard), [...missed, ["end"]], "what it heard");
    const found = await until("one socket", () =>
        by.do("fetch", { rooms: [client.id] }),
        ({ sockets }) => sockets.length === 1);
    same(found.sockets[0].rooms.filter((room) => room !== client.id).sort(),
         ["r", "second room"], "its rooms");
    same(found.sockets[0].data, data, "its data");
}

test("nodes_of_both_kinds_share_a_stream", async () => {
    await redis.start();
    [nodes.ours, nodes.node, nodes.third] = await Promise.all(
        [start("ours"), start("node"), start("ours")]);
}, timeout);

for (const from of ["ours", "node"])
    for (const to of ["ours", "node"])
        test(`a_client_of_${from}_comes_back_to_${to}`, async () => {
            const there = from === to && to === "ours" ? nodes.third
                : nodes[to];
            const client = await new Traveller(nodes[from]).settle();

            client.leave();
            await gone(client.id, nodes[from]);
            await miss(nodes.third, client);
            await client.come(there);
            await expectRecovered(client, nodes.node);
            // And once more, to where it came from.
            client.heard = [];
            client.leave();
            await gone(client.id, there);
            await miss(nodes.node, client);
            await client.come(nodes[from]);
            await expectRecovered(client, nodes.ours);
            client.close();
            await gone(client.id, nodes[from]);
        }, timeout);

for (const to of ["ours", "node"])
    test(`a_client_comes_back_to_${to}_after_its_server_was_killed`,
         async () => {
        const doomed = await start("ours");
        const client = await new Traveller(doomed).settle();

        // Killed at once: what the client knows of is saved.
        doomed.child.process.kill("SIGKILL");
        await doomed.child.exited;
        await miss(nodes.node, client);
        await client.come(nodes[to]);
        await expectRecovered(client, nodes.third);
        client.close();
        await gone(client.id, nodes[to]);
    }, timeout);

test("a_client_comes_back_after_its_server_was_stopped", async () => {
    const leaving = await start("ours");
    const client = await new Traveller(leaving).settle();

    await leaving.stop();
    await miss(nodes.third, client);
    await client.come(nodes.ours);
    await expectRecovered(client, nodes.node);
    client.close();
    await gone(client.id, nodes.ours);
}, timeout);

test("a_client_that_is_back_early_leaves_its_old_server", async () => {
    const old = await new Traveller(nodes.ours).settle();
    const client = new Traveller(nodes.third, { autoConnect: false });

    client.id = old.id;
    client.socket._pid = old.socket._pid;
    client.socket._lastOffset = old.socket._lastOffset;
    client.socket.connect();
    await until("a client to be back", () => client.recovered !== undefined);
    await miss(nodes.node, client);
    await until("its old connection to end", () => !old.socket.connected);
    await expectRecovered(client, nodes.node);
    old.close();
    client.close();
    await gone(client.id, nodes.third);
}, timeout);

// Each namespace has a session of its own, and an old socket of its own.
test("all_namespaces_of_a_client_come_back", async () => {
    const auth = { rooms: ["r", "second room"], data };
    const old = await new Traveller(nodes.ours).settle();
    const oldCustom = old.socket.io.socket("/custom", { auth });
    const client = new Traveller(nodes.third, { autoConnect: false });
    const custom = client.socket.io.socket("/custom", { auth });
    const heard = [];

    await until("an offset there", () => oldCustom._lastOffset !== undefined);
    client.id = old.id;
    custom.onAny((event) => heard.push(event));
    for (const [to, from] of [[client.socket, old.socket],
                              [custom, oldCustom]]) {
        to._pid = from._pid;
        to._lastOffset = from._lastOffset;
    }
    const customId = oldCustom.id;
    client.socket.connect();
    custom.connect();
    await until("both to be back", () =>
        client.recovered !== undefined && custom.connected);
    check(custom.recovered && custom.id === customId,
          "the second one was not recovered");
    await miss(nodes.node, client);
    await expectRecovered(client, nodes.node);
    await nodes.node.do("emit", { nsp: "/custom", rooms: ["r"] }, "end");
    await until("the end there", () => heard.includes("end"));
    same(heard, ["end"], "what it heard there");
    await until("its old sockets to end", () =>
        !old.socket.connected && !oldCustom.connected);

    // What is kept now is the new server's.
    const keys = await Promise.all([client.socket._pid, custom._pid].map(
        (pid) => redis.command("EXISTS", `${prefix}${pid}`)));
    same(keys, [1, 1], "the sessions that are kept");
    old.close();
    client.close();
    await gone(client.id, nodes.third);
}, timeout);

test("sessions_have_keys_of_the_prefix", async () => {
    const client = await new Traveller(nodes.ours).settle();
    const keys = await redis.command("KEYS", "*");

    check(keys.includes(`${prefix}${client.socket._pid}`), `no key: ${keys}`);
    check(keys.every((key) => key === "socket.io" || key.startsWith(prefix)),
          `other keys: ${keys}`);
    client.close();
    await gone(client.id, nodes.ours);
}, timeout);

test("who_was_told_nothing_of_an_offset_is_told_so", async () => {
    const client = await new Traveller(nodes.ours).settle();

    client.leave();
    await gone(client.id, nodes.ours);
    client.socket._lastOffset = "0-1";
    await client.come(nodes.third);
    check(client.recovered === false, "it was recovered");
    check(client.socket.id !== client.id, "it has its old id");
    client.close();
}, timeout);

// What needs no place in the stream does not wait for what does: neither an ack
// nor an event that asks all for one. Redis is held up, so that others wait.
for (const kind of ["ours", "node"])
    test(`acks_of_${kind}_overtake_events_that_wait_for_the_stream`,
         async () => {
        const node = nodes[kind];
        const { control } = node;
        const client = await new Traveller(node).settle();
        const names = () => client.heard.map(([event]) => event);
        let told = false;

        client.socket.on("question", (reply) => reply("yes"));
        control.once("told", () => { told = true; });
        await redis.command("CLIENT", "PAUSE", 10000, "WRITE");
        const emitted = Promise.all([
            node.do("emit", { nsp: "/control", rooms: [control.id] }, "told"),
            node.do("emit", { rooms: [client.id] }, "event"),
        ]).then(() => told);
        const asked = node.gather("ask", { rooms: [client.id], timeout: 10000 },
                                  "question");
        check(!await emitted, "the ack came behind the event");
        await until("the question", () => names().includes("question"));
        await redis.command("CLIENT", "UNPAUSE");
        await until("the events", () => told && names().includes("event"));
        same(names(), ["question", "event"], "what it heard");
        const { late, answers } = await asked;
        same([late, answers], [false, ["yes"]], "the answers");
        client.close();
        await gone(client.id, node);
    }, timeout);

test("nodes_stop_without_complaints", async () => {
    for (const node of Object.values(nodes))
        await node.stop();
    await redis.stop();
}, timeout);

await finish(1);
