/* The image decoder: every kind of JPEG and PNG, and every kind of bad file with its reason. What is odd but good is in
 * test_decode_odd.c. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/image/decode.h"
#include "data/kind.h"
#include "data/resize.h"
#include "support/bytes.h"
#include "support/images.h"
#include "support/temporary.h"

typedef struct fixture {
    char folder[256], path[300];
    oc_decoder *decoder;
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_temporary_create(f->folder, sizeof f->folder);
    snprintf(f->path, sizeof f->path, "%s/image", f->folder);
    assert_int_equal(oc_decoder_create(&f->decoder, NULL, NULL), OC_OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    oc_decoder_destroy(&f->decoder);
    test_temporary_remove(f->folder);
    free(f);
    return 0;
}

static oc_status decode_file(fixture *f, oc_pixels *out, oc_error *err) {
    size_t size;
    unsigned char *bytes = test_bytes_read(f->path, &size);
    const oc_status status = oc_decode(f->decoder, bytes, size, "image", out, err);
    free(bytes);
    return status;
}

static void refused(fixture *f, const void *bytes, size_t size, const char *reason) {
    oc_pixels image = {.width = -7};
    oc_error error = {0};
    assert_int_equal(oc_decode(f->decoder, bytes, size, "image", &image, &error), OC_E_FORMAT);
    assert_string_equal(error.where, "image");
    if (!strstr(error.message, reason)) fail_msg("\"%s\" does not say \"%s\"", error.message, reason);
    assert_int_equal(image.width, -7);
}

/* A bad file leaves nothing behind that spoils the next good one. */
static void test_good_after_bad(void **state) {
    fixture *f = *state;
    oc_pixels image;
    size_t size;
    test_jpeg_write(f->path, 64, 64, 3, TEST_JPEG_RGB);
    unsigned char *bytes = test_bytes_read(f->path, &size);
    for (size_t cut = 3; cut < size; cut += 7) {
        assert_int_equal(oc_decode(f->decoder, bytes, cut, "image", &image, NULL), OC_E_FORMAT);
        assert_int_equal(oc_decode(f->decoder, bytes, size, "image", &image, NULL), OC_OK);
        assert_int_equal(image.width, 64);
        assert_int_equal(image.height, 64);
    }
    free(bytes);
}

static void test_jpeg_rgb(void **state) {
    fixture *f = *state;
    oc_pixels image;
    test_jpeg_write(f->path, 70, 41, 3, TEST_JPEG_RGB);
    assert_int_equal(decode_file(f, &image, NULL), OC_OK);
    assert_int_equal(image.width, 70);
    assert_int_equal(image.height, 41);
    assert_int_equal(image.color, OC_COLOR_RGB);
}

static void test_jpeg_grey(void **state) {
    fixture *f = *state;
    oc_pixels image;
    test_jpeg_write(f->path, 20, 30, 3, TEST_JPEG_GREY);
    assert_int_equal(decode_file(f, &image, NULL), OC_OK);
    assert_int_equal(image.color, OC_COLOR_GREY);
    int64_t different = 0;
    for (int64_t i = 0; i < 600; i++) {
        assert_int_equal(image.data[3 * i], image.data[3 * i + 1]);
        assert_int_equal(image.data[3 * i], image.data[3 * i + 2]);
        different += image.data[3 * i] != image.data[0];
    }
    assert_true(different > 300);
}

