// Socket.IO v5 as text: packets that no stock client sends, to both servers.

import { check, finish, need, sleep, twin } from "./harness.mjs";
need("socket.io", "ws");
const { polling, RS, settle, websocket } = await import("./raw.mjs");

let serial = 0;
const uniqueTag = () => `socket-${process.pid}-${++serial}`;

// Public ids are random: in a transcript they are "ID".
const hideId = (text) => text.replace(/"sid":"[A-Za-z0-9_-]+"/, '"sid":"ID"');

// An open WebSocket with the main namespace joined and the greeting taken.
async function joined(server, t, query, connect = "40") {
    const socket = await websocket(server, t, query);

    socket.send(connect);
    await socket.take(2);
    return socket;
}

async function reasonsOf(server, t, tag, count) {
    const watcher = await joined(server, t);
    let list = [];

    for (let id = 0; id < 60 && list.length < count; id++) {
        watcher.send(`42${id}["reasons","${tag}"]`);
        [list] = JSON.parse((await watcher.next())
            .slice(2 + String(id).length));
        if (list.length < count)
            await sleep(50);
    }
    return list.sort();
}

const bin = (...values) => Buffer.from(values);
const holder = (n) => `{"_placeholder":true,"num":${n}}`;

/*
 * CONNECT
 */

for (const [name, packet, expect] of [
    ["main_namespace", "40", ['40{"sid":"ID"}', '42["welcome","/",{}]']],
    ["main_namespace_by_name", "40/,",
     ['40{"sid":"ID"}', '42["welcome","/",{}]']],
    ["main_namespace_with_auth", '40{"a":1}',
     ['40{"sid":"ID"}', '42["welcome","/",{"a":1}]']],
    ["custom_namespace", "40/custom,",
     ['40/custom,{"sid":"ID"}', '42/custom,["welcome","/custom",{}]']],
    ["custom_namespace_without_comma", "40/custom",
     ['40/custom,{"sid":"ID"}', '42/custom,["welcome","/custom",{}]']],
    ["custom_namespace_with_auth", '40/custom,{"token":"abc"}',
     ['40/custom,{"sid":"ID"}',
      '42/custom,["welcome","/custom",{"token":"abc"}]']],
    ["auth_with_spaces", '40{ "a" : [ 1 , 2 ] }', 2],
    ["auth_with_numbers", '40{"n":[1,-0.5,1e3,12345678901234]}', 2],
])
    twin(`connect_to_${name}`, async (server, t) => {
        const socket = await websocket(server, t);

        socket.send(packet);
        const [reply, welcome] = (await socket.take(2)).map(hideId);
        // Raw text may keep its spaces and its way to write numbers.
        return typeof expect === "number"
            ? [reply, JSON.parse(welcome.slice(2))] : [reply, welcome];
    }, typeof expect === "number" ? {} : { expect });

for (const [name, packet, expect] of [
    ["unknown", "40/random", '44/random,{"message":"Invalid namespace"}'],
    ["unknown_with_comma", "40/random,",
     '44/random,{"message":"Invalid namespace"}'],
    ["unknown_with_auth", '40/random,{"a":1}',
     '44/random,{"message":"Invalid namespace"}'],
    ["query_in_its_name", "40/custom?x=1,",
     '44/custom?x=1,{"message":"Invalid namespace"}'],
    ["other_case", "40/Custom,", '44/Custom,{"message":"Invalid namespace"}'],
    ["trailing_slash", "40/custom/,",
     '44/custom/,{"message":"Invalid namespace"}'],
    ["unicode", "40/ä€😀,", '44/ä€😀,{"message":"Invalid namespace"}'],
    ["property_name", "40/__proto__,",
     '44/__proto__,{"message":"Invalid namespace"}'],
    ["empty_name_parts", "40//,", '44//,{"message":"Invalid namespace"}'],
    ["auth_refusal", "40/auth,", '44/auth,{"message":"no token"}'],
    ["auth_refusal_with_data", '40/auth,{"token":"x"}',
     '44/auth,{"message":"wrong token","data":{"code":401,"token":"x"}}'],
])
    twin(`connect_refused_for_${name}`, async (server, t) => {
        const socket = await websocket(server, t);

        socket.send(packet);
        const refusal = await socket.next();
        socket.send("40");
        return [refusal, hideId(await socket.next())];
    }, { expect: [expect, '40{"sid":"ID"}'] });

