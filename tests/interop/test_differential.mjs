// Generated requests, payloads and packets, valid ones and nearly valid ones,
// to both servers: what comes back must mean the same, or be a difference that
// differences.mjs lists.
//
//   SKIO_SEED     of the generator; 0 takes the time of day (default: 1)
//   SKIO_CASES    how many in all (default: 2000)
//   SKIO_LEAST    how many of them whatever time it takes (default: all)
//   SKIO_SECONDS  begin no others after so long (default: no end)
//   SKIO_CASE     play this case alone; a failure prints the line to do so

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { check, finish, need, privateServer, test } from "./harness.mjs";
import { repository } from "./npm.mjs";
need("socket.io", "ws");
const { generator, pollingCase, requestCase, socketCase } =
    await import("./generate.mjs");
const { Player } = await import("./player.mjs");
const { differenceOf, differences } = await import("./differences.mjs");

const seed = Number(process.env.SKIO_SEED ?? 1) || Date.now() % 1000000;
const total = Number(process.env.SKIO_CASES ?? 2000);
const least = Number(process.env.SKIO_LEAST ?? total);
const end = Date.now() + 1000 * Number(process.env.SKIO_SECONDS ?? 86400);
const ROUND = 200;
const REPORTS = 8;

const eio3 = ["--eio3"];
const all = ["polling", "polling", "websocket", "upgraded"];
const groups = [
    ...[[4, []], [3, eio3]].flatMap(([eio, options]) => [
        ...["websocket", "upgraded"].map((via) => ({
            name: `packets_of_protocol_${eio}_${via}`, options,
            share: via === "websocket" ? 4 : 1,
            draw: (random) => socketCase(random, eio, via),
        })),
        { name: `payloads_of_protocol_${eio}`, options, share: 3,
          draw: (random) => pollingCase(random, eio) },
    ]),
    ...[["by_default", [], all], ["of_old_clients", eio3, all],
        ["with_cors", ["--cors", "http://a.example,http://b.example"], all],
        ["without_websocket", ["--transports", "polling"], ["polling"]],
        ["without_polling", ["--transports", "websocket"], ["websocket"]],
    ].map(([name, options, sessions]) => ({
        name: `requests_${name}`, options, share: 1,
        control: sessions.includes("websocket") ? "websocket" : "polling",
        draw: (random) => requestCase(random, sessions),
    })),
];
const shares = groups.reduce((sum, { share }) => sum + share, 0);

/*
 * Both servers
 */

class Pair {
    // wrong  Options that our server gets and the reference does not.
    static async start(t, { options = [], control }, wrong = []) {
        const pair = new Pair();

        Object.assign(pair, { options, control });
        pair.servers = await Promise.all([["ours", [...options, ...wrong]],
                                          ["node", options]].map(
            ([side, given]) => privateServer(t, side, "interop", given)));
        return pair;
    }

    // true where both did the same, or the name of the difference
    verdict(each, [mine, node]) {
        return isDeepStrictEqual(mine, node) ||
            differenceOf(each, this.options, mine, node);
    }

    // What each of them makes of the cases: [ours, node] for each.
    async play(cases) {
        const [ours, node] = await Promise.all(this.servers.map(
            async (server) => {
                const undo = [];
                const results = [];

                try {
                    const player = await Player.open(
                        server, { after: (fn) => undo.push(fn) },
                        this.control);
                    for (const [i, each] of cases.entries()) {
                        results.push(await player.play(each, i)
                            .catch((error) => {
                                throw new Error(`${server.side}: ${
                                    error.message}: ${JSON.stringify(each)
                                    .slice(0, 2000)}`);
                            }));
                    }
                } finally {
                    for (const fn of undo.reverse())
                        fn();
                }
                return results;
            }));
        return cases.map((_, i) => [ours[i], node[i]]);
    }
}

