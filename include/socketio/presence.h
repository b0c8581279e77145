/*
 * libsocketio: who is in a room
 *
 * An addon: it stands on the public headers alone. A presence belongs to a
 * namespace. It knows for each room which users are there, with how many
 * devices, on all servers of the cluster, and tells the room's members what
 * changed: one event in a while, however many came and went. Node servers take
 * part with a small module, see skio_presence(7).
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_PRESENCE_H
#define SOCKETIO_PRESENCE_H

#include <socketio/emit.h>

SKIO_BEGIN_DECLS

typedef struct skio_presence skio_presence;

/**
 * The users of a room are not those that they were: called for each event that
 * the room's members get, on each server, before them.
 *
 * change  {"room", "joined": [{"user", "meta"}], "left": [user], "changed":
 *         [{"user", "meta"}]}. Borrowed.
 */
typedef void skio_presence_change_fn(skio_presence *presence, const char *room,
                                     const skio_value *change, void *user);

/** skio_presence_options_init() fills it. Times are in milliseconds. */
typedef struct skio_presence_options {
    size_t struct_size;
    const char *event;          /**< "presence": what changed, to a room */
    const char *state_event;    /**< "presence_state": who is there, to a socket
                                  that is tracked; NULL: none */
    const char *server_event;   /**< "skio:presence": among servers */
    uint32_t batch_ms;          /**< 250, of 10 to 60000: changes are told */
    uint32_t grace_ms;          /**< 5000, of 0 to 600000: to come back */
    uint32_t digest_ms;         /**< 5000, of 100 to 60000 */
    uint32_t server_timeout_ms; /**< 15000: a server that says nothing; more
                                        than digest_ms, up to 600000 */
    uint32_t max_rooms;         /**< 10000 */
    uint32_t max_users_per_room;   /**< 1000 */
    uint32_t max_devices_per_user; /**< 16 in one room */
    uint32_t max_devices;          /**< 100000 in all */
    uint32_t max_servers;          /**< 64 others */
    size_t max_user_bytes;         /**< 128: an id */
    size_t max_meta_bytes;         /**< 512: as JSON */
    size_t max_chunk_bytes;        /**< 32768, of 1024 on: one event carries
                                        about so much, the rest follows */
    skio_presence_change_fn *on_change; /**< NULL: none */
    void *user;                         /**< goes to on_change */
} skio_presence_options;

/** Set every option to its default. */
#define skio_presence_options_init(options)                                    \
    skio_presence_options_init_size((options), sizeof(skio_presence_options))

/** What the macro skio_presence_options_init() calls. Since: 0.1. */
SKIO_API void skio_presence_options_init_size(skio_presence_options *options,
                                              size_t struct_size)
    SKIO_NONNULL(1);

/**
 * Begin to watch a namespace. The presence lives as long as the server; have
 * one for a namespace, before its first socket.
 *
 * options  NULL for the defaults. Copied, strings included.
 *
 * Returns SKIO_OK and fills *out; SKIO_EINVAL for an option out of its range, a
 * name that no event may have, and a namespace that is made on demand or the
 * parent of such; SKIO_ENOMEM: handlers may stay that watch for nobody.
 */
SKIO_API int skio_presence_new(skio_presence **out, skio_nsp *nsp,
                               const skio_presence_options *options)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/**
 * Say that a socket is a device of a user who is in a room. The socket joins
 * the room, if it is no member yet, and gets the state event. It is tracked
 * until it leaves the room, disconnects, or skio_presence_untrack(). Again with
 * the same user: its meta data changes. With another user: as after an untrack.
 *
 * user    An id: the application's word for it, not the client's.
 * format  The meta data as a template of one JSON value, see skio_format(7);
 *         NULL: null. A user with several devices has the latest one's.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a malformed template, an empty id, text that
 * is not UTF-8, and a socket of another namespace; SKIO_ETOOBIG beyond
 * max_user_bytes, max_meta_bytes, or a depth that leaves no room below
 * max_json_depth; SKIO_ELIMIT beyond another limit; what skio_join() and
 * skio_emit() return. Nothing changed then.
 */
SKIO_API int skio_presence_track(skio_presence *presence, skio_socket *socket,
                                 const char *room, const char *user,
                                 const char *format, ...) SKIO_PRINTF(5, 6)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** End it, at once; the socket stays in the room. SKIO_OK, or SKIO_ENOENT when
 *  it is not tracked there. */
SKIO_API int skio_presence_untrack(skio_presence *presence, skio_socket *socket,
                                   const char *room) SKIO_NONNULL(1, 2);

/** Send the state event of a room, whether or not the socket is tracked: what
 *  the members have been told so far. Returns as skio_emit(); SKIO_EINVAL when
 *  there is no state event. */
SKIO_API int skio_presence_tell(skio_presence *presence, skio_socket *socket,
                                const char *room) SKIO_NONNULL(1, 2);

/** The same as the answer of an ack that the socket's client asked for; what
 *  does not fit follows as events. Returns as skio_ack_send(). */
SKIO_API int skio_presence_answer(skio_presence *presence, skio_socket *socket,
                                  const char *room, skio_ack *ack)
    SKIO_NONNULL(1, 2);

/** A user in a room, as of now. Everything is borrowed for the call. */
typedef struct skio_presence_member {
    size_t struct_size;
    const char *user;
    const char *meta;           /**< JSON text */
    const char *const *devices; /**< ids of sockets, of whichever server */
    size_t device_count;        /**< 1 at least; those that may come back within
                                     their grace are counted */
} skio_presence_member;

/** Return false to stop. It may change anything. */
typedef bool skio_presence_member_fn(const skio_presence_member *member,
                                     void *user);

/** Visit the users of a room, ordered by the bytes of their ids. SKIO_OK, or
 *  SKIO_ENOMEM: not all were visited. */
SKIO_API int skio_presence_list(skio_presence *presence, const char *room,
                                skio_presence_member_fn *fn, void *user)
    SKIO_NONNULL(1, 2, 3);

/** How many users are in a room now. */
SKIO_API size_t skio_presence_count(const skio_presence *presence,
                                    const char *room) SKIO_NONNULL(1, 2);

/** Figures of a presence. */
typedef struct skio_presence_counters {
    size_t struct_size;
    uint64_t rooms;   /**< known now, whichever server has their users */
    uint64_t devices; /**< of all servers */
    uint64_t servers; /**< others that are heard of */
    uint64_t refused; /**< messages and entries of other servers that were
                           malformed or beyond a limit, so far */
} skio_presence_counters;

/** Fill what struct_size has place for. */
SKIO_API void skio_presence_count_all(const skio_presence *presence,
                                      skio_presence_counters *counters)
    SKIO_NONNULL(1, 2);

SKIO_END_DECLS

#endif /* SOCKETIO_PRESENCE_H */
