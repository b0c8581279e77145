#include "cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Telling
 */

void
cluster_tell_said(struct chat *chat, const struct room *room,
                  const struct message *message)
{
    struct text text = {0};

    text_add(&text, "{");
    learn_write(room, &text);
    text_add(&text,
             ",\"message\":{\"id\":\"%s\",\"from\":\"%s\",\"text\":%s,"
             "\"at\":%" PRId64 "}}",
             message->id, message->from, message->text, message->at);
    if (!text.failed)
        (void)skio_server_side_emit(chat->nsp, "said", "%-s", text.data);
    text_free(&text);
}

void
cluster_tell_came(struct chat *chat, const struct user *user)
{
    (void)skio_server_side_emit(chat->nsp, "came", "{'nick':%s,'key':%s}",
                                user->nick, user->key);
}

void
cluster_tell_quit(struct chat *chat, const struct user *user)
{
    (void)skio_server_side_emit(chat->nsp, "quit", "%s", user->nick);
}

void
cluster_tell_back(struct chat *chat)
{
    (void)skio_server_side_emit(chat->nsp, "back", NULL);
}

/*
 * Asking
 */

struct question {
    struct chat *chat;
    cluster_then_fn *then;
    void *arg;
    char room[NAME_BYTES];    /* empty: none */
    char pair[2][NAME_BYTES]; /* nicknames, or empty */
};

static struct question *
question_new(struct chat *chat, cluster_then_fn *then, void *arg)
{
    struct question *question = calloc(1, sizeof *question);

    if (question != NULL)
        *question = (struct question){.chat = chat, .then = then, .arg = arg};
    return question;
}

/* Whatever the answers were: the chat goes on. */
static void
go_on(struct question *question)
{
    cluster_then_fn *then = question->then;
    struct chat *chat = question->chat;
    void *arg = question->arg;

    free(question);
    if (then != NULL)
        then(chat, arg);
}

static bool
take_direct(const char *key, size_t index, const skio_value *item, void *arg)
{
    struct question *question = arg;
    struct chat *chat = question->chat;
    struct user *other = learn_user(chat, item, true);
    /* Meeting somebody may make the chat forget somebody. */
    struct user *user = users_find(&chat->users, question->pair[0]);

    (void)key;
    (void)index;
    if (other != NULL && user != NULL && other != user &&
        rooms_find_direct(&chat->rooms, user, other) == NULL)
        (void)rooms_add_direct(&chat->rooms, user, other);
    return user != NULL;
}

static bool
take_user(const char *key, size_t index, const skio_value *item, void *arg)
{
    struct question *question = arg;
    bool is_busy = false;

    (void)key;
    (void)index;
    (void)skio_get_bool(item, "busy", &is_busy); /* false if absent */
    if (learn_user(question->chat, item, is_busy) != NULL)
        (void)skio_each(item, "directs", take_direct, question);
    return true;
}

static void
on_user(int err, const skio_value *responses, size_t missing, void *arg)
{
    (void)err; /* those who did not answer know nothing */
    (void)missing;
    (void)skio_each(responses, "", take_user, arg);
    go_on(arg);
}

void
cluster_ask_user(struct chat *chat, const char *nick, cluster_then_fn *then,
                 void *arg)
{
    struct question *question = question_new(chat, then, arg);

    if (question == NULL) {
        then(chat, arg);
        return;
    }
    (void)snprintf(question->pair[0], NAME_BYTES, "%s", nick);
    if (skio_server_side_emit_with_ack(chat->nsp, on_user, question, "who",
                                       "%s", nick) != SKIO_OK)
        go_on(question);
}

/* The room that a question is about, as far as it is known here. */
static struct room *
room_of(const struct question *question)
{
    struct chat *chat = question->chat;
    const struct user *a;
    const struct user *b;

    if (question->room[0] != '\0')
        return rooms_find(&chat->rooms, question->room);
    a = users_find(&chat->users, question->pair[0]);
    b = users_find(&chat->users, question->pair[1]);
    return a == NULL || b == NULL ? NULL
                                  : rooms_find_direct(&chat->rooms, a, b);
}

static bool
take_message(const char *key, size_t index, const skio_value *item, void *arg)
{
    struct question *question = arg;
    struct room *room = room_of(question);

    (void)key;
    (void)index;
    if (room != NULL)
        learn_message(question->chat, room, item);
    return room != NULL;
}

static bool
take_room(const char *key, size_t index, const skio_value *item, void *arg)
{
    struct question *question = arg;
    struct room *room = NULL;

    (void)key;
    (void)index;
    if (skio_type_of(item, "") == SKIO_TYPE_OBJECT)
        room = learn_room(question->chat, item);
    if (room != NULL && room == room_of(question))
        (void)skio_each(item, "messages", take_message, question);
    return true;
}

static void
on_room(int err, const skio_value *responses, size_t missing, void *arg)
{
    struct question *question = arg;
    struct room *room = room_of(question);
    bool is_new = room == NULL || room->seq == 0 || room_is_idle(room);

    (void)skio_each(responses, "", take_room, question);
    room = room_of(question);
    if (room != NULL) { /* else there is no such room anywhere */
        room->is_known = err == SKIO_OK && missing == 0;
        if (is_new)
            room_sort(room);
    }
    go_on(question);
}

void
cluster_ask_room(struct chat *chat, const char *room, const struct user *a,
                 const struct user *b, cluster_then_fn *then, void *arg)
{
    struct question *question = question_new(chat, then, arg);
    int err;

    if (question == NULL) {
        if (then != NULL)
            then(chat, arg);
        return;
    }
    if (room != NULL) {
        (void)snprintf(question->room, NAME_BYTES, "%s", room);
        err =
            skio_server_side_emit_with_ack(chat->nsp, on_room, question, "room",
                                           "{'room':%s,'pair':null}", room);
    } else {
        (void)snprintf(question->pair[0], NAME_BYTES, "%s", a->nick);
        (void)snprintf(question->pair[1], NAME_BYTES, "%s", b->nick);
        err = skio_server_side_emit_with_ack(
            chat->nsp, on_room, question, "room",
            "{'room':null,'pair':[{'nick':%s,'key':%s},{'nick':%s,'key':%s}]}",
            a->nick, a->key, b->nick, b->key);
    }
    if (err != SKIO_OK)
        go_on(question);
}

void
cluster_catch_up(struct chat *chat)
{
    for (size_t i = 0; i < chat->rooms.count; i++)
        chat->rooms.items[i]->is_known = false;
    /* By number: an answer that comes at once may add and drop rooms. */
    for (size_t i = 0; i < chat->rooms.count; i++) {
        const struct room *room = chat->rooms.items[i];

        if (!room_is_idle(room))
            cluster_ask_room(chat,
                             room->kind == ROOM_DIRECT ? NULL : room->name,
                             room->pair[0], room->pair[1], NULL, NULL);
    }
}
