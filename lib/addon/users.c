/*
 * Users: the room "user:<id>", and who was here last
 *
 * Each server keeps a table of the users that have sockets here, and of the
 * latest max_seen that had some: a hash table of lists, keyed at random, and a
 * list of those who have gone, the latest last.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include <socketio/cluster.h>
#include <socketio/loop.h>
#include <socketio/transport.h>
#include <socketio/users.h>

#include "addon/sized.h"

#define PREFIX "user:"
#define SEEN_MAX 10000000
#define ID_MAX 1024
#define ROOM_SIZE (sizeof PREFIX + ID_MAX)
#define BUCKETS_MIN 64

struct user {
    struct user *same;   /* of the same bucket */
    struct user *before; /* of those who have gone */
    struct user *after;
    uint64_t hash;
    uint64_t seen_ms; /* when the last socket went */
    size_t count;     /* sockets here; 0: in the list */
    bool was_seen;
    char id[];
};

struct users {
    skio_server *server;
    skio_users_options options;
    unsigned char hash_key[crypto_shorthash_KEYBYTES];
    struct user **buckets;
    size_t bucket_count; /* a power of two */
    size_t user_count;
    size_t gone_count;
    struct user *first; /* of those who have gone, the longest ago */
    struct user *last;
};

/* What hangs on a socket. */
struct bound {
    struct users *users;
    struct user *user;
};

static const char users_key = 0;
static const char bound_key = 0;

static const skio_users_options defaults = {
    .struct_size = sizeof(skio_users_options),
    .max_seen = 10000,
    .max_id_bytes = 128,
};

