/* JPEG and PNG to RGB uint8. The defaults of TurboJPEG (accurate integer DCT, smooth upsampling of chroma) give the
 * same pixels as Pillow. Where those libraries would only warn and fill the rest of a cut file with grey, this is an
 * error. */
#define _GNU_SOURCE 1
#include "data/decode.h"

#include <spng.h>
#include <string.h>
#include <turbojpeg.h>

#include "base/error.h"
#include "base/memory.h"

/* No file holds more pixels a byte than this (a progressive JPEG has at least one bit for 64 of them, a PNG of one bit
 * a pixel shrinks by less than 1032): one that claims more is cut off or a trap. */
#define JPEG_PIXELS_PER_BYTE 4096
#define PNG_PIXELS_PER_BYTE 16384

struct oc_decoder {
    tjhandle jpeg; /* NULL until the first JPEG, and after a bad one */
    uint8_t *buffer;
    size_t capacity;
};

const char *oc_color_name(oc_color color) {
    static const char *const names[OC_COLOR_COUNT] = {"rgb", "grey", "palette", "rgba", "grey+alpha"};
    return names[color];
}

oc_status oc_decoder_create(oc_decoder **out, oc_error *err) {
    return oc_alloc(out, 1, sizeof **out, err);
}

void oc_decoder_destroy(oc_decoder **decoder) {
    if (!*decoder) return;
    if ((*decoder)->jpeg) tjDestroy((*decoder)->jpeg);
    oc_free((*decoder)->buffer);
    oc_free(*decoder);
    *decoder = NULL;
}

/* Room for width × height RGB pixels, after the checks that need no memory. */
static oc_status buffer_reserve(oc_decoder *decoder, int64_t width, int64_t height, size_t size, int64_t per_byte,
                                const char *where, oc_error *err) {
    if (width > OC_IMAGE_SIDE_LIMIT || height > OC_IMAGE_SIDE_LIMIT || width * height > OC_IMAGE_PIXELS_LIMIT)
        return oc_fail(err, OC_E_FORMAT, where,
                       "too large: %lldx%lld pixels; the limit is %d a side and %d million in all", (long long)width,
                       (long long)height, OC_IMAGE_SIDE_LIMIT, OC_IMAGE_PIXELS_LIMIT / 1000000);
    if (width * height / per_byte > (int64_t)size)
        return oc_fail(err, OC_E_FORMAT, where, "truncated: %zu bytes cannot hold %lldx%lld pixels", size,
                       (long long)width, (long long)height);
    const size_t bytes = (size_t)(width * height) * 3;
    if (bytes > decoder->capacity) {
        oc_free(decoder->buffer);
        decoder->buffer = NULL;
        decoder->capacity = 0;
        const oc_status status = oc_alloc(&decoder->buffer, bytes, 1, err);
        if (status != OC_OK) return status;
        decoder->capacity = bytes;
    }
    return OC_OK;
}

static oc_status jpeg_fail(tjhandle jpeg, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    const char *text = tjGetErrorStr2(jpeg);
    if (strstr(text, "emory")) return oc_fail(err, OC_E_MEMORY, where, "no memory to decode this JPEG");
    /* The library puts an end mark behind what it is given, and then finds faults before it. */
    const bool has_end = size >= 2 && data[size - 2] == 0xff && data[size - 1] == 0xd9;
    if (!has_end || strstr(text, "remature end")) return oc_fail(err, OC_E_FORMAT, where, "truncated JPEG");
    return oc_fail(err, OC_E_FORMAT, where, "damaged JPEG: %s", text);
}

