/* linear: y = x·Wᵀ + b, as PyTorch's Linear. */
#include <inttypes.h>

#include "base/error.h"
#include "compute/primitives.h"
#include "graph/op.h"
#include "graph/ops.h"

typedef struct linear_node {
    int64_t out;
    oc_init weight_init, bias_init;
} linear_node;

enum { WEIGHT, BIAS };

static void linear_shape(oc_graph *graph, oc_node *node) {
    const linear_node *attr = node->attr;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 1) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "linear: its input has %d dimensions, not 1 (flatten it)",
                      src->ndim);
        return;
    }
    if (attr->out < 1) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "linear: %" PRId64 " outputs cannot be", attr->out);
        return;
    }
    node->dst = oc_shape_make(1, attr->out);
    oc_graph_tensor(graph, node, "weight", oc_shape_make(2, attr->out, src->dim[0]), true, true, attr->weight_init);
    oc_graph_tensor(graph, node, "bias", oc_shape_make(1, attr->out), true, false, attr->bias_init);
}

static int64_t linear_macs(const oc_graph *graph, const oc_node *node) {
    return node->dst.dim[0] * oc_node_src(graph, node, 0)->dim[0];
}

typedef struct linear_case {
    oc_layout src_any, dst_any, weights_any, weights, bias;
} linear_case;

static void linear_case_fill(linear_case *c, const oc_lower *lower, const oc_node *node) {
    oc_dtype dtype = oc_lower_dtype(lower);
    oc_shape src = oc_layout_shape(oc_lower_src_layout(lower, node, 0)), dst = oc_lower_shape(lower, node);
    oc_shape weights = oc_shape_make(2, dst.dim[1], src.dim[1]), bias = oc_shape_make(1, dst.dim[1]);
    c->src_any = oc_layout_any(dtype, &src);
    c->dst_any = oc_layout_any(dtype, &dst);
    c->weights_any = oc_layout_any(dtype, &weights);
    c->weights = oc_layout_plain(OC_F32, &weights);
    c->bias = oc_layout_plain(OC_F32, &bias);
}

static oc_status linear_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *work = NULL;
    oc_lowered *kept = oc_lower_node(lower, node);
    linear_case c;
    linear_case_fill(&c, lower, node);
    OC_TRY(oc_linear_forward_create(&work, oc_lower_engine(lower), oc_lower_layer(lower, node),
                                    oc_lower_training(lower), &c.src_any, &c.weights_any, &c.bias, &c.dst_any, err));
    oc_layout dst = *oc_primitive_layout(work, OC_SLOT_DST);
    kept->forward = work;
    kept->src = oc_lower_src_as(lower, node, 0, oc_primitive_layout(work, OC_SLOT_SRC));
    oc_operand operand[] = {
        {OC_SLOT_SRC, kept->src},
        {OC_SLOT_WEIGHTS, oc_lower_tensor(lower, node, WEIGHT, &c.weights, oc_primitive_layout(work, OC_SLOT_WEIGHTS))},
        {OC_SLOT_BIAS, oc_lower_tensor(lower, node, BIAS, &c.bias, &c.bias)},
        {OC_SLOT_DST, oc_lower_dst(lower, node, &dst)},
    };
    oc_lower_step(lower, node, OC_STEP_FORWARD, &work, operand, 4);
cleanup:
    oc_primitive_destroy(&work);
    return status;
}

static oc_status linear_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *work = NULL;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_lower_layer(lower, node);
    const oc_lowered *kept = oc_lower_node(lower, node);
    linear_case c;
    linear_case_fill(&c, lower, node);
    if (oc_lower_wants_diff(lower, node, 0)) {
        OC_TRY(oc_linear_backward_data_create(&work, engine, layer, &c.src_any, &c.weights_any, &c.dst_any,
                                              kept->forward, err));
        oc_layout layout = *oc_primitive_layout(work, OC_SLOT_DIFF_SRC);
        oc_buffer diff_src = oc_lower_buffer(lower, &layout);
        oc_operand operand[] = {
            {OC_SLOT_DIFF_DST, oc_lower_diff_dst_as(lower, node, oc_primitive_layout(work, OC_SLOT_DIFF_DST))},
            {OC_SLOT_WEIGHTS,
             oc_lower_tensor(lower, node, WEIGHT, &c.weights, oc_primitive_layout(work, OC_SLOT_WEIGHTS))},
            {OC_SLOT_DIFF_SRC, diff_src},
        };
        oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &work, operand, 3);
        oc_lower_diff_src(lower, node, 0, &layout, diff_src);
    }
    OC_TRY(oc_linear_backward_weights_create(&work, engine, layer, &c.src_any, &c.weights_any, &c.bias, &c.dst_any,
                                             kept->forward, err));
    oc_layout weights = *oc_primitive_layout(work, OC_SLOT_DIFF_WEIGHTS);
    oc_buffer gradient = oc_lower_gradient(lower, node, WEIGHT, &c.weights, &weights);
    oc_operand operand[] = {
        {OC_SLOT_SRC, oc_lower_src_as(lower, node, 0, oc_primitive_layout(work, OC_SLOT_SRC))},
        {OC_SLOT_DIFF_DST, oc_lower_diff_dst_as(lower, node, oc_primitive_layout(work, OC_SLOT_DIFF_DST))},
        {OC_SLOT_DIFF_WEIGHTS, gradient},
        {OC_SLOT_DIFF_BIAS, oc_lower_gradient(lower, node, BIAS, &c.bias, &c.bias)},
    };
    oc_lower_step(lower, node, OC_STEP_BACKWARD_WEIGHTS, &work, operand, 4);
    oc_lower_gradient_store(lower, node, WEIGHT, &c.weights, &weights, gradient);
cleanup:
    oc_primitive_destroy(&work);
    return status;
}

const oc_op oc_linear_op = {.name = "linear",
                            .attr_size = sizeof(linear_node),
                            .shape = linear_shape,
                            .macs = linear_macs,
                            .forward = linear_forward,
                            .backward = linear_backward};

oc_value oc_op_linear(oc_graph *graph, const char *name, oc_value src, int64_t out, oc_init weight_init,
                      oc_init bias_init) {
    return oc_graph_append(graph, &oc_linear_op, name, 1, &src, &(linear_node){out, weight_init, bias_init});
}
