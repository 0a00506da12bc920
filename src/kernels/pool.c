/* Pools. Blocks of channels go through in vectors; what fills no vector, and plain maps, channel by channel. */
#include "kernels/pool.h"

#include <math.h>

#include "kernels/stored.h"

/* A window: where it begins, maybe outside of the image, and which of its rows and columns lie inside. */
typedef struct window {
    int64_t top, left;
    int64_t y0, y1, x0, x1; /* from top and left on */
} window;

/* What the compiler is to know when it makes a version of a loop: `tiled` windows tile the image, and so none reaches
 * over an edge. */
typedef struct shape {
    int64_t size, stride, pad;
    bool tiled;
} shape;

/* The common cases on their own: windows of 2×2 that tile the image, and those of a ResNet's stem. */
static const shape tiles = {.size = 2, .stride = 2, .pad = 0, .tiled = true};
static const shape stem = {.size = 3, .stride = 2, .pad = 1, .tiled = false};

/* As many windows as fit, or just fit, along `src` pixels. */
static bool is_length(const shape *k, int64_t src, int64_t dst) {
    return k->tiled ? dst * k->size == src : dst == (src + 2 * k->pad - k->size) / k->stride + 1;
}

static bool is_shape(const oc_pool *p, const shape *k) {
    return p->size == k->size && p->stride == k->stride && p->pad == k->pad && is_length(k, p->src.h, p->dst.h) &&
           is_length(k, p->src.w, p->dst.w);
}

static shape shape_of(const oc_pool *p) {
    return (shape){p->size, p->stride, p->pad, false};
}

OC_INLINE window whole_window(shape k, int64_t oy, int64_t ox) {
    return (window){oy * k.stride - k.pad, ox * k.stride - k.pad, 0, k.size, 0, k.size};
}

OC_INLINE window window_at(const oc_map *src, shape k, int64_t oy, int64_t ox) {
    window v = whole_window(k, oy, ox);
    if (k.tiled) return v;
    if (v.top < 0) v.y0 = -v.top;
    if (v.left < 0) v.x0 = -v.left;
    if (v.y1 > src->h - v.top) v.y1 = src->h - v.top;
    if (v.x1 > src->w - v.left) v.x1 = src->w - v.left;
    return v;
}

/* Where the window's pixel (y, x) lies in a part. */
OC_INLINE int64_t pixel_at(window v, int64_t y, int64_t x, int64_t w, int64_t block) {
    return ((v.top + y) * w + v.left + x) * block;
}

OC_INLINE bool is_whole(shape k, window v) {
    return (v.y1 - v.y0) * (v.x1 - v.x0) == k.size * k.size;
}

static int64_t part_at(const oc_map *map, int64_t part) {
    return part / map->blocks * map->image_stride + part % map->blocks * map->block_stride;
}

OC_INLINE void add(oc_stored *to, float x) {
    *to = oc_narrow(oc_widen(*to) + x);
}

/* ---- The largest ---- */

/* `src` is the image's beginning. */
OC_INLINE void max_lanes(const oc_stored *src, int64_t w, int64_t block, shape k, window v, oc_stored *dst,
                         uint8_t *index) {
    oc_floats best = oc_load_stored(src + pixel_at(v, v.y0, v.x0, w, block));
    oc_ints winner = (oc_ints){0} + (int32_t)(v.y0 * k.size + v.x0);
#pragma GCC unroll 3
    for (int64_t y = v.y0; y < v.y1; y++)
#pragma GCC unroll 3
        for (int64_t x = v.x0; x < v.x1; x++) {
            const oc_floats s = oc_load_stored(src + pixel_at(v, y, x, w, block));
            const oc_mask wins = oc_exceeds(s, best);
            best = oc_select(wins, s, best);
            winner = oc_select_ints(wins, (oc_ints){0} + (int32_t)(y * k.size + x), winner);
        }
    oc_store_stored(dst, best);
    if (index) oc_bytes_store(index, winner);
}

OC_INLINE void max_channel(const oc_stored *src, int64_t w, int64_t block, shape k, window v, oc_stored *dst,
                           uint8_t *index) {
    float best = oc_widen(src[pixel_at(v, v.y0, v.x0, w, block)]);
    int64_t winner = v.y0 * k.size + v.x0;
    for (int64_t y = v.y0; y < v.y1; y++)
        for (int64_t x = v.x0; x < v.x1; x++) {
            const float s = oc_widen(src[pixel_at(v, y, x, w, block)]);
            if (!(s > best || isnan(s))) continue;
            best = s;
            winner = y * k.size + x;
        }
    *dst = oc_narrow(best);
    if (index) *index = (uint8_t)winner;
}

