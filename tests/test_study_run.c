/* label: slow */
/* Studies being run: the estimate, what fails and what goes on, what is skipped, resumed and refused. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include "ocelli/study.h"
#include "record/record.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/studies.h"
#include "support/temporary.h"

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

/* ---- Running ----------------------------------------------------------------------------------------------------- */

typedef struct seen {
    test_seen run;
    int begun, ended;
    char names[256]; /* of the runs begun */
} seen;

static void on_run(void *user, const oc_study *study, size_t index, bool finished) {
    seen *s = user;
    const oc_study_row row = oc_study_row_at(study, index);
    if (finished) {
        s->ended++;
        assert_true(row.state == OC_STUDY_DONE || row.state == OC_STUDY_FAILED);
        return;
    }
    s->begun++;
    assert_true(row.state == OC_STUDY_RUNNING);
    size_t used = strlen(s->names);
    snprintf(s->names + used, sizeof s->names - used, "%s ", row.name);
}

/* Runs (or, where `dry`, estimates) into folder `out` of the world. */
static oc_status run_study(oc_study *study, const char *out, bool dry, seen *s, oc_error *error) {
    char path[320];
    oc_study_options options = {.out = test_world_path(&world, out, path),
                                .threads = 2,
                                .cache = world.cache,
                                .stop = &s->run.stop,
                                .on_run = on_run,
                                .on_step = test_on_step,
                                .user = s};
    *error = (oc_error){0};
    return dry ? oc_study_estimate(study, world.data, &options, error)
               : oc_study_run(study, world.data, &options, error);
}

#define SETTINGS(model)                                                                                                \
    "set: {model.name: " model ", data.size: 32, train.batch_size: 16, train.epochs: 1, data.holdout: 0.1}\n"
#define SMALL SETTINGS("myresnet-tiny")
#define STORY                                                                                                          \
    "runs:\n"                                                                                                          \
    "  - {name: one, set: {train.epochs: 2}}\n"                                                                        \
    "  - {name: broken}\n"                                                                                             \
    "  - {name: after, start: broken}\n"                                                                               \
    "  - {name: two, start: one, seeds: [3]}\n"                                                                        \
    "ensemble: {members: [one, two], method: stack, epochs: 2}\n"
static const char story[] = SMALL STORY;

static char *read_text(const char *out, const char *file) {
    char path[320];
    size_t size = 0;
    unsigned char *bytes = test_bytes_read(test_run_file(&world, out, file, path), &size);
    char *text = malloc(size + 1);
    assert_non_null(text);
    memcpy(text, bytes, size);
    text[size] = '\0';
    free(bytes);
    return text;
}

static bool in_folder(const char *run, const char *file) {
    char path[320];
    return oc_path_exists(test_run_file(&world, run, file, path));
}

static void test_estimate(void **state) {
    (void)state;
    oc_error error;
    char path[320];
    seen s = {0};
    /* A network whose training is more than the fit of the ensemble. */
    oc_study *study = test_study_create(&world, SETTINGS("myresnet-small") STORY);
    test_require(run_study(study, "dry", true, &s, &error), OC_OK, &error);
    assert_false(oc_path_exists(test_world_path(&world, "dry", path)));
    assert_int_equal(s.begun + s.ended + s.run.steps, 0);
    const oc_study_row one = oc_study_row_at(study, 0), broken = oc_study_row_at(study, 1);
    assert_int_equal(one.steps, 6); /* 54 images in batches of 16, 2 epochs */
    assert_int_equal(broken.steps, 3);
    assert_true(one.parameters > 7000000 && one.estimate > 0);
    /* The same costs: 6 steps and 3 validations beside 3 and 2. */
    assert_true(one.estimate > 1.4 * broken.estimate && one.estimate < 2.1 * broken.estimate);
    assert_true(oc_study_row_at(study, 4).estimate > 0 && oc_study_row_at(study, 4).ensemble);
    assert_true(oc_study_row_at(study, 4).estimate < one.estimate);
    oc_study_destroy(&study);

    /* What the data set cannot do is told with the run's line, and nothing is begun. */
    study = test_study_create(&world, "set: {data.size: 32}\nruns:\n  - {name: a, set: {train.batch_size: 16}}\n"
                                      "  - {name: b, set: {train.batch_size: 61}}\n");
    test_require(run_study(study, "dry", false, &s, &error), OC_E_USAGE, &error);
    test_says(&error, "b: train.batch_size = 61 is more than the 60 training images");
    assert_non_null(strstr(error.where, "s.yaml:4"));
    assert_false(oc_path_exists(path));
    oc_study_destroy(&study);
}

