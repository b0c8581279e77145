// What the tests of Redis' faults have in common: a redis-server that can be
// killed, frozen and started again on its port, nodes (faults-server) that tell
// what they see of it, and clients that note what they hear, and when.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { check, deadline, need, require, sleep }
    from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { freePort } from "../interop/ports.mjs";

need("socket.io-client");
const { io: connect } = require("socket.io-client");

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const program = `${build}/faults-server`;
const WAIT_MS = 10000;
export const SOON_MS = 1000; // the others are reached again

if (!existsSync(program)) {
    console.log(`1..0 # SKIP ${program} was not built`);
    process.exit(0);
}

export const adapters = {
    redis: ["--adapter", "redis"],
    redis_sharded: ["--adapter", "redis-sharded"],
    redis_streams: ["--adapter", "redis-streams"],
    redis_streams_recovery: ["--adapter", "redis-streams",
                             "--recovery", "60000"],
};

export async function until(what, ask, ms = WAIT_MS) {
    const end = performance.now() + ms;

    for (let pause = 1;; pause = Math.min(pause * 2, 20)) {
        const answer = await ask();
        if (answer)
            return answer;
        if (performance.now() > end)
            throw new Error(`${what}: not within ${ms} ms`);
        await sleep(pause);
    }
}

/*
 * Processes: they end with this one, however it ends
 */

const children = new Set();

process.on("exit", () => {
    for (const child of children) {
        child.kill("SIGCONT");
        child.kill("SIGKILL");
    }
});
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"])
    process.on(signal, () => process.exit(1));

function start(command, args, hear) {
    const child = spawn(command, args, { stdio: "pipe" });
    let rest = "";

    children.add(child);
    child.stdin.on("error", () => {});
    child.stderr.setEncoding("utf8");
    child.stdout.setEncoding("utf8").on("data", (text) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        lines.forEach(hear);
    });
    child.exited = once(child, "close").then(([code, signal]) => {
        children.delete(child);
        child.ended = code ?? signal;
        return child.ended;
    });
    return child;
}

/*
 * Redis. The kernel ends it when this process is gone, frozen or not: whoever
 * kept its number for that might end another one that has it since.
 */

export class Redis {
    constructor() {
        this.folder = mkdtempSync(join(tmpdir(), "faults-"));
    }

    get url() {
        return `redis://127.0.0.1:${this.port}`;
    }

    // args: like the command line's; sentinel: a file of settings
    async start(...args) {
        this.port ??= await freePort();
        this.child = start("setpriv", [
            "--pdeathsig", "KILL", "redis-server", ...args,
            "--port", String(this.port), "--bind", "127.0.0.1",
            "--dir", this.folder, ...this.more ?? ["--save", ""],
        ], () => {});
        return this;
    }

    // Commands, each on a connection of its own: one answer as text, or null
    // when there is none.
    ask(...args) {
        return this.askFor(WAIT_MS, ...args);
    }

    askFor(ms, ...args) {
        return new Promise((done) => {
            const socket = dial(this.port, "127.0.0.1");
            let text = "";

            socket.setTimeout(ms, () => socket.destroy());
            socket.setEncoding("utf8").on("data", (more) => {
                text += more;
                socket.destroy();
            });
            socket.on("error", () => {});
            socket.on("close", () => done(text === "" ? null : text.trim()));
            socket.write(`*${args.length}\r\n${args.map((arg) =>
                `$${arg.length}\r\n${arg}\r\n`).join("")}`);
        });
    }

    async pong() {
        await until("Redis to answer",
                    async () => await this.askFor(500, "PING") === "+PONG");
        return performance.now();
    }

    signal(name) {
        this.child.kill(name);
    }

    async end() {
        if (!this.child || this.child.ended !== undefined)
            return;
        this.child.kill("SIGKILL");
        await deadline(this.child.exited, WAIT_MS, "redis-server to end");
    }

    async cleanUp() {
        await this.end();
        rmSync(this.folder, { recursive: true, force: true });
    }
}

/*
 * Nodes and their clients
 */

export class Node {
    constructor(name, options) {
        this.name = name;
        this.options = options;
        this.events = [];
        this.answers = [];
        this.stderr = "";
        this.next = 1;
    }

    async start() {
        this.child = start(program, ["0", ...this.options],
                           (line) => this.#hear(line));
        this.child.stderr.on("data", (text) => {
            this.stderr = (this.stderr + text).slice(-20000);
        });
        await until(`${this.name} to listen`, () => {
            check(this.child.ended === undefined,
                  `${this.name} ended: ${this.stderr}`);
            return this.port !== undefined;
        });
        return this;
    }

    #hear(line) {
        const [word] = line.split(" ", 1);
        const rest = line.slice(word.length + 1);

        if (word === "listening")
            this.port = Number(rest.split(" ")[1]);
        else if (word === "redis")
            this.events.push(JSON.parse(rest));
        else if (word === "answer")
            this.answers.push(JSON.parse(rest));
        else if (word === "freed")
            this.freed = Number(rest.split(" ")[1]) / 1000;
    }

    say(line) {
        this.child.stdin.write(`${line}\n`);
    }

    // The answer, and after how many ms it came.
    async ask(line) {
        const begin = performance.now();

        this.answers = [];
        this.say(line);
        await until(`${this.name} to answer "${line}"`,
                    () => this.answers.length > 0);
        return { ...this.answers[0], ms: performance.now() - begin };
    }

