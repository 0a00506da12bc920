/* Direct convolution. */
#include "kernels/direct.h"

#include <stddef.h>

#include "kernels/lanes.h"

/* Pixels whose sums stay in registers at a time. */
#if defined OC_LEVEL_AVX512
#define TILE 16
#elif defined OC_LEVEL_AVX2 || defined OC_LEVEL_WIDE
#define TILE 8
#else
#define TILE 4
#endif

#define TAPS 256 /* of a filter's row or column; longer ones go by elements */
#define PARTS 8  /* of the sum over the images, at most */
#define INPUTS 8 /* input channels whose weights' gradients stay in registers at a time */

static int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* The map that is read and the one that is written. */
static const oc_map *from_of(const oc_direct *c) {
    return c->data ? &c->dst : &c->src;
}

static const oc_map *to_of(const oc_direct *c) {
    return c->data ? &c->src : &c->dst;
}

/* Channels of a group in the map that is read, and in the one that is written. */
static int64_t inputs_of(const oc_direct *c) {
    return from_of(c)->channels / c->groups;
}

static int64_t outputs_of(const oc_direct *c) {
    return to_of(c)->channels / c->groups;
}

static int64_t channel_at(const oc_map *map, int64_t c) {
    return c / map->block * map->block_stride + c % map->block;
}

static void plan(oc_direct *c) {
    const oc_map *from = from_of(c), *to = to_of(c);
    const int64_t inputs = inputs_of(c), outputs = outputs_of(c);
    const bool blocks = to->block == OC_LANES && c->kh <= TAPS && c->kw <= TAPS;
    c->way = OC_DIRECT_ELEMENTS;
    if (blocks && (c->groups == 1 || outputs % OC_LANES == 0)) c->way = OC_DIRECT_CHANNELS;
    if (blocks && from->block == OC_LANES && c->groups > 1 && inputs == outputs && OC_LANES % inputs == 0 &&
        inputs < OC_LANES)
        c->way = OC_DIRECT_LANES;
    c->filter_blocks = to->blocks;
    c->filter_floats = c->way == OC_DIRECT_ELEMENTS ? to->channels * inputs * c->kh * c->kw
                                                    : to->blocks * inputs * c->kh * c->kw * OC_LANES;
    c->items = to->images * to->blocks;
    c->parts = to->images < PARTS ? to->images : PARTS;
    c->units = c->parts * to->blocks;
    c->sums_floats = c->parts * to->blocks * to->block * (inputs * c->kh * c->kw + 1);
}

/* ---- Filters: [block of outputs][input of a group][kh][kw][lane], by elements [output][input][kh][kw] ---- */

/* The weight between an output and input i of its group, of the map that is written and the one that is read. */
static float weight_of(const oc_direct *c, const float *weights, int64_t output, int64_t i, int64_t tap) {
    const int64_t taps = c->kh * c->kw, outputs = outputs_of(c), inputs = inputs_of(c);
    return c->data ? weights[((output / outputs * inputs + i) * outputs + output % outputs) * taps + tap]
                   : weights[(output * inputs + i) * taps + tap];
}

static void filters(const oc_direct *c, const float *weights, float *packed, int64_t begin, int64_t end) {
    const oc_map *to = to_of(c);
    const int64_t inputs = inputs_of(c), taps = c->kh * c->kw, row = inputs * taps;
    for (int64_t block = begin; block < end; block++)
        for (int64_t lane = 0; lane < to->block; lane++) {
            const int64_t output = block * to->block + lane;
            const bool there = output < to->channels;
            if (c->way == OC_DIRECT_ELEMENTS) {
                for (int64_t k = 0; there && k < row; k++)
                    packed[output * row + k] = weight_of(c, weights, output, k / taps, k % taps);
            } else {
                for (int64_t k = 0; k < row; k++)
                    packed[(block * row + k) * OC_LANES + lane] =
                        there ? weight_of(c, weights, output, k / taps, k % taps) : 0;
            }
        }
}

/* ---- Taps: which pixels of a row (or column) meet which ---- */

/* For the pixels phase + step·t of the map that is written, tap k meets the pixels at[k] + stride·t of the one that is
 * read: forward step 1 and the convolution's stride; by data the other way round, where taps meet a phase or do not. */
typedef struct line {
    int64_t step, stride;
    int count;
    int16_t tap[TAPS];
    int64_t at[TAPS];
    int64_t inner, outer; /* t in [inner, outer): every tap meets a pixel */
} line;

