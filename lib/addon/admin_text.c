/*
 * Text that grows, and dates
 */
#define _POSIX_C_SOURCE 200809L /* gmtime_r */

#include "addon/admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <socketio/transport.h>

void
skio__admin_text_free(struct admin_text *text)
{
    skio_transport_free(text->server, text->data);
    text->data = NULL;
    text->len = 0;
    text->cap = 0;
}

/* Room for so many bytes more, and a NUL. */
static bool
reserve(struct admin_text *text, size_t len)
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
skio__admin_putn(struct admin_text *text, const void *data, size_t len)
{
    if (!reserve(text, len))
        return;
    if (len > 0)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = '\0';
}

void
skio__admin_put(struct admin_text *text, const char *piece)
{
    skio__admin_putn(text, piece, strlen(piece));
}

void
skio__admin_put_number(struct admin_text *text, uint64_t number)
{
    char digits[24];

    (void)snprintf(digits, sizeof digits, "%" PRIu64, number);
    skio__admin_put(text, digits);
}

void
skio__admin_quote(struct admin_text *text, const char *string)
{
    char escape[8];

    if (string == NULL) {
        skio__admin_put(text, "null");
        return;
    }
    skio__admin_put(text, "\"");
    while (*string != '\0') {
        size_t plain = 0;

        while ((unsigned char)string[plain] >= 0x20 && string[plain] != '"' &&
               string[plain] != '\\')
            plain++;
        skio__admin_putn(text, string, plain);
        string += plain;
        if (*string == '\0')
            break;
        (void)snprintf(escape, sizeof escape, "\\u%04x",
                       (unsigned)(unsigned char)*string);
        skio__admin_put(text, escape);
        string++;
    }
    skio__admin_put(text, "\"");
}

uint64_t
skio__admin_wall_ms(void)
{
    struct timespec now;

    if (timespec_get(&now, TIME_UTC) == 0 || now.tv_sec < 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
skio__admin_date(char out[ADMIN_DATE_BYTES])
{
    uint64_t now = skio__admin_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm date;
    size_t len = 0;

    if (gmtime_r(&seconds, &date) != NULL)
        len = strftime(out, ADMIN_DATE_BYTES, "%Y-%m-%dT%H:%M:%S", &date);
    (void)snprintf(out + len, ADMIN_DATE_BYTES - len, ".%03uZ",
                   (unsigned)(now % 1000));
}
