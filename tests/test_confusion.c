/* Counting confusions during a validation, and their picture: its size, which way round it is, and its colours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/image/decode.h"
#include "train/confusion.h"

static oc_error error;

/* One more image of class `label` that is taken for `guess`. */
static void add(oc_confusion *confusion, int64_t label, int64_t guess) {
    float *logits = calloc((size_t)confusion->classes, sizeof *logits);
    assert_non_null(logits);
    logits[guess] = 1;
    oc_confusion_add(confusion, label, logits);
    free(logits);
}

static void test_counting(void **state) {
    (void)state;
    oc_confusion confusion = {0};
    oc_confusion_add(&confusion, 0, (const float[]){1}); /* not open: nothing happens */
    assert_int_equal(oc_confusion_open(&confusion, 3, &error), OC_OK);
    add(&confusion, 0, 2);
    add(&confusion, 0, 2);
    add(&confusion, 2, 1);
    add(&confusion, -1, 1);
    const int64_t expected[9] = {0, 0, 2, 0, 0, 0, 0, 1, 0};
    assert_memory_equal(confusion.count, expected, sizeof expected);
    oc_confusion_clear(&confusion);
    for (int i = 0; i < 9; i++) assert_int_equal(confusion.count[i], 0);
    oc_confusion_free(&confusion);
    assert_int_equal(oc_confusion_open(&confusion, OC_CONFUSION_MOST + 1, &error), OC_OK);
    assert_null(confusion.count);
    oc_confusion_free(&confusion);
}

/* Brightness of the middle of a cell. */
static double grey(const oc_pixels *pixels, int64_t classes, int64_t row, int64_t column) {
    const int64_t cell = pixels->width / classes;
    const uint8_t *p =
        pixels->data + 3 * ((row * cell + (cell - 1) / 2) * pixels->width + column * cell + (cell - 1) / 2);
    return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
}

/* Draws and decodes; the pixels are the decoder's. */
static oc_pixels picture(oc_decoder *decoder, const oc_confusion *confusion, int expected_side) {
    unsigned char *png = NULL;
    size_t size = 0;
    int side = 0;
    oc_pixels pixels = {0};
    assert_int_equal(oc_confusion_png(&png, &size, &side, confusion, &error), OC_OK);
    assert_int_equal(oc_decode(decoder, png, size, "the picture", &pixels, &error), OC_OK);
    free(png);
    assert_int_equal(side, expected_side);
    assert_int_equal(pixels.width, side);
    assert_int_equal(pixels.height, side);
    return pixels;
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        int64_t classes;
        int side;
    } cases[] = {{1, 64}, {3, 192}, {8, 512}, {10, 510}, {100, 500}, {200, 400}, {257, 514}, {1000, 2000}};
    oc_decoder *decoder = NULL;
    assert_int_equal(oc_decoder_create(&decoder, NULL, &error), OC_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oc_confusion confusion = {0};
        assert_int_equal(oc_confusion_open(&confusion, cases[i].classes, &error), OC_OK);
        (void)picture(decoder, &confusion, cases[i].side);
        oc_confusion_free(&confusion);
    }
    oc_decoder_destroy(&decoder);
}

/* Rows are true classes; shades go by the share of the row, and a row without images is of the palest. */
static void test_orientation(void **state) {
    (void)state;
    oc_confusion confusion = {0};
    oc_decoder *decoder = NULL;
    assert_int_equal(oc_decoder_create(&decoder, NULL, &error), OC_OK);
    assert_int_equal(oc_confusion_open(&confusion, 4, &error), OC_OK);
    add(&confusion, 0, 3);
    for (int i = 0; i < 99; i++) add(&confusion, 1, 1);
    add(&confusion, 1, 0);
    for (int i = 0; i < 4; i++) add(&confusion, 2, i);
    const oc_pixels pixels = picture(decoder, &confusion, 256);
    const double none = grey(&pixels, 4, 3, 3), all = grey(&pixels, 4, 0, 3), rare = grey(&pixels, 4, 1, 0);
    assert_true(all < 40 && none > 235 && none < 255);
    assert_true(grey(&pixels, 4, 3, 0) == none && grey(&pixels, 4, 0, 0) == none);
    assert_true(grey(&pixels, 4, 1, 1) < all + 5);
    /* One in a hundred is seen. */
    assert_true(rare < none - 10 && rare > grey(&pixels, 4, 2, 2) + 40);
    /* What is between large cells is white. */
    const uint8_t *corner = pixels.data + 3 * ((size_t)63 * 256 + 63);
    assert_true(corner[0] == 255 && corner[1] == 255 && corner[2] == 255);
    oc_confusion_free(&confusion);
    oc_decoder_destroy(&decoder);
}

/* The larger the share, the darker, at every step: it reads in grey. */
static void test_shades(void **state) {
    (void)state;
    enum { CLASSES = 16 };
    oc_confusion confusion = {0};
    oc_decoder *decoder = NULL;
    assert_int_equal(oc_decoder_create(&decoder, NULL, &error), OC_OK);
    assert_int_equal(oc_confusion_open(&confusion, CLASSES, &error), OC_OK);
    for (int64_t k = 0; k < CLASSES; k++) confusion.count[k] = k * k;
    const oc_pixels pixels = picture(decoder, &confusion, 512);
    for (int64_t k = 1; k < CLASSES; k++) assert_true(grey(&pixels, CLASSES, 0, k) < grey(&pixels, CLASSES, 0, k - 1));
    oc_confusion_free(&confusion);
    oc_decoder_destroy(&decoder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counting),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_shades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
