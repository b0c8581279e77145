/*
 * libsocketio: the adapter interface
 *
 * An adapter knows which sockets are in which rooms, and carries broadcasts. A
 * namespace has one of its own. The memory adapter, which every server starts
 * with, serves one process; an adapter for a cluster makes a memory adapter for
 * its local half with skio_adapter_memory() and publishes beside it.
 *
 * Everything here is asynchronous where a cluster needs it to be; local
 * delivery never waits. Experimental until 1.0.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_ADAPTER_H
#define SOCKETIO_ADAPTER_H

#include <socketio/base.h>
#include <socketio/cluster.h>
#include <socketio/emit.h>

SKIO_BEGIN_DECLS

typedef struct skio_adapter skio_adapter;

/** A broadcast whose acknowledgements are collected. */
struct skio_asking;

/** Answers of other servers that are collected: finish it exactly once, with
 *  skio_adapter_responses(). */
struct skio_server_asking;

/** Whom a question of another server is answered to; the adapter fills it, the
 *  core keeps a copy and hands it back. */
typedef struct skio_server_asker {
    char server[64];  /**< which server asked, NUL-terminated */
    char request[64]; /**< its name for the question, NUL-terminated */
} skio_server_asker;

/** A client's session, as an adapter keeps it for its recovery. Strings and
 *  lists are the caller's, in both directions. */
typedef struct skio_adapter_session {
    size_t struct_size;
    const char *pid;          /**< its private id: who has it may come back */
    const char *sid;          /**< its socket's id */
    const char *const *rooms; /**< NULL-terminated, its own first */
    const char *shared;       /**< skio_socket_shared(): JSON text */
    bool final; /**< it has disconnected: keep this for recovery_ms */
} skio_adapter_session;

/** An event that a client missed. */
typedef struct skio_adapter_missed {
    const char *json; /**< the array of name and arguments */
    size_t len;
    const skio_bytes *attachments; /**< as for skio_adapter_message_new() */
    uint32_t attachment_count;
    const char *offset; /**< put behind the arguments; NULL: it is there */
} skio_adapter_missed;

/** A client that waits until the adapter has told what it knows: answer it
 *  exactly once, with skio_adapter_restored(). */
typedef struct skio_adapter_restoring skio_adapter_restoring;

/** What an adapter does. Names of rooms are NUL-terminated and checked. Once
 *  its own work is done a function may call anything; but recovers(), close(),
 *  session_save() and session_end() change nothing, and the factory likewise.
 */
