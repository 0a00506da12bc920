/* What times of many repetitions are told by. */
#ifndef OC_BENCH_TIMING_H
#define OC_BENCH_TIMING_H

#include <stdint.h>

typedef struct oc_spread {
    double least, q1, median, q3, p99;
} oc_spread;

/* The value below which a share (0 to 1) of values[count >= 1] lies, the mean of two where it falls between them. Sorts
 * the values. */
double oc_bench_quantile(double *values, int64_t count, double share);

/* Of values[count >= 1], which are sorted by it. */
oc_spread oc_bench_spread(double *values, int64_t count);

#endif
