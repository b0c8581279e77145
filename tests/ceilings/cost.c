#include "ceilings/cost.h"

#include <string.h>

#define READ_ROUNDS 4 /* whose messages are read */

/* ---- Reading what was written ---- */

/* Whether a text is as wanted; a "*" stands for any end. */
static bool
matches(const char *text, size_t len, const char *wanted)
{
    size_t wanted_len = strlen(wanted);

    if (wanted_len > 0 && wanted[wanted_len - 1] == '*')
        return len >= wanted_len - 1 &&
               memcmp(text, wanted, wanted_len - 1) == 0;
    return len == wanted_len && memcmp(text, wanted, len) == 0;
}

/* The payload of the frame at *at, which moves behind it. */
static size_t
next_frame(const struct clients *clients, size_t *at, const char **payload)
{
    const unsigned char *frame = (unsigned char *)clients->record + *at;
    size_t left = clients->record_len - *at;
    size_t head = 2;
    size_t len;

    MUST(left >= 4 || (left >= 2 && frame[1] < 126));
    len = frame[1];
    if (len == 126) {
        head = 4;
        len = (size_t)frame[2] << 8 | frame[3];
    }
    MUST(frame[1] < 127 && left - head >= len);
    *payload = (const char *)frame + head;
    *at += head + len;
    return len;
}

/* Every message of the rounds whose output was recorded. */
static void
read_messages(const struct operation *operation, const struct clients *clients)
{
    size_t messages = (size_t)operation->messages * READ_ROUNDS;
    const char *wanted = operation->writes;
    const char *payload;
    size_t at = 0;

    for (size_t i = 0; i < messages; i++) {
        size_t len;

        if (operation->polls) {
            payload = clients->record + at;
            len = strlen(wanted);
            MUST(clients->record_len - at >= len);
            at += len;
        } else {
            len = next_frame(clients, &at, &payload);
        }
        MUST(matches(payload, len, wanted));
        if (operation->next != NULL)
            wanted = wanted == operation->writes ? operation->next
                                                 : operation->writes;
    }
    MUST(at == clients->record_len);
}

/* ---- Counting ---- */

/* Everybody connects, in order. */
static void
connect_all(const struct operation *operation, struct clients *clients)
{
    for (size_t i = 0; i < operation->clients; i++) {
        if (operation->polls)
            client_connect_polling(clients);
        else
            client_connect(clients);
    }
}

struct cost
cost_of(const struct operation *operation)
{
    struct clients clients;
    struct cost cost;
    size_t written;
    size_t live;

    clients_init(&clients,
                 operation->clients + operation->rounds + READ_ROUNDS);
    connect_all(operation, &clients);
    if (operation->prepare != NULL)
        operation->prepare(&clients);

    clients_forget(&clients);
    clients_record(&clients, true);
    operation->run(&clients, READ_ROUNDS);
    read_messages(operation, &clients);
    clients_record(&clients, false);
    written = clients.tally.written;

    clients_forget(&clients);
    live = clients.live_bytes;
    operation_count_rounds(operation, &clients);
    MUST(clients.tally.calls == (size_t)operation->calls * operation->rounds);
    MUST(clients.tally.written * READ_ROUNDS == written * operation->rounds);

    cost.operations = (size_t)operation->rounds * operation->per_round;
    cost.allocations = clients.tally.allocations;
    cost.bytes = clients.tally.bytes;
    cost.kept_bytes = (int64_t)clients.live_bytes - (int64_t)live;
    if (operation->finish != NULL)
        operation->finish();
    clients_deinit(&clients);
    return cost;
}
