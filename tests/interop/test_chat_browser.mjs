// The chat example: Chromium drives the page in tabs, as people would, and
// stock clients try what the page does not offer.

import assert from "node:assert/strict";
import { ChatServer, missing, openBrowser, screenshotFile, sleep, Tap }
    from "./browser.mjs";
import { require } from "./npm.mjs";

const why = missing();
if (why) {
    console.log(`ok 1 - chat_in_a_browser # SKIP ${why}\n1..1`);
    process.exit(0);
}

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const WAIT_MS = 15000;

const { io } = require("socket.io-client");
const tap = new Tap();
const test = (name, run) => tap.test(name, run);
const server = new ChatServer();
const complaints = []; /* what a page wrote to its console */
let serverIsDown = false;

/*
 * People in tabs
 */

async function openTab(context, nick) {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => complaints.push(`${nick}: ${error}`));
    page.on("console", (line) => {
        if (line.type() === "error" && !serverIsDown)
            complaints.push(`${nick}: ${line.text()}`);
    });
    await page.goto(server.url);
    await page.getByLabel("Nickname").first().fill(nick);
    await page.getByRole("button", { name: "Enter the chat" }).click();
    await connected(page);
    return page;
}

const connected = (page) => page.locator("#state[data-state=connected]")
    .waitFor();
const bubble = (page, text) => page.locator("#log .bubble")
    .getByText(text, { exact: true });
const row = (page, name) => page.locator(
    `.conversations .row[data-conversation="${name}"]`);

async function write(page, text) {
    await page.getByLabel("Message", { exact: true }).fill(text);
    await page.keyboard.press("Enter");
}

async function delivered(page, text) {
    await page.locator(".message[data-state=delivered]", {
        has: page.locator(".bubble").getByText(text, { exact: true }),
    }).waitFor();
}

async function once(page, ...texts) {
    for (const text of texts) {
        await bubble(page, text).first().waitFor();
        assert.equal(await bubble(page, text).count(), 1, text);
    }
}

const title = (page, text) => page.locator("#title")
    .getByText(text, { exact: true }).waitFor();

/* Only the tab in front draws at full speed, so do not wait for it to settle. */
async function open(page, name) {
    await row(page, name).click({ force: true });
    await title(page, name.replace(/^@/, ""));
}

async function enterRoom(page, name, isPrivate = false) {
    await page.getByRole("button", { name: "Find or create a room" }).click();
    await page.getByLabel("Name of the room").fill(name);
    if (isPrivate) await page.locator("#room-private").check();
    await page.keyboard.press("Enter");
}

/*
 * Stock clients, for what the page does not do
 */

const clients = [];
const key = (letter) => letter.repeat(22);

function client(nick, secret = key("k")) {
    const socket = io(server.url, {
        auth: { nick, key: secret }, forceNew: true, reconnection: false,
    });
    clients.push(socket);
    return new Promise((done, fail) => {
        socket.on("welcome", (hello) => done(Object.assign(socket, { hello })));
        socket.on("connect_error", fail);
        setTimeout(() => fail(new Error("no welcome")), WAIT_MS).unref();
    });
}

const ask = (socket, event, ...args) =>
    socket.timeout(WAIT_MS).emitWithAck(event, ...args);

async function refused(socket, code, event, ...args) {
    const answer = await ask(socket, event, ...args);
    assert.equal(answer.ok, false, `${event} was allowed`);
    assert.equal(answer.code, code);
    assert.ok(answer.message.length > 0);
}

