/*
 * Options: defaults, copies and checks
 *
 * A caller compiled against an older header passes a shorter struct: what it
 * does not know keeps its default.
 */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/sized.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "engineio/cookie.h"
#include "engineio/headers.h"
#include "socketio/parser.h"
#include "socketio/server.h"

#define MAX_PER_SECOND 1000000000
#define MAX_CONNECTS 1000000
#define MAX_RATE_ADDRESSES (1u << 24)

/* The strings, by their offset: copied, and freed with the options. */
static const size_t string_offsets[] = {
    offsetof(skio_server_options, path),
    offsetof(skio_server_options, cors_origins),
    offsetof(skio_server_options, cors_methods),
    offsetof(skio_server_options, cors_headers),
    offsetof(skio_server_options, cors_exposed),
    offsetof(skio_server_options, cookie),
    offsetof(skio_server_options, initial_packet),
    offsetof(skio_server_options, cookie_path),
    offsetof(skio_server_options, cookie_same_site),
    offsetof(skio_server_options, cookie_domain),
    offsetof(skio_server_options, cookie_priority),
    offsetof(skio_server_options, tls_cert_file),
    offsetof(skio_server_options, tls_key_file),
    offsetof(skio_server_options, tls_key_password),
    offsetof(skio_server_options, tls_min_version),
    offsetof(skio_server_options, trusted_proxies),
    offsetof(skio_server_options, client_dir),
};
static const struct skio__strings strings = {
    string_offsets,
    sizeof string_offsets[0],
    sizeof string_offsets / sizeof string_offsets[0],
};

static const skio_server_options defaults = {
    .struct_size = sizeof(skio_server_options),
    .path = "/socket.io",
    .add_trailing_slash = true,
    .ping_interval_ms = 25000,
    .ping_timeout_ms = 20000,
    .upgrade_timeout_ms = 10000,
    .connect_timeout_ms = 45000,
    .max_http_buffer_size = 1000000,
    .transports = SKIO_POLLING | SKIO_WEBSOCKET,
    .allow_upgrades = true,
    .recovery_skip_middlewares = true,
    .recovery_max_sessions = 10000,
    .recovery_max_bytes = (size_t)16 << 20,
    .cookie_path = "/",
    .cookie_http_only = true,
    .cookie_same_site = "lax",
    .cookie_max_age_s = -1,
    .cors_options_success_status = 204,
    .max_response_headers = 32,
    .max_response_header_bytes = 2048,
    .verdict_timeout_ms = 10000,
    .per_message_deflate_threshold = 1024,
    .per_message_deflate_level = 6,
    .per_message_deflate_window_bits = 15,
    .per_message_deflate_mem_level = 8,
    .http_compression_threshold = 1024,
    .http_compression_level = 6,
    .cors_methods = "GET,HEAD,PUT,PATCH,POST,DELETE",
    .max_outbound_bytes = (size_t)1 << 20,
    .outbound_high_bytes = (size_t)64 << 10,
    .max_attachments = 10,
    .attachment_timeout_ms = 10000,
    .max_json_depth = 64,
    .max_payload_packets = 1000,
    .max_namespaces = 32,
    .max_pending_acks = 1000,
    .max_rooms = 1000,
    .max_name_bytes = 512,
    .max_header_bytes = 8192,
    .max_headers = 100,
    .max_query_bytes = 4096,
    .max_connections = 100000,
    .max_connections_per_address = 200,
    .ipv6_prefix = 64,
    .max_unconnected = 1000,
    .max_dynamic_namespaces = 10000,
    .cleanup_empty_namespaces = true,
    .max_posted = 10000,
    .rate_addresses = 8192,
    .backlog = 511,
    .drain_lead_ms = 2000,
    .header_timeout_ms = 10000,
    .body_timeout_ms = 20000,
    .idle_timeout_ms = 60000,
    .close_timeout_ms = 5000,
    .rx_buffer_size = 256,
    .log_level = SKIO_LOG_INFO,
};

void
skio_server_options_init_size(skio_server_options *options, size_t struct_size)
{
    skio__sized_init(options, struct_size, &defaults, sizeof defaults);
}

