/* Kernels that walk over maps (copies, pools, gates, direct convolution), at every level and in every layout, against
 * plain loops; nothing is written beside the result, and padding stays zero. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "kernels/copy.h"
#include "kernels/direct.h"
#include "kernels/gate.h"
#include "kernels/pool.h"
#include "support/levels.h"
#include "support/maps.h"

#define FOR_EACH_PIXEL(map)                                                                                            \
    for (int64_t n = 0; n < (map).images; n++)                                                                         \
        for (int64_t c = 0; c < (map).channels; c++)                                                                   \
            for (int64_t y = 0; y < (map).h; y++)                                                                      \
                for (int64_t x = 0; x < (map).w; x++)

static float at(const oc_map *map, const float *data, int64_t n, int64_t c, int64_t y, int64_t x) {
    return data[test_map_at(map, n, c, y * map->w + x)];
}

static int64_t parts_of(const oc_map *map) {
    return map->images * map->blocks;
}

static const oc_kernels *levels[TEST_LEVELS_MOST];
static size_t level_count;

static int setup(void **state) {
    (void)state;
    level_count = test_levels(levels);
    return 0;
}

/* ---- Copies ---- */

static void channels_case(const oc_copy_kernels *k, test_form to_form, test_form from_form, int64_t channels,
                          int64_t shift) {
    const oc_map from_map = test_map(from_form, 2, 21, 3, 5), to_map = test_map(to_form, 2, channels, 3, 5);
    float *from = test_map_new(&from_map, false, 0, 1), *to = test_map_new(&to_map, true, 0, 0);
    const int64_t parts = parts_of(&to_map);
    k->channels(&to_map, to, &from_map, from, shift, parts / 2, parts);
    k->channels(&to_map, to, &from_map, from, shift, 0, parts / 2);
    FOR_EACH_PIXEL(to_map) {
        const int64_t other = c + shift;
        const bool there = other >= 0 && other < from_map.channels;
        assert_true(at(&to_map, to, n, c, y, x) == (there ? at(&from_map, from, n, other, y, x) : 0));
    }
    test_map_check_padding(&to_map, to);
    test_guarded_free(from);
    test_guarded_free(to);
}

static void subsample_case(const oc_copy_kernels *k, test_form form, int64_t stride) {
    const oc_map src_map = test_map(form, 2, 19, 7, 10);
    const oc_map dst_map = test_map(form, 2, 19, (7 + stride - 1) / stride, (10 + stride - 1) / stride);
    float *src = test_map_new(&src_map, false, 0, 2), *dst = test_map_new(&dst_map, true, 0, 0);
    float *back = test_map_new(&src_map, true, 0, 0);
    const int64_t parts = parts_of(&dst_map);
    k->subsample(&dst_map, dst, &src_map, src, stride, 0, 1);
    k->subsample(&dst_map, dst, &src_map, src, stride, 1, parts);
    FOR_EACH_PIXEL(dst_map)
    assert_true(at(&dst_map, dst, n, c, y, x) == at(&src_map, src, n, c, y * stride, x * stride));
    test_map_check_padding(&dst_map, dst);
    k->subsample_backward(&src_map, back, &dst_map, dst, stride, 0, 1);
    k->subsample_backward(&src_map, back, &dst_map, dst, stride, 1, parts);
    FOR_EACH_PIXEL(src_map) {
        const bool met = y % stride == 0 && x % stride == 0;
        assert_true(at(&src_map, back, n, c, y, x) == (met ? at(&src_map, src, n, c, y, x) : 0));
    }
    test_map_check_padding(&src_map, back);
    test_guarded_free(src);
    test_guarded_free(dst);
    test_guarded_free(back);
}

static void test_copies(void **state) {
    (void)state;
    for (size_t level = 0; level < level_count; level++)
        for (int to = 0; to < TEST_FORMS; to++) {
            const oc_copy_kernels *k = levels[level]->copy;
            for (int from = 0; from < TEST_FORMS; from++) {
                channels_case(k, (test_form)to, (test_form)from, 21, 0);
                channels_case(k, (test_form)to, (test_form)from, 9, 8);
                channels_case(k, (test_form)to, (test_form)from, 11, 5);
                channels_case(k, (test_form)to, (test_form)from, 40, -16);
                channels_case(k, (test_form)to, (test_form)from, 30, -3);
            }
            subsample_case(k, (test_form)to, 2);
            subsample_case(k, (test_form)to, 3);
        }
}

