/*
 * Connections of proxies that have not said yet for whom they speak
 */
#ifndef SKIO_TRANSPORT_LWS_PREFACE_H
#define SKIO_TRANSPORT_LWS_PREFACE_H

#include "transport/sockets.h"

struct lws;
struct skio__lws;

/* Wait for the preface of a connection, then give it to lws. The descriptor is
 * taken. */
void skio__preface_wait(struct skio__lws *transport, int fd,
                        const union skio__address *from);

/* RAW_RX_FILE of the set of those that wait; false: another file's. */
bool skio__preface_ready(struct skio__lws *transport, struct lws *wsi);

/* Drop those whose time has come, or all of them. */
size_t skio__preface_timeout(struct skio__lws *transport, uint64_t now_ms);
void skio__preface_drop_all(struct skio__lws *transport);

#endif /* SKIO_TRANSPORT_LWS_PREFACE_H */
