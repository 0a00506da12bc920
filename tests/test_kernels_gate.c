/* The gates' kernels at every level against plain loops, sums in double precision: one source and two, blocks that fill
 * no vector, results over sources, long sums, and values that are not finite. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/gate.h"
#include "support/levels.h"
#include "support/maps.h"

#define SUM_AT_FIRST 3.0 /* sums are added to */
#define ROUNDING 1.2e-7  /* of one operation and a little */

static const int64_t blocks[] = {1, 2, 7, 8, 9, 16, 19, 24, 32, 45};
static const int64_t counts[] = {1, 3, 8, 17, 63, 64, 66, 130, 1100};
#define CASES ((int)(sizeof blocks / sizeof *blocks * (sizeof counts / sizeof *counts) * 2))

/* One part in guarded memory. */
typedef struct part {
    int64_t pixels, block;
    float *a, *b, *s, *t, *diff_dst;
} part;

static part part_make(int64_t pixels, int64_t block, bool two) {
    const size_t n = (size_t)(pixels * block), row = (size_t)block;
    return (part){.pixels = pixels,
                  .block = block,
                  .a = test_floats(n, 0.3, 1),
                  .b = two ? test_floats(n, -0.2, 2) : NULL,
                  .s = test_floats(row, 0, 3),
                  .t = two ? test_floats(row, 0, 4) : NULL,
                  .diff_dst = test_floats(n, 0.1, 5)};
}

/* The k-th of the cases: block, pixels, one source or two. */
static part part_of_case(int k) {
    const int sizes = (int)(sizeof counts / sizeof *counts);
    return part_make(counts[k / 2 % sizes], blocks[k / 2 / sizes], k % 2);
}

static void part_free(part *p) {
    test_guarded_free(p->a), test_guarded_free(p->s), test_guarded_free(p->diff_dst);
    if (p->b) test_guarded_free(p->b), test_guarded_free(p->t);
}

static void check_forward_case(const oc_gate_kernels *gate, const part *p) {
    const int64_t n = p->pixels * p->block;
    float *dst = test_guarded((size_t)n, sizeof *dst, 0);
    gate->forward(&(oc_gate){.a = p->a, .b = p->b, .dst = dst}, p->s, p->t, p->pixels, p->block);
    for (int64_t i = 0; i < n; i++) {
        const float of_a = p->a[i] * p->s[i % p->block], of_b = p->b ? p->b[i] * p->t[i % p->block] : 0;
        assert_true(dst[i] == of_a + of_b);
    }
    for (int over = 0; over < (p->b ? 2 : 1); over++) {
        float *same = test_floats_copy(over ? p->b : p->a, (size_t)n);
        const oc_gate in_place = {.a = over ? p->a : same, .b = over ? same : p->b, .dst = same};
        gate->forward(&in_place, p->s, p->t, p->pixels, p->block);
        test_same_floats("forward over a source", same, dst, (size_t)n);
        test_guarded_free(same);
    }
    test_guarded_free(dst);
}

static void check_forward(const oc_kernels *level) {
    for (int k = 0; k < CASES; k++) {
        part p = part_of_case(k);
        check_forward_case(level->gate, &p);
        part_free(&p);
    }
}

static void test_forward(void **state) {
    (void)state;
    test_each_level(check_forward);
}

static double *sums_of(int64_t block) {
    double *sums = test_guarded((size_t)block, sizeof *sums, 1);
    for (int64_t c = 0; c < block; c++) sums[c] = SUM_AT_FIRST;
    return sums;
}

