// The events of bench-server.c, for whatever socket.io runs on.
export function serveEvents(io) {
    io.on("connection", (socket) => {
        socket.on("echo", (...args) => {
            if (typeof args.at(-1) === "function") args.pop()(...args);
            else socket.emit("echo", ...args);
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
}
