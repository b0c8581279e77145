// The application of hooks-server.c on the reference implementation:
//
//   node oracle-hooks.mjs PORT [options]
//
// The comment at the top of hooks-server.c specifies it.

import { createServer } from "node:http";
import { require } from "./npm.mjs";

const { Server } = require("socket.io");

const args = process.argv.slice(2);
const port = Number(args.shift());
const cookie = {};
const options = { serveClient: false };
let unpassed = null;

for (let i = 0; i < args.length; i += 2) {
    const name = args[i], value = args[i + 1];

    if (name === "--cookie")
        options.cookie = Object.assign(cookie, { name: value });
    else if (name === "--cookie-path")
        cookie.path = value;
    else if (name === "--cookie-http-only")
        cookie.httpOnly = value === "1";
    else if (name === "--cookie-same-site")
        cookie.sameSite = value;
    else if (name === "--cookie-domain")
        cookie.domain = value;
    else if (name === "--cookie-max-age")
        cookie.maxAge = Number(value);
    else if (name === "--cookie-expires")
        cookie.expires = new Date(Number(value) * 1000);
    else if (name === "--cookie-secure")
        cookie.secure = value === "1";
    else if (name === "--cookie-partitioned")
        cookie.partitioned = value === "1";
    else if (name === "--cookie-priority")
        cookie.priority = value;
    else
        unpassed = name;
}
if (unpassed !== null)
    throw new Error(`unknown option ${unpassed}`);

const errors = new Map();
const waiting = new Map();
const orders = new Map();

function note(tag, text) {
    orders.set(tag, [...orders.get(tag) ?? [], text]);
}

const http = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    const tag = url.searchParams.get("tag");
    const json = (value) => response
        .writeHead(200, { "Content-Type": "application/json" })
        .end(JSON.stringify(value));

    if (url.pathname === "/errors") {
        json(errors.get(tag) ?? []);
    } else if (url.pathname === "/order") {
        json(orders.get(tag) ?? []);
    } else if (url.pathname === "/waiting") {
        json(waiting.has(tag) ? 1 : 0);
    } else if (url.pathname === "/decide") {
        const decide = waiting.get(tag);
        waiting.delete(tag);
        decide?.(url.searchParams.get("word"));
        json(decide ? 1 : 0);
    } else {
        response.writeHead(404).end();
    }
});

options.allowRequest = (request, callback) => {
    const { tag, allow } = request._query;
    const decide = (word) => {
        if (word === "no")
            callback("not today", false);
        else if (word === "silently")
            callback(null, false);
        else
            callback(null, true);
    };

    note(tag, "allow");
    if (allow === "later")
        waiting.set(tag, decide);
    else
        decide(allow);
};

const io = new Server(http, options);

io.engine.use((request, response, next) => {
    const { tag, use } = request._query;
    const decide = (word) => {
        if (word === "answer")
            response.writeHead(429, { "Content-Type": "text/plain" })
                .end("slow down");
        else if (word === "no")
            next(new Error("no"));
        else
            next();
    };

    note(tag, "first");
    response.setHeader("X-Use", "1");
    if (use === "later")
        waiting.set(tag, decide);
    else
        decide(use);
});
io.engine.use((request, response, next) => {
    note(request._query.tag, "second");
    next();
});
io.engine.on("initial_headers", (headers, request) => {
    note(request._query.tag, "initial_headers");
    headers["X-Initial"] = request.headers["x-word"] ?? "none";
});
io.engine.on("headers", (headers, request) => {
    note(request._query.tag, "headers");
    headers["X-Always"] = request.method;
});
io.engine.on("connection_error", ({ req, code, message, context }) => {
    const tag = req._query.tag;
    errors.set(tag, [...errors.get(tag) ?? [],
                     { code, message, context: context ?? {} }]);
});
process.on("SIGTERM", () => {
    io.close();
    http.closeIdleConnections();
    setTimeout(() => process.exit(0), 100);
});
http.listen(port, "127.0.0.1", () => {
    console.log(`listening on ${http.address().port}`);
});
