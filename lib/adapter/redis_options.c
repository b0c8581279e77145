/*
 * The options of the Redis adapters: see redis_options.h
 *
 * A caller compiled against an older header passes a shorter struct: what it
 * does not know keeps its default.
 */
#include "adapter/redis_options.h"

#include <string.h>

#include "adapter/redis_url.h"
#include "base/mem.h"
#include "base/sized.h"
#include "base/strings.h"

#define SENTINELS_MAX 32
#define MS_MAX ((uint64_t)INT32_MAX)

static const skio_redis_options defaults = {
    .struct_size = sizeof(skio_redis_options),
    .host = "127.0.0.1",
    .port = 6379,
    .sentinel_master = "mymaster",
    .key = "socket.io",
    .requests_timeout_ms = 5000,
    .subscriptions = SKIO_REDIS_DYNAMIC,
    .stream_count = 1,
    .stream_max_len = 10000,
    .stream_read_count = 100,
    .offset_timeout_ms = 500,
    .session_key_prefix = "sio:session:",
    .connect_timeout_ms = 5000,
    .command_timeout_ms = 5000,
    .ping_interval_ms = 1000,
    .reconnect_min_ms = 50,
    .reconnect_max_ms = 500,
    .max_output_bytes = (size_t)16 << 20,
    .max_message_bytes = (size_t)16 << 20,
    .max_reply_elements = 100000,
    .max_requests = 10000,
    .max_servers = 1000,
    .max_rooms_in_message = 1000,
    .max_fetched = 100000,
    .max_forwarded = 10000,
};

struct string_field {
    const char *name;
    size_t offset;
    size_t min; /* bytes */
    size_t max;
    bool is_needed; /* NULL is no value */
};

#define STRING(field, min, max, is_needed)                                     \
    {                                                                          \
#field, offsetof(skio_redis_options, field), min, max, is_needed       \
    }

/* The URL has become members when these are looked at. */
static const struct string_field string_fields[] = {
    STRING(host, 1, SKIO__REDIS_HOST_MAX, true),
    STRING(unix_path, 1, SKIO__REDIS_PATH_MAX, false),
    STRING(user, 1, 1024, false),
    STRING(password, 0, 16384, false),
    STRING(sentinels, 1, 8192, false),
    STRING(sentinel_master, 1, 1024, true),
    STRING(sentinel_password, 0, 16384, false),
    STRING(tls_ca_file, 1, 4096, false),
    STRING(tls_cert_file, 1, 4096, false),
    STRING(tls_key_file, 1, 4096, false),
    STRING(tls_server_name, 1, SKIO__REDIS_HOST_MAX, false),
    STRING(key, 0, 1024, true),
    STRING(session_key_prefix, 0, 1024, true),
};
#define STRING_COUNT (sizeof string_fields / sizeof string_fields[0])

static const struct skio__strings strings = {
    &string_fields[0].offset,
    sizeof string_fields[0],
    STRING_COUNT,
};

struct number_field {
    const char *name;
    size_t offset;
    bool is_size; /* a size_t, else a uint32_t */
    uint64_t min;
    uint64_t max;
};

#define NUMBER(field, min, max)                                                \
    {                                                                          \
#field, offsetof(skio_redis_options, field), false, min, max           \
    }
#define SIZE(field, min, max)                                                  \
    {                                                                          \
#field, offsetof(skio_redis_options, field), true, min, max            \
    }

/* hiredis counts in int; a reply needs some elements to be one at all. */
static const struct number_field numbers[] = {
    NUMBER(database, 0, INT32_MAX),
    NUMBER(requests_timeout_ms, 1, MS_MAX),
    NUMBER(stream_count, 1, 64),
    NUMBER(stream_max_len, 1, UINT32_MAX),
    NUMBER(stream_read_count, 1, 10000),
    NUMBER(offset_timeout_ms, 1, MS_MAX),
    NUMBER(connect_timeout_ms, 1, MS_MAX),
    NUMBER(command_timeout_ms, 1, MS_MAX),
    NUMBER(ping_interval_ms, 1, MS_MAX),
    NUMBER(reconnect_min_ms, 1, MS_MAX),
    NUMBER(reconnect_max_ms, 1, MS_MAX),
    SIZE(max_output_bytes, 1024, UINT32_MAX / 2),
    SIZE(max_message_bytes, 1024, 512u << 20),
    NUMBER(max_reply_elements, 16, 10000000),
    NUMBER(max_requests, 1, 10000000),
    NUMBER(max_servers, 1, 1000000),
    NUMBER(max_rooms_in_message, 1, 10000000),
    NUMBER(max_fetched, 1, 10000000),
    NUMBER(max_forwarded, 1, 10000000),
};
#define NUMBER_COUNT (sizeof numbers / sizeof numbers[0])

