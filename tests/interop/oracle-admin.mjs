// admin-server.c on the reference implementation:
//
//   node oracle-admin.mjs PORT [options]
//
// with the options that instrument() of @socket.io/admin-ui has.

import { require } from "./npm.mjs";

const { Server } = require("socket.io");
const { instrument } = require("@socket.io/admin-ui");
const bcrypt = require("bcryptjs");

const [port, ...words] = process.argv.slice(2);
const io = new Server({ cors: { origin: "*" } });
const setting = {
    auth: {
        type: "basic", username: "admin",
        password: bcrypt.hashSync("correct horse", 4),
    },
    mode: "production",
};
let redis;

for (let i = 0; i < words.length; i++) {
    if (words[i] === "--mode")
        setting.mode = words[++i];
    else if (words[i] === "--readonly")
        setting.readonly = true;
    else if (words[i] === "--no-auth")
        setting.auth = false;
    else if (words[i] === "--id")
        setting.serverId = words[++i];
    else if (words[i] === "--bcrypt")
        setting.auth.password = words[++i];
    else if (words[i] === "--failures")
        i++; // there is no limit
    else if (words[i] === "--redis")
        redis = words[++i];
    else
        throw new Error(`unknown option ${words[i]}`);
}

if (redis) {
    const { createClient } = require("redis");
    const { createAdapter } = require("@socket.io/redis-adapter");
    const clients = [createClient({ url: redis }), createClient({ url: redis })];

    await Promise.all(clients.map((client) => client.connect()));
    io.adapter(createAdapter(...clients));
}
instrument(io, setting);

for (const name of ["/", "/chat", /^\/room-[^/]+$/]) {
    const nsp = io.of(name);

    nsp.on("connection", (socket) => {
        socket.on("echo", (...args) => {
            const ack = typeof args.at(-1) === "function" ? args.pop()
                : (...rest) => socket.emit("echo", ...rest);
            ack(...args);
        });
        socket.on("join", (room, ack) => { socket.join(room); ack(); });
        socket.on("leave", (room, ack) => { socket.leave(room); ack(); });
        socket.on("share", (value, ack) => {
            Object.assign(socket.data, value);
            ack();
        });
        socket.on("say", (room, ...args) =>
            socket.nsp.to(room).emit("said", ...args));
    });
}

process.on("SIGTERM", () => process.exit(0));
io.listen(Number(port));
console.log(`listening on ${io.httpServer.address().port}`);
