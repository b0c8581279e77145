/*
 * libsocketio: what the arguments of an event look like
 *
 * An addon: it stands on the public headers alone. A handler must expect
 * anything of a client. With a shape it need not: the shape is declared once,
 * as one reads it in the manual of the protocol,
 *
 *     skio_shapes_add(shapes, "order",
 *         "{id: int(1..), note?: string(..500), tags?: [string(1..20)](..8)},"
 *         "bytes(..65536)?");
 *
 * and what is not so never comes to the handler: its acknowledgement gets
 * {error:'invalid', path:'0.tags.3', reason:'too long'}. How a declaration is
 * written is told in skio_shape(7). A check allocates nothing.
 *
 * Threads: loop thread only. Since: 0.1.
 */
#ifndef SOCKETIO_SHAPES_H
#define SOCKETIO_SHAPES_H

#include <socketio/namespace.h>
#include <socketio/server.h>
#include <socketio/value.h>

SKIO_BEGIN_DECLS

/** A declaration that was read: what arguments, or a value, look like. */
typedef struct skio_shape skio_shape;

/** Types inside of types, the list of arguments not counted. */
#define SKIO_SHAPE_DEPTH_MAX 16
/** Members of an object. */
#define SKIO_SHAPE_MEMBERS_MAX 64
/** Arguments. */
#define SKIO_SHAPE_ARGUMENTS_MAX 16
/** Types in one declaration. */
#define SKIO_SHAPE_TYPES_MAX 1000
/** Bytes of a key or of a string that stands for itself. */
#define SKIO_SHAPE_TEXT_MAX 64
/** Bytes that hold every path with its NUL. */
#define SKIO_SHAPE_PATH_SIZE 1200

/**
 * Read a declaration, see skio_shape(7).
 *
 * at   Gets where in the declaration the fault is, in bytes; may be NULL.
 * why  Gets what is wrong there, in a few words; static; may be NULL. Both are
 *      written with SKIO_EINVAL only.
 *
 * Returns SKIO_OK and fills *out, to be freed before the server is;
 * SKIO_EINVAL; SKIO_ENOMEM.
 */
SKIO_API int skio_shape_new(skio_server *server, const char *declaration,
                            skio_shape **out, size_t *at, const char **why)
    SKIO_NONNULL(1, 2, 3) SKIO_MUST_CHECK;

/** NULL does nothing. */
SKIO_API void skio_shape_free(skio_shape *shape);

/**
 * Check a value: the arguments of an event or of an acknowledgement. Any other
 * value (the body of a request, an auth object) is checked as if it were the
 * only argument. Nothing is allocated.
 *
 * path  Gets where the fault is, as in "0.user.name"; cut where size, its
 *       bytes, are fewer than SKIO_SHAPE_PATH_SIZE. The last key of it may be
 *       the client's, where that is unknown; it has letters, digits, "_", "-"
 *       and "$" alone then, or is "?". May be NULL.
 * why   Gets what is wrong, as in "too long": one of a few, listed in
 *       skio_shape(7). Static. May be NULL.
 *
 * Returns SKIO_OK, or SKIO_EINVAL, with which alone the two are written.
 */
SKIO_API int skio_shape_check(const skio_shape *shape, const skio_value *value,
                              char *path, size_t size, const char **why)
    SKIO_NONNULL(1, 2) SKIO_MUST_CHECK;

/** The shapes of a namespace's events. It lives as long as the server. */
typedef struct skio_shapes skio_shapes;

/** What is done about a refused event that asks for no acknowledgement. */
enum skio_shapes_silent {
    SKIO_SHAPES_DROP = 0,      /**< nothing: it is dropped */
    SKIO_SHAPES_EMIT = 1,      /**< the socket is sent the event `notice` */
    SKIO_SHAPES_DISCONNECT = 2 /**< its connection is closed */
};

/**
 * An event was refused; the client has been told.
 *
 * event  Its name as it was registered, never the client's; "" for one that has
 *        no shape.
 * path   As in skio_shape_check(). "" for an event without a shape.
 * why    Static.
 *
 * It may change anything, and disconnect the socket.
 */
typedef void skio_refused_fn(skio_socket *socket, const char *event,
                             const char *path, const char *why, void *user);

/** skio_shapes_options_init() fills it. */
typedef struct skio_shapes_options {
    size_t struct_size;
    enum skio_shapes_silent silent; /**< SKIO_SHAPES_DROP */
    const char *notice;             /**< "invalid"; copied */
    bool refuse_others;             /**< events without a shape; false */
    skio_refused_fn *refused;       /**< NULL: nobody is told */
    void *user;                     /**< goes to refused */
} skio_shapes_options;

/** Set every option to its default. */
#define skio_shapes_options_init(options)                                      \
    skio_shapes_options_init_size((options), sizeof(skio_shapes_options))

/** What the macro skio_shapes_options_init() calls. Since: 0.1. */
SKIO_API void skio_shapes_options_init_size(skio_shapes_options *options,
                                            size_t struct_size) SKIO_NONNULL(1);

/**
 * Have the events of a namespace checked, by a middleware that is added here,
 * see skio_use_event(); of one made on demand: by its parent, for all.
 *
 * A refused event goes no further. Its acknowledgement, when the client asked
 * for one, is {error:'invalid', path, reason}; so is the argument of `notice`,
 * which has the member event before them.
 *
 * options  NULL for the defaults.
 *
 * Returns SKIO_OK and fills *out; SKIO_EINVAL for options without meaning, or a
 * notice that cannot be emitted; SKIO_ENOMEM.
 */
SKIO_API int skio_shapes_new(skio_nsp *nsp, const skio_shapes_options *options,
                             skio_shapes **out) SKIO_NONNULL(1, 3)
    SKIO_MUST_CHECK;

/**
 * Declare the arguments of an event. A declaration that cannot be read is also
 * logged, with the place of the fault.
 *
 * Returns SKIO_OK; SKIO_EINVAL for a malformed declaration, see
 * skio_shape_new() for at and why, and for an empty name (why says so); for an
 * event that has a shape SKIO_EBUSY; SKIO_ENOMEM.
 */
SKIO_API int skio_shapes_add(skio_shapes *shapes, const char *event,
                             const char *declaration, size_t *at,
                             const char **why) SKIO_NONNULL(1, 2, 3)
    SKIO_MUST_CHECK;

/** The events of one name: how many were checked, and how many of them
 *  refused. "" are those without a shape, where they are refused. Return false
 *  to stop. */
typedef bool skio_shapes_count_fn(const char *event, uint64_t checked,
                                  uint64_t refused, void *user);

/** Visit the counters of all events, in the order of their names. The callback
 *  adds none. */
SKIO_API void skio_shapes_each(const skio_shapes *shapes,
                               skio_shapes_count_fn *fn, void *user)
    SKIO_NONNULL(1, 2);

SKIO_END_DECLS

#endif /* SOCKETIO_SHAPES_H */
