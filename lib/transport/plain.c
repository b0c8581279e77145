#include "transport/plain.h"

#include <string.h>
#include <strings.h>

#define KEY_LEN 24      /* 16 bytes in base64 */
#define PROTOCOL_MAX 63 /* bytes of a subprotocol's name */
#define LENGTH_MAX 18   /* digits */
#define LINES_MAX 64    /* beyond, names are not looked for one by one */

struct reader {
    struct skio__plain *plain;
    const char *at;
    const char *end;
    char *out;
    uint64_t names; /* a bit for each that came, by hash */
};

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_alnum(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

/* ---- The request line ---- */

/* What no encoder touches, and no decoder. */
static bool
is_unreserved(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("-_.~!*'()", c) != NULL);
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Whether "%XX" stands here, and is what its byte is encoded as. */
static bool
is_encoded(const char *at, const char *end)
{
    int high, low;
    char c;

    if (end - at < 3 || at[0] != '%')
        return false;
    high = hex_digit(at[1]);
    low = hex_digit(at[2]);
    if (high < 0 || low < 0)
        return false;
    c = (char)(high << 4 | low);
    return c != '\0' && !is_unreserved(c);
}

/* Returns where the path ends; NULL: it is not plain. */
static const char *
read_path(const char *at, const char *end)
{
    const char *start = at;

    if (at == end || *at != '/')
        return NULL;
    for (at++; at < end && *at != '?'; at++) {
        if (at[-1] == '/' && (*at == '/' || *at == '.'))
            return NULL;
        if (!is_alnum(*at) && *at != '/' && *at != '-' && *at != '_' &&
            *at != '.' && *at != '~')
            return NULL;
    }
    return at > start ? at : NULL;
}

/* Parameters "name=value" with '&' between them. */
static bool
is_query(const char *at, const char *end)
{
    bool has_name = false;
    bool in_value = false;

    for (; at < end; at++) {
        if (is_unreserved(*at)) {
            has_name = true;
        } else if (*at == '=' && has_name && !in_value) {
            in_value = true;
        } else if (*at == '&' && has_name) {
            has_name = in_value = false;
        } else if (in_value && is_encoded(at, end)) {
            at += 2;
        } else {
            return false;
        }
    }
    return has_name;
}

static const char *
keep(struct reader *reader, const char *text, size_t len)
{
    char *kept = reader->out;

    memcpy(kept, text, len);
    kept[len] = '\0';
    reader->out += len + 1;
    return kept;
}

static const char *
read_method(struct reader *reader)
{
    static const char *const methods[] = {"GET", "POST", "OPTIONS"};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        size_t len = strlen(methods[i]);

        if ((size_t)(reader->end - reader->at) > len &&
            memcmp(reader->at, methods[i], len) == 0 &&
            reader->at[len] == ' ') {
            reader->at += len + 1;
            return methods[i];
        }
    }
    return NULL;
}

/* end: of the line, without its CR. */
static bool
read_request_line(struct reader *reader, const char *end)
{
    static const char version[] = " HTTP/1.1";
    const size_t version_len = sizeof(version) - 1;
    struct skio__plain *plain = reader->plain;
    const char *path_end;

    plain->method = read_method(reader);
    if (plain->method == NULL || end < reader->at ||
        (size_t)(end - reader->at) <= version_len)
        return false;
    end -= version_len;
    if (memcmp(end, version, version_len) != 0)
        return false;

    path_end = read_path(reader->at, end);
    if (path_end == NULL)
        return false;
    plain->path = keep(reader, reader->at, (size_t)(path_end - reader->at));
    if (path_end < end) {
        if (!is_query(path_end + 1, end))
            return false;
        plain->query_len = (size_t)(end - path_end) - 1;
        plain->query = keep(reader, path_end + 1, plain->query_len);
    } else {
        plain->query = keep(reader, "", 0);
    }
    return true;
}

/* ---- Headers ---- */

/* Returns the length of the name that stands here, written in lower case; 0:
 * none does. */
static size_t
read_name(const char *at, const char *end, char *out)
{
    const char *start = at;

    for (; at < end; at++) {
        char c = *at;

        if (c >= 'A' && c <= 'Z')
            *out++ = (char)(c | 0x20);
        else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                 c == '_')
            *out++ = c;
        else
            break;
    }
    return at < end && *at == ':' ? (size_t)(at - start) : 0;
}

