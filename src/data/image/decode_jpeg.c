/* JPEG, by libjpeg-turbo. Its defaults (accurate integer DCT, smooth upsampling of chroma) give the same pixels as
 * Pillow. What it warns of is told apart by its code: where all pixels are there nevertheless the file is read, where
 * it would fill in what is missing or carry on after damage it is refused. */
#include <setjmp.h>
#include <stdio.h>
/* jpeglib.h needs the one above. */
#include <jerror.h>
#include <jpeglib.h>
#include <string.h>

#include "base/error.h"
#include "data/image/exif.h"
#include "data/image/format.h"

#ifndef JCS_EXTENSIONS
#error "this libjpeg is not libjpeg-turbo"
#endif

/* A progressive file has at least one bit for 64 pixels; one that claims more is cut off or a trap. */
#define PIXELS_PER_BYTE 4096
/* No encoder writes so many scans; each costs a pass over all coefficients, which a crafted file gets for a few
 * bytes. */
#define SCANS_LIMIT 500
#define MARKER_EXIF (JPEG_APP0 + 1)
/* Asked for at once. What the library has at a time, two rows where chroma is sampled for every second one, four at
 * most, it converts in one call, and each call waits until its stores have reached memory. */
#define ROWS 4

/* One file's. The library is set up anew for each: tables that are left from another would decode a file that has
 * none. */
typedef struct jpeg_job {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    int code; /* the library's, of what ended it; 0: too many scans */
    char text[JMSG_LENGTH_MAX];
} jpeg_job;

/* ---- What the library calls ------------------------------------------------------------------------------------- */

static void on_error(j_common_ptr info) {
    jpeg_job *job = info->client_data;
    job->code = info->err->msg_code;
    info->err->format_message(info, job->text);
    longjmp(job->failed, 1);
}

/* Whether every pixel is there and right in spite of a warning. */
static bool is_harmless(int code) {
    switch (code) {
    case JWRN_NOT_SEQUENTIAL:  /* a scan's header states 0 … 0 for 0 … 63, as some phones write it */
    case JWRN_JFIF_MAJOR:      /* JFIF of a version that does not exist */
    case JWRN_ADOBE_XFORM:     /* an Adobe marker with an unknown transform: YCbCr, as without one */
    case JWRN_EXTRANEOUS_DATA: /* bytes too many before a marker, which some programs write; damage may show so, too */
    case JWRN_BOGUS_ICC:       /* a colour profile, which is not used */
        return true;
    default:
        return false;
    }
}

/* Level −1 is a warning; above are traces. */
static void on_message(j_common_ptr info, int level) {
    if (level < 0 && !is_harmless(info->err->msg_code)) on_error(info);
}

