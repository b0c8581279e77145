// The stock Admin UI in Chromium, served by `bench-server PORT --admin` as it
// tells its user: logs in, looks around, acts; in both modes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { missing, openBrowser, screenshotFile, sleep, Tap }
    from "./browser.mjs";
import { repository, require } from "./npm.mjs";

const WAIT_MS = 20000;
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
let ui = "";
let why = missing();

try {
    ui = join(dirname(require.resolve("@socket.io/admin-ui/package.json")),
        "ui/dist");
    if (!existsSync(join(ui, "index.html")))
        why ||= `no ${ui}`;
} catch {
    why ||= "no @socket.io/admin-ui";
}
if (why) {
    console.log(`ok 1 - admin_in_a_browser # SKIP ${why}\n1..1`);
    process.exit(0);
}

const { io } = require("socket.io-client");
const tap = new Tap();
const test = (name, run) => tap.test(name, run);
const servers = [];
const clients = [];
const complaints = [];

/* A server, where the app is and how to log in, as it says itself. */
async function start(...options) {
    const child = spawn(`${build}/bench-server`,
        ["0", ...options, "--admin-ui", ui],
        { stdio: ["ignore", "pipe", "pipe"] });
    const server = { child, output: "" };

    servers.push(server);
    server.exited = new Promise((done) => child.on("exit", done));
    for (const stream of [child.stdout, child.stderr])
        stream.on("data", (text) => { server.output += text; });
    for (let left = WAIT_MS; left > 0; left -= 20) {
        const [, app] = /Admin UI: +(http\S+)/.exec(server.output) ?? [];
        const [, port] = /listening on (\d+)/.exec(server.output) ?? [];
        const [, name] = /Username: +(\S+)/.exec(server.output) ?? [];
        const [, password] = /Password: +(\S+)/.exec(server.output) ?? [];

        if (app && port && name && password)
            return Object.assign(server, {
                app, name, password, url: `http://localhost:${port}`,
            });
        await sleep(20);
    }
    throw new Error(`the server did not start: ${server.output}`);
}

async function stop(server) {
    server.child.kill("SIGTERM");
    const late = setTimeout(() => server.child.kill("SIGKILL"), 10000);
    const status = await server.exited;
    clearTimeout(late);
    return status;
}

async function client(server) {
    const socket = io(server.url,
        { transports: ["websocket"], forceNew: true, reconnection: false });

    clients.push(socket);
    for (let left = WAIT_MS; left > 0 && !socket.connected; left -= 10)
        await sleep(10);
    assert.ok(socket.connected, "a client does not connect");
    return socket;
}

