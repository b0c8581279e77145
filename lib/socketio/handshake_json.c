/*
 * A socket's handshake as JSON, for those who fetch it from another server:
 * the members that Node's has
 */
#include <socketio/adapter.h>

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "socketio/socket.h"
#include "socketio/value.h"

/* Header values are Latin-1 characters, as Node reads them. */
static void
put_latin1(struct skio__buf *json, const char *text)
{
    struct skio__buf utf8;

    skio__buf_init(&utf8, json->mem);
    skio__buf_reserve(&utf8, strlen(text) + 1);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x80) {
            skio__buf_putc(&utf8, (char)c);
        } else {
            skio__buf_putc(&utf8, (char)(0xc0 | c >> 6));
            skio__buf_putc(&utf8, (char)(0x80 | (c & 0x3f)));
        }
    }
    if (utf8.err == SKIO_OK)
        skio__json_quote(json, utf8.data, utf8.len);
    else
        json->err = utf8.err;
    skio__buf_deinit(&utf8);
}

/* A decoded part of a query may be anything. */
static void
put_decoded(struct skio__buf *json, const char *text)
{
    if (skio__utf8_valid(text, strlen(text)))
        skio__json_quote(json, text, strlen(text));
    else
        skio__buf_append_str(json, "\"\xef\xbf\xbd\"");
}

struct members {
    struct skio__buf *json;
    void (*put)(struct skio__buf *json, const char *text);
    bool has_any;
};

static bool
put_member(const char *name, const char *value, void *user)
{
    struct members *members = user;

    if (members->has_any)
        skio__buf_putc(members->json, ',');
    members->has_any = true;
    members->put(members->json, name);
    skio__buf_putc(members->json, ':');
    members->put(members->json, value);
    return members->json->err == SKIO_OK;
}

/*
 * A day's date, as Date.prototype.toString() writes it where the clock is UTC:
 * "Sat Nov 21 2026 02:59:39 GMT+0000 (Coordinated Universal Time)". Years count
 * from March, so that leap days come last.
 */
static void
put_time(struct skio__buf *json, uint64_t ms)
{
    static const char days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    uint64_t seconds = ms / 1000;
    uint64_t day = seconds / 86400;
    uint64_t since = day + 719468; /* March 1 of the year 0 */
    uint64_t era = since / 146097;
    uint64_t of_era = since % 146097;
    uint64_t year =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * of_year + 2) / 153;
    uint64_t of_month = of_year - (153 * month + 2) / 5 + 1;
    char text[80];

    year += era * 400 + (month >= 10);
    snprintf(text, sizeof text,
             "%.3s %.3s %02u %04u %02u:%02u:%02u GMT+0000 (Coordinated "
             "Universal Time)",
             days + day % 7 * 3, months + month * 3, (unsigned)of_month,
             (unsigned)year, (unsigned)(seconds / 3600 % 24),
             (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
    skio__json_quote(json, text, strlen(text));
}

static void
put_flag(struct skio__buf *json, const char *name, bool value)
{
    skio__buf_append_str(json, name);
    skio__buf_append_str(json, value ? "true" : "false");
}

static void
put_handshake(struct skio__buf *json, const skio_socket *socket)
{
    struct members headers = {json, put_latin1, false};
    struct members query = {json, put_decoded, false};
    const char *auth;
    size_t len;

    skio__buf_append_str(json, "{\"headers\":{");
    skio_socket_each_header(socket, put_member, &headers);
    skio__buf_append_str(json, "},\"time\":");
    put_time(json, skio_socket_issued(socket));
    skio__buf_append_str(json, ",\"address\":");
    put_latin1(json, skio_socket_address(socket));
    put_flag(json, ",\"xdomain\":", skio_socket_is_xdomain(socket));
    put_flag(json, ",\"secure\":", skio_socket_is_secure(socket));
    skio__buf_append_str(json, ",\"issued\":");
    skio__buf_append_u64(json, skio_socket_issued(socket));
    skio__buf_append_str(json, ",\"url\":");
    put_latin1(json, skio_socket_url(socket));
    skio__buf_append_str(json, ",\"query\":{");
    skio_socket_each_query(socket, put_member, &query);
    skio__buf_append_str(json, "},\"auth\":");
    skio__value_raw(socket->auth, &auth, &len);
    skio__buf_append(json, auth, len);
    skio__buf_putc(json, '}');
    skio__buf_putc(json, '\0');
}

int
skio_adapter_carry_handshake(const skio_socket *socket,
                             skio_adapter_carry_fn *fn, void *user)
{
    skio_nsp *nsp = skio__socket_nsp(socket);
    struct skio__buf json;
    int err;

    if (nsp == NULL)
        return SKIO_ECLOSED;
    skio__buf_init(&json, skio__server_mem(nsp->server));
    put_handshake(&json, socket);
    err = json.err;
    skio__engine_enter(&nsp->server->engine);
    if (err == SKIO_OK)
        fn(json.data, json.len - 1, NULL, 0, user);
    skio__engine_leave(&nsp->server->engine);
    skio__buf_deinit(&json);
    return err;
}

const char *
skio_adapter_handshake(const skio_socket *socket)
{
    skio_nsp *nsp = skio__socket_nsp(socket);
    struct skio__buf json;
    char *copy = NULL;

    if (nsp == NULL)
        return NULL;

    skio__buf_init(&json, skio__server_mem(nsp->server));
    put_handshake(&json, socket);
    if (json.err == SKIO_OK)
        copy = skio__arena_alloc(&nsp->server->arena, json.len);
    if (copy != NULL)
        memcpy(copy, json.data, json.len);
    skio__buf_deinit(&json);
    return copy;
}
