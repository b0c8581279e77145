// The compatibility table: its page, and whether its tests passed.
//
//   node compatibility.mjs page                   the page, skio_compatibility(7)
//   node compatibility.mjs names HEADERS-FOLDER   names of ours that do not exist
//   node compatibility.mjs check RESULTS          TAP: a test for each row
//   node compatibility.mjs planned                what is not there yet
//
// --table FILE reads another table than the one beside this file. RESULTS is
// the folder that tests/run keeps.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const kinds = ["yes", "differs", "no", "planned"];

/** Sections of rows: { heading, rows: [{ name, ours, says, when, note, tests,
 * switches, line }] }. Throws at what cannot be understood. */
export function readTable(file) {
    const sections = [];
    let row = null;
    let field = null;

    readFileSync(file, "utf8").split("\n").forEach((text, index) => {
        const bad = (why) => {
            throw new Error(`${file}:${index + 1}: ${why}: ${text}`);
        };
        if (text.startsWith("#")) return;
        if (text.trim() === "") {
            row = null;
        } else if (text.startsWith("= ")) {
            sections.push({ heading: text.slice(2), rows: [] });
        } else if (!text.startsWith(" ")) {
            if (row !== null || sections.length === 0) bad("no row begins here");
            row = { name: text, ours: [], says: null, when: null, note: "",
                    tests: [], switches: [], line: index + 1 };
            sections.at(-1).rows.push(row);
        } else if (text.startsWith("    ")) {
            if (field !== "note") bad("only a note goes on");
            row.note += ` ${text.trim()}`;
        } else {
            const match = /^ {2}(\w+): +(.*)$/.exec(text);
            if (row === null || match === null) bad("no field");
            field = match[1];
            addField(row, field, match[2], bad);
        }
    });
    const all = sections.flatMap(({ rows }) => rows);
    for (const row of all) {
        if (row.sameAs !== undefined)
            row.switches =
                all.find(({ name }) => name === row.sameAs)?.switches ?? [];
        checkRow(row, file);
    }
    return sections;
}

function addField(row, field, value, bad) {
    switch (field) {
    case "ours":
        row.ours.push(...value.split(/, */));
        break;
    case "says":
        [row.says, row.when] = value.split(/: */);
        if (!kinds.includes(row.says)) bad("unknown kind");
        break;
    case "note":
        row.note = value;
        break;
    case "test": {
        const [program, name, more] = value.split(" ");
        if (!name || more) bad("a test is a program and a name");
        row.tests.push({ program, name });
        break;
    }
    case "off": {
        if (value.startsWith("= ")) {
            row.sameAs = value.slice(2);
            break;
        }
        const [path, before, after, more] = value.split(" ::: ");
        if (!before || after === undefined || more) bad("no edit");
        row.switches.push({ path, before, after });
        break;
    }
    default:
        bad("unknown field");
    }
}

function checkRow(row, file) {
    const bad = (why) => {
        throw new Error(`${file}:${row.line}: ${row.name}: ${why}`);
    };
    if (row.says === null) bad("says nothing");
    if (row.says === "planned" && !row.when) bad("planned for when?");
    if ((row.says === "no" || row.says === "differs") && !row.note)
        bad("the reason is missing");
    if (row.says === "yes" && row.tests.length === 0 &&
        !row.note.includes("(7)"))
        bad("neither a test nor a page of the manual");
    if (row.says === "differs" && row.tests.length === 0)
        bad("no test");
    if (row.sameAs !== undefined && row.switches.length === 0)
        bad(`nothing switches ${row.sameAs} off`);
}

// ---- the page

