/* add: a + b, and the residual joins that rewrites make of it, ReLU(a + b) and ReLU(a + b) + c. */
#include "graph/ops/add.h"

#include "base/error.h"
#include "compute/elementwise.h"
#include "graph/op.h"
#include "graph/ops.h"

static void add_shape(oc_graph *graph, oc_node *node) {
    const oc_shape *a = oc_node_src(graph, node, 0), *b = oc_node_src(graph, node, 1);
    node->dst = *a;
    if (!oc_shape_equal(a, b)) {
        char left[128], right[128];
        oc_graph_fail(graph, OC_E_USAGE, node->name, "add: shapes %s and %s differ",
                      oc_shape_text(a, left, sizeof left), oc_shape_text(b, right, sizeof right));
    }
}

static oc_status add_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_add_node *attr = node->attr;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_node_layer(node);
    /* Input 1 is what the block has just computed; the others follow its layout if they must. */
    oc_layout layout = *oc_lower_src_layout(lower, node, 1);
    oc_operand operand[5];
    int count = 0;
    for (; count < node->inputs; count++)
        operand[count] = (oc_operand){(oc_slot)(OC_SLOT_SRC + count), oc_lower_src_as(lower, node, count, &layout)};
    if (attr->relu)
        OC_TRY(oc_join_forward_create(&primitive, engine, layer, node->inputs > 2, oc_lower_training(lower), &layout,
                                      err));
    else
        OC_TRY(oc_sum_create(&primitive, engine, layer, node->inputs, &layout, err));
    oc_buffer dst = oc_lower_dst(lower, node, &layout);
    operand[count++] = (oc_operand){OC_SLOT_DST, dst};
    oc_lower_node(lower, node)->workspace = oc_lower_workspace(lower, primitive);
    operand[count++] = (oc_operand){OC_SLOT_WORKSPACE, oc_lower_node(lower, node)->workspace};
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, count);
    for (int i = 0; i < node->inputs; i++) oc_lower_in_place(lower, dst, operand[i].buffer);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

/* Of a plain sum: every summand's gradient is the same, in the parts in which it came; nobody copies them. */
static void sum_backward(oc_lower *lower, const oc_node *node) {
    const oc_layout layout = *oc_lower_dst_layout(lower, node);
    const oc_diff_parts diff = oc_lower_diff_parts(lower, node);
    for (int i = 0; i < node->inputs; i++) {
        if (diff.map >= 0) oc_lower_diff_src(lower, node, i, &layout, diff.map);
        if (diff.mean >= 0) oc_lower_diff_src(lower, node, i, &diff.mean_layout, diff.mean);
    }
}

static oc_status join_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_layout layout = *oc_lower_dst_layout(lower, node);
    OC_TRY(oc_join_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &layout, err));
    oc_buffer diff_dst = oc_lower_diff_dst(lower, node), diff_src = oc_lower_buffer(lower, &layout);
    oc_operand operand[] = {{OC_SLOT_WORKSPACE, oc_lower_node(lower, node)->workspace},
                            {OC_SLOT_DIFF_DST, diff_dst},
                            {OC_SLOT_DIFF_SRC, diff_src}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 3);
    oc_lower_in_place(lower, diff_src, diff_dst);
    for (int i = 0; i < node->inputs; i++) oc_lower_diff_src(lower, node, i, &layout, i < 2 ? diff_src : diff_dst);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status add_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    if (((const oc_add_node *)node->attr)->relu) return join_backward(lower, node, err);
    sum_backward(lower, node);
    return OC_OK;
}

const oc_op oc_add_op = {.name = "add",
                         .attr_size = sizeof(oc_add_node),
                         .shape = add_shape,
                         .forward = add_forward,
                         .backward = add_backward};

oc_value oc_op_add(oc_graph *graph, oc_value a, oc_value b) {
    return oc_graph_append(graph, &oc_add_op, "", 2, (oc_value[]){a, b}, &(oc_add_node){0});
}
