/* Figures of scores and statistical tests, against numbers of statsmodels 0.15.0 and scipy 1.17.1, exact fractions,
 * values worked out by hand, and plain double loops. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/statistics.h"

#define SEED 11

static void is_near(double value, double expected, double relative) {
    if (!(fabs(value - expected) <= relative * fabs(expected))) fail_msg("%.17g is not %.17g", value, expected);
}

/* ---- the likeliest class ---- */

static void test_top1(void **state) {
    (void)state;
    static const float plain[] = {-3, 0.5F, 0.25F}, tied[] = {1, 2, 2, 2}, all[] = {0, 0, 0};
    static const float last[] = {-INFINITY, -2, -1}, one[] = {-7};
    static const float holes[] = {NAN, -5, NAN, -4}, none[] = {NAN, NAN};
    assert_int_equal(oc_top1(plain, 3), 1);
    assert_int_equal(oc_top1(tied, 4), 1);
    assert_int_equal(oc_top1(all, 3), 0);
    assert_int_equal(oc_top1(last, 3), 2);
    assert_int_equal(oc_top1(one, 1), 0);
    assert_int_equal(oc_top1(holes, 4), 3);
    assert_int_equal(oc_top1(none, 2), 0);
}

/* ---- Wilson's interval ---- */

static void test_wilson(void **state) {
    (void)state;
    /* statsmodels: proportion_confint(right, all, alpha=0.05, method="wilson") */
    static const struct {
        int64_t right, all;
        double low, high;
    } cases[] = {
        {0, 1, 0, 0.793450685622763},
        {1, 1, 0.206549314377237, 1},
        {0, 10, 0, 0.277532799862889},
        {10, 10, 0.722467200137111, 1},
        {7, 15, 0.248095353657374, 0.698830199745016},
        {45, 50, 0.786397685625203, 0.956524235068109},
        {2634, 5000, 0.512945607773339, 0.540613243402406},
        {5123, 10000, 0.502500302605471, 0.52209025103461},
        {1, 100000, 1.76524773037831e-06, 5.66470965904097e-05},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double low, high, other_low, other_high;
        oc_wilson(cases[i].right, cases[i].all, &low, &high);
        is_near(low, cases[i].low, 1e-10);
        is_near(high, cases[i].high, 1e-12);
        /* Wrong answers have the mirrored interval. */
        oc_wilson(cases[i].all - cases[i].right, cases[i].all, &other_low, &other_high);
        assert_true(fabs(other_low - (1 - high)) < 1e-12 && fabs(other_high - (1 - low)) < 1e-12);
    }
    double low, high;
    oc_wilson(0, 0, &low, &high);
    assert_true(isnan(low) && isnan(high));
    /* None and all are exact ends, whatever the count. */
    for (int64_t all = 1; all < 3000; all += 7) {
        oc_wilson(0, all, &low, &high);
        assert_true(low == 0 && high > 0 && high < 1);
        oc_wilson(all, all, &low, &high);
        assert_true(high == 1 && low > 0 && low < 1);
    }
}

/* ---- McNemar's test ---- */

