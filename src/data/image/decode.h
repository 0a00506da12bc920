/* Decoding an image file's bytes to RGB uint8, upright and on a background, whatever its format: those of the table in
 * format.c, each of which has a file decode_<format>.c. */
#ifndef OC_DATA_DECODE_H
#define OC_DATA_DECODE_H

#include "ocelli/ocelli.h"

/* The largest file that is read as an image, and the largest image that is decoded. */
#define OC_IMAGE_FILE_LIMIT ((size_t)256 << 20)
#define OC_IMAGE_SIDE_LIMIT 65500
#define OC_IMAGE_PIXELS_LIMIT 100000000

/* What colours the file has. */
typedef enum oc_color {
    OC_COLOR_RGB,
    OC_COLOR_GREY,
    OC_COLOR_PALETTE,
    OC_COLOR_RGBA,
    OC_COLOR_GREY_ALPHA,
    OC_COLOR_CMYK
} oc_color;
#define OC_COLOR_COUNT 6
/* "rgb", "grey", "palette", "rgba", "grey+alpha", "cmyk"; static. */
const char *oc_color_name(oc_color color);

/* A decoded image: data [height, width, 3] RGB, valid until the decoder's next call. */
typedef struct oc_pixels {
    const uint8_t *data;
    int64_t width, height;
    oc_color color;
    bool turned;      /* the file states an orientation other than the usual one, applied or not */
    bool transparent; /* at least one pixel was not opaque */
    bool wide;        /* the file has more than 8 bits a sample */
    bool several;     /* frames of an animation, or pages, follow the first */
} oc_pixels;

/* The options, and the buffers of one thread, used again for each image. `options` is copied; NULL:
 * OC_IMAGE_OPTIONS_DEFAULT. */
typedef struct oc_decoder oc_decoder;
oc_status oc_decoder_create(oc_decoder **out, const oc_image_options *options, oc_error *err);
void oc_decoder_destroy(oc_decoder **decoder);
/* From now on images of more than `pixels` (1 … OC_IMAGE_PIXELS_LIMIT; 0: that) are beyond the limits. */
void oc_decoder_limit(oc_decoder *decoder, int64_t pixels);
/* Gives back buffers of more than `bytes`, and with them what was decoded last. */
void oc_decoder_trim(oc_decoder *decoder, size_t bytes);

/* Decodes `size` bytes; the content decides, not a file's name, which only serves as `where` (may be NULL) in errors.
 * Grey values, palettes and CMYK become RGB and 16-bit samples lose their low byte, as Pillow's convert("RGB") does it;
 * then pixels that are not opaque are composited on the background, and the image is turned upright, as the options
 * say. Of several images in a file the first is taken. OC_E_FORMAT with the reason: empty, another kind of file,
 * truncated, damaged, larger than the limits (checked before memory is asked for), a variant of its format that is not
 * read. OC_E_MEMORY. *out is untouched on an error. The result is a function of bytes and options alone. */
oc_status oc_decode(oc_decoder *decoder, const void *data, size_t size, const char *where, oc_pixels *out,
                    oc_error *err);

#endif
