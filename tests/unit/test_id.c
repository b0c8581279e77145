/*
 * base/id: the shape of the reference server's session ids
 */
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <sodium.h>

/* Where the last three are 0 as in Node, whose counter stands there. */
static const struct {
    unsigned char random[SKIO__ID_RANDOM];
    uint32_t counter;
    const char *want;
} cases[] = {
    {{0}, 0, "AAAAAAAAAAAAAAAAAAAA"},
    {{0}, 1, "AAAAAAAAAAAAAAAAAAAB"},
    {{0}, 0x010203, "AAAAAAAAAAAAAAAAAQID"},
    {{0}, 0xffffff, "AAAAAAAAAAAAAAAA____"},
    {{0}, 0x1000001, "AAAAAAAAAAAAAAAAAAAB"},
    {{0xfb, 0xef, 0xbe, 0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff, 0, 1, 2},
     62,
     "----"
     "----"
     "____AAEC"
     "AAA-"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x0f, 0xff},
     0x0ff0ff,
     "AAAAAAAAAAAAAAAA__8A"},
    {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 0, "AQIDBAUGBwgJCgsMAAAA"},
};

static void
an_id_is_random_and_counter_in_base64url(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char id[SKIO__ID_LEN + 1];

        memset(id, '#', sizeof(id));
        skio__id_make(id, cases[i].random, cases[i].counter);
        assert_string_equal(id, cases[i].want);
        assert_int_equal(strlen(id), SKIO__ID_LEN);
    }
}

/* Whatever digit stands wherever. */
static void
an_id_is_what_libsodium_writes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        unsigned char bytes[SKIO__ID_RANDOM];
        char want[SKIO__ID_LEN + 1];
        char id[SKIO__ID_LEN + 1];

        for (unsigned k = 0; k < sizeof bytes; k++)
            bytes[k] = (unsigned char)(i + 67 * k);
        sodium_bin2base64(want, sizeof want, bytes, sizeof bytes,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        skio__id_make(id, bytes, 0);
        assert_string_equal(id, want);
    }
}

static void
the_counter_keeps_ids_apart(void **state)
{
    static const unsigned char same[SKIO__ID_RANDOM] = {7};
    char last[SKIO__ID_LEN + 1] = "";
    uint32_t i;

    (void)state;
    for (i = 0; i < 5000; i++) {
        char id[SKIO__ID_LEN + 1];

        skio__id_make(id, same, i);
        assert_string_not_equal(id, last);
        memcpy(last, id, sizeof(id));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_random_and_counter_in_base64url),
        cmocka_unit_test(an_id_is_what_libsodium_writes),
        cmocka_unit_test(the_counter_keeps_ids_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
