/* Chains of multiply-adds, by which the processor's peak is measured. */
#ifndef OC_KERNELS_PEAK_H
#define OC_KERNELS_PEAK_H

#include <stdint.h>

#include "kernels/kernels.h"

struct oc_peak_kernels {
    int64_t multiply_adds; /* that one round does, counted lane by lane */
    /* Runs `rounds` rounds of x ← x·factor + a small number in every lane of independent chains, long enough to hide
     * their latency. Returns a sum that only keeps them from being optimised away; it is finite for |factor| < 1. */
    float (*run)(int64_t rounds, float factor);
};

#endif
