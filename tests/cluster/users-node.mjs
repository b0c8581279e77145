// users-node.mjs PORT --adapter NAME --redis URL --key KEY: the application of
// the tests of users on the reference implementation, as skio_users(3) shows
// it. users-server.c says what it does.

import { joinAsAsked, run } from "./member.mjs";

const [io, port] = await joinAsAsked();
const room = (user) => `user:${user}`;

io.use(async (socket, next) => {
    const { user } = socket.handshake.auth;

    if (user !== undefined)
        await socket.join(room(user));
    next();
});
io.on("connection", (socket) => {
    socket.on("emit", (user, event, value, done) => {
        io.to(room(user)).emit(event, value);
        done("SKIO_OK");
    });
    socket.on("kick", (user, close, done) => {
        io.in(room(user)).disconnectSockets(close);
        done("SKIO_OK");
    });
    // A server that does not answer in time makes it an error.
    const fetch = (user) => io.in(room(user)).fetchSockets()
        .then((sockets) => ["SKIO_OK", 0, sockets.map(({ id }) => id)],
              ({ message }) => [message, 1, []]);
    socket.on("fetch", async (user, done) => done(await fetch(user)));
    socket.on("online", async (user, done) => {
        const [error, missing, { length }] = await fetch(user);
        done([error, missing, length]);
    });
});

run(io, port);
