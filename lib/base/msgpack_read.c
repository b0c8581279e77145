/*
 * MessagePack as JSON: see msgpack.h
 *
 * One walk does both, check and conversion: the first time it writes nothing
 * and adds up. msgpack-c's unpacker is not used: in front of it this walk
 * would be needed all the same, it makes a tree of 24 bytes for each byte of a
 * hostile array, with malloc(3), and it ends at depth 32, where an option of
 * ours is to decide.
 */
#include "base/msgpack.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/date.h"
#include "base/msgpack_token.h"
#include "base/number.h"
#include "base/utf8.h"

/* The text of a placeholder, without its number. */
#define PLACEHOLDER "{\"_placeholder\":true,\"num\":"
#define PLACEHOLDER_LEN (sizeof(PLACEHOLDER) - 1 + SKIO__NUMBER_MAX + 1)

#define TYPE_LEN 4 /* the type of an ext, -128 */

/* A container that is open. */
struct level {
    uint32_t left; /* elements or members to come */
    bool is_map;
    bool is_first;
    bool wants_key;
};

struct walk {
    struct skio__msgpack_input in;
    struct skio__buf *out; /* NULL: only check */
    size_t json_len;       /* bound of what would have been written */
    skio_bytes *bytes;
    uint64_t first;
    uint32_t byte_count;
    uint32_t max_bytes;
    uint32_t max_depth;
    uint32_t depth;
    struct level stack[SKIO__MSGPACK_DEPTH_MAX];
};

/* ---- Writing ---- */

static void
put(struct walk *w, const char *text, size_t len)
{
    if (w->out == NULL)
        w->json_len += len;
    else
        skio__buf_append(w->out, text, len);
}

static void
put_char(struct walk *w, char c)
{
    put(w, &c, 1);
}

/* How many bytes at text, which begins no character, one U+FFFD stands for:
 * as much as could have become a character, as browsers and Node count. */
static size_t
broken(const char *text, size_t len)
{
    struct skio__utf8 state = {0, 0, 0, 0};
    size_t i = 0;

    while (i < len && skio__utf8_feed(&state, text + i, 1))
        i++;
    return i > 0 ? i : 1;
}

static void
put_repaired(struct walk *w, const char *text, size_t len)
{
    while (len > 0) {
        size_t n = skio__utf8_char(text, len);

        if (n > 0) {
            skio__json_escape(w->out, text, n);
        } else {
            n = broken(text, len);
            skio__buf_append(w->out, "\xef\xbf\xbd", 3);
        }
        text += n;
        len -= n;
    }
}

/* Bytes of a string with its escapes: six for a control character, two for a
 * quote, three for a byte that is no UTF-8. */
static size_t
bound_string(const char *text, size_t len)
{
    size_t bound = 2 + len;
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20)
            bound += 5;
        else if (c == '"' || c == '\\')
            bound++;
    }
    return skio__utf8_valid(text, len) ? bound : bound + 2 * len;
}

static void
put_string(struct walk *w, const char *text, size_t len)
{
    if (w->out == NULL) {
        w->json_len += bound_string(text, len);
        return;
    }
    skio__buf_putc(w->out, '"');
    if (skio__utf8_valid(text, len))
        skio__json_escape(w->out, text, len);
    else
        put_repaired(w, text, len);
    skio__buf_putc(w->out, '"');
}

/* What a number takes at most. An integer may be one byte of the message: it
 * is worth to be exact. */
static size_t
bound_number(const struct skio__msgpack_token *token)
{
    uint64_t left = token->as.u64;
    size_t digits = 1;

    if (token->kind == SKIO__MSGPACK_DOUBLE)
        return SKIO__NUMBER_MAX;
    if (token->kind == SKIO__MSGPACK_INT && token->as.i64 < 0)
        left = 0 - left;
    while (left >= 10) {
        left /= 10;
        digits++;
    }
    return digits + (token->kind == SKIO__MSGPACK_INT);
}

