// The README's example: the stock client talks to examples/echo.c as it is.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { deadline, finish, require, sleep, test } from "./harness.mjs";
import { repository } from "./npm.mjs";

const { io } = require("socket.io-client");
const build = resolve(process.env.SKIO_BUILD ?? `${repository}/build`);
const url = "http://127.0.0.1:3001";

async function withEcho(use) {
    const server = spawn(`${build}/examples/echo`, [], { stdio: "inherit" });
    const exited = once(server, "exit");
    const socket = io(url, { forceNew: true, reconnectionDelay: 50 });

    try {
        await deadline(once(socket, "connect"), 5000, "connecting to echo");
        return await use(socket);
    } finally {
        socket.close();
        await sleep(50);
        server.kill("SIGKILL");
        await deadline(exited, 5000, "the end of echo");
    }
}

// The port is in its source alone.
async function secondNamesItsFile() {
    const second = spawn(`${build}/examples/echo`);
    let text = "";

    second.stderr.setEncoding("utf8").on("data", (more) => { text += more; });
    const [code] = await deadline(once(second, "close"), 3000, "a second echo")
        .finally(() => second.kill("SIGKILL"));
    if (code !== 1 || !text.startsWith("echo.c: port 3001: "))
        throw new Error(`a second echo: ${code} ${text}`);
}

test("the_example_of_the_readme_echoes_and_acknowledges", () =>
    withEcho(async (socket) => {
        const back = once(socket, "message");
        const answer = await socket.timeout(3000)
            .emitWithAck("message", "hello", { n: [1.5, null] });
        const args = await deadline(back, 3000, "the echo");

        if (answer !== "got it" ||
            JSON.stringify(args) !== '["hello",{"n":[1.5,null]}]')
            throw new Error(`got ${answer} and ${JSON.stringify(args)}`);
        await secondNamesItsFile();
    }));

await finish();
