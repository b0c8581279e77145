// Generates what a client could send, right or nearly right: Socket.IO packets,
// Engine.IO payloads of both protocols, HTTP requests, and sequences of them.
//
// A case is plain JSON, so that a line on a terminal can repeat it:
//
//   {"kind":"session","eio":4,"via":"websocket","steps":[STEP…]}
//   {"kind":"request","method":…,"target":…,"headers":{…},"body":…,…}
//
// A step is a text (an engine packet), {"b": hex} (binary), {"x": hex} (text
// that need not be UTF-8), or a POST body: {"body": text} or {"bytes": hex},
// with a "type" where that is not text/plain.

import { RS } from "./raw.mjs";

// Park and Miller's minimal standard generator: the same on every machine.
export function generator(start) {
    let state = start * 7919 % 2147483646 + 1;

    const next = (below) => {
        state = state * 48271 % 2147483647;
        return state % below;
    };
    // Neighbouring seeds begin alike.
    for (let i = 0; i < 8; i++)
        next(2);
    return {
        next,
        pick: (list) => list[next(list.length)],
        one: (of) => next(of) === 0,
        list: (length, fn) => Array.from({ length }, fn),
    };
}

/*
 * Socket.IO packets
 */

const strings = ['"echo"', '"types"', '"nobody"', '"connect"', '""', '"a"',
                 '"disconnecting"', '"\\u0065cho"', '"e\\tcho"', '"ä€😀"',
                 '"\\ud83d\\ude00"', '"error"', '"message"', '"__proto__"',
                 '"constructor"', '"newListener"', '"\\ud83d"', '"\\u0000"',
                 '"connect_error"', '"\u2028"', '"/custom,"', '"_placeholder"'];
const scalars = ["0", "1", "-1", "1.5", "-0", "1e3", "1E-2", "true", "false",
                 "null", "123456789", '"text"', '"\\"\\\\\\/"', '"\\u0000"',
                 "9007199254740991", "0.1", "[]", "{}", "1e400", "5e-324",
                 "-1e-7", "123456789012345678901", '"\\b\\f\\n\\r\\t"'];
const rubbish = ["", " ", "x", ",", ":", "-", "+", ".", "\"", "'", "[", "]",
                 "{", "}", "\\", "\n", "\t", "\0", "\x1e", "\x7f", "nul", "tru",
                 "NaN", "01", "1.", ".5", "1e", "0x1", "/", "//", "\ufeff",
                 "ä", "😀", "\\u00", "null null", "/custom,", "1-", "[[", "\r\n",
                 '"', "\u2028", "\x1f", "Infinity", "undefined", "]]", ",,"];

function value(random, depth) {
    const { next, pick } = random;
    const what = next(10);

    if (what < 5 || depth > 3)
        return pick(scalars);
    if (what < 7)
        return pick(strings);
    const list = random.list(next(4), () => value(random, depth + 1));
    if (what < 9)
        return `[${list}]`;
    // Names come from a short list: some come twice.
    return `{${list.map((each) => `${pick(strings)}:${each}`)}}`;
}

// Around the bounds of our scanner, and long ones.
function unusual({ next, pick, one }) {
    const depth = pick([10, 60, 61, 62, 63, 64, 65, 66, 100, 2000]);

    switch (next(4)) {
    case 0: return "[".repeat(depth) + "]".repeat(depth - one(8));
    case 1: return '{"a":'.repeat(depth) + "1" + "}".repeat(depth);
    case 2: return `"${pick(["x", "ä", "😀", "\\n"]).repeat(
        pick([31, 32, 125, 126, 127, 4000, 40000]))}"`;
    default: return `[${"1,".repeat(pick([10, 255, 256, 257, 3000]))}1]`;
    }
}

const holder = (n) => `{"_placeholder":true,"num":${n}}`;

const namespaces = ["", "", "", "", "", "", "/,", "/custom,", "/custom,",
                    "/nobody,", "/", "/custom", "/auth,", "/custom?a=1,",
                    "/custom?,", "/?a=b,", "/Custom,", "//,", "/custom/,",
                    "/%63ustom,", "/a b,", "/ä,", "/custom#x,", "/constructor,"];

