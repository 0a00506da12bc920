/* label: quick */
/* Mean and deviation: of pixels, by the recipe's words, and through a run into its weights. */
#define _GNU_SOURCE 1
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "data/moments.h"
#include "models/model.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/run.h"
#include "train/normalisation.h"

static test_world world;
static oc_error error;

static int enter(void **state) {
    (void)state;
    test_world_create(&world);
    return 0;
}

static int leave(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

static const float reference_mean[3] = {0.4824F, 0.4495F, 0.3981F}, reference_std[3] = {0.2765F, 0.2691F, 0.2825F};

/* Of every pixel of the training images, in plain double precision. */
static void plain_moments(const oc_pack *pack, double mean[3], double std[3]) {
    double count = 0, sum[3] = {0}, squares[3] = {0};
    for (int64_t i = 0; i < oc_pack_count(pack); i++) {
        const oc_image image = oc_pack_image(pack, i);
        for (int64_t k = 0; k < (int64_t)image.width * image.height * 3; k++) {
            const double v = image.pixels[k] / 255.0;
            sum[k % 3] += v;
            squares[k % 3] += v * v;
        }
        count += (double)image.width * image.height;
    }
    for (int c = 0; c < 3; c++) {
        mean[c] = sum[c] / count;
        std[c] = sqrt(squares[c] / count - mean[c] * mean[c]);
    }
}

static oc_pack *pack_open(oc_team *team) {
    oc_pack *pack = NULL;
    const oc_pack_options options = {.size = 32, .cache = world.cache, .team = team};
    test_require(oc_pack_open(&pack, world.dataset, "train", &options, &error), OC_OK, &error);
    return pack;
}

static void test_moments(void **state) {
    (void)state;
    double mean[3], std[3], plain_mean[3], plain_std[3];
    oc_team *team = NULL;
    test_require(oc_team_create(&team, 2, &error), OC_OK, &error);
    oc_pack *pack = pack_open(team);
    oc_moments moments = oc_pack_moments(pack);
    oc_moments_find(&moments, mean, std);
    plain_moments(pack, plain_mean, plain_std);
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(mean[c] - plain_mean[c]) < 1e-9 && fabs(std[c] - plain_std[c]) < 1e-9);
    }
    oc_pack_destroy(&pack);
    oc_team_destroy(&team);
}

/* ---- the recipe's words ---- */

static oc_names classes_read(void) {
    oc_names classes = {0};
    size_t size;
    char *text = (char *)test_bytes_read(OC_TEST_DATA "/tiny-imagenet-classes.txt", &size);
    for (char *rest = NULL, *name = strtok_r(text, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest))
        test_require(oc_names_add(&classes, name, &error), OC_OK, &error);
    free(text);
    return classes;
}

static void settles_as(const oc_names *classes, const char *settings, const char *mean, const char *std) {
    oc_recipe *recipe = test_recipe_create(settings);
    test_require(oc_normalisation_settle(recipe, classes, &error), OC_OK, &error);
    assert_string_equal(oc_recipe_get(recipe, "data.mean"), mean);
    assert_string_equal(oc_recipe_get(recipe, "data.std"), std);
    oc_recipe_destroy(&recipe);
}

static void test_settle(void **state) {
    (void)state;
    oc_names classes = classes_read();
    assert_int_equal(classes.count, 200);
    if (!classes.item) {
        fail();
        return;
    }
    settles_as(&classes, "", "reference", "reference");
    settles_as(&classes, "data.mean=dataset data.std=0.5,0.25,1.0", "dataset", "0.5,0.25,1");
    classes.item[17][1] ^= 1; /* one class is another */
    settles_as(&classes, "", "dataset", "dataset");
    classes.item[17][1] ^= 1;
    classes.count--;
    settles_as(&classes, "", "dataset", "dataset");
    classes.count++;
    oc_names_free(&classes);
}

static void finds(const char *settings, const float mean[3], const float std[3]) {
    oc_team *team = NULL;
    test_require(oc_team_create(&team, 2, &error), OC_OK, &error);
    oc_pack *pack = pack_open(team);
    oc_recipe *recipe = test_recipe_create(settings);
    const oc_recipe_values values = oc_recipe_resolve(recipe);
    float m[3], s[3];
    memcpy(m, reference_mean, sizeof m);
    memcpy(s, reference_std, sizeof s);
    oc_normalisation_find(m, s, &values, pack);
    assert_memory_equal(m, mean, sizeof m);
    assert_memory_equal(s, std, sizeof s);
    oc_recipe_destroy(&recipe);
    oc_pack_destroy(&pack);
    oc_team_destroy(&team);
}

