// The catalogue of threats: its page, and whether its tests passed.
//
//   node threats.mjs page                   the page, skio_threats(7)
//   node threats.mjs ids                    what is wrong with the ids, if any
//   node threats.mjs names HEADERS-FOLDER   options that do not exist
//   node threats.mjs check RESULTS          TAP: a test for each id
//
// --table FILE reads another catalogue than tests/threats/catalogue.txt.
// RESULTS is the folder that tests/run keeps.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { faults, ourName, quoted, readResults, sentences }
    from "./compatibility.mjs";

/** How many may say that they cannot apply. */
const EXCUSED = 2;

/** Ids that must be there: prefix, first, last. Others may be. */
const ranges = [["ADV-", 1, 17], ["ADV-", 20, 26], ["ADV-", 30, 34],
                ["ADV-", 40, 41], ["ADV-", 50, 50], ["ADV-LWS-", 1, 4],
                ["ATK-", 1, 36]];
const wanted = ranges.flatMap(([prefix, first, last]) =>
    Array.from({ length: last - first + 1 }, (_, i) =>
        prefix + (prefix === "ADV-LWS-" ? String(first + i)
            : String(first + i).padStart(2, "0"))));

/** Sections: { heading, rows: [{ id, title, known, tried, done, options,
 * cannot, tests, line }] }. Throws at what cannot be understood. */
export function readCatalogue(file) {
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
            const match = /^([A-Z]+(?:-[A-Z]+)*-[\d-]+) (.+)$/.exec(text);
            if (match === null || row !== null || sections.length === 0)
                bad("no threat begins here");
            row = { id: match[1], title: match[2], known: "", tried: "",
                    done: "", options: [], cannot: "", tests: [],
                    line: index + 1 };
            sections.at(-1).rows.push(row);
        } else if (text.startsWith("    ")) {
            if (!["tried", "done", "cannot"].includes(field))
                bad("this field has one line");
            row[field] += ` ${text.trim()}`;
        } else {
            const match = /^ {2}(\w+): +(.*)$/.exec(text);
            if (row === null || match === null) bad("no field");
            field = match[1];
            addField(row, field, match[2], bad);
        }
    });
    for (const each of sections.flatMap(({ rows }) => rows))
        checkRow(each, file);
    return sections;
}

function addField(row, field, value, bad) {
    switch (field) {
    case "known":
    case "tried":
    case "done":
    case "cannot":
        if (row[field]) bad("twice");
        row[field] = value;
        break;
    case "option":
        row.options.push(...value.split(/, */));
        break;
    case "test": {
        const [program, ...names] = value.split(" ");
        if (names.length === 0 || names.includes(""))
            bad("a test is a program and its tests");
        row.tests.push(...names.map((name) => ({ program, name })));
        break;
    }
    default:
        bad("unknown field");
    }
}

function checkRow(row, file) {
    const bad = (why) => {
        throw new Error(`${file}:${row.line}: ${row.id}: ${why}`);
    };
    if (!row.tried) bad("what is tried?");
    if (!row.done === !row.cannot)
        bad("either something is done, or it cannot apply");
    if (row.tests.length === 0) bad("no test");
}

/** What is wrong with the ids, as lines. */
function idFaults(rows) {
    const ids = rows.map(({ id }) => id);
    const excused = rows.filter(({ cannot }) => cannot);

    return [
        ...wanted.filter((id) => !ids.includes(id))
            .map((id) => `${id} is missing`),
        ...ids.filter((id, i) => ids.indexOf(id) !== i)
            .map((id) => `${id} is there twice`),
        ...(excused.length > EXCUSED
            ? [`${excused.length} cannot apply, more than ${EXCUSED}`] : []),
    ];
}

// ---- the page

const optionName = (name, last) => ourName(
    /^(skio_|SKIO_)/.test(name) ? name : `skio_server_options.${name}`, last);

