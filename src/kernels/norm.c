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

/* The sum of a run of at most OC_TILE vectors, and of squared distances from its mean. */
OC_INLINE void moments(const oc_stored *src, int64_t count, int64_t stride, int lanes, oc_floats *sum,
                       oc_floats *squares) {
    oc_floats s[4] = {{0}}, q[4] = {{0}};
    int64_t p = 0;
    for (; p + 4 <= count; p += 4)
        for (int k = 0; k < 4; k++) s[k] += oc_load_stored_some(src + (p + k) * stride, lanes);
    for (; p < count; p++) s[0] += oc_load_stored_some(src + p * stride, lanes);
    const oc_floats total = (s[0] + s[1]) + (s[2] + s[3]), mean = total / (float)count;
    for (p = 0; p + 4 <= count; p += 4)
        for (int k = 0; k < 4; k++) {
            const oc_floats d = oc_load_stored_some(src + (p + k) * stride, lanes) - mean;
            q[k] += d * d;
        }
    for (; p < count; p++) {
        const oc_floats d = oc_load_stored_some(src + p * stride, lanes) - mean;
        q[0] += d * d;
    }
    *sum = total;
    *squares = (q[0] + q[1]) + (q[2] + q[3]);
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

OC_INLINE void normalize(const oc_stored *src, oc_stored *dst, int64_t count, int64_t stride, int lanes,
                         oc_floats center, oc_floats factor, oc_floats offset, bool relu) {
    for (int64_t i = 0; i < count * stride; i += stride) {
        const oc_floats y = (oc_load_stored_some(src + i, lanes) - center) * factor + offset;
        oc_store_stored_some(dst + i, relu ? oc_relu(y) : y, lanes);
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

/* The gradient before the ReLU, and the distance from the mean. */
OC_INLINE oc_floats gradient(const view *v, int64_t i, int lanes, bool relu, oc_floats *distance) {
    const oc_floats g = oc_load_stored_some(v->diff_dst + i, lanes) + v->share;
    *distance = oc_load_stored_some(v->src + i, lanes) - v->center;
    if (!relu) return g;
    return (oc_floats)((oc_ints)g & (*distance * v->factor + v->offset > 0));
}

/* Sums over a run of at most OC_TILE vectors. */
OC_INLINE void products(const view *v, int64_t count, int64_t stride, int lanes, bool relu, oc_floats *sum,
                        oc_floats *product) {
    oc_floats s[4] = {{0}}, q[4] = {{0}}, d;
    int64_t p = 0;
    for (; p + 4 <= count; p += 4)
        for (int k = 0; k < 4; k++) {
            const oc_floats g = gradient(v, (p + k) * stride, lanes, relu, &d);
            s[k] += g;
            q[k] += g * d;
        }
    for (; p < count; p++) {
        const oc_floats g = gradient(v, p * stride, lanes, relu, &d);
        s[0] += g;
        q[0] += g * d;
    }
    *sum = (s[0] + s[1]) + (s[2] + s[3]);
    *product = (q[0] + q[1]) + (q[2] + q[3]);
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

OC_INLINE void gradients(const view *v, oc_stored *diff_src, int64_t count, int64_t stride, int lanes, bool relu,
                         bool fixed, oc_floats slope, oc_floats constant) {
    for (int64_t i = 0; i < count * stride; i += stride) {
        oc_floats d, g = gradient(v, i, lanes, relu, &d) * v->factor;
        if (!fixed) g += d * slope + constant;
        oc_store_stored_some(diff_src + i, g, lanes);
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
