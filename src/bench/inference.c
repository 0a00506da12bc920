/* Measuring inference: the forward pass of an evaluation, of one image and of a batch. */
#include "bench/inference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/peak.h"
#include "models/precision.h"

#define STEPS_LEAST 20
#define STEPS_MOST 1000
#define TIMED_SECONDS 2.0
#define WARM_STEPS 3
#define WARM_SECONDS 0.3
#define PEAK_SECONDS 0.5

oc_status oc_bench_model_create(oc_model **out, const char *name, int64_t classes, int64_t size, oc_error *err) {
    oc_status status = OC_OK;
    oc_names names = {0};
    for (int64_t i = 0; i < classes; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)i);
        OC_TRY(oc_names_add(&names, text, err));
    }
    OC_TRY(oc_model_create(out, name, (const char *const *)names.item, names.count, size, NULL, err));
    oc_model_init(*out, 0);
cleanup:
    oc_names_free(&names);
    return status;
}

oc_status oc_bench_tuner_create(oc_tuner **out, const oc_bench_options *options, const oc_team *team, oc_error *err) {
    oc_tune tune;
    const oc_status status = oc_tune_find(&tune, options->tune, "--tune", err);
    return status == OC_OK ? oc_tuner_create(out, tune, NULL, team, &options->log, err) : status;
}

