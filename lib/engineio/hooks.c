#include "engineio/hooks.h"

#include <string.h>

#include "base/mem.h"
#include "engineio/request.h"
#include "engineio/session.h"

/* The engine's hooks, made on first use; NULL: no memory. */
static struct eio_hooks *
hooks_of(struct eio_engine *engine)
{
    if (engine->hooked == NULL)
        engine->hooked =
            skio__mem_calloc(engine->mem, 1, sizeof *engine->hooked);
    return engine->hooked;
}

static int
add(struct eio_engine *engine, struct eio_hook_list *list, eio_any_function *fn,
    void *user)
{
    if (list->count == list->cap) {
        uint32_t cap = list->cap + 4;
        struct eio_hook *items =
            skio__mem_array(engine->mem, list->items, cap, sizeof *list->items);

        if (items == NULL)
            return SKIO_ENOMEM;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count].fn = fn;
    list->items[list->count].user = user;
    list->count++;
    return SKIO_OK;
}

void
skio__hooks_deinit(struct eio_engine *engine)
{
    struct eio_hooks *hooks = engine->hooked;

    if (hooks == NULL)
        return;
    skio__mem_free(engine->mem, hooks->middlewares.items);
    skio__mem_free(engine->mem, hooks->initial_headers.items);
    skio__mem_free(engine->mem, hooks->headers.items);
    skio__mem_free(engine->mem, hooks->connection_error.items);
    skio__mem_free(engine->mem, hooks);
    engine->hooked = NULL;
}

/* ---- Visits ---- */

struct eio_visit *
skio__visit_new(const struct eio_engine *engine, const skio_request *request,
                bool is_handshake)
{
    struct eio_visit *visit = skio__mem_calloc(engine->mem, 1, sizeof *visit);

    if (visit == NULL)
        return NULL;
    visit->mem = engine->mem;
    visit->refs = 1;
    visit->is_handshake = is_handshake;
    skio__headers_init(&visit->headers, engine->options, engine->mem);
    visit->request =
        skio__request_new(engine->mem, request,
                          engine->options->latest_headers && is_handshake);
    if (visit->request == NULL) {
        skio__mem_free(engine->mem, visit);
        return NULL;
    }
    return visit;
}

struct eio_visit *
skio__visit_ref(struct eio_visit *visit)
{
    if (visit != NULL)
        visit->refs++;
    return visit;
}

void
skio__visit_unref(struct eio_visit *visit)
{
    if (visit == NULL || --visit->refs > 0)
        return;
    skio__headers_deinit(&visit->headers);
    skio__request_unref(visit->request);
    skio__mem_free(visit->mem, visit);
}

static void
run_headers(const struct eio_hook_list *list, struct eio_visit *visit)
{
    uint32_t count = list->count;
    uint32_t i;

    for (i = 0; i < count; i++) {
        skio_headers_fn *fn = (skio_headers_fn *)list->items[i].fn;

        fn(&visit->headers, visit->request, list->items[i].user);
    }
}

void
skio__visit_headers(struct eio_engine *engine, struct eio_visit *visit)
{
    if (visit->is_handshake)
        run_headers(&engine->hooked->initial_headers, visit);
    run_headers(&engine->hooked->headers, visit);
}

/* Returns what is wrong about an id, or NULL. */
static const char *
judge_id(const struct eio_engine *engine, const char *id)
{
    static const char marks[] = "-_.~";
    const char *end = memchr(id, '\0', EIO_ID_MAX + 1);
    const char *pos;

    if (end == NULL)
        return "too long";
    if (end == id)
        return "empty";
    for (pos = id; pos < end; pos++) {
        if (!((*pos >= 'a' && *pos <= 'z') || (*pos >= 'A' && *pos <= 'Z') ||
              (*pos >= '0' && *pos <= '9') || strchr(marks, *pos) != NULL))
            return "malformed";
    }
    return skio__session_find(engine, id, (size_t)(end - id)) != NULL
               ? "another session's"
               : NULL;
}

int
skio__hooks_generate_id(struct eio_engine *engine,
                        const struct eio_visit *visit, char id[EIO_ID_MAX + 1])
{
    struct eio_hook hook;
    const char *wrong;
    int err;

    id[0] = '\0';
    if (visit == NULL || engine->hooked->generate_id.fn == NULL)
        return SKIO_OK;
    hook = engine->hooked->generate_id;
    err = ((skio_generate_id_fn *)hook.fn)(visit->request, id, hook.user);
    wrong = err != SKIO_OK ? skio_strerror(err) : judge_id(engine, id);
    if (wrong == NULL)
        return SKIO_OK;
    skio__log(&engine->log, SKIO_LOG_WARN,
              "the id for a session was not made: %s", wrong);
    return SKIO_EINVAL;
}

void
skio__hooks_refused(struct eio_engine *engine,
                    const skio_connection_error *error)
{
    const struct eio_hook_list *list = &engine->hooked->connection_error;
    uint32_t count = list->count;
    uint32_t i;

    for (i = 0; i < count; i++) {
        skio_connection_error_fn *fn =
            (skio_connection_error_fn *)list->items[i].fn;

        fn(error, list->items[i].user);
    }
}

/* ---- Registering ---- */

int
skio_allow_request(skio_server *server, skio_verdict_fn *fn, void *user)
{
    struct eio_hooks *hooks = hooks_of(skio__server_engine(server));

    if (hooks == NULL)
        return SKIO_ENOMEM;
    hooks->allow_request.fn = (eio_any_function *)fn;
    hooks->allow_request.user = user;
    return SKIO_OK;
}

int
skio_generate_id(skio_server *server, skio_generate_id_fn *fn, void *user)
{
    struct eio_hooks *hooks = hooks_of(skio__server_engine(server));

    if (hooks == NULL)
        return SKIO_ENOMEM;
    hooks->generate_id.fn = (eio_any_function *)fn;
    hooks->generate_id.user = user;
    return SKIO_OK;
}

int
skio_engine_use(skio_server *server, skio_verdict_fn *fn, void *user)
{
    struct eio_engine *engine = skio__server_engine(server);
    struct eio_hooks *hooks = hooks_of(engine);

    return hooks != NULL
               ? add(engine, &hooks->middlewares, (eio_any_function *)fn, user)
               : SKIO_ENOMEM;
}

int
skio_on_headers(skio_server *server, skio_headers_fn *fn, void *user)
{
    struct eio_engine *engine = skio__server_engine(server);
    struct eio_hooks *hooks = hooks_of(engine);

    return hooks != NULL
               ? add(engine, &hooks->headers, (eio_any_function *)fn, user)
               : SKIO_ENOMEM;
}

int
skio_on_initial_headers(skio_server *server, skio_headers_fn *fn, void *user)
{
    struct eio_engine *engine = skio__server_engine(server);
    struct eio_hooks *hooks = hooks_of(engine);

    return hooks != NULL ? add(engine, &hooks->initial_headers,
                               (eio_any_function *)fn, user)
                         : SKIO_ENOMEM;
}

int
skio_on_connection_error(skio_server *server, skio_connection_error_fn *fn,
                         void *user)
{
    struct eio_engine *engine = skio__server_engine(server);
    struct eio_hooks *hooks = hooks_of(engine);

    return hooks != NULL ? add(engine, &hooks->connection_error,
                               (eio_any_function *)fn, user)
                         : SKIO_ENOMEM;
}
