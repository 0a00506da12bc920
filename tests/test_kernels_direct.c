/* Direct convolution's kernels at every level against plain loops in double precision: any filter, stride, padding,
 * dilation and groups, all three passes, every pair of layouts that decides about the way; gradients of weights by
 * products of matrices and by vectors, in one range of channels and part of the images and in several. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/direct.h"
#include "support/levels.h"
#include "support/maps.h"

/* An error is at most so much of the sum of the products' magnitudes, and of the largest result of all. */
#define ROUNDING 1e-6
#define OF_THE_LARGEST 2e-6

typedef enum pass { FORWARD, DATA, WEIGHTS, PASSES } pass;

typedef struct geometry {
    int64_t n, groups, ic, oc, h, w, kh, kw, stride, pad, dilation;
} geometry;

static const geometry cases[] = {
    /* one group: channels around the vectors', rows of all lengths of tiles */
    {2, 1, 16, 16, 5, 6, 3, 3, 1, 1, 1},
    {2, 1, 3, 16, 9, 8, 3, 3, 2, 1, 1},
    {1, 1, 13, 24, 4, 33, 3, 3, 1, 1, 1},
    {1, 1, 5, 17, 3, 41, 1, 1, 1, 0, 1},
    {2, 1, 17, 5, 6, 7, 1, 1, 2, 0, 1},
    {2, 1, 9, 40, 4, 5, 1, 1, 3, 0, 1},
    {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1},
    {2, 1, 4, 19, 5, 5, 1, 1, 1, 1, 1},
    {1, 1, 4, 16, 9, 11, 5, 5, 1, 2, 1},
    {1, 1, 3, 8, 13, 15, 7, 7, 2, 3, 1},
    {1, 1, 16, 16, 12, 12, 7, 7, 3, 3, 1},
    {3, 1, 32, 16, 8, 17, 5, 3, 1, 2, 1},
    {2, 1, 6, 16, 7, 12, 3, 1, 1, 1, 1},
    {2, 1, 6, 16, 9, 7, 1, 5, 2, 2, 1},
    {1, 1, 8, 8, 9, 10, 3, 3, 1, 2, 2},
    {1, 1, 8, 11, 12, 9, 3, 5, 2, 0, 2},
    {2, 1, 16, 16, 9, 8, 3, 3, 2, 2, 2},
    {2, 1, 3, 16, 10, 11, 3, 3, 3, 0, 1},
    {1, 1, 2, 16, 4, 3, 3, 3, 1, 4, 1},
    {1, 1, 2, 8, 8, 9, 2, 4, 3, 1, 2},
    {11, 1, 4, 16, 3, 4, 3, 3, 1, 1, 1},
    {17, 1, 8, 24, 9, 10, 3, 3, 2, 1, 1},
    {2, 1, 16, 17, 1, 5, 3, 3, 1, 1, 1}, /* two rows of taps meet no pixel */
    {1, 1, 1, 16, 1, 280, 1, 257, 1, 3, 1},
    /* few groups of many channels */
    {2, 2, 32, 32, 5, 6, 3, 3, 1, 1, 1},
    {1, 2, 32, 64, 6, 6, 3, 3, 1, 1, 1},
    {1, 2, 40, 48, 5, 5, 3, 3, 1, 1, 1},
    {1, 2, 6, 32, 7, 5, 3, 3, 2, 1, 1},
    {2, 3, 12, 48, 4, 5, 1, 1, 1, 0, 1},
    {1, 2, 26, 10, 6, 5, 3, 3, 1, 2, 2},
    {1, 2, 48, 16, 4, 7, 3, 3, 3, 1, 1},
    {3, 3, 9, 15, 5, 6, 2, 4, 2, 1, 1},
    /* groups of 4 and 8 */
    {2, 8, 32, 32, 6, 19, 3, 3, 1, 1, 1},
    {2, 5, 20, 20, 7, 6, 3, 3, 2, 1, 1},
    {1, 4, 32, 32, 8, 9, 3, 3, 1, 1, 1},
    {2, 4, 32, 32, 8, 9, 3, 3, 2, 2, 2},
    {2, 3, 24, 24, 5, 9, 5, 3, 2, 2, 1},
    {1, 4, 16, 16, 9, 8, 3, 3, 1, 2, 2},
    {1, 5, 10, 20, 5, 7, 3, 3, 1, 1, 1},
    {1, 4, 16, 8, 5, 7, 3, 3, 1, 0, 1},
    {10, 4, 16, 16, 3, 4, 3, 3, 1, 1, 1},
    /* depthwise, and groups of 2 and 3 */
    {2, 16, 16, 16, 7, 36, 3, 3, 1, 1, 1},
    {2, 19, 19, 19, 7, 6, 3, 3, 2, 1, 1},
    {1, 40, 40, 40, 9, 7, 5, 5, 1, 2, 1},
    {1, 24, 24, 24, 14, 13, 7, 7, 3, 3, 1},
    {1, 17, 17, 17, 10, 9, 3, 3, 1, 2, 2},
    {1, 8, 8, 16, 6, 6, 3, 3, 1, 1, 1},
    {2, 13, 26, 26, 5, 6, 1, 3, 1, 1, 1},
    {1, 6, 18, 18, 5, 6, 3, 3, 1, 1, 1},
    /* large: channels of several ranges, images that are gone through one by one, and sums so long that all images are
     * one part; in two pairs of layouts only */
    {3, 1, 130, 130, 3, 3, 3, 3, 1, 1, 1},
    {3, 1, 260, 24, 4, 3, 1, 3, 1, 1, 1},
    {2, 1, 20, 150, 3, 4, 3, 3, 2, 1, 1},
    {3, 1, 160, 160, 2, 2, 7, 7, 1, 3, 1},
    {9, 2, 4, 32, 33, 34, 3, 3, 1, 1, 1},
    {9, 4, 16, 16, 34, 33, 3, 3, 1, 1, 1},
};
#define CASES ((int)(sizeof cases / sizeof *cases))
#define LARGE 6

