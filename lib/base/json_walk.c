/*
 * Walking validated JSON text: see the second half of json.h
 *
 * The scanner has accepted the text, so nothing is checked here; only the
 * ends are kept in mind where a number or a literal may be the last thing.
 */
#include "base/json.h"

#include <string.h>

#include "base/number.h"

static const char *
skip_space(const char *pos, const char *end)
{
    while (pos < end &&
           (*pos == ' ' || *pos == '\n' || *pos == '\r' || *pos == '\t'))
        pos++;
    return pos;
}

/* Past the closing quote of the string that starts at pos. */
static const char *
skip_string(const char *pos, bool *escaped)
{
    *escaped = false;
    for (pos++; *pos != '"'; pos++) {
        if (*pos == '\\') {
            *escaped = true;
            pos++;
        }
    }
    return pos + 1;
}

static const char *
skip_container(const char *pos)
{
    size_t depth = 0;
    bool escaped;

    do {
        switch (*pos) {
        case '"':
            pos = skip_string(pos, &escaped);
            continue;
        case '[':
        case '{':
            depth++;
            break;
        case ']':
        case '}':
            depth--;
            break;
        default:
            break;
        }
        pos++;
    } while (depth > 0);
    return pos;
}

/* Past a number or a literal. */
static const char *
skip_word(const char *pos, const char *end)
{
    while (pos < end && *pos != ',' && *pos != ']' && *pos != '}' &&
           *pos != ' ' && *pos != '\n' && *pos != '\r' && *pos != '\t')
        pos++;
    return pos;
}

const char *
skio__json_skip(const char *pos, const char *end)
{
    bool escaped;

    switch (*pos) {
    case '"':
        return skip_string(pos, &escaped);
    case '[':
    case '{':
        return skip_container(pos);
    default:
        return skip_word(pos, end);
    }
}

/* The slice of the value at pos. */
static struct skio__json_slice
slice_at(const char *text, const char *pos, const char *end)
{
    struct skio__json_slice out = {0, 0, 0, 0};
    const char *stop;
    bool escaped = false;

    if (*pos == '"')
        stop = skip_string(pos, &escaped);
    else
        stop = skio__json_skip(pos, end);

    out.start = (uint32_t)(pos - text);
    out.len = (uint32_t)(stop - pos);
    out.type = (uint8_t)skio__json_type(*pos);
    out.flags = escaped ? SKIO__JSON_ESCAPED : 0;
    return out;
}

struct skio__json_slice
skio__json_whole(const char *text, size_t len)
{
    const char *end = text + len;

    return slice_at(text, skip_space(text, end), end);
}

void
skio__json_iter_init(struct skio__json_iter *iter, const char *text,
                     const struct skio__json_slice *value)
{
    memset(iter, 0, sizeof(*iter));
    iter->text = text;
    iter->end = text + value->start + value->len;
    iter->is_object = value->type == SKIO__JSON_OBJECT;
    iter->pos = iter->end;
    if (iter->is_object || value->type == SKIO__JSON_ARRAY)
        iter->pos = text + value->start + 1;
}

bool
skio__json_iter_next(struct skio__json_iter *iter)
{
    const char *pos = skip_space(iter->pos, iter->end);

    if (pos < iter->end && *pos == ',')
        pos = skip_space(pos + 1, iter->end);
    if (pos >= iter->end || *pos == ']' || *pos == '}') {
        iter->pos = iter->end;
        return false;
    }

    if (iter->is_object) {
        iter->key = slice_at(iter->text, pos, iter->end);
        pos = skip_space(pos + iter->key.len, iter->end);
        pos = skip_space(pos + 1, iter->end); /* the colon */
    }
    iter->value = slice_at(iter->text, pos, iter->end);
    iter->pos = pos + iter->value.len;
    return true;
}

size_t
skio__json_count(const char *text, const struct skio__json_slice *value)
{
    struct skio__json_iter iter;
    size_t count = 0;

    skio__json_iter_init(&iter, text, value);
    while (skio__json_iter_next(&iter))
        count++;
    return count;
}

int
skio__json_nth(const char *text, const struct skio__json_slice *array, size_t n,
               struct skio__json_slice *out)
{
    struct skio__json_iter iter;

    if (array->type != SKIO__JSON_ARRAY)
        return SKIO_ETYPE;

    skio__json_iter_init(&iter, text, array);
    while (skio__json_iter_next(&iter)) {
        if (n-- == 0) {
            *out = iter.value;
            return SKIO_OK;
        }
    }
    return SKIO_ENOENT;
}

int
skio__json_get(const char *text, const struct skio__json_slice *object,
               const char *key, size_t len, struct skio__json_slice *out)
{
    struct skio__json_iter iter;
    int err = SKIO_ENOENT;

    if (object->type != SKIO__JSON_OBJECT)
        return SKIO_ETYPE;

    skio__json_iter_init(&iter, text, object);
    while (skio__json_iter_next(&iter)) {
        if (skio__json_string_is(text, &iter.key, key, len)) {
            *out = iter.value;
            err = SKIO_OK;
        }
    }
    return err;
}

/* A decimal index: digits alone, no leading zero. False if it is none. */
static bool
parse_index(const char *step, size_t len, size_t *out)
{
    size_t n = 0;
    size_t i;

    /* Nine digits fit, and no text has more elements than 4 GiB bytes do. */
    if (len == 0 || len > 9 || (step[0] == '0' && len > 1))
        return false;
    for (i = 0; i < len; i++) {
        if (step[i] < '0' || step[i] > '9')
            return false;
        n = 10 * n + (size_t)(step[i] - '0');
    }
    *out = n;
    return true;
}

int
skio__json_path(const char *text, const struct skio__json_slice *root,
                const char *path, struct skio__json_slice *out)
{
    struct skio__json_slice at = *root;

    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        size_t index;
        int err = SKIO_ENOENT;

        if (at.type == SKIO__JSON_OBJECT)
            err = skio__json_get(text, &at, path, len, &at);
        else if (at.type == SKIO__JSON_ARRAY && parse_index(path, len, &index))
            err = skio__json_nth(text, &at, index, &at);
        if (err != SKIO_OK)
            return SKIO_ENOENT;

        path += len;
        if (*path == '.' && *++path == '\0')
            return SKIO_ENOENT; /* a dot at the end leads nowhere */
    }
    *out = at;
    return SKIO_OK;
}

int64_t
skio__json_placeholder(const char *text, const struct skio__json_slice *value)
{
    struct skio__json_slice mark;
    struct skio__json_slice num;
    int64_t n;

    if (skio__json_get(text, value, "_placeholder", 12, &mark) != SKIO_OK ||
        text[mark.start] != 't')
        return -1;
    if (skio__json_get(text, value, "num", 3, &num) != SKIO_OK ||
        num.type != SKIO__JSON_NUMBER ||
        skio__number_parse_i64(text + num.start, num.len, &n) != SKIO_OK)
        return -1;
    return n >= 0 ? n : -1;
}
