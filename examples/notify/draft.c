/*
 * Reading the body of POST /api/notify
 */
#include "draft.h"

#include <stdio.h>
#include <string.h>

#define TITLE_MAX 200
#define TEXT_MAX 2000
#define DATA_MAX 4000
#define DEPTH_MAX 32
#define TTL_MAX_S 2592000
#define TTL_S 604800

static bool
is_unknown(const char *name)
{
    static const char *const names[] = {"to", "title", "text", "data", "ttl_s"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return false;
    return true;
}

static bool
find_unknown(const char *key, size_t index, const skio_value *item, void *found)
{
    (void)index;
    (void)item;
    if (key == NULL || is_unknown(key))
        *(bool *)found = true;
    return true;
}

/* Readers get it inside of other things: it must not be too deep for that. The
 * body is JSON, so brackets are counted outside of strings, and that is all. */
static bool
is_shallow(skio_bytes json)
{
    const char *text = json.data;
    bool is_string = false;
    int depth = 0;

    for (size_t i = 0; i < json.len && depth <= DEPTH_MAX; i++) {
        if (is_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            is_string = !is_string;
        else if (!is_string && (text[i] == '[' || text[i] == '{'))
            depth++;
        else if (!is_string && (text[i] == ']' || text[i] == '}'))
            depth--;
    }
    return depth <= DEPTH_MAX;
}

/* Whether there is a string of so many bytes, or none and none is needed. */
static bool
is_text(const skio_value *body, const char *name, size_t min, size_t max)
{
    const char *text;
    size_t len = 0;

    if (skio_type_of(body, name) == SKIO_TYPE_NONE)
        return min == 0;
    text = skio_get_strn(body, name, &len);
    return text != NULL && len >= min && len <= max;
}

/* The parts that readers get, as the application wrote them. */
static bool
put_content(struct draft *draft, const skio_value *body)
{
    static const char *const names[] = {"title", "text", "data"};
    size_t len = 1;

    draft->content[0] = '{';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        skio_bytes part;
        int n;

        if (skio_get_slice(body, names[i], &part) != SKIO_OK)
            continue;
        if (part.len > sizeof draft->content)
            return false;
        n = snprintf(draft->content + len, sizeof draft->content - len,
                     "%s\"%s\":%.*s", len > 1 ? "," : "", names[i],
                     (int)part.len, (const char *)part.data);
        len += (size_t)n;
        if (len + 2 > sizeof draft->content)
            return false;
    }
    memcpy(draft->content + len, "}", 2);
    return true;
}

const char *
draft_read(struct draft *draft, const skio_value *body, int64_t now)
{
    bool has_unknown = false;
    int64_t ttl_s = TTL_S;
    const char *target;
    skio_bytes data;
    int err;

    if (body == NULL || skio_type_of(body, "") != SKIO_TYPE_OBJECT)
        return "a JSON object is expected";
    if (skio_each(body, "", find_unknown, &has_unknown) != SKIO_OK ||
        has_unknown)
        return "to, title, text, data and ttl_s are known, nothing else";
    target = skio_get_str(body, "to");
    if (target == NULL || !target_is_valid(target))
        return "to: 'user:NAME', 'room:NAME' or 'all', a name being 1 to 64 "
               "letters, digits, '-', '_', '.' and '@'";
    if (!is_text(body, "title", 1, TITLE_MAX))
        return "title: a string of 1 to 200 bytes";
    if (!is_text(body, "text", 0, TEXT_MAX))
        return "text: a string of up to 2000 bytes";
    if (skio_get_slice(body, "data", &data) == SKIO_OK &&
        (data.len > DATA_MAX || !is_shallow(data)))
        return "data: up to 4000 bytes of JSON, 32 deep";
    err = skio_get_int(body, "ttl_s", &ttl_s);
    if ((err != SKIO_OK && err != SKIO_ENOENT) || ttl_s < 1 ||
        ttl_s > TTL_MAX_S)
        return "ttl_s: seconds, 1 to 2592000";
    if (!put_content(draft, body))
        return "title, text and data: too much, with their escapes";

    (void)snprintf(draft->target, sizeof draft->target, "%s", target);
    draft->created = now;
    draft->expires = now + ttl_s * 1000;
    return NULL;
}
