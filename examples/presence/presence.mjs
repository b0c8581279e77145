// Presence for a Node server, in one cluster with servers of libsocketio: the
// words of skio_presence(7). With a cluster adapter, before the first socket:
//
//     const presence = new Presence(io.of("/"));
//
//     io.on("connection", (socket) =>
//         presence.track(socket, "lobby", socket.data.user, { away: false }));

import { randomBytes } from "node:crypto";

const defaults = {
    event: "presence", stateEvent: "presence_state",
    serverEvent: "skio:presence",
    batchMs: 250, graceMs: 5000, digestMs: 5000, serverTimeoutMs: 15000,
    maxRooms: 10000, maxUsersPerRoom: 1000, maxDevicesPerUser: 16,
    maxDevices: 100000, maxServers: 64, maxUserBytes: 128, maxMetaBytes: 512,
    maxChunkBytes: 32768,
};
const SYNC_MS = 1000;     // between two full states, and two questions
const EXPIRE_MS = 500;    // between two looks for servers that fell silent
const CHUNKS_AT_ONCE = 8; // said to other servers
const NAME_BYTES = 512;   // of a room
const DEVICE_BYTES = 1024;
const SERVER_BYTES = 64;
const META_DEPTH = 56;
const NUL = String.fromCharCode(0);
const deliberate = new Set(["client namespace disconnect",
                            "server namespace disconnect",
                            "forced server close"]);

const isName = (value, max) => typeof value === "string" && value !== "" &&
    Buffer.byteLength(value) <= max && !value.includes(NUL);
const isNumber = (value) => Number.isSafeInteger(value) && value >= 0;
const isObject = (value) => typeof value === "object" && value !== null;
const depth = (value) => isObject(value)
    ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0;

export class Presence {
    #nsp;
    #options;
    #id = randomBytes(16).toString("hex");
    #rooms = new Map();   // name -> Map of user -> {devices, told}
    #sockets = new Map(); // id -> {devices: Map of room -> device, timer}
    #servers = new Map(); // id -> what is known of another server
    #own = new Set();     // devices of this server
    #changed = new Map(); // room -> Set of users whose change is not told
    #out = new Set();     // own devices that others do not know as they are
    #unsynced = new Set();
    #devices = 0;
    #clock = 0;
    #seq = 0;
    #isAsked = false;
    #syncedAt = -Infinity;
    #timer;
    #intervals;
    refused = 0; // messages and entries of other servers

