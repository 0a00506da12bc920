/* Direct convolution (direct.h), backward by weights. The sum over the images is cut into parts, whose number the sizes
 * give; parts are added in order. */
#include <stddef.h>

#include "kernels/direct_parts.h"
#include "kernels/parts.h"
#include "kernels/product.h"

/* Input channels whose weights' gradients stay in registers at a time. */
#if defined OC_LEVEL_AVX512
#define INPUTS 16
#elif defined OC_LEVEL_AVX2 || defined OC_LEVEL_WIDE
#define INPUTS 8
#else
#define INPUTS 4
#endif

#define TOGETHER 3           /* taps side by side whose gradients do, each pixel that is read serving all of them */
#define FEW 4                /* input channels at a time then, or where there are not so many */
#define NEAR 32768           /* floats of images that are gone through for each piece of the gradients */
#define PARTS 8              /* at most: as many as make UNITS of them and the channels' ranges */
#define PARTS_FLOATS 2500000 /* of all parts together, where there is more than one */
#define UNITS 32
#define RANGE (128 / OC_LANES) /* blocks of channels, of either map, in a product */
#define ROWS OC_PRODUCT_RUN    /* pixels in a product */
#define RUN 16                 /* gradients of an output's weights that are written at a time */

/* Sums lie as [part][block of outputs][kh][kw][input of a group][lane of the block], then for the bias [lane]; products
 * have the inputs' padding too. */
static int64_t inputs_summed(const oc_direct *c) {
    return c->products ? c->src.blocks * OC_LANES : oc_inputs_of(c);
}

static int64_t bias_at(const oc_direct *c) {
    return c->kh * c->kw * inputs_summed(c) * c->dst.block;
}

static int64_t sums_at(const oc_direct *c, int64_t part, int64_t block) {
    return (part * c->dst.blocks + block) * (bias_at(c) + c->dst.block);
}

