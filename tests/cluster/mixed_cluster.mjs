// A mixed cluster: two servers of ours and one of Node, of one application
// each, which stock clients ask. With each adapter, and one redis-server.

import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { require, test } from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { Child, Redis, until } from "./cluster.mjs";

const { io: connect } = require("socket.io-client");
const here = dirname(fileURLToPath(import.meta.url));
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const START_MS = 60000; // of a process, where many others start too
export const WAIT_MS = 20000;

// A client of a member.
export class Client {
    constructor(server, options) {
        this.server = server;
        this.socket = connect(server.url, { forceNew: true, ...options });
    }

    ask(...args) {
        return this.socket.timeout(WAIT_MS).emitWithAck(...args);
    }

    async up() {
        const { child } = this.server;

        await until("a client to connect", () => this.socket.connected,
                    (yes) => yes, WAIT_MS).catch(({ message }) => {
            throw new Error(`${message}; ${child.label} ${child.exit} ${
                child.stderr}`);
        });
        return this;
    }
}

// A server of an application: for "users", users-server ("ours") or
// users-node.mjs ("node"). Who extends it has newClient(): the one that asks.
export class Member {
    constructor(application, kind, adapter, redis) {
        const args = ["0", "--adapter", adapter, "--redis", redis.url,
                      "--key", adapter];

        this.kind = kind;
        this.child = kind === "ours"
            ? new Child("ours", `${build}/${application}-server`, args)
            : new Child("node", "node",
                        [`${here}/${application}-node.mjs`, ...args]);
    }

    async start() {
        const [, port] = await until("a server to listen", () => {
            if (this.child.exit !== undefined)
                throw new Error(this.child.stderr);
            return /^listening on (\d+)$/m.exec(this.child.stdout);
        }, (match) => match !== null, START_MS);
        this.url = `http://127.0.0.1:${port}`;
        this.asking = await this.newClient().up();
        return this;
    }

    ask(...args) {
        return this.asking.ask(...args);
    }

    async stop() {
        this.asking.socket.disconnect();
        await this.child.stop();
    }

    async kill() {
        this.child.process.kill("SIGKILL");
        await this.child.exited;
    }
}

// A test with each adapter: body gets the members, and a function that starts
// another one of ours. It stops those that it has not killed.
export async function testMixed(name, Server, body) {
    const redis = await new Redis().start();
    const adapters = ["redis", "redis-sharded", "redis-streams"];
    let running = adapters.length;

    for (const adapter of adapters)
        test(`${name}_${adapter.replace("-", "_")}`, async () => {
            const start = (kind) => new Server(kind, adapter, redis).start();
            const members = await Promise.all(
                ["ours", "ours", "node"].map(start));

            await body(members, () => start("ours"));
            if (--running === 0)
                await redis.stop();
        }, { timeout: 120000, timed: false });
}
