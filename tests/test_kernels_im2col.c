/* Convolution by gathered pixels at every level against the direct kernels of the baseline, which have a test of their
 * own: every kind of chunk, phases by data, partial blocks, post-ops; and the same bits however many workers share. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/direct.h"
#include "kernels/im2col.h"
#include "support/levels.h"
#include "support/maps.h"

#define TOLERANCE 3e-6 /* of the largest result: both ways round */

typedef struct geometry {
    int64_t n, ic, oc, h, w, kh, kw, stride, pad, dilation;
} geometry;

static const geometry cases[] = {
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 1},     {2, 20, 40, 5, 7, 1, 1, 1, 0, 1},  {3, 33, 17, 6, 5, 1, 1, 2, 0, 1},
    {2, 16, 24, 9, 8, 3, 3, 1, 1, 1},   {2, 24, 16, 9, 10, 3, 3, 2, 1, 1}, {1, 17, 33, 11, 12, 3, 3, 3, 0, 1},
    {2, 16, 16, 9, 8, 3, 3, 1, 2, 2},   {1, 8, 16, 12, 9, 3, 5, 2, 0, 2},  {2, 3, 19, 13, 9, 7, 7, 2, 3, 1},
    {33, 32, 48, 2, 2, 3, 3, 1, 1, 1},  {40, 24, 16, 4, 3, 3, 3, 2, 1, 1}, {130, 16, 40, 1, 2, 3, 3, 1, 1, 1},
    {35, 16, 16, 3, 3, 1, 1, 1, 1, 1},  {2, 16, 600, 3, 3, 1, 1, 1, 0, 1}, {64, 8, 530, 2, 1, 3, 3, 1, 1, 1},
    {5, 40, 24, 14, 13, 3, 3, 1, 1, 1},
};
#define CASES ((int)(sizeof cases / sizeof *cases))

static int64_t pixels_of(int64_t size, int64_t k, const geometry *g) {
    return (size + 2 * g->pad - g->dilation * (k - 1) - 1) / g->stride + 1;
}

/* The maps in plain layout, the one that is read and the one that is written. */
typedef struct pass {
    geometry of;
    bool data;
    oc_map from_map, to_map;
    float *from, *weights, *bias, *added;
} pass;

static pass pass_make(geometry g, bool data) {
    pass p = {.of = g, .data = data};
    const oc_map src = test_map(TEST_PLAIN, g.n, g.ic, g.h, g.w);
    const oc_map dst = test_map(TEST_PLAIN, g.n, g.oc, pixels_of(g.h, g.kh, &g), pixels_of(g.w, g.kw, &g));
    p.from_map = data ? dst : src;
    p.to_map = data ? src : dst;
    p.from = test_floats(test_map_size(&p.from_map), 0.1, 1);
    p.weights = test_floats((size_t)(g.oc * g.ic * g.kh * g.kw), 0.1, 2);
    p.bias = test_floats((size_t)p.to_map.channels, 0.1, 3);
    p.added = test_floats(test_map_size(&p.to_map), 0.1, 4);
    return p;
}

static void pass_free(pass *p) {
    test_guarded_free(p->from), test_guarded_free(p->weights), test_guarded_free(p->bias), test_guarded_free(p->added);
}

static const oc_finish_post posts[] = {OC_FINISH_ADD, OC_FINISH_RELU};

/* By the direct kernels of the baseline: the result in plain layout. */
static float *expected(const pass *p) {
    const oc_direct_kernels *k = oc_kernels_at(OC_CPU_BASELINE, OC_STORAGE_F32)->direct;
    oc_direct d = {.src = p->data ? p->to_map : p->from_map,
                   .dst = p->data ? p->from_map : p->to_map,
                   .groups = 1,
                   .kh = p->of.kh,
                   .kw = p->of.kw,
                   .stride = p->of.stride,
                   .pad = p->of.pad,
                   .dilation = p->of.dilation,
                   .data = p->data};
    k->plan(&d);
    float *filters = test_guarded((size_t)d.filter_floats, sizeof *filters, 0);
    float *to = test_map_new(&p->to_map, true, 0, 1);
    oc_finish finish = {.bias = p->bias, .posts = 2, .added = {p->added}};
    memcpy(finish.post, posts, sizeof posts);
    k->filters(&d, p->weights, filters, 0, d.filter_blocks);
    k->run(&d, p->from, filters, &finish, to, 0, d.items);
    test_guarded_free(filters);
    return to;
}

static float *by_product(const oc_kernels *level, const pass *p, int threads, bool *by_pixel) {
    const test_form form = level->lanes == 16 ? TEST_BLOCKED_16 : TEST_BLOCKED_8;
    const oc_map from_map = test_map(form, p->of.n, p->from_map.channels, p->from_map.h, p->from_map.w);
    const oc_map to_map = test_map(form, p->of.n, p->to_map.channels, p->to_map.h, p->to_map.w);
    oc_im2col work = {.from = from_map,
                      .to = to_map,
                      .kh = p->of.kh,
                      .kw = p->of.kw,
                      .stride = p->of.stride,
                      .pad = p->of.pad,
                      .dilation = p->of.dilation,
                      .data = p->data,
                      .threads = threads};
    level->im2col->plan(&work);
    *by_pixel = work.by_pixel;
    float *from = test_map_copy(&from_map, &p->from_map, p->from),
          *added = test_map_copy(&to_map, &p->to_map, p->added);
    float *filters = test_guarded((size_t)work.filter_floats, sizeof *filters, 0);
    float *scratch = test_guarded((size_t)work.scratch_floats, sizeof *scratch, 0);
    float *to = test_map_new(&to_map, true, 0, 1);
    oc_finish finish = {.bias = p->bias, .posts = 2, .added = {added}};
    memcpy(finish.post, posts, sizeof posts);
    test_range pack[TEST_RANGES];
    test_ranges(work.filter_blocks, pack);
    for (int r = 0; r < TEST_RANGES; r++)
        level->im2col->filters(&work, p->weights, filters, pack[r].begin, pack[r].end);
    for (int64_t chunk = work.chunks; chunk-- > 0;)
        level->im2col->chunk(&work, chunk, from, filters, &finish, to, scratch);
    test_map_check_padding(&to_map, to);
    float *result = test_map_copy(&p->to_map, &to_map, to);
    test_guarded_free(from), test_guarded_free(added), test_guarded_free(filters), test_guarded_free(scratch);
    test_guarded_free(to);
    return result;
}

static void check_pass(const oc_kernels *level, const pass *p, int *ways) {
    const size_t count = test_map_size(&p->to_map);
    bool by_pixel;
    float *want = expected(p), *first = by_product(level, p, 1, &by_pixel);
    double largest = 0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < count; i++) test_near(first[i], want[i], TOLERANCE * largest);
    ways[by_pixel]++;
    for (int threads = 2; threads <= 5; threads += 3) {
        float *again = by_product(level, p, threads, &by_pixel);
        test_same_floats("shared among workers", again, first, count);
        test_guarded_free(again);
    }
    test_guarded_free(want), test_guarded_free(first);
}

static void check_level(const oc_kernels *level) {
    int ways[2] = {0, 0};
    for (int k = 0; k < CASES; k++)
        for (int data = 0; data < 2; data++) {
            pass p = pass_make(cases[k], data);
            check_pass(level, &p, ways);
            pass_free(&p);
        }
    assert_true(ways[false] > 0 && ways[true] > 0);
}

static void test_products(void **state) {
    (void)state;
    test_each_level(check_level);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
