// The listener and the handshake: what the server knows of a client's first
// and latest request, proxies in front, unix sockets, draining.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { connect as tcpConnect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, deadline, finish, need, privateServer, same, sleep, test,
         twin } from "./harness.mjs";
import { freePort } from "./ports.mjs";
need("socket.io", "socket.io-client");
const { repository } = await import("./npm.mjs");
const { Line, requestText, upgradeHeaders } = await import("./raw.mjs");
const { also, connect, dial, modes, upgraded } = await import("./client4.mjs");

const kind = "listener";
const folder = mkdtempSync(join(tmpdir(), "interop-"));
process.on("exit", () => rmSync(folder, { recursive: true }));

/*
 * socket.handshake
 */

// What differs from run to run is made equal, and checked by itself.
function judged({ headers, query, url, issued, ...rest }, server) {
    check(Math.abs(issued - Date.now()) < 60000, `issued ${issued}`);
    check(headers.host === `127.0.0.1:${server.port}`, `host ${headers.host}`);
    if (headers["sec-websocket-key"])
        headers["sec-websocket-key"] = "a key";
    if (query.t)
        query.t = "a time";
    return { ...rest, url: url.replace(/&t=[^&]*/, "&t="), query,
             headers: { ...headers, host: "a host" } };
}

for (const mode of Object.keys(modes)) {
    twin(`whole_handshake_of_a_${mode}_client`, async (server, t) => {
        const client = await connect(server, t, mode, {
            query: { a: "1 2", "ü": "ö&=", empty: "" },
            auth: { token: "for /" },
            extraHeaders: { "X-Interop": "one", "Cookie": "a=1; b=2" },
        });
        const other = await also(client, t, "/other",
                                 { auth: { token: "for other" } });

        return [judged((await client.ask("handshake"))[0], server),
                judged((await other.ask("handshake"))[0], server)];
    }, { kind });

    twin(`xdomain_is_true_for_a_${mode}_client_with_an_origin`,
         async (server, t) => {
            const client = await connect(server, t, mode, {
                extraHeaders: { Origin: "http://pages.example" },
            });
            return (await client.ask("handshake"))[0].xdomain;
        }, { kind, expect: true });
}

twin("auth_is_each_namespaces_own", async (server, t) => {
    const client = await connect(server, t, "websocket", { auth: { n: 1 } });
    const other = await also(client, t, "/other", { auth: { n: 2 } });
    const auths = [];

    for (const each of [client, other])
        auths.push((await each.ask("handshake"))[0].auth);
    return auths;
}, { kind, expect: [{ n: 1 }, { n: 2 }] });

twin("issued_is_each_sockets_own_time", async (server, t) => {
    const client = await connect(server, t, "websocket");
    const first = (await client.ask("handshake"))[0].issued;

    await sleep(30);
    const other = await also(client, t, "/other");
    return (await other.ask("handshake"))[0].issued - first >= 30;
}, { kind, expect: true });

for (const mode of ["polling", "upgrade"])
    test(`latest_headers_are_those_of_the_last_request_of_a_${mode}_client`,
         async (t) => {
            const server = await privateServer(t, "ours", kind, ["--latest"]);
            const client = await connect(server, t, mode, {
                wait: false, extraHeaders: { "X-Token": "old" },
            });
            const first = async () => (await client.ask("handshake"))[0]
                .headers["x-token"];

            if (mode === "polling") {
                client.socket.io.opts.extraHeaders["X-Token"] = "new";
                client.engine.transport.opts.extraHeaders["X-Token"] = "new";
                await client.settle();
            } else {
                await upgraded(client);
            }
            same([await first(), await client.ask("latest", "x-token")],
                 ["old", [mode === "polling" ? "new" : "old"]]);
        });

test("latest_headers_are_the_handshakes_unless_asked_for", async (t) => {
    const server = await privateServer(t, "ours", kind, []);
    const client = await connect(server, t, "upgrade");

    same(await client.ask("latest", "upgrade"), [null]);
    same(await client.ask("latest", "host"), [`127.0.0.1:${server.port}`]);
});

twin("upgrade_of_another_path_is_ended", async (server, t) => {
    const line = new Line(server, t);

    line.write(requestText("GET", "/elsewhere", upgradeHeaders));
    return (await line.all()).split("\r\n")[0];
}, {
    kind, ours: "HTTP/1.1 404 Not Found",
    why: "Node says nothing, and ends it after destroyUpgradeTimeout",
});

/*
 * Proxies
 */

for (const mode of Object.keys(modes))
    test(`address_and_scheme_of_a_${mode}_client_are_what_a_trusted_proxy_says`,
         async (t) => {
            const server = await privateServer(t, "ours", kind,
                                               ["--trusted", "loopback"]);
            const client = await connect(server, t, mode, {
                extraHeaders: {
                    "X-Forwarded-For": "6.6.6.6, 2001:db8::1, 127.0.0.9",
                    "X-Forwarded-Proto": "http, https, http",
                },
            });
            const { address, secure } = (await client.ask("handshake"))[0];

            same([address, secure], ["2001:db8::1", true]);
        });

