// Engine.IO v4 as bytes: the same requests and frames to both servers. What
// the reference answers is written down, so that a new release of it which
// answers differently is noticed too.

import {
    check, finish, need, privateServer, sleep, twin,
} from "./harness.mjs";
need("socket.io", "ws");
const {
    answer, attempt, endCode, frame, http, Line, polling, probe,
    rawWebSocket, requestText, RS, settle, Socket, target, upgradeHeaders,
    websocket,
} = await import("./raw.mjs");

const error = (code, message) => JSON.stringify({ code, message });
const unknownTransport = [400, error(0, "Transport unknown")];
const unknownSid = [400, error(1, "Session ID unknown")];
const badMethod = [400, error(2, "Bad handshake method")];
const badRequest = [400, error(3, "Bad request")];
const unsupported = [400, error(5, "Unsupported protocol version")];

// Why a session of a Socket.IO client ended, asked over another connection.
async function reasonOf(server, t, tag) {
    const watcher = await websocket(server, t);

    watcher.send("40");
    await watcher.take(2);
    for (let id = 0; id < 60; id++) {
        watcher.send(`42${id}["reasons","${tag}"]`);
        const [list] = JSON.parse((await watcher.next())
            .slice(2 + String(id).length));
        if (list.length > 0)
            return list[0][1];
        await sleep(50);
    }
    return "still there";
}

let serial = 0;
const uniqueTag = () => `raw-${process.pid}-${++serial}`;

/*
 * Which requests are ours
 */

for (const [name, path, expect] of [
    ["path_with_slash", "/socket.io/", 200],
    ["path_with_more_behind_it", "/socket.io/anything/else", 200],
    ["path_without_its_slash", "/socket.io", 404],
    ["path_that_only_begins_alike", "/socket.iox/", 404],
    ["path_in_capitals", "/Socket.IO/", 404],
    ["another_path", "/elsewhere", 404],
])
    twin(`request_for_${name}`, async (server, t) => (await http(
        server, t, target({ EIO: 4, transport: "polling" }, path))).status,
         { expect });

/*
 * The verdict on plain requests
 */

const gone = "AAAAAAAAAAAAAAAAAAAA";

for (const [name, method, query, expect] of [
    ["no_parameters", "GET", "", unknownTransport],
    ["no_transport", "GET", "EIO=4", unknownTransport],
    ["unknown_transport", "GET", "EIO=4&transport=abc", unknownTransport],
    ["webtransport", "GET", "EIO=4&transport=webtransport", unknownTransport],
    ["transport_in_capitals", "GET", "EIO=4&transport=Polling",
     unknownTransport],
    ["transport_with_a_space", "GET", "EIO=4&transport=polling+",
     unknownTransport],
    ["transport_named_like_a_property", "GET",
     "EIO=4&transport=constructor", unknownTransport],
    ["post_without_transport", "POST", "EIO=4", unknownTransport],
    ["unknown_sid", "GET", `EIO=4&transport=polling&sid=${gone}`, unknownSid],
    ["unknown_sid_and_post", "POST", `EIO=4&transport=polling&sid=${gone}`,
     unknownSid],
    ["unknown_sid_and_put", "PUT", `EIO=4&transport=polling&sid=${gone}`,
     unknownSid],
    ["sid_named_like_a_property", "GET",
     "EIO=4&transport=polling&sid=__proto__", unknownSid],
    ["very_long_sid", "GET",
     `EIO=4&transport=polling&sid=${"x".repeat(2000)}`, unknownSid],
    ["unknown_transport_and_sid", "GET", `EIO=4&transport=abc&sid=${gone}`,
     unknownTransport],
    ["post_without_sid", "POST", "EIO=4&transport=polling", badMethod],
    ["put_without_sid", "PUT", "EIO=4&transport=polling", badMethod],
    ["delete_without_sid", "DELETE", "EIO=4&transport=polling", badMethod],
    ["options_without_cors", "OPTIONS", "EIO=4&transport=polling", badMethod],
    ["websocket_without_upgrade", "GET", "EIO=4&transport=websocket",
     badRequest],
    ["websocket_post_without_sid", "POST", "EIO=4&transport=websocket",
     badMethod],
    ["no_protocol", "GET", "transport=polling", unsupported],
    ["protocol_3", "GET", "EIO=3&transport=polling", unsupported],
    ["protocol_5", "GET", "EIO=5&transport=polling", unsupported],
    ["protocol_04", "GET", "EIO=04&transport=polling", unsupported],
    ["protocol_abc", "GET", "EIO=abc&transport=polling", unsupported],
    ["protocol_3_and_post", "POST", "EIO=3&transport=polling", badMethod],
    ["last_of_two_transports_bad", "GET",
     "EIO=4&transport=polling&transport=abc", unknownTransport],
    ["last_of_two_protocols_bad", "GET", "EIO=4&EIO=3&transport=polling",
     unsupported],
])
    twin(`verdict_on_${name}`, async (server, t) =>
        answer(server, t, target(query), { method, ...(method === "POST" ||
            method === "PUT" ? { body: "" } : {}) }), { expect });

for (const [name, query] of [
    ["last_of_two_transports", "EIO=4&transport=abc&transport=polling"],
    ["last_of_two_protocols", "EIO=3&EIO=4&transport=polling"],
    ["percent_encoding", "EIO=%34&transport=%70oll%69ng"],
    ["empty_sid", "EIO=4&transport=polling&sid="],
    ["other_parameters", "x&y=&=z&&EIO=4&transport=polling&t=abc&b64=1"],
])
    twin(`accepted_with_${name}`, async (server, t) => {
        const { status, body } = await http(server, t, target(query));
        return [status, body[0], Object.keys(JSON.parse(body.slice(1)))];
    }, { expect: [200, "0", ["sid", "upgrades", "pingInterval", "pingTimeout",
                             "maxPayload"]] });

// libwebsockets decodes targets before anybody sees them.
for (const [name, query, expect] of [
    ["nul_in_the_sid", "EIO=4&transport=polling&sid=%00", 400],
    ["nul_in_another_parameter", "EIO=4&transport=polling&x=%00", 200],
    ["broken_percent_encoding", "EIO=4&transport=polling&x=%zz%", 200],
])
    twin(`request_with_${name}`, async (server, t) => {
        const line = new Line(server, t);

        line.write(requestText("GET", target(query), { Host: "localhost" }));
        return Number((await line.head()).split(" ")[1] ?? 0);
    }, {
        expect,
        ours: (status) => check([0, expect, 400, 403].includes(status),
                                `answered ${status}`),
        why: "libwebsockets refuses such targets, some without an answer",
    });

twin("head_without_sid_is_a_bad_method", async (server, t) => (await http(
    server, t, target("EIO=4&transport=polling"), { method: "HEAD" })).status,
     { expect: 400 });

twin("errors_are_json", async (server, t) => {
    const { headers } = await http(server, t, target("EIO=4"));
    return [headers["content-type"], headers["cache-control"] ?? null,
            headers["set-cookie"] ?? null];
}, { expect: ["application/json", null, null] });

twin("refused_connection_can_be_used_again", async (server, t) => {
    const bad = await answer(server, t, target("EIO=4"));
    const good = await http(server, t, target("EIO=4&transport=polling"));

    return [bad, good.status];
}, { expect: [unknownTransport, 200] });

