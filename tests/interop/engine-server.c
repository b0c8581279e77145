/*
 * engine-server PORT [options]: Engine.IO alone, and what can be watched of its
 * sessions. oracle-engine.mjs is the same application on the reference
 * implementation; whatever changes here changes there.
 *
 * Listens on 127.0.0.1 (PORT 0: any free port), prints "listening on PORT" and
 * serves until SIGTERM. Messages come back as they were. Options, each with a
 * value, flags being 0 or 1:
 *
 *   --generate-id FLAG         ids are the query's "id"; without it they fail
 *   --initial-packet TEXT
 *   --max BYTES                maxHttpBufferSize
 *   --trailing-slash FLAG      addTrailingSlash
 *   --transports NAME[,NAME]
 *   --ping-interval MS
 *   --allow-eio3 FLAG
 *   --cors-origin ORIGINS      "*" or one
 *   --cors-suffix TEXT         pages whose origin ends like this
 *   --preflight-continue FLAG
 *   --options-status STATUS    optionsSuccessStatus
 *
 * The query that opens a session names it, "tag":
 *
 *   GET /life?tag=        -> [event…] so far: "connection TRANSPORT",
 *                            "upgrading TRANSPORT", "upgrade TRANSPORT",
 *                            "packet TYPE DATA", "packetCreate TYPE DATA",
 *                            "flush", "drain", "heartbeat", "close REASON"
 *   GET /state?tag=       -> what the session tells of itself, or null
 *   GET /cookies?tag=     -> [a, b], of the request that opened it; or null
 *   GET /count            -> sessions that are open
 *   GET /say?tag=&text=   sends a message          -> 1, or 0: no session
 *   GET /close?tag=&discard=FLAG                   -> likewise
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/engine.h>
#include <socketio/socketio.h>

#include "interop/program.h"

enum { TAG_MAX = 64, TEXT_MAX = 8192 };

static skio_server *running;
static const char *suffix;

/* What became of the session of a tag. */
struct record {
    struct record *next;
    skio_session *session; /* NULL once it closed */
    char tag[TAG_MAX];
    char life[TEXT_MAX]; /* members of a list, without its brackets */
};

static struct record *records;

