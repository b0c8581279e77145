/*
 * Log lines
 *
 * Formatted into a bounded buffer and handed to the host's function. Control
 * characters and bytes that are no UTF-8 become \xNN: a peer that names a room
 * can neither start a line nor drive a terminal.
 */
#ifndef SKIO_BASE_LOG_H
#define SKIO_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include <socketio/base.h>

#define SKIO__LOG_MAX 1024 /* bytes of a line with its NUL; longer: "..." */

struct skio__logger {
    skio_log_fn *fn; /* NULL: silent */
    void *user;
    enum skio_log_level level; /* the most talkative level that is passed on */
};

/* Whether a line of this level would go anywhere. */
static inline bool
skio__log_is_on(const struct skio__logger *logger, enum skio_log_level level)
{
    return logger != NULL && logger->fn != NULL && level <= logger->level;
}

/* logger may be NULL (silent). Does not allocate and cannot fail. */
void skio__log(const struct skio__logger *logger, enum skio_log_level level,
               const char *format, ...) SKIO_PRINTF(3, 4);
void skio__logv(const struct skio__logger *logger, enum skio_log_level level,
                const char *format, va_list args) SKIO_PRINTF(3, 0);

/*
 * Write len bytes of text into out, escaped, cut at size with "..." and
 * always NUL-terminated. size is at least 8. Returns the length.
 */
size_t skio__log_escape(char *out, size_t size, const char *text, size_t len);

#endif /* SKIO_BASE_LOG_H */
