// Judges the history of a cluster: did every client get every packet that was
// for it, once and in order, or was it told that it may have missed some?
//
// sources  {name: {killed, endedAt}}: whoever numbered what it sent from 1.
//          What a killed one sent in its last moments may be lost, if it is
//          lost to all: nobody can know whether it ever left the process.
// sent     [{source, seq, at, to}], in the order of seq; `to` is an address
// clients  [{name, addresses, log}]: `addresses` it listens to all its life,
//          and what happened to it, in its order:
//            ["up", at, recovered, node]    the "connect" event; node, for the
//                                           words of a complaint, may be absent
//            ["down", at]                   the "disconnect" event
//            ["got", source, seq, offset]   a packet; offset in the stream, or
//                                           null
//
// A session of a client begins with a connect that was not recovered and goes
// on through those that were. Within a session of a client each source must
// be without a gap: from the first packet that was sent after the connect event
// (the rooms were joined before) or the first that was received, to the last
// received or, in the last session, to the last sent. Between two sessions
// there may be a gap: the client was told.

const LAST_MOMENTS_MS = 1500;

/* Offsets are "milliseconds-count". */
function isAfter(offset, other) {
    const [ms, count] = offset.split("-").map(Number);
    const [otherMs, otherCount] = other.split("-").map(Number);
    return ms > otherMs || (ms === otherMs && count > otherCount);
}

/* Split a log into sessions; `broken` counts the disconnects of each packet. */
function sessionsOf(log) {
    const sessions = [];
    let session = null;
    let away = []; /* packets since a disconnect: replayed before "connect" */
    let isUp = false;
    let broken = 0;
    let node = "";

    for (const [what, ...rest] of log) {
        if (what === "up") {
            if (session === null || !rest[1]) {
                if (session) session.isLast = false;
                session = { from: rest[0], packets: [], isLast: true };
                sessions.push(session);
            }
            node = rest[2] ?? "";
            for (const packet of away) packet.node = node;
            session.packets.push(...away);
            away = [];
            isUp = true;
        } else if (what === "down") {
            isUp = false;
            broken++;
        } else {
            const [source, seq, offset] = rest;
            (isUp ? session.packets : away)
                .push({ source, seq, offset, broken, node });
        }
    }
    /* What was replayed to a client that then did not get through. */
    session?.packets.push(...away);
    return { sessions, isUp };
}

class Judge {
    problems = [];
    expected = 0;  /* packets that were for somebody who was there */
    received = 0;
    told = 0;      /* of those expected: missed, and the client was told */
    recovered = 0; /* connects with the state of before */
    renewed = 0;   /* connects without it, but for the first */
    bySource = new Map();

    constructor({ sources, sent, clients }) {
        this.clients = clients;
        for (const [name, facts] of Object.entries(sources))
            this.bySource.set(name, { ...facts, sent: [], heard: 0 });
        for (const packet of sent)
            this.bySource.get(packet.source).sent[packet.seq] = packet;
        for (const { log } of clients)
            for (const [what, source, seq] of log) {
                const facts = what === "got" && this.bySource.get(source);
                if (facts) facts.heard = Math.max(facts.heard, seq);
            }
    }

    complain(kind, client, text) {
        this.problems.push({ kind, client: client.name, text });
    }

    isExcused(source, packet) {
        return source.killed && packet.seq > source.heard &&
            packet.at > source.endedAt - LAST_MOMENTS_MS;
    }

    judge() {
        for (const client of this.clients) this.judgeClient(client);
        return {
            problems: this.problems, expected: this.expected,
            received: this.received, told: this.told,
            recovered: this.recovered, renewed: this.renewed,
        };
    }

