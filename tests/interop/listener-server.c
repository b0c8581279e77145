/*
 * listener-server PORT [options]: what concerns the listener and the
 * handshake, for the interop tests. oracle-listener.mjs is the same on the
 * reference implementation.
 *
 * Listens on 127.0.0.1 (PORT 0: any free port), prints "listening on PORT" and
 * serves until SIGTERM. Options:
 *
 *   --trusted LIST     --proxy-protocol          --latest
 *   --tls-cert FILE    --tls-key FILE            --tls-password TEXT
 *   --tls-min VERSION  --unix PATH               --client-dir FOLDER
 *   --systemd          at the passed sockets instead
 *
 * Namespaces "/" and "/other". On connection: welcome(namespace). Events:
 *
 *   echo (args…)     -> args…
 *   handshake ()     -> {headers, query, auth, address, secure, xdomain, url,
 *                       issued}
 *   latest (name)    -> that header of the latest request, or null
 *   drain (ms)       -> nothing; then the server is drained, and ends
 *   reload ()        -> the name of skio_server_reload_tls()'s result
 *
 * GET /who answers with the client's address.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/http.h>
#include <socketio/socketio.h>

#include "interop/must.h"
#include "interop/program.h"

/* A program for tests has no use for carrying on without memory. */
/* JSON text that grows */
struct text {
    char *data;
    size_t len;
};

static void
text_puts(struct text *text, const char *str)
{
    size_t len = strlen(str);

    text->data = must(realloc(text->data, text->len + len + 1));
    memcpy(text->data + text->len, str, len + 1);
    text->len += len;
}

static void
text_quote(struct text *text, const char *str)
{
    text_puts(text, "\"");
    for (; *str != '\0'; str++) {
        char escape[8];

        if ((unsigned char)*str < 0x20 || *str == '"' || *str == '\\')
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*str);
        else
            snprintf(escape, sizeof escape, "%c", *str);
        text_puts(text, escape);
    }
    text_puts(text, "\"");
}

static bool
add_pair(const char *name, const char *value, void *user)
{
    struct text *text = user;

    if (text->len > 1)
        text_puts(text, ",");
    text_quote(text, name);
    text_puts(text, ":");
    text_quote(text, value);
    return true;
}

static void
on_connect(skio_socket *socket, void *user)
{
    (void)user;
    skio_emit(socket, "welcome", "%s", skio_nsp_name(skio_socket_nsp(socket)));
}

static void
on_echo(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    (void)socket;
    (void)user;
    if (ack != NULL)
        skio_ack_send(ack, "%p", SKIO_VALUE(args));
}

static void
on_handshake(skio_socket *socket, const skio_value *args, skio_ack *ack,
             void *user)
{
    struct text headers = {0}, query = {0};

    (void)args;
    (void)user;
    text_puts(&headers, "{");
    skio_socket_each_header(socket, add_pair, &headers);
    text_puts(&headers, "}");
    text_puts(&query, "{");
    skio_socket_each_query(socket, add_pair, &query);
    text_puts(&query, "}");
    skio_ack_send(ack,
                  "{'headers':%-s,'query':%-s,'auth':%p,'address':%s,"
                  "'secure':%hhd,'xdomain':%hhd,'url':%s,'issued':%" PRIu64 "}",
                  headers.data, query.data,
                  SKIO_VALUE(skio_socket_auth(socket)),
                  skio_socket_address(socket), skio_socket_is_secure(socket),
                  skio_socket_is_xdomain(socket), skio_socket_url(socket),
                  skio_socket_issued(socket));
    free(headers.data);
    free(query.data);
}

static void
on_latest(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    const char *name = skio_get_str(args, "0");

    (void)user;
    skio_ack_send(ack, "%s",
                  skio_socket_latest_header(socket, name != NULL ? name : ""));
}

static void
on_drain(skio_socket *socket, const skio_value *args, skio_ack *ack, void *user)
{
    int64_t ms = 0;

    (void)socket;
    skio_get_int(args, "0", &ms);
    must_ok(skio_server_drain(user, (uint32_t)ms, NULL, NULL), "drain");
    skio_ack_send(ack, NULL);
}

