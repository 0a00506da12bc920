/* Odd files that are good: turned and transparent ones, JPEGs of which the library warns, PNGs with damage that touches
 * no pixel. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
/* jpeglib.h needs stdio.h. */
#include <jpeglib.h>
#include <spng.h>

#include "data/image/decode.h"
#include "data/image/exif.h"
#include "support/file.h"
#include "support/images.h"

#define WIDTH TEST_FILE_WIDTH
#define HEIGHT TEST_FILE_HEIGHT

static test_file jpeg_file(const test_jpeg_options *options) {
    test_file f;
    f.data = test_jpeg_encode(WIDTH, HEIGHT, 7, options, &f.size);
    return f;
}

/* ---- JPEG ---- */

/* What the library only warns of, while every pixel is there. */
static void test_jpeg_warnings(void **state) {
    (void)state;
    const test_file plain = jpeg_file(&(test_jpeg_options){0});
    const size_t scan = test_file_find(&plain, "\xff\xda", 2), tables = test_file_find(&plain, "\xff\xdb", 2);
    static const unsigned char scans[][3] = {{0, 0, 0}, {0, 63, 1}, {1, 63, 0}};
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        test_file odd = jpeg_file(&(test_jpeg_options){0});
        memcpy(odd.data + scan + 11, scans[i], 3); /* spectral selection, successive approximation */
        test_file_same(&odd, &plain);
        free(odd.data);
    }
    test_file odd = jpeg_file(&(test_jpeg_options){0});
    odd.data[11] = 2; /* JFIF 2.1 */
    test_file_same(&odd, &plain);
    test_file_insert(&odd, tables, "\0\0\0", 3);
    test_file_same(&odd, &plain);
    test_file_insert(&odd, odd.size - 2, "\1\2\3", 3);
    test_file_same(&odd, &plain);
    free(odd.data);
    odd = jpeg_file(&(test_jpeg_options){.plain_header = true});
    test_file_same(&odd, &plain);
    test_file_insert(&odd, 2,
                     "\xff\xee\0\x0e"
                     "Adobe\0\x64\0\0\0\0\7",
                     16); /* an unknown transform */
    test_file_same(&odd, &plain);
    free(odd.data);
    free(plain.data);
}

/* Real damage is refused whatever else the library warned of before. */
static void test_jpeg_damage(void **state) {
    (void)state;
    test_file odd = jpeg_file(&(test_jpeg_options){.sampling = "111111", .restart = 1});
    odd.data[11] = 2;
    const size_t restart = test_file_find(&odd, "\xff\xd1", 2);
    odd.data[restart + 1] = 0xd5; /* a restart marker out of turn */
    test_file_refused(&odd, "damaged JPEG");
    free(odd.data);
    odd = jpeg_file(&(test_jpeg_options){0});
    const size_t frame = test_file_find(&odd, "\xff\xc0", 2);
    odd.data[frame + 6] = 64; /* more rows than are coded */
    test_file_refused(&odd, "truncated JPEG");
    free(odd.data);
}

/* The file's pixels are those that the library gives when it is asked row by row. */
static void same_by_rows(const test_file *f) {
    struct jpeg_decompress_struct info = {0};
    struct jpeg_error_mgr errors; /* the library's own: prints and exits */
    oc_pixels image;
    uint8_t row[WIDTH * 3], *next = row;
    uint8_t *pixels = test_file_pixels(f, NULL, &image);
    info.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, f->data, (unsigned long)f->size);
    jpeg_read_header(&info, TRUE);
    jpeg_start_decompress(&info);
    assert_int_equal(image.height, info.output_height);
    for (int y = 0; y < HEIGHT; y++) {
        assert_int_equal(jpeg_read_scanlines(&info, &next, 1), 1);
        assert_memory_equal(pixels + y * WIDTH * 3, row, sizeof row);
    }
    jpeg_destroy_decompress(&info);
    free(pixels);
}

