// Clusters for the tests: a redis-server, nodes of the reference and of ours
// that share it, stock clients, and whatever is needed to know when a cluster
// has come to rest.
//
// A cluster has four nodes. Seen from one of them, the source, the nodes have
// places: 0 the source, 1 the other one of its kind, 2 and 3 the rest. A client
// is called by its node's place and a letter, as in "2b", so that transcripts
// are the same whichever node is the source.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect, isDeepStrictEqual } from "node:util";
import { deadline, require, sleep } from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { freePort } from "../interop/ports.mjs";

const { io: connect } = require("socket.io-client");
const { createClient } = require("redis");

const here = dirname(fileURLToPath(import.meta.url));
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const oracleOnly = process.env.SKIO_ORACLE_ONLY === "1";
export const program = `${build}/cluster-server`;
const WAIT_MS = 15000;
const START_MS = 60000; // of a process, where many others start too
const LATE_MS = 5000; // of what a fence was ahead of

// Ask until the answer is the one that is waited for.
export async function until(what, ask, wanted = (answer) => answer === true,
                            ms = WAIT_MS) {
    const end = performance.now() + ms;

    for (let pause = 1;; pause = Math.min(pause * 2, 50)) {
        const answer = await ask();
        if (wanted(answer))
            return answer;
        if (performance.now() > end)
            throw new Error(`${what}: still ${inspect(answer)}`);
        await sleep(pause);
    }
}

/*
 * Processes: each ends with this one, however that ends, since it reads a pipe
 * of which this process holds the other end.
 */

const children = new Set();

process.on("exit", () => {
    for (const child of children)
        child.kill("SIGKILL");
});
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"])
    process.on(signal, () => process.exit(1));

export class Child {
    constructor(label, command, args) {
        this.label = label;
        this.stderr = "";
        this.stdout = "";
        this.process = spawn(command, args, { stdio: "pipe" });
        children.add(this.process);
        this.exited = once(this.process, "exit").then(([code, signal]) => {
            children.delete(this.process);
            this.exit = code ?? signal;
            return this.exit;
        });
        this.process.stdin.on("error", () => {});
        for (const name of ["stdout", "stderr"])
            this.process[name].setEncoding("utf8").on("data", (text) => {
                this[name] = (this[name] + text).slice(-20000);
            });
    }

    get pid() {
        return this.process.pid;
    }

    // Throws unless it ends in time, with status 0, and without complaints.
    async stop() {
        this.process.kill("SIGTERM");
        await deadline(this.exited, WAIT_MS, `${this.label}: to stop`)
            .catch((error) => {
                this.process.kill("SIGKILL");
                throw error;
            });
        if (this.exit !== 0 || /runtime error:|Sanitizer/.test(this.stderr))
            throw new Error(`${this.label}: exit ${this.exit}\n${this.stderr}`);
    }
}

/*
 * Redis: without persistence, in a folder of its own. The kernel ends it when
 * this process is gone.
 */

export class Redis {
    // Further words for redis-server.
    constructor(options = []) {
        this.options = options;
    }

    async start() {
        this.folder = mkdtempSync(join(tmpdir(), "cluster-"));
        process.on("exit", () => this.#removeFolder());
        // Somebody else may take a port that was free a moment ago.
        for (let i = 0; i < 5; i++) {
            this.port = await freePort();
            this.child = new Child("redis-server", "setpriv", [
                "--pdeathsig", "KILL", "redis-server",
                "--port", String(this.port), "--bind", "127.0.0.1",
                "--dir", this.folder, "--save", "", "--appendonly", "no",
                ...this.options,
            ]);
            this.url = `redis://127.0.0.1:${this.port}`;
            if (await this.#answers())
                return this;
            this.child.process.kill("SIGTERM");
        }
        throw new Error(`redis-server: ${this.child.stdout}`);
    }

    // What the tests themselves ask it.
    async #answers() {
        const failed = this.child.exited.then(() => false);
        const ready = (async () => {
            while (this.child.exit === undefined &&
                   !this.child.stdout.includes("Ready to accept"))
                await sleep(10);
            if (this.child.exit !== undefined)
                return false;
            this.client = createClient({ url: this.url });
            this.client.on("error", () => {});
            await this.client.connect();
            return await this.client.ping() === "PONG";
        })();
        return deadline(Promise.race([failed, ready]), START_MS,
                        "redis-server to answer");
    }

    command(...args) {
        return this.client.sendCommand(args.map((each) =>
            Buffer.isBuffer(each) ? each : String(each)));
    }

    // How many listen to a shard's channel.
    async listeners(channel) {
        const [, n] = await this.command("PUBSUB", "SHARDNUMSUB", channel);
        return Number(n);
    }

    async stop() {
        await this.client?.disconnect();
        await this.child.stop();
        this.#removeFolder();
    }

    #removeFolder() {
        rmSync(this.folder, { recursive: true, force: true });
    }
}

