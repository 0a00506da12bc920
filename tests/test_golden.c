/* The models against PyTorch in float64: tests/data/<model>.json holds, for weights, images and labels that a formula
 * gives, the table of tensors, the scores in evaluation, and of three training steps the scores, running statistics,
 * gradients and losses. Every field is checked to the file's own tolerance, and a field that this test does not know
 * fails it. One training step is AdamW on targets mixed with those of the reversed batch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "graph/loss.h"
#include "models/model.h"
#include "ocelli/models.h"
#include "support/formula.h"
#include "support/reference.h"
#include "train/optimizer.h"

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

/* Everything one model's test works with. */
typedef struct golden {
    json_t *json;
    const json_t *tolerance;
    oc_model *model;
    oc_team *team;
    oc_slab *slab;
    const oc_table *table;
    int64_t batch, classes, size;
    float *input, *gradients;
    int32_t *labels, *mixed;
} golden;

static worst field_of(const golden *g, const char *field, const char *tolerance) {
    return (worst){.field = field, .tolerance = reference_number(reference_member(g->tolerance, tolerance))};
}

static void open_golden(golden *g, const char *name) {
    char path[512];
    *g = (golden){0};
    snprintf(path, sizeof path, "%s/%s.json", OC_TEST_DATA, name);
    oc_error err = {0};
    if (oc_json_read(&g->json, path, &err) != OC_OK) fail_msg("%s: %s", path, err.message);
    static const char *const fields[] = {
        "model",   "batch",        "size",      "classes",         "parameters", "labels",       "tolerance",
        "tensors", "mixup_lambda", "optimizer", "label_smoothing", "losses",     "logits_train", "logits_eval",
        "grads",   "running",      "input",     "labels_name",     NULL};
    static const char *const tolerances[] = {"logits", "losses", "running", "grad_l2", "grad_elements", NULL};
    reference_only_keys(g->json, fields);
    g->tolerance = reference_member(g->json, "tolerance");
    reference_only_keys(g->tolerance, tolerances);
    assert_string_equal(json_string_value(reference_member(g->json, "model")), name);
    g->batch = json_integer_value(reference_member(g->json, "batch"));
    g->size = json_integer_value(reference_member(g->json, "size"));
    g->classes = json_integer_value(reference_member(g->json, "classes"));
    assert_true(g->batch > 1 && g->size > 0 && g->classes > 1);

    char(*codes)[24] = calloc((size_t)g->classes, sizeof *codes);
    const char **classes = calloc((size_t)g->classes, sizeof *classes);
    for (int64_t i = 0; i < g->classes; i++) {
        snprintf(codes[i], sizeof codes[i], "c%lld", (long long)i);
        classes[i] = codes[i];
    }
    assert_int_equal(oc_model_create(&g->model, name, classes, (size_t)g->classes, g->size, NULL, NULL), OC_OK);
    free(codes);
    free(classes);
    g->table = oc_graph_table(g->model->graph);
    assert_int_equal(oc_team_create(&g->team, 0, NULL), OC_OK);
    oc_team_enter(g->team);
    assert_int_equal(oc_slab_create(&g->slab, NULL), OC_OK);
    g->gradients = calloc(oc_table_arena_size(g->table), sizeof(float));
}

