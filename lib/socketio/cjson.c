/*
 * Arguments as cJSON trees, and back: see <socketio/cjson.h>
 *
 * cJSON parses only what the strict scan accepted. What it would read wrongly
 * all the same (a U+0000 ends its strings) is refused. Its printer is not
 * used: it writes numbers with the C library's locale and 17 digits.
 */
#include <socketio/cjson.h>

#include <string.h>

#include <socketio/transport.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/number.h"
#include "base/utf8.h"
#include "socketio/value.h"

/* A tree, in the list of the value that owns it. */
struct tree {
    struct sio_tree head; /* first: the list is of these */
    cJSON *json;
    uint32_t start; /* of the part in the text; of a list, the elements that
                       it hides */
    bool is_list;   /* arguments together, not the array they stand in */
};

static void
drop_all(struct skio_value *value)
{
    struct tree *tree;

    while ((tree = (struct tree *)value->tree) != NULL) {
        value->tree = tree->head.next;
        cJSON_Delete(tree->json);
        skio__mem_free(skio__value_mem(value), tree);
    }
}

/* Whether validated text has a \u0000: where its escapes begin is known. */
static bool
has_nul(const char *text, size_t len)
{
    const char *end = text + len;
    const char *pos = text;

    while ((pos = memchr(pos, '\\', (size_t)(end - pos))) != NULL) {
        if (pos[1] == 'u' && memcmp(pos + 2, "0000", 4) == 0)
            return true;
        pos += 2;
    }
    return false;
}

