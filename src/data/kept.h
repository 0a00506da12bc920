/* How an image is kept, for an input size S. To be cropped: as it is, or, where its shorter side is longer than 1.25 S,
 * shrunk to that. To be seen whole: as a square whose side is the longer one's, 1.25 S at most; squashed into it, or
 * in its middle, aspect kept, with the background above and below or at both sides. Packs store images so, and a
 * classifier does so with each image, which makes their pixels the same. */
#ifndef OC_DATA_KEPT_H
#define OC_DATA_KEPT_H

#include "data/image/decode.h"

/* Pixels [height, width, 3] RGB uint8 in a buffer that is used again; start from {0}, free with oc_kept_free. */
typedef struct oc_kept {
    uint8_t *pixels;
    size_t capacity;
    int32_t width, height;
} oc_kept;

/* What is kept, and within it, in the middle, the image as it is scaled; sides in pixels. */
typedef struct oc_arrangement {
    int64_t width, height, inner_width, inner_height;
} oc_arrangement;
/* How an image of width × height (>= 1) is kept for input size `size`. */
oc_arrangement oc_kept_arrangement(int64_t width, int64_t height, int64_t size, oc_fit fit);
/* `length` in the proportion of `to` to `from`, to the nearest whole number, at least 1. */
int64_t oc_kept_scaled(int64_t length, int64_t to, int64_t from);

/* Fills *kept from `image` for input size `size` (>= 1): antialiased bilinear, rounded. Of `options` (NULL: the
 * defaults) fit and background count. OC_E_MEMORY. */
oc_status oc_kept_fill(oc_kept *kept, const oc_pixels *image, int64_t size, const oc_image_options *options,
                       oc_error *err);
/* Side of the central square that evaluation shows of an image that is cropped: `size` where the shorter side of the
 * image is size … 1.25·size (as packs keep them), the whole shorter side of a smaller image, and 0.8 of the shorter
 * side of a larger one. */
int64_t oc_central_side(int64_t width, int64_t height, int64_t size);

/* What evaluation does not show of images that are cropped, added up; start from {0}. */
typedef struct oc_cropped {
    int64_t images;
    double unseen; /* shares of their areas, [0, 1) each */
    double beside; /* what of that lies outside of their central squares: by their shapes, not their sizes */
} oc_cropped;
/* Adds an image of width × height (>= 1), as it is or as it is kept, for input size `size`. */
void oc_cropped_add(oc_cropped *cropped, int64_t width, int64_t height, int64_t size);
/* Average share that is not shown; 0 of no images. */
double oc_cropped_share(const oc_cropped *cropped);
/* Warns where that is more than a third and the shapes of the images of a split have a part in it. */
void oc_cropped_warn(const oc_cropped *cropped, const char *split, const oc_log *log);
void oc_kept_free(oc_kept *kept);

#endif
