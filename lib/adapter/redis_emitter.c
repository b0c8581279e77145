/*
 * Emitting without a server: <socketio/emitter.h>
 *
 * An emission is made into a command, and the command is called: all there is
 * between two calls is the connection and the buffers.
 */
#include <socketio/emitter.h>

#include <string.h>

#include "adapter/redis_call.h"
#include "adapter/redis_emission.h"
#include "adapter/redis_options.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sized.h"

struct skio_emitter {
    skio_allocator mem;
    skio_emitter_options options; /* its strings are those of redis */
    skio_redis_options redis;
    char *stream; /* or NULL */
    struct skio__logger logger;
    struct skio__emission emission;
    struct skio__redis_call call;
    const char *error; /* of the last call that failed */
};

/* Two levels around the arguments are the message's own. */
#define DEPTH_MAX (SKIO__JSON_DEPTH_MAX - 2)
#define ROOMS_MAX 10000
#define NAME_MAX_BYTES 65536
#define STREAM_MAX 1024
#define MESSAGE_MAX ((size_t)512 << 20) /* Redis takes no more in a string */
#define ATTACHMENTS_MAX 1000000

static const skio_emitter_options defaults = {
    .struct_size = sizeof(skio_emitter_options),
    .host = "127.0.0.1",
    .port = 6379,
    .key = "socket.io",
    .stream_max_len = 10000,
    .connect_timeout_ms = 5000,
    .command_timeout_ms = 5000,
    .max_bytes = 1000000,
    .max_rooms = 1000,
    .max_attachments = 10,
    .max_json_depth = 64,
    .max_name_bytes = 512,
    .log_level = SKIO_LOG_INFO,
};

