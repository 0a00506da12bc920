/* batch_norm: over N, H and W (Ioffe and Szegedy, ICML 2015), as PyTorch's BatchNorm2d: the running variance takes
 * the unbiased estimate. */
#include "graph/ops/batch_norm.h"

#include "base/error.h"
#include "compute/norm.h"
#include "graph/op.h"
#include "graph/ops.h"

enum { WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR };

static void batch_norm_shape(oc_graph *graph, oc_node *node) {
    const oc_batch_norm_node *attr = node->attr;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "batch_norm: its input has %d dimensions, not 3", src->ndim);
        return;
    }
    oc_shape vector = oc_shape_make(1, src->dim[0]);
    node->dst = *src;
    oc_graph_tensor(graph, node, "weight", vector, true, false, (oc_init){OC_INIT_CONSTANT, attr->gamma});
    oc_graph_tensor(graph, node, "bias", vector, true, false, (oc_init){OC_INIT_CONSTANT, 0});
    oc_graph_tensor(graph, node, "running_mean", vector, false, false, (oc_init){OC_INIT_CONSTANT, 0});
    oc_graph_tensor(graph, node, "running_var", vector, false, false, (oc_init){OC_INIT_CONSTANT, 1});
}

static oc_norm_spec batch_norm_spec(const oc_lower *lower, const oc_node *node) {
    const oc_batch_norm_node *attr = node->attr;
    return (oc_norm_spec){.epsilon = (float)OC_BATCH_NORM_EPSILON,
                          .training = oc_lower_training(lower),
                          .relu = attr->relu,
                          .pooled = attr->pooled,
                          .pool = {attr->pool.kernel, attr->pool.stride, attr->pool.pad, oc_lower_training(lower)},
                          .dst = oc_lower_shape(lower, node)};
}

static oc_layout vector_layout(const oc_node *node) {
    oc_shape vector = oc_shape_make(1, node->dst.dim[0]);
    return oc_layout_plain(OC_F32, &vector);
}

static oc_status batch_norm_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_node_layer(node);
    oc_norm_spec spec = batch_norm_spec(lower, node);
    oc_lowered *kept = oc_lower_node(lower, node);
    oc_layout vector = vector_layout(node);
    const oc_shape *src = &oc_lower_src_layout(lower, node, 0)->shape;
    int64_t count = src->dim[0] * src->dim[2] * src->dim[3];
    if (spec.training && count < 2)
        return oc_fail(err, OC_E_USAGE, layer,
                       "batch norm needs more than one value a channel to train: give a larger batch");
    OC_TRY(oc_norm_forward_create(&primitive, engine, layer, &spec, oc_lower_src_layout(lower, node, 0), err));
    oc_layout layout = *oc_primitive_layout(primitive, OC_SLOT_DST);
    kept->src = oc_lower_src(lower, node, 0);
    kept->mean = spec.training ? oc_lower_buffer(lower, &vector) : oc_lower_tensor(lower, node, RUNNING_MEAN);
    kept->variance = spec.training ? oc_lower_buffer(lower, &vector) : oc_lower_tensor(lower, node, RUNNING_VAR);
    oc_buffer dst = oc_lower_dst(lower, node, &layout);
    kept->workspace = oc_lower_workspace(lower, primitive);
    oc_operand operand[] = {
        {OC_SLOT_SRC, kept->src},
        {OC_SLOT_SCALE, oc_lower_tensor(lower, node, WEIGHT)},
        {OC_SLOT_SHIFT, oc_lower_tensor(lower, node, BIAS)},
        {OC_SLOT_MEAN, kept->mean},
        {OC_SLOT_VARIANCE, kept->variance},
        {OC_SLOT_WORKSPACE, kept->workspace},
        {OC_SLOT_DST, dst},
    };
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, 7);
    if (!spec.pooled) oc_lower_in_place(lower, dst, kept->src);
    if (spec.training) {
        OC_TRY(oc_running_create(&primitive, engine, layer, node->dst.dim[0], OC_BATCH_NORM_MOMENTUM, count, err));
        oc_operand statistics[] = {
            {OC_SLOT_MEAN, kept->mean},
            {OC_SLOT_VARIANCE, kept->variance},
            {OC_SLOT_DST, oc_lower_tensor(lower, node, RUNNING_MEAN)},
            {OC_SLOT_DST_1, oc_lower_tensor(lower, node, RUNNING_VAR)},
        };
        oc_lower_step(lower, node, OC_STEP_STATISTICS, &primitive, statistics, 4);
    }
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status batch_norm_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    oc_norm_spec spec = batch_norm_spec(lower, node);
    const oc_lowered *kept = oc_lower_node(lower, node);
    oc_diff_parts diff = {.map = -1, .mean = -1};
    if (!spec.pooled) diff = oc_lower_diff_parts(lower, node);
    if (diff.map < 0) diff = (oc_diff_parts){.map = oc_lower_diff_dst(lower, node), .mean = -1};
    spec.mean = diff.mean >= 0;
    OC_TRY(oc_norm_backward_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), &spec,
                                   oc_lower_src_layout(lower, node, 0), err));
    oc_layout layout = *oc_primitive_layout(primitive, OC_SLOT_DIFF_SRC);
    oc_buffer diff_src = oc_lower_buffer(lower, &layout);
    oc_operand operand[] = {
        {OC_SLOT_SRC, kept->src},
        {OC_SLOT_MEAN, kept->mean},
        {OC_SLOT_VARIANCE, kept->variance},
        {OC_SLOT_SCALE, oc_lower_tensor(lower, node, WEIGHT)},
        {OC_SLOT_SHIFT, oc_lower_tensor(lower, node, BIAS)},
        {OC_SLOT_DIFF_DST, diff.map},
        {OC_SLOT_DIFF_MEAN, diff.mean},
        {OC_SLOT_DIFF_SRC, diff_src},
        {OC_SLOT_DIFF_SCALE, oc_lower_gradient(lower, node, WEIGHT)},
        {OC_SLOT_DIFF_SHIFT, oc_lower_gradient(lower, node, BIAS)},
        {OC_SLOT_WORKSPACE, kept->workspace},
    };
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 11);
    if (!spec.pooled) oc_lower_in_place(lower, diff_src, diff.map);
    oc_lower_in_place(lower, diff_src, kept->src);
    if (oc_lower_wants_diff(lower, node, 0)) oc_lower_diff_src(lower, node, 0, &layout, diff_src);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

const oc_op oc_batch_norm_op = {.name = "batch_norm",
                                .attr_size = sizeof(oc_batch_norm_node),
                                .shape = batch_norm_shape,
                                .forward = batch_norm_forward,
                                .backward = batch_norm_backward};

oc_value oc_op_batch_norm(oc_graph *graph, const char *name, oc_value src, double gamma) {
    return oc_graph_append(graph, &oc_batch_norm_op, name, 1, &src, &(oc_batch_norm_node){.gamma = gamma});
}