OC_INLINE void max_window(const oc_pool *p, shape k, window v, const oc_stored *src, oc_stored *dst, uint8_t *index) {
    const int64_t block = p->src.block, w = p->src.w;
    int64_t c = 0;
    for (; c + OC_LANES <= block; c += OC_LANES) max_lanes(src + c, w, block, k, v, dst + c, index ? index + c : NULL);
    for (; c < block; c++) max_channel(src + c, w, block, k, v, dst + c, index ? index + c : NULL);
}

OC_INLINE void max_part(const oc_pool *p, shape k, const oc_stored *src, oc_stored *dst, uint8_t *index) {
    for (int64_t oy = 0; oy < p->dst.h; oy++)
        for (int64_t ox = 0; ox < p->dst.w; ox++) {
            const window v = window_at(&p->src, k, oy, ox);
            const int64_t out = (oy * p->dst.w + ox) * p->src.block;
            if (is_whole(k, v))
                max_window(p, k, whole_window(k, oy, ox), src, dst + out, index ? index + out : NULL);
            else
                max_window(p, k, v, src, dst + out, index ? index + out : NULL);
        }
}

static void max(const oc_pool *p, const void *src, void *dst, uint8_t *index, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
        const oc_stored *from = (const oc_stored *)src + part_at(&p->src, i);
        oc_stored *result = dst;
        const int64_t to = part_at(&p->dst, i);
        uint8_t *of = index ? index + to : NULL;
        if (is_shape(p, &tiles))
            max_part(p, tiles, from, result + to, of);
        else if (is_shape(p, &stem))
            max_part(p, stem, from, result + to, of);
        else
            max_part(p, shape_of(p), from, result + to, of);
    }
}

/* Windows that tile the image, in vectors: each writes its whole share, the winner's gradient and the others' zeros. */
static void max_backward_tiles(const oc_pool *p, const oc_stored *diff_dst, const uint8_t *index, oc_stored *diff_src) {
    const int64_t block = p->src.block, w = p->src.w;
    for (int64_t oy = 0; oy < p->dst.h; oy++)
        for (int64_t ox = 0; ox < p->dst.w; ox++)
            for (int64_t c = 0; c < block; c += OC_LANES, diff_dst += OC_LANES, index += OC_LANES) {
                const oc_patterns winner = oc_load_bytes(index), diff = oc_load_patterns(diff_dst);
                oc_stored *to = diff_src + (oy * 2 * w + ox * 2) * block + c;
                oc_store_patterns(to, oc_where(winner, 0, diff));
                oc_store_patterns(to + block, oc_where(winner, 1, diff));
                oc_store_patterns(to + w * block, oc_where(winner, 2, diff));
                oc_store_patterns(to + (w + 1) * block, oc_where(winner, 3, diff));
            }
}

/* What window (oy, ox), which may not exist, gives its pixel `place`: the winner its gradient. */
typedef struct given {
    oc_ints winner, diff;
} given;

OC_INLINE given given_by(const oc_pool *p, const oc_stored *diff_dst, const uint8_t *index, int64_t oy, int64_t ox) {
    if (oy >= p->dst.h || ox >= p->dst.w) return (given){{0}, {0}};
    const int64_t at = (oy * p->dst.w + ox) * p->src.block;
    return (given){oc_bytes_load(index + at), (oc_ints)oc_load_stored(diff_dst + at)};
}

OC_INLINE oc_floats given_to(given from, int32_t place) {
    return (oc_floats)(from.diff & (from.winner == place));
}

/* The stem's windows, in vectors: four of them share the 2×2 pixels at the first one's centre, which are summed in the
 * order of the windows and written once. */
static void max_backward_stem(const oc_pool *p, const oc_stored *diff_dst, const uint8_t *index, oc_stored *diff_src) {
    const int64_t block = p->src.block, h = p->src.h, w = p->src.w;
    for (int64_t c = 0; c < block; c += OC_LANES, diff_dst += OC_LANES, index += OC_LANES)
        for (int64_t oy = 0; oy < p->dst.h; oy++) {
            given a = given_by(p, diff_dst, index, oy, 0), b = given_by(p, diff_dst, index, oy + 1, 0);
            for (int64_t ox = 0; ox < p->dst.w; ox++) {
                const given right = given_by(p, diff_dst, index, oy, ox + 1);
                const given below = given_by(p, diff_dst, index, oy + 1, ox + 1);
                oc_stored *to = diff_src + (2 * oy * w + 2 * ox) * block + c;
                const bool column = 2 * ox + 1 < w, row = 2 * oy + 1 < h;
                oc_store_stored(to, given_to(a, 4));
                if (column) oc_store_stored(to + block, given_to(a, 5) + given_to(right, 3));
                if (row) oc_store_stored(to + w * block, given_to(a, 7) + given_to(b, 1));
                if (row && column)
                    oc_store_stored(to + (w + 1) * block,
                                    given_to(a, 8) + given_to(right, 6) + given_to(b, 2) + given_to(below, 0));
                a = right;
                b = below;
            }
        }
}

