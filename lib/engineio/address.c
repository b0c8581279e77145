#include "engineio/address.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

struct eio_address *
skio__address_find(const struct eio_engine *engine, const char *text)
{
    struct skio__map_node *node =
        skio__map_find(&engine->addresses, text, strlen(text));

    return node != NULL ? skio__container_of(node, struct eio_address, node)
                        : NULL;
}

int
skio__address_enter(struct eio_engine *engine, const char *text,
                    struct eio_address **out)
{
    struct eio_address *address = skio__address_find(engine, text);
    size_t len = strlen(text);

    *out = NULL;
    if (len == 0)
        return SKIO_OK;
    if (address == NULL) {
        address = skio__mem_calloc(engine->mem, 1, sizeof *address + len + 1);
        if (address == NULL)
            return SKIO_ENOMEM;
        memcpy(address->text, text, len + 1);
        if (skio__map_put(&engine->addresses, &address->node, address->text,
                          len) != SKIO_OK) {
            skio__mem_free(engine->mem, address);
            return SKIO_ENOMEM;
        }
    }
    address->sessions++;
    *out = address;
    return SKIO_OK;
}

void
skio__address_leave(struct eio_engine *engine, struct eio_address *address)
{
    if (address == NULL || --address->sessions > 0)
        return;
    skio__map_remove(&engine->addresses, &address->node);
    skio__mem_free(engine->mem, address);
}