static void test_find(void **state) {
    (void)state;
    static const float imagenet_mean[3] = {0.485F, 0.456F, 0.406F}, imagenet_std[3] = {0.229F, 0.224F, 0.225F};
    finds("", reference_mean, reference_std);
    finds("data.mean=reference data.std=reference", reference_mean, reference_std);
    finds("data.mean=imagenet data.std=imagenet", imagenet_mean, imagenet_std);
    finds("data.mean=0.1,0.2,0.3 data.std=imagenet", (const float[3]){0.1F, 0.2F, 0.3F}, imagenet_std);
    finds("data.mean=imagenet data.std=2,0.001,1e1", imagenet_mean, (const float[3]){2, 0.001F, 10});

    oc_recipe *recipe = test_recipe_create("");
    static const char *const wrong[] = {"1,2", "0.1,0.2,0.3,0.4", "0.1,,0.3", "a,b,c",
                                        "0.5", "0.1,0.2,3",       "nan,0,0",  "imagnet"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(oc_recipe_set(recipe, "data.mean", wrong[i], "here", &error), OC_E_USAGE);
        test_says(&error, "auto|reference|imagenet|dataset|R,G,B");
    }
    test_says(&error, "did you mean imagenet?");
    assert_int_equal(oc_recipe_set(recipe, "data.std", "0,1,1", "here", &error), OC_E_USAGE);
    assert_string_equal(oc_recipe_get(recipe, "data.mean"), "auto");
    oc_recipe_destroy(&recipe);
}

static void test_sums(void **state) {
    (void)state;
    oc_moments whole = {0}, upper = {0}, lower = {0};
    uint8_t pixels[4 * 5 * 3];
    double mean[3], std[3];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 37);
    oc_moments_add(&whole, pixels, 5, 4);
    oc_moments_add(&upper, pixels, 5, 1);
    oc_moments_add(&lower, pixels + 5 * 3, 5, 3);
    oc_moments_join(&upper, &lower);
    assert_memory_equal(&upper, &whole, sizeof whole);
    memset(pixels, 51, sizeof pixels);
    whole = (oc_moments){0};
    oc_moments_add(&whole, pixels, 5, 4);
    oc_moments_find(&whole, mean, std);
    for (int c = 0; c < 3; c++) assert_true(fabs(mean[c] - 0.2) < 1e-12 && std[c] < 1e-9);
    oc_moments_find(&(oc_moments){0}, mean, std);
    for (int c = 0; c < 3; c++) assert_true(mean[c] == 0 && std[c] == 0);
}

/* Channels that do not vary are not divided by next to nothing. */
static void test_constant(void **state) {
    (void)state;
    char folder[320], path[400];
    oc_dataset *given = world.dataset;
    test_world_path(&world, "even", folder);
    for (int i = 0; i < 4; i++) {
        size_t size;
        unsigned char *bytes = test_jpeg_encode(32, 32, 1, &(test_jpeg_options){.even = true}, &size);
        snprintf(path, sizeof path, "%s/%c/%d.jpg", folder, 'a' + i % 2, i);
        test_text_write(path, ""); /* makes the folders */
        test_bytes_write(path, bytes, size);
        free(bytes);
    }
    test_require(oc_dataset_open(&world.dataset, folder, NULL, &error), OC_OK, &error);
    finds("data.mean=reference data.std=dataset", reference_mean, (const float[3]){1, 1, 1});
    oc_dataset_destroy(&world.dataset);
    world.dataset = given;
}

/* ---- a run ---- */

