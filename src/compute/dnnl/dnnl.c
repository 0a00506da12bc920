/* oneDNN's engine, and how its primitives become ours. */
#include "compute/dnnl/dnnl.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

oc_status oc_dnnl_fail(oc_error *err, const char *layer, const char *what, dnnl_status_t status) {
    const char *name = "unknown", *hint = "this is an error in Ocelli; please report it with the model and the sizes";
    switch (status) {
    case dnnl_out_of_memory:
        return oc_fail(err, OC_E_MEMORY, layer, "oneDNN ran out of memory in %s: try a smaller batch", what);
    case dnnl_invalid_arguments:
        name = "invalid arguments";
        break;
    case dnnl_unimplemented:
        name = "unimplemented";
        hint = "this processor or version of oneDNN has no implementation for it";
        break;
    case dnnl_runtime_error:
        name = "runtime error";
        break;
    default:
        break;
    }
    return oc_fail(err, OC_E_COMPUTE, layer, "oneDNN failed in %s (%s): %s", what, name, hint);
}

const char *oc_engine_dnnl_version(char *text, size_t size) {
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, size, "%d.%d.%d", version->major, version->minor, version->patch);
    return text;
}

/* Caps oneDNN to a level. It takes a cap until it has first been used: a later engine finds the earlier one's. */
static void cap(oc_cpu_level level) {
    static const dnnl_cpu_isa_t caps[] = {dnnl_cpu_isa_sse41, dnnl_cpu_isa_avx2, dnnl_cpu_isa_avx512_core_vnni};
    if (level < oc_cpu_highest()) (void)dnnl_set_max_cpu_isa(caps[level]);
}

oc_status oc_dnnl_create(oc_dnnl **out, oc_cpu_level level, oc_error *err) {
    oc_status status = OC_OK;
    oc_dnnl *dnnl = NULL;
    const char *layer = NULL, *what = "starting its CPU engine";
    *out = NULL;
    OC_TRY(oc_alloc(&dnnl, 1, sizeof *dnnl, err));
    cap(level);
    OC_DNNL(dnnl_engine_create(&dnnl->engine, dnnl_cpu, 0));
    OC_DNNL(dnnl_stream_create(&dnnl->stream, dnnl->engine, dnnl_stream_default_flags));
    *out = dnnl;
    dnnl = NULL;
cleanup:
    oc_dnnl_destroy(&dnnl);
    return status;
}

void oc_dnnl_destroy(oc_dnnl **dnnl) {
    if (!dnnl || !*dnnl) return;
    if ((*dnnl)->stream) dnnl_stream_destroy((*dnnl)->stream);
    if ((*dnnl)->engine) dnnl_engine_destroy((*dnnl)->engine);
    oc_free(*dnnl);
    *dnnl = NULL;
}

dnnl_status_t oc_desc_of_layout(oc_desc *desc, const oc_layout *layout) {
    const oc_shape *shape = &layout->shape;
    dnnl_dims_t dims = {0}, strides = {0};
    if (layout->dtype != OC_F32 && layout->dtype != OC_BF16) return dnnl_unimplemented;
    const dnnl_data_type_t type = layout->dtype == OC_F32 ? dnnl_f32 : dnnl_bf16;
    for (int i = shape->ndim - 1; i >= 0; i--) {
        dims[i] = shape->dim[i];
        strides[i] = i == shape->ndim - 1 ? 1 : strides[i + 1] * dims[i + 1];
    }
    switch (layout->order) {
    case OC_ORDER_PLAIN:
        return oc_desc_by_strides(desc, type, shape->ndim, dims, strides);
    case OC_ORDER_CHANNELS_LAST:
        return oc_desc_by_tag(desc, type, shape->ndim, dims, dnnl_acdb);
    case OC_ORDER_BLOCKED:
        return layout->block == 4    ? oc_desc_by_tag(desc, type, shape->ndim, dims, dnnl_aBcd4b)
               : layout->block == 8  ? oc_desc_by_tag(desc, type, shape->ndim, dims, dnnl_aBcd8b)
               : layout->block == 16 ? oc_desc_by_tag(desc, type, shape->ndim, dims, dnnl_aBcd16b)
                                     : dnnl_unimplemented;
    default:
        return dnnl_unimplemented;
    }
}

dnnl_status_t oc_dnnl_attr(dnnl_primitive_attr_t *attr) {
    const dnnl_status_t made = dnnl_primitive_attr_create(attr);
    return made == dnnl_success ? dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user) : made;
}

const char *oc_dnnl_implementation(const_dnnl_primitive_desc_t pd) {
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, (void *)&name) == dnnl_success && name ? name
                                                                                                             : "";
}

bool oc_dnnl_is_reference(const_dnnl_primitive_desc_t pd) {
    return strstr(oc_dnnl_implementation(pd), "ref") != NULL;
}

