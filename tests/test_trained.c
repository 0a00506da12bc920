/* label: quick */
/* The record of the images that a model was trained on: as a set, as text, and from a run to whoever measures. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/dataset.h"
#include "models/model.h"
#include "support/run.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

#define MANY 5000

static oc_error error;

/* ---- the set ---- */

static oc_trained set_of(const uint64_t *content, size_t count) {
    oc_trained set = {0};
    test_require(oc_trained_add(&set, content, count, &error), OC_OK, &error);
    return set;
}

static void test_counts(void **state) {
    (void)state;
    const uint64_t first[] = {5ULL << 24, 3ULL << 24, 5ULL << 24 | 77, UINT64_MAX}, second[] = {9ULL << 24, 3ULL << 24};
    const uint64_t asked[] = {3ULL << 24, 4ULL << 24, 9ULL << 24 | 1, 5ULL << 24, UINT64_MAX};
    oc_trained set = set_of(first, 4), other = set_of(second, 2);
    assert_int_equal(set.count, 3); /* the lowest 24 bits do not count */
    assert_int_equal(oc_trained_count(&set, asked, 5), 3);
    other.unrecorded = true;
    assert_int_equal(oc_trained_count(&other, asked + 3, 2), -1);
    assert_int_equal(oc_trained_count(&other, asked, 5), 2);
    test_require(oc_trained_join(&set, &other, &error), OC_OK, &error);
    assert_int_equal(set.count, 4);
    assert_true(set.unrecorded);
    assert_int_equal(oc_trained_count(&set, asked, 5), 4);
    oc_trained_free(&set);
    oc_trained_free(&other);
    assert_int_equal(oc_trained_count(&set, asked, 5), 0);
}

/* ---- as text ---- */

static char *text_of(const oc_trained *set) {
    oc_text text = {0};
    test_require(oc_trained_write(&text, set, &error), OC_OK, &error);
    char *copy = strdup(text.data);
    oc_text_free(&text);
    return copy;
}

/* What the header says of the text, of a set that was worked out by hand: 0, 31, 64 and the highest; distances 0, 30,
 * 32 ("g" + 0 and "B") and 2^40 − 66, whose digits in base 32 from the lowest are 30, 29 and six of 31. */
static void test_text(void **state) {
    (void)state;
    const uint64_t content[] = {64ULL << 24, 0, UINT64_MAX, 31ULL << 24};
    oc_trained set = set_of(content, 4), back = {0};
    char *text = text_of(&set);
    assert_int_equal(strncmp(text, "4 ", 2), 0);
    assert_int_equal(strlen(text), 2 + 16 + 1 + 1 + 1 + 2 + 8);
    assert_string_equal(text + 2 + 16, " AegB+9/////f");
    test_require(oc_trained_read(&back, text, "file", &error), OC_OK, &error);
    assert_int_equal(back.count, 4);
    assert_memory_equal(back.image, set.image, 4 * sizeof *set.image);
    free(text);
    set.unrecorded = true;
    text = text_of(&set);
    assert_int_equal(strncmp(text, "4+ ", 3), 0);
    test_require(oc_trained_read(&back, text, "file", &error), OC_OK, &error);
    assert_true(back.unrecorded);
    free(text);
    oc_trained_free(&set);
    text = text_of(&set);
    test_require(oc_trained_read(&back, text, "file", &error), OC_OK, &error);
    assert_true(back.count == 0 && !back.unrecorded);
    free(text);
    oc_trained_free(&back);
}

/* Many, whatever their order; and any change of a character is found. */
static void test_text_of_many(void **state) {
    (void)state;
    uint64_t *content = malloc(MANY * sizeof *content);
    oc_random random;
    oc_random_init(&random, 1, OC_RANDOM_INIT, 0, 0);
    for (size_t i = 0; i < MANY; i++) content[i] = (uint64_t)oc_random_u32(&random) << 32 | oc_random_u32(&random);
    oc_trained set = set_of(content, MANY), back = {0};
    for (size_t i = 0; i < MANY / 2; i++) {
        const uint64_t swapped = content[i];
        content[i] = content[MANY - 1 - i];
        content[MANY - 1 - i] = swapped;
    }
    oc_trained turned = set_of(content, MANY);
    char *text = text_of(&set), *same = text_of(&turned);
    assert_string_equal(text, same);
    test_require(oc_trained_read(&back, text, "file", &error), OC_OK, &error);
    assert_int_equal(back.count, set.count);
    assert_memory_equal(back.image, set.image, set.count * sizeof *set.image);
    print_message("%zu images: %zu bytes of text\n", set.count, strlen(text));
    assert_true(strlen(text) < 7 * MANY);
    const size_t size = strlen(text);
    for (size_t i = 0; i < size; i += i < 40 ? 1 : 997) {
        const char was = text[i];
        for (const char *c = "A/f !-\x80"; *c; c++) {
            if (*c == was) continue;
            text[i] = *c;
            assert_int_equal(oc_trained_read(&back, text, "file", &error), OC_E_FORMAT);
            assert_string_equal(error.where, "file");
        }
        text[i] = '\0';
        assert_int_equal(oc_trained_read(&back, text, "file", &error), OC_E_FORMAT);
        text[i] = was;
    }
    assert_int_equal(oc_trained_read(&back, "18446744073709551615 0000000000000000 A", "file", &error), OC_E_FORMAT);
    assert_int_equal(back.count, set.count); /* as it was */
    free(text);
    free(same);
    free(content);
    oc_trained_free(&set);
    oc_trained_free(&turned);
    oc_trained_free(&back);
}