static void test_run_keeps(void **state) {
    (void)state;
    char path[320];
    oc_model *model = NULL;
    oc_recipe *saved = NULL;
    const oc_train_options options = {.max_steps = 1};
    test_require(test_run(&world, "own", "train.seed=1", &options, &error), OC_OK, &error);
    test_require(oc_recipe_create(&saved, &error), OC_OK, &error);
    test_require(oc_recipe_load(saved, test_run_file(&world, "own", "recipe.yaml", path), &error), OC_OK, &error);
    assert_string_equal(oc_recipe_get(saved, "data.mean"), "dataset");
    assert_string_equal(oc_recipe_get(saved, "data.std"), "dataset");
    oc_recipe_destroy(&saved);
    test_run_file(&world, "own", "last.safetensors", path);
    test_require(oc_model_open(&model, path, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    oc_team *team = NULL;
    test_require(oc_team_create(&team, 2, &error), OC_OK, &error);
    oc_pack *pack = pack_open(team);
    double mean[3], std[3];
    plain_moments(pack, mean, std);
    for (int c = 0; c < 3; c++) {
        assert_float_equal(model->mean[c], mean[c], 1e-6);
        assert_float_equal(model->std[c], std[c], 1e-6);
    }
    oc_pack_destroy(&pack);
    oc_team_destroy(&team);
    oc_model_destroy(&model);

    test_require(test_run(&world, "ref", "train.seed=1 data.mean=reference data.std=reference", &options, &error),
                 OC_OK, &error);
    test_run_file(&world, "ref", "last.safetensors", path);
    test_require(oc_model_open(&model, path, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    assert_memory_equal(model->mean, reference_mean, sizeof reference_mean);
    assert_memory_equal(model->std, reference_std, sizeof reference_std);
    oc_model_destroy(&model);
}

/* What the recipe has serves weights that do not say how images are read for them, and no others. */
static char logged[2000];

static void on_log(void *user, oc_log_level level, const char *line) {
    const size_t used = strlen(logged);
    (void)user;
    (void)level;
    snprintf(logged + used, sizeof logged - used, "%s\n", line);
}

static void test_reading(void **state) {
    (void)state;
    static const float imagenet_mean[3] = {0.485F, 0.456F, 0.406F};
    const char *const classes[] = {"a", "b"};
    const oc_log log = {on_log, NULL};
    oc_model *model = NULL;
    test_require(oc_model_create(&model, "myresnet-tiny", classes, 2, 32, NULL, &error), OC_OK, &error);
    oc_recipe *recipe = test_recipe_create("data.fit=squash data.mean=imagenet data.std=1,2,3 data.exif=false");
    logged[0] = '\0';
    test_require(oc_recipe_set_preprocessing(recipe, model, &log, &error), OC_OK, &error);
    assert_string_equal(logged, "");
    assert_true(model->image.fit == OC_FIT_SQUASH && !model->image.exif);
    assert_memory_equal(model->mean, imagenet_mean, sizeof imagenet_mean);
    assert_memory_equal(model->std, ((const float[3]){1, 2, 3}), 3 * sizeof(float));

    model->told = true;
    test_require(oc_recipe_set_preprocessing(recipe, model, &log, &error), OC_OK, &error);
    assert_string_equal(logged, ""); /* all as it is */
    oc_recipe_destroy(&recipe);
    recipe = test_recipe_create("");
    static const char *const stated[][2] = {
        {"data.fit", "crop"}, {"data.mean", "0.5,0.5,0.5"}, {"data.std", "dataset"}};
    for (size_t i = 0; i < 3; i++)
        test_require(oc_recipe_set(recipe, stated[i][0], stated[i][1], "--set", &error), OC_OK, &error);
    test_require(oc_recipe_set_preprocessing(recipe, model, &log, &error), OC_OK, &error);
    assert_non_null(strstr(logged, "data.fit: crop is of no account"));
    assert_non_null(strstr(logged, "data.mean: 0.5,0.5,0.5 is of no account"));
    assert_null(strstr(logged, "data.std"));
    assert_null(strstr(logged, "data.exif")); /* not stated */
    assert_int_equal(model->image.fit, OC_FIT_SQUASH);
    model->told = false;
    assert_int_equal(oc_recipe_set_preprocessing(recipe, model, &log, &error), OC_E_USAGE);
    assert_string_equal(error.where, "data.std");
    oc_recipe_destroy(&recipe);
    oc_model_destroy(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_moments),  cmocka_unit_test(test_settle),
                                       cmocka_unit_test(test_find),     cmocka_unit_test(test_sums),
                                       cmocka_unit_test(test_constant), cmocka_unit_test(test_run_keeps),
                                       cmocka_unit_test(test_reading)};
    return cmocka_run_group_tests(tests, enter, leave);
}
