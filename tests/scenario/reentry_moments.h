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

/* Ends with one without a name. */
extern const struct reentry_moment reentry_moments[];

/* What a callback calls: the action, if this is the moment for it. */
void reentry_at(struct reentry *r, skio_socket *socket, const skio_value *args,
                skio_session *session);

/* For the callbacks of options, which have no user yet. */
extern struct reentry *reentry_now;

#endif /* TESTS_SCENARIO_REENTRY_MOMENTS_H */
