/* Batch norm's kernels at every level: against plain loops in double precision, the gradient also against differences
 * of the loops' own result; each layout, division and alias. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/norm.h"
#include "support/levels.h"
#include "support/maps.h"

#define EPSILON 1e-5

typedef struct shape {
    int64_t n, c, h, w;
} shape;

static const shape shapes[] = {{2, 1, 1, 1},  {3, 3, 2, 1},  {1, 5, 4, 4},    {4, 8, 7, 5},
                               {2, 17, 3, 9}, {3, 24, 8, 8}, {2, 40, 17, 13}, {1, 16, 40, 31}};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

/* A layer in some layout, all of it in guarded memory. */
typedef struct layer {
    oc_norm_args args;
    float *src, *scale, *shift, *diff_dst;
} layer;

static float *channels(int64_t count) {
    return test_guarded((size_t)count, sizeof(float), 0);
}

static layer layer_make(shape s, test_form form, double mean, uint64_t seed, bool relu) {
    const oc_map map = test_map(form, s.n, s.c, s.h, s.w);
    const size_t padded = (size_t)(map.blocks * map.block);
    oc_random random;
    layer l = {.src = test_map_new(&map, false, mean, seed),
               .scale = channels(s.c),
               .shift = channels(s.c),
               .diff_dst = test_map_new(&map, false, 0.3, seed + 1)};
    oc_random_init(&random, 1, OC_RANDOM_TEST, 78, seed);
    for (int64_t c = 0; c < s.c; c++) {
        l.scale[c] = (float)(oc_random_range(&random, 0.5, 2) * (c % 3 ? 1 : -1));
        l.shift[c] = (float)oc_random_range(&random, -1, 1);
    }
    l.args = (oc_norm_args){.map = map,
                            .epsilon = EPSILON,
                            .relu = relu,
                            .src = l.src,
                            .scale = l.scale,
                            .shift = l.shift,
                            .mean = channels(s.c),
                            .variance = channels(s.c),
                            .dst = test_map_new(&map, true, 0, seed),
                            .diff_dst = l.diff_dst,
                            .diff_src = test_map_new(&map, true, 0, seed),
                            .diff_scale = channels(s.c),
                            .diff_shift = channels(s.c),
                            .sums = test_guarded((size_t)s.n * padded * 2, sizeof(double), 0),
                            .rows = test_guarded(OC_NORM_ROWS * padded, sizeof(float), 0)};
    return l;
}

static void layer_free(layer *l) {
    void *memory[] = {l->src,           l->scale,    l->shift,         l->diff_dst,        l->args.mean,
                      l->args.variance, l->args.dst, l->args.diff_src, l->args.diff_scale, l->args.diff_shift,
                      l->args.sums,     l->args.rows};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) test_guarded_free(memory[i]);
}

/* Every pass over parts in ranges of `step`, or each block on its own if that is 0. */
static void in_parts(const oc_norm_args *args, int64_t step, void (*pass)(const oc_norm_args *, int64_t, int64_t)) {
    const int64_t all = args->map.images * args->map.blocks;
    for (int64_t i = 0; i < all; i += step) pass(args, i, i + step < all ? i + step : all);
}

static void run_forward(const oc_norm_kernels *norm, const oc_norm_args *args, int64_t step) {
    const int64_t n = args->map.images, blocks = args->map.blocks;
    if (step > 0) {
        in_parts(args, step, norm->sums);
        norm->statistics(args, 0, blocks);
        norm->prepare(args, 0, blocks);
        in_parts(args, step, norm->forward);
        return;
    }
    for (int64_t b = 0; b < blocks; b++) {
        norm->sums(args, b * n, (b + 1) * n);
        norm->statistics(args, b, b + 1);
        norm->prepare(args, b, b + 1);
        norm->forward(args, b * n, (b + 1) * n);
    }
}

static void run_backward(const oc_norm_kernels *norm, const oc_norm_args *args, int64_t step) {
    const int64_t n = args->map.images, blocks = args->map.blocks;
    if (step > 0) {
        norm->prepare(args, 0, blocks);
        in_parts(args, step, norm->backward_sums);
        norm->backward_join(args, 0, blocks);
        in_parts(args, step, norm->backward);
        return;
    }
    for (int64_t b = 0; b < blocks; b++) {
        norm->prepare(args, b, b + 1);
        norm->backward_sums(args, b * n, (b + 1) * n);
        norm->backward_join(args, b, b + 1);
        norm->backward(args, b * n, (b + 1) * n);
    }
}

