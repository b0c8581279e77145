/*
 * Requests that are passed on: messages and bytes, whole, cut and damaged
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "adapter/redis_forward_wire.h"
#include "base/mem.h"

static const char tag[] = "abcdEF-_";

static void
put_request(struct skio__buf *out)
{
    const skio_request request = {
        .method = "POST",
        .path = "/socket.io/?sid=x",
        .query = "sid=x",
        .headers = "host\0h\0a\0\0",
        .headers_len = 10,
        .address = "192.0.2.1",
        .secure = true,
    };

    skio__buf_init(out, skio__mem_default());
    assert_int_equal(skio__forward_put_request(out, UINT64_MAX, tag, &request,
                                               "4\0x", 3),
                     SKIO_OK);
}

static void
put_response(struct skio__buf *out)
{
    static const skio_header headers[] = {{"A", "b c"}, {"Vary", ""}};
    const skio_response response = {
        .status = 200,
        .content_type = "text/plain",
        .headers = headers,
        .header_count = 2,
        .body = "ok\0",
        .body_len = 3,
        .close = true,
    };

    skio__buf_init(out, skio__mem_default());
    assert_int_equal(skio__forward_put_response(out, 7, tag, &response),
                     SKIO_OK);
}

static int
read_message(struct skio__forward_message *message, const struct skio__buf *buf)
{
    return skio__forward_read(message, skio__mem_default(), buf->data,
                              buf->len);
}

static void
a_request_is_read_as_it_was_written(void **state)
{
    struct skio__forward_message message;
    struct skio__buf buf;

    (void)state;
    put_request(&buf);
    assert_int_equal(read_message(&message, &buf), SKIO_OK);
    assert_int_equal(message.type, SKIO__FORWARD_REQUEST);
    assert_true(message.id == UINT64_MAX);
    assert_string_equal(message.from, tag);
    assert_string_equal(message.request.method, "POST");
    assert_string_equal(message.request.path, "/socket.io/");
    assert_string_equal(message.request.query, "sid=x");
    assert_string_equal(message.request.address, "192.0.2.1");
    assert_true(message.request.secure);
    assert_false(message.request.upgrade);
    assert_int_equal(message.request.headers_len, 10);
    assert_memory_equal(message.request.headers, "host\0h\0a\0\0", 10);
    assert_int_equal(message.body_len, 3);
    assert_memory_equal(message.body, "4\0x", 3);
    skio__forward_deinit_message(&message);
    skio__buf_deinit(&buf);
}

static void
a_response_is_read_as_it_was_written(void **state)
{
    struct skio__forward_message message;
    struct skio__buf buf;

    (void)state;
    put_response(&buf);
    assert_int_equal(read_message(&message, &buf), SKIO_OK);
    assert_int_equal(message.type, SKIO__FORWARD_RESPONSE);
    assert_int_equal(message.id, 7);
    assert_int_equal(message.response.status, 200);
    assert_string_equal(message.response.content_type, "text/plain");
    assert_int_equal(message.response.header_count, 2);
    assert_string_equal(message.response.headers[0].value, "b c");
    assert_string_equal(message.response.headers[1].name, "Vary");
    assert_string_equal(message.response.headers[1].value, "");
    assert_int_equal(message.response.body_len, 3);
    assert_true(message.response.close);
    skio__forward_deinit_message(&message);
    skio__buf_deinit(&buf);
}

static void
no_answer_is_wanted_is_read_as_it_was_written(void **state)
{
    struct skio__forward_message message;
    struct skio__buf buf;

    (void)state;
    skio__buf_init(&buf, skio__mem_default());
    assert_int_equal(skio__forward_put_abandon(&buf, 300, tag), SKIO_OK);
    assert_int_equal(read_message(&message, &buf), SKIO_OK);
    assert_int_equal(message.type, SKIO__FORWARD_ABANDON);
    assert_int_equal(message.id, 300);
    skio__forward_deinit_message(&message);
    skio__buf_deinit(&buf);
}

static void
a_message_that_is_cut_or_goes_on_is_refused(void **state)
{
    void (*const put[])(struct skio__buf *) = {put_request, put_response};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct skio__forward_message message;
        struct skio__buf buf;

        put[i](&buf);
        assert_int_equal(skio__buf_putc(&buf, '\0'), SKIO_OK);
        for (size_t len = 0; len <= buf.len; len++) {
            int err = skio__forward_read(&message, skio__mem_default(),
                                         buf.data, len);

            assert_int_equal(err, len == buf.len - 1 ? SKIO_OK : SKIO_EPROTO);
            skio__forward_deinit_message(&message);
        }
        skio__buf_deinit(&buf);
    }
}

/* Whatever a byte becomes: texts stay clean, and within their bounds. */
static void
a_damaged_message_is_refused_or_clean(void **state)
{
    void (*const put[])(struct skio__buf *) = {put_request, put_response};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct skio__forward_message message;
        struct skio__buf buf;

        put[i](&buf);
        for (size_t at = 0; at < buf.len; at++) {
            char whole = buf.data[at];

            for (int byte = 0; byte < 256; byte++) {
                buf.data[at] = (char)byte;
                if (read_message(&message, &buf) == SKIO_OK &&
                    message.type == SKIO__FORWARD_RESPONSE) {
                    const skio_response *response = &message.response;

                    assert_in_range(response->status, 200, 599);
                    for (size_t h = 0; h < response->header_count; h++) {
                        assert_null(strpbrk(response->headers[h].name, "\r\n"));
                        assert_null(
                            strpbrk(response->headers[h].value, "\r\n"));
                    }
                }
                skio__forward_deinit_message(&message);
            }
            buf.data[at] = whole;
        }
        skio__buf_deinit(&buf);
    }
}

static void
headers_may_be_as_many_as_the_maximum(void **state)
{
    skio_header headers[SKIO__FORWARD_HEADERS_MAX + 1];
    skio_response response = {.status = 200, .headers = headers};

    (void)state;
    for (size_t i = 0; i <= SKIO__FORWARD_HEADERS_MAX; i++)
        headers[i] = (skio_header){"a", "b"};
    for (size_t more = 0; more < 2; more++) {
        struct skio__forward_message message;
        struct skio__buf buf;

        response.header_count = SKIO__FORWARD_HEADERS_MAX + more;
        skio__buf_init(&buf, skio__mem_default());
        assert_int_equal(skio__forward_put_response(&buf, 1, tag, &response),
                         SKIO_OK);
        assert_int_equal(read_message(&message, &buf),
                         more == 0 ? SKIO_OK : SKIO_EPROTO);
        skio__forward_deinit_message(&message);
        skio__buf_deinit(&buf);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_as_it_was_written),
        cmocka_unit_test(a_response_is_read_as_it_was_written),
        cmocka_unit_test(no_answer_is_wanted_is_read_as_it_was_written),
        cmocka_unit_test(a_message_that_is_cut_or_goes_on_is_refused),
        cmocka_unit_test(a_damaged_message_is_refused_or_clean),
        cmocka_unit_test(headers_may_be_as_many_as_the_maximum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
