/* Work that kernels of our own do: elementwise ones, at the speed of memory, over any layout, since all their tensors
 * have the same one. f32. Results do not depend on the number of threads. `layer` is borrowed as in primitives.h. */
#ifndef OC_COMPUTE_KERNELS_H
#define OC_COMPUTE_KERNELS_H

#include "compute/primitives.h"

#define OC_SUM_MAX 6

/* dst = src + src_1 + …, `count` (2 … OC_SUM_MAX) sources, from left to right. DST may be any of the sources. */
oc_status oc_sum_create(oc_primitive **out, oc_engine *engine, const char *layer, int count, const oc_layout *layout,
                        oc_error *err);

/* dst = ReLU(src), NaN stays NaN. DST may be SRC. */
oc_status oc_relu_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                 oc_error *err);
/* diff_src = dst > 0 ? diff_dst : 0. Slots DST (the forward result), DIFF_DST, DIFF_SRC (may be DIFF_DST). */
oc_status oc_relu_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err);

/* A residual join in one pass: dst = ReLU(src + src_1), plus src_2 when `again`; with `training` WORKSPACE keeps where
 * the ReLU was open. DST may be any of the sources. */
oc_status oc_join_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool again, bool training,
                                 const oc_layout *layout, oc_error *err);
/* diff_src = open ? diff_dst : 0, the gradient of both summands. Slots WORKSPACE, DIFF_DST, DIFF_SRC. */
oc_status oc_join_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                  oc_error *err);

/* MEAN and biased VARIANCE of each channel of SRC [N, C, H, W], in double precision where it matters; blocked, plain
 * and channels-last layouts. OC_E_COMPUTE for any other. */
oc_status oc_moments_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                            oc_error *err);

/* Max-pool to the sizes `dst` [N, C, OH, OW], kernel at most 16; in training with a WORKSPACE. Slots SRC, DST,
 * WORKSPACE; dst lies as src does. OC_E_COMPUTE for a layout that oc_moments_create would refuse. */
oc_status oc_pool_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                 const oc_layout *src, const oc_shape *dst, oc_error *err);
/* Slots DIFF_DST, WORKSPACE, DIFF_SRC; both in the layouts of the forward pass. */
oc_status oc_pool_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                  const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err);

/* ---- Moving pixels and channels, averaging them; layouts as oc_moments_create, dst's that of src ---- */

/* Mean over H and W, summed in double precision where it matters. Slots SRC [N, C, H, W], DST [N, C, 1, 1]. */
oc_status oc_mean_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                 oc_error *err);
/* Slots DIFF_DST, DIFF_SRC; both in the layouts of the forward pass. */
oc_status oc_mean_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *diff_src,
                                  const oc_layout *diff_dst, oc_error *err);

/* `count` channels from `begin` on. Slots SRC [N, C, H, W], DST [N, count, H, W]. */
oc_status oc_slice_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t begin,
                                  int64_t count, const oc_layout *src, oc_error *err);
/* diff_src: diff_dst, and 0 in the channels that were left out. Slots DIFF_DST, DIFF_SRC; both in the layouts of the
 * forward pass. */
oc_status oc_slice_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t begin,
                                   const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err);

/* Every stride-th row and column, from the first. Slots SRC [N, C, H, W], DST [N, C, ceil(H/stride),
 * ceil(W/stride)]. */
oc_status oc_subsample_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t stride,
                                      const oc_layout *src, oc_error *err);
/* diff_src: diff_dst, and 0 in the pixels that were left out. Slots DIFF_DST, DIFF_SRC; both in the layouts of the
 * forward pass. */
oc_status oc_subsample_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t stride,
                                       const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err);

/* ---- Batch norm's statistics ---- */

/* Running statistics of `channels`: DST = (1 − momentum)·DST + momentum·MEAN, DST_1 likewise from VARIANCE, the biased
 * one of a batch of `count` (>= 2) elements a channel, made unbiased by count/(count − 1). */
oc_status oc_running_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t channels, double momentum,
                            int64_t count, oc_error *err);

/* Batch norm folded into the convolution before it: with f = scale/√(variance + epsilon) for each of `oc` rows of
 * `row` weights, DST = WEIGHTS·f, DST_1 = SHIFT + (BIAS − MEAN)·f. Plain layouts; BIAS only when `bias`. */
