/*
 * HTTP endpoints (<socketio/http.h>): which handler a request goes to, and the
 * request as the handler sees it
 */
#ifndef SKIO_TRANSPORT_ENDPOINT_H
#define SKIO_TRANSPORT_ENDPOINT_H

#include <socketio/http.h>

struct skio__conn;
struct skio__endpoints;
struct skio__head;
struct skio__lws;

void skio__endpoints_free(struct skio__lws *transport);

/* Visit every registered path, without a trailing "/" + "*". */
int skio__endpoints_each(struct skio__lws *transport,
                         int (*visit)(struct skio__lws *transport,
                                      const char *path));

/* A request that is not the server's: answered, or its kind changes. */
void skio__endpoint_begin(struct skio__conn *conn,
                          const struct skio__head *head);
void skio__endpoint_body(struct skio__conn *conn, const void *data, size_t len);
void skio__endpoint_end(struct skio__conn *conn);

/* The client has gone. */
void skio__endpoint_abort(skio_http *request);

/*
 * The browser client: a GET of one of its eight files below the path, when
 * options.client_dir names a folder. Returns false when it is none of them.
 */
bool skio__client_serve(struct skio__conn *conn, const struct skio__head *head);

void skio__client_free(struct skio__lws *transport);

#endif /* SKIO_TRANSPORT_ENDPOINT_H */
