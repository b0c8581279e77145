/* Limits: which of them stopped a peer. */
#include "engineio/limits.h"

#include "engineio/engine.h"

void
skio__limit_hit(struct eio_engine *engine, enum eio_limit limit)
{
    engine->limits[limit]++;
    /* These have had counters of their own since before there was a table. */
    if (limit == EIO_LIMIT_max_outbound_bytes)
        engine->counters.slow_consumers++;
    else
        engine->counters.limits_hit++;
}

const char *
skio__limit_name(size_t i)
{
    static const char *const names[EIO_LIMITS] = {
#define EIO_LIMIT_TEXT(name) #name,
        EIO_LIMIT_MAP(EIO_LIMIT_TEXT)
#undef EIO_LIMIT_TEXT
    };

    return i < EIO_LIMITS ? names[i] : NULL;
}