static int64_t pixels_of(int64_t size, int64_t k, const geometry *g) {
    return (size + 2 * g->pad - g->dilation * (k - 1) - 1) / g->stride + 1;
}

/* ---- The reference ---- */

/* A number, and the sum of the magnitudes of what it is the sum of. */
typedef struct number {
    double sum, size;
} number;

static void add(number *to, double value) {
    to->sum += value;
    to->size += fabs(value);
}

static void add_product(number *to, float a, float b) {
    add(to, (double)a * (double)b);
}

/* A convolution in plain layout. */
typedef struct conv {
    geometry of;
    oc_map src_map, dst_map;
    float *src, *diff_dst, *weights, *bias[2], *added[2]; /* bias: of dst, of diff_src */
    number *dst, *diff_src, *diff_weights, *diff_bias;
} conv;

static size_t weights_count(const geometry *g) {
    return (size_t)(g->oc * (g->ic / g->groups) * g->kh * g->kw);
}

static number *numbers(size_t count) {
    number *data = test_guarded(count, sizeof *data, 0);
    for (size_t i = 0; i < count; i++) data[i] = (number){0, 0};
    return data;
}

/* All pairs of one output, pixel `at` of it, and one tap, with all inputs of the output's group. */
static void compute_pixel(conv *c, int64_t image, int64_t o, int64_t at) {
    const geometry *g = &c->of;
    const int64_t inputs = g->ic / g->groups, first = o / (g->oc / g->groups) * inputs, taps = g->kh * g->kw;
    const size_t d = test_map_at(&c->dst_map, image, o, at);
    add(&c->diff_bias[o], c->diff_dst[d]);
    for (int64_t k = 0; k < taps; k++) {
        const int64_t y = at / c->dst_map.w * g->stride + k / g->kw * g->dilation - g->pad;
        const int64_t x = at % c->dst_map.w * g->stride + k % g->kw * g->dilation - g->pad;
        if (y < 0 || x < 0 || y >= g->h || x >= g->w) continue;
        for (int64_t i = 0; i < inputs; i++) {
            const size_t s = test_map_at(&c->src_map, image, first + i, y * g->w + x);
            const size_t w = (size_t)((o * inputs + i) * taps + k);
            add_product(&c->dst[d], c->src[s], c->weights[w]);
            add_product(&c->diff_src[s], c->diff_dst[d], c->weights[w]);
            add_product(&c->diff_weights[w], c->diff_dst[d], c->src[s]);
        }
    }
}

