/* Convolution as a matrix product for each tap of the filter (src/kernels/im2col.h), in two rows of the table of
 * algorithms, with products of float and of bfloat16: for filters of one weight, for strides and for maps too small for
 * Winograd's tiles. Backward by weights our own direct convolution does the same already, and its kernels compute the
 * second row's. */
#include <stdint.h>

#include "base/error.h"
#include "compute/conv/algorithm.h"
#include "compute/conv/direct_weights.h"
#include "compute/conv/finish.h"
#include "compute/internal.h"
#include "kernels/im2col.h"

/* What the rows differ in. */
typedef struct variant {
    bool bf16;               /* products of bfloat16 */
    const char *packings[2]; /* of filters: forward, by data */
    /* For the estimate (cost): multiply-adds of products at a time; what each number that is gathered, put down or
     * packed costs. */
    double products, pixel, result, filter;
} variant;

/* A pass, or the packing of its filters. */
typedef struct product {
    oc_primitive primitive;
    const oc_im2col_kernels *kernels;
    oc_im2col work;
    oc_conv_posts posts;
} product;

/* NULL where the engine has none. */
static const oc_im2col_kernels *kernels_of(const oc_engine *engine, oc_dtype maps, const variant *v) {
    const oc_kernels *kernels = oc_engine_kernels(engine, maps);
    return v->bf16 ? kernels->im2col_bf16 : kernels->im2col;
}

static void pack_task(void *user, int64_t begin, int64_t end, int worker) {
    const product *p = user;
    (void)worker;
    p->kernels->filters(&p->work, p->primitive.data[OC_SLOT_WEIGHTS], p->primitive.data[OC_SLOT_DST], begin, end);
}

static oc_status pack_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, ((const product *)primitive)->work.filter_blocks, 1, pack_task);
    return OC_OK;
}

static const oc_primitive_type pack_type = {.size = sizeof(product), .execute = pack_execute};

static void run_task(void *user, int64_t begin, int64_t end, int worker) {
    const product *p = user;
    void *const *data = p->primitive.data;
    const bool by_data = p->work.data;
    const oc_finish finish = oc_conv_finish(&p->primitive, &p->posts);
    float *scratch = (float *)data[OC_SLOT_SCRATCHPAD] + worker * p->work.scratch_floats;
    for (int64_t chunk = begin; chunk < end; chunk++)
        p->kernels->chunk(&p->work, chunk, data[by_data ? OC_SLOT_DIFF_DST : OC_SLOT_SRC], data[OC_SLOT_WEIGHTS],
                          &finish, data[by_data ? OC_SLOT_DIFF_SRC : OC_SLOT_DST], scratch);
}

static oc_status run_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    const product *p = (const product *)primitive;
    /* Chunks of one phase cost several times those of another. */
    oc_parallel_for_dynamic(primitive->engine->team, p->work.chunks, 1, run_task, (void *)(uintptr_t)p);
    return OC_OK;
}

static const oc_primitive_type run_type = {.size = sizeof(product), .execute = run_execute};

/* ---- The row ---- */

static bool supports(oc_engine *engine, const oc_conv_problem *problem) {
    const int64_t block = oc_engine_block(engine);
    return problem->groups == 1 && problem->kh * problem->kw <= OC_IM2COL_TAPS &&
           problem->src.order == OC_ORDER_BLOCKED && problem->src.block == block &&
           problem->dst.order == OC_ORDER_BLOCKED && problem->dst.block == block;
}

static bool supports_fp32(oc_engine *engine, const oc_conv_problem *problem) {
    return problem->pass != OC_CONV_BACKWARD_WEIGHTS && supports(engine, problem);
}

static bool supports_bf16(oc_engine *engine, const oc_conv_problem *problem) {
    return problem->src.dtype == OC_BF16 && oc_engine_kernels(engine, OC_BF16)->im2col_bf16 &&
           supports(engine, problem);
}

static oc_im2col describe(const oc_engine *engine, const oc_conv_problem *problem, const variant *v) {
    const bool by_data = problem->pass == OC_CONV_BACKWARD_DATA;
    oc_im2col work = {.kh = problem->kh,
                      .kw = problem->kw,
                      .stride = problem->stride,
                      .pad = problem->pad,
                      .dilation = problem->dilation,
                      .data = by_data,
                      .threads = oc_team_threads(engine->team)};
    (void)oc_layout_map(by_data ? &problem->dst : &problem->src, &work.from);
    (void)oc_layout_map(by_data ? &problem->src : &problem->dst, &work.to);
    kernels_of(engine, problem->src.dtype, v)->plan(&work);
    return work;
}