/* The same of rates: what rate.h can count. */
static const char *
find_bad_rate(const skio_server_options *o)
{
    if (o->events_per_second > MAX_PER_SECOND)
        return "events_per_second";
    if (o->events_burst > INT32_MAX)
        return "events_burst";
    if (o->bytes_per_second > MAX_PER_SECOND)
        return "bytes_per_second";
    if (o->bytes_burst > INT32_MAX ||
        (o->bytes_burst != 0 && o->bytes_burst < o->max_http_buffer_size))
        return "bytes_burst"; /* the largest message would never pass */
    if (o->connects_per_minute > MAX_CONNECTS)
        return "connects_per_minute";
    if (o->connects_burst > MAX_CONNECTS)
        return "connects_burst";
    if (o->rate_addresses == 0 || o->rate_addresses > MAX_RATE_ADDRESSES)
        return "rate_addresses";
    return NULL;
}

/* The name of the first option out of its range, or NULL. */
static const char *
find_bad(const skio_server_options *o)
{
    const uint32_t max_ms = INT32_MAX;

    if (o->path == NULL || o->path[0] != '/' || strlen(o->path) > 256)
        return "path";
    if (o->ping_interval_ms == 0 || o->ping_interval_ms > max_ms)
        return "ping_interval_ms";
    if (o->ping_timeout_ms == 0 || o->ping_timeout_ms > max_ms)
        return "ping_timeout_ms";
    if (o->upgrade_timeout_ms == 0 || o->upgrade_timeout_ms > max_ms)
        return "upgrade_timeout_ms";
    if (o->connect_timeout_ms == 0 || o->connect_timeout_ms > max_ms)
        return "connect_timeout_ms";
    if (o->attachment_timeout_ms == 0 || o->attachment_timeout_ms > max_ms)
        return "attachment_timeout_ms";
    if (o->max_http_buffer_size == 0 ||
        o->max_http_buffer_size > UINT32_MAX / 2)
        return "max_http_buffer_size";
    if (o->transports == 0 ||
        (o->transports & ~(unsigned)(SKIO_POLLING | SKIO_WEBSOCKET)) != 0)
        return "transports";
    if (o->max_outbound_bytes == 0 || o->max_outbound_bytes > UINT32_MAX / 2)
        return "max_outbound_bytes";
    if (o->outbound_high_bytes == 0 ||
        o->outbound_high_bytes > o->max_outbound_bytes)
        return "outbound_high_bytes";
    if (o->per_message_deflate_level < 1 || o->per_message_deflate_level > 9)
        return "per_message_deflate_level";
    if (o->per_message_deflate_window_bits < 9 ||
        o->per_message_deflate_window_bits > 15)
        return "per_message_deflate_window_bits";
    if (o->per_message_deflate_mem_level < 1 ||
        o->per_message_deflate_mem_level > 9)
        return "per_message_deflate_mem_level";
    if (o->http_compression_level < 1 || o->http_compression_level > 9)
        return "http_compression_level";
    if (o->recovery_ms > max_ms)
        return "recovery_ms";
    if (o->recovery_max_sessions == 0)
        return "recovery_max_sessions";
    if (o->recovery_max_bytes == 0 || o->recovery_max_bytes > UINT32_MAX)
        return "recovery_max_bytes";
    if (skio__cookie_bad(o) != NULL)
        return skio__cookie_bad(o);
    if (o->cors_options_success_status < 200 ||
        o->cors_options_success_status > 299)
        return "cors_options_success_status";
    if (o->initial_packet != NULL &&
        (strlen(o->initial_packet) >= o->max_outbound_bytes ||
         (o->initial_packet[0] != '\0' &&
          !skio__utf8_valid(o->initial_packet, strlen(o->initial_packet)))))
        return "initial_packet";
    if (o->max_response_headers == 0 ||
        o->max_response_headers > EIO_HEADERS_MAX)
        return "max_response_headers";
    if (o->max_response_header_bytes == 0 ||
        o->max_response_header_bytes > 3072)
        return "max_response_header_bytes";
    if (o->verdict_timeout_ms == 0 || o->verdict_timeout_ms > max_ms)
        return "verdict_timeout_ms";
    if (o->parser != NULL && !skio__parser_is_valid(o->parser))
        return "parser";
    if (o->max_attachments == 0)
        return "max_attachments";
    if (o->max_json_depth == 0 || o->max_json_depth > SKIO__JSON_DEPTH_MAX)
        return "max_json_depth";
    if (o->max_payload_packets == 0)
        return "max_payload_packets";
    if (o->max_namespaces == 0)
        return "max_namespaces";
    if (o->max_pending_acks == 0)
        return "max_pending_acks";
    if (o->max_rooms == 0)
        return "max_rooms";
    if (o->max_name_bytes == 0)
        return "max_name_bytes";
    if (o->max_header_bytes == 0 || o->max_header_bytes > 16384)
        return "max_header_bytes";
    if (o->max_headers == 0)
        return "max_headers";
    if (o->max_query_bytes == 0 || o->max_query_bytes > o->max_header_bytes)
        return "max_query_bytes";
    if (o->max_connections == 0)
        return "max_connections";
    if (o->max_connections_per_address == 0)
        return "max_connections_per_address";
    if (o->ipv6_prefix < 16 || o->ipv6_prefix > 128)
        return "ipv6_prefix";
    if (o->max_unconnected == 0)
        return "max_unconnected";
    if (o->max_dynamic_namespaces == 0)
        return "max_dynamic_namespaces";
    if (o->max_posted == 0)
        return "max_posted";
    if (find_bad_rate(o) != NULL)
        return find_bad_rate(o);
    if (o->backlog == 0 || o->backlog > 65535)
        return "backlog";
    if (o->header_timeout_ms == 0 || o->header_timeout_ms > max_ms)
        return "header_timeout_ms";
    if (o->body_timeout_ms == 0 || o->body_timeout_ms > max_ms)
        return "body_timeout_ms";
    if (o->idle_timeout_ms == 0 || o->idle_timeout_ms > max_ms)
        return "idle_timeout_ms";
    if (o->close_timeout_ms == 0 || o->close_timeout_ms > max_ms)
        return "close_timeout_ms";
    if (o->drain_lead_ms > max_ms)
        return "drain_lead_ms";
    if (o->rx_buffer_size < 64 || o->rx_buffer_size > (1u << 20))
        return "rx_buffer_size";
    if ((o->tls_cert_file == NULL) != (o->tls_key_file == NULL))
        return o->tls_cert_file == NULL ? "tls_cert_file" : "tls_key_file";
    if (o->tls_min_version != NULL &&
        strcmp(o->tls_min_version, "TLSv1.2") != 0 &&
        strcmp(o->tls_min_version, "TLSv1.3") != 0)
        return "tls_min_version";
    if (o->proxy_protocol && o->trusted_proxies == NULL)
        return "proxy_protocol";
    if ((o->allocator.malloc == NULL) != (o->allocator.free == NULL) ||
        (o->allocator.malloc == NULL) != (o->allocator.realloc == NULL))
        return "allocator";
    return NULL;
}

/* Part of another limit, where none is given. */
static void
derive(uint32_t *limit, uint64_t usual, uint64_t least)
{
    uint64_t most = usual > least ? usual : least;

    if (*limit == 0)
        *limit = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

static void
derive_limits(skio_server_options *o)
{
    derive(&o->max_unconnected_per_address, o->max_connections_per_address / 2,
           100);
    derive(&o->max_tcp_connections, (uint64_t)o->max_connections * 2, 1000);
    derive(&o->max_tcp_connections_per_address,
           (uint64_t)o->max_connections_per_address * 3, 600);
}

int
skio__options_copy(skio_server_options *out, const skio_server_options *options,
                   const skio_allocator *mem, const char **bad)
{
    *out = defaults;
    skio__sized_read(out, sizeof *out, options);
    out->struct_size = sizeof *out;

    if (out->cors_methods == NULL)
        out->cors_methods = defaults.cors_methods;
    derive_limits(out);
    *bad = find_bad(out);
    if (*bad == NULL)
        return skio__strings_copy(&strings, out, mem);
    skio__strings_forget(&strings, out);
    return SKIO_EINVAL;
}

void
skio__options_deinit(skio_server_options *options, const skio_allocator *mem)
{
    skio__strings_free(&strings, options, mem);
}
