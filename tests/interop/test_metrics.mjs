// Metrics as Prometheus reads them, under stock clients on every transport:
// the counters are what was done, nothing that a client sends is a label, the
// number of series has its bound, and promtool has nothing to say.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { get } from "node:http";
import { resolve } from "node:path";
import { check, deadline, finish, need, privateServer, require, same, sleep,
         test } from "./harness.mjs";
import { repository } from "./npm.mjs";
need("socket.io-client");
const { modes } = await import("./client4.mjs");

const { io } = require("socket.io-client");
const WAIT_MS = 20000;
const fetched = resolve(process.env.SKIO_BUILD ?? `${repository}/build`,
                        "tools/promtool");
const promtool = existsSync(fetched) ? fetched : "promtool";
const hasPromtool = spawnSync(promtool, ["--version"]).status === 0;

const serve = (t, ...options) =>
    privateServer(t, "ours", "metrics", options.map(String));

// Resolves with the status, the headers and the body.
function ask(server, headers = {}, options = {}) {
    return deadline(new Promise((done, failed) => {
        get(`${server.url}/metrics`, { agent: false, headers, ...options },
            (response) => {
                let body = "";
                response.setEncoding("utf8")
                    .on("data", (text) => { body += text; })
                    .on("end", () => done({ status: response.statusCode, body,
                                            headers: response.headers }));
            }).on("error", failed);
    }), WAIT_MS, "the metrics");
}

// Samples by their name and labels as they stand: 'a{b="c"}' -> 1.
function parse(text) {
    const samples = new Map();

    for (const line of text.split("\n")) {
        if (line === "" || line.startsWith("#"))
            continue;
        const [, series, value] = /^(.*) (\S+)$/.exec(line);
        check(!samples.has(series), `${series} is there twice`);
        check(Number.isFinite(Number(value)), line);
        samples.set(series, Number(value));
    }
    return samples;
}

async function scrape(server) {
    const { status, body } = await ask(server);

    same(status, 200);
    return parse(body);
}

async function until(what, question) {
    for (let left = WAIT_MS; left > 0; left -= 20) {
        const answer = await question();
        if (answer)
            return answer;
        await sleep(20);
    }
    throw new Error(`${what}: not within ${WAIT_MS} ms`);
}

const received = (event, nsp = "/") =>
    `socket_io_events_received_total{namespace="${nsp}",event="${event}"}`;
const sent = (event, nsp = "/") =>
    `socket_io_events_sent_total{namespace="${nsp}",event="${event}"}`;
const of = (name, nsp = "/") => `socket_io_${name}{namespace="${nsp}"}`;
const gone = (reason, nsp = "/") => "socket_io_disconnect_total" +
    `{namespace="${nsp}",reason="${reason}"}`;

// A client that has connected, and upgraded where that is its way.
async function join(server, t, mode, nsp = "/") {
    const socket = io(server.url + nsp, {
        ...modes[mode], forceNew: true, reconnection: false, timeout: WAIT_MS,
    });
    t.after(() => socket.disconnect());
    await deadline(new Promise((done, failed) => {
        socket.on("connect", done).on("connect_error", failed);
    }), WAIT_MS, "to connect");
    await until("the upgrade", () =>
        mode !== "upgrade" || socket.io.engine.transport.name === "websocket");
    return socket;
}

const echo = (socket, ...args) =>
    socket.timeout(WAIT_MS).emitWithAck(...args);

function judge(text) {
    const said = spawnSync(promtool, ["check", "metrics"],
                           { input: text, encoding: "utf8" });

    same([said.status, said.stdout, said.stderr], [0, "", ""]);
}