/* Products over whole blocks; weights are packed in each step of a training only. */
static double cost(const oc_engine *engine, const oc_conv_problem *problem, const variant *v) {
    const oc_im2col work = describe(engine, problem, v);
    const double block = (double)oc_engine_block(engine), taps = (double)(problem->kh * problem->kw);
    const double ic = (double)work.from.blocks * block, oc = (double)work.to.blocks * block;
    /* Forward each result meets every tap, by data each pixel that is read does. */
    const oc_map *pixels = work.data ? &work.from : &work.to;
    const double met = (double)(pixels->images * pixels->h * pixels->w) * taps;
    const double results = (double)(work.to.images * work.to.h * work.to.w);
    return met * ic * (oc / v->products + v->pixel * (double)work.ranges) + results * oc * v->result +
           (problem->training ? taps * ic * oc * v->filter : 0);
}

static oc_status create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                        const oc_conv_problem *problem, const variant *v, oc_error *err) {
    oc_status status = OC_OK;
    const bool by_data = problem->pass == OC_CONV_BACKWARD_DATA;
    product *run = NULL, *filters = NULL;
    const oc_layout plain = oc_conv_weights_layout(problem);
    OC_TRY(oc_primitive_create(&run, &run_type, engine, problem->src.dtype, layer, oc_conv_what(problem->pass), err));
    *out = &run->primitive;
    OC_TRY(oc_primitive_create(&filters, &pack_type, engine, problem->src.dtype, layer, "packing of the filter", err));
    *pack = &filters->primitive;
    run->kernels = filters->kernels = kernels_of(engine, problem->src.dtype, v);
    run->work = filters->work = describe(engine, problem, v);
    run->posts = oc_conv_posts_of(problem, &run->primitive);
    const oc_layout packed =
        oc_layout_packed(v->packings[by_data], &plain.shape, (size_t)run->work.filter_floats * sizeof(float));
    run->primitive.layout[by_data ? OC_SLOT_DIFF_SRC : OC_SLOT_SRC] = problem->src;
    run->primitive.layout[by_data ? OC_SLOT_DIFF_DST : OC_SLOT_DST] = problem->dst;
    run->primitive.layout[OC_SLOT_WEIGHTS] = packed;
    run->primitive.layout[OC_SLOT_SCRATCHPAD] = oc_layout_vector(OC_F32, run->work.threads * run->work.scratch_floats);
    filters->primitive.layout[OC_SLOT_WEIGHTS] = plain;
    filters->primitive.layout[OC_SLOT_DST] = packed;
cleanup:
    if (status != OC_OK) {
        oc_primitive_destroy(out);
        oc_primitive_destroy(pack);
    }
    return status;
}

/* Fitted to bench/convolutions.c on Zen 3. */
static const variant fp32 = {.packings = {"product, forward", "product, backward by data"},
                             .products = 0.92,
                             .pixel = 10,
                             .result = 10,
                             .filter = 40};
/* Twice the products and half the bytes; fitted on Zen 4. */
static const variant bf16 = {.bf16 = true,
                             .packings = {"product in bf16, forward", "product in bf16, backward by data"},
                             .products = 1.7,
                             .pixel = 5,
                             .result = 10,
                             .filter = 30};

static double cost_fp32(const oc_engine *engine, const oc_conv_problem *problem) {
    return cost(engine, problem, &fp32);
}

/* By weights the pixels of both maps are gathered for each tap and range of channels, which is in the share. */
static double cost_bf16(const oc_engine *engine, const oc_conv_problem *problem) {
    if (problem->pass == OC_CONV_BACKWARD_WEIGHTS)
        return oc_conv_macs(problem) / (problem->stride > 1 ? 1.4 : 1.6) +
               60 * (double)oc_conv_direct_of(engine, problem).filter_floats;
    return cost(engine, problem, &bf16);
}

static oc_status create_fp32(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                             const oc_conv_problem *problem, oc_error *err) {
    return create(out, pack, engine, layer, problem, &fp32, err);
}

static oc_status create_bf16(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                             const oc_conv_problem *problem, oc_error *err) {
    if (problem->pass == OC_CONV_BACKWARD_WEIGHTS)
        return oc_conv_weights_create(out, engine, layer, problem,
                                      oc_engine_kernels(engine, OC_BF16)->direct_weights_bf16, err);
    return create(out, pack, engine, layer, problem, &bf16, err);
}

const oc_conv_algorithm oc_conv_product = {
    .name = "matrix product", .supports = supports_fp32, .cost = cost_fp32, .create = create_fp32};
const oc_conv_algorithm oc_conv_product_bf16 = {
    .name = "matrix product in bf16", .supports = supports_bf16, .cost = cost_bf16, .create = create_bf16};
