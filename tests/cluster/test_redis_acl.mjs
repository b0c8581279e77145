// The Redis users of skio_security(7): each adapter, and the emitter, does all
// it does with the rules that stand there, none of which is more than it needs,
// and nothing without them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { check, finish, need, same, sleep, test } from "../interop/harness.mjs";
import { repository } from "../interop/npm.mjs";

need("@socket.io/redis-emitter", "redis", "socket.io-client");
const { Client, newToken, Node, program, Redis, until } =
    await import("./cluster.mjs");
const { build, OurEmitter } = await import("./emitter.mjs");
const { require } = await import("../interop/npm.mjs");
const { io: connect } = require("socket.io-client");

if (!existsSync(program) || process.env.SKIO_ORACLE_ONLY === "1") {
    console.log("1..0 # SKIP this is about our server alone");
    process.exit(0);
}

process.setMaxListeners(100);

const timeout = { timeout: 60000 };
const PASSWORD = "secret";
const UNUSED = ["ping"]; // sent to a Redis that is silent, and may be refused

// The page without its escapes, and a user's line and those that go on.
const page = readFileSync(`${repository}/man/skio_security.7`, "utf8")
    .replaceAll("\\-", "-").replaceAll("\\(ti", "~");
const users = new Map([...page.matchAll(/^user (\S+) (.*(?:\n {4}.*)*)$/gm)].map(
    ([, name, rules]) => [name, rules.trim().split(/\s+/)]));
const commandsOf = (rules) => rules.filter((rule) => rule.startsWith("+"))
    .map((rule) => rule.slice(1));

// A pattern that is subscribed to has to be allowed as it is. The page's are of
// "/"; these are the application's other namespaces.
const patterns = ["/control", "/custom", "/dynamic-1"].map((nsp) =>
    `&socket.io#${nsp}#*`);

async function startRedis(name, rules = users.get(name)) {
    const redis = await new Redis().start();

    await redis.command("ACL", "SETUSER", name, ...rules,
                        ...(name === "classic" ? patterns : []));
    await redis.command("CONFIG", "RESETSTAT");
    await redis.command("ACL", "LOG", "RESET");
    return redis;
}

const urlOf = (redis, name) =>
    `redis://${name}:${PASSWORD}@127.0.0.1:${redis.port}`;

// What was refused, in words: "command (object)".
async function refused(redis) {
    const log = await redis.command("ACL", "LOG", "100");

    return log.map((entry) => {
        const of = {};
        for (let i = 0; i + 1 < entry.length; i += 2)
            of[entry[i]] = String(entry[i + 1]);
        return `${of.reason} ${of.object}`;
    });
}

async function used(redis) {
    const stats = await redis.command("INFO", "commandstats");
    const all = [...String(stats).matchAll(/^cmdstat_(\S+):calls=([1-9]\d*)/gm)];

    return new Set(all.map(([, name]) => name));
}

// Those of a user that were not sent yet.
async function unused(redis, name) {
    const names = await used(redis);

    return commandsOf(users.get(name)).filter((each) => !names.has(each) &&
                                              !UNUSED.includes(each));
}

// Until the second node's client hears what the first one's server says.
async function meet(nodes, clients) {
    await until("the nodes to hear each other", async () => {
        const tokens = nodes.map(() => newToken());

        for (const [i, node] of nodes.entries()) {
            await node.do("emit", {}, "fence", tokens[i]);
            await node.do("say", {}, "fence", tokens[i]);
        }
        await sleep(50);
        return clients.every(({ fences }) =>
            tokens.every((token) => fences.has(token)));
    });
}

// A namespace that comes with its first client, and goes with its last one.
async function passBy(nodes) {
    const clients = await Promise.all(nodes.map((node, i) =>
        new Client(`d${i}`, node, { nsp: "/dynamic-1" }).ready()));

    for (const client of clients)
        client.close();
}

