/*
 * Tokens: the vectors of the RFCs, every cut and every flipped bit, options
 */
#include "unit/tokens.h"

/* RFC 7515, appendix A.1. */
static const char rfc7515_token[] =
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
    "bS9pc19yb290Ijp0cnVlfQ"
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
static const char rfc7515_key[] =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuT"
    "wjAzZr1Z9CAow";

/* RFC 8037, appendix A: the private key, and what was signed. */
static const char rfc8037_d[] = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
static const char rfc8037_token[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7s"
    "VvpAr_MuM0KAg";

/* ---- The vectors ---- */

static void
the_vector_of_rfc7515_is_good(void **state)
{
    unsigned char bytes[128];
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_token *token;
    skio_tokens *tokens;
    bool is_root = false;

    (void)state;
    begin(&bench);
    key.key = decode(rfc7515_key, bytes, sizeof bytes);
    assert_int_equal(key.key.len, 64);
    assert_int_equal(skio_token_verify(&key, rfc7515_token,
                                       strlen(rfc7515_token)),
                     SKIO_OK);
    tokens = new_tokens(&bench, NULL, &key);
    bench.wall = 1300819379999;
    assert_int_equal(skio_tokens_check(tokens, rfc7515_token,
                                       strlen(rfc7515_token), &token, NULL),
                     SKIO_OK);
    assert_string_equal(skio_get_str(skio_token_value(token), "iss"), "joe");
    assert_int_equal(skio_count(skio_token_value(token), ""), 3);
    assert_int_equal(skio_get_bool(skio_token_value(token), "root", &is_root),
                     SKIO_ENOENT);
    assert_null(skio_token_subject(token));
    assert_true(skio_token_expires(token) == 1300819380000 + 5000);
    skio_token_free(token);
    bench.wall = 1300819380000 + 4999;
    assert_fault(tokens, rfc7515_token, SKIO_TOKEN_FAULT_NONE);
    bench.wall++;
    assert_fault(tokens, rfc7515_token, SKIO_TOKEN_FAULT_EXPIRED);
    end(&bench);
}

static void
the_vector_of_rfc8037_is_good(void **state)
{
    unsigned char bytes[32];
    skio_token_key key = eddsa(NULL, decode(rfc8037_x, bytes, sizeof bytes));
    char text[sizeof rfc8037_token];
    struct bench bench;

    (void)state;
    assert_int_equal(skio_token_verify(&key, rfc8037_token,
                                       strlen(rfc8037_token)),
                     SKIO_OK);
    memcpy(text, rfc8037_token, sizeof text);
    text[30] = 'A';
    assert_int_equal(skio_token_verify(&key, text, strlen(text)), SKIO_EACCES);

    /* Its payload is no set of claims. */
    begin(&bench);
    assert_fault(new_tokens(&bench, NULL, &key), rfc8037_token,
                 SKIO_TOKEN_FAULT_CLAIMS);
    end(&bench);
}

/* Of a public key of small order anybody has signatures: with the neutral
 * element as the other point, and zero, every text fits it. */
static void
points_of_small_order_sign_nothing(void **state)
{
    static const unsigned char points[][32] = {
        {1}, /* the neutral element */
        {0}, /* of order 4 */
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    };
    unsigned char signature[64] = {1};
    char text[128] = "e30.e30.";

    (void)state;
    assert_non_null(sodium_bin2base64(text + 8, sizeof text - 8, signature,
                                      sizeof signature, VARIANT));
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        skio_token_key key = {.struct_size = sizeof key,
                              .algorithm = SKIO_TOKEN_EDDSA,
                              .key = {points[i], sizeof points[i]}};

        assert_int_equal(skio_token_verify(&key, text, strlen(text)),
                         SKIO_EACCES);
    }
}