static conv conv_make(geometry g) {
    conv c = {.of = g,
              .src_map = test_map(TEST_PLAIN, g.n, g.ic, g.h, g.w),
              .dst_map = test_map(TEST_PLAIN, g.n, g.oc, pixels_of(g.h, g.kh, &g), pixels_of(g.w, g.kw, &g))};
    const size_t src = test_map_size(&c.src_map), dst = test_map_size(&c.dst_map);
    c.src = test_floats(src, 0.1, 1), c.diff_dst = test_floats(dst, 0.1, 2);
    c.weights = test_floats(weights_count(&g), 0.1, 3);
    c.bias[0] = test_floats((size_t)g.oc, 0.1, 4), c.bias[1] = test_floats((size_t)g.ic, 0.1, 5);
    for (int i = 0; i < 2; i++) c.added[i] = test_floats(src > dst ? src : dst, 0.1, 6 + (uint64_t)i);
    c.dst = numbers(dst), c.diff_src = numbers(src), c.diff_weights = numbers(weights_count(&g));
    c.diff_bias = numbers((size_t)g.oc);
    for (int64_t n = 0; n < g.n; n++)
        for (int64_t o = 0; o < g.oc; o++)
            for (int64_t at = 0; at < c.dst_map.h * c.dst_map.w; at++) compute_pixel(&c, n, o, at);
    return c;
}

static void conv_free(conv *c) {
    void *memory[] = {c->src,      c->diff_dst, c->weights,  c->bias[0],      c->bias[1],  c->added[0],
                      c->added[1], c->dst,      c->diff_src, c->diff_weights, c->diff_bias};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) test_guarded_free(memory[i]);
}

static conv convs[CASES];

static int setup(void **state) {
    (void)state;
    for (int k = 0; k < CASES; k++) convs[k] = conv_make(cases[k]);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (int k = 0; k < CASES; k++) conv_free(&convs[k]);
    return 0;
}

/* ---- The kernels ---- */

/* How a pass is tried: the maps' layouts and what happens to its result. */
typedef struct trial {
    test_form src, dst;
    bool apart; /* gaps between blocks */
    bool bias;
    int posts; /* the first of: add, ReLU, add */
    bool over; /* what is added first lies where the result does */
} trial;

static const oc_finish_post posts[] = {OC_FINISH_ADD, OC_FINISH_RELU, OC_FINISH_ADD};

static oc_map map_in(const oc_map *plain, test_form form, bool apart) {
    const oc_map map = test_map(form, plain->images, plain->channels, plain->h, plain->w);
    return apart ? test_map_apart(map) : map;
}

static oc_direct plan(const oc_kernels *level, const conv *c, const trial *t, pass which) {
    const geometry *g = &c->of;
    oc_direct d = {.src = map_in(&c->src_map, t->src, t->apart),
                   .dst = map_in(&c->dst_map, t->dst, t->apart),
                   .groups = g->groups,
                   .kh = g->kh,
                   .kw = g->kw,
                   .stride = g->stride,
                   .pad = g->pad,
                   .dilation = g->dilation,
                   .data = which == DATA};
    level->direct->plan(&d);
    return d;
}

