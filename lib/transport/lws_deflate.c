/*
 * permessage-deflate under lws: see lws_deflate.h
 *
 * lws' own extension keeps about 300 KB for a connection and inflates without
 * a bound. The one here does nothing: with it lws accepts RSV1 (and only that
 * bit), and hands out the bytes as they came. What is written raw passes it by.
 *
 * lws writes the answer to the offer itself, always in the same words; the
 * core's, which has parameters, is put in that place.
 */
#include "transport/lws_deflate.h"

#include <string.h>
#include <strings.h>

#include "transport/lws_protocol.h"

#define EXTENSION "permessage-deflate"
#define HEADER "Sec-WebSocket-Extensions:"
#define RSV1 0x40
#define TAIL_MAX 80 /* more than lws' line has, and less than stands before */

static struct skio__conn *
conn_of(struct lws *wsi)
{
    const struct lws_protocols *protocol = lws_get_protocol(wsi);
    struct skio__lws *transport;

    if (protocol == NULL || protocol->user == NULL ||
        !skio__lws_is_ours(protocol))
        return NULL;
    transport = protocol->user;
    return transport->own ? lws_get_opaque_user_data(wsi) : lws_wsi_user(wsi);
}

/* Returns 0 when the extension is active from now on. */
static int
construct(struct lws *wsi, const struct lws_ext_options **options)
{
    static const struct lws_ext_options none[] = {{NULL, EXTARG_NONE}};
    struct skio__conn *conn = conn_of(wsi);

    *options = none;
    if (conn == NULL || conn->kind != CONN_UPGRADE ||
        !skio_exchange_accept_deflate(conn->u.exchange))
        return 1;
    conn->deflates = true;
    return 0;
}

static int
on_extension(struct lws_context *context, const struct lws_extension *extension,
             struct lws *wsi, enum lws_extension_callback_reasons reason,
             void *user, void *in, size_t len)
{
    (void)context;
    (void)extension;
    (void)user;
    (void)len;

    /* 0 elsewhere: what comes and goes is left as it is. */
    return reason == LWS_EXT_CB_CONSTRUCT ? construct(wsi, in) : 0;
}

const struct lws_extension skio__deflate_extensions[] = {{EXTENSION,
                                                          on_extension, NULL},
                                                         {NULL, NULL, NULL}};

bool
skio__deflate_confirm(struct skio__conn *conn, const char *name)
{
    /* Once: lws has room for one extension, and does not count. */
    if (conn->kind != CONN_UPGRADE || conn->has_extension ||
        !conn->transport->options->per_message_deflate ||
        strcmp(name, EXTENSION) != 0)
        return false;
    conn->has_extension = true;
    return true;
}

int
skio__deflate_take_back(struct lws_process_html_args *args)
{
    const char *end = args->p;
    const char *line = end - 2;
    const char *value;

    if (memcmp(line, "\r\n", 2) != 0)
        return -1;
    while (end - line < TAIL_MAX && line[-1] != '\n')
        line--;
    if (strncasecmp(line, HEADER, sizeof(HEADER) - 1) != 0)
        return -1;
    value = line + sizeof(HEADER) - 1;
    value += strspn(value, " ");
    if (end - value != sizeof(EXTENSION "\r\n") - 1 ||
        memcmp(value, EXTENSION "\r\n", sizeof(EXTENSION "\r\n") - 1) != 0)
        return -1;

    args->p -= end - line;
    args->max_len += (int)(end - line);
    return 0;
}

bool
skio__deflate_begins(struct skio__conn *conn, bool first)
{
    bool inside = conn->amid_frame;

    /* lws tells the bits of the frame with each of its pieces */
    conn->amid_frame = lws_remaining_packet_payload(conn->wsi) > 0;
    return (first || !inside) && (lws_get_reserved_bits(conn->wsi) & RSV1) != 0;
}
