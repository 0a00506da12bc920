/* Moving pixels and channels. dst lies as src does, but for conversions. `layer` names the layer in errors and is
 * borrowed; layouts are any that oc_layout_map takes. OC_E_COMPUTE for another, OC_E_MEMORY. */
#ifndef OC_COMPUTE_COPY_H
#define OC_COMPUTE_COPY_H

#include "compute/primitive.h"

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

/* The numbers of src in another layout of the same sizes, either of f32 or bf16. Slots SRC, DST. */
oc_status oc_conversion_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                               const oc_layout *dst, oc_error *err);

#endif
