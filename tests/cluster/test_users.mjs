// Users in a mixed cluster: two servers of ours and one of Node as
// skio_users(3) shows it, stock clients on all three, with each adapter.

import { check, finish, same } from "../interop/harness.mjs";
import { until } from "./cluster.mjs";
import { Client, Member, testMixed, WAIT_MS } from "./mixed_cluster.mjs";

class Server extends Member {
    constructor(...where) {
        super("users", ...where);
    }

    newClient() {
        return new Device(this);
    }

    // Until it knows these devices of a user, and no others.
    finds(user, devices) {
        const wanted = devices.map(({ socket }) => socket.id).sort().join();

        return until(`${this.kind}: devices of ${user}`, async () => {
            const [error, missing, ids] = await this.ask("fetch", user);
            return `${error} ${missing} ${ids.sort().join()}`;
        }, (answer) => answer === `SKIO_OK 0 ${wanted}`, WAIT_MS);
    }
}

// A client; with a user, one of that user's devices.
class Device extends Client {
    constructor(server, user, transport = "websocket") {
        super(server, {
            transports: [transport], reconnection: false, auth: { user },
        });
        this.user = user;
        this.heard = [];
        this.ends = [];
        this.fences = new Set();
        this.socket.on("fence", (token) => this.fences.add(token));
        this.socket.on("note", (value) => this.heard.push(value));
        this.socket.on("disconnect", (reason) => this.ends.push(reason));
    }

    again() {
        this.socket.connect();
        return this.up();
    }
}

let tokens = 0;

// Until what each server sends to a user is heard by all the devices: a room's
// channel is not there at once.
async function reach(servers, user, devices) {
    for (const server of servers)
        await until(`${server.kind}: ${user} to be heard`, async () => {
            const token = ++tokens;
            const end = performance.now() + 300;

            same(await server.ask("emit", user, "fence", token), "SKIO_OK");
            await until("a fence", () => performance.now() > end ||
                devices.every(({ fences }) => fences.has(token)));
            return devices.every(({ fences }) => fences.has(token));
        }, (yes) => yes, WAIT_MS);
}

// What a server sends to a user is heard once by each device, and by nobody
// else: what it sends next to everybody of the test has come then.
async function hears(server, user, devices, everybody) {
    const value = { from: server.kind, n: ++tokens, x: Buffer.from([0, 255]) };
    const before = everybody.map(({ heard }) => heard.length);

    same(await server.ask("emit", user, "note", value), "SKIO_OK");
    for (const each of new Set(everybody.map((device) => device.user)))
        await reach([server], each,
                    everybody.filter((device) => device.user === each));
    everybody.forEach((device, i) => {
        const news = device.heard.slice(before[i]);

        same(news, devices.includes(device) ? [value] : [],
             `${server.kind} to ${user}, ${device.user}`);
    });
}

// Until nothing of a user is left anywhere; each device was told so.
async function gone(servers, user, devices) {
    for (const { socket, ends } of devices) {
        await until("an end", () => socket.disconnected, (yes) => yes, WAIT_MS);
        same(ends.splice(0), ["io server disconnect"]);
    }
    for (const server of servers) {
        await server.finds(user, []);
        same(await server.ask("online", user), ["SKIO_OK", 0, 0]);
    }
}

