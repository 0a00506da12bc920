/* Copies of a part of the channels or of the pixels, and back into zeros. Our own because oneDNN's reorders take only
 * parts that begin at whole blocks of channels, and no pixels apart from one another. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "compute/internal.h"
#include "compute/kernels.h"

/* Both in one: the slots between which a work copies. */
typedef struct direction {
    oc_slot from, to;
} direction;

/* ---- Channels: channel c of `to` is channel c + shift of `from`, or 0 where there is none ---- */

/* Channels `begin` … of one block of `to` whose likes lie one behind another in `from` as well, in every pixel. */
static void copy_run(float *to, int64_t to_block, const float *from, int64_t from_block, int64_t pixels, int64_t run) {
    if (run == to_block && run == from_block) {
        memcpy(to, from, (size_t)(pixels * run) * sizeof *to);
        return;
    }
    for (int64_t p = 0; p < pixels; p++) memcpy(to + p * to_block, from + p * from_block, (size_t)run * sizeof *to);
}

static void zero_run(float *to, int64_t to_block, int64_t pixels, int64_t run) {
    for (int64_t p = 0; p < pixels; p++) memset(to + p * to_block, 0, (size_t)run * sizeof *to);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* One block of channels of one image. A block's padding becomes 0 too. */
static void copy_channels(const oc_primitive *work, float *to, const oc_map *t, int64_t cb, const float *from,
                          const oc_map *f) {
    const int64_t pixels = t->h * t->w;
    for (int64_t i = 0, run; i < t->block; i += run) {
        int64_t c = cb * t->block + i, like = c + work->shift;
        run = t->block - i;
        if (like < 0) {
            run = least(run, -like);
            zero_run(to + i, t->block, pixels, run);
        } else if (c >= t->channels || like >= f->channels) {
            zero_run(to + i, t->block, pixels, run);
        } else {
            int64_t in = like % f->block;
            run = least(least(run, f->block - in), least(t->channels - c, f->channels - like));
            copy_run(to + i, t->block, from + like / f->block * f->block_stride + in, f->block, pixels, run);
        }
    }
}

static void slice_range(const oc_primitive *work, direction way, const oc_map *f, const oc_map *t, int64_t begin,
                        int64_t end) {
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / t->blocks, cb = i % t->blocks;
        copy_channels(work, (float *)work->data[way.to] + n * t->image_stride + cb * t->block_stride, t, cb,
                      (const float *)work->data[way.from] + n * f->image_stride, f);
    }
}

static void slice_forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    (void)worker;
    slice_range(work, (direction){OC_SLOT_SRC, OC_SLOT_DST}, &work->pixels, &work->dst_pixels, begin, end);
}

static void slice_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    (void)worker;
    slice_range(work, (direction){OC_SLOT_DIFF_DST, OC_SLOT_DIFF_SRC}, &work->dst_pixels, &work->pixels, begin, end);
}

static void slice_forward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->dst_pixels.images * work->dst_pixels.blocks, 1, slice_forward_task,
                    (void *)(uintptr_t)work);
}

static void slice_backward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->pixels.images * work->pixels.blocks, 1, slice_backward_task,
                    (void *)(uintptr_t)work);
}

/* ---- Pixels: (y, x) of dst is (y·stride, x·stride) of src ---- */

static void subsample_forward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *s = &work->pixels, *d = &work->dst_pixels;
    const int64_t block = s->block, k = work->stride;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / s->blocks, cb = i % s->blocks;
        const float *src = (const float *)work->data[OC_SLOT_SRC] + n * s->image_stride + cb * s->block_stride;
        float *dst = (float *)work->data[OC_SLOT_DST] + n * d->image_stride + cb * d->block_stride;
        for (int64_t y = 0; y < d->h; y++)
            for (int64_t x = 0; x < d->w; x++, dst += block)
                memcpy(dst, src + (y * k * s->w + x * k) * block, (size_t)block * sizeof *dst);
    }
}

