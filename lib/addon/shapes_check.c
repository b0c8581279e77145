/*
 * Shapes: checking a value
 *
 * The raw text of each argument is walked once, from its first byte to its
 * last; the library has accepted it as JSON, so that only ends are looked for.
 * Nothing is unescaped, copied or allocated: where the fault is, the functions
 * on the stack know.
 *
 * Of a key that stands twice a reader may see the one or the other; no client
 * sends such an object, and a shape refuses it.
 */
#include <stdio.h>
#include <string.h>

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

/* ---- Text ---- */

static void
skip_space(struct check *c)
{
    while (c->pos < c->end && (*c->pos == ' ' || *c->pos == '\n' ||
                               *c->pos == '\r' || *c->pos == '\t'))
        c->pos++;
}

static unsigned
hex4(const char *digits)
{
    unsigned n = 0;

    for (int i = 0; i < 4; i++) {
        const unsigned c = (unsigned char)digits[i];

        n = n << 4 | (c <= '9' ? c - 0x30u : (c | 0x20u) - 0x61u + 10u);
    }
    return n;
}

/*
 * Past an escape, at its backslash: the code point that it is, a surrogate
 * without its other half being U+FFFD.
 */
static const char *
read_escape(const char *pos, uint32_t *point)
{
    static const char letters[] = "bfnrt";
    static const char meant[] = "\b\f\n\r\t";
    const char *letter;
    unsigned high;

    if (pos[1] != 'u') {
        letter = strchr(letters, pos[1]);
        *point =
            (unsigned char)(letter != NULL ? meant[letter - letters] : pos[1]);
        return pos + 2;
    }
    high = hex4(pos + 2);
    pos += 6;
    *point = high;
    if (high < 0xd800 || high > 0xdfff)
        return pos;
    if (high < 0xdc00 && pos[0] == '\\' && pos[1] == 'u') {
        const unsigned low = hex4(pos + 2);

        if (low >= 0xdc00 && low <= 0xdfff) {
            *point = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            return pos + 6;
        }
    }
    *point = 0xfffd;
    return pos;
}

static size_t
write_point(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

/* A string as it was found, between its quotes. */
struct string {
    const char *start;
    size_t len;      /* bytes, escapes as they are written */
    uint64_t points; /* code points that it has */
    bool is_escaped;
    bool has_nul;
};

/* Past the string that begins here. */
static void
read_string(struct check *c, struct string *out)
{
    const char *pos = c->pos + 1;
    uint64_t points = 0;
    uint32_t point;

    out->start = pos;
    out->is_escaped = false;
    out->has_nul = false;
    while (*pos != '"') {
        if (*pos == '\\') {
            out->is_escaped = true;
            pos = read_escape(pos, &point);
            out->has_nul = out->has_nul || point == 0;
            points++;
        } else {
            /* What continues a sequence is 10xxxxxx. */
            points += ((unsigned char)*pos++ & 0xc0) != 0x80;
        }
    }
    out->points = points;
    out->len = (size_t)(pos - out->start);
    c->pos = pos + 1;
}

/* Whether a string with escapes means this text. */
static bool
means(const struct string *string, const char *text, size_t len)
{
    const char *pos = string->start;
    const char *end = pos + string->len;

    while (pos < end) {
        char bytes[4] = {*pos, 0, 0, 0};
        size_t n = 1;

        if (*pos == '\\') {
            uint32_t point;

            pos = read_escape(pos, &point);
            n = write_point(point, bytes);
        } else {
            pos++;
        }
        if (n > len || memcmp(bytes, text, n) != 0)
            return false;
        text += n;
        len -= n;
    }
    return len == 0;
}

static inline bool
is_text(const struct string *string, const char *text, size_t len)
{
    if (!string->is_escaped)
        return string->len == len && memcmp(string->start, text, len) == 0;
    return means(string, text, len);
}

/* Past a number or a word. */
static void
skip_word(struct check *c)
{
    while (c->pos < c->end && *c->pos != ',' && *c->pos != ']' &&
           *c->pos != '}' && *c->pos != ' ' && *c->pos != '\n' &&
           *c->pos != '\r' && *c->pos != '\t')
        c->pos++;
}

static void
skip_string(struct check *c)
{
    const char *pos = c->pos + 1;

    while (*pos != '"')
        pos += *pos == '\\' ? 2 : 1;
    c->pos = pos + 1;
}

/* Past any value: without a recursion, it may be nested deeply. */
static void
skip_value(struct check *c)
{
    size_t depth = 0;

    do {
        switch (*c->pos) {
        case '"':
            skip_string(c);
            break;
        case '[':
        case '{':
            depth++;
            c->pos++;
            break;
        case ']':
        case '}':
            depth--;
            c->pos++;
            break;
        case ',':
        case ':':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            c->pos++;
            break;
        default:
            skip_word(c);
            /* "key":1 has no word that ends with a colon: keys are strings. */
            break;
        }
    } while (depth > 0);
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
    struct string string;

    read_string(c, &string);
    if (node->kind == SHAPE_LITERAL) {
        for (;;) {
            if (node->kind == SHAPE_LITERAL &&
                is_text(&string, node->literal, node->literal_len))
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

    skip_word(c);
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
            const struct string *key, uint16_t last)
{
    const uint16_t next =
        last != SHAPE_NOBODY ? c->nodes[last].next : object->first;
    uint16_t i;

    for (i = next; i != SHAPE_NOBODY; i = c->nodes[i].next)
        if (is_text(key, c->nodes[i].text, c->nodes[i].text_len))
            return i;
    for (i = object->first; i != next; i = c->nodes[i].next)
        if (is_text(key, c->nodes[i].text, c->nodes[i].text_len))
            return i;
    return SHAPE_NOBODY;
}

/* Of a key that the client made up only what is harmless is repeated. */
static bool
refuse_unknown(struct check *c, const struct trail *up,
               const struct string *key)
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
    struct string key;
    uint16_t found;

    read_string(c, &key);
    skip_space(c);
    c->pos++; /* the colon */
    skip_space(c);

    found = find_member(c, object, &key, *last);
    if (found == SHAPE_NOBODY) {
        if (!object->is_open)
            return refuse_unknown(c, up, &key);
        skip_value(c);
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
        skip_value(c);
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
        skip_value(c);
        return check_count(c, node, bytes.len, trail, "too short", "too long");
    default:
        skip_word(c);
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

static bool
check_arguments(struct check *c, bool is_list)
{
    const struct shape_node *root = &c->nodes[0];
    const size_t count = is_list ? skio_count(c->value, "") : 1;
    struct trail trail = {NULL, NULL, 0, 0};
    uint16_t type = root->first;
    char path[24] = "";

    while (type != SHAPE_NOBODY && trail.index < count) {
        if (is_list)
            (void)snprintf(path, sizeof path, "%zu", trail.index);
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
