/* What "auto" becomes: the quicker of two precisions, by a few training steps in each. */
#include "train/auto_precision.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "train/step.h"

#define KEY "train.precision"
#define AUTO "auto"
#define STEPS 4 /* the first warms up; of the others the quickest counts */

static bool is_auto(const oc_recipe *recipe) {
    return strcmp(oc_recipe_get(recipe, KEY), AUTO) == 0;
}

oc_status oc_precision_quicker(oc_precision *out, oc_cpu_level level, oc_precision_timer timer, void *user,
                               oc_error *err) {
    oc_status status = OC_OK;
    double fp32 = 0, bf16 = 0;
    *out = OC_PRECISION_FP32;
    if (!oc_cpu_has_bf16(level)) return OC_OK;
    OC_TRY(timer(user, OC_PRECISION_FP32, &fp32, err));
    OC_TRY(timer(user, OC_PRECISION_BF16, &bf16, err));
    if (bf16 < fp32) *out = OC_PRECISION_BF16;
cleanup:
    return status;
}

/* ---- Trying --------------------------------------------------------------------------------------------------- */

typedef struct trial {
    oc_recipe_values values;
    const oc_model *model;
    oc_tuner *tuner;
    oc_team *team;
    oc_weights weights; /* a copy: steps move them */
    int32_t *label;
} trial;

/* Small numbers of either sign, the same in both precisions. */
static void fill(float *src, int64_t count) {
    for (int64_t i = 0; i < count; i++) src[i] = (float)(i % 17 - 8) * 0.125F;
}

static oc_status make_step(oc_train_step *step, const oc_soft_labels *labels, int64_t index, oc_error *err) {
    oc_status status = OC_OK;
    oc_score score = {0};
    double norm;
    OC_TRY(oc_train_step_forward(step, index, err));
    oc_train_step_loss(step, labels, &score);
    OC_TRY(oc_train_step_backward(step, &norm, err));
    (void)oc_train_step_update(step, index, STEPS);
cleanup:
    return status;
}

static oc_status time_steps(void *user, oc_precision precision, double *seconds, oc_error *err) {
    oc_status status = OC_OK;
    trial *t = user;
    oc_train_step step = {0};
    oc_slab *slab = NULL;
    const int64_t batch = t->values.batch_size, size = t->values.size;
    const oc_soft_labels labels = {.rows = batch, .lambda = 1, .label = t->label};
    const oc_plan_guide guide = {.tuner = t->tuner};
    t->values.precision = oc_precision_name(precision);
    OC_TRY(oc_slab_create(&slab, err));
    OC_TRY(oc_train_step_open(&step, &t->values, t->model->graph, &t->weights, &guide, t->team, slab, err));
    for (int i = 0; i < STEPS; i++) {
        fill(oc_plan_src(step.plan), batch * 3 * size * size);
        const double begin = oc_clock_seconds();
        OC_TRY(make_step(&step, &labels, i, err));
        const double took = oc_clock_seconds() - begin;
        if (i == 1 || (i > 1 && took < *seconds)) *seconds = took;
    }
cleanup:
    oc_train_step_close(&step);
    oc_slab_destroy(&slab);
    return status;
}

oc_status oc_precision_settle(oc_recipe *recipe, bool *tried, oc_cpu_level level, const oc_model *model,
                              oc_tuner *tuner, oc_team *team, oc_error *err) {
    oc_status status = OC_OK;
    trial t = {.values = oc_recipe_resolve(recipe), .model = model, .tuner = tuner, .team = team};
    const size_t count = oc_table_arena_size(oc_graph_table(model->graph));
    oc_precision precision;
    *tried = false;
    if (!is_auto(recipe)) return OC_OK;
    OC_TRY(oc_alloc(&t.weights.arena, count, sizeof *t.weights.arena, err));
    memcpy(t.weights.arena, model->weights.arena, count * sizeof *t.weights.arena);
    OC_TRY(oc_alloc(&t.label, (size_t)t.values.batch_size, sizeof *t.label, err));
    OC_TRY(oc_precision_quicker(&precision, level, time_steps, &t, err));
    *tried = oc_cpu_has_bf16(level);
    OC_TRY(oc_recipe_set(recipe, KEY, oc_precision_name(precision), KEY, err));
cleanup:
    oc_free(t.weights.arena);
    oc_free(t.label);
    return status;
}

/* ---- Runs that have begun --------------------------------------------------------------------------------------- */

oc_status oc_precision_of_run(oc_recipe *saved, oc_error *err) {
    return is_auto(saved) ? oc_recipe_set(saved, KEY, oc_precision_name(OC_PRECISION_FP32), KEY, err) : OC_OK;
}

oc_status oc_precision_take_over(oc_recipe *given, const oc_recipe *saved, oc_error *err) {
    return is_auto(given) ? oc_recipe_set(given, KEY, oc_recipe_get(saved, KEY), KEY, err) : OC_OK;
}
