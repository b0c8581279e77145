// Redis is away for a while, in all the ways in which it can be: clients of
// the same server notice nothing, the others are reached again within a second,
// and the application is told what was lost.

import { check, finish, sleep, test } from "../interop/harness.mjs";
import { adapters, checkOnce, emitLocally, Node, Pair, Redis, SOON_MS }
    from "./faults.mjs";

const LOCAL_MS = 900; // with recovery it waits half a second for its place
const options = { timeout: 30000 };

// What a node was told, from an index of its events.
async function checkEvents(node, from, { dropped = true, gap = true } = {}) {
    const down = await node.event("down", from);
    const up = await node.event("up", node.events.indexOf(down));

    check(!gap || up.gap > 0, `${node.name}: no gap`);
    check(!dropped || up.dropped > 0, `${node.name}: nothing was dropped`);
    return { down, up };
}

const soon = (ms) =>
    check(ms <= SOON_MS, `the others were reached after ${ms} ms`);

for (const [name, adapter] of Object.entries(adapters)) {
    test(`${name}_serves_without_redis_and_finds_it_when_it_starts`,
         async (t) => {
        const pair = await new Pair(t, adapter, { started: false }).start();
        const { a, ca, redis } = pair;

        const { err } = await a.event("down");
        check(err !== "success", `down because of "${err}"`);
        const took = await emitLocally(a, ca, 20);
        check(took < LOCAL_MS, `an event took ${took} ms`);
        pair.b.next = a.next;
        await redis.start();
        soon(await pair.meet(await redis.pong()));
        const up = await a.event("up");
        check(up.gap === 0, `a gap of ${up.gap} ms before the beginning`);
        check(up.dropped >= 20, `${up.dropped} were dropped`);
        checkOnce(ca, "a");
    }, options);

    test(`${name}_goes_on_when_redis_is_killed_and_restarted`, async (t) => {
        const pair = await new Pair(t, adapter).start();
        const { a, b, ca, cb, redis } = pair;
        const seen = a.events.length;

        await redis.end();
        const took = await emitLocally(a, ca, 30);
        check(took < LOCAL_MS, `an event took ${took} ms`);
        b.next = a.next;
        await emitLocally(b, cb, 5);
        a.next = b.next;
        await redis.start();
        soon(await pair.meet(await redis.pong()));
        const { up } = await checkEvents(a, seen);
        check(up.dropped >= 25, `${up.dropped} were dropped`);
        await checkEvents(b, seen);
        checkOnce(ca, "a");
        checkOnce(cb, "b");
    }, options);

    test(`${name}_loses_nothing_when_redis_hangs_for_a_while`, async (t) => {
        const pair = await new Pair(t, adapter).start();
        const { a, ca, cb, redis } = pair;
        const seen = a.events.length;
        const first = a.next;

        redis.signal("SIGSTOP");
        const took = await emitLocally(a, ca, 100, 30);
        redis.signal("SIGCONT");
        check(took < LOCAL_MS, `an event took ${took} ms`);
        pair.b.next = a.next;
        soon(await pair.meet(await redis.pong()));
        for (let n = first; n < first + 100; n++)
            check(cb.hears(n), `${n} did not come across`);
        check(a.events.length === seen, "it was told to be away");
        checkOnce(ca, "a");
        checkOnce(cb, "b");
    }, options);

    test(`${name}_gives_a_redis_up_that_hangs_for_too_long`, async (t) => {
        const pair = await new Pair(t, [...adapter, "--command-timeout", "300",
                                        "--connect-timeout", "300"]).start();
        const { a, ca, cb, redis } = pair;
        const seen = a.events.length;

        redis.signal("SIGSTOP");
        const took = await emitLocally(a, ca, 100, 30);
        check(took < LOCAL_MS, `an event took ${took} ms`);
        const { err } = await a.event("down", seen);
        check(/timed out/.test(err), `down because of "${err}"`);
        redis.signal("SIGCONT");
        pair.b.next = a.next;
        soon(await pair.meet(await redis.pong()));
        await checkEvents(a, seen);
        checkOnce(ca, "a");
        checkOnce(cb, "b");
    }, options);

    test(`${name}_comes_back_when_its_connections_are_ended`, async (t) => {
        const pair = await new Pair(t, adapter).start();
        const { a, redis } = pair;

        for (const type of ["pubsub", "normal"]) {
            const seen = a.events.length;
            const from = performance.now();
            const killed = await redis.ask("CLIENT", "KILL", "TYPE", type);
            check(/^:[1-9]/.test(killed), `${type}: ${killed}`);
            const { down } = await checkEvents(a, seen, {
                dropped: false, gap: type === "pubsub",
            });
            check(down.err !== "success", `down because of "${down.err}"`);
            soon(await pair.meet(from));
        }
        checkOnce(pair.ca, "a");
    }, options);

    test(`${name}_waits_for_a_redis_that_is_loading`, async (t) => {
        const redis = new Redis();
        redis.more = ["--save", "3600 1000000"];
        const pair = await new Pair(t, adapter, { redis })
            .start("--enable-debug-command", "local");
        const { a, ca } = pair;
        const seen = a.events.length;

        await redis.ask("DEBUG", "POPULATE", "2000");
        const saved = await redis.ask("SAVE");
        check(saved === "+OK", `it was not saved: ${saved}`);
        await redis.end();
        await a.event("down", seen);
        await redis.start("--key-load-delay", "1000",
                          "--loading-process-events-interval-bytes", "1024");
        await sleep(300);
        check(/^-LOADING/.test(await redis.ask("PING")), "it was not loading");
        const c = await new Node("c", [...adapter, "--redis", redis.url])
            .start();
        pair.nodes.push(c);
        const { err } = await c.event("down");
        check(/not possible/.test(err), `down because of "${err}"`);
        const took = await emitLocally(a, ca, 10);
        check(took < LOCAL_MS, `an event took ${took} ms`);
        pair.b.next = a.next;
        soon(await pair.meet(await redis.pong()));
        await checkEvents(a, seen);
        checkOnce(ca, "a");
    }, options);

    test(`${name}_goes_on_while_redis_may_not_be_written`, async (t) => {
        const pair = await new Pair(t, adapter).start();
        const { a, ca, redis } = pair;
        const seen = a.events.length;

        // Of nobody: to have the keys of another would take longer than that.
        await redis.ask("REPLICAOF", "127.0.0.1", "1");
        const took = await emitLocally(a, ca, 30);
        check(took < LOCAL_MS, `an event took ${took} ms`);
        if (adapter.includes("redis-streams")) {
            const { err } = await a.event("down", seen);
            check(/not possible/.test(err), `down because of "${err}"`);
        }
        await redis.ask("REPLICAOF", "NO", "ONE");
        pair.b.next = a.next;
        soon(await pair.meet(performance.now()));
        checkOnce(ca, "a");
        checkOnce(pair.cb, "b");
    }, options);
}

await finish(3);
