/* Functions of single elements. */
#include "graph/ops/pointwise.h"

#include "base/error.h"

void oc_pointwise_shape(oc_graph *graph, oc_node *node) {
    node->dst = *oc_node_src(graph, node, 0);
}

oc_status oc_pointwise_forward(oc_lower *lower, const oc_node *node, oc_pointwise_create create, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_layout layout = *oc_lower_src_layout(lower, node, 0);
    OC_TRY(create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &layout, err));
    oc_buffer src = oc_lower_src(lower, node, 0), dst = oc_lower_dst(lower, node, &layout);
    oc_lower_node(lower, node)->workspace = dst;
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, (oc_operand[]){{OC_SLOT_SRC, src}, {OC_SLOT_DST, dst}}, 2);
    oc_lower_in_place(lower, dst, src);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

oc_status oc_pointwise_backward(oc_lower *lower, const oc_node *node, oc_pointwise_create create, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_layout layout = *oc_lower_dst_layout(lower, node);
    OC_TRY(create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &layout, err));
    oc_buffer diff_dst = oc_lower_diff_dst(lower, node), diff_src = oc_lower_buffer(lower, &layout);
    oc_operand operand[] = {{OC_SLOT_DST, oc_lower_node(lower, node)->workspace},
                            {OC_SLOT_DIFF_DST, diff_dst},
                            {OC_SLOT_DIFF_SRC, diff_src}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 3);
    oc_lower_in_place(lower, diff_src, diff_dst);
    oc_lower_diff_src(lower, node, 0, &layout, diff_src);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}
