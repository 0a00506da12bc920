/* label: slow */
/* Files of an earlier version (commit 1370d59, before weights files recorded what they were trained on): recipe,
 * weights of a network and of an ensemble, and a run folder that is gone on with. Their texts and headers are kept in
 * tests/data/old; the numbers are made here, by a formula. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <xxhash.h>

#include "base/file.h"
#include "models/ensemble.h"
#include "models/model.h"
#include "ocelli/data.h"
#include "ocelli/models.h"
#include "recipe/recipe.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/temporary.h"
#include "train/checkpoint.h"

#define OLD OC_TEST_DATA "/old/"

static char folder[256];
static oc_dataset *dataset; /* what the old run was on: `data demo --classes 3 --per-class 20` */
static oc_error error;

static const char *in_folder(const char *name) {
    static char path[4][400];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static int enter(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    const oc_demo_options demo = {.classes = 3, .per_class = 20, .threads = 2};
    test_require(oc_data_demo(in_folder("data"), &demo, &error), OC_OK, &error);
    test_require(oc_dataset_open(&dataset, in_folder("data"), NULL, &error), OC_OK, &error);
    return 0;
}

static int leave(void **state) {
    (void)state;
    oc_dataset_destroy(&dataset);
    test_temporary_remove(folder);
    return 0;
}

/* ---- making the files ---- */

/* Element i of any tensor of floats: positive, as variances must be. */
static float element(size_t i) {
    return 0.01F + 0.005F * (float)(i * 37 % 101) / 101.0F;
}

/* Numbers of a state, as the old run had them. */
typedef struct number {
    const char *name;
    int64_t count; /* of a tensor of I64 */
    double real;   /* of F64 */
} number;

static void number_write(unsigned char *dst, const char *name, const char *dtype, const number *numbers) {
    if (!numbers) return;
    while (numbers->name && strcmp(numbers->name, name) != 0) numbers++;
    if (!numbers->name) return; /* a duration, 0 */
    if (strcmp(dtype, "I64") == 0)
        memcpy(dst, &numbers->count, 8);
    else
        memcpy(dst, &numbers->real, 8);
}

/* Writes the file of a kept header, checksum and all. */
static void make_file(const char *header_name, const char *path, const number *numbers) {
    char kept[300], digits[17];
    size_t length, size = 0;
    const char *name;
    json_t *entry;
    snprintf(kept, sizeof kept, OLD "%s", header_name);
    char *header = (char *)test_bytes_read(kept, &length);
    json_t *json = json_loadb(header, length, 0, NULL);
    assert_non_null(json);
    json_object_foreach(json, name, entry) {
        const size_t end = (size_t)json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 1));
        size = end > size ? end : size;
    }
    unsigned char *file = calloc(1, 8 + length + size);
    assert_non_null(file);
    for (size_t i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)length >> 8 * i);
    memcpy(file + 8, header, length);
    json_object_foreach(json, name, entry) {
        const char *dtype = json_string_value(json_object_get(entry, "dtype"));
        const json_t *offsets = json_object_get(entry, "data_offsets");
        const size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0)),
                     end = (size_t)json_integer_value(json_array_get(offsets, 1));
        unsigned char *dst = file + 8 + length + begin;
        for (size_t i = 0; dtype && strcmp(dtype, "F32") == 0 && i < (end - begin) / 4; i++) {
            const float value = element(i);
            memcpy(dst + 4 * i, &value, 4);
        }
        if (dtype && strcmp(dtype, "F32") != 0) number_write(dst, name, dtype, numbers);
    }
    char *place = strstr((char *)file + 8, "\"xxh3\":\"");
    assert_non_null(place);
    place += strlen("\"xxh3\":\"");
    memset(place, '0', 16);
    snprintf(digits, sizeof digits, "%016llx", (unsigned long long)XXH3_64bits(file, 8 + length + size));
    memcpy(place, digits, 16);
    test_bytes_write(path, file, 8 + length + size);
    free(file);
    free(header);
    json_decref(json);
}

/* ---- recipes and weights ---- */

