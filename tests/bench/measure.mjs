// One workload on one server, started for it and stopped after it.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";

import { build } from "./servers.mjs";

const LOAD_MS = 180000;
const PEERS_REFUSALS = "20"; /* sessions that a peer may lose amid an upgrade */

/** A certificate for this run; null: there is no openssl to make one. */
export function makeCertificate() {
    const folder = `${build}/bench`;
    const cert = `${folder}/cert.pem`, key = `${folder}/key.pem`;

    try {
        mkdirSync(folder, { recursive: true });
        if (!existsSync(key) || !existsSync(cert))
            execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-days", "365",
                "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
            { stdio: "ignore" });
        return { cert, key };
    } catch {
        return null;
    }
}

async function runLoad(args) {
    const load = spawn(`${build}/bench-load`, args,
        { stdio: ["ignore", "pipe", "pipe"], timeout: LOAD_MS });
    let text = "", complaint = "";

    load.stdout.on("data", (data) => { text += data; });
    load.stderr.on("data", (data) => { complaint += data; });
    const [status, signal] = await once(load, "close");
    if (status === 0) return JSON.parse(text);
    throw new Error(complaint.trim().split("\n")[0].slice(0, 160) ||
        `the load ended with ${signal ?? status}`);
}

/** { result } or { why }. */
export async function measure(server, row, { seconds, certificate }) {
    const { args = [], tls = false, processes = 1, descriptors, program } =
        row.server;
    const started = [];

    if (tls && !(server.tls && certificate)) return { why: "no TLS" };
    try {
        for (let i = 0; i < processes; i++)
            started.push(await server.start({ args, descriptors, program,
                tls: tls ? certificate : undefined, port: started[0]?.port }));
        const pids = started.flatMap(({ pids }) => pids);
        return { result: await runLoad([
            "--port", String(started[0].port),
            ...pids.flatMap((pid) => ["--pid", String(pid)]),
            ...(tls ? ["--tls"] : []), "--seconds", String(seconds),
            ...(server.peer ? ["--refusals", PEERS_REFUSALS] : []),
            ...row.args]) };
    } catch (error) {
        return { why: error.message };
    } finally {
        for (const { stop } of started) await stop();
    }
}

const middle = (values) =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The median of each figure. */
export function median(results) {
    if (results.length === 0) return undefined;
    return Object.fromEntries(Object.entries(results[0]).map(([key, value]) => {
        const all = results.map((result) => result[key]);

        return [key, typeof value === "number" ? middle(all)
            : typeof value === "object" ? median(all) : value];
    }));
}