static int64_t floor_divide(int64_t a, int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

static void line_fill(line *l, const oc_direct *c, int64_t taps, int64_t phase, int64_t read, int64_t pixels) {
    l->step = c->data ? c->stride : 1;
    l->stride = c->data ? 1 : c->stride;
    l->count = 0;
    l->inner = 0;
    l->outer = pixels;
    for (int64_t k = 0; k < taps; k++) {
        int64_t at = k * c->dilation - c->pad;
        if (c->data) {
            at = phase + c->pad - k * c->dilation;
            if (at - floor_divide(at, c->stride) * c->stride) continue;
            at = floor_divide(at, c->stride);
        }
        l->tap[l->count] = (int16_t)k;
        l->at[l->count++] = at;
        /* 0 <= at + stride·t < read */
        const int64_t first = at < 0 ? divide_up(-at, l->stride) : 0;
        const int64_t last = floor_divide(read - 1 - at, l->stride) + 1;
        if (first > l->inner) l->inner = first;
        if (last < l->outer) l->outer = last;
    }
    if (l->inner > pixels) l->inner = pixels;
    if (l->outer < l->inner) l->outer = l->inner;
}

/* Pixels of a phase. */
static int64_t pixels_of(int64_t size, int64_t phase, int64_t step) {
    return phase < size ? divide_up(size - phase, step) : 0;
}

/* ---- Forward and by data ---- */

/* What a tile is computed from. */
typedef struct tile_args {
    const oc_direct *conv;
    const float *image;   /* of the map that is read */
    const float *filters; /* of the block of outputs */
    int64_t group;        /* CHANNELS: of the block; LANES: the block */
    const line *rows, *columns;
    int64_t y, x; /* numbers t of the first pixel, in its phase */
    bool inner;   /* every column's tap meets all pixels of the tile */
} tile_args;

#if defined OC_LEVEL_AVX512
OC_INLINE oc_floats permute(oc_floats v, oc_ints index) {
    return (oc_floats)_mm512_permutexvar_ps((__m512i)index, (__m512)v);
}
#elif defined OC_LEVEL_AVX2
OC_INLINE oc_floats permute(oc_floats v, oc_ints index) {
    return (oc_floats)_mm256_permutevar8x32_ps((__m256)v, (__m256i)index);
}
#else
OC_INLINE oc_floats permute(oc_floats v, oc_ints index) {
    oc_floats to;
    for (int l = 0; l < OC_LANES; l++) to[l] = v[index[l]];
    return to;
}
#endif

/* For each lane, the place of input i of its group. */
OC_INLINE oc_ints lane_inputs(int64_t inputs, int64_t i) {
    oc_ints index;
    for (int l = 0; l < OC_LANES; l++) index[l] = (int32_t)(l / inputs * inputs + i);
    return index;
}

/* T pixels of a row, from `sum`, T being constant. */
OC_INLINE void tile_channels(const int T, const tile_args *a, oc_floats *sum) {
    const oc_direct *c = a->conv;
    const oc_map *from = from_of(c);
    const int64_t inputs = inputs_of(c), taps = c->kh * c->kw, step = a->columns->stride * from->block;
    for (int64_t i = 0; i < inputs; i++) {
        const float *channel = a->image + channel_at(from, a->group * inputs + i);
        for (int r = 0; r < a->rows->count; r++) {
            const int64_t y = a->rows->at[r] + a->rows->stride * a->y;
            if (y < 0 || y >= from->h) continue;
            const float *w = a->filters + (i * taps + a->rows->tap[r] * c->kw) * OC_LANES;
            for (int k = 0; k < a->columns->count; k++) {
                const int64_t x = a->columns->at[k] + a->columns->stride * a->x;
                if (!a->inner && (x < 0 || x >= from->w)) continue;
                const oc_floats weight = oc_load(w + a->columns->tap[k] * OC_LANES);
                const float *pixel = channel + (y * from->w + x) * from->block;
#pragma GCC unroll 16
                for (int t = 0; t < T; t++) sum[t] = oc_fma(oc_broadcast(pixel[t * step]), weight, sum[t]);
            }
        }
    }
}

OC_INLINE void tile_lanes(const int T, const tile_args *a, oc_floats *sum) {
    const oc_direct *c = a->conv;
    const oc_map *from = from_of(c);
    const int64_t inputs = inputs_of(c), taps = c->kh * c->kw, step = a->columns->stride * OC_LANES;
    const float *block = a->image + a->group * from->block_stride;
    for (int64_t i = 0; i < inputs; i++) {
        const oc_ints index = lane_inputs(inputs, i);
        for (int r = 0; r < a->rows->count; r++) {
            const int64_t y = a->rows->at[r] + a->rows->stride * a->y;
            if (y < 0 || y >= from->h) continue;
            const float *w = a->filters + (i * taps + a->rows->tap[r] * c->kw) * OC_LANES;
            for (int k = 0; k < a->columns->count; k++) {
                const int64_t x = a->columns->at[k] + a->columns->stride * a->x;
                if (!a->inner && (x < 0 || x >= from->w)) continue;
                const oc_floats weight = oc_load(w + a->columns->tap[k] * OC_LANES);
                const float *pixel = block + (y * from->w + x) * OC_LANES;
#pragma GCC unroll 16
                for (int t = 0; t < T; t++) sum[t] = oc_fma(permute(oc_load(pixel + t * step), index), weight, sum[t]);
            }
        }
    }
}

OC_INLINE oc_floats finished(const oc_finish *finish, oc_floats value, int64_t at) {
    for (int i = 0, adds = 0; i < finish->posts; i++) {
        if (finish->post[i] == OC_FINISH_RELU)
            value = oc_relu(value);
        else
            value += oc_load(finish->added[adds++] + at);
    }
    return value;
}

OC_INLINE void tile(const int T, const tile_args *a, oc_floats bias, const oc_finish *finish, float *to, int64_t at,
                    int64_t step) {
    oc_floats sum[TILE];
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) sum[t] = bias;
    if (a->conv->way == OC_DIRECT_LANES)
        tile_lanes(T, a, sum);
    else
        tile_channels(T, a, sum);
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) oc_store(to + at + t * step, finished(finish, sum[t], at + t * step));
}

