/*
 * Bytes, commands and replies of a link to Redis
 *
 * Commands of one turn leave together: they are queued, and written when the
 * loop says that the socket takes them, which is its next turn as a rule. No
 * turn reads more than READ_TURN, or hands out replies for longer than
 * SLICE_MS.
 */
#define _GNU_SOURCE /* MSG_NOSIGNAL */

#include "adapter/redis_link_state.h"

#include <errno.h>
#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <socketio/transport.h>

#include "base/compiler.h"
#include "base/mem.h"

#define READ_PIECE ((size_t)16 * 1024)
#define READ_TURN 4 /* pieces */
#define WRITE_TURN ((size_t)256 * 1024)
#define KEEP_OUT ((size_t)64 * 1024) /* a larger buffer is given back */
#define SLICE_MS 3
#define DUES_MIN 16

/* ---- What waits for a reply ---- */

static int
reserve_due(struct skio__redis_link *link)
{
    size_t cap = link->due_cap > 0 ? link->due_cap * 2 : DUES_MIN;
    struct skio__redis_due *dues;

    if (link->due_count < link->due_cap)
        return SKIO_OK;
    dues = skio__mem_array(link->mem, NULL, cap, sizeof *dues);
    if (dues == NULL)
        return SKIO_ENOMEM;
    for (size_t i = 0; i < link->due_count; i++)
        dues[i] = link->dues[(link->due_first + i) & (link->due_cap - 1)];
    skio__mem_free(link->mem, link->dues);
    link->dues = dues;
    link->due_cap = cap;
    link->due_first = 0;
    return SKIO_OK;
}

static void
push_due(struct skio__redis_link *link, uint32_t block_ms,
         skio__redis_reply_fn *fn, void *user)
{
    size_t last = (link->due_first + link->due_count) & (link->due_cap - 1);

    if (link->due_count++ == 0)
        link->asked_ms = skio_loop_now(link->server);
    link->dues[last] = (struct skio__redis_due){fn, user, block_ms};
}

static struct skio__redis_due
pop_due(struct skio__redis_link *link)
{
    struct skio__redis_due due = link->dues[link->due_first];

    link->due_first = (link->due_first + 1) & (link->due_cap - 1);
    link->due_count--;
    return due;
}

void
skio__redis_link_tell_lost(struct skio__redis_link *link)
{
    while (link->due_count > 0) {
        struct skio__redis_due due = pop_due(link);

        if (due.fn != NULL)
            due.fn(SKIO_ECLOSED, NULL, due.user);
    }
}

/* ---- Commands ---- */

static size_t
digits_of(size_t n)
{
    size_t count = 1;

    while (n >= 10) {
        n /= 10;
        count++;
    }
    return count;
}

/* Bytes of a command; false when no size_t holds them. */
static bool
measure(const skio_bytes *argv, size_t argc, size_t *size)
{
    *size = 1 + digits_of(argc) + 2;
    for (size_t i = 0; i < argc; i++)
        if (skio__add_overflow(*size, argv[i].len, size) ||
            skio__add_overflow(*size, 1 + digits_of(argv[i].len) + 4, size))
            return false;
    return true;
}

/* Room for so many bytes is there. */
static void
write_command(struct skio__buf *out, const skio_bytes *argv, size_t argc)
{
    skio__buf_putc(out, '*');
    skio__buf_append_u64(out, argc);
    for (size_t i = 0; i < argc; i++) {
        skio__buf_append(out, "\r\n$", 3);
        skio__buf_append_u64(out, argv[i].len);
        skio__buf_append(out, "\r\n", 2);
        skio__buf_append(out, argv[i].data, argv[i].len);
    }
    skio__buf_append(out, "\r\n", 2);
}

/* Until TLS is open commands wait for the other end, not for the socket. */
bool
skio__redis_link_has_output(const struct skio__redis_link *link)
{
    const char *data;

    if (link->options->tls && skio__redis_tls_output(&link->tls, &data) > 0)
        return true;
    return link->sent < link->out.len &&
           (!link->options->tls || skio__redis_tls_is_open(&link->tls));
}

