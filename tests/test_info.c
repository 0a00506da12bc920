/* The statistics of a data set, and packing all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "data/dataset.h"
#include "ocelli/data.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/set.h"
#include "support/temporary.h"

/* What is told is a warning. */
static void on_log(void *user, oc_log_level level, const char *line) {
    assert_int_equal(level, OC_LOG_WARN);
    test_set_on_log(user, level, line);
}

/* The text of the statistics, freed with oc_data_free. */
static char *info_text(test_set *f, int threads) {
    char *text = NULL;
    oc_error error = {0};
    oc_dataset_destroy(&f->dataset);
    if (oc_dataset_open(&f->dataset, f->root, NULL, &error) != OC_OK) fail_msg("%s", error.message);
    if (oc_data_info(&text, f->dataset, &(oc_data_options){.threads = threads, .log = {on_log, f}}, &error) != OC_OK)
        fail_msg("%s", error.message);
    return text;
}

static json_t *at(json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    if (!value) fail_msg("no key %s", key);
    return value;
}

static int count_at(json_t *object, const char *key) {
    return (int)json_integer_value(at(object, key));
}

static void near(const json_t *number, double want) {
    assert_true(json_is_real(number));
    assert_true(json_real_value(number) > want - 1e-9 && json_real_value(number) < want + 1e-9);
}

static void test_info(void **state) {
    test_set *f = *state;
    test_tiny_create(f->root, 3, 4, 3, 2);
    test_jpeg_write(test_set_path(f, "train/n0000/images/n0000_1.JPEG"), 32, 16, 1, TEST_JPEG_GREY);
    test_png_write(test_set_path(f, "train/n0000/images/n0000_9.png"), 32, 16, 1, TEST_PNG_PALETTE);
    test_text_write(test_set_path(f, "train/n0002/images/n0002_3.JPEG"), "sorry");
    char *text = info_text(f, 2), *other = info_text(f, 1);
    assert_string_equal(text, other);
    json_t *info = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(info);
    assert_string_equal(json_string_value(at(info, "path")), f->root);
    assert_int_equal(json_array_size(at(info, "classes")), 3);
    assert_string_equal(json_string_value(json_array_get(at(info, "classes"), 2)), "n0002");
    assert_string_equal(json_string_value(at(at(info, "class_names"), "n0001")), "thing 1, something");
    json_t *train = at(at(info, "splits"), "train"), *test = at(at(info, "splits"), "test");
    assert_int_equal(count_at(train, "images"), 13);
    assert_int_equal(count_at(at(train, "images_per_class"), "min"), 4);
    assert_int_equal(count_at(at(train, "images_per_class"), "max"), 5);
    assert_int_equal(count_at(at(at(train, "images_per_class"), "each"), "n0000"), 5);
    assert_int_equal(count_at(at(train, "sizes"), "64x64"), 10);
    assert_int_equal(count_at(at(train, "sizes"), "32x16"), 2);
    assert_int_equal(count_at(at(train, "colour_modes"), "rgb"), 10);
    assert_int_equal(count_at(at(train, "colour_modes"), "grey"), 1);
    assert_int_equal(count_at(at(train, "colour_modes"), "palette"), 1);
    json_t *bad = at(train, "undecodable"), *file = json_array_get(at(bad, "files"), 0);
    assert_int_equal(count_at(bad, "count"), 1);
    assert_string_equal(json_string_value(at(file, "name")), "train/n0002/images/n0002_3.JPEG");
    assert_string_equal(json_string_value(at(file, "reason")), "not an image: begins with the text \"sorry\"");
    assert_int_equal(count_at(at(train, "left_out"), "count"), 0);
    assert_string_equal(f->log, "");
    assert_int_equal(count_at(test, "images"), 2);
    assert_null(json_object_get(test, "images_per_class"));
    assert_int_equal(count_at(train, "turned"), 0);
    assert_int_equal(count_at(train, "transparent"), 0);
    json_decref(info);
    oc_data_free(text);
    oc_data_free(other);
}

