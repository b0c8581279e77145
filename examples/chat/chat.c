#define _POSIX_C_SOURCE 200809L

#include "cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t
wall_clock_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct visitor *
visitor_of(const skio_socket *socket)
{
    return skio_socket_data(socket);
}

bool
is_inside(const skio_socket *socket, const struct room *room)
{
    const struct visitor *visitor = visitor_of(socket);
    char address[ADDRESS_BYTES];

    if (room->kind == ROOM_DIRECT) {
        room_address(address, room);
        return skio_in_room(socket, address);
    }
    for (size_t i = 0; i < visitor->rooms_count; i++)
        if (visitor->rooms[i] == room)
            return true;
    return false;
}

void
refuse(skio_ack *ack, const char *code, const char *message)
{
    (void)skio_ack_send(ack, "{'ok':false,'code':%s,'message':%s}", code,
                        message);
}

void
refuse_for_now(skio_ack *ack, unsigned retry_ms)
{
    (void)skio_ack_send(ack,
                        "{'ok':false,'code':'slow_down','message':"
                        "'That was too fast.','retry_ms':%u}",
                        retry_ms);
}

bool
refuse_too_fast(const struct visitor *visitor, skio_ack *ack)
{
    unsigned wait = bucket_take(&visitor->user->acts, 80, 8);

    if (wait > 0)
        refuse_for_now(ack, wait);
    return wait > 0;
}

void
room_address(char out[ADDRESS_BYTES], const struct room *room)
{
    if (room->kind == ROOM_DIRECT)
        direct_address(out, room->pair[0]->nick, room->pair[1]->nick);
    else
        name_address(out, room->name);
}

void
name_address(char out[ADDRESS_BYTES], const char *name)
{
    char fold[NAME_BYTES];

    name_fold(fold, name);
    (void)snprintf(out, ADDRESS_BYTES, "room:%s", fold);
}

void
direct_address(char out[ADDRESS_BYTES], const char *nick, const char *other)
{
    char first[NAME_BYTES];
    char second[NAME_BYTES];
    bool is_sorted;

    name_fold(first, nick);
    name_fold(second, other);
    is_sorted = strcmp(first, second) < 0;
    (void)snprintf(out, ADDRESS_BYTES, "direct:%s:%s",
                   is_sorted ? first : second, is_sorted ? second : first);
}

void
user_address(char out[ADDRESS_BYTES], const struct user *user)
{
    (void)snprintf(out, ADDRESS_BYTES, "user:%s", user->fold);
}

void
direct_name(char out[NAME_BYTES + 1], const struct room *room,
            const struct user *reader)
{
    (void)snprintf(out, NAME_BYTES + 1, "@%s", room_other(room, reader)->nick);
}

struct room *
find_room(struct chat *chat, const struct user *user, const char *name,
          struct user **other, skio_ack *ack, bool *refused)
{
    *other = NULL;
    *refused = false;
    if (name != NULL && name[0] == '@') {
        *other = users_find(&chat->users, name + 1);
        if (*other != NULL && *other != user)
            return rooms_find_direct(&chat->rooms, user, *other);
        *refused = true;
        refuse(ack, "unknown_user", "Nobody here has that nickname.");
    } else if (!name_is_valid(name, ROOM_MAX)) {
        *refused = true;
        refuse(ack, "bad_name",
               "A room's name has 1 to 24 letters, digits, “-”, “_” or “.”.");
    } else {
        return rooms_find(&chat->rooms, name);
    }
    return NULL;
}

/*
 * Coming and going
 */

void
chat_tell_directs(struct chat *chat, const struct user *user, const char *event)
{
    for (size_t i = 0; i < chat->rooms.count; i++) {
        const struct room *room = chat->rooms.items[i];
        char to[ADDRESS_BYTES];
        char name[NAME_BYTES + 1];

        if (room->pair[0] != user && room->pair[1] != user)
            continue;
        user_address(to, room_other(room, user));
        direct_name(name, room, room_other(room, user));
        (void)skio_emit_to(chat->nsp, to, event, "{'room':%s,'nick':%s}", name,
                           user->nick);
    }
}