static bool
is_value(const char *at, const char *end)
{
    for (; at < end; at++) {
        unsigned char c = (unsigned char)*at;

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* Whether a name came before; name is the one written last. */
static bool
is_repeated(struct reader *reader, const char *name, size_t len)
{
    unsigned hash = (unsigned)(len * 7 + (unsigned char)name[0] +
                               (unsigned char)name[len - 1] * 3);
    uint64_t bit = UINT64_C(1) << (hash & 63);
    const char *at = reader->plain->headers;

    if ((reader->names & bit) == 0) {
        reader->names |= bit;
        return false;
    }
    while (at < name) {
        if (strcmp(at, name) == 0)
            return true;
        at += strlen(at) + 1;
        at += strlen(at) + 1;
    }
    return false;
}

static bool
read_length(struct skio__plain *plain, const char *value, size_t len)
{
    if (len > LENGTH_MAX)
        return false;
    plain->content_length = 0;
    for (size_t i = 0; i < len; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        plain->content_length = plain->content_length * 10 + (value[i] - '0');
    }
    return true;
}

/* Those that matter here. Returns false for one that lws has to judge. */
static bool
note(struct skio__plain *plain, const char *name, size_t name_len,
     const char *value, size_t len)
{
    switch (name_len) {
    case 4:
        if (memcmp(name, "host", 4) == 0)
            plain->host = value;
        return true;
    case 6:
        return memcmp(name, "expect", 6) != 0;
    case 7:
        if (memcmp(name, "upgrade", 7) == 0)
            plain->upgrade = value;
        return true;
    case 10:
        if (memcmp(name, "connection", 10) == 0)
            plain->connection = value;
        return true;
    case 14:
        return memcmp(name, "content-length", 14) != 0 ||
               read_length(plain, value, len);
    case 17:
        if (memcmp(name, "sec-websocket-key", 17) == 0)
            plain->key = value;
        return memcmp(name, "transfer-encoding", 17) != 0;
    case 20: /* which lws takes for Origin */
        return memcmp(name, "sec-websocket-origin", 20) != 0;
    case 21:
        if (memcmp(name, "sec-websocket-version", 21) == 0)
            plain->version = value;
        return true;
    case 22:
        if (memcmp(name, "sec-websocket-protocol", 22) == 0)
            plain->protocol = value;
        return true;
    default:
        return true;
    }
}

/* end: of the line, without its CR. */
static bool
read_header(struct reader *reader, const char *end)
{
    char *name = reader->out;
    size_t len = read_name(reader->at, end, name);
    const char *at = reader->at + len + 1;
    const char *value;

    if (len == 0 || reader->plain->lines == LINES_MAX)
        return false;
    name[len] = '\0';
    if (is_repeated(reader, name, len))
        return false;
    reader->out += len + 1;

    while (at < end && *at == ' ')
        at++;
    while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (at == end || *at == '\t' || !is_value(at, end))
        return false;
    value = keep(reader, at, (size_t)(end - at));
    reader->plain->lines++;
    return note(reader->plain, name, len, value, (size_t)(end - at));
}

ptrdiff_t
skio__plain_read(struct skio__plain *plain, const char *data, size_t len,
                 char *out)
{
    struct reader reader = {plain, data, data + len, out, 0};

    *plain = (struct skio__plain){.content_length = -1};
    for (;;) {
        const char *at = reader.at;
        const char *next = at < reader.end
                               ? memchr(at, '\n', (size_t)(reader.end - at))
                               : NULL;

        if (next == NULL)
            return SKIO__PLAIN_MORE;
        if (next == at || next[-1] != '\r')
            return SKIO__PLAIN_NONE;
        if (plain->headers == NULL) {
            if (!read_request_line(&reader, next - 1))
                return SKIO__PLAIN_NONE;
            plain->headers = reader.out;
        } else if (next - at > 1) {
            if (!read_header(&reader, next - 1))
                return SKIO__PLAIN_NONE;
        } else {
            plain->headers_len = (size_t)(reader.out - plain->headers);
            return next + 1 - data;
        }
        reader.at = next + 1;
    }
}

/* ---- What is asked for ---- */

/* Of "keep-alive, Upgrade" and the like. */
static bool
names_upgrade(const char *list)
{
    bool found = false;

    for (;;) {
        size_t len = 0;

        while (is_letter(list[len]) || list[len] == '-')
            len++;
        if (len == 7 && strncasecmp(list, "upgrade", 7) == 0)
            found = true;
        list += len;
        if (len == 0 || *list == '\0')
            return found && len > 0;
        if (list[0] != ',')
            return false;
        list += list[1] == ' ' ? 2 : 1;
    }
}

static bool
is_key(const char *key)
{
    if (strlen(key) != KEY_LEN || strcmp(key + 22, "==") != 0)
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!is_alnum(key[i]) && key[i] != '+' && key[i] != '/')
            return false;
    return true;
}

/* A single one, whose first byte makes it neither number nor mark to lws. */
static bool
is_protocol(const char *name)
{
    size_t len = 0;

    if (!is_letter(name[0]))
        return false;
    while (is_alnum(name[len]) || name[len] == '-' || name[len] == '.')
        len++;
    return len <= PROTOCOL_MAX && name[len] == '\0';
}

bool
skio__plain_is_upgrade(const struct skio__plain *plain)
{
    return plain->upgrade != NULL && plain->connection != NULL &&
           plain->host != NULL && plain->key != NULL &&
           plain->version != NULL && plain->content_length < 0 &&
           strcmp(plain->method, "GET") == 0 &&
           strcasecmp(plain->upgrade, "websocket") == 0 &&
           strlen(plain->connection) < 100 &&
           names_upgrade(plain->connection) && is_key(plain->key) &&
           (strcmp(plain->version, "13") == 0 ||
            strcmp(plain->version, "8") == 0) &&
           (plain->protocol == NULL || is_protocol(plain->protocol));
}

bool
skio__plain_is_simple(const struct skio__plain *plain, bool *keep_alive)
{
    bool is_post = strcmp(plain->method, "POST") == 0;

    if (plain->upgrade != NULL || plain->host == NULL)
        return false;
    if (is_post ? plain->content_length < 0 : plain->content_length > 0)
        return false;
    *keep_alive = true;
    if (plain->connection == NULL)
        return true;
    *keep_alive = strcasecmp(plain->connection, "keep-alive") == 0;
    return *keep_alive || strcasecmp(plain->connection, "close") == 0;
}
