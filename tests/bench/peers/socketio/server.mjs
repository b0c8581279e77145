// The server of peers/socketio.mjs: the events of bench-server.c.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NPM}/`);
const { Server } = require("socket.io");
const { TLS_CERT, TLS_KEY } = process.env;
const http = TLS_CERT
    ? createTlsServer({ cert: readFileSync(TLS_CERT), key: readFileSync(TLS_KEY) })
    : createServer();
const io = new Server(http, { serveClient: false });

io.on("connection", (socket) => {
    socket.on("echo", (...args) => {
        const ack = args.pop();
        if (typeof ack === "function") ack(...args);
        else socket.emit("echo", ...args, ack);
    });
    socket.on("broadcast", (...args) => {
        const ack = typeof args.at(-1) === "function" ? args.pop() : null;
        io.emit("broadcast", ...args);
        ack?.();
    });
    socket.on("join", (room, ack) => { socket.join(room); ack?.(true); });
    socket.on("leave", (room, ack) => { socket.leave(room); ack?.(true); });
    socket.on("room", (room, ...args) => {
        const ack = typeof args.at(-1) === "function" ? args.pop() : null;
        io.to(room).emit("room", ...args);
        ack?.(true);
    });
});
http.listen(0, "127.0.0.1", 4096, () =>
    console.log(`listening on ${http.address().port}`));
process.on("SIGTERM", () => process.exit(0));
