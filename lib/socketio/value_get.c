/*
 * Values: the getters of <socketio/value.h>
 *
 * Whatever a caller keeps is a copy: strings unescaped and NUL-terminated, raw
 * texts NUL-terminated, views on parts.
 */
#include "socketio/value.h"

#include <string.h>

#include "base/number.h"

#define KEY_SCRATCH 64 /* bytes at first for the keys that skio_each() shows */

/* A view on a part. It has the attachments and the copies of the whole. */
static void
init_part(struct skio_value *part, const struct skio_value *value,
          const struct skio__json_slice *slice)
{
    skio__value_init_root(part, value->text, slice, value->arena);
    part->attachments = value->attachments;
    part->attachment_count = value->attachment_count;
    part->first_placeholder = value->first_placeholder;
    part->copies = value->copies;
}

enum skio_type
skio_type_of(const skio_value *value, const char *path)
{
    static const enum skio_type types[] = {
        [SKIO__JSON_NULL] = SKIO_TYPE_NULL,
        [SKIO__JSON_BOOL] = SKIO_TYPE_BOOL,
        [SKIO__JSON_NUMBER] = SKIO_TYPE_NUMBER,
        [SKIO__JSON_STRING] = SKIO_TYPE_STRING,
        [SKIO__JSON_ARRAY] = SKIO_TYPE_ARRAY,
        [SKIO__JSON_OBJECT] = SKIO_TYPE_OBJECT,
    };
    struct skio__json_slice slice;

    if (skio__value_find(value, path, &slice, NULL) != SKIO_OK)
        return SKIO_TYPE_NONE;
    if (skio__value_attachment(value, &slice, NULL))
        return SKIO_TYPE_BYTES;
    return types[slice.type];
}

size_t
skio_count(const skio_value *value, const char *path)
{
    struct skio__json_slice slice;
    bool whole;

    if (skio__value_find(value, path, &slice, &whole) != SKIO_OK)
        return 0;
    if (whole)
        return skio__value_arg_count(value);
    if (skio__value_attachment(value, &slice, NULL))
        return 0;
    return skio__json_count(value->text, &slice);
}

/* Unescape into out, which has room for string->len bytes. */
static size_t
unescape(const struct skio_value *value, const struct skio__json_slice *string,
         char *out)
{
    size_t len;

    if ((string->flags & SKIO__JSON_ESCAPED) != 0) {
        len = skio__json_unescape(value->text, string, out);
    } else {
        len = string->len - 2;
        memcpy(out, value->text + string->start + 1, len);
    }
    out[len] = '\0';
    return len;
}

/* The two quotes make room for the NUL. The length stands before the text. */
static const char *
copy_string(const struct skio_value *value,
            const struct skio__json_slice *string, size_t *len)
{
    bool is_new;
    size_t *copy = skio__value_keep(value, SIO_COPY_STR, string->start,
                                    sizeof(*copy) + string->len, &is_new);

    if (copy == NULL)
        return NULL;
    if (is_new)
        *copy = unescape(value, string, (char *)(copy + 1));
    *len = *copy;
    return (const char *)(copy + 1);
}

const char *
skio_get_strn(const skio_value *value, const char *path, size_t *len)
{
    struct skio__json_slice slice;

    if (skio__value_find(value, path, &slice, NULL) != SKIO_OK ||
        slice.type != SKIO__JSON_STRING)
        return NULL;
    return copy_string(value, &slice, len);
}

const char *
skio_get_str(const skio_value *value, const char *path)
{
    size_t len;
    const char *str = skio_get_strn(value, path, &len);

    if (str == NULL || memchr(str, '\0', len) != NULL)
        return NULL;
    return str;
}

/* What stands at a path, if it has this type. */
static int
find_typed(const skio_value *value, const char *path, enum skio__json_type type,
           struct skio__json_slice *out)
{
    int err = skio__value_find(value, path, out, NULL);

    if (err != SKIO_OK)
        return err;
    return out->type == (uint8_t)type ? SKIO_OK : SKIO_ETYPE;
}

