/* Batch norm over all but dimension 1 (Ioffe and Szegedy, ICML 2015): statistics, normalisation, gradient. `layer`
 * names the layer in errors and is borrowed; layouts are any that oc_layout_map takes. OC_E_COMPUTE for another,
 * OC_E_MEMORY. */
#ifndef OC_COMPUTE_NORM_H
#define OC_COMPUTE_NORM_H

#include "compute/pool.h"

typedef struct oc_norm_spec {
    float epsilon;
    bool training; /* the statistics are those of the batch, of which the gradient takes account */
    bool relu;     /* followed by ReLU, through which the backward pass goes as well */
    /* Backward, unless pooled: the gradient comes in two parts, DIFF_DST and, from a mean over all pixels of the
     * result, DIFF_MEAN [N, C, 1, 1], of which each pixel has its share. */
    bool mean;
    /* Then followed by a max-pool to the sizes `dst` [N, C, OH, OW], through which the backward pass goes as well. What
     * is pooled never lies in memory as a whole; the results are the same bits as those of two primitives. */
    bool pooled;
    oc_pool_spec pool;
    oc_shape dst;
} oc_norm_spec;

/* Batch norm over all but dimension 1. Slots SRC, SCALE, SHIFT, MEAN, VARIANCE [C], DST (layout of src; may be SRC). In
 * training MEAN and the biased VARIANCE are results, those of the batch, summed in double precision where it matters;
 * else they are given. If pooled, DST lies as src does and is no source, and in training WORKSPACE is kept for the
 * backward pass. */
oc_status oc_norm_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                 const oc_layout *src, oc_error *err);
/* Slots SRC (of the forward pass), MEAN, VARIANCE, SCALE, SHIFT, DIFF_DST, DIFF_MEAN if `mean`, DIFF_SRC (may be
 * DIFF_DST or SRC), DIFF_SCALE, DIFF_SHIFT; diffs in the layout of src. If pooled, WORKSPACE, and DIFF_DST as the
 * forward pass's DST: DIFF_SRC may be SRC then. */
oc_status oc_norm_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                  const oc_layout *src, oc_error *err);

/* Running statistics of `channels`: DST = (1 − momentum)·DST + momentum·MEAN, DST_1 likewise from VARIANCE, the biased
 * one of a batch of `count` (>= 2) elements a channel, made unbiased by count/(count − 1). */
oc_status oc_running_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t channels, double momentum,
                            int64_t count, oc_error *err);

/* Batch norm folded into the convolution before it: with f = scale/√(variance + epsilon) for each of `oc` rows of
 * `row` weights, DST = WEIGHTS·f, DST_1 = SHIFT + (BIAS − MEAN)·f. Plain layouts; BIAS only when `bias`. */
oc_status oc_fold_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t oc, int64_t row, bool bias,
                         double epsilon, oc_error *err);

#endif
