/* max_pool: floor mode; padding never wins. */
#include "base/error.h"
#include "compute/pool.h"
#include "graph/ops.h"
#include "graph/ops/pool.h"

static oc_status max_pool_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_lowered *kept = oc_lower_node(lower, node);
    oc_pool_spec spec = oc_pool_node_spec(lower, node);
    oc_shape shape = oc_lower_shape(lower, node);
    OC_TRY(oc_pool_forward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec,
                                  oc_lower_src_layout(lower, node, 0), &shape, err));
    oc_layout layout = *oc_primitive_layout(primitive, OC_SLOT_DST);
    kept->workspace = oc_lower_workspace(lower, primitive);
    oc_operand operand[] = {{OC_SLOT_SRC, oc_lower_src(lower, node, 0)},
                            {OC_SLOT_DST, oc_lower_dst(lower, node, &layout)},
                            {OC_SLOT_WORKSPACE, kept->workspace}};
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, 3);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status max_pool_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_lowered *kept = oc_lower_node(lower, node);
    oc_pool_spec spec = oc_pool_node_spec(lower, node);
    oc_layout layout = *oc_lower_src_layout(lower, node, 0);
    OC_TRY(oc_pool_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec, &layout,
                                   oc_lower_dst_layout(lower, node), err));
    oc_buffer diff_src = oc_lower_buffer(lower, &layout);
    oc_operand operand[] = {{OC_SLOT_DIFF_DST, oc_lower_diff_dst(lower, node)},
                            {OC_SLOT_DIFF_SRC, diff_src},
                            {OC_SLOT_WORKSPACE, kept->workspace}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 3);
    oc_lower_diff_src(lower, node, 0, &layout, diff_src);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_max_pool_op = {.name = "max_pool",
                              .attr_size = sizeof(oc_pool_node),
                              .shape = oc_pool_shape,
                              .forward = max_pool_forward,
                              .backward = max_pool_backward};

oc_value oc_op_max_pool(oc_graph *graph, oc_value src, int64_t kernel, int64_t stride, int64_t pad) {
    return oc_graph_append(graph, &oc_max_pool_op, "", 1, &src, &(oc_pool_node){kernel, stride, pad, false});
}
