/*
 * What the engine reads of headers and queries
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engineio/fields.h"
#include "engineio/request.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char block[] =
    "host\0a.example\0origin\0https://a.example\0user-agent\0agent\0"
    "content-type\0text/plain\0accept-encoding\0gzip\0"
    "sec-websocket-extensions\0permessage-deflate\0"
    "access-control-request-headers\0x-a\0host\0b.example\0x-empty\0\0"
    "hosu\0other\0Origin\0upper\0\0nameless";

/* Read a block that ends where malloc's memory does. */
static struct eio_fields
read_headers(const char *data, size_t len)
{
    char *copy = malloc(len + (len == 0));
    const skio_request request = {.headers = copy, .headers_len = len};
    struct eio_fields fields;

    assert_non_null(copy);
    memcpy(copy, data, len);
    skio__fields_read_headers(&fields, &request);
    for (size_t i = 0; i < EIO_FIELD_COUNT; i++) {
        if (fields.headers[i] != NULL)
            fields.headers[i] = data + (fields.headers[i] - copy);
    }
    free(copy);
    return fields;
}

static void
headers_are_read_by_name(void **state)
{
    struct eio_fields fields = read_headers(block, sizeof block);

    (void)state;
    assert_int_equal(fields.header_count, 12);
    assert_string_equal(fields.headers[EIO_FIELD_HOST], "a.example");
    assert_string_equal(fields.headers[EIO_FIELD_ORIGIN], "https://a.example");
    assert_string_equal(fields.headers[EIO_FIELD_USER_AGENT], "agent");
    assert_string_equal(fields.headers[EIO_FIELD_CONTENT_TYPE], "text/plain");
    assert_string_equal(fields.headers[EIO_FIELD_ACCEPT_ENCODING], "gzip");
    assert_string_equal(fields.headers[EIO_FIELD_EXTENSIONS],
                        "permessage-deflate");
    assert_string_equal(fields.headers[EIO_FIELD_ASKED], "x-a");
}

static void
headers_that_are_absent_are_null(void **state)
{
    struct eio_fields fields = read_headers("hosu\0a\0uest\0b\0", 14);
    skio_request none = {.headers = NULL};

    (void)state;
    assert_int_equal(fields.header_count, 2);
    for (size_t i = 0; i < EIO_FIELD_COUNT; i++)
        assert_null(fields.headers[i]);

    memset(&fields, 0xff, sizeof fields);
    skio__fields_read_headers(&fields, &none);
    assert_int_equal(fields.header_count, 0);
    for (size_t i = 0; i < EIO_FIELD_COUNT; i++)
        assert_null(fields.headers[i]);
}

/* At each length it says what a search for one name says. */
static void
a_block_that_is_cut_off_is_not_read_past(void **state)
{
    static const char *const names[EIO_FIELD_COUNT] =
        {"host",
         "origin",
         "user-agent",
         "content-type",
         "accept-encoding",
         "sec-websocket-extensions",
         "access-control-request-headers"};

    (void)state;
    for (size_t len = 0; len <= sizeof block; len++) {
        struct eio_fields fields = read_headers(block, len);
        size_t nuls = 0;

        for (size_t i = 0; i < len; i++)
            nuls += block[i] == '\0';
        assert_int_equal(fields.header_count, nuls / 2);
        for (size_t i = 0; i < EIO_FIELD_COUNT; i++)
            assert_ptr_equal(fields.headers[i],
                             skio__headers_find(block, len, names[i]));
    }
}

static struct eio_fields
read_query(const char *query)
{
    const skio_request request = {.query = query};
    struct eio_fields fields;

    memset(&fields, 0xff, sizeof fields);
    skio__fields_read_query(&fields, &request);
    return fields;
}