await testMixed("users_are_of_the_whole_cluster", Server,
                async (servers, another) => {
    const [a, b, node] = servers;
    const anns = await Promise.all([
        new Device(a, "ann").up(), new Device(b, "ann", "polling").up(),
        new Device(node, "ann").up(),
    ]);
    // A name that looks like a socket's id, and one that is not ASCII.
    const bobs = [await new Device(b, "böb:bob:bobby").up()];
    const cats = await Promise.all([
        new Device(node, "cat").up(), new Device(a, "cat").up(),
    ]);
    const all = [...anns, ...bobs, ...cats];
    const of = [["ann", anns], ["böb:bob:bobby", bobs], ["cat", cats]];

    // Emitted to, from each server; and found.
    for (const [user, devices] of of)
        await reach(servers, user, devices);
    for (const server of servers)
        for (const [user, devices] of of) {
            await hears(server, user, devices, all);
            await server.finds(user, devices);
        }
    same(await node.ask("online", "ann"), ["SKIO_OK", 0, 3]);
    // With a device here, nobody else is asked.
    same(await a.ask("online", "ann"), ["SKIO_OK", 0, 1]);
    same(await a.ask("online", "böb:bob:bobby"), ["SKIO_OK", 0, 1]);
    same(await b.ask("online", "cat"), ["SKIO_OK", 0, 2]);
    same(await b.ask("online", "dan"), ["SKIO_OK", 0, 0]);
    same(await a.ask("emit", "dan", "note", 1), "SKIO_OK");

    // A server knows of its own.
    const seen = (user) => Promise.all([a, b].map((server) =>
        server.ask("seen", user)));
    const count = (user) => Promise.all([a, b].map((server) =>
        server.ask("count", user)));
    same([await count("ann"), await count("cat")], [[1, 1], [1, 0]]);
    check((await seen("ann")).every((ms) => Math.abs(ms - Date.now()) <
        WAIT_MS), "ann is seen now, on both");
    check((await seen("cat"))[1] === null, "cat was never on b");

    // A device that becomes another's, and nobody's.
    same(await cats[1].ask("bind", "ann"), "SKIO_OK");
    for (const server of servers) {
        await server.finds("ann", [...anns, cats[1]]);
        await server.finds("cat", [cats[0]]);
    }
    same(await count("cat"), [0, 0]);
    same(await cats[1].ask("unbind"), "SKIO_OK");
    for (const server of servers)
        await server.finds("ann", anns);
    same(await cats[1].ask("bind", "cat"), "SKIO_OK");
    for (const server of servers)
        await server.finds("cat", cats);

    // All are disconnected, from each server, of a namespace or for good.
    for (const [server, close] of [[a, false], [node, false], [b, true],
                                   [node, true]]) {
        const start = Date.now();

        same(await server.ask("kick", "ann", close), "SKIO_OK");
        await gone(servers, "ann", anns);
        for (const ms of await seen("ann"))
            check(ms >= start && ms <= Date.now(),
                  `seen ${ms - start} ms after the start`);
        same([await count("ann"), await count("cat")], [[0, 0], [1, 0]]);
        for (const each of anns)
            await each.again();
        await reach(servers, "ann", anns);
    }
    for (const { ends } of [...bobs, ...cats])
        same(ends, []);

    // A server that crashes, with all that bob has and one that ann has.
    await b.kill();
    for (const server of [a, node]) {
        await server.finds("böb:bob:bobby", []);
        await server.finds("ann", [anns[0], anns[2]]);
        same(await server.ask("online", "böb:bob:bobby"),
             ["SKIO_OK", 0, 0]);
        await hears(server, "ann", [anns[0], anns[2]],
                    [anns[0], anns[2], ...cats]);
    }
    same(await a.ask("seen", "böb:bob:bobby"), null);
    check(await a.ask("seen", "ann") !== null, "ann is here");

    // Its users come back elsewhere; one that starts knows nobody's past.
    const late = await another();
    const bob = await new Device(late, "böb:bob:bobby").up();
    await reach([a, node, late], "böb:bob:bobby", [bob]);
    for (const server of [a, node, late])
        await hears(server, "böb:bob:bobby", [bob],
                    [bob, anns[0], anns[2], ...cats]);
    same(await late.ask("seen", "ann"), null);
    same(await late.ask("online", "ann"), ["SKIO_OK", 0, 2]);

    for (const { socket } of [...all, bob])
        socket.disconnect();
    await Promise.all([a.stop(), node.stop(), late.stop()]);
});

await finish();
