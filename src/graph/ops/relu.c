/* relu: max(x, 0). Next to a batch norm or a residual addition it is joined to that by a rewrite. */
#include "compute/elementwise.h"
#include "graph/ops.h"
#include "graph/ops/pointwise.h"

static oc_status relu_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    return oc_pointwise_forward(lower, node, oc_relu_forward_create, err);
}

static oc_status relu_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    return oc_pointwise_backward(lower, node, oc_relu_backward_create, err);
}

const oc_op oc_relu_op = {
    .name = "relu", .shape = oc_pointwise_shape, .forward = relu_forward, .backward = relu_backward};

oc_value oc_op_relu(oc_graph *graph, oc_value src) {
    return oc_graph_append(graph, &oc_relu_op, "", 1, &src, NULL);
}
