/* The generated data set: its layout, that it is a function of its options, its refusals, and that it is no trifle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/demo/demo.h"
#include "data/image/decode.h"
#include "ocelli/data.h"
#include "support/temporary.h"

static char folder[512], path[640], second[640];

static int setup(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/new/demo", folder);
    snprintf(second, sizeof second, "%s/other", folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

static void generate(const char *where, int classes, int per_class, uint64_t seed, int threads) {
    oc_demo_options options = {.classes = classes, .per_class = per_class, .seed = seed, .threads = threads};
    oc_error err = {0};
    if (oc_data_demo(where, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
}

static oc_dataset *dataset_open(const char *where) {
    oc_dataset *dataset = NULL;
    oc_error err = {0};
    if (oc_dataset_open(&dataset, where, NULL, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    return dataset;
}

static void test_layout(void **state) {
    (void)state;
    generate(path, 3, 7, 1, 2);
    assert_int_equal(test_folder_entries(path), 5);
    oc_dataset *dataset = dataset_open(path);
    const oc_names *classes = oc_dataset_classes(dataset);
    const oc_split *train = oc_dataset_split(dataset, "train"), *val = oc_dataset_split(dataset, "val");
    const oc_split *test = oc_dataset_split(dataset, "test");
    assert_int_equal(classes->count, 3);
    assert_string_equal(classes->item[0], "n90000001");
    assert_string_equal(classes->item[2], "n90000003");
    assert_string_equal(oc_dataset_class_name(dataset, "n90000003"), "triangle, trigon");
    assert_int_equal(train->count, 21);
    assert_int_equal(val->count, 15);
    assert_int_equal(test->count, 3);
    int per_class[3] = {0};
    for (int64_t i = 0; i < val->count; i++) per_class[val->sample[i].label]++;
    for (int k = 0; k < 3; k++) assert_int_equal(per_class[k], 5);
    assert_string_equal(train->sample[0].name, "n90000001_0.JPEG");

    /* Boxes: one line an image, inside the picture. */
    char file[700], *text = NULL;
    size_t size;
    snprintf(file, sizeof file, "%s/train/n90000002/n90000002_boxes.txt", path);
    assert_int_equal(oc_file_read(&text, &size, file, 1 << 20, NULL), OC_OK);
    int lines = 0, number, used;
    for (const char *at = text; *at; at += used, lines++) {
        int left, top, right, bottom;
        assert_int_equal(
            sscanf(at, "n90000002_%d.JPEG\t%d\t%d\t%d\t%d%n", &number, &left, &top, &right, &bottom, &used), 5);
        assert_int_equal(at[used], '\n');
        used++;
        assert_int_equal(number, lines);
        assert_true(left >= 0 && left < right && right < 64 && top >= 0 && top < bottom && bottom < 64);
    }
    assert_int_equal(lines, 7);
    oc_free(text);
    oc_dataset_destroy(&dataset);
}

static bool same_split(const oc_dataset *a, const oc_dataset *b, const char *name) {
    const oc_split *x = oc_dataset_split(a, name), *y = oc_dataset_split(b, name);
    assert_int_equal(x->count, y->count);
    bool same = true;
    for (int64_t i = 0; i < x->count; i++) {
        uint8_t *left = NULL, *right = NULL;
        size_t left_size, right_size;
        assert_string_equal(x->sample[i].path, y->sample[i].path);
        assert_int_equal(oc_dataset_read(a, &x->sample[i], &left, &left_size, NULL), OC_OK);
        assert_int_equal(oc_dataset_read(b, &y->sample[i], &right, &right_size, NULL), OC_OK);
        same = same && left_size == right_size && memcmp(left, right, left_size) == 0;
        oc_free(left);
        oc_free(right);
    }
    return same;
}

static bool same_file(const char *name) {
    char file[700], *left = NULL, *right = NULL;
    size_t left_size, right_size;
    snprintf(file, sizeof file, "%s/%s", path, name);
    assert_int_equal(oc_file_read(&left, &left_size, file, 1 << 20, NULL), OC_OK);
    snprintf(file, sizeof file, "%s/%s", second, name);
    assert_int_equal(oc_file_read(&right, &right_size, file, 1 << 20, NULL), OC_OK);
    bool same = left_size == right_size && memcmp(left, right, left_size) == 0;
    oc_free(left);
    oc_free(right);
    return same;
}

static void test_function_of_options(void **state) {
    (void)state;
    generate(path, 4, 11, 9, 1);
    generate(second, 4, 11, 9, 3);
    oc_dataset *a = dataset_open(path), *b = dataset_open(second);
    assert_true(same_split(a, b, "train"));
    assert_true(same_split(a, b, "val"));
    assert_true(same_split(a, b, "test"));
    assert_true(same_file("val/val_annotations.txt"));
    assert_true(same_file("train/n90000004/n90000004_boxes.txt"));
    assert_true(same_file("words.txt"));
    assert_true(same_file("wnids.txt"));
    oc_dataset_destroy(&b);
    test_temporary_remove(second);
    generate(second, 4, 11, 10, 2);
    b = dataset_open(second);
    assert_false(same_split(a, b, "train"));
    assert_false(same_split(a, b, "val"));
    oc_dataset_destroy(&a);
    oc_dataset_destroy(&b);
}

