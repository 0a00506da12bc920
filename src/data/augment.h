/* Augmentation of training images and the central crop of evaluation: from the pack's uint8 pixels to normalised float
 * planes. Drawing the random numbers is apart from applying them, so that each can be tested alone. */
#ifndef OC_DATA_AUGMENT_H
#define OC_DATA_AUGMENT_H

#include "base/random.h"
#include "data/pack.h"
#include "data/resize.h"
#include "kernels/image.h"

/* One colour operation on planes [3, count] in [0, 1]; the result is in [0, 1] again. */
typedef struct oc_colour_operation {
    const char *name;
    double low, high; /* the factor is uniform in [low, high) */
    void (*apply)(const oc_image_kernels *kernels, float *planes, int64_t count, float factor);
} oc_colour_operation;

#define OC_COLOUR_OPERATIONS 3
/* brightness, saturation, hue. Factor: of brightness a multiplier; of saturation the image's weight against its grey
 * picture (1: unchanged); of hue a part of the whole circle (0: unchanged). */
extern const oc_colour_operation oc_colour_operations[OC_COLOUR_OPERATIONS];

typedef struct oc_jitter {
    int operation; /* place in oc_colour_operations */
    float factor;
} oc_jitter;

/* What is done to one image, in this order: the box is resampled to the output's size, flipped left to right, and the
 * first `jitters` colour operations are applied in turn. */
typedef struct oc_augmentation {
    int32_t top, left, height, width; /* the box, in pixels, inside the image */
    bool flip;
    int jitters; /* 0 … OC_COLOUR_OPERATIONS */
    oc_jitter jitter[OC_COLOUR_OPERATIONS];
} oc_augmentation;

/* Draws what is done to an image of height × width pixels (both >= 1) from `random`: the random resized crop of
 * torchvision.transforms.RandomResizedCrop (area 0.3 … 1, aspect 3/4 … 4/3 log-uniform, ten tries, then the central
 * fallback), a flip with probability ½, and with probability 0.8 every colour operation, in random order. */
oc_augmentation oc_augmentation_draw(oc_random *random, int32_t height, int32_t width);

/* What is shown of an image as it is, for an output of size × size: the whole of one that is kept whole (any fit but
 * OC_FIT_CROP), else its central square (oc_central_side). */
oc_augmentation oc_augmentation_plain(int32_t height, int32_t width, int64_t size, oc_fit fit);

/* Applies `augmentation` to `image`: dst [3, size, size] = (value − mean) / std, value in [0, 1]. `resizer`: of one's
 * own, made for images of this size or larger and for results of size × size. Thread-safe; allocates nothing. */
void oc_augmentation_apply(const oc_augmentation *augmentation, const oc_image *image, int64_t size,
                           const float mean[3], const float std[3], float *dst, oc_resizer *resizer);

#endif
