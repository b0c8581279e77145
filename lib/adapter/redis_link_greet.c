/*
 * From nothing to up: where Redis is, and the first words with it
 *
 * To a sentinel  AUTH, SENTINEL get-master-addr-by-name
 * To Redis       AUTH, SELECT, ROLE when a sentinel sent us, PING
 *
 * PING is there to hear whether Redis is loading, cut off from its master, or
 * wants a password: before anybody relies on it.
 */
#include "adapter/redis_link_state.h"

#include <stdio.h>
#include <string.h>

#define SENTINEL_PORT 26379
#define ARGS_MAX 3

/* ---- What Redis says ---- */

static bool
begins_with(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

static int
error_of(const char *text, int otherwise)
{
    static const char *const refused[] = {"NOAUTH", "WRONGPASS", "NOPERM",
                                          "DENIED", "ERR invalid password"};
    static const char *const not_now[] = {"LOADING",
                                          "MASTERDOWN",
                                          "BUSY",
                                          "READONLY",
                                          "CLUSTERDOWN",
                                          "ERR max number of clients"};

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (begins_with(text, refused[i]))
            return SKIO_EACCES;
    for (size_t i = 0; i < sizeof not_now / sizeof not_now[0]; i++)
        if (begins_with(text, not_now[i]))
            return SKIO_EBUSY;
    return otherwise;
}

/* Whether it was refused. Redis quotes the arguments of a command that it does
 * not know, and that may be a password. */
static bool
is_refused(struct skio__redis_link *link, const struct skio__redis_reply *reply,
           int otherwise)
{
    const char *quote;

    if (reply->type != SKIO__REDIS_ERROR)
        return false;
    quote = strstr(reply->str, ", with args");
    skio__redis_link_fail(link, error_of(reply->str, otherwise), "%.*s",
                          quote != NULL && quote - reply->str < 200
                              ? (int)(quote - reply->str)
                              : 200,
                          reply->str);
    return true;
}

static void
on_auth(int err, const struct skio__redis_reply *reply, void *user)
{
    if (err == SKIO_OK)
        (void)is_refused(user, reply, SKIO_EACCES);
}

static void
on_select(int err, const struct skio__redis_reply *reply, void *user)
{
    if (err == SKIO_OK)
        (void)is_refused(user, reply, SKIO_EINVAL);
}

/* Sentinels may be behind: what they call the master may not know yet, or not
 * any more. A user who may not ask is believed. */
static void
on_role(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__redis_link *link = user;

    if (err != SKIO_OK ||
        (reply->type == SKIO__REDIS_ERROR && begins_with(reply->str, "NOPERM")))
        return;
    if (is_refused(link, reply, SKIO_EPROTO))
        return;
    if (reply->type != SKIO__REDIS_ARRAY || reply->count == 0 ||
        reply->elements[0]->type != SKIO__REDIS_STRING)
        skio__redis_link_fail(link, SKIO_EPROTO, "no answer to ROLE");
    else if (strcmp(reply->elements[0]->str, "master") != 0)
        skio__redis_link_fail(link, SKIO_EBUSY, "it is no master");
}

/* The last of the greeting. */
static void
on_ping(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__redis_link *link = user;

    if (err != SKIO_OK || skio__redis_link_is_over(link))
        return;
    /* It answers, and that is what was asked. */
    if (!(reply->type == SKIO__REDIS_ERROR &&
          begins_with(reply->str, "NOPERM")) &&
        is_refused(link, reply, SKIO_EPROTO))
        return;
    if (reply->type != SKIO__REDIS_STATUS && reply->type != SKIO__REDIS_ERROR) {
        skio__redis_link_fail(link, SKIO_EPROTO, "no answer to PING");
        return;
    }
    if (link->sentinels_asked > 0) { /* it knew: begin with it next time */
        link->sentinel_first += link->sentinels_asked - 1;
        link->sentinels_asked = 0;
    }
    link->state = SKIO__REDIS_LINK_UP;
    link->up_ms = skio_loop_now(link->server);
    link->heard_ms = link->up_ms;
    link->asked_ms = link->up_ms;
    link->hooks.up(link, link->user);
}

static bool
take_port(const struct skio__redis_reply *reply, uint16_t *port)
{
    uint32_t number = 0;

    if (reply->type != SKIO__REDIS_STRING || reply->len == 0 || reply->len > 5)
        return false;
    for (size_t i = 0; i < reply->len; i++) {
        if (reply->str[i] < '0' || reply->str[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(reply->str[i] - '0');
    }
    *port = (uint16_t)number;
    return number > 0 && number <= 65535;
}

static void
on_master(int err, const struct skio__redis_reply *reply, void *user)
{
    struct skio__redis_link *link = user;
    const struct skio__redis_reply *host;

    if (err != SKIO_OK || skio__redis_link_is_over(link) ||
        is_refused(link, reply, SKIO_EPROTO))
        return;
    if (reply->type == SKIO__REDIS_NIL) {
        skio__redis_link_fail(link, SKIO_ENOENT, "no master of that name");
        return;
    }
    host = reply->type == SKIO__REDIS_ARRAY && reply->count == 2
               ? reply->elements[0]
               : NULL;
    if (host == NULL || host->type != SKIO__REDIS_STRING || host->len == 0 ||
        host->len > SKIO__REDIS_HOST_MAX || strlen(host->str) != host->len ||
        !take_port(reply->elements[1], &link->master_port)) {
        skio__redis_link_fail(link, SKIO_EPROTO, "no address of a master");
        return;
    }
    memcpy(link->master, host->str, host->len + 1);
    link->hops = true;
}

/* ---- What we say ---- */

static void
say(struct skio__redis_link *link, skio__redis_reply_fn *fn, const char *a,
    const char *b, const char *c)
{
    const char *words[ARGS_MAX] = {a, b, c};
    skio_bytes argv[ARGS_MAX];
    size_t argc = 0;
    int err;

    for (; argc < ARGS_MAX && words[argc] != NULL; argc++)
        argv[argc] = (skio_bytes){words[argc], strlen(words[argc])};
    err = skio__redis_link_put(link, argv, argc, 0, fn, link, true);
    if (err != SKIO_OK)
        skio__redis_link_fail(link, err, "%s", skio_strerror(err));
}

static void
greet_sentinel(struct skio__redis_link *link)
{
    const skio_redis_options *options = link->options;

    if (options->sentinel_password != NULL)
        say(link, on_auth, "AUTH", options->sentinel_password, NULL);
    say(link, on_master, "SENTINEL", "get-master-addr-by-name",
        options->sentinel_master);
}

static void
greet_redis(struct skio__redis_link *link)
{
    const skio_redis_options *options = link->options;
    const char *password = options->password != NULL ? options->password : "";
    char database[16];

    if (options->user != NULL)
        say(link, on_auth, "AUTH", options->user, password);
    else if (options->password != NULL)
        say(link, on_auth, "AUTH", password, NULL);
    if (options->database != 0) {
        snprintf(database, sizeof database, "%u", (unsigned)options->database);
        say(link, on_select, "SELECT", database, NULL);
    }
    if (link->sentinels_asked > 0)
        say(link, on_role, "ROLE", NULL, NULL);
    say(link, on_ping, "PING", NULL, NULL);
}

void
skio__redis_link_dialed(int err, int fd, const char *text, void *user)
{
    struct skio__redis_link *link = user;

    skio__redis_link_enter(link);
    if (err == SKIO_OK) {
        link->state = SKIO__REDIS_GREETING;
        skio__redis_link_open(link, fd);
    } else {
        skio__redis_link_fail(link, err, "%s", text);
    }
    if (!skio__redis_link_is_over(link)) {
        if (link->is_at_master)
            greet_redis(link);
        else
            greet_sentinel(link);
    }
    skio__redis_link_leave(link);
}

/* ---- Where it is ---- */

static void
dial(struct skio__redis_link *link, const char *host, uint16_t port)
{
    const char *mark = strchr(host, ':') != NULL ? "[" : "";

    snprintf(link->where, sizeof link->where, "%s%s%s%s:%u",
             link->is_at_master ? "" : "sentinel ", mark, host,
             *mark != '\0' ? "]" : "", (unsigned)port);
    snprintf(link->peer, sizeof link->peer, "%s", host);
    link->state = SKIO__REDIS_DIALING;
    skio__redis_dial_host(&link->dial, host, port, link->step_ms);
}

void
skio__redis_link_dial_master(struct skio__redis_link *link)
{
    link->is_at_master = true;
    link->step_ms = link->until_ms;
    dial(link, link->master, link->master_port);
}

static size_t
count_sentinels(const char *list)
{
    size_t count = 1;

    for (; (list = strchr(list, ',')) != NULL; list++)
        count++;
    return count;
}

bool
skio__redis_link_ask_next(struct skio__redis_link *link)
{
    const char *list = link->host == NULL ? link->options->sentinels : NULL;
    uint64_t now = skio_loop_now(link->server);
    char host[SKIO__REDIS_HOST_MAX + 1] = "";
    uint16_t port = 0;
    size_t count;
    size_t skip;

    if (list == NULL || link->is_at_master)
        return false;
    count = count_sentinels(list);
    if (link->sentinels_asked >= count || now >= link->until_ms)
        return false;
    skip = (link->sentinel_first + link->sentinels_asked++) % count;
    for (size_t i = 0; i <= skip; i++)
        (void)skio__redis_url_next(&list, SENTINEL_PORT, host, &port);
    /* A share for each that is left, and one for the master. */
    link->step_ms =
        now + (link->until_ms - now) / (count - link->sentinels_asked + 2);
    dial(link, host, port);
    return true;
}

void
skio__redis_link_attempt(struct skio__redis_link *link)
{
    const skio_redis_options *options = link->options;

    link->until_ms = skio_loop_now(link->server) + options->connect_timeout_ms;
    link->step_ms = link->until_ms;
    if (link->host == NULL && options->sentinels != NULL) {
        /* The one that was asked last did not lead to a master. */
        link->sentinel_first += link->sentinels_asked;
        link->sentinels_asked = 0;
        link->is_at_master = false;
        (void)skio__redis_link_ask_next(link);
        return;
    }
    link->is_at_master = true;
    if (link->host == NULL && options->unix_path != NULL) {
        snprintf(link->where, sizeof link->where, "%s", options->unix_path);
        link->state = SKIO__REDIS_DIALING;
        skio__redis_dial_unix(&link->dial, options->unix_path, link->step_ms);
        return;
    }
    if (link->host != NULL)
        dial(link, link->host, link->port);
    else
        dial(link, options->host, options->port);
}
