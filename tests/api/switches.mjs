// The proof of the compatibility table: with a feature switched off, one of the
// tests that its row names must fail.
//
//   node switches.mjs [--table FILE] [--only REGEX] [--seconds S] [--seed N]
//   node switches.mjs [--table FILE] --look yes
//
// Each row's `off:` lines are edits of the sources. A copy of the tree is built
// once in BUILD/switched; then each edit is made there, what the row's tests
// need is built again, they run, and the edit is undone. A test that stays green
// proves nothing: the row fails. With --seconds only so many rows are tried as
// fit, in an order that the seed decides; the rest are counted as not tried.
//
// Prints TAP, a test for each row. With --look it only sees whether each edit
// finds its text, and prints those that do not.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync,
         writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { readTable } from "./compatibility.mjs";

const source = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const build = resolve(process.env.SKIO_BUILD ?? join(source, "build"));
const tree = join(build, "switched");
const npm = resolve(process.env.NPM ?? join(build, "npm"));

function option(name, fallback) {
    const at = process.argv.indexOf(`--${name}`);
    return at >= 0 ? process.argv[at + 1] : fallback;
}

/* In the table a text is one line. */
const plain = (text) => text.replaceAll("\\n", "\n");

/* How often the text stands there that an edit replaces: once, it must be. */
const occurrences = (text, before) => text.split(plain(before)).length - 1;

/** A fresh copy of what git tracks: an edit never touches the real sources. */
function copyTree() {
    const files = execFileSync("git", ["-C", source, "ls-files", "-z"],
                               { encoding: "utf8" }).split("\0");

    mkdirSync(tree, { recursive: true });
    for (const file of files) {
        if (file === "" || !existsSync(join(source, file))) continue;
        const to = join(tree, file);
        const text = readFileSync(join(source, file));
        // Equal files keep their time, so that a second run builds little.
        if (existsSync(to) && readFileSync(to).equals(text)) continue;
        mkdirSync(dirname(to), { recursive: true });
        cpSync(join(source, file), to);
    }
}

function make(...goals) {
    return spawnSync("make", ["-j2", "--no-print-directory", "CFLAGS=-O0 -g",
                              "ENABLE_SHARED=no", "WERROR=no", ...goals],
                     { cwd: tree, encoding: "utf8", timeout: 600000,
                       env: { ...process.env, MAKEFLAGS: "", NPM: npm } });
}

const isScript = (program) => program.endsWith(".mjs");
const servers = ["interop-server", "conformance-server", "embed-server",
                 "bench-server", "listener-server", "hooks-server",
                 "engine-server", "cluster-server", "rates-server"]
    .map((name) => `build/${name}`);
const examples = {
    "interop/test_delivery.mjs": ["build/examples/mailbox"],
    "cluster/test_emitter.mjs": ["build/emitter-client", "build/examples/announce"],
};
const goalsOf = (program) =>
    (isScript(program) ? [...servers, ...examples[program] ?? []]
                       : [`build/tests/${program}`]);

/** Run a row's tests of one program; the names that passed, or null when the
 * program could not say. */
function passed(program, names) {
    const env = { ...process.env, NPM: npm, SKIO_SRC: tree,
                  SKIO_BUILD: join(tree, "build"),
                  CMOCKA_MESSAGE_OUTPUT: "TAP",
                  SKIO_ONLY: names.map(pattern).join("|") };
    const words = isScript(program)
        ? ["node", join(tree, "tests", program)]
        : [join(tree, "build/tests", program)];
    // timeout(1) ends the servers of a script along with it.
    const run = spawnSync("timeout", ["-s", "KILL", "60", ...words],
                          { cwd: tree, encoding: "utf8", env,
                            maxBuffer: 1 << 26 });
    if (run.signal !== null || run.status > 128 ||
        /^not ok.*stops_cleanly/m.test(run.stdout))
        return null;
    return [...run.stdout.matchAll(/^ok \d+ - (.*)$/gm)]
        .map(([, name]) => name);
}

const pattern = (name) =>
    `^${name.split("*").map((part) => part.replace(/\W/g, "\\$&")).join(".*")}$`;

