/* The pools' kernels at every level against plain loops: every layout, windows that tile, overlap, hang over the edges
 * or leave pixels out; ties, NaN and infinities. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "kernels/pool.h"
#include "support/levels.h"
#include "support/maps.h"

static const struct {
    int64_t c, h, w, size, stride, pad, more; /* more windows than lie in the image whole, on either axis */
} shapes[] = {
    {1, 1, 1, 1, 1, 0, 0},    {3, 2, 2, 2, 2, 0, 0},   {8, 6, 4, 2, 2, 0, 0},    {16, 4, 10, 2, 2, 0, 0},
    {19, 8, 6, 2, 2, 0, 0},   {19, 7, 5, 2, 2, 0, 0},  {19, 7, 5, 2, 2, 0, 1},   {24, 9, 8, 3, 2, 1, 0},
    {40, 5, 7, 3, 1, 1, 0},   {5, 6, 6, 3, 2, 1, 1},   {17, 11, 9, 2, 3, 0, 0},  {8, 7, 10, 5, 3, 2, 0},
    {16, 5, 4, 2, 1, 0, 0},   {33, 3, 3, 3, 1, 0, 0},  {4, 16, 17, 16, 1, 0, 0}, {9, 6, 5, 16, 7, 8, 0},
    {16, 20, 22, 2, 2, 1, 0}, {16, 3, 11, 4, 2, 3, 0}, {16, 1, 1, 3, 2, 1, 0},   {32, 1, 6, 3, 2, 1, 0},
    {16, 8, 7, 3, 2, 1, 0},   {48, 6, 6, 3, 2, 1, 1},  {16, 8, 6, 3, 2, 0, 0},
};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))
#define CASES (SHAPES * TEST_FORMS * 2)

static int64_t windows(int64_t pixels, int k) {
    return (pixels + 2 * shapes[k].pad - shapes[k].size) / shapes[k].stride + 1 + shapes[k].more;
}

static oc_pool pool_of_case(int k) {
    const int shape = k / TEST_FORMS / 2;
    const test_form form = (test_form)(k / 2 % TEST_FORMS);
    const int64_t c = shapes[shape].c, h = shapes[shape].h, w = shapes[shape].w;
    oc_pool pool = {.src = test_map(form, 2, c, h, w),
                    .dst = test_map(form, 2, c, windows(h, shape), windows(w, shape)),
                    .size = shapes[shape].size,
                    .stride = shapes[shape].stride,
                    .pad = shapes[shape].pad};
    if (k % 2) pool.src = test_map_apart(pool.src), pool.dst = test_map_apart(pool.dst);
    return pool;
}

/* Few different numbers, so that windows have several largest; and, if `odd`, what is not finite. */
static float *source_of(const oc_map *map, uint64_t seed, bool odd) {
    static const float values[] = {-1, 2, -0.F, 0, 1, 2, 3, -3, NAN, -INFINITY, INFINITY};
    float *data = test_map_new(map, false, 0, seed);
    oc_random random;
    oc_random_init(&random, TEST_SEED, OC_RANDOM_TEST, 4, seed);
    for (int64_t n = 0; n < map->images; n++)
        for (int64_t c = 0; c < map->channels; c++)
            for (int64_t i = 0; i < map->h * map->w; i++)
                data[test_map_at(map, n, c, i)] = values[oc_random_below(&random, odd ? 11 : 8)];
    return data;
}

/* A window's pixels in src, cut at its edges. */
typedef struct window {
    int64_t top, left, y0, y1, x0, x1;
} window;

static window window_of(const oc_pool *p, int64_t i) {
    window v = {.top = i / p->dst.w * p->stride - p->pad, .left = i % p->dst.w * p->stride - p->pad};
    v.y0 = v.top > 0 ? v.top : 0;
    v.x0 = v.left > 0 ? v.left : 0;
    v.y1 = v.top + p->size < p->src.h ? v.top + p->size : p->src.h;
    v.x1 = v.left + p->size < p->src.w ? v.left + p->size : p->src.w;
    assert_true(v.y0 < v.y1 && v.x0 < v.x1);
    return v;
}

/* ---- The largest ---- */

/* Where in src, as PyTorch chooses. */
static int64_t largest(const oc_pool *p, window v, const float *src, int64_t n, int64_t c) {
    int64_t best = v.y0 * p->src.w + v.x0;
    for (int64_t y = v.y0; y < v.y1; y++)
        for (int64_t x = v.x0; x < v.x1; x++) {
            const float value = src[test_map_at(&p->src, n, c, y * p->src.w + x)];
            if (value > src[test_map_at(&p->src, n, c, best)] || isnan(value)) best = y * p->src.w + x;
        }
    return best;
}

