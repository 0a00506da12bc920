/* Image files in memory, and what the decoder makes of them. All functions fail the test where it is not as they say.
 */
#ifndef OC_TESTS_SUPPORT_FILE_H
#define OC_TESTS_SUPPORT_FILE_H

#include "data/image/decode.h"

#define TEST_FILE_WIDTH 24
#define TEST_FILE_HEIGHT 16

typedef struct test_file {
    unsigned char *data; /* from malloc */
    size_t size;
} test_file;

/* Puts `size` bytes before place `at`. */
void test_file_insert(test_file *f, size_t at, const void *bytes, size_t size);
/* Where the bytes are. */
size_t test_file_find(const test_file *f, const void *bytes, size_t size);

/* The decoded pixels, freed with free; image->data is NULL. `options` as oc_decoder_create. */
uint8_t *test_file_pixels(const test_file *f, const oc_image_options *options, oc_pixels *image);
/* Both files have the same pixels. */
void test_file_same(const test_file *a, const test_file *b);
/* The file is refused in words that hold `reason`. */
void test_file_refused(const test_file *f, const char *reason);
/* The file is refused when cut anywhere before its last `spare` bytes. */
void test_file_refused_cut(const test_file *f, size_t spare);

/* The file, of TEST_FILE_WIDTH × TEST_FILE_HEIGHT stored pixels `stored` [height, width, 3], is seen as `orientation`
 * says, and as stored where that is not wanted. */
void test_file_turned(const test_file *f, const uint8_t *stored, int orientation);
/* Pixel i of the file, of that size, has the colour want[i] [3] and the opacity alpha[i], both of 255, and it is
 * composited on whatever background, within `tolerance`. */
void test_file_composited(const test_file *f, const uint8_t *want, const uint8_t *alpha, oc_color color,
                          double tolerance);

#endif
