// What the figures were measured on.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

function said(program, ...args) {
    try {
        return execFileSync(program, args,
            { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
            .split("\n")[0].trim();
    } catch {
        return "not there";
    }
}

function distribution() {
    try {
        return /^PRETTY_NAME="(.*)"/m
            .exec(readFileSync("/etc/os-release", "utf8"))[1];
    } catch {
        return "unknown";
    }
}

export function machine() {
    const [cpu] = cpus();

    return {
        "Processor": `${cpus().length} x ${cpu.model.trim()}`,
        "Memory": `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
        "System": `${distribution()}, Linux ${release()}`,
        "Compiler": said("cc", "--version"),
        "libwebsockets": said("pkg-config", "--modversion", "libwebsockets"),
        "OpenSSL": said("pkg-config", "--modversion", "openssl"),
        "Node": process.versions.node,
    };
}
