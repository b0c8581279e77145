// A Redis Cluster of three masters, where cluster.mjs has one redis-server.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { require } from "../interop/harness.mjs";
import { Redis, until } from "./cluster.mjs";

const { createCluster } = require("redis");
const run = promisify(execFile);

const MASTERS = 3;

export class RedisCluster {
    async start() {
        this.servers = await Promise.all(Array.from({ length: MASTERS }, () =>
            new Redis(["--cluster-enabled", "yes"]).start()));
        this.url = this.servers[0].url;
        await run("redis-cli", ["--cluster", "create",
            ...this.servers.map(({ port }) => `127.0.0.1:${port}`),
            "--cluster-yes"]);
        for (const server of this.servers)
            await until("the Redis Cluster to be one", async () =>
                (await server.command("CLUSTER", "INFO"))
                    .includes("cluster_state:ok"));
        this.client = createCluster({ rootNodes: [{ url: this.url }] });
        this.client.on("error", () => {});
        await this.client.connect();
        return this;
    }

    async listeners(channel) {
        const counts = await Promise.all(this.servers.map((server) =>
            server.listeners(channel)));
        return counts.reduce((a, b) => a + b);
    }

    async stop() {
        await this.client?.disconnect();
        await Promise.all(this.servers?.map((server) => server.stop()) ?? []);
    }
}
