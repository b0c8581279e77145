// The application of interop-server.c on the reference implementation:
//
//   node oracle.mjs PORT [options]
//
// The comment at the top of interop-server.c specifies it; the two must
// behave alike, event by event, because the tests compare what they do.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { require } from "./npm.mjs";

const { Server } = require("socket.io");

const LOG_MAX = 64;

const tls = {};

function parseOptions(argv) {
    const options = { serveClient: false };
    const numbers = {
        "--ping-interval": "pingInterval",
        "--ping-timeout": "pingTimeout",
        "--max-payload": "maxHttpBufferSize",
        "--connect-timeout": "connectTimeout",
        "--upgrade-timeout": "upgradeTimeout",
    };

    for (let i = 0; i < argv.length; i++) {
        const name = argv[i];
        if (name in numbers)
            options[numbers[name]] = Number(argv[++i]);
        else if (name === "--path")
            options.path = argv[++i];
        else if (name === "--transports")
            options.transports = argv[++i].split(",");
        else if (name === "--cors")
            options.cors = { origin: argv[++i] };
        else if (name === "--cookie")
            options.cookie = { name: argv[++i] };
        else if (name === "--tls-cert")
            tls.cert = readFileSync(argv[++i]);
        else if (name === "--tls-key")
            tls.key = readFileSync(argv[++i]);
        else if (name === "--client-dir")
            options.serveClient = argv[++i].length > 0;
        else if (name === "--recovery")
            options.connectionStateRecovery =
                { maxDisconnectionDuration: Number(argv[++i]) };
        else if (name === "--parser")
            options.parser = require(`socket.io-${argv[++i]}-parser`);
        else if (name === "--no-upgrades")
            options.allowUpgrades = false;
        else if (name === "--deflate")
            options.perMessageDeflate = { serverNoContextTakeover: true,
                                          clientNoContextTakeover: true };
        else if (name === "--eio3")
            options.allowEIO3 = true;
        else
            throw new Error(`unknown option ${name}`);
    }
    // A list of origins is separated by commas; a list of one echoes too.
    if (options.cors?.origin.includes(","))
        options.cors.origin = options.cors.origin.split(",");
    return options;
}

const port = Number(process.argv[2]);
const options = parseOptions(process.argv.slice(3));
const notFound = (request, response) => response.writeHead(404).end();
const httpServer = tls.cert ? createTlsServer(tls, notFound)
    : createServer(notFound);
const io = new Server(httpServer, options);

// What happened, by the "tag" in the query of a connection.
const reasons = new Map();
const connections = new Map();
const counters = new Map();

function record(map, key, value) {
    if (!map.has(key))
        map.set(key, []);
    map.get(key).push(value);
}

function increment(key) {
    counters.set(key, (counters.get(key) ?? 0) + 1);
    return counters.get(key);
}

function typeName(value) {
    if (value === null)
        return "null";
    if (Buffer.isBuffer(value))
        return "binary";
    return Array.isArray(value) ? "array" : typeof value;
}

function checksum(bytes) {
    let sum = 0;
    for (const byte of bytes)
        sum = (sum * 31 + byte) % 65521;
    return sum;
}

function pattern(length) {
    return Buffer.from(Array.from({ length }, (_, i) => i & 255));
}

/*
 * Events
 */