static void test_recipe(void **state) {
    (void)state;
    oc_recipe *recipe = NULL;
    test_require(oc_recipe_create(&recipe, &error), OC_OK, &error);
    test_require(oc_recipe_load(recipe, OLD "recipe.yaml", &error), OC_OK, &error);
    const oc_recipe_values values = oc_recipe_resolve(recipe);
    assert_string_equal(values.model_name, "myresnet-small");
    assert_int_equal(values.size, 32);
    assert_int_equal(values.epochs, 2);
    assert_int_equal(values.seed, 3);
    assert_string_equal(values.mean.source, "reference");
    assert_string_equal(values.std.source, "reference");
    assert_true(values.augment && values.mixup_alpha == 0.2 && values.label_smoothing == 0.01);
    oc_recipe_destroy(&recipe);
}

/* Evaluation of old weights works, and cannot tell what they were trained on. */
static void evaluate(oc_model *model) {
    oc_evaluation e;
    const oc_eval_options options = {.cache = in_folder("cache"), .threads = 2};
    test_require(oc_evaluate(&e, model, dataset, &options, &error), OC_OK, &error);
    assert_int_equal(e.images, 15);
    assert_int_equal(e.trained_on, -1);
    assert_true(e.loss > 0 && e.top1 >= 0);
}

static void test_weights(void **state) {
    (void)state;
    oc_model *model = NULL;
    make_file("weights.header", in_folder("weights.safetensors"), NULL);
    test_require(oc_model_open(&model, in_folder("weights.safetensors"), NULL, NULL, 0, 0, NULL, &error), OC_OK,
                 &error);
    assert_string_equal(oc_model_name(model), "myresnet-small");
    assert_int_equal(oc_model_size(model), 32);
    assert_int_equal(oc_model_class_count(model), 3);
    assert_string_equal(oc_model_class(model, 2), "n90000003");
    assert_string_equal(oc_model_note(model), "");
    const oc_table *table = oc_graph_table(model->graph);
    for (size_t t = 0; t < oc_table_count(table); t++) {
        const oc_tensor *tensor = oc_table_at(table, t);
        for (size_t i = 0; i < tensor->count; i++)
            if (model->weights.arena[tensor->offset + i] != element(i)) fail_msg("%s[%zu]", tensor->name, i);
    }
    evaluate(model);
    oc_model_destroy(&model);
}

static void test_ensemble(void **state) {
    (void)state;
    oc_model *model = NULL;
    make_file("ensemble.header", in_folder("ensemble.safetensors"), NULL);
    test_require(oc_model_open(&model, in_folder("ensemble.safetensors"), NULL, NULL, 0, 0, NULL, &error), OC_OK,
                 &error);
    assert_int_equal(oc_model_networks(model), 2);
    assert_true(model->trained.unrecorded);
    evaluate(model);
    oc_model_destroy(&model);
}

/* ---- run folders ---- */

static const number at_step_4[] = {{"step", 4, 0},
                                   {"metrics_rows", 2, 0},
                                   {"epoch_images", 16, 0},
                                   {"epoch_loss", 0, 64.81372005948698},
                                   {"epoch_top1", 0, 3.7498431008503808},
                                   {"epoch_top5", 0, 16},
                                   {"last_lr", 0, 0.0005005000000000001},
                                   {"last_loss", 0, 4.050857503717936},
                                   {"val_loss", 0, 1.6015744926079294},
                                   {"val_top1", 0, 1.0 / 3},
                                   {"val_top5", 0, 1},
                                   {"best_top1", 0, 1.0 / 3},
                                   {NULL, 0, 0}};

/* An old run folder at step 4 of 6. */
static void make_run(const char *run, const char *state_header) {
    static const char *const texts[] = {"recipe.yaml", "plan.txt", "metrics.csv", "steps.csv"};
    char path[600], from[300];
    test_require(oc_folder_create(run, &error), OC_OK, &error);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size;
        snprintf(from, sizeof from, OLD "%s", texts[i]);
        snprintf(path, sizeof path, "%s/%s", run, texts[i]);
        unsigned char *text = test_bytes_read(from, &size);
        test_bytes_write(path, text, size);
        free(text);
    }
    snprintf(path, sizeof path, "%s/state.safetensors", run);
    make_file(state_header, path, at_step_4);
    snprintf(path, sizeof path, "%s/last.safetensors", run);
    make_file("weights.header", path, NULL);
}

