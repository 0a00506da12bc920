/* Colours and sizes of images. */
#include "kernels/image.h"

#include <math.h>

#include "kernels/parts.h"

/* ---- Sizes ---- */

static void unit(float *dst, const uint8_t *src, int64_t n) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dst[i] = (float)src[i] / 255.0f;
}

/* A pixel, and the first number of the next. */
typedef float pixel __attribute__((vector_size(16), may_alias));
typedef float pixel_at __attribute__((vector_size(16), aligned(4), may_alias));

/* Inlined with constant `taps`. */
OC_INLINE void row_of(float *dst, int64_t stride, const float *row, const oc_resampling *x, int64_t taps) {
    for (int64_t i = 0; i < x->out; i++) {
        const float *from = row + 3 * x->start[i], *weight = x->weight + i * taps;
        pixel sum = weight[0] * *(const pixel_at *)from;
        for (int64_t k = 1; k < taps; k++) sum += weight[k] * *(const pixel_at *)(from + 3 * k);
        for (int c = 0; c < 3; c++) dst[c * stride + i] = sum[c];
    }
}

static void resample_row(float *dst, int64_t stride, const float *row, const oc_resampling *x) {
    if (x->taps == 2)
        row_of(dst, stride, row, x, 2);
    else if (x->taps == 3)
        row_of(dst, stride, row, x, 3);
    else
        row_of(dst, stride, row, x, x->taps);
}

/* Up to a vector of a row of outputs. */
OC_INLINE void columns_some(float *dst, const float *src, int64_t width, int lanes, const float *weight, int64_t taps) {
    oc_floats sum = weight[0] * oc_load_some(src, lanes);
    for (int64_t k = 1; k < taps; k++) sum += weight[k] * oc_load_some(src + k * width, lanes);
    oc_store_some(dst, sum, lanes);
}

/* Inlined with constant `taps`. */
OC_INLINE void columns_of(float *dst, const float *src, int64_t width, const oc_resampling *y, int64_t taps) {
    for (int64_t i = 0; i < y->out; i++, dst += width) {
        const float *from = src + y->start[i] * width, *weight = y->weight + i * taps;
        int64_t x = 0;
        for (; x + OC_LANES <= width; x += OC_LANES) columns_some(dst + x, from + x, width, OC_LANES, weight, taps);
        if (x < width) columns_some(dst + x, from + x, width, (int)(width - x), weight, taps);
    }
}

static void resample_columns(float *dst, const float *src, int64_t width, const oc_resampling *y) {
    if (y->taps == 2)
        columns_of(dst, src, width, y, 2);
    else if (y->taps == 3)
        columns_of(dst, src, width, y, 3);
    else
        columns_of(dst, src, width, y, y->taps);
}

/* ---- Colours ---- */

OC_INLINE float clamp01(float x) {
    x = x < 0.0f ? 0.0f : x;
    return x > 1.0f ? 1.0f : x;
}

static void brightness(float *planes, int64_t count, float factor) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < 3 * count; i++) planes[i] = clamp01(planes[i] * factor);
}

static void saturation(float *planes, int64_t count, float factor) {
    float *red = planes, *green = planes + count, *blue = planes + 2 * count;
    OC_INDEPENDENT
    for (int64_t i = 0; i < count; i++) {
        float grey = 0.2989f * red[i] + 0.587f * green[i] + 0.114f * blue[i];
        float share = (1.0f - factor) * grey;
        red[i] = clamp01(factor * red[i] + share);
        green[i] = clamp01(factor * green[i] + share);
        blue[i] = clamp01(factor * blue[i] + share);
    }
}

/* One channel of a colour between `low` and `high` (the least and the largest channel): high − (high − low)·w, clamped,
 * w = 2 − the distance of `sixths` from the nearest of 2, 8, 14; `sixths` in [0, 18) is the hue in sixths of the circle
 * plus 5 for red, 3 for green, 1 for blue. */
OC_INLINE float hue_channel(float high, float low, float sixths) {
    float first = fabsf(sixths - 2.0f), second = fabsf(sixths - 8.0f), third = fabsf(sixths - 14.0f);
    float nearest = first < second ? first : second;
    nearest = nearest < third ? nearest : third;
    float x = high - (high - low) * (2.0f - nearest);
    x = x > high ? high : x;
    return x < low ? low : x;
}

static void hue(float *planes, int64_t count, float factor) {
    float *red = planes, *green = planes + count, *blue = planes + 2 * count;
    float turn = 6.0f * (factor - floorf(factor));
    OC_INDEPENDENT
    for (int64_t i = 0; i < count; i++) {
        /* Sorting the channels, each exchange reflects the hue: |base + (middle − third) / chroma| is the hue in
         * sixths, 0 … 6. Selections of plain values only, which become vector blends; arithmetic with a selected
         * constant would become branches. 1e-20: grey has no hue, any will do. */
        float r = red[i], g = green[i], b = blue[i];
        float above = g < b ? b : g, third = g < b ? g : b;
        float base = g < b ? -6.0f : 0.0f, reflected = -2.0f - base;
        float high = r < above ? above : r, middle = r < above ? r : above;
        base = r < above ? reflected : base;
        float low = middle < third ? middle : third;
        float sixths = fabsf(base + (middle - third) / (high - low + 1e-20f)) + turn;
        red[i] = hue_channel(high, low, sixths + 5.0f);
        green[i] = hue_channel(high, low, sixths + 3.0f);
        blue[i] = hue_channel(high, low, sixths + 1.0f);
    }
}

static void normalise(float *plane, int64_t count, float mean, float scale) {
    OC_INDEPENDENT
    for (int64_t i = 0; i < count; i++) plane[i] = (plane[i] - mean) * scale;
}

const oc_image_kernels OC_IMAGE_KERNELS = {.unit = unit,
                                           .resample_row = resample_row,
                                           .resample_columns = resample_columns,
                                           .brightness = brightness,
                                           .saturation = saturation,
                                           .hue = hue,
                                           .normalise = normalise};
