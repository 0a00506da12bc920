/* subsample: every stride-th row and column, from the first. */
#include <inttypes.h>

#include "base/error.h"
#include "compute/copy.h"
#include "graph/op.h"
#include "graph/ops/subsample.h"

static void subsample_shape(oc_graph *graph, oc_node *node) {
    const oc_subsample_node *attr = node->attr;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "subsample: its input has %d dimensions, not 3", src->ndim);
        return;
    }
    if (attr->stride < 1 || attr->stride > INT32_MAX) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "subsample: invalid stride %" PRId64, attr->stride);
        return;
    }
    node->dst =
        oc_shape_make(3, src->dim[0], (src->dim[1] - 1) / attr->stride + 1, (src->dim[2] - 1) / attr->stride + 1);
}

static oc_status subsample_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_subsample_node *attr = node->attr;
    OC_TRY(oc_subsample_forward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), attr->stride,
                                       oc_lower_src_layout(lower, node, 0), err));
    oc_lower_map(lower, node, &primitive);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status subsample_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_subsample_node *attr = node->attr;
    OC_TRY(oc_subsample_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), attr->stride,
                                        oc_lower_src_layout(lower, node, 0), oc_lower_dst_layout(lower, node), err));
    oc_lower_map_backward(lower, node, &primitive);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_subsample_op = {.name = "subsample",
                               .attr_size = sizeof(oc_subsample_node),
                               .shape = subsample_shape,
                               .forward = subsample_forward,
                               .backward = subsample_backward};

oc_value oc_op_subsample(oc_graph *graph, oc_value src, int64_t stride) {
    return oc_graph_append(graph, &oc_subsample_op, "", 1, &src, &(oc_subsample_node){stride});
}
