/* The system's counters. */
#define _GNU_SOURCE 1
#include "bench/usage.h"

#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define UNKNOWN (-1.0)

/* Seconds in which our threads were ready and waited for a processor: the second number of schedstat, nanoseconds
 * (Documentation/scheduler/sched-stats.rst). */
static double waited_now(void) {
    DIR *tasks = opendir("/proc/self/task");
    double seconds = 0;
    bool any = false;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        char path[64];
        unsigned long long ran, waited;
        if (snprintf(path, sizeof path, "/proc/self/task/%.20s/schedstat", entry->d_name) >= (int)sizeof path) continue;
        FILE *file = fopen(path, "re");
        if (file && fscanf(file, "%llu %llu", &ran, &waited) == 2) {
            seconds += 1e-9 * (double)waited;
            any = true;
        }
        if (file) fclose(file);
    }
    if (tasks) closedir(tasks);
    return any ? seconds : UNKNOWN;
}

/* Seconds that one line "cpu0 user nice system idle iowait irq softirq steal" of /proc/stat (proc(5)) counts as busy,
 * time that a hypervisor gave to others among them. */
static double busy_of(const char *line) {
    unsigned long long t[8] = {0};
    const int read = sscanf(line, "%*s %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4],
                            &t[5], &t[6], &t[7]);
    if (read < 4) return 0;
    return (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)sysconf(_SC_CLK_TCK);
}

static double busy_now(void) {
    cpu_set_t ours;
    FILE *file = fopen("/proc/stat", "re");
    char line[512];
    double seconds = 0;
    bool any = false;
    const bool bound = sched_getaffinity(0, sizeof ours, &ours) == 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "cpu", 3) != 0 || line[3] < '0' || line[3] > '9') continue;
        const long cpu = strtol(line + 3, NULL, 10);
        if (bound && (cpu >= CPU_SETSIZE || !CPU_ISSET((size_t)cpu, &ours))) continue;
        seconds += busy_of(line);
        any = true;
    }
    if (file) fclose(file);
    return any ? seconds : UNKNOWN;
}

oc_usage oc_usage_now(void) {
    struct rusage used = {0};
    struct timespec cpu = {0};
    getrusage(RUSAGE_SELF, &used);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (oc_usage){.wall = oc_clock_seconds(),
                      .cpu = (double)cpu.tv_sec + 1e-9 * (double)cpu.tv_nsec,
                      .waited = waited_now(),
                      .busy = busy_now(),
                      .switches = (double)used.ru_nivcsw};
}

/* a + sign·b where both are known. */
static double known(double a, double sign, double b) {
    if (a < 0 || b < 0) return UNKNOWN;
    const double sum = a + sign * b;
    return sum > 0 ? sum : 0; /* threads that have ended took their counters along */
}

oc_usage oc_usage_between(const oc_usage *begin, const oc_usage *end) {
    return (oc_usage){.wall = end->wall - begin->wall,
                      .cpu = end->cpu - begin->cpu,
                      .waited = known(end->waited, -1, begin->waited),
                      .busy = known(end->busy, -1, begin->busy),
                      .switches = end->switches - begin->switches};
}

oc_usage oc_usage_sum(const oc_usage *a, const oc_usage *b) {
    return (oc_usage){.wall = a->wall + b->wall,
                      .cpu = a->cpu + b->cpu,
                      .waited = known(a->waited, 1, b->waited),
                      .busy = known(a->busy, 1, b->busy),
                      .switches = a->switches + b->switches};
}

int oc_usage_processors(void) {
    cpu_set_t ours;
    return sched_getaffinity(0, sizeof ours, &ours) == 0 ? CPU_COUNT(&ours) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}
