/* Fitting what joins scores. */
#include "ensemble/combiner.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "graph/ops.h"
#include "train/step.h"

#define APPLY_GRAIN 16 /* rows that a thread joins at once */
#define MIXTURE_GAP 1e-9
#define MIXTURE_ROUNDS 1000
#define MIXTURE_SWEEPS 200
#define MIXTURE_DESCENT 1e-4 /* share of the expected descent that a step must bring (Armijo) */
#define MIXTURE_HALVINGS 40  /* of a step, until nothing is left of it */
#define MIXTURE_SHORTEST 1e-12

#define STOPPED "stopped while the ensemble was fitted; nothing was written"

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
    oc_recipe *recipe; /* that the texts of `values` are of */
    oc_recipe_values values;
    oc_graph *graph;
    oc_weights weights;
    oc_slab *slab;
    oc_train_step step;
    uint32_t *order; /* [rows] */
    int32_t *label;  /* [batch] */
    int64_t batch, epoch_steps;
} stack;

static void stack_close(stack *s) {
    oc_train_step_close(&s->step);
    oc_slab_destroy(&s->slab);
    oc_graph_destroy(&s->graph);
    oc_recipe_destroy(&s->recipe);
    oc_free(s->weights.arena);
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
    OC_TRY(oc_recipe_create(&s->recipe, err));
    s->values = oc_recipe_resolve(s->recipe);
    s->values.optimizer = "adamw";
    s->values.schedule = s->options->schedule;
    s->values.lr = s->options->lr;
    s->values.label_smoothing = s->options->smoothing;
    s->values.clip_norm = s->values.ema_decay = 0;
    if (s->options->precision) s->values.precision = s->options->precision;
    s->batch = s->options->batch_size < s->set->rows ? s->options->batch_size : s->set->rows;
    s->values.batch_size = s->batch;
    s->epoch_steps = s->set->rows / s->batch;

    OC_TRY(oc_graph_create(&s->graph, err));
    const oc_value input = oc_graph_input(s->graph, inputs, 1, 1);
    const oc_value flat = oc_op_flatten(s->graph, input);
    oc_graph_output(s->graph, oc_op_linear(s->graph, "clf", flat, classes, init, init));
    OC_TRY(oc_graph_finish(s->graph, err));
    const size_t count = oc_table_arena_size(oc_graph_table(s->graph));
    OC_TRY(oc_alloc(&s->weights.arena, count, sizeof(float), err));
    OC_TRY(oc_alloc(&s->order, (size_t)s->set->rows, sizeof *s->order, err));
    OC_TRY(oc_alloc(&s->label, (size_t)s->batch, sizeof *s->label, err));
    stack_start(s);
    OC_TRY(oc_slab_create(&s->slab, err));
    oc_team_enter(s->options->team);
    OC_TRY(oc_train_step_open(&s->step, &s->values, s->graph, &s->weights, NULL, s->options->team, s->slab, err));
cleanup:
    return status;
}

/* The batch that begins at place `begin` of the epoch's order. */
static void stack_fill(stack *s, int64_t begin) {
    const oc_fit_set *set = s->set;
    float *src = oc_plan_src(s->step.plan);
    for (int64_t i = 0; i < s->batch; i++) {
        const uint32_t image = set->row[s->order[begin + i]];
        s->label[i] = set->label[image];
        for (size_t m = 0; m < set->members; m++, src += set->classes)
            memcpy(src, set->score[m] + (int64_t)image * set->classes, (size_t)set->classes * sizeof *src);
    }
}

