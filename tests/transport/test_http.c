/*
 * HTTP beside the sockets: endpoints and static mounts, over a real port
 */
#define _GNU_SOURCE /* mkdtemp, strcasestr */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <socketio/http.h>
#include <socketio/socketio.h>

#define BODY_MAX 100000

static skio_server *server;
static pthread_t thread;
static int result;
static uint16_t port;
static char folder[] = "/tmp/skio-http-XXXXXX";
static char big[300000];
static char out[400000];

/* ---- Endpoints ---- */

static skio_http *kept;
static int kept_result = 1;

static void
on_show(skio_http *request, void *user)
{
    const char *name = skio_http_query(request, "name");
    const char *header = skio_http_header(request, "x-some-header");

    assert_ptr_equal(user, &kept);
    assert_int_equal(skio_http_set_header(request, "X-Seen", "yes"), SKIO_OK);
    assert_int_equal(skio_http_set_header(request, "Bad\n", "x"), SKIO_EINVAL);
    assert_int_equal(skio_http_set_header(request, "X", "a\r\nb"), SKIO_EINVAL);
    assert_int_equal(skio_http_set_header(request, "", "x"), SKIO_EINVAL);
    skio_http_reply(request, 200,
                    "{'method':%s,'path':%s,'name':%s,'header':%s,"
                    "'address':%s}",
                    skio_http_method(request), skio_http_path(request), name,
                    header, skio_http_address(request));
}

static void
on_body(skio_http *request, void *user)
{
    skio_bytes body = skio_http_body(request);

    (void)user;
    skio_http_reply_bytes(request, 201, "text/x-back", body.data, body.len);
}

static void
on_json(skio_http *request, void *user)
{
    const skio_value *json = skio_http_json(request);

    (void)user;
    if (json == NULL)
        skio_http_reply(request, 400, "{'error':%s}", "no JSON");
    else
        skio_http_reply(request, 200, "{'to':%s}", skio_get_str(json, "user"));
}

static void
on_keep(skio_http *request, void *user)
{
    (void)user;
    kept = skio_http_take(request);
}

static void
on_release(skio_http *request, void *user)
{
    (void)user;
    if (kept != NULL)
        kept_result = skio_http_reply(kept, 200, "{'late':%hhd}", (bool)1);
    kept = NULL;
    skio_http_reply(request, 204, NULL);
}

static void
on_forget(skio_http *request, void *user)
{
    (void)request;
    (void)user;
}

static void
on_wrong(skio_http *request, void *user)
{
    (void)user;
    assert_int_equal(skio_http_reply(request, 999, NULL), SKIO_EINVAL);
}

static void
on_big(skio_http *request, void *user)
{
    (void)user;
    skio_http_reply_bytes(request, 200, "text/plain", big, sizeof(big));
}

static void
on_many_headers(skio_http *request, void *user)
{
    static char value[1000];
    int err = SKIO_OK;
    int count = 0;

    (void)user;
    memset(value, 'v', sizeof(value) - 1);
    while (err == SKIO_OK && count < 100) {
        err = skio_http_set_header(request, "X-Many", value);
        count++;
    }
    assert_int_equal(err, SKIO_ELIMIT);
    skio_http_reply(request, 200, "%d", count);
}

/* ---- Set up ---- */

static void *
run(void *arg)
{
    (void)arg;
    result = skio_run(server);
    return NULL;
}

