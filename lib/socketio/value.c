/*
 * Values: see value.h, and <socketio/value.h> for the getters
 *
 * A path is followed through the text every time; only the slices of the
 * arguments are at hand. Whatever a caller keeps is a copy: strings unescaped
 * and NUL-terminated, raw texts NUL-terminated, views on parts.
 */
#include "socketio/value.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"
#include "base/number.h"

#define KEY_SCRATCH 64 /* bytes at first for the keys that skio_each() shows */

/*
 * What was made of a text of its own: a binary tree, keyed by place and kind.
 * Keys are scrambled, so neither a reader's order nor a peer's text makes it
 * a list.
 */
struct copy {
    struct copy *left;
    struct copy *right;
    uint64_t key;
    uint64_t align; /* what follows is aligned as malloc aligns */
};

struct sio_copies {
    const skio_allocator *mem;
    struct copy *top;
};

/* A value on the heap: text and copies go with it. */
struct owned {
    struct skio_value value;
    struct sio_copies copies;
    char text[];
};

static const char no_arguments[] = "[]";

void
skio__value_init_args(struct skio_value *value, const char *text,
                      const struct skio__json_slice *root,
                      const struct skio__json_slice *items, uint32_t item_count,
                      uint32_t count, uint32_t skip,
                      const skio_bytes *attachments, uint32_t attachment_count,
                      struct skio__arena *arena)
{
    const struct skio__json_slice empty = {0, 2, SKIO__JSON_ARRAY, 0};

    memset(value, 0, sizeof(*value));
    value->text = text != NULL ? text : no_arguments;
    value->root = text != NULL ? *root : empty;
    value->items = items;
    value->item_count = text != NULL && items != NULL ? item_count : 0;
    value->count = text != NULL ? count : 0;
    value->skip = skip;
    value->is_list = true;
    value->attachments = attachments;
    value->attachment_count = attachment_count;
    value->arena = arena;
}

void
skio__value_init_root(struct skio_value *value, const char *text,
                      const struct skio__json_slice *root,
                      struct skio__arena *arena)
{
    memset(value, 0, sizeof(*value));
    value->text = text;
    value->root = *root;
    value->arena = arena;
}

/* A view on a part. It has the attachments and the copies of the whole. */
static void
init_part(struct skio_value *part, const struct skio_value *value,
          const struct skio__json_slice *slice)
{
    skio__value_init_root(part, value->text, slice, value->arena);
    part->attachments = value->attachments;
    part->attachment_count = value->attachment_count;
    part->copies = value->copies;
}

static struct owned *
new_owned(const skio_allocator *mem, const char *text, size_t len,
          uint32_t max_depth, size_t extra)
{
    const struct skio__json_limits limits = {max_depth, -1};
    struct skio__json_scan scan = {0};
    struct owned *owned;
    size_t size;

    if (skio__json_scan(text, len, &limits, &scan) != SKIO_OK ||
        skio__add_overflow(sizeof(*owned), extra, &size))
        return NULL;

    owned = skio__mem_alloc(mem, size);
    if (owned == NULL)
        return NULL;

    skio__value_init_root(&owned->value, text, &scan.root, NULL);
    owned->copies.mem = mem;
    owned->copies.top = NULL;
    owned->value.copies = &owned->copies;
    return owned;
}

struct skio_value *
skio__value_new(const skio_allocator *mem, const char *text, size_t len,
                uint32_t max_depth)
{
    struct owned *owned = new_owned(mem, text, len, max_depth, 0);

    return owned != NULL ? &owned->value : NULL;
}

struct skio_value *
skio__value_copy(const skio_allocator *mem, const char *text, size_t len,
                 uint32_t max_depth)
{
    struct owned *owned = new_owned(mem, text, len, max_depth, len);

    if (owned == NULL)
        return NULL;
    memcpy(owned->text, text, len);
    owned->value.text = owned->text;
    return &owned->value;
}

/* Turning left branches up makes the tree a list, however deep it is. */
static void
free_copies(struct sio_copies *copies)
{
    struct copy *copy = copies->top;

    while (copy != NULL) {
        struct copy *next = copy->left;

        if (next != NULL) {
            copy->left = next->right;
            next->right = copy;
        } else {
            next = copy->right;
            skio__mem_free(copies->mem, copy);
        }
        copy = next;
    }
    copies->top = NULL;
}

