/*
 * Entering and leaving rooms, inviting, looking around
 */
#include "chat.h"

#include <string.h>

static unsigned
take_act(struct visitor *visitor)
{
    return bucket_take(&visitor->user->acts, 80, 8);
}

/* Answer an "enter": what is new since `after`, and who is here. */
static void
answer_entered(struct chat *chat, const struct room *room,
               const struct user *user, const skio_value *args, skio_ack *ack)
{
    static const char *const kinds[] = {"public", "private", "direct"};
    const char *epoch = skio_get_str(args, "0.epoch");
    struct text messages = {0};
    struct text people = {0};
    char direct[NAME_BYTES + 1];
    int64_t after = 0;
    unsigned missed;

    /* Numbers of another life of this server mean nothing. */
    if (epoch == NULL || strcmp(epoch, chat->epoch) != 0 ||
        skio_get_int(args, "0.after", &after) != SKIO_OK || after < 0 ||
        after > room->seq)
        after = 0;
    missed = room_write_messages(room, (unsigned)after, &messages);
    room_write_people(room, &people);
    if (room->kind == ROOM_DIRECT)
        direct_name(direct, room, user);
    if (messages.failed || people.failed)
        refuse(ack, "full", "The server is out of memory.");
    else
        (void)skio_ack_send(ack,
                            "{'ok':true,'room':%s,'kind':%s,'epoch':%s,"
                            "'missed':%u,'messages':%-s,'people':%-s}",
                            room->kind == ROOM_DIRECT ? direct : room->name,
                            kinds[room->kind], chat->epoch,
                            after > 0 ? missed : 0, messages.data, people.data);
    text_free(&messages);
    text_free(&people);
}

/*
 * Whether this request may enter the room that has the name, or may make it.
 * A private room opens to its key alone: knowing its name is not enough.
 * Returns NULL after a refusal.
 */
static struct room *
admit(struct chat *chat, struct room *room, const skio_value *args,
      skio_ack *ack)
{
    const char *key = skio_get_str(args, "0.key");
    bool is_private = false;

    (void)skio_get_bool(args, "0.private", &is_private); /* false if absent */
    if (is_private && !token_is_valid(key, KEY_MIN, KEY_MAX)) {
        refuse(ack, "bad_key", "A private room needs a key.");
        return NULL;
    }
    if (room == NULL) {
        room = rooms_add(&chat->rooms, skio_get_str(args, "0.room"),
                         is_private ? key : NULL);
        if (room == NULL)
            refuse(ack, "full", "There are too many rooms.");
        return room;
    }
    if (room->kind == ROOM_PRIVATE &&
        (key == NULL || !token_is_equal(room->key, key))) {
        refuse(ack, "forbidden",
               "That room is private: a member has to invite you.");
        return NULL;
    }
    /* Else what was meant for few would be said to all. */
    if (room->kind == ROOM_PUBLIC && is_private) {
        refuse(ack, "exists", "A public room has that name already.");
        return NULL;
    }
    return room;
}

/* Put a connection into a room. Returns false after a refusal. */
static bool
enter(struct chat *chat, skio_socket *socket, struct room *room, skio_ack *ack)
{
    struct visitor *visitor = visitor_of(socket);
    char address[USER_ROOM_BYTES];
    int is_new;

    if (visitor_is_inside(visitor, room))
        return true;
    if (visitor->rooms_count == VISITOR_ROOMS_MAX) {
        refuse(ack, "full", "You are in too many rooms: leave one first.");
        return false;
    }
    is_new = room_enter(&chat->rooms, room, visitor->user);
    if (is_new < 0) {
        refuse(ack, "full", "The room is full.");
        return false;
    }
    room_address(address, room);
    if (skio_join(socket, address) != SKIO_OK) {
        (void)room_leave(room, visitor->user);
        refuse(ack, "full", "The server is out of memory.");
        return false;
    }
    visitor->rooms[visitor->rooms_count++] = room;
    if (is_new > 0)
        (void)skio_broadcast_to(socket, address, "joined",
                                "{'room':%s,'nick':%s}", room->name,
                                visitor->user->nick);
    return true;
}

