/* Changes of layout by oneDNN. */
#include "compute/reorder.h"

#include "compute/dnnl/dnnl.h"

oc_status oc_reorder_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                            const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    const char *what = "reorder";
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    oc_desc from = {0}, to = {0};
    const oc_dnnl_argument argument[] = {{DNNL_ARG_FROM, OC_SLOT_SRC, src, -1}, {DNNL_ARG_TO, OC_SLOT_DST, dst, -1}};
    *out = NULL;
    OC_DNNL(oc_desc_of_layout(&from, src));
    OC_DNNL(oc_desc_of_layout(&to, dst));
    OC_DNNL(oc_dnnl_attr(&attr));
    OC_DNNL(oc_pd_reorder(&pd, engine->dnnl->engine, &from, &to, attr));
    OC_TRY(oc_dnnl_begin(out, engine, layer, what, err));
    OC_TRY(oc_dnnl_stage_add(*out, pd, argument, 2, err));
cleanup:
    if (status != OC_OK) oc_primitive_destroy(out);
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (attr) dnnl_primitive_attr_destroy(attr);
    oc_desc_clear(&from);
    oc_desc_clear(&to);
    return status;
}