static oc_status stack_step(stack *s, int64_t index, oc_error *err) {
    oc_status status = OC_OK;
    oc_score score = {0};
    double norm;
    const oc_soft_labels labels = {.rows = s->batch, .lambda = 1, .label = s->label};
    OC_TRY(oc_train_step_forward(&s->step, index, err));
    oc_train_step_loss(&s->step, &labels, &score);
    if (!isfinite(score.loss)) {
        status = oc_fail(err, OC_E_NON_FINITE, NULL, "the ensemble's loss is not finite at step %lld of its fit",
                         (long long)index);
        goto cleanup;
    }
    OC_TRY(oc_train_step_backward(&s->step, &norm, err));
    oc_train_step_update(&s->step, index, s->epoch_steps * s->options->epochs);
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
            status = oc_fail(err, OC_E_STOPPED, NULL, STOPPED);
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
            dst[m] = (double)score[set->label[image]] - oc_log_sum_exp(score, set->classes);
            best = dst[m] > best ? dst[m] : best;
        }
        for (size_t m = 0; m < set->members; m++) dst[m] = exp(dst[m] - best);
    }
}

/* What is minimised over all weights that are not negative: f = −mean log Σ_m w_m p_m + Σ_m w_m. It has the same
 * minimum as the mean alone over weights of sum 1, since scaling w changes f to where the sum is 1. */
typedef struct mixture {
    const oc_fit_set *set;
    double *ratio;         /* [rows, members] */
    double *weight, *next; /* [members] */
    double *gain;          /* [members]: mean over the rows of p_m / Σ_k w_k p_k; f has the gradient 1 − gain */
    double *slope, *step, *curvature; /* [members], [members], [members, members] */
} mixture;

static double mixture_loss(const mixture *x, const double *weight) {
    const double *ratio = x->ratio;
    double loss = 0, sum = 0;
    for (int64_t i = 0; i < x->set->rows; i++, ratio += x->set->members) {
        double mixed = 0;
        for (size_t m = 0; m < x->set->members; m++) mixed += weight[m] * ratio[m];
        loss -= log(mixed);
    }
    for (size_t m = 0; m < x->set->members; m++) sum += weight[m];
    return loss / (double)x->set->rows + sum;
}

/* Fills gain and curvature: the second derivatives, mean of p_m p_n / (Σ_k w_k p_k)². */
static void mixture_derive(mixture *x) {
    const size_t members = x->set->members;
    const double *ratio = x->ratio, *weight = x->weight;
    memset(x->gain, 0, members * sizeof *x->gain);
    memset(x->curvature, 0, members * members * sizeof *x->curvature);
    for (int64_t i = 0; i < x->set->rows; i++, ratio += members) {
        double mixed = 0;
        for (size_t m = 0; m < members; m++) mixed += weight[m] * ratio[m];
        for (size_t m = 0; m < members; m++) {
            const double share = ratio[m] / mixed;
            x->gain[m] += share;
            for (size_t n = 0; n <= m; n++) x->curvature[m * members + n] += share * (ratio[n] / mixed);
        }
    }
    for (size_t m = 0; m < members; m++) {
        x->gain[m] /= (double)x->set->rows;
        for (size_t n = 0; n <= m; n++)
            x->curvature[n * members + m] = x->curvature[m * members + n] /= (double)x->set->rows;
    }
}

/* step = towards the minimum, over weights that are not negative, of the parabola that touches f at the weights; by
 * coordinate descent. */
static void mixture_aim(mixture *x) {
    const size_t members = x->set->members;
    for (size_t m = 0; m < members; m++) {
        x->slope[m] = 1 - x->gain[m];
        x->step[m] = 0;
    }
    for (int sweep = 0; sweep < MIXTURE_SWEEPS; sweep++) {
        double largest = 0;
        for (size_t m = 0; m < members; m++) {
            const double *row = x->curvature + m * members;
            /* A member that gives no row anything is of no curvature, and of no use. */
            double change = row[m] > 0 ? -x->slope[m] / row[m] : -x->weight[m] - x->step[m];
            change = fmax(change, -x->weight[m] - x->step[m]);
            x->step[m] += change;
            for (size_t n = 0; n < members; n++) x->slope[n] += row[n] * change;
            largest = fmax(largest, fabs(change));
        }
        if (largest < MIXTURE_SHORTEST) break;
    }
}