twin("namespaces_join_and_leave_on_one_connection", async (server, t) => {
    const socket = await joined(server, t);

    socket.send("40/custom,");
    const replies = (await socket.take(2)).map(hideId);
    socket.send('42["echo","main"]');
    socket.send('42/custom,["echo","custom"]');
    const echoes = await socket.take(2);
    socket.send("41/custom");
    socket.send('42["echo","main again"]');
    return [replies, echoes, await socket.next()];
});

twin("namespace_can_be_joined_again_after_leaving", async (server, t) => {
    const socket = await joined(server, t);

    socket.send("41");
    await settle(server, t);
    socket.send("40");
    return (await socket.take(2)).map(hideId);
}, { expect: ['40{"sid":"ID"}', '42["welcome","/",{}]'] });

twin("client_that_left_everything_stays_connected", async (server, t) => {
    const socket = await joined(server, t);

    socket.pongs = false;
    socket.send("41");
    const ping = await socket.next();
    socket.send("3");
    return [ping, await socket.next()];
}, { options: ["--ping-interval", "250", "--ping-timeout", "200"],
     expect: ["2", "2"] });

twin("connect_timeout_ends_a_client_without_a_namespace",
    async (server, t) => {
        const socket = await websocket(server, t);
        const started = Date.now();
        const end = await socket.rest();
        const after = Date.now() - started;

        check(after > 250 && after < 700, `after ${after} ms`);
        return end;
    }, { options: ["--connect-timeout", "350"], expect: ["(closed 1005)"] });

twin("connect_timeout_counts_refusals_as_nothing", async (server, t) => {
    const socket = await websocket(server, t);

    socket.send("40/random,");
    return socket.rest();
}, {
    options: ["--connect-timeout", "350"],
    expect: ['44/random,{"message":"Invalid namespace"}', "(closed 1005)"],
});

twin("connect_timeout_ends_with_the_first_namespace", async (server, t) => {
    const socket = await joined(server, t);

    socket.send("41");
    return socket.during(600);
}, { options: ["--connect-timeout", "350"], expect: [] });

twin("connect_timeout_ends_polling_too", async (server, t) => {
    const session = await polling(server, t);
    const [status, body] = await session.polled();

    return [status, body, (await session.polled())[0]];
}, { options: ["--connect-timeout", "350"], expect: [200, "1", 400] });

/*
 * Packets out of place: they end the connection
 */

for (const [name, ...packets] of [
    ["second_connect", "40"],
    ["second_connect_to_a_namespace", "40/custom,", "40/custom,"],
    ["event_for_a_namespace_not_joined", '42/custom,["echo"]'],
    ["event_for_a_namespace_that_is_not", '42/random,["echo"]'],
    ["ack_for_a_namespace_not_joined", "43/custom,1[]"],
    ["disconnect_of_a_namespace_not_joined", "41/custom,"],
    ["second_disconnect", "41", "41"],
    ["event_after_disconnect", "41", '42["echo"]'],
    ["connect_error_from_the_client", '44{"message":"x"}'],
    ["binary_event_for_a_namespace_not_joined", `451-/custom,["echo",${
        holder(0)}]`, bin(1)],
])
    twin(`${name}_ends_the_connection`, async (server, t) => {
        const tag = uniqueTag();
        const socket = await joined(server, t, { tag });

        for (const packet of packets) {
            socket.send(packet);
            await sleep(20);
        }
        const last = (await socket.rest()).map(hideId);
        return [last, await reasonsOf(server, t, tag, 1)];
    });

for (const [name, packet] of [
    ["event", '42["echo"]'], ["ack", "430[]"], ["disconnect", "41"],
    ["connect_error", '44{"message":"x"}'], ["event_elsewhere",
    '42/custom,["echo"]'],
])
    twin(`${name}_before_connect_ends_the_connection`, async (server, t) => {
        const socket = await websocket(server, t);

        socket.send(packet);
        return socket.rest();
    }, { expect: ["(closed 1005)"] });

twin("binary_before_connect_ends_the_connection", async (server, t) => {
    const socket = await websocket(server, t);

    socket.send(bin(1, 2, 3));
    return socket.rest();
}, { expect: ["(closed 1005)"] });