typedef struct skio_adapter_ops {
    size_t struct_size;
    /** The namespace is going away: free everything. */
    void (*close)(skio_adapter *adapter);
    /** A socket connected, or is about to be forgotten; its own room, named by
     *  its id, is implied by these two and never joined or left. */
    int (*add)(skio_adapter *adapter, skio_socket *socket);
    void (*remove)(skio_adapter *adapter, skio_socket *socket);
    /** SKIO_OK also when it is a member already; SKIO_ELIMIT; SKIO_ENOMEM. */
    int (*join)(skio_adapter *adapter, skio_socket *socket, const char *room);
    /** SKIO_ENOENT when it is no member. */
    int (*leave)(skio_adapter *adapter, skio_socket *socket, const char *room);
    bool (*has)(const skio_adapter *adapter, const skio_socket *socket,
                const char *room);
    /** The socket's rooms, its own first. */
    void (*rooms)(const skio_adapter *adapter, const skio_socket *socket,
                  skio_room_fn *fn, void *user);
    /** Deliver a message to a target. */
    int (*broadcast)(skio_adapter *adapter, skio_message *message,
                     const skio_target *target);
    /** As broadcast, for a message that asks each receiver for an ack: call
     *  skio_adapter_deliver_asking() for each local one. */
    int (*broadcast_asking)(skio_adapter *adapter, skio_message *message,
                            const skio_target *target,
                            struct skio_asking *asking);
    /** Visit the local sockets of a target; the callback may disconnect any.
     *  SKIO_OK or SKIO_ENOMEM. */
    int (*each)(skio_adapter *adapter, const skio_target *target,
                skio_socket_fn *fn, void *user);
    /** See skio_sockets_join(), skio_sockets_leave(), skio_sockets_disconnect()
     *  and skio_sockets_fetch(). */
    int (*sockets_join)(skio_adapter *adapter, const skio_target *target,
                        const char *room);
    int (*sockets_leave)(skio_adapter *adapter, const skio_target *target,
                         const char *room);
    int (*sockets_disconnect)(skio_adapter *adapter, const skio_target *target,
                              bool close);
    int (*fetch)(skio_adapter *adapter, const skio_target *target,
                 skio_fetch_fn *fn, void *user);

    /* What follows may be absent: NULL, or beyond struct_size. */

    /** The namespace can be found by its name from now on: listen to the other
     *  servers. It cannot fail; what goes wrong later is the adapter's to mend.
     */
    void (*open)(skio_adapter *adapter);
    /** The server begins to shut down: tell the others, release what is held,
     *  run the callbacks that are still due with SKIO_ECLOSED, and refuse new
     *  ones with it. close() follows when the server is freed. */
    void (*shutdown)(skio_adapter *adapter);
    /** See <socketio/cluster.h>. A callback runs exactly once when its function
     *  returned SKIO_OK, now or later. */
    int (*count)(skio_adapter *adapter, const skio_target *target,
                 skio_count_fn *fn, void *user);
    int (*server_count)(skio_adapter *adapter, skio_count_fn *fn, void *user);
    int (*rooms_fetch)(skio_adapter *adapter, skio_rooms_fn *fn, void *user);
    /** Of this server. */
    int (*each_room)(skio_adapter *adapter, skio_room_fn *fn, void *user);
    size_t (*room_count)(const skio_adapter *adapter, const char *room);
    /** Carry an event to the other servers; asking NULL: no answers wanted. */
    int (*server_side_emit)(skio_adapter *adapter, skio_message *message,
                            struct skio_server_asking *asking);
    /** Carry the answer, one JSON value, to the server that asked. */
    int (*server_side_answer)(skio_adapter *adapter,
                              const skio_server_asker *asker, const char *json,
                              size_t len);

    /* Connection state recovery, when recovery_ms asks for it. Either the four
     * that follow, or the server's own memory; then two that may be absent. */

    /**
     * Whether the adapter keeps sessions and what clients miss. Asked once,
     * after the factory. false: nobody is recovered, since events of other
     * servers are in no memory of this one. true: each event for one client
     * comes to broadcast, too, with the room of its id as its target; it is
     * the adapter's to give events their offset,
     * skio_adapter_message_with_offset(). Those that are volatile or ask for
     * an ack have SKIO_LOCAL and get none. When others must wait for their
     * offset, these must wait behind them: a client's events stay in order.
     */
    bool (*recovers)(skio_adapter *adapter);
    /**
     * Keep a session, in the place of what was kept under its pid: it began, it
     * changed (told once, at a turn's end, before its client is sent
     * anything), or its socket disconnected, which is told at once, also
     * after shutdown(). One that is not final must outlive this server, for
     * recovery_ms at least: write it at once. Neither this nor
     * session_end() may disconnect a socket or forget a session.
     *
     * An error gives it up: session_end() follows, its client will be told.
     */
    int (*session_save)(skio_adapter *adapter,
                        const skio_adapter_session *session);
    /** Nobody may come back to it. */
    void (*session_end)(skio_adapter *adapter, const char *pid,
                        const char *sid);
    /**
     * A client comes back, having seen everything up to an offset. Use its
     * session up, so that no other gets it, and find the events after that one
     * which were for it; answer now or later with skio_adapter_restored(), when
     * close() returns at the latest. What is told must be everything that
     * broadcast has not delivered here when it is told. It comes after the
     * session_save() of the same pid.
     *
     * pid     20 characters of base64url.
     * offset  1 to 64 printable characters, neither quote nor backslash.
     *
     * An error: there will be no answer, the client is as a new one.
     */
    int (*session_restore)(skio_adapter *adapter, const char *pid,
                           const char *offset,
                           skio_adapter_restoring *restoring);
    /**
     * The same for a session that was restored before, while the client waited
     * for middlewares: find anew what it missed. The session of the answer need
     * only be there. May be absent: then nobody is recovered on a namespace
     * with middlewares, unless recovery_skip_middlewares.
     */
    int (*session_missed)(skio_adapter *adapter,
                          const skio_adapter_session *session,
                          const char *offset,
                          skio_adapter_restoring *restoring);
    /** The server is about to disconnect this socket: nobody will come back to
     *  it. Deliver to it what waits for its offset, without one. May be absent:
     *  then it does not get that. */
    void (*deliver_now)(skio_adapter *adapter, skio_socket *socket);
} skio_adapter_ops;

