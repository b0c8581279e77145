// Every combination of method, Upgrade, transport, protocol and session, more
// than a thousand requests: each verdict next to the reference's.
//
// The ways in which ours differs are listed at the end, each with its reason.

import { check, finish, need, twin } from "./harness.mjs";
need("socket.io", "ws");
const {
    closeCode, Line, polling, requestText, target, upgradeHeaders, websocket,
} = await import("./raw.mjs");

const methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
const transports = [null, "", "polling", "websocket", "webtransport", "abc",
                    "__proto__", "hasOwnProperty"];
const protocols = [null, "", "3", "4", "5", "abc"];
const sessions = ["none", "empty", "unknown", "polling", "websocket"];
const HELD_MS = 150;

// One request over a connection of its own, down to the byte, and what became
// of it: "STATUS body", "101" with how the WebSocket ended, "held", "closed".
async function fate(server, t, method, path, upgrade, ms) {
    const line = new Line(server, t);
    const body = method === "GET" || method === "OPTIONS" ? "" : "3";
    const common = {
        "Host": "localhost", "Content-Type": "text/plain",
        "Content-Length": body ? body.length : undefined,
    };

    line.write(requestText(method, path, upgrade
        ? { ...common, ...upgradeHeaders } : common) + body);
    await line.until(isWhole, ms).catch(() => {});
    if (line.bytes.length === 0) {
        if (!line.ended)
            line.socket.destroy();
        return line.ended ? "closed" : "held";
    }
    const [head] = line.text.split("\r\n\r\n");
    const status = head.split(" ")[1];
    if (status !== "101") {
        line.socket.destroy();
        return `${status} ${bodyOf(line.text)}`;
    }
    // A probe is met with silence, anything else with a frame or the end.
    await line.until((bytes) => bytes.length > head.length + 5, HELD_MS)
        .catch(() => {});
    const frames = line.bytes.subarray(head.length + 4);
    const open = frames.includes("0{") ? "open" : "silent";
    line.socket.destroy();
    if (frames.includes("HTTP/1.1"))
        return "101 then garbage";
    return `101 ${closeCode(frames) !== null ? "closed" : open}`;
}

// How long to wait for an answer; nobody should answer a poll.
function patience({ transport, protocol, session, upgrade }) {
    return !upgrade && protocol === "4" && transport === session ? HELD_MS
        : 4000;
}

function isWhole(bytes) {
    const text = bytes.toString("latin1");
    const end = text.indexOf("\r\n\r\n");

    if (end < 0)
        return false;
    if (/^HTTP\S+ 101/.test(text))
        return true;
    const length = /^content-length: *(\d+)/im.exec(text.slice(0, end));
    if (length)
        return bytes.length >= end + 4 + Number(length[1]);
    return text.endsWith("0\r\n\r\n") ||
        /^HTTP\S+ (204|304)/.test(text);
}

function bodyOf(text) {
    const end = text.indexOf("\r\n\r\n");
    const body = text.slice(end + 4);

    if (!/^transfer-encoding: *chunked/im.test(text.slice(0, end)))
        return body.replace(/^0\{.*\}$/, "0{…}");
    // The chunks of these answers are few and hold no line breaks.
    return body.split("\r\n").filter((_, i) => i % 2 === 1).join("");
}

/*
 * Where ours may differ: [when, what ours may be, why]
 */
const differences = [
    [({ upgrade, node }) => upgrade && node.startsWith("101 then garbage"),
     /^400 .*Unsupported protocol version/,
     "the reference answers 101 before it looks at the protocol"],
    [({ upgrade, transport }) => upgrade && transport === "polling",
     /^400 /,
     "the reference upgrades for a transport that is none of WebSocket's"],
    [({ upgrade, session, node }) => upgrade && session === "websocket" &&
        node.startsWith("101"),
     /^(400 |101 closed)/,
     "a WebSocket session has nothing to upgrade from"],
    [({ upgrade, session, node }) => !upgrade && session === "websocket" &&
        node === "held", /^400 /,
     "the reference never answers plain requests for a WebSocket session"],
    [({ node }) => node === "500 ", /^(400|404|405|500|501) /,
     "the mistake is the client's; any refusal will do"],
    [({ upgrade, method, node }) => upgrade && method !== "GET" &&
        /^(400|405) /.test(node), /^(40[0-9]|closed)/,
     "an upgrade by another method is refused either way"],
];

function judge(cases, mine, node) {
    const wrong = [];

    for (const [i, each] of cases.entries()) {
        const facts = { ...each, node: node[i] };
        if (mine[i] === node[i])
            continue;
        const [, pattern] = differences.find(([when]) => when(facts)) ?? [];
        if (!pattern?.test(mine[i]))
            wrong.push(`${JSON.stringify(each)}: ${mine[i]} for ${node[i]}`);
    }
    check(wrong.length === 0, `${wrong.length} verdicts differ:\n${
        wrong.slice(0, 20).join("\n")}`);
}

for (const method of methods) {
    for (const upgrade of [false, true]) {
        const cases = transports.flatMap((transport) =>
            protocols.flatMap((protocol) =>
                sessions.map((session) =>
                    ({ method, upgrade, transport, protocol, session }))));

        twin(`verdicts_on_${method}${upgrade ? "_with_upgrade" : ""}`,
             async (server, t) => {
                const results = [];

                for (const each of cases) {
                    const query = new URLSearchParams();
                    if (each.transport !== null)
                        query.set("transport", each.transport);
                    if (each.protocol !== null)
                        query.set("EIO", each.protocol);
                    if (each.session === "empty")
                        query.set("sid", "");
                    else if (each.session === "unknown")
                        query.set("sid", "AAAAAAAAAAAAAAAAAAAA");
                    else if (each.session === "polling")
                        query.set("sid", (await polling(server, t)).sid);
                    else if (each.session === "websocket")
                        query.set("sid", (await websocket(server, t)).sid);
                    results.push(await fate(server, t, method,
                                            target(query.toString()),
                                            upgrade, patience(each)));
                }
                return results;
            }, {
                timeout: 60000,
                judge: (mine, node) => judge(cases, mine, node),
            });
    }
}

await finish();
