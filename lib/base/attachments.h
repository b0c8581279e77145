/*
 * Attachments of a message that is being written
 *
 * Collected in the order of their placeholders. The bytes are borrowed; the
 * list itself needs memory only past a few.
 */
#ifndef SKIO_BASE_ATTACHMENTS_H
#define SKIO_BASE_ATTACHMENTS_H

#include <socketio/base.h>

#include "base/buf.h"
#include "base/value.h"

#define SKIO__ATTACHMENTS_FEW 10 /* what stock clients accept in a packet */

struct skio__attachments {
    skio_bytes *items;
    uint32_t count;
    uint32_t max;
    uint32_t cap;
    uint64_t first; /* number of the first placeholder; 0 unless set */
    const skio_allocator *mem;
    skio_bytes few[SKIO__ATTACHMENTS_FEW];
};

/* May not be moved afterwards. */
void skio__attachments_init(struct skio__attachments *list,
                            const skio_allocator *mem, uint32_t max);
void skio__attachments_deinit(struct skio__attachments *list);

/*
 * Append bytes, and their placeholder to out. Returns SKIO_OK, SKIO_ETOOBIG
 * past max, SKIO_ENOMEM; out->err.
 */
int skio__attachments_add(struct skio__attachments *list, struct skio__buf *out,
                          const skio_bytes *bytes);

/*
 * Append the value's text (as skio__value_raw() has it) to out, its
 * attachments to the list, and let the placeholders point there. An attachment
 * is added once, however often the text refers to it.
 *
 * Returns as skio__attachments_add(); SKIO_EINVAL when the text is nested
 * deeper than anything that was received can be. After an error the list and
 * out hold a part.
 */
int skio__attachments_splice(struct skio__attachments *list,
                             struct skio__buf *out,
                             const struct skio_value *value);

#endif /* SKIO_BASE_ATTACHMENTS_H */
