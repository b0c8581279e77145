// socket.io on uWebSockets.js, which its authors keep out of the registry; this
// package carries their binaries.
import { existsSync } from "node:fs";
import { resolve } from "node:path";

import { install, npmInstall, npmVersion } from "./shared/install.mjs";

const PACKAGE = "@trufflesuite/uws-js-unofficial";

export const peer = {
    name: "sio uWS",
    note: "",
    tls: true,
    command: [],
    env: { NODE_ENV: "production" },

    async prepare(build, { quick } = {}) {
        const folder = resolve(await install(build, "uws", {
            files: ["uws/package.json", "uws/server.mjs", "shared/events.mjs"],
            commands: [npmInstall],
            quick,
        }));
        const { arch, platform, versions } = process;
        const binary = `uws_${platform}_${arch}_${versions.modules}.node`;

        if (!existsSync(`${folder}/node_modules/${PACKAGE}/binaries/${binary}`)) {
            this.why = `${PACKAGE} has no ${binary}`;
            return false;
        }
        this.command = ["node", `${folder}/server.mjs`];
        this.note = `socket.io ${npmVersion(folder, "socket.io")}, ` +
            `uWebSockets.js ${npmVersion(folder, PACKAGE)}, ` +
            `Node ${versions.node}`;
        return true;
    },
};
