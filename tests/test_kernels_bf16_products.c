/* Convolutions with products of bfloat16, Winograd's F(2×2, 3×3) and gathered pixels, against plain loops in double
 * precision: odd and tiny maps, channels that fill no block, several chunks and parts, any number of workers; with the
 * processor's instruction where it has it, and with the wide build's emulation of that anywhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/copy.h"
#include "kernels/direct.h"
#include "kernels/im2col.h"
#include "kernels/winograd.h"
#include "support/levels.h"
#include "support/maps.h"

/* Of the largest value. */
#define ERROR_MOST 6e-3
#define ERROR_FEW 1.5e-2 /* where that value is a sum of few products */

typedef enum pass { FORWARD, DATA, WEIGHTS, PASSES } pass;
static const char *const pass_names[PASSES] = {"forward", "backward by data", "backward by weights"};

typedef enum algorithm { WINOGRAD_2, WINOGRAD_4, PRODUCT, ALGORITHMS } algorithm;
static const char *const algorithm_names[ALGORITHMS] = {"F(2×2)", "F(4×4)", "matrix product"};

typedef struct geometry {
    int64_t n, ic, oc, h, w, k, stride, pad, dilation;
} geometry;

/* A convolution in plain layout: numbers that a bfloat16 holds in the maps, and what is right. */
typedef struct conv {
    geometry of;
    oc_map src_map, dst_map;
    float *src, *weights, *bias, *diff_dst, *added;
    double *want[PASSES], *diff_bias;
} conv;

static int64_t pixels_of(const geometry *g, int64_t size) {
    return (size + 2 * g->pad - g->dilation * (g->k - 1) - 1) / g->stride + 1;
}

static size_t weights_count(const conv *c) {
    return (size_t)(c->of.oc * c->of.ic * c->of.k * c->of.k);
}

static size_t result_count(const conv *c, pass which) {
    return which == WEIGHTS ? weights_count(c) : test_map_size(which == FORWARD ? &c->dst_map : &c->src_map);
}

/* ---- Conversions, by the baseline's kernels, which have a test of their own ---- */

static const oc_copy_kernels *conversion(void) {
    return oc_kernels_at(OC_CPU_BASELINE, OC_STORAGE_BF16)->copy;
}

static uint16_t *narrowed(const float *from, size_t count) {
    const oc_map row = test_map(TEST_PLAIN, 1, 1, 1, (int64_t)count);
    uint16_t *to = test_guarded(count, sizeof *to, 0);
    conversion()->narrow(&row, to, &row, from, 0, 1);
    return to;
}

static float *widened(const uint16_t *from, size_t count) {
    const oc_map row = test_map(TEST_PLAIN, 1, 1, 1, (int64_t)count);
    float *to = test_guarded(count, sizeof *to, 0);
    conversion()->widen(&row, to, &row, from, 0, 1);
    return to;
}

static void round_all(float *data, size_t count) {
    uint16_t *half = narrowed(data, count);
    float *rounded = widened(half, count);
    memcpy(data, rounded, count * sizeof *data);
    test_guarded_free(half), test_guarded_free(rounded);
}

/* ---- The convolution in double precision ---- */

static double *doubles(size_t count) {
    double *data = NULL;
    assert_int_equal(oc_alloc(&data, count, sizeof *data, NULL), OC_OK);
    return data;
}

