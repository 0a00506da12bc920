/* Max-pool, forward and backward, for any layout of pixels. Our own because it only moves memory, and oneDNN's needs
 * four times as long for it.
 *
 * As in PyTorch the first of equal largest values wins, in row order, and NaN wins over all. The workspace holds each
 * winner's place in its window, one byte an element of dst. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "compute/internal.h"
#include "compute/kernels.h"
#include "compute/vector.h"

#define LANES 8
typedef float floats __attribute__((vector_size(4 * LANES)));
typedef int32_t ints __attribute__((vector_size(4 * LANES)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));
/* The same in memory, at any address. */
typedef float floats_at __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint8_t bytes_at __attribute__((vector_size(LANES), aligned(1), may_alias));

/* A window, cut at the edges of the image. */
typedef struct window {
    int64_t y0, y1, x0, x1; /* in src */
    int64_t top, left;      /* where it begins, also outside */
} window;

/* What the compiler is to know when it makes a version of a loop: `whole` windows never reach over an edge. */
typedef struct shape {
    int64_t kernel, stride, pad;
    bool whole;
} shape;

#define INLINE static inline __attribute__((always_inline))

INLINE window window_at(const oc_primitive *work, shape k, int64_t oy, int64_t ox) {
    window v = {.top = oy * k.stride - k.pad, .left = ox * k.stride - k.pad};
    v.y0 = v.top;
    v.x0 = v.left;
    v.y1 = v.top + k.kernel;
    v.x1 = v.left + k.kernel;
    if (k.whole) return v;
    if (v.y0 < 0) v.y0 = 0;
    if (v.x0 < 0) v.x0 = 0;
    if (v.y1 > work->pixels.h) v.y1 = work->pixels.h;
    if (v.x1 > work->pixels.w) v.x1 = work->pixels.w;
    return v;
}

INLINE void forward_lanes(const float *src, int64_t w, int64_t block, shape k, window v, float *dst, uint8_t *index) {
    floats best = *(const floats_at *)(src + (v.y0 * w + v.x0) * block);
    ints winner = (ints){0} + (int32_t)((v.y0 - v.top) * k.kernel + v.x0 - v.left);
    for (int64_t y = v.y0; y < v.y1; y++)
        for (int64_t x = v.x0; x < v.x1; x++) {
            floats s = *(const floats_at *)(src + (y * w + x) * block);
            ints wins = (s > best) | ~(s >= -INFINITY); /* only NaN is not even that */
            best = (floats)(((ints)s & wins) | ((ints)best & ~wins));
            winner = (((int32_t)((y - v.top) * k.kernel + x - v.left)) & wins) | (winner & ~wins);
        }
    *(floats_at *)dst = best;
    if (index) *(bytes_at *)index = __builtin_convertvector(winner, bytes);
}

/* The same of one channel: those that fill no vector, and plain layouts. */
INLINE void forward_channel(const float *src, int64_t w, int64_t block, shape k, window v, float *dst, uint8_t *index) {
    float best = src[(v.y0 * w + v.x0) * block];
    int64_t winner = (v.y0 - v.top) * k.kernel + v.x0 - v.left;
    for (int64_t y = v.y0; y < v.y1; y++)
        for (int64_t x = v.x0; x < v.x1; x++) {
            float s = src[(y * w + x) * block];
            if (!(s > best || isnan(s))) continue;
            best = s;
            winner = (y - v.top) * k.kernel + x - v.left;
        }
    *dst = best;
    if (index) *index = (uint8_t)winner;
}

/* One block of channels of one image. index NULL: nobody asks for the winners. */
INLINE void forward_block(const oc_primitive *work, shape k, const float *src, float *dst, uint8_t *index) {
    const int64_t block = work->pixels.block, w = work->pixels.w;
    const int64_t oh = work->dst_pixels.h, ow = work->dst_pixels.w;
    for (int64_t oy = 0; oy < oh; oy++)
        for (int64_t ox = 0; ox < ow; ox++) {
            window v = window_at(work, k, oy, ox);
            int64_t out = (oy * ow + ox) * block, c = 0;
            for (; c + LANES <= block; c += LANES)
                forward_lanes(src + c, w, block, k, v, dst + out + c, index ? index + out + c : NULL);
            for (; c < block; c++)
                forward_channel(src + c, w, block, k, v, dst + out + c, index ? index + out + c : NULL);
        }
}

/* Each window gives its gradient to its winner. Whole windows tile the image, and the others' zeros are written with
 * it; else the image is cleared first and windows add to it. */
