#include "socketio/dynamic.h"

#include <fnmatch.h>
#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "socketio/socket.h"
#include "socketio/taps.h"

/* A parent is a namespace that no client can name: "/_0", as in Node, is not
 * in the server's map. */
static skio_nsp *
parent_new(skio_server *server, skio_match_fn *fn, void *user,
           const char *pattern)
{
    const skio_allocator *mem = skio__server_mem(server);
    size_t len = strlen(pattern);
    struct sio_matcher *matcher;
    skio_nsp **link = &server->parents;
    skio_nsp *parent;

    matcher = skio__mem_calloc(mem, 1, sizeof *matcher + len + 1);
    parent = skio__mem_calloc(mem, 1, sizeof *parent + sizeof "/_");
    if (matcher == NULL || parent == NULL) {
        skio__mem_free(mem, matcher);
        skio__mem_free(mem, parent);
        return NULL;
    }

    matcher->fn = fn;
    matcher->user = user;
    memcpy(matcher->pattern, pattern, len);
    parent->server = server;
    parent->matcher = matcher;
    memcpy(parent->name, "/_", 2);
    parent->name_len = 2;
    skio__map_init(&parent->sockets, mem, server->hash_key);
    skio__events_init(&parent->events, mem, server->hash_key);
    skio__events_init(&parent->server_events, mem, server->hash_key);

    while (*link != NULL)
        link = &(*link)->matcher->next;
    *link = parent;
    server->parent_count++;
    return parent;
}

skio_nsp *
skio_of_match(skio_server *server, skio_match_fn *fn, void *user)
{
    return parent_new(server, fn, user, "");
}

skio_nsp *
skio_of_pattern(skio_server *server, const char *pattern)
{
    if (pattern[0] != '/')
        return NULL;
    return parent_new(server, NULL, NULL, pattern);
}

skio_nsp *
skio_nsp_parent(const skio_nsp *nsp)
{
    return nsp->parent;
}

const char *
skio_nsp_pattern(const skio_nsp *nsp)
{
    return nsp->matcher != NULL ? nsp->matcher->pattern : NULL;
}

/* ---- Asking ---- */

static bool
matches(const struct sio_matcher *matcher, const char *name)
{
    return matcher->fn == NULL &&
           fnmatch(matcher->pattern, name, FNM_PATHNAME | FNM_NOESCAPE) == 0;
}

skio_nsp *
skio__dynamic_parent(const skio_server *server, const char *name)
{
    skio_nsp *parent = server->parents;

    while (parent != NULL && !matches(parent->matcher, name))
        parent = parent->matcher->next;
    return parent;
}

static void
match_free(skio_match *match)
{
    struct sio_home *home = match->home;

    skio_value_free(match->auth);
    skio__mem_free(&home->mem, match);
    skio__home_unref(home);
}

/* No longer the client's. */
static void
unlink_match(skio_match *match)
{
    skio_match **link;

    if (match->client == NULL)
        return;
    for (link = &match->client->matches; *link != match;)
        link = &(*link)->next;
    *link = match->next;
    match->client->socket_count--;
}

/* The namespace may be made, or an earlier verdict has made it meanwhile. */
static int
accept(skio_match *match)
{
    skio_server *server = match->server;
    struct sio_client *client = match->client;
    skio_nsp *nsp = skio__nsp_find(server, match->name, match->name_len);

    if (nsp == NULL) {
        if (server->dynamic_count >= server->options.max_dynamic_namespaces) {
            skio__limit_hit(&server->engine, EIO_LIMIT_max_dynamic_namespaces);
            unlink_match(match);
            skio__client_refuse(client, match->name, match->name_len,
                                "{\"message\":\"Too many namespaces\"}");
            return SKIO_ELIMIT;
        }
        nsp =
            skio__nsp_new(server, match->name, match->name_len, match->parent);
        if (nsp == NULL && match->client != NULL) {
            unlink_match(match);
            skio__session_close(client->session, SKIO_DISCONNECT_FORCED_CLOSE,
                                true);
        }
        if (nsp == NULL)
            return SKIO_ENOMEM;
        /* Who was told of the namespace may have closed the connection. */
        if (match->client == NULL) {
            skio__dynamic_left(nsp);
            return SKIO_ECLOSED;
        }
    }
    unlink_match(match);

    const char *auth = NULL;
    size_t len = 0;

    if (match->auth != NULL)
        skio__value_raw(match->auth, &auth, &len);
    skio__client_join(client, nsp, auth, len);
    skio__dynamic_left(nsp); /* if nobody came after all */
    return SKIO_OK;
}

