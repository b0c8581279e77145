/*
 * A connection that is closed with bytes unread is reset, as are those in the
 * queue of a listening socket when that is closed. So all that came before the
 * end are accepted, and those that have sent a request, or came so late that it
 * may be on its way, are answered: by then with 503.
 */
#include "transport/lws_stop.h"

#include <sys/ioctl.h>

#include <libwebsockets.h>

#include "base/compiler.h"
#include "transport/lws.h"
#include "transport/lws_accept.h"
#include "transport/lws_direct.h"
#include "transport/lws_input.h"
#include "transport/lws_preface.h"
#include "transport/lws_tunnel.h"

#define GRACE_MS 500 /* from accepting to a request */

static void
begin(struct skio__lws *transport)
{
    uint32_t patience = skio_transport_patience(transport->server);

    transport->stopping = true;
    /* Whoever comes late has his grace, even at the end of a drain. */
    transport->stop_ms =
        skio__lws_now(transport) + (patience > GRACE_MS ? patience : GRACE_MS);
    transport->timer_wanted = true;
    skio_transport_log(transport->server, SKIO_LOG_INFO, "stopping");

    skio__listeners_end(transport, false);
    skio_transport_shutdown(transport->server);
    skio_transport_flush(transport->server);
}

/* More than the beginning of a head, which without TLS stays there. */
static bool
has_input(const struct skio__conn *conn)
{
    bool is_own = conn->wsi == NULL;
    int seen = conn->head_waits && conn->direct->sealed == NULL
                   ? (int)conn->direct->head_seen
                   : 0;
    int waiting = 0;

    return (ioctl(skio__conn_fd(conn), FIONREAD, &waiting) == 0 &&
            waiting > seen) ||
           (is_own ? skio__input_has_more(conn) : skio__tunnel_has_input(conn));
}

/* Connections without a request need not be waited for: those of this list that
 * are due by then. */
static void
end_idle(struct skio__fifo *fifo, uint64_t due_ms)
{
    struct skio__fifo_node *node;

    while ((node = skio__fifo_pop_due(fifo, due_ms)) != NULL) {
        struct skio__conn *conn =
            skio__container_of(node, struct skio__conn, timer);

        if (conn->kind != CONN_IDLE ||
            (conn->wsi != NULL && lws_partial_buffered(conn->wsi)))
            skio__conn_wait(conn, &conn->transport->close_due);
        else if (has_input(conn)) /* which is read in the next turn */
            skio__conn_wait(conn, &conn->transport->header_due);
        else
            skio__conn_kill_now(conn);
    }
}

/* When those that came at a time are due, in a list of header_timeout_ms. */
static uint64_t
due_of(const struct skio__lws *transport, uint64_t came_ms)
{
    return came_ms + transport->options->header_timeout_ms;
}

bool
skio__stop_turn(struct skio__lws *transport)
{
    uint64_t now = skio__lws_now(transport);
    uint64_t young;

    if (!transport->stopping)
        begin(transport);
    young = now > GRACE_MS ? now - GRACE_MS : 0;
    end_idle(&transport->idle_due, SKIO__NEVER - 1);
    end_idle(&transport->header_due, due_of(transport, young));
    (void)skio__preface_timeout(transport, due_of(transport, young));

    return now >= transport->stop_ms ||
           (transport->conns == 0 &&
            skio__fifo_peek_due(&transport->preface_due) == SKIO__NEVER);
}

uint64_t
skio__stop_next_due(const struct skio__lws *transport)
{
    uint64_t header = skio__fifo_peek_due(&transport->header_due);
    uint64_t preface = skio__fifo_peek_due(&transport->preface_due);
    uint64_t first = header < preface ? header : preface;

    if (!transport->stopping)
        return SKIO__NEVER;
    if (first != SKIO__NEVER) {
        first = first - transport->options->header_timeout_ms + GRACE_MS;
        if (first < transport->stop_ms)
            return first;
    }
    return transport->stop_ms;
}
