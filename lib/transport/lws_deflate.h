/*
 * permessage-deflate under lws: the core compresses, lws only has to let RSV1
 * through, which it does where an extension is active
 */
#ifndef SKIO_TRANSPORT_LWS_DEFLATE_H
#define SKIO_TRANSPORT_LWS_DEFLATE_H

#include <libwebsockets.h>

#include "transport/lws.h"

/* For lws_context_creation_info.extensions. */
extern const struct lws_extension skio__deflate_extensions[];

/* LWS_CALLBACK_CONFIRM_EXTENSION_OKAY: whether an extension may be tried. */
bool skio__deflate_confirm(struct skio__conn *conn, const char *name);

/*
 * LWS_CALLBACK_ADD_HEADERS: take back the header that lws has written for the
 * extension; the core has one of its own. Non-zero: it is not where it should
 * be, and the handshake must fail.
 */
int skio__deflate_take_back(struct lws_process_html_args *args);

/* Whether a frame with RSV1 begins with the piece that lws delivers. */
bool skio__deflate_begins(struct skio__conn *conn, bool first);

#endif /* SKIO_TRANSPORT_LWS_DEFLATE_H */
