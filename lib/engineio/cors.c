#include "engineio/cors.h"

#include <string.h>

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
equal_ignoring_case(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t i;

    if (a_len != b_len)
        return false;
    for (i = 0; i < a_len; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

/* host[:port] or [v6][:port], nothing after it; port 0: none was given. */
static bool
split_authority(const char *text, size_t *host_len, unsigned *port)
{
    const char *colon;
    const char *pos;

    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');

        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':'))
            return false;
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
        *host_len = (size_t)(bracket + 1 - text);
    } else {
        colon = strchr(text, ':');
        *host_len = colon != NULL ? (size_t)(colon - text) : strlen(text);
    }
    if (*host_len == 0)
        return false;

    *port = 0;
    if (colon == NULL)
        return true;
    for (pos = colon + 1; *pos != '\0'; pos++) {
        if (*pos < '0' || *pos > '9' || *port > UINT16_MAX)
            return false;
        *port = *port * 10 + (unsigned)(*pos - '0');
    }
    return pos > colon + 1 && *port != 0 && *port <= UINT16_MAX;
}

bool
skio__cors_is_clean(const char *origin)
{
    const unsigned char *pos;

    for (pos = (const unsigned char *)origin; *pos != '\0'; pos++) {
        if ((*pos < 0x20 && *pos != '\t') || *pos == 0x7f)
            return false;
    }
    return true;
}

bool
skio__cors_is_same(const char *origin, const char *host, bool secure)
{
    static const char http[] = "http://";
    static const char https[] = "https://";
    size_t origin_len;
    size_t host_len;
    unsigned origin_port;
    unsigned host_port;
    unsigned standard;

    if (strncmp(origin, https, sizeof https - 1) == 0) {
        origin += sizeof https - 1;
        standard = 443;
    } else if (strncmp(origin, http, sizeof http - 1) == 0 && !secure) {
        /* A page without TLS is not the origin of a server with it. The other
         * way round a proxy may have ended the TLS before us. */
        origin += sizeof http - 1;
        standard = 80;
    } else {
        return false;
    }
    if (host == NULL || !split_authority(origin, &origin_len, &origin_port) ||
        !split_authority(host, &host_len, &host_port))
        return false;

    if (origin_port == 0)
        origin_port = standard;
    if (host_port == 0)
        host_port = standard;
    return origin_port == host_port &&
           equal_ignoring_case(origin, origin_len, host, host_len);
}

/* The list is short and each entry is compared whole: no prefix, no pattern. */
static bool
is_listed(const char *list, const char *origin)
{
    size_t len = strlen(origin);

    while (*list != '\0') {
        size_t entry;

        list += strspn(list, ", \t");
        entry = strcspn(list, ", \t");
        if (entry > 0 && entry == len && memcmp(list, origin, len) == 0)
            return true;
        list += entry;
    }
    return false;
}

bool
skio__cors_judge(const skio_server_options *options, const char *origin,
                 const char *host, bool secure, struct eio_cors *cors)
{
    const char *allowed = options->cors_origins;

    memset(cors, 0, sizeof *cors);
    if (allowed == NULL && options->cors_origin != NULL)
        allowed = "";
    if (allowed == NULL)
        return origin == NULL || skio__cors_is_same(origin, host, secure);

    cors->is_on = true;
    if (strcmp(allowed, "*") == 0) {
        cors->allow_origin = "*";
        return true;
    }

    cors->vary = true;
    if (origin == NULL)
        return true;
    /* An opaque origin ("null") is anybody's: a list cannot mean it. */
    if ((strcmp(origin, "null") == 0 || !is_listed(allowed, origin)) &&
        (options->cors_origin == NULL || !skio__cors_is_clean(origin) ||
         !options->cors_origin(origin, options->cors_origin_user)))
        /* its browser asks for no header */
        return skio__cors_is_same(origin, host, secure);
    cors->allow_origin = origin;
    return true;
}
