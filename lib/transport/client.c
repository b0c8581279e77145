/*
 * The browser client, served below the server's own path
 *
 *     GET /socket.io/socket.io.min.js      (Socket.IO's "serveClient")
 *
 * The eight files of its build are served and no others, so the option may name
 * a folder with other things in it. What was compressed is kept, a form for
 * each file and encoding, until the file changes.
 */
#define _GNU_SOURCE /* O_CLOEXEC, O_NOFOLLOW, st_mtim, realpath */

#include "transport/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/coding.h"
#include "base/deflate.h"
#include "base/mem.h"
#include "transport/lws.h"

#define CLIENT_MAX (8 << 20)   /* bytes of one file */
#define COMPRESS_MAX (1 << 20) /* of one that is compressed: it takes time */
#define READ_TRIES 3           /* of a file that changes meanwhile */
#define TAG_MAX 80

static const char *const client_files[] = {
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
};

#define CLIENT_FILES (sizeof(client_files) / sizeof(client_files[0]))

/* A file in some encoding. */
struct form {
    char tag[TAG_MAX]; /* of the file it was made from; "": there is none */
    char *data;
    size_t len;
};

struct skio__client_cache {
    struct form forms[CLIENT_FILES][SKIO__CODING_COUNT];
};

/* What of a file goes out. */
struct contents {
    char tag[TAG_MAX];
    char *data;
    size_t len;
    enum skio__coding encoding;
    bool is_kept; /* data is the cache's */
};

void
skio__client_free(struct skio__lws *transport)
{
    struct skio__client_cache *cache = transport->client_cache;

    for (size_t i = 0; cache != NULL && i < CLIENT_FILES; i++)
        for (int e = 0; e < SKIO__CODING_COUNT; e++)
            skio__mem_free(transport->mem, cache->forms[i][e].data);
    skio__mem_free(transport->mem, cache);
    transport->client_cache = NULL;
}

/* Which of the files a path names, or -1. */
static int
find_file(const skio_server_options *options, const char *path)
{
    size_t len = strlen(options->path);

    while (len > 0 && options->path[len - 1] == '/')
        len--;
    if (strncmp(path, options->path, len) != 0 || path[len] != '/')
        return -1;
    for (size_t i = 0; i < CLIENT_FILES; i++)
        if (strcmp(path + len + 1, client_files[i]) == 0)
            return (int)i;
    return -1;
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

/* ---- The file ---- */

/* Open what a symbolic link leads to, when that is in the folder. */
static int
open_link(const char *folder, const char *path)
{
    char real_folder[PATH_MAX];
    char real_path[PATH_MAX];
    size_t len;

    if (realpath(folder, real_folder) == NULL ||
        realpath(path, real_path) == NULL)
        return -1;
    len = strlen(real_folder);
    if (strncmp(real_path, real_folder, len) != 0 || real_path[len] != '/')
        return -1;
    return open(real_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
}

/* Returns a descriptor of a regular file, or -1. */
static int
open_file(const char *folder, const char *name, struct stat *st)
{
    char path[PATH_MAX];
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >=
        (int)sizeof(path))
        return -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0 && errno == ELOOP)
        fd = open_link(folder, path);
    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
        st->st_size <= CLIENT_MAX)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void
make_tag(char tag[TAG_MAX], const struct stat *st)
{
    snprintf(tag, TAG_MAX, "%llx-%llx%09lx", (unsigned long long)st->st_size,
             (unsigned long long)st->st_mtim.tv_sec,
             (unsigned long)st->st_mtim.tv_nsec);
}

