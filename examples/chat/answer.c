/*
 * What the other servers tell and ask
 */
#include "cluster.h"

#include <stdio.h>
#include <string.h>

static void
on_said(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct room *room = learn_room(chat, skio_get_value(args, "0"));

    (void)nsp;
    (void)ack;
    if (room != NULL)
        learn_message(chat, room, skio_get_value(args, "0.message"));
}

/* Two people may take one nickname at the same moment, on two servers: one of
 * them has to go, on both the same. */
static void
settle(struct chat *chat, const char *nick, const char *key)
{
    const struct user *user = users_find(&chat->users, nick);
    char address[ADDRESS_BYTES];

    if (user == NULL || user->refs == 0 || key == NULL ||
        strcmp(key, user->key) >= 0)
        return;
    user_address(address, user);
    (void)skio_sockets_disconnect(chat->nsp,
                                  SKIO_TARGET(.to = SKIO_ROOMS(address),
                                              .flags = SKIO_LOCAL),
                                  true);
}

static void
on_came(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *arg)
{
    struct chat *chat = arg;

    (void)nsp;
    (void)ack;
    if (learn_user(chat, skio_get_value(args, "0"), true) == NULL)
        settle(chat, skio_get_str(args, "0.nick"), skio_get_str(args, "0.key"));
}

static void
on_quit(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct user *user = users_find(&chat->users, skio_get_str(args, "0"));

    (void)nsp;
    (void)ack;
    if (user != NULL && user->refs == 0)
        user->has_quit = true;
}

/* A server is back after a while without Redis: both have something to ask. */
static void
on_back(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *arg)
{
    (void)nsp;
    (void)args;
    (void)ack;
    cluster_catch_up(arg);
}

static void
on_who(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *arg)
{
    struct chat *chat = arg;
    const struct user *user = users_find(&chat->users, skio_get_str(args, "0"));
    const char *comma = "";
    struct text text = {0};

    (void)nsp;
    if (user == NULL) {
        (void)skio_server_ack_send(ack, NULL);
        return;
    }
    text_add(&text, "[");
    for (size_t i = 0; i < chat->rooms.count; i++) {
        const struct room *room = chat->rooms.items[i];
        const struct user *other;

        if (room->pair[0] != user && room->pair[1] != user)
            continue;
        other = room_other(room, user);
        text_add(&text, "%s{\"nick\":\"%s\",\"key\":\"%s\"}", comma,
                 other->nick, other->key);
        comma = ",";
    }
    text_add(&text, "]");
    (void)skio_server_ack_send(ack,
                               "{'nick':%s,'key':%s,'busy':%hhd,'directs':%-s}",
                               user->nick, user->key, user_is_busy(user),
                               text.failed ? "[]" : text.data);
    text_free(&text);
}

/* The room that a question is about, if it is here. */
static const struct room *
asked_room(struct chat *chat, const skio_value *args)
{
    const char *name = skio_get_str(args, "0.room");
    const struct user *pair[2];

    if (name != NULL)
        return name_is_valid(name, ROOM_MAX) ? rooms_find(&chat->rooms, name)
                                             : NULL;
    for (int i = 0; i < 2; i++) {
        const char *key =
            skio_get_str(args, i == 0 ? "0.pair.0.key" : "0.pair.1.key");

        pair[i] = users_find(&chat->users,
                             skio_get_str(args, i == 0 ? "0.pair.0.nick"
                                                       : "0.pair.1.nick"));
        if (pair[i] == NULL || key == NULL ||
            !token_is_equal(pair[i]->key, key))
            return NULL;
    }
    return rooms_find_direct(&chat->rooms, pair[0], pair[1]);
}

static void
on_room(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack, void *arg)
{
    const struct room *room = asked_room(arg, args);
    struct text text = {0};

    (void)nsp;
    if (room != NULL) {
        text_add(&text, "{");
        learn_write(room, &text);
        text_add(&text, ",\"messages\":");
        (void)room_write_messages(room, 0, &text);
        text_add(&text, "}");
    }
    if (room == NULL || text.failed)
        (void)skio_server_ack_send(ack, NULL);
    else
        (void)skio_server_ack_send(ack, "%-s", text.data);
    text_free(&text);
}

int
answer_start(struct chat *chat)
{
    static const struct {
        const char *event;
        skio_server_event_fn *fn;
    } events[] = {{"said", on_said}, {"came", on_came}, {"quit", on_quit},
                  {"back", on_back}, {"who", on_who},   {"room", on_room}};
    int err = SKIO_OK;

    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (err == SKIO_OK)
            err = skio_on_server_event(chat->nsp, events[i].event, events[i].fn,
                                       chat);
    return err;
}