static cJSON *
parse(const skio_bytes *text)
{
    const char *end = NULL;
    cJSON *json;

    if (has_nul(text->data, text->len))
        return NULL;
    json = cJSON_ParseWithLengthOpts(text->data, text->len, &end, false);
    if (json != NULL && end != (const char *)text->data + text->len) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static cJSON *
find_tree(const struct skio_value *owner, uint32_t start, bool is_list)
{
    const struct tree *tree;

    for (tree = (const struct tree *)owner->tree; tree != NULL;
         tree = (const struct tree *)tree->head.next)
        if (tree->start == start && tree->is_list == is_list)
            return tree->json;
    return NULL;
}

static cJSON *
add_tree(struct skio_value *owner, uint32_t start, bool is_list,
         const skio_bytes *text)
{
    struct tree *tree = skio__mem_alloc(skio__value_mem(owner), sizeof(*tree));

    if (tree == NULL)
        return NULL;
    tree->json = parse(text);
    if (tree->json == NULL) {
        skio__mem_free(skio__value_mem(owner), tree);
        return NULL;
    }
    tree->start = start;
    tree->is_list = is_list;
    tree->head.next = owner->tree;
    tree->head.drop_all = drop_all;
    owner->tree = &tree->head;
    return tree->json;
}

const cJSON *
skio_value_cjson(const skio_value *value, const char *path)
{
    struct skio__json_slice slice;
    struct skio_value *owner;
    skio_bytes text;
    cJSON *json;
    uint32_t start;
    bool whole;

    if (skio__value_find(value, path, &slice, &whole) != SKIO_OK)
        return NULL;
    start = whole ? value->skip : slice.start;

    /* Trees are what a view caches: its constness is the reader's. */
    owner = value->owner != NULL ? value->owner : (struct skio_value *)value;
    json = find_tree(owner, start, whole);
    if (json != NULL)
        return json;
    if (skio_get_slice(value, path, &text) != SKIO_OK)
        return NULL;
    return add_tree(owner, start, whole, &text);
}

/* A number as an index below count, -1 if it is none. */
static int64_t
index_of(const cJSON *num, const skio_value *value)
{
    double from;
    uint32_t i;

    if (num == NULL || !cJSON_IsNumber(num))
        return -1;
    from = num->valuedouble - (double)value->first_placeholder;
    if (!(from >= 0 && from < value->attachment_count))
        return -1;
    i = (uint32_t)from;
    return (double)i < from ? -1 : (int64_t)i;
}

int
skio_value_bytes(const skio_value *value, const cJSON *item, skio_bytes *out)
{
    const cJSON *mark = NULL;
    const cJSON *num = NULL;
    const cJSON *member;
    int64_t i;

    if (!cJSON_IsObject(item))
        return SKIO_ETYPE;
    cJSON_ArrayForEach(member, item) { /* of duplicates the last counts */
        if (member->string == NULL)
            continue;
        if (strcmp(member->string, "_placeholder") == 0)
            mark = member;
        else if (strcmp(member->string, "num") == 0)
            num = member;
    }
    i = index_of(num, value);
    if (!cJSON_IsTrue(mark) || i < 0)
        return SKIO_ETYPE;
    *out = value->attachments[i];
    return SKIO_OK;
}

/* ---- Back: trees as text ---- */

struct printer {
    struct skio__buf *out;
    uint32_t depth;
    const cJSON *stack[SKIO__JSON_DEPTH_MAX]; /* containers that are open */
};

/* A string of the tree; cJSON takes a missing one for an empty one. */
static int
print_string(struct printer *p, const char *str)
{
    size_t len = str != NULL ? strlen(str) : 0;

    if (!skio__utf8_valid(str != NULL ? str : "", len))
        return SKIO_EINVAL;
    return skio__json_quote(p->out, str, len);
}

static int
print_raw(struct printer *p, const char *json)
{
    const struct skio__json_limits limits = {SKIO__JSON_DEPTH_MAX - p->depth,
                                             -1};
    struct skio__json_scan scan = {0};

    if (json == NULL ||
        skio__json_scan(json, strlen(json), &limits, &scan) != SKIO_OK)
        return SKIO_EINVAL;
    return skio__buf_append(p->out, json + scan.root.start, scan.root.len);
}

static int
print_number(struct printer *p, double value)
{
    char digits[SKIO__NUMBER_MAX];

    return skio__buf_append(p->out, digits, skio__number_format(value, digits));
}

/* An item; of a container the opening bracket. */
static int
print_item(struct printer *p, const cJSON *item)
{
    switch (item->type & 0xFF) {
    case cJSON_False:
        return skio__buf_append(p->out, "false", 5);
    case cJSON_True:
        return skio__buf_append(p->out, "true", 4);
    case cJSON_NULL:
        return skio__buf_append(p->out, "null", 4);
    case cJSON_Number:
        return print_number(p, item->valuedouble);
    case cJSON_String:
        return print_string(p, item->valuestring);
    case cJSON_Raw:
        return print_raw(p, item->valuestring);
    case cJSON_Array:
    case cJSON_Object:
        break;
    default:
        return SKIO_EINVAL;
    }

    if (p->depth == SKIO__JSON_DEPTH_MAX)
        return SKIO_EINVAL;
    p->stack[p->depth++] = item;
    return skio__buf_putc(p->out, cJSON_IsArray(item) ? '[' : '{');
}

/*
 * The elements of an array, without its brackets. The host builds trees, so
 * depth is bounded here, and one that runs in a circle by the buffer's limit.
 */
static int
print_elements(struct printer *p, const cJSON *array)
{
    const cJSON *item = array->child;
    int err = SKIO_OK;

    p->depth = 0;
    p->stack[p->depth++] = array;
    while (err == SKIO_OK) {
        const cJSON *parent = p->stack[p->depth - 1];

        if (item == NULL) {
            if (--p->depth == 0)
                return SKIO_OK;
            err = skio__buf_putc(p->out, cJSON_IsArray(parent) ? ']' : '}');
            item = parent->next;
            continue;
        }

        if (item != parent->child)
            skio__buf_putc(p->out, ',');
        if (cJSON_IsObject(parent)) {
            err = print_string(p, item->string);
            skio__buf_putc(p->out, ':');
        }
        if (err == SKIO_OK)
            err = print_item(p, item);
        item = p->stack[p->depth - 1] == item ? item->child : item->next;
    }
    return err;
}

int
skio_emit_cjson(skio_socket *socket, const char *event, const cJSON *args)
{
    const skio_server_options *options;
    skio_nsp *nsp;
    struct printer printer;
    struct skio__buf out;
    int err;

    if (args == NULL)
        return skio_emit_json(socket, event, "", 0);
    if (!cJSON_IsArray(args))
        return SKIO_EINVAL;

    nsp = skio_socket_nsp(socket);
    if (nsp == NULL)
        return SKIO_ECLOSED; /* the server was freed */

    options = skio_transport_options(skio_nsp_server(nsp));
    skio__buf_init(&out, options->allocator.malloc != NULL
                             ? &options->allocator
                             : skio__mem_default());
    out.max = options->max_outbound_bytes;
    printer.out = &out;
    err = print_elements(&printer, args);
    if (err == SKIO_OK)
        err =
            skio_emit_json(socket, event, out.len > 0 ? out.data : "", out.len);
    else if (err == SKIO_ETOOBIG)
        err = SKIO_ENOBUFS;
    skio__buf_deinit(&out);
    return err;
}