/** An adapter begins with this; what follows is its own. */
struct skio_adapter {
    const skio_adapter_ops *ops;
    skio_nsp *nsp;
};

/** Makes the adapter of a namespace: SKIO_OK, or why not. */
typedef int skio_adapter_factory(skio_nsp *nsp, void *user, skio_adapter **out);

/**
 * Use another adapter, for all namespaces.
 *
 * Returns SKIO_OK, or SKIO_EBUSY once a namespace exists beside an unused "/",
 * and inside of any callback of this server.
 */
SKIO_API int skio_server_adapter(skio_server *server,
                                 skio_adapter_factory *factory, void *user)
    SKIO_NONNULL(1, 2);

/** The memory adapter: the default, and the local half of every other. */
SKIO_API int skio_adapter_memory(skio_nsp *nsp, void *user, skio_adapter **out)
    SKIO_NONNULL(1, 3);

/** A socket in the result of a fetch: a local one, or what a node reported. */
struct skio_remote {
    skio_nsp *nsp;
    skio_socket *socket; /**< local; NULL: the rest is filled */
    const char *id;
    const char *shared;       /**< JSON text */
    const char *const *rooms; /**< NULL-terminated, its own first */
    const char *handshake;    /**< JSON text */
};

/** Where an adapter keeps what it knows of a socket; NULL at first. */
SKIO_API void **skio_adapter_slot(const skio_socket *socket) SKIO_NONNULL(1);

/** Queue a message for one socket: no allocation, no copy. */
SKIO_API void skio_adapter_deliver(skio_socket *socket, skio_message *message,
                                   unsigned flags) SKIO_NONNULL(1, 2);

/** Queue a message that asks for an ack. */
SKIO_API void skio_adapter_deliver_asking(skio_socket *socket,
                                          skio_message *message, unsigned flags,
                                          struct skio_asking *asking)
    SKIO_NONNULL(1, 2, 4);

/** Whether handlers watch each delivery: then a broadcast may call into the
 *  application and must not walk its own arrays. */
SKIO_API bool skio_adapter_is_watched(const skio_nsp *nsp) SKIO_NONNULL(1);

/** A room of this server changed: tell those who watch, and save the session
 *  of the socket if an adapter keeps it. */
SKIO_API void skio_adapter_room_event(skio_nsp *nsp, enum skio_room_event event,
                                      const char *room, skio_socket *socket)
    SKIO_NONNULL(1, 3);

/**
 * Another server emitted an event: run its handlers.
 *
 * json   The array of name and arguments. Checked: it is another's.
 * asker  Who wants an answer, which comes to server_side_answer(); NULL: nobody
 *        does.
 *
 * Returns SKIO_OK; SKIO_EPROTO, SKIO_EUTF8 or SKIO_ELIMIT for what is no event;
 * SKIO_ENOMEM.
 */
SKIO_API int skio_adapter_server_event(skio_nsp *nsp, const char *json,
                                       size_t len,
                                       const skio_bytes *attachments,
                                       uint32_t attachment_count,
                                       const skio_server_asker *asker)
    SKIO_NONNULL(1, 2);

/**
 * All answers of other servers are here, or no more are waited for. Consumes
 * `asking`.
 *
 * json  An array with one value for each server that answered.
 */
SKIO_API void skio_adapter_responses(struct skio_server_asking *asking, int err,
                                     const char *json, size_t len,
                                     size_t missing) SKIO_NONNULL(1, 3);

/**
 * A message as it is carried elsewhere: the array of name and arguments, with
 * placeholders for its attachments, {"_placeholder":true,"num":n} from 0 on.
 * Borrowed from the message.
 *
 * Returns SKIO_OK. With a parser of its own the message is read again first:
 * SKIO_ENOMEM, or SKIO_EINVAL for one that cannot be written so, since an
 * object in it looks like a placeholder; json is empty then.
 */
SKIO_API int skio_adapter_message_json(const skio_message *message,
                                       skio_bytes *json) SKIO_NONNULL(1, 2);

