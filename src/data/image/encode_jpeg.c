/* Encoding JPEG by libjpeg-turbo. */
#include "data/image/encode.h"

#include <setjmp.h>
#include <stdio.h>
/* jpeglib.h needs the one above. */
#include <jerror.h>
#include <jpeglib.h>

#include "base/error.h"

/* One file's. */
typedef struct jpeg_job {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    unsigned long size;
} jpeg_job;

static void on_error(j_common_ptr info) {
    jpeg_job *job = info->client_data;
    longjmp(job->failed, 1);
}

static void on_message(j_common_ptr info, int level) {
    (void)info;
    (void)level;
}

/* The library's failures do not return but jump to job->failed. */
static void jpeg_write(jpeg_job *job, unsigned char **out, const uint8_t *pixels, int width, int height, bool grey,
                       int quality) {
    struct jpeg_compress_struct *info = &job->info;
    jpeg_create_compress(info);
    jpeg_mem_dest(info, out, &job->size);
    info->image_width = (JDIMENSION)width;
    info->image_height = (JDIMENSION)height;
    info->input_components = 3;
    info->in_color_space = JCS_EXT_RGB;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    jpeg_set_colorspace(info, grey ? JCS_GRAYSCALE : JCS_YCbCr); /* 4:2:0 is its default */
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)info->next_scanline * (size_t)width * 3);
        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
}

static oc_status jpeg_try(jpeg_job *job, unsigned char **out, const uint8_t *pixels, int width, int height, bool grey,
                          int quality, oc_error *err) {
    char text[JMSG_LENGTH_MAX];
    if (setjmp(job->failed) == 0) {
        jpeg_write(job, out, pixels, width, height, grey, quality);
        return OC_OK;
    }
    job->errors.format_message((j_common_ptr)&job->info, text);
    return oc_fail(err, job->errors.msg_code == JERR_OUT_OF_MEMORY ? OC_E_MEMORY : OC_E_FORMAT, NULL,
                   "cannot encode a JPEG: %s", text);
}

oc_status oc_jpeg_encode(unsigned char **out, size_t *size, const uint8_t *pixels, int width, int height, bool grey,
                         int quality, oc_error *err) {
    jpeg_job job = {.info.client_data = &job};
    *out = NULL;
    job.info.err = jpeg_std_error(&job.errors);
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    const oc_status status = jpeg_try(&job, out, pixels, width, height, grey, quality, err);
    jpeg_destroy_compress(&job.info);
    *size = job.size;
    return status;
}
