#include "adapter/redis_reader.h"

#include <socketio/transport.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/mem.h"

#define BLOCK_MS 5000 /* of XREAD: as Node's blockTimeInMs */
#define RETRY_MS 200  /* after a refusal */

enum step {
    STEP_DOWN,  /* there is no connection */
    STEP_FIRST, /* looking for the end of the stream */
    STEP_READ,  /* XREAD waits */
    STEP_PAUSE  /* Redis refused: again in a while */
};

struct skio__stream {
    struct skio__redis_reader *reader;
    struct skio__redis_link *link;
    skio_timer *pause;
    enum step step;
    bool has_position;
    struct skio__stream_id position; /* the last entry that was handed over */
    skio_bytes name;
    char *name_text;
};

struct skio__redis_reader {
    struct skio__redis *redis;
    const skio_allocator *mem;
    uint32_t refs;

    struct skio__map listeners;
    uint32_t stream_count;
    struct skio__stream streams[];
};

/* ---- Places ---- */

static bool
parse_number(const char *text, size_t len, uint64_t *number)
{
    uint64_t value = 0;

    if (len == 0 || len > 20)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(text[i] - '0');

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return true;
}

bool
skio__stream_id_parse(const char *text, size_t len, struct skio__stream_id *id)
{
    const char *dash = len > 0 ? memchr(text, '-', len) : NULL;
    size_t first;

    if (dash == NULL)
        return false;
    first = (size_t)(dash - text);
    return parse_number(text, first, &id->ms) &&
           parse_number(dash + 1, len - first - 1, &id->seq);
}

int
skio__stream_id_compare(struct skio__stream_id a, struct skio__stream_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    if (a.seq != b.seq)
        return a.seq < b.seq ? -1 : 1;
    return 0;
}

size_t
skio__stream_id_print(struct skio__stream_id id, char *out)
{
    return (size_t)snprintf(out, SKIO__STREAM_ID_MAX, "%llu-%llu",
                            (unsigned long long)id.ms,
                            (unsigned long long)id.seq);
}

/* ---- Entries ---- */

static bool
is_word(const struct skio__redis_reply *reply, const char *word)
{
    return reply->type == SKIO__REDIS_STRING && reply->len == strlen(word) &&
           memcmp(reply->str, word, reply->len) == 0;
}

bool
skio__stream_entry_read(const struct skio__redis_reply *reply,
                        struct skio__stream_entry *entry)
{
    const struct skio__redis_reply *fields;

    *entry = (struct skio__stream_entry){.id_text = ""};
    if (reply->type != SKIO__REDIS_ARRAY || reply->count != 2 ||
        reply->elements[0]->type != SKIO__REDIS_STRING ||
        !skio__stream_id_parse(reply->elements[0]->str, reply->elements[0]->len,
                               &entry->id))
        return false;
    entry->id_text = reply->elements[0]->str;
    fields = reply->elements[1];
    if (fields->type != SKIO__REDIS_ARRAY)
        return false; /* deleted */

    for (size_t i = 0; i + 1 < fields->count; i += 2) {
        const struct skio__redis_reply *name = fields->elements[i];
        const struct skio__redis_reply *value = fields->elements[i + 1];
        skio_bytes bytes = {value->str, value->len};

        if (value->type != SKIO__REDIS_STRING)
            continue;
        if (is_word(name, "uid"))
            entry->uid = bytes;
        else if (is_word(name, "nsp"))
            entry->nsp = bytes;
        else if (is_word(name, "type"))
            entry->type = bytes;
        else if (is_word(name, "data"))
            entry->data = bytes;
        else if (is_word(name, "seq"))
            entry->seq = bytes;
    }
    return true;
}

/* ---- Reading ---- */

static void read_on(struct skio__stream *stream);

