/*
 * A client that comes back: its session, and what it missed in the stream
 *
 * The session is taken out of Redis, so that nobody else gets it; then the
 * stream is read from the client's offset on until nothing is left that this
 * server has delivered already.
 */
#include <stdio.h>
#include <string.h>

#include "adapter/redis_streams.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/msgpack.h"

#define PID_LEN 20
#define READ_AT_ONCE 100 /* entries, as Node */
#define ROUNDS_MAX 10000 /* of reading: more than any stream is long */

struct missed {
    struct missed *next;
    skio_adapter_missed event;
    char offset[SKIO__STREAM_ID_MAX];
};

struct skio__restore {
    struct skio__restore *next;
    struct skio__restore **link;
    struct skio__streams *streams; /* NULL: it was answered */
    const skio_allocator *mem;
    skio_adapter_restoring *restoring;
    uint32_t commands;            /* whose replies are due */
    struct skio__stream_id until; /* what was read, the offset at first */
    bool has_session;
    bool has_offset;
    skio_adapter_session session;
    struct missed *first;
    struct missed *last;
    size_t count;
    size_t bytes;
    uint32_t rounds;          /* of reading */
    struct skio__arena arena; /* all that is kept */
    char pid[PID_LEN + 1];
};

static void
free_restore(struct skio__restore *restore)
{
    const skio_allocator *mem = restore->mem;

    if (restore->streams != NULL || restore->commands > 0)
        return;
    skio__arena_deinit(&restore->arena);
    skio__mem_free(mem, restore);
}

/* Take it out of the list: it is being answered. */
static void
unlink_restore(struct skio__restore *restore)
{
    *restore->link = restore->next;
    if (restore->next != NULL)
        restore->next->link = restore->link;
    restore->streams = NULL;
}

static void
refuse(struct skio__restore *restore)
{
    skio_adapter_restoring *restoring = restore->restoring;

    if (restore->streams == NULL)
        return;
    unlink_restore(restore);
    skio_adapter_restored(restoring, NULL, NULL, 0);
    free_restore(restore);
}

static struct skio__restore *
new_restore(struct skio__streams *streams, const char *pid, const char *offset,
            skio_adapter_restoring *restoring)
{
    const skio_allocator *mem = streams->cluster.mem;
    struct skio__restore *restore = skio__mem_calloc(mem, 1, sizeof *restore);

    if (restore == NULL)
        return NULL;
    if (strlen(pid) != PID_LEN ||
        !skio__stream_id_parse(offset, strlen(offset), &restore->until)) {
        skio__mem_free(mem, restore);
        return NULL;
    }
    memcpy(restore->pid, pid, PID_LEN);
    restore->streams = streams;
    restore->mem = mem;
    restore->restoring = restoring;
    skio__arena_init(&restore->arena, mem, 0);
    restore->next = streams->restores;
    restore->link = &streams->restores;
    if (restore->next != NULL)
        restore->next->link = &restore->next;
    streams->restores = restore;
    return restore;
}