/* Any windows: the image is cleared first, and each adds to its winner. */
static void max_backward_part(const oc_pool *p, const oc_stored *diff_dst, const uint8_t *index, oc_stored *diff_src) {
    const int64_t block = p->src.block, h = p->src.h, w = p->src.w;
    memset(diff_src, 0, (size_t)(h * w * block) * sizeof *diff_src);
    for (int64_t oy = 0; oy < p->dst.h; oy++)
        for (int64_t ox = 0; ox < p->dst.w; ox++, diff_dst += block, index += block)
            for (int64_t c = 0; c < block; c++) {
                const int64_t y = oy * p->stride - p->pad + index[c] / p->size;
                const int64_t x = ox * p->stride - p->pad + index[c] % p->size;
                add(diff_src + (y * w + x) * block + c, oc_widen(diff_dst[c]));
            }
}

static void max_backward(const oc_pool *p, const void *diff_dst, const uint8_t *index, void *diff_src, int64_t begin,
                         int64_t end) {
    const bool whole = p->src.block % OC_LANES == 0;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = part_at(&p->dst, i);
        const oc_stored *from = (const oc_stored *)diff_dst + at;
        oc_stored *to = (oc_stored *)diff_src + part_at(&p->src, i);
        if (whole && is_shape(p, &tiles))
            max_backward_tiles(p, from, index + at, to);
        else if (whole && is_shape(p, &stem))
            max_backward_stem(p, from, index + at, to);
        else
            max_backward_part(p, from, index + at, to);
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
                    for (int64_t x = v.x0; x < v.x1; x++) sum += oc_load_stored(src + pixel_at(v, y, x, w, block) + c);
                oc_store_stored(dst + c, sum / count);
            }
            for (; c < block; c++) {
                float sum = 0;
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++) sum += oc_widen(src[pixel_at(v, y, x, w, block) + c]);
                dst[c] = oc_narrow(sum / count);
            }
        }
}

static void average(const oc_pool *p, const void *src, void *dst, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
        const oc_stored *from = (const oc_stored *)src + part_at(&p->src, i);
        oc_stored *to = (oc_stored *)dst + part_at(&p->dst, i);
        if (is_shape(p, &tiles))
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
                        oc_stored *to = diff_src + pixel_at(v, y, x, w, block) + c;
                        oc_store_stored(to, oc_load_stored(to) + share);
                    }
            }
            for (; c < block; c++)
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++)
                        add(diff_src + pixel_at(v, y, x, w, block) + c, oc_widen(diff_dst[c]) / count);
        }
}

static void average_backward(const oc_pool *p, const void *diff_dst, void *diff_src, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
        average_backward_part(p, shape_of(p), (const oc_stored *)diff_dst + part_at(&p->dst, i),
                              (oc_stored *)diff_src + part_at(&p->src, i));
}

/* ---- The mean of all pixels ---- */

#define TILE 64 /* pixels */

/* Of src, and of src_1 added to it if `two`. */
OC_INLINE void mean_part(const bool two, const oc_stored *src, const oc_stored *src_1, int64_t pixels, int64_t block,
                         float *dst) {
    int64_t c = 0;
    for (; c + OC_LANES <= block; c += OC_LANES) {
        oc_doubles sum = {0};
        for (int64_t at = 0; at < pixels; at += TILE) {
            const int64_t end = pixels - at < TILE ? pixels : at + TILE;
            oc_floats tile = {0};
            for (int64_t p = at; p < end; p++) {
                oc_floats v = oc_load_stored(src + p * block + c);
                if (two) v += oc_load_stored(src_1 + p * block + c);
                tile += v;
            }
            sum += __builtin_convertvector(tile, oc_doubles);
        }
        oc_store(dst + c, __builtin_convertvector(sum / (double)pixels, oc_floats));
    }
    for (; c < block; c++) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; p++) {
            float v = oc_widen(src[p * block + c]);
            if (two) v += oc_widen(src_1[p * block + c]);
            sum += v;
        }
        dst[c] = (float)(sum / (double)pixels);
    }
}

static void mean(const oc_map *src_map, const void *src, const oc_map *dst_map, float *dst, int64_t begin,
                 int64_t end) {
    for (int64_t i = begin; i < end; i++)
        mean_part(false, (const oc_stored *)src + part_at(src_map, i), NULL, src_map->h * src_map->w, src_map->block,
                  dst + part_at(dst_map, i));
}

static void mean_of_sum(const oc_map *src_map, const void *src, const void *src_1, const oc_map *dst_map, float *dst,
                        int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = part_at(src_map, i);
        mean_part(true, (const oc_stored *)src + at, (const oc_stored *)src_1 + at, src_map->h * src_map->w,
                  src_map->block, dst + part_at(dst_map, i));
    }
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
                                         .mean_of_sum = mean_of_sum,
                                         .mean_backward = mean_backward};
