/*
 * Metrics: what the system knows of this process, from /proc
 *
 * The names are those of Prometheus' own clients. What cannot be read is left
 * out, as everything is where there is no Linux.
 */
#define _GNU_SOURCE /* getrusage, CLOCK_BOOTTIME, sysconf, getdents64 */

#include <dirent.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "addon/metrics.h"

/* Of a small file, NUL-terminated; false when it cannot be read. */
static bool
read_file(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t len = 0;

    if (file == NULL)
        return false;
    len = fread(out, 1, size - 1, file);
    (void)fclose(file);
    out[len] = '\0';
    return len > 0;
}

#define COUNTED_MAX 10000 /* descriptors */

/* Fields of /proc/self/stat, from that of the state (3) on: proc(5). */
enum { STAT_START = 22 - 3, STAT_VSIZE = 23 - 3, STAT_RSS = 24 - 3, STAT_END };

/* The name of the program, field 2, may hold anything but ends the last ')'. */
static bool
read_stat(uint64_t fields[STAT_END])
{
    char text[1024];
    const char *at;

    if (!read_file("/proc/self/stat", text, sizeof text))
        return false;
    at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ')
        return false;
    at += 2;
    for (int i = 0; i < STAT_END; i++) {
        /* Some are negative, which none of ours is; the first is a letter. */
        fields[i] = i > 0 ? strtoull(at, NULL, 10) : 0;
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        at++;
    }
    return true;
}

double
skio_metrics__boot_time(void)
{
    struct timespec wall;
    struct timespec up;

    if (clock_gettime(CLOCK_REALTIME, &wall) != 0 ||
        clock_gettime(CLOCK_BOOTTIME, &up) != 0)
        return 0;
    return (double)(wall.tv_sec - up.tv_sec) +
           (double)(wall.tv_nsec - up.tv_nsec) / 1e9;
}

static void
write_stat(const struct skio_metrics *metrics, struct metrics_text *text)
{
    uint64_t fields[STAT_END];
    long ticks = sysconf(_SC_CLK_TCK);
    long page = sysconf(_SC_PAGESIZE);

    if (ticks <= 0 || page <= 0 || !read_stat(fields))
        return;
    skio_metrics__family(text, "process_resident_memory_bytes", "gauge",
                         "Resident memory.");
    skio_metrics__sample(text, "process_resident_memory_bytes", "", NULL, 0,
                         fields[STAT_RSS] * (uint64_t)page);
    skio_metrics__family(text, "process_virtual_memory_bytes", "gauge",
                         "Virtual memory.");
    skio_metrics__sample(text, "process_virtual_memory_bytes", "", NULL, 0,
                         fields[STAT_VSIZE]);
    if (metrics->boot_time <= 0)
        return;
    skio_metrics__family(text, "process_start_time_seconds", "gauge",
                         "When the process was started, since 1970.");
    skio_metrics__sample_real(text, "process_start_time_seconds", "", NULL, 0,
                              metrics->boot_time +
                                  (double)fields[STAT_START] / (double)ticks);
}

static void
write_cpu(struct metrics_text *text)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    skio_metrics__family(text, "process_cpu_seconds", "counter",
                         "Time of processors, the system's included.");
    skio_metrics__sample_real(text, "process_cpu_seconds", "_total", NULL, 0,
                              (double)(usage.ru_utime.tv_sec +
                                       usage.ru_stime.tv_sec) +
                                  (double)(usage.ru_utime.tv_usec +
                                           usage.ru_stime.tv_usec) /
                                      1e6);
}

#ifdef __linux__

/* How many entries a folder has, itself among those that are open. */
static long
count_entries(int folder)
{
    union {
        struct dirent64 first; /* for its alignment */
        char bytes[4096];
    } read;
    long count = 0;

    while (count <= COUNTED_MAX) {
        ssize_t len = getdents64(folder, &read, sizeof read);

        if (len <= 0)
            return len == 0 ? count : -1;
        for (ssize_t at = 0; at < len;) {
            const char *entry = read.bytes + at;
            unsigned short size;

            memcpy(&size, entry + offsetof(struct dirent64, d_reclen),
                   sizeof size);
            if (entry[offsetof(struct dirent64, d_name)] != '.')
                count++;
            at += size;
        }
    }
    return -1;
}

/* -1: unknown. Since Linux 6.2 the folder's size says it; else it takes time to
 * count them, during which nobody is served. */
static long
count_descriptors(void)
{
    struct stat status;
    long count;
    int folder;

    if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0)
        return (long)status.st_size;
    folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return -1;
    count = count_entries(folder);
    (void)close(folder);
    return count > 0 ? count - 1 : -1;
}

#else

static long
count_descriptors(void)
{
    return -1;
}

#endif

static void
write_descriptors(struct metrics_text *text)
{
    struct rlimit limit;
    long count = count_descriptors();

    if (count < 0)
        return;
    skio_metrics__family(text, "process_open_fds", "gauge",
                         "Descriptors that are open.");
    skio_metrics__sample(text, "process_open_fds", "", NULL, 0,
                         (uint64_t)count);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur == RLIM_INFINITY)
        return;
    skio_metrics__family(text, "process_max_fds", "gauge",
                         "Descriptors that may be open.");
    skio_metrics__sample(text, "process_max_fds", "", NULL, 0,
                         (uint64_t)limit.rlim_cur);
}

void
skio_metrics__write_process(const struct skio_metrics *metrics,
                            struct metrics_text *text)
{
    write_cpu(text);
    write_stat(metrics, text);
    write_descriptors(text);
}
