// TLS: the stock client over https and wss, next to the same on the reference
// server. The certificate is made here and trusted by nobody else.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { check, deadline, finish, need, twin } from "./harness.mjs";
need("socket.io", "socket.io-client");
const { connect, dial, modes } = await import("./client4.mjs");

const folder = mkdtempSync(join(tmpdir(), "interop-"));
process.on("exit", () => rmSync(folder, { recursive: true }));
const cert = join(folder, "cert.pem"), key = join(folder, "key.pem");

try {
    execFileSync("openssl", [
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-keyout", key, "-out", cert,
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ], { stdio: "ignore" });
} catch {
    console.log("1..0 # SKIP openssl is not installed");
    process.exit(0);
}
const ca = readFileSync(cert);
const options = ["--tls-cert", cert, "--tls-key", key];
const trusting = { ca, rejectUnauthorized: true };

for (const mode of Object.keys(modes)) {
    twin(`tls_${mode}_client_talks`, async (server, t) => {
        const client = await connect(server, t, mode, trusting);
        const bytes = Buffer.alloc(100000, 7);

        return [
            client.engine.transport.name,
            await client.ask("echo", "text", { a: Buffer.from([1, 2]) }),
            await client.ask("bytes", bytes),
            (await client.ask("big-text", 300000))[0].length,
            (await client.ask("handshake"))[0].secure,
        ];
    }, {
        options,
        expect: [mode === "polling" ? "polling" : "websocket",
                 ["text", { a: "<0102>" }], [100000, 4119], 300000, true],
    });

    twin(`tls_${mode}_client_that_trusts_nobody_stays_out`,
         async (server, t) => {
            const client = dial(server, t, mode, { rejectUnauthorized: true });
            const [name] = await client.next("(refused)");
            return [name, client.socket.connected];
        }, { options, expect: ["(refused)", false] });
}

twin("tls_server_offers_no_http2", (server, t) => deadline(
    new Promise((done, failed) => {
        const socket = tlsConnect({
            port: server.port, host: "127.0.0.1", ca, servername: "localhost",
            ALPNProtocols: ["h2", "http/1.1"],
        }, () => done(socket.alpnProtocol));
        socket.on("error", failed);
        t.after(() => socket.destroy());
    }), 4000, "a TLS handshake"), { options, expect: "http/1.1" });

const handshake = (server, t, event, session) => deadline(
    new Promise((done, failed) => {
        const socket = tlsConnect({
            port: server.port, host: "127.0.0.1", ca, servername: "localhost",
            session,
        });
        socket.on(event, (ticket) =>
            done({ ticket, resumed: socket.isSessionReused() }));
        socket.on("error", failed);
        t.after(() => socket.destroy());
    }), 4000, event);

// With its ticket, a client that comes back skips half the handshake.
twin("tls_session_is_resumed", async (server, t) => {
    const { ticket, resumed } = await handshake(server, t, "session");
    const again = await handshake(server, t, "secureConnect", ticket);

    return [resumed, again.resumed];
}, { options, expect: [false, true] });

twin("tls_server_survives_plain_text", async (server, t) => {
    const plain = tcpConnect(server.port, "127.0.0.1");

    t.after(() => plain.destroy());
    plain.on("error", () => {});
    plain.resume();
    plain.write("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n" +
                "Host: localhost\r\n\r\n");
    await deadline(new Promise((done) => plain.on("close", done)), 4000,
                   "the end of a plain connection");
    const status = await new Promise((done, failed) => {
        get(`${server.url}/socket.io/?EIO=4&transport=polling`, { ca },
            (response) => done(response.resume().statusCode))
            .on("error", failed);
    });
    check(status === 200, `answered ${status}`);
}, { options });

await finish();
