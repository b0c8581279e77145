// What the application can hook into the engine: allowRequest, engine.use(),
// the headers events, connection_error and the cookie's attributes, next to
// the reference.

import { check, finish, need, same, sleep, twin } from "./harness.mjs";
need("socket.io", "socket.io-client", "ws");
const { require } = await import("./npm.mjs");
const {
    attempt, http, polling, probe, Socket, target, websocket,
} = await import("./raw.mjs");

const { io: connect } = require("socket.io-client");

const hooks = { kind: "hooks" };
let tags = 0;

function tagged(query) {
    return { tag: `t${tags++}`, EIO: 4, transport: "polling", ...query };
}

async function tell(server, t, path, query) {
    const { body } = await http(server, t, target(query, path));
    return JSON.parse(body);
}

// Wait for the request to wait, then give the word.
async function decide(server, t, { tag }, word) {
    for (let i = 0; i < 400; i++) {
        if (await tell(server, t, "/waiting", { tag }) === 1)
            return tell(server, t, "/decide", { tag, word });
        await sleep(10);
    }
    throw new Error(`nothing waits for ${word}`);
}

const added = ({ headers }) => [headers["x-use"] ?? null,
                                headers["x-initial"] ?? null,
                                headers["x-always"] ?? null];

const result = ({ status, headers, body }) =>
    [status, headers["content-type"] ?? null,
     status === 200 ? body.slice(0, 2) : body];

/*
 * allowRequest
 */

twin("allow_request_refuses_a_polling_handshake_with_its_message",
     async (server, t) => {
         const results = [];

         for (const allow of ["yes", "no", "silently"])
             results.push(result(await http(server, t,
                                            target(tagged({ allow })))));
         return results;
     }, {
         ...hooks, expect: [
             [200, "text/plain; charset=UTF-8", "0{"],
             [403, "application/json", '{"code":4,"message":"not today"}'],
             [403, "application/json", '{"code":4,"message":"Forbidden"}'],
         ],
     });

twin("allow_request_refuses_a_websocket_handshake",
     async (server, t) => [
         await attempt(server, t, tagged({ transport: "websocket",
                                           allow: "no" })),
         await attempt(server, t, tagged({ transport: "websocket",
                                           allow: "silently" })),
     ], {
         ...hooks, ours: [[403, "not today"], [403, "Forbidden"]],
         why: "the status of a refused upgrade tells what polling's does",
     });

twin("allow_request_may_decide_a_polling_handshake_later",
     async (server, t) => {
         const results = [];

         for (const word of ["yes", "no", "silently"]) {
             const query = tagged({ allow: "later" });
             const answer = http(server, t, target(query));

             await decide(server, t, query, word);
             results.push(result(await answer));
         }
         return results;
     }, hooks);

twin("allow_request_may_accept_a_websocket_later", async (server, t) => {
    const query = tagged({ transport: "websocket", allow: "later" });
    const socket = new Socket(server, t, query);

    await decide(server, t, query, "yes");
    const open = await socket.next();
    socket.send("40");
    return [open.slice(0, 8), (await socket.next()).slice(0, 8)];
}, { ...hooks, expect: ['0{"sid":', '40{"sid"'] });

twin("allow_request_may_refuse_a_websocket_later", async (server, t) => {
    const query = tagged({ transport: "websocket", allow: "later" });
    const fate = attempt(server, t, query);

    await decide(server, t, query, "no");
    return fate;
}, {
    ...hooks,
    ours: [101, '{"code":4,"message":"not today"}', "(closed 1008)"],
    why: "libwebsockets cannot hold back the 101",
});

twin("a_stock_client_reports_each_refusal", async (server, t) => {
    const names = [];

    for (const transport of ["polling", "websocket"]) {
        for (const allow of ["no", "later"]) {
            const query = tagged({ allow });
            delete query.EIO;
            delete query.transport;
            const socket = connect(server.url, {
                transports: [transport], query, reconnection: false,
                forceNew: true,
            });
            t.after(() => socket.disconnect());
            const refused = new Promise((done) => {
                socket.on("connect", () => done("connected"));
                socket.on("connect_error", (error) => done(error.message));
            });

            if (allow === "later")
                await decide(server, t, query, "no");
            names.push([transport, allow, await refused]);
        }
    }
    return names;
}, {
    ...hooks,
    ours: [["polling", "no", "xhr poll error"],
           ["polling", "later", "xhr poll error"],
           ["websocket", "no", "websocket error"],
           ["websocket", "later", "server error"]],
    why: "the refusal after a 101 is a message",
});

twin("allow_request_is_asked_for_handshakes_alone", async (server, t) => {
    const session = await polling(server, t, tagged({}));
    const query = { ...session.query, tag: `t${tags++}`, allow: "no" };

    const posted = await http(server, t, target(query), {
        method: "POST", body: "40",
        headers: { "Content-Type": "text/plain;charset=UTF-8" },
    });
    const polled = await http(server, t, target(query));
    return [posted.status, polled.status,
            await tell(server, t, "/order", query)];
}, {
    ...hooks,
    expect: [200, 200, ["first", "second", "headers", "first", "second",
                        "headers"]],
});

/*
 * engine.use()
 */

twin("engine_middlewares_run_first_and_in_their_order", async (server, t) => {
    const orders = [];

    for (const more of [{}, { use: "no" }, { use: "answer" }, { allow: "no" },
                        { transport: "bad" }, { EIO: "3" }]) {
        const query = tagged(more);
        await http(server, t, target(query));
        orders.push(await tell(server, t, "/order", query));
    }
    return orders;
}, hooks);

