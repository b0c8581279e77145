/*
 * JSON templates: see format.h and skio_format(7)
 *
 * One pass over the template writes the JSON and checks its grammar, with the
 * same states as the scanner of json.c:
 *
 *     VALUE  a value must come         COLON  a key has ended
 *     FIRST  one may come, or a key,   AFTER  a value has ended
 *            or the container ends     KEY    a key must come
 *
 * The commas of the template are only checked. Those of the output are written
 * before each element but the first: a spliced list may be empty.
 */
#include "base/format.h"

#include <string.h>

#include "base/conversion.h"
#include "base/json.h"
#include "base/number.h"
#include "base/utf8.h"

#define ESCAPE_MAX 6   /* bytes of one in JSON */
#define LEVEL_OBJECT 1 /* else an array, or the argument list itself */
#define LEVEL_FILLED 2 /* something was written in it */

enum state { VALUE, FIRST, KEY, COLON, AFTER };

struct writer {
    const struct skio__format_options *options;
    struct skio__buf *out;
    const char *pos;
    va_list *args;
    enum state state;
    uint32_t depth; /* of the template's own brackets */
    uint32_t room;  /* levels that may still be opened */
    uint8_t stack[SKIO__JSON_DEPTH_MAX + 1];
};

static uint8_t *
top(struct writer *w)
{
    return &w->stack[w->depth];
}

static bool
is_at_key(struct writer *w)
{
    return w->state == KEY ||
           (w->state == FIRST && (*top(w) & LEVEL_OBJECT) != 0);
}

static bool
is_at_value(struct writer *w)
{
    return w->state == VALUE ||
           (w->state == FIRST && (*top(w) & LEVEL_OBJECT) == 0);
}

/* The comma before an element that is not the first. */
static int
put_comma(struct writer *w)
{
    uint8_t *level = top(w);

    if ((*level & LEVEL_FILLED) != 0)
        return skio__buf_putc(w->out, ',');
    *level |= LEVEL_FILLED;
    return SKIO_OK;
}

/* A value is about to be written. */
static int
begin_value(struct writer *w)
{
    if (!is_at_value(w))
        return SKIO_EINVAL;
    w->state = AFTER;
    return (*top(w) & LEVEL_OBJECT) != 0 ? SKIO_OK : put_comma(w);
}

/* A string is about to be written: a key or a value. */
static int
begin_string(struct writer *w)
{
    if (!is_at_key(w))
        return begin_value(w);
    w->state = COLON;
    return put_comma(w);
}

static int
put_null(struct writer *w)
{
    int err = begin_value(w);

    return err == SKIO_OK ? skio__buf_append(w->out, "null", 4) : err;
}

static int
open_level(struct writer *w)
{
    bool is_object = *w->pos == '{';
    int err = begin_value(w);

    if (err != SKIO_OK)
        return err;
    if (w->room == 0)
        return SKIO_EINVAL;
    w->room--;
    w->depth++;
    *top(w) = is_object ? LEVEL_OBJECT : 0;
    w->state = FIRST;
    return skio__buf_putc(w->out, *w->pos++);
}

static int
close_level(struct writer *w)
{
    char bracket = (*top(w) & LEVEL_OBJECT) != 0 ? '}' : ']';

    if (w->depth == 0 || *w->pos != bracket ||
        (w->state != FIRST && w->state != AFTER))
        return SKIO_EINVAL;
    w->room++;
    w->depth--;
    w->state = AFTER;
    return skio__buf_putc(w->out, *w->pos++);
}

static int
pass_comma(struct writer *w)
{
    if (w->state != AFTER || (w->depth == 0 && w->options->is_value))
        return SKIO_EINVAL;
    w->state = (*top(w) & LEVEL_OBJECT) != 0 ? KEY : VALUE;
    w->pos++;
    return SKIO_OK;
}

static int
pass_colon(struct writer *w)
{
    if (w->state != COLON)
        return SKIO_EINVAL;
    w->state = VALUE;
    return skio__buf_putc(w->out, *w->pos++);
}

static bool
is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' ||
           c == '+' || c == '-' || c == '.';
}

/* A number or literal of the template, as it is written there. */
static int
put_word(struct writer *w)
{
    const struct skio__json_limits limits = {0, -1};
    struct skio__json_scan scan = {0};
    const char *start = w->pos;
    size_t len = 0;
    int err = begin_value(w);

    if (err != SKIO_OK)
        return err;
    while (is_word(start[len]))
        len++;
    if (skio__json_scan(start, len, &limits, &scan) != SKIO_OK)
        return SKIO_EINVAL;
    w->pos += len;
    return skio__buf_append(w->out, start, len);
}

