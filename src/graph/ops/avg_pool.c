/* avg_pool: PyTorch's AvgPool2d with count_include_pad=False, in floor or ceil mode. */
#include "base/error.h"
#include "graph/ops.h"
#include "graph/ops/pool.h"

static oc_status avg_pool_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_pool_spec spec = oc_pool_node_spec(lower, node);
    oc_shape shape = oc_lower_shape(lower, node);
    OC_TRY(oc_average_forward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec,
                                     oc_lower_src_layout(lower, node, 0), &shape, err));
    oc_lower_map(lower, node, &primitive);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status avg_pool_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_pool_spec spec = oc_pool_node_spec(lower, node);
    OC_TRY(oc_average_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec,
                                      oc_lower_src_layout(lower, node, 0), oc_lower_dst_layout(lower, node), err));
    oc_lower_map_backward(lower, node, &primitive);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_avg_pool_op = {.name = "avg_pool",
                              .attr_size = sizeof(oc_pool_node),
                              .shape = oc_pool_shape,
                              .forward = avg_pool_forward,
                              .backward = avg_pool_backward};

oc_value oc_op_avg_pool(oc_graph *graph, oc_value src, int64_t kernel, int64_t stride, int64_t pad, bool ceil) {
    return oc_graph_append(graph, &oc_avg_pool_op, "", 1, &src, &(oc_pool_node){kernel, stride, pad, ceil});
}
