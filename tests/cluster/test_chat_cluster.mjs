// The chat on three nodes, as `make cluster` runs it: two tabs of Chromium on
// different nodes behind nginx, one of the nodes killed between two words.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { missing, openBrowser, sleep, Tap } from "../interop/browser.mjs";
import { repository, require } from "../interop/npm.mjs";
import { freePorts } from "../interop/ports.mjs";
import { programOf } from "./proxies.mjs";

const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const why = missing() || (programOf("nginx") ? "" : "no nginx") ||
    ((process.env.HAVE_ALL ?? "yesyes") === "yesyes" ? "" : "no Redis");
if (why) {
    console.log(`ok 1 - chat_on_three_nodes # SKIP ${why}\n1..1`);
    process.exit(0);
}

const WAIT_MS = 15000;
const tap = new Tap();
const test = (name, run) => tap.test(name, run);
const { io } = require("socket.io-client");

/*
 * The cluster: examples/cluster/run in a group of its own, that gets SIGINT as
 * from a terminal.
 */

const [port] = await freePorts(1);
const url = `http://127.0.0.1:${port}`;
const client = join(dirname(require.resolve("socket.io-client/package.json")),
    "dist");
const cluster = spawn(join(repository, "examples/cluster/run"), [String(port),
    join(build, "examples/chat"), join(repository, "examples/chat/public"),
    client], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
const ended = once(cluster, "exit");
let output = "";

for (const stream of [cluster.stdout, cluster.stderr])
    stream.setEncoding("utf8").on("data", (text) => { output += text; });

function interrupt(signal) {
    try {
        process.kill(-cluster.pid, signal);
        return true;
    } catch {
        return false; /* it has ended */
    }
}

process.on("exit", () => interrupt("SIGTERM"));
for (const signal of ["SIGTERM", "SIGINT"])
    process.on(signal, () => process.exit(1));

async function until(what, ask) {
    for (let ms = 0; ms < WAIT_MS; ms += 50) {
        const answer = await ask();
        if (answer) return answer;
        await sleep(50);
    }
    throw new Error(`${what}: ${output}`);
}

function isAlive(pid) {
    try {
        process.kill(pid, 0);
        return true;
    } catch {
        return false;
    }
}

/*
 * People in tabs
 */

const connected = (page) => page.locator("#state[data-state=connected]")
    .waitFor();
const here = (page, nick) => page.locator("#people-list").getByText(nick);
const bubble = (page, text) => page.locator("#log .bubble")
    .getByText(text, { exact: true });

async function openTab(context, nick) {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    await page.goto(url);
    await page.getByLabel("Nickname").first().fill(nick);
    await page.getByRole("button", { name: "Enter the chat" }).click();
    await connected(page);
    return page;
}

/* The node of a tab's newest session: its id says so, in each poll. */
const nodeOf = (page) => page.evaluate(() =>
    performance.getEntriesByType("resource")
        .map(({ name }) => /[?&]sid=(n\d)\./.exec(name)?.[1])
        .findLast((node) => node));

const titled = (page, text) => page.locator("#title")
    .getByText(text, { exact: true }).waitFor();

async function write(page, text) {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.keyboard.press("Enter");
}

async function showsOnce(page, ...texts) {
    for (const text of texts) {
        await bubble(page, text).first().waitFor();
        assert.equal(await bubble(page, text).count(), 1, text);
    }
}

async function main(browser) {
    const context = await browser.newContext({ reducedMotion: "reduce" });
    const pids = {};
    let ada;
    let bob;

    await test("the_cluster_starts_and_says_where", async () => {
        await until("the cluster", () => output.includes("Kill one"));
        assert.match(output, new RegExp(`http://localhost:${port} `));
        for (const [, name, pid] of
            output.matchAll(/(n\d) {2}http:\S+ {2}process (\d+)/g))
            pids[name] = Number(pid);
        assert.deepEqual(Object.keys(pids), ["n1", "n2", "n3"]);
        assert.ok(Object.values(pids).every(isAlive));
    });

    await test("two_tabs_on_different_nodes_see_each_other", async () => {
        ada = await openTab(context, "ada");
        bob = await openTab(context, "bob");
        for (let i = 0; i < 30; i++) {
            if (await nodeOf(ada) !== await nodeOf(bob)) break;
            await sleep(100);
            await bob.reload();
            await connected(bob);
        }
        assert.notEqual(await nodeOf(ada), await nodeOf(bob));
        await here(ada, "bob").waitFor();
        await here(bob, "ada").waitFor();
    });

    await test("messages_and_typing_cross_the_nodes", async () => {
        await write(ada, "Good morning!");
        await showsOnce(bob, "Good morning!");
        await write(bob, "Morning, ada.");
        await showsOnce(ada, "Morning, ada.", "Good morning!");
        await bob.getByLabel("Message", { exact: true })
            .pressSequentially("Earl Gr");
        await ada.locator("#typing").getByText("bob is typing…").waitFor();
        await bob.getByLabel("Message", { exact: true }).fill("");
    });

    await test("a_private_message_crosses_the_nodes", async () => {
        await here(ada, "bob").click();
        await titled(ada, "bob");
        await write(ada, "Just for you");
        const row = bob.locator(".conversations .row[data-conversation='@ada']");
        await row.locator(".badge").waitFor();
        await row.click();
        await titled(bob, "ada");
        await showsOnce(bob, "Just for you");
        for (const page of [ada, bob]) {
            await page.locator(".conversations .row[data-conversation=lobby]")
                .click();
            await titled(page, "lobby");
        }
    });

    await test("a_nickname_is_taken_on_every_node", async () => {
        for (let i = 0; i < 3; i++) {
            const socket = io(url, {
                auth: { nick: "Ada", key: "x".repeat(22) }, forceNew: true,
                reconnection: false, transports: ["websocket"],
            });
            const [error] = await once(socket, "connect_error");
            assert.equal(error.data?.code, "taken");
            socket.close();
        }
    });

    await test("a_killed_node_s_tab_goes_on_with_another", async () => {
        const old = await nodeOf(ada);
        const before = output.length;
        process.kill(pids[old], "SIGKILL");
        await write(ada, "Written in the dark");
        await write(bob, "Still here, ada?");
        await until("another node", async () => {
            const node = await nodeOf(ada);
            return node !== old && node;
        });
        await connected(ada);
        for (const page of [ada, bob])
            await showsOnce(page, "Written in the dark", "Still here, ada?",
                "Good morning!", "Morning, ada.");
        await here(bob, "ada").waitFor();
        await here(ada, "bob").waitFor();
        await until("the node to be back", () =>
            output.slice(before).includes(`${old} is back`));
    });

    await test("a_node_that_is_new_knows_what_was_said", async () => {
        const cleo = await openTab(context, "cleo");
        for (let i = 0; i < 6; i++) {
            await showsOnce(cleo, "Good morning!", "Written in the dark",
                "Still here, ada?");
            await cleo.reload();
            await connected(cleo);
        }
        await cleo.close();
    });

    await test("who_leaves_is_gone_on_every_node", async () => {
        await bob.getByRole("button", { name: "Leave the chat" }).click();
        await here(ada, "bob").waitFor({ state: "detached" });
    });

    await test("ctrl_c_stops_all_that_was_started", async () => {
        const folder = /on one Redis \((\S+)\/redis\.sock\)/.exec(output)[1];
        for (const [, name, pid] of
            output.matchAll(/(n\d) is back \(process (\d+)\)/g))
            pids[name] = Number(pid);
        assert.ok(interrupt("SIGINT"));
        await until("the end", () => cluster.exitCode !== null);
        assert.equal(cluster.exitCode, 0, output);
        for (const pid of Object.values(pids)) assert.ok(!isAlive(pid));
        assert.ok(!interrupt(0), "somebody of the group is left");
        await assert.rejects(fetch(url));
        assert.ok(!existsSync(folder));
    });
}

let browser;
try {
    browser = await openBrowser();
    await main(browser);
} finally {
    await browser?.close();
    interrupt("SIGTERM");
    await ended;
}
tap.end();
