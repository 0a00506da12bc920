/* links: fault-injection */
/* Scores kept in files: damaged ones, those of something else, and a disk that fills up. */
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
#include "ensemble/score_cache.h"
#include "support/bytes.h"
#include "support/run.h"
#include "support/temporary.h"

#define CLASSES 3
#define THREADS 2

static test_world world;
static char weights[320];
static int again; /* times that the log says so */

static void on_log(void *user, oc_log_level level, const char *line) {
    (void)user;
    again += level == OC_LOG_WARN && strstr(line, "computing the scores again");
}

static int create_world(void **state) {
    (void)state;
    oc_error error = {0};
    oc_model *model = NULL;
    test_world_create(&world);
    const char *const classes[CLASSES] = {"n90000001", "n90000002", "n90000003"};
    test_require(oc_model_create(&model, "myresnet-tiny", classes, CLASSES, 32, NULL, &error), OC_OK, &error);
    oc_model_init(model, 1);
    test_require(oc_model_save(model, test_world_path(&world, "weights", weights), &error), OC_OK, &error);
    oc_model_destroy(&model);
    return 0;
}

static int destroy_world(void **state) {
    (void)state;
    test_world_destroy(&world);
    return 0;
}

static oc_model *open_model(const char *file) {
    oc_error error = {0};
    oc_model *model = NULL;
    test_require(oc_model_open(&model, file, NULL, NULL, 0, 0, NULL, &error), OC_OK, &error);
    return model;
}

/* A file that is damaged, or is another's, is made again. */
static void test_cache_damaged(void **state) {
    (void)state;
    char folder[320], file[400], name[64] = "";
    oc_error error = {0};
    bool computed = false;
    oc_scores good = {0}, other = {0};
    oc_score_cache cache = {.folder = test_world_path(&world, "damaged", folder),
                            .dataset = world.dataset,
                            .eval = {.split = "val", .threads = THREADS, .cache = world.cache, .log = {on_log, NULL}}};
    oc_model *model = open_model(weights);
    test_require(oc_score_cache_get(&good, &computed, &cache, model, weights, &error), OC_OK, &error);
    assert_true(computed);
    char command[1400];
    snprintf(command, sizeof command, "ls %s", folder);
    FILE *list = popen(command, "r");
    assert_int_equal(fscanf(list, "%63s", name), 1);
    pclose(list);
    snprintf(file, sizeof file, "%s/%s", folder, name);
    size_t size = 0;
    unsigned char *bytes = test_bytes_read(file, &size);
    for (int way = 0; way < 4; way++) {
        if (way == 0) test_bytes_write(file, bytes, size / 2);
        if (way == 1) test_bytes_write(file, "", 0);
        if (way == 2) {
            bytes[size - 70] ^= 1; /* a label or a score */
            test_bytes_write(file, bytes, size);
            bytes[size - 70] ^= 1;
        }
        if (way == 3) { /* whole, but of another split */
            oc_score_cache train = cache;
            char elsewhere[400];
            train.eval.split = "train";
            snprintf(elsewhere, sizeof elsewhere, "%s-train", folder);
            train.folder = elsewhere;
            oc_scores_free(&other);
            test_require(oc_score_cache_get(&other, NULL, &train, model, weights, &error), OC_OK, &error);
            snprintf(command, sizeof command, "mv %s/*.safetensors %s && rmdir %s", elsewhere, file, elsewhere);
            assert_int_equal(system(command), 0);
        }
        again = 0;
        oc_scores_free(&other);
        test_require(oc_score_cache_get(&other, &computed, &cache, model, weights, &error), OC_OK, &error);
        assert_true(computed);
        assert_int_equal(again, 1);
        assert_int_equal(other.images, good.images);
        assert_memory_equal(other.logits, good.logits, (size_t)good.images * CLASSES * sizeof(float));
        size_t now = 0;
        unsigned char *written = test_bytes_read(file, &now);
        assert_int_equal(now, size);
        assert_memory_equal(written, bytes, size);
        free(written);
    }
    free(bytes);
    oc_scores_free(&other);
    oc_scores_free(&good);
    oc_model_destroy(&model);
    test_temporary_remove(folder);
}

/* A full disk at any operation of writing scores: one error that names the file, nothing left half, and what had been
 * written before is there. */
static void test_cache_full_disk(void **state) {
    (void)state;
    char folder[320];
    oc_error error = {0};
    bool computed = false;
    oc_scores scores = {0};
    oc_score_cache cache = {.folder = test_world_path(&world, "full", folder),
                            .dataset = world.dataset,
                            .eval = {.split = "val", .threads = THREADS, .cache = world.cache}};
    oc_model *model = open_model(weights);
    long n = 1;
    for (bool struck = true; struck; n++) {
        oc_fault_arm(n, ENOSPC);
        const oc_status status = oc_score_cache_get(&scores, &computed, &cache, model, weights, &error);
        struck = oc_fault_count() >= n;
        oc_fault_arm(0, 0);
        test_require(status, struck ? OC_E_IO : OC_OK, &error);
        if (!struck) break;
        assert_non_null(strstr(error.where, folder));
        assert_null(scores.logits);
        /* Only the last operation comes after the file is in place; it may then be there, whole. */
        assert_true(test_folder_entries(folder) <= 1);
        char command[400];
        snprintf(command, sizeof command, "! ls %s | grep -q tmp", folder);
        assert_int_equal(system(command), 0);
    }
    assert_true(n > 3);
    oc_scores_free(&scores);
    oc_model_destroy(&model);
    test_temporary_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cache_damaged), cmocka_unit_test(test_cache_full_disk)};
    return cmocka_run_group_tests(tests, create_world, destroy_world);
}