twin("binary_event_before_connect_ends_the_connection",
    async (server, t) => {
        const socket = await websocket(server, t);

        socket.send(`451-["echo",${holder(0)}]`);
        socket.send(bin(1));
        return socket.rest();
    }, { expect: ["(closed 1005)"] });

twin("event_right_behind_the_connect", async (server, t) => {
    const session = await polling(server, t);
    const [status] = await session.posted(`40${RS}42["echo",1]`);

    check(status === 200, `posted ${status}`);
    return session.polled().then(([code, body]) => [code, hideId(body)]);
}, {
    ours: ([status, body]) => check(
        status === 400 || body === "1" || body.includes('42["echo",1]') ||
        body.startsWith('40{"sid"'), `${status} ${body}`),
    why: "the reference connects asynchronously and ends such a client; " +
         "serving it is as good",
});

twin("client_error_closes_a_polling_session", async (server, t) => {
    const tag = uniqueTag();
    const session = await polling(server, t, { tag });

    await session.post("40");
    await session.packets(2);
    const waiting = session.polled();
    await settle(server, t);
    await session.post("40");
    return [await waiting, (await session.polled())[0],
            await reasonsOf(server, t, tag, 1)];
}, {
    expect: [[200, "1"], 400, [["/", "forced close"]]],
});

twin("middleware_still_deciding_when_connect_comes_again",
    async (server, t) => {
        const socket = await websocket(server, t);

        socket.send('40/auth,{"token":"ok","slow":50}');
        socket.send('40/auth,{"token":"ok","slow":50}');
        return (await socket.during(300)).map(hideId);
    }, {
        ours: (messages) => check(
            messages.at(-1).startsWith("(closed") ||
            messages.filter((each) => each.startsWith("40/auth,")).length === 1,
            `${messages}`),
        why: "the reference makes two sockets of one client in a namespace",
    });

twin("event_while_the_middleware_decides", async (server, t) => {
    const socket = await websocket(server, t);

    socket.send('40/auth,{"token":"ok","slow":50}');
    socket.send('42/auth,["echo"]');
    return (await socket.during(300)).map(hideId);
}, { expect: ["(closed 1005)"] });

twin("leaving_while_the_middleware_decides", async (server, t) => {
    const socket = await websocket(server, t);

    socket.send('40/auth,{"token":"ok","slow":50}');
    socket.send("41/auth,");
    return (await socket.during(300)).map(hideId);
}, { expect: ["(closed 1005)"] });

twin("other_namespace_while_the_middleware_decides", async (server, t) => {
    const socket = await websocket(server, t);

    socket.send('40/auth,{"token":"ok","slow":50}');
    socket.send("40");
    return (await socket.during(300)).map(hideId);
}, {
    expect: ['40{"sid":"ID"}', '42["welcome","/",{}]',
             '40/auth,{"sid":"ID"}',
             '42/auth,["welcome","/auth",{"token":"ok","slow":50}]'],
});

/*
 * What does not parse ends the connection
 */

