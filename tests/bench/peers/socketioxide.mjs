// The server in Rust. Cargo's lock file names a registry, so it belongs to the
// build; Cargo.toml pins what matters.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

import { install } from "./shared/install.mjs";

const cargo = "cargo build -q --release";

export const peer = {
    name: "socketioxide",
    note: "",
    tls: true,
    command: [],
    env: {},

    async prepare(build, { quick } = {}) {
        const folder = resolve(await install(build, "socketioxide", {
            files: ["socketioxide/Cargo.toml", "socketioxide/main.rs"],
            // What is in cargo's own cache is not asked for again.
            commands: [["sh", "-c", `${cargo} --offline 2>/dev/null || ${cargo}`]],
            quick,
        }));
        const pins = readFileSync(`${folder}/Cargo.toml`, "utf8");
        const version = (name) =>
            new RegExp(`^${name} = .*?"=([^"]+)"`, "m").exec(pins)[1];

        this.command = [`${folder}/target/release/socketioxide-server`];
        this.note = ["socketioxide", "axum", "tokio"]
            .map((name) => `${name} ${version(name)}`).join(", ") +
            ", as many threads as processors";
        return true;
    },
};
