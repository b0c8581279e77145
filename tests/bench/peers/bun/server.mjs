// The server of peers/bun.mjs.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

import { serveEvents } from "./events.mjs";

const { TLS_CERT, TLS_KEY } = process.env;
const io = new Server();
const engine = new Engine({ path: "/socket.io/" });

io.bind(engine);
serveEvents(io);
const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    ...engine.handler(),
    ...(TLS_CERT && {
        tls: { cert: Bun.file(TLS_CERT), key: Bun.file(TLS_KEY) },
    }),
});
console.log(`listening on ${server.port}`);
process.on("SIGTERM", () => process.exit(0));
