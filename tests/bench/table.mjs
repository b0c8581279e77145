// The results as tables: lists of rows of text, printed or put on the page.
import { figure, rows } from "./rows.mjs";

/** Three digits that matter. */
export const number = (value) =>
    value === undefined || !Number.isFinite(value) ? "-"
    : value >= 1e6 ? `${(value / 1e6).toFixed(2)}M`
    : value >= 1e5 ? `${(value / 1e3).toFixed(0)}k`
    : value >= 1e4 ? `${(value / 1e3).toFixed(1)}k`
    : value >= 100 ? value.toFixed(0)
    : value >= 10 ? value.toFixed(1) : value.toFixed(2);
const ratio = (value) => Number.isFinite(value) ? value.toFixed(2) : "-";
const latencies = (result) => result === undefined ? "-"
    : [result.p50_us, result.p99_us, result.p999_us].map(number).join("/");

/**
 * One block: a figure of each server, and ours next to the floor and to the
 * best peer. value(row, result); best: Math.min, or Math.max where more is
 * better; cell: how one is shown.
 */
function block(title, data, wanted, value, best, cell = (row, result) =>
    number(value(row, result))) {
    const names = data.servers.map(({ name }) => name);
    const body = [];

    for (const row of rows.filter((row) => !row.ours && wanted(row))) {
        const results = data.results[row.name];
        const own = results && value(row, results.ours);

        if (!results) continue;
        const peers = names.filter((name) => name !== "floor" && name !== "ours")
            .map((name) => value(row, results[name])).filter((it) => it > 0);
        body.push([row.name, ...names.map((name) => cell(row, results[name])),
            ratio(own / value(row, results.floor)),
            peers.length > 0 ? ratio(own / best(...peers)) : "-"]);
    }
    return { title, head: ["", ...names, "x floor", "x peer"], body };
}

function alone(data) {
    const body = rows.filter(({ ours, name, what }) =>
        ours && what !== "mixed" && data.results[name]?.ours).map((row) => {
        const result = data.results[row.name].ours;

        return row.what === "memory"
            ? [row.name, "-", "-", "-", number(result.memory)]
            : [row.name, number(result.rate), number(result.cpu_us),
                latencies(result), "-"];
    });

    return { title: "Ours: cores and receive buffers",
        head: ["", "per second", "CPU µs", "p50/p99/p999 µs", "bytes"], body };
}

function heartbeat(data) {
    const body = rows.filter(({ name, what }) =>
        what === "mixed" && data.results[name]?.ours).map(({ name }) => {
        const { count, websocket_pings, poll_pings, p50_us, p99_us, p999_us } =
            data.results[name].ours;

        return [name, ...[count, websocket_pings + poll_pings, p50_us, p99_us,
            p999_us].map(number)];
    });

    return { title: "Ours: an echo among 15,000 connections on both transports",
        head: ["", "echoes", "pings", "p50 µs", "p99 µs", "p999 µs"], body };
}

/** All blocks that have rows. data: as JSON=FILE keeps it. */
export function tables(data) {
    const timed = ({ what }) => what === "cpu";
    const busy = (result) => result?.load_busy > 0.9 ? "*" : "";

    return [
        block("Server CPU for an operation, µs", data, timed,
            figure, Math.min),
        block("Bytes for a connection", data, ({ what }) => what === "memory",
            figure, Math.min),
        block("Operations per second (*: the load generator was at its limit)",
            data, timed, (row, result) => result?.rate, Math.max,
            (row, result) => number(result?.rate) + busy(result)),
        block("Latency, p50/p99/p999 in µs (ratios: of p99)", data, timed,
            (row, result) => result?.p99_us, Math.min,
            (row, result) => latencies(result)),
        alone(data),
        heartbeat(data),
        { title: "To be reached", head: ["", "figure", "limit", ""],
            body: data.targets.map(({ text, value, limit, met }) =>
                [text, number(value), number(limit), met ? "met" : "MISSED"]) },
    ].filter(({ body }) => body.length > 0);
}

/** What where.mjs counted: a line for each row and server, a column for each
 *  call or layer that some of them have. */
export function whereTables(data) {
    const one = (title, key, cell) => {
        const sums = {};

        for (const entry of data)
            for (const [name, value] of Object.entries(entry[key]))
                sums[name] = Math.max(sums[name] ?? 0, value);
        const names = Object.keys(sums).sort((a, b) => sums[b] - sums[a]);
        return { title, head: ["", ...names, "all"],
            body: data.map(({ row, server, [key]: counts }) =>
                [`${row}: ${server}`,
                    ...names.map((name) => cell(counts[name])),
                    cell(Object.values(counts).reduce((a, b) => a + b, 0))]) };
    };

    return [
        one("System calls for an operation", "calls", (value) =>
            value === undefined ? "-" : value.toFixed(value < 0.1 ? 3 : 2)),
        one("Instructions for an operation, without the kernel's",
            "instructions", (value) =>
                value === undefined ? "-" : value.toFixed(0)),
    ];
}

/** For a terminal. */
export function asText({ title, head, body }) {
    const widths = head.map((_, i) =>
        Math.max(...[head, ...body].map((line) => [...line[i]].length)));
    const lines = [head, ...body].map((line) => line.map((cell, i) =>
        i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))
        .join("  ").trimEnd());

    return [`\n${title}\n`, ...lines].join("\n");
}

/** For the page. */
export function asMarkdown({ title, head, body }) {
    const line = (cells) =>
        `| ${cells.join(" | ").replaceAll("*", "\\*")} |`;

    return [`### ${title.replaceAll("*", "\\*")}`, "", line(head),
        line(head.map((_, i) => i === 0 ? "---" : "---:")),
        ...body.map(line)].join("\n");
}
