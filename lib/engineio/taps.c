#include "engineio/taps.h"

#include <string.h>

#include "base/mem.h"
#include "engineio/session.h"

int
skio_engine_tap(skio_server *server, const skio_engine_taps *taps, void *user)
{
    struct eio_engine *engine = skio__server_engine(server);
    struct eio_tap **last = &engine->taps;
    struct eio_tap *tap = skio__mem_calloc(engine->mem, 1, sizeof *tap);
    size_t size = taps->struct_size;

    if (tap == NULL)
        return SKIO_ENOMEM;
    memcpy(&tap->fns, taps, size < sizeof tap->fns ? size : sizeof tap->fns);
    tap->user = user;
    while (*last != NULL)
        last = &(*last)->next;
    *last = tap;
    if (tap->fns.packet != NULL || tap->fns.packet_create != NULL ||
        tap->fns.flush != NULL || tap->fns.drain != NULL ||
        tap->fns.heartbeat != NULL)
        engine->is_tapped = true;
    return SKIO_OK;
}

void
skio__taps_deinit(struct eio_engine *engine)
{
    while (engine->taps != NULL) {
        struct eio_tap *tap = engine->taps;

        engine->taps = tap->next;
        skio__mem_free(engine->mem, tap);
    }
}

void
skio__taps_close(struct skio_session *session, enum skio_disconnect reason)
{
    const struct eio_tap *tap;

    for (tap = session->engine->taps; tap != NULL; tap = tap->next) {
        if (tap->fns.close != NULL)
            tap->fns.close(session, reason, tap->user);
    }
}

void
skio__taps_received(struct skio_session *session,
                    const struct eio_packet *packet)
{
    const struct eio_tap *tap;

    for (tap = session->engine->taps; tap != NULL; tap = tap->next) {
        if (tap->fns.packet != NULL)
            tap->fns.packet(session, (char)packet->type, packet->data,
                            packet->len, packet->binary, tap->user);
    }
    if (packet->type == (session->protocol == 3 ? EIO_PING : EIO_PONG))
        EIO_TAP(session, heartbeat);
}

void
skio__taps_created(struct skio_session *session, const struct skio__blob *blob)
{
    bool binary = (blob->flags & SKIO__BLOB_BINARY) != 0;
    const struct eio_tap *tap;
    const void *data;
    const char *text;
    size_t len;

    skio__blob_packet(blob, &data, &len);
    text = data;
    for (tap = session->engine->taps; tap != NULL; tap = tap->next) {
        if (tap->fns.packet_create == NULL)
            continue;
        if (binary || len == 0)
            tap->fns.packet_create(session, EIO_MESSAGE, data, len, true,
                                   tap->user);
        else
            tap->fns.packet_create(session, text[0], text + 1, len - 1, false,
                                   tap->user);
    }
}
