/* Pools. Blocks of channels go through in vectors; what fills no vector, and plain maps, channel by channel. */
#include "kernels/pool.h"

#include <math.h>

#include "kernels/stored.h"

/* A window, cut at the edges of the image. */
typedef struct window {
    int64_t y0, y1, x0, x1; /* in src */
    int64_t top, left;      /* where it begins, also outside */
} window;

/* What the compiler is to know when it makes a version of a loop: `whole` windows never reach over an edge and tile the
 * image. */
typedef struct shape {
    int64_t size, stride, pad;
    bool whole;
} shape;

/* The common case on its own: windows of 2×2 that tile the image. */
static const shape tiles = {.size = 2, .stride = 2, .pad = 0, .whole = true};

static bool is_tiled(const oc_pool *p) {
    return p->size == tiles.size && p->stride == tiles.stride && p->pad == tiles.pad && p->dst.h * 2 == p->src.h &&
           p->dst.w * 2 == p->src.w;
}

static shape shape_of(const oc_pool *p) {
    return (shape){p->size, p->stride, p->pad, false};
}

OC_INLINE window window_at(const oc_map *src, shape k, int64_t oy, int64_t ox) {
    window v = {.top = oy * k.stride - k.pad, .left = ox * k.stride - k.pad};
    v.y0 = v.top;
    v.x0 = v.left;
    v.y1 = v.top + k.size;
    v.x1 = v.left + k.size;
    if (k.whole) return v;
    if (v.y0 < 0) v.y0 = 0;
    if (v.x0 < 0) v.x0 = 0;
    if (v.y1 > src->h) v.y1 = src->h;
    if (v.x1 > src->w) v.x1 = src->w;
    return v;
}

static int64_t part_at(const oc_map *map, int64_t part) {
    return part / map->blocks * map->image_stride + part % map->blocks * map->block_stride;
}

OC_INLINE void add(oc_stored *to, float x) {
    *to = oc_narrow(oc_widen(*to) + x);
}

/* ---- The largest ---- */

OC_INLINE void max_lanes(const oc_stored *src, int64_t w, int64_t block, shape k, window v, oc_stored *dst,
                         uint8_t *index) {
    oc_floats best = oc_load_stored(src + (v.y0 * w + v.x0) * block);
    oc_ints winner = (oc_ints){0} + (int32_t)((v.y0 - v.top) * k.size + v.x0 - v.left);
    for (int64_t y = v.y0; y < v.y1; y++)
        for (int64_t x = v.x0; x < v.x1; x++) {
            const oc_floats s = oc_load_stored(src + (y * w + x) * block);
            const oc_ints wins = (s > best) | ~(s >= -INFINITY); /* only NaN is not even that */
            best = oc_select(wins, s, best);
            winner = (((int32_t)((y - v.top) * k.size + x - v.left)) & wins) | (winner & ~wins);
        }
    oc_store_stored(dst, best);
    if (index) *(oc_bytes_at *)index = __builtin_convertvector(winner, oc_bytes);
}

OC_INLINE void max_channel(const oc_stored *src, int64_t w, int64_t block, shape k, window v, oc_stored *dst,
                           uint8_t *index) {
    float best = oc_widen(src[(v.y0 * w + v.x0) * block]);
    int64_t winner = (v.y0 - v.top) * k.size + v.x0 - v.left;
    for (int64_t y = v.y0; y < v.y1; y++)
        for (int64_t x = v.x0; x < v.x1; x++) {
            const float s = oc_widen(src[(y * w + x) * block]);
            if (!(s > best || isnan(s))) continue;
            best = s;
            winner = (y - v.top) * k.size + x - v.left;
        }
    *dst = oc_narrow(best);
    if (index) *index = (uint8_t)winner;
}

OC_INLINE void max_part(const oc_pool *p, shape k, const oc_stored *src, oc_stored *dst, uint8_t *index) {
    const int64_t block = p->src.block, w = p->src.w;
    for (int64_t oy = 0; oy < p->dst.h; oy++)
        for (int64_t ox = 0; ox < p->dst.w; ox++) {
            const window v = window_at(&p->src, k, oy, ox);
            int64_t out = (oy * p->dst.w + ox) * block, c = 0;
            for (; c + OC_LANES <= block; c += OC_LANES)
                max_lanes(src + c, w, block, k, v, dst + out + c, index ? index + out + c : NULL);
            for (; c < block; c++) max_channel(src + c, w, block, k, v, dst + out + c, index ? index + out + c : NULL);
        }
}

