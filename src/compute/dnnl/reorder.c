/* Changes of layout and data type: by oneDNN where it does them well, else by our own kernels. */
#include "compute/reorder.h"

#include <string.h>

#include "compute/copy.h"
#include "compute/dnnl/dnnl.h"

/* For bf16 oneDNN has generated code on some processors; on others loops over single numbers, or nothing. */
static bool does_well(dnnl_status_t made, const_dnnl_primitive_desc_t pd, const oc_layout *src, const oc_layout *dst) {
    if (src->dtype == OC_F32 && dst->dtype == OC_F32) return true;
    return made == dnnl_success && strstr(oc_dnnl_implementation(pd), "jit");
}

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
    const dnnl_status_t made = oc_pd_reorder(&pd, engine->dnnl->engine, &from, &to, attr);
    if (!does_well(made, pd, src, dst)) {
        status = oc_conversion_create(out, engine, layer, src, dst, err);
        goto cleanup;
    }
    OC_DNNL(made);
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
