/*
 * JSON, strictly and without a tree: see json.h
 *
 * The scanner is a loop over four states; where it stands in nested
 * containers is one byte a level in an array of fixed size, so neither depth
 * nor width costs memory.
 *
 *     VALUE      a value must come       KEY    a member's key must come
 *     FIRST      one may come, or the container ends
 *     AFTER      a value has ended: ',' or the container's end
 */
#include "base/json.h"

#include <string.h>

#include "base/compiler.h"
#include "base/number.h"
#include "base/utf8.h"

/* A level of the stack. */
#define LEVEL_OBJECT 1 /* else an array */
#define LEVEL_MARKED 2 /* the last "_placeholder" is true */
#define LEVEL_NUM 4    /* the last "num" is the index of an attachment */

#define PLACEHOLDER_KEY "_placeholder"
#define NUM_KEY "num"

enum state { VALUE, FIRST, KEY, AFTER };

enum key { KEY_OTHER, KEY_PLACEHOLDER, KEY_NUM };

struct scanner {
    const char *text;
    const char *pos;
    const char *end;
    int64_t attachments; /* -1: objects are not looked at */
    uint32_t max_depth;
    uint32_t depth;
    uint32_t placeholders;
    uint32_t count;
    uint32_t item_placeholders; /* when the current element began */
    uint8_t item_flags;
    const char *item_start;
    enum key key; /* of the member whose value comes next */
    struct skio__json_scan *out;
    uint8_t stack[SKIO__JSON_DEPTH_MAX];
};

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

static bool
is_plain(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/*
 * Skip what needs no look inside a string: stop at a control character, a
 * quote, a backslash or a byte of multi-byte UTF-8. Eight bytes at a time: a
 * byte below 0x80 minus n borrows into its top bit exactly if it is below n,
 * or if a lower byte did; such a false alarm only costs time.
 */
static const char *
skip_plain(const char *pos, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = UINT64_C(0x8080808080808080);

    while (end - pos >= 8) {
        uint64_t word;
        uint64_t quote;
        uint64_t slash;

        memcpy(&word, pos, sizeof(word));
        quote = word ^ (ones * '"');
        slash = word ^ (ones * '\\');
        if (((word | (word - ones * 0x20) | (quote - ones) | (slash - ones)) &
             tops) != 0)
            break;
        pos += 8;
    }
    while (pos < end && is_plain(*pos))
        pos++;
    return pos;
}

/* The value of a hexadecimal digit, -1 if it is none. */
static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Bytes of the valid escape at pos (a backslash), 0 if it is invalid. */
static size_t
check_escape(const char *pos, const char *end)
{
    int i;

    if (end - pos < 2)
        return 0;

    switch (pos[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 2;
    case 'u':
        break;
    default:
        return 0;
    }

    if (end - pos < 6)
        return 0;
    for (i = 2; i < 6; i++)
        if (hex_digit(pos[i]) < 0)
            return 0;
    return 6;
}

/* A string from its opening quote on. */
static int
scan_string(struct scanner *s, bool *escaped)
{
    const char *pos = s->pos + 1;
    const char *end = s->end;

    *escaped = false;
    for (;;) {
        unsigned char c;
        size_t bytes;

        pos = skip_plain(pos, end);
        if (pos == end)
            return SKIO_EPROTO;

        c = (unsigned char)*pos;
        if (c == '"') {
            s->pos = pos + 1;
            return SKIO_OK;
        }
        if (c == '\\') {
            *escaped = true;
            bytes = check_escape(pos, end);
            if (bytes == 0)
                return SKIO_EPROTO;
        } else if (c < 0x20) {
            return SKIO_EPROTO;
        } else {
            bytes = skio__utf8_char(pos, (size_t)(end - pos));
            if (bytes == 0)
                return SKIO_EUTF8;
        }
        pos += bytes;
    }
}

/* At least one digit; NULL if there is none. */
static const char *
scan_digits(const char *pos, const char *end)
{
    if (pos == end || !is_digit(*pos))
        return NULL;
    while (pos < end && is_digit(*pos))
        pos++;
    return pos;
}

static int
scan_number(struct scanner *s)
{
    const char *pos = s->pos;
    const char *end = s->end;

    if (*pos == '-')
        pos++;
    if (pos < end && *pos == '0')
        pos++; /* no digit may follow: it would be found after the value */
    else if ((pos = scan_digits(pos, end)) == NULL)
        return SKIO_EPROTO;

    if (pos < end && *pos == '.')
        if ((pos = scan_digits(pos + 1, end)) == NULL)
            return SKIO_EPROTO;

    if (pos < end && (*pos == 'e' || *pos == 'E')) {
        pos++;
        if (pos < end && (*pos == '+' || *pos == '-'))
            pos++;
        if ((pos = scan_digits(pos, end)) == NULL)
            return SKIO_EPROTO;
    }

    s->pos = pos;
    return SKIO_OK;
}

static int
scan_literal(struct scanner *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->pos) < len || memcmp(s->pos, word, len) != 0)
        return SKIO_EPROTO;
    s->pos += len;
    return SKIO_OK;
}