/* Forward or by data: the result in plain layout. */
static float *run(const oc_kernels *level, const conv *c, const trial *t, pass which) {
    const oc_direct d = plan(level, c, t, which);
    const bool data = which == DATA;
    const oc_map *from_map = data ? &d.dst : &d.src, *to_map = data ? &d.src : &d.dst;
    const oc_map *plain = data ? &c->src_map : &c->dst_map;
    float *from = test_map_copy(from_map, data ? &c->dst_map : &c->src_map, data ? c->diff_dst : c->src);
    float *added[2] = {test_map_copy(to_map, plain, c->added[0]), test_map_copy(to_map, plain, c->added[1])};
    float *filters = test_guarded((size_t)d.filter_floats, sizeof *filters, 0);
    float *to = t->over ? test_map_copy(to_map, plain, c->added[0]) : test_map_new(to_map, true, 0, 1);
    oc_finish finish = {
        .bias = t->bias ? c->bias[data] : NULL, .posts = t->posts, .added = {t->over ? to : added[0], added[1]}};
    memcpy(finish.post, posts, sizeof posts);
    test_range pack[TEST_RANGES], items[TEST_RANGES];
    test_ranges(d.filter_blocks, pack), test_ranges(d.items, items);
    for (int r = 0; r < TEST_RANGES; r++) level->direct->filters(&d, c->weights, filters, pack[r].begin, pack[r].end);
    for (int r = 0; r < TEST_RANGES; r++)
        level->direct->run(&d, from, filters, &finish, to, items[r].begin, items[r].end);
    test_map_check_padding(to_map, to);
    float *result = test_map_copy(plain, to_map, to);
    test_guarded_free(from), test_guarded_free(added[0]), test_guarded_free(added[1]);
    test_guarded_free(filters), test_guarded_free(to);
    return result;
}

/* By weights: diff_weights, and diff_bias unless NULL. Two workers take turns. */
static float *run_weights(const oc_kernels *level, const conv *c, const trial *t, float *diff_bias) {
    const oc_direct_weights_kernels *k = level->direct->weights;
    const oc_direct d = plan(level, c, t, WEIGHTS);
    float *src = test_map_copy(&d.src, &c->src_map, c->src);
    float *diff_dst = test_map_copy(&d.dst, &c->dst_map, c->diff_dst);
    float *sums = test_guarded((size_t)d.sums_floats, sizeof *sums, 0), *scratch[2];
    float *diff_weights = test_guarded(weights_count(&c->of), sizeof *diff_weights, 1);
    test_range range[TEST_RANGES];
    for (int i = 0; i < 2; i++) scratch[i] = test_guarded((size_t)d.scratch_floats, sizeof(float), 0);
    for (int64_t i = d.units; i-- > 0;) k->unit(&d, i, src, diff_dst, diff_bias != NULL, sums, scratch[i % 2]);
    test_ranges(d.dst.blocks, range);
    for (int r = 0; r < TEST_RANGES; r++) k->reduce(&d, sums, diff_weights, diff_bias, range[r].begin, range[r].end);
    test_guarded_free(src), test_guarded_free(diff_dst), test_guarded_free(sums);
    test_guarded_free(scratch[0]), test_guarded_free(scratch[1]);
    return diff_weights;
}

/* ---- The tests ---- */

/* What `run` is to be: the reference's result and what happens to it. */
static number finished(const conv *c, const trial *t, pass which, int64_t channel, size_t at) {
    number is = which == DATA ? c->diff_src[at] : c->dst[at];
    if (t->bias) add(&is, c->bias[which == DATA][channel]);
    for (int i = 0, adds = 0; i < t->posts; i++) {
        if (posts[i] == OC_FINISH_RELU)
            is.sum = fmax(is.sum, 0);
        else
            add(&is, c->added[adds++][at]);
    }
    return is;
}

