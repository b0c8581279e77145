// The browser client that the server hands out, next to the reference.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync,
         truncateSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import { check, deadline, finish, need, privateServer, require, same, test,
         twin } from "./harness.mjs";
need("socket.io", "socket.io-client");
const { answer, http, polling } = await import("./raw.mjs");

const folder =
    `${dirname(require.resolve("socket.io-client/package.json"))}/dist`;
const options = ["--client-dir", folder];
const files = ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js",
               "socket.io.msgpack.min.js"].flatMap(
    (name) => [name, `${name}.map`]);
const decoders = {
    br: brotliDecompressSync, gzip: gunzipSync, deflate: inflateSync,
};

// With the bytes of the body, which may be compressed.
function fetchFile(server, path, headers = {}, method = "GET") {
    return deadline(new Promise((done, failed) => {
        const outgoing = request({
            host: "127.0.0.1", port: server.port, path, method, headers,
            agent: false,
        }, (incoming) => {
            const chunks = [];
            incoming.on("data", (chunk) => chunks.push(chunk));
            incoming.on("error", failed);
            incoming.on("end", () => done({
                status: incoming.statusCode, headers: incoming.headers,
                body: Buffer.concat(chunks),
            }));
        });
        outgoing.on("error", failed);
        outgoing.end();
    }), 5000, path);
}

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

// Status, the headers that matter, and what the body is when decoded.
function shape({ status, headers, body }) {
    const encoding = headers["content-encoding"] ?? "identity";
    const decoded = decoders[encoding]?.(body) ?? body;

    return {
        status, encoding, digest: digest(decoded), length: decoded.length,
        type: headers["content-type"], cache: headers["cache-control"],
        tagged: /^"[^"]+"$/.test(headers.etag),
        cors: headers["access-control-allow-origin"],
    };
}

for (const name of files)
    for (const encoding of ["identity", "br", "gzip", "deflate"])
        twin(`client_file_${name.replace(/\W/g, "_")}_as_${encoding}`,
             async (server) => {
                const path = `/socket.io/${name}`;
                const headers = encoding === "identity" ? {}
                    : { "Accept-Encoding": encoding };
                const first = shape(await fetchFile(server, path, headers));
                const again = shape(await fetchFile(server, path, headers));

                same(again, first);
                check(first.status === 200, `answered ${first.status}`);
                return first;
            }, {
                options,
                judge: (mine, node) => same(
                    mine, encoding !== "br" ? node
                        : { ...node, encoding: "identity" }),
            });

// The choice of the encoding is the reference's, header by header, but where
// that is br.
const accepts = [
    "", "gzip", "GZIP", "br", "deflate", "identity", "*", "gzip, deflate",
    "gzip, deflate, br", "br, gzip", "deflate, gzip;q=1.0, *;q=0.5",
    "gzip;q=0.5, br;q=0.4", "gzip;q=0.4, br;q=0.5", "gzip;q=0", "br;q=0, *",
    "*;q=0", "*;q=0.1, gzip;q=0.1", "identity;q=1, gzip;q=0.5",
    "identity, *;q=0", "gzip;q=0.001", "gzip;q=0.0", "gzip;q=1.000",
    "compress", "compress, gzip", "x-gzip", "gzip;level=5", "gzip;q=x",
    "gzip;level=1;q=0.2, deflate;q=0.3", " gzip ; q=0.8 , deflate ;q=0.9 ",
    ",,gzip,,", "gzip gzip", "gzip;q=2, br", "gzip;q=0.9,deflate;q=0.9",
    "deflate;q=0.9,gzip;q=0.9", "*, gzip;q=0.5", "*;q=0.5, gzip;q=0.5",
    "br;q=0.5, br;q=0.9, gzip;q=0.7", "zstd, br, gzip",
    "gzip, deflate, br, zstd", ";q=1", "*;q=0, deflate",
];

const withoutBr = { "br": "identity", "*, gzip;q=0.5": "deflate" };

