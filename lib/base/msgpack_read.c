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
#include "base/number.h"
#include "base/utf8.h"

/* The text of a placeholder, without its number. */
#define PLACEHOLDER "{\"_placeholder\":true,\"num\":"
#define PLACEHOLDER_LEN (sizeof(PLACEHOLDER) - 1 + SKIO__NUMBER_MAX + 1)

#define TYPE_LEN 4 /* the type of an ext, -128 */

enum kind {
    KIND_NIL,
    KIND_UNDEFINED,
    KIND_BOOL,
    KIND_UINT,
    KIND_INT,
    KIND_DOUBLE,
    KIND_STR,
    KIND_BYTES,
    KIND_DATE,
    KIND_EXT,
    KIND_ARRAY,
    KIND_MAP
};

struct token {
    enum kind kind;
    union {
        bool boolean;
        uint64_t u64;
        int64_t i64; /* also a Date's milliseconds */
        double number;
        uint32_t count; /* of elements, or members */
        struct {
            const char *data;
            uint32_t len;
            int type; /* of an ext */
        } run;
    } as;
};

/* A container that is open. */
struct level {
    uint32_t left; /* elements or members to come */
    bool is_map;
    bool is_first;
    bool wants_key;
};

struct walk {
    const unsigned char *pos;
    const unsigned char *end;
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

/* ---- Reading ---- */

static size_t
left(const struct walk *w)
{
    return (size_t)(w->end - w->pos);
}

/* A big-endian number of so many bytes. False when they are not there. */
static bool
take_uint(struct walk *w, unsigned bytes, uint64_t *out)
{
    uint64_t n = 0;

    if (left(w) < bytes)
        return false;
    while (bytes-- > 0)
        n = n << 8 | *w->pos++;
    *out = n;
    return true;
}

/* Two's complement of so many bytes, 1 to 8. */
static int64_t
to_signed(uint64_t n, unsigned bytes)
{
    const uint64_t sign = UINT64_C(1) << ((8 * bytes - 1) & 63);

    return n < sign ? (int64_t)n : -(int64_t)(2 * sign - 1 - n) - 1;
}

static int
take_run(struct walk *w, enum kind kind, uint64_t len, struct token *token)
{
    if (len > left(w))
        return SKIO_EPROTO;
    token->kind = kind;
    token->as.run.data = (const char *)w->pos;
    token->as.run.len = (uint32_t)len;
    w->pos += len;
    return SKIO_OK;
}

/* Each element takes a byte at least, so a count beyond that is a lie. */
static int
take_container(struct walk *w, enum kind kind, uint64_t count,
               struct token *token)
{
    if (count > left(w) / (kind == KIND_MAP ? 2 : 1))
        return SKIO_EPROTO;
    token->kind = kind;
    token->as.count = (uint32_t)count;
    return SKIO_OK;
}

static int
take_sized(struct walk *w, enum kind kind, unsigned size, struct token *token)
{
    uint64_t len;

    if (!take_uint(w, size, &len))
        return SKIO_EPROTO;
    if (kind == KIND_ARRAY || kind == KIND_MAP)
        return take_container(w, kind, len, token);
    return take_run(w, kind, len, token);
}

/* Where notepack.io gives type 0 a meaning it depends on the form. */
static int
take_ext(struct walk *w, bool is_fixed, uint64_t len, struct token *token)
{
    uint64_t type;
    uint64_t ms;
    int err;

    if (!take_uint(w, 1, &type))
        return SKIO_EPROTO;
    if (is_fixed && type == 0 && len == 8) {
        if (!take_uint(w, 8, &ms))
            return SKIO_EPROTO;
        token->kind = KIND_DATE;
        token->as.i64 = to_signed(ms, 8);
        return SKIO_OK;
    }

    err = take_run(w, KIND_EXT, len, token);
    token->as.run.type = (int)to_signed(type, 1);
    if (type == 0 && !is_fixed)
        token->kind = KIND_BYTES;
    else if (type == 0 && len == 1)
        token->kind = KIND_UNDEFINED;
    return err;
}

static int
take_sized_ext(struct walk *w, unsigned size, struct token *token)
{
    uint64_t len;

    return take_uint(w, size, &len) ? take_ext(w, false, len, token)
                                    : SKIO_EPROTO;
}

static int
take_float(struct walk *w, unsigned size, struct token *token)
{
    uint64_t bits;
    uint32_t half;
    float narrow;

    if (!take_uint(w, size, &bits))
        return SKIO_EPROTO;
    token->kind = KIND_DOUBLE;
    if (size == 8) {
        memcpy(&token->as.number, &bits, sizeof(token->as.number));
    } else {
        half = (uint32_t)bits;
        memcpy(&narrow, &half, sizeof(narrow));
        token->as.number = (double)narrow;
    }
    return SKIO_OK;
}

static int
take_integer(struct walk *w, bool is_signed, unsigned size, struct token *token)
{
    uint64_t n;

    if (!take_uint(w, size, &n))
        return SKIO_EPROTO;
    token->kind = is_signed ? KIND_INT : KIND_UINT;
    if (is_signed)
        token->as.i64 = to_signed(n, size);
    else
        token->as.u64 = n;
    return SKIO_OK;
}

/* The forms whose first byte is theirs alone, from C0 to DF. */
static int
take_form(struct walk *w, unsigned form, struct token *token)
{
    switch (form) {
    case 0xc0:
        token->kind = KIND_NIL;
        return SKIO_OK;
    case 0xc2:
    case 0xc3:
        token->kind = KIND_BOOL;
        token->as.boolean = form == 0xc3;
        return SKIO_OK;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return take_sized(w, KIND_BYTES, 1U << (form - 0xc4), token);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return take_sized_ext(w, 1U << (form - 0xc7), token);
    case 0xca:
    case 0xcb:
        return take_float(w, form == 0xca ? 4 : 8, token);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return take_integer(w, false, 1U << (form - 0xcc), token);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return take_integer(w, true, 1U << (form - 0xd0), token);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return take_ext(w, true, 1U << (form - 0xd4), token);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_sized(w, KIND_STR, 1U << (form - 0xd9), token);
    case 0xdc:
    case 0xdd:
        return take_sized(w, KIND_ARRAY, form == 0xdc ? 2 : 4, token);
    case 0xde:
    case 0xdf:
        return take_sized(w, KIND_MAP, form == 0xde ? 2 : 4, token);
    default:
        return SKIO_EPROTO;
    }
}

static int
take_token(struct walk *w, struct token *token)
{
    unsigned form;

    if (w->pos == w->end)
        return SKIO_EPROTO;
    form = *w->pos++;

    if (form < 0x80) {
        token->kind = KIND_UINT;
        token->as.u64 = form;
        return SKIO_OK;
    }
    if (form < 0x90)
        return take_container(w, KIND_MAP, form & 0x0f, token);
    if (form < 0xa0)
        return take_container(w, KIND_ARRAY, form & 0x0f, token);
    if (form < 0xc0)
        return take_run(w, KIND_STR, form & 0x1f, token);
    if (form >= 0xe0) {
        token->kind = KIND_INT;
        token->as.i64 = (int64_t)form - 0x100;
        return SKIO_OK;
    }
    return take_form(w, form, token);
}

/* Whether the next value is undefined, which an object leaves out. */
static bool
is_undefined_next(const struct walk *w)
{
    return left(w) >= 3 && w->pos[0] == 0xd4 && w->pos[1] == 0;
}

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

static void
put_number(struct walk *w, const struct token *token)
{
    char text[SKIO__NUMBER_MAX];
    size_t len;

    if (w->out == NULL) {
        w->json_len += SKIO__NUMBER_MAX;
        return;
    }
    if (token->kind == KIND_UINT)
        len = skio__number_format_u64(token->as.u64, text);
    else if (token->kind == KIND_INT)
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
put_ext(struct walk *w, const struct token *token)
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
open_container(struct walk *w, const struct token *token)
{
    struct level *level;

    if (w->depth >= w->max_depth)
        return SKIO_ELIMIT;
    level = &w->stack[w->depth++];
    level->left = token->as.count;
    level->is_map = token->kind == KIND_MAP;
    level->is_first = true;
    level->wants_key = level->is_map;
    put_char(w, level->is_map ? '{' : '[');
    return SKIO_OK;
}

static int
put_value(struct walk *w, const struct token *token)
{
    switch (token->kind) {
    case KIND_NIL:
    case KIND_UNDEFINED:
        put(w, "null", 4);
        break;
    case KIND_BOOL:
        put(w, token->as.boolean ? "true" : "false", token->as.boolean ? 4 : 5);
        break;
    case KIND_UINT:
    case KIND_INT:
    case KIND_DOUBLE:
        put_number(w, token);
        break;
    case KIND_STR:
        put_string(w, token->as.run.data, token->as.run.len);
        break;
    case KIND_DATE:
        put_date(w, token->as.i64);
        break;
    case KIND_BYTES:
        return put_bytes(w, token->as.run.data, token->as.run.len);
    case KIND_EXT:
        return put_ext(w, token);
    case KIND_ARRAY:
    case KIND_MAP:
        return open_container(w, token);
    }
    return SKIO_OK;
}

/* What has no text in JSON has one as a key of an object. */
static const char *
key_word(const struct token *token)
{
    switch (token->kind) {
    case KIND_NIL:
        return "null";
    case KIND_UNDEFINED:
        return "undefined";
    case KIND_BOOL:
        return token->as.boolean ? "true" : "false";
    case KIND_DOUBLE:
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
put_key(struct walk *w, const struct token *token)
{
    const char *word = key_word(token);

    if (token->kind == KIND_STR) {
        put_string(w, token->as.run.data, token->as.run.len);
    } else if (word != NULL) {
        put_string(w, word, strlen(word));
    } else if (token->kind == KIND_UINT || token->kind == KIND_INT ||
               token->kind == KIND_DOUBLE) {
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
    struct token token;
    int err;

    put_comma(w, level);
    err = take_token(w, &token);
    if (err == SKIO_OK)
        err = put_key(w, &token);
    if (err != SKIO_OK)
        return err;

    level->wants_key = false;
    if (is_undefined_next(w)) {
        w->pos += 3;
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
    struct token token;
    int err;

    if (level != NULL && level->left == 0) {
        put_char(w, level->is_map ? '}' : ']');
        w->depth--;
        return SKIO_OK;
    }
    if (level != NULL && level->wants_key)
        return step_key(w, level);

    err = take_token(w, &token);
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
    w->pos = data;
    w->end = w->pos + len;
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
    if (err == SKIO_OK && w.pos != w.end)
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
