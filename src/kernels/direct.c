/* Direct convolution (direct.h): what a pass is made of, and the passes forward and by data. */
#include "kernels/direct.h"

#include <stddef.h>

#include "kernels/direct_parts.h"
#include "kernels/finished.h"

/* Results whose sums stay in registers at a time. */
#if defined OC_LEVEL_AVX512
#define TILE 16
#elif defined OC_LEVEL_AVX2 || defined OC_LEVEL_WIDE
#define TILE 8
#else
#define TILE 4
#endif

#define TOGETHER 3 /* taps side by side that share each pixel that is read */
#define CHAIN 128  /* products summed one after another: a sum of such chains has half the error of a single one */

/* Without a filter's width, all pixels of a map are one row. */
static void join_rows(oc_map *map) {
    map->w *= map->h;
    map->h = 1;
}

static void plan(oc_direct *c) {
    if (c->kh == 1 && c->kw == 1 && c->stride == 1 && c->pad == 0) {
        join_rows(&c->src);
        join_rows(&c->dst);
    }
    const oc_map *from = oc_from_of(c), *to = oc_to_of(c);
    const int64_t inputs = oc_inputs_of(c), outputs = oc_outputs_of(c);
    const bool blocks = to->block == OC_LANES && c->kh <= OC_TAPS && c->kw <= OC_TAPS;
    c->way = OC_DIRECT_ELEMENTS;
    if (blocks && (c->groups == 1 || outputs % OC_LANES == 0)) c->way = OC_DIRECT_CHANNELS;
    if (blocks && from->block == OC_LANES && c->groups > 1 && inputs == outputs && OC_LANES % inputs == 0 &&
        inputs < OC_LANES)
        c->way = OC_DIRECT_LANES;
    c->filter_blocks = to->blocks;
    c->filter_floats = c->way == OC_DIRECT_ELEMENTS ? to->channels * inputs * c->kh * c->kw
                                                    : to->blocks * inputs * c->kh * c->kw * OC_LANES;
    c->items = to->images * to->blocks;
    OC_DIRECT_WEIGHTS.plan(c);
}

/* ---- Filters: [block of outputs][input of a group][kh][kw][lane], by elements [output][input][kh][kw] ---- */

/* The weight between an output and input i of its group, of the map that is written and the one that is read. */
static float weight_of(const oc_direct *c, const float *weights, int64_t output, int64_t i, int64_t tap) {
    const int64_t taps = c->kh * c->kw, outputs = oc_outputs_of(c), inputs = oc_inputs_of(c);
    return c->data ? weights[((output / outputs * inputs + i) * outputs + output % outputs) * taps + tap]
                   : weights[(output * inputs + i) * taps + tap];
}

