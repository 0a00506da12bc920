/* Mean and deviation of pixels a channel. Sums are of whole numbers, so that they do not depend on the threads. */
#ifndef OC_DATA_MOMENTS_H
#define OC_DATA_MOMENTS_H

#include <stdint.h>

/* Start from {0}. Enough for 2^48 pixels. */
typedef struct oc_moments {
    uint64_t pixels, sum[3], squares[3];
} oc_moments;

/* Adds an image, [height, width, 3]; width at most 66,000. */
void oc_moments_add(oc_moments *moments, const uint8_t *pixels, int64_t width, int64_t height);
void oc_moments_join(oc_moments *moments, const oc_moments *other);
/* Of values on [0, 1]; zeros where there are no pixels. */
void oc_moments_find(const oc_moments *moments, double mean[3], double std[3]);

#endif
