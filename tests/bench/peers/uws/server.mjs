// The server of peers/uws.mjs. The package falls back to a server in JavaScript
// where it has no binary: that would be another peer.
import { createRequire } from "node:module";
import { Server } from "socket.io";

import { serveEvents } from "./events.mjs";

const require = createRequire(import.meta.url);
const { arch, platform, versions } = process;
const uws = require("@trufflesuite/uws-js-unofficial/binaries/" +
    `uws_${platform}_${arch}_${versions.modules}.node`);
const { TLS_CERT, TLS_KEY } = process.env;
const app = TLS_CERT
    ? uws.SSLApp({ cert_file_name: TLS_CERT, key_file_name: TLS_KEY })
    : uws.App();
const io = new Server({ serveClient: false });

io.attachApp(app);
serveEvents(io);
app.listen("127.0.0.1", 0, (listening) => {
    if (!listening) throw new Error("cannot listen");
    console.log(`listening on ${uws.us_socket_local_port(listening)}`);
});
process.on("SIGTERM", () => process.exit(0));
