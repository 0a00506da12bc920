/* conv: two-dimensional convolution (cross-correlation, as in PyTorch's Conv2d). */
#include "graph/ops/conv.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "compute/norm.h"
#include "graph/op.h"

/* Sizes of one dimension beyond this are refused, so that what is computed from them cannot overflow. */
#define SIZE_LIMIT ((int64_t)1 << 24)

static void conv_shape(oc_graph *graph, oc_node *node) {
    oc_conv_attr *attr = &((oc_conv_node *)node->attr)->conv;
    const oc_shape *src = oc_node_src(graph, node, 0);
    if (attr->groups == 0) attr->groups = 1;
    if (attr->dilation == 0) attr->dilation = 1;
    if (src->ndim != 3) {
        oc_graph_fail(graph, OC_E_USAGE, node->name, "conv: its input has %d dimensions, not 3", src->ndim);
        return;
    }
    if (attr->oc < 1 || attr->oc > SIZE_LIMIT || attr->kernel < 1 || attr->kernel > SIZE_LIMIT || attr->stride < 1 ||
        attr->stride > SIZE_LIMIT || attr->pad < 0 || attr->pad > SIZE_LIMIT || attr->dilation < 1 ||
        attr->dilation > SIZE_LIMIT || attr->groups < 1) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "conv: invalid oc %" PRId64 ", kernel %" PRId64 ", stride %" PRId64 ", pad %" PRId64
                      ", dilation %" PRId64 ", groups %" PRId64,
                      attr->oc, attr->kernel, attr->stride, attr->pad, attr->dilation, attr->groups);
        return;
    }
    int64_t ic = src->dim[0], span = attr->dilation * (attr->kernel - 1) + 1;
    int64_t h = src->dim[1] + 2 * attr->pad - span, w = src->dim[2] + 2 * attr->pad - span;
    if (h < 0 || w < 0) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "conv: a filter that spans %" PRId64 " does not fit into %" PRId64 "×%" PRId64
                      " with padding %" PRId64,
                      span, src->dim[1], src->dim[2], attr->pad);
        return;
    }
    if (ic % attr->groups || attr->oc % attr->groups) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "conv: %" PRId64 " input and %" PRId64 " output channels do not divide into %" PRId64 " groups",
                      ic, attr->oc, attr->groups);
        return;
    }
    node->dst = oc_shape_make(3, attr->oc, h / attr->stride + 1, w / attr->stride + 1);
    oc_graph_tensor(graph, node, "weight", oc_shape_make(4, attr->oc, ic / attr->groups, attr->kernel, attr->kernel),
                    true, true, attr->weight_init);
    if (attr->bias) oc_graph_tensor(graph, node, "bias", oc_shape_make(1, attr->oc), true, false, attr->bias_init);
}

static int64_t conv_macs(const oc_graph *graph, const oc_node *node) {
    const oc_conv_attr *attr = &((const oc_conv_node *)node->attr)->conv;
    return oc_shape_count(&node->dst) * (oc_node_src(graph, node, 0)->dim[0] / attr->groups) * attr->kernel *
           attr->kernel;
}

/* The problem of a pass, its source and result in the layouts given. */
static oc_conv_problem conv_problem(const oc_lower *lower, const oc_node *node, oc_conv_pass pass, const oc_layout *src,
                                    const oc_layout *dst) {
    const oc_conv_node *conv = node->attr;
    const oc_conv_attr *attr = &conv->conv;
    oc_conv_problem problem = {.pass = pass,
                               .training = oc_lower_training(lower),
                               .exact = oc_lower_exact(lower),
                               .groups = attr->groups,
                               .kh = attr->kernel,
                               .kw = attr->kernel,
                               .stride = attr->stride,
                               .pad = attr->pad,
                               .dilation = attr->dilation,
                               .src = *src,
                               .dst = *dst};
    if (pass != OC_CONV_BACKWARD_DATA) problem.bias = attr->bias || conv->folded;
    if (pass == OC_CONV_FORWARD) {
        problem.posts = conv->posts;
        memcpy(problem.post, conv->post, sizeof problem.post);
    }
    return problem;
}

