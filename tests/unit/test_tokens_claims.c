/*
 * Tokens: what headers and claims may say
 */
#include "unit/tokens.h"

/* One part of a token, the others being good. */
struct row {
    const char *text;
    enum skio_token_fault fault;
};
#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static void
expect(skio_tokens *tokens, const char *header, const char *claims,
       enum skio_token_fault wanted)
{
    enum skio_token_fault fault = check_forged(tokens, header, claims);

    if (fault != wanted)
        print_message("%s %s: %s\n", header, claims,
                      skio_token_fault_code(fault));
    assert_int_equal(fault, wanted);
}

static void
expect_claims(const skio_tokens_options *options, const struct row *rows,
              size_t count)
{
    struct bench bench;
    skio_tokens *tokens = begin_with_secret(&bench, options);

    for (size_t i = 0; i < count; i++)
        expect(tokens, good_header, rows[i].text, rows[i].fault);
    end(&bench);
}

/* ---- Headers ---- */

static void
each_bad_header_is_refused(void **state)
{
    static const struct row rows[] = {
        {"{\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_NONE},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\"}", SKIO_TOKEN_FAULT_NONE},
        {"{\"typ\":\"jwt\",\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_NONE},
        {" {\"alg\":\"\\u0048S256\",\"x5t\":1}\n", SKIO_TOKEN_FAULT_NONE},
        {"{\"alg\":\"none\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"None\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"NONE\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"hs256\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"HS256 \"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"HS256\\u0000\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"HS384\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"RS256\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":\"EdDSA\"}", SKIO_TOKEN_FAULT_ALGORITHM},
        {"{\"alg\":null}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":[\"HS256\"]}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"ALG\":\"HS256\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{}", SKIO_TOKEN_FAULT_MALFORMED},
        {"[]", SKIO_TOKEN_FAULT_MALFORMED},
        {"\"HS256\"", SKIO_TOKEN_FAULT_MALFORMED},
        {"null", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\"", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\"}{}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"x\":\"\xff\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}",
         SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"x\":1,\"x\":1}", SKIO_TOKEN_FAULT_MALFORMED},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"crit\":[]}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"crit\":null}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"b64\":false}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"b64\":true}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"JWE\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\\u0000\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":\"\"}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"typ\":null}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"kid\":7}", SKIO_TOKEN_FAULT_HEADER},
        {"{\"alg\":\"HS256\",\"kid\":\"a\\u0000b\"}", SKIO_TOKEN_FAULT_HEADER},
    };
    struct bench bench;
    skio_tokens *tokens = begin_with_secret(&bench, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        expect(tokens, rows[i].text, good_claims, rows[i].fault);
    end(&bench);
}

/* The classic: the public key as the secret of an HMAC. */
static void
a_public_key_is_no_secret(void **state)
{
    unsigned char bytes[32];
    struct bench bench;
    skio_token_key key = eddsa(NULL, decode(rfc8037_x, bytes, sizeof bytes));
    skio_token_key as_secret = hs256(NULL);
    skio_token_key both[2];
    skio_tokens *tokens;
    char text[256];

    (void)state;
    begin(&bench);
    as_secret.key = key.key;
    sign(&bench, &as_secret, text, sizeof text);
    tokens = new_tokens(&bench, NULL, &key);
    assert_fault(tokens, text, SKIO_TOKEN_FAULT_ALGORITHM);
    both[0] = key;
    both[1] = hs256(NULL);
    assert_int_equal(skio_tokens_set_keys(tokens, both, 2), SKIO_OK);
    assert_fault(tokens, text, SKIO_TOKEN_FAULT_SIGNATURE);
    end(&bench);
}

/* ---- Claims ---- */

static void
each_bad_claim_is_refused(void **state)
{
    static const struct row rows[] = {
        {"{\"exp\":1000000000.5}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":999999995.001}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1e999}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1e15}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":999999995}", SKIO_TOKEN_FAULT_EXPIRED},
        {"{\"exp\":0}", SKIO_TOKEN_FAULT_EXPIRED},
        {"{\"exp\":-5e18}", SKIO_TOKEN_FAULT_EXPIRED},
        {"{}", SKIO_TOKEN_FAULT_NO_EXPIRY},
        {"{\"Exp\":1000000060}", SKIO_TOKEN_FAULT_NO_EXPIRY},
        {"{\"exp\":\"1000000060\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":null}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":true}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"nbf\":1000000005}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1000000060,\"nbf\":1000000005.001}",
         SKIO_TOKEN_FAULT_NOT_YET},
        {"{\"exp\":1000000060,\"nbf\":1e300}", SKIO_TOKEN_FAULT_NOT_YET},
        {"{\"exp\":1000000060,\"nbf\":\"\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"iat\":1000000005}", SKIO_TOKEN_FAULT_NONE},
        {"{\"exp\":1000000060,\"iat\":1000000006}", SKIO_TOKEN_FAULT_NOT_YET},
        {"{\"exp\":1000000060,\"iat\":[]}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"sub\":7}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"sub\":null}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"sub\":\"root\\u0000\"}",
         SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"iss\":7}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1,\"exp\":1000000060}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"e\\u0078p\":1000000060}",
         SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060,\"a\":{\"b\":1,\"b\":1}}", SKIO_TOKEN_FAULT_NONE},
        {"[{\"exp\":1000000060}]", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"exp\":1000000060}\x01", SKIO_TOKEN_FAULT_CLAIMS},
        {"7", SKIO_TOKEN_FAULT_CLAIMS},
        /* For others: there is no audience that we would be. */
        {"{\"exp\":1000000060,\"aud\":\"us\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"exp\":1000000060,\"aud\":[]}", SKIO_TOKEN_FAULT_AUDIENCE},
    };

    (void)state;
    expect_claims(NULL, rows, COUNT(rows));
}

