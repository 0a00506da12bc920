/* What the processor is measured by: chains of multiply-adds, and a stream through memory. */
#ifndef OC_KERNELS_PEAK_H
#define OC_KERNELS_PEAK_H

#include <stdint.h>

#include "kernels/kernels.h"

struct oc_peak_kernels {
    int64_t multiply_adds; /* that one round does, counted lane by lane */
    /* Runs `rounds` rounds of x ← x·factor + a small number in every lane of independent chains, long enough to hide
     * their latency. Returns a sum that only keeps them from being optimised away; it is finite for |factor| < 1. */
    float (*run)(int64_t rounds, float factor);
    /* to[i] = from[i]·factor: a copy, by which the bandwidth is measured, in a form that no compiler makes a call of
     * memcpy, which may go around the caches where no operator does. */
    void (*stream)(float *to, const float *from, int64_t count, float factor);
};

#endif