/* ---- from a run on ---- */

static char logged[8192];

static void on_log(void *user, oc_log_level level, const char *line) {
    const size_t used = strlen(logged);
    (void)user;
    snprintf(logged + used, sizeof logged - used, "%s%s\n", level == OC_LOG_WARN ? "warning: " : "", line);
}

static int64_t trained_on(test_world *world, const char *weights, const char *split) {
    oc_model *model = NULL;
    oc_evaluation e;
    const oc_eval_options options = {.split = split, .cache = world->cache, .threads = 2, .log = {on_log, NULL}};
    test_require(oc_model_open(&model, weights, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    logged[0] = '\0';
    test_require(oc_evaluate(&e, model, world->dataset, &options, &error), OC_OK, &error);
    oc_model_destroy(&model);
    return e.trained_on;
}

static void copy_file(const char *from, const char *to) {
    char *data = NULL;
    size_t size = 0;
    test_require(oc_file_read(&data, &size, from, SIZE_MAX / 2, &error), OC_OK, &error);
    test_require(oc_file_write_atomic(to, data, size, &error), OC_OK, &error);
    oc_free(data);
}

/* A run's weights know its images, by content: a copy of one among the validation images is known under its other name,
 * and the run itself says so. Weights without a record cannot tell, nor can what was trained on from them. */
static void test_run_to_eval(void **state) {
    (void)state;
    test_world world;
    test_world_create(&world);
    char weights[320], from[600], to[600];
    const oc_split *train = oc_dataset_split(world.dataset, "train"), *val = oc_dataset_split(world.dataset, "val");
    const int64_t train_count = train->count, val_count = val->count;
    const oc_train_options options = {.max_steps = 1, .log = {on_log, NULL}};
    const oc_log silent = {0};
    logged[0] = '\0';
    test_require(test_run(&world, "a", "train.seed=1", &options, &error), OC_OK, &error);
    assert_null(strstr(logged, "validation images are among"));
    test_run_file(&world, "a", "last.safetensors", weights);
    assert_int_equal(trained_on(&world, weights, "train"), train_count);
    assert_non_null(strstr(logged, "was trained on"));
    assert_null(strstr(logged, "warning: "));
    assert_int_equal(trained_on(&world, weights, "val"), 0);
    assert_null(strstr(logged, "trained on"));

    snprintf(from, sizeof from, "%s/%s", world.data, train->sample[1].path);
    snprintf(to, sizeof to, "%s/%s", world.data, val->sample[2].path);
    copy_file(from, to);
    oc_dataset_destroy(&world.dataset);
    test_require(oc_dataset_open(&world.dataset, world.data, NULL, &error), OC_OK, &error);
    assert_int_equal(trained_on(&world, weights, "val"), 1);
    char line[100];
    snprintf(line, sizeof line, "was trained on 1 of the %lld images of val", (long long)val_count);
    assert_non_null(strstr(logged, line));
    assert_non_null(strstr(logged, "warning: "));
    logged[0] = '\0';
    test_require(test_run(&world, "b", "train.seed=1", &options, &error), OC_OK, &error);
    snprintf(line, sizeof line, "warning: 1 of the %lld validation images are among", (long long)val_count);
    assert_non_null(strstr(logged, line));

    /* Without a record: another program's file. */
    oc_model *model = NULL;
    test_require(oc_model_open(&model, weights, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    oc_trained_free(&model->trained);
    model->trained.unrecorded = true;
    test_world_path(&world, "old.safetensors", from);
    test_require(oc_model_save(model, from, &error), OC_OK, &error);
    oc_model_destroy(&model);
    oc_safetensors *file = NULL;
    test_require(oc_safetensors_open(&file, from, &error), OC_OK, &error);
    assert_null(oc_safetensors_metadata(file, "trained_on"));
    oc_safetensors_destroy(&file);
    assert_int_equal(trained_on(&world, from, "val"), -1);
    assert_non_null(strstr(logged, "has no record"));
    oc_train_options onward = options;
    onward.weights = from;
    logged[0] = '\0';
    test_require(test_run(&world, "c", "train.seed=1", &onward, &error), OC_OK, &error);
    assert_non_null(strstr(logged, "the first weights have no record"));
    onward = options;
    onward.log = silent;
    onward.max_steps = 2;
    onward.resume = true;
    test_require(test_run(&world, "c", "train.seed=1", &onward, &error), OC_OK, &error);
    test_run_file(&world, "c", "last.safetensors", weights);
    test_require(oc_model_open(&model, weights, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    assert_int_equal(model->trained.count, train_count);
    assert_true(model->trained.unrecorded);
    oc_model_destroy(&model);
    test_world_destroy(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_text_of_many), cmocka_unit_test(test_run_to_eval)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