for (const [name, packet] of [
    ["empty_message", ""], ["unknown_type_7", "7"], ["unknown_type_9", "9[]"],
    ["letter_as_type", "abc"],
    // The count of attachments.
    ["no_count", `5["echo",${holder(0)}]`],
    ["no_count_but_dash", `5-["echo",${holder(0)}]`],
    ["count_0", '50-["echo"]'], ["ack_count_0", "60-1[]"],
    ["count_11", '511-["echo"]'], ["huge_count", '5999999999999-["echo"]'],
    ["negative_count", '5-1-["echo"]'],
    ["fractional_count", '51.5-["echo"]'],
    ["count_with_letters", '51x-["echo"]'],
    ["count_without_dash", "51"],
    ["plus_count", '5+11-["echo"]'],
    // CONNECT
    ["connect_with_array", "0/custom,[]"],
    ["connect_with_string", '0/custom,"x"'],
    ["connect_with_null", "0/custom,null"],
    ["connect_with_bad_json", "0/custom,{"],
    ["connect_with_rest", "0/custom,{}x"],
    // DISCONNECT
    ["disconnect_with_data", '1{"a":1}'], ["disconnect_with_array", "1[]"],
    ["disconnect_with_garbage", "1x"],
    // EVENT
    ["event_with_object", "2{}"], ["event_with_empty_array", "2[]"],
    ["event_with_string", '2"echo"'], ["event_with_null", "2null"],
    ["event_with_number", "21.5"],
    ["event_named_by_object", '2[{"toString":"x"}]'],
    ["event_named_by_array", '2[["echo"]]'],
    ["event_named_null", "2[null]"], ["event_named_true", "2[true]"],
    ["event_with_bad_json", '2["echo"'],
    ["event_with_two_values", '2["echo"]["echo"]'],
    ["event_with_trailing_comma", '2["echo",]'],
    ["event_with_bare_word", "2[echo]"],
    ["event_with_single_quotes", "2['echo']"],
    ["event_with_leading_zero", '2["echo",01]'],
    ["event_with_lone_dot", '2["echo",1.]'],
    ["event_with_raw_newline", '2["ec\nho"]'],
    ["event_with_bad_escape", '2["\\x41"]'],
    ["event_with_nan", '2["echo",NaN]'],
    ["event_with_comment", '2["echo"/**/]'],
    ["event_with_bad_id", '2abc["echo"]'],
    ["event_with_negative_id", '2-1["echo"]'],
    ["event_with_fractional_id", '21.5["echo"]'],
    ["event_with_id_and_junk", '21x["echo"]'],
    // ACK
    ["ack_with_object", "31{}"], ["ack_with_string", '31"x"'],
    ["ack_with_null", "31null"], ["ack_with_bad_json", "31["],
    // CONNECT_ERROR
    ["connect_error_with_number", "41.5"],
    ["connect_error_with_true", "4true"],
    // reserved names
    ...["connect", "connect_error", "disconnect", "disconnecting",
        "newListener", "removeListener"]
        .map((each) => [`event_named_${each}`, `2["${each}"]`]),
    ["reserved_name_with_an_id", '21["disconnect","x"]'],
    ["reserved_name_in_escapes", '2["\\u0064isconnect"]'],
])
    twin(`packet_${name}_ends_the_connection`, async (server, t) => {
        const tag = uniqueTag();
        const socket = await joined(server, t, { tag });

        socket.send(`4${packet}`);
        return [await socket.rest(), await reasonsOf(server, t, tag, 1)];
    }, { expect: [["(closed 1005)"], [["/", "forced close"]]] });

twin("bad_packet_ends_all_namespaces_of_the_client", async (server, t) => {
    const tag = uniqueTag();
    const socket = await joined(server, t, { tag });

    socket.send("40/custom,");
    await socket.take(2);
    socket.send("4x");
    return [await socket.rest(), await reasonsOf(server, t, tag, 2)];
}, {
    expect: [["(closed 1005)"],
             [["/", "forced close"], ["/custom", "forced close"]]],
});

twin("bad_packet_disturbs_nobody_else", async (server, t) => {
    const good = await joined(server, t);
    const bad = await joined(server, t);

    bad.send("42[");
    await bad.rest();
    good.send('42["echo","alive"]');
    return good.next();
}, { expect: '42["echo","alive"]' });

// Numbers that JavaScript takes for digits: ours is strict.
for (const [name, packet] of [
    ["space_as_type", '4 ["x"]'], ["tab_as_type", "4\t"],
    ["count_1e0", `451e0-["echo",${holder(0)}]`],
    ["count_0x1", `450x1-["echo",${holder(0)}]`],
    ["count_with_space", `45 1-["echo",${holder(0)}]`],
    ["space_as_id", '42 ["echo",1]'], ["bom_as_id", '42\ufeff["echo",1]'],
])
    twin(`lenient_number_${name}`, async (server, t) => {
        const socket = await joined(server, t);

        socket.send(packet);
        if (packet.startsWith("45"))
            socket.send(bin(7));
        return socket.during(250);
    }, {
        ours: (messages) => check(
            messages.length === 1 && messages[0].startsWith("(closed"),
            `${messages}`),
        why: "the reference reads numbers as JavaScript does; the protocol " +
             "knows digits only",
    });

/*
 * Oddities that are served
 */

