// The Redis streams adapter where all entries are JSON, bytes too
// (onlyPlaintext).

import { table } from "./table.mjs";

await table("redis-streams", {
    options: ["--only-plaintext"],
    keep: (name) => /bytes|binary|kinds_of_values|to_a_room$/.test(name) &&
        !/^in_|large/.test(name), // such JSON is longer than may wait
});