static void check_near(const float *is, const number *want, size_t count) {
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(want[i].sum));
    for (size_t i = 0; i < count; i++)
        test_near(is[i], want[i].sum, fmin(ROUNDING * want[i].size, OF_THE_LARGEST * largest));
}

static void check_run(const oc_kernels *level, const conv *c, const trial *t, pass which) {
    const oc_map *plain = which == DATA ? &c->src_map : &c->dst_map;
    const size_t count = test_map_size(plain);
    float *is = run(level, c, t, which);
    number *want = numbers(count);
    for (size_t i = 0; i < count; i++)
        want[i] = finished(c, t, which, (int64_t)i / plain->block_stride % plain->channels, i);
    check_near(is, want, count);
    test_guarded_free(is), test_guarded_free(want);
}

static void check_weights(const oc_kernels *level, const conv *c, const trial *t) {
    float *diff_bias = test_guarded((size_t)c->of.oc, sizeof *diff_bias, 1);
    float *diff_weights = run_weights(level, c, t, diff_bias), *alone = run_weights(level, c, t, NULL);
    check_near(diff_weights, c->diff_weights, weights_count(&c->of));
    check_near(diff_bias, c->diff_bias, (size_t)c->of.oc);
    test_same_floats("by weights without a bias", alone, diff_weights, weights_count(&c->of));
    test_guarded_free(diff_bias), test_guarded_free(diff_weights), test_guarded_free(alone);
}

static test_form blocks_of(const oc_kernels *level) {
    return level->lanes == 16 ? TEST_BLOCKED_16 : TEST_BLOCKED_8;
}

/* By weights: which divisions of the work the cases have, by products of matrices or not, and how often each way goes
 * with them. */
typedef struct seen {
    int ways[OC_DIRECT_ELEMENTS + 1][2], inputs, outputs, both;
    int parts[2], of_images[2], one[2]; /* several parts, such of several images, one of several images */
} seen;

static void see(seen *s, const oc_direct *d) {
    s->ways[d->way][d->products]++;
    s->inputs += d->inputs > 1 && d->outputs == 1;
    s->outputs += d->products && d->inputs == 1 && d->outputs > 1;
    s->both += d->inputs > 1 && d->outputs > 1;
    s->parts[d->products] += d->parts > 1;
    s->of_images[d->products] += d->parts > 1 && d->parts < d->dst.images;
    s->one[d->products] += d->parts == 1 && d->dst.images > 1;
    assert_true(d->units == d->parts * d->inputs * d->outputs);
    assert_true(d->products ? d->scratch_floats > 0 : d->inputs == 1);
}

static void check_seen(const seen *s) {
    for (int way = 0; way <= OC_DIRECT_ELEMENTS; way++) {
        assert_true(s->ways[way][false] > 0);
        assert_int_equal(s->ways[way][true] > 0, way != OC_DIRECT_LANES);
    }
    assert_true(s->inputs > 0 && s->outputs > 0 && s->both > 0);
    for (int products = 0; products < 2; products++) assert_true(s->parts[products] > 0 && s->of_images[products] > 0);
    assert_true(s->one[true] > 0);
}

static void check_cases(const oc_kernels *level) {
    const test_form own = blocks_of(level), other = own == TEST_BLOCKED_8 ? TEST_BLOCKED_16 : TEST_BLOCKED_8;
    const test_form forms[][2] = {{own, own},       {TEST_PLAIN, own}, {own, TEST_PLAIN}, {TEST_LAST, own},
                                  {own, TEST_LAST}, {other, own},      {own, other},      {TEST_PLAIN, TEST_PLAIN}};
    seen s = {0};
    for (int k = 0; k < CASES; k++)
        for (int f = 0; f < (k < CASES - LARGE ? 8 : 2); f++) {
            const int how = (5 * k + 3 * f) % 32; /* all of them with each pair */
            const trial t = {forms[f][0], forms[f][1], how / 16, how / 8 % 2, how % 4, how / 4 % 2};
            const oc_direct d = plan(level, &convs[k], &t, WEIGHTS);
            see(&s, &d);
            check_run(level, &convs[k], &t, FORWARD);
            check_run(level, &convs[k], &t, DATA);
            check_weights(level, &convs[k], &t);
        }
    check_seen(&s);
}

