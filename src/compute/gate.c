/* Gates: a feature map times a gate for each channel (scale), and the choice between two maps by a softmax over two
 * (select). The maps are passed over once, at the speed of memory; the gates are small, may lie in another layout, and
 * are first laid out as the map's channels are, with zeros for its padding. A gate's gradient is a sum over pixels;
 * each image's share of a block of channels is summed by one thread. */
#include "compute/gate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "compute/internal.h"
#include "kernels/gate.h"

typedef struct gating {
    oc_primitive primitive;
    oc_map map, small; /* of the feature maps, and of the gates or logits */
    int sources;       /* feature maps that have factors: 1 (scale) or 2 (select) */
    bool join;         /* scale: with a residual join, whose shortcut is SRC_2 */
} gating;

/* ---- What both share ---- */

/* Where channel c of image n lies in the small tensor [N, C, 1, 1]. */
static int64_t place(const oc_map *small, int64_t n, int64_t c) {
    return n * small->image_stride + c / small->block * small->block_stride + c % small->block;
}

/* Channels of one image, padding included. */
static int64_t row_of(const gating *g) {
    return g->map.blocks * g->map.block;
}

/* The scratchpad: for each image and channel of the map a sum, and a factor for each source. */
static double *sums_of(const gating *g, int64_t n) {
    return (double *)g->primitive.data[OC_SLOT_SCRATCHPAD] + n * row_of(g);
}

static float *factors_of(const gating *g, int source, int64_t n) {
    const int64_t all = g->map.images * row_of(g);
    return (float *)((double *)g->primitive.data[OC_SLOT_SCRATCHPAD] + all) + source * all + n * row_of(g);
}

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        const oc_primitive_type *type, int sources, const oc_layout *src, const oc_layout *small,
                        oc_error *err) {
    oc_status status = OC_OK;
    gating *made = NULL;
    oc_map map, gates;
    *out = NULL;
    OC_TRY(oc_primitive_map(&map, src, layer, what, err));
    OC_TRY(oc_primitive_map(&gates, small, layer, what, err));
    OC_TRY(oc_primitive_create(&made, type, engine, src->dtype, layer, what, err));
    *out = &made->primitive;
    made->map = map;
    made->small = gates;
    made->sources = sources;
    for (int i = 0; i < sources; i++) made->primitive.layout[OC_SLOT_SRC + i] = *src;
    made->primitive.layout[OC_SLOT_SRC + sources] = *small;
    made->primitive.layout[OC_SLOT_SCRATCHPAD] =
        oc_layout_vector(OC_F32, map.images * row_of(made) * (2 + sources)); /* sums are doubles */
cleanup:
    return status;
}

/* One image's share of one block of channels. */
typedef struct part {
    oc_gate maps;
    const float *s, *t;
    double *sums;
    int64_t pixels, block;
} part;

static part part_of(const gating *g, int64_t i) {
    const oc_map *map = &g->map;
    const oc_primitive *primitive = &g->primitive;
    const bool two = g->sources == 2;
    const int64_t n = i / map->blocks, channel = i % map->blocks * map->block;
    const int64_t at = n * map->image_stride + i % map->blocks * map->block_stride;
    part p = {.s = factors_of(g, 0, n) + channel,
              .sums = sums_of(g, n) + channel,
              .pixels = map->h * map->w,
              .block = map->block};
    if (two) p.t = factors_of(g, 1, n) + channel;
    p.maps.a = oc_primitive_at(primitive, OC_SLOT_SRC, at);
    if (two) p.maps.b = oc_primitive_at(primitive, OC_SLOT_SRC_1, at);
    p.maps.dst = oc_primitive_at(primitive, OC_SLOT_DST, at);
    p.maps.diff_dst = oc_primitive_at(primitive, OC_SLOT_DIFF_DST, at);
    p.maps.diff_a = oc_primitive_at(primitive, OC_SLOT_DIFF_SRC, at);
    if (two) p.maps.diff_b = oc_primitive_at(primitive, OC_SLOT_DIFF_SRC_1, at);
    if (g->join) {
        p.maps.join = true;
        p.maps.b = oc_primitive_at(primitive, OC_SLOT_SRC_2, at);
        p.maps.mask = oc_primitive_at(primitive, OC_SLOT_WORKSPACE, at);
        p.maps.diff_b = oc_primitive_at(primitive, OC_SLOT_DIFF_SRC_2, at);
    }
    return p;
}

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const gating *g = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const part p = part_of(g, i);
        g->primitive.kernels->gate->forward(&p.maps, p.s, p.t, p.pixels, p.block);
    }
}

static void backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const gating *g = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const part p = part_of(g, i);
        memset(p.sums, 0, (size_t)p.block * sizeof *p.sums);
        g->primitive.kernels->gate->backward(&p.maps, p.s, p.t, p.pixels, p.block, p.sums);
    }
}

/* Factors, then the maps. */
static oc_status forward(const oc_primitive *primitive, oc_task_fn factors) {
    const oc_map *map = &((const gating *)primitive)->map;
    oc_primitive_for(primitive, map->images, 1, factors);
    oc_primitive_for(primitive, map->images * map->blocks, 1, forward_task);
    return OC_OK;
}

/* Factors, the maps, then what the sums make of the small tensor's gradient. */
static oc_status backward(const oc_primitive *primitive, oc_task_fn factors, oc_task_fn small) {
    const oc_map *map = &((const gating *)primitive)->map;
    oc_primitive_for(primitive, map->images, 1, factors);
    oc_primitive_for(primitive, map->images * map->blocks, 1, backward_task);
    oc_primitive_for(primitive, map->images, 1, small);
    return OC_OK;
}

/* ---- Scale ---- */

