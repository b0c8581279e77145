// The page of the notification service, as readers use it in Chromium.

import assert from "node:assert/strict";
import { missing, openBrowser, screenshotFile, Tap } from "./browser.mjs";
import { isBuilt, Service, until } from "./notify.mjs";

const why = missing() || (isBuilt ? "" : "examples/notify is not built");
if (why) {
    console.log(`ok 1 - notify_in_a_browser # SKIP ${why}\n1..1`);
    process.exit(0);
}

const DESKTOP = { width: 1180, height: 800 };
const PHONE = { width: 390, height: 844 };
const WAIT_MS = 15000;

const tap = new Tap();
const test = (name, run) => tap.test(name, run);
const service = new Service(["--demo", "--rate", "1000"]);
const complaints = []; /* what a page wrote to its console */
let serverIsDown = false;

async function openTab(context, name) {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (error) => complaints.push(`${name}: ${error}`));
    page.on("console", (line) => {
        if (line.type() === "error" && !serverIsDown &&
            !/400 \(Bad Request\)/.test(line.text())) // we ask for one
            complaints.push(`${name}: ${line.text()}`);
    });
    await page.goto(service.url);
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button", { name: "Log in" }).click();
    await online(page);
    return page;
}

const online = (page) => page.locator("#state[data-state=online]").waitFor();
const shown = (page) => page.locator("#list .name").allTextContents();
const toggle = (page) => page.getByRole("switch", { name: "Offline" });

/* The list, the newest first, is this. */
async function lists(page, ...titles) {
    await page.locator("#list .name").nth(titles.length - 1).waitFor();
    assert.deepEqual(await shown(page), titles);
}

async function post(to, title, more) {
    const { status, body } = await service.post({ to, title, ...more });
    assert.equal(status, 202, JSON.stringify(body));
    return body.id;
}

async function unread(page, count) {
    if (count === 0) {
        await page.locator("#badge").waitFor({ state: "hidden" });
        assert.equal(await page.title(), "Notifications");
        return;
    }
    await page.locator("#badge").getByText(String(count), { exact: true })
        .waitFor();
    assert.equal(await page.title(), `(${count}) Notifications`);
}