static void
issuer_and_audience_are_demanded(void **state)
{
    static const struct row rows[] = {
        {"{\"iss\":\"us\",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_NONE},
        {"{\"iss\":\"us\",\"aud\":[\"mail\",\"chat\"]}", SKIO_TOKEN_FAULT_NONE},
        {"{\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_ISSUER},
        {"{\"iss\":\"Us\",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_ISSUER},
        {"{\"iss\":\"us \",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_ISSUER},
        {"{\"iss\":\"us\\u0000\",\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":[\"us\"],\"aud\":\"chat\"}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":\"us\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":\"cha\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":\"chat\\u0000\"}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":[]}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":[\"mail\"]}", SKIO_TOKEN_FAULT_AUDIENCE},
        {"{\"iss\":\"us\",\"aud\":[\"mail\",7,\"chat\"]}",
         SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":\"us\",\"aud\":{\"chat\":1}}", SKIO_TOKEN_FAULT_CLAIMS},
        {"{\"iss\":\"us\",\"aud\":null}", SKIO_TOKEN_FAULT_CLAIMS},
    };
    skio_tokens_options options;

    (void)state;
    skio_tokens_options_init(&options);
    options.issuer = "us";
    options.audience = "chat";
    options.allow_no_expiry = true;
    expect_claims(&options, rows, COUNT(rows));
}

static void
so_many_claims_and_no_more(void **state)
{
    struct bench bench;
    skio_tokens_options options;
    skio_tokens *tokens;
    char claims[6000];

    (void)state;
    skio_tokens_options_init(&options);
    options.allow_no_expiry = true;
    tokens = begin_with_secret(&bench, &options);
    for (int count = 256; count <= 257; count++) {
        size_t len = 0;

        for (int i = 0; i < count; i++)
            len += (size_t)snprintf(claims + len, sizeof claims - len,
                                    "%c\"%d\":0", i == 0 ? '{' : ',', i);
        snprintf(claims + len, sizeof claims - len, "}");
        assert_int_equal(check_forged(tokens, good_header, claims),
                         count == 256 ? SKIO_TOKEN_FAULT_NONE
                                      : SKIO_TOKEN_FAULT_CLAIMS);
    }
    end(&bench);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bad_header_is_refused),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(each_bad_claim_is_refused),
        cmocka_unit_test(issuer_and_audience_are_demanded),
        cmocka_unit_test(so_many_claims_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
