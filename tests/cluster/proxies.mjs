// The shipped balancers in front of a cluster, each with its configuration of
// examples/cluster: only the ports are replaced.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync,
         writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deadline, sleep } from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";

const WAIT_MS = 10000;

const kinds = {
    nginx: {
        programs: ["/usr/sbin/nginx", "/usr/local/sbin/nginx"],
        config: "nginx.conf",
        arguments: (folder, file) => ["-p", folder, "-c", file, "-e", "stderr",
            "-g", "daemon off;"],
    },
    haproxy: {
        programs: ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"],
        config: "haproxy.cfg",
        arguments: (folder, file) => ["-db", "-f", file],
    },
};

/* Where a balancer is installed, or undefined. */
export const programOf = (kind) => kinds[kind].programs.find(existsSync);

async function listens(port) {
    const socket = connect(port, "127.0.0.1");

    try {
        await once(socket, "connect");
        return true;
    } catch {
        return false;
    } finally {
        socket.destroy();
    }
}

const running = new Set();

process.on("exit", () => {
    for (const child of running) child.kill("SIGTERM");
});

export class Proxy {
    constructor(kind, port, nodePorts) {
        this.kind = kind;
        this.port = port;
        this.url = `http://127.0.0.1:${port}`;
        this.nodePorts = nodePorts;
        this.output = "";
    }

    async start() {
        const { config, arguments: argumentsFor } = kinds[this.kind];
        const ports = [this.port, ...this.nodePorts];

        this.folder = mkdtempSync(join(tmpdir(), "proxy-"));
        chmodSync(this.folder, 0o711); /* nginx' workers are somebody else */
        const file = join(this.folder, config);
        writeFileSync(file, readFileSync(
            join(repository, "examples/cluster", config), "utf8")
            .replace(/127\.0\.0\.1:300([0-3])/g,
                (_, i) => `127.0.0.1:${ports[Number(i)]}`));
        this.child = spawn(programOf(this.kind),
            argumentsFor(this.folder, file), { stdio: "pipe" });
        running.add(this.child);
        for (const stream of [this.child.stdout, this.child.stderr])
            stream.on("data", (text) => {
                this.output = (this.output + text).slice(-8000);
            });
        this.exited = once(this.child, "exit").then(() => {
            running.delete(this.child);
            this.gone = true;
        });
        for (let ms = 0; ms < WAIT_MS && !this.gone; ms += 20) {
            if (await listens(this.port)) return this;
            await sleep(20);
        }
        throw new Error(`${this.kind} does not listen: ${this.output}`);
    }

    async stop() {
        if (!this.child) return;
        this.child.kill("SIGTERM");
        await deadline(this.exited, WAIT_MS, `${this.kind} to stop`)
            .catch(() => this.child.kill("SIGKILL"));
        await this.exited;
        rmSync(this.folder, { recursive: true, force: true });
    }
}
