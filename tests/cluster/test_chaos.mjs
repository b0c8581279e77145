// Rolling restarts under load: three nodes behind nginx and behind HAProxy, with
// the configurations of examples/cluster; stock clients that poll, upgrade, or
// begin with WebSocket; writers at every node. Each node in turn is asked to
// stop, or is killed, and started again. Redis stays. Then the judge reads what
// every client got.
//
//   SKIO_ROUNDS   how often all nodes are restarted (2)
//   SKIO_CLIENTS  how many clients (40)
//   SKIO_SECONDS  the most that the restarts behind one balancer take (240)
//   SKIO_NODES    "node": the reference implementation, "mixed": two of ours and
//                 one of it (default: "ours")
//   SKIO_PROXY    only this balancer, nginx or haproxy
//   SKIO_SHOW     1: print the figures

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { check, deadline, finish, require, sleep, test }
    from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { freePorts } from "../interop/ports.mjs";
import { Redis, until } from "./cluster.mjs";
import { count, judge } from "./history.mjs";
import { programOf, Proxy } from "./proxies.mjs";

// Clients that were refused wait longer each time before they try again.
const RECONNECT_MS = 60000;

const { io } = require("socket.io-client");

const here = dirname(fileURLToPath(import.meta.url));
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const rounds = Number(process.env.SKIO_ROUNDS ?? 2);
const clientsCount = Number(process.env.SKIO_CLIENTS ?? 40);
const seconds = Number(process.env.SKIO_SECONDS ?? 240);
const kinds = { ours: "ooo", mixed: "oon", node: "nnn" }
    [process.env.SKIO_NODES ?? "ours"];
/* What happens with the reference now and then. */
const known = kinds.includes("n") ? ["lost", "untold", "doubled", "unordered"] : [];
const show = process.env.SKIO_SHOW === "1";

const ROOMS = 10;
const CLIENTS_PER_PROCESS = 50;
const WRITE_EVERY_MS = 40;
const CALM_MS = 600;   /* of writing between restarts */
const SETTLE_MS = 15000;
const WAIT_MS = 20000;

/*
 * Nodes
 */

const children = new Set();

process.on("exit", () => {
    for (const child of children) child.kill("SIGKILL");
});

function keep(child) {
    children.add(child);
    child.exited = once(child, "exit").then(([code, signal]) => {
        children.delete(child);
        return code ?? signal;
    });
    return child;
}

class Node {
    lives = 0;
    stderr = "";

    constructor(history, i, port, redis) {
        Object.assign(this, { history, port, redis });
        this.name = `n${i + 1}`;
        this.isReference = kinds[i] === "n";
    }

    async start() {
        /* One of them drains before it stops. */
        const args = [String(this.port), this.name, this.redis.url,
            ...(this.name === "n2" ? ["300"] : [])];
        const child = this.isReference
            ? spawn("node", [`${here}/chaos-node.mjs`, ...args])
            : spawn(`${build}/chaos-server`, args);
        let output = "";

        this.child = keep(child);
        child.stderr.setEncoding("utf8").on("data", (text) => {
            this.stderr = (this.stderr + text).slice(-8000);
        });
        child.stdout.setEncoding("utf8").on("data", (text) => {
            output += text;
        });
        await until(`${this.name} to listen`, () => {
            if (child.exitCode !== null || child.signalCode !== null)
                throw new Error(`${this.name} ended: ${this.stderr}`);
            return /^listening on/m.test(output);
        });
        await this.startWriting();
    }

    /* The writer of this life of the node: a source of its own. */
    async startWriting() {
        const source = `${this.name}#${++this.lives}`;
        const control = io(`http://127.0.0.1:${this.port}/control`, {
            transports: ["websocket"], reconnection: false, forceNew: true,
        });
        let seq = 0;

        this.facts = this.history.sources[source] = {};
        await deadline(once(control, "connect"), WAIT_MS, `${source}: control`);
        /* What is emitted before Redis is there, others do not hear of. */
        await control.timeout(WAIT_MS).emitWithAck("ready");
        this.control = control;
        this.waiting = 0;
        this.timer = setInterval(() => {
            if (!control.connected) return;
            const to = this.history.address(++seq);
            this.history.sent.push({ source, seq, at: Date.now(), to });
            this.waiting++;
            control.emit("write", to, source, seq, () => { this.waiting--; });
        }, WRITE_EVERY_MS);
    }

