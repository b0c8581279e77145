/*
 * Tokens: keys, their limits and their rotation
 */
#include "unit/tokens.h"

static void
keys_have_their_limits(void **state)
{
    static char long_secret[1025];
    static char kid[130];
    struct bench bench;
    skio_token_key keys[SKIO_TOKEN_KEYS_MAX + 1];
    skio_tokens *tokens = NULL;

    (void)state;
    begin(&bench);
    memset(kid, 'k', sizeof kid - 1);
    for (size_t i = 0; i < SKIO_TOKEN_KEYS_MAX + 1; i++)
        keys[i] = hs256("k");
    assert_int_equal(skio_tokens_new(bench.server, NULL, keys, 0, &tokens),
                     SKIO_EINVAL);
    assert_int_equal(skio_tokens_new(bench.server, NULL, keys,
                                     SKIO_TOKEN_KEYS_MAX + 1, &tokens),
                     SKIO_EINVAL);
    assert_int_equal(skio_tokens_new(bench.server, NULL, keys,
                                     SKIO_TOKEN_KEYS_MAX, &tokens),
                     SKIO_OK);
    for (int wrong = 0; wrong < 9; wrong++) {
        skio_token_key key = hs256("k");

        switch (wrong) {
        case 0:
            key.key.len = 31;
            break;
        case 1:
            key.key = (skio_bytes){long_secret, 1025};
            break;
        case 2:
            key.algorithm = 0;
            break;
        case 3:
            key.algorithm = 3;
            break;
        case 4:
            key.kid = kid; /* 129 bytes */
            break;
        case 5:
            key.kid = "";
            break;
        case 6:
            key.key.data = NULL;
            break;
        case 7:
            key.algorithm = SKIO_TOKEN_EDDSA;
            key.key.len = 33;
            key.key.data = long_secret;
            break;
        default:
            key.struct_size = 0;
        }
        assert_int_equal(skio_tokens_new(bench.server, NULL, &key, 1, &tokens),
                         SKIO_EINVAL);
        assert_int_equal(skio_tokens_set_keys(tokens, &key, 1), SKIO_EINVAL);
    }
    keys[0].key = (skio_bytes){long_secret, 1024};
    keys[0].kid = kid + 1; /* 128 bytes */
    assert_int_equal(skio_tokens_set_keys(tokens, keys, 1), SKIO_OK);
    end(&bench);
}

/* A program of a later version has longer keys; of an earlier, shorter ones. */
static void
keys_of_other_sizes_are_read(void **state)
{
    struct {
        skio_token_key key;
        void *more;
    } later[2] = {{hs256("a"), NULL}, {hs256("b"), NULL}};
    skio_token_key shorter = hs256(NULL);
    struct bench bench;
    skio_tokens *tokens;
    char text[256];

    (void)state;
    begin(&bench);
    later[0].key.struct_size = later[1].key.struct_size = sizeof later[0];
    assert_int_equal(skio_tokens_new(bench.server, NULL, &later[0].key, 2,
                                     &tokens),
                     SKIO_OK);
    sign(&bench, &later[1].key, text, sizeof text);
    assert_fault(tokens, text, SKIO_TOKEN_FAULT_NONE);
    later[1].key.struct_size--;
    assert_int_equal(skio_tokens_set_keys(tokens, &later[0].key, 2),
                     SKIO_EINVAL);
    shorter.struct_size = offsetof(skio_token_key, key);
    assert_int_equal(skio_tokens_set_keys(tokens, &shorter, 1), SKIO_EINVAL);
    end(&bench);
}

static void
keys_are_rotated(void **state)
{
    static const char other[] = "fedcba9876543210fedcba9876543210";
    struct bench bench;
    skio_token_key old = hs256("old");
    skio_token_key new = hs256("new");
    skio_token_key both[2];
    skio_token_key nameless = hs256(NULL);
    skio_tokens *tokens;
    char by_old[256];
    char by_new[256];
    char unnamed[256];

    (void)state;
    begin(&bench);
    new.key.data = other;
    both[0] = old;
    both[1] = new;
    sign(&bench, &old, by_old, sizeof by_old);
    sign(&bench, &new, by_new, sizeof by_new);
    sign(&bench, &nameless, unnamed, sizeof unnamed);

    tokens = new_tokens(&bench, NULL, &old);
    assert_fault(tokens, by_old, SKIO_TOKEN_FAULT_NONE);
    assert_fault(tokens, by_new, SKIO_TOKEN_FAULT_KEY);
    assert_int_equal(skio_tokens_set_keys(tokens, both, 2), SKIO_OK);
    assert_fault(tokens, by_old, SKIO_TOKEN_FAULT_NONE);
    assert_fault(tokens, by_new, SKIO_TOKEN_FAULT_NONE);
    /* Without a name each key of the algorithm is tried, in turn. */
    assert_fault(tokens, unnamed, SKIO_TOKEN_FAULT_NONE);
    assert_int_equal(skio_tokens_set_keys(tokens, &new, 1), SKIO_OK);
    assert_fault(tokens, by_old, SKIO_TOKEN_FAULT_KEY);
    assert_fault(tokens, by_new, SKIO_TOKEN_FAULT_NONE);
    assert_fault(tokens, unnamed, SKIO_TOKEN_FAULT_SIGNATURE);
    /* One that nobody has the name of is tried with those that have none. */
    assert_int_equal(skio_tokens_set_keys(tokens, &nameless, 1), SKIO_OK);
    assert_fault(tokens, by_old, SKIO_TOKEN_FAULT_NONE);
    assert_fault(tokens, by_new, SKIO_TOKEN_FAULT_SIGNATURE);
    /* The right key of another name is not the one that was named. */
    old.kid = "new";
    assert_int_equal(skio_tokens_set_keys(tokens, &old, 1), SKIO_OK);
    assert_fault(tokens, by_new, SKIO_TOKEN_FAULT_SIGNATURE);
    end(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_their_limits),
        cmocka_unit_test(keys_of_other_sizes_are_read),
        cmocka_unit_test(keys_are_rotated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
