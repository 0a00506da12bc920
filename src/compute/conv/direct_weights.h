/* The pass backward by weights of our own direct convolution (src/kernels/direct.h), with the kernels of one precision
 * of products or another: what the rows that compute it so share. */
#ifndef OC_COMPUTE_CONV_DIRECT_WEIGHTS_H
#define OC_COMPUTE_CONV_DIRECT_WEIGHTS_H

#include "compute/conv/conv.h"
#include "kernels/direct.h"

/* A problem of any pass, planned with the engine's kernels for its maps. */
oc_direct oc_conv_direct_of(const oc_engine *engine, const oc_conv_problem *problem);

/* Makes the pass. OC_E_MEMORY. */
oc_status oc_conv_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                 const oc_conv_problem *problem, const oc_direct_weights_kernels *kernels,
                                 oc_error *err);

#endif