static void
watch_again(struct skio__redis_link *link)
{
    unsigned events = link->is_paused ? 0 : SKIO_READABLE;

    if (skio__redis_link_has_output(link))
        events |= SKIO_WRITABLE;
    if (link->watch != NULL)
        skio_watch_set(link->watch, events);
}

/*
 * A command that waits for its reply counts, too: a Redis that reads and does
 * not answer must not fill the memory with those who wait.
 */
static bool
fits(const struct skio__redis_link *link, size_t size)
{
    size_t max = link->options->max_output_bytes;
    size_t used = link->out.len - link->sent +
                  link->due_count * sizeof(struct skio__redis_due);

    return used <= max && size <= max - used;
}

int
skio__redis_link_put(struct skio__redis_link *link, const skio_bytes *argv,
                     size_t argc, uint32_t block_ms, skio__redis_reply_fn *fn,
                     void *user, bool is_due)
{
    struct skio__buf *out = &link->out;
    size_t size;

    if (!measure(argv, argc, &size) || !fits(link, size))
        return SKIO_ENOBUFS;
    if (is_due && reserve_due(link) != SKIO_OK)
        return SKIO_ENOMEM;
    /* What was written is moved over when it is most of the buffer. */
    if (link->sent > 0 && link->sent >= out->len - link->sent) {
        memmove(out->data, out->data + link->sent, out->len - link->sent);
        out->len -= link->sent;
        link->sent = 0;
    }
    if (skio__buf_reserve(out, size) != SKIO_OK) {
        out->err = SKIO_OK;
        return SKIO_ENOMEM;
    }
    write_command(out, argv, argc);
    if (is_due)
        push_due(link, block_ms, fn, user);
    watch_again(link);
    return SKIO_OK;
}

static void
ignore_pong(int err, const struct skio__redis_reply *reply, void *user)
{
    (void)err;
    (void)reply;
    (void)user;
}

void
skio__redis_link_ping(struct skio__redis_link *link)
{
    static const skio_bytes ping = {"PING", 4};
    int err = skio__redis_link_put(link, &ping, 1, 0, ignore_pong, NULL,
                                   !link->subscribes);

    /* Not even that: what waits has waited for as long as it may. */
    if (err != SKIO_OK) {
        skio__redis_link_fail(link, err, "PING was not sent: %s",
                              skio_strerror(err));
        return;
    }
    if (link->subscribes) {
        link->pings = true;
        link->asked_ms = skio_loop_now(link->server);
    }
}

/* So much of the commands has left, or was encrypted. */
static void
count_sent(struct skio__redis_link *link, size_t len)
{
    link->sent += len;
    if (link->sent < link->out.len)
        return;
    link->sent = 0;
    if (link->out.cap > KEEP_OUT)
        skio__buf_deinit(&link->out);
    else
        skio__buf_reset(&link->out);
}

/* Returns how many bytes the socket took. */
static size_t
transmit(struct skio__redis_link *link, const char *data, size_t len)
{
    ssize_t wrote =
        len > 0 ? send(link->fd, data, len < WRITE_TURN ? len : WRITE_TURN,
                       MSG_NOSIGNAL)
                : 0;

    if (wrote >= 0)
        return (size_t)wrote;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        skio__redis_link_fail(link, SKIO_ECLOSED, "%s", strerror(errno));
    return 0;
}

static size_t
transmit_encrypted(struct skio__redis_link *link)
{
    const char *data = NULL;
    size_t len = skio__redis_tls_output(&link->tls, &data);
    size_t sent = transmit(link, data, len);

    skio__redis_tls_sent(&link->tls, sent);
    return sent;
}

/* TLS is broken: an alert may wait that tells the other end why. */
static void
fail_tls(struct skio__redis_link *link, int err, const char *why)
{
    skio__redis_link_fail(link, err, "%s", why);
    (void)transmit_encrypted(link);
}

/* As much as one turn sends. */
static void
encrypt(struct skio__redis_link *link)
{
    const char *data;
    char why[160];

    while (link->sent < link->out.len &&
           skio__redis_tls_output(&link->tls, &data) < WRITE_TURN) {
        int taken =
            skio__redis_tls_write(&link->tls, link->out.data + link->sent,
                                  link->out.len - link->sent, why, sizeof why);

        if (taken < 0)
            fail_tls(link, taken, why);
        if (taken <= 0)
            return;
        count_sent(link, (size_t)taken);
    }
}

