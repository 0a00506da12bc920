/* sigmoid: 1 / (1 + e^−x). */
#include "compute/elementwise.h"
#include "graph/ops.h"
#include "graph/ops/pointwise.h"

static oc_status sigmoid_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    return oc_pointwise_forward(lower, node, oc_sigmoid_forward_create, err);
}

static oc_status sigmoid_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    return oc_pointwise_backward(lower, node, oc_sigmoid_backward_create, err);
}

const oc_op oc_sigmoid_op = {
    .name = "sigmoid", .shape = oc_pointwise_shape, .forward = sigmoid_forward, .backward = sigmoid_backward};

oc_value oc_op_sigmoid(oc_graph *graph, oc_value src) {
    return oc_graph_append(graph, &oc_sigmoid_op, "", 1, &src, NULL);
}
