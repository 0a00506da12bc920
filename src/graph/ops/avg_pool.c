/* avg_pool: PyTorch's AvgPool2d with count_include_pad=False, in floor or ceil mode. */
#include <inttypes.h>

#include "base/error.h"
#include "compute/primitives.h"
#include "graph/op.h"
#include "graph/ops.h"

typedef struct avg_pool_node {
    int64_t kernel, stride, pad;
    bool ceil;
} avg_pool_node;

/* Number of windows along `size` pixels; below 1: none fits. In ceil mode as many as begin in the image or in the
 * padding before it (PyTorch's rule), even where the last one reaches over the border. */
static int64_t windows(const avg_pool_node *attr, int64_t size) {
    int64_t reach = size + 2 * attr->pad - attr->kernel + (attr->ceil ? attr->stride - 1 : 0);
    if (reach < 0) return 0;
    int64_t count = reach / attr->stride + 1;
    return attr->ceil && (count - 1) * attr->stride >= size + attr->pad ? count - 1 : count;
}

static void avg_pool_shape(oc_graph *graph, oc_node *node) {
    const avg_pool_node *attr = node->attr;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "avg_pool: its input has %d dimensions, not 3", src->ndim);
        return;
    }
    /* As PyTorch: with more padding a window could lie in padding alone. */
    if (attr->kernel < 1 || attr->kernel > 16 || attr->stride < 1 || attr->pad < 0 || attr->pad > attr->kernel / 2) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "avg_pool: kernel %" PRId64 ", stride %" PRId64 ", pad %" PRId64
                      " cannot be (kernel at most 16, pad at most half of it)",
                      attr->kernel, attr->stride, attr->pad);
        return;
    }
    int64_t h = windows(attr, src->dim[1]), w = windows(attr, src->dim[2]);
    if (h < 1 || w < 1) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "avg_pool: a window of %" PRId64 " does not fit into %" PRId64 "×%" PRId64, attr->kernel,
                      src->dim[1], src->dim[2]);
        return;
    }
    node->dst = oc_shape_make(3, src->dim[0], h, w);
}

static oc_average_spec avg_pool_spec(const oc_lower *lower, const oc_node *node) {
    const avg_pool_node *attr = node->attr;
    return (oc_average_spec){attr->kernel, attr->stride, attr->pad, oc_lower_training(lower)};
}

static oc_status avg_pool_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_work *work = NULL;
    oc_lowered *kept = oc_lower_node(lower, node);
    oc_average_spec spec = avg_pool_spec(lower, node);
    oc_shape shape = oc_lower_shape(lower, node);
    OC_TRY(oc_average_forward_create(&work, oc_lower_engine(lower), oc_lower_layer(lower, node), &spec,
                                     oc_lower_src_layout(lower, node, 0), &shape, err));
    kept->forward = work;
    oc_operand operand[] = {{OC_SLOT_SRC, oc_lower_src(lower, node, 0)},
                            {OC_SLOT_DST, oc_lower_dst(lower, node, oc_work_layout(work, OC_SLOT_DST))}};
    oc_lower_step(lower, node, OC_STEP_FORWARD, &work, operand, 2);
cleanup:
    oc_work_destroy(&work);
    return status;
}

static oc_status avg_pool_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_work *work = NULL;
    oc_average_spec spec = avg_pool_spec(lower, node);
    oc_layout layout = *oc_lower_src_layout(lower, node, 0);
    OC_TRY(oc_average_backward_create(&work, oc_lower_engine(lower), oc_lower_layer(lower, node), &spec, &layout,
                                      oc_lower_dst_layout(lower, node), oc_lower_node(lower, node)->forward, err));
    oc_buffer diff_src = oc_lower_buffer(lower, &layout);
    oc_operand operand[] = {{OC_SLOT_DIFF_DST, oc_lower_diff_dst(lower, node)}, {OC_SLOT_DIFF_SRC, diff_src}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &work, operand, 2);
    oc_lower_diff_src(lower, node, 0, &layout, diff_src);
cleanup:
    oc_work_destroy(&work);
    return status;
}

const oc_op oc_avg_pool_op = {.name = "avg_pool",
                              .attr_size = sizeof(avg_pool_node),
                              .shape = avg_pool_shape,
                              .forward = avg_pool_forward,
                              .backward = avg_pool_backward};

oc_value oc_op_avg_pool(oc_graph *graph, oc_value src, int64_t kernel, int64_t stride, int64_t pad, bool ceil) {
    return oc_graph_append(graph, &oc_avg_pool_op, "", 1, &src, &(avg_pool_node){kernel, stride, pad, ceil});
}
