/*
 * The headers of a request, as pairs of strings
 *
 * lws numbers the headers it knows and keeps the others by name. Since 4.3
 * those can be listed. Before, only a name that one knows can be asked for, so
 * they are found where lws keeps them: the header text is one run of strings,
 * in the order of arrival, that begins with the target, whose end lws gives us:
 *
 *     target NUL  "HTTP/1.1" NUL  { value NUL | unknown }*  16 bits of 0
 *     unknown:  16 bits: length of name with its colon, 16 bits: of value,
 *               32 bits: link, name, value
 *
 * Nothing beyond that run is read, and every name found is confirmed by
 * lws_hdr_custom_length(). Where the run cannot be found (the upgrade of a
 * kept-alive connection inside a host) the usual names are asked for instead.
 */
#include "transport/lws_headers.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

/* What browsers, proxies and usual clients add, and 4.1 has no number for. */
static const char *const usual_names[] = {
    "access-control-request-method",
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-prefix",
    "x-request-id",
    "x-correlation-id",
    "x-requested-with",
    "x-csrf-token",
    "x-xsrf-token",
    "x-api-key",
    "x-access-token",
    "x-client-id",
    "x-client-version",
    "x-token",
    "x-user-id",
    "x-session-id",
    "x-device-id",
    "x-platform",
    "x-test",
    "x-custom-header",
    "api-key",
    "token",
    "traceparent",
    "tracestate",
    "cf-connecting-ip",
    "cf-ray",
    "true-client-ip",
    "fly-client-ip",
    "keep-alive",
    "upgrade-insecure-requests",
    "dnt",
    "priority",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-gpc",
    "cache-control",
};

struct listing {
    struct skio__buf *buf;
    struct lws *wsi;
    char *value; /* scratch */
    struct skio__headers *result;
    bool is_cut; /* a joined value is too long: lines were not counted */
};

/* The length of a token's name if it is that of a request header, and not a
 * method or lws' own; else 0. */
static size_t
header_length(int token, const char *name)
{
    size_t len;

    if (name == NULL || token == WSI_TOKEN_HTTP ||
        token == WSI_TOKEN_HTTP_URI_ARGS)
        return 0;
    len = strlen(name);
    return len > 1 && name[0] != ':' && name[len - 1] == ':' ? len - 1 : 0;
}

/* A NUL would end the value and begin a header that nobody sent. */
static bool
is_valid_value(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool
is_valid_name(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];

        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return len > 0;
}

/* The name is one that lws knows, or was looked at. */
static void
append(struct listing *listing, const char *name, size_t name_len,
       const char *value, size_t len)
{
    while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
        len--;
    if (!is_valid_value(value, len)) {
        listing->result->invalid = true;
        return;
    }
    skio__buf_append(listing->buf, name, name_len);
    skio__buf_putc(listing->buf, '\0');
    skio__buf_append(listing->buf, value, len);
    skio__buf_putc(listing->buf, '\0');
}

static void
append_checked(struct listing *listing, const char *name, size_t name_len,
               const char *value, size_t len)
{
    if (is_valid_name(name, name_len))
        append(listing, name, name_len, value, len);
    else
        listing->result->invalid = true;
}

/* The lines of a repeated header, joined as Node does. */
static size_t
join_lines(struct listing *listing, enum lws_token_indexes token)
{
    const char *glue = token == WSI_TOKEN_HTTP_COOKIE ? "; " : ", ";
    char *value = listing->value;
    size_t used = 0;

    for (int i = 0;; i++) {
        size_t at = used + (i > 0 ? 2 : 0);
        int len;

        if (at + 2 > SKIO__VALUE_MAX) {
            listing->is_cut = true;
            break;
        }
        len = lws_hdr_copy_fragment(listing->wsi, value + at,
                                    (int)(SKIO__VALUE_MAX - at), token, i);
        if (len < 0) { /* there is none, or no room for it */
            if (lws_hdr_fragment_length(listing->wsi, token, i) > 0)
                listing->is_cut = true;
            break;
        }
        listing->result->lines++;

        /* lws puts a blank before each line but the first */
        for (; len > 0 && value[at] == ' '; len--)
            memmove(value + at, value + at + 1, (size_t)len);
        if (i > 0)
            memcpy(value + used, glue, 2);
        used = at + (size_t)len;
    }
    return used;
}

/* Most of lws' hundred tokens did not come: that is asked first. */
static void
append_known(struct listing *listing)
{
    for (int i = 0; i < WSI_TOKEN_COUNT; i++) {
        enum lws_token_indexes token = (enum lws_token_indexes)i;
        const char *name;
        size_t len;

        if (lws_hdr_copy_fragment(listing->wsi, listing->value, SKIO__VALUE_MAX,
                                  token, 0) < 0)
            continue;
        name = (const char *)lws_token_to_string(token);
        len = header_length(i, name);
        if (len > 0)
            append(listing, name, len, listing->value,
                   join_lines(listing, token));
    }
}

/* Ask for a header by name; len is that without the colon. */
static void
append_asked(struct listing *listing, const char *name, size_t len)
{
    char key[128];
    int got;

    if (len == 0 || len + 2 > sizeof(key))
        return;
    for (size_t i = 0; i < len; i++)
        key[i] = (char)tolower((unsigned char)name[i]);
    key[len] = ':';
    key[len + 1] = '\0';

    got = lws_hdr_custom_copy(listing->wsi, listing->value, SKIO__VALUE_MAX,
                              key, (int)len + 1);
    if (got < 0)
        return;
    listing->result->lines++;
    append_checked(listing, key, len, listing->value, (size_t)got);
}

