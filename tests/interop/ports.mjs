// Ports for servers that are started later, and perhaps again.
//
// A port that the system gives is free only until it is given again: to another
// test, or to a client's connection. These lie below the ports that connections
// get, and each is reserved among all tests of the machine while this process
// runs: it holds the UDP port of that number, which nobody has a use for.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";

const FIRST = 10000, LAST = 32000;

// Whether it could be bound.
const isBound = (server) =>
    once(server, "listening").then(() => true, () => false);

async function isFree(port) {
    const server = createServer().listen(port, "127.0.0.1");

    if (!await isBound(server))
        return false;
    server.close();
    await once(server, "close");
    return true;
}

async function reserve(port) {
    const socket = createSocket("udp4").bind(port, "127.0.0.1");

    socket.unref();
    return isBound(socket);
}

/* A port of 127.0.0.1 that no other test gets. */
export async function freePort() {
    for (let i = 0; i < 100; i++) {
        const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
        if (await reserve(port) && await isFree(port))
            return port;
    }
    throw new Error("no port is free");
}

export const freePorts = (n) =>
    Promise.all(Array.from({ length: n }, freePort));
