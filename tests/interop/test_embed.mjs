// The server inside a host's libwebsockets program, on lws' poll() loop and on
// a libev loop of the host: the stock client next to the host's own routes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { get, Agent } from "node:http";
import { resolve } from "node:path";
import { check, deadline, finish, need, require, same, test } from "./harness.mjs";
import { repository } from "./npm.mjs";
need("socket.io-client", "ws");
const { connect, modes } = await import("./client4.mjs");
const { WebSocket } = require("ws");

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);

async function host(loop) {
    const child = spawn(`${build}/embed-server`, ["0", loop],
                        { stdio: ["ignore", "pipe", "pipe"] });
    const server = { child, loop, stderr: "" };

    process.on("exit", () => child.kill("SIGKILL"));
    server.exited = once(child, "exit");
    child.stderr.setEncoding("utf8").on("data", (text) => {
        server.stderr += text;
    });
    server.port = await deadline(new Promise((ready) => {
        child.stdout.setEncoding("utf8").on("data", (text) => {
            const match = /^listening on (\d+)$/m.exec(text);
            if (match)
                ready(Number(match[1]));
        });
    }), 10000, "embed-server to listen");
    server.url = `http://127.0.0.1:${server.port}`;
    return server;
}

function fetchText(server, path, agent) {
    return deadline(new Promise((done, failed) => {
        get(`${server.url}${path}`, { agent }, (response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (each) => {
                text += each;
            });
            response.on("end", () => done([response.statusCode, text]));
        }).on("error", failed);
    }), 4000, path);
}

const servers = [await host("poll"), await host("ev")];

for (const server of servers) {
    for (const mode of Object.keys(modes))
        test(`embedded_${server.loop}_${mode}_client_talks`, async (t) => {
            const client = await connect(server, t, mode);

            same(await client.ask("echo", "text", { a: Buffer.from([1, 2]) }),
                 ["text", { a: "<0102>" }]);
            same((await client.ask("echo", "x".repeat(200000)))[0].length,
                 200000);
            client.socket.emit("all", "to everybody");
            same((await client.next("all"))[1], "to everybody");
        });

    test(`embedded_${server.loop}_keeps_the_hosts_routes`, async () => {
        same(await fetchText(server, "/"), [200, "host"]);
        same(await fetchText(server, "/other/path"), [200, "host"]);
    });

    // lws binds a kept-alive connection anew for each request.
    test(`embedded_${server.loop}_shares_connections_with_the_host`,
         async (t) => {
            const agent = new Agent({ keepAlive: true, maxSockets: 1 });

            t.after(() => agent.destroy());
            for (let i = 0; i < 3; i++) {
                same(await fetchText(server, "/", agent), [200, "host"]);
                const [status, text] = await fetchText(
                    server, "/socket.io/?EIO=4&transport=polling", agent);
                same(status, 200);
                check(text.startsWith('0{"sid":'), text);
            }
        });

    test(`embedded_${server.loop}_keeps_the_hosts_subprotocol`, async (t) => {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`,
                                     "host-echo");

        t.after(() => socket.terminate());
        await deadline(once(socket, "open"), 4000, "the host's WebSocket");
        socket.send("hey");
        const [data] = await deadline(once(socket, "message"), 4000, "an echo");
        same(data.toString(), "hey");
    });

    test(`embedded_${server.loop}_refuses_upgrades_elsewhere`, async (t) => {
        const socket = new WebSocket(`ws://127.0.0.1:${server.port}/other`);
        const [, response] = await deadline(
            once(socket, "unexpected-response"), 4000, "a refusal");

        t.after(() => socket.terminate());
        socket.on("error", () => {});
        same(response.statusCode, 404);
    });
}

for (const { loop } of servers)
    test(`embedded_${loop}_ends_with_its_host`, async (t) => {
        const server = await host(loop);
        const client = await connect(server, t, "websocket");
        const gone = new Promise((done) => {
            client.socket.on("disconnect", done);
        });

        server.child.kill("SIGTERM");
        const [code] = await deadline(server.exited, 5000, "the end");
        check(code === 0, `exit ${code}: ${server.stderr}`);
        await deadline(gone, 4000, "the disconnect");
    });

test("embedded_hosts_end_cleanly", async () => {
    for (const server of [await host("poll"), await host("ev")]) {
        server.child.kill("SIGTERM");
        const [code] = await deadline(server.exited, 5000, "the end");
        check(code === 0, `exit ${code}: ${server.stderr}`);
    }
});

await finish();
