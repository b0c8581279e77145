/*
 * interop-server PORT [options]: the application that the interop tests run
 * against, on the public API alone. oracle.mjs is the same application on the
 * reference implementation; whatever changes here changes there.
 *
 * Listens on 127.0.0.1 (PORT 0: any free port), prints "listening on PORT" and
 * serves until SIGTERM. Options, with the library's defaults:
 *
 *   --ping-interval MS    --ping-timeout MS       --max-payload BYTES
 *   --connect-timeout MS  --upgrade-timeout MS    --cors ORIGIN[,ORIGIN…]
 *   --transports polling,websocket                --cookie NAME
 *   --tls-cert FILE --tls-key FILE                --client-dir FOLDER
 *   --no-upgrades         --recovery MS
 *   --deflate             compress WebSocket messages and polls, without
 *                         context takeover, both from 1024 bytes
 *
 * Namespaces "/", "/custom" and "/auth", with the same events in each.
 *
 *   On connection the server emits welcome(namespace, handshake auth).
 *   The query parameter "tag" of a connection names it for the records below.
 *
 * Events; "-> x" is the acknowledgement, and where an event takes rest…, that
 * is at most two values:
 *
 *   echo, error, message (args…)     -> args…, or emitted back by the same name
 *   types (args…)      -> [type of each]: null boolean number string array
 *                         object binary
 *   bytes (binary)     -> length, checksum (sum = (sum * 31 + byte) % 65521)
 *   text (string)      -> length in UTF-8, checksum; these two answer nothing
 *                         else
 *   auth ()            -> the handshake's auth
 *   handshake ()       -> {tag, EIO, transport, header, address, secure}: query
 *                         parameters, the header x-interop, null where absent
 *   id ()              -> the socket's id
 *   note-set (value)   -> nothing; note-get () -> value, null before
 *   any-log ()         -> [name…]: the first 64 events that onAny saw
 *   reserved ()        -> how many of the six reserved names emit refuses
 *   many (n, value)    emits tick(0…n-1, value) at once -> n
 *   volatile (value)   emits volatile(value) as volatile -> nothing
 *   big-text (n)       -> n times "x"; big-bytes (n) -> bytes 0, 1 … 255, 0 …
 *   nested ()          emits nested({a: [1, {b: 3 bytes}], c: no bytes}, "end",
 *                      300 bytes) -> {list: [1 byte, [2 bytes]], none: null}
 *   ask (ms, rest…)    emits question(rest…) with an ack and that timeout, then
 *                      answer("ok", what came…) or answer("timeout")
 *   ask-forever (rest…)  the same without a timeout
 *   later (ms, value)  -> value, after so long
 *   disconnect-me (close)   socket.disconnect(close)
 *   bye ()             emits farewell("first"), disconnects, emits
 *                      farewell("second") -> "third" (both come too late)
 *   count (key)        -> how often it was called with this key, per namespace
 *   reasons (tag)      -> [[namespace, reason]…] of disconnects with the tag
 *   connections (tag)  -> [namespace…] of connections with the tag
 *   join (room) leave (room) -> nothing; rooms () -> [room…]
 *   all (args…)        to everybody in the namespace, as all(args…)
 *   to (rooms, rest…)  to rooms, as to(rest…)
 *   except (rooms, rest…)            to all but rooms, as except(rest…)
 *   to-except (rooms, rooms, rest…)  as to-except(rest…)
 *   broadcast (args…)  to all but the sender, as broadcast(args…)
 *   broadcast-to (room, rest…)       to a room but the sender
 *   volatile-to (room, rest…)        to a room, volatile
 *   plain-to (room, rest…)           to a room, not compressed
 *   sockets-join (rooms, room)       -> nothing
 *   sockets-leave (rooms, room)      -> nothing
 *   sockets-disconnect (rooms, close) -> nothing
 *   fetch (rooms)      -> [id…] of their sockets, sorted
 *   middleware (tag)   "/" only -> how often the first and the second
 *                      middleware of /auth ran for this tag
 *
 * /auth has two middlewares. The first emits early("from the middleware") when
 * auth.greet is true, then judges, after auth.slow milliseconds: a token of
 * "ok" passes; another one is refused with "wrong token" and data {code: 401,
 * token}; none with "no token" without data. The second counts and passes.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <socketio/socketio.h>

#include "interop/must.h"
#include "interop/program.h"

enum { LOG_MAX = 64, ROOMS_MAX = 16 };

/* A program for tests has no use for carrying on without memory. */
static char *
copy(const char *text)
{
    return must(strdup(text != NULL ? text : ""));
}