static void subsample_backward_task(void *user, int64_t begin, int64_t end, int worker) {
    const oc_primitive *work = user;
    const oc_map *s = &work->pixels, *d = &work->dst_pixels;
    const int64_t block = s->block, k = work->stride;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / s->blocks, cb = i % s->blocks;
        float *diff_src = (float *)work->data[OC_SLOT_DIFF_SRC] + n * s->image_stride + cb * s->block_stride;
        const float *diff_dst =
            (const float *)work->data[OC_SLOT_DIFF_DST] + n * d->image_stride + cb * d->block_stride;
        memset(diff_src, 0, (size_t)(s->h * s->w * block) * sizeof *diff_src);
        for (int64_t y = 0; y < d->h; y++)
            for (int64_t x = 0; x < d->w; x++, diff_dst += block)
                memcpy(diff_src + (y * k * s->w + x * k) * block, diff_dst, (size_t)block * sizeof *diff_src);
    }
}

static void subsample_forward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->pixels.images * work->pixels.blocks, 1, subsample_forward_task,
                    (void *)(uintptr_t)work);
}

static void subsample_backward_kernel(const oc_primitive *work) {
    oc_parallel_for(work->engine->team, work->pixels.images * work->pixels.blocks, 1, subsample_backward_task,
                    (void *)(uintptr_t)work);
}

/* ---- Creation ---- */

/* What all have in common: `src` and `dst` are the larger and the smaller side, in whatever slots. */
static oc_status create(oc_primitive **out, oc_engine *engine, const char *layer, const char *what,
                        void (*kernel)(const oc_primitive *work), oc_slot src_slot, const oc_layout *src,
                        oc_slot dst_slot, const oc_layout *dst, oc_error *err) {
    oc_status status = OC_OK;
    oc_map s, d;
    *out = NULL;
    if (!oc_layout_map(src, &s)) return oc_layout_refuse(err, layer, what, src);
    if (!oc_layout_map(dst, &d)) return oc_layout_refuse(err, layer, what, dst);
    OC_TRY(oc_primitive_own(out, engine, layer, what, kernel, err));
    (*out)->pixels = s;
    (*out)->dst_pixels = d;
    (*out)->layout[src_slot] = *src;
    (*out)->layout[dst_slot] = *dst;
cleanup:
    return status;
}

oc_status oc_slice_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t begin,
                                  int64_t count, const oc_layout *src, oc_error *err) {
    oc_shape shape = oc_layout_shape(src);
    shape.dim[1] = count;
    oc_layout dst = oc_layout_resized(src, &shape);
    oc_status status =
        create(out, engine, layer, "slice forward", slice_forward_kernel, OC_SLOT_SRC, src, OC_SLOT_DST, &dst, err);
    if (status == OC_OK) (*out)->shift = begin;
    return status;
}

oc_status oc_slice_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t begin,
                                   const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    oc_status status = create(out, engine, layer, "slice backward", slice_backward_kernel, OC_SLOT_DIFF_SRC, diff_src,
                              OC_SLOT_DIFF_DST, diff_dst, err);
    if (status == OC_OK) (*out)->shift = -begin;
    return status;
}

static void subsampled(oc_primitive *work, int64_t stride, oc_slot dst_slot) {
    work->stride = stride;
    work->dst_pixels = oc_map_resized(&work->pixels, &work->layout[dst_slot]);
}

oc_status oc_subsample_forward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t stride,
                                      const oc_layout *src, oc_error *err) {
    oc_shape shape = oc_layout_shape(src);
    for (int i = 2; i < 4; i++) shape.dim[i] = (shape.dim[i] + stride - 1) / stride;
    oc_layout dst = oc_layout_resized(src, &shape);
    oc_status status = create(out, engine, layer, "subsampling forward", subsample_forward_kernel, OC_SLOT_SRC, src,
                              OC_SLOT_DST, &dst, err);
    if (status == OC_OK) subsampled(*out, stride, OC_SLOT_DST);
    return status;
}

oc_status oc_subsample_backward_create(oc_primitive **out, oc_engine *engine, const char *layer, int64_t stride,
                                       const oc_layout *diff_src, const oc_layout *diff_dst, oc_error *err) {
    oc_status status = create(out, engine, layer, "subsampling backward", subsample_backward_kernel, OC_SLOT_DIFF_SRC,
                              diff_src, OC_SLOT_DIFF_DST, diff_dst, err);
    if (status == OC_OK) subsampled(*out, stride, OC_SLOT_DIFF_DST);
    return status;
}
