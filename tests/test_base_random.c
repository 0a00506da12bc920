/* Random numbers: Philox against Random123's published vectors, streams, and the distributions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

#define SEED 20240117u

static void test_philox_known_answers(void **state) {
    (void)state;
    /* kat_vectors of Random123, philox4x32 10 rounds: counter, key, answer. */
    static const uint32_t rows[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
         0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (size_t i = 0; i < 3; i++) {
        const uint32_t *row = rows[i];
        oc_random random = {.key = {row[4], row[5]}, .counter = {row[0], row[1], row[2], row[3]}, .used = 4};
        for (int j = 0; j < 4; j++) assert_int_equal(oc_random_u32(&random), row[6 + j]);
        assert_int_equal(random.counter[0], (uint32_t)(row[0] + 1));
    }
}

static void test_streams_are_distinct_and_repeat(void **state) {
    (void)state;
    static const struct {
        uint64_t seed;
        oc_random_domain domain;
        uint32_t a;
        uint64_t b;
    } streams[] = {
        {1, OC_RANDOM_INIT, 0, 0},
        {2, OC_RANDOM_INIT, 0, 0},
        {(uint64_t)1 << 32 | 1, OC_RANDOM_INIT, 0, 0},
        {1, OC_RANDOM_SHUFFLE, 0, 0},
        {1, OC_RANDOM_INIT, 1, 0},
        {1, OC_RANDOM_INIT, 0, 1},
        {1, OC_RANDOM_INIT, 0, (uint64_t)1 << 32},
    };
    enum { COUNT = sizeof streams / sizeof *streams };
    uint32_t first[COUNT][8];
    for (int repeat = 0; repeat < 2; repeat++) {
        for (size_t i = 0; i < COUNT; i++) {
            oc_random random;
            oc_random_init(&random, streams[i].seed, streams[i].domain, streams[i].a, streams[i].b);
            for (size_t j = 0; j < 8; j++) {
                uint32_t value = oc_random_u32(&random);
                if (repeat)
                    assert_int_equal(value, first[i][j]);
                else
                    first[i][j] = value;
            }
        }
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < i; k++) assert_memory_not_equal(first[i], first[k], sizeof first[i]);
}

typedef double (*draw_fn)(oc_random *random, double p, double q);

static double draw_uniform(oc_random *random, double p, double q) {
    return oc_random_range(random, p, q);
}

static double draw_normal(oc_random *random, double p, double q) {
    return p + q * oc_random_normal(random);
}

static double draw_beta(oc_random *random, double p, double q) {
    return oc_random_beta(random, p, q);
}

/* Mean and variance within five standard errors. */
static void check_moments(draw_fn draw, double p, double q, double mean, double variance, double low, double high) {
    enum { COUNT = 200000 };
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 7, 0);
    double sum = 0, squares = 0, fourth = 0;
    for (int i = 0; i < COUNT; i++) {
        double x = draw(&random, p, q);
        assert_true(x >= low && x <= high);
        double d = x - mean;
        sum += d;
        squares += d * d;
        fourth += d * d * d * d;
    }
    double found_variance = squares / COUNT;
    double mean_error = sqrt(variance / COUNT);
    double variance_error = sqrt((fourth / COUNT - variance * variance) / COUNT);
    if (fabs(sum / COUNT) > 5 * mean_error || fabs(found_variance - variance) > 5 * variance_error)
        fail_msg("seed %u, p %g, q %g: mean off by %g, variance %g instead of %g", SEED, p, q, sum / COUNT,
                 found_variance, variance);
}

static void test_uniform_and_normal(void **state) {
    (void)state;
    printf("seed %u\n", SEED);
    check_moments(draw_uniform, 0, 1, 0.5, 1.0 / 12, 0, nextafter(1, 0));
    check_moments(draw_uniform, -3, 5, 1, 64.0 / 12, -3, nextafter(5, 0));
    check_moments(draw_normal, 0, 1, 0, 1, -8, 8);
    check_moments(draw_normal, 2, 0.5, 2, 0.25, -2, 6);
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 0, 0);
    assert_true(oc_random_range(&random, 3, 3) == 3);
    /* two neighbours: the upper one must never come, though half of all draws round to it */
    for (int i = 0; i < 100; i++) assert_true(oc_random_range(&random, 1, nextafter(1, 2)) == 1);
}