#if LWS_LIBRARY_VERSION_MAJOR > 4 ||                                           \
    (LWS_LIBRARY_VERSION_MAJOR == 4 && LWS_LIBRARY_VERSION_MINOR >= 3)

static void
append_listed(const char *name, int nlen, void *opaque)
{
    if (nlen > 1)
        append_asked(opaque, name, (size_t)nlen - 1);
}

static void
append_unknown(struct listing *listing, const char *start, const char *also)
{
    (void)start;
    (void)also;
    lws_hdr_custom_name_foreach(listing->wsi, append_listed, listing);
}

#else

#define UNKNOWN_HEAD 8 /* bytes before an unknown header's name */

static size_t
read_u16(const char *at)
{
    return (size_t)((unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

/*
 * Whether an unknown header stands here. Its name may be none: of a header
 * whose name is the beginning of one it knows, as in "X-A: 1", lws 4.1 misses
 * the colon and takes all up to the next one for the name, whole lines too;
 * append_checked() refuses such a request, since a Transfer-Encoding may be in
 * there.
 */
static bool
is_unknown(struct lws *wsi, const char *at)
{
    size_t len = read_u16(at);

    if (len < 1 || memchr(at + UNKNOWN_HEAD, '\0', len) != NULL)
        return false;
    return at[UNKNOWN_HEAD + len - 1] == ':' &&
           lws_hdr_custom_length(wsi, at + UNKNOWN_HEAD, (int)len) >= 0;
}

static uint32_t
count_known(struct lws *wsi, char *value)
{
    uint32_t count = 0;

    for (int i = 0; i < WSI_TOKEN_COUNT; i++) {
        enum lws_token_indexes token = (enum lws_token_indexes)i;

        if (header_length(i, (const char *)lws_token_to_string(token)) == 0)
            continue;
        for (int n = 0;
             lws_hdr_copy_fragment(wsi, value, SKIO__VALUE_MAX, token, n) >= 0;
             n++)
            count++;
    }
    return count;
}

/* After append_known(). Returns false when the text does not look as described
 * above. */
static bool
append_walked(struct listing *listing, const char *at)
{
    uint32_t known = listing->is_cut ? count_known(listing->wsi, listing->value)
                                     : listing->result->lines;

    for (;;) {
        if (*at == '\0' && is_unknown(listing->wsi, at)) {
            size_t name = read_u16(at);
            size_t value = read_u16(at + 2);

            listing->result->lines++;
            append_checked(listing, at + UNKNOWN_HEAD, name - 1,
                           at + UNKNOWN_HEAD + name, value);
            at += UNKNOWN_HEAD + name + value;
        } else if (known > 0) {
            at += strlen(at) + 1;
            known--;
        } else {
            return read_u16(at) == 0;
        }
    }
}

static bool
is_usual(const char *name, size_t len)
{
    for (size_t i = 0; i < LWS_ARRAY_SIZE(usual_names); i++)
        if (strlen(usual_names[i]) == len &&
            strncasecmp(usual_names[i], name, len) == 0)
            return true;
    return false;
}

static void
append_unknown(struct listing *listing, const char *start, const char *also)
{
    if (start != NULL) {
        if (!append_walked(listing, start))
            listing->result->invalid = true;
        return;
    }

    for (size_t i = 0; i < LWS_ARRAY_SIZE(usual_names); i++)
        append_asked(listing, usual_names[i], strlen(usual_names[i]));
    while (also != NULL && *also != '\0') {
        size_t len = strcspn(also, ", ");
        if (!is_usual(also, len))
            append_asked(listing, also, len);
        also += len;
        also += strspn(also, ", ");
    }
}

#endif

/* What follows the request line, from the end of the target; NULL: not there.
 * Between parameters, and before the first, lws leaves a byte unwritten. */
const char *
skio__headers_start(struct lws *wsi, const char *target_end)
{
    const char *at = target_end + 1;

    for (int i = 0;; i++) {
        int len = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        char probe[1];

        /* length 0 is both an empty parameter and none at all */
        if (len == 0 && lws_hdr_copy_fragment(wsi, probe, 1,
                                              WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
            break;
        at += 1 + len + 1;
    }
    return memcmp(at, "HTTP/1.", 7) == 0 ? at + strlen(at) + 1 : NULL;
}

/* Back from a header's value to the end of the request line, which is there
 * when lws says that the version is this one. */
const char *
skio__headers_start_before(struct lws *wsi, const char *value)
{
    static const char line[] = "\0HTTP/1.1";
    char version[16];

    if (lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_HTTP) != 8 ||
        strcmp(version, line + 1) != 0)
        return NULL;

    for (const char *at = value - sizeof(line);; at--)
        if (memcmp(at, line, sizeof(line)) == 0)
            return at + sizeof(line);
}

void
skio__headers_append(struct skio__buf *buf, struct lws *wsi, const char *start,
                     const char *also, char *scratch,
                     struct skio__headers *result)
{
    struct listing listing = {buf, wsi, scratch, result, false};

    *result = (struct skio__headers){0};
    append_known(&listing);
    append_unknown(&listing, start, also);
}