static void
write_file(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int
start(void **state)
{
    skio_server_options options;

    (void)state;
    memset(big, 'b', sizeof(big));
    assert_non_null(mkdtemp(folder));
    write_file("index.html", "<h1>index</h1>");
    write_file("app.js", "run()");
    write_file("data.unknown", "data");

    skio_server_options_init(&options);
    options.max_http_buffer_size = BODY_MAX;
    options.close_timeout_ms = 500;
    options.body_timeout_ms = 700;
    assert_int_equal(skio_server_new(&server, &options), SKIO_OK);

    assert_int_equal(skio_http_on(server, "GET", "/show", on_show, &kept),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "GET", "/show/*", on_show, &kept),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "POST", "/body", on_body, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "PUT", "/body", on_body, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "DELETE", "/body", on_body, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "POST", "/json", on_json, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "POST", "/keep", on_keep, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "GET", "/release", on_release, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "GET", "/forget", on_forget, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "GET", "/wrong", on_wrong, NULL),
                     SKIO_OK);
    assert_int_equal(skio_http_on(server, "GET", "/big", on_big, NULL),
                     SKIO_OK);
    assert_int_equal(skio_mount(server, "/", folder, "index.html"), SKIO_OK);
    assert_int_equal(skio_listen(server, "127.0.0.1", 0), SKIO_OK);
    /* after listening as well */
    assert_int_equal(skio_http_on(server, "GET", "/many", on_many_headers,
                                  NULL),
                     SKIO_OK);
    port = skio_server_port(server);
    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    return 0;
}

