/*
 * Entering and leaving rooms
 *
 * A room may be another server's: entering asks the others first for what they
 * know of it, and at the end who is inside. Meanwhile the client may go.
 */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An "enter" that waits for other servers. */
struct entering {
    skio_socket *socket;
    skio_ack *ack;
    char room[NAME_BYTES + 1]; /* as it was asked for, "@nick" too */
    char key[KEY_MAX + 1];     /* empty: none that could be right */
    bool is_private;
    bool is_new; /* none of the user's connections here was inside */
    char epoch[40];
    int64_t after;
};

/* It is answered. */
static void
entering_free(struct entering *entering)
{
    skio_socket_unref(entering->socket);
    free(entering);
}

/* Whether the client is still there; else it is given up. */
static bool
is_waiting(struct entering *entering)
{
    if (skio_socket_is_connected(entering->socket))
        return true;
    skio_ack_free(entering->ack);
    entering_free(entering);
    return false;
}

/* Copy a string that is not longer than it may be; else leave out empty. */
static void
copy_str(char *out, size_t size, const skio_value *args, const char *path)
{
    const char *text = skio_get_str(args, path);

    if (text != NULL && strlen(text) < size)
        (void)snprintf(out, size, "%s", text);
}

/* Answer an "enter": what is new since `after`, and who is here. */
static void
answer_entered(struct chat *chat, const char *people, void *arg)
{
    static const char *const kinds[] = {"public", "private", "direct"};
    struct entering *entering = arg;
    struct text messages = {0};
    char direct[NAME_BYTES + 1];
    char address[USER_ROOM_BYTES];
    const struct user *user;
    const struct room *room;
    struct user *other;
    unsigned missed;
    bool refused;

    if (!is_waiting(entering))
        return;
    user = visitor_of(entering->socket)->user;
    room =
        find_room(chat, user, entering->room, &other, entering->ack, &refused);
    if (room == NULL) {
        if (!refused)
            refuse(entering->ack, "full", "There are too many rooms.");
        entering_free(entering);
        return;
    }
    /* Numbers of another life of this server, or another one, mean nothing. */
    if (strcmp(entering->epoch, chat->epoch) != 0 || entering->after < 0 ||
        entering->after > room->seq)
        entering->after = 0;
    missed = room_write_messages(room, (unsigned)entering->after, &messages);
    if (room->kind == ROOM_DIRECT)
        direct_name(direct, room, user);
    if (messages.failed || people == NULL)
        refuse(entering->ack, "full", "The server is out of memory.");
    else
        (void)skio_ack_send(
            entering->ack,
            "{'ok':true,'room':%s,'kind':%s,'epoch':%s,'missed':%u,"
            "'messages':%-s,'people':%-s}",
            room->kind == ROOM_DIRECT ? direct : room->name, kinds[room->kind],
            chat->epoch, entering->after > 0 ? missed : 0, messages.data,
            people);
    text_free(&messages);
    /* Only now: where the user came from it has been noticed meanwhile. */
    if (entering->is_new) {
        room_address(address, room);
        (void)skio_broadcast_to(entering->socket, address, "joined",
                                "{'room':%s,'nick':%s}", room->name,
                                user->nick);
    }
    entering_free(entering);
}

/*
 * Whether this request may enter the room that has the name, or may make it.
 * A private room opens to its key alone: knowing its name is not enough.
 * Returns NULL after a refusal.
 */
static struct room *
admit(struct chat *chat, struct room *room, const struct entering *entering)
{
    const char *key = entering->key;
    bool is_private = entering->is_private;
    skio_ack *ack = entering->ack;

    if (is_private && !token_is_valid(key, KEY_MIN, KEY_MAX)) {
        refuse(ack, "bad_key", "A private room needs a key.");
        return NULL;
    }
    if (room == NULL) {
        room = rooms_add(&chat->rooms, entering->room, is_private ? key : NULL);
        if (room == NULL)
            refuse(ack, "full", "There are too many rooms.");
        return room;
    }
    if (room->kind == ROOM_PRIVATE && !token_is_equal(room->key, key)) {
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
enter(struct chat *chat, struct room *room, struct entering *entering)
{
    skio_socket *socket = entering->socket;
    struct visitor *visitor = visitor_of(socket);
    skio_ack *ack = entering->ack;
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
    entering->is_new = is_new > 0;
    return true;
}

/* The room is known here now, if anybody knows it. */
static void
enter_known(struct chat *chat, void *arg)
{
    struct entering *entering = arg;
    struct visitor *visitor;
    struct user *other;
    struct room *room;
    bool refused;

    if (!is_waiting(entering))
        return;
    visitor = visitor_of(entering->socket);
    room = find_room(chat, visitor->user, entering->room, &other, entering->ack,
                     &refused);
    if (refused) {
        entering_free(entering);
        return;
    }
    if (other != NULL) {
        if (room == NULL)
            room = rooms_add_direct(&chat->rooms, visitor->user, other);
        if (room == NULL)
            refuse(entering->ack, "full", "There are too many conversations.");
    } else {
        room = admit(chat, room, entering);
        if (room != NULL && !enter(chat, room, entering))
            room = NULL;
    }
    if (room != NULL)
        cluster_people(chat, room, answer_entered, entering);
    else
        entering_free(entering);
}

/* The other one of a conversation is known here now, if anybody knows. */
static void
ask_for_room(struct chat *chat, void *arg)
{
    struct entering *entering = arg;
    const struct visitor *visitor;
    const struct room *room;
    struct user *other;
    bool refused;

    if (!is_waiting(entering))
        return;
    visitor = visitor_of(entering->socket);
    room = find_room(chat, visitor->user, entering->room, &other, entering->ack,
                     &refused);
    if (refused)
        entering_free(entering);
    else if (room != NULL && room->is_known)
        enter_known(chat, entering);
    else
        cluster_ask_room(chat, other != NULL ? NULL : entering->room,
                         visitor->user, other, enter_known, entering);
}

static void
on_enter(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    const char *name = skio_get_str(args, "0.room");
    struct entering *entering;
    bool is_person = name != NULL && name[0] == '@';

    if (refuse_too_fast(visitor_of(socket), ack))
        return;
    if (!is_person && !name_is_valid(name, ROOM_MAX)) {
        refuse(ack, "bad_name",
               "A room's name has 1 to 24 letters, digits, “-”, “_” or “.”.");
        return;
    }
    if (is_person && !name_is_valid(name + 1, NICK_MAX)) {
        refuse(ack, "unknown_user", "Nobody here has that nickname.");
        return;
    }
    entering = calloc(1, sizeof *entering);
    if (entering == NULL) {
        refuse(ack, "full", "The server is out of memory.");
        return;
    }
    entering->socket = skio_socket_ref(socket);
    entering->ack = skio_ack_take(ack);
    (void)snprintf(entering->room, sizeof entering->room, "%s", name);
    copy_str(entering->key, sizeof entering->key, args, "0.key");
    copy_str(entering->epoch, sizeof entering->epoch, args, "0.epoch");
    (void)skio_get_bool(args, "0.private", &entering->is_private);
    (void)skio_get_int(args, "0.after", &entering->after); /* else 0 */
    if (is_person && users_find(&chat->users, name + 1) == NULL)
        cluster_ask_user(chat, name + 1, ask_for_room, entering);
    else
        ask_for_room(chat, entering);
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

int
enter_start(struct chat *chat)
{
    int err = skio_on(chat->nsp, "enter", on_enter, chat);

    return err == SKIO_OK ? skio_on(chat->nsp, "leave", on_leave, chat) : err;
}
