/*
 * A process that only sends, told what by its standard input
 *
 * The first line has the options, as JSON; each further one is a call:
 *
 *     {"op":"emit","nsp":"/","to":["a"],"event":"x","args":["1","{\"a\":2}"]}
 *
 * args are JSON texts; hex is bytes for one more argument, wrap puts them into
 * an object in it. Each line is answered with one: the name of the result, the
 * milliseconds it took, and the emitter's words about a failure.
 */
#define _POSIX_C_SOURCE 200809L /* getline, clock_gettime */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cJSON.h>

#include <socketio/emitter.h>

#define LIST_MAX 32

struct names {
    const char *items[LIST_MAX + 1];
};

static const char *
text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
}

static uint32_t
number_of(const cJSON *object, const char *name, uint32_t otherwise)
{
    const cJSON *item = cJSON_GetObjectItem(object, name);

    return cJSON_IsNumber(item) ? (uint32_t)item->valuedouble : otherwise;
}

/* NULL when there is no such list. */
static const char *const *
names_of(const cJSON *object, const char *name, struct names *out)
{
    const cJSON *list = cJSON_GetObjectItem(object, name);
    const cJSON *item;
    size_t n = 0;

    if (!cJSON_IsArray(list))
        return NULL;
    cJSON_ArrayForEach(item, list)
        if (n < LIST_MAX)
            out->items[n++] = cJSON_GetStringValue(item);
    out->items[n] = NULL;
    return out->items;
}

/* Lower-case hex. */
static size_t
bytes_of(const char *hex, unsigned char *out, size_t room)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (; n < room && hex[2 * n] != '\0'; n++) {
        const char *high = strchr(digits, hex[2 * n]);
        const char *low = strchr(digits, hex[2 * n + 1]);

        if (high == NULL || low == NULL)
            break;
        out[n] = (unsigned char)((high - digits) * 16 + (low - digits));
    }
    return n;
}

static int
emit(skio_emitter *emitter, const cJSON *call, const skio_target *target)
{
    const char *nsp = text_of(call, "nsp");
    const char *event = text_of(call, "event");
    const char *hex = text_of(call, "hex");
    const cJSON *args = cJSON_GetObjectItem(call, "args");
    const char *a = cJSON_GetStringValue(cJSON_GetArrayItem(args, 0));
    const char *b = cJSON_GetStringValue(cJSON_GetArrayItem(args, 1));
    bool is_server = strcmp(text_of(call, "op"), "server") == 0;
    unsigned char bytes[64];
    size_t len = hex != NULL ? bytes_of(hex, bytes, sizeof(bytes)) : 0;

#define EMIT(...)                                                              \
    (is_server                                                                 \
         ? skio_emitter_server_side_emit(emitter, nsp, event, __VA_ARGS__)     \
         : skio_emitter_emit(emitter, nsp, target, event, __VA_ARGS__))

    if (hex != NULL && cJSON_GetObjectItem(call, "wrap") != NULL)
        return EMIT("%-s, {'file':%p,'list':[%d,%p]}", a,
                    SKIO_BYTES(bytes, len), 1, SKIO_BYTES(bytes, len));
    if (hex != NULL)
        return EMIT("%p", SKIO_BYTES(bytes, len));
    if (b != NULL)
        return EMIT("%-s, %-s", a, b);
    if (a != NULL)
        return EMIT("%-s", a);
    return EMIT(NULL);
#undef EMIT
}

static int
run(skio_emitter *emitter, const cJSON *call)
{
    const char *op = text_of(call, "op");
    const char *nsp = text_of(call, "nsp");
    struct names to;
    struct names except;
    struct names rooms;
    const skio_target target = {
        .struct_size = sizeof(target),
        .to = names_of(call, "to", &to),
        .except = names_of(call, "except", &except),
        .flags = number_of(call, "flags", 0),
    };

    if (strcmp(op, "join") == 0)
        return skio_emitter_join(emitter, nsp, &target,
                                 names_of(call, "rooms", &rooms));
    if (strcmp(op, "leave") == 0)
        return skio_emitter_leave(emitter, nsp, &target,
                                  names_of(call, "rooms", &rooms));
    if (strcmp(op, "disconnect") == 0)
        return skio_emitter_disconnect(emitter, nsp, &target,
                                       cJSON_IsTrue(
                                           cJSON_GetObjectItem(call, "close")));
    return emit(emitter, call, &target);
}

static void
show_log(void *user, enum skio_log_level level, const char *message)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", message);
}

static int
make(const cJSON *given, skio_emitter **out)
{
    skio_emitter_options options;

    skio_emitter_options_init(&options);
    options.url = text_of(given, "url");
    if (text_of(given, "host") != NULL)
        options.host = text_of(given, "host");
    options.port = (uint16_t)number_of(given, "port", options.port);
    options.unix_path = text_of(given, "unix_path");
    options.user = text_of(given, "user");
    options.password = text_of(given, "password");
    options.database = number_of(given, "database", 0);
    if (text_of(given, "key") != NULL)
        options.key = text_of(given, "key");
    options.cluster = cJSON_IsTrue(cJSON_GetObjectItem(given, "cluster"));
    options.sharded = cJSON_IsTrue(cJSON_GetObjectItem(given, "sharded"));
    options.stream = text_of(given, "stream");
    options.stream_max_len =
        number_of(given, "stream_max_len", options.stream_max_len);
    options.connect_timeout_ms =
        number_of(given, "connect_timeout_ms", options.connect_timeout_ms);
    options.command_timeout_ms =
        number_of(given, "command_timeout_ms", options.command_timeout_ms);
    options.log = show_log;
    return skio_emitter_new(out, &options);
}

static long
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

int
main(void)
{
    skio_emitter *emitter = NULL;
    bool is_first = true;
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        cJSON *call = cJSON_Parse(line);
        long start = now_ms();
        int err;

        if (call == NULL)
            return 2;
        err = is_first ? make(call, &emitter) : run(emitter, call);
        is_first = false;
        cJSON_Delete(call);
        printf("%s %ld %s\n", skio_err_name(err), now_ms() - start,
               err != SKIO_OK && emitter != NULL ? skio_emitter_error(emitter)
                                                 : "");
        fflush(stdout);
        if (emitter == NULL)
            break;
    }
    free(line);
    skio_emitter_free(emitter);
    return 0;
}