twin("an_engine_middleware_sees_upgrades", async (server, t) => {
    const session = await polling(server, t, tagged({}));

    session.query.tag = `t${tags++}`;
    const socket = await probe(session);
    const query = tagged({ transport: "websocket" });
    const direct = await websocket(server, t, query);
    return [added({ headers: socket.upgradeHeaders }),
            await tell(server, t, "/order", session.query),
            added({ headers: direct.upgradeHeaders }),
            await tell(server, t, "/order", query)];
}, hooks);

twin("an_engine_middleware_answers_or_refuses", async (server, t) => {
    const results = [];

    for (const use of ["answer", "no"]) {
        const answer = await http(server, t, target(tagged({ use })));
        results.push([...result(answer), answer.headers["x-use"]]);
    }
    return results;
}, hooks);

twin("an_engine_middleware_may_decide_later", async (server, t) => {
    const results = [];
    const session = await polling(server, t, tagged({}));

    for (const [method, body] of [["POST", "40"], ["GET", undefined]]) {
        const query = { ...session.query, tag: `t${tags++}`, use: "later" };
        const answer = http(server, t, target(query), { method, body });

        await decide(server, t, query, "yes");
        results.push(result(await answer));
    }
    for (const word of ["yes", "no", "answer"]) {
        const query = tagged({ use: "later" });
        const answer = http(server, t, target(query));

        await decide(server, t, query, word);
        results.push(result(await answer));
    }
    return results;
}, hooks);

/*
 * Headers
 */

twin("headers_are_added_where_the_reference_adds_them", async (server, t) => {
    const headers = { "X-Word": "hello" };
    const opened = await http(server, t, target(tagged({})), { headers });
    const sid = JSON.parse(opened.body.slice(1)).sid;
    const query = { EIO: 4, transport: "polling", sid };
    const posted = await http(server, t, target(query),
                              { method: "POST", body: "40" });
    const polled = await http(server, t, target(query), { headers });
    const refused = await http(server, t, target(tagged({ transport: "x" })));
    const denied = await http(server, t, target(tagged({ allow: "no" })));
    return [opened, posted, polled, refused, denied].map(added);
}, {
    ...hooks,
    expect: [["1", "hello", "GET"], ["1", null, "POST"], ["1", null, "GET"],
             ["1", null, null], ["1", null, null]],
});

/*
 * connection_error
 */

twin("every_refusal_is_told_with_the_references_context",
     async (server, t) => {
         const told = [];
         const session = await polling(server, t, tagged({}));
         const ask = async (query, options) => {
             await http(server, t, target(query), options);
             told.push(await tell(server, t, "/errors", query));
         };
         const upgrade = async (query) => {
             await attempt(server, t, query);
             told.push(await tell(server, t, "/errors", query));
         };

         await ask(tagged({ transport: "carrier pigeon" }));
         await ask(tagged({ transport: "" }));
         await ask(tagged({ sid: "unknown" }));
         await ask(tagged({}), { method: "POST", body: "4" });
         await ask(tagged({}), { method: "PUT", body: "4" });
         await ask(tagged({ transport: "websocket" }));
         await ask(tagged({ transport: "websocket", sid: session.sid }));
         await ask(tagged({ EIO: 3, sid: session.sid }));
         await ask(tagged({ EIO: 3 }));
         await ask(tagged({ allow: "no" }));
         await ask(tagged({ use: "no" }));
         await ask(tagged({ use: "answer" }));
         await upgrade(tagged({ transport: "x" }));
         await upgrade(tagged({ transport: "websocket", sid: "unknown" }));
         await upgrade(tagged({ transport: "websocket", allow: "no" }));
         await upgrade(tagged({ transport: "websocket", use: "no" }));
         // Nothing is told of what is let through.
         await ask(tagged({}));
         return told;
     }, {
         ...hooks,
         judge: (ours, node) => {
             // allowRequest's message is there even when it is none.
             same(ours, node, "our server", "the reference");
             check(ours.flat().length === 15, "a refusal was not told");
         },
     });

/*
 * The cookie
 */

const cookies = [
    [],
    ["--cookie", "io"],
    ["--cookie", "sid", "--cookie-path", "/app"],
    ["--cookie", "sid", "--cookie-path", ""],
    ["--cookie", "sid", "--cookie-http-only", "0"],
    ["--cookie", "sid", "--cookie-same-site", "strict"],
    ["--cookie", "sid", "--cookie-same-site", "None", "--cookie-secure", "1"],
    ["--cookie", "sid", "--cookie-same-site", ""],
    ["--cookie", "sid", "--cookie-max-age", "0", "--cookie-domain",
     ".a-b.Example", "--cookie-expires", "951782400", "--cookie-secure", "1",
     "--cookie-partitioned", "1", "--cookie-priority", "High",
     "--cookie-http-only", "1"],
    ["--cookie", "sid", "--cookie-expires", "4102444799",
     "--cookie-priority", "low"],
    ["--cookie", "sid", "--cookie-expires", "253402300799",
     "--cookie-max-age", "86400", "--cookie-priority", "medium"],
];

for (const [i, options] of cookies.entries()) {
    twin(`the_cookie_is_printed_as_the_references_${i}`,
         async (server, t) => {
             const { headers, body } = await http(server, t,
                                                  target(tagged({})));
             const { sid } = JSON.parse(body.slice(1));
             return (headers["set-cookie"] ?? [])
                 .map((each) => each.replace(sid, "SID"));
         }, {
             ...hooks, options,
             judge: (ours, node) => {
                 same(ours, node, "our server", "the reference");
                 check(ours.length === (options.length > 0 ? 1 : 0),
                       "how many cookies");
             },
         });
}

await finish();