for (const [name, packet, expect] of [
    ["event_without_arguments", '42["echo"]', '42["echo"]'],
    ["event_with_id", '427["echo",1]', "437[1]"],
    ["event_with_id_0", '420["echo",1]', "430[1]"],
    ["event_with_leading_zeros_in_its_id", '42007["echo",1]', "437[1]"],
    ["event_with_many_digits", '429007199254740991["echo"]',
     "439007199254740991[]"],
    ["event_for_the_main_namespace_by_name", '42/,["echo",1]',
     '42["echo",1]'],
    ["placeholder_in_a_plain_event", `42["echo",${holder(0)}]`,
     `42["echo",${holder(0)}]`],
    ["placeholder_with_odd_number", `42["echo",${holder(-1)}]`,
     `42["echo",${holder(-1)}]`],
    ["name_with_escapes", '42["\\u0065cho",1]', '42["echo",1]'],
    ["text_with_control_escapes", '420["text","\\u0000\\b"]',
     '430[2,8]'],
])
    twin(`packet_${name}_is_served`, async (server, t) => {
        const socket = await joined(server, t);

        socket.send(packet);
        return socket.next();
    }, { expect });

// Both servers read the same values, but may write them in their own way.
for (const [name, packet, skip] of [
    ["spaces_between_tokens", '42[ "echo" , { "a" : [ 1 , 2 ] } ]', 2],
    ["numbers_in_other_forms", '42["echo",1.0,1e2,1E+2,-0.0,0.10]', 2],
    ["escapes", '42["echo","\\u00e4\\/\\u20ac\\ud83d\\ude00\\n"]', 2],
    ["lone_surrogates", '42["echo","\\ud800","\\udc00x"]', 2],
    ["duplicate_keys", '42["echo",{"a":1,"a":2}]', 2],
    ["deep_nesting", `42["echo",${"[".repeat(50)}1${"]".repeat(50)}]`, 2],
    ["raw_delete_and_unicode", '42["echo","\x7f\u2028€😀"]', 2],
])
    twin(`packet_with_${name}_means_the_same`, async (server, t) => {
        const socket = await joined(server, t);

        socket.send(packet);
        return JSON.parse((await socket.next()).slice(skip));
    });

twin("numbers_beyond_doubles", async (server, t) => {
    const socket = await joined(server, t);

    socket.send('42["echo",12345678901234567890,1e400]');
    return (await socket.next()).slice(2);
}, {
    expect: '["echo",12345678901234567000,null]',
    ours: (text) => check(text.startsWith('["echo",1234567890123456'), text),
    why: "what is passed on unparsed keeps its digits",
});

twin("very_deep_nesting", async (server, t) => {
    const socket = await joined(server, t);

    socket.send(`42["echo",${"[".repeat(2000)}${"]".repeat(2000)}]`);
    return (await socket.next()).slice(0, 20);
}, {
    expect: '42["echo",[[[[[[[[[['.slice(0, 20),
    ours: "(closed 1005)",
    why: "depth is bounded by an option (64)",
});

for (const [name, id, expect] of [
    ["20_digits", "99999999999999999999", "100000000000000000000"],
    ["2_to_the_64", "18446744073709551616", "18446744073709552000"],
])
    twin(`ack_id_of_${name}`, async (server, t) => {
        const socket = await joined(server, t);

        socket.send(`42${id}["echo"]`);
        return socket.next();
    }, {
        expect: `43${expect}[]`,
        ours: (text) => check([`43${id}[]`, "(closed 1005)"].includes(text),
                              text),
        why: "ids of this size are no integers in JavaScript; ours keeps all " +
             "digits or refuses",
    });

for (const [name, ...packets] of [
    ["event_without_data", "42"], ["event_of_a_namespace_without_data", "42/,"],
    ["ack_of_nothing", "43[]"], ["ack_without_data", "4399"],
    ["ack_of_an_unknown_id", "43999[1]"], ["numeric_event", "42[1,2]"],
    ["ack_with_huge_id", "4399999999999999999999[]"],
    ["connect_with_an_id", "40/custom,1", null],
    ["binary_event_without_data", "451-", bin(1)],
    ["binary_ack_of_an_unknown_id", `461-5[${holder(0)}]`, bin(1)],
])
    twin(`packet_${name}_is_ignored`, async (server, t) => {
        const socket = await joined(server, t);

        for (const packet of packets.filter((each) => each !== null))
            socket.send(packet);
        if (packets.includes(null))
            await socket.take(2);
        socket.send('421["echo","alive"]');
        return socket.next();
    }, {
        expect: '431["alive"]',
        ours: (text) => check(
            text === '431["alive"]' || (
                /without_data|nothing|huge|with_an_id/.test(name) &&
                text === "(closed 1005)"), text),
        why: "a packet that lacks its data, or has an id too many, may also " +
             "be refused",
    });

