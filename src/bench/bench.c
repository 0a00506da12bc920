/* Measuring a model: the true training step, from pixels to updated weights, part by part and operator by operator. */
#include "ocelli/bench.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/images.h"
#include "bench/inference.h"
#include "bench/peak.h"
#include "models/precision.h"
#include "train/step.h"

#define STEPS_MOST 1000
#define STEPS_LEAST 5
#define WARM_STEPS 2
#define PROFILED_STEPS 3
#define TIMED_SECONDS 5.0
#define PEAK_SECONDS 0.5
#define IMAGES_LEAST 640
#define KINDS_MOST 64

/* Parts of a step. */
enum { DATA, FORWARD, LOSS, BACKWARD, OPTIMIZER, PARTS };
static const char *const part_names[PARTS] = {"data", "forward", "loss", "backward", "optimizer"};

typedef struct bench {
    oc_model *model;
    oc_recipe *recipe;
    oc_recipe_values values;
    oc_team *team;
    oc_slab *slab;
    oc_tuner *tuner;
    oc_train_step step;
    oc_plan *infer;
    oc_bench_images *images; /* NULL: the batch stays as it is */
    oc_batcher *batcher;
    float *input;    /* without images: what every step computes on */
    int32_t *labels; /* without images */
    int64_t batch, size, classes, input_count, next;
    double *part[PARTS + 1]; /* [STEPS_MOST] seconds of each step; the last: of the whole */
    int64_t steps;
    oc_inference_time inference;
} bench;

/* ---- setting up ---- */

/* Batches of augmented and mixed generated images, or one batch of noise. */
static oc_status make_input(bench *b, bool augment, oc_error *err) {
    oc_status status = OC_OK;
    b->input_count = b->batch * 3 * b->size * b->size;
    if (augment) {
        int64_t count = 4 * b->batch > IMAGES_LEAST ? 4 * b->batch : IMAGES_LEAST;
        const oc_batch_options options = oc_train_step_batch_options(&b->values, b->model);
        OC_TRY(oc_bench_images_create(&b->images, count, b->size, b->team, err));
        OC_TRY(oc_batcher_create(&b->batcher, oc_bench_images_pack(b->images), &options, b->team, err));
        goto cleanup;
    }
    OC_TRY(oc_alloc(&b->input, (size_t)b->input_count, sizeof *b->input, err));
    OC_TRY(oc_alloc(&b->labels, (size_t)b->batch, sizeof *b->labels, err));
    oc_random random;
    oc_random_init(&random, 0, OC_RANDOM_TEST, 0, 0);
    for (int64_t i = 0; i < b->input_count; i++) b->input[i] = (float)oc_random_normal(&random);
    for (int64_t i = 0; i < b->batch; i++) b->labels[i] = (int32_t)oc_random_below(&random, (uint32_t)b->classes);
cleanup:
    return status;
}

/* What the model or the recipe cannot do in itself is refused before this: it is the batch that does not do. */
static oc_status open_step(bench *b, oc_error *err) {
    oc_error why = {0};
    const oc_plan_guide guide = {.tuner = b->tuner};
    const oc_status status =
        oc_train_step_open(&b->step, &b->values, b->model->graph, &b->model->weights, &guide, b->team, b->slab, &why);
    if (status == OC_OK) return OC_OK;
    if (status != OC_E_USAGE) return oc_fail(err, status, why.where, "%s", why.message);
    return oc_fail(err, status, "--batch-size",
                   "%s cannot be trained in batches of %lld (%s: %s); --infer measures inference alone",
                   b->model->entry->name, (long long)b->batch, why.where, why.message);
}

static oc_status open_bench(bench *b, const char *name, const oc_bench_options *options, oc_error *err) {
    oc_status status = OC_OK;
    b->batch = options->batch_size > 0 ? options->batch_size : 64;
    b->size = options->size > 0 ? options->size : 64;
    b->classes = options->classes > 0 ? options->classes : 200;
    if (options->augment && b->classes < 10) {
        status = oc_fail(err, OC_E_USAGE, "classes", "the generated images need at least 10 classes");
        goto cleanup;
    }
    for (int p = 0; p <= PARTS; p++) OC_TRY(oc_alloc(&b->part[p], STEPS_MOST, sizeof *b->part[p], err));
    OC_TRY(oc_bench_model_create(&b->model, name, b->classes, b->size, err));
    OC_TRY(oc_recipe_create(&b->recipe, err));
    b->values = oc_recipe_resolve(b->recipe);
    b->values.batch_size = b->batch;
    b->values.size = b->size;
    if (options->precision) b->values.precision = options->precision;
    OC_TRY(oc_team_create(&b->team, options->threads, err));
    oc_team_log(b->team, &options->log);
    oc_team_enter(b->team);
    OC_TRY(oc_slab_create(&b->slab, err));
    OC_TRY(oc_bench_tuner_create(&b->tuner, options, b->team, err));
    OC_TRY(open_step(b, err));
    OC_TRY(make_input(b, options->augment, err));
    const oc_plan_options plan = {.batch = b->batch,
                                  .mode = OC_PLAN_INFER,
                                  .precision = b->step.precision,
                                  .team = b->team,
                                  .slab = b->slab,
                                  .guide = {.tuner = b->tuner}};
    OC_TRY(oc_plan_create(&b->infer, b->model->graph, &plan, err));
    oc_tuner_keep(b->tuner);
cleanup:
    return status;
}

