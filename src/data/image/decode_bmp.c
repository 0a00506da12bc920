/* BMP, read here: what is in use of it is rows of plain pixels behind a header, for which no library of its own is kept
 * in Debian 12 and 13 with one interface (libnsbmp's changed). Run-length coding is not read. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/image/format.h"

#define FILE_HEADER 14  /* "BM", sizes, and where the pixels begin */
#define CORE_HEADER 12  /* OS/2's, with sides of 16 bits and colours of three bytes */
#define INFO_HEADER 40  /* the usual one; later ones are longer */
#define ALPHA_HEADER 56 /* from this one on there are masks in the header, that of alpha among them */

enum { BI_RGB, BI_RLE8, BI_RLE4, BI_BITFIELDS, BI_JPEG, BI_PNG, BI_ALPHABITFIELDS };

/* Where a pixel's bits have a channel. */
typedef struct bmp_channel {
    uint32_t mask, most; /* most: its largest value */
    int shift;
} bmp_channel;

typedef struct bmp_layout {
    const uint8_t *pixels; /* the first stored row */
    size_t stride;         /* bytes from one row to the next */
    int64_t width, height;
    bool top_down;
    int bits;              /* of a pixel: 1, 4, 8 (places in the colours), 16, 24, 32 */
    const uint8_t *colors; /* blue, green, red and, unless of three bytes, one unused */
    size_t color_count, color_size;
    bmp_channel channel[4]; /* red, green, blue, alpha of 16 and 32 bits; mask 0: none */
} bmp_layout;