void
chat_leave(struct chat *chat, skio_socket *socket, struct room *room)
{
    struct visitor *visitor = visitor_of(socket);
    char address[ADDRESS_BYTES];

    for (size_t i = 0; i < visitor->rooms_count; i++)
        if (visitor->rooms[i] == room) {
            visitor->rooms[i] = visitor->rooms[--visitor->rooms_count];
            break;
        }
    room_address(address, room);
    (void)skio_leave(socket, address); /* it has left when it disconnects */
    if (room_leave(room, visitor->user) > 0)
        cluster_left(chat, visitor->user, room);
}

static void
on_connect(skio_socket *socket, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);
    struct user *user = visitor->user;
    struct text directs = {0};
    char address[ADDRESS_BYTES];

    user_address(address, user);
    if (skio_join(socket, address) != SKIO_OK) {
        skio_disconnect(socket, true);
        return;
    }
    visitor->is_online = true;
    if (user->online++ == 0)
        chat_tell_directs(chat, user, "joined");

    text_add(&directs, "[");
    for (size_t i = 0; i < chat->rooms.count; i++) {
        const struct room *room = chat->rooms.items[i];

        if (room->pair[0] == user || room->pair[1] == user)
            text_add(&directs, "%s\"@%s\"", directs.len > 1 ? "," : "",
                     room_other(room, user)->nick);
    }
    text_add(&directs, "]");
    /* Without memory for it the client gets no greeting: it comes again. */
    if (directs.failed || skio_emit(socket, "welcome",
                                    "{'nick':%s,'epoch':%s,'direct':%-s,"
                                    "'limits':{'text':%d,'name':%d}}",
                                    user->nick, chat->epoch, directs.data,
                                    TEXT_MAX, ROOM_MAX) != SKIO_OK)
        skio_disconnect(socket, true);
    text_free(&directs);
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *arg)
{
    struct chat *chat = arg;
    struct visitor *visitor = visitor_of(socket);

    (void)reason;
    while (visitor->rooms_count > 0)
        chat_leave(chat, socket, visitor->rooms[0]);
    if (visitor->is_online && --visitor->user->online == 0)
        cluster_left(chat, visitor->user, NULL);
}

/* Said by somebody who will not come back: the nickname may go to others. */
static void
on_quit(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    (void)args;
    visitor_of(socket)->user->has_quit = true;
    cluster_tell_quit(arg, visitor_of(socket)->user);
    (void)skio_ack_send(ack, "{'ok':true}");
}

/*
 * The whole
 */

static void
on_forget(struct user *user, void *arg)
{
    struct chat *chat = arg;

    rooms_drop_user(&chat->rooms, user);
}

int
chat_start(struct chat *chat, skio_server *server)
{
    int err;

    chat->nsp = skio_of(server, "/");
    if (chat->nsp == NULL || rooms_add(&chat->rooms, "lobby", NULL) == NULL)
        return SKIO_ENOMEM;
    chat->users.on_forget = on_forget;
    chat->users.arg = chat;
    (void)snprintf(chat->epoch, sizeof chat->epoch, "%" PRIx64 "-%lx",
                   (uint64_t)wall_clock_ms(), (unsigned long)getpid());
    err = skio_use(chat->nsp, chat_authenticate, chat);
    if (err == SKIO_OK)
        err = skio_on_connect(chat->nsp, on_connect, chat);
    if (err == SKIO_OK)
        err = skio_on_disconnect(chat->nsp, on_disconnect, chat);
    if (err == SKIO_OK)
        err = skio_on(chat->nsp, "quit", on_quit, chat);
    if (err == SKIO_OK)
        err = admit_start(chat);
    if (err == SKIO_OK)
        err = enter_start(chat);
    if (err == SKIO_OK)
        err = look_start(chat);
    if (err == SKIO_OK)
        err = talk_start(chat);
    if (err == SKIO_OK)
        err = answer_start(chat);
    return err;
}

void
chat_free(struct chat *chat)
{
    users_free(&chat->users); /* drops conversations on its way */
    rooms_free(&chat->rooms);
}
