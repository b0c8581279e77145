// make bench-page JSON=FILE: the figures of README.md, from what `make bench
// JSON=FILE` kept. Figures are never typed: all between two marks is replaced.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { asMarkdown, tables } from "./table.mjs";

const page = `${dirname(fileURLToPath(import.meta.url))}/README.md`;
const [file] = process.argv.slice(2);

if (!file) {
    console.error("usage: page.mjs RESULTS.json (make bench JSON=RESULTS.json)");
    process.exit(2);
}

const data = JSON.parse(readFileSync(file, "utf8"));
const list = (entries) =>
    entries.map(([name, value]) => `* ${name}: ${value}`).join("\n");
const about = [
    `The median of ${data.rounds} rounds of ${data.seconds} s each, on:`, "",
    list(Object.entries(data.machine)), "",
    "The servers:", "",
    list(data.servers.map(({ name, note }) => [name, note])),
    ...data.absent.map(({ name, why }) => `* ${name}: not here: ${why}`),
];
const failures = data.failures.length === 0 ? []
    : ["", "Left out:", "", ...[...new Set(data.failures.map(
        ({ row, name, why }) => `* ${row}, ${name}: ${why}`))]];
const parts = {
    machine: about.join("\n"),
    results: [tables(data).map(asMarkdown).join("\n\n"), ...failures].join("\n"),
};

let text = readFileSync(page, "utf8");
for (const [name, content] of Object.entries(parts)) {
    const begin = `<!-- ${name}: generated -->`, end = `<!-- end of ${name} -->`;
    const from = text.indexOf(begin), to = text.indexOf(end);

    if (from < 0 || to < from) throw new Error(`${page}: no marks of ${name}`);
    text = `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}
writeFileSync(page, text);
