// What the servers in Node share that are one of several: they join by an
// adapter's name, and end when whoever started them has ended. member.h is the
// same for ours.

import { createServer } from "node:http";
import { require } from "../interop/npm.mjs";

const { Server } = require("socket.io");
const { createClient } = require("redis");

// A client of Redis, as createClient() or createCluster() makes it.
async function connect(client) {
    client.on("error", (error) => console.error(`redis: ${error.message}`));
    await client.connect();
    return client;
}

// newClient makes a client of Redis; options are further ones of the adapter.
async function makeAdapter(name, key, newClient, options) {
    const publisher = await connect(newClient());

    if (name === "redis-streams")
        return require("@socket.io/redis-streams-adapter")
            .createAdapter(publisher, {
                streamName: key, channelPrefix: key,
                blockTimeInMs: 200, // a server that stops waits for it
                ...options,
            });
    const { createAdapter, createShardedAdapter } =
        require("@socket.io/redis-adapter");
    const subscriber = await connect(newClient());

    return name === "redis-sharded"
        ? createShardedAdapter(publisher, subscriber, {
            channelPrefix: key, ...options,
        })
        : createAdapter(publisher, subscriber, { key, ...options });
}

// A server of Socket.IO that listens nowhere yet.
export async function join(adapter, key, newClient, { server, redis } = {}) {
    return new Server({
        serveClient: false,
        adapter: await makeAdapter(adapter, key, newClient, redis),
        ...server,
    });
}

// The same for the arguments PORT --adapter NAME --redis URL --key KEY.
export async function joinAsAsked() {
    const [port, , adapter, , url, , key] = process.argv.slice(2);

    return [await join(adapter, key, () => createClient({ url })), port];
}

// Listen on a port of this machine (0: any that is free), and run until
// SIGTERM or the end of the standard input; close comes first then.
export function run(io, port, close = () => {}) {
    const http = createServer();
    let isStopping = false;

    async function stop() {
        if (isStopping)
            return;
        isStopping = true;
        close();
        await io.close();
        process.exit(0);
    }

    io.attach(http);
    process.on("SIGTERM", stop);
    process.stdin.on("end", stop).resume();
    http.listen(Number(port), "127.0.0.1", () =>
        console.log(`listening on ${http.address().port}`));
}
