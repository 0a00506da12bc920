/* WebP, GIF, BMP and TIFF: their kinds, each written here, and each cut off at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gif_lib.h>
#include <tiffio.h>
#include <webp/encode.h>

#include "support/bytes.h"
#include "support/file.h"
#include "support/images.h"
#include "support/temporary.h"

#define WIDTH TEST_FILE_WIDTH
#define HEIGHT TEST_FILE_HEIGHT
#define COUNT (WIDTH * HEIGHT)

/* A picture: RGBA, and its colours and opacities apart. */
typedef struct picture {
    uint8_t rgba[COUNT * 4], rgb[COUNT * 3], alpha[COUNT], opaque[COUNT];
} picture;

static picture picture_make(void) {
    picture p;
    for (int i = 0; i < COUNT; i++) {
        for (int c = 0; c < 3; c++) p.rgb[3 * i + c] = p.rgba[4 * i + c] = test_pixel(i % WIDTH, i / WIDTH, c, 5);
        p.alpha[i] = p.rgba[4 * i + 3] = (uint8_t)(i % 7 == 0 ? 0 : i % 3 == 0 ? 255 : i);
        p.opaque[i] = 255;
    }
    return p;
}

static void put_little_endian(unsigned char *bytes, uint32_t value, int count) {
    for (int i = 0; i < count; i++) bytes[i] = (unsigned char)(value >> 8 * i);
}

static test_file file_of(const void *bytes, size_t size) {
    test_file f = {NULL, 0};
    test_file_insert(&f, 0, bytes, size);
    return f;
}

/* Whether images are told to follow the first. */
static bool has_several(const test_file *f) {
    oc_pixels image;
    free(test_file_pixels(f, NULL, &image));
    return image.several;
}

/* ---- WebP ---- */

/* Appends a RIFF chunk of two parts, the second of which may be empty. */
static void webp_chunk(test_file *f, const char *type, const void *a, size_t a_size, const void *b, size_t b_size) {
    unsigned char header[8];
    memcpy(header, type, 4);
    put_little_endian(header + 4, (uint32_t)(a_size + b_size), 4);
    test_file_insert(f, f->size, header, 8);
    test_file_insert(f, f->size, a, a_size);
    test_file_insert(f, f->size, b, b_size);
    if ((a_size + b_size) % 2) test_file_insert(f, f->size, "", 1);
    put_little_endian(f->data + 4, (uint32_t)f->size - 8, 4);
}

/* The beginning of a file with several chunks: a canvas of WIDTH × HEIGHT. */
static test_file webp_begin(unsigned char flags) {
    test_file f = file_of("RIFF\0\0\0\0WEBP", 12);
    const unsigned char canvas[10] = {flags, 0, 0, 0, WIDTH - 1, 0, 0, HEIGHT - 1, 0, 0};
    webp_chunk(&f, "VP8X", canvas, sizeof canvas, "", 0);
    return f;
}

/* A lossless image of width × height pixels RGBA or, of 3 channels, RGB. */
static test_file webp_lossless(const uint8_t *pixels, int width, int height, int channels) {
    uint8_t *webp = NULL;
    const size_t size = channels == 4 ? WebPEncodeLosslessRGBA(pixels, width, height, 4 * width, &webp)
                                      : WebPEncodeLosslessRGB(pixels, width, height, 3 * width, &webp);
    assert_true(size > 0);
    const test_file f = file_of(webp, size);
    WebPFree(webp);
    return f;
}

static void test_webp(void **state) {
    const picture p = picture_make();
    oc_pixels image;
    (void)state;
    test_file f = webp_lossless(p.rgb, WIDTH, HEIGHT, 3);
    test_file_composited(&f, p.rgb, p.opaque, OC_COLOR_RGB, 0);
    test_file_refused_cut(&f, 0);
    f.data[f.size / 2] ^= 0xff; /* another picture, or none: no crash */
    free(f.data);
    f = webp_lossless(p.rgba, WIDTH, HEIGHT, 4);
    test_file_composited(&f, p.rgb, p.alpha, OC_COLOR_RGBA, 0);
    free(f.data);
    uint8_t even[COUNT * 3], *webp = NULL;
    for (int i = 0; i < COUNT * 3; i++) even[i] = (uint8_t)(40 + 50 * (i % 3));
    const size_t size = WebPEncodeRGB(even, WIDTH, HEIGHT, 3 * WIDTH, 90, &webp);
    f = file_of(webp, size);
    WebPFree(webp);
    uint8_t *pixels = test_file_pixels(&f, NULL, &image);
    for (int i = 0; i < COUNT * 3; i++) assert_in_range(pixels[i], even[i] - 4, even[i] + 4);
    test_file_refused_cut(&f, 0);
    free(pixels);
    free(f.data);
}