static uint8_t *
top(struct scanner *s)
{
    return &s->stack[s->depth - 1];
}

static int
open_container(struct scanner *s, uint8_t level)
{
    if (s->depth == s->max_depth)
        return SKIO_ELIMIT;
    s->stack[s->depth++] = level;
    s->pos++;
    return SKIO_OK;
}

/*
 * A marked object must name an attachment. JSON.parse keeps the last of
 * duplicate keys, so that is known at the end only.
 */
static int
close_container(struct scanner *s)
{
    uint8_t level = *top(s);

    if ((level & LEVEL_MARKED) != 0) {
        if ((level & LEVEL_NUM) == 0)
            return SKIO_EPROTO;
        s->placeholders++;
    }
    s->depth--;
    s->pos++;
    return SKIO_OK;
}

/* A scalar that is the value of "_placeholder" or "num". */
static void
note_member(struct scanner *s, const char *start)
{
    int64_t num;

    if (s->key == KEY_PLACEHOLDER) {
        if (*start == 't')
            *top(s) |= LEVEL_MARKED;
        return;
    }
    if (skio__number_parse_i64(start, (size_t)(s->pos - start), &num) ==
            SKIO_OK &&
        num >= 0 && num < s->attachments)
        *top(s) |= LEVEL_NUM;
}

/* A value of any type; of a container only the opening bracket. */
static int
step_value(struct scanner *s, enum state *state)
{
    const char *start = s->pos;
    bool escaped = false;
    int err;

    if (s->depth == 1) {
        s->item_start = start;
        s->item_flags = 0;
        s->item_placeholders = s->placeholders;
    }

    *state = AFTER;
    switch (*start) {
    case '{':
        *state = FIRST;
        return open_container(s, LEVEL_OBJECT);
    case '[':
        *state = FIRST;
        return open_container(s, 0);
    case '"':
        err = scan_string(s, &escaped);
        if (escaped)
            s->item_flags = SKIO__JSON_ESCAPED;
        break;
    case 't':
        err = scan_literal(s, "true", 4);
        break;
    case 'f':
        err = scan_literal(s, "false", 5);
        break;
    case 'n':
        err = scan_literal(s, "null", 4);
        break;
    default:
        err = *start == '-' || is_digit(*start) ? scan_number(s) : SKIO_EPROTO;
        break;
    }

    if (skio__unlikely(s->key != KEY_OTHER)) {
        if (err == SKIO_OK)
            note_member(s, start);
        s->key = KEY_OTHER;
    }
    return err;
}

static struct skio__json_slice
slice(const char *text, const char *start, const char *end, uint8_t flags)
{
    struct skio__json_slice out = {
        (uint32_t)(start - text),
        (uint32_t)(end - start),
        (uint8_t)skio__json_type(*start),
        flags,
    };

    return out;
}

static enum key
which_key(const char *key, size_t len, bool escaped)
{
    struct skio__json_slice string = {
        0,
        (uint32_t)len,
        SKIO__JSON_STRING,
        escaped ? SKIO__JSON_ESCAPED : 0,
    };

    if (skio__json_string_is(key, &string, PLACEHOLDER_KEY,
                             sizeof(PLACEHOLDER_KEY) - 1))
        return KEY_PLACEHOLDER;
    if (skio__json_string_is(key, &string, NUM_KEY, sizeof(NUM_KEY) - 1))
        return KEY_NUM;
    return KEY_OTHER;
}

/*
 * A key and its colon. What an earlier member of the same key said is
 * forgotten here, so that any value may follow, containers too.
 */