/* ---- Pools ---- */

/* Calls the statement for each pixel of the window of dst's pixel (oy, ox). */
#define FOR_EACH_IN_WINDOW(pool, oy, ox, ...)                                                                          \
    for (int64_t ky = 0; ky < (pool)->size; ky++)                                                                      \
        for (int64_t kx = 0; kx < (pool)->size; kx++) {                                                                \
            const int64_t sy = (oy) * (pool)->stride - (pool)->pad + ky;                                               \
            const int64_t sx = (ox) * (pool)->stride - (pool)->pad + kx;                                               \
            if (sy < 0 || sx < 0 || sy >= (pool)->src.h || sx >= (pool)->src.w) continue;                              \
            __VA_ARGS__                                                                                                \
        }

static void pool_case(const oc_pool_kernels *k, test_form form, int64_t c0, int64_t size, int64_t stride, int64_t pad,
                      bool odd) {
    const int64_t h = 9, w = 12;
    oc_pool pool = {.src = test_map(form, 2, c0, h, w), .size = size, .stride = stride, .pad = pad};
    pool.dst = test_map(form, 2, c0, (h + 2 * pad - size) / stride + 1, (w + 2 * pad - size) / stride + 1);
    const size_t floats = test_map_size(&pool.dst);
    float *src = test_map_new(&pool.src, false, 0.2, 3), *dst = test_map_new(&pool.dst, true, 0, 0);
    float *given = test_map_new(&pool.dst, false, 0.1, 4), *back = test_map_new(&pool.src, true, 0, 0);
    uint8_t *index = test_guarded(floats, 1, 0);
    double *want = NULL;
    assert_int_equal(oc_alloc(&want, test_map_size(&pool.src), sizeof *want, NULL), OC_OK);
    const int64_t parts = parts_of(&pool.dst);
    FOR_EACH_PIXEL(pool.src) { /* ties, and numbers that are none */
        float *p = &src[test_map_at(&pool.src, n, c, y * w + x)];
        *p = rintf(4 * *p) / 4;
        if (odd && (n + c + y * x) % 23 == 7) *p = NAN;
    }

    k->max(&pool, src, dst, index, 0, 1);
    k->max(&pool, src, dst, index, 1, parts);
    FOR_EACH_PIXEL(pool.dst) {
        float highest = -INFINITY;
        int64_t place = -1;
        FOR_EACH_IN_WINDOW(&pool, y, x, {
            const float value = at(&pool.src, src, n, c, sy, sx);
            if (place >= 0 && !(value > highest || isnan(value))) continue;
            highest = value;
            place = ky * size + kx;
        })
        const float is = at(&pool.dst, dst, n, c, y, x);
        assert_true(is == highest || (isnan(is) && isnan(highest)));
        assert_int_equal(index[test_map_at(&pool.dst, n, c, y * pool.dst.w + x)], place);
        want[test_map_at(&pool.src, n, c, (y * stride - pad + place / size) * w + x * stride - pad + place % size)] +=
            at(&pool.dst, given, n, c, y, x);
    }
    test_map_check_padding(&pool.dst, dst);
    k->max_backward(&pool, given, index, back, 0, 1);
    k->max_backward(&pool, given, index, back, 1, parts);
    FOR_EACH_PIXEL(pool.src)
    test_near(at(&pool.src, back, n, c, y, x), want[test_map_at(&pool.src, n, c, y * w + x)], 1e-5);
    test_map_check_padding(&pool.src, back);
    k->max(&pool, src, dst, NULL, 0, parts);

    memset(want, 0, test_map_size(&pool.src) * sizeof *want);
    k->average(&pool, src, dst, 0, parts);
    FOR_EACH_PIXEL(pool.dst) {
        double sum = 0;
        int64_t count = 0;
        FOR_EACH_IN_WINDOW(&pool, y, x, {
            sum += at(&pool.src, src, n, c, sy, sx);
            count++;
        })
        test_near(at(&pool.dst, dst, n, c, y, x), sum / (double)count, 2e-6);
        FOR_EACH_IN_WINDOW(&pool, y, x, {
            want[test_map_at(&pool.src, n, c, sy * w + sx)] += (double)at(&pool.dst, given, n, c, y, x) / (double)count;
        })
    }
    test_map_check_padding(&pool.dst, dst);
    k->average_backward(&pool, given, back, 0, parts);
    FOR_EACH_PIXEL(pool.src)
    test_near(at(&pool.src, back, n, c, y, x), want[test_map_at(&pool.src, n, c, y * w + x)], 4e-6);
    test_map_check_padding(&pool.src, back);
    void *all[] = {src, dst, given, back, index};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) test_guarded_free(all[i]);
    oc_free(want);
}

