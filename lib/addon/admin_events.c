/*
 * Sockets, rooms and events as they come and go, in development mode
 *
 * Handlers of connections and rooms are there from the beginning, for they mark
 * each socket and cost little; those of events are there only while an admin
 * is: with them every delivery is looked at. What the admin namespace itself
 * sends and gets is not reported, or each report would be one.
 */
#include "addon/admin.h"

#include <inttypes.h>
#include <string.h>

#include <socketio/engine.h>
#include <socketio/transport.h>

/* ---- Events ---- */

/* Whether one more may be shown in this second. */
static bool
spend(struct admin *admin)
{
    uint64_t now = skio_loop_now(admin->server);

    if (now - admin->second >= 1000) {
        admin->second = now;
        admin->shown = 0;
    }
    if (admin->shown >= admin->options.max_events_per_second) {
        admin->hidden++;
        return false;
    }
    admin->shown++;
    return true;
}

/* One that is too large to be shown, or cannot be. */
static void
tell_size(struct admin *admin, const char *what, skio_socket *socket,
          const char *event, size_t size)
{
    struct addon_text note = {.server = admin->server};
    char date[ADMIN_DATE_BYTES];

    skio__admin_date(date);
    skio__text_str(&note, "(");
    if (size > 0) {
        skio__text_number(&note, size);
        skio__text_str(&note, " bytes, ");
    }
    skio__text_str(&note, "not shown)");
    if (!note.failed)
        skio__admin_tell(admin, what, "%s,%s,[%s,%s],%s",
                         skio_nsp_name(skio_socket_nsp(socket)),
                         skio_socket_id(socket), event, note.data, date);
    skio__text_deinit(&note);
}

static void
tell_event(struct admin *admin, const char *what, skio_socket *socket,
           const char *event, const skio_value *args)
{
    skio_message *message;
    size_t size = 0;
    char date[ADMIN_DATE_BYTES];

    if (!admin->is_watched || !spend(admin))
        return;
    skio__admin_date(date);
    message =
        skio_message_new(admin->nsp, what, "%s,%s,[%s,%p],%s",
                         skio_nsp_name(skio_socket_nsp(socket)),
                         skio_socket_id(socket), event, SKIO_VALUE(args), date);
    if (message != NULL)
        size = skio_adapter_message_size(message);
    if (message == NULL || size > admin->options.max_event_bytes)
        tell_size(admin, what, socket, event, size);
    else
        (void)skio_message_emit_with(message, NULL);
    skio_message_free(message);
}

static void
on_any(skio_socket *socket, const char *event, const skio_value *args,
       void *user)
{
    tell_event(user, "event_received", socket, event, args);
}

static void
on_any_outgoing(skio_socket *socket, const char *event, const skio_value *args,
                void *user)
{
    tell_event(user, "event_sent", socket, event, args);
}

/* Without memory for it the namespace's events are not shown. */
static void
watch_events(struct admin *admin, skio_nsp *nsp)
{
    if (nsp == admin->nsp)
        return;
    if (skio_prepend_any(nsp, on_any, admin) != SKIO_OK ||
        skio_on_any_outgoing(nsp, on_any_outgoing, admin) != SKIO_OK)
        skio_transport_log(admin->server, SKIO_LOG_WARN,
                           "admin: out of memory, events are not shown");
}

static bool
begin_watching(skio_nsp *nsp, void *user)
{
    watch_events(user, nsp);
    return true;
}

static bool
end_watching(skio_nsp *nsp, void *user)
{
    skio_off_any(nsp, on_any, user);
    skio_off_any_outgoing(nsp, on_any_outgoing, user);
    return true;
}

void
skio__admin_events_watch(struct admin *admin, bool is_watched)
{
    if (skio__admin_is_development(admin))
        skio_each_nsp(admin->server, is_watched ? begin_watching : end_watching,
                      admin);
}

/* ---- Sockets ---- */

static void
on_connect(skio_socket *socket, void *user)
{
    struct admin *admin = user;
    struct addon_text text = {.server = admin->server};
    char date[ADMIN_DATE_BYTES];

    skio__admin_mark(admin, socket);
    if (!admin->is_watched)
        return;
    skio__admin_date(date);
    skio__admin_describe_socket(admin, &text, socket);
    if (!text.failed)
        skio__admin_tell(admin, "socket_connected", "%-s,%s", text.data, date);
    skio__text_deinit(&text);
}

static void
on_shared(skio_socket *socket, void *user)
{
    struct admin *admin = user;
    struct addon_text text = {.server = admin->server};

    if (admin->is_marking || !skio_socket_is_connected(socket))
        return;
    skio__admin_mark(admin, socket);
    if (!admin->is_watched)
        return;
    skio__admin_put_data(&text, skio_socket_shared(socket));
    if (!text.failed)
        skio__admin_tell(admin, "socket_updated",
                         "{'id':%s,'nsp':%s,'data':%-s}",
                         skio_socket_id(socket),
                         skio_nsp_name(skio_socket_nsp(socket)), text.data);
    skio__text_deinit(&text);
}