/*
 * Text that grows, for JSON lists
 */

struct text {
    char *data;
    size_t len;
};

static void
text_add(struct text *text, const char *data, size_t len)
{
    text->data = must(realloc(text->data, text->len + len + 1));
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

static void
text_puts(struct text *text, const char *str)
{
    text_add(text, str, strlen(str));
}

static void
text_quote(struct text *text, const char *str)
{
    text_puts(text, "\"");
    for (; *str != '\0'; str++) {
        char escape[8];

        if ((unsigned char)*str >= 0x20 && *str != '"' && *str != '\\') {
            text_add(text, str, 1);
            continue;
        }
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*str);
        text_puts(text, escape);
    }
    text_puts(text, "\"");
}

static void
text_separate(struct text *text)
{
    if (text->len > 1)
        text_puts(text, ",");
}

/* Sends [ … ] and frees it. */
static void
text_send(struct text *text, skio_ack *ack)
{
    text_puts(text, "]");
    skio_ack_send(ack, "%-s", text->data);
    free(text->data);
}

/*
 * Records: three lists of lines, found by a key
 */

struct record {
    struct record *next;
    char *key;
    char *nsp;
    const char *reason; /* static; NULL in the list of connections */
    int count;
};

struct records {
    struct record *first;
    struct record *last;
};

static struct records reasons, connections, counters;

static struct record *
record_add(struct records *list, const char *key, const char *nsp,
           const char *reason)
{
    struct record *record = must(calloc(1, sizeof *record));

    record->key = copy(key);
    record->nsp = copy(nsp);
    record->reason = reason;
    if (list->last != NULL)
        list->last->next = record;
    else
        list->first = record;
    list->last = record;
    return record;
}

static struct record *
record_find(struct records *list, const char *key, const char *nsp)
{
    struct record *each;

    for (each = list->first; each != NULL; each = each->next)
        if (strcmp(each->key, key) == 0 && strcmp(each->nsp, nsp) == 0)
            return each;
    return NULL;
}

static int
count_up(const char *nsp, const char *key)
{
    struct record *record = record_find(&counters, key, nsp);

    if (record == NULL)
        record = record_add(&counters, key, nsp, NULL);
    return ++record->count;
}

static int
count_of(const char *nsp, const char *key)
{
    struct record *record = record_find(&counters, key, nsp);

    return record != NULL ? record->count : 0;
}

static void
records_free(struct records *list)
{
    struct record *each = list->first;

    while (each != NULL) {
        struct record *next = each->next;

        free(each->key);
        free(each->nsp);
        free(each);
        each = next;
    }
}

/*
 * Delays: a thread that sleeps and posts. What is still waiting at the end is
 * run with io NULL, so that it can give its things back.
 */

struct delay {
    struct delay *next;
    struct timespec due;
    skio_post_fn *fn;
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    skio_server *io;
    struct delay *first;
    bool stopping;
} clockwork = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec ||
           (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void *
run_delays(void *unused)
{
    pthread_mutex_lock(&clockwork.lock);
    while (!clockwork.stopping) {
        struct delay *delay = clockwork.first;
        struct timespec now;

        if (delay == NULL) {
            pthread_cond_wait(&clockwork.changed, &clockwork.lock);
            continue;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (is_before(&now, &delay->due)) {
            pthread_cond_timedwait(&clockwork.changed, &clockwork.lock,
                                   &delay->due);
            continue;
        }
        /* A server that stops takes no posts: leave it to delays_stop(). */
        if (skio_server_post(clockwork.io, delay->fn, delay->arg) != SKIO_OK)
            break;
        clockwork.first = delay->next;
        free(delay);
    }
    pthread_mutex_unlock(&clockwork.lock);
    return unused;
}

static void
delays_start(skio_server *io)
{
    pthread_condattr_t attr;

    clockwork.io = io;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&clockwork.changed, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&clockwork.thread, NULL, run_delays, NULL) != 0)
        must(NULL);
}

static void
delay_run(int64_t ms, skio_post_fn *fn, void *arg)
{
    struct delay *delay = must(calloc(1, sizeof *delay));
    struct delay **at = &clockwork.first;

    clock_gettime(CLOCK_MONOTONIC, &delay->due);
    delay->due.tv_sec += (time_t)(ms / 1000);
    delay->due.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (delay->due.tv_nsec >= 1000000000L) {
        delay->due.tv_sec++;
        delay->due.tv_nsec -= 1000000000L;
    }
    delay->fn = fn;
    delay->arg = arg;

    pthread_mutex_lock(&clockwork.lock);
    while (*at != NULL && !is_before(&delay->due, &(*at)->due))
        at = &(*at)->next;
    delay->next = *at;
    *at = delay;
    pthread_cond_signal(&clockwork.changed);
    pthread_mutex_unlock(&clockwork.lock);
}

