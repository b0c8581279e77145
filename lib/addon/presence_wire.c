#include "addon/presence_wire.h"

#include <string.h>

#include <socketio/cluster.h>

#include "addon/text.h"

#define CHUNKS_MAX 8       /* said in one go */
#define SYNC_MS 1000u      /* between two full states, and two questions */
#define ENTRIES_MAX 10000u /* of one message */
#define ID_MAX 64u         /* of another server */
#define DEVICE_MAX 1024u   /* of its sockets: a namespace may be in it */
#define SEQ_MAX ((INT64_C(1) << 53) - 1)

#define DEVICE_OF(link_, member)                                               \
    PRESENCE_OF((link_), struct presence_device, member)

/* ---- Speaking ---- */

bool
skio__presence_wire_waits(const struct presence_wire *wire)
{
    return wire->is_asked || !skio__presence_ring_is_empty(&wire->table->out);
}

static size_t
size_of(const struct presence_device *device)
{
    const struct presence_user *user = device->user;
    size_t size = user->room->json.len + user->json.len + strlen(device->id);

    return size + (device->is_gone ? 8 : device->meta->len + 32);
}

static void
add_device(struct addon_text *text, const struct presence_device *device)
{
    const struct presence_user *user = device->user;

    if (text->data[text->len - 1] == ']')
        skio__text_str(text, ",");
    skio__text_str(text, "[");
    skio__text_add(text, user->room->json.data, user->room->json.len);
    skio__text_str(text, ",");
    skio__text_add(text, user->json.data, user->json.len);
    skio__text_str(text, ",");
    skio__text_quote(text, device->id);
    if (!device->is_gone) {
        skio__text_str(text, ",");
        skio__text_number(text, device->stamp);
        skio__text_str(text, ",");
        skio__text_add(text, device->meta->text, device->meta->len);
    }
    skio__text_str(text, "]");
}

static void
add_devices(struct addon_text *text, const struct presence_wire *wire,
            size_t count, bool gone)
{
    const struct presence_link *link = wire->table->out.next;

    for (; count > 0 && !text->failed; count--, link = link->next) {
        const struct presence_device *device = DEVICE_OF(link, out);

        if (device->is_gone == gone)
            add_device(text, device);
    }
}

/* How many of those that wait go into one message, and how many of these are
 * of the full state. */
static size_t
count_fitting(const struct presence_wire *wire, size_t *unsynced)
{
    const struct presence_link *ring = &wire->table->out;
    size_t size = 0;
    size_t count = 0;

    *unsynced = 0;
    for (const struct presence_link *link = ring->next; link != ring;
         link = link->next) {
        const struct presence_device *device = DEVICE_OF(link, out);

        size += size_of(device);
        if (count > 0 && size > wire->options->max_chunk_bytes)
            break;
        count++;
        *unsynced += device->is_unsynced;
    }
    return count;
}

static void
begin_text(struct addon_text *text, const struct presence_wire *wire,
           const char *type)
{
    skio__text_str(text, "{\"from\":\"");
    skio__text_str(text, wire->id);
    skio__text_str(text, "\",\"t\":\"");
    skio__text_str(text, type);
}

/* What is lost on its way is asked for again. */
static void
say(struct presence_wire *wire, struct addon_text *text)
{
    if (!text->failed)
        (void)skio_server_side_emit(wire->nsp, wire->options->server_event,
                                    "%-s", text->data);
    skio__text_deinit(text);
}

/* Returns whether there may be more to say. */
static bool
say_news(struct presence_wire *wire, bool begin)
{
    struct presence_table *table = wire->table;
    struct addon_text text = {.server = table->server};
    bool was_syncing = table->unsynced > 0 || begin;
    size_t unsynced;
    size_t count = count_fitting(wire, &unsynced);

    begin_text(&text, wire, "news\",\"seq\":");
    skio__text_number(&text, wire->seq + 1);
    if (begin)
        skio__text_str(&text, ",\"begin\":true");
    if (was_syncing && unsynced == table->unsynced)
        skio__text_str(&text, ",\"end\":true");
    skio__text_str(&text, ",\"del\":[");
    add_devices(&text, wire, count, true);
    skio__text_str(&text, "],\"set\":[");
    add_devices(&text, wire, count, false);
    skio__text_str(&text, "]}");
    if (text.failed) {
        /* With the next batch. Who heard the beginning of a full state hears
         * another one. */
        skio__text_deinit(&text);
        wire->is_asked = wire->is_asked || begin;
        return false;
    }
    wire->seq++;
    while (count-- > 0)
        skio__presence_out_pop(table);
    say(wire, &text);
    return !skio__presence_ring_is_empty(&table->out);
}

