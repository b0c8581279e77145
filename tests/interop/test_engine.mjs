// Engine.IO alone, next to the package engine.io: what its sessions tell of
// themselves, what happens to them, how they are closed; ids of the host's
// making, the initial packet, and options of CORS that the Socket.IO tests
// leave out.

import { check, finish, need, same, sleep, twin } from "./harness.mjs";
need("cookie", "engine.io", "ws");
const {
    answer, attempt, http, polling, probe, RS, target, websocket,
} = await import("./raw.mjs");

const engine = { kind: "engine" };
const unknown = '{"code":1,"message":"Session ID unknown"}';
let tags = 0;

const tagged = (query) => ({ tag: `t${tags++}`, ...query });

async function ask(server, t, path, query) {
    const { body } = await http(server, t, target(query, path));
    return JSON.parse(body);
}

// What happened to the session, once the last of it is as the function wants.
async function life(server, t, tag, done) {
    for (let i = 0; i < 400; i++) {
        const events = await ask(server, t, "/life", { tag });
        if (done(events.at(-1) ?? ""))
            return events;
        await sleep(10);
    }
    throw new Error(`waited for more than ` +
                    JSON.stringify(await ask(server, t, "/life", { tag })));
}

const isClosed = (event) => event.startsWith("close ");
const isDrained = (event) => event === "drain";

// The sid in it is not the same twice.
const state = async (server, t, tag, sid) => {
    const told = await ask(server, t, "/state", { tag });
    check(told === null || told.id === sid, `${told?.id} is not ${sid}`);
    return told === null ? null : { ...told, id: "SID",
                                    url: told.url.replace(/tag=\w+/, "tag") };
};

/* ---- What happens to a session ---- */

twin("events_of_a_websocket_session", async (server, t) => {
    const { tag } = tagged();
    const socket = await websocket(server, t, { tag });

    socket.send("4hello");
    await socket.next();
    await life(server, t, tag, isDrained);
    socket.send(Buffer.from("cafe", "hex"));
    await socket.next();
    await life(server, t, tag, isDrained);
    await ask(server, t, "/say", { tag, text: "said" });
    await socket.next();
    await life(server, t, tag, isDrained);
    socket.ws.close();
    const events = await life(server, t, tag, isClosed);
    // Here the open packet leaves behind the event, there before it.
    return events[1] === "flush" ? [events[0], ...events.slice(3)] : events;
}, {
    ...engine,
    expect: [
        "connection websocket",
        "packet message hello", "packetCreate message hello", "flush", "drain",
        "packet message <cafe>", "packetCreate message <cafe>", "flush",
        "drain",
        "packetCreate message said", "flush", "drain",
        "close transport close",
    ],
});

twin("events_of_a_polling_session", async (server, t) => {
    const { tag } = tagged();
    const session = await polling(server, t, { tag });

    await session.post(["4a", "bAQID"].join(RS));
    await session.poll();
    await life(server, t, tag, isDrained);
    await session.post("1");
    return life(server, t, tag, isClosed);
}, engine);

twin("events_of_an_upgrade", async (server, t) => {
    const { tag } = tagged();
    const session = await polling(server, t, { tag });
    const socket = await probe(session);

    socket.send("2probe");
    await socket.next();
    const between = await state(server, t, tag, session.sid);
    socket.send("5");
    socket.send("4there");
    await socket.next();
    const after = await state(server, t, tag, session.sid);
    await life(server, t, tag, isDrained);
    socket.ws.close();
    return [between, after, await life(server, t, tag, isClosed)];
}, {
    ...engine,
    judge: (ours, node) => {
        same(ours, node, "our server", "the reference");
        check(ours[0].upgrading && !ours[0].upgraded &&
              !ours[1].upgrading && ours[1].upgraded, "the upgrade is told");
        check(ours[2].includes("upgrading polling") &&
              ours[2].includes("upgrade websocket"), "the upgrade is seen");
    },
});

twin("events_of_a_heartbeat", async (server, t) => {
    const { tag } = tagged();
    const socket = await websocket(server, t, { tag });
    const events = await life(server, t, tag,
                              (event) => event === "heartbeat");

    socket.ws.terminate();
    return events.filter((event) => !/^(flush|drain)$/.test(event))
        .slice(0, 4);
}, {
    ...engine, options: ["--ping-interval", "300"],
    expect: ["connection websocket", "packetCreate ping", "packet pong",
             "heartbeat"],
});

/* ---- What it tells of itself ---- */

