/* The plans of a run, and the arenas that its state holds. */
#include "train/trainer.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/auto_precision.h"

/* What of the run a state holds. */
static void list_arenas(oc_trainer *trainer) {
    const size_t count = oc_table_arena_size(oc_graph_table(trainer->model->graph));
    oc_train_step *step = &trainer->step;
    const char *names[OC_OPTIMIZER_MAX_STATE];
    float *moments[OC_OPTIMIZER_MAX_STATE];
    const int states = oc_optimizer_state(step->optimizer, names, moments);
    trainer->arenas[trainer->arena_count++] = (oc_state_arena){"weights", trainer->model->weights.arena, count};
    if (step->average.arena)
        trainer->arenas[trainer->arena_count++] = (oc_state_arena){"average", step->average.arena, count};
    for (int i = 0; i < states; i++)
        trainer->arenas[trainer->arena_count++] = (oc_state_arena){names[i], moments[i], count};
}

/* The recipe is what it stays from here on. */
static oc_status settle_precision(oc_trainer *trainer, const oc_plan_guide *guide, oc_error *err) {
    oc_status status = OC_OK;
    bool tried;
    OC_TRY(oc_precision_settle(trainer->recipe, &tried, oc_cpu_level_now(), trainer->model, guide->tuner, trainer->team,
                               err));
    trainer->values = oc_recipe_resolve(trainer->recipe);
    OC_TRY(oc_recipe_text(trainer->recipe, &trainer->about[OC_ABOUT_RECIPE], err));
    if (tried) oc_trainer_log(trainer, OC_LOG_INFO, "precision: %s is the quicker here", trainer->values.precision);
cleanup:
    return status;
}

static void on_line(void *user, oc_log_level level, const char *line) {
    oc_trainer_log(user, level, "%s", line);
}

static oc_status open_evaluator(oc_trainer *trainer, oc_error *err) {
    oc_status status = OC_OK;
    const oc_recipe_values *values = &trainer->values;
    const oc_model *model = trainer->model;
    oc_evaluator_options options = {.batch_size = values->batch_size,
                                    .precision = trainer->step.precision,
                                    .exact = values->conv_exact,
                                    .smoothing = values->label_smoothing,
                                    .team = trainer->team,
                                    .slab = trainer->slab,
                                    .yields = true};
    memcpy(options.mean, model->mean, sizeof options.mean);
    memcpy(options.std, model->std, sizeof options.std);
    OC_TRY(oc_evaluator_create(&trainer->evaluator, model->graph, trainer->val_pack, &options, err));
    OC_TRY(oc_confusion_open(&trainer->confusion, (int64_t)model->classes.count, err));
cleanup:
    return status;
}

/* Algorithms: of a run that goes on as its plan.txt says, of a new one as another run's does or as they are measured;
 * where none of that says anything, by estimate. Validation goes by estimate always, as evaluation does. */
oc_status oc_trainer_open_plans(oc_trainer *trainer, const oc_checkpoint *state, oc_error *err) {
    oc_status status = OC_OK;
    const oc_log log = {on_line, trainer};
    const oc_batch_options batch = oc_train_step_batch_options(&trainer->values, trainer->model);
    char *own = state ? oc_run_folder_read_plan(&trainer->folder) : NULL;
    oc_plan_guide guide = {.choices = state ? own : trainer->choices, .log = &log};
    OC_TRY(oc_tuner_create(&guide.tuner, trainer->tune, trainer->options.cache, trainer->team, &log, err));
    if (guide.tuner && !guide.choices)
        oc_trainer_log(trainer, OC_LOG_INFO, "measuring the convolutions that the tuning cache does not know yet");
    OC_TRY(settle_precision(trainer, &guide, err));
    OC_TRY(oc_batcher_create(&trainer->batcher, trainer->train_pack, &batch, trainer->team, err));
    OC_TRY(oc_slab_create(&trainer->slab, err));
    OC_TRY(oc_train_step_open(&trainer->step, &trainer->values, trainer->model->graph, &trainer->model->weights, &guide,
                              trainer->team, trainer->slab, err));
    oc_tuner_keep(guide.tuner);
    list_arenas(trainer);
    OC_TRY(open_evaluator(trainer, err));
cleanup:
    oc_tuner_destroy(&guide.tuner);
    oc_free(own);
    return status;
}
