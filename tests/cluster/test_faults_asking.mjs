// What is asked of other servers, or said to them, while Redis or one of them
// is away: it ends, once, with what is known; and a server that stops takes
// nothing with it that could still be said.

import { check, deadline, finish, sleep, test } from "../interop/harness.mjs";
import { adapters, checkOnce, Client, cross, Node, Pair, Redis, SOON_MS, until }
    from "./faults.mjs";

const options = { timeout: 30000 };
const QUESTIONS = ["fetch", "servers", "hello", "who 1000"];
const PATIENCE_MS = 1000; // --requests-timeout

const within = (ms, least, most, what) =>
    check(ms >= least && ms <= most, `${what} took ${Math.round(ms)} ms`);

for (const [name, adapter] of Object.entries(adapters)) {
    const patient = [...adapter, "--requests-timeout", String(PATIENCE_MS)];

    test(`${name}_answers_at_once_what_is_asked_while_redis_is_away`,
         async (t) => {
        const pair = await new Pair(t, patient).start();
        const { a, redis } = pair;

        for (const each of QUESTIONS) {
            const { err, count, ms } = await a.ask(each);
            check(err === "success", `${each}: ${err}`);
            check(count === (each === "hello" ? 1 : 2), `${each}: ${count}`);
            within(ms, 0, PATIENCE_MS, each);
        }
        const seen = a.events.length;
        await redis.end();
        await a.event("down", seen);
        for (const each of QUESTIONS) {
            const { err, count, ms } = await a.ask(each);
            check(each === "who 1000" ? /timed out/.test(err)
                                      : /closed/.test(err), `${each}: ${err}`);
            check(count === (each === "hello" ? 0 : 1), `${each}: ${count}`);
            within(ms, 0, PATIENCE_MS, each);
        }
    }, options);

    test(`${name}_ends_what_was_asked_when_redis_hangs_and_is_killed`,
         async (t) => {
        const pair = await new Pair(t, patient).start();
        const { a, redis } = pair;

        redis.signal("SIGSTOP");
        for (const each of ["fetch", "hello", "who 1000"]) {
            const { err, count, ms } = await a.ask(each);
            check(/timed out/.test(err), `${each}: ${err}`);
            check(count === (each === "hello" ? 0 : 1), `${each}: ${count}`);
            within(ms, PATIENCE_MS / 2, 2 * PATIENCE_MS, each);
        }
        const [fetched, counted] = [a.ask("fetch"), a.ask("servers")];
        await sleep(100);
        await redis.end();
        await fetched;
        const { err, count, ms } = await counted;
        check(/closed/.test(err) && count === 1, `${err}, ${count} servers`);
        within(ms, 0, PATIENCE_MS, "both");
        await until("both answers", () => a.answers.length === 2);
        await sleep(PATIENCE_MS);
        check(a.answers.length === 2, "an answer came twice");
    }, options);

    test(`${name}_tells_how_many_servers_are_missing`, async (t) => {
        const pair = await new Pair(t, patient).start();
        const { a, b } = pair;

        b.signal("SIGSTOP");
        for (const each of ["fetch", "hello"]) {
            const { err, count, missing, ms } = await a.ask(each);
            check(/timed out/.test(err), `${each}: ${err}`);
            check(count === (each === "hello" ? 0 : 1), `${each}: ${count}`);
            check(missing === 1, `${each}: ${missing} are missing`);
            within(ms, PATIENCE_MS / 2, 2 * PATIENCE_MS, each);
        }
        const who = await a.ask("who 500");
        check(/timed out/.test(who.err) && who.count === 1,
              `who: ${who.err}, ${who.count} answers`);
        b.signal("SIGCONT");
        for (const each of QUESTIONS)
            await until(`all to answer ${each}`, async () => {
                const { err, count } = await a.ask(each);
                return err === "success" && count === (each === "hello" ? 1 : 2);
            });
        check(a.answers.length === 1, "an answer came twice");
    }, options);

    test(`${name}_says_all_before_it_stops`, async (t) => {
        const pair = await new Pair(t, adapter).start();
        const { a, b, cb, redis } = pair;
        const first = a.next;
        const count = 2000;

        a.say(`emit ${first} ${count} 200\nstop`);
        await deadline(a.child.exited, 5000, "to stop");
        await until("the last event", () => cb.hears(first + count - 1));
        const numbers = cb.numbers().filter((n) => n >= first);
        check(numbers.length === count, `${numbers.length} came across`);
        checkOnce(cb, "b");

        // The same once more, by a signal.
        const c = await new Node("c", [...adapter, "--redis", redis.url])
            .start();
        pair.nodes.push(c);
        const cc = await new Client(c).ready();
        t.after(() => cc.close());
        c.next = first + count;
        await cross(c, cb);
        const last = c.emit(100);
        await until("the event", () => cc.hears(last));
        await c.stop();
        await until("the last event", () => cb.hears(last));
        await b.stop();
    }, options);

    test(`${name}_stops_at_once_without_redis`, async (t) => {
        for (const fault of ["absent", "hangs"]) {
            const pair = await new Pair(t, adapter).start();
            const { a, ca, redis } = pair;

            if (fault === "absent") {
                await redis.end();
                await a.event("down");
            } else {
                redis.signal("SIGSTOP");
            }
            const last = a.emit(100000);
            a.say("fetch");
            a.say("hello");
            await until("the event", () => ca.hears(last));
            within(await pair.stop(), 0, SOON_MS, `${fault}: to stop`);
            check(a.freed < 500, `${fault}: it was freed in ${a.freed} ms`);
        }
    }, options);
}