static void
tell_state(struct skio__stream *stream, bool is_reading)
{
    struct skio__redis_reader *reader = stream->reader;
    struct skio__map_node *node;
    struct skio__map_node *after;

    SKIO__MAP_EACH(&reader->listeners, node, after) {
        struct skio__stream_listener *listener =
            skio__container_of(node, struct skio__stream_listener, node);

        if (listener->stream == stream)
            listener->hooks->state(is_reading, listener->user);
    }
}

static void
pause(struct skio__stream *stream, const char *why)
{
    skio_transport_log(skio__redis_server(stream->reader->redis), SKIO_LOG_WARN,
                       "redis: the stream %s cannot be read: %s",
                       stream->name_text, why);
    if (stream->step == STEP_READ)
        tell_state(stream, false);
    stream->step = STEP_PAUSE;
    if (skio_timer_set(stream->pause, RETRY_MS) != SKIO_OK)
        skio__redis_link_reset(stream->link, SKIO_ENOMEM, "no memory");
}

static void
hand_over(struct skio__stream *stream, const struct skio__redis_reply *reply)
{
    struct skio__redis_reader *reader = stream->reader;
    struct skio__stream_entry entry;
    struct skio__map_node *node;
    struct skio__stream_listener *listener;

    if (!skio__stream_entry_read(reply, &entry) ||
        (stream->has_position &&
         skio__stream_id_compare(entry.id, stream->position) <= 0))
        return;
    stream->position = entry.id;
    node = entry.nsp.len == 0 ? NULL
                              : skio__map_find(&reader->listeners,
                                               entry.nsp.data, entry.nsp.len);
    if (node == NULL)
        return;
    listener = skio__container_of(node, struct skio__stream_listener, node);
    if (listener->stream == stream)
        listener->hooks->entry(&entry, listener->user);
}

/* [[name, [entry, ...]]], or nothing when the wait was over. */
static void
on_entries(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__stream *stream = user;
    struct skio__redis_reader *reader = stream->reader;
    const struct skio__redis_reply *list;

    if (err != SKIO_OK)
        return; /* down() follows */
    if (reply->type == SKIO__REDIS_ERROR) {
        pause(stream, reply->str);
        return;
    }
    reader->refs++;
    if (reply->type == SKIO__REDIS_ARRAY && reply->count == 1 &&
        reply->elements[0]->type == SKIO__REDIS_ARRAY &&
        reply->elements[0]->count == 2 &&
        reply->elements[0]->elements[1]->type == SKIO__REDIS_ARRAY) {
        list = reply->elements[0]->elements[1];
        for (size_t i = 0; i < list->count; i++)
            hand_over(stream, list->elements[i]);
    }
    if (reader->refs > 1 && stream->link != NULL)
        read_on(stream);
    skio__redis_reader_unref(reader);
}

/* [] or [entry]: where the stream ends. */
static void
on_last(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__stream *stream = user;
    struct skio__stream_entry entry;

    if (err != SKIO_OK)
        return;
    if (reply->type != SKIO__REDIS_ARRAY) {
        pause(stream,
              reply->type == SKIO__REDIS_ERROR ? reply->str : "what is that?");
        return;
    }
    if (reply->count == 0 ||
        !skio__stream_entry_read(reply->elements[0], &entry))
        entry.id = (struct skio__stream_id){0, 0};
    /* At first; or it is another stream of this name, or an older copy, whose
     * new entries may come before what was read: after a failover. */
    if (!stream->has_position ||
        skio__stream_id_compare(entry.id, stream->position) < 0)
        stream->position = entry.id;
    stream->has_position = true;
    read_on(stream);
}

/* What could not be sent for another reason than that it is down. */
static void
check_sent(struct skio__stream *stream, int err)
{
    if (err != SKIO_OK && err != SKIO_ECLOSED)
        skio__redis_link_reset(stream->link, err, skio_strerror(err));
}

static void
look_for_end(struct skio__stream *stream)
{
    const skio_bytes argv[] = {skio__redis_word("XREVRANGE"),
                               stream->name,
                               skio__redis_word("+"),
                               skio__redis_word("-"),
                               skio__redis_word("COUNT"),
                               skio__redis_word("1")};

    stream->step = STEP_FIRST;
    check_sent(stream,
               skio__redis_link_send(stream->link, argv, 6, on_last, stream));
}

