/*
 * Requests of other servers' sessions: the near server has the client, the far
 * one the session
 */
#include "scenario/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/forward.h>

#define UNKNOWN "{\"code\":1,\"message\":\"Session ID unknown\"}"

static const char near_tag[] = "nearNEAR";
static const char far_tag[] = "far_FAR-";

/* What carries one request at a time. */
struct line {
    struct peer *peer;
    skio_server *far;
    skio_exchange *asked; /* at the near server; NULL: nothing waits */
    skio_exchange *held;  /* at the far one */
    int refusal;          /* ask() returns this instead */
    unsigned asks;
    unsigned abandoned;
    char tag[16];
    char method[8];
    char query[256];
    char body[64];
    size_t len;
    int64_t content_length;
};

static int
ask(skio_exchange *exchange, const char *tag, const skio_request *request,
    const void *body, size_t len, void **name, void *user)
{
    struct line *line = user;

    line->asks++;
    if (line->refusal != SKIO_OK)
        return line->refusal;
    snprintf(line->tag, sizeof line->tag, "%s", tag);
    snprintf(line->method, sizeof line->method, "%s", request->method);
    snprintf(line->query, sizeof line->query, "%s", request->query);
    line->len = len < sizeof line->body ? len : sizeof line->body;
    if (line->len > 0)
        memcpy(line->body, body, line->len);
    line->content_length = request->content_length;
    line->asked = exchange;
    *name = line;
    return SKIO_OK;
}

static void
abandon(skio_exchange *exchange, void *name, void *user)
{
    struct line *line = user;

    peer_check(line->peer, name == user && line->asked == exchange);
    line->asked = NULL;
    line->abandoned++;
}

static void
respond(void *handle, const skio_response *response)
{
    struct line *line = handle;
    skio_exchange *asked = line->asked;

    line->asked = NULL;
    line->held = NULL;
    if (asked != NULL)
        skio_forward_answer(asked, response);
}

static skio_forwarder
forwarder(const char *tag)
{
    skio_forwarder ops = {
        .struct_size = sizeof ops,
        .tag = tag,
        .max_requests = 2,
        .max_bytes = 32,
        .ask = ask,
        .abandon = abandon,
        .respond = respond,
    };

    return ops;
}

/* Before the servers are freed: nobody is told any more. */
static void
give_back(struct peer *peer)
{
    skio_forward_detach(peer->server);
    if (peer->another != NULL)
        skio_forward_detach(peer->another);
    free(peer->data);
    peer->data = NULL;
}

static void
two_servers(struct peer *peer)
{
    skio_forwarder near_ops = forwarder(near_tag);
    skio_forwarder far_ops = forwarder(far_tag);
    struct line *line = calloc(1, sizeof *line);

    if (line == NULL)
        abort();
    peer->data = line;
    peer->cleanup = give_back;
    line->peer = peer;
    peer_another(peer);
    peer_echo(peer);
    peer_check(peer,
               skio_forward_attach(peer->server, &near_ops, line) == SKIO_OK);
    peer_switch(peer);
    peer_echo(peer);
    peer_check(peer,
               skio_forward_attach(peer->server, &far_ops, line) == SKIO_OK);
    line->far = peer->server;
    peer_switch(peer);
}

/* A session of the far server. */
static const char *
far_session(struct peer *peer)
{
    const char *query;

    peer_switch(peer);
    query = peer_polling(peer);
    peer_switch(peer);
    return query;
}

/* What was asked arrives at the far server. */
static void
arrive(struct peer *peer)
{
    struct line *line = peer->data;
    skio_request request = {
        .method = line->method,
        .path = "/socket.io/",
        .query = line->query,
        .headers = "",
        .address = "192.0.2.1",
        .content_length = line->content_length,
    };

    peer_check(peer, line->asked != NULL);
    peer_check(peer,
               skio_forward_take(line->far, &request, line->body, line->len,
                                 line, &line->held) == SKIO_OK);
    peer_flush(peer);
}

