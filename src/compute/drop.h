/* What is dropped in training. `layer` names the layer in errors and is borrowed; layouts are any that oc_layout_map
 * takes. OC_E_COMPUTE for another, OC_E_MEMORY. */
#ifndef OC_COMPUTE_DROP_H
#define OC_COMPUTE_DROP_H

#include "compute/primitive.h"

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

#endif
