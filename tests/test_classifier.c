/* Classifiers with plans for several sizes of batches, limits for strangers' images, and where in an image a class is
 * seen. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "eval/occlusion.h"
#include "support/bytes.h"
#include "support/ensembles.h"
#include "support/images.h"
#include "support/temporary.h"

#define SIZE 32
#define IMAGES 8

static char folder[256];

static void require(oc_status status, const oc_error *err) {
    if (status != OC_OK) fail_msg("%s: %s", err->where, err->message);
}

static oc_classifier *classifier_of(oc_model *model, const oc_classifier_setup *setup) {
    oc_classifier *classifier = NULL;
    oc_error err = {0};
    require(oc_classifier_create_with(&classifier, model, setup, &err), &err);
    return classifier;
}

static void fill(uint8_t *pixels, int seed) {
    for (int y = 0; y < SIZE; y++)
        for (int x = 0; x < SIZE; x++)
            for (int c = 0; c < 3; c++) pixels[(y * SIZE + x) * 3 + c] = test_pixel(x, y, c, seed);
}

/* An image's probabilities are the same in a batch of any size, whatever the others are. */
static void check_ladder(oc_model *model) {
    static uint8_t pixels[IMAGES][SIZE * SIZE * 3];
    oc_prediction alone[IMAGES][TEST_CLASSES], together[IMAGES * TEST_CLASSES];
    oc_error err = {0};
    oc_classifier *one = classifier_of(model, &(oc_classifier_setup){.options = {.batch = 1, .threads = 2}});
    oc_classifier *ladder =
        classifier_of(model, &(oc_classifier_setup){.options = {.batch = 6, .threads = 2}, .ladder = true});
    require(oc_classifier_warm(ladder, &err), &err);
    for (int i = 0; i < IMAGES; i++) {
        fill(pixels[i], i);
        require(oc_classifier_pixels(one, pixels[i], SIZE, SIZE, alone[i], TEST_CLASSES, &err), &err);
    }
    assert_int_equal(oc_classifier_capacity(ladder), 6);
    /* Up and down, so that each size follows others of whose memory it has something left. */
    static const int sizes[] = {6, 1, 3, 2, 5, 4, 1, 6};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        oc_classifier_item items[6];
        for (int i = 0; i < sizes[s]; i++)
            items[i] = (oc_classifier_item){
                .pixels = pixels[(i + (int)s) % IMAGES], .width = SIZE, .height = SIZE, .where = "test"};
        require(oc_classifier_batch(ladder, items, sizes[s], together, TEST_CLASSES, &err), &err);
        for (int i = 0; i < sizes[s]; i++)
            for (size_t k = 0; k < TEST_CLASSES; k++) {
                const oc_prediction *a = &alone[(i + (int)s) % IMAGES][k], *b = &together[(size_t)i * TEST_CLASSES + k];
                assert_int_equal(a->class_index, b->class_index);
                assert_float_equal(a->probability, b->probability, 1e-5);
            }
    }
    oc_classifier_destroy(&one);
    oc_classifier_destroy(&ladder);
}

static void test_ladder(void **state) {
    (void)state;
    oc_model *model = test_network(test_codes, SIZE, 4711);
    check_ladder(model);
    oc_model_destroy(&model);
    model = test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, SIZE, 4711), test_network(test_codes, SIZE, 4712),
                          NULL);
    check_ladder(model);
    oc_model_destroy(&model);
}

/* A limit on pixels is looked at in the header, and buffers that are given back are had again. */
static void test_limits(void **state) {
    (void)state;
    char path[320];
    oc_prediction predictions[2 * TEST_CLASSES];
    oc_error err = {0};
    oc_model *model = test_network(test_codes, SIZE, 4711);
    oc_classifier *classifier = classifier_of(
        model,
        &(oc_classifier_setup){.options = {.batch = 2, .threads = 2}, .ladder = true, .pixels_most = 5000, .keep = 64});
    size_t size[2];
    unsigned char *data[2];
    static const int sides[2] = {70, 72};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%d.png", folder, i);
        test_png_write(path, sides[i], sides[i], i, TEST_PNG_RGB);
        data[i] = test_bytes_read(path, &size[i]);
    }
    for (int round = 0; round < 3; round++) {
        oc_classifier_item items[2];
        for (int i = 0; i < 2; i++) items[i] = (oc_classifier_item){.data = data[i], .size = size[i], .where = "image"};
        require(oc_classifier_batch(classifier, items, 2, predictions, TEST_CLASSES, &err), &err);
        assert_int_equal(items[0].status, OC_OK);
        assert_int_equal(items[0].width, 70);
        assert_int_equal(items[1].status, OC_E_FORMAT);
        assert_non_null(strstr(items[1].error.message, "too large: 72x72"));
    }
    for (int i = 0; i < 2; i++) free(data[i]);
    oc_classifier_destroy(&classifier);
    oc_model_destroy(&model);
}

/* ---- Occlusion ---- */

/* Begin and end of the patch over a cell. */
static void span(int cell, int *begin, int *end) {
    *begin = cell * SIZE / 8 + SIZE / 16 - SIZE / 8;
    *end = *begin + SIZE / 4;
    if (*begin < 0) *begin = 0;
    if (*end > SIZE) *end = SIZE;
}

