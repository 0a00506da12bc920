/* slice: some of the channels that follow one another. */
#include <inttypes.h>

#include "base/error.h"
#include "compute/copy.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "graph/ops/slice.h"

static void slice_shape(oc_graph *graph, oc_node *node) {
    const oc_slice_node *attr = node->attr;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "slice: its input has %d dimensions, not 3", src->ndim);
        return;
    }
    if (attr->begin < 0 || attr->count < 1 || attr->begin > src->dim[0] || attr->count > src->dim[0] - attr->begin) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "slice: %" PRId64 " channels from %" PRId64 " on do not lie within %" PRId64, attr->count,
                      attr->begin, src->dim[0]);
        return;
    }
    node->dst = oc_shape_make(3, attr->count, src->dim[1], src->dim[2]);
}

static oc_status slice_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_slice_node *attr = node->attr;
    OC_TRY(oc_slice_forward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), attr->begin, attr->count,
                                   oc_lower_src_layout(lower, node, 0), err));
    oc_lower_map(lower, node, &primitive);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status slice_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_slice_node *attr = node->attr;
    OC_TRY(oc_slice_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), attr->begin,
                                    oc_lower_src_layout(lower, node, 0), oc_lower_dst_layout(lower, node), err));
    oc_lower_map_backward(lower, node, &primitive);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_slice_op = {.name = "slice",
                           .attr_size = sizeof(oc_slice_node),
                           .shape = slice_shape,
                           .forward = slice_forward,
                           .backward = slice_backward};

oc_value oc_op_slice(oc_graph *graph, oc_value src, int64_t begin, int64_t count) {
    return oc_graph_append(graph, &oc_slice_op, "", 1, &src, &(oc_slice_node){begin, count});
}
