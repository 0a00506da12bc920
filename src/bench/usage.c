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

/* Up to `count` numbers of a text, with nothing but spaces between them; the rest is 0. */
static void read_numbers(double *number, int count, const char *text) {
    for (int i = 0; i < count; i++) {
        char *end;
        number[i] = (double)strtoull(text, &end, 10);
        text = end;
    }
}

/* Seconds in which one of our threads was ready and waited for a processor: the second number of schedstat, nanoseconds
 * (Documentation/scheduler/sched-stats.rst). */
static double waited_by(const char *task) {
    char path[64], line[128];
    double number[2], seconds = UNKNOWN;
    if (snprintf(path, sizeof path, "/proc/self/task/%.20s/schedstat", task) >= (int)sizeof path) return UNKNOWN;
    FILE *file = fopen(path, "re");
    if (file && fgets(line, sizeof line, file)) {
        read_numbers(number, 2, line);
        seconds = 1e-9 * number[1];
    }
    if (file) fclose(file);
    return seconds;
}

static double waited_now(void) {
    DIR *tasks = opendir("/proc/self/task");
    double all = UNKNOWN;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        if (entry->d_name[0] == '.') continue;
        const double one = waited_by(entry->d_name);
        if (one >= 0) all = all < 0 ? one : all + one;
    }
    if (tasks) closedir(tasks);
    return all;
}

/* Seconds that the numbers "user nice system idle iowait irq softirq steal" of a processor in /proc/stat (proc(5))
 * count as busy, time that a hypervisor gave to others among them. */
static double busy_of(const char *numbers) {
    double t[8];
    read_numbers(t, 8, numbers);
    return (t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)sysconf(_SC_CLK_TCK);
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
        char *numbers;
        const long cpu = strtol(line + 3, &numbers, 10);
        if (bound && (cpu >= CPU_SETSIZE || !CPU_ISSET((size_t)cpu, &ours))) continue;
        seconds += busy_of(numbers);
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
