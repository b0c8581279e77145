/*
 * Shapes: checking a value
 *
 * The raw text of each argument is walked once, from its first byte to its
 * last. Nothing is unescaped, copied or allocated: where the fault is, the
 * functions on the stack know.
 *
 * Of a key that stands twice a reader may see the one or the other; no client
 * sends such an object, and a shape refuses it.
 */
#include <stdio.h>
#include <string.h>

#include "addon/shapes_text.h"
#include "addon/shapes_tree.h"

#define BIT(kind) (UINT32_C(1) << (kind))

/* The way to a value. */
struct trail {
    const struct trail *up;
    const char *key; /* NULL: an index */
    size_t key_len;
    size_t index;
};

struct check {
    const struct shape_node *nodes;
    const skio_value *value;
    const char *pos;
    const char *end; /* of the argument */
    char *path;
    size_t size;
    const char *why; /* NULL: all is well */
};

static bool check_value(struct check *c, uint16_t type,
                        const struct trail *trail);

/* ---- What is told ---- */

static size_t
append(struct check *c, size_t len, const char *text, size_t text_len)
{
    /* One byte is for the NUL. */
    if (text_len > c->size - 1 - len)
        text_len = c->size - 1 - len;
    memcpy(c->path + len, text, text_len);
    return len + text_len;
}

static size_t
write_trail(struct check *c, const struct trail *trail)
{
    size_t len = trail->up != NULL ? write_trail(c, trail->up) : 0;
    char digits[24];

    if (trail->up != NULL)
        len = append(c, len, ".", 1);
    if (trail->key != NULL)
        return append(c, len, trail->key, trail->key_len);
    (void)snprintf(digits, sizeof digits, "%zu", trail->index);
    return append(c, len, digits, strlen(digits));
}

static bool
refuse(struct check *c, const struct trail *trail, const char *why)
{
    c->why = why;
    if (c->path != NULL && c->size > 0)
        c->path[write_trail(c, trail)] = '\0';
    return false;
}

static bool
refuse_member(struct check *c, const struct trail *up, const char *key,
              size_t len, const char *why)
{
    const struct trail trail = {up, key, len, 0};

    return refuse(c, &trail, why);
}

static void
skip_space(struct check *c)
{
    c->pos = skio__shape_space(c->pos, c->end);
}

/* ---- Scalars ---- */

static bool
check_count(struct check *c, const struct shape_node *node, uint64_t count,
            const struct trail *trail, const char *below, const char *above)
{
    if (count < node->range.count.min)
        return refuse(c, trail, below);
    if (count > node->range.count.max)
        return refuse(c, trail, above);
    return true;
}

static bool
check_string(struct check *c, const struct shape_node *node,
             const struct trail *trail)
{
    struct shape_string string;

    c->pos = skio__shape_string(c->pos, &string);
    if (node->kind == SHAPE_LITERAL) {
        for (;;) {
            if (node->kind == SHAPE_LITERAL &&
                skio__shape_string_is(&string, node->literal,
                                      node->literal_len))
                return true;
            if (node->or_else == SHAPE_NOBODY)
                return refuse(c, trail, "not allowed");
            node = &c->nodes[node->or_else];
        }
    }
    /* A handler's skio_get_str() would find no string there. */
    if (string.has_nul)
        return refuse(c, trail, "has U+0000");
    return check_count(c, node, string.points, trail, "too short", "too long");
}

static bool
check_int(struct check *c, const struct shape_node *node,
          const struct trail *trail, const char *text, size_t len)
{
    int64_t n = 0;
    int err = skio_slice_int(text, len, &n);

    if (err == SKIO_ERANGE)
        return refuse(c, trail, *text == '-' ? "too small" : "too large");
    if (err != SKIO_OK)
        return refuse(c, trail, "not an integer");
    if (n < node->range.integer.min)
        return refuse(c, trail, "too small");
    if (n > node->range.integer.max)
        return refuse(c, trail, "too large");
    return true;
}

static bool
check_number(struct check *c, const struct shape_node *node,
             const struct trail *trail)
{
    const char *text = c->pos;
    double n = 0;
    size_t len;

    c->pos = skio__shape_word(c->pos, c->end);
    len = (size_t)(c->pos - text);
    if (node->kind == SHAPE_INT)
        return check_int(c, node, trail, text, len);
    if (skio_slice_double(text, len, &n) != SKIO_OK)
        return refuse(c, trail, "not a number");
    /* The widest range leaves the infinities out. */
    if (n < node->range.number.min)
        return refuse(c, trail, "too small");
    if (n > node->range.number.max)
        return refuse(c, trail, "too large");
    return true;
}

