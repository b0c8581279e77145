/*
 * The dearest things a client can say, a megabyte each
 *
 *     test_worst_case            the tests: each is taken as it should be
 *     test_worst_case --list     their names, and how large one may be
 *     test_worst_case NAME       one of them, for tests/api/test_worst_case,
 *                                which counts the instructions of each call of
 *                                worst_case_say(): as large as may be, for an
 *                                application that does not look at what it is
 *                                sent; a size, and twice the size, for one that
 *                                looks at everything
 */
#include "scenario/sio.h"

#include <stdlib.h>

#include <socketio/request.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MESSAGE 1000000
#define HEADER 7900 /* of max_header_bytes */
#define QUERY 4000  /* of max_query_bytes */

enum way { SAID, POSTED, ASKED, UPGRADED };

struct worst_case {
    const char *name;
    enum way way;
    size_t largest;
    const char *head;
    const char *part; /* again and again between them */
    const char *tail;
    bool is_taken; /* else the session ends; a request is refused */
};

static const struct worst_case cases[] = {
    {"id_of_digits", SAID, MESSAGE, "42", "1", "[\"e\"]", false},
    {"count_of_digits", SAID, MESSAGE, "45", "1", "-[\"e\"]", false},
    {"namespace", SAID, MESSAGE, "42/", "n", ",[\"e\"]", false},
    {"name", SAID, MESSAGE, "42[\"", "e", "\"]", false},
    {"name_of_escapes", SAID, MESSAGE, "42[\"", "\\u0065", "\"]", false},
    {"brackets", SAID, MESSAGE, "42[\"e\",", "[", "", false},
    {"arrays", SAID, MESSAGE, "42[\"e\",[[]", ",[]", "]]", true},
    {"arguments", SAID, MESSAGE, "42[\"e\"", ",1", "]", true},
    {"keys", SAID, MESSAGE, "42[\"e\",{\"a\":1", ",\"a\":1", "}]", true},
    {"escaped_keys", SAID, MESSAGE, "42[\"e\",{\"a\":1", ",\"\\u0061\":1", "}]",
     true},
    {"escapes", SAID, MESSAGE, "42[\"e\",\"", "\\u00e9", "\"]", true},
    {"surrogates", SAID, MESSAGE, "42[\"e\",\"", "\\ud83d\\ude00", "\"]", true},
    {"strings", SAID, MESSAGE, "42[\"e\",\"", "a", "\"]", true},
    {"wide_strings", SAID, MESSAGE, "42[\"e\",\"", "\xf0\x9f\x98\x80", "\"]",
     true},
    {"numbers", SAID, MESSAGE, "42[\"e\",0", ",1.7976931348623157e308", "]",
     true},
    {"digits", SAID, MESSAGE, "42[\"e\",1", "7", "]", true},
    {"fractions", SAID, MESSAGE, "42[\"e\",0.", "3", "]", true},
    {"blanks", SAID, MESSAGE, "42[", " ", "\"e\"]", true},
    {"placeholders", SAID, MESSAGE, "451-[\"e\",0",
     ",{\"_placeholder\":true,\"num\":0}", "]", true},
    {"auth", SAID, MESSAGE, "40{\"a\":1", ",\"a\":1", "}", false},
    {"separators", POSTED, MESSAGE, "", "\x1e", "", false},
    {"base64", POSTED, MESSAGE, "b", "AAAA", "", true},
    {"bad_base64", POSTED, MESSAGE, "b", "A!=A", "", true},
    {"parameters", ASKED, QUERY, "", "a&", "", true},
    {"encoded_parameters", ASKED, QUERY, "x=", "%41", "", true},
    {"cookies", ASKED, HEADER, "cookie: ", "a=b; ", "", true},
    {"encodings", ASKED, HEADER, "accept-encoding: ", "gzip;q=0.001,", "",
     true},
    {"forwarded", ASKED, HEADER, "x-forwarded-for: ", "1.1.1.1,", "", true},
    {"origins", ASKED, HEADER, "origin: http://", "a.", "", false},
    {"extensions_of_blanks", UPGRADED, HEADER,
     "sec-websocket-extensions: ", " ", "", false},
    {"extensions_of_commas", UPGRADED, HEADER,
     "sec-websocket-extensions: ", ",", "", false},
    {"extensions_of_names", UPGRADED, HEADER, "sec-websocket-extensions: x",
     ", x;a=b", "", true},
    {"extensions_of_offers", UPGRADED, HEADER, "sec-websocket-extensions: ",
     "permessage-deflate; a=\"b\\c\", ", "", false},
};

static const struct worst_case *chosen;
static bool is_blind;
static size_t chosen_size;
static char *text;
static size_t text_len;

/* The text has about that size, never more. */
static void
make_text(void)
{
    size_t part = strlen(chosen->part);
    size_t tail = strlen(chosen->tail);

    text_len = strlen(chosen->head);
    memcpy(text, chosen->head, text_len);
    while (text_len + part + tail <= chosen_size) {
        memcpy(text + text_len, chosen->part, part);
        text_len += part;
    }
    memcpy(text + text_len, chosen->tail, tail + 1);
    text_len += tail;
}

/* ---- An application that looks at everything ---- */

static bool
look(const char *key, size_t index, const skio_value *item, void *user)
{
    size_t *seen = user;

    (void)key;
    *seen += index + (size_t)skio_type_of(item, "");
    return true;
}

