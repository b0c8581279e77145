/*
 * Shapes: reading a declaration
 *
 *      arguments  [ argument { "," argument } [ "," "..." ] ] | "..."
 *      argument   types [ "?" ]
 *      types      type { "|" type }
 *      type       "string" [range] | "int" [range] | "number" [range]
 *                 | "bytes" [range] | "bool" | "null" | "any" | 'text'
 *                 | "[" types "]" [range] | "{" members "}"
 *      members    [ member { "," member } [ "," "..." ] ] | "..."
 *      member     key [ "?" ] ":" types
 *      range      "(" n ")" | "(" [n] ".." [n] ")"
 *
 * It is read twice by the same functions: what it needs is counted, then it is
 * written into one block. The second time only a key can be wrong, one that is
 * there already.
 */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/transport.h>

#include "addon/shapes_tree.h"

/* Kinds of which one value could be two. */
#define BIT(kind) (UINT32_C(1) << (kind))

struct reader {
    const char *pos;
    const char *fault;
    const char *why;
    unsigned depth;
    struct shape_node *nodes; /* NULL: they are counted */
    char *texts;              /* where the next one goes */
    uint16_t count;
    size_t text_bytes;
    struct shape_node scratch; /* for who counts */
};

static bool read_types(struct reader *r, uint16_t *out);

static bool
fail_at(struct reader *r, const char *pos, const char *why)
{
    r->fault = pos;
    r->why = why;
    return false;
}

static bool
fail(struct reader *r, const char *why)
{
    return fail_at(r, r->pos, why);
}

static void
skip_space(struct reader *r)
{
    r->pos += strspn(r->pos, " \t\r\n");
}

/* Take a sign of one or more characters, if it comes next. */
static bool
take(struct reader *r, const char *sign)
{
    const size_t len = strlen(sign);

    skip_space(r);
    if (strncmp(r->pos, sign, len) != 0)
        return false;
    r->pos += len;
    return true;
}

/* The node, or a place to write to where nodes are counted only. */
static struct shape_node *
node_at(struct reader *r, uint16_t index)
{
    return r->nodes != NULL ? &r->nodes[index] : &r->scratch;
}

static bool
new_node(struct reader *r, uint16_t *out)
{
    if (r->count > SKIO_SHAPE_TYPES_MAX)
        return fail(r, "too many types");
    *out = r->count++;
    memset(node_at(r, *out), 0, sizeof(struct shape_node));
    return true;
}

static const char *
keep_text(struct reader *r, const char *text, size_t len)
{
    char *copy = r->texts;

    r->text_bytes += len + 1;
    if (r->nodes == NULL)
        return text;
    memcpy(copy, text, len);
    copy[len] = '\0';
    r->texts += len + 1;
    return copy;
}

/* ---- Texts ---- */

static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '$' || c == '-';
}

/* Bytes of the UTF-8 sequence at text, by its first byte and those after it; 0
 * if it is none. */
static size_t
sequence_len(const unsigned char *text)
{
    const unsigned char first = text[0];
    size_t len = 4;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        len = 2;
    else if (first < 0xf0)
        len = 3;
    for (size_t i = 1; i < len; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && text[1] < 0xa0) ||
        (first == 0xed && text[1] > 0x9f) ||
        (first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f))
        return 0;
    return len;
}

/* A text between single quotes; what stands there means itself. */
static bool
read_quoted(struct reader *r, const char **text, size_t *len)
{
    const char *start = ++r->pos;

    while (*r->pos != '\'') {
        size_t n =
            *r->pos != '\0' ? sequence_len((const unsigned char *)r->pos) : 0;

        if (*r->pos == '\0')
            return fail_at(r, start - 1, "the quote is not closed");
        if (n == 0)
            return fail(r, "not UTF-8");
        r->pos += n;
    }
    *len = (size_t)(r->pos - start);
    if (*len > SKIO_SHAPE_TEXT_MAX)
        return fail_at(r, start - 1, "a text of more than 64 bytes");
    *text = start;
    r->pos++;
    return true;
}

static bool
read_key(struct reader *r, const char **text, size_t *len)
{
    const char *start;

    skip_space(r);
    if (*r->pos == '\'')
        return read_quoted(r, text, len);
    start = r->pos;
    while (is_name_char(*r->pos))
        r->pos++;
    *len = (size_t)(r->pos - start);
    *text = start;
    if (*len == 0)
        return fail(r, "a key is missing");
    if (*len > SKIO_SHAPE_TEXT_MAX)
        return fail_at(r, start, "a key of more than 64 bytes");
    return true;
}

