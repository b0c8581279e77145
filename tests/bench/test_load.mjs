// The load generator: each workload counts something on the floor and on ours,
// and what goes wrong ends it. How long anything takes is not asked here.
import { once } from "node:events";
import { createServer } from "node:http";

import { makeCertificate, measure } from "./measure.mjs";
import { findServers } from "./servers.mjs";

const SECONDS = 0.1;
const few = ["--clients", "5"];
const workloads = {
    echo: [...few, "echo"],
    echo_deep: [...few, "--depth", "16", "echo"],
    echo_of_16_kb: [...few, "--size", "16384", "echo"],
    echo_among_idle: ["--clients", "1", "--idle", "20", "echo"],
    echo_polling: [...few, "--polling", "echo"],
    echo_polling_deep: [...few, "--polling", "--depth", "16", "echo"],
    broadcast: [...few, "broadcast"],
    broadcast_deep: [...few, "--depth", "16", "broadcast"],
    room: ["--clients", "20", "--rooms", "3", "room"],
    room_of_many: [...few, "--rooms", "1", "--memberships", "9", "room"],
    connect: [...few, "connect"],
    upgrade: [...few, "--seconds", "1", "upgrade"],
    idle: [...few, "--browser", "idle"],
    idle_polling: [...few, "--polling", "--one-connection", "idle"],
    idle_polling_twice: [...few, "--polling", "idle"],
    mixed: ["--idle", "10", "mixed"],
};
const pings = ["--ping-interval", "100", "--ping-timeout", "20000"];
const certificate = makeCertificate();
const { servers } = await findServers(true, ["floor", "ours"]);
const [floor, ours] = servers;
const tests = [];

const test = (name, run) => tests.push({ name, run });

async function load(server, args, more = {}) {
    const { result, why } = await measure(server, { server: more, args },
        { seconds: SECONDS, certificate });
    if (why) throw new Error(why);
    return result;
}

/** Something is counted; connections that do nothing are all there. A machine
 *  that stood still for all of the time is asked once more, for longer. */
async function counts(server, args, more) {
    let result;

    for (const times of [1, 10, 50]) {
        result = await load(server,
            ["--seconds", String(SECONDS * times), ...args], more);
        if ((result.workload === "idle" ? result.clients : result.count) > 0)
            return;
    }
    throw new Error(JSON.stringify(result));
}

for (const server of servers)
    for (const [name, args] of Object.entries(workloads))
        test(`${server.name}_${name}`, () => counts(server, args));

for (const server of servers)
    for (const name of ["echo", "echo_polling", "connect", "upgrade"])
        test(`${server.name}_${name}_by_tls`, async () => certificate === null
            ? "SKIP openssl is not installed"
            : counts(server, ["--seconds", "1", ...workloads[name]],
                { tls: true }));

test("ours_mixed_answers_pings_of_both_transports", async () => {
    const args = ["--seconds", "1", ...workloads.mixed];
    const result = await load(ours, args, { args: pings });
    const calm = await load(ours, args);
    if (!(result.websocket_pings > 0 && result.poll_pings > 0) ||
        calm.websocket_pings + calm.poll_pings > 0)
        throw new Error(JSON.stringify([result, calm]));
});

// The floor makes its answers when it sees the first question.
test("an_answer_of_another_size_ends_the_load", async () => {
    const started = await floor.start();
    const same = { ...floor, start: () => ({ ...started, stop() {} }) };

    try {
        await load(same, [...few, "echo"]);
        const { why } = await measure(same,
            { server: {}, args: [...few, "--size", "40", "echo"] },
            { seconds: SECONDS });
        if (!/not as expected/.test(why)) throw new Error(why);
    } finally {
        await started.stop();
    }
});

// It opens sessions and knows none of them a moment later.
async function upgradesRefused(...args) {
    let sessions = 0;
    const open = JSON.stringify({ sid: "one", upgrades: ["websocket"],
        pingInterval: 25000, pingTimeout: 20000, maxPayload: 1000000 });
    const server = createServer((request, response) => {
        if (/sid=/.test(request.url)) return response.writeHead(400).end();
        sessions++;
        response.end(`0${open}`);
    });

    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { why } = await measure({ start: () => ({
        port: server.address().port, pids: [], stop() {} }) },
    { server: {}, args: ["--clients", "1", ...args, "upgrade"] },
    { seconds: SECONDS });
    server.closeAllConnections();
    server.close();
    if (!/an upgrade was answered by/.test(why)) throw new Error(why);
    return sessions;
}

test("an_upgrade_that_is_refused_ends_the_load_or_begins_anew", async () => {
    const counts = [await upgradesRefused(),
        await upgradesRefused("--refusals", "3")];
    if (String(counts) !== "1,4") throw new Error(String(counts));
});

test("a_server_that_ends_ends_the_load", async () => {
    const dying = { ...ours, async start() {
        const started = await ours.start();
        setTimeout(() => process.kill(started.pids[0], "SIGKILL"), 500);
        return started;
    } };
    const { why } = await measure(dying,
        { server: {}, args: ["--seconds", "20", ...few, "echo"] },
        { seconds: SECONDS });
    if (!/^bench-load: /.test(why)) throw new Error(why ?? "it went on");
});

console.log(`1..${tests.length}`);
let next = 0;
await Promise.all(Array.from({ length: 4 }, async () => {
    while (next < tests.length) {
        const { name, run } = tests[next++];
        const number = next;
        try {
            const skip = await run();
            console.log(`ok ${number} - ${name}` +
                (typeof skip === "string" ? ` # ${skip}` : ""));
        } catch (error) {
            console.log(`not ok ${number} - ${name}\n# ${error.message}`);
            process.exitCode = 1;
        }
    }
}));