static void
what_is_signed_is_good(void **state)
{
    unsigned char private_bytes[32];
    unsigned char public_bytes[32];
    skio_token_key mine =
        eddsa("k1", decode(rfc8037_d, private_bytes, sizeof private_bytes));
    skio_token_key theirs =
        eddsa("k1", decode(rfc8037_x, public_bytes, sizeof public_bytes));
    skio_token_key shared = hs256(NULL);
    struct bench bench;
    skio_tokens *tokens;
    skio_token *token;
    char text[512];
    int len;

    (void)state;
    begin(&bench);
    len = skio_token_sign(bench.server, &mine, text, sizeof text,
                          "{'sub':%s,'exp':%d}", "alice", 1000000060);
    assert_true(len > 0 && strlen(text) == (size_t)len);
    tokens = new_tokens(&bench, NULL, &theirs);
    assert_int_equal(skio_tokens_check(tokens, text, (size_t)len, &token, NULL),
                     SKIO_OK);
    assert_string_equal(skio_token_subject(token), "alice");
    skio_token_free(token);

    len = skio_token_sign(bench.server, &shared, text, sizeof text, "%-s",
                          "{\"sub\":\"bob\",\"exp\":1e9,\"a\":[1.50]}");
    assert_true(len > 0);
    tokens = new_tokens(&bench, NULL, &shared);
    assert_int_equal(skio_tokens_check(tokens, text, (size_t)len, &token, NULL),
                     SKIO_OK);
    assert_string_equal(skio_get_json(skio_token_value(token), "a"), "[1.50]");
    skio_token_free(token);

    /* There is room, or there is not: not by one. */
    char exact[512];
    memset(exact, 'x', sizeof exact);
    assert_int_equal(skio_token_sign(bench.server, &shared, exact, (size_t)len,
                                     "%-s",
                                     "{\"sub\":\"bob\",\"exp\":1e9,\"a\":[1.50]"
                                     "}"),
                     SKIO_ETOOBIG);
    assert_int_equal(exact[0], 'x');
    assert_int_equal(skio_token_sign(bench.server, &shared, exact,
                                     (size_t)len + 1, "%-s",
                                     "{\"sub\":\"bob\",\"exp\":1e9,\"a\":[1.50]"
                                     "}"),
                     len);
    assert_string_equal(exact, text);
    assert_int_equal(exact[len + 1], 'x');
    end(&bench);
}

static void
what_cannot_be_signed_is_told(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    char text[256];

    (void)state;
    begin(&bench);
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "[1]"),
                     SKIO_EINVAL);
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "{'a':"),
                     SKIO_EINVAL);
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "%-s", "{"),
                     SKIO_EINVAL);
    key.key.len = 31;
    assert_int_equal(skio_token_sign(bench.server, &key, text, sizeof text,
                                     "{}"),
                     SKIO_EINVAL);
    end(&bench);
}

/* ---- Damage ---- */

static void
no_part_of_a_token_will_do(void **state)
{
    struct bench bench;
    skio_tokens *tokens = begin_with_secret(&bench, NULL);
    char text[256];
    size_t len;

    (void)state;
    forge(text, sizeof text, good_header, good_claims);
    len = strlen(text);
    for (size_t cut = 0; cut < len; cut++) {
        /* What is behind the end is never read. */
        char *part = malloc(cut + 1);

        assert_non_null(part);
        memcpy(part, text, cut);
        assert_true(check(tokens, part, cut) != SKIO_TOKEN_FAULT_NONE);
        free(part);
        assert_true(check(tokens, text + cut + 1, len - cut - 1) !=
                    SKIO_TOKEN_FAULT_NONE);
    }
    assert_int_equal(check(tokens, text, 0), SKIO_TOKEN_FAULT_MISSING);
    assert_int_equal(check(tokens, NULL, 0), SKIO_TOKEN_FAULT_MISSING);
    assert_int_equal(check(tokens, text, len), SKIO_TOKEN_FAULT_NONE);
    end(&bench);
}

static void
flip_each_bit(skio_tokens *tokens, char *text)
{
    size_t len = strlen(text);

    for (size_t at = 0; at < len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            text[at] = (char)((unsigned char)text[at] ^ (1U << bit));
            assert_true(check(tokens, text, len) != SKIO_TOKEN_FAULT_NONE);
            text[at] = (char)((unsigned char)text[at] ^ (1U << bit));
        }
    }
    assert_int_equal(check(tokens, text, len), SKIO_TOKEN_FAULT_NONE);
}