static void mean_case(const oc_pool_kernels *k, test_form form, int64_t c0, int64_t h, int64_t w) {
    const oc_map src_map = test_map(form, 3, c0, h, w), dst_map = test_map(form, 3, c0, 1, 1);
    float *src = test_map_new(&src_map, false, 3, 5), *dst = test_map_new(&dst_map, true, 0, 0);
    float *back = test_map_new(&src_map, true, 0, 0);
    const int64_t parts = parts_of(&src_map);
    k->mean(&src_map, src, &dst_map, dst, 1, parts);
    k->mean(&src_map, src, &dst_map, dst, 0, 1);
    FOR_EACH_PIXEL(dst_map) {
        double sum = 0;
        for (int64_t p = 0; p < h * w; p++) sum += src[test_map_at(&src_map, n, c, p)];
        test_near(at(&dst_map, dst, n, c, y, x), sum / (double)(h * w), 1e-5);
    }
    test_map_check_padding(&dst_map, dst);
    k->mean_backward(&dst_map, dst, &src_map, back, 0, parts);
    FOR_EACH_PIXEL(src_map)
    test_near(at(&src_map, back, n, c, y, x), (double)at(&dst_map, dst, n, c, 0, 0) / (double)(h * w), 1e-6);
    test_map_check_padding(&src_map, back);
    test_guarded_free(src);
    test_guarded_free(dst);
    test_guarded_free(back);
}

static void test_pools(void **state) {
    (void)state;
    static const int64_t windows[][3] = {{2, 2, 0}, {3, 2, 1}, {3, 1, 1}, {2, 1, 0}, {5, 3, 2}, {3, 2, 0}};
    for (size_t level = 0; level < level_count; level++)
        for (int form = 0; form < TEST_FORMS; form++) {
            for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
                pool_case(levels[level]->pool, (test_form)form, i % 2 ? 19 : 5, windows[i][0], windows[i][1],
                          windows[i][2], i == 1);
            mean_case(levels[level]->pool, (test_form)form, 19, 7, 9);
            mean_case(levels[level]->pool, (test_form)form, 3, 1, 1);
            mean_case(levels[level]->pool, (test_form)form, 24, 13, 16);
        }
}

/* ---- Gates ---- */

static void gate_case(const oc_gate_kernels *k, int64_t pixels, int64_t block, bool two, bool in_place) {
    const oc_map map = {1, block, 1, pixels, 1, block, pixels * block, pixels * block};
    const oc_map row = {1, block, 1, 1, 1, block, block, block};
    const size_t count = (size_t)(pixels * block);
    float *a = test_map_new(&map, false, 0, 6), *b = test_map_new(&map, false, 0, 7);
    float *s = test_map_new(&row, false, 0, 8), *t = test_map_new(&row, false, 0, 9);
    float *given = test_map_new(&map, false, 0, 10), *dst = test_map_new(&map, true, 0, 0);
    float *diff_a = test_map_new(&map, true, 0, 0), *diff_b = test_map_new(&map, true, 0, 0);
    double *sums = test_guarded((size_t)block, sizeof *sums, 0), *want = NULL;
    assert_int_equal(oc_alloc(&want, (size_t)block, sizeof *want, NULL), OC_OK);
    for (int64_t c = 0; c < block; c++) want[c] = sums[c] = 0.25; /* added to */
    for (size_t i = 0; i < count; i++)
        want[i % (size_t)block] += (double)given[i] * ((double)a[i] - (two ? (double)b[i] : 0));
    float *copy = NULL;
    assert_int_equal(oc_alloc(&copy, count, sizeof *copy, NULL), OC_OK);

    oc_gate gate = {.a = a, .b = two ? b : NULL, .dst = dst};
    k->forward(&gate, s, two ? t : NULL, pixels, block);
    for (size_t i = 0; i < count; i++) {
        const size_t c = i % (size_t)block;
        test_near(dst[i], (double)a[i] * s[c] + (two ? (double)b[i] * t[c] : 0), 1e-6);
    }
    memcpy(copy, given, count * sizeof *copy);
    gate = (oc_gate){.a = a,
                     .b = two ? b : NULL,
                     .diff_dst = given,
                     .diff_a = in_place ? given : diff_a,
                     .diff_b = two ? (in_place ? b : diff_b) : NULL};
    k->backward(&gate, s, two ? t : NULL, pixels, block, sums);
    for (size_t i = 0; i < count; i++) {
        const size_t c = i % (size_t)block;
        assert_true(gate.diff_a[i] == copy[i] * s[c]);
        if (two) assert_true(gate.diff_b[i] == copy[i] * t[c]);
    }
    for (int64_t c = 0; c < block; c++) test_near((float)sums[c], want[c], 2e-5);
    void *all[] = {a, b, s, t, given, dst, diff_a, diff_b, sums};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) test_guarded_free(all[i]);
    oc_free(want);
    oc_free(copy);
}