/* The pixels [first, last) of a row; at the edges one by one. */
static void row(tile_args *a, oc_floats bias, const oc_finish *finish, float *to, int64_t at, int64_t step,
                int64_t pixels) {
    for (int64_t t = 0, n; t < pixels; t += n) {
        const int64_t left = a->columns->outer - t;
        a->x = t;
        a->inner = t >= a->columns->inner && left > 0;
        n = 1;
        if (a->inner) n = left >= TILE ? TILE : left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        if (n == TILE) tile(TILE, a, bias, finish, to, at + t * step, step);
#if TILE > 8
        else if (n == 8)
            tile(8, a, bias, finish, to, at + t * step, step);
#endif
#if TILE > 4
        else if (n == 4)
            tile(4, a, bias, finish, to, at + t * step, step);
#endif
        else if (n == 2)
            tile(2, a, bias, finish, to, at + t * step, step);
        else
            tile(1, a, bias, finish, to, at + t * step, step);
    }
}

static oc_floats bias_of(const oc_map *to, const float *bias, int64_t block) {
    oc_floats v = {0};
    for (int64_t l = 0; bias && l < OC_LANES && block * OC_LANES + l < to->channels; l++)
        v[l] = bias[block * OC_LANES + l];
    return v;
}

static void run_block(const oc_direct *c, const float *from, const float *filters_of_block, const oc_finish *finish,
                      float *to, int64_t image, int64_t block) {
    const oc_map *read = from_of(c), *write = to_of(c);
    const int64_t phases = c->data ? c->stride : 1;
    const oc_floats bias = bias_of(write, finish->bias, block);
    line rows, columns;
    tile_args a = {.conv = c,
                   .image = from + image * read->image_stride,
                   .filters = filters_of_block,
                   .group = c->way == OC_DIRECT_LANES ? block : block * OC_LANES / outputs_of(c),
                   .rows = &rows,
                   .columns = &columns};
    const int64_t base = image * write->image_stride + block * write->block_stride;
    for (int64_t px = 0; px < phases; px++) {
        const int64_t across = pixels_of(write->w, px, phases);
        line_fill(&columns, c, c->kw, px, read->w, across);
        for (int64_t py = 0; py < phases; py++) {
            const int64_t down = pixels_of(write->h, py, phases);
            line_fill(&rows, c, c->kh, py, read->h, down);
            for (a.y = 0; a.y < down; a.y++)
                row(&a, bias, finish, to, base + ((py + a.y * phases) * write->w + px) * OC_LANES, phases * OC_LANES,
                    across);
        }
    }
}

/* Which pixel of the map that is read tap k meets at pixel p of the other; −1: none. */
static int64_t met(const oc_direct *c, int64_t k, int64_t p, int64_t read) {
    int64_t at = c->data ? p + c->pad - k * c->dilation : p * c->stride + k * c->dilation - c->pad;
    if (c->data) {
        if (at < 0 || at % c->stride) return -1;
        at /= c->stride;
    }
    return at < read ? at : -1;
}