static void
each_flipped_bit_is_noticed(void **state)
{
    unsigned char private_bytes[32];
    unsigned char public_bytes[32];
    skio_token_key mine =
        eddsa(NULL, decode(rfc8037_d, private_bytes, sizeof private_bytes));
    skio_token_key theirs =
        eddsa(NULL, decode(rfc8037_x, public_bytes, sizeof public_bytes));
    skio_token_key shared = hs256(NULL);
    struct bench bench;
    char text[256];

    (void)state;
    begin(&bench);
    sign(&bench, &mine, text, sizeof text);
    flip_each_bit(new_tokens(&bench, NULL, &theirs), text);
    sign(&bench, &shared, text, sizeof text);
    flip_each_bit(new_tokens(&bench, NULL, &shared), text);
    end(&bench);
}

static void
another_spelling_of_a_token_is_none(void **state)
{
    struct bench bench;
    skio_tokens *tokens = begin_with_secret(&bench, NULL);
    char text[256];
    char other[300];

    (void)state;
    forge(text, sizeof text, good_header, good_claims);
    for (int i = 0; i < 8; i++) {
        static const char *const around[][2] = {{"", "="},    {"", " "},
                                                {" ", ""},    {"", "\n"},
                                                {"", "."},    {".", ""},
                                                {"", ".e30"}, {"\"", "\""}};

        snprintf(other, sizeof other, "%s%s%s", around[i][0], text,
                 around[i][1]);
        assert_fault(tokens, other, SKIO_TOKEN_FAULT_MALFORMED);
    }
    assert_int_equal(check(tokens, "..", 2), SKIO_TOKEN_FAULT_MALFORMED);
    assert_int_equal(check(tokens, "e30.e30.", 8), SKIO_TOKEN_FAULT_MALFORMED);
    assert_int_equal(check(tokens, ".e30.e30", 8), SKIO_TOKEN_FAULT_MALFORMED);
    /* Signed with nothing, and with a signature of another length. */
    snprintf(other, sizeof other, "%s", text);
    *strrchr(other, '.') = '\0';
    snprintf(other + strlen(other), 8, ".AAAA");
    assert_fault(tokens, other, SKIO_TOKEN_FAULT_SIGNATURE);
    end(&bench);
}

static void
a_token_has_its_greatest_length(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens_options options;
    skio_tokens *tokens;
    char text[9000];
    size_t len;

    (void)state;
    begin(&bench);
    tokens = new_tokens(&bench, NULL, &key);
    memset(text, 'A', sizeof text);
    assert_int_equal(check(tokens, text, 8192), SKIO_TOKEN_FAULT_MALFORMED);
    assert_int_equal(check(tokens, text, 8193), SKIO_TOKEN_FAULT_TOO_LONG);

    forge(text, sizeof text, good_header, good_claims);
    len = strlen(text);
    skio_tokens_options_init(&options);
    options.max_bytes = (uint32_t)len;
    assert_int_equal(check(new_tokens(&bench, &options, &key), text, len),
                     SKIO_TOKEN_FAULT_NONE);
    options.max_bytes--;
    assert_int_equal(check(new_tokens(&bench, &options, &key), text, len),
                     SKIO_TOKEN_FAULT_TOO_LONG);
    end(&bench);
}

static void
options_have_their_ranges(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_tokens_options options;
    skio_tokens *tokens;

    (void)state;
    begin(&bench);
    for (int i = 0; i < 6; i++) {
        static const uint32_t leeway[] = {0, 3600000, 3600001, 0, 0, 0};
        static const uint32_t bytes[] = {64, 1000000, 8192, 63, 1000001, 0};

        skio_tokens_options_init(&options);
        options.leeway_ms = leeway[i];
        options.max_bytes = bytes[i];
        assert_int_equal(skio_tokens_new(bench.server, &options, &key, 1,
                                         &tokens),
                         i < 2 ? SKIO_OK : SKIO_EINVAL);
    }
    end(&bench);
}

