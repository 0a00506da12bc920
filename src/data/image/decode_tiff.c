/* TIFF, by libtiff's own conversion to RGBA: every common kind of 1 to 16 bits a sample, of several pages the first. */
#include <stdio.h>
#include <string.h>
#include <tiffio.h>

#include "base/error.h"
#include "data/image/format.h"

/* What one call of the library may ask for at once: strips of the largest image that is read, and tables. */
#define MEMORY_LIMIT ((tmsize_t)1 << 30)

/* A file in memory, and the first thing that the library has to say against it. */
typedef struct tiff_job {
    const uint8_t *data;
    size_t size, place;
    char text[200];
} tiff_job;

/* ---- What the library calls ------------------------------------------------------------------------------------- */

static tmsize_t file_read(thandle_t handle, void *dst, tmsize_t count) {
    tiff_job *job = handle;
    const size_t rest = job->place < job->size ? job->size - job->place : 0;
    const size_t part = (size_t)count < rest ? (size_t)count : rest;
    memcpy(dst, job->data + job->place, part);
    job->place += part;
    return (tmsize_t)part;
}

static tmsize_t file_write(thandle_t handle, void *src, tmsize_t count) {
    (void)handle, (void)src, (void)count;
    return -1;
}

static toff_t file_seek(thandle_t handle, toff_t offset, int from) {
    tiff_job *job = handle;
    const size_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? job->place : job->size;
    job->place = base + (size_t)offset;
    return job->place;
}

static int file_close(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t file_size(thandle_t handle) {
    const tiff_job *job = handle;
    return job->size;
}

/* 1: nothing is to be printed. */
static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments) {
    tiff_job *job = user;
    (void)tiff, (void)module;
    if (!job->text[0]) vsnprintf(job->text, sizeof job->text, format, arguments);
    return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments) {
    (void)tiff, (void)user, (void)module, (void)format, (void)arguments;
    return 1;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static TIFF *tiff_open(tiff_job *job) {
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, job);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, job);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, MEMORY_LIMIT);
    TIFF *tiff = TIFFClientOpenExt("image", "rm", job, file_read, file_write, file_seek, file_close, file_size, NULL,
                                   NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/* What the first sample beyond the colours is said to be, EXTRASAMPLE_…; unspecified, which may be anything (infrared,
 * say), where nothing is said. The library would take that for alpha. */
static int extra_sample(TIFF *tiff) {
    uint16_t count = 0, *kinds = NULL;
    return TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) && count > 0 ? kinds[0] : EXTRASAMPLE_UNSPECIFIED;
}

static bool is_grey(const TIFFRGBAImage *image) {
    return image->photometric == PHOTOMETRIC_MINISWHITE || image->photometric == PHOTOMETRIC_MINISBLACK;
}

/* Refuses colours of which programs make different RGB, or that the library would have to guess. */
static oc_status colors_check(TIFF *tiff, const char *where, oc_error *err) {
    uint16_t photometric;
    const char *name;
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric))
        return oc_fail(err, OC_E_FORMAT, where, "TIFF that does not say which colours it has: convert it to PNG");
    switch (photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_RGB:
    case PHOTOMETRIC_PALETTE:
    case PHOTOMETRIC_SEPARATED:
    case PHOTOMETRIC_YCBCR:
        return OC_OK;
    case PHOTOMETRIC_CIELAB:
    case PHOTOMETRIC_ICCLAB:
    case PHOTOMETRIC_ITULAB:
        name = "CIE L*a*b*";
        break;
    case PHOTOMETRIC_LOGL:
    case PHOTOMETRIC_LOGLUV:
        name = "LogLuv";
        break;
    default:
        return oc_fail(err, OC_E_FORMAT, where, "TIFF of colours of kind %d, which are not read: convert it to PNG",
                       photometric);
    }
    return oc_fail(err, OC_E_FORMAT, where,
                   "TIFF in %s, which is not read, as programs make different colours of it: convert it to RGB, as PNG "
                   "or TIFF",
                   name);
}

static oc_color tiff_color(const TIFFRGBAImage *image, bool alpha) {
    switch (image->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        return alpha ? OC_COLOR_GREY_ALPHA : OC_COLOR_GREY;
    case PHOTOMETRIC_PALETTE:
        return OC_COLOR_PALETTE;
    case PHOTOMETRIC_SEPARATED:
        return OC_COLOR_CMYK;
    default:
        return alpha ? OC_COLOR_RGBA : OC_COLOR_RGB;
    }
}

