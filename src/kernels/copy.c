/* Copies. */
#include "kernels/copy.h"

#include "kernels/stored.h"

static int64_t part_at(const oc_map *map, int64_t part) {
    return part / map->blocks * map->image_stride + part % map->blocks * map->block_stride;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* What a copy does to each number: nothing, or it makes a float of what is stored, or the other way. */
typedef enum change { KEEP, WIDEN, NARROW } change;

OC_INLINE void *to_at(const change k, void *to, int64_t i) {
    return (unsigned char *)to + i * (int64_t)(k == WIDEN ? sizeof(float) : sizeof(oc_stored));
}

OC_INLINE const void *from_at(const change k, const void *from, int64_t i) {
    return (const unsigned char *)from + i * (int64_t)(k == NARROW ? sizeof(float) : sizeof(oc_stored));
}

OC_INLINE void copy_numbers(const change k, void *to, const void *from, int64_t n) {
    if (k == KEEP) {
        memcpy(to, from, (size_t)n * sizeof(oc_stored));
    } else if (k == WIDEN) {
        float *wide = to;
        const oc_stored *stored = from;
        OC_INDEPENDENT
        for (int64_t i = 0; i < n; i++) wide[i] = oc_widen(stored[i]);
    } else {
        oc_stored *stored = to;
        const float *wide = from;
        OC_INDEPENDENT
        for (int64_t i = 0; i < n; i++) stored[i] = oc_narrow(wide[i]);
    }
}

/* `run` channels that lie one behind another in both maps, in every pixel. */
OC_INLINE void copy_run(const change k, void *to, int64_t to_block, const void *from, int64_t from_block,
                        int64_t pixels, int64_t run) {
    if (run == to_block && run == from_block) {
        copy_numbers(k, to, from, pixels * run);
        return;
    }
    for (int64_t p = 0; p < pixels; p++)
        copy_numbers(k, to_at(k, to, p * to_block), from_at(k, from, p * from_block), run);
}

OC_INLINE void zero_run(const change k, void *to, int64_t to_block, int64_t pixels, int64_t run) {
    const size_t bytes = (size_t)run * (k == WIDEN ? sizeof(float) : sizeof(oc_stored));
    for (int64_t p = 0; p < pixels; p++) memset(to_at(k, to, p * to_block), 0, bytes);
}

OC_INLINE void copy_channels(const change k, const oc_map *t, void *to, const oc_map *f, const void *from,
                             int64_t shift, int64_t begin, int64_t end) {
    const int64_t pixels = t->h * t->w;
    for (int64_t part = begin; part < end; part++) {
        const int64_t block = part_at(t, part), image = part / t->blocks * f->image_stride;
        for (int64_t i = 0, run; i < t->block; i += run) {
            const int64_t c = part % t->blocks * t->block + i, like = c + shift;
            void *first = to_at(k, to, block + i);
            run = t->block - i;
            if (like < 0) {
                run = least(run, -like);
                zero_run(k, first, t->block, pixels, run);
            } else if (c >= t->channels || like >= f->channels) {
                zero_run(k, first, t->block, pixels, run); /* padding, too */
            } else {
                const int64_t in = like % f->block;
                run = least(least(run, f->block - in), least(t->channels - c, f->channels - like));
                copy_run(k, first, t->block, from_at(k, from, image + like / f->block * f->block_stride + in), f->block,
                         pixels, run);
            }
        }
    }
}

static void channels(const oc_map *t, void *to, const oc_map *f, const void *from, int64_t shift, int64_t begin,
                     int64_t end) {
    copy_channels(KEEP, t, to, f, from, shift, begin, end);
}

static void narrow(const oc_map *t, void *to, const oc_map *f, const float *from, int64_t begin, int64_t end) {
    copy_channels(NARROW, t, to, f, from, 0, begin, end);
}

static void widen(const oc_map *t, float *to, const oc_map *f, const void *from, int64_t begin, int64_t end) {
    copy_channels(WIDEN, t, to, f, from, 0, begin, end);
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

const oc_copy_kernels OC_COPY_KERNELS = {.channels = channels,
                                         .narrow = narrow,
                                         .widen = widen,
                                         .subsample = subsample,
                                         .subsample_backward = subsample_backward};