static void test_gates(void **state) {
    (void)state;
    static const int64_t blocks[] = {1, 8, 16, 19}, pixels[] = {1, 5, 64, 131};
    for (size_t level = 0; level < level_count; level++)
        for (int b = 0; b < 4; b++)
            for (int p = 0; p < 4; p++)
                for (int how = 0; how < 4; how++)
                    gate_case(levels[level]->gate, pixels[p], blocks[b], how & 1, how & 2);
}

/* ---- Direct convolution ---- */

typedef struct conv_case {
    int64_t groups, ic, oc, h, w, kh, kw, stride, pad, dilation;
} conv_case;

static const conv_case convs[] = {
    {1, 3, 8, 6, 7, 3, 3, 1, 1, 1},     {1, 16, 17, 9, 21, 3, 3, 1, 1, 1},  {1, 20, 16, 4, 4, 3, 3, 1, 1, 1},
    {1, 24, 32, 5, 2, 1, 1, 1, 0, 1},   {1, 16, 16, 9, 9, 3, 3, 2, 1, 1},   {1, 16, 16, 9, 8, 3, 3, 2, 2, 2},
    {1, 32, 16, 8, 17, 5, 3, 1, 2, 1},  {1, 16, 16, 12, 12, 7, 7, 3, 3, 1}, {1, 16, 16, 8, 8, 1, 1, 2, 0, 1},
    {8, 32, 32, 6, 16, 3, 3, 1, 1, 1},  {4, 32, 32, 7, 8, 3, 3, 1, 1, 1},   {32, 32, 32, 5, 17, 3, 3, 2, 1, 1},
    {4, 32, 32, 8, 9, 3, 3, 2, 2, 2},   {2, 32, 64, 6, 6, 3, 3, 1, 1, 1},   {2, 40, 48, 5, 5, 3, 3, 1, 1, 1},
    {3, 9, 15, 5, 6, 2, 4, 2, 1, 1},    {16, 16, 16, 4, 33, 3, 3, 1, 1, 1}, {1, 130, 130, 3, 3, 3, 3, 1, 1, 1},
    {8, 128, 128, 3, 3, 3, 3, 1, 1, 1},
};

typedef struct conv_arrays {
    oc_map src_map, dst_map;
    float *src, *dst, *weights, *bias, *diff_dst, *diff_src, *diff_weights, *diff_bias;
    double *want_dst, *want_src, *want_weights, *want_bias;
} conv_arrays;

static void conv_want(const conv_case *s, conv_arrays *a) {
    const int64_t in = s->ic / s->groups, out = s->oc / s->groups;
    FOR_EACH_PIXEL(a->dst_map) {
        const size_t d = test_map_at(&a->dst_map, n, c, y * a->dst_map.w + x);
        a->want_dst[d] = a->bias[c];
        a->want_bias[c] += a->diff_dst[d];
        for (int64_t i = 0; i < in; i++)
            for (int64_t ky = 0; ky < s->kh; ky++)
                for (int64_t kx = 0; kx < s->kw; kx++) {
                    const int64_t sy = y * s->stride + ky * s->dilation - s->pad;
                    const int64_t sx = x * s->stride + kx * s->dilation - s->pad;
                    if (sy < 0 || sx < 0 || sy >= s->h || sx >= s->w) continue;
                    const size_t p = test_map_at(&a->src_map, n, c / out * in + i, sy * s->w + sx);
                    const int64_t k = ((c * in + i) * s->kh + ky) * s->kw + kx;
                    a->want_dst[d] += (double)a->src[p] * a->weights[k];
                    a->want_src[p] += (double)a->diff_dst[d] * a->weights[k];
                    a->want_weights[k] += (double)a->diff_dst[d] * a->src[p];
                }
    }
}

