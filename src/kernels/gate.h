/* Feature maps times a factor for each channel, alone or the sum of two: dst = a·s, or a·s + b·t; and their gradients.
 * A call is for one part of a map, one image's share of one block: `pixels` pixels of `block` channels, without gaps.
 * Factors are rows of `block` numbers, zero for padding. */
#ifndef OC_KERNELS_GATE_H
#define OC_KERNELS_GATE_H

#include <stdint.h>

#include "kernels/kernels.h"

/* One part: the sources, and the result or the gradients. b and diff_b are NULL, and t is not read, where there is but
 * one source. */
typedef struct oc_gate {
    const void *a, *b;
    void *dst;            /* forward; may be a or b */
    const void *diff_dst; /* backward, as are the others */
    void *diff_a;         /* may be diff_dst or a */
    void *diff_b;         /* may be diff_dst or b, if diff_a is not the same */
} oc_gate;

struct oc_gate_kernels {
    /* dst = a·s + b·t, products and sum each rounded, so that it is the same bits at every level. */
    void (*forward)(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block);
    /* diff_a = diff_dst·s, diff_b = diff_dst·t, and for each channel sums[block] += Σ diff_dst·(a − b): tiles of 64
     * vectors are summed in single precision in a fixed order, and tiles in double. */
    void (*backward)(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block, double *sums);
};

#endif
