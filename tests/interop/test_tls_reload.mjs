// Certificates that are replaced while the server runs, keys with a password,
// the least version of TLS.

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync }
    from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as tlsConnect } from "node:tls";
import { X509Certificate } from "node:crypto";
import { check, deadline, finish, need, privateServer, same, test, twin }
    from "./harness.mjs";
need("socket.io", "socket.io-client");
const { connect } = await import("./client4.mjs");

const kind = "listener";
const folder = mkdtempSync(join(tmpdir(), "interop-"));
process.on("exit", () => rmSync(folder, { recursive: true }));
const at = (name) => join(folder, name);

function openssl(...args) {
    execFileSync("openssl", args, { stdio: "ignore", cwd: folder });
}

// NAME.pem and NAME.key, signed by themselves.
function make(name, algorithm) {
    openssl("req", "-x509", "-newkey", ...algorithm, "-nodes", "-days", "2",
            "-subj", `/CN=${name}`, "-keyout", `${name}.key`,
            "-out", `${name}.pem`,
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1");
}

const rsa = ["rsa:2048"];
const ec = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

try {
    make("first", rsa);
    make("second", rsa);
    make("third", ec);
    openssl("rsa", "-aes256", "-passout", "pass:secret", "-in", "first.key",
            "-out", "locked.key");
    // a chain of two
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj",
            "/CN=leaf", "-keyout", "leaf.key", "-out", "leaf.csr");
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "first.pem", "-CAkey",
            "first.key", "-CAcreateserial", "-days", "2", "-out", "leaf.pem");
} catch {
    console.log("1..0 # SKIP openssl is not installed");
    process.exit(0);
}
const pem = (name) => readFileSync(at(name));
const print = (name) => new X509Certificate(pem(name)).fingerprint256;

// A server with files of its own, first as named.
async function serve(t, name, ...options) {
    const cert = at(`${t.name}.pem`), key = at(`${t.name}.key`);

    copyFileSync(at(`${name}.pem`), cert);
    copyFileSync(at(`${name}.key`), key);
    const server = await privateServer(t, "ours", kind, [
        "--tls-cert", cert, "--tls-key", key, ...options]);
    return {
        server,
        replace(pemText, keyText) {
            writeFileSync(cert, pemText);
            writeFileSync(key, keyText);
        },
    };
}

// What a new connection is shown: the fingerprint, or the error's code.
function shown(server, t, options = {}) {
    return deadline(new Promise((done) => {
        const socket = tlsConnect({
            port: server.port, host: "127.0.0.1", rejectUnauthorized: false,
            ...options,
        }, () => done(socket.getPeerCertificate().fingerprint256));
        socket.on("error", (error) => done(error.code));
        t.after(() => socket.destroy());
    }), 4000, "a TLS handshake");
}

const trusting = { rejectUnauthorized: false };

for (const [next, why] of [["second", "of_the_same_kind"],
                           ["third", "of_another_kind"]])
    test(`new_certificate_${why}_is_shown_after_a_reload`, async (t) => {
        const { server, replace } = await serve(t, "first");
        const old = await connect(server, t, "websocket", trusting);

        same(await shown(server, t), print("first.pem"));
        replace(pem(`${next}.pem`), pem(`${next}.key`));
        same(await shown(server, t), print("first.pem"));
        same(await old.ask("reload"), ["SKIO_OK"]);
        same(await shown(server, t), print(`${next}.pem`));
        // those with the old one live on, and a new client can come
        same(await old.ask("echo", 1), [1]);
        const client = await connect(server, t, "upgrade", trusting);
        same(await client.ask("echo", 2), [2]);
        // and back again
        replace(pem("first.pem"), pem("first.key"));
        same(await client.ask("reload"), ["SKIO_OK"]);
        same(await shown(server, t), print("first.pem"));
    });

test("broken_files_leave_the_old_certificate_in_force", async (t) => {
    const { server, replace } = await serve(t, "first");
    const client = await connect(server, t, "websocket", trusting);
    const half = pem("second.pem").subarray(0, 500);
    const damaged = Buffer.from(pem("second.pem"));
    damaged.fill("A", 300, 400);

    for (const [cert, key] of [
        ["", ""],
        ["no certificate", "no key"],
        [half, pem("second.key")],
        [damaged, pem("second.key")],
        [pem("second.pem"), pem("first.key")],
        [pem("second.pem"), pem("third.key")],
        [pem("second.pem"), ""],
        [pem("second.key"), pem("second.key")],
        [Buffer.concat([pem("second.pem"), half]), pem("second.key")],
        [pem("first.pem"), pem("locked.key")],
    ]) {
        replace(cert, key);
        same(await client.ask("reload"), ["SKIO_EIO"]);
        same(await shown(server, t), print("first.pem"));
    }
    rmSync(at(`${t.name}.pem`));
    same(await client.ask("reload"), ["SKIO_EIO"]);
    same(await shown(server, t), print("first.pem"));
    replace(pem("second.pem"), pem("second.key"));
    same(await client.ask("reload"), ["SKIO_OK"]);
    same(await shown(server, t), print("second.pem"));
});

