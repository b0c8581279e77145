#define _POSIX_C_SOURCE 200809L /* gmtime_r */

#include "transport/http_date.h"

#include <stdio.h>
#include <string.h>

const char *
skio__date_text(struct skio__date *date, time_t now)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;

    if (date->at == now && date->text[0] != '\0')
        return date->text;
    if (gmtime_r(&now, &tm) == NULL)
        memset(&tm, 0, sizeof(tm));
    snprintf(date->text, sizeof(date->text),
             "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + 3 * tm.tm_wday,
             tm.tm_mday, months + 3 * tm.tm_mon, 1900 + tm.tm_year, tm.tm_hour,
             tm.tm_min, tm.tm_sec);
    date->at = now;
    return date->text;
}