void
skio__presence_wire_publish(struct presence_wire *wire, uint64_t now)
{
    struct presence_table *table = wire->table;

    if (wire->is_alone) {
        /* Who comes later sees by the number that something was said. */
        wire->is_asked = false;
        if (!skio__presence_ring_is_empty(&table->out))
            wire->seq++;
        while (!skio__presence_ring_is_empty(&table->out))
            skio__presence_out_pop(table);
        return;
    }
    for (int i = 0; i < CHUNKS_MAX; i++) {
        bool begin = wire->is_asked && table->unsynced == 0 &&
                     (wire->synced_at == 0 || now - wire->synced_at >= SYNC_MS);

        if (begin) {
            skio__presence_out_all(table);
            wire->is_asked = false;
            wire->synced_at = now;
        }
        if ((!begin && skio__presence_ring_is_empty(&table->out)) ||
            !say_news(wire, begin))
            break;
    }
}

void
skio__presence_wire_digest(struct presence_wire *wire)
{
    struct addon_text text = {.server = wire->table->server};

    if (wire->refused > wire->complained)
        skio_transport_log(wire->table->server, SKIO_LOG_WARN,
                           "presence: refused %zu messages or entries of other "
                           "servers: malformed, or beyond a limit of "
                           "skio_presence_options",
                           (size_t)(wire->refused - wire->complained));
    wire->complained = wire->refused;
    if (wire->is_alone)
        return;
    begin_text(&text, wire, "digest\",\"seq\":");
    skio__text_number(&text, wire->seq);
    skio__text_str(&text, "}");
    say(wire, &text);
}

static void
ask(struct presence_wire *wire, struct presence_server *server, uint64_t now)
{
    struct addon_text text = {.server = wire->table->server};

    server->is_known = false;
    server->is_syncing = false;
    if (server->asked_at != 0 && now - server->asked_at < SYNC_MS)
        return;
    server->asked_at = now;
    begin_text(&text, wire, "ask\",\"to\":");
    skio__text_quote(&text, server->id);
    skio__text_str(&text, "}");
    say(wire, &text);
}

/* ---- Hearing ---- */

struct hearing {
    struct presence_wire *wire;
    struct presence_server *server;
    bool lacks; /* memory ran out: not all is known */
};

static const char *
read_name(const skio_value *value, const char *path, size_t max)
{
    const char *name = skio_get_str(value, path);
    size_t len = name != NULL ? strlen(name) : 0;

    return len > 0 && len <= max ? name : NULL;
}

static bool
read_entry(const struct presence_wire *wire, const skio_value *item,
           struct presence_entry *entry)
{
    const skio_server_options *options =
        skio_transport_options(wire->table->server);

    entry->room = read_name(item, "0", options->max_name_bytes);
    entry->user = read_name(item, "1", wire->options->max_user_bytes);
    entry->id = read_name(item, "2", DEVICE_MAX);
    return entry->room != NULL && entry->user != NULL && entry->id != NULL;
}

static bool
hear_del(const char *key, size_t index, const skio_value *item, void *user)
{
    const struct hearing *hearing = user;
    struct presence_wire *wire = hearing->wire;
    struct presence_entry entry;
    struct presence_user *found;
    struct presence_device *device;

    (void)key;
    if (index >= ENTRIES_MAX || !read_entry(wire, item, &entry)) {
        wire->refused++;
        return index < ENTRIES_MAX;
    }
    found = skio__presence_user_find(wire->table, entry.room, entry.user);
    device = found != NULL
                 ? skio__presence_device_find(found, hearing->server, entry.id)
                 : NULL;
    if (device != NULL)
        skio__presence_remove(wire->table, device);
    return true;
}

static int
read_set(struct presence_wire *wire, const skio_value *item,
         struct presence_entry *entry)
{
    int64_t stamp;
    skio_bytes json;

    if (!read_entry(wire, item, entry) ||
        skio_get_int(item, "3", &stamp) != SKIO_OK || stamp < 0 ||
        stamp > SEQ_MAX || skio_get_slice(item, "4", &json) != SKIO_OK ||
        json.len > wire->options->max_meta_bytes ||
        !skio__presence_is_shallow(wire->table->server, json.data, json.len))
        return SKIO_EPROTO;
    entry->stamp = (uint64_t)stamp;
    entry->meta =
        skio__presence_meta_new(wire->table->server, json.data, json.len);
    return entry->meta != NULL ? SKIO_OK : SKIO_ENOMEM;
}

