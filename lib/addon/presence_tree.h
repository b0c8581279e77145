/*
 * Presence: what is found by its name, in order
 *
 * A treap: a search tree by key that is a heap by random weights, so that no
 * choice of names makes it deep. Nodes lie inside of what they lead to; nothing
 * is allocated, so that only making an item can fail.
 */
#ifndef ADDON_PRESENCE_TREE_H
#define ADDON_PRESENCE_TREE_H

#include <stddef.h>
#include <stdint.h>

#define PRESENCE_OF(pointer, type, member)                                     \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

struct presence_node {
    struct presence_node *kids[2];
    uint64_t weight;
    const char *key; /* stays as it is while the node is in a tree */
};

struct presence_tree {
    struct presence_node *root;
    size_t count;
};

/* The node with this key, or NULL. */
struct presence_node *skio__presence_tree_find(const struct presence_tree *tree,
                                               const char *key);

/* The first one whose key is behind this one; NULL: the first of all. */
struct presence_node *
skio__presence_tree_after(const struct presence_tree *tree, const char *key);

/* No node with its key is there. *seed is that of the weights. */
void skio__presence_tree_insert(struct presence_tree *tree,
                                struct presence_node *node, uint64_t *seed);

/* It is there. */
void skio__presence_tree_remove(struct presence_tree *tree,
                                struct presence_node *node);

#endif /* ADDON_PRESENCE_TREE_H */
