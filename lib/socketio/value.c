/*
 * Values: see value.h
 *
 * A path is followed through the text every time; only the slices of the
 * arguments are at hand.
 */
#include "socketio/value.h"

#include <string.h>

#include "base/compiler.h"
#include "base/mem.h"

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

int
skio__value_init_list(struct skio_value *value, const char *text, size_t len,
                      struct skio__json_slice *items, uint32_t skip,
                      const skio_bytes *attachments, uint32_t attachment_count,
                      struct skio__arena *arena, uint32_t max_depth)
{
    const struct skio__json_limits limits = {max_depth, attachment_count};
    struct skio__json_scan scan = {.items = items, .cap = SIO_VALUE_ITEMS};
    int err = skio__json_scan(text, len, &limits, &scan);

    if (err != SKIO_OK)
        return err;
    if (scan.root.type != SKIO__JSON_ARRAY || scan.count < skip)
        return SKIO_EPROTO;
    skio__value_init_args(value, text, &scan.root, items,
                          scan.count < SIO_VALUE_ITEMS ? scan.count
                                                       : SIO_VALUE_ITEMS,
                          scan.count, skip, attachments, attachment_count,
                          arena);
    return SKIO_OK;
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

    return skio__value_arg(value, n, out) == SKIO_OK ? pos : NULL;
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
    if (!skio__value_has_attachment(value, num))
        return false;
    if (out != NULL)
        *out = value->attachments[(uint64_t)num - value->first_placeholder];
    return true;
}
