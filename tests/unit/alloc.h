/*
 * An allocator for tests: counts what lives, and fails when told to
 *
 *     struct test_alloc t;
 *
 *     test_alloc_init(&t);
 *     thing_init(&thing, &t.allocator);
 *     test_alloc_fail(&t, 3);    the third allocation from here fails, once
 *     ...
 *     assert_int_equal(t.live, 0);
 *
 * Every block is a malloc(3) of its own with its size and a mark before it, so
 * that sanitizers and valgrind see it, and a block that is freed twice, or was
 * never ours, stops the program. A realloc(3) always moves: stale pointers
 * show.
 */
#ifndef TESTS_UNIT_ALLOC_H
#define TESTS_UNIT_ALLOC_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <socketio/base.h>

#define TEST_ALLOC_MARK UINT64_C(0x5eadbeefca11ab1e)

struct test_alloc {
    skio_allocator allocator;
    /* atomic: skio_server_post() allocates in any thread */
    atomic_size_t live;       /* blocks */
    atomic_size_t live_bytes; /* in them */
    atomic_size_t peak_bytes;
    atomic_size_t calls;   /* of malloc and realloc, failed ones too */
    atomic_size_t fail_in; /* 1: the next one fails; 0: none does */
    atomic_int fail_all;   /* and all after it */
    atomic_size_t failed;  /* how many did */
};

union test_alloc_head {
    struct {
        uint64_t mark;
        size_t size;
    } block;
    max_align_t align;
};

static inline int
test_alloc_must_fail(struct test_alloc *t)
{
    t->calls++;
    if (t->fail_in == 0)
        return 0;
    if (t->fail_in > 1) {
        t->fail_in--;
        return 0;
    }
    if (!t->fail_all)
        t->fail_in = 0;
    t->failed++;
    return 1;
}

static inline void *
test_alloc_take(struct test_alloc *t, size_t size)
{
    union test_alloc_head *head;

    if (size > SIZE_MAX - sizeof(*head))
        return NULL;
    head = malloc(sizeof(*head) + size);
    if (head == NULL)
        return NULL;

    head->block.mark = TEST_ALLOC_MARK;
    head->block.size = size;
    t->live++;
    t->live_bytes += size;
    if (t->live_bytes > t->peak_bytes)
        t->peak_bytes = t->live_bytes;
    return head + 1;
}

static inline union test_alloc_head *
test_alloc_head(void *ptr)
{
    union test_alloc_head *head = (union test_alloc_head *)ptr - 1;

    if (head->block.mark != TEST_ALLOC_MARK) {
        fprintf(stderr, "%p is no block of the test allocator\n", ptr);
        abort();
    }
    return head;
}

static inline void
test_alloc_free(void *ptr, void *user)
{
    struct test_alloc *t = user;
    union test_alloc_head *head = test_alloc_head(ptr);

    t->live--;
    t->live_bytes -= head->block.size;
    memset(head, 0xdd, sizeof(*head) + head->block.size);
    free(head);
}

static inline void *
test_alloc_malloc(size_t size, void *user)
{
    struct test_alloc *t = user;
    void *ptr;

    if (test_alloc_must_fail(t))
        return NULL;

    ptr = test_alloc_take(t, size);
    if (ptr != NULL)
        memset(ptr, 0xa5, size); /* nobody may count on zeroes */
    return ptr;
}

static inline void *
test_alloc_realloc(void *ptr, size_t size, void *user)
{
    struct test_alloc *t = user;
    size_t old;
    void *moved;

    if (ptr == NULL)
        return test_alloc_malloc(size, user);
    old = test_alloc_head(ptr)->block.size;
    if (test_alloc_must_fail(t))
        return NULL;

    moved = test_alloc_take(t, size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, ptr, old < size ? old : size);
    test_alloc_free(ptr, user);
    return moved;
}

static inline void
test_alloc_init(struct test_alloc *t)
{
    memset(t, 0, sizeof(*t));
    t->allocator.malloc = test_alloc_malloc;
    t->allocator.realloc = test_alloc_realloc;
    t->allocator.free = test_alloc_free;
    t->allocator.user = t;
}

/* The n-th allocation from here fails, the others do not; 0: none. */
static inline void
test_alloc_fail(struct test_alloc *t, size_t n)
{
    t->fail_in = n;
    t->fail_all = 0;
}

/* The n-th allocation from here fails and all that follow. */
static inline void
test_alloc_fail_from(struct test_alloc *t, size_t n)
{
    t->fail_in = n;
    t->fail_all = 1;
}

#endif /* TESTS_UNIT_ALLOC_H */
