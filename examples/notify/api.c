#include "api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draft.h"

/* A job and the request that waits for it. */
struct call {
    struct api *api;
    skio_http *request;
};

/*
 * Answers
 */

/* Without memory for the words the number has to do. */
static void
refuse(skio_http *request, int status, const char *why)
{
    if (skio_http_reply(request, status, "{'error':%s}", why) == SKIO_ENOMEM)
        (void)skio_http_reply_bytes(request, status, "text/plain", "", 0);
}

static void
refuse_for_now(skio_http *request, int status, unsigned seconds,
               const char *why)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%u", seconds);
    (void)skio_http_set_header(request, "Retry-After", text);
    refuse(request, status, why);
}

static void
refuse_outcome(skio_http *request, enum outcome outcome, const char *none)
{
    if (outcome == OUTCOME_NONE)
        refuse(request, 404, none);
    else if (outcome == OUTCOME_CONFLICT)
        refuse(request, 422, "the Idempotency-Key belongs to another body");
    else if (outcome == OUTCOME_FULL)
        refuse(request, 507, "there are too many users");
    else
        refuse_for_now(request, 503, 1, "it could not be kept, nothing was");
}

/* Who asks; NULL when that is answered already. */
static struct key *
admit(struct api *api, skio_http *request, bool is_post)
{
    struct key *key = keys_find(&api->keys, request);
    unsigned seconds;

    if (key == NULL) {
        (void)skio_http_set_header(request, "WWW-Authenticate", "Bearer");
        refuse(request, 401, "an API key is expected");
        return NULL;
    }
    seconds = keys_wait(&api->keys, key, is_post);
    if (seconds > 0) {
        refuse_for_now(request, 429, seconds, "too fast");
        return NULL;
    }
    return key;
}

/* Give the job to the writer, or answer that this cannot be. */
static void
submit(struct api *api, skio_http *request, struct job *job)
{
    struct call *call = malloc(sizeof *call);

    if (call != NULL) {
        job->owner = call;
        *call = (struct call){.api = api, .request = request};
        if (writer_submit(api->deliver->writer, job)) {
            (void)skio_http_take(request);
            return;
        }
    }
    free(call);
    job_free(job);
    refuse_for_now(request, 503, 1, "too much to do");
}

/*
 * POST /api/notify
 */

static void
done_post(struct job *job)
{
    struct call *call = job->owner;

    if (job->outcome == OUTCOME_OK) {
        deliver_new(call->api->deliver, job->posted.users,
                    job->posted.users_count, job->notices);
        if (skio_http_reply(call->request, 202,
                            "{'id':%" PRId64 ",'readers':%" PRId64 "}",
                            job->posted.id, job->posted.readers) == SKIO_ENOMEM)
            refuse(call->request, 503, "no memory");
    } else {
        refuse_outcome(call->request, job->outcome, "nobody is there");
    }
    free(call);
    job_free(job);
}

static bool
is_visible(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < '!' || *text > '~')
            return false;
    return true;
}

/* Returns NULL, or what is wrong with the request. */
static const char *
read_post(struct draft *draft, skio_http *request, const struct key *key)
{
    const char *idempotency = skio_http_header(request, "idempotency-key");
    skio_bytes body = skio_http_body(request);
    const char *why =
        draft_read(draft, skio_http_json(request), wall_clock_ms());

    if (why != NULL)
        return why;
    if (idempotency != NULL &&
        (*idempotency == '\0' || strlen(idempotency) > KEY_BYTES ||
         !is_visible(idempotency)))
        return "Idempotency-Key: 1 to 128 visible characters of ASCII";
    if (idempotency != NULL)
        (void)snprintf(draft->key, sizeof draft->key, "%s", idempotency);
    memcpy(draft->caller, key->hash, sizeof draft->caller);
    hash_of(draft->hash, body.data, body.len);
    return NULL;
}

static void
on_post(skio_http *request, void *arg)
{
    struct api *api = arg;
    const struct key *key = admit(api, request, true);
    struct job *job;
    const char *why;

    if (key == NULL)
        return;
    if (skio_server_is_draining(api->server)) {
        refuse_for_now(request, 503, 5, "this server ends");
        return;
    }
    job = job_new(JOB_POST, done_post, NULL);
    if (job != NULL)
        job->draft = calloc(1, sizeof *job->draft);
    if (job == NULL || job->draft == NULL) {
        job_free(job);
        refuse_for_now(request, 503, 1, "no memory");
        return;
    }
    why = read_post(job->draft, request, key);
    if (why == NULL) {
        submit(api, request, job);
    } else {
        job_free(job);
        refuse(request, 400, why);
    }
}

/*
 * GET /api/notify/ID
 */

static void
done_status(struct job *job)
{
    struct call *call = job->owner;
    const struct status *status = &job->status;

    (void)skio_http_set_header(call->request, "Cache-Control", "no-store");
    if (job->outcome != OUTCOME_OK)
        refuse_outcome(call->request, job->outcome, "no such notification");
    else if (skio_http_reply(call->request, 200,
                             "{'id':%" PRId64
                             ",'to':%s,'status':%s,'at':%" PRId64
                             ",'expires':%" PRId64 ",'queued':%" PRId64
                             ",'delivered':%" PRId64 ",'expired':%" PRId64
                             ",'dropped':%" PRId64 "}",
                             status->id, status->target, status_word(status),
                             status->created, status->expires, status->queued,
                             status->delivered, status->expired,
                             status->dropped) == SKIO_ENOMEM)
        refuse(call->request, 503, "no memory");
    free(call);
    job_free(job);
}

static void
on_get(skio_http *request, void *arg)
{
    struct api *api = arg;
    const char *text = skio_http_path(request) + strlen("/api/notify/");
    struct job *job;
    char *end;
    long long id;

    if (admit(api, request, false) == NULL)
        return;
    errno = 0;
    id = strtoll(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || id < 1) {
        refuse(request, 404, "no such notification");
        return;
    }
    job = job_new(JOB_STATUS, done_status, NULL);
    if (job == NULL) {
        refuse_for_now(request, 503, 1, "no memory");
        return;
    }
    job->id = id;
    submit(api, request, job);
}

int
api_start(struct api *api, skio_server *server, struct deliver *deliver)
{
    int err;

    api->server = server;
    api->deliver = deliver;
    err = skio_http_on(server, "POST", "/api/notify", on_post, api);
    if (err == SKIO_OK)
        err = skio_http_on(server, "GET", "/api/notify/*", on_get, api);
    return err;
}