void
skio_emitter_options_init_size(skio_emitter_options *options,
                               size_t struct_size)
{
    skio__sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* The name of the first option out of its range, or NULL. Those that say where
 * Redis is are checked with their likes. */
static const char *
find_bad(const skio_emitter_options *o)
{
    if (o->stream != NULL &&
        (o->stream[0] == '\0' || strlen(o->stream) > STREAM_MAX))
        return "stream";
    if (o->sharded && o->stream != NULL)
        return "sharded";
    if (o->stream_max_len == 0)
        return "stream_max_len";
    if (o->max_bytes == 0 || o->max_bytes > MESSAGE_MAX)
        return "max_bytes";
    if (o->max_rooms == 0 || o->max_rooms > ROOMS_MAX)
        return "max_rooms";
    if (o->max_attachments > ATTACHMENTS_MAX)
        return "max_attachments";
    if (o->max_json_depth == 0 || o->max_json_depth > DEPTH_MAX)
        return "max_json_depth";
    if (o->max_name_bytes == 0 || o->max_name_bytes > NAME_MAX_BYTES)
        return "max_name_bytes";
    return NULL;
}

/* Where Redis is, in the words that all of the library has for it. */
static int
copy_place(skio_emitter *emitter, const char **bad)
{
    const skio_emitter_options *o = &emitter->options;
    skio_redis_options place;
    int err;

    skio_redis_options_init(&place);
    place.url = o->url;
    place.host = o->host;
    place.port = o->port;
    place.unix_path = o->unix_path;
    place.user = o->user;
    place.password = o->password;
    place.database = o->database;
    place.cluster = o->cluster;
    place.key = o->key;
    place.connect_timeout_ms = o->connect_timeout_ms;
    place.command_timeout_ms = o->command_timeout_ms;
    err = skio__redis_options_copy(&emitter->redis, &place, &emitter->mem, bad);
    if (err != SKIO_OK || !emitter->redis.tls)
        return err;

    /* What a server's connection can, this one cannot. */
    skio__redis_options_deinit(&emitter->redis, &emitter->mem);
    *bad = "tls";
    return SKIO_ENOTSUP;
}

static int
copy_options(skio_emitter *emitter, const char **bad)
{
    skio_emitter_options *o = &emitter->options;
    int err;

    *bad = find_bad(o);
    if (*bad != NULL)
        return SKIO_EINVAL;
    if (o->stream != NULL) {
        emitter->stream =
            skio__mem_strndup(&emitter->mem, o->stream, strlen(o->stream));
        if (emitter->stream == NULL)
            return SKIO_ENOMEM;
    }
    err = copy_place(emitter, bad);
    if (err != SKIO_OK) {
        skio__mem_free(&emitter->mem, emitter->stream);
        return err;
    }

    o->key = emitter->redis.key;
    o->stream = emitter->stream;
    /* The caller's strings are not ours to keep. */
    o->url = o->host = o->unix_path = o->user = o->password = NULL;
    return SKIO_OK;
}

static void
log_refusal(const struct skio__logger *logger, int err, const char *bad)
{
    if (err == SKIO_ENOTSUP)
        skio__log(logger, SKIO_LOG_ERROR,
                  "emitter: no TLS (rediss://) here: a local proxy can do it");
    else if (err == SKIO_EINVAL)
        skio__log(logger, SKIO_LOG_ERROR, "emitter: option %s is out of range",
                  bad != NULL ? bad : "url");
}

int
skio_emitter_new(skio_emitter **out, const skio_emitter_options *options)
{
    skio_emitter_options given = defaults;
    const char *bad = NULL;
    const skio_allocator *mem;
    skio_emitter *emitter;
    int err;

    skio__sized_read(&given, sizeof given, options);
    given.struct_size = sizeof(given);
    mem =
        given.allocator.malloc != NULL ? &given.allocator : skio__mem_default();
    emitter = skio__mem_calloc(mem, 1, sizeof(*emitter));
    if (emitter == NULL)
        return SKIO_ENOMEM;

    emitter->mem = *mem;
    emitter->options = given;
    emitter->logger.fn = given.log;
    emitter->logger.user = given.log_user;
    emitter->logger.level = given.log_level;
    emitter->error = "";
    err = copy_options(emitter, &bad);
    if (err != SKIO_OK) {
        log_refusal(&emitter->logger, err, bad);
        skio__mem_free(mem, emitter);
        return err;
    }
    skio__emission_init(&emitter->emission, &emitter->options, &emitter->mem);
    skio__redis_call_init(&emitter->call, &emitter->redis, &emitter->mem);
    *out = emitter;
    return SKIO_OK;
}

void
skio_emitter_free(skio_emitter *emitter)
{
    skio_allocator mem;

    if (emitter == NULL)
        return;
    mem = emitter->mem;
    skio__redis_call_deinit(&emitter->call);
    skio__emission_deinit(&emitter->emission);
    skio__redis_options_deinit(&emitter->redis, &mem);
    skio__mem_free(&mem, emitter->stream);
    skio__mem_free(&mem, emitter);
}

/* Send what was made, unless making it failed already. */
static int
finish(skio_emitter *emitter, int err)
{
    if (err != SKIO_OK) {
        emitter->error = emitter->emission.why;
        return err;
    }
    err = skio__redis_call(&emitter->call, emitter->emission.argv,
                           emitter->emission.argc);
    if (err != SKIO_OK) {
        emitter->error = emitter->call.text;
        skio__log(&emitter->logger, SKIO_LOG_WARN, "emitter: %s",
                  emitter->error);
    }
    return err;
}

int
skio_emitter_emitv(skio_emitter *emitter, const char *nsp,
                   const skio_target *target, const char *event,
                   const char *format, va_list args)
{
    va_list copy;
    int err;

    va_copy(copy, args);
    err = skio__emission_event(&emitter->emission, nsp, target, event, format,
                               &copy);
    va_end(copy);
    return finish(emitter, err);
}

int
skio_emitter_emit(skio_emitter *emitter, const char *nsp,
                  const skio_target *target, const char *event,
                  const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio_emitter_emitv(emitter, nsp, target, event, format, args);
    va_end(args);
    return err;
}

int
skio_emitter_join(skio_emitter *emitter, const char *nsp,
                  const skio_target *target, const char *const *rooms)
{
    return finish(emitter,
                  skio__emission_request(&emitter->emission, nsp, target,
                                         SKIO__EMISSION_JOIN, rooms, false));
}

int
skio_emitter_leave(skio_emitter *emitter, const char *nsp,
                   const skio_target *target, const char *const *rooms)
{
    return finish(emitter,
                  skio__emission_request(&emitter->emission, nsp, target,
                                         SKIO__EMISSION_LEAVE, rooms, false));
}

int
skio_emitter_disconnect(skio_emitter *emitter, const char *nsp,
                        const skio_target *target, bool close)
{
    return finish(emitter,
                  skio__emission_request(&emitter->emission, nsp, target,
                                         SKIO__EMISSION_DISCONNECT, NULL,
                                         close));
}

int
skio_emitter_server_side_emitv(skio_emitter *emitter, const char *nsp,
                               const char *event, const char *format,
                               va_list args)
{
    va_list copy;
    int err;

    va_copy(copy, args);
    err = skio__emission_server_event(&emitter->emission, nsp, event, format,
                                      &copy);
    va_end(copy);
    return finish(emitter, err);
}

int
skio_emitter_server_side_emit(skio_emitter *emitter, const char *nsp,
                              const char *event, const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio_emitter_server_side_emitv(emitter, nsp, event, format, args);
    va_end(args);
    return err;
}

const char *
skio_emitter_error(const skio_emitter *emitter)
{
    return emitter->error;
}