/* One channel in double precision: x[count] → y[count] before the ReLU. */
typedef struct reference {
    double mean, variance;
} reference;

static reference normalize(const double *x, int64_t count, double scale, double shift, double *y) {
    reference r = {0, 0};
    for (int64_t i = 0; i < count; i++) r.mean += x[i] / (double)count;
    for (int64_t i = 0; i < count; i++) r.variance += (x[i] - r.mean) * (x[i] - r.mean) / (double)count;
    for (int64_t i = 0; i < count; i++) y[i] = (x[i] - r.mean) * scale / sqrt(r.variance + EPSILON) + shift;
    return r;
}

/* Its gradient for g[count], the gradient of y. */
static void gradient(const double *x, const double *g, int64_t count, double scale, bool fixed, reference r,
                     double *diff_src, double *diff_scale, double *diff_shift) {
    const double inverse = 1 / sqrt(r.variance + EPSILON);
    *diff_scale = *diff_shift = 0;
    for (int64_t i = 0; i < count; i++) {
        *diff_shift += g[i];
        *diff_scale += g[i] * (x[i] - r.mean) * inverse;
    }
    for (int64_t i = 0; i < count; i++) {
        diff_src[i] = g[i];
        if (!fixed) diff_src[i] -= (*diff_shift + (x[i] - r.mean) * inverse * *diff_scale) / (double)count;
        diff_src[i] *= scale * inverse;
    }
}

/* The loops themselves: the gradient of Σ g·y by central differences. */
static void test_reference(void **state) {
    (void)state;
    enum { COUNT = 7 };
    const double x[COUNT] = {0.3, -1.2, 2.5, 0.1, -0.4, 0.9, 1.1}, g[COUNT] = {1, -2, 0.5, 0.3, 1.5, -0.7, 0.2};
    double y[COUNT], diff_src[COUNT], diff_scale, diff_shift;
    gradient(x, g, COUNT, 1.7, false, normalize(x, COUNT, 1.7, 0.2, y), diff_src, &diff_scale, &diff_shift);
    for (int i = 0; i < COUNT + 2; i++) {
        double value[2];
        for (int side = 0; side < 2; side++) {
            const double step = side ? 1e-5 : -1e-5;
            double moved[COUNT];
            memcpy(moved, x, sizeof x);
            if (i < COUNT) moved[i] += step;
            normalize(moved, COUNT, 1.7 + (i == COUNT ? step : 0), 0.2 + (i > COUNT ? step : 0), y);
            value[side] = 0;
            for (int k = 0; k < COUNT; k++) value[side] += g[k] * y[k];
        }
        test_near(i < COUNT ? diff_src[i] : i == COUNT ? diff_scale : diff_shift, (value[1] - value[0]) / 2e-5, 1e-8);
    }
}

/* Channel c of a map in the order of images and pixels. */
static void pick(const oc_map *map, const float *data, int64_t c, double *to) {
    const int64_t area = map->h * map->w;
    for (int64_t i = 0; i < map->images * area; i++) to[i] = data[test_map_at(map, i / area, c, i % area)];
}

static void check_forward(const layer *l, double tolerance) {
    const oc_map *map = &l->args.map;
    const int64_t count = map->images * map->h * map->w;
    double *x = test_guarded((size_t)count, sizeof *x, 0), *y = test_guarded((size_t)count, sizeof *y, 0);
    double *got = test_guarded((size_t)count, sizeof *got, 0);
    for (int64_t c = 0; c < map->channels; c++) {
        pick(map, l->src, c, x), pick(map, l->args.dst, c, got);
        const reference r = normalize(x, count, l->scale[c], l->shift[c], y);
        test_near(l->args.mean[c], r.mean, 2e-7 * (fabs(r.mean) + sqrt(r.variance)));
        test_near(l->args.variance[c], r.variance, 1e-6 * r.variance);
        for (int64_t i = 0; i < count; i++) test_near(got[i], l->args.relu ? fmax(y[i], 0) : y[i], tolerance);
    }
    test_map_check_padding(map, l->args.dst);
    test_guarded_free(x), test_guarded_free(y), test_guarded_free(got);
}

