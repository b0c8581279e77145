// The harness of the interop tests: flat TAP, server processes, and "twins",
// scenarios that run against the reference implementation and against our
// server and must leave equal transcripts.
//
// A scenario gets (server, t) and returns its transcript, any JSON value.
// Several scenarios run at once; results are printed in the order of
// declaration. Environment:
//
//   SKIO_BUILD        where the built programs are (default: <repo>/build)
//   SKIO_NPM          where the npm packages are (default: $NPM, <repo>/build/npm)
//   SKIO_JOBS         scenarios at a time (default: 6)
//   SKIO_ONLY         run only tests whose name matches this expression
//   SKIO_SHOW         1: print the transcripts of the reference
//   SKIO_PARSER       the parser of all servers and clients (msgpack); tests that
//                     are written once run with each
//   SKIO_ORACLE_ONLY  1: the reference plays both parts (checks the scripts)

import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { inspect, isDeepStrictEqual } from "node:util";
import { here, repository, require } from "./npm.mjs";

export { require };

const buildFolder = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const oracleOnly = process.env.SKIO_ORACLE_ONLY === "1";
const jobs = Number(process.env.SKIO_JOBS ?? 6);
const parser = process.env.SKIO_PARSER;
const only = new RegExp(process.env.SKIO_ONLY ?? "");

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const TICK_MS = 100;