static void test_mcnemar(void **state) {
    (void)state;
    /* statsmodels: mcnemar([[0, a], [b, 0]], exact=True).pvalue; those up to 100,000 agree with Σ C(n, i) / 2ⁿ in exact
     * fractions to every digit given. 0.0625 = 2 / 2⁵, 0.109375 = 2 · (1 + 10 + 45) / 2¹⁰ by hand. */
    static const struct {
        int64_t a, b;
        double p, relative;
    } cases[] = {
        {0, 0, 1, 0},
        {1, 0, 1, 1e-14},
        {4, 4, 1, 0},
        {4, 5, 1, 1e-14},
        {5, 0, 0.0625, 1e-13},
        {2, 8, 0.109375, 1e-13},
        {9, 1, 0.021484375, 1e-13},
        {25, 3, 2.74404883384705e-05, 1e-12},
        {10, 20, 0.098737146705389, 1e-12},
        {59, 121, 4.43444926375518e-06, 1e-11},
        {300, 350, 0.0545299417589238, 1e-11},
        {1000, 1100, 0.0307207078642423, 1e-10},
        {49000, 51000, 2.5887160383469e-10, 1e-8},
        {499000000, 500000000, 1.08913904902657e-219, 1e-4}, /* a logarithm of 10¹⁰ has 6 digits behind the point */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        is_near(oc_mcnemar(cases[i].a, cases[i].b), cases[i].p, cases[i].relative);
        assert_true(oc_mcnemar(cases[i].a, cases[i].b) == oc_mcnemar(cases[i].b, cases[i].a));
    }
    /* Too small for a double, and as many as there can be. */
    assert_true(oc_mcnemar(0, 2000) == 0);
    assert_true(oc_mcnemar(0, INT64_MAX) == 0);
    assert_true(oc_mcnemar(INT64_MAX, INT64_MAX) == 1);
    /* The sum itself, wherever its terms are whole numbers of a double. */
    for (int64_t n = 1; n <= 40; n++) {
        double binomial = 1, sum = 1;
        for (int64_t k = 0; 2 * k <= n; k++) {
            is_near(oc_mcnemar(k, n - k), fmin(1, 2 * sum / ldexp(1, (int)n)), 1e-12);
            binomial = binomial * (double)(n - k) / (double)(k + 1);
            sum += binomial;
        }
    }
}

/* ---- calibration ---- */

static void test_calibration_by_hand(void **state) {
    (void)state;
    enum { ROWS = 10 };
    float logits[ROWS * 2];
    int32_t label[ROWS];
    /* Ten times a confidence of 0.9, eight of them right: off by 0.1. */
    for (int i = 0; i < ROWS; i++) {
        logits[2 * i] = logf(9);
        logits[2 * i + 1] = 0;
        label[i] = i < 2;
    }
    assert_float_equal(oc_calibration_error(logits, label, ROWS, 2), 0.1, 1e-6);
    /* Half of them sure (0.9, all right: off by 0.1) and half of them not (0.6, two of five right: off by 0.2), which
     * must not make up for each other. */
    for (int i = 0; i < ROWS; i++) {
        if (i >= 5) logits[2 * i] = logf(1.5F);
        label[i] = i >= 7;
    }
    assert_float_equal(oc_calibration_error(logits, label, ROWS, 2), 0.15, 1e-6);
    /* Rows without a label do not count, and without any nothing is known. */
    for (int i = 5; i < ROWS; i++) label[i] = -1;
    assert_float_equal(oc_calibration_error(logits, label, ROWS, 2), 0.1, 1e-6);
    for (int i = 0; i < ROWS; i++) label[i] = -1;
    assert_true(isnan(oc_calibration_error(logits, label, ROWS, 2)));
    assert_true(isnan(oc_calibration_error(logits, label, 0, 2)));
}

static void test_calibration_edges(void **state) {
    (void)state;
    /* 1/3 is the upper bound of the fifth bin, 0.36 is in the sixth: 1/3 too sure, 0.64 not sure enough. */
    const float bound[] = {0, 0, 0, logf(0.36F), logf(0.32F), logf(0.32F)};
    static const int32_t bound_label[] = {2, 0};
    assert_float_equal(oc_calibration_error(bound, bound_label, 2, 3), (1.0 / 3 + 0.64) / 2, 1e-6);
    /* Certain and right; certain and wrong; a class alone. */
    static const float certain[] = {1000, -1000, 1000, -1000};
    static const int32_t right[] = {0, 0}, half[] = {0, 1};
    assert_float_equal(oc_calibration_error(certain, right, 2, 2), 0, 1e-12);
    assert_float_equal(oc_calibration_error(certain, half, 2, 2), 0.5, 1e-12);
    assert_float_equal(oc_calibration_error(certain, right, 2, 1), 0, 1e-12);
    static const float holes[] = {1, NAN, 2, 1};
    assert_true(isnan(oc_calibration_error(holes, right, 2, 2)));
}