static void max(const oc_pool *p, const void *src, void *dst, uint8_t *index, int64_t begin, int64_t end) {
    const bool tiled = is_tiled(p);
    for (int64_t i = begin; i < end; i++) {
        const oc_stored *from = (const oc_stored *)src + part_at(&p->src, i);
        oc_stored *result = dst;
        const int64_t to = part_at(&p->dst, i);
        if (tiled)
            max_part(p, tiles, from, result + to, index ? index + to : NULL);
        else
            max_part(p, shape_of(p), from, result + to, index ? index + to : NULL);
    }
}

/* Where windows tile the image the others' zeros are written with the winner's gradient; else the image is cleared
 * first and windows add to it. */
OC_INLINE void max_backward_part(const oc_pool *p, shape k, const oc_stored *diff_dst, const uint8_t *index,
                                 oc_stored *diff_src) {
    const int64_t block = p->src.block, h = p->src.h, w = p->src.w;
    if (!k.whole || block % OC_LANES) memset(diff_src, 0, (size_t)(h * w * block) * sizeof *diff_src);
    for (int64_t oy = 0; oy < p->dst.h; oy++)
        for (int64_t ox = 0; ox < p->dst.w; ox++) {
            const window v = window_at(&p->src, k, oy, ox);
            int64_t in = (oy * p->dst.w + ox) * block, c = 0;
            for (; c + OC_LANES <= block; c += OC_LANES) {
                const oc_ints winner = __builtin_convertvector(*(const oc_bytes_at *)(index + in + c), oc_ints);
                const oc_floats diff = oc_load_stored(diff_dst + in + c);
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++) {
                        const oc_ints wins = winner == (int32_t)((y - v.top) * k.size + x - v.left);
                        oc_floats given = (oc_floats)((oc_ints)diff & wins);
                        oc_stored *to = diff_src + (y * w + x) * block + c;
                        if (!k.whole) given += oc_load_stored(to);
                        oc_store_stored(to, given);
                    }
            }
            for (; c < block; c++) {
                const int64_t y = v.top + index[in + c] / k.size, x = v.left + index[in + c] % k.size;
                add(diff_src + (y * w + x) * block + c, oc_widen(diff_dst[in + c]));
            }
        }
}

static void max_backward(const oc_pool *p, const void *diff_dst, const uint8_t *index, void *diff_src, int64_t begin,
                         int64_t end) {
    const bool tiled = is_tiled(p);
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = part_at(&p->dst, i);
        const oc_stored *from = (const oc_stored *)diff_dst + at;
        oc_stored *to = (oc_stored *)diff_src + part_at(&p->src, i);
        if (tiled)
            max_backward_part(p, tiles, from, index + at, to);
        else
            max_backward_part(p, shape_of(p), from, index + at, to);
    }
}

/* ---- The mean of windows ---- */

OC_INLINE void average_part(const oc_pool *p, shape k, const oc_stored *src, oc_stored *dst) {
    const int64_t block = p->src.block, w = p->src.w;
    for (int64_t oy = 0; oy < p->dst.h; oy++)
        for (int64_t ox = 0; ox < p->dst.w; ox++, dst += block) {
            const window v = window_at(&p->src, k, oy, ox);
            const float count = (float)((v.y1 - v.y0) * (v.x1 - v.x0));
            int64_t c = 0;
            for (; c + OC_LANES <= block; c += OC_LANES) {
                oc_floats sum = {0};
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++) sum += oc_load_stored(src + (y * w + x) * block + c);
                oc_store_stored(dst + c, sum / count);
            }
            for (; c < block; c++) {
                float sum = 0;
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++) sum += oc_widen(src[(y * w + x) * block + c]);
                dst[c] = oc_narrow(sum / count);
            }
        }
}

