#include "socketio/legacy.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engineio/request.h"

void
skio__legacy_split(struct sio_packet *packet, const char **query, size_t *len)
{
    const char *end = packet->nsp + packet->nsp_len;
    const char *hash = memchr(packet->nsp, '#', packet->nsp_len);
    const char *mark;

    if (hash != NULL)
        end = hash;
    mark = memchr(packet->nsp, '?', (size_t)(end - packet->nsp));
    *query = mark != NULL ? mark + 1 : NULL;
    *len = mark != NULL ? (size_t)(end - *query) : 0;
    if (mark != NULL)
        end = mark;
    packet->nsp_len = (size_t)(end - packet->nsp);
}

/* scratch has room for len bytes. */
static void
put_string(struct skio__buf *buf, const char *text, size_t len, char *scratch)
{
    size_t decoded = skio__query_decode(text, len, scratch);

    if (skio__utf8_valid(scratch, decoded))
        skio__json_quote(buf, scratch, decoded);
    else
        skio__json_quote(buf, text, len);
}

int
skio__legacy_auth(struct skio__buf *buf, const char *query, size_t len)
{
    char *scratch = skio__mem_alloc(buf->mem, len + 1);
    const char *end = query + len;
    bool is_first = true;

    if (scratch == NULL)
        return SKIO_ENOMEM;
    skio__buf_putc(buf, '{');
    while (query < end) {
        const char *stop = memchr(query, '&', (size_t)(end - query));
        const char *equals;

        if (stop == NULL)
            stop = end;
        equals = memchr(query, '=', (size_t)(stop - query));
        if (equals == NULL)
            equals = stop;
        if (stop > query) {
            if (!is_first)
                skio__buf_putc(buf, ',');
            is_first = false;
            put_string(buf, query, (size_t)(equals - query), scratch);
            skio__buf_putc(buf, ':');
            if (equals < stop)
                put_string(buf, equals + 1, (size_t)(stop - equals - 1),
                           scratch);
            else
                skio__buf_append_str(buf, "\"\"");
        }
        query = stop + 1;
    }
    skio__mem_free(buf->mem, scratch);
    return skio__buf_putc(buf, '}');
}
