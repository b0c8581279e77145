/*
 * Sessions in Redis
 *
 * As Node's: a key for each private id, with base64 of MessagePack
 * {sid, pid, rooms, data}. Unlike Node's it is there as long as its client is
 * connected, so that the end of its server does not end it, and whoever takes
 * it tells the others.
 */
#include "adapter/redis_streams.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/msgpack.h"

#define PID_LEN 20
#define DELETED_AT_ONCE 100 /* keys of one command */
#define RENEWED_AT_ONCE 200 /* keys of one turn */
#define RENEW_PAUSE_MS 10

/* ---- Keys ---- */

int
skio__streams_session_key(struct skio__buf *buf,
                          const struct skio__streams *streams, const char *pid)
{
    skio__buf_append_str(buf, skio__redis_options(streams->redis)
                                  ->session_key_prefix);
    return skio__buf_append_str(buf, pid);
}

/* How long a key lives: with a connected client it is renewed every half of
 * recovery_ms, and must last as long after its server ended. */
static uint64_t
time_to_live(const struct skio__streams *streams, bool is_final)
{
    uint64_t ms = skio_adapter_options(streams->cluster.base.nsp)->recovery_ms;

    return is_final ? ms : ms * 2;
}

/* ---- Saving ---- */

static void
put_member(struct skio__buf *json, const char *name, const char *value)
{
    skio__buf_append_str(json, name);
    skio__json_quote(json, value, strlen(value));
}

/* The value of a session's key. */
static int
encode_session(struct skio__buf *out, const skio_adapter_session *session)
{
    struct skio__buf json;
    struct skio__buf packed;

    skio__buf_init(&json, out->mem);
    skio__buf_init(&packed, out->mem);
    put_member(&json, "{\"sid\":", session->sid);
    put_member(&json, ",\"pid\":", session->pid);
    skio__buf_append_str(&json, ",\"rooms\":[");
    for (size_t i = 0; session->rooms[i] != NULL; i++)
        put_member(&json, i > 0 ? "," : "", session->rooms[i]);
    skio__buf_append_str(&json, "],\"data\":");
    skio__buf_append_str(&json,
                         session->shared != NULL ? session->shared : "{}");
    if (skio__buf_putc(&json, '}') == SKIO_OK)
        packed.err =
            skio__msgpack_from_json(&packed, json.data, json.len, 0, NULL, 0);
    else
        packed.err = json.err;
    if (packed.err == SKIO_OK)
        skio__base64_append(out, packed.data, packed.len);
    else if (out->err == SKIO_OK)
        out->err = packed.err;
    skio__buf_deinit(&json);
    skio__buf_deinit(&packed);
    return out->err;
}

int
skio__streams_session_save(skio_adapter *adapter,
                           const skio_adapter_session *session)
{
    struct skio__streams *streams = skio__streams_of(adapter);
    struct skio__buf key;
    struct skio__buf value;
    char ms[24];
    int err;

    skio__buf_init(&key, streams->cluster.mem);
    skio__buf_init(&value, streams->cluster.mem);
    err = skio__streams_session_key(&key, streams, session->pid);
    if (err == SKIO_OK)
        err = encode_session(&value, session);
    snprintf(ms, sizeof ms, "%llu",
             (unsigned long long)time_to_live(streams, session->final));
    if (err == SKIO_OK) {
        const skio_bytes argv[] = {skio__redis_word("SET"),
                                   {key.data, key.len},
                                   {value.data, value.len},
                                   skio__redis_word("PX"),
                                   skio__redis_word(ms)};

        err = skio__redis_command(streams->redis, key.data, key.len, argv, 5,
                                  NULL, NULL);
        /* Its client hears of what changed only when this turn ends: whatever
         * becomes of this server then, Redis knows it, too. */
        if (err == SKIO_OK)
            skio__redis_push(streams->redis, key.data, key.len);
    }
    skio__buf_deinit(&key);
    skio__buf_deinit(&value);
    return err;
}

/* ---- Deleting ---- */

/* Private ids have one length. What cannot be deleted now waits, as many as
 * there can be clients at once; beyond that, and without memory, its time to
 * live ends it. */
static void
remember_stale(struct skio__streams *streams, const char *pid)
{
    uint32_t max =
        skio_adapter_options(streams->cluster.base.nsp)->max_connections;

    if (strlen(pid) == PID_LEN && streams->stale.len / PID_LEN < max)
        skio__buf_append(&streams->stale, pid, PID_LEN);
}