/* What is out of the usual is counted, what is turned also where it stays as stored. */
static void test_read_as_asked(void **state) {
    static const oc_image_options readings[] = {OC_IMAGE_OPTIONS_DEFAULT, {.exif = false}};
    /* two frames of a pixel */
    static const char frames[] = "GIF89a\1\0\1\0\x80\0\0\xff\xff\xff\0\0\0"
                                 ",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
                                 ",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;";
    test_set *f = *state;
    unsigned char exif[TEST_EXIF_SIZE];
    size_t size;
    for (int i = 0; i < 4; i++) {
        char name[32];
        unsigned char *bytes = test_jpeg_encode(
            24, 16, 3, &(test_jpeg_options){.exif = exif, .exif_size = test_exif_make(exif, i < 3 ? 6 : 1, i % 2)},
            &size);
        snprintf(name, sizeof name, "a/%d.jpg", i);
        test_text_write(test_set_path(f, name), "");
        test_bytes_write(f->path, bytes, size);
        free(bytes);
    }
    test_png_write(test_set_path(f, "a/4.png"), 9, 9, 4, TEST_PNG_RGBA);
    test_png_write(test_set_path(f, "a/5.png"), 9, 9, 4, TEST_PNG_RGB);
    test_png_write(test_set_path(f, "a/6.png"), 9, 9, 4, TEST_PNG_RGB16);
    test_png_write(test_set_path(f, "a/7.png"), 9, 9, 4, TEST_PNG_GREY);
    test_jpeg_write(test_set_path(f, "a/8.jpg"), 9, 9, 4, TEST_JPEG_CMYK);
    test_text_write(test_set_path(f, "a/9.gif"), "");
    test_bytes_write(f->path, frames, sizeof frames - 1);
    double mean[2];
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, NULL), OC_OK);
    for (int i = 0; i < 2; i++) {
        char *text = NULL;
        assert_int_equal(
            oc_data_info(&text, f->dataset, &(oc_data_options){.image = &readings[i], .log = {on_log, f}}, NULL),
            OC_OK);
        json_t *info = json_loads(text, 0, NULL), *train = at(at(info, "splits"), "train");
        assert_int_equal(count_at(train, "turned"), 3);
        assert_int_equal(count_at(train, "transparent"), 1);
        assert_int_equal(count_at(train, "wide"), 1);
        assert_int_equal(count_at(train, "several"), 1);
        assert_int_equal(count_at(at(train, "colour_modes"), "rgb"), 6);
        assert_int_equal(count_at(at(train, "colour_modes"), "grey"), 1);
        assert_int_equal(count_at(at(train, "colour_modes"), "cmyk"), 1);
        assert_int_equal(count_at(at(train, "colour_modes"), "palette"), 1);
        assert_int_equal(count_at(at(train, "sizes"), i == 0 ? "16x24" : "24x16"), i == 0 ? 3 : 4);
        mean[i] = json_real_value(json_array_get(at(train, "mean"), 0));
        json_decref(info);
        oc_data_free(text);
    }
    assert_true(mean[0] > mean[1]); /* on white, on black */
}

/* Mean and deviation of a lossless image, by their definitions. */
static void test_mean(void **state) {
    test_set *f = *state;
    test_png_write(test_set_path(f, "a/1.png"), 21, 13, 4, TEST_PNG_RGB);
    test_png_write(test_set_path(f, "b/1.png"), 5, 6, 9, TEST_PNG_RGB);
    char *text = info_text(f, 0);
    json_t *info = json_loads(text, 0, NULL);
    json_t *train = at(at(info, "splits"), "train");
    for (int c = 0; c < 3; c++) {
        double mean = 0, variance = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < 21 * 13 + 30; i++) {
                const double v =
                    i < 273 ? test_pixel(i % 21, i / 21, c, 4) : test_pixel((i - 273) % 5, (i - 273) / 5, c, 9);
                if (pass == 0)
                    mean += v / 255 / 303;
                else
                    variance += (v / 255 - mean) * (v / 255 - mean) / 303;
            }
        double std = variance; /* Newton's square root */
        for (int i = 0; i < 60; i++) std = 0.5 * (std + variance / std);
        near(json_array_get(at(train, "mean"), (size_t)c), mean);
        near(json_array_get(at(train, "std"), (size_t)c), std);
    }
    json_decref(info);
    oc_data_free(text);
}

