#include "addon/presence_tell.h"

#include "addon/text.h"

#define ROOMS_AT_ONCE 256 /* whose members are told in one turn */

#define USER_OF(link_, member)                                                 \
    PRESENCE_OF((link_), struct presence_user, member)

/* ---- What changed, to the members of a room ---- */

enum change { SAME, JOINED, LEFT, CHANGED };

static enum change
change_of(const struct presence_user *user)
{
    if (user->told == NULL)
        return user->device_count > 0 ? JOINED : SAME;
    if (user->device_count == 0)
        return LEFT;
    return skio__presence_meta_equals(user->told,
                                      skio__presence_user_meta(user))
               ? SAME
               : CHANGED;
}

static void
add_user(struct addon_text *text, const struct presence_user *user,
         const struct presence_meta *meta)
{
    if (text->data[text->len - 1] != '[')
        skio__text_str(text, ",");
    if (meta == NULL) {
        skio__text_add(text, user->json.data, user->json.len);
        return;
    }
    skio__text_str(text, "{\"user\":");
    skio__text_add(text, user->json.data, user->json.len);
    skio__text_str(text, ",\"meta\":");
    skio__text_add(text, meta->text, meta->len);
    skio__text_str(text, "}");
}

/* How many of a room's users go into one event; any: whether there is one. */
static size_t
count_fitting(const skio_presence *presence, const struct presence_room *room,
              bool *any)
{
    size_t size = 0;
    size_t count = 0;

    *any = false;
    for (const struct presence_link *link = room->users.next;
         link != &room->users; link = link->next) {
        const struct presence_user *user = USER_OF(link, changed);
        const struct presence_meta *meta = skio__presence_user_meta(user);

        size += user->json.len + (meta != NULL ? meta->len : 0) + 20;
        if (count > 0 && size > presence->options.max_chunk_bytes)
            break;
        count++;
        *any = *any || change_of(user) != SAME;
    }
    return count;
}

static void
add_changes(struct addon_text *text, const struct presence_room *room,
            size_t count, enum change change)
{
    const struct presence_link *link = room->users.next;

    for (; count > 0 && !text->failed; count--, link = link->next) {
        const struct presence_user *user = USER_OF(link, changed);

        if (change_of(user) == change)
            add_user(text, user, skio__presence_user_meta(user));
    }
}

static void
write_changes(struct addon_text *text, const struct presence_room *room,
              size_t count)
{
    skio__text_str(text, "{\"room\":");
    skio__text_add(text, room->json.data, room->json.len);
    skio__text_str(text, ",\"joined\":[");
    add_changes(text, room, count, JOINED);
    skio__text_str(text, "],\"left\":[");
    add_changes(text, room, count, LEFT);
    skio__text_str(text, "],\"changed\":[");
    add_changes(text, room, count, CHANGED);
    skio__text_str(text, "]}");
}

/* From now on the room knows these. */
static void
commit(skio_presence *presence, struct presence_room *room, size_t count)
{
    for (; count > 0; count--) {
        struct presence_user *user = USER_OF(room->users.next, changed);
        struct presence_meta *meta = skio__presence_user_meta(user);

        skio__presence_ring_remove(&user->changed);
        skio__presence_user_hold(user);
        skio__presence_meta_unref(presence->server, user->told);
        user->told = meta != NULL ? skio__presence_meta_ref(meta) : NULL;
        skio__presence_user_release(&presence->table, user);
    }
}

/* An event's worth. The room is held. */
static int
announce_some(skio_presence *presence, struct presence_room *room)
{
    struct addon_text text = {.server = presence->server};
    skio_message *message = NULL;
    skio_value *value = NULL;
    bool any;
    size_t count = count_fitting(presence, room, &any);

    if (!any) {
        commit(presence, room, count);
        return SKIO_OK;
    }
    write_changes(&text, room, count);
    if (!text.failed)
        message = skio_message_new(presence->nsp, presence->options.event,
                                   "%-s", text.data);
    if (message != NULL && presence->options.on_change != NULL)
        value = skio_value_new(presence->server, text.data, text.len);
    if (message == NULL ||
        (presence->options.on_change != NULL && value == NULL)) {
        skio_message_free(message);
        skio__text_deinit(&text);
        return SKIO_ENOMEM;
    }
    commit(presence, room, count);
    if (value != NULL)
        presence->options.on_change(presence, room->name, value,
                                    presence->options.user);
    skio_value_free(value);
    (void)skio_message_emit_with(message,
                                 SKIO_TARGET(.to = SKIO_ROOMS(room->name),
                                             .flags = SKIO_LOCAL));
    skio_message_free(message);
    skio__text_deinit(&text);
    return SKIO_OK;
}

