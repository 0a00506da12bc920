/* How an image is kept: as it is, or, where its shorter side is longer than 1.25 × the input size, shrunk to that.
 * Packs store images so, and a classifier shrinks so before it crops, which makes their pixels the same. */
#ifndef OC_DATA_KEPT_H
#define OC_DATA_KEPT_H

#include "data/decode.h"

/* Pixels [height, width, 3] RGB uint8 in a buffer that is used again; start from {0}, free with oc_kept_free. */
typedef struct oc_kept {
    uint8_t *pixels;
    size_t capacity;
    int32_t width, height;
} oc_kept;

/* Fills *kept from `image` for input size `size` (>= 1): aspect kept, antialiased bilinear, rounded. OC_E_MEMORY. */
oc_status oc_kept_fill(oc_kept *kept, const oc_pixels *image, int64_t size, oc_error *err);
void oc_kept_free(oc_kept *kept);

#endif
