/*
 * The link to Redis through TLS: who is trusted, and who is not
 */
#define _GNU_SOURCE /* kill */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "transport/redis_bench.h"

static struct redis_process redis;
static uint16_t tls_port;
static char ca_file[128];
static char cert_file[128];
static char key_file[128];

/* ---- Certificates ---- */

static EVP_PKEY *
make_key(void)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
    EVP_PKEY *key = NULL;

    assert_non_null(context);
    assert_int_equal(EVP_PKEY_keygen_init(context), 1);
    assert_int_equal(
        EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1),
        1);
    assert_int_equal(EVP_PKEY_keygen(context, &key), 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static void
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* issuer NULL: it signs itself, and others. */
static X509 *
make_cert(EVP_PKEY *key, const char *name, const char *alternatives,
          X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial;
    X509 *cert = X509_new();

    assert_non_null(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert,
                         X509_get_subject_name(issuer != NULL ? issuer : cert));
    if (issuer == NULL)
        extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
    else
        extend(cert, issuer, NID_subject_alt_name, alternatives);
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

static void
write_file(const char *path, X509 *cert, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    if (cert != NULL)
        assert_int_equal(PEM_write_X509(file, cert), 1);
    else
        assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL,
                                              NULL),
                         1);
    fclose(file);
}

/* An authority, and a server that it vouches for. */
static void
make_files(const char *alternatives)
{
    EVP_PKEY *ca_key = make_key();
    EVP_PKEY *key = make_key();
    X509 *ca = make_cert(ca_key, "the authority", NULL, NULL, ca_key);
    X509 *cert = make_cert(key, "the server", alternatives, ca, ca_key);

    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", redis.folder);
    snprintf(cert_file, sizeof cert_file, "%s/cert.pem", redis.folder);
    snprintf(key_file, sizeof key_file, "%s/key.pem", redis.folder);
    write_file(ca_file, ca, NULL);
    write_file(cert_file, cert, NULL);
    write_file(key_file, NULL, key);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

/* ---- Redis ---- */

static int
begin(void **state)
{
    memset(&redis, 0, sizeof redis);
    return bench_begin(state);
}

static int
end(void **state)
{
    int result = bench_end(state);

    unlink(ca_file);
    unlink(cert_file);
    unlink(key_file);
    redis_stop(&redis);
    return result;
}

static void
start(struct bench *bench, const char *alternatives, const char *clients)
{
    char port[8];
    const char *const arguments[] = {"--tls-port",
                                     port,
                                     "--tls-cert-file",
                                     cert_file,
                                     "--tls-key-file",
                                     key_file,
                                     "--tls-ca-cert-file",
                                     ca_file,
                                     "--tls-auth-clients",
                                     clients,
                                     NULL};

    redis_prepare(&redis, false);
    make_files(alternatives);
    tls_port = bench_free_port();
    snprintf(port, sizeof port, "%u", (unsigned)tls_port);
    redis_restart(&redis, arguments);
    bench->options.tls = true;
    bench->options.tls_ca_file = ca_file;
    bench->options.port = tls_port;
}

#define NEED_REDIS()                                                           \
    do {                                                                       \
        if (!redis_is_installed())                                             \
            skip();                                                            \
    } while (0)

static void
expect_refusal(struct bench *bench, int err, const char *text)
{
    bench_link(bench, false);
    UNTIL(bench, bench->downs == 2);
    if (bench->down_err != err || strstr(bench->down_text, text) == NULL)
        fail_msg("%d: %s", bench->down_err, bench->down_text);
    assert_int_equal(bench->ups, 0);
}

static void
commands_and_large_values_pass_through_tls(void **state)
{
    struct bench *bench = *state;
    size_t size = (size_t)3 << 20;
    char *text = malloc(size);
    skio_bytes argv[] = {{"SET", 3}, {"large", 5}, {text, size}};

    NEED_REDIS();
    assert_non_null(text);
    memset(text, 'a', size);
    start(bench, "IP:127.0.0.1", "no");
    bench->options.ping_interval_ms = 50;
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 1);
    bench_forget(bench);
    assert_int_equal(bench_send(bench, "ECHO", "hi", NULL), SKIO_OK);
    assert_int_equal(bench_send_bytes(bench, argv, 3), SKIO_OK);
    assert_int_equal(bench_send(bench, "STRLEN", "large", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, ":3145728"));
    assert_string_equal(bench->said, "reply $hi\nreply +OK\nreply :3145728\n");
    bench_forget(bench);
    for (int i = 0; i < 3; i++)
        assert_int_equal(bench_send(bench, "GET", "large", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "ECHO", "end", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "$end"));
    bench_forget(bench);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(bench_send(bench, "ECHO", "x", NULL), SKIO_OK);
    assert_int_equal(bench_send(bench, "ECHO", "last", NULL), SKIO_OK);
    UNTIL(bench, bench_has_said(bench, "$last"));
    assert_int_equal(bench->downs, 0);
    free(text);
}

