/* The machine's measured rates: its peak of fused multiply-adds and its bandwidth. */
#ifndef OC_BENCH_PEAK_H
#define OC_BENCH_PEAK_H

#include "base/parallel.h"
#include "bench/usage.h"

/* Bytes read and written by one pass of the two copies, one whose data stay in the caches and one whose do not. */
#define OC_COPY_CACHED ((size_t)8 << 20)
#define OC_COPY_UNCACHED ((size_t)256 << 20)

/* A rate as several rounds gave it. */
typedef struct oc_rate {
    double best;   /* of the quickest round */
    double middle; /* the median of the rounds: far below, something else was running */
} oc_rate;

/* GFLOP/s (two operations a multiply-add) of a loop that lives in registers, on all threads of the team at once, in
 * rounds of about a twentieth of a second, over about `seconds` in all. */
oc_rate oc_peak_measure(oc_team *team, double seconds);

/* *rate = GB/s, bytes read and bytes written counted alike, of copies of bytes / 2 by vectors, on all threads of the
 * team, over about `seconds`. OC_E_MEMORY. */
oc_status oc_copy_measure(oc_rate *rate, oc_team *team, size_t bytes, double seconds, oc_error *err);

/* A machine as it was measured, by all calls of oc_machine_measure since {0}: the best rates, and the lowest of the
 * calls' medians. */
typedef struct oc_machine {
    double peak, peak_low;         /* GFLOP/s */
    double cached, cached_low;     /* GB/s */
    double uncached, uncached_low; /* GB/s */
    oc_usage usage;                /* while the peak was measured, in which no thread waits for another */
} oc_machine;

/* Takes about a second. OC_E_MEMORY. */
oc_status oc_machine_measure(oc_machine *machine, oc_team *team, oc_error *err);

/* The least seconds that so many operations and bytes (read and written) take by the measured rates, each by itself: a
 * product counted as if computed directly, and data that fit the cached copy by its rate. */
double oc_machine_flops_seconds(const oc_machine *machine, double flops);
double oc_machine_bytes_seconds(const oc_machine *machine, double bytes);

#endif