static void
release_room(skio_presence *presence, struct presence_room *room)
{
    room->holds--;
    skio__presence_room_release(&presence->table, room);
}

/* What is left over, for whatever reason, waits for the next turn. */
void
skio__presence_announce(skio_presence *presence)
{
    struct presence_link *changed = &presence->table.changed;

    for (int i = 0; i < ROOMS_AT_ONCE; i++) {
        struct presence_room *room;
        int err = SKIO_OK;

        if (skio__presence_ring_is_empty(changed))
            return;
        room = PRESENCE_OF(changed->next, struct presence_room, changed);
        skio__presence_ring_remove(&room->changed);
        room->holds++;
        /* A callback may change more. */
        for (int n = 0; n < ROOMS_AT_ONCE && err == SKIO_OK &&
                        !skio__presence_ring_is_empty(&room->users);
             n++)
            err = announce_some(presence, room);
        if (!skio__presence_ring_is_empty(&room->users) &&
            room->changed.next == NULL)
            skio__presence_ring_push(changed, &room->changed);
        release_room(presence, room);
        if (err != SKIO_OK)
            return;
    }
}

/* ---- Who is there, to one socket ---- */

/* Users behind *at whom the room knows of, as many as fit. Returns whether
 * there are more, *at being the last one. */
static bool
add_told(const skio_presence *presence, struct addon_text *text,
         const struct presence_room *room, struct presence_user **at)
{
    const char *key = *at != NULL ? (*at)->id : NULL;
    size_t start = text->len;
    struct presence_node *node;

    while ((node = skio__presence_tree_after(&room->table, key)) != NULL) {
        struct presence_user *user =
            PRESENCE_OF(node, struct presence_user, node);
        size_t size;

        key = user->id;
        if (user->told == NULL)
            continue;
        size = user->json.len + user->told->len + 20;
        if (text->failed ||
            (text->len > start &&
             text->len - start + size > presence->options.max_chunk_bytes))
            return true;
        add_user(text, user, user->told);
        *at = user;
    }
    return false;
}

static bool
write_told(const skio_presence *presence, struct addon_text *text,
           const char *name, const char *list, struct presence_user **at)
{
    const struct presence_room *room =
        skio__presence_room_find(&presence->table, name);
    bool more = false;

    skio__text_str(text, "{\"room\":");
    skio__text_quote(text, name);
    skio__text_str(text, ",\"");
    skio__text_str(text, list);
    skio__text_str(text, "\":[");
    if (room != NULL && !text->failed)
        more = add_told(presence, text, room, at);
    skio__text_str(text, "]");
    return more;
}

static int
say_state(const skio_presence *presence, skio_socket *socket, skio_ack *ack,
          const struct addon_text *text)
{
    if (text->failed)
        return SKIO_ENOMEM;
    if (ack != NULL)
        return skio_ack_send(ack, "%-s", text->data);
    return skio_emit(socket, presence->options.state_event, "%-s", text->data);
}

/* What does not fit into the first message follows as if they joined. */
int
skio__presence_send_state(skio_presence *presence, skio_socket *socket,
                          const char *room, skio_ack *ack)
{
    struct addon_text text = {.server = presence->server};
    struct presence_user *at = NULL;
    bool more = write_told(presence, &text, room, "users", &at);
    int err;

    skio__text_str(&text, "}");
    skio_socket_ref(socket);
    if (at != NULL)
        skio__presence_user_hold(at);
    err = say_state(presence, socket, ack, &text);
    skio__text_deinit(&text);
    while (err == SKIO_OK && more) {
        struct presence_user *before = at;

        more = write_told(presence, &text, room, "joined", &at);
        skio__text_str(&text, ",\"left\":[],\"changed\":[]}");
        skio__presence_user_hold(at);
        skio__presence_user_release(&presence->table, before);
        err = text.failed ? SKIO_ENOMEM
                          : skio_emit(socket, presence->options.event, "%-s",
                                      text.data);
        skio__text_deinit(&text);
    }
    if (at != NULL)
        skio__presence_user_release(&presence->table, at);
    skio_socket_unref(socket);
    return err;
}