static void on_progress(j_common_ptr info) {
    jpeg_job *job = info->client_data;
    if (job->info.input_scan_number <= SCANS_LIMIT) return;
    job->code = 0;
    snprintf(job->text, sizeof job->text, "more than %d scans", SCANS_LIMIT);
    longjmp(job->failed, 1);
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

static oc_status jpeg_fail(const jpeg_job *job, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    switch (job->code) {
    case JERR_OUT_OF_MEMORY:
        return oc_fail(err, OC_E_MEMORY, where, "no memory to decode this JPEG");
    case JERR_BAD_PRECISION:
        return oc_fail(err, OC_E_FORMAT, where,
                       "JPEG of %d bits a sample, of which only 8 are read: convert it to PNG or to a common JPEG",
                       job->info.data_precision);
    case JERR_SOF_UNSUPPORTED:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_COMPONENT_COUNT:
    case JERR_EMPTY_IMAGE:
        return oc_fail(err, OC_E_FORMAT, where,
                       "JPEG of a kind that is not read (%s): convert it to PNG or to a common JPEG", job->text);
    default:
        break;
    }
    /* The library puts an end mark behind what it is given, and then finds faults before it. */
    const bool has_end = size >= 2 && data[size - 2] == 0xff && data[size - 1] == 0xd9;
    if (!has_end || job->code == JWRN_JPEG_EOF || job->code == JWRN_HIT_MARKER)
        return oc_fail(err, OC_E_FORMAT, where, "truncated JPEG");
    return oc_fail(err, OC_E_FORMAT, where, "damaged JPEG: %s", job->text);
}

/* The orientation in the first EXIF marker. */
static int orientation_of(const struct jpeg_decompress_struct *info) {
    for (jpeg_saved_marker_ptr marker = info->marker_list; marker; marker = marker->next)
        if (marker->data_length >= 6 && memcmp(marker->data, "Exif\0\0", 6) == 0)
            return oc_exif_orientation(marker->data, marker->data_length);
    return 1;
}

/* CMYK [width, 4] to RGB, as Pillow does it: the values are inverted, as Adobe's programs write them whether they say
 * so or not, so that `k` is what the black ink lets through. */
static void cmyk_row(uint8_t *dst, const uint8_t *src, int64_t width) {
    for (int64_t x = 0; x < width; x++, src += 4, dst += 3) {
        const unsigned k = src[3];
        for (int c = 0; c < 3; c++) {
            const unsigned ink = (255U - src[c]) * k + 128;
            dst[c] = (uint8_t)(k - ((ink + (ink >> 8)) >> 8));
        }
    }
}

/* The library's failures do not return but jump to job->failed. */
static oc_status jpeg_read(jpeg_job *job, oc_canvas *canvas, const uint8_t *data, size_t size, const char *where,
                           oc_error *err) {
    struct jpeg_decompress_struct *info = &job->info;
    oc_status status = OC_OK;
    jpeg_create_decompress(info);
    job->progress.progress_monitor = on_progress;
    info->progress = &job->progress;
    jpeg_mem_src(info, data, (unsigned long)size);
    jpeg_save_markers(info, MARKER_EXIF, 0xffff);
    jpeg_read_header(info, TRUE);
    canvas->orientation = orientation_of(info);
    const bool cmyk = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
    canvas->color = cmyk ? OC_COLOR_CMYK : info->jpeg_color_space == JCS_GRAYSCALE ? OC_COLOR_GREY : OC_COLOR_RGB;
    OC_TRY(oc_canvas_reserve(canvas, info->image_width, info->image_height, 3, size, PIXELS_PER_BYTE, where, err));
    info->out_color_space = cmyk ? JCS_CMYK : JCS_EXT_RGB;
    jpeg_start_decompress(info);
    JSAMPARRAY inks = cmyk ? info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, info->output_width * 4, 1) : NULL;
    while (info->output_scanline < info->output_height) {
        JSAMPROW rows[ROWS];
        const JDIMENSION left = info->output_height - info->output_scanline;
        const JDIMENSION count = cmyk ? 1 : left < ROWS ? left : ROWS;
        for (JDIMENSION i = 0; i < count; i++)
            rows[i] = canvas->data + (size_t)(info->output_scanline + i) * info->output_width * 3;
        jpeg_read_scanlines(info, cmyk ? inks : rows, count);
        if (cmyk) cmyk_row(rows[0], inks[0], info->output_width);
    }
    jpeg_finish_decompress(info); /* up to the end mark */
cleanup:
    return status;
}

/* Apart from jpeg_decode so that no variable of the function that sets the jump changes after it. */
static oc_status jpeg_try(jpeg_job *job, oc_canvas *canvas, const uint8_t *data, size_t size, const char *where,
                          oc_error *err) {
    if (setjmp(job->failed) != 0) return jpeg_fail(job, data, size, where, err);
    return jpeg_read(job, canvas, data, size, where, err);
}

static oc_status jpeg_decode(oc_canvas *canvas, const uint8_t *data, size_t size, const char *where, oc_error *err) {
    jpeg_job job = {.info.client_data = &job};
    job.info.err = jpeg_std_error(&job.errors);
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    const oc_status status = jpeg_try(&job, canvas, data, size, where, err);
    jpeg_destroy_decompress(&job.info);
    return status;
}

static bool jpeg_recognise(const uint8_t *data, size_t size) {
    return size >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0;
}

const oc_image_format oc_format_jpeg = {"JPEG", {".jpeg", ".jpg", ".jpe", ".jfif"}, jpeg_recognise, jpeg_decode};
