/* Loops over elements, at the speed of memory. Maps of `n` >= 0 elements at any address; where a comment says that the
 * result may be a source, it may be the same array, never one that overlaps it. Each element is computed by itself by
 * the same operations at every level, so results are the same bits at all of them. */
#ifndef OC_KERNELS_ELEMENTWISE_H
#define OC_KERNELS_ELEMENTWISE_H

#include <stdint.h>

#include "kernels/kernels.h"

struct oc_elementwise_kernels {
    /* dst = a + b, and a + b + c from left to right. dst may be any source. */
    void (*sum_2)(void *dst, const void *a, const void *b, int64_t n);
    void (*sum_3)(void *dst, const void *a, const void *b, const void *c, int64_t n);

    /* dst = max(src, 0), NaN and −0 staying as they are. dst may be src. */
    void (*relu)(void *dst, const void *src, int64_t n);
    /* diff_src = dst > 0 ? diff_dst : 0. diff_src may be diff_dst. */
    void (*relu_backward)(void *diff_src, const void *dst, const void *diff_dst, int64_t n);

    /* dst = relu(a + b), plus c unless that is NULL; mask = a + b > 0 unless that is NULL. dst may be any source. */
    void (*join)(void *dst, uint8_t *mask, const void *a, const void *b, const void *c, int64_t n);
    /* diff_src = mask ? diff_dst : 0. diff_src may be diff_dst. */
    void (*join_backward)(void *diff_src, const uint8_t *mask, const void *diff_dst, int64_t n);

    /* dst = 1 / (1 + e^−src), in double precision, so that it is exact to the last bit but one. dst may be src. */
    void (*sigmoid)(void *dst, const void *src, int64_t n);
    /* diff_src = diff_dst·(dst·(1 − dst)). diff_src may be diff_dst. */
    void (*sigmoid_backward)(void *diff_src, const void *dst, const void *diff_dst, int64_t n);

    /* dst = src·factor. dst may be src. */
    void (*scale)(void *dst, const void *src, float factor, int64_t n);
    /* dst = src·(kept ? factor : 0): a product in either case, so that an infinity that is dropped shows as NaN, as in
     * PyTorch. dst may be src. */
    void (*scale_kept)(void *dst, const void *src, const uint8_t *kept, float factor, int64_t n);

    /* Of arrays of float, however maps are stored: dst = src·factor, the product rounded once from double precision.
     * dst may be src. */
    void (*scale_exact)(float *dst, const float *src, double factor, int64_t n);
    /* Likewise dst = a·x + b·y. dst may be any source. */
    void (*blend)(float *dst, float a, const float *x, float b, const float *y, int64_t n);
    /* Likewise average += rate·(src − average). */
    void (*average)(float *average, const float *src, float rate, int64_t n);
    /* Likewise Σ x², in double precision: eight sums of every eighth element; what is left over, in order, then those.
     */
    double (*sum_of_squares)(const float *x, int64_t n);
};

#endif
