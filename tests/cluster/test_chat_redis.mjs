// The chat on two nodes whose Redis goes away: each goes on for its own people,
// and when Redis is back everybody has everything, once.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { check, deadline, finish, require, sleep, test }
    from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";
import { until } from "./cluster.mjs";

if ((process.env.HAVE_ALL ?? "yesyes") !== "yesyes") {
    console.log("1..0 # SKIP built without Redis");
    process.exit(0);
}

const { io } = require("socket.io-client");
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const client = join(dirname(require.resolve("socket.io-client/package.json")),
    "dist");
const WAIT_MS = 15000;
const children = new Set();

process.on("exit", () => {
    for (const child of children) child.kill("SIGKILL");
});

function run(t, command, args) {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });

    child.output = "";
    for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text) => {
            child.output = (child.output + text).slice(-8000);
        });
    children.add(child);
    child.exited = once(child, "exit").then(([code, signal]) => {
        children.delete(child);
        return code ?? signal;
    });
    t.after(async () => {
        child.kill("SIGKILL");
        await child.exited;
    });
    return child;
}

async function startRedis(t, folder) {
    const child = run(t, "redis-server", ["--port", "0", "--unixsocket",
        join(folder, "redis.sock"), "--save", "", "--appendonly", "no",
        "--dir", folder]);

    await until("redis-server", () => /ready to accept/i.test(child.output));
    return child;
}

async function startChat(t, folder) {
    const child = run(t, join(build, "examples/chat"), ["--port", "0",
        "--public", join(repository, "examples/chat/public"),
        "--client", client, "--redis", `unix:${join(folder, "redis.sock")}`]);
    const [, port] = await until("the chat",
        () => /localhost:(\d+)/.exec(child.output), (match) => match !== null);

    child.url = `http://127.0.0.1:${port}`;
    return child;
}

/* Somebody in the lobby: what was seen there, in its order. */
async function enter(t, chat, nick) {
    const socket = io(chat.url, {
        auth: { nick, key: nick.repeat(22).slice(0, 22) }, forceNew: true,
        transports: ["websocket"],
    });
    const seen = [];

    t.after(() => socket.close());
    socket.on("message", ({ text }) => seen.push(text));
    await deadline(once(socket, "welcome"), WAIT_MS, nick);
    const { messages } = await socket.timeout(WAIT_MS)
        .emitWithAck("enter", { room: "lobby" });
    seen.unshift(...messages.map(({ text }) => text));
    let id = 0;
    const say = async (text) => {
        const message =
            { room: "lobby", id: `${nick}-message-${++id}`, text };
        const ask = () => socket.timeout(WAIT_MS).emitWithAck("say", message);
        let answer = await ask();

        for (let i = 0; i < 50 && answer.code === "slow_down"; i++) {
            await sleep(answer.retry_ms);
            answer = await ask();
        }
        check(answer.ok, answer.message);
    };
    const seenAll = (...texts) => until(`${nick} to see all`,
        () => texts.every((text) => seen.includes(text)));
    return { socket, seen, say, seenAll };
}