static void
put_number(struct walk *w, const struct skio__msgpack_token *token)
{
    char text[SKIO__NUMBER_MAX];
    size_t len;

    if (w->out == NULL) {
        w->json_len += bound_number(token);
        return;
    }
    if (token->kind == SKIO__MSGPACK_UINT)
        len = skio__number_format_u64(token->as.u64, text);
    else if (token->kind == SKIO__MSGPACK_INT)
        len = skio__number_format_i64(token->as.i64, text);
    else
        len = skio__number_format(token->as.number, text);
    skio__buf_append(w->out, text, len);
}

static void
put_date(struct walk *w, int64_t ms)
{
    char text[SKIO__DATE_LEN];
    size_t len = skio__date_format(ms, text);

    if (len > 0)
        put_string(w, text, len);
    else
        put(w, "null", 4);
}

static int
put_bytes(struct walk *w, const char *data, size_t len)
{
    char number[SKIO__NUMBER_MAX];

    if (w->byte_count >= w->max_bytes)
        return SKIO_ELIMIT;
    if (w->out == NULL) {
        w->json_len += PLACEHOLDER_LEN;
    } else {
        w->bytes[w->byte_count].data = data;
        w->bytes[w->byte_count].len = len;
        put(w, PLACEHOLDER, sizeof(PLACEHOLDER) - 1);
        put(w, number,
            skio__number_format_u64(w->first + w->byte_count, number));
        put_char(w, '}');
    }
    w->byte_count++;
    return SKIO_OK;
}

/* `[type,bytes]`. */
static int
put_ext(struct walk *w, const struct skio__msgpack_token *token)
{
    char number[SKIO__NUMBER_MAX];
    int err;

    if (w->depth >= w->max_depth)
        return SKIO_ELIMIT;
    put_char(w, '[');
    put(w, number, skio__number_format_i64(token->as.run.type, number));
    put_char(w, ',');
    err = put_bytes(w, token->as.run.data, token->as.run.len);
    put_char(w, ']');
    return err;
}

static int
open_container(struct walk *w, const struct skio__msgpack_token *token)
{
    struct level *level;

    if (w->depth >= w->max_depth)
        return SKIO_ELIMIT;
    level = &w->stack[w->depth++];
    level->left = token->as.count;
    level->is_map = token->kind == SKIO__MSGPACK_MAP;
    level->is_first = true;
    level->wants_key = level->is_map;
    put_char(w, level->is_map ? '{' : '[');
    return SKIO_OK;
}

static int
put_value(struct walk *w, const struct skio__msgpack_token *token)
{
    switch (token->kind) {
    case SKIO__MSGPACK_NIL:
    case SKIO__MSGPACK_UNDEFINED:
        put(w, "null", 4);
        break;
    case SKIO__MSGPACK_BOOL:
        put(w, token->as.boolean ? "true" : "false", token->as.boolean ? 4 : 5);
        break;
    case SKIO__MSGPACK_UINT:
    case SKIO__MSGPACK_INT:
    case SKIO__MSGPACK_DOUBLE:
        put_number(w, token);
        break;
    case SKIO__MSGPACK_STR:
        put_string(w, token->as.run.data, token->as.run.len);
        break;
    case SKIO__MSGPACK_DATE:
        put_date(w, token->as.i64);
        break;
    case SKIO__MSGPACK_BYTES:
        return put_bytes(w, token->as.run.data, token->as.run.len);
    case SKIO__MSGPACK_EXT:
        return put_ext(w, token);
    case SKIO__MSGPACK_ARRAY:
    case SKIO__MSGPACK_MAP:
        return open_container(w, token);
    }
    return SKIO_OK;
}

/* What has no text in JSON has one as a key of an object. */
static const char *
key_word(const struct skio__msgpack_token *token)
{
    switch (token->kind) {
    case SKIO__MSGPACK_NIL:
        return "null";
    case SKIO__MSGPACK_UNDEFINED:
        return "undefined";
    case SKIO__MSGPACK_BOOL:
        return token->as.boolean ? "true" : "false";
    case SKIO__MSGPACK_DOUBLE:
        if (isnan(token->as.number))
            return "NaN";
        if (isinf(token->as.number))
            return token->as.number < 0 ? "-Infinity" : "Infinity";
        return NULL;
    default:
        return NULL;
    }
}

