#include "addon/presence_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CAP_MIN 256u
#define WRAPS 8u /* arrays and objects around meta data, with some to spare */

static bool
grow(struct presence_text *text, size_t len)
{
    size_t cap = text->cap * 2 > CAP_MIN ? text->cap * 2 : CAP_MIN;
    char *data;

    if (text->has_failed || len > SIZE_MAX / 4 - text->len)
        return false;
    if (cap < text->len + len + 1)
        cap = text->len + len + 1;
    data = skio_transport_alloc(text->server, cap);
    if (data == NULL)
        return false;
    if (text->len > 0)
        memcpy(data, text->data, text->len);
    skio_transport_free(text->server, text->data);
    text->data = data;
    text->cap = cap;
    return true;
}

void
skio__presence_text_add(struct presence_text *text, const char *data,
                        size_t len)
{
    if (text->cap < text->len + len + 1 && !grow(text, len)) {
        text->has_failed = true;
        return;
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void
skio__presence_text_str(struct presence_text *text, const char *str)
{
    skio__presence_text_add(text, str, strlen(str));
}

void
skio__presence_text_number(struct presence_text *text, uint64_t number)
{
    char digits[24];

    (void)snprintf(digits, sizeof digits, "%" PRIu64, number);
    skio__presence_text_str(text, digits);
}

void
skio__presence_text_quote(struct presence_text *text, const char *str)
{
    static const char hex[] = "0123456789abcdef";

    skio__presence_text_str(text, "\"");
    for (; *str != '\0'; str++) {
        unsigned char c = (unsigned char)*str;
        const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

        if (c < ' ' || c == '"' || c == '\\')
            skio__presence_text_add(text, escape, sizeof escape);
        else
            skio__presence_text_add(text, str, 1);
    }
    skio__presence_text_str(text, "\"");
}

void
skio__presence_text_deinit(struct presence_text *text)
{
    skio_transport_free(text->server, text->data);
    text->data = NULL;
    text->len = text->cap = 0;
}

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

int
skio__presence_json(skio_server *server, skio_bytes *out, const char *format,
                    ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio_transport_json(server, out, format, args);
    va_end(args);
    return err;
}
