/* Direct convolution backward by weights by our own kernels. */
#include "compute/conv/direct_weights.h"

#include "base/error.h"
#include "compute/conv/algorithm.h"
#include "compute/internal.h"

typedef struct gradient {
    oc_primitive primitive;
    const oc_direct_weights_kernels *kernels;
    oc_direct conv;
} gradient;

/* What workers share, and whole cache lines. */
static int64_t sums_floats(const oc_direct *conv) {
    return (conv->sums_floats + 15) / 16 * 16;
}

static void unit_task(void *user, int64_t begin, int64_t end, int worker) {
    const gradient *g = user;
    void *const *data = g->primitive.data;
    float *sums = data[OC_SLOT_SCRATCHPAD];
    for (int64_t unit = begin; unit < end; unit++)
        g->kernels->unit(&g->conv, unit, data[OC_SLOT_SRC], data[OC_SLOT_DIFF_DST], data[OC_SLOT_DIFF_BIAS] != NULL,
                         sums, sums + sums_floats(&g->conv) + worker * g->conv.scratch_floats);
}

static void reduce_task(void *user, int64_t begin, int64_t end, int worker) {
    const gradient *g = user;
    void *const *data = g->primitive.data;
    (void)worker;
    g->kernels->reduce(&g->conv, data[OC_SLOT_SCRATCHPAD], data[OC_SLOT_DIFF_WEIGHTS], data[OC_SLOT_DIFF_BIAS], begin,
                       end);
}

static oc_status execute(const oc_primitive *primitive, oc_error *err) {
    const gradient *g = (const gradient *)primitive;
    (void)err;
    oc_primitive_for(primitive, g->conv.units, 1, unit_task);
    oc_primitive_for(primitive, g->conv.dst.blocks, 1, reduce_task);
    return OC_OK;
}

oc_direct oc_conv_direct_of(const oc_engine *engine, const oc_conv_problem *problem) {
    oc_direct conv = {.groups = problem->groups,
                      .kh = problem->kh,
                      .kw = problem->kw,
                      .stride = problem->stride,
                      .pad = problem->pad,
                      .dilation = problem->dilation,
                      .data = problem->pass == OC_CONV_BACKWARD_DATA};
    (void)oc_layout_map(&problem->src, &conv.src);
    (void)oc_layout_map(&problem->dst, &conv.dst);
    oc_engine_kernels(engine, problem->src.dtype)->direct->plan(&conv);
    return conv;
}

oc_status oc_conv_weights_create(oc_primitive **out, oc_engine *engine, const char *layer,
                                 const oc_conv_problem *problem, const oc_direct_weights_kernels *kernels,
                                 oc_error *err) {
    static const oc_primitive_type type = {.size = sizeof(gradient), .execute = execute};
    gradient *g = NULL;
    const oc_status status =
        oc_primitive_create(&g, &type, engine, problem->src.dtype, layer, oc_conv_what(problem->pass), err);
    if (status != OC_OK) return status;
    *out = &g->primitive;
    g->kernels = kernels;
    g->conv = oc_conv_direct_of(engine, problem);
    kernels->plan(&g->conv);
    g->primitive.slow = g->conv.way == OC_DIRECT_ELEMENTS;
    oc_layout *layout = g->primitive.layout;
    layout[OC_SLOT_SRC] = problem->src;
    layout[OC_SLOT_DIFF_DST] = problem->dst;
    layout[OC_SLOT_DIFF_WEIGHTS] = oc_conv_weights_layout(problem);
    if (problem->bias) layout[OC_SLOT_DIFF_BIAS] = oc_conv_bias_layout(problem);
    layout[OC_SLOT_SCRATCHPAD] =
        oc_layout_vector(OC_F32, sums_floats(&g->conv) + oc_team_threads(engine->team) * g->conv.scratch_floats);
    return OC_OK;
}
