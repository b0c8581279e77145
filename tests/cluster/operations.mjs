// What servers of a cluster can do, as a table that the tests of each adapter
// share. An operation runs in a cluster of four nodes of the reference, which
// says what is right, and then from each node of a mixed cluster.
//
// Clients unless an operation says otherwise: on each node "a" in the room r1,
// "b" in r1 and r2, and "c" in none.

import { sorted } from "./cluster.mjs";

const bytes = Buffer.from([0, 1, 2, 127, 128, 255]);
const nested = {
    list: [1, { bytes, text: "between" }, bytes],
    none: Buffer.alloc(0), last: null,
};
// Without integers above 2^53, which the reference's MessagePack mutilates.
const values = [
    0, -1, 127, 128, 255, 256, 65535, 65536, 2 ** 31, 2 ** 32, 2 ** 53 - 1,
    -32, -33, -128, -129, -32768, -32769, -(2 ** 31) - 1, -(2 ** 53) + 1,
    0.1, -1.5, 1.5e-300, 5e-324, true, false, null, "", "x".repeat(31),
    "x".repeat(32), "y".repeat(256), "z".repeat(70000), "ünï ☃ 🎉",
    "\"quoted\" \\ / \u0000 \u001f \u2028", [], {}, [[[[1]]]],
    { "": 1, "ä": { b: [] }, __proto__x: 1, "0": "numeric key" },
    Array.from({ length: 20 }, (_, i) => i),
];
const odd = ["a#b", "*", "ünï", "1", "a b", "[x]", "?", "a\\b", "#", "a#",
             "twenty characters..", "twenty characters...", "☃".repeat(20),
             "1.0", "__proto__", "x".repeat(300)];

const oddClients = odd.map((room, i) => [`-${i}`, { rooms: [room] }]);

const broadcasts = {
    a_broadcast_reaches_everybody: (run) =>
        run.emit({}, "news", 1, "two", { three: [3] }),
    a_broadcast_without_arguments: (run) => run.emit({}, "nothing"),
    a_broadcast_of_all_kinds_of_values: (run) =>
        run.emit({}, "values", ...values),
    an_event_with_an_odd_name: (run) => run.emit({}, "ünï ☃ #/,1", 1),
    a_broadcast_to_a_room: (run) => run.emit({ rooms: ["r1"] }, "r1", 1),
    a_broadcast_to_several_rooms_comes_once: (run) =>
        run.emit({ rooms: ["r1", "r2"] }, "both", 1),
    a_broadcast_to_a_room_of_nobody: (run) =>
        run.emit({ rooms: ["nobody's"] }, "lost"),
    a_broadcast_to_one_socket_of_each_node: async (run) => {
        for (const name of ["0c", "1c", "2c", "3c"])
            await run.emit({ rooms: [run.id(name)] }, "private", name);
    },
    a_broadcast_to_sockets_and_a_room: (run) =>
        run.emit({ rooms: [run.id("1c"), run.id("2c"), "r2"] }, "mixed"),
    a_broadcast_except_a_room: (run) =>
        run.emit({ except: ["r2"] }, "except", 1),
    a_broadcast_except_several_rooms: (run) =>
        run.emit({ except: ["r2", run.id("0c"), run.id("3c")] }, "except", 2),
    a_broadcast_to_a_room_except_another: (run) =>
        run.emit({ rooms: ["r1"], except: ["r2"] }, "except", 3),
    a_broadcast_except_everybody: (run) =>
        run.emit({ rooms: ["r1"], except: ["r1"] }, "except", 4),
    a_volatile_broadcast: (run) => run.emit({ volatile: true }, "volatile", 1),
    a_volatile_broadcast_to_a_room: (run) =>
        run.emit({ volatile: true, rooms: ["r2"] }, "volatile", 2),
    a_broadcast_not_to_be_compressed: (run) =>
        run.emit({ plain: true }, "plain", "x".repeat(3000)),
    a_local_broadcast: (run) => run.emit({ local: true }, "local", 1),
    a_local_broadcast_to_a_room: (run) =>
        run.emit({ local: true, rooms: ["r1"], except: ["r2"] }, "local", 2),
    a_binary_broadcast: (run) => run.emit({}, "bytes", bytes),
    a_nested_binary_broadcast: (run) =>
        run.emit({}, "nested", nested, "end", bytes),
    a_binary_broadcast_to_a_room: (run) =>
        run.emit({ rooms: ["r2"] }, "bytes", { bytes }),
    an_empty_binary_broadcast: (run) =>
        run.emit({}, "empty", Buffer.alloc(0), [Buffer.alloc(0)]),
    a_large_binary_broadcast: (run) =>
        run.emit({ rooms: ["r2"] }, "large",
                 Buffer.alloc(300000, Buffer.from("large"))),
    many_broadcasts_in_their_order: async (run) => {
        const all = [];
        for (let i = 0; i < 60; i++)
            all.push(run.emit(i % 3 ? { rooms: ["r1"] } : {}, "tick", i));
        await Promise.all(all);
    },
    a_socket_broadcasts_to_all_others: (run) =>
        run.emit({ from: run.id("0a") }, "from", 1),
    a_socket_broadcasts_to_a_room: (run) =>
        run.emit({ from: run.id("0b"), rooms: ["r1"] }, "from", 2),
    a_socket_broadcasts_to_rooms_except_one: (run) =>
        run.emit({ from: run.id("0a"), rooms: ["r1", run.id("2c")],
                   except: ["r2"] }, "from", 3),
    a_socket_broadcasts_bytes: (run) =>
        run.emit({ from: run.id("0c") }, "from", nested),
};