/* Ask for what comes next. */
static void
read_on(struct skio__stream *stream)
{
    const bool was_reading = stream->step == STEP_READ;
    char position[SKIO__STREAM_ID_MAX];
    char count[16];
    char block[16];
    size_t position_len = skio__stream_id_print(stream->position, position);
    int count_len =
        snprintf(count, sizeof count, "%u",
                 (unsigned)skio__redis_options(stream->reader->redis)
                     ->stream_read_count);
    int block_len = snprintf(block, sizeof block, "%u", (unsigned)BLOCK_MS);
    const skio_bytes argv[] = {skio__redis_word("XREAD"),
                               skio__redis_word("COUNT"),
                               {count, (size_t)count_len},
                               skio__redis_word("BLOCK"),
                               {block, (size_t)block_len},
                               skio__redis_word("STREAMS"),
                               stream->name,
                               {position, position_len}};
    int err;

    stream->step = STEP_READ;
    err = skio__redis_link_send_blocking(stream->link, argv, 8, BLOCK_MS,
                                         on_entries, stream);
    if (err == SKIO_OK && !was_reading)
        tell_state(stream, true);
    check_sent(stream, err);
}

static void
on_pause_over(void *user)
{
    struct skio__stream *stream = user;

    if (stream->step == STEP_PAUSE)
        look_for_end(stream);
}

static void
on_up(struct skio__redis_link *link, void *user)
{
    (void)link;
    look_for_end(user);
}

static void
on_down(struct skio__redis_link *link, int err, const char *text, void *user)
{
    struct skio__stream *stream = user;
    bool was_reading = stream->step == STEP_READ;

    (void)link;
    (void)err;
    (void)text;
    skio_timer_stop(stream->pause);
    stream->step = STEP_DOWN;
    if (was_reading)
        tell_state(stream, false);
}

static const struct skio__redis_link_hooks link_hooks = {
    .up = on_up,
    .down = on_down,
};

/* ---- The reader ---- */

static void
close_stream(struct skio__stream *stream, const skio_allocator *mem)
{
    struct skio__redis_link *link = stream->link;

    stream->link = NULL;
    skio__redis_link_free(link);
    skio_timer_free(stream->pause);
    stream->pause = NULL;
    skio__mem_free(mem, stream->name_text);
    stream->name_text = NULL;
}

static int
name_stream(struct skio__stream *stream, const skio_redis_options *options,
            uint32_t index, const skio_allocator *mem)
{
    struct skio__buf name;
    size_t len;

    skio__buf_init(&name, mem);
    skio__buf_append_str(&name, options->key);
    if (options->stream_count > 1) {
        skio__buf_putc(&name, '-');
        skio__buf_append_u64(&name, index);
    }
    skio__buf_putc(&name, '\0');
    stream->name_text = skio__buf_steal(&name, &len);
    if (stream->name_text == NULL)
        return SKIO_ENOMEM;
    stream->name = (skio_bytes){stream->name_text, len - 1};
    return SKIO_OK;
}

static void
on_ready(skio_server *server, void *user)
{
    struct skio__redis_reader *reader = user;
    const skio_redis_options *options = skio__redis_options(reader->redis);

    for (uint32_t i = 0; i < reader->stream_count; i++) {
        struct skio__stream *stream = &reader->streams[i];

        stream->link = skio__redis_link_new(server, options, NULL, 0, false,
                                            &link_hooks, stream);
        if (stream->link == NULL)
            skio_transport_log(server, SKIO_LOG_ERROR,
                               "redis: no memory to read the stream %s",
                               stream->name_text);
    }
}