/* Sampling factors of every kind: an image of one colour keeps it, and none of another's rows is in a wrong place. */
static void test_jpeg_samplings(void **state) {
    static const char *const samplings[] = {"111111", "211111", "221111", "411111", "121111", "141111",
                                            "421111", "241111", "311111", "222111", "221211", "412111"};
    (void)state;
    for (size_t i = 0; i < sizeof samplings / sizeof *samplings; i++)
        for (int progressive = 0; progressive < 2; progressive++) {
            oc_pixels image;
            test_file f = jpeg_file(&(test_jpeg_options){.sampling = samplings[i], .progressive = progressive == 1});
            same_by_rows(&f);
            free(f.data);
            f = jpeg_file(
                &(test_jpeg_options){.sampling = samplings[i], .even = true, .progressive = progressive == 1});
            uint8_t *pixels = test_file_pixels(&f, NULL, &image);
            for (int j = 0; j < WIDTH * HEIGHT * 3; j++)
                assert_in_range(pixels[j], 40 + 50 * (j % 3) - 2, 40 + 50 * (j % 3) + 2);
            free(pixels);
            free(f.data);
        }
    test_file f = jpeg_file(&(test_jpeg_options){.sampling = "211111"});
    unsigned char *frame = f.data + test_file_find(&f, "\xff\xc0", 2);
    frame[11] = 0x31, frame[14] = 0x21; /* three samples of luma for two of one chroma */
    test_file_refused(&f, "JPEG of a kind that is not read (Fractional sampling");
    free(f.data);
}

/* Scans take time by the image's size, not the file's: there may not be any number of them. */
static void test_jpeg_scans(void **state) {
    (void)state;
    const test_file plain = jpeg_file(&(test_jpeg_options){.scans_apart = true});
    test_file many = jpeg_file(&(test_jpeg_options){.scans_apart = true});
    const size_t first = test_file_find(&plain, "\xff\xda", 2);
    const unsigned char *next = memmem(plain.data + first + 2, plain.size - first - 2, "\xff\xc4", 2);
    const unsigned char *second = memmem(plain.data + first + 2, plain.size - first - 2, "\xff\xda", 2);
    const size_t size = (size_t)((next && next < second ? next : second) - plain.data) - first;
    for (int i = 0; i < 20; i++) test_file_insert(&many, first, plain.data + first, size);
    test_file_same(&many, &plain);
    for (int i = 0; i < 600; i++) test_file_insert(&many, first, plain.data + first, size);
    test_file_refused(&many, "more than 500 scans");
    free(many.data);
    free(plain.data);
}

/* Arithmetic coding, which few programs write, gives the same pixels as Huffman's. */
static void test_jpeg_arithmetic(void **state) {
    (void)state;
    for (int progressive = 0; progressive < 2; progressive++) {
        const test_file plain = jpeg_file(&(test_jpeg_options){.progressive = progressive == 1});
        const test_file odd = jpeg_file(&(test_jpeg_options){.progressive = progressive == 1, .arithmetic = true});
        test_file_find(&odd, progressive ? "\xff\xca" : "\xff\xc9", 2);
        test_file_same(&odd, &plain);
        free(odd.data);
        free(plain.data);
    }
}

/* A decoder has nothing left of one file when it reads the next. */
static void test_jpeg_no_tables(void **state) {
    (void)state;
    oc_decoder *decoder = NULL;
    oc_pixels image;
    test_file good = jpeg_file(&(test_jpeg_options){0}), bare = jpeg_file(&(test_jpeg_options){0});
    size_t table;
    while (memmem(bare.data, bare.size, "\xff\xdb", 2)) {
        table = test_file_find(&bare, "\xff\xdb", 2);
        const size_t length = 2 + (size_t)(bare.data[table + 2] << 8 | bare.data[table + 3]);
        memmove(bare.data + table, bare.data + table + length, bare.size - table - length);
        bare.size -= length;
    }
    assert_int_equal(oc_decoder_create(&decoder, NULL, NULL), OC_OK);
    assert_int_equal(oc_decode(decoder, good.data, good.size, NULL, &image, NULL), OC_OK);
    assert_int_equal(oc_decode(decoder, bare.data, bare.size, NULL, &image, NULL), OC_E_FORMAT);
    oc_decoder_destroy(&decoder);
    free(good.data);
    free(bare.data);
}