static void test_webp_exif(void **state) {
    const picture p = picture_make();
    unsigned char exif[TEST_EXIF_SIZE];
    (void)state;
    const test_file bare = webp_lossless(p.rgb, WIDTH, HEIGHT, 3);
    for (int orientation = 1; orientation <= 8; orientation++) {
        const size_t size = test_exif_make(exif, orientation, orientation % 2);
        test_file f = webp_begin(0x08);
        test_file_insert(&f, f.size, bare.data + 12, bare.size - 12);
        webp_chunk(&f, "EXIF", exif + 6, size - 6, "", 0);
        test_file_turned(&f, p.rgb, orientation);
        test_file_refused_cut(&f, 0);
        free(f.data);
    }
    free(bare.data);
}

/* Of an animation the first frame, transparent where it covers nothing. */
static void test_webp_animation(void **state) {
    enum { LEFT = 4, TOP = 2, W = 10, H = 8 };
    const picture p = picture_make();
    uint8_t part[W * H * 3], alpha[COUNT] = {0};
    (void)state;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const int place = (TOP + y) * WIDTH + LEFT + x;
            memcpy(part + 3 * (y * W + x), p.rgb + 3 * place, 3);
            alpha[place] = 255;
        }
    const test_file first = webp_lossless(part, W, H, 3), second = webp_lossless(p.rgba, WIDTH, HEIGHT, 4);
    test_file f = webp_begin(0x12);
    const unsigned char head[16] = {LEFT / 2, 0, 0, TOP / 2, 0, 0, W - 1, 0, 0, H - 1, 0, 0, 100, 0, 0, 0};
    const unsigned char other[16] = {0, 0, 0, 0, 0, 0, WIDTH - 1, 0, 0, HEIGHT - 1, 0, 0, 100, 0, 0, 0};
    webp_chunk(&f, "ANIM", "\xff\xff\xff\xff\0\0", 6, "", 0);
    webp_chunk(&f, "ANMF", head, 16, first.data + 12, first.size - 12);
    webp_chunk(&f, "ANMF", other, 16, second.data + 12, second.size - 12);
    test_file_composited(&f, p.rgb, alpha, OC_COLOR_RGB, 0);
    assert_true(has_several(&f));
    assert_false(has_several(&second));
    put_little_endian(f.data + 24, 70000 - 1, 3); /* the canvas */
    test_file_refused(&f, "too large: 70000x16");
    free(first.data);
    free(second.data);
    free(f.data);
}

/* ---- GIF ---- */

static int gif_write(GifFileType *gif, const GifByteType *bytes, int count) {
    test_file *f = gif->UserData;
    test_file_insert(f, f->size, bytes, (size_t)count);
    return count;
}

typedef struct gif_options {
    int left, top, width, height;    /* of the frame; all 0: it covers the canvas */
    int canvas_width, canvas_height; /* 0: WIDTH × HEIGHT */
    int transparent;                 /* the colour's place; −1: none */
    bool interlace, own_colors;
} gif_options;

/* Colour i of 16. */
static GifColorType gif_color(int i) {
    return (GifColorType){(GifByteType)(16 * i), (GifByteType)(255 - 9 * i), (GifByteType)(i * i)};
}

/* Place of pixel (x, y) of the frame in the colours. */
static int gif_place(int x, int y) {
    return (3 * x + 5 * y) % 16;
}