static void test_png_kinds(void **state) {
    static const struct {
        test_png_kind kind;
        oc_color color;
    } kinds[] = {{TEST_PNG_RGB, OC_COLOR_RGB},
                 {TEST_PNG_GREY, OC_COLOR_GREY},
                 {TEST_PNG_GREY_ALPHA, OC_COLOR_GREY_ALPHA},
                 {TEST_PNG_PALETTE, OC_COLOR_PALETTE},
                 {TEST_PNG_RGBA, OC_COLOR_RGBA},
                 {TEST_PNG_RGB16, OC_COLOR_RGB}};
    fixture *f = *state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        oc_pixels image;
        test_png_write(f->path, 33, 17, 5, kinds[k].kind);
        assert_int_equal(decode_file(f, &image, NULL), OC_OK);
        assert_int_equal(image.width, 33);
        assert_int_equal(image.height, 17);
        assert_int_equal(image.color, kinds[k].color);
        const bool grey = kinds[k].kind == TEST_PNG_GREY || kinds[k].kind == TEST_PNG_GREY_ALPHA;
        for (int y = 0; y < 17; y++)
            for (int x = 0; x < 33; x++)
                for (int c = 0; c < 3; c++) {
                    const uint8_t want = kinds[k].kind == TEST_PNG_PALETTE
                                             ? test_pixel(test_pixel(x, y, 0, 5) % 16, 0, c, 5)
                                             : test_pixel(x, y, grey ? 0 : c, 5);
                    const bool alpha = kinds[k].kind == TEST_PNG_GREY_ALPHA || kinds[k].kind == TEST_PNG_RGBA;
                    const int opacity = alpha ? test_pixel(x, y, 1, 6) : 255; /* on white */
                    assert_int_equal(image.data[(y * 33 + x) * 3 + c], 255 - ((255 - want) * opacity + 127) / 255);
                }
    }
}

/* Inks are stored inverted: 255 is none. */
static void test_cmyk(void **state) {
    fixture *f = *state;
    for (test_jpeg_kind kind = TEST_JPEG_CMYK; kind <= TEST_JPEG_YCCK; kind++)
        for (int plain = 0; plain < 2; plain++) {
            size_t size;
            oc_pixels image;
            const test_jpeg_options options = {.kind = kind, .even = true, .plain_header = plain == 1};
            unsigned char *bytes = test_jpeg_encode(64, 64, 1, &options, &size);
            if (kind == TEST_JPEG_YCCK && plain) { /* without Adobe's marker nothing tells it from CMYK */
                free(bytes);
                continue;
            }
            assert_int_equal(oc_decode(f->decoder, bytes, size, "image", &image, NULL), OC_OK);
            assert_int_equal(image.color, OC_COLOR_CMYK);
            for (int i = 0; i < 64 * 64 * 3; i++) {
                const int want = (40 + 50 * (i % 3)) * 190 / 255; /* channel c is 40 + 50 c, black 190 */
                assert_in_range(image.data[i], want - 2, want + 2);
            }
            free(bytes);
        }
}

/* Cut at every place: never an image, never a crash. */
static void test_truncated(void **state) {
    fixture *f = *state;
    for (int png = 0; png < 2; png++) {
        size_t size;
        if (png)
            test_png_write(f->path, 40, 40, 1, TEST_PNG_RGB);
        else
            test_jpeg_write(f->path, 40, 40, 1, TEST_JPEG_RGB);
        unsigned char *bytes = test_bytes_read(f->path, &size);
        /* A PNG's picture ends before its checksum, of 4 bytes, and the end mark, of 12. */
        for (size_t cut = 0; cut < (png ? size - 16 : size); cut++) {
            unsigned char *part = malloc(cut + 1); /* its own size, for the address sanitizer */
            memcpy(part, bytes, cut);
            refused(f, part, cut, "");
            free(part);
        }
        refused(f, bytes, size / 2, "truncated");
        refused(f, bytes, png ? 40 : 100, "truncated"); /* before what says how large the picture is, or just behind */
        free(bytes);
    }
}