oc_status oc_fold_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t oc, int64_t row, bool bias,
                         double epsilon, oc_error *err);

/* ---- Gates and what is dropped; padding stays zero, layouts as oc_moments_create unless said otherwise ---- */

/* dst = 1 / (1 + e^−src), in any layout. DST may be SRC. */
oc_status oc_sigmoid_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                    oc_error *err);
/* diff_src = diff_dst·dst·(1 − dst). Slots DST (the forward result), DIFF_DST, DIFF_SRC (may be DIFF_DST). */
oc_status oc_sigmoid_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                     oc_error *err);

/* dst = src·gate. Slots SRC [N, C, H, W], SRC_1 the gate [N, C, 1, 1] in a layout of its own, DST (may be SRC). */
oc_status oc_scale_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                  const oc_layout *gate, oc_error *err);
/* diff_src = diff_dst·gate, diff_gate = Σ diff_dst·src over the pixels. Slots SRC, SRC_1, DIFF_DST, DIFF_SRC (may be
 * DIFF_DST or SRC), DIFF_SRC_1 in the gate's layout. */
oc_status oc_scale_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *gate, oc_error *err);

/* dst = src·s + src_1·(1 − s), s = 1 / (1 + e^(t₁ − t₀)) for each channel: the softmax over the two halves t₀, t₁ of
 * the scores. Slots SRC, SRC_1 [N, C, H, W] in one layout, SRC_2 the scores [N, 2C, 1, 1] in a layout of their own, DST
 * (may be SRC or SRC_1). */
oc_status oc_select_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *scores, oc_error *err);
/* Slots SRC, SRC_1, SRC_2, DIFF_DST, DIFF_SRC (may be DIFF_DST or SRC), DIFF_SRC_1 (may be DIFF_DST or SRC_1, if
 * DIFF_SRC is not), DIFF_SRC_2 in the scores' layout. */
oc_status oc_select_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                    const oc_layout *scores, oc_error *err);

typedef struct oc_drop_spec {
    double p;        /* in [0, 1): how likely a drop is */
    bool elements;   /* each element for itself; else whole images */
    uint32_t stream; /* keys the numbers, beside DRAW and the image: another for each layer */
} oc_drop_spec;

/* dst = dropped ? 0 : src / (1 − p). An image's numbers are the stream (seed, OC_RANDOM_DROP, step, stream·2³² +
 * image); elements take them in PyTorch's order. Slots DRAW, SRC, DST (may be SRC), WORKSPACE (what was kept). Also [N,
 * C] in plain layout. */
oc_status oc_drop_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_drop_spec *spec,
                                 const oc_layout *layout, oc_error *err);
/* The same factors on the gradient. Slots DIFF_DST, WORKSPACE, DIFF_SRC (may be DIFF_DST). */
oc_status oc_drop_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_drop_spec *spec,
                                  const oc_layout *layout, oc_error *err);

/* ---- Convolution 3×3, stride 1, padding 1, not in groups, by Winograd's F(2×2, 3×3) (winograd.h); nChw8c, AVX2 and
 * FMA: else OC_E_COMPUTE. Weights and their gradient in plain layout. ---- */

/* Whether a convolution can be computed so, in all its passes, and was measured to be faster than oneDNN's. False for
 * any that is not of this kind; `weights` is the plain layout. */
bool oc_winograd_is_faster(const oc_conv_spec *spec, const oc_layout *src, const oc_layout *weights,
                           const oc_layout *dst);

/* Slots SRC, WEIGHTS, BIAS (if `bias`), DST, and as oc_conv_forward_create what the spec's posts add. */
oc_status oc_winograd_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_conv_spec *spec,
                                     const oc_layout *src, bool bias, const oc_layout *dst, oc_error *err);
/* Slots DIFF_DST, WEIGHTS, DIFF_SRC. */
oc_status oc_winograd_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                           const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err);
/* Slots SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS (if `bias`). */
oc_status oc_winograd_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                              const oc_layout *src, bool bias, const oc_layout *diff_dst,
                                              oc_error *err);

#endif
