// The stock client 2.5.0 with MessagePack, on both servers with allowEIO3 and
// that parser. Its own parser of that time writes the packets that open and
// close a namespace as JSON, which the reference does not read either; so it
// gets the codec of today behind the interface of its day.
process.env.SKIO_PARSER = "msgpack";
const { plain } = await import("./client4.mjs");
const { deadline, finish, need, require, twin } = await import("./harness.mjs");

need("socket.io", "socket.io-client-2", "socket.io-msgpack-parser");

const io2 = require("socket.io-client-2");
const packed = require("socket.io-msgpack-parser");
const options = ["--eio3"];
const modes = {
    polling: { transports: ["polling"] },
    base64: { transports: ["polling"], forceBase64: true },
    websocket: { transports: ["websocket"] },
    upgrade: { transports: ["polling", "websocket"] },
};

// This client names events and acks with binary data by types of their own, 5
// and 6, which are none in this codec.
class Encoder {
    encode(packet, done) {
        const type = packet.type > 4 ? packet.type - 3 : packet.type;
        done(new packed.Encoder().encode({ ...packet, type }));
    }
}

class BareEncoder {
    encode(packet, done) { done(new packed.Encoder().encode(packet)); }
}

class OldEncoder {
    encode(packet, done) {
        if (packet.type <= 1)
            done([JSON.stringify(packet)]);
        else
            done(new packed.Encoder().encode(packet));
    }
}

function dial(server, t, mode, nsp = "/", rest = {}) {
    const socket = io2(server.url + nsp, {
        ...modes[mode], forceNew: true, reconnection: false,
        parser: { Encoder, Decoder: packed.Decoder }, ...rest,
    });

    t.after(() => { socket.io.reconnection(false); socket.close(); });
    return socket;
}

function once(socket, name) {
    return deadline(new Promise((done) => {
        socket.once(name, (...args) => done(plain(args)));
    }), 4000, `waiting for "${name}"`);
}

function ask(socket, ...args) {
    return deadline(new Promise((done) => {
        socket.emit(...args, (...answer) => done(plain(answer)));
    }), 4000, `the answer to "${args[0]}"`);
}

async function upgraded(engine) {
    if (engine.transport.name !== "websocket")
        await new Promise((done) => { engine.once("upgrade", () => done()); });
}

for (const mode of Object.keys(modes)) {
    twin(`client_2_talks_msgpack_${mode}`, async (server, t) => {
        const socket = dial(server, t, mode);
        const log = [];

        await once(socket, "connect");
        if (mode === "upgrade")
            await upgraded(socket.io.engine);
        log.push(socket.id === socket.io.engine.id);
        log.push(await ask(socket, "echo", "hé😀", { a: [1, null, -0.5] }));
        log.push(await ask(socket, "echo", Buffer.from([0, 1, 2, 255]),
                           { deep: [Buffer.from("x"), Buffer.alloc(0)] }));
        log.push(await ask(socket, "join", "r"));
        const heard = once(socket, "to");
        socket.emit("to", ["r"], "room", Buffer.from([9]));
        log.push(await heard);
        const gone = once(socket, "disconnect");
        socket.emit("disconnect-me", false);
        log.push(await gone);
        return log;
    }, { options });
}

twin("client_2_joins_a_namespace_in_msgpack", async (server, t) => {
    const socket = dial(server, t, "websocket", "/auth", {
        query: { token: "ok", other: "a b" },
    });

    await once(socket, "connect");
    return [socket.id === `/auth#${socket.io.engine.id}`,
            await ask(socket, "auth")];
}, { options });

twin("client_2_is_not_let_into_a_namespace_in_msgpack", async (server, t) => {
    const socket = dial(server, t, "websocket", "/auth", {
        query: { token: "secret" },
    });
    return once(socket, "error");
}, { options });

twin("client_2_with_text_among_msgpack_is_cut_off", async (server, t) => {
    const socket = dial(server, t, "websocket", "/auth", {
        parser: { Encoder: OldEncoder, Decoder: packed.Decoder },
    });

    return once(socket.io, "close").then(([reason]) => reason);
}, { options });

twin("client_2_with_type_5_in_msgpack_is_cut_off", async (server, t) => {
    const socket = dial(server, t, "websocket", "/", {
        parser: { Encoder: BareEncoder, Decoder: packed.Decoder },
    });

    await once(socket, "connect");
    const gone = once(socket, "disconnect");
    socket.emit("echo", Buffer.from("x"));
    return gone;
}, { options });

await finish();