async function main(browser) {
    const context = await browser.newContext({ viewport: DESKTOP,
        colorScheme: "light", reducedMotion: "reduce" });
    let ada;
    let bob;

    await test("a_bad_name_is_refused_with_the_reason", async () => {
        const page = await context.newPage();
        await page.goto(service.url);
        await page.getByLabel("Your name").fill("two words");
        await page.getByRole("button", { name: "Log in" }).click();
        await page.locator("#login-error").getByText(/64 letters/).waitFor();
        await page.screenshot({ path: screenshotFile("notify-login") });
        await page.close();
    });

    await test("what_is_sent_appears_and_counts_as_unread", async () => {
        ada = await openTab(context, "ada");
        bob = await openTab(context, "bob");
        await post("user:ada", "Your parcel has arrived",
                   { text: "It is behind the shed." });
        await lists(ada, "Your parcel has arrived");
        await unread(ada, 1);
        assert.deepEqual(await shown(bob), []);
    });

    await test("markup_is_shown_as_text", async () => {
        await post("user:ada", "<img src=x onerror=alert(1)>",
                   { text: "<b>bold</b>" });
        await lists(ada, "<img src=x onerror=alert(1)>",
                    "Your parcel has arrived");
        assert.equal(await ada.locator("#list img, #list b").count(), 0);
        await unread(ada, 2);
    });

    await test("reading_clears_the_badge_on_all_devices", async () => {
        const second = await openTab(context, "ada");
        await post("user:ada", "The kettle has boiled");
        await unread(second, 1);
        await unread(ada, 3);
        await second.locator("#list li").first().click();
        await unread(second, 0);
        await unread(ada, 0);
        await second.close();
    });

    await test("the_page_itself_can_send", async () => {
        await ada.getByLabel("To", { exact: true }).fill("user:bob");
        await ada.getByLabel("Title").fill("Tea at four?");
        await ada.getByRole("button", { name: "Send" }).click();
        await lists(bob, "Tea at four?");
        await ada.locator("#sent").getByText(/delivered: 1 of 1/).waitFor();
        await ada.getByLabel("To", { exact: true }).fill("nobody");
        await ada.getByRole("button", { name: "Send" }).click();
        await ada.locator("#sent").getByText(/^400: to:/).waitFor();
    });

    await test("rooms_are_entered_and_left", async () => {
        await bob.getByLabel("Name of a room").fill("garden");
        await bob.keyboard.press("Enter");
        await bob.locator("#rooms").getByText("garden").waitFor();
        await post("room:garden", "The beans are ripe");
        await lists(bob, "The beans are ripe", "Tea at four?");
        await bob.getByLabel("Name of a room").fill("no spaces, please");
        await bob.keyboard.press("Enter");
        await bob.locator("#room-error").getByText(/64 letters/).waitFor();
        await bob.reload();
        await online(bob);
        await bob.locator("#rooms").getByText("garden").waitFor();
        await bob.getByRole("button", { name: "Leave garden" }).click();
        await bob.locator("#rooms").getByText("garden")
            .waitFor({ state: "detached" });
    });

    await test("offline_it_waits_and_online_it_arrives_in_order", async () => {
        await toggle(bob).check();
        await bob.locator("#state[data-state=offline]").waitFor();
        const id = await post("user:bob", "One, while away");
        await post("user:bob", "Two, while away");
        await post("all", "Three, to all");
        await ada.locator("#list").getByText("Three, to all").waitFor();
        assert.equal((await service.status(id)).status, "queued");
        assert.equal((await shown(bob)).length, 2);
        await bob.screenshot({ path: screenshotFile("notify-offline") });
        await toggle(bob).uncheck();
        await lists(bob, "Three, to all", "Two, while away", "One, while away",
                    "The beans are ripe", "Tea at four?");
        await until("delivery", async () =>
            (await service.status(id)).status === "delivered");
    });

    await test("a_reload_keeps_the_list", async () => {
        const before = await shown(bob);
        await bob.reload();
        await online(bob);
        assert.deepEqual(await shown(bob), before);
        await unread(bob, 5);
        await bob.getByRole("button", { name: "Mark all as read" }).click();
        await unread(bob, 0);
    });

    await test("it_looks_as_it_should", async () => {
        await post("user:ada", "Backup finished",
                   { text: "All 12 volumes, 3 minutes." });
        await unread(ada, 2);
        await ada.screenshot({ path: screenshotFile("notify-desktop") });
        await ada.setViewportSize(PHONE);
        await ada.screenshot({ path: screenshotFile("notify-phone") });
        assert.ok(await ada.evaluate(() => document.documentElement
            .scrollWidth <= innerWidth), "it is wider than the telephone");
        await ada.emulateMedia({ colorScheme: "dark" });
        await ada.setViewportSize(DESKTOP);
        await ada.screenshot({ path: screenshotFile("notify-dark") });
        await ada.emulateMedia({ colorScheme: "light" });
    });

    await test("a_killed_server_comes_back_with_all_it_accepted", async () => {
        serverIsDown = true;
        await service.stop("SIGKILL");
        await ada.locator("#state[data-state=reconnecting]").waitFor();
        /* With another secret: tokens of before are worth nothing. */
        await service.start({ env: {
            NOTIFY_SECRET: "another-secret-that-is-long-enough-too",
        } });
        await post("user:ada", "After the crash");
        await ada.locator("#list").getByText("After the crash").waitFor();
        assert.equal(await ada.locator("#list")
            .getByText("Backup finished").count(), 1);
        await online(bob);
        serverIsDown = false;
    });

    await test("logging_out_forgets", async () => {
        await bob.getByRole("button", { name: "Log out" }).click();
        await bob.getByLabel("Your name").waitFor();
        await bob.reload();
        assert.ok(await bob.locator("#app").isHidden());
    });

    await test("no_page_complained", () => {
        assert.deepEqual(complaints, []);
    });
}

await service.start();
const browser = await openBrowser();
try {
    await main(browser);
} finally {
    await browser.close();
    await test("the_service_ends_well", () => service.end());
}
tap.end();
process.exit();