for (const name of ["redis", "redis_sharded"])
    test(`${name}_comes_back_when_it_was_too_slow`, async (t) => {
        const pair = await new Pair(t, adapters[name]).start();
        const { a, b, ca, cb, redis } = pair;
        const seen = b.events.length;

        await redis.ask("CONFIG", "SET", "client-output-buffer-limit",
                        "pubsub 1000000 0 0");
        b.signal("SIGSTOP");
        const subscribers = async () =>
            (await redis.ask("CLIENT", "LIST", "TYPE", "pubsub"))
                .match(/\bid=/g)?.length ?? 0;
        for (let i = 0; i < 400 && await subscribers() === 2; i++) {
            a.emit(100000);
            await until("what is here", () => ca.hears(a.next - 1));
        }
        check(await subscribers() === 1, "Redis ended no connection");
        b.signal("SIGCONT");
        const from = performance.now();
        pair.b.next = a.next;
        const took = await pair.meet(from);
        check(took <= 2 * SOON_MS, `it came back after ${took} ms`);
        const up = await b.event("up", seen);
        check(up.gap > 0, "no gap");
        checkOnce(cb, "b");
        checkOnce(ca, "a");
    }, options);

for (const [name, adapter] of Object.entries(adapters))
    test(`${name}_follows_sentinels_to_another_master`, async (t) => {
        const master = new Redis();
        const replica = new Redis();
        const sentinel = new Redis();
        t.after(() => Promise.all([replica, sentinel].map((each) =>
            each.cleanUp())));
        await master.start();
        await master.pong();
        await replica.start("--replicaof", "127.0.0.1", String(master.port),
                            "--repl-diskless-sync-delay", "0");
        await replica.pong();
        await until("the replica to follow", async () =>
            /master_link_status:up/.test(
                await replica.ask("INFO", "replication")));
        const config = `${sentinel.folder}/sentinel.conf`;
        const { writeFileSync } = await import("node:fs");
        writeFileSync(config, [
            `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`,
            "sentinel down-after-milliseconds mymaster 500",
            "sentinel failover-timeout mymaster 3000", "",
        ].join("\n"));
        sentinel.more = ["--sentinel"];
        await sentinel.start(config);
        await sentinel.pong();
        await until("the sentinel to know the replica", async () =>
            (await sentinel.ask("SENTINEL", "replicas", "mymaster"))
                .includes(String(replica.port)), 20000);

        const pair = new Pair(t, adapter, { redis: master, started: true });
        pair.where = ["--sentinels", `127.0.0.1:${sentinel.port}`];
        await pair.start();
        const seen = pair.a.events.length;
        await master.end();
        const took = pair.a.next;
        pair.a.emit();
        await until("what is here", () => pair.ca.hears(took));
        await until("another master", async () =>
            (await sentinel.ask("SENTINEL", "get-master-addr-by-name",
                                "mymaster")).includes(String(replica.port)) &&
            /^\*3\r\n\$6\r\nmaster/.test(await replica.ask("ROLE")), 20000);
        const ms = await pair.meet(performance.now());
        check(ms <= SOON_MS, `the others were reached after ${ms} ms`);
        const up = await pair.a.event("up", seen);
        check(up.gap > 0, "no gap");
        checkOnce(pair.ca, "a");
    }, { timeout: 50000 });

await finish(3);
