// The sharded Redis adapter with a channel for each room, those of single
// sockets too.

import { table } from "./table.mjs";

await table("redis-sharded", {
    options: ["--mode", "dynamic-private"],
    keep: (name) => /broadcast|answer|join|leave|odd/.test(name) &&
        !/^in_|values/.test(name),
});
