/*
 * Fuzz target: shapes, against a naive checker
 *
 * Input: a byte that chooses. Either the rest is a declaration, to be read and
 * used; or a shape is made of bytes, and the arguments of an event are made of
 * further bytes after it, or are the text that is left. What the naive checker
 * says about them the library must say, too: it unescapes every string, makes a
 * list of every object's members, and walks all of it as often as it likes.
 */
#include "fuzz/fuzz.h"

#include <math.h>

#include <socketio/shapes.h>
#include <socketio/transport.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/number.h"
#include "socketio/value.h"

#define NODES_MAX 128
#define NODES_SPARE 48 /* for what is begun already */
#define MEMBERS_MAX 4
#define DEPTH_MAX 5
#define TEXT_BYTES 65536
#define COUNT_OF_STRAYS (sizeof strays / sizeof strays[0])

enum kind {
    ANY,
    NOTHING,
    BOOL,
    INT,
    NUMBER,
    STRING,
    LITERAL,
    BYTES,
    ARRAY,
    OBJECT,
    KINDS
};

struct node {
    enum kind kind;
    int min;
    int max; /* below min: there is no range */
    unsigned text;
    bool is_open;
    unsigned count; /* of members */
    struct node *types[MEMBERS_MAX];
    bool is_optional[MEMBERS_MAX];
    struct node *or_else;
};

/* Keys and texts, and ways to write them. */
static const char *const words[][3] = {
    {"a", "\\u0061", "a"},
    {"b", "\\u0062", "\\u0062"},
    {"\xc3\xa4", "\\u00E4", "\\u00e4"},
    {"\xf0\x9f\x98\x80", "\\ud83d\\ude00", "\\uD83D\\uDE00"},
};

/* What is no word, but nearly. */
static const char *const strays[] = {
    "",           "ab",         "a\\u0000",     "\\u0000", "\\ud83d",
    "\\ude00a",   "\\n\\\"/",   "\xe2\x82\xac", "zz zz",   "\\/\\\\",
    "\\ud83d\\n", "0123456789", "_placeholder",
};

static const char *const numbers[] = {
    "0",
    "-0",
    "1",
    "-1",
    "2",
    "3",
    "1.5",
    "3.0",
    "3e0",
    "1e1",
    "0.1e1",
    "-2.5",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1e400",
    "-1e400",
    "1e-400",
    "30e-1",
};

static const skio_bytes files[] = {{"abc", 3}, {NULL, 0}};

struct maker {
    struct fuzz_input *in;
    struct node nodes[NODES_MAX];
    unsigned used;
    char declaration[TEXT_BYTES];
    size_t declaration_len;
    char text[TEXT_BYTES];
    size_t text_len;
};

static skio_server *server;
static struct maker maker;

/* ---- A shape of bytes, and its declaration ---- */

static void
put(char *out, size_t *len, const char *text)
{
    size_t n = strlen(text);

    if (*len + n + 1 > TEXT_BYTES)
        return;
    memcpy(out + *len, text, n + 1);
    *len += n;
}

static void
declare(struct maker *m, const char *text)
{
    put(m->declaration, &m->declaration_len, text);
}

static void
declare_range(struct maker *m, struct node *node)
{
    char text[64];

    node->min = (int)fuzz_below(m->in, 4) - (node->kind <= NUMBER);
    node->max = node->min + (int)fuzz_below(m->in, 5) - 1;
    if (node->max < node->min)
        return;
    snprintf(text, sizeof text, node->min == node->max ? "(%d)" : "( %d .. %d)",
             node->min, node->max);
    declare(m, text);
}

static struct node *make_types(struct maker *m, unsigned depth);

