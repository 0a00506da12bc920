/* The kernels of maps stored as bfloat16, at every level. The conversions are held to their definition, in integers.
 * All other kernels do with floats what they do for maps of float, so that from the same numbers come the same results:
 * in maps rounded to bfloat16, elsewhere bit by bit. Where a result is summed in its place in a map, sum by sum is
 * rounded.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/copy.h"
#include "kernels/direct.h"
#include "kernels/elementwise.h"
#include "kernels/gate.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "kernels/winograd.h"
#include "support/levels.h"
#include "support/maps.h"

#define VALUES 65536

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float widened(uint16_t x) {
    return float_of((uint32_t)x << 16);
}

static bool is_nan(uint16_t x) {
    return (x & 0x7fff) > 0x7f80;
}

/* Round to nearest even from the definition: of the two neighbours the nearer one, or the even one. What is as large as
 * the neighbour beyond the largest would be is an infinity. */
static uint16_t narrowed(float x) {
    const uint16_t low = (uint16_t)(bits_of(x) >> 16), high = (uint16_t)(low + 1);
    if (isnan(x) || isinf(x)) return isnan(x) ? low | 0x40 : low;
    const double above = high == 0x7f80 ? 0x1p128 : high == 0xff80 ? -0x1p128 : (double)widened(high);
    const double down = fabs((double)x - (double)widened(low)), up = fabs(above - (double)x);
    return down < up || (down == up && low % 2 == 0) ? low : high;
}

/* ---- Conversions ---- */

/* Maps of n numbers. */
static oc_map row_of(int64_t n) {
    return test_map(TEST_PLAIN, 1, 1, 1, n);
}

static void check_every_value(const oc_kernels *level) {
    const oc_kernels *half = test_level_bf16(level);
    const oc_map map = row_of(VALUES);
    uint16_t *from = test_guarded(VALUES, sizeof *from, 1), *to = test_guarded(VALUES, sizeof *to, 3);
    float *wide = test_guarded(VALUES, sizeof *wide, 0), one = 1;
    for (int i = 0; i < VALUES; i++) from[i] = (uint16_t)i;
    half->copy->widen(&map, wide, &map, from, 0, 1);
    half->copy->narrow(&map, to, &map, wide, 0, 1);
    for (int i = 0; i < VALUES; i++) {
        assert_int_equal(bits_of(wide[i]), (uint32_t)i << 16);
        assert_int_equal(to[i], is_nan(from[i]) ? from[i] | 0x40 : from[i]);
    }
    /* The same in vectors, by a product with 1. */
    memset(to, 0xff, VALUES * sizeof *to);
    half->gate->forward(&(oc_gate){.a = from, .dst = to}, &one, NULL, VALUES, 1);
    for (int i = 0; i < VALUES; i++)
        assert_int_equal(to[i] & 0xffbf, from[i] & 0xffbf), assert_int_equal(is_nan(to[i]), is_nan(from[i]));
    test_guarded_free(from), test_guarded_free(to), test_guarded_free(wide);
}

static void test_every_value(void **state) {
    (void)state;
    test_each_level(check_every_value);
}

