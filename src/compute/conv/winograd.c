/* Winograd convolution by our own kernels (src/kernels/winograd.h), in three rows of the table of algorithms: F(2×2,
 * 3×3) and F(4×4, 3×3), and F(2×2, 3×3) with products of bfloat16. F(4×4) with those is several times less exact than
 * bfloat16 itself. For 3×3 filters, stride 1, undilated, ungrouped, activations in blocks of the level's lanes. */
#include "kernels/winograd.h"

#include <math.h>

#include "base/error.h"
#include "compute/conv/algorithm.h"
#include "compute/conv/finish.h"
#include "compute/internal.h"

/* What the rows differ in. */
typedef struct variant {
    int tile;
    bool bf16;               /* products of bfloat16 */
    const char *packings[2]; /* of filters: forward, by data */
    /* For the estimate (cost): multiply-adds of products at a time, of a pixel's transforms in each map, and of the
     * transform of a filter's weight, which in training is added where the transformed filters do not stay in a cache.
     */
    double products, pixel, filter, uncached;
} variant;

/* Forward and backward by data, and the packing of their filters. */
typedef struct filtering {
    oc_primitive primitive;
    const oc_winograd_kernels *kernels;
    oc_winograd work;
    oc_conv_posts posts;
} filtering;

/* Backward by weights. */
typedef struct gradient {
    oc_primitive primitive;
    const oc_winograd_backward_kernels *kernels;
    oc_winograd_backward work;
} gradient;

/* NULL where the engine has none. */
static const oc_winograd_kernels *kernels_of(const oc_engine *engine, oc_dtype maps, const variant *v) {
    const oc_kernels *kernels = oc_engine_kernels(engine, maps);
    return v->bf16 ? kernels->winograd_bf16 : kernels->winograd;
}

/* ---- Packing ---- */

static void pack_task(void *user, int64_t begin, int64_t end, int worker) {
    const filtering *f = user;
    (void)worker;
    f->kernels->filters(&f->work, f->primitive.data[OC_SLOT_WEIGHTS], f->primitive.data[OC_SLOT_DST], begin, end);
}

static oc_status pack_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, ((const filtering *)primitive)->work.filter_blocks, 1, pack_task);
    return OC_OK;
}

static const oc_primitive_type pack_type = {.size = sizeof(filtering), .execute = pack_execute};

/* ---- Forward and backward by data ---- */

/* An execution, as its tasks see it. */
typedef struct execution {
    const filtering *f;
    const void *from;
    const void *filters;
    void *to;
    float *scratch;
    oc_finish finish;
} execution;

static void chunk_task(void *user, int64_t begin, int64_t end, int worker) {
    const execution *e = user;
    for (int64_t chunk = begin; chunk < end; chunk++)
        e->f->kernels->chunk(&e->f->work, chunk, e->from, e->filters, &e->finish, e->to,
                             e->scratch + worker * e->f->work.scratch_floats);
}

static oc_status filtering_execute(const oc_primitive *primitive, oc_error *err) {
    const filtering *f = (const filtering *)primitive;
    const bool data = f->work.turned;
    (void)err;
    execution e = {.f = f,
                   .from = primitive->data[data ? OC_SLOT_DIFF_DST : OC_SLOT_SRC],
                   .to = primitive->data[data ? OC_SLOT_DIFF_SRC : OC_SLOT_DST],
                   .filters = primitive->data[OC_SLOT_WEIGHTS],
                   .scratch = primitive->data[OC_SLOT_SCRATCHPAD],
                   .finish = oc_conv_finish(primitive, &f->posts)};
    oc_parallel_for(primitive->engine->team, f->work.chunks, 1, chunk_task, &e);
    return OC_OK;
}

static const oc_primitive_type filtering_type = {.size = sizeof(filtering), .execute = filtering_execute};