static void average(const oc_pool *p, const void *src, void *dst, int64_t begin, int64_t end) {
    const bool tiled = is_tiled(p);
    for (int64_t i = begin; i < end; i++) {
        const oc_stored *from = (const oc_stored *)src + part_at(&p->src, i);
        oc_stored *to = (oc_stored *)dst + part_at(&p->dst, i);
        if (tiled)
            average_part(p, tiles, from, to);
        else
            average_part(p, shape_of(p), from, to);
    }
}

static void average_backward_part(const oc_pool *p, shape k, const oc_stored *diff_dst, oc_stored *diff_src) {
    const int64_t block = p->src.block, w = p->src.w;
    memset(diff_src, 0, (size_t)(p->src.h * w * block) * sizeof *diff_src);
    for (int64_t oy = 0; oy < p->dst.h; oy++)
        for (int64_t ox = 0; ox < p->dst.w; ox++, diff_dst += block) {
            const window v = window_at(&p->src, k, oy, ox);
            const float count = (float)((v.y1 - v.y0) * (v.x1 - v.x0));
            int64_t c = 0;
            for (; c + OC_LANES <= block; c += OC_LANES) {
                const oc_floats share = oc_load_stored(diff_dst + c) / count;
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++) {
                        oc_stored *to = diff_src + (y * w + x) * block + c;
                        oc_store_stored(to, oc_load_stored(to) + share);
                    }
            }
            for (; c < block; c++)
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++)
                        add(diff_src + (y * w + x) * block + c, oc_widen(diff_dst[c]) / count);
        }
}

static void average_backward(const oc_pool *p, const void *diff_dst, void *diff_src, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
        average_backward_part(p, shape_of(p), (const oc_stored *)diff_dst + part_at(&p->dst, i),
                              (oc_stored *)diff_src + part_at(&p->src, i));
}

/* ---- The mean of all pixels ---- */

#define TILE 64 /* pixels */

static void mean_part(const oc_stored *src, int64_t pixels, int64_t block, float *dst) {
    int64_t c = 0;
    for (; c + OC_LANES <= block; c += OC_LANES) {
        oc_doubles sum = {0};
        for (int64_t at = 0; at < pixels; at += TILE) {
            const int64_t end = pixels - at < TILE ? pixels : at + TILE;
            oc_floats tile = {0};
            for (int64_t p = at; p < end; p++) tile += oc_load_stored(src + p * block + c);
            sum += __builtin_convertvector(tile, oc_doubles);
        }
        oc_store(dst + c, __builtin_convertvector(sum / (double)pixels, oc_floats));
    }
    for (; c < block; c++) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; p++) sum += oc_widen(src[p * block + c]);
        dst[c] = (float)(sum / (double)pixels);
    }
}

static void mean(const oc_map *src_map, const void *src, const oc_map *dst_map, float *dst, int64_t begin,
                 int64_t end) {
    for (int64_t i = begin; i < end; i++)
        mean_part((const oc_stored *)src + part_at(src_map, i), src_map->h * src_map->w, src_map->block,
                  dst + part_at(dst_map, i));
}

static void mean_backward_part(oc_stored *restrict diff_src, int64_t pixels, int64_t block,
                               const float *restrict diff_dst) {
    const float count = (float)pixels;
    if (block == 1) {
        const oc_stored share = oc_narrow(*diff_dst / count);
        for (int64_t p = 0; p < pixels; p++) diff_src[p] = share;
        return;
    }
    for (int64_t c = 0; c < block; c++) diff_src[c] = oc_narrow(diff_dst[c] / count);
    for (int64_t p = 1; p < pixels; p++) memcpy(diff_src + p * block, diff_src, (size_t)block * sizeof *diff_src);
}

static void mean_backward(const oc_map *dst_map, const float *diff_dst, const oc_map *src_map, void *diff_src,
                          int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
        mean_backward_part((oc_stored *)diff_src + part_at(src_map, i), src_map->h * src_map->w, src_map->block,
                           diff_dst + part_at(dst_map, i));
}

const oc_pool_kernels OC_POOL_KERNELS = {.max = max,
                                         .max_backward = max_backward,
                                         .average = average,
                                         .average_backward = average_backward,
                                         .mean = mean,
                                         .mean_backward = mean_backward};