SCENARIO(a_poll_of_another_server_is_passed_on, NULL, two_servers)
{
    struct line *line = peer->data;
    const char *query = far_session(peer);
    struct peer_http *poll = peer_get(peer, query);
    struct peer_http *post;

    peer_check(peer, strcmp(line->tag, far_tag) == 0);
    peer_check(peer, strcmp(line->method, "GET") == 0);
    peer_check(peer, strcmp(line->query, query) == 0);
    peer_expect_held(poll);
    arrive(peer);
    peer_expect_held(poll);
    peer_check(peer, line->held != NULL);
    peer_check(peer, skio_session_send(peer->session, "a", 1, false) == 0);
    peer_flush(peer);
    peer_expect_http(poll, 200, "4a");
    peer_expect_header(poll, "cache-control", "no-store");

    post = peer_post(peer, query, "4hello");
    peer_expect_held(post);
    peer_check(peer, line->len == 6 && memcmp(line->body, "4hello", 6) == 0);
    peer_check(peer, line->content_length == 6);
    arrive(peer);
    peer_expect_http(post, 200, "ok");
    poll = peer_get(peer, query);
    arrive(peer);
    peer_expect_http(poll, 200, "4hello");
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "message hello");
}

SCENARIO(the_session_of_this_server_is_not_passed_on, NULL, two_servers)
{
    struct line *line = peer->data;
    const char *query = peer_polling(peer);

    peer_check(peer, strcmp(query + strlen(query) - 8, near_tag) == 0);
    peer_expect_http(peer_post(peer, query, "4hello"), 200, "ok");
    peer_expect_http(peer_get(peer, query), 200, "4hello");
    peer_check(peer, line->asks == 0);
}

SCENARIO(an_id_without_a_tag_is_unknown, NULL, two_servers)
{
    static const char start[] = "EIO=4&transport=polling&sid=";
    static const char *const ids[] = {"x",
                                      "aaaaaaaaaaaaaaaaaaaa",
                                      "aaaaaaaaaaaaaaaaaaaanearNEAR",
                                      "aaaaaaaaaaaaaaaaaaaafar.FAR-",
                                      "aaaaaaaaaaaaaaaaaaaaafar_FAR-",
                                      "aaaaaaaaaaaaaaaaaaaafar_FAR"};
    struct line *line = peer->data;

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char query[128];

        snprintf(query, sizeof query, "%s%s", start, ids[i]);
        peer_expect_http(peer_get(peer, query), 400, UNKNOWN);
    }
    peer_check(peer, line->asks == 0);
}

SCENARIO(only_polls_and_posts_are_passed_on, NULL, two_servers)
{
    struct line *line = peer->data;
    const char *query = far_session(peer);

    peer_expect_http(peer_request(peer, "DELETE", query, NULL), 400, UNKNOWN);
    peer_expect_http(peer_upgrade(peer, "GET", query, NULL), 400, NULL);
    peer_check(peer, line->asks == 0);
}

SCENARIO(a_client_that_goes_away_is_abandoned, NULL, two_servers)
{
    struct line *line = peer->data;
    const char *query = far_session(peer);
    struct peer_http *poll = peer_get(peer, query);

    arrive(peer);
    peer_expect_held(poll);
    peer_abort(poll);
    peer_check(peer, line->abandoned == 1 && line->held != NULL);
    skio_exchange_abort(line->held);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, "close transport error");
}

SCENARIO(what_cannot_be_passed_on_is_answered, NULL, two_servers)
{
    struct line *line = peer->data;
    const char *query = far_session(peer);

    line->refusal = SKIO_ECLOSED;
    peer_expect_http(peer_get(peer, query), 400, UNKNOWN);
    line->refusal = SKIO_ETOOBIG;
    peer_expect_http(peer_post(peer, query, "4hello"), 413, NULL);
    line->refusal = SKIO_ENOBUFS;
    peer_expect_http(peer_get(peer, query), 503, NULL);
    line->refusal = SKIO_OK;
    peer_expect_held(peer_get(peer, query));
    skio_forward_unknown(line->asked);
    peer_check(peer, line->abandoned == 0);
}

SCENARIO(limits_of_what_waits_are_kept, NULL, two_servers)
{
    struct line *line = peer->data;
    const char *query = far_session(peer);
    struct peer_http *first = peer_post_begin(peer, query, NULL, -1);
    struct peer_http *second = peer_post_begin(peer, query, NULL, -1);

    peer_expect_http(peer_get(peer, query), 503, NULL);
    /* 32 bytes of all bodies, and one more. */
    peer_post_body(first, "4aaaaaaaaaaaaaaa", 16);
    peer_post_body(second, "4aaaaaaaaaaaaaaa", 16);
    peer_check(peer, first->status == 0);
    peer_check(peer, second->status == 0);
    peer_post_body(second, "a", 1);
    peer_expect_http(second, 503, NULL);
    peer_post_body(first, "aaaaaaaaaaaaaaaa", 16);
    peer_check(peer, first->status == 0);
    peer_abort(first);
    peer_check(peer, line->asks == 0 && line->abandoned == 0);
    peer_expect_held(peer_get(peer, query));
}