/* ---- Arrays and objects ---- */

static bool
check_array(struct check *c, const struct shape_node *node,
            const struct trail *up)
{
    struct trail trail = {up, NULL, 0, 0};

    c->pos++;
    skip_space(c);
    while (*c->pos != ']') {
        /* Before the rest is looked at: it may be long. */
        if (trail.index == node->range.count.max)
            return refuse(c, up, "too many");
        if (!check_value(c, node->first, &trail))
            return false;
        trail.index++;
        skip_space(c);
        if (*c->pos == ',') {
            c->pos++;
            skip_space(c);
        }
    }
    c->pos++;
    return check_count(c, node, trail.index, up, "too few", "too many");
}

/* The member with this key: it is looked for behind the last one first, for
 * clients mostly keep the order of a declaration. */
static uint16_t
find_member(const struct check *c, const struct shape_node *object,
            const struct shape_string *key, uint16_t last)
{
    const uint16_t next =
        last != SHAPE_NOBODY ? c->nodes[last].next : object->first;
    uint16_t i;

    for (i = next; i != SHAPE_NOBODY; i = c->nodes[i].next)
        if (skio__shape_string_is(key, c->nodes[i].text, c->nodes[i].text_len))
            return i;
    for (i = object->first; i != next; i = c->nodes[i].next)
        if (skio__shape_string_is(key, c->nodes[i].text, c->nodes[i].text_len))
            return i;
    return SHAPE_NOBODY;
}

/* Of a key that the client made up only what is harmless is repeated. */
static bool
refuse_unknown(struct check *c, const struct trail *up,
               const struct shape_string *key)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-$";
    bool is_plain = key->len > 0 && key->len <= SKIO_SHAPE_TEXT_MAX;

    for (size_t i = 0; is_plain && i < key->len; i++)
        is_plain = memchr(plain, key->start[i], sizeof plain - 1) != NULL;
    return refuse_member(c, up, is_plain ? key->start : "?",
                         is_plain ? key->len : 1, "unknown key");
}

static bool
refuse_missing(struct check *c, const struct shape_node *object,
               const struct trail *up, uint64_t seen)
{
    const uint64_t missing = object->required & ~seen;
    const struct shape_node *member = &c->nodes[object->first];

    while ((missing >> member->place & 1) == 0)
        member = &c->nodes[member->next];
    return refuse_member(c, up, member->text, member->text_len, "missing");
}

static bool
check_member(struct check *c, const struct shape_node *object,
             const struct trail *up, uint16_t *last, uint64_t *seen)
{
    struct shape_string key;
    uint16_t found;

    c->pos = skio__shape_string(c->pos, &key);
    skip_space(c);
    c->pos++; /* the colon */
    skip_space(c);

    found = find_member(c, object, &key, *last);
    if (found == SHAPE_NOBODY) {
        if (!object->is_open)
            return refuse_unknown(c, up, &key);
        c->pos = skio__shape_value(c->pos, c->end);
        return true;
    }
    const struct shape_node *member = &c->nodes[found];
    const struct trail trail = {up, member->text, member->text_len, 0};
    const uint64_t bit = UINT64_C(1) << member->place;

    if ((*seen & bit) != 0)
        return refuse(c, &trail, "twice");
    *seen |= bit;
    *last = found;
    return check_value(c, found, &trail);
}

static bool
check_object(struct check *c, const struct shape_node *node,
             const struct trail *trail)
{
    uint16_t last = SHAPE_NOBODY;
    uint64_t seen = 0;

    c->pos++;
    skip_space(c);
    while (*c->pos != '}') {
        if (!check_member(c, node, trail, &last, &seen))
            return false;
        skip_space(c);
        if (*c->pos == ',') {
            c->pos++;
            skip_space(c);
        }
    }
    c->pos++;
    if ((node->required & ~seen) != 0)
        return refuse_missing(c, node, trail, seen);
    return true;
}

/* ---- Values ---- */

/* The type among several that is of this kind, which one of them is. */
static const struct shape_node *
of_kind(const struct check *c, const struct shape_node *node, uint32_t kinds)
{
    while ((BIT(node->kind) & kinds) == 0)
        node = &c->nodes[node->or_else];
    return node;
}

