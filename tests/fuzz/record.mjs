// Loaded before a test (node --import): notes what its clients write, the bytes
// of each connection in a file of FUZZ_RECORD. seed.mjs makes inputs of them.

import { appendFileSync, mkdirSync } from "node:fs";
import { Socket } from "node:net";

const folder = process.env.FUZZ_RECORD;
const files = new WeakMap();
let connections = 0;

if (folder) {
    mkdirSync(folder, { recursive: true });
    const { connect, _writeGeneric } = Socket.prototype;

    // Servers accept, they do not connect.
    Socket.prototype.connect = function (...args) {
        files.set(this, `${folder}/${process.pid}-${connections++}`);
        return connect.apply(this, args);
    };
    Socket.prototype._writeGeneric = function (writev, data, encoding, done) {
        const file = files.get(this);
        if (file && !this.connecting) {
            for (const part of writev ? data : [{ chunk: data, encoding }])
                appendFileSync(file, Buffer.from(part.chunk, part.encoding));
        }
        return _writeGeneric.call(this, writev, data, encoding, done);
    };
}
