// presence-node.mjs PORT --adapter NAME --redis URL --key KEY: the application
// of the presence tests on the reference implementation, with the module that
// skio_presence(7) shows. presence-server.c says what it does.

import { createServer } from "node:http";
import { Presence } from "../../examples/presence/presence.mjs";
import { require } from "../interop/npm.mjs";

const { Server } = require("socket.io");
const { createClient } = require("redis");

const [port, , adapter, , url, , key] = process.argv.slice(2);

async function connect() {
    const client = createClient({ url });

    client.on("error", (error) => console.error(`redis: ${error.message}`));
    await client.connect();
    return client;
}

async function makeAdapter() {
    const publisher = await connect();

    if (adapter === "redis-streams")
        return require("@socket.io/redis-streams-adapter")
            .createAdapter(publisher, {
                streamName: key, channelPrefix: key, blockTimeInMs: 200,
            });
    const { createAdapter, createShardedAdapter } =
        require("@socket.io/redis-adapter");
    const subscriber = await connect();

    return adapter === "redis"
        ? createAdapter(publisher, subscriber, { key })
        : createShardedAdapter(publisher, subscriber, { channelPrefix: key });
}

const http = createServer();
const io = new Server(http, { serveClient: false,
                              adapter: await makeAdapter() });
const presence = new Presence(io.of("/"), {
    batchMs: 50, graceMs: 1000, digestMs: 500, serverTimeoutMs: 3000,
});

io.on("connection", (socket) => {
    const { user, room, meta } = socket.handshake.auth;
    const track = async (value) => {
        if (room !== undefined)
            await presence.track(socket, room, user, value);
    };

    track(meta);
    socket.on("meta", track);
    socket.on("leave", () => socket.leave(room));
    socket.on("list", (name, done) => done(presence.list(name)
        .map((each) => [each.user, each.meta, each.devices.length])
        .sort(([a], [b]) => a < b ? -1 : 1)));
    socket.on("refused", (done) => done(presence.refused));
});

let isStopping = false;

async function stop() {
    if (isStopping)
        return;
    isStopping = true;
    presence.close();
    await io.close();
    process.exit(0);
}

process.on("SIGTERM", stop);
process.stdin.on("end", stop).resume();

http.listen(Number(port), "127.0.0.1", () =>
    console.log(`listening on ${http.address().port}`));