static void
ten_bytes(skio_server_options *options)
{
    options->max_http_buffer_size = 10;
}

SCENARIO(a_body_beyond_the_maximum_is_refused_here, ten_bytes, two_servers)
{
    struct line *line = peer->data;
    const char *query = far_session(peer);
    struct peer_http *post;

    peer_expect_http(peer_post_begin(peer, query, NULL, 11), 413, NULL);
    peer_expect_http(peer_post(peer, query, "4aaaaaaaaaa"), 413, NULL);
    peer_check(peer, line->asks == 0);
    post = peer_post(peer, query, "4aaaaaaaaa");
    arrive(peer);
    peer_expect_http(post, 200, "ok");
}

SCENARIO(what_arrives_opens_no_session_and_goes_no_further, NULL, two_servers)
{
    struct line *line = peer->data;
    const char *query = far_session(peer);
    struct peer_http *poll = peer_get(peer, query);

    snprintf(line->query, sizeof line->query, "EIO=4&transport=polling");
    arrive(peer);
    peer_expect_http(poll, 400, UNKNOWN);
    poll = peer_get(peer, query);
    /* Of a third server: it is not asked. */
    snprintf(line->query, sizeof line->query,
             "EIO=4&transport=polling&sid=aaaaaaaaaaaaaaaaaaaathirdTHI");
    arrive(peer);
    peer_expect_http(poll, 400, UNKNOWN);
    peer_check(peer, line->asks == 2);
    peer_expect_event(peer, "open");
    peer_expect_event(peer, NULL);
}

SCENARIO(a_forwarder_that_leaves_answers_all, NULL, two_servers)
{
    struct line *line = peer->data;
    skio_forwarder ops = forwarder(near_tag);
    const char *query = far_session(peer);
    struct peer_http *poll = peer_get(peer, query);

    peer_expect_held(poll);
    skio_forward_detach(peer->server);
    peer_expect_http(poll, 503, NULL);
    peer_check(peer, line->abandoned == 1);
    peer_expect_http(peer_get(peer, query), 400, UNKNOWN);
    peer_check(peer, skio_forward_attach(peer->server, &ops, line) == SKIO_OK);
    peer_expect_held(peer_get(peer, query));
    skio_transport_shutdown(peer->server);
    peer_check(peer, line->abandoned == 2);
}

SCENARIO(a_forwarder_is_whole_or_refused, NULL, peer_engine)
{
    skio_forwarder good = forwarder(near_tag);
    skio_forwarder bad[6];
    struct line line = {.peer = peer};
    skio_request request = {.method = "DELETE", .path = "", .query = ""};
    skio_exchange *out;

    for (size_t i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].ask = NULL;
    bad[1].respond = NULL;
    bad[2].tag = "seven77";
    bad[3].tag = "nine99999";
    bad[4].tag = "no spac ";
    bad[5].max_requests = 0;
    for (size_t i = 0; i < 6; i++)
        peer_check(peer, skio_forward_attach(peer->server, &bad[i], &line) ==
                             SKIO_EINVAL);
    peer_check(peer, skio_forward_take(peer->server, &request, NULL, 0, &line,
                                       &out) == SKIO_ECLOSED);
    peer_check(peer,
               skio_forward_attach(peer->server, &good, &line) == SKIO_OK);
    peer_check(peer,
               skio_forward_attach(peer->server, &good, &line) == SKIO_EBUSY);
    peer_check(peer, skio_forward_take(peer->server, &request, NULL, 0, &line,
                                       &out) == SKIO_EINVAL);
    skio_forward_detach(peer->server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_poll_of_another_server_is_passed_on),
        cmocka_unit_test(the_session_of_this_server_is_not_passed_on),
        cmocka_unit_test(an_id_without_a_tag_is_unknown),
        cmocka_unit_test(only_polls_and_posts_are_passed_on),
        cmocka_unit_test(a_client_that_goes_away_is_abandoned),
        cmocka_unit_test(what_cannot_be_passed_on_is_answered),
        cmocka_unit_test(limits_of_what_waits_are_kept),
        cmocka_unit_test(a_body_beyond_the_maximum_is_refused_here),
        cmocka_unit_test(what_arrives_opens_no_session_and_goes_no_further),
        cmocka_unit_test(a_forwarder_that_leaves_answers_all),
        cmocka_unit_test(a_forwarder_is_whole_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
