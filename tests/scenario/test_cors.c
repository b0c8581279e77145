/*
 * Engine.IO: which pages may connect
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <string.h>

#define POLLING "EIO=4&transport=polling"
#define WEBSOCKET "EIO=4&transport=websocket"
#define FORBIDDEN "{\"code\":4,\"message\":\"Forbidden\"}"

struct verdict {
    const char *origin;
    const char *host;
    bool allowed;
};

/* Both transports come to the same verdict. */
static void
expect_verdict(struct peer *peer, const char *headers, bool allowed)
{
    struct peer_http *http = peer_request(peer, "GET", POLLING, headers);
    struct peer_ws *ws = peer_ws_request(peer, WEBSOCKET, headers);

    if (allowed) {
        peer_expect_http(http, 200, NULL);
        peer_check(peer, ws->ws != NULL);
    } else {
        peer_expect_http(http, 403, FORBIDDEN);
        peer_check(peer, ws->ws == NULL);
        peer_expect_http(ws->http, 403, "Forbidden");
        peer_expect_header(http, "Access-Control-Allow-Origin", NULL);
    }
    peer_expect_header(ws->http, "Access-Control-Allow-Origin",
                       peer_header(http, "Access-Control-Allow-Origin"));
}

static void
expect_verdicts(struct peer *peer, const struct verdict *verdicts, size_t count)
{
    char headers[256];
    size_t i;

    for (i = 0; i < count; i++) {
        snprintf(headers, sizeof headers, "host: %s\norigin: %s\n",
                 verdicts[i].host, verdicts[i].origin);
        peer_note(peer, "%s at %s", verdicts[i].origin, verdicts[i].host);
        expect_verdict(peer, headers, verdicts[i].allowed);
    }
}

SCENARIO(without_an_origin_everybody_may_connect, NULL, peer_engine)
{
    expect_verdict(peer, NULL, true);
    expect_verdict(peer, "host: a.example\n", true);
}

SCENARIO(by_default_only_pages_of_this_host_may_connect, NULL, peer_engine)
{
    static const struct verdict verdicts[] = {
        {"http://a.example", "a.example", true},
        {"https://a.example", "a.example", true}, /* a proxy ends the TLS */
        {"http://a.example", "A.Example", true},
        {"http://A.EXAMPLE", "a.example", true},
        {"http://a.example:80", "a.example", true},
        {"http://a.example", "a.example:80", true},
        {"https://a.example", "a.example:443", true},
        {"https://a.example:443", "a.example", true},
        {"http://a.example:3000", "a.example:3000", true},
        {"http://127.0.0.1:3000", "127.0.0.1:3000", true},
        {"http://[::1]:3000", "[::1]:3000", true},
        {"http://[::1]", "[::1]:80", true},

        {"http://b.example", "a.example", false},
        {"http://a.example.evil", "a.example", false},
        {"http://evila.example", "a.example", false},
        {"http://a.example.", "a.example", false},
        {"http://sub.a.example", "a.example", false},
        {"http://a.example:8080", "a.example", false},
        {"http://a.example", "a.example:8080", false},
        {"http://a.example", "a.example:443", false},
        {"https://a.example", "a.example:80", false},
        {"http://a.example:81", "a.example:80", false},
        {"http://a.example:080x", "a.example", false},
        {"http://a.example:", "a.example", false},
        {"http://a.example:0", "a.example", false},
        {"http://a.example:65616", "a.example", false}, /* 80 + 2^16 */
        {"http://a.example:4294967376", "a.example", false},
        {"http://a.example/", "a.example", false},
        {"http://a.example@b.example", "b.example", false},
        {"http://b.example#a.example", "a.example", false},
        {"http://[::2]", "[::1]", false},
        {"http://[::1", "[::1", false},
        {"http://", "a.example", false},
        {"//a.example", "a.example", false},
        {"a.example", "a.example", false},
        {"ftp://a.example", "a.example", false},
        {"file://", "a.example", false},
        {"null", "a.example", false},
        {"null", "null", false},
        {"", "a.example", false},
        {"http://a.example", "", false},
        {"http://a.example http://b.example", "a.example", false},
    };

    expect_verdicts(peer, verdicts, sizeof verdicts / sizeof verdicts[0]);
}

SCENARIO(an_origin_without_a_host_may_not_connect, NULL, peer_engine)
{
    expect_verdict(peer, "origin: http://a.example\n", false);
}

SCENARIO(by_default_no_cors_header_is_sent, NULL, peer_engine)
{
    struct peer_http *http =
        peer_request(peer, "GET", POLLING,
                     "host: a.example\norigin: http://a.example\n");

    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "Access-Control-Allow-Origin", NULL);
    peer_expect_header(http, "Vary", NULL);
    /* And a preflight is an ordinary request. */
    peer_expect_http(
        peer_request(peer, "OPTIONS", POLLING,
                     "host: a.example\norigin: http://a.example\n"),
        400, "{\"code\":2,\"message\":\"Bad handshake method\"}");
    peer_expect_http(
        peer_request(peer, "OPTIONS", POLLING,
                     "host: a.example\norigin: http://b.example\n"),
        403, FORBIDDEN);
}

