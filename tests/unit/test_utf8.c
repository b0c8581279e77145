/*
 * base/utf8: the cases of Markus Kuhn's stress test, whole and in pieces
 */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

struct text {
    const char *bytes;
    size_t len;
    bool valid;
};

#define GOOD(s)                                                                \
    {                                                                          \
        s, sizeof(s) - 1, true                                                 \
    }
#define BAD(s)                                                                 \
    {                                                                          \
        s, sizeof(s) - 1, false                                                \
    }

static const struct text texts[] = {
    GOOD(""),
    GOOD("plain"),
    GOOD("eight by eight, and then some more of it"),
    GOOD("a\0b"),
    /* 1: correct text */
    GOOD("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
    /* 2.1: first of each length */
    GOOD("\x01"),
    GOOD("\xc2\x80"),
    GOOD("\xe0\xa0\x80"),
    GOOD("\xf0\x90\x80\x80"),
    BAD("\xf8\x88\x80\x80\x80"),
    BAD("\xfc\x84\x80\x80\x80\x80"),
    /* 2.2: last of each length */
    GOOD("\x7f"),
    GOOD("\xdf\xbf"),
    GOOD("\xef\xbf\xbf"),
    BAD("\xf7\xbf\xbf\xbf"),
    BAD("\xfb\xbf\xbf\xbf\xbf"),
    BAD("\xfd\xbf\xbf\xbf\xbf\xbf"),
    /* 2.3: other edges */
    GOOD("\xed\x9f\xbf"),
    GOOD("\xee\x80\x80"),
    GOOD("\xef\xbf\xbd"),
    GOOD("\xf4\x8f\xbf\xbf"),
    BAD("\xf4\x90\x80\x80"),
    BAD("\xf5\x80\x80\x80"),
    /* 3.1: continuation bytes out of place */
    BAD("\x80"),
    BAD("\xbf"),
    BAD("\x80\xbf"),
    BAD("\x80\xbf\x80\xbf\x80\xbf\x80"),
    BAD("a\x80"),
    /* 3.2: first bytes alone, each followed by a space */
    BAD("\xc2 "),
    BAD("\xdf "),
    BAD("\xe0 "),
    BAD("\xef "),
    BAD("\xf0 "),
    BAD("\xf4 "),
    BAD("\xf8 "),
    BAD("\xfc "),
    /* 3.3: last byte missing */
    BAD("\xc2"),
    BAD("\xe0\xa0"),
    BAD("\xe1\x80"),
    BAD("\xf0\x90\x80"),
    BAD("\xf1\x80"),
    BAD("\xf4"),
    BAD("\xef\xbf"),
    BAD("\xc3\xc3\xa9"),
    BAD("\xe1\x80\xe1\x80\x80"),
    /* 3.5: impossible bytes */
    BAD("\xfe"),
    BAD("\xff"),
    BAD("\xfe\xfe\xff\xff"),
    /* 4: overlong */
    BAD("\xc0\xaf"),
    BAD("\xe0\x80\xaf"),
    BAD("\xf0\x80\x80\xaf"),
    BAD("\xc1\xbf"),
    BAD("\xe0\x9f\xbf"),
    BAD("\xf0\x8f\xbf\xbf"),
    BAD("\xc0\x80"),
    BAD("\xe0\x80\x80"),
    BAD("\xf0\x80\x80\x80"),
    /* 5: surrogates */
    BAD("\xed\xa0\x80"),
    BAD("\xed\xad\xbf"),
    BAD("\xed\xae\x80"),
    BAD("\xed\xaf\xbf"),
    BAD("\xed\xb0\x80"),
    BAD("\xed\xbf\xbf"),
    BAD("\xed\xa0\x80\xed\xb0\x80"),
    /* 5.3: noncharacters are characters to UTF-8 */
    GOOD("\xef\xb7\x90"),
    GOOD("\xef\xbf\xbe"),
    GOOD("\xf0\x9f\xbf\xbf"),
    /* an error in the middle, at each place of an eight byte word */
    BAD("0123456\xff"
        "89abcdef"),
    BAD("01234567\xff"
        "9abcdef"),
    BAD("0123456789abcde\xff"),
    GOOD("0123456\xc3\xa9"
         "9abcdef"),
    GOOD("01234567\xf0\x9f\x98\x80"
         "89abcdef"),
};

#define N_TEXTS (sizeof(texts) / sizeof(texts[0]))

static void
only_valid_texts_are_accepted(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < N_TEXTS; i++)
        if (skio__utf8_valid(texts[i].bytes, texts[i].len) != texts[i].valid)
            fail_msg("text %zu is judged wrongly", i);
    assert_true(skio__utf8_valid(NULL, 0));
}