twin("catch_all_sees_names", async (server, t) => {
    const socket = await joined(server, t);

    socket.send('42["",1]');
    socket.send('42["connection"]');
    socket.send('42["__proto__"]');
    socket.send('421["any-log"]');
    return socket.next();
}, { expect: '431[["","connection","__proto__","any-log"]]' });

/*
 * Attachments
 */

const attachmentCases = [
    ["binary_without_a_packet", bin(1)],
    ["text_instead_of_an_attachment", `451-["echo",${holder(0)}]`, '42["x"]'],
    ["second_header_instead_of_an_attachment", `451-["echo",${holder(0)}]`,
     `451-["echo",${holder(0)}]`],
    ["one_attachment_too_many", `451-["echo",${holder(0)}]`, bin(1), bin(2)],
    ["placeholder_beyond_the_count", `451-["echo",${holder(1)}]`, bin(1)],
    ["placeholder_negative", `451-["echo",${holder(-1)}]`, bin(1)],
    ["placeholder_as_text", `451-["echo",${holder('"0"')}]`, bin(1)],
    ["placeholder_null", `451-["echo",${holder("null")}]`, bin(1)],
    ["placeholder_true", `451-["echo",${holder("true")}]`, bin(1)],
    ["placeholder_without_num", '451-["echo",{"_placeholder":true}]', bin(1)],
    ["placeholder_huge", `451-["echo",${holder("1e308")}]`, bin(1)],
    ["second_placeholder_bad", `452-["echo",${holder(0)},${holder(2)}]`,
     bin(1), bin(2)],
];

for (const [name, ...packets] of attachmentCases)
    twin(`${name}_ends_the_connection`, async (server, t) => {
        const tag = uniqueTag();
        const socket = await joined(server, t, { tag });

        for (const packet of packets)
            socket.send(packet);
        const end = await socket.rest();
        // One event may be served before the bad message comes.
        return [end.at(-1), await reasonsOf(server, t, tag, 1)];
    }, { expect: ["(closed 1005)", [["/", "forced close"]]] });

for (const [name, header, attachments, expect] of [
    ["one", `451-["echo",${holder(0)}]`, [[1]],
     [`451-["echo",${holder(0)}]`, "<01>"]],
    ["two_in_reverse", `452-["echo",${holder(1)},${holder(0)}]`, [[1], [2]],
     [`452-["echo",${holder(0)},${holder(1)}]`, "<02>", "<01>"]],
    ["nested", `452-["echo",{"a":[${holder(0)}]},[[${holder(1)}]]]`,
     [[1], []], [`452-["echo",{"a":[${holder(0)}]},[[${holder(1)}]]]`, "<01>",
                 "<>"]],
    ["with_id", `451-12["echo",${holder(0)}]`, [[9]],
     [`461-12[${holder(0)}]`, "<09>"]],
    ["with_namespace", `451-/,["echo",${holder(0)}]`, [[9]],
     [`451-["echo",${holder(0)}]`, "<09>"]],
    ["count_01", `4501-["echo",${holder(0)}]`, [[9]], null],
])
    twin(`attachments_${name}_are_put_in_place`, async (server, t) => {
        const socket = await joined(server, t);

        socket.send(header);
        for (const each of attachments)
            socket.send(bin(...each));
        return socket.during(200);
    }, expect ? {
        expect,
        ours: (mine) => sameBinary(mine, expect),
        why: "attachments passed on may keep their numbers and their order",
    } : {
        ours: (mine, node) => check(
            JSON.stringify(mine) === JSON.stringify(node) ||
            mine[0] === "(closed 1005)", `${mine}`),
        why: "a leading zero may be refused",
    });