twin("state_of_a_session", async (server, t) => {
    const first = tagged({ EIO: 4 }), second = tagged({ EIO: 3 });
    const headers = { "X-Word": "hello" };
    const opened = await http(server, t,
                              target({ ...first, transport: "polling" }),
                              { headers });
    const { sid } = JSON.parse(opened.body.slice(1));
    const old = await websocket(server, t, second, { headers });

    return [await state(server, t, first.tag, sid),
            await state(server, t, second.tag, old.sid),
            await state(server, t, "none")];
}, { ...engine, options: ["--allow-eio3", "1"] });

twin("sessions_are_counted", async (server, t) => {
    const counts = [await ask(server, t, "/count", {})];
    const { tag } = tagged();
    const first = await websocket(server, t, { tag });

    await polling(server, t);
    counts.push(await ask(server, t, "/count", {}));
    first.ws.close();
    await life(server, t, tag, isClosed);
    counts.push(await ask(server, t, "/count", {}));
    return counts;
}, {
    // An option that nobody else has: a server of its own.
    ...engine, options: ["--max", "54321"], expect: [0, 2, 1],
});

/* ---- How it is closed ---- */

for (const discard of ["0", "1"]) {
    const how = discard === "1" ? "discarded" : "closed";

    twin(`websocket_session_is_${how}`, async (server, t) => {
        const { tag } = tagged();
        const socket = await websocket(server, t, { tag });

        await ask(server, t, "/close", { tag, discard });
        return [await socket.rest(),
                (await life(server, t, tag, isClosed)).at(-1),
                await state(server, t, tag)];
    }, { ...engine, expect: [["(closed 1005)"], "close forced close", null] });

    twin(`polling_session_that_polls_is_${how}`, async (server, t) => {
        const { tag } = tagged();
        const session = await polling(server, t, { tag });
        const polled = session.polled();

        await sleep(100);
        await ask(server, t, "/close", { tag, discard });
        return [await polled, (await life(server, t, tag, isClosed)).at(-1),
                await session.polled()];
    }, engine);

    twin(`polling_session_with_messages_is_${how}`, async (server, t) => {
        const { tag } = tagged();
        const session = await polling(server, t, { tag });

        await ask(server, t, "/say", { tag, text: "last" });
        await ask(server, t, "/close", { tag, discard });
        const polls = [await session.polled()];
        if (polls[0][0] === 200)
            polls.push(await session.polled());
        const events = await life(server, t, tag, isClosed);
        // Told at once here, when it is certain; by Node when all has left.
        return [polls, events.filter((event) => !/^(flush|drain)/.test(event))];
    }, {
        ...engine,
        expect: [discard === "1" ? [[400, unknown]]
                                 : [[200, "4last"], [200, `6${RS}1`]],
                 ["connection polling", "packetCreate message last",
                  "close forced close"]],
    });
}

twin("upgraded_session_is_closed", async (server, t) => {
    const { tag } = tagged();
    const session = await polling(server, t, { tag });
    const socket = await probe(session);

    socket.send("2probe");
    await socket.next();
    socket.send("5");
    socket.send("4there");
    await socket.next();
    await ask(server, t, "/close", { tag });
    return [await socket.rest(), (await life(server, t, tag, isClosed)).at(-1)];
}, { ...engine, expect: [["(closed 1005)"], "close forced close"] });

/* ---- generateId ---- */

twin("ids_are_those_of_the_host", async (server, t) => {
    const id = `id-${tags++}.${server.side}`;
    const session = await polling(server, t, { id });
    const echoed = [await session.posted("4a"), await session.polled()];
    const socket = await websocket(server, t, { id: `${id}~ws` });

    return [session.sid === id, echoed, socket.sid === `${id}~ws`];
}, {
    ...engine, options: ["--generate-id", "1"],
    expect: [true, [[200, "ok"], [200, "4a"]], true],
});

twin("an_id_that_fails_is_a_bad_request", async (server, t) => [
    await answer(server, t, target({ EIO: 4, transport: "polling" })),
    await attempt(server, t, { EIO: 4, transport: "websocket" }),
], {
    ...engine, options: ["--generate-id", "1"],
    ours: [[400, '{"code":3,"message":"Bad request"}'],
           [400, "Bad request"]],
    why: "Node has sent the 101 by then, and drops the connection",
});

/* ---- initialPacket ---- */

for (const [name, query] of [["4", { EIO: 4 }], ["3", { EIO: 3 }]]) {
    twin(`initial_packet_follows_the_open_packet_of_protocol_${name}`,
         async (server, t) => {
             const { body } = await http(server, t, target(
                 { ...query, transport: "polling" }));
             const socket = await websocket(server, t, query);

             return [body.replace(/^.*\}/, ""), await socket.next()];
         }, {
             ...engine,
             options: ["--initial-packet", "héllo", "--allow-eio3", "1"],
         });
}

