/* Writing small images, data sets and archives. */
#define _GNU_SOURCE 1
#include "support/images.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <spng.h>
#include <zip.h>

#include "support/bytes.h"

static void parents_create(const char *path) {
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = folder + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(folder, 0777);
        *slash = '/';
    }
}

uint8_t test_pixel(int x, int y, int c, int seed) {
    return (uint8_t)((3 * x * (c + 1) + 2 * y * (3 - c) + 37 * seed) & 255);
}

unsigned char *test_jpeg_encode(int width, int height, int seed, const test_jpeg_options *options, size_t *size) {
    struct jpeg_compress_struct info = {0};
    struct jpeg_error_mgr errors; /* the library's own: prints and exits */
    unsigned char *jpeg = NULL;
    unsigned long length = 0;
    const int channels = options->kind == TEST_JPEG_CMYK || options->kind == TEST_JPEG_YCCK ? 4 : 3;
    unsigned char *row = malloc((size_t)width * (size_t)channels);
    assert_non_null(row);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &jpeg, &length);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = channels;
    info.in_color_space = channels == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 95, TRUE);
    jpeg_set_colorspace(&info, options->kind == TEST_JPEG_GREY   ? JCS_GRAYSCALE
                               : options->kind == TEST_JPEG_CMYK ? JCS_CMYK
                               : options->kind == TEST_JPEG_YCCK ? JCS_YCCK
                                                                 : JCS_YCbCr);
    for (int c = 0; c < info.num_components && options->sampling; c++) {
        info.comp_info[c].h_samp_factor = options->sampling[2 * c] - '0';
        info.comp_info[c].v_samp_factor = options->sampling[2 * c + 1] - '0';
    }
    const jpeg_scan_info scans[3] = {{1, {0}, 0, 63, 0, 0}, {1, {1}, 0, 63, 0, 0}, {1, {2}, 0, 63, 0, 0}};
    if (options->scans_apart) {
        info.scan_info = scans;
        info.num_scans = info.num_components;
    }
    if (options->progressive) jpeg_simple_progression(&info);
    info.arith_code = options->arithmetic;
    if (options->plain_header) info.write_JFIF_header = info.write_Adobe_marker = FALSE;
    info.restart_interval = (unsigned)options->restart;
    jpeg_start_compress(&info, TRUE);
    if (options->exif) jpeg_write_marker(&info, JPEG_APP0 + 1, options->exif, (unsigned)options->exif_size);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                row[x * channels + c] = (unsigned char)(options->even ? 40 + 50 * c : test_pixel(x, y, c, seed));
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    *size = length;
    return jpeg;
}

void test_jpeg_write(const char *path, int width, int height, int seed, test_jpeg_kind kind) {
    size_t size;
    unsigned char *jpeg = test_jpeg_encode(width, height, seed, &(test_jpeg_options){.kind = kind}, &size);
    parents_create(path);
    test_bytes_write(path, jpeg, size);
    free(jpeg);
}

size_t test_exif_make(unsigned char exif[TEST_EXIF_SIZE], int orientation, bool little) {
    static const unsigned char big_endian[TEST_EXIF_SIZE] =
        "Exif\0\0MM\0*\0\0\0\10\0\2\1\17\0\2\0\0\0\1x\0\0\0\1\22\0\3\0\0\0\1\0\0\0\0\0\0\0";
    static const unsigned char little_endian[TEST_EXIF_SIZE] =
        "Exif\0\0II*\0\10\0\0\0\2\0\17\1\2\0\1\0\0\0x\0\0\0\22\1\3\0\1\0\0\0\0\0\0\0\0\0\0";
    memcpy(exif, little ? little_endian : big_endian, TEST_EXIF_SIZE);
    exif[little ? 36 : 37] = (unsigned char)orientation;
    return TEST_EXIF_SIZE;
}

