/* What all formats share: the buffer and its limits, compositing, and turning upright. */
#include "data/image/decode.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/image/format.h"

struct oc_decoder {
    oc_image_options options;
    oc_canvas canvas;
    uint8_t *turned; /* the image upright; NULL until one is turned */
    size_t turned_capacity;
};

const char *oc_color_name(oc_color color) {
    static const char *const names[OC_COLOR_COUNT] = {"rgb", "grey", "palette", "rgba", "grey+alpha", "cmyk"};
    return names[color];
}

oc_status oc_decoder_create(oc_decoder **out, const oc_image_options *options, oc_error *err) {
    oc_status status;
    OC_TRY(oc_alloc(out, 1, sizeof **out, err));
    (*out)->options = options ? *options : (oc_image_options)OC_IMAGE_OPTIONS_DEFAULT;
    (*out)->canvas.pixels_most = OC_IMAGE_PIXELS_LIMIT;
cleanup:
    return status;
}

void oc_decoder_destroy(oc_decoder **decoder) {
    if (!*decoder) return;
    oc_free((*decoder)->canvas.data);
    oc_free((*decoder)->turned);
    oc_free(*decoder);
    *decoder = NULL;
}

void oc_decoder_limit(oc_decoder *decoder, int64_t pixels) {
    decoder->canvas.pixels_most = pixels > 0 ? pixels : OC_IMAGE_PIXELS_LIMIT;
}

/* ---- The buffer ------------------------------------------------------------------------------------------------- */

/* Room for `size` bytes; what was there is lost. */
static oc_status buffer_reserve(uint8_t **buffer, size_t *capacity, size_t size, oc_error *err) {
    oc_status status = OC_OK;
    if (size <= *capacity) return OC_OK;
    oc_free(*buffer);
    *buffer = NULL;
    *capacity = 0;
    OC_TRY(oc_alloc(buffer, size, 1, err));
    *capacity = size;
cleanup:
    return status;
}

void oc_decoder_trim(oc_decoder *decoder, size_t bytes) {
    if (decoder->canvas.capacity > bytes) {
        oc_free(decoder->canvas.data);
        decoder->canvas.data = NULL;
        decoder->canvas.capacity = 0;
    }
    if (decoder->turned_capacity > bytes) {
        oc_free(decoder->turned);
        decoder->turned = NULL;
        decoder->turned_capacity = 0;
    }
}

oc_status oc_canvas_reserve(oc_canvas *canvas, int64_t width, int64_t height, int channels, size_t size,
                            int64_t per_byte, const char *where, oc_error *err) {
    oc_status status = OC_OK;
    if (width < 1 || height < 1) return oc_fail(err, OC_E_FORMAT, where, "damaged: an image without pixels");
    if (width > OC_IMAGE_SIDE_LIMIT || height > OC_IMAGE_SIDE_LIMIT || width * height > canvas->pixels_most)
        return oc_fail(err, OC_E_FORMAT, where,
                       "too large: %lldx%lld pixels; the limit is %d a side and %.4g million in all", (long long)width,
                       (long long)height, OC_IMAGE_SIDE_LIMIT, 1e-6 * (double)canvas->pixels_most);
    if (width * height / per_byte > (int64_t)size)
        return oc_fail(err, OC_E_FORMAT, where, "truncated: %zu bytes cannot hold %lldx%lld pixels", size,
                       (long long)width, (long long)height);
    OC_TRY(buffer_reserve(&canvas->data, &canvas->capacity, (size_t)(width * height) * (size_t)channels, err));
    canvas->width = width;
    canvas->height = height;
    canvas->channels = channels;
cleanup:
    return status;
}

/* ---- Compositing ------------------------------------------------------------------------------------------------ */

/* Makes RGBA [count, 4] RGB [count, 3] in place, on the background: colour·alpha + background·(1 − alpha), rounded, the
 * former given as it is where the colours are premultiplied. Returns whether any pixel was not opaque. */
static bool composite(uint8_t *data, size_t count, bool premultiplied, const uint8_t background[3]) {
    bool transparent = false;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *src = data + 4 * i;
        uint8_t *dst = data + 3 * i;
        const unsigned alpha = src[3];
        transparent |= alpha != 255;
        for (int c = 0; c < 3; c++) {
            const unsigned own = premultiplied ? (src[c] < alpha ? src[c] : alpha) * 255 : src[c] * alpha;
            dst[c] = (uint8_t)((own + background[c] * (255 - alpha) + 127) / 255);
        }
    }
    return transparent;
}

/* ---- Turning ---------------------------------------------------------------------------------------------------- */

/* Where the upright image's pixels lie in the stored one, by orientation (Exif 2.32, 4.6.5): with `transpose` its rows
 * are the stored columns; then rows, or columns, may run backwards in what is stored. */
static const struct {
    bool transpose, x_back, y_back;
} turns[9] = {
    [1] = {false, false, false}, [2] = {false, true, false}, [3] = {false, true, true}, [4] = {false, false, true},
    [5] = {true, false, false},  [6] = {true, false, true},  [7] = {true, true, true},  [8] = {true, true, false}};

/* Copies src [height, width, 3] upright to dst, [width, height, 3] for orientations 5 … 8. */
static void turn(uint8_t *dst, const uint8_t *src, int64_t width, int64_t height, int orientation) {
    const bool transpose = turns[orientation].transpose;
    const int64_t rows = transpose ? width : height, columns = transpose ? height : width;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column++, dst += 3) {
            int64_t x = transpose ? row : column, y = transpose ? column : row;
            if (turns[orientation].x_back) x = width - 1 - x;
            if (turns[orientation].y_back) y = height - 1 - y;
            memcpy(dst, src + 3 * (y * width + x), 3);
        }
}

oc_status oc_decode(oc_decoder *decoder, const void *data, size_t size, const char *where, oc_pixels *out,
                    oc_error *err) {
    oc_canvas *canvas = &decoder->canvas;
    const oc_image_format *format = oc_image_format_of(data, size);
    bool transparent = false;
    oc_status status;
    if (!format) return oc_image_refuse(data, size, where, err);
    *canvas = (oc_canvas){
        .data = canvas->data, .capacity = canvas->capacity, .pixels_most = canvas->pixels_most, .orientation = 1};
    OC_TRY(format->decode(canvas, data, size, where, err));
    const size_t count = (size_t)(canvas->width * canvas->height);
    if (canvas->channels == 4)
        transparent = composite(canvas->data, count, canvas->premultiplied, decoder->options.background);
    oc_pixels pixels = {.data = canvas->data,
                        .width = canvas->width,
                        .height = canvas->height,
                        .color = canvas->color,
                        .turned = canvas->orientation != 1,
                        .transparent = transparent,
                        .wide = canvas->wide,
                        .several = canvas->several};
    if (pixels.turned && decoder->options.exif) {
        OC_TRY(buffer_reserve(&decoder->turned, &decoder->turned_capacity, count * 3, err));
        turn(decoder->turned, canvas->data, canvas->width, canvas->height, canvas->orientation);
        pixels.data = decoder->turned;
        if (turns[canvas->orientation].transpose) {
            pixels.width = canvas->height;
            pixels.height = canvas->width;
        }
    }
    *out = pixels;
cleanup:
    return status;
}