int
skio_get_int(const skio_value *value, const char *path, int64_t *out)
{
    struct skio__json_slice slice;
    int err = find_typed(value, path, SKIO__JSON_NUMBER, &slice);

    if (err != SKIO_OK)
        return err;
    return skio__number_parse_i64(value->text + slice.start, slice.len, out);
}

int
skio_get_double(const skio_value *value, const char *path, double *out)
{
    struct skio__json_slice slice;
    int err = find_typed(value, path, SKIO__JSON_NUMBER, &slice);

    if (err != SKIO_OK)
        return err;
    return skio__number_parse(value->text + slice.start, slice.len, out);
}

int
skio_get_bool(const skio_value *value, const char *path, bool *out)
{
    struct skio__json_slice slice;
    int err = find_typed(value, path, SKIO__JSON_BOOL, &slice);

    if (err != SKIO_OK)
        return err;
    *out = value->text[slice.start] == 't';
    return SKIO_OK;
}

int
skio_get_bytes(const skio_value *value, const char *path, skio_bytes *out)
{
    struct skio__json_slice slice;
    int err = find_typed(value, path, SKIO__JSON_OBJECT, &slice);

    if (err != SKIO_OK)
        return err;
    return skio__value_attachment(value, &slice, out) ? SKIO_OK : SKIO_ETYPE;
}

/*
 * All arguments as an array: the text as it came but for the hidden elements.
 */
static const char *
copy_list(const struct skio_value *value, size_t *len)
{
    const char *text;
    char *copy;
    bool is_new;

    skio__value_raw(value, &text, len);
    copy = skio__value_keep(value, SIO_COPY_JSON, value->root.start, *len + 3,
                            &is_new);
    if (copy == NULL)
        return NULL;
    copy[0] = '[';
    memcpy(copy + 1, text, *len);
    copy[*len + 1] = ']';
    copy[*len + 2] = '\0';
    *len += 2;
    return copy;
}

const char *
skio_get_json(const skio_value *value, const char *path)
{
    struct skio__json_slice slice;
    bool whole;
    bool is_new;
    size_t len;
    char *copy;

    if (skio__value_find(value, path, &slice, &whole) != SKIO_OK)
        return NULL;
    if (whole)
        return copy_list(value, &len);

    copy = skio__value_keep(value, SIO_COPY_JSON, slice.start,
                            (size_t)slice.len + 1, &is_new);
    if (copy != NULL && is_new) {
        memcpy(copy, value->text + slice.start, slice.len);
        copy[slice.len] = '\0';
    }
    return copy;
}

int
skio_get_slice(const skio_value *value, const char *path, skio_bytes *out)
{
    struct skio__json_slice slice;
    const char *text;
    size_t len;
    bool whole;
    int err = skio__value_find(value, path, &slice, &whole);

    if (err != SKIO_OK)
        return err;

    text = value->text + slice.start;
    len = slice.len;
    if (whole && value->skip > 0) {
        text = copy_list(value, &len);
        if (text == NULL)
            return SKIO_ENOMEM;
    }
    out->data = text;
    out->len = len;
    return SKIO_OK;
}

int
skio_slice_int(const char *text, size_t len, int64_t *out)
{
    return skio__number_parse_i64(text, len, out);
}

int
skio_slice_double(const char *text, size_t len, double *out)
{
    return skio__number_parse(text, len, out);
}

int
skio_slice_bytes(const skio_value *value, const char *at, skio_bytes *out)
{
    /* Numbers: a place in another text cannot be compared as a pointer. */
    const uintptr_t start = (uintptr_t)(value->text + value->root.start);
    const uintptr_t offset = (uintptr_t)at - start;
    struct skio__json_slice slice;

    if (offset >= value->root.len || *at != '{')
        return SKIO_EINVAL;
    if (value->attachment_count == 0)
        return SKIO_ETYPE;
    /* Whoever walks a slice ends at the object's own brace. */
    slice.start = (uint32_t)(at - value->text);
    slice.len = value->root.start + value->root.len - slice.start;
    slice.type = SKIO__JSON_OBJECT;
    slice.flags = 0;
    return skio__value_attachment(value, &slice, out) ? SKIO_OK : SKIO_ETYPE;
}

