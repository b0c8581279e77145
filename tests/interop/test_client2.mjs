// The stock client 2.5.0 on both servers with allowEIO3, and beside it one of
// version 4.
import { connect, plain } from "./client4.mjs";
import { deadline, finish, need, require, twin } from "./harness.mjs";

need("socket.io", "socket.io-client", "socket.io-client-2");

const io2 = require("socket.io-client-2");
const eio3 = ["--eio3"];
const modes = {
    polling: { transports: ["polling"] },
    base64: { transports: ["polling"], forceBase64: true },
    websocket: { transports: ["websocket"] },
    upgrade: { transports: ["polling", "websocket"] },
};

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

function dial(server, t, mode, nsp = "/", rest = {}) {
    const socket = io2(server.url + nsp, {
        ...modes[mode], forceNew: true, reconnection: false, ...rest,
    });

    t.after(() => { socket.io.reconnection(false); socket.close(); });
    return socket;
}

for (const mode of Object.keys(modes)) {
    twin(`client_2_talks_${mode}`, async (server, t) => {
        const socket = dial(server, t, mode);
        const log = [];

        await once(socket, "connect");
        if (mode === "upgrade" && socket.io.engine.transport.name !== "websocket")
            await new Promise((done) => {
                socket.io.engine.once("upgrade", () => done());
            });
        log.push(socket.id === socket.io.engine.id);
        log.push(await ask(socket, "echo", "hé😀", { a: [1, null] }));
        log.push(await ask(socket, "echo", Buffer.from([0, 1, 2, 255]),
                           { deep: Buffer.from("x") }));
        log.push(await ask(socket, "big-bytes", 70000).then(
            ([text]) => text.length));
        log.push(await ask(socket, "join", "r"));
        const heard = once(socket, "to");
        socket.emit("to", ["r"], "room", Buffer.from([9]));
        log.push(await heard);
        const asked = once(socket, "disconnect");
        socket.emit("disconnect-me", false);
        log.push(await asked);
        return log;
    }, { options: eio3 });

    twin(`client_2_and_4_share_a_room_${mode}`, async (server, t) => {
        const old = dial(server, t, mode);

        await once(old, "connect");
        const young = await connect(server, t, mode);
        const room = `mixed-${mode}`;

        await ask(old, "join", room);
        await young.ask("join", room);
        const heard = [once(old, "to"), once(old, "to"), young.next("to")];
        young.emit("to", [room], "from 4", Buffer.from([4, 4]));
        return [await heard[0], await heard[2]];
    }, { options: eio3 });
}

twin("client_2_joins_a_namespace_with_a_query", async (server, t) => {
    const socket = dial(server, t, "websocket", "/auth", {
        query: { token: "secret" },
    });
    const outcome = await Promise.race([
        once(socket, "connect").then(() => ["connected"]),
        once(socket, "error").then((args) => ["refused", args]),
    ]);

    return outcome;
}, { options: eio3 });

twin("client_2_is_accepted_by_the_query_of_its_namespace", async (server, t) => {
    const socket = dial(server, t, "websocket", "/auth", {
        query: { token: "ok", other: "a b" },
    });

    await once(socket, "connect");
    return [socket.id === `/auth#${socket.io.engine.id}`,
            await ask(socket, "auth"),
            await ask(socket, "id").then(([id]) => id === socket.id)];
}, { options: eio3 });

twin("client_2_is_refused_without_data_by_the_message", async (server, t) =>
    once(dial(server, t, "polling", "/auth"), "error"), { options: eio3 });

twin("client_2_comes_back_after_its_connection_broke", async (server, t) => {
    const socket = dial(server, t, "websocket", "/", {
        reconnection: true, reconnectionDelay: 20,
    });

    await once(socket, "connect");
    const before = socket.id;
    const back = once(socket, "connect");
    socket.io.engine.close();
    await back;
    return [before !== socket.id, await ask(socket, "echo", 1)];
}, { options: eio3 });

twin("client_2_is_refused_an_unknown_namespace", async (server, t) =>
    once(dial(server, t, "polling", "/no-such"), "error"), { options: eio3 });

await finish();
