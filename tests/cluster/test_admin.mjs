// Admins of a mixed cluster: two servers of ours and one of Node's share a
// Redis; whichever an admin connects to, all are seen and reached.

import { check, finish, need, privateServer, require, same, test }
    from "../interop/harness.mjs";
import { Redis, until } from "./cluster.mjs";

need("socket.io-client", "@socket.io/admin-ui", "@socket.io/redis-adapter");

const { io } = require("socket.io-client");
const RIGHT = { username: "admin", password: "correct horse" };
const kinds = { node: "node", one: "ours", two: "ours" };
const redis = await new Redis().start();
let number = 0;

// Three servers, for one test: by their names, which are their ids.
async function cluster(t) {
    const run = String(++number);
    const servers = {};

    for (const [name, kind] of Object.entries(kinds))
        servers[name] = await privateServer(t, kind, "admin", [
            "--mode", "development", "--failures", "1000", "--id", `${name} ${run}`,
            "--redis", `${redis.url}/0`,
        ]);
    return servers;
}

async function connect(server, t, nsp, auth) {
    const socket = io(server.url + nsp, {
        forceNew: true, reconnection: false, transports: ["websocket"], auth,
    });

    socket.seen = [];
    socket.onAny((...args) => socket.seen.push(args));
    t.after(() => socket.close());
    await until("a connection", () => socket.connected);
    return socket;
}

const find = (admin, name, fits) => until(`${name} of an admin`, () =>
    admin.seen.find((args) => args[0] === name && fits(...args.slice(1))),
(found) => found !== undefined, 30000);

for (const name of ["node", "one"]) {
    const others = Object.keys(kinds).filter((each) => each !== name);

    test(`an_admin_of_${name}_sees_and_reaches_all`, async (t) => {
        const servers = await cluster(t);
        const clients = {};

        for (const each of Object.keys(kinds)) {
            clients[each] = await connect(servers[each], t, "/");
            await clients[each].emitWithAck("share", { of: each });
            await clients[each].emitWithAck("join", `home of ${each}`);
        }
        const admin = await connect(servers[name], t, "/admin", RIGHT);

        const [, list] = await find(admin, "all_sockets", () => true);
        for (const [each, { id }] of Object.entries(clients)) {
            const found = list.find((one) => one.id === id);
            check(found, `${each} is not in the list`);
            same([found.data, found.transport, found.nsp, found.rooms.sort()],
                [{ of: each }, "websocket", "/",
                    [id, `home of ${each}`].sort()], each);
            check(/^[\w-]{12}$/.test(found.clientId), String(found.clientId));
            check(found.handshake.query.EIO === "4", "its handshake");
        }
        for (const each of Object.keys(kinds))
            await find(admin, "server_stats", ({ serverId }) =>
                serverId.startsWith(each));

        for (const each of others) { /* soon events of the others come, too */
            await until(`an event at ${each}`, async () => {
                await clients[each].emitWithAck("echo", "word");
                return admin.seen.some(([event, , id]) =>
                    event === "event_received" && id === clients[each].id);
            }, (is) => is, 30000);
            const { id } = clients[each];
            admin.emit("join", "/", "visited", id);
            await find(admin, "room_joined", (nsp, room, who) =>
                room === "visited" && who === id);
            admin.emit("emit", "/", id, "hello", each);
            await until("an event by the admin", () =>
                clients[each].seen.some(([event]) => event === "hello"));
            admin.emit("_disconnect", "/", false, id);
            await until("its end", () => clients[each].disconnected);
            await find(admin, "socket_disconnected", (nsp, who) => who === id);
        }
        check(clients[name].connected, "one too many was disconnected");
    }, { timeout: 150000 });
}

test("a_session_is_known_to_our_other_servers", async (t) => {
    const servers = await cluster(t);
    const first = await connect(servers.one, t, "/admin", RIGHT);

    /* Who is not there yet when a session begins is not told of it later. */
    await find(first, "server_stats", ({ serverId }) =>
        serverId.startsWith("two"));
    const admin = await connect(servers.one, t, "/admin", RIGHT);
    const [, sessionId] = await find(admin, "session", () => true);

    await until("the session", () => new Promise((done) => {
        const socket = io(`${servers.two.url}/admin`, {
            forceNew: true, reconnection: false, transports: ["websocket"],
            auth: { sessionId },
        });
        socket.on("connect", () => { socket.close(); done(true); });
        socket.on("connect_error", () => { socket.close(); done(false); });
    }));
}, { timeout: 60000 });

process.on("exit", () => redis.child.process.kill("SIGTERM"));
await finish(1);
