#include "rooms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/guard.h>
#include <socketio/tokens.h>

#define LEAVING_MAX 8 /* that one connection waits for */

struct permission {
    const char *room;
    bool is_given;
};

/* Who leaves a room, and waits for the answer. */
struct leaving {
    struct connection *connection;
    skio_ack *ack;
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

/*
 * Entering
 */

static void
done_enter(struct job *job)
{
    skio_guard_ask *ask = job->owner;

    if (job->outcome == OUTCOME_OK)
        (void)skio_guard_allow(ask);
    else
        (void)skio_guard_deny(ask, job->outcome == OUTCOME_FULL
                                       ? "you are in too many rooms"
                                       : "it could not be kept, try again");
    job_free(job);
}

static void
on_ask(skio_guard_ask *ask, skio_socket *socket, const char *room,
       const skio_value *args, void *arg)
{
    struct connection *connection = skio_socket_data(socket);
    struct job *job;

    (void)args;
    (void)arg;
    if (!name_is_valid(room)) {
        (void)skio_guard_deny(ask, "a room's name has 1 to 64 letters, digits, "
                                   "'-', '_', '.' and '@'");
    } else if (!may_enter(socket, room)) {
        (void)skio_guard_deny(ask, "that room is not for you");
    } else if (connection == NULL || connection->user == 0) {
        (void)skio_guard_deny(ask, "too early, wait for the welcome");
    } else {
        job = job_new(JOB_ENTER, done_enter, ask);
        if (job == NULL) {
            (void)skio_guard_deny(ask, "no memory");
            return;
        }
        job->user = connection->user;
        (void)snprintf(job->name, sizeof job->name, "%s", room);
        if (!writer_submit(connection->deliver->writer, job)) {
            job->outcome = OUTCOME_FAILED;
            done_enter(job);
        }
    }
}

/*
 * Leaving: the user does, so all devices do
 */

static void
done_leave(struct job *job)
{
    struct leaving *leaving = job->owner;
    struct connection *connection = leaving->connection;
    char user[sizeof "user:" + NAME_BYTES];

    connection->leaving--;
    (void)snprintf(user, sizeof user, "user:%s", connection->name);
    if (job->outcome == OUTCOME_OK) {
        (void)skio_sockets_leave(connection->deliver->nsp,
                                 SKIO_TARGET(.to = SKIO_ROOMS(user)),
                                 job->name);
        (void)skio_ack_send(leaving->ack, "{'ok':true}");
    } else {
        (void)skio_ack_send(
            leaving->ack,
            "{'ok':false,'error':'it could not be kept, try again'}");
    }
    connection_unref(connection);
    free(leaving);
    job_free(job);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct connection *connection = skio_socket_data(socket);
    const char *room = skio_get_str(args, "0");
    struct leaving *leaving;
    struct job *job;

    (void)arg;
    if (!name_is_valid(room) || connection == NULL || connection->user == 0 ||
        connection->leaving == LEAVING_MAX) {
        (void)skio_ack_send(ack, "{'ok':false,'error':'that is no room, or it "
                                 "is too early, or too much at once'}");
        return;
    }
    leaving = calloc(1, sizeof *leaving);
    job = job_new(JOB_LEAVE, done_leave, leaving);
    if (leaving == NULL || job == NULL) {
        free(leaving);
        job_free(job);
        (void)skio_ack_send(ack, "{'ok':false,'error':'no memory'}");
        return;
    }
    leaving->connection = connection_ref(connection);
    leaving->ack = skio_ack_take(ack);
    connection->leaving++;
    job->user = connection->user;
    (void)snprintf(job->name, sizeof job->name, "%s", room);
    if (!writer_submit(connection->deliver->writer, job)) {
        job->outcome = OUTCOME_FAILED;
        done_leave(job);
    }
}

int
rooms_start(skio_nsp *nsp)
{
    static const char *const reserved[] = {"user:", NULL};
    skio_guard_options options;
    int err;

    skio_guard_options_init(&options);
    options.leave = NULL; /* the store has to know, too: on_leave() */
    options.reserved = reserved;
    options.max_name_bytes = NAME_BYTES;
    options.max_rooms = ROOMS_MAX;
    err = skio_guard_rooms(nsp, on_ask, NULL, &options);
    if (err == SKIO_OK)
        err = skio_on(nsp, "leave", on_leave, NULL);
    return err;
}