static void compute(conv *c) {
    const geometry *g = &c->of;
    const oc_map *s = &c->src_map, *d = &c->dst_map;
    for (int which = 0; which < PASSES; which++) c->want[which] = doubles(result_count(c, (pass)which));
    c->diff_bias = doubles((size_t)g->oc);
    for (int64_t i = 0; i < g->n * g->oc * d->h * d->w; i++) {
        const int64_t o = i / (d->h * d->w) % g->oc;
        c->want[FORWARD][i] = c->bias[o];
        c->diff_bias[o] += c->diff_dst[i];
    }
    for (int64_t i = 0; i < g->n * g->oc * g->ic * g->k * g->k; i++) {
        const int64_t kx = i % g->k, ky = i / g->k % g->k, in = i / (g->k * g->k) % g->ic;
        const int64_t o = i / (g->k * g->k * g->ic) % g->oc, n = i / (g->k * g->k * g->ic * g->oc);
        const size_t w = (size_t)(((o * g->ic + in) * g->k + ky) * g->k + kx);
        for (int64_t y = 0; y < d->h; y++)
            for (int64_t x = 0; x < d->w; x++) {
                const int64_t sy = y * g->stride + ky * g->dilation - g->pad;
                const int64_t sx = x * g->stride + kx * g->dilation - g->pad;
                if (sy < 0 || sx < 0 || sy >= s->h || sx >= s->w) continue;
                const size_t from = test_map_at(s, n, in, sy * s->w + sx), to = test_map_at(d, n, o, y * d->w + x);
                c->want[FORWARD][to] += (double)c->src[from] * c->weights[w];
                c->want[DATA][from] += (double)c->diff_dst[to] * c->weights[w];
                c->want[WEIGHTS][w] += (double)c->diff_dst[to] * c->src[from];
            }
    }
    for (size_t i = 0; i < result_count(c, FORWARD); i++)
        c->want[FORWARD][i] = fmax(c->want[FORWARD][i] + (double)c->added[i], 0);
}

static conv conv_make(geometry g, float *(*draw)(size_t count, uint64_t seed)) {
    conv c = {.of = g,
              .src_map = test_map(TEST_PLAIN, g.n, g.ic, g.h, g.w),
              .dst_map = test_map(TEST_PLAIN, g.n, g.oc, pixels_of(&g, g.h), pixels_of(&g, g.w))};
    c.src = draw(test_map_size(&c.src_map), 1);
    c.weights = draw(weights_count(&c), 2);
    c.bias = draw((size_t)g.oc, 3);
    c.diff_dst = draw(test_map_size(&c.dst_map), 4);
    c.added = draw(test_map_size(&c.dst_map), 5);
    round_all(c.src, test_map_size(&c.src_map));
    round_all(c.diff_dst, test_map_size(&c.dst_map));
    round_all(c.added, test_map_size(&c.dst_map));
    compute(&c);
    return c;
}

static void conv_free(conv *c) {
    test_guarded_free(c->src), test_guarded_free(c->weights), test_guarded_free(c->bias);
    test_guarded_free(c->diff_dst), test_guarded_free(c->added);
    for (int which = 0; which < PASSES; which++) oc_free(c->want[which]);
    oc_free(c->diff_bias);
}

static float *draw_normal(size_t count, uint64_t seed) {
    return test_floats(count, 0, seed);
}

/* Integers of which bfloat16 holds any sum that a transform makes; filters are multiples of four, so that a half of a
 * half of them is one too. */
static float *draw_integers(size_t count, uint64_t seed) {
    float *data = test_floats(count, 0, seed);
    for (size_t i = 0; i < count; i++) data[i] = rintf(fminf(fmaxf(data[i], -3), 3)) * (seed == 2 ? 4 : 1);
    return data;
}

/* ---- By the kernels ---- */

static oc_map blocks_of(const oc_map *plain) {
    return test_map_apart(test_map(TEST_BLOCKED_16, plain->images, plain->channels, plain->h, plain->w));
}

static uint16_t *in_blocks(const oc_map *plain, const float *from) {
    const oc_map map = blocks_of(plain);
    float *wide = test_map_copy(&map, plain, from);
    uint16_t *half = narrowed(wide, test_map_size(&map));
    test_guarded_free(wide);
    return half;
}