// The time counts while this process runs: one that is kept from running, on a
// busy machine, has not yet read what came meanwhile.
export function deadline(promise, ms, what) {
    let timer, left = ms;
    const late = new Promise((_, reject) => {
        const tick = () => {
            left -= TICK_MS;
            if (left <= 0)
                reject(new Error(`${what}: nothing after ${ms} ms`));
            else
                timer = setTimeout(tick, Math.min(left, TICK_MS));
        };
        timer = setTimeout(tick, Math.min(ms, TICK_MS));
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/*
 * Server processes
 *
 * A server prints "listening on PORT" when it is ready, and ends with status
 * 0 within five seconds of SIGTERM. Under AddressSanitizer that status also
 * says that nothing leaked.
 */

const programs = {
    interop: {
        node: ["node", `${here}/oracle.mjs`],
        ours: [`${buildFolder}/interop-server`],
        arguments: (options, port) => [
            String(port), ...options, ...(parser ? ["--parser", parser] : []),
        ],
    },
    hooks: {
        node: ["node", `${here}/oracle-hooks.mjs`],
        ours: [`${buildFolder}/hooks-server`],
        arguments: (options, port) => [String(port), ...options],
    },
    engine: {
        node: ["node", `${here}/oracle-engine.mjs`],
        ours: [`${buildFolder}/engine-server`],
        arguments: (options, port) => [String(port), ...options],
    },
    listener: {
        node: ["node", `${here}/oracle-listener.mjs`],
        ours: [`${buildFolder}/listener-server`],
        arguments: (options, port) => [String(port), ...options],
    },
    rates: {
        ours: [`${buildFolder}/rates-server`],
        arguments: (options, port) => [String(port), ...options],
    },
    tokens: {
        ours: [`${buildFolder}/tokens-server`],
        arguments: (options, port) => [String(port), ...options],
    },
    conformance: {
        node: ["node", `${here}/oracle-conformance.mjs`],
        ours: [`${buildFolder}/conformance-server`],
        arguments: ([role], port) => [role, String(port)],
    },
};

class Server {
    constructor(side, kind, options, port = 0) {
        this.side = side;
        this.kind = kind;
        this.options = options;
        this.port = port;
        this.stderr = "";
        this.stopping = false;
        this.trouble = [];
    }

    get label() {
        const named = this.options.filter((each) => !each.startsWith("/"));
        return [this.kind, ...named, this.side].join(" ")
            .replace(/[^a-zA-Z0-9]+/g, "_");
    }

    async start() {
        const program = programs[this.kind];
        const who = this.side === "ours" && oracleOnly ? "node" : this.side;
        const [command, ...rest] = program[who];

        this.child = spawn(
            command,
            [...rest, ...program.arguments(this.options, this.port)],
            { stdio: ["ignore", "pipe", "pipe"] });
        this.exited = once(this.child, "exit").then(([code, signal]) => {
            this.exit = { code, signal };
            if (!this.stopping) {
                this.trouble.push(`ended while in use (${code ?? signal})`);
                process.stderr.write(`${this.label}: ${this.stderr}\n`);
            }
            return this.exit;
        });
        this.child.stderr.setEncoding("utf8").on("data", (text) => {
            this.stderr = (this.stderr + text).slice(-20000);
        });
        this.port = await deadline(new Promise((ready, failed) => {
            let out = "";
            this.child.on("error", failed);
            this.exited.then(() => failed(new Error(
                `${command} ended at once: ${this.stderr}`)));
            this.child.stdout.setEncoding("utf8").on("data", (text) => {
                out = (out + text).slice(0, 1000);
                const match = /^listening on (\d+)$/m.exec(out);
                if (match)
                    ready(Number(match[1]));
            });
        }), 10000, `${this.label} to listen`);
        const scheme = this.options.includes("--tls-cert") ? "https" : "http";
        this.url = `${scheme}://127.0.0.1:${this.port}`;
        return this;
    }

    // Returns what was wrong about the life of this process, line by line.
    async stop() {
        this.stopping = true;
        if (!this.exit) {
            this.child.kill("SIGTERM");
            await deadline(this.exited, 5000, "SIGTERM").catch(() => {
                this.trouble.push("did not stop within 5 s of SIGTERM");
                this.child.kill("SIGKILL");
            });
        }
        await deadline(this.exited, 5000, "SIGKILL").catch(() => {});
        if (this.exit?.code !== 0)
            this.trouble.push(`exit ${inspect(this.exit)}`);
        if (/runtime error:|Sanitizer/.test(this.stderr))
            this.trouble.push("a sanitizer spoke");
        if (this.trouble.length > 0 && this.stderr)
            this.trouble.push(this.stderr);
        return this.trouble;
    }
}

const servers = new Map();

// Servers are shared by all scenarios that want the same options.
function serverFor(side, kind, options) {
    const key = JSON.stringify([side, kind, options]);

    if (!servers.has(key)) {
        const server = new Server(side, kind, options);
        servers.set(key, { server, started: server.start() });
    }
    return servers.get(key).started;
}

// For scenarios that stop their server themselves, or start it again on the
// same port.
export async function privateServer(t, side, kind, options, port) {
    const server = await new Server(side, kind, options, port).start();

    t.after(async () => {
        const trouble = await server.stop();
        if (trouble.length > 0)
            throw new Error(`${server.label}: ${trouble.join("\n")}`);
    });
    return server;
}

/*
 * Tests
 */

const tests = [];

// Handed to each run of a scenario: what to undo at its end.
class Context {
    constructor(name) {
        this.name = name;
        this.undo = [];
    }

    after(fn) {
        this.undo.push(fn);
    }

    async cleanUp() {
        for (const fn of this.undo.reverse())
            await fn();
    }
}

async function runScenario(name, fn, server, timeout) {
    const context = new Context(name);

    try {
        const transcript = await deadline(
            fn(server, context), timeout,
            `${name} (${server?.side ?? "alone"})`);
        // A copy: logs grow when their clients are closed below.
        return JSON.parse(JSON.stringify(transcript ?? null));
    } finally {
        await deadline(context.cleanUp(), 6000, `${name}: cleaning up`);
    }
}

// timed  whether a pause of this process can have made it fail
export function test(name, fn, { timeout = 10000, timed = true } = {}) {
    tests.push({
        name, timed,
        run: () => runScenario(name, (_, t) => fn(t), null, timeout),
    });
}

/*
 * Run fn against both servers and compare the transcripts.
 *
 * expect       both transcripts, where the protocol settles them
 * ours, why    ours where it differs on purpose, and the reason; a function
 *              judges our transcript instead (it throws or returns nothing)
 * judge        compares the transcripts in the place of plain equality
 * kind         which program ("interop", "conformance")
 * options      of the server
 */
export function twin(name, fn, { expect, ours, why, judge, timeout = 10000,
                                 kind = "interop", options = [] } = {}) {
    if ((ours === undefined) !== (why === undefined))
        throw new Error(`${name}: a difference needs a reason`);

    tests.push({
        name, timed: true,
        run: async () => {
            const [node, mine] = await Promise.all(
                ["node", "ours"].map(async (side) => {
                    const server = await serverFor(side, kind, options);
                    return runScenario(name, fn, server, timeout)
                        .catch((error) => {
                            error.message = `${side}: ${error.message}`;
                            throw error;
                        });
                }));

            if (process.env.SKIO_SHOW === "1")
                console.log(lines(node).map((line) => `#   ${line}`)
                    .join("\n"), `\n# ^ ${name}`);
            if (expect !== undefined)
                same(node, expect, "the reference", "expected");
            if (judge !== undefined)
                await judge(mine, node);
            else if (ours === undefined || oracleOnly)
                same(mine, node, "our server", "the reference");
            else if (typeof ours === "function")
                await ours(mine, node);
            else
                same(mine, ours, "our server", `expected, since ${why}`);
        },
    });
}

/*
 * Comparing
 */

function lines(value) {
    return inspect(value, {
        depth: 20, breakLength: 74, sorted: true,
        maxArrayLength: 1000, maxStringLength: 2000,
    }).split("\n");
}

// The common lines are context, the others carry - (actual) or + (wanted).
function difference(actual, wanted) {
    const a = lines(actual), b = lines(wanted);
    let head = 0, tail = 0;

    while (head < a.length && head < b.length && a[head] === b[head])
        head++;
    while (tail < a.length - head && tail < b.length - head &&
           a.at(-1 - tail) === b.at(-1 - tail))
        tail++;
    return [
        ...a.slice(Math.max(0, head - 3), head).map((line) => `  ${line}`),
        ...a.slice(head, a.length - tail).map((line) => `- ${line}`),
        ...b.slice(head, b.length - tail).map((line) => `+ ${line}`),
    ].slice(0, 80).join("\n");
}

export function same(actual, wanted, who = "got", whom = "wanted") {
    if (isDeepStrictEqual(actual, wanted))
        return;
    throw new Error(`- ${who}\n+ ${whom}\n${difference(actual, wanted)}`);
}

export function check(condition, what) {
    if (!condition)
        throw new Error(what);
}

/*
 * The run
 *
 * Scenarios with clocks mean nothing on a machine that did not run them: one
 * that failed while this process stood still is run again, which the output
 * tells. One that fails without such a pause has failed.
 */

const WATCH_MS = 20;
const PAUSE_MS = 60;
const TRIES = 4;
const pauses = []; // [when it was over, how long it was]

function watchPauses() {
    let last = performance.now();

    setInterval(() => {
        const now = performance.now();
        if (now - last - WATCH_MS > PAUSE_MS)
            pauses.push([now, Math.round(now - last - WATCH_MS)]);
        last = now;
    }, WATCH_MS).unref();
}

const longestPause = (since) => Math.max(0, ...pauses
    .filter(([end]) => end >= since).map(([, length]) => length));

// What was wrong, in the last try.
async function attempt({ name, timed, run }) {
    for (let i = 1;; i++) {
        const since = performance.now();

        try {
            await run();
            return undefined;
        } catch (error) {
            const pause = longestPause(since);
            if (!timed || pause === 0 || i === TRIES)
                return error ?? new Error("failed");
            console.log(`# ${name} again: this process stood still for ${
                pause} ms\n# ${String(error?.message ?? error)
                .split("\n", 1)}`);
        }
    }
}

function report(number, { name }, error) {
    if (error === undefined) {
        console.log(`ok ${number} - ${name}`);
        return;
    }
    console.log(`not ok ${number} - ${name}`);
    for (const line of String(error?.message ?? error).split("\n"))
        console.log(`# ${line}`);
}

// atOnce  how many scenarios run at a time
export async function finish(atOnce = jobs) {
    const chosen = tests.filter(({ name }) => only.test(name));
    const results = new Map();
    let printed = 0, next = 0, failed = 0;

    watchPauses();
    const worker = async () => {
        while (next < chosen.length) {
            const each = chosen[next++];

            results.set(each, await attempt(each));
            while (printed < chosen.length && results.has(chosen[printed])) {
                const result = results.get(chosen[printed]);
                failed += result !== undefined;
                report(printed + 1, chosen[printed++], result);
            }
        }
    };
    await Promise.all(Array.from({ length: atOnce }, worker));

    const stopped = [...servers.values()].map(async ({ server, started }) => {
        await started.catch(() => {});
        return [server, server.child?.pid ? await server.stop()
                                          : ["did not start"]];
    });
    for (const [server, trouble] of await Promise.all(stopped)) {
        failed += trouble.length > 0;
        report(++printed, { name: `${server.label}_stops_cleanly` },
               trouble.length > 0 ? new Error(trouble.join("\n")) : undefined);
    }
    console.log(`1..${printed}`);
    process.exit(failed > 0 ? 1 : 0);
}

// Without the packages there is nothing to compare with.
export function need(...packages) {
    for (const name of packages) {
        try {
            require.resolve(name);
        } catch {
            console.log(`1..0 # SKIP ${name} is not installed`);
            process.exit(0);
        }
    }
}
