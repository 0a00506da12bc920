/* What all primitives have in common. */
#include "compute/primitive.h"

#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "compute/internal.h"

oc_status oc_primitive_create(void *out, const oc_primitive_type *type, oc_engine *engine, oc_dtype dtype,
                              const char *layer, const char *what, oc_error *err) {
    oc_primitive *primitive = NULL;
    const oc_status status = oc_alloc(&primitive, 1, type->size, err);
    if (status == OC_OK) {
        primitive->type = type;
        primitive->what = what;
        primitive->implementation = "own";
        primitive->layer = layer;
        primitive->engine = engine;
        primitive->kernels = oc_engine_kernels(engine, dtype);
    }
    *(oc_primitive **)out = primitive;
    return status;
}

void oc_primitive_destroy(oc_primitive **primitive) {
    if (!primitive || !*primitive) return;
    if ((*primitive)->type->destroy) (*primitive)->type->destroy(*primitive);
    oc_free(*primitive);
    *primitive = NULL;
}

const oc_layout *oc_primitive_layout(const oc_primitive *primitive, oc_slot slot) {
    return &primitive->layout[slot];
}

oc_status oc_primitive_bind(oc_primitive *primitive, oc_slot slot, void *data, oc_error *err) {
    primitive->data[slot] = data;
    return primitive->type->bind ? primitive->type->bind(primitive, slot, data, err) : OC_OK;
}

oc_status oc_primitive_execute(oc_primitive *primitive, oc_error *err) {
    return primitive->type->execute(primitive, err);
}

const char *oc_primitive_algorithm(const oc_primitive *primitive) {
    return primitive->algorithm ? primitive->algorithm : primitive->implementation;
}

const char *oc_primitive_implementation(const oc_primitive *primitive) {
    return primitive->implementation;
}

bool oc_primitive_is_slow(const oc_primitive *primitive) {
    return primitive->slow;
}

const char *oc_primitive_what(const oc_primitive *primitive) {
    return primitive->what;
}

oc_status oc_primitive_map(oc_map *out, const oc_layout *layout, const char *layer, const char *what, oc_error *err) {
    char text[96];
    if (oc_layout_map(layout, out)) return OC_OK;
    return oc_fail(err, OC_E_COMPUTE, layer, "unsupported layout %s in %s", oc_layout_text(layout, text, sizeof text),
                   what);
}

void *oc_primitive_at(const oc_primitive *primitive, oc_slot slot, int64_t at) {
    unsigned char *data = primitive->data[slot];
    return data ? data + at * (int64_t)oc_dtype_size(primitive->layout[slot].dtype) : NULL;
}

void oc_primitive_for(const oc_primitive *primitive, int64_t count, int64_t grain, oc_task_fn task) {
    oc_parallel_for(primitive->engine->team, count, grain, task, (void *)(uintptr_t)primitive);
}