static int
step_key(struct scanner *s, enum state *state)
{
    const char *start = s->pos;
    bool escaped;
    int err;

    if (*start != '"')
        return SKIO_EPROTO;
    err = scan_string(s, &escaped);
    if (err != SKIO_OK)
        return err;

    if (s->attachments >= 0) {
        s->key = which_key(start, (size_t)(s->pos - start), escaped);
        if (s->key == KEY_PLACEHOLDER)
            *top(s) &= (uint8_t)~LEVEL_MARKED;
        else if (s->key == KEY_NUM)
            *top(s) &= (uint8_t)~LEVEL_NUM;
    }

    s->pos = skip_space(s->pos, s->end);
    if (s->pos == s->end || *s->pos != ':')
        return SKIO_EPROTO;
    s->pos++;
    *state = VALUE;
    return SKIO_OK;
}

/* An element of the outermost array has ended at `end`. */
static void
end_item(struct scanner *s, const char *end)
{
    struct skio__json_scan *out = s->out;
    uint8_t flags = s->item_flags;

    if (s->count < out->cap) {
        if (*s->item_start != '"')
            flags = 0;
        if (s->placeholders != s->item_placeholders)
            flags |= SKIO__JSON_PLACEHOLDER;
        out->items[s->count] = slice(s->text, s->item_start, end, flags);
    }
    s->count++;
}

/* A comma or the end of the container. */
static int
step_after(struct scanner *s, enum state *state)
{
    bool object = (*top(s) & LEVEL_OBJECT) != 0;

    if (*s->pos == ',') {
        s->pos++;
        *state = object ? KEY : VALUE;
        return SKIO_OK;
    }
    if (*s->pos != (object ? '}' : ']'))
        return SKIO_EPROTO;
    return close_container(s);
}

/* Right after an opening bracket. */
static int
step_first(struct scanner *s, enum state *state)
{
    bool object = (*top(s) & LEVEL_OBJECT) != 0;

    s->key = KEY_OTHER;
    if (*s->pos == (object ? '}' : ']')) {
        *state = AFTER;
        return close_container(s);
    }
    *state = object ? KEY : VALUE;
    return SKIO_OK;
}

/*
 * Run the states until the outermost value has ended.
 *
 * Only the outermost array has items; whether it is one is asked here, not
 * for every value.
 */
static int
scan_value(struct scanner *s)
{
    const bool list = *s->pos == '[';
    enum state state = VALUE;
    const char *last = s->pos; /* end of the last token */
    int err = SKIO_OK;

    while (err == SKIO_OK && !(state == AFTER && s->depth == 0)) {
        if (state == AFTER && s->depth == 1 && list)
            end_item(s, last);

        s->pos = skip_space(s->pos, s->end);
        if (s->pos == s->end)
            return SKIO_EPROTO;

        switch (state) {
        case VALUE:
            err = step_value(s, &state);
            break;
        case FIRST:
            err = step_first(s, &state);
            break;
        case KEY:
            err = step_key(s, &state);
            break;
        case AFTER:
            err = step_after(s, &state);
            break;
        }
        last = s->pos;
    }
    return err;
}

int
skio__json_scan(const char *text, size_t len,
                const struct skio__json_limits *limits,
                struct skio__json_scan *scan)
{
    struct scanner s;
    const char *start;
    uint8_t flags;
    int err;

    if (len > UINT32_MAX)
        return SKIO_ETOOBIG;
    if (len == 0)
        return SKIO_EPROTO;

    s.text = text;
    s.end = text + len;
    s.attachments = limits->placeholders;
    s.max_depth = limits->max_depth < SKIO__JSON_DEPTH_MAX
                      ? limits->max_depth
                      : SKIO__JSON_DEPTH_MAX;
    s.depth = 0;
    s.placeholders = 0;
    s.count = 0;
    s.item_placeholders = 0;
    s.item_flags = 0;
    s.item_start = text;
    s.key = KEY_OTHER;
    s.out = scan;

    start = skip_space(text, s.end);
    if (start == s.end)
        return SKIO_EPROTO;
    s.pos = start;

    err = scan_value(&s);
    if (err != SKIO_OK)
        return err;

    flags = *start == '"' ? s.item_flags : 0;
    if (s.placeholders > 0)
        flags |= SKIO__JSON_PLACEHOLDER;
    scan->root = slice(text, start, s.pos, flags);
    scan->count = s.count;
    scan->placeholders = s.placeholders;

    return skip_space(s.pos, s.end) == s.end ? SKIO_OK : SKIO_EPROTO;
}
