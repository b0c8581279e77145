/* What a run measured: latencies, and the server's figures from /proc. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

bool counting, stopping;

static struct histogram latencies;

/* At the start of counting, then of the time of counting. */
static uint64_t elapsed_ns, cpu_ns, own_ns;
static double memory_before, memory;
static uint64_t operations; /* of operations: the warm-up's, too */
static unsigned refusals;

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

/* The middle of a bucket. */
static double
bucket_us(unsigned bucket)
{
    unsigned power = bucket >> SUB_BITS;
    uint64_t sub = bucket & ((1u << SUB_BITS) - 1);

    if (power == 0)
        return (double)sub / 1e3;
    return ((double)(sub + (1u << SUB_BITS)) + 0.5) *
           (double)(UINT64_C(1) << (power - 1)) / 1e3;
}

void
histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->buckets[bucket_of(ns)]++;
    histogram->count++;
}

double
histogram_percentile(const struct histogram *histogram, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)histogram->count);
    uint64_t seen = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += histogram->buckets[i];
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
static uint64_t
process_cpu_ns(pid_t pid)
{
    char path[512];
    struct dirent **threads;
    uint64_t total = 0;
    int count;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    count = scandir(path, &threads, NULL, NULL);
    if (count < 0)
        fail(path);
    for (int i = 0; i < count; i++) {
        if (threads[i]->d_name[0] != '.') {
            snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid,
                     threads[i]->d_name);
            total += proc_number(path, 0);
        }
        free(threads[i]);
    }
    free(threads);
    return total;
}

uint64_t
server_cpu_ns(void)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < options.pid_count; i++)
        total += process_cpu_ns(options.pids[i]);
    return total;
}

uint64_t
server_rss(void)
{
    uint64_t pages = 0;
    char path[64];

    for (unsigned i = 0; i < options.pid_count; i++) {
        snprintf(path, sizeof(path), "/proc/%d/statm", (int)options.pids[i]);
        pages += proc_number(path, 1);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t
own_cpu_ns(void)
{
    struct rusage own;

    getrusage(RUSAGE_SELF, &own);
    return ((uint64_t)own.ru_utime.tv_sec + (uint64_t)own.ru_stime.tv_sec) *
               1000000000u +
           ((uint64_t)own.ru_utime.tv_usec + (uint64_t)own.ru_stime.tv_usec) *
               1000u;
}

void
result_memory_begin(void)
{
    memory_before = (double)server_rss();
}

void
result_memory_end(unsigned connections)
{
    memory = ((double)server_rss() - memory_before) / connections;
}

double
result_memory(void)
{
    return memory;
}

void
result_add(uint64_t ns)
{
    operations++;
    if (counting)
        histogram_add(&latencies, ns);
}

unsigned
result_refused(void)
{
    return ++refusals;
}

void
result_run(void)
{
    net_run_for(options.seconds / 4);
    elapsed_ns = now_ns();
    cpu_ns = server_cpu_ns();
    own_ns = own_cpu_ns();
    counting = true;
    net_run_for(options.seconds);
    counting = false;
    stopping = true;
    own_ns = own_cpu_ns() - own_ns;
    cpu_ns = server_cpu_ns() - cpu_ns;
    elapsed_ns = now_ns() - elapsed_ns;
}

void
result_print(void)
{
    double seconds = (double)elapsed_ns / 1e9;
    double count = (double)latencies.count;

    printf("{\"workload\":\"%s\",\"transport\":\"%s\",\"tls\":%s,"
           "\"clients\":%u,\"idle\":%u,\"depth\":%u,\"size\":%zu,"
           "\"seconds\":%.3f,\"count\":%.0f,\"total\":%llu,\"refused\":%u,"
           "\"rate\":%.0f,\"cpu_us\":%.4f,"
           "\"busy\":%.3f,\"load_busy\":%.3f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
           "\"p999_us\":%.1f,\"memory\":%.0f}\n",
           options.workload, options.polling ? "polling" : "websocket",
           options.tls ? "true" : "false", options.clients, options.idle,
           options.depth, options.size, seconds, count,
           (unsigned long long)operations, refusals,
           seconds > 0 ? count / seconds : 0,
           count > 0 ? (double)cpu_ns / 1e3 / count : 0,
           seconds > 0 ? (double)cpu_ns / 1e9 / seconds : 0,
           seconds > 0 ? (double)own_ns / 1e9 / seconds : 0,
           histogram_percentile(&latencies, 0.5),
           histogram_percentile(&latencies, 0.99),
           histogram_percentile(&latencies, 0.999), memory);
    fflush(stdout);
}
