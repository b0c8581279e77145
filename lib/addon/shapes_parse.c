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
#include <string.h>

#include <socketio/transport.h>

#include "addon/shapes_tree.h"
#include "addon/shapes_words.h"

/* Kinds of which one value could be two. */
#define BIT(kind) (UINT32_C(1) << (kind))

struct reader {
    struct shape_words words;
    unsigned depth;
    struct shape_node *nodes; /* NULL: they are counted */
    char *texts;              /* where the next one goes */
    uint16_t count;
    size_t text_bytes;
    struct shape_node scratch; /* for who counts */
};

static bool read_types(struct reader *r, uint16_t *out);

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
        return skio__shape_fail(&r->words, "too many types");
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
        return skio__shape_fail(&r->words, "too many of them");
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

    skio__shape_skip_space(&r->words);
    start = r->words.pos;
    if (!skio__shape_read_key(&r->words, &key, &len))
        return false;
    if (has_key(r, all, key, len))
        return skio__shape_fail_at(&r->words, start,
                                   "a key that is there already");
    is_optional = skio__shape_take(&r->words, "?");
    if (!skio__shape_take(&r->words, ":"))
        return skio__shape_fail(&r->words, "':' is missing");
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

    if (!skio__shape_take(&r->words, "}")) {
        do {
            is_open = skio__shape_take(&r->words, "...");
            if (!is_open && !read_member(r, &all, &required))
                return false;
        } while (!is_open && skio__shape_take(&r->words, ","));
        if (!skio__shape_take(&r->words, "}"))
            return skio__shape_fail(&r->words,
                                    is_open ? "'}' is missing after '...'"
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
    if (!skio__shape_take(&r->words, "]"))
        return skio__shape_fail(&r->words, "']' is missing");
    node_at(r, array)->first = element;
    node_at(r, array)->kind = SHAPE_ARRAY; /* who counts has written there */
    return skio__shape_read_range(&r->words, node_at(r, array));
}

static bool
read_inner(struct reader *r, uint16_t index, enum shape_kind kind)
{
    bool is_fine;

    if (r->depth == SKIO_SHAPE_DEPTH_MAX)
        return skio__shape_fail(&r->words, "nested too deeply");
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

    if (!skio__shape_read_quoted(&r->words, &text, &len))
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
    size_t len = skio__shape_word_len(&r->words);

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].word) != len ||
            memcmp(words[i].word, r->words.pos, len) != 0)
            continue;
        r->words.pos += len;
        node->kind = (uint8_t)words[i].kind;
        return !words[i].has_range || skio__shape_read_range(&r->words, node);
    }
    return skio__shape_fail(&r->words,
                            len > 0 ? "an unknown type" : "a type is missing");
}

/* One type. *kind tells which. */
static bool
read_type(struct reader *r, uint16_t *out, uint32_t *bit)
{
    enum shape_kind kind = SHAPE_ANY;
    bool is_fine;

    skio__shape_skip_space(&r->words);
    if (!new_node(r, out))
        return false;
    if (*r->words.pos == '\'')
        kind = SHAPE_LITERAL;
    else if (skio__shape_take(&r->words, "{"))
        kind = SHAPE_OBJECT;
    else if (skio__shape_take(&r->words, "["))
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

        skio__shape_skip_space(&r->words);
        start = r->words.pos;
        if (!read_type(r, &index, &bit))
            return false;
        if ((kinds & bit & ~BIT(SHAPE_LITERAL)) != 0)
            return skio__shape_fail_at(&r->words, start,
                                       "a type that is there already");
        kinds |= bit;
        if ((kinds & BIT(SHAPE_ANY)) != 0 && kinds != BIT(SHAPE_ANY))
            return skio__shape_fail_at(&r->words, start,
                                       "'any' needs no other type");
        if ((kinds & BIT(SHAPE_INT)) != 0 && (kinds & BIT(SHAPE_NUMBER)) != 0)
            return skio__shape_fail_at(&r->words, start, "an int is a number");
        if ((kinds & BIT(SHAPE_LITERAL)) != 0 &&
            (kinds & BIT(SHAPE_STRING)) != 0)
            return skio__shape_fail_at(&r->words, start, "a text is a string");
        if (last == SHAPE_NOBODY)
            *out = index;
        else
            node_at(r, last)->or_else = index;
        last = index;
    } while (skio__shape_take(&r->words, "|"));
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
    skio__shape_skip_space(&r->words);
    if (*r->words.pos != '\0') {
        do {
            const char *start;
            bool is_optional;
            uint16_t index;

            is_open = skio__shape_take(&r->words, "...");
            if (is_open)
                break;
            skio__shape_skip_space(&r->words);
            start = r->words.pos;
            if (!read_types(r, &index) ||
                !add_sibling(r, &all, SKIO_SHAPE_ARGUMENTS_MAX, index))
                return false;
            is_optional = skio__shape_take(&r->words, "?");
            if (was_optional && !is_optional)
                return skio__shape_fail_at(&r->words, start,
                                           "'?' is missing: one before has it");
            was_optional = is_optional;
            node_at(r, index)->is_optional = is_optional;
            needed += !is_optional;
        } while (skio__shape_take(&r->words, ","));
    }
    skio__shape_skip_space(&r->words);
    if (*r->words.pos != '\0')
        return skio__shape_fail(&r->words, is_open ? "'...' is the last"
                                                   : "',' is missing");
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
    struct reader r = {.words.pos = declaration};
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
        r = (struct reader){.words.pos = declaration,
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
            *at = (size_t)(r.words.fault - declaration);
        if (why != NULL)
            *why = r.words.why;
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
