// The Redis streams adapter: our nodes among those of
// @socket.io/redis-streams-adapter.

import { table } from "./table.mjs";

await table("redis-streams");