    // Emits one number more; returns it.
    emit(size = 0) {
        this.sent ??= new Map();
        this.sent.set(this.next, performance.now());
        this.say(`emit ${this.next} 1 ${size}`);
        return this.next++;
    }

    signal(name) {
        this.child.kill(name);
    }

    // What happened to Redis, since an index of events.
    async event(state, from = 0) {
        return until(`${this.name} to be told "${state}"`, () =>
            this.events.slice(from).find((event) => event.state === state));
    }

    // Returns how long it took; throws unless it ended well.
    async stop() {
        const begin = performance.now();

        if (this.child && this.child.ended === undefined) {
            this.child.kill("SIGCONT");
            this.child.kill("SIGTERM");
        }
        await deadline(this.child.exited, WAIT_MS, `${this.name} to stop`)
            .catch((error) => {
                this.child.kill("SIGKILL");
                throw error;
            });
        check(this.child.ended === 0 &&
              !/runtime error:|Sanitizer/.test(this.stderr),
              `${this.name}: exit ${this.child.ended}\n${this.stderr}`);
        return performance.now() - begin;
    }
}

export class Client {
    constructor(node) {
        this.heard = []; // [number, when]
        this.socket = connect(`http://127.0.0.1:${node.port}`, {
            transports: ["websocket"], reconnection: false, forceNew: true,
        });
        this.socket.on("n", (number) =>
            this.heard.push([number, performance.now()]));
        this.socket.on("who", (answer) => answer("me"));
    }

    async ready() {
        await deadline(once(this.socket, "connect"), WAIT_MS,
                       "a client to connect");
        return this;
    }

    hears(number) {
        return this.heard.some(([n]) => n === number);
    }

    numbers() {
        return this.heard.map(([n]) => n);
    }

    close() {
        this.socket.disconnect();
    }
}

// Each number once, in order.
export function checkOnce(client, whose) {
    const numbers = client.numbers();
    const wrong = numbers.findIndex((n, i) => i > 0 && n <= numbers[i - 1]);

    check(wrong < 0, `${whose}: ${numbers[wrong - 1]} and then ${
        numbers[wrong]}`);
}

// Emits from one node until a client of another hears it; returns after how
// many ms since `from` that was.
export async function cross(node, client, from = performance.now(),
                            ms = WAIT_MS) {
    const first = node.next;
    const end = performance.now() + ms;

    for (;;) {
        node.emit();
        const at = performance.now() + 20;
        do {
            const found = client.heard.find(([n]) => n >= first);
            if (found)
                return found[1] - from;
            await sleep(2);
        } while (performance.now() < at);
        check(performance.now() < end,
              `nothing of ${node.name} came across within ${ms} ms`);
    }
}

// Emits some, over a while, and waits until a client of the same node has heard
// all of them; returns the longest that one took.
export async function emitLocally(node, client, count, pause = 20) {
    const first = node.next;

    for (let i = 0; i < count; i++) {
        node.emit();
        await sleep(pause);
    }
    await until(`all of ${node.name} on ${node.name}`,
                () => client.hears(node.next - 1));
    const heard = new Map(client.heard);
    let longest = 0;
    for (let n = first; n < node.next; n++) {
        check(heard.has(n), `${node.name}: ${n} was not delivered`);
        longest = Math.max(longest, heard.get(n) - node.sent.get(n));
    }
    return longest;
}

/*
 * Two nodes with a client each. Numbers of b are told from those of a by their
 * beginning: each client hears one stream in order of each.
 */
export class Pair {
    constructor(t, options, { redis = new Redis(), started = true } = {}) {
        this.redis = redis;
        this.options = options;
        this.started = started;
        t.after(() => this.cleanUp());
    }

    async start(...args) {
        this.redis.port ??= await freePort();
        if (this.started && !this.redis.child)
            await this.redis.start(...args);
        if (this.started)
            await this.redis.pong();
        const where = this.where ?? ["--redis", this.redis.url];
        this.a = new Node("a", [...this.options, ...where]);
        this.b = new Node("b", [...this.options, ...where]);
        this.nodes = [this.a, this.b];
        await Promise.all(this.nodes.map((node) => node.start()));
        this.ca = await new Client(this.a).ready();
        this.cb = await new Client(this.b).ready();
        if (this.started) {
            await this.meet();
            for (const node of this.nodes)
                await node.event("up");
        }
        return this;
    }

    // How long it takes until both reach each other, since `from`.
    async meet(from) {
        const there = await cross(this.a, this.cb, from);
        this.b.next = this.a.next + 1;
        await until("what was emitted", () => this.cb.hears(this.a.next - 1));
        const back = await cross(this.b, this.ca, from);
        await until("what was emitted", () => this.ca.hears(this.b.next - 1));
        this.a.next = this.b.next + 1;
        return Math.max(there, back);
    }

    async stop() {
        const took = await Promise.all(this.nodes.map((node) => node.stop()));
        this.nodes = [];
        return Math.max(...took);
    }

    async cleanUp() {
        for (const client of [this.ca, this.cb])
            client?.close();
        const ended = await Promise.allSettled(
            (this.nodes ?? []).map((node) => node.child && node.stop()));
        await this.redis.cleanUp();
        for (const { status, reason } of ended)
            if (status === "rejected")
                throw reason;
    }
}
