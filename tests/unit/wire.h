/*
 * What the tests of messages between servers share
 */
#ifndef TESTS_UNIT_WIRE_H
#define TESTS_UNIT_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/wire.h"
#include "alloc.h"

#define T(s) s, sizeof(s) - 1
#define B(s)                                                                   \
    {                                                                          \
        (s), sizeof(s) - 1                                                     \
    }
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BYTES(...)                                                             \
    .attachments = (const skio_bytes[]){__VA_ARGS__},                          \
    .attachment_count =                                                        \
        sizeof((skio_bytes[]){__VA_ARGS__}) / sizeof(skio_bytes)
#define HOLDER(num) "{\"_placeholder\":true,\"num\":" num "}"

static const struct skio__wire_limits wire_limits = {
    .max_depth = 32,
    .max_attachments = 8,
    .max_rooms = 16,
    .max_name_bytes = 64,
};

/* A copy that ends where its bytes end: sanitizers see a byte more. */
static inline char *
wire_exactly(const void *data, size_t len)
{
    char *copy = malloc(len + (len == 0));

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

static inline bool
wire_same_bytes(skio_bytes a, skio_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool
wire_same_names(const char *const *a, const char *const *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
        a++;
        b++;
    }
    return *a == NULL && *b == NULL;
}

/* The first member in which two messages differ, or NULL. */
static inline const char *
wire_difference(const struct skio__wire_message *a,
                const struct skio__wire_message *b)
{
    uint32_t i;

    if (a->type != b->type)
        return "type";
    if (!wire_same_bytes(a->uid, b->uid))
        return "uid";
    if (!wire_same_bytes(a->request, b->request))
        return "request";
    if (!wire_same_bytes(a->nsp, b->nsp))
        return "nsp";
    if (!wire_same_names(a->to, b->to))
        return "to";
    if (!wire_same_names(a->except, b->except))
        return "except";
    if (!wire_same_names(a->rooms, b->rooms))
        return "rooms";
    if (a->flags != b->flags || a->timeout_ms != b->timeout_ms)
        return "flags";
    if (a->close != b->close || a->taken != b->taken ||
        a->is_legacy != b->is_legacy || a->has_rooms != b->has_rooms)
        return "close, taken, is_legacy or has_rooms";
    if (a->client_count != b->client_count)
        return "client_count";
    if (!wire_same_bytes(a->json, b->json))
        return "json";
    if (a->attachment_count != b->attachment_count)
        return "attachment_count";
    for (i = 0; i < a->attachment_count; i++) {
        if (!wire_same_bytes(a->attachments[i], b->attachments[i]))
            return "attachments";
    }
    return NULL;
}

static inline void
wire_assert_same(const char *name, const struct skio__wire_message *got,
                 const struct skio__wire_message *want)
{
    const char *where = wire_difference(got, want);

    if (where != NULL)
        fail_msg("%s: %s differs; json is %.*s", name, where,
                 (int)got->json.len, (const char *)got->json.data);
}

static inline void
wire_assert_bytes(const char *name, const struct skio__buf *got,
                  const char *want, size_t len)
{
    if (got->len != len || (len > 0 && memcmp(got->data, want, len) != 0))
        fail_msg("%s: %zu bytes instead of %zu: %.*s", name, got->len, len,
                 (int)got->len, got->data);
}

/* Numbers that come again with the same seed (xorshift64*). */
static inline uint32_t
wire_random(uint64_t *seed, uint32_t below)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)((*seed * UINT64_C(2685821657736338717)) >> 33) % below;
}

/*
 * A few bytes of data become others: flipped, doubled, cut out, put in. room
 * is how much data may take. Returns the new length.
 */
static inline size_t
wire_mutate(uint64_t *seed, char *data, size_t len, size_t room)
{
    static const char *const words[] = {"\"",   "\\",   "{",    "}",
                                        "[",    "]",    "null", "0",
                                        "-1",   ",",    "\xc0", "\xc4",
                                        "\xdf", "\xff", "\xd4", "\\u0000"};
    uint32_t changes = 1 + wire_random(seed, 3);

    while (changes-- > 0 && len > 0) {
        size_t at = wire_random(seed, (uint32_t)len);
        size_t n = 1 + wire_random(seed, 8);
        const char *word = words[wire_random(seed, 16)];

        if (n > len - at)
            n = len - at;
        switch (wire_random(seed, 5)) {
        case 0: /* a bit */
            data[at] = (char)(data[at] ^ (1 << wire_random(seed, 8)));
            break;
        case 1: /* a byte */
            data[at] = (char)wire_random(seed, 256);
            break;
        case 2: /* cut out */
            memmove(data + at, data + at + n, len - at - n);
            len -= n;
            break;
        case 3: /* doubled */
            if (len + n > room)
                break;
            memmove(data + at + n, data + at, len - at);
            len += n;
            break;
        default: /* put in */
            n = strlen(word);
            if (len + n > room)
                break;
            memmove(data + at + n, data + at, len - at);
            memcpy(data + at, word, n);
            len += n;
            break;
        }
    }
    return len;
}

#endif /* TESTS_UNIT_WIRE_H */