void
skio_redis_options_init_size(skio_redis_options *options, size_t struct_size)
{
    skio__sized_init(options, struct_size, &defaults, sizeof defaults);
}

static uint64_t
number_of(const skio_redis_options *options, const struct number_field *field)
{
    const char *at = (const char *)options + field->offset;
    uint32_t number;
    size_t size;

    if (field->is_size) {
        memcpy(&size, at, sizeof size);
        return size;
    }
    memcpy(&number, at, sizeof number);
    return number;
}

static bool
is_list(const char *list)
{
    char host[SKIO__REDIS_HOST_MAX + 1];
    uint16_t port;
    size_t count = 0;
    int result;

    while ((result = skio__redis_url_next(&list, 1, host, &port)) == 1)
        count++;
    return result == 0 && count <= SENTINELS_MAX;
}

/* The name of the first option that is out of its range, or NULL. */
static const char *
find_bad(skio_redis_options *o)
{
    for (size_t i = 0; i < STRING_COUNT; i++) {
        const struct string_field *field = &string_fields[i];
        const char *string = *skio__strings_at(&strings, o, i);
        size_t len = string != NULL ? strlen(string) : 0;

        if (string == NULL ? field->is_needed
                           : len < field->min || len > field->max)
            return field->name;
    }
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        uint64_t number = number_of(o, &numbers[i]);

        if (number < numbers[i].min || number > numbers[i].max)
            return numbers[i].name;
    }
    if (o->port == 0)
        return "port";
    if ((unsigned)o->subscriptions > SKIO_REDIS_DYNAMIC_PRIVATE)
        return "subscriptions";
    if (o->reconnect_max_ms < o->reconnect_min_ms)
        return "reconnect_max_ms";
    if (o->sentinels != NULL &&
        (o->unix_path != NULL || !is_list(o->sentinels)))
        return "sentinels";
    /* A Redis Cluster looks after its own masters, and has one database. */
    if (o->cluster && (o->sentinels != NULL || o->unix_path != NULL))
        return "cluster";
    if (o->cluster && o->database != 0)
        return "database";
    if (o->tls && o->unix_path != NULL)
        return "tls";
    if ((o->tls_cert_file == NULL) != (o->tls_key_file == NULL))
        return o->tls_cert_file == NULL ? "tls_cert_file" : "tls_key_file";
    return NULL;
}

int
skio__redis_options_copy(skio_redis_options *out,
                         const skio_redis_options *options,
                         const skio_allocator *mem, const char **bad)
{
    char *text = NULL;
    int err = SKIO_OK;

    *bad = NULL;
    *out = defaults;
    skio__sized_read(out, sizeof *out, options);
    out->struct_size = sizeof *out;
    if (out->url != NULL) {
        err = skio__redis_url_parse(out, mem, &text);
        if (err == SKIO_EINVAL)
            *bad = "url";
    }
    if (err == SKIO_OK) {
        *bad = find_bad(out);
        /* Each is the caller's, or one of the URL. */
        err =
            *bad != NULL ? SKIO_EINVAL : skio__strings_copy(&strings, out, mem);
    }
    skio__mem_free(mem, text);
    if (err != SKIO_OK) {
        out->url = NULL;
        skio__strings_forget(&strings, out);
    }
    return err;
}

void
skio__redis_options_deinit(skio_redis_options *options,
                           const skio_allocator *mem)
{
    skio__strings_free(&strings, options, mem);
}