static int
put_key(struct walk *w, const struct skio__msgpack_token *token)
{
    const char *word = key_word(token);

    if (token->kind == SKIO__MSGPACK_STR) {
        put_string(w, token->as.run.data, token->as.run.len);
    } else if (word != NULL) {
        put_string(w, word, strlen(word));
    } else if (token->kind == SKIO__MSGPACK_UINT ||
               token->kind == SKIO__MSGPACK_INT ||
               token->kind == SKIO__MSGPACK_DOUBLE) {
        put_char(w, '"');
        put_number(w, token);
        put_char(w, '"');
    } else {
        return SKIO_EPROTO;
    }
    put_char(w, ':');
    return SKIO_OK;
}

static void
put_comma(struct walk *w, struct level *level)
{
    if (!level->is_first)
        put_char(w, ',');
    level->is_first = false;
}

/* ---- The walk ---- */

/* A key of the innermost map, and the value too where it is left out. */
static int
step_key(struct walk *w, struct level *level)
{
    struct skio__buf *out = w->out;
    size_t len = out != NULL ? out->len : 0;
    bool was_first = level->is_first;
    struct skio__msgpack_token token;
    int err;

    put_comma(w, level);
    err = skio__msgpack_take(&w->in, &token);
    if (err == SKIO_OK)
        err = put_key(w, &token);
    if (err != SKIO_OK)
        return err;

    level->wants_key = false;
    if (skio__msgpack_undefined_next(&w->in)) {
        w->in.pos += 3;
        level->wants_key = true;
        level->is_first = was_first;
        level->left--;
        if (out != NULL)
            out->len = len;
    }
    return SKIO_OK;
}

static int
step(struct walk *w)
{
    struct level *level = w->depth > 0 ? &w->stack[w->depth - 1] : NULL;
    struct skio__msgpack_token token;
    int err;

    if (level != NULL && level->left == 0) {
        put_char(w, level->is_map ? '}' : ']');
        w->depth--;
        return SKIO_OK;
    }
    if (level != NULL && level->wants_key)
        return step_key(w, level);

    err = skio__msgpack_take(&w->in, &token);
    if (err != SKIO_OK)
        return err;
    if (level != NULL) {
        level->left--;
        level->wants_key = level->is_map;
        if (!level->is_map)
            put_comma(w, level);
    }
    return put_value(w, &token);
}

static int
walk(struct walk *w)
{
    int err;

    do
        err = step(w);
    while (err == SKIO_OK && w->depth > 0);
    return err;
}

static void
begin(struct walk *w, const void *data, size_t len)
{
    w->in.pos = data;
    w->in.end = w->in.pos + len;
    w->out = NULL;
    w->json_len = 0;
    w->bytes = NULL;
    w->first = 0;
    w->byte_count = 0;
    w->max_bytes = UINT32_MAX;
    w->max_depth = SKIO__MSGPACK_DEPTH_MAX;
    w->depth = 0;
}

int
skio__msgpack_scan(const void *data, size_t len,
                   const struct skio__msgpack_limits *limits,
                   struct skio__msgpack_scan *scan)
{
    struct walk w;
    int err;

    if (len == 0)
        return SKIO_EPROTO;
    begin(&w, data, len);
    w.max_bytes = limits->max_bytes;
    if (limits->max_depth < w.max_depth)
        w.max_depth = limits->max_depth;

    err = walk(&w);
    if (err == SKIO_OK && w.in.pos != w.in.end)
        err = SKIO_EPROTO;
    scan->json_len = w.json_len;
    scan->bytes = w.byte_count;
    return err;
}

size_t
skio__msgpack_to_json(const void *data, size_t len,
                      const struct skio__msgpack_scan *scan, uint64_t first,
                      char *json, skio_bytes *bytes)
{
    struct skio__buf out = {0};
    struct walk w;
    int err;

    /* The room is the scan's: the buffer never grows, and so has no memory. */
    out.data = json;
    out.cap = scan->json_len;
    out.max = scan->json_len;
    begin(&w, data, len);
    w.out = &out;
    w.bytes = bytes;
    w.first = first;
    w.max_bytes = scan->bytes;
    err = walk(&w);
    assert(err == SKIO_OK && out.err == SKIO_OK);
    (void)err;
    return out.len;
}