/* Between each value and the next: next to it, half way and what is next to that, and almost there. */
static void check_rounding(const oc_kernels *level) {
    static const uint32_t between[] = {1, 0x7fff, 0x8000, 0x8001, 0xffff};
    const int64_t count = VALUES * 5;
    const oc_kernels *half = test_level_bf16(level);
    const oc_map map = row_of(count);
    float *from = test_guarded((size_t)count, sizeof *from, 1);
    uint16_t *to = test_guarded((size_t)count, sizeof *to, 1), *sum = test_guarded((size_t)count, sizeof *sum, 0);
    uint16_t *whole = test_guarded((size_t)count, sizeof *whole, 0),
             *rest = test_guarded((size_t)count, sizeof *rest, 0);
    for (int64_t i = 0; i < count; i++) from[i] = float_of((uint32_t)(i / 5) << 16 | between[i % 5]);
    half->copy->narrow(&map, to, &map, from, 0, 1);
    for (int64_t i = 0; i < count; i++) assert_int_equal(to[i], narrowed(from[i]));
    /* In vectors: the sum of a value and one of the halves of its last place, of which there is a bfloat16. */
    for (int64_t i = 0; i < count; i++) {
        const float value = widened((uint16_t)(i / 5)), share[] = {0.25F, 0.5F, -0.5F, 0.75F, 1};
        whole[i] = narrowed(value);
        rest[i] = isfinite(value) ? narrowed(value * 0x1p-7F * share[i % 5]) : 0;
    }
    const float ones[2] = {1, 1};
    half->gate->forward(&(oc_gate){.a = whole, .b = rest, .dst = sum}, ones, ones + 1, count, 1);
    for (int64_t i = 0; i < count; i++) {
        const uint16_t want = narrowed(widened(whole[i]) + widened(rest[i]));
        assert_true(is_nan(want) ? is_nan(sum[i]) : sum[i] == want);
    }
    test_guarded_free(from), test_guarded_free(to), test_guarded_free(sum);
    test_guarded_free(whole), test_guarded_free(rest);
}

static void test_rounding(void **state) {
    (void)state;
    assert_int_equal(narrowed(FLT_MAX), 0x7f80);
    assert_int_equal(narrowed(float_of(0x3f808000)), 0x3f80); /* a tie */
    assert_int_equal(narrowed(float_of(0x3f818000)), 0x3f82);
    assert_true(is_nan(narrowed(float_of(0x7f800001))));
    test_each_level(check_rounding);
}

/* ---- The families ---- */

/* One array of floats that a bfloat16 holds, and the same as bfloat16; or, `written`, both of garbage. */
typedef struct twin {
    float *wide;
    uint16_t *half;
    size_t count;
} twin;

static twin twin_of(float *wide, size_t count, bool written) {
    twin t = {.wide = wide, .half = test_guarded(count, sizeof *t.half, 1), .count = count};
    for (size_t i = 0; i < count && !written; i++) wide[i] = widened(t.half[i] = narrowed(wide[i]));
    return t;
}

static twin twin_map(const oc_map *map, bool written, double mean, uint64_t seed) {
    return twin_of(test_map_new(map, written, mean, seed), test_map_size(map), written);
}

static twin twin_array(int64_t count, bool written, uint64_t seed) {
    return twin_of(test_floats((size_t)count, 0.1, seed), (size_t)count, written);
}

static void twin_free(twin *t) {
    test_guarded_free(t->wide), test_guarded_free(t->half);
}

/* The result for bfloat16 is that for floats, rounded. */
static void check_twin(const char *what, const twin *t) {
    for (size_t i = 0; i < t->count; i++) {
        const uint16_t want = narrowed(t->wide[i]);
        if (is_nan(want) ? is_nan(t->half[i]) : t->half[i] == want) continue;
        fail_msg("%s: element %zu is %a, not %a", what, i, (double)widened(t->half[i]), (double)widened(want));
    }
}

/* To the last two places of what has been summed. */
static void check_twin_near(const char *what, const twin *t) {
    double largest = 0;
    for (size_t i = 0; i < t->count; i++) largest = fmax(largest, isnan(t->wide[i]) ? 0 : fabs((double)t->wide[i]));
    for (size_t i = 0; i < t->count; i++)
        if (fabs((double)widened(t->half[i]) - (double)t->wide[i]) > 0x1p-7 * largest)
            fail_msg("%s: element %zu is %g, not %g", what, i, (double)widened(t->half[i]), (double)t->wide[i]);
}

#define ELEMENTS 1061

