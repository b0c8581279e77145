// io.socket:socket.io-client 2.1.2, which speaks to servers of version 4.

import { finish } from "../../interop/harness.mjs";
import { built, clientTests } from "../foreign.mjs";

const folder = built("java", "classes/Client.class");

clientTests("java", ["java", "-XX:TieredStopAtLevel=1", "-cp",
                     `${folder}/classes:${folder}/lib/*`, "Client"]);

await finish();