test("counters_are_what_stock_clients_did", async (t) => {
    const server = await serve(t, "--durations");
    const sockets = [
        await join(server, t, "polling"),
        await join(server, t, "websocket"),
        await join(server, t, "upgrade"),
        await join(server, t, "websocket", "/static"),
        await join(server, t, "polling", "/room-1"),
        await join(server, t, "websocket", "/room-2"),
    ];
    const [first, second] = sockets;

    for (const socket of sockets)
        for (let i = 0; i < 10; i++)
            await echo(socket, "echo", i, Buffer.from([1, 2, 3]));
    await echo(first, "join", "red");
    await echo(second, "join", "red");
    await echo(second, "join", "blue");
    await echo(second, "leave", "blue");
    await echo(first, "all");
    await echo(sockets[5], "all");
    const left = until("its end", () => second.disconnected);
    second.emit("kick");
    await left;
    sockets[4].disconnect();

    const is = await until("the polling client's end", async () => {
        const samples = await scrape(server);
        return samples.get(of("connected", "/room-*")) === 1 && samples;
    });
    same({
        echoes: ["/", "/static", "/room-*"].map((nsp) =>
            is.get(received("echo", nsp))),
        joins: is.get(received("join")),
        other: is.get(received("other")),
        news: [is.get(sent("news")), is.get(sent("news", "/room-*"))],
        gossip: [is.get(sent("gossip")), is.get(sent("other"))],
        connected: ["/", "/static", "/room-*"].map((nsp) =>
            is.get(of("connected", nsp))),
        connects: ["/", "/static", "/room-*"].map((nsp) =>
            is.get(of("connect_total", nsp))),
        kicked: is.get(gone("server namespace disconnect")),
        left: is.get(gone("client namespace disconnect", "/room-*")),
        rooms: [is.get(of("rooms")), is.get(of("rooms", "/static"))],
        opened: is.get("socket_io_sessions_opened_total"),
        upgrades: is.get("socket_io_upgrades_total"),
        handled: is.get("socket_io_handler_duration_seconds_count" +
            '{namespace="/",event="echo"}'),
    }, {
        echoes: [30, 10, 20], joins: 3, other: 0, news: [1, 1],
        gossip: [undefined, 1], connected: [2, 1, 1], connects: [3, 1, 2],
        kicked: 1, left: 1, rooms: [1, 0], opened: 6, upgrades: 1, handled: 30,
    });
    check(is.get("socket_io_receive_bytes_total") > 60 * 10, "bytes in");
    check(is.get("socket_io_transmit_bytes_total") > 60 * 10, "bytes out");
    check(is.get("socket_io_packets_received_total") > 130, "packets in");
    check(is.get("socket_io_packets_sent_total") > 130, "packets out");
    await until("a heartbeat", async () =>
        (await scrape(server)).get("socket_io_heartbeats_total") > 0);
    same((await scrape(server))
        .get('socket_io_sessions{transport="websocket"}') <= 4, true);
}, { timeout: 60000 });

test("what_a_client_sends_is_no_label", async (t) => {
    const server = await serve(t);
    const socket = await join(server, t, "websocket");
    const names = ["x\"} 1\nevil{a=\"b", "\\", "", "ütf", "\u0000", "other",
                   "echo\u0000", "x".repeat(500)];
    const before = await scrape(server);

    for (let i = 0; i < 200; i++)
        socket.emit(`hostile${i}`);
    for (const name of names) {
        socket.emit(name);
        await echo(socket, "relay", name);
    }
    for (const reason of ["no\"1", "no\n2"])
        await deadline(new Promise((done) => {
            const refused = io(`${server.url}/${reason}`, {
                forceNew: true, reconnection: false,
            });
            t.after(() => refused.disconnect());
            refused.on("connect_error", done);
        }), WAIT_MS, "a refusal");
    const after = await scrape(server);

    same(after.get(received("other")), 200 + names.length);
    same(after.get(received("relay")), names.length);
    // What cannot be a name in C was not sent.
    same(after.get(sent("other")),
         names.filter((name) => !name.includes("\u0000")).length);
    same([...after.keys()].filter((series) => !before.has(series)
        && !/event="(echo|relay|all|join|leave|kick|a \\"b\\\\c\\nd)"/
            .test(series)), []);
    check([...after.keys()].every((series) => !/hostile|evil|ütf/
        .test(series)), "a client's word is a label");
    if (hasPromtool)
        judge((await ask(server)).body);
});

test("names_of_the_application_are_escaped", async (t) => {
    const server = await serve(t);
    const socket = await join(server, t, "websocket");

    await echo(socket, "a \"b\\c\nd");
    same((await scrape(server)).get(received("a \\\"b\\\\c\\nd")), 1);
});

// Seven events are there in each namespace; of the three spaces "/" is first.
test("events_beyond_the_bound_are_other", async (t) => {
    const server = await serve(t, "--events", 3, "--max-events", 9);
    const socket = await join(server, t, "websocket");
    const elsewhere = await join(server, t, "websocket", "/static");
    const own = async () => [...(await scrape(server)).keys()].filter(
        (series) => series.startsWith("socket_io_events_received")
            && !series.includes('event="other"'));

    for (const event of ["event0", "event1", "event2", "echo"])
        await echo(socket, event);
    await echo(elsewhere, "echo");
    const is = await scrape(server);
    const all = (nsp) => [...is].filter(([series]) => series.startsWith(
        `socket_io_events_received_total{namespace="${nsp}"`))
        .reduce((sum, [, value]) => sum + value, 0);

    same((await own()).length, 9);
    same(is.get("socket_io_metrics_events"), 9);
    same([all("/"), all("/static")], [4, 1]);
    same(is.get(received("other", "/static")), 1);

    // One more makes no series: it is counted all the same.
    await echo(elsewhere, "echo");
    same((await own()).length, 9);
    same((await scrape(server)).get(received("other", "/static")), 2);
});