/* Two nodes that know each other, with ada on one and bob on the other. */
async function twoNodes(t) {
    const folder = mkdtempSync(join(tmpdir(), "chat-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const redis = await startRedis(t, folder);
    const chats = [await startChat(t, folder), await startChat(t, folder)];
    const ada = await enter(t, chats[0], "ada");
    const bob = await enter(t, chats[1], "bob");
    let tries = 0;

    await until("the nodes to meet", async () => {
        await ada.say(`are you there ${++tries}`);
        return bob.seen.length > 0;
    });
    return { folder, redis, chats, ada, bob };
}

test("rooms_names_and_invitations_hold_on_both_nodes", async (t) => {
    const { chats, ada, bob } = await twoNodes(t);
    const ask = ({ socket }, event, args) =>
        socket.timeout(WAIT_MS).emitWithAck(event, args);
    const vault = { room: "vault", private: true, key: "v".repeat(22) };
    const invited = once(bob.socket, "invited");

    check((await ask(ada, "enter", vault)).ok, "the vault is made");
    await ask(ada, "say", { room: "vault", id: "ada-in-the-vault", text: "!" });
    check((await ask(bob, "enter", { room: "vault" })).code === "forbidden",
        "a private room is private on the other node");
    check((await ask(ada, "invite", { room: "vault", nick: "eve" })).code ===
        "unknown_user", "eve is nowhere");
    check((await ask(ada, "invite", { room: "vault", nick: "Bob" })).ok,
        "bob is found");
    const [{ key }] = await deadline(invited, WAIT_MS, "the invitation");
    const inside = await ask(bob, "enter", { room: "vault", key });
    check(inside.messages.map(({ text }) => text).join() === "!" &&
        inside.people.sort().join() === "ada,bob", JSON.stringify(inside));
    const { rooms } = await ask(bob, "rooms");
    check(JSON.stringify(rooms) === '[{"room":"lobby","people":2}]',
        JSON.stringify(rooms));

    const thief = io(chats[1].url, {
        auth: { nick: "Ada", key: "x".repeat(22) }, forceNew: true,
        reconnection: false,
    });
    t.after(() => thief.close());
    const [error] = await deadline(once(thief, "connect_error"), WAIT_MS,
        "a refusal");
    check(error.data?.code === "taken", "the nickname is taken everywhere");

    /* The answer got lost, and the page says it again at the other node. */
    const again = await enter(t, chats[1], "ada");
    const said = await again.socket.timeout(WAIT_MS).emitWithAck("say",
        { room: "lobby", id: "ada-message-1", text: "are you there 1" });
    check(said.ok, said.message);
    await ada.say("end");
    await bob.seenAll("end");
    check(new Set(bob.seen).size === bob.seen.length, `doubled: ${bob.seen}`);
}, { timeout: 60000, timed: false });

test("nobody_gets_past_the_guard_on_either_node", async (t) => {
    const { chats, ada, bob } = await twoNodes(t);
    const eves = [await enter(t, chats[0], "eve"),
        await enter(t, chats[1], "eve")];
    const ask = ({ socket }, event, args) =>
        socket.timeout(WAIT_MS).emitWithAck(event, args);
    const vault = { room: "vault", private: true, key: "v".repeat(22) };
    const heard = [];

    for (const { socket } of eves)
        socket.on("message", ({ room }) => heard.push(room));
    check((await ask(ada, "enter", vault)).ok, "the vault is made");
    check((await ask(ada, "enter", { room: "@bob" })).ok, "a conversation");
    for (const eve of eves)
        for (const [code, args] of [
            ["forbidden", { room: "vault" }],
            ["forbidden", { ...vault, key: "w".repeat(22) }],
            ["forbidden", { ...vault, room: "VAULT", key: "v".repeat(23) }],
            ["bad_key", { ...vault, key: "v" }],
            ["forbidden", { room: "@ada@bob" }],
            ["forbidden", { room: "@bob@Ada" }],
            ["exists", { ...vault, room: "lobby" }],
        ]) {
            const answer = await ask(eve, "enter", args);

            check(!answer.ok && answer.code === code && answer.messages ===
                undefined, `${JSON.stringify([args, answer])}`);
        }
    /* What it keeps out of them is open to those whom it is for. */
    check((await ask(bob, "enter", vault)).ok, "the key opens on both");
    check((await ask(bob, "enter", { room: "@ada@bob" })).ok, "one of the two");
    for (const [who, room] of [[ada, "vault"], [bob, "vault"],
        [ada, "@bob"], [bob, "@ada"]])
        check((await ask(who, "say", { room, text: "secret",
            id: `in-${room.replace("@", "to-")}-${who === ada}` })).ok, room);
    await ada.say("end");
    for (const { seenAll } of eves) await seenAll("end");
    check(heard.every((room) => room === "lobby"), `eve heard ${heard}`);
    check(JSON.stringify((await ask(ada, "enter", vault)).people.sort()) ===
        '["ada","bob"]', "only they are inside");
}, { timeout: 60000, timed: false });

test("a_conversation_is_found_again_on_another_node", async (t) => {
    const { chats, ada, bob } = await twoNodes(t);
    const heard = [];
    const direct = { room: "@bob", id: "ada-to-bob-1", text: "psst" };

    bob.socket.on("message", ({ room, text }) => {
        if (room === "@ada") heard.push(text);
    });
    await ada.socket.timeout(WAIT_MS).emitWithAck("enter", { room: "@bob" });
    await ada.socket.timeout(WAIT_MS).emitWithAck("say", direct);
    await until("bob to hear it", () => heard.length > 0);
    check(heard.join() === "psst", heard);
    ada.socket.close();
    const moved = await enter(t, chats[1], "ada");
    const found = await moved.socket.timeout(WAIT_MS).emitWithAck("enter",
        { room: "@bob" });
    check(found.messages.length === 1 && found.messages[0].text === "psst",
        JSON.stringify(found));
}, { timeout: 60000, timed: false });

test("what_is_said_without_redis_is_caught_up_once", async (t) => {
    const { folder, redis, chats, ada, bob } = await twoNodes(t);

    redis.kill("SIGKILL");
    await redis.exited;
    await Promise.all(chats.map((chat) => until("the node to notice",
        () => /Redis/.test(chat.output))));
    await ada.say("ada alone");
    await bob.say("bob alone");
    const cleo = await enter(t, chats[1], "cleo");
    check(!bob.seen.includes("ada alone"), "Redis is not needed?");
    check(cleo.seen.includes("bob alone"), `cleo sees ${cleo.seen}`);

    await startRedis(t, folder);
    await ada.seenAll("ada alone", "bob alone");
    await bob.seenAll("ada alone", "bob alone");
    await cleo.seenAll("ada alone", "bob alone");
    await ada.say("together again");
    for (const { seenAll, seen } of [ada, bob, cleo]) {
        await seenAll("together again");
        check(new Set(seen).size === seen.length, `doubled: ${seen}`);
    }
    for (const chat of chats) {
        chat.kill("SIGTERM");
        check(await deadline(chat.exited, WAIT_MS, "the end") === 0,
            chat.output);
    }
}, { timeout: 60000, timed: false });

await finish();