/* Names, order, shapes, flags and the number of parameters; fills the weights on the way. */
static void check_table(golden *g) {
    static const char *const known[] = {"name", "shape", "kind", "parameter", "decay", "zero_gradient", NULL};
    const json_t *tensors = reference_member(g->json, "tensors");
    assert_int_equal(oc_table_count(g->table), json_array_size(tensors));
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const json_t *want = json_array_get(tensors, i), *shape = reference_member(want, "shape");
        const oc_tensor *tensor = oc_table_at(g->table, i);
        reference_only_keys(want, known);
        assert_string_equal(tensor->name, json_string_value(reference_member(want, "name")));
        assert_int_equal(tensor->shape.ndim, json_array_size(shape));
        for (int d = 0; d < tensor->shape.ndim; d++)
            assert_int_equal(tensor->shape.dim[d], json_integer_value(json_array_get(shape, (size_t)d)));
        assert_int_equal(tensor->parameter, json_is_true(reference_member(want, "parameter")));
        assert_int_equal(tensor->decay, json_is_true(reference_member(want, "decay")));
        const char *kind = json_string_value(reference_member(want, "kind"));
        assert_int_equal(formula_fill(g->model->weights.arena + tensor->offset, tensor->name, kind, &tensor->shape), 0);
    }
    assert_int_equal(oc_table_parameters(g->table), json_integer_value(reference_member(g->json, "parameters")));
    g->model->weights.version++;
}

