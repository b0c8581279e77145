/*
 * The browser client, served below the server's own path
 *
 *     GET /socket.io/socket.io.min.js      (Socket.IO's "serveClient")
 *
 * Only names of its build are served, socket.io….js and their .map, so the
 * option may name a folder with other things in it.
 */
#define _POSIX_C_SOURCE 200809L /* O_CLOEXEC, st_mtim */

#include "transport/endpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "transport/lws.h"

#define CLIENT_MAX (8 << 20) /* bytes of one file */

static bool
ends_with(const char *text, const char *end)
{
    size_t len = strlen(text);
    size_t end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The file's name when the path is one of the client's, else NULL. */
static const char *
client_name(const skio_server_options *options, const char *path)
{
    static const char first[] = "socket.io.";
    size_t len = strlen(options->path);
    const char *name;

    while (len > 0 && options->path[len - 1] == '/')
        len--;
    if (strncmp(path, options->path, len) != 0 || path[len] != '/')
        return NULL;
    name = path + len + 1;
    if (strncmp(name, first, sizeof(first) - 1) != 0 ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz.") != strlen(name) ||
        strstr(name, "..") != NULL)
        return NULL;

    return ends_with(name, ".js") || ends_with(name, ".js.map") ? name : NULL;
}

/* An ES module from another origin is loaded with CORS. */
static const char *
allowed_origin(const skio_server_options *options, const char *origin)
{
    const char *at = options->cors_origins;

    if (at == NULL || origin == NULL)
        return NULL;
    if (strcmp(at, "*") == 0)
        return at;
    while (*at != '\0') {
        size_t len = strcspn(at, ", ");

        if (len == strlen(origin) && strncmp(at, origin, len) == 0)
            return origin;
        at += len;
        at += strspn(at, ", ");
    }
    return NULL;
}

static char *
read_file(struct skio__lws *transport, int fd, size_t len)
{
    char *data = skio__mem_alloc(transport->mem, len > 0 ? len : 1);
    size_t done = 0;

    while (data != NULL && done < len) {
        ssize_t got = read(fd, data + done, len - done);

        if (got <= 0) { /* it shrank meanwhile, or cannot be read */
            skio__mem_free(transport->mem, data);
            return NULL;
        }
        done += (size_t)got;
    }
    return data;
}

static void
serve_file(struct skio__conn *conn, const struct skio__head *head,
           const char *name, int fd, const struct stat *st)
{
    const skio_request *request = &head->request;
    const char *match = skio__request_find(request, "if-none-match");
    const char *origin = allowed_origin(conn->transport->options,
                                        skio__request_find(request, "origin"));
    skio_header headers[4] = {{"Cache-Control", "public, max-age=0"}};
    skio_response response = {.status = 200, .headers = headers};
    char etag[64];
    char *data;

    snprintf(etag, sizeof(etag), "\"%llx-%llx%09lx\"",
             (unsigned long long)st->st_size,
             (unsigned long long)st->st_mtim.tv_sec,
             (unsigned long)st->st_mtim.tv_nsec);
    headers[1] = (skio_header){"ETag", etag};
    response.header_count = 2;
    if (origin != NULL) {
        headers[2] = (skio_header){"Access-Control-Allow-Origin", origin};
        headers[3] = (skio_header){"Vary", "Origin"};
        response.header_count = 4;
    }

    if (match != NULL &&
        (strcmp(match, etag) == 0 ||
         (strncmp(match, "W/", 2) == 0 && strcmp(match + 2, etag) == 0))) {
        response.status = 304;
        skio__conn_respond(conn, &response);
        return;
    }

    data = read_file(conn->transport, fd, (size_t)st->st_size);
    if (data == NULL) {
        skio__conn_refuse(conn, 503, NULL);
        return;
    }
    response.content_type = ends_with(name, ".map")
                                ? "application/json; charset=utf-8"
                                : "application/javascript; charset=utf-8";
    response.body = data;
    response.body_len = (size_t)st->st_size;
    struct skio__lws *transport = conn->transport;
    skio__conn_respond(conn, &response);
    skio__mem_free(transport->mem, data);
}

bool
skio__client_serve(struct skio__conn *conn, const struct skio__head *head)
{
    const skio_server_options *options = conn->transport->options;
    const char *name;
    struct stat st;
    char path[4096];
    int fd;

    if (options->client_dir == NULL ||
        (strcmp(head->request.method, "GET") != 0 &&
         strcmp(head->request.method, "HEAD") != 0))
        return false;
    name = client_name(options, head->request.path);
    if (name == NULL)
        return false;

    if (snprintf(path, sizeof(path), "%s/%s", options->client_dir, name) >=
        (int)sizeof(path))
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        st.st_size <= CLIENT_MAX)
        serve_file(conn, head, name, fd, &st);
    else
        skio__conn_refuse(conn, 404, NULL);
    if (fd >= 0)
        close(fd);

    return true;
}
