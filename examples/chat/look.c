/*
 * Looking around: which rooms there are, and asking somebody in
 */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An invitation that waits to know whether the guest is on some server. */
struct invitation {
    struct chat *chat;
    skio_ack *ack;
    char room[NAME_BYTES];
    char key[KEY_MAX + 1];
    char from[NAME_BYTES];
    char address[ADDRESS_BYTES];
};

static void
on_guest(int err, size_t count, size_t missing, void *arg)
{
    struct invitation *invitation = arg;

    (void)err;
    (void)missing;
    if (count == 0) {
        refuse(invitation->ack, "unknown_user",
               "Nobody with that nickname is here.");
    } else {
        (void)skio_emit_to(invitation->chat->nsp, invitation->address,
                           "invited", "{'room':%s,'nick':%s,'key':%s}",
                           invitation->room, invitation->from, invitation->key);
        (void)skio_ack_send(invitation->ack, "{'ok':true}");
    }
    free(invitation);
}

static void
invite(struct chat *chat, const struct visitor *visitor,
       const struct room *room, const char *nick, skio_ack *ack)
{
    struct invitation *invitation = calloc(1, sizeof *invitation);
    char fold[NAME_BYTES];

    if (invitation == NULL) {
        refuse(ack, "full", "The server is out of memory.");
        return;
    }
    invitation->chat = chat;
    invitation->ack = skio_ack_take(ack);
    (void)snprintf(invitation->room, NAME_BYTES, "%s", room->name);
    (void)snprintf(invitation->key, KEY_MAX + 1, "%s", room->key);
    (void)snprintf(invitation->from, NAME_BYTES, "%s", visitor->user->nick);
    name_fold(fold, nick);
    (void)snprintf(invitation->address, ADDRESS_BYTES, "user:%s", fold);
    if (skio_sockets_count(chat->nsp,
                           SKIO_TARGET(.to = SKIO_ROOMS(invitation->address)),
                           on_guest, invitation) != SKIO_OK)
        on_guest(SKIO_EIO, 0, 0, invitation);
}

/* A member hands the key of a private room to somebody who is here. */
static void
on_invite(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);
    const char *nick = skio_get_str(args, "0.nick");
    struct user *other;
    struct room *room;
    bool refused;

    if (refuse_too_fast(visitor, ack))
        return;
    room = find_room(chat, visitor->user, skio_get_str(args, "0.room"), &other,
                     ack, &refused);
    if (refused)
        return;
    if (room == NULL || room->kind != ROOM_PRIVATE || !is_inside(socket, room))
        refuse(ack, "not_inside",
               "You are not in a private room of that name.");
    else if (!name_is_valid(nick, NICK_MAX))
        refuse(ack, "unknown_user", "Nobody with that nickname is here.");
    else
        invite(chat, visitor, room, nick, ack);
}

/*
 * The rooms
 */

/* A public room, and how many people of all servers are in it. */
struct listed {
    char name[NAME_BYTES];
    int64_t people;
};

struct listing {
    skio_ack *ack;
    struct listed *rooms;
    size_t count;
    size_t capacity;
};

static void
add_listed(struct listing *listing, const char *name, int64_t people)
{
    for (size_t i = 0; i < listing->count; i++)
        if (strcmp(listing->rooms[i].name, name) == 0) {
            listing->rooms[i].people += people;
            return;
        }
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity * 2 + ROOMS_MAX;
        struct listed *rooms =
            realloc(listing->rooms, capacity * sizeof *rooms);

        if (rooms == NULL)
            return; /* a shorter list */
        listing->rooms = rooms;
        listing->capacity = capacity;
    }
    (void)snprintf(listing->rooms[listing->count].name, NAME_BYTES, "%s", name);
    listing->rooms[listing->count++].people = people;
}

static bool
take_listed(const char *key, size_t index, const skio_value *item, void *arg)
{
    const char *name = skio_get_str(item, "0");
    int64_t people;

    (void)key;
    (void)index;
    if (name_is_valid(name, ROOM_MAX) &&
        skio_get_int(item, "1", &people) == SKIO_OK && people >= 0 &&
        people <= ROOM_MEMBERS_MAX)
        add_listed(arg, name, people);
    return true;
}

static bool
take_list(const char *key, size_t index, const skio_value *item, void *arg)
{
    (void)key;
    (void)index;
    (void)skio_each(item, "", take_listed, arg);
    return true;
}

static void
on_lists(int err, const skio_value *responses, size_t missing, void *arg)
{
    struct listing *listing = arg;
    struct text list = {0};

    (void)err; /* who did not answer is missing */
    (void)missing;
    if (responses != NULL)
        (void)skio_each(responses, "", take_list, listing);
    text_add(&list, "[");
    for (size_t i = 0; i < listing->count; i++)
        text_add(&list, "%s{\"room\":\"%s\",\"people\":%lld}", i > 0 ? "," : "",
                 listing->rooms[i].name, (long long)listing->rooms[i].people);
    text_add(&list, "]");
    if (list.failed)
        refuse(listing->ack, "full", "The server is out of memory.");
    else
        (void)skio_ack_send(listing->ack, "{'ok':true,'rooms':%-s}", list.data);
    text_free(&list);
    free(listing->rooms);
    free(listing);
}

static void
on_rooms(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct listing *listing;

    (void)args;
    if (refuse_too_fast(visitor_of(socket), ack))
        return;
    listing = calloc(1, sizeof *listing);
    if (listing == NULL) {
        refuse(ack, "full", "The server is out of memory.");
        return;
    }
    listing->ack = skio_ack_take(ack);
    for (size_t i = 0; i < chat->rooms.count; i++) {
        const struct room *room = chat->rooms.items[i];

        if (room->kind == ROOM_PUBLIC)
            add_listed(listing, room->name, (int64_t)room->members_count);
    }
    if (skio_server_side_emit_with_ack(chat->nsp, on_lists, listing, "rooms",
                                       NULL) != SKIO_OK)
        on_lists(SKIO_EIO, NULL, 0, listing);
}

/* The same for another server. */
static void
on_rooms_asked(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
               void *arg)
{
    const struct chat *chat = arg;
    struct text list = {0};

    (void)nsp;
    (void)args;
    text_add(&list, "[");
    for (size_t i = 0; i < chat->rooms.count; i++) {
        const struct room *room = chat->rooms.items[i];

        if (room->kind == ROOM_PUBLIC)
            text_add(&list, "%s[\"%s\",%zu]", list.len > 1 ? "," : "",
                     room->name, room->members_count);
    }
    text_add(&list, "]");
    (void)skio_server_ack_send(ack, "%-s", list.failed ? "[]" : list.data);
    text_free(&list);
}

int
look_start(struct chat *chat)
{
    int err = skio_on(chat->nsp, "invite", on_invite, chat);

    if (err == SKIO_OK)
        err = skio_on(chat->nsp, "rooms", on_rooms, chat);
    if (err == SKIO_OK)
        err = skio_on_server_event(chat->nsp, "rooms", on_rooms_asked, chat);
    return err;
}
