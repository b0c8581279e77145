// make bench: the same load on the floor, on ours and on the peers, in turn.
//
//   SECONDS=3    counting of each figure, after a warm-up
//   ROUNDS=3     the median of so many runs, the servers in turn
//   ONLY=REGEX   rows by name      SERVERS=floor,ours,…   (all that are there)
//   QUICK=1      one round of one second, fewer rows
//
// Prints one table: a row for each workload, a column for each server; CPU
// microseconds of the server per operation, or bytes per connection, and the
// ratio of ours to the floor and to the best peer. JSON=FILE keeps everything.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { build, findServers } from "./servers.mjs";

const quick = process.env.QUICK === "1";
const seconds = process.env.SECONDS_EACH ?? (quick ? "1" : "3");
const rounds = Number(process.env.ROUNDS ?? (quick ? 1 : 3));
const only = new RegExp(process.env.ONLY ?? "");

const chosen = process.env.SERVERS?.split(",");
const { servers, absent } = await findServers(quick, chosen);

const rows = [
    ["echo, depth 1", "echo", "--clients", "100"],
    ["echo, depth 16", "echo", "--clients", "100", "--depth", "16"],
    ["echo, 512 B", "echo", "--clients", "100", "--size", "512"],
    ["echo, 16 KB", "echo", "--clients", "100", "--size", "16384"],
    ["echo, 1 of 10,000", "echo", "--clients", "1", "--idle", "9999"],
    ["echo, 1 alone", "echo", "--clients", "1"],
    ["echo, polling", "echo", "--clients", "100", "--polling"],
    ["broadcast to 1,000", "broadcast", "--clients", "1000"],
    ["broadcast to 1,000, depth 16", "broadcast", "--clients", "1000",
     "--depth", "16"],
    ["rooms of 100", "room", "--clients", "1000", "--rooms", "10"],
    ["rooms of 100, depth 16", "room", "--clients", "1000", "--rooms", "10",
     "--depth", "16"],
    ["connect", "connect", "--clients", "50"],
    ["memory, WebSocket", "idle", "--clients", "8000"],
    ["memory, browser", "idle", "--clients", "8000", "--browser"],
    ["memory, held poll", "idle", "--clients", "4000", "--polling"],
].filter(([name]) => only.test(name));

/** Start a server, put one workload on it, stop it. The result, or null. */
async function measure(server, [, workload, ...options]) {
    const { port, pids, stop } = await server.start();
    try {
        const load = spawn(`${build}/bench-load`,
                           ["--port", String(port), "--pid", String(pids[0]),
                            "--seconds", seconds, ...options, workload],
                           { stdio: ["ignore", "pipe", "inherit"],
                             timeout: 180000 });
        let text = "";
        load.stdout.on("data", (data) => { text += data; });
        const [code] = await once(load, "close");
        return code === 0 ? JSON.parse(text) : null;
    } finally {
        await stop();
    }
}

const median = (values) =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const figure = (result) => result.memory > 0 ? result.memory : result.cpu_us;
const shown = (value) => value === undefined ? "-"
    : value >= 100 ? value.toFixed(0) : value.toFixed(2);

const all = [];
for (const { name, why } of absent) console.log(`${name}: not here: ${why}`);
console.log(["".padEnd(30), ...servers.map(({ name }) => name.padStart(11)),
             "floor".padStart(8), "peer".padStart(8)].join(""));
for (const row of rows) {
    const results = Object.fromEntries(servers.map(({ name }) => [name, []]));

    // In turn, so that a machine that changes its mind changes it for all.
    for (let round = 0; round < rounds; round++) {
        for (const server of servers) {
            const result = await measure(server, row);
            if (result !== null) results[server.name].push(result);
        }
    }
    const figures = Object.fromEntries(Object.entries(results)
        .filter(([, list]) => list.length > 0)
        .map(([name, list]) => [name, median(list.map(figure))]));
    const peers = Object.entries(figures)
        .filter(([name]) => name !== "floor" && name !== "ours")
        .map(([, value]) => value);
    console.log([row[0].padEnd(30),
                 ...servers.map(({ name }) =>
                     shown(figures[name]).padStart(11)),
                 shown(figures.ours / figures.floor).padStart(8),
                 (peers.length ? shown(figures.ours / Math.min(...peers)) : "-")
                     .padStart(8)].join(""));
    all.push({ row: row[0], figures, results });
}
if (process.env.JSON) writeFileSync(process.env.JSON, JSON.stringify(all, null, 1));
