/*
 * Request headers out of lws
 */
#ifndef SKIO_TRANSPORT_LWS_HEADERS_H
#define SKIO_TRANSPORT_LWS_HEADERS_H

#include "base/buf.h"

struct lws;

#define SKIO__VALUE_MAX 16384 /* no value is longer; fits the scratch buffer */

struct skio__headers {
    uint32_t lines;
    bool invalid; /* one of them is no header */
};

/* Where lws keeps the text of the headers: found from the end of the target,
 * or from the value of a header. NULL when it is not where expected. */
const char *skio__headers_start(struct lws *wsi, const char *target_end);
const char *skio__headers_start_before(struct lws *wsi, const char *value);

/*
 * Append "name NUL value NUL" for each header.
 *
 * start    From above, or NULL.
 * also     Names to ask for, separated by commas, when there is no start.
 * scratch  SKIO__VALUE_MAX bytes.
 */
void skio__headers_append(struct skio__buf *buf, struct lws *wsi,
                          const char *start, const char *also, char *scratch,
                          struct skio__headers *result);

#endif /* SKIO_TRANSPORT_LWS_HEADERS_H */
