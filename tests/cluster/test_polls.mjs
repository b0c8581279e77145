// Long-polling without sticky sessions: two of our nodes share a redis-server,
// and each request of a stock client comes to the next one.

import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { connect as dial } from "node:net";
import { resolve } from "node:path";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { check, deadline, finish, need, require, same, test } from
    "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";

need("@socket.io/redis-adapter", "redis", "socket.io-client");
const { Redis, until } = await import("./cluster.mjs");
const { io: connect } = require("socket.io-client");

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const program = `${build}/polls-server`;
const WAIT_MS = 15000;
const timeout = { timeout: 60000 };

if (!existsSync(program) || process.env.SKIO_ORACLE_ONLY === "1") {
    console.log("1..0 # SKIP this is about our server alone");
    process.exit(0);
}

const redis = await new Redis().start();
const nodes = new Set();

process.on("exit", () => {
    for (const node of nodes)
        node.process.kill("SIGKILL");
});

class Node {
    async start(adapter, ...options) {
        return this.startAt("0", adapter, ...options);
    }

    async startAt(port, adapter, ...options) {
        this.said = "";
        this.stderr = "";
        this.process = spawn(program, [port, redis.url, adapter, ...options],
                             { stdio: "pipe" });
        nodes.add(this);
        this.process.stdin.on("error", () => {});
        this.process.stdout.on("data", (data) => { this.said += data; });
        this.process.stderr.on("data", (data) => { this.stderr += data; });
        this.exited = once(this.process, "exit");
        this.port = await until("a node to listen", () => {
            if (this.process.exitCode !== null)
                throw new Error(this.stderr);
            return /^listening on (\d+)$/m.exec(this.said)?.[1];
        }, (port) => port !== undefined).then(Number);
        return this;
    }

    count(word) {
        return this.said.split("\n").filter((line) =>
            line.startsWith(`${word} `)).length;
    }

    async kill() {
        nodes.delete(this);
        this.process.kill("SIGKILL");
        await this.exited;
    }

    async stop() {
        nodes.delete(this);
        this.process.kill("SIGTERM");
        const [code] = await deadline(this.exited, WAIT_MS, "a node to stop");
        same(code, 0, this.stderr);
        check(!/runtime error:|Sanitizer/.test(this.stderr), this.stderr);
    }
}

// A balancer that knows nothing of sessions.
class Balancer {
    async start(ports) {
        this.ports = ports;
        this.turn = 0;
        this.passed = [];
        this.server = http.createServer((request, response) => {
            const port = this.next();
            const options = { port, host: "127.0.0.1", method: request.method,
                              path: request.url, headers: request.headers };
            const onward = http.request(options, (answer) => {
                this.passed.push([request.method, port, answer.statusCode]);
                response.writeHead(answer.statusCode, answer.headers);
                answer.pipe(response);
            });

            onward.on("error", () => response.destroy());
            response.on("close", () => onward.destroy());
            request.pipe(onward);
        });
        this.server.on("upgrade", (request, socket, head) => {
            const onward = dial(this.next(), "127.0.0.1");
            let text = `${request.method} ${request.url} HTTP/1.1\r\n`;

            for (let i = 0; i < request.rawHeaders.length; i += 2)
                text += `${request.rawHeaders[i]}: ${
                    request.rawHeaders[i + 1]}\r\n`;
            onward.write(`${text}\r\n`);
            onward.write(head);
            onward.pipe(socket).pipe(onward);
            onward.on("error", () => socket.destroy());
            socket.on("error", () => onward.destroy());
        });
        this.server.listen(0, "127.0.0.1");
        await once(this.server, "listening");
        this.url = `http://127.0.0.1:${this.server.address().port}`;
        return this;
    }

    next() {
        return this.ports[this.turn++ % this.ports.length];
    }

    stop() {
        this.server.close();
        this.server.closeAllConnections();
    }
}

// Two nodes that hear each other, and a balancer before them.
async function pair(adapter, ...options) {
    const both = await Promise.all([0, 1].map(() =>
        new Node().start(adapter, ...options)));
    const balancer = await new Balancer().start(both.map(({ port }) => port));

    if (options.includes("forward"))
        await until("both nodes to listen", async () =>
            (await tags(adapter)).length, (n) => n >= 2);
    return { nodes: both, balancer };
}

