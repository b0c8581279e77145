/*
 * The moments of re-entrancy: each callback of the library, and how a server
 * comes to call it
 */
#ifndef TESTS_SCENARIO_REENTRY_MOMENTS_H
#define TESTS_SCENARIO_REENTRY_MOMENTS_H

#include "scenario/reentry.h"

struct reentry_moment {
    /* The callback's type, or struct.member; what follows a space tells moments
     * of one type apart. */
    const char *name;
    /* Put the callback on: r, for the namespace "/" and for that of "/made". */
    void (*watch)(struct reentry *r, skio_nsp *nsp);
    void (*options)(skio_server_options *options);
    /* What brings the moment about, where the usual story does not. */
    void (*trigger)(struct reentry *r);
    /* Its documentation allows to look alone. */
    bool only_looks;
    const char *op; /* of an adapter; NULL: none */
};

/* Each ends with one without a name. */
extern const struct reentry_moment reentry_handler_moments[];
extern const struct reentry_moment reentry_other_moments[];

#define WATCH(name, ...)                                                       \
    static void name(struct reentry *r, skio_nsp *nsp)                         \
    {                                                                          \
        (void)nsp;                                                             \
        reentry_result(r, (__VA_ARGS__));                                      \
    }

/* What a callback calls: the action, if this is the moment for it. */
void reentry_at(struct reentry *r, skio_socket *socket, const skio_value *args,
                skio_session *session);

/* For the callbacks of options, which have no user yet. */
extern struct reentry *reentry_now;

/* What brings a moment about; and options that it needs. */
#define TRIGGER(name, ...)                                                     \
    static void name(struct reentry *r)                                        \
    {                                                                          \
        __VA_ARGS__;                                                           \
    }
#define OPTIONS(name, ...)                                                     \
    static void name(skio_server_options *options)                             \
    {                                                                          \
        __VA_ARGS__;                                                           \
    }

#endif /* TESTS_SCENARIO_REENTRY_MOMENTS_H */