/* Guo et al., equation 3, bin by bin. */
static double calibration_of(const float *logits, const int32_t *label, int rows, int classes) {
    double error = 0;
    int counted = 0;
    for (int i = 0; i < rows; i++) counted += label[i] >= 0;
    for (int b = 0; b < 15; b++) {
        double confidence = 0, accuracy = 0, size = 0;
        for (int i = 0; i < rows; i++) {
            double most = 0, sum = 0;
            int best = 0;
            for (int c = 0; c < classes; c++) sum += exp((double)logits[i * classes + c]);
            for (int c = 0; c < classes; c++) {
                const double p = exp((double)logits[i * classes + c]) / sum;
                if (p > most) {
                    most = p;
                    best = c;
                }
            }
            if (label[i] < 0 || most <= b / 15.0 || most > (b + 1) / 15.0) continue;
            size++;
            confidence += most;
            accuracy += best == label[i];
        }
        if (size > 0) error += size / counted * fabs(accuracy / size - confidence / size);
    }
    return error;
}

static void test_calibration_loop(void **state) {
    (void)state;
    enum { ROWS = 500, CLASSES = 7 };
    static float logits[ROWS * CLASSES];
    static int32_t label[ROWS];
    oc_random random;
    print_message("seed %d\n", SEED);
    oc_random_init(&random, SEED, 0, 0, 0);
    for (int i = 0; i < ROWS; i++) {
        const double scale = oc_random_range(&random, 0, 4);
        for (int c = 0; c < CLASSES; c++) logits[i * CLASSES + c] = (float)(scale * oc_random_normal(&random));
        label[i] = (int32_t)oc_random_range(&random, -1, CLASSES);
        if (oc_random_uniform(&random) < 0.4) label[i] = oc_top1(logits + i * CLASSES, CLASSES);
        if (i % 10 == 3) label[i] = -1;
    }
    const double expected = calibration_of(logits, label, ROWS, CLASSES);
    assert_true(expected > 0.02 && expected < 0.9);
    assert_float_equal(oc_calibration_error(logits, label, ROWS, CLASSES), expected, 1e-9);
}

/* ---- Reliability ------------------------------------------------------------------------------------------------- */

/* The probability of the guess, the long way. */
static double confidence_of(const float *row, int classes, int *guess) {
    double sum = 0, most = 0;
    for (int c = 0; c < classes; c++) sum += exp((double)row[c]);
    for (int c = 0; c < classes; c++) {
        const double p = exp((double)row[c]) / sum;
        if (p <= most) continue;
        most = p;
        *guess = c;
    }
    return most;
}

static void test_reliability(void **state) {
    (void)state;
    enum { ROWS = 800, CLASSES = 6 };
    static float logits[ROWS * CLASSES];
    static int32_t label[ROWS];
    oc_random random;
    print_message("seed %d\n", SEED);
    oc_random_init(&random, SEED, 2, 0, 0);
    for (int i = 0; i < ROWS; i++) {
        const double scale = oc_random_range(&random, 0, 4);
        for (int c = 0; c < CLASSES; c++) logits[i * CLASSES + c] = (float)(scale * oc_random_normal(&random));
        label[i] = i % 7 == 2 ? -1 : (int32_t)oc_random_range(&random, 0, CLASSES);
    }
    oc_reliability_bin bin[OC_RELIABILITY_BINS];
    assert_true(oc_reliability(bin, logits, label, ROWS, CLASSES));
    double error = 0;
    int64_t all = 0;
    for (int b = 0; b < OC_RELIABILITY_BINS; b++) {
        int64_t images = 0, right = 0;
        double confidence = 0;
        for (int i = 0; i < ROWS; i++) {
            int guess = -1;
            const double p = confidence_of(logits + i * CLASSES, CLASSES, &guess);
            if (label[i] < 0 || !(p > b / 15.0 && p <= (b + 1) / 15.0)) continue;
            images++;
            confidence += p;
            right += guess == label[i];
        }
        assert_int_equal(bin[b].images, images);
        assert_int_equal(bin[b].right, right);
        assert_float_equal(bin[b].confidence, confidence, 1e-9);
        error += fabs((double)bin[b].right - bin[b].confidence);
        all += images;
    }
    assert_true(all > ROWS / 2 && all < ROWS);
    assert_float_equal(oc_calibration_error(logits, label, ROWS, CLASSES), error / (double)all, 1e-12);
}

