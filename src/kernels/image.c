/* Colours of images. */
#include "kernels/image.h"

#include <math.h>

#include "kernels/lanes.h"

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

const oc_image_kernels OC_IMAGE_KERNELS = {
    .brightness = brightness, .saturation = saturation, .hue = hue, .normalise = normalise};
