// What a browser test needs: the server as a process that can be killed and
// started again on its port, Debian's Chromium, flat TAP.
//
//   SKIO_BUILD     where the built programs are (default: <repo>/build)
//   SKIO_CHAT_CMD  a command line to run instead of the chat example
//   SKIO_CHROMIUM  the browser (default: /usr/bin/chromium)

import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { npmFolder, repository, require } from "./npm.mjs";
import { freePort } from "./ports.mjs";

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const chromium = process.env.SKIO_CHROMIUM ?? "/usr/bin/chromium";
const screenshots = join(build, "screenshots");

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/* Why this machine cannot run a browser test, or "". */
export function missing() {
    if (!existsSync(chromium)) return `no ${chromium}`;
    for (const name of ["playwright-core", "socket.io-client"])
        try {
            require.resolve(name);
        } catch {
            return `no ${name} in ${npmFolder}`;
        }
    return "";
}

export function openBrowser() {
    return require("playwright-core").chromium.launch({
        executablePath: chromium,
        headless: true,
        args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"],
    });
}

export function screenshotFile(name) {
    mkdirSync(screenshots, { recursive: true });
    return join(screenshots, `${name}.png`);
}

/* The chat server. start() and stop() may alternate; the port stays. */
export class ChatServer {
    port = 0;
    output = "";
    #child = null;

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    async start() {
        if (this.#child) await this.stop("SIGKILL");
        if (this.port === 0) this.port = await freePort();
        const command = process.env.SKIO_CHAT_CMD?.split(" ") ??
            [join(build, "examples/chat")];
        const client = join(dirname(require.resolve(
            "socket.io-client/package.json")), "dist");
        const child = spawn(command[0], [...command.slice(1),
            "--port", String(this.port),
            "--public", join(repository, "examples/chat/public"),
            "--client", client], { stdio: ["ignore", "pipe", "pipe"] });
        for (const stream of [child.stdout, child.stderr])
            stream.on("data", (text) => {
                this.output = (this.output + text).slice(-8000);
            });
        child.exited = new Promise((done) => {
            child.on("error", (error) => done(`failed: ${error.message}`));
            child.on("exit", (status, signal) => done(signal ?? status));
        });
        this.#child = child;

        let gone = null;
        child.exited.then((how) => { gone = how; });
        for (let i = 0; i < 200 && gone === null; i++) {
            try {
                if ((await fetch(this.url)).ok) return;
            } catch {
                /* not listening yet */
            }
            await sleep(50);
        }
        throw new Error(`the server did not start (${gone}): ${this.output}`);
    }

    /* Returns the exit status, or the name of the signal that ended it. */
    async stop(signal = "SIGTERM") {
        const child = this.#child;
        this.#child = null;
        if (!child) return null;
        child.kill(signal);
        const late = setTimeout(() => child.kill("SIGKILL"), 10000);
        const how = await child.exited;
        clearTimeout(late);
        return how;
    }
}

/* Flat TAP. A test is a function that throws when something is wrong. */
export class Tap {
    #count = 0;
    #failed = 0;

    async test(name, run) {
        this.#count++;
        try {
            await run();
            console.log(`ok ${this.#count} - ${name}`);
        } catch (error) {
            this.#failed++;
            console.log(`not ok ${this.#count} - ${name}`);
            const text = String(error?.stack ?? error).slice(0, 3000);
            for (const line of text.split("\n")) console.log(`# ${line}`);
        }
    }

    end() {
        console.log(`1..${this.#count}`);
        process.exitCode = this.#failed === 0 ? 0 : 1;
    }
}
