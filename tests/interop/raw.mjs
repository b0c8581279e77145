// Peers below the stock client: HTTP requests, WebSockets and plain TCP, with
// a time limit on every wait.

import { Agent, request } from "node:http";
import { connect as tcpConnect } from "node:net";
import { deadline, require, sleep } from "./harness.mjs";

const { WebSocket } = require("ws");

const WAIT_MS = 4000;

export const RS = "\x1e";

export function target(query, path = "/socket.io/") {
    const text = typeof query === "string" ? query
        : new URLSearchParams(query).toString();
    return text ? `${path}?${text}` : path;
}

/*
 * HTTP
 */

// Connections of one scenario, kept alive between its requests.
function agentOf(t) {
    if (!t.agent) {
        t.agent = new Agent({ keepAlive: true });
        t.after(() => t.agent.destroy());
    }
    return t.agent;
}

// The answer: { status, headers, body, bytes }. `abort` is put on the promise.
export function http(server, t, path, { method = "GET", headers = {}, body,
                                        ms = WAIT_MS } = {}) {
    let outgoing;
    const answer = deadline(new Promise((done, failed) => {
        outgoing = request({
            host: "127.0.0.1", port: server.port, agent: agentOf(t),
            method, path,
            headers: body === undefined ? headers
                : { "Content-Length": Buffer.byteLength(body), ...headers },
        }, (incoming) => {
            const chunks = [];
            incoming.on("data", (chunk) => chunks.push(chunk));
            incoming.on("error", failed);
            incoming.on("end", () => {
                const bytes = Buffer.concat(chunks);
                done({ status: incoming.statusCode, bytes,
                       headers: incoming.headers, body: bytes.toString() });
            });
        });
        outgoing.on("error", failed);
        outgoing.end(body);
    }), ms, `${method} ${path}`).finally(() => outgoing.destroy());

    answer.catch(() => {});
    answer.abort = () => outgoing.destroy();
    return answer;
}

// What was sent before on other connections has reached the server, and been
// served as far as it can be: a loop reads those first that were ready first.
export async function settle(server, t) {
    for (let i = 0; i < 3; i++) {
        await sleep(10);
        await http(server, t, "/socket.io/?EIO=4&transport=polling&sid=none");
    }
}

// Status and body, which is what most answers are judged by.
export async function answer(...args) {
    const { status, body } = await http(...args);
    return [status, body];
}

/*
 * A polling session
 */

export class Session {
    constructor(server, t, path) {
        Object.assign(this, { server, t, path });
    }

    async open(query = {}) {
        const opened = await http(
            this.server, this.t,
            target({ EIO: 4, transport: "polling", ...query }, this.path));

        this.opened = opened;
        this.handshake = JSON.parse(opened.body.slice(1));
        this.sid = this.handshake.sid;
        this.query = { EIO: 4, transport: "polling", sid: this.sid };
        return this;
    }

    get target() {
        return target(this.query, this.path);
    }

    poll(options) {
        return http(this.server, this.t, this.target, options);
    }

    post(body, headers = { "Content-Type": "text/plain;charset=UTF-8" }) {
        return http(this.server, this.t, this.target,
                    { method: "POST", headers, body });
    }

    async polled() {
        const { status, body } = await this.poll();
        return [status, body];
    }

    async posted(...args) {
        const { status, body } = await this.post(...args);
        return [status, body];
    }

    // Poll until so many packets came; pings are answered and left out.
    async packets(count) {
        const packets = [];

        while (packets.length < count) {
            const { status, body } = await this.poll();
            if (status !== 200)
                throw new Error(`polled ${status} ${body}`);
            for (const packet of body.split(RS)) {
                if (packet === "2")
                    await this.post("3");
                else
                    packets.push(packet);
            }
        }
        return packets;
    }
}

export function polling(server, t, query, path) {
    return new Session(server, t, path).open(query);
}

/*
 * A WebSocket
 *
 * Messages are kept in a list until they are taken: text as it came, binary
 * as a line of hex digits in angle brackets.
 */

export class Socket {
    constructor(server, t, query, { path, headers, protocols } = {}) {
        const url = `ws://127.0.0.1:${server.port}${target(query, path)}`;

        this.list = [];
        this.wake = () => {};
        this.ended = null;
        this.pongs = true;
        this.ws = new WebSocket(url, protocols ?? [], {
            headers, perMessageDeflate: false, handshakeTimeout: WAIT_MS,
        });
        this.opened = new Promise((done) => {
            this.ws.on("open", () => done(true));
            this.ws.on("unexpected-response", (_, response) => {
                let body = "";
                response.on("data", (chunk) => { body += chunk; });
                response.on("error", () => {});
                response.on("end", () => {
                    this.refusal = [response.statusCode, body];
                    this.refusalHeaders = response.headers;
                    done(false);
                });
            });
            this.ws.on("error", (error) => {
                this.error = error.message;
                done(false);
            });
        });
        this.ws.on("upgrade", (response) => {
            this.upgradeHeaders = response.headers;
        });
        this.ws.on("message", (data, binary) => {
            const text = binary ? `<${data.toString("hex")}>`
                : data.toString();
            if (text === "2" && this.pongs)
                this.ws.send("3");
            else
                this.push(text);
        });
        this.ws.on("close", (code) => {
            this.ended = code;
            this.wake();
        });
        t.after(() => this.ws.terminate());
    }

    push(text) {
        this.list.push(text);
        this.wake();
    }

    send(data) {
        this.ws.send(data);
    }

    // The next message, or "(closed CODE)".
    next(ms = WAIT_MS) {
        const taken = async () => {
            while (this.list.length === 0 && this.ended === null)
                await new Promise((done) => { this.wake = done; });
            return this.list.shift() ?? `(closed ${this.ended})`;
        };
        return deadline(taken(), ms, "a WebSocket message");
    }