/* Where the kernel's ReLU is open is taken from its own result. */
static void check_backward(const layer *l) {
    const oc_map *map = &l->args.map;
    const int64_t count = map->images * map->h * map->w;
    double *x = test_guarded((size_t)count, sizeof *x, 0), *y = test_guarded((size_t)count, sizeof *y, 0);
    double *g = test_guarded((size_t)count, sizeof *g, 0), *got = test_guarded((size_t)count, sizeof *got, 0);
    double *want = test_guarded((size_t)count, sizeof *want, 0), diff_scale, diff_shift;
    for (int64_t c = 0; c < map->channels; c++) {
        pick(map, l->src, c, x), pick(map, l->diff_dst, c, g), pick(map, l->args.dst, c, got);
        const reference r = normalize(x, count, l->scale[c], l->shift[c], y);
        const double slope = fabs((double)l->scale[c]) / sqrt(r.variance + EPSILON);
        for (int64_t i = 0; l->args.relu && i < count; i++)
            if (!(got[i] > 0)) g[i] = 0;
        gradient(x, g, count, l->scale[c], l->args.fixed, r, want, &diff_scale, &diff_shift);
        pick(map, l->args.diff_src, c, got);
        for (int64_t i = 0; i < count; i++) test_near(got[i], want[i], 4e-6 * slope);
        test_near(l->args.diff_scale[c], diff_scale, 1e-6 * (double)count);
        test_near(l->args.diff_shift[c], diff_shift, 1e-6 * (double)count);
    }
    test_map_check_padding(map, l->args.diff_src);
    test_guarded_free(x), test_guarded_free(y), test_guarded_free(g), test_guarded_free(got), test_guarded_free(want);
}

/* The bits are those of the layer's own result in any division and over what may be overwritten. */
static void check_divisions(const oc_norm_kernels *norm, const layer *l) {
    const oc_map *map = &l->args.map;
    const size_t bytes = test_map_size(map) * sizeof(float), row = (size_t)map->channels * sizeof(float);
    static const int64_t steps[] = {0, 1, 2, 5};
    for (int k = 0; k < 4; k++) {
        float *src = test_floats_copy(l->src, test_map_size(map));
        float *diff_dst = test_floats_copy(l->diff_dst, test_map_size(map));
        oc_norm_args args = l->args;
        float *mean = channels(map->channels), *variance = channels(map->channels);
        float *diff_scale = channels(map->channels), *diff_shift = channels(map->channels);
        args.mean = mean, args.variance = variance, args.diff_scale = diff_scale, args.diff_shift = diff_shift;
        args.src = args.dst = src;
        run_forward(norm, &args, steps[k]);
        assert_memory_equal(src, l->args.dst, bytes);
        assert_memory_equal(mean, l->args.mean, row);
        assert_memory_equal(variance, l->args.variance, row);
        memcpy(src, l->src, bytes);
        args.diff_dst = diff_dst;
        args.diff_src = k < 2 ? diff_dst : src;
        run_backward(norm, &args, steps[k]);
        assert_memory_equal(args.diff_src, l->args.diff_src, bytes);
        assert_memory_equal(diff_scale, l->args.diff_scale, row);
        assert_memory_equal(diff_shift, l->args.diff_shift, row);
        test_guarded_free(src), test_guarded_free(diff_dst), test_guarded_free(mean), test_guarded_free(variance);
        test_guarded_free(diff_scale), test_guarded_free(diff_shift);
    }
}

static void test_passes(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (size_t level = 0; level < levels; level++)
        for (int k = 0; k < SHAPES * TEST_FORMS * 2; k++) {
            const oc_norm_kernels *norm = list[level]->norm;
            layer l = layer_make(shapes[k / 2 / TEST_FORMS], (test_form)(k / 2 % TEST_FORMS), 2, (uint64_t)k, k % 2);
            run_forward(norm, &l.args, 1000);
            check_forward(&l, 4e-6);
            run_backward(norm, &l.args, 1000);
            check_backward(&l);
            check_divisions(norm, &l);
            l.args.fixed = true;
            run_backward(norm, &l.args, 1000);
            check_backward(&l);
            layer_free(&l);
        }
}