twin("session_refuses_other_parameters", async (server, t) => {
    const session = await polling(server, t);
    const { sid } = session;
    const results = [];

    for (const [query, method] of [
        [{ EIO: 4, transport: "websocket", sid }, "GET"],
        [{ EIO: 4, transport: "websocket", sid }, "POST"],
        [{ EIO: 3, transport: "polling", sid }, "GET"],
        [{ transport: "polling", sid }, "GET"],
        [{ EIO: 4, sid }, "GET"],
        [{ EIO: 4, transport: "abc", sid }, "GET"],
    ])
        results.push(await answer(server, t, target(query), { method }));
    results.push(await session.posted("4hello"));
    return results;
}, {
    expect: [badRequest, badRequest, badRequest, badRequest,
             unknownTransport, unknownTransport, [200, "ok"]],
});

twin("session_refuses_other_methods", async (server, t) => {
    const session = await polling(server, t);
    const results = [];

    for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"])
        results.push(await answer(server, t, session.target, { method }));
    results.push(await session.posted("3"));
    return results;
}, {
    expect: [[500, ""], [500, ""], [500, ""], [500, ""], [200, "ok"]],
    ours: (mine) => {
        for (const [status, body] of mine.slice(0, 4))
            check(status >= 400 && status <= 500, `${status} ${body}`);
        check(mine[4][0] === 200, "the session lives on");
    },
    why: "any refusal will do: 500 blames the server for the peer's mistake",
});

twin("websocket_session_refuses_polls", async (server, t) => {
    const socket = await websocket(server, t);
    const query = { EIO: 4, transport: "polling", sid: socket.sid };
    const results = [
        await answer(server, t, target(query)),
        await answer(server, t, target(query), { method: "POST", body: "3" }),
    ];

    socket.send("2");
    return [...results, (await socket.rest()).length];
}, { expect: [badRequest, badRequest, 1] });

/*
 * The verdict on upgrade requests
 */

const websocketOf = { EIO: 4, transport: "websocket" };

for (const [name, query, expect] of [
    ["no_parameters", "", "Transport unknown"],
    ["unknown_transport", "EIO=4&transport=abc", "Transport unknown"],
    ["webtransport", "EIO=4&transport=webtransport", "Transport unknown"],
    ["unknown_sid", `EIO=4&transport=websocket&sid=${gone}`,
     "Session ID unknown"],
    ["sid_named_like_a_property",
     "EIO=4&transport=websocket&sid=constructor", "Session ID unknown"],
])
    twin(`upgrade_verdict_on_${name}`, async (server, t) => {
        const line = new Line(server, t);

        line.write(requestText("GET", target(query), upgradeHeaders));
        const text = await line.all();
        const [head, body] = text.split("\r\n\r\n");
        return {
            status: head.split(" ")[1], body,
            type: /^content-type: *(.*)$/im.exec(head)?.[1],
            close: /^connection: close$/im.test(head),
            length: /^content-length: *(\d+)$/im.exec(head)?.[1],
        };
    }, {
        expect: {
            status: "400", type: "text/html", close: true, body: expect,
            length: String(expect.length),
        },
    });

for (const [name, query] of [
    ["no_protocol", "transport=websocket"],
    ["protocol_3", "EIO=3&transport=websocket"],
    ["protocol_abc", "EIO=abc&transport=websocket"],
])
    twin(`upgrade_verdict_on_${name}`,
         (server, t) => attempt(server, t, query), {
            expect: [101, "(closed 1006)"],
            ours: [400, "Unsupported protocol version"],
            why: "the reference answers 101 first and then the same text as " +
                 "garbage on the WebSocket",
        });

twin("upgrade_verdict_on_polling",
     (server, t) => attempt(server, t, "EIO=4&transport=polling"), {
        expect: [101, "(closed 1005)"],
        ours: ([status]) => check(status === 400, `answered ${status}`),
        why: "the reference upgrades and closes at once",
    });

twin("upgrade_verdict_on_another_protocol_of_the_session",
     async (server, t) => {
        const session = await polling(server, t);
        const result = await attempt(server, t, {
            EIO: 3, transport: "websocket", sid: session.sid,
        });
        return [result, await session.posted("4hello")];
    }, { expect: [[400, "Bad request"], [200, "ok"]] });

for (const [name, headers, method] of [
    ["no_key", { "Sec-WebSocket-Key": undefined }],
    ["short_key", { "Sec-WebSocket-Key": "abc" }],
    ["version_12", { "Sec-WebSocket-Version": "12" }],
    ["no_version", { "Sec-WebSocket-Version": undefined }],
    ["post", {}, "POST"],
])
    twin(`upgrade_with_${name}_is_refused`, async (server, t) => {
        const line = new Line(server, t);

        line.write(requestText(method ?? "GET", target(websocketOf),
                               { ...upgradeHeaders, ...headers }));
        return Number((await line.all()).split(" ")[1]);
    }, {
        expect: 400,
        ours: (status) => check(status >= 400 && status < 500 || !status,
                                `answered ${status}`),
        why: "libwebsockets drops some of these without an answer",
    });

for (const [name, headers] of [
    ["h2c", { "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__" }],
    ["foo", { "Upgrade": "foo" }],
])
    twin(`upgrade_to_${name}_is_no_upgrade`, async (server, t) => {
        const line = new Line(server, t);

        line.write(requestText("GET", target(websocketOf),
                               { ...upgradeHeaders, ...headers }));
        return Number((await line.head()).split(" ")[1] ?? 0);
    }, {
        expect: 400,
        ours: (status) => check(status !== 101 && status !== 200,
                                `answered ${status}`),
        why: "any refusal will do",
    });

twin("first_subprotocol_of_the_client_is_echoed", async (server, t) => {
    const socket = new Socket(server, t, websocketOf,
                              { protocols: ["one", "two"] });
    return await socket.opened ? socket.ws.protocol : "refused";
}, { expect: "one" });

/*
 * Handshake
 */

twin("polling_handshake_is_the_open_packet", async (server, t) => {
    const { opened, handshake } = await polling(server, t);
    const { sid, ...rest } = handshake;

    check(/^[A-Za-z0-9_-]{20,}$/.test(sid), `sid ${sid}`);
    return {
        rest, keys: Object.keys(handshake), status: opened.status,
        type: opened.headers["content-type"],
        cache: opened.headers["cache-control"],
        lengthIsRight: Number(opened.headers["content-length"]) ===
            opened.body.length,
        xss: opened.headers["x-xss-protection"] ?? null,
        cookie: opened.headers["set-cookie"] ?? null,
        cors: opened.headers["access-control-allow-origin"] ?? null,
        noSpaces: !opened.body.includes(" "),
    };
}, {
    expect: {
        rest: { upgrades: ["websocket"], pingInterval: 25000,
                pingTimeout: 20000, maxPayload: 1000000 },
        keys: ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"],
        status: 200, type: "text/plain; charset=UTF-8", cache: "no-store",
        lengthIsRight: true, xss: null, cookie: null, cors: null,
        noSpaces: true,
    },
});

