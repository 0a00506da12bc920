/* Batch norm: sums over tiles, what they give, and the two passes that write. No multiply-add is fused, so that every
 * level computes the same bits where a block fills its vectors. */
#include "kernels/norm.h"

#include <math.h>

#include "kernels/parts.h"

/* rows[k] of the arguments; the first three say y = (src − center)·factor + offset, the others
 * diff_src = g·factor + ((src − center)·slope + constant). Padding has zeros in all, and so remains zero. */
enum { CENTER, FACTOR, OFFSET, SLOPE, CONSTANT };

static float *row_of(const oc_norm_args *args, int row, int64_t block) {
    return args->rows + (block * OC_NORM_ROWS + row) * args->map.block;
}

static double *sums_of(const oc_norm_args *args, int64_t part) {
    return args->sums + part * 2 * args->map.block;
}

static int64_t pixels_of(const oc_norm_args *args) {
    return args->map.h * args->map.w;
}

/* Where part i begins. */
static int64_t part_at(const oc_map *map, int64_t i) {
    return i % map->images * map->image_stride + i / map->images * map->block_stride;
}

/* Channels of a block that are no padding. */
static int64_t channels_of(const oc_map *map, int64_t block) {
    const int64_t left = map->channels - block * map->block;
    return left < map->block ? left : map->block;
}

/* ---- Sums ---- */

/* The sum of a run of at most OC_TILE vectors, and of squared distances from its mean: of four chains each. */
OC_INLINE void moments(const oc_stored *src, int64_t count, int64_t stride, int lanes, oc_floats *sum,
                       oc_floats *squares) {
    oc_four s = {{{0}}}, q = {{{0}}};
    int64_t p = 0;
    for (; p + 4 <= count; p += 4) {
        const oc_four x = oc_load_four(src + p * stride, stride, lanes);
        for (int k = 0; k < 4; k++) s.v[k] += x.v[k];
    }
    s = oc_four_apart(&s, stride, lanes);
    for (; p < count; p++) s.v[0] += oc_load_stored_some(src + p * stride, lanes);
    const oc_floats total = oc_four_sum(&s), mean = total / (float)count;
    const oc_four means = oc_four_of(mean, stride, lanes);
    for (p = 0; p + 4 <= count; p += 4) {
        const oc_four x = oc_load_four(src + p * stride, stride, lanes);
        for (int k = 0; k < 4; k++) {
            const oc_floats d = x.v[k] - means.v[k];
            q.v[k] += d * d;
        }
    }
    q = oc_four_apart(&q, stride, lanes);
    for (; p < count; p++) {
        const oc_floats d = oc_load_stored_some(src + p * stride, lanes) - mean;
        q.v[0] += d * d;
    }
    *sum = total;
    *squares = oc_four_sum(&q);
}

static void sums(const oc_norm_args *args, int64_t begin, int64_t end) {
    const oc_map *map = &args->map;
    const int64_t pixels = pixels_of(args), block = map->block, tile = oc_tile_pixels(block);
    for (int64_t i = begin; i < end; i++) {
        const oc_stored *src = (const oc_stored *)args->src + part_at(map, i);
        double *row = sums_of(args, i);
        memset(row, 0, (size_t)block * 2 * sizeof *row);
        for (int64_t p = 0; p < pixels; p += tile) {
            const int64_t some = pixels - p < tile ? pixels - p : tile;
            for (oc_run run = {0}; oc_run_next(&run, some, block);) {
                const oc_stored *at = src + p * block + run.at;
                oc_floats sum, squares;
                if (run.lanes < OC_LANES)
                    moments(at, run.count, run.stride, run.lanes, &sum, &squares);
                else if (run.stride == OC_LANES)
                    moments(at, run.count, OC_LANES, OC_LANES, &sum, &squares);
                else
                    moments(at, run.count, run.stride, OC_LANES, &sum, &squares);
                const oc_doubles s = __builtin_convertvector(sum, oc_doubles);
                oc_row_add(row, &run, block, s);
                oc_row_add(row + block, &run, block,
                           __builtin_convertvector(squares, oc_doubles) + s * s / (double)run.count);
            }
        }
    }
}

/* Joins what the images of a block have, in order, in the first one's row, which is returned. */
static const double *join(const oc_norm_args *args, int64_t block) {
    const int64_t numbers = 2 * args->map.block;
    double *joined = sums_of(args, block * args->map.images);
    for (int64_t n = 1; n < args->map.images; n++) {
        const double *row = joined + n * numbers;
        OC_INDEPENDENT
        for (int64_t i = 0; i < numbers; i++) joined[i] += row[i];
    }
    return joined;
}

