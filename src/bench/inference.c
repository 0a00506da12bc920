/* Measuring inference: the forward pass of an evaluation, from images in memory to logits. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "bench/run.h"

typedef struct pass {
    oc_plan *plan;
    oc_weights *weights;
    const float *input;
    size_t bytes;
} pass;

static oc_status make_pass(void *user, int64_t index, oc_error *err) {
    const pass *p = user;
    (void)index;
    memcpy(oc_plan_src(p->plan), p->input, p->bytes);
    return oc_plan_forward(p->plan, p->weights, err);
}

oc_status oc_bench_inference(json_t **out, oc_bench_run *run, int64_t batch, oc_error *err) {
    oc_status status = OC_OK;
    float *input = NULL;
    oc_plan *plan = NULL;
    oc_slab *slab = NULL;
    oc_bench_times times;
    const int64_t count = batch * 3 * run->size * run->size;
    *out = NULL;
    oc_memory_peak_reset();
    OC_TRY(oc_slab_create(&slab, err));
    const oc_plan_options options = {.batch = batch,
                                     .mode = OC_PLAN_INFER,
                                     .precision = run->precision,
                                     .team = run->team,
                                     .slab = slab,
                                     .guide = {.tuner = run->tuner}};
    OC_TRY(oc_bench_noise(&input, count, err));
    OC_TRY(oc_plan_create(&plan, run->model->graph, &options, err));
    oc_tuner_keep(run->tuner);
    pass p = {plan, &run->model->weights, input, (size_t)count * sizeof *input};
    OC_TRY(oc_bench_time(&times, run, plan, batch, make_pass, &p, err));
    times.memory = oc_memory_peak();
    OC_TRY(oc_bench_tell(out, run, batch == 1 ? "inference of one image" : "inference", &times, err));
cleanup:
    oc_plan_destroy(&plan);
    oc_slab_destroy(&slab);
    oc_free(input);
    return status;
}
