/* The loss against its definition written out plainly, its gradient by finite differences, and the counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "graph/loss.h"

#define SEED 99U

/* −Σ q·log softmax, as the definition has it. */
static double plain_loss(const double *z, int64_t classes, int32_t y1, int32_t y2, double lambda, double s) {
    long double sum = 0, loss = 0;
    for (int64_t c = 0; c < classes; c++) sum += expl(z[c]);
    for (int64_t c = 0; c < classes; c++) {
        const double q = (1 - s) * (lambda * (c == y1) + (1 - lambda) * (c == y2)) + s / (double)classes;
        loss -= q * (z[c] - logl(sum));
    }
    return (double)loss;
}

typedef struct batch {
    int64_t rows, classes;
    float *logits, *diff;
    int32_t *label, *mixed;
} batch;

static batch make_batch(int64_t rows, int64_t classes, double scale) {
    batch b = {.rows = rows, .classes = classes};
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, (uint32_t)rows, (uint64_t)classes);
    b.logits = calloc((size_t)(rows * classes), sizeof(float));
    b.diff = calloc((size_t)(rows * classes), sizeof(float));
    b.label = calloc((size_t)rows, sizeof(int32_t));
    b.mixed = calloc((size_t)rows, sizeof(int32_t));
    for (int64_t i = 0; i < rows * classes; i++) b.logits[i] = (float)(scale * oc_random_normal(&random));
    for (int64_t i = 0; i < rows; i++) {
        b.label[i] = (int32_t)oc_random_below(&random, (uint32_t)classes);
        b.mixed[i] = (int32_t)oc_random_below(&random, (uint32_t)classes);
    }
    return b;
}

static void free_batch(batch *b) {
    free(b->logits);
    free(b->diff);
    free(b->label);
    free(b->mixed);
}

static oc_soft_labels labels_of(const batch *b, double lambda) {
    return (oc_soft_labels){.rows = b->rows, .lambda = lambda, .label = b->label, .mixed = b->mixed};
}

static void test_definition(void **state) {
    (void)state;
    static const struct {
        int64_t rows, classes;
        double lambda, smoothing;
    } cases[] = {{1, 2, 1, 0},     {3, 10, 0.7, 0.01}, {64, 200, 0.25, 0.1},
                 {129, 7, 0.5, 0}, {300, 3, 1, 0.3},   {5, 1, 0.4, 0.01}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        batch b = make_batch(cases[k].rows, cases[k].classes, 3);
        const double lambda = cases[k].lambda, s = cases[k].smoothing;
        const oc_soft_labels labels = labels_of(&b, lambda);
        oc_score score = {0};
        oc_loss_cross_entropy(b.logits, &labels, b.classes, s, b.diff, &score, NULL);
        double loss = 0, error = 0;
        double *z = calloc((size_t)b.classes, sizeof *z);
        for (int64_t i = 0; i < b.rows; i++) {
            for (int64_t c = 0; c < b.classes; c++) z[c] = b.logits[i * b.classes + c];
            loss += plain_loss(z, b.classes, b.label[i], b.mixed[i], lambda, s);
            for (int64_t c = 0; c < b.classes; c++) {
                const double start = z[c], h = 1e-5;
                z[c] = start + h;
                const double above = plain_loss(z, b.classes, b.label[i], b.mixed[i], lambda, s);
                z[c] = start - h;
                const double below = plain_loss(z, b.classes, b.label[i], b.mixed[i], lambda, s);
                z[c] = start;
                /* The gradient is that of the mean. */
                const double want = (above - below) / (2 * h) / (double)b.rows;
                error = fmax(error, fabs(b.diff[i * b.classes + c] - want) * (double)b.rows);
                assert_false(isnan(b.diff[i * b.classes + c]));
            }
        }
        free(z);
        assert_int_equal(score.rows, b.rows);
        assert_true(fabs(score.loss - loss) <= 1e-12 * (double)b.rows * (1 + fabs(loss)));
        if (error > 1e-7) fail_msg("case %zu, seed %u: gradient off by %g", k, SEED, error);
        free_batch(&b);
    }
}

/* Evaluation has no gradient and no second label, and batches add up. */
static void test_sums(void **state) {
    (void)state;
    batch b = make_batch(10, 6, 2);
    oc_soft_labels labels = labels_of(&b, 1);
    labels.mixed = NULL;
    oc_score whole = {0}, parts = {0};
    oc_loss_cross_entropy(b.logits, &labels, b.classes, 0.01, NULL, &whole, NULL);
    labels.rows = 4;
    oc_loss_cross_entropy(b.logits, &labels, b.classes, 0.01, NULL, &parts, NULL);
    labels.rows = 6;
    labels.label = b.label + 4;
    oc_loss_cross_entropy(b.logits + 4 * b.classes, &labels, b.classes, 0.01, NULL, &parts, NULL);
    assert_int_equal(parts.rows, 10);
    assert_true(fabs(whole.loss - parts.loss) < 1e-12 * whole.loss);
    assert_true(whole.top1 == parts.top1 && whole.top5 == parts.top5);
    labels.rows = 0;
    oc_loss_cross_entropy(b.logits, &labels, b.classes, 0.01, NULL, &parts, NULL);
    assert_int_equal(parts.rows, 10);
    free_batch(&b);
}