function rowLines(row) {
    const lines = [`.It ${quoted(`${row.id} ${row.title}`)}`];
    const programs = [...new Set(row.tests.map(({ program }) => program))];

    if (row.known)
        lines.push(`Known from ${row.known}.`);
    lines.push(...sentences(row.tried));
    lines.push(".br", ...sentences(row.done || `Cannot apply. ${row.cannot}`));
    if (row.options.length > 0) {
        lines.push(".br", row.options.length > 1 ? "Options:" : "Option:");
        row.options.forEach((name, i) =>
            lines.push(optionName(name, i + 1 === row.options.length)));
    }
    lines.push(".br", "Tests in");
    programs.forEach((program, i) => lines.push(
        `.Pa ${program}${i + 1 === programs.length ? " ." : " ,"}`));
    return lines;
}

function page(sections) {
    const all = sections.flatMap(({ rows }) => rows);
    const tests = all.reduce((sum, row) => sum + row.tests.length, 0);
    const excused = all.filter(({ cannot }) => cannot).length;
    const lines = [
        "." + "\\\" Written by `make threats` from tests/threats/catalogue.txt.",
        ".Dd November 21, 2026",
        ".Dt SKIO_THREATS 7",
        ".Os",
        ".Sh NAME",
        ".Nm skio_threats",
        ".Nd what is attempted against a server, and what becomes of it",
        ".Sh DESCRIPTION",
        "Weaknesses that became known in this protocol's servers and in the",
        "libraries below them, and attacks that any server on the open internet",
        "meets: for each what is tried, what this library does, the options that",
        "set the bound, and where the tests are, below",
        ".Pa tests/ .",
        `Of ${all.length} threats, proven by ${tests} tests, ${excused} cannot`,
        "apply; each of those has a test that shows why.",
        "The test suite fails when one of these tests did not pass.",
    ];
    for (const { heading, rows } of sections) {
        lines.push(`.Ss ${heading}`, ".Bl -tag -width Ds");
        for (const row of rows) lines.push(...rowLines(row));
        lines.push(".El");
    }
    lines.push(".Sh SEE ALSO", ".Xr skio_server_options 3 ,",
               ".Xr skio_compatibility 7 ,", ".Xr skio_protocol 7 ,",
               ".Xr skio_security 7");
    return `${lines.join("\n")}\n`;
}

// ---- the checks

/** Options that no header declares. */
function unknownNames(rows, folder) {
    const text = readdirSync(folder).filter((name) => name.endsWith(".h"))
        .map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
    return rows.flatMap(({ options }) => options)
        .map((name) => name.replace(/^skio_[a-z]+_options\./, ""))
        .filter((name) => !new RegExp(`\\b${name}\\b`).test(text));
}

function check(rows, folder) {
    const programs = readResults(folder);
    const lines = idFaults(rows);
    let failed = 0;
    let number = 0;
    const say = (name, wrong) => {
        console.log(`${wrong.length ? "not ok" : "ok"} ${++number} - ${name}`);
        for (const line of wrong) console.log(`# ${line}`);
        failed += wrong.length > 0;
    };

    say("every_threat_is_there", lines);
    for (const row of rows)
        say(`${row.id} ${row.title}`, faults(row, programs));
    console.log(`# threats: ${rows.length} ids, ${
        rows.reduce((sum, { tests }) => sum + tests.length, 0)} tests, ${
        rows.filter(({ cannot }) => cannot).length} cannot apply`);
    console.log(`1..${number}`);
    return failed > 0 ? 1 : 0;
}

function main(words) {
    const at = words.indexOf("--table");
    const table = at >= 0 ? words.splice(at, 2)[1] : fileURLToPath(
        new URL("../threats/catalogue.txt", import.meta.url));
    const [command, argument] = words;
    const sections = readCatalogue(table);
    const rows = sections.flatMap((section) => section.rows);
    const complain = (lines) => {
        for (const line of lines) console.log(line);
        return lines.length > 0 ? 1 : 0;
    };

    switch (command) {
    case "page":
        process.stdout.write(page(sections));
        return 0;
    case "ids":
        return complain(idFaults(rows));
    case "names":
        return complain(unknownNames(rows, argument));
    case "check":
        return check(rows, argument);
    default:
        console.error("usage: threats.mjs page|ids|names|check");
        return 2;
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
    process.exitCode = main(process.argv.slice(2));
