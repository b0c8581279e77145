/*
 * Shapes: the tree that a declaration becomes, and that values are checked
 * against
 *
 *      "string, {id: int, tags?: [string | null]}"
 *
 *      args ──▶ STRING ──next──▶ OBJECT
 *                                 │ first
 *                                 ▼
 *                            id: INT ──next──▶ tags: ARRAY
 *                                               │ first
 *                                               ▼
 *                                             STRING ──or──▶ NULL
 *
 * Nodes are an array, and point to each other by index; 0 is nobody: there the
 * list of arguments stands, which nothing points to. A shape is one block.
 */
#ifndef SKIO_ADDON_SHAPES_TREE_H
#define SKIO_ADDON_SHAPES_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <socketio/shapes.h>

#define SHAPE_NOBODY 0

enum shape_kind {
    SHAPE_ANY,
    SHAPE_NULL,
    SHAPE_BOOL,
    SHAPE_INT,
    SHAPE_NUMBER,
    SHAPE_STRING,
    SHAPE_LITERAL, /* a string that is exactly this */
    SHAPE_BYTES,
    SHAPE_ARRAY,
    SHAPE_OBJECT
};

struct shape_node {
    uint8_t kind;     /* enum shape_kind */
    bool is_optional; /* an argument or a member that may be missing */
    bool is_open;     /* an object of unknown keys; a list that goes on */
    uint8_t place;    /* among its siblings */
    uint16_t next;    /* sibling */
    uint16_t first;   /* argument, member, element */
    uint16_t or_else; /* the other types that will do */
    uint16_t text_len;
    uint32_t kinds;      /* of this node and those after it in or_else: bits */
    uint64_t required;   /* members that must be there: bits, by place */
    const char *text;    /* the key of a member */
    const char *literal; /* of SHAPE_LITERAL */
    size_t literal_len;
    union {
        struct {
            uint64_t min; /* code points, bytes, elements, arguments */
            uint64_t max;
        } count;
        struct {
            int64_t min;
            int64_t max;
        } integer;
        struct {
            double min;
            double max;
        } number;
    } range;
};

struct skio_shape {
    skio_server *server;
    const struct shape_node *nodes; /* behind this, and texts behind them */
};

#endif /* SKIO_ADDON_SHAPES_TREE_H */