/* Resumes with the recipe of the folder but for what is not NULL. */
static oc_status resume(const char *run, const char *share, const char *precision, oc_dataset *data) {
    char path[600];
    oc_recipe *recipe = NULL;
    snprintf(path, sizeof path, "%s/recipe.yaml", run);
    test_require(oc_recipe_create(&recipe, &error), OC_OK, &error);
    test_require(oc_recipe_load(recipe, path, &error), OC_OK, &error);
    if (share) test_require(oc_recipe_set(recipe, "data.holdout", share, "here", &error), OC_OK, &error);
    if (precision) test_require(oc_recipe_set(recipe, "train.precision", precision, "here", &error), OC_OK, &error);
    const oc_train_options options = {.out = run, .cache = in_folder("cache"), .threads = 2, .resume = true};
    oc_trainer *trainer = NULL;
    oc_status status = oc_trainer_create(&trainer, data, recipe, &options, &error);
    if (status == OC_OK) status = oc_trainer_run(trainer, &error);
    oc_trainer_destroy(&trainer);
    oc_recipe_destroy(&recipe);
    return status;
}

static void test_run_folder(void **state) {
    (void)state;
    char run[300], path[400];
    snprintf(run, sizeof run, "%s", in_folder("run"));
    make_run(run, "state.header");
    /* Its precision, "auto", was fp32. */
    assert_int_equal(resume(run, NULL, "bf16", dataset), OC_E_MISMATCH);
    test_says(&error, "train.precision was fp32 in the run, now bf16");
    test_require(resume(run, NULL, NULL, dataset), OC_OK, &error);
    snprintf(path, sizeof path, "%s/state.safetensors", run);
    oc_checkpoint *saved = NULL;
    test_require(oc_checkpoint_open(&saved, path, &error), OC_OK, &error);
    assert_non_null(strstr(oc_checkpoint_about(saved, "recipe"), "\n  precision: fp32\n"));
    oc_checkpoint_destroy(&saved);
    snprintf(path, sizeof path, "%s/metrics.csv", run);
    size_t size;
    char *metrics = (char *)test_bytes_read(path, &size);
    assert_non_null(strstr(metrics, "\n2,6,"));            /* the epoch was finished */
    assert_non_null(strstr(metrics, "\n1,3,5.87650648,")); /* and the rows before it are as they were */
    free(metrics);
    snprintf(path, sizeof path, "%s/last.safetensors", run);
    oc_model *model = NULL;
    test_require(oc_model_open(&model, path, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    assert_int_equal(model->trained.count, 60);
    assert_false(model->trained.unrecorded);
    oc_model_destroy(&model);
}

/* The images held out of the old run were others: it says so, and what can be done. */
static void test_holdout(void **state) {
    (void)state;
    char run[300];
    oc_dataset *held = NULL;
    const oc_dataset_options options = {.holdout = 0.3};
    snprintf(run, sizeof run, "%s", in_folder("held"));
    make_run(run, "state-holdout.header");
    test_require(oc_dataset_open(&held, in_folder("data"), &options, &error), OC_OK, &error);
    assert_int_equal(resume(run, "0.3", NULL, held), OC_E_MISMATCH);
    if (!strstr(error.message, "42 training") ||
        !strstr(error.message, "read data sets otherwise (which images are held out") ||
        !strstr(error.message, "--weights last.safetensors"))
        fail_msg("%s", error.message);
    oc_dataset_destroy(&held);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recipe), cmocka_unit_test(test_weights),
                                       cmocka_unit_test(test_ensemble), cmocka_unit_test(test_run_folder),
                                       cmocka_unit_test(test_holdout)};
    return cmocka_run_group_tests(tests, enter, leave);
}