static test_file gif_file(gif_options o) {
    test_file f = {NULL, 0};
    int error;
    GifColorType colors[16], wrong[16] = {{1, 2, 3}};
    GifByteType row[WIDTH];
    if (o.width == 0) o.width = WIDTH, o.height = HEIGHT;
    for (int i = 0; i < 16; i++) colors[i] = gif_color(i);
    ColorMapObject *map = GifMakeMapObject(16, colors), *other = GifMakeMapObject(16, wrong);
    GifFileType *gif = EGifOpen(&f, gif_write, &error);
    assert_non_null(gif);
    EGifSetGifVersion(gif, true);
    assert_int_equal(EGifPutScreenDesc(gif, o.canvas_width ? o.canvas_width : WIDTH,
                                       o.canvas_height ? o.canvas_height : HEIGHT, 8, 0, o.own_colors ? other : map),
                     GIF_OK);
    for (int frame = 0; frame < 2; frame++) { /* the second is not seen */
        GifByteType control[4];
        EGifGCBToExtension(&(GraphicsControlBlock){.DelayTime = 5, .TransparentColor = o.transparent}, control);
        assert_int_equal(EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, 4, control), GIF_OK);
        assert_int_equal(EGifPutExtension(gif, COMMENT_EXT_FUNC_CODE, 5, "hello"), GIF_OK);
        assert_int_equal(
            EGifPutImageDesc(gif, o.left, o.top, o.width, o.height, o.interlace, o.own_colors ? map : NULL), GIF_OK);
        static const int first[] = {0, 4, 2, 1, 0}, step[] = {8, 8, 4, 2, 1};
        for (int pass = o.interlace ? 0 : 4; pass < (o.interlace ? 4 : 5); pass++)
            for (int y = first[pass]; y < o.height; y += step[pass]) {
                for (int x = 0; x < o.width; x++) row[x] = (GifByteType)(frame ? 0 : gif_place(x, y));
                assert_int_equal(EGifPutLine(gif, row, o.width), GIF_OK);
            }
    }
    EGifCloseFile(gif, &error);
    GifFreeMapObject(map);
    GifFreeMapObject(other);
    return f;
}

static void test_gif(void **state) {
    static const gif_options cases[] = {{.transparent = -1},
                                        {.transparent = -1, .interlace = true, .own_colors = true},
                                        {.transparent = 5},
                                        {.transparent = 0, .interlace = true},
                                        {.left = 3, .top = 1, .width = 9, .height = 7, .transparent = -1},
                                        {.transparent = -1, .canvas_width = 3, .canvas_height = 5}};
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const gif_options *o = &cases[k];
        uint8_t want[COUNT * 3] = {0}, alpha[COUNT] = {0};
        for (int y = 0; y < (o->height ? o->height : HEIGHT); y++)
            for (int x = 0; x < (o->width ? o->width : WIDTH); x++) {
                const int at = (o->top + y) * WIDTH + o->left + x, place = gif_place(x, y);
                const GifColorType color = gif_color(place);
                want[3 * at] = color.Red, want[3 * at + 1] = color.Green, want[3 * at + 2] = color.Blue;
                alpha[at] = place == o->transparent ? 0 : 255;
            }
        test_file f = gif_file(*o);
        test_file_composited(&f, want, alpha, OC_COLOR_PALETTE, 0);
        assert_true(has_several(&f));
        /* The second frame, of which nothing is needed, begins with the second comment. */
        const size_t comment = test_file_find(&f, "hello", 5);
        unsigned char *second = f.data + comment + 5;
        while (memcmp(second, "hello", 5) != 0) second++;
        f.size = (size_t)(second - f.data) - 11;
        assert_false(has_several(&f));
        test_file_refused_cut(&f, 0);
        put_little_endian(f.data + 6, 20000, 2);
        put_little_endian(f.data + 8, 20000, 2);
        test_file_refused(&f, "too large: 20000x20000");
        free(f.data);
    }
    test_file none = file_of("GIF89a\1\0\1\0\0\0\0;", 14);
    test_file_refused(&none, "damaged GIF");
    free(none.data);
}

/* ---- BMP ---- */

typedef struct bmp_options {
    int header, bits, coding;
    bool top_down;
    uint32_t mask[4]; /* of coding 3 */
} bmp_options;

