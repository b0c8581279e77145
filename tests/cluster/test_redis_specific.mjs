// The Redis adapter where answers go to who asked alone, under another key.

import { same } from "../interop/harness.mjs";
import { table } from "./table.mjs";

await table("redis", {
    options: ["--timeout", "2000", "--specific", "--key", "ünï#key*"],
    keep: (name) => /answer|asked|fetch|rooms|counted|tell_each|a_room$/
        .test(name) && !/^in_|odd/.test(name),
    // Only answers among servers have no other channel, as in Node.
    more: ({ clusters, redis, declare }) => {
        declare("nothing_else_is_on_the_common_channel", async () => {
            const { mixed: { nodes, key } } = clusters;
            const listener = redis.client.duplicate();
            const heard = [];
            const asked = [];

            await listener.connect();
            try {
                await listener.subscribe(`${key}-response#/#`, (text) =>
                    heard.push(JSON.parse(text).type));
                for (const node of nodes) {
                    asked.push((await node.do("fetch")).late);
                    await node.do("all-rooms");
                    await node.gather("ask", { timeout: 5000 }, "nobody");
                    await node.do("say-ask", {}, "null");
                }
            } finally {
                await listener.disconnect();
            }
            same(asked, nodes.map(() => false));
            same(heard, Array.from({ length: 12 }, () => 6));
        });
    },
});