static oc_status dnnl_bind(oc_primitive *primitive, oc_slot slot, void *data, oc_error *err) {
    oc_status status = OC_OK;
    const char *layer = primitive->layer, *what = primitive->what;
    oc_dnnl_primitive *p = (oc_dnnl_primitive *)primitive;
    if (p->memory[slot]) OC_DNNL(dnnl_memory_set_data_handle(p->memory[slot], data));
    for (int i = 0; slot == OC_SLOT_SCRATCHPAD && i < p->inners; i++)
        OC_DNNL(dnnl_memory_set_data_handle(p->inner[i], (unsigned char *)data + p->inner_offset[i]));
cleanup:
    return status;
}

static oc_status dnnl_execute(const oc_primitive *primitive, oc_error *err) {
    oc_status status = OC_OK;
    const char *layer = primitive->layer, *what = primitive->what;
    const oc_dnnl_primitive *p = (const oc_dnnl_primitive *)primitive;
    /* The CPU's stream is synchronous. */
    for (int i = 0; i < p->stages; i++)
        OC_DNNL(dnnl_primitive_execute(p->stage[i].primitive, primitive->engine->dnnl->stream, p->stage[i].args,
                                       p->stage[i].arg));
cleanup:
    return status;
}

static void dnnl_destroy(oc_primitive *primitive) {
    oc_dnnl_primitive *p = (oc_dnnl_primitive *)primitive;
    for (int i = 0; i < OC_SLOTS; i++)
        if (p->memory[i]) dnnl_memory_destroy(p->memory[i]);
    for (int i = 0; i < p->inners; i++) dnnl_memory_destroy(p->inner[i]);
    for (int i = 0; i < p->stages; i++) dnnl_primitive_destroy(p->stage[i].primitive);
}

static const oc_primitive_type dnnl_type = {
    .size = sizeof(oc_dnnl_primitive), .execute = dnnl_execute, .bind = dnnl_bind, .destroy = dnnl_destroy};

oc_status oc_dnnl_begin(oc_primitive **out, oc_engine *engine, const char *layer, const char *what, oc_error *err) {
    return oc_primitive_create(out, &dnnl_type, engine, OC_F32, layer, what, err);
}

oc_status oc_dnnl_inner_add(oc_primitive *primitive, const oc_desc *desc, int *inner, oc_error *err) {
    oc_status status = OC_OK;
    const char *layer = primitive->layer, *what = primitive->what;
    oc_dnnl_primitive *p = (oc_dnnl_primitive *)primitive;
    const size_t used = oc_layout_bytes(&primitive->layout[OC_SLOT_SCRATCHPAD]);
    const size_t size = (oc_desc_size(desc) + OC_ALIGNMENT - 1) / OC_ALIGNMENT * OC_ALIGNMENT;
    OC_DNNL(oc_desc_memory(&p->inner[p->inners], desc, primitive->engine->dnnl->engine));
    p->inner_offset[p->inners] = used;
    primitive->layout[OC_SLOT_SCRATCHPAD] = oc_layout_vector(OC_U8, (int64_t)(used + size));
    *inner = p->inners++;
cleanup:
    return status;
}

oc_status oc_dnnl_stage_add(oc_primitive *primitive, const_dnnl_primitive_desc_t pd, const oc_dnnl_argument *argument,
                            int count, oc_error *err) {
    oc_status status = OC_OK;
    const char *layer = primitive->layer, *what = primitive->what;
    oc_dnnl_primitive *p = (oc_dnnl_primitive *)primitive;
    oc_dnnl_stage *stage = &p->stage[p->stages];
    oc_desc desc = {0};
    int inner = -1;
    OC_DNNL(dnnl_primitive_create(&stage->primitive, pd));
    p->stages++;
    if (oc_dnnl_is_reference(pd)) primitive->slow = true;
    for (int i = 0; i < count; i++) {
        const oc_dnnl_argument *a = &argument[i];
        dnnl_memory_t memory;
        if (a->inner >= 0) {
            memory = p->inner[a->inner];
        } else {
            OC_DNNL(oc_desc_of_argument(&desc, pd, a->index));
            if (!desc.handle && a->layout) OC_DNNL(oc_desc_of_layout(&desc, a->layout));
            if (!desc.handle) continue;
            OC_DNNL(oc_desc_memory(&p->memory[a->slot], &desc, primitive->engine->dnnl->engine));
            if (a->layout) primitive->layout[a->slot] = *a->layout;
            memory = p->memory[a->slot];
        }
        stage->arg[stage->args++] = (dnnl_exec_arg_t){a->index, memory};
    }
    OC_DNNL(oc_desc_of_argument(&desc, pd, DNNL_ARG_SCRATCHPAD));
    if (desc.handle) {
        OC_TRY(oc_dnnl_inner_add(primitive, &desc, &inner, err));
        stage->arg[stage->args++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, p->inner[inner]};
    }
    if (primitive->implementation != p->implementation) { /* the first stage's */
        snprintf(p->implementation, sizeof p->implementation, "%s", oc_dnnl_implementation(pd));
        primitive->implementation = p->implementation;
    }
cleanup:
    oc_desc_clear(&desc);
    return status;
}