static void check_elementwise(const oc_kernels *level) {
    const oc_elementwise_kernels *f = level->elementwise, *h = test_level_bf16(level)->elementwise;
    twin a = twin_array(ELEMENTS, false, 1), b = twin_array(ELEMENTS, false, 2), c = twin_array(ELEMENTS, false, 3);
    twin to = twin_array(ELEMENTS, true, 4);
    uint8_t mask[ELEMENTS], other[ELEMENTS];
    const int64_t n = ELEMENTS;
    f->sum_2(to.wide, a.wide, b.wide, n), h->sum_2(to.half, a.half, b.half, n);
    check_twin("sum of two", &to);
    f->sum_3(to.wide, a.wide, b.wide, c.wide, n), h->sum_3(to.half, a.half, b.half, c.half, n);
    check_twin("sum of three", &to);
    f->relu(to.wide, a.wide, n), h->relu(to.half, a.half, n);
    check_twin("ReLU", &to);
    f->relu_backward(to.wide, a.wide, b.wide, n), h->relu_backward(to.half, a.half, b.half, n);
    check_twin("ReLU backward", &to);
    f->join(to.wide, mask, a.wide, b.wide, c.wide, n), h->join(to.half, other, a.half, b.half, c.half, n);
    check_twin("join of three", &to);
    assert_memory_equal(mask, other, sizeof mask);
    f->join(to.wide, NULL, a.wide, b.wide, NULL, n), h->join(to.half, NULL, a.half, b.half, NULL, n);
    check_twin("join", &to);
    f->join_backward(to.wide, mask, a.wide, n), h->join_backward(to.half, mask, a.half, n);
    check_twin("join backward", &to);
    f->sigmoid(to.wide, a.wide, n), h->sigmoid(to.half, a.half, n);
    check_twin("sigmoid", &to);
    f->sigmoid_backward(to.wide, a.wide, b.wide, n), h->sigmoid_backward(to.half, a.half, b.half, n);
    check_twin("sigmoid backward", &to);
    f->scale(to.wide, a.wide, 1.7F, n), h->scale(to.half, a.half, 1.7F, n);
    check_twin("scale", &to);
    f->scale_kept(to.wide, a.wide, mask, 1.7F, n), h->scale_kept(to.half, a.half, mask, 1.7F, n);
    check_twin("dropping", &to);
    twin_free(&a), twin_free(&b), twin_free(&c), twin_free(&to);
}

static void check_gate(const oc_kernels *level) {
    static const int64_t blocks[] = {1, 8, 16, 21};
    const oc_gate_kernels *f = level->gate, *h = test_level_bf16(level)->gate;
    for (int k = 0; k < 8; k++) {
        const int64_t block = blocks[k / 2], pixels = 77, n = block * pixels;
        const bool two = k % 2;
        twin a = twin_array(n, false, 1), b = twin_array(n, false, 2), diff = twin_array(n, false, 3);
        twin dst = twin_array(n, true, 4), diff_a = twin_array(n, true, 5), diff_b = twin_array(n, true, 6);
        float *s = test_floats((size_t)block, 0.5, 7), *t = test_floats((size_t)block, 0.5, 8);
        double wide_sums[21] = {0}, half_sums[21] = {0};
        const oc_gate wide = {.a = a.wide,
                              .b = two ? b.wide : NULL,
                              .dst = dst.wide,
                              .diff_dst = diff.wide,
                              .diff_a = diff_a.wide,
                              .diff_b = two ? diff_b.wide : NULL};
        const oc_gate half = {.a = a.half,
                              .b = two ? b.half : NULL,
                              .dst = dst.half,
                              .diff_dst = diff.half,
                              .diff_a = diff_a.half,
                              .diff_b = two ? diff_b.half : NULL};
        f->forward(&wide, s, t, pixels, block), h->forward(&half, s, t, pixels, block);
        check_twin("gate", &dst);
        f->backward(&wide, s, t, pixels, block, wide_sums), h->backward(&half, s, t, pixels, block, half_sums);
        check_twin("gate backward, a", &diff_a);
        if (two) check_twin("gate backward, b", &diff_b);
        assert_memory_equal(wide_sums, half_sums, sizeof wide_sums);
        twin_free(&a), twin_free(&b), twin_free(&diff), twin_free(&dst), twin_free(&diff_a), twin_free(&diff_b);
        test_guarded_free(s), test_guarded_free(t);
    }
}

