/* Convolution by oneDNN. */
#include "base/error.h"
#include "compute/internal.h"
#include "compute/primitives.h"

/* oneDNN's way of writing a spec: one number for each direction, dilation counted from 0. On the far side the padding
 * is what the output's size leaves: less than `pad` where the stride does not reach the edge. */
typedef struct geometry {
    dnnl_dims_t strides, dilates, before, after;
} geometry;

static geometry geometry_make(const oc_conv_spec *spec, const oc_layout *src, const oc_layout *weights,
                              const oc_layout *dst) {
    geometry g = {{0}, {0}, {0}, {0}};
    const dnnl_memory_desc_t *s = oc_layout_desc_const(src), *w = oc_layout_desc_const(weights),
                             *d = oc_layout_desc_const(dst);
    for (int i = 0; i < 2; i++) {
        int64_t span = spec->dilation * (w->dims[w->ndims - 2 + i] - 1) + 1;
        g.strides[i] = spec->stride;
        g.dilates[i] = spec->dilation - 1;
        g.before[i] = spec->pad;
        g.after[i] = (d->dims[2 + i] - 1) * spec->stride + span - s->dims[2 + i] - spec->pad;
    }
    return g;
}

static dnnl_status_t append_posts(const oc_conv_spec *spec, const oc_layout *dst, dnnl_primitive_attr_t attr) {
    dnnl_post_ops_t posts = NULL;
    dnnl_status_t result = dnnl_post_ops_create(&posts);
    for (int i = 0; i < spec->posts && result == dnnl_success; i++)
        result = spec->post[i] == OC_POST_RELU
                     ? dnnl_post_ops_append_eltwise(posts, 1.0f, dnnl_eltwise_relu, 0.0f, 0.0f)
                     : dnnl_post_ops_append_binary(posts, dnnl_binary_add, oc_layout_desc_const(dst));
    if (result == dnnl_success) result = dnnl_primitive_attr_set_post_ops(attr, posts);
    if (posts) dnnl_post_ops_destroy(posts);
    return result;
}

oc_status oc_conv_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_conv_spec *spec,
                                 const oc_layout *src, const oc_layout *weights, const oc_layout *bias,
                                 const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "convolution forward";
    dnnl_primitive_attr_t attr = NULL;
    dnnl_convolution_desc_t desc;
    geometry g = geometry_make(spec, src, weights, dst);
    oc_argument argument[4 + OC_POSTS_MAX] = {
        {OC_SLOT_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC},
        {OC_SLOT_WEIGHTS, DNNL_ARG_WEIGHTS, DNNL_ARG_WEIGHTS},
        {OC_SLOT_DST, DNNL_ARG_DST, DNNL_ARG_DST},
        {OC_SLOT_BIAS, DNNL_ARG_BIAS, DNNL_ARG_BIAS},
    };
    int count = bias ? 4 : 3, adds = 0;
    *out = NULL;
    for (int i = 0; i < spec->posts; i++) {
        int index = DNNL_ARG_ATTR_MULTIPLE_POST_OP(i) | DNNL_ARG_SRC_1;
        if (spec->post[i] == OC_POST_ADD)
            argument[count++] = (oc_argument){(oc_slot)(OC_SLOT_SRC_1 + adds++), index, index};
    }
    OC_DNNL(dnnl_dilated_convolution_forward_desc_init(
        &desc, spec->training ? dnnl_forward_training : dnnl_forward_inference, dnnl_convolution_direct,
        oc_layout_desc_const(src), oc_layout_desc_const(weights), bias ? oc_layout_desc_const(bias) : NULL,
        oc_layout_desc_const(dst), g.strides, g.dilates, g.before, g.after));
    OC_DNNL(dnnl_primitive_attr_create(&attr));
    if (spec->posts) OC_DNNL(append_posts(spec, dst, attr));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, attr, NULL, argument, count, err));
cleanup:
    if (attr) dnnl_primitive_attr_destroy(attr);
    return status;
}

oc_status oc_conv_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                       const oc_conv_spec *spec, const oc_layout *diff_src, const oc_layout *weights,
                                       const oc_layout *diff_dst, const oc_primitive *forward, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "convolution backward by data";
    dnnl_convolution_desc_t desc;
    geometry g = geometry_make(spec, diff_src, weights, diff_dst);
    static const oc_argument argument[] = {
        {OC_SLOT_DIFF_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_SRC},
        {OC_SLOT_WEIGHTS, DNNL_ARG_WEIGHTS, DNNL_ARG_WEIGHTS},
        {OC_SLOT_DIFF_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST},
    };
    *out = NULL;
    OC_DNNL(dnnl_dilated_convolution_backward_data_desc_init(
        &desc, dnnl_convolution_direct, oc_layout_desc_const(diff_src), oc_layout_desc_const(weights),
        oc_layout_desc_const(diff_dst), g.strides, g.dilates, g.before, g.after));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, forward, argument, 3, err));
cleanup:
    return status;
}

oc_status oc_conv_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                          const oc_conv_spec *spec, const oc_layout *src, const oc_layout *diff_weights,
                                          const oc_layout *diff_bias, const oc_layout *diff_dst,
                                          const oc_primitive *forward, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "convolution backward by weights";
    dnnl_convolution_desc_t desc;
    geometry g = geometry_make(spec, src, diff_weights, diff_dst);
    static const oc_argument argument[] = {
        {OC_SLOT_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC},
        {OC_SLOT_DIFF_WEIGHTS, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_WEIGHTS},
        {OC_SLOT_DIFF_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST},
        {OC_SLOT_DIFF_BIAS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_BIAS},
    };
    *out = NULL;
    OC_DNNL(dnnl_dilated_convolution_backward_weights_desc_init(
        &desc, dnnl_convolution_direct, oc_layout_desc_const(src), oc_layout_desc_const(diff_weights),
        diff_bias ? oc_layout_desc_const(diff_bias) : NULL, oc_layout_desc_const(diff_dst), g.strides, g.dilates,
        g.before, g.after));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, forward, argument, diff_bias ? 4 : 3, err));
cleanup:
    return status;
}
