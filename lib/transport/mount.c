#include "transport/mount.h"

#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "transport/lws.h"

#define PATH_BYTES 255 /* lws keeps the length in a byte */

static void
free_mount(struct skio__lws *transport, struct skio__mount *mount)
{
    skio__mem_free(transport->mem, mount->path);
    skio__mem_free(transport->mem, mount->folder);
    skio__mem_free(transport->mem, mount->index);
    skio__mem_free(transport->mem, mount);
}

int
skio_mount(skio_server *server, const char *path, const char *folder,
           const char *index)
{
    struct skio__lws *transport;
    struct skio__mount *mount;
    size_t len = strlen(path);
    struct stat st;

    while (len > 1 && path[len - 1] == '/')
        len--;
    if (path[0] != '/' || len > PATH_BYTES || index[0] == '\0' ||
        strchr(index, '/') != NULL)
        return SKIO_EINVAL;
    if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode))
        return SKIO_ENOENT;

    transport = skio__lws_get(server);
    if (transport == NULL)
        return SKIO_ENOMEM;
    if (transport->loop != NULL || transport->embedded)
        return SKIO_EBUSY;

    mount = skio__mem_calloc(transport->mem, 1, sizeof(*mount));
    if (mount == NULL)
        return SKIO_ENOMEM;
    mount->path = skio__mem_strndup(transport->mem, path, len);
    mount->folder = skio__mem_strndup(transport->mem, folder, strlen(folder));
    mount->index = skio__mem_strndup(transport->mem, index, strlen(index));
    if (mount->path == NULL || mount->folder == NULL || mount->index == NULL) {
        free_mount(transport, mount);
        return SKIO_ENOMEM;
    }
    mount->next = transport->mounts;
    transport->mounts = mount;

    return SKIO_OK;
}

void
skio__mounts_free(struct skio__lws *transport)
{
    struct skio__mount *mount = transport->mounts;

    while (mount != NULL) {
        struct skio__mount *next = mount->next;

        free_mount(transport, mount);
        mount = next;
    }
    transport->mounts = NULL;
}