/* Runs share what was measured where they differ in nothing that takes time, and nowhere else. */
static void test_estimate_kinds(void **state) {
    (void)state;
    static const char text[] = "set: {data.size: 32, train.batch_size: 4, train.epochs: 1,\n"
                               "      model.name: resnet26d, data.holdout: 0.1}\n"
                               "runs:\n"
                               "  - {name: first}\n"
                               "  - {name: same, set: {train.seed: 1, optimizer.lr: 0.1, schedule.name: constant}}\n"
                               "  - {name: plain, set: {data.augment: false}}\n"
                               "  - {name: clipped, set: {clip.norm: 1}}\n"
                               "  - {name: averaged, set: {ema.decay: 0.9}}\n"
                               "  - {name: sgd, set: {optimizer.name: sgd}}\n"
                               "  - {name: dropped, set: {model.drop_path: 0.2}}\n"
                               "  - {name: unmixed, set: {mixup.alpha: 0}}\n";
    oc_error error;
    seen s = {0};
    oc_study *study = test_study_create(&world, text);
    test_require(run_study(study, "dry", true, &s, &error), OC_OK, &error);
    const double first = oc_study_row_at(study, 0).estimate;
    for (size_t i = 0; i < oc_study_count(study); i++) {
        const oc_study_row row = oc_study_row_at(study, i);
        print_message("%s: %.9f s\n", row.name, row.estimate);
        assert_true(row.estimate > 0);
        assert_int_equal(row.estimate == first, i < 2);
    }
    oc_study_destroy(&study);
}

/* Who finds the folder in another's hands changes nothing in it. */
static void test_locked(void **state) {
    (void)state;
    oc_error error;
    char folder[320], file[320];
    oc_lock *lock = NULL;
    seen s = {0};
    assert_int_equal(mkdir(test_world_path(&world, "locked", folder), 0777), 0);
    test_bytes_write(test_run_file(&world, "locked", "study.json.tmp.Xa", file), "half", 4);
    test_require(oc_lock_create(&lock, folder, &error), OC_OK, &error);
    assert_non_null(lock);
    oc_study *study = test_study_create(&world, SMALL "runs:\n  - {name: a}\n");
    test_require(run_study(study, "locked", false, &s, &error), OC_E_EXISTS, &error);
    test_says(&error, "another process is running a study in this folder: wait for it, or choose another --out");
    assert_string_equal(error.where, folder);
    assert_int_equal(s.begun, 0);
    assert_int_equal(test_folder_entries(folder), 1);
    assert_true(oc_path_exists(file));

    /* Given back, it is the next one's, and that one gives it back as well. */
    oc_lock_destroy(&lock);
    test_require(run_study(study, "locked", false, &s, &error), OC_OK, &error);
    assert_false(oc_path_exists(file));
    test_require(oc_lock_create(&lock, folder, &error), OC_OK, &error);
    assert_non_null(lock);
    oc_lock_destroy(&lock);
    oc_study_destroy(&study);
}

/* One run fails, and what builds on it with it; the others and the ensemble are made. A second call begins only what is
 * not done. */