static void
without_a_clock_no_token_is_good(void **state)
{
    struct bench bench;
    skio_token_key key = hs256(NULL);
    skio_token *token;
    char text[256];
    enum skio_token_fault fault;

    (void)state;
    begin_with(&bench, false);
    forge(text, sizeof text, good_header, good_claims);
    assert_int_equal(skio_tokens_check(new_tokens(&bench, NULL, &key), text,
                                       strlen(text), &token, &fault),
                     SKIO_ENOTSUP);
    assert_int_equal(fault, SKIO_TOKEN_FAULT_UNAVAILABLE);
    end(&bench);
}

static void
no_memory_is_no_token(void **state)
{
    struct bench bench;
    skio_token_key key = hs256("k");
    skio_tokens *tokens;
    skio_token *token;
    char text[256];
    bool is_done = false;

    (void)state;
    begin(&bench);
    tokens = new_tokens(&bench, NULL, &key);
    assert_true(skio_token_sign(bench.server, &key, text, sizeof text,
                                "{'sub':'a','exp':%d}", 1000000060) > 0);
    for (size_t n = 1; !is_done && n < 100; n++) {
        enum skio_token_fault fault;
        int err;

        test_alloc_fail(&bench.alloc, n);
        err = skio_tokens_check(tokens, text, strlen(text), &token, &fault);
        bench.alloc.fail_in = 0;
        is_done = err == SKIO_OK;
        assert_true(is_done == (fault == SKIO_TOKEN_FAULT_NONE));
        if (is_done)
            skio_token_free(token);
    }
    assert_true(is_done);
    for (size_t n = 1; n < 3; n++) {
        test_alloc_fail(&bench.alloc, n);
        assert_int_equal(skio_tokens_set_keys(tokens, &key, 1),
                         n == 1 ? SKIO_ENOMEM : SKIO_OK);
        bench.alloc.fail_in = 0;
    }
    assert_fault(tokens, text, SKIO_TOKEN_FAULT_NONE);
    end(&bench);
}

static void
a_bearer_is_found(void **state)
{
    static const struct {
        const char *header;
        const char *token;
    } cases[] = {
        {"Bearer abc", "abc"}, {"bearer  abc ", "abc"},
        {"BEARER abc", "abc"}, {"Bearer ", ""},
        {"Bearer", NULL},      {"Bearerabc", NULL},
        {"Basic YTpi", NULL},  {"", NULL},
        {"Bear", NULL},        {" Bearer abc", NULL},
        {"Bearer\tabc", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t len = 7;
        const char *found = skio_token_bearer(cases[i].header, &len);

        if (cases[i].token == NULL) {
            assert_null(found);
            continue;
        }
        assert_non_null(found);
        assert_int_equal(len, strlen(cases[i].token));
        assert_memory_equal(found, cases[i].token, len);
    }
    assert_null(skio_token_bearer(NULL, &(size_t){0}));
}

static void
each_fault_has_its_words(void **state)
{
    (void)state;
    assert_string_equal(skio_token_fault_code(SKIO_TOKEN_FAULT_NOT_YET),
                        "not_yet_valid");
    assert_string_equal(skio_token_fault_reason(SKIO_TOKEN_FAULT_EXPIRED),
                        "the token has expired");
    assert_string_equal(skio_token_fault_code((enum skio_token_fault)99),
                        "unknown");
    assert_string_equal(skio_token_fault_reason((enum skio_token_fault)99),
                        "the token is refused");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vector_of_rfc7515_is_good),
        cmocka_unit_test(the_vector_of_rfc8037_is_good),
        cmocka_unit_test(points_of_small_order_sign_nothing),
        cmocka_unit_test(what_is_signed_is_good),
        cmocka_unit_test(what_cannot_be_signed_is_told),
        cmocka_unit_test(no_part_of_a_token_will_do),
        cmocka_unit_test(each_flipped_bit_is_noticed),
        cmocka_unit_test(another_spelling_of_a_token_is_none),
        cmocka_unit_test(a_token_has_its_greatest_length),
        cmocka_unit_test(options_have_their_ranges),
        cmocka_unit_test(without_a_clock_no_token_is_good),
        cmocka_unit_test(no_memory_is_no_token),
        cmocka_unit_test(a_bearer_is_found),
        cmocka_unit_test(each_fault_has_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
