/*
 * hooks-server PORT [options]: what the application can hook into the engine.
 * oracle-hooks.mjs is the same application on the reference implementation;
 * whatever changes here changes there.
 *
 * Listens on 127.0.0.1 (PORT 0: any free port), prints "listening on PORT" and
 * serves until SIGTERM. Options, each with a value: --cookie NAME, and
 * --cookie-path, -http-only, -same-site, -domain, -max-age, -expires (seconds
 * since 1970), -secure, -partitioned, -priority; flags are 0 or 1.
 *
 * The query of a request says what becomes of it; "tag" names it:
 *
 *   use=    answer (429 "slow down"), no, later; in the first of two
 *           middlewares
 *   allow=  no ("not today"), silently (no message), later
 *
 * GET /decide?tag=&word= gives the word that "later" left out, one of the
 * others -> 1, or 0 when nothing waits; GET /waiting?tag= -> 1 while it does.
 * GET /errors?tag= -> [{code, message, context}…] of connection_error.
 * GET /order?tag= -> [what ran…]: first second allow initial_headers headers
 *
 * The first middleware sets X-Use: 1; initial_headers X-Initial to the header
 * x-word or "none"; headers X-Always to the method.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/socketio.h>

#include "interop/must.h"
#include "interop/program.h"

enum { TAG_MAX = 64, TEXT_MAX = 8192 };

/* Records by tag: what is told as JSON, and a verdict that waits. */
struct record {
    struct record *next;
    char tag[TAG_MAX];
    char errors[TEXT_MAX]; /* members of a list, without its brackets */
    char order[TEXT_MAX];
    skio_verdict *waiting;
    bool is_allow;
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
    record = must(calloc(1, sizeof *record));
    snprintf(record->tag, sizeof record->tag, "%s", tag);
    record->next = records;
    records = record;
    return record;
}

static struct record *
record_for(const skio_engine_request *request)
{
    char tag[TAG_MAX] = "";

    (void)skio_engine_request_query(request, "tag", tag, sizeof tag);
    return record_of(tag);
}

static void
append(char text[TEXT_MAX], const char *more)
{
    size_t len = strlen(text);

    snprintf(text + len, TEXT_MAX - len, "%s", more);
}

static void
append_quoted(char text[TEXT_MAX], const char *value)
{
    append(text, "\"");
    for (; *value != '\0'; value++) {
        char one[8] = {*value};

        if ((unsigned char)*value < 0x20 || *value == '"' || *value == '\\')
            snprintf(one, sizeof one, "\\u%04x", (unsigned char)*value);
        append(text, one);
    }
    append(text, "\"");
}

static void
note(const skio_engine_request *request, const char *what)
{
    struct record *record = record_for(request);

    if (record->order[0] != '\0')
        append(record->order, ",");
    append_quoted(record->order, what);
}

/*
 * Hooks
 */

static void
decide(skio_verdict *verdict, bool is_allow, const char *word)
{
    int err;

    if (is_allow && strcmp(word, "no") == 0)
        err = skio_verdict_refuse(verdict, "not today");
    else if (strcmp(word, "no") == 0 || strcmp(word, "silently") == 0)
        err = skio_verdict_refuse(verdict, NULL);
    else if (strcmp(word, "answer") == 0)
        err = skio_verdict_respond(verdict, 429, "text/plain", "slow down", 9);
    else
        err = skio_verdict_accept(verdict);
    if (err != SKIO_OK && err != SKIO_ECLOSED)
        fprintf(stderr, "verdict: %s\n", skio_strerror(err));
}

static void
judge(skio_verdict *verdict, const char *parameter, bool is_allow)
{
    const skio_engine_request *request = skio_verdict_request(verdict);
    char word[16] = "";

    (void)skio_engine_request_query(request, parameter, word, sizeof word);
    if (strcmp(word, "later") == 0) {
        struct record *record = record_for(request);

        record->waiting = verdict;
        record->is_allow = is_allow;
    } else {
        decide(verdict, is_allow, word);
    }
}

static void
on_allow(skio_verdict *verdict, void *user)
{
    (void)user;
    note(skio_verdict_request(verdict), "allow");
    judge(verdict, "allow", true);
}

static void
on_first(skio_verdict *verdict, void *user)
{
    (void)user;
    note(skio_verdict_request(verdict), "first");
    if (skio_headers_set(skio_verdict_headers(verdict), "X-Use", "1") !=
        SKIO_OK)
        fprintf(stderr, "no header\n");
    judge(verdict, "use", false);
}

static void
on_second(skio_verdict *verdict, void *user)
{
    (void)user;
    note(skio_verdict_request(verdict), "second");
    decide(verdict, false, "");
}

static void
on_initial(skio_headers *headers, const skio_engine_request *request,
           void *user)
{
    const char *word = skio_engine_request_header(request, "x-word");

    (void)user;
    note(request, "initial_headers");
    if (skio_headers_set(headers, "X-Initial", word != NULL ? word : "none") !=
        SKIO_OK)
        fprintf(stderr, "no header\n");
}

static void
on_headers(skio_headers *headers, const skio_engine_request *request,
           void *user)
{
    (void)user;
    note(request, "headers");
    if (skio_headers_set(headers, "X-Always",
                         skio_engine_request_method(request)) != SKIO_OK)
        fprintf(stderr, "no header\n");
}

static void
member(char text[TEXT_MAX], const char *name, const char *value)
{
    if (value == NULL)
        return;
    if (text[strlen(text) - 1] != '{')
        append(text, ",");
    append_quoted(text, name);
    append(text, ":");
    append_quoted(text, value);
}

