// The reference implementation in the roles of build/conformance-server:
//
//   node oracle-conformance.mjs socketio|engineio PORT
//
// Both official protocol suites expect the settings below. PORT 0 takes any
// free port; the line "listening on PORT" on stdout says which.

import { createServer } from "node:http";
import { require } from "./npm.mjs";

const [role, port] = process.argv.slice(2);
const settings = {
    pingInterval: 300,
    pingTimeout: 200,
    maxHttpBufferSize: 1000000,
    cors: { origin: "*" },
};
const httpServer = createServer((request, response) => {
    response.writeHead(404).end();
});

function serveEngineIo() {
    // engine.io is not a dependency of ours: take the one of socket.io.
    const { createRequire } = require("node:module");
    const { attach } =
        createRequire(require.resolve("socket.io"))("engine.io");
    const engine = attach(httpServer, settings);

    engine.on("connection", (session) => {
        session.on("message", (data) => session.send(data));
    });
    return () => engine.close();
}

function serveSocketIo() {
    const { Server } = require("socket.io");
    const io = new Server(httpServer, { ...settings, connectTimeout: 1000 });

    io.on("connection", (socket) => {
        socket.emit("auth", socket.handshake.auth);
        socket.on("message", (...args) => {
            socket.emit("message-back", ...args);
        });
        socket.on("message-with-ack", (...args) => {
            const ack = args.pop();
            ack(...args);
        });
    });
    io.of("/custom").on("connection", (socket) => {
        socket.emit("auth", socket.handshake.auth);
    });
    return () => io.close();
}

const close = role === "engineio" ? serveEngineIo() : serveSocketIo();

process.on("SIGTERM", () => {
    close();
    httpServer.close();
    httpServer.closeAllConnections();
    setTimeout(() => process.exit(0), 50);
});
httpServer.listen(Number(port), () => {
    console.log(`listening on ${httpServer.address().port}`);
});
