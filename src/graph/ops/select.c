/* select: where a selective kernel (Li et al., CVPR 2019) joins its two paths, a·s₀ + b·s₁, with s the softmax over the
 * two halves of the scores. b's layout is kept, a follows it if it must, and the scores, small, keep their own. */
#include "base/error.h"
#include "compute/gate.h"
#include "graph/op.h"
#include "graph/ops.h"

enum { A, B, SCORES };

static void select_shape(oc_graph *graph, oc_node *node) {
    const oc_shape *a = oc_node_src(graph, node, A), *b = oc_node_src(graph, node, B);
    const oc_shape *scores = oc_node_src(graph, node, SCORES);
    char left[128], right[128];
    node->dst = *a;
    if (a->ndim != 3 || !oc_shape_equal(a, b))
        oc_graph_fail(graph, OC_E_USAGE, node->name, "select: shape mismatch between %s and %s",
                      oc_shape_text(a, left, sizeof left), oc_shape_text(b, right, sizeof right));
    else if (scores->ndim != 3 || scores->dim[0] != 2 * a->dim[0] || scores->dim[1] != 1 || scores->dim[2] != 1)
        oc_graph_fail(graph, OC_E_USAGE, node->name, "select: shape mismatch between attention logits %s and maps %s",
                      oc_shape_text(scores, right, sizeof right), oc_shape_text(a, left, sizeof left));
}

static oc_status select_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_layout layout = *oc_lower_src_layout(lower, node, B);
    const oc_layout scores = oc_lower_src_f32(lower, node, SCORES);
    OC_TRY(oc_select_forward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &layout, &scores, err));
    oc_buffer a = oc_lower_src_as(lower, node, A, &layout), b = oc_lower_src(lower, node, B);
    oc_buffer dst = oc_lower_dst(lower, node, &layout);
    oc_operand operand[] = {{OC_SLOT_SRC, a},
                            {OC_SLOT_SRC_1, b},
                            {OC_SLOT_SRC_2, oc_lower_src_as(lower, node, SCORES, &scores)},
                            {OC_SLOT_DST, dst}};
    oc_lower_node(lower, node)->src = a;
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, 4);
    oc_lower_in_place(lower, dst, a);
    oc_lower_in_place(lower, dst, b);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status select_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_layout *layout = oc_lower_dst_layout(lower, node), scores = oc_lower_src_f32(lower, node, SCORES);
    OC_TRY(oc_select_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), layout, &scores, err));
    oc_buffer a = oc_lower_node(lower, node)->src, b = oc_lower_src(lower, node, B);
    oc_buffer diff_dst = oc_lower_diff_dst(lower, node);
    oc_buffer diff_a = oc_lower_buffer(lower, layout), diff_b = oc_lower_buffer(lower, layout);
    oc_buffer diff_scores = oc_lower_buffer(lower, &scores);
    oc_operand operand[] = {{OC_SLOT_SRC, a},
                            {OC_SLOT_SRC_1, b},
                            {OC_SLOT_SRC_2, oc_lower_src_as(lower, node, SCORES, &scores)},
                            {OC_SLOT_DIFF_DST, diff_dst},
                            {OC_SLOT_DIFF_SRC, diff_a},
                            {OC_SLOT_DIFF_SRC_1, diff_b},
                            {OC_SLOT_DIFF_SRC_2, diff_scores}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 7);
    oc_lower_in_place(lower, diff_a, diff_dst);
    oc_lower_in_place(lower, diff_a, a);
    oc_lower_in_place(lower, diff_b, b);
    oc_lower_diff_src(lower, node, A, layout, diff_a);
    oc_lower_diff_src(lower, node, B, layout, diff_b);
    oc_lower_diff_src(lower, node, SCORES, &scores, diff_scores);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_select_op = {
    .name = "select", .shape = select_shape, .forward = select_forward, .backward = select_backward};

oc_value oc_op_select(oc_graph *graph, oc_value a, oc_value b, oc_value scores) {
    return oc_graph_append(graph, &oc_select_op, "", 3, (oc_value[]){a, b, scores}, NULL);
}
