/*
 * What a test server cannot do without ends it, with a word about it
 */
#ifndef TESTS_INTEROP_MUST_H
#define TESTS_INTEROP_MUST_H

#include <stdio.h>
#include <stdlib.h>

#include <socketio/base.h>

static inline void *
must(void *ptr)
{
    if (ptr == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return ptr;
}

/* err may be a count, which is fine. */
static inline void
must_ok(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", what, skio_strerror(err));
        exit(1);
    }
}

#endif /* TESTS_INTEROP_MUST_H */
