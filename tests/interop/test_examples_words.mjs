// What the examples and tools say when something is wrong: each names the
// option, or the argument, that is to be changed, and ends with a status that
// is not 0. And when all is right: what runs, and how it is stopped.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { check, deadline, finish, same, test } from "./harness.mjs";
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
const benchServer = `${build}/bench-server`;
const page = "examples/chat/public";
// Programs with a page, and what each needs to run at all.
const pages = Object.entries({ chat: [], dashboard: [], notify: ["--demo"] })
    .map(([name, options]) => [name, `${build}/examples/${name}`, options])
    .filter(([, program]) => existsSync(program));

// A folder that is gone after the test; with the client that pages load, or
// what a test takes for it.
function folderFor(t, ...files) {
    const folder = mkdtempSync(join(tmpdir(), "skio-words-"));

    for (const file of files) writeFileSync(join(folder, file), "");
    t.after(() => rmSync(folder, { recursive: true }));
    return folder;
}
const clientFor = (t) => folderFor(t, "socket.io.min.js");

// What a program says until it has said a word; it is stopped then.
async function saysAtStart(t, word, program, ...args) {
    const child = spawn(program, args, { cwd: repository });
    const closed = once(child, "close");
    let text = "";

    t.after(() => child.kill("SIGKILL"));
    await deadline(new Promise((done) => {
        for (const stream of [child.stdout, child.stderr])
            stream.setEncoding("utf8").on("data", (more) => {
                text += more;
                if (text.includes(word)) done();
            });
        closed.then(done);
    }), 10000, `${program}: ${word}`);
    child.kill("SIGTERM");
    const [code] = await deadline(closed, 10000, "the end");
    same([program, code], [program, 0]);
    return text;
}

test("a_wrong_option_is_named", async (t) => {
    const free = ["--port", "0", "--public", page, "--client", clientFor(t)];

    await complains("chat: --nonsense:", 2, chat, "--nonsense");
    await complains("chat: --port:", 2, chat, "--port", "65536");
    await complains("chat: --name a.b:", 1, chat, ...free, "--name", "a.b");
    await complains("--trust nonsense", 1, chat, ...free,
        "--trust", "nonsense");
    for (const name of ["mailbox", "threads"]) {
        await complains(`usage: ${name} [PORT`, 2, `${build}/examples/${name}`,
            "--help");
        await complains(`usage: ${name} [PORT`, 2, `${build}/examples/${name}`,
            "65536");
    }
});

for (const [name, program, options] of pages)
    test(`${name}_names_a_folder_that_is_not_there`, async (t) => {
        const data = folderFor(t);
        const client = clientFor(t);
        const empty = folderFor(t);
        const there = { "--public": `examples/${name}/public`,
                        "--client": client };
        const run = (option, folder, words) => complains(
            `${name}: ${option} ${folder}: ${words}`, 1, program, ...options,
            "--port", "0", ...Object.entries({ ...there, [option]: folder })
                .flat(), ...name === "notify" ? ["--data", `${data}/db`] : []);

        for (const [option, file] of [["--public", "index.html"],
                                      ["--client", "socket.io.min.js"]]) {
            const words = `${file}: No such file or directory`;

            await run(option, "/nowhere", words);
            await run(option, empty, words);
            await run(option, "LICENSE", `${file}: Not a directory`);
        }
        check(!existsSync(`${data}/db`), "it made its store before it looked");
        const said = await saysAtStart(t, "Ctrl+C", program, ...options,
            "--port", "0", ...Object.entries(there).flat(),
            ...name === "notify" ? ["--data", `${data}/db`] : []);
        check(/http:\/\/localhost:\d+ /.test(said), said);
    });

test("notify_names_its_option_once", async (t) => {
    const notify = `${build}/examples/notify`;

    if (!existsSync(notify))
        return;
    const [code, text] = await said(notify, "--demo", "--address", "nonsense",
        "--data", `${folderFor(t)}/db`, "--public", "examples/notify/public",
        "--client", clientFor(t));
    check(code === 1 && /^notify: --port 3000, --address nonsense: .*\n$/m
        .test(text) && !/^notify: invalid argument$/m.test(text), text);
    await complains("notify: --nonsense: unknown", 2, notify,
        "--nonsense", "1");
});

test("bench_server_says_how_it_is_stopped", async (t) => {
    const said = await saysAtStart(t, "listening on", benchServer, "0");

    check(/^bench-server: for .* --port \d+ .*stop with Ctrl\+C$/m.test(said),
          said);
});

test("bench_server_names_the_option", async () => {
    const wrong = (option, ...args) => complains(`bench-server: ${option}`, 2,
        benchServer, "0", ...args);

    await wrong("--redis needs --adapter", "--redis", "redis://127.0.0.1:1");
    await wrong("--adapter is unknown, or its value", "--adapter", "nonsense");
    for (const [option, ...values] of [["--recovery", "x", "-1", "4294967296"],
        ["--rx", "x"], ["--ping-interval", "1s"], ["--ping-timeout", ""],
        ["--threads", "0", "65"]])
        for (const value of values)
            await wrong(`${option} is unknown, or its value`, option, value);
    if ((process.env.HAVE_ALL ?? "yesyes") === "yesyes")
        await complains("bench-server: --adapter redis, --redis nonsense: ", 1,
            benchServer, "0", "--adapter", "redis", "--redis", "nonsense");
});

test("bench_names_the_variable", async () => {
    const wrong = (variable, words) => complains(`bench: ${variable}: ${words}`,
        2, "env", "QUICK=1", variable, process.execPath,
        `${repository}/tests/bench/bench.mjs`);

    await wrong("ONLY=nothing at all", "no row's name matches");
    await wrong("BENCH_SERVERS=ours,nobody", '"nobody" is not');
    await wrong("ROUNDS=0", "1 or more");
    await wrong("SECONDS_EACH=soon", "more than 0");
});

test("an_argument_too_many_is_not_taken_in_silence", async () => {
    for (const name of ["small", "systemd"])
        if (existsSync(`${build}/examples/embed/${name}`))
            await complains(`usage: ${name} [PORT]`, 2,
                `${build}/examples/embed/${name}`, "0", "0");
});

test("a_port_in_use_is_named", async (t) => {
    const holder = createServer().listen(0, "127.0.0.1");

    await once(holder, "listening");
    t.after(() => holder.close());
    const port = String(holder.address().port);
    await complains(`chat: --port ${port},`, 1, chat, "--port", port,
        "--address", "127.0.0.1", "--public", page, "--client", clientFor(t));
    await complains(`mailbox: port ${port}:`, 1, `${build}/examples/mailbox`,
        port);
});

await finish();