    constructor(nsp, options = {}) {
        this.#nsp = nsp;
        this.#options = { ...defaults, ...options };
        nsp.on(this.#options.serverEvent, (message) => this.#hear(message));
        nsp.on("connection", (socket) => this.#connect(socket));
        nsp.adapter.on("leave-room", (room, id) => this.#leave(room, id));
        this.#intervals = [
            setInterval(() => this.#digest(), this.#options.digestMs),
            setInterval(() => this.#expire(), EXPIRE_MS),
        ];
        this.#digest();
    }

    close() {
        this.#intervals.forEach(clearInterval);
        clearTimeout(this.#timer);
        for (const { timer } of this.#sockets.values())
            clearTimeout(timer);
        this.#nsp.removeAllListeners(this.#options.serverEvent);
    }

    // The socket joins the room, and is told who is there. Throws when a limit
    // would be passed; nothing changed then.
    async track(socket, room, user, meta = null) {
        const own = this.#sockets.get(socket.id) ?? { devices: new Map() };
        const old = own.devices.get(room);

        if (!isName(room, NAME_BYTES) ||
            !isName(user, this.#options.maxUserBytes) || !this.#isMeta(meta))
            throw new RangeError("presence: a name or meta data is too long");
        if (!socket.connected || own.timer)
            throw new Error("presence: the socket has gone");
        this.#clock = Math.min(this.#clock + 1, Number.MAX_SAFE_INTEGER);
        const entry = { room, user, id: socket.id, stamp: this.#clock, meta };
        let device = this.#put(entry, this.#id);
        if (this.#takeOver(room, user) && !device)
            device = this.#put(entry, this.#id);
        if (!device)
            throw new RangeError("presence: a limit is reached");
        if (old && old.user !== user)
            this.#remove(old);
        device.own = own;
        own.devices.set(room, device);
        this.#sockets.set(socket.id, own);
        if (old)
            return;
        await socket.join(room);
        if (this.#options.stateEvent !== null)
            this.tell(socket, room);
    }

    untrack(socket, room) {
        const device = this.#sockets.get(socket.id)?.devices.get(room);

        if (device)
            this.#remove(device);
        return device !== undefined;
    }

    // Who is there now: [{user, meta, devices}].
    list(room) {
        return [...this.#rooms.get(room) ?? []]
            .filter(([, { devices }]) => devices.size > 0)
            .map(([user, { devices }]) => ({
                user, meta: this.#latest(devices).meta,
                devices: [...devices.values()].map(({ id }) => id),
            }));
    }

    // Tell a socket what the room has been told so far.
    tell(socket, room) {
        const [first, ...more] = this.#pieces(this.state(room).users);

        socket.emit(this.#options.stateEvent, { room, users: first ?? [] });
        for (const joined of more)
            socket.emit(this.#options.event,
                        { room, joined, left: [], changed: [] });
    }

    state(room) {
        return { room, users: [...this.#rooms.get(room) ?? []]
            .filter(([, { told }]) => told !== undefined)
            .map(([user, { told }]) => ({ user, meta: JSON.parse(told) })) };
    }

    /* The table */

    #isMeta(meta) {
        const json = JSON.stringify(meta);

        return json !== undefined && depth(meta) <= META_DEPTH &&
            Buffer.byteLength(json) <= this.#options.maxMetaBytes;
    }

    #latest(devices) {
        return [...devices.values()].reduce((best, each) =>
            each.stamp > best.stamp ||
            (each.stamp === best.stamp && each.id > best.id) ? each : best);
    }

    #note(room, user) {
        if (!this.#changed.has(room))
            this.#changed.set(room, new Set());
        this.#changed.get(room).add(user);
        this.#schedule();
    }

    #noteOwn(device) {
        this.#out.add(device);
        this.#schedule();
    }

    #key(server, id) {
        return server + NUL + id;
    }

    // Returns the device, or nothing when a limit would be passed.
    #put({ room, user, id, stamp, meta }, server) {
        const options = this.#options;
        const users = this.#rooms.get(room);
        const devices = users?.get(user)?.devices;
        const key = this.#key(server, id);
        let device = devices?.get(key);

        if (!device) {
            if (this.#devices >= options.maxDevices ||
                (!users && this.#rooms.size >= options.maxRooms) ||
                (!devices && users?.size >= options.maxUsersPerRoom) ||
                devices?.size >= options.maxDevicesPerUser)
                return undefined;
            device = { room, user, id, server };
            if (!users)
                this.#rooms.set(room, new Map());
            if (!devices)
                this.#rooms.get(room).set(user, { devices: new Map() });
            this.#rooms.get(room).get(user).devices.set(key, device);
            this.#devices++;
            (this.#servers.get(server)?.devices ?? this.#own).add(device);
        }
        Object.assign(device, { stamp, meta,
            generation: this.#servers.get(server)?.generation });
        this.#clock = Math.max(this.#clock, stamp);
        this.#note(room, user);
        if (server === this.#id)
            this.#noteOwn(device);
        return device;
    }

    #remove(device) {
        const { room, user, server, own } = device;

        this.#rooms.get(room).get(user).devices
            .delete(this.#key(server, device.id));
        this.#devices--;
        (this.#servers.get(server)?.devices ?? this.#own).delete(device);
        this.#note(room, user);
        if (server !== this.#id)
            return;
        if (own?.devices.get(room) === device)
            own.devices.delete(room);
        if (own?.devices.size === 0) {
            clearTimeout(own.timer);
            if (this.#sockets.get(device.id) === own)
                this.#sockets.delete(device.id);
        }
        device.isGone = true;
        if (device.isTold) {
            this.#noteOwn(device);
        } else {
            this.#out.delete(device);
            this.#unsynced.delete(device);
        }
    }

    /* Sockets that come and go */

    // A user who comes back with another socket has not two.
    #takeOver(room, user) {
        const { devices } = this.#rooms.get(room)?.get(user) ?? {};

        for (const device of devices?.values() ?? [])
            if (device.own?.timer) {
                this.#remove(device);
                return true;
            }
        return false;
    }

    #connect(socket) {
        const own = this.#sockets.get(socket.id);

        if (own?.timer) { // it was recovered
            clearTimeout(own.timer);
            own.timer = undefined;
            for (const device of [...own.devices.values()])
                if (!socket.rooms.has(device.room))
                    this.#remove(device);
        }
        socket.on("disconnecting", (reason) =>
            this.#disconnect(socket.id, reason));
    }

    #disconnect(id, reason) {
        const own = this.#sockets.get(id);
        const end = () => {
            for (const device of [...own.devices.values()])
                this.#remove(device);
        };

        if (own && (deliberate.has(reason) || this.#options.graceMs === 0))
            end();
        else if (own)
            own.timer = setTimeout(end, this.#options.graceMs);
    }

    #leave(room, id) {
        const own = this.#sockets.get(id);
        const device = own?.devices.get(room);

        if (device && !own.timer)
            this.#remove(device);
    }

    /* Batches */

    #schedule() {
        this.#timer ??= setTimeout(() => {
            this.#timer = undefined;
            this.#announce();
            this.#publish();
            if (this.#isAsked || this.#out.size > 0)
                this.#schedule();
        }, this.#options.batchMs);
    }

    // Lists of which each is about as much as one event carries.
    #pieces(list) {
        const pieces = [];
        let left = 0;

        for (const item of list) {
            const size = Buffer.byteLength(JSON.stringify(item)) + 1;
            if (pieces.length === 0 || size > left) {
                pieces.push([]);
                left = this.#options.maxChunkBytes;
            }
            left -= size;
            pieces.at(-1).push(item);
        }
        return pieces;
    }

    // What is different from what the room was told.
    #difference(room, user) {
        const users = this.#rooms.get(room);
        const known = users?.get(user);

        if (!known)
            return [];
        const { told, devices } = known;
        if (devices.size === 0) {
            users.delete(user);
            if (users.size === 0)
                this.#rooms.delete(room);
            return told === undefined ? [] : [{ left: user }];
        }
        const { meta } = this.#latest(devices);
        known.told = JSON.stringify(meta);
        if (told === known.told)
            return [];
        return [told === undefined ? { joined: { user, meta } }
                                   : { changed: { user, meta } }];
    }

    #announce() {
        const changed = this.#changed;

        this.#changed = new Map();
        for (const [room, users] of changed) {
            const all = [...users].flatMap((user) =>
                this.#difference(room, user));
            for (const piece of this.#pieces(all)) {
                const pick = (kind) => piece.filter((each) => kind in each)
                    .map((each) => each[kind]);
                this.#nsp.local.to(room).emit(this.#options.event, {
                    room, joined: pick("joined"), left: pick("left"),
                    changed: pick("changed"),
                });
            }
        }
    }

    /* What is said to other servers */

    #say(message) {
        this.#nsp.serverSideEmit(this.#options.serverEvent,
                                 { from: this.#id, ...message });
    }

    #expire() {
        const now = performance.now();

        for (const [id, server] of this.#servers)
            if (now - server.heardAt >= this.#options.serverTimeoutMs) {
                for (const device of [...server.devices])
                    this.#remove(device);
                this.#servers.delete(id);
            }
    }

    #digest() {
        this.#say({ t: "digest", seq: this.#seq });
    }

    #publish() {
        for (let i = 0; i < CHUNKS_AT_ONCE; i++) {
            const begin = this.#isAsked && this.#unsynced.size === 0 &&
                performance.now() - this.#syncedAt >= SYNC_MS;
            if (begin) {
                this.#isAsked = false;
                this.#syncedAt = performance.now();
                this.#out = new Set(this.#own);
                this.#unsynced = new Set(this.#own);
            } else if (this.#out.size === 0) {
                break;
            }
            this.#sayNews(begin);
        }
    }

    #sayNews(begin) {
        const syncs = begin || this.#unsynced.size > 0;
        const news = { t: "news", seq: ++this.#seq, del: [], set: [] };
        let left = this.#options.maxChunkBytes;

        for (const device of this.#out) {
            const { room, user, id, stamp, meta, isGone } = device;
            const entry = isGone ? [room, user, id]
                                 : [room, user, id, stamp, meta];
            const size = Buffer.byteLength(JSON.stringify(entry));
            if (size > left && left < this.#options.maxChunkBytes)
                break;
            left -= size;
            news[isGone ? "del" : "set"].push(entry);
            device.isTold = true;
            this.#out.delete(device);
            this.#unsynced.delete(device);
        }
        if (begin)
            news.begin = true;
        if (syncs && this.#unsynced.size === 0)
            news.end = true;
        this.#say(news);
    }

    #ask(id, server) {
        const now = performance.now();

        server.isKnown = server.isSyncing = false;
        if (now - server.askedAt < SYNC_MS)
            return;
        server.askedAt = now;
        this.#say({ t: "ask", to: id });
    }

    /* What other servers say */

    #hear(message) {
        const { from, t, seq, to } = isObject(message) ? message : {};

        if (!isName(from, SERVER_BYTES) || from === this.#id ||
            !["news", "digest", "ask"].includes(t) ||
            !(t === "ask" ? isName(to, SERVER_BYTES) : isNumber(seq)) ||
            !this.#meet(from)) {
            this.refused++;
            return;
        }
        const server = this.#servers.get(from);
        server.heardAt = performance.now();
        if (t === "news") {
            this.#hearNews(from, server, message);
        } else if (t === "digest") {
            if (!server.isKnown || seq !== server.seq)
                this.#ask(from, server);
        } else if (to === this.#id) {
            this.#isAsked = true;
            this.#schedule();
        }
    }

    #meet(id) {
        if (this.#servers.has(id))
            return true;
        if (this.#servers.size >= this.#options.maxServers)
            return false;
        this.#servers.set(id, { devices: new Set(), generation: 0, seq: 0,
                                isKnown: true, askedAt: -Infinity });
        setTimeout(() => this.#digest(), this.#options.batchMs).unref();
        return true;
    }

    #hearNews(from, server, { seq, begin, end, del, set }) {
        if (begin === true) {
            server.generation++;
            server.isKnown = server.isSyncing = true;
        } else if (!server.isKnown || seq !== server.seq + 1) {
            this.#ask(from, server);
            return;
        }
        server.seq = seq;
        if (!Array.isArray(del) || !Array.isArray(set)) {
            server.isKnown = server.isSyncing = false;
            this.refused++;
            return;
        }
        for (const entry of del)
            this.#hearDel(from, Array.isArray(entry) ? entry : []);
        for (const entry of set)
            this.#hearSet(from, Array.isArray(entry) ? entry : []);
        if (server.isSyncing && end === true) {
            for (const device of [...server.devices])
                if (device.generation !== server.generation)
                    this.#remove(device);
            server.isSyncing = false;
        }
    }

    #areNames(room, user, id) {
        return isName(room, NAME_BYTES) && isName(id, DEVICE_BYTES) &&
            isName(user, this.#options.maxUserBytes);
    }

    #hearDel(from, [room, user, id]) {
        if (!this.#areNames(room, user, id)) {
            this.refused++;
            return;
        }
        const device = this.#rooms.get(room)?.get(user)?.devices
            .get(this.#key(from, id));
        if (device)
            this.#remove(device);
    }

    #hearSet(from, [room, user, id, stamp, meta]) {
        if (!this.#areNames(room, user, id) || !isNumber(stamp) ||
            !this.#isMeta(meta) ||
            !this.#put({ room, user, id, stamp, meta }, from))
            this.refused++;
    }
}
