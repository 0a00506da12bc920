/* What a study will take: a few training steps and a few batches of validation, timed on the data set itself, of each
 * kind of run, which is what differs in more than values that cost no time. Nothing is written but the packed cache. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "eval/evaluator.h"
#include "ocelli/recipe.h"
#include "study/study.h"
#include "train/step.h"

#define TIMED_STEPS 4
#define TIMED_SECONDS 2.0 /* steps end earlier than that, where they are slow */
#define TIMED_BATCHES 3

/* Seconds of a step, and of the validation of one image, on so many threads. */
typedef struct cost {
    double step, image;
    int threads;
} cost;

/* Everything that a step needs. Start from {0}. */
typedef struct rig {
    oc_team *team;
    oc_slab *slab;
    oc_pack *train, *val;
    oc_batcher *batcher;
    oc_model *model;
    oc_train_step step;
    oc_evaluator *evaluator;
} rig;

static void rig_close(rig *r) {
    oc_evaluator_destroy(&r->evaluator);
    oc_train_step_close(&r->step);
    oc_batcher_destroy(&r->batcher);
    oc_model_destroy(&r->model);
    oc_pack_destroy(&r->train);
    oc_pack_destroy(&r->val);
    oc_slab_destroy(&r->slab);
    oc_team_destroy(&r->team);
}

static oc_status rig_open(rig *r, const oc_study_task *run, const oc_study_options *options, oc_error *err) {
    oc_status status = OC_OK;
    const oc_recipe_values *values = &run->values;
    const oc_names *classes = oc_dataset_classes(run->dataset);
    const oc_model_options variant = oc_recipe_model_options(values);
    const oc_image_options image = oc_recipe_values_image(values);
    OC_TRY(oc_team_create(&r->team, options->threads, err));
    OC_TRY(oc_slab_create(&r->slab, err));
    oc_team_log(r->team, &options->log);
    oc_team_enter(r->team);
    const oc_pack_options pack = {.size = values->size,
                                  .image = &image,
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
    const oc_batch_options batch = oc_train_step_batch_options(values, r->model);
    OC_TRY(oc_batcher_create(&r->batcher, r->train, &batch, r->team, err));
    OC_TRY(oc_train_step_open(&r->step, values, r->model->graph, &r->model->weights, NULL, r->team, r->slab, err));
    oc_evaluator_options evaluator = {.batch_size = values->batch_size,
                                      .precision = r->step.precision,
                                      .smoothing = values->label_smoothing,
                                      .team = r->team,
                                      .slab = r->slab};
    memcpy(evaluator.mean, r->model->mean, sizeof evaluator.mean);
    memcpy(evaluator.std, r->model->std, sizeof evaluator.std);
    OC_TRY(oc_evaluator_create(&r->evaluator, r->model->graph, r->val, &evaluator, err));
cleanup:
    return status;
}

/* A training step of the run, whatever comes of it: of these weights nothing is kept. */
static oc_status make_step(rig *r, int64_t index, oc_error *err) {
    oc_status status = OC_OK;
    oc_targets targets;
    oc_score score = {0};
    double norm = 0;
    const int64_t count = oc_batcher_count(r->batcher);
    oc_batcher_fill(r->batcher, index / count, index % count, oc_plan_src(r->step.plan), &targets);
    const oc_soft_labels labels = oc_train_step_labels(&targets);
    OC_TRY(oc_train_step_forward(&r->step, index, err));
    oc_train_step_loss(&r->step, &labels, &score);
    OC_TRY(oc_train_step_backward(&r->step, &norm, err));
    (void)oc_train_step_update(&r->step, index, count * r->step.values->epochs);
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
    out->threads = oc_team_threads(r.team);
    OC_TRY(make_step(&r, 0, err));
    double began = oc_clock_seconds(), spent = 0;
    int64_t steps = 0;
    while (steps < TIMED_STEPS && spent < TIMED_SECONDS) {
        OC_TRY(make_step(&r, ++steps, err));
        spent = oc_clock_seconds() - began;
    }
    out->step = spent / (double)steps;
    timing t = {.began = oc_clock_seconds()};
    oc_score score;
    oc_error stopped;
    oc_weights *weights = r.step.average.arena ? &r.step.average : &r.model->weights;
    status = oc_evaluator_run(r.evaluator, weights, &score, on_batch, &t, &stopped);
    if (status == OC_E_STOPPED) status = OC_OK; /* by on_batch, once it had seen enough */
    if (status != OC_OK) status = oc_fail(err, status, stopped.where, "%s", stopped.message);
    out->image = t.images > 0 ? t.seconds / (double)t.images : 0;
cleanup:
    rig_close(&r);
    return status;
}

/* Settings whose value changes nothing about the time of a step or of an image. */
static const char *const costless[] = {"data.holdout",         "data.val",          "data.exif",
                                       "data.background",      "train.epochs",      "train.seed",
                                       "loss.label_smoothing", "optimizer.lr",      "optimizer.weight_decay",
                                       "optimizer.beta1",      "optimizer.beta2",   "optimizer.eps",
                                       "schedule.name",        "schedule.final_lr", "schedule.warmup_steps"};

static bool alike(const oc_study_task *a, const oc_study_task *b) {
    for (size_t i = 0; i < oc_recipe_key_count(); i++) {
        const char *key = oc_recipe_key_at(i)->key;
        size_t k = 0;
        while (k < sizeof costless / sizeof *costless && strcmp(costless[k], key) != 0) k++;
        if (k < sizeof costless / sizeof *costless) continue;
        if (strcmp(oc_recipe_get(a->recipe, key), oc_recipe_get(b->recipe, key)) != 0) return false;
    }
    return true;
}

/* What the run has left: epochs that its metrics do not show yet, each with a validation, and that before the first. */
static double left(oc_study_task *run, const cost *c, const char *out) {
    int64_t epochs = -1;
    if (oc_study_row_fill(run, out, oc_study_images(run->dataset, "val"), &epochs, NULL) != OC_OK) epochs = -1;
    double validations = (double)(run->values.epochs - epochs), training = (double)run->values.epochs;
    if (epochs > 0) training -= (double)epochs;
    return fmax(0, training) * (double)run->epoch_steps * c->step +
           fmax(0, validations) * (double)oc_study_images(run->dataset, "val") * c->image;
}

/* Every member scores the validation images and those that the ensemble is fitted on. */
static oc_status estimate_ensemble(oc_study *study, const cost *costs, oc_study_data *data, oc_error *err) {
    oc_dataset *dataset = NULL;
    const oc_study_join *join = &study->file.join;
    const oc_dataset_options options = oc_study_ensemble_options(study);
    oc_status status = oc_study_data_get(data, &options, &dataset, err);
    if (status != OC_OK) return status;
    bool train = join->fit_on ? strcmp(join->fit_on, "train") == 0 : !oc_dataset_split(dataset, "holdout");
    double images = (double)oc_study_images(dataset, "val");
    if (strcmp(study->ensemble.row.model, "mean") != 0)
        images += (double)oc_study_images(dataset, train ? "train" : "holdout");
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
    oc_study_options measured = *options;
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
            OC_TRY(measure(&costs[i], run, &measured, err));
        measured.threads = costs[i].threads; /* what became of the number asked for has been logged */
        run->row.estimate = left(run, &costs[i], options->out);
    }
    if (study->joined) OC_TRY(estimate_ensemble(study, costs, &sets, err));
cleanup:
    oc_free(costs);
    oc_study_data_close(&sets);
    return status;
}
