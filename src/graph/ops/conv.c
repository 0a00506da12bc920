/* conv: two-dimensional convolution (cross-correlation, as in PyTorch's Conv2d). */
#include "graph/ops/conv.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "compute/kernels.h"
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
                      "conv: oc %" PRId64 ", kernel %" PRId64 ", stride %" PRId64 ", pad %" PRId64 ", dilation %" PRId64
                      ", groups %" PRId64 " cannot be",
                      attr->oc, attr->kernel, attr->stride, attr->pad, attr->dilation, attr->groups);
        return;
    }
    int64_t ic = src->dim[0], span = attr->dilation * (attr->kernel - 1) + 1;
    int64_t h = src->dim[1] + 2 * attr->pad - span, w = src->dim[2] + 2 * attr->pad - span;
    if (h < 0 || w < 0) {
        oc_graph_fail(graph, OC_E_USAGE, node->name,
                      "conv: a kernel that spans %" PRId64 " does not fit into %" PRId64 "×%" PRId64
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

/* Everything that both passes need to know. */
typedef struct conv_case {
    oc_conv_spec spec;
    oc_layout src, dst; /* as they arrive and leave; dst is the blocked one until it is settled */
    bool dense;         /* blocked layouts are best, whatever oneDNN would choose */
    bool winograd;      /* by our own kernels, in all passes */
    oc_layout src_blocked, src_any, dst_any, weights_any;
    oc_layout weights, bias; /* plain */
} conv_case;

static void conv_case_fill(conv_case *c, oc_lower *lower, const oc_node *node) {
    const oc_conv_node *conv = node->attr;
    const oc_conv_attr *attr = &conv->conv;
    oc_dtype dtype = oc_lower_dtype(lower);
    c->src = *oc_lower_src_layout(lower, node, 0);
    oc_shape src = oc_layout_shape(&c->src), dst = oc_lower_shape(lower, node);
    oc_shape bias = oc_shape_make(1, attr->oc);
    int64_t ic = src.dim[1] / attr->groups;
    oc_shape weights = attr->groups == 1
                           ? oc_shape_make(4, attr->oc, ic, attr->kernel, attr->kernel)
                           : oc_shape_make(5, attr->groups, attr->oc / attr->groups, ic, attr->kernel, attr->kernel);
    c->dense = attr->groups == 1 && attr->dilation == 1;
    c->dst = oc_layout_blocked(dtype, &dst);
    c->src_any = oc_layout_any(dtype, &src);
    c->dst_any = oc_layout_any(dtype, &dst);
    c->weights_any = oc_layout_any(dtype, &weights);
    c->weights = oc_layout_plain(OC_F32, &weights);
    c->bias = oc_layout_plain(OC_F32, &bias);
    c->spec = (oc_conv_spec){.stride = attr->stride, .pad = attr->pad, .dilation = attr->dilation};
    c->spec.training = oc_lower_training(lower);
    c->spec.posts = conv->posts;
    for (int i = 0; i < conv->posts; i++) c->spec.post[i] = conv->post[i];
    c->src_blocked = oc_layout_blocked(dtype, &src);
    c->winograd = oc_winograd_is_faster(&c->spec, &c->src_blocked, &c->weights, &c->dst);
    /* What is added must lie as the result does. */
    for (int i = 1; i < node->inputs; i++) c->winograd &= oc_layout_equal(oc_lower_src_layout(lower, node, i), &c->dst);
}

/* Whether a work is what dense convolutions should be: a direct kernel, not one by way of matrix multiplication. */
static bool direct(const oc_primitive *work) {
    return strncmp(oc_primitive_impl(work), "jit", 3) == 0;
}

/* Leaves in *best the work to take and destroys the other. *as_it_is (may be NULL) needs no reorder; *best is NULL or
 * what oneDNN chose freely. */
static void prefer(oc_primitive **best, oc_primitive **as_it_is) {
    if (*as_it_is && (!*best || strcmp(oc_primitive_impl(*best), oc_primitive_impl(*as_it_is)) == 0)) {
        oc_primitive *work = *best;
        *best = *as_it_is;
        *as_it_is = work;
    }
    oc_primitive_destroy(as_it_is);
}

/* Weights and bias of a node with batch norm folded in: working copies, filled whenever the weights have changed. */
static oc_status folded_weights(oc_lower *lower, const oc_node *node, const conv_case *c, const oc_layout *layout,
                                oc_buffer *weights, oc_buffer *bias, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *work = NULL;
    const oc_conv_node *conv = node->attr;
    oc_layout vector = c->bias;
    int norm = conv->conv.bias ? 2 : 1; /* place of the batch norm's tensors */
    oc_shape shape = oc_layout_shape(&c->weights);
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_lower_layer(lower, node);
    oc_buffer scaled = oc_lower_buffer(lower, &c->weights);
    *weights = oc_lower_own(lower, layout);
    *bias = oc_lower_own(lower, &vector);
    OC_TRY(oc_fold_create(&work, engine, layer, conv->conv.oc, oc_shape_count(&shape) / conv->conv.oc, conv->conv.bias,
                          conv->epsilon, err));
    oc_operand fold[] = {
        {OC_SLOT_WEIGHTS, oc_lower_tensor(lower, node, 0, &c->weights, &c->weights)},
        {OC_SLOT_SCALE, oc_lower_tensor(lower, node, norm, &vector, &vector)},
        {OC_SLOT_SHIFT, oc_lower_tensor(lower, node, norm + 1, &vector, &vector)},
        {OC_SLOT_MEAN, oc_lower_tensor(lower, node, norm + 2, &vector, &vector)},
        {OC_SLOT_VARIANCE, oc_lower_tensor(lower, node, norm + 3, &vector, &vector)},
        {OC_SLOT_DST, scaled},
        {OC_SLOT_DST_1, *bias},
        {OC_SLOT_BIAS, conv->conv.bias ? oc_lower_tensor(lower, node, 1, &vector, &vector) : -1},
    };
    oc_lower_step(lower, node, OC_STEP_REFRESH, &work, fold, conv->conv.bias ? 8 : 7);
    OC_TRY(oc_reorder_create(&work, engine, layer, &c->weights, layout, err));
    oc_operand copy[] = {{OC_SLOT_SRC, scaled}, {OC_SLOT_DST, *weights}};
    oc_lower_step(lower, node, OC_STEP_REFRESH, &work, copy, 2);
cleanup:
    return status;
}

/* Layouts of the forward pass: blocked ones for dense convolutions, the source as it comes if that is possible; else
 * what oneDNN likes, and again the source as it comes if that is the same implementation. */
static oc_status choose_forward(oc_primitive **out, oc_lower *lower, const oc_node *node, const conv_case *c,
                                oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *as_it_is = NULL;
    const oc_conv_node *conv = node->attr;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_lower_layer(lower, node);
    const oc_layout *bias = conv->conv.bias || conv->folded ? &c->bias : NULL;
    /* What is added must lie as the result does, and it is there already. */
    const oc_layout added = node->inputs > 1 ? *oc_lower_src_layout(lower, node, 1) : c->dst_any;
    if (c->winograd)
        return oc_winograd_forward_create(out, engine, layer, &c->spec, &c->src_blocked, bias != NULL, &c->dst, err);
    if (c->dense) {
        const oc_layout *try[] = {&c->src, &c->src_blocked}, *dst = node->inputs > 1 ? &added : &c->dst;
        for (int i = 0; i < 2; i++) {
            (void)oc_conv_forward_create(out, engine, layer, &c->spec, try[i], &c->weights_any, bias, dst, NULL);
            if (*out && direct(*out)) return OC_OK;
            oc_primitive_destroy(out);
        }
    }
    OC_TRY(oc_conv_forward_create(out, engine, layer, &c->spec, &c->src_any, &c->weights_any, bias, &added, err));
    if (!oc_layout_equal(oc_primitive_layout(*out, OC_SLOT_SRC), &c->src)) {
        (void)oc_conv_forward_create(&as_it_is, engine, layer, &c->spec, &c->src, &c->weights_any, bias, &added, NULL);
        prefer(out, &as_it_is);
    }
cleanup:
    return status;
}

static oc_status conv_forward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *work = NULL;
    const oc_conv_node *conv = node->attr;
    oc_lowered *kept = oc_lower_node(lower, node);
    conv_case c;
    conv_case_fill(&c, lower, node);
    bool has_bias = conv->conv.bias || conv->folded;
    OC_TRY(choose_forward(&work, lower, node, &c, err));
    oc_layout src_layout = *oc_primitive_layout(work, OC_SLOT_SRC),
              weights_layout = *oc_primitive_layout(work, OC_SLOT_WEIGHTS);
    oc_layout dst_layout = *oc_primitive_layout(work, OC_SLOT_DST);
    oc_buffer weights = -1, bias_buffer = -1;
    if (conv->folded) {
        OC_TRY(folded_weights(lower, node, &c, &weights_layout, &weights, &bias_buffer, err));
    } else {
        weights = oc_lower_tensor(lower, node, 0, &c.weights, &weights_layout);
        if (has_bias) bias_buffer = oc_lower_tensor(lower, node, 1, &c.bias, &c.bias);
    }
    oc_operand operand[5 + OC_POSTS_MAX];
    int count = 0;
    kept->forward = work;
    kept->src = oc_lower_src_as(lower, node, 0, &src_layout);
    operand[count++] = (oc_operand){OC_SLOT_SRC, kept->src};
    operand[count++] = (oc_operand){OC_SLOT_WEIGHTS, weights};
    if (has_bias) operand[count++] = (oc_operand){OC_SLOT_BIAS, bias_buffer};
    for (int i = 1; i < node->inputs; i++)
        operand[count++] = (oc_operand){(oc_slot)(OC_SLOT_SRC_1 + i - 1), oc_lower_src_as(lower, node, i, &dst_layout)};
    operand[count++] = (oc_operand){OC_SLOT_DST, oc_lower_dst(lower, node, &dst_layout)};
    oc_lower_step(lower, node, OC_STEP_FORWARD, &work, operand, count);
cleanup:
    oc_primitive_destroy(&work);
    return status;
}

static oc_status conv_backward_weights(oc_lower *lower, const oc_node *node, const conv_case *c, const oc_lowered *kept,
                                       oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *work = NULL, *as_it_is = NULL;
    const oc_conv_node *conv = node->attr;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_lower_layer(lower, node);
    const oc_layout *bias = conv->conv.bias ? &c->bias : NULL;
    const oc_layout *src = oc_primitive_layout(kept->forward, OC_SLOT_SRC);
    if (c->winograd)
        OC_TRY(oc_winograd_backward_weights_create(&as_it_is, engine, layer, src, bias != NULL, &c->dst, err));
    else
        (void)oc_conv_backward_weights_create(&as_it_is, engine, layer, &c->spec, src, &c->weights_any, bias, &c->dst,
                                              kept->forward, NULL);
    if (!as_it_is || !c->dense || !(c->winograd || direct(as_it_is)))
        status = oc_conv_backward_weights_create(&work, engine, layer, &c->spec, &c->src_any, &c->weights_any, bias,
                                                 &c->dst_any, kept->forward, as_it_is ? NULL : err);
    if (!work && !as_it_is) goto cleanup;
    status = OC_OK;
    prefer(&work, &as_it_is);
    oc_layout weights = *oc_primitive_layout(work, OC_SLOT_DIFF_WEIGHTS),
              src_layout = *oc_primitive_layout(work, OC_SLOT_SRC);
    oc_layout dst_layout = *oc_primitive_layout(work, OC_SLOT_DIFF_DST);
    oc_buffer gradient = oc_lower_gradient(lower, node, 0, &c->weights, &weights);
    oc_operand operand[] = {
        {OC_SLOT_SRC, oc_layout_equal(&src_layout, src) ? kept->src : oc_lower_src_as(lower, node, 0, &src_layout)},
        {OC_SLOT_DIFF_DST, oc_lower_diff_dst_as(lower, node, &dst_layout)},
        {OC_SLOT_DIFF_WEIGHTS, gradient},
        {OC_SLOT_DIFF_BIAS, bias ? oc_lower_gradient(lower, node, 1, bias, bias) : -1},
    };
    oc_lower_step(lower, node, OC_STEP_BACKWARD_WEIGHTS, &work, operand, bias ? 4 : 3);
    oc_lower_gradient_store(lower, node, 0, &c->weights, &weights, gradient);
cleanup:
    oc_primitive_destroy(&work);
    oc_primitive_destroy(&as_it_is);
    return status;
}

static oc_status conv_backward_data(oc_lower *lower, const oc_node *node, const conv_case *c, const oc_lowered *kept,
                                    oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *work = NULL, *as_it_is = NULL;
    oc_engine *engine = oc_lower_engine(lower);
    const char *layer = oc_lower_layer(lower, node);
    if (c->winograd)
        OC_TRY(oc_winograd_backward_data_create(&as_it_is, engine, layer, &c->src_blocked, &c->dst, err));
    else
        (void)oc_conv_backward_data_create(&as_it_is, engine, layer, &c->spec, &c->src, &c->weights_any, &c->dst,
                                           kept->forward, NULL);
    if (!as_it_is || !c->dense || !(c->winograd || direct(as_it_is)))
        status = oc_conv_backward_data_create(&work, engine, layer, &c->spec, &c->src_any, &c->weights_any, &c->dst_any,
                                              kept->forward, as_it_is ? NULL : err);
    if (!work && !as_it_is) goto cleanup;
    status = OC_OK;
    prefer(&work, &as_it_is);
    oc_layout src_layout = *oc_primitive_layout(work, OC_SLOT_DIFF_SRC);
    oc_layout dst_layout = *oc_primitive_layout(work, OC_SLOT_DIFF_DST);
    oc_buffer diff_src = oc_lower_buffer(lower, &src_layout);
    oc_operand operand[] = {
        {OC_SLOT_DIFF_DST, oc_lower_diff_dst_as(lower, node, &dst_layout)},
        {OC_SLOT_WEIGHTS, oc_lower_tensor(lower, node, 0, &c->weights, oc_primitive_layout(work, OC_SLOT_WEIGHTS))},
        {OC_SLOT_DIFF_SRC, diff_src},
    };
    oc_lower_step(lower, node, OC_STEP_BACKWARD_DATA, &work, operand, 3);
    oc_lower_diff_src(lower, node, 0, &src_layout, diff_src);
cleanup:
    oc_primitive_destroy(&work);
    oc_primitive_destroy(&as_it_is);
    return status;
}

static oc_status conv_backward(oc_lower *lower, const oc_node *node, oc_error *err) {
    oc_status status = OC_OK;
    const oc_lowered *kept = oc_lower_node(lower, node);
    conv_case c;
    conv_case_fill(&c, lower, node);
    c.dst = *oc_lower_dst_layout(lower, node);
    if (oc_lower_wants_diff(lower, node, 0)) OC_TRY(conv_backward_data(lower, node, &c, kept, err));
    OC_TRY(conv_backward_weights(lower, node, &c, kept, err));
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
