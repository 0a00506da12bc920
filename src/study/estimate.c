/* What a study will take: a few training steps and a few batches of validation of each (model, size, batch size), timed
 * on the data set itself. Nothing is written but the packed cache. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "data/batch.h"
#include "eval/evaluator.h"
#include "graph/loss.h"
#include "models/model.h"
#include "study/study.h"
#include "train/optimizer.h"

#define TIMED_STEPS 4
#define TIMED_SECONDS 2.0 /* steps end earlier than that, where they are slow */
#define TIMED_BATCHES 3

/* Seconds of a step, and of the validation of one image. */
typedef struct cost {
    double step, image;
} cost;

/* Everything that a step needs. Start from {0}. */
typedef struct rig {
    oc_team *team;
    oc_slab *slab;
    oc_pack *train, *val;
    oc_batcher *batcher;
    oc_model *model;
    oc_optimizer *optimizer;
    oc_plan *plan;
    oc_evaluator *evaluator;
    float *gradients;
} rig;

static void rig_close(rig *r) {
    oc_evaluator_destroy(&r->evaluator);
    oc_plan_destroy(&r->plan);
    oc_optimizer_destroy(&r->optimizer);
    oc_batcher_destroy(&r->batcher);
    oc_model_destroy(&r->model);
    oc_pack_destroy(&r->train);
    oc_pack_destroy(&r->val);
    oc_slab_destroy(&r->slab);
    oc_team_destroy(&r->team);
    oc_free(r->gradients);
}

static oc_status rig_open(rig *r, const oc_study_task *run, const oc_study_options *options, oc_error *err) {
    oc_status status = OC_OK;
    const oc_recipe_values *values = &run->values;
    const oc_names *classes = oc_dataset_classes(run->dataset);
    const oc_model_options variant = oc_recipe_model_options(values);
    OC_TRY(oc_team_create(&r->team, options->threads, err));
    OC_TRY(oc_slab_create(&r->slab, err));
    oc_team_enter(r->team);
    const oc_pack_options pack = {.size = values->size,
                                  .cache = options->cache,
                                  .skip_bad = options->skip_bad,
                                  .team = r->team,
                                  .progress = options->progress,
                                  .log = options->log};
    OC_TRY(oc_pack_open(&r->train, run->dataset, "train", &pack, err));
    OC_TRY(oc_pack_open(&r->val, run->dataset, "val", &pack, err));
    OC_TRY(oc_model_create(&r->model, values->model_name, (const char *const *)classes->item, classes->count,
                           values->size, &variant, err));
    oc_model_init(r->model, values->seed);
    const oc_table *table = oc_graph_table(r->model->graph);
    OC_TRY(oc_alloc(&r->gradients, oc_table_arena_size(table), sizeof *r->gradients, err));
    OC_TRY(oc_optimizer_create(&r->optimizer, values, table, err));
    oc_batch_options batch = {.batch_size = values->batch_size,
                              .size = values->size,
                              .augment = values->augment,
                              .shuffle = values->shuffle,
                              .drop_last = true,
                              .mixup_alpha = values->mixup_alpha,
                              .seed = values->seed};
    oc_evaluator_options evaluator = {
        .batch_size = values->batch_size, .smoothing = values->label_smoothing, .team = r->team, .slab = r->slab};
    memcpy(batch.mean, r->model->mean, sizeof batch.mean);
    memcpy(batch.std, r->model->std, sizeof batch.std);
    memcpy(evaluator.mean, r->model->mean, sizeof evaluator.mean);
    memcpy(evaluator.std, r->model->std, sizeof evaluator.std);
    OC_TRY(oc_batcher_create(&r->batcher, r->train, &batch, r->team, err));
    const oc_plan_options plan = {.batch = values->batch_size,
                                  .mode = OC_PLAN_TRAIN,
                                  .precision = OC_PRECISION_FP32,
                                  .team = r->team,
                                  .slab = r->slab};
    OC_TRY(oc_plan_create(&r->plan, r->model->graph, &plan, err));
    OC_TRY(oc_evaluator_create(&r->evaluator, r->model->graph, r->val, &evaluator, err));
cleanup:
    return status;
}

/* A training step as the trainer makes it. */
static oc_status step(rig *r, const oc_recipe_values *values, int64_t index, oc_error *err) {
    oc_status status = OC_OK;
    oc_targets targets;
    oc_score score = {0};
    int64_t count = oc_batcher_count(r->batcher);
    oc_batcher_fill(r->batcher, index / count, index % count, oc_plan_src(r->plan), &targets);
    OC_TRY(oc_plan_forward(r->plan, &r->model->weights, err));
    const oc_soft_labels labels = {targets.rows, targets.lambda, targets.label,
                                   targets.lambda < 1 ? targets.mixed : NULL};
    oc_loss_cross_entropy(oc_plan_dst(r->plan), &labels, (int64_t)r->model->classes.count, values->label_smoothing,
                          oc_plan_diff_dst(r->plan), &score, r->team);
    OC_TRY(oc_plan_backward(r->plan, &r->model->weights, r->gradients, err));
    oc_optimizer_step(r->optimizer, r->model->weights.arena, r->gradients, oc_schedule_lr(values, index, count + 1),
                      r->team);
    r->model->weights.version++;
cleanup:
    return status;
}

