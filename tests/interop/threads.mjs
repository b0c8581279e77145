// examples/threads.c and its stock clients, for the tests of several servers in
// the threads of one process.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { check, deadline, require, same } from "./harness.mjs";
import { repository } from "./npm.mjs";

const { io } = require("socket.io-client");
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const WAIT_MS = 15000;
const CLIENTS_MAX = 200; // until each thread has one, all but surely

class Client {
    heard = []; // messages, in order

    constructor(url) {
        this.socket = io(url, { forceNew: true, transports: ["websocket"],
                                reconnection: false });
        this.thread = deadline(new Promise((done, failed) => {
            this.socket.once("thread", done);
            this.socket.once("connect_error", failed);
        }), WAIT_MS, "a client's thread");
        this.socket.on("message", (text) => {
            this.heard.push(text);
            this.wake?.();
        });
    }

    // The number of the thread that took the message.
    say(text) {
        return this.socket.timeout(WAIT_MS).emitWithAck("message", text);
    }

    hears(text) {
        return deadline((async () => {
            while (!this.heard.includes(text))
                await new Promise((done) => { this.wake = done; });
        })(), WAIT_MS, `"${text}"`);
    }
}

// Runs the example for use(clients), where clients[thread] are those of it, at
// least `least` each. It has to end well afterwards.
export async function withThreads({ threads, least, redis }, use) {
    const child = spawn(`${build}/examples/threads`,
                        ["0", `${threads}`, ...(redis ? [redis] : [])],
                        { stdio: ["ignore", "pipe", "pipe"] });
    const exited = once(child, "exit");
    const clients = Array.from({ length: threads }, () => []);
    let stderr = "";

    child.stderr.on("data", (text) => { stderr += text; });
    try {
        const [line] = await deadline(once(child.stdout, "data"), WAIT_MS,
                                      "the threads' port");
        const url = `http://127.0.0.1:${/port (\d+)/.exec(line)[1]}`;

        for (let i = 0; clients.some((each) => each.length < least); i++) {
            check(i < CLIENTS_MAX, "a thread gets no connections");
            const client = new Client(url);
            clients[await client.thread].push(client);
        }
        await use(clients);
        child.kill("SIGTERM");
        const [code] = await deadline(exited, WAIT_MS, "the threads' end");
        same(code, 0, stderr);
        check(!/Sanitizer|runtime error:/.test(stderr), stderr);
    } finally {
        for (const { socket } of clients.flat())
            socket.close();
        child.kill("SIGKILL");
        await exited;
    }
}
