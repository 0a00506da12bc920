/* Copies. */
#include "kernels/copy.h"

#include "kernels/stored.h"

static int64_t part_at(const oc_map *map, int64_t part) {
    return part / map->blocks * map->image_stride + part % map->blocks * map->block_stride;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* `run` channels that lie one behind another in both maps, in every pixel. */
static void copy_run(oc_stored *to, int64_t to_block, const oc_stored *from, int64_t from_block, int64_t pixels,
                     int64_t run) {
    if (run == to_block && run == from_block) {
        memcpy(to, from, (size_t)(pixels * run) * sizeof *to);
        return;
    }
    for (int64_t p = 0; p < pixels; p++) memcpy(to + p * to_block, from + p * from_block, (size_t)run * sizeof *to);
}

static void zero_run(oc_stored *to, int64_t to_block, int64_t pixels, int64_t run) {
    for (int64_t p = 0; p < pixels; p++) memset(to + p * to_block, 0, (size_t)run * sizeof *to);
}

static void channels(const oc_map *t, void *to, const oc_map *f, const void *from, int64_t shift, int64_t begin,
                     int64_t end) {
    const int64_t pixels = t->h * t->w;
    for (int64_t part = begin; part < end; part++) {
        oc_stored *block = (oc_stored *)to + part_at(t, part);
        const oc_stored *image = (const oc_stored *)from + part / t->blocks * f->image_stride;
        for (int64_t i = 0, run; i < t->block; i += run) {
            const int64_t c = part % t->blocks * t->block + i, like = c + shift;
            run = t->block - i;
            if (like < 0) {
                run = least(run, -like);
                zero_run(block + i, t->block, pixels, run);
            } else if (c >= t->channels || like >= f->channels) {
                zero_run(block + i, t->block, pixels, run); /* padding, too */
            } else {
                const int64_t in = like % f->block;
                run = least(least(run, f->block - in), least(t->channels - c, f->channels - like));
                copy_run(block + i, t->block, image + like / f->block * f->block_stride + in, f->block, pixels, run);
            }
        }
    }
}

static void subsample(const oc_map *d, void *dst, const oc_map *s, const void *src, int64_t stride, int64_t begin,
                      int64_t end) {
    for (int64_t part = begin; part < end; part++) {
        oc_stored *to = (oc_stored *)dst + part_at(d, part);
        const oc_stored *from = (const oc_stored *)src + part_at(s, part);
        for (int64_t y = 0; y < d->h; y++)
            for (int64_t x = 0; x < d->w; x++, to += d->block)
                memcpy(to, from + (y * stride * s->w + x * stride) * s->block, (size_t)d->block * sizeof *to);
    }
}

static void subsample_backward(const oc_map *s, void *diff_src, const oc_map *d, const void *diff_dst, int64_t stride,
                               int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; part++) {
        oc_stored *to = (oc_stored *)diff_src + part_at(s, part);
        const oc_stored *from = (const oc_stored *)diff_dst + part_at(d, part);
        memset(to, 0, (size_t)(s->h * s->w * s->block) * sizeof *to);
        for (int64_t y = 0; y < d->h; y++)
            for (int64_t x = 0; x < d->w; x++, from += d->block)
                memcpy(to + (y * stride * s->w + x * stride) * s->block, from, (size_t)d->block * sizeof *to);
    }
}

const oc_copy_kernels OC_COPY_KERNELS = {
    .channels = channels, .subsample = subsample, .subsample_backward = subsample_backward};
