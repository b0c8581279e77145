// Generated packets, valid ones and nearly valid ones, to both servers: what
// comes back must mean the same.
//
//   SKIO_SEED   of the generator (default 1)
//   SKIO_CASES  packets in each group (default 1500)
//
// A failure prints the packets; where ours may be stricter is listed below.

import { check, deadline, finish, need, sleep, twin } from "./harness.mjs";
need("socket.io", "ws");
const { websocket } = await import("./raw.mjs");

const seed = Number(process.env.SKIO_SEED ?? 1);
const count = Number(process.env.SKIO_CASES ?? 1500);

// Park and Miller's minimal standard generator: the same on every machine.
function generator(start) {
    let state = start * 7919 % 2147483646 + 1;

    const next = (below) => {
        state = state * 48271 % 2147483647;
        return state % below;
    };
    return { next, pick: (list) => list[next(list.length)] };
}

/*
 * Packets
 */

const strings = ['"echo"', '"types"', '"nobody"', '"connect"', '""', '"a"',
                 '"disconnecting"', '"\\u0065cho"', '"e\\tcho"', '"ä€😀"',
                 '"\\ud83d\\ude00"', '"error"', '"message"'];
const scalars = ["0", "1", "-1", "1.5", "-0", "1e3", "1E-2", "true", "false",
                 "null", "123456789", '"text"', '"\\"\\\\\\/"', '"\\u0000"',
                 "9007199254740991", "0.1", "[]", "{}"];
const rubbish = ["", " ", "x", ",", ":", "-", "+", ".", "\"", "'", "[", "]",
                 "{", "}", "\\", "\n", "\t", "\0", "\x1e", "\x7f", "nul", "tru",
                 "NaN", "01", "1.", ".5", "1e", "0x1", "/", "//", "\ufeff",
                 "ä", "😀", "\\u00", "null null"];

function value({ next, pick }, depth) {
    const what = next(10);

    if (what < 5 || depth > 3)
        return pick(scalars);
    if (what < 7)
        return pick(strings);
    const list = Array.from({ length: next(4) }, () =>
        value({ next, pick }, depth + 1));
    if (what < 9)
        return `[${list}]`;
    return `{${list.map((each) => `${pick(strings)}:${each}`)}}`;
}

const holder = (n) => `{"_placeholder":true,"num":${n}}`;

// One packet and its attachments.
function packet(random) {
    const { next, pick } = random;
    const kind = pick("2222223334455555601");
    const attachments = "56".includes(kind) ? 1 + next(3) : 0;
    const list = Array.from({ length: next(4) }, () => value(random, 0));

    for (let i = 0; i < attachments; i++)
        list.push(next(8) ? holder(next(12) ? i : pick(
            ["-1", "5", '"0"', "null", "true", "1e0", "{}"]))
            : `{"deep":[${holder(i)}]}`);
    if ("25".includes(kind))
        list.unshift(next(3) ? pick(['"echo"', '"types"'])
            : next(6) ? pick(strings) : value(random, 0));

    const json = kind === "0" ? (next(2) ? "" : pick(['{"a":1}', "{}", "[]"]))
        : kind === "1" ? (next(6) ? "" : pick(["{}", "[]", '"x"']))
            : kind === "4" ? pick(['{"message":"x"}', '"x"', "1", ""])
                : next(12) ? `[${list}]` : value(random, 0);
    const text = kind +
        (attachments ? `${next(12) ? attachments
            : pick(["0", "11", "99999999", "", "1x", "-1"])}-` : "") +
        pick(["", "", "", "", "", "", "/,", "/custom,", "/nobody,", "/"]) +
        ("2356".includes(kind) && next(2) ? String(next(1000)) : "") + json;

    return [next(4) ? text : spoil(random, text),
            ...Array.from({ length: next(10) ? attachments : next(3) }, () =>
                Buffer.from(Array.from({ length: next(5) }, () => next(256))))];
}

