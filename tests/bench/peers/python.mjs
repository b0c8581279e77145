// python-socketio. Measured here, aiohttp is twice as quick as uvicorn with any
// of its WebSocket libraries.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { install, run } from "./shared/install.mjs";

export const peer = {
    name: "python",
    note: "",
    tls: true,
    command: [],
    env: {},

    async prepare(build, { quick } = {}) {
        const folder = resolve(await install(build, "python", {
            files: ["python/requirements.txt", "python/server.py"],
            commands: [
                ["python3", "-m", "venv", "venv"],
                ["venv/bin/python", "-m", "pip", "install", "-q", "--no-deps",
                    "--retries=1", "--disable-pip-version-check",
                    "-r", "requirements.txt"],
            ],
            quick,
        }));
        const pins = readFileSync(`${folder}/requirements.txt`, "utf8");
        const version = (name) =>
            new RegExp(`^${name}==(.*)$`, "m").exec(pins)[1];
        const python = `${folder}/venv/bin/python`;

        this.command = [python, `${folder}/server.py`];
        this.note = ["python-socketio", "aiohttp", "uvloop"]
            .map((name) => `${name} ${version(name)}`).join(", ") +
            `, ${await run([python, "--version"])}`;
        return true;
    },
};
