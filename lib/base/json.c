/*
 * JSON, strictly and without a tree: see json.h
 *
 * The scanner goes from value to value; where it stands in nested containers
 * is one byte a level in an array of fixed size, so neither depth nor width
 * costs memory. Each step gets the place to begin at and returns where the
 * next one does, or NULL with s->err set.
 *
 *     value ──▶ has it opened a container that is not empty?
 *       ▲          │ yes: its first key        │ no
 *       └──────────┴──── comma, key ◀── close what ends here ──▶ the end
 */
#include "base/json.h"

#include <string.h>

#include "base/compiler.h"
#include "base/json_plain.h"
#include "base/number.h"
#include "base/utf8.h"

/* A level of the stack. */
#define LEVEL_OBJECT 1 /* else an array */
#define LEVEL_MARKED 2 /* the last "_placeholder" is true */
#define LEVEL_NUM 4    /* the last "num" is the index of an attachment */

#define PLACEHOLDER_KEY "_placeholder"
#define NUM_KEY "num"

enum key { KEY_OTHER, KEY_PLACEHOLDER, KEY_NUM };

struct scanner {
    const char *text;
    const char *end;
    struct skio__json_scan *out;
    uint32_t depth;
    uint32_t max_depth;
    uint32_t placeholders;
    enum key key; /* of the member whose value comes next */
    int err;
    int64_t attachments; /* -1: objects are not looked at */
    uint8_t stack[SKIO__JSON_DEPTH_MAX];
};