static void statistics(const oc_norm_args *args, int64_t first, int64_t last) {
    const oc_map *map = &args->map;
    const double count = (double)(map->images * pixels_of(args));
    for (int64_t b = first; b < last; b++) {
        const double *sum = join(args, b), *squares = sum + map->block;
        for (int64_t c = 0; c < channels_of(map, b); c++) {
            const double mean = sum[c] / count, variance = squares[c] / count - mean * mean;
            args->mean[b * map->block + c] = (float)mean;
            args->variance[b * map->block + c] = variance < 0 ? 0.0F : (float)variance; /* NaN stays NaN */
        }
    }
}

/* ---- Forward ---- */

static double inverse_deviation(const oc_norm_args *args, int64_t channel) {
    return 1 / sqrt((double)args->variance[channel] + args->epsilon);
}

static void prepare(const oc_norm_args *args, int64_t first, int64_t last) {
    const oc_map *map = &args->map;
    for (int64_t b = first; b < last; b++) {
        for (int row = 0; row < OC_NORM_ROWS; row++)
            memset(row_of(args, row, b), 0, (size_t)map->block * sizeof *args->rows);
        for (int64_t c = 0; c < channels_of(map, b); c++) {
            const int64_t channel = b * map->block + c;
            row_of(args, CENTER, b)[c] = args->mean[channel];
            row_of(args, FACTOR, b)[c] = (float)(args->scale[channel] * inverse_deviation(args, channel));
            row_of(args, OFFSET, b)[c] = args->shift[channel];
        }
    }
}

OC_INLINE oc_floats normalized(oc_floats x, oc_floats center, oc_floats factor, oc_floats offset, bool relu) {
    const oc_floats y = (x - center) * factor + offset;
    return relu ? oc_relu(y) : y;
}

OC_INLINE void normalize(const oc_stored *src, oc_stored *dst, int64_t count, int64_t stride, int lanes,
                         oc_floats center, oc_floats factor, oc_floats offset, bool relu) {
    const oc_four centers = oc_four_of(center, stride, lanes), factors = oc_four_of(factor, stride, lanes);
    const oc_four offsets = oc_four_of(offset, stride, lanes);
    int64_t p = 0;
    for (; p + 4 <= count; p += 4) {
        oc_four x = oc_load_four(src + p * stride, stride, lanes);
        for (int k = 0; k < 4; k++) x.v[k] = normalized(x.v[k], centers.v[k], factors.v[k], offsets.v[k], relu);
        oc_store_four(dst + p * stride, &x, stride, lanes);
    }
    for (; p < count; p++) {
        const oc_floats x = oc_load_stored_some(src + p * stride, lanes);
        oc_store_stored_some(dst + p * stride, normalized(x, center, factor, offset, relu), lanes);
    }
}

OC_INLINE void forward_part(const oc_norm_args *args, int64_t i, bool relu) {
    const oc_map *map = &args->map;
    const int64_t at = part_at(map, i), block = map->block, b = i / map->images;
    for (oc_run run = {0}; oc_run_next(&run, pixels_of(args), block);) {
        const oc_floats center = oc_row_load(row_of(args, CENTER, b), &run, block);
        const oc_floats factor = oc_row_load(row_of(args, FACTOR, b), &run, block);
        const oc_floats offset = oc_row_load(row_of(args, OFFSET, b), &run, block);
        const oc_stored *src = (const oc_stored *)args->src + at + run.at;
        oc_stored *dst = (oc_stored *)args->dst + at + run.at;
        if (run.lanes < OC_LANES)
            normalize(src, dst, run.count, run.stride, run.lanes, center, factor, offset, relu);
        else if (run.stride == OC_LANES)
            normalize(src, dst, run.count, OC_LANES, OC_LANES, center, factor, offset, relu);
        else
            normalize(src, dst, run.count, run.stride, OC_LANES, center, factor, offset, relu);
    }
}

static void forward(const oc_norm_args *args, int64_t begin, int64_t end) {
    if (args->relu)
        for (int64_t i = end; i-- > begin;) forward_part(args, i, true);
    else
        for (int64_t i = end; i-- > begin;) forward_part(args, i, false);
}

/* ---- Backward ---- */

/* A run's source and gradient, and its channels' numbers. */
typedef struct view {
    const oc_stored *src, *diff_dst;
    oc_floats center, factor, offset, share;
} view;