/* Fills the batch and checks the labels that the reference drew. */
static void check_batch(golden *g) {
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

static oc_plan *make_plan(const golden *g, oc_plan_mode mode) {
    oc_plan *plan = NULL;
    oc_error err = {0};
    const oc_plan_options options = {
        .batch = g->batch, .mode = mode, .precision = OC_PRECISION_FP32, .team = g->team, .slab = g->slab};
    if (oc_plan_create(&plan, g->model->graph, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    return plan;
}

static void run_forward(const golden *g, oc_plan *plan) {
    oc_error err = {0};
    memcpy(oc_plan_src(plan), g->input, (size_t)(g->batch * 3 * g->size * g->size) * sizeof *g->input);
    if (oc_plan_forward(plan, &g->model->weights, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
}

/* Rows of scores, as one array: max|a − b| ÷ max|b|. */
static int check_logits(const golden *g, const char *field, const float *logits) {
    worst w = field_of(g, field, "logits");
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
    judge(&w, "all rows", error / largest);
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

static int check_running(const golden *g) {
    worst l2 = field_of(g, "running l2", "running"), elements = field_of(g, "running values", "running");
    const json_t *running = reference_member(g->json, "running");
    size_t checked = 0;
    for (size_t i = 0; i < oc_table_count(g->table); i++) {
        const oc_tensor *tensor = oc_table_at(g->table, i);
        if (tensor->parameter) continue;
        check_digest(reference_member(running, tensor->name), tensor, g->model->weights.arena + tensor->offset, &l2,
                     &elements);
        checked++;
    }
    assert_int_equal(checked, json_object_size(running));
    return report(&l2) + report(&elements);
}

static int check_gradients(const golden *g) {
    worst l2 = field_of(g, "grad l2", "grad_l2"), elements = field_of(g, "grad values", "grad_elements");
    worst zero = {.field = "grad zero", .tolerance = 1e-5};
    const json_t *grads = reference_member(g->json, "grads"), *tensors = reference_member(g->json, "tensors");
    size_t checked = 0;
    for (size_t i = 0; i < oc_table_count(g->table); i++) {
        const oc_tensor *tensor = oc_table_at(g->table, i);
        const float *data = g->gradients + tensor->offset;
        if (!tensor->parameter) continue;
        if (json_is_true(json_object_get(json_array_get(tensors, i), "zero_gradient"))) {
            /* The bias directly follows the same convolution's weight. */
            const oc_tensor *weight = oc_table_at(g->table, i - 1);
            const size_t stem = strlen(tensor->name) - strlen("bias");
            assert_true(strncmp(weight->name, tensor->name, stem) == 0 && strcmp(weight->name + stem, "weight") == 0);
            judge(&zero, tensor->name,
                  norm_of(data, tensor->count) / norm_of(g->gradients + weight->offset, weight->count));
        } else {
            check_digest(reference_member(grads, tensor->name), tensor, data, &l2, &elements);
            checked++;
        }
    }
    assert_int_equal(checked, json_object_size(grads));
    return report(&l2) + report(&elements) + report(&zero);
}

static oc_optimizer *make_optimizer(const golden *g) {
    static const char *const known[] = {"name", "lr", "betas", "eps", "weight_decay", NULL};
    const json_t *settings = reference_member(g->json, "optimizer"), *betas = reference_member(settings, "betas");
    oc_optimizer *optimizer = NULL;
    reference_only_keys(settings, known);
    const oc_recipe_values values = {.optimizer = json_string_value(reference_member(settings, "name")),
                                     .lr = reference_number(reference_member(settings, "lr")),
                                     .beta1 = reference_number(json_array_get(betas, 0)),
                                     .beta2 = reference_number(json_array_get(betas, 1)),
                                     .eps = reference_number(reference_member(settings, "eps")),
                                     .weight_decay = reference_number(reference_member(settings, "weight_decay"))};
    assert_int_equal(oc_optimizer_create(&optimizer, &values, g->table, NULL), OC_OK);
    return optimizer;
}

/* The training steps; the detailed fields are those of the first. */
static int check_training(golden *g) {
    const json_t *losses = reference_member(g->json, "losses"), *tolerances = reference_member(g->tolerance, "losses");
    const double smoothing = reference_number(reference_member(g->json, "label_smoothing"));
    const double lr = reference_number(reference_member(reference_member(g->json, "optimizer"), "lr"));
    const oc_soft_labels labels = {.rows = g->batch,
                                   .lambda = reference_number(reference_member(g->json, "mixup_lambda")),
                                   .label = g->labels,
                                   .mixed = g->mixed};
    oc_plan *plan = make_plan(g, OC_PLAN_TRAIN);
    oc_optimizer *optimizer = make_optimizer(g);
    int wrong = 0;
    assert_int_equal(json_array_size(losses), 3);
    assert_int_equal(json_array_size(tolerances), 3);
    for (size_t step = 0; step < json_array_size(losses); step++) {
        char field[32];
        oc_error err = {0};
        oc_score score = {0};
        run_forward(g, plan);
        if (step == 0) wrong += check_logits(g, "logits_train", oc_plan_dst(plan)) + check_running(g);
        oc_loss_cross_entropy(oc_plan_dst(plan), &labels, g->classes, smoothing, oc_plan_diff_dst(plan), &score,
                              g->team);
        assert_int_equal(score.rows, g->batch);
        if (oc_plan_backward(plan, &g->model->weights, g->gradients, &err) != OC_OK) fail_msg("%s", err.message);
        if (step == 0) wrong += check_gradients(g);
        oc_optimizer_step(optimizer, g->model->weights.arena, g->gradients, lr, g->team);
        g->model->weights.version++;
        snprintf(field, sizeof field, "loss %zu", step + 1);
        worst w = {.field = field, .tolerance = reference_number(json_array_get(tolerances, step))};
        const double want = reference_number(json_array_get(losses, step));
        judge(&w, "mean of the rows", fabs(score.loss / (double)score.rows - want) / fabs(want));
        wrong += report(&w);
    }
    oc_optimizer_destroy(&optimizer);
    oc_plan_destroy(&plan);
    return wrong;
}

static void check_model(const char *name) {
    golden g;
    print_message("  %s\n", name);
    open_golden(&g, name);
    check_table(&g);
    check_batch(&g);
    oc_plan *plan = make_plan(&g, OC_PLAN_INFER);
    run_forward(&g, plan);
    int wrong = check_logits(&g, "logits_eval", oc_plan_dst(plan));
    oc_plan_destroy(&plan);
    wrong += check_training(&g);
    oc_model_destroy(&g.model);
    oc_slab_destroy(&g.slab);
    oc_team_destroy(&g.team);
    json_decref(g.json);
    free(g.input);
    free(g.labels);
    free(g.mixed);
    free(g.gradients);
    assert_int_equal(wrong, 0);
}

/* Every model of the registry has its reference. */
static void test_every_model(void **state) {
    (void)state;
    assert_true(oc_models_count() >= 2);
    for (size_t i = 0; i < oc_models_count(); i++) check_model(oc_models_name(i));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