/* ---- Ranges ---- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* An integer, which may be negative where that has a meaning. */
static bool
read_integer(struct reader *r, bool is_signed, int64_t *out)
{
    const char *start = r->pos;
    size_t len = is_signed && *r->pos == '-' ? 1 : 0;

    while (is_digit(r->pos[len]))
        len++;
    if (skio_slice_int(start, len, out) != SKIO_OK)
        return fail(r, "not an integer");
    r->pos += len;
    return true;
}

/* A number; ".." ends it, where "." alone belongs to it. */
static bool
read_number(struct reader *r, double *out)
{
    size_t len = *r->pos == '-' ? 1 : 0;

    while (is_digit(r->pos[len]))
        len++;
    if (r->pos[len] == '.' && is_digit(r->pos[len + 1])) {
        len++;
        while (is_digit(r->pos[len]))
            len++;
    }
    if (r->pos[len] == 'e' || r->pos[len] == 'E') {
        len++;
        len += r->pos[len] == '-' || r->pos[len] == '+';
        while (is_digit(r->pos[len]))
            len++;
    }
    if (skio_slice_double(r->pos, len, out) != SKIO_OK || *out > DBL_MAX ||
        *out < -DBL_MAX)
        return fail(r, "not a number");
    r->pos += len;
    return true;
}

/* One end of a range, into the node's min or its max. */
static bool
read_bound(struct reader *r, struct shape_node *node, bool is_max)
{
    int64_t n = 0;

    if (node->kind == SHAPE_NUMBER)
        return read_number(r, is_max ? &node->range.number.max
                                     : &node->range.number.min);
    if (!read_integer(r, node->kind == SHAPE_INT, &n))
        return false;
    if (node->kind == SHAPE_INT && is_max)
        node->range.integer.max = n;
    else if (node->kind == SHAPE_INT)
        node->range.integer.min = n;
    else if (is_max)
        node->range.count.max = (uint64_t)n;
    else
        node->range.count.min = (uint64_t)n;
    return true;
}

static bool
is_in_order(const struct shape_node *node)
{
    if (node->kind == SHAPE_NUMBER)
        return node->range.number.min <= node->range.number.max;
    if (node->kind == SHAPE_INT)
        return node->range.integer.min <= node->range.integer.max;
    return node->range.count.min <= node->range.count.max;
}

static bool
read_range(struct reader *r, struct shape_node *node)
{
    const char *start;
    const char *first;

    if (node->kind == SHAPE_NUMBER) {
        node->range.number.min = -DBL_MAX;
        node->range.number.max = DBL_MAX;
    } else if (node->kind == SHAPE_INT) {
        node->range.integer.min = INT64_MIN;
        node->range.integer.max = INT64_MAX;
    } else {
        node->range.count.min = 0;
        node->range.count.max = UINT64_MAX;
    }
    if (!take(r, "("))
        return true;

    skip_space(r);
    start = r->pos;
    first = start;
    if (!take(r, "..")) {
        if (!read_bound(r, node, false))
            return false;
        if (take(r, ")")) { /* exactly this */
            r->pos = first;
            return read_bound(r, node, true) && take(r, ")");
        }
        if (!take(r, ".."))
            return fail(r, "'..' or ')' is missing");
    }
    skip_space(r);
    if (*r->pos != ')' && !read_bound(r, node, true))
        return false;
    if (!take(r, ")"))
        return fail(r, "')' is missing");
    return is_in_order(node) || fail_at(r, start, "an empty range");
}

/* ---- Types ---- */

/* What is read of several: the node before, and how many there were. */
struct siblings {
    uint16_t first;
    uint16_t last;
    unsigned count;
};

static bool
add_sibling(struct reader *r, struct siblings *all, unsigned max,
            uint16_t index)
{
    if (all->count == max)
        return fail(r, "too many of them");
    node_at(r, index)->place = (uint8_t)all->count++;
    if (all->last == SHAPE_NOBODY)
        all->first = index;
    else
        node_at(r, all->last)->next = index;
    all->last = index;
    return true;
}

/* Where the key is declared already; only the nodes themselves know. */
static bool
has_key(struct reader *r, const struct siblings *all, const char *key,
        size_t len)
{
    uint16_t i = r->nodes != NULL ? all->first : SHAPE_NOBODY;

    for (; i != SHAPE_NOBODY; i = r->nodes[i].next)
        if (r->nodes[i].text_len == len &&
            memcmp(r->nodes[i].text, key, len) == 0)
            return true;
    return false;
}