/** How many attachments a message has; 0 when its JSON cannot be had. */
SKIO_API uint32_t skio_adapter_message_attachments(const skio_message *message)
    SKIO_NONNULL(1);

/** One of them. Borrowed from the message. */
SKIO_API void skio_adapter_message_attachment(const skio_message *message,
                                              uint32_t index, skio_bytes *out)
    SKIO_NONNULL(1, 3);

/**
 * Make a message of what another server emitted, in the encoding of this one's
 * clients.
 *
 * json              The array of name and arguments. Checked: it is another's.
 * attachments       Borrowed; {"_placeholder":true,"num":n} in the text stands
 *                   for the n-th, from 0 on. Without any, such an object is
 *                   like all others.
 * out               Yours: give it up with skio_adapter_message_unref() before
 *                   the namespace is closed.
 *
 * Returns SKIO_OK; SKIO_EPROTO, SKIO_EUTF8 or SKIO_ELIMIT for what no client
 * may send either (no array, a name that is reserved or no name, an attachment
 * that is not there, depth, lengths); SKIO_ETOOBIG beyond max_attachments;
 * SKIO_ENOBUFS when it is larger than max_outbound_bytes; SKIO_ENOMEM.
 *
 * Since: 0.1.
 */
SKIO_API int skio_adapter_message_new(skio_nsp *nsp, const char *json,
                                      size_t len, const skio_bytes *attachments,
                                      uint32_t attachment_count,
                                      skio_message **out) SKIO_NONNULL(1, 2, 6);

/** Have a message sent as these flags say, from now on: SKIO_NO_COMPRESS or
 *  not; the others are a delivery's. Messages of this server's emits are set
 *  already. */
SKIO_API void skio_adapter_message_set_flags(skio_message *message,
                                             unsigned flags) SKIO_NONNULL(1);

/**
 * Make a copy of a message with an offset behind its arguments, as clients
 * expect it that may be recovered. Attachments are shared.
 *
 * offset  1 to 64 printable characters, neither quote nor backslash.
 * out     Yours: give it up with skio_adapter_message_unref().
 *
 * Returns SKIO_OK; SKIO_EINVAL for another offset; SKIO_ENOMEM.
 *
 * Since: 0.1.
 */
SKIO_API int skio_adapter_message_with_offset(const skio_message *message,
                                              const char *offset,
                                              skio_message **out)
    SKIO_NONNULL(1, 2, 3);

/** How many bytes it has in all, for those who keep it. */
SKIO_API size_t skio_adapter_message_size(const skio_message *message)
    SKIO_NONNULL(1);

/** Keep a message, or give it up. */
SKIO_API skio_message *skio_adapter_message_ref(skio_message *message)
    SKIO_NONNULL(1);
SKIO_API void skio_adapter_message_unref(skio_message *message);

/**
 * Have answers of other servers' clients counted as well: hold the asking while
 * they may come, tell how many clients were asked there, hand each answer over
 * (an array of arguments), and release it at the end, once for each hold.
 */
SKIO_API void skio_adapter_asking_hold(struct skio_asking *asking)
    SKIO_NONNULL(1);
SKIO_API void skio_adapter_asking_expect(struct skio_asking *asking,
                                         size_t clients) SKIO_NONNULL(1);
SKIO_API int skio_adapter_asking_answer(struct skio_asking *asking,
                                        const char *json, size_t len,
                                        const skio_bytes *attachments,
                                        uint32_t attachment_count)
    SKIO_NONNULL(1, 2);
SKIO_API void skio_adapter_asking_release(struct skio_asking *asking,
                                          bool timed_out) SKIO_NONNULL(1);
/**
 * Ask the clients of this server what another one wants to know: an event that
 * is made and checked as by skio_adapter_message_new(), to a target of which
 * SKIO_LOCAL is implied.
 *
 * fn     As of skio_emit_with_acks(), called at least once: at the end, within
 *        target->timeout_ms (1 to INT32_MAX).
 * asked  Filled with the number of clients before fn is called.
 *
 * Returns as skio_adapter_message_new(), SKIO_EINVAL for the timeout; fn is
 * never called then.
 */