/* The gradients over what they may be over: of diff_a diff_dst or a, of diff_b the other or b. */
static void check_backward_over(const oc_gate_kernels *gate, const part *p, bool a_over_a, bool b_over_b,
                                const float *diff_a, const float *diff_b, const double *sums) {
    const size_t n = (size_t)(p->pixels * p->block);
    float *a = test_floats_copy(p->a, n), *b = p->b ? test_floats_copy(p->b, n) : NULL;
    float *diff_dst = test_floats_copy(p->diff_dst, n), *apart = test_guarded(n, sizeof *apart, 2);
    double *is = sums_of(p->block);
    const oc_gate in_place = {.a = a,
                              .b = b,
                              .diff_dst = diff_dst,
                              .diff_a = a_over_a ? a : diff_dst,
                              .diff_b = !b         ? NULL
                                        : b_over_b ? b
                                        : a_over_a ? diff_dst
                                                   : apart};
    gate->backward(&in_place, p->s, p->t, p->pixels, p->block, is);
    test_same_floats("diff_a over a source", in_place.diff_a, diff_a, n);
    if (b) test_same_floats("diff_b over a source", in_place.diff_b, diff_b, n);
    assert_memory_equal(is, sums, (size_t)p->block * sizeof *is);
    test_guarded_free(a), test_guarded_free(diff_dst), test_guarded_free(apart), test_guarded_free(is);
    if (b) test_guarded_free(b);
}

static void check_backward_case(const oc_gate_kernels *gate, const part *p) {
    const int64_t n = p->pixels * p->block;
    float *diff_a = test_guarded((size_t)n, sizeof *diff_a, 2);
    float *diff_b = test_guarded((size_t)n, sizeof *diff_b, 0);
    double *sums = sums_of(p->block);
    const oc_gate apart = {
        .a = p->a, .b = p->b, .diff_dst = p->diff_dst, .diff_a = diff_a, .diff_b = p->b ? diff_b : NULL};
    gate->backward(&apart, p->s, p->t, p->pixels, p->block, sums);
    for (int64_t i = 0; i < n; i++) {
        const double g = p->diff_dst[i];
        assert_true(diff_a[i] == (float)(g * (double)p->s[i % p->block]));
        if (p->b) assert_true(diff_b[i] == (float)(g * (double)p->t[i % p->block]));
    }
    for (int64_t c = 0; c < p->block; c++) {
        double sum = SUM_AT_FIRST, size = SUM_AT_FIRST;
        for (int64_t i = c; i < n; i += p->block) {
            const double share = (double)p->diff_dst[i] * ((double)p->a[i] - (p->b ? (double)p->b[i] : 0));
            sum += share;
            size += fabs(share);
        }
        test_near(sums[c], sum, ROUNDING * size);
    }
    for (int k = 0; k < 4; k++) check_backward_over(gate, p, k % 2, k / 2, diff_a, diff_b, sums);
    test_guarded_free(diff_a), test_guarded_free(diff_b), test_guarded_free(sums);
}

static void check_backward(const oc_kernels *level) {
    for (int k = 0; k < CASES; k++) {
        part p = part_of_case(k);
        check_backward_case(level->gate, &p);
        part_free(&p);
    }
}

/* ---- With a residual join ---- */

static void check_join_case(const oc_gate_kernels *gate, const part *p) {
    const int64_t n = p->pixels * p->block;
    float *dst = test_guarded((size_t)n, sizeof *dst, 0), *without = test_floats_copy(p->a, (size_t)n);
    uint8_t *mask = test_guarded((size_t)n, 1, 1);
    const oc_gate forward = {.join = true, .a = p->a, .b = p->b, .dst = dst, .mask = mask};
    gate->forward(&forward, p->s, NULL, p->pixels, p->block);
    const oc_gate over = {.join = true, .a = without, .b = p->b, .dst = without}; /* over a source, without a mask */
    gate->forward(&over, p->s, NULL, p->pixels, p->block);
    test_same_floats("join without a mask", without, dst, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        const float product = p->a[i] * p->s[i % p->block], sum = product + p->b[i];
        assert_true(dst[i] == (sum > 0 ? sum : 0));
        assert_int_equal(mask[i], sum > 0);
    }

    float *diff_a = test_floats_copy(p->a, (size_t)n), *diff_b = test_floats_copy(p->diff_dst, (size_t)n);
    float *masked = test_floats_copy(p->diff_dst, (size_t)n), *alone = test_guarded((size_t)n, sizeof *alone, 2);
    double *sums = sums_of(p->block), *want = sums_of(p->block), *again = sums_of(p->block);
    for (int64_t i = 0; i < n; i++) masked[i] = mask[i] ? masked[i] : 0;
    const oc_gate scale = {.a = p->a, .diff_dst = masked, .diff_a = alone};
    gate->backward(&scale, p->s, NULL, p->pixels, p->block, want);
    const oc_gate join = {
        .join = true, .a = diff_a, .mask = mask, .diff_dst = diff_b, .diff_a = diff_a, .diff_b = diff_b};
    gate->backward(&join, p->s, NULL, p->pixels, p->block, sums);
    for (int64_t i = 0; i < n; i++) assert_true(diff_a[i] == alone[i] && diff_b[i] == masked[i]);
    assert_memory_equal(sums, want, (size_t)p->block * sizeof *sums);
    const oc_gate unwanted = {.join = true, .a = p->a, .mask = mask, .diff_dst = p->diff_dst, .diff_a = alone};
    gate->backward(&unwanted, p->s, NULL, p->pixels, p->block, again);
    for (int64_t i = 0; i < n; i++) assert_true(diff_a[i] == alone[i]);
    assert_memory_equal(again, want, (size_t)p->block * sizeof *again);
    test_guarded_free(dst), test_guarded_free(without), test_guarded_free(mask), test_guarded_free(diff_a);
    test_guarded_free(diff_b), test_guarded_free(masked), test_guarded_free(alone);
    test_guarded_free(sums), test_guarded_free(want), test_guarded_free(again);
}

