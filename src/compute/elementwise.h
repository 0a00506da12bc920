/* Elementwise primitives, at the speed of memory, on any layout, since all their tensors have the same one; f32.
 * Results do not depend on the number of threads. `layer` names the layer in errors and is borrowed. OC_E_MEMORY. */
#ifndef OC_COMPUTE_ELEMENTWISE_H
#define OC_COMPUTE_ELEMENTWISE_H

#include "compute/primitive.h"

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

/* dst = 1 / (1 + e^−src), in any layout. DST may be SRC. */
oc_status oc_sigmoid_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                    oc_error *err);
/* diff_src = diff_dst·dst·(1 − dst). Slots DST (the forward result), DIFF_DST, DIFF_SRC (may be DIFF_DST). */
oc_status oc_sigmoid_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *layout,
                                     oc_error *err);

#endif