async function until(condition, what) {
    for (let left = WAIT_MS; left > 0; left -= 20) {
        if (await condition())
            return;
        await sleep(20);
    }
    throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

/* The app in a tab. Its fonts are elsewhere: nothing is fetched from there. */
async function openApp(browser, server) {
    const page = await browser.newPage({
        viewport: { width: 1280, height: 900 },
    });

    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.route((url) => url.hostname !== "localhost",
        (route) => route.abort());
    await page.goto(server.app);
    return page;
}

async function fill(page, server, password) {
    await page.getByLabel("Server URL").fill(server.url);
    await page.getByLabel("Username").fill(server.name);
    await page.getByLabel("Password").fill(password);
    await page.locator("button[type=submit]").click();
}

const main = (page) => page.locator("main");
const cell = (page, text) => main(page)
    .getByRole("cell", { name: text, exact: true });
const row = (page, text) => main(page).locator("tr", {
    has: page.getByRole("cell", { name: text, exact: true }),
});
const icon = (place, name) => place.locator(`button:has(.mdi-${name})`);
const connected = (page) =>
    page.getByText(/^\s*connected\s*$/i).first().waitFor();
async function shot(page, name) {
    await sleep(250); /* what is new fades in */
    await page.screenshot({ path: screenshotFile(`admin-${name}`) });
}

async function open(page, name) {
    await page.locator("nav a, nav [role=listitem]", { hasText: name }).first()
        .click();
    /* Pages fade into each other; of a page of details it is the last item. */
    const heads = main(page).locator(".v-breadcrumbs");
    await until(async () => await heads.count() === 1 &&
        (await heads.innerText()).trim() === name, `the page ${name}`);
}

async function choose(page, namespace) {
    await main(page).locator(".v-select").first().click();
    await page.getByRole("option", { name: namespace, exact: true }).click();
    await sleep(300); /* the list folds away */
}

async function development(browser, server) {
    const page = await openApp(browser, server);
    let one, two;

    await test("a_wrong_password_is_told_in_the_form", async () => {
        await fill(page, server, "wrong");
        await page.getByText("Invalid credentials").first().waitFor();
        await shot(page, "refused");
    });

    await test("the_right_one_opens_the_dashboard", async () => {
        one = await client(server);
        two = await client(server);
        await fill(page, server, server.password);
        await connected(page);
        await page.locator(".v-dialog--active").waitFor({ state: "hidden" });
        await main(page).getByText(/^\s*healthy\s*$/i).first()
            .waitFor();
        await until(async () => /WebSocket\s+[23]\s/.test(
            await main(page).innerText()), "the clients");
        await shot(page, "dashboard");
    });

    await test("sockets_are_listed_and_one_is_shown", async () => {
        await open(page, "Sockets");
        await choose(page, "/");
        await cell(page, one.id).waitFor();
        await cell(page, two.id).waitFor();
        await shot(page, "sockets");
        await cell(page, one.id).click();
        await main(page).getByText("Socket details").waitFor();
        await cell(page, "transport").waitFor();
        assert.match(await main(page).innerText(), /IP address\s+\S+/);
    });

    await test("a_socket_is_made_to_join_and_to_leave_a_room", async () => {
        const form = main(page).locator("form");
        let got = 0;

        one.on("room", () => got++);
        await form.locator("input[type=text]").fill("by-hand");
        await icon(form, "tag-plus-outline").click();
        await row(page, "by-hand").waitFor();
        await shot(page, "socket");
        await two.emitWithAck("room", "by-hand", 1);
        await until(() => got === 1, "the room's event");
        await icon(row(page, "by-hand"), "tag-off-outline").click();
        await until(async () => {
            const before = got;
            await two.emitWithAck("room", "by-hand", 2);
            await one.emitWithAck("echo");
            return got === before;
        }, "to be out of the room");
    });

    await test("rooms_come_and_their_members_are_shown", async () => {
        await open(page, "Rooms");
        await one.emitWithAck("join", "garden");
        await two.emitWithAck("join", "garden");
        await until(async () => /2\s*$/.test(
            (await row(page, "garden").innerText()).trim()), "two members");
        await shot(page, "rooms");
        await cell(page, "garden").click();
        await cell(page, one.id).waitFor();
        await cell(page, two.id).waitFor();
        await shot(page, "room");
    });

    await test("events_are_shown_with_their_arguments", async () => {
        await open(page, "Events");
        await two.emitWithAck("echo", "a word", { n: 1 });
        await until(async () => /echo/.test(await main(page).innerText()),
            "the event");
        await shot(page, "events");
    });

    await test("a_room_is_emptied", async () => {
        await open(page, "Rooms");
        await icon(row(page, "garden"), "tag-off-outline").first().click();
        await open(page, "Events"); /* the click has led elsewhere */
        await open(page, "Rooms");
        await row(page, "garden").waitFor({ state: "detached" });
        assert.ok(one.connected && two.connected);
    });

    await test("a_socket_is_disconnected", async () => {
        await open(page, "Sockets");
        const { id } = one;
        await icon(row(page, id), "logout").first().click();
        await until(() => one.disconnected, "its end");
        await open(page, "Events");
        await open(page, "Sockets");
        await cell(page, two.id).waitFor();
        await cell(page, id).waitFor({ state: "detached" });
        assert.ok(two.connected);
        await shot(page, "disconnected");
    });

    await test("clients_and_servers_are_listed", async () => {
        await open(page, "Clients");
        await row(page, "127.0.0.1").or(row(page, "::1")).first().waitFor();
        await shot(page, "clients");
        await open(page, "Servers");
        await main(page).getByText(/^\s*healthy\s*$/i).waitFor();
        assert.match(await main(page).innerText(),
            new RegExp(String(server.child.pid)));
        await shot(page, "servers");
    });

    await test("a_reload_needs_no_password", async () => {
        await page.reload();
        await connected(page);
        await open(page, "Sockets");
        await choose(page, "/");
        await cell(page, two.id).waitFor();
    });
    await page.close();
}

async function production(browser, server) {
    const page = await openApp(browser, server);

    await test("in_production_numbers_alone_are_shown", async () => {
        const one = await client(server);

        await one.emitWithAck("echo", "nobody sees this");
        await fill(page, server, server.password);
        await connected(page);
        await page.locator(".v-dialog--active").waitFor({ state: "hidden" });
        await until(async () => /WebSocket\s+[12]\s/.test(
            await main(page).innerText()), "the clients");
        const menu = await page.locator("nav").allInnerTexts();
        assert.match(menu.join(), /Servers/);
        assert.doesNotMatch(menu.join(), /Sockets|Rooms|Events/);
        await shot(page, "production");
    });
    await page.close();
}

let browser;
try {
    const [full, less] = [
        await start("--admin"), await start("--admin-production"),
    ];
    browser = await openBrowser();
    await development(browser, full);
    await production(browser, less);
    await test("no_page_complained", () => assert.deepEqual(complaints, []));
    await test("the_servers_stop_cleanly", async () => {
        for (const server of [full, less])
            assert.equal(await stop(server), 0, server.output);
    });
} catch (error) {
    await test("the_test_could_run", () => { throw error; });
} finally {
    for (const socket of clients) socket.disconnect();
    await browser?.close();
    for (const { child } of servers) child.kill("SIGKILL");
}
tap.end();
process.exit(); /* a page or a client that hangs holds nobody up */