static void
delays_stop(void)
{
    pthread_mutex_lock(&clockwork.lock);
    clockwork.stopping = true;
    pthread_cond_signal(&clockwork.changed);
    pthread_mutex_unlock(&clockwork.lock);
    pthread_join(clockwork.thread, NULL);

    while (clockwork.first != NULL) {
        struct delay *delay = clockwork.first;

        clockwork.first = delay->next;
        delay->fn(NULL, delay->arg);
        free(delay);
    }
    pthread_cond_destroy(&clockwork.changed);
}

/*
 * Connections
 */

/* What hangs on a socket. */
struct mine {
    char *note; /* JSON, or NULL */
    char *log[LOG_MAX];
    size_t log_count;
    bool says_goodbye;
};

static void
mine_free(void *data)
{
    struct mine *mine = data;

    while (mine->log_count > 0)
        free(mine->log[--mine->log_count]);
    free(mine->note);
    free(mine);
}

static const char *
nsp_of(const skio_socket *socket)
{
    return skio_nsp_name(skio_socket_nsp(socket));
}

static const char *
tag_of(const skio_socket *socket)
{
    const char *tag = skio_socket_query(socket, "tag");

    return tag != NULL ? tag : "";
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    skio_socket_set_data(socket, must(calloc(1, sizeof(struct mine))),
                         mine_free);
    record_add(&connections, tag_of(socket), nsp_of(socket), NULL);
    skio_emit(socket, "welcome", "%s, %p", nsp_of(socket),
              SKIO_VALUE(skio_socket_auth(socket)));
}

static bool
count_room(const char *room, void *user)
{
    (void)room;
    ++*(int *)user;
    return true;
}

static void
on_disconnecting(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    const struct mine *mine = skio_socket_data(socket);
    int rooms = 0;

    (void)user;
    if (mine == NULL || !mine->says_goodbye)
        return;
    skio_each_room(socket, count_room, &rooms);
    skio_emit(socket, "late", "%hhd, %d, %s", skio_socket_is_connected(socket),
              rooms, skio_disconnect_name(reason));
}

static void
on_disconnect(skio_socket *socket, enum skio_disconnect reason, void *user)
{
    (void)user;
    record_add(&reasons, tag_of(socket), nsp_of(socket),
               skio_disconnect_name(reason));
}

static void
on_any(skio_socket *socket, const char *event, const skio_value *args,
       void *user)
{
    struct mine *mine = skio_socket_data(socket);

    (void)args;
    (void)user;
    if (mine->log_count < LOG_MAX)
        mine->log[mine->log_count++] = copy(event);
}

/*
 * Reading arguments
 */

static int64_t
int_of(const skio_value *args, const char *path)
{
    int64_t n = 0;

    skio_get_int(args, path, &n);
    return n;
}

static const char *
str_of(const skio_value *args, const char *path)
{
    const char *str = skio_get_str(args, path);

    return str != NULL ? str : "";
}

static bool
bool_of(const skio_value *args, const char *path)
{
    bool value = false;

    skio_get_bool(args, path, &value);
    return value;
}

/* The strings of the array at args[index], for skio_target. */
static const char *const *
rooms_of(const skio_value *args, int index, const char *rooms[ROOMS_MAX + 1])
{
    char path[24];
    size_t count = 0;

    while (count < ROOMS_MAX) {
        snprintf(path, sizeof path, "%d.%zu", index, count);
        rooms[count] = skio_get_str(args, path);
        if (rooms[count] == NULL)
            break;
        count++;
    }
    rooms[count] = NULL;
    return rooms;
}

static unsigned
checksum(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    unsigned sum = 0;
    size_t i;

    for (i = 0; i < len; i++)
        sum = (sum * 31 + bytes[i]) % 65521;
    return sum;
}

static unsigned char *
make_pattern(size_t len)
{
    unsigned char *bytes = must(malloc(len + 1));
    size_t i;

    for (i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i & 255);
    return bytes;
}

/*
 * Events of the socket itself
 */

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    if (ack != NULL)
        skio_ack_send(ack, "%p", SKIO_VALUE(args));
    else
        skio_emit(socket, user, "%p", SKIO_VALUE(args));
}

