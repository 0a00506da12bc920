/* Small training runs for tests. */
#define _POSIX_C_SOURCE 200809L
#include "support/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ocelli/data.h"
#include "support/bytes.h"
#include "support/temporary.h"

#define THREADS 2

void test_require(oc_status status, oc_status expected, const oc_error *error) {
    if (status != expected)
        fail_msg("status %d instead of %d: %s: %s", (int)status, (int)expected, error->where, error->message);
}

void test_says(const oc_error *error, const char *text) {
    if (!strstr(error->message, text)) fail_msg("\"%s\" does not say \"%s\"", error->message, text);
}

void test_world_create(test_world *world) {
    oc_error error = {0};
    const oc_demo_options options = {.classes = 3, .per_class = 20, .seed = 5, .threads = THREADS};
    *world = (test_world){0};
    test_temporary_create(world->folder, sizeof world->folder);
    snprintf(world->data, sizeof world->data, "%s/data", world->folder);
    snprintf(world->cache, sizeof world->cache, "%s/cache", world->folder);
    test_require(oc_data_demo(world->data, &options, &error), OC_OK, &error);
    test_require(oc_dataset_open(&world->dataset, world->data, NULL, &error), OC_OK, &error);
}

void test_world_destroy(test_world *world) {
    oc_dataset_destroy(&world->dataset);
    test_temporary_remove(world->folder);
}

const char *test_world_path(const test_world *world, const char *name, char path[320]) {
    snprintf(path, 320, "%s/%.60s", world->folder, name);
    return path;
}

oc_recipe *test_recipe_create(const char *settings) {
    char text[512];
    oc_error error = {0};
    oc_recipe *recipe = NULL;
    test_require(oc_recipe_create(&recipe, &error), OC_OK, &error);
    snprintf(text, sizeof text, "model.name=myresnet-tiny data.size=32 train.batch_size=16 train.epochs=2 %s",
             settings);
    for (char *rest = NULL, *one = strtok_r(text, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(one, '=');
        assert_non_null(value);
        *value++ = '\0';
        test_require(oc_recipe_set(recipe, one, value, one, &error), OC_OK, &error);
    }
    return recipe;
}

oc_train_options test_train_options(const test_world *world, const char *out) {
    return (oc_train_options){.out = out, .threads = THREADS, .cache = world->cache};
}

oc_status test_train(const test_world *world, const oc_recipe *recipe, const oc_train_options *options,
                     oc_error *error) {
    oc_trainer *trainer = NULL;
    *error = (oc_error){0};
    oc_status status = oc_trainer_create(&trainer, world->dataset, recipe, options, error);
    if (status == OC_OK) status = oc_trainer_run(trainer, error);
    oc_trainer_destroy(&trainer);
    return status;
}

oc_status test_run(const test_world *world, const char *run, const char *settings, const oc_train_options *changes,
                   oc_error *error) {
    char out[320];
    oc_recipe *recipe = test_recipe_create(settings);
    oc_train_options options = test_train_options(world, test_world_path(world, run, out));
    if (changes) {
        options = *changes;
        options.out = out;
        options.cache = world->cache;
        if (options.threads == 0) options.threads = THREADS;
    }
    oc_status status = test_train(world, recipe, &options, error);
    oc_recipe_destroy(&recipe);
    return status;
}

void test_on_step(void *user, const oc_train_status *status) {
    test_seen *seen = user;
    if (status->validating) {
        seen->validating++;
        if (seen->stop_in_validation && seen->validating == seen->stop_in_validation) seen->stop = 1;
    } else {
        seen->steps++;
        if (seen->stop_at_step && status->step == seen->stop_at_step) seen->stop = 1;
    }
    seen->last = *status;
}

void test_on_epoch(void *user, const oc_train_status *status) {
    test_seen *seen = user;
    seen->epochs++;
    seen->last_epoch = *status;
}

const char *test_run_file(const test_world *world, const char *run, const char *file, char path[320]) {
    char name[64];
    snprintf(name, sizeof name, "%s/%s", run, file);
    return test_world_path(world, name, path);
}

static bool same_bytes(const char *one, const char *two) {
    size_t one_size = 0, two_size = 0;
    unsigned char *a = test_bytes_read(one, &one_size), *b = test_bytes_read(two, &two_size);
    bool same = one_size == two_size && memcmp(a, b, one_size) == 0;
    free(a);
    free(b);
    return same;
}

void test_same_file(const char *one, const char *two) {
    if (!same_bytes(one, two)) fail_msg("%s and %s differ", one, two);
}

void test_same_in_runs(const test_world *world, const char *one, const char *two, const char *file) {
    char a[320], b[320];
    test_same_file(test_run_file(world, one, file, a), test_run_file(world, two, file, b));
}

bool test_differ_in_runs(const test_world *world, const char *one, const char *two, const char *file) {
    char a[320], b[320];
    return !same_bytes(test_run_file(world, one, file, a), test_run_file(world, two, file, b));
}

int test_lines(const test_world *world, const char *run, const char *file, int fields) {
    char path[320];
    size_t size = 0;
    unsigned char *text = test_bytes_read(test_run_file(world, run, file, path), &size);
    int lines = 0, commas = 0;
    for (size_t i = 0; i < size; i++) {
        commas += text[i] == ',';
        if (text[i] != '\n') continue;
        assert_int_equal(commas, fields - 1);
        commas = 0;
        lines++;
    }
    assert_true(size > 0 && text[size - 1] == '\n');
    free(text);
    return lines;
}
