// The dashboard example: stock clients count what they are sent, one that polls
// seldom gets less and newer, and Chromium looks at the page.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { missing, openBrowser, screenshotFile, sleep, Tap } from "./browser.mjs";
import { repository, require } from "./npm.mjs";
import { freePort } from "./ports.mjs";

const why = missing();
if (why) {
    console.log(`ok 1 - dashboard_in_a_browser # SKIP ${why}\n1..1`);
    process.exit(0);
}

const WAIT_MS = 20000;
const SYMBOLS = 12;
const TICK_BYTES = 20;

const { io } = require("socket.io-client");
const tap = new Tap();
const test = (name, run) => tap.test(name, run);
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);

async function until(what, question) {
    for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(20)) {
        const answer = await question();
        if (answer)
            return answer;
    }
    throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

/*
 * The server
 */

class Dashboard {
    port = 0;
    output = "";

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    async start() {
        if (this.port === 0) this.port = await freePort();
        this.child = spawn(join(build, "examples/dashboard"), [
            "--port", String(this.port),
            "--public", join(repository, "examples/dashboard/public"),
            "--client", join(dirname(require.resolve(
                "socket.io-client/package.json")), "dist"),
        ], { stdio: ["ignore", "pipe", "pipe"] });
        for (const stream of [this.child.stdout, this.child.stderr])
            stream.on("data", (text) => { this.output += text; });
        this.ended = new Promise((done) => {
            this.child.on("exit", (status, signal) => done(signal ?? status));
        });
        await until("the server", () =>
            fetch(this.url).then((answer) => answer.ok, () => false));
    }

    async stop(signal = "SIGTERM") {
        const late = setTimeout(() => this.child.kill("SIGKILL"), 10000);

        this.child.kill(signal);
        const how = await this.ended;
        clearTimeout(late);
        return how;
    }
}

const server = new Dashboard();

/*
 * Clients
 */

function readFrame(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const ticks = [];

    assert.equal(bytes.length % TICK_BYTES, 0);
    for (let at = 0; at < bytes.length; at += TICK_BYTES)
        ticks.push({
            symbol: view.getUint16(at, true),
            merged: view.getUint16(at + 2, true),
            step: view.getUint32(at + 4, true),
            last: view.getFloat32(at + 8, true),
            low: view.getFloat32(at + 12, true),
            high: view.getFloat32(at + 16, true),
        });
    return ticks;
}

// Each tick follows the one before, with all steps between merged into it.
function judge(frames, count) {
    let step = frames[0][0].step - frames[0][0].merged;

    for (const ticks of frames) {
        assert.equal(ticks.length, count);
        for (const tick of ticks) {
            assert.equal(tick.step - step, tick.merged);
            assert.ok(tick.low <= tick.last && tick.last <= tick.high);
            assert.ok(tick.low > 0);
        }
        assert.ok(ticks[0].step > step, "a frame says nothing new");
        step = ticks[0].step;
    }
}

async function client(watched, rate, options = {}) {
    const socket = io(server.url, {
        forceNew: true, reconnection: false, ...options,
    });
    const frames = [];

    socket.on("ticks", (bytes) => frames.push(readFrame(bytes)));
    assert.equal(await socket.timeout(WAIT_MS).emitWithAck("watch", watched),
                 new Set(watched).size);
    assert.equal(await socket.timeout(WAIT_MS).emitWithAck("rate", rate), rate);
    return { socket, frames };
}

await server.start();

await test("it_tells_where_to_look_and_how_to_stop", () => {
    assert.match(server.output, new RegExp(`http://localhost:${server.port}`));
    assert.match(server.output, /click/);
    assert.match(server.output, /Stop with Ctrl\+C/);
    assert.match(server.output, /\/metrics/);
});

await test("each_client_gets_what_it_watches_as_often_as_it_wants", async () => {
    const often = await client([0, 5, 11], 30);
    const seldom = await client([7], 3, { transports: ["websocket"] });

    await until("forty frames", () => often.frames.length >= 40);
    await until("two frames", () => seldom.frames.length >= 2);
    assert.ok(seldom.frames.length * 3 < often.frames.length,
              `${seldom.frames.length} and ${often.frames.length}`);
    judge(often.frames, 3);
    judge(seldom.frames, 1);
    assert.deepEqual(often.frames[0].map((tick) => tick.symbol), [0, 5, 11]);
    often.socket.disconnect();
    seldom.socket.disconnect();
});