// Whatever servers of a cluster do with each other.
async function exercise(nodes) {
    const clients = await Promise.all(nodes.map((node, i) =>
        new Client(`c${i}`, node, { rooms: ["r"] }).ready()));
    const [a, b] = nodes;

    await passBy(nodes);
    await meet(nodes, clients);
    // Questions of the streams adapter have channels beside the stream.
    for (const node of nodes)
        await until(`${node.name} to know of two servers`,
                    () => node.do("servers"), (n) => n === 2);
    await a.do("emit", { rooms: ["r"] }, "news", 1);
    await until("the news", () => clients[1].log.length > 0);
    same(clients[1].log.at(-1).slice(0, 2), ["news", 1], "the news");
    await b.do("emit", { rooms: [clients[0].id] }, "own", 2);
    await until("its own", () =>
        clients[0].log.some(([event]) => event === "own"));
    const { late, sockets } = await a.do("fetch");
    check(!late && sockets.length === 2, `${late} ${sockets.length}`);
    check((await a.do("all-rooms")).includes("r"), "no room");
    clients[1].answer = (reply) => reply("yes");
    const { answers } = await a.gather("ask", { rooms: [clients[1].id],
                                                timeout: 10000 }, "question");
    same(answers.length, 1, "the answers");
    same((await a.do("say-ask", {}, "ask")).late, false,
         "whether the other server is late");
    await a.do("join", { rooms: [clients[1].id] }, "joined");
    await until("it to join", async () =>
        (await b.do("all-rooms")).includes("joined"));
    await a.do("leave", { rooms: [clients[1].id] }, "joined");
    await until("it to leave", async () =>
        !(await b.do("all-rooms")).includes("joined"));
    await a.do("kick", { rooms: [clients[1].id] }, true);
    await until("it to be gone", () => clients[1].gone === true);
    return clients;
}

async function run(name, adapter, options = [], more = async () => {}) {
    const redis = await startRedis(name);
    const nodes = ["a", "b"].map((each) => new Node("ours", each, [
        "--adapter", adapter, "--redis", urlOf(redis, name), "--cleanup",
        ...options]));

    await Promise.all(nodes.map((node) => node.start()));
    const clients = await exercise(nodes);
    await more(nodes);
    for (const client of clients)
        client.close();
    await until(`${name}: all that is allowed to be used`,
                () => unused(redis, name), (list) => list.length === 0);
    await Promise.all(nodes.map((node) => node.stop()));
    same(await refused(redis), [], "what was refused");
    await redis.stop();
}

test("the_page_has_a_user_for_each_way_to_use_redis", async () => {
    same([...users.keys()], ["classic", "sharded", "streams", "emitter",
                             "emitter-streams"]);
});

test("the_classic_adapter_needs_what_its_user_may", () =>
    run("classic", "redis"), timeout);

test("the_sharded_adapter_needs_what_its_user_may", () =>
    run("sharded", "redis-sharded"), timeout);

// A client that was away comes back to the other node, which asks for its
// session; one that stays away is forgotten.
async function comeBack([a, b]) {
    const socket = connect(a.url, {
        transports: ["websocket"], reconnection: false, forceNew: true,
        auth: { rooms: ["r"] },
    });
    let offset;

    socket.onAny((...args) => { offset = args.at(-1); });
    await until("an offset", async () => {
        await a.do("emit", {}, "tick");
        await sleep(20);
        return typeof offset === "string";
    });
    const { id } = socket;
    socket.io.engine.close();
    await until("it to be away", () => !socket.connected);
    await until("its session to be kept", async () => {
        const { sockets } = await a.do("fetch", { rooms: [id], local: true });
        return sockets.length === 0;
    });
    await b.do("emit", {}, "missed");
    socket.io.uri = b.url;
    socket.connect();
    await until("it to be back", () => socket.connected);
    check(socket.recovered && socket.id === id, "it was not recovered");
    socket.disconnect();
}

test("the_streams_adapter_needs_what_its_user_may", () =>
    run("streams", "redis-streams", ["--recovery", "2000"], comeBack), timeout);