/* ---- PNG ---- */

static uint32_t crc_of(const unsigned char *bytes, size_t size) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void put_big_endian(unsigned char *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++) bytes[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* Puts a chunk behind the header, or before the end mark; `damage` changes its checksum. */
static void insert_chunk(test_file *f, bool last, const char *type, const void *content, size_t size, uint32_t damage) {
    unsigned char *chunk = malloc(size + 12);
    assert_non_null(chunk);
    put_big_endian(chunk, (uint32_t)size);
    memcpy(chunk + 4, type, 4);
    if (size > 0) memcpy(chunk + 8, content, size);
    put_big_endian(chunk + 8 + size, crc_of(chunk + 4, size + 4) ^ damage);
    test_file_insert(f, last ? f->size - 12 : 33, chunk, size + 12);
    free(chunk);
}

/* A PNG of `pixels`, samples of 16 bits in this machine's order. */
static test_file png_file(uint8_t color_type, uint8_t depth, const void *pixels, size_t size) {
    spng_ctx *png = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr header = {.width = WIDTH, .height = HEIGHT, .bit_depth = depth, .color_type = color_type};
    struct spng_plte palette = {.n_entries = depth < 8 ? 1U << depth : 256};
    test_file f;
    int error;
    for (int i = 0; i < 256; i++)
        palette.entries[i] = (struct spng_plte_entry){(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(7 * i), 255};
    assert_int_equal(spng_set_option(png, SPNG_ENCODE_TO_BUFFER, 1), 0);
    assert_int_equal(spng_set_ihdr(png, &header), 0);
    if (color_type == SPNG_COLOR_TYPE_INDEXED) assert_int_equal(spng_set_plte(png, &palette), 0);
    assert_int_equal(spng_encode_image(png, pixels, size, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), 0);
    f.data = spng_get_png_buffer(png, &f.size, &error);
    assert_non_null(f.data);
    spng_ctx_free(png);
    return f;
}

static void fill(uint8_t *pixels, size_t size) {
    for (size_t i = 0; i < size; i++) pixels[i] = (uint8_t)(i * 31 + i / 7);
}

/* Whatever is wrong with chunks that tell of no pixel. */
static void test_png_ancillary(void **state) {
    uint8_t pixels[WIDTH * HEIGHT * 3];
    oc_pixels image;
    (void)state;
    fill(pixels, sizeof pixels);
    const test_file plain = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
    test_file odd = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
    insert_chunk(&odd, false, "eXIf", "", 0, 0);
    insert_chunk(&odd, true, "eXIf", "MM", 2, 0);
    insert_chunk(&odd, false, "gAMA", "abc", 3, 0);  /* of a wrong size */
    insert_chunk(&odd, false, "tEXt", "a\0b", 3, 1); /* with a wrong checksum */
    insert_chunk(&odd, true, "tIME", "", 0, 1);
    insert_chunk(&odd, false, "tRNS", "", 0, 0);
    for (int i = 0; i < 3000; i++) insert_chunk(&odd, i % 2 == 0, "tEXt", "Comment\0and so on", 17, 0);
    test_file_same(&odd, &plain);
    insert_chunk(&odd, false, "tRNS", "\0\1\0\2\0\3", 6, 1); /* this one does tell of pixels */
    test_file_refused(&odd, "damaged PNG");
    free(odd.data);
    odd = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
    insert_chunk(&odd, false, "acTL", "\0\0\0\2\0\0\0\0", 8, 0);
    insert_chunk(&odd, true, "fcTL", (uint8_t[26]){0}, 26, 0);
    insert_chunk(&odd, true, "fdAT", "\0\0\0\1and a frame", 15, 0);
    test_file_same(&odd, &plain); /* the still image of an animation */
    free(test_file_pixels(&odd, NULL, &image));
    assert_true(image.several);
    insert_chunk(&odd, false, "QuUx", "abc", 3, 0);
    test_file_refused(&odd, "damaged PNG");
    free(odd.data);
    free(plain.data);
}

/* Where every row is there, nothing behind it matters. */
static void test_png_end(void **state) {
    static const unsigned char zeros[300] = {0};
    uint8_t pixels[WIDTH * HEIGHT * 3];
    (void)state;
    fill(pixels, sizeof pixels);
    const test_file plain = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
    const size_t end = plain.size - 12;
    test_file odd = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
    for (; odd.size >= end - 4; odd.size--) test_file_same(&odd, &plain); /* in the last row's checksum, too */
    odd.size = end - 5;
    test_file_refused(&odd, "truncated PNG");
    free(odd.data);
    odd = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
    insert_chunk(&odd, true, "QuUx", "abc", 3, 1);
    test_file_same(&odd, &plain);
    free(odd.data);
    for (uint32_t damage = 0; damage < 2; damage++) { /* a last chunk of the picture's, without a row of its own */
        odd = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
        insert_chunk(&odd, true, "IDAT", "", 0, damage);
        if (damage)
            test_file_refused(&odd, "damaged PNG");
        else
            test_file_same(&odd, &plain);
        free(odd.data);
    }
    odd = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
    odd.size = end;
    test_file_insert(&odd, end, zeros, sizeof zeros);
    test_file_same(&odd, &plain);
    odd.size = end;
    test_file_insert(&odd, end, "no more of this file", 20);
    test_file_same(&odd, &plain);
    odd.data[end - 1] ^= 1; /* the checksum */
    test_file_refused(&odd, "damaged PNG");
    odd.size = end;
    test_file_refused(&odd, "damaged PNG");
    free(odd.data);
    free(plain.data);
}

/* Samples of fewer bits than eight: of 255, in grey; places in a palette. */
static void test_png_few_bits(void **state) {
    (void)state;
    for (int depth = 1; depth <= 4; depth *= 2)
        for (int palette = 0; palette < 2; palette++) {
            uint8_t rows[WIDTH * HEIGHT / 2] = {0}, want[WIDTH * HEIGHT * 3], opaque[WIDTH * HEIGHT];
            const int most = (1 << depth) - 1;
            for (int i = 0; i < WIDTH * HEIGHT; i++) {
                const int value = (3 * i + i / WIDTH) & most;
                rows[i * depth / 8] |= (uint8_t)(value << (8 - depth - i * depth % 8));
                opaque[i] = 255;
                want[3 * i] = (uint8_t)(palette ? value : value * 255 / most);
                want[3 * i + 1] = palette ? (uint8_t)(255 - value) : want[3 * i];
                want[3 * i + 2] = palette ? (uint8_t)(7 * value) : want[3 * i];
            }
            test_file f = png_file(palette ? SPNG_COLOR_TYPE_INDEXED : SPNG_COLOR_TYPE_GRAYSCALE, (uint8_t)depth, rows,
                                   (size_t)(WIDTH * HEIGHT * depth / 8));
            test_file_composited(&f, want, opaque, palette ? OC_COLOR_PALETTE : OC_COLOR_GREY, 0);
            free(f.data);
        }
}

/* ---- Orientation ---- */

static void test_orientation(void **state) {
    unsigned char exif[TEST_EXIF_SIZE];
    uint8_t pixels[WIDTH * HEIGHT * 3];
    oc_pixels image;
    (void)state;
    fill(pixels, sizeof pixels);
    const test_file plain = jpeg_file(&(test_jpeg_options){0});
    uint8_t *stored = test_file_pixels(&plain, NULL, &image);
    for (int orientation = 1; orientation <= 8; orientation++)
        for (int little = 0; little < 2; little++) {
            const size_t size = test_exif_make(exif, orientation, little == 1);
            test_file f = jpeg_file(&(test_jpeg_options){.exif = exif, .exif_size = size});
            test_file_turned(&f, stored, orientation);
            free(f.data);
            for (int last = 0; last < 2; last++) {
                f = png_file(SPNG_COLOR_TYPE_TRUECOLOR, 8, pixels, sizeof pixels);
                insert_chunk(&f, last == 1, "eXIf", exif + 6, size - 6, 0);
                test_file_turned(&f, pixels, orientation);
                free(f.data);
            }
        }
    free(stored);
    free(plain.data);
}

/* Data that say nothing that one could do. */
static void test_exif_damaged(void **state) {
    unsigned char exif[TEST_EXIF_SIZE];
    (void)state;
    const size_t size = test_exif_make(exif, 6, true);
    assert_int_equal(oc_exif_orientation(exif, size), 6);
    assert_int_equal(oc_exif_orientation(exif + 6, size - 6), 6);
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *part = malloc(cut + 1); /* its own size, for the address sanitizer */
        memcpy(part, exif, cut);
        assert_int_equal(oc_exif_orientation(part, cut), cut >= 40 ? 6 : 1);
        free(part);
    }
    for (int value = 0; value < 256; value += value == 0 ? 9 : 50) {
        test_exif_make(exif, value, true);
        assert_int_equal(oc_exif_orientation(exif, size), 1);
    }
    test_exif_make(exif, 6, true);
    exif[10] = 0xff; /* the directory lies outside */
    assert_int_equal(oc_exif_orientation(exif, size), 1);
}

/* ---- Transparency ---- */

static void test_transparency(void **state) {
    uint8_t pixels[WIDTH * HEIGHT * 8], want[WIDTH * HEIGHT * 3], alpha[WIDTH * HEIGHT];
    static uint16_t wide[sizeof pixels];
    (void)state;
    /* alpha channels, of 8 and 16 bits */
    for (int channels = 2; channels <= 4; channels += 2)
        for (int depth = 8; depth <= 16; depth += 8) {
            const uint8_t type = channels == 2 ? SPNG_COLOR_TYPE_GRAYSCALE_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
            const size_t count = (size_t)(WIDTH * HEIGHT * channels);
            fill(pixels, count);
            for (size_t i = 0; i < count; i++) wide[i] = (uint16_t)(pixels[i] << 8 | 0x5a);
            for (int i = 0; i < WIDTH * HEIGHT; i++) {
                alpha[i] = pixels[(i + 1) * channels - 1];
                for (int c = 0; c < 3; c++) want[3 * i + c] = pixels[i * channels + (channels == 2 ? 0 : c)];
            }
            test_file f = png_file(type, (uint8_t)depth, depth == 8 ? (void *)pixels : wide, count * (size_t)depth / 8);
            test_file_composited(&f, want, alpha, channels == 2 ? OC_COLOR_GREY_ALPHA : OC_COLOR_RGBA, 0);
            free(f.data);
        }
    /* a palette with fewer opacities than colours */
    unsigned char opacity[200];
    for (int i = 0; i < 200; i++) opacity[i] = (unsigned char)(3 * i);
    fill(pixels, WIDTH * HEIGHT);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        const uint8_t entry = pixels[i];
        alpha[i] = entry < 200 ? opacity[entry] : 255;
        want[3 * i] = entry, want[3 * i + 1] = 255 - entry, want[3 * i + 2] = (uint8_t)(7 * entry);
    }
    test_file f = png_file(SPNG_COLOR_TYPE_INDEXED, 8, pixels, WIDTH * HEIGHT);
    const unsigned char *palette = memmem(f.data, f.size, "PLTE", 4);
    assert_non_null(palette);
    unsigned char chunk[212] = "\0\0\0\xc8tRNS";
    memcpy(chunk + 8, opacity, 200);
    put_big_endian(chunk + 208, crc_of(chunk + 4, 204));
    test_file_insert(&f, (size_t)(palette - f.data) + 4 + 768 + 4, chunk, sizeof chunk);
    test_file_composited(&f, want, alpha, OC_COLOR_PALETTE, 0);
    free(f.data);
}