    judgeClient(client) {
        const addresses = new Set(client.addresses);
        const { sessions, isUp } = sessionsOf(client.log);
        const seen = new Map(); /* where it was received */
        const wanted = new Map();

        const ups = client.log.filter(([what]) => what === "up").length;
        this.recovered += ups - sessions.length;
        this.renewed += Math.max(sessions.length - 1, 0);
        if (!isUp) this.complain("away", client, "is not back at the end");
        if (sessions.length === 0) return;
        for (const [name, source] of this.bySource) {
            const list = source.sent.filter((one) => addresses.has(one.to));
            wanted.set(name, list);
            this.expected += list.filter((one) =>
                one.at > sessions[0].from && !this.isExcused(source, one))
                .length;
        }
        const lost = new Set();
        for (const session of sessions) {
            const bySource = this.sort(client, session, addresses, seen);
            for (const [name, list] of wanted)
                this.judgeSource(client, session, name, list,
                    bySource.get(name) ?? [], lost);
        }
        this.received += seen.size;
        for (const [name, list] of wanted)
            for (const one of list)
                if (one.at > sessions[0].from && !seen.has(`${name} ${one.seq}`)
                    && !lost.has(`${name} ${one.seq}`)
                    && !this.isExcused(this.bySource.get(name), one))
                    this.told++;
    }

    /* The packets of a session by source, without those that should not be. */
    sort(client, session, addresses, seen) {
        const bySource = new Map();
        let last = null;

        for (const packet of session.packets) {
            const { source, seq, offset } = packet;
            const id = `${source} ${seq}`;
            const original = this.bySource.get(source)?.sent[seq];

            if (!original) {
                this.complain("forged", client, `${id} was never sent`);
                continue;
            }
            if (!addresses.has(original.to)) {
                this.complain("foreign", client, `${id} is ${original.to}'s`);
                continue;
            }
            if (seen.has(id)) {
                this.complain("doubled", client, `${id} at ${offset}, ${
                    packet.node}; before at ${seen.get(id)}`);
                continue;
            }
            seen.set(id, `${offset}, ${packet.node}`);
            if (offset && last && !isAfter(offset, last))
                this.complain("unordered", client,
                    `${id} at ${offset} after ${last}, ${packet.node}`);
            last = offset ?? last;
            if (!bySource.has(source)) bySource.set(source, []);
            bySource.get(source).push(packet);
        }
        return bySource;
    }

    judgeSource(client, session, name, wanted, got, lost) {
        const source = this.bySource.get(name);
        const position = new Map(wanted.map((one, i) => [one.seq, i]));
        const there = new Map();
        let first = wanted.findIndex((one) => one.at > session.from);
        let last = -1;

        if (first < 0) first = wanted.length;
        for (const packet of got) {
            const i = position.get(packet.seq);

            if (i < last)
                this.complain("reordered", client,
                    `${name} ${packet.seq} after ${wanted[last].seq}`);
            first = Math.min(first, i);
            last = Math.max(last, i);
            there.set(i, packet);
        }
        if (session.isLast) last = wanted.length - 1;

        let before = null; /* the packet received before the gap */
        for (let i = first; i <= last; i++) {
            if (there.has(i)) {
                before = there.get(i);
                continue;
            }
            if (this.isExcused(source, wanted[i])) continue;
            let next = i;
            while (next <= last && !there.has(next)) next++;
            const after = there.get(next);
            const isAcross = before && after && before.broken < after.broken;
            const id = `${name} ${wanted[i].seq}`;
            lost.add(id);
            const where = `${before?.node ?? ""} → ${after?.node ?? ""}`;
            this.complain(isAcross ? "untold" : "lost", client,
                `${id} to ${wanted[i].to}, ${where}` + (isAcross
                    ? ", and said to be recovered" : ""));
        }
    }
}

/*
 * Returns {problems, expected, received, told, recovered, renewed}; a problem
 * is {kind, client, text}, its kind one of
 *   lost       missing, and the client was not told
 *   untold     the same, across a connect that claims to be recovered
 *   doubled    received twice
 *   reordered  after a later one of its source
 *   unordered  after a later one of the stream
 *   foreign    for somebody else
 *   forged     never sent
 *   away       the client did not come back
 */
export function judge(history) {
    return new Judge(history).judge();
}

/* How many problems of each kind: {lost: 2}. */
export function count(problems) {
    const kinds = {};

    for (const { kind } of problems) kinds[kind] = (kinds[kind] ?? 0) + 1;
    return kinds;
}