/* What was written in blocks, as plain floats; padding is zero and gaps are untouched. */
static float *out_of_blocks(const oc_map *plain, uint16_t *half) {
    const oc_map map = blocks_of(plain);
    const size_t count = test_map_size(&map);
    float *wide = widened(half, count);
    for (size_t i = 0; i < count; i++)
        if (half[i] == UINT16_MAX) memset(wide + i, 0xff, sizeof *wide);
    test_map_check_padding(&map, wide);
    float *to = test_map_copy(plain, &map, wide);
    test_guarded_free(wide), test_guarded_free(half);
    return to;
}

/* What a pass forward or by data reads and writes. */
typedef struct filtering {
    oc_map from, to; /* plain */
    uint16_t *src, *dst, *added;
    oc_finish finish;
} filtering;

static filtering filtering_of(const conv *c, bool data) {
    filtering f = {.from = data ? c->dst_map : c->src_map, .to = data ? c->src_map : c->dst_map};
    const oc_map to = blocks_of(&f.to);
    f.src = in_blocks(&f.from, data ? c->diff_dst : c->src);
    f.dst = test_guarded(test_map_size(&to), sizeof *f.dst, 0);
    f.added = in_blocks(&c->dst_map, c->added);
    if (!data)
        f.finish =
            (oc_finish){.bias = c->bias, .posts = 2, .post = {OC_FINISH_ADD, OC_FINISH_RELU}, .added = {f.added}};
    return f;
}

static float *filtering_result(filtering *f) {
    test_guarded_free(f->src), test_guarded_free(f->added);
    return out_of_blocks(&f->to, f->dst);
}

static float *guarded_floats(int64_t count) {
    return test_guarded((size_t)count, sizeof(float), 0);
}

static float *by_winograd(const oc_kernels *level, const conv *c, bool data, int tile, int threads) {
    const oc_winograd_kernels *k = level->winograd_bf16;
    filtering f = filtering_of(c, data);
    const int pad = (int)c->of.pad;
    oc_winograd work = {.from = blocks_of(&f.from),
                        .to = blocks_of(&f.to),
                        .tile = tile,
                        .pad = data ? 2 - pad : pad,
                        .turned = data,
                        .threads = threads};
    test_range pack[TEST_RANGES];
    k->plan(&work);
    float *filters = guarded_floats(work.filter_floats), *scratch = guarded_floats(work.scratch_floats);
    test_ranges(work.filter_blocks, pack);
    for (int r = 0; r < TEST_RANGES; r++) k->filters(&work, c->weights, filters, pack[r].begin, pack[r].end);
    for (int64_t i = work.chunks; i-- > 0;) k->chunk(&work, i, f.src, filters, &f.finish, f.dst, scratch);
    test_guarded_free(filters), test_guarded_free(scratch);
    return filtering_result(&f);
}

static float *by_product(const oc_kernels *level, const conv *c, bool data, int threads) {
    const oc_im2col_kernels *k = level->im2col_bf16;
    filtering f = filtering_of(c, data);
    oc_im2col work = {.from = blocks_of(&f.from),
                      .to = blocks_of(&f.to),
                      .kh = c->of.k,
                      .kw = c->of.k,
                      .stride = c->of.stride,
                      .pad = c->of.pad,
                      .dilation = c->of.dilation,
                      .data = data,
                      .threads = threads};
    test_range pack[TEST_RANGES];
    k->plan(&work);
    float *filters = guarded_floats(work.filter_floats), *scratch = guarded_floats(work.scratch_floats);
    test_ranges(work.filter_blocks, pack);
    for (int r = 0; r < TEST_RANGES; r++) k->filters(&work, c->weights, filters, pack[r].begin, pack[r].end);
    for (int64_t i = work.chunks; i-- > 0;) k->chunk(&work, i, f.src, filters, &f.finish, f.dst, scratch);
    test_guarded_free(filters), test_guarded_free(scratch);
    return filtering_result(&f);
}

