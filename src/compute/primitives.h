/* Work that oneDNN does. Everywhere: `layer` names the layer in errors and is borrowed for the life of the work;
 * layouts may be "any" unless said otherwise and then are chosen (oc_primitive_layout tells); `forward` is the forward
 * work of the same layer in training, which a backward one must match. All return OC_E_COMPUTE when oneDNN refuses or
 * has only a reference implementation, OC_E_MEMORY. */
#ifndef OC_COMPUTE_PRIMITIVES_H
#define OC_COMPUTE_PRIMITIVES_H

#include "compute/primitive.h"

/* What happens to a convolution's result before it is written. */
typedef enum oc_post_kind { OC_POST_RELU, OC_POST_ADD } oc_post_kind;
#define OC_POSTS_MAX 4

typedef struct oc_conv_spec {
    int64_t stride, pad, dilation; /* both directions; dilation 1 is none */
    bool training;
    int posts; /* only when not training */
    oc_post_kind post[OC_POSTS_MAX];
    /* The i-th OC_POST_ADD adds slot SRC_<i+1>, in the layout of dst. */
} oc_conv_spec;

/* Slots SRC [N, IC, H, W], WEIGHTS [OC, IC, KH, KW] or [G, OC/G, IC/G, KH, KW], BIAS [OC] (bias may be NULL: none),
 * DST; cross-correlation as in PyTorch. */
oc_status oc_conv_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_conv_spec *spec,
                                 const oc_layout *src, const oc_layout *weights, const oc_layout *bias,
                                 const oc_layout *dst, oc_error *err);
/* Slots DIFF_DST, WEIGHTS, DIFF_SRC. */
oc_status oc_conv_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                       const oc_conv_spec *spec, const oc_layout *diff_src, const oc_layout *weights,
                                       const oc_layout *diff_dst, const oc_primitive *forward, oc_error *err);
/* Slots SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS (diff_bias may be NULL). */
oc_status oc_conv_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                          const oc_conv_spec *spec, const oc_layout *src, const oc_layout *diff_weights,
                                          const oc_layout *diff_bias, const oc_layout *diff_dst,
                                          const oc_primitive *forward, oc_error *err);

typedef struct oc_norm_spec {
    float epsilon;
    bool training; /* the statistics are those of the batch, of which the gradient takes account */
    bool relu;     /* followed by ReLU; in training with a WORKSPACE */
} oc_norm_spec;

/* Batch norm over all but dimension 1, with given statistics (oc_moments_create computes them in training). Slots SRC,
 * SCALE, SHIFT, MEAN, VARIANCE [C], DST (layout of src), WORKSPACE. */
oc_status oc_norm_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                 const oc_layout *src, oc_error *err);
/* Slots SRC, MEAN, VARIANCE, SCALE, SHIFT, DIFF_DST, WORKSPACE, DIFF_SRC, DIFF_SCALE, DIFF_SHIFT; diffs in the layout
 * of src. */
oc_status oc_norm_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                  const oc_layout *src, const oc_primitive *forward, oc_error *err);

/* Windows of a pool. */
typedef struct oc_pool_spec {
    int64_t kernel, stride,
        pad; /* pad less than kernel; dst's sizes say where windows end: they may reach over the border */
    bool training;
} oc_pool_spec;

/* Average-pool to the sizes `dst` [N, C, OH, OW]; padding and what lies beyond the border is not counted. Slots SRC,
 * DST; dst lies as src does. */
oc_status oc_average_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                    const oc_layout *src, const oc_shape *dst, oc_error *err);
/* Slots DIFF_DST, DIFF_SRC; both in the layouts of the forward pass. */
oc_status oc_average_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                     const oc_layout *diff_src, const oc_layout *diff_dst, const oc_primitive *forward,
                                     oc_error *err);

/* dst = src·weightsᵀ + bias. Slots SRC [N, IC], WEIGHTS [OC, IC], BIAS [OC] (NULL: none), DST [N, OC]. */
oc_status oc_linear_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool training,
                                   const oc_layout *src, const oc_layout *weights, const oc_layout *bias,
                                   const oc_layout *dst, oc_error *err);
/* Slots DIFF_DST, WEIGHTS, DIFF_SRC. */
oc_status oc_linear_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                         const oc_layout *diff_src, const oc_layout *weights, const oc_layout *diff_dst,
                                         const oc_primitive *forward, oc_error *err);
/* Slots SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS (diff_bias may be NULL). */
oc_status oc_linear_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                            const oc_layout *src, const oc_layout *diff_weights,
                                            const oc_layout *diff_bias, const oc_layout *diff_dst,
                                            const oc_primitive *forward, oc_error *err);

/* Copies between two given layouts of equal sizes (and casts between their types). Slots SRC, DST. */
oc_status oc_reorder_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                            const oc_layout *dst, oc_error *err);

#endif
