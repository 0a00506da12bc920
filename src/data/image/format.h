/* The formats of images: what one that is read consists of, for decode_<format>.c, and the table of them all, those
 * that are not read included, which alone tells what a file is. */
#ifndef OC_DATA_FORMAT_H
#define OC_DATA_FORMAT_H

#include "data/image/decode.h"

/* What a format's decoder fills: the pixels as they are stored, neither turned nor composited. */
typedef struct oc_canvas {
    uint8_t *data; /* [height, width, channels]; owned by the oc_decoder */
    size_t capacity;
    int64_t pixels_most; /* an image of more is refused */
    int64_t width, height;
    int channels;       /* 3: RGB; 4: RGBA */
    bool premultiplied; /* of RGBA: the colours are multiplied by alpha */
    oc_color color;
    bool wide;       /* more than 8 bits a sample are stored */
    bool several;    /* the file holds further images */
    int orientation; /* what the file states, as EXIF numbers it, 1 … 8; 1: stored as it is to be seen */
} oc_canvas;

/* For oc_canvas_reserve: of a format whose images of one colour take next to nothing, no number of pixels is too many
 * for a file's size. */
#define OC_ANY_PIXELS_PER_BYTE OC_IMAGE_PIXELS_LIMIT

/* Makes room for an image of width × height pixels (both >= 1 unless the file is bad), after the checks that need no
 * memory: OC_E_FORMAT beyond the limits, and where `size` bytes cannot hold so many pixels, of which the format puts at
 * most `per_byte` into one. OC_E_MEMORY. */
oc_status oc_canvas_reserve(oc_canvas *canvas, int64_t width, int64_t height, int channels, size_t size,
                            int64_t per_byte, const char *where, oc_error *err);

/* A row of the table. */
typedef struct oc_image_format {
    const char *name;       /* "JPEG" */
    const char *endings[6]; /* of files' names, in small letters, the last NULL: ".jpg" */
    /* Whether the bytes begin as a file of this format; looks at no more than the first 16. */
    bool (*recognise)(const uint8_t *data, size_t size);
    /* Decodes a file that was recognised; *canvas starts with its buffer, orientation 1 and else zeros. Statuses as
     * oc_decode. */
    oc_status (*decode)(oc_canvas *canvas, const uint8_t *data, size_t size, const char *where, oc_error *err);
} oc_image_format;

extern const oc_image_format oc_format_jpeg, oc_format_png, oc_format_webp, oc_format_gif, oc_format_bmp,
    oc_format_tiff;

/* The format that is read of which `data` is the beginning (16 bytes suffice) of a file, NULL for none. Whether the
 * rest is good only decoding tells. */
const oc_image_format *oc_image_format_of(const uint8_t *data, size_t size);

/* Whether a file's name ends as those of a format that is read, in any case of letters. */
bool oc_image_format_name(const char *name);
/* Whether it ends as those of one format. */
bool oc_image_format_named(const oc_image_format *format, const char *name);

/* Whether a file is an image in a format that is not read, by its beginning, or by its name where that begins it as no
 * format that is read or as such files begin, too. */
bool oc_image_other(const char *name, const uint8_t *data, size_t size);

/* OC_E_FORMAT: says what a file is instead of an image that is read. */
oc_status oc_image_refuse(const uint8_t *data, size_t size, const char *where, oc_error *err);

#endif
