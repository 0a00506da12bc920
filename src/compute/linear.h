/* The linear layer: dst = src·weightsᵀ + bias. All in plain layout: src [N, IC], weights [OC, IC], bias [OC], dst [N,
 * OC]. Errors: OC_E_COMPUTE, OC_E_MEMORY. */
#ifndef OC_COMPUTE_LINEAR_H
#define OC_COMPUTE_LINEAR_H

#include "compute/primitive.h"

typedef struct oc_linear_spec {
    int64_t batch, ic, oc;
    bool training;
} oc_linear_spec;

/* Slots SRC, WEIGHTS, BIAS, DST. */
oc_status oc_linear_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_linear_spec *spec,
                                   oc_error *err);
/* Slots DIFF_DST, WEIGHTS, DIFF_SRC. */
oc_status oc_linear_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                         const oc_linear_spec *spec, oc_error *err);
/* Slots SRC, DIFF_DST, DIFF_WEIGHTS, DIFF_BIAS. */
oc_status oc_linear_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                            const oc_linear_spec *spec, oc_error *err);

#endif
