/*
 * The mounts of the own vhost: folders that lws serves, and the paths that it
 * shall not serve from them, which come to us
 */
#include "transport/lws_path.h"

#include <string.h>

#include "base/mem.h"
#include "transport/endpoint.h"
#include "transport/mount.h"

struct skio__path {
    struct skio__path *next;
    struct lws_http_mount mount;
    char text[];
};

/*
 * lws 4.1 lets a callback mount win over whatever came before it in the list,
 * longer or not; in the order of length the longest wins.
 */
static void
insert_path(struct skio__lws *transport, struct skio__path *path)
{
    struct skio__path **at = &transport->paths;
    struct skio__path *before = NULL;

    while (*at != NULL &&
           (*at)->mount.mountpoint_len <= path->mount.mountpoint_len) {
        before = *at;
        at = &(*at)->next;
    }
    path->next = *at;
    path->mount.mount_next = path->next != NULL ? &path->next->mount : NULL;
    *at = path;
    if (before != NULL)
        before->mount.mount_next = &path->mount;
}

static struct skio__path *
new_path(struct skio__lws *transport, const char *text)
{
    size_t len = strlen(text);
    struct skio__path *path;

    while (len > 1 && text[len - 1] == '/')
        len--;
    path = skio__mem_calloc(transport->mem, 1, sizeof(*path) + len + 1);
    if (path == NULL)
        return NULL;
    memcpy(path->text, text, len);
    path->mount.mountpoint = path->text;
    path->mount.mountpoint_len = (unsigned char)(len < 255 ? len : 255);
    path->mount.origin_protocol = LWSMPRO_CALLBACK;
    path->mount.origin = SKIO__LWS_NAME;
    path->mount.protocol = SKIO__LWS_NAME;

    return path;
}

static int
add_path(struct skio__lws *transport, const char *text)
{
    struct skio__path *path = new_path(transport, text);

    if (path == NULL)
        return SKIO_ENOMEM;
    insert_path(transport, path);
    return SKIO_OK;
}

int
skio__path_add(struct skio__lws *transport, const char *path)
{
    return transport->paths != NULL ? add_path(transport, path) : SKIO_OK;
}

/* What lws 4.1 does not know; without a type it serves nothing. The last entry
 * is for everything else. */
static const struct lws_protocol_vhost_options other_types[] = {
    {&other_types[1], NULL, ".mjs", "text/javascript"},
    {&other_types[2], NULL, ".map", "application/json"},
    {&other_types[3], NULL, ".webmanifest", "application/manifest+json"},
    {&other_types[4], NULL, ".webp", "image/webp"},
    {&other_types[5], NULL, ".wasm", "application/wasm"},
    {&other_types[6], NULL, ".mp3", "audio/mpeg"},
    {&other_types[7], NULL, ".mp4", "video/mp4"},
    {&other_types[8], NULL, ".woff2", "font/woff2"},
    {NULL, NULL, "*", "application/octet-stream"},
};

static int
add_mount(struct skio__lws *transport, const struct skio__mount *mount)
{
    struct skio__path *path = new_path(transport, mount->path);

    if (path == NULL)
        return SKIO_ENOMEM;
    path->mount.origin_protocol = LWSMPRO_FILE;
    path->mount.origin = mount->folder;
    path->mount.protocol = NULL;
    path->mount.def = mount->index;
    path->mount.extra_mimetypes = other_types;
    /* without an age lws says "no-store", and the ETag is of no use */
    path->mount.cache_max_age = 1;
    path->mount.cache_reusable = 1;
    path->mount.cache_revalidate = 1;
    insert_path(transport, path);
    return SKIO_OK;
}

int
skio__paths_init(struct skio__lws *transport)
{
    const struct skio__mount *mount = transport->mounts;
    int err;

    /* The list's head stays: lws keeps a pointer to it. Nothing matches it. */
    err = add_path(transport, "\001");
    for (; mount != NULL && err == SKIO_OK; mount = mount->next)
        err = add_mount(transport, mount);
    if (err == SKIO_OK)
        err = add_path(transport, transport->options->path);
    if (err == SKIO_OK)
        err = skio__endpoints_each(transport, add_path);
    return err;
}

void
skio__paths_free(struct skio__lws *transport)
{
    while (transport->paths != NULL) {
        struct skio__path *next = transport->paths->next;

        skio__mem_free(transport->mem, transport->paths);
        transport->paths = next;
    }
}

const struct lws_http_mount *
skio__paths_mounts(const struct skio__lws *transport)
{
    return &transport->paths->mount;
}