export const escapes = (text) => text.replace(/\\/g, "\\e").replace(/^([.'])/, "\\&$1");
export const quoted = (text) => `"${text.replace(/"/g, "\\(dq")}"`;

/** A name of ours as mdoc shows it. */
export function ourName(name, last) {
    const end = last ? " ." : " ,";
    if (/^skio_server_options\./.test(name))
        return `.Va ${name.replace(/^skio_server_options\./, "")}${end}`;
    if (/^skio_[a-z]+_options\./.test(name)) return `.Va ${name}${end}`;
    if (/^SKIO_/.test(name)) return `.Dv ${name}${end}`;
    if (/^skio_(target|adapter_ops|server_options|parser)$/.test(name))
        return `.Vt ${name}${end}`;
    return `.Fn ${name}${end}`;
}

/** A sentence of a note, wrapped, with cross references as mdoc has them. */
export function sentences(note) {
    const lines = [];
    let line = "";
    for (const word of note.split(/\s+/)) {
        const page = /^([a-z_]+)\((\d)\)([.,;:]?)$/.exec(word);
        const code = /^([a-z_]+)\(\)([.,;:]?)$/.exec(word);
        if (page || code) {
            if (line) lines.push(escapes(line));
            line = "";
            lines.push(page ? `.Xr ${page[1]} ${page[2]}${page[3] ? ` ${page[3]}` : ""}`
                            : `.Fn ${code[1]}${code[2] ? ` ${code[2]}` : ""}`);
        } else if (`${line} ${word}`.length > 72) {
            lines.push(escapes(line));
            line = word;
        } else {
            line = line ? `${line} ${word}` : word;
        }
        // mdoc wants each sentence on a line of its own.
        if (line && /[.!?]$/.test(word)) {
            lines.push(escapes(line));
            line = "";
        }
    }
    if (line) lines.push(escapes(line));
    return lines;
}

const words = { yes: "As in Node.", differs: "Differs.", no: "Left out.",
                planned: "Planned." };

function rowLines(row) {
    const lines = [`.It ${quoted(row.name)}`];

    if (row.says === "planned")
        lines.push(`Planned: ${row.when}.`);
    else if (row.says !== "yes" || row.ours.length === 0)
        lines.push(words[row.says]);
    row.ours.forEach((name, i) =>
        lines.push(ourName(name, i + 1 === row.ours.length)));
    if (row.note) lines.push(...sentences(row.note));
    if (row.tests.length > 0) lines.push(".br", "Proven by");
    row.tests.forEach(({ program, name }, i) => {
        lines.push(`.Pa ${program}`, `.Li ${name}` +
                   (i + 1 === row.tests.length ? " ." : " ,"));
    });
    return lines;
}

function page(sections) {
    const all = sections.flatMap(({ rows }) => rows);
    const count = (kind) => all.filter(({ says }) => says === kind).length;
    const lines = [
        "." + "\\\" Written by `make compatibility` from tests/api/compatibility.txt.",
        ".Dd November 21, 2026",
        ".Dt SKIO_COMPATIBILITY 7",
        ".Os",
        ".Sh NAME",
        ".Nm skio_compatibility",
        ".Nd what Node's server offers, and its name here",
        ".Sh DESCRIPTION",
        "Each feature and option of socket.io 4.8 for Node, under its name there, with",
        "what serves it here; and what users of that server wish for.",
        `Of ${all.length} rows ${count("yes")} are as in Node,`,
        `${count("differs")} differ, ${count("planned")} are planned and`,
        `${count("no")} are left out, for the reason given.`,
        "Every row that is served names tests that prove it, below",
        ".Pa tests/ ;",
        "the test suite fails when one of them did not pass, and is itself tested",
        "by switching the feature off.",
    ];
    for (const { heading, rows } of sections) {
        lines.push(`.Ss ${heading}`, ".Bl -tag -width Ds");
        for (const row of rows) lines.push(...rowLines(row));
        lines.push(".El");
    }
    lines.push(".Sh SEE ALSO", ".Xr skio_server_options 3 ,", ".Xr socketio 3 ,",
               ".Xr skio_protocol 7");
    return `${lines.join("\n")}\n`;
}

// ---- the checks

/** Names of ours that no header declares. */
function unknownNames(sections, folder) {
    const text = readdirSync(folder).filter((name) => name.endsWith(".h"))
        .map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
    return sections.flatMap(({ rows }) => rows.flatMap(({ ours }) => ours))
        .filter((name) => {
            const word = name.replace(/^skio_[a-z]+_options\./, "");
            return !new RegExp(`\\b${word}\\b`).test(text);
        });
}

/** program -> test name -> worst result, over all groups that ran it. */
export function readResults(folder) {
    const programs = new Map();
    const rank = { ok: 0, skip: 1, fail: 2 };
    const walk = (path) => {
        for (const entry of readdirSync(path, { withFileTypes: true })) {
            const inside = join(path, entry.name);
            if (entry.isDirectory()) walk(inside);
            if (!entry.name.endsWith(".sum")) continue;
            const program = entry.name.slice(0, -4).replace("-", "/");
            const tests = programs.get(program) ?? new Map();
            programs.set(program, tests);
            for (const line of readFileSync(inside, "utf8").split("\n")) {
                const [result, name] = line.split("\t");
                if (name === undefined) continue;
                const before = tests.get(name) ?? "ok";
                tests.set(name, rank[result] > rank[before] ? result : before);
            }
        }
    };
    walk(folder);
    return programs;
}

/** What is wrong with a row's tests, as lines. */
export function faults(row, programs) {
    return row.tests.flatMap(({ program, name }) => {
        const tests = programs.get(program);
        if (tests === undefined) return [`${program} did not run`];
        const pattern = new RegExp(
            `^${name.split("*").map((part) => part.replace(/\W/g, "\\$&"))
                .join(".*")}$`);
        const found = [...tests].filter(([each]) => pattern.test(each));
        if (found.length === 0) return [`${program} has no test ${name}`];
        return found.filter(([, result]) => result !== "ok")
            .map(([each, result]) => `${program} ${each}: ${result}`);
    });
}

function check(sections, folder) {
    const programs = readResults(folder);
    let number = 0;
    let failed = 0;

    for (const row of sections.flatMap(({ rows }) => rows)) {
        if (row.tests.length === 0) continue;
        const wrong = faults(row, programs);
        number++;
        console.log(`${wrong.length ? "not ok" : "ok"} ${number} - ${row.name}`);
        for (const line of wrong) console.log(`# ${line}`);
        failed += wrong.length > 0;
    }
    console.log(`1..${number}`);
    return failed > 0 ? 1 : 0;
}

function main(words_) {
    const at = words_.indexOf("--table");
    const table = at >= 0 ? words_.splice(at, 2)[1]
        : fileURLToPath(new URL("compatibility.txt", import.meta.url));
    const [command, argument] = words_;
    const sections = readTable(table);

    switch (command) {
    case "page":
        process.stdout.write(page(sections));
        return 0;
    case "names": {
        const unknown = unknownNames(sections, argument);
        for (const name of unknown) console.log(name);
        return unknown.length > 0 ? 1 : 0;
    }
    case "check":
        return check(sections, argument);
    case "planned":
        for (const { rows } of sections)
            for (const row of rows)
                if (row.says === "planned") console.log(`${row.when}\t${row.name}`);
        return 0;
    default:
        console.error("usage: compatibility.mjs page|names|check|planned");
        return 2;
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
    process.exitCode = main(process.argv.slice(2));
