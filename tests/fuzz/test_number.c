/*
 * Fuzz target: numbers, read and written, against the C library
 *
 * Input: a byte that chooses; eight bytes of a double, or a text.
 */
#include "fuzz/fuzz.h"

#include <math.h>

#include "base/number.h"

/* JSON's grammar of numbers. */
static bool
slow_is_number(const char *text)
{
    text += *text == '-';
    if (*text == '0') {
        text++;
    } else {
        if (*text < '1' || *text > '9')
            return false;
        text += strspn(text, "0123456789");
    }
    if (*text == '.') {
        size_t digits = strspn(++text, "0123456789");

        if (digits == 0)
            return false;
        text += digits;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        if (strspn(text, "0123456789") == 0)
            return false;
        text += strspn(text, "0123456789");
    }
    return *text == '\0';
}

/* The same number, and the same zero. */
static bool
same_double(double a, double b)
{
    return a == b && !signbit(a) == !signbit(b);
}

static void
check_text(const char *text, size_t len)
{
    char *copy = fuzz_copy(text, len);
    bool is_number = strlen(copy) == len && slow_is_number(copy);
    double value;
    double wanted;
    int64_t integer;
    int err;

    if (!is_number) {
        /* What the scan would not accept is nobody's to read, but harmless. */
        (void)skio__number_parse(text, len, &value);
        (void)skio__number_parse_i64(text, len, &integer);
        free(copy);
        return;
    }
    fuzz_check(skio__number_parse(text, len, &value) == SKIO_OK);
    wanted = strtod(copy, NULL);
    fuzz_check(same_double(value, wanted));

    err = skio__number_parse_i64(text, len, &integer);
    fuzz_check(err == SKIO_OK || err == SKIO_ETYPE || err == SKIO_ERANGE);
    if (err == SKIO_OK) {
        fuzz_check((double)integer == value);
        if (strpbrk(copy, ".eE") == NULL)
            fuzz_check(strtoll(copy, NULL, 10) == integer);
    } else if (err == SKIO_ETYPE) {
        fuzz_check(strpbrk(copy, ".eE") != NULL);
    } else {
        fuzz_check(fabs(value) >= 9223372036854775807.0);
    }
    free(copy);
}

static void
check_double(const uint8_t *bytes)
{
    char text[SKIO__NUMBER_MAX];
    char precise[64];
    double value;
    double again;
    int64_t integer;
    size_t len;

    memcpy(&value, bytes, sizeof(value));
    len = skio__number_format(value, text);
    fuzz_check(len > 0 && len <= SKIO__NUMBER_MAX);
    if (!isfinite(value)) {
        fuzz_check(len == 4 && memcmp(text, "null", 4) == 0);
        return;
    }
    fuzz_check(skio__number_parse(text, len, &again) == SKIO_OK);
    fuzz_check(again == value);
    check_text(text, len);

    /* No text with fewer digits would do: count those of ours. */
    for (int digits = 1; digits < 17; digits++) {
        snprintf(precise, sizeof(precise), "%.*e", digits - 1, value);
        if (strtod(precise, NULL) == value) {
            size_t mine = 0;
            bool leading = true;
            size_t zeroes = 0;

            for (size_t i = 0; i < len && text[i] != 'e'; i++) {
                if (text[i] < '0' || text[i] > '9')
                    continue;
                leading = leading && text[i] == '0';
                mine += !leading;
                zeroes = text[i] == '0' && !leading ? zeroes + 1 : 0;
            }
            fuzz_check(mine - zeroes <= (size_t)digits);
            break;
        }
    }

    memcpy(&integer, bytes, sizeof(integer));
    len = skio__number_format_i64(integer, text);
    snprintf(precise, sizeof(precise), "%lld", (long long)integer);
    fuzz_check(len == strlen(precise) && memcmp(text, precise, len) == 0);
    fuzz_check(skio__number_parse_i64(text, len, &integer) == SKIO_OK);
    fuzz_check(memcmp(&integer, bytes, sizeof(integer)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned what = fuzz_byte(&in);
    char *text = fuzz_exact(in.at, in.left);

    if ((what & 1) == 0)
        check_text(text, in.left);
    else if (in.left >= sizeof(double))
        check_double(in.at);
    free(text);
    return 0;
}