// The same event once the placeholders are resolved.
function sameBinary(mine, expect) {
    const resolve = ([header, ...binary]) => {
        const [, head, json] = /^(4[56]\d+-\d*)(.*)$/.exec(header);
        return [head, JSON.stringify(JSON.parse(json), (_, value) =>
            value?._placeholder ? binary[value.num] : value)];
    };
    const [a, b] = [resolve(mine), resolve(expect)].map(JSON.stringify);
    check(a === b, `${a} for ${b}`);
}

twin("placeholders_unused_or_shared_are_fine", async (server, t) => {
    const socket = await joined(server, t);

    socket.send(`452-1["types",${holder(1)},{"a":${holder(1)}},${holder(1)}]`);
    socket.send(bin(1));
    socket.send(bin(2));
    const types = await socket.next();
    socket.send('451-2["echo","no placeholder"]');
    socket.send(bin(1));
    return [types, await socket.next()];
}, {
    expect: ['431[["binary","object","binary"]]', '432["no placeholder"]'],
    ours: ([types, echo]) => {
        check(types === '431[["binary","object","binary"]]', types);
        check(/^(432|461-2)\["no placeholder"\]$/.test(echo), echo);
    },
    why: "an attachment that nothing refers to may be passed on",
});

twin("fractional_placeholder", async (server, t) => {
    const socket = await joined(server, t);

    socket.send(`451-1["types",${holder("0.5")}]`);
    socket.send(bin(1));
    return socket.next();
}, {
    expect: '431[["undefined"]]',
    ours: "(closed 1005)",
    why: "the reference finds nothing at 0.5 and hands undefined on",
});

for (const count of [1, 5, 10])
    twin(`binary_event_with_${count}_attachments`, async (server, t) => {
        const socket = await joined(server, t);
        const holders = Array.from({ length: count }, (_, i) => holder(i));

        socket.send(`45${count}-1["types",${holders}]`);
        for (let i = 0; i < count; i++)
            socket.send(bin(i));
        return socket.next();
    }, {
        expect: `431[${JSON.stringify(Array(count).fill("binary"))}]`,
    });

twin("attachments_over_polling_are_base64", async (server, t) => {
    const session = await polling(server, t);

    await session.post("40");
    await session.packets(2);
    await session.post(`452-3["echo",${holder(0)},${holder(1)}]${RS}bAQID`);
    await session.post(`bBAU=${RS}42["echo","next"]`);
    return session.packets(4);
}, {
    expect: [`462-3[${holder(0)},${holder(1)}]`, "bAQID", "bBAU=",
             '42["echo","next"]'],
});

twin("attachments_survive_the_upgrade_of_the_transport", async (server, t) => {
    const { probe } = await import("./raw.mjs");
    const session = await polling(server, t);

    await session.post("40");
    await session.packets(2);
    await session.post(`452-3["bytes",${holder(0)},${holder(1)}]${RS}bAQID`);
    const socket = await probe(session);
    socket.send("2probe");
    socket.send("5");
    await socket.next();
    socket.send(bin(4, 5));
    return socket.next();
}, { expect: "433[3,1026]" });

twin("missing_attachments_leave_the_heartbeat_alone", async (server, t) => {
    const socket = await joined(server, t);

    socket.send(`451-1["bytes",${holder(0)}]`);
    await sleep(700);
    socket.send(bin(7));
    return socket.next();
}, {
    options: ["--ping-interval", "250", "--ping-timeout", "200"],
    expect: "431[1,7]",
});

/*
 * Acknowledgements the server asked for
 */

twin("ack_ids_of_the_server_count_up", async (server, t) => {
    const socket = await joined(server, t);
    const ids = [];

    for (let i = 0; i < 3; i++) {
        socket.send('42["ask",2000,"x"]');
        const question = await socket.next();
        const [, id] = /^42(\d+)\["question","x"\]$/.exec(question);
        ids.push(Number(id));
        socket.send(`43${id}["fine"]`);
        check(await socket.next() === '42["answer","ok","fine"]', "answer");
    }
    check(ids[0] < ids[1] && ids[1] < ids[2], `${ids}`);
});