static int
finish(void **state)
{
    static const char *const names[] = {"index.html", "app.js", "data.unknown"};
    char path[256];

    (void)state;
    skio_server_stop(server);
    pthread_join(thread, NULL);
    assert_int_equal(result, SKIO_OK);
    skio_server_free(server);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* ---- A client ---- */

static int
dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void
say(int fd, const char *text)
{
    size_t len = strlen(text);

    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* All that comes until the server closes; how much that was. */
static size_t
listen_to(int fd)
{
    size_t len = 0;
    ssize_t got;

    while ((got = recv(fd, out + len, sizeof(out) - len - 1, 0)) > 0)
        len += (size_t)got;
    out[len] = '\0';
    close(fd);
    return len;
}

/* "GET /path" or "POST /path" with a body, on a connection of its own. */
static const char *
ask(const char *target, const char *headers, const char *body)
{
    char text[2048];
    int fd = dial();

    if (body != NULL)
        snprintf(text, sizeof(text),
                 "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s"
                 "Content-Length: %zu\r\n\r\n%s",
                 target, headers, strlen(body), body);
    else
        snprintf(text, sizeof(text),
                 "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
                 target, headers);
    say(fd, text);
    listen_to(fd);
    return out;
}

static void
assert_status(const char *answer, int status)
{
    char line[32];

    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (strncmp(answer, line, strlen(line)) != 0)
        fail_msg("not %d: %.200s", status, answer);
}

static const char *
body_of(const char *answer)
{
    const char *at = strstr(answer, "\r\n\r\n");

    assert_non_null(at);
    return at + 4;
}

/* ---- Tests ---- */

static void
endpoint_sees_its_request(void **state)
{
    const char *answer = ask("GET /show?name=first&name=J%C3%BCrg+%26&x",
                             "X-Some-Header: v\r\n", NULL);

    (void)state;
    assert_status(answer, 200);
    assert_non_null(strstr(answer, "X-Seen: yes\r\n"));
    assert_null(strcasestr(answer, "\nserver:"));
    assert_string_equal(body_of(answer),
                        "{\"method\":\"GET\",\"path\":\"/show\","
                        "\"name\":\"J\xc3\xbcrg &\",\"header\":\"v\","
                        "\"address\":\"127.0.0.1\"}");
    answer = ask("GET /show/any/thing?name", "", NULL);
    assert_non_null(strstr(answer, "\"path\":\"/show/any/thing\","
                                   "\"name\":\"\",\"header\":null"));
}

static void
body_comes_whole_and_goes_back(void **state)
{
    (void)state;
    assert_status(ask("POST /body", "", "hello"), 201);
    assert_string_equal(body_of(out), "hello");
    assert_non_null(strstr(out, "Content-Type: text/x-back\r\n"));
    assert_status(ask("PUT /body", "", "put"), 201);
    assert_status(ask("DELETE /body", "", NULL), 201);
    assert_status(ask("POST /body", "", ""), 201);
    assert_status(ask("POST /body", "", NULL), 201);
    assert_string_equal(body_of(out), "");
}

static void
body_in_pieces_comes_whole(void **state)
{
    int fd = dial();

    (void)state;
    say(fd, "POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Length: 6\r\n\r\n");
    for (const char *at = "pieces"; *at != '\0'; at++) {
        struct timespec pause = {0, 20000000};

        assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
        nanosleep(&pause, NULL);
    }
    listen_to(fd);
    assert_status(out, 201);
    assert_string_equal(body_of(out), "pieces");
}

static void
body_that_stalls_ends_the_connection(void **state)
{
    int fd = dial();

    (void)state;
    say(fd, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
    assert_int_equal(listen_to(fd), 0);
}

static void
continue_is_said_to_who_waits_for_it(void **state)
{
    int fd = dial();

    (void)state;
    say(fd, "POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_true(recv(fd, out, sizeof(out), 0) > 0);
    assert_status(out, 100);
    say(fd, "ok");
    listen_to(fd);
    assert_status(out, 201);
}

static void
json_is_read_strictly(void **state)
{
    (void)state;
    assert_status(ask("POST /json", "", "{\"user\":\"ann\"}"), 200);
    assert_string_equal(body_of(out), "{\"to\":\"ann\"}");
    assert_status(ask("POST /json", "", "{\"user\":\"ann\"}x"), 400);
    assert_status(ask("POST /json", "", ""), 400);
}

static void
body_beyond_the_limit_is_refused(void **state)
{
    char text[256];
    int fd = dial();

    (void)state;
    snprintf(text, sizeof(text),
             "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nabc",
             BODY_MAX + 1);
    say(fd, text);
    listen_to(fd);
    assert_status(out, 413);
    assert_non_null(strstr(out, "Connection: close\r\n"));
}

static void
unknown_paths_and_methods_are_refused(void **state)
{
    (void)state;
    assert_status(ask("POST /show", "", "x"), 405);
    assert_non_null(strstr(out, "Allow: GET\r\n"));
    assert_status(ask("GET /body", "", NULL), 405);
    assert_non_null(strstr(out, "Allow: POST, PUT, DELETE\r\n"));
    assert_status(ask("DELETE /nothing", "", NULL), 404);
}

static void
handler_without_a_reply_is_an_error(void **state)
{
    (void)state;
    assert_status(ask("GET /forget", "", NULL), 500);
    assert_status(ask("GET /wrong", "", NULL), 500);
}

static void
reply_may_come_later(void **state)
{
    int fd = dial();

    (void)state;
    say(fd, "POST /keep HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Length: 1\r\n\r\nx");
    while (strncmp(ask("GET /release", "", NULL), "HTTP/1.1 204 ", 13) == 0 &&
           kept_result != SKIO_OK)
        continue;
    assert_int_equal(kept_result, SKIO_OK);
    listen_to(fd);
    assert_status(out, 200);
    assert_string_equal(body_of(out), "{\"late\":true}");
}

static void
reply_to_who_has_gone_says_so(void **state)
{
    struct timespec pause = {0, 100000000};
    int fd = dial();

    (void)state;
    kept_result = 1;
    say(fd, "POST /keep HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    nanosleep(&pause, NULL);
    close(fd);
    nanosleep(&pause, NULL);
    assert_status(ask("GET /release", "", NULL), 204);
    assert_int_equal(kept_result, SKIO_ECLOSED);
}

static void
long_reply_arrives_whole(void **state)
{
    (void)state;
    assert_status(ask("GET /big", "", NULL), 200);
    assert_int_equal(strlen(body_of(out)), sizeof(big));
}

static void
head_gets_the_headers_alone(void **state)
{
    (void)state;
    assert_status(ask("HEAD /big", "", NULL), 200);
    assert_non_null(strstr(out, "Content-Length: 300000\r\n"));
    assert_string_equal(body_of(out), "");
}

static void
headers_of_a_reply_are_bounded(void **state)
{
    (void)state;
    assert_status(ask("GET /many", "", NULL), 200);
    assert_string_equal(body_of(out), "5");
}

static void
connection_is_kept_alive(void **state)
{
    int fd = dial();

    (void)state;
    for (int i = 0; i < 3; i++) {
        ssize_t got;

        say(fd,
            "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
        got = recv(fd, out, sizeof(out) - 1, 0);
        assert_true(got > 0);
        out[got] = '\0';
        assert_status(out, 201);
        assert_non_null(strstr(out, "Connection: keep-alive\r\n"));
    }
    close(fd);
}

static void
registration_is_checked(void **state)
{
    skio_server *other;

    (void)state;
    assert_int_equal(skio_server_new(&other, NULL), SKIO_OK);
    assert_int_equal(skio_http_on(other, "BREW", "/x", on_big, NULL),
                     SKIO_EINVAL);
    assert_int_equal(skio_http_on(other, "GET", "x", on_big, NULL),
                     SKIO_EINVAL);
    assert_int_equal(skio_http_on(other, "GET", "/x", on_big, NULL), SKIO_OK);
    assert_int_equal(skio_http_on(other, "GET", "/x", on_big, NULL),
                     SKIO_EBUSY);
    assert_int_equal(skio_http_on(other, "GET", "/x/*", on_big, NULL), SKIO_OK);
    assert_int_equal(skio_mount(other, "/m", "/nonexistent", "index.html"),
                     SKIO_ENOENT);
    assert_int_equal(skio_mount(other, "m", "/tmp", "index.html"), SKIO_EINVAL);
    assert_int_equal(skio_mount(server, "/m", "/tmp", "index.html"),
                     SKIO_EBUSY);
    skio_server_free(other);
}

static void
mount_serves_files_with_their_types(void **state)
{
    (void)state;
    assert_status(ask("GET /", "", NULL), 200);
    assert_string_equal(body_of(out), "<h1>index</h1>");
    assert_non_null(strcasestr(out, "content-type: text/html"));
    assert_null(strcasestr(out, "\nserver:"));
    assert_status(ask("GET /app.js", "", NULL), 200);
    assert_non_null(strcasestr(out, "javascript"));
    assert_status(ask("GET /data.unknown", "", NULL), 200);
    assert_non_null(strcasestr(out, "application/octet-stream"));
    assert_status(ask("GET /nothing.js", "", NULL), 404);
}

static void
mount_saves_sending_what_is_known(void **state)
{
    char header[128];
    char *tag;

    (void)state;
    assert_status(ask("GET /app.js", "", NULL), 200);
    tag = strcasestr(out, "etag: ");
    assert_non_null(tag);
    tag += 6;
    snprintf(header, sizeof(header), "If-None-Match: %.*s\r\n",
             (int)strcspn(tag, "\r"), tag);
    assert_status(ask("GET /app.js", header, NULL), 304);
}

static void
mount_does_not_leave_its_folder(void **state)
{
    static const char *const targets[] = {
        "GET /../../etc/passwd",         "GET /..%2f..%2fetc/passwd",
        "GET /%2e%2e/%2e%2e/etc/passwd", "GET //etc/passwd",
        "GET /./../../../etc/passwd",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        ask(targets[i], "", NULL);
        assert_null(strstr(out, "root:"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoint_sees_its_request),
        cmocka_unit_test(body_comes_whole_and_goes_back),
        cmocka_unit_test(body_in_pieces_comes_whole),
        cmocka_unit_test(body_that_stalls_ends_the_connection),
        cmocka_unit_test(continue_is_said_to_who_waits_for_it),
        cmocka_unit_test(json_is_read_strictly),
        cmocka_unit_test(body_beyond_the_limit_is_refused),
        cmocka_unit_test(unknown_paths_and_methods_are_refused),
        cmocka_unit_test(handler_without_a_reply_is_an_error),
        cmocka_unit_test(reply_may_come_later),
        cmocka_unit_test(reply_to_who_has_gone_says_so),
        cmocka_unit_test(long_reply_arrives_whole),
        cmocka_unit_test(head_gets_the_headers_alone),
        cmocka_unit_test(headers_of_a_reply_are_bounded),
        cmocka_unit_test(connection_is_kept_alive),
        cmocka_unit_test(registration_is_checked),
        cmocka_unit_test(mount_serves_files_with_their_types),
        cmocka_unit_test(mount_saves_sending_what_is_known),
        cmocka_unit_test(mount_does_not_leave_its_folder),
    };

    return cmocka_run_group_tests_name("http", tests, start, finish);
}
