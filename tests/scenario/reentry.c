#include "scenario/reentry.h"

#include <string.h>

#include "scenario/sio.h"

#define RESTORED "01234567890123456789"

void
reentry_result(struct reentry *r, long result)
{
    if (result < SKIO_ETHREAD)
        r->odd++;
}

void
reentry_text(struct reentry *r, const char *text)
{
    if (text != NULL && strlen(text) > 10000)
        r->odd++;
}

void
reentry_answers(int err, const skio_value *args, size_t received,
                size_t expected, void *user)
{
    (void)args;
    (void)received;
    (void)expected;
    reentry_result(user, err);
}

/* ---- Those that wait for a word ---- */

static void
keep_ack(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    struct reentry *r = user;

    (void)socket;
    (void)args;
    if (r->ack == NULL)
        r->ack = skio_ack_take(ack);
}

static void
keep_next(skio_socket *socket, skio_next *next, void *user)
{
    struct reentry *r = user;

    (void)socket;
    if (r->next == NULL)
        r->next = next;
    else
        reentry_result(r, skio_next_ok(next));
}

static void
keep_match(skio_match *match, const char *name, const skio_value *auth,
           void *user)
{
    struct reentry *r = user;

    (void)auth;
    if (r->match == NULL && strcmp(name, "/late") == 0)
        r->match = match;
    else
        reentry_result(r, skio_match_refuse(match));
}

static void
keep_verdict(skio_verdict *verdict, void *user)
{
    ((struct reentry *)user)->verdict = verdict;
}

static void
keep_server_ack(skio_nsp *nsp, const skio_value *args, skio_server_ack *ack,
                void *user)
{
    struct reentry *r = user;

    (void)nsp;
    (void)args;
    if (r->server_ack == NULL)
        r->server_ack = skio_server_ack_take(ack);
}

static void
on_responses(int err, const skio_value *responses, size_t missing, void *user)
{
    (void)missing;
    reentry_text(user, skio_get_json(responses, ""));
    reentry_result(user, err);
}

static int
keep_forwarded(skio_exchange *exchange, const char *tag,
               const skio_request *request, const void *body, size_t len,
               void **name, void *user)
{
    struct reentry *r = user;

    (void)tag;
    (void)request;
    (void)body;
    (void)len;
    if (r->forwarded != NULL)
        return SKIO_ECLOSED;
    r->forwarded = exchange;
    *name = r;
    return SKIO_OK;
}

static void
forget_forwarded(skio_exchange *exchange, void *name, void *user)
{
    (void)exchange;
    (void)name;
    ((struct reentry *)user)->forwarded = NULL;
}

static void
forget_answer(void *handle, const skio_response *response)
{
    (void)handle;
    (void)response;
}

static void
forward(struct reentry *r)
{
    const skio_forwarder forwarder = {
        .struct_size = sizeof forwarder,
        .tag = "nearNEAR",
        .max_requests = 3,
        .max_bytes = 100,
        .ask = keep_forwarded,
        .abandon = forget_forwarded,
        .respond = forget_answer,
    };

    reentry_result(r, skio_forward_attach(r->server, &forwarder, r));
}

/* ---- What a call needs ---- */

static void
ask_request(struct reentry *r)
{
    (void)skio_allow_request(r->server, keep_verdict, r);
    (void)peer_get(r->peer, "EIO=4&transport=polling");
    (void)skio_allow_request(r->server, NULL, NULL);
}

static void
ask_server(struct reentry *r)
{
    const skio_server_asker asker = {.server = "a", .request = "1"};

    (void)skio_on_server_event(r->root, "question", keep_server_ack, r);
    reentry_result(r, skio_adapter_server_event(r->root, "[\"question\"]", 12,
                                                NULL, 0, &asker));
}

static void
come_back(struct reentry *r)
{
    struct peer_ws *ws =
        peer_ws_request(r->peer, "EIO=4&transport=websocket", NULL);

    peer_say(ws, "40{\"pid\":\"" RESTORED "\",\"offset\":\"1-0\"}");
}

void
reentry_prepare(struct reentry *r, enum reentry_need need)
{
    r->value = skio_value_new(r->server, "[\"a\",{\"b\":[2]}]", 15);
    r->message = skio_message_new(r->root, "x", "%d", 1);
    r->args = r->value;
    r->holds = need;
    switch (need) {
    case REENTRY_ACK:
        (void)skio_on(r->root, "question", keep_ack, r);
        peer_say(r->ws, "421[\"question\"]");
        break;
    case REENTRY_NEXT:
        (void)skio_use(skio_of(r->server, "/slow"), keep_next, r);
        peer_say(r->ws, "40/slow,");
        break;
    case REENTRY_MATCH:
        (void)skio_of_match(r->server, keep_match, r);
        peer_say(r->ws, "40/late,");
        break;
    case REENTRY_VERDICT:
        ask_request(r);
        break;
    case REENTRY_SERVER_ACK:
        ask_server(r);
        break;
    case REENTRY_ASKING:
        reentry_result(r, skio_emit_with_acks(r->root,
                                              SKIO_TARGET(.timeout_ms = 1000),
                                              reentry_answers, r, "x", NULL));
        break;
    case REENTRY_RESPONSES:
        reentry_result(r, skio_server_side_emit_with_ack(r->root, on_responses,
                                                         r, "x", NULL));
        break;
    case REENTRY_RESTORING:
        come_back(r);
        break;
    case REENTRY_FORWARDED:
        forward(r);
        (void)peer_get(r->peer, "EIO=4&transport=polling"
                                "&sid=01234567890123456789farrFARR");
        break;
    case REENTRY_FORWARDER:
        forward(r);
        break;
    case REENTRY_NOTHING:
    case REENTRY_ADAPTER:
        break;
    }
}

void
reentry_cleanup(struct reentry *r)
{
    skio_value_free(r->value);
    skio_message_free(r->message);
    skio_timer_free(r->timer);
    skio_ack_free(r->ack);
    skio_server_ack_free(r->server_ack);
    if (r->next != NULL)
        reentry_result(r, skio_next_ok(r->next));
    if (r->match != NULL)
        reentry_result(r, skio_match_refuse(r->match));
    if (r->verdict != NULL)
        reentry_result(r, skio_verdict_accept(r->verdict));
    skio_forward_detach(r->server);
    skio_socket_unref(r->other);
}
