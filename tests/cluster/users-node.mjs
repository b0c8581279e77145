// users-node.mjs PORT --adapter NAME --redis URL --key KEY: the application of
// the tests of users on the reference implementation, as skio_users(3) shows
// it. users-server.c says what it does.

import { createServer } from "node:http";
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
const room = (user) => `user:${user}`;

io.use(async (socket, next) => {
    const { user } = socket.handshake.auth;

    if (user !== undefined)
        await socket.join(room(user));
    next();
});
io.on("connection", (socket) => {
    socket.on("emit", (user, event, value, done) => {
        io.to(room(user)).emit(event, value);
        done("SKIO_OK");
    });
    socket.on("kick", (user, close, done) => {
        io.in(room(user)).disconnectSockets(close);
        done("SKIO_OK");
    });
    // A server that does not answer in time makes it an error.
    const fetch = (user) => io.in(room(user)).fetchSockets()
        .then((sockets) => ["SKIO_OK", 0, sockets.map(({ id }) => id)],
              ({ message }) => [message, 1, []]);
    socket.on("fetch", async (user, done) => done(await fetch(user)));
    socket.on("online", async (user, done) => {
        const [error, missing, { length }] = await fetch(user);
        done([error, missing, length]);
    });
});

let isStopping = false;

async function stop() {
    if (isStopping)
        return;
    isStopping = true;
    await io.close();
    process.exit(0);
}

process.on("SIGTERM", stop);
process.stdin.on("end", stop).resume();

http.listen(Number(port), "127.0.0.1", () =>
    console.log(`listening on ${http.address().port}`));
