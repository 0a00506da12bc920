/* Optimizers and schedules: rows of const tables. Moments are arenas behind the model's table. */
#ifndef OC_TRAIN_OPTIMIZER_H
#define OC_TRAIN_OPTIMIZER_H

#include "base/parallel.h"
#include "recipe/recipe.h"
#include "tensor/tensor.h"

#define OC_OPTIMIZER_MAX_STATE 2
typedef struct oc_optimizer oc_optimizer;

/* optimizer.name of `values`: "adamw" (Loshchilov & Hutter, ICLR 2019; as torch.optim.AdamW) or "sgd" (as
 * torch.optim.SGD: L2 added to the gradient, Nesterov momentum). Decay only where the table says so. `table` is
 * borrowed. */
oc_status oc_optimizer_create(oc_optimizer **out, const oc_recipe_values *values, const oc_table *table, oc_error *err);
void oc_optimizer_destroy(oc_optimizer **optimizer);
/* One step in place: parameters and gradients are arenas of the table. Bits do not depend on the team's size. */
void oc_optimizer_step(oc_optimizer *optimizer, float *parameters, const float *gradients, double lr, oc_team *team);
/* Steps done, kept in checkpoints with the arenas. */
int64_t oc_optimizer_steps(const oc_optimizer *optimizer);
void oc_optimizer_set_steps(oc_optimizer *optimizer, int64_t steps);
/* State arenas ("exp_avg", "exp_avg_sq", "momentum_buffer"); returns their number, at most OC_OPTIMIZER_MAX_STATE. */
int oc_optimizer_state(oc_optimizer *optimizer, const char **names, float **arenas);

/* Learning rate of step t (from 0) of T by schedule.name of `values`. */
double oc_schedule_lr(const oc_recipe_values *values, int64_t t, int64_t total);

/* L2 norm of all gradients; and scales them down to `clip_norm` when larger (as torch.nn.utils.clip_grad_norm_).
 * Deterministic whatever the team. */
double oc_gradients_clip(const oc_table *table, float *gradients, double clip_norm, oc_team *team);

#endif