static void plan(oc_direct *c) {
    c->products = c->groups == 1 && c->src.block == OC_LANES && c->dst.block == OC_LANES;
    c->inputs = c->products ? oc_divide_up(c->src.blocks, RANGE) : 1;
    c->outputs = c->products ? oc_divide_up(c->dst.blocks, RANGE) : c->dst.blocks;
    const int64_t floats = sums_at(c, 1, 0), fit = PARTS_FLOATS / floats;
    c->parts = oc_divide_up(UNITS, c->inputs * c->outputs);
    if (c->parts > PARTS) c->parts = PARTS;
    if (c->parts > fit) c->parts = fit > 1 ? fit : 1;
    if (c->parts > c->dst.images) c->parts = c->dst.images;
    c->units = c->parts * c->inputs * c->outputs;
    c->sums_floats = c->parts * floats;
    c->scratch_floats = c->products ? oc_operands_floats(2 * RANGE * oc_column_of(ROWS)) : 0;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* ---- By products: sums of a tap = pixelsᵀ · gradients ---- */

/* A range of both maps' blocks, and what is gathered of it. */
typedef struct range {
    int64_t input, inputs, output, outputs; /* the first block and their number */
    oc_operand *pixels, *gradients;         /* as product.h has matrices, columns oc_column_of(ROWS) apart */
} range;

/* Copies `count` pixels of some blocks, `step` floats apart, to row `row` of the matrix. */
static void gather(oc_operand *matrix, int64_t row, const oc_stored *from, int64_t block_stride, int64_t blocks,
                   int64_t step, int64_t count) {
    for (int64_t b = 0; b < blocks; b++, from += block_stride)
        for (int64_t i = 0; i < count; i++)
            oc_store_row(matrix + b * oc_column_of(ROWS), row + i, oc_load_stored(from + i * step));
}

static void tap_products(const oc_direct *c, const range *r, int64_t ky, int64_t kx, const oc_stored *src,
                         const oc_stored *diff, int64_t images, float *sums) {
    const oc_map *s = &c->src, *d = &c->dst;
    const int64_t dx = kx * c->dilation - c->pad, dy = ky * c->dilation - c->pad, column = oc_column_of(ROWS);
    const int64_t begin = dx < 0 ? oc_divide_up(-dx, c->stride) : 0;
    const int64_t end = least(d->w, oc_floor_divide(s->w - 1 - dx, c->stride) + 1);
    const oc_product to = {sums + (ky * c->kw + kx) * inputs_summed(c) * OC_LANES + r->input * OC_LANES * OC_LANES,
                           sums_at(c, 0, 1)};
    const oc_factor pixels = {r->pixels, column}, gradients = {r->gradients, column};
    int64_t rows = 0;
    bool add = false;
    for (int64_t n = 0; n < images; n++)
        for (int64_t y = 0; y < d->h; y++) {
            const int64_t sy = y * c->stride + dy;
            if (sy < 0 || sy >= s->h) continue;
            for (int64_t x = begin, count; x < end; x += count) {
                count = least(end - x, ROWS - rows);
                gather(r->pixels, rows, src + n * s->image_stride + (sy * s->w + x * c->stride + dx) * OC_LANES,
                       s->block_stride, r->inputs, c->stride * OC_LANES, count);
                gather(r->gradients, rows, diff + n * d->image_stride + (y * d->w + x) * OC_LANES, d->block_stride,
                       r->outputs, OC_LANES, count);
                rows += count;
                if (rows < ROWS) continue;
                OC_PRODUCT_KERNELS.multiply_transposed(to, pixels, gradients, r->inputs, r->outputs, rows, add);
                rows = 0;
                add = true;
            }
        }
    if (rows > 0 || !add)
        OC_PRODUCT_KERNELS.multiply_transposed(to, pixels, gradients, r->inputs, r->outputs, rows, add);
}

/* ---- By vectors: a block's gradients stay in registers ---- */

/* How the inputs of a piece lie: each lane takes its own group's out of a vector; neighbours in a block; or anyhow. */
enum { PERMUTED, NEIGHBOURS, APART };

/* Where gradients are summed: N taps from (ky, kx) on of C inputs of a group from `first` on. */
typedef struct piece {
    int64_t block; /* of outputs */
    int64_t first, ky, kx;
} piece;

/* What source pixel `from` contributes: `diff` is the gradient of the result that the first tap takes there, whose
 * number is x; that of tap j is j before. */
OC_INLINE void pixel_sums(const int C, const int N, const bool checked, const int kind, const oc_stored *from,
                          const int64_t *channel, const oc_ints *index, const oc_stored *diff, int64_t x,
                          int64_t results, oc_floats *restrict sum) {
    const oc_floats pixel = kind == PERMUTED ? oc_load_stored(from) : (oc_floats){0};
#pragma GCC unroll 3
    for (int j = 0; j < N; j++) {
        if (checked && (x - j < 0 || x - j >= results)) continue;
        const oc_floats given = oc_load_stored(diff - j * OC_LANES);
#pragma GCC unroll 16
        for (int i = 0; i < C; i++) {
            const oc_floats input = kind == PERMUTED     ? oc_permute(pixel, index[i])
                                    : kind == NEIGHBOURS ? oc_spread(from + i)
                                                         : oc_spread(from + channel[i]);
            sum[j * C + i] = oc_fma(input, given, sum[j * C + i]);
        }
    }
}

/* Adds a piece of the gradients over one image; C, N and `kind` being constant. N > 1 only at stride 1, undilated. */
OC_INLINE void piece_image(const int C, const int N, const int kind, const oc_direct *c, const piece *p,
                           const oc_stored *src, const oc_stored *diff, const int64_t *channel, const oc_ints *index,
                           oc_floats *restrict sum) {
    const oc_map *s = &c->src, *d = &c->dst;
    const int64_t dx = p->kx * c->dilation - c->pad; /* tap 0 meets x·stride + dx */
    /* The numbers x of tap 0 for which its pixel exists; all N taps have a result there from N − 1 to the last one. */
    const int64_t begin = dx < 0 ? oc_divide_up(-dx, c->stride) : 0,
                  reach = oc_floor_divide(s->w - 1 - dx, c->stride) + 1;
    const int64_t end = reach < d->w + N - 1 ? reach : d->w + N - 1;
    const int64_t all = end < d->w ? end : d->w;
    for (int64_t y = 0; y < d->h; y++) {
        const int64_t sy = y * c->stride + p->ky * c->dilation - c->pad;
        if (sy < 0 || sy >= s->h) continue;
        const oc_stored *row = src + (sy * s->w + dx) * s->block, *of_row = diff + y * d->w * OC_LANES;
        const int64_t step = c->stride * s->block;
        int64_t x = begin;
        for (; x < N - 1 && x < end; x++)
            pixel_sums(C, N, true, kind, row + x * step, channel, index, of_row + x * OC_LANES, x, d->w, sum);
        for (; x < all; x++)
            pixel_sums(C, N, false, kind, row + x * step, channel, index, of_row + x * OC_LANES, x, d->w, sum);
        for (; x < end; x++)
            pixel_sums(C, N, true, kind, row + x * step, channel, index, of_row + x * OC_LANES, x, d->w, sum);
    }
}

/* Sums a piece over some images, into its place in `sums` or added to what is there. */
OC_INLINE void piece_sums(const int C, const int N, const int kind, const oc_direct *c, const piece *p,
                          const oc_stored *src, const oc_stored *diff, int64_t images, bool add, float *sums) {
    const oc_map *s = &c->src;
    const int64_t inputs = oc_inputs_of(c);
    const int64_t first = p->block * OC_LANES / oc_outputs_of(c) * inputs + p->first;
    oc_ints index[INPUTS];
    int64_t channel[INPUTS] = {0};
    oc_floats sum[INPUTS > FEW * TOGETHER ? INPUTS : FEW * TOGETHER] = {{0}};
    for (int i = 0; i < C; i++) {
        if (kind == PERMUTED) index[i] = oc_lane_inputs(inputs, p->first + i);
        if (kind == APART) channel[i] = oc_channel_at(s, first + i);
    }
    if (kind == PERMUTED) src += p->block * s->block_stride;
    if (kind == NEIGHBOURS) src += oc_channel_at(s, first);
    for (int64_t n = 0; n < images; n++)
        piece_image(C, N, kind, c, p, src + n * s->image_stride, diff + n * c->dst.image_stride, channel, index, sum);
#pragma GCC unroll 3
    for (int j = 0; j < N; j++)
#pragma GCC unroll 16
        for (int i = 0; i < C; i++) {
            float *to = sums + ((p->ky * c->kw + p->kx + j) * inputs + p->first + i) * OC_LANES;
            if (add) sum[j * C + i] += oc_load(to);
            oc_store(to, sum[j * C + i]);
        }
}

/* The share of some images in a block's sums; src and diff of the first one. */
static void image_sums(const oc_direct *c, const oc_stored *src, const oc_stored *diff, int64_t images, int64_t block,
                       bool add, float *sums) {
    const oc_map *s = &c->src;
    const int64_t inputs = oc_inputs_of(c);
    const bool lanes = c->way == OC_DIRECT_LANES, near = lanes && c->stride == 1 && c->dilation == 1;
    piece p = {.block = block};
    for (int64_t n; p.first < inputs; p.first += n) {
        const int64_t left = inputs - p.first,
                      in_block = (block * OC_LANES / oc_outputs_of(c) * inputs + p.first) % s->block;
        const bool neighbours = s->block - in_block >= INPUTS;
        n = left >= INPUTS && !lanes ? INPUTS : left >= FEW ? FEW : 1;
        for (p.ky = 0; p.ky < c->kh; p.ky++)
            for (p.kx = 0; p.kx < c->kw;) {
                const bool together = near && n == FEW && p.kx + TOGETHER <= c->kw;
                if (together)
                    piece_sums(FEW, TOGETHER, PERMUTED, c, &p, src, diff, images, add, sums);
                else if (lanes && n == FEW)
                    piece_sums(FEW, 1, PERMUTED, c, &p, src, diff, images, add, sums);
                else if (lanes)
                    piece_sums(1, 1, PERMUTED, c, &p, src, diff, images, add, sums);
                else if (n == INPUTS && neighbours)
                    piece_sums(INPUTS, 1, NEIGHBOURS, c, &p, src, diff, images, add, sums);
                else if (n == INPUTS)
                    piece_sums(INPUTS, 1, APART, c, &p, src, diff, images, add, sums);
                else if (n == FEW)
                    piece_sums(FEW, 1, APART, c, &p, src, diff, images, add, sums);
                else
                    piece_sums(1, 1, APART, c, &p, src, diff, images, add, sums);
                p.kx += together ? TOGETHER : 1;
            }
    }
}

/* Sums of the bias's gradients over some images of a block, into `to` or added to what is there. */
static void bias_sums(const oc_direct *c, const oc_stored *diff, int64_t images, bool add, float *to) {
    oc_floats sum = {0};
    if (add) sum = oc_load(to);
    for (int64_t n = 0; n < images; n++) {
        oc_floats of_image = {0};
        for (int64_t i = 0; i < c->dst.h * c->dst.w; i++)
            of_image += oc_load_stored(diff + n * c->dst.image_stride + i * OC_LANES);
        sum += of_image;
    }
    oc_store(to, sum);
}

static void image_elements(const oc_direct *c, const oc_stored *src, const oc_stored *diff, int64_t block, bool bias,
                           bool add, float *sums) {
    const oc_map *s = &c->src, *d = &c->dst;
    const int64_t inputs = oc_inputs_of(c), taps = c->kh * c->kw;
    for (int64_t lane = 0; lane < d->block && block * d->block + lane < d->channels; lane++) {
        const int64_t group = (block * d->block + lane) / oc_outputs_of(c);
        for (int64_t k = 0; k < inputs * taps + (bias ? 1 : 0); k++) {
            const bool of_bias = k == inputs * taps;
            const int64_t tap = k / inputs;
            const int64_t channel = of_bias ? 0 : oc_channel_at(s, group * inputs + k % inputs);
            double sum = 0;
            for (int64_t y = 0; y < d->h; y++)
                for (int64_t x = 0; x < d->w; x++) {
                    const double given = oc_widen(diff[(y * d->w + x) * d->block + lane]);
                    const int64_t sy = of_bias ? 0 : oc_met(c, tap / c->kw, y, s->h);
                    const int64_t sx = of_bias ? 0 : oc_met(c, tap % c->kw, x, s->w);
                    if (sy < 0 || sx < 0) continue;
                    sum += of_bias ? given : given * (double)oc_widen(src[channel + (sy * s->w + sx) * s->block]);
                }
            float *to = sums + k * d->block + lane;
            *to = add ? *to + (float)sum : (float)sum;
        }
    }
}

/* ---- The pass ---- */

static void unit(const oc_direct *c, int64_t number, const void *src, const void *diff_dst, bool bias, float *sums,
                 float *scratch) {
    const oc_map *s = &c->src, *d = &c->dst;
    const int64_t i = number % c->inputs, o = number / c->inputs % c->outputs, part = number / (c->inputs * c->outputs);
    const int64_t first = d->images * part / c->parts, images = d->images * (part + 1) / c->parts - first;
    const int64_t taps = c->kh * c->kw;
    const oc_stored *from = (const oc_stored *)src + first * s->image_stride;
    const oc_stored *diff = (const oc_stored *)diff_dst + first * d->image_stride;
    if (c->products) {
        range r = {.input = s->blocks * i / c->inputs, .output = d->blocks * o / c->outputs};
        r.inputs = s->blocks * (i + 1) / c->inputs - r.input;
        r.outputs = d->blocks * (o + 1) / c->outputs - r.output;
        r.pixels = (oc_operand *)scratch;
        r.gradients = r.pixels + RANGE * oc_column_of(ROWS);
        float *to = sums + sums_at(c, part, r.output);
        from += r.input * s->block_stride;
        diff += r.output * d->block_stride;
        for (int64_t tap = 0; tap < taps; tap++) tap_products(c, &r, tap / c->kw, tap % c->kw, from, diff, images, to);
        for (int64_t b = 0; bias && r.input == 0 && b < r.outputs; b++)
            bias_sums(c, diff + b * d->block_stride, images, false, to + sums_at(c, 0, b) + bias_at(c));
        return;
    }
    diff += o * d->block_stride;
    float *to = sums + sums_at(c, part, o);
    if (c->way == OC_DIRECT_ELEMENTS) {
        for (int64_t n = 0; n < images; n++)
            image_elements(c, from + n * s->image_stride, diff + n * d->image_stride, o, bias, n > 0, to);
        return;
    }
    const int64_t floats = (s->h * s->w + d->h * d->w) * OC_LANES, near = floats < NEAR ? NEAR / floats : 1;
    for (int64_t n = 0, count; n < images; n += count) {
        count = least(images - n, near);
        image_sums(c, from + n * s->image_stride, diff + n * d->image_stride, count, o, n > 0, to);
    }
    if (bias) bias_sums(c, diff, images, false, to + bias_at(c));
}

/* Of outputs [begin, end) of a block, a run of weights at a time: whole lines of memory are written. */
static void reduce_block(const oc_direct *c, const float *sums, float *diff_weights, float *diff_bias, int64_t block,
                         int64_t begin, int64_t end) {
    const int64_t inputs = oc_inputs_of(c), taps = c->kh * c->kw, row = inputs * taps, size = c->dst.block;
    const float *of_block = sums + sums_at(c, 0, block);
    float turned[OC_LANES][RUN];
    for (int64_t k = 0, run; k < row + (diff_bias ? 1 : 0); k += run) {
        run = k < row ? least(row - k, RUN) : 1;
        for (int64_t i = 0; i < run; i++) {
            const int64_t at = k < row ? ((k + i) % taps * inputs_summed(c) + (k + i) / taps) * size : bias_at(c);
            oc_doubles sum = {0};
            for (int64_t part = 0; part < c->parts; part++)
                sum += __builtin_convertvector(
                    oc_load_some(of_block + sums_at(c, part, 0) + at + begin, (int)(end - begin)), oc_doubles);
            const oc_floats column = __builtin_convertvector(sum, oc_floats);
            for (int64_t l = 0; l < OC_LANES; l++) turned[l][i] = column[l];
        }
        for (int64_t l = begin; l < end; l++) {
            const int64_t o = block * size + l;
            if (k < row)
                memcpy(diff_weights + o * row + k, turned[l - begin], (size_t)run * sizeof(float));
            else
                diff_bias[o] = turned[l - begin][0];
        }
    }
}

static void reduce(const oc_direct *c, const float *sums, float *diff_weights, float *diff_bias, int64_t begin,
                   int64_t end) {
    for (int64_t block = begin; block < end; block++) {
        const int64_t channels = least(c->dst.block, c->dst.channels - block * c->dst.block);
        for (int64_t l = 0; l < channels; l += OC_LANES)
            reduce_block(c, sums, diff_weights, diff_bias, block, l, least(l + OC_LANES, channels));
    }
}

const oc_direct_weights_kernels OC_DIRECT_WEIGHTS = {.plan = plan, .unit = unit, .reduce = reduce};
