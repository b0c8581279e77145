/*
 * What the two homes of the transport, lws_listen.c and lws_embed.c, share of
 * lws itself
 */
#ifndef SKIO_TRANSPORT_LWS_PROTOCOL_H
#define SKIO_TRANSPORT_LWS_PROTOCOL_H

#include <libwebsockets.h>

#include "transport/lws.h"

int skio__lws_callback(struct lws *wsi, enum lws_callback_reasons reason,
                       void *user, void *in, size_t len);

/* The same for the own context: lws_listen.c. */
int skio__loop_callback(struct lws *wsi, enum lws_callback_reasons reason,
                        void *user, void *in, size_t len);

/* Whether connections of a protocol are ours. */
bool skio__lws_is_ours(const struct lws_protocols *protocol);

void skio__lws_protocol_fill(struct skio__lws *transport,
                             struct lws_protocols *protocol);

/* Have lws watch our descriptors. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__lws_attach(struct skio__lws *transport, struct lws_vhost *vhost,
                     const char *name);

/* No per-connection validity timers: all zero. */
extern const lws_retry_bo_t skio__lws_no_validity;

/* Room for the headers of a request. */
unsigned skio__lws_header_room(const skio_server_options *options);

#endif /* SKIO_TRANSPORT_LWS_PROTOCOL_H */