/* What pixel i holds of `bits`: places in colours, or the picture's colours. */
static uint32_t bmp_pixel(const bmp_options *o, const picture *p, int i) {
    const uint8_t *c = p->rgba + 4 * i;
    switch (o->bits) {
    case 16:
        return o->coding == 3 ? (uint32_t)(c[0] >> 3 << 11 | c[1] >> 2 << 5 | c[2] >> 3)
                              : (uint32_t)(c[0] >> 3 << 10 | c[1] >> 3 << 5 | c[2] >> 3);
    case 24:
    case 32:
        return (uint32_t)c[3] << 24 | (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];
    default:
        return (uint32_t)(i * 7 + i / WIDTH) & ((1U << o->bits) - 1);
    }
}

static test_file bmp_file(const bmp_options *o, const picture *p) {
    const size_t colors = o->bits <= 8 ? (size_t)1 << o->bits : 0, color_size = o->header == 12 ? 3 : 4;
    const size_t masks = o->coding == 3 && o->header == 40 ? 12 : 0;
    const size_t start = 14 + (size_t)o->header + masks + colors * color_size;
    const size_t stride = ((size_t)WIDTH * (size_t)o->bits + 31) / 32 * 4;
    test_file f = {calloc(1, start + stride * HEIGHT), start + stride * HEIGHT};
    unsigned char *info = f.data + 14;
    assert_non_null(f.data);
    memcpy(f.data, "BM", 2);
    put_little_endian(f.data + 2, (uint32_t)f.size, 4);
    put_little_endian(f.data + 10, (uint32_t)start, 4);
    put_little_endian(info, (uint32_t)o->header, 4);
    if (o->header == 12) {
        put_little_endian(info + 4, WIDTH, 2);
        put_little_endian(info + 6, HEIGHT, 2);
        put_little_endian(info + 8, 1, 2);
        put_little_endian(info + 10, (uint32_t)o->bits, 2);
    } else {
        put_little_endian(info + 4, WIDTH, 4);
        put_little_endian(info + 8, o->top_down ? (uint32_t)-HEIGHT : HEIGHT, 4);
        put_little_endian(info + 12, 1, 2);
        put_little_endian(info + 14, (uint32_t)o->bits, 2);
        put_little_endian(info + 16, (uint32_t)o->coding, 4);
        for (int c = 0; c < (masks ? 3 : o->header >= 56 ? 4 : 0); c++)
            put_little_endian(info + 40 + 4 * c, o->mask[c], 4);
    }
    for (size_t i = 0; i < colors; i++) {
        unsigned char *color = f.data + start - colors * color_size + i * color_size;
        for (int c = 0; c < 3; c++) color[2 - c] = test_pixel((int)i, 0, c, 3);
    }
    for (int y = 0; y < HEIGHT; y++) {
        unsigned char *row = f.data + start + (size_t)(o->top_down ? y : HEIGHT - 1 - y) * stride;
        for (int x = 0; x < WIDTH; x++) {
            const uint32_t pixel = bmp_pixel(o, p, y * WIDTH + x);
            if (o->bits >= 8)
                put_little_endian(row + x * o->bits / 8, pixel, o->bits / 8);
            else
                row[x * o->bits / 8] |= (unsigned char)(pixel << (8 - o->bits - x * o->bits % 8));
        }
    }
    return f;
}

