// The README's picture of the chat: two tabs talk, and one is photographed.
//
//   chat_picture.mjs FILE.png

import { statSync } from "node:fs";
import { ChatServer, missing, openBrowser } from "./browser.mjs";

const MOST_BYTES = 100 * 1024;
const WAIT_MS = 20000;
const [file] = process.argv.slice(2);
const why = file ? missing() : "usage: chat_picture.mjs FILE.png";

if (why) {
    console.error(`chat_picture: ${why}`);
    process.exit(1);
}

const server = new ChatServer();
let browser;

async function enter(context, nick) {
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    await page.goto(server.url);
    await page.getByLabel("Nickname").first().fill(nick);
    await page.getByRole("button", { name: "Enter the chat" }).click();
    await page.locator("#state[data-state=connected]").waitFor();
    return page;
}

const field = (page) => page.getByLabel("Message", { exact: true });

/* Said by one, and seen by both, before anything else is said. */
async function say(page, other, text) {
    await field(page).fill(text);
    await page.keyboard.press("Enter");
    for (const tab of [page, other])
        await tab.locator("#log .bubble").getByText(text, { exact: true })
            .waitFor();
}

try {
    await server.start();
    browser = await openBrowser();
    const context = await browser.newContext({
        viewport: { width: 1200, height: 600 },
        colorScheme: "light",
        reducedMotion: "reduce",
    });
    const ada = await enter(context, "ada");
    const bob = await enter(context, "bob");

    await say(ada, bob, "Good morning! The seedlings came up overnight.");
    await say(bob, ada, "All of them?");
    await say(ada, bob, "Every single one. Basil first.");
    await say(bob, ada, "I have to see that. Tea at four?");
    await ada.getByRole("button", { name: "Find or create a room" }).click();
    await ada.getByLabel("Name of the room").fill("gardening");
    await ada.keyboard.press("Enter");
    await ada.locator("#title").getByText("gardening", { exact: true }).waitFor();
    await ada.locator('.conversations .row[data-conversation="lobby"]').first()
        .click({ force: true });
    await ada.bringToFront();
    await field(bob).pressSequentially("And bring");
    await ada.locator("#typing").getByText("bob is typing…").waitFor();
    await ada.screenshot({ path: file });
} finally {
    await browser?.close();
    await server.stop("SIGKILL");
}
const { size } = statSync(file);
console.log(`${file}: ${size} bytes`);
if (size > MOST_BYTES)
    throw new Error(`${file} has more than ${MOST_BYTES} bytes`);
process.exit(0);
