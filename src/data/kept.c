/* Making of images what a pack keeps. */
#include "data/kept.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/resize.h"

#define CROPPED_MUCH (1.0 / 3.0)
#define SHAPES_LEAST 0.05 /* of the area: large squares, of which 0.64 is shown, are no reason to warn */

int64_t oc_kept_scaled(int64_t length, int64_t to, int64_t from) {
    const int64_t result = llround((double)length * (double)to / (double)from);
    return result < 1 ? 1 : result;
}

oc_arrangement oc_kept_arrangement(int64_t w, int64_t h, int64_t size, oc_fit fit) {
    const int64_t limit = size * 5 / 4, shorter = w < h ? w : h, longer = w < h ? h : w;
    if (fit == OC_FIT_CROP) {
        if (shorter <= limit) return (oc_arrangement){w, h, w, h};
        const int64_t width = w <= h ? limit : oc_kept_scaled(w, limit, h),
                      height = h <= w ? limit : oc_kept_scaled(h, limit, w);
        return (oc_arrangement){width, height, width, height};
    }
    const int64_t side = longer < limit ? longer : limit;
    if (fit == OC_FIT_SQUASH) return (oc_arrangement){side, side, side, side};
    return (oc_arrangement){side, side, oc_kept_scaled(w, side, longer), oc_kept_scaled(h, side, longer)};
}

int64_t oc_central_side(int64_t width, int64_t height, int64_t size) {
    const int64_t shorter = width < height ? width : height;
    if (shorter < size) return shorter;
    return 4 * shorter > 5 * size ? (4 * shorter + 2) / 5 : size;
}

static void background_fill(uint8_t *dst, size_t pixels, const uint8_t background[3]) {
    for (size_t i = 0; i < pixels; i++) memcpy(dst + 3 * i, background, 3);
}

oc_status oc_kept_fill(oc_kept *kept, const oc_pixels *image, int64_t size, const oc_image_options *options,
                       oc_error *err) {
    const oc_image_options usual = OC_IMAGE_OPTIONS_DEFAULT;
    if (!options) options = &usual;
    const oc_arrangement a = oc_kept_arrangement(image->width, image->height, size, options->fit);
    const int64_t w = a.inner_width, h = a.inner_height;
    oc_resizer *resizer = NULL;
    float *planes = NULL;
    oc_status status;
    OC_TRY(oc_grow(&kept->pixels, &kept->capacity, (size_t)(a.width * a.height) * 3, 1, err));
    kept->width = (int32_t)a.width;
    kept->height = (int32_t)a.height;
    if (w < a.width || h < a.height) background_fill(kept->pixels, (size_t)(a.width * a.height), options->background);
    uint8_t *dst = kept->pixels + 3 * ((a.height - h) / 2 * a.width + (a.width - w) / 2); /* of the first pixel */
    if (w == image->width && h == image->height) {
        for (int64_t y = 0; y < h; y++) memcpy(dst + 3 * y * a.width, image->data + 3 * y * w, (size_t)w * 3);
        goto cleanup;
    }
    OC_TRY(oc_resizer_create(&resizer, image->width, image->height, w, h, err));
    OC_TRY(oc_alloc(&planes, (size_t)(w * h), 3 * sizeof(float), err));
    oc_resizer_run(resizer, image->data, image->width, &(oc_box){0, 0, image->width, image->height}, w, h, planes);
    for (int64_t i = 0; i < w * h; i++)
        for (int64_t c = 0; c < 3; c++) {
            const float v = planes[c * w * h + i] * 255.0f + 0.5f;
            dst[3 * (i / w * a.width + i % w) + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
cleanup:
    oc_resizer_destroy(&resizer);
    oc_free(planes);
    return status;
}

void oc_cropped_add(oc_cropped *cropped, int64_t width, int64_t height, int64_t size) {
    const oc_arrangement kept = oc_kept_arrangement(width, height, size, OC_FIT_CROP);
    const double area = (double)kept.width * (double)kept.height;
    const double shorter = (double)(kept.width < kept.height ? kept.width : kept.height);
    const double side = (double)oc_central_side(kept.width, kept.height, size);
    cropped->images++;
    cropped->unseen += 1 - side * side / area;
    cropped->beside += 1 - shorter * shorter / area;
}

double oc_cropped_share(const oc_cropped *cropped) {
    return cropped->images > 0 ? cropped->unseen / (double)cropped->images : 0;
}

void oc_cropped_warn(const oc_cropped *cropped, const char *split, const oc_log *log) {
    const double share = oc_cropped_share(cropped), images = (double)cropped->images;
    if (share <= CROPPED_MUCH || cropped->beside < SHAPES_LEAST * images) return;
    oc_log_line(
        log, OC_LOG_WARN,
        "evaluation shows the middle of each image of %s alone, on average nothing of %.0f %% of its area: --set "
        "data.fit=squash or letterbox shows all of it",
        split, 100 * share);
}

void oc_kept_free(oc_kept *kept) {
    oc_free(kept->pixels);
    *kept = (oc_kept){0};
}