/* An escape of the template, a backslash: JSON's own, and \' */
static int
put_escape(struct writer *w)
{
    const char *escape = w->pos;
    const char *nul = memchr(escape, '\0', ESCAPE_MAX); /* reads no further */
    size_t len;

    if (escape[1] == '\'') {
        w->pos += 2;
        return skio__buf_putc(w->out, '\'');
    }
    len =
        skio__json_escape_len(escape, nul != NULL ? nul : escape + ESCAPE_MAX);
    if (len == 0)
        return SKIO_EINVAL;
    w->pos += len;
    return skio__buf_append(w->out, escape, len);
}

/* One character of a string of the template that is not its quote. */
static int
put_literal_char(struct writer *w)
{
    const char *start = w->pos;
    size_t len;

    switch (*start) {
    case '\\':
        return put_escape(w);
    case '"': /* in single quotes */
        w->pos++;
        return skio__buf_append(w->out, "\\\"", 2);
    case '%':
        if (start[1] != '%')
            return SKIO_EINVAL;
        w->pos += 2;
        return skio__buf_putc(w->out, '%');
    default:
        break;
    }

    if ((unsigned char)*start < 0x20)
        return SKIO_EINVAL; /* the end of the template, too */
    /* It reads byte by byte, and the NUL is no continuation. */
    len = skio__utf8_char(start, 4);
    if (len == 0)
        return SKIO_EINVAL;
    w->pos += len;
    return skio__buf_append(w->out, start, len);
}

/* Characters of a string that stand for themselves. */
static bool
is_plain(char c, char quote)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != quote &&
           c != '"' && c != '\\' && c != '%';
}

static const char *
skip_plain(const char *pos, char quote)
{
    while (is_plain(*pos, quote))
        pos++;
    return pos;
}

/* What is not plain to its end. */
static int
put_hard_literal(struct writer *w, char quote)
{
    int err = skio__buf_putc(w->out, '"');

    while (err == SKIO_OK && *w->pos != quote) {
        const char *start = w->pos;

        w->pos = skip_plain(start, quote);
        if (w->pos > start)
            err = skio__buf_append(w->out, start, (size_t)(w->pos - start));
        else
            err = put_literal_char(w);
    }
    if (err != SKIO_OK)
        return err;
    w->pos++;
    return skio__buf_putc(w->out, '"');
}

static int
put_literal(struct writer *w)
{
    char quote = *w->pos;
    const char *start = ++w->pos;
    const char *end = skip_plain(start, quote);
    int err = begin_string(w);

    if (err != SKIO_OK)
        return err;
    if (*end != quote)
        return put_hard_literal(w, quote);
    w->pos = end + 1;
    return skio__json_quote_plain(w->out, start, (size_t)(end - start));
}

/* "%-s": one JSON value, finished. */
static int
put_raw(struct writer *w, const char *json, size_t len)
{
    const struct skio__json_limits limits = {w->room, -1};
    struct skio__json_scan scan = {0};
    int err = begin_value(w);

    if (err != SKIO_OK)
        return err;
    if (w->options->trust_raw_json && len > 0)
        return skio__buf_append(w->out, json, len);
    if (skio__json_scan(json, len, &limits, &scan) != SKIO_OK)
        return SKIO_EINVAL;
    return skio__buf_append(w->out, json + scan.root.start, scan.root.len);
}

static int
convert_string(struct writer *w, const struct skio__conversion *conversion)
{
    size_t len;
    const char *str = skio__conversion_string(conversion, w->args, &len);
    int err;

    if (str == NULL)
        return put_null(w);
    if (conversion->is_raw)
        return put_raw(w, str, len);
    if (!skio__utf8_valid(str, len))
        return SKIO_EINVAL;
    err = begin_string(w);
    return err == SKIO_OK ? skio__json_quote(w->out, str, len) : err;
}

static int
convert_number(struct writer *w, const struct skio__conversion *conversion)
{
    char text[SKIO__NUMBER_MAX];
    size_t len = skio__conversion_number(conversion, w->args, text);
    int err = begin_value(w);

    return err == SKIO_OK ? skio__buf_append(w->out, text, len) : err;
}

static int
put_bytes(struct writer *w, const void *data, size_t len)
{
    const skio_bytes bytes = {data, len};
    int err;

    if (w->options->attachments == NULL || (data == NULL && len > 0))
        return SKIO_EINVAL;
    err = begin_value(w);
    if (err != SKIO_OK)
        return err;
    return skio__attachments_add(w->options->attachments, w->out, &bytes);
}

