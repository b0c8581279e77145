// Runs a client that is a program of its own, in any language, against our
// server.
//
//   COMMAND… URL MODE      MODE: polling, websocket or upgrade
//
// The program goes through the scenarios below and prints a line for each:
// "ok NAME" or "not ok NAME: why". The line "restart" asks for the server to
// be killed, and started again on the same port; that scenario comes first,
// since what leaked is told only by a server that is let end. What a program
// has to say beyond that goes to stderr, and is shown when it failed.
//
//   reconnection   the client comes back by itself to a server that was killed
//   connects       with auth {n: 1}: welcome("/", {n: 1}); the transport is
//                  the one that was asked for
//   acks           echo of text, null, numbers and a nested object; ask, and
//                  the server's question is acknowledged
//   binary         echo, bytes and nested: both ways, within objects, empty
//   large          a text of 100000 characters both ways
//   rooms          to a room, to all but the sender; only members get it
//   namespaces     "/" and "/custom" have their own events
//   refusal        /auth and a wrong token: the message and its data
//   disconnection  the server disconnects the socket

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { check, privateServer, test } from "../interop/harness.mjs";
import { npmFolder } from "../interop/npm.mjs";

const modes = ["polling", "websocket", "upgrade"];
const scenarios = [
    "reconnection", "connects", "acks", "binary", "large", "rooms",
    "namespaces", "refusal", "disconnection",
];
const HEALTH = "server_lives_and_stops_cleanly";
const TIME_MS = 60000;

// The results by name, and what the program wrote to stderr.
async function run(command, mode, options) {
    const results = new Map();
    let server = null, stop = null, stderr = "";
    const start = async (port) => {
        const context = { after: (fn) => { stop = fn; } };
        server = await privateServer(context, "ours", "interop", options, port);
    };

    await start();

    const [program, ...rest] = command;
    const child = spawn(program, [...rest, server.url, mode],
                        { stdio: ["ignore", "pipe", "pipe"] });
    const timer = setTimeout(() => child.kill("SIGKILL"), TIME_MS);
    const ended = new Promise((done) => {
        child.on("error", (error) => done(String(error)));
        child.on("close", (code, signal) => done(code ?? signal));
    });

    child.stderr.setEncoding("utf8").on("data", (text) => {
        stderr = (stderr + text).slice(-4000);
    });
    try {
        for await (const line of createInterface({ input: child.stdout })) {
            const [, failed, name, why] =
                /^(not )?ok ([a-z]+)(?:: (.*))?$/.exec(line) ?? [];

            if (name)
                results.set(name, failed ? why ?? "failed" : null);
            if (line === "restart") {
                server.stopping = true;
                server.child.kill("SIGKILL");
                await server.exited;
                await start(server.port);
            }
        }
        const status = await ended;
        if (status !== 0)
            stderr += `\nthe program ended with ${status}`;
        await stop();
        results.set(HEALTH, null);
    } catch (error) {
        results.set(HEALTH, error.message);
    } finally {
        clearTimeout(timer);
        child.kill("SIGKILL");
    }
    return { results, stderr };
}

// The folder that tests/clients/setup built a client in; without it the
// language is skipped.
export function built(name, proof) {
    const folder = `${npmFolder}/../clients/${name}`;

    if (!existsSync(`${folder}/${proof}`)) {
        console.log(`1..0 # SKIP there is no client in ${name}`);
        process.exit(0);
    }
    return folder;
}

/*
 * Tests for each mode and scenario; a program runs once a mode.
 *
 * without   scenarios that the client itself cannot do, in all modes or in
 *           one ("upgrade_binary"): say why beside it
 */
export function clientTests(label, command, { without = [], options = [] } = {}) {
    for (const mode of modes) {
        let once = null;

        for (const name of [...scenarios, HEALTH]) {
            if (without.includes(name) || without.includes(`${mode}_${name}`))
                continue;
            test(`${label}_${mode}_${name}`, async () => {
                once ??= run(command, mode, options);
                const { results, stderr } = await once;

                check(results.has(name), `did not report\n${stderr}`);
                check(results.get(name) === null,
                      `${results.get(name)}\n${stderr}`);
            }, { timeout: TIME_MS + 20000 });
        }
    }
}
