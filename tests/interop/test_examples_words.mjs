// What the examples say when something is wrong: each names the option, or the
// argument, that is to be changed, and ends with a status that is not 0.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { check, finish, test } from "./harness.mjs";
import { repository } from "./npm.mjs";

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);

async function said(program, ...args) {
    const child = spawn(program, args, { cwd: repository });
    let text = "";

    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (more) => { text += more; });
    const watch = setTimeout(() => child.kill("SIGKILL"), 20000);
    const [code] = await once(child, "close");

    clearTimeout(watch);
    return [code, text];
}

async function complains(words, status, program, ...args) {
    const [code, text] = await said(program, ...args);

    check(code === status && text.includes(words),
        `${program} ${args.join(" ")}: ${code} ${text}`);
}

const chat = `${build}/examples/chat`;
const page = "examples/chat/public";

test("a_wrong_option_is_named", async () => {
    const free = ["--port", "0", "--public", page];

    await complains("chat: --nonsense:", 2, chat, "--nonsense");
    await complains("chat: --port:", 2, chat, "--port", "65536");
    await complains("chat: --public /nowhere:", 1, chat, "--public", "/nowhere");
    await complains("chat: --name a.b:", 1, chat, ...free, "--name", "a.b");
    await complains("--trust nonsense", 1, chat, ...free, "--trust", "nonsense");
    for (const name of ["mailbox", "threads"]) {
        await complains(`usage: ${name} [PORT`, 2, `${build}/examples/${name}`,
            "--help");
        await complains(`usage: ${name} [PORT`, 2, `${build}/examples/${name}`,
            "65536");
    }
});

test("a_port_in_use_is_named", async (t) => {
    const holder = createServer().listen(0, "127.0.0.1");

    await once(holder, "listening");
    t.after(() => holder.close());
    const port = String(holder.address().port);
    await complains(`chat: --port ${port},`, 1, chat, "--port", port,
        "--address", "127.0.0.1", "--public", page);
    await complains(`mailbox: port ${port}:`, 1, `${build}/examples/mailbox`,
        port);
});

await finish();
