/*
 * Errors and the version: declared in <socketio/base.h>
 */
#include <socketio/base.h>

const char *
skio_strerror(int err)
{
    switch (err) {
#define ERROR_TEXT(name, value, text)                                          \
    case value:                                                                \
        return text;
        SKIO_ERROR_MAP(ERROR_TEXT)
#undef ERROR_TEXT
    default:
        return "unknown error";
    }
}

const char *
skio_err_name(int err)
{
    switch (err) {
#define ERROR_NAME(name, value, text)                                          \
    case value:                                                                \
        return "SKIO_" #name;
        SKIO_ERROR_MAP(ERROR_NAME)
#undef ERROR_NAME
    default:
        return "SKIO_E?";
    }
}

const char *
skio_version(void)
{
    return SKIO_VERSION;
}