struct skio__redis_reader *
skio__redis_reader_new(struct skio__redis *redis, const uint8_t *hash_key)
{
    const skio_redis_options *options = skio__redis_options(redis);
    skio_server *server = skio__redis_server(redis);
    const skio_allocator *mem = skio__redis_mem(redis);
    uint32_t count = options->stream_count;
    struct skio__redis_reader *reader =
        skio__mem_calloc(mem, 1,
                         sizeof *reader + count * sizeof reader->streams[0]);

    if (reader == NULL)
        return NULL;
    reader->redis = skio__redis_ref(redis);
    reader->mem = mem;
    reader->refs = 1;
    reader->stream_count = count;
    skio__map_init(&reader->listeners, mem, hash_key);
    for (uint32_t i = 0; i < count; i++) {
        struct skio__stream *stream = &reader->streams[i];

        stream->reader = reader;
        stream->pause = skio_timer_new(server, on_pause_over, stream);
        if (stream->pause == NULL ||
            name_stream(stream, options, i, mem) != SKIO_OK) {
            skio__redis_reader_unref(reader);
            return NULL;
        }
    }
    if (skio_loop_ready(server, on_ready, reader) != SKIO_OK) {
        skio__redis_reader_unref(reader);
        return NULL;
    }
    return reader;
}

struct skio__redis_reader *
skio__redis_reader_ref(struct skio__redis_reader *reader)
{
    reader->refs++;
    return reader;
}

void
skio__redis_reader_unref(struct skio__redis_reader *reader)
{
    struct skio__redis *redis = reader->redis;
    const skio_allocator *mem = reader->mem;

    if (--reader->refs > 0)
        return;
    skio_loop_forget(skio__redis_server(redis), reader);
    for (uint32_t i = 0; i < reader->stream_count; i++)
        close_stream(&reader->streams[i], mem);
    skio__map_deinit(&reader->listeners);
    skio__mem_free(mem, reader);
    skio__redis_unref(redis);
}

struct skio__redis *
skio__redis_reader_redis(struct skio__redis_reader *reader)
{
    return reader->redis;
}

/*
 * Which stream a namespace is in, when there are several: as Node has it, a
 * hash of 32 bits with a sign over UTF-16. Of a negative one Node takes a
 * remainder that is negative, too, and adds to a stream which nobody reads:
 * here it is the one with that number.
 */
static uint32_t
choose_stream(const char *nsp, uint32_t count)
{
    const unsigned char *at = (const unsigned char *)nsp;
    uint32_t hash = 0;
    int64_t remainder;

    while (*at != 0) {
        uint32_t point = *at++;
        unsigned more = point >= 0xf0 ? 3 : point >= 0xe0 ? 2 : point >= 0xc0;

        if (more > 0)
            point &= 0x3fu >> more;
        for (; more > 0 && *at != 0; more--)
            point = point << 6 | (*at++ & 0x3fu);
        if (point > 0xffff) {
            hash = hash * 31 + (0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + point;
    }
    remainder = (int64_t)(int32_t)hash % (int64_t)count;
    return (uint32_t)(remainder < 0 ? -remainder : remainder);
}

int
skio__redis_reader_listen(struct skio__redis_reader *reader,
                          struct skio__stream_listener *listener,
                          const char *nsp)
{
    listener->stream =
        &reader->streams[choose_stream(nsp, reader->stream_count)];
    return skio__map_put(&reader->listeners, &listener->node, nsp, strlen(nsp));
}

void
skio__redis_reader_ignore(struct skio__redis_reader *reader,
                          struct skio__stream_listener *listener)
{
    if (listener->stream == NULL)
        return;
    skio__map_remove(&reader->listeners, &listener->node);
    listener->stream = NULL;
}

const skio_bytes *
skio__stream_name(const struct skio__stream_listener *listener)
{
    return &listener->stream->name;
}

struct skio__stream_id
skio__stream_position(const struct skio__stream_listener *listener)
{
    return listener->stream->position;
}

bool
skio__stream_is_read(const struct skio__stream_listener *listener)
{
    return listener->stream->step == STEP_READ;
}
