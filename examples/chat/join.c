/*
 * Joining the servers of a cluster, and noticing when one is gone
 */
#define _DEFAULT_SOURCE

#include "cluster.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#ifdef HAVE_REDIS /* the library was built with it */
#include <socketio/loop.h>
#include <socketio/redis.h>
#endif

#define ANSWER_MS 2000 /* that other servers have; the page waits for longer */
#define WATCH_MS 3000

/* The balancer reads the name; the rest is 128 random bits. */
static int
on_generate_id(const skio_engine_request *request, char id[64], void *name)
{
    unsigned char bytes[16];
    int len = snprintf(id, 64, "%.16s.", (const char *)name);

    (void)request;
    if (len < 0 || getrandom(bytes, sizeof bytes, 0) != (int)sizeof bytes)
        return SKIO_EIO;
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(id + len + 2 * i, 3, "%02x", bytes[i]);
    return SKIO_OK;
}

int
join_name(skio_server *server, const char *name)
{
    if (!name_is_valid(name, 16) || strchr(name, '.') != NULL)
        return SKIO_EINVAL;
    return skio_generate_id(server, on_generate_id, (void *)(uintptr_t)name);
}

#ifdef HAVE_REDIS

static struct {
    skio_timer *timer;
    size_t servers; /* of the cluster, when it was last looked at */
} watch;

/* What was said meanwhile is asked for, by those who are back already, too. */
static void
on_event(skio_server *server, const skio_redis_event *event, void *arg)
{
    (void)server;
    if (event->state == SKIO_REDIS_DOWN) {
        (void)fprintf(stderr, "chat: --redis: %s\n", event->text);
    } else if (event->gap_ms > 0) {
        cluster_catch_up(arg);
        cluster_tell_back(arg);
    }
}

int
join_redis(struct chat *chat, skio_server *server, const char *url)
{
    skio_redis_options redis;

    skio_redis_options_init(&redis);
    redis.url = url;
    redis.key = "chat";
    redis.requests_timeout_ms = ANSWER_MS;
    redis.on_event = on_event;
    redis.on_event_user = chat;
    return skio_redis_adapter(server, &redis);
}

/* arg is a room that may be gone. */
static void
on_people(struct chat *chat, const char *people, void *arg)
{
    const struct room *room = NULL;
    char address[ADDRESS_BYTES];
    char name[NAME_BYTES + 1];

    for (size_t i = 0; i < chat->rooms.count; i++)
        if (chat->rooms.items[i] == arg)
            room = chat->rooms.items[i];
    if (room == NULL || people == NULL)
        return;
    for (size_t i = 0; i < (room->kind == ROOM_DIRECT ? 2 : 1); i++) {
        if (room->kind == ROOM_DIRECT) {
            user_address(address, room->pair[i]);
            direct_name(name, room, room->pair[i]);
        } else {
            room_address(address, room);
            (void)snprintf(name, sizeof name, "%s", room->name);
        }
        (void)skio_emit_with(chat->nsp,
                             SKIO_TARGET(.to = SKIO_ROOMS(address),
                                         .flags = SKIO_LOCAL),
                             "people", "{'room':%s,'people':%-s}", name,
                             people);
    }
}

/* A server that was killed did not say who left with it. */
static void
on_count(int err, size_t count, size_t missing, void *arg)
{
    struct chat *chat = arg;

    (void)missing;
    if (err != SKIO_OK)
        return;
    if (count < watch.servers)
        for (size_t i = 0; i < chat->rooms.count; i++)
            if (!room_is_idle(chat->rooms.items[i]))
                cluster_people(chat, chat->rooms.items[i], on_people,
                               chat->rooms.items[i]);
    watch.servers = count;
}

static void
on_watch(void *arg)
{
    struct chat *chat = arg;

    (void)skio_server_count(chat->nsp, on_count, chat);
    (void)skio_timer_set(watch.timer, WATCH_MS); /* it was set: succeeds */
}

int
join_watch(struct chat *chat, skio_server *server)
{
    watch.timer = skio_timer_new(server, on_watch, chat);
    return watch.timer == NULL ? SKIO_ENOMEM
                               : skio_timer_set(watch.timer, WATCH_MS);
}

void
join_end(void)
{
    skio_timer_free(watch.timer);
}

#else

int
join_redis(struct chat *chat, skio_server *server, const char *url)
{
    (void)chat;
    (void)server;
    (void)url;
    return SKIO_ENOTSUP;
}

int
join_watch(struct chat *chat, skio_server *server)
{
    (void)chat;
    (void)server;
    return SKIO_OK;
}

void
join_end(void)
{
}

#endif
