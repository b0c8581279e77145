// All versions of the stock client through one list of scenarios. The newest is
// tested in depth, next to the reference, by tests/interop.

import { fileURLToPath } from "node:url";
import { finish, need } from "../interop/harness.mjs";
import { clientTests } from "./foreign.mjs";

const program = fileURLToPath(
    new URL("javascript/client.mjs", import.meta.url));

const run = (name) => [process.execPath, program, name];

need("socket.io-client", "socket.io-client-2", "socket.io-client-3");
// A server that takes the old ones as well changes nothing for the new ones.
const options = ["--eio3"];
clientTests("javascript_2", run("socket.io-client-2"), { options });
clientTests("javascript_3", run("socket.io-client-3"));
clientTests("javascript_4", run("socket.io-client"), { options });

await finish();