    async take(count, ms) {
        const messages = [];

        for (let i = 0; i < count; i++)
            messages.push(await this.next(ms));
        return messages;
    }

    // What still came before the end, and the end.
    async rest(ms = WAIT_MS) {
        const messages = [];

        do
            messages.push(await this.next(ms));
        while (!messages.at(-1).startsWith("(closed"));
        return messages;
    }

    // Everything that arrives in so many milliseconds.
    async during(ms) {
        await sleep(ms);
        return [...this.list.splice(0),
                ...(this.ended === null ? [] : [`(closed ${this.ended})`])];
    }
}

// An open WebSocket session; its handshake is taken from the list.
export async function websocket(server, t, query = {}, options = {}) {
    const socket = new Socket(
        server, t, { EIO: 4, transport: "websocket", ...query }, options);

    if (options.pongs !== undefined)
        socket.pongs = options.pongs;
    if (!await deadline(socket.opened, WAIT_MS, "a WebSocket"))
        throw new Error(`refused: ${socket.refusal ?? socket.error}`);
    socket.handshake = JSON.parse((await socket.next()).slice(1));
    socket.sid = socket.handshake.sid;
    return socket;
}

// A WebSocket for the upgrade of a session.
export async function probe(session) {
    const socket = new Socket(session.server, session.t,
                              { ...session.query, transport: "websocket" },
                              { path: session.path });

    await deadline(socket.opened, WAIT_MS, "a WebSocket");
    return socket;
}

// How an upgrade request fares: [101, what came until the end] or the refusal.
export async function attempt(server, t, query, options) {
    const socket = new Socket(server, t, query, options);

    if (await deadline(socket.opened, WAIT_MS, "a WebSocket"))
        return [101, ...await socket.rest()];
    return socket.refusal ?? ["failed", socket.error];
}

/*
 * Plain TCP
 */

export class Line {
    constructor(server, t) {
        this.bytes = Buffer.alloc(0);
        this.ended = false;
        this.wake = () => {};
        this.socket = tcpConnect(server.port, "127.0.0.1");
        this.socket.on("data", (data) => {
            this.bytes = Buffer.concat([this.bytes, data]);
            this.wake();
        });
        this.socket.on("error", () => {});
        this.socket.on("close", () => {
            this.ended = true;
            this.wake();
        });
        t.after(() => this.socket.destroy());
    }

    get text() {
        return this.bytes.toString("latin1");
    }

    write(data) {
        this.socket.write(data);
    }

    // Wait until what came satisfies the function, or the connection ended.
    until(done, ms = WAIT_MS) {
        const wait = async () => {
            while (!done(this.bytes) && !this.ended)
                await new Promise((wake) => { this.wake = wake; });
            return this.text;
        };
        return deadline(wait(), ms, `bytes (got ${JSON.stringify(this.text)})`);
    }

    // Everything up to the end of the connection.
    all(ms) {
        return this.until(() => false, ms);
    }

    // The head of a response.
    head(ms) {
        return this.until((bytes) => bytes.includes("\r\n\r\n"), ms);
    }
}

export const upgradeHeaders = {
    "Host": "localhost",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
};

export function requestText(method, path, headers) {
    return [`${method} ${path} HTTP/1.1`,
            ...Object.entries(headers)
                .filter(([, value]) => value !== undefined)
                .map(([name, value]) => `${name}: ${value}`),
            "", ""].join("\r\n");
}

// One masked frame as a client sends it.
export function frame(opcode, payload = "", { fin = true, rsv = 0 } = {}) {
    const data = Buffer.from(payload);
    const mask = Buffer.from([1, 2, 3, 4]);
    const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];

    if (data.length < 126) {
        head.push(0x80 | data.length);
    } else if (data.length < 65536) {
        head.push(0x80 | 126, data.length >> 8, data.length & 255);
    } else {
        head.push(0x80 | 127, 0, 0, 0, 0, (data.length >>> 24) & 255,
                  (data.length >>> 16) & 255, (data.length >>> 8) & 255,
                  data.length & 255);
    }
    return Buffer.concat([Buffer.from(head), mask,
                          data.map((byte, i) => byte ^ mask[i & 3])]);
}

// An open WebSocket session over plain TCP: send frames of any kind.
export async function rawWebSocket(server, t, query = {}, headers = {}) {
    const line = new Line(server, t);
    const path = target({ EIO: 4, transport: "websocket", ...query });

    line.write(requestText("GET", path, { ...upgradeHeaders, ...headers }));
    await line.until((bytes) => bytes.includes("\r\n\r\n") &&
                     bytes.subarray(bytes.indexOf("\r\n\r\n") + 4).length > 2);
    line.bytes = Buffer.alloc(0);
    return line;
}

// The code of the Close frame at the end of these bytes; null if none.
export function closeCode(bytes) {
    let at = 0;

    while (at + 2 <= bytes.length) {
        const opcode = bytes[at] & 15;
        let length = bytes[at + 1] & 127, head = 2;

        if (length === 126) {
            length = bytes.readUInt16BE(at + 2);
            head = 4;
        }
        if (opcode === 8)
            return length >= 2 ? bytes.readUInt16BE(at + head) : "no status";
        at += head + length;
    }
    return null;
}

// The code of the Close frame that comes next; null when the connection ends
// without one, "open" when neither happens. Peers may wait for an answer to
// their Close for long: the end of the connection is not waited for.
export async function endCode(line, ms = 1500) {
    await line.until((bytes) => closeCode(bytes) !== null, ms)
        .catch(() => {});
    const code = closeCode(line.bytes);
    return code === null && !line.ended ? "open" : code;
}