static oc_status jpeg_decode_with(oc_decoder *decoder, const uint8_t *data, size_t size, const char *where,
                                  oc_pixels *out, oc_error *err) {
    int width = 0, height = 0, subsampling = 0, space = 0;
    if (tjDecompressHeader3(decoder->jpeg, data, (unsigned long)size, &width, &height, &subsampling, &space) != 0)
        return jpeg_fail(decoder->jpeg, data, size, where, err);
    /* Cut off before the frame's header, which the library does not mind. */
    if (width < 1 || height < 1) return oc_fail(err, OC_E_FORMAT, where, "truncated JPEG");
    if (space == TJCS_CMYK || space == TJCS_YCCK)
        return oc_fail(err, OC_E_FORMAT, where, "CMYK JPEG; only RGB and greyscale are read");
    const oc_status status = buffer_reserve(decoder, width, height, size, JPEG_PIXELS_PER_BYTE, where, err);
    if (status != OC_OK) return status;
    /* The first warning ends it: what follows would be made up. Only bytes too many between two markers harm no pixel.
     * TJFLAG_LIMITSCANS bounds the time that a crafted file can take. */
    int flags = TJFLAG_LIMITSCANS | TJFLAG_STOPONWARNING;
    while (tjDecompress2(decoder->jpeg, data, (unsigned long)size, decoder->buffer, width, 0, height, TJPF_RGB,
                         flags) != 0) {
        if (tjGetErrorCode(decoder->jpeg) != TJERR_WARNING ||
            !strstr(tjGetErrorStr2(decoder->jpeg), "extraneous bytes before marker"))
            return jpeg_fail(decoder->jpeg, data, size, where, err);
        if (!(flags & TJFLAG_STOPONWARNING)) break;
        flags &= ~TJFLAG_STOPONWARNING;
    }
    *out = (oc_pixels){decoder->buffer, width, height, space == TJCS_GRAY ? OC_COLOR_GREY : OC_COLOR_RGB};
    return OC_OK;
}

/* A handle that has met a bad file is not used again: what is left in it (tables of the bad file, the wish to stop at
 * warnings) would make the next good file fail. */
static oc_status jpeg_decode(oc_decoder *decoder, const uint8_t *data, size_t size, const char *where, oc_pixels *out,
                             oc_error *err) {
    if (!decoder->jpeg) decoder->jpeg = tjInitDecompress();
    if (!decoder->jpeg) return oc_fail(err, OC_E_MEMORY, where, "no memory for a JPEG decoder");
    const oc_status status = jpeg_decode_with(decoder, data, size, where, out, err);
    if (status != OC_OK) {
        tjDestroy(decoder->jpeg);
        decoder->jpeg = NULL;
    }
    return status;
}

static oc_color png_color(uint8_t color_type) {
    switch (color_type) {
    case SPNG_COLOR_TYPE_GRAYSCALE:
        return OC_COLOR_GREY;
    case SPNG_COLOR_TYPE_INDEXED:
        return OC_COLOR_PALETTE;
    case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        return OC_COLOR_GREY_ALPHA;
    case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        return OC_COLOR_RGBA;
    default:
        return OC_COLOR_RGB;
    }
}

static oc_status png_fail(int code, const char *where, oc_error *err) {
    if (code == SPNG_EMEM) return oc_fail(err, OC_E_MEMORY, where, "no memory to decode this PNG");
    if (code == SPNG_EOVERFLOW || code == SPNG_EUSER_WIDTH || code == SPNG_EUSER_HEIGHT)
        return oc_fail(err, OC_E_FORMAT, where, "too large: a side of a PNG may have %d pixels", OC_IMAGE_SIDE_LIMIT);
    if (code == SPNG_IO_EOF) return oc_fail(err, OC_E_FORMAT, where, "truncated PNG");
    return oc_fail(err, OC_E_FORMAT, where, "damaged PNG: %s", spng_strerror(code));
}