static void
look_at_all(skio_socket *socket, const skio_value *args, skio_ack *ack,
            void *user)
{
    size_t seen = 0;
    size_t len = 0;
    int64_t integer;
    double number;
    skio_bytes bytes;

    (void)ack;
    peer_note(user, "taken");
    if (is_blind)
        return;
    seen += skio_count(args, "");
    seen += (size_t)skio_type_of(args, "0");
    (void)skio_get_strn(args, "0", &len);
    (void)skio_get_double(args, "0", &number);
    (void)skio_get_int(args, "0", &integer);
    (void)skio_get_bytes(args, "1", &bytes);
    seen += (size_t)skio_type_of(args, "0.z");
    (void)skio_each(args, "", look, &seen);
    (void)skio_each(args, "0", look, &seen);
    (void)skio_emit(socket, "back", "%p", SKIO_VALUE(args));
}

static void
read_cookies(skio_verdict *verdict, void *user)
{
    const skio_engine_request *request = skio_verdict_request(verdict);
    char value[64];

    (void)user;
    (void)skio_engine_request_cookie(request, "z", value, sizeof value);
    (void)skio_engine_request_query(request, "z", value, sizeof value);
    (void)skio_verdict_accept(verdict);
}

static void
options(skio_server_options *options)
{
    options->max_outbound_bytes = (size_t)64 << 20;
    options->per_message_deflate = true;
    options->http_compression = true;
    options->trusted_proxies = "0.0.0.0/0";
}

static void
setup(struct peer *peer)
{
    peer_check(peer, skio_on(skio_of(peer->server, "/"), "e", look_at_all,
                             peer) == SKIO_OK);
    peer_check(peer,
               skio_engine_use(peer->server, read_cookies, NULL) == SKIO_OK);
}

/* ---- What is counted ---- */

struct saying {
    struct peer_ws *ws;
    const char *query; /* of a session */
    struct peer_http *http;
};

/* Not static: callgrind is told this name, and it is called by a pointer. */
void worst_case_say(struct peer *peer, struct saying *saying);

void
worst_case_say(struct peer *peer, struct saying *saying)
{
    switch (chosen->way) {
    case SAID:
        peer_say_bytes(saying->ws, text, text_len, false);
        if (text[1] == '5' && saying->ws->ws != NULL)
            peer_say_bytes(saying->ws, "x", 1, true);
        break;
    case POSTED:
        saying->http =
            peer_post_bytes(peer, saying->query, "content-type: text/plain\n",
                            text, text_len);
        break;
    case ASKED:
        saying->http = peer_request(peer, "GET", saying->query,
                                    chosen->largest == HEADER ? text : NULL);
        break;
    case UPGRADED:
        saying->ws = peer_ws_request(peer, "EIO=4&transport=websocket", text);
        break;
    }
}

static void (*volatile say)(struct peer *, struct saying *) = worst_case_say;

static void
script(struct peer *peer)
{
    static char query[HEADER];
    struct saying saying = {0};

    make_text();
    switch (chosen->way) {
    case SAID:
        saying.ws = sio_connect(peer, NULL);
        say(peer, &saying);
        peer_expect_event(peer, chosen->is_taken ? "taken" : NULL);
        peer_check(peer, (saying.ws->ws != NULL) == chosen->is_taken ||
                             skio_server_sessions(peer->server) == 0);
        return;
    case POSTED:
        saying.query = peer_polling(peer);
        say(peer, &saying);
        peer_expect_http(saying.http, chosen->is_taken ? 200 : 400, NULL);
        return;
    case ASKED:
        snprintf(query, sizeof query, "EIO=4&transport=polling&%s",
                 chosen->largest == QUERY ? text : "");
        if (chosen->largest == HEADER)
            memcpy(text + text_len, "\nhost: a\n", 10);
        saying.query = query;
        say(peer, &saying);
        peer_expect_http(saying.http, chosen->is_taken ? 200 : 403, NULL);
        return;
    case UPGRADED:
        memcpy(text + text_len, "\n", 2);
        say(peer, &saying);
        peer_check(peer, (saying.ws->ws != NULL) == chosen->is_taken);
        return;
    }
}

static void
run(const struct worst_case *which, size_t size)
{
    static const struct peer_plan plan = {options, setup, script};

    chosen = which;
    chosen_size = size;
    text = malloc(size + 64);
    assert_non_null(text);
    peer_run_once(&plan);
    free(text);
}

/* A square shows in a quarter of a megabyte. */
static void
run_thrice(const struct worst_case *which)
{
    size_t twice =
        which->largest < MESSAGE ? which->largest : which->largest / 4;

    is_blind = true;
    run(which, which->largest);
    is_blind = false;
    run(which, twice / 2);
    run(which, twice);
}

/* ---- The tests ---- */

static void
is_taken_as_it_should_be(void **state)
{
    const struct worst_case *which = *state;

    run(which, which->largest);
    run(which, which->largest / 2);
}

int
main(int argc, char **argv)
{
    static struct CMUnitTest tests[COUNT(cases)];
    static char names[COUNT(cases)][64];

    for (size_t i = 0; i < COUNT(cases); i++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
            printf("%s %zu\n", cases[i].name, cases[i].largest);
        if (argc == 2 && strcmp(argv[1], cases[i].name) == 0) {
            run_thrice(&cases[i]);
            return 0;
        }
        snprintf(names[i], sizeof names[i], "%s_is_taken_as_it_should_be",
                 cases[i].name);
        tests[i] = (struct CMUnitTest){
            .name = names[i],
            .test_func = is_taken_as_it_should_be,
            .initial_state = (void *)(uintptr_t)&cases[i],
        };
    }
    if (argc > 1)
        return strcmp(argv[1], "--list") == 0 ? 0 : 2;
    return cmocka_run_group_tests_name("worst_case", tests, NULL, NULL);
}