static void close_bench(bench *b) {
    oc_plan_destroy(&b->infer);
    oc_train_step_close(&b->step);
    oc_batcher_destroy(&b->batcher);
    oc_bench_images_destroy(&b->images);
    oc_slab_destroy(&b->slab);
    oc_tuner_destroy(&b->tuner);
    oc_team_destroy(&b->team);
    oc_recipe_destroy(&b->recipe);
    oc_model_destroy(&b->model);
    oc_free(b->input);
    oc_free(b->labels);
    for (int p = 0; p <= PARTS; p++) oc_free(b->part[p]);
}

/* ---- measuring ---- */

/* One training step; seconds[PARTS + 1] of its parts and the whole. */
static oc_status make_step(bench *b, double *seconds, oc_error *err) {
    oc_status status = OC_OK;
    double at[PARTS + 1];
    oc_soft_labels labels = {.rows = b->batch, .lambda = 1, .label = b->labels};
    oc_score score = {0};
    double norm = 0;
    const int64_t index = b->next++;
    at[DATA] = oc_clock_seconds();
    if (b->batcher) {
        oc_targets targets;
        int64_t count = oc_batcher_count(b->batcher);
        oc_batcher_fill(b->batcher, index / count, index % count, oc_plan_src(b->step.plan), &targets);
        labels = oc_train_step_labels(&targets);
    } else {
        memcpy(oc_plan_src(b->step.plan), b->input, (size_t)b->input_count * sizeof *b->input);
    }
    at[FORWARD] = oc_clock_seconds();
    OC_TRY(oc_train_step_forward(&b->step, index, err));
    at[LOSS] = oc_clock_seconds();
    oc_train_step_loss(&b->step, &labels, &score);
    at[BACKWARD] = oc_clock_seconds();
    OC_TRY(oc_train_step_backward(&b->step, &norm, err));
    at[OPTIMIZER] = oc_clock_seconds();
    (void)oc_train_step_update(&b->step, index, 2 * STEPS_MOST);
    at[PARTS] = oc_clock_seconds();
    for (int p = 0; p < PARTS; p++) seconds[p] = at[p + 1] - at[p];
    seconds[PARTS] = at[PARTS] - at[DATA];
cleanup:
    return status;
}

static oc_status measure_training(bench *b, int64_t steps, oc_error *err) {
    oc_status status = OC_OK;
    double seconds[PARTS + 1];
    for (int i = 0; i < WARM_STEPS; i++) OC_TRY(make_step(b, seconds, err));
    /* Enough steps for about five seconds, going by the warm ones. */
    int64_t wanted = steps > 0 ? steps : (int64_t)(TIMED_SECONDS / seconds[PARTS]);
    if (steps == 0 && wanted < STEPS_LEAST) wanted = STEPS_LEAST;
    b->steps = wanted < STEPS_MOST ? wanted : STEPS_MOST;
    for (int64_t i = 0; i < b->steps; i++) {
        OC_TRY(make_step(b, seconds, err));
        for (int p = 0; p <= PARTS; p++) b->part[p][i] = seconds[p];
    }
    /* The operators apart, since taking their times costs a little. */
    oc_plan_profile(b->step.plan, true);
    oc_plan_profile_reset(b->step.plan);
    for (int i = 0; i < PROFILED_STEPS; i++) OC_TRY(make_step(b, seconds, err));
    oc_plan_profile(b->step.plan, false);
cleanup:
    return status;
}

/* ---- telling ---- */

/* Sums of all operators of one kind, per step. */
typedef struct kind {
    const char *op;
    double forward, backward_data, backward_weights, reorder, flops;
} kind;

