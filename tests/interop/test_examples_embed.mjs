// The programs of examples/embed: a Socket.IO server in the loops of other
// programs, which do their own work meanwhile; and as a service of systemd, and
// on a small device.
import { execFile, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync,
         writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { connect as open, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { check, deadline, finish, need, same, sleep, test } from "./harness.mjs";
import { repository } from "./npm.mjs";
import { freePort } from "./ports.mjs";
need("socket.io-client");
const { dial, modes, upgraded } = await import("./client4.mjs");

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const folder = `${build}/examples/embed`;
const WAIT_MS = 20000;
const SLOW = { timeout: 60000 };
const loops = ["libwebsockets", "libev", "libuv", "glib"]
    .filter((name) => existsSync(`${folder}/${name}`));

// The output of a program, and its end; it is killed with its test.
async function start(t, command, args) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    const server = { child, output: "" };

    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8")
            .on("data", (text) => { server.output += text; });
    server.exited = once(child, "close"); // with all that it said
    t.after(async () => {
        child.kill("SIGKILL");
        await server.exited;
    });
    return server;
}

async function until(what, question) {
    const end = Date.now() + WAIT_MS;

    while (Date.now() < end) {
        const answer = await question();
        if (answer)
            return answer;
        await sleep(20);
    }
    throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

async function host(t, name, args = ["0", "0"]) {
    const server = await start(t, `${folder}/${name}`, args);
    const [, port, sensors] = await until(`${name} to listen: ${server.output}`,
        () => /port (\d+)(?:, sensors at (\d+))?/.exec(server.output));

    Object.assign(server, { name, port: Number(port) });
    server.url = `http://127.0.0.1:${port}`;
    server.sensors = sensors && Number(sensors);
    return server;
}

// A stock client that has come, and upgraded where it wants to.
async function connect(server, t, mode) {
    const client = dial(server, t, mode);

    if (!client.socket.connected)
        await deadline(once(client.socket, "connect"), WAIT_MS, "to connect");
    if (mode === "upgrade")
        await upgraded(client);
    return client;
}

async function endsWell(server, what = server.name) {
    const [code, signal] = await deadline(server.exited, WAIT_MS,
                                          `the end of ${what}`);

    check(code === 0, `${what}: ${code ?? signal}: ${server.output}`);
    check(!/Sanitizer|runtime error:/.test(server.output), server.output);
}

function ask(server, path, agent = false) {
    return deadline(new Promise((done, failed) => {
        get(`${server.url}${path}`, { agent }, (response) => {
            let text = "";
            response.setEncoding("utf8")
                .on("data", (each) => { text += each; })
                .on("end", () => done([response.statusCode, text]));
        }).on("error", failed);
    }), WAIT_MS, path);
}

// A sensor: send(number) resolves with what it is answered. A datagram may be
// lost, so it says it again.
function sensor(t, server) {
    if (!server.sensors) {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });

        t.after(() => agent.destroy());
        return async (value) =>
            Number((await ask(server, `/reading?value=${value}`, agent))[1]);
    }
    const socket = createSocket("udp4");
    t.after(() => socket.close());
    socket.bind(0, "127.0.0.1");
    return async (value) => {
        const answer = once(socket, "message");
        const again = setInterval(() => socket.send(
            `${value}\n`, server.sensors, "127.0.0.1"), 2000);

        socket.send(`${value}\n`, server.sensors, "127.0.0.1");
        try {
            const [text] = await deadline(answer, WAIT_MS, "the sensor's answer");
            return Number(text);
        } finally {
            clearInterval(again);
        }
    };
}

