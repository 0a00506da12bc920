/* Colours and sizes of images. Each number is computed by itself by the same operations at every level, so results are
 * the same bits at all of them. */
#ifndef OC_KERNELS_IMAGE_H
#define OC_KERNELS_IMAGE_H

#include <stdint.h>

#include "kernels/kernels.h"

/* One axis of a separable resampling: output i of `out` is the sum over k < taps (>= 1) of weight[i·taps + k] ·
 * input[start[i] + k], in the order of k. */
typedef struct oc_resampling {
    int64_t out, taps;
    const int64_t *start;
    const float *weight; /* >= 0 */
} oc_resampling;

struct oc_image_kernels {
    /* dst = src ÷ 255, exactly rounded. */
    void (*unit)(float *dst, const uint8_t *src, int64_t n);
    /* A row of pixels red, green, blue, each >= 0, and one float more, which may be anything finite, to a row of `out`
     * in each of three planes `stride` floats apart. */
    void (*resample_row)(float *dst, int64_t stride, const float *row, const oc_resampling *x);
    /* The columns of a plane of rows of `width`: dst [out, width]. */
    void (*resample_columns)(float *dst, const float *src, int64_t width, const oc_resampling *y);

    /* Of colours: planes red, green, blue of `count` >= 0 pixels each, one after another, in [0, 1]. */

    /* torchvision 0.14's functional_tensor.adjust_brightness: x·factor, clamped. */
    void (*brightness)(float *planes, int64_t count, float factor);
    /* adjust_saturation: factor·x + (1 − factor)·grey, clamped. */
    void (*saturation)(float *planes, int64_t count, float factor);
    /* adjust_hue: turned by the share `factor` of the whole circle. The way to HSV and back is in its closed form,
     * which agrees to rounding. */
    void (*hue)(float *planes, int64_t count, float factor);
    /* One plane: (x − mean)·scale. */
    void (*normalise)(float *plane, int64_t count, float mean, float scale);
};

#endif