static int compare_kinds(const void *a, const void *b) {
    const kind *x = a, *y = b;
    double s = x->forward + x->backward_data + x->backward_weights + x->reorder;
    double t = y->forward + y->backward_data + y->backward_weights + y->reorder;
    return (s < t) - (s > t);
}

static json_t *kinds_json(const bench *b, double *flops) {
    kind kinds[KINDS_MOST];
    size_t count = 0;
    double all = 0;
    *flops = 0;
    for (int i = 0; i < oc_plan_node_times(b->step.plan); i++) {
        oc_node_time t = oc_plan_node_time(b->step.plan, i);
        size_t k = 0;
        while (k < count && strcmp(kinds[k].op, t.op) != 0) k++;
        if (k == KINDS_MOST) continue;
        if (k == count) kinds[count++] = (kind){.op = t.op};
        kinds[k].forward += t.forward / PROFILED_STEPS;
        kinds[k].backward_data += t.backward_data / PROFILED_STEPS;
        kinds[k].backward_weights += t.backward_weights / PROFILED_STEPS;
        kinds[k].reorder += t.reorder / PROFILED_STEPS;
        kinds[k].flops += t.flops_forward + t.flops_backward;
        *flops += t.flops_forward + t.flops_backward;
        all += (t.forward + t.backward_data + t.backward_weights + t.reorder) / PROFILED_STEPS;
    }
    qsort(kinds, count, sizeof *kinds, compare_kinds);
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++) {
        const kind *x = &kinds[k];
        double seconds = x->forward + x->backward_data + x->backward_weights + x->reorder;
        json_array_append_new(
            list, json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "op", x->op, "share", all > 0 ? seconds / all : 0,
                            "gflops", seconds > 0 ? 1e-9 * x->flops / seconds : 0, "forward_seconds", x->forward,
                            "backward_data_seconds", x->backward_data, "backward_weights_seconds", x->backward_weights,
                            "reorder_seconds", x->reorder));
    }
    return list;
}

static oc_status tell(char **json, bench *b, double peak, oc_error *err) {
    oc_status status = OC_OK;
    double flops, data = 0, whole = 0;
    for (int64_t i = 0; i < b->steps; i++) {
        data += b->part[DATA][i];
        whole += b->part[PARTS][i];
    }
    json_t *operators = kinds_json(b, &flops), *parts = json_object(), *object = NULL;
    for (int p = 0; p < PARTS; p++)
        json_object_set_new(parts, part_names[p], json_real(oc_bench_quantile(b->part[p], b->steps, 0.5)));
    double seconds = oc_bench_quantile(b->part[PARTS], b->steps, 0.5), rate = 1e-9 * flops / seconds;
    json_object_set_new(parts, "step", json_real(seconds));
    object = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:i, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o}", "model",
        b->model->entry->name, "precision", oc_precision_name(b->step.precision), "batch_size", (json_int_t)b->batch,
        "size", (json_int_t)b->size, "classes", (json_int_t)b->classes, "threads", oc_team_threads(b->team),
        "parameters", (json_int_t)oc_table_parameters(oc_graph_table(b->model->graph)), "steps", (json_int_t)b->steps,
        "images_per_second", (double)b->batch / seconds, "gflops", rate, "peak_gflops", peak, "peak_share",
        peak > 0 ? rate / peak : 0, "data_share", whole > 0 ? data / whole : 0, "inference_images_per_second",
        (double)b->batch / b->inference.median, "seconds", parts, "operators", operators);
    if (!object) {
        status = oc_fail(err, OC_E_MEMORY, NULL, "out of memory for JSON");
        goto cleanup;
    }
    OC_TRY(oc_json_text(json, object, err));
cleanup:
    json_decref(object);
    return status;
}

oc_status oc_bench_model(char **json, const char *model, const oc_bench_options *options, oc_error *err) {
    oc_status status = OC_OK;
    bench b = {0};
    const oc_bench_options defaults = {0};
    *json = NULL;
    if (!options) options = &defaults;
    OC_TRY(open_bench(&b, model, options, err));
    oc_log_line(&options->log, OC_LOG_INFO, "%s: batch %lld on %d threads", model, (long long)b.batch,
                oc_team_threads(b.team));
    double before = oc_peak_gflops(b.team, PEAK_SECONDS);
    OC_TRY(measure_training(&b, options->steps, err));
    OC_TRY(oc_inference_measure(&b.inference, b.infer, &b.model->weights, b.input_count, options->steps, err));
    double after = oc_peak_gflops(b.team, PEAK_SECONDS);
    OC_TRY(tell(json, &b, before > after ? before : after, err));
cleanup:
    close_bench(&b);
    return status;
}

void oc_bench_free(char *json) {
    oc_free(json);
}
