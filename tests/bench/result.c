/* What a run measured: latencies, and the server's figures from /proc. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

struct result result;

/* Latencies in buckets of 1/32 of a power of two: 3 % wide. */
enum { SUB_BITS = 5, BUCKETS = 64 << SUB_BITS };

static uint64_t histogram[BUCKETS];
static uint64_t histogram_count;

static unsigned
bucket_of(uint64_t ns)
{
    unsigned power;

    if (ns < 1u << SUB_BITS)
        return (unsigned)ns;
    power = 63u - (unsigned)__builtin_clzll(ns);
    return ((power - SUB_BITS + 1) << SUB_BITS) +
           (unsigned)((ns >> (power - SUB_BITS)) & ((1u << SUB_BITS) - 1));
}

static double
bucket_us(unsigned bucket)
{
    unsigned power = bucket >> SUB_BITS;
    uint64_t sub = bucket & ((1u << SUB_BITS) - 1);
    uint64_t ns = power == 0 ? sub : (sub + (1u << SUB_BITS)) << (power - 1);

    return (double)ns / 1e3;
}

void
result_latency(uint64_t ns)
{
    histogram[bucket_of(ns)]++;
    histogram_count++;
}

static double
percentile(double part)
{
    uint64_t wanted = (uint64_t)(part * (double)histogram_count);
    uint64_t seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += histogram[i];
        if (seen > wanted)
            return bucket_us(i);
    }
    return 0;
}

/* The nth number of a file of /proc; 0 when the file has gone. */
static uint64_t
proc_number(const char *path, unsigned n)
{
    char line[256];
    FILE *file = fopen(path, "r");
    char *at = line, *end;
    uint64_t value = 0;

    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    fclose(file);
    for (unsigned i = 0; i <= n; i++) {
        value = strtoull(at, &end, 10);
        at = end;
    }
    return value;
}

/* All its threads: the exact time, which /proc/PID/stat has in ticks only. */
uint64_t
server_cpu_ns(void)
{
    char path[512];
    struct dirent **threads;
    uint64_t total = 0;
    int count;

    if (options.pid == 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)options.pid);
    count = scandir(path, &threads, NULL, NULL);
    if (count < 0)
        fail(path);
    for (int i = 0; i < count; i++) {
        if (threads[i]->d_name[0] != '.') {
            snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat",
                     (int)options.pid, threads[i]->d_name);
            total += proc_number(path, 0);
        }
        free(threads[i]);
    }
    free(threads);
    return total;
}

uint64_t
server_rss(void)
{
    char path[64];

    if (options.pid == 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)options.pid);
    return proc_number(path, 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void
result_begin(void)
{
    memset(histogram, 0, sizeof(histogram));
    histogram_count = 0;
    result.count = 0;
    result.begun_ns = now_ns();
    result.begun_cpu = server_cpu_ns();
}

void
result_print(double memory)
{
    double seconds = (double)(now_ns() - result.begun_ns) / 1e9;
    double cpu_us = (double)(server_cpu_ns() - result.begun_cpu) / 1e3;
    double count = (double)result.count;

    printf("{\"workload\":\"%s\",\"transport\":\"%s\",\"clients\":%u,"
           "\"depth\":%u,\"size\":%zu,\"count\":%.0f,\"rate\":%.0f,"
           "\"cpu_us\":%.3f,\"busy\":%.2f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"p999_us\":%.1f,\"memory\":%.0f}\n",
           options.workload, options.polling ? "polling" : "websocket",
           options.clients, options.depth, options.size, count, count / seconds,
           count > 0 ? cpu_us / count : 0, cpu_us / 1e6 / seconds,
           percentile(0.5), percentile(0.99), percentile(0.999), memory);
    fflush(stdout);
}
