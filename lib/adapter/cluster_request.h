/*
 * A question to the other servers, while it is open
 *
 * cluster_ask.c asks and counts the answers, cluster_gather.c makes one result
 * of them, together with what is here.
 */
#ifndef SKIO_ADAPTER_CLUSTER_REQUEST_H
#define SKIO_ADAPTER_CLUSTER_REQUEST_H

#include "adapter/cluster.h"

enum skio__request_kind {
    ASK_FETCH, /* sockets */
    ASK_COUNT, /* of sockets */
    ASK_ROOMS,
    ASK_EVENT, /* serverSideEmit's answers */
    ASK_ACKS   /* of the others' clients */
};

struct skio__request {
    struct skio__map_node node;
    struct skio__cluster *cluster;
    const skio_allocator *mem;
    enum skio__request_kind kind;
    skio_timer *timer;
    bool is_counted; /* `servers` is known */
    bool counts;     /* the carrier still asks how many there are */
    bool is_over;    /* it only waits for that */
    size_t servers;  /* that should answer: the others */
    size_t responses;
    size_t clients;        /* ACKS: asked elsewhere */
    size_t answers;        /* ACKS: of them */
    struct skio__buf list; /* JSON values with commas between them */
    union {
        skio_fetch_fn *fetch;
        skio_count_fn *count;
        skio_rooms_fn *rooms;
        struct skio_server_asking *event;
        struct skio_asking *acks;
    } to;
    void *user;
    skio_target target; /* FETCH, COUNT: with names of its own */
    char id[SKIO__CLUSTER_ID_MAX + 1];
};

/*
 * Tell the result, by the kind. err: SKIO_OK, SKIO_ETIMEDOUT, or why nobody
 * else was asked. Memory is the arena's, released by the caller.
 */
void skio__request_finish_fetch(struct skio__request *request, int err,
                                size_t missing);
void skio__request_finish_count(struct skio__request *request, int err,
                                size_t missing);
void skio__request_finish_rooms(struct skio__request *request, int err,
                                size_t missing);
void skio__request_finish_event(struct skio__request *request, int err,
                                size_t missing);

#endif /* SKIO_ADAPTER_CLUSTER_REQUEST_H */
