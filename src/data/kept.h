/* How an image is kept, for an input size S. To be cropped: as it is, or, where its shorter side is longer than 1.25 S,
 * shrunk to that. To be seen whole: as a square whose side is the longer one's, 1.25 S at most; squashed into it, or
 * in its middle, aspect kept, with the background above and below or at both sides. Packs store images so, and a
 * classifier does so with each image, which makes their pixels the same. */
#ifndef OC_DATA_KEPT_H
#define OC_DATA_KEPT_H

#include "data/decode.h"

/* Pixels [height, width, 3] RGB uint8 in a buffer that is used again; start from {0}, free with oc_kept_free. */
typedef struct oc_kept {
    uint8_t *pixels;
    size_t capacity;
    int32_t width, height;
} oc_kept;

/* Fills *kept from `image` for input size `size` (>= 1): antialiased bilinear, rounded. Of `options` (NULL: the
 * defaults) fit and background count. OC_E_MEMORY. */
oc_status oc_kept_fill(oc_kept *kept, const oc_pixels *image, int64_t size, const oc_image_options *options,
                       oc_error *err);
/* Share of an image's area that lies outside of its central square, [0, 1): what no evaluation sees where it is
 * cropped. Both sides >= 1. */
double oc_kept_cropped(int64_t width, int64_t height);
/* Warns where the average of that over the images of a split is more than a third. */
void oc_kept_warn(double cropped, const char *split, const oc_log *log);
void oc_kept_free(oc_kept *kept);

#endif
