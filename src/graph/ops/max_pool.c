/* max_pool: floor mode; padding never wins. */
#include <inttypes.h>

#include "base/error.h"
#include "compute/kernels.h"
#include "graph/op.h"
#include "graph/ops.h"

typedef struct max_pool_node {
    int64_t kernel, stride, pad;
} max_pool_node;

static void max_pool_shape(oc_graph *graph, oc_node *node) {
    const max_pool_node *attr = node->attr;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "max_pool: its input has %d dimensions, not 3", src->ndim);
        return;
    }
    /* As PyTorch: with more padding a window could lie in padding alone. */
    if (attr->kernel < 1 || attr->kernel > 16 || attr->stride < 1 || attr->pad < 0 || attr->pad > attr->kernel / 2) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "max_pool: kernel %" PRId64 ", stride %" PRId64 ", pad %" PRId64
                      " cannot be (kernel at most 16, pad at most half of it)",
                      attr->kernel, attr->stride, attr->pad);
        return;
    }
    int64_t h = src->dim[1] + 2 * attr->pad - attr->kernel, w = src->dim[2] + 2 * attr->pad - attr->kernel;
    if (h < 0 || w < 0) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "max_pool: a window of %" PRId64 " does not fit into %" PRId64 "×%" PRId64, attr->kernel,
                      src->dim[1], src->dim[2]);
        return;
    }
    node->dst = oc_shape_make(3, src->dim[0], h / attr->stride + 1, w / attr->stride + 1);
}

static oc_pool_spec max_pool_spec(const oc_lower *lower, const oc_node *node) {
    const max_pool_node *attr = node->attr;
    return (oc_pool_spec){attr->kernel, attr->stride, attr->pad, oc_lower_training(lower)};
}

static oc_status max_pool_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_work *work = NULL;
    oc_lowered *kept = oc_lower_node(lower, node);
    oc_pool_spec spec = max_pool_spec(lower, node);
    oc_shape shape = oc_lower_shape(lower, node);
    OC_TRY(oc_pool_forward_create(&work, oc_lower_engine(lower), oc_lower_layer(lower, node), &spec,
                                  oc_lower_src_layout(lower, node, 0), &shape, err));
    oc_layout layout = *oc_work_layout(work, OC_SLOT_DST), workspace = *oc_work_layout(work, OC_SLOT_WORKSPACE);
    oc_operand operand[3] = {{OC_SLOT_SRC, oc_lower_src(lower, node, 0)},
                             {OC_SLOT_DST, oc_lower_dst(lower, node, &layout)}};
    int count = 2;
    if (!oc_layout_absent(&workspace)) {
        kept->workspace = oc_lower_buffer(lower, &workspace);
        operand[count++] = (oc_operand){OC_SLOT_WORKSPACE, kept->workspace};
    }
    oc_lower_step(lower, node, OC_STEP_FORWARD, &work, operand, count);
cleanup:
    oc_work_destroy(&work);
    return status;
}

static oc_status max_pool_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_work *work = NULL;
    const oc_lowered *kept = oc_lower_node(lower, node);
    oc_pool_spec spec = max_pool_spec(lower, node);
    oc_layout layout = *oc_lower_src_layout(lower, node, 0);
    OC_TRY(oc_pool_backward_create(&work, oc_lower_engine(lower), oc_lower_layer(lower, node), &spec, &layout,
                                   oc_lower_dst_layout(lower, node), err));
    oc_buffer diff_src = oc_lower_buffer(lower, &layout);
    oc_operand operand[] = {{OC_SLOT_DIFF_DST, oc_lower_diff_dst(lower, node)},
                            {OC_SLOT_DIFF_SRC, diff_src},
                            {OC_SLOT_WORKSPACE, kept->workspace}};
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &work, operand, kept->workspace >= 0 ? 3 : 2);
    oc_lower_diff_src(lower, node, 0, &layout, diff_src);
cleanup:
    oc_work_destroy(&work);
    return status;
}

const oc_op oc_max_pool_op = {.name = "max_pool",
                              .attr_size = sizeof(max_pool_node),
                              .shape = max_pool_shape,
                              .forward = max_pool_forward,
                              .backward = max_pool_backward};

oc_value oc_op_max_pool(oc_graph *graph, oc_value src, int64_t kernel, int64_t stride, int64_t pad) {
    return oc_graph_append(graph, &oc_max_pool_op, "", 1, &src, &(max_pool_node){kernel, stride, pad});
}
