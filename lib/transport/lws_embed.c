/*
 * Inside a host's context and vhost: <socketio/lws.h>
 */
#include <socketio/lws.h>

#include <string.h>

#include "transport/lws.h"
#include "transport/lws_deflate.h"
#include "transport/lws_protocol.h"

int
skio_lws_protocol(skio_server *server, struct lws_protocols *protocol)
{
    struct skio__lws *transport = skio__lws_get(server);
    int err;

    if (transport == NULL)
        return SKIO_ENOMEM;
    if (transport->loop != NULL || transport->embedded)
        return SKIO_EBUSY;
    err = skio__lws_read_proxies(transport);
    if (err != SKIO_OK)
        return err;

    transport->embedded = true;
    skio__lws_protocol_fill(transport, protocol);
    return SKIO_OK;
}

int
skio_lws_mount(skio_server *server, struct lws_http_mount *mount)
{
    struct skio__lws *transport = skio_transport_of(server);
    const char *path = skio_transport_options(server)->path;
    size_t len = strlen(path);

    if (transport == NULL || !transport->embedded)
        return SKIO_EINVAL;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len > 255)
        return SKIO_EINVAL;

    *mount = (struct lws_http_mount){
        .mount_next = mount->mount_next,
        .mountpoint = path,
        .mountpoint_len = (unsigned char)len,
        .origin = SKIO__LWS_NAME,
        .protocol = SKIO__LWS_NAME,
        .origin_protocol = LWSMPRO_CALLBACK,
    };
    return SKIO_OK;
}

void
skio_lws_context_info(struct lws_context_creation_info *info)
{
    info->retry_and_idle_policy = &skio__lws_no_validity;
    if (info->max_http_header_data == 0 && info->max_http_header_data2 < 16384)
        info->max_http_header_data2 = 16384;
    if (info->pt_serv_buf_size == 0)
        info->pt_serv_buf_size = SKIO__LWS_READ;
    info->alpn = "http/1.1";
    if (info->extensions == NULL)
        info->extensions = skio__deflate_extensions;
}

const struct lws_extension *
skio_lws_extensions(void)
{
    return skio__deflate_extensions;
}

bool
skio_lws_guard(struct lws *wsi, enum lws_callback_reasons reason)
{
    switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        return true;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return skio__upgrade_confirm(wsi) != 0;
    case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
        return skio__request_is_unsafe(wsi) ||
               skio__request_is_misread(wsi, LEFTOVER_UNKNOWN);
    default:
        return false;
    }
}

void
skio_lws_flush(skio_server *server)
{
    struct skio__lws *transport = skio_transport_of(server);

    if (transport == NULL || !transport->embedded)
        return;
    transport->has_flush = true;
    if (transport->attached)
        skio__lws_turn_end(transport);
}

struct lws_vhost *
skio_lws_vhost(const skio_server *server)
{
    const struct skio__lws *transport = skio_transport_of(server);

    return transport != NULL && transport->attached ? transport->vhost : NULL;
}