for (const [i, header] of accepts.entries())
    twin(`client_file_encoding_for_accept_encoding_${i + 1}`,
         async (server) => {
            const { headers } = await fetchFile(
                server, "/socket.io/socket.io.min.js",
                { "Accept-Encoding": header });
            return [header, headers["content-encoding"] ?? "identity"];
        }, {
            options,
            ours: ([, mine], [, node]) => {
                if (node === "br")
                    same(mine, withoutBr[header] ?? "gzip");
                else
                    same(mine, node);
            },
            why: "there is no br: see lib/transport/encoding.h",
        });

twin("client_file_answers_head_like_get_without_a_body", async (server) => {
    const { status, headers, body } = await fetchFile(
        server, "/socket.io/socket.io.js", { "Accept-Encoding": "gzip" },
        "HEAD");

    return [status, headers["content-type"], headers["content-encoding"],
            body.length];
}, { options });

twin("client_file_for_a_page_of_another_origin", async (server) => {
    const found = [];

    for (const origin of ["http://pages.example", "http://other.example"]) {
        const { status, headers } = await fetchFile(
            server, "/socket.io/socket.io.esm.min.js", { Origin: origin });
        found.push([status, headers["access-control-allow-origin"] ?? null]);
    }
    return found;
}, {
    options: [...options, "--cors", "http://pages.example,http://b.example"],
});

twin("client_file_says_what_its_body_depends_on", async (server) => {
    const { headers } = await fetchFile(server, "/socket.io/socket.io.js");
    return headers.vary ?? null;
}, {
    options, ours: "Accept-Encoding",
    why: "a cache that knows no better would give gzip to who cannot read it",
});

twin("client_file_by_post_is_a_request_for_engine_io", async (server) =>
    (await fetchFile(server, "/socket.io/socket.io.js", {}, "POST")).status, {
    options, ours: 400, why: "Node serves it whatever the method is",
});

twin("query_of_a_client_file_is_ignored", async (server) =>
    shape(await fetchFile(server, "/socket.io/socket.io.min.js?v=1&x")),
     { options });

/*
 * Folders that are not as they should be
 */

// A server with a folder of its own.
async function serve(t) {
    const own = mkdtempSync(join(tmpdir(), "interop-"));

    t.after(() => rmSync(own, { recursive: true }));
    const home = join(own, "dist");
    mkdirSync(home);
    const server = await privateServer(t, "ours", "interop",
                                       ["--client-dir", home]);
    return { own, home, server };
}

const name = "socket.io.js";
const path = `/socket.io/${name}`;

test("missing_client_file_is_not_found", async (t) => {
    const { server } = await serve(t);
    const { status, headers, body } = await fetchFile(server, path);

    same([status, headers["content-type"], body.toString()],
         [404, "application/json", '{"error":"Not Found"}']);
});

test("symbolic_link_is_followed_inside_the_folder_only", async (t) => {
    const { own, home, server } = await serve(t);

    writeFileSync(join(own, "secret"), "secret");
    symlinkSync(join(own, "secret"), join(home, name));
    same((await fetchFile(server, path)).status, 404);
    rmSync(join(home, name));
    symlinkSync("../secret", join(home, name));
    same((await fetchFile(server, path)).status, 404);
    rmSync(join(home, name));

    writeFileSync(join(home, "real.js"), "public");
    symlinkSync("real.js", join(home, name));
    const { status, body } = await fetchFile(server, path);
    same([status, body.toString()], [200, "public"]);
    rmSync(join(home, name));
    symlinkSync(name, join(home, name));
    same((await fetchFile(server, path)).status, 404);
});

test("what_is_no_file_is_not_found", async (t) => {
    const { home, server } = await serve(t);

    mkdirSync(join(home, name));
    same((await fetchFile(server, path)).status, 404);
});

test("empty_client_file_is_served", async (t) => {
    const { home, server } = await serve(t);

    writeFileSync(join(home, name), "");
    for (const encoding of ["identity", "gzip"]) {
        const found = shape(await fetchFile(server, path,
                                            { "Accept-Encoding": encoding }));
        same([found.status, found.length], [200, 0]);
    }
});

