// node.mjs PORT --adapter NAME --redis URL [options]: the application of the
// cluster tests on the reference implementation. cluster-server.c is the same
// application on ours; whatever changes here changes there.
//
// Listens on 127.0.0.1 (PORT 0: any free port), prints "listening on PORT" and
// serves until SIGTERM or the end of its standard input. Options:
//
//   --adapter redis, redis-sharded or redis-streams
//   --name NAME         who answers events among servers
//   --key KEY           the prefix of channels, and the name of the stream
//   --mode MODE         subscriptionMode of redis-sharded
//   --timeout MS        requestsTimeout of redis
//   --specific          publishOnSpecificResponseChannel of redis
//   --stream-count N    of redis-streams
//   --sharded-pubsub    useShardedPubSub of redis-streams
//   --max-len N         maxLen of redis-streams
//   --only-plaintext    onlyPlaintext of redis-streams
//   --redis-cluster     URL is a node of a Redis Cluster
//   --session-prefix P  sessionKeyPrefix of redis-streams
//   --recovery MS       connectionStateRecovery
//
// Namespaces "/", "/custom" and "/dynamic-*". A socket gets the member "data"
// of its handshake's auth as its data, joins the rooms of "rooms" there, and is
// told "ready"; one that was recovered has all that, and is told nothing.
//
// Events among servers: "hello" and "fence" are told to those who control this
// server. "ask" is answered with {name, args}, "null" with nothing, "twice"
// with 1 and then 2, "named" with the name by servers that the first argument
// lists; "silent" is not.
//
// Clients of /control say what this server shall do. The first argument of each
// command is {nsp, rooms, except, volatile, local, plain, timeout, from,
// token}: which sockets, the flags, and the id of the socket of this server
// that speaks.
//
//   emit (where, event, args…)     -> "ok"
//   ask (where, event, args…)      emits answer(token, value) for each answer
//                                  -> {late: boolean}
//   join, leave (where, room)      -> "ok"
//   kick (where, close)            -> "ok"
//   fetch (where)                  -> {late, missing, sockets: [{id, rooms,
//                                     data, handshake}…]}; missing is -1 where
//                                     that cannot be known
//   remote (where, what, args…)    fetches, then does to each of them: emit
//                                  (event, value), join (room), leave (room),
//                                  disconnect (close); ask (event, value), as
//                                  ask does, -> "ok". Three bytes follow value.
//   say (where, event, args…)      serverSideEmit -> "ok"
//   say-ask (where, event, args…)  with acks -> {late, missing, responses}
//   servers (where)                -> how many there are
//   sockets (where)                -> how many there are
//   all-rooms (where)              -> [room…], sorted
//   here (where)                   -> how many sockets are on this server

import { require } from "../interop/npm.mjs";
import { join, run } from "./member.mjs";

const { createClient, createCluster } = require("redis");

const [port, ...rest] = process.argv.slice(2);
const options = {};
const flags = ["specific", "sharded-pubsub", "only-plaintext",
               "redis-cluster", "cleanup"];

while (rest.length > 0) {
    const name = rest.shift().slice(2);
    options[name] = flags.includes(name)
        ? true : rest.shift();
}

const newClient = () => options["redis-cluster"]
    ? createCluster({ rootNodes: [{ url: options.redis }] })
    : createClient({ url: options.redis });

const redisOptions = {
    "redis": {
        requestsTimeout: Number(options.timeout ?? 5000),
        publishOnSpecificResponseChannel: options.specific ?? false,
    },
    "redis-sharded": { subscriptionMode: options.mode ?? "dynamic" },
    "redis-streams": {
        streamCount: Number(options["stream-count"] ?? 1),
        useShardedPubSub: options["sharded-pubsub"] ?? false,
        maxLen: Number(options["max-len"] ?? 10000),
        onlyPlaintext: options["only-plaintext"] ?? false,
        sessionKeyPrefix: options["session-prefix"] ?? "sio:session:",
    },
};

const io = await join(options.adapter, options.key ?? "socket.io", newClient, {
    redis: redisOptions[options.adapter],
    server: {
        transports: ["polling", "websocket"],
        cleanupEmptyChildNamespaces: options.cleanup ?? false,
        ...(options.recovery ? {
            connectionStateRecovery: {
                maxDisconnectionDuration: Number(options.recovery),
            },
        } : {}),
    },
});

const control = io.of("/control");

