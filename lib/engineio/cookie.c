#include "engineio/cookie.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

#define EXPIRES_MAX INT64_C(253402300799) /* the end of the year 9999 */
#define LABEL_MAX 63                      /* of a domain */

/* ---- Set-Cookie ---- */

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
is_alnum(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_name(const char *name)
{
    const char *pos;

    for (pos = name; *pos != '\0'; pos++) {
        if (!is_alnum(*pos) && strchr("!#$%&'*+-.^_`|~", *pos) == NULL)
            return false;
    }
    return pos > name;
}

static bool
is_path(const char *path)
{
    for (; *path != '\0'; path++) {
        if (*path < ' ' || *path > '~' || *path == ';' || *path == '<')
            return false;
    }
    return true;
}

/* Labels of letters, digits and inner hyphens; a dot may come first. */
static bool
is_domain(const char *domain)
{
    const char *pos = domain;

    if (*pos == '.')
        pos++;
    for (;;) {
        size_t len = strcspn(pos, ".");
        size_t i;

        if (len == 0 || len > LABEL_MAX || pos[0] == '-' || pos[len - 1] == '-')
            return false;
        for (i = 0; i < len; i++) {
            if (!is_alnum(pos[i]) && pos[i] != '-')
                return false;
        }
        if (pos[len] == '\0')
            return true;
        pos += len + 1;
    }
}

/* The spelling that is sent, or NULL when it is none of these. */
static const char *
one_of(const char *text, const char *const *spellings, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        const char *a = spellings[i];
        const char *b = text;

        while (*a != '\0' && lower(*a) == lower(*b)) {
            a++;
            b++;
        }
        if (*a == '\0' && *b == '\0')
            return spellings[i];
    }
    return NULL;
}

static const char *
same_site(const char *text)
{
    static const char *const values[] = {"Lax", "Strict", "None"};

    return one_of(text, values, sizeof values / sizeof values[0]);
}

static const char *
priority(const char *text)
{
    static const char *const values[] = {"Low", "Medium", "High"};

    return one_of(text, values, sizeof values / sizeof values[0]);
}

/* NULL and "" leave an attribute out. */
static bool
is_set(const char *text)
{
    return text != NULL && text[0] != '\0';
}

const char *
skio__cookie_bad(const skio_server_options *options)
{
    if (options->cookie == NULL)
        return NULL;
    if (!is_name(options->cookie))
        return "cookie";
    if (is_set(options->cookie_path) && !is_path(options->cookie_path))
        return "cookie_path";
    if (is_set(options->cookie_domain) && !is_domain(options->cookie_domain))
        return "cookie_domain";
    if (is_set(options->cookie_same_site) &&
        same_site(options->cookie_same_site) == NULL)
        return "cookie_same_site";
    if (is_set(options->cookie_priority) &&
        priority(options->cookie_priority) == NULL)
        return "cookie_priority";
    if (options->cookie_max_age_s < -1)
        return "cookie_max_age_s";
    if (options->cookie_expires < 0 || options->cookie_expires > EXPIRES_MAX)
        return "cookie_expires";
    return NULL;
}

/* Days of the epoch to a date of the Gregorian calendar, by eras of 400 years
 * that begin in March. */
static void
to_date(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t years =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int64_t from_march = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * from_march + 2) / 5 + 1);
    *month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *year = (int)(era * 400 + years + (*month <= 2 ? 1 : 0));
}

static void
write_expires(struct skio__buf *buf, int64_t seconds)
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t days = seconds / 86400;
    int of_day = (int)(seconds % 86400);
    char text[64];
    int year;
    int month;
    int day;

    to_date(days, &year, &month, &day);
    snprintf(text, sizeof text,
             "; Expires=%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
             weekdays + 3 * (days % 7), day, months + 3 * (month - 1), year,
             of_day / 3600, of_day / 60 % 60, of_day % 60);
    skio__buf_append_str(buf, text);
}

static void
write_attribute(struct skio__buf *buf, const char *name, const char *value)
{
    if (!is_set(value))
        return;
    skio__buf_append_str(buf, name);
    skio__buf_append_str(buf, value);
}

void
skio__cookie_write(struct skio__buf *buf, const skio_server_options *options,
                   const char *id)
{
    char number[32];

    skio__buf_append_str(buf, options->cookie);
    skio__buf_putc(buf, '=');
    skio__buf_append_str(buf, id);
    if (options->cookie_max_age_s >= 0) {
        snprintf(number, sizeof number, "%" PRId64, options->cookie_max_age_s);
        write_attribute(buf, "; Max-Age=", number);
    }
    write_attribute(buf, "; Domain=", options->cookie_domain);
    write_attribute(buf, "; Path=", options->cookie_path);
    if (options->cookie_expires > 0)
        write_expires(buf, options->cookie_expires);
    if (options->cookie_http_only)
        skio__buf_append_str(buf, "; HttpOnly");
    if (options->cookie_secure)
        skio__buf_append_str(buf, "; Secure");
    if (options->cookie_partitioned)
        skio__buf_append_str(buf, "; Partitioned");
    if (is_set(options->cookie_priority))
        write_attribute(buf, "; Priority=", priority(options->cookie_priority));
    if (is_set(options->cookie_same_site))
        write_attribute(buf,
                        "; SameSite=", same_site(options->cookie_same_site));
}

/* ---- Cookie ---- */

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void
trim(const char **start, const char **end)
{
    while (*start < *end && is_blank(**start))
        (*start)++;
    while (*end > *start && is_blank((*end)[-1]))
        (*end)--;
}

bool
skio__cookie_find(const char *header, const char *name, const char **value,
                  size_t *len)
{
    size_t name_len = strlen(name);
    const char *pos = header;

    while (*pos != '\0') {
        const char *end = pos + strcspn(pos, ";");
        const char *equals = memchr(pos, '=', (size_t)(end - pos));
        const char *from = pos;
        const char *to = equals;

        pos = *end != '\0' ? end + 1 : end;
        if (equals == NULL)
            continue; /* not a pair */
        trim(&from, &to);
        if ((size_t)(to - from) != name_len ||
            memcmp(from, name, name_len) != 0)
            continue;

        from = equals + 1;
        to = end;
        trim(&from, &to);
        if (from < to && *from == '"' && to[-1] == '"') {
            from++;
            to -= to > from ? 1 : 0; /* a lone quote is both ends */
        }
        *value = from;
        *len = (size_t)(to - from);
        return true;
    }
    return false;
}

/* Returns the length; -1: the value has to be taken as it is; SKIO_ETOOBIG
 * is no length either. */
static ptrdiff_t
unescape(const char *value, size_t len, char *out, size_t size)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        char c = value[i];

        if (c == '%') {
            if (len - i < 3 || skio__hex_byte(value + i + 1) < 0)
                return -1;
            c = (char)skio__hex_byte(value + i + 1);
            i += 2;
        }
        if (n + 1 >= size)
            return SKIO_ETOOBIG;
        out[n++] = c;
    }
    if (n > 0 && !skio__utf8_valid(out, n))
        return -1;
    return (ptrdiff_t)n;
}

ptrdiff_t
skio__cookie_decode(const char *value, size_t len, char *out, size_t size)
{
    ptrdiff_t n = -1;

    if (memchr(value, '%', len) != NULL)
        n = unescape(value, len, out, size);
    if (n == SKIO_ETOOBIG)
        return n;
    if (n < 0) {
        if (len >= size)
            return SKIO_ETOOBIG;
        memmove(out, value, len);
        n = (ptrdiff_t)len;
    }
    out[n] = '\0';
    return n;
}