static oc_status filtering_create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                                  const oc_conv_problem *problem, const variant *v, oc_error *err) {
    oc_status status = OC_OK;
    const bool data = problem->pass == OC_CONV_BACKWARD_DATA;
    const oc_dtype dtype = problem->src.dtype;
    filtering *f = NULL, *p = NULL;
    const oc_winograd_kernels *kernels = kernels_of(engine, dtype, v);
    oc_winograd work = {.tile = v->tile, .turned = data, .threads = oc_team_threads(engine->team)};
    work.pad = data ? 2 - (int)problem->pad : (int)problem->pad;
    (void)oc_layout_map(data ? &problem->dst : &problem->src, &work.from);
    (void)oc_layout_map(data ? &problem->src : &problem->dst, &work.to);
    kernels->plan(&work);
    const oc_layout plain = oc_conv_weights_layout(problem);
    const oc_layout packed =
        oc_layout_packed(v->packings[data], &plain.shape, (size_t)work.filter_floats * sizeof(float));

    OC_TRY(oc_primitive_create(&f, &filtering_type, engine, dtype, layer, oc_conv_what(problem->pass), err));
    *out = &f->primitive;
    f->kernels = kernels;
    f->work = work;
    f->posts = oc_conv_posts_of(problem, &f->primitive);
    f->primitive.layout[data ? OC_SLOT_DIFF_SRC : OC_SLOT_SRC] = problem->src;
    f->primitive.layout[data ? OC_SLOT_DIFF_DST : OC_SLOT_DST] = problem->dst;
    f->primitive.layout[OC_SLOT_WEIGHTS] = packed;
    f->primitive.layout[OC_SLOT_SCRATCHPAD] = oc_layout_vector(OC_F32, work.threads * work.scratch_floats);

    OC_TRY(oc_primitive_create(&p, &pack_type, engine, dtype, layer, "packing of the filter", err));
    *pack = &p->primitive;
    p->kernels = kernels;
    p->work = work;
    p->primitive.layout[OC_SLOT_WEIGHTS] = plain;
    p->primitive.layout[OC_SLOT_DST] = packed;
cleanup:
    return status;
}

/* ---- Backward by weights ---- */

static void unit_task(void *user, int64_t begin, int64_t end, int worker) {
    const gradient *g = user;
    const oc_primitive *p = &g->primitive;
    float *sums = p->data[OC_SLOT_SCRATCHPAD];
    for (int64_t unit = begin; unit < end; unit++)
        g->kernels->unit(&g->work, unit, p->data[OC_SLOT_SRC], p->data[OC_SLOT_DIFF_DST],
                         p->data[OC_SLOT_DIFF_BIAS] != NULL, sums,
                         sums + g->work.sums_floats + worker * g->work.scratch_floats);
}

static void reduce_task(void *user, int64_t begin, int64_t end, int worker) {
    const gradient *g = user;
    const oc_primitive *p = &g->primitive;
    (void)worker;
    g->kernels->reduce(&g->work, p->data[OC_SLOT_SCRATCHPAD], p->data[OC_SLOT_DIFF_WEIGHTS], p->data[OC_SLOT_DIFF_BIAS],
                       begin, end);
}

static oc_status gradient_execute(const oc_primitive *primitive, oc_error *err) {
    const gradient *g = (const gradient *)primitive;
    (void)err;
    oc_primitive_for(primitive, g->work.units, 1, unit_task);
    oc_primitive_for(primitive, g->work.blocks, 1, reduce_task);
    return OC_OK;
}

static const oc_primitive_type gradient_type = {.size = sizeof(gradient), .execute = gradient_execute};

static oc_status gradient_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                 const oc_conv_problem *problem, const variant *v, oc_error *err) {
    oc_status status = OC_OK;
    const oc_dtype dtype = problem->src.dtype;
    gradient *g = NULL;
    OC_TRY(oc_primitive_create(&g, &gradient_type, engine, dtype, layer, oc_conv_what(problem->pass), err));
    *out = &g->primitive;
    g->kernels = kernels_of(engine, dtype, v)->backward;
    g->work =
        (oc_winograd_backward){.tile = v->tile, .pad = (int)problem->pad, .threads = oc_team_threads(engine->team)};
    (void)oc_layout_map(&problem->src, &g->work.src);
    (void)oc_layout_map(&problem->dst, &g->work.dst);
    g->kernels->plan(&g->work);
    g->primitive.layout[OC_SLOT_SRC] = problem->src;
    g->primitive.layout[OC_SLOT_DIFF_DST] = problem->dst;
    g->primitive.layout[OC_SLOT_DIFF_WEIGHTS] = oc_conv_weights_layout(problem);
    if (problem->bias) g->primitive.layout[OC_SLOT_DIFF_BIAS] = oc_conv_bias_layout(problem);
    g->primitive.layout[OC_SLOT_SCRATCHPAD] =
        oc_layout_vector(OC_F32, g->work.sums_floats + g->work.threads * g->work.scratch_floats);
cleanup:
    return status;
}

static oc_status create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                        const oc_conv_problem *problem, const variant *v, oc_error *err) {
    const oc_status status = problem->pass == OC_CONV_BACKWARD_WEIGHTS
                                 ? gradient_create(out, engine, layer, problem, v, err)
                                 : filtering_create(out, pack, engine, layer, problem, v, err);
    if (status != OC_OK) {
        oc_primitive_destroy(out);
        oc_primitive_destroy(pack);
    }
    return status;
}

/* ---- The rows ---- */