void
skio_users_options_init_size(skio_users_options *options, size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* ---- The table ---- */

static void
free_users(void *user)
{
    struct users *users = user;

    for (size_t i = 0; i < users->bucket_count; i++) {
        while (users->buckets[i] != NULL) {
            struct user *each = users->buckets[i];

            users->buckets[i] = each->same;
            skio_transport_free(users->server, each);
        }
    }
    skio_transport_free(users->server, users->buckets);
    skio_transport_free(users->server, users);
}

static struct user **
make_buckets(skio_server *server, size_t count)
{
    struct user **buckets =
        skio_transport_alloc(server, count * sizeof *buckets);

    for (size_t i = 0; buckets != NULL && i < count; i++)
        buckets[i] = NULL;
    return buckets;
}

static int
make_users(skio_server *server, const skio_users_options *options,
           struct users **out)
{
    struct users *users = skio_transport_alloc(server, sizeof *users);
    struct user **buckets = make_buckets(server, BUCKETS_MIN);
    int err;

    if (users == NULL || buckets == NULL) {
        skio_transport_free(server, buckets);
        skio_transport_free(server, users);
        return SKIO_ENOMEM;
    }
    *users = (struct users){
        .server = server,
        .options = *options,
        .buckets = buckets,
        .bucket_count = BUCKETS_MIN,
    };
    randombytes_buf(users->hash_key, sizeof users->hash_key);
    err = skio_server_attach(server, &users_key, users, free_users);
    if (err != SKIO_OK)
        free_users(users);
    else
        *out = users;
    return err;
}

/* With longer lists everything works, too: no memory is no error. */
static void
grow(struct users *users)
{
    size_t count = users->bucket_count * 2;
    struct user **buckets;

    if (users->user_count < users->bucket_count ||
        count > SIZE_MAX / 2 / sizeof(struct user *))
        return;
    buckets = make_buckets(users->server, count);
    if (buckets == NULL)
        return;
    for (size_t i = 0; i < users->bucket_count; i++) {
        while (users->buckets[i] != NULL) {
            struct user *each = users->buckets[i];

            users->buckets[i] = each->same;
            each->same = buckets[each->hash & (count - 1)];
            buckets[each->hash & (count - 1)] = each;
        }
    }
    skio_transport_free(users->server, users->buckets);
    users->buckets = buckets;
    users->bucket_count = count;
}

static uint64_t
hash_of(const struct users *users, const char *id)
{
    unsigned char bytes[crypto_shorthash_BYTES];
    uint64_t hash;

    crypto_shorthash(bytes, (const unsigned char *)id, strlen(id),
                     users->hash_key);
    memcpy(&hash, bytes, sizeof hash);
    return hash;
}

static struct user *
find_user(const struct users *users, const char *id)
{
    uint64_t hash = hash_of(users, id);
    struct user *user = users->buckets[hash & (users->bucket_count - 1)];

    while (user != NULL && (user->hash != hash || strcmp(user->id, id) != 0))
        user = user->same;
    return user;
}

/* ---- Those who have gone ---- */

static void
gone_remove(struct users *users, struct user *user)
{
    if (user->before != NULL)
        user->before->after = user->after;
    else
        users->first = user->after;
    if (user->after != NULL)
        user->after->before = user->before;
    else
        users->last = user->before;
    user->before = user->after = NULL;
    users->gone_count--;
}

static void
forget_user(struct users *users, struct user *user)
{
    struct user **link =
        &users->buckets[user->hash & (users->bucket_count - 1)];

    while (*link != user)
        link = &(*link)->same;
    *link = user->same;
    users->user_count--;
    skio_transport_free(users->server, user);
}

static void
gone_append(struct users *users, struct user *user)
{
    user->before = users->last;
    user->after = NULL;
    if (users->last != NULL)
        users->last->after = user;
    else
        users->first = user;
    users->last = user;
    users->gone_count++;
    if (users->gone_count > users->options.max_seen) {
        struct user *longest = users->first;

        gone_remove(users, longest);
        forget_user(users, longest);
    }
}

/* Count one socket more. NULL: no memory. */
static struct user *
take_user(struct users *users, const char *id)
{
    struct user *user = find_user(users, id);
    size_t size = strlen(id) + 1;

    if (user != NULL) {
        if (user->count++ == 0)
            gone_remove(users, user);
        return user;
    }
    user = skio_transport_alloc(users->server, sizeof *user + size);
    if (user == NULL)
        return NULL;
    memset(user, 0, sizeof *user);
    memcpy(user->id, id, size);
    user->hash = hash_of(users, id);
    user->count = 1;
    grow(users);
    user->same = users->buckets[user->hash & (users->bucket_count - 1)];
    users->buckets[user->hash & (users->bucket_count - 1)] = user;
    users->user_count++;
    return user;
}

static void
give_user(struct users *users, struct user *user)
{
    if (--user->count > 0)
        return;
    user->was_seen = true;
    user->seen_ms = skio_loop_wall(users->server);
    gone_append(users, user);
}

/* It was no socket of this user after all. */
static void
take_back_user(struct users *users, struct user *user)
{
    if (--user->count > 0)
        return;
    if (user->was_seen)
        gone_append(users, user);
    else
        forget_user(users, user);
}

/* ---- Rooms ---- */

static struct users *
users_of(const skio_server *server)
{
    return skio_server_attached(server, &users_key);
}

/* The room of a user. False: that is no id. */
static bool
room_of(const skio_server *server, const char *id, char room[ROOM_SIZE])
{
    const struct users *users = users_of(server);
    size_t max =
        users != NULL ? users->options.max_id_bytes : defaults.max_id_bytes;
    size_t len = id != NULL ? strlen(id) : 0;

    if (len == 0 || len > max)
        return false;
    memcpy(room, PREFIX, sizeof PREFIX - 1);
    memcpy(room + sizeof PREFIX - 1, id, len + 1);
    return true;
}

int
skio_users_setup(skio_server *server, const skio_users_options *options)
{
    skio_users_options own = defaults;
    struct users *users;

    addon_sized_read(&own, sizeof own, options);
    if (own.max_seen == 0 || own.max_seen > SEEN_MAX || own.max_id_bytes == 0 ||
        own.max_id_bytes > ID_MAX)
        return SKIO_EINVAL;
    if (users_of(server) != NULL)
        return SKIO_EBUSY;
    return make_users(server, &own, &users);
}

static void
free_bound(void *data)
{
    struct bound *bound = data;
    struct users *users = bound->users;

    give_user(users, bound->user);
    skio_transport_free(users->server, bound);
}

/* Note whose it is. */
static int
attach_user(struct users *users, skio_socket *socket, const char *id)
{
    struct bound *bound = skio_transport_alloc(users->server, sizeof *bound);
    int err;

    if (bound == NULL)
        return SKIO_ENOMEM;
    bound->users = users;
    bound->user = take_user(users, id);
    if (bound->user == NULL) {
        skio_transport_free(users->server, bound);
        return SKIO_ENOMEM;
    }
    err = skio_socket_attach(socket, &bound_key, bound, free_bound);
    if (err != SKIO_OK) {
        take_back_user(users, bound->user);
        skio_transport_free(users->server, bound);
    }
    return err;
}

static void
leave_room(skio_socket *socket, const char *id)
{
    skio_nsp *nsp = skio_socket_nsp(socket);
    char room[ROOM_SIZE];

    if (nsp != NULL && room_of(skio_nsp_server(nsp), id, room))
        (void)skio_leave(socket, room);
}

int
skio_user_bind(skio_socket *socket, const char *id)
{
    skio_nsp *nsp = skio_socket_nsp(socket);
    const char *old = skio_user_of(socket);
    char room[ROOM_SIZE];
    char old_room[ROOM_SIZE] = "";
    struct users *users;
    int err = SKIO_OK;

    if (nsp == NULL)
        return SKIO_ECLOSED;
    if (!room_of(skio_nsp_server(nsp), id, room))
        return SKIO_EINVAL;
    if (old != NULL && strcmp(old, id) == 0)
        return SKIO_OK;
    users = users_of(skio_nsp_server(nsp));
    if (users == NULL)
        err = make_users(skio_nsp_server(nsp), &defaults, &users);
    if (err != SKIO_OK)
        return err;
    if (old != NULL)
        (void)room_of(users->server, old, old_room);

    /* Who watches rooms may disconnect the socket meanwhile. */
    skio_socket_ref(socket);
    err = skio_join(socket, room);
    if (err == SKIO_OK) {
        err = attach_user(users, socket, id);
        if (err != SKIO_OK)
            (void)skio_leave(socket, room);
        else if (old_room[0] != '\0')
            (void)skio_leave(socket, old_room);
    }
    skio_socket_unref(socket);
    return err;
}

int
skio_user_unbind(skio_socket *socket)
{
    const char *id = skio_user_of(socket);

    if (id == NULL)
        return SKIO_ENOENT;
    /* Leaving may disconnect it, and what it was bound to goes then. */
    skio_socket_ref(socket);
    leave_room(socket, id);
    (void)skio_socket_attach(socket, &bound_key, NULL, NULL);
    skio_socket_unref(socket);
    return SKIO_OK;
}

const char *
skio_user_of(const skio_socket *socket)
{
    const struct bound *bound = skio_socket_attached(socket, &bound_key);

    return bound != NULL ? bound->user->id : NULL;
}

/* ---- What reaches a room reaches a user ---- */

int
skio_user_emitv(skio_nsp *nsp, const char *id, const char *event,
                const char *format, va_list args)
{
    char room[ROOM_SIZE];

    if (!room_of(skio_nsp_server(nsp), id, room))
        return SKIO_EINVAL;
    return skio_emit_withv(nsp, SKIO_TARGET(.to = SKIO_ROOMS(room)), event,
                           format, args);
}

int
skio_user_emit(skio_nsp *nsp, const char *id, const char *event,
               const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio_user_emitv(nsp, id, event, format, args);
    va_end(args);
    return err;
}

int
skio_user_fetch(skio_nsp *nsp, const char *id, skio_fetch_fn *fn, void *user)
{
    char room[ROOM_SIZE];

    if (!room_of(skio_nsp_server(nsp), id, room))
        return SKIO_EINVAL;
    return skio_sockets_fetch(nsp, SKIO_TARGET(.to = SKIO_ROOMS(room)), fn,
                              user);
}

int
skio_user_disconnect(skio_nsp *nsp, const char *id, bool close)
{
    char room[ROOM_SIZE];

    if (!room_of(skio_nsp_server(nsp), id, room))
        return SKIO_EINVAL;
    return skio_sockets_disconnect(nsp, SKIO_TARGET(.to = SKIO_ROOMS(room)),
                                   close);
}

/* ---- Who is there, and who was ---- */

struct question {
    skio_server *server;
    skio_user_online_fn *fn;
    void *user;
};

static void
on_count(int err, size_t count, size_t missing, void *user)
{
    struct question question = *(struct question *)user;

    skio_transport_free(question.server, user);
    question.fn(err, count, missing, question.user);
}

int
skio_user_is_online(skio_nsp *nsp, const char *id, skio_user_online_fn *fn,
                    void *user)
{
    skio_server *server = skio_nsp_server(nsp);
    struct question *question;
    char room[ROOM_SIZE];
    size_t here;
    int err;

    if (!room_of(server, id, room))
        return SKIO_EINVAL;
    here = skio_room_count(nsp, room);
    if (here > 0) {
        fn(SKIO_OK, here, 0, user);
        return SKIO_OK;
    }
    question = skio_transport_alloc(server, sizeof *question);
    if (question == NULL)
        return SKIO_ENOMEM;
    *question = (struct question){server, fn, user};
    err = skio_sockets_count(nsp, SKIO_TARGET(.to = SKIO_ROOMS(room)), on_count,
                             question);
    if (err != SKIO_OK)
        skio_transport_free(server, question);
    return err;
}

size_t
skio_user_count(const skio_server *server, const char *id)
{
    const struct users *users = users_of(server);
    const struct user *user =
        users != NULL && id != NULL ? find_user(users, id) : NULL;

    return user != NULL ? user->count : 0;
}

int
skio_user_last_seen(const skio_server *server, const char *id, uint64_t *ms)
{
    const struct users *users = users_of(server);
    const struct user *user;
    char room[ROOM_SIZE];

    if (!room_of(server, id, room))
        return SKIO_EINVAL;
    user = users != NULL ? find_user(users, id) : NULL;
    if (user == NULL)
        return SKIO_ENOENT;
    *ms = user->count > 0 ? skio_loop_wall(server) : user->seen_ms;
    return SKIO_OK;
}
