/* The pass backward by weights of our own direct convolution (src/kernels/direct.h), with the kernels of one precision
 * of products or another: what the rows that compute it so share. */
#ifndef OC_COMPUTE_CONV_DIRECT_WEIGHTS_H
#define OC_COMPUTE_CONV_DIRECT_WEIGHTS_H

#include "compute/conv/conv.h"
#include "kernels/direct.h"

/* A problem of any pass as the direct kernels see it, planned by the engine's for its maps. Its layouts must be maps
 * (oc_layout_map). */
oc_direct oc_conv_direct_of(const oc_engine *engine, const oc_conv_problem *problem);

/* Makes the pass by weights, with the slots of algorithm.h; nothing is packed. *out is the caller's. `kernels`, of the
 * same lanes as the engine's, and `layer` are borrowed as long as it. OC_E_MEMORY. */
oc_status oc_conv_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                 const oc_conv_problem *problem, const oc_direct_weights_kernels *kernels,
                                 oc_error *err);

#endif