static void test_bmp(void **state) {
    static const bmp_options cases[] = {
        {40, 1, 0, false, {0}},
        {12, 4, 0, false, {0}},
        {40, 4, 0, true, {0}},
        {12, 8, 0, false, {0}},
        {124, 8, 0, false, {0}},
        {40, 16, 0, false, {0}},
        {40, 16, 3, false, {0xf800, 0x7e0, 0x1f}},
        {12, 24, 0, false, {0}},
        {40, 24, 0, true, {0}},
        {40, 32, 0, false, {0}},
        {40, 32, 3, true, {0xff0000, 0xff00, 0xff}},
        {108, 32, 3, false, {0xff0000, 0xff00, 0xff, 0xff000000}},
    };
    picture p = picture_make();
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const bmp_options *o = &cases[k];
        uint8_t want[COUNT * 3];
        test_file f = bmp_file(o, &p);
        for (int i = 0; i < COUNT; i++)
            for (int c = 0; c < 3; c++)
                want[3 * i + c] = o->bits <= 8 ? test_pixel((int)bmp_pixel(o, &p, i), 0, c, 3) : p.rgb[3 * i + c];
        test_file_composited(&f, want, o->mask[3] ? p.alpha : p.opaque,
                             o->bits <= 8 ? OC_COLOR_PALETTE
                             : o->mask[3] ? OC_COLOR_RGBA
                                          : OC_COLOR_RGB,
                             o->bits == 16 ? 8 : 0); /* 5 bits of 8 */
        /* The last row's padding may be absent. */
        test_file_refused_cut(&f, o->bits == 1 ? 1 : 0);
        free(f.data);
    }
    /* Alpha that is 0 everywhere means nothing. */
    for (int i = 0; i < COUNT; i++) p.rgba[4 * i + 3] = 0;
    test_file f = bmp_file(&cases[11], &p);
    test_file_composited(&f, p.rgb, p.opaque, OC_COLOR_RGBA, 0);
    put_little_endian(f.data + 30, 1, 4);
    test_file_refused(&f, "BMP with run-length coding, which is not read: convert it to PNG");
    put_little_endian(f.data + 30, 0, 4);
    put_little_endian(f.data + 18, 65501, 4);
    test_file_refused(&f, "too large: 65501x16");
    put_little_endian(f.data + 18, 0, 4);
    test_file_refused(&f, "an image without pixels");
    put_little_endian(f.data + 18, WIDTH, 4);
    put_little_endian(f.data + 22, 0x80000000, 4);
    test_file_refused(&f, "too large");
    free(f.data);
}

/* Places beyond the colours that the file has are black. */
static void test_bmp_few_colors(void **state) {
    const picture p = picture_make();
    uint8_t want[COUNT * 3];
    const bmp_options o = {40, 8, 0, false, {0}};
    (void)state;
    test_file f = bmp_file(&o, &p);
    put_little_endian(f.data + 46, 100, 4);
    for (int i = 0; i < COUNT * 3; i++) {
        const int place = (int)bmp_pixel(&o, &p, i / 3);
        want[i] = place < 100 ? test_pixel(place, 0, i % 3, 3) : 0;
    }
    test_file_composited(&f, want, p.opaque, OC_COLOR_PALETTE, 0);
    free(f.data);
}

/* ---- TIFF ---- */

typedef struct tiff_options {
    int channels, bits, photometric, compression, orientation;
    int extra; /* what a last channel beyond those of the colours is, EXTRASAMPLE_…; 0: unspecified, if there is one */
    bool tiled, planes, floats, thumbnail;
} tiff_options;

/* Sample c of pixel i, of 255. */
static uint8_t tiff_sample(const tiff_options *o, const picture *p, int i, int c) {
    if (o->extra && c == o->channels - 1) return p->alpha[i];
    const int value = p->rgb[3 * i + c % 3];
    if (o->photometric == PHOTOMETRIC_MINISWHITE) return (uint8_t)(255 - value);
    return o->extra == EXTRASAMPLE_ASSOCALPHA ? (uint8_t)((value * p->alpha[i] + 127) / 255) : (uint8_t)value;
}