static void
every_place_of_an_ascii_text_is_looked_at(void **state)
{
    char text[80];
    size_t len;
    size_t at;

    (void)state;
    for (len = 1; len <= sizeof(text); len++) {
        for (at = 0; at < len; at++) {
            memset(text, 'x', len);
            assert_true(skio__utf8_valid(text, len));
            text[at] = '\x80';
            assert_false(skio__utf8_valid(text, len));
            text[at] = '\xc3';
            assert_false(skio__utf8_valid(text, len));
            if (at + 1 < len) {
                text[at + 1] = '\xa9';
                assert_true(skio__utf8_valid(text, len));
            }
        }
    }
}

static void
cuts_do_not_change_the_verdict(void **state)
{
    size_t i;
    size_t a;
    size_t b;

    (void)state;
    for (i = 0; i < N_TEXTS; i++) {
        const char *bytes = texts[i].bytes;
        size_t len = texts[i].len;

        for (a = 0; a <= len; a++) {
            for (b = a; b <= len; b++) {
                struct skio__utf8 utf8 = {0, 0, 0, 0};
                bool ok = skio__utf8_feed(&utf8, bytes, a);

                ok = skio__utf8_feed(&utf8, bytes + a, b - a) && ok;
                ok = skio__utf8_feed(&utf8, bytes + b, len - b) && ok;
                if ((ok && skio__utf8_is_complete(&utf8)) != texts[i].valid)
                    fail_msg("text %zu cut at %zu and %zu", i, a, b);
            }
        }
    }
}

static void
an_error_shows_at_once_and_stays(void **state)
{
    struct skio__utf8 utf8 = {0, 0, 0, 0};

    (void)state;
    assert_true(skio__utf8_feed(&utf8, "abc\xe2", 4));
    assert_false(skio__utf8_is_complete(&utf8));
    assert_true(skio__utf8_feed(&utf8, "\x82", 1));
    assert_true(skio__utf8_feed(&utf8, NULL, 0));
    assert_true(skio__utf8_feed(&utf8, "\xac", 1));
    assert_true(skio__utf8_is_complete(&utf8));
    assert_true(skio__utf8_feed(&utf8, "\xed", 1));
    assert_false(skio__utf8_feed(&utf8, "\xa0", 1)); /* before its end */
    assert_false(skio__utf8_feed(&utf8, "a", 1));
    assert_false(skio__utf8_feed(&utf8, NULL, 0));
    assert_false(skio__utf8_is_complete(&utf8));
}

/* Every code point, encoded here by the definition. */
static void
every_code_point_has_one_form(void **state)
{
    uint32_t c;

    (void)state;
    for (c = 0; c <= 0x10ffff + 0x100; c++) {
        bool valid = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        char out[4];
        size_t len;

        if (c < 0x80) {
            out[0] = (char)c;
            len = 1;
        } else if (c < 0x800) {
            out[0] = (char)(0xc0 | c >> 6);
            out[1] = (char)(0x80 | (c & 0x3f));
            len = 2;
        } else if (c < 0x10000) {
            out[0] = (char)(0xe0 | c >> 12);
            out[1] = (char)(0x80 | (c >> 6 & 0x3f));
            out[2] = (char)(0x80 | (c & 0x3f));
            len = 3;
        } else {
            out[0] = (char)(0xf0 | c >> 18);
            out[1] = (char)(0x80 | (c >> 12 & 0x3f));
            out[2] = (char)(0x80 | (c >> 6 & 0x3f));
            out[3] = (char)(0x80 | (c & 0x3f));
            len = 4;
        }
        if (skio__utf8_valid(out, len) != valid ||
            skio__utf8_char(out, len) != (valid ? len : 0) ||
            (len > 1 && skio__utf8_char(out, len - 1) != 0))
            fail_msg("U+%04X is judged wrongly", (unsigned)c);
    }
}

/* All texts of three bytes that do not begin in ASCII, the last byte being
 * any continuation byte or a neighbour of those. */
static void
the_two_ways_agree_on_all_short_texts(void **state)
{
    unsigned a;
    unsigned b;
    unsigned c;

    (void)state;
    for (a = 0x80; a < 0x100; a++) {
        for (b = 0; b < 0x100; b++) {
            for (c = 0x7f; c < 0xc1; c++) {
                char text[3] = {(char)a, (char)b, (char)c};
                size_t first = skio__utf8_char(text, 3);
                bool whole = first != 0;
                size_t at = first;

                while (whole && at < 3) {
                    size_t n = skio__utf8_char(text + at, 3 - at);

                    whole = n != 0;
                    at += n;
                }
                if (skio__utf8_valid(text, 3) != whole)
                    fail_msg("%02x %02x %02x is judged wrongly", a, b, c);
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_valid_texts_are_accepted),
        cmocka_unit_test(every_place_of_an_ascii_text_is_looked_at),
        cmocka_unit_test(cuts_do_not_change_the_verdict),
        cmocka_unit_test(an_error_shows_at_once_and_stays),
        cmocka_unit_test(every_code_point_has_one_form),
        cmocka_unit_test(the_two_ways_agree_on_all_short_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
