/* The precision "auto" of a recipe: what a new run makes of it, and what a run that is resumed does. */
#ifndef OC_TRAIN_AUTO_PRECISION_H
#define OC_TRAIN_AUTO_PRECISION_H

#include "base/cpu.h"
#include "models/model.h"
#include "models/precision.h"
#include "recipe/recipe.h"

/* Seconds of a training step in `precision`. */
typedef oc_status (*oc_precision_timer)(void *user, oc_precision precision, double *seconds, oc_error *err);

/* *out = fp32 at a level that has no fast bf16, without asking the timer; else the one whose step takes less. Only what
 * the timer returns. */
oc_status oc_precision_quicker(oc_precision *out, oc_cpu_level level, oc_precision_timer timer, void *user,
                               oc_error *err);

/* Where the recipe of a new run says "auto", sets it to the quicker one here, at level `level`, by a few steps of
 * `model` as the recipe would train it; *tried: it made them. The model stays as it is. `tuner`
 * as in oc_plan_guide. The team has been entered.
 * OC_E_COMPUTE, OC_E_MEMORY. */
oc_status oc_precision_settle(oc_recipe *recipe, bool *tried, oc_cpu_level level, const oc_model *model,
                              oc_tuner *tuner, oc_team *team, oc_error *err);

/* The recipe that a run has saved: "auto", which versions that knew nothing else than fp32 saved, is fp32. */
oc_status oc_precision_of_run(oc_recipe *saved, oc_error *err);
/* Where `given` says "auto", it means what the run became. */
oc_status oc_precision_take_over(oc_recipe *given, const oc_recipe *saved, oc_error *err);

#endif