static bool
read_member(struct reader *r, struct siblings *all, uint64_t *required)
{
    const char *start;
    const char *key = "";
    size_t len = 0;
    bool is_optional;
    uint16_t index;

    skip_space(r);
    start = r->pos;
    if (!read_key(r, &key, &len))
        return false;
    if (has_key(r, all, key, len))
        return fail_at(r, start, "a key that is there already");
    is_optional = take(r, "?");
    if (!take(r, ":"))
        return fail(r, "':' is missing");
    if (!read_types(r, &index) ||
        !add_sibling(r, all, SKIO_SHAPE_MEMBERS_MAX, index))
        return false;
    node_at(r, index)->is_optional = is_optional;
    node_at(r, index)->text = keep_text(r, key, len);
    node_at(r, index)->text_len = (uint16_t)len;
    if (!is_optional)
        *required |= UINT64_C(1) << (all->count - 1);
    return true;
}

static bool
read_members(struct reader *r, uint16_t object)
{
    struct siblings all = {SHAPE_NOBODY, SHAPE_NOBODY, 0};
    uint64_t required = 0;
    bool is_open = false;

    if (!take(r, "}")) {
        do {
            is_open = take(r, "...");
            if (!is_open && !read_member(r, &all, &required))
                return false;
        } while (!is_open && take(r, ","));
        if (!take(r, "}"))
            return fail(r, is_open ? "'}' is missing after '...'"
                                   : "',' or '}' is missing");
    }
    node_at(r, object)->first = all.first;
    node_at(r, object)->required = required;
    node_at(r, object)->is_open = is_open;
    return true;
}

static bool
read_element(struct reader *r, uint16_t array)
{
    uint16_t element;

    if (!read_types(r, &element))
        return false;
    if (!take(r, "]"))
        return fail(r, "']' is missing");
    node_at(r, array)->first = element;
    node_at(r, array)->kind = SHAPE_ARRAY; /* who counts has written there */
    return read_range(r, node_at(r, array));
}

static bool
read_inner(struct reader *r, uint16_t index, enum shape_kind kind)
{
    bool is_fine;

    if (r->depth == SKIO_SHAPE_DEPTH_MAX)
        return fail(r, "nested too deeply");
    r->depth++;
    is_fine =
        kind == SHAPE_OBJECT ? read_members(r, index) : read_element(r, index);
    r->depth--;
    return is_fine;
}

static bool
read_literal(struct reader *r, struct shape_node *node)
{
    const char *text = "";
    size_t len = 0;

    if (!read_quoted(r, &text, &len))
        return false;
    node->literal = keep_text(r, text, len);
    node->literal_len = len;
    return true;
}

static bool
read_word(struct reader *r, struct shape_node *node)
{
    static const struct {
        const char *word;
        enum shape_kind kind;
        bool has_range;
    } words[] = {
        {"string", SHAPE_STRING, true}, {"int", SHAPE_INT, true},
        {"number", SHAPE_NUMBER, true}, {"bytes", SHAPE_BYTES, true},
        {"bool", SHAPE_BOOL, false},    {"null", SHAPE_NULL, false},
        {"any", SHAPE_ANY, false},
    };
    size_t len = 0;

    while (is_name_char(r->pos[len]))
        len++;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) != len ||
            memcmp(words[i].word, r->pos, len) != 0)
            continue;
        r->pos += len;
        node->kind = (uint8_t)words[i].kind;
        return !words[i].has_range || read_range(r, node);
    }
    return fail(r, len > 0 ? "an unknown type" : "a type is missing");
}

/* One type. *kind tells which. */
static bool
read_type(struct reader *r, uint16_t *out, uint32_t *bit)
{
    enum shape_kind kind = SHAPE_ANY;
    bool is_fine;

    skip_space(r);
    if (!new_node(r, out))
        return false;
    if (*r->pos == '\'')
        kind = SHAPE_LITERAL;
    else if (take(r, "{"))
        kind = SHAPE_OBJECT;
    else if (take(r, "["))
        kind = SHAPE_ARRAY;

    node_at(r, *out)->kind = (uint8_t)kind;
    if (kind == SHAPE_LITERAL)
        is_fine = read_literal(r, node_at(r, *out));
    else if (kind == SHAPE_OBJECT || kind == SHAPE_ARRAY)
        is_fine = read_inner(r, *out, kind);
    else
        is_fine = read_word(r, node_at(r, *out));
    if (kind == SHAPE_ANY)
        kind = (enum shape_kind)node_at(r, *out)->kind;
    *bit = BIT(kind);
    return is_fine;
}

