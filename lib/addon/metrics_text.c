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

/* Room for so many more bytes; false: no memory, now or before. */
static bool
reserve(struct metrics_text *text, size_t more)
{
    size_t cap = text->cap > 0 ? text->cap : 4096;
    char *data;

    if (text->failed)
        return false;
    if (more <= text->cap - text->len)
        return true;
    while (cap - text->len < more)
        cap *= 2;
    data = skio_transport_alloc(text->server, cap);
    if (data != NULL && text->len > 0)
        memcpy(data, text->data, text->len);
    skio_transport_free(text->server, text->data);
    text->data = data;
    text->cap = cap;
    text->failed = data == NULL;
    return data != NULL;
}

static void
put_bytes(struct metrics_text *text, const char *data, size_t len)
{
    if (!reserve(text, len))
        return;
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

static void
put(struct metrics_text *text, const char *string)
{
    put_bytes(text, string, strlen(string));
}

/* A label's value: a backslash, a quotation mark and a line's end are escaped;
 * other control characters, which no name of sense has, are spaces. */
static void
put_escaped(struct metrics_text *text, const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = value[i];

        if (c == '\\')
            put(text, "\\\\");
        else if (c == '"')
            put(text, "\\\"");
        else if (c == '\n')
            put(text, "\\n");
        else
            put_bytes(text, (unsigned char)c < ' ' || c == 0x7f ? " " : &c, 1);
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
        put(text, parts[i]);
}

static void
put_sample(struct metrics_text *text, const char *name, const char *suffix,
           const struct metrics_label *label, size_t count, const char *value)
{
    put(text, name);
    put(text, suffix);
    for (size_t i = 0; i < count; i++) {
        put(text, i == 0 ? "{" : ",");
        put(text, label[i].name);
        put(text, "=\"");
        put_escaped(text, label[i].value, label[i].len);
        put(text, "\"");
    }
    put(text, count > 0 ? "} " : " ");
    put(text, value);
    put(text, "\n");
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
        put(text, "# EOF\n");
}