/* One colour that means transparency: compared in all its bits. */
static void test_color_key(void **state) {
    uint8_t want[WIDTH * HEIGHT * 3], alpha[WIDTH * HEIGHT];
    uint16_t wide[WIDTH * HEIGHT * 3];
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2)
        for (int depth = 8; depth <= 16; depth += 8) {
            const size_t count = (size_t)(WIDTH * HEIGHT * channels);
            uint8_t narrow[WIDTH * HEIGHT * 3];
            unsigned char key[6] = {0};
            for (size_t i = 0; i < count; i++) {
                const size_t pixel = i / (size_t)channels;
                /* pixels 1, 4, 7 … are of the key's colour; of 16 bits, 2, 5, 8 … but for the lowest bit */
                wide[i] = pixel % 3 == 0 ? (uint16_t)(i * 977) : (uint16_t)(0x4142 + (pixel % 3 == 2 && depth == 16));
                narrow[i] = (uint8_t)(wide[i] >> 8);
                if (depth == 8 && pixel % 3 == 0) narrow[i] = (uint8_t)(1 + i % 40);
            }
            for (int i = 0; i < WIDTH * HEIGHT; i++) {
                alpha[i] = i % 3 == 1 || (i % 3 == 2 && depth == 8) ? 0 : 255;
                for (int c = 0; c < 3; c++) want[3 * i + c] = narrow[i * channels + (channels == 1 ? 0 : c)];
            }
            for (int c = 0; c < channels; c++) {
                key[2 * c] = depth == 16 ? 0x41 : 0;
                key[2 * c + 1] = depth == 16 ? 0x42 : 0x41;
            }
            test_file f = png_file(channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR,
                                   (uint8_t)depth, depth == 16 ? (void *)wide : narrow, count * (size_t)depth / 8);
            insert_chunk(&f, false, "tRNS", key, 2 * (size_t)channels, 0);
            test_file_composited(&f, want, alpha, channels == 1 ? OC_COLOR_GREY : OC_COLOR_RGB, 0);
            free(f.data);
        }
}