const oddly = {
    to_rooms_with_odd_names: async (run) => {
        for (const room of odd)
            await run.emit({ rooms: [room] }, "in", room);
    },
    to_all_rooms_with_odd_names_at_once: (run) =>
        run.emit({ rooms: odd.slice(0, 12) }, "in", "twelve"),
    except_rooms_with_odd_names: async (run) => {
        for (const room of odd)
            await run.emit({ except: [room] }, "not in", room);
    },
    to_odd_rooms_that_are_joined_from_afar: async (run) => {
        const more = new Map();

        for (const place of [0, 1, 2, 3])
            more.set(`${place}-0`, odd);
        for (const room of odd)
            await run.do("join", { rooms: ["a#b"] }, room);
        await run.fence();
        await run.joined(more);
        for (const room of odd)
            await run.emit({ rooms: [room] }, "in", room);
    },
};

// Every client answers with what `answer` makes of it; those without an answer
// stay silent.
function answering(run, answer) {
    for (const client of run.clients.values())
        client.answer = (reply, who, event, args) => {
            const values = answer(who, args);
            if (values !== undefined)
                reply(...values);
        };
}

async function ask(run, where, ...args) {
    const { late, answers } = await run.gather("ask", where, ...args);
    return { late, answers: sorted(answers, run.names) };
}

const LONG_MS = 8000;
const SHORT_MS = 700;

const acks = {
    all_clients_answer: (run) => {
        answering(run, ({ name }, args) => [{ name, args }]);
        return ask(run, { timeout: LONG_MS }, "question", 1, { two: [2] });
    },
    the_clients_of_a_room_answer: (run) => {
        answering(run, ({ name }) => [name, "not read"]);
        return ask(run, { timeout: LONG_MS, rooms: ["r1"], except: ["r2"] },
                   "question");
    },
    a_client_of_another_node_answers: async (run) => {
        const all = [];

        answering(run, ({ name }) => [name]);
        for (const name of ["0c", "1c", "2c", "3c"])
            all.push(await ask(run, { timeout: LONG_MS,
                                      rooms: [run.id(name)] }, "you"));
        return all;
    },
    clients_answer_with_bytes: (run) => {
        answering(run, ({ name }, args) => [{ name, list: [args[0], bytes] }]);
        return ask(run, { timeout: LONG_MS, rooms: ["r2"] }, "question",
                   nested);
    },
    clients_answer_with_all_kinds_of_values: (run) => {
        answering(run, ({ name }) => [[name, ...values]]);
        return ask(run, { timeout: LONG_MS, rooms: ["r2"] }, "question",
                   ...values);
    },
    // null, undefined and nothing at all are one in JSON.
    clients_answer_with_nothing: (run) => {
        answering(run, ({ name }) => [name.startsWith("1") ? null : false]);
        return ask(run, { timeout: LONG_MS }, "question");
    },
    nobody_is_asked: (run) =>
        ask(run, { timeout: SHORT_MS, rooms: ["nobody's"] }, "question"),
    // The reference waits for the other servers, which it has not asked.
    the_clients_of_this_node_answer: async (run) => {
        answering(run, ({ name }) => [name]);
        const { answers } = await ask(
            run, { timeout: SHORT_MS, local: true }, "question");
        return answers;
    },
    some_clients_do_not_answer: (run) => {
        answering(run, ({ name }) =>
            ["0a", "1b", "2a", "3c"].includes(name) ? undefined : [name]);
        return ask(run, { timeout: SHORT_MS }, "question");
    },
    no_client_answers: (run) => ask(run, { timeout: SHORT_MS }, "question"),
    a_client_answers_too_late: async (run) => {
        let tell;
        const told = new Promise((done) => {
            tell = done;
        });

        for (const client of run.clients.values())
            client.answer = (reply, { name }) => {
                if (name === "2b")
                    told.then(() => reply("late"));
                else
                    reply(name);
            };
        const result = await ask(run, { timeout: SHORT_MS }, "question");
        tell();
        await run.fence();
        return result;
    },
    a_client_answers_twice: (run) => {
        for (const client of run.clients.values())
            client.answer = (reply, { name }) => {
                reply(name);
                reply(name);
            };
        return ask(run, { timeout: LONG_MS, rooms: ["r2"] }, "question");
    },
    two_questions_at_once: (run) => {
        answering(run, ({ name }, [n]) => [[n, name]]);
        return Promise.all([1, 2, 3].map((n) =>
            ask(run, { timeout: LONG_MS, rooms: ["r1"] }, "question", n)));
    },
};

