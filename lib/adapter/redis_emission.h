/*
 * What an emitter says, as a command of Redis
 *
 * For servers of the classic adapter a PUBLISH, byte by byte that of Node's
 * emitter; for those of the streams adapter an XADD. No I/O.
 */
#ifndef SKIO_ADAPTER_REDIS_EMISSION_H
#define SKIO_ADAPTER_REDIS_EMISSION_H

#include <socketio/emitter.h>

#include "base/attachments.h"
#include "base/buf.h"

#define SKIO__EMISSION_ARGS 14 /* of the longest command */

struct skio__emission {
    const skio_allocator *mem;
    const skio_emitter_options *options; /* key, stream, and the limits */
    const char *nsp;                     /* without its slash */
    struct skio__buf json;    /* the message; its bytes are placeholders */
    struct skio__buf packed;  /* the same as MessagePack, when it is that */
    struct skio__buf text;    /* the same in base64 */
    struct skio__buf channel; /* or, in a stream's entry, the namespace */
    struct skio__attachments attachments;

    /* The command, when all went well; valid until the next one. */
    skio_bytes argv[SKIO__EMISSION_ARGS];
    size_t argc;

    const char *why; /* else what was wrong */
};

/* options are kept by the caller, checked. May not be moved afterwards. */
void skio__emission_init(struct skio__emission *emission,
                         const skio_emitter_options *options,
                         const skio_allocator *mem);
void skio__emission_deinit(struct skio__emission *emission);

/* What a target is asked to do, other than to take an event. */
enum skio__emission_request {
    SKIO__EMISSION_JOIN,
    SKIO__EMISSION_LEAVE,
    SKIO__EMISSION_DISCONNECT
};

/*
 * Each makes the command. Returns SKIO_OK; SKIO_EINVAL, SKIO_ELIMIT,
 * SKIO_ETOOBIG or SKIO_ENOMEM as <socketio/emitter.h> tells.
 *
 * args  A variable, not a parameter, of the caller: see skio__format().
 */
int skio__emission_event(struct skio__emission *emission, const char *nsp,
                         const skio_target *target, const char *event,
                         const char *format, va_list *args);
/* rooms: of a join or leave; close: of a disconnect. */
int skio__emission_request(struct skio__emission *emission, const char *nsp,
                           const skio_target *target,
                           enum skio__emission_request what,
                           const char *const *rooms, bool close);
int skio__emission_server_event(struct skio__emission *emission,
                                const char *nsp, const char *event,
                                const char *format, va_list *args);

#endif /* SKIO_ADAPTER_REDIS_EMISSION_H */
