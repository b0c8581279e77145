/*
 * Attachments of a message that is being written: see attachments.h
 */
#include "base/attachments.h"

#include <string.h>

#include "base/mem.h"
#include "base/number.h"

#define LEVEL_OBJECT 1 /* else an array */
#define LEVEL_MARKED 2 /* the last "_placeholder" is true */
#define LEVEL_NUM 4    /* the last "num" is the index of an attachment */

enum key { KEY_OTHER, KEY_PLACEHOLDER, KEY_NUM };

/* A container that is open. */
struct level {
    size_t start; /* where it begins in the output */
    uint32_t num;
    uint32_t flags; /* LEVEL_* */
};

/*
 * Copies validated text. What lies between `from` and `pos` is still to be
 * copied, so that a text is moved in as few pieces as it has containers.
 */
struct splice {
    struct skio__attachments *list;
    struct skio__buf *out;
    const struct skio_value *value;
    const char *pos;
    const char *end;
    const char *from;
    uint32_t base; /* the list's count before: earlier ones are not ours */
    uint32_t depth;
    enum key key; /* of the member whose value comes next */
    bool wants_key;
    struct level stack[SKIO__JSON_DEPTH_MAX];
};

void
skio__attachments_init(struct skio__attachments *list,
                       const skio_allocator *mem, uint32_t max)
{
    list->items = list->few;
    list->count = 0;
    list->max = max;
    list->cap = SKIO__ATTACHMENTS_FEW;
    list->first = 0;
    list->mem = mem;
}

void
skio__attachments_deinit(struct skio__attachments *list)
{
    if (list->items != list->few)
        skio__mem_free(list->mem, list->items);
    list->items = list->few;
    list->count = 0;
    list->cap = SKIO__ATTACHMENTS_FEW;
    list->first = 0;
}

/* Room for one more. */
static int
reserve(struct skio__attachments *list)
{
    bool is_few = list->items == list->few;
    skio_bytes *items;
    uint32_t cap;

    if (list->count >= list->max)
        return SKIO_ETOOBIG;
    if (list->count < list->cap)
        return SKIO_OK;

    cap = list->cap > UINT32_MAX / 2 ? UINT32_MAX : 2 * list->cap;
    items = skio__mem_array(list->mem, is_few ? NULL : list->items, cap,
                            sizeof(*items));
    if (items == NULL)
        return SKIO_ENOMEM;
    if (is_few)
        memcpy(items, list->few, sizeof(list->few));
    list->items = items;
    list->cap = cap;
    return SKIO_OK;
}

static int
append_placeholder(struct skio__buf *out, uint64_t num)
{
    static const char head[] = "{\"_placeholder\":true,\"num\":";

    skio__buf_append(out, head, sizeof(head) - 1);
    skio__buf_append_u64(out, num);
    return skio__buf_putc(out, '}');
}

int
skio__attachments_add(struct skio__attachments *list, struct skio__buf *out,
                      const skio_bytes *bytes)
{
    int err = reserve(list);

    if (err != SKIO_OK)
        return err;
    err = append_placeholder(out, list->first + list->count);
    if (err == SKIO_OK)
        list->items[list->count++] = *bytes;
    return err;
}

static int
flush(struct splice *s)
{
    int err = skio__buf_append(s->out, s->from, (size_t)(s->pos - s->from));

    s->from = s->pos;
    return err;
}

static struct level *
top(struct splice *s)
{
    return &s->stack[s->depth - 1];
}

static int
open_level(struct splice *s)
{
    struct level *level;
    int err = flush(s);

    if (err != SKIO_OK)
        return err;
    if (s->depth == SKIO__JSON_DEPTH_MAX)
        return SKIO_EINVAL;

    s->depth++;
    level = top(s);
    level->start = s->out->len;
    level->num = 0;
    level->flags = *s->pos == '{' ? LEVEL_OBJECT : 0;
    s->wants_key = *s->pos == '{';
    s->key = KEY_OTHER;
    s->pos++;
    return SKIO_OK;
}

