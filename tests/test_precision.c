/* Precisions by name, and that what a caller asks for reaches the plan, which says what it can compute in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "models/precision.h"
#include "ocelli/bench.h"
#include "support/run.h"
#include "train/step.h"

static void test_names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        oc_precision precision;
    } known[] = {
        {NULL, OC_PRECISION_FP32},
        {"auto", OC_PRECISION_FP32},
        {"fp32", OC_PRECISION_FP32},
        {"bf16", OC_PRECISION_BF16},
    };
    oc_error err = {0};
    oc_precision precision;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        test_require(oc_precision_find(&precision, known[i].name, "here", &err), OC_OK, &err);
        assert_int_equal(precision, known[i].precision);
    }
    assert_string_equal(oc_precision_name(OC_PRECISION_FP32), "fp32");
    assert_string_equal(oc_precision_name(OC_PRECISION_BF16), "bf16");
    assert_int_equal(oc_precision_find(&precision, "fp16", "here", &err), OC_E_USAGE);
    assert_string_equal(err.where, "here");
    assert_non_null(strstr(err.message, "\"fp16\": the precisions are auto, fp32, bf16; did you mean "));
    assert_int_equal(oc_precision_find(&precision, "", "here", &err), OC_E_USAGE);
}

/* A plan computes in fp32 alone: whoever asks for another is told by it. */
static void test_reaches_the_plan(void **state) {
    (void)state;
    const char *const classes[] = {"a", "b"};
    oc_error err = {0};
    char *json = NULL;
    oc_bench_options bench = {.batch_size = 1, .size = 32, .classes = 2, .threads = 1, .precision = "bf16"};
    assert_int_equal(oc_bench_model(&json, "resnet18", &bench, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "fp32 only"));
    bench.precision = "fp8";
    assert_int_equal(oc_bench_model(&json, "resnet18", &bench, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "unknown precision \"fp8\""));
    assert_null(json);

    oc_recipe *recipe = test_recipe_create("train.batch_size=1");
    oc_recipe_values values = oc_recipe_resolve(recipe);
    oc_model *model = NULL;
    oc_team *team = NULL;
    oc_slab *slab = NULL;
    oc_train_step step = {0};
    test_require(oc_model_create(&model, "resnet18", classes, 2, 32, NULL, &err), OC_OK, &err);
    test_require(oc_team_create(&team, 1, &err), OC_OK, &err);
    test_require(oc_slab_create(&slab, &err), OC_OK, &err);
    values.precision = "bf16";
    assert_int_equal(oc_train_step_open(&step, &values, model->graph, &model->weights, NULL, team, slab, &err),
                     OC_E_USAGE);
    assert_int_equal(step.precision, OC_PRECISION_BF16);
    assert_non_null(strstr(err.message, "fp32 only"));
    oc_train_step_close(&step);
    oc_slab_destroy(&slab);
    oc_team_destroy(&team);
    oc_model_destroy(&model);
    oc_recipe_destroy(&recipe);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_reaches_the_plan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