static float element(const oc_direct *c, const float *image, const float *w, int64_t group, int64_t y, int64_t x,
                     float sum) {
    const oc_map *from = from_of(c);
    const int64_t inputs = inputs_of(c);
    for (int64_t i = 0; i < inputs; i++)
        for (int64_t ky = 0; ky < c->kh; ky++) {
            const int64_t sy = met(c, ky, y, from->h);
            if (sy < 0) continue;
            for (int64_t kx = 0; kx < c->kw; kx++) {
                const int64_t sx = met(c, kx, x, from->w);
                if (sx < 0) continue;
                sum += image[channel_at(from, group * inputs + i) + (sy * from->w + sx) * from->block] *
                       w[(i * c->kh + ky) * c->kw + kx];
            }
        }
    return sum;
}

static void run_elements(const oc_direct *c, const float *from, const float *packed, const oc_finish *finish, float *to,
                         int64_t image, int64_t block) {
    const oc_map *read = from_of(c), *write = to_of(c);
    const int64_t row_floats = inputs_of(c) * c->kh * c->kw;
    for (int64_t lane = 0; lane < write->block; lane++) {
        const int64_t channel = block * write->block + lane;
        const bool there = channel < write->channels;
        for (int64_t y = 0; y < write->h; y++)
            for (int64_t x = 0; x < write->w; x++) {
                const int64_t at = image * write->image_stride + block * write->block_stride +
                                   (y * write->w + x) * write->block + lane;
                to[at] = 0;
                if (!there) continue;
                float value = element(c, from + image * read->image_stride, packed + channel * row_floats,
                                      channel / outputs_of(c), y, x, finish->bias ? finish->bias[channel] : 0);
                for (int i = 0, adds = 0; i < finish->posts; i++)
                    value = finish->post[i] == OC_FINISH_ADD ? value + finish->added[adds++][at]
                            : value < 0                      ? 0
                                                             : value;
                to[at] = value;
            }
    }
}

static void run(const oc_direct *c, const float *from, const float *packed, const oc_finish *finish, float *to,
                int64_t begin, int64_t end) {
    const int64_t blocks = to_of(c)->blocks, floats = inputs_of(c) * c->kh * c->kw * OC_LANES;
    for (int64_t item = begin; item < end; item++) {
        const int64_t image = item / blocks, block = item % blocks;
        if (c->way == OC_DIRECT_ELEMENTS)
            run_elements(c, from, packed, finish, to, image, block);
        else
            run_block(c, from, packed + block * floats, finish, to, image, block);
    }
}

/* ---- By weights: sums [part][block of outputs][input of a group][kh][kw][lane], then of the bias [lane] ---- */

static int64_t sums_at(const oc_direct *c, int64_t part, int64_t block) {
    return (part * c->dst.blocks + block) * c->dst.block * (inputs_of(c) * c->kh * c->kw + 1);
}

/* N inputs of one tap, over one image: N being constant. */
OC_INLINE void tap_inputs(const int N, const oc_direct *c, const float *src, const float *diff, int64_t group,
                          int64_t block, int64_t first, int64_t ky, int64_t kx, oc_floats *sum) {
    const oc_map *s = &c->src, *d = &c->dst;
    const bool lanes = c->way == OC_DIRECT_LANES;
    const int64_t inputs = inputs_of(c), dx = kx * c->dilation - c->pad;
    const int64_t x0 = dx < 0 ? divide_up(-dx, c->stride) : 0;
    const int64_t reach = floor_divide(s->w - 1 - dx, c->stride) + 1, x1 = reach < d->w ? reach : d->w;
    oc_ints index[INPUTS];
    const float *channel[INPUTS] = {NULL};
    for (int i = 0; i < N; i++) {
        if (lanes)
            index[i] = lane_inputs(inputs, first + i);
        else
            channel[i] = src + channel_at(s, group * inputs + first + i);
    }
    const float *whole = src + block * s->block_stride;
    for (int64_t y = 0; y < d->h; y++) {
        const int64_t sy = y * c->stride + ky * c->dilation - c->pad;
        if (sy < 0 || sy >= s->h) continue;
        const float *of_row = diff + y * d->w * OC_LANES;
        for (int64_t x = x0; x < x1; x++) {
            const int64_t at = (sy * s->w + x * c->stride + dx) * s->block;
            const oc_floats given = oc_load(of_row + x * OC_LANES);
            if (lanes) {
                const oc_floats pixel = oc_load(whole + at);
#pragma GCC unroll 8
                for (int i = 0; i < N; i++) sum[i] = oc_fma(permute(pixel, index[i]), given, sum[i]);
            } else {
#pragma GCC unroll 8
                for (int i = 0; i < N; i++) sum[i] = oc_fma(oc_broadcast(channel[i][at]), given, sum[i]);
            }
        }
    }
}

