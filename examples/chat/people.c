/*
 * Who is here, on all servers
 */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The nickname of a socket, which on_connect made known to all servers. */
static bool
nick_of(const skio_remote *remote, char nick[NAME_BYTES])
{
    return sscanf(skio_remote_shared(remote), "{\"nick\":\"%72[^\"]\"", nick) ==
               1 &&
           name_is_valid(nick, NICK_MAX);
}

struct asking {
    struct chat *chat;
    cluster_people_fn *fn;
    void *arg;
};

static void
on_people(int err, const skio_remote *const *sockets, size_t count,
          size_t missing, void *user)
{
    struct asking *asking = user;
    char(*nicks)[NAME_BYTES] = calloc(count + 1, sizeof *nicks);
    struct text list = {0};
    size_t found = 0;

    (void)err; /* a server that did not answer is missing from the list */
    (void)missing;
    text_add(&list, "[");
    for (size_t i = 0; nicks != NULL && i < count; i++) {
        size_t k = 0;

        if (!nick_of(sockets[i], nicks[found]))
            continue;
        while (strcmp(nicks[k], nicks[found]) != 0)
            k++;
        if (k == found)
            text_add(&list, "%s\"%s\"", found++ > 0 ? "," : "", nicks[k]);
    }
    text_add(&list, "]");
    asking->fn(asking->chat, nicks == NULL || list.failed ? NULL : list.data,
               asking->arg);
    text_free(&list);
    free(nicks);
    free(asking);
}

void
cluster_people(struct chat *chat, const struct room *room,
               cluster_people_fn *fn, void *arg)
{
    struct asking *asking = calloc(1, sizeof *asking);
    char first[ADDRESS_BYTES];
    char second[ADDRESS_BYTES];

    if (asking == NULL) {
        fn(chat, NULL, arg);
        return;
    }
    *asking = (struct asking){chat, fn, arg};
    if (room->kind == ROOM_DIRECT) {
        user_address(first, room->pair[0]);
        user_address(second, room->pair[1]);
    } else {
        room_address(first, room);
        room_address(second, room);
    }
    if (skio_sockets_fetch(chat->nsp,
                           SKIO_TARGET(.to = SKIO_ROOMS(first, second)),
                           on_people, asking) != SKIO_OK) {
        free(asking);
        fn(chat, NULL, arg);
    }
}

/*
 * Leaving
 */

struct leaving {
    struct chat *chat;
    char nick[NAME_BYTES];
    char room[NAME_BYTES]; /* empty: the chat */
    char address[ADDRESS_BYTES];
};

static void
on_left(int err, const skio_remote *const *sockets, size_t count,
        size_t missing, void *arg)
{
    struct leaving *leaving = arg;
    struct chat *chat = leaving->chat;
    char nick[NAME_BYTES];
    bool is_there = false;

    (void)missing;
    for (size_t i = 0; i < count; i++)
        if (nick_of(sockets[i], nick) && strcmp(nick, leaving->nick) == 0)
            is_there = true;
    if (!is_there && err != SKIO_ECLOSED) {
        const struct user *user = users_find(&chat->users, leaving->nick);

        if (leaving->room[0] != '\0')
            (void)skio_emit_to(chat->nsp, leaving->address, "left",
                               "{'room':%s,'nick':%s}", leaving->room,
                               leaving->nick);
        else if (user != NULL)
            chat_tell_directs(chat, user, "left");
    }
    free(leaving);
}

void
cluster_left(struct chat *chat, const struct user *user,
             const struct room *room)
{
    struct leaving *leaving = calloc(1, sizeof *leaving);

    if (leaving == NULL)
        return; /* the others see it when they come again */
    leaving->chat = chat;
    (void)snprintf(leaving->nick, sizeof leaving->nick, "%s", user->nick);
    if (room != NULL) {
        (void)snprintf(leaving->room, sizeof leaving->room, "%s", room->name);
        room_address(leaving->address, room);
    } else {
        user_address(leaving->address, user);
    }
    if (skio_sockets_fetch(chat->nsp,
                           SKIO_TARGET(.to = SKIO_ROOMS(leaving->address)),
                           on_left, leaving) != SKIO_OK)
        free(leaving);
}