test("huge_client_file_is_not_found", async (t) => {
    const { home, server } = await serve(t);
    const file = join(home, name);

    writeFileSync(file, "");
    truncateSync(file, 8 << 20);
    const { status, body, headers } = await fetchFile(
        server, path, { "Accept-Encoding": "gzip" });
    // as large as may be, it is served, but not compressed
    same([status, body.length, headers["content-encoding"] ?? null],
         [200, 8 << 20, null]);
    truncateSync(file, (8 << 20) + 1);
    same((await fetchFile(server, path)).status, 404);
});

test("changed_client_file_is_served_anew_in_every_encoding", async (t) => {
    const { home, server } = await serve(t);
    const file = join(home, name);
    const tags = new Set();

    for (let i = 0; i < 3; i++) {
        const text = `// ${"x".repeat(1000 * i)} version ${i}`;

        writeFileSync(file, text);
        for (const encoding of ["identity", "gzip", "deflate"]) {
            const response = await fetchFile(
                server, path, { "Accept-Encoding": encoding });
            const found = shape(response);
            same([found.status, found.digest], [200, digest(text)]);
            tags.add(response.headers.etag);
            // and its tag saves sending it, in that encoding alone
            const again = await fetchFile(server, path, {
                "Accept-Encoding": encoding,
                "If-None-Match": `"x", W/${response.headers.etag}`,
            });
            same([again.status, again.body.length], [304, 0]);
        }
    }
    same(tags.size, 9);
    same((await fetchFile(server, path, { "If-None-Match": "*" })).status, 304);
});

test("client_file_that_changes_while_it_is_served_comes_whole", async (t) => {
    const { home, server } = await serve(t);
    const file = join(home, name);
    const versions = ["a", "b"].map((c) => c.repeat(3000000));

    writeFileSync(file, versions[0]);
    for (let i = 0; i < 10; i++) {
        const [response] = await Promise.all([
            fetchFile(server, path),
            (async () => {
                writeFileSync(`${file}.new`, versions[(i + 1) % 2]);
                copyFileSync(`${file}.new`, file);
            })(),
        ]);
        if (response.status === 200 &&
            response.body.length === versions[0].length)
            check(versions.some((each) =>
                digest(each) === digest(response.body)), "a mixture");
    }
    check(statSync(file).size === versions[0].length, "the file");
}, { timeout: 30000 });

twin("client_file_has_a_tag_that_saves_sending_it_again",
    async (server, t) => {
        const path = "/socket.io/socket.io.min.js";
        const first = await http(server, t, path);
        const { etag } = first.headers;
        const again = await http(server, t, path,
                                 { headers: { "If-None-Match": etag } });
        const other = await http(server, t, path,
                                 { headers: { "If-None-Match": '"x"' } });

        check(/^(W\/)?"[^"]+"$/.test(etag), `ETag ${etag}`);
        return [first.status, again.status, again.body, other.status,
                other.body.length === first.body.length];
    }, { options, expect: [200, 304, "", 200, true] });

twin("client_file_answers_head_without_a_body", async (server, t) =>
    answer(server, t, "/socket.io/socket.io.js", { method: "HEAD" }),
     { options, expect: [200, ""] });

// A script of that name is not there; the request is one for Engine.IO then.
for (const name of ["other.js", "..%2fpackage.json", "../package.json",
                    "socket.io.js/", ".%2e/package.json"])
    twin(`client_file_${name.replace(/\W/g, "_")}_is_not_served`,
         async (server, t) => {
            const { status, body } = await http(server, t,
                                                `/socket.io/${name}`);
            check(status >= 400 && status < 500, `answered ${status}`);
            check(!body.includes("socket.io-client"), "a file came");
        }, { options });

twin("sessions_work_beside_the_client_files", async (server, t) => {
    const session = await polling(server, t);

    await session.post("40");
    return (await session.packets(2)).length;
}, { options, expect: 2 });

twin("client_files_are_not_served_unless_asked_for", async (server, t) =>
    (await http(server, t, "/socket.io/socket.io.min.js")).status,
     { expect: 400 });

await finish();
