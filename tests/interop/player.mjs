// Plays generated cases (generate.mjs) against one server and tells what came
// back, in a form that does not depend on ids or on how JSON is written.

import { deadline } from "./harness.mjs";
import { closeCode, frame, http, Line, polling, probe, requestText, RS, Socket,
         target, upgradeHeaders, websocket } from "./raw.mjs";

const WAIT_MS = 8000;
const ID = /"[A-Za-z0-9_-]{20}"/g;

/*
 * What a message means
 */

// Binary data in the place of its placeholders. What comes twice in an object
// counts once, unused attachments do not.
function unfold(json, attachments) {
    return JSON.parse(json, (_, each) => each?._placeholder === true &&
        attachments[each.num] !== undefined ? attachments[each.num] : each);
}

// Messages as they came, to a list of what they mean.
export function meaning(messages) {
    const result = [];

    for (let i = 0; i < messages.length; i++) {
        const [, type, count, nsp, id, json] =
            /^4([0-6])(?:(\d+)-)?(\/[^,]*,)?(\d*)([[{"].*)?$/s
                .exec(messages[i]) ?? [];

        if (json === undefined) {
            result.push(messages[i]);
            continue;
        }
        try {
            const attachments = messages.slice(i + 1, i + 1 + Number(count ?? 0));
            const value = JSON.stringify(unfold(json, attachments))
                .replace(ID, '"ID"');
            i += attachments.length;
            // Ids of questions are counted by all that ask.
            result.push(`4${"234"["56".indexOf(type)] ?? type}${nsp ?? ""}${
                value.startsWith('["question"') ? "#" : id}${value}`);
        } catch {
            result.push(messages[i]);
        }
    }
    return result;
}

/*
 * Payloads of protocol 3
 */

function unpack3(text) {
    const packets = [];

    for (let at = 0; at < text.length;) {
        const colon = text.indexOf(":", at);
        const length = Number(text.slice(at, colon));

        if (colon < 0 || !(length >= 0))
            throw new Error(`a payload ${JSON.stringify(text.slice(0, 200))}`);
        packets.push(text.slice(colon + 1, colon + 1 + length));
        at = colon + 1 + length;
    }
    return packets;
}

function unpackBytes3(bytes) {
    const packets = [];

    for (let at = 0; at < bytes.length;) {
        const end = bytes.indexOf(255, at);
        const length = Number([...bytes.subarray(at + 1, end)].join(""));
        const data = bytes.subarray(end + 1, end + 1 + length);

        if (end < 0 || data.length !== length)
            throw new Error(`a payload ${bytes.toString("hex").slice(0, 200)}`);
        packets.push(bytes[at] === 0 ? data.toString()
            : `<${data.subarray(1).toString("hex")}>`);
        at = end + 1 + length;
    }
    return packets;
}

const unpackBase64 = (head) => (packet) => !packet.startsWith(head) ? packet
    : `<${Buffer.from(packet.slice(head.length), "base64").toString("hex")}>`;

function unpack(eio, { headers, bytes }) {
    if (eio === 4)
        return bytes.toString().split(RS).map(unpackBase64("b"));
    if (headers["content-type"] === "application/octet-stream")
        return unpackBytes3(bytes);
    return unpack3(bytes.toString()).map(unpackBase64("b4"));
}

/*
 * Ways to a session; each is open with "/" joined and its greeting taken
 */

const isClosed = (message) => message?.startsWith("(closed") ?? false;

class PollingWay {
    list = [];
    posts = [];

    static async open(server, t, { eio, tag }) {
        const way = new PollingWay();

        Object.assign(way, { server, t, eio });
        const opening = await http(server, t, target(
            { EIO: eio, transport: "polling", tag }));
        const [packet] = unpack(eio, opening);
        way.sid = JSON.parse(packet.slice(1)).sid;
        way.query = { EIO: eio, transport: "polling", sid: way.sid };
        if (eio === 4)
            await way.post("40");
        await way.next();
        await way.next();
        return way;
    }

    async post(body, type = "text/plain;charset=UTF-8") {
        const { status, body: answer } = await http(
            this.server, this.t, target(this.query),
            { method: "POST", body, headers: { "Content-Type": type },
              ms: WAIT_MS });
        return [status, answer];
    }

    // A packet that the peer may refuse.
    async send(text) {
        await this.post(this.eio === 4 ? text : `${text.length}:${text}`);
    }

    async step({ body, bytes, type }, number) {
        const data = bytes !== undefined ? Buffer.from(bytes, "hex")
            : body.replace(/^(\d+:)?(4\d(?:\d+-)?)#/, (_, length, head) =>
                `${length ? `${Number(length.slice(0, -1)) - 1 +
                    String(number).length}:` : ""}${head}${number}`);

        this.posts.push((await this.post(data, type)).join(" "));
    }

    // Posts and polls take turns: nothing is under way.
    async settle() {}

    async next() {
        while (this.list.length === 0) {
            const polled = await http(this.server, this.t, target(this.query),
                                      { ms: WAIT_MS });
            if (polled.status !== 200)
                return "(closed)";
            // How the end spreads over polls is not settled.
            for (const each of unpack(this.eio, polled)) {
                if (each === "2" && this.eio === 4)
                    await this.post("3");
                else if (each !== "6" && each !== "1")
                    this.list.push(each);
            }
        }
        return this.list.shift();
    }

    async leave() {
        await this.send("1");
    }
}

function roundTrip(ws) {
    return new Promise((done) => {
        const over = () => {
            ws.off("pong", over);
            ws.off("close", over);
            done();
        };
        ws.on("pong", over);
        ws.on("close", over);
        ws.ping();
    });
}

class WebSocketWay {
    posts = [];

    static async open(server, t, { eio, via, tag }) {
        const way = new WebSocketWay();

        if (via === "upgraded") {
            const before = await PollingWay.open(server, t, { eio, tag });
            way.socket = await probe({
                server, t, query: before.query, path: undefined });
            way.sid = before.sid;
            way.socket.send("2probe");
            await way.next();
            way.socket.send("5");
        } else {
            way.socket = await websocket(server, t, { EIO: eio, tag });
            if (eio === 4)
                way.socket.send("40");
            await way.socket.take(2);
            way.sid = way.socket.sid;
        }
        way.eio = eio;
        way.socket.pongs = eio === 4;
        return way;
    }

    async send(text) {
        this.socket.send(text);
    }

    async step(step, number) {
        const { ws } = this.socket;

        if (typeof step === "string")
            ws.send(step.replace(/^(4\d(?:\d+-)?)#/, `$1${number}`));
        else if (step.x !== undefined)
            ws.send(Buffer.from(step.x, "hex"), { binary: false });
        else
            ws.send(Buffer.concat([Buffer.from(this.eio === 3 ? [4] : []),
                                   Buffer.from(step.b, "hex")]));
        // What a CONNECT, or a close, does is done before the next packet.
        if (!/^4[23]/.test(step))
            await this.settle();
    }

    // Two pings: the second after the server has had a turn for what came
    // with the first.
    async settle() {
        for (let i = 0; i < 2 && this.socket.ended === null; i++)
            await deadline(roundTrip(this.socket.ws), WAIT_MS, "a pong");
    }

    next() {
        return this.socket.next(WAIT_MS);
    }

    async leave() {
        this.socket.ws.terminate();
    }
}

// Asks the server's application about others.
class Control {
    static async open(server, t, via) {
        const control = new Control();

        control.way = await (via === "polling" ? PollingWay : WebSocketWay)
            .open(server, t, { eio: 4, via, tag: "control" });
        return control;
    }

    async reasons(tag) {
        await this.way.send(`421["reasons","${tag}"]`);
        return JSON.parse((await this.way.next()).slice(3))[0].sort();
    }
}

/*
 * Playing
 */

const QUESTION = /^42(?:\/[^,]*,)?(\d+)\["question"/;
let serial = 0;

export class Player {
    // control  The way by which the server is asked about sessions.
    static async open(server, t, control = "websocket") {
        const player = new Player();

        Object.assign(player, { server, t, way: null, key: "" });
        player.control = await Control.open(server, t, control);
        return player;
    }

    play(each, i) {
        return each.kind === "request" ? this.request(each)
            : this.session(each, i);
    }

    // A session is used again as long as it is what it was.
    async session({ eio, via, steps }, i) {
        const marker = `42["echo","#${i}"]`;
        const seen = [];

        if (this.key !== `${eio} ${via}`)
            await this.forget();
        if (this.way === null) {
            this.tag = `case-${process.pid}-${++serial}`;
            this.key = `${eio} ${via}`;
            this.way = await (via === "polling" ? PollingWay : WebSocketWay)
                .open(this.server, this.t, { eio, via, tag: this.tag });
        }
        const { way } = this;

        way.posts = [];
        for (const step of steps) {
            let number = 0;
            if (/#/.test(step.body ?? step) && /^(\d+:)?4\d(\d+-)?#/.test(
                step.body ?? step))
                number = await this.question(seen);
            await way.step(step, number);
        }
        await way.settle();
        await way.send(marker);
        while (!isClosed(seen.at(-1)) && seen.at(-1) !== marker)
            seen.push(await way.next());

        const result = { seen: meaning(seen), posts: way.posts };
        if (isClosed(seen.at(-1))) {
            result.reasons = await this.control.reasons(this.tag);
            this.way = null;
        } else {
            result.seen.pop();
            // Namespaces that it joined or left would show later.
            if (JSON.stringify(steps).includes("4") && steps.some((step) =>
                !/^4[23456]/.test(step)))
                await this.forget();
        }
        return result;
    }

    // The id of the server's question, which comes before others' answers.
    async question(seen) {
        while (!isClosed(seen.at(-1))) {
            const message = await this.way.next();
            seen.push(message);
            if (QUESTION.test(message))
                return QUESTION.exec(message)[1];
        }
        return 0;
    }

    async forget() {
        await this.way?.leave();
        this.way = null;
    }

    async request(each) {
        const { method, target: path, headers, body, session, upgrade } = each;
        const { server, t, control } = this;
        const tag = `case-${process.pid}-${++serial}`;
        const way = session === null ? null
            : await (session === "polling" ? PollingWay : WebSocketWay)
                .open(server, t, { eio: 4, via: session, tag });
        // Something that a poll can bring.
        if (session === "polling")
            await way.send('42["echo","queued"]');
        const fill = (text) => text.replace(/LIVE/g, way?.sid)
            .replace(/^SAME$/, `http://127.0.0.1:${server.port}`);
        const result = await exchange(server, {
            method, body, upgrade, path: fill(path),
            headers: Object.fromEntries(Object.entries(headers).map(
                ([name, value]) => [name, fill(value)])),
            ms: hangs(each) ? 150 : WAIT_MS,
        });

        if (way !== null) {
            await way.send('42["echo","alive"]');
            let message;
            do
                message = await way.next();
            while (!isClosed(message) && message !== '42["echo","alive"]');
            result.after = isClosed(message)
                ? JSON.stringify(await control.reasons(tag)) : "alive";
            if (result.after === "alive")
                await way.leave();
        }
        return result;
    }
}

// Node's server leaves the first without an answer, and drops the others after a
// second.
export function hangs({ target: path, session, upgrade }) {
    const query = new URLSearchParams(path.replace(/^[^?]*\??/, ""));

    return upgrade ? !path.startsWith("/socket.io/")
        : session !== null && session !== "polling" &&
            query.getAll("transport").at(-1) === "websocket";
}

/*
 * One request over a connection of its own
 */

const told = ["content-type", "cache-control", "set-cookie", "vary",
              "x-xss-protection", "sec-websocket-protocol", "allow"];

function parseHead(text) {
    const [first, ...lines] = text.split("\r\n");
    const headers = {};

    for (const line of lines) {
        const [, name, value] = /^([^:]*): *(.*)$/.exec(line) ?? [];
        if (name)
            headers[name.toLowerCase()] = value;
    }
    return { status: Number(first.split(" ")[1] ?? 0), headers };
}

function dechunked(text) {
    let whole = "", at = 0;

    for (;;) {
        const end = text.indexOf("\r\n", at);
        const length = parseInt(text.slice(at, end), 16);
        if (end < 0 || !(length > 0))
            return whole;
        whole += text.slice(end + 2, end + 2 + length);
        at = end + 2 + length + 2;
    }
}

// Whether the whole answer is there; without a length its end is awaited.
function isWhole(bytes, method) {
    const end = bytes.indexOf("\r\n\r\n");

    if (end < 0)
        return false;
    const { headers } = parseHead(bytes.subarray(0, end).toString("latin1"));
    const body = bytes.subarray(end + 4);
    if (method === "HEAD")
        return true;
    if (headers["transfer-encoding"] === "chunked")
        return /(^|\r\n)0\r\n\r\n$/.test(body.toString("latin1"));
    return body.length >= Number(headers["content-length"] ?? Infinity);
}

// The first text frame, or how it was closed.
function firstFrame(bytes) {
    const length = bytes[1] === 126 ? bytes.readUInt16BE(2) : bytes[1];
    const head = bytes[1] === 126 ? 4 : 2;

    return (bytes[0] & 15) === 8 ? `(closed ${closeCode(bytes)})`
        : bytes.subarray(head, head + length).toString();
}

async function exchange(server, { method, path, headers, body, upgrade, ms }) {
    const t = { after: (fn) => { t.end = fn; } };
    const line = new Line(server, t);
    const all = {
        ...upgrade ? upgradeHeaders : { Connection: "close" },
        Host: `127.0.0.1:${server.port}`,
        ...body === undefined ? {}
            : { "Content-Length": Buffer.byteLength(body) },
        ...headers,
    };

    try {
        line.write(Buffer.from(requestText(method, path, all) + (body ?? ""),
                               "utf8"));
        await line.until((bytes) => bytes.includes("\r\n\r\n"), ms)
            .catch(() => {});
        const at = line.text.indexOf("\r\n\r\n");
        if (at < 0)
            return { status: line.ended ? "(dropped)" : "(no answer)" };
        const { status, headers: got } = parseHead(line.text.slice(0, at));
        const result = { status, headers: {} };

        for (const [name, value] of Object.entries(got))
            if (told.includes(name) || name.startsWith("access-control-"))
                result.headers[name] = name === "vary"
                    ? value.split(/, */).sort().join(", ")
                    : value.replace(/[A-Za-z0-9_-]{20}/, "ID");
        if (status === 101) {
            // A probe has to say something first.
            line.write(frame(1, "2probe"));
            await line.until((bytes) => bytes.length > at + 5, ms)
                .catch(() => {});
            const rest = line.bytes.subarray(at + 4);
            result.body = rest.length > 1 ? firstFrame(rest) : "(nothing)";
        } else {
            await line.until((bytes) => isWhole(bytes, method), ms);
            const text = line.bytes.subarray(at + 4).toString();
            result.body = got["transfer-encoding"] === "chunked"
                ? dechunked(text) : text;
        }
        result.body = result.body.replace(ID, '"ID"')
            .replace(/"sid":"[^"]*"/g, '"sid":"ID"');
        // Beside the path it is the application that answers.
        return status === 404 ? { status } : result;
    } finally {
        t.end();
    }
}
