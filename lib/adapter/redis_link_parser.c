/*
 * Replies of Redis, out of bytes: see redis_link_parser.h
 *
 * RESP2 alone: the link never asks for RESP3, so its types are errors. hiredis
 * 0.14 to 1.x: their tables of functions differ, and where tasks are kept.
 */
#include "adapter/redis_link_parser.h"

#include <string.h>

#include <hiredis/read.h>

/* hiredis 1.0 brought RESP3, and with it more functions. */
#ifdef REDIS_REPLY_DOUBLE
#define HIREDIS_1 1
typedef size_t element_count;
#else
#define HIREDIS_1 0
typedef int element_count;
#endif

#define DEPTH_MAX 7 /* arrays within an array */

/* ---- What hiredis calls ---- */

static void *
give_up(struct skio__redis_parser *parser, int err, const char *what)
{
    if (parser->err == SKIO_OK) {
        parser->err = err;
        parser->what = what;
    }
    return NULL; /* hiredis takes it for a lack of memory */
}

static struct skio__redis_reply *
add_reply(const redisReadTask *task, enum skio__redis_type type)
{
    struct skio__redis_parser *parser = task->privdata;
    struct skio__redis_reply *reply;

    if (parser->elements >= parser->max_elements)
        return give_up(parser, SKIO_ELIMIT, "an answer of too many elements");
    reply = skio__arena_alloc(&parser->arena, sizeof *reply);
    if (reply == NULL)
        return give_up(parser, SKIO_ENOMEM, "no memory for an answer");
    parser->elements++;
    *reply = (struct skio__redis_reply){.type = type, .str = ""};

    if (task->parent != NULL) {
        struct skio__redis_reply *parent = task->parent->obj;

        parent->elements[task->idx] = reply;
    }
    return reply;
}

static void *
create_string(const redisReadTask *task, char *str, size_t len)
{
    struct skio__redis_parser *parser = task->privdata;
    enum skio__redis_type type = SKIO__REDIS_STRING;
    struct skio__redis_reply *reply;
    char *copy;

    if (task->type == REDIS_REPLY_STATUS)
        type = SKIO__REDIS_STATUS;
    else if (task->type == REDIS_REPLY_ERROR)
        type = SKIO__REDIS_ERROR;
    else if (task->type != REDIS_REPLY_STRING)
        return give_up(parser, SKIO_EPROTO, "a type of RESP3");

    /* hiredis counts the two bytes behind a string, and does not look. */
    if (str[len] != '\r' || str[len + 1] != '\n')
        return give_up(parser, SKIO_EPROTO, "a string without its end");
    if (len > parser->max_bytes - parser->bytes)
        return give_up(parser, SKIO_ELIMIT, "an answer too large");
    reply = add_reply(task, type);
    if (reply == NULL)
        return NULL;
    copy = skio__arena_alloc(&parser->arena, len + 1);
    if (copy == NULL)
        return give_up(parser, SKIO_ENOMEM, "no memory for an answer");
    memcpy(copy, str, len);
    copy[len] = '\0';
    parser->bytes += len;
    reply->str = copy;
    reply->len = len;
    return reply;
}

static void *
create_array(const redisReadTask *task, element_count elements)
{
    struct skio__redis_parser *parser = task->privdata;
    struct skio__redis_reply *reply;
    size_t count = (size_t)elements; /* a negative one is huge */

    if (task->type != REDIS_REPLY_ARRAY)
        return give_up(parser, SKIO_EPROTO, "a type of RESP3");
    /* hiredis 0.14 has this limit of its own, 1.0 has none. */
    if (parser->reader->ridx > DEPTH_MAX)
        return give_up(parser, SKIO_EPROTO, "arrays nested too deeply");
    if (parser->elements >= parser->max_elements ||
        count > parser->max_elements - parser->elements - 1)
        return give_up(parser, SKIO_ELIMIT, "an answer of too many elements");
    reply = add_reply(task, SKIO__REDIS_ARRAY);
    if (reply == NULL || count == 0)
        return reply;
    reply->elements =
        skio__arena_alloc(&parser->arena, count * sizeof(reply->elements[0]));
    if (reply->elements == NULL)
        return give_up(parser, SKIO_ENOMEM, "no memory for an answer");
    reply->count = count;
    return reply;
}

static void *
create_integer(const redisReadTask *task, long long value)
{
    struct skio__redis_reply *reply = add_reply(task, SKIO__REDIS_INTEGER);

    if (reply != NULL)
        reply->integer = value;
    return reply;
}