static void filters(const oc_direct *c, const float *weights, float *packed, int64_t begin, int64_t end) {
    const oc_map *to = oc_to_of(c);
    const int64_t inputs = oc_inputs_of(c), taps = c->kh * c->kw, row = inputs * taps;
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

/* For the pixels phase + step·t of the map that is written, tap[k] meets the pixels at[k] + stride·t of the one that is
 * read, at[] ascending: forward step 1 and the convolution's stride; by data the other way round, where taps meet a
 * phase or do not. */
typedef struct line {
    int64_t step, stride;
    int count;
    int16_t tap[OC_TAPS];
    int64_t at[OC_TAPS];
} line;

static void line_fill(line *l, const oc_direct *c, int64_t taps, int64_t phase) {
    l->step = c->data ? c->stride : 1;
    l->stride = c->data ? 1 : c->stride;
    l->count = 0;
    for (int64_t k = 0; k < taps; k++) {
        const int64_t tap = c->data ? taps - 1 - k : k;
        int64_t at = tap * c->dilation - c->pad;
        if (c->data) {
            at = phase + c->pad - tap * c->dilation;
            if (at - oc_floor_divide(at, c->stride) * c->stride) continue;
            at = oc_floor_divide(at, c->stride);
        }
        l->tap[l->count] = (int16_t)tap;
        l->at[l->count++] = at;
    }
}

/* Bit v: pixel at + stride·v lies in a row of `pixels`, v < count <= 31. */
static uint32_t inside(int64_t at, int64_t stride, int64_t pixels, int count) {
    int64_t first = at < 0 ? oc_divide_up(-at, stride) : 0, last = oc_floor_divide(pixels - 1 - at, stride) + 1;
    if (last > count) last = count;
    return last > first ? (1U << last) - (1U << first) : 0;
}

/* Pixels of a phase. */
static int64_t pixels_of(int64_t size, int64_t phase, int64_t step) {
    return phase < size ? oc_divide_up(size - phase, step) : 0;
}

/* ---- Forward and by data ---- */

/* TILE results: TILE / T rows of T pixels. */
typedef struct tile_args {
    const oc_direct *conv;
    const oc_stored *image; /* of the map that is read */
    const float *filters;   /* of the block of outputs */
    int64_t block;          /* of outputs */
    const line *rows, *columns;
    int64_t y, x;             /* numbers t of the first result, in its phase */
    uint32_t down[OC_TAPS];   /* of each of `rows`: bit r: result row r's lies inside the map that is read */
    uint32_t across[OC_TAPS]; /* of each of `columns`: bit v: the pixel v steps on does */
    bool together[OC_TAPS];   /* so do those of this tap and the next ones, up to TOGETHER, but for some at the ends */
} tile_args;

/* Adds the products of one input channel with N taps; T, N, `checked` and `lanes` being constant. A pixel that is read
 * serves result v of the first tap, v − 1 of the second and so on. Unless `checked`, only the first and the last N − 1
 * may lie outside. `from`: what the first result of the first tap meets is at from[at]. */
OC_INLINE void products(const int T, const int N, const bool checked, const bool lanes, const oc_stored *from,
                        int64_t at, int64_t pixel, int64_t row, const float *weights, const int16_t *tap,
                        uint32_t across, uint32_t down, oc_ints index, oc_floats *restrict sum) {
    oc_floats w[TOGETHER];
#pragma GCC unroll 3
    for (int j = 0; j < N; j++) w[j] = oc_load(weights + tap[j] * OC_LANES);
#pragma GCC unroll 16
    for (int r = 0; r < TILE / T; r++) {
        if (T < TILE && !(down >> r & 1)) continue;
#pragma GCC unroll 18
        for (int v = 0; v < T + N - 1; v++) {
            if ((checked || v < N - 1 || v >= T) && !(across >> v & 1)) continue;
            const oc_stored *met = from + (at + r * row + v * pixel);
            const oc_floats x = lanes ? oc_permute(oc_load_stored(met), index) : oc_spread(met);
#pragma GCC unroll 3
            for (int j = 0; j < N; j++)
                if (v - j >= 0 && v - j < T) sum[r * T + v - j] = oc_fma(x, w[j], sum[r * T + v - j]);
        }
    }
}

/* Adds the products of inputs [begin, end) of a group to the sums of a tile. */
OC_INLINE void sum_tile(const int T, const bool lanes, const tile_args *a, int64_t begin, int64_t end,
                        oc_floats *restrict sum) {
    const oc_direct *c = a->conv;
    const oc_map *from = oc_from_of(c);
    const line *columns = a->columns;
    const int64_t inputs = oc_inputs_of(c), taps = c->kh * c->kw, width = from->w * from->block;
    const int64_t first = lanes ? a->block * OC_LANES : a->block * OC_LANES / oc_outputs_of(c) * inputs + begin;
    const oc_stored *channel = a->image + oc_channel_at(from, first);
    const float *weights = a->filters + begin * taps * OC_LANES;
    int64_t in_block = first % from->block;
    for (int64_t i = begin; i < end; i++, weights += taps * OC_LANES) {
        const oc_ints index = oc_lane_inputs(inputs, i);
        for (int r = 0; r < a->rows->count; r++) {
            const uint32_t down = a->down[r];
            if (!down) continue;
            const int64_t y = (a->rows->at[r] + a->rows->stride * a->y) * width, row = a->rows->stride * width;
            const float *w = weights + a->rows->tap[r] * c->kw * OC_LANES;
            for (int k = 0; k < columns->count; k++) {
                const int64_t at = y + (columns->at[k] + columns->stride * a->x) * from->block;
                const int16_t *tap = columns->tap + k;
                if (a->together[k]) { /* stride 1, blocks */
                    products(T, TOGETHER, false, lanes, channel, at, OC_LANES, row, w, tap, a->across[k], down, index,
                             sum);
                    k += TOGETHER - 1;
                } else if (a->across[k] == (1U << T) - 1) {
                    products(T, 1, false, lanes, channel, at, columns->stride * from->block, row, w, tap, 0, down,
                             index, sum);
                } else {
                    products(T, 1, true, lanes, channel, at, columns->stride * from->block, row, w, tap, a->across[k],
                             down, index, sum);
                }
            }
        }
        if (lanes) continue;
        channel++;
        if (++in_block == from->block) {
            channel += from->block_stride - from->block;
            in_block = 0;
        }
    }
}

/* A tile of which `rows` rows exist; its first result is to[at]. */
OC_INLINE void tile(const int T, const tile_args *a, oc_floats bias, const oc_finish *finish, oc_stored *to, int64_t at,
                    int64_t pixel, int64_t row, int64_t rows) {
    const int64_t inputs = oc_inputs_of(a->conv), stretch = oc_divide_up(CHAIN, a->conv->kh * a->conv->kw);
    oc_floats sum[TILE], total[TILE];
#pragma GCC unroll 16
    for (int t = 0; t < TILE; t++) sum[t] = bias;
    for (int64_t begin = 0, end;; begin = end) {
        end = begin + stretch < inputs ? begin + stretch : inputs;
        if (a->conv->way == OC_DIRECT_LANES)
            sum_tile(T, true, a, begin, end, sum);
        else
            sum_tile(T, false, a, begin, end, sum);
#pragma GCC unroll 16
        for (int t = 0; begin > 0 && t < TILE; t++) sum[t] += total[t];
        if (end == inputs) break;
#pragma GCC unroll 16
        for (int t = 0; t < TILE; t++) {
            total[t] = sum[t];
            sum[t] = (oc_floats){0};
        }
    }
#pragma GCC unroll 16
    for (int t = 0; t < TILE; t++) {
        const int64_t place = at + t / T * row + t % T * pixel;
        if (T == TILE || t / T < rows) oc_store_stored(to + place, oc_finished(finish, sum[t], place));
    }
}

/* Pixels of a tile's row where `left` are left: all that fit of 16, 8, 4, 2, 1. */
static int tile_width(int64_t left) {
    int width = TILE;
    while (width > left) width /= 2;
    return width;
}

/* Columns x … x + width − 1 of a phase of down × across results. */
static void strip(tile_args *a, int width, oc_floats bias, const oc_finish *finish, oc_stored *to, int64_t at,
                  int64_t pixel, int64_t row, int64_t down) {
    const oc_map *from = oc_from_of(a->conv);
    const int64_t height = TILE / width;
    for (int k = 0; k < a->columns->count; k++) {
        const int64_t begin = a->columns->at[k] + a->columns->stride * a->x;
        const bool side_by_side = a->columns->stride == 1 && from->block == OC_LANES &&
                                  k + TOGETHER <= a->columns->count &&
                                  a->columns->at[k + TOGETHER - 1] == a->columns->at[k] + TOGETHER - 1;
        const int pixels = width + (side_by_side ? TOGETHER - 1 : 0);
        a->across[k] = inside(begin, a->columns->stride, from->w, pixels);
        const uint32_t all = (1U << pixels) - 1, middle = ((1U << width) - 1) & ~((1U << (TOGETHER - 1)) - 1);
        a->together[k] = side_by_side && (middle & ~a->across[k]) == 0;
        if (!a->together[k]) a->across[k] &= all >> (pixels - width);
    }
    for (a->y = 0; a->y < down; a->y += height) {
        const int64_t rows = down - a->y < height ? down - a->y : height, first = at + a->y * row;
        for (int r = 0; r < a->rows->count; r++)
            a->down[r] = inside(a->rows->at[r] + a->rows->stride * a->y, a->rows->stride, from->h, (int)rows);
        if (width == TILE) tile(TILE, a, bias, finish, to, first, pixel, row, rows);
#if TILE > 8
        if (width == 8) tile(8, a, bias, finish, to, first, pixel, row, rows);
#endif
#if TILE > 4
        if (width == 4) tile(4, a, bias, finish, to, first, pixel, row, rows);
#endif
        if (width == 2) tile(2, a, bias, finish, to, first, pixel, row, rows);
        if (width == 1) tile(1, a, bias, finish, to, first, pixel, row, rows);
    }
}

static void run_block(const oc_direct *c, const oc_stored *from, const float *filters_of_block, const oc_finish *finish,
                      oc_stored *to, int64_t image, int64_t block) {
    const oc_map *read = oc_from_of(c), *write = oc_to_of(c);
    const int64_t phases = c->data ? c->stride : 1;
    const oc_floats bias = oc_bias_of(finish, write, block);
    line rows, columns;
    tile_args a;
    a.conv = c;
    a.image = from + image * read->image_stride;
    a.filters = filters_of_block;
    a.block = block;
    a.rows = &rows;
    a.columns = &columns;
    const int64_t base = image * write->image_stride + block * write->block_stride;
    for (int64_t py = 0; py < phases; py++) {
        const int64_t down = pixels_of(write->h, py, phases);
        line_fill(&rows, c, c->kh, py);
        for (int64_t px = 0; px < phases; px++) {
            const int64_t across = pixels_of(write->w, px, phases);
            line_fill(&columns, c, c->kw, px);
            for (int64_t x = 0, width; x < across; x += width) {
                width = tile_width(across - x);
                a.x = x;
                strip(&a, (int)width, bias, finish, to, base + (py * write->w + px + x * phases) * OC_LANES,
                      phases * OC_LANES, phases * write->w * OC_LANES, down);
            }
        }
    }
}

static float element(const oc_direct *c, const oc_stored *image, const float *w, int64_t group, int64_t y, int64_t x,
                     float sum) {
    const oc_map *from = oc_from_of(c);
    const int64_t inputs = oc_inputs_of(c);
    for (int64_t i = 0; i < inputs; i++)
        for (int64_t ky = 0; ky < c->kh; ky++) {
            const int64_t sy = oc_met(c, ky, y, from->h);
            if (sy < 0) continue;
            for (int64_t kx = 0; kx < c->kw; kx++) {
                const int64_t sx = oc_met(c, kx, x, from->w);
                if (sx < 0) continue;
                sum += oc_widen(image[oc_channel_at(from, group * inputs + i) + (sy * from->w + sx) * from->block]) *
                       w[(i * c->kh + ky) * c->kw + kx];
            }
        }
    return sum;
}

static void run_elements(const oc_direct *c, const oc_stored *from, const float *packed, const oc_finish *finish,
                         oc_stored *to, int64_t image, int64_t block) {
    const oc_map *read = oc_from_of(c), *write = oc_to_of(c);
    const int64_t row_floats = oc_inputs_of(c) * c->kh * c->kw;
    for (int64_t lane = 0; lane < write->block; lane++) {
        const int64_t channel = block * write->block + lane;
        const bool there = channel < write->channels;
        for (int64_t y = 0; y < write->h; y++)
            for (int64_t x = 0; x < write->w; x++) {
                const int64_t at = image * write->image_stride + block * write->block_stride +
                                   (y * write->w + x) * write->block + lane;
                if (!there) {
                    to[at] = 0;
                    continue;
                }
                float value = element(c, from + image * read->image_stride, packed + channel * row_floats,
                                      channel / oc_outputs_of(c), y, x, finish->bias ? finish->bias[channel] : 0);
                for (int i = 0, adds = 0; i < finish->posts; i++)
                    value = finish->post[i] == OC_FINISH_ADD
                                ? value + oc_widen(((const oc_stored *)finish->added[adds++])[at])
                            : value < 0 ? 0
                                        : value;
                to[at] = oc_narrow(value);
            }
    }
}

static void run(const oc_direct *c, const void *from, const float *packed, const oc_finish *finish, void *to,
                int64_t begin, int64_t end) {
    const int64_t blocks = oc_to_of(c)->blocks, floats = oc_inputs_of(c) * c->kh * c->kw * OC_LANES;
    for (int64_t item = begin; item < end; item++) {
        const int64_t image = item / blocks, block = item % blocks;
        if (c->way == OC_DIRECT_ELEMENTS)
            run_elements(c, from, packed, finish, to, image, block);
        else
            run_block(c, from, packed + block * floats, finish, to, image, block);
    }
}

const oc_direct_kernels OC_DIRECT_KERNELS = {
    .plan = plan, .filters = filters, .run = run, .weights = &OC_DIRECT_WEIGHTS};
