#include "socketio/taps.h"

#include <string.h>

#include "base/mem.h"
#include "socketio/dynamic.h"

int
skio_nsp_tap(skio_server *server, const skio_nsp_taps *taps, void *user)
{
    const skio_allocator *mem = skio__server_mem(server);
    struct sio_tap **last = &server->taps;
    struct sio_tap *tap = skio__mem_calloc(mem, 1, sizeof *tap);
    size_t size = taps->struct_size;

    if (tap == NULL)
        return SKIO_ENOMEM;
    memcpy(&tap->fns, taps, size < sizeof tap->fns ? size : sizeof tap->fns);
    tap->user = user;
    server->watches_events |=
        tap->fns.received != NULL || tap->fns.handled != NULL;
    while (*last != NULL)
        last = &(*last)->next;
    *last = tap;
    return SKIO_OK;
}

void
skio__nsp_taps_deinit(skio_server *server)
{
    while (server->taps != NULL) {
        struct sio_tap *tap = server->taps;

        server->taps = tap->next;
        skio__mem_free(skio__server_mem(server), tap);
    }
}

static bool
is_handled_by(skio_nsp *nsp, const char *event, size_t len)
{
    const struct sio_event *found =
        skio__events_recall(&nsp->events, event, len);

    return found != NULL && found->handlers.count > 0;
}

void
skio__nsp_taps_received(skio_nsp *nsp, const char *event, size_t len)
{
    bool is_handled =
        is_handled_by(nsp, event, len) ||
        (nsp->parent != NULL && is_handled_by(nsp->parent, event, len));

    SIO_TAP(nsp->server, received, nsp, event, len, is_handled);
}

void
skio__nsp_taps_handled(skio_nsp *nsp)
{
    SIO_TAP(nsp->server, handled, nsp);
}

/* ---- What was counted without them ---- */

uint64_t
skio_nsp_received(const skio_nsp *nsp)
{
    return nsp->received;
}

void
skio_each_event(const skio_nsp *nsp, skio_event_count_fn *fn, void *user)
{
    struct skio__map_node *node;
    struct skio__map_node *after;

    SKIO__MAP_EACH(&nsp->events.by_name, node, after) {
        const struct sio_event *event =
            skio__container_of(node, struct sio_event, node);

        if (!fn(event->name, event->received, user))
            return;
    }
}
