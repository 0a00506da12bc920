/* Work that kernels of our own do: elementwise ones, at the speed of memory, over any layout, since all their tensors
 * have the same one. f32. Results do not depend on the number of threads. `layer` is borrowed as in primitives.h. */
#ifndef OC_COMPUTE_KERNELS_H
#define OC_COMPUTE_KERNELS_H

#include "compute/work.h"

#define OC_SUM_MAX 6

/* dst = src + src_1 + …, `count` (2 … OC_SUM_MAX) sources, from left to right. DST may be any of the sources. */
oc_status oc_sum_create(oc_work **out, oc_engine *engine, const char *layer, int count, const oc_layout *layout,
                        oc_error *err);

/* dst = ReLU(src), NaN stays NaN. DST may be SRC. */
oc_status oc_relu_forward_create(oc_work **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                 oc_error *err);
/* diff_src = dst > 0 ? diff_dst : 0. Slots DST (the forward result), DIFF_DST, DIFF_SRC (may be DIFF_DST). */
oc_status oc_relu_backward_create(oc_work **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err);

/* A residual join in one pass: dst = ReLU(src + src_1), plus src_2 when `again`; with `training` WORKSPACE keeps where
 * the ReLU was open. DST may be any of the sources. */
oc_status oc_join_forward_create(oc_work **out, oc_engine *engine, const char *layer, bool again, bool training,
                                 const oc_layout *layout, oc_error *err);
/* diff_src = open ? diff_dst : 0, the gradient of both summands. Slots WORKSPACE, DIFF_DST, DIFF_SRC. */
oc_status oc_join_backward_create(oc_work **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err);

/* MEAN and biased VARIANCE of each channel of SRC [N, C, H, W], in double precision where it matters; blocked, plain
 * and channels-last layouts. OC_E_COMPUTE for any other. */
oc_status oc_moments_create(oc_work **out, oc_engine *engine, const char *layer, const oc_layout *src, oc_error *err);

typedef struct oc_pool_spec {
    int64_t kernel, stride, pad; /* kernel at most 16, pad less than it; dst's sizes say where windows end */
    bool training;               /* with a WORKSPACE */
} oc_pool_spec;

/* Max-pool to the sizes `dst` [N, C, OH, OW]. Slots SRC, DST, WORKSPACE; dst lies as src does. OC_E_COMPUTE for a
 * layout that oc_moments_create would refuse. */
oc_status oc_pool_forward_create(oc_work **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                 const oc_layout *src, const oc_shape *dst, oc_error *err);
/* Slots DIFF_DST, WORKSPACE, DIFF_SRC; both in the layouts of the forward pass. */
oc_status oc_pool_backward_create(oc_work **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                  const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err);

/* Running statistics of `channels`: DST = (1 − momentum)·DST + momentum·MEAN, DST_1 likewise from VARIANCE, the biased
 * one of a batch of `count` (>= 2) elements a channel, made unbiased by count/(count − 1). */
oc_status oc_running_create(oc_work **out, oc_engine *engine, const char *layer, int64_t channels, double momentum,
                            int64_t count, oc_error *err);

/* Batch norm folded into the convolution before it: with f = scale/√(variance + epsilon) for each of `oc` rows of
 * `row` weights, DST = WEIGHTS·f, DST_1 = SHIFT + (BIAS − MEAN)·f. Plain layouts; BIAS only when `bias`. */
oc_status oc_fold_create(oc_work **out, oc_engine *engine, const char *layer, int64_t oc, int64_t row, bool bias,
                         double epsilon, oc_error *err);

#endif
