/*
 * What the compiler can do beyond C11
 *
 * The only file with GNU extensions; gcc and clang have all of them. Other
 * compilers get plain C11 with the same meaning.
 */
#ifndef SKIO_BASE_COMPILER_H
#define SKIO_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define skio__likely(x) __builtin_expect(!!(x), 1)
#define skio__unlikely(x) __builtin_expect(!!(x), 0)
#define skio__rare __attribute__((noinline)) /* not the callers' registers */
#define skio__always_inline inline __attribute__((always_inline))
#else
#define skio__likely(x) (!!(x))
#define skio__unlikely(x) (!!(x))
#define skio__rare
#define skio__always_inline inline
#endif

/*
 * Whether a word's lowest byte is the one at its address; and the zeros below
 * its lowest one bit, which then tell how many bytes come before. Elsewhere
 * the first is false and the second not asked for.
 */
#if (defined(__GNUC__) || defined(__clang__)) &&                               \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SKIO__LOW_BYTE_FIRST true
#define skio__trailing_zeros(word) ((unsigned)__builtin_ctzll(word))
#else
#define SKIO__LOW_BYTE_FIRST false
#define skio__trailing_zeros(word) ((void)(word), 0U)
#endif

/*
 * Memory of ours that nobody may touch, and that may be touched again: for the
 * address sanitizer, which cannot know of memory that is kept for reuse.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SKIO__HAS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SKIO__HAS_ASAN
#endif

#ifdef SKIO__HAS_ASAN
#include <sanitizer/asan_interface.h>
#define skio__memory_close(ptr, len) __asan_poison_memory_region((ptr), (len))
#define skio__memory_open(ptr, len) __asan_unpoison_memory_region((ptr), (len))
#else
#define skio__memory_close(ptr, len) ((void)(ptr), (void)(len))
#define skio__memory_open(ptr, len) ((void)(ptr), (void)(len))
#endif

/* The object that holds `ptr` as its member `member`. */
#define skio__container_of(ptr, type, member)                                  \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define SKIO__CACHE_LINE 64

/* These bytes are needed soon: a hint, and no access. A function that does
 * nothing else has to be inlined, too: gcc takes it for one without effect, and
 * drops its calls. */
static skio__always_inline void
skio__fetch(const void *ptr, size_t len)
{
#if defined(__GNUC__) || defined(__clang__)
    for (size_t at = 0; at < len; at += SKIO__CACHE_LINE)
        __builtin_prefetch((const char *)ptr + at);
#else
    (void)ptr;
    (void)len;
#endif
}

/*
 * Size arithmetic: true when the result does not fit. *out is then without
 * meaning, as with the builtins.
 */
static inline bool
skio__add_overflow(size_t a, size_t b, size_t *out)
{
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_add_overflow(a, b, out);
#else
    *out = a + b;
    return *out < a;
#endif
}

static inline bool
skio__mul_overflow(size_t a, size_t b, size_t *out)
{
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_mul_overflow(a, b, out);
#else
    *out = a * b;
    return a != 0 && *out / a != b;
#endif
}

#endif /* SKIO_BASE_COMPILER_H */
