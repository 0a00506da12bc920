/* The tables of what is read and of what is met beside it. */
#define _GNU_SOURCE 1
#include "data/format.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"

/* Every format that is read; adding one is a file and a row. */
static const oc_image_format *const formats[] = {
    &oc_format_jpeg, &oc_format_png, &oc_format_webp, &oc_format_gif, &oc_format_bmp, &oc_format_tiff, NULL};
#define READ "JPEG, PNG, WebP, GIF, BMP and TIFF"

/* What is not read: how it begins, and the endings of its names. */
typedef enum other_kind { NO_IMAGE, IMAGE, LIKE_TIFF } other_kind; /* LIKE_TIFF: an image that may begin as TIFFs do */
typedef struct other_format {
    const char *name;
    other_kind kind;
    size_t offset;    /* of the mark */
    const char *mark; /* NULL: the content does not tell */
    const char *endings[6];
} other_format;

static const other_format others[] = {
    {"an AVIF", IMAGE, 4, "ftypavif", {".avif"}},
    {"an AVIF", IMAGE, 4, "ftypavis", {".avifs"}},
    {"a HEIC", IMAGE, 4, "ftyphei", {".heic", ".heif"}},
    {"a HEIC", IMAGE, 4, "ftyphev", {NULL}},
    {"a HEIF", IMAGE, 4, "ftypmif1", {NULL}},
    {"a JPEG 2000", IMAGE, 4, "jP  ", {".jp2", ".j2k"}},
    {"a JPEG XL", IMAGE, 0, "\xff\x0a", {".jxl"}},
    {"a JPEG XL", IMAGE, 4, "JXL ", {NULL}},
    {"a Photoshop file", IMAGE, 0, "8BPS", {".psd"}},
    {"an SVG drawing", IMAGE, 0, "<svg", {".svg"}},
    {"an EPS drawing", IMAGE, 0, "%!PS-Adobe", {".eps"}},
    {"a netpbm image", IMAGE, 0, "P5\n", {".ppm", ".pgm", ".pbm", ".pnm"}},
    {"a netpbm image", IMAGE, 0, "P6\n", {NULL}},
    {"a Targa image", IMAGE, 0, NULL, {".tga"}},
    {"an icon", IMAGE, 0, NULL, {".ico"}},
    {"a camera's raw file", LIKE_TIFF, 8, "CR\2", {".dng", ".cr2", ".nef", ".arw"}},
    {"a zip", NO_IMAGE, 0, "PK\3\4", {NULL}},
    {"gzip data", NO_IMAGE, 0, "\x1f\x8b", {NULL}},
    {"a PDF", NO_IMAGE, 0, "%PDF", {NULL}},
    {"a web page", NO_IMAGE, 0, "<!DOCTYPE", {NULL}},
    {"a web page", NO_IMAGE, 0, "<html", {NULL}},
    {"XML", NO_IMAGE, 0, "<?xml", {NULL}},
};
#define OTHERS (sizeof others / sizeof *others)

/* Whether the name ends with one of the endings, of which the last is NULL. */
static bool has_ending(const char *name, const char *const *ending) {
    const char *dot = strrchr(name, '.');
    while (dot && *ending && strcasecmp(dot, *ending) != 0) ending++;
    return dot && *ending;
}

const oc_image_format *oc_image_format_of(const uint8_t *data, size_t size) {
    const oc_image_format *const *format = formats;
    while (*format && !(*format)->recognise(data, size)) format++;
    return *format;
}

bool oc_image_format_name(const char *name) {
    const oc_image_format *const *format = formats;
    while (*format && !has_ending(name, (*format)->endings)) format++;
    return *format != NULL;
}

/* NULL for bytes that tell of none. */
static const other_format *other_of(const uint8_t *data, size_t size) {
    for (const other_format *o = others; o < others + OTHERS; o++) {
        const size_t length = o->mark ? strlen(o->mark) : 0;
        if (o->mark && size >= o->offset + length && memcmp(data + o->offset, o->mark, length) == 0) return o;
    }
    return NULL;
}

bool oc_image_other(const char *name, const uint8_t *data, size_t size) {
    const oc_image_format *format = oc_image_format_of(data, size);
    const other_format *by_content = other_of(data, size), *o = others;
    if (!format && by_content && by_content->kind != NO_IMAGE) return true;
    while (o < others + OTHERS && !has_ending(name, o->endings)) o++;
    return o < others + OTHERS && (!format || (format == &oc_format_tiff && o->kind == LIKE_TIFF));
}

oc_status oc_image_refuse(const uint8_t *data, size_t size, const char *where, oc_error *err) {
    if (size == 0) return oc_fail(err, OC_E_FORMAT, where, "empty file");
    const other_format *other = other_of(data, size);
    if (other && other->kind != NO_IMAGE)
        return oc_fail(err, OC_E_FORMAT, where, "%s, which is not read: convert it to PNG or JPEG", other->name);
    if (other) return oc_fail(err, OC_E_FORMAT, where, "not an image but %s", other->name);
    size_t text = 0;
    while (text < size && text < 24 &&
           ((data[text] >= ' ' && data[text] < 127) || (data[text] >= 9 && data[text] <= 13)))
        text++;
    if (text >= 4 || text == size)
        return oc_fail(err, OC_E_FORMAT, where, "not an image: begins with the text \"%.*s\"", (int)text,
                       (const char *)data);
    return oc_fail(err, OC_E_FORMAT, where,
                   "no image of a format that is read (" READ "): begins with the bytes %02x %02x", data[0],
                   size > 1 ? data[1] : 0);
}