static void scale_factors(void *user, int64_t begin, int64_t end, int worker) {
    const gating *g = user;
    const float *gate = g->primitive.data[OC_SLOT_SRC_1];
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        float *s = factors_of(g, 0, n);
        memset(s, 0, (size_t)row_of(g) * sizeof *s);
        for (int64_t c = 0; c < g->map.channels; c++) s[c] = gate[place(&g->small, n, c)];
    }
}

static oc_status scale_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return forward(primitive, scale_factors);
}

oc_status oc_scale_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                  const oc_layout *gate, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(gating), .execute = scale_execute};
    const oc_status status = create(out, engine, layer, "gate forward", &type, 1, src, gate, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DST] = *src;
    return status;
}

static void scale_gradient(void *user, int64_t begin, int64_t end, int worker) {
    const gating *g = user;
    float *diff = g->primitive.data[OC_SLOT_DIFF_SRC_1];
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        const double *sums = sums_of(g, n);
        for (int64_t c = 0; c < g->small.blocks * g->small.block; c++)
            diff[place(&g->small, n, c)] = c < g->small.channels ? (float)sums[c] : 0;
    }
}

static oc_status scale_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return backward(primitive, scale_factors, scale_gradient);
}

oc_status oc_scale_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *gate, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(gating), .execute = scale_backward_execute};
    const oc_status status = create(out, engine, layer, "gate backward", &type, 1, src, gate, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *src;
    (*out)->layout[OC_SLOT_DIFF_SRC_1] = *gate;
    return OC_OK;
}

oc_status oc_scale_join_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool training,
                                       const oc_layout *src, const oc_layout *gate, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(gating), .execute = scale_execute};
    const oc_status status = create(out, engine, layer, "gate and residual join forward", &type, 1, src, gate, err);
    if (status != OC_OK) return status;
    ((gating *)*out)->join = true;
    (*out)->layout[OC_SLOT_SRC_2] = (*out)->layout[OC_SLOT_DST] = *src;
    if (training) (*out)->layout[OC_SLOT_WORKSPACE] = oc_layout_vector(OC_U8, oc_layout_count(src));
    return OC_OK;
}

oc_status oc_scale_join_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, bool shortcut,
                                        const oc_layout *src, const oc_layout *gate, oc_error *err) {
    const oc_status status = oc_scale_backward_create(out, engine, layer, src, gate, err);
    if (status != OC_OK) return status;
    ((gating *)*out)->join = true;
    (*out)->what = "gate and residual join backward";
    (*out)->layout[OC_SLOT_WORKSPACE] = oc_layout_vector(OC_U8, oc_layout_count(src));
    if (shortcut) (*out)->layout[OC_SLOT_DIFF_SRC_2] = *src;
    return OC_OK;
}

/* ---- Select ---- */

/* The share of the first of two logits, and of the second: neither overflows, and the smaller keeps its digits. */
static void shares(float first, float second, double *s, double *t) {
    const double d = (double)first - second, e = exp(-fabs(d)), larger = 1 / (1 + e), smaller = e / (1 + e);
    *s = d < 0 ? smaller : larger;
    *t = d < 0 ? larger : smaller;
}

static void select_factors(void *user, int64_t begin, int64_t end, int worker) {
    const gating *g = user;
    const float *logits = g->primitive.data[OC_SLOT_SRC_2];
    const int64_t channels = g->map.channels;
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        float *s = factors_of(g, 0, n), *t = factors_of(g, 1, n);
        memset(s, 0, (size_t)row_of(g) * sizeof *s);
        memset(t, 0, (size_t)row_of(g) * sizeof *t);
        for (int64_t c = 0; c < channels; c++) {
            double of_a, of_b;
            shares(logits[place(&g->small, n, c)], logits[place(&g->small, n, channels + c)], &of_a, &of_b);
            s[c] = (float)of_a;
            t[c] = (float)of_b;
        }
    }
}

static oc_status select_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return forward(primitive, select_factors);
}

oc_status oc_select_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                   const oc_layout *logits, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(gating), .execute = select_execute};
    const oc_status status = create(out, engine, layer, "selection forward", &type, 2, src, logits, err);
    if (status == OC_OK) (*out)->layout[OC_SLOT_DST] = *src;
    return status;
}

/* Through the softmax: ∂s/∂t₀ = s·(1 − s) = −∂s/∂t₁. */
static void select_gradient(void *user, int64_t begin, int64_t end, int worker) {
    const gating *g = user;
    const float *logits = g->primitive.data[OC_SLOT_SRC_2];
    float *diff = g->primitive.data[OC_SLOT_DIFF_SRC_2];
    const int64_t channels = g->map.channels;
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        const double *sums = sums_of(g, n);
        for (int64_t c = 0; c < channels; c++) {
            double of_a, of_b;
            const int64_t first = place(&g->small, n, c), second = place(&g->small, n, channels + c);
            shares(logits[first], logits[second], &of_a, &of_b);
            diff[first] = (float)(of_a * of_b * sums[c]);
            diff[second] = -diff[first];
        }
        for (int64_t c = g->small.channels; c < g->small.blocks * g->small.block; c++) diff[place(&g->small, n, c)] = 0;
    }
}

static oc_status select_backward_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    return backward(primitive, select_factors, select_gradient);
}

oc_status oc_select_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                    const oc_layout *logits, oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(gating), .execute = select_backward_execute};
    const oc_status status = create(out, engine, layer, "selection backward", &type, 2, src, logits, err);
    if (status != OC_OK) return status;
    (*out)->layout[OC_SLOT_DIFF_DST] = (*out)->layout[OC_SLOT_DIFF_SRC] = *src;
    (*out)->layout[OC_SLOT_DIFF_SRC_1] = *src;
    (*out)->layout[OC_SLOT_DIFF_SRC_2] = *logits;
    return OC_OK;
}
