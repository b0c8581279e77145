#include "cluster.h"

#include <stdio.h>
#include <string.h>

struct user *
learn_user(struct chat *chat, const skio_value *value, bool is_busy)
{
    const char *nick = skio_get_str(value, "nick");
    const char *key = skio_get_str(value, "key");

    if (!name_is_valid(nick, NICK_MAX) ||
        !token_is_valid(key, KEY_MIN, KEY_MAX))
        return NULL;
    return users_meet(&chat->users, nick, key, is_busy);
}

static struct room *
learn_direct(struct chat *chat, const skio_value *value)
{
    char nick[NAME_BYTES];
    struct user *first = learn_user(chat, skio_get_value(value, "0"), true);
    struct user *second;
    struct room *room;

    if (first == NULL)
        return NULL;
    (void)snprintf(nick, sizeof nick, "%s", first->nick);
    second = learn_user(chat, skio_get_value(value, "1"), true);
    /* Meeting one may make the chat forget the other. */
    first = users_find(&chat->users, nick);
    if (first == NULL || second == NULL || first == second)
        return NULL;
    room = rooms_find_direct(&chat->rooms, first, second);
    return room != NULL ? room : rooms_add_direct(&chat->rooms, first, second);
}

struct room *
learn_room(struct chat *chat, const skio_value *value)
{
    const char *name = skio_get_str(value, "room");
    const char *key = skio_get_str(value, "key");
    struct room *room;

    if (name == NULL)
        return learn_direct(chat, skio_get_value(value, "pair"));
    if (!name_is_valid(name, ROOM_MAX) ||
        (key != NULL && !token_is_valid(key, KEY_MIN, KEY_MAX)))
        return NULL;
    room = rooms_find(&chat->rooms, name);
    if (room == NULL)
        return rooms_add(&chat->rooms, name, key);
    /* Two rooms of one name were made at once: they stay apart. */
    if (key == NULL)
        return room->kind == ROOM_PUBLIC ? room : NULL;
    return room->kind == ROOM_PRIVATE && token_is_equal(room->key, key) ? room
                                                                        : NULL;
}

void
learn_message(struct chat *chat, struct room *room, const skio_value *value)
{
    const char *id = skio_get_str(value, "id");
    const char *from = skio_get_str(value, "from");
    const struct message *message;
    struct user *author;
    skio_bytes json;
    int64_t at;

    if (!token_is_valid(id, ID_MIN, ID_MAX) || !name_is_valid(from, NICK_MAX) ||
        skio_type_of(value, "text") != SKIO_TYPE_STRING ||
        skio_get_slice(value, "text", &json) != SKIO_OK ||
        json.len > TEXT_JSON_MAX || skio_get_int(value, "at", &at) != SKIO_OK ||
        room_find_message(room, from, id) != NULL)
        return;
    message = room_keep(&chat->rooms, room, from, id, json.data, json.len, at);
    if (message == NULL)
        return; /* no memory: the others still have it */
    author = users_find(&chat->users, from);
    if (author != NULL)
        user_remember(author, id, message->seq, at);
    chat_spread(chat, room, message);
}

void
learn_write(const struct room *room, struct text *out)
{
    if (room->kind == ROOM_DIRECT)
        text_add(out,
                 "\"room\":null,\"key\":null,\"pair\":["
                 "{\"nick\":\"%s\",\"key\":\"%s\"},"
                 "{\"nick\":\"%s\",\"key\":\"%s\"}]",
                 room->pair[0]->nick, room->pair[0]->key, room->pair[1]->nick,
                 room->pair[1]->key);
    else if (room->kind == ROOM_PRIVATE)
        text_add(out, "\"room\":\"%s\",\"key\":\"%s\",\"pair\":null",
                 room->name, room->key);
    else
        text_add(out, "\"room\":\"%s\",\"key\":null,\"pair\":null", room->name);
}
