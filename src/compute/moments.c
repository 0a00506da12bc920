/* Mean and variance of each channel, for batch norm in training, in one pass over memory where oneDNN makes two, and
 * more exact: oneDNN adds up whole images in single precision, which costs a handful of bits, and with them the sign
 * of what lies next to zero before a ReLU.
 *
 * Tiles of a few dozen pixels are summed in single precision, twice while they are in the nearest cache (the second
 * time squared distances from the tile's own mean), and tiles are joined in double precision (Chan, Golub and LeVeque,
 * The American Statistician 37, 1983). Each image has its own sums, joined in order, so that the result does not
 * depend on the number of threads. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "compute/internal.h"
#include "compute/kernels.h"
#include "compute/vector.h"

#define TILE 64 /* pixels */

#define LANES 8 /* channels at a time */
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef float floats_at __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* in memory, anywhere */

/* Of `pixels` pixels, `block` floats apart: sum of LANES channels, and of their squared distances from the mean. */
OC_CLONES static void tile_lanes(const float *src, int64_t pixels, int64_t block, float *sum, float *squares) {
    floats s[4] = {{0}}, q[4] = {{0}};
    int64_t p = 0;
    for (; p + 4 <= pixels; p += 4)
        for (int k = 0; k < 4; k++) s[k] += *(const floats_at *)(src + (p + k) * block);
    for (; p < pixels; p++) s[0] += *(const floats_at *)(src + p * block);
    floats total = (s[0] + s[1]) + (s[2] + s[3]), mean = total / (float)pixels;
    for (p = 0; p + 4 <= pixels; p += 4)
        for (int k = 0; k < 4; k++) {
            floats d = *(const floats_at *)(src + (p + k) * block) - mean;
            q[k] += d * d;
        }
    for (; p < pixels; p++) {
        floats d = *(const floats_at *)(src + p * block) - mean;
        q[0] += d * d;
    }
    *(floats_at *)sum = total;
    *(floats_at *)squares = (q[0] + q[1]) + (q[2] + q[3]);
}

/* The same of one channel: those that fill no vector, and plain layouts. */
static void tile_channel(const float *src, int64_t pixels, int64_t block, float *sum, float *squares) {
    double s = 0, q = 0;
    for (int64_t p = 0; p < pixels; p++) s += src[p * block];
    for (int64_t p = 0; p < pixels; p++) {
        double d = src[p * block] - s / (double)pixels;
        q += d * d;
    }
    *sum = (float)s;
    *squares = (float)q;
}

/* One image's share of one block: for each channel the sum and the sum of squares. */
static void block_sums(const oc_primitive *work, const oc_map *p, int64_t n, int64_t cb) {
    const int64_t all = p->h * p->w;
    const float *src = (const float *)work->data[OC_SLOT_SRC] + n * p->image_stride + cb * p->block_stride;
    double *row = (double *)work->data[OC_SLOT_SCRATCHPAD] + n * p->blocks * p->block * 2 + cb * p->block * 2;
    memset(row, 0, (size_t)p->block * 2 * sizeof *row);
    for (int64_t at = 0; at < all; at += TILE) {
        int64_t pixels = all - at < TILE ? all - at : TILE;
        const float *tile = src + at * p->block;
        for (int64_t c = 0, lanes; c < p->block; c += lanes) {
            float sum[LANES], squares[LANES];
            lanes = c + LANES <= p->block ? LANES : 1;
            if (lanes == LANES)
                tile_lanes(tile + c, pixels, p->block, sum, squares);
            else
                tile_channel(tile + c, pixels, p->block, sum, squares);
            for (int64_t i = 0; i < lanes; i++) {
                double s = sum[i];
                row[2 * (c + i)] += s;
                row[2 * (c + i) + 1] += squares[i] + s * s / (double)pixels;
            }
        }
    }
}

static void moments_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        block_sums(work, &work->pixels, i / work->pixels.blocks, i % work->pixels.blocks);
}

static void moments_kernel(const oc_primitive *work) {
    float *mean = work->data[OC_SLOT_MEAN], *variance = work->data[OC_SLOT_VARIANCE];
    const double *sums = work->data[OC_SLOT_SCRATCHPAD];
    const oc_map *p = &work->pixels;
    oc_parallel_for(work->engine->team, p->images * p->blocks, 1, moments_task, (void *)(uintptr_t)work);
    double count = (double)(p->images * p->h * p->w);
    for (int64_t c = 0; c < p->channels; c++) {
        double sum = 0, squares = 0;
        for (int64_t n = 0; n < p->images; n++) {
            sum += sums[(n * p->blocks * p->block + c) * 2];
            squares += sums[(n * p->blocks * p->block + c) * 2 + 1];
        }
        double m = sum / count, v = squares / count - m * m;
        mean[c] = (float)m;
        variance[c] = v < 0 ? 0.0F : (float)v; /* NaN stays NaN */
    }
}

oc_status oc_moments_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                            oc_error *err) {
    oc_status status = OC_OK;
    oc_map p;
    *out = NULL;
    if (!oc_layout_map(src, &p)) return oc_layout_refuse(err, layer, "batch statistics", src);
    OC_TRY(oc_primitive_own(out, engine, layer, "batch statistics", moments_kernel, err));
    oc_shape vector = oc_shape_make(1, p.channels);
    oc_shape doubles = oc_shape_make(1, p.images * p.blocks * p.block * 2 * 2);
    (*out)->pixels = p;
    (*out)->layout[OC_SLOT_SRC] = *src;
    (*out)->layout[OC_SLOT_MEAN] = (*out)->layout[OC_SLOT_VARIANCE] = oc_layout_plain(OC_F32, &vector);
    (*out)->layout[OC_SLOT_SCRATCHPAD] = oc_layout_plain(OC_F32, &doubles);
cleanup:
    return status;
}
