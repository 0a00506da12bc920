/* Decoding an image file's bytes: JPEG (libjpeg-turbo) and PNG (libspng), told apart by content, to RGB uint8. */
#ifndef OC_DATA_DECODE_H
#define OC_DATA_DECODE_H

#include "ocelli/base.h"

/* The largest file that is read as an image, and the largest image that is decoded. */
#define OC_IMAGE_FILE_LIMIT ((size_t)256 << 20)
#define OC_IMAGE_SIDE_LIMIT 65500
#define OC_IMAGE_PIXELS_LIMIT 100000000

/* Whether the beginning of a file is that of a format that is read; of an image in another one. */
bool oc_image_content(const void *data, size_t size);
bool oc_image_content_other(const void *data, size_t size);

/* What colours the file has. */
typedef enum oc_color { OC_COLOR_RGB, OC_COLOR_GREY, OC_COLOR_PALETTE, OC_COLOR_RGBA, OC_COLOR_GREY_ALPHA } oc_color;
#define OC_COLOR_COUNT 5
/* "rgb", "grey", "palette", "rgba", "grey+alpha"; static. */
const char *oc_color_name(oc_color color);

/* A decoded image: data [height, width, 3] RGB, valid until the decoder's next call. */
typedef struct oc_pixels {
    const uint8_t *data;
    int64_t width, height;
    oc_color color;
} oc_pixels;

/* The handles and the buffer of one thread, used again for each image. */
typedef struct oc_decoder oc_decoder;
oc_status oc_decoder_create(oc_decoder **out, oc_error *err);
void oc_decoder_destroy(oc_decoder **decoder);

/* Decodes `size` bytes; the content decides, not a file's name, which only serves as `where` (may be NULL) in errors.
 * Grey values and palettes become RGB, alpha is dropped, 16-bit samples lose their low byte: what Pillow's
 * convert("RGB") gives. OC_E_FORMAT with the reason: empty, another kind of file, truncated, damaged, CMYK, larger than
 * the limits (checked before memory is asked for). OC_E_MEMORY. *out is untouched on an error. */
oc_status oc_decode(oc_decoder *decoder, const void *data, size_t size, const char *where, oc_pixels *out,
                    oc_error *err);

#endif