static void
make_members(struct maker *m, struct node *node, unsigned depth)
{
    node->count = fuzz_below(m->in, MEMBERS_MAX + 1);
    declare(m, "{");
    for (unsigned i = 0; i < node->count; i++) {
        node->is_optional[i] = fuzz_below(m->in, 2);
        declare(m, i > 0 ? ", '" : "'");
        declare(m, words[i][0]);
        declare(m, node->is_optional[i] ? "'?: " : "': ");
        node->types[i] = make_types(m, depth);
    }
    node->is_open = fuzz_below(m->in, 4) == 0;
    if (node->is_open)
        declare(m, node->count > 0 ? ",..." : "...");
    declare(m, "}");
}

static struct node *
make_type(struct maker *m, enum kind kind, unsigned depth)
{
    static const char *const names[] = {"any",    "null",   "bool", "int",
                                        "number", "string", "",     "bytes"};
    struct node *node = &m->nodes[m->used++];

    fuzz_check(m->used <= NODES_MAX);
    *node = (struct node){.kind = kind, .max = -1, .min = 0};
    switch (kind) {
    case LITERAL:
        node->text = fuzz_below(m->in, 4);
        declare(m, "'");
        declare(m, words[node->text][0]);
        declare(m, "'");
        break;
    case ARRAY:
        declare(m, "[");
        node->types[0] = make_types(m, depth + 1);
        declare(m, "]");
        declare_range(m, node);
        break;
    case OBJECT:
        make_members(m, node, depth + 1);
        break;
    case INT:
    case NUMBER:
    case STRING:
    case BYTES:
        declare(m, names[kind]);
        declare_range(m, node);
        break;
    default:
        declare(m, names[kind]);
        break;
    }
    return node;
}

/* One type, or several that may stand together. */
static struct node *
make_types(struct maker *m, unsigned depth)
{
    const bool is_deep =
        depth >= DEPTH_MAX || m->used + NODES_SPARE > NODES_MAX;
    unsigned kinds = is_deep ? ARRAY : KINDS;
    enum kind kind = (enum kind)fuzz_below(m->in, kinds);
    struct node *first = make_type(m, kind, depth);
    struct node *last = first;
    unsigned taken = 1u << kind;

    if (kind == ANY)
        return first;
    while (fuzz_below(m->in, 4) == 3 && m->used + NODES_SPARE < NODES_MAX) {
        kind = (enum kind)(1 + fuzz_below(m->in, kinds - 1));
        if (kind == NUMBER || kind == STRING || kind == LITERAL)
            kind = NOTHING; /* no part of a type that is there */
        if ((taken & 1u << kind) != 0 ||
            (kind == INT && (taken & 1u << NUMBER) != 0))
            continue;
        taken |= 1u << kind;
        declare(m, " | ");
        last->or_else = make_type(m, kind, depth);
        last = last->or_else;
    }
    return first;
}

/* ---- Arguments of bytes ---- */

static void
say(struct maker *m, const char *text)
{
    put(m->text, &m->text_len, text);
}

static void
say_string(struct maker *m)
{
    unsigned which = fuzz_below(m->in, 4 + COUNT_OF_STRAYS);

    say(m, "\"");
    if (which < 4)
        say(m, words[which][fuzz_below(m->in, 3)]);
    else
        say(m, strays[which - 4]);
    say(m, "\"");
}

static void say_value(struct maker *m, const struct node *node, unsigned depth);

static void
say_array(struct maker *m, const struct node *node, unsigned depth)
{
    unsigned count = fuzz_below(m->in, 5);

    say(m, "[ ");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            say(m, " ,");
        say_value(m, node != NULL ? node->types[0] : NULL, depth + 1);
    }
    say(m, "]");
}

static void
say_object(struct maker *m, const struct node *node, unsigned depth)
{
    unsigned count = node != NULL ? node->count : fuzz_below(m->in, 3);
    bool is_first = true;

    say(m, "{");
    for (unsigned i = 0; i < count; i++) {
        unsigned what = fuzz_below(m->in, 16);
        unsigned at = what == 1 ? fuzz_below(m->in, 4) : i % 4;

        if (what == 0)
            continue;
        say(m, is_first ? "\"" : " , \"");
        is_first = false;
        say(m, what == 2 ? strays[fuzz_below(m->in, COUNT_OF_STRAYS)]
                         : words[at][fuzz_below(m->in, 3)]);
        say(m, "\" :");
        say_value(m, node != NULL ? node->types[i] : NULL, depth + 1);
    }
    say(m, "}");
}

