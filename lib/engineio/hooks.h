/*
 * What the application has hooked into the engine, <socketio/request.h>
 *
 * engine->hooked is NULL until something is: a server without hooks pays one
 * branch a request. Lists only grow, also while they run.
 */
#ifndef SKIO_ENGINEIO_HOOKS_H
#define SKIO_ENGINEIO_HOOKS_H

#include <socketio/request.h>

#include "engineio/engine.h"
#include "engineio/headers.h"

typedef void eio_any_function(void); /* cast back before the call */

struct eio_hook {
    eio_any_function *fn; /* NULL: none */
    void *user;
};

struct eio_hook_list {
    struct eio_hook *items;
    uint32_t count;
    uint32_t cap;
};

struct eio_hooks {
    struct eio_hook_list middlewares;
    struct eio_hook_list initial_headers;
    struct eio_hook_list headers;
    struct eio_hook_list connection_error;
    struct eio_hook allow_request;
    struct eio_hook generate_id;
};

/* A request that hooks may see, shared by whoever answers it. */
struct eio_visit {
    const skio_allocator *mem;
    struct skio_engine_request *request;
    skio_headers headers; /* of the response */
    uint32_t refs;
    bool is_handshake; /* it has no sid */
};

void skio__hooks_deinit(struct eio_engine *engine);

/* One reference; NULL when memory is out. */
struct eio_visit *skio__visit_new(const struct eio_engine *engine,
                                  const skio_request *request,
                                  bool is_handshake);
struct eio_visit *skio__visit_ref(struct eio_visit *visit); /* NULL: NULL */
void skio__visit_unref(struct eio_visit *visit);

/* Ask for the headers of a response that carries a session. */
void skio__visit_headers(struct eio_engine *engine, struct eio_visit *visit);

/* An id of the host's making, "" when it makes none. Returns SKIO_OK, or
 * SKIO_EINVAL when it failed to. */
int skio__hooks_generate_id(struct eio_engine *engine,
                            const struct eio_visit *visit,
                            char id[EIO_ID_MAX + 1]);

/* Tell of a refused request. */
void skio__hooks_refused(struct eio_engine *engine,
                         const skio_connection_error *error);

#endif /* SKIO_ENGINEIO_HOOKS_H */
