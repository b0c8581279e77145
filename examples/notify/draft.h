/*
 * What an application asks for, checked
 */
#ifndef NOTIFY_DRAFT_H
#define NOTIFY_DRAFT_H

#include <socketio/value.h>

#include "notice.h"

/* Fill a draft from a body, NULL when that is no JSON. Returns NULL, or what is
 * wrong with it, static, for who sent it. */
const char *draft_read(struct draft *draft, const skio_value *body,
                       int64_t now);

#endif /* NOTIFY_DRAFT_H */
