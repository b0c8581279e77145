/*
 * Entering and leaving rooms
 *
 * Who may be inside is decided in admit.c. Here it is asked for, and answered
 * with what was missed and who is there, which all servers are asked for.
 * Meanwhile the client may go.
 */
#include "cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An "enter" that waits for the verdict, and for other servers. */
struct entering {
    struct chat *chat;
    skio_socket *socket;
    skio_ack *ack;
    char room[NAME_BYTES + 1]; /* as it was asked for, or "@nick" */
    char address[ADDRESS_BYTES];
    char key[KEY_MAX + 1]; /* empty: none that could be right */
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
    if (entering->is_new)
        (void)skio_broadcast_to(entering->socket, entering->address, "joined",
                                "{'room':%s,'nick':%s}", room->name,
                                user->nick);
    entering_free(entering);
}

/*
 * The guard said yes, and the socket is inside: note it, and make the room if
 * nobody has it. Returns NULL after a refusal.
 */
static struct room *
note_entry(struct entering *entering)
{
    struct chat *chat = entering->chat;
    struct visitor *visitor = visitor_of(entering->socket);
    struct room *room;
    struct user *other;
    bool refused;
    int is_new;

    room = find_room(chat, visitor->user, entering->room, &other, entering->ack,
                     &refused);
    if (refused)
        return NULL;
    if (room == NULL && other != NULL)
        room = rooms_add_direct(&chat->rooms, visitor->user, other);
    else if (room == NULL)
        room = rooms_add(&chat->rooms, entering->room,
                         entering->is_private ? entering->key : NULL);
    if (room == NULL) {
        refuse(entering->ack, "full",
               other != NULL ? "There are too many conversations."
                             : "There are too many rooms.");
        return NULL;
    }
    if (other != NULL || is_inside(entering->socket, room))
        return room;
    is_new = room_enter(&chat->rooms, room, visitor->user);
    if (is_new < 0) {
        refuse(entering->ack, "full", "The room is full.");
        return NULL;
    }
    visitor->rooms[visitor->rooms_count++] = room;
    entering->is_new = is_new > 0;
    return room;
}

/* What came of the question: see admit.c. */
static void
on_verdict(skio_socket *socket, const char *error, void *arg)
{
    struct entering *entering = arg;
    struct room *room = NULL;

    if (!is_waiting(entering))
        return;
    if (error != NULL)
        refuse_entry(entering->ack, error);
    else
        room = note_entry(entering);
    if (room != NULL) {
        cluster_people(entering->chat, room, answer_entered, entering);
        return;
    }
    if (error == NULL)
        (void)skio_leave(socket, entering->address); /* it is inside */
    entering_free(entering);
}

/*
 * Read what a request names: a room, or "@nick" for the conversation with
 * somebody, whose full name is "@nick@nick". Returns false after a refusal.
 */
static bool
read_name(struct entering *entering, const char *name, const struct user *user,
          skio_ack *ack)
{
    char pair[2][NAME_BYTES] = {"", ""};
    const char *last = name != NULL ? strrchr(name, '@') : NULL;
    char fold[NAME_BYTES];
    size_t len;

    if (name == NULL || name[0] != '@') {
        if (!name_is_valid(name, ROOM_MAX)) {
            refuse(ack, "bad_name",
                   "A room's name has 1 to 24 letters, digits, “-”, “_” or "
                   "“.”.");
            return false;
        }
        (void)snprintf(entering->room, sizeof entering->room, "%s", name);
        name_address(entering->address, name);
        return true;
    }
    len = last > name ? (size_t)(last - name) - 1 : 0;
    if (last == name)
        (void)snprintf(pair[0], NAME_BYTES, "%s", user->nick);
    else if (len < NAME_BYTES)
        (void)snprintf(pair[0], NAME_BYTES, "%.*s", (int)len, name + 1);
    if (strlen(last + 1) < NAME_BYTES)
        (void)snprintf(pair[1], NAME_BYTES, "%s", last + 1);
    if (!name_is_valid(pair[0], NICK_MAX) ||
        !name_is_valid(pair[1], NICK_MAX)) {
        refuse(ack, "unknown_user", "Nobody here has that nickname.");
        return false;
    }
    direct_address(entering->address, pair[0], pair[1]);
    name_fold(fold, pair[1]);
    (void)snprintf(entering->room, sizeof entering->room, "@%s",
                   strcmp(fold, user->fold) == 0 ? pair[0] : pair[1]);
    return true;
}

static void
on_enter(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct chat *chat = arg;
    const struct user *user = visitor_of(socket)->user;
    struct entering *entering;

    if (refuse_too_fast(visitor_of(socket), ack))
        return;
    entering = calloc(1, sizeof *entering);
    if (entering == NULL) {
        refuse(ack, "full", "The server is out of memory.");
        return;
    }
    if (!read_name(entering, skio_get_str(args, "0.room"), user, ack)) {
        free(entering);
        return;
    }
    entering->chat = chat;
    entering->socket = skio_socket_ref(socket);
    entering->ack = skio_ack_take(ack);
    copy_str(entering->key, sizeof entering->key, args, "0.key");
    copy_str(entering->epoch, sizeof entering->epoch, args, "0.epoch");
    (void)skio_get_bool(args, "0.private", &entering->is_private);
    (void)skio_get_int(args, "0.after", &entering->after); /* else 0 */
    skio_guard_put(chat->guard, socket, entering->address, args, on_verdict,
                   entering);
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
    if (room == NULL || other != NULL || !is_inside(socket, room)) {
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