twin("websocket_handshake_is_the_open_packet", async (server, t) => {
    const { sid, ...rest } = (await websocket(server, t)).handshake;
    return [rest, /^[A-Za-z0-9_-]{20,}$/.test(sid)];
}, {
    expect: [{ upgrades: [], pingInterval: 25000, pingTimeout: 20000,
               maxPayload: 1000000 }, true],
});

twin("options_show_in_the_handshake", async (server, t) => {
    const one = await polling(server, t);
    const two = await websocket(server, t);
    const values = ({ sid, ...rest }) => rest;

    return [values(one.handshake), values(two.handshake)];
}, {
    options: ["--ping-interval", "1234", "--ping-timeout", "777",
              "--max-payload", "5000", "--no-upgrades"],
    expect: [
        { upgrades: [], pingInterval: 1234, pingTimeout: 777,
          maxPayload: 5000 },
        { upgrades: [], pingInterval: 1234, pingTimeout: 777,
          maxPayload: 5000 },
    ],
});

twin("sids_differ", async (server, t) => {
    const sids = new Set();

    for (let i = 0; i < 20; i++)
        sids.add((await polling(server, t)).sid);
    return sids.size;
}, { expect: 20 });

twin("cookie_is_set_by_the_polling_handshake_only", async (server, t) => {
    const session = await polling(server, t);
    const [cookie] = session.opened.headers["set-cookie"];
    const posted = await session.post("40");
    const polled = await session.poll();
    const socket = await websocket(server, t);

    return [cookie.replace(session.sid, "SID"),
            posted.headers["set-cookie"] ?? null,
            polled.headers["set-cookie"] ?? null,
            socket.upgradeHeaders["set-cookie"] ?? null];
}, {
    options: ["--cookie", "io"],
    expect: ["io=SID; Path=/; HttpOnly; SameSite=Lax", null, null, null],
});

twin("polling_only_server_knows_no_websocket", async (server, t) => [
    await answer(server, t, target(websocketOf)),
    (await polling(server, t)).handshake.upgrades,
], {
    options: ["--transports", "polling"],
    expect: [unknownTransport, []],
});

twin("polling_only_server_refuses_upgrades",
     (server, t) => attempt(server, t, websocketOf), {
        options: ["--transports", "polling"],
        expect: unknownTransport,
        ours: ([status, body]) => check(
            status === 400 && body.includes("Transport unknown"),
            `${status} ${body}`),
        why: "without WebSocket the reference sees a plain request; a " +
             "refused upgrade is as good",
    });

twin("websocket_only_server_knows_no_polling", async (server, t) => [
    await answer(server, t, target("EIO=4&transport=polling")),
    (await websocket(server, t)).handshake.upgrades,
], {
    options: ["--transports", "websocket"],
    expect: [unknownTransport, []],
});

/*
 * Polling: payloads
 */

// A session that has joined the main namespace, its greeting taken.
async function joined(server, t, query) {
    const session = await polling(server, t, query);

    await session.post("40");
    await session.packets(2);
    return session;
}

async function joinedSocket(server, t, query, options) {
    const socket = await websocket(server, t, query, options);

    socket.send("40");
    await socket.take(2);
    return socket;
}

twin("post_is_answered_ok", async (server, t) => {
    const session = await polling(server, t);
    const { status, headers, body } = await session.post("40");

    return [status, body, headers["content-type"], headers["content-length"],
            headers["cache-control"]];
}, { expect: [200, "ok", "text/html", "2", "no-store"] });

twin("poll_is_answered_as_text", async (server, t) => {
    const session = await joined(server, t);

    await session.post('42["echo","ä€😀"]');
    const { status, headers, body } = await session.poll();
    return [status, body, headers["content-type"],
            Number(headers["content-length"]) === Buffer.byteLength(body),
            headers["cache-control"]];
}, {
    expect: [200, '42["echo","ä€😀"]', "text/plain; charset=UTF-8", true,
             "no-store"],
});

twin("old_internet_explorer_is_told_not_to_filter", async (server, t) => {
    const session = await polling(server, t);
    const headers = { "User-Agent": "x;MSIE 9.0; Trident/5.0" };
    const waiting = session.poll({ headers });

    await session.post("40");
    const polled = await waiting;
    const posted = await http(server, t, session.target,
                              { method: "POST", body: "3", headers });
    return [polled.headers["x-xss-protection"] ?? null,
            posted.headers["x-xss-protection"] ?? null];
}, {
    expect: ["0", "0"],
});

twin("payload_joins_and_splits_by_the_separator", async (server, t) => {
    const session = await joined(server, t);

    const posted = await session.posted(
        ['42["echo",1]', "3", '42["echo",2]', "6", '42["echo",3]'].join(RS));
    return [posted, await session.polled()];
}, {
    expect: [[200, "ok"],
             [200, ['42["echo",1]', '42["echo",2]', '42["echo",3]']
                 .join(RS)]],
});

twin("payload_carries_binary_as_base64", async (server, t) => {
    const session = await joined(server, t);
    const header = '451-["echo",{"_placeholder":true,"num":0}]';

    await session.post([header, "bAQIDBA=="].join(RS));
    return (await session.polled())[1].split(RS);
}, {
    expect: ['451-["echo",{"_placeholder":true,"num":0}]', "bAQIDBA=="],
});

twin("packets_are_delivered_before_the_post_is_answered",
    async (server, t) => {
        const session = await joined(server, t);
        const order = [];

        await Promise.all([
            session.poll().then(({ body }) => order.push(body)),
            sleep(50).then(() => session.post('42["echo"]'))
                .then(() => order.push("posted")),
        ]);
        return order.sort();
    }, { expect: ['42["echo"]', "posted"] });

for (const [name, body, expect] of [
    ["one_bad_packet", "abc", "parse error"],
    ["an_empty_packet", `42["echo"]${RS}${RS}42["echo"]`, "parse error"],
    ["a_trailing_separator", `42["echo"]${RS}`, "parse error"],
    ["a_leading_separator", `${RS}42["echo"]`, "parse error"],
    ["type_7", "7", "parse error"],
    ["type_9", "9hello", "parse error"],
    ["a_space", " 4", "parse error"],
    ["a_newline", "\n", "parse error"],
    ["a_bom", "\ufeff4hello", "parse error"],
    ["a_ping", "2", "transport error"],
    ["a_ping_with_data", "2abc", "transport error"],
])
    twin(`post_of_${name}_closes_the_session`, async (server, t) => {
        const tag = uniqueTag();
        const session = await joined(server, t, { tag });
        const [status] = await session.posted(body);

        return [status, await session.polled(),
                await reasonOf(server, t, tag)];
    }, {
        expect: [200, unknownSid, expect],
        ours: ([status, polled, reason]) => {
            check([200, 400].includes(status), `posted ${status}`);
            check(polled[0] === 400 && polled[1] === unknownSid[1],
                  `polled ${polled}`);
            check(reason === expect, reason);
        },
        why: "the protocol asks for 400 on a bad payload; the reference " +
             "says ok, and either is accepted",
    });

twin("post_of_nothing_closes_the_session", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const [status] = await session.posted("");

    check([200, 400].includes(status), `posted ${status}`);
    return [await session.polled(), await reasonOf(server, t, tag)];
}, { expect: [unknownSid, "parse error"] });

