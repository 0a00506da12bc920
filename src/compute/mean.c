/* Mean over an image's pixels, channel by channel, forward and backward. Our own because oneDNN adds up whole images in
 * single precision: here tiles of a few dozen pixels are, and the tiles' sums in double precision. */
#include <stdint.h>

#include "base/error.h"
#include "compute/internal.h"
#include "compute/kernels.h"
#include "compute/vector.h"

#define TILE 64 /* pixels */

#define LANES 8 /* channels at a time */
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef double doubles __attribute__((vector_size(8 * LANES)));
typedef float floats_at __attribute__((vector_size(4 * LANES), aligned(4), may_alias)); /* in memory, anywhere */

/* One block of channels of one image, its pixels `block` floats apart. */
OC_CLONES static void mean_block(const float *src, int64_t pixels, int64_t block, float *dst) {
    int64_t c = 0;
    for (; c + LANES <= block; c += LANES) {
        doubles sum = {0};
        for (int64_t at = 0; at < pixels; at += TILE) {
            int64_t end = pixels - at < TILE ? pixels : at + TILE;
            floats tile = {0};
            for (int64_t p = at; p < end; p++) tile += *(const floats_at *)(src + p * block + c);
            sum += __builtin_convertvector(tile, doubles);
        }
        *(floats_at *)(dst + c) = __builtin_convertvector(sum / (double)pixels, floats);
    }
    /* Channels that fill no vector, and plain layouts. */
    for (; c < block; c++) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; p++) sum += src[p * block + c];
        dst[c] = (float)(sum / (double)pixels);
    }
}

OC_CLONES static void spread_block(float *restrict diff_src, int64_t pixels, int64_t block, const float *diff_dst) {
    const float count = (float)pixels;
    if (block == 1) {
        const float share = *diff_dst / count;
        for (int64_t p = 0; p < pixels; p++) diff_src[p] = share;
        return;
    }
    for (int64_t c = 0; c < block; c++) diff_src[c] = diff_dst[c] / count;
    for (int64_t p = 1; p < pixels; p++)
        for (int64_t c = 0; c < block; c++) diff_src[p * block + c] = diff_src[c];
}

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *s = &work->pixels, *d = &work->dst_pixels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / s->blocks, cb = i % s->blocks;
        mean_block((const float *)work->data[OC_SLOT_SRC] + n * s->image_stride + cb * s->block_stride, s->h * s->w,
                   s->block, (float *)work->data[OC_SLOT_DST] + n * d->image_stride + cb * d->block_stride);
    }
}

static void backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *s = &work->pixels, *d = &work->dst_pixels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / s->blocks, cb = i % s->blocks;
        spread_block((float *)work->data[OC_SLOT_DIFF_SRC] + n * s->image_stride + cb * s->block_stride, s->h * s->w,
                     s->block,
                     (const float *)work->data[OC_SLOT_DIFF_DST] + n * d->image_stride + cb * d->block_stride);
    }
}

static void forward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->pixels.images * work->pixels.blocks, 1, forward_task,
                    (void *)(uintptr_t)work);
}

static void backward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->pixels.images * work->pixels.blocks, 1, backward_task,
                    (void *)(uintptr_t)work);
}

static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        void (*kernel)(const oc_primitive *work), oc_slot src_slot, const oc_layout *src,
                        oc_slot dst_slot, const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    oc_map pixels;
    *out = NULL;
    if (!oc_layout_map(src, &pixels)) return oc_layout_refuse(err, layer, what, src);
    OC_TRY(oc_primitive_own(out, engine, layer, what, kernel, err));
    (*out)->pixels = pixels;
    (*out)->dst_pixels = oc_map_resized(&pixels, dst);
    (*out)->layout[src_slot] = *src;
    (*out)->layout[dst_slot] = *dst;
cleanup:
    return status;
}

oc_status oc_mean_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *src,
                                 oc_error *err) {
    oc_shape shape = oc_layout_shape(src);
    shape.dim[2] = shape.dim[3] = 1;
    oc_layout dst = oc_layout_resized(src, &shape);
    return create(out, engine, layer, "mean over pixels forward", forward_kernel, OC_SLOT_SRC, src, OC_SLOT_DST, &dst,
                  err);
}

oc_status oc_mean_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_layout *diff_src,
                                  const oc_layout *diff_dst, oc_error *err) {
    return create(out, engine, layer, "mean over pixels backward", backward_kernel, OC_SLOT_DIFF_SRC, diff_src,
                  OC_SLOT_DIFF_DST, diff_dst, err);
}
