// make bench: the same load on the floor, on ours and on the peers, in turn.
//
//   SECONDS_EACH=3   counting of each figure, after a warm-up
//   ROUNDS=3         the median of so many runs, the servers in turn
//   ONLY=REGEX       rows by name
//   BENCH_SERVERS=a,b,…  floor, ours, and the names of peers/ (all that are
//                        there); SERVERS is a word of the Makefile
//   QUICK=1          one short round of the rows that matter most, of the peers
//                    that are installed: less than two minutes
//   JSON=FILE        keeps everything; page.mjs makes the page of it
//
// Prints server CPU for an operation, memory, rates and latencies of each
// server, each next to the floor and to the best peer, and what of that was to
// be reached.
import { writeFileSync } from "node:fs";

import { machine } from "./machine.mjs";
import { makeCertificate, measure, median } from "./measure.mjs";
import { rows, targets } from "./rows.mjs";
import { findServers } from "./servers.mjs";
import { asText, tables } from "./table.mjs";

const QUICK_MS = 95000; /* when a quick run begins no further row */

const quick = process.env.QUICK === "1";
const seconds = Number(process.env.SECONDS_EACH ?? (quick ? 0.5 : 3));
const rounds = Number(process.env.ROUNDS ?? (quick ? 1 : 3));
const only = new RegExp(process.env.ONLY ?? "");
const begun = Date.now();

const names = process.env.BENCH_SERVERS?.split(",");
const asked = rows.filter((row) =>
    (!quick || row.quick) && only.test(row.name));

function refuse(why) {
    console.error(`bench: ${why}`);
    process.exit(2);
}

if (!(seconds > 0))
    refuse(`SECONDS_EACH=${process.env.SECONDS_EACH}: more than 0 is possible`);
if (!Number.isInteger(rounds) || rounds < 1)
    refuse(`ROUNDS=${process.env.ROUNDS}: 1 or more is possible`);
if (asked.length === 0)
    refuse(`ONLY=${process.env.ONLY}: no row's name matches; the names are ` +
           "in tests/bench/rows.mjs");

const { servers, absent } = await findServers(quick, names);
const unknown = names?.find((name) =>
    ![...servers, ...absent].some((one) => one.name === name));

if (unknown !== undefined)
    refuse(`BENCH_SERVERS=${names}: "${unknown}" is not floor, ours, or a ` +
           "name of tests/bench/peers");
console.error(`bench: ${asked.length} rows, of ${servers
    .map(({ name }) => name).join(", ")}; stop with Ctrl+C`);

const certificate = makeCertificate();
const results = {}, failures = [], refusals = [];

for (const row of asked) {
    const chosen = row.ours ? servers.filter(({ name }) => name === "ours")
        : servers;
    const runs = Object.fromEntries(chosen.map(({ name }) => [name, []]));
    const before = Date.now();
    const shown = quick && row.quick !== true
        ? { ...row, args: row.quick } : row;

    if (quick && before - begun > QUICK_MS) {
        failures.push({ row: row.name, name: "all", why: "no time left" });
        continue;
    }
    // In turn, so that a machine that changes its mind changes it for all.
    for (let round = 0; round < rounds; round++)
        for (const server of chosen) {
            if (round > 0 && runs[server.name].length === 0) continue;
            const { result, why } = await measure(server, shown,
                { seconds: row.seconds ?? seconds, certificate });
            if (result?.refused > 0)
                refusals.push({ row: row.name, name: server.name,
                    why: `${result.refused} of ${result.total} were refused, ` +
                        "and begun anew" });
            if (result)
                runs[server.name].push(result);
            else
                failures.push({ row: row.name, name: server.name, why });
        }
    results[row.name] = Object.fromEntries(Object.entries(runs)
        .map(([name, list]) => [name, median(list)]));
    console.error(`${row.name}: ${((Date.now() - before) / 1000).toFixed(0)} s`);
}

const peers = servers.map(({ name }) => name)
    .filter((name) => name !== "floor" && name !== "ours");
const data = {
    machine: machine(), seconds, rounds,
    servers: servers.map(({ name, note }) => ({ name, note })),
    absent, failures, refusals, results,
    targets: targets((name, server) => results[name]?.[server], peers),
};
for (const table of tables(data)) console.log(asText(table));
console.log("");
for (const { name, note } of data.servers) console.log(`${name}: ${note}`);
for (const { name, why } of absent) console.log(`${name}: not here: ${why}`);
for (const { row, name, why } of [...failures, ...refusals])
    console.log(`- ${row}, ${name}: ${why}`);
console.log(`\n${((Date.now() - begun) / 1000).toFixed(0)} seconds`);
if (process.env.JSON)
    writeFileSync(process.env.JSON, `${JSON.stringify(data, null, 1)}\n`);
// What is ours must work; a peer that cannot do something has said so.
if (failures.some(({ name }) => name === "ours" || name === "floor"))
    process.exitCode = 1;
