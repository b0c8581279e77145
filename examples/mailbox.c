/*
 * mailbox [PORT [RETRY_MS]]: messages that arrive, in order, whatever happens
 * to connections
 *
 * A client names its mailbox in its auth, and the last message that it has. Its
 * messages wait there until it has acknowledged them. They are kept in memory:
 * with a database in the place of struct mailbox they survive the server, too.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/health.h>
#include <socketio/signals.h>
#include <socketio/socketio.h>

#define MAILBOXES 1000
#define MESSAGES 1000             /* that wait in one mailbox */
#define ID_MAX (INT64_C(1) << 53) /* what a number of JavaScript can be */

struct message {
    struct message *next;
    int64_t id;
    char text[];
};

struct mailbox {
    char name[32];
    int64_t last_id;   /* of the messages to it */
    int64_t last_post; /* the number of the last message from it */
    struct message *first;
    size_t count;
    skio_socket *socket; /* NULL: its owner is not there */
    bool is_sent;        /* the first message: its receipt is due */
};

static struct mailbox boxes[MAILBOXES];
static size_t box_count;
static uint32_t retry_ms = 5000;

/* The mailbox of this name, made when it is first heard of. */
static struct mailbox *
find_box(const char *name)
{
    for (size_t i = 0; i < box_count; i++)
        if (strcmp(boxes[i].name, name) == 0)
            return &boxes[i];
    if (box_count == MAILBOXES || *name == '\0' ||
        strlen(name) >= sizeof boxes->name)
        return NULL;
    snprintf(boxes[box_count].name, sizeof boxes->name, "%s", name);
    return &boxes[box_count++];
}

/* Keep a message; here a database would commit. */
static bool
put(struct mailbox *box, const char *text)
{
    struct message **link = &box->first;
    struct message *message;
    size_t size = strlen(text) + 1;

    if (box->count == MESSAGES)
        return false;
    message = malloc(sizeof *message + size);
    if (message == NULL)
        return false;
    message->next = NULL;
    message->id = ++box->last_id;
    memcpy(message->text, text, size);
    while (*link != NULL)
        link = &(*link)->next;
    *link = message;
    box->count++;
    return true;
}

/* Forget what has arrived. */
static void
drop_through(struct mailbox *box, int64_t id)
{
    while (box->first != NULL && box->first->id <= id) {
        struct message *arrived = box->first;

        box->first = arrived->next;
        box->count--;
        free(arrived);
    }
}

static void send_first(struct mailbox *box);

static void
on_receipt(skio_socket *socket, int err, const skio_value *args, void *user)
{
    struct mailbox *box = user;

    (void)args;
    if (socket != box->socket)
        return; /* another connection has taken its place */
    box->is_sent = false;
    if (err == SKIO_OK && box->first != NULL)
        drop_through(box, box->first->id);
    if (err != SKIO_ECLOSED)
        send_first(box); /* the next one; after a timeout this one again */
}

/* One at a time, so that they arrive in order. */
static void
send_first(struct mailbox *box)
{
    const struct message *first = box->first;

    if (first == NULL || box->socket == NULL || box->is_sent)
        return;
    /* When this fails the message waits for the next connection or post. */
    if (skio_emit_with_ack(box->socket, retry_ms, on_receipt, box, "message",
                           "%" PRId64 ", %s", first->id,
                           first->text) == SKIO_OK)
        box->is_sent = true;
}

static void
on_post(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct mailbox *from = skio_socket_data(socket);
    const char *to = skio_get_str(args, "0.to");
    const char *text = skio_get_str(args, "0.text");
    struct mailbox *box = to != NULL ? find_box(to) : NULL;
    int64_t number;

    (void)user;
    if (box == NULL || text == NULL ||
        skio_get_int(args, "0.n", &number) != SKIO_OK) {
        skio_ack_send(ack, "{'error':'n, to and text expected'}");
        return;
    }
    /* A sender that got no answer repeats the number: it is here already. */
    if (number > from->last_post) {
        if (!put(box, text)) {
            skio_ack_send(ack, "{'error':'the mailbox is full'}");
            return;
        }
        from->last_post = number;
    }
    skio_ack_send(ack, "{'ok':true}"); /* only now that it is kept */
    send_first(box);
}

/* Whoever names a mailbox gets it: a real server asks for a token, too. */
static void
check_auth(skio_socket *socket, skio_next *next, void *user)
{
    const char *name = skio_get_str(skio_socket_auth(socket), "mailbox");
    struct mailbox *box = name != NULL ? find_box(name) : NULL;

    (void)user;
    if (box == NULL) {
        (void)skio_next_error(next, "a mailbox is expected", NULL);
        return;
    }
    skio_socket_set_data(socket, box, NULL);
    (void)skio_next_ok(next);
}

static void
on_connect(skio_socket *socket, void *user)
{
    struct mailbox *box = skio_socket_data(socket);
    int64_t last;

    (void)user;
    if (skio_get_int(skio_socket_auth(socket), "last", &last) == SKIO_OK &&
        last < ID_MAX) {
        drop_through(box, last); /* its receipt was lost */
        if (last > box->last_id)
            box->last_id = last; /* this server has begun anew */
    }
    box->socket = socket;
    box->is_sent = false;
    send_first(box);
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    struct mailbox *box = skio_socket_data(socket);

    (void)reason;
    (void)user;
    if (box->socket == socket)
        box->socket = NULL;
}

static bool
read_number(const char *text, uint32_t max, uint32_t *out)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number > max)
        return false;
    *out = (uint32_t)number;
    return true;
}

int
main(int argc, char **argv)
{
    skio_server *io;
    skio_nsp *root;
    uint32_t port = 3002;
    int err;

    if (argc > 3 || (argc > 1 && !read_number(argv[1], UINT16_MAX, &port)) ||
        (argc > 2 && !read_number(argv[2], INT32_MAX, &retry_ms))) {
        fprintf(stderr, "usage: mailbox [PORT [RETRY_MS]]\n");
        return 2;
    }
    if (skio_server_new(&io, NULL) != SKIO_OK)
        return 1;
    root = skio_of(io, "/");
    err = skio_use(root, check_auth, NULL);
    if (err == SKIO_OK)
        err = skio_on(root, "post", on_post, NULL);
    if (err == SKIO_OK)
        err = skio_on_connect(root, on_connect, NULL);
    if (err == SKIO_OK)
        err = skio_on_disconnect(root, on_disconnect, NULL);
    if (err == SKIO_OK)
        err = skio_health_serve(io, NULL);
    if (err == SKIO_OK)
        err = skio_signals_drain(io, 2000); /* at SIGTERM or Ctrl+C */
    if (err == SKIO_OK)
        err = skio_listen(io, "127.0.0.1", (uint16_t)port);
    if (err == SKIO_OK) {
        printf("mailbox: port %u, for the client of skio_delivery(7); stop "
               "with Ctrl+C\n",
               (unsigned)skio_server_port(io));
        fflush(stdout);
        err = skio_run(io);
    }
    if (err != SKIO_OK)
        fprintf(stderr, "mailbox: port %u: %s\n", (unsigned)port,
                skio_strerror(err));
    skio_server_free(io);
    for (size_t i = 0; i < box_count; i++)
        drop_through(&boxes[i], INT64_MAX);
    return err != SKIO_OK;
}
