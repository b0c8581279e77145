/*
 * Shapes: the events of a namespace, checked before their handlers run
 *
 * The shapes are found by halving a list that is sorted by name. An entry stays
 * where it is as long as the server lives: what is called back may add others.
 */
#include <string.h>

#include <socketio/emit.h>
#include <socketio/shapes.h>
#include <socketio/transport.h>

#include "addon/sized.h"

struct entry {
    skio_shape *shape; /* NULL: of events without one */
    uint64_t checked;
    uint64_t refused;
    char name[];
};

struct skio_shapes {
    skio_server *server;
    struct entry **entries; /* sorted by name */
    size_t count;
    size_t cap;
    struct entry *others; /* NULL: they pass */
    enum skio_shapes_silent silent;
    skio_refused_fn *refused;
    void *user;
    char notice[];
};

/* What a client is told. */
struct refusal {
    const char *path;
    const char *why;
};

static const skio_shapes_options defaults = {
    .struct_size = sizeof(skio_shapes_options),
    .silent = SKIO_SHAPES_DROP,
    .notice = "invalid",
};

void
skio_shapes_options_init_size(skio_shapes_options *options, size_t struct_size)
{
    addon_sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* The entry of an event; *at gets where one would have to be put. */
static struct entry *
find_entry(const struct skio_shapes *shapes, const char *event, size_t *at)
{
    size_t low = 0;
    size_t high = shapes->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(event, shapes->entries[middle]->name);

        if (order == 0)
            return shapes->entries[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    if (at != NULL)
        *at = low;
    return NULL;
}

/*
 * Tell the client, and who wants to know. A client that is not reached any
 * more needs no answer; nothing else can be done about an error here.
 */
static void
refuse(struct skio_shapes *shapes, struct entry *entry, skio_socket *socket,
       skio_ack *ack, const struct refusal *refusal)
{
    const char *path = refusal->path;
    const char *why = refusal->why;

    entry->refused++;
    if (ack != NULL)
        (void)skio_ack_send(ack, "{'error':'invalid','path':%s,'reason':%s}",
                            path, why);
    else if (shapes->silent == SKIO_SHAPES_EMIT)
        (void)skio_emit(socket, shapes->notice,
                        "{'event':%s,'error':'invalid','path':%s,'reason':%s}",
                        entry->name, path, why);
    else if (shapes->silent == SKIO_SHAPES_DISCONNECT)
        skio_disconnect(socket, true);
    if (shapes->refused != NULL)
        shapes->refused(socket, entry->name, path, why, shapes->user);
}

static int
check_event(skio_socket *socket, const char *event, const skio_value *args,
            skio_ack *ack, void *user)
{
    struct skio_shapes *shapes = user;
    struct entry *entry = find_entry(shapes, event, NULL);
    char path[SKIO_SHAPE_PATH_SIZE];
    struct refusal refusal = {"", "unknown event"};

    if (entry == NULL)
        entry = shapes->others;
    if (entry == NULL)
        return SKIO_OK;
    entry->checked++;
    if (entry->shape != NULL) {
        if (skio_shape_check(entry->shape, args, path, sizeof path,
                             &refusal.why) == SKIO_OK)
            return SKIO_OK;
        refusal.path = path;
    }
    refuse(shapes, entry, socket, ack, &refusal);
    return SKIO_EINVAL;
}

static void
free_shapes(void *user)
{
    struct skio_shapes *shapes = user;
    skio_server *server = shapes->server;

    for (size_t i = 0; i < shapes->count; i++) {
        skio_shape_free(shapes->entries[i]->shape);
        skio_transport_free(server, shapes->entries[i]);
    }
    skio_transport_free(server, shapes->others);
    skio_transport_free(server, shapes->entries);
    skio_transport_free(server, shapes);
}

static struct entry *
new_entry(skio_server *server, const char *name)
{
    const size_t len = strlen(name);
    struct entry *entry = skio_transport_alloc(server, sizeof *entry + len + 1);

    if (entry == NULL)
        return NULL;
    entry->shape = NULL;
    entry->checked = 0;
    entry->refused = 0;
    memcpy(entry->name, name, len + 1);
    return entry;
}

/* Whether the notice can be emitted: its name is one of events. */
static int
check_notice(skio_nsp *nsp, const skio_shapes_options *options)
{
    skio_message *message;

    if (options->silent != SKIO_SHAPES_EMIT)
        return options->silent == SKIO_SHAPES_DROP ||
                       options->silent == SKIO_SHAPES_DISCONNECT
                   ? SKIO_OK
                   : SKIO_EINVAL;
    if (options->notice == NULL || options->notice[0] == '\0')
        return SKIO_EINVAL;
    message = skio_message_new(nsp, options->notice, NULL);
    if (message == NULL) {
        /* Is it the name, or memory? */
        message = skio_message_new(nsp, "invalid", NULL);
        skio_message_free(message);
        return message != NULL ? SKIO_EINVAL : SKIO_ENOMEM;
    }
    skio_message_free(message);
    return SKIO_OK;
}

int
skio_shapes_new(skio_nsp *nsp, const skio_shapes_options *options,
                skio_shapes **out)
{
    skio_server *server = skio_nsp_server(nsp);
    skio_shapes_options own = defaults;
    struct skio_shapes *shapes;
    size_t len;
    int err;

    addon_sized_read(&own, sizeof own, options);
    err = check_notice(nsp, &own);
    if (err != SKIO_OK)
        return err;

    len = own.notice != NULL ? strlen(own.notice) : 0;
    shapes = skio_transport_alloc(server, sizeof *shapes + len + 1);
    if (shapes == NULL)
        return SKIO_ENOMEM;
    *shapes = (struct skio_shapes){.server = server,
                                   .silent = own.silent,
                                   .refused = own.refused,
                                   .user = own.user};
    if (len > 0)
        memcpy(shapes->notice, own.notice, len);
    shapes->notice[len] = '\0';
    if (own.refuse_others) {
        shapes->others = new_entry(server, "");
        if (shapes->others == NULL)
            goto fail;
    }
    err = skio_server_on_free(server, free_shapes, shapes);
    if (err != SKIO_OK)
        goto fail;
    /* Without events it does nothing: freed with the server. */
    err = skio_use_event(nsp, check_event, shapes);
    if (err == SKIO_OK)
        *out = shapes;
    return err;

fail:
    skio_transport_free(server, shapes->others);
    skio_transport_free(server, shapes);
    return SKIO_ENOMEM;
}

static int
make_place(struct skio_shapes *shapes)
{
    const size_t cap = shapes->cap == 0 ? 8 : shapes->cap * 2;
    struct entry **entries;

    if (shapes->count < shapes->cap)
        return SKIO_OK;
    entries =
        skio_transport_alloc(shapes->server, cap * sizeof(struct entry *));
    if (entries == NULL)
        return SKIO_ENOMEM;
    if (shapes->count > 0)
        memcpy(entries, shapes->entries,
               shapes->count * sizeof(struct entry *));
    skio_transport_free(shapes->server, shapes->entries);
    shapes->entries = entries;
    shapes->cap = cap;
    return SKIO_OK;
}

static int
read_shape(struct skio_shapes *shapes, const char *event,
           const char *declaration, struct entry **out, size_t *at,
           const char **why)
{
    skio_shape *shape = NULL;
    const char *what = "";
    size_t where = 0;
    int err =
        skio_shape_new(shapes->server, declaration, &shape, &where, &what);

    if (err == SKIO_EINVAL) {
        skio_transport_log(shapes->server, SKIO_LOG_ERROR,
                           "the shape of '%s', byte %zu: %s", event, where,
                           what);
        if (at != NULL)
            *at = where;
        if (why != NULL)
            *why = what;
    }
    if (err != SKIO_OK)
        return err;
    *out = new_entry(shapes->server, event);
    if (*out == NULL) {
        skio_shape_free(shape);
        return SKIO_ENOMEM;
    }
    (*out)->shape = shape;
    return SKIO_OK;
}

int
skio_shapes_add(skio_shapes *shapes, const char *event, const char *declaration,
                size_t *at, const char **why)
{
    struct entry *entry = NULL;
    size_t place = 0;
    int err;

    if (event[0] == '\0') {
        if (at != NULL)
            *at = 0;
        if (why != NULL)
            *why = "the event has no name";
        return SKIO_EINVAL;
    }
    if (find_entry(shapes, event, &place) != NULL)
        return SKIO_EBUSY;
    err = make_place(shapes);
    if (err == SKIO_OK)
        err = read_shape(shapes, event, declaration, &entry, at, why);
    if (err != SKIO_OK)
        return err;
    memmove(shapes->entries + place + 1, shapes->entries + place,
            (shapes->count - place) * sizeof(struct entry *));
    shapes->entries[place] = entry;
    shapes->count++;
    return SKIO_OK;
}

void
skio_shapes_each(const skio_shapes *shapes, skio_shapes_count_fn *fn,
                 void *user)
{
    const struct entry *others = shapes->others;

    if (others != NULL && !fn("", others->checked, others->refused, user))
        return;
    for (size_t i = 0; i < shapes->count; i++) {
        const struct entry *entry = shapes->entries[i];

        if (!fn(entry->name, entry->checked, entry->refused, user))
            return;
    }
}
