/* Shrinking images to what a pack keeps. */
#include "data/kept.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "data/resize.h"

/* The size an image is kept in: itself, or with its shorter side cut to 1.25 × size. */
static void kept_size(int64_t size, int64_t *width, int64_t *height) {
    const int64_t limit = size * 5 / 4, w = *width, h = *height;
    const int64_t shorter = w < h ? w : h;
    if (shorter <= limit) return;
    *width = w <= h ? limit : llround((double)w * (double)limit / (double)h);
    *height = h <= w ? limit : llround((double)h * (double)limit / (double)w);
}

oc_status oc_kept_fill(oc_kept *kept, const oc_pixels *image, int64_t size, oc_error *err) {
    int64_t width = image->width, height = image->height;
    oc_resizer *resizer = NULL;
    float *planes = NULL;
    oc_status status;
    kept_size(size, &width, &height);
    const size_t plane = (size_t)(width * height);
    OC_TRY(oc_grow(&kept->pixels, &kept->capacity, plane * 3, 1, err));
    kept->width = (int32_t)width;
    kept->height = (int32_t)height;
    if (width == image->width && height == image->height) {
        memcpy(kept->pixels, image->data, plane * 3);
        goto cleanup;
    }
    OC_TRY(oc_resizer_create(&resizer, image->width, image->height, width, height, err));
    OC_TRY(oc_alloc(&planes, plane, 3 * sizeof(float), err));
    oc_resizer_run(resizer, image->data, image->width, &(oc_box){0, 0, image->width, image->height}, width, height,
                   planes);
    for (size_t i = 0; i < plane; i++)
        for (size_t c = 0; c < 3; c++) {
            const float v = planes[c * plane + i] * 255.0f + 0.5f;
            kept->pixels[3 * i + c] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
        }
cleanup:
    oc_resizer_destroy(&resizer);
    oc_free(planes);
    return status;
}

void oc_kept_free(oc_kept *kept) {
    oc_free(kept->pixels);
    *kept = (oc_kept){0};
}
