/* linear: y = x·Wᵀ + b, as PyTorch's Linear. */
#include <inttypes.h>

#include "base/error.h"
#include "compute/linear.h"
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
        oc_graph_fail(graph, OC_E_USAGE, node->name, "linear: invalid number of outputs %" PRId64, attr->out);
        return;
    }
    node->dst = oc_shape_make(1, attr->out);
    oc_graph_tensor(graph, node, "weight", oc_shape_make(2, attr->out, src->dim[0]), true, true, attr->weight_init);
    oc_graph_tensor(graph, node, "bias", oc_shape_make(1, attr->out), true, false, attr->bias_init);
}

static int64_t linear_macs(const oc_graph *graph, const oc_node *node) {
    return node->dst.dim[0] * oc_node_src(graph, node, 0)->dim[0];
}

static oc_linear_spec linear_spec(const oc_lower *lower, const oc_node *node) {
    return (oc_linear_spec){.batch = oc_lower_batch(lower),
                            .ic = oc_lower_src_layout(lower, node, 0)->shape.dim[1],
                            .oc = node->dst.dim[0],
                            .training = oc_lower_training(lower)};
}

/* [N, size] in plain layout. */
static oc_layout rows_layout(const oc_lower *lower, int64_t size) {
    const oc_shape shape = oc_shape_make(2, oc_lower_batch(lower), size);
    return oc_layout_plain(OC_F32, &shape);
}

static oc_status linear_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_linear_spec spec = linear_spec(lower, node);
    const oc_layout src = rows_layout(lower, spec.ic), dst = rows_layout(lower, spec.oc);
    OC_TRY(oc_linear_forward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec, err));
    oc_lower_node(lower, node)->src = oc_lower_src_as(lower, node, 0, &src);
    oc_operand operand[] = {
        {OC_SLOT_SRC, oc_lower_node(lower, node)->src},
        {OC_SLOT_WEIGHTS, oc_lower_tensor(lower, node, WEIGHT)},
        {OC_SLOT_BIAS, oc_lower_tensor(lower, node, BIAS)},
        {OC_SLOT_DST, oc_lower_dst(lower, node, &dst)},
    };
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, 4);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status linear_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_engine *engine = oc_lower_engine(lower);
    const oc_linear_spec spec = linear_spec(lower, node);
    const oc_layout src = rows_layout(lower, spec.ic);
    const oc_buffer diff_dst = oc_lower_diff_dst(lower, node);
    if (oc_lower_wants_diff(lower, node, 0)) {
        OC_TRY(oc_linear_backward_data_create(&primitive, engine, oc_node_layer(node), &spec, err));
        oc_buffer diff_src = oc_lower_buffer(lower, &src);
        oc_operand operand[] = {{OC_SLOT_DIFF_DST, diff_dst},
                                {OC_SLOT_WEIGHTS, oc_lower_tensor(lower, node, WEIGHT)},
                                {OC_SLOT_DIFF_SRC, diff_src}};
        oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 3);
        oc_lower_diff_src(lower, node, 0, &src, diff_src);
    }
    OC_TRY(oc_linear_backward_weights_create(&primitive, engine, oc_node_layer(node), &spec, err));
    oc_operand operand[] = {
        {OC_SLOT_SRC, oc_lower_node(lower, node)->src},
        {OC_SLOT_DIFF_DST, diff_dst},
        {OC_SLOT_DIFF_WEIGHTS, oc_lower_gradient(lower, node, WEIGHT)},
        {OC_SLOT_DIFF_BIAS, oc_lower_gradient(lower, node, BIAS)},
    };
    oc_lower_step(lower, node, OC_STEP_BACKWARD_WEIGHTS, &primitive, operand, 4);
cleanup:
    oc_primitive_destroy(&primitive);
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