/* Ask from match->parent on. The match is used up, or the application's. */
static int
ask(skio_match *match)
{
    int err;

    for (; match->parent != NULL;
         match->parent = match->parent->matcher->next) {
        struct sio_matcher *matcher = match->parent->matcher;

        match->verdict = 0;
        if (matcher->fn == NULL) {
            match->verdict = matches(matcher, match->name) ? 1 : -1;
        } else {
            match->is_running = true;
            matcher->fn(match, match->name, match->auth, matcher->user);
            match->is_running = false;
        }

        if (match->verdict == 0)
            return SKIO_OK; /* it comes later */
        if (match->client == NULL || match->verdict > 0)
            break;
    }

    if (match->client == NULL) {
        err = SKIO_ECLOSED;
    } else if (match->verdict > 0) {
        err = accept(match);
    } else {
        struct sio_client *client = match->client;

        unlink_match(match);
        skio__client_refuse(client, match->name, match->name_len,
                            "{\"message\":\"Invalid namespace\"}");
        err = SKIO_OK;
    }
    match_free(match);
    return err;
}

void
skio__dynamic_ask(struct sio_client *client, const struct sio_packet *packet)
{
    skio_server *server = skio__client_server(client);
    const skio_allocator *mem = skio__server_mem(server);
    skio_match *match;

    match = skio__mem_calloc(mem, 1, sizeof *match + packet->nsp_len + 1);
    if (match == NULL)
        goto nomem;
    memcpy(match->name, packet->nsp, packet->nsp_len);
    match->name_len = packet->nsp_len;
    match->home = skio__home_ref(server->home);
    match->server = server;
    /* Parsers of one's own may take any name: this one is nobody's. */
    match->parent = match->name[0] == '/' ? server->parents : NULL;
    match->auth =
        skio__value_copy(mem, packet->json != NULL ? packet->json : "{}",
                         packet->json != NULL ? packet->json_len : 2,
                         server->options.max_json_depth);
    if (match->auth == NULL) {
        match_free(match);
        goto nomem;
    }

    match->client = client;
    match->next = client->matches;
    client->matches = match;
    client->socket_count++;
    (void)ask(match); /* the client has been told, or will be */
    return;

nomem:
    skio__session_close(client->session, SKIO_DISCONNECT_FORCED_CLOSE, true);
}

void
skio__dynamic_forget(struct sio_client *client)
{
    while (client->matches != NULL) {
        skio_match *match = client->matches;

        client->matches = match->next;
        match->client = NULL;
    }
}

static int
decide(skio_match *match, int verdict)
{
    struct eio_engine *engine;
    int err;

    if (match->is_running) {
        if (match->verdict != 0)
            return SKIO_EBUSY;
        match->verdict = verdict;
        return match->client != NULL ? SKIO_OK : SKIO_ECLOSED;
    }
    if (match->client == NULL) {
        match_free(match);
        return SKIO_ECLOSED;
    }

    engine = &match->server->engine;
    skio__engine_enter(engine);
    if (verdict > 0) {
        err = accept(match);
        match_free(match);
    } else {
        match->parent = match->parent->matcher->next;
        match->verdict = -1;
        err = ask(match);
    }
    skio__engine_leave(engine);
    return err;
}

int
skio_match_accept(skio_match *match)
{
    return decide(match, 1);
}

int
skio_match_refuse(skio_match *match)
{
    return decide(match, -1);
}

/* ---- Clean-up ---- */

void
skio__dynamic_left(skio_nsp *nsp)
{
    if (nsp->parent != NULL && nsp->refs == 0)
        nsp->server->has_empty = true;
}

void
skio__dynamic_sweep(skio_server *server)
{
    struct skio__map_node *node;
    struct skio__map_node *after;

    if (!server->has_empty || !server->options.cleanup_empty_namespaces)
        return;

    server->has_empty = false;
    SKIO__MAP_EACH(&server->namespaces, node, after) {
        skio_nsp *nsp = skio__container_of(node, skio_nsp, node);

        if (nsp->parent == NULL || nsp->refs > 0)
            continue;
        skio__map_remove(&server->namespaces, node);
        server->dynamic_count--;
        SIO_TAP(server, end, nsp);
        skio__nsp_free(nsp);
    }
}
