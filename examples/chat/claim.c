/*
 * The handshake: a nickname belongs to whoever has its key
 */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>

static void
visitor_free(void *data)
{
    struct visitor *visitor = data;

    user_release(visitor->user);
    free(visitor);
}

/* A handshake that waits for what the other servers know of the nickname. */
struct claim {
    skio_next *next;
    char nick[NAME_BYTES];
    char key[KEY_MAX + 1];
};

static void
decide(struct chat *chat, void *arg)
{
    struct claim *claim = arg;
    skio_next *next = claim->next;
    skio_socket *socket = skio_next_socket(next); /* NULL: it has gone */
    struct visitor *visitor = NULL;
    enum user_error err = USER_FULL;

    if (socket != NULL)
        visitor = calloc(1, sizeof *visitor);
    if (visitor != NULL)
        err =
            users_claim(&chat->users, claim->nick, claim->key, &visitor->user);
    if (err == USER_OK)
        err = skio_socket_set_shared(socket, "{'nick':%s}",
                                     visitor->user->nick) == SKIO_OK
                  ? USER_OK
                  : USER_FULL;
    if (err == USER_OK) {
        cluster_tell_came(chat, visitor->user);
        skio_socket_set_data(socket, visitor, visitor_free);
        (void)skio_next_ok(next);
    } else {
        if (visitor != NULL && visitor->user != NULL)
            user_release(visitor->user);
        free(visitor);
        if (err == USER_TAKEN)
            (void)skio_next_error(next, "Somebody else has that nickname.",
                                  "{'code':'taken'}");
        else
            (void)skio_next_error(next, "The chat is full.", "{'code':'full'}");
    }
    free(claim);
}

void
chat_authenticate(skio_socket *socket, skio_next *next, void *arg)
{
    const char *nick = skio_get_str(skio_socket_auth(socket), "nick");
    const char *key = skio_get_str(skio_socket_auth(socket), "key");
    struct claim *claim;

    if (!name_is_valid(nick, NICK_MAX)) {
        (void)skio_next_error(
            next, "A nickname has 1 to 20 letters, digits, “-”, “_” or “.”.",
            "{'code':'bad_name'}");
        return;
    }
    if (!token_is_valid(key, KEY_MIN, KEY_MAX)) {
        (void)skio_next_error(next, "The key of the nickname is missing.",
                              "{'code':'bad_key'}");
        return;
    }
    claim = calloc(1, sizeof *claim);
    if (claim == NULL) {
        (void)skio_next_error(next, "The chat is full.", "{'code':'full'}");
        return;
    }
    claim->next = next;
    (void)snprintf(claim->nick, sizeof claim->nick, "%s", nick);
    (void)snprintf(claim->key, sizeof claim->key, "%s", key);
    cluster_ask_user(arg, claim->nick, decide, claim);
}
