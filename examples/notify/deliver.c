#include "deliver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <socketio/users.h>

static void
unref_data(void *data)
{
    connection_unref(data);
}

void
deliver_new(struct deliver *deliver, const int64_t *users, size_t count,
            const struct notice *notice)
{
    for (size_t i = 0; i < count; i++) {
        struct connection *each = connection_first(deliver, users[i]);

        while (each != NULL) {
            struct connection *next = each->next;

            if (each->user == users[i])
                connection_offer(each, notice);
            each = next;
        }
    }
}

/*
 * Coming and going
 */

static void
done_open(struct job *job)
{
    struct connection *connection = job->owner;

    if (connection->socket != NULL && job->outcome == OUTCOME_OK) {
        connection_come(connection, job->user);
        if (skio_emit(connection->socket, "welcome",
                      "{'user':%s,'rooms':%-s,'store':%" PRId64 "}",
                      connection->name, job->rooms, job->store) != SKIO_OK)
            skio_disconnect(connection->socket, true);
    } else if (connection->socket != NULL) {
        (void)skio_emit(connection->socket, "trouble", "%s",
                        job->outcome == OUTCOME_FULL
                            ? "There are too many users."
                            : "The store fails. Please try again later.");
    }
    connection_take(connection, job);
    connection_unref(connection);
    job_free(job);
}

static void
on_connect(skio_socket *socket, void *arg)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct job *job = job_new(JOB_OPEN, done_open, connection);
    struct deliver *deliver = arg;
    const char *user = skio_user_of(socket);

    if (connection == NULL || job == NULL || !name_is_valid(user)) {
        free(connection);
        job_free(job);
        skio_disconnect(socket, true);
        return;
    }
    connection->deliver = deliver;
    connection->socket = socket;
    connection->refs = 2; /* the socket's and the job's */
    connection->is_loading = true;
    (void)snprintf(connection->name, sizeof connection->name, "%s", user);
    (void)snprintf(job->name, sizeof job->name, "%s", user);
    skio_socket_set_data(socket, connection, unref_data);
    if (!writer_submit(deliver->writer, job)) {
        connection_unref(connection);
        job_free(job);
    }
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *arg)
{
    struct connection *connection = skio_socket_data(socket);

    (void)reason;
    (void)arg;
    if (connection != NULL)
        connection_go(connection);
}

/* What one device has shown, the others need not count as unread. */
static void
on_read(skio_socket *socket, const skio_value *args, skio_ack *ack, void *arg)
{
    struct deliver *deliver = arg;
    const char *user = skio_user_of(socket);
    int64_t id;

    if (user != NULL && skio_get_int(args, "0", &id) == SKIO_OK)
        (void)skio_user_emit(deliver->nsp, user, "read", "%" PRId64, id);
    (void)skio_ack_send(ack, "{'ok':true}");
}

int
deliver_start(struct deliver *deliver, skio_nsp *nsp, struct writer *writer)
{
    int err;

    deliver->nsp = nsp;
    deliver->writer = writer;
    err = skio_on_connect(nsp, on_connect, deliver);
    if (err == SKIO_OK)
        err = skio_on_disconnect(nsp, on_disconnect, deliver);
    if (err == SKIO_OK)
        err = skio_on(nsp, "read", on_read, deliver);
    return err;
}
