/* Loops over elements, at the speed of memory. Arrays of `n` >= 0 floats at any address; where a comment says that the
 * result may be a source, it may be the same array, never one that overlaps it. Each element is computed by itself by
 * the same operations at every level, so results are the same bits at all of them. */
#ifndef OC_KERNELS_ELEMENTWISE_H
#define OC_KERNELS_ELEMENTWISE_H

#include <stdint.h>

#include "kernels/kernels.h"

struct oc_elementwise_kernels {
    /* dst = a + b, and a + b + c from left to right. dst may be any source. */
    void (*sum_2)(float *dst, const float *a, const float *b, int64_t n);
    void (*sum_3)(float *dst, const float *a, const float *b, const float *c, int64_t n);

    /* dst = max(src, 0), NaN and −0 staying as they are. dst may be src. */
    void (*relu)(float *dst, const float *src, int64_t n);
    /* diff_src = dst > 0 ? diff_dst : 0. diff_src may be diff_dst. */
    void (*relu_backward)(float *diff_src, const float *dst, const float *diff_dst, int64_t n);

    /* dst = relu(a + b), plus c unless that is NULL; mask = a + b > 0 unless that is NULL. dst may be any source. */
    void (*join)(float *dst, uint8_t *mask, const float *a, const float *b, const float *c, int64_t n);
    /* diff_src = mask ? diff_dst : 0. diff_src may be diff_dst. */
    void (*join_backward)(float *diff_src, const uint8_t *mask, const float *diff_dst, int64_t n);

    /* dst = 1 / (1 + e^−src), in double precision, so that it is exact to the last bit but one. dst may be src. */
    void (*sigmoid)(float *dst, const float *src, int64_t n);
    /* diff_src = diff_dst·(dst·(1 − dst)). diff_src may be diff_dst. */
    void (*sigmoid_backward)(float *diff_src, const float *dst, const float *diff_dst, int64_t n);

    /* dst = src·factor. dst may be src. */
    void (*scale)(float *dst, const float *src, float factor, int64_t n);
    /* dst = src·(kept ? factor : 0): a product in either case, so that an infinity that is dropped shows as NaN, as in
     * PyTorch. dst may be src. */
    void (*scale_kept)(float *dst, const float *src, const uint8_t *kept, float factor, int64_t n);
    /* dst = src·factor, the product rounded once from double precision. dst may be src. */
    void (*scale_exact)(float *dst, const float *src, double factor, int64_t n);
    /* dst = a·x + b·y. dst may be any source. */
    void (*blend)(float *dst, float a, const float *x, float b, const float *y, int64_t n);
    /* average += rate·(src − average). */
    void (*average)(float *average, const float *src, float rate, int64_t n);
    /* Σ x², in double precision: eight sums of every eighth element; what is left over, in order, then those. */
    double (*sum_of_squares)(const float *x, int64_t n);
};

#endif
