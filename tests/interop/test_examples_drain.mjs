// The examples that serve, as an operator ends them: SIGTERM turns the readiness
// negative while everybody is still served, then nobody comes in, then the
// clients are told, and the program ends well within ten seconds, whatever some
// of them do.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { connect } from "node:net";
import { resolve } from "node:path";
import { check, deadline, finish, require, sleep, test } from "./harness.mjs";
import { repository } from "./npm.mjs";

const { io } = require("socket.io-client");
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const BOUND_MS = 10000;
const LEAD_MS = 2000; // what the examples leave as it is
const WAIT_MS = 5000;
const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

const examples = {
    echo: {
        port: 3001,
        transports: ["websocket", "polling"],
        auth: () => ({}),
    },
    mailbox: {
        arguments: ["0"],
        health: true,
        transports: ["websocket", "polling"],
        auth: (name) => ({ mailbox: name }),
    },
    threads: {
        arguments: ["0", "2"],
        health: true,
        transports: ["websocket", "websocket", "websocket"],
        auth: () => ({}),
    },
    chat: {
        arguments: ["--port", "0", "--name", "n1",
                    "--public", `${repository}/examples/chat/public`],
        health: true,
        transports: ["websocket", "polling"],
        auth: (name) => ({ nick: name, key: name.repeat(22).slice(0, 22) }),
    },
};

// Resolves with the status and the body, or status 0 when nobody listens.
function ask(server, path) {
    return new Promise((done) => {
        get(`${server.url}${path}`, { agent: false, timeout: WAIT_MS },
            (response) => {
                let body = "";
                response.setEncoding("utf8")
                    .on("data", (text) => { body += text; })
                    .on("end", () => done({ status: response.statusCode, body,
                                            headers: response.headers }));
            }).on("error", () => done({ status: 0, body: "" }));
    });
}

async function until(what, question) {
    for (let left = WAIT_MS; left > 0; left -= 20) {
        const answer = await question();
        if (answer)
            return answer;
        await sleep(20);
    }
    throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

async function start(name, t) {
    const example = examples[name];
    const child = spawn(`${build}/examples/${name}`, example.arguments ?? [],
                        { stdio: ["ignore", "pipe", "pipe"] });
    const server = { name, example, child, output: "" };

    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8")
            .on("data", (text) => { server.output += text; });
    server.exited = once(child, "exit");
    t.after(async () => {
        child.kill("SIGKILL");
        await server.exited;
    });
    const port = example.port ?? await until(`${name}'s port`, () =>
        /(?:port |localhost:)(\d+)/.exec(server.output)?.[1]);
    server.port = Number(port);
    server.url = `http://127.0.0.1:${port}`;
    await until(`${name} to listen`,
                async () => (await ask(server, "/none")).status !== 0);
    return server;
}

// A stock client, and how it ends.
async function stock(server, t, transport, name) {
    const socket = io(server.url, {
        auth: server.example.auth(name), forceNew: true, reconnection: false,
        transports: [transport],
    });
    const gone = once(socket, "disconnect").then(([reason]) => reason);

    t.after(() => socket.close());
    await deadline(once(socket, "connect"), WAIT_MS, `${name} to connect`);
    return { socket, gone };
}

// Bytes on a connection that nobody reads after the first answer to them.
async function silent(server, t, text) {
    const socket = connect(server.port, "127.0.0.1");

    t.after(() => socket.destroy());
    socket.on("error", () => {});
    socket.write(text.replaceAll("\n", "\r\n"));
    await deadline(once(socket, "readable"), WAIT_MS, "an answer");
    return socket;
}

const UPGRADE = `GET /socket.io/?EIO=4&transport=websocket HTTP/1.1
Host: x
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13

`;

// Ends well and in time.
async function endsWell(server, began) {
    const [code, signal] = await deadline(server.exited, 2 * BOUND_MS,
                                          `the end of ${server.name}`);
    const took = Date.now() - began;

    check(code === 0, `${code ?? signal}: ${server.output}`);
    check(took <= BOUND_MS, `it took ${took} ms`);
    check(!/Sanitizer|runtime error:/.test(server.output), server.output);
    return took;
}

for (const name of Object.keys(examples))
    test(`${name}_says_goodbye_before_it_ends`, async (t) => {
        const server = await start(name, t);
        const { health, transports } = server.example;

        // The oldest of all neither reads nor answers a Close.
        await silent(server, t, UPGRADE);
        await silent(server, t, "GET /none HTTP/1.1\nHost: x\n\n");
        const clients = [];
        for (const [i, transport] of transports.entries())
            clients.push(await stock(server, t, transport, `client${i}`));
        let told = 0;
        for (const { gone } of clients)
            gone.then(() => told++);
        if (health)
            check((await ask(server, "/readyz")).status === 200, "not ready");

        server.child.kill("SIGTERM");
        const began = Date.now();

        // First of all load balancers are told, while all is as before.
        if (health) {
            const { body, headers } = await until("negative readiness",
                async () => {
                    const answer = await ask(server, "/readyz");
                    return answer.status === 503 && answer;
                });
            check(JSON.parse(body).reason === "draining", body);
            check(headers["cache-control"] === "no-store", "it is cached");
            check((await ask(server, "/healthz")).status === 200, "it is dead");
        }
        const late = await stock(server, t, transports[0], "late");
        check(told === 0 && Date.now() - began < LEAD_MS,
              `${told} told before the lead is over`);

        // Then nobody comes in, and the first ones are told.
        await deadline(Promise.race([...clients, late].map(({ gone }) => gone)),
                       2 * LEAD_MS, "the first to be told");
        const after = Date.now() - began;
        check(after >= LEAD_MS - 100, `told after ${after} ms`);
        await sleep(200);
        const { status } = await ask(server, HANDSHAKE);
        check(status === 503 || status === 0, `a new session: ${status}`);

        const reasons = await deadline(
            Promise.all([...clients, late].map(({ gone }) => gone)), BOUND_MS,
            "all to be told");
        check(reasons.every((reason) => reason === "transport close"),
              `${reasons}`);
        await endsWell(server, began);
    }, { timeout: 40000 });

test("polite_clients_cost_no_more_than_lead_and_spread", async (t) => {
    const server = await start("mailbox", t);

    await stock(server, t, "websocket", "one");
    await stock(server, t, "polling", "two");
    await silent(server, t, "GET /none HTTP/1.1\nHost: x\n\n");
    server.child.kill("SIGINT");
    const took = await endsWell(server, Date.now());
    check(took < LEAD_MS + 2000 + 1500, `it took ${took} ms`);
}, { timeout: 40000 });

for (const name of Object.keys(examples).filter((each) => each !== "echo"))
    test(`second_signal_ends_${name}_at_once`, async (t) => {
        const server = await start(name, t);

        await stock(server, t, "websocket", "one");
        server.child.kill("SIGTERM");
        const began = Date.now();
        await until("negative readiness",
            async () => (await ask(server, "/readyz")).status === 503);
        server.child.kill("SIGTERM");
        const [code, signal] = await deadline(server.exited, WAIT_MS, "the end");
        check(signal === "SIGTERM", `${code ?? signal}: ${server.output}`);
        check(Date.now() - began < LEAD_MS, "not at once");
    }, { timeout: 20000 });

await finish();
