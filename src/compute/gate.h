/* Gates: a factor for each image and channel. The results' padding stays zero. `layer` names the layer in errors and is
 * borrowed; layouts are any that oc_layout_map takes. OC_E_COMPUTE for another, OC_E_MEMORY. */
#ifndef OC_COMPUTE_GATE_H
#define OC_COMPUTE_GATE_H

#include "compute/primitive.h"

/* dst = src·gate. Slots SRC [N, C, H, W], SRC_1 the gate [N, C, 1, 1] in a layout of its own, DST (may be SRC). */
oc_status oc_scale_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                  const oc_layout *gate, oc_error *err);
/* diff_src = diff_dst·gate, diff_gate = Σ diff_dst·src over the pixels. Slots SRC, SRC_1, DIFF_DST, DIFF_SRC (may be
 * DIFF_DST or SRC), DIFF_SRC_1 in the gate's layout. */
oc_status oc_scale_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *gate, oc_error *err);

/* dst = ReLU(src·gate + src_2), where a residual block with a gate ends: the same bits as of the three one by one.
 * Slots SRC, SRC_1 the gate, SRC_2 the shortcut in the layout of src, DST (may be SRC or SRC_2), and in training
 * WORKSPACE, kept for the backward pass. */
oc_status oc_scale_join_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool training,
                                       const oc_layout *src, const oc_layout *gate, oc_error *err);
/* Slots as of the scale's backward pass, WORKSPACE, and DIFF_SRC_2 (may be DIFF_DST, if DIFF_SRC is not) if the
 * gradient of the shortcut is wanted. */
oc_status oc_scale_join_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool shortcut,
                                        const oc_layout *src, const oc_layout *gate, oc_error *err);

/* dst = src·s + src_1·(1 − s), s = 1 / (1 + e^(t₁ − t₀)) for each channel: the softmax over the two halves t₀, t₁ of
 * the scores. Slots SRC, SRC_1 [N, C, H, W] in one layout, SRC_2 the scores [N, 2C, 1, 1] in a layout of their own, DST
 * (may be SRC or SRC_1). */
oc_status oc_select_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *scores, oc_error *err);
/* Slots SRC, SRC_1, SRC_2, DIFF_DST, DIFF_SRC (may be DIFF_DST or SRC), DIFF_SRC_1 (may be DIFF_DST or SRC_1, if
 * DIFF_SRC is not), DIFF_SRC_2 in the scores' layout. */
oc_status oc_select_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                    const oc_layout *scores, oc_error *err);

#endif
