// The Redis adapter where answers go to who asked alone, under another key.

import { table } from "./table.mjs";

await table("redis", {
    options: ["--timeout", "2000", "--specific", "--key", "ünï#key*"],
    keep: (name) => /answer|asked|fetch|rooms|counted|tell_each|a_room$/
        .test(name) && !/^in_|odd/.test(name),
});