static char *
keep(struct skio__restore *restore, const void *data, size_t len)
{
    char *copy = skio__arena_alloc(&restore->arena, len + 1);

    if (copy == NULL)
        return NULL;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

/* A member that is a string. */
static const char *
keep_string(struct skio__restore *restore, const char *text,
            const struct skio__json_slice *string)
{
    char *copy = skio__arena_alloc(&restore->arena, (size_t)string->len + 1);

    if (copy == NULL || string->type != SKIO__JSON_STRING)
        return NULL;
    copy[skio__json_unescape(text, string, copy)] = '\0';
    return copy;
}

static const char *const *
keep_rooms(struct skio__restore *restore, const char *text,
           const struct skio__json_slice *array)
{
    size_t max = skio__json_count(text, array);
    const char **rooms =
        skio__arena_alloc(&restore->arena, (max + 1) * sizeof *rooms);
    struct skio__json_iter iter;
    size_t count = 0;

    if (rooms == NULL || array->type != SKIO__JSON_ARRAY)
        return NULL;
    skio__json_iter_init(&iter, text, array);
    while (count < max && skio__json_iter_next(&iter)) {
        rooms[count] = keep_string(restore, text, &iter.value);
        if (rooms[count++] == NULL)
            return NULL;
    }
    rooms[count] = NULL;
    return rooms;
}

/* {sid, pid, rooms, data} */
static bool
read_session(struct skio__restore *restore, const char *text, size_t len)
{
    struct skio__json_slice root = skio__json_whole(text, len);
    skio_adapter_session *session = &restore->session;
    struct skio__json_slice sid;
    struct skio__json_slice pid;
    struct skio__json_slice rooms;
    struct skio__json_slice data;

    if (skio__json_get(text, &root, "sid", 3, &sid) != SKIO_OK ||
        skio__json_get(text, &root, "pid", 3, &pid) != SKIO_OK ||
        skio__json_get(text, &root, "rooms", 5, &rooms) != SKIO_OK)
        return false;
    session->struct_size = sizeof *session;
    session->sid = keep_string(restore, text, &sid);
    session->pid = keep_string(restore, text, &pid);
    session->rooms = keep_rooms(restore, text, &rooms);
    session->shared = skio__json_get(text, &root, "data", 4, &data) == SKIO_OK
                          ? keep(restore, text + data.start, data.len)
                          : keep(restore, "{}", 2);
    return session->sid != NULL && session->pid != NULL &&
           session->rooms != NULL && session->shared != NULL &&
           strcmp(session->pid, restore->pid) == 0;
}

static bool
decode_session(struct skio__restore *restore, const char *text, size_t len)
{
    const struct skio__msgpack_limits limits =
        {restore->streams->cluster.limits.wire.max_depth + 1, UINT16_MAX};
    unsigned char *packed = skio__arena_alloc(&restore->arena, len + 1);
    struct skio__msgpack_scan scan;
    skio_bytes *bytes;
    char *json;
    ptrdiff_t size;

    if (packed == NULL)
        return false;
    size = skio__base64_decode(text, len, packed);
    if (size <= 0 ||
        skio__msgpack_scan(packed, (size_t)size, &limits, &scan) != SKIO_OK)
        return false;
    json = skio__arena_alloc(&restore->arena, scan.json_len + 1);
    bytes =
        skio__arena_alloc(&restore->arena, (scan.bytes + 1) * sizeof *bytes);
    if (json == NULL || bytes == NULL)
        return false;
    return read_session(restore, json,
                        skio__msgpack_to_json(packed, (size_t)size, &scan, 0,
                                              json, bytes));
}

static bool
is_among(const char *name, const char *const *names)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static bool
has_common(const char *const *a, const char *const *b)
{
    for (; a != NULL && *a != NULL; a++)
        if (is_among(*a, b))
            return true;
    return false;
}

/* Whether an event was for this session, and is one to be recovered. */
static bool
is_for(const struct skio__restore *restore,
       const struct skio__wire_message *message)
{
    const char *const *rooms = restore->session.rooms;

    return message->type == SKIO__WIRE_BROADCAST && message->request.len == 0 &&
           (message->flags & SKIO_VOLATILE) == 0 &&
           (message->to == NULL || message->to[0] == NULL ||
            has_common(message->to, rooms)) &&
           !has_common(message->except, rooms);
}

static const skio_bytes *
keep_attachments(struct skio__restore *restore,
                 const struct skio__wire_message *message)
{
    uint32_t count = message->attachment_count;
    skio_bytes *copy =
        skio__arena_alloc(&restore->arena, (count + 1) * sizeof *copy);

    for (uint32_t i = 0; copy != NULL && i < count; i++) {
        copy[i].len = message->attachments[i].len;
        copy[i].data = keep(restore, message->attachments[i].data, copy[i].len);
        restore->bytes += copy[i].len;
        if (copy[i].data == NULL)
            return NULL;
    }
    return copy;
}

static int
keep_event(struct skio__restore *restore,
           const struct skio__wire_message *message,
           const struct skio__stream_entry *entry)
{
    struct missed *missed = skio__arena_alloc(&restore->arena, sizeof *missed);

    if (missed == NULL)
        return SKIO_ENOMEM;
    *missed = (struct missed){
        .event = {.json = keep(restore, message->json.data, message->json.len),
                  .len = message->json.len,
                  .attachments = keep_attachments(restore, message),
                  .attachment_count = message->attachment_count},
    };
    if (missed->event.json == NULL || missed->event.attachments == NULL)
        return SKIO_ENOMEM;
    skio__stream_id_print(entry->id, missed->offset);
    missed->event.offset = missed->offset;
    if (restore->last != NULL)
        restore->last->next = missed;
    else
        restore->first = missed;
    restore->last = missed;
    restore->count++;
    restore->bytes += message->json.len;
    return SKIO_OK;
}

/* One of the entries behind the offset. */
static int
look_at_entry(struct skio__restore *restore,
              const struct skio__redis_reply *reply)
{
    struct skio__streams *streams = restore->streams;
    struct skio__arena *arena = &streams->cluster.arena;
    struct skio__arena_mark mark = skio__arena_mark(arena);
    const char *nsp = skio_nsp_name(streams->cluster.base.nsp);
    struct skio__stream_entry entry;
    struct skio__wire_message message;
    int err = SKIO_OK;

    if (!skio__stream_entry_read(reply, &entry))
        return SKIO_EPROTO;
    restore->until = entry.id;
    if (entry.nsp.len == strlen(nsp) &&
        memcmp(entry.nsp.data, nsp, entry.nsp.len) == 0 &&
        skio__streams_decode(streams, &entry, &message) == SKIO_OK &&
        is_for(restore, &message))
        err = keep_event(restore, &message, &entry);
    skio__arena_release(arena, mark);
    return err;
}

/* Everything is here: the client gets it, and knows what is still to be read.
 */
static void
succeed(struct skio__restore *restore)
{
    struct skio__streams *streams = restore->streams;
    skio_adapter_restoring *restoring = restore->restoring;
    skio_adapter_missed *list =
        skio__arena_alloc(&restore->arena, (restore->count + 1) * sizeof *list);
    struct skio__stream_id position = skio__stream_position(&streams->listener);
    size_t count = 0;

    if (list == NULL ||
        (skio__stream_id_compare(restore->until, position) > 0 &&
         skio__order_ahead(streams, restore->session.sid, restore->until) !=
             SKIO_OK)) {
        refuse(restore);
        return;
    }
    for (struct missed *each = restore->first; each != NULL; each = each->next)
        list[count++] = each->event;
    unlink_restore(restore);
    skio__streams_take(streams, restore->session.sid);
    skio_adapter_restored(restoring, &restore->session, list, count);
    free_restore(restore);
}

static void read_behind(struct skio__restore *restore);

static void
on_behind(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__restore *restore = user;
    struct skio__streams *streams = restore->streams;
    size_t max;

    restore->commands--;
    if (streams == NULL) {
        free_restore(restore);
        return;
    }
    if (err != SKIO_OK || reply->type != SKIO__REDIS_ARRAY ||
        !restore->has_session || !restore->has_offset) {
        refuse(restore);
        return;
    }
    /* As much as may wait for one client is all that it can get. */
    max = skio_adapter_options(streams->cluster.base.nsp)->max_outbound_bytes;
    for (size_t i = 0; err == SKIO_OK && i < reply->count; i++) {
        err = look_at_entry(restore, reply->elements[i]);
        if (err == SKIO_OK && restore->bytes >= max / 2)
            err = SKIO_ELIMIT;
    }
    if (err != SKIO_OK || !streams->is_ordered)
        refuse(restore);
    else if (reply->count >= READ_AT_ONCE ||
             skio__stream_id_compare(restore->until, skio__stream_position(
                                                         &streams->listener)) <
                 0)
        read_behind(restore);
    else
        succeed(restore);
}

static int
send(struct skio__restore *restore, const skio_bytes *argv, size_t argc,
     const skio_bytes *key, skio__redis_reply_fn *fn)
{
    int err = skio__redis_command(restore->streams->redis, key->data, key->len,
                                  argv, argc, fn, fn != NULL ? restore : NULL);

    if (err == SKIO_OK && fn != NULL)
        restore->commands++;
    return err;
}

/* The entries from the next one on; the last one of the stream counts as read
 * when nothing follows it. */
static void
read_behind(struct skio__restore *restore)
{
    const skio_bytes *name = skio__stream_name(&restore->streams->listener);
    struct skio__stream_id next = restore->until;
    char from[SKIO__STREAM_ID_MAX];

    if (++restore->rounds > ROUNDS_MAX) {
        refuse(restore);
        return;
    }
    if (++next.seq == 0)
        next.ms++;
    skio__stream_id_print(next, from);
    {
        const skio_bytes argv[] = {skio__redis_word("XRANGE"),
                                   *name,
                                   skio__redis_word(from),
                                   skio__redis_word("+"),
                                   skio__redis_word("COUNT"),
                                   skio__redis_word("100")};

        if (send(restore, argv, 6, name, on_behind) != SKIO_OK)
            refuse(restore);
    }
}

/* What MULTI, GET, DEL, EXEC told: [value, deleted]. */
static void
on_session(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__restore *restore = user;

    restore->commands--;
    if (restore->streams == NULL) {
        free_restore(restore);
        return;
    }
    restore->has_session = err == SKIO_OK && reply->type == SKIO__REDIS_ARRAY &&
                           reply->count == 2 &&
                           reply->elements[0]->type == SKIO__REDIS_STRING &&
                           decode_session(restore, reply->elements[0]->str,
                                          reply->elements[0]->len);
}

/* The entry of the offset must still be there: else others may be gone. */
static void
on_offset(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__restore *restore = user;

    restore->commands--;
    if (restore->streams == NULL) {
        free_restore(restore);
        return;
    }
    restore->has_offset =
        err == SKIO_OK && reply->type == SKIO__REDIS_ARRAY && reply->count == 1;
}

static int
ask_for_session(struct skio__restore *restore)
{
    struct skio__streams *streams = restore->streams;
    struct skio__buf key;
    skio_bytes bytes;
    int err;

    skio__buf_init(&key, streams->cluster.mem);
    err = skio__streams_session_key(&key, streams, restore->pid);
    bytes = (skio_bytes){key.data, key.len};
    if (err == SKIO_OK) {
        const skio_bytes multi[] = {skio__redis_word("MULTI")};
        const skio_bytes get[] = {skio__redis_word("GET"), bytes};
        const skio_bytes del[] = {skio__redis_word("DEL"), bytes};
        const skio_bytes exec[] = {skio__redis_word("EXEC")};

        err = send(restore, multi, 1, &bytes, NULL);
        if (err == SKIO_OK)
            err = send(restore, get, 2, &bytes, NULL);
        if (err == SKIO_OK)
            err = send(restore, del, 2, &bytes, NULL);
        if (err == SKIO_OK)
            err = send(restore, exec, 1, &bytes, on_session);
    }
    skio__buf_deinit(&key);
    return err;
}

static int
ask_for_offset(struct skio__restore *restore)
{
    const skio_bytes *name = skio__stream_name(&restore->streams->listener);
    char id[SKIO__STREAM_ID_MAX];

    skio__stream_id_print(restore->until, id);
    {
        const skio_bytes argv[] = {skio__redis_word("XRANGE"), *name,
                                   skio__redis_word(id), skio__redis_word(id)};

        return send(restore, argv, 4, name, on_offset);
    }
}

/* Not begun after all: the core knows from the result. */
static int
drop(struct skio__restore *restore, int err)
{
    unlink_restore(restore);
    free_restore(restore);
    return err;
}

int
skio__streams_session_restore(skio_adapter *adapter, const char *pid,
                              const char *offset,
                              skio_adapter_restoring *restoring)
{
    struct skio__streams *streams = skio__streams_of(adapter);
    struct skio__restore *restore;
    int err;

    if (!streams->is_ordered)
        return SKIO_ECLOSED;
    restore = new_restore(streams, pid, offset, restoring);
    if (restore == NULL)
        return SKIO_EINVAL;
    err = ask_for_session(restore);
    if (err == SKIO_OK)
        err = ask_for_offset(restore);
    if (err != SKIO_OK)
        return drop(restore, err);
    read_behind(restore);
    return SKIO_OK;
}

int
skio__streams_session_missed(skio_adapter *adapter,
                             const skio_adapter_session *session,
                             const char *offset,
                             skio_adapter_restoring *restoring)
{
    struct skio__streams *streams = skio__streams_of(adapter);
    struct skio__restore *restore;
    size_t count = 0;
    const char **rooms;
    int err;

    if (!streams->is_ordered)
        return SKIO_ECLOSED;
    restore = new_restore(streams, session->pid, offset, restoring);
    if (restore == NULL)
        return SKIO_EINVAL;
    while (session->rooms[count] != NULL)
        count++;
    rooms = skio__arena_alloc(&restore->arena, (count + 1) * sizeof *rooms);
    if (rooms == NULL)
        return drop(restore, SKIO_ENOMEM);
    for (size_t i = 0; i < count; i++) {
        rooms[i] = keep(restore, session->rooms[i], strlen(session->rooms[i]));
        if (rooms[i] == NULL)
            return drop(restore, SKIO_ENOMEM);
    }
    rooms[count] = NULL;
    restore->session = (skio_adapter_session){
        .struct_size = sizeof restore->session,
        .pid = restore->pid,
        .sid = keep(restore, session->sid, strlen(session->sid)),
        .rooms = rooms,
        .shared = session->shared != NULL
                      ? keep(restore, session->shared, strlen(session->shared))
                      : NULL,
    };
    restore->has_session = restore->session.sid != NULL;
    err = ask_for_offset(restore);
    if (err != SKIO_OK)
        return drop(restore, err);
    read_behind(restore);
    return SKIO_OK;
}

void
skio__streams_sessions_close(struct skio__streams *streams)
{
    while (streams->restores != NULL)
        refuse(streams->restores);
}
