#include "engineio/address.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/ip6.h"
#include "base/mem.h"

static const char *
print_dotted(const uint8_t bytes[4], char out[EIO_ADDRESS_KEY])
{
    snprintf(out, EIO_ADDRESS_KEY, "%u.%u.%u.%u", (unsigned)bytes[0],
             (unsigned)bytes[1], (unsigned)bytes[2], (unsigned)bytes[3]);
    return out;
}

static const char *
print_hex(const uint8_t bytes[SKIO__IP6_BYTES], char out[EIO_ADDRESS_KEY])
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;

    for (size_t i = 0; i < SKIO__IP6_BYTES; i++) {
        out[len++] = digits[bytes[i] >> 4];
        out[len++] = digits[bytes[i] & 15];
    }
    out[len] = '\0';
    return out;
}

const char *
skio__address_key(const struct eio_engine *engine, const char *text,
                  char buf[EIO_ADDRESS_KEY])
{
    uint8_t address[SKIO__IP6_BYTES];

    if (strchr(text, ':') == NULL || !skio__ip6_parse(text, address))
        return text;
    if (skio__ip6_is_mapped(address))
        return print_dotted(address + 12, buf);
    skio__ip6_mask(address, engine->options->ipv6_prefix);
    return print_hex(address, buf);
}

static struct eio_address *
find(const struct eio_engine *engine, const char *key)
{
    struct skio__map_node *node =
        skio__map_find(&engine->addresses, key, strlen(key));

    return node != NULL ? skio__container_of(node, struct eio_address, node)
                        : NULL;
}

struct eio_address *
skio__address_find(const struct eio_engine *engine, const char *text)
{
    char buf[EIO_ADDRESS_KEY];

    return find(engine, skio__address_key(engine, text, buf));
}

int
skio__address_enter(struct eio_engine *engine, const char *text,
                    struct eio_address **out)
{
    char buf[EIO_ADDRESS_KEY];
    const char *key = skio__address_key(engine, text, buf);
    struct eio_address *address;
    size_t len = strlen(key);

    *out = NULL;
    if (len == 0)
        return SKIO_OK;
    address = find(engine, key);
    if (address == NULL) {
        address = skio__mem_calloc(engine->mem, 1, sizeof *address + len + 1);
        if (address == NULL)
            return SKIO_ENOMEM;
        memcpy(address->key, key, len + 1);
        if (skio__map_put(&engine->addresses, &address->node, address->key,
                          len) != SKIO_OK) {
            skio__mem_free(engine->mem, address);
            return SKIO_ENOMEM;
        }
    }
    address->sessions++;
    address->unconnected++;
    *out = address;
    return SKIO_OK;
}

void
skio__address_admit(struct eio_address *address)
{
    if (address != NULL)
        address->unconnected--;
}

void
skio__address_leave(struct eio_engine *engine, struct eio_address *address,
                    bool was_admitted)
{
    if (!was_admitted)
        skio__address_admit(address);
    if (address == NULL || --address->sessions > 0)
        return;
    skio__map_remove(&engine->addresses, &address->node);
    skio__mem_free(engine->mem, address);
}