/* Tell of a socket whose mark says that it polls, when it does not any more. */
static bool
refresh_socket(skio_socket *socket, void *user)
{
    static const char stale[] = "\"transport\":\"polling\"}}";
    struct admin *admin = user;
    const char *transport = skio_socket_transport(socket);
    const char *shared = skio_socket_shared(socket);
    size_t len = strlen(shared);

    if (len < sizeof stale - 1 ||
        strcmp(shared + len - (sizeof stale - 1), stale) != 0 ||
        strcmp(transport, "websocket") != 0)
        return true;
    skio__admin_mark(admin, socket);
    if (admin->is_watched)
        skio__admin_tell(admin, "socket_updated",
                         "{'id':%s,'nsp':%s,'transport':%s}",
                         skio_socket_id(socket),
                         skio_nsp_name(skio_socket_nsp(socket)), transport);
    return true;
}

static bool
refresh_namespace(skio_nsp *nsp, void *user)
{
    struct admin *admin = user;

    if (skio_each_socket(nsp, refresh_socket, admin) == SKIO_ENOMEM)
        admin->has_upgraded = true; /* once more */
    return true;
}

void
skio__admin_events_refresh(struct admin *admin)
{
    if (!admin->has_upgraded)
        return;
    admin->has_upgraded = false;
    skio_each_nsp(admin->server, refresh_namespace, admin);
}

static void
on_upgrades(void *user)
{
    skio__admin_events_refresh(user);
}

/* ---- Rooms ---- */

static void
tell_left(struct admin *admin, const char *nsp, const char *room,
          const char *id)
{
    char date[ADMIN_DATE_BYTES];

    skio__admin_date(date);
    skio__admin_tell(admin, "room_left", "%s,%s,%s,%s", nsp, room, id, date);
}

/* The rooms of sockets that have gone: told after their end, as Node does. */
static void
tell_all_left(struct admin *admin)
{
    struct addon_text left = admin->left;
    size_t at = 0;

    admin->left = (struct addon_text){.server = admin->server};
    while (at < left.len) {
        const char *nsp = left.data + at;
        const char *room = nsp + strlen(nsp) + 1;
        const char *id = room + strlen(room) + 1;

        tell_left(admin, nsp, room, id);
        at = (size_t)(id - left.data) + strlen(id) + 1;
    }
    skio__text_deinit(&left);
}

/* Which namespace it was, which room and who. Out of memory: told at once. */
static void
note_left(struct admin *admin, const char *nsp, const char *room,
          const char *id)
{
    struct addon_text *left = &admin->left;
    size_t before = left->len;

    skio__text_add(left, nsp, strlen(nsp) + 1);
    skio__text_add(left, room, strlen(room) + 1);
    skio__text_add(left, id, strlen(id) + 1);
    if (!left->failed)
        return;
    left->len = before;
    left->failed = false;
    tell_left(admin, nsp, room, id);
}

static void
on_room(skio_nsp *nsp, enum skio_room_event event, const char *room,
        skio_socket *socket, void *user)
{
    struct admin *admin = user;
    char date[ADMIN_DATE_BYTES];

    if (!admin->is_watched || socket == NULL)
        return;
    if (event == SKIO_ROOM_JOIN) {
        skio__admin_date(date);
        skio__admin_tell(admin, "room_joined", "%s,%s,%s,%s",
                         skio_nsp_name(nsp), room, skio_socket_id(socket),
                         date);
    } else if (event == SKIO_ROOM_LEAVE && skio_socket_is_connected(socket)) {
        tell_left(admin, skio_nsp_name(nsp), room, skio_socket_id(socket));
    } else if (event == SKIO_ROOM_LEAVE) {
        note_left(admin, skio_nsp_name(nsp), room, skio_socket_id(socket));
    }
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct admin *admin = user;
    char date[ADMIN_DATE_BYTES];

    if (!admin->is_watched)
        return;
    skio__admin_date(date);
    skio__admin_tell(admin, "socket_disconnected", "%s,%s,%s,%s",
                     skio_nsp_name(skio_socket_nsp(socket)),
                     skio_socket_id(socket), skio_disconnect_name(reason),
                     date);
    tell_all_left(admin);
}

/* ---- Namespaces ---- */

static int
instrument(struct admin *admin, skio_nsp *nsp)
{
    int err = skio_on_connect(nsp, on_connect, admin);

    if (err == SKIO_OK)
        err = skio_on_disconnect(nsp, on_disconnect, admin);
    if (err == SKIO_OK)
        err = skio_on_room(nsp, on_room, admin);
    if (err == SKIO_OK)
        err = skio_on_shared(nsp, on_shared, admin);
    return err;
}

static void
on_namespace(skio_nsp *nsp, void *user)
{
    struct admin *admin = user;

    if (instrument(admin, nsp) != SKIO_OK)
        skio_transport_log(admin->server, SKIO_LOG_WARN,
                           "admin: out of memory, a namespace is not shown");
    if (admin->is_watched)
        watch_events(admin, nsp);
}

struct instrumented {
    struct admin *admin;
    int err;
};

static bool
instrument_one(skio_nsp *nsp, void *user)
{
    struct instrumented *all = user;

    if (all->err == SKIO_OK)
        all->err = instrument(all->admin, nsp);
    return all->err == SKIO_OK;
}

int
skio__admin_events_init(struct admin *admin)
{
    struct instrumented all = {admin, SKIO_OK};

    if (!skio__admin_is_development(admin))
        return SKIO_OK;
    admin->left.server = admin->server;
    admin->upgrades = skio_timer_new(admin->server, on_upgrades, admin);
    if (admin->upgrades == NULL)
        return SKIO_ENOMEM;
    skio_each_nsp(admin->server, instrument_one, &all);
    if (all.err == SKIO_OK)
        all.err = skio_on_namespace(admin->server, on_namespace, admin);
    return all.err;
}