static void run_norm(const oc_norm_kernels *norm, const oc_norm_args *args) {
    const int64_t blocks = args->map.blocks, parts = args->map.images * blocks;
    norm->sums(args, 0, parts), norm->statistics(args, 0, blocks), norm->prepare(args, 0, blocks);
    norm->forward(args, 0, parts);
    norm->backward_sums(args, 0, parts), norm->backward_join(args, 0, blocks), norm->backward(args, 0, parts);
}

static void check_norm(const oc_kernels *level) {
    for (int form = 0; form < TEST_FORMS; form++) {
        const oc_map map = test_map((test_form)form, 3, 21, 9, 8);
        const int64_t padded = map.blocks * map.block, channels = map.channels;
        twin src = twin_map(&map, false, 0.5, 1), diff_dst = twin_map(&map, false, 0.1, 2);
        twin dst = twin_map(&map, true, 0, 3), diff_src = twin_map(&map, true, 0, 4);
        float *scale = test_floats((size_t)channels, 1, 5), *shift = test_floats((size_t)channels, 0, 6);
        float *of[2]; /* mean, variance, diff_scale, diff_shift of each */
        double *sums = test_guarded((size_t)(map.images * padded * 2), sizeof *sums, 0);
        float *rows = test_guarded((size_t)(OC_NORM_ROWS * padded), sizeof *rows, 0);
        for (int half = 0; half < 2; half++) {
            of[half] = test_guarded((size_t)(4 * channels), sizeof(float), 0);
            const oc_norm_args args = {.map = map,
                                       .epsilon = 1e-5,
                                       .relu = form % 2,
                                       .src = half ? (void *)src.half : src.wide,
                                       .scale = scale,
                                       .shift = shift,
                                       .mean = of[half],
                                       .variance = of[half] + channels,
                                       .dst = half ? (void *)dst.half : dst.wide,
                                       .diff_dst = half ? (void *)diff_dst.half : diff_dst.wide,
                                       .diff_src = half ? (void *)diff_src.half : diff_src.wide,
                                       .diff_scale = of[half] + 2 * channels,
                                       .diff_shift = of[half] + 3 * channels,
                                       .sums = sums,
                                       .rows = rows};
            run_norm(half ? test_level_bf16(level)->norm : level->norm, &args);
        }
        assert_memory_equal(of[0], of[1], (size_t)(4 * channels) * sizeof(float));
        check_twin("batch norm", &dst), check_twin("batch norm backward", &diff_src);
        twin_free(&src), twin_free(&diff_dst), twin_free(&dst), twin_free(&diff_src);
        test_guarded_free(scale), test_guarded_free(shift), test_guarded_free(of[0]), test_guarded_free(of[1]);
        test_guarded_free(sums), test_guarded_free(rows);
    }
}

