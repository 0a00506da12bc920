/* The linear layer by oneDNN's inner product. */
#include "base/error.h"
#include "compute/internal.h"
#include "compute/primitives.h"

oc_status oc_linear_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool training,
                                   const oc_layout *src, const oc_layout *weights, const oc_layout *bias,
                                   const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "inner product forward";
    dnnl_inner_product_desc_t desc;
    static const oc_argument argument[] = {
        {OC_SLOT_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC},
        {OC_SLOT_WEIGHTS, DNNL_ARG_WEIGHTS, DNNL_ARG_WEIGHTS},
        {OC_SLOT_DST, DNNL_ARG_DST, DNNL_ARG_DST},
        {OC_SLOT_BIAS, DNNL_ARG_BIAS, DNNL_ARG_BIAS},
    };
    *out = NULL;
    OC_DNNL(dnnl_inner_product_forward_desc_init(&desc, training ? dnnl_forward_training : dnnl_forward_inference,
                                                 oc_layout_desc_const(src), oc_layout_desc_const(weights),
                                                 bias ? oc_layout_desc_const(bias) : NULL, oc_layout_desc_const(dst)));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, NULL, argument, bias ? 4 : 3, err));
cleanup:
    return status;
}

oc_status oc_linear_backward_data_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                         const oc_layout *diff_src, const oc_layout *weights, const oc_layout *diff_dst,
                                         const oc_primitive *forward, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "inner product backward by data";
    dnnl_inner_product_desc_t desc;
    static const oc_argument argument[] = {
        {OC_SLOT_DIFF_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_SRC},
        {OC_SLOT_WEIGHTS, DNNL_ARG_WEIGHTS, DNNL_ARG_WEIGHTS},
        {OC_SLOT_DIFF_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST},
    };
    *out = NULL;
    OC_DNNL(dnnl_inner_product_backward_data_desc_init(&desc, oc_layout_desc_const(diff_src),
                                                       oc_layout_desc_const(weights), oc_layout_desc_const(diff_dst)));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, forward, argument, 3, err));
cleanup:
    return status;
}

oc_status oc_linear_backward_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                            const oc_layout *src, const oc_layout *diff_weights,
                                            const oc_layout *diff_bias, const oc_layout *diff_dst,
                                            const oc_primitive *forward, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "inner product backward by weights";
    dnnl_inner_product_desc_t desc;
    static const oc_argument argument[] = {
        {OC_SLOT_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC},
        {OC_SLOT_DIFF_WEIGHTS, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_WEIGHTS},
        {OC_SLOT_DIFF_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST},
        {OC_SLOT_DIFF_BIAS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_BIAS},
    };
    *out = NULL;
    OC_DNNL(dnnl_inner_product_backward_weights_desc_init(
        &desc, oc_layout_desc_const(src), oc_layout_desc_const(diff_weights),
        diff_bias ? oc_layout_desc_const(diff_bias) : NULL, oc_layout_desc_const(diff_dst)));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, forward, argument, diff_bias ? 4 : 3, err));
cleanup:
    return status;
}
