/* runs: alone */
/* The report of a full study: how long it takes from stored records, and how large its page is. */
#define _GNU_SOURCE 1
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "report/page.h"
#include "support/bytes.h"
#include "support/reports.h"
#include "support/temporary.h"

#define SIZE_MOST 1500000 /* bytes of a page besides its images */
#define SECONDS_MOST 5.0

static test_world world;

static int create_folder(void **state) {
    (void)state;
    test_temporary_create(world.folder, sizeof world.folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    test_temporary_remove(world.folder);
    return 0;
}

/* Bytes of a page without its images. */
static size_t size_without_images(const char *page, size_t size) {
    size_t images = 0;
    for (const char *at = page; (at = memmem(at, size - (size_t)(at - page), "\"data:image/", 12));) {
        const char *end = strchr(at + 1, '"');
        assert_non_null(end);
        images += (size_t)(end - at) - 1;
        at = end;
    }
    return size - images;
}

/* Writes the page of `folder` and returns its size without images. */
static size_t page_make(const char *folder, size_t *whole, double *seconds) {
    char path[320];
    oc_error error = {0};
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    test_require(oc_report_write(test_world_path(&world, "page.html", path), &folder, 1,
                                 &(oc_report_options){.stored = true}, &error),
                 OC_OK, &error);
    clock_gettime(CLOCK_MONOTONIC, &end);
    *seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    char *page = (char *)test_bytes_read(path, whole);
    const size_t size = size_without_images(page, *whole);
    free(page);
    return size;
}

/* Six models and an ensemble, 200 classes, 40 epochs of 1,562 steps, 50 validation images a class. */
static void test_full_study(void **state) {
    (void)state;
    char path[320], name[40];
    test_world_path(&world, "study", path);
    assert_int_equal(mkdir(path, 0777), 0);
    json_t *rows = json_array();
    for (int i = 0; i < 7; i++) {
        const test_made made = {.classes = 200,
                                .epochs = 40,
                                .steps = 1562,
                                .images = 50,
                                .top1 = 0.5 + 0.01 * i,
                                .example = 3000,
                                .seed = (unsigned)i + 1,
                                .ensemble = i == 6};
        snprintf(name, sizeof name, "study/%s%d", made.ensemble ? "ensemble" : "model", i);
        test_made_write(test_world_path(&world, name, path), &made);
        json_array_append_new(rows, json_pack("{s:s, s:s, s:n}", "name", name + 6, "state", "done", "reason"));
    }
    json_t *study = json_pack("{s:o}", "rows", rows);
    test_json_write(test_world_path(&world, "study/study.json", path), study);
    json_decref(study);
    size_t whole;
    double seconds;
    const size_t size = page_make(test_world_path(&world, "study", path), &whole, &seconds);
    print_message("a full study: %.2f s, %zu bytes, without images %zu\n", seconds, whole, size);
    json_t *report = test_report_stored(path);
    for (size_t i = 0; i < 7; i++) {
        const json_t *run = test_report_run(report, i);
        assert_false(test_null(run, "evaluation"));
        assert_int_equal(json_array_size(test_at(run, "evaluation/classes")), 200);
        if (i == 6) continue;
        assert_int_equal(json_array_size(test_at(run, "metrics/epoch")), 41);
        assert_in_range(json_array_size(test_at(run, "steps_sampled/step")), 180, 200);
        assert_int_equal(test_integer(run, "steps_done"), 62480);
    }
    json_decref(report);
    assert_true(size < SIZE_MOST);
    assert_true(seconds < SECONDS_MOST);
}

/* Of many runs five points of a curve are one: their mean, at the last one's step. */
static void check_thinned(const char *folder) {
    char path[400];
    snprintf(path, sizeof path, "%s/run7", folder);
    json_t *many = test_report_stored(folder), *one = test_report_stored(path);
    const json_t *whole = test_at(test_report_run(one, 0), "steps_sampled"), *thin = NULL;
    for (size_t i = 0; i < 50; i++)
        if (strcmp(test_text(test_report_run(many, i), "name"), "run7") == 0)
            thin = test_at(test_report_run(many, i), "steps_sampled");
    assert_non_null(thin);
    const size_t points = json_array_size(test_at(whole, "step")), left = json_array_size(test_at(thin, "step"));
    assert_int_equal(left, (points + 4) / 5);
    for (size_t i = 0; i < left; i++) {
        double loss = 0, lr = 0;
        size_t in_it = 0;
        for (; in_it < 5 && 5 * i + in_it < points; in_it++) {
            loss += json_number_value(json_array_get(test_at(whole, "loss"), 5 * i + in_it));
            lr += json_number_value(json_array_get(test_at(whole, "lr"), 5 * i + in_it));
        }
        assert_int_equal(json_integer_value(json_array_get(test_at(thin, "step"), i)),
                         json_integer_value(json_array_get(test_at(whole, "step"), 5 * i + in_it - 1)));
        assert_true(fabs(json_number_value(json_array_get(test_at(thin, "loss"), i)) - loss / (double)in_it) < 1e-6);
        assert_true(fabs(json_number_value(json_array_get(test_at(thin, "lr"), i)) - lr / (double)in_it) < 1e-9);
    }
    json_decref(many);
    json_decref(one);
}

/* Fifty such runs. */
static void test_fifty(void **state) {
    (void)state;
    char path[320], name[40];
    test_world_path(&world, "fifty", path);
    assert_int_equal(mkdir(path, 0777), 0);
    for (int i = 0; i < 50; i++) {
        const test_made made = {.classes = 200,
                                .epochs = 40,
                                .steps = 1562,
                                .images = 50,
                                .top1 = 0.3 + 0.001 * i,
                                .example = 3000,
                                .seed = (unsigned)i + 1};
        snprintf(name, sizeof name, "fifty/run%d", i);
        test_made_write(test_world_path(&world, name, path), &made);
    }
    size_t whole;
    double seconds;
    const size_t size = page_make(test_world_path(&world, "fifty", path), &whole, &seconds);
    check_thinned(path);
    print_message("fifty runs: %.2f s, %zu bytes, without images %zu\n", seconds, whole, size);
    assert_true(size < SIZE_MOST);
    assert_true(seconds < SECONDS_MOST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_study),
        cmocka_unit_test(test_fifty),
    };
    return cmocka_run_group_tests(tests, create_folder, remove_folder);
}