async function emitBy(t, name, options, adapter) {
    const redis = await startRedis(name);
    const node = await new Node("ours", "n", [
        "--adapter", adapter, "--redis", redis.url]).start();
    const client = await new Client("c", node).ready();
    const emitter = new OurEmitter(t, { url: urlOf(redis, name), ...options });

    await until("the emitter to be heard", async () => {
        await emitter.send({ op: "emit", event: "news", args: [1] });
        await sleep(20);
        return client.log.length > 0;
    });
    same(await refused(redis), []);
    client.close();
    await node.stop();
    await redis.stop();
}

// One of each user, or so many percent of all.
const percent = Math.min(100, Number(process.env.SKIO_SCALE ?? 0) || 0);
const isTaken = (at) =>
    Math.floor((at + 1) * percent / 100) > Math.floor(at * percent / 100);
let at = 0;
const vital = { classic: "publish", sharded: "ssubscribe", streams: "xread" };
const adapters = { classic: "redis", sharded: "redis-sharded",
                   streams: "redis-streams" };

// Without a rule something is refused, whatever becomes of the rest.
async function runWithout(name, rule) {
    const redis = await startRedis(name, users.get(name)
        .filter((each) => each !== rule));
    const nodes = ["a", "b"].map((each) => new Node("ours", each, [
        "--adapter", adapters[name], "--redis", urlOf(redis, name), "--cleanup",
        ...(name === "streams" ? ["--recovery", "2000"] : [])]));

    await Promise.all(nodes.map((node) => node.start()));
    const clients = nodes.map((node, i) =>
        new Client(`c${i}`, node, { rooms: ["r"] }));
    const told = until(`the refusal of ${rule}`, () => refused(redis),
                       (list) => list.length > 0);
    const tried = (async () => {
        await passBy(nodes);
        for (let i = 0; i < 3; i++)
            for (const node of nodes) {
                await node.do("emit", {}, "news");
                await node.do("fetch");
                await node.do("servers");
            }
        if (name === "streams")
            await comeBack(nodes);
        for (const client of clients) // the last ones in their rooms
            client.close();
    })().catch(() => {});
    const list = await told;

    check(rule.startsWith("&") || rule.startsWith("~") ||
          list.some((each) => each === `command ${rule.slice(1)}`), list.join());
    await Promise.race([tried, sleep(500)]);
    for (const client of clients)
        client.close();
    await Promise.allSettled(nodes.map((node) => node.stop()));
    await redis.stop();
}

for (const name of Object.keys(adapters))
    for (const rule of users.get(name)) {
        const command = rule.slice(1);

        if (/^[+&~]/.test(rule) && !UNUSED.includes(command) &&
            (isTaken(at++) || command === vital[name]))
            test(`without_${command}_the_${name}_adapter_is_refused`,
                 () => runWithout(name, rule), timeout);
    }

// Polls that are passed on, with the channels that the page names for them.
async function passOn(rules) {
    const redis = await startRedis("classic", rules);
    const child = spawn(`${build}/polls-server`,
                        ["0", urlOf(redis, "classic"), "redis", "forward"],
                        { stdio: "pipe" });
    const exited = once(child, "exit");
    let said = "";

    child.stdin.on("error", () => {});
    child.stdout.on("data", (data) => { said += data; });
    await until("it to listen", () => said.includes("listening on"));
    await sleep(500);
    const list = await refused(redis);
    child.kill("SIGTERM");
    await exited;
    await redis.stop();
    return list;
}

test("polls_are_passed_on_with_one_more_channel", async () => {
    const rules = users.get("classic");
    const channel = "&socket.io-engine#*";

    check(page.includes(channel), "the page does not name it");
    same(await passOn([...rules, channel]), []);
    check((await passOn(rules)).some((each) =>
        each.startsWith("channel socket.io-engine#")), "it was not needed");
}, timeout);

test("the_emitter_needs_what_its_user_may", (t) =>
    emitBy(t, "emitter", {}, "redis"), timeout);

test("the_emitter_to_a_stream_needs_what_its_user_may", (t) =>
    emitBy(t, "emitter-streams", { stream: "socket.io" }, "redis-streams"),
timeout);

await finish();
