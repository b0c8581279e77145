// Tokens that Node's crypto has signed, and tokens of ours that it checks; the
// stock client that is refused, told, renews, and has to go.

import { createHmac, createPrivateKey, generateKeyPairSync, sign, verify }
    from "node:crypto";
import { check, finish, need, privateServer, same, sleep, test }
    from "./harness.mjs";
need("socket.io-client");
const { dial, modes } = await import("./client4.mjs");

const secret = "an unpredictable secret of 40 characters";
const pair = generateKeyPairSync("ed25519");
const jwk = pair.privateKey.export({ format: "jwk" });

const part = (value) =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);

const signers = {
    HS256: (text, key = secret) =>
        createHmac("sha256", key).update(text).digest("base64url"),
    EdDSA: (text, key = pair.privateKey) =>
        sign(null, Buffer.from(text), key).toString("base64url"),
};
const kids = { HS256: "shared", EdDSA: "pair" };

function token(alg, claims, header = {}, key = undefined) {
    const text = part({ alg, typ: "JWT", kid: kids[alg], ...header }) + "." +
        part({ iss: "login", aud: "chat", sub: "alice", exp: now() + 600,
               ...claims });

    return text + "." + signers[alg](text, key);
}

const serve = (t, grace = 20000) =>
    privateServer(t, "ours", "tokens", [secret, jwk.x, String(grace)]);

async function post(server, path, body, headers = {}) {
    const reply = await fetch(server.url + path, {
        method: "POST", body: JSON.stringify(body),
        headers: { "Content-Type": "application/json", ...headers },
    });
    const text = await reply.text();

    return [reply.status, text === "" ? null : JSON.parse(text)];
}

for (const mode of Object.keys(modes)) {
    for (const alg of Object.keys(signers)) {
        test(`who_has_a_token_of_${alg}_connects_by_${mode}`, async (t) => {
            const server = await serve(t);
            const exp = now() + 600;
            const client = dial(server, t, mode,
                                { auth: { token: token(alg, { exp }) } });

            await client.next("welcome");
            same(await client.ask("who"),
                 [{ iss: "login", aud: "chat", sub: "alice", exp }, "alice"]);
            same(await post(server, "/mail", { to: "alice" }), [202, null]);
            same(await client.next("mail"), ["mail", "alice"]);
        });
    }
}

test("a_token_in_the_header_will_do", async (t) => {
    const server = await serve(t);
    const client = dial(server, t, "websocket", {
        extraHeaders: { Authorization: `Bearer ${token("EdDSA")}` },
    });

    await client.next("welcome");
    same((await client.ask("who"))[1], "alice");
});

test("who_has_none_is_told_why", async (t) => {
    const server = await serve(t);
    const other = generateKeyPairSync("ed25519").privateKey;
    const unsigned = part({ alg: "none" }) + "." +
        part({ sub: "alice", exp: now() + 60 }) + ".";
    // HMAC with the public key, as if that were a secret.
    const confused = token("HS256", {}, { kid: "pair" },
                           Buffer.from(jwk.x, "base64url"));
    const cases = [
        [undefined, "missing"],
        [{}, "missing"],
        [{ token: "abc" }, "malformed"],
        [{ token: unsigned }, "malformed"],
        [{ token: unsigned + "AA" }, "algorithm"],
        [{ token: confused }, "unknown_key"],
        [{ token: token("EdDSA", {}, {}, other) }, "signature"],
        [{ token: token("HS256", {}, {}, "x".repeat(40)) }, "signature"],
        [{ token: token("HS256", { exp: now() - 10 }) }, "expired"],
        [{ token: token("HS256", { exp: undefined }) }, "no_expiry"],
        [{ token: token("HS256", { nbf: now() + 60 }) }, "not_yet_valid"],
        [{ token: token("HS256", { iss: "me" }) }, "issuer"],
        [{ token: token("HS256", { aud: ["mail"] }) }, "audience"],
        [{ token: token("HS256", { sub: undefined }) }, "subject"],
        [{ token: token("HS256", { more: "x".repeat(9000) }) }, "too_long"],
        [{ token: token("HS256", {}, { crit: ["exp"] }) }, "header"],
    ];

    for (const [auth, code] of cases) {
        const client = dial(server, t, "websocket", { auth });
        const [, message, data] = await client.next("(refused)");

        same([message, data.code], ["unauthorized", code]);
        check(/^[tn].* /.test(data.reason), data.reason);
        client.socket.disconnect();
    }
});

