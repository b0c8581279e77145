/*
 * The list of mounts that the own vhost is made with
 */
#ifndef SKIO_TRANSPORT_LWS_PATH_H
#define SKIO_TRANSPORT_LWS_PATH_H

#include <libwebsockets.h>

#include "transport/lws.h"

/* All that is known before listening. Returns SKIO_OK or SKIO_ENOMEM. */
int skio__paths_init(struct skio__lws *transport);
void skio__paths_free(struct skio__lws *transport);
const struct lws_http_mount *
skio__paths_mounts(const struct skio__lws *transport);

#endif /* SKIO_TRANSPORT_LWS_PATH_H */