// The steps of a case that are needed for the servers to differ.
async function shrink(pair, each) {
    const differs = async (one) => {
        const [got] = await pair.play([one]);
        return !pair.verdict(one, got);
    };
    let small = each;

    if (!await differs(each))
        return null;
    for (let i = (each.steps?.length ?? 0) - 1; i >= 0; i--) {
        const one = { ...small, steps: small.steps.filter((_, j) => j !== i) };
        if (one.steps.length > 0 && await differs(one))
            small = one;
    }
    return small;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const short = (value) => {
    const text = JSON.stringify(value);
    return text.length > 600 ? `${text.slice(0, 600)}…` : text;
};

async function explain(pair, group, each, got) {
    const small = await shrink(pair, each).catch(() => null);
    const [mine, node] = small ? (await pair.play([small]))[0] : got;

    return [
        `${group.name}: ${small ? "" : "only behind other cases: "}`,
        `  SKIO_CASE=${quoted(JSON.stringify(
            { options: group.options, control: group.control,
              ...small ?? each }))} ` +
        "node tests/interop/test_differential.mjs",
        `  ours: ${short(mine)}`, `  node: ${short(node)}`,
    ].join("\n");
}

/*
 * The groups
 */

const used = new Map();

async function playGroup(t, group, number) {
    const random = generator(seed * 100 + number);
    const part = (count) => Math.ceil(count * group.share / shares);
    const pair = await Pair.start(t, group);
    const reports = [];
    let played = 0, equal = 0, wrong = 0;

    while (played < part(total) && reports.length < REPORTS &&
           (played < part(least) || Date.now() < end)) {
        const cases = random.list(Math.min(ROUND, part(total) - played),
                                  () => group.draw(random));
        for (const [i, got] of (await pair.play(cases)).entries()) {
            const verdict = pair.verdict(cases[i], got);
            if (verdict === true)
                equal++;
            else if (verdict)
                used.set(verdict, (used.get(verdict) ?? 0) + 1);
            else if (wrong++ < REPORTS)
                reports.push(await explain(pair, group, cases[i], got));
        }
        played += cases.length;
    }
    console.log(`# ${group.name}: ${played} played, ${equal} equal, seed ${
        seed}`);
    check(wrong === 0, `${wrong} of ${played} differ, seed ${seed}\n${
        reports.join("\n")}`);
}

if (process.env.SKIO_CASE) {
    const { options, control, ...each } = JSON.parse(process.env.SKIO_CASE);

    test("case", async (t) => {
        const pair = await Pair.start(t, { options, control });
        const [got] = await pair.play([each]);

        for (const [i, who] of ["ours", "node"].entries())
            console.log(`# ${who}: ${JSON.stringify(got[i])}`);
        console.log(`# ${pair.verdict(each, got)}`);
        check(pair.verdict(each, got), "they differ");
    }, { timeout: 60000 });
    await finish();
}

for (const [number, group] of groups.entries())
    test(group.name, (t) => playGroup(t, group, number),
         { timeout: 3600000, timed: false });

/*
 * The test of the test
 */

// Ours is given an option that the reference is not: no list may hide it.
const payloads = (random) => pollingCase(random, 4);
const requests = (random) => requestCase(random, ["polling"]);
for (const [what, wrong, draw] of [
    ["smaller_payloads", ["--max-payload", "60"], payloads],
    ["no_upgrades", ["--no-upgrades"], requests],
    ["a_cookie", ["--cookie", "io"], requests],
    ["old_clients", eio3, requests],
])
    test(`a_server_with_${what}_is_found_out`, async (t) => {
        const pair = await Pair.start(t, {}, wrong);
        const random = generator(7);
        const cases = random.list(80, () => draw(random));
        const got = await pair.play(cases);

        check(cases.some((each, i) => !pair.verdict(each, got[i])),
              "nothing differed");
    }, { timeout: 60000 });

test("differences_are_told_in_the_manual", () => {
    const manual = readFileSync(`${repository}/man/skio_protocol.7`, "utf8")
        .replace(/^\.(Ql|Dv|Va|Fn) (.*?)( ([.,;]))?$/gm, "$2$4")
        .replace(/\s+/g, " ");
    const missing = differences.filter(({ manual: text }) =>
        !manual.includes(text)).map(({ name }) => name);

    for (const [name, number] of [...used].sort())
        console.log(`# ${number} cases of ${name}`);
    check(missing.length === 0, `not in the manual: ${missing.join(", ")}`);
});

await finish();