static uint32_t number(const uint8_t *bytes, int count) {
    uint32_t value = 0;
    for (int i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

static bmp_channel channel_of(uint32_t mask) {
    bmp_channel channel = {.mask = mask};
    while (mask != 0 && (mask & 1) == 0) {
        mask >>= 1;
        channel.shift++;
    }
    channel.most = mask;
    return channel;
}

/* The channel's value in a pixel, of 255, rounded. */
static uint8_t channel_value(const bmp_channel *channel, uint32_t pixel) {
    if (channel->most == 0) return 0;
    const uint64_t value = (pixel & channel->mask) >> channel->shift;
    return (uint8_t)((value * 255 + channel->most / 2) / channel->most);
}

static oc_status truncated(const char *where, oc_error *err) {
    return oc_fail(err, OC_E_FORMAT, where, "truncated BMP");
}

static oc_status unread(const char *where, oc_error *err, const char *what) {
    return oc_fail(err, OC_E_FORMAT, where, "BMP %s, which is not read: convert it to PNG", what);
}

/* Where 16 and 32 bits have their channels: as masks say, which stand in a longer header or behind the usual one, or
 * five bits, or eight, each. */
static oc_status find_channels(bmp_layout *l, const uint8_t *data, size_t size, size_t header, uint32_t coding,
                               const char *where, oc_error *err) {
    static const uint32_t five[4] = {0x7c00, 0x3e0, 0x1f, 0}, eight[4] = {0xff0000, 0xff00, 0xff, 0};
    const bool masked = coding == BI_BITFIELDS || coding == BI_ALPHABITFIELDS;
    const int masks = coding == BI_ALPHABITFIELDS || header >= ALPHA_HEADER ? 4 : 3;
    if (masked && size < FILE_HEADER + INFO_HEADER + 16) return truncated(where, err);
    for (int c = 0; c < 4; c++) {
        uint32_t mask = l->bits == 16 ? five[c] : eight[c];
        if (masked) mask = c < masks ? number(data + FILE_HEADER + INFO_HEADER + 4 * c, 4) : 0;
        l->channel[c] = channel_of(mask);
    }
    return OC_OK;
}

/* Understands the headers; every offset in *l is inside the file then, for every row. */
static oc_status read_headers(bmp_layout *l, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    oc_status status = OC_OK;
    if (size < FILE_HEADER + CORE_HEADER) return truncated(where, err);
    const size_t start = number(data + 10, 4), header = number(data + FILE_HEADER, 4);
    const bool core = header == CORE_HEADER;
    if (!core && (header < INFO_HEADER || header > 1024)) return unread(where, err, "with an unknown header");
    if (size < FILE_HEADER + header) return truncated(where, err);
    const uint8_t *info = data + FILE_HEADER;
    const int64_t height = core ? (int64_t)number(info + 6, 2) : (int64_t)(int32_t)number(info + 8, 4);
    const uint32_t coding = core ? BI_RGB : number(info + 16, 4);
    l->width = core ? (int64_t)number(info + 4, 2) : (int64_t)(int32_t)number(info + 4, 4);
    l->height = llabs(height);
    l->top_down = height < 0;
    l->bits = (int)number(info + (core ? 10 : 14), 2);
    if (coding == BI_RLE8 || coding == BI_RLE4) return unread(where, err, "with run-length coding");
    if (coding > BI_ALPHABITFIELDS || coding == BI_JPEG || coding == BI_PNG)
        return unread(where, err, "of an unknown coding");
    const bool indexed = l->bits == 1 || l->bits == 4 || l->bits == 8;
    if (!indexed && l->bits != 16 && l->bits != 24 && l->bits != 32)
        return unread(where, err, "of an unusual number of bits a pixel");
    if (l->width < 1 || l->height < 1 || l->width > OC_IMAGE_SIDE_LIMIT || l->height > OC_IMAGE_SIDE_LIMIT)
        return OC_OK; /* refused by the canvas */
    l->stride = ((size_t)l->width * (size_t)l->bits + 31) / 32 * 4;
    const size_t last = ((size_t)l->width * (size_t)l->bits + 7) / 8; /* of some files the last row has no padding */
    if (start > size || (size_t)(l->height - 1) * l->stride + last > size - start) return truncated(where, err);
    l->pixels = data + start;
    if (l->bits == 16 || l->bits == 32) OC_TRY(find_channels(l, data, size, header, coding, where, err));
    if (indexed) {
        const size_t used = core ? 0 : number(info + 32, 4);
        l->colors = data + FILE_HEADER + header;
        l->color_size = core ? 3 : 4;
        const size_t most = (size_t)1 << l->bits, room = (size - FILE_HEADER - header) / l->color_size;
        l->color_count = used == 0 || used > most ? most : used;
        if (l->color_count > room) l->color_count = room;
    }
cleanup:
    return status;
}

/* One stored row to RGB or RGBA. Colours that the table lacks are black. */
static void put_row(uint8_t *dst, const bmp_layout *l, const uint8_t *row, int channels) {
    for (int64_t x = 0; x < l->width; x++, dst += channels) {
        if (l->bits <= 8) {
            const int64_t bit = x * l->bits;
            const unsigned place = row[bit / 8] >> (8 - l->bits - bit % 8) & ((1U << l->bits) - 1);
            const uint8_t *color = l->colors + place * l->color_size;
            for (int c = 0; c < 3; c++) dst[c] = place < l->color_count ? color[2 - c] : 0;
        } else if (l->bits == 24) {
            for (int c = 0; c < 3; c++) dst[c] = row[3 * x + 2 - c];
        } else {
            const uint32_t pixel = number(row + x * l->bits / 8, l->bits / 8);
            for (int c = 0; c < channels; c++) dst[c] = channel_value(&l->channel[c], pixel);
        }
    }
}

/* Programs that know nothing of alpha write 0 everywhere, which then means nothing. */
static void alpha_check(oc_canvas *canvas) {
    const size_t count = (size_t)(canvas->width * canvas->height);
    size_t i = 0;
    while (i < count && canvas->data[4 * i + 3] == 0) i++;
    for (size_t k = 0; i == count && k < count; k++) canvas->data[4 * k + 3] = 255;
}

static oc_status bmp_decode(oc_canvas *canvas, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    bmp_layout l = {0};
    oc_status status = OC_OK;
    OC_TRY(read_headers(&l, data, size, where, err));
    const bool alpha = l.channel[3].mask != 0;
    canvas->color = l.bits <= 8 ? OC_COLOR_PALETTE : alpha ? OC_COLOR_RGBA : OC_COLOR_RGB;
    OC_TRY(oc_canvas_reserve(canvas, l.width, l.height, alpha ? 4 : 3, size, 8, where, err));
    for (int64_t y = 0; y < l.height; y++) {
        const int64_t seen = l.top_down ? y : l.height - 1 - y;
        put_row(canvas->data + seen * l.width * canvas->channels, &l, l.pixels + (size_t)y * l.stride,
                canvas->channels);
    }
    if (alpha) alpha_check(canvas);
cleanup:
    return status;
}

/* "BM" alone begins many a text: the header's size and the number of planes are looked at, too. */
static bool bmp_recognise(const uint8_t *data, size_t size) {
    return size >= 16 && memcmp(data, "BM", 2) == 0 && number(data + FILE_HEADER, 2) >= CORE_HEADER &&
           number(data + FILE_HEADER, 2) <= 1024 && number(data + 6, 4) == 0;
}

const oc_image_format oc_format_bmp = {"BMP", {".bmp", ".dib"}, bmp_recognise, bmp_decode};