static const char *const queries[] = {
    "",
    "EIO=4&transport=websocket",
    "EIO=4&transport=polling&t=OXk3&sid=lv_VI97HAXpY6yYWAAAC",
    "transport=polling&EIO=3",
    "EIO=3&EIO=4",
    "sid=first&sid=second&sid=",
    "sid",
    "sid&EIO",
    "sid=&EIO==4&transport=a=b",
    "&&EIO=4&&&sid=a&",
    "=4&=&=EIO",
    "eio=4&SID=a&Transport=polling",
    "EIOO=4&si=a&sidd=b&transports=c&ransport=d",
    "E%49O=4&%73%69%64=abc&%74%72%61%6e%73%70%6f%72%74=polling",
    "EIO%=4&%EIO=4&E%4=4&sid%00=a",
    "EIO=%34&sid=%61%62&transport=web%73ocket",
    "sid=a%2Bb&transport=polling%",
    "sid=%&EIO=%4&transport=%zz",
    "EI%4f=4&E%49O=5&EIO=6",
    "%45%49%4f%45%49%4f%45%49%4f%45%49%4f=4",
    "EIO=4%00&transport=polling%00",
};

/* What is read is what a search for the name finds and decodes. */
static void
parameters_are_those_that_a_search_finds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(queries); i++) {
        struct eio_fields fields = read_query(queries[i]);
        const struct {
            const char *name;
            const struct eio_parameter *read;
        } all[] = {{"EIO", &fields.protocol},
                   {"transport", &fields.transport},
                   {"sid", &fields.sid}};

        for (size_t n = 0; n < COUNT(all); n++) {
            char decoded[EIO_PARAMETER_MAX];
            char wanted[EIO_PARAMETER_MAX];
            ptrdiff_t wanted_len =
                skio__query_get(queries[i], all[n].name, wanted, sizeof wanted);
            const char *text;
            size_t len = 0;

            text = skio__parameter_text(all[n].read, decoded, &len);
            if (wanted_len < 0) {
                assert_null(text);
                assert_int_equal(all[n].read->len, 0);
            } else {
                assert_non_null(text);
                assert_int_equal(len, wanted_len);
                assert_memory_equal(text, wanted, len);
            }
        }
    }
}

static void
a_value_is_compared_decoded(void **state)
{
    static const struct {
        const char *query;
        bool is_polling;
    } cases[] = {
        {"transport=polling", true},
        {"transport=%70olling", true},
        {"transport=%70%6f%6C%6c%69%6e%67", true},
        {"transport=websocket&transport=polling", true},
        {"transport=polling&transport=websocket", false},
        {"transport=pollin", false},
        {"transport=pollingg", false},
        {"transport=Polling", false},
        {"transport=polling+", false},
        {"transport=polling%00", false},
        {"transport=", false},
        {"transport", false},
        {"", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct eio_fields fields = read_query(cases[i].query);

        assert_int_equal(skio__parameter_is(&fields.transport, "polling"),
                         cases[i].is_polling);
    }
}

static void
a_value_that_is_too_long_means_nothing(void **state)
{
    char query[4 + EIO_PARAMETER_MAX + 2] = "sid=";
    char decoded[EIO_PARAMETER_MAX];
    struct eio_fields fields;
    size_t len;

    (void)state;
    memset(query + 4, 'a', EIO_PARAMETER_MAX);
    query[4] = '%';
    fields = read_query(query);
    assert_ptr_equal(skio__parameter_text(&fields.sid, decoded, &len), decoded);
    assert_int_equal(len, EIO_PARAMETER_MAX - 2);

    query[4 + EIO_PARAMETER_MAX] = 'a';
    fields = read_query(query);
    assert_int_equal(fields.sid.len, EIO_PARAMETER_MAX + 1);
    assert_null(skio__parameter_text(&fields.sid, decoded, &len));
    assert_false(skio__parameter_is(&fields.sid, query + 4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_by_name),
        cmocka_unit_test(headers_that_are_absent_are_null),
        cmocka_unit_test(a_block_that_is_cut_off_is_not_read_past),
        cmocka_unit_test(parameters_are_those_that_a_search_finds),
        cmocka_unit_test(a_value_is_compared_decoded),
        cmocka_unit_test(a_value_that_is_too_long_means_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