/* The gradient of the weights, and behind it that of the bias. */
static float *by_winograd_weights(const oc_kernels *level, const conv *c, int tile, int threads) {
    const oc_winograd_backward_kernels *k = level->winograd_bf16->backward;
    oc_winograd_backward work = {.src = blocks_of(&c->src_map),
                                 .dst = blocks_of(&c->dst_map),
                                 .tile = tile,
                                 .pad = (int)c->of.pad,
                                 .threads = threads};
    test_range ranges[TEST_RANGES];
    k->plan(&work);
    uint16_t *src = in_blocks(&c->src_map, c->src), *diff_dst = in_blocks(&c->dst_map, c->diff_dst);
    float *sums = guarded_floats(work.sums_floats), *scratch = guarded_floats(work.scratch_floats);
    float *result = guarded_floats((int64_t)weights_count(c) + c->of.oc);
    for (int64_t i = work.units; i-- > 0;) k->unit(&work, i, src, diff_dst, true, sums, scratch);
    test_ranges(work.blocks, ranges);
    for (int r = 0; r < TEST_RANGES; r++)
        k->reduce(&work, sums, result, result + weights_count(c), ranges[r].begin, ranges[r].end);
    test_guarded_free(src), test_guarded_free(diff_dst), test_guarded_free(sums), test_guarded_free(scratch);
    return result;
}

static float *by_product_weights(const oc_kernels *level, const conv *c) {
    const oc_direct_weights_kernels *k = level->direct_weights_bf16;
    oc_direct work = {.src = blocks_of(&c->src_map),
                      .dst = blocks_of(&c->dst_map),
                      .groups = 1,
                      .kh = c->of.k,
                      .kw = c->of.k,
                      .stride = c->of.stride,
                      .pad = c->of.pad,
                      .dilation = c->of.dilation};
    test_range ranges[TEST_RANGES];
    level->direct->plan(&work);
    k->plan(&work);
    assert_true(work.products);
    uint16_t *src = in_blocks(&c->src_map, c->src), *diff_dst = in_blocks(&c->dst_map, c->diff_dst);
    float *sums = guarded_floats(work.sums_floats), *scratch = guarded_floats(work.scratch_floats);
    float *result = guarded_floats((int64_t)weights_count(c) + c->of.oc);
    for (int64_t i = work.units; i-- > 0;) k->unit(&work, i, src, diff_dst, true, sums, scratch);
    test_ranges(work.dst.blocks, ranges);
    for (int r = 0; r < TEST_RANGES; r++)
        k->reduce(&work, sums, result, result + weights_count(c), ranges[r].begin, ranges[r].end);
    test_guarded_free(src), test_guarded_free(diff_dst), test_guarded_free(sums), test_guarded_free(scratch);
    return result;
}

static bool supports(algorithm by, const conv *c) {
    const geometry *g = &c->of;
    return by == PRODUCT || (g->k == 3 && g->stride == 1 && g->dilation == 1 && g->pad <= 2);
}

static float *run(algorithm by, const oc_kernels *level, const conv *c, pass which, int threads) {
    if (by == PRODUCT)
        return which == WEIGHTS ? by_product_weights(level, c) : by_product(level, c, which == DATA, threads);
    const int tile = by == WINOGRAD_2 ? 2 : 4;
    return which == WEIGHTS ? by_winograd_weights(level, c, tile, threads)
                            : by_winograd(level, c, which == DATA, tile, threads);
}

/* ---- Checks ---- */

/* The largest error over the largest value. */
static double error_of(const double *want, const float *is, size_t count) {
    double largest = 0, error = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)is[i] - want[i]) <= error)) error = fabs((double)is[i] - want[i]);
        largest = fmax(largest, fabs(want[i]));
    }
    return largest > 0 ? error / largest : error;
}

static void check_same(algorithm by, const oc_kernels *level, const conv *c, pass which, const float *first) {
    for (int threads = 2; threads <= 5; threads++) {
        float *again = run(by, level, c, which, threads);
        test_same_floats("shared among workers", again, first, result_count(c, which));
        test_guarded_free(again);
    }
}