/* Delete some of those that wait. Returns SKIO_OK, or why it was not done. */
static int
delete_some(struct skio__streams *streams, size_t from, size_t count)
{
    const char *key_prefix =
        skio__redis_options(streams->redis)->session_key_prefix;
    skio_bytes argv[1 + DELETED_AT_ONCE];
    struct skio__buf keys;
    size_t key_len = strlen(key_prefix) + PID_LEN;
    int err;

    skio__buf_init(&keys, streams->cluster.mem);
    for (size_t i = 0; i < count; i++) {
        skio__buf_append_str(&keys, key_prefix);
        skio__buf_append(&keys, streams->stale.data + (from + i) * PID_LEN,
                         PID_LEN);
    }
    err = keys.err;
    argv[0] = skio__redis_word("UNLINK");
    for (size_t i = 0; err == SKIO_OK && i < count; i++)
        argv[1 + i] = (skio_bytes){keys.data + i * key_len, key_len};
    if (err == SKIO_OK)
        err = skio__redis_command(streams->redis, keys.data, key_len, argv,
                                  1 + count, NULL, NULL);
    skio__buf_deinit(&keys);
    return err;
}

void
skio__streams_sessions_up(struct skio__streams *streams)
{
    size_t total = streams->stale.len / PID_LEN;
    size_t done = 0;

    while (done < total) {
        size_t count = total - done;

        if (count > DELETED_AT_ONCE)
            count = DELETED_AT_ONCE;
        if (delete_some(streams, done, count) != SKIO_OK)
            break;
        done += count;
    }
    if (done == 0)
        return;
    memmove(streams->stale.data, streams->stale.data + done * PID_LEN,
            streams->stale.len - done * PID_LEN);
    streams->stale.len -= done * PID_LEN;
}

void
skio__streams_session_end(skio_adapter *adapter, const char *pid,
                          const char *sid)
{
    struct skio__streams *streams = skio__streams_of(adapter);

    (void)sid;
    remember_stale(streams, pid);
    skio__streams_sessions_up(streams);
}

static void
give_up_one(skio_socket *socket, const char *pid, const char *sid, void *user)
{
    (void)sid;
    remember_stale(user, pid);
    skio_adapter_session_forget(socket);
}

void
skio__streams_sessions_give_up(struct skio__streams *streams)
{
    if (!streams->recovers)
        return;
    skio_adapter_each_session(streams->cluster.base.nsp, give_up_one, streams);
    skio__streams_sessions_up(streams);
}

/* ---- Renewing ---- */

static void
keep_pid(skio_socket *socket, const char *pid, const char *sid, void *user)
{
    (void)socket;
    (void)sid;
    if (strlen(pid) == PID_LEN)
        skio__buf_append(user, pid, PID_LEN);
}

static void
renew(struct skio__streams *streams, const char *pid)
{
    struct skio__buf key;
    char ms[24];

    skio__buf_init(&key, streams->cluster.mem);
    snprintf(ms, sizeof ms, "%llu",
             (unsigned long long)time_to_live(streams, false));
    skio__buf_append_str(&key, skio__redis_options(streams->redis)
                                   ->session_key_prefix);
    if (skio__buf_append(&key, pid, PID_LEN) == SKIO_OK) {
        const skio_bytes argv[] = {skio__redis_word("PEXPIRE"),
                                   {key.data, key.len},
                                   skio__redis_word(ms)};

        /* Refused: then the next time, before the key's time is over. */
        if (skio__redis_command(streams->redis, key.data, key.len, argv, 3,
                                NULL, NULL) != SKIO_OK)
            streams->fresh_at = streams->fresh.len;
    }
    skio__buf_deinit(&key);
}

/* All of them in turn, a few at a time, twice while a key lives. */
static void
on_refresh(void *user)
{
    struct skio__streams *streams = user;
    struct skio__buf *fresh = &streams->fresh;
    uint32_t recovery_ms =
        skio_adapter_options(streams->cluster.base.nsp)->recovery_ms;

    if (streams->fresh_at >= fresh->len) {
        skio__buf_reset(fresh);
        streams->fresh_at = 0;
        skio_adapter_each_session(streams->cluster.base.nsp, keep_pid, fresh);
    }
    for (int i = 0; i < RENEWED_AT_ONCE && streams->fresh_at < fresh->len;
         i++) {
        renew(streams, fresh->data + streams->fresh_at);
        streams->fresh_at += PID_LEN;
    }
    /* A timer that runs has its place: setting it cannot fail. */
    (void)skio_timer_set(streams->refresh, streams->fresh_at < fresh->len
                                               ? RENEW_PAUSE_MS
                                               : recovery_ms / 2 + 1);
}

/* ---- Coming and going ---- */

int
skio__streams_sessions_init(struct skio__streams *streams)
{
    const skio_allocator *mem = streams->cluster.mem;

    skio__buf_init(&streams->fresh, mem);
    skio__buf_init(&streams->stale, mem);
    if (!streams->recovers)
        return SKIO_OK;
    streams->refresh =
        skio_timer_new(streams->cluster.server, on_refresh, streams);
    if (streams->refresh == NULL)
        return SKIO_ENOMEM;
    return skio_timer_set(streams->refresh,
                          skio_adapter_options(streams->cluster.base.nsp)
                                      ->recovery_ms /
                                  2 +
                              1);
}

void
skio__streams_sessions_deinit(struct skio__streams *streams)
{
    skio_timer_free(streams->refresh);
    skio__buf_deinit(&streams->fresh);
    skio__buf_deinit(&streams->stale);
}
