/*
 * base/err: every code has a name and a text, and the values never change
 */
#include <socketio/base.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* A second copy, on purpose: an installed program has these values in it. */
static const struct {
    int value;
    const char *name;
} codes[] = {
    {0, "SKIO_OK"},        {-1, "SKIO_ENOMEM"},  {-2, "SKIO_EINVAL"},
    {-3, "SKIO_EPROTO"},   {-4, "SKIO_ECLOSED"}, {-5, "SKIO_ETIMEDOUT"},
    {-6, "SKIO_ENOBUFS"},  {-7, "SKIO_ELIMIT"},  {-8, "SKIO_ENOENT"},
    {-9, "SKIO_ETYPE"},    {-10, "SKIO_ERANGE"}, {-11, "SKIO_EBUSY"},
    {-12, "SKIO_ETOOBIG"}, {-13, "SKIO_EUTF8"},  {-14, "SKIO_EADDRINUSE"},
    {-15, "SKIO_EACCES"},  {-16, "SKIO_EIO"},    {-17, "SKIO_ENOTSUP"},
    {-18, "SKIO_ETHREAD"},
};

#define N_CODES (sizeof(codes) / sizeof(codes[0]))

static void
codes_keep_their_values(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_CODES; i++)
        assert_string_equal(skio_err_name(codes[i].value), codes[i].name);
}

static void
each_code_has_a_text_of_its_own(void **state)
{
    size_t i;
    size_t k;

    (void)state;
    for (i = 0; i < N_CODES; i++) {
        const char *text = skio_strerror(codes[i].value);

        assert_non_null(text);
        assert_true(strlen(text) > 0);
        assert_string_not_equal(text, skio_strerror(1));
        for (k = 0; k < i; k++)
            assert_string_not_equal(text, skio_strerror(codes[k].value));
    }
    assert_string_equal(skio_strerror(SKIO_ENOMEM), "out of memory");
}

static void
unknown_codes_are_described_too(void **state)
{
    static const int unknown[] = {1, 42, -19, -1000, INT32_MIN, INT32_MAX};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_string_equal(skio_strerror(unknown[i]), "unknown error");
        assert_string_equal(skio_err_name(unknown[i]), "SKIO_E?");
    }
}

static void
the_version_is_the_one_compiled_against(void **state)
{
    (void)state;
    assert_string_equal(skio_version(), SKIO_VERSION);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_keep_their_values),
        cmocka_unit_test(each_code_has_a_text_of_its_own),
        cmocka_unit_test(unknown_codes_are_described_too),
        cmocka_unit_test(the_version_is_the_one_compiled_against),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