/*
 * Whether a value stays within the depth when it is put here. An argument list
 * in another one is no deeper than where it came from.
 */
static bool
value_fits(const struct writer *w, const struct skio_value *value)
{
    const struct skio__json_limits limits = {w->room + value->is_list, -1};
    struct skio__json_scan scan = {0};

    return (value->is_list && w->depth == 0) ||
           skio__json_scan(value->text + value->root.start, value->root.len,
                           &limits, &scan) == SKIO_OK;
}

/* SKIO_VALUE(): the text, its attachments along with it. */
static int
put_value(struct writer *w, const struct skio_value *value)
{
    const char *text;
    size_t len;
    int err;

    if (value == NULL)
        return put_null(w);
    if ((value->attachment_count > 0 && w->options->attachments == NULL) ||
        !value_fits(w, value))
        return SKIO_EINVAL;

    if (value->is_list) {
        /* Any number of values fits an array and the list only. */
        if (!is_at_value(w) || (*top(w) & LEVEL_OBJECT) != 0 ||
            (w->depth == 0 && w->options->is_value))
            return SKIO_EINVAL;
        skio__value_raw(value, &text, &len);
        if (len == 0) {
            w->state = AFTER;
            return SKIO_OK;
        }
    }
    err = begin_value(w);
    if (err != SKIO_OK)
        return err;
    return skio__attachments_splice(w->options->attachments, w->out, value);
}

static int
convert_pointer(struct writer *w)
{
    const skio_arg *arg = va_arg(*w->args, const void *);

    if (arg == NULL)
        return put_null(w);
    if (arg->tag == SKIO_ARG_BYTES)
        return put_bytes(w, arg->data, arg->len);
    if (arg->tag == SKIO_ARG_VALUE)
        return put_value(w, arg->data);
    return SKIO_EINVAL;
}

static int
convert(struct writer *w)
{
    struct skio__conversion conversion;

    w->pos = skio__conversion_parse(w->pos + 1, w->args, &conversion);
    switch (conversion.kind) {
    case SKIO__CONVERSION_STRING:
        return convert_string(w, &conversion);
    case SKIO__CONVERSION_NUMBER:
        return convert_number(w, &conversion);
    case SKIO__CONVERSION_POINTER:
        return convert_pointer(w);
    case SKIO__CONVERSION_NONE:
        break;
    }
    return SKIO_EINVAL;
}

static int
step(struct writer *w)
{
    switch (*w->pos) {
    case '%':
        return convert(w);
    case '\'':
    case '"':
        return put_literal(w);
    case '{':
    case '[':
        return open_level(w);
    case '}':
    case ']':
        return close_level(w);
    case ',':
        return pass_comma(w);
    case ':':
        return pass_colon(w);
    case ' ':
    case '\n':
    case '\r':
    case '\t':
        w->pos++; /* JSON.stringify() writes none */
        return SKIO_OK;
    default:
        return put_word(w);
    }
}

static void
begin(struct writer *w, const struct skio__format_options *options)
{
    uint32_t room = options->max_json_depth < SKIO__JSON_DEPTH_MAX
                        ? options->max_json_depth
                        : SKIO__JSON_DEPTH_MAX;

    /* The brackets around an argument list are a level, too. */
    if (!options->is_value && room > 0)
        room--;
    w->options = options;
    w->room = room;
    w->depth = 0;
    w->stack[0] = 0;
    w->state = options->is_value ? VALUE : FIRST;
}

static int
write_template(const struct skio__format_options *options,
               struct skio__buf *out, const char *format, va_list *args)
{
    struct skio__attachments *list = options->attachments;
    const uint32_t count = list != NULL ? list->count : 0;
    const size_t len = out->len;
    struct writer w;
    int err = out->err;

    begin(&w, options);
    w.out = out;
    w.pos = format;
    w.args = args;
    while (err == SKIO_OK && *w.pos != '\0')
        err = step(&w);

    if (err == SKIO_OK &&
        (w.depth > 0 ||
         (w.state != AFTER && (w.state != FIRST || options->is_value))))
        err = SKIO_EINVAL;
    if (err != SKIO_OK) {
        out->len = len;
        if (list != NULL)
            list->count = count;
    }
    return err;
}

int
skio__format(const struct skio__format_options *options, struct skio__buf *out,
             const char *format, va_list *args)
{
    const struct skio_value *list =
        options->is_value ? NULL : skio__format_list(format, args);
    const char *text;
    size_t len;

    if (list == NULL)
        return write_template(options, out, format, args);
    skio__value_raw(list, &text, &len);
    return skio__buf_append(out, text, len);
}