static void
redis_behind_tls_comes_back(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    start(bench, "IP:127.0.0.1", "no");
    bench_link(bench, true);
    UNTIL(bench, bench->ups == 1);
    redis_ask(&redis, "CLIENT KILL TYPE normal SKIPME yes");
    UNTIL(bench, bench->ups == 2);
    assert_int_equal(bench->down_err, SKIO_ECLOSED);
    kill(redis.pid, SIGSTOP);
    bench->options.ping_interval_ms = 30;
    bench->options.command_timeout_ms = 100;
    bench->options.connect_timeout_ms = 100;
    skio__redis_link_reset(bench->link, SKIO_EIO, "for the test");
    UNTIL(bench, bench->down_err == SKIO_ETIMEDOUT);
    kill(redis.pid, SIGCONT);
    bench->options.connect_timeout_ms = 5000;
    UNTIL(bench, bench->ups == 3);
}

static void
name_of_the_certificate_must_be_the_hosts(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    start(bench, "DNS:redis.example.com,DNS:localhost", "no");
    expect_refusal(bench, SKIO_EACCES, "IP address mismatch");
    bench_unlink(bench);

    bench->downs = 0;
    bench->options.tls_server_name = "redis.example.org";
    expect_refusal(bench, SKIO_EACCES, "hostname mismatch");
    bench_unlink(bench);

    bench->options.tls_server_name = "redis.example.com";
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 1);
    bench_unlink(bench);

    bench->options.tls_server_name = NULL;
    bench->options.host = "localhost";
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 2);
}

static void
authority_that_is_not_ours_is_not_trusted(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    start(bench, "IP:127.0.0.1", "no");
    bench->options.tls_ca_file = NULL; /* the system's */
    expect_refusal(bench, SKIO_EACCES, "TLS: ");
    bench_unlink(bench);
    make_files("IP:127.0.0.1"); /* Redis still has the old ones */
    bench->options.tls_ca_file = ca_file;
    bench->downs = 0;
    expect_refusal(bench, SKIO_EACCES, "TLS: ");
}

static void
redis_may_want_a_certificate_of_ours(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    start(bench, "IP:127.0.0.1", "yes");
    bench_link(bench, false);
    UNTIL(bench, bench->downs == 2);
    assert_int_equal(bench->ups, 0);
    assert_int_equal(bench->down_err, SKIO_EACCES);
    bench_unlink(bench);

    bench->options.tls_cert_file = cert_file;
    bench->options.tls_key_file = key_file;
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 1);
}

static void
sentinel_and_master_are_spoken_to_likewise(void **state)
{
    struct bench *bench = *state;
    struct redis_process sentinel;
    char path[128];
    char sentinels[64];
    const char *const arguments[] = {path, "--sentinel", NULL};
    uint16_t port = bench_free_port();
    FILE *file;

    NEED_REDIS();
    start(bench, "IP:127.0.0.1", "no");
    redis_prepare(&sentinel, false);
    snprintf(path, sizeof path, "%s/sentinel.conf", sentinel.folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "port 0\nbind 127.0.0.1\nunixsocket %s\ndir %s\n"
            "logfile redis.log\ntls-port %u\ntls-auth-clients no\n"
            "tls-replication yes\ntls-cert-file %s\ntls-key-file %s\n"
            "tls-ca-cert-file %s\nsentinel monitor mymaster 127.0.0.1 %u 1\n",
            sentinel.path, sentinel.folder, (unsigned)port, cert_file, key_file,
            ca_file, (unsigned)tls_port);
    fclose(file);
    redis_restart(&sentinel, arguments);
    snprintf(sentinels, sizeof sentinels, "127.0.0.1:%u", (unsigned)port);
    bench->options.sentinels = sentinels;
    bench->options.port = 1; /* not to be used */
    bench_link(bench, false);
    UNTIL(bench, bench->ups == 1);
    assert_int_equal(bench->downs, 0);
    bench_unlink(bench);
    redis_stop(&sentinel);
}