async function main(browser) {
    const context = await browser.newContext({
        viewport: DESKTOP, colorScheme: "light", reducedMotion: "reduce",
    });
    let ada;
    let bob;
    let finn;

    await test("two_tabs_sign_in_and_see_each_other", async () => {
        ada = await openTab(context, "ada");
        bob = await openTab(context, "bob");
        await ada.locator("#people-list").getByText("bob").waitFor();
        await bob.locator("#people-list").getByText("ada").waitFor();
    });

    await test("a_nickname_in_use_is_refused_with_a_reason", async () => {
        const page = await context.newPage();
        await page.goto(server.url);
        await page.getByLabel("Nickname").first().fill("ADA");
        await page.getByRole("button", { name: "Enter the chat" }).click();
        await page.locator("#nick-error:not(:empty)").waitFor();
        assert.ok(await page.locator("#app").isHidden());
        await page.close();
    });

    await test("a_message_reaches_the_other_tab", async () => {
        await write(ada, "Good morning!");
        await once(bob, "Good morning!");
        await delivered(ada, "Good morning!");
        await write(bob, "Morning, ada. Tea?");
        await once(ada, "Morning, ada. Tea?");
    });

    await test("markup_is_shown_as_text", async () => {
        const text = "<img src=x onerror=alert(1)> & <b>bold</b>";
        await write(ada, text);
        await once(bob, text);
        assert.equal(await bob.locator("#log img, #log b").count(), 0);
    });

    await test("typing_is_shown_and_ends", async () => {
        await bob.getByLabel("Message", { exact: true })
            .pressSequentially("Earl Gr");
        await ada.locator("#typing").getByText("bob is typing…").waitFor();
        await bob.getByLabel("Message", { exact: true }).fill("");
        await ada.locator("#typing").getByText("bob is typing…")
            .waitFor({ state: "hidden" });
    });

    await test("a_room_is_created_found_and_entered", async () => {
        await enterRoom(ada, "gardening");
        await title(ada, "gardening");
        await write(ada, "Who has seeds?");
        await delivered(ada, "Who has seeds?");
        await bob.getByRole("button", { name: "Find or create a room" })
            .click();
        await bob.locator("#open-rooms").getByText("gardening").click();
        await title(bob, "gardening");
        await once(bob, "Who has seeds?");
        await ada.locator("#people-list").getByText("bob").waitFor();
    });

    await test("a_bad_room_name_is_refused_in_the_dialog", async () => {
        await enterRoom(bob, "no spaces, please");
        await bob.locator("#room-error:not(:empty)").waitFor();
        await bob.keyboard.press("Escape");
    });

    await test("unread_messages_are_counted", async () => {
        await open(bob, "lobby");
        await write(ada, "Tomatoes, for example");
        await write(ada, "Or beans");
        await row(bob, "gardening").locator(".badge").getByText(/^2/)
            .waitFor();
        assert.match(await bob.title(), /^\(2\) /);
        await open(bob, "gardening");
        await bob.locator(".divider.fresh").waitFor();
        await row(bob, "gardening").locator(".badge")
            .waitFor({ state: "detached" });
    });

    await test("a_private_message_reaches_only_its_reader", async () => {
        finn = await openTab(context, "finn");
        await ada.locator("#people-list").getByText("bob").click();
        await title(ada, "bob");
        await write(ada, "Just for you");
        await row(bob, "@ada").locator(".badge").waitFor();
        await open(bob, "@ada");
        await once(bob, "Just for you");
        await write(bob, "Thank you");
        await once(ada, "Thank you");
        await sleep(200);
        assert.equal(await row(finn, "@ada").count(), 0);
        assert.equal(await bubble(finn, "Just for you").count(), 0);
    });

    await test("nobody_enters_a_private_room_by_its_name", async () => {
        await enterRoom(ada, "vault", true);
        await title(ada, "vault");
        await write(ada, "The code is 1234");
        await delivered(ada, "The code is 1234");
        await enterRoom(finn, "vault");
        await finn.locator("#room-error").getByText(/private/).waitFor();
        await finn.keyboard.press("Escape");
        await enterRoom(finn, "VAULT", true); /* nor with a key made up */
        await finn.locator("#room-error").getByText(/private/).waitFor();
        await finn.getByRole("button", { name: "Cancel" }).click();
        assert.equal(await row(finn, "vault").count(), 0);
    });

    await test("an_invitation_opens_the_private_room", async () => {
        await ada.getByRole("button", { name: "Invite somebody" }).click();
        await ada.locator("#person-name").fill("nobody-here");
        await ada.keyboard.press("Enter");
        await ada.locator("#person-error:not(:empty)").waitFor();
        await ada.locator("#person-name").fill("bob");
        await ada.keyboard.press("Enter");
        await bob.locator("#invitations")
            .getByRole("button", { name: "Enter" }).click();
        await title(bob, "vault");
        await once(bob, "The code is 1234");
    });

    await test("a_refused_message_shows_its_error", async () => {
        const long = "x".repeat(2001);
        await open(bob, "lobby");
        await write(bob, long);
        await bob.locator(".toast").getByText(/2000/).waitFor();
        const failed = bob.locator(".message[data-state=failed]");
        await failed.getByText(/2000/).waitFor();
        await failed.getByRole("button", { name: "Edit" }).click();
        assert.equal(await bob.locator("#text").inputValue(), long);
        assert.equal(await failed.count(), 0);
        await write(bob, "Shorter now");
        await once(finn, "Shorter now");
        await bob.getByRole("button", { name: "Dismiss" }).first().click();
    });

    await test("a_newcomer_gets_the_last_fifty_messages", async () => {
        const grace = await client("grace", key("g"));
        await ask(grace, "enter", { room: "archive" });
        for (let i = 1; i <= 53; i++) {
            const said = await say(grace, "archive", `entry ${i}`);
            assert.ok(said.ok, said.message);
        }
        grace.disconnect();
        await enterRoom(finn, "archive");
        await title(finn, "archive");
        await once(finn, "entry 53", "entry 4");
        assert.equal(await finn.locator("#log .bubble").count(), 50);
    });

    await test("a_reload_keeps_name_rooms_and_messages", async () => {
        await open(bob, "vault");
        await bob.reload();
        await connected(bob);
        await title(bob, "vault");
        await once(bob, "The code is 1234");
        assert.equal(await bob.locator("#me-name").textContent(), "bob");
        for (const name of ["lobby", "gardening", "@ada"])
            await row(bob, name).waitFor();
        assert.equal(await bob.locator(".row .badge").count(), 0);
        await open(bob, "@ada");
        await once(bob, "Just for you", "Thank you");
    });

    await rawTests();
    await pictures(browser, context, { ada, bob });

    await test("a_killed_server_is_shown_and_writing_goes_on", async () => {
        for (const page of [ada, bob]) await open(page, "lobby");
        serverIsDown = true;
        await server.stop("SIGKILL");
        await ada.locator("#state[data-state=reconnecting]").waitFor();
        await ada.locator("#offline").waitFor();
        await write(ada, "Written offline, one");
        await write(ada, "Written offline, two");
        await ada.locator(".message[data-state=waiting]").nth(1).waitFor();
        await ada.screenshot({ path: screenshotFile("desktop-offline") });
    });

    await test("a_restart_delivers_once_and_doubles_nothing", async () => {
        await server.start();
        await Promise.all([ada, bob, finn].map(connected));
        serverIsDown = false;
        await delivered(ada, "Written offline, one");
        await delivered(ada, "Written offline, two");
        await write(bob, "Welcome back");
        for (const page of [ada, bob]) {
            await once(page, "Welcome back", "Written offline, one",
                "Written offline, two", "Good morning!", "Shorter now");
            const texts = await page.locator("#log .bubble").allTextContents();
            assert.ok(texts.indexOf("Written offline, one") <
                      texts.indexOf("Written offline, two"));
        }
    });

    await test("a_private_room_survives_a_restart_for_its_members",
        async () => {
            await open(ada, "vault");
            await open(bob, "vault");
            await write(ada, "Still only us");
            await once(bob, "Still only us", "The code is 1234");
            await enterRoom(finn, "vault");
            await finn.locator("#room-error").getByText(/private/).waitFor();
            await finn.keyboard.press("Escape");
        });

    await test("a_lost_connection_brings_what_was_missed_once", async () => {
        await open(ada, "gardening");
        await open(bob, "gardening");
        await write(bob, "Before the gap");
        await once(ada, "Before the gap");
        serverIsDown = true;
        await cutOff(ada, async () => {
            await write(bob, "During the gap, one");
            await write(bob, "During the gap, two");
            await delivered(bob, "During the gap, two");
        });
        await connected(ada);
        serverIsDown = false;
        await once(ada, "Before the gap", "During the gap, one",
            "During the gap, two");
    });

    await test("leaving_ends_the_session", async () => {
        await finn.getByRole("button", { name: "Leave the chat" }).click();
        await finn.getByRole("button", { name: "Enter the chat" }).waitFor();
        await open(ada, "lobby");
        await ada.locator("#people-list").getByText("finn")
            .waitFor({ state: "detached" });
        await finn.reload();
        assert.ok(await finn.locator("#app").isHidden());
    });

    await test("a_nickname_given_back_is_free_for_another", async () => {
        const later = await openTab(context, "finn");
        await ada.locator("#people-list").getByText("finn").waitFor();
        assert.equal(await row(later, "archive").count(), 0);
        await later.close();
        await assert.rejects(client("finn", key("n")), (error) =>
            error.data?.code === "taken", "a closed tab keeps it for a while");
    });

    await test("no_page_complained", () => {
        assert.deepEqual(complaints, []);
    });
}

