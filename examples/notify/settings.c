#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

static const char usage[] =
    "usage: notify [--port 0..65535] [--address A|any] [--public DIR] "
    "[--client DIR]\n"
    "              [--data FILE] [--secret FILE] [--keys FILE] [--demo]\n"
    "              [--rate N] [--users N] [--per-user N] [--notifications N]\n"
    "              [--keep-s N] [--receipt-ms N] [--queue N]\n";

struct number {
    const char *option;
    int64_t min;
    int64_t max;
    int64_t value;
};

enum {
    PORT,
    RATE,
    USERS,
    PER_USER,
    NOTIFICATIONS,
    KEEP_S,
    RECEIPT_MS,
    QUEUE,
    NUMBERS
};

static bool
read_number(struct number *numbers, const char *option, const char *text,
            bool *is_known)
{
    char *end;
    long long value;

    for (size_t i = 0; i < NUMBERS; i++) {
        if (strcmp(option, numbers[i].option) != 0)
            continue;
        *is_known = true;
        errno = 0;
        value = strtoll(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' ||
            value < numbers[i].min || value > numbers[i].max) {
            (void)fprintf(stderr, "notify: %s: %lld to %lld is possible\n",
                          option, (long long)numbers[i].min,
                          (long long)numbers[i].max);
            return false;
        }
        numbers[i].value = value;
        return true;
    }
    return false;
}

/* A file's first line. */
static bool
read_secret(char *secret, const char *path)
{
    FILE *file = fopen(path, "r");
    bool is_read = file != NULL && fgets(secret, SECRET_MAX + 1, file) != NULL;

    if (file != NULL)
        (void)fclose(file);
    if (!is_read)
        (void)fprintf(stderr, "notify: %s (--secret) cannot be read\n", path);
    else
        secret[strcspn(secret, "\r\n")] = '\0';
    return is_read;
}

static void
make_up(char *out, size_t bytes)
{
    unsigned char random[32];

    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(out, 2 * bytes + 1, random, bytes);
}

static bool
find_secret(struct settings *settings)
{
    const char *from = getenv("NOTIFY_SECRET");

    if (settings->secret[0] == '\0' && from != NULL)
        (void)snprintf(settings->secret, sizeof settings->secret, "%s", from);
    if (settings->secret[0] == '\0' && settings->is_demo)
        make_up(settings->secret, 32);
    if (strlen(settings->secret) >= SECRET_MIN)
        return true;
    (void)fprintf(stderr,
                  "notify: a secret of %d bytes or more is needed: "
                  "--secret FILE or NOTIFY_SECRET (or --demo)\n",
                  SECRET_MIN);
    return false;
}

static bool
find_keys(struct settings *settings, struct keys *keys)
{
    const char *from = getenv("NOTIFY_API_KEY");
    char made_up[33];

    if (from == NULL && settings->is_demo && keys->count == 0) {
        make_up(made_up, 16);
        from = made_up;
    }
    if (from != NULL) {
        if (!keys_add(keys, from)) {
            (void)fprintf(stderr, "notify: NOTIFY_API_KEY: %d to %d bytes\n",
                          API_KEY_MIN, API_KEY_MAX);
            return false;
        }
        (void)snprintf(settings->api_key, sizeof settings->api_key, "%s", from);
    }
    if (keys->count > 0)
        return true;
    (void)fprintf(stderr, "notify: an API key is needed: --keys FILE or "
                          "NOTIFY_API_KEY (or --demo)\n");
    return false;
}

static bool
read_text(struct settings *settings, struct keys *keys, const char *option,
          const char *value)
{
    if (strcmp(option, "--address") == 0) {
        settings->address = strcmp(value, "any") == 0 ? NULL : value;
    } else if (strcmp(option, "--public") == 0) {
        settings->public_dir = value;
    } else if (strcmp(option, "--client") == 0) {
        settings->client_dir = value;
    } else if (strcmp(option, "--data") == 0) {
        settings->data = value;
    } else if (strcmp(option, "--secret") == 0) {
        return read_secret(settings->secret, value);
    } else if (strcmp(option, "--keys") == 0) {
        if (keys_load(keys, value))
            return true;
        (void)fprintf(stderr,
                      "notify: %s (--keys): a readable file of up to %d keys "
                      "of %d to %d bytes is needed\n",
                      value, API_KEYS_MAX, API_KEY_MIN, API_KEY_MAX);
        return false;
    } else {
        (void)fprintf(stderr, "notify: %s: unknown\n%s", option, usage);
        return false;
    }
    return true;
}

bool
settings_read(struct settings *settings, struct keys *keys, int argc,
              char **argv)
{
    struct number numbers[NUMBERS] = {
        [PORT] = {"--port", 0, 65535, 3000},
        [RATE] = {"--rate", 1, 1000000, 100},
        [USERS] = {"--users", 1, 1000000, 10000},
        [PER_USER] = {"--per-user", 1, 100000, 200},
        [NOTIFICATIONS] = {"--notifications", 1, 100000000, 100000},
        [KEEP_S] = {"--keep-s", 1, 315360000, 604800},
        [RECEIPT_MS] = {"--receipt-ms", 1, 3600000, 20000},
        [QUEUE] = {"--queue", 1, 100000, 1000},
    };

    *settings =
        (struct settings){.address = "localhost",
                          .public_dir = "examples/notify/public",
                          .client_dir =
                              "build/npm/node_modules/socket.io-client/dist",
                          .data = "notify.db"};
    if (sodium_init() < 0)
        return false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool is_known = false;

        if (strcmp(argv[i], "--demo") == 0) {
            settings->is_demo = true;
            continue;
        }
        if (value == NULL) {
            (void)fprintf(stderr,
                          "notify: %s: unknown, or its value is not there\n%s",
                          argv[i], usage);
            return false;
        }
        if (!read_number(numbers, argv[i], value, &is_known) &&
            (is_known || !read_text(settings, keys, argv[i], value)))
            return false;
        i++;
    }
    settings->port = (uint16_t)numbers[PORT].value;
    settings->queue = (size_t)numbers[QUEUE].value;
    settings->receipt_ms = (uint32_t)numbers[RECEIPT_MS].value;
    keys->rate = (unsigned)numbers[RATE].value;
    settings->limits = (struct limits){
        .users = numbers[USERS].value,
        .per_user = numbers[PER_USER].value,
        .notifications = numbers[NOTIFICATIONS].value,
        .requests = numbers[NOTIFICATIONS].value,
        .keep_ms = numbers[KEEP_S].value * 1000,
    };
    return find_secret(settings) && find_keys(settings, keys);
}

void
settings_wipe(struct settings *settings)
{
    sodium_memzero(settings, sizeof *settings);
}