static void
on_reload(skio_socket *socket, const skio_value *args, skio_ack *ack,
          void *user)
{
    (void)socket;
    (void)args;
    skio_ack_send(ack, "%s", skio_err_name(skio_server_reload_tls(user)));
}

static void
on_who(skio_http *request, void *user)
{
    (void)user;
    must_ok(skio_http_reply(request, 200, "%s", skio_http_address(request)),
            "reply");
}

static void
serve(skio_server *io, const char *name)
{
    skio_nsp *nsp = must(skio_of(io, name));

    must_ok(skio_on_connect(nsp, on_connect, NULL), name);
    must_ok(skio_on(nsp, "echo", on_echo, NULL), name);
    must_ok(skio_on(nsp, "handshake", on_handshake, NULL), name);
    must_ok(skio_on(nsp, "latest", on_latest, NULL), name);
    must_ok(skio_on(nsp, "drain", on_drain, io), name);
    must_ok(skio_on(nsp, "reload", on_reload, io), name);
}

static const char *unix_path;
static bool is_activated;

/* One option and its value. Returns how many words it took, 0 if unknown. */
static int
parse_option(skio_server_options *options, const char *name, const char *value)
{
    if (strcmp(name, "--proxy-protocol") == 0)
        options->proxy_protocol = true;
    else if (strcmp(name, "--latest") == 0)
        options->latest_headers = true;
    else if (strcmp(name, "--systemd") == 0)
        is_activated = true;
    else if (value == NULL)
        return 0;
    else if (strcmp(name, "--trusted") == 0)
        options->trusted_proxies = value;
    else if (strcmp(name, "--tls-cert") == 0)
        options->tls_cert_file = value;
    else if (strcmp(name, "--tls-key") == 0)
        options->tls_key_file = value;
    else if (strcmp(name, "--tls-password") == 0)
        options->tls_key_password = value;
    else if (strcmp(name, "--tls-min") == 0)
        options->tls_min_version = value;
    else if (strcmp(name, "--client-dir") == 0)
        options->client_dir = value;
    else if (strcmp(name, "--unix") == 0)
        unix_path = value;
    else
        return 0;
    return strcmp(name, "--proxy-protocol") == 0 ||
                   strcmp(name, "--latest") == 0 ||
                   strcmp(name, "--systemd") == 0
               ? 1
               : 2;
}

static skio_server *server;

int
main(int argc, char **argv)
{
    static char name[] = "listener-server";
    skio_server_options options;
    int i, err;

    skio_server_options_init(&options);
    options.log = program_log;
    options.log_user = name;
    options.cors_origins = "*";
    options.max_connections_per_address = 10000;
    options.max_unconnected = 10000;
    options.drain_lead_ms = 0;
    for (i = 2; i < argc;) {
        int words = parse_option(&options, argv[i], argv[i + 1]);

        if (words == 0) {
            fprintf(stderr, "unknown option %s\n", argv[i]);
            return 2;
        }
        i += words;
    }
    if (argc < 2) {
        fprintf(stderr, "usage: listener-server PORT [options]\n");
        return 2;
    }

    must_ok(skio_server_new(&server, &options), "server");
    serve(server, "/");
    serve(server, "/other");
    must_ok(skio_http_on(server, "GET", "/who", on_who, NULL), "/who");
    if (is_activated)
        must_ok(skio_listen_systemd(server) > 0 ? SKIO_OK : SKIO_EINVAL,
                "passed sockets");
    else
        must_ok(skio_listen(server, "127.0.0.1",
                            (uint16_t)strtoul(argv[1], NULL, 10)),
                "listen");
    if (unix_path != NULL)
        must_ok(skio_listen_unix(server, unix_path, 0600), unix_path);

    err = program_run(server);
    skio_server_free(server);
    return err == SKIO_OK ? 0 : 1;
}