twin("ack_counts_once_and_only_from_its_socket", async (server, t) => {
    const one = await joined(server, t);
    const two = await joined(server, t);

    one.send('42["ask",2000,"x"]');
    const [, id] = /^42(\d+)\[/.exec(await one.next());
    two.send(`43${id}["stolen"]`);
    two.send('421["echo"]');
    await two.next();
    one.send(`43${id}["mine"]`);
    one.send(`43${id}["again"]`);
    one.send('421["echo"]');
    return one.take(2);
}, { expect: ['42["answer","ok","mine"]', "431[]"] });

twin("binary_ack_answers_the_server", async (server, t) => {
    const socket = await joined(server, t);

    socket.send('42["ask",2000]');
    const [, id] = /^42(\d+)\["question"\]$/.exec(await socket.next());
    socket.send(`461-${id}[{"b":${holder(0)}}]`);
    socket.send(bin(1, 2));
    return socket.take(2);
}, { expect: [`451-["answer","ok",{"b":${holder(0)}}]`, "<0102>"] });

twin("ack_without_data_answers_with_nothing", async (server, t) => {
    const socket = await joined(server, t);

    socket.send('42["ask",2000]');
    const [, id] = /^42(\d+)\[/.exec(await socket.next());
    socket.send(`43${id}`);
    return socket.next();
}, {
    expect: '42["answer","ok"]',
    ours: (text) => check(
        ['42["answer","ok"]', "(closed 1005)"].includes(text), text),
    why: "an ACK without its array may be refused",
});

twin("late_ack_is_ignored", async (server, t) => {
    const socket = await joined(server, t);

    socket.send('42["ask",60,"x"]');
    const [, id] = /^42(\d+)\[/.exec(await socket.next());
    const timeout = await socket.next();
    socket.send(`43${id}["late"]`);
    socket.send('421["echo"]');
    return [timeout, await socket.next()];
}, { expect: ['42["answer","timeout"]', "431[]"] });

/*
 * Sending
 */

twin("server_leaves_with_its_own_form_of_disconnect", async (server, t) => {
    const socket = await joined(server, t);

    socket.send("40/custom,");
    await socket.take(2);
    socket.send('42/custom,["disconnect-me",false]');
    const custom = await socket.next();
    socket.send('42["disconnect-me",false]');
    return [custom, await socket.next(), await socket.during(100)];
}, { expect: ["41/custom,", "41", []] });

twin("server_close_sends_disconnects_first", async (server, t) => {
    const socket = await joined(server, t);

    socket.send("40/custom,");
    await socket.take(2);
    socket.send('42["disconnect-me",true]');
    return (await socket.rest()).sort();
}, { expect: ["(closed 1005)", "41", "41/custom,"] });

twin("json_is_written_as_javascript_writes_it", async (server, t) => {
    const socket = await joined(server, t);

    socket.send('421["handshake"]');
    socket.send('422["later",1,{"ä\\u2028€😀\\\\\\"/\x7f":[1,null,true]}]');
    const [handshake, later] = await socket.take(2);
    // What is passed on unparsed may keep the client's escapes.
    return [handshake, JSON.parse(later.slice(3))];
});

twin("server_sends_binary_with_depth_first_numbers", async (server, t) => {
    const socket = await joined(server, t);

    socket.send('421["nested"]');
    return socket.take(7);
});

twin("volatile_is_dropped_when_no_poll_waits", async (server, t) => {
    const session = await polling(server, t);

    await session.post("40");
    await session.packets(2);
    await session.post('421["volatile","dropped"]');
    const first = await session.packets(1);
    const waiting = session.polled();
    await settle(server, t);
    await session.post('422["volatile","delivered"]');
    return [first, (await waiting)[1].split(RS)[0]];
}, { expect: [["431[]"], '42["volatile","delivered"]'] });

twin("what_is_emitted_while_disconnecting_is_sent_when_the_client_leaves",
     async (server, t) => {
         const socket = await joined(server, t);

         socket.send('421["say-goodbye"]');
         const answer = await socket.take(1);
         socket.send("41");
         return [answer, await socket.take(1)];
     }, { expect: [["431[]"],
                   ['42["late",true,1,"client namespace disconnect"]']] });

twin("what_is_emitted_while_disconnecting_is_sent_when_the_server_ends_it",
     async (server, t) => {
         const socket = await joined(server, t);

         socket.send('421["say-goodbye"]');
         const answer = await socket.take(1);
         socket.send('42["disconnect-me",false]');
         return [answer, await socket.take(2)];
     }, { expect: [["431[]"],
                   ["41",
                    '42["late",true,1,"server namespace disconnect"]']] });

await finish();
