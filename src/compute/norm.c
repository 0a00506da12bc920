/* Batch norm by oneDNN, with separate scale and shift, so that both are used where they lie. */
#include "base/error.h"
#include "compute/internal.h"
#include "compute/primitives.h"

static unsigned norm_flags(const oc_norm_spec *spec) {
    return (unsigned)dnnl_use_scale | (unsigned)dnnl_use_shift | (spec->relu ? (unsigned)dnnl_fuse_norm_relu : 0U);
}

oc_status oc_norm_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                 const oc_layout *src, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "batch norm forward";
    dnnl_batch_normalization_desc_t desc;
    static const oc_argument argument[] = {
        {OC_SLOT_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC},
        {OC_SLOT_DST, DNNL_ARG_DST, DNNL_ARG_DST},
        {OC_SLOT_SCALE, DNNL_ARG_SCALE, DNNL_ARG_SCALE},
        {OC_SLOT_SHIFT, DNNL_ARG_SHIFT, DNNL_ARG_SHIFT},
        {OC_SLOT_MEAN, DNNL_ARG_MEAN, DNNL_ARG_MEAN},
        {OC_SLOT_VARIANCE, DNNL_ARG_VARIANCE, DNNL_ARG_VARIANCE},
        {OC_SLOT_WORKSPACE, DNNL_ARG_WORKSPACE, DNNL_ARG_WORKSPACE},
    };
    *out = NULL;
    OC_DNNL(dnnl_batch_normalization_forward_desc_init(
        &desc, spec->training ? dnnl_forward_training : dnnl_forward_inference, oc_layout_desc_const(src),
        spec->epsilon, norm_flags(spec) | (unsigned)dnnl_use_global_stats));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, NULL, argument, 7, err));
cleanup:
    return status;
}

oc_status oc_norm_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_norm_spec *spec,
                                  const oc_layout *src, const oc_primitive *forward, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "batch norm backward";
    dnnl_batch_normalization_desc_t desc;
    static const oc_argument argument[] = {
        {OC_SLOT_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC},
        {OC_SLOT_MEAN, DNNL_ARG_MEAN, DNNL_ARG_MEAN},
        {OC_SLOT_VARIANCE, DNNL_ARG_VARIANCE, DNNL_ARG_VARIANCE},
        {OC_SLOT_SCALE, DNNL_ARG_SCALE, DNNL_ARG_SCALE},
        /* The formula does not need it; without it oneDNN 2.6.3 fails. */
        {OC_SLOT_SHIFT, DNNL_ARG_SHIFT, DNNL_ARG_SCALE},
        {OC_SLOT_DIFF_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST},
        {OC_SLOT_DIFF_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_SRC},
        {OC_SLOT_DIFF_SCALE, DNNL_ARG_DIFF_SCALE, DNNL_ARG_DIFF_SCALE},
        {OC_SLOT_DIFF_SHIFT, DNNL_ARG_DIFF_SHIFT, DNNL_ARG_DIFF_SCALE},
        {OC_SLOT_WORKSPACE, DNNL_ARG_WORKSPACE, DNNL_ARG_WORKSPACE},
    };
    *out = NULL;
    OC_DNNL(dnnl_batch_normalization_backward_desc_init(&desc, dnnl_backward, oc_layout_desc_const(src),
                                                        oc_layout_desc_const(src), spec->epsilon, norm_flags(spec)));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, forward, argument, 10, err));
cleanup:
    return status;
}