// One count before the bad packet or the close, one by the watcher.
const eventLost = "the reference puts events off to the next tick and forgets " +
    "them when the session has ended by then; ours handles them in order";

twin("packets_before_a_bad_one_are_delivered", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const watcher = await joinedSocket(server, t);

    await session.post([`42["count","${tag}"]`, "x", `42["count","${tag}"]`]
        .join(RS));
    watcher.send(`420["count","${tag}"]`);
    return watcher.next();
}, { expect: "430[1]", ours: "430[2]", why: eventLost });

for (const [name, packet] of [
    ["open", "0"], ["open_with_data", '0{"sid":"x"}'], ["upgrade", "5"],
    ["noop", "6"], ["pong_nobody_asked_for", "3"], ["pong_with_data", "3abc"],
])
    twin(`post_of_${name}_is_ignored`, async (server, t) => {
        const session = await joined(server, t);

        return [await session.posted(packet),
                await session.posted('42["echo"]'), await session.polled()];
    }, { expect: [[200, "ok"], [200, "ok"], [200, '42["echo"]']] });

for (const [name, text, ours] of [
    ["unpadded", "AQIDBA"], ["url_alphabet", "-_-_"], ["junk", "A!Q@I D#B A"],
    ["padding_inside", "AQ==IDBA"],
])
    twin(`base64_that_is_${name}`, async (server, t) => {
        const session = await joined(server, t);

        await session.post('451-["echo",{"_placeholder":true,"num":0}]' +
                           `${RS}b${text}`);
        const [status, body] = await session.polled();
        return [status, body.split(RS).at(-1)];
    }, {
        ours: ([status, last], node) => check(
            status === 400 ? last === unknownSid[1]
                : `${status}${last}` === node.join(""), `${status} ${last}`),
        why: "bad base64 is a parse error of the peer; the reference guesses",
    });

// As the Java client writes it (engine.io-client 2.1.0).
twin("base64_in_lines_is_accepted", async (server, t) => {
    const session = await joined(server, t);

    await session.post('451-["echo",{"_placeholder":true,"num":0}]' +
                       `${RS}bAQID\nBA==\n`);
    return (await session.polled())[1].split(RS)[1];
}, { expect: "bAQIDBA==" });

twin("empty_binary_is_a_lone_b", async (server, t) => {
    const session = await joined(server, t);

    await session.post('451-["echo",{"_placeholder":true,"num":0}]' +
                       `${RS}b`);
    return (await session.polled())[1].split(RS)[1];
}, { expect: "b" });

twin("invalid_utf8_in_a_post", async (server, t) => {
    const session = await joined(server, t);

    await session.post(Buffer.concat([
        Buffer.from('42["echo","'), Buffer.from([0xff, 0xc0, 0x80]),
        Buffer.from('"]')]));
    return session.polled();
}, {
    expect: [200, '42["echo","\ufffd\ufffd\ufffd"]'],
    ours: ([status, body]) => check(
        status === 400 && body === unknownSid[1], `${status} ${body}`),
    why: "a text that is not UTF-8 is a parse error on WebSocket too",
});

/*
 * Polling: overlaps, aborts, limits
 */

twin("second_poll_closes_the_session", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const first = session.polled();

    await settle(server, t);
    return [await session.polled(), await first, await session.polled(),
            await reasonOf(server, t, tag)];
}, { expect: [[400, ""], [200, "1"], unknownSid, "transport error"] });

// A POST whose body is not finished.
function halfPost(session, length, part) {
    const line = new Line(session.server, session.t);

    line.write(requestText("POST", session.target, {
        "Host": "localhost", "Content-Type": "text/plain",
        "Content-Length": length,
    }) + part);
    return line;
}

twin("second_post_closes_the_session", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });

    halfPost(session, 20, "42[");
    await settle(server, t);
    return [await session.posted("3"), await session.polled(),
            await reasonOf(server, t, tag)];
}, { expect: [[400, ""], unknownSid, "transport error"] });

twin("aborted_poll_closes_the_session", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const waiting = session.poll();

    await settle(server, t);
    waiting.abort();
    const reason = await reasonOf(server, t, tag);
    return [reason, await session.polled()];
}, { expect: ["transport error", unknownSid] });

twin("aborted_post_closes_the_session", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const line = halfPost(session, 20, "42[");

    await settle(server, t);
    line.socket.destroy();
    const reason = await reasonOf(server, t, tag);
    return [reason, await session.polled()];
}, { expect: ["transport error", unknownSid] });

twin("post_in_pieces_is_one_payload", async (server, t) => {
    const session = await joined(server, t);
    const body = '42["echo","in pieces"]';
    const line = halfPost(session, body.length, "");

    for (const byte of body) {
        line.write(byte);
        await sleep(2);
    }
    const head = await line.until((bytes) => bytes.includes("ok"));
    return [head.split(" ")[1], await session.polled()];
}, { expect: ["200", [200, '42["echo","in pieces"]']] });

twin("octet_stream_is_refused", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const posted = await session.posted(
        '42["echo"]', { "Content-Type": "application/octet-stream" });

    return [posted, await session.polled(), await reasonOf(server, t, tag)];
}, { expect: [[400, ""], unknownSid, "transport error"] });

for (const [name, headers] of [
    ["no_content_type", {}],
    ["json", { "Content-Type": "application/json" }],
    ["form", { "Content-Type": "application/x-www-form-urlencoded" }],
    ["latin_1", { "Content-Type": "text/plain;charset=ISO-8859-1" }],
    ["octet_stream_with_parameter",
     { "Content-Type": "application/octet-stream; x=y" }],
])
    twin(`post_with_${name}_is_read_as_text`, async (server, t) => {
        const session = await joined(server, t);

        return [await session.posted('42["echo","ä"]', headers),
                await session.polled()];
    }, { expect: [[200, "ok"], [200, '42["echo","ä"]']] });

const small = ["--max-payload", "2000"];
const big = (size) => `42["echo","${"x".repeat(size - 13)}"]`;

twin("post_of_exactly_the_limit_is_read", async (server, t) => {
    const session = await joined(server, t);

    return [await session.posted(big(2000)), await session.polled()];
}, { options: small, expect: [[200, "ok"], [200, big(2000)]] });

twin("post_over_the_limit_is_413_and_the_session_lives",
    async (server, t) => {
        const session = await joined(server, t);

        return [await session.posted(big(2001)),
                await session.posted('42["echo"]'), await session.polled()];
    }, {
        options: small,
        expect: [[413, ""], [200, "ok"], [200, '42["echo"]']],
    });

twin("limit_counts_bytes_not_characters", async (server, t) => {
    const session = await joined(server, t);

    return session.posted(`42["echo","${"€".repeat(663)}"]`);
}, { options: small, expect: [413, ""] });

twin("declared_length_over_the_limit_is_413_at_once", async (server, t) => {
    const session = await joined(server, t);
    const line = halfPost(session, 100000, "42[".padEnd(2100, "x"));
    const head = await line.head();

    return [head.split(" ")[1], await session.posted("3")];
}, { options: small, expect: ["413", [200, "ok"]] });

