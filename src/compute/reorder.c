/* Changes of layout by oneDNN. */
#include "base/error.h"
#include "compute/internal.h"
#include "compute/primitives.h"

oc_status oc_reorder_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                            const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "reorder";
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    static const oc_argument argument[] = {
        {OC_SLOT_SRC, DNNL_ARG_FROM, DNNL_ARG_FROM},
        {OC_SLOT_DST, DNNL_ARG_TO, DNNL_ARG_TO},
    };
    *out = NULL;
    OC_DNNL(dnnl_primitive_attr_create(&attr));
    OC_DNNL(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    OC_DNNL(dnnl_reorder_primitive_desc_create(&pd, oc_layout_desc_const(src), engine->engine,
                                               oc_layout_desc_const(dst), engine->engine, attr));
    OC_TRY(oc_primitive_from_pd(out, engine, layer, what, pd, argument, 2, err));
cleanup:
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    return status;
}