static void test_story(void **state) {
    (void)state;
    oc_error error;
    char path[320], folder[320];
    seen s = {0};
    oc_study *study = test_study_create(&world, story);
    assert_int_equal(mkdir(test_world_path(&world, "out", folder), 0777), 0);
    assert_int_equal(mkdir(test_world_path(&world, "out/broken", folder), 0777), 0);
    test_bytes_write(test_run_file(&world, "out/broken", "state.safetensors", path), "no state", 8);

    test_require(run_study(study, "out", false, &s, &error), OC_E_FORMAT, &error);
    test_says(&error, "2 of 5 failed; the first, broken: ");
    assert_string_equal(s.names, "one broken two-seed3 ensemble ");
    assert_int_equal(s.ended, 4);
    assert_int_equal(s.run.steps, 6 + 3);
    static const oc_study_state states[] = {OC_STUDY_DONE, OC_STUDY_FAILED, OC_STUDY_FAILED, OC_STUDY_DONE,
                                            OC_STUDY_DONE};
    for (size_t i = 0; i < 5; i++) assert_int_equal(oc_study_row_at(study, i).state, states[i]);
    assert_non_null(strstr(oc_study_row_at(study, 1).reason, "state.safetensors: "));
    assert_string_equal(oc_study_row_at(study, 2).reason, "its start broken failed");
    assert_false(oc_path_exists(test_world_path(&world, "out/after", folder)));
    assert_true(in_folder("out/one", "best.safetensors") && in_folder("out/two-seed3", "last.safetensors"));
    assert_true(in_folder("out/ensemble", "best.safetensors"));
    const oc_study_row one = oc_study_row_at(study, 0), ensemble = oc_study_row_at(study, 4);
    assert_int_equal(ensemble.parameters, 2 * one.parameters + 2 * 3 * 3 + 3);
    assert_true(ensemble.top1 >= 0 && ensemble.top1_low < ensemble.top1_high && ensemble.seconds > 0);
    char *csv = read_text("out", "study.csv"), *json = read_text("out", "study.json");
    assert_non_null(strstr(csv, "\nbroken,broken,,myresnet-tiny,"));
    assert_non_null(strstr(csv, ",failed,\"its start broken failed\"\n"));
    assert_string_equal(json, oc_study_json(study));
    assert_true(ensemble.images_per_second > 0);
    oc_study_destroy(&study);
    free(csv);
    free(json);

    /* The fine-tuned run began with the weights of the first: before its first step it is as good. */
    oc_metrics *rows = NULL;
    size_t count = 0;
    test_require(oc_metrics_read(&rows, &count, test_run_file(&world, "out/two-seed3", "metrics.csv", path), &error),
                 OC_OK, &error);
    assert_true(count == 2 && rows[0].val_top1 == one.top1);
    oc_free(rows);

    /* Repaired by removing the folder: only what failed is run; the rest is as it was, ensemble included. */
    test_world_path(&world, "out/broken", folder);
    test_temporary_remove(folder);
    s = (seen){0};
    study = test_study_create(&world, story);
    test_require(run_study(study, "out", false, &s, &error), OC_OK, &error);
    assert_string_equal(s.names, "broken after ");
    assert_int_equal(s.run.steps, 6);
    const oc_study_row again = oc_study_row_at(study, 0), joined = oc_study_row_at(study, 4);
    assert_true(again.top1 == one.top1 && again.seconds == one.seconds && again.best_epoch == one.best_epoch);
    assert_true(joined.top1 == ensemble.top1 && joined.parameters == ensemble.parameters);
    s = (seen){0};
    test_require(run_study(study, "out", false, &s, &error), OC_OK, &error);
    assert_int_equal(s.begun + s.run.steps, 0);
    /* Nothing is left to be done. */
    test_require(run_study(study, "out", true, &s, &error), OC_OK, &error);
    assert_true(oc_study_row_at(study, 0).estimate == 0);
    oc_study_destroy(&study);

    /* Without the table the runs themselves say that they are finished. */
    unlink(test_run_file(&world, "out", "study.json", path));
    s = (seen){0};
    study = test_study_create(&world, story);
    test_require(run_study(study, "out", false, &s, &error), OC_OK, &error);
    assert_string_equal(s.names, "one broken after two-seed3 ensemble ");
    assert_int_equal(s.run.steps, 0);
    /* The ensemble's scores came from its cache: how fast they are computed is not known any more. */
    assert_true(isnan(oc_study_row_at(study, 4).images_per_second));
    json = read_text("out", "study.json");
    assert_non_null(strstr(strstr(json, "\"name\":\"ensemble\""), "\"images_per_second\":null"));
    free(json);
    oc_study_destroy(&study);

    /* Another recipe under a finished run's name is that run's failure. */
    s = (seen){0};
    study = test_study_create(
        &world, SMALL "runs:\n  - {name: broken}\n  - {name: one, set: {train.epochs: 2, optimizer.lr: 0.5}}\n");
    test_require(run_study(study, "out", false, &s, &error), OC_E_MISMATCH, &error);
    test_says(&error, "1 of 2 failed; one: ");
    assert_non_null(strstr(oc_study_row_at(study, 1).reason, "optimizer.lr was 0.001 in the run, now 0.5"));
    assert_int_equal(oc_study_row_at(study, 0).state, OC_STUDY_DONE);
    oc_study_destroy(&study);
}

/* Stopped in the middle of its second run, a study goes on there, to the same bits. */
static void test_resume(void **state) {
    (void)state;
    static const char text[] = SMALL "runs:\n  - {name: a}\n  - {name: b, from: a, set: {train.epochs: 2}}\n";
    oc_error error;
    seen s = {0};
    oc_study *study = test_study_create(&world, text);
    test_require(run_study(study, "whole", false, &s, &error), OC_OK, &error);
    oc_study_destroy(&study);

    s = (seen){.run.stop_at_step = 4}; /* only b gets that far */
    study = test_study_create(&world, text);
    test_require(run_study(study, "cut", false, &s, &error), OC_E_STOPPED, &error);
    assert_int_equal(oc_study_row_at(study, 0).state, OC_STUDY_DONE);
    assert_int_equal(oc_study_row_at(study, 1).state, OC_STUDY_WAITING);
    assert_int_equal(s.run.steps, 7);
    char *csv = read_text("cut", "study.csv");
    assert_non_null(strstr(csv, "\na,a,,myresnet-tiny,"));
    assert_non_null(strstr(csv, ",waiting,\n"));
    free(csv);
    oc_study_destroy(&study);

    s = (seen){0};
    study = test_study_create(&world, text);
    test_require(run_study(study, "cut", false, &s, &error), OC_OK, &error);
    assert_string_equal(s.names, "b ");
    assert_int_equal(s.run.steps, 2);
    oc_study_destroy(&study);
    test_same_in_runs(&world, "whole/a", "cut/a", "best.safetensors");
    test_same_in_runs(&world, "whole/b", "cut/b", "best.safetensors");
    test_same_in_runs(&world, "whole/b", "cut/b", "last.safetensors");
    assert_true(test_differ_in_runs(&world, "whole/a", "whole/b", "last.safetensors"));

    /* Asked to stop before anything. */
    s = (seen){.run.stop = 1};
    study = test_study_create(&world, text);
    test_require(run_study(study, "never", false, &s, &error), OC_E_STOPPED, &error);
    assert_int_equal(s.begun, 0);
    oc_study_destroy(&study);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_estimate), cmocka_unit_test(test_estimate_kinds),
                                       cmocka_unit_test(test_locked), cmocka_unit_test(test_story),
                                       cmocka_unit_test(test_resume)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
