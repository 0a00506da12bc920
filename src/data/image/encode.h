/* Writing image files: JPEG, which the generated data set consists of, and PNG, which loses nothing. */
#ifndef OC_DATA_ENCODE_H
#define OC_DATA_ENCODE_H

#include "ocelli/base.h"

/* *out = *size bytes of a baseline JPEG of pixels [height, width, 3] RGB, its colours halved in both directions, or, if
 * `grey`, their luminance alone; quality 1 … 100. The caller frees *out with free, also after an error. OC_E_MEMORY,
 * OC_E_FORMAT (a side beyond 65,500). */
oc_status oc_jpeg_encode(unsigned char **out, size_t *size, const uint8_t *pixels, int width, int height, bool grey,
                         int quality, oc_error *err);

/* The same as a PNG of 8 bits a channel, without loss. *out is freed with free. OC_E_MEMORY, OC_E_FORMAT (a side beyond
 * 2^31 - 1). */
oc_status oc_png_encode(unsigned char **out, size_t *size, const uint8_t *pixels, int64_t width, int64_t height,
                        oc_error *err);
/* The same of pixels [height, width] that are each the place of a colour in palette [colours, 3] RGB, 1 … 256 colours.
 */
oc_status oc_png_encode_indexed(unsigned char **out, size_t *size, const uint8_t *pixels, int64_t width, int64_t height,
                                const uint8_t *palette, int colours, oc_error *err);

#endif
