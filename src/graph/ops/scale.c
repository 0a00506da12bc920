/* scale: a feature map times a gate, channel by channel; where squeeze-and-excitation ends (Hu et al., CVPR 2018), with
 * the residual join that a rewrite adds to it. The map keeps its layout, and the gate, small, its own. */
#include "graph/ops/scale.h"

#include "base/error.h"
#include "compute/gate.h"
#include "graph/op.h"
#include "graph/ops.h"

enum { SRC, GATE, SHORTCUT };

static void scale_shape(oc_graph *graph, oc_node *node) {
    const oc_shape *src = oc_node_src(graph, node, SRC), *gate = oc_node_src(graph, node, GATE);
    node->dst = *src;
    if (src->ndim != 3 || gate->ndim != 3 || gate->dim[0] != src->dim[0] || gate->dim[1] != 1 || gate->dim[2] != 1) {
        char left[128], right[128];
        oc_graph_fail(graph, OC_E_USAGE, node->name, "scale: a gate of %s does not fit a map of %s",
                      oc_shape_text(gate, right, sizeof right), oc_shape_text(src, left, sizeof left));
    }
}

static bool joins(const oc_node *node) {
    return ((const oc_scale_node *)node->attr)->join;
}

static oc_status scale_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_node_layer(node);
    oc_lowered *kept = oc_lower_node(lower, node);
    oc_layout layout = *oc_lower_src_layout(lower, node, SRC);
    const oc_layout gate = oc_lower_src_f32(lower, node, GATE);
    if (joins(node))
        OC_TRY(oc_scale_join_forward_create(&primitive, engine, layer, oc_lower_training(lower), &layout, &gate, err));
    else
        OC_TRY(oc_scale_forward_create(&primitive, engine, layer, &layout, &gate, err));
    oc_buffer src = oc_lower_src(lower, node, SRC);
    oc_buffer shortcut = joins(node) ? oc_lower_src_as(lower, node, SHORTCUT, &layout) : -1;
    oc_buffer dst = oc_lower_dst(lower, node, &layout);
    kept->workspace = oc_lower_workspace(lower, primitive);
    oc_operand operand[] = {{OC_SLOT_SRC, src},
                            {OC_SLOT_SRC_1, oc_lower_src_as(lower, node, GATE, &gate)},
                            {OC_SLOT_SRC_2, shortcut},
                            {OC_SLOT_WORKSPACE, kept->workspace},
                            {OC_SLOT_DST, dst}};
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, 5);
    oc_lower_in_place(lower, dst, src);
    oc_lower_in_place(lower, dst, shortcut);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status scale_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_node_layer(node);
    const oc_layout *layout = oc_lower_dst_layout(lower, node), gate = oc_lower_src_f32(lower, node, GATE);
    const bool shortcut = joins(node) && oc_lower_wants_diff(lower, node, SHORTCUT);
    if (joins(node))
        OC_TRY(oc_scale_join_backward_create(&primitive, engine, layer, shortcut, layout, &gate, err));
    else
        OC_TRY(oc_scale_backward_create(&primitive, engine, layer, layout, &gate, err));
    oc_buffer src = oc_lower_src(lower, node, SRC), diff_dst = oc_lower_diff_dst(lower, node);
    oc_buffer diff_src = oc_lower_buffer(lower, layout), diff_gate = oc_lower_buffer(lower, &gate);
    oc_buffer diff_shortcut = shortcut ? oc_lower_buffer(lower, layout) : -1;
    oc_operand operand[] = {{OC_SLOT_SRC, src},
                            {OC_SLOT_SRC_1, oc_lower_src_as(lower, node, GATE, &gate)},
                            {OC_SLOT_WORKSPACE, oc_lower_node(lower, node)->workspace},
                            {OC_SLOT_DIFF_DST, diff_dst},
                            {OC_SLOT_DIFF_SRC, diff_src},
                            {OC_SLOT_DIFF_SRC_1, diff_gate},
                            {OC_SLOT_DIFF_SRC_2, diff_shortcut}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 7);
    /* Where the shortcut's gradient takes the place of diff_dst, the other takes the source's. */
    if (shortcut) oc_lower_in_place(lower, diff_shortcut, diff_dst);
    if (!shortcut) oc_lower_in_place(lower, diff_src, diff_dst);
    oc_lower_in_place(lower, diff_src, src);
    oc_lower_diff_src(lower, node, SRC, layout, diff_src);
    oc_lower_diff_src(lower, node, GATE, &gate, diff_gate);
    if (shortcut) oc_lower_diff_src(lower, node, SHORTCUT, layout, diff_shortcut);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_scale_op = {.name = "scale",
                           .attr_size = sizeof(oc_scale_node),
                           .shape = scale_shape,
                           .forward = scale_forward,
                           .backward = scale_backward};

oc_value oc_op_scale(oc_graph *graph, oc_value src, oc_value gate) {
    return oc_graph_append(graph, &oc_scale_op, "", 2, (oc_value[]){src, gate}, &(oc_scale_node){false});
}