/* What fits a type, mostly. */
static void
say_value(struct maker *m, const struct node *node, unsigned depth)
{
    enum kind kind;

    while (node != NULL && node->or_else != NULL && fuzz_below(m->in, 2) == 1)
        node = node->or_else;
    if (node == NULL || fuzz_below(m->in, 16) == 15)
        node = NULL;
    kind = node != NULL ? node->kind : (enum kind)fuzz_below(m->in, KINDS);
    if (depth > DEPTH_MAX + 1 && kind >= ARRAY)
        kind = BOOL;
    switch (kind) {
    case BOOL:
        say(m, fuzz_below(m->in, 2) == 1 ? "true" : "false");
        break;
    case INT:
    case NUMBER:
        say(m, numbers[fuzz_below(m->in, sizeof numbers / sizeof *numbers)]);
        break;
    case STRING:
        say_string(m);
        break;
    case LITERAL:
        say(m, "\"");
        say(m, words[node != NULL ? node->text : 0][fuzz_below(m->in, 3)]);
        say(m, "\"");
        break;
    case BYTES:
        say(m, fuzz_below(m->in, 2) == 1
                   ? "{\"_placeholder\":true,\"num\":0}"
                   : "{\"num\":1,\"x\":[],\"_placeholder\":true}");
        break;
    case ARRAY:
        say_array(m, node, depth);
        break;
    case OBJECT:
        say_object(m, node, depth);
        break;
    default:
        say(m, "null");
        break;
    }
}

/* ---- The naive checker ---- */

static bool fits(const struct skio_value *value, const struct node *node,
                 const struct skio__json_slice *slice);

static char *
unescape(const char *text, const struct skio__json_slice *string, size_t *len)
{
    char *out = malloc((size_t)string->len + 1);

    if (out == NULL)
        abort();
    *len = skio__json_unescape(text, string, out);
    return out;
}

static bool
is_between(const struct node *node, double n)
{
    return node->max < node->min || (n >= node->min && n <= node->max);
}

static bool
fits_string(const char *text, const struct node *node,
            const struct skio__json_slice *slice)
{
    size_t len;
    char *copy = unescape(text, slice, &len);
    unsigned points = 0;
    bool is_fine;

    for (size_t i = 0; i < len; i++)
        points += ((unsigned char)copy[i] & 0xc0) != 0x80;
    if (node->kind == LITERAL)
        is_fine = len == strlen(words[node->text][0]) &&
                  memcmp(copy, words[node->text][0], len) == 0;
    else
        is_fine = memchr(copy, '\0', len) == NULL && is_between(node, points);
    free(copy);
    return is_fine;
}

/* How integers are read is the business of the target `number`. */
static bool
fits_number(const char *text, const struct node *node,
            const struct skio__json_slice *slice)
{
    double n = strtod(text + slice->start, NULL);
    int64_t integer = 0;

    if (!isfinite(n))
        return false;
    if (node->kind == INT &&
        skio__number_parse_i64(text + slice->start, slice->len, &integer) !=
            SKIO_OK)
        return false;
    return is_between(node, n);
}

static bool
fits_array(const struct skio_value *value, const struct node *node,
           const struct skio__json_slice *slice)
{
    size_t count = skio__json_count(value->text, slice);

    for (size_t i = 0; i < count; i++) {
        struct skio__json_slice item;

        fuzz_check(skio__json_nth(value->text, slice, i, &item) == SKIO_OK);
        if (!fits(value, node->types[0], &item))
            return false;
    }
    return is_between(node, (double)count);
}