const recent = (ms) => Math.abs(Date.now() - ms) < 120000;

// A fetched socket, without what differs from run to run.
function known({ id, rooms, data, handshake }, names) {
    const { headers, time, issued, url, query, ...rest } = handshake;
    const { t, ...parameters } = query; // of a polling client: a time

    return {
        id, rooms: rooms.map((room) => names.get(room) ?? room).sort(), data,
        handshake: {
            ...rest, url: url.replace(t, "T"), query: parameters,
            headers: [sorted(Object.keys(headers)), headers["x-test"] ?? null],
            time: recent(Date.parse(time)), issued: recent(issued),
            form: time.replace(/[a-z]/gi, "a").replace(/\d/g, "0")
                .replace(/^aaa aaa/, ""),
        },
    };
}

async function fetch(run, where = {}) {
    const { sockets, ...rest } = await run.do("fetch", where);
    // By name: ids differ from run to run, and so would their order.
    return { ...rest, sockets: sockets.map((each) => known(each, run.names))
        .sort((a, b) =>
            run.names.get(a.id) < run.names.get(b.id) ? -1 : 1) };
}

// Who is in which rooms by now, as another node sees it.
async function rooms(run, where = {}) {
    const { sockets } = await run.nodes[3].do("fetch",
                                              { nsp: run.nsp, ...where });
    return Object.fromEntries(sockets
        .map(({ id, rooms }) => [run.names.get(id), rooms
            .map((room) => run.names.get(room) ?? room).sort()])
        .sort(([a], [b]) => a < b ? -1 : 1));
}

const remote = {
    fetching_all_sockets: (run) => fetch(run),
    fetching_the_sockets_of_a_room: (run) => fetch(run, { rooms: ["r2"] }),
    fetching_the_sockets_of_rooms: (run) =>
        fetch(run, { rooms: ["r2", run.id("2c"), run.id("1a")] }),
    fetching_sockets_except_rooms: (run) =>
        fetch(run, { rooms: ["r1"], except: ["r2", run.id("3a")] }),
    fetching_the_sockets_of_this_node: (run) => fetch(run, { local: true }),
    sockets_are_counted: async (run) => [
        await run.do("sockets"),
        await run.do("sockets", { rooms: ["r1"], except: ["r2"] }),
        await run.do("sockets", { rooms: ["nobody's"] }),
        await run.do("sockets", { local: true }),
    ],
    fetching_nobody: (run) => fetch(run, { rooms: ["nobody's"] }),
    emitting_to_fetched_sockets: (run) =>
        run.do("remote", { rooms: ["r2"] }, "emit", "hi", values),
    fetched_sockets_join_a_room: async (run) => {
        await run.do("remote", { rooms: ["r2"] }, "join", "ünï#new");
        await run.fence();
        return rooms(run);
    },
    fetched_sockets_leave_a_room: async (run) => {
        await run.do("remote", { rooms: ["r2"] }, "leave", "r1");
        await run.fence();
        return rooms(run);
    },
    fetched_sockets_are_disconnected: async (run) => {
        await run.do("remote", { rooms: ["r2"] }, "disconnect", false);
        await run.fence();
        return rooms(run);
    },
    the_connections_of_fetched_sockets_are_closed: async (run) => {
        await run.do("remote", { rooms: ["r2"] }, "disconnect", true);
        await run.fence();
        return rooms(run);
    },
    fetched_sockets_answer: async (run) => {
        answering(run, ({ name }, args) => [[name, ...args, bytes]]);
        const { answers } = await run.gather(
            "remote", { rooms: ["r2"], timeout: LONG_MS }, "ask", "question",
            [1, "ünï"]);
        return sorted(answers);
    },
    a_fetched_socket_does_not_answer: async (run) => {
        answering(run, ({ name }) => name === "2b" ? undefined : [name]);
        const { answers } = await run.gather(
            "remote", { rooms: ["r2"], timeout: SHORT_MS }, "ask", "question");
        return sorted(answers);
    },
};