    async stopWriting() {
        clearInterval(this.timer);
        await until(`${this.name} to answer`, () => this.waiting === 0);
    }

    /* Asked to stop it must lose nothing of what it has answered. */
    async stop(signal) {
        if (signal === "SIGKILL") {
            clearInterval(this.timer);
            this.facts.endedAt = Date.now();
            this.facts.killed = true;
        } else {
            await this.stopWriting();
        }
        this.child.kill(signal);
        const how = await deadline(this.child.exited, WAIT_MS,
                                   `${this.name}: to end`);
        this.control.close();
        if (signal !== "SIGKILL")
            check(how === 0, `${this.name} ended with ${how}: ${this.stderr}`);
    }
}

/*
 * Clients
 */

class Crowd {
    constructor(url, size) {
        const ways = [["polling", "websocket"], ["websocket"], ["polling"]];

        this.facts = Array.from({ length: size }, (_, i) => ({
            name: `c${i}`, rooms: [`room${i % ROOMS}`, `c${i}`],
            /* As browsers: most upgrade; a few can only poll. */
            transports: ways[i % 10 < 6 ? 0 : i % 10 < 9 ? 1 : 2],
        }));
        this.processes = [];
        for (let i = 0; i < size; i += CLIENTS_PER_PROCESS) {
            const child = keep(fork(`${here}/chaos-clients.mjs`));
            child.send({ url, list: this.facts.slice(i, i + CLIENTS_PER_PROCESS) });
            this.processes.push(child);
        }
    }

    ask(want) {
        return deadline(Promise.all(this.processes.map(async (child) => {
            child.send({ want });
            return (await once(child, "message"))[0];
        })), WAIT_MS, "the clients' processes");
    }

    async state() {
        const all = await this.ask("state");
        return {
            up: all.reduce((sum, { up }) => sum + up, 0),
            upgraded: all.reduce((sum, { upgraded }) => sum + upgraded, 0),
            nodes: all.flatMap(({ nodes }) => nodes),
        };
    }

    connected() {
        return until("all clients to be connected", async () =>
            (await this.state()).up, (up) => up === this.facts.length,
            RECONNECT_MS);
    }

    async logs() {
        const logs = new Map((await this.ask("logs")).flat()
            .map(({ name, log }) => [name, log]));
        return this.facts.map(({ name, rooms }) =>
            ({ name, addresses: ["*", ...rooms], log: logs.get(name) }));
    }

    async stop() {
        for (const child of this.processes) child.disconnect();
        await Promise.all(this.processes.map(({ exited }) => exited));
    }
}

class History {
    sources = {};
    sent = [];

    /* Half of it is for one client, some for a room, some for all. */
    address(seq) {
        if (seq % 2 === 0)
            return `c${Math.floor(Math.random() * clientsCount)}`;
        return seq % 10 === 1 ? "*" : `room${Math.floor(Math.random() * ROOMS)}`;
    }

    async judge(crowd) {
        const clients = await crowd.logs();
        return judge({ ...this, clients });
    }

    /* What is under way arrives in a while, or it is lost. */
    async settled(crowd) {
        const end = Date.now() + SETTLE_MS;

        for (;;) {
            const verdict = await this.judge(crowd);
            const kinds = count(verdict.problems);
            if (!(kinds.lost || kinds.away) || Date.now() > end) return verdict;
            await sleep(250);
        }
    }
}

/*
 * A run
 */

