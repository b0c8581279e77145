// Compression next to the reference: permessage-deflate as the stock client,
// the ws client and a raw peer see it on the wire, and polls in gzip and
// deflate.
import { once } from "node:events";
import { connect as tcpConnect } from "node:net";
import { deflateRawSync, gunzipSync, inflateRawSync, inflateSync, constants }
    from "node:zlib";
import { check, deadline, finish, need, require, twin } from "./harness.mjs";
import { http, polling, target } from "./raw.mjs";

need("socket.io", "socket.io-client", "ws");

const { io } = require("socket.io-client");
const { WebSocket } = require("ws");

const options = ["--deflate"];
const LONG = "compress me, ".repeat(400); // 5200 bytes
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/*
 * A WebSocket that shows its frames: { first, payload }
 */
class Wire {
    static async open(server, t, offer, query = "EIO=4&transport=websocket") {
        const wire = new Wire();

        wire.socket = tcpConnect(server.port, "127.0.0.1");
        t.after(() => wire.socket.destroy());
        wire.data = Buffer.alloc(0);
        wire.ended = false;
        wire.wake = () => {};
        wire.socket.on("data", (data) => {
            wire.data = Buffer.concat([wire.data, data]);
            wire.wake();
        });
        wire.socket.on("error", () => {});
        wire.socket.on("close", () => {
            wire.ended = true;
            wire.wake();
        });
        const extension = offer === undefined ? ""
            : `Sec-WebSocket-Extensions: ${offer}\r\n`;
        wire.socket.write(
            `GET ${target(query)} HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
            "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
            "Sec-WebSocket-Version: 13\r\n" +
            `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${extension}\r\n`);
        const end = await wire.until(() => wire.data.indexOf("\r\n\r\n"),
                                     (at) => at >= 0 || wire.ended);
        const head = wire.data.subarray(0, end).toString();
        wire.data = wire.data.subarray(end + 4);
        wire.status = Number(head.split(" ")[1]);
        const match = /^sec-websocket-extensions: *(.*)$/im.exec(head);
        wire.accepted = match === null ? null
            : match[1].split(";").map((part) => part.trim())
                .filter((_, i, parts) => parts[0] === "permessage-deflate")
                .sort();
        return wire;
    }

    until(look, enough) {
        return deadline((async () => {
            for (;;) {
                const seen = look();
                if (enough(seen))
                    return seen;
                await new Promise((done) => { this.wake = done; });
            }
        })(), 4000, "bytes of a raw WebSocket");
    }

    parse() {
        const { data } = this;
        if (data.length < 2)
            return null;
        let length = data[1] & 0x7f, at = 2;
        if (length === 126 && data.length >= 4)
            [length, at] = [data.readUInt16BE(2), 4];
        else if (length === 127 && data.length >= 10)
            [length, at] = [Number(data.readBigUInt64BE(2)), 10];
        else if (length > 125)
            return null;
        if (data.length < at + length)
            return null;
        const frame = { first: data[0], bytes: length,
                        payload: data.subarray(at, at + length) };
        this.data = data.subarray(at + length);
        return frame;
    }

    async frame() {
        const frame = await this.until(() => this.parse(),
                                       (found) => found || this.ended);
        if (!frame)
            return { first: 0, bytes: 0, text: "(closed)" };
        if (frame.first & 0x40)
            frame.payload = inflateRawSync(
                Buffer.concat([frame.payload, TAIL]),
                { finishFlush: constants.Z_SYNC_FLUSH });
        frame.text = frame.payload.toString();
        return frame;
    }

    // A message frame other than a heartbeat: [compressed, smaller, text].
    async message() {
        let frame;
        do
            frame = await this.frame();
        while (frame.text === "2");
        if ((frame.first & 0x0f) === 8)
            return ["closed", frame.bytes >= 2 ? frame.payload.readUInt16BE()
                                               : 1005];
        return [(frame.first & 0x40) !== 0,
                frame.bytes < frame.payload.length, frame.text];
    }

    send(first, text) {
        const payload = Buffer.from(text);
        const length = payload.length;
        const head = length < 126 ? Buffer.from([first, 0x80 | length])
            : Buffer.from([first, 0xfe, length >> 8, length & 0xff]);
        this.socket.write(Buffer.concat(
            [head, Buffer.alloc(4), payload]));
    }
}

const squeeze = (text, settings = {}) => {
    const data = deflateRawSync(
        text, { finishFlush: constants.Z_SYNC_FLUSH, ...settings });
    return data.subarray(0, -4);
};

const shorten = (text) => text.length > 100
    ? `${text.slice(0, 30)}… ${text.length}` : text;

// Connected, with the welcome taken.
async function joined(server, t, offer) {
    const wire = await Wire.open(server, t, offer);
    await wire.message();
    wire.send(0x81, "40");
    await wire.message();
    await wire.message();
    return wire;
}

/*
 * Negotiation
 */

for (const [name, offer, ours] of [
    ["nothing", undefined],
    ["the_plain_name", "permessage-deflate"],
    ["what_browsers_send", "permessage-deflate; client_max_window_bits"],
    ["no_context_takeover",
     "permessage-deflate; server_no_context_takeover; " +
     "client_no_context_takeover"],
    ["a_small_client_window", "permessage-deflate; client_max_window_bits=8"],
    ["a_quoted_value", "permessage-deflate; server_max_window_bits=\"15\""],
    ["a_server_window_of_15", "permessage-deflate; server_max_window_bits=15"],
    ["a_server_window_of_12", "permessage-deflate; server_max_window_bits=12"],
    ["a_server_window_of_9", "permessage-deflate; server_max_window_bits=9"],
    ["a_server_window_of_8",
     "permessage-deflate; server_max_window_bits=8, permessage-deflate",
     "the next offer: zlib has no window of 8"],
    ["a_server_window_of_10", "permessage-deflate; server_max_window_bits=10",
     "9: few sizes, each costs a compression"],
    ["another_extension", "x-webkit-deflate-frame"],
    ["another_extension_before", "foo; bar=1, permessage-deflate; " +
     "client_max_window_bits"],
    ["another_case", "Permessage-Deflate"],
    ["an_unknown_parameter", "permessage-deflate; foo",
     "declined, as RFC 7692 asks; 400 there"],
    ["an_unknown_parameter_first",
     "permessage-deflate; foo, permessage-deflate; client_max_window_bits",
     "the second offer, as RFC 7692 asks; 400 there"],
    ["a_parameter_twice", "permessage-deflate; client_max_window_bits; " +
     "client_max_window_bits", "declined, as RFC 7692 asks; 400 there"],
    ["a_window_of_16", "permessage-deflate; server_max_window_bits=16",
     "declined, as RFC 7692 asks; 400 there"],
    ["a_value_too_much", "permessage-deflate; server_no_context_takeover=1",
     "declined, as RFC 7692 asks; 400 there"],
    ["a_value_missing", "permessage-deflate; server_max_window_bits",
     "declined, as RFC 7692 asks; 400 there"],
    ["no_grammar", "permessage-deflate; =1"],
    ["no_grammar_in_the_end", "permessage-deflate;"],
    ["an_open_quote", "permessage-deflate; client_max_window_bits=\"10"],
]) {
    const expected = {
        a_server_window_of_8: ["client_no_context_takeover",
                               "permessage-deflate",
                               "server_no_context_takeover"],
        a_server_window_of_10: ["client_no_context_takeover",
                                "permessage-deflate",
                                "server_max_window_bits=9",
                                "server_no_context_takeover"],
        an_unknown_parameter_first: ["client_no_context_takeover",
                                     "permessage-deflate",
                                     "server_no_context_takeover"],
    };
    twin(`an_offer_of_${name}`, async (server, t) => {
        const wire = await Wire.open(server, t, offer);
        const first = wire.status === 101 ? await wire.message() : [];
        // No frame is compressed that need not be; the open packet is short.
        return [wire.status, wire.accepted, first[0] ?? null];
    }, ours === undefined ? { options }
        : { options, why: ours, ours: [101, expected[name] ?? null, false] });
}

twin("without_the_option_no_offer_is_accepted", async (server, t) => {
    const wire = await Wire.open(server, t, "permessage-deflate");
    return [wire.status, wire.accepted];
}, { expect: [101, null] });

/*
 * Messages on the wire
 */

twin("a_long_message_is_compressed_and_a_short_one_is_not",
     async (server, t) => {
    const wire = await joined(server, t, "permessage-deflate");
    const seen = [];

    for (const text of ["short", "x".repeat(1100), LONG]) {
        wire.send(0x81, `42["echo","${text}"]`);
        const [rsv1, smaller, back] = await wire.message();
        seen.push([rsv1, smaller, back === `42["echo","${text}"]`]);
    }
    return seen;
}, { options, expect: [[false, false, true], [true, true, true],
                       [true, true, true]] });

twin("a_message_of_exactly_the_threshold_is_compressed", async (server, t) => {
    const wire = await joined(server, t, "permessage-deflate");
    const seen = [];

    for (const size of [1023, 1024]) {
        const text = `42["echo","${"x".repeat(size - 13)}"]`;
        wire.send(0x81, text);
        const [rsv1, , back] = await wire.message();
        seen.push([text.length, rsv1, back === text]);
    }
    return seen;
}, { options, expect: [[1023, false, true], [1024, true, true]] });

twin("an_ack_is_compressed", async (server, t) => {
    const wire = await joined(server, t, "permessage-deflate");
    wire.send(0x81, "420[\"big-text\",3000]");
    const [rsv1, smaller, text] = await wire.message();
    return [rsv1, smaller, shorten(text)];
}, { options, expect: [true, true,
                       `430["${"x".repeat(25)}… 3007`] });

twin("binary_is_compressed", async (server, t) => {
    const wire = await joined(server, t, "permessage-deflate");
    wire.send(0x81, "420[\"big-bytes\",3000]");
    const [, , text] = await wire.message();
    const frame = await wire.frame();
    return [text, frame.first, frame.payload.length, frame.bytes < 1000];
}, { options, expect: ["461-0[{\"_placeholder\":true,\"num\":0}]", 0xc2, 3000,
                       true] });

twin("a_client_without_the_extension_gets_it_plain", async (server, t) => {
    const wire = await joined(server, t);
    wire.send(0x81, "420[\"big-text\",3000]");
    const [rsv1] = await wire.message();
    return rsv1;
}, { options, expect: false });

twin("a_broadcast_reaches_both_kinds_of_clients", async (server, t) => {
    const room = `r${server.side}${Math.random()}`;
    const wires = [];

    for (const offer of ["permessage-deflate", undefined,
                         "permessage-deflate; server_max_window_bits=9",
                         "permessage-deflate"]) {
        const wire = await joined(server, t, offer);
        wire.send(0x81, `420["join","${room}"]`);
        await wire.message();
        wires.push(wire);
    }
    wires[0].send(0x81, `42["to",["${room}"],"${LONG}"]`);
    return Promise.all(wires.map(async (wire) => {
        const [rsv1, smaller, text] = await wire.message();
        return [rsv1, smaller, shorten(text)];
    }));
}, { options });

// Not the reference's: there the flag says nothing of WebSockets.
twin("what_shall_not_be_compressed_is_not", async (server, t) => {
    const wire = await joined(server, t, "permessage-deflate");
    wire.send(0x81, "420[\"join\",\"plain\"]");
    await wire.message();
    wire.send(0x81, `42["plain-to","plain","${LONG}"]`);
    const [rsv1, , text] = await wire.message();
    return [rsv1, shorten(text)];
}, { options, ours: [false, `42["plain-to","compress me, co… 5217`],
     why: "there compress(false) counts for polls alone" });

/*
 * Messages that come in
 */

twin("compressed_messages_are_taken", async (server, t) => {
    const wire = await joined(server, t, "permessage-deflate");
    const seen = [];
    const back = async () => {
        const [, , text] = await wire.message();
        seen.push(shorten(text));
    };
    const long = squeeze(`42["echo","${LONG}"]`);

    wire.send(0xc1, squeeze("42[\"echo\",1]"));
    await back();
    wire.send(0xc1, long);
    await back();
    // In frames, with a ping amid them; a plain message after it.
    wire.send(0x41, long.subarray(0, 5));
    wire.send(0x00, Buffer.alloc(0));
    wire.send(0x89, "p");
    wire.send(0x00, long.subarray(5, 9));
    wire.send(0x80, long.subarray(9));
    const both = [await wire.frame(), await wire.frame()];
    seen.push(both.map(({ first, text }) => [first, shorten(text)]).sort());
    wire.send(0x81, "42[\"echo\",2]");
    await back();
    // Stored blocks, and a last block (RFC 7692, 7.2.3.5).
    wire.send(0xc1, squeeze("42[\"echo\",3]", { level: 0 }));
    await back();
    wire.send(0xc1, Buffer.concat([deflateRawSync("42[\"echo\",4]"),
                                   Buffer.from([0])]));
    await back();
    return seen;
}, { options });

for (const [name, frames, ours] of [
    ["rubbish", [[0xc1, Buffer.from([0xff, 0xff, 0xff])]]],
    ["a_bad_block", [[0xc1, Buffer.from([0x07, 0x00])]]],
    ["a_second_frame_with_rsv1", [[0x41, squeeze("4")], [0xc0, squeeze("2")]]],
    ["rsv2", [[0xa1, squeeze("4")]]],
    ["rsv1_and_2", [[0xe1, squeeze("4")]]],
    ["no_utf8", [[0xc1, squeeze(Buffer.from([0x34, 0xff]))]]],
    ["a_bomb", [[0xc1, squeeze("4".repeat(1000001))]]],
    ["a_bomb_in_frames", [[0x41, squeeze("4".repeat(10000000)).subarray(0, 5000)],
                          [0x80, squeeze("4".repeat(10000000)).subarray(5000)]]],
]) {
    twin(`the_end_by_${name}`, async (server, t) => {
        const wire = await joined(server, t, "permessage-deflate");
        for (const [first, payload] of frames)
            wire.send(first, payload);
        const end = await wire.message();
        return end[0] === "closed" ? end : [end[2]];
    }, { options, timeout: 15000, ...ours });
}

twin("rsv1_without_the_extension_is_an_error", async (server, t) => {
    const wire = await joined(server, t);
    wire.send(0xc1, squeeze("42[\"echo\",1]"));
    return wire.message();
}, { options, expect: ["closed", 1002] });

twin("a_message_of_exactly_the_maximum_may_be_compressed", async (server, t) => {
    const wire = await joined(server, t, "permessage-deflate");
    const text = `42["text","${"x".repeat(1000000 - 13)}"]`;
    check(text.length === 1000000, "the maximum");
    wire.send(0xc1, squeeze(text));
    wire.send(0x81, "42[\"echo\",1]");
    return wire.message();
}, { options, timeout: 15000, expect: [false, false, "42[\"echo\",1]"] });

/*
 * Stock clients
 */

twin("the_stock_client_speaks_compressed", async (server, t) => {
    const socket = io(`http://127.0.0.1:${server.port}`, {
        transports: ["websocket"], forceNew: true, reconnection: false,
        perMessageDeflate: { threshold: 0 },
    });
    t.after(() => socket.close());
    await deadline(once(socket, "connect"), 5000, "connecting");
    const { ws } = socket.io.engine.transport;
    const before = ws._socket.bytesRead;
    const echoed = await socket.timeout(4000).emitWithAck("echo", LONG);
    return [ws.extensions, echoed === LONG,
            ws._socket.bytesRead - before < 500];
}, { options, expect: ["permessage-deflate", true, true] });

twin("an_upgraded_session_speaks_compressed", async (server, t) => {
    const socket = io(`http://127.0.0.1:${server.port}`, {
        forceNew: true, reconnection: false, perMessageDeflate: true,
    });
    t.after(() => socket.close());
    await deadline(once(socket, "connect"), 5000, "connecting");
    if (socket.io.engine.transport.name !== "websocket")
        await deadline(once(socket.io.engine, "upgrade"), 5000, "the upgrade");
    const { ws } = socket.io.engine.transport;
    const before = ws._socket.bytesRead;
    const echoed = await socket.timeout(4000).emitWithAck("echo", LONG);
    return [ws.extensions, echoed === LONG,
            ws._socket.bytesRead - before < 500];
}, { options, expect: ["permessage-deflate", true, true] });

twin("the_ws_client_with_a_small_window", async (server, t) => {
    const ws = new WebSocket(
        `ws://127.0.0.1:${server.port}${target("EIO=4&transport=websocket")}`,
        { perMessageDeflate: { serverMaxWindowBits: 9, clientMaxWindowBits: 9,
                               threshold: 0 } });
    const messages = [];
    let wake = () => {};
    t.after(() => ws.terminate());
    ws.on("message", (data) => { messages.push(data.toString()); wake(); });
    await deadline(once(ws, "open"), 4000, "opening");
    ws.send("40");
    // Nothing that repeats within 512 bytes: a larger window would show.
    const words = Array.from({ length: 2000 }, (_, i) => (i * 7919) % 2003);
    const text = JSON.stringify([...words, ...words]);
    ws.send(`42["echo",${text}]`);
    await deadline((async () => {
        while (messages.length < 4)
            await new Promise((done) => { wake = done; });
    })(), 4000, "the echo");
    return [ws.extensions, messages[3] === `42["echo",${text}]`];
}, { options, expect: ["permessage-deflate", true] });

/*
 * Polls
 */

// http() reads text; a compressed body has to stay bytes.
async function body(server, t, path, accept) {
    const socket = tcpConnect(server.port, "127.0.0.1");
    const chunks = [];
    t.after(() => socket.destroy());
    socket.on("data", (data) => chunks.push(data));
    socket.on("error", () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
                 "Connection: close\r\n" +
                 `${accept === undefined ? "" : `Accept-Encoding: ${accept}\r\n`
                 }\r\n`);
    await deadline(once(socket, "close"), 4000, "a poll");
    const all = Buffer.concat(chunks);
    const end = all.indexOf("\r\n\r\n");
    const head = all.subarray(0, end).toString().toLowerCase();
    let data = all.subarray(end + 4);
    if (/transfer-encoding: chunked/.test(head)) {
        const parts = [];
        for (let at = 0; at < data.length;) {
            const line = data.indexOf("\r\n", at);
            const size = parseInt(data.subarray(at, line).toString(), 16);
            parts.push(data.subarray(line + 2, line + 2 + size));
            at = line + 4 + size;
        }
        data = Buffer.concat(parts);
    }
    const coding = /content-encoding: *(\w+)/.exec(head)?.[1] ?? null;
    const length = data.length;
    if (coding === "gzip")
        data = gunzipSync(data);
    else if (coding === "deflate")
        data = inflateSync(data);
    return { coding, vary: /\bvary:/.test(head), smaller: length < data.length,
             type: /content-type: *(.*)/.exec(head)?.[1], text: data.toString() };
}

// A session with so long an answer waiting, and what its poll looks like.
async function polled(server, t, accept, event = `["big-text",3000]`,
                      query = {}, extra = "") {
    const session = await polling(server, t, query);
    await session.post("40");
    await session.packets(2);
    await session.post(`420${event}`);
    const { coding, vary, smaller, type, text } =
        await body(server, t, session.target + extra, accept);
    return [coding, vary, smaller, type, shorten(text)];
}

for (const [name, accept] of [
    ["nothing", undefined],
    ["nothing_in_it", ""],
    ["gzip", "gzip"],
    ["deflate", "deflate"],
    ["what_browsers_send", "gzip, deflate, br, zstd"],
    ["the_other_order", "deflate, gzip"],
    ["all", "*"],
    ["identity", "identity"],
    ["brotli", "br"],
    ["a_quality", "gzip;q=0.5, deflate;q=0.8"],
    ["spaces_in_it", " gzip ; q=0.2 ,deflate ;q=0.20 "],
    ["a_quality_of_nothing", "gzip;q=0, deflate"],
    ["none_of_both", "gzip;q=0, deflate;q=0, *"],
    ["all_but_gzip", "gzip;q=0, *"],
    ["identity_before", "identity;q=1, gzip;q=0.1"],
    ["capitals", "GZIP"],
    ["another_parameter", "gzip;x=1;q=0.1, deflate;q=0.2"],
    ["a_bad_quality", "gzip;q=foo, deflate;q=0.2"],
    ["two_words", "gzip foo, deflate;q=0.1"],
    ["named_before_all", "*, deflate"],
    ["x_gzip", "x-gzip"],
]) {
    twin(`a_poll_that_accepts_${name}`,
         (server, t) => polled(server, t, accept), { options });
}

twin("a_short_poll_is_not_compressed",
     (server, t) => polled(server, t, "gzip", `["big-text",1000]`),
     { options });
twin("a_poll_of_exactly_the_threshold_is_compressed", async (server, t) => [
    await polled(server, t, "gzip", `["big-text",${1024 - 8}]`),
    await polled(server, t, "gzip", `["big-text",${1024 - 7}]`),
    await polled(server, t, "gzip", `["big-text",${1024 - 6}]`),
], { options });
twin("binary_in_a_poll_is_compressed",
     (server, t) => polled(server, t, "gzip", `["big-bytes",3000]`),
     { options });

twin("a_held_poll_is_compressed", async (server, t) => {
    const session = await polling(server, t);
    await session.post("40");
    await session.packets(2);
    const held = body(server, t, session.target, "gzip");
    await session.post(`420["later",100,"${LONG}"]`);
    const { coding, text } = await held;
    return [coding, shorten(text)];
}, { options });

twin("a_poll_of_what_shall_not_be_compressed_is_not", async (server, t) => {
    const session = await polling(server, t);
    await session.post("40");
    await session.packets(2);
    const room = `p${Math.random()}`;
    await session.post(`42["join","${room}"]`);
    await session.post(`42["plain-to","${room}","${LONG}"]`);
    const plain = await body(server, t, session.target, "gzip");
    await session.post(`42["plain-to","${room}","${LONG}"]`);
    await session.post(`42["echo","small"]`);
    const mixed = await body(server, t, session.target, "gzip");
    return [plain.coding, shorten(plain.text), mixed.coding,
            shorten(mixed.text)];
}, { options, expect: [null, "42[\"plain-to\",\"compress me, co… 5217",
                       "gzip", "42[\"plain-to\",\"compress me, co… 5236"] });

twin("a_handshake_is_too_short", async (server, t) => {
    const { coding } = await body(
        server, t, target("EIO=4&transport=polling"), "gzip");
    return coding;
}, { options, expect: null });

for (const [name, query] of [["version_3", { EIO: 3 }],
                             ["version_3_with_base64", { EIO: 3, b64: 1 }],
                             ["jsonp", { EIO: 3, j: 0 }]]) {
    twin(`a_poll_of_${name}_is_compressed`, async (server, t) => {
        const text = new URLSearchParams({ transport: "polling", ...query });
        const opened = await http(server, t, target(`${text}`));
        const sid = /sid\\?":\\?"([^"\\]+)/.exec(opened.body)[1];
        const path = target(`${text}&sid=${sid}`);
        const say = (packet) => query.j === undefined
            ? http(server, t, path, { method: "POST", body:
                `${packet.length}:${packet}`,
                headers: { "Content-Type": "text/plain;charset=UTF-8" } })
            : http(server, t, path, { method: "POST", body:
                `d=${encodeURIComponent(`${packet.length}:${packet}`)}`,
                headers: { "Content-Type":
                           "application/x-www-form-urlencoded" } });
        await http(server, t, path);
        await say("420[\"big-text\",3000]");
        if (query.j === undefined) // where the reference sends no packets
            await say("421[\"big-bytes\",3000]");
        const { coding, smaller, type, text: all } =
            await body(server, t, path, "gzip");
        return [coding, smaller, type, all.length, shorten(all)];
    }, { options: [...options, "--eio3"] });
}

await finish();
