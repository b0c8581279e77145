#define _POSIX_C_SOURCE 200809L /* inet_pton, strncasecmp */

#include "transport/proxies.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/writer.h"

#define NETWORKS_MAX 256

struct skio__network {
    struct in6_addr address;
    unsigned bits;
};

static const char blanks[] = " \t";

/* Narrow to what stands between blanks. */
static void
trim(const char **text, size_t *len)
{
    while (*len > 0 && strchr(blanks, **text) != NULL) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && strchr(blanks, (*text)[*len - 1]) != NULL)
        (*len)--;
}

/* One address without a port; *is_v4 may be NULL. */
static bool
parse_plain(const char *text, size_t len, struct in6_addr *out, bool *is_v4)
{
    char copy[INET6_ADDRSTRLEN];
    bool v4;

    if (len == 0 || len >= sizeof(copy) || memchr(text, '\0', len) != NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';

    memset(out, 0, sizeof(*out));
    v4 = inet_pton(AF_INET, copy, &out->s6_addr[12]) == 1;
    if (v4)
        out->s6_addr[10] = out->s6_addr[11] = 0xff;
    if (is_v4 != NULL)
        *is_v4 = v4;
    return v4 || inet_pton(AF_INET6, copy, out) == 1;
}

static bool
is_port(const char *text, size_t len)
{
    return len > 0 && len <= 5 && strspn(text, "0123456789") >= len;
}

bool
skio__peer_parse(const char *text, size_t len, struct in6_addr *out)
{
    const char *colon;

    trim(&text, &len);
    if (len > 0 && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        bool is_v4;
        size_t rest;

        if (end == NULL)
            return false;
        rest = len - (size_t)(end - text) - 1;
        if (rest > 0 && (end[1] != ':' || !is_port(end + 2, rest - 1)))
            return false;
        return parse_plain(text + 1, (size_t)(end - text) - 1, out, &is_v4) &&
               !is_v4;
    }

    /* one colon alone is IPv4's, with a port */
    colon = memchr(text, ':', len);
    if (colon != NULL &&
        memchr(colon + 1, ':', len - 1 - (size_t)(colon - text)) == NULL) {
        if (!is_port(colon + 1, len - 1 - (size_t)(colon - text)))
            return false;
        len = (size_t)(colon - text);
    }
    return parse_plain(text, len, out, NULL);
}

/* As inet_ntop(3), which prints them with sprintf(3), in a tenth of the time:
 * every request has one. */
static void
print_v4(const unsigned char bytes[4], char out[64])
{
    struct skio__writer writer = {out, 64, 0};

    for (int i = 0; i < 4; i++) {
        if (i > 0)
            skio__writer_put(&writer, ".", 1);
        skio__writer_u64(&writer, bytes[i]);
    }
    skio__writer_put(&writer, "", 1);
}

void
skio__peer_print(const struct skio__peer *peer, char out[64])
{
    const struct in6_addr *address = &peer->address;

    out[0] = '\0';
    if (peer->is_local)
        return;
    if (IN6_IS_ADDR_V4MAPPED(address))
        print_v4(&address->s6_addr[12], out);
    else
        inet_ntop(AF_INET6, address, out, 64);
}

/* ---- The list ---- */

/* "/16" of an address that takes at most so many bits; false: it is none. */
static bool
parse_bits(const char *text, size_t len, unsigned most, unsigned *bits)
{
    unsigned number = 0;

    if (len == 0 || len > 3)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    *bits = number;
    return number <= most;
}

static bool
parse_network(const char *text, size_t len, struct skio__network *out)
{
    const char *slash = memchr(text, '/', len);
    size_t address_len = slash != NULL ? (size_t)(slash - text) : len;
    unsigned most;
    bool is_v4;

    if (!parse_plain(text, address_len, &out->address, &is_v4))
        return false;
    most = is_v4 ? 32 : 128;
    out->bits = most;
    if (slash != NULL &&
        !parse_bits(slash + 1, len - address_len - 1, most, &out->bits))
        return false;
    if (is_v4)
        out->bits += 96;
    return true;
}

static bool
is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

static int
add(struct skio__proxies *proxies, const char *text, size_t len)
{
    struct skio__network *network = &proxies->networks[proxies->count];

    if (is_word(text, len, "unix")) {
        proxies->local = true;
        return SKIO_OK;
    }
    if (is_word(text, len, "loopback")) {
        (void)parse_network("127.0.0.0/8", 11, &network[0]);
        (void)parse_network("::1", 3, &network[1]);
        proxies->count += 2;
        return SKIO_OK;
    }
    if (!parse_network(text, len, network))
        return SKIO_EINVAL;
    proxies->count++;
    return SKIO_OK;
}

int
skio__proxies_init(struct skio__proxies *proxies, const skio_allocator *mem,
                   const char *text)
{
    int err = SKIO_OK;

    *proxies = (struct skio__proxies){.mem = mem};
    if (text == NULL)
        return SKIO_OK;
    proxies->networks =
        skio__mem_calloc(mem, NETWORKS_MAX + 2, sizeof(*proxies->networks));
    if (proxies->networks == NULL)
        return SKIO_ENOMEM;

    while (err == SKIO_OK) {
        const char *item = text;
        size_t len = strcspn(text, ",");

        text += len;
        trim(&item, &len);
        if (proxies->count >= NETWORKS_MAX)
            err = SKIO_EINVAL;
        else if (len > 0)
            err = add(proxies, item, len);
        if (*text == '\0')
            break;
        text++;
    }
    if (err != SKIO_OK)
        skio__proxies_deinit(proxies);
    return err;
}

void
skio__proxies_deinit(struct skio__proxies *proxies)
{
    if (proxies->networks == NULL)
        return;
    skio__mem_free(proxies->mem, proxies->networks);
    proxies->networks = NULL;
    proxies->count = 0;
    proxies->local = false;
}

static bool
contains(const struct skio__network *network, const struct in6_addr *address)
{
    unsigned whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    unsigned mask = 0xff00U >> rest & 0xff;

    return memcmp(&network->address, address, whole) == 0 &&
           (rest == 0 ||
            ((network->address.s6_addr[whole] ^ address->s6_addr[whole]) &
             mask) == 0);
}

bool
skio__proxies_trust(const struct skio__proxies *proxies,
                    const struct skio__peer *peer)
{
    if (peer->is_local)
        return proxies->local;
    for (size_t i = 0; i < proxies->count; i++)
        if (contains(&proxies->networks[i], &peer->address))
            return true;
    return false;
}

/* ---- The walk ---- */

/* The entry before *end, which moves to the comma in front of it. */
static const char *
last_item(const char *list, size_t *end, size_t *len)
{
    size_t start = *end;

    while (start > 0 && list[start - 1] != ',')
        start--;
    *len = *end - start;
    *end = start > 0 ? start - 1 : 0;
    return list + start;
}

/* The entry so many places from the right, or the leftmost one. */
static const char *
item_from_right(const char *list, unsigned place, size_t *len)
{
    size_t end = strlen(list);
    const char *item = last_item(list, &end, len);

    while (place-- > 0 && item > list)
        item = last_item(list, &end, len);
    trim(&item, len);
    return item;
}

void
skio__proxies_walk(const struct skio__proxies *proxies,
                   const char *forwarded_for, const char *forwarded_proto,
                   struct skio__peer *peer)
{
    size_t end = forwarded_for != NULL ? strlen(forwarded_for) : 0;
    unsigned hops = 0;

    if (!skio__proxies_trust(proxies, peer))
        return;

    while (end > 0 && hops < SKIO__HOPS_MAX &&
           skio__proxies_trust(proxies, peer)) {
        struct in6_addr address;
        size_t len;
        const char *item = last_item(forwarded_for, &end, &len);

        if (!skio__peer_parse(item, len, &address))
            break;
        peer->address = address;
        peer->is_local = false;
        hops++;
    }

    if (forwarded_proto != NULL) {
        size_t len;
        const char *proto =
            item_from_right(forwarded_proto, hops > 0 ? hops - 1 : 0, &len);

        if (len == 5 && strncasecmp(proto, "https", 5) == 0)
            peer->secure = true;
        else if (len == 4 && strncasecmp(proto, "http", 4) == 0)
            peer->secure = false;
    }
}