/* Returns how many bytes the socket took. */
size_t
skio__redis_link_write(struct skio__redis_link *link)
{
    size_t sent = 0;

    if (link->options->tls) {
        encrypt(link);
        if (!skio__redis_link_is_over(link))
            sent = transmit_encrypted(link);
    } else if (link->sent < link->out.len) {
        sent = transmit(link, link->out.data + link->sent,
                        link->out.len - link->sent);
        count_sent(link, sent);
    }
    watch_again(link);
    return sent;
}

/* ---- Replies ---- */

static bool
begins_with(const struct skio__redis_reply *reply, const char *word)
{
    return reply->type == SKIO__REDIS_ERROR &&
           strncmp(reply->str, word, strlen(word)) == 0;
}

/* Without subscriptions Redis answers as it does elsewhere. */
static bool
is_pong(const struct skio__redis_reply *reply)
{
    if (reply->type == SKIO__REDIS_ARRAY)
        return reply->count == 2 &&
               reply->elements[0]->type == SKIO__REDIS_STRING &&
               strcmp(reply->elements[0]->str, "pong") == 0;
    return reply->type == SKIO__REDIS_STATUS && strcmp(reply->str, "PONG") == 0;
}

static void
hand_out_push(struct skio__redis_link *link,
              const struct skio__redis_reply *reply)
{
    if (link->pings && is_pong(reply)) {
        link->pings = false;
        return;
    }
    /* A user who may not PING hears so instead. */
    if (link->pings && begins_with(reply, "NOPERM") &&
        strstr(reply->str, "'ping'") != NULL) {
        link->pings = false;
        return;
    }
    link->hooks.push(link, reply, link->user);
}

/* The first word is a code; the rest may quote what was sent. */
static void
log_error(const struct skio__redis_link *link,
          const struct skio__redis_reply *reply)
{
    skio_transport_log(link->server, SKIO_LOG_WARN,
                       "redis: %s: a command was refused: %.*s", link->where,
                       (int)strcspn(reply->str, " "), reply->str);
    skio_transport_log(link->server, SKIO_LOG_DEBUG, "redis: %s: %s",
                       link->where, reply->str);
}

static void
hand_out(struct skio__redis_link *link, const struct skio__redis_reply *reply)
{
    bool is_up = link->state == SKIO__REDIS_LINK_UP;
    bool is_read_only = is_up && begins_with(reply, "READONLY ");
    struct skio__redis_due due;

    if (is_up && link->subscribes) {
        hand_out_push(link, reply);
        return;
    }
    if (link->due_count == 0) {
        if (reply->type == SKIO__REDIS_ERROR) /* a farewell */
            skio__redis_link_fail(link, SKIO_ECLOSED, "%s", reply->str);
        else
            skio__redis_link_fail(link, SKIO_EPROTO, "an answer to no command");
        return;
    }
    due = pop_due(link);
    if (due.fn != NULL)
        due.fn(SKIO_OK, reply, due.user);
    else if (reply->type == SKIO__REDIS_ERROR)
        log_error(link, reply);

    /* It was a master when it was asked for: look for the new one. */
    if (is_read_only)
        skio__redis_link_fail(link, SKIO_EBUSY, "it is no master any more");
}

static void
hand_out_all(struct skio__redis_link *link)
{
    uint64_t start = skio_loop_now(link->server);
    const struct skio__redis_reply *reply;
    int result = 0;

    while (!skio__redis_link_is_over(link)) {
        result = skio__redis_parser_next(&link->parser, &reply);
        if (result != 1)
            break;
        hand_out(link, reply);
        if (skio_loop_now(link->server) - start >= SLICE_MS) {
            link->is_paused = true;
            break;
        }
    }
    if (result < 0)
        skio__redis_link_fail(link, result, "%s", link->parser.what);
}

static void
take(struct skio__redis_link *link, const char *data, size_t len)
{
    if (skio__redis_parser_feed(&link->parser, data, len) == SKIO_OK)
        hand_out_all(link);
    else
        skio__redis_link_fail(link, SKIO_ENOMEM, "no memory to read");
}