/* One image's share of a block's sums. */
static void image_sums(const oc_direct *c, const float *src, const float *diff, int64_t block, bool bias, float *sums) {
    const int64_t inputs = inputs_of(c), taps = c->kh * c->kw;
    const int64_t group = c->way == OC_DIRECT_LANES ? 0 : block * OC_LANES / outputs_of(c);
    for (int64_t first = 0, n; first < inputs; first += n) {
        const int64_t left = inputs - first;
        n = left >= INPUTS ? INPUTS : left >= 4 ? 4 : 1;
        for (int64_t tap = 0; tap < taps; tap++) {
            oc_floats sum[INPUTS] = {{0}};
            if (n == INPUTS)
                tap_inputs(INPUTS, c, src, diff, group, block, first, tap / c->kw, tap % c->kw, sum);
            else if (n == 4)
                tap_inputs(4, c, src, diff, group, block, first, tap / c->kw, tap % c->kw, sum);
            else
                tap_inputs(1, c, src, diff, group, block, first, tap / c->kw, tap % c->kw, sum);
            for (int64_t i = 0; i < n; i++) {
                float *to = sums + ((first + i) * taps + tap) * OC_LANES;
                oc_store(to, oc_load(to) + sum[i]);
            }
        }
    }
    if (!bias) return;
    oc_floats sum = {0};
    for (int64_t p = 0; p < c->dst.h * c->dst.w; p++) sum += oc_load(diff + p * OC_LANES);
    float *to = sums + inputs * taps * OC_LANES;
    oc_store(to, oc_load(to) + sum);
}

static void image_elements(const oc_direct *c, const float *src, const float *diff, int64_t block, bool bias,
                           float *sums) {
    const oc_map *s = &c->src, *d = &c->dst;
    const int64_t inputs = inputs_of(c), taps = c->kh * c->kw;
    for (int64_t lane = 0; lane < d->block && block * d->block + lane < d->channels; lane++) {
        const int64_t group = (block * d->block + lane) / outputs_of(c);
        for (int64_t k = 0; k < inputs * taps + (bias ? 1 : 0); k++) {
            const bool of_bias = k == inputs * taps;
            const int64_t channel = of_bias ? 0 : channel_at(s, group * inputs + k / taps);
            double sum = 0;
            for (int64_t y = 0; y < d->h; y++)
                for (int64_t x = 0; x < d->w; x++) {
                    const double given = diff[(y * d->w + x) * d->block + lane];
                    const int64_t sy = of_bias ? 0 : met(c, k % taps / c->kw, y, s->h);
                    const int64_t sx = of_bias ? 0 : met(c, k % taps % c->kw, x, s->w);
                    if (sy < 0 || sx < 0) continue;
                    sum += of_bias ? given : given * (double)src[channel + (sy * s->w + sx) * s->block];
                }
            sums[k * d->block + lane] += (float)sum;
        }
    }
}

static void unit(const oc_direct *c, int64_t number, const float *src, const float *diff_dst, bool bias, float *sums) {
    const oc_map *s = &c->src, *d = &c->dst;
    const int64_t part = number / d->blocks, block = number % d->blocks;
    float *to = sums + sums_at(c, part, block);
    memset(to, 0, (size_t)(sums_at(c, 0, 1)) * sizeof *to);
    for (int64_t n = d->images * part / c->parts; n < d->images * (part + 1) / c->parts; n++) {
        const float *image = src + n * s->image_stride;
        const float *diff = diff_dst + n * d->image_stride + block * d->block_stride;
        if (c->way == OC_DIRECT_ELEMENTS)
            image_elements(c, image, diff, block, bias, to);
        else
            image_sums(c, image, diff, block, bias, to);
    }
}

static void reduce(const oc_direct *c, const float *sums, float *diff_weights, float *diff_bias, int64_t begin,
                   int64_t end) {
    const int64_t row_floats = inputs_of(c) * c->kh * c->kw, block = c->dst.block;
    for (int64_t o = begin; o < end; o++)
        for (int64_t k = 0; k < row_floats + (diff_bias ? 1 : 0); k++) {
            double sum = 0;
            for (int64_t part = 0; part < c->parts; part++)
                sum += (double)sums[sums_at(c, part, o / block) + k * block + o % block];
            if (k < row_floats)
                diff_weights[o * row_floats + k] = (float)sum;
            else
                diff_bias[o] = (float)sum;
        }
}

const oc_direct_kernels OC_DIRECT_KERNELS = {
    .plan = plan, .filters = filters, .run = run, .unit = unit, .reduce = reduce};
