/* Every operator there is. */
#include "graph/op.h"

const oc_op *const oc_ops[] = {
    &oc_input_op,    &oc_conv_op,    &oc_batch_norm_op, &oc_relu_op, &oc_add_op,
    &oc_max_pool_op, &oc_flatten_op, &oc_linear_op,     NULL,
};