static void test_cases(void **state) {
    (void)state;
    test_each_level(check_cases);
}

/* The way, as direct.h says which. */
static void check_ways(const oc_kernels *level) {
    const int64_t lanes = level->lanes;
    const test_form own = blocks_of(level), other = own == TEST_BLOCKED_8 ? TEST_BLOCKED_16 : TEST_BLOCKED_8;
    const struct {
        int64_t groups, ic, oc, kw;
        test_form src, dst;
        oc_direct_way forward, data;
        bool products;
    } ways[] = {
        {1, 3, 20, 3, TEST_PLAIN, own, OC_DIRECT_CHANNELS, OC_DIRECT_ELEMENTS, false},
        {1, 3, 20, 3, other, own, OC_DIRECT_CHANNELS, OC_DIRECT_ELEMENTS, false},
        {1, 3, 20, 3, own, own, OC_DIRECT_CHANNELS, OC_DIRECT_CHANNELS, true},
        {1, 3, 20, 257, own, own, OC_DIRECT_ELEMENTS, OC_DIRECT_ELEMENTS, true},
        {1, 3, 20, 3, own, TEST_LAST, OC_DIRECT_ELEMENTS, OC_DIRECT_CHANNELS, false},
        {2, 2 * lanes, 4 * lanes, 3, own, own, OC_DIRECT_CHANNELS, OC_DIRECT_CHANNELS, false},
        {2, 6, 2 * lanes, 3, own, own, OC_DIRECT_CHANNELS, OC_DIRECT_ELEMENTS, false},
        {5, 5, 5, 3, own, own, OC_DIRECT_LANES, OC_DIRECT_LANES, false},
        {5, 20, 20, 3, own, own, OC_DIRECT_LANES, OC_DIRECT_LANES, false},
        {5, 20, 20, 3, TEST_PLAIN, own, OC_DIRECT_ELEMENTS, OC_DIRECT_ELEMENTS, false},
        {5, 15, 15, 3, own, own, OC_DIRECT_ELEMENTS, OC_DIRECT_ELEMENTS, false},
        {5, 10, 20, 3, own, own, OC_DIRECT_ELEMENTS, OC_DIRECT_ELEMENTS, false},
    };
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++)
        for (int which = FORWARD; which < PASSES; which++) {
            const int64_t kw = ways[k].kw;
            const conv c = {.of = {1, ways[k].groups, ways[k].ic, ways[k].oc, 1, 257, 1, kw, 1, 0, 1},
                            .src_map = test_map(TEST_PLAIN, 1, ways[k].ic, 1, 257),
                            .dst_map = test_map(TEST_PLAIN, 1, ways[k].oc, 1, 257 - kw + 1)};
            const trial t = {.src = ways[k].src, .dst = ways[k].dst};
            const oc_direct d = plan(level, &c, &t, (pass)which);
            assert_int_equal(d.way, which == DATA ? ways[k].data : ways[k].forward);
            assert_int_equal(d.products, ways[k].products);
        }
}

static void test_ways(void **state) {
    (void)state;
    test_each_level(check_ways);
}

/* The order of a chain is that of the sizes, not of the lanes: the levels that fuse have the same bits, each in its own
 * blocks; by weights where blocks of either size come to as many parts. */