INLINE void backward_block(const oc_primitive *work, shape k, float *diff_src, const float *diff_dst,
                           const uint8_t *index) {
    const int64_t block = work->pixels.block, h = work->pixels.h, w = work->pixels.w;
    const int64_t oh = work->dst_pixels.h, ow = work->dst_pixels.w;
    if (!k.whole || block % LANES) memset(diff_src, 0, (size_t)(h * w * block) * sizeof *diff_src);
    for (int64_t oy = 0; oy < oh; oy++)
        for (int64_t ox = 0; ox < ow; ox++) {
            window v = window_at(work, k, oy, ox);
            int64_t in = (oy * ow + ox) * block, c = 0;
            for (; c + LANES <= block; c += LANES) {
                ints winner = __builtin_convertvector(*(const bytes_at *)(index + in + c), ints);
                floats diff = *(const floats_at *)(diff_dst + in + c);
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++) {
                        ints wins = winner == (int32_t)((y - v.top) * k.kernel + x - v.left);
                        floats given = (floats)((ints)diff & wins);
                        floats_at *to = (floats_at *)(diff_src + (y * w + x) * block + c);
                        if (!k.whole) given += *to;
                        *to = given;
                    }
            }
            for (; c < block; c++) {
                int64_t y = v.top + index[in + c] / k.kernel, x = v.left + index[in + c] % k.kernel;
                diff_src[(y * w + x) * block + c] += diff_dst[in + c];
            }
        }
}

/* The common case on its own: windows of 2×2 that tile the image. */
static const shape tiles = {.kernel = 2, .stride = 2, .pad = 0, .whole = true};

OC_CLONES static void pool_forward(const oc_primitive *work, const float *src, float *dst, uint8_t *index) {
    if (work->flag)
        forward_block(work, tiles, src, dst, index);
    else
        forward_block(work, (shape){work->kernel_size, work->stride, work->pad, false}, src, dst, index);
}

OC_CLONES static void pool_backward(const oc_primitive *work, float *diff_src, const float *diff_dst,
                                    const uint8_t *index) {
    if (work->flag)
        backward_block(work, tiles, diff_src, diff_dst, index);
    else
        backward_block(work, (shape){work->kernel_size, work->stride, work->pad, false}, diff_src, diff_dst, index);
}

static void forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *s = &work->pixels, *d = &work->dst_pixels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / s->blocks, cb = i % s->blocks, at = n * d->image_stride + cb * d->block_stride;
        uint8_t *index = work->data[OC_SLOT_WORKSPACE];
        pool_forward(work, (const float *)work->data[OC_SLOT_SRC] + n * s->image_stride + cb * s->block_stride,
                     (float *)work->data[OC_SLOT_DST] + at, index ? index + at : NULL);
    }
}

static void backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *s = &work->pixels, *d = &work->dst_pixels;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / s->blocks, cb = i % s->blocks, at = n * d->image_stride + cb * d->block_stride;
        pool_backward(work, (float *)work->data[OC_SLOT_DIFF_SRC] + n * s->image_stride + cb * s->block_stride,
                      (const float *)work->data[OC_SLOT_DIFF_DST] + at,
                      (const uint8_t *)work->data[OC_SLOT_WORKSPACE] + at);
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

/* Fills in what both directions have in common. */
static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        void (*kernel)(const oc_primitive *work), const oc_pool_spec *spec, oc_slot src_slot,
                        const oc_layout *src, oc_slot dst_slot, const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    oc_map s, d;
    *out = NULL;
    if (spec->kernel > 16) return oc_fail(err, OC_E_COMPUTE, layer, "max-pool: windows go up to 16×16");
    if (!oc_layout_map(src, &s)) return oc_layout_refuse(err, layer, what, src);
    d = oc_map_resized(&s, dst);
    OC_TRY(oc_primitive_own(out, engine, layer, what, kernel, err));
    oc_primitive *work = *out;
    oc_shape index = oc_shape_make(1, (int64_t)(oc_layout_bytes(dst) / sizeof(float)));
    work->pixels = s;
    work->dst_pixels = d;
    work->kernel_size = spec->kernel;
    work->stride = spec->stride;
    work->pad = spec->pad;
    work->flag = spec->kernel == tiles.kernel && spec->stride == tiles.stride && spec->pad == tiles.pad &&
                 d.h * spec->stride == s.h && d.w * spec->stride == s.w;
    work->layout[src_slot] = *src;
    work->layout[dst_slot] = *dst;
    if (spec->training) work->layout[OC_SLOT_WORKSPACE] = oc_layout_plain(OC_U8, &index);
cleanup:
    return status;
}

oc_status oc_pool_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                 const oc_layout *src, const oc_shape *dst, oc_error *err) {
    oc_layout layout = oc_layout_resized(src, dst);
    return create(out, engine, layer, "max-pool forward", forward_kernel, spec, OC_SLOT_SRC, src, OC_SLOT_DST, &layout,
                  err);
}

oc_status oc_pool_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, const oc_pool_spec *spec,
                                  const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    return create(out, engine, layer, "max-pool backward", backward_kernel, spec, OC_SLOT_DIFF_SRC, diff_src,
                  OC_SLOT_DIFF_DST, diff_dst, err);
}