SCENARIO(polls_and_posts_are_judged_too, NULL, peer_engine)
{
    const char *query = peer_polling(peer);
    static const char other[] = "host: a.example\norigin: http://b.example\n";

    peer_expect_http(peer_request(peer, "GET", query, other), 403, FORBIDDEN);
    peer_expect_http(peer_post_bytes(peer, query, other, "4a", 2), 403,
                     FORBIDDEN);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

static void
everybody(skio_server_options *options)
{
    options->cors_origins = "*";
}

SCENARIO(a_star_lets_every_page_connect, everybody, peer_engine)
{
    struct peer_http *http;

    expect_verdict(peer, "host: a.example\norigin: http://b.example\n", true);
    expect_verdict(peer, "host: a.example\norigin: null\n", true);
    expect_verdict(peer, NULL, true);
    http = peer_request(peer, "GET", POLLING, "origin: http://b.example\n");
    peer_expect_http(http, 200, NULL);
    peer_expect_header(http, "Access-Control-Allow-Origin", "*");
    peer_expect_header(http, "Vary", NULL);
    peer_expect_header(http, "Access-Control-Allow-Credentials", NULL);
}

static void
listed(skio_server_options *options)
{
    options->cors_origins = "https://a.example, http://b.example:8443,"
                            "http://c.example,null";
    options->cors_credentials = true;
    options->cors_exposed = "X-One,X-Two";
    options->cors_max_age_s = 600;
}

SCENARIO(a_list_lets_its_pages_connect, listed, peer_engine)
{
    static const struct verdict verdicts[] = {
        {"https://a.example", "z.example", true},
        {"http://b.example:8443", "z.example", true},
        {"http://c.example", "z.example", true},
        /* Exactly these: no other scheme, port, case or host. */
        {"http://a.example", "z.example", false},
        {"https://a.example:443", "z.example", false},
        {"https://A.example", "z.example", false},
        {"https://a.exampl", "z.example", false},
        {"https://a.example.", "z.example", false},
        {"https://a.example,", "z.example", false},
        {"https://a.example, http://b.example:8443", "z.example", false},
        {"http://b.example", "z.example", false},
        {"http://y.example", "z.example", false},
        {"null", "z.example", false},
        {"null", "null", false},
        {"*", "z.example", false},
        {"", "z.example", false},
        {",", "z.example", false},
    };

    expect_verdicts(peer, verdicts, sizeof verdicts / sizeof verdicts[0]);
    expect_verdict(peer, NULL, true);
}

SCENARIO(pages_of_this_host_need_not_be_listed, listed, peer_engine)
{
    static const struct verdict verdicts[] = {
        {"http://z.example", "z.example", true},
        {"https://z.example", "z.example", true}, /* behind a proxy's TLS */
        {"http://z.example:8080", "z.example:8080", true},
        {"http://z.example:8080", "z.example", false},
        {"http://sub.z.example", "z.example", false},
        {"http://z.example.", "z.example", false},
    };
    struct peer_http *http;

    expect_verdicts(peer, verdicts, sizeof verdicts / sizeof verdicts[0]);
    http = peer_request(peer, "GET", POLLING,
                        "host: z.example\norigin: http://z.example\n");
    peer_expect_header(http, "Access-Control-Allow-Origin", NULL);
    peer_expect_header(http, "Vary", "Origin");
}

SCENARIO(an_allowed_origin_is_named_in_every_response, listed, peer_engine)
{
    static const char headers[] = "origin: https://a.example\n";
    struct peer_http *http = peer_request(peer, "GET", POLLING, headers);
    struct peer_http *poll;
    struct peer_ws *ws;
    char query[160];

    peer_expect_http(http, 200, NULL);
    snprintf(query, sizeof query, POLLING "&sid=%s", peer_sid(http->body.data));
    peer_expect_header(http, "Access-Control-Allow-Origin",
                       "https://a.example");
    peer_expect_header(http, "Vary", "Origin");
    peer_expect_header(http, "Access-Control-Allow-Credentials", "true");
    peer_expect_header(http, "Access-Control-Expose-Headers", "X-One,X-Two");

    /* A held poll, which outlives its request; errors; the 101. */
    poll = peer_request(peer, "GET", query, headers);
    http = peer_post_bytes(peer, query, headers, "1", 1);
    peer_expect_http(poll, 200, "6");
    peer_expect_header(poll, "Access-Control-Allow-Origin",
                       "https://a.example");
    peer_expect_http(http, 200, "ok");
    peer_expect_header(http, "Access-Control-Allow-Origin",
                       "https://a.example");
    http = peer_request(peer, "GET", query, headers);
    peer_expect_http(http, 400, NULL);
    peer_expect_header(http, "Access-Control-Allow-Origin",
                       "https://a.example");
    ws = peer_ws_request(peer, WEBSOCKET, headers);
    peer_check(peer, ws->ws != NULL);
    peer_expect_header(ws->http, "Access-Control-Allow-Origin",
                       "https://a.example");
    peer_expect_header(ws->http, "Vary", "Origin");
}

SCENARIO(a_refused_upgrade_has_no_cors_headers, listed, peer_engine)
{
    struct peer_ws *ws =
        peer_ws_request(peer, "", "origin: https://a.example\n");

    peer_expect_http(ws->http, 400, "Transport unknown");
    peer_expect_header(ws->http, "Access-Control-Allow-Origin", NULL);
}

SCENARIO(a_preflight_is_answered_204, listed, peer_engine)
{
    struct peer_http *http =
        peer_request(peer, "OPTIONS", POLLING,
                     "origin: https://a.example\n"
                     "access-control-request-method: POST\n"
                     "access-control-request-headers: content-type,x-y\n");

    peer_expect_http(http, 204, "");
    peer_check(peer, http->type.data == NULL);
    peer_expect_header(http, "Access-Control-Allow-Origin",
                       "https://a.example");
    peer_expect_header(http, "Vary", "Origin, Access-Control-Request-Headers");
    peer_expect_header(http, "Access-Control-Allow-Credentials", "true");
    peer_expect_header(http, "Access-Control-Allow-Methods",
                       "GET,HEAD,PUT,PATCH,POST,DELETE");
    peer_expect_header(http, "Access-Control-Allow-Headers",
                       "content-type,x-y");
    peer_expect_header(http, "Access-Control-Max-Age", "600");
    peer_expect_header(http, "Access-Control-Expose-Headers", "X-One,X-Two");

    /* Any OPTIONS is one, whatever its query says. */
    peer_expect_http(peer_request(peer, "OPTIONS", "sid=x",
                                  "origin: https://a.example\n"),
                     204, "");
    peer_expect_http(peer_request(peer, "OPTIONS", POLLING,
                                  "origin: https://x.example\n"),
                     403, FORBIDDEN);
    peer_expect_http(peer_request(peer, "OPTIONS", "",
                                  "origin: https://x.example\n"),
                     403, FORBIDDEN);
    peer_expect_event(peer, NULL);
}

static void
configured(skio_server_options *options)
{
    options->cors_origins = "*";
    options->cors_methods = "GET,POST";
    options->cors_headers = "X-Token";
}

SCENARIO(a_preflight_names_what_is_configured, configured, peer_engine)
{
    struct peer_http *http =
        peer_request(peer, "OPTIONS", POLLING,
                     "origin: https://a.example\n"
                     "access-control-request-headers: x-other\n");

    peer_expect_http(http, 204, "");
    peer_expect_header(http, "Access-Control-Allow-Origin", "*");
    peer_expect_header(http, "Access-Control-Allow-Methods", "GET,POST");
    peer_expect_header(http, "Access-Control-Allow-Headers", "X-Token");
    peer_expect_header(http, "Access-Control-Max-Age", NULL);
    peer_expect_header(http, "Vary", NULL);
}

SCENARIO(a_preflight_echoes_the_headers_it_asks_for, everybody, peer_engine)
{
    struct peer_http *http =
        peer_request(peer, "OPTIONS", POLLING,
                     "origin: https://a.example\n"
                     "access-control-request-headers: x-other\n");

    peer_expect_http(http, 204, "");
    peer_expect_header(http, "Access-Control-Allow-Headers", "x-other");
    peer_expect_header(http, "Vary", "Access-Control-Request-Headers");
    /* Nothing that could not stand in a header. */
    http = peer_request(peer, "OPTIONS", POLLING,
                        "access-control-request-headers: a\rb\n");
    peer_expect_http(http, 204, "");
    peer_expect_header(http, "Access-Control-Allow-Headers", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_an_origin_everybody_may_connect),
        cmocka_unit_test(by_default_only_pages_of_this_host_may_connect),
        cmocka_unit_test(an_origin_without_a_host_may_not_connect),
        cmocka_unit_test(by_default_no_cors_header_is_sent),
        cmocka_unit_test(polls_and_posts_are_judged_too),
        cmocka_unit_test(a_star_lets_every_page_connect),
        cmocka_unit_test(a_list_lets_its_pages_connect),
        cmocka_unit_test(an_allowed_origin_is_named_in_every_response),
        cmocka_unit_test(pages_of_this_host_need_not_be_listed),
        cmocka_unit_test(a_refused_upgrade_has_no_cors_headers),
        cmocka_unit_test(a_preflight_is_answered_204),
        cmocka_unit_test(a_preflight_names_what_is_configured),
        cmocka_unit_test(a_preflight_echoes_the_headers_it_asks_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
