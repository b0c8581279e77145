#include "addon/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <socketio/transport.h>

/* Room for so many bytes more, and a NUL. */
static bool
reserve(struct addon_text *text, size_t len)
{
    size_t cap = text->cap == 0 ? 512 : text->cap;
    char *data;

    if (text->failed || len > SIZE_MAX / 4 - text->len) {
        text->failed = true;
        return false;
    }
    if (text->len + len + 1 <= text->cap)
        return true;
    while (cap < text->len + len + 1)
        cap *= 2;
    data = skio_transport_alloc(text->server, cap);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    if (text->len > 0)
        memcpy(data, text->data, text->len);
    skio_transport_free(text->server, text->data);
    text->data = data;
    text->cap = cap;
    return true;
}

void
skio__text_add(struct addon_text *text, const void *data, size_t len)
{
    if (!reserve(text, len))
        return;
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void
skio__text_str(struct addon_text *text, const char *str)
{
    skio__text_add(text, str, strlen(str));
}

void
skio__text_number(struct addon_text *text, uint64_t number)
{
    char digits[24];

    (void)snprintf(digits, sizeof digits, "%" PRIu64, number);
    skio__text_str(text, digits);
}

void
skio__text_quote(struct addon_text *text, const char *str)
{
    char escape[8];

    if (str == NULL) {
        skio__text_str(text, "null");
        return;
    }
    skio__text_str(text, "\"");
    while (*str != '\0') {
        size_t plain = 0;

        while ((unsigned char)str[plain] >= 0x20 && str[plain] != '"' &&
               str[plain] != '\\')
            plain++;
        skio__text_add(text, str, plain);
        str += plain;
        if (*str == '\0')
            break;
        (void)snprintf(escape, sizeof escape, "\\u%04x",
                       (unsigned)(unsigned char)*str);
        skio__text_str(text, escape);
        str++;
    }
    skio__text_str(text, "\"");
}

void
skio__text_deinit(struct addon_text *text)
{
    skio_transport_free(text->server, text->data);
    text->data = NULL;
    text->len = 0;
    text->cap = 0;
}

int
skio__text_json(skio_server *server, skio_bytes *out, const char *format, ...)
{
    va_list args;
    int err;

    va_start(args, format);
    err = skio_transport_json(server, out, format, args);
    va_end(args);
    return err;
}