/* Close this tab's connection and keep it away while run() works. */
async function cutOff(page, run) {
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.emulateNetworkConditions", {
        offline: true, latency: 0, downloadThroughput: -1,
        uploadThroughput: -1,
    });
    await page.locator("#state[data-state=reconnecting]").waitFor();
    await run();
    await session.send("Network.emulateNetworkConditions", {
        offline: false, latency: 0, downloadThroughput: -1,
        uploadThroughput: -1,
    });
    await session.detach();
}

/* Say something; wait as long as the server asks when it was too fast. */
let said = 0;
async function say(socket, room, text, id = `message-number-${++said}`) {
    for (let i = 0; i < 50; i++) {
        const answer = await ask(socket, "say", { room, id, text });
        if (answer.code !== "slow_down") return answer;
        await sleep(answer.retry_ms);
    }
    throw new Error("slow_down without end");
}

async function rawTests() {
    await test("the_handshake_checks_nickname_and_key", async () => {
        for (const [nick, secret, code] of [
            ["", key("x"), "bad_name"], ["two words", key("x"), "bad_name"],
            ["a".repeat(21), key("x"), "bad_name"],
            ["@ada", key("x"), "bad_name"], ["evil\u202e", key("x"), "bad_name"],
            [7, key("x"), "bad_name"], ["someone", "short", "bad_key"],
            ["someone", "!".repeat(22), "bad_key"],
            ["someone", null, "bad_key"], ["Ada", key("x"), "taken"],
        ])
            await assert.rejects(client(nick, secret), (error) =>
                error.data?.code === code, `${nick} ${secret}`);
        (await client("a".repeat(20), key("x"))).disconnect();
        (await client("Jürgen_Ω.2", key("x"))).disconnect();
    });

    await test("the_server_checks_every_request", async () => {
        const eve = await client("eve", key("e"));
        for (const room of ["", "x".repeat(25), "a b", "#x", 7, null, "a\0b"])
            await refused(eve, "bad_name", "enter", { room });
        await refused(eve, "bad_name", "enter");
        await refused(eve, "bad_name", "enter", "text");
        await refused(eve, "bad_key", "enter", { room: "new", private: true });
        await refused(eve, "unknown_user", "enter", { room: "@nobody" });
        await refused(eve, "unknown_user", "enter", { room: "@eve" });
        await refused(eve, "forbidden", "enter", { room: "vault" });
        await refused(eve, "forbidden", "enter",
            { room: "vault", private: true, key: key("z") });
        await refused(eve, "exists", "enter",
            { room: "lobby", private: true, key: key("z") });
        const say = { id: "eve-message-1", text: "hello" };
        for (const room of ["vault", "gardening", "nowhere"])
            await refused(eve, "not_inside", "say", { room, ...say });
        for (const room of ["vault", "gardening"])
            await refused(eve, "not_inside", "invite", { room, nick: "bob" });
        await ask(eve, "enter", { room: "lobby" });
        await refused(eve, "empty", "say", { room: "lobby", ...say, text: " " });
        await refused(eve, "empty", "say", { room: "lobby", ...say, text: 7 });
        await refused(eve, "bad_id", "say", { room: "lobby", ...say, id: "" });
        const rooms = await ask(eve, "rooms");
        assert.ok(rooms.rooms.some((one) => one.room === "gardening"));
        assert.ok(!rooms.rooms.some((one) => one.room === "vault"));
        eve.disconnect();
    });

    await test("nobody_gets_past_the_guard_of_the_rooms", async () => {
        const eve = await client("eve", key("e"));
        const mia = await client("mia", key("m"));
        const leo = await client("leo", key("l"));
        const heard = [];
        eve.onAny((event, { room, text }) => heard.push({ event, room, text }));
        assert.ok((await ask(mia, "enter", { room: "@leo" })).ok);
        assert.ok((await ask(leo, "enter", { room: "@LEO@mia" })).ok);
        await refused(eve, "forbidden", "enter", { room: "@leo@mia" });
        await refused(eve, "forbidden", "enter", { room: "@mia@leo" });
        await refused(eve, "forbidden", "enter",
            { room: "@Mia@leo", private: true, key: key("e") });
        await refused(eve, "unknown_user", "enter", { room: "@eve@eve" });
        await refused(eve, "unknown_user", "enter", { room: "@eve@nobody" });
        for (const room of ["@", "@@", "@leo@", "@@leo", "@leo@mia@eve"])
            await refused(eve, "unknown_user", "enter", { room });
        /* Nor by the address itself, nor by what the guard would listen to. */
        for (const room of ["direct:leo:mia", "room:vault", "user:mia"]) {
            await refused(eve, "bad_name", "enter", { room });
            await assert.rejects(eve.timeout(300).emitWithAck("join", room));
        }
        /* The conversation of two who have not begun it is not inside, either. */
        await refused(eve, "not_inside", "say",
            { room: "@mia", id: "eve-message-9", text: "psst" });
        assert.ok((await say(mia, "@leo", "between us")).ok);
        assert.ok((await say(leo, "@mia", "and us alone")).ok);
        /* Sixteen rooms, and what has been left makes place. */
        for (let i = 0; i < 16; i++)
            assert.ok((await ask(eve, "enter", { room: `many-${i}` })).ok);
        await refused(eve, "full", "enter", { room: "many-16" });
        assert.ok((await ask(eve, "enter", { room: "many-0" })).ok);
        assert.ok((await ask(eve, "leave", { room: "many-0" })).ok);
        assert.ok((await ask(eve, "enter", { room: "many-16" })).ok);
        assert.deepEqual(heard, []);
        for (const socket of [eve, mia, leo]) socket.disconnect();
    });

    await test("the_same_message_twice_is_one_message", async () => {
        const eve = await client("eve", key("e"));
        const seen = [];
        eve.on("message", (message) => seen.push(message.text));
        await ask(eve, "enter", { room: "twice" });
        const one = await say(eve, "twice", "once", "the-very-same-id");
        const two = await say(eve, "twice", "once", "the-very-same-id");
        assert.ok(one.ok && two.ok);
        assert.equal(one.seq, two.seq);
        await say(eve, "twice", "end");
        assert.deepEqual(seen, ["once", "end"]);
        eve.disconnect();
    });

    await test("entering_again_gives_only_what_is_newer", async () => {
        const eve = await client("eve", key("e"));
        const room = "sequence";
        const { epoch } = await ask(eve, "enter", { room });
        for (const text of ["a", "b", "c"]) await say(eve, room, text);
        const newer = async (from, after) => (await ask(eve, "enter",
            { room, epoch: from, after })).messages.map((one) => one.text);
        assert.deepEqual(await newer(epoch, 1), ["b", "c"]);
        assert.deepEqual(await newer(epoch, 3), []);
        assert.deepEqual(await newer("another", 3), ["a", "b", "c"]);
        assert.deepEqual(await newer(epoch, -5), ["a", "b", "c"]);
        eve.disconnect();
    });

    await test("sending_too_fast_is_refused_with_a_delay", async () => {
        const eve = await client("eve", key("e"));
        await ask(eve, "enter", { room: "fast" });
        const answers = await Promise.all(Array.from({ length: 40 }, (_, i) =>
            ask(eve, "say", { room: "fast", id: `fast-${i}-abcdef`, text: "!" })));
        const slow = answers.filter((one) => one.code === "slow_down");
        assert.ok(slow.length > 0 && slow.length < 40);
        assert.ok(slow.every((one) => one.retry_ms > 0));
        eve.disconnect();
    });
}

