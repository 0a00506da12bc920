/* Fitting what joins scores. */
#include "train/combiner.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "graph/loss.h"
#include "graph/ops.h"
#include "train/optimizer.h"

#define APPLY_GRAIN 16 /* rows that a thread joins at once */
#define MIXTURE_GAP 1e-9
#define MIXTURE_ROUNDS 20000

size_t oc_combiner_weights(oc_combine combine, size_t members, int64_t classes) {
    if (combine == OC_COMBINE_STACK) return (size_t)classes * members * (size_t)classes;
    return combine == OC_COMBINE_WEIGHTED ? members : 0;
}

size_t oc_combiner_biases(oc_combine combine, int64_t classes) {
    return combine == OC_COMBINE_STACK ? (size_t)classes : 0;
}

/* ---- stack: one linear layer, trained as any network is ---- */

/* What the training holds. */
typedef struct stack {
    const oc_fit_set *set;
    const oc_fit_options *options;
    oc_recipe_values values;
    oc_graph *graph;
    oc_weights weights;
    float *gradients;
    oc_optimizer *optimizer;
    oc_slab *slab;
    oc_plan *plan;
    uint32_t *order; /* [rows] */
    int32_t *label;  /* [batch] */
    int64_t batch, epoch_steps;
} stack;

static void stack_close(stack *s) {
    oc_plan_destroy(&s->plan);
    oc_slab_destroy(&s->slab);
    oc_optimizer_destroy(&s->optimizer);
    oc_graph_destroy(&s->graph);
    oc_free(s->weights.arena);
    oc_free(s->gradients);
    oc_free(s->order);
    oc_free(s->label);
}

/* Weight and bias as torch.nn.Linear starts them, or such that the layer gives the average of the members' scores. */
static void stack_start(stack *s) {
    const oc_table *table = oc_graph_table(s->graph);
    const int64_t classes = s->set->classes, inputs = (int64_t)s->set->members * classes;
    if (s->options->random) {
        oc_model layer = {.graph = s->graph, .weights = s->weights};
        oc_model_init(&layer, s->options->seed);
    } else {
        float *weight = s->weights.arena + oc_table_find(table, "clf.weight")->offset;
        for (int64_t c = 0; c < classes; c++)
            for (size_t m = 0; m < s->set->members; m++)
                weight[c * inputs + (int64_t)m * classes + c] = 1.0F / (float)s->set->members;
    }
    s->weights.version++;
}

static oc_status stack_open(stack *s, oc_error *err) {
    oc_status status = OC_OK;
    const int64_t classes = s->set->classes, inputs = (int64_t)s->set->members * classes;
    const oc_init init = {OC_INIT_UNIFORM, 1 / sqrt((double)inputs)};
    oc_recipe *recipe = NULL;
    OC_TRY(oc_recipe_create(&recipe, err));
    s->values = oc_recipe_resolve(recipe);
    s->values.optimizer = "adamw";
    s->values.schedule = s->options->schedule;
    s->values.lr = s->options->lr;
    s->values.model_name = s->values.precision = NULL; /* would dangle, and nobody reads them */
    s->batch = s->options->batch_size < s->set->rows ? s->options->batch_size : s->set->rows;
    s->epoch_steps = s->set->rows / s->batch;

    OC_TRY(oc_graph_create(&s->graph, err));
    const oc_value input = oc_graph_input(s->graph, inputs, 1, 1);
    const oc_value flat = oc_op_flatten(s->graph, input);
    oc_graph_output(s->graph, oc_op_linear(s->graph, "clf", flat, classes, init, init));
    OC_TRY(oc_graph_finish(s->graph, err));
    const size_t count = oc_table_arena_size(oc_graph_table(s->graph));
    OC_TRY(oc_alloc(&s->weights.arena, count, sizeof(float), err));
    OC_TRY(oc_alloc(&s->gradients, count, sizeof(float), err));
    OC_TRY(oc_alloc(&s->order, (size_t)s->set->rows, sizeof *s->order, err));
    OC_TRY(oc_alloc(&s->label, (size_t)s->batch, sizeof *s->label, err));
    stack_start(s);
    OC_TRY(oc_optimizer_create(&s->optimizer, &s->values, oc_graph_table(s->graph), err));
    OC_TRY(oc_slab_create(&s->slab, err));
    oc_team_enter(s->options->team);
    const oc_plan_options plan = {.batch = s->batch,
                                  .mode = OC_PLAN_TRAIN,
                                  .precision = OC_PRECISION_FP32,
                                  .team = s->options->team,
                                  .slab = s->slab};
    OC_TRY(oc_plan_create(&s->plan, s->graph, &plan, err));
cleanup:
    oc_recipe_destroy(&recipe);
    return status;
}