static int compare_reals(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double oc_bench_quantile(double *values, int64_t count, double share) {
    qsort(values, (size_t)count, sizeof *values, compare_reals);
    const double place = share * (double)(count - 1);
    const int64_t below = (int64_t)floor(place);
    const double rest = place - (double)below;
    return rest > 0 ? (1 - rest) * values[below] + rest * values[below + 1] : values[below];
}

/* Seconds of one pass over `input`. */
static oc_status make_pass(oc_plan *plan, oc_weights *weights, const float *input, int64_t count, double *seconds,
                           oc_error *err) {
    const double began = oc_clock_seconds();
    memcpy(oc_plan_src(plan), input, (size_t)count * sizeof *input);
    const oc_status status = oc_plan_forward(plan, weights, err);
    *seconds = oc_clock_seconds() - began;
    return status;
}

oc_status oc_inference_measure(oc_inference_time *out, oc_plan *plan, oc_weights *weights, int64_t count, int64_t steps,
                               oc_error *err) {
    oc_status status = OC_OK;
    float *input = NULL;
    double *seconds = NULL, one = 0;
    oc_random random;
    OC_TRY(oc_alloc(&input, (size_t)count, sizeof *input, err));
    oc_random_init(&random, 0, OC_RANDOM_TEST, 0, 0);
    for (int64_t i = 0; i < count; i++) input[i] = (float)oc_random_normal(&random);
    const double began = oc_clock_seconds();
    for (int i = 0; i < WARM_STEPS || (steps == 0 && i < STEPS_MOST && oc_clock_seconds() - began < WARM_SECONDS); i++)
        OC_TRY(make_pass(plan, weights, input, count, &one, err));
    if (steps == 0) {
        /* Going by the last warm one. */
        const double wanted = TIMED_SECONDS / fmax(one, 1e-6);
        steps = wanted < STEPS_LEAST ? STEPS_LEAST : wanted < STEPS_MOST ? (int64_t)wanted : STEPS_MOST;
    }
    OC_TRY(oc_alloc(&seconds, (size_t)steps, sizeof *seconds, err));
    for (int64_t i = 0; i < steps; i++) OC_TRY(make_pass(plan, weights, input, count, &seconds[i], err));
    *out = (oc_inference_time){.median = oc_bench_quantile(seconds, steps, 0.5),
                               .p90 = oc_bench_quantile(seconds, steps, 0.9),
                               .steps = steps};
cleanup:
    oc_free(input);
    oc_free(seconds);
    return status;
}

/* The same for a batch size, with a plan of its own; *flops: of a pass. */
static oc_status measure_batch(oc_inference_time *out, double *flops, oc_model *model, int64_t batch,
                               oc_precision precision, int64_t steps, oc_tuner *tuner, oc_team *team, oc_slab *slab,
                               oc_error *err) {
    oc_status status = OC_OK;
    oc_plan *plan = NULL;
    const oc_plan_options options = {.batch = batch,
                                     .mode = OC_PLAN_INFER,
                                     .precision = precision,
                                     .team = team,
                                     .slab = slab,
                                     .guide = {.tuner = tuner}};
    OC_TRY(oc_plan_create(&plan, model->graph, &options, err));
    oc_tuner_keep(tuner);
    OC_TRY(oc_inference_measure(out, plan, &model->weights, batch * 3 * model->size * model->size, steps, err));
    *flops = 0;
    for (int i = 0; i < oc_plan_node_times(plan); i++) *flops += oc_plan_node_time(plan, i).flops_forward;
cleanup:
    oc_plan_destroy(&plan);
    return status;
}

oc_status oc_bench_inference(char **json, const char *name, const oc_bench_options *options, oc_error *err) {
    oc_status status = OC_OK;
    const oc_bench_options defaults = {0};
    oc_model *model = NULL;
    oc_team *team = NULL;
    oc_slab *slab = NULL;
    oc_tuner *tuner = NULL;
    json_t *object = NULL;
    oc_inference_time one, many;
    oc_precision precision;
    double flops = 0;
    *json = NULL;
    if (!options) options = &defaults;
    OC_TRY(oc_precision_find(&precision, options->precision, "--precision", err));
    const int64_t batch = options->batch_size > 0 ? options->batch_size : 64;
    OC_TRY(oc_bench_model_create(&model, name, options->classes > 0 ? options->classes : 200,
                                 options->size > 0 ? options->size : 64, err));
    OC_TRY(oc_team_create(&team, options->threads, err));
    oc_team_log(team, &options->log);
    oc_team_enter(team);
    OC_TRY(oc_slab_create(&slab, err));
    OC_TRY(oc_bench_tuner_create(&tuner, options, team, err));
    oc_log_line(&options->log, OC_LOG_INFO, "%s: inference, batch %lld on %d threads", name, (long long)batch,
                oc_team_threads(team));
    const double before = oc_peak_gflops(team, PEAK_SECONDS);
    OC_TRY(measure_batch(&one, &flops, model, 1, precision, options->steps, tuner, team, slab, err));
    many = one;
    if (batch > 1)
        OC_TRY(measure_batch(&many, &flops, model, batch, precision, options->steps, tuner, team, slab, err));
    const double after = oc_peak_gflops(team, PEAK_SECONDS), peak = fmax(before, after),
                 rate = 1e-9 * flops / many.median;
    object =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:i, s:I, s:f, s:f, s:I, s:f, s:I, s:f, s:f, s:f}", "model",
                  model->entry->name, "precision", oc_precision_name(precision), "batch_size", (json_int_t)batch,
                  "size", (json_int_t)model->size, "classes", (json_int_t)model->classes.count, "threads",
                  oc_team_threads(team), "parameters", (json_int_t)oc_table_parameters(oc_graph_table(model->graph)),
                  "latency_seconds", one.median, "latency_p90_seconds", one.p90, "latency_steps", (json_int_t)one.steps,
                  "inference_images_per_second", (double)batch / many.median, "inference_steps", (json_int_t)many.steps,
                  "inference_gflops", rate, "peak_gflops", peak, "inference_peak_share", peak > 0 ? rate / peak : 0);
    if (!object) {
        status = oc_fail(err, OC_E_MEMORY, NULL, "out of memory for JSON");
        goto cleanup;
    }
    OC_TRY(oc_json_text(json, object, err));
cleanup:
    json_decref(object);
    oc_tuner_destroy(&tuner);
    oc_slab_destroy(&slab);
    oc_team_destroy(&team);
    oc_model_destroy(&model);
    return status;
}