static bool
read_all(int fd, char *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(fd, data + done, len - done, (off_t)done);

        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* The file as it is at one moment: read again when it changes meanwhile. */
static int
read_file(struct skio__lws *transport, int fd, struct stat *st,
          struct contents *contents)
{
    for (int i = 0; i < READ_TRIES; i++) {
        char after[TAG_MAX];

        if (st->st_size > CLIENT_MAX)
            return SKIO_EIO;
        contents->len = (size_t)st->st_size;
        contents->data = skio__mem_alloc(transport->mem, contents->len + 1);
        if (contents->data == NULL)
            return SKIO_ENOMEM;
        make_tag(contents->tag, st);
        if (read_all(fd, contents->data, contents->len) && fstat(fd, st) == 0) {
            make_tag(after, st);
            if (strcmp(after, contents->tag) == 0)
                return SKIO_OK;
        } else if (fstat(fd, st) != 0) {
            i = READ_TRIES;
        }
        skio__mem_free(transport->mem, contents->data);
        contents->data = NULL;
    }
    return SKIO_EIO;
}

/* ---- Its forms ---- */

static struct form *
form_of(struct skio__lws *transport, int file, enum skio__coding encoding)
{
    if (transport->client_cache == NULL)
        transport->client_cache =
            skio__mem_calloc(transport->mem, 1,
                             sizeof(*transport->client_cache));
    return transport->client_cache != NULL
               ? &transport->client_cache->forms[file][encoding]
               : NULL;
}

static void
use_form(struct contents *contents, const struct form *form,
         enum skio__coding encoding)
{
    memcpy(contents->tag, form->tag, sizeof(contents->tag));
    contents->data = form->data;
    contents->len = form->len;
    contents->encoding = encoding;
    contents->is_kept = true;
}

/* Put it in the encoding's form; without memory for that it goes out as it
 * is. */
static void
compress_contents(struct skio__lws *transport, struct form *form,
                  enum skio__coding encoding, struct contents *contents)
{
    const struct skio__deflate_settings settings = {
        .format = encoding == SKIO__CODING_GZIP ? SKIO__DEFLATE_GZIP
                                                : SKIO__DEFLATE_ZLIB,
        .level = 6,
        .window_bits = SKIO__DEFLATE_BITS_MAX,
        .mem_level = 8,
    };
    struct skio__deflater *deflater;
    struct skio__buf out;
    int err;

    if (contents->len > COMPRESS_MAX)
        return;
    deflater = skio__deflater_new(transport->mem, &settings);
    if (deflater == NULL)
        return;
    skio__buf_init(&out, transport->mem);
    err = skio__deflater_run(deflater, contents->data, contents->len, SIZE_MAX,
                             &out);
    skio__deflater_free(deflater);
    if (err != SKIO_OK) {
        skio__buf_deinit(&out);
        return;
    }
    skio__mem_free(transport->mem, form->data);
    form->data = skio__buf_steal(&out, &form->len);
    memcpy(form->tag, contents->tag, sizeof(form->tag));
    skio__mem_free(transport->mem, contents->data);
    use_form(contents, form, encoding);
}

/* Returns SKIO_OK, or the reason why there is nothing to send. */
static int
load(struct skio__lws *transport, int file, enum skio__coding encoding,
     struct contents *contents)
{
    const char *folder = transport->options->client_dir;
    struct form *form = NULL;
    struct stat st;
    int fd = open_file(folder, client_files[file], &st);
    int err;

    if (fd < 0)
        return SKIO_ENOENT;
    if (encoding != SKIO__CODING_NONE)
        form = form_of(transport, file, encoding);
    make_tag(contents->tag, &st);
    if (form != NULL && strcmp(form->tag, contents->tag) == 0) {
        close(fd);
        use_form(contents, form, encoding);
        return SKIO_OK;
    }

    err = read_file(transport, fd, &st, contents);
    close(fd);
    if (err == SKIO_OK && form != NULL)
        compress_contents(transport, form, encoding, contents);
    return err;
}

/* ---- The response ---- */

/* Whether a list of If-None-Match has the tag, weak or strong, or is "*". */
static bool
has_tag(const char *list, const char *tag)
{
    size_t len = strlen(tag);

    if (list == NULL)
        return false;
    while (*list != '\0') {
        size_t item;

        list += strspn(list, ", \t");
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        item = strcspn(list, ", \t");
        if ((item == len && strncmp(list, tag, len) == 0) ||
            (item == 1 && *list == '*'))
            return true;
        list += item;
    }
    return false;
}

static void
respond(struct skio__conn *conn, const struct skio__head *head, int file,
        const struct contents *contents)
{
    const char *name = client_files[file];
    const char *origin =
        allowed_origin(conn->transport->options,
                       skio__request_find(&head->request, "origin"));
    bool is_map = strcmp(name + strlen(name) - 4, ".map") == 0;
    skio_header headers[5] = {{"Cache-Control", "public, max-age=0"}};
    skio_response response = {.status = 200, .headers = headers};
    char tag[TAG_MAX + 16];

    /* each encoding is another sequence of bytes, with a tag of its own */
    snprintf(tag, sizeof(tag), "\"%s%s%s\"", contents->tag,
             contents->encoding != SKIO__CODING_NONE ? "-" : "",
             contents->encoding != SKIO__CODING_NONE
                 ? skio__coding_name(contents->encoding)
                 : "");
    headers[1] = (skio_header){"ETag", tag};
    headers[2] =
        (skio_header){"Vary", origin != NULL ? "Accept-Encoding, Origin"
                                             : "Accept-Encoding"};
    response.header_count = 3;
    if (origin != NULL)
        headers[response.header_count++] =
            (skio_header){"Access-Control-Allow-Origin", origin};

    if (has_tag(skio__request_find(&head->request, "if-none-match"), tag)) {
        response.status = 304;
        skio__conn_respond(conn, &response);
        return;
    }
    if (contents->encoding != SKIO__CODING_NONE)
        headers[response.header_count++] =
            (skio_header){"Content-Encoding",
                          skio__coding_name(contents->encoding)};
    response.content_type = is_map ? "application/json; charset=utf-8"
                                   : "application/javascript; charset=utf-8";
    response.body = contents->data;
    response.body_len = contents->len;
    skio__conn_respond(conn, &response);
}

bool
skio__client_serve(struct skio__conn *conn, const struct skio__head *head)
{
    struct skio__lws *transport = conn->transport;
    const skio_request *request = &head->request;
    struct contents contents = {.encoding = SKIO__CODING_NONE};
    int file;
    int err;

    if (transport->options->client_dir == NULL ||
        (strcmp(request->method, "GET") != 0 &&
         strcmp(request->method, "HEAD") != 0))
        return false;
    file = find_file(transport->options, request->path);
    if (file < 0)
        return false;

    err = load(transport, file,
               skio__coding_choose(
                   skio__request_find(request, "accept-encoding")),
               &contents);
    if (err == SKIO_OK)
        respond(conn, head, file, &contents);
    else
        skio__conn_refuse(conn, err == SKIO_ENOENT ? 404 : 503, NULL);
    /* the conn may be gone */
    if (!contents.is_kept)
        skio__mem_free(transport->mem, contents.data);
    return true;
}
