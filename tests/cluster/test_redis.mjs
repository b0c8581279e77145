// The Redis adapter (classic): our nodes among those of
// @socket.io/redis-adapter, and what @socket.io/redis-emitter, older servers and
// emitters in other languages do with them.

import { createRequire } from "node:module";
import { check, require } from "../interop/harness.mjs";
import { table } from "./table.mjs";

const { newToken, sorted, until } = await import("./cluster.mjs");
const { emitted, state } = await import("./operations.mjs");

const notepack = createRequire(require.resolve("@socket.io/redis-adapter"))(
    "notepack.io");

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

/*
 * Older servers, and emitters in other languages, say less.
 */

// What all servers answer to a request.
async function responses(run, count, request) {
    const { redis: { client }, key } = run.cluster;
    const listener = client.duplicate();
    const got = [];

    await listener.connect();
    try {
        await listener.subscribe(`${key}-response#/#`, (text) =>
            got.push(JSON.parse(text)));
        await client.publish(`${key}-request#/#`, JSON.stringify(
            { uid: "oldold", requestId: "old1", ...request }));
        await until("answers", () => got.length, (n) => n >= count);
        await run.fence();
    } finally {
        await listener.disconnect();
    }
    return sorted(got.map((each) => Object.fromEntries(
        Object.entries(each).map(([name, value]) =>
            [name, Array.isArray(value) ? sorted(value, run.names) : value]))),
        run.names);
}

const asked = {
    an_older_server_asks_for_the_sockets_of_a_room: (run) =>
        responses(run, 4, { type: 0, rooms: ["r2", run.id("2c")] }),
    an_older_server_asks_for_all_sockets: (run) =>
        responses(run, 4, { type: 0, rooms: [] }),
    an_older_server_asks_for_all_rooms: (run) => responses(run, 4, { type: 1 }),
};

const publish = (run, channel, message) =>
    run.cluster.redis.command("PUBLISH", `${run.cluster.key}${channel}`,
                              Buffer.from(message));
const broadcast = (run, room, ...message) =>
    publish(run, `#/#${room}`, notepack.encode(["emitter", ...message]));

// Nothing comes after these but what a node says: the fence of the run.
const terse = {
    an_emitter_that_names_rooms_alone: (run) =>
        broadcast(run, "r1#", { type: 2, data: ["terse", 1], nsp: "/" },
                  { rooms: ["r1"] }),
    an_emitter_without_options: (run) =>
        broadcast(run, "", { type: 2, data: ["terse", 2], nsp: "/" }, {}),
    an_emitter_without_a_namespace: (run) =>
        broadcast(run, "", { type: 2, data: ["terse", 3] },
                  { rooms: [], except: ["r2"] }),
    a_request_that_leaves_nobody_out: (run) =>
        publish(run, "-request#/#", JSON.stringify(
            { type: 2, opts: { rooms: ["r2"] }, rooms: ["new"] })),
    a_request_to_everybody: (run) =>
        publish(run, "-request#/#", JSON.stringify(
            { type: 3, opts: {}, rooms: ["r1"] })),
    a_request_in_msgpack: (run) =>
        publish(run, "-request#/#", notepack.encode(
            { type: 2, opts: { rooms: ["r2"], except: [] }, rooms: ["new"] })),
    a_request_of_which_more_is_said: (run) =>
        publish(run, "-request#/#", JSON.stringify(
            { later: { a: [1] }, type: 2, opts: { rooms: ["r2"], except: [],
              flags: {}, more: 1 }, rooms: ["new"], version: 9 })),
};

const telling = (act) => async (run) => {
    await act(run);
    await run.fence();
    return state(run);
};

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
    more: ({ both, clusters, declare }) => {
        declare(old.name, both(old, [0]));
        // Else they would wait for 5 s.
        declare("servers_wait_as_long_as_they_are_told", async () => {
            await Promise.all(clusters.mixed.nodes.map(async (node) => {
                const start = performance.now();
                const { late } = await node.do("say-ask", {}, "silent");
                const took = performance.now() - start;

                check(late && took > TIMEOUT_MS - 50 && took < 4500,
                      `${node.kind} waited ${took} ms`);
            }));
        });
        for (const [name, act] of Object.entries(emitted)) {
            declare(name, both(emitting(name, act), [0]));
            declare(`in_custom_${name}`,
                    both(emitting(name, act, "/custom"), [2]));
        }
        for (const [name, run] of Object.entries(asked))
            declare(name, both({ name, run }, [0, 2]));
        for (const [name, act] of Object.entries(terse))
            declare(name, both({ name, run: telling(act) }, [0, 2]));
    },
});