static void
number(char text[TEXT_MAX], const char *name, int value)
{
    char digits[16];

    if (value == 0)
        return;
    if (text[strlen(text) - 1] != '{')
        append(text, ",");
    append_quoted(text, name);
    snprintf(digits, sizeof digits, ":%d", value);
    append(text, digits);
}

static void
on_error(const skio_connection_error *error, void *user)
{
    char *text = record_for(error->request)->errors;
    char start[32];

    (void)user;
    snprintf(start, sizeof start,
             "%s{\"code\":%d,\"message\":", text[0] != '\0' ? "," : "",
             (int)error->code);
    append(text, start);
    append_quoted(text, error->message);
    append(text, ",\"context\":{");
    member(text, "name", error->name);
    member(text, "transport", error->transport);
    member(text, "previousTransport", error->previous_transport);
    member(text, "origin", error->origin);
    member(text, "sid", error->sid);
    member(text, "method", error->method);
    member(text, "message", error->reason);
    number(text, "protocol", error->protocol);
    number(text, "previousProtocol", error->previous_protocol);
    append(text, "}}");
}

/*
 * What became of them
 */

static struct record *
asked(skio_http *request)
{
    const char *tag = skio_http_query(request, "tag");

    return record_of(tag != NULL ? tag : "");
}

static void
get_errors(skio_http *request, void *user)
{
    char *text = must(calloc(1, TEXT_MAX + 8));

    (void)user;
    snprintf(text, TEXT_MAX + 8, "[%s]", asked(request)->errors);
    (void)skio_http_reply(request, 200, "%-s", text);
    free(text);
}

static void
get_order(skio_http *request, void *user)
{
    char *text = must(calloc(1, TEXT_MAX + 8));

    (void)user;
    snprintf(text, TEXT_MAX + 8, "[%s]", asked(request)->order);
    (void)skio_http_reply(request, 200, "%-s", text);
    free(text);
}

static void
get_waiting(skio_http *request, void *user)
{
    (void)user;
    (void)skio_http_reply(request, 200, "%d",
                          asked(request)->waiting != NULL ? 1 : 0);
}

static void
get_decide(skio_http *request, void *user)
{
    struct record *record = asked(request);
    const char *word = skio_http_query(request, "word");
    skio_verdict *verdict = record->waiting;

    (void)user;
    record->waiting = NULL;
    if (verdict != NULL)
        decide(verdict, record->is_allow, word != NULL ? word : "");
    (void)skio_http_reply(request, 200, "%d", verdict != NULL ? 1 : 0);
}

/*
 * The program
 */

static bool
read_option(skio_server_options *options, const char *name, const char *value)
{
    bool flag = strcmp(value, "1") == 0;

    if (strcmp(name, "--cookie") == 0)
        options->cookie = value;
    else if (strcmp(name, "--cookie-path") == 0)
        options->cookie_path = value;
    else if (strcmp(name, "--cookie-http-only") == 0)
        options->cookie_http_only = flag;
    else if (strcmp(name, "--cookie-same-site") == 0)
        options->cookie_same_site = value;
    else if (strcmp(name, "--cookie-domain") == 0)
        options->cookie_domain = value;
    else if (strcmp(name, "--cookie-max-age") == 0)
        options->cookie_max_age_s = strtoll(value, NULL, 10);
    else if (strcmp(name, "--cookie-expires") == 0)
        options->cookie_expires = strtoll(value, NULL, 10);
    else if (strcmp(name, "--cookie-secure") == 0)
        options->cookie_secure = flag;
    else if (strcmp(name, "--cookie-partitioned") == 0)
        options->cookie_partitioned = flag;
    else if (strcmp(name, "--cookie-priority") == 0)
        options->cookie_priority = value;
    else
        return false;
    return true;
}

static int
hook(skio_server *io)
{
    int err = skio_allow_request(io, on_allow, NULL);

    if (err == SKIO_OK)
        err = skio_engine_use(io, on_first, NULL);
    if (err == SKIO_OK)
        err = skio_engine_use(io, on_second, NULL);
    if (err == SKIO_OK)
        err = skio_on_initial_headers(io, on_initial, NULL);
    if (err == SKIO_OK)
        err = skio_on_headers(io, on_headers, NULL);
    if (err == SKIO_OK)
        err = skio_on_connection_error(io, on_error, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/errors", get_errors, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/order", get_order, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/waiting", get_waiting, NULL);
    if (err == SKIO_OK)
        err = skio_http_on(io, "GET", "/decide", get_decide, NULL);
    return err;
}

static void
free_records(void)
{
    while (records != NULL) {
        struct record *record = records;

        records = record->next;
        if (record->waiting != NULL)
            (void)skio_verdict_accept(record->waiting);
        free(record);
    }
}

int
main(int argc, char **argv)
{
    static char name[] = "hooks-server";
    skio_server_options options;
    skio_server *io;
    int err;

    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.log_level = SKIO_LOG_WARN;
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 >= argc || !read_option(&options, argv[i], argv[i + 1])) {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
    }
    if (argc < 2) {
        fprintf(stderr, "usage: hooks-server PORT [options]\n");
        return 2;
    }

    err = skio_server_new(&io, &options);
    if (err != SKIO_OK) {
        fprintf(stderr, "hooks-server: %s\n", skio_strerror(err));
        return 1;
    }
    err = hook(io);
    if (err == SKIO_OK)
        err =
            skio_listen(io, "127.0.0.1", (uint16_t)strtoul(argv[1], NULL, 10));
    if (err == SKIO_OK)
        err = program_run(io);
    if (err != SKIO_OK)
        fprintf(stderr, "hooks-server: %s\n", skio_strerror(err));
    skio_server_free(io);
    free_records();
    return err != SKIO_OK;
}
