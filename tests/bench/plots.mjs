// make bench-plots: how cost grows, on ours and the floor, as plots/*.svg.
//
//   OUT=FOLDER       (the source's plots/)
//   SECONDS_EACH=1   of each point      ROUNDS=3   its median of so many runs
//   QUICK=1          one short round of the smaller points
//
// Each plot is to be flat or a straight line: nothing grows faster than what
// it is plotted over.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { measure, median } from "./measure.mjs";
import { plot } from "./plot.mjs";
import { findServers } from "./servers.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.env.OUT ?? `${here}/plots`);
const quick = process.env.QUICK === "1";
const seconds = Number(process.env.SECONDS_EACH ?? (quick ? 0.2 : 1));
const rounds = Number(process.env.ROUNDS ?? (quick ? 1 : 3));
const { servers } = await findServers(true, ["floor", "ours"]);
const [floor, ours] = servers;

const CONNECTIONS = [100, 1000, 2500, 5000, 7500, 10000, 12500, 15000];
const MEMBERSHIPS = [1, 3, 10, 30, 100, 300, 1000];
const ROOM_SIZES = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000];
const upTo = (list) => quick ? list.slice(0, 3) : list;

/** [[x, value], …] of a server; args(x) are bench-load's. */
async function sweep(server, points, args, value) {
    const found = [];

    for (const point of upTo(points)) {
        const results = [];
        for (let round = 0; round < rounds; round++) {
            const { result, why } = await measure(server,
                { server: {}, args: args(point) }, { seconds });
            if (why) throw new Error(`${server.name}, ${point}: ${why}`);
            results.push(result);
        }
        found.push([point, value(median(results), point)]);
        console.error(`${server.name}: ${found.at(-1).join(": ")}`);
    }
    return { name: server.name, points: found };
}

const cpu = (result) => result.cpu_us;
const amongIdle = (n) =>
    ["--clients", "100", "--idle", String(n - 100), "echo"];
const inRooms = (n) => ["--clients", "100", "--rooms", "1",
    "--memberships", String(n), "room"];
const roomOf = (n) => ["--clients", String(n), "--rooms", "1", "room"];
const both = async (...rest) =>
    [await sweep(floor, ...rest), await sweep(ours, ...rest)];
const megabytes = (result, n) => result.memory * n / 1e6;

const plots = {
    "cpu-connections": {
        title: "Server CPU for an echo, of 100 clients",
        x: { title: "connections, the others idle" },
        y: { title: "µs" },
        series: await both(CONNECTIONS, amongIdle, cpu),
    },
    "memory-connections": {
        title: "Memory of the server",
        x: { title: "idle connections" },
        y: { title: "MB more than without any" },
        series: [
            { ...await sweep(ours, CONNECTIONS,
                (n) => ["--clients", String(n), "idle"], megabytes),
            name: "WebSocket" },
            { ...await sweep(ours, CONNECTIONS,
                (n) => ["--clients", String(n), "--polling",
                    "--one-connection", "idle"], megabytes),
            name: "held poll" },
        ],
    },
    "cpu-rooms": {
        title: "Server CPU for a delivery, in a room of 100",
        x: { title: "rooms that each of them is in", log: true },
        y: { title: "µs" },
        series: [await sweep(ours, MEMBERSHIPS, inRooms, cpu)],
    },
    "memory-rooms": {
        title: "Memory of the server, 100 connections",
        x: { title: "rooms that each of them is in" },
        y: { title: "MB more than without any" },
        series: [await sweep(ours, MEMBERSHIPS, inRooms,
            (result) => megabytes(result, 100))],
    },
    "cpu-room-size": {
        title: "Server CPU for a delivery",
        x: { title: "sockets in the room", log: true },
        y: { title: "µs" },
        series: await both(ROOM_SIZES, roomOf, cpu),
    },
};

mkdirSync(out, { recursive: true });
for (const [name, content] of Object.entries(plots)) {
    writeFileSync(`${out}/${name}.svg`, plot(content));
    console.log(`${out}/${name}.svg`);
}
