/* Convolution of bf16 maps by oneDNN's direct one for f32, between copies of the maps as floats in the scratchpad: for
 * processors on which oneDNN does not multiply bfloat16. It costs a map's way through memory each, and is quicker than
 * our own direct convolution, which turns numbers into floats one by one. */
#include <math.h>

#include "base/error.h"
#include "base/memory.h"
#include "compute/conv/algorithm.h"
#include "compute/copy.h"
#include "compute/internal.h"

#define READ_MAX (2 + OC_POSTS_MAX)

/* A map, in one of the primitive's slots, and its copy of floats, in the same slot of the convolution. */
typedef struct map {
    oc_slot slot;
    oc_primitive *copy; /* from the one to the other */
    size_t offset;      /* of the floats, in the scratchpad */
} map;

typedef struct widened {
    oc_primitive primitive;
    oc_primitive *conv;
    map read[READ_MAX], written;
    int reads;
    bool writes;   /* a map; by weights none */
    size_t offset; /* of the convolution's own scratchpad */
} widened;

static oc_status execute(const oc_primitive *primitive, oc_error *err) {
    oc_status status = OC_OK;
    const widened *w = (const widened *)primitive;
    for (int i = 0; i < w->reads; i++) OC_TRY(oc_primitive_execute(w->read[i].copy, err));
    OC_TRY(oc_primitive_execute(w->conv, err));
    if (w->writes) OC_TRY(oc_primitive_execute(w->written.copy, err));
cleanup:
    return status;
}

/* What lies in the scratchpad. */
static oc_status bind_scratchpad(widened *w, unsigned char *data, oc_error *err) {
    oc_status status = OC_OK;
    for (int i = 0; i < w->reads; i++) {
        OC_TRY(oc_primitive_bind(w->read[i].copy, OC_SLOT_DST, data + w->read[i].offset, err));
        OC_TRY(oc_primitive_bind(w->conv, w->read[i].slot, data + w->read[i].offset, err));
    }
    if (w->writes) {
        OC_TRY(oc_primitive_bind(w->conv, w->written.slot, data + w->written.offset, err));
        OC_TRY(oc_primitive_bind(w->written.copy, OC_SLOT_SRC, data + w->written.offset, err));
    }
    if (!oc_layout_absent(oc_primitive_layout(w->conv, OC_SLOT_SCRATCHPAD)))
        OC_TRY(oc_primitive_bind(w->conv, OC_SLOT_SCRATCHPAD, data + w->offset, err));
cleanup:
    return status;
}

static oc_status bind(oc_primitive *primitive, oc_slot slot, void *data, oc_error *err) {
    widened *w = (widened *)primitive;
    if (slot == OC_SLOT_SCRATCHPAD) return bind_scratchpad(w, data, err);
    for (int i = 0; i < w->reads; i++)
        if (w->read[i].slot == slot) return oc_primitive_bind(w->read[i].copy, OC_SLOT_SRC, data, err);
    if (w->writes && w->written.slot == slot) return oc_primitive_bind(w->written.copy, OC_SLOT_DST, data, err);
    return oc_primitive_bind(w->conv, slot, data, err);
}

static void destroy(oc_primitive *primitive) {
    widened *w = (widened *)primitive;
    for (int i = 0; i < w->reads; i++) oc_primitive_destroy(&w->read[i].copy);
    oc_primitive_destroy(&w->written.copy);
    oc_primitive_destroy(&w->conv);
}

static const oc_primitive_type type = {.size = sizeof(widened), .execute = execute, .bind = bind, .destroy = destroy};

/* The same problem with maps of floats. */
static oc_conv_problem floats_of(const oc_conv_problem *problem) {
    oc_conv_problem floats = *problem;
    floats.src.dtype = floats.dst.dtype = OC_F32;
    return floats;
}

/* Room for `bytes` at the end of the scratchpad. */
static size_t room(widened *w, size_t bytes) {
    oc_layout *scratchpad = &w->primitive.layout[OC_SLOT_SCRATCHPAD];
    const size_t offset = oc_layout_bytes(scratchpad);
    const size_t rounded = (bytes + OC_ALIGNMENT - 1) / OC_ALIGNMENT * OC_ALIGNMENT;
    if (bytes > 0) *scratchpad = oc_layout_vector(OC_U8, (int64_t)(offset + rounded));
    return offset;
}