static void check_largest(const oc_pool *p, const float *src, const float *dst, const uint8_t *index,
                          const float *diff_dst, const float *diff_src) {
    const int64_t area = p->src.h * p->src.w;
    double *want = test_guarded((size_t)area, sizeof *want, 0);
    for (int64_t n = 0; n < p->src.images; n++)
        for (int64_t c = 0; c < p->src.channels; c++) {
            memset(want, 0, (size_t)area * sizeof *want);
            for (int64_t i = 0; i < p->dst.h * p->dst.w; i++) {
                const window v = window_of(p, i);
                const int64_t best = largest(p, v, src, n, c);
                const size_t at = test_map_at(&p->dst, n, c, i);
                test_same_floats("max", dst + at, src + test_map_at(&p->src, n, c, best), 1);
                assert_int_equal(index[at], (best / p->src.w - v.top) * p->size + best % p->src.w - v.left);
                want[best] += diff_dst[at];
            }
            for (int64_t i = 0; i < area; i++) assert_true(diff_src[test_map_at(&p->src, n, c, i)] == want[i]);
        }
    test_guarded_free(want);
}

static void check_max_case(const oc_pool_kernels *kernels, const oc_pool *p, bool odd) {
    float *src = source_of(&p->src, 1, odd), *diff_dst = source_of(&p->dst, 2, false); /* sums of which are exact */
    float *dst = test_map_new(&p->dst, true, 0, 3), *diff_src = test_map_new(&p->src, true, 0, 4);
    float *without = test_map_new(&p->dst, true, 0, 5);
    uint8_t *index = test_guarded(test_map_size(&p->dst), 1, 1);
    test_range range[TEST_RANGES];
    test_ranges(p->src.images * p->src.blocks, range);
    for (int r = 0; r < TEST_RANGES; r++) {
        kernels->max(p, src, dst, index, range[r].begin, range[r].end);
        kernels->max(p, src, without, NULL, range[r].begin, range[r].end);
        kernels->max_backward(p, diff_dst, index, diff_src, range[r].begin, range[r].end);
    }
    check_largest(p, src, dst, index, diff_dst, diff_src);
    test_same_floats("max without an index", without, dst, test_map_size(&p->dst));
    test_map_check_padding(&p->dst, dst);
    test_map_check_padding(&p->src, diff_src);
    test_guarded_free(src), test_guarded_free(diff_dst), test_guarded_free(dst), test_guarded_free(diff_src);
    test_guarded_free(without), test_guarded_free(index);
}

static void check_max(const oc_kernels *level) {
    for (int k = 0; k < CASES; k++) {
        const oc_pool pool = pool_of_case(k);
        check_max_case(level->pool, &pool, false);
        check_max_case(level->pool, &pool, true);
    }
}

static void test_max(void **state) {
    (void)state;
    test_each_level(check_max);
}

/* ---- The mean of windows ---- */

static void check_means(const oc_pool *p, const float *src, const float *dst, const float *diff_dst,
                        const float *diff_src) {
    const int64_t w = p->src.w, area = p->src.h * w;
    double *want = test_guarded((size_t)area, sizeof *want, 0), *size = test_guarded((size_t)area, sizeof *size, 0);
    for (int64_t n = 0; n < p->src.images; n++)
        for (int64_t c = 0; c < p->src.channels; c++) {
            for (int64_t i = 0; i < area; i++) want[i] = size[i] = 0;
            for (int64_t i = 0; i < p->dst.h * p->dst.w; i++) {
                const window v = window_of(p, i);
                const double count = (double)((v.y1 - v.y0) * (v.x1 - v.x0));
                const double given = diff_dst[test_map_at(&p->dst, n, c, i)] / count;
                double sum = 0, sum_size = 0;
                for (int64_t y = v.y0; y < v.y1; y++)
                    for (int64_t x = v.x0; x < v.x1; x++) {
                        const double value = src[test_map_at(&p->src, n, c, y * w + x)];
                        sum += value, sum_size += fabs(value);
                        want[y * w + x] += given, size[y * w + x] += fabs(given);
                    }
                test_near(dst[test_map_at(&p->dst, n, c, i)], sum / count, 4e-7 * sum_size / count);
            }
            for (int64_t i = 0; i < area; i++)
                test_near(diff_src[test_map_at(&p->src, n, c, i)], want[i], 4e-7 * size[i]);
        }
    test_guarded_free(want), test_guarded_free(size);
}

static void check_average_case(const oc_pool_kernels *kernels, const oc_pool *p, bool odd) {
    float *src = odd ? source_of(&p->src, 6, true) : test_map_new(&p->src, false, 0.3, 6);
    float *diff_dst = odd ? source_of(&p->dst, 7, true) : test_map_new(&p->dst, false, 0.1, 7);
    float *dst = test_map_new(&p->dst, true, 0, 8), *diff_src = test_map_new(&p->src, true, 0, 9);
    test_range range[TEST_RANGES];
    test_ranges(p->src.images * p->src.blocks, range);
    for (int r = 0; r < TEST_RANGES; r++) {
        kernels->average(p, src, dst, range[r].begin, range[r].end);
        kernels->average_backward(p, diff_dst, diff_src, range[r].begin, range[r].end);
    }
    check_means(p, src, dst, diff_dst, diff_src);
    test_map_check_padding(&p->dst, dst);
    test_map_check_padding(&p->src, diff_src);
    test_guarded_free(src), test_guarded_free(diff_dst), test_guarded_free(dst), test_guarded_free(diff_src);
}

