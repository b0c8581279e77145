#include "connection.h"

#include <inttypes.h>
#include <stdlib.h>

struct receipt {
    struct connection *connection;
    int64_t id;
};

struct connection *
connection_ref(struct connection *connection)
{
    connection->refs++;
    return connection;
}

void
connection_unref(struct connection *connection)
{
    if (--connection->refs == 0)
        free(connection);
}

/*
 * Who is online
 */

static struct connection **
bucket_of(struct deliver *deliver, int64_t user)
{
    return &deliver->buckets[(uint64_t)user % BUCKETS];
}

void
connection_come(struct connection *connection, int64_t user)
{
    struct connection **bucket = bucket_of(connection->deliver, user);

    connection->user = user;
    connection->next = *bucket;
    *bucket = connection;
}

struct connection *
connection_first(const struct deliver *deliver, int64_t user)
{
    return deliver->buckets[(uint64_t)user % BUCKETS];
}

void
connection_go(struct connection *connection)
{
    struct connection **link;

    connection->socket = NULL;
    if (connection->user == 0)
        return;
    link = bucket_of(connection->deliver, connection->user);

    while (*link != NULL && *link != connection)
        link = &(*link)->next;
    if (*link != NULL)
        *link = connection->next;
}

/*
 * Sending
 */

static void done_load(struct job *job);
static bool send_list(struct connection *connection,
                      const struct notice *notice);

/* Ask the store for what is missing, when there is room for it. */
static void
catch_up(struct connection *connection)
{
    struct job *job;

    if (!connection->is_behind || connection->is_loading ||
        connection->socket == NULL ||
        connection->unreceived > WINDOW - LOAD_MAX)
        return;
    job = job_new(JOB_LOAD, done_load, connection);
    if (job == NULL) { /* it comes again, and then there is memory */
        skio_disconnect(connection->socket, true);
        return;
    }
    job->user = connection->user;
    job->id = connection->cursor;
    connection->is_behind = false;
    connection->is_loading = true;
    if (writer_submit(connection->deliver->writer, job))
        (void)connection_ref(connection);
    else
        job_free(job); /* it ends */
}

void
connection_take(struct connection *connection, const struct job *job)
{
    size_t count = 0;

    connection->is_loading = false;
    if (connection->socket == NULL)
        return;
    if (job->outcome != OUTCOME_OK) {
        skio_disconnect(connection->socket, true);
        return;
    }
    for (const struct notice *each = job->notices; each; each = each->next)
        count++;
    if (count == LOAD_MAX)
        connection->is_behind = true; /* there may be more */
    if (send_list(connection, job->notices))
        catch_up(connection);
}

static void
done_load(struct job *job)
{
    struct connection *connection = job->owner;

    connection_take(connection, job);
    connection_unref(connection);
    job_free(job);
}

static void
done_delivered(struct job *job)
{
    job_free(job); /* when it failed, it is sent again some time */
}

static void
on_receipt(skio_socket *socket, int err, const skio_value *args, void *arg)
{
    struct receipt *receipt = arg;
    struct connection *connection = receipt->connection;
    struct job *job = NULL;

    (void)args;
    connection->unreceived--;
    if (err == SKIO_OK)
        job = job_new(JOB_DELIVERED, done_delivered, NULL);
    if (job != NULL) {
        job->user = connection->user;
        job->id = receipt->id;
        if (!writer_submit(connection->deliver->writer, job))
            job_free(job);
    }
    if (err == SKIO_ETIMEDOUT)
        skio_disconnect(socket, true); /* and all that it owes goes to the
                                          next connection */
    else
        catch_up(connection);
    connection_unref(connection);
    free(receipt);
}

/* Returns false when the connection has gone, or goes; the caller has a
 * reference of its own. */
static bool
send_notice(struct connection *connection, const struct notice *notice)
{
    struct receipt *receipt = malloc(sizeof *receipt);
    int err;

    if (receipt == NULL) { /* it comes again, and then there is memory */
        skio_disconnect(connection->socket, true);
        return false;
    }
    receipt->connection = connection_ref(connection);
    receipt->id = notice->id;
    err =
        skio_emit_with_ack(connection->socket, connection->deliver->receipt_ms,
                           on_receipt, receipt, "notification",
                           "{'id':%" PRId64 ",'to':%s,'at':%" PRId64
                           ",'expires':%" PRId64 ",'content':%-s}",
                           notice->id, notice->target, notice->created,
                           notice->expires, notice->content);
    if (err == SKIO_OK) {
        connection->cursor = notice->id;
        connection->unreceived++;
        return true;
    }
    free(receipt);
    connection->refs--;       /* the caller's keeps it */
    if (err == SKIO_EINVAL) { /* no event, and never one: without it, then */
        connection->cursor = notice->id;
        return true;
    }
    if (connection->socket != NULL)
        skio_disconnect(connection->socket, true);
    return false;
}

static bool
send_list(struct connection *connection, const struct notice *notice)
{
    for (; notice != NULL; notice = notice->next)
        if (notice->id > connection->cursor && !send_notice(connection, notice))
            return false;
    return true;
}

/* Sent at once when it is the next one for this connection; else it is the
 * store's to say what is. */
void
connection_offer(struct connection *connection, const struct notice *notice)
{
    (void)connection_ref(connection);
    if (notice != NULL && !connection->is_loading && !connection->is_behind &&
        connection->unreceived < WINDOW) {
        (void)send_notice(connection, notice);
    } else {
        connection->is_behind = true;
        catch_up(connection);
    }
    connection_unref(connection);
}