static double check(algorithm by, const oc_kernels *level, const conv *c, pass which, double tolerance) {
    const geometry *g = &c->of;
    float *is = run(by, level, c, which, 1);
    const size_t count = result_count(c, which);
    const double error = error_of(c->want[which], is, count);
    const double bias = which == WEIGHTS ? error_of(c->diff_bias, is + count, (size_t)g->oc) : 0;
    if (!(error <= tolerance) || !(bias <= 1e-6))
        fail_msg(
            "%s: %s %s, %d×%d×%d, %d to %d channels, %d×%d, stride %d, pad %d, dilation %d: off by %.2g, bias %.2g",
            level->name, algorithm_names[by], pass_names[which], (int)g->n, (int)g->h, (int)g->w, (int)g->ic,
            (int)g->oc, (int)g->k, (int)g->k, (int)g->stride, (int)g->pad, (int)g->dilation, error, bias);
    check_same(by, level, c, which, is);
    test_guarded_free(is);
    return error;
}

static void check_each(const conv *c, double tolerance) {
    const oc_kernels *levels[TEST_LEVELS_MOST];
    const size_t count = test_levels_bf16_products(levels);
    for (size_t i = 0; i < count; i++)
        for (int by = 0; by < ALGORITHMS; by++)
            for (int which = 0; which < PASSES; which++)
                if (by != WINOGRAD_4 && supports((algorithm)by, c))
                    (void)check((algorithm)by, levels[i], c, (pass)which, tolerance);
}

/* Every size around the tiles', every padding, channels around the blocks' and the panels'. */
static void test_sizes(void **state) {
    (void)state;
    static const int64_t sizes[][2] = {{1, 1}, {1, 7}, {2, 2}, {3, 3}, {3, 5},
                                       {5, 4}, {7, 7}, {8, 8}, {9, 6}, {17, 16}};
    static const int64_t channels[][2] = {{16, 16}, {1, 17}, {17, 24}, {40, 16}, {24, 130}, {8, 65}, {33, 3}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int64_t pad = 0; pad <= 2; pad++) {
            const int64_t *of = channels[(s + (size_t)pad) % 7];
            if (sizes[s][0] + 2 * pad < 3 || sizes[s][1] + 2 * pad < 3) continue;
            conv c = conv_make((geometry){3, of[0], of[1], sizes[s][0], sizes[s][1], 3, 1, pad, 1}, draw_normal);
            check_each(&c, ERROR_FEW);
            conv_free(&c);
        }
}

/* Filters, strides and dilations for the product; many tiles, several parts of the sum by weights. */
static const geometry others[] = {
    {1, 1, 1, 1, 1, 1, 1, 0, 1},    {2, 20, 40, 5, 7, 1, 1, 0, 1},   {3, 33, 17, 6, 5, 1, 2, 0, 1},
    {2, 24, 16, 9, 10, 3, 2, 1, 1}, {1, 17, 33, 11, 12, 3, 3, 0, 1}, {2, 16, 16, 9, 8, 3, 1, 2, 2},
    {2, 3, 19, 13, 9, 7, 2, 3, 1},  {33, 32, 48, 2, 2, 3, 1, 1, 1},  {40, 24, 16, 4, 3, 3, 2, 1, 1},
    {35, 16, 16, 3, 3, 1, 1, 1, 1}, {2, 16, 600, 3, 3, 1, 1, 0, 1},  {5, 40, 24, 34, 33, 3, 1, 1, 1},
    {2, 150, 72, 5, 5, 3, 1, 1, 1},
};

static void test_others(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        conv c = conv_make(others[i], draw_normal);
        check_each(&c, ERROR_FEW);
        conv_free(&c);
    }
}

/* Where bfloat16 holds every operand, products and sums are exact: the results are those of the definition, rounded to
 * the maps' bfloat16 where they go to a map. */
