// Presence in a mixed cluster: two servers of ours and one of Node with the
// module of skio_presence(7), stock clients on all three, with each adapter.

import { EventEmitter } from "node:events";
import { readFileSync } from "node:fs";
import { Presence } from "../../examples/presence/presence.mjs";
import { check, finish, same, test } from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { until } from "./cluster.mjs";
import { Client, Member, testMixed, WAIT_MS } from "./mixed_cluster.mjs";

class Server extends Member {
    constructor(...where) {
        super("presence", ...where);
    }

    newClient() {
        return new Listener(this, {});
    }

    // Until it knows these: "user meta devices" each.
    knows(what, wanted) {
        return until(what, async () => (await this.ask("list", "room"))
            .map(([user, meta, n]) => `${user} ${JSON.stringify(meta)} ${n}`)
            .join(", "), (list) => list === wanted, WAIT_MS);
    }
}

// A client that knows who is there by what it is told.
class Listener extends Client {
    constructor(server, auth) {
        super(server, {
            transports: ["websocket"], auth,
            reconnectionDelay: 20, reconnectionDelayMax: 20,
        });
        this.users = new Map();
        this.left = [];
        this.faults = [];
        this.socket.on("presence_state", ({ users }) => {
            this.users = new Map(users.map(({ user, meta }) => [user, meta]));
        });
        this.socket.on("presence", (change) => this.#change(change));
    }

    // Each difference must be one.
    #change({ room, joined, left, changed }) {
        const wrong = (what) => this.faults.push(what);

        if (room !== "room" || joined.length + left.length + changed.length < 1)
            wrong([room]);
        for (const { user, meta } of joined) {
            if (this.users.has(user))
                wrong(["joined", user]);
            this.users.set(user, meta);
        }
        for (const user of left) {
            if (!this.users.delete(user))
                wrong(["left", user]);
            this.left.push(user);
        }
        for (const { user, meta } of changed) {
            if (!this.users.has(user))
                wrong(["changed", user]);
            this.users.set(user, meta);
        }
    }

    sees(what, wanted) {
        return until(what, () => [...this.users]
            .map(([user, meta]) => `${user} ${JSON.stringify(meta)}`)
            .sort().join(", "), (list) => list === wanted, WAIT_MS);
    }
}

await testMixed("a_mixed_cluster_knows_who_is_there", Server,
                async ([a, b, node], another) => {
    const join = (server, user, meta) =>
        new Listener(server, { room: "room", user, meta }).up();
    const all = (what, list, servers = [a, b, node]) => Promise.all(
        servers.map((each) => each.knows(what, list)));
    const [ann, annToo, bob, cat] = await Promise.all([
        join(a, "ann", 1), join(node, "ann", 1), join(b, "bob", { x: "ü" }),
        join(node, "cat", null),
    ]);
    const clients = [ann, annToo, bob, cat];

    await all("all are there", 'ann 1 2, bob {"x":"ü"} 1, cat null 1');
    for (const each of clients)
        await each.sees("all", 'ann 1, bob {"x":"ü"}, cat null');

    // A flicker, on each kind: once the device is there only once again,
    // the grace has passed.
    for (const each of [bob, cat]) {
        const id = each.socket.id;

        each.socket.io.engine.close();
        await until("another socket", () => each.socket.connected &&
            each.socket.id !== id, (yes) => yes, WAIT_MS);
    }
    await all("nobody has left", 'ann 1 2, bob {"x":"ü"} 1, cat null 1');

    // A device less, other meta data, and one that leaves.
    annToo.socket.disconnect();
    await all("a device has left", 'ann 1 1, bob {"x":"ü"} 1, cat null 1');
    bob.socket.emit("meta", "away");
    cat.socket.emit("meta", [true]);
    await all("meta", 'ann 1 1, bob "away" 1, cat [true] 1');
    for (const each of [ann, bob, cat])
        await each.sees("meta", 'ann 1, bob "away", cat [true]');
    for (const each of clients)
        same(each.left, []);
    cat.socket.emit("leave");
    await all("cat has left", 'ann 1 1, bob "away" 1');
    await ann.sees("cat has left", 'ann 1, bob "away"');
    cat.socket.disconnect();

    // Who comes later learns everything.
    const late = await another();
    await late.knows("all", 'ann 1 1, bob "away" 1');

    // Servers that crash.
    const dan = await join(node, "dan", 4);
    await all("dan", 'ann 1 1, bob "away" 1, dan 4 1');
    const before = performance.now();
    bob.socket.io.reconnection(false);
    b.asking.socket.io.reconnection(false);
    await b.kill();
    await all("bob is gone", "ann 1 1, dan 4 1", [a, node, late]);
    check(performance.now() - before < 20000, "bob was gone in time");
    await ann.sees("bob is gone", "ann 1, dan 4");
    await dan.sees("bob is gone", "ann 1, dan 4");
    dan.socket.io.reconnection(false);
    node.asking.socket.io.reconnection(false);
    await node.kill();
    await all("dan is gone", "ann 1 1", [a, late]);
    await ann.sees("dan is gone", "ann 1");

    for (const each of [ann, annToo, bob, cat, dan])
        same(each.faults, []);
    same([await a.ask("refused"), await late.ask("refused")], [0, 0]);
    for (const each of [ann, bob, dan])
        each.socket.disconnect();
    await Promise.all([a.stop(), late.stop()]);
});

