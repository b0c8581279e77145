// The stock client 2.5.0 as a browser runs it, in Chromium, on both servers with
// allowEIO3, and beside it one of version 4: JSONP polling, which only browsers
// do, XHR polling with binary and with base64 payloads, WebSocket, the upgrade.
//
// The page is the server's answer to a bad request: it is of the same origin,
// and both servers have it.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { missing, openBrowser } from "./browser.mjs";
import { finish, need, require, twin } from "./harness.mjs";

need("socket.io", "socket.io-client", "socket.io-client-2");
const why = missing();
if (why) {
    console.log(`1..0 # SKIP ${why}`);
    process.exit(0);
}

const browser = await openBrowser();
const dist = (name) => readFileSync(join(dirname(
    require.resolve(`${name}/package.json`)), "dist/socket.io.js"), "utf8");
const script = `${dist("socket.io-client-2")}; window.io2 = window.io;
    ${dist("socket.io-client")}; window.io4 = window.io;`;

const modes = {
    jsonp: { transports: ["polling"], forceJSONP: true },
    polling: { transports: ["polling"] },
    base64: { transports: ["polling"], forceBase64: true },
    websocket: { transports: ["websocket"] },
    upgrade: { transports: ["polling", "websocket"] },
};

/*
 * In the page
 */

function helpers() {
    const late = (promise, what) => Promise.race([promise,
        new Promise((_, failed) => setTimeout(
            () => failed(new Error(`no ${what}`)), 8000))]);
    const plain = (value) => value instanceof ArrayBuffer
        ? `<${[...new Uint8Array(value)].join(" ")}>`
        : Array.isArray(value) ? value.map(plain)
            : value === null || typeof value !== "object" ? value
                : Object.fromEntries(Object.entries(value).map(
                    ([name, each]) => [name, plain(each)]));

    window.bytes = (...list) => new Uint8Array(list).buffer;
    window.next = (socket, name) => late(new Promise((done) => {
        socket.once(name, (...args) => done(plain(args)));
    }), name);
    window.ask = (socket, ...args) => late(new Promise((done) => {
        socket.emit(...args, (...answer) => done(plain(answer)));
    }), `answer to ${args[0]}`);
    window.dial = async (io, options, nsp = "/") => {
        const socket = io(location.origin + nsp, {
            forceNew: true, reconnectionDelay: 20, ...options,
        });
        const [name, auth] = await window.next(socket, "welcome");
        if (options.transports.length > 1 &&
            socket.io.engine.transport.name === "polling")
            await late(new Promise((done) => {
                socket.io.engine.once("upgrade", () => done());
            }), "upgrade");
        return Object.assign(socket, { greeting: [name, auth] });
    };
}

// Everything that a client does, by one mode; the transcript.
async function talk(options) {
    const { ask, bytes, dial, io2, next } = window;
    const one = await dial(io2, options), two = await dial(io2, options);
    const log = [one.greeting, one.id === one.io.engine.id,
                 one.io.engine.transport.name,
                 one.io.engine.transport.supportsBinary];

    log.push(await ask(one, "echo", "hé😀\u2028\"\\\n", null, -1.5,
                       { a: [true, { b: "" }], "ключ": [] }));
    log.push(await ask(one, "echo", bytes(0, 1, 2, 254, 255),
                       { deep: [bytes()] }));
    log.push(await ask(one, "echo", new Blob([bytes(7, 8)])));
    log.push((await ask(one, "echo", "ä😀".repeat(20000)))[0].length);
    log.push((await ask(one, "big-bytes", 70000))[0].length);
    log.push((await ask(one, "big-text", 70000))[0].length);
    one.on("question", (word, number, ack) => ack(word, number, bytes(1, 2)));
    const answer = next(one, "answer");
    one.emit("ask", 3000, "word", 5);
    log.push(await answer);

    // Many at once, both ways: one after another.
    log.push(await Promise.all(Array.from({ length: 30 }, (_, i) =>
        ask(one, "echo", i, i % 3 ? "x" : bytes(i)))));

    await ask(two, "join", `r-${one.id}`);
    const heard = next(two, "to");
    one.emit("to", [`r-${one.id}`], "room", bytes(9));
    log.push(await heard);

    const other = one.io.socket("/custom");
    log.push(await next(other, "welcome"), await ask(other, "echo", 2));

    const gone = next(one, "disconnect");
    one.emit("disconnect-me", false);
    log.push(await gone, await ask(other, "echo", bytes(3)));
    return log;
}

// The connection breaks, and the client comes back by itself.
async function comeBack(options) {
    const { ask, dial, io2, next } = window;
    const one = await dial(io2, options), before = one.id;
    const back = next(one, "welcome");

    one.io.engine.close();
    await back;
    return [one.id !== before, await ask(one, "echo", window.bytes(5))];
}

async function shareRoom([options, name]) {
    const { ask, bytes, dial, io2, io4, next } = window;
    const old = await dial(io2, options), young = await dial(
        io4, { transports: ["polling", "websocket"] });
    const log = [];

    await ask(old, "join", name);
    await ask(young, "join", name);
    for (const one of [old, young]) {
        const heard = [old, young].map((each) => next(each, "to"));
        one.emit("to", [name], one === old ? "old" : "young",
                 { in: [bytes(1, 2)], b: bytes(3) });
        log.push(await Promise.all(heard));
    }
    return log;
}

/*
 * The page
 */

// How the page asked, beside the transcript: tags, requests, forms in frames.
async function inPage(server, t, fn, argument) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const ways = new Set();
    const complaints = [];

    t.after(() => context.close());
    await page.goto(`${server.url}/socket.io/?transport=none`);
    await page.addScriptTag({ content: script });
    await page.evaluate(helpers);
    page.on("request", (request) => {
        if (request.url().includes("/socket.io/"))
            ways.add(`${request.resourceType()} ${request.method()}`);
    });
    page.on("websocket", () => ways.add("websocket"));
    page.on("pageerror", (error) => complaints.push(String(error)));
    const log = await page.evaluate(fn, argument);
    // Whether something is posted before an upgrade is done is a race.
    if (ways.has("websocket"))
        ways.delete("xhr POST");
    return { log, ways: [...ways].sort(), complaints };
}

for (const [mode, options] of Object.entries(modes)) {
    twin(`browser_client_2_talks_${mode}`, (server, t) =>
        inPage(server, t, talk, options),
    { options: ["--eio3"], timeout: 40000 });

    twin(`browser_client_2_comes_back_${mode}`, (server, t) =>
        inPage(server, t, comeBack, options),
    { options: ["--eio3"], timeout: 40000 });

    twin(`browser_clients_2_and_4_share_a_room_${mode}`, (server, t) =>
        inPage(server, t, shareRoom, [options, `mixed-${mode}`]),
    { options: ["--eio3"], timeout: 40000 });
}

twin("browser_jsonp_is_script_tags_and_forms", async (server, t) => {
    const { ways } = await inPage(server, t, comeBack, modes.jsonp);
    return ways;
}, { options: ["--eio3"], timeout: 40000,
     expect: ["document POST", "script GET"] });

await finish();
