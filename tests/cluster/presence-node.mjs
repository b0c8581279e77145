// presence-node.mjs PORT --adapter NAME --redis URL --key KEY: the application
// of the presence tests on the reference implementation, with the module that
// skio_presence(7) shows. presence-server.c says what it does.

import { Presence } from "../../examples/presence/presence.mjs";
import { joinAsAsked, run } from "./member.mjs";

const [io, port] = await joinAsAsked();
const presence = new Presence(io.of("/"), {
    batchMs: 50, graceMs: 1000, digestMs: 500, serverTimeoutMs: 3000,
});

io.on("connection", (socket) => {
    const { user, room, meta } = socket.handshake.auth;
    const track = async (value) => {
        if (room !== undefined)
            await presence.track(socket, room, user, value);
    };

    track(meta);
    socket.on("meta", track);
    socket.on("leave", () => socket.leave(room));
    socket.on("list", (name, done) => done(presence.list(name)
        .map((each) => [each.user, each.meta, each.devices.length])
        .sort(([a], [b]) => a < b ? -1 : 1)));
    socket.on("refused", (done) => done(presence.refused));
});

run(io, port, () => presence.close());
