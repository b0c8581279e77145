// The servers that `make bench` measures: the floor, ours, and the peers.
//
// A peer is a file peers/NAME.mjs that exports `peer`:
//
//     name       the column's title
//     note       versions, the runtime, settings: one line for the page
//     async prepare(build, { quick })
//                installs or builds below build/peers/NAME what is missing;
//                quick: only what is there already counts. Returns true, or
//                false after setting `why`
//     command    [program, …]; prints "listening on PORT", of 127.0.0.1, and
//                serves what the head of bench-server.c says; ends on SIGTERM
//     env        more environment
//     tls        true: with TLS_CERT and TLS_KEY in its environment, two PEM
//                files, it speaks TLS
//     slow       true: left out of a quick run
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const build = resolve(process.env.SKIO_BUILD ?? `${here}/../../build`);

const START_MS = 30000;
const running = new Set();

process.on("exit", () => running.forEach(kill));
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
    process.on(signal, () => process.exit(130));

function kill(child) {
    try {
        process.kill(-child.pid, "SIGKILL"); // a group of its own
    } catch {
        // it has ended already
    }
}

/** A process and all that it has started. */
function family(pid) {
    const pids = [pid];

    for (let i = 0; i < pids.length; i++)
        try {
            for (const task of readdirSync(`/proc/${pids[i]}/task`))
                pids.push(...readFileSync(
                    `/proc/${pids[i]}/task/${task}/children`, "utf8")
                    .split(" ").filter(Boolean).map(Number));
        } catch {
            // one that ended while we looked
        }
    return pids;
}

/** "listening on PORT", or why there is none. */
async function portOf(child) {
    let text = "", timer;
    const port = new Promise((done, fail) => {
        child.stdout.on("data", (data) => {
            text += data;
            const found = /listening on (\d+)/.exec(text);
            if (found) done(Number(found[1]));
        });
        child.on("error", fail);
        child.on("exit", (status) =>
            fail(new Error(`ended with status ${status}`)));
        timer = setTimeout(() => fail(new Error("does not listen")), START_MS);
    });

    return port.finally(() => clearTimeout(timer));
}

class BenchServer {
    constructor(name, { note = "", command, env = {}, tls, peer }) {
        Object.assign(this, { name, note, command, env, tls, peer });
    }

    /** Start it, at a port of its own or (ours) one that exists. */
    async start({ args = [], tls, port, descriptors, program } = {}) {
        let command = [...this.command, ...args];
        const env = { ...process.env, ...this.env };

        if (program) command[0] = `${build}/${program}`;
        if (port) command[1] = String(port);
        if (this.peer && tls)
            Object.assign(env, { TLS_CERT: tls.cert, TLS_KEY: tls.key });
        else if (tls)
            command.push("--tls", tls.cert, tls.key);
        if (descriptors) // of its own and its children
            command = ["/bin/sh", "-c", `ulimit -n ${descriptors} && exec "$@"`,
                "sh", ...command];
        const child = spawn(command[0], command.slice(1),
            { stdio: ["ignore", "pipe", "inherit"], env, detached: true });
        const ended = once(child, "close").catch(() => {});

        running.add(child);
        const stop = async () => {
            kill(child);
            await ended;
            running.delete(child);
        };
        try {
            return { port: await portOf(child), pids: family(child.pid), stop };
        } catch (error) {
            await stop();
            throw error;
        }
    }
}

/** All servers that this machine has; absent: peers, and why they are. */
export async function findServers(quick, chosen) {
    const servers = [
        new BenchServer("floor", { note: "raw epoll, answers framed in advance",
            command: [`${build}/floor-server`, "0"], tls: true }),
        new BenchServer("ours", { note: "libsocketio",
            command: [`${build}/bench-server`, "0"], tls: true }),
    ];
    const absent = [];

    for (const file of readdirSync(`${here}/peers`).sort()) {
        if (!file.endsWith(".mjs")) continue;
        const { peer } = await import(`${here}/peers/${file}`);
        if (chosen && !chosen.includes(peer.name)) continue;
        let why = quick && peer.slow ? "takes long to start" : "";
        try {
            if (!why && !await peer.prepare(build, { quick }))
                why = peer.why ?? "is not there";
        } catch (error) {
            why = error.message;
        }
        if (why)
            absent.push({ name: peer.name, why });
        else
            servers.push(new BenchServer(peer.name, { ...peer, peer: true }));
    }
    return {
        servers: servers.filter(({ name }) => !chosen || chosen.includes(name)),
        absent,
    };
}