test("nobody_is_believed_unless_trusted", async (t) => {
    const server = await privateServer(t, "ours", kind, []);
    const client = await connect(server, t, "websocket", {
        extraHeaders: { "X-Forwarded-For": "192.0.2.1",
                        "X-Forwarded-Proto": "https" },
    });
    const { address, secure } = (await client.ask("handshake"))[0];

    same([address, secure], ["127.0.0.1", false]);
});

function isThere(command, argument = "-v") {
    try {
        execFileSync(command, [argument], { stdio: "ignore" });
        return true;
    } catch {
        return false;
    }
}

// A proxy in front of a server, as { port, url }.
async function proxy(t, command, args) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";

    child.on("error", (error) => { said += error.message; });
    child.stdout.on("data", (text) => { said += text; });
    child.stderr.on("data", (text) => { said += text; });
    t.after(async () => {
        if (child.exitCode === null && child.signalCode === null) {
            child.kill("SIGTERM");
            await deadline(once(child, "exit"), 5000, `${command} to end`)
                .catch(() => child.kill("SIGKILL"));
        }
    });
    return {
        async reached(port) {
            for (let i = 0; i < 200; i++) {
                const works = await new Promise((done) => {
                    const socket = tcpConnect(port, "127.0.0.1");
                    socket.on("connect", () => done(true));
                    socket.on("error", () => done(false));
                    t.after(() => socket.destroy());
                });
                if (works)
                    return { port, url: `http://127.0.0.1:${port}` };
                check(child.exitCode === null, `${command}: ${said}`);
                await sleep(50);
            }
            throw new Error(`${command} does not listen: ${said}`);
        },
    };
}

async function haproxy(t, server, send) {
    const port = await freePort();
    const config = join(folder, `haproxy-${port}.cfg`);

    writeFileSync(config, `
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen front
    bind 127.0.0.1:${port}
    server ours 127.0.0.1:${server.port} ${send}
`);
    return (await proxy(t, "haproxy", ["-f", config, "-db"])).reached(port);
}

if (isThere("haproxy")) {
    for (const send of ["send-proxy", "send-proxy-v2"])
        test(`haproxy_with_${send.replace(/-/g, "_")}_names_the_client`,
             async (t) => {
                const server = await privateServer(t, "ours", kind, [
                    "--trusted", "127.0.0.1", "--proxy-protocol"]);
                const front = await haproxy(t, server, send);
                const addresses = [];

                for (const mode of Object.keys(modes)) {
                    // 127.0.0.2 is a client, and no proxy
                    const agent = new Agent({ localAddress: "127.0.0.2" });
                    t.after(() => agent.destroy());
                    const client = await connect(front, t, mode, { agent });
                    addresses.push(
                        (await client.ask("handshake"))[0].address);
                }
                same(addresses, ["127.0.0.2", "127.0.0.2", "127.0.0.2"]);
            });
}

if (isThere("nginx")) {
    test("nginx_before_a_unix_socket_names_the_client", async (t) => {
        const path = join(folder, "nginx.socket");
        const server = await privateServer(t, "ours", kind, [
            "--unix", path, "--trusted", "unix"]);
        const port = await freePort();
        const config = join(folder, `nginx-${port}.conf`);
        const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map((each) => `${each}_temp_path ${folder}/${each};`).join("\n");

        writeFileSync(config, `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr;
events { worker_connections 100; }
http {
    access_log off;
    ${paths}
    server {
        listen 127.0.0.1:${port};
        location / {
            proxy_pass http://unix:${path}:;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $http_connection;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
        }
    }
}
`);
        const front = await (await proxy(t, "nginx", [
            "-c", config, "-p", folder, "-e", "stderr"])).reached(port);
        const known = [];

        for (const mode of Object.keys(modes)) {
            const client = await connect(front, t, mode, {
                extraHeaders: { "X-Forwarded-For": "6.6.6.6" },
            });
            const { address, secure } = (await client.ask("handshake"))[0];
            known.push([address, secure]);
        }
        same(known, [["127.0.0.1", true], ["127.0.0.1", true],
                     ["127.0.0.1", true]]);
    }, { timeout: 20000 });
}

function openssl(...args) {
    execFileSync("openssl", args, { stdio: "ignore", cwd: folder });
}

if (isThere("haproxy") && isThere("openssl", "version"))
    test("proxy_protocol_goes_before_tls", async (t) => {
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-keyout", "key.pem",
                "-out", "cert.pem");
        const server = await privateServer(t, "ours", kind, [
            "--trusted", "127.0.0.1", "--proxy-protocol",
            "--tls-cert", join(folder, "cert.pem"),
            "--tls-key", join(folder, "key.pem")]);
        const front = await haproxy(t, server, "send-proxy-v2");
        const found = [];

        for (const mode of Object.keys(modes)) {
            const agent = new TlsAgent({ localAddress: "127.0.0.2",
                                         rejectUnauthorized: false });
            t.after(() => agent.destroy());
            const client = await connect(
                { url: front.url.replace("http:", "https:") }, t, mode,
                { agent, rejectUnauthorized: false });
            const { address, secure } = (await client.ask("handshake"))[0];
            found.push([address, secure]);
        }
        same(found, [["127.0.0.2", true], ["127.0.0.2", true],
                     ["127.0.0.2", true]]);
    }, { timeout: 20000 });

