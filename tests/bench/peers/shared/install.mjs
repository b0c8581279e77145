// Installs a peer below the build folder, once. Its sources, copied there, are
// the mark of what is installed: when they change, it is done again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync,
    writeFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const peers = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Run a program to its end; an error says what it said last. */
export async function run([program, ...args], options = {}) {
    const child = spawn(program, args, { ...options,
        stdio: ["ignore", "pipe", "pipe"] });
    let out = "", complaints = "";
    child.stdout.on("data", (data) => { out += data; });
    child.stderr.on("data", (data) => { complaints += data; });
    try {
        const [status, signal] = await once(child, "close");
        if (status === 0) return out.trim();
        const [last = ""] = complaints.trim().split("\n")
            .filter((line) => /error|not /i.test(line));
        throw new Error(`${basename(program)} ended with ` +
            `${signal ?? status}: ${last.trim().slice(0, 120)}`);
    } catch (error) {
        if (error.code === "ENOENT") throw new Error(`there is no ${program}`);
        throw error;
    }
}

/**
 * The folder with `files` of peers/ and what `commands` make of them there.
 * quick: only what is there already counts.
 */
export async function install(build, name, { files, commands, quick = false }) {
    const folder = `${build}/peers/${name}`;
    const mark = `${folder}/installed`;
    const sources = files.map((file) => `${peers}/${file}`);
    const wanted = sources.map((file) => readFileSync(file, "utf8")).join("");

    if (existsSync(mark) && readFileSync(mark, "utf8") === wanted)
        return folder;
    if (quick) throw new Error("is not installed yet");

    console.error(`bench: installing ${name} (this may take a minute)`);
    mkdirSync(folder, { recursive: true });
    rmSync(mark, { force: true });
    for (const file of sources)
        copyFileSync(file, `${folder}/${basename(file)}`);
    for (const command of commands)
        await run(command, { cwd: folder });
    writeFileSync(mark, wanted);
    return folder;
}

/** As tests/setup does it: no scripts of packages, no lock file. */
export const npmInstall = ["npm", "install", "--no-package-lock", "--no-audit",
    "--no-fund", "--ignore-scripts", "--loglevel=error"];

/** The version of a package that npm installed in a folder. */
export const npmVersion = (folder, name) => JSON.parse(
    readFileSync(`${folder}/node_modules/${name}/package.json`)).version;
