// The Redis streams adapter with several streams, and with sharded PUB/SUB for
// what is asked and answered.

import { table } from "./table.mjs";

await table("redis-streams", {
    options: ["--stream-count", "3", "--sharded-pubsub", "--key", "ünï#key"],
    keep: (name) => /broadcast|answer|fetch|join|tell|counted/.test(name) &&
        !/^in_dynamic|values/.test(name),
});
