/* The one place that chooses how a convolution is computed. */
#include "compute/conv/conv.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "compute/conv/algorithm.h"
#include "compute/conv/tune.h"
#include "compute/internal.h"

/* Moving a byte costs as much time as so many multiply-adds: a vector processor's peak over its memory's bandwidth,
 * with both processors of a pair at work (Zen 3 to Zen 5: 2.5 to 5). */
#define MACS_PER_BYTE 4.0

double oc_conv_macs(const oc_conv_problem *problem) {
    const oc_shape *src = &problem->src.shape, *dst = &problem->dst.shape;
    const int64_t inputs = src->dim[1] / problem->groups;
    return (double)dst->dim[0] * (double)dst->dim[1] * (double)dst->dim[2] * (double)dst->dim[3] * (double)inputs *
           (double)(problem->kh * problem->kw);
}

double oc_conv_bytes(const oc_conv_problem *problem) {
    const oc_layout weights = oc_conv_weights_layout(problem);
    return (double)oc_layout_bytes(&problem->src) + (double)oc_layout_bytes(&problem->dst) +
           (double)oc_layout_bytes(&weights);
}

double oc_conv_moving(double bytes) {
    return MACS_PER_BYTE * bytes;
}

bool oc_conv_cached(double bytes) {
    return bytes <= 16e6; /* of 32 MB that eight cores share */
}

const char *oc_conv_what(oc_conv_pass pass) {
    static const char *const what[] = {"convolution forward", "convolution backward by data",
                                       "convolution backward by weights"};
    return what[pass];
}

oc_layout oc_conv_weights_layout(const oc_conv_problem *problem) {
    const oc_shape shape = oc_shape_make(4, problem->dst.shape.dim[1], problem->src.shape.dim[1] / problem->groups,
                                         problem->kh, problem->kw);
    return oc_layout_plain(OC_F32, &shape);
}

oc_layout oc_conv_bias_layout(const oc_conv_problem *problem) {
    return oc_layout_vector(OC_F32, problem->dst.shape.dim[1]);
}

const char *oc_conv_algorithm_name(const oc_conv_algorithm *algorithm) {
    return algorithm->name;
}

bool oc_conv_algorithm_is_last(const oc_conv_algorithm *algorithm) {
    return algorithm == &oc_conv_direct;
}

/* Errors grow from layer to layer; batch norm over the batch keeps them from it, the more so the more images there are.
 * With given statistics (inference) a deep net can make a hundred times as much of them. A few images are no great
 * work, and are computed as exactly as possible there; with many, what each algorithm costs the scores and gradients of
 * each model is told in results/exactness.md. Transforms that are rounded to bfloat16 are for gradients, which are no
 * farther off by them. Forward they add as much as rounding the maps does, and that grows from layer to layer: with
 * them everywhere the worst tensor's gradient in seresnet34 comes out up to 2.3 times as far off as by PyTorch's
 * autocast, for 1.4 without (tests/test_golden_bf16_products.c); so forward they are for the smallest maps, the last
 * few layers of a net, where they save most. */
#define MANY_IMAGES 16
#define SMALL_PIXELS 64

static bool good_enough(const oc_conv_algorithm *a, const oc_conv_problem *problem) {
    const bool many = problem->src.shape.dim[0] >= MANY_IMAGES;
    const bool small = problem->dst.shape.dim[2] * problem->dst.shape.dim[3] <= SMALL_PIXELS;
    if (a->exactness == OC_CONV_HALF) return (problem->pass != OC_CONV_FORWARD || small) && !problem->exact;
    if (problem->exact && a->exactness == OC_CONV_COARSE) return false;
    return many || a->exactness == OC_CONV_DIRECT || (a->exactness == OC_CONV_FINE && problem->training);
}

double oc_conv_cost(oc_engine *engine, const oc_conv_algorithm *a, const oc_conv_problem *problem) {
    return good_enough(a, problem) && a->supports(engine, problem)
               ? a->cost(engine, problem) + oc_conv_moving(oc_conv_bytes(problem))
               : HUGE_VAL;
}

/* Puts a candidate where its estimate belongs, behind its equals. */
static void rank(oc_conv_ranking *ranking, const oc_conv_candidate *candidate) {
    int at = ranking->count++;
    assert(ranking->count <= OC_CONV_CANDIDATES);
    for (; at > 0 && ranking->candidate[at - 1].cost > candidate->cost; at--)
        ranking->candidate[at] = ranking->candidate[at - 1];
    ranking->candidate[at] = *candidate;
}

static void rank_all(oc_conv_ranking *out, oc_engine *engine, const oc_conv_problem *problem) {
    oc_conv_problem converted = *problem;
    converted.src = oc_layout_blocked(problem->src.dtype, &problem->src.shape, oc_engine_block(engine));
    const bool converts = problem->pass == OC_CONV_FORWARD && !oc_layout_equal(&problem->src, &converted.src);
    const double conversion =
        oc_conv_moving((double)oc_layout_bytes(&problem->src) + (double)oc_layout_bytes(&converted.src));
    out->count = 0;
    for (const oc_conv_algorithm *const *a = oc_conv_algorithms; *a; a++) {
        const double as_it_is = oc_conv_cost(engine, *a, problem);
        const double other = converts ? oc_conv_cost(engine, *a, &converted) + conversion : HUGE_VAL;
        const bool better = other < as_it_is;
        const oc_conv_candidate candidate = {
            .algorithm = *a, .src = better ? converted.src : problem->src, .cost = better ? other : as_it_is};
        if (candidate.cost < HUGE_VAL) rank(out, &candidate);
    }
}

/* Moves the algorithm called `name` to the front, the others keeping their order; false when it is not there. */
static bool prefer(oc_conv_ranking *ranking, const char *name) {
    for (int i = 0; name && i < ranking->count; i++) {
        if (strcmp(ranking->candidate[i].algorithm->name, name) != 0) continue;
        const oc_conv_candidate preferred = ranking->candidate[i];
        memmove(&ranking->candidate[1], &ranking->candidate[0], (size_t)i * sizeof preferred);
        ranking->candidate[0] = preferred;
        return true;
    }
    return false;
}

oc_status oc_conv_choose(oc_conv_ranking *out, oc_engine *engine, oc_conv_problem *problem, const char *preferred,
                         oc_tuner *tuner, oc_error *err) {
    oc_status status = OC_OK;
    rank_all(out, engine, problem);
    if (!prefer(out, preferred) && tuner) OC_TRY(oc_tuner_order(tuner, engine, problem, out, err));
    problem->src = out->candidate[0].src;
cleanup:
    return status;
}

oc_status oc_conv_create(oc_primitive **out, oc_primitive **pack, oc_engine *engine, const char *layer,
                         const oc_conv_algorithm *algorithm, const oc_conv_problem *problem, oc_error *err) {
    *out = *pack = NULL;
    const oc_status status = algorithm->create(out, pack, engine, layer, problem, err);
    if (status == OC_OK) (*out)->algorithm = algorithm->name;
    return status;
}