static void *
create_nil(const redisReadTask *task)
{
    /* A string or an array that is none has its own type; "_" is RESP3's. */
    if (task->type == REDIS_REPLY_NIL)
        return give_up(task->privdata, SKIO_EPROTO, "a type of RESP3");
    return add_reply(task, SKIO__REDIS_NIL);
}

#if HIREDIS_1
static void *
refuse_double(const redisReadTask *task, double value, char *str, size_t len)
{
    (void)value;
    (void)str;
    (void)len;
    return give_up(task->privdata, SKIO_EPROTO, "a type of RESP3");
}

static void *
refuse_bool(const redisReadTask *task, int value)
{
    (void)value;
    return give_up(task->privdata, SKIO_EPROTO, "a type of RESP3");
}
#endif

/* All of it goes with the arena. */
static void
free_object(void *object)
{
    (void)object;
}

/* hiredis wants it without const, and does not write to it. */
static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_1
    .createDouble = refuse_double,
    .createBool = refuse_bool,
#endif
    .freeObject = free_object,
};

/* ---- The parser ---- */

/* Everything of the last reply. */
static void
forget_reply(struct skio__redis_parser *parser)
{
    const struct skio__arena_mark start = {NULL, 0};

    if (parser->elements > 0)
        skio__arena_release(&parser->arena, start);
    parser->bytes = 0;
    parser->elements = 0;
}

void
skio__redis_parser_init(struct skio__redis_parser *parser,
                        const skio_allocator *mem, size_t max_bytes,
                        uint32_t max_elements)
{
    *parser = (struct skio__redis_parser){.max_bytes = max_bytes,
                                          .max_elements = max_elements,
                                          .what = ""};
    skio__arena_init(&parser->arena, mem, 0);
}

void
skio__redis_parser_deinit(struct skio__redis_parser *parser)
{
    if (parser->reader != NULL)
        redisReaderFree(parser->reader);
    parser->reader = NULL;
    skio__arena_deinit(&parser->arena);
}

int
skio__redis_parser_begin(struct skio__redis_parser *parser)
{
    if (parser->reader != NULL)
        redisReaderFree(parser->reader);
    forget_reply(parser);
    parser->err = SKIO_OK;
    parser->what = "";
    parser->reader = redisReaderCreateWithFunctions(&functions);
    if (parser->reader == NULL)
        return SKIO_ENOMEM;
    parser->reader->privdata = parser;
    return SKIO_OK;
}

int
skio__redis_parser_feed(struct skio__redis_parser *parser, const void *data,
                        size_t len)
{
    return redisReaderFeed(parser->reader, data, len) == REDIS_OK ? SKIO_OK
                                                                  : SKIO_ENOMEM;
}

static const redisReadTask *
current_task(const redisReader *reader)
{
#if HIREDIS_1
    return reader->task[reader->ridx];
#else
    return &reader->rstack[reader->ridx];
#endif
}

/*
 * What is held back is one item that has not arrived whole. A string says how
 * long it will be: too long is known at once. All else is a line.
 */
static int
check_rest(struct skio__redis_parser *parser)
{
    const redisReader *reader = parser->reader;
    const char *rest = reader->buf + reader->pos;
    size_t held = reader->len - reader->pos;
    size_t announced = 0;

    if (held == 0 || reader->ridx < 0)
        return 0;
    if (current_task(reader)->type == REDIS_REPLY_STRING &&
        memchr(rest, '\n', held < 32 ? held : 32) != NULL) {
        for (; *rest >= '0' && *rest <= '9'; rest++) {
            announced = announced * 10 + (size_t)(*rest - '0');
            if (announced > parser->max_bytes - parser->bytes) {
                give_up(parser, SKIO_ELIMIT, "an answer too large");
                return parser->err;
            }
        }
    } else if (held > SKIO__REDIS_LINE_MAX) {
        give_up(parser, SKIO_ELIMIT, "a line too long");
        return parser->err;
    }
    return 0;
}

int
skio__redis_parser_next(struct skio__redis_parser *parser,
                        const struct skio__redis_reply **out)
{
    redisReader *reader = parser->reader;
    void *reply = NULL;

    if (parser->err != SKIO_OK)
        return parser->err;
    /* No task is open: the last reply was whole, and has been looked at. */
    if (reader->ridx < 0)
        forget_reply(parser);

    if (redisReaderGetReply(reader, &reply) != REDIS_OK) {
        bool is_memory = reader->err == REDIS_ERR_OOM;

        give_up(parser, is_memory ? SKIO_ENOMEM : SKIO_EPROTO, reader->errstr);
        return parser->err;
    }
    if (reply == NULL)
        return check_rest(parser);
    *out = reply;
    return 1;
}