static void
on_enter(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);
    unsigned wait = take_act(visitor);
    struct user *other;
    struct room *room;
    bool refused;

    if (wait > 0) {
        refuse_for_now(ack, wait);
        return;
    }
    room = find_room(chat, visitor->user, skio_get_str(args, "0.room"), &other,
                     ack, &refused);
    if (refused)
        return;
    if (other != NULL) {
        if (room == NULL)
            room = rooms_add_direct(&chat->rooms, visitor->user, other);
        if (room == NULL)
            refuse(ack, "full", "There are too many conversations.");
    } else {
        room = admit(chat, room, args, ack);
        if (room != NULL && !enter(chat, socket, room, ack))
            room = NULL;
    }
    if (room != NULL)
        answer_entered(chat, room, visitor->user, args, ack);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);
    struct user *other;
    struct room *room;
    bool refused;

    room = find_room(chat, visitor->user, skio_get_str(args, "0.room"), &other,
                     ack, &refused);
    if (refused)
        return;
    if (room == NULL || other != NULL || !visitor_is_inside(visitor, room)) {
        refuse(ack, "not_inside", "You are not in that room.");
        return;
    }
    chat_leave(chat, socket, room);
    (void)skio_ack_send(ack, "{'ok':true}");
}

/* A member hands the key of a private room to somebody who is here. */
static void
on_invite(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);
    unsigned wait = take_act(visitor);
    char address[USER_ROOM_BYTES];
    struct user *guest;
    struct user *other;
    struct room *room;
    bool refused;

    if (wait > 0) {
        refuse_for_now(ack, wait);
        return;
    }
    room = find_room(chat, visitor->user, skio_get_str(args, "0.room"), &other,
                     ack, &refused);
    if (refused)
        return;
    guest = users_find(&chat->users, skio_get_str(args, "0.nick"));
    if (room == NULL || room->kind != ROOM_PRIVATE ||
        !visitor_is_inside(visitor, room)) {
        refuse(ack, "not_inside",
               "You are not in a private room of that name.");
    } else if (guest == NULL || guest->online == 0) {
        refuse(ack, "unknown_user", "Nobody with that nickname is here.");
    } else {
        user_address(address, guest);
        (void)skio_emit_to(chat->nsp, address, "invited",
                           "{'room':%s,'nick':%s,'key':%s}", room->name,
                           visitor->user->nick, room->key);
        (void)skio_ack_send(ack, "{'ok':true}");
    }
}

static void
on_rooms(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    unsigned wait = take_act(visitor_of(socket));
    struct text list = {0};

    (void)args;
    if (wait > 0) {
        refuse_for_now(ack, wait);
        return;
    }
    text_add(&list, "[");
    for (size_t i = 0; i < chat->rooms.count; i++) {
        const struct room *room = chat->rooms.items[i];

        if (room->kind == ROOM_PUBLIC)
            text_add(&list, "%s{\"room\":\"%s\",\"people\":%zu}",
                     list.len > 1 ? "," : "", room->name, room->members_count);
    }
    text_add(&list, "]");
    if (list.failed)
        refuse(ack, "full", "The server is out of memory.");
    else
        (void)skio_ack_send(ack, "{'ok':true,'rooms':%-s}", list.data);
    text_free(&list);
}

int
enter_start(struct chat *chat)
{
    int err = skio_on(chat->nsp, "enter", on_enter, chat);

    if (err == SKIO_OK)
        err = skio_on(chat->nsp, "leave", on_leave, chat);
    if (err == SKIO_OK)
        err = skio_on(chat->nsp, "invite", on_invite, chat);
    if (err == SKIO_OK)
        err = skio_on(chat->nsp, "rooms", on_rooms, chat);
    return err;
}