static void
decrypt(struct skio__redis_link *link)
{
    char piece[READ_PIECE];
    char why[160];

    while (!skio__redis_link_is_over(link) && !link->is_paused) {
        int got = skio__redis_tls_read(&link->tls, piece, sizeof piece, why,
                                       sizeof why);

        if (got < 0)
            fail_tls(link, got, why);
        if (got <= 0)
            break;
        take(link, piece, (size_t)got);
    }
    /* What was read may have opened the way for what waits. */
    if (!skio__redis_link_is_over(link))
        (void)skio__redis_link_write(link);
}

static void
read_some(struct skio__redis_link *link)
{
    char piece[READ_PIECE];

    for (int i = 0; i < READ_TURN; i++) {
        ssize_t got = recv(link->fd, piece, sizeof piece, 0);

        if (got == 0)
            skio__redis_link_fail(link, SKIO_ECLOSED, "Redis hung up");
        else if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK &&
                 errno != EINTR)
            skio__redis_link_fail(link, SKIO_ECLOSED, "%s", strerror(errno));
        if (got <= 0)
            return;

        link->heard_ms = skio_loop_now(link->server);
        if (!link->options->tls)
            take(link, piece, (size_t)got);
        else if (skio__redis_tls_feed(&link->tls, piece, (size_t)got) ==
                 SKIO_OK)
            decrypt(link);
        else
            skio__redis_link_fail(link, SKIO_ENOMEM, "no memory to read");
        if (skio__redis_link_is_over(link))
            return;
        if (link->is_paused || (size_t)got < sizeof piece)
            break;
    }
    watch_again(link);
}

void
skio__redis_link_look(struct skio__redis_link *link)
{
    if (!link->is_paused && link->fd >= 0)
        read_some(link);
}

void
skio__redis_link_resume(struct skio__redis_link *link)
{
    link->is_paused = false;
    hand_out_all(link);
    if (!skio__redis_link_is_over(link) && link->options->tls)
        decrypt(link);
    if (!skio__redis_link_is_over(link))
        watch_again(link);
}

void
skio__redis_link_push(struct skio__redis_link *link)
{
    if (skio__redis_link_is_up(link))
        skio__redis_link_write(link);
    /* What went wrong is carried out by the loop, not in here. */
    if (link->lost != SKIO_OK)
        (void)skio_timer_set(link->timer, 0);
}

/* ---- The socket ---- */

static void
on_ready(unsigned ready, void *user)
{
    struct skio__redis_link *link = user;

    skio__redis_link_enter(link);
    if ((ready & SKIO_WRITABLE) != 0 && !skio__redis_link_is_over(link))
        (void)skio__redis_link_write(link);
    if ((ready & SKIO_READABLE) != 0 && !skio__redis_link_is_over(link))
        read_some(link);
    skio__redis_link_leave(link);
}

void
skio__redis_link_open(struct skio__redis_link *link, int fd)
{
    const char *why = NULL;
    int err = skio__redis_parser_begin(&link->parser);

    link->fd = fd; /* closed with the link, whatever fails */
    if (err == SKIO_OK && link->options->tls)
        err = skio__redis_tls_begin(&link->tls, link->options, link->peer,
                                    skio_loop_now(link->server), &why);
    if (err == SKIO_OK)
        err = skio_watch_new(link->server, fd, SKIO_READABLE, on_ready, link,
                             &link->watch);
    if (err != SKIO_OK)
        skio__redis_link_fail(link, err, "%s",
                              why != NULL ? why : skio_strerror(err));
    else if (link->options->tls)
        decrypt(link); /* the client speaks first */
}

void
skio__redis_link_close(struct skio__redis_link *link)
{
    skio__redis_dial_stop(&link->dial);
    skio_watch_free(link->watch);
    link->watch = NULL;
    /* A second time after it was freed: then the options may be gone. */
    if (link->fd >= 0 && link->options->tls)
        skio__redis_tls_end(&link->tls, skio_loop_now(link->server));
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    skio__buf_deinit(&link->out);
    link->sent = 0;
    link->is_paused = false;
    link->pings = false;
}