static bool
fits_object(const struct skio_value *value, const struct node *node,
            const struct skio__json_slice *slice)
{
    unsigned seen[MEMBERS_MAX] = {0};
    struct skio__json_iter iter;
    bool is_fine = true;

    skio__json_iter_init(&iter, value->text, slice);
    while (skio__json_iter_next(&iter)) {
        size_t len;
        char *key = unescape(value->text, &iter.key, &len);
        unsigned i = 0;

        while (i < node->count && (strlen(words[i][0]) != len ||
                                   memcmp(words[i][0], key, len) != 0))
            i++;
        free(key);
        if (i < node->count) {
            seen[i]++;
            is_fine = is_fine && fits(value, node->types[i], &iter.value);
        } else {
            is_fine = is_fine && node->is_open;
        }
    }
    for (unsigned i = 0; i < node->count; i++)
        if (seen[i] > 1 || (seen[i] == 0 && !node->is_optional[i]))
            is_fine = false;
    return is_fine;
}

static bool
fits_one(const struct skio_value *value, const struct node *node,
         const struct skio__json_slice *slice)
{
    skio_bytes bytes = {NULL, 0};
    bool is_bytes = skio__value_attachment(value, slice, &bytes);

    switch (node->kind) {
    case ANY:
        return true;
    case NOTHING:
        return slice->type == SKIO__JSON_NULL;
    case BOOL:
        return slice->type == SKIO__JSON_BOOL;
    case INT:
    case NUMBER:
        return slice->type == SKIO__JSON_NUMBER &&
               fits_number(value->text, node, slice);
    case STRING:
    case LITERAL:
        return slice->type == SKIO__JSON_STRING &&
               fits_string(value->text, node, slice);
    case BYTES:
        return is_bytes && is_between(node, (double)bytes.len);
    case ARRAY:
        return slice->type == SKIO__JSON_ARRAY &&
               fits_array(value, node, slice);
    default:
        return slice->type == SKIO__JSON_OBJECT && !is_bytes &&
               fits_object(value, node, slice);
    }
}

static bool
fits(const struct skio_value *value, const struct node *node,
     const struct skio__json_slice *slice)
{
    for (; node != NULL; node = node->or_else)
        if (fits_one(value, node, slice))
            return true;
    return false;
}

static bool
fits_all(const struct skio_value *value, const struct node *root)
{
    size_t count = skio__value_arg_count(value);

    for (unsigned i = 0; i < root->count; i++) {
        struct skio__json_slice slice;

        if (i >= count)
            return root->is_optional[i];
        fuzz_check(skio__value_arg(value, i, &slice) == SKIO_OK);
        if (!fits(value, root->types[i], &slice))
            return false;
    }
    return root->is_open || count <= root->count;
}

/* ---- Both ---- */

/* Whether a key stands twice somewhere: a path leads to the last one only. */
static bool
has_twice(const char *text, const struct skio__json_slice *slice)
{
    struct skio__json_iter outer;

    skio__json_iter_init(&outer, text, slice);
    while (skio__json_iter_next(&outer)) {
        struct skio__json_iter inner = outer;

        if (has_twice(text, &outer.value))
            return true;
        while (outer.is_object && skio__json_iter_next(&inner)) {
            size_t len;
            char *key = unescape(text, &inner.key, &len);
            bool is_same = skio__json_string_is(text, &outer.key, key, len);

            free(key);
            if (is_same)
                return true;
        }
    }
    return false;
}

/* A refusal's path leads to something, or to where it is missing. */
static void
check_path(const struct skio_value *value, const char *path, const char *why)
{
    if (has_twice(value->text, &value->root))
        return;
    if (strcmp(why, "missing") == 0)
        fuzz_check(skio_type_of(value, path) == SKIO_TYPE_NONE);
    else if (strchr(path, '?') == NULL)
        fuzz_check(skio_type_of(value, path) != SKIO_TYPE_NONE);
}

