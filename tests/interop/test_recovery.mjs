// Connection state recovery: the stock client loses its connection and comes
// back, next to the same client at the reference.
import { once } from "node:events";
import { parser } from "./client4.mjs";
import { check, deadline, finish, privateServer, require, sleep, test, twin }
    from "./harness.mjs";

const { io } = require("socket.io-client");

async function connect(server, t, transports) {
    const socket = io(`http://127.0.0.1:${server.port}`, {
        transports, parser, forceNew: true, reconnectionDelay: 100,
        reconnectionDelayMax: 100,
    });

    t.after(() => socket.close());
    await deadline(once(socket, "connect"), 5000, "connecting");
    return socket;
}

const ask = (socket, ...args) => socket.timeout(3000).emitWithAck(...args);

// A server each: what goes to all must not be seen by the other scenario.
for (const [transports, ms] of [[["websocket"], "60000"],
                                [["polling"], "60001"]]) {
    twin(`what_was_missed_comes_before_the_connect_event_${transports}`,
         async (server, t) => {
        const other = await connect(server, t, ["websocket"]);
        const away = await connect(server, t, transports);
        const seen = [];
        const { id } = away;

        await ask(away, "join", "r");
        // An offset is needed by the reference: only events carry one.
        other.emit("all", "before");
        await deadline(once(away, "all"), 3000, "the first event");
        away.on("to", (...args) => seen.push(args.slice(0, -1)));
        away.on("all", (...args) => seen.push(args.slice(0, -1)));
        away.on("connect", () => seen.push(["connect", away.recovered]));
        away.io.engine.close();
        await sleep(20);
        other.emit("to", ["r"], "one");
        other.emit("to", ["elsewhere"], "two");
        other.emit("all", Buffer.from([1, 2]), "three");
        await deadline(once(away, "connect"), 5000, "coming back");
        await sleep(50);
        check(away.id === id, "the same id");
        const rooms = await ask(away, "rooms");
        return { seen, joined: rooms.includes("r"), count: rooms.length };
    }, { options: ["--recovery", ms] });
}

test("a_client_that_saw_no_event_is_recovered_too", async (t) => {
    const server = await privateServer(t, "ours", "interop",
                                       ["--recovery", "60000"]);
    const other = await connect(server, t, ["websocket"]);
    const away = io(`http://127.0.0.1:${server.port}/custom`, {
        transports: ["websocket"], parser, forceNew: true,
        reconnectionDelay: 100,
    });
    const seen = [];

    t.after(() => away.close());
    await deadline(once(away, "connect"), 5000, "connecting");
    away.io.engine.close();
    const custom = other.io.socket("/custom");
    await deadline(once(custom, "connect"), 5000, "connecting");
    away.on("all", (value) => seen.push(value));
    custom.emit("all", "missed");
    await deadline(once(away, "connect"), 5000, "coming back");
    await sleep(50);
    check(away.recovered, "recovered");
    check(JSON.stringify(seen) === '["missed"]', `saw ${seen}`);
});

await finish();