static void check_join(const oc_kernels *level) {
    for (int k = 1; k < CASES; k += 2) {
        part p = part_of_case(k);
        check_join_case(level->gate, &p);
        part_free(&p);
    }
}

static void test_join(void **state) {
    (void)state;
    test_each_level(check_join);
}

static void test_backward(void **state) {
    (void)state;
    test_each_level(check_backward);
}

/* A sum over many pixels, which a running one in single precision would miss in the fourth digit. */
static void check_exact(const oc_kernels *level) {
    for (int k = 0; k < 2; k++) {
        const int64_t block = k ? level->lanes : 1, pixels = 1000000 / block;
        part p = part_make(pixels, block, false);
        for (int64_t i = 0; i < pixels * block; i++) p.a[i] = 0.1F, p.diff_dst[i] = 1;
        double *sums = sums_of(block);
        const oc_gate args = {.a = p.a, .diff_dst = p.diff_dst, .diff_a = p.diff_dst};
        level->gate->backward(&args, p.s, NULL, pixels, block, sums);
        for (int64_t c = 0; c < block; c++) {
            const double want = SUM_AT_FIRST + (double)pixels * (double)0.1F;
            test_near(sums[c], want, 1e-6 * want);
        }
        test_guarded_free(sums);
        part_free(&p);
    }
}

static void test_exact(void **state) {
    (void)state;
    test_each_level(check_exact);
}

/* NaN and infinity are seen in their own channel and in no other. */
static void check_not_finite(const oc_kernels *level) {
    for (size_t k = 0; k < sizeof blocks / sizeof *blocks; k++) {
        const int64_t block = blocks[k], pixels = 21, at = 13 * block + block / 2;
        part p = part_make(pixels, block, true);
        float *dst = test_guarded((size_t)(pixels * block), sizeof *dst, 0);
        double *sums = sums_of(block);
        p.b[at] = k % 2 ? INFINITY : NAN;
        level->gate->forward(&(oc_gate){.a = p.a, .b = p.b, .dst = dst}, p.s, p.t, pixels, block);
        for (int64_t i = 0; i < pixels * block; i++) assert_int_equal(isfinite(dst[i]) != 0, i != at);
        const oc_gate args = {.a = p.a, .b = p.b, .diff_dst = p.diff_dst, .diff_a = p.a, .diff_b = p.b};
        level->gate->backward(&args, p.s, p.t, pixels, block, sums);
        for (int64_t i = 0; i < pixels * block; i++) assert_true(isfinite(p.a[i]) && isfinite(p.b[i]));
        for (int64_t c = 0; c < block; c++) assert_int_equal(isfinite(sums[c]) != 0, c != block / 2);
        test_guarded_free(dst), test_guarded_free(sums);
        part_free(&p);
    }
}

static void test_not_finite(void **state) {
    (void)state;
    test_each_level(check_not_finite);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward), cmocka_unit_test(test_backward),   cmocka_unit_test(test_join),
        cmocka_unit_test(test_exact),   cmocka_unit_test(test_not_finite),
    };
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