/* The source's layout as it arrives, but of the result's data type: no algorithm takes two. */
static oc_layout src_layout(const oc_lower *lower, const oc_node *node) {
    const oc_shape dst = oc_lower_shape(lower, node);
    oc_layout layout = *oc_lower_src_layout(lower, node, 0);
    layout.dtype = oc_lower_dtype(lower, &dst);
    return layout;
}

static oc_layout weights_layout(const oc_lower *lower, const oc_node *node) {
    const oc_conv_attr *attr = &((const oc_conv_node *)node->attr)->conv;
    const oc_shape *src = &oc_lower_src_layout(lower, node, 0)->shape;
    const oc_shape shape = oc_shape_make(4, attr->oc, src->dim[1] / attr->groups, attr->kernel, attr->kernel);
    return oc_layout_plain(OC_F32, &shape);
}

static oc_layout bias_layout(const oc_node *node) {
    return oc_layout_vector(OC_F32, ((const oc_conv_node *)node->attr)->conv.oc);
}

/* Chooses the algorithm of a pass and makes it. */
static oc_status choose(oc_primitive **out, oc_primitive **pack, oc_lower *lower, const oc_node *node,
                        oc_conv_problem *problem, oc_error *err) {
    oc_status status = OC_OK;
    const oc_conv_algorithm *algorithm;
    OC_TRY(oc_lower_choose(&algorithm, lower, node, problem, err));
    OC_TRY(oc_conv_create(out, pack, oc_lower_engine(lower), oc_node_layer(node), algorithm, problem, err));
cleanup:
    return status;
}

/* Weights, in plain layout, and bias of a node with batch norm folded in, made anew when the weights have changed.
 * `weights` need not outlive the refresh when they are packed then. */
static oc_status fold(oc_lower *lower, const oc_node *node, oc_buffer weights, oc_buffer bias, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL;
    const oc_conv_node *conv = node->attr;
    const oc_layout plain = weights_layout(lower, node);
    const int norm = conv->conv.bias ? 2 : 1; /* place of the batch norm's tensors */
    OC_TRY(oc_fold_create(&primitive, oc_lower_engine(lower), oc_node_layer(node), conv->conv.oc,
                          oc_layout_count(&plain) / conv->conv.oc, conv->conv.bias, conv->epsilon, err));
    oc_operand operand[] = {
        {OC_SLOT_WEIGHTS, oc_lower_tensor(lower, node, 0)},
        {OC_SLOT_SCALE, oc_lower_tensor(lower, node, norm)},
        {OC_SLOT_SHIFT, oc_lower_tensor(lower, node, norm + 1)},
        {OC_SLOT_MEAN, oc_lower_tensor(lower, node, norm + 2)},
        {OC_SLOT_VARIANCE, oc_lower_tensor(lower, node, norm + 3)},
        {OC_SLOT_DST, weights},
        {OC_SLOT_DST_1, bias},
        {OC_SLOT_BIAS, conv->conv.bias ? oc_lower_tensor(lower, node, 1) : -1},
    };
    oc_lower_step(lower, node, OC_STEP_REFRESH, &primitive, operand, 8);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

/* The weights as the primitive takes them. */
static oc_buffer packed(oc_lower *lower, const oc_node *node, oc_primitive **pack, oc_buffer plain) {
    return *pack ? oc_lower_pack(lower, node, pack, plain) : plain;
}

static oc_status conv_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL, *pack = NULL;
    const oc_conv_node *conv = node->attr;
    const oc_shape shape = oc_lower_shape(lower, node);
    const oc_layout dst = oc_lower_blocked(lower, &shape);
    oc_lowered *kept = oc_lower_node(lower, node);
    const oc_layout src = src_layout(lower, node);
    oc_conv_problem problem = conv_problem(lower, node, OC_CONV_FORWARD, &src, &dst);
    OC_TRY(choose(&primitive, &pack, lower, node, &problem, err));
    oc_buffer weights = -1, bias = -1;
    if (conv->folded) {
        const oc_layout plain = weights_layout(lower, node), vector = bias_layout(node);
        weights = pack ? oc_lower_buffer(lower, &plain) : oc_lower_own(lower, &plain);
        bias = oc_lower_own(lower, &vector);
        OC_TRY(fold(lower, node, weights, bias, err));
    } else {
        weights = oc_lower_tensor(lower, node, 0);
        if (conv->conv.bias) bias = oc_lower_tensor(lower, node, 1);
    }
    oc_operand operand[4 + OC_POSTS_MAX];
    int count = 0;
    kept->src = oc_lower_src_as(lower, node, 0, &problem.src);
    kept->src_layout = problem.src;
    operand[count++] = (oc_operand){OC_SLOT_SRC, kept->src};
    operand[count++] = (oc_operand){OC_SLOT_WEIGHTS, packed(lower, node, &pack, weights)};
    operand[count++] = (oc_operand){OC_SLOT_BIAS, bias};
    for (int i = 1; i < node->inputs; i++)
        operand[count++] = (oc_operand){(oc_slot)(OC_SLOT_SRC_1 + i - 1), oc_lower_src_as(lower, node, i, &dst)};
    operand[count++] = (oc_operand){OC_SLOT_DST, oc_lower_dst(lower, node, &dst)};
    oc_lower_step(lower, node, OC_STEP_FORWARD, &primitive, operand, count);
cleanup:
    oc_primitive_destroy(&primitive);
    oc_primitive_destroy(&pack);
    return status;
}

