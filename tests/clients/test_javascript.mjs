// Older versions of the stock client. The newest is tested in depth, next to
// the reference, by tests/interop.

import { fileURLToPath } from "node:url";
import { finish, need } from "../interop/harness.mjs";
import { clientTests } from "./foreign.mjs";

const program = fileURLToPath(
    new URL("javascript/client.mjs", import.meta.url));

need("socket.io-client-3");
clientTests("javascript_3", [process.execPath, program, "socket.io-client-3"]);

await finish();
