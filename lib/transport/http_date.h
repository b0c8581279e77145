/*
 * The date that every response carries
 *
 * It changes once a second, and making it takes as long as the rest of a
 * response's head: it is kept.
 */
#ifndef SKIO_TRANSPORT_HTTP_DATE_H
#define SKIO_TRANSPORT_HTTP_DATE_H

#include <time.h>

struct skio__date {
    time_t at;
    char text[40]; /* "": none was made yet */
};

/* RFC 9110, 5.6.7; English whatever the locale is. Valid until another second
 * is asked for. */
const char *skio__date_text(struct skio__date *date, time_t now);

#endif /* SKIO_TRANSPORT_HTTP_DATE_H */
