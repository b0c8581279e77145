/*
 * What a server's tokens are made of
 *
 * Names of this room alone: each file of it calls the other by what is public.
 */
#ifndef SKIO_ADDON_TOKENS_H
#define SKIO_ADDON_TOKENS_H

#include <socketio/tokens.h>

/* A copy of a key; kid and secret follow it. */
struct token_key {
    struct token_key *next;
    skio_token_key own;
    size_t size; /* of all, to wipe it */
    char bytes[];
};

struct skio_tokens {
    skio_server *server;
    skio_tokens_options options; /* strings: of the block */
    struct token_key *keys;
    char strings[];
};

#endif /* SKIO_ADDON_TOKENS_H */
