// make bench-page JSON=FILE WHERE=FILE: the figures of README.md, from what
// `make bench JSON=FILE` and `make bench-where JSON=FILE` kept; either may be
// left out. Figures are never typed: all between two marks is replaced.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

import { asMarkdown, tables, whereTables } from "./table.mjs";

const page = `${dirname(fileURLToPath(import.meta.url))}/README.md`;
const read = (file) => JSON.parse(readFileSync(file, "utf8"));
const list = (entries) =>
    entries.map(([name, value]) => `* ${name}: ${value}`).join("\n");
const parts = {};

if (process.env.JSON) {
    const data = read(process.env.JSON);
    const section = (title, entries) => entries.length === 0 ? []
        : ["", title, "", ...new Set(entries.map(({ row, name, why }) =>
            `* ${row}, ${name}: ${why}`))];

    parts.machine = [
        `The median of ${data.rounds} rounds of ${data.seconds} s each, on:`,
        "", list(Object.entries(data.machine)), "", "The servers:", "",
        list(data.servers.map(({ name, note }) => [name, note])),
        ...data.absent.map(({ name, why }) => `* ${name}: not here: ${why}`),
    ].join("\n");
    parts.results = [tables(data).map(asMarkdown).join("\n\n"),
        ...section("Left out:", data.failures),
        ...section("Refused:", data.refusals),
    ].join("\n");
}
if (process.env.WHERE)
    parts.where = whereTables(read(process.env.WHERE)).map(asMarkdown)
        .join("\n\n");
if (Object.keys(parts).length === 0) {
    console.error("page.mjs: neither JSON=FILE nor WHERE=FILE");
    process.exit(2);
}

let text = readFileSync(page, "utf8");
for (const [name, content] of Object.entries(parts)) {
    const begin = `<!-- ${name}: generated -->`, end = `<!-- end of ${name} -->`;
    const from = text.indexOf(begin), to = text.indexOf(end);

    if (from < 0 || to < from) throw new Error(`${page}: no marks of ${name}`);
    text = `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}
writeFileSync(page, text);