static void test_integers(void **state) {
    static const geometry some[] = {{2, 20, 40, 7, 6, 3, 1, 1, 1}, {3, 130, 17, 9, 9, 3, 1, 0, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        conv c = conv_make(some[i], draw_integers);
        for (int which = 0; which < WEIGHTS; which++) {
            const size_t count = result_count(&c, (pass)which);
            float *exact = guarded_floats((int64_t)count);
            for (size_t k = 0; k < count; k++) exact[k] = (float)c.want[which][k];
            round_all(exact, count);
            for (size_t k = 0; k < count; k++) c.want[which][k] = exact[k];
            test_guarded_free(exact);
        }
        check_each(&c, 0);
        conv_free(&c);
    }
}

/* The errors that winograd.h states, and why F(4×4) is not offered. */
static void test_error(void **state) {
    static const double most[ALGORITHMS] = {ERROR_MOST, 3e-2, ERROR_MOST};
    const oc_kernels *levels[TEST_LEVELS_MOST];
    (void)state;
    const size_t count = test_levels_bf16_products(levels);
    conv c = conv_make((geometry){1, 256, 256, 12, 12, 3, 1, 1, 1}, draw_normal);
    conv many = conv_make((geometry){8, 32, 32, 32, 32, 3, 1, 1, 1}, draw_normal);
    for (size_t i = 0; i < count; i++)
        for (int by = 0; by < ALGORITHMS; by++) {
            printf("%s, %s:", levels[i]->name, algorithm_names[by]);
            for (int which = 0; which < PASSES; which++)
                printf(" %s %.2g", pass_names[which], check((algorithm)by, levels[i], &c, (pass)which, most[by]));
            printf(", over 8×32×32 %.2g", check((algorithm)by, levels[i], &many, WEIGHTS, most[by]));
            printf("\n");
        }
    conv_free(&c), conv_free(&many);
}

/* Denormals count as zeros, as the instruction has it. */
static float *draw_denormals(size_t count, uint64_t seed) {
    float *data = test_floats(count, 0, seed);
    for (size_t i = 0; i < count && seed != 2; i++) data[i] = seed == 1 ? 0x1p-127F : 0;
    return data;
}

static void test_denormals(void **state) {
    (void)state;
    conv c = conv_make((geometry){2, 20, 40, 7, 6, 1, 1, 0, 1}, draw_denormals);
    for (size_t i = 0; i < result_count(&c, FORWARD); i++) c.want[FORWARD][i] = 0;
    check_each(&c, 0);
    conv_free(&c);
}

/* The emulation computes what the instruction does. */
static void test_emulation(void **state) {
    const oc_kernels *levels[TEST_LEVELS_MOST];
    (void)state;
    if (test_levels_bf16_products(levels) < 2) {
        print_message("this processor has no VDPBF16PS to compare with\n");
        skip();
    }
    conv c = conv_make((geometry){3, 150, 72, 9, 7, 3, 1, 1, 1}, draw_normal);
    for (int which = 0; which < PASSES; which++) {
        const size_t count = result_count(&c, (pass)which);
        float *is = run(WINOGRAD_2, levels[0], &c, (pass)which, 2);
        float *emulated = run(WINOGRAD_2, levels[1], &c, (pass)which, 2);
        for (size_t i = 0; i < count; i++) c.want[which][i] = emulated[i];
        const double error = error_of(c.want[which], is, count);
        printf("%s: %.2g\n", pass_names[which], error);
        /* In a map the next bfloat16 may be as near. */
        assert_true(error <= (which == WEIGHTS ? 1e-6 : 0x1p-8));
        test_guarded_free(is), test_guarded_free(emulated);
    }
    conv_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_others),    cmocka_unit_test(test_integers),
        cmocka_unit_test(test_error), cmocka_unit_test(test_denormals), cmocka_unit_test(test_emulation),
    };
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
