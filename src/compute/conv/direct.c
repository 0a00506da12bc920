/* Direct convolution by our own kernels (src/kernels/direct.h): the algorithm that supports everything, and the quick
 * one for groups of few channels, for which oneDNN has no good layout. */
#include "kernels/direct.h"

#include "base/error.h"
#include "compute/conv/algorithm.h"
#include "compute/conv/direct_weights.h"
#include "compute/conv/finish.h"
#include "compute/internal.h"

/* A pass, or the packing of its filters. */
typedef struct direct {
    oc_primitive primitive;
    oc_direct conv;
    oc_conv_posts posts;
} direct;

static const oc_direct_kernels *kernels_of(const direct *d) {
    return d->primitive.kernels->direct;
}

/* ---- Packing ---- */

static void pack_task(void *user, int64_t begin, int64_t end, int worker) {
    const direct *d = user;
    (void)worker;
    kernels_of(d)->filters(&d->conv, d->primitive.data[OC_SLOT_WEIGHTS], d->primitive.data[OC_SLOT_DST], begin, end);
}

static oc_status pack_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, ((const direct *)primitive)->conv.filter_blocks, 1, pack_task);
    return OC_OK;
}

/* ---- Forward and backward by data ---- */

static void run_task(void *user, int64_t begin, int64_t end, int worker) {
    const direct *d = user;
    void *const *data = d->primitive.data;
    const bool by_data = d->conv.data;
    (void)worker;
    const oc_finish finish = oc_conv_finish(&d->primitive, &d->posts);
    kernels_of(d)->run(&d->conv, data[by_data ? OC_SLOT_DIFF_DST : OC_SLOT_SRC], data[OC_SLOT_WEIGHTS], &finish,
                       data[by_data ? OC_SLOT_DIFF_SRC : OC_SLOT_DST], begin, end);
}

static oc_status run_execute(const oc_primitive *primitive, oc_error *err) {
    (void)err;
    oc_primitive_for(primitive, ((const direct *)primitive)->conv.items, 1, run_task);
    return OC_OK;
}

/* ---- The row ---- */

static bool supports(oc_engine *engine, const oc_conv_problem *problem) {
    (void)engine;
    (void)problem;
    return true;
}

/* Shares of the peak, fitted to bench/convolutions.c on Zen 5, both levels. To spread a bfloat16 over a vector takes
 * more than a load. */
static double cost(const oc_engine *engine, const oc_conv_problem *problem) {
    const double channels = problem->src.dtype == OC_BF16 ? 0.25 : 0.4;
    const double share[] = {[OC_DIRECT_LANES] = 0.6, [OC_DIRECT_CHANNELS] = channels, [OC_DIRECT_ELEMENTS] = 0.005};
    const oc_direct conv = oc_conv_direct_of(engine, problem);
    if (problem->pass == OC_CONV_BACKWARD_WEIGHTS && conv.products)
        return oc_conv_macs(problem) / 0.75 + 120 * (double)conv.filter_floats;
    if (problem->pass == OC_CONV_BACKWARD_WEIGHTS && conv.way == OC_DIRECT_CHANNELS && problem->groups > 1)
        return oc_conv_macs(problem) / 0.75;
    return oc_conv_macs(problem) / share[conv.way];
}

static oc_status create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                        const oc_conv_problem *problem, oc_error *err) {
    static const oc_primitive_type run_type = {.size = sizeof(direct), .execute = run_execute};
    static const oc_primitive_type pack_type = {.size = sizeof(direct), .execute = pack_execute};
    oc_status status = OC_OK;
    const bool by_data = problem->pass == OC_CONV_BACKWARD_DATA;
    direct *d = NULL, *p = NULL;
    const oc_layout plain = oc_conv_weights_layout(problem);
    if (problem->pass == OC_CONV_BACKWARD_WEIGHTS)
        return oc_conv_weights_create(out, engine, layer, problem,
                                      oc_engine_kernels(engine, problem->src.dtype)->direct->weights, err);
    OC_TRY(oc_primitive_create(&d, &run_type, engine, problem->src.dtype, layer, oc_conv_what(problem->pass), err));
    *out = &d->primitive;
    d->conv = oc_conv_direct_of(engine, problem);
    d->primitive.slow = d->conv.way == OC_DIRECT_ELEMENTS;
    oc_layout *layout = d->primitive.layout;
    layout[by_data ? OC_SLOT_DIFF_SRC : OC_SLOT_SRC] = problem->src;
    layout[by_data ? OC_SLOT_DIFF_DST : OC_SLOT_DST] = problem->dst;
    d->posts = oc_conv_posts_of(problem, &d->primitive);
    OC_TRY(oc_primitive_create(&p, &pack_type, engine, problem->src.dtype, layer, "packing of the filter", err));
    *pack = &p->primitive;
    p->conv = d->conv;
    p->primitive.layout[OC_SLOT_WEIGHTS] = plain;
    p->primitive.layout[OC_SLOT_DST] = layout[OC_SLOT_WEIGHTS] =
        oc_layout_packed(by_data ? "direct, backward by data" : "direct, forward", &plain.shape,
                         (size_t)d->conv.filter_floats * sizeof(float));
cleanup:
    if (status != OC_OK) {
        oc_primitive_destroy(out);
        oc_primitive_destroy(pack);
    }
    return status;
}

const oc_conv_algorithm oc_conv_direct = {.name = "direct", .supports = supports, .cost = cost, .create = create};
