/* Windows of pools, as PyTorch's MaxPool2d and AvgPool2d lay them. */
#include "graph/ops/pool.h"

#include <inttypes.h>

/* Number of windows along `size` pixels; below 1: none fits. In ceil mode as many as begin in the image or in the
 * padding before it (PyTorch's rule), even where the last one reaches over the border. */
static int64_t windows(const oc_pool_node *attr, int64_t size) {
    int64_t reach = size + 2 * attr->pad - attr->kernel + (attr->ceil ? attr->stride - 1 : 0);
    if (reach < 0) return 0;
    int64_t count = reach / attr->stride + 1;
    return attr->ceil && (count - 1) * attr->stride >= size + attr->pad ? count - 1 : count;
}

void oc_pool_shape(oc_graph *graph, oc_node *node) {
    const oc_pool_node *attr = node->attr;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "%s: its input has %d dimensions, not 3", node->op->name,
                      src->ndim);
        return;
    }
    /* As PyTorch: with more padding a window could lie in padding alone. */
    if (attr->kernel < 1 || attr->kernel > 16 || attr->stride < 1 || attr->pad < 0 || attr->pad > attr->kernel / 2) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "%s: invalid kernel %" PRId64 ", stride %" PRId64 ", pad %" PRId64
                      " (kernel at most 16, pad at most half of it)",
                      node->op->name, attr->kernel, attr->stride, attr->pad);
        return;
    }
    int64_t h = windows(attr, src->dim[1]), w = windows(attr, src->dim[2]);
    if (h < 1 || w < 1) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "%s: a window of %" PRId64 " does not fit into %" PRId64 "×%" PRId64, node->op->name,
                      attr->kernel, src->dim[1], src->dim[2]);
        return;
    }
    node->dst = oc_shape_make(3, src->dim[0], h, w);
}

oc_pool_spec oc_pool_node_spec(const oc_lower *lower, const oc_node *node) {
    const oc_pool_node *attr = node->attr;
    return (oc_pool_spec){attr->kernel, attr->stride, attr->pad, oc_lower_training(lower)};
}