static struct record *
record_of(const char *tag)
{
    struct record *record;

    for (record = records; record != NULL; record = record->next) {
        if (strcmp(record->tag, tag) == 0)
            return record;
    }
    record = calloc(1, sizeof *record);
    if (record == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    snprintf(record->tag, sizeof record->tag, "%s", tag);
    record->next = records;
    records = record;
    return record;
}

static void
append(char text[TEXT_MAX], const char *more, size_t len)
{
    size_t at = strlen(text);

    if (at + len < TEXT_MAX) {
        memcpy(text + at, more, len);
        text[at + len] = '\0';
    }
}

/* "what more", quoted for JSON; the scenarios say nothing that escapes. */
static void
note(skio_session *session, const char *what, const char *more, size_t len)
{
    struct record *record = skio_session_data(session);

    if (record->life[0] != '\0')
        append(record->life, ",", 1);
    append(record->life, "\"", 1);
    append(record->life, what, strlen(what));
    if (len > 0)
        append(record->life, " ", 1);
    append(record->life, more, len);
    append(record->life, "\"", 1);
}

static void
note_word(skio_session *session, const char *what, const char *word)
{
    note(session, what, word, strlen(word));
}

/* ---- Taps ---- */

static void
on_connection(skio_session *session, void *user)
{
    struct record *record;
    char tag[TAG_MAX] = "";

    (void)user;
    (void)skio_engine_request_query(skio_session_request(session), "tag", tag,
                                    sizeof tag);
    record = record_of(tag);
    record->session = session;
    skio_session_set_data(session, record);
    note_word(session, "connection", skio_session_transport(session));
}

static void
on_upgrading(skio_session *session, void *user)
{
    (void)user;
    note_word(session, "upgrading", skio_session_transport(session));
}

static void
on_upgrade(skio_session *session, void *user)
{
    (void)user;
    note_word(session, "upgrade", skio_session_transport(session));
}

static void
note_packet(skio_session *session, const char *what, char type,
            const void *data, size_t len, bool binary)
{
    static const char *const types[] = {"open",    "close",   "ping", "pong",
                                        "message", "upgrade", "noop"};
    char event[64];
    char hex[256];
    size_t i;

    snprintf(event, sizeof event, "%s %s", what, types[type - '0']);
    if (!binary) {
        note(session, event, data, len);
        return;
    }
    snprintf(hex, sizeof hex, "<");
    for (i = 0; i < len && i < 100; i++)
        snprintf(hex + 1 + 2 * i, 4, "%02x>", ((const uint8_t *)data)[i]);
    note(session, event, hex, strlen(hex));
}

static void
on_packet(skio_session *session, char type, const void *data, size_t len,
          bool binary, void *user)
{
    (void)user;
    note_packet(session, "packet", type, data, len, binary);
}

static void
on_packet_create(skio_session *session, char type, const void *data, size_t len,
                 bool binary, void *user)
{
    (void)user;
    note_packet(session, "packetCreate", type, data, len, binary);
}

static void
on_flush(skio_session *session, void *user)
{
    (void)user;
    note_word(session, "flush", "");
}

static void
on_drain(skio_session *session, void *user)
{
    (void)user;
    note_word(session, "drain", "");
}

static void
on_heartbeat(skio_session *session, void *user)
{
    (void)user;
    note_word(session, "heartbeat", "");
}

static void
on_close(skio_session *session, enum skio_disconnect reason, void *user)
{
    struct record *record = skio_session_data(session);

    (void)user;
    note_word(session, "close", skio_disconnect_name(reason));
    record->session = NULL;
}

static void
on_message(skio_session *session, const void *data, size_t len, bool binary,
           void *user)
{
    int err = skio_session_send(session, data, len, binary);

    (void)user;
    if (err != SKIO_OK && err != SKIO_ECLOSED)
        fprintf(stderr, "echo: %s\n", skio_strerror(err));
}

static int
make_id(const skio_engine_request *request, char id[64], void *user)
{
    (void)user;
    return skio_engine_request_query(request, "id", id, 64) >= 0 ? SKIO_OK
                                                                 : SKIO_EIO;
}

static bool
ends_as_asked(const char *origin, void *user)
{
    size_t len = strlen(origin);
    size_t end = strlen(suffix);

    (void)user;
    return len >= end && strcmp(origin + len - end, suffix) == 0;
}

/* ---- Questions ---- */

static struct record *
asked(skio_http *request)
{
    const char *tag = skio_http_query(request, "tag");

    return record_of(tag != NULL ? tag : "");
}

static void
get_life(skio_http *request, void *user)
{
    static char text[TEXT_MAX + 8];

    (void)user;
    snprintf(text, sizeof text, "[%s]", asked(request)->life);
    (void)skio_http_reply(request, 200, "%-s", text);
}

static void
get_state(skio_http *request, void *user)
{
    static const char *const states[] = {"opening", "open", "closing",
                                         "closed"};
    const skio_session *session = asked(request)->session;
    const skio_engine_request *opener;

    (void)user;
    if (session == NULL) {
        (void)skio_http_reply(request, 200, "%-s", "null");
        return;
    }
    opener = skio_session_request(session);
    (void)skio_http_reply(
        request, 200,
        "{\"id\":%s,\"protocol\":%d,\"readyState\":%s,\"transport\":%s,"
        "\"upgraded\":%hhd,\"upgrading\":%hhd,\"remoteAddress\":%s,"
        "\"method\":%s,\"url\":%s,\"word\":%s}",
        skio_session_id(session), skio_session_protocol(session),
        states[skio_session_ready_state(session)],
        skio_session_transport(session), skio_session_is_upgraded(session),
        skio_session_is_upgrading(session), skio_session_address(session),
        skio_engine_request_method(opener), skio_engine_request_url(opener),
        skio_engine_request_header(opener, "x-word"));
}

/* The request's cookie of this name, or NULL. */
static const char *
cookie(const skio_session *session, const char *name, char *buf, size_t size)
{
    return session != NULL &&
                   skio_engine_request_cookie(skio_session_request(session),
                                              name, buf, size) >= 0
               ? buf
               : NULL;
}

static void
get_cookies(skio_http *request, void *user)
{
    const skio_session *session = asked(request)->session;
    char a[256];
    char b[256];

    (void)user;
    (void)skio_http_reply(request, 200, "[%s,%s]",
                          cookie(session, "a", a, sizeof a),
                          cookie(session, "b", b, sizeof b));
}

static void
get_count(skio_http *request, void *user)
{
    (void)user;
    (void)skio_http_reply(request, 200, "%d",
                          (int)skio_server_sessions(running));
}

static void
get_say(skio_http *request, void *user)
{
    skio_session *session = asked(request)->session;
    const char *text = skio_http_query(request, "text");
    int done = session != NULL && text != NULL &&
               skio_session_send(session, text, strlen(text), false) == 0;

    (void)user;
    (void)skio_http_reply(request, 200, "%d", done);
}

static void
get_close(skio_http *request, void *user)
{
    skio_session *session = asked(request)->session;
    const char *discard = skio_http_query(request, "discard");

    (void)user;
    (void)skio_http_reply(request, 200, "%d", session != NULL ? 1 : 0);
    if (session != NULL && discard != NULL && strcmp(discard, "1") == 0)
        skio_session_discard(session);
    else if (session != NULL)
        skio_session_close(session);
}

/* ---- The program ---- */

static bool
read_option(skio_server_options *options, const char *name, const char *value,
            bool *makes_ids)
{
    bool flag = strcmp(value, "1") == 0;

    if (strcmp(name, "--generate-id") == 0)
        *makes_ids = flag;
    else if (strcmp(name, "--initial-packet") == 0)
        options->initial_packet = value;
    else if (strcmp(name, "--max") == 0)
        options->max_http_buffer_size = strtoul(value, NULL, 10);
    else if (strcmp(name, "--trailing-slash") == 0)
        options->add_trailing_slash = flag;
    else if (strcmp(name, "--transports") == 0)
        options->transports =
            (strstr(value, "polling") != NULL ? SKIO_POLLING : 0u) |
            (strstr(value, "websocket") != NULL ? SKIO_WEBSOCKET : 0u);
    else if (strcmp(name, "--ping-interval") == 0)
        options->ping_interval_ms = (uint32_t)strtoul(value, NULL, 10);
    else if (strcmp(name, "--allow-eio3") == 0)
        options->allow_eio3 = flag;
    else if (strcmp(name, "--cors-origin") == 0)
        options->cors_origins = value;
    else if (strcmp(name, "--cors-suffix") == 0)
        options->cors_origin = ends_as_asked, suffix = value;
    else if (strcmp(name, "--preflight-continue") == 0)
        options->cors_preflight_continue = flag;
    else if (strcmp(name, "--options-status") == 0)
        options->cors_options_success_status = (int)strtol(value, NULL, 10);
    else
        return false;
    return true;
}

static int
watch(skio_server *io, bool makes_ids)
{
    static const skio_engine_handlers handlers = {
        .struct_size = sizeof handlers,
        .message = on_message,
    };
    static const skio_engine_taps taps = {
        .struct_size = sizeof taps,
        .connection = on_connection,
        .upgrading = on_upgrading,
        .upgrade = on_upgrade,
        .packet = on_packet,
        .packet_create = on_packet_create,
        .flush = on_flush,
        .drain = on_drain,
        .heartbeat = on_heartbeat,
        .close = on_close,
    };
    int err = skio_engine_handle(io, &handlers, NULL);

    if (err == SKIO_OK)
        err = skio_engine_tap(io, &taps, NULL);
    if (err == SKIO_OK && makes_ids)
        err = skio_generate_id(io, make_id, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/life", get_life, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/state", get_state, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/cookies", get_cookies, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/count", get_count, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/say", get_say, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/close", get_close, NULL);
    return err;
}

int
main(int argc, char **argv)
{
    static char name[] = "engine-server";
    skio_server_options options;
    bool makes_ids = false;
    int err;

    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_ERROR;
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 >= argc ||
            !read_option(&options, argv[i], argv[i + 1], &makes_ids)) {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
    }
    if (argc < 2) {
        fprintf(stderr, "usage: engine-server PORT [options]\n");
        return 2;
    }

    err = skio_server_new(&running, &options);
    if (err != SKIO_OK) {
        fprintf(stderr, "engine-server: %s\n", skio_strerror(err));
        return 1;
    }
    err = watch(running, makes_ids);
    if (err == SKIO_OK)
        err = skio_listen(running, "127.0.0.1",
                          (uint16_t)strtoul(argv[1], NULL, 10));
    if (err == SKIO_OK)
        err = program_run(running);
    if (err != SKIO_OK)
        fprintf(stderr, "engine-server: %s\n", skio_strerror(err));
    skio_server_free(running);
    while (records != NULL) {
        struct record *record = records;

        records = record->next;
        free(record);
    }
    return err != SKIO_OK;
}
