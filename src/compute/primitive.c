/* The engine, and work: how primitives get their arguments and are run. */
#include "compute/primitive.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "compute/internal.h"

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
    case dnnl_not_required:
        name = "not required";
        break;
    default:
        break;
    }
    return oc_fail(err, OC_E_COMPUTE, layer, "oneDNN failed in %s (%s): %s", what, name, hint);
}

oc_status oc_engine_create(oc_engine **out, oc_team *team, oc_error *err) {
    oc_status status = OC_OK;
    oc_engine *engine = NULL;
    const char *layer = NULL, *what = "starting its CPU engine";
    *out = NULL;
    OC_TRY(oc_alloc(&engine, 1, sizeof *engine, err));
    engine->team = team;
    engine->kernels = oc_kernels_now();
    OC_DNNL(dnnl_engine_create(&engine->engine, dnnl_cpu, 0));
    OC_DNNL(dnnl_stream_create(&engine->stream, engine->engine, dnnl_stream_default_flags));
    *out = engine;
    engine = NULL;
cleanup:
    oc_engine_destroy(&engine);
    return status;
}

void oc_engine_destroy(oc_engine **engine) {
    if (!engine || !*engine) return;
    if ((*engine)->stream) dnnl_stream_destroy((*engine)->stream);
    if ((*engine)->engine) dnnl_engine_destroy((*engine)->engine);
    oc_free(*engine);
    *engine = NULL;
}

void oc_primitive_destroy(oc_primitive **work) {
    if (!work || !*work) return;
    for (int i = 0; i < OC_SLOTS; i++)
        if ((*work)->memory[i]) dnnl_memory_destroy((*work)->memory[i]);
    if ((*work)->primitive) dnnl_primitive_destroy((*work)->primitive);
    oc_free(*work);
    *work = NULL;
}

const oc_layout *oc_primitive_layout(const oc_primitive *work, oc_slot slot) {
    return &work->layout[slot];
}

oc_status oc_primitive_own(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                           void (*kernel)(const oc_primitive *work), oc_error *err) {
    oc_primitive *work;
    oc_status status = oc_alloc(&work, 1, sizeof *work, err);
    if (status == OC_OK) {
        work->what = what;
        work->layer = layer;
        work->engine = engine;
        work->kernel = kernel;
    }
    *out = work;
    return status;
}

oc_status oc_primitive_from_pd(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                               const_dnnl_primitive_desc_t pd, const oc_argument *argument, int count, oc_error *err) {
    oc_status status = OC_OK;
    oc_primitive *work = NULL;
    const char *impl = NULL;
    *out = NULL;
    OC_DNNL(dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl));
    if (strstr(impl, "ref")) {
        status = oc_fail(err, OC_E_COMPUTE, layer,
                         "oneDNN has only its slow reference implementation (%s) for %s with these sizes and layouts",
                         impl, what);
        goto cleanup;
    }
    OC_TRY(oc_primitive_own(&work, engine, layer, what, NULL, err));
    OC_DNNL(dnnl_primitive_create(&work->primitive, pd));
    for (int i = 0; i <= count; i++) {
        const oc_argument scratchpad = {OC_SLOT_SCRATCHPAD, DNNL_ARG_SCRATCHPAD, DNNL_ARG_SCRATCHPAD};
        const oc_argument *a = i < count ? &argument[i] : &scratchpad;
        const dnnl_memory_desc_t *desc = dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, a->layout_index);
        if (!desc || desc->ndims == 0 || dnnl_memory_desc_get_size(desc) == 0) continue;
        *oc_layout_desc(&work->layout[a->slot]) = *desc;
        OC_DNNL(dnnl_memory_create(&work->memory[a->slot], desc, engine->engine, DNNL_MEMORY_NONE));
        work->arg[work->args++] = (dnnl_exec_arg_t){a->index, work->memory[a->slot]};
    }
    *out = work;
    work = NULL;
cleanup:
    oc_primitive_destroy(&work);
    return status;
}

oc_status oc_primitive_from_desc(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                                 const_dnnl_op_desc_t desc, dnnl_primitive_attr_t attr, const oc_primitive *forward,
                                 const oc_argument *argument, int count, oc_error *err) {
    oc_status status = OC_OK;
    dnnl_primitive_attr_t own_attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    const_dnnl_primitive_desc_t hint = NULL;
    *out = NULL;
    if (!attr) {
        OC_DNNL(dnnl_primitive_attr_create(&own_attr));
        attr = own_attr;
    }
    OC_DNNL(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user));
    if (forward) OC_DNNL(dnnl_primitive_get_primitive_desc(forward->primitive, &hint));
    OC_DNNL(dnnl_primitive_desc_create(&pd, desc, attr, engine->engine, hint));
    OC_TRY(oc_primitive_from_pd(out, engine, layer, what, pd, argument, count, err));
cleanup:
    if (pd) dnnl_primitive_desc_destroy(pd);
    if (own_attr) dnnl_primitive_attr_destroy(own_attr);
    return status;
}

oc_status oc_primitive_bind(oc_primitive *work, oc_slot slot, void *data, oc_error *err) {
    oc_status status = OC_OK;
    const char *layer = work->layer, *what = work->what;
    work->data[slot] = data;
    if (work->memory[slot]) OC_DNNL(dnnl_memory_set_data_handle(work->memory[slot], data));
cleanup:
    return status;
}

oc_status oc_primitive_run(oc_primitive *work, oc_error *err) {
    oc_status status = OC_OK;
    const char *layer = work->layer, *what = work->what;
    if (work->kernel)
        work->kernel(work);
    else /* the CPU's stream is synchronous */
        OC_DNNL(dnnl_primitive_execute(work->primitive, work->engine->stream, work->args, work->arg));
cleanup:
    return status;
}

const char *oc_primitive_impl(const oc_primitive *work) {
    const_dnnl_primitive_desc_t pd = NULL;
    const char *impl = work->impl ? work->impl : "own";
    if (work->primitive && dnnl_primitive_get_primitive_desc(work->primitive, &pd) == dnnl_success)
        (void)dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &impl);
    return impl;
}

const char *oc_primitive_what(const oc_primitive *work) {
    return work->what;
}