/*
 * Types of which one will do. A value can be one of them only, so that what is
 * at fault can be told, and an array is not walked once for each of many: of
 * literals alone there may be several.
 */
static bool
read_types(struct reader *r, uint16_t *out)
{
    uint16_t last = SHAPE_NOBODY;
    uint32_t kinds = 0;

    do {
        const char *start;
        uint16_t index;
        uint32_t bit = 0;

        skip_space(r);
        start = r->pos;
        if (!read_type(r, &index, &bit))
            return false;
        if ((kinds & bit & ~BIT(SHAPE_LITERAL)) != 0)
            return fail_at(r, start, "a type that is there already");
        kinds |= bit;
        if ((kinds & BIT(SHAPE_ANY)) != 0 && kinds != BIT(SHAPE_ANY))
            return fail_at(r, start, "'any' needs no other type");
        if ((kinds & BIT(SHAPE_INT)) != 0 && (kinds & BIT(SHAPE_NUMBER)) != 0)
            return fail_at(r, start, "an int is a number");
        if ((kinds & BIT(SHAPE_LITERAL)) != 0 &&
            (kinds & BIT(SHAPE_STRING)) != 0)
            return fail_at(r, start, "a text is a string");
        if (last == SHAPE_NOBODY)
            *out = index;
        else
            node_at(r, last)->or_else = index;
        last = index;
    } while (take(r, "|"));
    node_at(r, *out)->kinds = kinds;
    return true;
}

static bool
read_arguments(struct reader *r)
{
    struct siblings all = {SHAPE_NOBODY, SHAPE_NOBODY, 0};
    bool is_open = false;
    bool was_optional = false;
    uint64_t needed = 0;
    uint16_t root;

    if (!new_node(r, &root))
        return false;
    skip_space(r);
    if (*r->pos != '\0') {
        do {
            const char *start;
            bool is_optional;
            uint16_t index;

            is_open = take(r, "...");
            if (is_open)
                break;
            skip_space(r);
            start = r->pos;
            if (!read_types(r, &index) ||
                !add_sibling(r, &all, SKIO_SHAPE_ARGUMENTS_MAX, index))
                return false;
            is_optional = take(r, "?");
            if (was_optional && !is_optional)
                return fail_at(r, start, "'?' is missing: one before has it");
            was_optional = is_optional;
            node_at(r, index)->is_optional = is_optional;
            needed += !is_optional;
        } while (take(r, ","));
    }
    skip_space(r);
    if (*r->pos != '\0')
        return fail(r, is_open ? "'...' is the last" : "',' is missing");
    node_at(r, root)->kind = SHAPE_ARRAY;
    node_at(r, root)->first = all.first;
    node_at(r, root)->is_open = is_open;
    node_at(r, root)->range.count.min = needed;
    node_at(r, root)->range.count.max = all.count;
    return true;
}

int
skio_shape_new(skio_server *server, const char *declaration, skio_shape **out,
               size_t *at, const char **why)
{
    struct reader r = {.pos = declaration};
    struct skio_shape *shape;
    size_t node_bytes;
    bool is_fine = read_arguments(&r);

    shape = NULL;
    if (is_fine) {
        node_bytes = r.count * sizeof(struct shape_node);
        shape = skio_transport_alloc(server,
                                     sizeof *shape + node_bytes + r.text_bytes);
        if (shape == NULL)
            return SKIO_ENOMEM;
        shape->server = server;
        r = (struct reader){.pos = declaration,
                            .nodes = (struct shape_node *)(shape + 1)};
        r.texts = (char *)r.nodes + node_bytes;
        shape->nodes = r.nodes;
        /* Only now keys can be compared. */
        is_fine = read_arguments(&r);
    }
    if (!is_fine) {
        if (shape != NULL)
            skio_transport_free(server, shape);
        if (at != NULL)
            *at = (size_t)(r.fault - declaration);
        if (why != NULL)
            *why = r.why;
        return SKIO_EINVAL;
    }
    *out = shape;
    return SKIO_OK;
}

void
skio_shape_free(skio_shape *shape)
{
    if (shape != NULL)
        skio_transport_free(shape->server, shape);
}