static const char *
fail(struct scanner *s, int err)
{
    s->err = err;
    return NULL;
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *
skip_space(const char *pos, const char *end)
{
    while (pos < end && is_space(*pos))
        pos++;
    return pos;
}

/* The next character that is no white space: one must come. */
static inline const char *
next_token(struct scanner *s, const char *pos)
{
    if (skio__likely(pos < s->end && (unsigned char)*pos > ' '))
        return pos;
    pos = skip_space(pos, s->end);
    return pos < s->end ? pos : fail(s, SKIO_EPROTO);
}

/* Marks all that is no digit, which becomes 0 to 9. */
static inline uint64_t
mark_no_digit(uint64_t word)
{
    uint64_t value = word ^ SKIO__ONES * '0';

    return (((value & ~SKIO__TOPS) + SKIO__ONES * (0x80 - 10)) | value) &
           SKIO__TOPS;
}

/* Characters of several bytes, as they come. NULL: one of them is none. */
static const char *
skip_wide(const char *pos, const char *end)
{
    do {
        size_t bytes = skio__utf8_char(pos, (size_t)(end - pos));

        if (bytes == 0)
            return NULL;
        pos += bytes;
    } while (pos < end && (unsigned char)*pos >= 0x80);
    return pos;
}

/* The rest of a string that has more than plain characters, or no end. */
static skio__rare const char *
scan_hard_string(struct scanner *s, const char *pos, uint8_t *flags)
{
    const char *end = s->end;

    for (;;) {
        if (pos == end)
            return fail(s, SKIO_EPROTO);
        if (*pos == '"')
            return pos + 1;

        if (*pos == '\\') {
            size_t bytes = skio__json_escape_len(pos, end);

            if (bytes == 0)
                return fail(s, SKIO_EPROTO);
            *flags = SKIO__JSON_ESCAPED;
            pos += bytes;
        } else if ((unsigned char)*pos < 0x20) {
            return fail(s, SKIO_EPROTO);
        } else {
            pos = skip_wide(pos, end);
            if (pos == NULL)
                return fail(s, SKIO_EUTF8);
        }
        pos = skio__json_skip_plain(pos, end);
    }
}

/* A string from its opening quote on. */
static inline const char *
scan_string(struct scanner *s, const char *start, uint8_t *flags)
{
    const char *pos = skio__json_skip_plain(start + 1, s->end);

    *flags = 0;
    if (skio__likely(pos < s->end && *pos == '"'))
        return pos + 1;
    return scan_hard_string(s, pos, flags);
}

/* The same of any length, where it need not be inline. */
static skio__rare const char *
scan_any_string(struct scanner *s, const char *start, uint8_t *flags)
{
    return scan_string(s, start, flags);
}

/* The same again: most keys and many values are shorter than a word, and one
 * look at it finds their end. */
static inline const char *
scan_inner_string(struct scanner *s, const char *start, uint8_t *flags)
{
    const char *pos = start + 1;

    if (SKIO__LOW_BYTE_FIRST && s->end - pos >= 8) {
        uint64_t marks = skio__json_mark_special(skio__word_at(pos));

        if (marks != 0) {
            pos += skio__trailing_zeros(marks) / 8;
            *flags = 0;
            if (*pos == '"')
                return pos + 1;
        }
    }
    return scan_any_string(s, start, flags);
}

/* At least one digit; NULL if there is none. */
static inline const char *
scan_digits(const char *pos, const char *end)
{
    if (pos == end || !is_digit(*pos))
        return NULL;
    for (; end - pos >= 8; pos += 8) {
        uint64_t marks = mark_no_digit(skio__word_at(pos));

        if (marks != 0) {
            if (SKIO__LOW_BYTE_FIRST)
                return pos + skio__trailing_zeros(marks) / 8;
            break;
        }
    }
    while (pos < end && is_digit(*pos))
        pos++;
    return pos;
}

static const char *
scan_number(struct scanner *s, const char *pos)
{
    const char *end = s->end;

    if (*pos == '-')
        pos++;
    if (pos < end && *pos == '0')
        pos++; /* no digit may follow: it would be found after the value */
    else
        pos = scan_digits(pos, end);

    if (pos != NULL && pos < end && *pos == '.')
        pos = scan_digits(pos + 1, end);

    if (pos != NULL && pos < end && (*pos == 'e' || *pos == 'E')) {
        pos++;
        if (pos < end && (*pos == '+' || *pos == '-'))
            pos++;
        pos = scan_digits(pos, end);
    }
    return pos != NULL ? pos : fail(s, SKIO_EPROTO);
}

static const char *
scan_literal(struct scanner *s, const char *pos, const char *word, size_t len)
{
    if ((size_t)(s->end - pos) < len || memcmp(pos, word, len) != 0)
        return fail(s, SKIO_EPROTO);
    return pos + len;
}

static uint8_t *
top(struct scanner *s)
{
    return &s->stack[s->depth - 1];
}

/* Whether the innermost container ends at pos. */
static bool
is_closed(struct scanner *s, const char *pos)
{
    return *pos == ((*top(s) & LEVEL_OBJECT) != 0 ? '}' : ']');
}

static const char *
open_container(struct scanner *s, const char *pos)
{
    if (s->depth == s->max_depth)
        return fail(s, SKIO_ELIMIT);
    s->stack[s->depth++] = *pos == '{' ? LEVEL_OBJECT : 0;
    s->key = KEY_OTHER;
    return next_token(s, pos + 1);
}

/*
 * A marked object must name an attachment. JSON.parse keeps the last of
 * duplicate keys, so that is known at the end only.
 */
static const char *
close_container(struct scanner *s, const char *pos)
{
    uint8_t level = *top(s);

    if ((level & LEVEL_MARKED) != 0) {
        if ((level & LEVEL_NUM) == 0)
            return fail(s, SKIO_EPROTO);
        s->placeholders++;
    }
    s->depth--;
    return pos + 1;
}

/* A scalar that is the value of "_placeholder" or "num". */
static void
note_member(struct scanner *s, const char *start, const char *end)
{
    int64_t num;

    if (s->key == KEY_PLACEHOLDER) {
        if (*start == 't')
            *top(s) |= LEVEL_MARKED;
        return;
    }
    if (skio__number_parse_i64(start, (size_t)(end - start), &num) == SKIO_OK &&
        num >= 0 && num < s->attachments)
        *top(s) |= LEVEL_NUM;
}

static inline const char *
scan_scalar(struct scanner *s, const char *start)
{
    const char *pos;
    uint8_t flags;

    switch (*start) {
    case '"':
        pos = scan_inner_string(s, start, &flags);
        break;
    case 't':
        pos = scan_literal(s, start, "true", 4);
        break;
    case 'f':
        pos = scan_literal(s, start, "false", 5);
        break;
    case 'n':
        pos = scan_literal(s, start, "null", 4);
        break;
    default:
        pos = *start == '-' || is_digit(*start) ? scan_number(s, start)
                                                : fail(s, SKIO_EPROTO);
        break;
    }

    if (skio__unlikely(s->key != KEY_OTHER)) {
        if (pos != NULL)
            note_member(s, start, pos);
        s->key = KEY_OTHER;
    }
    return pos;
}

static inline void
set_slice(struct skio__json_slice *out, const char *text, const char *start,
          const char *end, enum skio__json_type type, uint8_t flags)
{
    out->start = (uint32_t)(start - text);
    out->len = (uint32_t)(end - start);
    out->type = (uint8_t)type;
    out->flags = flags;
}

static enum key
which_key(const char *key, size_t len, uint8_t flags)
{
    struct skio__json_slice string = {
        0,
        (uint32_t)len,
        SKIO__JSON_STRING,
        flags,
    };

    if (skio__json_string_is(key, &string, PLACEHOLDER_KEY,
                             sizeof(PLACEHOLDER_KEY) - 1))
        return KEY_PLACEHOLDER;
    if (skio__json_string_is(key, &string, NUM_KEY, sizeof(NUM_KEY) - 1))
        return KEY_NUM;
    return KEY_OTHER;
}

/*
 * A key, its colon, and up to its value. What an earlier member of the same
 * key said is forgotten here, so that any value may follow, containers too.
 */
static inline const char *
scan_key(struct scanner *s, const char *start)
{
    const char *pos;
    uint8_t flags;

    if (*start != '"')
        return fail(s, SKIO_EPROTO);
    pos = scan_inner_string(s, start, &flags);
    if (pos == NULL)
        return NULL;

    if (s->attachments >= 0) {
        s->key = which_key(start, (size_t)(pos - start), flags);
        if (s->key == KEY_PLACEHOLDER)
            *top(s) &= (uint8_t)~LEVEL_MARKED;
        else if (s->key == KEY_NUM)
            *top(s) &= (uint8_t)~LEVEL_NUM;
    }

    pos = next_token(s, pos);
    if (pos == NULL || *pos != ':')
        return fail(s, SKIO_EPROTO);
    return next_token(s, pos + 1);
}

/*
 * A value has ended at pos: so do the containers above `depth` that are closed
 * here. Returns where the next element or member begins, or at that depth the
 * end.
 */
static inline const char *
end_value(struct scanner *s, const char *pos, uint32_t depth)
{
    while (pos != NULL && s->depth > depth) {
        pos = next_token(s, pos);
        if (pos == NULL)
            return NULL;
        if (*pos == ',')
            return next_token(s, pos + 1);
        pos =
            is_closed(s, pos) ? close_container(s, pos) : fail(s, SKIO_EPROTO);
    }
    return pos;
}

/* A value and all that is in it. */
static const char *
scan_value(struct scanner *s, const char *pos)
{
    const uint32_t depth = s->depth;

    do {
        if (s->depth > depth && (*top(s) & LEVEL_OBJECT) != 0) {
            pos = scan_key(s, pos);
            if (pos == NULL)
                return NULL;
        }
        if (*pos == '[' || *pos == '{') {
            pos = open_container(s, pos);
            if (pos == NULL)
                return NULL;
            if (!is_closed(s, pos))
                continue;
            pos = close_container(s, pos);
        } else {
            pos = scan_scalar(s, pos);
        }
        pos = end_value(s, pos, depth);
    } while (pos != NULL && s->depth > depth);
    return pos;
}

/*
 * The strings that a list begins with, as most events do, where nothing but a
 * comma stands between: that takes few steps. text begins with the bracket.
 * Returns where the first element is to be scanned that is anything else; NULL
 * when the list ends without one, and the text with it.
 */
static inline const char *
scan_strings(const char *text, const char *end, struct skio__json_scan *scan)
{
    struct skio__json_slice *item = scan->items;
    const char *start = text + 1;
    uint32_t count = 0;

    while (start < end && *start == '"') {
        const char *pos = skio__json_skip_plain(start + 1, end);

        /* the quote, and at least the bracket */
        if (end - pos < 2 || *pos != '"' ||
            (pos[1] != ',' && (pos[1] != ']' || pos + 2 != end)))
            break;
        if (count < scan->cap)
            set_slice(item++, text, start, pos + 1, SKIO__JSON_STRING, 0);
        count++;
        start = pos[1] == ',' ? pos + 2 : NULL;
        if (start == NULL)
            break;
    }
    scan->count = count;
    return start;
}

/* The outermost array, whose elements are recorded; scan_strings() came to pos,
 * and counted those before. */
static const char *
scan_list(struct scanner *s, const char *start, const char *pos)
{
    struct skio__json_scan *out = s->out;

    start = open_container(s, start);
    if (start == NULL)
        return NULL;
    if (out->count == 0 && *start == ']')
        return start + 1;
    pos = out->count > 0 ? next_token(s, pos) : start;

    while (pos != NULL) {
        const uint32_t placeholders = s->placeholders;
        uint8_t flags = 0;

        start = pos;
        pos = *start == '"' ? scan_any_string(s, start, &flags)
                            : scan_value(s, start);
        if (pos == NULL)
            return NULL;
        if (s->placeholders != placeholders)
            flags |= SKIO__JSON_PLACEHOLDER;
        if (out->count < out->cap)
            set_slice(&out->items[out->count], s->text, start, pos,
                      skio__json_type(*start), flags);
        out->count++;

        pos = next_token(s, pos);
        if (pos != NULL && *pos == ']')
            return pos + 1;
        if (pos != NULL)
            pos = *pos == ',' ? next_token(s, pos + 1) : fail(s, SKIO_EPROTO);
    }
    return NULL;
}

/* The whole text; scan_strings() came to pos. Returns the end of its value. */
static const char *
scan_root(struct scanner *s, const char *start, const char *pos, uint8_t *flags)
{
    switch (*start) {
    case '[':
        return scan_list(s, start, pos);
    case '"':
        return scan_any_string(s, start, flags);
    default:
        return scan_value(s, start);
    }
}

/* What is more than a list of plain strings. */
static skio__rare int
scan_all(const char *text, const char *pos, const char *text_end,
         const struct skio__json_limits *limits, struct skio__json_scan *scan)
{
    struct scanner s;
    const char *start;
    const char *end;
    uint8_t flags = 0;

    s.text = text;
    s.end = text_end;
    s.out = scan;
    s.depth = 0;
    s.max_depth = limits->max_depth < SKIO__JSON_DEPTH_MAX
                      ? limits->max_depth
                      : SKIO__JSON_DEPTH_MAX;
    s.placeholders = 0;
    s.key = KEY_OTHER;
    s.err = SKIO_OK;
    s.attachments = limits->placeholders;

    start = next_token(&s, text);
    end = start != NULL ? scan_root(&s, start, pos, &flags) : NULL;
    if (end == NULL)
        return s.err;

    if (s.placeholders > 0)
        flags |= SKIO__JSON_PLACEHOLDER;
    set_slice(&scan->root, text, start, end, skio__json_type(*start), flags);
    scan->placeholders = s.placeholders;

    return skip_space(end, s.end) == s.end ? SKIO_OK : SKIO_EPROTO;
}

int
skio__json_scan(const char *text, size_t len,
                const struct skio__json_limits *limits,
                struct skio__json_scan *scan)
{
    const char *end = text + len;
    const char *pos = text;

    if (len > UINT32_MAX)
        return SKIO_ETOOBIG;
    if (len == 0)
        return SKIO_EPROTO;

    scan->count = 0;
    if (*text == '[' && limits->max_depth > 0)
        pos = scan_strings(text, end, scan);
    if (pos != NULL)
        return scan_all(text, pos, end, limits, scan);
    set_slice(&scan->root, text, text, end, SKIO__JSON_ARRAY, 0);
    scan->placeholders = 0;
    return SKIO_OK;
}
