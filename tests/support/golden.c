/* Checking a model against reference numbers. */
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "graph/loss.h"
#include "support/formula.h"
#include "support/reference.h"
#include "support/ties.h"
#include "train/optimizer.h"

/* How far a tie may be from what double precision computes; thousands of times what rounding does to most. */
#define TIE_WIDTH 1e-3
#define LR 1e-5

/* The largest error of a field seen, beside what is allowed; both relative. */
typedef struct worst {
    const char *field;
    double error, tolerance;
    char place[96];
    int checks;
} worst;

static void judge(worst *w, const char *place, double error) {
    w->checks++;
    if (w->checks > 1 && error <= w->error) return;
    w->error = isnan(error) ? INFINITY : error;
    snprintf(w->place, sizeof w->place, "%s", place);
}

static int report(const worst *w) {
    const bool good = w->checks > 0 && w->error <= w->tolerance;
    print_message("    %-14s error %9.3g of %8.3g allowed, %5d checks, worst at %s%s\n", w->field, w->error,
                  w->tolerance, w->checks, w->place, good ? "" : "  <-- WRONG");
    return good ? 0 : 1;
}

static worst field_of(const golden *g, const char *field, const char *tolerance) {
    return (worst){.field = field, .tolerance = reference_number(reference_member(g->tolerance, tolerance))};
}

/* ---- The model and its batch ------------------------------------------------------------------------------------ */

/* Fills the batch and checks the labels that the reference drew. */
static void fill_batch(golden *g) {
    g->copies = 1;
    const size_t count = (size_t)(g->batch * 3 * g->size * g->size);
    const char *input = json_string_value(json_object_get(g->json, "input"));
    const char *labels = json_string_value(json_object_get(g->json, "labels_name"));
    const json_t *want = reference_member(g->json, "labels");
    g->input = calloc(count, sizeof *g->input);
    g->labels = calloc((size_t)g->batch, sizeof *g->labels);
    g->mixed = calloc((size_t)g->batch, sizeof *g->mixed);
    formula_input(g->input, input ? input : "input", count);
    formula_labels(g->labels, labels ? labels : "labels", (size_t)g->batch, g->classes);
    assert_int_equal(json_array_size(want), g->batch);
    for (int64_t i = 0; i < g->batch; i++) {
        assert_int_equal(g->labels[i], json_integer_value(json_array_get(want, (size_t)i)));
        g->mixed[i] = g->labels[g->batch - 1 - i];
    }
}

void golden_open(golden *g, const json_t *json, const json_t *ties) {
    static const char *const tolerances[] = {"logits", "losses", "running", "grad_l2", "grad_elements", NULL};
    *g = (golden){.json = json, .ties = ties, .tolerance = reference_member(json, "tolerance")};
    reference_only_keys(g->tolerance, tolerances);
    g->batch = json_integer_value(reference_member(json, "batch"));
    g->size = json_integer_value(reference_member(json, "size"));
    g->classes = json_integer_value(reference_member(json, "classes"));
    assert_true(g->batch > 1 && g->size > 0 && g->classes > 1);

    char(*codes)[24] = calloc((size_t)g->classes, sizeof *codes);
    const char **classes = calloc((size_t)g->classes, sizeof *classes);
    for (int64_t i = 0; i < g->classes; i++) {
        snprintf(codes[i], sizeof codes[i], "c%lld", (long long)i);
        classes[i] = codes[i];
    }
    oc_error err = {0};
    const oc_model_options options = {.stem = json_string_value(json_object_get(json, "stem")),
                                      .no_stem_pool = json_is_false(json_object_get(json, "stem_pool"))};
    if (oc_model_create(&g->model, json_string_value(reference_member(json, "model")), classes, (size_t)g->classes,
                        g->size, &options, &err) != OC_OK)
        fail_msg("%s: %s", err.where, err.message);
    free(codes);
    free(classes);
    g->table = oc_graph_table(g->model->graph);
    assert_int_equal(oc_team_create(&g->team, 0, NULL), OC_OK);
    oc_team_enter(g->team);
    assert_int_equal(oc_slab_create(&g->slab, NULL), OC_OK);
    g->gradients = calloc(oc_table_arena_size(g->table), sizeof(float));
    fill_batch(g);
}

void golden_close(golden *g) {
    oc_model_destroy(&g->model);
    oc_slab_destroy(&g->slab);
    oc_team_destroy(&g->team);
    free(g->input);
    free(g->labels);
    free(g->mixed);
    free(g->gradients);
}

