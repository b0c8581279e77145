/*
 * libsocketio: who may enter which room
 *
 * An addon: it stands on the public headers alone. Clients ask to enter rooms
 * by an event; the application says yes or no, now or later:
 *
 *     socket.emit("join", "news", (answer) => …)     {ok:true}
 *                                                    {ok:false, error:'…'}
 *
 * Without a guard each application writes this handler itself, and the mistakes
 * in it are old: every socket is in a room that its id names, so that whoever
 * enters another's id gets what is meant for the other; a name may be a
 * megabyte; rooms cost memory; who answers later answers a socket that has
 * gone.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_GUARD_H
#define SOCKETIO_GUARD_H

#include <socketio/namespace.h>
#include <socketio/socket.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

/** What guards the rooms of a namespace; it ends with the server. */
typedef struct skio_guard skio_guard;

/** A client that asks to enter a room: one verdict is awaited. */
typedef struct skio_guard_ask skio_guard_ask;

/**
 * A client asks to enter a room.
 *
 * Call skio_guard_allow() or skio_guard_deny() once, now or later: `ask` is
 * yours until then, also when the client has gone or was told "timeout". The
 * server's end ends it, too.
 *
 * room  Borrowed until the verdict.
 * args  Those of the event, the room's name first: a key may follow it. Of a
 *       question put by the program, what it gave. Borrowed until this returns.
 */
typedef void skio_guard_fn(skio_guard_ask *ask, skio_socket *socket,
                           const char *room, const skio_value *args,
                           void *user);

/**
 * What came of a question that the program put: called once for each.
 *
 * socket  For which it was put; it may have gone.
 * error   NULL: it is in the room. Else what a client would be told, the
 *         verdict's reason or one of the guard's, or "closed": the socket has
 *         gone, or the server ends. Borrowed until this returns.
 */
typedef void skio_guard_done_fn(skio_socket *socket, const char *error,
                                void *user);

/** skio_guard_options_init() fills it. */
typedef struct skio_guard_options {
    size_t struct_size;
    const char *join;            /**< the event to enter by; "join"; NULL, of
                                      skio_guard_new() alone: none */
    const char *leave;           /**< that to leave by; "leave"; NULL: none */
    const char *const *reserved; /**< what names of rooms may not begin with,
                                      NULL-terminated; NULL: nothing */
    bool allow_ids;          /**< rooms that could be a socket's own; false */
    uint32_t max_name_bytes; /**< of a room's name; 100 */
    uint32_t max_rooms;      /**< that a socket may be in, its own and
                                  reserved ones not counted; 64 */
    uint32_t max_asks;       /**< of a socket that wait for a verdict; 8 */
    uint32_t max_asks_all;   /**< of all sockets together; 65536 */
    uint32_t timeout_ms;     /**< until the answer is no; 10000; 0: never */
} skio_guard_options;

/** Set every option to its default. */
#define skio_guard_options_init(options)                                       \
    skio_guard_options_init_size((options), sizeof(skio_guard_options))

/** What the macro skio_guard_options_init() calls. Since: 0.1. */
SKIO_API void skio_guard_options_init_size(skio_guard_options *options,
                                           size_t struct_size) SKIO_NONNULL(1);

/**
 * Let clients enter and leave rooms of a namespace, if fn allows it; of
 * namespaces made on demand: by their parent, for all.
 *
 * Refused without asking: a name that is none, or too long ("bad room"); one
 * with a reserved beginning, or that is or could be a socket's id ("reserved");
 * more than max_rooms ("too many rooms"), max_asks ("too many questions") or
 * max_asks_all ("busy"). Who is inside already is told so.
 *
 * options  NULL for the defaults. Copied.
 *
 * Returns SKIO_OK; SKIO_EINVAL for an event that cannot be handled, the same
 * one twice, an empty entry in reserved, or a limit of 0; SKIO_ENOMEM.
 */
SKIO_API int skio_guard_rooms(skio_nsp *nsp, skio_guard_fn *fn, void *user,
                              const skio_guard_options *options)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/**
 * The same, for a program that puts questions itself, too: its event has other
 * arguments than a room's name, say, or an answer that says more than yes. With
 * NULL for both events it alone does.
 *
 * out  Set if it succeeds. Valid until the server's end.
 *
 * Returns what skio_guard_rooms() does.
 */
SKIO_API int skio_guard_new(skio_nsp *nsp, skio_guard_fn *fn, void *user,
                            const skio_guard_options *options, skio_guard **out)
    SKIO_NONNULL(1, 2, 5) SKIO_MUST_CHECK;

/**
 * Put the question whether a socket may enter a room, as if its client had
 * asked: the same names are refused, the same limits hold. It is put about a
 * room, too, that the socket is in: what comes with it may be wrong. A no does
 * not take it out.
 *
 * socket  Of the guard's namespace, or of one that it is the parent of.
 * room    Copied. NULL is a "bad room".
 * args    For the guard's function; may be NULL.
 * done    Told what came of it, maybe before this returns.
 */
SKIO_API void skio_guard_put(skio_guard *guard, skio_socket *socket,
                             const char *room, const skio_value *args,
                             skio_guard_done_fn *done, void *user)
    SKIO_NONNULL(1, 2, 5);

/**
 * Let the socket enter the room. Consumes `ask`, whatever is returned but
 * SKIO_EBUSY.
 *
 * Returns SKIO_OK; SKIO_ECLOSED when the client has gone; SKIO_ETIMEDOUT when
 * it was told "timeout"; SKIO_ELIMIT beyond max_rooms, the guard's or the
 * server's; SKIO_EBUSY for a second verdict inside the first, or inside the
 * guard's call; SKIO_EINVAL for a name that no room can have; SKIO_ENOMEM. The
 * client is told of each, if it can be.
 */
SKIO_API int skio_guard_allow(skio_guard_ask *ask) SKIO_NONNULL(1);

/**
 * Refuse it. Consumes `ask`.
 *
 * reason  What the client is told, UTF-8; NULL: "forbidden".
 *
 * Returns SKIO_OK, SKIO_ECLOSED, SKIO_ETIMEDOUT or SKIO_EBUSY as
 * skio_guard_allow(); SKIO_ENOBUFS or SKIO_ENOMEM as skio_ack_send();
 * SKIO_EINVAL for a reason that is not UTF-8 (the client is told "forbidden").
 * The program is told the reason as it is.
 */
SKIO_API int skio_guard_deny(skio_guard_ask *ask, const char *reason)
    SKIO_NONNULL(1);

/** The socket that asks; NULL when it has gone. */
SKIO_API skio_socket *skio_guard_socket(const skio_guard_ask *ask)
    SKIO_NONNULL(1);

/** The room that it asks for. Borrowed until the verdict. */
SKIO_API const char *skio_guard_room(const skio_guard_ask *ask) SKIO_NONNULL(1);

SKIO_END_DECLS

#endif /* SOCKETIO_GUARD_H */