/* Fails unless the numbers agree to 2e-6 of the largest. */
static void close_to(const char *what, const oc_kernels *kernels, const float *is, const double *want, size_t count) {
    double largest = 0, error = 0;
    for (size_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs(want[i]));
        error = fabs(is[i] - want[i]) <= error ? error : fabs(is[i] - want[i]);
    }
    if (!(error <= 2e-6 * largest)) print_message("%s, %s: error %g of %g\n", kernels->name, what, error, largest);
    assert_true(error <= 2e-6 * largest);
}

static void run_pass(const oc_kernels *kernels, oc_direct conv, bool data, const conv_arrays *a) {
    const oc_direct_kernels *k = kernels->direct;
    const oc_finish finish = {.bias = data ? NULL : a->bias};
    conv.data = data;
    k->plan(&conv);
    float *filters = test_guarded((size_t)conv.filter_floats, sizeof *filters, 0);
    k->filters(&conv, a->weights, filters, 0, conv.filter_blocks / 2);
    k->filters(&conv, a->weights, filters, conv.filter_blocks / 2, conv.filter_blocks);
    const float *from = data ? a->diff_dst : a->src;
    float *to = data ? a->diff_src : a->dst;
    k->run(&conv, from, filters, &finish, to, conv.items / 2, conv.items);
    k->run(&conv, from, filters, &finish, to, 0, conv.items / 2);
    test_guarded_free(filters);
}

static void run_weights(const oc_kernels *kernels, oc_direct conv, const conv_arrays *a) {
    const oc_direct_weights_kernels *k = kernels->direct->weights;
    kernels->direct->plan(&conv);
    float *sums = test_guarded((size_t)conv.sums_floats, sizeof *sums, 0);
    float *scratch = test_guarded((size_t)conv.scratch_floats, sizeof *scratch, 0);
    for (int64_t unit = conv.units - 1; unit >= 0; unit--)
        k->unit(&conv, unit, a->src, a->diff_dst, true, sums, scratch);
    k->reduce(&conv, sums, a->diff_weights, a->diff_bias, conv.dst.blocks / 2, conv.dst.blocks);
    k->reduce(&conv, sums, a->diff_weights, a->diff_bias, 0, conv.dst.blocks / 2);
    test_guarded_free(sums);
    test_guarded_free(scratch);
}

