/*
 * The admin addon: the time of the day
 */
#define _POSIX_C_SOURCE 200809L /* gmtime_r */

#include "addon/admin.h"

#include <stdio.h>
#include <time.h>

uint64_t
skio__admin_wall_ms(void)
{
    struct timespec now;

    if (timespec_get(&now, TIME_UTC) == 0 || now.tv_sec < 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
skio__admin_date(char out[ADMIN_DATE_BYTES])
{
    uint64_t now = skio__admin_wall_ms();
    time_t seconds = (time_t)(now / 1000);
    struct tm date;
    size_t len = 0;

    if (gmtime_r(&seconds, &date) != NULL)
        len = strftime(out, ADMIN_DATE_BYTES, "%Y-%m-%dT%H:%M:%S", &date);
    (void)snprintf(out + len, ADMIN_DATE_BYTES - len, ".%03uZ",
                   (unsigned)(now % 1000));
}
