// Many stock clients in one process, started with fork(): the first message
// says which, and each further one asks for what they have seen so far.

import { require } from "../interop/npm.mjs";

const { io } = require("socket.io-client");
const clients = [];

function start(url, { name, rooms, transports }) {
    const log = [];
    const socket = io(url, {
        auth: { rooms }, transports, forceNew: true,
        reconnectionDelay: 50, reconnectionDelayMax: 400, timeout: 5000,
    });

    socket.on("connect", () =>
        log.push(["up", Date.now(), socket.recovered,
            socket.io.engine.id.split(".")[0]]));
    socket.on("disconnect", () => log.push(["down", Date.now()]));
    socket.on("packet", (source, seq, offset) =>
        log.push(["got", source, seq, offset ?? null]));
    clients.push({ name, log, socket });
}

process.on("message", ({ url, list, want }) => {
    if (list)
        for (const each of list) start(url, each);
    else if (want === "state")
        process.send({
            up: clients.filter(({ socket }) => socket.connected).length,
            upgraded: clients.filter(({ socket }) =>
                socket.io.engine?.transport?.name === "websocket").length,
            nodes: clients.map(({ socket }) =>
                socket.io.engine?.id?.split(".")[0]),
        });
    else
        process.send(clients.map(({ name, log }) => ({ name, log })));
});
process.on("disconnect", () => process.exit(0));