twin("chunked_post_is_read", async (server, t) => {
    const session = await joined(server, t);
    const line = new Line(server, t);

    line.write(requestText("POST", session.target, {
        "Host": "localhost", "Transfer-Encoding": "chunked",
    }) + '5\r\n42["e\r\n5\r\ncho"]\r\n0\r\n\r\n');
    const head = await line.head();
    return Number(head.split(" ")[1]);
}, {
    expect: 200,
    ours: (status) => check([200, 411].includes(status), `${status}`),
    why: "Debian's libwebsockets has no chunked request bodies: 411",
});

/*
 * Polling: the end
 */

twin("close_packet_ends_a_waiting_poll", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const waiting = session.polled();

    await settle(server, t);
    return [await session.posted("1"), await waiting, await session.polled(),
            await reasonOf(server, t, tag)];
}, { expect: [[200, "ok"], [200, "6"], unknownSid, "transport close"] });

twin("close_packet_without_a_poll_ends_the_session", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });

    return [await session.posted("1"), await session.polled(),
            await reasonOf(server, t, tag)];
}, { expect: [[200, "ok"], unknownSid, "transport close"] });

// The official suite sends the two at once. A busy server finds both waiting.
twin("poll_and_close_that_wait_together_are_taken_in_order",
    async (shared, t) => {
        const server = await privateServer(t, shared.side, "interop", []);
        const results = [];

        for (const swap of [false, true, false, true]) {
            const session = await polling(server, t);
            const lines = [new Line(server, t), new Line(server, t)];
            const [first, second] = swap ? lines.reverse() : lines;

            await settle(server, t);
            server.child.kill("SIGSTOP");
            await sleep(10);
            first.write(requestText("GET", session.target,
                                    { Host: "localhost" }));
            await sleep(5);
            second.write(requestText("POST", session.target, {
                "Host": "localhost", "Content-Length": 1,
            }) + "1");
            await sleep(5);
            server.child.kill("SIGCONT");
            await second.until((bytes) => bytes.includes("ok"));
            const text = await first.head();
            results.push([text.split(" ")[1], text.at(-1)]);
        }
        return results;
    }, { expect: [1, 2, 3, 4].map(() => ["200", "6"]) });

twin("packets_after_the_close_packet_are_ignored", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t);
    const watcher = await joinedSocket(server, t);

    await session.post([`42["count","${tag}"]`, "1", `42["count","${tag}"]`]
        .join(RS));
    watcher.send(`420["count","${tag}"]`);
    return watcher.next();
}, { expect: "430[1]", ours: "430[2]", why: eventLost });

twin("server_close_reaches_a_waiting_poll", async (server, t) => {
    const session = await joined(server, t);
    const waiting = session.polled();

    await settle(server, t);
    await session.post('42["disconnect-me",true]');
    const first = await waiting;
    const rest = first[1].includes("1") && first[1] !== "41" ? []
        : [await session.polled()];
    return [first, ...rest, await session.polled()];
}, {
    ours: (polls) => {
        const text = polls.map(([, body]) => body).join(RS);
        check(text.startsWith("41"), `the DISCONNECT first: ${text}`);
        check(/\x1e1(\x1e|$)/.test(text), `then the close packet: ${text}`);
        check(polls.at(-1)[0] === 400, "then nothing");
    },
    why: "how packets and the close spread over polls is not settled",
});

twin("server_close_without_a_poll_waits_for_one", async (server, t) => {
    const session = await joined(server, t);
    const polls = [];

    await session.post('42["disconnect-me",true]');
    await settle(server, t);
    for (let i = 0; i < 3 && polls.at(-1)?.[0] !== 400; i++)
        polls.push(await session.polled());
    return polls;
}, {
    expect: [[200, "41"], [200, `6${RS}1`], unknownSid],
    ours: (polls) => {
        const text = polls.map(([, body]) => body).join(RS);
        check(text.startsWith("41"), `the DISCONNECT first: ${text}`);
        check(/\x1e1(\x1e|$)/.test(text), `then the close packet: ${text}`);
        check(polls.at(-1)[0] === 400, "then nothing");
    },
    why: "how packets and the close spread over polls is not settled",
});

/*
 * WebSocket
 */

for (const [name, data, expect] of [
    ["bad_type", "abc", "parse error"], ["empty_text", "", "parse error"],
    ["type_7", "7", "parse error"], ["ping", "2", "transport error"],
    ["ping_with_data", "2probe", "transport error"],
])
    twin(`websocket_${name}_closes`, async (server, t) => {
        const tag = uniqueTag();
        const socket = await joinedSocket(server, t, { tag });

        socket.send(data);
        return [await socket.rest(), await reasonOf(server, t, tag)];
    }, { expect: [["(closed 1005)"], expect] });

for (const [name, data] of [
    ["open", "0"], ["upgrade", "5"], ["noop", "6"], ["pong", "3"],
    ["pong_with_data", "3probe"],
])
    twin(`websocket_${name}_is_ignored`, async (server, t) => {
        const socket = await joinedSocket(server, t);

        socket.send(data);
        socket.send('42["echo",1]');
        return socket.next();
    }, { expect: '42["echo",1]' });

twin("websocket_close_packet", async (server, t) => {
    const tag = uniqueTag();
    const socket = await joinedSocket(server, t, { tag });

    socket.send("1");
    socket.send('42["echo",1]');
    return socket.next(3000);
}, {
    expect: '42["echo",1]',
    ours: "(closed 1005)",
    why: "the reference ignores the packet; the protocol ends the session",
});

twin("websocket_binary_comes_as_base64_or_frame", async (server, t) => {
    const socket = await joinedSocket(server, t);
    const header = '451-["echo",{"_placeholder":true,"num":0}]';

    socket.send(header);
    socket.send("bAQIDBA==");
    socket.send(header);
    socket.send(Buffer.from([1, 2, 3, 4]));
    socket.send(header);
    socket.send(Buffer.alloc(0));
    return (await socket.take(6)).filter((each) => !each.startsWith("45"));
}, { expect: ["<01020304>", "<01020304>", "<>"] });

twin("websocket_message_in_fragments_is_whole", async (server, t) => {
    const line = await rawWebSocket(server, t);

    line.write(frame(1, "40"));
    await line.until((bytes) => bytes.includes("welcome"));
    line.bytes = Buffer.alloc(0);
    line.write(frame(1, '42["ec', { fin: false }));
    line.write(frame(9, "between"));
    line.write(frame(0, "", { fin: false }));
    line.write(frame(0, 'ho",1]'));
    const text = await line.until((bytes) => bytes.includes("echo") &&
                                  bytes.includes("between"));
    return [text.includes("\x8a\x07between"),
            text.includes('\x81\x0c42["echo",1]')];
}, { expect: [true, true] });

twin("websocket_bytes_one_by_one_make_a_message", async (server, t) => {
    const line = await rawWebSocket(server, t);

    for (const byte of frame(1, "40")) {
        line.write(Buffer.from([byte]));
        await sleep(2);
    }
    await line.until((bytes) => bytes.includes("welcome"));
}, {});

twin("websocket_message_of_exactly_the_limit_passes", async (server, t) => {
    const socket = await joinedSocket(server, t);

    socket.send(big(2000));
    return (await socket.next()).length;
}, { options: small, expect: 2000 });