static float probability_of(oc_classifier *classifier, const uint8_t *pixels, int32_t class_index) {
    oc_prediction predictions[TEST_CLASSES];
    oc_error err = {0};
    require(oc_classifier_pixels(classifier, pixels, SIZE, SIZE, predictions, TEST_CLASSES, &err), &err);
    for (size_t k = 0; k < TEST_CLASSES; k++)
        if (predictions[k].class_index == class_index) return predictions[k].probability;
    return -1;
}

/* Covering the pixels beforehand gives the same, in a network whose mean is a colour that pixels have. */
static void check_occlusion(oc_model *model, int32_t class_index) {
    static uint8_t pixels[SIZE * SIZE * 3], covered[SIZE * SIZE * 3];
    oc_error err = {0};
    oc_occlusion *occlusion = NULL;
    oc_classifier *classifier =
        classifier_of(model, &(oc_classifier_setup){.options = {.batch = 7, .threads = 2}, .ladder = true});
    fill(pixels, 3);
    oc_classifier_item item = {.pixels = pixels, .width = SIZE, .height = SIZE, .where = "test"};
    require(oc_occlusion_create(&occlusion, classifier, &item, class_index, &err), &err);
    int steps = 0;
    for (bool done = false; !done; steps++) require(oc_occlusion_step(occlusion, &done, &err), &err);
    assert_int_equal(steps, 10); /* 65 images, seven at once */
    const oc_occlusion_map map = *oc_occlusion_get(occlusion);
    oc_occlusion_destroy(&occlusion);
    if (class_index < 0) {
        oc_prediction best;
        require(oc_classifier_pixels(classifier, pixels, SIZE, SIZE, &best, 1, &err), &err);
        assert_int_equal(map.class_index, best.class_index);
    } else {
        assert_int_equal(map.class_index, class_index);
    }
    const float whole = probability_of(classifier, pixels, map.class_index);
    float largest = 0;
    assert_float_equal(map.probability, whole, 1e-5);
    for (int row = 0; row < 8; row++)
        for (int column = 0; column < 8; column++) {
            int top, bottom, left, right;
            span(row, &top, &bottom);
            span(column, &left, &right);
            memcpy(covered, pixels, sizeof covered);
            for (int y = top; y < bottom; y++) memset(covered + (y * SIZE + left) * 3, 128, (size_t)(right - left) * 3);
            const float fall = whole - probability_of(classifier, covered, map.class_index);
            assert_float_equal(map.fall[row][column], fall, 1e-4);
            largest = fmaxf(largest, fabsf(fall));
        }
    assert_true(largest > 1e-3); /* or nothing was compared */
    oc_classifier_destroy(&classifier);
}

static void mean_of_128(oc_model *model) {
    for (int c = 0; c < 3; c++) model->mean[c] = 128.0F / 255;
}

static void test_occlusion(void **state) {
    (void)state;
    oc_model *model = test_network(test_codes, SIZE, 4711);
    mean_of_128(model);
    check_occlusion(model, -1);
    check_occlusion(model, 2);
    oc_model_destroy(&model);
    model = test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, SIZE, 4711), test_network(test_codes, SIZE, 4712),
                          NULL);
    for (size_t i = 0; i < 2; i++) mean_of_128(oc_model_network(model, i));
    mean_of_128(oc_model_network(model, 1));
    check_occlusion(model, -1);
    oc_model_destroy(&model);
}

/* The square that is seen, as shares of the image, and what is refused. */
static void test_occlusion_square(void **state) {
    (void)state;
    static const struct {
        oc_fit fit;
        double left, top, width, height;
    } fits[] = {{OC_FIT_CROP, 0.3, 0.1, 0.4, 0.8}, {OC_FIT_SQUASH, 0, 0, 1, 1}, {OC_FIT_LETTERBOX, 0, -0.5, 1, 2}};
    static uint8_t pixels[200 * 100 * 3];
    oc_error err = {0};
    for (size_t i = 0; i < 3; i++) {
        oc_model *model = test_network(test_codes, SIZE, 4711);
        oc_occlusion *occlusion = NULL;
        model->image.fit = fits[i].fit;
        oc_classifier *classifier = classifier_of(model, &(oc_classifier_setup){.options = {.batch = 1, .threads = 2}});
        oc_classifier_item item = {.pixels = pixels, .width = 200, .height = 100, .where = "test"};
        require(oc_occlusion_create(&occlusion, classifier, &item, 0, &err), &err);
        const oc_occlusion_map *map = oc_occlusion_get(occlusion);
        assert_float_equal(map->left, fits[i].left, 1e-9);
        assert_float_equal(map->top, fits[i].top, 1e-9);
        assert_float_equal(map->width, fits[i].width, 1e-9);
        assert_float_equal(map->height, fits[i].height, 1e-9);
        oc_occlusion_destroy(&occlusion);
        assert_int_equal(oc_occlusion_create(&occlusion, classifier, &item, TEST_CLASSES, &err), OC_E_USAGE);
        item = (oc_classifier_item){.data = "no image", .size = 8, .where = "test"};
        assert_int_equal(oc_occlusion_create(&occlusion, classifier, &item, 0, &err), OC_E_FORMAT);
        assert_int_equal(item.status, OC_E_FORMAT);
        assert_null(occlusion);
        oc_classifier_destroy(&classifier);
        oc_model_destroy(&model);
    }
}

static int setup(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_occlusion),
        cmocka_unit_test(test_occlusion_square),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
