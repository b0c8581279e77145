// The peer that everybody knows: socket.io on Node, with ws.
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export const peer = {
    name: "socket.io",
    note: "",
    tls: true,
    command: ["node",
        fileURLToPath(new URL("socketio/server.mjs", import.meta.url))],
    env: { NODE_ENV: "production" },

    // make has installed it already, for the tests.
    async prepare() {
        const folder = `${process.env.NPM}/node_modules`;
        const version = (name) => JSON.parse(
            readFileSync(`${folder}/${name}/package.json`)).version;

        try {
            // ws is engine.io's own: another one may lie beside it.
            const own = "engine.io/node_modules/ws";
            const ws = version(existsSync(`${folder}/${own}`) ? own : "ws");

            this.note = `${version("socket.io")}, ws ${ws}, ` +
                `Node ${process.versions.node}`;
            return true;
        } catch (error) {
            this.why = `socket.io is not in ${dirname(folder)}`;
            return false;
        }
    },
};
