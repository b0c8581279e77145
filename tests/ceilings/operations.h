/*
 * Operations whose cost has a ceiling
 *
 * Each is a small load on clients in memory, done in rounds of several
 * operations; what a round writes is known to the byte. The ceilings are in
 * ceilings.txt, one line an operation.
 */
#ifndef TESTS_CEILINGS_OPERATIONS_H
#define TESTS_CEILINGS_OPERATIONS_H

#include "ceilings/clients.h"

struct operation {
    const char *name;
    size_t clients;     /* connected before it begins */
    unsigned rounds;    /* that are counted */
    unsigned per_round; /* operations */
    unsigned calls;     /* of handlers and checked results in a round */
    /* The text of each of its messages; one that ends in "*" begins so, and
     * is followed by that of next. NULL: nothing is written. */
    const char *writes;
    const char *next;
    unsigned messages;                        /* that a round writes */
    bool polls;                               /* the clients do */
    void (*prepare)(struct clients *clients); /* may be NULL, as finish */
    void (*run)(struct clients *clients, unsigned rounds);
    void (*finish)(void);
};

extern const struct operation operations[];
extern const size_t operation_count;

/* NULL: there is none. */
const struct operation *operation_find(const char *name);

/*
 * The rounds that are counted, and nothing else: callgrind is told this name.
 * In a file without callers, so that no compiler puts it into one.
 */
void operation_count_rounds(const struct operation *operation,
                            struct clients *clients);

#endif /* TESTS_CEILINGS_OPERATIONS_H */
