// Requests whose parts do not fit together (ADV-08), and polls out of order
// (ATK-14): the same bytes to both servers.

import { check, finish, need, twin } from "../interop/harness.mjs";
need("socket.io", "ws");
const { http, Line, polling, requestText, RS, target, upgradeHeaders } =
    await import("../interop/raw.mjs");

const methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"];
const transports = [undefined, "", "polling", "websocket", "webtransport"];
const protocols = [undefined, "3", "4", "abc"];
const sids = [undefined, "unknown", "live"];
const upgrades = [undefined, "websocket", "foo"];

// What is behind the head, without the lengths of chunks; undefined: there is
// more to come.
function bodyOf(text) {
    const [head] = text.split("\r\n\r\n", 1);
    const body = text.slice(head.length + 4);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);

    if (!/\r\ntransfer-encoding: *chunked/i.test(head))
        return body.length >= length ? body.slice(0, length) : undefined;
    let at = 0, all = "";
    for (;;) {
        const line = body.indexOf("\r\n", at);
        const size = parseInt(body.slice(at, line), 16);
        if (line < 0 || body.length < line + 4 + size)
            return undefined;
        if (size === 0)
            return all;
        all += body.slice(line + 2, line + 2 + size);
        at = line + 4 + size;
    }
}

// Status and body of the first answer; "closed" without one.
async function outcome(line, method) {
    const text = await line.head();
    const status = Number(/^HTTP\/1\.1 (\d+) /.exec(text)?.[1] ?? 0);

    if (status === 0)
        return "closed";
    if (status === 101)
        return [101];
    if (method === "HEAD")
        return [status];
    await line.until(() => bodyOf(line.text) !== undefined);
    return [status, bodyOf(line.text)?.replace(/"sid":"[^"]*"/, '"sid":"…"')];
}

async function ask(server, t, method, query, upgrade) {
    const line = new Line(server, t);
    const body = method === "POST" || method === "PUT" ? "3" : "";

    line.write(requestText(method, target(query), {
        Host: "localhost",
        ...(upgrade ? { ...upgradeHeaders, Upgrade: upgrade } : {}),
        ...(body ? { "Content-Length": String(body.length) } : {}),
    }) + body);
    const result = await outcome(line, method);
    line.socket.destroy();
    return result;
}

// A session whose poll is answered at once.
async function live(server, t) {
    const session = await polling(server, t);

    await session.post("40");
    return session.sid;
}

async function product(server, t, method, upgrade) {
    const answers = {};

    for (const transport of transports)
        for (const EIO of protocols)
            for (const sid of sids) {
                const query = Object.fromEntries(Object.entries({
                    EIO, transport,
                    sid: sid === "live" ? await live(server, t)
                        : sid && "AAAAAAAAAAAAAAAAAAAA",
                }).filter(([, value]) => value !== undefined));

                answers[`EIO=${EIO} transport=${transport} sid=${sid}`] =
                    await ask(server, t, method, query, upgrade);
            }
    return answers;
}

/*
 * What may differ from Node: requests that want an upgrade and cannot have one.
 * There Node answers some over the connection that it was, and leaves others
 * without an end; ours are answered with a refusal, or closed. Never are they
 * accepted, and never are they left open.
 */
function judgeUpgrades(mine, node) {
    for (const [name, theirs] of Object.entries(node)) {
        const ours = mine[name];

        if (JSON.stringify(ours) === JSON.stringify(theirs))
            continue;
        check(ours === "closed" || ours[0] >= 400,
              `${name}: ${JSON.stringify(ours)}, Node ${JSON.stringify(theirs)}`);
    }
}

for (const method of methods)
    for (const upgrade of upgrades)
        twin(`request_${method.toLowerCase()}_${upgrade
            ? `with_upgrade_to_${upgrade}` : "without_upgrade"}`,
             (server, t) => product(server, t, method, upgrade),
             { timeout: 60000,
               ...(upgrade ? { judge: judgeUpgrades } : {}) });

/*
 * Polls and posts out of order
 */

twin("poll_with_a_body", async (server, t) => {
    const session = await polling(server, t);

    await session.post("40");
    const { status, body } = await http(server, t, session.target,
                                        { method: "GET", body: "4hello" });
    return [status, body.replace(/"sid":"[^"]*"/, '"sid":"…"')];
}, { ours: (mine) => check(mine[0] === 200 || mine[0] === 400, String(mine)),
     why: "a body that nobody reads may be refused" });

for (const [name, count] of [["a_thousand", 1000], ["ten_thousand", 10000]])
    twin(`body_of_${name}_separators`, async (server, t) => {
        const session = await polling(server, t);
        const answers = [await session.posted(RS.repeat(count))];

        answers.push((await session.polled())[0]);
        return answers;
    }, { judge: (mine, node) => check(
        mine[0][0] === 400 && mine[1] === 400 && node[1] === 400,
        JSON.stringify([mine, node])) });

await finish();
