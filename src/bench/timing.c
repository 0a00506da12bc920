/* Quantiles. */
#include "bench/timing.h"

#include <math.h>
#include <stdlib.h>

static int compare_reals(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double oc_bench_quantile(double *values, int64_t count, double share) {
    qsort(values, (size_t)count, sizeof *values, compare_reals);
    const double place = share * (double)(count - 1);
    const int64_t below = (int64_t)floor(place);
    const double rest = place - (double)below;
    return rest > 0 ? (1 - rest) * values[below] + rest * values[below + 1] : values[below];
}

oc_spread oc_bench_spread(double *values, int64_t count) {
    return (oc_spread){.least = oc_bench_quantile(values, count, 0),
                       .q1 = oc_bench_quantile(values, count, 0.25),
                       .median = oc_bench_quantile(values, count, 0.5),
                       .q3 = oc_bench_quantile(values, count, 0.75),
                       .p99 = oc_bench_quantile(values, count, 0.99)};
}
