/* Separable resampling by src/kernels/image.h: rows first, into planes of floats, then columns. The filter follows
 * ATen's UpSampleKernel (compute_indices_weights_aa), itself after Pillow's Resample.c; here every output has the same
 * number of taps, those that are not needed with weight 0, so that the loops have fixed lengths. */
#include "data/resize.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "kernels/image.h"

/* One axis as an oc_resampling has it. */
typedef struct resize_axis {
    int64_t taps;
    int64_t *start;
    float *weight;
} resize_axis;

struct oc_resizer {
    const oc_image_kernels *kernels;
    int64_t max_width, max_height, out_width, out_height;
    resize_axis x, y;
    float *row;    /* [max_width, 3], and more behind it, as the kernel wants */
    float *planes; /* [3, box height, out width] */
};

static oc_status axis_create(resize_axis *axis, int64_t in, int64_t out, oc_error *err) {
    oc_status status;
    OC_TRY(oc_alloc(&axis->start, (size_t)out, sizeof(int64_t), err));
    /* An output has at most 2 ⌈max(1, in/out)⌉ + 1 taps. */
    OC_TRY(oc_alloc(&axis->weight, 2 * (size_t)in + 5 * (size_t)out, sizeof(float), err));
cleanup:
    return status;
}

oc_status oc_resizer_create(oc_resizer **out, int64_t max_width, int64_t max_height, int64_t out_width,
                            int64_t out_height, oc_error *err) {
    oc_resizer *resizer = NULL;
    oc_status status;
    size_t plane;
    assert(max_width >= 1 && max_height >= 1 && out_width >= 1 && out_height >= 1);
    OC_TRY(oc_alloc(&resizer, 1, sizeof(*resizer), err));
    resizer->kernels = oc_kernels_now()->image;
    resizer->max_width = max_width;
    resizer->max_height = max_height;
    resizer->out_width = out_width;
    resizer->out_height = out_height;
    OC_TRY(axis_create(&resizer->x, max_width, out_width, err));
    OC_TRY(axis_create(&resizer->y, max_height, out_height, err));
    OC_TRY(oc_alloc(&resizer->row, (size_t)max_width + 1, 3 * sizeof(float), err));
    if (!oc_size_mul((size_t)max_height, (size_t)out_width, &plane)) {
        status =
            oc_fail(err, OC_E_MEMORY, NULL, "an image of %lld rows is too large to resample", (long long)max_height);
        goto cleanup;
    }
    OC_TRY(oc_alloc(&resizer->planes, plane, 3 * sizeof(float), err));
    *out = resizer;
    resizer = NULL;
cleanup:
    oc_resizer_destroy(&resizer);
    return status;
}

void oc_resizer_destroy(oc_resizer **resizer) {
    oc_resizer *r = *resizer;
    if (!r) return;
    oc_free(r->x.start);
    oc_free(r->x.weight);
    oc_free(r->y.start);
    oc_free(r->y.weight);
    oc_free(r->row);
    oc_free(r->planes);
    oc_free(r);
    *resizer = NULL;
}

/* Weights of `out` outputs over `in` inputs. */
static void axis_fill(resize_axis *axis, int64_t in, int64_t out) {
    const double scale = (double)in / (double)out;
    const double stretch = scale > 1.0 ? scale : 1.0;
    const double support = stretch; /* of the triangle filter, half its width */
    int64_t taps = 1;
    for (int64_t i = 0; i < out; i++) {
        const double center = scale * ((double)i + 0.5);
        int64_t first = (int64_t)(center - support + 0.5), last = (int64_t)(center + support + 0.5);
        if (first < 0) first = 0;
        if (last > in) last = in;
        if (last - first > taps) taps = last - first;
    }
    axis->taps = taps;
    for (int64_t i = 0; i < out; i++) {
        const double center = scale * ((double)i + 0.5);
        float *weight = axis->weight + i * taps;
        int64_t first = (int64_t)(center - support + 0.5), last = (int64_t)(center + support + 0.5);
        if (first < 0) first = 0;
        if (last > in) last = in;
        /* Near the far edge the window begins earlier, so that it still lies inside. */
        const int64_t start = first + taps > in ? in - taps : first;
        double total = 0;
        for (int64_t j = first; j < last; j++) total += fmax(0.0, 1.0 - fabs((double)j - center + 0.5) / stretch);
        for (int64_t k = 0; k < taps; k++) {
            const int64_t j = start + k;
            const double w = j < first || j >= last ? 0.0 : fmax(0.0, 1.0 - fabs((double)j - center + 0.5) / stretch);
            weight[k] = (float)(w / total);
        }
        axis->start[i] = start;
    }
}

void oc_resizer_run(oc_resizer *resizer, const uint8_t *pixels, int64_t image_width, const oc_box *box,
                    int64_t out_width, int64_t out_height, float *dst) {
    const int64_t plane = box->height * out_width;
    assert(box->width >= 1 && box->width <= resizer->max_width && box->height >= 1 &&
           box->height <= resizer->max_height && out_width <= resizer->out_width && out_height <= resizer->out_height);
    axis_fill(&resizer->x, box->width, out_width);
    axis_fill(&resizer->y, box->height, out_height);
    const oc_image_kernels *kernels = resizer->kernels;
    const oc_resampling x = {out_width, resizer->x.taps, resizer->x.start, resizer->x.weight};
    const oc_resampling y = {out_height, resizer->y.taps, resizer->y.start, resizer->y.weight};
    for (int64_t row = 0; row < box->height; row++) {
        const uint8_t *src = pixels + ((box->y + row) * image_width + box->x) * 3;
        kernels->unit(resizer->row, src, 3 * box->width);
        kernels->resample_row(resizer->planes + row * out_width, plane, resizer->row, &x);
    }
    for (int c = 0; c < 3; c++)
        kernels->resample_columns(dst + c * out_width * out_height, resizer->planes + c * plane, out_width, &y);
}
