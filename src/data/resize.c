/* Separable resampling: rows first, into planes of floats, then columns.
 * The filter follows ATen's UpSampleKernel (compute_indices_weights_aa), itself after Pillow's Resample.c; here every
 * output has the same number of taps, those that are not needed with weight 0, so that the loops have fixed lengths. */
#include "data/resize.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* One axis: output i is the sum over k < taps of weight[i × taps + k] × input[start[i] + k]. */
typedef struct resize_axis {
    int64_t taps;
    int64_t *start;
    float *weight;
} resize_axis;

struct oc_resizer {
    int64_t max_width, max_height, out_width, out_height;
    resize_axis x, y;
    float *row;    /* [max_width, 3] */
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
    resizer->max_width = max_width;
    resizer->max_height = max_height;
    resizer->out_width = out_width;
    resizer->out_height = out_height;
    OC_TRY(axis_create(&resizer->x, max_width, out_width, err));
    OC_TRY(axis_create(&resizer->y, max_height, out_height, err));
    OC_TRY(oc_alloc(&resizer->row, (size_t)max_width, 3 * sizeof(float), err));
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

/* One row of `out` outputs into three planes `stride` floats apart. Inlined with constant `taps`. */
static inline void row_run(const resize_axis *axis, int64_t taps, const float *row, int64_t out, float *dst,
                           int64_t stride) {
    for (int64_t i = 0; i < out; i++) {
        const float *src = row + 3 * axis->start[i];
        const float *weight = axis->weight + i * taps;
        float r = 0, g = 0, b = 0;
        for (int64_t k = 0; k < taps; k++) {
            r += weight[k] * src[3 * k];
            g += weight[k] * src[3 * k + 1];
            b += weight[k] * src[3 * k + 2];
        }
        dst[i] = r;
        dst[stride + i] = g;
        dst[2 * stride + i] = b;
    }
}

/* One plane's columns: each output row is a weighted sum of whole input rows. */
static void columns_run(const resize_axis *axis, const float *restrict src, int64_t width, int64_t out,
                        float *restrict dst) {
    for (int64_t i = 0; i < out; i++) {
        const float *weight = axis->weight + i * axis->taps;
        const float *rows = src + axis->start[i] * width;
        float *to = dst + i * width;
        if (axis->taps == 2) {
            for (int64_t x = 0; x < width; x++) to[x] = weight[0] * rows[x] + weight[1] * rows[width + x];
            continue;
        }
        for (int64_t x = 0; x < width; x++) to[x] = weight[0] * rows[x];
        for (int64_t k = 1; k < axis->taps; k++)
            for (int64_t x = 0; x < width; x++) to[x] += weight[k] * rows[k * width + x];
    }
}

void oc_resizer_run(oc_resizer *resizer, const uint8_t *pixels, int64_t image_width, const oc_box *box,
                    int64_t out_width, int64_t out_height, float *dst) {
    const int64_t plane = box->height * out_width;
    assert(box->width >= 1 && box->width <= resizer->max_width && box->height >= 1 &&
           box->height <= resizer->max_height && out_width <= resizer->out_width && out_height <= resizer->out_height);
    axis_fill(&resizer->x, box->width, out_width);
    axis_fill(&resizer->y, box->height, out_height);
    for (int64_t y = 0; y < box->height; y++) {
        const uint8_t *src = pixels + ((box->y + y) * image_width + box->x) * 3;
        float *to = resizer->planes + y * out_width;
        for (int64_t i = 0; i < 3 * box->width; i++) resizer->row[i] = (float)src[i] / 255.0f;
        switch (resizer->x.taps) {
        case 2:
            row_run(&resizer->x, 2, resizer->row, out_width, to, plane);
            break;
        case 3:
            row_run(&resizer->x, 3, resizer->row, out_width, to, plane);
            break;
        default:
            row_run(&resizer->x, resizer->x.taps, resizer->row, out_width, to, plane);
        }
    }
    for (int c = 0; c < 3; c++)
        columns_run(&resizer->y, resizer->planes + c * plane, out_width, out_height, dst + c * out_width * out_height);
}
