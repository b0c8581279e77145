// Installs a peer below the build folder, once. Its sources, copied there, are
// the mark of what is installed: when they change, it is done again.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync,
    writeFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const peers = resolve(dirname(fileURLToPath(import.meta.url)), "..");

const INSTALL_MS = 900000;

/** Run a program to its end; an error says why it failed. */
export async function run([program, ...args], options = {}) {
    const child = spawn(program, args, { timeout: INSTALL_MS, ...options,
        stdio: ["ignore", "pipe", "pipe"] });
    let out = "", complaints = "";
    child.stdout.on("data", (data) => { out += data; });
    child.stderr.on("data", (data) => { complaints += data; });
    try {
        const [status, signal] = await once(child, "close");
        if (status === 0) return out.trim();
        const lines = complaints.trim().split("\n");
        const why = lines.find((line) => /^(npm )?error/i.test(line)) ??
            lines.at(-1);
        throw new Error(`${basename(program)} ended with ` +
            `${signal ?? status}: ${why.trim().slice(0, 120)}`);
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

/**
 * As tests/setup does it: no scripts of packages, no lock file. Where there is
 * no registry, npm's own patience is minutes.
 */
export const npmInstall = ["npm", "install", "--no-package-lock", "--no-audit",
    "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=1000"];

/** The version of a package that npm installed in a folder. */
export const npmVersion = (folder, name) => JSON.parse(
    readFileSync(`${folder}/node_modules/${name}/package.json`)).version;
