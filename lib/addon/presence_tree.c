#include "addon/presence_tree.h"

#include <string.h>

/* xorshift64*: the seed is random and never told, which is enough for who
 * cannot see the tree. */
static uint64_t
next_weight(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717u;
}

struct presence_node *
skio__presence_tree_find(const struct presence_tree *tree, const char *key)
{
    struct presence_node *node = tree->root;

    while (node != NULL) {
        int order = strcmp(key, node->key);

        if (order == 0)
            break;
        node = node->kids[order > 0];
    }
    return node;
}

struct presence_node *
skio__presence_tree_after(const struct presence_tree *tree, const char *key)
{
    struct presence_node *node = tree->root;
    struct presence_node *found = NULL;

    while (node != NULL) {
        if (key == NULL || strcmp(node->key, key) > 0) {
            found = node;
            node = node->kids[0];
        } else {
            node = node->kids[1];
        }
    }
    return found;
}

void
skio__presence_tree_insert(struct presence_tree *tree,
                           struct presence_node *node, uint64_t *seed)
{
    struct presence_node **link = &tree->root;
    struct presence_node **low = &node->kids[0];
    struct presence_node **high = &node->kids[1];
    struct presence_node *rest;

    node->weight = next_weight(seed);
    while (*link != NULL && (*link)->weight >= node->weight)
        link = &(*link)->kids[strcmp(node->key, (*link)->key) > 0];
    rest = *link;
    *link = node;
    /* What was below goes to its two sides. */
    while (rest != NULL) {
        if (strcmp(rest->key, node->key) < 0) {
            *low = rest;
            low = &rest->kids[1];
            rest = *low;
        } else {
            *high = rest;
            high = &rest->kids[0];
            rest = *high;
        }
    }
    *low = NULL;
    *high = NULL;
    tree->count++;
}

void
skio__presence_tree_remove(struct presence_tree *tree,
                           struct presence_node *node)
{
    struct presence_node **link = &tree->root;
    struct presence_node *low = node->kids[0];
    struct presence_node *high = node->kids[1];

    while (*link != node)
        link = &(*link)->kids[strcmp(node->key, (*link)->key) > 0];
    while (low != NULL && high != NULL) {
        if (low->weight >= high->weight) {
            *link = low;
            link = &low->kids[1];
            low = *link;
        } else {
            *link = high;
            link = &high->kids[0];
            high = *link;
        }
    }
    *link = low != NULL ? low : high;
    tree->count--;
}
