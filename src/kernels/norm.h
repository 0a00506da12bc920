/* Batch norm (Ioffe and Szegedy, ICML 2015) over all but the channels of a map, ReLU fused or not: in training two
 * passes over memory forward (statistics, normalising) and two backward (sums, gradient), else one.
 *
 * A pass is divided into map.images·map.blocks parts, one image's share of one block each, block by block: part i is
 * image i % images of block i / images. What is joined between two passes is divided by blocks. So a caller may divide
 * each pass by parts, and wait for all between them; or divide the whole by blocks, with parts [b·images, (b + 1)·
 * images) for block b, while they are still in the cache. The results have the same bits either way, for any division
 * among threads. */
#ifndef OC_KERNELS_NORM_H
#define OC_KERNELS_NORM_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/map.h"

/* Floats of `rows` for each channel, padding included: how the passes normalise. */
#define OC_NORM_ROWS 5

/* What a layer works on; of the pointers only those that a function names need be set. Maps lie as `map` says; arrays
 * of channels hold map.channels numbers, those of scratch blocks·block. */
typedef struct oc_norm_args {
    oc_map map;
    double epsilon;
    bool relu;  /* followed by a ReLU, through which the backward pass goes as well */
    bool fixed; /* backward: the statistics were given, they are no function of src */
    const void *src;
    const float *scale, *shift;
    float *mean, *variance; /* biased */
    void *dst;              /* may be src */
    const void *diff_dst;
    /* The gradient of a mean over the pixels of dst, [images][blocks·block]: each pixel's share of it is added to
     * diff_dst. NULL: none. */
    const float *diff_mean;
    void *diff_src; /* may be diff_dst, or src */
    float *diff_scale, *diff_shift;
    double *sums; /* scratch: [blocks][images][2][block] */
    float *rows;  /* scratch: [blocks][OC_NORM_ROWS][block] */
} oc_norm_args;

/* A range counts parts (`begin`, `end`) or blocks (`first`, `last`); the end is not included. */
struct oc_norm_kernels {
    /* sums = Σ src and Σ src² of each part: tiles of 64 values are summed in single precision, twice while they are in
     * the nearest cache (the second time squared distances from the tile's own mean), and joined in double precision
     * (Chan, Golub and LeVeque, The American Statistician 37, 1983). */
    void (*sums)(const oc_norm_args *args, int64_t begin, int64_t end);
    /* mean and variance from the sums, whose images are joined in order. NaN stays NaN. */
    void (*statistics)(const oc_norm_args *args, int64_t first, int64_t last);

    /* rows, from mean, variance, scale, shift and epsilon: before `forward` and before `backward_sums`. */
    void (*prepare)(const oc_norm_args *args, int64_t first, int64_t last);
    /* dst = (src − mean)·scale/√(variance + ε) + shift, then max(…, 0) if `relu`, NaN staying NaN. Goes from the last
     * part of the range to the first, since those read last may still be in the cache. */
    void (*forward)(const oc_norm_args *args, int64_t begin, int64_t end);

    /* sums = Σ g and Σ g·(src − mean) of each part, g being diff_dst, or 0 where the ReLU was closed. That is computed
     * again from src, to the same bits as in `forward`, which costs no memory traffic. */
    void (*backward_sums)(const oc_norm_args *args, int64_t begin, int64_t end);
    /* diff_scale = Σ g·x̂ and diff_shift = Σ g, x̂ = (src − mean)/√(variance + ε), from the sums, whose images are joined
     * in order; and the rows that `backward` lacks. */
    void (*backward_join)(const oc_norm_args *args, int64_t first, int64_t last);
    /* diff_src = scale/√(variance + ε)·(g − mean of g − x̂·(mean of g·x̂)), without the means if `fixed`. Backwards
     * like `forward`. */
    void (*backward)(const oc_norm_args *args, int64_t begin, int64_t end);
};

#endif
