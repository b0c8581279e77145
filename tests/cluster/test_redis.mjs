// The Redis adapter (classic): our nodes among those of
// @socket.io/redis-adapter, and what @socket.io/redis-emitter does with them.

import { require, test } from "../interop/harness.mjs";
import { table } from "./table.mjs";

const { newToken, until } = await import("./cluster.mjs");
const { emitted, state } = await import("./operations.mjs");

const TIMEOUT_MS = 2000;

// The emitter of one cluster does something to all of its nodes.
const emitting = (name, act, nsp = "/") => ({
    name, nsp,
    run: async (run) => {
        const { Emitter } = require("@socket.io/redis-emitter");
        const { redis: { client }, key } = run.cluster;
        const emitter = new Emitter(client, { key }).of(nsp);
        const token = newToken();

        act(run, emitter);
        emitter.emit("fence", token);
        emitter.serverSideEmit("fence", token);
        await run.token(token);
        return state(run);
    },
});

// What servers before version 6 of the adapter ask, of one socket: the one that
// has it does so and says that it was done. The others keep silent: each node's
// last answer here comes after all that it had to say before.
const old = {
    name: "old_servers_ask_for_one_socket",
    run: async (run) => {
        const { redis: { client }, key } = run.cluster;
        const listener = await client.duplicate().connect();
        const answers = [];
        const ask = (requestId, request) => client.publish(
            `${key}-request#/#`,
            JSON.stringify({ uid: "old", requestId, ...request }));
        const answered = (requestId) => answers.filter((answer) =>
            answer.requestId === requestId).length;
        const asked = [];

        try {
            await listener.subscribe(`${key}-response#/#`, (text) =>
                answers.push(JSON.parse(text)));
            for (const place of [0, 1, 2, 3]) {
                for (const [type, letter, more] of [
                    [2, "a", { room: "old" }], [3, "b", { room: "r1" }],
                    [4, "c", { close: false }], [2, "b", { room: "last" }]]) {
                    const sid = run.id(`${place}${letter}`);
                    asked.push(`${place}${letter} ${type}`);
                    await ask(asked.at(-1), { type, sid, ...more });
                }
            }
            for (const type of [2, 3, 4]) {
                asked.push(`nobody ${type}`);
                await ask(asked.at(-1), { type, sid: "nobody", room: "r1" });
            }
            for (const place of [0, 1, 2, 3]) {
                asked.push(`end ${place}`);
                await ask(asked.at(-1), { type: 2, sid: run.id(`${place}a`),
                                          room: "end" });
            }
            for (const place of [0, 1, 2, 3])
                await until(`node ${place} to answer`,
                            () => answered(`end ${place}`), (n) => n > 0);
        } finally {
            await listener.disconnect();
        }
        return { answers: Object.fromEntries(asked.map((requestId) =>
            [requestId, answered(requestId)])), ...await state(run) };
    },
};

await table("redis", {
    options: ["--timeout", String(TIMEOUT_MS)],
    more: ({ both }) => {
        test(old.name, both(old, [0]), { timeout: 30000 });
        for (const [name, act] of Object.entries(emitted)) {
            test(name, both(emitting(name, act), [0]), { timeout: 30000 });
            test(`in_custom_${name}`, both(emitting(name, act, "/custom"), [2]),
                 { timeout: 30000 });
        }
    },
});