/*
 * Sockets of a service manager
 */

if (isThere("systemd-socket-activate", "--version"))
    test("stock_client_talks_through_a_socket_of_systemd", async (t) => {
        const port = await freePort();
        const build = process.env.SKIO_BUILD ?? `${repository}/build`;
        const activator = await proxy(t, "systemd-socket-activate", [
            "-l", `127.0.0.1:${port}`, `${build}/listener-server`, "0",
            "--systemd"]);
        // the first connection starts the server
        const front = await activator.reached(port);
        const client = await connect(front, t, "upgrade");

        same(await client.ask("echo", 1), [1]);
    }, { timeout: 20000 });

/*
 * Unix sockets
 */

test("stock_client_talks_through_a_unix_socket", async (t) => {
    const path = join(folder, "own.socket");
    const server = await privateServer(t, "ours", kind, ["--unix", path]);
    const agent = new Agent({ socketPath: path });
    const addresses = [];

    t.after(() => agent.destroy());
    for (const mode of Object.keys(modes)) {
        const client = await connect(server, t, mode, { agent });
        same(await client.ask("echo", "x", { y: 1 }), ["x", { y: 1 }]);
        addresses.push((await client.ask("handshake"))[0].address);
    }
    same(addresses, ["", "", ""]);
});

/*
 * Draining
 */

test("drain_tells_every_one_of_300_clients_and_loses_no_answer",
     async (t) => {
        const server = await privateServer(t, "ours", kind, []);
        const count = 300, ms = 3000;
        const clients = [];
        let asked = 0, answered = 0;

        for (let i = 0; i < count; i += 20)
            clients.push(...await Promise.all(
                Array.from({ length: 20 }, (_, n) => connect(
                    server, t, n % 4 === 0 ? "polling" : "websocket"))));

        const gone = clients.map(({ socket }) => new Promise((done) => {
            const began = Date.now();
            const received = new Set();
            const timer = setInterval(() => {
                if (socket.connected) {
                    const id = asked++;
                    socket.emit("echo", id, (back) => {
                        check(back === id, "another answer");
                        received.add(id);
                        answered++;
                    });
                }
            }, 100);
            socket.on("disconnect", (reason) => {
                clearInterval(timer);
                done({ reason, after: Date.now() - began });
            });
        }));
        server.stopping = true; // it stops by itself
        await clients[count - 1].ask("drain", ms);
        const began = Date.now();

        // nobody comes in any more, and a health check sees that
        const { status, after } = await new Promise((done, failed) => {
            get(`${server.url}/socket.io/?EIO=4&transport=polling`,
                (response) => done({
                    status: response.resume().statusCode,
                    after: response.headers["retry-after"],
                })).on("error", failed);
        });
        same([status, after], [503, "5"]);

        const ends = await deadline(Promise.all(gone), 12000, "all to be told");
        const took = Date.now() - began;

        same([...new Set(ends.map(({ reason }) => reason))],
             ["transport close"]);
        check(took >= ms / 2, `all were gone after ${took} ms`);
        // evenly: each quarter of the time had its quarter of the clients
        const quarters = [0, 0, 0, 0];
        for (const { after: each } of ends)
            quarters[Math.min(3, Math.floor(each / (ms / 4)))]++;
        check(quarters.every((each) => each > count / 16),
              `uneven: ${quarters}`);
        check(answered > count, `only ${answered} of ${asked} answered`);
        const { code } = await deadline(server.exited, 5000, "the server");
        same(code, 0);
    }, { timeout: 40000 });

test("clients_of_a_drained_server_reconnect_elsewhere", async (t) => {
    const first = await privateServer(t, "ours", kind, []);
    const client = await connect(first, t, "upgrade", {
        reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100,
    });

    first.stopping = true;
    await client.ask("drain", 0);
    same(await client.next("(gone)"), ["(gone)", "transport close"]);
    same((await deadline(first.exited, 5000, "the server")).code, 0);
    await privateServer(t, "ours", kind, [], first.port);
    await client.next("welcome", 10000);
    same(await client.ask("echo", 1), [1]);
}, { timeout: 20000 });

test("drained_client_gets_all_that_was_sent_before", async (t) => {
    const server = await privateServer(t, "ours", kind, []);

    for (const mode of Object.keys(modes)) {
        const one = await connect(server, t, mode);
        check(one.socket.connected, mode);
    }
    const client = dial(server, t, "websocket");
    await client.next("welcome");
    const answers = Array.from({ length: 50 },
                               (_, i) => client.ask("echo", i, "x".repeat(9999)));
    server.stopping = true;
    client.emit("drain", 0);
    same((await Promise.all(answers)).map(([i]) => i),
         Array.from({ length: 50 }, (_, i) => i));
    await client.next("(gone)");
    same((await deadline(server.exited, 8000, "the server")).code, 0);
}, { timeout: 20000 });

await finish();
