/*
 * From time to time what has expired is forgotten; and while the store cannot
 * be written, whether it can again is found out.
 */
#ifndef NOTIFY_SWEEP_H
#define NOTIFY_SWEEP_H

#include <socketio/loop.h>

#include "writer.h"

#define SWEEP_MS 5000
#define SWEEP_BROKEN_MS 500

struct sweep {
    struct writer *writer;
    skio_timer *timer;
};

int sweep_start(struct sweep *sweep, skio_server *server,
                struct writer *writer);

/* Before the server is freed. */
void sweep_end(struct sweep *sweep);

#endif /* NOTIFY_SWEEP_H */