async function stop(cluster) {
    cluster.balancer.stop();
    for (const node of cluster.nodes)
        if (nodes.has(node))
            await node.stop();
}

// The channels of polls that somebody listens to.
async function tags(adapter = "redis") {
    const command = adapter === "redis-sharded" ? "SHARDCHANNELS" : "CHANNELS";
    const channels = await redis.command("PUBSUB", command,
                                         "socket.io-engine#*");
    return channels.map((channel) => channel.toString().split("#")[1]);
}

// How many messages Redis was given.
async function published() {
    const stats = (await redis.command("INFO", "commandstats")).toString();
    return Number(/cmdstat_publish:calls=(\d+)/.exec(stats)?.[1] ?? 0);
}

// Until nothing more is said: all that is left of a quiet client is its poll.
async function settled() {
    let last = await published(), since = performance.now();

    await until("a quiet cluster", async () => {
        const now = await published();
        if (now !== last)
            [last, since] = [now, performance.now()];
        return performance.now() - since > 200;
    });
}

function client(url, more = {}) {
    return connect(url, { transports: ["polling"], forceNew: true,
                          reconnection: false, ...more });
}

async function connected(socket) {
    await deadline(new Promise((done, failed) => {
        socket.once("connect", done);
        socket.once("connect_error", failed);
    }), WAIT_MS, "a client to connect");
    return socket;
}

const echo = (socket, value) =>
    socket.timeout(WAIT_MS).emitWithAck("echo", value);

function request(port, method, path, { body, headers } = {}) {
    return new Promise((done, failed) => {
        const one = http.request({ port, host: "127.0.0.1", method, headers,
                                   path, agent: false }, (response) => {
            const parts = [];
            response.on("data", (part) => parts.push(part));
            response.on("end", () => done({
                status: response.statusCode, headers: response.headers,
                text: Buffer.concat(parts).toString(),
            }));
        });
        one.on("error", failed);
        one.end(body);
    });
}

const polling = "/socket.io/?EIO=4&transport=polling";
const unknown = '{"code":1,"message":"Session ID unknown"}';

async function handshake(node) {
    const { text } = await request(node.port, "GET", polling);
    return JSON.parse(text.slice(1)).sid;
}

for (const adapter of ["redis", "redis-sharded", "redis-streams"])
    test(`polls_reach_their_session_by_any_node_${adapter}`, async () => {
        const cluster = await pair(adapter, "forward");
        const socket = await connected(client(cluster.balancer.url));
        const bytes = Buffer.from([0, 1, 2, 255]);

        same(await echo(socket, "hello €"), "hello €");
        same(Buffer.compare(await echo(socket, bytes), bytes), 0);
        for (const size of [16384, 200000, 990000]) {
            const text = "x".repeat(size);
            check((await echo(socket, text)) === text, `${size} characters`);
        }
        const big = Buffer.alloc(700000, 7);
        same(Buffer.compare(await echo(socket, big), big), 0);
        for (const method of ["GET", "POST"])
            for (const { port } of cluster.nodes)
                check(cluster.balancer.passed.some((each) =>
                    each[0] === method && each[1] === port &&
                    each[2] === 200), `${method} by ${port}`);
        check(cluster.balancer.passed.every(([, , status]) => status === 200),
              "no request was refused");
        socket.disconnect();
        await until("the server to hear of it", () =>
            cluster.nodes.reduce((sum, node) =>
                sum + node.count("disconnect"), 0), (n) => n === 1);
        await stop(cluster);
    }, timeout);

test("heartbeats_and_broadcasts_pass_too", async () => {
    const cluster = await pair("redis", "forward", "200");
    const sockets = await Promise.all([0, 1, 2].map(() =>
        connected(client(cluster.balancer.url))));
    let pings = 0;

    sockets[0].io.on("ping", () => pings++);
    await until("five heartbeats", () => pings, (n) => n >= 5);
    const heard = sockets.map((socket) => once(socket, "all"));
    sockets[1].emit("all", "everybody");
    for (const one of heard)
        same(await deadline(one, WAIT_MS, "a broadcast"), ["everybody"]);
    check(sockets.every((socket) => socket.connected), "all are there");
    for (const socket of sockets)
        socket.disconnect();
    await stop(cluster);
}, timeout);

