/* What a process got of the processors while something was measured, and what others took. */
#ifndef OC_BENCH_USAGE_H
#define OC_BENCH_USAGE_H

/* Counters since some beginning; of a difference of two, what happened between them. */
typedef struct oc_usage {
    double wall;     /* seconds */
    double cpu;      /* seconds of processor time of all threads */
    double waited;   /* seconds in which threads were ready to run and did not; < 0: the system does not tell */
    double busy;     /* seconds in which processors that we may run on did anything; < 0: the system does not tell */
    double switches; /* times that a thread was taken off its processor */
} oc_usage;

/* The counters now: /proc/self/task/…/schedstat and /proc/stat of Linux, getrusage. */
oc_usage oc_usage_now(void);

/* What happened from `begin` to `end`; unknown stays unknown. */
oc_usage oc_usage_between(const oc_usage *begin, const oc_usage *end);

/* Both stretches together. */
oc_usage oc_usage_sum(const oc_usage *a, const oc_usage *b);

/* Processors that the process may run on. */
int oc_usage_processors(void);

#endif
