#define _POSIX_C_SOURCE 200809L /* inet_pton */

#include "transport/preface.h"

#include <arpa/inet.h>
#include <string.h>

#define HEAD2 16 /* bytes of version 2 before its addresses */

static const unsigned char signature2[12] = {0x0d, 0x0a, 0x0d, 0x0a,
                                             0x00, 0x0d, 0x0a, 0x51,
                                             0x55, 0x49, 0x54, 0x0a};
static const unsigned char signature1[6] = {'P', 'R', 'O', 'X', 'Y', ' '};

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { FAMILY_NONE = 0x00, FAMILY_TCP4 = 0x11, FAMILY_TCP6 = 0x21 };
enum { FAMILY_LOCAL = 0x31 };

static bool
is_version2(const struct skio__preface *preface)
{
    return preface->data[0] == signature2[0];
}

/* The least length of a family's addresses; -1: not one of a stream. */
static int
addresses_of(unsigned family)
{
    switch (family) {
    case FAMILY_NONE:
        return 0;
    case FAMILY_TCP4:
        return 12;
    case FAMILY_TCP6:
        return 36;
    case FAMILY_LOCAL:
        return 216;
    default:
        return -1;
    }
}

/* The fixed part of version 2 has come. */
static int
read_head2(struct skio__preface *preface)
{
    const unsigned char *data = preface->data;
    size_t length = (size_t)data[14] << 8 | data[15];
    int least = addresses_of(data[13]);

    if (data[12] == COMMAND_LOCAL)
        least = 0; /* whatever is said is to be skipped */
    else if (data[12] != COMMAND_PROXY)
        return SKIO_EPROTO;
    if (least < 0 || length < (size_t)least ||
        HEAD2 + length > SKIO__PREFACE_MAX)
        return SKIO_EPROTO;
    preface->size = HEAD2 + length;
    return SKIO_OK;
}

/* Returns 1 when it is complete, 0, or SKIO_EPROTO. */
static int
take_byte(struct skio__preface *preface, unsigned char byte)
{
    size_t at = preface->len++;

    if (at < SKIO__PREFACE_KEPT)
        preface->data[at] = byte;

    if (is_version2(preface)) {
        if (at < sizeof(signature2))
            return byte == signature2[at] ? 0 : SKIO_EPROTO;
        if (preface->len == HEAD2 && read_head2(preface) != SKIO_OK)
            return SKIO_EPROTO;
        return preface->len >= HEAD2 && preface->len == preface->size;
    }

    if (at < sizeof(signature1))
        return byte == signature1[at] ? 0 : SKIO_EPROTO;
    if (byte == '\n')
        return preface->data[at - 1] == '\r' ? 1 : SKIO_EPROTO;
    return preface->len < SKIO__PREFACE_LINE ? 0 : SKIO_EPROTO;
}

ptrdiff_t
skio__preface_feed(struct skio__preface *preface, const void *data, size_t len,
                   bool *done)
{
    const unsigned char *bytes = data;

    *done = false;
    for (size_t i = 0; i < len; i++) {
        int result = take_byte(preface, bytes[i]);

        if (result < 0)
            return result;
        if (result > 0) {
            *done = true;
            return (ptrdiff_t)(i + 1);
        }
    }
    return (ptrdiff_t)len;
}

/* ---- Version 1 ---- */

/* The next word of the line, NUL-terminated in place; NULL: there is none. */
static char *
next_word(char **line)
{
    char *word = *line;
    size_t len;

    if (word == NULL)
        return NULL;
    len = strcspn(word, " ");
    *line = word[len] == ' ' ? word + len + 1 : NULL;
    word[len] = '\0';
    return len > 0 ? word : NULL;
}

static bool
parse_port(const char *text, in_port_t *out)
{
    unsigned port = 0;

    if (text == NULL || strlen(text) > 5 || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = port * 10 + (unsigned)(*text - '0');
    }
    *out = htons((uint16_t)port);
    return port <= 65535;
}

static int
source1(const struct skio__preface *preface, union skio__address *from)
{
    char text[SKIO__PREFACE_KEPT];
    size_t len = preface->len - sizeof(signature1) - 2;
    char *line = text;
    const char *family, *source, *target, *source_port, *target_port;
    union skio__address result = {.in6 = {0}};
    struct in6_addr other;
    in_port_t port;
    int domain;

    memcpy(text, preface->data + sizeof(signature1), len);
    text[len] = '\0';
    if (strlen(text) != len)
        return SKIO_EPROTO;

    family = next_word(&line);
    if (family == NULL)
        return SKIO_EPROTO;
    if (strcmp(family, "UNKNOWN") == 0)
        return 0;
    source = next_word(&line);
    target = next_word(&line);
    source_port = next_word(&line);
    target_port = next_word(&line);
    if (line != NULL || source == NULL || target == NULL ||
        !parse_port(target_port, &port) || !parse_port(source_port, &port))
        return SKIO_EPROTO;

    if (strcmp(family, "TCP4") == 0) {
        domain = AF_INET;
        result.in4.sin_family = AF_INET;
        result.in4.sin_port = port;
        if (inet_pton(AF_INET, source, &result.in4.sin_addr) != 1)
            return SKIO_EPROTO;
    } else if (strcmp(family, "TCP6") == 0) {
        domain = AF_INET6;
        result.in6.sin6_family = AF_INET6;
        result.in6.sin6_port = port;
        if (inet_pton(AF_INET6, source, &result.in6.sin6_addr) != 1)
            return SKIO_EPROTO;
    } else {
        return SKIO_EPROTO;
    }
    if (inet_pton(domain, target, &other) != 1)
        return SKIO_EPROTO;
    *from = result;
    return 1;
}

/* ---- Version 2 ---- */

static int
source2(const struct skio__preface *preface, union skio__address *from)
{
    const unsigned char *addresses = preface->data + HEAD2;

    if (preface->data[12] == COMMAND_LOCAL || preface->data[13] == FAMILY_NONE)
        return 0;

    memset(from, 0, sizeof(*from));
    if (preface->data[13] == FAMILY_TCP4) {
        from->in4.sin_family = AF_INET;
        memcpy(&from->in4.sin_addr, addresses, 4);
        memcpy(&from->in4.sin_port, addresses + 8, 2);
    } else if (preface->data[13] == FAMILY_TCP6) {
        from->in6.sin6_family = AF_INET6;
        memcpy(&from->in6.sin6_addr, addresses, 16);
        memcpy(&from->in6.sin6_port, addresses + 32, 2);
    } else {
        from->any.sa_family = AF_UNIX;
    }
    return 1;
}

int
skio__preface_source(const struct skio__preface *preface,
                     union skio__address *from)
{
    return is_version2(preface) ? source2(preface, from)
                                : source1(preface, from);
}