SKIO_API int skio_adapter_ask(skio_nsp *nsp, const char *json, size_t len,
                              const skio_bytes *attachments,
                              uint32_t attachment_count,
                              const skio_target *target, size_t *asked,
                              skio_answers_fn *fn, void *user)
    SKIO_NONNULL(1, 2, 6, 7, 8);

/** A value as it is carried to another server: JSON text in which
 *  {"_placeholder":true,"num":n} stands for the n-th attachment. Borrowed. */
typedef void skio_adapter_carry_fn(const char *json, size_t len,
                                   const skio_bytes *attachments,
                                   uint32_t attachment_count, void *user);

/** Call fn, now, with what a path leads to, as "0" for the first argument.
 *  Returns SKIO_OK; SKIO_ENOENT when there is nothing; SKIO_ENOMEM. */
SKIO_API int skio_adapter_carry(const skio_nsp *nsp, const skio_value *value,
                                const char *path, skio_adapter_carry_fn *fn,
                                void *user) SKIO_NONNULL(1, 2, 3, 4);

/** Call fn, now, with a socket's handshake as JSON text. Returns SKIO_OK;
 *  SKIO_ECLOSED for one that was left over by a server; SKIO_ENOMEM. */
SKIO_API int skio_adapter_carry_handshake(const skio_socket *socket,
                                          skio_adapter_carry_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** How long it waits for its clients, in milliseconds. */
SKIO_API uint32_t skio_adapter_asking_timeout(const struct skio_asking *asking)
    SKIO_NONNULL(1);

/**
 * Tell what is known of a client that comes back. Consumes `restoring`.
 *
 * session  What was saved last; NULL: nothing, or something is missing, the
 *          client is as a new one. Checked: it may be another server's.
 * missed   The events it missed, oldest first. One that no client would take is
 *          left out, as if it had come to broadcast.
 *
 * Before it returns the client has its rooms and its id again, and everything
 * it missed; a socket that still has this session here is closed first. When
 * the client has gone meanwhile, the session is saved once more. Anything may
 * be emitted, or the adapter called in any way, before it returns. When the
 * server was freed before, nothing happens.
 *
 * Since: 0.1.
 */
SKIO_API void skio_adapter_restored(skio_adapter_restoring *restoring,
                                    const skio_adapter_session *session,
                                    const skio_adapter_missed *missed,
                                    size_t count) SKIO_NONNULL(1);

/** Whether the client still waits: neither gone nor, verdict_timeout_ms being
 *  over, connected as a new one. Answer in any case. Since: 0.1. */
SKIO_API bool skio_adapter_restoring_is_wanted(
    const skio_adapter_restoring *restoring) SKIO_NONNULL(1);

/** A session of this server, with its connected socket. */
typedef void skio_adapter_session_fn(skio_socket *socket, const char *pid,
                                     const char *sid, void *user);

/** Visit the sessions of a namespace that the adapter keeps and whose sockets
 *  are connected here. The callback may forget any, and disconnect any: those
 *  are not visited any more. Since: 0.1. */
SKIO_API void skio_adapter_each_session(skio_nsp *nsp,
                                        skio_adapter_session_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

/** Events are missing, or the session is another server's by now: it is neither
 *  saved nor ended any more, its socket goes on without. Since: 0.1. */
SKIO_API void skio_adapter_session_forget(skio_socket *socket) SKIO_NONNULL(1);

/** A socket's handshake as JSON text, for skio_remote_handshake() elsewhere.
 *  Valid until the loop's turn ends; NULL: no memory. */
SKIO_API const char *skio_adapter_handshake(const skio_socket *socket)
    SKIO_NONNULL(1);

/** Write a line to the server's log. */
SKIO_API void skio_adapter_log(const skio_nsp *nsp, enum skio_log_level level,
                               const char *format, ...) SKIO_PRINTF(3, 4)
    SKIO_NONNULL(1, 3);

/** All memory of an adapter comes from here. */
SKIO_API const skio_allocator *skio_adapter_allocator(const skio_nsp *nsp)
    SKIO_NONNULL(1);

/** The unpredictable 16 bytes that hash tables of this server are keyed with.
 */
SKIO_API const unsigned char *skio_adapter_hash_key(const skio_nsp *nsp)
    SKIO_NONNULL(1);

/** The options, for their limits. */
SKIO_API const skio_server_options *skio_adapter_options(const skio_nsp *nsp)
    SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_ADAPTER_H */