/*
 * Nodes
 */

export class Node {
    constructor(kind, name, options) {
        this.kind = kind;
        this.name = name;
        this.options = options;
        this.said = [];
        this.answers = new Map();
    }

    async start() {
        const args = ["0", "--name", this.name, ...this.options];
        const [command, first] = this.kind === "ours" && !oracleOnly
            ? [program, []]
            : ["node", [`${here}/node.mjs`]];

        this.child = new Child(`${this.kind} ${this.name}`, command,
                               [...first, ...args]);
        this.port = await until(`${this.child.label} to listen`, () => {
            if (this.child.exit !== undefined)
                throw new Error(`${this.child.label}: ${this.child.stderr}`);
            return /^listening on (\d+)$/m.exec(this.child.stdout);
        }, (match) => match !== null, START_MS).then(([, port]) => Number(port));
        this.url = `http://127.0.0.1:${this.port}`;

        this.control = connect(`${this.url}/control`, {
            transports: ["websocket"], reconnection: false, forceNew: true,
        });
        this.control.on("said", (...what) => this.said.push(what));
        this.control.on("answer", (token, value) =>
            this.answers.get(token)?.push(value));
        await deadline(once(this.control, "connect"), WAIT_MS,
                       `${this.child.label}: its control`);
        return this;
    }

    do(command, where = {}, ...args) {
        return this.control.timeout(WAIT_MS)
            .emitWithAck(command, where, ...args)
            .catch((error) => {
                throw new Error(`${this.child.label}: ${command} ${
                    inspect([where, ...args]).slice(0, 300)}: ${
                    error.message}\n${this.child.stderr}`);
            });
    }

    // Until the events that this server has sent to its control are there. With
    // recovery they take the way of the stream, which acks overtake.
    async #catchUp() {
        const mark = `caught up: ${newToken()}`;
        const come = once(this.control, mark);

        await this.do("emit", { nsp: "/control", rooms: [this.control.id] },
                      mark);
        await deadline(come, WAIT_MS, `${this.child.label}: its events`);
    }

    // A command whose answers come one by one.
    async gather(command, where, ...args) {
        const token = newToken();

        this.answers.set(token, []);
        const end = await this.do(command, { ...where, token }, ...args);
        if (this.options.includes("--recovery"))
            await this.#catchUp();
        const answers = this.answers.get(token);
        this.answers.delete(token);
        return { ...(end === "ok" ? {} : end), answers };
    }

    async stop() {
        this.control?.disconnect();
        await this.child?.stop();
    }
}

let tokens = 0;

export const newToken = () => `token ${tokens++}`;

/*
 * Clients
 */

export class Client {
    constructor(name, node, { nsp = "/", rooms = [], data, auth, query, headers,
                              transports = ["websocket"] } = {}) {
        this.name = name;
        this.node = node;
        this.nsp = nsp;
        this.rooms = rooms;
        this.log = [];
        this.fences = new Set();
        this.answer = undefined;
        this.socket = connect(node.url + nsp, {
            transports, reconnection: false, forceNew: true, query,
            extraHeaders: headers, auth: { rooms, data, ...auth },
        });
        this.socket.onAny((event, ...args) => this.#hear(event, args));
        this.socket.on("disconnect", (reason) => {
            this.log.push(["(disconnect)", reason]);
            this.gone = true;
        });
    }

    async ready() {
        await deadline(new Promise((done, failed) => {
            this.socket.once("ready", done);
            this.socket.once("connect_error", failed);
        }), WAIT_MS, `client ${this.name} of ${this.node.child.label}`);
        this.id = this.socket.id;
        return this;
    }

    #hear(event, args) {
        if (event === "ready")
            return;
        if (event === "fence") {
            this.fences.add(args[0]);
            return;
        }
        const reply = typeof args.at(-1) === "function" ? args.pop() : null;
        this.log.push([event, ...args, ...(reply ? ["(ack)"] : [])]);
        if (reply)
            this.answer?.(reply, this, event, args);
    }

    close() {
        this.socket.removeAllListeners();
        this.socket.offAny();
        this.socket.disconnect();
        this.socket.io.engine?.close();
    }
}

/*
 * Transcripts: ids and names in words that do not change from run to run.
 */

const shortened = (text) => text.length < 100 ? text
    : `${text.slice(0, 20)}... ${text.length} long, ${createHash("sha256")
        .update(text).digest("hex")}`;

