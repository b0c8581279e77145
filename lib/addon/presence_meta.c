#include "addon/presence_meta.h"

#include <string.h>

#define WRAPS 8u /* arrays and objects around meta data, with some to spare */

struct presence_meta *
skio__presence_meta_new(skio_server *server, const char *json, size_t len)
{
    struct presence_meta *meta =
        skio_transport_alloc(server, sizeof *meta + len + 1);

    if (meta == NULL)
        return NULL;
    meta->refs = 1;
    meta->len = len;
    memcpy(meta->text, json, len);
    meta->text[len] = '\0';
    return meta;
}

struct presence_meta *
skio__presence_meta_ref(struct presence_meta *meta)
{
    meta->refs++;
    return meta;
}

void
skio__presence_meta_unref(skio_server *server, struct presence_meta *meta)
{
    if (meta != NULL && --meta->refs == 0)
        skio_transport_free(server, meta);
}

bool
skio__presence_meta_equals(const struct presence_meta *a,
                           const struct presence_meta *b)
{
    return a == b ||
           (a->len == b->len && memcmp(a->text, b->text, a->len) == 0);
}

bool
skio__presence_is_shallow(const skio_server *server, const char *json,
                          size_t len)
{
    uint32_t max = skio_transport_options(server)->max_json_depth;
    uint32_t depth = WRAPS;
    bool is_string = false;

    for (size_t i = 0; i < len; i++) {
        char c = json[i];

        if (is_string && c == '\\')
            i++;
        else if (c == '"')
            is_string = !is_string;
        else if (!is_string && (c == '[' || c == '{') && ++depth > max)
            return false;
        else if (!is_string && (c == ']' || c == '}'))
            depth--;
    }
    return true;
}