static void conv_check(const oc_kernels *kernels, const conv_case *s, test_form src_form, test_form dst_form) {
    const int64_t images = 3, oh = (s->h + 2 * s->pad - s->dilation * (s->kh - 1) - 1) / s->stride + 1;
    const int64_t ow = (s->w + 2 * s->pad - s->dilation * (s->kw - 1) - 1) / s->stride + 1;
    const int64_t weights = s->oc * s->ic / s->groups * s->kh * s->kw;
    const oc_map filter = {1, weights, 1, 1, weights, 1, weights, 1}, bias = {1, s->oc, 1, 1, s->oc, 1, s->oc, 1};
    conv_arrays a = {.src_map = test_map(src_form, images, s->ic, s->h, s->w),
                     .dst_map = test_map(dst_form, images, s->oc, oh, ow)};
    a.src = test_map_new(&a.src_map, false, 0, 11);
    a.diff_dst = test_map_new(&a.dst_map, false, 0, 12);
    a.dst = test_map_new(&a.dst_map, true, 0, 0);
    a.diff_src = test_map_new(&a.src_map, true, 0, 0);
    a.weights = test_map_new(&filter, false, 0, 13);
    a.diff_weights = test_map_new(&filter, true, 0, 0);
    a.bias = test_map_new(&bias, false, 0, 14);
    a.diff_bias = test_map_new(&bias, true, 0, 0);
    const size_t src_size = test_map_size(&a.src_map), dst_size = test_map_size(&a.dst_map);
    assert_int_equal(oc_alloc(&a.want_dst, dst_size, sizeof(double), NULL), OC_OK);
    assert_int_equal(oc_alloc(&a.want_src, src_size, sizeof(double), NULL), OC_OK);
    assert_int_equal(oc_alloc(&a.want_weights, (size_t)weights, sizeof(double), NULL), OC_OK);
    assert_int_equal(oc_alloc(&a.want_bias, (size_t)s->oc, sizeof(double), NULL), OC_OK);
    conv_want(s, &a);
    const oc_direct conv = {.src = a.src_map,
                            .dst = a.dst_map,
                            .groups = s->groups,
                            .kh = s->kh,
                            .kw = s->kw,
                            .stride = s->stride,
                            .pad = s->pad,
                            .dilation = s->dilation};
    run_pass(kernels, conv, false, &a);
    run_pass(kernels, conv, true, &a);
    run_weights(kernels, conv, &a);
    close_to("forward", kernels, a.dst, a.want_dst, dst_size); /* padding is zero in both */
    close_to("by data", kernels, a.diff_src, a.want_src, src_size);
    close_to("by weights", kernels, a.diff_weights, a.want_weights, (size_t)weights);
    close_to("of the bias", kernels, a.diff_bias, a.want_bias, (size_t)s->oc);
    void *guarded[] = {a.src, a.diff_dst, a.dst, a.diff_src, a.weights, a.diff_weights, a.bias, a.diff_bias};
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++) test_guarded_free(guarded[i]);
    void *plain[] = {a.want_dst, a.want_src, a.want_weights, a.want_bias};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) oc_free(plain[i]);
}

/* What a post-op adds may lie where the result does: the result of a convolution of zeros is then what was there. */
static void added_in_place(const oc_kernels *kernels, test_form form) {
    const oc_map src_map = test_map(form, 2, 20, 4, 5), dst_map = test_map(form, 2, 19, 4, 5);
    const size_t floats = test_map_size(&dst_map);
    float *src = test_map_new(&src_map, false, 0, 15), *to = test_map_new(&dst_map, false, 0, 16), *was = NULL;
    float *weights = NULL, *filters = NULL;
    oc_direct conv = {
        .src = src_map, .dst = dst_map, .groups = 1, .kh = 3, .kw = 3, .stride = 1, .pad = 1, .dilation = 1};
    kernels->direct->plan(&conv);
    assert_int_equal(oc_alloc(&weights, 19 * 20 * 9, sizeof *weights, NULL), OC_OK);
    assert_int_equal(oc_alloc(&filters, (size_t)conv.filter_floats, sizeof *filters, NULL), OC_OK);
    assert_int_equal(oc_alloc(&was, floats, sizeof *was, NULL), OC_OK);
    memcpy(was, to, floats * sizeof *was);
    const oc_finish finish = {.posts = 1, .post = {OC_FINISH_ADD}, .added = {to}};
    kernels->direct->filters(&conv, weights, filters, 0, conv.filter_blocks);
    kernels->direct->run(&conv, src, filters, &finish, to, 0, conv.items);
    for (size_t at = 0; at < floats; at++) assert_true(to[at] == was[at]);
    test_guarded_free(src);
    test_guarded_free(to);
    oc_free(weights);
    oc_free(filters);
    oc_free(was);
}

static void test_direct(void **state) {
    (void)state;
    for (size_t level = 0; level < level_count; level++)
        for (int form = 0; form < TEST_FORMS; form++) added_in_place(levels[level], (test_form)form);
    for (size_t level = 0; level < level_count; level++)
        for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
            const test_form own = levels[level]->lanes == 16 ? TEST_BLOCKED_16 : TEST_BLOCKED_8;
            conv_check(levels[level], &convs[i], own, own);
            conv_check(levels[level], &convs[i], TEST_PLAIN, own);
            if (i % 3 == 0) conv_check(levels[level], &convs[i], own, TEST_PLAIN);
            if (i % 3 == 1) conv_check(levels[level], &convs[i], TEST_LAST, own);
            if (i % 3 == 2) conv_check(levels[level], &convs[i], TEST_LAST, TEST_LAST);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies), cmocka_unit_test(test_pools),
                                       cmocka_unit_test(test_gates), cmocka_unit_test(test_direct)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