// The first of the result is the packet's text, the others its attachments.
export function packet(random) {
    const { next, pick, one, list } = random;
    const kind = pick("22222234444555556012");
    const attachments = "56".includes(kind) ? 1 + next(3) : 0;
    const args = list(next(4), () =>
        one(40) ? unusual(random) : value(random, 0));

    for (let i = 0; i < attachments; i++)
        args.push(next(8) ? holder(next(12) ? i : pick(
            ["-1", "5", '"0"', "null", "true", "1e0", "{}", "0.5", "00"]))
            : pick([`{"deep":[${holder(i)}]}`,
                    `{"_placeholder":1,"num":${i}}`,
                    `{"num":${i},"_placeholder":true}`,
                    `{"_placeholder":true,"num":${i},"x":1}`,
                    `{"_placeholder":true,"_placeholder":false,"num":${i}}`]));
    if ("25".includes(kind))
        args.unshift(next(3) ? pick(['"echo"', '"types"'])
            : next(6) ? pick(strings) : value(random, 0));

    const json = kind === "0" ? (next(2) ? "" : pick(['{"a":1}', "{}", "[]",
                                                      '{"a":{"b":[]}}', "{"]))
        : kind === "1" ? (next(6) ? "" : pick(["{}", "[]", '"x"']))
            : kind === "4" ? pick(['{"message":"x"}', '"x"', "1", "", "{}"])
                : next(12) ? `[${args}]` : value(random, 0);
    const text = kind +
        (attachments ? `${next(12) ? attachments
            : pick(["0", "10", "11", "99999999", "", "1x", "-1", "01"])}-`
            : "") + pick(namespaces) +
        ("2356".includes(kind) && next(2) ? one(12)
            ? pick(["00", "007", "-1", "1.5", "4294967296", "9007199254740991",
                    "18446744073709551616", "1e3", "+1"])
            : String(next(1000)) : "") + json;

    return [next(4) ? text : spoil(random, text),
            ...list(next(10) ? attachments : next(3), () =>
                Buffer.from(list(next(5), () => next(256))))];
}

// Cut a piece out, cut the rest off, put rubbish in, or double a piece.
export function spoil({ next, pick }, text) {
    const at = next(text.length + 1), length = next(4);

    switch (next(4)) {
    case 0: return text.slice(0, at) + text.slice(at + length);
    case 1: return text.slice(0, at);
    case 2: return text.slice(0, at) + pick(rubbish) + text.slice(at);
    default:
        return text.slice(0, at) + text.slice(at, at + length) +
            text.slice(at);
    }
}

/*
 * Sequences for a session
 */

const enginePackets = ["2", "3", "0", "5", "6", "7", "", "b", "2probe",
                       "3probe", "x", "bAQID", "bAQ==", "bAQI", "b!", "b4AQID",
                       " 42[]", "4", "04", "\0"];

// What belongs together: a dialogue in a namespace, an answer to a question.
function dialogue({ pick, next }) {
    switch (next(6)) {
    case 0: return ["40/custom,", '42/custom,7["echo",1]', "41/custom,"];
    case 1: return ["40/custom,", "41/custom,", '42/custom,["echo"]'];
    case 2: return ["41", pick(["40", "42[\"echo\"]", "41"])];
    case 3: return [`42["ask-forever",${pick(["1", '"x"', "null"])}]`,
                    `43#${pick(["[]", "[1]", '["a",{"b":2}]', "[null,1]",
                                "", "{}", "1"])}`];
    case 4: return ['42["ask-forever"]', `461-#[${holder(0)}]`,
                    { b: pick(["", "00ff", "616263"]) }];
    default: return ["40/auth,", '40/auth,{"token":"ok"}',
                     '42/auth,1["auth"]'];
    }
}

const toSteps = ([text, ...attachments]) =>
    [`4${text}`, ...attachments.map((each) => ({ b: each.toString("hex") }))];

function messages(random) {
    const { next, pick, one, list } = random;

    if (one(12))
        return dialogue(random);
    if (one(20))
        return [pick(enginePackets)];
    return list(one(4) ? 2 + next(4) : 1, () => toSteps(packet(random)))
        .flat();
}

// Bytes that are no UTF-8, now and then.
function garble({ next, pick }, text) {
    const bytes = Buffer.from(text);
    const at = next(bytes.length + 1);

    return { x: Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(pick(["ff", "c0af", "eda080", "f4908080", "80", "e282",
                          "f0288cbc", "c2"]), "hex"),
        bytes.subarray(at)]).toString("hex") };
}

