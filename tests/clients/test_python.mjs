// python-socketio, the synchronous client and the asyncio one.

import { fileURLToPath } from "node:url";
import { finish } from "../interop/harness.mjs";
import { built, clientTests } from "./foreign.mjs";

const folder = built("python", "bin/python");
const program = fileURLToPath(new URL("python/client.py", import.meta.url));

for (const kind of ["sync", "async"])
    clientTests(`python_${kind}`, [`${folder}/bin/python`, program, kind]);

await finish();