test("a_socket_that_the_server_ends_is_told", async () => {
    const cluster = await pair("redis", "forward");
    const socket = await connected(client(cluster.balancer.url));
    const end = once(socket, "disconnect");

    socket.emit("end");
    same((await deadline(end, WAIT_MS, "the end"))[0], "io server disconnect");
    await stop(cluster);
}, timeout);

test("a_client_that_may_upgrade_goes_on_polling", async () => {
    const cluster = await pair("redis", "forward");
    const socket = client(cluster.balancer.url,
                          { transports: ["polling", "websocket"] });

    await connected(socket);
    for (let i = 0; i < 20; i++)
        same(await echo(socket, i), i);
    check(socket.connected, "it is there");
    socket.disconnect();
    await stop(cluster);
}, timeout);

// A client whose session is at the first node and whose polls are held by the
// second.
async function across({ balancer, nodes: [first, second] }, options) {
    balancer.ports = [first.port];
    const socket = await connected(client(balancer.url, options));
    balancer.ports = [second.port];
    same(await echo(socket, 1), 1);
    return socket;
}

const again = {
    reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100,
};

test("a_client_whose_node_dies_is_told_and_comes_back", async () => {
    const cluster = await pair("redis", "forward");
    const [first, second] = cluster.nodes;
    const socket = await across(cluster, again);

    const gone = once(socket, "disconnect");
    const back = once(socket, "connect");
    await first.kill();
    await deadline(gone, WAIT_MS, "the loss to be noticed");
    await deadline(back, WAIT_MS, "the client to come back");
    same(await echo(socket, 2), 2);
    same(second.count("connect"), 1);
    socket.disconnect();
    await stop(cluster);
}, timeout);

test("a_client_whose_node_stops_is_told", async () => {
    const cluster = await pair("redis", "forward");
    const [first] = cluster.nodes;
    const socket = await across(cluster);

    await settled();
    const gone = once(socket, "disconnect");
    await first.stop();
    same((await deadline(gone, WAIT_MS, "the end to be told"))[0],
         "transport close");
    await stop(cluster);
}, timeout);

test("polls_are_given_up_when_redis_is_lost", async () => {
    const cluster = await pair("redis", "forward");
    const [first] = cluster.nodes;
    const socket = await across(cluster, again);

    await settled();
    const gone = once(socket, "disconnect");
    const back = once(socket, "connect");
    await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
    await deadline(gone, WAIT_MS, "the loss to be noticed");
    await deadline(back, WAIT_MS, "the client to come back");
    same(await echo(socket, 2), 2);
    await until("the session to end", () => first.count("disconnect"),
                (n) => n === 1);
    socket.disconnect();
    await stop(cluster);
}, timeout);

test("a_poll_that_is_given_up_ends_its_session", async () => {
    const cluster = await pair("redis", "forward");
    const [first, second] = cluster.nodes;
    const sid = await handshake(first);
    const path = `${polling}&sid=${sid}`;

    same((await request(second.port, "POST", path, { body: "40" })).text, "ok");
    same((await request(second.port, "GET", path)).status, 200);
    const held = http.request({ port: second.port, host: "127.0.0.1", path,
                                agent: false });
    const before = await published();
    held.on("error", () => {});
    held.end();
    await until("the poll to be passed on", published, (n) => n > before);
    held.destroy();
    await until("its session to end", () => first.count("disconnect"),
                (n) => n === 1);
    check(first.said.includes("disconnect transport error"), first.said);
    same((await request(second.port, "GET", path)).text, unknown);
    await stop(cluster);
}, timeout);

