/*
 * One result of what the others answered and what is here
 */
#include "adapter/cluster_request.h"

#include <string.h>

#include "base/compiler.h"
#include "base/json.h"
#include "base/mem.h"

/* ---- Sockets that other servers told of ---- */

static char *
copy_string(struct skio__arena *arena, const char *text,
            const struct skio__json_slice *string)
{
    char *copy = skio__arena_alloc(arena, (size_t)string->len + 1);

    if (copy != NULL)
        copy[skio__json_unescape(text, string, copy)] = '\0';
    return copy;
}

static char *
copy_json(struct skio__arena *arena, const char *text,
          const struct skio__json_slice *value)
{
    char *copy = skio__arena_alloc(arena, (size_t)value->len + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, text + value->start, value->len);
    copy[value->len] = '\0';
    return copy;
}

static const char *const *
copy_rooms(struct skio__arena *arena, const char *text,
           const struct skio__json_slice *array)
{
    size_t max = skio__json_count(text, array);
    const char **rooms = skio__arena_alloc(arena, (max + 1) * sizeof *rooms);
    struct skio__json_iter iter;
    size_t count = 0;

    if (rooms == NULL)
        return NULL;
    skio__json_iter_init(&iter, text, array);
    while (count < max && skio__json_iter_next(&iter)) {
        if (iter.value.type != SKIO__JSON_STRING)
            continue;
        rooms[count] = copy_string(arena, text, &iter.value);
        if (rooms[count++] == NULL)
            return NULL;
    }
    rooms[count] = NULL;
    return rooms;
}

/* A member, as text; an empty object where there is none. NULL: no memory. */
static const char *
copy_member(struct skio__arena *arena, const char *text,
            const struct skio__json_slice *object, const char *key)
{
    struct skio__json_slice value;

    if (skio__json_get(text, object, key, strlen(key), &value) != SKIO_OK)
        return "{}";
    return copy_json(arena, text, &value);
}

/* SKIO_OK; SKIO_EPROTO for what is no socket; SKIO_ENOMEM. */
static int
read_socket(struct skio__cluster *cluster, const char *text,
            const struct skio__json_slice *object, struct skio_remote *remote)
{
    struct skio__arena *arena = &cluster->arena;
    struct skio__json_slice id;
    struct skio__json_slice rooms = {0};

    if (object->type != SKIO__JSON_OBJECT ||
        skio__json_get(text, object, "id", 2, &id) != SKIO_OK ||
        id.type != SKIO__JSON_STRING)
        return SKIO_EPROTO;
    (void)skio__json_get(text, object, "rooms", 5, &rooms);
    *remote = (struct skio_remote){
        .nsp = cluster->base.nsp,
        .id = copy_string(arena, text, &id),
        .shared = copy_member(arena, text, object, "data"),
        .rooms = copy_rooms(arena, text, &rooms),
        .handshake = copy_member(arena, text, object, "handshake"),
    };
    return remote->id != NULL && remote->shared != NULL &&
                   remote->rooms != NULL && remote->handshake != NULL
               ? SKIO_OK
               : SKIO_ENOMEM;
}

/* The whole list that has come, as an array. */
static int
close_list(struct skio__request *request, struct skio__json_slice *array)
{
    static const struct skio__json_limits limits = {SKIO__JSON_DEPTH_MAX, -1};
    struct skio__json_scan scan = {0};
    int err;

    request->list.max = 0;
    if (request->list.len == 0)
        skio__buf_putc(&request->list, '[');
    err = skio__buf_putc(&request->list, ']');
    if (err == SKIO_OK)
        err = skio__json_scan(request->list.data, request->list.len, &limits,
                              &scan);
    *array = scan.root;
    return err;
}

/* ---- Ending a fetch ---- */

struct found {
    const skio_remote **list;
    size_t count;
    const char *text; /* of the others */
    const struct skio__json_slice *array;
    struct skio__request *request;
    size_t missing;
    int err;
};

/* What is here comes first; then the others'. */
static void
join_found(int err, const skio_remote *const *sockets, size_t count,
           size_t missing, void *user)
{
    struct found *found = user;
    struct skio__request *request = found->request;
    struct skio__cluster *cluster = request->cluster;
    size_t more = skio__json_count(found->text, found->array);
    struct skio__json_iter iter;
    struct skio_remote *remotes;
    size_t n = 0;

    (void)missing;
    if (more > cluster->limits.max_fetched) {
        more = cluster->limits.max_fetched;
        found->err = SKIO_ELIMIT;
    }
    found->list = skio__arena_alloc(&cluster->arena,
                                    (count + more + 1) * sizeof *found->list);
    remotes = skio__arena_alloc(&cluster->arena, (more + 1) * sizeof *remotes);
    if (err == SKIO_OK && (found->list == NULL || remotes == NULL))
        err = SKIO_ENOMEM;
    if (err == SKIO_OK && count > 0)
        memcpy(found->list, sockets, count * sizeof *sockets);

    skio__json_iter_init(&iter, found->text, found->array);
    while (err == SKIO_OK && n < more && skio__json_iter_next(&iter)) {
        err = read_socket(cluster, found->text, &iter.value, &remotes[n]);
        if (err == SKIO_OK) {
            found->list[count + n] = &remotes[n];
            n++;
        } else if (err == SKIO_EPROTO) {
            err = SKIO_OK;
        }
    }
    if (err != SKIO_OK) {
        request->to.fetch(err, NULL, 0, found->missing, request->user);
        return;
    }
    request->to.fetch(found->err, found->list, count + n, found->missing,
                      request->user);
}

