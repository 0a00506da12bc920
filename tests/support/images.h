/* Small image files, data sets and archives for tests. All functions fail the test where they cannot, and create the
 * folders that lead to a path. */
#ifndef OC_TESTS_SUPPORT_IMAGES_H
#define OC_TESTS_SUPPORT_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum test_jpeg_kind { TEST_JPEG_RGB, TEST_JPEG_GREY, TEST_JPEG_CMYK, TEST_JPEG_YCCK } test_jpeg_kind;
typedef enum test_png_kind {
    TEST_PNG_RGB,
    TEST_PNG_GREY,
    TEST_PNG_GREY_ALPHA,
    TEST_PNG_PALETTE,
    TEST_PNG_RGBA,
    TEST_PNG_RGB16,
    TEST_PNG_MIRROR
} test_png_kind;

/* Channel c of pixel (x, y) of the image `seed`: what the lossless files hold, a smooth pattern. */
uint8_t test_pixel(int x, int y, int c, int seed);

/* A JPEG of quality 95; all zero: baseline, 4:2:0 of RGB, JFIF or Adobe header. */
typedef struct test_jpeg_options {
    test_jpeg_kind kind;
    const char *sampling; /* horizontal and vertical factor of each component, as digits: "221111"; NULL: usual */
    bool progressive, plain_header; /* without JFIF's and Adobe's marker */
    bool arithmetic;
    bool scans_apart;          /* each component in a scan of its own */
    bool even;                 /* channel c of every pixel is 40 + 50 c */
    int restart;               /* interval in blocks; 0: none */
    const unsigned char *exif; /* the content of an APP1 marker; NULL: none */
    size_t exif_size;
} test_jpeg_options;
/* The file's bytes, freed with free. */
unsigned char *test_jpeg_encode(int width, int height, int seed, const test_jpeg_options *options, size_t *size);

/* EXIF data of a maker's name and an orientation, "Exif\0\0" before them; returns their size. */
#define TEST_EXIF_SIZE 44
size_t test_exif_make(unsigned char exif[TEST_EXIF_SIZE], int orientation, bool little);

void test_jpeg_write(const char *path, int width, int height, int seed, test_jpeg_kind kind);
/* Grey kinds hold channel 0, alpha is channel 1 of the next seed, the palette has colours test_pixel(i, 0, c, seed) and
 * the indices are channel 0 modulo 16, 16-bit samples have a high byte of test_pixel; the mirror image is
 * that of the same seed's RGB. */
void test_png_write(const char *path, int width, int height, int seed, test_png_kind kind);
void test_text_write(const char *path, const char *text);

/* Tiny ImageNet in small: classes n0000, n0001, …, `per_class` training images of 64×64 each and `val` validation
 * images in all, class i mod classes; with annotations, wnids.txt, words.txt (names for all classes but the last) and
 * `test` test images. */
void test_tiny_create(const char *root, int classes, int per_class, int val, int test);

/* Puts everything in `folder` into a new archive, its members' names preceded by `prefix`. */
void test_zip_create(const char *archive, const char *folder, const char *prefix, bool deflate);

#endif