/* Statistics that are given: those of no batch. */
static void test_inference(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (size_t level = 0; level < levels; level++)
        for (int k = 0; k < SHAPES * TEST_FORMS; k++) {
            layer l = layer_make(shapes[k / TEST_FORMS], (test_form)(k % TEST_FORMS), 0, (uint64_t)k, k % 2);
            const oc_map *map = &l.args.map;
            for (int64_t c = 0; c < map->channels; c++) l.args.mean[c] = (float)c, l.args.variance[c] = 4;
            list[level]->norm->prepare(&l.args, 0, map->blocks);
            list[level]->norm->forward(&l.args, 0, map->images * map->blocks);
            const float *dst = l.args.dst;
            for (int64_t n = 0; n < map->images; n++)
                for (int64_t c = 0; c < map->channels; c++)
                    for (int64_t i = 0; i < map->h * map->w; i++) {
                        const size_t at = test_map_at(map, n, c, i);
                        const double y = ((double)l.src[at] - (double)c) * l.scale[c] / sqrt(4 + EPSILON) + l.shift[c];
                        test_near(dst[at], l.args.relu ? fmax(y, 0) : y, 1e-6 * (10 + (double)c));
                    }
            test_map_check_padding(map, l.args.dst);
            layer_free(&l);
        }
}

/* A mean so far from zero that sums of squares in single precision would hold nothing of the variance. */
static void test_exact(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (size_t level = 0; level < levels; level++)
        for (int form = 0; form < TEST_FORMS; form++) {
            layer l = layer_make((shape){3, 19, 23, 21}, (test_form)form, 1e4, 5, false);
            const oc_map *map = &l.args.map;
            const int64_t area = map->h * map->w, count = map->images * area;
            run_forward(list[level]->norm, &l.args, 0);
            double *x = test_guarded((size_t)count, sizeof *x, 0), *y = test_guarded((size_t)count, sizeof *y, 0);
            for (int64_t c = 0; c < map->channels; c++) {
                pick(map, l.src, c, x);
                const reference r = normalize(x, count, 1, 0, y);
                test_near(l.args.mean[c], r.mean, 3e-7 * r.mean); /* tiles are summed in single precision */
                test_near(l.args.variance[c], r.variance, 1e-4 * r.variance);
            }
            test_guarded_free(x), test_guarded_free(y);
            layer_free(&l);
        }
}

/* A gradient's sum over many pixels, which a running one in single precision would miss in the fourth digit. */
static void test_exact_gradient(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (size_t level = 0; level < levels; level++)
        for (int form = 0; form < TEST_FORMS; form++) {
            layer l = layer_make((shape){1, 16, 200, 200}, (test_form)form, 0, 6, false);
            const size_t size = test_map_size(&l.args.map);
            for (size_t i = 0; i < size; i++) l.diff_dst[i] = 0.1F;
            run_forward(list[level]->norm, &l.args, 0);
            run_backward(list[level]->norm, &l.args, 0);
            for (int c = 0; c < 16; c++) test_near(l.args.diff_shift[c], 40000 * (double)0.1F, 4000 * 2e-7);
            layer_free(&l);
        }
}

/* NaN and infinity spoil their own channel and no other. */
static void test_not_finite(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (size_t level = 0; level < levels; level++)
        for (int k = 0; k < TEST_FORMS * 4; k++) {
            layer l = layer_make((shape){2, 11, 5, 3}, (test_form)(k / 4), 0, 7, k % 2);
            const oc_map *map = &l.args.map;
            l.src[test_map_at(map, 1, 4, 6)] = k / 2 % 2 ? INFINITY : NAN;
            run_forward(list[level]->norm, &l.args, 0);
            run_backward(list[level]->norm, &l.args, 0);
            for (int64_t c = 0; c < map->channels; c++) {
                assert_int_equal(isnan(l.args.variance[c]) != 0, c == 4);
                assert_int_equal(isfinite(l.args.mean[c]) != 0, c != 4);
                const float *dst = l.args.dst, *diff_src = l.args.diff_src;
                for (int64_t i = 0; i < 30; i++) {
                    assert_int_equal(isnan(dst[test_map_at(map, i / 15, c, i % 15)]) != 0, c == 4);
                    assert_int_equal(isnan(diff_src[test_map_at(map, i / 15, c, i % 15)]) != 0, c == 4);
                }
            }
            layer_free(&l);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference), cmocka_unit_test(test_passes),         cmocka_unit_test(test_inference),
        cmocka_unit_test(test_exact),     cmocka_unit_test(test_exact_gradient), cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