static bool
add_type(const char *key, size_t index, const skio_value *item, void *user)
{
    static const char *const names[] = {
        [SKIO_TYPE_NONE] = "undefined", [SKIO_TYPE_NULL] = "null",
        [SKIO_TYPE_BOOL] = "boolean",   [SKIO_TYPE_NUMBER] = "number",
        [SKIO_TYPE_STRING] = "string",  [SKIO_TYPE_ARRAY] = "array",
        [SKIO_TYPE_OBJECT] = "object",  [SKIO_TYPE_BYTES] = "binary",
    };

    (void)key;
    (void)index;
    text_separate(user);
    text_quote(user, names[skio_type_of(item, "")]);
    return true;
}

static void
on_types(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct text text = {0};

    (void)socket;
    (void)user;
    text_puts(&text, "[");
    skio_each(args, "", add_type, &text);
    text_send(&text, ack);
}

static void
on_bytes(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    skio_bytes bytes = {0};

    (void)socket;
    (void)user;
    if (skio_get_bytes(args, "0", &bytes) == SKIO_OK)
        skio_ack_send(ack, "%zu, %u", bytes.len,
                      checksum(bytes.data, bytes.len));
}

static void
on_text(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    size_t len = 0;
    const char *str = skio_get_strn(args, "0", &len);

    (void)socket;
    (void)user;
    if (str != NULL)
        skio_ack_send(ack, "%zu, %u", len, checksum(str, len));
}

static void
on_auth(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)user;
    skio_ack_send(ack, "%p", SKIO_VALUE(skio_socket_auth(socket)));
}

static void
on_handshake(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    /* Kept: a query parameter is borrowed, perhaps until the next call. */
    const char *tag = skio_socket_query(socket, "tag");
    char *tag_copy = tag != NULL ? copy(tag) : NULL;
    char *protocol = copy(skio_socket_query(socket, "EIO"));

    (void)args;
    (void)user;
    skio_ack_send(ack,
                  "{'tag':%s,'EIO':%s,'transport':%s,'header':%s,"
                  "'address':%s,'secure':%hhd}",
                  tag_copy, protocol, skio_socket_query(socket, "transport"),
                  skio_socket_header(socket, "x-interop"),
                  skio_socket_address(socket), skio_socket_is_secure(socket));
    free(tag_copy);
    free(protocol);
}

static void
on_id(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)user;
    skio_ack_send(ack, "%s", skio_socket_id(socket));
}

static void
on_note_set(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    struct mine *mine = skio_socket_data(socket);

    (void)user;
    free(mine->note);
    mine->note = copy(skio_get_json(args, "0"));
    skio_ack_send(ack, NULL);
}

static void
on_note_get(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    struct mine *mine = skio_socket_data(socket);

    (void)args;
    (void)user;
    skio_ack_send(ack, "%-s", mine->note);
}

static void
on_any_log(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    const struct mine *mine = skio_socket_data(socket);
    struct text text = {0};
    size_t i;

    (void)args;
    (void)user;
    text_puts(&text, "[");
    for (i = 0; i < mine->log_count; i++) {
        text_separate(&text);
        text_quote(&text, mine->log[i]);
    }
    text_send(&text, ack);
}

static void
on_reserved(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    static const char *const names[] = {"connect",     "connect_error",
                                        "disconnect",  "disconnecting",
                                        "newListener", "removeListener"};
    int refused = 0;
    size_t i;

    (void)args;
    (void)user;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        refused += skio_emit(socket, names[i], "%d", 1) == SKIO_EINVAL;
    skio_ack_send(ack, "%d", refused);
}

static void
on_many(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const skio_value *value = skio_get_value(args, "1");
    int64_t count = int_of(args, "0"), i;

    (void)user;
    for (i = 0; i < count; i++)
        skio_emit(socket, "tick", "%" PRId64 ", %p", i, SKIO_VALUE(value));
    skio_ack_send(ack, "%" PRId64, count);
}

static void
on_volatile(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    (void)user;
    skio_emit_volatile(socket, "volatile", "%p", SKIO_VALUE(args));
    skio_ack_send(ack, NULL);
}

static void
on_big_text(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    size_t len = (size_t)int_of(args, "0");
    char *text = must(malloc(len + 1));

    (void)socket;
    (void)user;
    memset(text, 'x', len);
    text[len] = '\0';
    skio_ack_send(ack, "%s", text);
    free(text);
}