static void check_pool(const oc_kernels *level) {
    const oc_pool_kernels *f = level->pool, *h = test_level_bf16(level)->pool;
    for (int k = 0; k < TEST_FORMS * 2; k++) {
        const test_form form = (test_form)(k / 2);
        const bool tiled = k % 2;
        const oc_map one = test_map(form, 2, 21, 1, 1);
        const oc_pool pool = tiled ? (oc_pool){test_map(form, 2, 21, 8, 6), test_map(form, 2, 21, 4, 3), 2, 2, 0}
                                   : (oc_pool){test_map(form, 2, 21, 8, 6), test_map(form, 2, 21, 4, 3), 3, 2, 1};
        const int64_t parts = pool.src.images * pool.src.blocks;
        twin src = twin_map(&pool.src, false, 0, 1), dst = twin_map(&pool.dst, true, 0, 2);
        twin diff_dst = twin_map(&pool.dst, false, 0, 3), diff_src = twin_map(&pool.src, true, 0, 4);
        float *mean[2] = {test_map_new(&one, true, 0, 5), test_map_new(&one, true, 0, 5)};
        float *diff_mean = test_map_new(&one, false, 0, 6);
        uint8_t *index[2] = {test_guarded(dst.count, 1, 0), test_guarded(dst.count, 1, 0)};
        f->max(&pool, src.wide, dst.wide, index[0], 0, parts), h->max(&pool, src.half, dst.half, index[1], 0, parts);
        check_twin("max-pool", &dst);
        assert_memory_equal(index[0], index[1], dst.count);
        f->max_backward(&pool, diff_dst.wide, index[0], diff_src.wide, 0, parts);
        h->max_backward(&pool, diff_dst.half, index[0], diff_src.half, 0, parts);
        tiled ? check_twin("max-pool backward", &diff_src) : check_twin_near("max-pool backward", &diff_src);
        f->average(&pool, src.wide, dst.wide, 0, parts), h->average(&pool, src.half, dst.half, 0, parts);
        check_twin("average-pool", &dst);
        f->average_backward(&pool, diff_dst.wide, diff_src.wide, 0, parts);
        h->average_backward(&pool, diff_dst.half, diff_src.half, 0, parts);
        check_twin_near("average-pool backward", &diff_src);
        f->mean(&pool.src, src.wide, &one, mean[0], 0, parts), h->mean(&pool.src, src.half, &one, mean[1], 0, parts);
        test_same_floats("mean", mean[1], mean[0], test_map_size(&one));
        f->mean_backward(&one, diff_mean, &pool.src, diff_src.wide, 0, parts);
        h->mean_backward(&one, diff_mean, &pool.src, diff_src.half, 0, parts);
        check_twin("mean backward", &diff_src);
        twin_free(&src), twin_free(&dst), twin_free(&diff_dst), twin_free(&diff_src);
        test_guarded_free(mean[0]), test_guarded_free(mean[1]), test_guarded_free(diff_mean);
        test_guarded_free(index[0]), test_guarded_free(index[1]);
    }
}

/* From each layout to each. */
static void check_copy(const oc_kernels *level) {
    const oc_copy_kernels *f = level->copy, *h = test_level_bf16(level)->copy;
    for (int k = 0; k < TEST_FORMS * TEST_FORMS; k++) {
        const oc_map from_map = test_map((test_form)(k % TEST_FORMS), 2, 21, 5, 3);
        const oc_map to_map = test_map((test_form)(k / TEST_FORMS), 2, 21, 5, 3);
        const oc_map few = test_map((test_form)(k % TEST_FORMS), 2, 21, 3, 2);
        const int64_t parts = to_map.images * to_map.blocks, few_parts = few.images * few.blocks;
        twin from = twin_map(&from_map, false, 0, 1), to = twin_map(&to_map, true, 0, 2);
        twin some = twin_map(&few, true, 0, 3), back = twin_map(&from_map, true, 0, 4);
        f->channels(&to_map, to.wide, &from_map, from.wide, 5, 0, parts);
        h->channels(&to_map, to.half, &from_map, from.half, 5, 0, parts);
        check_twin("channels", &to);
        f->channels(&to_map, to.wide, &from_map, from.wide, 0, 0, parts);
        h->narrow(&to_map, to.half, &from_map, from.wide, 0, parts);
        check_twin("narrowing", &to);
        h->widen(&from_map, back.wide, &to_map, to.half, 0, from_map.images * from_map.blocks);
        test_same_floats("widening", back.wide, from.wide, from.count);
        f->subsample(&few, some.wide, &from_map, from.wide, 2, 0, few_parts);
        h->subsample(&few, some.half, &from_map, from.half, 2, 0, few_parts);
        check_twin("subsampling", &some);
        f->subsample_backward(&from_map, back.wide, &few, some.wide, 2, 0, few_parts);
        h->subsample_backward(&from_map, back.half, &few, some.half, 2, 0, few_parts);
        check_twin("subsampling backward", &back);
        twin_free(&from), twin_free(&to), twin_free(&some), twin_free(&back);
    }
}

/* ---- Convolutions: both passes' plans are those of the floats ---- */

