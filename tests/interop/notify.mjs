// The notification service as a process, its applications and its readers.
//
//   SKIO_NOTIFY_CMD  a command line to run instead of examples/notify

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { createHmac } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { deadline, require, sleep } from "./harness.mjs";
import { repository } from "./npm.mjs";
import { freePort } from "./ports.mjs";

const { io } = require("socket.io-client");
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const command = process.env.SKIO_NOTIFY_CMD?.split(" ") ??
    [join(build, "examples/notify")];

export const API_KEY = "an-api-key-of-the-tests";
export const SECRET = "a-secret-of-the-tests-that-is-long-enough";
export const WAIT_MS = 20000;

/* Without SQLite the example is not built. */
export const isBuilt = existsSync(command[0]);

const children = new Set();

process.on("exit", () => {
    for (const child of children) child.kill("SIGKILL");
});

const base64 = (text) => Buffer.from(text).toString("base64url");

/* A token as a login would sign it. */
export function token(user, { secret = SECRET, ...claims } = {}) {
    const text = `${base64('{"alg":"HS256","typ":"JWT"}')}.${
        base64(JSON.stringify({
            sub: user, aud: "notify", rooms: ["*"],
            exp: Math.floor(Date.now() / 1000) + 3600, ...claims,
        }))}`;
    return `${text}.${createHmac("sha256", secret).update(text)
        .digest("base64url")}`;
}

/* One service. start() and stop() may alternate; port and store stay. */
export class Service {
    port = 0;
    output = "";
    #agent = new Agent({ keepAlive: true, maxSockets: 64 });

    constructor(options = []) {
        this.options = options;
        this.folder = mkdtempSync(join(build, "notify-"));
        this.data = join(this.folder, "notify.db");
    }

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    async start({ env = {} } = {}) {
        if (this.port === 0) this.port = await freePort();
        const client = join(dirname(require.resolve(
            "socket.io-client/package.json")), "dist");
        this.child = spawn(command[0], [...command.slice(1),
            "--port", String(this.port), "--address", "127.0.0.1",
            "--public", join(repository, "examples/notify/public"),
            "--client", client, "--data", this.data, "--rate", "1000000",
            ...this.options], {
            stdio: ["ignore", "pipe", "pipe"],
            env: { ...process.env, NOTIFY_API_KEY: API_KEY,
                   NOTIFY_SECRET: SECRET, ...env },
        });
        const child = this.child;
        child.over = new Promise((done) => {
            child.on("error", (error) => done([error.message, null]));
            child.on("close", (code, signal) => done([code, signal]));
        });
        children.add(child);
        child.over.then(() => children.delete(child));
        let ready;
        const listens = new Promise((done) => { ready = done; });
        for (const stream of [child.stdout, child.stderr])
            stream.setEncoding("utf8").on("data", (text) => {
                this.output = (this.output + text).slice(-8000);
                if (/localhost:\d+/.test(this.output)) ready(null);
            });
        this.output = "";
        const how = await deadline(Promise.race([listens, child.over]),
                                   WAIT_MS, "the service to listen");
        if (how) throw new Error(`it ended (${how}): ${this.output}`);
        return this;
    }

    /* Returns [status, signal]. */
    async stop(signal = "SIGTERM") {
        if (!this.child) return null;
        const { child } = this;
        this.child = null;
        child.kill(signal);
        const how = await deadline(child.over, WAIT_MS, "the end")
            .finally(() => child.kill("SIGKILL"));
        return how;
    }

    async end() {
        const how = await this.stop();
        this.#agent.destroy();
        rmSync(this.folder, { recursive: true, force: true });
        if (how && (how[0] !== 0 || /Sanitizer|runtime error/.test(this.output)))
            throw new Error(`it ended with ${how}: ${this.output}`);
    }

    /* {status, headers, body}; status 0 when there was no whole answer. */
    ask(method, path, body, headers = {}) {
        return new Promise((done) => {
            const text = body === undefined || typeof body === "string"
                ? body : JSON.stringify(body);
            const gone = () => done({ status: 0, headers: {}, body: null });
            const asked = request(`${this.url}${path}`, {
                method, agent: this.#agent, timeout: WAIT_MS,
                headers: { Authorization: `Bearer ${API_KEY}`, ...headers,
                           ...text !== undefined &&
                               { "Content-Length": Buffer.byteLength(text) } },
            }, (response) => {
                let got = "";
                response.setEncoding("utf8").on("error", gone)
                    .on("data", (part) => { got += part; })
                    .on("end", () => {
                        let json = null;
                        try {
                            json = JSON.parse(got);
                        } catch { /* no JSON, then */ }
                        if (!response.complete) gone();
                        else done({ status: response.statusCode,
                                    headers: response.headers, body: json });
                    });
            });
            asked.on("error", gone).end(text);
        });
    }

    post(body, headers) {
        return this.ask("POST", "/api/notify", body, headers);
    }

    async status(id) {
        return (await this.ask("GET", `/api/notify/${id}`)).body;
    }

    reader(user, options) {
        return new Reader(this, user, options);
    }
}

/* A stock client that does what the page does. */
export class Reader {
    ids = [];     // each once
    titles = [];
    arrivals = 0; // repetitions included
    mute = false; // give no receipts
    reads = [];

    constructor(service, user, { claims, ...options } = {}) {
        this.socket = io(service.url, {
            forceNew: true, transports: ["websocket"], reconnectionDelay: 20,
            reconnectionDelayMax: 50,
            auth: (give) => give({ token: token(user, claims) }), ...options,
        });
        this.socket.on("welcome", (hello) => {
            this.hello = hello;
            this.wake?.();
        });
        this.socket.on("read", (id) => {
            this.reads.push(id);
            this.wake?.();
        });
        this.socket.on("connect_error", (error) => {
            this.error = error;
            this.wake?.();
        });
        this.socket.on("disconnect", (reason) => {
            this.reason = reason;
            this.hello = null;
            this.wake?.();
        });
        this.socket.on("notification", (note, receipt) => {
            this.arrivals++;
            if (note.id > (this.ids.at(-1) ?? 0)) {
                this.ids.push(note.id);
                this.titles.push(note.content.title);
                this.last = note;
            }
            if (!this.mute) receipt();
            this.wake?.();
        });
    }

    async until(condition, what) {
        while (!condition())
            await deadline(new Promise((done) => { this.wake = done; }),
                           WAIT_MS, what);
        return this;
    }

    welcomed() {
        return this.until(() => this.hello, "a welcome");
    }

    has(count) {
        return this.until(() => this.ids.length >= count,
                          `${count} notifications`);
    }

    ask(event, ...args) {
        return this.socket.timeout(WAIT_MS).emitWithAck(event, ...args);
    }

    close() {
        this.socket.close();
    }
}

/* Asks until the answer is not false, undefined or null. */
export async function until(what, question) {
    for (let left = WAIT_MS; left > 0; left -= 20) {
        const answer = await question();
        if (answer) return answer;
        await sleep(20);
    }
    throw new Error(`${what}: not within ${WAIT_MS} ms`);
}