for (const name of loops) {
    for (const mode of Object.keys(modes))
        test(`${name}_shows_what_its_host_measures_by_${mode}`, async (t) => {
            const server = await host(t, name);
            const tell = sensor(t, server);
            const client = await connect(server, t, mode);

            same(await client.ask("count"), [0]);
            for (let i = 1; i <= 5; i++) {
                check(await tell(20.5 + i) >= i, "not counted");
                same(await client.next("reading", WAIT_MS),
                     ["reading", 20.5 + i]);
            }
            check((await client.ask("count"))[0] >= 5, "not counted");
            const late = await connect(server, t, mode);
            same(await late.next("reading", WAIT_MS), ["reading", 25.5]);
            // The host's own timer.
            same(await client.next("stale", WAIT_MS), ["stale"]);
            server.child.kill("SIGTERM");
            same(await client.next("(gone)", WAIT_MS),
                 ["(gone)", "transport close"]);
            await endsWell(server);
        }, SLOW);

    // Both ask as fast as they can; each goes on whatever the other does.
    test(`${name}_and_its_host_leave_each_other_time`, async (t) => {
        const server = await host(t, name);
        const tell = sensor(t, server);
        const clients = await Promise.all(["websocket", "polling", "websocket"]
            .map((mode) => connect(server, t, mode)));
        const done = { host: 0, pages: 0 };
        let over = false;

        const busy = [
            (async () => {
                while (!over) {
                    await tell(done.host % 100);
                    done.host++;
                }
            })(),
            ...clients.map(async (client) => {
                while (!over) {
                    await client.ask("count");
                    done.pages++;
                }
            }),
        ];
        await until("both to go on", () => done.host >= 200 && done.pages >= 200);
        over = true;
        await Promise.all(busy);
        server.child.kill("SIGINT");
        await endsWell(server);
    }, SLOW);

    // A thread that waits switches to it once; one that wakes up, each time.
    test(`${name}_sleeps_when_nothing_happens`, async (t) => {
        const server = await host(t, name);
        const client = await connect(server, t, "websocket");
        const { pid } = server.child;
        const look = () => readdirSync(`/proc/${pid}/task`).map((task) => {
            const status = readFileSync(`/proc/${pid}/task/${task}/status`,
                                        "utf8");
            const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8")
                .split(") ")[1].split(" ");
            return [/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)[1],
                    stat[11], stat[12]].join(" ");
        }).join(", ");

        await sensor(t, server)(1);
        await client.next("stale", WAIT_MS);
        await until("a second of rest", async () => {
            const before = look();
            await sleep(1000);
            return look() === before;
        });
        same((await client.ask("count")).length, 1); // and it lives
        server.child.kill("SIGTERM");
        await endsWell(server);
    }, SLOW);

    // Its drain has to wait for one that neither reads nor answers.
    test(`${name}_ends_at_once_at_the_second_signal`, async (t) => {
        const server = await host(t, name);
        const silent = open(server.port, "127.0.0.1");

        t.after(() => silent.destroy());
        silent.on("error", () => {});
        silent.write("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" +
                     "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                     "Sec-WebSocket-Version: 13\r\n\r\n");
        await deadline(once(silent, "readable"), WAIT_MS, "the handshake");
        server.child.kill("SIGTERM");
        await until("a refusal", async () => (await ask(server,
            "/socket.io/?EIO=4&transport=polling")
            .catch(() => [503]))[0] === 503);
        const began = Date.now();
        server.child.kill("SIGTERM");
        await endsWell(server);
        check(Date.now() - began < 4000, "it waited");
    }, SLOW);
}

for (const name of loops)
    test(`${name}_names_the_port_that_is_taken`, async (t) => {
        const taken = createServer().listen(0, "127.0.0.1");

        await once(taken, "listening");
        t.after(() => taken.close());
        const { port } = taken.address();
        const server = await start(t, `${folder}/${name}`, [String(port), "0"]);
        const [code] = await deadline(server.exited, WAIT_MS, "the end");
        same(code, 1);
        check(server.output.includes(`port ${port}`), server.output);
        check(!/Sanitizer|runtime error:/.test(server.output), server.output);
    }, SLOW);

/*
 * systemd
 */

// What systemd would be told: Node has no such sockets, Python has.
async function notifySocket(t) {
    const dir = mkdtempSync(join(tmpdir(), "skio-notify-"));
    const path = join(dir, "notify");
    const listener = await start(t, "python3", ["-uc", `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    for line in s.recv(4096).decode().splitlines():
        print(line, flush=True)
`, path]);

    t.after(() => rmSync(dir, { recursive: true }));
    await until("a socket for notifications",
                () => listener.output.includes("bound"));
    return { path, heard: () => listener.output.split("\n") };
}

