/* Resampling: a box of an image to another size, bilinear with antialiasing, as torchvision and Pillow do it. */
#ifndef OC_DATA_RESIZE_H
#define OC_DATA_RESIZE_H

#include "ocelli/base.h"

/* Part of an image, in whole pixels. */
typedef struct oc_box {
    int64_t x, y, width, height;
} oc_box;

/* The workspace of one thread. */
typedef struct oc_resizer oc_resizer;

/* *out = workspace for boxes of at most max_width × max_height pixels and results of at most out_width × out_height
 * (all >= 1). OC_E_MEMORY. The caller destroys it. */
oc_status oc_resizer_create(oc_resizer **out, int64_t max_width, int64_t max_height, int64_t out_width,
                            int64_t out_height, oc_error *err);
void oc_resizer_destroy(oc_resizer **resizer);

/* Resamples `box` of an image whose rows are image_width pixels of RGB uint8 (the box lies inside it; pixels outside
 * the box are not looked at, as if it had been cut out first) into dst [3, out_height, out_width], float in [0, 1] up
 * to rounding. Separable triangle filter over half-pixel centres, its support widened by the scale when the image
 * shrinks: torch's upsample_bilinear2d with antialias, which is Pillow's BILINEAR. A box of the result's size is copied
 * exactly (value ÷ 255). Allocates nothing. The sizes are within what the workspace was made for. */
void oc_resizer_run(oc_resizer *resizer, const uint8_t *pixels, int64_t image_width, const oc_box *box,
                    int64_t out_width, int64_t out_height, float *dst);

#endif
