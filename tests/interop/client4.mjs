// The stock client, version 4, with what a scenario needs around it: every
// event is logged, every wait ends, every socket is closed at the end.

import { deadline, require, sleep } from "./harness.mjs";

const { io } = require("socket.io-client");

// See SKIO_PARSER in harness.mjs; undefined is the default one.
export const parser = process.env.SKIO_PARSER
    ? require(`socket.io-${process.env.SKIO_PARSER}-parser`) : undefined;

export const modes = {
    polling: { transports: ["polling"] },
    websocket: { transports: ["websocket"] },
    upgrade: { transports: ["polling", "websocket"] },
};

const WAIT_MS = 4000;

// JSON cannot hold bytes: in a transcript they are a line of hex digits.
export function plain(value) {
    if (value instanceof ArrayBuffer)
        return plain(Buffer.from(value));
    if (ArrayBuffer.isView(value)) {
        const bytes = Buffer.from(value.buffer, value.byteOffset,
                                  value.byteLength);
        return `<${bytes.toString("hex")}>`;
    }
    if (Array.isArray(value))
        return value.map(plain);
    if (value !== null && typeof value === "object")
        return Object.fromEntries(
            Object.entries(value).map(([key, each]) => [key, plain(each)]));
    return value;
}

class Client {
    constructor(socket, t) {
        this.socket = socket;
        this.log = [];
        this.waiting = [];
        this.pending = [];
        socket.onAny((...event) => {
            const args = event.filter((each) => typeof each !== "function");
            this.note(plain(args));
        });
        socket.on("disconnect", (reason) => this.note(["(gone)", reason]));
        socket.on("connect_error", (error) => {
            this.note(["(refused)", error.message, error.data ?? null]);
        });
        t.after(() => {
            socket.disconnect();
            socket.io.engine?.close();
            socket.io.reconnection(false);
        });
    }

    note(entry) {
        const [name] = entry;
        const index = this.waiting.findIndex((each) => each.name === name);

        this.log.push(entry);
        if (index >= 0)
            this.waiting.splice(index, 1)[0].done(entry);
        else
            this.pending.push(entry);
    }

    get id() {
        return this.socket.id;
    }

    get engine() {
        return this.socket.io.engine;
    }

    // The next event of that name that no wait took before: [name, ...args].
    next(name, ms = WAIT_MS) {
        const index = this.pending.findIndex((each) => each[0] === name);

        if (index >= 0)
            return Promise.resolve(this.pending.splice(index, 1)[0]);
        return deadline(new Promise((done) => {
            this.waiting.push({ name, done });
        }), ms, `waiting for "${name}"`);
    }

    emit(...args) {
        this.socket.emit(...args);
    }

    // The arguments of the acknowledgement.
    ask(...args) {
        return deadline(new Promise((done) => {
            this.socket.emit(...args, (...answer) => done(plain(answer)));
        }), WAIT_MS, `the answer to "${args[0]}"`);
    }

    // Afterwards everything sent to this client before has arrived.
    async settle() {
        await this.ask("echo");
    }

    // The log without the greeting, for transcripts.
    events() {
        return this.log.filter(([name]) => name !== "welcome");
    }
}

// A client that may fail to connect.
export function dial(server, t, mode, { nsp = "/", ...rest } = {}) {
    const socket = io(server.url + nsp, {
        ...modes[mode], forceNew: true, reconnection: false, timeout: 3000,
        parser, ...rest,
    });
    return new Client(socket, t);
}

export async function upgraded(client) {
    const { engine } = client;

    if (engine.transport.name !== "websocket")
        await deadline(new Promise((done) => engine.once("upgrade", done)),
                       WAIT_MS, "the upgrade");
}

// A connected client; in upgrade mode one that has upgraded.
export async function connect(server, t, mode, { wait = true, ...rest } = {}) {
    const client = dial(server, t, mode, rest);

    await client.next("welcome");
    if (mode === "upgrade" && wait)
        await upgraded(client);
    return client;
}

// Another namespace over the connection that a client already has. (It
// connects by itself; a second connect() would end the whole connection.)
export async function also(client, t, nsp, options) {
    const socket = client.socket.io.socket(nsp, options);
    const other = new Client(socket, t);

    await other.next("welcome");
    return other;
}

// Ask until the answer is long enough: the server notices some ends later
// than the client does.
export async function eventually(client, count, ...args) {
    let answer;

    for (let i = 0; i < 60; i++) {
        [answer] = await client.ask(...args);
        if (answer.length >= count)
            break;
        await sleep(50);
    }
    return answer;
}

let serial = 0;

export function uniqueTag() {
    return `tag-${process.pid}-${++serial}`;
}