export function socketCase(random, eio, via) {
    const steps = messages(random);
    const i = steps.findIndex((each) => typeof each === "string");

    if (random.one(50) && i >= 0)
        steps[i] = garble(random, steps[i]);
    return { kind: "session", eio, via, steps };
}

/*
 * Payloads
 */

function packed4(steps) {
    return steps.map((each) => typeof each === "string" ? each
        : `b${Buffer.from(each.b ?? each.x, "hex").toString("base64")}`);
}

function packed3(steps) {
    return steps.map((each) => {
        const text = typeof each === "string" ? each
            : `b4${Buffer.from(each.b ?? each.x, "hex").toString("base64")}`;
        return `${text.length}:${text}`;
    });
}

function packedBytes3(steps) {
    return Buffer.concat(steps.map((each) => {
        const isText = typeof each === "string";
        const data = isText ? Buffer.from(each)
            : Buffer.concat([Buffer.of(4), Buffer.from(each.b ?? each.x,
                                                       "hex")]);
        return Buffer.concat([
            Buffer.of(isText ? 0 : 1),
            Buffer.from([...String(data.length)].map(Number)),
            Buffer.of(255), data]);
    }));
}

function spoilBytes({ next, pick }, bytes) {
    const at = next(bytes.length + 1), length = next(4);
    const head = bytes.subarray(0, at);

    switch (next(4)) {
    case 0: return Buffer.concat([head, bytes.subarray(at + length)]);
    case 1: return head;
    case 2: return Buffer.concat([
        head, Buffer.from([pick([0, 1, 2, 9, 10, 52, 255])]),
        bytes.subarray(at)]);
    default: return Buffer.concat([head, bytes.subarray(at, at + length),
                                   bytes.subarray(at)]);
    }
}

const bodies = ["", RS, "1", `1${RS}42["echo",1]`, `42["echo",1]${RS}1`, "6",
                "0", `${RS}42["echo",1]`, `42["echo",1]${RS}`, "b", `3${RS}3`,
                `40${RS}42["echo",1]`, `42["echo",1]${RS}${RS}42["echo",2]`];
const bodies3 = ["", ":", "0:", "1:1", "1:", "x:1", "-1:1", "2:42", "1:2",
                 "1:3", "01:2", "6:2probe", `1:2${RS}`, "99999:2", "1.5:22",
                 `${"9".repeat(400)}:2`, "1:6", "1:0", "2:4", "\n1:2", "1 :2"];

