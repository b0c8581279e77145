// What `make bench` measures, and the figures that are to be reached.
//
//     name, group   the title and the block of the table it belongs to
//     args          of bench-load, the workload last
//     what          "cpu" (server's µs for an operation), "memory" (bytes for a
//                   connection) or "mixed"
//     quick         part of a quick run; an object: with these args instead
//     server        { args, tls, processes, program } for the server; rows with
//                   args, processes or program (not bench-server) are those
//                   of ours alone. descriptors: so many may be open, as many
//                   as systems allow a service by default
const echo = (...args) => [...args, "echo"];
const many = ["--clients", "1000"];
const rooms = [...many, "--rooms", "10"];

const everybody = [
    { name: "echo, depth 1", group: "Echo", quick: true,
        args: echo("--clients", "100") },
    { name: "echo, depth 16", group: "Echo", quick: true,
        args: echo("--clients", "100", "--depth", "16") },
    { name: "echo, 512 B", group: "Echo",
        args: echo("--clients", "100", "--size", "512") },
    { name: "echo, 16 KB", group: "Echo",
        args: echo("--clients", "100", "--size", "16384") },
    { name: "echo, 1 alone", group: "Echo", args: echo("--clients", "1") },
    { name: "echo, 1 of 10,000", group: "Echo",
        args: echo("--clients", "1", "--idle", "9999") },
    { name: "echo, polling", group: "Polling", quick: true,
        args: echo("--clients", "100", "--polling") },
    { name: "echo, polling, depth 16", group: "Polling",
        args: echo("--clients", "100", "--polling", "--depth", "16") },
    { name: "echo, TLS, depth 1", group: "TLS", server: { tls: true },
        args: echo("--clients", "100") },
    { name: "echo, TLS, depth 16", group: "TLS", server: { tls: true },
        args: echo("--clients", "100", "--depth", "16") },
    { name: "broadcast to 1,000", group: "Fan-out", quick: true,
        args: [...many, "broadcast"] },
    { name: "broadcast to 1,000, depth 16", group: "Fan-out", quick: true,
        args: [...many, "--depth", "16", "broadcast"] },
    { name: "rooms of 100", group: "Fan-out", args: [...rooms, "room"] },
    { name: "rooms of 100, depth 16", group: "Fan-out",
        args: [...rooms, "--depth", "16", "room"] },
    { name: "connect", group: "Connecting", quick: true,
        server: { descriptors: 1024 },
        args: ["--clients", "50", "connect"] },
    { name: "connect by upgrade", group: "Connecting",
        server: { descriptors: 1024 },
        args: ["--clients", "50", "upgrade"] },
    { name: "connect, TLS", group: "Connecting",
        server: { tls: true, descriptors: 1024 },
        args: ["--clients", "50", "connect"] },
    { name: "memory, WebSocket", group: "Memory", what: "memory",
        quick: ["--clients", "2000", "idle"],
        args: ["--clients", "8000", "idle"] },
    { name: "memory, browser's headers", group: "Memory", what: "memory",
        args: ["--clients", "8000", "--browser", "idle"] },
    { name: "memory, held poll", group: "Memory", what: "memory",
        quick: ["--clients", "2000", "--polling", "--one-connection", "idle"],
        args: ["--clients", "8000", "--polling", "--one-connection", "idle"] },
    { name: "memory, poll and POST kept", group: "Memory", what: "memory",
        args: ["--clients", "4000", "--polling", "idle"] },
    { name: "memory, TLS", group: "Memory", what: "memory",
        server: { tls: true }, args: ["--clients", "2000", "idle"] },
];

const cores = ["--clients", "200", "--depth", "16", "echo"];
const buffers = [128, 256, 512, 1024].flatMap((bytes) => {
    const server = { program: "embedded-server", args: ["--rx", String(bytes)] };

    return [
        { name: `rx ${bytes}: echo, depth 16`, group: "Buffers", server,
            args: echo("--clients", "100", "--depth", "16") },
        { name: `rx ${bytes}: echo, 16 KB`, group: "Buffers", server,
            args: echo("--clients", "100", "--size", "16384") },
        { name: `rx ${bytes}: memory`, group: "Buffers", what: "memory",
            server, args: ["--clients", "2000", "idle"] },
    ];
});
// How often each of 15,000 is pinged; the library's default is 25 s.
const heartbeats = [
    ["without pings", 600000, 10], ["pinged in 25 s", 25000, 25],
    ["pinged in 5 s", 5000, 10],
].map(([when, interval, seconds]) => ({
    name: `15,000 mixed, ${when}`, group: "Heartbeat", what: "mixed", seconds,
    args: ["--idle", "15000", "mixed"],
    server: {
        args: ["--ping-interval", String(interval), "--ping-timeout", "20000"],
    },
}));
const alone = [
    { name: "one process", group: "Cores", args: cores, server: { args: [] } },
    { name: "two processes", group: "Cores", args: cores,
        server: { args: ["--reuse-port"], processes: 2 } },
    { name: "two threads", group: "Cores", args: cores,
        server: { args: ["--threads", "2"] } },
    ...buffers,
    ...heartbeats,
].map((row) => ({ ...row, ours: true }));

export const rows = [...everybody, ...alone]
    .map((row) => ({ what: "cpu", server: {}, ...row }));

/** The figure that a row is about. */
export const figure = (row, result) => result && {
    cpu: result.cpu_us, memory: result.memory, mixed: result.p99_us,
}[row.what];

/** What is to be reached: { text, value, limit }, of rows that were measured.
 *  find(row, server) is the result, or undefined. */
export function targets(find, peers) {
    const ratio = (a, b) => a && b ? a.cpu_us / b.cpu_us : undefined;
    const floor = (name) => ratio(find(name, "ours"), find(name, "floor"));
    const memory = (name) => find(name, "ours")?.memory;
    const [calm, round] = heartbeats.map(({ name }) => find(name, "ours"));
    const list = [
        ["echo, depth 1", 1.25], ["echo, depth 16", 1.3],
        ["broadcast to 1,000", 1.15], ["broadcast to 1,000, depth 16", 1.2],
        ["connect", 2],
    ].map(([name, limit]) =>
        ({ text: `${name}: x floor`, value: floor(name), limit }));

    list.push(
        { text: "echo, 1 of 10,000: x 1 alone", limit: 1.2,
            value: ratio(find("echo, 1 of 10,000", "ours"),
                find("echo, 1 alone", "ours")) },
        { text: "memory, WebSocket: bytes", limit: 2500,
            value: memory("memory, WebSocket") },
        { text: "memory, held poll: bytes", limit: 2500,
            value: memory("memory, held poll") },
        { text: "15,000 mixed: p99 when pinged in 25 s x without", limit: 2,
            value: calm && round ? round.p99_us / calm.p99_us : undefined });
    for (const row of rows.filter(({ ours }) => !ours)) {
        const others = peers.map((name) => figure(row, find(row.name, name)))
            .filter((value) => value > 0);
        const own = figure(row, find(row.name, "ours"));

        list.push({ text: `${row.name}: x best peer`, limit: 1,
            value: others.length > 0 && own !== undefined
                ? own / Math.min(...others) : undefined });
    }
    return list.filter(({ value }) => value !== undefined)
        .map((target) => ({ ...target, met: target.value <= target.limit }));
}
