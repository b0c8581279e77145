// make bench-where: where the time goes for an operation, on ours and the floor.
//
//   ONLY=REGEX   rows by name      JSON=FILE   keeps the figures; page.mjs
//                                  takes the file after that of the results
//
// System calls are counted by strace, instructions of the user's side by
// callgrind; both from a run with the load, less a run with the same clients
// that do nothing. Counts, not times: a busy machine does not change them but
// for how much is ready at once.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { measure } from "./measure.mjs";
import { findServers } from "./servers.mjs";
import { asText, whereTables } from "./table.mjs";

const rows = [
    { name: "echo, depth 1", clients: 100, args: ["echo"] },
    { name: "echo, depth 16", clients: 100, args: ["--depth", "16", "echo"] },
    { name: "echo, 16 KB", clients: 100, args: ["--size", "16384", "echo"] },
    { name: "echo, polling", clients: 100, args: ["--polling", "echo"],
        idle: ["--polling", "idle"] },
    { name: "broadcast to 1,000", clients: 1000, args: ["broadcast"] },
    { name: "broadcast to 1,000, depth 16", clients: 1000,
        args: ["--depth", "16", "broadcast"] },
    { name: "connect", clients: 50, args: ["connect"] },
].filter(({ name }) => new RegExp(process.env.ONLY ?? "").test(name));

const folder = mkdtempSync(join(tmpdir(), "bench-"));
process.on("exit", () => rmSync(folder, { recursive: true }));

/** strace's summary: { recvfrom: 123, … }. */
function systemCalls(file) {
    const calls = {};

    for (const line of readFileSync(file, "utf8").split("\n")) {
        const fields = line.trim().split(/\s+/);
        if (/^[\d.]+$/.test(fields[0]) && fields.at(-1) !== "total")
            calls[fields.at(-1)] = Number(fields[3]);
    }
    return calls;
}

/** What a part of a program is called in the table. */
function layerOf(object, file) {
    const room = /\/lib\/(base|engineio|socketio|adapter|transport)\//.exec(file);

    if (room) return `lib/${room[1]}`;
    if (/floor-server|bench-server/.test(object)) return "the program";
    if (/libwebsockets/.test(object)) return "libwebsockets";
    if (/\/libc[.-]/.test(object)) return "libc";
    return /\/lib([a-z]+)/.exec(object)?.[1] ?? "the rest";
}

/** Instructions by layer, of what callgrind wrote: costs of a function alone. */
function instructions(file) {
    const names = { ob: {}, fl: {} }, layers = {};
    let object = "", source = "", skip = false;
    const named = (table, text) => {
        const [, id, name] = /^\((\d+)\)(?: (.*))?$/.exec(text);
        if (name !== undefined) table[id] = name;
        return table[id];
    };

    for (const line of readFileSync(file, "utf8").split("\n")) {
        const [, key, value] = /^([a-z]+)=(.*)$/.exec(line) ?? [];
        if (key === "ob") {
            object = named(names.ob, value);
        } else if (key === "fl" || key === "fi" || key === "fe") {
            source = named(names.fl, value);
        } else if (key === "cob") {
            named(names.ob, value);
        } else if (key === "cfi" || key === "cfl") {
            named(names.fl, value);
        } else if (key === "calls") {
            skip = true; // the line after it is the cost of those called
        } else if (/^[+*\d-]/.test(line)) {
            const cost = Number(line.split(" ")[1]);
            const layer = layerOf(object, source);
            if (!skip) layers[layer] = (layers[layer] ?? 0) + cost;
            skip = false;
        }
    }
    return layers;
}

const tools = {
    calls: {
        command: (file) => ["strace", "-f", "-q", "-c", "-o", file],
        read: systemCalls,
    },
    instructions: {
        command: (file) => ["valgrind", "-q", "--tool=callgrind",
            `--callgrind-out-file=${file}`],
        read: instructions,
    },
};

/** A server under a tool: it ends by itself, so that the tool reports. */
function under(server, tool, file) {
    return { ...server, tls: false, async start() {
        const [program, ...args] = [...tools[tool].command(file),
            ...server.command];
        const child = spawn(program, args,
            { stdio: ["ignore", "pipe", "inherit"] });
        const [first] = await once(child.stdout, "data");
        const own = readFileSync(
            `/proc/${child.pid}/task/${child.pid}/children`, "utf8");
        // strace is the server's parent, valgrind is the server.
        const pid = tool === "calls" ? Number(own) : child.pid;

        return { port: Number(/(\d+)\s*$/.exec(String(first))[1]), pids: [pid],
            async stop() {
                process.kill(pid, "SIGTERM");
                await once(child, "close");
            } };
    } };
}

async function count(server, tool, clients, args, seconds) {
    const file = join(folder, tool);
    const { result, why } = await measure(under(server, tool, file),
        { server: {}, args: ["--clients", String(clients), ...args] },
        { seconds });

    if (why) throw new Error(`${server.name}: ${why}`);
    return { counts: tools[tool].read(file), total: result.total };
}

async function perOperation(server, tool, row) {
    const seconds = 1;
    const busy = await count(server, tool, row.clients, row.args, seconds);
    const idle = await count(server, tool, row.clients, row.idle ?? ["idle"],
        seconds);

    return Object.fromEntries(Object.entries(busy.counts)
        .map(([name, calls]) =>
            [name, (calls - (idle.counts[name] ?? 0)) / busy.total])
        .filter(([, value]) => value >= 0.001));
}

const { servers } = await findServers(true, ["floor", "ours"]);
const data = [];

for (const row of rows)
    for (const server of servers) {
        data.push({ row: row.name, server: server.name,
            calls: await perOperation(server, "calls", row),
            instructions: await perOperation(server, "instructions", row) });
        console.error(`${row.name}, ${server.name}`);
    }
for (const table of whereTables(data)) console.log(asText(table));
if (process.env.JSON)
    writeFileSync(process.env.JSON, `${JSON.stringify(data, null, 1)}\n`);