/* What is wrong when a value has none of the types. */
static const char *
expected(uint32_t kinds)
{
    static const char *const names[] = {
        [SHAPE_ANY] = "wrong type",      [SHAPE_NULL] = "not null",
        [SHAPE_BOOL] = "not a bool",     [SHAPE_INT] = "not an integer",
        [SHAPE_NUMBER] = "not a number", [SHAPE_STRING] = "not a string",
        [SHAPE_LITERAL] = "not allowed", [SHAPE_BYTES] = "not binary",
        [SHAPE_ARRAY] = "not an array",  [SHAPE_OBJECT] = "not an object",
    };
    unsigned kind = 0;

    while ((kinds >> kind & 1) == 0)
        kind++;
    return kinds == BIT(kind) ? names[kind] : "wrong type";
}

/* The kinds that the value which begins here may be of. */
static uint32_t
kinds_of(const struct check *c, skio_bytes *bytes)
{
    switch (*c->pos) {
    case '"':
        return BIT(SHAPE_STRING) | BIT(SHAPE_LITERAL);
    case '{':
        if (skio_slice_bytes(c->value, c->pos, bytes) == SKIO_OK)
            return BIT(SHAPE_BYTES);
        return BIT(SHAPE_OBJECT);
    case '[':
        return BIT(SHAPE_ARRAY);
    case 't':
    case 'f':
        return BIT(SHAPE_BOOL);
    case 'n':
        return BIT(SHAPE_NULL);
    default:
        return BIT(SHAPE_INT) | BIT(SHAPE_NUMBER);
    }
}

/* Past one value, which is of one of the types. */
static bool
check_value(struct check *c, uint16_t type, const struct trail *trail)
{
    const struct shape_node *node = &c->nodes[type];
    skio_bytes bytes = {NULL, 0};
    uint32_t kinds;

    if (node->kind == SHAPE_ANY) {
        c->pos = skio__shape_value(c->pos, c->end);
        return true;
    }
    kinds = node->kinds & kinds_of(c, &bytes);
    if (kinds == 0)
        return refuse(c, trail, expected(node->kinds));
    node = of_kind(c, node, kinds);
    switch (node->kind) {
    case SHAPE_STRING:
    case SHAPE_LITERAL:
        return check_string(c, node, trail);
    case SHAPE_INT:
    case SHAPE_NUMBER:
        return check_number(c, node, trail);
    case SHAPE_ARRAY:
        return check_array(c, node, trail);
    case SHAPE_OBJECT:
        return check_object(c, node, trail);
    case SHAPE_BYTES:
        c->pos = skio__shape_value(c->pos, c->end);
        return check_count(c, node, bytes.len, trail, "too short", "too long");
    default:
        c->pos = skio__shape_word(c->pos, c->end);
        return true;
    }
}

static bool
check_argument(struct check *c, uint16_t type, const char *path,
               const struct trail *trail)
{
    skio_bytes slice;

    if (skio_get_slice(c->value, path, &slice) != SKIO_OK)
        return refuse(c, trail, "missing");
    c->pos = slice.data;
    c->end = c->pos + slice.len;
    return check_value(c, type, trail);
}

/* Of an argument: two digits at most, which printf(3) takes its time for. */
static void
write_index(char path[3], size_t index)
{
    size_t len = 0;

    if (index >= 10)
        path[len++] = (char)('0' + index / 10);
    path[len++] = (char)('0' + index % 10);
    path[len] = '\0';
}

static bool
check_arguments(struct check *c, bool is_list)
{
    const struct shape_node *root = &c->nodes[0];
    const size_t count = is_list ? skio_count(c->value, "") : 1;
    struct trail trail = {NULL, NULL, 0, 0};
    uint16_t type = root->first;
    char path[3] = "";

    while (type != SHAPE_NOBODY && trail.index < count) {
        if (is_list)
            write_index(path, trail.index);
        if (!check_argument(c, type, path, &trail))
            return false;
        type = c->nodes[type].next;
        trail.index++;
    }
    if (type != SHAPE_NOBODY && !c->nodes[type].is_optional)
        return refuse(c, &trail, "missing");
    if (trail.index < count && !root->is_open)
        return refuse(c, &trail, "too many");
    return true;
}

int
skio_shape_check(const skio_shape *shape, const skio_value *value, char *path,
                 size_t size, const char **why)
{
    struct check c = {.nodes = shape->nodes,
                      .value = value,
                      .path = path,
                      .size = size};

    /* Of a list the library gives the arguments one by one without a copy. */
    if (check_arguments(&c, skio_get_args(value, 0) != NULL))
        return SKIO_OK;
    if (why != NULL)
        *why = c.why;
    return SKIO_EINVAL;
}
