/*
 * The command line and the environment; main.c tells what there is
 */
#ifndef NOTIFY_SETTINGS_H
#define NOTIFY_SETTINGS_H

#include "keys.h"
#include "store.h"

#define SECRET_MIN 32
#define SECRET_MAX 1024

struct settings {
    const char *address; /* NULL: any */
    const char *public_dir;
    const char *client_dir;
    const char *data;
    struct limits limits;
    size_t queue;
    uint32_t receipt_ms;
    uint16_t port;
    bool is_demo;
    char secret[SECRET_MAX + 1];
    char api_key[API_KEY_MAX + 1]; /* for the demonstration: "": none */
};

/* Returns false when something is missing or wrong, which it said on stderr. */
bool settings_read(struct settings *settings, struct keys *keys, int argc,
                   char **argv);

/* Forget the secrets. */
void settings_wipe(struct settings *settings);

#endif /* NOTIFY_SETTINGS_H */
