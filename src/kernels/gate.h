/* Feature maps times a factor for each channel, alone, the sum of two, or with a residual join: dst = a·s, a·s + b·t,
 * or ReLU(a·s + b); and their gradients. A call is for one part of a map, one image's share of one block: `pixels`
 * pixels of `block` channels, without gaps. Factors are rows of `block` numbers, zero for padding. */
#ifndef OC_KERNELS_GATE_H
#define OC_KERNELS_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* One part: the sources, and the result or the gradients. b and diff_b are NULL, and t is not read, where there is but
 * one source. */
typedef struct oc_gate {
    bool join; /* ReLU(a·s + b): t is not read; backward b neither, and diff_b may be NULL */
    const void *a, *b;
    uint8_t *mask;        /* of a join: where the sum is above 0; forward NULL: not wanted */
    void *dst;            /* forward; may be a or b */
    const void *diff_dst; /* backward, as are the others */
    void *diff_a;         /* may be diff_dst or a */
    void *diff_b;         /* may be diff_dst or b, if diff_a is not the same */
} oc_gate;

struct oc_gate_kernels {
    /* dst = a·s + b·t, products and sum each rounded, so that it is the same bits at every level. */
    void (*forward)(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block);
    /* diff_a = diff_dst·s, diff_b = diff_dst·t, and for each channel sums[block] += Σ diff_dst·(a − b): tiles of 64
     * vectors are summed in single precision in a fixed order, and tiles in double. Of a join, with g = mask ? diff_dst
     * : 0: diff_a = g·s, diff_b = g, sums += Σ g·a. */
    void (*backward)(const oc_gate *gate, const float *s, const float *t, int64_t pixels, int64_t block, double *sums);
};

#endif