/* Pixels of 32 bits as the library packs them become bytes, in place. */
static void unpack(uint8_t *data, size_t count, bool alpha) {
    for (size_t i = 0; i < count; i++) {
        uint32_t pixel;
        memcpy(&pixel, data + 4 * i, 4);
        data[4 * i] = (uint8_t)TIFFGetR(pixel);
        data[4 * i + 1] = (uint8_t)TIFFGetG(pixel);
        data[4 * i + 2] = (uint8_t)TIFFGetB(pixel);
        data[4 * i + 3] = alpha ? (uint8_t)TIFFGetA(pixel) : 255;
    }
}

static oc_status tiff_decode(oc_canvas *canvas, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    tiff_job job = {.data = data, .size = size};
    TIFFRGBAImage image;
    oc_status status = OC_OK;
    uint32_t width = 0, height = 0;
    uint32_t kind = 0;
    uint16_t orientation = ORIENTATION_TOPLEFT;
    char why[1024] = "";
    bool begun = false;
    TIFF *tiff = tiff_open(&job);
    if (!tiff) return oc_fail(err, OC_E_FORMAT, where, "damaged TIFF: %s", job.text);
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SUBFILETYPE, &kind);
    if (kind & FILETYPE_REDUCEDIMAGE) {
        status = oc_fail(err, OC_E_FORMAT, where,
                         "TIFF that begins with a thumbnail, as cameras' raw files do, which are not read: convert it "
                         "to PNG or JPEG");
        goto cleanup;
    }
    OC_TRY(oc_canvas_reserve(canvas, width, height, 4, size, OC_ANY_PIXELS_PER_BYTE, where, err));
    OC_TRY(colors_check(tiff, where, err));
    if (!TIFFRGBAImageOK(tiff, why) || !TIFFRGBAImageBegin(&image, tiff, 1, why)) {
        status = oc_fail(err, OC_E_FORMAT, where, "TIFF of a kind that is not read (%s): convert it to PNG", why);
        goto cleanup;
    }
    begun = true;
    const int extra = extra_sample(tiff);
    const bool alpha = extra == EXTRASAMPLE_ASSOCALPHA || extra == EXTRASAMPLE_UNASSALPHA;
    if (alpha && image.photometric != PHOTOMETRIC_RGB && !(is_grey(&image) && image.bitspersample == 8)) {
        /* The library would leave alpha out. */
        status = oc_fail(err, OC_E_FORMAT, where, "TIFF with alpha that is not read: convert it to PNG");
        goto cleanup;
    }
    canvas->color = tiff_color(&image, alpha);
    canvas->wide = image.bitspersample > 8;
    canvas->several = !TIFFLastDirectory(tiff);
    /* The library multiplies colours by alpha, but no grey values. */
    canvas->premultiplied = extra == EXTRASAMPLE_ASSOCALPHA || !is_grey(&image);
    if (orientation >= 1 && orientation <= 8) canvas->orientation = orientation;
    image.req_orientation = image.orientation; /* as it is stored */
    if (!TIFFRGBAImageGet(&image, (uint32_t *)(void *)canvas->data, width, height)) {
        status = oc_fail(err, OC_E_FORMAT, where, "truncated or damaged TIFF: %s", job.text);
        goto cleanup;
    }
    unpack(canvas->data, (size_t)width * height, alpha);
cleanup:
    if (begun) TIFFRGBAImageEnd(&image);
    TIFFClose(tiff);
    return status;
}

static bool tiff_recognise(const uint8_t *data, size_t size) {
    if (size >= 10 && memcmp(data + 8, "CR", 2) == 0) return false; /* a raw file of Canon's */
    return size >= 8 && (memcmp(data, "II*\0", 4) == 0 || memcmp(data, "MM\0*", 4) == 0 ||
                         memcmp(data, "II+\0", 4) == 0 || memcmp(data, "MM\0+", 4) == 0);
}

const oc_image_format oc_format_tiff = {"TIFF", {".tif", ".tiff"}, tiff_recognise, tiff_decode};