/* The batch that begins at place `begin` of the epoch's order. */
static void stack_fill(stack *s, int64_t begin) {
    const oc_fit_set *set = s->set;
    float *src = oc_plan_src(s->plan);
    for (int64_t i = 0; i < s->batch; i++) {
        const uint32_t image = set->row[s->order[begin + i]];
        s->label[i] = set->label[image];
        for (size_t m = 0; m < set->members; m++, src += set->classes)
            memcpy(src, set->score[m] + (int64_t)image * set->classes, (size_t)set->classes * sizeof *src);
    }
}

static oc_status stack_step(stack *s, int64_t step, oc_error *err) {
    oc_status status = OC_OK;
    oc_score score = {0};
    const oc_soft_labels labels = {.rows = s->batch, .lambda = 1, .label = s->label};
    OC_TRY(oc_plan_forward(s->plan, &s->weights, err));
    oc_loss_cross_entropy(oc_plan_dst(s->plan), &labels, s->set->classes, s->options->smoothing,
                          oc_plan_diff_dst(s->plan), &score, s->options->team);
    if (!isfinite(score.loss)) {
        status = oc_fail(err, OC_E_NON_FINITE, NULL, "the ensemble's loss is not finite at step %lld of its fit",
                         (long long)step);
        goto cleanup;
    }
    OC_TRY(oc_plan_backward(s->plan, &s->weights, s->gradients, err));
    oc_optimizer_step(s->optimizer, s->weights.arena, s->gradients,
                      oc_schedule_lr(&s->values, step, s->epoch_steps * s->options->epochs), s->options->team);
    s->weights.version++;
cleanup:
    return status;
}

static oc_status stack_fit(oc_combiner *combiner, const oc_fit_set *set, const oc_fit_options *options, oc_error *err) {
    oc_status status = OC_OK;
    stack s = {.set = set, .options = options};
    OC_TRY(stack_open(&s, err));
    for (int64_t epoch = 0; epoch < options->epochs; epoch++) {
        oc_random random;
        oc_random_init(&random, options->seed, OC_RANDOM_SHUFFLE, (uint32_t)epoch, 0);
        oc_random_permutation(&random, s.order, (uint32_t)set->rows);
        if (!oc_progress_report(options->progress, "fit the ensemble", epoch, options->epochs)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, "stopped while the ensemble was fitted; nothing was written");
            goto cleanup;
        }
        for (int64_t i = 0; i < s.epoch_steps; i++) {
            stack_fill(&s, i * s.batch);
            OC_TRY(stack_step(&s, epoch * s.epoch_steps + i, err));
        }
    }
    const oc_table *table = oc_graph_table(s.graph);
    const oc_tensor *weight = oc_table_find(table, "clf.weight"), *bias = oc_table_find(table, "clf.bias");
    memcpy(combiner->weight, s.weights.arena + weight->offset, weight->count * sizeof(float));
    memcpy(combiner->bias, s.weights.arena + bias->offset, bias->count * sizeof(float));
cleanup:
    stack_close(&s);
    return status;
}

/* ---- weighted: the weights of a mixture ---- */

/* dst[i × members + m] = probability that member m gives the right class of row i, divided by the largest of any member
 * for that row: the ratios are what the weights depend on, and they do not underflow together. */
static void mixture_ratios(const oc_fit_set *set, double *dst) {
    for (int64_t i = 0; i < set->rows; i++, dst += set->members) {
        const uint32_t image = set->row[i];
        double best = -INFINITY;
        for (size_t m = 0; m < set->members; m++) {
            const float *score = set->score[m] + (int64_t)image * set->classes;
            double highest = score[0], sum = 0;
            for (int64_t c = 1; c < set->classes; c++) highest = score[c] > highest ? score[c] : highest;
            for (int64_t c = 0; c < set->classes; c++) sum += exp(score[c] - highest);
            dst[m] = score[set->label[image]] - highest - log(sum);
            best = dst[m] > best ? dst[m] : best;
        }
        for (size_t m = 0; m < set->members; m++) dst[m] = exp(dst[m] - best);
    }
}

