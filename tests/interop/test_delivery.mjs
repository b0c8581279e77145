// The recipe of skio_delivery(7): the stock client and examples/mailbox.c.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { check, deadline, finish, require, same, test } from "./harness.mjs";
import { repository } from "./npm.mjs";

const { io } = require("socket.io-client");
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);

async function withMailboxes(use, retryMs = 100) {
    const server = spawn(`${build}/examples/mailbox`, ["0", `${retryMs}`],
                         { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(server, "exit");
    const owners = [];

    try {
        const [line] = await deadline(once(server.stdout, "data"), 5000,
                                      "the mailboxes' port");
        const url = `http://127.0.0.1:${/port (\d+)/.exec(line)[1]}`;

        await use((name, options) => {
            const owner = new Owner(url, name, options);
            owners.push(owner);
            return owner;
        });
    } finally {
        owners.forEach((owner) => owner.socket.close());
        server.kill("SIGKILL");
        await deadline(exited, 5000, "the mailboxes' end");
    }
}

/** What the manual tells a client to do. */
class Owner {
    last = 0;
    posted = 0;
    texts = [];   // each once, in order
    arrivals = 0; // repetitions included
    mute = 0;     // so many are not acknowledged

    constructor(url, name, { retries = 5 } = {}) {
        this.socket = io(url, {
            forceNew: true, transports: ["websocket"], reconnectionDelay: 20,
            reconnectionDelayMax: 50, retries, ackTimeout: 500,
            auth: (give) => give({ mailbox: name, last: this.last }),
        });
        this.socket.on("message", (id, text, answer) => {
            this.arrivals++;
            if (id > this.last) { // else: a repetition
                this.last = id;
                this.texts.push(text);
            }
            this.wake?.();
            if (this.mute > 0) this.mute--;
            else answer();
        });
    }

    async post(to, text, n = ++this.posted) {
        return this.socket.emitWithAck("post", { n, to, text });
    }

    async until(condition, what) {
        while (!condition())
            await deadline(new Promise((done) => { this.wake = done; }), 8000,
                           what);
    }

    connected() {
        return this.socket.connected ? null
            : deadline(once(this.socket, "connect"), 8000, "a connection");
    }
}

const numbers = (from, to) =>
    Array.from({ length: to - from + 1 }, (_, i) => `text ${from + i}`);

test("what_is_posted_arrives_once_and_in_order", () =>
    withMailboxes(async (owner) => {
        const ann = owner("ann");
        const bob = owner("bob");

        await bob.connected();
        for (const text of numbers(1, 20))
            same(await ann.post("bob", text), { ok: true });
        await bob.until(() => bob.texts.length >= 20, "twenty messages");
        same(bob.texts, numbers(1, 20));
        same(bob.arrivals, 20);
    }));

test("what_is_posted_to_who_is_away_waits", () =>
    withMailboxes(async (owner) => {
        const ann = owner("ann");

        for (const text of numbers(1, 5)) await ann.post("bob", text);
        const bob = owner("bob");
        await bob.until(() => bob.texts.length >= 5, "five messages");
        same(bob.texts, numbers(1, 5));
    }));

test("what_is_not_acknowledged_is_sent_again", () =>
    withMailboxes(async (owner) => {
        const ann = owner("ann");
        const bob = owner("bob");

        await bob.connected();
        bob.mute = 2;
        for (const text of numbers(1, 3)) await ann.post("bob", text);
        await bob.until(() => bob.texts.length >= 3, "three messages");
        same(bob.texts, numbers(1, 3));
        check(bob.arrivals >= 5, `two repetitions of ${bob.arrivals}`);
    }));

test("connections_that_break_lose_and_repeat_nothing", () =>
    withMailboxes(async (owner) => {
        const ann = owner("ann");
        const bob = owner("bob");

        await bob.connected();
        for (let round = 0; round < 6; round++) {
            const posts = numbers(round * 5 + 1, round * 5 + 5)
                .map((text) => ann.post("bob", text));
            await bob.connected();
            // The receipt of one is lost with the connection.
            bob.mute = round % 2;
            bob.socket.io.engine.close();
            if (round % 3 === 2 && ann.socket.connected)
                ann.socket.io.engine.close();
            await deadline(Promise.all(posts), 8000, "the posts' answers");
        }
        await bob.until(() => bob.texts.length >= 30, "thirty messages");
        same(bob.texts, numbers(1, 30));
    }), { timeout: 20000 });

test("post_that_is_repeated_is_kept_once", () =>
    withMailboxes(async (owner) => {
        const ann = owner("ann");
        const bob = owner("bob");

        for (let i = 0; i < 3; i++)
            same(await ann.post("bob", "once", 1), { ok: true });
        await ann.post("bob", "then", 2);
        await bob.until(() => bob.texts.length >= 2, "two messages");
        same(bob.texts, ["once", "then"]);
    }));

test("receipt_that_was_lost_is_told_by_the_next_connection", () =>
    withMailboxes(async (owner) => {
        const ann = owner("ann");
        const bob = owner("bob");

        await bob.connected();
        bob.mute = 1;
        await ann.post("bob", "first");
        await bob.until(() => bob.texts.length >= 1, "the first message");
        bob.socket.io.engine.close();
        await deadline(once(bob.socket, "connect"), 8000, "the reconnection");
        await ann.post("bob", "second");
        await bob.until(() => bob.texts.length >= 2, "the second message");
        same(bob.texts, ["first", "second"]);
        same(bob.arrivals, 2);
    }, 60000));

await finish();