/* Goes the step, or as much of it as makes f less; false: none of it does. */
static bool mixture_go(mixture *x) {
    const size_t members = x->set->members;
    const double before = mixture_loss(x, x->weight);
    double descent = 0, sum = 0;
    for (size_t m = 0; m < members; m++) descent += (1 - x->gain[m]) * x->step[m];
    for (int halvings = 0; halvings < MIXTURE_HALVINGS; halvings++) {
        const double part = ldexp(1, -halvings);
        for (size_t m = 0; m < members; m++) x->next[m] = fmax(0, x->weight[m] + part * x->step[m]);
        /* Also refuses what is not a number: a row that only members of no weight know. */
        if (!(mixture_loss(x, x->next) <= before + MIXTURE_DESCENT * part * descent)) continue;
        for (size_t m = 0; m < members; m++) sum += x->next[m];
        for (size_t m = 0; m < members; m++) x->weight[m] = x->next[m] / sum;
        return true;
    }
    return false;
}

static oc_status mixture_open(mixture *x, oc_error *err) {
    oc_status status = OC_OK;
    const size_t members = x->set->members;
    OC_TRY(oc_alloc(&x->ratio, (size_t)x->set->rows * members, sizeof *x->ratio, err));
    OC_TRY(oc_alloc(&x->weight, members, sizeof *x->weight, err));
    OC_TRY(oc_alloc(&x->next, members, sizeof *x->next, err));
    OC_TRY(oc_alloc(&x->gain, members, sizeof *x->gain, err));
    OC_TRY(oc_alloc(&x->slope, members, sizeof *x->slope, err));
    OC_TRY(oc_alloc(&x->step, members, sizeof *x->step, err));
    OC_TRY(oc_alloc(&x->curvature, members * members, sizeof *x->curvature, err));
    mixture_ratios(x->set, x->ratio);
    for (size_t m = 0; m < members; m++) x->weight[m] = 1 / (double)members;
cleanup:
    return status;
}

static void mixture_close(mixture *x) {
    oc_free(x->ratio);
    oc_free(x->weight);
    oc_free(x->next);
    oc_free(x->gain);
    oc_free(x->slope);
    oc_free(x->step);
    oc_free(x->curvature);
}

static oc_status mixture_fit(oc_combiner *combiner, const oc_fit_set *set, const oc_fit_options *options,
                             oc_error *err) {
    oc_status status = OC_OK;
    mixture x = {.set = set};
    double gap = INFINITY;
    OC_TRY(mixture_open(&x, err));
    for (int round = 0; round < MIXTURE_ROUNDS; round++) {
        if (!oc_progress_report(options->progress, "fit the ensemble", round, MIXTURE_ROUNDS)) {
            status = oc_fail(err, OC_E_STOPPED, NULL, STOPPED);
            goto cleanup;
        }
        /* The log-likelihood is concave in the weights, so that no others can better it by more than the steepest
         * direction says: Σ_m (w*_m − w_m) g_m <= max g − 1. */
        double steepest = 0;
        mixture_derive(&x);
        for (size_t m = 0; m < set->members; m++) steepest = fmax(steepest, x.gain[m]);
        gap = steepest - 1;
        if (gap <= MIXTURE_GAP) break;
        mixture_aim(&x);
        if (!mixture_go(&x)) break;
    }
    if (gap > MIXTURE_GAP && options->log)
        oc_log_line(options->log, OC_LOG_WARN,
                    "the weights of the members are not exact: others may be better by up to %.1e nats", gap);
    for (size_t m = 0; m < set->members; m++) combiner->weight[m] = (float)x.weight[m];
cleanup:
    mixture_close(&x);
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
    if (combine == OC_COMBINE_WEIGHTED) OC_TRY(mixture_fit(combiner, set, options, err));
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