void test_png_write(const char *path, int width, int height, int seed, test_png_kind kind) {
    static const int bytes[] = {3, 1, 2, 1, 4, 6, 3};
    static const uint8_t types[] = {SPNG_COLOR_TYPE_TRUECOLOR,       SPNG_COLOR_TYPE_GRAYSCALE,
                                    SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, SPNG_COLOR_TYPE_INDEXED,
                                    SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, SPNG_COLOR_TYPE_TRUECOLOR,
                                    SPNG_COLOR_TYPE_TRUECOLOR};
    const size_t count = (size_t)width * (size_t)height, size = count * (size_t)bytes[kind];
    unsigned char *pixels = malloc(size);
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr header = {.width = (uint32_t)width,
                               .height = (uint32_t)height,
                               .bit_depth = kind == TEST_PNG_RGB16 ? 16 : 8,
                               .color_type = types[kind]};
    int error;
    assert_non_null(pixels);
    for (size_t i = 0; i < count; i++) {
        const int column = (int)(i % (size_t)width), y = (int)(i / (size_t)width);
        const int x = kind == TEST_PNG_MIRROR ? width - 1 - column : column;
        uint8_t *p = pixels + i * (size_t)bytes[kind];
        const uint8_t alpha = test_pixel(x, y, 1, seed + 1);
        p[0] = test_pixel(x, y, 0, seed);
        if (kind == TEST_PNG_PALETTE) p[0] %= 16;
        if (kind == TEST_PNG_GREY_ALPHA) p[1] = alpha;
        if (kind == TEST_PNG_RGBA) p[3] = alpha;
        if (kind == TEST_PNG_RGB || kind == TEST_PNG_RGBA || kind == TEST_PNG_MIRROR)
            for (int c = 1; c < 3; c++) p[c] = test_pixel(x, y, c, seed);
        if (kind == TEST_PNG_RGB16)
            for (int c = 0; c < 3; c++) {
                p[2 * c + 1] = test_pixel(x, y, c, seed); /* this machine's order, little-endian */
                p[2 * c] = 0x5a;
            }
    }
    assert_int_equal(spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1), 0);
    assert_int_equal(spng_set_ihdr(png, &header), 0);
    if (kind == TEST_PNG_PALETTE) {
        struct spng_plte palette = {.n_entries = 16};
        for (int i = 0; i < 16; i++)
            palette.entries[i] = (struct spng_plte_entry){test_pixel(i, 0, 0, seed), test_pixel(i, 0, 1, seed),
                                                          test_pixel(i, 0, 2, seed), 255};
        assert_int_equal(spng_set_plte(png, &palette), 0);
    }
    assert_int_equal(spng_encode_image(png, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), 0);
    size_t file_size;
    void *file = spng_get_png_buffer(png, &file_size, &error);
    assert_non_null(file);
    parents_create(path);
    test_bytes_write(path, file, file_size);
    free(file);
    spng_ctx_free(png);
    free(pixels);
}

void test_text_write(const char *path, const char *text) {
    parents_create(path);
    test_bytes_write(path, text, strlen(text));
}

void test_tiny_create(const char *root, int classes, int per_class, int val, int test) {
    char path[4096], *wnids = NULL, *words = NULL, *lines = NULL;
    size_t size;
    FILE *file = open_memstream(&wnids, &size), *word_file = open_memstream(&words, &size),
         *line_file = open_memstream(&lines, &size);
    /* Listed from the last to the first: the order in that file is no order of classes. */
    for (int c = classes - 1; c >= 0; c--) {
        fprintf(file, "n%04d\n", c);
        if (c + 1 < classes) fprintf(word_file, "n%04d\tthing %d, something\n", c, c);
        for (int i = 0; i < per_class; i++) {
            snprintf(path, sizeof path, "%s/train/n%04d/images/n%04d_%d.JPEG", root, c, c, i);
            test_jpeg_write(path, 64, 64, c * per_class + i, TEST_JPEG_RGB);
        }
        snprintf(path, sizeof path, "%s/train/n%04d/n%04d_boxes.txt", root, c, c);
        test_text_write(path, "0\t0\t10\t10\n");
    }
    for (int i = 0; i < val; i++) {
        fprintf(line_file, "val_%d.JPEG\tn%04d\t0\t1\t22\t63\n", i, i % classes);
        snprintf(path, sizeof path, "%s/val/images/val_%d.JPEG", root, i);
        test_jpeg_write(path, 64, 64, 1000 + i, TEST_JPEG_RGB);
    }
    for (int i = 0; i < test; i++) {
        snprintf(path, sizeof path, "%s/test/images/test_%d.JPEG", root, i);
        test_jpeg_write(path, 64, 64, 2000 + i, TEST_JPEG_RGB);
    }
    fclose(file);
    fclose(word_file);
    fclose(line_file);
    snprintf(path, sizeof path, "%s/wnids.txt", root);
    test_text_write(path, wnids);
    snprintf(path, sizeof path, "%s/words.txt", root);
    test_text_write(path, words);
    snprintf(path, sizeof path, "%s/val/val_annotations.txt", root);
    if (val > 0) test_text_write(path, lines);
    free(wnids);
    free(words);
    free(lines);
}

static void zip_add_folder(zip_t *zip, const char *folder, const char *prefix, bool deflate) {
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[4096], member[4096];
        struct stat info;
        if (entry->d_name[0] == '.') continue;
        assert_true(snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) < (int)sizeof path);
        assert_true(snprintf(member, sizeof member, "%s%s", prefix, entry->d_name) < (int)sizeof member - 1);
        assert_int_equal(stat(path, &info), 0);
        if (S_ISDIR(info.st_mode)) {
            assert_true(zip_dir_add(zip, member, 0) >= 0);
            strcat(member, "/");
            zip_add_folder(zip, path, member, deflate);
            continue;
        }
        zip_source_t *source = zip_source_file(zip, path, 0, -1);
        assert_non_null(source);
        const zip_int64_t index = zip_file_add(zip, member, source, 0);
        assert_true(index >= 0);
        assert_int_equal(zip_set_file_compression(zip, (zip_uint64_t)index, deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0),
                         0);
    }
    closedir(entries);
}

void test_zip_create(const char *archive, const char *folder, const char *prefix, bool deflate) {
    int error;
    zip_t *zip = zip_open(archive, ZIP_CREATE | ZIP_EXCL, &error);
    assert_non_null(zip);
    zip_add_folder(zip, folder, prefix, deflate);
    assert_int_equal(zip_close(zip), 0);
}