/** Whether one of the row's tests fails as the tree stands. */
function someFail(row) {
    const programs = Map.groupBy
        ? Map.groupBy(row.tests, ({ program }) => program)
        : row.tests.reduce((map, test) => map.set(test.program,
            [...(map.get(test.program) ?? []), test]), new Map());
    // The quick ones first: one that fails is enough.
    const order = [...programs].sort(([a], [b]) => isScript(a) - isScript(b));

    for (const [program, tests] of order) {
        const built = make(...goalsOf(program));
        if (built.status !== 0)
            return { error: `does not build\n${built.stderr.slice(-1500)}` };
        const ok = passed(program, tests.map(({ name }) => name));
        if (ok === null) return { fails: true };
        for (const { name } of tests) {
            const matching = new RegExp(pattern(name));
            if (!ok.some((each) => matching.test(each))) return { fails: true };
            if (name.includes("*") && isScript(program)) {
                const wanted = ["polling", "websocket", "upgrade"].length;
                if (name.startsWith("*_") &&
                    ok.filter((each) => matching.test(each)).length < wanted)
                    return { fails: true };
            }
        }
    }
    return { fails: false };
}

/** Why the row's proof fails, or nothing. */
function prove(row) {
    const saved = new Map();

    try {
        for (const { path, before, after } of row.switches) {
            const file = join(tree, path);
            const text = readFileSync(file, "utf8");
            const count = occurrences(text, before);

            if (count !== 1)
                return `${path}: the text occurs ${count} times`;
            if (!saved.has(file)) saved.set(file, text);
            writeFileSync(file, text.replace(plain(before), () =>
                plain(after)));
        }
        const { fails, error } = someFail(row);
        return error ?? (fails ? undefined : "every test passes without it");
    } catch (error) {
        return error.message;
    } finally {
        for (const [file, text] of saved) writeFileSync(file, text);
    }
}

/** Numbers that a seed decides: the order in which rows are tried. */
function shuffled(rows, seed) {
    let state = seed >>> 0;
    const next = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
    };
    return rows.map((row) => [next(), row]).sort(([a], [b]) => a - b)
        .map(([, row]) => row);
}

const table = option("table", join(source, "tests/api/compatibility.txt"));
const seed = Number(option("seed", process.env.SWITCHES_SEED ?? Date.now() % 1e6));
const seconds = Number(option("seconds", process.env.SWITCHES_SECONDS ?? 1e9));
const only = new RegExp(option("only", ""));

const rows = readTable(table).flatMap((section) => section.rows)
    .filter(({ switches, name }) => switches.length > 0 && only.test(name));

if (option("look", "no") === "yes") {
    const lost = rows.flatMap(({ name, switches }) => switches
        .map(({ path, before }) => [name, path, occurrences(
            readFileSync(join(source, path), "utf8"), before)])
        .filter(([, , count]) => count !== 1));
    for (const [name, path, count] of lost)
        console.log(`${name}: in ${path} the text occurs ${count} times`);
    process.exit(lost.length > 0 ? 1 : 0);
}

const started = Date.now();
let number = 0, failed = 0;

copyTree();
const built = make("build/libsocketio.a", ...servers);
if (built.status !== 0) {
    console.log(`Bail out! The copy does not build: ${built.stderr.slice(-500)}`);
    process.exit(1);
}
console.log(`# seed ${seed}, ${rows.length} rows`);
for (const row of shuffled(rows, seed)) {
    if ((Date.now() - started) / 1000 > seconds) break;
    const why = prove(row);
    number++;
    console.log(`${why ? "not ok" : "ok"} ${number} - without: ${row.name}`);
    if (why) {
        failed++;
        for (const line of why.split("\n")) console.log(`# ${line}`);
    }
}
console.log(`# ${number} of ${rows.length} rows tried`);
console.log(`1..${number}`);
if (option("keep", "no") === "no" && failed === 0)
    rmSync(join(tree, "build/tests"), { recursive: true, force: true });
process.exit(failed > 0 ? 1 : 0);
