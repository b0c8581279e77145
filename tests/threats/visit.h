/*
 * A client from its handshake to its end
 */
#ifndef TESTS_THREATS_VISIT_H
#define TESTS_THREATS_VISIT_H

#include "threats/home.h"

#define VISIT_KINDS 5

/* Come, join, emit and go, in one of five ways: by polling, by a WebSocket, by
 * one that is cut amid a packet, by one that breaks the protocol, by an
 * upgrade. Fails the test when the server does not keep up. */
void visit(const struct home *home, unsigned kind);

#endif /* TESTS_THREATS_VISIT_H */