function serve(nsp) {
    const tell = (event, ...args) =>
        control.local.emit("said", nsp.name, event, ...args);

    nsp.on("hello", (...args) => tell("hello", ...args));
    nsp.on("fence", (...args) => tell("fence", ...args));
    nsp.on("ask", (...args) => {
        const answer = args.pop();
        answer({ name: options.name, args });
    });
    nsp.on("null", (answer) => answer());
    nsp.on("twice", (answer) => {
        answer(1);
        answer(2);
    });
    nsp.on("named", (names, answer) => {
        if (names.includes(options.name))
            answer(options.name);
    });
    nsp.on("silent", () => {});
}

async function welcome(socket) {
    const { data, rooms } = socket.handshake.auth;

    if (socket.recovered)
        return;
    socket.data = data ?? {};
    socket.join(rooms ?? []);
    socket.emit("ready");
}

for (const name of ["/", "/custom"]) {
    serve(io.of(name));
    io.of(name).on("connection", welcome);
}
io.of(/^\/dynamic-[^/]*$/).on("connection", welcome);
io.on("new_namespace", (nsp) => {
    if (nsp.name.startsWith("/dynamic-"))
        serve(nsp);
});

function target({ nsp, rooms, except, volatile, local, plain, timeout, from }) {
    const space = io.of(nsp ?? "/");
    let operator = from === undefined ? space.in(rooms ?? [])
        : space.sockets.get(from).broadcast.to(rooms ?? []);

    if (except)
        operator = operator.except(except);
    if (volatile)
        operator = operator.volatile;
    if (local)
        operator = operator.local;
    if (plain)
        operator = operator.compress(false);
    return timeout ? operator.timeout(timeout) : operator;
}

const commands = {
    emit(where, event, ...args) {
        target(where).emit(event, ...args);
    },
    async ask(where, event, ...args) {
        return new Promise((done) => {
            target(where).emit(event, ...args, (error, answers) => {
                for (const answer of answers)
                    this.emit("answer", where.token, answer);
                done({ late: error !== null && error !== undefined });
            });
        });
    },
    join(where, room) {
        target(where).socketsJoin(room);
    },
    leave(where, room) {
        target(where).socketsLeave(room);
    },
    kick(where, close) {
        target(where).disconnectSockets(close);
    },
    async fetch(where) {
        try {
            const sockets = await target(where).fetchSockets();
            return {
                late: false, missing: 0,
                sockets: sockets.map(({ id, rooms, data, handshake }) =>
                    ({ id, rooms: [...rooms], data, handshake })),
            };
        } catch (error) {
            return { late: true, missing: -1, sockets: [] };
        }
    },
    async remote(where, what, first, value) {
        const { timeout, ...which } = where;
        const sockets = await target(which).fetchSockets();
        const bytes = Buffer.from([1, 2, 3]);

        await Promise.all(sockets.map((socket) => new Promise((done) => {
            if (what === "ask") {
                socket.timeout(timeout).emit(first, value, bytes,
                    (error, answer) => {
                        if (!error)
                            this.emit("answer", where.token, answer);
                        done();
                    });
                return;
            }
            if (what === "emit")
                socket.emit(first, value, bytes);
            else
                socket[what](first);
            done();
        })));
    },
    say({ nsp }, event, ...args) {
        io.of(nsp ?? "/").serverSideEmit(event, ...args);
    },
    "say-ask"({ nsp }, event, ...args) {
        return new Promise((done) => {
            io.of(nsp ?? "/").serverSideEmit(event, ...args,
                (error, responses) => {
                    const [got, all] =
                        error?.message.match(/\d+/g).map(Number) ?? [0, 0];
                    done({
                        late: !!error, missing: all - got,
                        responses: responses ?? error.responses,
                    });
                });
        });
    },
    async sockets(where) {
        return (await target(where).fetchSockets()).length;
    },
    servers: ({ nsp }) => io.of(nsp ?? "/").adapter.serverCount(),
    async "all-rooms"({ nsp }) {
        const { adapter } = io.of(nsp ?? "/");
        if (adapter.allRooms)
            return [...await adapter.allRooms()].sort();
        const sockets = await io.of(nsp ?? "/").fetchSockets();
        return [...new Set(sockets.flatMap(({ rooms }) => [...rooms]))].sort();
    },
    here: ({ nsp }) => io.of(nsp ?? "/").sockets.size,
};

control.on("connection", (socket) => {
    for (const [name, command] of Object.entries(commands)) {
        socket.on(name, async (...args) => {
            const done = args.pop();
            done(await command.apply(socket, args) ?? "ok");
        });
    }
});

run(io, port);