static void test_reliability_edges(void **state) {
    (void)state;
    oc_reliability_bin bin[OC_RELIABILITY_BINS];
    /* One of three equals is exactly the upper bound of the fifth bin and belongs to it; 1 to the last. */
    static const float rows[] = {1, 1, 1, 200, 0, 0, 0, 0, -200, NAN, 0, 0, INFINITY, 0, 0};
    assert_true(oc_reliability(bin, rows, (const int32_t[]){0, 0, 2}, 3, 3));
    for (int b = 0; b < OC_RELIABILITY_BINS; b++) assert_int_equal(bin[b].images, b == 4 || b == 7 || b == 14);
    assert_int_equal(bin[4].right, 1);
    assert_int_equal(bin[14].right, 1);
    assert_int_equal(bin[7].right, 0);
    assert_float_equal(bin[7].confidence, 0.5, 1e-12);
    assert_true(bin[14].confidence == 1);
    /* A row that is not all numbers is in no bin, and is told; without a label it does not count. */
    assert_false(oc_reliability(bin, rows, (const int32_t[]){0, 0, 2, 0, -1}, 5, 3));
    assert_int_equal(bin[4].images + bin[7].images + bin[14].images, 3);
    assert_true(isnan(oc_calibration_error(rows, (const int32_t[]){0, 0, 2, 0, -1}, 5, 3)));
    assert_false(oc_reliability(bin, rows, (const int32_t[]){0, 0, 2, -1, 0}, 5, 3));
    assert_true(oc_reliability(bin, rows, (const int32_t[]){0, 0, 2, -1, -1}, 5, 3));
    /* No rows; all without a label. */
    assert_true(oc_reliability(bin, rows, NULL, 0, 3));
    for (int b = 0; b < OC_RELIABILITY_BINS; b++) assert_int_equal(bin[b].images, 0);
    assert_true(oc_reliability(bin, rows, (const int32_t[]){-1, -1, -1}, 3, 3));
    assert_true(isnan(oc_calibration_error(rows, (const int32_t[]){-1, -1, -1}, 3, 3)));
}

static void test_probability(void **state) {
    (void)state;
    static const float row[] = {0.5F, -2, 3};
    double sum = 0;
    for (int c = 0; c < 3; c++) sum += exp((double)row[c]);
    for (int c = 0; c < 3; c++) assert_float_equal(oc_probability(row, 3, c), exp((double)row[c]) / sum, 1e-12);
    static const float far[] = {-1000, 1000};
    assert_true(oc_probability(far, 2, 0) == 0);
    assert_true(oc_probability(far, 2, 1) == 1);
    static const float broken[] = {NAN, 1};
    assert_true(isnan(oc_probability(broken, 2, 0)) && isnan(oc_probability(broken, 2, 1)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reliability),
        cmocka_unit_test(test_reliability_edges),
        cmocka_unit_test(test_probability),
        cmocka_unit_test(test_top1),
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_mcnemar),
        cmocka_unit_test(test_calibration_by_hand),
        cmocka_unit_test(test_calibration_edges),
        cmocka_unit_test(test_calibration_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