static void check_alike(const oc_kernels **list, size_t levels, const conv *c, pass which) {
    const size_t count =
        which == WEIGHTS ? weights_count(&c->of) : test_map_size(which == DATA ? &c->src_map : &c->dst_map);
    float *first = NULL;
    int64_t parts = 0;
    for (size_t i = 1; i < levels; i++) {
        const trial t = {.src = blocks_of(list[i]), .dst = blocks_of(list[i]), .bias = true, .posts = 3};
        const oc_direct d = plan(list[i], c, &t, which);
        if (d.way == OC_DIRECT_ELEMENTS && !(which == WEIGHTS && d.products)) continue; /* which does not fuse */
        if (which == WEIGHTS && first && d.parts != parts) continue;
        float *is = which == WEIGHTS ? run_weights(list[i], c, &t, NULL) : run(list[i], c, &t, which);
        if (first) test_same_floats(list[i]->name, is, first, count);
        if (first) test_guarded_free(is);
        if (!first) first = is, parts = d.parts;
    }
    if (first) test_guarded_free(first);
}

static void test_levels_alike(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (int k = 0; k < CASES; k++)
        for (int which = FORWARD; which < PASSES; which++) check_alike(list, levels, &convs[k], (pass)which);
}

/* What falls on padding pixels is not multiplied: there an infinite weight does nothing. And NaN in a group's channel
 * does nothing to another group. */
static void check_not_finite(const oc_kernels *level) {
    static const geometry shapes[] = {
        {1, 1, 16, 16, 4, 20, 3, 3, 1, 1, 1}, {1, 8, 32, 32, 4, 20, 3, 3, 1, 1, 1}, {1, 2, 6, 10, 4, 5, 3, 3, 1, 1, 1}};
    for (int k = 0; k < 3; k++) {
        conv c = conv_make(shapes[k]);
        const geometry *g = &c.of;
        const trial t = {.src = blocks_of(level), .dst = blocks_of(level)};
        for (size_t i = 0; i < weights_count(g); i += (size_t)(g->kh * g->kw)) c.weights[i] = INFINITY; /* tap (0, 0) */
        float *dst = run(level, &c, &t, FORWARD), *diff_src = run(level, &c, &t, DATA);
        for (size_t i = 0; i < test_map_size(&c.dst_map); i++) {
            const int64_t y = (int64_t)i / g->w % g->h, x = (int64_t)i % g->w;
            assert_int_equal(isfinite(dst[i]) != 0, y == 0 || x == 0);
            if (i < test_map_size(&c.src_map))
                assert_int_equal(isfinite(diff_src[i]) != 0, y == g->h - 1 || x == g->w - 1);
        }
        test_guarded_free(dst), test_guarded_free(diff_src);
        for (size_t i = 0; i < weights_count(g); i++) c.weights[i] = 1;
        for (int64_t i = 0; i < g->h * g->w; i++) c.src[i] = c.diff_dst[i] = NAN; /* the first channel */
        dst = run(level, &c, &t, FORWARD), diff_src = run(level, &c, &t, DATA);
        float *diff_weights = run_weights(level, &c, &t, NULL);
        for (size_t i = 0; i < test_map_size(&c.dst_map); i++)
            assert_int_equal(isnan(dst[i]) != 0, (int64_t)i / (g->h * g->w) < g->oc / g->groups);
        for (size_t i = 0; i < test_map_size(&c.src_map); i++)
            assert_int_equal(isnan(diff_src[i]) != 0, (int64_t)i / (g->h * g->w) < g->ic / g->groups);
        const int64_t row = g->ic / g->groups * g->kh * g->kw;
        for (size_t i = 0; i < weights_count(g); i++) {
            const int64_t o = (int64_t)i / row, input = (int64_t)i % row / (g->kh * g->kw);
            assert_int_equal(isnan(diff_weights[i]) != 0, o == 0 || (o < g->oc / g->groups && input == 0));
        }
        test_guarded_free(dst), test_guarded_free(diff_src), test_guarded_free(diff_weights);
        conv_free(&c);
    }
}

static void test_not_finite(void **state) {
    (void)state;
    test_each_level(check_not_finite);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_levels_alike),
        cmocka_unit_test(test_not_finite),
    };
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, setup, teardown);
}
