// Requests that a proxy and the server behind it might read in two ways
// (ATK-13), through the shipped configurations of nginx and haproxy. If a part
// of one were taken for a request of its own, somebody else would get its
// answer: a session instead of "Session ID unknown".

import { createServer } from "node:net";
import { once } from "node:events";
import { check, finish, need, privateServer, same, sleep, test }
    from "../interop/harness.mjs";
import { Proxy, programOf } from "../cluster/proxies.mjs";
need("socket.io", "ws");
const { http, Line, target } = await import("../interop/raw.mjs");

const POLL = "/socket.io/?EIO=4&transport=polling";
const UNKNOWN = [400, '{"code":1,"message":"Session ID unknown"}'];

const inner = `GET ${POLL}&smuggled=1 HTTP/1.1\r\nHost: x\r\n\r\n`;
const chunk = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;
const post = (headers, body) => `POST ${POLL}&sid=none HTTP/1.1\r\n` +
    `Host: x\r\nContent-Type: text/plain\r\n${headers}\r\n\r\n${body}`;

const attacks = {
    a_length_and_an_encoding: post(
        "Content-Length: 6\r\nTransfer-Encoding: chunked", `0\r\n\r\n${inner}`),
    an_encoding_and_a_length: post(
        `Transfer-Encoding: chunked\r\nContent-Length: ${inner.length + 5}`,
        `0\r\n\r\n${inner}`),
    two_lengths: post(`Content-Length: 0\r\nContent-Length: ${inner.length}`,
                      inner),
    two_equal_lengths: post("Content-Length: 2\r\nContent-Length: 2",
                            `3x${inner}`),
    lengths_in_a_list: post(`Content-Length: 0, ${inner.length}`, inner),
    a_length_with_a_sign: post("Content-Length: +0", inner),
    a_negative_length: post("Content-Length: -1", inner),
    a_length_that_overflows: post("Content-Length: 18446744073709551616",
                                  inner),
    a_hexadecimal_length: post("Content-Length: 0x0", inner),
    a_blank_before_the_colon: post(
        `Transfer-Encoding : chunked\r\nContent-Length: ${inner.length + 5}`,
        `0\r\n\r\n${inner}`),
    a_folded_header: post(
        `X: 1\r\n Transfer-Encoding: chunked\r\nContent-Length: ${
            inner.length + 5}`, `0\r\n\r\n${inner}`),
    an_encoding_nobody_knows: post("Transfer-Encoding: xchunked",
                                   `0\r\n\r\n${inner}`),
    an_encoding_twice: post(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        `0\r\n\r\n${inner}`),
    an_encoding_with_a_tab: post("Transfer-Encoding:\tchunked",
                                 `0\r\n\r\n${inner}`),
    chunks_that_are_fine: post("Transfer-Encoding: chunked",
                               `${chunk("3x")}0\r\n\r\n`),
    a_chunk_with_a_bad_length: post("Transfer-Encoding: chunked",
                                    `-1\r\n${inner}`),
    a_chunk_with_a_bare_line_feed: post("Transfer-Encoding: chunked",
                                        `0;x=\n${inner}\r\n\r\n`),
    bare_line_feeds: `GET ${POLL}&sid=none HTTP/1.1\nHost: x\n` +
        `Content-Length: ${inner.length}\n\n${inner}`,
    a_bare_return: `GET ${POLL}&sid=none HTTP/1.1\r\nHost: x\r\n` +
        `X: a\rContent-Length: ${inner.length}\r\n\r\n${inner}`,
    a_body_of_a_get: `GET ${POLL}&sid=none HTTP/1.1\r\nHost: x\r\n` +
        `Content-Length: ${inner.length}\r\n\r\n${inner}`,
    a_line_end_in_the_target: `GET ${POLL}&sid=none%0d%0a%0d%0a` +
        ` HTTP/1.1\r\nHost: x\r\n\r\n`,
    an_upgrade_that_fails: `GET ${POLL}&sid=none HTTP/1.1\r\nHost: x\r\n` +
        "Connection: Upgrade\r\nUpgrade: websocket\r\n" +
        `Sec-WebSocket-Version: 777\r\n\r\n${inner}`,
    an_upgrade_to_something: `GET ${POLL}&sid=none HTTP/1.1\r\nHost: x\r\n` +
        `Connection: Upgrade\r\nUpgrade: foo\r\n\r\n${inner}`,
};

// Those in which the inner request may be one by the proxy's reading, and is
// answered to who sent it: behind an upgrade that was refused, behind the last
// chunk, or behind a body of 2^64 bytes, which haproxy 2.6 takes for none.
const pipelined = new Set(["an_upgrade_that_fails", "an_upgrade_to_something",
                           "two_equal_lengths", "a_length_that_overflows",
                           "an_encoding_with_a_tab"]);

async function freePort() {
    const server = createServer().listen(0, "127.0.0.1");

    await once(server, "listening");
    const { port } = server.address();
    server.close();
    await once(server, "close");
    return port;
}

async function started(kind, t) {
    const server = await privateServer(t, "ours", "interop", []);
    const proxy = new Proxy(kind, await freePort(),
                            [server.port, server.port, server.port]);

    t.after(() => proxy.stop());
    return proxy.start();
}

// What a request of somebody else is answered. A proxy whose check of the
// server was late, on a busy machine, knows no server for half a second.
async function elsewhere(proxy, t, sid) {
    for (let tries = 0;; tries++) {
        const { status, body } = await http(
            proxy, t, target({ EIO: 4, transport: "polling", sid }));

        if (tries === 20 || status !== 503 ||
            !body.includes("No server is available"))
            return [status, body];
        await sleep(250);
    }
}

// Whatever of the attack is answered comes to the one who sent it.
async function attack(proxy, t, name, bytes) {
    const line = new Line(proxy, t);

    line.write(bytes);
    // Some wait for more of a body: they may.
    const text = await line.until((got) => got.includes("\r\n\r\n"), 1500)
        .catch(() => line.text);
    for (let i = 0; i < 4; i++)
        same(await elsewhere(proxy, t, `no${i}`), UNKNOWN,
             `somebody else after ${name}`);
    line.socket.destroy();
    if (!pipelined.has(name))
        check(!line.text.includes('{"sid":'),
              `${name}: a session was opened: ${line.text}`);
    return Number(/^HTTP\/1\.1 (\d+) /.exec(text)?.[1] ?? 0);
}

for (const kind of ["nginx", "haproxy"])
    if (programOf(kind))
        test(`through_${kind}_no_request_is_smuggled`, async (t) => {
            const proxy = await started(kind, t);

            for (const [name, bytes] of Object.entries(attacks)) {
                const status = await attack(proxy, t, name, bytes);
                check(status === 0 || status >= 400, `${name}: ${status}`);
            }
        }, { timeout: 60000 });
    else
        test(`through_${kind}_no_request_is_smuggled # SKIP not installed`,
             () => {});

await finish(1);