/* The first batch of a validation warms up, the following ones are timed. */
typedef struct timing {
    double began, seconds;
    int64_t begin, images, batches, timed;
} timing;

static bool on_batch(void *user, const float *logits, const uint32_t *sample, int64_t rows, int64_t done,
                     int64_t total) {
    (void)logits, (void)sample, (void)rows;
    timing *t = user;
    double now = oc_clock_seconds();
    /* Where the first batch is all there is, it must do. */
    if (t->batches == 0 && done < total) {
        t->began = now;
        t->begin = done;
    } else {
        t->seconds = now - t->began;
        t->images = done - t->begin;
    }
    return t->batches++ < TIMED_BATCHES && done < total;
}

static oc_status measure(cost *out, const oc_study_task *run, const oc_study_options *options, oc_error *err) {
    oc_status status = OC_OK;
    rig r = {0};
    OC_TRY(rig_open(&r, run, options, err));
    OC_TRY(step(&r, &run->values, 0, err));
    double began = oc_clock_seconds(), spent = 0;
    int64_t steps = 0;
    while (steps < TIMED_STEPS && spent < TIMED_SECONDS) {
        OC_TRY(step(&r, &run->values, ++steps, err));
        spent = oc_clock_seconds() - began;
    }
    out->step = spent / (double)steps;
    timing t = {.began = oc_clock_seconds()};
    oc_score score;
    oc_error stopped;
    status = oc_evaluator_run(r.evaluator, &r.model->weights, &score, on_batch, &t, &stopped);
    if (status == OC_E_STOPPED) status = OC_OK; /* by on_batch, once it had seen enough */
    if (status != OC_OK) status = oc_fail(err, status, stopped.where, "%s", stopped.message);
    out->image = t.images > 0 ? t.seconds / (double)t.images : 0;
cleanup:
    rig_close(&r);
    return status;
}

static bool alike(const oc_study_task *a, const oc_study_task *b) {
    return strcmp(a->values.model_name, b->values.model_name) == 0 && strcmp(a->values.stem, b->values.stem) == 0 &&
           a->values.stem_pool == b->values.stem_pool && a->values.size == b->values.size &&
           a->values.batch_size == b->values.batch_size;
}

static int64_t split_images(const oc_dataset *dataset, const char *name) {
    const oc_split *split = oc_dataset_split(dataset, name);
    return split ? split->count : 0;
}

/* What the run has left: epochs that its metrics do not show yet, each with a validation, and that before the first. */
static double left(oc_study_task *run, const cost *c, const char *out) {
    int64_t epochs = -1;
    if (oc_study_row_fill(run, out, split_images(run->dataset, "val"), &epochs, NULL) != OC_OK) epochs = -1;
    double validations = (double)(run->values.epochs - epochs), training = (double)run->values.epochs;
    if (epochs > 0) training -= (double)epochs;
    return fmax(0, training) * (double)run->epoch_steps * c->step +
           fmax(0, validations) * (double)split_images(run->dataset, "val") * c->image;
}

/* Every member scores the validation images and those that the ensemble is fitted on. */
static oc_status estimate_ensemble(oc_study *study, const cost *costs, oc_study_data *data, oc_error *err) {
    oc_dataset *dataset = NULL;
    const oc_study_join *join = &study->file.join;
    oc_status status = oc_study_data_get(data, study->ensemble.holdout, &dataset, err);
    if (status != OC_OK) return status;
    bool train = join->fit_on ? strcmp(join->fit_on, "train") == 0 : !oc_dataset_split(dataset, "holdout");
    double images = (double)split_images(dataset, "val");
    if (strcmp(study->ensemble.row.model, "mean") != 0)
        images += (double)split_images(dataset, train ? "train" : "holdout");
    study->ensemble.row.estimate = 0;
    for (size_t i = 0; i < study->ensemble.members; i++)
        study->ensemble.row.estimate += images * costs[study->ensemble.member[i]].image;
    return OC_OK;
}

oc_status oc_study_estimate(oc_study *study, const char *data, const oc_study_options *options, oc_error *err) {
    if (!options || !options->out || options->out[0] == '\0')
        return oc_fail(err, OC_E_USAGE, "--out", "a study needs a folder to write to");
    oc_status status = OC_OK;
    oc_study_data sets = {.path = data};
    cost *costs = NULL;
    OC_TRY(oc_study_check_data(study, &sets, err));
    OC_TRY(oc_alloc(&costs, study->runs, sizeof *costs, err));
    for (size_t i = 0; i < study->runs; i++) {
        oc_study_task *run = &study->run[i];
        size_t same = 0;
        while (same < i && !alike(&study->run[same], run)) same++;
        if (options->stop && *options->stop) {
            status = oc_fail(err, OC_E_STOPPED, study->path, "stopped");
            goto cleanup;
        }
        if (same < i)
            costs[i] = costs[same];
        else
            OC_TRY(measure(&costs[i], run, options, err));
        run->row.estimate = left(run, &costs[i], options->out);
    }
    if (study->joined) OC_TRY(estimate_ensemble(study, costs, &sets, err));
cleanup:
    oc_free(costs);
    oc_study_data_close(&sets);
    return status;
}
