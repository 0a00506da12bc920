/* links: fault-injection */
/* label: slow */
/* The folder of an ensemble: what a killed fit leaves in it, who may write to it, and that the report in it is of the
 * weights beside it. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/lock.h"
#include "ocelli/ensemble.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/temporary.h"

#define MEMBERS 2
#define SEED 3

static test_world world;
static char member[MEMBERS][320];
static const char *path[MEMBERS];

static int create_world(void **state) {
    (void)state;
    oc_error error = {0};
    test_world_create(&world);
    for (int m = 0; m < MEMBERS; m++) {
        char run[8], settings[64];
        snprintf(run, sizeof run, "m%d", m);
        snprintf(settings, sizeof settings, "train.seed=%d train.epochs=1", SEED + m);
        test_require(test_run(&world, run, settings, NULL, &error), OC_OK, &error);
        path[m] = test_run_file(&world, run, "last.safetensors", member[m]);
    }
    print_message("members are trained from seed %d on\n", SEED);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

static oc_ensemble_options options_make(const char *out) {
    return (oc_ensemble_options){.out = out, .threads = 2, .cache = world.cache};
}

/* Fits all members; fails the test where that fails. */
static oc_ensemble_report *fit(const oc_ensemble_options *options) {
    oc_error error = {0};
    oc_ensemble_report *report = NULL;
    test_require(oc_ensemble_fit(&report, world.dataset, path, MEMBERS, options, &error), OC_OK, &error);
    return report;
}

/* Temporaries in `folder` and below. */
static int count_temporaries(const char *folder) {
    char command[500];
    int count = -1;
    snprintf(command, sizeof command, "find %s -name '*.tmp.*' | wc -l", folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    assert_int_equal(fscanf(list, "%d", &count), 1);
    pclose(list);
    return count;
}

/* What a killed fit left is removed by the next, and no two write to one folder. */
static void test_leftovers_and_lock(void **state) {
    (void)state;
    char out[320], file[400], command[1000];
    oc_error error = {0};
    oc_lock *lock = NULL;
    oc_ensemble_options options = options_make(test_world_path(&world, "locked", out));
    options.method = "mean";
    oc_ensemble_report *report = fit(&options);
    oc_ensemble_report_destroy(&report);
    static const char *const left[] = {"best.safetensors.tmp.Xa", "ensemble.json.tmp.Yb", "ensemble.json.tmp.earlier"};
    for (int k = 0; k < 3; k++) {
        snprintf(file, sizeof file, "%s/%s", out, left[k]);
        test_bytes_write(file, "half", 4);
    }
    snprintf(command, sizeof command, "for f in %s/scores/*; do echo half > $f.tmp.Zc; done", out);
    assert_int_equal(system(command), 0);
    assert_int_equal(count_temporaries(out), 5);

    test_require(oc_lock_create(&lock, out, &error), OC_OK, &error);
    assert_non_null(lock);
    assert_int_equal(oc_ensemble_fit(NULL, world.dataset, path, MEMBERS, &options, &error), OC_E_EXISTS);
    assert_string_equal(error.where, out);
    test_says(&error, "another process is writing to this folder: wait for it, or choose another --out");
    assert_int_equal(count_temporaries(out), 5);
    oc_lock_destroy(&lock);

    report = fit(&options);
    oc_ensemble_report_destroy(&report);
    assert_int_equal(count_temporaries(out), 0);
    assert_int_equal(test_folder_entries(out), 4); /* best.safetensors, ensemble.json, run.json, scores */
    test_require(oc_lock_create(&lock, out, &error), OC_OK, &error); /* and the fit has given it back */
    oc_lock_destroy(&lock);
    test_temporary_remove(out);
}

/* Whatever of the writing fails, a report never lies beside weights that it is not of. */
static void test_report_of_these_weights(void **state) {
    (void)state;
    char out[320], best[400], json[400];
    oc_error error = {0};
    oc_ensemble_options options = options_make(test_world_path(&world, "written", out));
    snprintf(best, sizeof best, "%s/best.safetensors", out);
    snprintf(json, sizeof json, "%s/ensemble.json", out);
    options.method = "stack"; /* so that the scores of its fit split are there too */
    oc_ensemble_report *report = fit(&options);
    oc_ensemble_report_destroy(&report);
    int without = 0;
    bool struck = true;
    for (long n = 1; struck; n++) {
        options.method = "mean";
        report = fit(&options);
        size_t size = 0, now = 0, told = 0;
        unsigned char *before = test_bytes_read(best, &size);
        options.method = "weighted";
        oc_fault_arm(n, ENOSPC);
        const oc_status status = oc_ensemble_fit(NULL, world.dataset, path, MEMBERS, &options, &error);
        struck = oc_fault_count() >= n;
        oc_fault_arm(0, 0);
        test_require(status, struck ? OC_E_IO : OC_OK, &error);
        unsigned char *after = test_bytes_read(best, &now);
        const bool same = size == now && memcmp(before, after, size) == 0, there = oc_path_exists(json);
        without += !there;
        if (same) assert_true(there);
        if (there) {
            unsigned char *text = test_bytes_read(json, &told);
            assert_int_equal(strcmp((char *)text, oc_ensemble_report_json(report)) == 0, same);
            free(text);
        }
        assert_int_equal(count_temporaries(out), 0);
        free(before);
        free(after);
        oc_ensemble_report_destroy(&report);
    }
    assert_true(without > 0);
    test_temporary_remove(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_leftovers_and_lock),
                                       cmocka_unit_test(test_report_of_these_weights)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