export function tidy(value, names) {
    if (typeof value === "string")
        return names.get(value) ?? shortened(value);
    if (value instanceof Uint8Array || value instanceof ArrayBuffer)
        return `(bytes ${shortened(Buffer.from(value).toString("hex"))})`;
    if (Array.isArray(value))
        return value.map((each) => tidy(each, names));
    if (typeof value === "object" && value !== null)
        return Object.fromEntries(Object.entries(value).map(
            ([key, each]) => [key, tidy(each, names)]));
    return value;
}

// Lists whose order nobody promises.
export function sorted(list, names = new Map()) {
    const key = (each) => JSON.stringify(tidy(each, names)) ?? "";
    return [...list].sort((a, b) => key(a) < key(b) ? -1 : 1);
}

/*
 * A cluster
 */

const ROUND_MS = 300;

// Until every node hears every other one, in a namespace: what is sent before
// all have subscribed is lost.
async function heard(nodes, clients, nsp) {
    for (const node of nodes)
        await until(`${node.name} to be heard in ${nsp}`, async () => {
            const token = newToken();
            const end = performance.now() + ROUND_MS;
            let all;

            await node.do("emit", { nsp }, "fence", token);
            await node.do("say", { nsp }, "fence", token);
            do {
                await sleep(2);
                all = clients.every(({ fences }) => fences.has(token)) &&
                    nodes.every((each) => each === node ||
                        each.said.some((what) => what[2] === token));
            } while (!all && performance.now() < end);
            return all;
        });
}

export class Cluster {
    // kinds: one word for each node, "node" or "ours".
    constructor(redis, adapter, kinds, options = []) {
        const at = options.lastIndexOf("--key");

        this.redis = redis;
        this.adapter = adapter;
        this.key = at < 0 ? "socket.io" : options[at + 1];
        this.private = options.includes("dynamic-private");
        this.static = options.includes("static");
        this.options = ["--adapter", adapter, "--redis", redis.url, ...options];
        this.nodes = kinds.map((kind, i) =>
            new Node(kind, `n${i}`, this.options));
        this.label = kinds.join("+");
    }

    async start() {
        await Promise.all(this.nodes.map((node) => node.start()));
        for (const nsp of ["/", "/custom"])
            await this.meet(this.nodes, nsp);
        return this;
    }

    async meet(nodes, nsp) {
        const probes = nodes.map((node, i) => new Client(`probe ${i}`, node,
                                                         { nsp }));
        await Promise.all(probes.map((probe) => probe.ready()));
        await heard(nodes, probes, nsp);
        for (const probe of probes)
            probe.close();
        await this.empty(nodes, nsp);
    }

    async empty(nodes, nsp) {
        for (const node of nodes)
            await until(`${node.name} without clients`,
                        () => node.do("here", { nsp }), (n) => n === 0);
        for (const node of nodes)
            node.said = [];
    }

    // The nodes by their places, seen from one of them.
    places(source) {
        const mate = source ^ 1;
        const rest = this.nodes.filter((_, i) => i >> 1 !== source >> 1);
        return [this.nodes[source], this.nodes[mate], ...rest];
    }

    // How many nodes listen to a room, with the sharded adapter.
    listeners(nsp, room) {
        return this.redis.listeners(`${this.key}#${nsp}#${room}#`);
    }

    // A room's channel is subscribed to when a node gets its first member, and
    // nobody waits for it. Those that look like a socket's id have none, but the
    // reference listens to it.
    async listening(nsp, rooms) {
        if (this.adapter !== "redis-sharded" || this.static)
            return;
        for (const [room, nodes] of rooms) {
            if (room.length === 20 && !this.private)
                continue;
            await until(`${nodes.size} nodes to listen to ${nsp} ${room}`,
                        () => this.listeners(nsp, room),
                        (n) => n === nodes.size);
        }
    }

    async stop() {
        const results = await Promise.allSettled(
            this.nodes.map((node) => node.stop()));
        for (const { status, reason } of results)
            if (status === "rejected")
                throw reason;
    }
}

/*
 * One run of an operation
 */

const crowd = [["a", ["r1"]], ["b", ["r1", "r2"]], ["c", []]];

export class Run {
    constructor(cluster, source, { nsp = "/", clients } = {}) {
        this.cluster = cluster;
        this.nsp = nsp;
        this.nodes = cluster.places(source);
        this.source = this.nodes[0];
        this.names = new Map(this.nodes.map((node, i) =>
            [node.name, `node ${i}`]));
        this.clients = new Map();
        this.wanted = clients ?? crowd.map(([letter, rooms]) =>
            [letter, { rooms }]);
    }