static void test_kinds(void **state) {
    (void)state;
    static const char *const images[] = {"a.jpg",  "a.b.JPEG", ".Png",  "a.jfif", "a.JPE",
                                         "a.webp", "a.GIF",    "a.bmp", "a.tif",  "a.tiff"};
    for (size_t i = 0; i < 10; i++) assert_int_equal(oc_kind_of_name(images[i]), OC_KIND_IMAGE);
    static const char *const unsaid[] = {"jpg", "a.jpg.txt", "a.", "a.jpg~", "a.png ", ""};
    for (size_t i = 0; i < 6; i++) assert_int_equal(oc_kind_of_name(unsaid[i]), OC_KIND_UNSAID);
    /* The content decides. */
    static const struct {
        const char *name, *content;
        size_t size;
        oc_kind kind;
    } files[] = {{"notes.txt", "\xff\xd8\xff\xe0", 4, OC_KIND_IMAGE},
                 {"a.heic", "\x89PNG\r\n\x1a\n", 8, OC_KIND_IMAGE},
                 {"a", "RIFF\x10\0\0\0WEBPVP8 ", 16, OC_KIND_IMAGE},
                 {"a", "GIF89a", 6, OC_KIND_IMAGE},
                 {"a", "GIF87a", 6, OC_KIND_IMAGE},
                 {"a", "BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0", 16, OC_KIND_IMAGE},
                 {"a", "II*\0\x8\0\0\0", 8, OC_KIND_IMAGE},
                 {"a.tmp", "MM\0*\0\0\0\x8", 8, OC_KIND_IMAGE},
                 {"a", "\x89PNG\r\n\x1a", 7, OC_KIND_NO_IMAGE},
                 {"a", "\xff\xd8", 2, OC_KIND_NO_IMAGE},
                 {"a", "RIFF\x10\0\0\0WAVEfmt ", 16, OC_KIND_NO_IMAGE},
                 {"a", "GIF88a", 6, OC_KIND_NO_IMAGE},
                 {"a", "BM is how it begins", 19, OC_KIND_NO_IMAGE},
                 {"a.txt", "hello", 5, OC_KIND_NO_IMAGE},
                 {"heic", "", 0, OC_KIND_NO_IMAGE},
                 {"b.HEIC", "", 0, OC_KIND_OTHER_IMAGE},
                 {"a",
                  "\0\0\0\x20"
                  "ftypheic",
                  12, OC_KIND_OTHER_IMAGE},
                 {"a",
                  "\0\0\0\x20"
                  "ftypavif",
                  12, OC_KIND_OTHER_IMAGE},
                 /* raw files, which begin as TIFFs: by name, and Canon's by their mark */
                 {"a.NEF", "MM\0*\0\0\0\x8", 8, OC_KIND_OTHER_IMAGE},
                 {"a.nef", "\xff\xd8\xff\xe1", 4, OC_KIND_IMAGE},
                 {"a", "II*\0\x10\0\0\0CR\2", 11, OC_KIND_OTHER_IMAGE},
                 /* an icon, a cursor, and what only begins as they do */
                 {"a", "\0\0\1\0\2\0\x10\x10\0\0\1\0", 12, OC_KIND_OTHER_IMAGE},
                 {"a", "\0\0\2\0\1\0\x10\x10\0\0\1\0", 12, OC_KIND_OTHER_IMAGE},
                 {"a", "\0\0\1\0\0\0\0\0\0\0\0\0", 12, OC_KIND_NO_IMAGE},
                 {"a", "\xff\x4f\xff\x51\0", 5, OC_KIND_OTHER_IMAGE},
                 {"a", "v/1\1\2\0\0\0", 8, OC_KIND_OTHER_IMAGE},
                 {"a", "DDS \x7c\0\0\0", 8, OC_KIND_OTHER_IMAGE},
                 {"a", "gimp xcf file", 13, OC_KIND_OTHER_IMAGE},
                 {"a", "P1\n# by hand\n2 2", 15, OC_KIND_OTHER_IMAGE},
                 {"a", "P6 8 8 255\n", 11, OC_KIND_OTHER_IMAGE},
                 {"a", "P7\nWIDTH 8", 10, OC_KIND_OTHER_IMAGE},
                 {"a", "P5 is how it begins", 19, OC_KIND_NO_IMAGE},
                 {"a", "P68 8 255", 9, OC_KIND_NO_IMAGE},
                 {"a", "<?xml version=\"1.0\"?>\n<!-- x -->\n<svg xmlns=\"\">", 47, OC_KIND_OTHER_IMAGE},
                 {"a", "<?xml version=\"1.0\"?>\n<annotation>", 34, OC_KIND_NO_IMAGE}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(oc_kind_of_content(files[i].name, files[i].content, files[i].size), files[i].kind);
}

static void test_other_kinds(void **state) {
    fixture *f = *state;
    refused(f, "", 0, "empty");
    refused(f, "<!DOCTYPE html><p>404", 21, "a web page");
    refused(f, "Not Found at all", 16, "begins with the text \"Not Found");
    refused(f, "x", 1, "begins with the text \"x\"");
    refused(f,
            "\0\0\0\x1c"
            "ftypavif",
            12, "an AVIF, which is not read: convert it to PNG or JPEG");
    refused(f,
            "\0\0\0\x0c"
            "jP  \r\n\x87\n",
            12, "a JPEG 2000, which is not read");
    refused(f,
            "\0\0\0\x1c"
            "ftypmif1\0\0\0\0mif1miafavif",
            28, "an AVIF, which is not read");
    refused(f,
            "\0\0\0\x14"
            "ftypmif1\0\0\0\0mif1avif",
            24, "a HEIF, which is not read");
    refused(f, "<?xml version=\"1.0\"?>\n<svg/>", 28, "an SVG drawing, which is not read");
    refused(f, "<?xml version=\"1.0\"?>\n<a/>", 26, "not an image but XML");
    uint8_t dicom[132] = {0};
    memcpy(dicom + 128, "DICM", 4);
    assert_int_equal(oc_kind_of_content("a", dicom, sizeof dicom), OC_KIND_OTHER_IMAGE);
    refused(f, dicom, sizeof dicom, "a DICOM image, which is not read");
    refused(f, "%PDF-1.4", 8, "not an image but a PDF");
    refused(f, "\0\0\0\0\0\0", 6, "the bytes 00 00");
    refused(f, "\xff\xd8", 2, "the bytes ff d8");
    refused(f, "line\nand \x01", 10, "text");
}

/* A precision, and a coding process, that the library does not have are named. */
static void test_unread_kinds(void **state) {
    fixture *f = *state;
    size_t size;
    test_jpeg_write(f->path, 64, 64, 1, TEST_JPEG_RGB);
    unsigned char *bytes = test_bytes_read(f->path, &size);
    unsigned char *frame = memmem(bytes, size, "\xff\xc0", 2);
    assert_non_null(frame);
    frame[4] = 12;
    refused(f, bytes, size, "JPEG of 12 bits a sample, of which only 8 are read");
    frame[4] = 8;
    frame[1] = 0xc3;
    refused(f, bytes, size, "JPEG of a kind that is not read");
    free(bytes);
}

/* A header may claim any size: refused before memory is asked for. */
static void test_huge(void **state) {
    fixture *f = *state;
    size_t size;
    test_jpeg_write(f->path, 64, 64, 1, TEST_JPEG_RGB);
    unsigned char *bytes = test_bytes_read(f->path, &size);
    unsigned char *frame = memmem(bytes, size, "\xff\xc0", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\xff\x00\xff\x00", 4); /* 65280 × 65280 */
    refused(f, bytes, size, "the limit is");
    memcpy(frame + 5, "\x20\x00\x20\x00", 4); /* 8192 × 8192 */
    refused(f, bytes, size, "truncated");
    free(bytes);
    /* A PNG's header with its checksum: a side of 100,000, and one whose rows overflow. */
    refused(f,
            "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\x86\xa0\0\1\x86\xa0\x08\2\0\0\0"
            "\x27\x30\x9c\x9f",
            33, "too large: 100000x100000");
    refused(f,
            "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\0\0\0\1\x08\2\0\0\0"
            "\x2f\x54\xa4\x8a",
            33, "too large");
}

static void test_damaged(void **state) {
    fixture *f = *state;
    size_t size;
    test_png_write(f->path, 40, 40, 1, TEST_PNG_RGB);
    unsigned char *bytes = test_bytes_read(f->path, &size);
    bytes[size / 2] ^= 0x40;
    refused(f, bytes, size, "damaged PNG");
    free(bytes);
}

/* Bytes between the last of the picture and the end mark: real cameras write such files. */
static void test_extraneous(void **state) {
    fixture *f = *state;
    size_t size;
    oc_pixels image;
    test_jpeg_write(f->path, 40, 40, 1, TEST_JPEG_RGB);
    assert_int_equal(decode_file(f, &image, NULL), OC_OK);
    uint8_t *want = malloc(40 * 40 * 3);
    memcpy(want, image.data, 40 * 40 * 3);
    unsigned char *bytes = test_bytes_read(f->path, &size);
    bytes = realloc(bytes, size + 3);
    memcpy(bytes + size - 2, "\1\2\3\xff\xd9", 5);
    assert_int_equal(oc_decode(f->decoder, bytes, size + 3, "image", &image, NULL), OC_OK);
    assert_memory_equal(image.data, want, 40 * 40 * 3);
    free(bytes);
    free(want);
}

/* The resampler against its definition, written plainly in double precision. */
static double plain_tap(int64_t in, int64_t out, int64_t i, int64_t j) {
    const double scale = (double)in / (double)out, stretch = scale > 1 ? scale : 1;
    double total = 0, weight = 0;
    for (int64_t k = 0; k < in; k++) {
        const double distance = ((double)k + 0.5 - scale * ((double)i + 0.5)) / stretch;
        const double w = distance <= -1 || distance >= 1 ? 0 : distance < 0 ? 1 + distance : 1 - distance;
        total += w;
        if (k == j) weight = w;
    }
    return weight / total;
}

static void test_resize(void **state) {
    static const struct {
        oc_box box;
        int64_t width, height;
    } cases[] = {{{0, 0, 40, 30}, 40, 30}, {{3, 5, 31, 17}, 32, 32}, {{0, 0, 40, 30}, 7, 5},
                 {{10, 2, 1, 1}, 9, 4},    {{4, 1, 29, 28}, 23, 24}, {{0, 0, 2, 30}, 64, 3}};
    uint8_t pixels[30 * 40 * 3];
    (void)state;
    for (int y = 0; y < 30; y++)
        for (int x = 0; x < 40; x++)
            for (int c = 0; c < 3; c++) pixels[(y * 40 + x) * 3 + c] = test_pixel(7 * x, 5 * y, c, 11);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const oc_box *b = &cases[k].box;
        const int64_t width = cases[k].width, height = cases[k].height;
        oc_resizer *resizer = NULL;
        float *dst = calloc((size_t)(width * height * 3), sizeof *dst);
        assert_int_equal(oc_resizer_create(&resizer, b->width, b->height, width, height, NULL), OC_OK);
        oc_resizer_run(resizer, pixels, 40, b, width, height, dst);
        for (int64_t i = 0; i < 3 * width * height; i++) {
            const int64_t c = i / (width * height), y = i / width % height, x = i % width;
            double want = 0;
            for (int64_t v = 0; v < b->height; v++)
                for (int64_t u = 0; u < b->width; u++)
                    want += plain_tap(b->height, height, y, v) * plain_tap(b->width, width, x, u) *
                            pixels[((b->y + v) * 40 + b->x + u) * 3 + c] / 255.0;
            assert_true(dst[i] > want - 1e-6 && dst[i] < want + 1e-6);
            if (width == b->width && height == b->height)
                assert_true(dst[i] == (float)pixels[(y * 40 + x) * 3 + c] / 255);
        }
        free(dst);
        oc_resizer_destroy(&resizer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_after_bad, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jpeg_rgb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jpeg_grey, setup, teardown),
        cmocka_unit_test_setup_teardown(test_png_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cmyk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test_setup_teardown(test_other_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unread_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_huge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extraneous, setup, teardown),
        cmocka_unit_test(test_resize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