static void check_direct_pass(const oc_kernels *level, oc_direct c, bool data) {
    const oc_direct_kernels *f = level->direct, *h = test_level_bf16(level)->direct;
    oc_finish wide = {.posts = 2, .post = {OC_FINISH_ADD, OC_FINISH_RELU}}, half = wide;
    c.data = data;
    f->plan(&c);
    const oc_map *from_map = data ? &c.dst : &c.src, *to_map = data ? &c.src : &c.dst;
    twin from = twin_map(from_map, false, 0.1, 1), to = twin_map(to_map, true, 0, 2);
    twin added = twin_map(to_map, false, 0, 3);
    const size_t weights = (size_t)(c.dst.channels * c.src.channels / c.groups * c.kh * c.kw);
    float *plain = test_floats(weights, 0, 4), *filters = test_guarded((size_t)c.filter_floats, sizeof *filters, 0);
    wide.added[0] = added.wide, half.added[0] = added.half;
    f->filters(&c, plain, filters, 0, c.filter_blocks);
    f->run(&c, from.wide, filters, &wide, to.wide, 0, c.items),
        h->run(&c, from.half, filters, &half, to.half, 0, c.items);
    check_twin(data ? "direct by data" : "direct", &to);
    twin_free(&from), twin_free(&to), twin_free(&added), test_guarded_free(plain), test_guarded_free(filters);
}

static void check_direct_weights(const oc_kernels *level, oc_direct c) {
    level->direct->plan(&c);
    twin src = twin_map(&c.src, false, 0.1, 1), diff_dst = twin_map(&c.dst, false, 0.1, 2);
    const size_t weights = (size_t)(c.dst.channels * c.src.channels / c.groups * c.kh * c.kw);
    float *sums = test_guarded((size_t)c.sums_floats, sizeof *sums, 0), *diff_weights[2];
    float *scratch = test_guarded((size_t)c.scratch_floats, sizeof *scratch, 0);
    for (int half = 0; half < 2; half++) {
        const oc_direct_weights_kernels *k = (half ? test_level_bf16(level) : level)->direct->weights;
        const void *from = half ? (void *)src.half : src.wide, *diff = half ? (void *)diff_dst.half : diff_dst.wide;
        float *bias = test_guarded((size_t)c.dst.channels, sizeof *bias, 0);
        diff_weights[half] = test_guarded(weights, sizeof(float), 0);
        for (int64_t i = 0; i < c.units; i++) k->unit(&c, i, from, diff, true, sums, scratch);
        k->reduce(&c, sums, diff_weights[half], bias, 0, c.dst.blocks);
        test_guarded_free(bias);
    }
    test_same_floats("direct by weights", diff_weights[1], diff_weights[0], weights);
    twin_free(&src), twin_free(&diff_dst), test_guarded_free(sums), test_guarded_free(scratch);
    test_guarded_free(diff_weights[0]), test_guarded_free(diff_weights[1]);
}