static bool
hear_set(const char *key, size_t index, const skio_value *item, void *user)
{
    struct hearing *hearing = user;
    struct presence_wire *wire = hearing->wire;
    struct presence_entry entry;
    int err = SKIO_ELIMIT;

    (void)key;
    if (index < ENTRIES_MAX)
        err = read_set(wire, item, &entry);
    if (err == SKIO_OK) {
        err = skio__presence_put(wire->table, &entry, hearing->server, NULL);
        skio__presence_meta_unref(wire->table->server, entry.meta);
    }
    if (err == SKIO_ENOMEM)
        hearing->lacks = true;
    else if (err != SKIO_OK)
        wire->refused++;
    return index < ENTRIES_MAX && !hearing->lacks;
}

static bool
is_true(const skio_value *args, const char *path)
{
    bool value = false;

    (void)skio_get_bool(args, path, &value);
    return value;
}

static void
hear_news(struct presence_wire *wire, struct presence_server *server,
          const skio_value *args, uint64_t seq, uint64_t now)
{
    struct hearing hearing = {wire, server, false};

    if (is_true(args, "0.begin")) {
        server->generation++;
        server->is_syncing = true;
        server->is_known = true;
    } else if (!server->is_known || seq != server->seq + 1) {
        ask(wire, server, now);
        return;
    }
    server->seq = seq;
    /* Who has not all of it asks after the next digest. */
    if (skio_each(args, "0.del", hear_del, &hearing) != SKIO_OK ||
        skio_each(args, "0.set", hear_set, &hearing) != SKIO_OK) {
        wire->refused++;
        hearing.lacks = true;
    }
    if (hearing.lacks) {
        server->is_known = false;
        server->is_syncing = false;
        return;
    }
    if (server->is_syncing && is_true(args, "0.end")) {
        skio__presence_server_sweep(wire->table, server, false);
        server->is_syncing = false;
    }
}

static struct presence_server *
meet(struct presence_wire *wire, const char *id)
{
    struct presence_server *server =
        skio__presence_server_find(wire->table, id);

    if (server != NULL)
        return server;
    server = skio__presence_server_new(wire->table, id);
    if (server == NULL)
        return NULL;
    server->is_known = true; /* all, if it has not said anything */
    wire->has_met = true;
    return server;
}

void
skio__presence_wire_hear(struct presence_wire *wire, const skio_value *args,
                         uint64_t now)
{
    const char *from = read_name(args, "0.from", ID_MAX);
    const char *type = read_name(args, "0.t", ID_MAX);
    const char *to = read_name(args, "0.to", ID_MAX);
    struct presence_server *server = NULL;
    int64_t seq = -1;
    bool is_ask = type != NULL && strcmp(type, "ask") == 0;

    (void)skio_get_int(args, "0.seq", &seq);
    if (from != NULL && type != NULL && strcmp(from, wire->id) != 0 &&
        (is_ask ? to != NULL : seq >= 0 && seq <= SEQ_MAX))
        server = meet(wire, from);
    if (server == NULL) {
        wire->refused++;
        return;
    }
    wire->is_alone = false;
    server->heard_at = now;
    if (is_ask)
        wire->is_asked = wire->is_asked || strcmp(to, wire->id) == 0;
    else if (strcmp(type, "news") == 0)
        hear_news(wire, server, args, (uint64_t)seq, now);
    else if (strcmp(type, "digest") != 0)
        wire->refused++;
    else if (!server->is_known || (uint64_t)seq != server->seq)
        ask(wire, server, now);
}

uint64_t
skio__presence_wire_expire(struct presence_wire *wire, uint64_t now)
{
    const char *key = NULL;
    uint64_t next = UINT64_MAX;
    struct presence_node *node;

    while ((node = skio__presence_tree_after(&wire->table->servers, key)) !=
           NULL) {
        struct presence_server *server =
            PRESENCE_OF(node, struct presence_server, node);
        uint64_t due = server->heard_at + wire->options->server_timeout_ms;

        key = server->id;
        if (due > now) {
            next = due < next ? due : next;
            continue;
        }
        skio__presence_server_free(wire->table, server);
        key = NULL; /* it is gone; those before it are not due */
    }
    return next;
}
