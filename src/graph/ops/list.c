/* Every operator there is. */
#include "graph/op.h"

const oc_op *const oc_ops[] = {
    &oc_input_op,   &oc_conv_op,   &oc_batch_norm_op, &oc_relu_op,        &oc_add_op,     &oc_max_pool_op,
    &oc_flatten_op, &oc_linear_op, &oc_avg_pool_op,   &oc_global_pool_op, &oc_slice_op,   &oc_subsample_op,
    &oc_sigmoid_op, &oc_scale_op,  &oc_select_op,     &oc_drop_path_op,   &oc_dropout_op, NULL,
};