static void test_counts(void **state) {
    (void)state;
    const float rows[][7] = {
        {1, 2, 3, 4, 5, 6, 7}, /* descending classes 6 5 4 3 2 1 0 */
        {5, 5, 5, 5, 5, 5, 5}, /* ties: 0 1 2 3 4 come first */
        {0, 9, 9, 0, 0, 0, 0}, /* 1 2 0 3 4 */
        {-1, -2, -3, -4, -5, -6, NAN},
    };
    static const struct {
        int row, y1, y2;
        double top1, top5; /* with λ = 0.75 */
    } cases[] = {{0, 6, 6, 1, 1},    {0, 6, 0, 0.75, 0.75}, {0, 1, 6, 0.25, 0.25}, {0, 2, 1, 0, 0.75},
                 {0, 0, 1, 0, 0},    {1, 0, 0, 1, 1},       {1, 4, 5, 0, 0.75},    {1, 5, 4, 0, 0.25},
                 {2, 1, 2, 0.75, 1}, {2, 2, 1, 0.25, 1},    {2, 4, 5, 0, 0.75},    {2, 6, 0, 0, 0.25},
                 {3, 6, 6, 0, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        const int32_t y1 = cases[k].y1, y2 = cases[k].y2;
        const oc_soft_labels labels = {.rows = 1, .lambda = 0.75, .label = &y1, .mixed = &y2};
        oc_score score = {.top1 = 2, .top5 = 3};
        oc_loss_cross_entropy(rows[cases[k].row], &labels, 7, 0, NULL, &score, NULL);
        if (score.top1 != 2 + cases[k].top1 || score.top5 != 3 + cases[k].top5)
            fail_msg("case %zu: top-1 %g, top-5 %g", k, score.top1 - 2, score.top5 - 3);
    }
    /* Fewer than five classes: all are among the five. */
    const float two[] = {1, 2};
    const int32_t zero = 0;
    const oc_soft_labels labels = {.rows = 1, .lambda = 1, .label = &zero};
    oc_score score = {0};
    oc_loss_cross_entropy(two, &labels, 2, 0, NULL, &score, NULL);
    assert_true(score.top1 == 0 && score.top5 == 1);
}

/* Large scores neither overflow nor vanish; what is not finite shows. */
static void test_extremes(void **state) {
    (void)state;
    float z[] = {3e4F, -3e4F, 0}, diff[3];
    const int32_t right = 0, wrong = 1;
    oc_soft_labels labels = {.rows = 1, .lambda = 1, .label = &right};
    oc_score score = {0};
    oc_loss_cross_entropy(z, &labels, 3, 0, diff, &score, NULL);
    assert_true(score.loss == 0 && diff[0] == 0 && diff[1] == 0 && diff[2] == 0);
    labels.label = &wrong;
    oc_loss_cross_entropy(z, &labels, 3, 0, diff, &score, NULL);
    assert_true(score.loss == 6e4 && diff[0] == 1 && diff[1] == -1 && diff[2] == 0);
    z[2] = INFINITY;
    score = (oc_score){0};
    oc_loss_cross_entropy(z, &labels, 3, 0, NULL, &score, NULL);
    assert_false(isfinite(score.loss));
    z[2] = NAN;
    score = (oc_score){0};
    oc_loss_cross_entropy(z, &labels, 3, 0, NULL, &score, NULL);
    assert_false(isfinite(score.loss));
}

static void test_threads(void **state) {
    (void)state;
    batch b = make_batch(301, 33, 4);
    const oc_soft_labels labels = labels_of(&b, 0.3);
    const size_t bytes = (size_t)(b.rows * b.classes) * sizeof(float);
    float *diff = malloc(bytes);
    oc_score one = {0};
    oc_loss_cross_entropy(b.logits, &labels, b.classes, 0.01, b.diff, &one, NULL);
    for (int threads = 1; threads <= 5; threads++) {
        oc_team *team = NULL;
        oc_score score = {0};
        assert_int_equal(oc_team_create(&team, threads, NULL), OC_OK);
        memset(diff, 0xFF, bytes);
        oc_loss_cross_entropy(b.logits, &labels, b.classes, 0.01, diff, &score, team);
        assert_memory_equal(diff, b.diff, bytes);
        assert_true(score.loss == one.loss && score.top1 == one.top1 && score.top5 == one.top5);
        oc_team_destroy(&team);
    }
    free(diff);
    free_batch(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition), cmocka_unit_test(test_sums),    cmocka_unit_test(test_counts),
        cmocka_unit_test(test_extremes),   cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
