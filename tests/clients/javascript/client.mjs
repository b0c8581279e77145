// socket.io-client, of any version, through the scenarios of ../foreign.mjs.
//
//   client.mjs PACKAGE URL polling|websocket|upgrade

import { isDeepStrictEqual } from "node:util";
import { require } from "../../interop/npm.mjs";

const [, , packageName, url, mode] = process.argv;
const io = require(packageName);
// Clients of version 2 have no auth: the query of a namespace stands for it,
// but for "/", which they never ask for.
const old = require(`${packageName}/package.json`).version.startsWith("2.");
const given = (auth) => old ? {} : auth;
const transports = mode === "upgrade" ? ["polling", "websocket"] : [mode];
const WAIT_MS = 5000;

// Every socket of a scenario, to be closed at its end.
let sockets = [];

function late(promise, what) {
    let timer;
    return Promise.race([promise, new Promise((_, failed) => {
        timer = setTimeout(() => failed(new Error(`no ${what}`)), WAIT_MS);
    })]).finally(() => clearTimeout(timer));
}

function same(got, wanted) {
    if (!isDeepStrictEqual(got, wanted))
        throw new Error(`got ${JSON.stringify(got)?.slice(0, 300)}`);
}

const next = (socket, name) => late(new Promise((done) => {
    socket.once(name, (...args) => done(args));
}), name);

const ask = (socket, ...args) => late(new Promise((done) => {
    socket.emit(...args, (...answer) => done(answer));
}), `answer to ${args[0]}`);

function dial(nsp = "/", { auth, ...options } = {}) {
    const socket = io(url + nsp, {
        transports, forceNew: true, reconnectionDelay: 50,
        reconnectionDelayMax: 100, ...options,
        ...old && nsp !== "/" ? { query: auth } : { auth },
    });
    sockets.push(socket);
    return socket;
}

async function connect(nsp, options) {
    const socket = dial(nsp, options);
    await next(socket, "welcome");
    return socket;
}

const upgraded = async (socket) => {
    if (mode === "upgrade" && socket.io.engine.transport.name === "polling")
        await next(socket.io.engine, "upgrade");
};

const scenarios = {
    async reconnection() {
        const one = await connect("/", { auth: { n: 2 } });
        // A client whose server goes amid the upgrade may notice it with the
        // next heartbeat only.
        await upgraded(one);
        const before = one.id;
        await ask(one, "join", "r");
        const gone = next(one, "disconnect"), back = next(one, "welcome");
        console.log("restart");
        await gone;
        same(await back, ["/", given({ n: 2 })]);
        same(one.id !== before, true);
        same((await ask(one, "rooms"))[0].length, 1);
        same(await ask(one, "echo", Buffer.of(1)), [Buffer.of(1)]);
    },
    async connects() {
        const one = dial("/", { auth: { n: 1 } });
        same(await next(one, "welcome"), ["/", given({ n: 1 })]);
        await upgraded(one);
        same(one.io.engine.transport.name, transports.at(-1));
    },
    async acks() {
        const one = await connect();
        const values = ["ä€😀", null, 1.5, -7, { a: [true, { b: "" }], c: {} }];
        same(await ask(one, "echo", ...values), values);
        same(await ask(one, "echo"), []);
        one.on("question", (word, number, ack) =>
            ack(word, number, Buffer.of(1, 2)));
        const answer = next(one, "answer");
        one.emit("ask", 3000, "word", 5);
        same(await answer, ["ok", "word", 5, Buffer.of(1, 2)]);
    },
    async binary() {
        const one = await connect();
        const values = [{ a: [Buffer.of(0, 1, 255)], b: Buffer.of() }, "x",
                        Buffer.alloc(2000, "abc")];
        same(await ask(one, "echo", ...values), values);
        const echo = next(one, "echo"), nested = next(one, "nested");
        one.emit("echo", ...values);
        same(await echo, values);
        same(await ask(one, "nested"),
             [{ list: [Buffer.of(0), [Buffer.of(0, 1)]], none: null }]);
        same((await nested)[0],
             { a: [1, { b: Buffer.of(0, 1, 2) }], c: Buffer.of() });
    },
    async large() {
        const one = await connect();
        same(await ask(one, "echo", "ä".repeat(100000)), ["ä".repeat(100000)]);
        same(await ask(one, "big-text", 100000), ["x".repeat(100000)]);
        const [bytes] = await ask(one, "big-bytes", 100000);
        same([bytes.length, bytes[999]], [100000, 999 & 255]);
    },
    async rooms() {
        const one = await connect(), two = await connect();
        const log = [];
        for (const [who, socket] of Object.entries({ one, two }))
            for (const name of ["to", "broadcast"])
                socket.on(name, (...args) => log.push([who, name, ...args]));
        await ask(two, "join", "r");
        one.emit("to", ["r"], "members", Buffer.of(7));
        one.emit("broadcast", "others");
        await ask(one, "echo");
        await ask(two, "leave", "r");
        const end = next(two, "all");
        one.emit("to", ["r"], "nobody");
        one.emit("all", "end");
        await end;
        same(log, [["two", "to", "members", Buffer.of(7)],
                   ["two", "broadcast", "others"]]);
    },
    async namespaces() {
        const one = await connect(), two = one.io.socket("/custom");
        await next(two, "welcome");
        one.on("all", () => { throw new Error("of another namespace"); });
        const all = next(two, "all");
        two.emit("all", "for custom");
        same(await all, ["for custom"]);
        await ask(one, "echo");
    },
    async refusal() {
        const one = dial("/auth", { auth: { token: "wrong" } });
        const data = { code: 401, token: "wrong" };
        const [error] = await next(one, old ? "error" : "connect_error");
        same(old ? error : [error.message, error.data],
             old ? data : ["wrong token", data]);
        await connect("/auth", { auth: { token: "ok" } });
    },
    async disconnection() {
        const one = await connect(), two = one.io.socket("/custom");
        await next(two, "welcome");
        const gone = next(one, "disconnect");
        one.emit("disconnect-me", false);
        same((await gone)[0], "io server disconnect");
        same(await ask(two, "echo", 1), [1]);
    },
};

for (const [name, scenario] of Object.entries(scenarios)) {
    try {
        await scenario();
        console.log(`ok ${name}`);
    } catch (error) {
        console.log(`not ok ${name}: ${error.message}`);
    }
    for (const socket of sockets) {
        socket.disconnect();
        socket.io.reconnection(false);
        socket.io.engine?.close();
    }
    sockets = [];
}
process.exit(0);
