// The sharded Redis adapter with two channels for each namespace, under another
// key.

import { table } from "./table.mjs";

await table("redis-sharded", {
    options: ["--mode", "static", "--key", "ünï#key"],
    keep: (name) => /broadcast|answer|join|leave|odd/.test(name) &&
        !/^in_|values/.test(name),
});