/* Each pixel's share of the gradient of a mean over part i. */
OC_INLINE oc_floats share_of(const oc_norm_args *args, int64_t i, const oc_run *run) {
    const oc_map *map = &args->map;
    if (!args->diff_mean) return (oc_floats){0};
    const float *row = args->diff_mean + (i % map->images * map->blocks + i / map->images) * map->block;
    return oc_row_load(row, run, map->block) / (float)pixels_of(args);
}

/* Of part i, a run that begins at element `at` of the maps. */
OC_INLINE view view_of(const oc_norm_args *args, int64_t at, int64_t i, const oc_run *run) {
    const int64_t block = args->map.block, b = i / args->map.images;
    return (view){.src = (const oc_stored *)args->src + at,
                  .diff_dst = (const oc_stored *)args->diff_dst + at,
                  .center = oc_row_load(row_of(args, CENTER, b), run, block),
                  .factor = oc_row_load(row_of(args, FACTOR, b), run, block),
                  .offset = oc_row_load(row_of(args, OFFSET, b), run, block),
                  .share = share_of(args, i, run)};
}

/* The numbers of a run's channels, as they go with four of its vectors. */
typedef struct fours {
    oc_four center, factor, offset, share;
} fours;

OC_INLINE fours fours_of(const view *v, int64_t stride, int lanes) {
    return (fours){oc_four_of(v->center, stride, lanes), oc_four_of(v->factor, stride, lanes),
                   oc_four_of(v->offset, stride, lanes), oc_four_of(v->share, stride, lanes)};
}

/* The gradient before the ReLU, of g behind it. */
OC_INLINE oc_floats before_relu(oc_floats g, oc_floats distance, oc_floats factor, oc_floats offset, bool relu) {
    return relu ? oc_where_positive(distance * factor + offset, g) : g;
}

/* That gradient, and the distance from the mean: of a vector, and of four. */
OC_INLINE oc_floats gradient(const view *v, int64_t i, int lanes, bool relu, oc_floats *distance) {
    const oc_floats g = oc_load_stored_some(v->diff_dst + i, lanes) + v->share;
    *distance = oc_load_stored_some(v->src + i, lanes) - v->center;
    return before_relu(g, *distance, v->factor, v->offset, relu);
}

OC_INLINE oc_four gradient_four(const view *v, const fours *f, int64_t i, int64_t stride, int lanes, bool relu,
                                oc_four *distance) {
    oc_four g = oc_load_four(v->diff_dst + i, stride, lanes);
    *distance = oc_load_four(v->src + i, stride, lanes);
    for (int k = 0; k < 4; k++) {
        distance->v[k] -= f->center.v[k];
        g.v[k] = before_relu(g.v[k] + f->share.v[k], distance->v[k], f->factor.v[k], f->offset.v[k], relu);
    }
    return g;
}

/* Sums over a run of at most OC_TILE vectors. */
OC_INLINE void products(const view *v, int64_t count, int64_t stride, int lanes, bool relu, oc_floats *sum,
                        oc_floats *product) {
    const fours f = fours_of(v, stride, lanes);
    oc_four s = {{{0}}}, q = {{{0}}};
    int64_t p = 0;
    for (; p + 4 <= count; p += 4) {
        oc_four d;
        const oc_four g = gradient_four(v, &f, p * stride, stride, lanes, relu, &d);
        for (int k = 0; k < 4; k++) {
            s.v[k] += g.v[k];
            q.v[k] += g.v[k] * d.v[k];
        }
    }
    s = oc_four_apart(&s, stride, lanes);
    q = oc_four_apart(&q, stride, lanes);
    for (; p < count; p++) {
        oc_floats d;
        const oc_floats g = gradient(v, p * stride, lanes, relu, &d);
        s.v[0] += g;
        q.v[0] += g * d;
    }
    *sum = oc_four_sum(&s);
    *product = oc_four_sum(&q);
}

OC_INLINE void backward_sums_part(const oc_norm_args *args, int64_t i, bool relu) {
    const oc_map *map = &args->map;
    const int64_t pixels = pixels_of(args), block = map->block, tile = oc_tile_pixels(block);
    double *row = sums_of(args, i);
    memset(row, 0, (size_t)block * 2 * sizeof *row);
    for (int64_t p = 0; p < pixels; p += tile) {
        const int64_t some = pixels - p < tile ? pixels - p : tile;
        for (oc_run run = {0}; oc_run_next(&run, some, block);) {
            const view v = view_of(args, part_at(map, i) + p * block + run.at, i, &run);
            oc_floats sum, product;
            if (run.lanes < OC_LANES)
                products(&v, run.count, run.stride, run.lanes, relu, &sum, &product);
            else if (run.stride == OC_LANES)
                products(&v, run.count, OC_LANES, OC_LANES, relu, &sum, &product);
            else
                products(&v, run.count, run.stride, OC_LANES, relu, &sum, &product);
            oc_row_add(row, &run, block, __builtin_convertvector(sum, oc_doubles));
            oc_row_add(row + block, &run, block, __builtin_convertvector(product, oc_doubles));
        }
    }
}

