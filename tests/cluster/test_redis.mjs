// The Redis adapter (classic): our nodes among those of
// @socket.io/redis-adapter, and what @socket.io/redis-emitter does with them.

import { require, test } from "../interop/harness.mjs";
import { table } from "./table.mjs";

const { newToken } = await import("./cluster.mjs");
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

await table("redis", {
    options: ["--timeout", String(TIMEOUT_MS)],
    more: ({ both }) => {
        for (const [name, act] of Object.entries(emitted)) {
            test(name, both(emitting(name, act), [0]), { timeout: 30000 });
            test(`in_custom_${name}`, both(emitting(name, act, "/custom"), [2]),
                 { timeout: 30000 });
        }
    },
});