test("chain_is_sent_and_replaced", async (t) => {
    const { server, replace } = await serve(t, "first");
    const client = await connect(server, t, "websocket", trusting);
    const verified = { ca: pem("first.pem"), rejectUnauthorized: true,
                       servername: "", checkServerIdentity: () => undefined };

    replace(Buffer.concat([pem("leaf.pem"), pem("first.pem")]),
            pem("leaf.key"));
    same(await client.ask("reload"), ["SKIO_OK"]);
    same(await shown(server, t, verified), print("leaf.pem"));
    const count = await deadline(new Promise((done, failed) => {
        const socket = tlsConnect({ port: server.port, host: "127.0.0.1",
                                    ...verified }, () => {
            const leaf = socket.getPeerCertificate(true);
            done(leaf.issuerCertificate?.fingerprint256);
        });
        socket.on("error", failed);
        t.after(() => socket.destroy());
    }), 4000, "a TLS handshake");
    same(count, print("first.pem"));
    replace(pem("second.pem"), pem("second.key"));
    same(await client.ask("reload"), ["SKIO_OK"]);
    same(await shown(server, t), print("second.pem"));
});

test("handshake_under_way_survives_a_reload", async (t) => {
    const { server, replace } = await serve(t, "first");
    const client = await connect(server, t, "websocket", trusting);
    const prints = [print("first.pem"), print("second.pem")];

    for (let i = 0; i < 20; i++) {
        const several = Array.from({ length: 5 }, () => shown(server, t));
        const next = i % 2 === 0 ? "second" : "first";

        replace(pem(`${next}.pem`), pem(`${next}.key`));
        same(await client.ask("reload"), ["SKIO_OK"]);
        for (const each of await Promise.all(several))
            check(prints.includes(each), `shown ${each}`);
    }
});

test("reload_without_tls_is_an_error", async (t) => {
    const server = await privateServer(t, "ours", kind, []);
    const client = await connect(server, t, "websocket");

    same(await client.ask("reload"), ["SKIO_EINVAL"]);
});

const locked = ["--tls-cert", at("first.pem"), "--tls-key", at("locked.key")];

twin("key_with_a_password_is_opened", (server, t) => shown(server, t), {
    kind, options: [...locked, "--tls-password", "secret"],
    expect: print("first.pem"),
});

for (const [name, more] of [["wrong_password", ["--tls-password", "guess"]],
                            ["no_password", []]])
    test(`key_with_${name}_stops_the_server_and_asks_nobody`, async (t) => {
        const error = await privateServer(t, "ours", kind,
                                          [...locked, ...more])
            .then(() => null, (caught) => caught);
        check(/tls_key_file: ".*locked.*" cannot be used/.test(error?.message),
              `${error}`);
    });

const plain = ["--tls-cert", at("first.pem"), "--tls-key", at("first.key")];

twin("clients_below_the_default_stay_out", async (server, t) => {
    const outcomes = [];

    for (const version of ["TLSv1", "TLSv1.1", "TLSv1.2"])
        outcomes.push(await shown(server, t, {
            minVersion: version, maxVersion: version,
            ciphers: "DEFAULT@SECLEVEL=0",
        }) === print("first.pem"));
    return outcomes;
}, { kind, options: plain, expect: [false, false, true] });

for (const least of ["TLSv1.2", "TLSv1.3"])
    twin(`clients_below_${least.replace(/\W/g, "_")}_stay_out`,
         async (server, t) => {
            const outcomes = [];

            for (const version of ["TLSv1.1", "TLSv1.2", "TLSv1.3"])
                outcomes.push(await shown(server, t, {
                    minVersion: version, maxVersion: version,
                    ciphers: "DEFAULT@SECLEVEL=0",
                }) === print("first.pem"));
            return outcomes;
        }, {
            kind, options: [...plain, "--tls-min", least],
            expect: [false, least === "TLSv1.2", true],
        });

await finish();
