/* A training step, from a batch in the plan's input to updated weights, in its four parts. Whoever makes steps looks at
 * the clock, at losses and at norms between them. */
#ifndef OC_TRAIN_STEP_H
#define OC_TRAIN_STEP_H

#include "data/batch.h"
#include "graph/loss.h"
#include "graph/plan.h"
#include "models/model.h"
#include "train/optimizer.h"

/* Start from {0}. */
typedef struct oc_train_step {
    /* Borrowed. */
    const oc_recipe_values *values;
    const oc_graph *graph;
    oc_weights *weights;
    oc_team *team;
    /* Owned. */
    oc_plan *plan;
    oc_precision precision; /* of the plan; evaluation takes the same */
    oc_optimizer *optimizer;
    float *gradients;   /* an arena like the weights' */
    oc_weights average; /* moving average of the weights; arena NULL without ema.decay */
} oc_train_step;

/* How `values` have a training batch made of images, for `model`. */
oc_batch_options oc_train_step_batch_options(const oc_recipe_values *values, const oc_model *model);

/* Makes what steps by `values` on the first `weights` of `graph` need. These, the team, which must be entered, and the
 * slab are borrowed and outlive the step. `guide` of the plan as in oc_plan_options,
 * NULL: none. The caller closes, also after an error. This
 * is where train.precision is read. OC_E_USAGE for a precision, OC_E_MEMORY, OC_E_COMPUTE. */
oc_status oc_train_step_open(oc_train_step *step, const oc_recipe_values *values, const oc_graph *graph,
                             oc_weights *weights, const oc_plan_guide *guide, oc_team *team, oc_slab *slab,
                             oc_error *err);
void oc_train_step_close(oc_train_step *step);

/* Scores of the batch in oc_plan_src(step->plan); `index`: of the step in the run, from 0. OC_E_COMPUTE. */
oc_status oc_train_step_forward(oc_train_step *step, int64_t index, oc_error *err);
/* Adds what the scores are worth to *score, and prepares the way back. */
void oc_train_step_loss(oc_train_step *step, const oc_soft_labels *labels, oc_score *score);
/* step->gradients = the gradients, scaled down where clip.norm says so; *norm = their norm before that, 0 where nothing
 * is clipped. OC_E_COMPUTE. */
oc_status oc_train_step_backward(oc_train_step *step, double *norm, oc_error *err);
/* Moves weights and average, and returns the learning rate of step `index` of `total`. */
double oc_train_step_update(oc_train_step *step, int64_t index, int64_t total);

/* The labels of a batch as the loss wants them; its arrays are the batcher's. */
oc_soft_labels oc_train_step_labels(const oc_targets *targets);

#endif
