/*
 * JSON, strictly and without a tree
 *
 * One pass over text from a peer checks everything: the grammar of RFC 8259,
 * UTF-8, the depth, and Socket.IO's placeholders of attachments. It records
 * where the elements of the outermost array stand. The other functions then
 * walk validated text only; they trust it and check nothing again.
 *
 * No recursion, no allocation, no NUL needed after the text. Accepts exactly
 * what JSON.parse accepts, except texts that are not UTF-8, too deep, or
 * longer than 4 GiB.
 */
#ifndef SKIO_BASE_JSON_H
#define SKIO_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/base.h>

#include "base/buf.h"

#define SKIO__JSON_DEPTH_MAX 512 /* whatever the limits say */

enum skio__json_type {
    SKIO__JSON_NULL,
    SKIO__JSON_BOOL, /* its first character tells which */
    SKIO__JSON_NUMBER,
    SKIO__JSON_STRING,
    SKIO__JSON_ARRAY,
    SKIO__JSON_OBJECT
};

enum skio__json_flag {
    SKIO__JSON_ESCAPED = 1 << 0,    /* a string with backslashes */
    SKIO__JSON_PLACEHOLDER = 1 << 1 /* is or contains a placeholder; set by
                                       the scan only */
};

/* A value in the text: text + start, len bytes, without white space around. */
struct skio__json_slice {
    uint32_t start;
    uint32_t len;
    uint8_t type;  /* enum skio__json_type */
    uint8_t flags; /* of enum skio__json_flag */
};

struct skio__json_limits {
    uint32_t max_depth; /* [] has depth 1, a bare scalar 0 */

    /*
     * The number of attachments: every object whose "_placeholder" is true
     * must then have an integer "num" below it, also an object that a
     * duplicate key hides from JSON.parse. -1: no object is special.
     */
    int64_t placeholders;
};

struct skio__json_scan {
    struct skio__json_slice *items; /* in: room for elements; may be NULL */
    uint32_t cap;                   /* in: how many */

    struct skio__json_slice root; /* out: the whole value */
    uint32_t count;               /* out: elements of the outermost array, also
                                     those past cap; 0 if it is none */
    uint32_t placeholders;        /* out: how many the text has */
};

/*
 * Check a whole text that must be one value.
 *
 * Returns SKIO_OK; SKIO_EPROTO for what JSON.parse would refuse and for a
 * placeholder without its attachment; SKIO_EUTF8; SKIO_ELIMIT when it is too
 * deep; SKIO_ETOOBIG past UINT32_MAX bytes. After an error the out fields and
 * items are without meaning.
 */
int skio__json_scan(const char *text, size_t len,
                    const struct skio__json_limits *limits,
                    struct skio__json_scan *scan);

/* ---- Below: on validated text only. ---- */

/* The type of the value that starts with this character. */
static inline enum skio__json_type
skio__json_type(char first)
{
    switch (first) {
    case '{':
        return SKIO__JSON_OBJECT;
    case '[':
        return SKIO__JSON_ARRAY;
    case '"':
        return SKIO__JSON_STRING;
    case 't':
    case 'f':
        return SKIO__JSON_BOOL;
    case 'n':
        return SKIO__JSON_NULL;
    default:
        return SKIO__JSON_NUMBER;
    }
}

/* The end of the value that starts at pos (no white space before it). */
const char *skio__json_skip(const char *pos, const char *end);

/* The slice of the value in validated text, white space around it dropped. */
struct skio__json_slice skio__json_whole(const char *text, size_t len);

/*
 * Walk the members of an array or object (of anything else: none). next()
 * fills key (objects only: the string with its quotes) and value.
 */
struct skio__json_iter {
    const char *text;
    const char *pos;
    const char *end;
    struct skio__json_slice key;
    struct skio__json_slice value;
    bool is_object;
};

void skio__json_iter_init(struct skio__json_iter *iter, const char *text,
                          const struct skio__json_slice *value);
bool skio__json_iter_next(struct skio__json_iter *iter);

/* Elements of an array, members of an object (duplicates too); else 0. */
size_t skio__json_count(const char *text, const struct skio__json_slice *value);

/* The n-th element. SKIO_OK, SKIO_ENOENT, or SKIO_ETYPE if it is no array. */
int skio__json_nth(const char *text, const struct skio__json_slice *array,
                   size_t n, struct skio__json_slice *out);

/*
 * The member with this key (UTF-8, unescaped, compared exactly); of duplicates
 * the last. SKIO_OK, SKIO_ENOENT, or SKIO_ETYPE if it is no object.
 */
int skio__json_get(const char *text, const struct skio__json_slice *object,
                   const char *key, size_t len, struct skio__json_slice *out);

/*
 * Follow indices and keys joined by dots, as "1.user.name"; "" is the value
 * itself. In an array a step is a decimal index, in an object a key.
 * SKIO_OK or SKIO_ENOENT.
 */
int skio__json_path(const char *text, const struct skio__json_slice *root,
                    const char *path, struct skio__json_slice *out);

/* Bytes of the valid escape at pos (a backslash), 0 if it is invalid. */
size_t skio__json_escape_len(const char *pos, const char *end);

/* Whether a string value is these bytes after unescaping. */
bool skio__json_string_is(const char *text,
                          const struct skio__json_slice *string,
                          const char *str, size_t len);

/*
 * The attachment's index if the value is a placeholder, else -1. As in the
 * scan: an object whose "_placeholder" is true; "num" says which.
 */
int64_t skio__json_placeholder(const char *text,
                               const struct skio__json_slice *value);

/*
 * Write a string value unescaped as UTF-8; a surrogate without its other half
 * becomes U+FFFD. out has room for string->len bytes, which is always enough.
 * Returns the length; there may be NULs inside, none is added.
 */
size_t skio__json_unescape(const char *text,
                           const struct skio__json_slice *string, char *out);

/*
 * Append UTF-8 (the caller has checked it) as a JSON string with its quotes,
 * escaped as JSON.stringify() does. Returns buf->err.
 */
int skio__json_quote(struct skio__buf *buf, const char *str, size_t len);

/* The same of what needs no escape. */
static inline int
skio__json_quote_plain(struct skio__buf *buf, const char *str, size_t len)
{
    char *to;

    if (skio__buf_reserve(buf, len + 2) != SKIO_OK)
        return buf->err;
    to = buf->data + buf->len;
    to[0] = '"';
    if (len > 0)
        memcpy(to + 1, str, len);
    to[len + 1] = '"';
    buf->len += len + 2;
    return SKIO_OK;
}

/* The same without the quotes. */
int skio__json_escape(struct skio__buf *buf, const char *str, size_t len);

#endif /* SKIO_BASE_JSON_H */
