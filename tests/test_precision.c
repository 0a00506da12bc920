/* Precisions by name, what "auto" becomes, and that what a caller asks for reaches the plan, which says what it can
 * compute in. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "models/precision.h"
#include "ocelli/bench.h"
#include "recipe/recipe.h"
#include "support/run.h"
#include "train/auto_precision.h"
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

/* What a caller asks for is what the plan computes in. */
static void test_reaches_the_plan(void **state) {
    (void)state;
    const char *const classes[] = {"a", "b"};
    oc_error err = {0};
    char *json = NULL;
    oc_bench_options bench = {.batch_size = 2, .size = 32, .classes = 2, .threads = 1, .steps = 1, .precision = "bf16"};
    test_require(oc_bench_model(&json, "myresnet-tiny", &bench, &err), OC_OK, &err);
    assert_non_null(strstr(json, "bf16"));
    oc_free(json);
    json = NULL;
    bench.precision = "fp8";
    assert_int_equal(oc_bench_model(&json, "resnet18", &bench, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "unknown precision \"fp8\""));
    assert_null(json);

    oc_recipe *recipe = test_recipe_create("train.batch_size=2");
    oc_recipe_values values = oc_recipe_resolve(recipe);
    oc_model *model = NULL;
    oc_team *team = NULL;
    oc_slab *slab = NULL;
    oc_train_step step = {0};
    test_require(oc_model_create(&model, "resnet18", classes, 2, 32, NULL, &err), OC_OK, &err);
    test_require(oc_team_create(&team, 1, &err), OC_OK, &err);
    test_require(oc_slab_create(&slab, &err), OC_OK, &err);
    values.precision = "bf16";
    test_require(oc_train_step_open(&step, &values, model->graph, &model->weights, NULL, team, slab, &err), OC_OK,
                 &err);
    assert_int_equal(step.precision, OC_PRECISION_BF16);
    char *plan = NULL;
    test_require(oc_plan_describe(step.plan, &plan, &err), OC_OK, &err);
    assert_non_null(strstr(plan, ", training, bf16, "));
    oc_free(plan);
    oc_train_step_close(&step);
    oc_slab_destroy(&slab);
    oc_team_destroy(&team);
    oc_model_destroy(&model);
    oc_recipe_destroy(&recipe);
}

/* A timer that finds what the test says, and counts. */
typedef struct clockwork {
    double seconds[2]; /* of each precision; negative: it fails */
    int calls;
} clockwork;

static oc_status tick(void *user, oc_precision precision, double *seconds, oc_error *err) {
    (void)err;
    clockwork *c = user;
    c->calls++;
    *seconds = c->seconds[precision];
    return *seconds < 0 ? OC_E_COMPUTE : OC_OK;
}

/* Only where the processor has bf16 is anything timed, and then the quicker one is taken. */
static void test_quicker(void **state) {
    (void)state;
    static const struct {
        double fp32, bf16;
        oc_cpu_level level;
        oc_status status;
        oc_precision precision;
        int calls;
    } cases[] = {
        {2, 1, OC_CPU_BASELINE, OC_OK, OC_PRECISION_FP32, 0},
        {2, 1, OC_CPU_AVX2, OC_OK, OC_PRECISION_FP32, 0},
        {2, 1, OC_CPU_AVX512, OC_OK, OC_PRECISION_FP32, 0},
        {2, 1, OC_CPU_AVX512_BF16, OC_OK, OC_PRECISION_BF16, 2},
        {1, 2, OC_CPU_AVX512_BF16, OC_OK, OC_PRECISION_FP32, 2},
        {1, 1, OC_CPU_AVX512_BF16, OC_OK, OC_PRECISION_FP32, 2},
        {-1, 1, OC_CPU_AVX512_BF16, OC_E_COMPUTE, OC_PRECISION_FP32, 1},
        {1, -1, OC_CPU_AVX512_BF16, OC_E_COMPUTE, OC_PRECISION_FP32, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clockwork c = {.seconds = {cases[i].fp32, cases[i].bf16}};
        oc_precision precision = OC_PRECISION_BF16;
        assert_int_equal(oc_precision_quicker(&precision, cases[i].level, tick, &c, NULL), cases[i].status);
        assert_int_equal(precision, cases[i].precision);
        assert_int_equal(c.calls, cases[i].calls);
    }
}

/* A new run saves what "auto" became, and takes "auto" for that when it is resumed, but nothing else. */
static void test_run_saves_it(void **state) {
    (void)state;
    test_world world;
    oc_error err;
    char path[320];
    test_world_create(&world);
    oc_train_options options = {.max_steps = 1};
    test_require(test_run(&world, "run", "train.precision=auto", &options, &err), OC_OK, &err);
    oc_recipe *recipe = test_recipe_create("train.precision=bf16");
    test_require(oc_recipe_load(recipe, test_run_file(&world, "run", "recipe.yaml", path), &err), OC_OK, &err);
    assert_string_equal(oc_recipe_get(recipe, "train.precision"), "fp32");
    oc_recipe_destroy(&recipe);
    options = (oc_train_options){.max_steps = 2, .resume = true};
    test_require(test_run(&world, "run", "train.precision=auto", &options, &err), OC_OK, &err);
    assert_int_equal(test_run(&world, "run", "train.precision=bf16", &options, &err), OC_E_MISMATCH);
    test_says(&err, "train.precision was fp32 in the run, now bf16");
    test_world_destroy(&world);
}

/* "auto" goes, and trying, which nobody needs bf16 instructions for, leaves the weights alone. */
static void test_settle(void **state) {
    (void)state;
    const char *const classes[] = {"a", "b"};
    oc_error err = {0};
    oc_model *model = NULL;
    oc_team *team = NULL;
    bool tried = true;
    oc_recipe *recipe = test_recipe_create("train.precision=auto");
    test_require(oc_model_create(&model, "myresnet-tiny", classes, 2, 32, NULL, &err), OC_OK, &err);
    test_require(oc_team_create(&team, 2, &err), OC_OK, &err);
    oc_team_enter(team);
    test_require(oc_precision_settle(recipe, &tried, OC_CPU_AVX512, model, NULL, team, &err), OC_OK, &err);
    assert_false(tried);
    assert_string_equal(oc_recipe_get(recipe, "train.precision"), "fp32");
    test_require(oc_precision_settle(recipe, &tried, OC_CPU_AVX512_BF16, model, NULL, team, &err), OC_OK, &err);
    assert_false(tried);
    assert_string_equal(oc_recipe_get(recipe, "train.precision"), "fp32");

    test_require(oc_recipe_set(recipe, "train.precision", "auto", "here", &err), OC_OK, &err);
    if (oc_precision_settle(recipe, &tried, OC_CPU_AVX512_BF16, model, NULL, team, &err) == OC_OK) {
        assert_true(tried);
        assert_string_not_equal(oc_recipe_get(recipe, "train.precision"), "auto");
    } else {
        test_says(&err, "fp32 only");
    }
    for (size_t i = 0; i < oc_table_arena_size(oc_graph_table(model->graph)); i++)
        assert_true(model->weights.arena[i] == 0);
    oc_team_destroy(&team);
    oc_model_destroy(&model);
    oc_recipe_destroy(&recipe);
}

int main(void) {
    setenv("OC_CPU", "avx2", 1); /* a processor without bf16 */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_quicker),
                                       cmocka_unit_test(test_settle), cmocka_unit_test(test_run_saves_it),
                                       cmocka_unit_test(test_reaches_the_plan)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