twin("websocket_message_over_the_limit_is_1009", async (server, t) => {
    const tag = uniqueTag();
    const socket = await joinedSocket(server, t, { tag });

    socket.send(big(2001));
    return [await socket.rest(), await reasonOf(server, t, tag)];
}, { options: small, expect: [["(closed 1009)"], "transport error"] });

twin("websocket_fragments_over_the_limit_are_1009", async (server, t) => {
    const line = await rawWebSocket(server, t);

    line.write(frame(1, "4".padEnd(1500, "x"), { fin: false }));
    await settle(server, t);
    line.write(frame(0, "x".repeat(1500), { fin: false }));
    return endCode(line);
}, { options: small, expect: 1009 });

twin("websocket_binary_over_the_limit_is_1009", async (server, t) => {
    const socket = await joinedSocket(server, t);

    socket.send(Buffer.alloc(2001));
    return socket.rest();
}, { options: small, expect: ["(closed 1009)"] });

for (const [name, bytes] of [
    ["stray_byte", [0xff]], ["overlong", [0xc0, 0xaf]],
    ["surrogate", [0xed, 0xa0, 0x80]], ["cut_off", [0xe2, 0x82]],
    ["beyond_unicode", [0xf4, 0x90, 0x80, 0x80]],
])
    twin(`websocket_text_with_${name}_is_1007`, async (server, t) => {
        const tag = uniqueTag();
        const line = await rawWebSocket(server, t, { tag });

        line.write(frame(1, "40"));
        await line.until((received) => received.includes("welcome"));
        line.bytes = Buffer.alloc(0);
        line.write(frame(1, Buffer.concat([
            Buffer.from('42["echo","'), Buffer.from(bytes),
            Buffer.from('"]')])));
        return [await endCode(line), await reasonOf(server, t, tag)];
    }, { expect: [1007, "transport error"] });

twin("websocket_utf8_may_be_cut_by_fragments", async (server, t) => {
    const line = await rawWebSocket(server, t);
    const text = Buffer.from('42["echo","€"]');

    line.write(frame(1, "40"));
    await line.until((bytes) => bytes.includes("welcome"));
    line.bytes = Buffer.alloc(0);
    line.write(frame(1, text.subarray(0, 12), { fin: false }));
    await settle(server, t);
    line.write(frame(0, text.subarray(12)));
    await line.until((bytes) => bytes.includes("]"));
    return line.bytes.subarray(2).toString();
}, { expect: '42["echo","€"]' });

for (const [name, bytes] of [
    ["reserved_bit", frame(1, "40", { rsv: 2 })],
    ["compressed_bit_unnegotiated", frame(1, "40", { rsv: 4 })],
    ["unknown_opcode", frame(3, "40")],
    ["continuation_of_nothing", frame(0, "40")],
    ["too_long_ping", frame(9, "x".repeat(126))],
    ["fragmented_ping", frame(9, "x", { fin: false })],
    ["unmasked_frame", Buffer.from([0x81, 2, 0x34, 0x30])],
    ["text_inside_a_message",
     Buffer.concat([frame(1, "4", { fin: false }), frame(1, "40")])],
    ["close_of_one_byte", frame(8, Buffer.from([0x03]))],
    ["close_with_an_unknown_status", frame(8, Buffer.from([0x03, 0xee]))],
    ["close_with_a_private_status", frame(8, Buffer.from([0x0b, 0xb7]))],
])
    twin(`websocket_${name}_is_a_protocol_error`, async (server, t) => {
        const tag = uniqueTag();
        const line = await rawWebSocket(server, t, { tag });

        line.write(frame(1, "40"));
        await line.until((received) => received.includes("welcome"));
        line.bytes = Buffer.alloc(0);
        line.write(bytes);
        return [await endCode(line), await reasonOf(server, t, tag)];
    }, { expect: [1002, "transport error"] });

twin("websocket_close_with_a_reason_that_is_not_utf8_is_1007",
    async (server, t) => {
        const line = await rawWebSocket(server, t);

        line.write(frame(8, Buffer.from([0x03, 0xe8, 0xc3])));
        return endCode(line);
    }, { expect: 1007 });

twin("websocket_frame_too_long_to_count_is_1009", async (server, t) => {
    const line = await rawWebSocket(server, t);

    line.write(Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0,
                            1, 2, 3, 4, 5]));
    return endCode(line);
}, { expect: 1009 });

twin("websocket_pings_come_between_the_pieces_of_a_message",
    async (server, t) => {
        const line = await rawWebSocket(server, t);
        const packet = frame(1, '42["echo","cut"]');

        line.write(frame(1, "40"));
        await line.until((bytes) => bytes.includes("welcome"));
        line.bytes = Buffer.alloc(0);
        line.write(frame(1, '42["ec', { fin: false }));
        line.write(frame(9, "are you there"));
        await line.until((bytes) => bytes.includes("are you there"));
        line.write(frame(0, 'ho","cut"]'));
        await line.until((bytes) => bytes.includes("cut"));
        for (const byte of packet) {
            line.write(Buffer.from([byte]));
            await settle(server, t);
        }
        await line.until((bytes) => bytes.toString().split("cut").length > 2);
        return line.bytes.toString("latin1");
    }, {
        expect: "\x8a\x0dare you there" + '\x81\x1042["echo","cut"]'.repeat(2),
    });

twin("websocket_answers_go_out_before_the_close", async (server, t) => {
    const tag = uniqueTag();
    const line = await rawWebSocket(server, t, { tag });

    line.write(frame(1, "40"));
    await line.until((bytes) => bytes.includes("welcome"));
    line.bytes = Buffer.alloc(0);
    line.write(Buffer.concat([frame(1, '42["echo","last"]'),
                              frame(8, Buffer.from("\x03\xe8bye", "latin1"))]));
    await line.all();
    return [line.bytes.toString("latin1"), await reasonOf(server, t, tag)];
}, {
    expect: ["\x88\x05\x03\xe8bye", "transport error"],
    ours: ([text, reason]) => {
        check(text === '\x81\x1142["echo","last"]\x88\x05\x03\xe8bye', text);
        check(reason === "transport close", reason);
    },
    why: "what was asked before the Close is answered, not an error",
});

twin("websocket_close_is_answered", async (server, t) => {
    const tag = uniqueTag();
    const line = await rawWebSocket(server, t, { tag });

    line.write(frame(1, "40"));
    await line.until((bytes) => bytes.includes("welcome"));
    line.bytes = Buffer.alloc(0);
    line.write(frame(8, Buffer.from([0x03, 0xe8])));
    return [await endCode(line), await reasonOf(server, t, tag)];
}, {
    expect: [1000, "transport close"],
});

twin("websocket_cut_connection_is_a_transport_close", async (server, t) => {
    const tag = uniqueTag();
    const socket = await joinedSocket(server, t, { tag });

    socket.ws.terminate();
    return reasonOf(server, t, tag);
}, { expect: "transport close" });

twin("websocket_end_without_close_frame_is_a_transport_close",
    async (server, t) => {
        const tag = uniqueTag();
        const line = await rawWebSocket(server, t, { tag });

        line.write(frame(1, "40"));
        await line.until((bytes) => bytes.includes("welcome"));
        line.socket.end();
        return reasonOf(server, t, tag);
    }, { expect: "transport close" });

/*
 * Heartbeat
 */