static test_file tiff_file(const tiff_options *o, const picture *p) {
    char folder[256], path[300];
    test_file f;
    test_temporary_create(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/image.tif", folder);
    TIFF *tiff = TIFFOpen(path, "w");
    assert_non_null(tiff);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, HEIGHT);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, o->channels);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, o->bits);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, o->photometric);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, o->compression);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, o->planes ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
    if (o->orientation) TIFFSetField(tiff, TIFFTAG_ORIENTATION, o->orientation);
    if (o->thumbnail) TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_REDUCEDIMAGE);
    if (o->floats) TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_IEEEFP);
    const uint16_t extra = (uint16_t)o->extra;
    if (extra || o->channels == 4) TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, &extra);
    uint16_t colors[3][256];
    for (int i = 0; i < 256; i++)
        for (int c = 0; c < 3; c++) colors[c][i] = (uint16_t)(test_pixel(i, 0, c, 3) * 257);
    if (o->photometric == PHOTOMETRIC_PALETTE) TIFFSetField(tiff, TIFFTAG_COLORMAP, colors[0], colors[1], colors[2]);
    const size_t sample = (size_t)o->bits / 8;
    const int together = o->planes ? 1 : o->channels;
    unsigned char *buffer = calloc(32 * 32, (size_t)together * sample);
    assert_non_null(buffer);
    if (o->tiled) {
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 32);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, 32);
    } else {
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 5);
    }
    for (int plane = 0; plane < (o->planes ? o->channels : 1); plane++)
        for (int y = 0; y < HEIGHT; y++) {
            unsigned char *row = o->tiled ? buffer + (size_t)(y * 32 * together) * sample : buffer;
            for (int x = 0; x < WIDTH; x++)
                for (int c = 0; c < together; c++) {
                    unsigned char *place = row + (size_t)(x * together + c) * sample;
                    const uint8_t value = tiff_sample(o, p, y * WIDTH + x, plane + c);
                    memset(place, value, sample); /* v·257 of 16 bits */
                }
            if (!o->tiled) assert_int_equal(TIFFWriteScanline(tiff, row, (uint32_t)y, (uint16_t)plane), 1);
        }
    if (o->tiled) assert_true(TIFFWriteTile(tiff, buffer, 0, 0, 0, 0) > 0);
    free(buffer);
    TIFFClose(tiff);
    f.data = test_bytes_read(path, &f.size);
    test_temporary_remove(folder);
    return f;
}

/* The entry of a tag in a little-endian file's first directory, or, for none, where the next directory is stated. */
static unsigned char *tiff_entry(const test_file *f, unsigned tag) {
    const size_t start = (size_t)f->data[4] | (size_t)f->data[5] << 8;
    unsigned char *entry = f->data + start + 2;
    for (int left = f->data[start]; left > 0 && (unsigned)(entry[0] | entry[1] << 8) != tag; left--) entry += 12;
    return entry;
}

/* Sets a tag to one value of 32 bits. */
static void tiff_set(const test_file *f, unsigned tag, uint32_t value) {
    put_little_endian(tiff_entry(f, tag) + 2, TIFF_LONG, 2);
    put_little_endian(tiff_entry(f, tag) + 4, 1, 4);
    put_little_endian(tiff_entry(f, tag) + 8, value, 4);
}

static void test_tiff(void **state) {
    enum { RGB = PHOTOMETRIC_RGB, GREY = PHOTOMETRIC_MINISBLACK, LZW = COMPRESSION_LZW, PLAIN = COMPRESSION_NONE };
    static const struct {
        tiff_options options;
        oc_color color;
    } cases[] = {
        {{3, 8, RGB, PLAIN, .extra = 0}, OC_COLOR_RGB},
        {{3, 8, RGB, LZW, .planes = true}, OC_COLOR_RGB},
        {{3, 16, RGB, COMPRESSION_ADOBE_DEFLATE, .extra = 0}, OC_COLOR_RGB},
        {{3, 8, RGB, LZW, .tiled = true}, OC_COLOR_RGB},
        {{1, 8, GREY, PLAIN, .extra = 0}, OC_COLOR_GREY},
        {{1, 16, GREY, LZW, .extra = 0}, OC_COLOR_GREY},
        {{1, 8, PHOTOMETRIC_MINISWHITE, COMPRESSION_PACKBITS, .extra = 0}, OC_COLOR_GREY},
        {{1, 8, PHOTOMETRIC_PALETTE, PLAIN, .extra = 0}, OC_COLOR_PALETTE},
        {{4, 8, RGB, PLAIN, .extra = EXTRASAMPLE_UNASSALPHA}, OC_COLOR_RGBA},
        {{4, 16, RGB, LZW, .extra = EXTRASAMPLE_UNASSALPHA}, OC_COLOR_RGBA},
        {{4, 8, RGB, LZW, .extra = EXTRASAMPLE_ASSOCALPHA}, OC_COLOR_RGBA},
        {{2, 8, GREY, PLAIN, .extra = EXTRASAMPLE_UNASSALPHA}, OC_COLOR_GREY_ALPHA},
        {{4, 8, RGB, PLAIN, .extra = EXTRASAMPLE_UNSPECIFIED}, OC_COLOR_RGB},
    };
    const picture p = picture_make();
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const tiff_options *o = &cases[k].options;
        uint8_t want[COUNT * 3];
        for (int i = 0; i < COUNT * 3; i++) {
            const uint8_t grey = p.rgb[i / 3 * 3];
            want[i] = o->photometric == RGB                   ? p.rgb[i]
                      : o->photometric == PHOTOMETRIC_PALETTE ? test_pixel(grey, 0, i % 3, 3)
                                                              : grey;
        }
        const test_file f = tiff_file(o, &p);
        test_file_composited(&f, want, o->extra ? p.alpha : p.opaque, cases[k].color, o->extra ? 1 : 0);
        free(f.data);
    }
    /* The directory stands at the end: nothing of it may be absent. */
    const test_file f = tiff_file(&cases[0].options, &p);
    test_file_refused_cut(&f, 0);
    assert_false(has_several(&f));
    put_little_endian(tiff_entry(&f, 0), 8, 4); /* a second page, whatever it is */
    assert_true(has_several(&f));
    tiff_set(&f, TIFFTAG_IMAGEWIDTH, 70000);
    test_file_refused(&f, "too large: 70000x16");
    tiff_set(&f, TIFFTAG_IMAGEWIDTH, 6000); /* its strips are too short */
    test_file_refused(&f, "truncated or damaged TIFF");
    free(f.data);
    const test_file raw = tiff_file(&(tiff_options){3, 8, RGB, PLAIN, .thumbnail = true}, &p);
    test_file_refused(&raw, "TIFF that begins with a thumbnail, as cameras' raw files do");
    free(raw.data);
    const test_file wide = tiff_file(&(tiff_options){2, 16, GREY, PLAIN, .extra = EXTRASAMPLE_UNASSALPHA}, &p);
    test_file_refused(&wide, "TIFF with alpha that is not read");
    free(wide.data);
    const test_file floats = tiff_file(&(tiff_options){3, 32, RGB, PLAIN, .floats = true}, &p);
    test_file_refused(&floats, "TIFF of a kind that is not read");
    free(floats.data);
}