/* File names that are not UTF-8 and many bad files do no harm. */
static void test_odd_names(void **state) {
    test_set *f = *state;
    char name[64];
    test_jpeg_write(test_set_path(f, "one/1.jpg"), 8, 8, 1, TEST_JPEG_RGB);
    test_text_write(test_set_path(f, "one/\xe4.avif"), "");
    test_text_write(test_set_path(f, "other/2.heic"), "");
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "other/\xff%02d.jpg", i);
        test_text_write(test_set_path(f, name), "");
    }
    char *text = info_text(f, 2);
    json_t *info = json_loads(text, 0, NULL);
    assert_non_null(info);
    json_t *train = at(at(info, "splits"), "train"), *bad = at(train, "undecodable");
    assert_int_equal(count_at(at(train, "left_out"), "count"), 2);
    assert_string_equal(json_string_value(at(at(train, "left_out"), "first")), "one/?.avif");
    assert_non_null(strstr(json_string_value(at(at(train, "left_out"), "reason")), "a format that is not read"));
    assert_non_null(
        strstr(f->log, "not read in train: 2 (an image in a format that is not read), the first is one/?.avif"));
    assert_int_equal(count_at(bad, "count"), 30);
    assert_int_equal(json_array_size(at(bad, "files")), 20);
    assert_string_equal(json_string_value(at(json_array_get(at(bad, "files"), 19), "name")), "other/?19.jpg");
    json_decref(info);
    oc_data_free(text);
}

static bool count_report(void *user, const char *what, int64_t done, int64_t total) {
    int *reports = user;
    (void)what;
    assert_true(done <= total);
    ++*reports;
    return false;
}

static void test_stopped(void **state) {
    test_set *f = *state;
    char *text = NULL;
    int reports = 0;
    test_tiny_create(f->root, 2, 2, 2, 0);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, NULL), OC_OK);
    assert_int_equal(oc_data_info(&text, f->dataset, &(oc_data_options){.progress = {count_report, &reports}}, NULL),
                     OC_E_STOPPED);
    assert_null(text);
    assert_int_equal(reports, 1);
}

static void test_pack_all(void **state) {
    test_set *f = *state;
    char cache[400];
    oc_error error = {0};
    snprintf(cache, sizeof cache, "%s/cache", f->folder);
    oc_data_options options = {.cache = cache, .threads = 2, .verify = true};
    test_tiny_create(f->root, 2, 2, 2, 1);
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, NULL), OC_OK);
    assert_int_equal(oc_data_pack(f->dataset, &options, NULL), OC_OK);
    assert_int_equal(test_folder_entries(cache), 3);
    test_text_write(test_set_path(f, "test/images/test_0.JPEG"), "text");
    oc_dataset_destroy(&f->dataset);
    test_text_write(test_set_path(f, "test/images/test_1.JPEG"), "text");
    assert_int_equal(oc_dataset_open(&f->dataset, f->root, NULL, NULL), OC_OK);
    assert_int_equal(oc_data_pack(f->dataset, &options, &error), OC_E_FORMAT);
    assert_non_null(strstr(error.message, "2 of the 2 images of test"));
    options.size = -1;
    assert_int_equal(oc_data_pack(f->dataset, &options, &error), OC_E_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_info, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_read_as_asked, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_mean, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_odd_names, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_stopped, test_set_setup, test_set_teardown),
        cmocka_unit_test_setup_teardown(test_pack_all, test_set_setup, test_set_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
