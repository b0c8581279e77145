/*
 * The interface for applications: HTTP, with an API key
 *
 *     POST /api/notify        Authorization: Bearer KEY   or   X-API-Key: KEY
 *                             Idempotency-Key: TEXT       if you like
 *         {"to": "user:ada", "title": "…", "text": "…", "data": …, "ttl_s": N}
 *         to     "user:NAME", "room:NAME" or "all"
 *         title  1 to 200 bytes; text up to 2000; data any JSON up to 4000
 *         ttl_s  1 to 2592000, 604800 by default: thrown away after that
 *
 *     202 {"id":7,"readers":1}      it is on the disk and will be delivered
 *     400 {"error":…}   what is wrong     401   no such API key
 *     404   nobody is in that room        413   more than 16 KiB
 *     422   the Idempotency-Key belongs to another body
 *     429   too fast: Retry-After says when
 *     503   it could not be kept, nothing was: try again
 *     507   there are too many users to add this one
 *
 *     GET /api/notify/7  200 {"id","to","status","queued","delivered",…}, 404
 */
#ifndef NOTIFY_API_H
#define NOTIFY_API_H

#include <socketio/socketio.h>

#include "deliver.h"
#include "keys.h"

struct api {
    skio_server *server;
    struct deliver *deliver;
    struct keys keys; /* filled before api_start() */
};

int api_start(struct api *api, skio_server *server, struct deliver *deliver);

#endif /* NOTIFY_API_H */
