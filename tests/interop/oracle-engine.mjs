// The application of engine-server.c on the reference implementation:
//
//   node oracle-engine.mjs PORT [options]
//
// The comment at the top of engine-server.c specifies it.

import { createServer } from "node:http";
import { require } from "./npm.mjs";

const { Server } = require("engine.io");
const { parse } = require("cookie");

const args = process.argv.slice(2);
const port = Number(args.shift());
const options = {};
const cors = {};
const attached = { path: "/socket.io" };
let makesIds = false;

for (let i = 0; i < args.length; i += 2) {
    const name = args[i], value = args[i + 1];

    if (name === "--generate-id")
        makesIds = value === "1";
    else if (name === "--initial-packet")
        options.initialPacket = value;
    else if (name === "--max")
        options.maxHttpBufferSize = Number(value);
    else if (name === "--trailing-slash")
        attached.addTrailingSlash = value === "1";
    else if (name === "--transports")
        options.transports = value.split(",");
    else if (name === "--ping-interval")
        options.pingInterval = Number(value);
    else if (name === "--allow-eio3")
        options.allowEIO3 = value === "1";
    else if (name === "--cors-origin")
        (options.cors = cors).origin = value;
    else if (name === "--cors-suffix")
        (options.cors = cors).origin = (origin, decide) =>
            decide(null, origin !== undefined && origin.endsWith(value));
    else if (name === "--preflight-continue")
        cors.preflightContinue = value === "1";
    else if (name === "--options-status")
        cors.optionsSuccessStatus = Number(value);
    else
        throw new Error(`unknown option ${name}`);
}

const sessions = new Map();
const lives = new Map();

const shown = (data) => typeof data === "string" || data === undefined
    ? data ?? "" : `<${Buffer.from(data).toString("hex")}>`;

const state = (session) => ({
    id: session.id, protocol: session.protocol,
    readyState: session.readyState, transport: session.transport.name,
    upgraded: session.upgraded, upgrading: session.upgrading,
    remoteAddress: session.remoteAddress.replace("::ffff:", ""),
    method: session.request.method, url: session.request.url,
    word: session.request.headers["x-word"] ?? null,
});

const http = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    const parameter = (name) => url.searchParams.get(name);
    const tag = parameter("tag");
    const session = sessions.get(tag);
    const json = (value) => response
        .writeHead(200, { "Content-Type": "application/json" })
        .end(JSON.stringify(value));

    if (url.pathname === "/cookies") {
        const cookies = parse(session?.request.headers.cookie ?? "");
        json(["a", "b"].map((name) => cookies[name] ?? null));
    } else if (url.pathname === "/life") {
        json(lives.get(tag) ?? []);
    } else if (url.pathname === "/state") {
        json(session ? state(session) : null);
    } else if (url.pathname === "/count") {
        json(engine.clientsCount);
    } else if (url.pathname === "/say") {
        session?.send(parameter("text"));
        json(session ? 1 : 0);
    } else if (url.pathname === "/close") {
        session?.close(parameter("discard") === "1");
        json(session ? 1 : 0);
    } else {
        response.writeHead(404).end();
    }
});

const engine = new Server(options);

if (makesIds) {
    engine.generateId = ({ _query }) => {
        if (_query.id === undefined)
            throw new Error("no id");
        return _query.id;
    };
}
engine.on("connection", (session) => {
    const { tag } = session.request._query;
    const life = [];
    const note = (...words) =>
        life.push(words.filter((word) => word !== "").join(" "));

    lives.set(tag, life);
    sessions.set(tag, session);
    note("connection", session.transport.name);
    session.on("message", (data) => session.send(data));
    session.on("upgrading", () => note("upgrading", session.transport.name));
    session.on("upgrade", () => note("upgrade", session.transport.name));
    session.on("packet", ({ type, data }) => note("packet", type, shown(data)));
    session.on("packetCreate", ({ type, data }) =>
        note("packetCreate", type, shown(data)));
    session.on("flush", () => note("flush"));
    session.on("drain", () => note("drain"));
    session.on("heartbeat", () => note("heartbeat"));
    session.on("close", (reason) => {
        note("close", reason);
        sessions.delete(tag);
    });
});
engine.attach(http, attached);
process.on("SIGTERM", () => {
    engine.close();
    http.close();
    http.closeIdleConnections();
    setTimeout(() => process.exit(0), 100);
});
http.listen(port, "127.0.0.1", () => {
    console.log(`listening on ${http.address().port}`);
});
