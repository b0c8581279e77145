// listener-server.c on the reference implementation:
//
//   node oracle-listener.mjs PORT [options]
//
// with the options and events that the reference has.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { require } from "./npm.mjs";

const { Server } = require("socket.io");

const [port, ...words] = process.argv.slice(2);
const options = { serveClient: false, cors: { origin: "*" } };
const tls = {};

for (let i = 0; i < words.length; i++) {
    if (words[i] === "--tls-cert")
        tls.cert = readFileSync(words[++i]);
    else if (words[i] === "--tls-key")
        tls.key = readFileSync(words[++i]);
    else if (words[i] === "--tls-min")
        tls.minVersion = words[++i];
    else if (words[i] === "--tls-password")
        tls.passphrase = words[++i];
    else if (words[i] === "--client-dir")
        options.serveClient = words[++i].length > 0;
    else
        throw new Error(`unknown option ${words[i]}`);
}

const answer = (request, response) => {
    if (request.url === "/who")
        response.end(JSON.stringify(request.socket.remoteAddress));
    else
        response.writeHead(404).end();
};
const httpServer = tls.cert ? createTlsServer(tls, answer)
    : createServer(answer);
const io = new Server(httpServer, options);

for (const name of ["/", "/other"])
    io.of(name).on("connection", (socket) => {
        const { headers, query, auth, address, secure, xdomain, url, issued } =
            socket.handshake;

        socket.emit("welcome", name);
        socket.on("echo", (...args) => args.pop()(...args));
        socket.on("handshake", (ack) => ack({
            headers, query, auth, address, secure, xdomain, url, issued,
        }));
    });

process.on("SIGTERM", () => {
    io.close();
    httpServer.closeIdleConnections();
    setTimeout(() => process.exit(0), 100);
});
httpServer.listen(Number(port), "127.0.0.1", () => {
    console.log(`listening on ${httpServer.address().port}`);
});
