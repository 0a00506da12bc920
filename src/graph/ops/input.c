/* input: the image batch, plain, written by whoever runs the plan. */
#include "base/error.h"
#include "graph/op.h"

typedef struct input_attr {
    int64_t c, h, w;
} input_attr;

static void input_shape(oc_graph *graph, oc_node *node) {
    const input_attr *attr = node->attr;
    node->dst = oc_shape_make(3, attr->c, attr->h, attr->w);
    if (attr->c < 1 || attr->h < 1 || attr->w < 1 || oc_shape_count(&node->dst) < 0) {
        char text[128];
        oc_graph_fail(graph, OC_E_USAGE, NULL, "input: no image has the shape %s",
                      oc_shape_text(&node->dst, text, sizeof text));
    }
}

static oc_status input_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    (void)err;
    oc_shape shape = oc_lower_shape(lower, node);
    oc_layout layout = oc_layout_plain(OC_F32, &shape);
    oc_lower_dst(lower, node, &layout);
    return OC_OK;
}

const oc_op oc_input_op = {
    .name = "input", .attr_size = sizeof(input_attr), .shape = input_shape, .forward = input_forward};

oc_value oc_graph_input(oc_graph *graph, int64_t c, int64_t h, int64_t w) {
    if (graph->nodes > 0) {
        oc_graph_fail(graph, OC_E_USAGE, NULL, "input: it comes exactly once, and first");
        return -1;
    }
    oc_value value = oc_graph_append(graph, &oc_input_op, "", 0, NULL, &(input_attr){c, h, w});
    if (value >= 0) graph->input = value;
    return value;
}
