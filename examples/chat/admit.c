/*
 * Who may be in which room
 *
 * The one place where a connection gets into a room: whatever a client says to
 * get there becomes a question to the guard about an address, and what is said
 * here is the verdict. Only a yes joins the socket.
 *
 *   room:NAME         a public room, for all; or a private one, for its key
 *   direct:NICK:NICK  a conversation, for the two whose names these are
 *   user:NICK         the connections of a user: the chat's own, not asked for
 *
 * A room may be another server's: the others are asked first for what they know
 * of it, and the verdict comes later.
 */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a verdict and the guard call a reason, and what the page is told. */
static const struct {
    const char *reason;
    const char *code;
    const char *message;
} refusals[] = {
    {"no key", "bad_key", "A private room needs a key."},
    {"members only", "forbidden",
     "That room is private: a member has to invite you."},
    {"two others", "forbidden", "That conversation is between two others."},
    /* Else what was meant for few would be said to all. */
    {"is public", "exists", "A public room has that name already."},
    {"nobody", "unknown_user", "Nobody here has that nickname."},
    {"too many rooms", "full", "You are in too many rooms: leave one first."},
    {"timeout", "timeout", "The other servers did not answer in time."},
};

/* A question whose answer other servers may have to give. */
struct doubt {
    skio_guard_ask *ask;
    bool is_private;
    char key[KEY_MAX + 1]; /* empty: none that could be right */
    bool has_asked_user;
    bool has_asked_room;
};

/* What an address names, as far as it is known here. */
struct place {
    bool is_direct;
    char name[NAME_BYTES];  /* of the room */
    char other[NAME_BYTES]; /* the one to talk with; empty: two others do */
    struct user *user;      /* who has that nickname, or NULL */
    const struct room *room;
};

static void
find_place(struct chat *chat, const struct user *user, const char *address,
           struct place *place)
{
    char pair[2][NAME_BYTES];

    memset(place, 0, sizeof *place);
    if (sscanf(address, "room:%72s", place->name) == 1) {
        place->room = rooms_find(&chat->rooms, place->name);
    } else if (sscanf(address, "direct:%72[^:]:%72s", pair[0], pair[1]) == 2) {
        place->is_direct = true;
        for (int i = 0; i < 2; i++)
            if (strcmp(pair[i], user->fold) == 0)
                (void)snprintf(place->other, NAME_BYTES, "%s", pair[1 - i]);
        place->user = users_find(&chat->users, place->other);
        if (place->user != NULL)
            place->room = rooms_find_direct(&chat->rooms, user, place->user);
    }
}

/* A private room opens to its key alone: knowing its name is not enough. */
static const char *
judge_room(const skio_socket *socket, const struct room *room,
           const struct doubt *doubt)
{
    if (doubt->is_private && !token_is_valid(doubt->key, KEY_MIN, KEY_MAX))
        return "no key";
    if (room != NULL && room->kind == ROOM_PRIVATE &&
        !token_is_equal(room->key, doubt->key))
        return "members only";
    if (room != NULL && room->kind == ROOM_PUBLIC && doubt->is_private)
        return "is public";
    if (visitor_of(socket)->rooms_count == VISITOR_ROOMS_MAX &&
        (room == NULL || !is_inside(socket, room)))
        return "too many rooms";
    return NULL;
}

/* Returns why not; NULL for yes. */
static const char *
judge(const skio_socket *socket, const struct place *place,
      const struct doubt *doubt)
{
    if (!place->is_direct)
        return judge_room(socket, place->room, doubt);
    if (place->other[0] == '\0')
        return "two others";
    return place->user == NULL || place->user == visitor_of(socket)->user
               ? "nobody"
               : NULL;
}

/* Called again when the other servers have answered. */
static void
decide(struct chat *chat, void *arg)
{
    struct doubt *doubt = arg;
    const skio_socket *socket =
        chat->has_ended ? NULL : skio_guard_socket(doubt->ask);
    const struct user *user;
    const char *why = NULL;
    struct place place;

    if (chat->has_ended) { /* and the question with it */
        free(doubt);
        return;
    }
    if (socket != NULL) {
        user = visitor_of(socket)->user;
        find_place(chat, user, skio_guard_room(doubt->ask), &place);
        if (place.other[0] != '\0' && place.user == NULL &&
            !doubt->has_asked_user) {
            doubt->has_asked_user = true;
            cluster_ask_user(chat, place.other, decide, doubt);
            return;
        }
        if ((place.user != NULL || !place.is_direct) && place.user != user &&
            (place.room == NULL || !place.room->is_known) &&
            !doubt->has_asked_room) {
            doubt->has_asked_room = true;
            cluster_ask_room(chat, place.is_direct ? NULL : place.name, user,
                             place.user, decide, doubt);
            return;
        }
        why = judge(socket, &place, doubt);
    }
    if (why == NULL)
        (void)skio_guard_allow(doubt->ask);
    else
        (void)skio_guard_deny(doubt->ask, why);
    free(doubt);
}

/* args are those of the event "enter". */
static void
on_ask(skio_guard_ask *ask, skio_socket *socket, const char *address,
       const skio_value *args, void *arg)
{
    struct doubt *doubt = calloc(1, sizeof *doubt);
    const char *key = skio_get_str(args, "0.key");

    (void)socket;
    (void)address;
    if (doubt == NULL) {
        (void)skio_guard_deny(ask, "unavailable");
        return;
    }
    doubt->ask = ask;
    if (key != NULL && strlen(key) < sizeof doubt->key)
        (void)snprintf(doubt->key, sizeof doubt->key, "%s", key);
    (void)skio_get_bool(args, "0.private", &doubt->is_private); /* else false */
    decide(arg, doubt);
}

void
refuse_entry(skio_ack *ack, const char *reason)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strcmp(reason, refusals[i].reason) == 0) {
            refuse(ack, refusals[i].code, refusals[i].message);
            return;
        }
    if (strcmp(reason, "too many questions") == 0 ||
        strcmp(reason, "busy") == 0)
        refuse_for_now(ack, 1000);
    else
        refuse(ack, "full", "The server is out of memory.");
}

/* Comes before the guard's end. */
static void
on_free(void *arg)
{
    struct chat *chat = arg;

    chat->has_ended = true;
}

int
admit_start(struct chat *chat)
{
    static const char *const reserved[] = {"user:", NULL};
    skio_guard_options options;
    int err;

    skio_guard_options_init(&options);
    options.join = NULL; /* enter.c puts the questions */
    options.leave = NULL;
    options.reserved = reserved;
    options.max_name_bytes = ADDRESS_BYTES;
    options.max_rooms = VISITOR_ROOMS_MAX + ROOMS_MAX; /* conversations, too */
    options.max_asks = VISITOR_ROOMS_MAX;
    err = skio_guard_new(chat->nsp, on_ask, chat, &options, &chat->guard);
    if (err == SKIO_OK)
        err = skio_server_on_free(skio_nsp_server(chat->nsp), on_free, chat);
    return err;
}
