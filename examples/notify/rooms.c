#include "rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/tokens.h>

#define ASKED_MAX 8 /* that one connection waits for */

struct question {
    struct connection *connection;
    skio_ack *ack;
};

struct permission {
    const char *room;
    bool is_given;
};

static bool
look_at_room(const char *key, size_t index, const skio_value *item, void *arg)
{
    struct permission *permission = arg;
    const char *name = skio_get_str(item, "");

    (void)key;
    (void)index;
    permission->is_given =
        name != NULL &&
        (strcmp(name, "*") == 0 || strcmp(name, permission->room) == 0);
    return !permission->is_given;
}

static bool
may_enter(const skio_socket *socket, const char *room)
{
    struct permission permission = {.room = room};
    const skio_value *claims = skio_token_claims(socket);

    return claims != NULL &&
           skio_each(claims, "rooms", look_at_room, &permission) == SKIO_OK &&
           permission.is_given;
}

static void
refuse(skio_ack *ack, const char *why)
{
    (void)skio_ack_send(ack, "{'ok':false,'error':%s}", why);
}

static void
done_question(struct job *job)
{
    struct question *question = job->owner;

    question->connection->asked--;
    if (job->outcome == OUTCOME_OK)
        (void)skio_ack_send(question->ack, "{'ok':true}");
    else if (job->outcome == OUTCOME_FULL)
        refuse(question->ack, "you are in too many rooms");
    else
        refuse(question->ack, "it could not be kept, try again");
    connection_unref(question->connection);
    free(question);
    job_free(job);
}

static void
ask(skio_socket *socket, const char *room, enum job_kind kind, skio_ack *ack)
{
    struct connection *connection = skio_socket_data(socket);
    struct question *question;
    struct job *job;

    if (connection == NULL || connection->user == 0 ||
        connection->asked >= ASKED_MAX) {
        refuse(ack, "too early, or too much at once");
        return;
    }
    question = calloc(1, sizeof *question);
    job = job_new(kind, done_question, question);
    if (question == NULL || job == NULL) {
        free(question);
        job_free(job);
        refuse(ack, "no memory");
        return;
    }
    question->connection = connection_ref(connection);
    question->ack = skio_ack_take(ack);
    job->user = connection->user;
    (void)snprintf(job->name, sizeof job->name, "%s", room);
    connection->asked++;
    if (!writer_submit(connection->deliver->writer, job)) {
        job->outcome = OUTCOME_FAILED;
        done_question(job);
    }
}

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    const char *room = skio_get_str(args, "0");

    (void)arg;
    if (!name_is_valid(room))
        refuse(ack, "a room's name has 1 to 64 letters, digits, '-', '_', '.' "
                    "and '@'");
    else if (!may_enter(socket, room))
        refuse(ack, "that room is not for you");
    else
        ask(socket, room, JOB_ENTER, ack);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    const char *room = skio_get_str(args, "0");

    (void)arg;
    if (!name_is_valid(room))
        refuse(ack, "that is no room");
    else
        ask(socket, room, JOB_LEAVE, ack);
}

int
rooms_start(skio_nsp *nsp)
{
    int err = skio_on(nsp, "join", on_join, NULL);

    if (err == SKIO_OK)
        err = skio_on(nsp, "leave", on_leave, NULL);
    return err;
}