/* gradient[m] = mean over the rows of p_m / Σ_k w_k p_k. */
static void mixture_gradient(const oc_fit_set *set, const double *ratio, const double *weight, double *gradient) {
    for (size_t m = 0; m < set->members; m++) gradient[m] = 0;
    for (int64_t i = 0; i < set->rows; i++, ratio += set->members) {
        double mixed = 0;
        for (size_t m = 0; m < set->members; m++) mixed += weight[m] * ratio[m];
        for (size_t m = 0; m < set->members; m++) gradient[m] += ratio[m] / mixed;
    }
    for (size_t m = 0; m < set->members; m++) gradient[m] /= (double)set->rows;
}

static oc_status mixture_fit(oc_combiner *combiner, const oc_fit_set *set, oc_error *err) {
    oc_status status = OC_OK;
    const size_t members = set->members;
    double *ratio = NULL, *weight = NULL, *gradient = NULL;
    OC_TRY(oc_alloc(&ratio, (size_t)set->rows * members, sizeof *ratio, err));
    OC_TRY(oc_alloc(&weight, members, sizeof *weight, err));
    OC_TRY(oc_alloc(&gradient, members, sizeof *gradient, err));
    mixture_ratios(set, ratio);
    for (size_t m = 0; m < members; m++) weight[m] = 1 / (double)members;
    for (int round = 0; round < MIXTURE_ROUNDS; round++) {
        /* The log-likelihood is concave in the weights, so that no others can better it by more than the steepest
         * direction says: Σ_m (w*_m − w_m) g_m <= max g − 1. */
        double steepest = 0;
        mixture_gradient(set, ratio, weight, gradient);
        for (size_t m = 0; m < members; m++) steepest = gradient[m] > steepest ? gradient[m] : steepest;
        if (steepest - 1 <= MIXTURE_GAP) break;
        for (size_t m = 0; m < members; m++) weight[m] *= gradient[m];
    }
    for (size_t m = 0; m < members; m++) combiner->weight[m] = (float)weight[m];
cleanup:
    oc_free(ratio);
    oc_free(weight);
    oc_free(gradient);
    return status;
}

/* ---- any ---- */

oc_status oc_combiner_fit(oc_combiner **out, oc_combine combine, const oc_fit_set *set, const oc_fit_options *options,
                          oc_error *err) {
    oc_status status = OC_OK;
    oc_combiner *combiner = NULL;
    OC_TRY(oc_alloc(&combiner, 1, sizeof *combiner, err));
    *combiner = (oc_combiner){.combine = combine, .members = set->members, .classes = set->classes};
    OC_TRY(oc_alloc(&combiner->weight, oc_combiner_weights(combine, set->members, set->classes), sizeof(float), err));
    OC_TRY(oc_alloc(&combiner->bias, oc_combiner_biases(combine, set->classes), sizeof(float), err));
    if (combine == OC_COMBINE_STACK) OC_TRY(stack_fit(combiner, set, options, err));
    if (combine == OC_COMBINE_WEIGHTED) OC_TRY(mixture_fit(combiner, set, err));
    *out = combiner;
    combiner = NULL;
cleanup:
    oc_combiner_destroy(&combiner);
    return status;
}

void oc_combiner_destroy(oc_combiner **combiner) {
    if (!*combiner) return;
    oc_free((*combiner)->weight);
    oc_free((*combiner)->bias);
    oc_free(*combiner);
    *combiner = NULL;
}

typedef struct apply_task {
    const oc_combiner *combiner;
    const float *const *score;
    float *dst;
} apply_task;

static void apply_rows(void *user, int64_t begin, int64_t end, int worker) {
    (void)worker;
    const apply_task *task = user;
    const oc_combiner *c = task->combiner;
    const float *score[OC_ENSEMBLE_MOST];
    oc_ensemble ensemble = {.combine = c->combine, .members = c->members, .weight = c->weight, .bias = c->bias};
    const oc_model model = {.ensemble = &ensemble, .classes = {.count = (size_t)c->classes}};
    for (size_t m = 0; m < c->members; m++) score[m] = task->score[m] + begin * c->classes;
    oc_ensemble_combine(&model, score, end - begin, task->dst + begin * c->classes);
}

void oc_combiner_apply(const oc_combiner *combiner, const float *const *score, int64_t rows, float *dst,
                       oc_team *team) {
    apply_task task = {combiner, score, dst};
    oc_parallel_for(team, rows, APPLY_GRAIN, apply_rows, &task);
}
