// The judge of histories is judged: it finds each fault that is put into a good
// history, and nothing in the good one.
import { check, finish, test } from "../interop/harness.mjs";
import { count, judge } from "./history.mjs";

/* Two sources, three clients; client 0 is told of a gap, client 1 is recovered
 * with what it missed, client 2 stays. */
function goodHistory() {
    const sources = { a: {}, b: { killed: true, endedAt: 5000 } };
    const sent = [];
    const clients = [0, 1, 2].map((i) => ({
        name: `c${i}`, addresses: ["all", `room${i % 2}`, `c${i}`],
        log: [["up", 50, false]],
    }));
    const targets = ["all", "room0", "c1", "all", "room1", "c0", "c2"];
    const told = [25, 30];  /* steps that client 0 misses */
    const away = [40, 45];  /* steps that client 1 gets later */
    const replay = [];

    for (let step = 0; step < 70; step++) {
        const at = 100 + step * 100;
        const to = targets[step % targets.length];
        const source = step % 2 === 0 || at > 5000 ? "a" : "b";
        const seq = sent.filter((one) => one.source === source).length + 1;
        const packet = ["got", source, seq, `${at}-0`];

        sent.push({ source, seq, at, to });
        if (source === "b" && at > 4800) continue; /* nobody heard it */
        if (step === told[0]) clients[0].log.push(["down", at - 20]);
        if (step === told[1]) clients[0].log.push(["up", at - 20, false]);
        if (step === away[0]) clients[1].log.push(["down", at - 20]);
        if (step === away[1])
            clients[1].log.push(...replay, ["up", at - 20, true]);
        for (const [i, client] of clients.entries()) {
            if (!client.addresses.includes(to)) continue;
            if (i === 0 && step >= told[0] && step < told[1]) continue;
            if (i === 1 && step >= away[0] && step < away[1])
                replay.push(packet);
            else
                client.log.push(packet);
        }
    }
    return { sources, sent, clients };
}

const packetsOf = (client) => client.log.filter(([what]) => what === "got");

function kindsAfter(change) {
    const history = goodHistory();

    change(history, history.clients);
    return count(judge(history).problems);
}

function finds(name, kinds, change) {
    test(name, () => {
        const found = kindsAfter(change);
        check(JSON.stringify(found) === JSON.stringify(kinds),
            `found ${JSON.stringify(found)}`);
    });
}

finds("a_good_history_is_good", {}, () => {});

test("a_good_history_is_counted", () => {
    const result = judge(goodHistory());

    check(result.expected === result.received + result.told,
        JSON.stringify(result));
    check(result.told === 3 && result.recovered === 1 && result.renewed === 1,
        JSON.stringify(result));
});

const remove = (client, packet) =>
    client.log.splice(client.log.indexOf(packet), 1);

finds("a_packet_that_was_dropped_is_found", { lost: 1 }, (_, clients) => {
    remove(clients[2], packetsOf(clients[2])[10]);
});

test("each_single_drop_is_found", () => {
    for (const i of [0, 1, 2])
        for (let k = 0; k < packetsOf(goodHistory().clients[i]).length; k++) {
            const found = kindsAfter((_, clients) => {
                remove(clients[i], packetsOf(clients[i])[k]);
            });
            /* What came last before a gap that was told may be in the gap. */
            const sum = (found.lost ?? 0) + (found.untold ?? 0);
            const { log } = goodHistory().clients[i];
            const at = log.indexOf(packetsOf({ log })[k]);
            const source = log[at][1];
            /* The last words of a killed source may be lost. */
            if (source === "b" && parseInt(log[at][3]) > 3500) continue;
            const rest = log.slice(at + 1);
            const down = rest.findIndex(([what]) => what === "down");
            const isLastOfSession = i === 0 && down >= 0 && !rest
                .slice(0, down).some(([, name]) => name === source);
            check(sum === (isLastOfSession ? 0 : 1), `client ${i}, ${k}: ` +
                JSON.stringify(found));
        }
});

finds("a_packet_that_came_twice_is_found", { doubled: 1 }, (_, clients) => {
    clients[2].log.push(packetsOf(clients[2])[10]);
});

finds("a_packet_that_came_twice_in_two_sessions_is_found", { doubled: 1 },
    (_, clients) => {
        clients[0].log.push(packetsOf(clients[0])[0]);
    });

finds("two_packets_of_a_source_in_the_wrong_order_are_found",
    { unordered: 1, reordered: 1 }, (_, clients) => {
        const { log } = clients[2];
        const last = log.pop();
        const before = log.pop();
        log.push(last, before);
    });

finds("the_order_of_a_source_is_seen_without_offsets", { reordered: 1 },
    (_, clients) => {
        const { log } = clients[2];
        const last = log.pop().slice(0, 3);
        const before = log.pop().slice(0, 3);
        log.push(last, before);
    });

finds("two_packets_of_two_sources_against_the_stream_are_found",
    { unordered: 1 }, (_, clients) => {
        const { log } = clients[2];
        const i = log.findIndex(([what, source], k) => what === "got" &&
            log[k + 1]?.[0] === "got" && log[k + 1][1] !== source);
        log.splice(i, 2, log[i + 1], log[i]);
    });

finds("a_packet_for_somebody_else_is_found", { foreign: 1 },
    ({ sent }, clients) => {
        const { source, seq } = sent.find(({ to }) => to === "c1");
        clients[2].log.splice(1, 0, ["got", source, seq, null]);
    });

finds("a_packet_that_nobody_sent_is_found", { forged: 1 }, (_, clients) => {
    clients[2].log.push(["got", "a", 999, null]);
});

finds("a_connect_that_is_falsely_recovered_is_found", { untold: 3 },
    (_, clients) => {
        clients[0].log.find(([what, , recovered], i) =>
            i > 0 && what === "up" && !recovered)[2] = true;
    });

finds("a_recovery_that_forgets_one_is_found", { untold: 1 }, (_, clients) => {
    const { log } = clients[1];
    const down = log.findIndex(([what]) => what === "down");
    log.splice(down + 1, 1);
});

finds("a_client_that_stays_away_is_found", { away: 1 }, (_, clients) => {
    clients[0].log.push(["down", 8000]);
});

finds("a_client_that_came_too_late_and_got_nothing_is_found", { lost: 11 },
    (history, clients) => {
        history.sent.forEach((one) => { one.at += 1000; });
        clients.length = 1;
        clients[0].log = [["up", 6000, false]];
        history.sources.b = {};
    });

finds("what_a_killed_source_said_last_to_some_is_lost_to_the_others",
    { lost: 2 }, ({ sent }, clients) => {
        const { source, seq } = sent.findLast((one) =>
            one.source === "b" && one.to === "all");
        clients[2].log.push(["got", source, seq, null]);
    });

finds("what_a_killed_source_said_earlier_is_not_excused", { lost: 4 },
    (history, clients) => {
        for (const client of clients)
            client.log = client.log.filter(([what, source, seq]) =>
                what !== "got" || source !== "b" || seq < 16);
    });

await finish();