test("a_request_is_judged_as_a_socket_is", async (t) => {
    const server = await serve(t);
    const ask = (value) => post(server, "/check", {}, { Authorization: value });

    same((await ask(`Bearer ${token("HS256")}`))[1].sub, "alice");
    same((await ask(`bearer ${token("EdDSA")}`))[0], 200);
    same(await ask("Basic YTpi"), [401, { code: "missing" }]);
    same(await ask(`Bearer ${token("HS256", { exp: 1 })}`),
         [401, { code: "expired" }]);
});

test("node_accepts_what_is_signed_here", async (t) => {
    const server = await serve(t);
    const keys = {
        HS256: Buffer.from(secret).toString("base64url"), EdDSA: jwk.d,
    };

    for (const alg of Object.keys(signers)) {
        const [status, body] = await post(server, `/login/${alg}`, {
            sub: "bob \u{1f600}\"", seconds: 600, key: keys[alg],
        });
        const [header, claims, signature] = body.token.split(".");
        const text = `${header}.${claims}`;
        const read = (each) => JSON.parse(Buffer.from(each, "base64url"));

        same(status, 200);
        same(read(header), { alg, typ: "JWT", kid: kids[alg] });
        same(read(claims).sub, "bob \u{1f600}\"");
        check(read(claims).exp > now() + 590, body.token);
        check(alg === "HS256"
            ? signers.HS256(text) === signature
            : verify(null, Buffer.from(text), pair.publicKey,
                     Buffer.from(signature, "base64url")), body.token);
        // Ed25519 signs the same text the same way, whoever does it.
        if (alg === "EdDSA")
            same(signature, signers.EdDSA(text, createPrivateKey(
                { key: jwk, format: "jwk" })));
    }
});

// A client whose token expires soon: later where the machine is too busy for it
// to connect before.
async function connectBriefly(server, t, mode, alg) {
    for (const seconds of [2, 4, 8, 16]) {
        const client = dial(server, t, mode, {
            auth: { token: token(alg, { exp: now() + seconds }) },
        });

        while (client.log.length === 0)
            await sleep(10);
        if (client.log[0][0] === "welcome")
            return client;
        same(client.log[0][2].code, "expired");
        client.socket.disconnect();
    }
    throw new Error("nobody connects in time");
}

test("who_is_told_renews_and_stays", async (t) => {
    const server = await serve(t);
    const client = await connectBriefly(server, t, "websocket", "EdDSA");
    const exp = now() + 600;

    same(await client.next("token_expired", 20000), ["token_expired", {
        code: "expired", reason: "the token has expired", grace_ms: 20000,
    }]);
    same(await client.ask("token_renew", token("EdDSA", { sub: "eve" })),
         [{ ok: false, code: "subject",
            reason: "the token is for nobody, or somebody else" }]);
    // With the other key, of the same issuer.
    same(await client.ask("token_renew", token("HS256", { exp })),
         [{ ok: true, expires: exp }]);
    same((await client.ask("who"))[0].exp, exp);
}, { timeout: 60000 });

test("who_does_not_renew_has_to_go", async (t) => {
    const server = await serve(t, 100);
    const client = await connectBriefly(server, t, "polling", "HS256");

    await client.next("token_expired", 20000);
    same(await client.next("(gone)", 20000),
         ["(gone)", "io server disconnect"]);
    client.socket.connect();
    same((await client.next("(refused)"))[2].code, "expired");
}, { timeout: 60000 });

await finish();
