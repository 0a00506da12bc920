/* Separable resampling, an output at a time: it is run for eight images, so that it may be plain. */
#include "export/certificate/filter.h"

#include <math.h>

#include "base/error.h"
#include "base/memory.h"

#define CUBIC (-0.5) /* Keys' parameter, as in Pillow */

static double weight(oc_filter filter, double x) {
    x = fabs(x);
    if (filter != OC_FILTER_BICUBIC) return x < 1 ? 1 - x : 0;
    if (x < 1) return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * CUBIC : 0;
}

/* The values src[i · stride], i in 0 … in, at output `place` of `out`. */
static double sample(oc_filter filter, const double *src, int64_t stride, int64_t in, int64_t place, int64_t out) {
    const double scale = (double)in / (double)out, center = ((double)place + 0.5) * scale;
    const double stretch = filter == OC_FILTER_ALIASED || scale < 1 ? 1 : scale;
    const double support = filter == OC_FILTER_BICUBIC ? 2 * stretch : stretch;
    double sum = 0, total = 0;
    if (filter == OC_FILTER_NEAREST) return src[(int64_t)center * stride];
    for (int64_t i = (int64_t)floor(center - support); i < (int64_t)ceil(center + support); i++) {
        const double w = weight(filter, ((double)i + 0.5 - center) / stretch);
        if (i < 0 || i >= in) continue;
        sum += w * src[i * stride];
        total += w;
    }
    return sum / total;
}

static uint8_t rounded(double value) {
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
}

oc_status oc_filter_run(oc_filter filter, const uint8_t *pixels, int64_t image_width, const oc_box *box,
                        int64_t out_width, int64_t out_height, uint8_t *dst, oc_error *err) {
    oc_status status = OC_OK;
    double *row = NULL, *rows = NULL; /* [width, 3] of the box; [height, out_width, 3] */
    OC_TRY(oc_alloc(&row, (size_t)box->width, 3 * sizeof *row, err));
    OC_TRY(oc_alloc(&rows, (size_t)(box->height * out_width), 3 * sizeof *rows, err));
    for (int64_t y = 0; y < box->height; y++) {
        const uint8_t *src = pixels + 3 * ((box->y + y) * image_width + box->x);
        for (int64_t i = 0; i < 3 * box->width; i++) row[i] = src[i];
        for (int64_t i = 0; i < 3 * out_width; i++)
            rows[y * 3 * out_width + i] = sample(filter, row + i % 3, 3, box->width, i / 3, out_width);
    }
    for (int64_t y = 0; y < out_height; y++)
        for (int64_t i = 0; i < 3 * out_width; i++)
            dst[y * 3 * out_width + i] = rounded(sample(filter, rows + i, 3 * out_width, box->height, y, out_height));
cleanup:
    oc_free(row);
    oc_free(rows);
    return status;
}