test("namespaces_beyond_the_bound_are_other", async (t) => {
    const server = await serve(t, "--max-namespaces", 2);
    const sockets = [await join(server, t, "websocket"),
                     await join(server, t, "websocket", "/static"),
                     await join(server, t, "websocket", "/room-1")];

    for (const socket of sockets)
        await echo(socket, "echo");
    const is = await scrape(server);
    const names = new Set([...is.keys()].flatMap((series) =>
        /namespace="([^"]*)"/.exec(series)?.[1] ?? []));

    same(is.get("socket_io_metrics_namespaces"), 2);
    same(names.size, 3);
    check(names.has("other"), "where is the rest?");
    same([...names].reduce((sum, nsp) => sum + is.get(of("connected", nsp)), 0),
         3);
    check(is.get(received("other", "other")) >= 1, "the rest's events");
});

// Whatever comes and goes, there are no more series, and nothing is lost.
test("namespaces_on_demand_are_counted_when_they_have_gone", async (t) => {
    const server = await serve(t);
    const counted = [];

    for (let i = 0; i < 20; i++) {
        const socket = await join(server, t, "websocket", `/room-${i}`);
        await echo(socket, "echo");
        socket.emit("nothing");
        await echo(socket, "echo");
        socket.disconnect();
        counted.push((await scrape(server)).size);
    }
    const is = await until("all have left", async () => {
        const samples = await scrape(server);
        return samples.get(of("connected", "/room-*")) === 0 && samples;
    });
    same([is.get(received("echo", "/room-*")),
          is.get(received("other", "/room-*"))], [40, 20]);
    same(new Set(counted.slice(1)).size, 1);
}, { timeout: 30000 });

test("refused_requests_count_by_their_code", async (t) => {
    const server = await serve(t);
    const fails = async (query) => {
        check((await fetch(`${server.url}/socket.io/?${query}`)).status >= 400,
              query);
    };

    await fails("EIO=4&transport=pigeon");
    await fails("EIO=4&transport=polling&sid=nobody");
    await fails("EIO=4&transport=polling&sid=none");
    await fails("EIO=9&transport=polling");
    const is = await scrape(server);
    same([0, 1, 2, 3, 4, 5, "busy"].map((code) =>
        is.get(`socket_io_requests_refused_total{code="${code}"}`)),
         [1, 2, 0, 0, 0, 1, 0]);
});

