/*
 * Metrics: the text format of Prometheus, 0.0.4, and OpenMetrics 1.0
 *
 * They differ where this file looks at is_open: the name of a counter's family,
 * and the line at the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "addon/metrics.h"

/* A label's value: a backslash, a quotation mark and a line's end are escaped;
 * other control characters, which no name of sense has, are spaces. */
static void
put_escaped(struct metrics_text *text, const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = value[i];

        if (c == '\\')
            skio__text_str(&text->out, "\\\\");
        else if (c == '"')
            skio__text_str(&text->out, "\\\"");
        else if (c == '\n')
            skio__text_str(&text->out, "\\n");
        else
            skio__text_add(&text->out,
                           (unsigned char)c < ' ' || c == 0x7f ? " " : &c, 1);
    }
}

void
skio_metrics__family(struct metrics_text *text, const char *name,
                     const char *type, const char *help)
{
    const char *suffix =
        !text->is_open && strcmp(type, "counter") == 0 ? "_total" : "";
    const char *const parts[] = {"# HELP ", name, suffix, " ", help, "\n",
                                 "# TYPE ", name, suffix, " ", type, "\n"};

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        skio__text_str(&text->out, parts[i]);
}

static void
put_sample(struct metrics_text *text, const char *name, const char *suffix,
           const struct metrics_label *label, size_t count, const char *value)
{
    skio__text_str(&text->out, name);
    skio__text_str(&text->out, suffix);
    for (size_t i = 0; i < count; i++) {
        skio__text_str(&text->out, i == 0 ? "{" : ",");
        skio__text_str(&text->out, label[i].name);
        skio__text_str(&text->out, "=\"");
        put_escaped(text, label[i].value, label[i].len);
        skio__text_str(&text->out, "\"");
    }
    skio__text_str(&text->out, count > 0 ? "} " : " ");
    skio__text_str(&text->out, value);
    skio__text_str(&text->out, "\n");
}

void
skio_metrics__sample(struct metrics_text *text, const char *name,
                     const char *suffix, const struct metrics_label *label,
                     size_t count, uint64_t value)
{
    char number[24];

    (void)snprintf(number, sizeof number, "%" PRIu64, value);
    put_sample(text, name, suffix, label, count, number);
}

/* A host may have set a locale whose decimal point is a comma. */
void
skio_metrics__sample_real(struct metrics_text *text, const char *name,
                          const char *suffix, const struct metrics_label *label,
                          size_t count, double value)
{
    char number[40];
    char *comma;

    (void)snprintf(number, sizeof number, "%.15g", value);
    comma = strchr(number, ',');
    if (comma != NULL)
        *comma = '.';
    put_sample(text, name, suffix, label, count, number);
}

void
skio_metrics__text_end(struct metrics_text *text)
{
    if (text->is_open)
        skio__text_str(&text->out, "# EOF\n");
}