void
skio__value_free(struct skio_value *value)
{
    struct owned *owned;

    if (value == NULL)
        return;
    owned = skio__container_of(value, struct owned, value);
    skio__value_deinit(value);
    free_copies(&owned->copies);
    skio__mem_free(owned->copies.mem, owned);
}

/* The copy with this key, made when there is none. */
static void *
keep_copy(struct sio_copies *copies, uint64_t key, size_t size, bool *is_new)
{
    struct copy **at = &copies->top;
    struct copy *copy;
    size_t total;

    while (*at != NULL && (*at)->key != key)
        at = key < (*at)->key ? &(*at)->left : &(*at)->right;
    *is_new = *at == NULL;
    if (*at != NULL)
        return *at + 1;

    if (skio__add_overflow(sizeof(*copy), size, &total))
        return NULL;
    copy = skio__mem_alloc(copies->mem, total);
    if (copy == NULL)
        return NULL;

    memset(copy, 0, sizeof(*copy));
    copy->key = key;
    *at = copy;
    return copy + 1;
}

const skio_allocator *
skio__value_mem(const struct skio_value *value)
{
    return value->copies != NULL ? value->copies->mem : value->arena->mem;
}

void *
skio__value_keep(const struct skio_value *value, enum sio_copy what,
                 uint32_t start, size_t size, bool *is_new)
{
    /* Multiplying by an odd number maps no two keys to one. */
    const uint64_t odd = UINT64_C(0x9E3779B97F4A7C15);

    if (value->copies != NULL)
        return keep_copy(value->copies, ((uint64_t)start << 2 | what) * odd,
                         size, is_new);
    *is_new = true;
    return skio__arena_alloc(value->arena, size);
}

/* How many arguments there are. */
static uint32_t
arg_count(const struct skio_value *value)
{
    return value->count > value->skip ? value->count - value->skip : 0;
}

/*
 * The first step of a path into an argument list: a decimal index without
 * leading zeros. Returns where the next step begins, NULL if there is no such
 * argument.
 */
static const char *
find_arg(const struct skio_value *value, const char *path,
         struct skio__json_slice *out)
{
    const char *pos = path;
    uint64_t n = 0;

    while (*pos >= '0' && *pos <= '9' && n <= UINT32_MAX)
        n = 10 * n + (uint64_t)(*pos++ - '0');
    if (pos == path || (*path == '0' && pos > path + 1))
        return NULL;
    if (*pos == '.' && pos[1] != '\0')
        pos++;
    else if (*pos != '\0')
        return NULL;

    if (n >= arg_count(value))
        return NULL;
    n += value->skip;
    if (n < value->item_count)
        *out = value->items[n];
    else if (skio__json_nth(value->text, &value->root, n, out) != SKIO_OK)
        return NULL;
    return pos;
}

int
skio__value_find(const struct skio_value *value, const char *path,
                 struct skio__json_slice *out, bool *whole)
{
    if (whole != NULL)
        *whole = false;
    if (value == NULL)
        return SKIO_ENOENT;

    if (path == NULL || *path == '\0') {
        if (whole != NULL)
            *whole = value->is_list;
        *out = value->root;
        return SKIO_OK;
    }
    if (!value->is_list)
        return skio__json_path(value->text, &value->root, path, out);

    path = find_arg(value, path, out);
    if (path == NULL)
        return SKIO_ENOENT;
    if (*path == '\0')
        return SKIO_OK;
    return skio__json_path(value->text, out, path, out);
}

bool
skio__value_attachment(const struct skio_value *value,
                       const struct skio__json_slice *slice, skio_bytes *out)
{
    int64_t num;

    if (value->attachment_count == 0 || slice->type != SKIO__JSON_OBJECT)
        return false;
    num = skio__json_placeholder(value->text, slice);
    if (num < 0 || num >= value->attachment_count)
        return false;
    if (out != NULL)
        *out = value->attachments[num];
    return true;
}

void
skio__value_raw(const struct skio_value *value, const char **text, size_t *len)
{
    struct skio__json_slice first;
    uint32_t end = value->root.start + value->root.len;

    *text = value->text + value->root.start;
    *len = value->root.len;
    if (!value->is_list)
        return;

    *len = 0;
    if (find_arg(value, "0", &first) == NULL)
        return;
    end--; /* the bracket */
    while (memchr(" \n\r\t", value->text[end - 1], 4) != NULL)
        end--;
    *text = value->text + first.start;
    *len = end - first.start;
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
        return arg_count(value);
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

    if (buf->cap < key->len) {
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
