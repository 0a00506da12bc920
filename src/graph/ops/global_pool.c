/* global_pool: the mean over all pixels, channel by channel; of the sum of two maps where a rewrite says so. */
#include "base/error.h"
#include "compute/pool.h"
#include "graph/op.h"
#include "graph/ops.h"

static void global_pool_shape(oc_graph *graph, oc_node *node) {
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "global_pool: its input has %d dimensions, not 3", src->ndim);
        return;
    }
    node->dst = oc_shape_make(3, src->dim[0], (int64_t)1, (int64_t)1);
}

static oc_status global_pool_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_engine *engine = oc_lower_engine(lower);
    const oc_layout layout = *oc_lower_src_layout(lower, node, 0);
    const bool sum = node->inputs == 2;
    if (sum)
        OC_TRY(oc_mean_of_sum_create(&primitive, engine, oc_node_layer(node), &layout, err));
    else
        OC_TRY(oc_mean_forward_create(&primitive, engine, oc_node_layer(node), &layout, err));
    oc_operand operand[] = {{OC_SLOT_SRC, oc_lower_src(lower, node, 0)},
                            {OC_SLOT_SRC_1, sum ? oc_lower_src_as(lower, node, 1, &layout) : -1},
                            {OC_SLOT_DST, oc_lower_dst(lower, node, oc_primitive_layout(primitive, OC_SLOT_DST))}};
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, 3);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

/* The gradient stays one number a channel: whoever makes a source knows best how to give each pixel its share. */
static oc_status global_pool_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    (void)err;
    for (int i = 0; i < node->inputs; i++)
        oc_lower_diff_src(lower, node, i, oc_lower_dst_layout(lower, node), oc_lower_diff_dst(lower, node));
    return OC_OK;
}

const oc_op oc_global_pool_op = {.name = "global_pool",
                                 .shape = global_pool_shape,
                                 .forward = global_pool_forward,
                                 .backward = global_pool_backward};

oc_value oc_op_global_pool(oc_graph *graph, oc_value src) {
    return oc_graph_append(graph, &oc_global_pool_op, "", 1, &src, NULL);
}
