/*
 * Fuzz target: the scan of JSON, against a slow checker that recurses, and
 * against cJSON; then every function that walks what the scan accepted
 *
 * Input: the depth allowed, one more than the number of attachments (0: no
 * object is special), the text.
 */
#include "fuzz/fuzz.h"

#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

#define ITEMS 5

/* ---- RFC 8259 by the letter ---- */

struct slow {
    const char *pos;
    const char *end;
    uint32_t max_depth;
};

static bool slow_value(struct slow *s, uint32_t depth);

static void
slow_space(struct slow *s)
{
    while (s->pos < s->end && strchr(" \t\r\n", *s->pos) != NULL &&
           *s->pos != '\0')
        s->pos++;
}

static bool
slow_take(struct slow *s, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(s->end - s->pos) < len || memcmp(s->pos, word, len) != 0)
        return false;
    s->pos += len;
    return true;
}

static bool
slow_one_of(struct slow *s, const char *set)
{
    if (s->pos == s->end || *s->pos == '\0' || strchr(set, *s->pos) == NULL)
        return false;
    s->pos++;
    return true;
}

static bool
slow_digits(struct slow *s)
{
    if (!slow_one_of(s, "0123456789"))
        return false;
    while (slow_one_of(s, "0123456789"))
        continue;
    return true;
}

static bool
slow_number(struct slow *s)
{
    slow_take(s, "-");
    if (!slow_take(s, "0") && !slow_digits(s))
        return false;
    if (slow_take(s, ".") && !slow_digits(s))
        return false;
    if (slow_one_of(s, "eE")) {
        slow_one_of(s, "+-");
        return slow_digits(s);
    }
    return true;
}

static bool
slow_string(struct slow *s)
{
    if (!slow_take(s, "\""))
        return false;
    while (s->pos < s->end && *s->pos != '"') {
        if ((unsigned char)*s->pos < 0x20)
            return false;
        if (!slow_take(s, "\\")) {
            s->pos++;
            continue;
        }
        if (slow_take(s, "u")) {
            for (int i = 0; i < 4; i++)
                if (!slow_one_of(s, "0123456789abcdefABCDEF"))
                    return false;
        } else if (!slow_one_of(s, "\"\\/bfnrt")) {
            return false;
        }
    }
    return slow_take(s, "\"");
}

static bool
slow_members(struct slow *s, uint32_t depth, const char *close, bool is_object)
{
    if (depth > s->max_depth)
        return false;
    slow_space(s);
    if (slow_take(s, close))
        return true;
    do {
        slow_space(s);
        if (is_object) {
            if (!slow_string(s))
                return false;
            slow_space(s);
            if (!slow_take(s, ":"))
                return false;
        }
        if (!slow_value(s, depth))
            return false;
        slow_space(s);
    } while (slow_take(s, ","));
    return slow_take(s, close);
}

static bool
slow_value(struct slow *s, uint32_t depth)
{
    slow_space(s);
    if (s->pos == s->end)
        return false;
    switch (*s->pos) {
    case '{':
        s->pos++;
        return slow_members(s, depth + 1, "}", true);
    case '[':
        s->pos++;
        return slow_members(s, depth + 1, "]", false);
    case '"':
        return slow_string(s);
    case 't':
        return slow_take(s, "true");
    case 'f':
        return slow_take(s, "false");
    case 'n':
        return slow_take(s, "null");
    default:
        return slow_number(s);
    }
}

static bool
slow_accepts(const char *text, size_t len, uint32_t max_depth)
{
    struct slow s = {text, text + len, max_depth};

    if (!skio__utf8_valid(text, len) || !slow_value(&s, 0))
        return false;
    slow_space(&s);
    return s.pos == s.end;
}

/* ---- What walks validated text ---- */

/* A string is the same after it was unescaped, quoted and unescaped again. */
static void
check_string(const char *text, const struct skio__json_slice *string)
{
    const struct skio__json_limits limits = {0, -1};
    char *plain = malloc(string->len);
    char *again;
    size_t len = skio__json_unescape(text, string, plain);
    struct skio__buf quoted;
    struct skio__json_scan scan = {.items = NULL};

    fuzz_check(len <= string->len - 2);
    fuzz_check(skio__utf8_valid(plain, len));
    fuzz_check(skio__json_string_is(text, string, plain, len));
    fuzz_check(!skio__json_string_is(text, string, plain, len + 1));
    if ((string->flags & SKIO__JSON_ESCAPED) == 0)
        fuzz_check(len == string->len - 2 &&
                   memcmp(plain, text + string->start + 1, len) == 0);

    skio__buf_init(&quoted, skio__mem_default());
    fuzz_check(skio__json_quote(&quoted, plain, len) == SKIO_OK);
    fuzz_check(skio__json_scan(quoted.data, quoted.len, &limits, &scan) ==
               SKIO_OK);
    fuzz_check(scan.root.type == SKIO__JSON_STRING);
    again = malloc(scan.root.len);
    fuzz_check(skio__json_unescape(quoted.data, &scan.root, again) == len);
    fuzz_check(len == 0 || memcmp(again, plain, len) == 0);
    free(again);
    free(plain);
    skio__buf_deinit(&quoted);
}