/* ---- Pages ---- */

async function preflight(server, t) {
    const { status, headers, body } = await http(
        server, t, target({ EIO: 4, transport: "polling" }), {
            method: "OPTIONS", headers: {
                Origin: "https://page.example",
                "Access-Control-Request-Method": "POST",
            },
        });
    const names = Object.keys(headers)
        .filter((name) => name.startsWith("access-control-")).sort();

    return [status, body, names.map((name) => [name, headers[name]])];
}

twin("preflight_goes_on_when_asked_to", preflight, {
    ...engine,
    options: ["--cors-origin", "*", "--preflight-continue", "1"],
});

twin("preflight_is_answered_otherwise", preflight, {
    ...engine, options: ["--cors-origin", "*", "--preflight-continue", "0"],
});

twin("preflight_has_the_status_asked_for", preflight, {
    ...engine, options: ["--cors-origin", "*", "--options-status", "200"],
});

twin("function_judges_the_origin", async (server, t) => {
    const results = [];

    for (const origin of ["https://page.example", "https://page.test"]) {
        const { status, headers } = await http(
            server, t, target({ EIO: 4, transport: "polling" }),
            { headers: { Origin: origin } });
        results.push([status, headers["access-control-allow-origin"] ?? null]);
    }
    return results;
}, {
    ...engine, options: ["--cors-suffix", ".example"],
    ours: [[200, "https://page.example"], [403, null]],
    why: "who may not read the answer may not connect",
});

/* ---- Cookies of a request ---- */

// The same headers on both sides: pieces of cookies, put together anyhow.
function cookieHeaders(count) {
    const pieces = ["a", "b", "=", "=", ";", "; ", '"', "%", "%41", "%e2%82%ac",
                    "%zz", " ", "\t", "1", "ab", ",", "a=", "b=2"];
    const headers = ["a=1; b=%20x", 'a="q u"; a=2', "lonely; a=1"];
    let seed = 1;

    while (headers.length < count) {
        let header = "";
        for (let i = 0; i < 9; i++) {
            seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
            header += pieces[(seed >>> 16) % pieces.length];
        }
        headers.push(header);
    }
    return headers;
}

twin("request_cookies_are_read_as_the_package_reads_them",
     async (server, t) => {
         const read = [];

         for (const header of cookieHeaders(80)) {
             const { tag } = tagged();
             await http(server, t,
                        target({ EIO: 4, transport: "polling", tag }),
                        { headers: { Cookie: header } });
             read.push([header, await ask(server, t, "/cookies", { tag })]);
             await ask(server, t, "/close", { tag, discard: "1" });
         }
         return read;
     }, {
         ...engine,
         judge: (ours, node) => {
             same(ours, node, "our server", "the reference");
             same(ours.slice(0, 3).map(([, cookies]) => cookies),
                  [["1", " x"], ["q u", null], ["1", null]]);
         },
     });

/* ---- Paths and transports ---- */

for (const slash of ["1", "0"]) {
    twin(`path_${slash === "1" ? "with" : "without"}_its_slash`,
         async (server, t) => {
             const results = [];

             for (const path of ["/socket.io", "/socket.io/", "/socket.io/more",
                                 "/socket.i", "/other/"]) {
                 const { status } = await http(server, t, target(
                     { EIO: 4, transport: "polling" }, path));
                 const [upgraded] = await attempt(
                     server, t, { EIO: 4, transport: "none" }, { path });
                 // Node hangs up on other paths, a second later.
                 results.push([path, status,
                               upgraded === "failed" ? 404 : upgraded]);
             }
             return results;
         }, { ...engine, options: ["--trailing-slash", slash] });
}

for (const transports of ["polling", "websocket", "polling,websocket"]) {
    twin(`transports_are_${transports.replace(",", "_and_")}`,
         async (server, t) => {
             const { status, body } = await http(server, t, target(
                 { EIO: 4, transport: "polling" }));
             const socket = await websocket(server, t)
                 // The bare text to an upgrade, JSON to what Node takes for
                 // an ordinary request.
                 .catch(({ message }) =>
                     message.match(/\d{3}|Transport unknown/g));
             return [status, /"upgrades":\[[^\]]*\]/.exec(body)?.[0] ?? body,
                     socket.sid ? "open" : socket];
         }, { ...engine, options: ["--transports", transports] });
}

await finish();