// A poll has at most one frame, and the newest; what came between is in it.
await test("who_reads_slowly_gets_fewer_and_never_a_queue", async () => {
    const path = `${server.url}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await (await fetch(path)).text()).slice(1));
    const poll = async () => (await (await fetch(`${path}&sid=${sid}`)).text())
        .split("\x1e");
    const say = (...packets) => fetch(`${path}&sid=${sid}`, {
        method: "POST", body: packets.join("\x1e"),
    });
    const frames = [];

    await say("40");
    await poll();
    await say(`42["watch",[${[...Array(SYMBOLS).keys()]}]]`, '42["rate",30]');
    for (let i = 0; i < 5; i++) {
        const packets = await poll();
        const binary = packets.filter((packet) => packet[0] === "b");

        assert.ok(binary.length <= 1, `${binary.length} frames waited`);
        for (const each of binary)
            frames.push(readFrame(Buffer.from(each.slice(1), "base64")));
        if (packets.includes("2"))
            await say("3");
        await sleep(200);
    }
    judge(frames, SYMBOLS);
    assert.ok(frames.slice(1).every(([tick]) => tick.merged >= 5),
              "a frame is too soon for who waited");
    await say("1");
});

await test("whatever_is_asked_for_is_bounded", async () => {
    const { socket } = await client([1], 10);
    const ask = (...args) => socket.timeout(WAIT_MS).emitWithAck(...args);

    assert.equal(await ask("rate", -5), 1);
    assert.equal(await ask("rate", 1e9), 30);
    assert.equal(await ask("rate", "fast"), 30);
    assert.equal(await ask("rate"), 30);
    assert.equal(await ask("watch", [0, 0, 11, 12, -1, 1e30, "x", null]), 2);
    assert.equal(await ask("watch", "all"), 0);
    assert.equal(await ask("watch", { a: 1, b: 99 }), 1);
    assert.equal((await ask("market")).symbols.length, SYMBOLS);
    socket.disconnect();
});

/*
 * The page
 */

const complaints = [];
let serverIsDown = false;

async function openPage(browser, options) {
    const context = await browser.newContext(options);
    const page = await context.newPage();

    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (line) => {
        if (line.type() === "error" && !serverIsDown)
            complaints.push(line.text());
    });
    await page.goto(server.url);
    await page.locator("#state[data-state=connected]").waitFor();
    return page;
}

const figure = async (page, id) =>
    Number(await page.locator(`#${id}`).textContent());

// How many pixels of the plot have the color of a line.
const drawn = (page) => page.evaluate(() => {
    const canvas = document.getElementById("plot");
    const { data } = canvas.getContext("2d")
        .getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;

    for (let i = 0; i < data.length; i += 4) {
        const [r, g, b, a] = data.slice(i, i + 4);
        if (a === 255 && Math.max(r, g, b) - Math.min(r, g, b) > 60)
            count++;
    }
    return count;
});

const browser = await openBrowser();
let page;

await test("page_plots_what_is_watched", async () => {
    page = await openPage(browser, {
        viewport: { width: 1280, height: 800 }, colorScheme: "light",
    });
    assert.equal(await page.locator("#symbols button").count(), SYMBOLS);
    await page.locator("[data-symbol=FJRD]").click();
    await until("a line", async () => await drawn(page) > 500);
    await until("frames", async () => await figure(page, "frames") >= 5);
    assert.equal(await page.locator("[aria-pressed=true]").count(), 4);
    assert.ok(await figure(page, "bytes") >= 5 * 4 * TICK_BYTES);
    assert.match(await page.locator("[data-symbol=FJRD] .price").textContent(),
                 /^\d+\.\d\d$/);
    // Enough of a line to look at.
    await sleep(500);
    await page.screenshot({ path: screenshotFile("dashboard") });
});

await test("slider_changes_how_often_it_is_drawn", async () => {
    await page.locator("#rate").fill("30");
    await until("many frames", async () => await figure(page, "frames") > 15);
    await page.locator("#rate").fill("2");
    await until("few frames", async () => await figure(page, "frames") <= 3);
    await until("what was merged", async () =>
        await figure(page, "merged") >= 15);
});

await test("pause_sends_nothing", async () => {
    await page.getByRole("button", { name: "Pause" }).click();
    await until("no frames", async () => await figure(page, "frames") === 0);
    await page.getByRole("button", { name: "Go on" }).click();
    await until("frames", async () => await figure(page, "frames") > 0);
});

await test("page_comes_back_with_its_server", async () => {
    serverIsDown = true;
    assert.equal(await server.stop("SIGKILL"), "SIGKILL");
    await page.locator("#state[data-state=offline]").waitFor();
    await server.start();
    await page.locator("#state[data-state=connected]").waitFor();
    serverIsDown = false;
    await until("frames", async () => await figure(page, "frames") > 0);
    await until("a line", async () => await drawn(page) > 100);
});

await test("page_fits_a_phone_in_the_dark", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: "dark" });
    await until("a line", async () => await drawn(page) > 300);
    assert.ok(await page.evaluate(() =>
        document.documentElement.scrollWidth <= window.innerWidth));
    await page.screenshot({ path: screenshotFile("dashboard-phone"),
                            fullPage: true });
});

await test("nobody_complained_and_the_server_ends_well", async () => {
    await browser.close();
    assert.deepEqual(complaints, []);
    assert.equal(await server.stop(), 0);
});

tap.end();