static bool has_suffix(const char *name, const char *suffix) {
    const size_t length = strlen(name), ending = strlen(suffix);
    return length >= ending && strcmp(name + length - ending, suffix) == 0;
}

void golden_fill(golden *g) {
    for (size_t i = 0; i < oc_table_count(g->table); i++) {
        const oc_tensor *tensor = oc_table_at(g->table, i);
        const char *kind = tensor->shape.ndim > 1                      ? "weight"
                           : has_suffix(tensor->name, ".running_mean") ? "running_mean"
                           : has_suffix(tensor->name, ".running_var")  ? "running_var"
                           : has_suffix(tensor->name, ".bias")         ? "bias"
                                                                       : "norm_weight";
        assert_int_equal(formula_fill(g->model->weights.arena + tensor->offset, tensor->name, kind, &tensor->shape), 0);
    }
    g->model->weights.version++;
}

static oc_plan *make_plan(const golden *g, oc_plan_mode mode, oc_precision precision, bool exact) {
    oc_plan *plan = NULL;
    oc_error err = {0};
    const oc_plan_options options = {
        .batch = g->batch, .mode = mode, .precision = precision, .exact = exact, .team = g->team, .slab = g->slab};
    if (oc_plan_create(&plan, g->model->graph, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    return plan;
}

static void run_forward(const golden *g, oc_plan *plan) {
    oc_error err = {0};
    memcpy(oc_plan_src(plan), g->input, (size_t)(g->batch * 3 * g->size * g->size) * sizeof *g->input);
    if (oc_plan_forward(plan, &g->model->weights, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
}

/* ---- Fields ----------------------------------------------------------------------------------------------------- */

/* Rows of scores, as one array: max|a − b| ÷ max|b|. */
static double logits_error(const golden *g, const char *field, const float *logits) {
    const json_t *rows = reference_member(g->json, field);
    double error = 0, largest = 0;
    assert_true(json_array_size(rows) > 0 && json_array_size(rows) <= (size_t)g->batch);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        assert_int_equal(json_array_size(row), g->classes);
        for (int64_t c = 0; c < g->classes; c++) {
            const double want = reference_number(json_array_get(row, (size_t)c));
            const double difference = fabs((double)logits[(int64_t)i * g->classes + c] - want);
            error = isnan(difference) ? INFINITY : fmax(error, difference);
            largest = fmax(largest, fabs(want));
        }
    }
    return error / largest;
}

static int check_logits(const golden *g, const char *field, const float *logits) {
    worst w = field_of(g, field, "logits");
    judge(&w, "all rows", logits_error(g, field, logits));
    return report(&w);
}

static double norm_of(const float *data, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)data[i] * data[i];
    return sqrt(sum);
}

/* A tensor's digest {l2, max, first, last}. */
static void check_digest(const json_t *want, const oc_tensor *tensor, const float *data, worst *l2, worst *elements) {
    static const char *const known[] = {"l2", "max", "first", "last", NULL};
    reference_only_keys(want, known);
    const double norm = reference_number(reference_member(want, "l2")),
                 largest = reference_number(reference_member(want, "max"));
    const json_t *first = reference_member(want, "first"), *last = reference_member(want, "last");
    const size_t firsts = json_array_size(first), lasts = json_array_size(last);
    double seen = 0;
    assert_true(firsts == (tensor->count < 4 ? tensor->count : 4) && lasts == (tensor->count < 2 ? tensor->count : 2));
    judge(l2, tensor->name, fabs(norm_of(data, tensor->count) - norm) / norm);
    for (size_t i = 0; i < tensor->count; i++) seen = fmax(seen, fabs((double)data[i]));
    judge(elements, tensor->name, fabs(seen - largest) / largest);
    for (size_t i = 0; i < firsts; i++)
        judge(elements, tensor->name, fabs((double)data[i] - reference_number(json_array_get(first, i))) / largest);
    for (size_t i = 0; i < lasts; i++)
        judge(elements, tensor->name,
              fabs((double)data[tensor->count - lasts + i] - reference_number(json_array_get(last, i))) / largest);
}

/* Digests of all running statistics, or of those that there are. */
static int check_running(const golden *g, bool every) {
    worst l2 = field_of(g, "running l2", "running"), elements = field_of(g, "running values", "running");
    const json_t *running = reference_member(g->json, "running");
    size_t checked = 0;
    for (size_t i = 0; i < oc_table_count(g->table); i++) {
        const oc_tensor *tensor = oc_table_at(g->table, i);
        if (tensor->parameter || (!every && !json_object_get(running, tensor->name))) continue;
        check_digest(reference_member(running, tensor->name), tensor, g->model->weights.arena + tensor->offset, &l2,
                     &elements);
        checked++;
    }
    assert_int_equal(checked, json_object_size(running));
    return report(&l2) + report(&elements);
}

/* A bias directly before a batch norm, which has no gradient but rounding, in the table of an own ResNet. */
static bool is_idle_bias(const golden *g, size_t place) {
    const oc_tensor *tensor = oc_table_at(g->table, place);
    const oc_tensor *weight = place > 0 ? oc_table_at(g->table, place - 1) : NULL;
    return weight && has_suffix(tensor->name, ".bias") && weight->shape.ndim == 4 && !strstr(tensor->name, ".se.");
}

/* The gradients' errors; returns how many tensors were compared. */
static size_t judge_gradients(const golden *g, bool every, worst *l2, worst *elements, worst *zero) {
    const json_t *grads = reference_member(g->json, "grads");
    size_t checked = 0;
    for (size_t i = 0; i < oc_table_count(g->table); i++) {
        const oc_tensor *tensor = oc_table_at(g->table, i);
        const float *data = g->gradients + tensor->offset;
        if (!tensor->parameter) continue;
        if (is_idle_bias(g, i)) {
            const oc_tensor *weight = oc_table_at(g->table, i - 1);
            judge(zero, tensor->name,
                  norm_of(data, tensor->count) / norm_of(g->gradients + weight->offset, weight->count));
        } else if (every || json_object_get(grads, tensor->name)) {
            check_digest(reference_member(grads, tensor->name), tensor, data, l2, elements);
            checked++;
        }
    }
    return checked;
}

static int check_gradients(const golden *g, bool every) {
    worst l2 = field_of(g, "grad l2", "grad_l2"), elements = field_of(g, "grad values", "grad_elements");
    worst zero = {.field = "grad zero", .tolerance = 1e-5};
    assert_int_equal(judge_gradients(g, every, &l2, &elements, &zero),
                     json_object_size(reference_member(g->json, "grads")));
    /* Nets without a bias before a batch norm have no gradient that must be zero. */
    return report(&l2) + report(&elements) + (zero.checks > 0 ? report(&zero) : 0);
}

/* ---- Passes ----------------------------------------------------------------------------------------------------- */

int golden_check_evaluation(const golden *g) {
    oc_plan *plan = make_plan(g, OC_PLAN_INFER, OC_PRECISION_FP32, false);
    run_forward(g, plan);
    const int wrong = check_logits(g, "logits_eval", oc_plan_dst(plan));
    oc_plan_destroy(&plan);
    return wrong;
}

/* The loss, a row's mean, and the gradients of it. */
static double run_backward(const golden *g, oc_plan *plan, float *gradients) {
    oc_error err = {0};
    oc_score score = {0};
    const oc_soft_labels labels = {.rows = g->batch,
                                   .lambda = reference_number(reference_member(g->json, "mixup_lambda")),
                                   .label = g->labels,
                                   .mixed = g->mixed};
    oc_loss_cross_entropy(oc_plan_dst(plan), &labels, g->classes,
                          reference_number(reference_member(g->json, "label_smoothing")), oc_plan_diff_dst(plan),
                          &score, g->team);
    assert_int_equal(score.rows, g->batch);
    if (oc_plan_backward(plan, &g->model->weights, gradients, &err) != OC_OK) fail_msg("%s", err.message);
    return score.loss / (double)score.rows;
}

static oc_optimizer *make_optimizer(const golden *g) {
    oc_optimizer *optimizer = NULL;
    const oc_recipe_values values = {
        .optimizer = "adamw", .lr = LR, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.01};
    assert_int_equal(oc_optimizer_create(&optimizer, &values, g->table, NULL), OC_OK);
    return optimizer;
}

bool golden_plan_has(const golden *g, oc_precision precision, const char *algorithm) {
    oc_plan *plan = make_plan(g, OC_PLAN_TRAIN, precision, false);
    char *text = NULL;
    assert_int_equal(oc_plan_describe(plan, &text, NULL), OC_OK);
    const bool has = strstr(text, algorithm) != NULL;
    oc_free(text);
    oc_plan_destroy(&plan);
    return has;
}

double golden_gradients(golden *g, oc_precision precision, float *gradients) {
    oc_plan *plan = make_plan(g, OC_PLAN_TRAIN, precision, false);
    run_forward(g, plan);
    const double loss = run_backward(g, plan, gradients);
    oc_plan_destroy(&plan);
    return loss;
}

int golden_check_training(golden *g, bool every) {
    const json_t *losses = reference_member(g->json, "losses"), *tolerances = reference_member(g->tolerance, "losses");
    oc_plan *plan = make_plan(g, OC_PLAN_TRAIN, OC_PRECISION_FP32, false);
    oc_optimizer *optimizer = make_optimizer(g);
    int wrong = 0;
    assert_true(json_array_size(losses) > 0 && json_array_size(tolerances) == json_array_size(losses));
    for (size_t step = 0; step < json_array_size(losses); step++) {
        char field[32];
        run_forward(g, plan);
        if (step == 0) {
            wrong += check_logits(g, "logits_train", oc_plan_dst(plan)) + check_running(g, every);
            if (g->ties) {
                const int moved = ties_settle(plan, g->ties, TIE_WIDTH, g->copies);
                print_message("    %d of %zu ties settled\n", moved, json_array_size(g->ties));
            }
        }
        const double loss = run_backward(g, plan, g->gradients);
        if (step == 0) wrong += check_gradients(g, every);
        oc_optimizer_step(optimizer, g->model->weights.arena, g->gradients, LR, g->team);
        g->model->weights.version++;
        snprintf(field, sizeof field, "loss %zu", step + 1);
        worst w = {.field = field, .tolerance = reference_number(json_array_get(tolerances, step))};
        const double want = reference_number(json_array_get(losses, step));
        judge(&w, "mean of the rows", fabs(loss - want) / fabs(want));
        wrong += report(&w);
    }
    oc_optimizer_destroy(&optimizer);
    oc_plan_destroy(&plan);
    return wrong;
}

/* ---- How exact the algorithms are ------------------------------------------------------------------------------- */

/* *array, of `count` elements, followed by copies of it. */
static void repeat(void *array, size_t count, size_t size, int copies) {
    char *longer = calloc(count * (size_t)copies, size);
    assert_non_null(longer);
    for (int i = 0; i < copies; i++) memcpy(longer + (size_t)i * count * size, *(void **)array, count * size);
    free(*(void **)array);
    *(void **)array = longer;
}

void golden_repeat(golden *g, int copies) {
    const size_t batch = (size_t)g->batch;
    repeat(&g->input, batch * (size_t)(3 * g->size * g->size), sizeof *g->input, copies);
    repeat(&g->labels, batch, sizeof *g->labels, copies);
    repeat(&g->mixed, batch, sizeof *g->mixed, copies);
    g->batch *= copies;
    g->copies *= copies;
}

/* Of all gradients that the reference has. */
static double norm_error(const golden *g) {
    const char *name;
    json_t *digest;
    double seen = 0, want = 0;
    json_object_foreach(json_object_get(g->json, "grads"), name, digest) {
        const oc_tensor *tensor = oc_table_find(g->table, name);
        seen += pow(norm_of(g->gradients + tensor->offset, tensor->count), 2);
        want += pow(reference_number(reference_member(digest, "l2")), 2);
    }
    return fabs(sqrt(seen) - sqrt(want)) / sqrt(want);
}

golden_errors golden_measure(golden *g, bool exact) {
    golden_errors errors = {0};
    oc_plan *infer = make_plan(g, OC_PLAN_INFER, OC_PRECISION_FP32, exact);
    run_forward(g, infer);
    errors.evaluation = logits_error(g, "logits_eval", oc_plan_dst(infer));
    oc_plan_destroy(&infer);
    worst l2 = {.field = "grad l2"}, elements = {.field = "grad values"}, zero = {.field = "grad zero"};
    oc_plan *plan = make_plan(g, OC_PLAN_TRAIN, OC_PRECISION_FP32, exact);
    const double want = reference_number(json_array_get(reference_member(g->json, "losses"), 0));
    run_forward(g, plan);
    errors.logits = logits_error(g, "logits_train", oc_plan_dst(plan));
    if (g->ties) ties_settle(plan, g->ties, TIE_WIDTH, g->copies);
    errors.loss = fabs(run_backward(g, plan, g->gradients) - want) / fabs(want);
    judge_gradients(g, true, &l2, &elements, &zero);
    errors.norm = norm_error(g);
    errors.tensor_norm = l2.error;
    errors.element = elements.error;
    oc_plan_destroy(&plan);
    return errors;
}