// Cut a piece out, put rubbish in, or double a piece.
function spoil({ next, pick }, text) {
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
 * Playing them
 */

// A packet's head and what its JSON means, however it is written.
function meaning(message) {
    const [, head, json] =
        /^(4[0-6](?:\d+-)?(?:\/[^,]*,)?\d*)(.*)$/s.exec(message) ?? [];

    if (json === undefined)
        return message;
    if (/^40/.test(head))
        return head;
    try {
        return `${head} ${JSON.stringify(JSON.parse(json))}`;
    } catch {
        return message;
    }
}

async function open(server, t) {
    const socket = await websocket(server, t);

    socket.send("40");
    await socket.take(2);
    return socket;
}

function roundTrip({ ws, ended }) {
    if (ended !== null)
        return null;
    return deadline(new Promise((done) => {
        ws.once("pong", done);
        ws.once("close", done);
        ws.ping();
    }), 4000, "a pong");
}

// What comes until the marker does, or the end.
async function play(socket, messages, i) {
    const marker = `42["echo","#${i}"]`;
    const seen = [];

    for (const each of messages)
        socket.send(typeof each === "string" ? `4${each}` : each);
    // A CONNECT is answered later than a marker behind it, and after a
    // DISCONNECT nobody is left to answer: two pings of WebSocket's own, the
    // second after the server has had a turn for what the first came with.
    if (/^[01]/.test(messages[0])) {
        await roundTrip(socket);
        await sleep(5);
        await roundTrip(socket);
        return (await socket.during(0)).map(meaning);
    }
    socket.send(marker);
    for (;;) {
        const message = await socket.next();
        if (message === marker)
            return seen;
        seen.push(meaning(message));
        if (message.startsWith("(closed"))
            return seen;
    }
}

const isClosed = (seen) => seen.at(-1)?.startsWith("(closed");

// Our decoder refuses what only JavaScript's lenience makes sense of.
const stricter = [
    [/^[0-6](\d+-)?(\/[^,]*,?)?[\s\ufeff\u2028\u2029]/u,
     "white space where an id would be is read as the id 0"],
    [/^[0-6][^[{]*?[.xXeE+\s][^[{]*/, "an odd number as an id or a count"],
    [/^\s/, "white space as the type"],
    [/^[0156](\d+-)?(\/[^,]*,)?\d+($|[^[\d])/, "an id that nobody asked for"],
    [/^[56]0\d/, "a count with leading zeros"],
    [/^[2356]\d*-?(\/[^,]*,)?\d*$/, "a packet without its data"],
    [/^\d*\d{16}/, "an id beyond 2^53"],
    [/"num":(-0|1e0|\d+\.\d)/, "a fractional placeholder"],
    [/^[0-6]\d*-?\/[^,]*\0/, "a namespace with a NUL"],
    [/^[56]/, "placeholders are judged before the attachments come"],
];

function same(mine, node, [text]) {
    if (JSON.stringify(mine) === JSON.stringify(node))
        return true;
    if (isClosed(mine) && stricter.slice(0, -1).some(([when]) =>
        when.test(text)))
        return true;
    // Both closed: something may have been served first by one of them.
    if (isClosed(mine) && isClosed(node))
        return true;
    // Attachments passed on keep their count, also unused ones.
    return /^[56]/.test(text) && !isClosed(mine) && !isClosed(node);
}

for (let group = 0; group < 4; group++) {
    const random = generator(seed * 4 + group);
    const cases = Array.from({ length: count }, () => packet(random));

    twin(`generated_packets_group_${group + 1}`, async (server, t) => {
        const results = [];
        let socket = await open(server, t);

        for (const [i, messages] of cases.entries()) {
            const seen = await play(socket, messages, i);
            results.push(seen);
            // These change what later packets mean.
            if (isClosed(seen) || /^[01]/.test(messages[0])) {
                socket.ws.terminate();
                socket = await open(server, t);
            }
        }
        return results;
    }, {
        timeout: 60000 + 20 * count,
        judge: (mine, node) => {
            const wrong = cases.flatMap((messages, i) =>
                same(mine[i], node[i], messages) ? []
                    : [`${JSON.stringify(messages[0])} + ${
                        messages.length - 1}: ${JSON.stringify(mine[i])} for ${
                        JSON.stringify(node[i])}`]);
            check(wrong.length === 0, `${wrong.length} of ${
                cases.length} differ:\n${wrong.slice(0, 20).join("\n")}`);
        },
    });
}

twin("generator_covers_both_fates", async (server, t) => {
    const random = generator(seed);
    const fates = { closed: 0, served: 0, silent: 0 };
    let socket = await open(server, t);

    for (let i = 0; i < 400; i++) {
        const seen = await play(socket, packet(random), i);
        fates[isClosed(seen) ? "closed" : seen.length > 0 ? "served"
            : "silent"]++;
        socket.ws.terminate();
        socket = await open(server, t);
    }
    check(Object.values(fates).every((each) => each > 20),
          JSON.stringify(fates));
}, { timeout: 20000 });

await finish();