/* An opaque image is no other for having an alpha channel. */
static void test_opaque(void **state) {
    uint8_t pixels[WIDTH * HEIGHT * 4], want[WIDTH * HEIGHT * 3], alpha[WIDTH * HEIGHT];
    (void)state;
    fill(pixels, sizeof pixels);
    for (int i = 0; i < WIDTH * HEIGHT; i++) {
        alpha[i] = pixels[4 * i + 3] = 255;
        memcpy(want + 3 * i, pixels + 4 * i, 3);
    }
    test_file f = png_file(SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 8, pixels, sizeof pixels);
    test_file_composited(&f, want, alpha, OC_COLOR_RGBA, 0);
    free(f.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_warnings),  cmocka_unit_test(test_jpeg_damage),
        cmocka_unit_test(test_jpeg_samplings), cmocka_unit_test(test_jpeg_scans),
        cmocka_unit_test(test_jpeg_no_tables), cmocka_unit_test(test_jpeg_arithmetic),
        cmocka_unit_test(test_png_ancillary),  cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_exif_damaged),   cmocka_unit_test(test_transparency),
        cmocka_unit_test(test_color_key),      cmocka_unit_test(test_opaque),
        cmocka_unit_test(test_png_few_bits),   cmocka_unit_test(test_png_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