static oc_status png_decode(oc_decoder *decoder, const uint8_t *data, size_t size, const char *where, oc_pixels *out,
                            oc_error *err) {
    struct spng_ihdr header;
    oc_status status = OC_OK;
    spng_ctx *png = spng_ctx_new(0); /* cannot be used for a second image */
    int code = png ? SPNG_OK : SPNG_EMEM;
    /* Text and colour profiles, which are not used, may not take much memory. */
    if (code == SPNG_OK) code = spng_set_chunk_limits(png, (size_t)16 << 20, (size_t)64 << 20);
    if (code == SPNG_OK) code = spng_set_png_buffer(png, data, size);
    if (code == SPNG_OK) code = spng_get_ihdr(png, &header);
    if (code != SPNG_OK) {
        status = png_fail(code, where, err);
        goto cleanup;
    }
    OC_TRY(buffer_reserve(decoder, header.width, header.height, size, PNG_PIXELS_PER_BYTE, where, err));
    code = spng_decode_image(png, decoder->buffer, (size_t)header.width * header.height * 3, SPNG_FMT_RGB8, 0);
    if (code == SPNG_OK) code = spng_decode_chunks(png); /* up to the end mark */
    if (code != SPNG_OK) {
        status = png_fail(code, where, err);
        goto cleanup;
    }
    *out = (oc_pixels){decoder->buffer, header.width, header.height, png_color(header.color_type)};
cleanup:
    spng_ctx_free(png);
    return status;
}

/* Files that are not read, by marks in them. */
static const struct {
    size_t offset;
    const char *mark, *kind;
    bool image;
} kinds[] = {{0, "GIF8", "a GIF", true},          {0, "BM", "a BMP", true},
             {8, "WEBP", "a WebP", true},         {0, "II*", "a TIFF", true},
             {0, "MM", "a TIFF", true},           {4, "ftypavif", "an AVIF", true},
             {4, "ftypheic", "an HEIC", true},    {0, "PK\3\4", "a zip", false},
             {0, "\x1f\x8b", "gzip data", false}, {0, "<!DOCTYPE", "a web page", false},
             {0, "<html", "a web page", false},   {0, "<?xml", "XML", false}};
#define KINDS (sizeof kinds / sizeof *kinds)

/* Place in `kinds`, or KINDS. */
static size_t kind_find(const uint8_t *data, size_t size) {
    size_t i = 0;
    for (; i < KINDS; i++) {
        const size_t length = strlen(kinds[i].mark);
        if (size >= kinds[i].offset + length && memcmp(data + kinds[i].offset, kinds[i].mark, length) == 0) break;
    }
    return i;
}

bool oc_image_content_other(const void *data, size_t size) {
    const size_t kind = kind_find(data, size);
    return kind < KINDS && kinds[kind].image;
}

/* Says what a file is instead of an image. */
static oc_status refuse(const uint8_t *data, size_t size, const char *where, oc_error *err) {
    if (size == 0) return oc_fail(err, OC_E_FORMAT, where, "empty file");
    const size_t kind = kind_find(data, size);
    if (kind < KINDS) return oc_fail(err, OC_E_FORMAT, where, "not a JPEG or PNG but %s", kinds[kind].kind);
    size_t text = 0;
    while (text < size && text < 24 &&
           ((data[text] >= ' ' && data[text] < 127) || (data[text] >= 9 && data[text] <= 13)))
        text++;
    if (text >= 4 || text == size)
        return oc_fail(err, OC_E_FORMAT, where, "not a JPEG or PNG: begins with the text \"%.*s\"", (int)text,
                       (const char *)data);
    return oc_fail(err, OC_E_FORMAT, where, "not a JPEG or PNG: begins with the bytes %02x %02x", data[0],
                   size > 1 ? data[1] : 0);
}

static bool is_jpeg(const void *data, size_t size) {
    return size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0;
}

static bool is_png(const void *data, size_t size) {
    return size >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

bool oc_image_content(const void *data, size_t size) {
    return is_jpeg(data, size) || is_png(data, size);
}

oc_status oc_decode(oc_decoder *decoder, const void *data, size_t size, const char *where, oc_pixels *out,
                    oc_error *err) {
    if (is_jpeg(data, size)) return jpeg_decode(decoder, data, size, where, out, err);
    if (is_png(data, size)) return png_decode(decoder, data, size, where, out, err);
    return refuse(data, size, where, err);
}
