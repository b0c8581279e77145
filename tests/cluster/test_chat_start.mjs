// examples/cluster/run gets a signal before all of it runs: it ends soon, and
// leaves no process and no file behind.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync,
         writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { check, deadline, finish, require, same, sleep, test }
    from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { freePort } from "../interop/ports.mjs";
import { until } from "./cluster.mjs";
import { programOf } from "./proxies.mjs";

const why = (process.env.HAVE_ALL ?? "yesyes") !== "yesyes" ? "no Redis" :
    programOf("nginx") ? "" : "no nginx";
if (why) {
    console.log(`1..0 # SKIP ${why}`);
    process.exit(0);
}

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const client = join(dirname(require.resolve("socket.io-client/package.json")),
    "dist");
const WAIT_MS = 8000; // of which a node takes two to send clients away
const MOMENTS = 12; // of a start that are tried
const AT_ONCE = 3;
const groups = new Set();

function kill(pid, signal) {
    try {
        process.kill(pid, signal);
    } catch {
        // it has ended
    }
}

process.on("exit", () => {
    for (const pid of groups) kill(-pid, "SIGKILL");
});

// Who lives of a process group; one that has ended may still wait for init.
function living(group) {
    return readdirSync("/proc").flatMap((pid) => {
        try {
            const [state, , pgrp] = readFileSync(`/proc/${pid}/stat`, "utf8")
                .split(") ").at(-1).split(" ");
            return Number(pgrp) !== group || state === "Z" ? []
                : [readFileSync(`/proc/${pid}/cmdline`, "utf8")
                    .replaceAll("\0", " ")];
        } catch {
            return []; // no process, or it is gone
        }
    });
}

// In a group of its own, with a folder for its files.
async function begin(t, chat) {
    const folder = mkdtempSync(join(tmpdir(), "skio-start-"));

    chmodSync(folder, 0o755); // nginx' workers are somebody else
    const child = spawn(join(repository, "examples/cluster/run"),
        [String(await freePort()), chat,
         join(repository, "examples/chat/public"), client],
        { detached: true, stdio: ["ignore", "pipe", "pipe"],
          env: { ...process.env, TMPDIR: folder } });
    const cluster = { child, folder, output: "" };

    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8")
            .on("data", (text) => { cluster.output += text; });
    cluster.exited = once(child, "exit");
    groups.add(child.pid);
    t.after(async () => {
        kill(-child.pid, "SIGKILL");
        await cluster.exited;
        groups.delete(child.pid);
        rmSync(folder, { recursive: true });
    });
    return cluster;
}

// As `kill` does to it alone, or Ctrl+C to its group. One that comes before it
// has begun to listen to signals ends it, too.
async function endsWell(cluster, signal, when) {
    const { child, folder, exited } = cluster;

    kill(signal === "SIGINT" ? -child.pid : child.pid, signal);
    const [code, by] = await deadline(exited, WAIT_MS, `${signal} ${when}`);
    same([signal, when, code ?? by, living(child.pid), readdirSync(folder)],
         [signal, when, by ?? 0, [], []]);
    check(by === null || by === signal, `${when}: ${by}`);
}

const signals = ["SIGTERM", "SIGINT"];

for (const signal of signals)
    test(`${signal}_ends_a_node_that_does_not_listen_yet`, async (t) => {
        const own = mkdtempSync(join(tmpdir(), "skio-chat-"));
        const chat = join(own, "chat");

        t.after(() => rmSync(own, { recursive: true }));
        writeFileSync(chat, "#!/bin/sh\nexec sleep 60\n", { mode: 0o755 });
        const cluster = await begin(t, chat);
        await until("the first node", () => readdirSync(cluster.folder)
            .some((dir) => existsSync(join(cluster.folder, dir, "n1.pid"))));
        await endsWell(cluster, signal, "with a node that is mute");
    }, { timeout: 60000 });

test("a_signal_at_any_time_of_the_start_leaves_nothing", async (t) => {
    const chat = join(build, "examples/chat");
    const began = Date.now();
    const whole = await begin(t, chat);

    await until("all to run", () => whole.output.includes("Kill one"));
    const took = Date.now() - began;
    await endsWell(whole, "SIGTERM", "when all runs");

    const moments = Array.from({ length: MOMENTS },
        (_, i) => [Math.round(took * i / (MOMENTS - 1)), signals[i % 2]]);
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (let next = moments.shift(); next; next = moments.shift()) {
            const [ms, signal] = next;
            const cluster = await begin(t, chat);

            await sleep(ms);
            await endsWell(cluster, signal, `after ${ms} ms`);
        }
    }));
}, { timeout: 240000 });

await finish();
