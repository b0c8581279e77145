// The stock client talks to a program made of examples/echo.c: it echoes, and
// acknowledges. The program may have been built anywhere, against any copy.
//
//   drive_echo.mjs SOURCE COMPILER-COMMAND
//
// The source has one port in it; here it gets another, which is free. The shell
// runs the command with $SOURCE and $PROGRAM set.

import { execSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { freePort } from "../interop/ports.mjs";
import { deadline, require } from "../interop/harness.mjs";

const WAIT_MS = 20000;
const { io } = require("socket.io-client");
const [source, command] = process.argv.slice(2);
const port = await freePort();
const text = readFileSync(source, "utf8");

if (!text.includes(" 3001)"))
    throw new Error(`${source}: no port 3001 to replace`);
const own = source.replace(/\.c$/, "-port.c");
const program = source.replace(/\.c$/, "-port");
writeFileSync(own, text.replaceAll(" 3001)", ` ${port})`));
execSync(command, {
    stdio: "inherit",
    env: { ...process.env, SOURCE: own, PROGRAM: program },
});

const server = spawn(program, [], { stdio: "inherit" });
const exited = once(server, "exit");
const socket = io(`http://127.0.0.1:${port}`,
    { forceNew: true, reconnectionDelay: 50 });
let answer, args;

try {
    await deadline(once(socket, "connect"), WAIT_MS, "connecting to echo");
    const back = once(socket, "message");
    answer = await socket.timeout(WAIT_MS)
        .emitWithAck("message", "hello", { n: [1.5, null] });
    args = await deadline(back, WAIT_MS, "the echo");
} finally {
    socket.close();
    server.kill("SIGTERM"); /* it drains, and ends by itself */
    await deadline(exited, WAIT_MS, "the end of echo");
}
const got = JSON.stringify([answer, args]);
if (got !== '["got it",["hello",{"n":[1.5,null]}]]')
    throw new Error(`got ${got}`);
if (server.exitCode !== 0)
    throw new Error(`echo ended with ${server.exitCode ?? server.signalCode}`);
console.log("echo: answered");
process.exit(0);