test("peers_that_a_limit_stops_count_by_its_name", async (t) => {
    const server = await serve(t, "--limits");
    const hits = async () => new Map([...await scrape(server)].flatMap(
        ([series, value]) => {
            const limit = /^socket_io_limits_total\{limit="(.*)"\}$/
                .exec(series);
            return limit ? [[limit[1], value]] : [];
        }));
    const met = async () => [...await hits()].filter(([, n]) => n > 0)
        .map(([limit, n]) => `${limit} ${n}`).sort();
    const names = [...(await hits()).keys()];
    const first = await join(server, t, "websocket");
    const second = await join(server, t, "websocket");

    // All are there from the first, by the options' names and no other.
    check(names.length > 15 && names.every((name) => /^[a-z_]+$/.test(name)),
          names.join());
    same(await met(), []);
    for (let i = 0; i < 3; i++)
        same((await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`))
            .status, 503);
    same(await met(), ["max_connections_per_address 3"]);
    const refused = first.io.socket("/static");
    const error = deadline(new Promise((done) => {
        refused.on("connect_error", ({ message }) => done(message));
    }), WAIT_MS, "a refusal");
    same(await error, "Too many namespaces");
    const gone = until("its end", () => second.disconnected);
    second.emit("echo", "x".repeat(1000));
    await gone;
    same(await met(), ["max_connections_per_address 3",
                       "max_http_buffer_size 1", "max_namespaces 1"]);
    const is = await scrape(server);
    same([is.get("socket_io_limits_hit_total"), [...(await hits()).keys()]],
         [5, names]);
    if (hasPromtool)
        judge((await ask(server)).body);
});

test("only_this_machine_may_ask_unless_told_otherwise", async (t) => {
    const server = await serve(t);

    same((await ask(server)).status, 200);
    same((await ask({ url: server.url.replace("127.0.0.1", "[::1]") })).status,
         200);
    for (const name of ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
        same((await ask(server, { [name]: "127.0.0.1" })).status, 403);
    // By a proxy that is trusted, which names another client.
    same((await ask(server, { "X-Forwarded-For": "198.51.100.7" },
                    { localAddress: "127.0.0.9" })).status, 403);
    const refused = await ask(server, { Via: "1.1 proxy" });
    same(refused.headers["cache-control"], "no-store");
    check(!refused.body.includes("socket_io"), "a refusal tells");
});

test("who_has_the_token_may_ask", async (t) => {
    const server = await serve(t, "--token", "s3cret");
    const status = async (authorization) =>
        (await ask(server, authorization ? { authorization } : {})).status;
    const wrong = [undefined, "Bearer", "Bearer ", "Bearer s3cre",
                   "Bearer s3crett", "Bearer S3cret", "Basic s3cret", "s3cret"];

    for (const each of wrong)
        same([each, await status(each)], [each, 401]);
    same((await ask(server)).headers["www-authenticate"], "Bearer");
    same(await status("Bearer s3cret"), 200);
    same(await status("bearer   s3cret"), 200);
});

test("the_application_may_judge", async (t) => {
    const server = await serve(t, "--allow");

    same((await ask(server)).status, 403);
    same((await ask(server, { "X-Who": "operator", "Via": "x" })).status, 200);
});

test("health_is_served_beside_it", async (t) => {
    const server = await serve(t);

    same([(await fetch(`${server.url}/healthz`)).status,
          (await fetch(`${server.url}/readyz`)).status,
          (await fetch(`${server.url}/metrics`, { method: "HEAD" })).status,
          (await fetch(`${server.url}/metrics`, { method: "POST" })).status],
         [200, 200, 200, 405]);
});

test("open_metrics_is_for_who_accepts_it", async (t) => {
    const server = await serve(t, "--durations");
    const plain = await ask(server, { accept: "text/plain" });
    const open = await ask(server, {
        accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    });

    same(plain.headers["content-type"],
         "text/plain; version=0.0.4; charset=utf-8");
    same(open.headers["content-type"],
         "application/openmetrics-text; version=1.0.0; charset=utf-8");
    check(open.body.endsWith("\n# EOF\n"), "no end");
    check(open.body.includes("\n# TYPE socket_io_connect counter\n"), "a type");
    check(plain.body.includes("\n# TYPE socket_io_connect_total counter\n"),
          "a type");
    const moving = /^(process_|socket_io_uptime)/;
    same([...parse(open.body).keys()].filter((name) => !moving.test(name)),
         [...parse(plain.body).keys()].filter((name) => !moving.test(name)));
});

// Of the process, as the system knows it.
test("process_samples_are_the_systems", async (t) => {
    const server = await serve(t);
    const is = await scrape(server);
    const start = is.get("process_start_time_seconds");

    check(Math.abs(Date.now() / 1000 - start) < 60, `started at ${start}`);
    check(is.get("process_resident_memory_bytes") > 1e6, "memory");
    check(is.get("process_cpu_seconds_total") > 0, "cpu");
    check(is.get("process_open_fds") >= 5, "descriptors");
    check(is.get("socket_io_uptime_seconds") > 0, "uptime");
    same((await scrape(server)).get("process_start_time_seconds"), start);
});

// Scraped all the while, by both formats, and clean each time.
test("scrapes_under_load_are_clean", async (t) => {
    const server = await serve(t, "--durations");
    const sockets = await Promise.all(["polling", "websocket", "upgrade"]
        .flatMap((mode) => ["/", "/static", "/room-1"].map((nsp) =>
            join(server, t, mode, nsp))));
    let last = 0;

    for (let round = 0; round < 10; round++) {
        const work = sockets.map(async (socket) => {
            for (let i = 0; i < 10; i++)
                await echo(socket, "echo", "x".repeat(100));
        });
        const { status, body } = await ask(server);
        const is = parse(body);
        const now = is.get(received("echo"));

        same(status, 200);
        check(now >= last, "a counter went back");
        last = now;
        if (hasPromtool && round % 5 === 0)
            judge(body);
        await Promise.all(work);
    }
    same((await scrape(server)).get(received("echo")), 300);
    check(!process.env.SKIO_NEED_PROMTOOL || hasPromtool, "no promtool");
}, { timeout: 60000 });

await finish();