test("what_no_node_has_is_unknown", async () => {
    const cluster = await pair("redis", "forward");
    const [first, second] = cluster.nodes;
    const sid = await handshake(first);
    const paths = [
        `${polling}&sid=${"a".repeat(28)}`,   // a tag of nobody
        `${polling}&sid=${"a".repeat(20)}`,   // none
        `${polling}&sid=${sid.slice(0, 19)}!${sid.slice(20)}`,
        `${polling}&sid=aaaaaaaaaaaaaaaaaaaa${sid.slice(20)}`, // of the first
    ];

    same(sid.length, 28);
    for (const path of paths)
        for (const node of cluster.nodes)
            for (const method of ["GET", "POST"]) {
                const answer = await request(node.port, method, path,
                                             method === "POST"
                                                 ? { body: "40" } : {});
                same([answer.status, answer.text], [400, unknown]);
            }
    // Another protocol, another method, more than one may send.
    const path = `${polling}&sid=${sid}`;
    same((await request(second.port, "GET", path.replace("=4", "=3"))).status,
         400);
    same((await request(second.port, "DELETE", path)).text, unknown);
    same((await request(second.port, "POST", path,
                        { body: "4".repeat(1000001) })).status, 413);
    same((await request(second.port, "POST", path, { body: "40" })).text, "ok");
    await stop(cluster);
}, timeout);

test("without_the_option_nothing_is_passed_on", async () => {
    const cluster = await pair("redis");
    const [first, second] = cluster.nodes;
    const sid = await handshake(first);

    same(sid.length, 20);
    const answer = await request(second.port, "GET", `${polling}&sid=${sid}`);
    same([answer.status, answer.text], [400, unknown]);
    await stop(cluster);
}, timeout);

test("headers_pass_in_both_directions", async () => {
    const cluster = await pair("redis", "forward");
    const [first, second] = cluster.nodes;
    const path = `${polling}&sid=${await handshake(first)}`;

    same((await request(second.port, "POST", path, { body: "40" })).status,
         200);
    await request(second.port, "GET", path);
    await request(second.port, "POST", path,
                  { body: `42["echo","${"x".repeat(5000)}"]` });
    const direct = await request(second.port, "GET", path,
                                 { headers: { "accept-encoding": "gzip" } });
    same([direct.status, direct.headers["content-encoding"],
          direct.headers["cache-control"], direct.headers["content-type"]],
         [200, "gzip", "no-store", "text/plain; charset=UTF-8"]);
    const foreign = await request(second.port, "POST", path, {
        body: "3", headers: { origin: "http://elsewhere.example" },
    });
    same(foreign.status, 403);
    await stop(cluster);
}, timeout);

test("hostile_messages_disturb_nothing", async () => {
    const cluster = await pair("redis", "forward");
    const [first, second] = cluster.nodes;
    const notepack = createRequire(
        require.resolve("@socket.io/redis-adapter"))("notepack.io");
    const socket = await connected(client(cluster.balancer.url));
    const bytes = (text) => Buffer.from(text);
    const ask = [1, 7, "zzzzzzzz", 0, "GET", "/socket.io/",
                 "EIO=4&transport=polling", bytes("host\0x\0"), "127.0.0.1",
                 bytes("")];
    const answer = [2, 0, "zzzzzzzz", 0, 200, "text/html",
                    bytes("a\0b\0"), bytes("evil")];
    const at = (list, i, put) => list.with(i, put);
    const bad = [
        null, 1, "x", [], [1], [0, 1, "zzzzzzzz"], [4, 1, "zzzzzzzz"], {},
        ask, ask.slice(0, 9), [...ask, 1],
        at(ask, 4, "POST"), at(ask, 4, "DELETE"), at(ask, 4, "G\r\n"),
        at(ask, 3, 2), at(ask, 5, "/elsewhere"), at(ask, 5, ""),
        at(ask, 5, 1), at(ask, 6, `${ask[6]}&sid=x`), at(ask, 6, ""),
        at(ask, 6, "sid=\0"), at(ask, 7, bytes("host")),
        at(ask, 7, bytes("host\0")), at(ask, 7, bytes("\0\0")),
        at(ask, 7, bytes("a\0b\r\nc: d\0")), at(ask, 7, "host"),
        at(ask, 7, bytes("a\0b\0".repeat(50000))),
        at(ask, 6, "x".repeat(1 << 20)), at(ask, 2, "zz"),
        at(ask, 2, "\r\n\r\n\r\n\r\n"), at(ask, 9, bytes("x".repeat(1 << 21))),
        at(at(ask, 4, "POST"), 9, bytes("x".repeat(1 << 21))),
        answer, at(answer, 4, 99), at(answer, 4, 600), at(answer, 4, -1),
        at(answer, 4, "200"), at(answer, 6, bytes("a\0b\r\nevil: 1\0")),
        at(answer, 6, bytes("a:\0b\0")), at(answer, 6, bytes("a")),
        at(answer, 5, "a\r\nb"), at(answer, 6, bytes("a\0b\0".repeat(129))),
        [3, 0, "zzzzzzzz"], [3, 0, ""], [3, -1, "zzzzzzzz"],
    ];
    const messages = [Buffer.alloc(0), bytes("{"), Buffer.from([0xc1]),
                      Buffer.from("dcffff", "hex"),
                      ...bad.map((each) => Buffer.from(notepack.encode(each)))];
    for (const whole of [ask, answer].map((each) =>
        Buffer.from(notepack.encode(each))))
        for (let i = 0; i < whole.length; i++)
            messages.push(whole.subarray(0, i));

    for (const tag of await tags())
        for (const message of messages)
            await redis.command("PUBLISH", `socket.io-engine#${tag}#`, message);
    same(await echo(socket, "still"), "still");
    socket.disconnect();
    await until("the client to be gone", () => first.count("disconnect") +
        second.count("disconnect"), (n) => n === 1);
    same(first.count("connect") + second.count("connect"), 1);
    await stop(cluster);
}, timeout);