/* Pictures to look at, and what can be measured in them. */
async function pictures(browser, context, { ada, bob }) {
    const fits = (page) => page.evaluate(() =>
        document.documentElement.scrollWidth <= innerWidth &&
        document.querySelector("#composer").getBoundingClientRect().bottom <=
            innerHeight);
    const shot = (page, name) => page.screenshot(
        { path: screenshotFile(name) });

    await test("the_page_fits_a_desktop_and_a_phone", async () => {
        await open(ada, "lobby");
        await open(bob, "lobby");
        await write(bob, "The tomatoes on the balcony are ripe. I will bring " +
            "a bag of them to the kitchen on Monday, first come, first served.");
        await write(bob, "And basil");
        await write(ada, "Wonderful, thank you! 🍅");
        await once(bob, "Wonderful, thank you! 🍅");
        await write(ada, "I can bring the mozzarella then, if somebody " +
            "brings bread.");
        await bob.getByLabel("Message", { exact: true })
            .pressSequentially("Deal");
        await open(ada, "@bob");
        await open(ada, "lobby");
        for (const page of [ada, bob]) {
            const box = await bubble(page, "Wonderful, thank you! 🍅")
                .boundingBox();
            assert.ok(box.height < 60 && box.width > 100, "one line");
        }
        await bob.keyboard.press("End");
        for (const scheme of ["light", "dark"]) {
            await ada.emulateMedia({ colorScheme: scheme });
            await ada.setViewportSize(DESKTOP);
            await bob.getByLabel("Message", { exact: true })
                .pressSequentially(".");
            await sleep(300);
            await shot(ada, `desktop-${scheme}`);
            assert.ok(await fits(ada), `desktop ${scheme}`);
            await ada.setViewportSize(PHONE);
            await sleep(300);
            await shot(ada, `phone-${scheme}`);
            assert.ok(await fits(ada), `phone ${scheme}`);
            await ada.getByRole("button", { name: "Conversations" }).click();
            await sleep(300);
            await shot(ada, `phone-list-${scheme}`);
            await ada.keyboard.press("Escape");
        }
        await ada.getByRole("button", { name: "Who is here" }).click();
        await sleep(300);
        await shot(ada, "phone-people");
        await ada.keyboard.press("Escape");
        await ada.emulateMedia({ colorScheme: "light" });
        await ada.setViewportSize(DESKTOP);
        await bob.getByLabel("Message", { exact: true }).fill("");
    });

    await test("dialogs_errors_and_sign_in_fit_too", async () => {
        const page = await context.newPage();
        await page.goto(server.url);
        for (const [name, size, scheme] of [
            ["desktop", DESKTOP, "light"], ["phone", PHONE, "dark"]]) {
            await page.setViewportSize(size);
            await page.emulateMedia({ colorScheme: scheme });
            await shot(page, `${name}-sign-in`);
            await bob.setViewportSize(size);
            await bob.emulateMedia({ colorScheme: scheme });
            await bob.evaluate(() => document.querySelector("#add-room").click());
            await sleep(300);
            await shot(bob, `${name}-dialog`);
            await bob.keyboard.press("Escape");
            await write(bob, "y".repeat(2001));
            await bob.locator(".message[data-state=failed]").waitFor();
            await sleep(300);
            await shot(bob, `${name}-error`);
            assert.ok(await fits(bob), name);
            await bob.getByRole("button", { name: "Delete" }).click();
            await bob.getByRole("button", { name: "Dismiss" }).first().click();
        }
        await bob.emulateMedia({ colorScheme: "light" });
        await bob.setViewportSize(DESKTOP);
        await page.close();
    });
}

let browser;
try {
    await server.start();
    browser = await openBrowser();
    await main(browser);
    await test("the_server_stops_cleanly_when_told", async () => {
        for (const socket of clients) socket.disconnect();
        assert.equal(await server.stop(), 0, server.output);
    });
} catch (error) {
    await test("the_test_could_run", () => { throw error; });
} finally {
    for (const socket of clients) socket.disconnect();
    await browser?.close();
    await server.stop("SIGKILL");
}
tap.end();
process.exit(); /* a page or a client that hangs holds nobody up */
