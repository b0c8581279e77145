#include "engineio/rates.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "engineio/address.h"
#include "engineio/handshake.h"
#include "engineio/request.h"
#include "engineio/session.h"

#define SECOND_MS 1000
#define MINUTE_MS 60000

/* The largest event, a text and its attachments, passes whoever has sent
 * nothing for a while. */
static uint32_t
bytes_burst(const skio_server_options *options)
{
    uint32_t largest = 2 * (uint32_t)options->max_http_buffer_size;

    if (options->bytes_burst != 0)
        return options->bytes_burst;
    return options->bytes_per_second > largest ? options->bytes_per_second
                                               : largest;
}

int
skio__rates_init(struct eio_engine *engine, const uint8_t hash_key[16])
{
    const skio_server_options *options = engine->options;
    struct eio_rates *rates;

    if (options->events_per_second == 0 && options->bytes_per_second == 0 &&
        options->connects_per_minute == 0)
        return SKIO_OK;
    rates = skio__mem_calloc(engine->mem, 1, sizeof *rates);
    if (rates == NULL)
        return SKIO_ENOMEM;
    skio__rate_init(&rates->events, options->events_per_second, SECOND_MS,
                    options->events_burst);
    skio__rate_init(&rates->bytes, options->bytes_per_second, SECOND_MS,
                    bytes_burst(options));
    skio__rate_init(&rates->connects, options->connects_per_minute, MINUTE_MS,
                    options->connects_burst);
    if (options->connects_per_minute != 0 &&
        skio__rate_table_init(&rates->addresses, engine->mem,
                              options->rate_addresses, hash_key) != SKIO_OK) {
        skio__mem_free(engine->mem, rates);
        return SKIO_ENOMEM;
    }
    engine->rates = rates;
    return SKIO_OK;
}

void
skio__rates_deinit(struct eio_engine *engine)
{
    if (engine->rates == NULL)
        return;
    skio__rate_table_deinit(&engine->rates->addresses, engine->mem);
    skio__mem_free(engine->mem, engine->rates);
    engine->rates = NULL;
}

static struct eio_spent *
spent_of(struct skio_session *session)
{
    return (void *)(session->upper + skio__rates_at(session->engine));
}

/* Count it, and ask the application what to do. */
static enum skio_rate_action
judge(struct eio_engine *engine, skio_rate_excess *excess)
{
    static const enum eio_limit limits[] = {
        [SKIO_RATE_EVENTS] = EIO_LIMIT_events_per_second,
        [SKIO_RATE_BYTES] = EIO_LIMIT_bytes_per_second,
        [SKIO_RATE_CONNECTS] = EIO_LIMIT_connects_per_minute,
    };
    const skio_server_options *options = engine->options;

    excess->struct_size = sizeof *excess;
    skio__limit_hit(engine, limits[excess->rate]);
    engine->counters.rates_hit++;
    if (options->rate_limit == NULL)
        return SKIO_RATE_CLOSE;
    return options->rate_limit(engine->server, excess,
                               options->rate_limit_user);
}

/* Whether the session goes on with what it has sent too much of. */
static bool
exceed(struct skio_session *session, struct skio_socket *socket,
       enum skio_rate which, uint32_t retry_ms, uint32_t per_second)
{
    const char *what = which == SKIO_RATE_EVENTS ? "events" : "bytes";
    skio_rate_excess excess = {
        .rate = which,
        .address = skio__request_address(session->request),
        .socket = socket,
        .session = session,
        .retry_ms = retry_ms,
    };
    enum skio_rate_action action = judge(session->engine, &excess);

    if (session->state != EIO_STATE_OPEN)
        return false; /* the application has closed it */
    if (action == SKIO_RATE_PASS)
        return true;
    if (action == SKIO_RATE_DROP && which == SKIO_RATE_EVENTS)
        return false;
    /* Bytes that are left out are the end of what comes after them, too. */
    skio__session_detail(session, "more than %" PRIu32 " %s a second",
                         per_second, what);
    skio__session_close(session, SKIO_DISCONNECT_RATE_LIMIT, false);
    return false;
}

bool
skio__rates_event(struct skio_session *session, struct skio_socket *socket)
{
    struct eio_engine *engine = session->engine;
    const struct skio__rate *rate = &engine->rates->events;
    struct eio_spent *spent = spent_of(session);
    uint64_t now = skio__engine_now(engine);

    if (skio__rate_take(rate, &spent->events, now, 1))
        return true;
    return exceed(session, socket, SKIO_RATE_EVENTS,
                  skio__rate_wait(rate, spent->events, now, 1),
                  engine->options->events_per_second);
}

bool
skio__rates_bytes(struct skio_session *session, size_t len)
{
    struct eio_engine *engine = session->engine;
    const struct skio__rate *rate = &engine->rates->bytes;
    struct eio_spent *spent = spent_of(session);
    uint64_t now = skio__engine_now(engine);

    if (len == 0)
        len = 1; /* a packet of nothing is work as well */
    if (skio__rate_take(rate, &spent->bytes, now, len))
        return true;
    return exceed(session, NULL, SKIO_RATE_BYTES,
                  skio__rate_wait(rate, spent->bytes, now, len),
                  engine->options->bytes_per_second);
}

/* Whether an address may ask for another session; else *retry_ms is when. */
static bool
may_connect(struct eio_engine *engine, const char *address, uint32_t *retry_ms)
{
    const struct skio__rate *rate = &engine->rates->connects;
    uint64_t now = skio__engine_now(engine);
    skio_rate_excess excess = {.rate = SKIO_RATE_CONNECTS, .address = address};
    char buf[EIO_ADDRESS_KEY];
    const char *key;
    uint64_t *arrival;

    if (rate->count == 0 || address == NULL || address[0] == '\0')
        return true;
    key = skio__address_key(engine, address, buf);
    arrival = skio__rate_table_at(&engine->rates->addresses, key, strlen(key));
    if (skio__rate_take(rate, arrival, now, 1))
        return true;
    *retry_ms = excess.retry_ms = skio__rate_wait(rate, *arrival, now, 1);
    return judge(engine, &excess) == SKIO_RATE_PASS;
}

bool
skio__rates_request(struct eio_engine *engine,
                    const struct eio_question *question)
{
    const struct eio_asker *asker = &question->asker;
    const skio_request *request = question->request;
    const char *sid;
    uint32_t retry_ms;
    size_t len;

    if (asker->is_forwarded ||
        (skio__query_find(request->query, "sid", &sid, &len) && len > 0) ||
        may_connect(engine, request->address, &retry_ms))
        return true;
    skio__log(&engine->log, SKIO_LOG_DEBUG,
              "handshake refused: too many in a minute");
    skio__reply_too_often(engine, asker, retry_ms);
    return false;
}