const fetched = {
    // All that a socket says of itself.
    fetching_sockets_with_much_to_tell: [["m", {
        rooms: ["r#1", "ünï"], query: { name: "ünï & co", list: "1,2" },
        headers: { "X-Test": "a header" }, auth: { token: "ünï", n: [1, {}] },
        data: { name: "ünï", list: [1, { deep: null }], "": 0 },
    }]],
    fetching_sockets_that_poll: [["p", { transports: ["polling"] }]],
    fetching_sockets_without_data: [["d", { data: {} }]],
};

const membership = {
    all_sockets_join_a_room: async (run) => {
        await run.do("join", {}, "new room");
        await run.fence();
        await run.joined(new Map([...run.clients.keys()].map((name) =>
            [name, ["new room"]])));
        await run.emit({ rooms: ["new room"] }, "welcome");
        return rooms(run);
    },
    the_sockets_of_a_room_join_another: async (run) => {
        await run.do("join", { rooms: ["r2"] }, "ünï#1");
        await run.fence();
        await run.joined(new Map(["0b", "1b", "2b", "3b"].map((name) =>
            [name, ["ünï#1"]])));
        await run.emit({ rooms: ["ünï#1"] }, "welcome");
        return rooms(run);
    },
    sockets_except_a_room_join: async (run) => {
        await run.do("join", { except: ["r1", run.id("2c")] }, "rest");
        await run.fence();
        return rooms(run, { rooms: ["rest"] });
    },
    the_sockets_of_this_node_join: async (run) => {
        await run.do("join", { local: true }, "here");
        await run.fence();
        return rooms(run, { rooms: ["here"] });
    },
    one_socket_of_another_node_joins: async (run) => {
        await run.do("join", { rooms: [run.id("2a")] }, "alone");
        await run.fence();
        await run.joined(new Map([["2a", ["alone"]]]));
        await run.emit({ rooms: ["alone"] }, "welcome");
        return rooms(run);
    },
    joining_a_room_again_changes_nothing: async (run) => {
        await run.do("join", {}, "r1");
        await run.do("join", {}, "r1");
        await run.fence();
        return rooms(run);
    },
    all_sockets_leave_a_room: async (run) => {
        await run.do("leave", {}, "r1");
        await run.fence();
        await run.emit({ rooms: ["r1"] }, "lost");
        return rooms(run);
    },
    the_sockets_of_a_room_leave_another: async (run) => {
        await run.do("leave", { rooms: ["r2"] }, "r1");
        await run.fence();
        await run.emit({ rooms: ["r1"] }, "left");
        return rooms(run);
    },
    the_sockets_of_this_node_leave: async (run) => {
        await run.do("leave", { local: true }, "r1");
        await run.fence();
        await run.emit({ rooms: ["r1"] }, "left");
        return rooms(run);
    },
    all_sockets_are_disconnected: (run) => run.do("kick", {}, false),
    the_sockets_of_a_room_are_disconnected: async (run) => {
        await run.do("kick", { rooms: ["r1"], except: ["r2"] }, false);
        await run.fence();
        await run.emit({}, "still here");
        return rooms(run);
    },
    the_connections_of_a_room_are_closed: async (run) => {
        await run.do("kick", { rooms: ["r2"] }, true);
        await run.fence();
        return rooms(run);
    },
    the_sockets_of_this_node_are_disconnected: async (run) => {
        await run.do("kick", { local: true }, false);
        await run.fence();
        return rooms(run);
    },
    one_socket_of_another_node_is_disconnected: async (run) => {
        await run.do("kick", { rooms: [run.id("3a")] }, false);
        await run.fence();
        return rooms(run);
    },
};

async function say(run, ...args) {
    await run.do("say", {}, ...args);
    await run.said();
    return run.heard();
}

async function sayAsk(run, ...args) {
    const { responses, ...rest } = await run.do("say-ask", {}, ...args);
    return { ...rest, responses: sorted(responses, run.names) };
}