/*
 * The module alone
 */

function alone(options) {
    const nsp = new EventEmitter();
    const said = [];

    nsp.adapter = new EventEmitter();
    nsp.serverSideEmit = (event, message) => said.push(message);
    nsp.local = { to: () => ({ emit: () => {} }) };
    const presence = new Presence(nsp, options);
    return { presence, said, hear: (message) =>
        nsp.emit("skio:presence", message) };
}

test("the_module_takes_nothing_that_is_malformed", () => {
    const { presence, hear } = alone();
    const bad = [
        undefined, null, 1, [], {}, { from: 1, t: "digest", seq: 1 },
        { from: "", t: "digest", seq: 1 }, { from: "x", t: "digest" },
        { from: "x", t: "digest", seq: -1 }, { from: "x", t: "what", seq: 0 },
        { from: "x", t: "digest", seq: 2 ** 53 }, { from: "x", t: "ask" },
        { from: "x".repeat(65), t: "digest", seq: 0 },
        { from: "x", t: "news", seq: 1 },
    ];
    const entries = [
        1, null, [], ["r", "u"], ["", "u", "d", 1, 1], ["r", "", "d", 1, 1],
        ["r", "u", "", 1, 1], ["r", {}, "d", 1, 1], ["r", "u", "d", -1, 1],
        ["r", "u", "d", "1", 1], ["r", "u", "d", 1],
        ["r", "u".repeat(129), "d", 1, 1], ["r", "u", "d", 1, "m".repeat(511)],
        ["r", "u", "d", 1, JSON.parse("[".repeat(57) + "]".repeat(57))],
    ];

    for (const message of bad)
        hear(message);
    same(presence.refused, bad.length);
    hear({ from: "y", t: "news", seq: 1, del: [1],
           set: [...entries, ["r", "good", "d", 1, "m".repeat(510)]] });
    same(presence.refused, bad.length + 1 + entries.length);
    same(presence.list("r").map(({ user }) => user), ["good"]);
    hear({ from: "y", t: "news", seq: 2, set: [], del: [["r", "good", "d"]] });
    same(presence.list("r"), []);
    presence.close();
});

test("the_module_has_its_limits", () => {
    const { presence, hear } = alone({
        maxRooms: 2, maxUsersPerRoom: 2, maxDevicesPerUser: 2, maxDevices: 4,
        maxServers: 1,
    });
    let seq = 0;
    const say = (...entry) => {
        hear({ from: "x", t: "news", seq: ++seq, del: [], set: [entry] });
        return presence.refused;
    };

    same(say("r", "u", "1", 1, 1), 0);
    same(say("r", "u", "2", 1, 1), 0);
    same(say("r", "u", "3", 1, 1), 1);
    same(say("r", "v", "3", 1, 1), 1);
    same(say("r", "w", "4", 1, 1), 2);
    same(say("s", "w", "4", 1, 1), 2);
    same(say("s", "x", "5", 1, 1), 3);
    hear({ from: "x", t: "news", seq: ++seq, set: [], del: [["r", "u", "1"]] });
    same(say("t", "w", "5", 1, 1), 4);
    same(say("s", "w", "5", 1, 1), 4);
    hear({ from: "y", t: "digest", seq: 0 });
    same(presence.refused, 5);
    presence.close();
});

test("the_module_asks_for_what_it_misses", () => {
    const { presence, said, hear } = alone();

    for (let i = 0; i < 3; i++)
        hear({ from: "x", t: "digest", seq: 7 });
    hear({ from: "x", t: "news", seq: 9, del: [],
           set: [["r", "u", "d", 1, 1]] });
    same(said.filter(({ t }) => t === "ask").map(({ to }) => to), ["x"]);
    same(presence.list("r"), []);
    hear({ from: "x", t: "news", seq: 20, begin: true, end: true, del: [],
           set: [["r", "u", "d", 1, 1], ["r", "v", "d", 1, 1]] });
    same(presence.list("r").length, 2);
    hear({ from: "x", t: "news", seq: 21, begin: true, end: true, del: [],
           set: [["r", "v", "d", 1, 1]] });
    same(presence.list("r"), [{ user: "v", meta: 1, devices: ["d"] }]);
    presence.close();
});

test("the_page_shows_the_module", () => {
    const page = readFileSync(`${repository}/man/skio_presence.7`, "utf8");
    const [, shown] = /\n\.Sh NODE MODULE\n[^]*?\n\.Bd -literal\n([^]*?)\.Ed\n/
        .exec(page);

    same(shown.replaceAll("\\&", "").replaceAll("\\e", "\\")
             .replaceAll("\\(aq", "'").replaceAll("\\-", "-"),
         readFileSync(`${repository}/examples/presence/presence.mjs`, "utf8"));
});

await finish();
