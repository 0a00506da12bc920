/* Colours of images: planes red, green, blue of `count` >= 0 pixels each, one after another, in [0, 1]. Each pixel is
 * computed by itself by the same operations at every level, so results are the same bits at all of them. */
#ifndef OC_KERNELS_IMAGE_H
#define OC_KERNELS_IMAGE_H

#include <stdint.h>

#include "kernels/kernels.h"

struct oc_image_kernels {
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