const service = `${folder}/systemd`;
if (existsSync(service)) {
    test("a_service_is_passed_its_port_and_tells_how_it_is", async (t) => {
        const notify = await notifySocket(t);
        // As systemd does: descriptor 3, and whose it is.
        const server = await start(t, "python3", ["-c", `
import os, socket, sys
s = socket.create_server(("127.0.0.1", 0))
print("bound to", s.getsockname()[1], flush=True)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1",
                  WATCHDOG_PID=str(os.getpid()), WATCHDOG_USEC="400000",
                  NOTIFY_SOCKET=sys.argv[2])
os.execv(sys.argv[1], sys.argv[1:2])
`, service, notify.path]);
        const [, port] = await until("a bound socket",
            () => /bound to (\d+)/.exec(server.output));

        server.url = `http://127.0.0.1:${port}`;
        await until("READY=1", () => notify.heard().includes("READY=1"));
        same((await ask(server, "/readyz"))[0], 200);

        const client = await connect(server, t, "upgrade");
        client.socket.emit("message", "hello");
        same(await client.next("message", WAIT_MS), ["message", "hello"]);
        await until("the count of clients",
                    () => notify.heard().includes("STATUS=1 clients"));
        await until("signs of life", () => notify.heard()
            .filter((line) => line === "WATCHDOG=1").length >= 3);
        check(!notify.heard().includes("STOPPING=1"), "it stops");

        server.child.kill("SIGTERM");
        same(await client.next("(gone)", WAIT_MS),
             ["(gone)", "transport close"]);
        await until("STOPPING=1", () => notify.heard().includes("STOPPING=1"));
        await endsWell(server, "the service");
    }, SLOW);

    test("a_service_that_is_started_by_hand_needs_no_systemd", async (t) => {
        const server = await start(t, service, ["0"]);
        const [, port] = await until("the service to listen",
            () => /port (\d+)/.exec(server.output));

        server.url = `http://127.0.0.1:${port}`;
        same((await ask(server, "/healthz"))[0], 200);
        const client = await connect(server, t, "websocket");
        client.socket.emit("message", 1);
        same(await client.next("message", WAIT_MS), ["message", 1]);
        server.child.kill("SIGINT");
        await endsWell(server, "the service");
    }, SLOW);

    const has = (command) => (process.env.PATH ?? "").split(":")
        .some((dir) => existsSync(join(dir, command)));

    if (has("systemd-socket-activate"))
        test("the_first_client_starts_the_service", async (t) => {
            const port = await freePort();
            const server = await start(t, "systemd-socket-activate",
                                       ["-l", `127.0.0.1:${port}`, service]);

            server.url = `http://127.0.0.1:${port}`;
            await until("systemd-socket-activate",
                        () => /Listening on/.test(server.output));
            check(!/systemd: port/.test(server.output), "it runs already");
            const client = await connect(server, t, "polling");
            client.socket.emit("message", [1, "two"]);
            same(await client.next("message", WAIT_MS), ["message", [1, "two"]]);
            server.child.kill("SIGTERM");
            await endsWell(server, "the service");
        }, SLOW);

    if (has("systemd-analyze"))
        test("the_units_are_right_and_hardened", async (t) => {
            const dir = mkdtempSync(join(tmpdir(), "skio-units-"));
            const run = (...args) => new Promise((done) => {
                execFile("systemd-analyze", args, (error, out, err) =>
                    done({ code: error?.code ?? 0, text: out + err }));
            });
            const units = ["socketio-embed.service", "socketio-embed.socket"];

            t.after(() => rmSync(dir, { recursive: true }));
            for (const unit of units)
                writeFileSync(join(dir, unit), readFileSync(
                    `${repository}/examples/embed/systemd/${unit}`, "utf8")
                    .replace("/usr/local/bin/socketio-embed", service));
            const verified = await run("verify", "--man=no",
                ...units.map((unit) => join(dir, unit)));
            check(verified.code === 0 && !verified.text.includes(dir),
                  verified.text);
            // Of 100, which is nothing forbidden; 50 is what most have.
            const secured = await run("security", "--offline=true",
                "--no-pager", "--threshold=10", join(dir, units[0]));
            check(secured.code === 0, secured.text);
        }, SLOW);
}

/*
 * A small device
 */

// The static one as well, where `make small` has made it.
for (const [what, program] of [["small", "small"],
                               ["small_static", "../../small/small-static"]])
    if (existsSync(`${folder}/${program}`))
        test(`a_${what}_server_switches_its_lamp_and_keeps_its_limits`, (t) =>
            switchLamp(t, program), SLOW);

async function switchLamp(t, program) {
    const server = await host(t, program, ["0"]);
    const one = await connect(server, t, "polling");
    const two = await connect(server, t, "websocket");

    same(await one.next("lamp", WAIT_MS), ["lamp", false]);
    same(await two.next("lamp", WAIT_MS), ["lamp", false]);
    same(await one.ask("lamp", true), []);
    same(await two.next("lamp", WAIT_MS), ["lamp", true]);
    same(await two.ask("lamp", "maybe"), ["on or off?"]);
    const gone = two.next("(gone)", WAIT_MS);
    two.socket.emit("lamp", "x".repeat(9000));
    await gone;
    same(await one.ask("lamp", false), []);
    server.child.kill("SIGTERM");
    await endsWell(server);
}

await finish();