/* The copy of a map that the convolution reads. */
static oc_status read_create(widened *w, oc_slot slot, const oc_layout *layout, oc_error *err) {
    const oc_layout *floats = oc_primitive_layout(w->conv, slot);
    map *m = &w->read[w->reads];
    *m = (map){.slot = slot, .offset = room(w, oc_layout_bytes(floats))};
    w->primitive.layout[slot] = *layout;
    const oc_status status =
        oc_conversion_create(&m->copy, w->primitive.engine, w->primitive.layer, layout, floats, err);
    if (status == OC_OK) w->reads++;
    return status;
}

static oc_status written_create(widened *w, oc_slot slot, const oc_layout *layout, oc_error *err) {
    const oc_layout *floats = oc_primitive_layout(w->conv, slot);
    w->writes = true;
    w->written = (map){.slot = slot, .offset = room(w, oc_layout_bytes(floats))};
    w->primitive.layout[slot] = *layout;
    return oc_conversion_create(&w->written.copy, w->primitive.engine, w->primitive.layer, floats, layout, err);
}

static oc_status create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                        const oc_conv_problem *problem, oc_error *err) {
    static const oc_slot kept[] = {OC_SLOT_WEIGHTS, OC_SLOT_BIAS, OC_SLOT_DIFF_WEIGHTS, OC_SLOT_DIFF_BIAS};
    oc_status status = OC_OK;
    widened *w = NULL;
    const oc_conv_problem floats = floats_of(problem);
    const bool forward = problem->pass == OC_CONV_FORWARD, by_data = problem->pass == OC_CONV_BACKWARD_DATA;
    OC_TRY(oc_primitive_create(&w, &type, engine, OC_BF16, layer, oc_conv_what(problem->pass), err));
    *out = &w->primitive;
    OC_TRY(oc_conv_dnnl_direct.create(&w->conv, pack, engine, layer, &floats, err));
    w->primitive.implementation = oc_primitive_implementation(w->conv);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        w->primitive.layout[kept[i]] = *oc_primitive_layout(w->conv, kept[i]);
    if (!by_data) OC_TRY(read_create(w, OC_SLOT_SRC, &problem->src, err));
    if (!forward) OC_TRY(read_create(w, OC_SLOT_DIFF_DST, &problem->dst, err));
    for (int i = 0, addends = 0; forward && i < problem->posts; i++)
        if (problem->post[i] == OC_POST_ADD)
            OC_TRY(read_create(w, (oc_slot)(OC_SLOT_SRC_1 + addends++), &problem->dst, err));
    if (forward) OC_TRY(written_create(w, OC_SLOT_DST, &problem->dst, err));
    if (by_data) OC_TRY(written_create(w, OC_SLOT_DIFF_SRC, &problem->src, err));
    w->offset = room(w, oc_layout_bytes(oc_primitive_layout(w->conv, OC_SLOT_SCRATCHPAD)));
cleanup:
    if (status != OC_OK) {
        oc_primitive_destroy(out);
        oc_primitive_destroy(pack);
    }
    return status;
}

static bool supports(oc_engine *engine, const oc_conv_problem *problem) {
    const oc_conv_problem floats = floats_of(problem);
    return problem->src.dtype == OC_BF16 && oc_conv_dnnl_direct.supports(engine, &floats);
}

/* A map is written and read as floats beside what it is read or written as bfloat16. */
static double cost(const oc_engine *engine, const oc_conv_problem *problem) {
    const oc_conv_problem floats = floats_of(problem);
    double bytes = 2 * ((double)oc_layout_bytes(&floats.src) + (double)oc_layout_bytes(&floats.dst));
    for (int i = 0; i < problem->posts; i++)
        if (problem->post[i] == OC_POST_ADD) bytes += 2 * (double)oc_layout_bytes(&floats.dst);
    return oc_conv_dnnl_direct.cost(engine, &floats) + oc_conv_moving(bytes);
}

const oc_conv_algorithm oc_conv_widened = {
    .name = "oneDNN direct in fp32", .supports = supports, .cost = cost, .create = create};
