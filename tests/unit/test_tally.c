/*
 * transport/tally: open connections of each address
 */
#include "transport/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "unit/alloc.h"

struct fixture {
    struct test_alloc alloc;
    struct skio__tally tally;
};

static void
begin(struct fixture *f, uint32_t most, uint32_t prefix)
{
    skio_server_options options;

    skio_server_options_init(&options);
    options.max_tcp_connections_per_address = most;
    options.ipv6_prefix = prefix;
    test_alloc_init(&f->alloc);
    skio__tally_init(&f->tally, &f->alloc.allocator, &options);
}

static void
end(struct fixture *f)
{
    skio__tally_deinit(&f->tally);
    assert_int_equal(f->alloc.live, 0);
}

static struct in6_addr
address(const char *text)
{
    struct in6_addr out;

    assert_int_equal(inet_pton(AF_INET6, text, &out), 1);
    return out;
}

static int
enter(struct fixture *f, const char *text)
{
    struct in6_addr from = address(text);

    return skio__tally_enter(&f->tally, &from);
}

static void
leave(struct fixture *f, const char *text)
{
    struct in6_addr from = address(text);

    skio__tally_leave(&f->tally, &from);
}

static void
an_address_has_its_most_and_no_more(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 3, 64);
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(&f, "::ffff:192.0.2.1"), SKIO_OK);
    assert_int_equal(enter(&f, "::ffff:192.0.2.1"), SKIO_ELIMIT);
    assert_int_equal(enter(&f, "::ffff:192.0.2.2"), SKIO_OK);
    leave(&f, "::ffff:192.0.2.1");
    assert_int_equal(enter(&f, "::ffff:192.0.2.1"), SKIO_OK);
    assert_int_equal(enter(&f, "::ffff:192.0.2.1"), SKIO_ELIMIT);
    for (int i = 0; i < 3; i++)
        leave(&f, "::ffff:192.0.2.1");
    leave(&f, "::ffff:192.0.2.2");
    end(&f);
}

static void
an_ipv6_network_is_one_address(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, 64);
    assert_int_equal(enter(&f, "2001:db8:1:2::1"), SKIO_OK);
    assert_int_equal(enter(&f, "2001:db8:1:2:ffff:ffff:ffff:ffff"), SKIO_OK);
    assert_int_equal(enter(&f, "2001:db8:1:2::3"), SKIO_ELIMIT);
    assert_int_equal(enter(&f, "2001:db8:1:3::1"), SKIO_OK);
    leave(&f, "2001:db8:1:2:8000::"); /* whichever of them it was */
    leave(&f, "2001:db8:1:2::1");
    leave(&f, "2001:db8:1:3::1");
    end(&f);
}

static void
the_length_of_the_network_is_an_option(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 128);
    assert_int_equal(enter(&f, "2001:db8::1"), SKIO_OK);
    assert_int_equal(enter(&f, "2001:db8::2"), SKIO_OK);
    assert_int_equal(enter(&f, "2001:db8::2"), SKIO_ELIMIT);
    leave(&f, "2001:db8::1");
    leave(&f, "2001:db8::2");
    end(&f);
}

/* Whose first 64 bits are those of all IPv4 addresses. */
static void
ipv4_addresses_are_no_network(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 16);
    assert_int_equal(enter(&f, "::ffff:192.0.2.1"), SKIO_OK);
    assert_int_equal(enter(&f, "::ffff:192.0.2.2"), SKIO_OK);
    assert_int_equal(enter(&f, "::1"), SKIO_OK);
    leave(&f, "::ffff:192.0.2.1");
    leave(&f, "::ffff:192.0.2.2");
    leave(&f, "::1");
    end(&f);
}

static void
who_is_left_is_forgotten_with_it(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 2, 64);
    assert_int_equal(enter(&f, "2001:db8::1"), SKIO_OK);
    assert_int_equal(enter(&f, "2001:db8::1"), SKIO_OK);
    assert_int_equal(enter(&f, "::1"), SKIO_OK);
    end(&f);
}

static void
nothing_is_counted_without_memory(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 1, 64);
    for (size_t n = 1; n < 10; n++) {
        int err;

        test_alloc_fail(&f.alloc, n);
        err = enter(&f, "2001:db8::1");
        test_alloc_fail(&f.alloc, 0);
        if (err == SKIO_OK) {
            assert_true(n > 1);
            leave(&f, "2001:db8::1");
            end(&f);
            return;
        }
        assert_int_equal(err, SKIO_ENOMEM);
        assert_int_equal(f.alloc.live, 0);
    }
    fail_msg("it asks for memory without end");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_its_most_and_no_more),
        cmocka_unit_test(an_ipv6_network_is_one_address),
        cmocka_unit_test(the_length_of_the_network_is_an_option),
        cmocka_unit_test(ipv4_addresses_are_no_network),
        cmocka_unit_test(who_is_left_is_forgotten_with_it),
        cmocka_unit_test(nothing_is_counted_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
