// Runs the table of operations with one adapter: in a cluster of the reference
// alone, and from each node of a mixed one. What both leave must be equal.

import { existsSync } from "node:fs";
import { check, finish, need, same, test } from "../interop/harness.mjs";

need("@socket.io/redis-adapter", "@socket.io/redis-emitter",
     "@socket.io/redis-streams-adapter", "redis", "socket.io",
     "socket.io-client");
const { Cluster, Node, perform, program, Redis, Run, tidy, until } =
    await import("./cluster.mjs");
const { operations, slow } = await import("./operations.mjs");

if (!existsSync(program) && process.env.SKIO_ORACLE_ONLY !== "1") {
    console.log(`1..0 # SKIP ${program} was not built`);
    process.exit(0);
}

const reference = ["node", "node", "node", "node"];
const mixed = ["node", "node", "ours", "ours"];
const timeout = { timeout: 150000 };

/*
 * adapter  the word after --adapter
 * options  of all nodes
 * keep     which operations: a function of their names
 * more     declares further tests; gets {clusters, both, redis, declare}
 */
export async function table(adapter, { options = [], keep = () => true,
                                       more = () => {},
                                       redis = new Redis() } = {}) {
    const clusters = {};
    let started;

    // One Redis, two clusters in it, told apart by their keys: when the first
    // test that is chosen wants them.
    const start = () => started ??= (async () => {
        await redis.start();
        clusters.node = await new Cluster(
            redis, adapter, reference, [...options, "--key", "reference"])
            .start();
        clusters.mixed = await new Cluster(redis, adapter, mixed, options)
            .start();
    })();

    const declare = (name, fn) => test(name, async (t) => {
        await start();
        await fn(t);
    }, timeout);

    declare("all_nodes_find_each_other", () => {});

    // The same from each node of the mixed cluster as in the reference.
    const both = (operation, sources = [0, 1, 2, 3]) => async () => {
        const wanted = await perform(clusters.node, 0, operation);

        if (process.env.SKIO_SHOW === "1")
            console.log(`# ${operation.name} ${JSON.stringify(wanted)}`);
        for (const source of sources) {
            const { kind, name } = clusters.mixed.nodes[source];
            same(await perform(clusters.mixed, source, operation, wanted),
                 wanted, `from ${name}, ${kind}`, "the reference");
        }
    };

    for (const operation of operations.filter(({ name }) => keep(name)))
        declare(operation.name, both(operation));

    // From all nodes at once, since it takes so long.
    for (const [name, run] of Object.entries(slow)) {
        declare(name, async () => {
            const from = async (cluster, source) => {
                const one = new Run(cluster, source, { clients: [] });
                await one.begin();
                return tidy(await run(one), one.names);
            };
            const [wanted, ...results] = await Promise.all([
                from(clusters.node, 0),
                ...[0, 1, 2, 3].map((i) => from(clusters.mixed, i)),
            ]);
            check(wanted.late && wanted.missing > 0, "nobody was missed");
            for (const [i, result] of results.entries())
                same(result, wanted, `from ${clusters.mixed.nodes[i].kind}`,
                     "the reference");
        });
    }

    // A fifth node comes and goes: all count it, and then do not.
    for (const kind of ["node", "ours"]) {
        declare(`a_server_that_comes_and_goes_is_counted_${kind}`,
                async (t) => {
            const { mixed: { nodes }, mixed: cluster } = clusters;
            const counts = (n) => Promise.all(nodes.map((node) => until(
                `${node.name} to count ${n}`, () => node.do("servers"),
                (count) => count === n)));
            const fifth = new Node(kind, "n4", cluster.options);

            await counts(4);
            await fifth.start();
            t.after(() => fifth.child.exit === undefined && fifth.stop());
            await cluster.meet([...nodes, fifth], "/");
            await counts(5);
            await fifth.stop();
            await counts(4);
        });
    }

    // The reference tells of nobody then, ours of those that answered.
    declare("a_server_that_hangs_is_missed", async (t) => {
        const { mixed: cluster } = clusters;
        const run = new Run(cluster, 2, { clients: [["a", {}]] });
        const hanging = new Node("node", "n4", cluster.options);

        await hanging.start();
        t.after(() => {
            hanging.child.process.kill("SIGCONT");
            return hanging.stop();
        });
        await cluster.meet([...cluster.nodes, hanging], "/");
        await run.begin();
        t.after(() => run.end());
        hanging.child.process.kill("SIGSTOP");

        const [fetched, asked, reference] = await Promise.all([
            run.do("fetch"), run.do("say-ask", {}, "ask"),
            run.nodes[2].do("fetch"),
        ]);
        same([fetched.late, fetched.missing, fetched.sockets.length],
             [true, 1, 4]);
        same([asked.late, asked.missing, asked.responses.length], [true, 1, 3]);
        check(reference.late, "the reference did not miss it");
    });

    await more({ clusters, both, redis, declare });

    declare("all_nodes_stop_cleanly", async () => {
        await Promise.all([clusters.node.stop(), clusters.mixed.stop()]);
        await redis.stop();
    });
    await finish(1);
}