/* All come from one address, and no node has more than its share. */
async function areSpread(crowd, nodes) {
    const state = await crowd.state();

    for (const { name } of nodes) {
        const n = state.nodes.filter((each) => each === name).length;
        check(n > clientsCount / 6, `${name} has ${n} of ${clientsCount}`);
    }
}

/* The address is the one that the proxy sees, whatever the client says. */
async function addressIsTrue(proxy) {
    const socket = io(`${proxy.url}/control`, {
        transports: ["polling"], reconnection: false, forceNew: true,
        agent: new Agent({ localAddress: "127.0.0.9" }),
        extraHeaders: { "X-Forwarded-For": "198.51.100.7" },
    });

    try {
        const address = await socket.timeout(WAIT_MS).emitWithAck("address");
        check(address === "127.0.0.9", `the address ${address}`);
    } finally {
        socket.close();
    }
}

async function rollingRestarts(t, kind) {
    const redis = await new Redis().start();
    const history = new History();
    const [port, ...ports] = await freePorts(4);
    const nodes = ports.map((each, i) =>
        new Node(history, i, each, redis));
    const proxy = new Proxy(kind, port, ports);
    let crowd = null;

    t.after(async () => {
        for (const node of nodes) clearInterval(node.timer);
        await crowd?.stop();
        for (const node of nodes) {
            node.control?.close();
            node.child?.kill("SIGKILL");
            await node.child?.exited;
        }
        await proxy.stop();
        await redis.stop();
    });

    await Promise.all(nodes.map((node) => node.start()));
    await proxy.start();
    crowd = new Crowd(proxy.url, clientsCount);
    await crowd.connected();
    await areSpread(crowd, nodes);
    await addressIsTrue(proxy);

    const end = Date.now() + seconds * 1000;
    let restarts = 0;
    for (let round = 0; round < rounds && Date.now() < end; round++)
        for (const node of nodes) {
            await sleep(CALM_MS);
            await node.stop(restarts++ % 2 === 0 ? "SIGTERM" : "SIGKILL");
            await sleep(CALM_MS / 2);
            await node.start();
            await crowd.connected();
        }
    await sleep(CALM_MS);
    await Promise.all(nodes.map((node) => node.stopWriting()));
    const { up, upgraded } = await crowd.state();
    const verdict = await history.settled(crowd);
    const { problems: found, ...figures } = verdict;
    const problems = found.filter(({ kind }) => !known.includes(kind));

    if (show) {
        console.log(`# ${kind}: ${JSON.stringify({
            restarts, sent: history.sent.length, ...figures, up, upgraded,
            problems: count(found),
        })}`);
        for (const { kind, client, text } of found.slice(0, 40))
            console.log(`#   ${kind} ${client} ${text}`);
    }
    check(problems.length === 0, JSON.stringify(count(problems)) +
        JSON.stringify(problems.slice(0, 10)) +
        nodes.map(({ stderr }) => stderr).join(""));
    return { figures, restarts, upgraded };
}

if ((process.env.HAVE_ALL ?? "yesyes") !== "yesyes") {
    console.log("1..0 # SKIP built without Redis");
    process.exit(0);
}
for (const kind of ["nginx", "haproxy"]) {
    if (process.env.SKIO_PROXY && process.env.SKIO_PROXY !== kind) continue;
    if (!programOf(kind)) continue;
    test(`restarts_behind_${kind}_lose_nothing_untold`, async (t) => {
        const { figures, restarts, upgraded } = await rollingRestarts(t, kind);

        console.log(`# ${restarts} restarts among ${clientsCount} clients: ${
            figures.received} messages received, ${
            figures.recovered} clients recovered, ${figures.renewed} not`);
        check(restarts >= 6, `only ${restarts} restarts`);
        check(figures.received > clientsCount * restarts, "too little traffic");
        check(kinds !== "ooo" || figures.recovered > figures.renewed,
            `${figures.recovered} recovered, ${figures.renewed} not`);
        check(upgraded > clientsCount / 2, `only ${upgraded} upgraded`);
    }, { timeout: (seconds + 120) * 1000, timed: false });
}

await finish();