const fast = ["--ping-interval", "300", "--ping-timeout", "200"];

twin("websocket_pings_come_after_each_pong", async (server, t) => {
    const before = Date.now();
    const socket = await websocket(server, t, {}, { pongs: false });
    const started = Date.now();

    for (let i = 1; i <= 3; i++) {
        check(await socket.next() === "2", "a ping");
        const now = Date.now();
        check(now - before > 300 * i - 10,
              `ping ${i} after ${now - before} ms`);
        check(now - started < 300 * i + 150,
              `ping ${i} after ${now - started} ms`);
        socket.send("3");
    }
}, { options: fast });

twin("websocket_without_pong_times_out", async (server, t) => {
    const tag = uniqueTag();
    const before = Date.now();
    const socket = await joinedSocket(server, t, { tag }, { pongs: false });
    const started = Date.now();
    const messages = await socket.rest();
    const now = Date.now();

    check(now - before > 490, `after ${now - before} ms`);
    check(now - started < 700, `after ${now - started} ms`);
    return [messages, await reasonOf(server, t, tag)];
}, { options: fast, expect: [["2", "(closed 1005)"], "ping timeout"] });

twin("polling_pings_come_by_poll", async (server, t) => {
    const session = await polling(server, t);
    const results = [];

    for (let i = 0; i < 3; i++)
        results.push(await session.polled(), await session.posted("3"));
    return results;
}, {
    options: fast,
    expect: [[200, "2"], [200, "ok"], [200, "2"], [200, "ok"], [200, "2"],
             [200, "ok"]],
});

twin("polling_without_pong_times_out", async (server, t) => {
    const tag = uniqueTag();
    const session = await joined(server, t, { tag });
    const ping = await session.polled();
    const waiting = await session.polled();

    return [ping, waiting, await session.polled(),
            await reasonOf(server, t, tag)];
}, {
    options: fast,
    expect: [[200, "2"], [200, "1"], unknownSid, "ping timeout"],
});

twin("polling_without_poll_times_out", async (server, t) => {
    const session = await polling(server, t);

    await sleep(600);
    return session.polled();
}, { options: fast, expect: unknownSid });

// The deadline of a pong moves once for the first other packet after a ping.
twin("packet_after_a_ping_puts_the_timeout_off_once", async (server, t) => {
    const socket = await joinedSocket(server, t, {}, { pongs: false });

    check(await socket.next() === "2", "a ping");
    const started = Date.now();
    for (let i = 0; i < 8; i++)
        setTimeout(() => socket.ended === null && socket.send("6"),
                   150 + 60 * i);
    const messages = await socket.rest();
    const after = Date.now() - started;
    check(after > 300 && after < 480, `closed after ${after} ms`);
    return messages;
}, { options: fast, expect: ["(closed 1005)"] });

twin("unasked_pong_puts_the_next_ping_off", async (server, t) => {
    const socket = await websocket(server, t, {}, { pongs: false });

    await sleep(200);
    socket.send("3");
    const started = Date.now();
    check(await socket.next() === "2", "a ping");
    const after = Date.now() - started;
    check(after > 270 && after < 420, `ping after ${after} ms`);
}, { options: fast });

/*
 * Upgrade
 */

twin("probe_is_answered_and_a_waiting_poll_flushed", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);
    const waiting = session.polled();

    await settle(server, t);
    socket.send("2probe");
    const answered = await socket.next();
    const started = Date.now();
    const flushed = await waiting;
    check(Date.now() - started < 400, "flushed soon");
    socket.send("5");
    socket.send('42["echo","over the new transport"]');
    return [answered, flushed, await socket.next(), await session.polled()];
}, {
    expect: ["3probe", [200, "6"], '42["echo","over the new transport"]',
             badRequest],
});

twin("poll_that_comes_while_probing_is_flushed", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    socket.send("2probe");
    const answered = await socket.next();
    return [answered, await session.polled(), await session.polled()];
}, { expect: ["3probe", [200, "6"], [200, "6"]] });

twin("polling_works_on_while_probing", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    socket.send("2probe");
    await socket.next();
    await session.post('42["echo",1]');
    return session.packets(1);
}, { expect: ['42["echo",1]'] });

twin("upgrade_at_once_without_waiting", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    socket.send("2probe");
    socket.send("5");
    socket.send('42["echo",1]');
    return [await socket.take(2), await session.polled()];
}, { expect: [["3probe", '42["echo",1]'], badRequest] });

twin("upgrade_without_a_probe_is_accepted", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    socket.send("5");
    socket.send('42["echo",1]');
    return socket.next();
}, { expect: '42["echo",1]' });

twin("poll_still_waiting_at_the_upgrade_ends", async (server, t) => {
    const session = await joined(server, t);
    const waiting = session.polled();

    await settle(server, t);
    const socket = await probe(session);
    socket.send("2probe");
    socket.send("5");
    return [await waiting, await socket.next()];
}, {
    expect: [[200, "1"], "3probe"],
    ours: ([[status, body]]) => check(
        status === 200 && ["1", "6"].includes(body), `${status} ${body}`),
    why: "a noop ends the poll as well; official clients never see it",
});

twin("messages_wait_for_the_new_transport_in_order", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    socket.send("2probe");
    const answered = await socket.next();
    await session.post('42["many",3,"x"]');
    await session.post('42["echo","last"]');
    socket.send("5");
    return [answered, await socket.take(4)];
}, {
    expect: ["3probe", ['42["tick",0,"x"]', '42["tick",1,"x"]',
                        '42["tick",2,"x"]', '42["echo","last"]']],
});

for (const [name, data] of [
    ["message", "4hello"], ["pong", "3probe"], ["bad_packet", "abc"],
    ["close", "1"], ["other_ping", "2"], ["nothing", ""],
    ["ping_with_other_data", "2prob"], ["binary", Buffer.from([1])],
    ["connect", "40"],
])
    twin(`${name}_in_the_probe_ends_only_the_probe`, async (server, t) => {
        const session = await joined(server, t);
        const socket = await probe(session);

        socket.send(data);
        const end = await socket.rest();
        await session.post('42["echo",1]');
        return [end, await session.packets(1)];
    }, { expect: [["(closed 1005)"], ['42["echo",1]']] });

twin("probe_that_goes_away_leaves_polling_alone", async (server, t) => {
    const session = await joined(server, t);
    const first = await probe(session);

    first.send("2probe");
    await first.next();
    first.ws.terminate();
    await settle(server, t);
    await session.post('42["echo",1]');
    const packets = await session.packets(1);

    const second = await probe(session);
    second.send("2probe");
    second.send("5");
    second.send('42["echo",2]');
    return [packets, await second.take(2)];
}, { expect: [['42["echo",1]'], ["3probe", '42["echo",2]']] });

twin("second_probe_is_closed_at_once", async (server, t) => {
    const session = await joined(server, t);
    const first = await probe(session);
    const second = await probe(session);
    const end = await second.rest();

    first.send("2probe");
    first.send("5");
    first.send('42["echo",1]');
    return [end, await first.take(2)];
}, { expect: [["(closed 1005)"], ["3probe", '42["echo",1]']] });

