/*
 * Presence: time
 *
 * One timer does everything that takes time: batches, sockets that do not come
 * back, servers that fall silent, digests.
 */
#include <socketio/cluster.h>
#include <socketio/loop.h>
#include <socketio/transport.h>

#include "addon/presence.h"
#include "addon/presence_tell.h"

#define NEXT_TURN_MS 10

static void
arm(skio_presence *presence)
{
    uint64_t now = skio_loop_now(presence->server);
    uint64_t due = presence->digest_at;

    if (!presence->is_started)
        return;
    if (presence->flush_at < due)
        due = presence->flush_at;
    if (presence->expire_at < due)
        due = presence->expire_at;
    if (!skio__presence_ring_is_empty(&presence->table.away)) {
        const struct presence_socket *first =
            PRESENCE_OF(presence->table.away.next, struct presence_socket,
                        away);

        due = first->due < due ? first->due : due;
    }
    /* Without memory for it now, with whatever happens next. */
    if (skio_timer_set(presence->timer,
                       due > now ? (uint32_t)(due - now) : 0) != SKIO_OK)
        skio_transport_log(presence->server, SKIO_LOG_ERROR,
                           "presence: no memory for a timer");
}

void
skio__presence_schedule(skio_presence *presence)
{
    uint64_t now = skio_loop_now(presence->server);

    if (presence->flush_at == UINT64_MAX &&
        (!skio__presence_ring_is_empty(&presence->table.changed) ||
         skio__presence_wire_waits(&presence->wire)))
        presence->flush_at = now + presence->options.batch_ms;
    arm(presence);
}

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    skio_presence *presence = user;

    (void)missing;
    presence->wire.is_alone =
        err == SKIO_OK && count <= 1 && presence->table.servers.count == 0;
}

void
skio__presence_hear(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
                    void *user)
{
    skio_presence *presence = user;
    uint64_t now = skio_loop_now(presence->server);
    uint64_t soon = now + presence->options.batch_ms;

    (void)nsp;
    (void)ack;
    skio__presence_wire_hear(&presence->wire, args, now);
    if (presence->wire.has_met && soon < presence->digest_at)
        presence->digest_at = soon; /* so that it gets to know this one */
    presence->wire.has_met = false;
    if (presence->expire_at == UINT64_MAX)
        presence->expire_at = now + presence->options.server_timeout_ms;
    skio__presence_schedule(presence);
}

static void
flush(skio_presence *presence, uint64_t now)
{
    skio__presence_announce(presence);
    skio__presence_wire_publish(&presence->wire, now);
    presence->flush_at = UINT64_MAX;
    if (!skio__presence_ring_is_empty(&presence->table.changed))
        presence->flush_at = now + NEXT_TURN_MS;
    else if (skio__presence_wire_waits(&presence->wire))
        presence->flush_at = now + presence->options.batch_ms;
}

void
skio__presence_due(void *user)
{
    skio_presence *presence = user;
    uint64_t now = skio_loop_now(presence->server);
    struct presence_link *away = &presence->table.away;

    while (!skio__presence_ring_is_empty(away)) {
        struct presence_socket *own =
            PRESENCE_OF(away->next, struct presence_socket, away);

        if (own->due > now)
            break;
        skio__presence_socket_drop(&presence->table, own);
    }
    if (presence->expire_at <= now)
        presence->expire_at = skio__presence_wire_expire(&presence->wire, now);
    if (presence->digest_at <= now) {
        presence->digest_at = now + presence->options.digest_ms;
        if (skio_server_count(presence->nsp, on_count, presence) != SKIO_OK)
            presence->wire.is_alone = false;
        skio__presence_wire_digest(&presence->wire);
    }
    if (presence->flush_at <= now)
        flush(presence, now);
    skio__presence_schedule(presence);
}

void
skio__presence_begin(skio_server *server, void *user)
{
    skio_presence *presence = user;

    presence->is_started = true;
    presence->digest_at = skio_loop_now(server);
    skio__presence_schedule(presence);
}
