// chaos-node.mjs PORT NAME REDIS-URL: a node of the chaos test on the reference
// implementation. chaos-server.c is the same application on ours.
//
// Listens on 127.0.0.1, prints "listening on PORT", serves until SIGTERM. A
// socket joins the rooms that its auth lists, unless it is recovered. Clients of
// /control let it write: write(address, ...args) emits "packet" to everybody
// ("*") or a room, and is answered; ready() is answered when Redis is there,
// address() with the client's. Ids of sessions begin with NAME and a dot.

import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import { require } from "../interop/npm.mjs";

const { Server } = require("socket.io");
const { createClient } = require("redis");
const { createAdapter } = require("@socket.io/redis-streams-adapter");

const [port, name, url] = process.argv.slice(2);
const redis = createClient({ url });

redis.on("error", (error) => console.error(`redis: ${error.message}`));
await redis.connect();

// HAProxy asks whether it is ready.
const http = createServer((request, response) => {
    response.writeHead(request.url === "/readyz" ? 200 : 404).end();
});
const io = new Server(http, {
    serveClient: false,
    cookie: { name: "io" },
    connectionStateRecovery: { maxDisconnectionDuration: 120000 },
    adapter: createAdapter(redis, { blockTimeInMs: 200 }),
});

io.engine.generateId = () => `${name}.${randomBytes(15).toString("base64url")}`;
io.on("connection", (socket) => {
    if (!socket.recovered) socket.join(socket.handshake.auth.rooms);
});
io.of("/control").on("connection", (socket) => {
    socket.on("write", (address, ...args) => {
        const answer = args.pop();
        const target = address === "*" ? io : io.to(address);
        target.emit("packet", ...args);
        answer("ok");
    });
    socket.on("ready", (answer) => answer("ok"));
    socket.on("address", (answer) => answer(
        socket.handshake.headers["x-forwarded-for"]?.split(", ").at(-1) ??
        socket.handshake.address));
});

process.on("SIGTERM", async () => {
    await io.close();
    await redis.quit();
    process.exit(0);
});
http.listen(Number(port), "127.0.0.1", () => {
    console.log(`listening on ${http.address().port}`);
});