static void
on_big_bytes(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    size_t len = (size_t)int_of(args, "0");
    unsigned char *bytes = make_pattern(len);

    (void)socket;
    (void)user;
    skio_ack_send(ack, "%p", SKIO_BYTES(bytes, len));
    free(bytes);
}

static void
on_nested(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    unsigned char *bytes = make_pattern(300);

    (void)args;
    (void)user;
    skio_emit(socket, "nested", "{'a':[1,{'b':%p}],'c':%p}, 'end', %p",
              SKIO_BYTES(bytes, 3), SKIO_BYTES(NULL, 0),
              SKIO_BYTES(bytes, 300));
    skio_ack_send(ack, "{'list':[%p,[%p]],'none':null}", SKIO_BYTES(bytes, 1),
                  SKIO_BYTES(bytes, 2));
    free(bytes);
}

/*
 * Acknowledgements
 */

static void
on_answer(skio_socket *socket, int err, const skio_value *args, void *user)
{
    (void)user;
    if (err == SKIO_OK)
        skio_emit(socket, "answer", "'ok', %p", SKIO_VALUE(args));
    else if (err == SKIO_ETIMEDOUT)
        skio_emit(socket, "answer", "'timeout'");
}

static void
ask(skio_socket *socket, uint32_t timeout_ms, const skio_value *a,
    const skio_value *b)
{
    int err;

    if (b != NULL)
        err =
            skio_emit_with_ack(socket, timeout_ms, on_answer, NULL, "question",
                               "%p, %p", SKIO_VALUE(a), SKIO_VALUE(b));
    else if (a != NULL)
        err = skio_emit_with_ack(socket, timeout_ms, on_answer, NULL,
                                 "question", "%p", SKIO_VALUE(a));
    else
        err = skio_emit_with_ack(socket, timeout_ms, on_answer, NULL,
                                 "question", NULL);
    must_ok(err, "question");
}

static void
on_ask(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    ask(socket, (uint32_t)int_of(args, "0"), skio_get_value(args, "1"),
        skio_get_value(args, "2"));
}

static void
on_ask_forever(skio_socket *socket, const skio_value *args, skio_ack *ack,
               void *user)
{
    (void)ack;
    (void)user;
    ask(socket, 0, skio_get_value(args, "0"), skio_get_value(args, "1"));
}

struct later {
    skio_ack *ack;
    char *json;
};

static void
answer_later(skio_server *io, void *arg)
{
    struct later *later = arg;

    if (io != NULL)
        skio_ack_send(later->ack, "%-s", later->json);
    else
        skio_ack_free(later->ack);
    free(later->json);
    free(later);
}

static void
on_later(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct later *later = must(calloc(1, sizeof *later));

    (void)socket;
    (void)user;
    later->json = copy(skio_get_json(args, "1"));
    later->ack = skio_ack_take(ack);
    delay_run(int_of(args, "0"), answer_later, later);
}

/*
 * Ends, and what is remembered
 */

static void
on_disconnect_me(skio_socket *socket, const skio_value *args, skio_ack *ack,
                 void *user)
{
    (void)ack;
    (void)user;
    skio_disconnect(socket, bool_of(args, "0"));
}

static void
on_say_goodbye(skio_socket *socket, const skio_value *args, skio_ack *ack,
               void *user)
{
    struct mine *mine = skio_socket_data(socket);

    (void)args;
    (void)user;
    mine->says_goodbye = true;
    skio_ack_send(ack, NULL);
}

static void
on_bye(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)args;
    (void)user;
    skio_emit(socket, "farewell", "'first'");
    skio_disconnect(socket, false);
    skio_emit(socket, "farewell", "'second'");
    skio_ack_send(ack, "'third'");
}

static void
on_count(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    skio_ack_send(ack, "%d", count_up(nsp_of(socket), str_of(args, "0")));
}

static void
on_records(skio_socket *socket, const skio_value *args, skio_ack *ack,
           void *user)
{
    const struct records *list = user;
    const char *key = str_of(args, "0");
    const struct record *each;
    struct text text = {0};

    (void)socket;
    text_puts(&text, "[");
    for (each = list->first; each != NULL; each = each->next) {
        if (strcmp(each->key, key) != 0)
            continue;
        text_separate(&text);
        if (each->reason != NULL)
            text_puts(&text, "[");
        text_quote(&text, each->nsp);
        if (each->reason == NULL)
            continue;
        text_puts(&text, ",");
        text_quote(&text, each->reason);
        text_puts(&text, "]");
    }
    text_send(&text, ack);
}

