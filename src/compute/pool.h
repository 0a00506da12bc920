/* Pools: the largest or the mean of each window, and the mean of all pixels. dst lies as src does. `layer` names the
 * layer in errors and is borrowed; layouts are any that oc_layout_map takes. OC_E_COMPUTE for another, OC_E_MEMORY. */
#ifndef OC_COMPUTE_POOL_H
#define OC_COMPUTE_POOL_H

#include "compute/primitive.h"

/* Windows of a pool. */
typedef struct oc_pool_spec {
    int64_t kernel, stride,
        pad; /* pad less than kernel; dst's sizes say where windows end: they may reach over the border */
    bool training;
} oc_pool_spec;

/* Max-pool to the sizes `dst` [N, C, OH, OW], kernel at most 16; in training with a WORKSPACE. Slots SRC, DST,
 * WORKSPACE; dst lies as src does. OC_E_COMPUTE for a layout that oc_layout_map refuses. */
oc_status oc_pool_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                 const oc_layout *src, const oc_shape *dst, oc_error *err);
/* Slots DIFF_DST, WORKSPACE, DIFF_SRC; both in the layouts of the forward pass. */
oc_status oc_pool_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                  const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err);

/* Average-pool to the sizes `dst` [N, C, OH, OW]; padding and what lies beyond the border is not counted. Slots SRC,
 * DST; dst lies as src does. */
oc_status oc_average_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                    const oc_layout *src, const oc_shape *dst, oc_error *err);
/* Slots DIFF_DST, DIFF_SRC; both in the layouts of the forward pass. */
oc_status oc_average_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                     const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err);

/* [N, C, 1, 1] of f32 in the order of `src` [N, C, H, W]: a mean over its pixels, and the gradient of one. */
oc_layout oc_mean_layout(const oc_layout *src);
/* Mean over H and W, summed in double precision where it matters. Slots SRC [N, C, H, W], DST in oc_mean_layout. */
oc_status oc_mean_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                 oc_error *err);
/* The same of the sum of SRC and SRC_1, in one layout, which is not written. */
oc_status oc_mean_of_sum_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                oc_error *err);
/* Slots DIFF_DST, DIFF_SRC; both in the layouts of the forward pass. */
oc_status oc_mean_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *diff_src,
                                  const oc_layout *diff_dst, oc_error *err);

#endif
