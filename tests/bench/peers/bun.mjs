// socket.io on Bun, with the engine that its authors made for it.
import { resolve } from "node:path";

import { install, npmInstall, npmVersion, run } from "./shared/install.mjs";

export const peer = {
    name: "sio Bun",
    note: "",
    tls: true,
    command: [],
    env: { NODE_ENV: "production" },

    async prepare(build, { quick } = {}) {
        const folder = resolve(await install(build, "bun", {
            files: ["bun/package.json", "bun/server.mjs", "shared/events.mjs"],
            commands: [npmInstall],
            quick,
        }));
        const bun = `${folder}/node_modules/@oven/bun-linux-x64/bin/bun`;

        // A processor without AVX2 cannot run it.
        const version = await run([bun, "--version"]);
        this.command = [bun, `${folder}/server.mjs`];
        this.note = `socket.io ${npmVersion(folder, "socket.io")}, bun-engine ` +
            `${npmVersion(folder, "@socket.io/bun-engine")}, Bun ${version}`;
        return true;
    },
};
