// The sharded Redis adapter: our nodes among those of createShardedAdapter() of
// @socket.io/redis-adapter.

import { table } from "./table.mjs";

await table("redis-sharded");