static oc_status conv_backward_weights(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL, *pack = NULL;
    const oc_lowered *kept = oc_lower_node(lower, node);
    oc_conv_problem problem =
        conv_problem(lower, node, OC_CONV_BACKWARD_WEIGHTS, &kept->src_layout, oc_lower_dst_layout(lower, node));
    OC_TRY(choose(&primitive, &pack, lower, node, &problem, err));
    oc_operand operand[] = {
        {OC_SLOT_SRC, kept->src},
        {OC_SLOT_DIFF_DST, oc_lower_diff_dst(lower, node)},
        {OC_SLOT_DIFF_WEIGHTS, oc_lower_gradient(lower, node, 0)},
        {OC_SLOT_DIFF_BIAS, problem.bias ? oc_lower_gradient(lower, node, 1) : -1},
    };
    oc_lower_step(lower, node, OC_STEP_BACKWARD_WEIGHTS, &primitive, operand, 4);
cleanup:
    oc_primitive_destroy(&primitive);
    return status;
}

static oc_status conv_backward_data(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *primitive = NULL, *pack = NULL;
    const oc_layout src = src_layout(lower, node);
    oc_conv_problem problem = conv_problem(lower, node, OC_CONV_BACKWARD_DATA, &src, oc_lower_dst_layout(lower, node));
    OC_TRY(choose(&primitive, &pack, lower, node, &problem, err));
    oc_buffer diff_src = oc_lower_buffer(lower, &src);
    oc_operand operand[] = {
        {OC_SLOT_DIFF_DST, oc_lower_diff_dst(lower, node)},
        {OC_SLOT_WEIGHTS, packed(lower, node, &pack, oc_lower_tensor(lower, node, 0))},
        {OC_SLOT_DIFF_SRC, diff_src},
    };
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &primitive, operand, 3);
    oc_lower_diff_src(lower, node, 0, &src, diff_src);
cleanup:
    oc_primitive_destroy(&primitive);
    oc_primitive_destroy(&pack);
    return status;
}

static oc_status conv_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    if (oc_lower_wants_diff(lower, node, 0)) OC_TRY(conv_backward_data(lower, node, err));
    OC_TRY(conv_backward_weights(lower, node, err));
cleanup:
    return status;
}

const oc_op oc_conv_op = {.name = "conv",
                          .attr_size = sizeof(oc_conv_node),
                          .shape = conv_shape,
                          .macs = conv_macs,
                          .forward = conv_forward,
                          .backward = conv_backward};

oc_value oc_op_conv(oc_graph *graph, const char *name, oc_value src, const oc_conv_attr *attr) {
    return oc_graph_append(graph, &oc_conv_op, name, 1, &src, &(oc_conv_node){.conv = *attr});
}