static void
on_middleware(skio_socket *socket, const skio_value *args, skio_ack *ack,
              void *user)
{
    const char *tag = str_of(args, "0");

    (void)socket;
    (void)user;
    skio_ack_send(ack, "%d, %d", count_of("first", tag),
                  count_of("second", tag));
}

/*
 * Rooms and broadcast
 */

static void
on_join(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    must_ok(skio_join(socket, str_of(args, "0")), "join");
    skio_ack_send(ack, NULL);
}

static void
on_leave(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)user;
    skio_leave(socket, str_of(args, "0"));
    skio_ack_send(ack, NULL);
}

static bool
add_room(const char *room, void *user)
{
    text_separate(user);
    text_quote(user, room);
    return true;
}

static void
on_rooms(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct text text = {0};

    (void)args;
    (void)user;
    text_puts(&text, "[");
    skio_each_room(socket, add_room, &text);
    text_send(&text, ack);
}

/* Emit what stands in args from an index on, at most two values. */
static void
emit_rest(skio_socket *socket, const skio_target *target, const char *event,
          const skio_value *args, int index)
{
    skio_nsp *nsp = skio_socket_nsp(socket);
    const skio_value *a, *b;
    char path[12];

    snprintf(path, sizeof path, "%d", index);
    a = skio_get_value(args, path);
    snprintf(path, sizeof path, "%d", index + 1);
    b = skio_get_value(args, path);
    if (b != NULL)
        skio_emit_with(nsp, target, event, "%p, %p", SKIO_VALUE(a),
                       SKIO_VALUE(b));
    else if (a != NULL)
        skio_emit_with(nsp, target, event, "%p", SKIO_VALUE(a));
    else
        skio_emit_with(nsp, target, event, NULL);
}

static void
on_all(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)ack;
    (void)user;
    skio_emit_all(skio_socket_nsp(socket), "all", "%p", SKIO_VALUE(args));
}

static void
on_to(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *rooms[ROOMS_MAX + 1];

    (void)ack;
    (void)user;
    emit_rest(socket, SKIO_TARGET(.to = rooms_of(args, 0, rooms)), "to", args,
              1);
}

static void
on_except(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    const char *rooms[ROOMS_MAX + 1];

    (void)ack;
    (void)user;
    emit_rest(socket, SKIO_TARGET(.except = rooms_of(args, 0, rooms)), "except",
              args, 1);
}

static void
on_to_except(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    const char *to[ROOMS_MAX + 1], *except[ROOMS_MAX + 1];

    (void)ack;
    (void)user;
    emit_rest(socket,
              SKIO_TARGET(.to = rooms_of(args, 0, to),
                          .except = rooms_of(args, 1, except)),
              "to-except", args, 2);
}

static void
on_broadcast(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    (void)ack;
    (void)user;
    skio_broadcast(socket, "broadcast", "%p", SKIO_VALUE(args));
}

static void
on_broadcast_to(skio_socket *socket, const skio_value *args, skio_ack *ack,
                void *user)
{
    const char *room = str_of(args, "0");

    (void)ack;
    (void)user;
    emit_rest(socket, SKIO_TARGET(.to = SKIO_ROOMS(room), .sender = socket),
              "broadcast-to", args, 1);
}

static void
on_volatile_to(skio_socket *socket, const skio_value *args, skio_ack *ack,
               void *user)
{
    const char *room = str_of(args, "0");

    (void)ack;
    (void)user;
    emit_rest(socket,
              SKIO_TARGET(.to = SKIO_ROOMS(room), .flags = SKIO_VOLATILE),
              "volatile-to", args, 1);
}

static void
on_plain_to(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    const char *room = str_of(args, "0");

    (void)ack;
    (void)user;
    emit_rest(socket,
              SKIO_TARGET(.to = SKIO_ROOMS(room), .flags = SKIO_NO_COMPRESS),
              "plain-to", args, 1);
}

static void
on_sockets_join(skio_socket *socket, const skio_value *args, skio_ack *ack,
                void *user)
{
    const char *rooms[ROOMS_MAX + 1];

    (void)user;
    skio_sockets_join(skio_socket_nsp(socket),
                      SKIO_TARGET(.to = rooms_of(args, 0, rooms)),
                      str_of(args, "1"));
    skio_ack_send(ack, NULL);
}

static void
on_sockets_leave(skio_socket *socket, const skio_value *args, skio_ack *ack,
                 void *user)
{
    const char *rooms[ROOMS_MAX + 1];

    (void)user;
    skio_sockets_leave(skio_socket_nsp(socket),
                       SKIO_TARGET(.to = rooms_of(args, 0, rooms)),
                       str_of(args, "1"));
    skio_ack_send(ack, NULL);
}

