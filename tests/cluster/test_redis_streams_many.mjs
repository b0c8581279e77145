// The Redis streams adapter with several streams, and with sharded PUB/SUB for
// what is asked and answered.

import { check } from "../interop/harness.mjs";
import { table } from "./table.mjs";

const MAX_LEN = 200;
const KEY = "ünï#key";

await table("redis-streams", {
    options: ["--stream-count", "3", "--sharded-pubsub", "--key", KEY,
              "--max-len", String(MAX_LEN)],
    keep: (name) => /broadcast|answer|fetch|join|tell|counted/.test(name) &&
        !/^in_dynamic|values/.test(name),
    more: ({ clusters, redis, declare }) => {
        // "/" has the hash 47: each server writes to the stream 47 % 3.
        declare("the_stream_of_a_namespace_is_bounded", async () => {
            const lengths = async () => {
                const all = [];
                for (const i of [0, 1, 2])
                    all.push(await redis.command("XLEN", `${KEY}-${i}`));
                return all;
            };
            // Each of them trims: what one has added is looked at before the
            // next one does so, too.
            for (const node of clusters.mixed.nodes) {
                await Promise.all(Array.from({ length: 5 * MAX_LEN }, (_, i) =>
                    node.do("emit", {}, "filler", i)));
                const [, , length] = await lengths();
                // Redis removes whole blocks of 100 entries.
                check(length >= MAX_LEN && length <= MAX_LEN + 200,
                      `${node.name}: ${length} entries`);
            }
        });
    },
});