/* Write the placeholder of an attachment that may be in the list already. */
static int
put_attachment(struct splice *s, const skio_bytes *bytes)
{
    uint32_t i;

    for (i = s->base; i < s->list->count; i++)
        if (s->list->items[i].data == bytes->data &&
            s->list->items[i].len == bytes->len)
            return append_placeholder(s->out, s->list->first + i);
    return skio__attachments_add(s->list, s->out, bytes);
}

/* A placeholder is written anew, whatever else its object had in it. */
static int
close_level(struct splice *s)
{
    const uint32_t both = LEVEL_MARKED | LEVEL_NUM;
    const struct level *level = top(s);

    s->pos++;
    s->depth--;
    s->wants_key = false;
    if ((level->flags & both) != both)
        return SKIO_OK;

    s->out->len = level->start;
    s->from = s->pos;
    return put_attachment(s, &s->value->attachments[level->num]);
}

static void
note_key(struct splice *s, const char *key, size_t len)
{
    const struct skio__json_slice string = {
        0,
        (uint32_t)len,
        SKIO__JSON_STRING,
        memchr(key, '\\', len) != NULL ? SKIO__JSON_ESCAPED : 0,
    };

    s->key = KEY_OTHER;
    if (skio__json_string_is(key, &string, "_placeholder", 12)) {
        s->key = KEY_PLACEHOLDER;
        top(s)->flags &= ~(uint32_t)LEVEL_MARKED;
    } else if (skio__json_string_is(key, &string, "num", 3)) {
        s->key = KEY_NUM;
        top(s)->flags &= ~(uint32_t)LEVEL_NUM;
    }
}

/* A string, number or literal. */
static void
pass_scalar(struct splice *s)
{
    const char *start = s->pos;
    int64_t num;

    s->pos = skio__json_skip(start, s->end);
    if (s->wants_key) {
        note_key(s, start, (size_t)(s->pos - start));
        s->wants_key = false;
        return;
    }

    if (s->key == KEY_PLACEHOLDER && *start == 't') {
        top(s)->flags |= LEVEL_MARKED;
    } else if (s->key == KEY_NUM &&
               skio__number_parse_i64(start, (size_t)(s->pos - start), &num) ==
                   SKIO_OK &&
               skio__value_has_attachment(s->value, num)) {
        top(s)->flags |= LEVEL_NUM;
        top(s)->num = (uint32_t)((uint64_t)num - s->value->first_placeholder);
    }
    s->key = KEY_OTHER;
}

static int
step(struct splice *s)
{
    switch (*s->pos) {
    case '{':
    case '[':
        return open_level(s);
    case '}':
    case ']':
        return close_level(s);
    case ',':
        s->wants_key = s->depth > 0 && (top(s)->flags & LEVEL_OBJECT) != 0;
        s->pos++;
        return SKIO_OK;
    case ':':
    case ' ':
    case '\n':
    case '\r':
    case '\t':
        s->pos++;
        return SKIO_OK;
    default:
        pass_scalar(s);
        return SKIO_OK;
    }
}

int
skio__attachments_splice(struct skio__attachments *list, struct skio__buf *out,
                         const struct skio_value *value)
{
    struct splice s;
    size_t len;
    int err = SKIO_OK;

    skio__value_raw(value, &s.from, &len);
    if (value->attachment_count == 0)
        return skio__buf_append(out, s.from, len);

    s.list = list;
    s.out = out;
    s.value = value;
    s.pos = s.from;
    s.end = s.from + len;
    s.base = list->count;
    s.depth = 0;
    s.key = KEY_OTHER;
    s.wants_key = false;
    while (err == SKIO_OK && s.pos < s.end)
        err = step(&s);
    return err == SKIO_OK ? flush(&s) : err;
}