/* Whose trees a part uses. They are what a view caches: its constness is the
 * reader's. */
static struct skio_value *
owner_of(const struct skio_value *value)
{
    return value->owner != NULL ? value->owner : (struct skio_value *)value;
}

const skio_value *
skio_get_value(const skio_value *value, const char *path)
{
    struct skio__json_slice slice;
    struct skio_value *part;
    bool whole;
    bool is_new;

    if (skio__value_find(value, path, &slice, &whole) != SKIO_OK)
        return NULL;
    if (whole)
        return value;

    part = skio__value_keep(value, SIO_COPY_VALUE, slice.start, sizeof(*part),
                            &is_new);
    if (part != NULL && is_new) {
        init_part(part, value, &slice);
        part->owner =
            value->owner != NULL ? value->owner : (struct skio_value *)value;
    }
    return part;
}

const skio_value *
skio_get_args(const skio_value *args, size_t from)
{
    struct skio_value *rest;
    bool is_new;

    if (args == NULL || !args->is_list)
        return NULL;
    if (from == 0)
        return args;

    /* A list is a packet's: it keeps no copies that could be found again. */
    rest = skio__value_keep(args, SIO_COPY_VALUE, args->root.start,
                            sizeof(*rest), &is_new);
    if (rest == NULL)
        return NULL;
    *rest = *args;
    rest->skip = from < skio__value_arg_count(args)
                     ? args->skip + (uint32_t)from
                     : args->count;
    rest->owner = owner_of(args);
    rest->tree = NULL;
    return rest;
}

/* Where skio_each() shows its keys: one copy, overwritten for each. */
struct key_buf {
    char *data;
    size_t cap;
};

/*
 * The key of a member. A text of its own keeps a copy of each; elsewhere a
 * packet of a million keys must not fill the arena.
 */
static const char *
show_key(const struct skio_value *value, const struct skio__json_slice *key,
         struct key_buf *buf)
{
    size_t cap = buf->cap > 0 ? buf->cap : KEY_SCRATCH;
    size_t len;

    if (value->copies != NULL)
        return copy_string(value, key, &len);

    if (buf->data == NULL || buf->cap < key->len) {
        while (cap < key->len)
            cap *= 2;
        buf->data = skio__arena_alloc(value->arena, cap);
        buf->cap = buf->data != NULL ? cap : 0;
        if (buf->data == NULL)
            return NULL;
    }
    unescape(value, key, buf->data);
    return buf->data;
}

int
skio_each(const skio_value *value, const char *path, skio_each_fn *fn,
          void *user)
{
    struct skio__json_slice slice;
    struct skio__json_iter iter;
    struct key_buf buf = {NULL, 0};
    struct skio_value item;
    const char *key = NULL;
    uint32_t hidden;
    size_t index = 0;
    bool whole;
    bool more = true;
    int err = skio__value_find(value, path, &slice, &whole);

    if (err != SKIO_OK)
        return err;
    if ((slice.type != SKIO__JSON_ARRAY && slice.type != SKIO__JSON_OBJECT) ||
        skio__value_attachment(value, &slice, NULL))
        return SKIO_ETYPE;

    hidden = whole ? value->skip : 0;
    skio__json_iter_init(&iter, value->text, &slice);
    while (more && skio__json_iter_next(&iter)) {
        if (hidden > 0) {
            hidden--;
            continue;
        }
        if (iter.is_object) {
            key = show_key(value, &iter.key, &buf);
            if (key == NULL)
                return SKIO_ENOMEM;
        }
        init_part(&item, value, &iter.value);
        more = fn(key, index++, &item, user);
        skio__value_deinit(&item);
    }
    return SKIO_OK;
}
