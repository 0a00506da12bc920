/* The machine's measured peak of fused multiply-adds. */
#ifndef OC_BENCH_PEAK_H
#define OC_BENCH_PEAK_H

#include "base/parallel.h"

/* GFLOP/s (two operations a multiply-add) of a loop that lives in registers, on all threads of the team at once: the
 * best of several rounds over about `seconds` in all. */
double oc_peak_gflops(oc_team *team, double seconds);

#endif