static void test_refused(void **state) {
    (void)state;
    oc_error err = {0};
    oc_demo_options options = {.classes = 2, .per_class = 1, .threads = 1};
    char file[700];
    /* A folder with something in it stays as it is; an empty one is filled; a file is no folder. */
    assert_int_equal(mkdir(second, 0777), 0);
    snprintf(file, sizeof file, "%s/thing", second);
    assert_int_equal(oc_file_write_atomic(file, "x", 1, NULL), OC_OK);
    assert_int_equal(oc_data_demo(second, &options, &err), OC_E_EXISTS);
    assert_string_equal(err.where, second);
    assert_int_equal(test_folder_entries(second), 1);
    assert_int_equal(oc_data_demo(file, &options, &err), OC_E_EXISTS);
    assert_int_equal(remove(file), 0);
    assert_int_equal(oc_data_demo(second, &options, &err), OC_OK);
    assert_int_equal(test_folder_entries(second), 5);
    assert_int_equal(oc_data_demo(second, &options, &err), OC_E_EXISTS);
    /* Under a file no folder can be. */
    snprintf(file, sizeof file, "%s/words.txt/demo", second);
    assert_int_equal(oc_data_demo(file, &options, &err), OC_E_EXISTS);

    static const int classes[] = {1, -1, 1001}, per_class[] = {-1, 100001};
    for (size_t i = 0; i < 3; i++) {
        oc_demo_options bad = {.classes = classes[i], .per_class = 1, .threads = 1};
        assert_int_equal(oc_data_demo(path, &bad, &err), OC_E_USAGE);
    }
    for (size_t i = 0; i < 2; i++) {
        oc_demo_options bad = {.classes = 2, .per_class = per_class[i], .threads = 1};
        assert_int_equal(oc_data_demo(path, &bad, &err), OC_E_USAGE);
    }
    assert_int_equal(oc_data_demo("", &options, &err), OC_E_USAGE);
    /* Nothing but `second` is left of all that. */
    assert_int_equal(test_folder_entries(folder), 1);
}

static bool stop_later(void *user, const char *what, int64_t done, int64_t total) {
    int *calls = user;
    assert_non_null(what);
    assert_true(done > 0 && done <= total);
    return ++*calls < 2;
}

static void test_stopped(void **state) {
    (void)state;
    int calls = 0;
    oc_demo_options options = {.classes = 5, .per_class = 3, .threads = 2, .progress = {stop_later, &calls}};
    assert_int_equal(oc_data_demo(second, &options, NULL), OC_E_STOPPED);
    assert_int_equal(calls, 2);
    assert_int_equal(test_folder_entries(folder), 0);
}

/* Every class has a name of its own, however many there are, and few classes differ by shape. */
static void test_names(void **state) {
    (void)state;
    static const int counts[] = {2, 10, 11, 100, OC_DEMO_CLASSES_MAX};
    for (size_t n = 0; n < sizeof counts / sizeof *counts; n++) {
        oc_names names = {0};
        for (int i = 0; i < counts[n]; i++) {
            oc_text text = {0};
            oc_demo_kind kind = oc_demo_kind_of(i, counts[n]);
            assert_int_equal(oc_demo_kind_name(&text, &kind, NULL), OC_OK);
            assert_int_equal(oc_names_add(&names, text.data, NULL), OC_OK);
            oc_text_free(&text);
        }
        oc_names_sort(&names);
        for (size_t i = 1; i < names.count; i++) assert_string_not_equal(names.item[i - 1], names.item[i]);
        oc_names_free(&names);
    }
}

#define CLASSES 10
#define PER_CLASS 60

/* A picture's mean colour. */
static void mean_colour(const oc_pixels *image, double mean[3]) {
    memset(mean, 0, 3 * sizeof *mean);
    int64_t count = image->width * image->height;
    for (int64_t i = 0; i < 3 * count; i++) mean[i % 3] += image->data[i] / 255.0 / (double)count;
}

/* Colours must not give the class away: the nearest mean colour of a class tells little of it. Sizes and the share of
 * greyscale files on the way. */
static void test_not_by_colour(void **state) {
    (void)state;
    static double mean[CLASSES * PER_CLASS][3], centre[CLASSES][3];
    generate(path, CLASSES, PER_CLASS, 3, 2);
    oc_dataset *dataset = dataset_open(path);
    const oc_split *train = oc_dataset_split(dataset, "train");
    oc_decoder *decoder = NULL;
    int grey = 0, right = 0;
    assert_int_equal(train->count, CLASSES * PER_CLASS);
    assert_int_equal(oc_decoder_create(&decoder, NULL, NULL), OC_OK);
    for (int64_t i = 0; i < train->count; i++) {
        uint8_t *bytes = NULL;
        size_t size;
        oc_pixels image;
        assert_int_equal(oc_dataset_read(dataset, &train->sample[i], &bytes, &size, NULL), OC_OK);
        assert_int_equal(oc_decode(decoder, bytes, size, NULL, &image, NULL), OC_OK);
        assert_int_equal(image.width, 64);
        assert_int_equal(image.height, 64);
        grey += image.color == OC_COLOR_GREY;
        mean_colour(&image, mean[i]);
        for (int c = 0; c < 3; c++) centre[train->sample[i].label][c] += mean[i][c] / PER_CLASS;
        oc_free(bytes);
    }
    for (int64_t i = 0; i < train->count; i++) {
        int best = 0;
        double least = INFINITY;
        for (int k = 0; k < CLASSES; k++) {
            double distance = 0.0;
            for (int c = 0; c < 3; c++) distance += (mean[i][c] - centre[k][c]) * (mean[i][c] - centre[k][c]);
            if (distance < least) least = distance, best = k;
        }
        right += best == train->sample[i].label;
    }
    /* 2 % grey: 12 of 600, deviation 3.4. */
    assert_in_range(grey, 2, 26);
    assert_true(right < CLASSES * PER_CLASS / 4);
    oc_decoder_destroy(&decoder);
    oc_dataset_destroy(&dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_layout, setup, teardown),
        cmocka_unit_test_setup_teardown(test_function_of_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_not_by_colour, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
