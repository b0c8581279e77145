// The browser client that the server hands out, next to the reference.

import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { check, finish, need, require, twin } from "./harness.mjs";
need("socket.io", "socket.io-client");
const { answer, http, polling } = await import("./raw.mjs");

const folder =
    `${dirname(require.resolve("socket.io-client/package.json"))}/dist`;
const options = ["--client-dir", folder];
const script = "application/javascript";

function digest({ status, headers, body }) {
    return [status, headers["content-type"]?.split(";")[0],
            createHash("sha256").update(body).digest("hex")];
}

for (const name of ["socket.io.js", "socket.io.min.js",
                    "socket.io.esm.min.js", "socket.io.msgpack.min.js"])
    twin(`client_file_${name.replace(/\W/g, "_")}_is_served`,
         async (server, t) => {
            const result = digest(await http(server, t, `/socket.io/${name}`));
            check(result[0] === 200, `answered ${result[0]}`);
            return result;
        }, {
            options,
            ours: ([status, type, hash], node) => {
                check(status === 200 && hash === node[2], "another file");
                check(/^(application|text)\/javascript$/.test(type), type);
            },
            why: "text/javascript is the newer name of the same type",
        });

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