/* Colours of which not every program makes the same RGB. */
static void test_tiff_colors(void **state) {
    static const struct {
        uint32_t photometric;
        const char *reason;
    } refused[] = {{PHOTOMETRIC_CIELAB, "TIFF in CIE L*a*b*, which is not read"},
                   {PHOTOMETRIC_ICCLAB, "TIFF in CIE L*a*b*"},
                   {PHOTOMETRIC_ITULAB, "TIFF in CIE L*a*b*"},
                   {PHOTOMETRIC_LOGL, "TIFF in LogLuv"},
                   {PHOTOMETRIC_LOGLUV, "TIFF in LogLuv"},
                   {PHOTOMETRIC_MASK, "TIFF of colours of kind 4, which are not read"},
                   {PHOTOMETRIC_CFA, "TIFF of colours of kind 32803"}};
    const picture p = picture_make();
    (void)state;
    const test_file f = tiff_file(&(tiff_options){3, 8, PHOTOMETRIC_RGB, COMPRESSION_NONE, .extra = 0}, &p);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        tiff_set(&f, TIFFTAG_PHOTOMETRIC, refused[i].photometric);
        test_file_refused(&f, refused[i].reason);
    }
    tiff_set(&f, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    put_little_endian(tiff_entry(&f, TIFFTAG_PHOTOMETRIC), TIFFTAG_THRESHHOLDING, 2);
    test_file_refused(&f, "TIFF that does not say which colours it has");
    free(f.data);
}

static void test_tiff_orientation(void **state) {
    const picture p = picture_make();
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++)
        for (int tiled = 0; tiled < 2; tiled++) {
            const tiff_options o = {3, 8, PHOTOMETRIC_RGB, COMPRESSION_LZW, orientation, .tiled = tiled == 1};
            const test_file f = tiff_file(&o, &p);
            test_file_turned(&f, p.rgb, orientation);
            free(f.data);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_webp), cmocka_unit_test(test_webp_exif),   cmocka_unit_test(test_webp_animation),
        cmocka_unit_test(test_gif),  cmocka_unit_test(test_bmp),         cmocka_unit_test(test_bmp_few_colors),
        cmocka_unit_test(test_tiff), cmocka_unit_test(test_tiff_colors), cmocka_unit_test(test_tiff_orientation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