static void test_beta_moments(void **state) {
    (void)state;
    static const double pairs[][2] = {{0.2, 0.2}, {1, 1}, {0.5, 0.9}, {2, 3}, {0.3, 4}, {5, 0.5}, {40, 40}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        double a = pairs[i][0], b = pairs[i][1], sum = a + b;
        check_moments(draw_beta, a, b, a / sum, a * b / (sum * sum * (sum + 1)), 0, 1);
    }
}

/* Distribution function of Beta(a, a) at x <= 1/2, by the series of the incomplete beta function. */
static double beta_cdf(double a, double x) {
    double term = 1, sum = 1 / a;
    for (int n = 1; n < 200; n++) {
        term *= (n - a) / n * x;
        sum += term / (a + n);
    }
    return pow(x, a) * sum * exp(lgamma(2 * a) - 2 * lgamma(a));
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_beta_distribution(void **state) {
    (void)state;
    enum { COUNT = 50000 };
    double *x = malloc(COUNT * sizeof *x);
    assert_non_null(x);
    static const double alphas[] = {0.2, 1.0, 0.01};
    for (size_t k = 0; k < 3; k++) {
        oc_random random;
        oc_random_init(&random, SEED, OC_RANDOM_TEST, 3, k);
        for (int i = 0; i < COUNT; i++) {
            x[i] = oc_random_beta(&random, alphas[k], alphas[k]);
            assert_true(x[i] >= 0 && x[i] <= 1);
        }
        qsort(x, COUNT, sizeof *x, compare_doubles);
        double distance = 0; /* Kolmogorov–Smirnov */
        for (int i = 0; i < COUNT; i++) {
            double expected = x[i] <= 0.5 ? beta_cdf(alphas[k], x[i]) : 1 - beta_cdf(alphas[k], 1 - x[i]);
            /* near 1 doubles are too coarse for a small alpha: many draws share one value */
            if (x[i] > 1 - 1e-9) continue;
            distance = fmax(distance, fmax(fabs(expected - (double)i / COUNT), fabs(expected - (i + 1.0) / COUNT)));
        }
        if (distance > 1.95 / sqrt(COUNT)) fail_msg("seed %u, alpha %g: distance %g", SEED, alphas[k], distance);
    }
    free(x);
}

static void test_below(void **state) {
    (void)state;
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 1, 2);
    static const uint32_t sizes[] = {1, 2, 3, 7, 10};
    for (size_t k = 0; k < 5; k++) {
        int counts[10] = {0};
        for (int i = 0; i < 50000; i++) {
            uint32_t value = oc_random_below(&random, sizes[k]);
            assert_true(value < sizes[k]);
            counts[value]++;
        }
        double expected = 50000.0 / sizes[k], chi = 0;
        for (uint32_t i = 0; i < sizes[k]; i++) chi += (counts[i] - expected) * (counts[i] - expected) / expected;
        assert_true(chi < 30); /* far beyond the 0.999 quantile of 9 degrees of freedom, 27.9 */
    }
    /* n = 3·2^30: without rejection the multiples of three would be half of all draws, not a third */
    int low = 0;
    for (int i = 0; i < 30000; i++) low += oc_random_below(&random, 0xC0000000u) % 3 == 0;
    assert_true(abs(low - 10000) < 400);
}

static void test_permutation(void **state) {
    (void)state;
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_SHUFFLE, 0, 0);
    uint32_t order[1000];
    unsigned char seen[1000] = {0};
    oc_random_permutation(&random, order, 1000);
    int fixed = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(order[i] < 1000 && !seen[order[i]]);
        seen[order[i]] = 1;
        fixed += order[i] == i;
    }
    assert_true(fixed < 10);
    /* all 24 orders of four come equally often */
    int counts[256] = {0};
    for (int i = 0; i < 24000; i++) {
        oc_random_permutation(&random, order, 4);
        counts[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
    }
    int kinds = 0;
    for (int i = 0; i < 256; i++) {
        if (counts[i] == 0) continue;
        kinds++;
        assert_true(abs(counts[i] - 1000) < 160);
    }
    assert_int_equal(kinds, 24);
    oc_random_permutation(&random, order, 1);
    assert_int_equal(order[0], 0);
    oc_random_permutation(&random, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers), cmocka_unit_test(test_streams_are_distinct_and_repeat),
        cmocka_unit_test(test_uniform_and_normal),   cmocka_unit_test(test_beta_moments),
        cmocka_unit_test(test_beta_distribution),    cmocka_unit_test(test_below),
        cmocka_unit_test(test_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