static void check_direct(const oc_kernels *level) {
    static const struct {
        int64_t ic, oc, groups, kernel, stride, pad;
    } cases[] = {
        {3, 21, 1, 3, 1, 1}, {32, 32, 1, 3, 2, 1}, {21, 40, 1, 1, 1, 0}, {32, 32, 8, 3, 1, 1}, {6, 6, 2, 3, 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int form = 0; form < TEST_FORMS; form++) {
            const int64_t size = (7 + 2 * cases[i].pad - cases[i].kernel) / cases[i].stride + 1;
            const oc_direct c = {.src = test_map(i ? (test_form)form : TEST_PLAIN, 2, cases[i].ic, 7, 7),
                                 .dst = test_map((test_form)form, 2, cases[i].oc, size, size),
                                 .groups = cases[i].groups,
                                 .kh = cases[i].kernel,
                                 .kw = cases[i].kernel,
                                 .stride = cases[i].stride,
                                 .pad = cases[i].pad,
                                 .dilation = 1};
            check_direct_pass(level, c, false), check_direct_pass(level, c, true), check_direct_weights(level, c);
        }
}

static oc_map blocks_of(const oc_kernels *level, int64_t channels, int64_t h, int64_t w) {
    return test_map(level->lanes == 8 ? TEST_BLOCKED_8 : TEST_BLOCKED_16, 2, channels, h, w);
}

static void check_winograd_pass(const oc_kernels *level, int tile, bool turned) {
    const oc_winograd_kernels *f = level->winograd, *h = test_level_bf16(level)->winograd;
    oc_winograd w = {.from = blocks_of(level, 21, 9, 10),
                     .to = blocks_of(level, 40, 9, 10),
                     .tile = tile,
                     .pad = 1,
                     .turned = turned,
                     .threads = 1};
    oc_finish wide = {.posts = 2, .post = {OC_FINISH_ADD, OC_FINISH_RELU}}, half = wide;
    f->plan(&w);
    twin from = twin_map(&w.from, false, 0.1, 1), to = twin_map(&w.to, true, 0, 2),
         added = twin_map(&w.to, false, 0, 3);
    float *plain = test_floats(21 * 40 * 9, 0, 4), *filters = test_guarded((size_t)w.filter_floats, sizeof *filters, 0);
    float *scratch = test_guarded((size_t)w.scratch_floats, sizeof *scratch, 0);
    wide.added[0] = added.wide, half.added[0] = added.half;
    f->filters(&w, plain, filters, 0, w.filter_blocks);
    for (int64_t i = 0; i < w.chunks; i++) {
        f->chunk(&w, i, from.wide, filters, &wide, to.wide, scratch);
        h->chunk(&w, i, from.half, filters, &half, to.half, scratch);
    }
    check_twin("Winograd", &to);
    twin_free(&from), twin_free(&to), twin_free(&added);
    test_guarded_free(plain), test_guarded_free(filters), test_guarded_free(scratch);
}

static void check_winograd_weights(const oc_kernels *level, int tile) {
    oc_winograd_backward w = {
        .src = blocks_of(level, 21, 9, 10), .dst = blocks_of(level, 40, 9, 10), .tile = tile, .pad = 1, .threads = 1};
    level->winograd->backward->plan(&w);
    twin src = twin_map(&w.src, false, 0.1, 1), diff_dst = twin_map(&w.dst, false, 0.1, 2);
    float *sums = test_guarded((size_t)w.sums_floats, sizeof *sums, 0), *diff_weights[2], *diff_bias[2];
    float *scratch = test_guarded((size_t)w.scratch_floats, sizeof *scratch, 0);
    for (int half = 0; half < 2; half++) {
        const oc_winograd_backward_kernels *k = (half ? test_level_bf16(level) : level)->winograd->backward;
        const void *from = half ? (void *)src.half : src.wide, *diff = half ? (void *)diff_dst.half : diff_dst.wide;
        diff_weights[half] = test_guarded(21 * 40 * 9, sizeof(float), 0);
        diff_bias[half] = test_guarded(40, sizeof(float), 0);
        for (int64_t i = 0; i < w.units; i++) k->unit(&w, i, from, diff, true, sums, scratch);
        k->reduce(&w, sums, diff_weights[half], diff_bias[half], 0, w.blocks);
    }
    test_same_floats("Winograd by weights", diff_weights[1], diff_weights[0], 21 * 40 * 9);
    test_same_floats("Winograd, the bias", diff_bias[1], diff_bias[0], 40);
    twin_free(&src), twin_free(&diff_dst), test_guarded_free(sums), test_guarded_free(scratch);
    for (int half = 0; half < 2; half++) test_guarded_free(diff_weights[half]), test_guarded_free(diff_bias[half]);
}

static void check_winograd(const oc_kernels *level) {
    for (int tile = 2; tile <= 4; tile += 2) {
        check_winograd_pass(level, tile, false), check_winograd_pass(level, tile, true);
        check_winograd_weights(level, tile);
    }
}

static void test_families(void **state) {
    void (*const family[])(const oc_kernels *) = {check_elementwise, check_gate,   check_norm,    check_pool,
                                                  check_copy,        check_direct, check_winograd};
    (void)state;
    for (size_t i = 0; i < sizeof family / sizeof *family; i++) test_each_level(family[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_value), cmocka_unit_test(test_rounding),
                                       cmocka_unit_test(test_families)};
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
