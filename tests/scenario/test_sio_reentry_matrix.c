/*
 * Every public call made from every callback: each pair on a server of its own
 */
#include "scenario/reentry_moments.h"

#include <stdlib.h>
#include <string.h>

#include "scenario/sio.h"
#include "threats/scale.h"

#define ACTS_MAX 3

static const struct reentry_moment *moment;
static const struct reentry_call *call;
static struct reentry reentry;
static bool is_armed;
static bool is_acting;
static unsigned acted; /* moments that came */
static unsigned pairs;
static unsigned lacking; /* of these, such as had no object for the call */

/* ---- The moment ---- */

void
reentry_at(struct reentry *r, skio_socket *socket, const skio_value *args,
           skio_session *session)
{
    if (!is_armed || is_acting || acted == ACTS_MAX)
        return;
    acted++;
    is_acting = true;
    r->peer->holds_turn = true;
    r->socket = socket != NULL ? socket : r->other;
    r->args = args != NULL ? args : r->value;
    r->session = session;
    if (session == NULL)
        r->session = skio_socket_session(r->socket);
    if (r->session == NULL)
        r->session = skio_socket_session(r->other);
    call->fn(r);
    if (!r->lacks)
        r->done++;
    r->lacks = false;
    r->peer->holds_turn = false;
    /* What is at hand outlives what was done. */
    reentry_text(r, skio_socket_id(r->socket));
    if (args != NULL)
        reentry_text(r, skio_get_json(args, ""));
    is_acting = false;
}

static void
at_op(struct reentry *r, const char *op, skio_socket *socket)
{
    if (moment->op != NULL && strcmp(moment->op, op) == 0)
        reentry_at(r, socket, NULL, NULL);
}

/* ---- The story ---- */

static void
options_of(skio_server_options *options)
{
    if (moment->options != NULL)
        moment->options(options);
    if (call->need == REENTRY_RESTORING)
        options->recovery_ms = 1000;
}

static void
give_back(struct peer *peer)
{
    (void)peer;
    is_armed = false;
    reentry_cleanup(&reentry);
}

static void
on_due(void *user)
{
    (void)user;
}

static void
set_up(struct peer *peer)
{
    struct reentry *r = &reentry;

    *r = (struct reentry){.peer = peer,
                          .server = peer->server,
                          .first = peer->server,
                          .ends = call->ends};
    reentry_now = r;
    peer->cleanup = give_back;
    is_armed = is_acting = false;
    acted = 0;
    if (moment->op != NULL ||
        (call->need >= REENTRY_ADAPTER && call->need <= REENTRY_RESTORING))
        peer_check(peer, reentry_adapter(r, at_op) == SKIO_OK);
    r->root = skio_of(peer->server, "/");
    r->timer = skio_timer_new(peer->server, on_due, NULL);
}

static struct peer_ws *
come(struct peer *peer)
{
    bool is_foreign = strstr(moment->name, "cors_origin") != NULL;

    return peer_ws_request(peer, "EIO=4&transport=websocket",
                           is_foreign
                               ? "origin: https://a.example\nhost: b.example\n"
                               : "host: b.example\ncookie: c=1\n");
}

static void
say(struct peer_ws *ws, const char *text)
{
    if (ws->ws != NULL)
        peer_say(ws, text);
    peer_flush(ws->peer);
}

static void
poll_a_while(struct peer *peer)
{
    struct peer_http *opened = peer_get(peer, "EIO=4&transport=polling");
    char query[128];

    if (opened->status != 200)
        return;
    snprintf(query, sizeof query, "EIO=4&transport=polling&sid=%s",
             peer_sid(opened->body.data));
    (void)peer_post(peer, query, "40");
    (void)peer_get(peer, query);
    (void)peer_post(peer, query, "41");
}

static void
usual_story(struct peer *peer)
{
    skio_nsp *root = reentry.root;
    struct peer_ws *one = come(peer);
    struct peer_ws *two = come(peer);

    say(one, "40");
    say(two, "40");
    say(one, "40/made,");
    say(one, "420[\"e\",1]");
    say(two, "42[\"e\",2]");
    (void)skio_of(peer->server, "/fresh");
    (void)skio_sockets_join(root, NULL, "s");
    (void)skio_emit_all(root, "out", "%d", 1);
    (void)skio_emit_with(root, SKIO_TARGET(.to = SKIO_ROOMS("r", "s")), "out",
                         NULL);
    peer_flush(peer);
    poll_a_while(peer);
    (void)peer_get(peer, "EIO=9&transport=polling");
    (void)skio_sockets_leave(root, NULL, "s");
    say(one, "41/made,");
    say(one, "41");
    if (two->ws != NULL)
        peer_hang_up(two, true);
    if (one->ws != NULL)
        peer_hang_up(one, false);
    peer_flush(peer);
}

