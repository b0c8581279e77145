// The sharded Redis adapter on a Redis Cluster of three masters: our nodes
// among those of createShardedAdapter(), channels on each of the masters. What
// is published at two masters has no order, here and there.

import { RedisCluster } from "./redis_cluster.mjs";
import { table } from "./table.mjs";

await table("redis-sharded", {
    options: ["--redis-cluster"],
    redis: new RedisCluster(),
    keep: (name) => /broadcast|answer|join|leave|odd|fetch|servers|count/
        .test(name) && !/^in_|values|_order|from_afar/.test(name),
});
