// Packets that no stock client sends (ADV-03, ADV-10, ADV-14): each type with
// each kind of JSON, reserved names, and names of JavaScript's properties, to
// both servers.

import { check, finish, need, twin } from "../interop/harness.mjs";
need("socket.io", "ws");
const { websocket } = await import("../interop/raw.mjs");

const hideIds = (text) =>
    text.replace(/"[A-Za-z0-9_-]{20}"/g, '"ID"');

// Rooms have no order: the list's text with its names sorted.
const sortRooms = (text) => text.replace(/^43[25]\[(\[.*\])\]$/, (_, list) =>
    JSON.stringify(JSON.parse(list).sort()));

const MARK = '42999["echo","the end"]';
const MARKED = '43999["the end"]';

// What comes back for these, until the echo of a mark behind them. With `waits`
// something comes back for the first, which Node may do later than the echo.
async function replies(server, t, messages, { waits = false } = {}) {
    const socket = await websocket(server, t);
    const list = [];

    socket.send("40");
    await socket.take(2);
    if (waits) {
        socket.send(messages.shift());
        list.push(sortRooms(hideIds(await socket.next())));
    }
    for (const each of [...messages, MARK])
        socket.send(each);
    while (list.length === 0 ||
           (list.at(-1) !== MARKED && !list.at(-1).startsWith("(closed")))
        list.push(sortRooms(hideIds(await socket.next())));
    socket.ws.terminate();
    return list;
}

/*
 * Each type with each kind of payload
 */

const payloads = [
    "", "{}", "[]", "null", "true", "false", "0", "1", "-1", "1.5", '"x"', '""',
    "[null]", "[true]", "[0]", "[1]", "[-1]", "[1.5]", "[1e400]", "[{}]",
    '[{"toString":"x"}]', '[{"length":1}]', "[[]]", '[["echo"]]', '[""]',
    '["echo"]', '["echo",{"toString":1,"valueOf":2}]',
    '["echo",{"__proto__":{"x":1}}]', '[{"_placeholder":true,"num":0}]',
    '["echo",{"_placeholder":true,"num":0}]',
];

// Who leaves the main namespace has left; what follows is another test's.
const leaves = ["", "0", "1"];

for (const [type, head, attachments] of [
    ["connect", "40/custom,", 0], ["disconnect", "41", 0],
    ["disconnect_of_a_namespace", "41/custom,", 0],
    ["event", "42", 0], ["event_with_an_id", "427", 0], ["ack", "437", 0],
    ["ack_without_an_id", "43", 0], ["connect_error", "44", 0],
    ["binary_event", "451-", 1], ["binary_event_with_an_id", "451-7", 1],
    ["binary_ack", "461-7", 1], ["binary_ack_without_an_id", "461-", 1],
])
    twin(`packet_of_type_${type}`, async (server, t) => {
        const answers = {};

        for (const payload of payloads.filter((each) =>
            type !== "disconnect" || !leaves.includes(each)))
            answers[payload] = await replies(server, t, [
                head + payload,
                ...Array.from({ length: attachments }, () => Buffer.from("x")),
            ], { waits: type === "connect" });
        return answers;
    }, { timeout: 30000 });

/*
 * Reserved names
 */

for (const name of ["error", "connect", "connect_error", "disconnect",
                    "disconnecting", "newListener", "removeListener"])
    twin(`event_named_${name}`, async (server, t) => [
        await replies(server, t, [`42["${name}"]`]),
        await replies(server, t, [`42["${name}",{"message":"x"},[1]]`]),
        await replies(server, t, [`427["${name}","x"]`]),
        await replies(server, t, [
            `451-["${name}",{"_placeholder":true,"num":0}]`,
            Buffer.from("x")]),
    ]);

/*
 * Names of properties, and others that break tables
 */

const names = {
    proto: "__proto__", constructor: "constructor", prototype: "prototype",
    has_own_property: "hasOwnProperty", to_string: "toString",
    value_of: "valueOf", nothing: "", blank: " ", zero: "0",
    nul: "a\0b", line: "a\r\nb", quotes: '"\\', wide: "\u{1f600}\u202e",
    of_511_bytes: "n".repeat(511),
};
const escaped = (name) => JSON.stringify(name);

for (const [what, name] of Object.entries(names)) {
    twin(`name_${what}_of_an_event`, (server, t) => replies(server, t, [
        `42[${escaped(name)},1]`, `423[${escaped(name)}]`]));
    // Names with a NUL are no C strings: the programs do not pass them on.
    if (!name.includes("\0"))
        twin(`name_${what}_of_a_room`, (server, t) => replies(server, t, [
            `421["join",${escaped(name)}]`, '422["rooms"]',
            `423["to",[${escaped(name)}],"x",1]`,
            `424["leave",${escaped(name)}]`, '425["rooms"]']));
    twin(`name_${what}_of_members`, (server, t) => replies(server, t, [
        `421["echo",{${escaped(name)}:1}]`]));
    if (name !== "" && !/[,\0]/.test(name))
        twin(`name_${what}_of_a_namespace`, (server, t) => replies(server, t, [
            `40/${name},`], { waits: true }));
}

// Beyond the limit Node goes on; ours ends the connection or says no, and in no
// case takes the name.
for (const [what, length] of [["of_513_bytes", 513], ["of_64_kib", 65536]])
    for (const [kind, packet] of [
        ["an_event", (name) => `427["${name}"]`],
        ["a_namespace", (name) => `40/${name},`],
    ])
        twin(`name_${what}_of_${kind}`, (server, t) => replies(server, t, [
            packet("n".repeat(length)), '428["rooms"]']), {
            judge: (mine) => check(
                (mine[0].startsWith("(closed") && mine.length === 1) ||
                (mine.at(-1) === MARKED && !mine.join().includes("nnnn")),
                JSON.stringify(mine).slice(0, 400)),
        });

await finish();
