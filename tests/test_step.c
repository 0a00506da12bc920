/* label: slow */
/* The training step in its parts is the trainer's, whatever the recipe switches on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "data/dataset.h"
#include "support/run.h"
#include "train/normalisation.h"
#include "train/step.h"

#define STEPS 4 /* one more than an epoch has */
#define THREADS 2

static test_world world;

static int create_world(void **state) {
    (void)state;
    test_world_create(&world);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

/* Makes STEPS steps by `settings`, and compares with the weights file of a run that made as many. */
static void compare(const char *settings, const char *file) {
    oc_error error = {0};
    oc_recipe *recipe = test_recipe_create(settings);
    const oc_names *classes = oc_dataset_classes(world.dataset);
    test_require(oc_normalisation_settle(recipe, classes, &error), OC_OK, &error);
    const oc_recipe_values values = oc_recipe_resolve(recipe);
    const oc_model_options variant = oc_recipe_model_options(&values);
    oc_team *team = NULL;
    oc_slab *slab = NULL;
    oc_pack *pack = NULL;
    oc_model *model = NULL, *expected = NULL;
    oc_batcher *batcher = NULL;
    oc_train_step step = {0};
    test_require(oc_team_create(&team, THREADS, &error), OC_OK, &error);
    oc_team_enter(team);
    test_require(oc_slab_create(&slab, &error), OC_OK, &error);
    const oc_pack_options packed = {.size = values.size, .cache = world.cache, .team = team};
    test_require(oc_pack_open(&pack, world.dataset, "train", &packed, &error), OC_OK, &error);
    test_require(oc_model_create(&model, values.model_name, (const char *const *)classes->item, classes->count,
                                 values.size, &variant, &error),
                 OC_OK, &error);
    oc_model_init(model, values.seed);
    oc_normalisation_find(model->mean, model->std, &values, pack);
    const oc_batch_options batch = oc_train_step_batch_options(&values, model);
    test_require(oc_batcher_create(&batcher, pack, &batch, team, &error), OC_OK, &error);
    test_require(oc_train_step_open(&step, &values, model->graph, &model->weights, NULL, team, slab, &error), OC_OK,
                 &error);
    const int64_t count = oc_batcher_count(batcher);
    assert_true(count < STEPS);
    for (int64_t i = 0; i < STEPS; i++) {
        oc_targets targets;
        oc_score score = {0};
        double norm = -1;
        oc_batcher_fill(batcher, i / count, i % count, oc_plan_src(step.plan), &targets);
        const oc_soft_labels labels = oc_train_step_labels(&targets);
        test_require(oc_train_step_forward(&step, i, &error), OC_OK, &error);
        oc_train_step_loss(&step, &labels, &score);
        test_require(oc_train_step_backward(&step, &norm, &error), OC_OK, &error);
        assert_int_equal(score.rows, values.batch_size);
        assert_true(values.clip_norm > 0 ? norm > values.clip_norm : norm == 0);
        assert_true(oc_train_step_update(&step, i, count * values.epochs) ==
                    oc_schedule_lr(&values, i, count * values.epochs));
    }

    test_require(oc_model_open(&expected, file, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    const oc_table *table = oc_graph_table(model->graph);
    const float *got = step.average.arena ? step.average.arena : model->weights.arena;
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        if (memcmp(got + tensor->offset, expected->weights.arena + tensor->offset, tensor->count * sizeof(float)) != 0)
            fail_msg("%s: %s is not the trainer's", settings, tensor->name);
    }
    oc_model_destroy(&expected);
    oc_train_step_close(&step);
    oc_batcher_destroy(&batcher);
    oc_model_destroy(&model);
    oc_pack_destroy(&pack);
    oc_slab_destroy(&slab);
    oc_team_destroy(&team);
    oc_recipe_destroy(&recipe);
}

static void test_as_the_trainer(void **state) {
    (void)state;
    static const char *const settings[] = {
        "train.seed=5",
        "train.seed=5 data.augment=false mixup.alpha=0 optimizer.name=sgd optimizer.lr=0.01",
        "train.seed=5 model.name=resnet26d model.drop_path=0.3 model.dropout=0.2 ema.decay=0.5 clip.norm=0.05",
    };
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        char run[8], file[320];
        oc_error error = {0};
        const oc_train_options options = {.max_steps = STEPS};
        print_message("%s\n", settings[k]);
        snprintf(run, sizeof run, "r%zu", k);
        test_require(test_run(&world, run, settings[k], &options, &error), OC_OK, &error);
        compare(settings[k], test_run_file(&world, run, "last.safetensors", file));
    }
}

/* Augmented images are normalised by the reference recipe's constants, others by the model's own. */
static void test_normalisation(void **state) {
    (void)state;
    static const float mean[3] = {0.4650f, 0.4342f, 0.3944f}, std[3] = {0.2729f, 0.2731f, 0.2707f};
    const oc_model model = {.mean = {0.1f, 0.2f, 0.3f}, .std = {0.4f, 0.5f, 0.6f}};
    oc_recipe_values values = {.augment = true, .mean = {.source = "reference"}, .std = {.source = "auto"}};
    oc_batch_options options = oc_train_step_batch_options(&values, &model);
    assert_memory_equal(options.mean, mean, sizeof mean);
    assert_memory_equal(options.std, std, sizeof std);
    values.augment = false;
    options = oc_train_step_batch_options(&values, &model);
    assert_memory_equal(options.mean, model.mean, sizeof model.mean);
    assert_memory_equal(options.std, model.std, sizeof model.std);
    values =
        (oc_recipe_values){.augment = true, .mean = {.source = "dataset"}, .std = {.source = OC_STATISTIC_NUMBERS}};
    options = oc_train_step_batch_options(&values, &model);
    assert_memory_equal(options.mean, model.mean, sizeof model.mean);
    assert_memory_equal(options.std, model.std, sizeof model.std);
}

/* What drop_path and dropout draw is a step's own, and the same whenever that step is made. */
static void test_draws(void **state) {
    (void)state;
    enum { CLASSES = 3, SIZE = 32, BATCH = 4, SCORES = CLASSES * BATCH };
    static const char *const classes[CLASSES] = {"a", "b", "c"};
    oc_error error = {0};
    oc_recipe *recipe = test_recipe_create("train.seed=5 train.batch_size=4 data.size=32 model.name=resnet26d "
                                           "model.drop_path=0.3 model.dropout=0.2");
    const oc_recipe_values values = oc_recipe_resolve(recipe);
    const oc_model_options variant = oc_recipe_model_options(&values);
    assert_int_equal(values.batch_size, BATCH);
    oc_team *team = NULL;
    oc_slab *slab = NULL;
    oc_model *model = NULL;
    oc_train_step step = {0};
    test_require(oc_team_create(&team, THREADS, &error), OC_OK, &error);
    oc_team_enter(team);
    test_require(oc_slab_create(&slab, &error), OC_OK, &error);
    test_require(oc_model_create(&model, values.model_name, classes, CLASSES, SIZE, &variant, &error), OC_OK, &error);
    oc_model_init(model, values.seed);
    test_require(oc_train_step_open(&step, &values, model->graph, &model->weights, NULL, team, slab, &error), OC_OK,
                 &error);
    float *src = oc_plan_src(step.plan), scores[3][SCORES];
    for (int64_t i = 0; i < (int64_t)BATCH * 3 * SIZE * SIZE; i++) src[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
    static const int64_t index[3] = {0, 1, 0};
    for (int i = 0; i < 3; i++) {
        test_require(oc_train_step_forward(&step, index[i], &error), OC_OK, &error);
        memcpy(scores[i], oc_plan_dst(step.plan), sizeof scores[i]);
    }
    assert_memory_equal(scores[0], scores[2], sizeof scores[0]);
    assert_memory_not_equal(scores[0], scores[1], sizeof scores[0]);
    oc_train_step_close(&step);
    oc_model_destroy(&model);
    oc_slab_destroy(&slab);
    oc_team_destroy(&team);
    oc_recipe_destroy(&recipe);
}

/* Whether a step by `settings` has a convolution by Winograd's F(4×4), by whomever. */
static bool is_coarse(const char *settings) {
    oc_error error = {0};
    oc_recipe *recipe = test_recipe_create(settings);
    const oc_recipe_values values = oc_recipe_resolve(recipe);
    const char *const classes[] = {"a", "b"};
    oc_team *team = NULL;
    oc_slab *slab = NULL;
    oc_model *model = NULL;
    oc_train_step step = {0};
    char *plan = NULL;
    test_require(oc_team_create(&team, THREADS, &error), OC_OK, &error);
    test_require(oc_slab_create(&slab, &error), OC_OK, &error);
    test_require(oc_model_create(&model, values.model_name, classes, 2, values.size, NULL, &error), OC_OK, &error);
    test_require(oc_train_step_open(&step, &values, model->graph, &model->weights, NULL, team, slab, &error), OC_OK,
                 &error);
    test_require(oc_plan_describe(step.plan, &plan, &error), OC_OK, &error);
    const bool coarse = strstr(plan, "F(4x4)") || strstr(plan, "oneDNN Winograd");
    oc_free(plan);
    oc_train_step_close(&step);
    oc_model_destroy(&model);
    oc_slab_destroy(&slab);
    oc_team_destroy(&team);
    oc_recipe_destroy(&recipe);
    return coarse;
}

/* conv.exact reaches the plan. */
static void test_exact(void **state) {
    (void)state;
    assert_true(is_coarse("model.name=resnet18"));
    assert_false(is_coarse("model.name=resnet18 conv.exact=true"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_normalisation), cmocka_unit_test(test_draws),
                                       cmocka_unit_test(test_exact), cmocka_unit_test(test_as_the_trainer)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