static void
on_sockets_disconnect(skio_socket *socket, const skio_value *args,
                      skio_ack *ack, void *user)
{
    const char *rooms[ROOMS_MAX + 1];

    (void)user;
    skio_sockets_disconnect(skio_socket_nsp(socket),
                            SKIO_TARGET(.to = rooms_of(args, 0, rooms)),
                            bool_of(args, "1"));
    skio_ack_send(ack, NULL);
}

static int
compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
on_fetched(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    const char **ids = must(calloc(count + 1, sizeof *ids));
    struct text text = {0};
    size_t i;

    (void)missing;
    must_ok(err, "fetch");
    for (i = 0; i < count; i++)
        ids[i] = skio_remote_id(sockets[i]);
    qsort(ids, count, sizeof *ids, compare_ids);
    text_puts(&text, "[");
    for (i = 0; i < count; i++) {
        text_separate(&text);
        text_quote(&text, ids[i]);
    }
    text_send(&text, user);
    free(ids);
}

static void
on_fetch(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    const char *rooms[ROOMS_MAX + 1];

    (void)user;
    /* With the memory adapter the callback runs inside the call. */
    skio_sockets_fetch(skio_socket_nsp(socket),
                       SKIO_TARGET(.to = rooms_of(args, 0, rooms)), on_fetched,
                       ack);
}

/*
 * Middleware of /auth
 */

static void
judge(skio_next *next, const skio_socket *socket)
{
    const char *token =
        socket != NULL ? skio_get_str(skio_socket_auth(socket), "token") : NULL;

    if (token == NULL)
        skio_next_error(next, "no token", NULL);
    else if (strcmp(token, "ok") == 0)
        skio_next_ok(next);
    else
        skio_next_error(next, "wrong token", "{'code':%d,'token':%s}", 401,
                        token);
}

static void
judge_later(skio_server *io, void *arg)
{
    (void)io;
    judge(arg, skio_next_socket(arg));
}

static void
first_middleware(skio_socket *socket, skio_next *next, void *user)
{
    const skio_value *auth = skio_socket_auth(socket);
    int64_t slow = 0;

    (void)user;
    count_up("first", tag_of(socket));
    if (bool_of(auth, "greet"))
        skio_emit(socket, "early", "'from the middleware'");
    skio_get_int(auth, "slow", &slow);
    if (slow > 0)
        delay_run((uint32_t)slow, judge_later, next);
    else
        judge(next, socket);
}

static void
second_middleware(skio_socket *socket, skio_next *next, void *user)
{
    (void)user;
    count_up("second", tag_of(socket));
    skio_next_ok(next);
}

/*
 * The server
 */

static void
serve(skio_server *io, const char *name)
{
    static const struct {
        const char *name;
        skio_event_fn *fn;
        void *user;
    } events[] = {
        {"echo", on_echo, "echo"},
        {"error", on_echo, "error"},
        {"message", on_echo, "message"},
        {"types", on_types, NULL},
        {"bytes", on_bytes, NULL},
        {"text", on_text, NULL},
        {"auth", on_auth, NULL},
        {"handshake", on_handshake, NULL},
        {"id", on_id, NULL},
        {"note-set", on_note_set, NULL},
        {"note-get", on_note_get, NULL},
        {"any-log", on_any_log, NULL},
        {"reserved", on_reserved, NULL},
        {"many", on_many, NULL},
        {"volatile", on_volatile, NULL},
        {"big-text", on_big_text, NULL},
        {"big-bytes", on_big_bytes, NULL},
        {"nested", on_nested, NULL},
        {"ask", on_ask, NULL},
        {"ask-forever", on_ask_forever, NULL},
        {"later", on_later, NULL},
        {"disconnect-me", on_disconnect_me, NULL},
        {"bye", on_bye, NULL},
        {"say-goodbye", on_say_goodbye, NULL},
        {"count", on_count, NULL},
        {"reasons", on_records, &reasons},
        {"connections", on_records, &connections},
        {"join", on_join, NULL},
        {"leave", on_leave, NULL},
        {"rooms", on_rooms, NULL},
        {"all", on_all, NULL},
        {"to", on_to, NULL},
        {"except", on_except, NULL},
        {"to-except", on_to_except, NULL},
        {"broadcast", on_broadcast, NULL},
        {"broadcast-to", on_broadcast_to, NULL},
        {"volatile-to", on_volatile_to, NULL},
        {"plain-to", on_plain_to, NULL},
        {"sockets-join", on_sockets_join, NULL},
        {"sockets-leave", on_sockets_leave, NULL},
        {"sockets-disconnect", on_sockets_disconnect, NULL},
        {"fetch", on_fetch, NULL},
    };
    skio_nsp *nsp = must(skio_of(io, name));
    size_t i;

    must_ok(skio_on_connect(nsp, on_connect, NULL), name);
    must_ok(skio_on_disconnecting(nsp, on_disconnecting, NULL), name);
    must_ok(skio_on_disconnect(nsp, on_disconnect, NULL), name);
    must_ok(skio_on_any(nsp, on_any, NULL), name);
    for (i = 0; i < sizeof events / sizeof *events; i++)
        must_ok(skio_on(nsp, events[i].name, events[i].fn, events[i].user),
                events[i].name);
    if (strcmp(name, "/") == 0)
        must_ok(skio_on(nsp, "middleware", on_middleware, NULL), name);
    if (strcmp(name, "/auth") == 0) {
        must_ok(skio_use(nsp, first_middleware, NULL), name);
        must_ok(skio_use(nsp, second_middleware, NULL), name);
    }
}