void
skio__request_finish_fetch(struct skio__request *request, int err,
                           size_t missing)
{
    skio_adapter *local = request->cluster->local;
    struct skio__json_slice array;
    struct found found = {.request = request, .missing = missing, .err = err};
    int bad = close_list(request, &array);

    found.text = request->list.data;
    found.array = &array;
    if (bad == SKIO_OK)
        bad = local->ops->fetch(local, &request->target, join_found, &found);
    if (bad != SKIO_OK)
        request->to.fetch(bad, NULL, 0, missing, request->user);
}

/* ---- Ending the other questions ---- */

static void
add_count(int err, size_t count, size_t missing, void *user)
{
    (void)err;
    (void)missing;
    *(size_t *)user += count;
}

void
skio__request_finish_count(struct skio__request *request, int err,
                           size_t missing)
{
    skio_adapter *local = request->cluster->local;
    struct skio__json_slice array;
    size_t sum = 0;
    int bad = close_list(request, &array);

    if (bad == SKIO_OK)
        sum = skio__json_count(request->list.data, &array);
    if (bad == SKIO_OK)
        bad = local->ops->count(local, &request->target, add_count, &sum);
    request->to.count(bad != SKIO_OK ? bad : err, sum, missing, request->user);
}

/* Names of rooms, each once. */
struct named {
    struct skio__map_node node;
    char name[];
};

struct rooms {
    struct skio__cluster *cluster;
    struct skio__map map;
    int err;
};

static void
add_name(struct rooms *rooms, const char *name)
{
    size_t len = strlen(name);
    struct named *named;

    if (rooms->err != SKIO_OK || skio__map_find(&rooms->map, name, len) != NULL)
        return;
    named = skio__arena_alloc(&rooms->cluster->arena, sizeof *named + len + 1);
    if (named == NULL) {
        rooms->err = SKIO_ENOMEM;
        return;
    }
    memcpy(named->name, name, len + 1);
    rooms->err = skio__map_put(&rooms->map, &named->node, named->name, len);
}

static bool
add_own(const char *room, void *user)
{
    add_name(user, room);
    return true;
}

/* An element is a room's name, or a socket in rooms. */
static void
add_element(struct rooms *rooms, const char *text,
            const struct skio__json_slice *element)
{
    struct skio__arena *arena = &rooms->cluster->arena;
    struct skio__json_slice list;
    struct skio__json_iter iter;
    char *name;

    if (element->type == SKIO__JSON_STRING) {
        name = copy_string(arena, text, element);
        if (name == NULL)
            rooms->err = SKIO_ENOMEM;
        else
            add_name(rooms, name);
        return;
    }
    if (skio__json_get(text, element, "rooms", 5, &list) != SKIO_OK)
        return;
    skio__json_iter_init(&iter, text, &list);
    while (rooms->err == SKIO_OK && skio__json_iter_next(&iter))
        if (iter.value.type == SKIO__JSON_STRING)
            add_element(rooms, text, &iter.value);
}

void
skio__request_finish_rooms(struct skio__request *request, int err,
                           size_t missing)
{
    struct skio__cluster *cluster = request->cluster;
    struct rooms rooms = {.cluster = cluster};
    struct skio__json_slice array;
    struct skio__json_iter iter;
    struct skio__map_node *node;
    const char **list = NULL;
    size_t count = 0;

    skio__map_init(&rooms.map, cluster->mem,
                   skio_adapter_hash_key(cluster->base.nsp));
    rooms.err = close_list(request, &array);
    if (rooms.err == SKIO_OK) {
        int bad =
            cluster->local->ops->each_room(cluster->local, add_own, &rooms);

        if (bad != SKIO_OK)
            rooms.err = bad;
        skio__json_iter_init(&iter, request->list.data, &array);
        while (rooms.err == SKIO_OK && skio__json_iter_next(&iter))
            add_element(&rooms, request->list.data, &iter.value);
    }
    if (rooms.err == SKIO_OK) {
        list =
            skio__arena_alloc(&cluster->arena,
                              (skio__map_count(&rooms.map) + 1) * sizeof *list);
        if (list == NULL)
            rooms.err = SKIO_ENOMEM;
    }
    for (node = skio__map_first(&rooms.map);
         rooms.err == SKIO_OK && node != NULL; node = skio__map_next(node))
        list[count++] = skio__container_of(node, struct named, node)->name;
    skio__map_deinit(&rooms.map);
    request->to.rooms(rooms.err != SKIO_OK ? rooms.err : err, list, count,
                      missing, request->user);
}

void
skio__request_finish_event(struct skio__request *request, int err,
                           size_t missing)
{
    struct skio__json_slice array;
    int bad = close_list(request, &array);

    if (bad == SKIO_OK)
        skio_adapter_responses(request->to.event, err, request->list.data,
                               request->list.len, missing);
    else
        skio_adapter_responses(request->to.event, bad, "[]", 2, missing);
}
