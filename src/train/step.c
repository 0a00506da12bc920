/* A training step in its four parts. */
#include "train/step.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/precision.h"
#include "train/ema.h"
#include "train/normalisation.h"

oc_batch_options oc_train_step_batch_options(const oc_recipe_values *values, const oc_model *model) {
    oc_batch_options options = {.batch_size = values->batch_size,
                                .size = values->size,
                                .augment = values->augment,
                                .shuffle = values->shuffle,
                                .drop_last = true,
                                .mixup_alpha = values->mixup_alpha,
                                .seed = values->seed};
    memcpy(options.mean, model->mean, sizeof options.mean);
    memcpy(options.std, model->std, sizeof options.std);
    oc_normalisation_of_training(options.mean, options.std, values);
    return options;
}

oc_status oc_train_step_open(oc_train_step *step, const oc_recipe_values *values, const oc_graph *graph,
                             oc_weights *weights, const oc_plan_guide *guide, oc_team *team, oc_slab *slab,
                             oc_error *err) {
    oc_status status = OC_OK;
    const oc_table *table = oc_graph_table(graph);
    const size_t count = oc_table_arena_size(table);
    step->values = values;
    step->graph = graph;
    step->weights = weights;
    step->team = team;
    OC_TRY(oc_precision_find(&step->precision, values->precision, "train.precision", err));
    OC_TRY(oc_alloc(&step->gradients, count, sizeof *step->gradients, err));
    OC_TRY(oc_optimizer_create(&step->optimizer, values, table, err));
    if (values->ema_decay > 0) {
        OC_TRY(oc_alloc(&step->average.arena, count, sizeof *step->average.arena, err));
        memcpy(step->average.arena, step->weights->arena, count * sizeof *step->average.arena);
        step->average.version = 1;
    }
    const oc_plan_options plan = {.batch = values->batch_size,
                                  .mode = OC_PLAN_TRAIN,
                                  .precision = step->precision,
                                  .exact = values->conv_exact,
                                  .team = team,
                                  .slab = slab,
                                  .guide = guide ? *guide : (oc_plan_guide){0}};
    OC_TRY(oc_plan_create(&step->plan, graph, &plan, err));
cleanup:
    return status;
}

void oc_train_step_close(oc_train_step *step) {
    oc_plan_destroy(&step->plan);
    oc_optimizer_destroy(&step->optimizer);
    oc_free(step->gradients);
    oc_free(step->average.arena);
    *step = (oc_train_step){0};
}

oc_status oc_train_step_forward(oc_train_step *step, int64_t index, oc_error *err) {
    oc_plan_set_draw(step->plan, step->values->seed, index);
    return oc_plan_forward(step->plan, step->weights, err);
}

void oc_train_step_loss(oc_train_step *step, const oc_soft_labels *labels, oc_score *score) {
    oc_loss_cross_entropy(oc_plan_dst(step->plan), labels, oc_graph_output_shape(step->graph).dim[0],
                          step->values->label_smoothing, oc_plan_diff_dst(step->plan), score, step->team);
}

oc_status oc_train_step_backward(oc_train_step *step, double *norm, oc_error *err) {
    *norm = 0;
    const oc_status status = oc_plan_backward(step->plan, step->weights, step->gradients, err);
    if (status == OC_OK && step->values->clip_norm > 0)
        *norm = oc_gradients_clip(oc_graph_table(step->graph), step->gradients, step->values->clip_norm, step->team);
    return status;
}

double oc_train_step_update(oc_train_step *step, int64_t index, int64_t total) {
    const double lr = oc_schedule_lr(step->values, index, total);
    oc_optimizer_step(step->optimizer, step->weights->arena, step->gradients, lr, step->team);
    step->weights->version++;
    if (step->average.arena) {
        oc_ema_update(step->average.arena, step->weights->arena, oc_table_arena_size(oc_graph_table(step->graph)),
                      step->values->ema_decay, step->team);
        step->average.version++;
    }
    return lr;
}

oc_soft_labels oc_train_step_labels(const oc_targets *targets) {
    return (oc_soft_labels){targets->rows, targets->lambda, targets->label,
                            targets->lambda < 1 ? targets->mixed : NULL};
}
