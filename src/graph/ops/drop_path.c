/* drop_path: whole images are zero in training (stochastic depth; Huang et al., ECCV 2016), as timm's DropPath, which
 * scales what it keeps. In inference a rewrite has taken the node away. */
#include "base/error.h"
#include "compute/drop.h"
#include "graph/ops.h"
#include "graph/ops/drop.h"

void oc_drop_shape(oc_graph *graph, oc_node *node) {
    const oc_drop_node *attr = node->attr;
    node->dst = *oc_node_src(graph, node, 0);
    if (!(attr->p >= 0 && attr->p < 1))
        oc_graph_fail(graph, OC_E_USAGE, node->name, "%s: the probability is at least 0 and below 1, not %g",
                      node->op->name, attr->p);
}

static oc_drop_spec drop_spec(const oc_node *node) {
    const oc_drop_node *attr = node->attr;
    return (oc_drop_spec){.p = attr->p, .elements = attr->elements, .stream = (uint32_t)node->built};
}

oc_status oc_drop_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_drop_spec spec = drop_spec(node);
    oc_layout layout = *oc_lower_src_layout(lower, node, 0);
    OC_TRY(oc_drop_forward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec, &layout, err));
    oc_buffer src = oc_lower_src(lower, node, 0), dst = oc_lower_dst(lower, node, &layout);
    oc_buffer kept = oc_lower_buffer(lower, oc_primitive_layout(primitive, OC_SLOT_WORKSPACE));
    oc_operand operand[] = {
        {OC_SLOT_DRAW, oc_lower_draw(lower)}, {OC_SLOT_SRC, src}, {OC_SLOT_DST, dst}, {OC_SLOT_WORKSPACE, kept}};
    oc_lower_node(lower, node)->workspace = kept;
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, 4);
    oc_lower_in_place(lower, dst, src);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

oc_status oc_drop_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_drop_spec spec = drop_spec(node);
    oc_layout layout = *oc_lower_dst_layout(lower, node);
    OC_TRY(oc_drop_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec, &layout, err));
    oc_buffer diff_dst = oc_lower_diff_dst(lower, node), diff_src = oc_lower_buffer(lower, &layout);
    oc_operand operand[] = {{OC_SLOT_WORKSPACE, oc_lower_node(lower, node)->workspace},
                            {OC_SLOT_DIFF_DST, diff_dst},
                            {OC_SLOT_DIFF_SRC, diff_src}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 3);
    oc_lower_in_place(lower, diff_src, diff_dst);
    oc_lower_diff_src(lower, node, 0, &layout, diff_src);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_drop_path_op = {.name = "drop_path",
                               .attr_size = sizeof(oc_drop_node),
                               .shape = oc_drop_shape,
                               .forward = oc_drop_forward,
                               .backward = oc_drop_backward};

oc_value oc_op_drop_path(oc_graph *graph, oc_value src, double p) {
    if (p == 0) return src;
    return oc_graph_append(graph, &oc_drop_path_op, "", 1, &src, &(oc_drop_node){.p = p});
}