// No balancer: the system deals the connections out, and each request of these
// clients has one of its own.
for (const adapter of ["redis", "redis-streams"])
    test(`polls_reach_their_session_at_a_port_that_nodes_share_${adapter}`,
         async () => {
            const first = await new Node().start(adapter, "forward", "reuse");
            const second = await new Node().startAt(`${first.port}`, adapter,
                                                    "forward", "reuse");
            const agent = new http.Agent({ keepAlive: false });
            const url = `http://127.0.0.1:${first.port}`;
            const before = await published();

            same(second.port, first.port);
            await until("both nodes to listen", async () =>
                (await tags(adapter)).length, (n) => n >= 2);
            const sockets = await Promise.all(Array.from({ length: 24 }, (_, i) =>
                connected(client(url, { agent, ...(i % 2 === 0 ? {} : {
                    transports: ["polling", "websocket"] }) }))));
            await Promise.all(sockets.map(async (socket, i) => {
                for (let n = 0; n < 10; n++)
                    same(await echo(socket, `${i} ${n}`), `${i} ${n}`);
                check(socket.connected, `${i} is there`);
            }));
            check(first.count("connect") > 0 && second.count("connect") > 0,
                  "both have clients");
            check(await published() > before, "polls were passed on");
            const heard = sockets.map((socket) => once(socket, "all"));
            sockets[0].emit("all", "everybody");
            for (const one of heard)
                same(await deadline(one, WAIT_MS, "a broadcast"), ["everybody"]);
            for (const socket of sockets)
                socket.disconnect();
            await first.stop();
            await second.stop();
        }, timeout);

// What skio_listen(3) says of a shared port without all that.
test("polls_are_lost_at_a_port_that_nodes_share_without_forwarding",
     async () => {
        const first = await new Node().start("redis", "reuse");
        const second = await new Node().startAt(`${first.port}`, "redis",
                                                "reuse");
        const { text } = await request(first.port, "GET", polling);
        const path = `${polling}&sid=${JSON.parse(text.slice(1)).sid}`;
        const answers = await Promise.all(Array.from({ length: 32 }, () =>
            request(first.port, "POST", path, { body: "3" })));
        const lost = answers.filter(({ status }) => status !== 200);

        check(lost.length > 0 && lost.length < answers.length,
              `${lost.length} of ${answers.length}`);
        for (const answer of lost)
            same([answer.status, answer.text], [400, unknown]);
        await first.stop();
        await second.stop();
    }, timeout);

test("redis_stops", () => redis.stop(), timeout);
await finish(1);