static bool
same_slice(const struct skio__json_slice *a, const struct skio__json_slice *b)
{
    return a->start == b->start && a->len == b->len && a->type == b->type;
}

struct walk {
    const char *text;
    size_t len;
    uint32_t placeholders;
    int64_t limit; /* of their numbers; -1: none was set */
};

static void
check_member(const char *text, const struct skio__json_slice *object,
             const struct skio__json_iter *member)
{
    char *key = malloc(member->key.len);
    size_t len = skio__json_unescape(text, &member->key, key);
    struct skio__json_slice found;

    check_string(text, &member->key);
    /* Of duplicates the last. */
    fuzz_check(skio__json_get(text, object, key, len, &found) == SKIO_OK);
    fuzz_check(found.start >= member->value.start);
    free(key);
}

static void
walk_value(struct walk *walk, const struct skio__json_slice *value)
{
    const char *text = walk->text;
    const char *start = text + value->start;
    int64_t number = skio__json_placeholder(text, value);
    struct skio__json_slice found;
    struct skio__json_iter iter;
    size_t count = 0;

    fuzz_check(value->start + (size_t)value->len <= walk->len);
    fuzz_check(skio__json_type(*start) == (enum skio__json_type)value->type);
    fuzz_check(skio__json_skip(start, text + walk->len) == start + value->len);
    if (number >= 0) {
        fuzz_check(walk->limit < 0 || number < walk->limit);
        walk->placeholders++;
    }
    if (value->type == SKIO__JSON_STRING)
        check_string(text, value);

    skio__json_iter_init(&iter, text, value);
    while (skio__json_iter_next(&iter)) {
        if (iter.is_object) {
            check_member(text, value, &iter);
        } else if (count < 3) {
            fuzz_check(skio__json_nth(text, value, count, &found) == SKIO_OK);
            fuzz_check(same_slice(&found, &iter.value));
        }
        walk_value(walk, &iter.value);
        count++;
    }
    fuzz_check(skio__json_count(text, value) == count);
    fuzz_check(skio__json_nth(text, value, count, &found) != SKIO_OK);
}

/* cJSON may refuse no more than a surrogate that stands alone. */
static void
check_cjson(const char *text, size_t len)
{
    const char *end = NULL;
    char *copy = fuzz_copy(text, len);
    cJSON *tree;

    if (strstr(copy, "\\u") == NULL) {
        tree = cJSON_ParseWithLengthOpts(copy, len, &end, false);
        fuzz_check(tree != NULL);
        cJSON_Delete(tree);
    }
    free(copy);
}

static void
check_accepted(const char *text, size_t len,
               const struct skio__json_limits *limits,
               const struct skio__json_scan *scan)
{
    struct walk walk = {text, len, 0, limits->placeholders};
    struct skio__json_slice whole = skio__json_whole(text, len);
    struct skio__json_slice found;

    fuzz_check(same_slice(&whole, &scan->root));
    walk_value(&walk, &scan->root);
    if (limits->placeholders >= 0)
        fuzz_check(walk.placeholders == scan->placeholders);
    if (scan->root.type == SKIO__JSON_ARRAY)
        fuzz_check(scan->count == skio__json_count(text, &scan->root));
    else
        fuzz_check(scan->count == 0);
    for (uint32_t i = 0; i < scan->count && i < ITEMS; i++) {
        fuzz_check(skio__json_nth(text, &scan->root, i, &found) == SKIO_OK);
        fuzz_check(same_slice(&found, &scan->items[i]));
    }
    check_cjson(text, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct skio__json_limits plain = {fuzz_byte(&in), -1};
    struct skio__json_limits limits = plain;
    struct skio__json_slice items[ITEMS];
    struct skio__json_scan scan = {.items = items, .cap = ITEMS};
    struct skio__json_scan short_scan = {.items = NULL};
    int attachments = fuzz_byte(&in);
    size_t len = in.left;
    char *text = fuzz_exact(in.at, len);
    int err;

    err = skio__json_scan(text, len, &plain, &short_scan);
    fuzz_check((err == SKIO_OK) == slow_accepts(text, len, plain.max_depth));
    if (err == SKIO_ELIMIT)
        fuzz_check(!slow_accepts(text, len, plain.max_depth));

    limits.placeholders = attachments - 1;
    if (skio__json_scan(text, len, &limits, &scan) == SKIO_OK) {
        fuzz_check(err == SKIO_OK);
        check_accepted(text, len, &limits, &scan);
    } else {
        fuzz_check(err != SKIO_OK || limits.placeholders >= 0);
    }
    free(text);
    return 0;
}