    async begin() {
        for (const [letter, options] of this.wanted)
            for (const [place, node] of this.nodes.entries()) {
                const name = `${place}${letter}`;
                this.clients.set(name, new Client(name, node, {
                    nsp: this.nsp, ...options,
                    data: options.data ?? { name },
                }));
            }
        await Promise.all([...this.clients.values()].map((client) =>
            client.ready()));
        for (const [name, client] of this.clients)
            this.names.set(client.id, `(${name})`);
        if (this.nsp.startsWith("/dynamic-"))
            await heard(this.nodes, [...this.clients.values()]
                .filter(({ nsp }) => nsp === this.nsp), this.nsp);
        await this.joined();
    }

    // Rooms that clients joined, or shall have joined by now.
    async joined(more = new Map()) {
        const rooms = new Map();

        for (const [name, client] of this.clients) {
            if (client.nsp !== this.nsp)
                continue;
            for (const room of [...client.rooms, ...(more.get(name) ?? []),
                                ...(this.cluster.private ? [client.id] : [])])
                rooms.set(room, (rooms.get(room) ?? new Set())
                    .add(client.node));
        }
        this.rooms = new Set([...(this.rooms ?? []), ...rooms.keys()]);
        await this.cluster.listening(this.nsp, rooms);
    }

    client(name) {
        return this.clients.get(name);
    }

    namespaces() {
        return new Set([...this.clients.values()].map(({ nsp }) => nsp));
    }

    id(name) {
        return this.client(name).id;
    }

    // Commands to the source, about the namespace of this run.
    do(command, where, ...args) {
        return this.source.do(command, { nsp: this.nsp, ...where }, ...args);
    }

    emit(where, ...args) {
        return this.do("emit", where, ...args);
    }

    gather(command, where, ...args) {
        return this.source.gather(command, { nsp: this.nsp, ...where },
                                  ...args);
    }

    // Until all clients and servers have heard a token, whoever sends it.
    async token(token) {
        for (const client of this.clients.values())
            await until(`${client.name} to hear the fence`, () =>
                client.gone || client.nsp !== this.nsp ||
                client.fences.has(token));
        for (const node of this.nodes)
            await until(`${node.name} to hear the servers' fence`, () =>
                node.said.some((what) => what[2] === token));
    }

    // What the source sent has been done everywhere when this returns. Its own
    // requests come back to it by Redis (classic): they are done there before
    // what another node sends next.
    async fence() {
        for (const node of this.nodes.slice(0, 2)) {
            const token = newToken();
            for (const nsp of this.namespaces())
                await node.do("emit", { nsp }, "fence", token);
            for (const client of this.clients.values())
                await until(`${client.name} to hear the fence`, () =>
                    client.gone || client.fences.has(token));
        }
    }

    // The same for what servers say to each other.
    async said() {
        const token = newToken();

        await this.do("say", {}, "fence", token);
        for (const node of this.nodes.slice(1))
            await until(`${node.name} to hear the servers' fence`, () =>
                node.said.some((what) => what[2] === token));
    }

    heard() {
        return Object.fromEntries(this.nodes.map((node, i) =>
            [`node ${i}`, node.said.filter(([nsp, event]) =>
                event !== "fence" && nsp === this.nsp)]));
    }

    logs() {
        return Object.fromEntries([...this.clients].map(([name, { log }]) =>
            [name, [...log]]));
    }

    async end() {
        for (const client of this.clients.values())
            client.close();
        for (const nsp of this.namespaces())
            await this.cluster.empty(this.nodes, nsp);
        await this.cluster.listening(this.nsp,
            [...this.rooms ?? []].map((room) => [room, new Set()]));
    }
}

// What an operation does to a cluster, seen from a source.
/* Where the fence comes by one of several masters, what came by the others may
 * be late: what is wanted is waited for, if that is known, or else some rest. */
async function rest(look, wanted) {
    const end = performance.now() + LATE_MS;
    let before, now = look();

    while (!isDeepStrictEqual(now, wanted ?? before) &&
           performance.now() < end) {
        await sleep(wanted ? 20 : 200);
        before = now;
        now = look();
    }
}

export async function perform(cluster, source, operation, wanted) {
    const run = new Run(cluster, source, operation);

    try {
        await run.begin();
        const result = await operation.run(run);
        await run.fence();
        const look = () => tidy({ result: result ?? null, clients: run.logs() },
                                run.names);
        if (cluster.redis.servers?.length > 1)
            await rest(look, wanted);
        return look();
    } finally {
        await run.end();
    }
}
