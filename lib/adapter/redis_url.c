/*
 * Where Redis is, as text: see redis_url.h
 *
 * The URL is copied once; its parts are decoded in place, each ended with a
 * NUL, and the members point into the copy.
 */
#include "adapter/redis_url.h"

#include <string.h>

#include "base/hex.h"
#include "base/mem.h"

#define URL_MAX 8192

/* %41 becomes A, in place. A NUL would end the string early: refused. */
static bool
decode(char *text)
{
    char *out = text;

    while (*text != '\0') {
        if (*text != '%') {
            *out++ = *text++;
            continue;
        }
        int byte = skio__hex_byte(text + 1);

        if (byte <= 0)
            return false;
        *out++ = (char)(unsigned char)byte;
        text += 3;
    }
    *out = '\0';
    return true;
}

/* Decimal digits and nothing else. */
static bool
parse_number(const char *text, uint32_t max, uint32_t *out)
{
    uint64_t number = 0;

    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > max)
            return false;
    }
    *out = (uint32_t)number;
    return true;
}

/* "host", "host:port", "[::1]:port". The host ends up NUL-terminated; *port
 * stays as it is when there is none. */
static bool
split_address(char *text, char **host, uint16_t *port)
{
    char *colon;
    uint32_t number;

    if (*text == '[') {
        char *end = strchr(text, ']');

        if (end == NULL)
            return false;
        *end = '\0';
        *host = text + 1;
        colon = end + 1;
        if (*colon != '\0' && *colon != ':')
            return false;
    } else {
        *host = text;
        colon = text + strcspn(text, ":");
    }
    if (*colon == '\0')
        return true;
    *colon = '\0';
    if (!parse_number(colon + 1, 65535, &number) || number == 0)
        return false;
    *port = (uint16_t)number;
    return true;
}

static bool
parse_user(skio_redis_options *options, char *text)
{
    char *colon = strchr(text, ':');

    if (colon != NULL) {
        *colon = '\0';
        options->password = colon + 1;
        if (!decode(colon + 1))
            return false;
    }
    if (!decode(text))
        return false;
    if (*text != '\0')
        options->user = text;
    return true;
}

/* What follows "redis://". */
static bool
parse_network(skio_redis_options *options, char *text)
{
    char *path = strchr(text, '/');
    char *host;
    char *at;

    if (strpbrk(text, "?#") != NULL)
        return false;
    if (path != NULL) {
        *path++ = '\0';
        if (*path != '\0' && !parse_number(path, INT32_MAX, &options->database))
            return false;
    }
    /* A password with an "@" that was not encoded is still one. */
    at = strrchr(text, '@');
    if (at != NULL) {
        *at = '\0';
        if (!parse_user(options, text))
            return false;
        text = at + 1;
    }
    if (!split_address(text, &host, &options->port) || !decode(host))
        return false;
    if (*host != '\0')
        options->host = host;
    else if (text[0] == '[')
        return false;
    options->unix_path = NULL;
    return true;
}

static bool
parse_parameter(skio_redis_options *options, char *text)
{
    char *value = strchr(text, '=');

    if (value == NULL)
        return false;
    *value++ = '\0';
    if (!decode(value))
        return false;
    if (strcmp(text, "db") == 0)
        return parse_number(value, INT32_MAX, &options->database);
    if (strcmp(text, "user") == 0)
        options->user = value;
    else if (strcmp(text, "password") == 0)
        options->password = value;
    else
        return false;
    return true;
}

/* What follows "unix:". */
static bool
parse_unix(skio_redis_options *options, char *text)
{
    char *query = strchr(text, '?');

    if (query != NULL)
        *query++ = '\0';
    if (strncmp(text, "//", 2) == 0)
        text += 2;
    if (*text != '/' || strchr(text, '#') != NULL || !decode(text))
        return false;
    while (query != NULL) {
        char *next = strchr(query, '&');

        if (next != NULL)
            *next++ = '\0';
        if (!parse_parameter(options, query))
            return false;
        query = next;
    }
    options->unix_path = text;
    return true;
}

/* ASCII: a scheme's case does not matter, in any locale. */
static bool
has_scheme(const char *text, const char *scheme)
{
    for (; *scheme != '\0'; text++, scheme++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;

        if (c != *scheme)
            return false;
    }
    return true;
}

int
skio__redis_url_parse(skio_redis_options *options, const skio_allocator *mem,
                      char **text)
{
    skio_redis_options parsed = *options;
    size_t len = strlen(options->url);
    char *copy;
    bool is_good;

    if (len > URL_MAX)
        return SKIO_EINVAL;
    copy = skio__mem_strndup(mem, options->url, len);
    if (copy == NULL)
        return SKIO_ENOMEM;

    parsed.url = NULL;
    if (has_scheme(copy, "redis://")) {
        parsed.tls = false;
        is_good = parse_network(&parsed, copy + 8);
    } else if (has_scheme(copy, "rediss://")) {
        parsed.tls = true;
        is_good = parse_network(&parsed, copy + 9);
    } else {
        is_good = has_scheme(copy, "unix:") && parse_unix(&parsed, copy + 5);
    }
    if (!is_good) {
        skio__mem_free(mem, copy);
        return SKIO_EINVAL;
    }
    *options = parsed;
    *text = copy;
    return SKIO_OK;
}

int
skio__redis_url_next(const char **list, uint16_t default_port,
                     char host[SKIO__REDIS_HOST_MAX + 1], uint16_t *port)
{
    char item[SKIO__REDIS_HOST_MAX + 1];
    const char *start = *list;
    char *name;
    size_t len;

    if (start == NULL)
        return 0;
    start += strspn(start, " ");
    len = strcspn(start, ",");
    *list = start[len] == ',' ? start + len + 1 : NULL;
    while (len > 0 && start[len - 1] == ' ')
        len--;
    if (len == 0 || len >= sizeof item)
        return SKIO_EINVAL;
    memcpy(item, start, len);
    item[len] = '\0';
    *port = default_port;
    if (!split_address(item, &name, port) || *name == '\0')
        return SKIO_EINVAL;
    memcpy(host, name, strlen(name) + 1);
    return 1;
}
