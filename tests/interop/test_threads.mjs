// Several servers at one port, in threads of one process: examples/threads.c.
import { finish, need, same, test } from "./harness.mjs";
need("socket.io-client");
const { withThreads } = await import("./threads.mjs");

test("servers_in_four_threads_serve_their_clients_at_one_port", () =>
    withThreads({ threads: 4, least: 5 }, async (clients) => {
        const answers = await Promise.all(clients.flatMap((own, thread) =>
            own.flatMap((client, i) => Array.from({ length: 20 }, (_, n) =>
                client.say(`${thread}:${i}:${n}`)))));

        same(answers, clients.flatMap((own, thread) =>
            own.flatMap(() => Array(20).fill(thread))));
    }), { timeout: 60000 });

test("broadcast_reaches_the_clients_of_its_own_thread", () =>
    withThreads({ threads: 4, least: 2 }, async (clients) => {
        for (const [thread, [first]] of clients.entries())
            same(await first.say(`from ${thread}`), thread);
        for (const [thread, own] of clients.entries())
            for (const client of own) {
                await client.hears(`from ${thread}`);
                // an answer comes after what the server sent before
                await client.say("bye");
                same(client.heard.filter((text) => text !== "bye"),
                     [`from ${thread}`]);
            }
    }), { timeout: 60000 });

await finish();
