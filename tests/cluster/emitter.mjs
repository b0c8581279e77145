// What the tests of the emitter need: a redis-server of their own, our emitter
// as a process that is told what to send, and the npm package's told the same.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { deadline, require, sleep } from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { freePort } from "../interop/ports.mjs";

const { createClient } = require("redis");
const { Emitter: NpmEmitter } = require("@socket.io/redis-emitter");

export const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const WAIT_MS = 10000;
const children = new Set();

// Whatever becomes of this process, nothing of it stays.
process.on("exit", () => {
    for (const child of children)
        child.kill("SIGKILL");
});
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"])
    process.on(signal, () => process.exit(1));

// A command that still waits when its client is closed at a test's end is none
// that the test had asked for: the streams adapter reads without end.
process.on("unhandledRejection", (error) => {
    if (error?.constructor?.name !== "DisconnectsClientError")
        throw error;
});

export function start(command, args) {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });

    children.add(child);
    child.text = "";
    // "close" comes after "exit", when all that it said was read.
    child.exited = once(child, "close").then(([code, signal]) => {
        children.delete(child);
        return code ?? signal;
    });
    child.stdin.on("error", () => {});
    child.stderr.setEncoding("utf8").on("data", (text) => {
        child.text = (child.text + text).slice(-10000);
    });
    return child;
}

// A redis-server without persistence, at a unix socket and at a port.
export class Redis {
    constructor(t, ...options) {
        this.folder = mkdtempSync(join(tmpdir(), "emitter-"));
        this.path = `${this.folder}/redis`;
        this.options = options;
        this.clients = [];
        t.after(() => this.stop());
    }

    async start() {
        this.port ??= await freePort();
        this.url = `redis://127.0.0.1:${this.port}`;
        this.child = start("redis-server", [
            "--port", String(this.port), "--bind", "127.0.0.1",
            "--unixsocket", this.path, "--dir", this.folder,
            "--save", "", "--appendonly", "no", ...this.options,
        ]);
        let out = "";
        await deadline(new Promise((ready, failed) => {
            this.child.stdout.setEncoding("utf8").on("data", (text) => {
                out += text;
                if (out.includes("eady to accept connections"))
                    ready();
            });
            this.child.exited.then(() => failed(new Error(out)));
        }), WAIT_MS, "redis-server");
        return this;
    }

    async client(options = {}) {
        const client = createClient({ socket: { path: this.path }, ...options });

        client.on("error", () => {});
        await client.connect();
        this.clients.push(client);
        return client;
    }

    async kill(signal = "SIGKILL") {
        this.child.kill(signal);
        await deadline(this.child.exited, WAIT_MS, "the end of redis-server");
    }

    async stop() {
        for (const client of this.clients)
            if (client.isOpen)
                await client.disconnect();
        this.child?.kill("SIGKILL");
        await this.child?.exited;
        rmSync(this.folder, { recursive: true, force: true });
    }
}

/*
 * The emitters. Both take calls as emitter-client does, see there: an op, nsp,
 * to, except, flags, event, args (values here), hex and wrap, rooms, close.
 */

export class OurEmitter {
    constructor(t, options) {
        this.child = start(`${build}/emitter-client`, []);
        this.lines = [];
        this.waiting = [];
        let rest = "";
        this.child.stdout.setEncoding("utf8").on("data", (text) => {
            const lines = (rest + text).split("\n");
            rest = lines.pop();
            for (const line of lines)
                this.#take(line);
        });
        this.child.exited.then((code) =>
            this.#take(`ended ${code} ${this.child.text}`));
        this.made = this.#say(options);
        t.after(() => this.stop());
    }

    #take(line) {
        const [, result, ms, text] = /^(\S+) (\S+) ?(.*)$/s.exec(line);
        const answer = { result, ms: Number(ms), text };

        if (this.waiting.length > 0)
            this.waiting.shift()(answer);
        else
            this.lines.push(answer);
    }

    #say(what) {
        const answer = new Promise((done) => this.waiting.push(done));

        this.child.stdin.write(`${JSON.stringify(what)}\n`);
        return deadline(answer, WAIT_MS, "our emitter");
    }

    async call({ args, ...call }) {
        await this.made;
        return this.#say({
            ...call, args: args?.map((each) => JSON.stringify(each)),
        });
    }

    async send(call) {
        const { result, text } = await this.call(call);

        if (result !== "SKIO_OK")
            throw new Error(`${JSON.stringify(call)}: ${result} ${text}`);
    }

    async stop() {
        this.child.stdin.end();
        const code = await deadline(this.child.exited, WAIT_MS,
                                    "the end of our emitter");
        if (code !== 0 || /runtime error|Sanitizer/.test(this.child.text))
            throw new Error(`our emitter ended ${code}: ${this.child.text}`);
    }
}

const SKIO_VOLATILE = 1;
const SKIO_NO_COMPRESS = 4;

// What the arguments of a call are in JavaScript.
function valuesOf({ args = [], hex, wrap }) {
    if (hex === undefined)
        return args;
    const bytes = () => Buffer.from(hex, "hex");
    return wrap ? [args[0], { file: bytes(), list: [1, bytes()] }] : [bytes()];
}

export class TheirEmitter {
    constructor(client, options) {
        this.pending = [];
        // It does not wait for Redis; whoever tests it has to.
        const publish = (...args) => {
            const done = client.publish(...args);
            this.pending.push(done);
            return done;
        };
        this.emitter = new NpmEmitter({ publish }, options);
    }

    async send(call) {
        const { op, nsp = "/", to, except, flags = 0, event, rooms } = call;
        let target = this.emitter.of(nsp);

        if (to)
            target = target.to(to);
        if (except)
            target = target.except(except);
        if (flags & SKIO_VOLATILE)
            target = target.volatile;
        if (flags & SKIO_NO_COMPRESS)
            target = target.compress(false);
        if (op === "emit")
            target.emit(event, ...valuesOf(call));
        else if (op === "server")
            target.serverSideEmit(event, ...valuesOf(call));
        else if (op === "join")
            target.socketsJoin(rooms);
        else if (op === "leave")
            target.socketsLeave(rooms);
        else
            target.disconnectSockets(call.close ?? false);
        await Promise.all(this.pending.splice(0));
    }
}

export { deadline, require, sleep };
