/*
 * Fuzz targets: what they share
 *
 * A target is one function that gets any bytes and stops the program when
 * something about them is wrong. Each is built twice: with libFuzzer by `make
 * fuzz`, which looks for bytes that stop it, and as a test with the main() of
 * replay.c, which runs what was once found worth keeping, corpus/TARGET/.
 *
 * Bytes that choose (a limit, what is done next) are taken from the front, the
 * text to be read is the rest.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What libFuzzer calls, and replay.c. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Never switched off, as assert() can be. */
#define fuzz_check(condition)                                                  \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,         \
                    #condition);                                               \
            abort();                                                           \
        }                                                                      \
    } while (0)

/* What is left of an input. */
struct fuzz_input {
    const uint8_t *at;
    size_t left;
};

/* The next byte; 0 once there is none. */
static inline uint8_t
fuzz_byte(struct fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static inline unsigned
fuzz_below(struct fuzz_input *in, unsigned limit)
{
    return fuzz_byte(in) % limit;
}

/* Up to len of the next bytes; *len becomes how many. */
static inline const char *
fuzz_bytes(struct fuzz_input *in, size_t *len)
{
    const uint8_t *start = in->at;

    if (*len > in->left)
        *len = in->left;
    if (*len > 0) {
        in->at += *len;
        in->left -= *len;
    }
    return (const char *)start;
}

/* Bytes of their own block and a NUL behind them, so that a sanitizer sees what
 * reads past either. To be freed. */
static inline char *
fuzz_copy(const void *data, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy == NULL)
        abort(); /* the machine's lack, not the target's */
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

/* The same without the NUL; one byte at least, where len is 0. */
static inline void *
fuzz_exact(const void *data, size_t len)
{
    void *copy = malloc(len > 0 ? len : 1);

    if (copy == NULL)
        abort();
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

/* What was heard, to be compared: bytes that grow. All zeroes at first. */
struct fuzz_text {
    char *data;
    size_t len;
    size_t cap;
};

static inline void
fuzz_note(struct fuzz_text *text, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (text->data == NULL || text->len + len > text->cap) {
        text->cap = (text->len + len) * 2 + 64;
        text->data = realloc(text->data, text->cap);
        if (text->data == NULL)
            abort();
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

static inline void
fuzz_note_int(struct fuzz_text *text, int64_t n)
{
    char digits[32];

    fuzz_note(text, digits,
              (size_t)snprintf(digits, sizeof(digits), "%lld ", (long long)n));
}

static inline bool
fuzz_same(const struct fuzz_text *a, const struct fuzz_text *b)
{
    if (a->len != b->len)
        return false;
    return a->data == NULL || b->data == NULL || a->len == 0 ||
           memcmp(a->data, b->data, a->len) == 0;
}

#endif /* TESTS_FUZZ_FUZZ_H */