function serve(nsp, socket) {
    const { query, headers, auth } = socket.handshake;
    const tag = query.tag ?? "";
    const log = [];
    let note = null;

    record(connections, tag, nsp.name);
    socket.emit("welcome", nsp.name, auth);
    socket.onAny((name) => {
        if (log.length < LOG_MAX)
            log.push(name);
    });
    socket.on("disconnect", (reason) => {
        record(reasons, tag, [nsp.name, reason]);
    });

    const on = (name, fn) => socket.on(name, (...args) => {
        const ack = typeof args.at(-1) === "function" ? args.pop() : null;
        fn(args, ack ?? (() => {}), ack !== null);
    });

    /* the socket itself */

    const echo = (name) => (args, ack, wanted) => {
        if (wanted)
            ack(...args);
        else
            socket.emit(name, ...args);
    };
    on("echo", echo("echo"));
    // The reference also tells of bad packets this way; only clients' count.
    on("error", (args, ...ack) => {
        if (!(args[0] instanceof Error))
            echo("error")(args, ...ack);
    });
    on("message", echo("message"));

    on("types", (args, ack) => ack(args.map(typeName)));
    on("bytes", ([bytes], ack) => {
        if (Buffer.isBuffer(bytes))
            ack(bytes.length, checksum(bytes));
    });
    on("text", ([text], ack) => {
        if (typeof text === "string")
            ack(Buffer.byteLength(text), checksum(Buffer.from(text)));
    });
    on("auth", (_, ack) => ack(auth));
    on("handshake", (_, ack) => ack({
        tag: query.tag ?? null,
        EIO: query.EIO ?? null,
        transport: query.transport ?? null,
        header: headers["x-interop"] ?? null,
        address: socket.handshake.address,
        secure: socket.handshake.secure,
    }));
    on("id", (_, ack) => ack(socket.id));
    on("note-set", ([text], ack) => { note = text; ack(); });
    on("note-get", (_, ack) => ack(note));
    on("any-log", (_, ack) => ack(log));
    on("reserved", (_, ack) => {
        let refused = 0;
        for (const name of ["connect", "connect_error", "disconnect",
                            "disconnecting", "newListener",
                            "removeListener"]) {
            try {
                socket.emit(name, 1);
            } catch {
                refused++;
            }
        }
        ack(refused);
    });
    on("many", ([count, text], ack) => {
        for (let i = 0; i < count; i++)
            socket.emit("tick", i, text);
        ack(count);
    });
    on("volatile", ([text], ack) => {
        socket.volatile.emit("volatile", text);
        ack();
    });
    on("big-text", ([count], ack) => ack("x".repeat(count)));
    on("big-bytes", ([count], ack) => ack(pattern(count)));
    on("nested", (_, ack) => {
        socket.emit("nested", { a: [1, { b: pattern(3) }], c: pattern(0) },
                    "end", pattern(300));
        ack({ list: [pattern(1), [pattern(2)]], none: null });
    });
    on("ask", ([timeout, ...args]) => {
        socket.timeout(timeout).emit("question", ...args, (err, ...answer) => {
            if (err)
                socket.emit("answer", "timeout");
            else
                socket.emit("answer", "ok", ...answer);
        });
    });
    on("ask-forever", (args) => {
        socket.emit("question", ...args, (...answer) => {
            socket.emit("answer", "ok", ...answer);
        });
    });
    on("later", ([delay, value], ack) => {
        setTimeout(() => ack(value), delay);
    });
    on("say-goodbye", (_, ack) => {
        socket.on("disconnecting", (reason) =>
            socket.emit("late", socket.connected, socket.rooms.size, reason));
        ack();
    });
    on("disconnect-me", ([close]) => {
        socket.disconnect(close === true);
    });
    on("bye", (_, ack) => {
        socket.emit("farewell", "first");
        socket.disconnect();
        socket.emit("farewell", "second");
        ack("third");
    });
    on("count", ([key], ack) => ack(increment(`${nsp.name} ${key}`)));
    on("reasons", ([key], ack) => ack(reasons.get(key) ?? []));
    on("connections", ([key], ack) => ack(connections.get(key) ?? []));

    /* rooms and broadcast */

    on("join", ([room], ack) => { socket.join(room); ack(); });
    on("leave", ([room], ack) => { socket.leave(room); ack(); });
    on("rooms", (_, ack) => ack([...socket.rooms].sort()));
    on("all", (args) => nsp.emit("all", ...args));
    on("to", ([rooms, ...args]) => nsp.to(rooms).emit("to", ...args));
    on("except", ([rooms, ...args]) => {
        nsp.except(rooms).emit("except", ...args);
    });
    on("to-except", ([rooms, except, ...args]) => {
        nsp.to(rooms).except(except).emit("to-except", ...args);
    });
    on("broadcast", (args) => socket.broadcast.emit("broadcast", ...args));
    on("broadcast-to", ([room, ...args]) => {
        socket.to(room).emit("broadcast-to", ...args);
    });
    on("plain-to", ([room, ...args]) => {
        nsp.to(room).compress(false).emit("plain-to", ...args);
    });
    on("volatile-to", ([room, ...args]) => {
        nsp.to(room).volatile.emit("volatile-to", ...args);
    });
    on("sockets-join", ([rooms, room], ack) => {
        nsp.in(rooms).socketsJoin(room);
        ack();
    });
    on("sockets-leave", ([rooms, room], ack) => {
        nsp.in(rooms).socketsLeave(room);
        ack();
    });
    on("sockets-disconnect", ([rooms, close], ack) => {
        nsp.in(rooms).disconnectSockets(close);
        ack();
    });
    on("fetch", async ([rooms], ack) => {
        const sockets = await nsp.in(rooms).fetchSockets();
        ack(sockets.map((each) => each.id).sort());
    });
}

for (const name of ["/", "/custom", "/auth"]) {
    const nsp = io.of(name);
    nsp.on("connection", (socket) => serve(nsp, socket));
}

/*
 * Middleware of /auth
 */

io.of("/auth").use((socket, next) => {
    const { auth, query } = socket.handshake;
    const verdict = () => {
        if (auth.token === "ok")
            return next();
        const error = new Error(auth.token ? "wrong token" : "no token");
        if (auth.token)
            error.data = { code: 401, token: auth.token };
        next(error);
    };

    increment(`first ${query.tag ?? ""}`);
    if (auth.greet === true)
        socket.emit("early", "from the middleware");
    if (auth.slow > 0)
        setTimeout(verdict, auth.slow);
    else
        verdict();
});

io.of("/auth").use((socket, next) => {
    increment(`second ${socket.handshake.query.tag ?? ""}`);
    next();
});

io.of("/").on("connection", (socket) => {
    socket.on("middleware", (tag, ack) => {
        ack(counters.get(`first ${tag}`) ?? 0,
            counters.get(`second ${tag}`) ?? 0);
    });
});

process.on("SIGTERM", () => {
    io.close();
    httpServer.closeIdleConnections();
    // Hold on a little so that every client sees the close frames.
    setTimeout(() => process.exit(0), 100);
});
httpServer.listen(port, "127.0.0.1", () => {
    console.log(`listening on ${httpServer.address().port}`);
});
