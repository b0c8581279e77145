#include "engineio/extension.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <socketio/base.h>

#include "base/deflate.h"

#define VALUE_MAX 8 /* no parameter has a longer value that is valid */

/* One offer, as far as it was read. */
struct offer {
    bool is_deflate;
    bool is_bad;         /* to be declined */
    unsigned seen;       /* of enum parameter, a bit each */
    uint8_t server_bits; /* 0: not asked for */
    uint8_t client_bits; /* the same; it is the client who keeps to it */
};

enum parameter {
    SERVER_NO_CONTEXT_TAKEOVER,
    CLIENT_NO_CONTEXT_TAKEOVER,
    SERVER_MAX_WINDOW_BITS,
    CLIENT_MAX_WINDOW_BITS,
    UNKNOWN
};

static const char *const parameters[] = {"server_no_context_takeover",
                                         "client_no_context_takeover",
                                         "server_max_window_bits",
                                         "client_max_window_bits"};

/* RFC 7230, 3.2.6 */
static bool
is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static const char *
skip_space(const char *pos)
{
    return pos + strspn(pos, " \t");
}

/* The end of the token at pos, or NULL: there is none. */
static const char *
skip_token(const char *pos)
{
    const char *start = pos;

    while (is_token_char(*pos))
        pos++;
    return pos > start ? pos : NULL;
}

/*
 * Read a value: a token, or a quoted string whose content is one. Longer ones
 * are cut: no such value is valid.
 */
static const char *
read_value(const char *pos, char out[VALUE_MAX + 1])
{
    bool is_quoted = *pos == '"';
    size_t len = 0;

    if (is_quoted)
        pos++;
    for (;; pos++) {
        if (is_quoted && *pos == '\\')
            pos++;
        if (!is_token_char(*pos))
            break;
        if (len < VALUE_MAX)
            out[len] = *pos;
        len += len < VALUE_MAX;
    }
    out[len] = '\0';
    if (len == 0 || (is_quoted && *pos++ != '"'))
        return NULL;
    return pos;
}

static enum parameter
parameter_of(const char *name, size_t len)
{
    int i;

    for (i = 0; i < (int)UNKNOWN; i++) {
        if (strlen(parameters[i]) == len &&
            memcmp(parameters[i], name, len) == 0)
            break;
    }
    return (enum parameter)i;
}

/* 8 to 15 without leading zeros (RFC 7692, 7.1.2.1), or 0. */
static uint8_t
read_bits(const char *value)
{
    if (value[0] >= '8' && value[0] <= '9' && value[1] == '\0')
        return (uint8_t)(value[0] - '0');
    if (value[0] == '1' && value[1] >= '0' && value[1] <= '5' &&
        value[2] == '\0')
        return (uint8_t)(10 + value[1] - '0');
    return 0;
}

static void
take_parameter(struct offer *offer, enum parameter parameter,
               const char *value /* NULL: none */)
{
    uint8_t bits = value != NULL ? read_bits(value) : 0;

    if (parameter == UNKNOWN || (offer->seen & 1u << parameter) != 0) {
        offer->is_bad = true;
        return;
    }
    offer->seen |= 1u << parameter;
    switch (parameter) {
    case SERVER_MAX_WINDOW_BITS:
        offer->server_bits = bits;
        if (bits < SKIO__DEFLATE_BITS_MIN) /* zlib cannot do 8 */
            offer->is_bad = true;
        break;
    case CLIENT_MAX_WINDOW_BITS: /* without a value: "I know the parameter" */
        offer->client_bits = bits;
        if (value != NULL && bits == 0)
            offer->is_bad = true;
        break;
    default:
        if (value != NULL)
            offer->is_bad = true;
        break;
    }
}

/* Read the offer at pos. Returns where it ends, at a comma or the header's
 * end; NULL: the grammar is broken. */
static const char *
read_offer(const char *pos, struct offer *offer)
{
    static const char name[] = "permessage-deflate";
    const char *start = pos;

    memset(offer, 0, sizeof *offer);
    pos = skip_token(pos);
    if (pos == NULL)
        return NULL;
    offer->is_deflate = (size_t)(pos - start) == sizeof name - 1 &&
                        memcmp(start, name, sizeof name - 1) == 0;

    for (pos = skip_space(pos); *pos == ';'; pos = skip_space(pos)) {
        char value[VALUE_MAX + 1];
        enum parameter parameter;
        bool has_value;

        start = skip_space(pos + 1);
        pos = skip_token(start);
        if (pos == NULL)
            return NULL;
        parameter = parameter_of(start, (size_t)(pos - start));
        has_value = *pos == '=';
        if (has_value && (pos = read_value(pos + 1, value)) == NULL)
            return NULL;
        take_parameter(offer, parameter, has_value ? value : NULL);
    }
    return *pos == ',' || *pos == '\0' ? pos : NULL;
}

/*
 * The window to compress with for a client that takes `asked` bits at most. A
 * few sizes do for all: each costs a compression of its own.
 */
static uint8_t
fit_window(uint8_t asked, uint8_t ours)
{
    if (asked == 0 || asked >= ours)
        return ours;
    return asked >= 12 ? 12 : SKIO__DEFLATE_BITS_MIN;
}

static int
write_bits(char *out, int len, const char *name, uint8_t bits)
{
    if (bits == 0)
        return len;
    return len + snprintf(out + len, EIO_EXTENSION_MAX - (size_t)len,
                          "; %s_max_window_bits=%u", name, (unsigned)bits);
}

static void
write_answer(const struct offer *offer, struct eio_extension *out)
{
    int len = snprintf(out->answer, sizeof out->answer,
                       "permessage-deflate; server_no_context_takeover; "
                       "client_no_context_takeover");

    len = write_bits(out->answer, len, "server",
                     offer->server_bits != 0 ? out->window_bits : 0);
    write_bits(out->answer, len, "client", offer->client_bits);
}

int
skio__extension_choose(const char *header, uint8_t window_bits,
                       struct eio_extension *out)
{
    const char *pos = header;
    struct offer offer;
    int found = 0;

    for (;;) {
        pos = read_offer(skip_space(pos), &offer);
        if (pos == NULL)
            return SKIO_EPROTO;
        if (found == 0 && offer.is_deflate && !offer.is_bad) {
            found = 1;
            out->window_bits = fit_window(offer.server_bits, window_bits);
            write_answer(&offer, out);
        }
        if (*pos == '\0')
            return found;
        pos++;
    }
}