static unsigned
parse_transports(const char *list)
{
    return (strstr(list, "polling") != NULL ? SKIO_POLLING : 0u) |
           (strstr(list, "websocket") != NULL ? SKIO_WEBSOCKET : 0u);
}

/* One option and its value. Returns how many words it took, 0 if unknown. */
static int
parse_option(skio_server_options *options, const char *name, const char *value)
{
    uint32_t number;

    if (strcmp(name, "--no-upgrades") == 0) {
        options->allow_upgrades = false;
        return 1;
    }
    if (strcmp(name, "--eio3") == 0) {
        options->allow_eio3 = true;
        return 1;
    }
    if (strcmp(name, "--deflate") == 0) {
        options->per_message_deflate = true;
        options->http_compression = true;
        return 1;
    }
    if (value == NULL)
        return 0;

    number = (uint32_t)strtoul(value, NULL, 10);
    if (strcmp(name, "--path") == 0)
        options->path = value;
    else if (strcmp(name, "--ping-interval") == 0)
        options->ping_interval_ms = number;
    else if (strcmp(name, "--ping-timeout") == 0)
        options->ping_timeout_ms = number;
    else if (strcmp(name, "--connect-timeout") == 0)
        options->connect_timeout_ms = number;
    else if (strcmp(name, "--upgrade-timeout") == 0)
        options->upgrade_timeout_ms = number;
    else if (strcmp(name, "--max-payload") == 0)
        options->max_http_buffer_size = number;
    else if (strcmp(name, "--transports") == 0)
        options->transports = parse_transports(value);
    else if (strcmp(name, "--cors") == 0)
        options->cors_origins = value;
    else if (strcmp(name, "--cookie") == 0)
        options->cookie = value;
    else if (strcmp(name, "--tls-cert") == 0)
        options->tls_cert_file = value;
    else if (strcmp(name, "--tls-key") == 0)
        options->tls_key_file = value;
    else if (strcmp(name, "--client-dir") == 0)
        options->client_dir = value;
    else if (strcmp(name, "--recovery") == 0)
        options->recovery_ms = number;
    else if (strcmp(name, "--parser") == 0 && strcmp(value, "msgpack") == 0)
        options->parser = skio_parser_msgpack();
    else
        return 0;
    return 2;
}

static skio_server *server;

int
main(int argc, char **argv)
{
    static char name[] = "interop-server";
    skio_server_options options;
    int i, err;

    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    /* All the test clients share one address, and many never say goodbye. */
    options.max_connections_per_address = 10000;
    options.max_unconnected = 10000;
    for (i = 2; i < argc;) {
        int words = parse_option(&options, argv[i], argv[i + 1]);

        if (words == 0) {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
        i += words;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: interop-server PORT [options]\n");
        return 2;
    }

    must_ok(skio_server_new(&server, &options), "server");
    serve(server, "/");
    serve(server, "/custom");
    serve(server, "/auth");
    must_ok(skio_listen(server, "127.0.0.1",
                        (uint16_t)strtoul(argv[1], NULL, 10)),
            "listen");
    delays_start(server);

    err = program_run(server);
    delays_stop();
    skio_server_free(server);
    records_free(&reasons);
    records_free(&connections);
    records_free(&counters);
    return err == SKIO_OK ? 0 : 1;
}