static void
files_that_cannot_be_used_are_named(void **state)
{
    struct bench *bench = *state;

    NEED_REDIS();
    start(bench, "IP:127.0.0.1", "no");
    bench->options.tls_ca_file = "/nonexistent";
    expect_refusal(bench, SKIO_EIO, "tls_ca_file");
    bench_unlink(bench);
    bench->options.tls_ca_file = ca_file;
    bench->options.tls_cert_file = key_file;
    bench->options.tls_key_file = key_file;
    bench->downs = 0;
    expect_refusal(bench, SKIO_EIO, "tls_cert_file");
    bench_unlink(bench);
    bench->options.tls_cert_file = cert_file;
    bench->options.tls_key_file = cert_file;
    bench->downs = 0;
    expect_refusal(bench, SKIO_EIO, "tls_key_file");
}

static void
what_is_no_tls_is_told(void **state)
{
    struct bench *bench = *state;

    bench_listen(bench);
    bench->options.tls = true;
    bench_link(bench, false);
    UNTIL(bench, bench->heard_len > 10); /* its hello */
    bench_say(bench, "-ERR what?\r\n-ERR what?\r\n");
    UNTIL(bench, bench->downs == 1);
    assert_int_equal(bench->down_err, SKIO_EPROTO);
    bench_hang_up(bench);
    UNTIL(bench, bench->heard_len > 10);
    bench_hang_up(bench);
    UNTIL(bench, bench->downs == 2);
    assert_int_equal(bench->down_err, SKIO_ECLOSED);
    bench->options.connect_timeout_ms = 30;
    UNTIL(bench, bench->downs == 3); /* no answer at all */
    UNTIL(bench, bench->downs == 4);
    assert_int_equal(bench->down_err, SKIO_ETIMEDOUT);
}

static void
lack_of_memory_under_tls_is_a_loss(void **state)
{
    struct bench *bench = *state;
    bool is_done = false;

    NEED_REDIS();
    start(bench, "IP:127.0.0.1", "no");
    bench->options.reconnect_min_ms = 1;
    bench->options.reconnect_max_ms = 2;
    for (size_t n = 1; n < 200 && !is_done; n++) {
        size_t failed = bench->alloc.failed;

        bench->ups = 0;
        test_alloc_fail(&bench->alloc, n);
        bench_link(bench, false);
        if (bench->link == NULL)
            continue;
        while (!bench_has_said(bench, "$answer")) {
            bench_forget(bench);
            UNTIL(bench, skio__redis_link_is_up(bench->link));
            bench_forget(bench);
            if (bench_send(bench, "ECHO", "answer", NULL) == SKIO_OK)
                UNTIL(bench, bench->said_len > 0);
        }
        is_done = bench->alloc.failed == failed;
        bench->alloc.fail_in = 0;
        bench_unlink(bench);
        bench_forget(bench);
        assert_true(!is_done || n > 8);
    }
    assert_true(is_done);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(commands_and_large_values_pass_through_tls),
        TEST(redis_behind_tls_comes_back),
        TEST(name_of_the_certificate_must_be_the_hosts),
        TEST(authority_that_is_not_ours_is_not_trusted),
        TEST(redis_may_want_a_certificate_of_ours),
        TEST(sentinel_and_master_are_spoken_to_likewise),
        TEST(files_that_cannot_be_used_are_named),
        TEST(what_is_no_tls_is_told),
        TEST(lack_of_memory_under_tls_is_a_loss),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
