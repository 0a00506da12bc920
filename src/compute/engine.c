/* Engines. */
#include "compute/engine.h"

#include "base/error.h"
#include "base/memory.h"
#include "compute/internal.h"

oc_status oc_engine_create(oc_engine **out, oc_team *team, oc_error *err) {
    oc_status status = OC_OK;
    oc_engine *engine = NULL;
    *out = NULL;
    OC_TRY(oc_cpu_check(err));
    OC_TRY(oc_alloc(&engine, 1, sizeof *engine, err));
    engine->team = team;
    for (int i = 0; i < OC_STORAGES; i++) engine->kernels[i] = oc_kernels_at(oc_cpu_level_now(), (oc_storage)i);
    OC_TRY(oc_dnnl_create(&engine->dnnl, oc_cpu_level_now(), err));
    *out = engine;
    engine = NULL;
cleanup:
    oc_engine_destroy(&engine);
    return status;
}

void oc_engine_destroy(oc_engine **engine) {
    if (!engine || !*engine) return;
    oc_dnnl_destroy(&(*engine)->dnnl);
    oc_free(*engine);
    *engine = NULL;
}

int64_t oc_engine_block(const oc_engine *engine) {
    return engine->kernels[OC_STORAGE_F32]->lanes;
}

const oc_kernels *oc_engine_kernels(const oc_engine *engine, oc_dtype dtype) {
    return engine->kernels[dtype == OC_BF16 ? OC_STORAGE_BF16 : OC_STORAGE_F32];
}
