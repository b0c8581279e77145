// Several servers at one port, joined by a redis-server: in threads of one
// process, examples/threads.c.
import { finish, need, same, test } from "../interop/harness.mjs";
need("redis", "socket.io-client");
const { Redis, until } = await import("./cluster.mjs");
const { withThreads } = await import("../interop/threads.mjs");

const redis = await new Redis().start();

test("redis_joins_the_servers_of_a_process", () =>
    withThreads({ threads: 4, least: 2, redis: redis.url }, async (clients) => {
        const all = clients.flat();
        const words = clients.map((_, thread) => `from ${thread}`);

        // A thread may have clients before Redis has all of its messages.
        for (const [thread, [first]] of clients.entries())
            await until(`thread ${thread} to reach all`, async () => {
                await first.say(`${thread} is here`);
                return all.every(({ heard }) =>
                    heard.includes(`${thread} is here`));
            });
        for (const [thread, [first]] of clients.entries())
            same(await first.say(words[thread]), thread);
        for (const client of all) {
            for (const word of words)
                await client.hears(word);
            same(client.heard.filter((text) => words.includes(text)).sort(),
                 words);
        }
    }), { timeout: 60000 });

test("redis_stops", () => redis.stop(), { timeout: 60000 });
await finish(1);