/* Whoever comes next is served, unless the server was ended. */
static void
next_is_served(struct peer *peer)
{
    size_t before = skio_nsp_count(reentry.root);

    say(come(peer), "40");
    peer_check(peer, skio_nsp_count(reentry.root) == before + 1);
}

static bool
keep_socket(skio_socket *socket, void *user)
{
    ((struct reentry *)user)->other = skio_socket_ref(socket);
    return false;
}

static void
story(struct peer *peer)
{
    struct reentry *r = &reentry;
    skio_nsp *parent = NULL;

    if (strcmp(moment->name, "skio_match_fn") != 0)
        parent = skio_of_pattern(peer->server, "/mad?");
    r->ws = come(peer);
    say(r->ws, "40");
    (void)skio_each_socket(r->root, keep_socket, r);
    peer_check(peer, r->other != NULL && skio_join(r->other, "r") == SKIO_OK);
    reentry_prepare(r, call->need);
    if (moment->watch != NULL)
        moment->watch(r, r->root);
    if (moment->watch != NULL && parent != NULL)
        moment->watch(r, parent);
    peer_flush(peer);

    is_armed = true;
    if (moment->trigger != NULL)
        moment->trigger(r);
    peer_flush(peer);
    if (moment->trigger == NULL || acted == 0)
        usual_story(peer);
    is_armed = false;
    if (acted == 0)
        peer_note(peer, "%s did not come", moment->name);
    lacking += r->done == 0;
    if (r->odd > 0)
        peer_note(peer, "%s gave an odd result", call->name);
    peer_expect_event(peer, NULL);
    peer_wait(peer, 1100);
    if (!call->ends && strcmp(moment->name, "skio_drain_fn") != 0 &&
        strcmp(moment->name, "skio_adapter_ops.shutdown") != 0)
        next_is_served(peer);
}

static const struct peer_plan plan = {options_of, set_up, story};

/* ---- The matrix ---- */

static bool
is_wanted(const char *variable, const char *name)
{
    const char *only = getenv(variable);

    return only == NULL || strcmp(only, name) == 0;
}

/* Pairs that cannot be: the callback is the memory adapter's alone, or it is
 * told what the call holds back. */
static bool
is_possible(void)
{
    bool has_adapter = moment->op != NULL || (call->need >= REENTRY_ADAPTER &&
                                              call->need <= REENTRY_RESTORING);

    bool has_forwarder =
        call->need == REENTRY_FORWARDER || call->need == REENTRY_FORWARDED;

    if (strcmp(moment->name, "skio_expired_fn") == 0)
        return !has_adapter;
    if (strncmp(moment->name, "skio_forwarder.", 15) == 0)
        return !has_forwarder;
    return strcmp(moment->name, "skio_responses_fn") != 0 ||
           call->need != REENTRY_RESPONSES;
}

/* Where all takes fifty times as long, a diagonal of the table: each call at
 * every eighth moment, so that every moment has its calls, too. */
static bool
is_left_out(long row, long column)
{
    return scale_is_valgrind() && (row + column) % 8 != 0;
}

static void
run_moments(const struct reentry_moment *moments,
            const struct reentry_call *table)
{
    for (moment = moments; moment->name != NULL; moment++) {
        for (call = table; call->name != NULL; call++) {
            if ((moment->only_looks && !call->only_looks) || !is_possible() ||
                !is_wanted("SKIO_MOMENT", moment->name) ||
                !is_wanted("SKIO_CALL", call->name) ||
                is_left_out(moment - moments, call - table))
                continue;
            if (getenv("SKIO_SHOW") != NULL)
                print_message("%s: %s\n", moment->name, call->name);
            peer_run_once(&plan);
            pairs++;
        }
    }
}

static void
run_table(const struct reentry_call *table)
{
    run_moments(reentry_handler_moments, table);
    run_moments(reentry_other_moments, table);
    /* Where nobody is left, or what is needed was ended before. */
    assert_true(lacking * 50 <= pairs || getenv("SKIO_CALL") != NULL ||
                getenv("SKIO_MOMENT") != NULL);
}

static void
sockets_from_every_callback(void **state)
{
    (void)state;
    run_table(reentry_socket_calls);
}

static void
servers_from_every_callback(void **state)
{
    (void)state;
    run_table(reentry_server_calls);
}

static void
adapters_from_every_callback(void **state)
{
    (void)state;
    run_table(reentry_adapter_calls);
}

static void
transports_from_every_callback(void **state)
{
    (void)state;
    run_table(reentry_transport_calls);
}

static void
addons_from_every_callback(void **state)
{
    (void)state;
    run_table(reentry_addon_calls);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_from_every_callback),
        cmocka_unit_test(servers_from_every_callback),
        cmocka_unit_test(adapters_from_every_callback),
        cmocka_unit_test(transports_from_every_callback),
        cmocka_unit_test(addons_from_every_callback),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    print_message("# %u pairs, %u without an object for the call\n", pairs,
                  lacking);
    return failed;
}