static bool supports(oc_engine *engine, const oc_conv_problem *problem) {
    const int64_t block = oc_engine_block(engine);
    return problem->kh == 3 && problem->kw == 3 && problem->stride == 1 && problem->dilation == 1 &&
           problem->groups == 1 && problem->pad <= 2 && problem->src.order == OC_ORDER_BLOCKED &&
           problem->src.block == block && problem->dst.order == OC_ORDER_BLOCKED && problem->dst.block == block;
}

static bool supports_bf16(oc_engine *engine, const oc_conv_problem *problem) {
    return problem->src.dtype == OC_BF16 && oc_engine_kernels(engine, OC_BF16)->winograd_bf16 &&
           supports(engine, problem);
}

/* The products of which a tile of m×m has (m + 2)² for each pair of channels, whole tiles and whole blocks; transforms
 * for each pixel of both maps. In training the filter's, which takes more where the transformed filter does not stay in
 * the cache; else filters are transformed once and for all, but there is more of them to read. */
static double cost(const oc_engine *engine, const oc_conv_problem *problem, const variant *v) {
    const oc_shape *src = &problem->src.shape, *dst = &problem->dst.shape;
    const double block = (double)oc_engine_block(engine), m = v->tile, elements = (m + 2) * (m + 2);
    const double ic = ceil((double)src->dim[1] / block) * block, oc = ceil((double)dst->dim[1] / block) * block;
    const double tiles = (double)dst->dim[0] * ceil((double)dst->dim[2] / m) * ceil((double)dst->dim[3] / m);
    const double transformed = elements * (v->bf16 ? sizeof(uint16_t) : sizeof(float)), plain = 9 * sizeof(float);
    const double filter = !problem->training                      ? oc_conv_moving(transformed - plain)
                          : oc_conv_cached(transformed * ic * oc) ? v->filter
                                                                  : v->filter + v->uncached;
    return tiles * elements * ic * oc / v->products + tiles * m * m * (ic + oc) * v->pixel + ic * oc * filter;
}

/* Fitted to bench/convolutions.c on Zen 5, both levels. */
static const variant f_2 = {.tile = 2,
                            .packings = {"Winograd, forward", "Winograd, backward by data"},
                            .products = 0.85,
                            .pixel = 40,
                            .filter = 500,
                            .uncached = 1500};
static const variant f_4 = {.tile = 4,
                            .packings = {"Winograd, forward", "Winograd, backward by data"},
                            .products = 0.95,
                            .pixel = 35,
                            .filter = 500,
                            .uncached = 1500};
/* One instruction has twice the products. Fitted to the times of a prototype on Zen 4, not of these kernels: 7.4 ms for
 * 64 channels on 32×32, 64 images, where the peak is 117 multiply-adds in a nanosecond, and 5.5 for 256 on 8×8. */
static const variant f_2_bf16 = {.tile = 2,
                                 .bf16 = true,
                                 .packings = {"Winograd in bf16, forward", "Winograd in bf16, backward by data"},
                                 .products = 1.8,
                                 .pixel = 25,
                                 .filter = 250,
                                 .uncached = 750};

static double cost_2(const oc_engine *engine, const oc_conv_problem *problem) {
    return cost(engine, problem, &f_2);
}

static double cost_4(const oc_engine *engine, const oc_conv_problem *problem) {
    return cost(engine, problem, &f_4);
}

static double cost_2_bf16(const oc_engine *engine, const oc_conv_problem *problem) {
    return cost(engine, problem, &f_2_bf16);
}

static oc_status create_2(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                          const oc_conv_problem *problem, oc_error *err) {
    return create(out, pack, engine, layer, problem, &f_2, err);
}

static oc_status create_4(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                          const oc_conv_problem *problem, oc_error *err) {
    return create(out, pack, engine, layer, problem, &f_4, err);
}

static oc_status create_2_bf16(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                               const oc_conv_problem *problem, oc_error *err) {
    return create(out, pack, engine, layer, problem, &f_2_bf16, err);
}

const oc_conv_algorithm oc_conv_winograd_2 = {
    .name = "Winograd F(2x2)", .exactness = OC_CONV_FINE, .supports = supports, .cost = cost_2, .create = create_2};
const oc_conv_algorithm oc_conv_winograd_4 = {
    .name = "Winograd F(4x4)", .exactness = OC_CONV_COARSE, .supports = supports, .cost = cost_4, .create = create_4};
const oc_conv_algorithm oc_conv_winograd_2_bf16 = {.name = "Winograd F(2x2) in bf16",
                                                   .exactness = OC_CONV_HALF,
                                                   .supports = supports_bf16,
                                                   .cost = cost_2_bf16,
                                                   .create = create_2_bf16};
