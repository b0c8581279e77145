/*
 * The end of a server on its own context: whom it still answers
 */
#ifndef SKIO_TRANSPORT_LWS_STOP_H
#define SKIO_TRANSPORT_LWS_STOP_H

#include <stdbool.h>
#include <stdint.h>

struct skio__lws;

/* At the end of each turn after a stop was asked for. Returns whether nothing
 * is left to wait for. */
bool skio__stop_turn(struct skio__lws *transport);

/* When the next of these turns is due without an event, or SKIO__NEVER. */
uint64_t skio__stop_next_due(const struct skio__lws *transport);

#endif /* SKIO_TRANSPORT_LWS_STOP_H */