static void
compare(const skio_shape *shape, const struct node *root, const char *text,
        size_t len, uint32_t attachments)
{
    struct skio__json_slice items[SIO_VALUE_ITEMS];
    char path[SKIO_SHAPE_PATH_SIZE];
    struct skio__arena arena;
    struct skio_value value;
    const char *why = NULL;
    int err;

    skio__arena_init(&arena, skio__mem_default(), 0);
    if (skio__value_init_list(&value, text, len, items, 1, files, attachments,
                              &arena, 32) == SKIO_OK) {
        err = skio_shape_check(shape, &value, path, sizeof path, &why);
        fuzz_check(err == SKIO_OK || err == SKIO_EINVAL);
        if (root != NULL)
            fuzz_check((err == SKIO_OK) == fits_all(&value, root));
        if (err != SKIO_OK)
            check_path(&value, path, why);
        skio__value_deinit(&value);
    }
    skio__arena_deinit(&arena);
}

static void
read_declaration(const char *declaration, size_t len)
{
    static const char *const texts[] = {
        "[\"e\"]",
        "[\"e\",1,\"a\",{\"a\":[1,{\"b\":null}],\"b\":2}]",
        "[\"e\",[[[]]],{\"_placeholder\":true,\"num\":1}]",
    };
    char *copy = fuzz_copy(declaration, len);
    skio_shape *shape = NULL;
    const char *why = NULL;
    size_t at = SIZE_MAX;
    int err = skio_shape_new(server, copy, &shape, &at, &why);

    fuzz_check(err == SKIO_OK || err == SKIO_EINVAL);
    if (err == SKIO_OK) {
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            compare(shape, NULL, texts[i], strlen(texts[i]), i == 2 ? 2 : 0);
        skio_shape_free(shape);
    } else {
        fuzz_check(shape == NULL && why != NULL && at <= strlen(copy));
    }
    free(copy);
}

static struct node *
make_shape(struct maker *m)
{
    struct node *root = &m->nodes[m->used++];
    bool is_optional = false;

    *root = (struct node){.count = fuzz_below(m->in, MEMBERS_MAX + 1)};
    for (unsigned i = 0; i < root->count; i++) {
        if (i > 0)
            declare(m, ", ");
        root->types[i] = make_types(m, 1);
        is_optional = is_optional || fuzz_below(m->in, 4) == 3;
        root->is_optional[i] = is_optional;
        if (is_optional)
            declare(m, "?");
    }
    root->is_open = fuzz_below(m->in, 8) == 7;
    if (root->is_open)
        declare(m, root->count > 0 ? ", ..." : "...");
    return root;
}

static void
make_arguments(struct maker *m, const struct node *root)
{
    unsigned count = root->count + fuzz_below(m->in, 16) / 14;

    say(m, "[\"e\"");
    for (unsigned i = 0; i < count; i++) {
        if (fuzz_below(m->in, 16) == 15)
            break;
        say(m, ",");
        say_value(m, i < root->count ? root->types[i] : NULL, 1);
    }
    say(m, "]");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned what = fuzz_byte(&in);
    const struct node *root;
    skio_shape *shape = NULL;
    char *text;

    if (server == NULL && skio_server_new(&server, NULL) != SKIO_OK)
        abort();
    if (what % 4 == 0) {
        read_declaration((const char *)in.at, in.left);
        return 0;
    }
    maker.in = &in;
    maker.used = 0;
    maker.declaration_len = 0;
    maker.declaration[0] = '\0';
    maker.text_len = 0;
    root = make_shape(&maker);
    fuzz_check(skio_shape_new(server, maker.declaration, &shape, NULL, NULL) ==
               SKIO_OK);
    if (what % 4 != 1)
        make_arguments(&maker, root);
    text = what % 4 == 1 ? fuzz_exact(in.at, in.left)
                         : fuzz_exact(maker.text, maker.text_len);
    compare(shape, root, text, what % 4 == 1 ? in.left : maker.text_len, 2);
    free(text);
    skio_shape_free(shape);
    return 0;
}
