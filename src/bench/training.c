/* Measuring training: the true step, from pixels to updated weights, part by part. */
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench/images.h"
#include "bench/run.h"
#include "train/step.h"

#define IMAGES_LEAST 640

/* Parts of a step. */
enum { DATA, FORWARD, LOSS, BACKWARD, OPTIMIZER, PARTS };
static const char *const part_names[PARTS] = {"data", "forward", "loss", "backward", "optimizer"};

typedef struct training {
    const oc_bench_run *run;
    oc_slab *slab; /* of its own, so that what is measured behind it does not have its memory */
    oc_recipe *recipe;
    oc_recipe_values values;
    oc_train_step step;
    oc_bench_images *images; /* NULL: the batch stays as it is */
    oc_batcher *batcher;
    float *input;    /* without images: what every step computes on */
    int32_t *labels; /* without images */
    int64_t input_count, next;
    double *part[PARTS]; /* [OC_BENCH_STEPS_MOST] seconds of each timed step */
} training;

/* Batches of augmented and mixed generated images, or one batch of noise. */
static oc_status make_input(training *t, oc_error *err) {
    oc_status status = OC_OK;
    const oc_bench_run *run = t->run;
    t->input_count = run->batch * 3 * run->size * run->size;
    if (run->options->augment) {
        int64_t count = 4 * run->batch > IMAGES_LEAST ? 4 * run->batch : IMAGES_LEAST;
        const oc_batch_options options = oc_train_step_batch_options(&t->values, run->model);
        OC_TRY(oc_bench_images_create(&t->images, count, run->size, run->team, err));
        OC_TRY(oc_batcher_create(&t->batcher, oc_bench_images_pack(t->images), &options, run->team, err));
        goto cleanup;
    }
    OC_TRY(oc_bench_noise(&t->input, t->input_count, err));
    OC_TRY(oc_alloc(&t->labels, (size_t)run->batch, sizeof *t->labels, err));
    for (int64_t i = 0; i < run->batch; i++) t->labels[i] = (int32_t)(i % run->classes);
cleanup:
    return status;
}

/* What the model or the recipe cannot do in itself is refused before this: it is the batch that does not do. */
static oc_status open_step(training *t, oc_error *err) {
    oc_error why = {0};
    oc_model *model = t->run->model;
    const oc_plan_guide guide = {.tuner = t->run->tuner};
    const oc_status status =
        oc_train_step_open(&t->step, &t->values, model->graph, &model->weights, &guide, t->run->team, t->slab, &why);
    oc_tuner_keep(t->run->tuner);
    if (status == OC_OK) return OC_OK;
    if (status != OC_E_USAGE) return oc_fail(err, status, why.where, "%s", why.message);
    return oc_fail(err, status, "--batch-size",
                   "%s cannot be trained in batches of %lld (%s: %s); --infer measures inference alone",
                   model->entry->name, (long long)t->run->batch, why.where, why.message);
}

static oc_status open_training(training *t, oc_error *err) {
    oc_status status = OC_OK;
    for (int p = 0; p < PARTS; p++) OC_TRY(oc_alloc(&t->part[p], OC_BENCH_STEPS_MOST, sizeof *t->part[p], err));
    OC_TRY(oc_recipe_create(&t->recipe, err));
    t->values = oc_recipe_resolve(t->recipe);
    t->values.batch_size = t->run->batch;
    t->values.size = t->run->size;
    if (t->run->options->precision) t->values.precision = t->run->options->precision;
    OC_TRY(oc_slab_create(&t->slab, err));
    OC_TRY(open_step(t, err));
    OC_TRY(make_input(t, err));
cleanup:
    return status;
}

static void close_training(training *t) {
    oc_train_step_close(&t->step);
    oc_batcher_destroy(&t->batcher);
    oc_bench_images_destroy(&t->images);
    oc_slab_destroy(&t->slab);
    oc_recipe_destroy(&t->recipe);
    oc_free(t->input);
    oc_free(t->labels);
    for (int p = 0; p < PARTS; p++) oc_free(t->part[p]);
}

/* The next batch into the plan, and its labels. */
static oc_soft_labels make_batch(training *t, int64_t index) {
    if (!t->batcher) {
        memcpy(oc_plan_src(t->step.plan), t->input, (size_t)t->input_count * sizeof *t->input);
        return (oc_soft_labels){.rows = t->run->batch, .lambda = 1, .label = t->labels};
    }
    oc_targets targets;
    const int64_t count = oc_batcher_count(t->batcher);
    oc_batcher_fill(t->batcher, index / count, index % count, oc_plan_src(t->step.plan), &targets);
    return oc_train_step_labels(&targets);
}

static oc_status make_step(void *user, int64_t timed, oc_error *err) {
    oc_status status = OC_OK;
    training *t = user;
    double at[PARTS + 1], norm = 0;
    oc_score score = {0};
    const int64_t index = t->next++;
    at[DATA] = oc_clock_seconds();
    const oc_soft_labels labels = make_batch(t, index);
    at[FORWARD] = oc_clock_seconds();
    OC_TRY(oc_train_step_forward(&t->step, index, err));
    at[LOSS] = oc_clock_seconds();
    oc_train_step_loss(&t->step, &labels, &score);
    at[BACKWARD] = oc_clock_seconds();
    OC_TRY(oc_train_step_backward(&t->step, &norm, err));
    at[OPTIMIZER] = oc_clock_seconds();
    (void)oc_train_step_update(&t->step, index, 2 * OC_BENCH_STEPS_MOST);
    at[PARTS] = oc_clock_seconds();
    for (int p = 0; timed >= 0 && p < PARTS; p++) t->part[p][timed] = at[p + 1] - at[p];
cleanup:
    return status;
}

/* The medians of the parts, and what share the preparing of data has in them. */
static oc_status tell_parts(json_t *to, training *t, int64_t steps, oc_error *err) {
    oc_status status = OC_OK;
    json_t *parts = json_object();
    double all = 0, data = 0;
    for (int p = 0; p < PARTS; p++) {
        const double seconds = oc_bench_quantile(t->part[p], steps, 0.5);
        OC_TRY(oc_json_put(parts, part_names[p], json_real(seconds), err));
        all += seconds;
        if (p == DATA) data = seconds;
    }
    OC_TRY(oc_json_put(to, "part_seconds", json_incref(parts), err));
    OC_TRY(oc_json_put(to, "data_share", json_real(data / all), err));
cleanup:
    json_decref(parts);
    return status;
}

oc_status oc_bench_training(json_t **out, oc_bench_run *run, oc_error *err) {
    oc_status status = OC_OK;
    training t = {.run = run};
    oc_bench_times times;
    *out = NULL;
    if (run->options->augment && run->classes < 10) {
        status = oc_fail(err, OC_E_USAGE, "classes", "the generated images need at least 10 classes");
        goto cleanup;
    }
    oc_memory_peak_reset();
    OC_TRY(open_training(&t, err));
    OC_TRY(oc_bench_time(&times, run, t.step.plan, run->batch, make_step, &t, err));
    times.memory = oc_memory_peak();
    OC_TRY(oc_bench_tell(out, run, "training", &times, err));
    OC_TRY(tell_parts(*out, &t, times.count, err));
cleanup:
    close_training(&t);
    return status;
}
