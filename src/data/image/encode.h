/* Writing JPEG files: what the generated data set consists of. */
#ifndef OC_DATA_ENCODE_H
#define OC_DATA_ENCODE_H

#include "ocelli/base.h"

/* *out = *size bytes of a baseline JPEG of pixels [height, width, 3] RGB, its colours halved in both directions, or, if
 * `grey`, their luminance alone; quality 1 … 100. The caller frees *out with free, also after an error. OC_E_MEMORY,
 * OC_E_FORMAT (a side beyond 65,500). */
oc_status oc_jpeg_encode(unsigned char **out, size_t *size, const uint8_t *pixels, int width, int height, bool grey,
                         int quality, oc_error *err);

#endif
