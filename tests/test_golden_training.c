/* Optimizers and schedules against PyTorch in float64: tests/data/training.json holds twelve parameters after each of
 * five steps, for parameters and gradients that a formula gives, and learning rates of the schedules. Every case and
 * field is checked; one that this test does not know fails it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/memory.h"
#include "support/formula.h"
#include "support/reference.h"
#include "train/optimizer.h"

#define TOLERANCE 1e-6
#define VALUES 12
#define STEPS 5

static json_t *reference;

static double number(const json_t *object, const char *key, double otherwise) {
    const json_t *value = json_object_get(object, key);
    return value ? json_number_value(value) : otherwise;
}

/* One tensor "parameter" of a table of three: what lies around it has no gradient and must stay as it is. */
static void check_optimizer(const json_t *wanted, const json_t *settings) {
    static const char *const known[] = {"name",     "lr",           "betas",  "eps", "momentum",
                                        "nesterov", "weight_decay", "values", NULL};
    reference_only_keys(settings, known);
    const json_t *betas = json_object_get(settings, "betas");
    const double lr = json_number_value(reference_member(settings, "lr"));
    const oc_recipe_values values = {.optimizer = json_string_value(reference_member(settings, "name")),
                                     .lr = lr,
                                     .beta1 = betas ? json_number_value(json_array_get(betas, 0)) : 0,
                                     .beta2 = betas ? json_number_value(json_array_get(betas, 1)) : 0,
                                     .eps = number(settings, "eps", 0),
                                     .momentum = number(settings, "momentum", 0),
                                     .nesterov = json_is_true(json_object_get(settings, "nesterov")),
                                     .weight_decay = json_number_value(reference_member(settings, "weight_decay"))};
    oc_table *table = NULL;
    oc_optimizer *optimizer = NULL;
    float *parameters = NULL, *gradients = NULL;
    assert_int_equal(oc_table_create(&table, NULL), OC_OK);
    const oc_tensor statistic = {.name = "running_mean", .shape = oc_shape_make(1, (int64_t)VALUES)};
    const oc_tensor parameter = {
        .name = "parameter", .shape = oc_shape_make(1, (int64_t)VALUES), .parameter = true, .decay = true};
    const oc_tensor bias = {.name = "bias", .shape = oc_shape_make(1, (int64_t)VALUES), .parameter = true};
    assert_int_equal(oc_table_add(table, &statistic, NULL, NULL), OC_OK);
    assert_int_equal(oc_table_add(table, &parameter, NULL, NULL), OC_OK);
    assert_int_equal(oc_table_add(table, &bias, NULL, NULL), OC_OK);
    assert_int_equal(oc_alloc(&parameters, oc_table_arena_size(table), sizeof(float), NULL), OC_OK);
    assert_int_equal(oc_alloc(&gradients, oc_table_arena_size(table), sizeof(float), NULL), OC_OK);
    float *fixed = parameters + oc_table_at(table, 0)->offset, *p = parameters + oc_table_at(table, 1)->offset;
    float *undecayed = parameters + oc_table_at(table, 2)->offset, *g = gradients + oc_table_at(table, 1)->offset;
    for (int i = 0; i < VALUES; i++) {
        p[i] = (float)(0.2 * formula_uniform("parameter", (uint64_t)i) - 0.1);
        fixed[i] = undecayed[i] = p[i];
    }
    assert_int_equal(oc_optimizer_create(&optimizer, &values, table, NULL), OC_OK);
    assert_int_equal(json_array_size(wanted), STEPS);
    double worst = 0;
    for (int step = 0; step < STEPS; step++) {
        const json_t *want = json_array_get(wanted, (size_t)step);
        char name[32];
        snprintf(name, sizeof name, "gradient%d", step);
        for (int i = 0; i < VALUES; i++) g[i] = (float)((2 * formula_uniform(name, (uint64_t)i) - 1) * pow(10, -step));
        oc_optimizer_step(optimizer, parameters, gradients, lr, NULL);
        assert_int_equal(oc_optimizer_steps(optimizer), step + 1);
        assert_int_equal(json_array_size(want), VALUES);
        double largest = 0, error = 0;
        for (int i = 0; i < VALUES; i++) {
            const double value = json_number_value(json_array_get(want, (size_t)i));
            largest = fmax(largest, fabs(value));
            error = fmax(error, fabs((double)p[i] - value));
            assert_false(isnan(p[i]));
        }
        worst = fmax(worst, error / largest);
    }
    print_message("  %s, decay %g: error %.3g of %g allowed\n", values.optimizer, values.weight_decay, worst,
                  TOLERANCE);
    assert_true(worst <= TOLERANCE);
    for (int i = 0; i < VALUES; i++) {
        /* No gradient and no decay: neither may have moved. */
        const float start = (float)(0.2 * formula_uniform("parameter", (uint64_t)i) - 0.1);
        assert_true(fixed[i] == start && undecayed[i] == start);
    }
    oc_optimizer_destroy(&optimizer);
    oc_table_destroy(&table);
    oc_free(parameters);
    oc_free(gradients);
}

static void test_optimizers(void **state) {
    (void)state;
    static const char *const known[] = {"note", "cases", NULL};
    const json_t *optimizers = reference_member(reference, "optimizers"),
                 *cases = reference_member(optimizers, "cases");
    reference_only_keys(optimizers, known);
    assert_true(json_array_size(cases) >= 4);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_optimizer(reference_member(json_array_get(cases, i), "values"), json_array_get(cases, i));
}

static void test_schedules(void **state) {
    (void)state;
    static const char *const known[] = {"schedule", "max_lr", "final_lr", "horizon", "warmup", "step", "lr", NULL};
    const json_t *schedules = reference_member(reference, "schedules");
    assert_true(json_array_size(schedules) >= 2);
    for (size_t i = 0; i < json_array_size(schedules); i++) {
        const json_t *one = json_array_get(schedules, i), *step = reference_member(one, "step"),
                     *lr = reference_member(one, "lr");
        reference_only_keys(one, known);
        const oc_recipe_values values = {.schedule = json_string_value(reference_member(one, "schedule")),
                                         .lr = json_number_value(reference_member(one, "max_lr")),
                                         .final_lr = json_number_value(reference_member(one, "final_lr")),
                                         .warmup_steps = json_integer_value(reference_member(one, "warmup"))};
        const int64_t horizon = json_integer_value(reference_member(one, "horizon"));
        double worst = 0;
        assert_true(json_array_size(step) > 0 && json_array_size(step) == json_array_size(lr));
        for (size_t k = 0; k < json_array_size(step); k++) {
            const double want = json_number_value(json_array_get(lr, k));
            const double is = oc_schedule_lr(&values, json_integer_value(json_array_get(step, k)), horizon);
            assert_false(isnan(is));
            worst = fmax(worst, want == 0 ? fabs(is) / values.lr : fabs(is - want) / want);
        }
        print_message("  %s, warm-up %lld: error %.3g of %g allowed\n", values.schedule, (long long)values.warmup_steps,
                      worst, TOLERANCE);
        assert_true(worst <= TOLERANCE);
    }
}

static int open_reference(void **state) {
    static const char *const known[] = {"optimizers", "schedules", NULL};
    (void)state;
    if (oc_json_read(&reference, OC_TEST_DATA "/training.json", NULL) != OC_OK) return -1;
    reference_only_keys(reference, known);
    return 0;
}

static int close_reference(void **state) {
    (void)state;
    json_decref(reference);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_optimizers), cmocka_unit_test(test_schedules)};
    return cmocka_run_group_tests(tests, open_reference, close_reference);
}
