// Shapes and the join guard with the stock client: refusals where the client
// waits for them, binary data among what is checked, verdicts that come later.

import { check, finish, need, privateServer, same, test } from "./harness.mjs";
need("socket.io-client");
const { connect, modes } = await import("./client4.mjs");

const serve = (t) => privateServer(t, "ours", "shapes", []);
const refused = (path, reason) => ({ error: "invalid", path, reason });
const bytes = (n) => Buffer.alloc(n, 7);

/*
 * Shapes
 */

const fitting = [
    [[{ id: 1 }], 0],
    [[{ id: 2, note: null, tags: [] }], 0],
    [[{ id: 3, note: "0123456789", tags: ["new", "old"] }, bytes(4)], 4],
    [[{ id: 4, note: "\u{1f600}".repeat(10) }, bytes(0)], 0],
    [[{ id: 5, note: undefined }], 0],
];

const unfitting = [
    [[], "0", "missing"],
    [["order"], "0", "not an object"],
    [[{}], "0.id", "missing"],
    [[{ id: "1" }], "0.id", "not an integer"],
    [[{ id: 1.5 }], "0.id", "not an integer"],
    [[{ id: 0 }], "0.id", "too small"],
    [[{ id: NaN }], "0.id", "not an integer"],
    [[{ id: 1, note: "0123456789a" }], "0.note", "too long"],
    [[{ id: 1, note: "\u{1f600}".repeat(11) }], "0.note", "too long"],
    [[{ id: 1, note: "a\0b" }], "0.note", "has U+0000"],
    [[{ id: 1, note: 7 }], "0.note", "wrong type"],
    [[{ id: 1, tags: ["new", "older"] }], "0.tags.1", "not allowed"],
    [[{ id: 1, tags: ["new", "old", "new"] }], "0.tags", "too many"],
    [[{ id: 1, isAdmin: true }], "0.isAdmin", "unknown key"],
    [[{ id: 1, "a\nb": true }], "0.?", "unknown key"],
    [[{ id: 1 }, "file"], "1", "not binary"],
    [[{ id: 1 }, bytes(5)], "1", "too long"],
    [[bytes(3)], "0", "not an object"],
    [[{ id: bytes(1) }], "0.id", "not an integer"],
    [[{ id: 1 }, bytes(1), 2], "2", "too many"],
];

for (const mode of Object.keys(modes)) {
    test(`what_fits_is_handled_by_${mode}`, async (t) => {
        const client = await connect(await serve(t), t, mode);

        for (const [args, length] of fitting)
            same(await client.ask("order", ...args),
                 [{ ok: true, bytes: length }]);
    });

    test(`what_does_not_fit_is_refused_by_${mode}`, async (t) => {
        const client = await connect(await serve(t), t, mode);

        for (const [args, path, reason] of unfitting)
            same(await client.ask("order", ...args), [refused(path, reason)]);
        // And nothing else is disturbed.
        same(await client.ask("order", { id: 1 }), [{ ok: true, bytes: 0 }]);
    });
}

test("who_asks_for_no_answer_gets_an_event", async (t) => {
    const client = await connect(await serve(t), t, "websocket");

    client.emit("order", { id: -1 });
    same(await client.next("invalid"),
         ["invalid", { event: "order", ...refused("0.id", "too small") }]);
    client.emit("own", 1);
    same(await client.next("invalid"),
         ["invalid", { event: "", ...refused("", "unknown event") }]);
    same(await client.ask("own"), [refused("", "unknown event")]);
});

/*
 * The guard
 */

test("rooms_are_entered_by_those_who_may", async (t) => {
    const server = await serve(t);
    const one = await connect(server, t, "websocket");
    const two = await connect(server, t, "polling");
    const no = (error) => [{ ok: false, error }];

    same(await one.ask("join", "open"), [{ ok: true }]);
    same(await one.ask("join", "secret"), no("forbidden"));
    same(await one.ask("join", "secret", "guess"), no("forbidden"));
    same(await one.ask("join", "secret", "sesame"), [{ ok: true }]);
    same(await one.ask("join", two.socket.id), no("reserved"));
    same(await one.ask("join", "x".repeat(101)), no("bad room"));
    same(await one.ask("join", 7), [refused("0", "not a string")]);

    // Who is inside hears it, who is not does not.
    await two.ask("say", "secret", "psst");
    same(await one.next("said"), ["said", "psst"]);
    same(await one.ask("leave", "secret"), [{ ok: true }]);
    same(await one.ask("leave", "secret"), no("not inside"));
    await two.ask("say", "secret", "gone");
    await two.ask("say", "open", "all");
    same(await one.next("said"), ["said", "all"]);
    check(!two.log.some(([name]) => name === "said"), "two is in no room");
});

test("a_verdict_comes_later_also_to_who_has_gone", async (t) => {
    const server = await serve(t);
    const one = await connect(server, t, "websocket");
    const two = await connect(server, t, "websocket");

    two.emit("join", "slow");
    two.socket.disconnect();
    same(await one.ask("join", "slow"), [{ ok: true }]);
    await one.ask("say", "slow", "here");
    same(await one.next("said"), ["said", "here"]);
});

await finish();
