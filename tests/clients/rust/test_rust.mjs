// rust_socketio 0.6.0.

import { finish } from "../../interop/harness.mjs";
import { built, clientTests } from "../foreign.mjs";

const folder = built("rust", "target/debug/client");

clientTests("rust", [`${folder}/target/debug/client`]);

await finish();
