/* Resampling as other programs do it: in double precision and rounded to bytes. What Ocelli itself does is
 * data/resize.h. */
#ifndef OC_EXPORT_FILTER_H
#define OC_EXPORT_FILTER_H

#include "data/resize.h"

typedef enum oc_filter {
    OC_FILTER_BILINEAR, /* with antialiasing, as Ocelli's own */
    OC_FILTER_NEAREST,  /* the pixel at each centre, as Pillow's NEAREST */
    OC_FILTER_BICUBIC,  /* with antialiasing, as Pillow's BICUBIC */
    OC_FILTER_ALIASED   /* bilinear between four pixels, however much the image shrinks: OpenCV's INTER_LINEAR */
} oc_filter;

/* dst [out_height, out_width, 3] = `box` of an image whose rows are image_width pixels RGB. OC_E_MEMORY. */
oc_status oc_filter_run(oc_filter filter, const uint8_t *pixels, int64_t image_width, const oc_box *box,
                        int64_t out_width, int64_t out_height, uint8_t *dst, oc_error *err);

#endif
