#include "engineio/fields.h"

#include <string.h>

#include "engineio/request.h"

static const char *const names[EIO_FIELD_COUNT] = {
    [EIO_FIELD_HOST] = "host",
    [EIO_FIELD_ORIGIN] = "origin",
    [EIO_FIELD_USER_AGENT] = "user-agent",
    [EIO_FIELD_CONTENT_TYPE] = "content-type",
    [EIO_FIELD_ACCEPT_ENCODING] = "accept-encoding",
    [EIO_FIELD_EXTENSIONS] = "sec-websocket-extensions",
    [EIO_FIELD_ASKED] = "access-control-request-headers",
};

/* No two of the names are of one length. */
static enum eio_field
field_of(const char *name, size_t len)
{
    enum eio_field field;

    switch (len) {
    case sizeof "host" - 1:
        field = EIO_FIELD_HOST;
        break;
    case sizeof "origin" - 1:
        field = EIO_FIELD_ORIGIN;
        break;
    case sizeof "user-agent" - 1:
        field = EIO_FIELD_USER_AGENT;
        break;
    case sizeof "content-type" - 1:
        field = EIO_FIELD_CONTENT_TYPE;
        break;
    case sizeof "accept-encoding" - 1:
        field = EIO_FIELD_ACCEPT_ENCODING;
        break;
    case sizeof "sec-websocket-extensions" - 1:
        field = EIO_FIELD_EXTENSIONS;
        break;
    case sizeof "access-control-request-headers" - 1:
        field = EIO_FIELD_ASKED;
        break;
    default:
        return EIO_FIELD_COUNT;
    }
    return memcmp(name, names[field], len) == 0 ? field : EIO_FIELD_COUNT;
}

void
skio__fields_read_headers(struct eio_fields *fields,
                          const skio_request *request)
{
    const char *name = request->headers;
    const char *end;

    memset(fields->headers, 0, sizeof fields->headers);
    fields->header_count = 0;
    if (request->headers_len == 0)
        return;
    end = name + request->headers_len;
    while (name < end) {
        const char *stop = memchr(name, '\0', (size_t)(end - name));
        const char *value = stop != NULL ? stop + 1 : end;
        const char *next =
            value < end ? memchr(value, '\0', (size_t)(end - value)) : NULL;
        enum eio_field field;

        if (next == NULL)
            return;
        field = field_of(name, (size_t)(stop - name));
        if (field != EIO_FIELD_COUNT && fields->headers[field] == NULL)
            fields->headers[field] = value;
        fields->header_count++;
        name = next + 1;
    }
}

static struct eio_parameter *
find_plain(struct eio_fields *fields, const char *name, size_t len)
{
    if (len == 3 && memcmp(name, "EIO", 3) == 0)
        return &fields->protocol;
    if (len == 3 && memcmp(name, "sid", 3) == 0)
        return &fields->sid;
    if (len == 9 && memcmp(name, "transport", 9) == 0)
        return &fields->transport;
    return NULL;
}

/* The parameter of a name as it stands in a query; NULL: it is none of ours. */
static struct eio_parameter *
find_parameter(struct eio_fields *fields, const char *name, size_t len)
{
    char decoded[3 * sizeof "transport"];
    struct eio_parameter *found = find_plain(fields, name, len);

    if (found != NULL || len > sizeof decoded || memchr(name, '%', len) == NULL)
        return found;
    len = skio__query_decode(name, len, decoded);
    return find_plain(fields, decoded, len);
}

void
skio__fields_read_query(struct eio_fields *fields, const skio_request *request)
{
    static const struct eio_parameter absent = {NULL, 0};
    const char *pos = request->query;

    fields->protocol = absent;
    fields->transport = absent;
    fields->sid = absent;
    while (pos != NULL) {
        const char *next = strchr(pos, '&');
        const char *end = next != NULL ? next : pos + strlen(pos);
        const char *equals = memchr(pos, '=', (size_t)(end - pos));
        const char *value = equals != NULL ? equals + 1 : end;
        const char *stop = equals != NULL ? equals : end;
        struct eio_parameter *parameter =
            find_parameter(fields, pos, (size_t)(stop - pos));

        if (parameter != NULL) {
            parameter->text = value;
            parameter->len = (size_t)(end - value);
        }
        pos = next != NULL ? next + 1 : NULL;
    }
}

const char *
skio__parameter_text(const struct eio_parameter *parameter,
                     char out[EIO_PARAMETER_MAX], size_t *len)
{
    if (parameter->text == NULL || parameter->len > EIO_PARAMETER_MAX)
        return NULL;
    *len = parameter->len;
    if (*len == 0 || memchr(parameter->text, '%', *len) == NULL)
        return parameter->text;
    *len = skio__query_decode(parameter->text, *len, out);
    return out;
}

bool
skio__parameter_is(const struct eio_parameter *parameter, const char *value)
{
    char decoded[EIO_PARAMETER_MAX];
    size_t len;
    const char *text = skio__parameter_text(parameter, decoded, &len);

    return text != NULL && len == strlen(value) &&
           memcmp(text, value, len) == 0;
}
