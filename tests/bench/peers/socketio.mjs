// The peer that everybody knows: socket.io on Node with ws. As bench-server.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NPM}/`);
const { Server } = require("socket.io");
const http = createServer();
const io = new Server(http, { serveClient: false });

io.on("connection", (socket) => {
    socket.on("echo", (...args) => {
        const ack = args.pop();
        if (typeof ack === "function") ack(...args);
        else socket.emit("echo", ...args, ack);
    });
    socket.on("broadcast", (...args) => io.emit("broadcast", ...args));
    socket.on("join", (room, ack) => { socket.join(room); ack?.(true); });
    socket.on("leave", (room, ack) => { socket.leave(room); ack?.(true); });
    socket.on("room", (room, ...args) => io.to(room).emit("room", ...args));
});
http.listen(0, "127.0.0.1", 4096, () =>
    console.log(`listening on ${http.address().port}`));