const servers = {
    servers_tell_each_other: (run) => say(run, "hello", 1, "zwei", { c: [3] }),
    servers_tell_each_other_nothing: (run) => say(run, "hello"),
    servers_tell_each_other_all_kinds_of_values: (run) =>
        say(run, "hello", ...values),
    servers_do_not_hear_unknown_events: (run) => say(run, "unknown", 1),
    servers_tell_many_things_in_their_order: async (run) => {
        for (let i = 0; i < 30; i++)
            await run.do("say", {}, "hello", i);
        return say(run, "hello", "last");
    },
    servers_answer: (run) => sayAsk(run, "ask", 1, "zwei", { c: [3] }),
    servers_answer_a_question_without_arguments: (run) => sayAsk(run, "ask"),
    servers_answer_with_all_kinds_of_values: (run) =>
        sayAsk(run, "ask", ...values),
    servers_answer_twice: (run) => sayAsk(run, "twice"),
    servers_are_counted: (run) => run.do("servers"),
    all_rooms_are_listed: (run) => run.do("all-rooms").then((list) =>
        list.map((room) => run.names.get(room) ?? room).sort()),
};

// One client per node, for what is about servers.
const few = [["a", { rooms: ["r1"] }]];

const entries = (table, more = {}) => Object.entries(table).map(
    ([name, run]) => ({ name, run, ...more }));

// The same in another namespace, where clients of "/" must hear nothing of it.
const elsewhere = [
    "a_broadcast_reaches_everybody", "a_broadcast_to_a_room",
    "a_broadcast_to_one_socket_of_each_node", "a_socket_broadcasts_to_a_room",
    "a_nested_binary_broadcast", "all_clients_answer", "fetching_all_sockets",
    "fetched_sockets_join_a_room", "all_sockets_join_a_room",
    "all_sockets_are_disconnected", "servers_tell_each_other",
    "servers_answer", "servers_are_counted", "all_rooms_are_listed",
];

const here = [
    ...entries(broadcasts), ...entries(acks), ...entries(remote),
    ...entries(membership), ...entries(servers, { clients: few }),
];

export const operations = [
    ...here,
    ...entries(oddly, { clients: oddClients }),
    ...Object.entries(fetched).map(([name, clients]) =>
        ({ name, clients, run: (run) => fetch(run) })),
    ...["/custom", "/dynamic-ünï"].flatMap((nsp) => here
        .filter(({ name }) => elsewhere.includes(name))
        .map((each) => ({
            ...each, nsp, name: `in_${nsp.slice(1).replace(/\W+/g, "_")}_${
                each.name}`,
            clients: [["a", { rooms: ["r1"] }], ["b", { rooms: ["r1", "r2"] }],
                      ["c", {}], ["m", { nsp: "/", rooms: ["r1"] }]],
        }))),
];

/*
 * What takes as long as servers wait for each other: asked from all nodes at
 * once.
 */

export const slow = {
    a_server_does_not_answer: (run) =>
        sayAsk(run, "named", ["n0", "n1", "n2", "n3"].filter((name) =>
            name !== run.nodes[2].name)),
    no_server_answers: (run) => sayAsk(run, "silent"),
};

/*
 * What processes that only send can do (redis-emitter).
 */

export const emitted = {
    an_emitter_reaches_everybody: (_, emitter) =>
        emitter.emit("news", 1, "zwei", { c: [3] }),
    an_emitter_sends_all_kinds_of_values: (_, emitter) =>
        emitter.emit("values", ...values),
    an_emitter_sends_bytes: (_, emitter) => emitter.emit("bytes", nested),
    an_emitter_reaches_a_room: (_, emitter) => emitter.to("r1").emit("r1", 1),
    an_emitter_reaches_rooms_once: (_, emitter) =>
        emitter.to(["r1", "r2"]).emit("both"),
    an_emitter_reaches_a_socket: (run, emitter) =>
        ["0c", "1c", "2c", "3c"].forEach((name) =>
            emitter.to(run.id(name)).emit("private", name)),
    an_emitter_leaves_rooms_out: (run, emitter) =>
        emitter.to("r1").except(["r2", run.id("2a")]).emit("except"),
    an_emitter_sends_what_may_be_lost: (_, emitter) =>
        emitter.volatile.compress(false).emit("volatile", 1),
    an_emitter_lets_sockets_join: (_, emitter) =>
        emitter.in("r2").socketsJoin(["new", "ünï#1"]),
    an_emitter_lets_sockets_leave: (_, emitter) =>
        emitter.except("r2").socketsLeave(["r1", "r2"]),
    an_emitter_disconnects_sockets: (_, emitter) =>
        emitter.in("r2").disconnectSockets(),
    an_emitter_closes_connections: (_, emitter) =>
        emitter.in("r2").disconnectSockets(true),
    an_emitter_speaks_to_servers: (_, emitter) =>
        emitter.serverSideEmit("hello", 1, { b: ["ünï"] }),
};

// What has become of it, seen by a node.
export const state = async (run) =>
    ({ rooms: await rooms(run), said: run.heard() });
