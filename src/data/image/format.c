/* The tables of what is read and of what is met beside it. */
#define _GNU_SOURCE 1
#include "data/image/format.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"

/* Every format that is read; adding one is a file and a row. */
static const oc_image_format *const formats[] = {
    &oc_format_jpeg, &oc_format_png, &oc_format_webp, &oc_format_gif, &oc_format_bmp, &oc_format_tiff, NULL};
#define SVG_BYTES ((size_t)512) /* within which an SVG says so */
#define READ "JPEG, PNG, WebP, GIF, BMP and TIFF"

/* ISO base media: a box "ftyp" of a major brand, a version and the brands that the file is compatible with. */
static bool has_brand(const uint8_t *data, size_t size, const char *brand) {
    if (size < 12 || memcmp(data + 4, "ftyp", 4) != 0) return false;
    const size_t box = (size_t)data[2] << 8 | data[3], end = box < size ? box : size;
    if (memcmp(data + 8, brand, 4) == 0) return true;
    for (size_t i = 16; i + 4 <= end; i += 4)
        if (memcmp(data + i, brand, 4) == 0) return true;
    return false;
}

static bool is_avif(const uint8_t *data, size_t size) {
    return has_brand(data, size, "avif") || has_brand(data, size, "avis");
}

/* A number of icons, and a zero in the first's entry, beside the mark, which is little by itself. */
static bool is_icon(const uint8_t *data, size_t size) {
    return size >= 10 && data[0] == 0 && data[1] == 0 && (data[2] == 1 || data[2] == 2) && data[3] == 0 &&
           data[4] > 0 && data[5] == 0 && data[9] == 0;
}

/* "P", the variant, white space, and a number, a comment or a word. */
static bool is_netpbm(const uint8_t *data, size_t size) {
    size_t i = 2;
    if (size < 4 || data[0] != 'P' || data[1] < '1' || data[1] > '7') return false;
    while (i < size && (data[i] == ' ' || (data[i] >= '\t' && data[i] <= '\r'))) i++;
    if (i == 2 || i == size) return false;
    return (data[i] >= '0' && data[i] <= '9') || data[i] == '#' || (data[1] == '7' && data[i] == 'W');
}

/* Its element comes first but for what may precede it in any XML. */
static bool is_svg(const uint8_t *data, size_t size) {
    static const char *const begins[] = {"<svg", "<?xml", "<!--", "<!DOCTYPE svg"};
    const size_t seen = size < SVG_BYTES ? size : SVG_BYTES;
    bool xml = false;
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) return is_svg(data + 3, size - 3);
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        xml |= size >= strlen(begins[i]) && memcmp(data, begins[i], strlen(begins[i])) == 0;
    return xml && (memmem(data, seen, "<svg", 4) || memmem(data, seen, "<!DOCTYPE svg", 13));
}

/* What is not read: how it begins, and the endings of its names. */
typedef enum other_kind { NO_IMAGE, IMAGE, LIKE_TIFF } other_kind; /* LIKE_TIFF: an image that may begin as TIFFs do */
typedef struct other_format {
    const char *name;
    other_kind kind;
    size_t offset; /* of the mark */
    const char *mark;
    size_t length; /* of the mark; 0: there is none */
    const char *endings[6];
    bool (*recognise)(const uint8_t *data, size_t size); /* where a mark does not suffice */
} other_format;
#define MARK(bytes) (bytes), sizeof(bytes) - 1

static const other_format others[] = {
    {"an AVIF", IMAGE, 0, MARK(""), {".avif", ".avifs"}, is_avif},
    {"a HEIC", IMAGE, 4, MARK("ftyphei"), {".heic", ".heif"}, NULL},
    {"a HEIC", IMAGE, 4, MARK("ftyphev"), {NULL}, NULL},
    {"a HEIF", IMAGE, 4, MARK("ftypmif1"), {NULL}, NULL},
    {"a HEIF", IMAGE, 4, MARK("ftypmsf1"), {NULL}, NULL},
    {"a JPEG 2000", IMAGE, 4, MARK("jP  "), {".jp2", ".j2k", ".j2c", ".jpx"}, NULL},
    {"a JPEG 2000", IMAGE, 0, MARK("\xff\x4f\xff\x51"), {NULL}, NULL},
    {"a JPEG XL", IMAGE, 0, MARK("\xff\x0a"), {".jxl"}, NULL},
    {"a JPEG XL", IMAGE, 4, MARK("JXL "), {NULL}, NULL},
    {"a Photoshop file", IMAGE, 0, MARK("8BPS"), {".psd"}, NULL},
    {"a GIMP file", IMAGE, 0, MARK("gimp xcf"), {".xcf"}, NULL},
    {"an SVG drawing", IMAGE, 0, MARK(""), {".svg"}, is_svg},
    {"an EPS drawing", IMAGE, 0, MARK("%!PS-Adobe"), {".eps"}, NULL},
    {"a netpbm image", IMAGE, 0, MARK(""), {".ppm", ".pgm", ".pbm", ".pnm", ".pam"}, is_netpbm},
    {"a Targa image", IMAGE, 0, MARK(""), {".tga"}, NULL},
    {"an icon", IMAGE, 0, MARK(""), {".ico", ".cur"}, is_icon},
    {"an OpenEXR image", IMAGE, 0, MARK("v/1\1"), {".exr"}, NULL},
    {"a DDS texture", IMAGE, 0, MARK("DDS \x7c\0\0\0"), {".dds"}, NULL},
    {"a DICOM image", IMAGE, 128, MARK("DICM"), {".dcm", ".dicom"}, NULL},
    {"a camera's raw file", LIKE_TIFF, 8, MARK("CR\2"), {".dng", ".cr2", ".nef", ".arw"}, NULL},
    {"a zip", NO_IMAGE, 0, MARK("PK\3\4"), {NULL}, NULL},
    {"gzip data", NO_IMAGE, 0, MARK("\x1f\x8b"), {NULL}, NULL},
    {"a PDF", NO_IMAGE, 0, MARK("%PDF"), {NULL}, NULL},
    {"a web page", NO_IMAGE, 0, MARK("<!DOCTYPE"), {NULL}, NULL},
    {"a web page", NO_IMAGE, 0, MARK("<html"), {NULL}, NULL},
    {"XML", NO_IMAGE, 0, MARK("<?xml"), {NULL}, NULL},
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

bool oc_image_format_named(const oc_image_format *format, const char *name) {
    return has_ending(name, format->endings);
}

/* NULL for bytes that tell of none. */
static const other_format *other_of(const uint8_t *data, size_t size) {
    for (const other_format *o = others; o < others + OTHERS; o++) {
        if (o->recognise && o->recognise(data, size)) return o;
        if (o->length > 0 && size >= o->offset + o->length && memcmp(data + o->offset, o->mark, o->length) == 0)
            return o;
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
