/*
 * Fuzz target: what proxies say of a client, in a preface of the PROXY protocol
 * and in forwarded headers
 *
 * Input: a byte that chooses, where to cut; the preface; or three texts, ended
 * by NULs: the proxies trusted, X-Forwarded-For, X-Forwarded-Proto.
 */
#include "fuzz/fuzz.h"

#include <arpa/inet.h>

#include "transport/preface.h"
#include "transport/proxies.h"
#include "unit/alloc.h"

/* What became of a preface, whatever the cuts. */
struct outcome {
    ptrdiff_t taken; /* in all, or an error */
    bool done;
    int source;
    struct in6_addr address;
    bool has_address;
};

static struct outcome
read_preface(const uint8_t *data, size_t size, size_t first, size_t step)
{
    struct skio__preface preface = {.len = 0};
    struct outcome out = {.taken = 0};
    size_t at = 0;
    size_t part = first < size ? first : size;

    while (!out.done && at <= size) {
        uint8_t *exact = fuzz_exact(data + at, part);
        ptrdiff_t took = skio__preface_feed(&preface, exact, part, &out.done);

        free(exact);
        if (took < 0) {
            out.taken = took;
            return out;
        }
        fuzz_check((size_t)took == part || (out.done && (size_t)took < part));
        out.taken += took;
        at += part;
        if (at == size)
            break;
        part = size - at < step ? size - at : step;
    }
    fuzz_check(out.taken <= SKIO__PREFACE_MAX);
    if (out.done) {
        union skio__address from;

        memset(&from, 0, sizeof(from));
        out.source = skio__preface_source(&preface, &from);
        fuzz_check(out.source == 1 || out.source == 0 ||
                   out.source == SKIO_EPROTO);
        if (out.source == 1)
            out.has_address = skio__address_read(&from, &out.address);
        /* a client of the proxy's unix socket has none */
        if (out.source == 1)
            fuzz_check(out.has_address == (from.any.sa_family != AF_UNIX));
    }
    return out;
}

static void
check_preface(const uint8_t *data, size_t size, size_t cut)
{
    struct outcome whole = read_preface(data, size, size, 1);
    struct outcome two = read_preface(data, size, cut, size + 1);
    struct outcome bytes = read_preface(data, size, 1, 1);

    fuzz_check(memcmp(&whole.address, &two.address, sizeof(whole.address)) ==
               0);
    fuzz_check(memcmp(&whole.address, &bytes.address, sizeof(whole.address)) ==
               0);
    fuzz_check(whole.taken == two.taken && whole.taken == bytes.taken);
    fuzz_check(whole.done == two.done && whole.done == bytes.done);
    fuzz_check(whole.source == two.source && whole.source == bytes.source);
}

/* The next text of the input, up to a NUL or its end. To be freed. */
static char *
next_text(struct fuzz_input *in)
{
    const uint8_t *end = in->left > 0 ? memchr(in->at, '\0', in->left) : NULL;
    size_t len = end != NULL ? (size_t)(end - in->at) : in->left;
    char *text = fuzz_copy(in->at, len);

    in->at += len;
    in->left -= len;
    (void)fuzz_byte(in);
    return text;
}

/* What was printed is read as the same address. */
static void
check_print(const struct skio__peer *peer)
{
    char text[64];
    struct in6_addr again;

    memset(text, 'x', sizeof(text));
    skio__peer_print(peer, text);
    fuzz_check(memchr(text, '\0', sizeof(text)) != NULL);
    fuzz_check(peer->is_local == (*text == '\0'));
    if (peer->is_local)
        return;
    fuzz_check(skio__peer_parse(text, strlen(text), &again));
    fuzz_check(memcmp(&again, &peer->address, sizeof(again)) == 0);
}

static void
check_headers(struct fuzz_input *in, unsigned what)
{
    static const char *const few[] = {"loopback", "10.0.0.0/8,unix", "::/0",
                                      "0.0.0.0/0,::/0"};
    struct test_alloc alloc;
    struct skio__proxies proxies;
    struct skio__peer peer = {.is_local = (what & 4) != 0};
    char *trusted = next_text(in);
    char *forwarded_for = next_text(in);
    char *proto = next_text(in);
    const char *list = (what & 8) != 0 ? trusted : few[what >> 4 & 3];
    bool was_trusted;
    struct skio__peer before;
    int err;

    test_alloc_init(&alloc);
    err = skio__proxies_init(&proxies, &alloc.allocator, list);
    fuzz_check(err == SKIO_OK || err == SKIO_EINVAL);
    if (err == SKIO_OK) {
        if (!peer.is_local)
            fuzz_check(inet_pton(AF_INET6,
                                 (what & 2) != 0 ? "::1" : "::ffff:10.0.0.1",
                                 &peer.address) == 1);
        was_trusted = skio__proxies_trust(&proxies, &peer);
        before = peer;
        skio__proxies_walk(&proxies, (what & 64) != 0 ? NULL : forwarded_for,
                           (what & 128) != 0 ? NULL : proto, &peer);
        check_print(&peer);
        /* Who is not trusted is not believed. */
        if (!was_trusted) {
            fuzz_check(peer.is_local == before.is_local);
            fuzz_check(peer.secure == before.secure);
            fuzz_check(memcmp(&peer.address, &before.address,
                              sizeof(peer.address)) == 0);
        }
    }
    skio__proxies_deinit(&proxies);
    fuzz_check(alloc.live == 0);
    free(trusted);
    free(forwarded_for);
    free(proto);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned what = fuzz_byte(&in);
    size_t cut = fuzz_byte(&in);

    if ((what & 1) == 0)
        check_preface(in.at, in.left, cut);
    else
        check_headers(&in, what);
    return 0;
}