static void check_average(const oc_kernels *level) {
    for (int k = 0; k < CASES; k++) {
        const oc_pool pool = pool_of_case(k);
        check_average_case(level->pool, &pool, false);
        check_average_case(level->pool, &pool, true);
    }
}

static void test_average(void **state) {
    (void)state;
    test_each_level(check_average);
}

/* ---- The mean of all pixels ---- */

static void check_mean_case(const oc_pool_kernels *kernels, const oc_map *s, const oc_map *d, bool odd) {
    const int64_t area = s->h * s->w;
    float *src = test_map_new(s, false, 0.5, 10), *diff_dst = test_map_new(d, false, 0, 11);
    float *dst = test_map_new(d, true, 0, 12), *diff_src = test_map_new(s, true, 0, 13);
    test_range range[TEST_RANGES];
    test_ranges(s->images * s->blocks, range);
    if (odd) src[test_map_at(s, 1, s->channels / 2, area / 2)] = NAN, diff_dst[test_map_at(d, 1, 0, 0)] = INFINITY;
    for (int r = 0; r < TEST_RANGES; r++) {
        kernels->mean(s, src, d, dst, range[r].begin, range[r].end);
        kernels->mean_backward(d, diff_dst, s, diff_src, range[r].begin, range[r].end);
    }
    float *sum_map = test_floats_copy(src, test_map_size(s)), *want = test_map_new(d, true, 0, 7);
    float *of_sum = test_map_new(d, true, 0, 8);
    for (size_t i = 0; i < test_map_size(s); i++) sum_map[i] = src[i] + diff_src[i];
    kernels->mean(s, sum_map, d, want, 0, s->images * s->blocks);
    kernels->mean_of_sum(s, src, diff_src, d, of_sum, 0, s->images * s->blocks);
    for (int64_t n = 0; n < s->images; n++)
        for (int64_t c = 0; c < s->channels; c++)
            test_same_floats("mean of a sum", of_sum + test_map_at(d, n, c, 0), want + test_map_at(d, n, c, 0), 1);
    test_map_check_padding(d, of_sum);
    test_guarded_free(sum_map), test_guarded_free(want), test_guarded_free(of_sum);
    for (int64_t n = 0; n < s->images; n++)
        for (int64_t c = 0; c < s->channels; c++) {
            const size_t at = test_map_at(d, n, c, 0);
            const float share = (float)((double)diff_dst[at] / (double)area);
            double sum = 0, size = 0;
            for (int64_t i = 0; i < area; i++) {
                const size_t of_src = test_map_at(s, n, c, i);
                sum += src[of_src], size += fabs((double)src[of_src]);
                assert_true(diff_src[of_src] == share);
            }
            test_near(dst[at], sum / (double)area, 4e-7 * size / (double)area);
        }
    test_map_check_padding(d, dst);
    test_map_check_padding(s, diff_src);
    test_guarded_free(src), test_guarded_free(diff_dst), test_guarded_free(dst), test_guarded_free(diff_src);
}

static void check_mean(const oc_kernels *level) {
    static const int64_t sizes[][3] = {{1, 1, 1},  {3, 1, 2},  {8, 4, 4},  {16, 8, 8},   {17, 5, 13},
                                       {24, 9, 7}, {40, 3, 3}, {9, 16, 9}, {16, 40, 31}, {5, 70, 67}};
    for (int k = 0; k < 10 * TEST_FORMS * 8; k++) {
        const int64_t *of = sizes[k / TEST_FORMS / 8];
        oc_map src = test_map((test_form)(k / 8 % TEST_FORMS), 2, of[0], of[1], of[2]);
        oc_map dst = test_map((test_form)(k / 8 % TEST_FORMS), 2, of[0], 1, 1);
        if (k / 2 % 2) src = test_map_apart(src);
        if (k / 4 % 2) dst = test_map_apart(dst);
        check_mean_case(level->pool, &src, &dst, k % 2);
    }
}

static void test_mean(void **state) {
    (void)state;
    test_each_level(check_mean);
}

/* A mean over many pixels, which a running sum in single precision would miss in the third digit. */
static void check_exact_mean(const oc_kernels *level) {
    for (int form = 0; form < TEST_FORMS; form++) {
        const oc_map src = test_map((test_form)form, 1, 17, 200, 200), dst = test_map((test_form)form, 1, 17, 1, 1);
        float *from = test_map_new(&src, false, 0, 0), *to = test_map_new(&dst, true, 0, 0);
        for (int64_t c = 0; c < 17; c++)
            for (int64_t i = 0; i < 40000; i++) from[test_map_at(&src, 0, c, i)] = 0.1F;
        level->pool->mean(&src, from, &dst, to, 0, src.blocks);
        for (int64_t c = 0; c < 17; c++) test_near(to[test_map_at(&dst, 0, c, 0)], (double)0.1F, 0.1 * 1e-6);
        test_guarded_free(from), test_guarded_free(to);
    }
}

static void test_exact_mean(void **state) {
    (void)state;
    test_each_level(check_exact_mean);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_max),
        cmocka_unit_test(test_average),
        cmocka_unit_test(test_mean),
        cmocka_unit_test(test_exact_mean),
    };
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