twin("probe_of_an_upgraded_session_is_closed_at_once", async (server, t) => {
    const session = await joined(server, t);
    const first = await probe(session);

    first.send("2probe");
    first.send("5");
    await first.next();
    const second = await probe(session);
    const end = await second.rest();
    first.send('42["echo",1]');
    return [end, await first.next()];
}, { expect: [["(closed 1005)"], '42["echo",1]'] });

twin("probe_of_a_websocket_session_leaves_it_alone", async (server, t) => {
    const socket = await joinedSocket(server, t);
    const second = new Socket(server, t, { ...websocketOf, sid: socket.sid });
    const end = await second.opened ? await second.during(300) : ["refused"];

    socket.send('42["echo",1]');
    return [end, await socket.next()];
}, {
    expect: [[], '42["echo",1]'],
    ours: ([end, echo]) => {
        check(["refused", "(closed 1005)"].includes(end[0]), `${end}`);
        check(echo === '42["echo",1]', echo);
    },
    why: "the reference lets a session that began as a WebSocket be upgraded " +
         "to another one",
});

twin("probe_without_upgrade_times_out", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);
    const started = Date.now();

    socket.send("2probe");
    const end = await socket.rest();
    const after = Date.now() - started;
    check(after > 300 && after < 800, `closed after ${after} ms`);
    await session.post('42["echo",1]');
    return [end, await session.packets(1)];
}, {
    options: ["--upgrade-timeout", "400"],
    expect: [["3probe", "(closed 1005)"], ['42["echo",1]']],
});

twin("probe_that_says_nothing_times_out", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    return socket.rest();
}, { options: ["--upgrade-timeout", "400"], expect: ["(closed 1005)"] });

twin("session_that_ends_takes_its_probe_along", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    socket.send("2probe");
    await socket.next();
    await session.post("1");
    return socket.rest();
}, { expect: ["(closed 1005)"] });

twin("upgrade_is_refused_where_it_is_not_offered", async (server, t) => {
    const session = await joined(server, t);
    const socket = await probe(session);

    if (socket.refusal)
        return socket.refusal;
    socket.send("2probe");
    return socket.next();
}, {
    options: ["--no-upgrades"],
    expect: "3probe",
    ours: [400, "Bad request"],
    why: "the handshake did not offer it",
});

// The reference forgets the heartbeat when the pong is lost in the upgrade.
twin("heartbeat_goes_on_when_the_pong_was_lost_in_the_upgrade",
    async (server, t) => {
        const session = await joined(server, t);
        const ping = await session.polled();
        const socket = await probe(session);

        socket.pongs = false;
        socket.send("2probe");
        socket.send("5");
        await socket.next();
        return [ping, await socket.during(1000)];
    }, {
        options: fast,
        expect: [[200, "2"], []],
        ours: ([, messages]) => check(
            messages.at(-1) === "(closed 1005)", `${messages}`),
        why: "the reference never pings that session again",
    });

/*
 * CORS
 */

const corsHeaders = (headers) => Object.fromEntries(
    Object.entries(headers).filter(
        ([name]) => /^(access-control-.*|vary)$/.test(name)));

for (const [name, origin] of [["star", "*"], ["one", "http://a.example"]]) {
    const options = ["--cors", origin];
    const headers = { Origin: "http://a.example" };

    twin(`cors_${name}_on_every_answer`, async (server, t) => {
        const session = await polling(server, t);
        const all = [
            await http(server, t, target("EIO=4&transport=polling"),
                       { headers }),
            await http(server, t, session.target,
                       { method: "POST", headers, body: "40" }),
            await http(server, t, session.target, { headers }),
            await http(server, t, target("EIO=4"), { headers }),
        ];
        return all.map((each) => [each.status, corsHeaders(each.headers)]);
    }, { options });

    twin(`cors_${name}_preflight`, async (server, t) => {
        const session = await polling(server, t);
        const results = [];

        for (const path of [target("EIO=4&transport=polling"),
                            session.target, target("")]) {
            const { status, headers: got, body } = await http(
                server, t, path, {
                    method: "OPTIONS",
                    headers: {
                        ...headers,
                        "Access-Control-Request-Method": "POST",
                        "Access-Control-Request-Headers":
                            "content-type, x-mine",
                    },
                });
            const cors = corsHeaders(got);
            cors.vary = cors.vary?.split(/, */).sort();
            results.push([status, body, cors, got["content-length"] ?? "0"]);
        }
        return results;
    }, { options });

    twin(`cors_${name}_does_not_hinder_websockets`, async (server, t) => {
        const socket = await websocket(server, t, {}, { headers });

        return corsHeaders(socket.upgradeHeaders);
    }, {
        options,
        ours: () => {},
        why: "browsers read no CORS headers on a 101; having them is optional",
    });
}

twin("cors_list_echoes_the_origins_it_contains", async (server, t) => {
    const results = [];

    for (const Origin of ["http://a.example", "https://b.example:8443"]) {
        const { status, headers } = await http(
            server, t, target("EIO=4&transport=polling"),
            { headers: { Origin } });
        results.push([status, corsHeaders(headers)]);
    }
    return results;
}, { options: ["--cors", "http://a.example,https://b.example:8443"] });

const foreign = (options) => [
    ["polling", (server, t) => http(
        server, t, target("EIO=4&transport=polling"),
        { headers: { Origin: "http://evil.example" } })
        .then(({ status }) => status), 200],
    ["websocket", (server, t) => attempt(
        server, t, "EIO=4&transport=websocket&x=1",
        { headers: { Origin: "http://evil.example" } })
        .then(([status]) => status), 101],
].map(([name, fn, expect]) => ({ name, fn, expect, options }));

for (const [name, options] of [
    ["default", []],
    ["list", ["--cors", "http://a.example,https://b.example:8443"]],
]) {
    for (const each of foreign(options)) {
        const scenario = each.name === "polling" ? each.fn
            : async (server, t) => {
                const socket = new Socket(
                    server, t, websocketOf,
                    { headers: { Origin: "http://evil.example" } });
                return await socket.opened ? 101 : socket.refusal?.[0] ?? 0;
            };
        twin(`foreign_origin_over_${each.name}_with_${name}_cors`, scenario, {
            options, expect: each.expect,
            ours: (status) => check([400, 403].includes(status),
                                    `answered ${status}`),
            why: "the reference leaves the check of origins to browsers and " +
                 "lets WebSockets of any page in; ours is secure by default",
        });
    }
}

twin("same_origin_is_welcome_by_default", async (server, t) => {
    const headers = { Origin: `http://127.0.0.1:${server.port}` };
    const { status } = await http(
        server, t, target("EIO=4&transport=polling"), { headers });
    const socket = await websocket(server, t, {}, { headers });

    return [status, typeof socket.sid];
}, { expect: [200, "string"] });

twin("origin_with_a_forbidden_byte_is_refused", async (server, t) => {
    const line = new Line(server, t);

    line.write(Buffer.from(
        `GET ${target("EIO=4&transport=polling")} HTTP/1.1\r\n` +
        "Host: localhost\r\nOrigin: http://a\x01b\r\n\r\n", "latin1"));
    return Number((await line.head()).split(" ")[1]);
}, {
    expect: 400,
    ours: (status) => check([400, 403, NaN].includes(status) || status === null,
                            `answered ${status}`),
    why: "refused either way",
});

await finish();
