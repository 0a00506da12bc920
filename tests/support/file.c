/* Image files in memory, and what the decoder makes of them. */
#define _GNU_SOURCE 1
#include "support/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Puts `size` bytes before place `at`. */
void test_file_insert(test_file *f, size_t at, const void *bytes, size_t size) {
    unsigned char *data = malloc(f->size + size + 1);
    assert_non_null(data);
    if (at > 0) memcpy(data, f->data, at);
    if (size > 0) memcpy(data + at, bytes, size);
    if (f->size > at) memcpy(data + at + size, f->data + at, f->size - at);
    free(f->data);
    f->data = data;
    f->size += size;
}

/* Where the bytes are. */
size_t test_file_find(const test_file *f, const void *bytes, size_t size) {
    const unsigned char *place = memmem(f->data, f->size, bytes, size);
    assert_non_null(place);
    return (size_t)(place - f->data);
}

/* The decoded pixels, freed with free. */
uint8_t *test_file_pixels(const test_file *f, const oc_image_options *options, oc_pixels *image) {
    oc_decoder *decoder = NULL;
    oc_error error = {0};
    assert_int_equal(oc_decoder_create(&decoder, options, NULL), OC_OK);
    if (oc_decode(decoder, f->data, f->size, "image", image, &error) != OC_OK) fail_msg("%s", error.message);
    const size_t size = (size_t)(image->width * image->height * 3);
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, image->data, size);
    image->data = NULL;
    oc_decoder_destroy(&decoder);
    return copy;
}

/* Both files have the same pixels. */
void test_file_same(const test_file *a, const test_file *b) {
    oc_pixels image_a, image_b;
    uint8_t *pixels_a = test_file_pixels(a, NULL, &image_a), *pixels_b = test_file_pixels(b, NULL, &image_b);
    assert_int_equal(image_a.width, image_b.width);
    assert_int_equal(image_a.height, image_b.height);
    assert_memory_equal(pixels_a, pixels_b, (size_t)(image_a.width * image_a.height * 3));
    free(pixels_a);
    free(pixels_b);
}

void test_file_refused(const test_file *f, const char *reason) {
    oc_decoder *decoder = NULL;
    oc_pixels image;
    oc_error error = {0};
    assert_int_equal(oc_decoder_create(&decoder, NULL, NULL), OC_OK);
    assert_int_equal(oc_decode(decoder, f->data, f->size, "image", &image, &error), OC_E_FORMAT);
    if (!strstr(error.message, reason)) fail_msg("\"%s\" does not say \"%s\"", error.message, reason);
    oc_decoder_destroy(&decoder);
}

void test_file_refused_cut(const test_file *f, size_t spare) {
    for (size_t cut = 0; cut < f->size - spare; cut++) {
        test_file part = {malloc(cut + 1), cut}; /* its own size, for the address sanitizer */
        assert_non_null(part.data);
        memcpy(part.data, f->data, cut);
        test_file_refused(&part, "");
        free(part.data);
    }
}

/* Where pixel (x, y) of the upright image lies in what is stored, as the words of the standard say it: where row 0 and
 * column 0 of the stored image are seen. */
static void stored_place(int orientation, int x, int y, int *stored_x, int *stored_y) {
    switch (orientation) {
    case 1: /* top, left */
        *stored_x = x, *stored_y = y;
        break;
    case 2: /* top, right */
        *stored_x = TEST_FILE_WIDTH - 1 - x, *stored_y = y;
        break;
    case 3: /* bottom, right */
        *stored_x = TEST_FILE_WIDTH - 1 - x, *stored_y = TEST_FILE_HEIGHT - 1 - y;
        break;
    case 4: /* bottom, left */
        *stored_x = x, *stored_y = TEST_FILE_HEIGHT - 1 - y;
        break;
    case 5: /* left, top */
        *stored_x = y, *stored_y = x;
        break;
    case 6: /* right, top */
        *stored_x = y, *stored_y = TEST_FILE_HEIGHT - 1 - x;
        break;
    case 7: /* right, bottom */
        *stored_x = TEST_FILE_WIDTH - 1 - y, *stored_y = TEST_FILE_HEIGHT - 1 - x;
        break;
    default: /* left, bottom */
        *stored_x = TEST_FILE_WIDTH - 1 - y, *stored_y = x;
    }
}

/* The file, whose plain twin's pixels are `stored`, is seen as `orientation` says, and as stored where that is not
 * wanted. */
void test_file_turned(const test_file *f, const uint8_t *stored, int orientation) {
    oc_pixels image;
    uint8_t *pixels = test_file_pixels(f, NULL, &image);
    const int width = orientation < 5 ? TEST_FILE_WIDTH : TEST_FILE_HEIGHT,
              height = orientation < 5 ? TEST_FILE_HEIGHT : TEST_FILE_WIDTH;
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_int_equal(image.turned, orientation != 1);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            int u, v;
            stored_place(orientation, x, y, &u, &v);
            assert_memory_equal(pixels + 3 * (y * width + x), stored + 3 * (v * TEST_FILE_WIDTH + u), 3);
        }
    free(pixels);
    pixels = test_file_pixels(f, &(oc_image_options){.exif = false}, &image);
    assert_int_equal(image.width, TEST_FILE_WIDTH);
    assert_int_equal(image.turned, orientation != 1);
    assert_memory_equal(pixels, stored, TEST_FILE_WIDTH * TEST_FILE_HEIGHT * 3);
    free(pixels);
}

/* Pixel i of the file has colour want[i] and opacity alpha[i], both of 255. */
void test_file_composited(const test_file *f, const uint8_t *want, const uint8_t *alpha, oc_color color,
                          double tolerance) {
    static const uint8_t grounds[][3] = {{255, 255, 255}, {10, 200, 77}, {0, 0, 0}};
    bool any = false;
    for (int i = 0; i < TEST_FILE_WIDTH * TEST_FILE_HEIGHT; i++) any |= alpha[i] != 255;
    for (size_t g = 0; g < sizeof grounds / sizeof *grounds; g++) {
        oc_image_options options = OC_IMAGE_OPTIONS_DEFAULT;
        oc_pixels image;
        memcpy(options.background, grounds[g], 3);
        uint8_t *pixels = test_file_pixels(f, &options, &image);
        assert_int_equal(image.color, color);
        assert_int_equal(image.transparent, any);
        for (int i = 0; i < TEST_FILE_WIDTH * TEST_FILE_HEIGHT * 3; i++) {
            const uint8_t opacity = alpha[i / 3];
            const double exact = (want[i] * (double)opacity + grounds[g][i % 3] * (255.0 - opacity)) / 255;
            if (!(pixels[i] > exact - 0.51 - tolerance && pixels[i] < exact + 0.51 + tolerance))
                fail_msg("byte %d is %d, not %.2f (%d of opacity %d)", i, pixels[i], exact, want[i], opacity);
        }
        free(pixels);
    }
}