static void backward_sums(const oc_norm_args *args, int64_t begin, int64_t end) {
    if (args->relu)
        for (int64_t i = begin; i < end; i++) backward_sums_part(args, i, true);
    else
        for (int64_t i = begin; i < end; i++) backward_sums_part(args, i, false);
}

static void backward_join(const oc_norm_args *args, int64_t first, int64_t last) {
    const oc_map *map = &args->map;
    const double count = (double)(map->images * pixels_of(args));
    for (int64_t b = first; b < last; b++) {
        const double *sum = join(args, b), *product = sum + map->block;
        for (int64_t c = 0; c < channels_of(map, b); c++) {
            const int64_t channel = b * map->block + c;
            const double inverse = inverse_deviation(args, channel), factor = args->scale[channel] * inverse;
            args->diff_shift[channel] = (float)sum[c];
            args->diff_scale[channel] = (float)(product[c] * inverse);
            row_of(args, SLOPE, b)[c] = (float)(-factor * inverse * inverse * product[c] / count);
            row_of(args, CONSTANT, b)[c] = (float)(-factor * sum[c] / count);
        }
    }
}

OC_INLINE oc_floats of_src(oc_floats g, oc_floats distance, oc_floats factor, oc_floats slope, oc_floats constant,
                           bool fixed) {
    return fixed ? g * factor : g * factor + (distance * slope + constant);
}

OC_INLINE void gradients(const view *v, oc_stored *diff_src, int64_t count, int64_t stride, int lanes, bool relu,
                         bool fixed, oc_floats slope, oc_floats constant) {
    const fours f = fours_of(v, stride, lanes);
    const oc_four slopes = oc_four_of(slope, stride, lanes), constants = oc_four_of(constant, stride, lanes);
    int64_t p = 0;
    for (; p + 4 <= count; p += 4) {
        oc_four d, g = gradient_four(v, &f, p * stride, stride, lanes, relu, &d);
        for (int k = 0; k < 4; k++) g.v[k] = of_src(g.v[k], d.v[k], f.factor.v[k], slopes.v[k], constants.v[k], fixed);
        oc_store_four(diff_src + p * stride, &g, stride, lanes);
    }
    for (; p < count; p++) {
        oc_floats d;
        const oc_floats g = gradient(v, p * stride, lanes, relu, &d);
        oc_store_stored_some(diff_src + p * stride, of_src(g, d, v->factor, slope, constant, fixed), lanes);
    }
}

OC_INLINE void backward_part(const oc_norm_args *args, int64_t i, bool relu, bool fixed) {
    const oc_map *map = &args->map;
    const int64_t at = part_at(map, i), block = map->block, b = i / map->images;
    for (oc_run run = {0}; oc_run_next(&run, pixels_of(args), block);) {
        const view v = view_of(args, at + run.at, i, &run);
        const oc_floats slope = oc_row_load(row_of(args, SLOPE, b), &run, block);
        const oc_floats constant = oc_row_load(row_of(args, CONSTANT, b), &run, block);
        oc_stored *diff_src = (oc_stored *)args->diff_src + at + run.at;
        if (run.lanes < OC_LANES)
            gradients(&v, diff_src, run.count, run.stride, run.lanes, relu, fixed, slope, constant);
        else if (run.stride == OC_LANES)
            gradients(&v, diff_src, run.count, OC_LANES, OC_LANES, relu, fixed, slope, constant);
        else
            gradients(&v, diff_src, run.count, run.stride, OC_LANES, relu, fixed, slope, constant);
    }
}

static void backward(const oc_norm_args *args, int64_t begin, int64_t end) {
    for (int64_t i = end; i-- > begin;) {
        if (args->fixed)
            args->relu ? backward_part(args, i, true, true) : backward_part(args, i, false, true);
        else
            args->relu ? backward_part(args, i, true, false) : backward_part(args, i, false, false);
    }
}

const oc_norm_kernels OC_NORM_KERNELS = {
    .sums = sums,
    .statistics = statistics,
    .prepare = prepare,
    .forward = forward,
    .backward_sums = backward_sums,
    .backward_join = backward_join,
    .backward = backward,
};
