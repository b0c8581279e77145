/*
 * Presence: what servers say to each other
 *
 * Each server has a stream of news about its own devices, numbered from 1 on;
 * who has heard them all knows them all. A digest says the number of the last
 * ones. Who finds that something is missing asks, and then hears everything
 * again: a full state are the news from one with "begin" to one with "end", and
 * what was not in it is no more. One event, one object:
 *
 *      {"from": server, "t": "news", "seq": n, "begin"?, "end"?: true,
 *       "del": [[room, user, device]…],
 *       "set": [[room, user, device, stamp, meta]…]}
 *      {"from": server, "t": "digest", "seq": n}
 *      {"from": server, "t": "ask", "to": server}
 */
#ifndef ADDON_PRESENCE_WIRE_H
#define ADDON_PRESENCE_WIRE_H

#include "addon/presence_table.h"

struct presence_wire {
    struct presence_table *table;
    skio_nsp *nsp;
    const skio_presence_options *options;
    char id[33];         /* of this server, in this life */
    uint64_t seq;        /* of its last news */
    uint64_t synced_at;  /* the last full state; 0: never */
    uint64_t refused;    /* messages and entries */
    uint64_t complained; /* of these, such as are in the log */
    bool is_alone;       /* the adapter has no other servers */
    bool is_asked;       /* for a full state */
    bool has_met;        /* a server that was not known before */
};

/* Whether publish() has something to do. */
bool skio__presence_wire_waits(const struct presence_wire *wire);
/* Tell the others what changed, as much as is good at once. */
void skio__presence_wire_publish(struct presence_wire *wire, uint64_t now);
void skio__presence_wire_digest(struct presence_wire *wire);
/* Another server has said something. */
void skio__presence_wire_hear(struct presence_wire *wire,
                              const skio_value *args, uint64_t now);
/* Drop those that are silent. Returns when the next one may be, UINT64_MAX:
 * there is none. */
uint64_t skio__presence_wire_expire(struct presence_wire *wire, uint64_t now);

#endif /* ADDON_PRESENCE_WIRE_H */
