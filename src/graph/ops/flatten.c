/* flatten: [C, H, W] → [C·H·W] in PyTorch's order, so the one place where a blocked layout must be undone. */
#include "base/error.h"
#include "graph/op.h"
#include "graph/ops.h"

static void flatten_shape(oc_graph *graph, oc_node *node) {
    const oc_shape *src = oc_node_src(graph, node, 0);
    int64_t count = oc_shape_count(src);
    node->dst = oc_shape_make(1, count);
    if (count < 1) oc_graph_fail(graph, OC_E_USAGE, node->name, "flatten: its input is too large");
}

static oc_layout flatten_plain(const oc_lower *lower, const oc_node *node) {
    return oc_layout_plain(OC_F32, &oc_lower_src_layout(lower, node, 0)->shape);
}

static oc_status flatten_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    (void)err;
    oc_layout plain = flatten_plain(lower, node);
    oc_shape shape = oc_lower_shape(lower, node);
    oc_layout flat = oc_layout_plain(OC_F32, &shape);
    oc_lower_dst_view(lower, node, &flat, oc_lower_src_as(lower, node, 0, &plain));
    return OC_OK;
}

static oc_status flatten_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    (void)err;
    oc_layout plain = flatten_plain(lower, node);
    oc_lower_diff_src(lower, node, 0, &plain, oc_lower_diff_dst(lower, node));
    return OC_OK;
}

const oc_op oc_flatten_op = {
    .name = "flatten", .shape = flatten_shape, .forward = flatten_forward, .backward = flatten_backward};

oc_value oc_op_flatten(oc_graph *graph, oc_value src) {
    return oc_graph_append(graph, &oc_flatten_op, "", 1, &src, NULL);
}
