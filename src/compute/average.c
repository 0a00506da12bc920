/* Average-pool by oneDNN. */
#include "base/error.h"
#include "compute/internal.h"
#include "compute/primitives.h"

typedef struct geometry {
    dnnl_dims_t strides, kernel, before, after;
} geometry;

/* On the far side the padding is as much as windows reach over the border; where they do not reach it, what is left
 * needs no mention. */
static geometry geometry_make(const oc_pool_spec *spec, const oc_layout *src, const oc_shape *dst) {
    const dnnl_memory_desc_t *s = oc_layout_desc_const(src);
    geometry g = {{0}, {0}, {0}, {0}};
    for (int i = 0; i < 2; i++) {
        int64_t beyond = (dst->dim[2 + i] - 1) * spec->stride + spec->kernel - s->dims[2 + i] - spec->pad;
        g.strides[i] = spec->stride;
        g.kernel[i] = spec->kernel;
        g.before[i] = spec->pad;
        g.after[i] = beyond > 0 ? beyond : 0;
    }
    return g;
}

oc_status oc_average_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                    const oc_layout *src, const oc_shape *dst, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "average-pool forward";
    dnnl_pooling_desc_t desc;
    geometry g = geometry_make(spec, src, dst);
    oc_layout any = oc_layout_any(OC_F32, dst);
    static const oc_argument argument[] = {
        {OC_SLOT_SRC, DNNL_ARG_SRC, DNNL_ARG_SRC},
        {OC_SLOT_DST, DNNL_ARG_DST, DNNL_ARG_DST},
    };
    *out = NULL;
    OC_DNNL(dnnl_pooling_forward_desc_init(&desc, spec->training ? dnnl_forward_training : dnnl_forward_inference,
                                           dnnl_pooling_avg_exclude_padding, oc_layout_desc_const(src),
                                           oc_layout_desc_const(&any), g.strides, g.kernel, g.before, g.after));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, NULL, argument, 2, err));
cleanup:
    return status;
}

oc_status oc_average_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                     const oc_layout *diff_src, const oc_layout *diff_dst, const oc_primitive *forward,
                                     oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "average-pool backward";
    dnnl_pooling_desc_t desc;
    oc_shape dst = oc_layout_shape(diff_dst);
    geometry g = geometry_make(spec, diff_src, &dst);
    static const oc_argument argument[] = {
        {OC_SLOT_DIFF_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_DIFF_SRC},
        {OC_SLOT_DIFF_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST},
    };
    *out = NULL;
    OC_DNNL(dnnl_pooling_backward_desc_init(&desc, dnnl_pooling_avg_exclude_padding, oc_layout_desc_const(diff_src),
                                            oc_layout_desc_const(diff_dst), g.strides, g.kernel, g.before, g.after));
    OC_TRY(oc_primitive_from_desc(out, engine, layer, what, &desc, NULL, forward, argument, 2, err));
cleanup:
    return status;
}