export function pollingCase(random, eio) {
    const { next, pick, one, list } = random;
    const steps = messages(random);

    // An answer needs the question's id, so it goes in a body of its own.
    if (steps.some((each) => /#/.test(each)))
        return { kind: "session", eio, via: "polling",
                 steps: (eio === 3 ? packed3 : packed4)(steps)
                     .map((body) => ({ body })) };
    if (eio === 3) {
        if (one(12))
            return { kind: "session", eio, via: "polling",
                     steps: [{ body: pick(bodies3) }] };
        if (one(3)) {
            const bytes = packedBytes3(steps);
            return { kind: "session", eio, via: "polling", steps: [{
                bytes: (next(3) ? bytes : spoilBytes(random, bytes))
                    .toString("hex"), type: "application/octet-stream" }] };
        }
        const text = packed3(steps).join("");
        return { kind: "session", eio, via: "polling", steps: [{
            body: next(4) ? text : spoil(random, text) }] };
    }
    if (one(12))
        return { kind: "session", eio, via: "polling",
                 steps: [{ body: pick(bodies) }] };
    // One payload, or one for each packet.
    const parts = one(3) ? packed4(steps) : [packed4(steps).join(RS)];
    const posts = parts.map((text) => one(8) ? { body: spoil(random, text) }
        : one(60) ? { bytes: garble(random, text).x }
            : one(200) ? { body: text, type: "application/octet-stream" }
                : { body: text });

    return { kind: "session", eio, via: "polling", steps: posts };
}

/*
 * Requests
 */

const LIVE = "LIVE"; // stands for the id of a session opened for the case

const some = {
    EIO: ["4", "4", "4", "4", "4", "4", "3", "", "5", "04", "%34", "4%20",
          "+4", "4.0", "2"],
    polling: ["polling", "polling", "polling", "polling", "polling", "polling",
              "websocket", "", "webtransport", "Polling", "poll%69ng", "abc",
              "constructor", "__proto__", "polling%20", "polling,websocket"],
    websocket: ["websocket", "websocket", "websocket", "websocket", "polling",
                "webtransport", "", "WebSocket", "websock%65t", "toString"],
    sid: ["", "abc", "constructor", "AAAAAAAAAAAAAAAAAAAA", "%41", "__proto__",
          "x".repeat(300), "LIVEx", "%00", "LIV%45"],
    extra: ["t=abc", "b64=1", "b64=", "x", "=", "=y", "&", "%", "x=%zz", "x=%",
            "x=%ff", "x=%c3%28", "x[]=1&x[]=2", "__proto__=1", "a=b=c", "a=+b",
            "tag=x&tag=y", "x=%26sid%3d1", "toString=1", "x=ä", "?", "/", "x;y"],
    path: ["/socket.io/", "/socket.io/", "/socket.io/", "/socket.io/",
           "/socket.io/", "/socket.io/", "/socket.io/", "/socket.io/",
           "/socket.io", "/socket.io/x", "/other", "/", "/Socket.io/",
           "/socket.iox/", "/socket.io/x/y", "/x/socket.io/"],
    method: ["GET", "GET", "GET", "GET", "GET", "POST", "POST", "HEAD", "PUT",
             "OPTIONS", "DELETE", "PATCH"],
    origin: ["http://a.example", "http://b.example", "http://evil.example",
             "null", "http://a.example.evil", "HTTP://A.EXAMPLE", "x", "",
             "SAME", "SAME"],
    type: ["text/plain;charset=UTF-8", "text/plain", "application/json", "",
           "application/octet-stream", "application/octet-stream;x=1",
           "application/x-www-form-urlencoded"],
    agent: ["Mozilla/5.0 (compatible;MSIE 9.0)", "x Trident/7.0", "curl/8"],
    body: ["", "3", '42["echo",1]', "x", "1", `3${RS}3`, "40/custom,"],
};

function shuffled({ next }, list) {
    for (let i = list.length - 1; i > 0; i--) {
        const j = next(i + 1);
        [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
}

function queryOf(random, isUpgrade, hasSession) {
    const { pick, one, list, next } = random;
    const words = some[isUpgrade ? "websocket" : "polling"];
    const parts = [];

    if (next(20))
        parts.push(`EIO=${pick(some.EIO)}`);
    if (next(20))
        parts.push(`transport=${pick(words)}`);
    if (hasSession)
        parts.push(`sid=${LIVE}`);
    else if (one(4))
        parts.push(`sid=${pick(some.sid)}`);
    // Twice the same name, mostly with another value.
    if (one(8))
        parts.push(pick([`EIO=${pick(some.EIO)}`, `transport=${pick(words)}`,
                         `sid=${pick(some.sid)}`]));
    if (one(3))
        parts.push(...list(1 + next(2), () => pick(some.extra)));
    return (one(3) ? shuffled(random, parts) : parts).join("&");
}

// sessions: the kinds that the server can have.
export function requestCase(random, sessions) {
    const { pick, one, next } = random;
    const upgrade = one(4);
    const session = one(2) ? pick(sessions) : null;
    const method = upgrade && next(20) ? "GET" : pick(some.method);
    const query = queryOf(random, upgrade, session !== null);
    const headers = {};

    if (one(4))
        headers.Origin = pick(some.origin);
    if (one(10))
        headers["User-Agent"] = pick(some.agent);
    if (method === "POST" && next(4))
        headers["Content-Type"] = pick(some.type);
    if (method === "OPTIONS" && one(2)) {
        headers["Access-Control-Request-Method"] = "POST";
        headers["Access-Control-Request-Headers"] = pick(
            ["content-type", "content-type, x-a", "x"]);
    }
    if (upgrade && one(8))
        headers["Sec-WebSocket-Protocol"] = pick(["one", "one, two"]);
    return {
        kind: "request", method, session, upgrade,
        target: pick(some.path) + (query || one(2) ? `?${query}` : ""),
        headers, ...method === "POST" ? { body: pick(some.body) } : {},
    };
}
