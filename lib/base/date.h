/*
 * Dates as JavaScript writes them
 */
#ifndef SKIO_BASE_DATE_H
#define SKIO_BASE_DATE_H

#include <stddef.h>
#include <stdint.h>

#define SKIO__DATE_LEN                                                         \
    27 /* bytes of the longest: +275760-09-13T00:00:00.000Z */

/*
 * Write a time, milliseconds since 1970 UTC, as Date.prototype.toISOString()
 * does (ECMAScript, "Date Time String Format"). Returns the length; no NUL. 0
 * when a Date cannot hold it (past 100 million days).
 */
size_t skio__date_format(int64_t ms, char out[SKIO__DATE_LEN]);

#endif /* SKIO_BASE_DATE_H */
