/*
 * Numbers: what the engine carried, second by second, and how many are there
 *
 * Taps look and take notes. Those of packets are added when the first admin
 * comes, so that a server which nobody watches does nothing for each packet.
 */
#define _POSIX_C_SOURCE 200809L /* getpid */

#include "addon/admin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <socketio/engine.h>

static const char *const type_names[] = {
    [ADMIN_CONNECTION] = "rawConnection",
    [ADMIN_DISCONNECTION] = "rawDisconnection",
    [ADMIN_PACKETS_IN] = "packetsIn",
    [ADMIN_PACKETS_OUT] = "packetsOut",
    [ADMIN_BYTES_IN] = "bytesIn",
    [ADMIN_BYTES_OUT] = "bytesOut",
};

/* Counts are reported every few seconds, so there are few. Should there be too
 * many all the same, the latest of its kind stands for what follows. */
static void
count(struct admin *admin, enum admin_type type, enum skio_disconnect reason,
      uint64_t add)
{
    struct admin_stats *stats = &admin->stats;
    uint64_t now;
    uint64_t second;

    if (!admin->is_watched)
        return;
    now = skio__admin_wall_ms();
    second = now - now % 1000;
    for (size_t i = stats->count; i-- > 0;) {
        struct admin_count *each = &stats->counts[i];

        if (each->type == type && each->reason == reason &&
            (each->second == second || stats->count == ADMIN_COUNTS_MAX)) {
            each->count += add;
            return;
        }
    }
    if (stats->count < ADMIN_COUNTS_MAX)
        stats->counts[stats->count++] =
            (struct admin_count){second, type, reason, add};
}

static const enum skio_disconnect none = SKIO_DISCONNECT_TRANSPORT_CLOSE;

static bool
is_polling(const skio_session *session)
{
    return strcmp(skio_session_transport(session), "polling") == 0;
}

static void
on_connection(skio_session *session, void *user)
{
    struct admin *admin = user;

    if (is_polling(session))
        admin->stats.polling++;
    count(admin, ADMIN_CONNECTION, none, 1);
}

static void
on_upgrade(skio_session *session, void *user)
{
    struct admin *admin = user;

    (void)session;
    if (admin->stats.polling > 0)
        admin->stats.polling--;
    if (!skio__admin_is_development(admin))
        return;
    admin->has_upgraded = true;
    /* Without memory for it the next tick does it. */
    if (admin->is_watched && !skio_timer_is_set(admin->upgrades))
        (void)skio_timer_set(admin->upgrades, 20);
}

/* A session that polls at its end was counted at its beginning, unless that was
 * before there were taps. */
static void
on_close(skio_session *session, enum skio_disconnect reason, void *user)
{
    struct admin *admin = user;

    if (is_polling(session) && admin->stats.polling > 0)
        admin->stats.polling--;
    count(admin, ADMIN_DISCONNECTION, reason, 1);
}

/* As in Node, those without data (pings) are not counted, and of the others the
 * data without their type. */
static void
on_packet(skio_session *session, char type, const void *data, size_t len,
          bool binary, void *user)
{
    (void)session;
    (void)type;
    (void)data;
    (void)binary;
    if (len == 0)
        return;
    count(user, ADMIN_PACKETS_IN, none, 1);
    count(user, ADMIN_BYTES_IN, none, len);
}

static void
on_packet_create(skio_session *session, char type, const void *data, size_t len,
                 bool binary, void *user)
{
    (void)session;
    (void)type;
    (void)data;
    (void)binary;
    if (len == 0)
        return;
    count(user, ADMIN_PACKETS_OUT, none, 1);
    count(user, ADMIN_BYTES_OUT, none, len);
}

int
skio__admin_stats_init(struct admin *admin)
{
    const skio_engine_taps taps = {
        .struct_size = sizeof taps,
        .connection = on_connection,
        .upgrade = on_upgrade,
        .close = on_close,
    };

    return skio_engine_tap(admin->server, &taps, admin);
}

void
skio__admin_stats_begin(struct admin *admin)
{
    const skio_engine_taps taps = {
        .struct_size = sizeof taps,
        .packet = on_packet,
        .packet_create = on_packet_create,
    };

    if (!admin->stats.has_tapped_packets)
        admin->stats.has_tapped_packets =
            skio_engine_tap(admin->server, &taps, admin) == SKIO_OK;
}

/* ---- The report ---- */

struct listed {
    struct addon_text *text;
    uint32_t left; /* how many more there may be */
    bool has_any;
};

static bool
put_namespace(skio_nsp *nsp, void *user)
{
    struct listed *listed = user;

    if (listed->left-- == 0)
        return false;
    skio__text_str(listed->text,
                   listed->has_any ? ",{\"name\":" : "{\"name\":");
    skio__text_quote(listed->text, skio_nsp_name(nsp));
    skio__text_str(listed->text, ",\"socketsCount\":");
    skio__text_number(listed->text, skio_nsp_count(nsp));
    skio__text_str(listed->text, "}");
    listed->has_any = true;
    return true;
}

static void
put_count(struct addon_text *text, const struct admin_count *each)
{
    skio__text_str(text, "{\"timestamp\":");
    skio__text_number(text, each->second);
    skio__text_str(text, ",\"type\":");
    skio__text_quote(text, type_names[each->type]);
    if (each->type == ADMIN_DISCONNECTION) {
        skio__text_str(text, ",\"subType\":");
        skio__text_quote(text, skio_disconnect_name(each->reason));
    }
    skio__text_str(text, ",\"count\":");
    skio__text_number(text, each->count);
    skio__text_str(text, "}");
}

static void
put_uptime(struct addon_text *text, uint64_t ms)
{
    char fraction[8];

    skio__text_number(text, ms / 1000);
    (void)snprintf(fraction, sizeof fraction, ".%03u", (unsigned)(ms % 1000));
    skio__text_str(text, fraction);
}

void
skio__admin_stats_tell(struct admin *admin)
{
    struct admin_stats *stats = &admin->stats;
    struct addon_text text = {.server = admin->server};
    struct listed listed = {&text, admin->options.max_listed, false};

    skio__text_str(&text, "{\"serverId\":");
    skio__text_quote(&text, admin->options.server_id);
    skio__text_str(&text, ",\"hostname\":");
    skio__text_quote(&text, admin->hostname);
    skio__text_str(&text, ",\"pid\":");
    skio__text_number(&text, (uint64_t)getpid());
    skio__text_str(&text, ",\"uptime\":");
    put_uptime(&text, skio_loop_now(admin->server) - admin->started);
    skio__text_str(&text, ",\"clientsCount\":");
    skio__text_number(&text, skio_server_sessions(admin->server));
    skio__text_str(&text, ",\"pollingClientsCount\":");
    skio__text_number(&text, stats->polling);
    skio__text_str(&text, ",\"aggregatedEvents\":[");
    for (size_t i = 0; i < stats->count; i++) {
        if (i > 0)
            skio__text_str(&text, ",");
        put_count(&text, &stats->counts[i]);
    }
    skio__text_str(&text, "],\"namespaces\":[");
    skio_each_nsp(admin->server, put_namespace, &listed);
    skio__text_str(&text, "]}");

    stats->count = 0;
    if (!text.failed)
        skio__admin_tell(admin, "server_stats", "%-s", text.data);
    skio__text_deinit(&text);
}
