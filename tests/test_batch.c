/* Batches: order, coverage, the rows' contents, mixup, and that nothing depends on the number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "data/batch.h"
#include "ocelli/data.h"
#include "support/temporary.h"

#define CLASSES 4
#define PER_CLASS 13 /* 52 images: six batches of 8 and four images more */
#define IMAGES (CLASSES * PER_CLASS)
#define SIDE 64
#define ROW (3 * SIDE * SIDE)
#define BATCH 8

static char folder[512], data_path[600], cache_path[600];
static oc_dataset *dataset;
static oc_pack *pack;
static float dst[BATCH * ROW], other[BATCH * ROW];

static int group_setup(void **state) {
    (void)state;
    oc_error err = {0};
    test_temporary_create(folder, sizeof folder);
    snprintf(data_path, sizeof data_path, "%s/demo", folder);
    snprintf(cache_path, sizeof cache_path, "%s/cache", folder);
    oc_demo_options demo = {.classes = CLASSES, .per_class = PER_CLASS, .seed = 5, .threads = 1};
    oc_pack_options options = {.size = SIDE, .cache = cache_path};
    if (oc_data_demo(data_path, &demo, &err) != OC_OK || oc_dataset_open(&dataset, data_path, NULL, &err) != OC_OK ||
        oc_pack_open(&pack, dataset, "train", &options, &err) != OC_OK) {
        print_error("%s: %s\n", err.where, err.message);
        return -1;
    }
    return 0;
}

static int group_teardown(void **state) {
    (void)state;
    oc_pack_destroy(&pack);
    oc_dataset_destroy(&dataset);
    test_temporary_remove(folder);
    return 0;
}

/* Training as the reference does it. */
static oc_batch_options training(void) {
    return (oc_batch_options){.batch_size = BATCH,
                              .size = SIDE,
                              .augment = true,
                              .shuffle = true,
                              .drop_last = true,
                              .mixup_alpha = 0.2,
                              .seed = 77,
                              .mean = {0.4650f, 0.4342f, 0.3944f},
                              .std = {0.2729f, 0.2731f, 0.2707f}};
}

/* Pictures as they are, in order. */
static oc_batch_options plain(void) {
    oc_batch_options options = training();
    options.augment = options.shuffle = options.drop_last = false;
    options.mixup_alpha = 0.0;
    return options;
}

static oc_batcher *batcher_create(const oc_batch_options *options, oc_team *team) {
    oc_batcher *batcher = NULL;
    oc_error err = {0};
    if (oc_batcher_create(&batcher, pack, options, team, &err) != OC_OK) fail_msg("%s", err.message);
    return batcher;
}

static uint64_t batch_sum(oc_batcher *batcher, int64_t epoch, int64_t index) {
    oc_targets targets;
    oc_batcher_fill(batcher, epoch, index, dst, &targets);
    XXH3_state_t *hash = XXH3_createState();
    size_t rows = (size_t)targets.rows;
    XXH3_64bits_reset(hash);
    XXH3_64bits_update(hash, dst, sizeof dst);
    XXH3_64bits_update(hash, &targets.lambda, sizeof targets.lambda);
    XXH3_64bits_update(hash, targets.label, rows * sizeof *targets.label);
    XXH3_64bits_update(hash, targets.mixed, rows * sizeof *targets.mixed);
    XXH3_64bits_update(hash, targets.sample, rows * sizeof *targets.sample);
    uint64_t sum = XXH3_64bits_digest(hash);
    XXH3_freeState(hash);
    return sum;
}

/* Checksum of a whole epoch. */
static uint64_t epoch_sum(const oc_batch_options *options, int threads, int64_t epoch) {
    oc_team *team = NULL;
    assert_int_equal(oc_team_create(&team, threads, NULL), OC_OK);
    oc_batcher *batcher = batcher_create(options, team);
    uint64_t sum = 0;
    for (int64_t i = 0; i < oc_batcher_count(batcher); i++) sum = sum * 31 + batch_sum(batcher, epoch, i);
    oc_batcher_destroy(&batcher);
    assert_null(batcher);
    oc_team_destroy(&team);
    return sum;
}

static void test_threads(void **state) {
    (void)state;
    oc_batch_options options = training();
    uint64_t one = epoch_sum(&options, 1, 0);
    assert_true(epoch_sum(&options, 1, 0) == one);
    assert_true(epoch_sum(&options, 2, 0) == one);
    assert_true(epoch_sum(&options, 3, 0) == one);
    assert_true(epoch_sum(&options, 2, 1) != one);
    uint64_t later = epoch_sum(&options, 2, 5);
    assert_true(epoch_sum(&options, 3, 5) == later);
    options.seed++;
    assert_true(epoch_sum(&options, 2, 0) != one);
}

/* A batch is the same whatever was filled before it: a run that resumes sees what it would have seen. */
static void test_any_order(void **state) {
    (void)state;
    oc_batch_options options = training();
    oc_batcher *first = batcher_create(&options, NULL), *second = batcher_create(&options, NULL);
    uint64_t sum[2][6];
    for (int64_t epoch = 0; epoch < 2; epoch++)
        for (int64_t i = 0; i < 6; i++) sum[epoch][i] = batch_sum(first, epoch, i);
    assert_true(batch_sum(second, 1, 4) == sum[1][4]);
    assert_true(batch_sum(second, 0, 2) == sum[0][2]);
    assert_true(batch_sum(second, 1, 0) == sum[1][0]);
    assert_true(batch_sum(second, 0, 2) == sum[0][2]);
    oc_batcher_destroy(&first);
    oc_batcher_destroy(&second);
}

/* Counts how often each image occurs in an epoch; *fixed: images at their own place. */
static void coverage(oc_batcher *batcher, int64_t epoch, int times[IMAGES], int *fixed) {
    oc_targets targets;
    int64_t place = 0;
    memset(times, 0, IMAGES * sizeof *times);
    *fixed = 0;
    for (int64_t i = 0; i < oc_batcher_count(batcher); i++) {
        oc_batcher_fill(batcher, epoch, i, dst, &targets);
        for (int64_t row = 0; row < targets.rows; row++, place++) {
            assert_true(targets.sample[row] < IMAGES);
            assert_int_equal(targets.label[row], oc_pack_image(pack, targets.sample[row]).label);
            times[targets.sample[row]]++;
            *fixed += targets.sample[row] == place;
        }
    }
}

static void test_permutation(void **state) {
    (void)state;
    int times[IMAGES], fixed, once = 0;
    oc_batch_options options = training();
    options.drop_last = false;
    oc_batcher *batcher = batcher_create(&options, NULL);
    assert_int_equal(oc_batcher_count(batcher), 7);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        coverage(batcher, epoch, times, &fixed);
        for (int i = 0; i < IMAGES; i++) assert_int_equal(times[i], 1);
        assert_true(fixed < 10);
    }
    oc_batcher_destroy(&batcher);

    options.drop_last = true;
    batcher = batcher_create(&options, NULL);
    assert_int_equal(oc_batcher_count(batcher), 6);
    coverage(batcher, 0, times, &fixed);
    for (int i = 0; i < IMAGES; i++) {
        assert_true(times[i] <= 1);
        once += times[i];
    }
    assert_int_equal(once, 48);
    oc_batcher_destroy(&batcher);

    options.shuffle = false;
    batcher = batcher_create(&options, NULL);
    coverage(batcher, 0, times, &fixed);
    assert_int_equal(fixed, 48);
    oc_batcher_destroy(&batcher);
}

static void test_orders_differ(void **state) {
    (void)state;
    static const struct {
        uint64_t seed;
        int64_t epoch;
    } runs[] = {{7, 0}, {7, 1}, {7, 2}, {8, 0}, {8, 1}};
    enum { RUNS = sizeof runs / sizeof runs[0], SEEN = IMAGES / BATCH * BATCH };
    uint32_t order[RUNS][SEEN];
    oc_batch_options options = training();
    for (int i = 0; i < RUNS; i++) {
        options.seed = runs[i].seed;
        oc_batcher *batcher = batcher_create(&options, NULL);
        for (int64_t b = 0; b < oc_batcher_count(batcher); b++) {
            oc_targets targets;
            oc_batcher_fill(batcher, runs[i].epoch, b, dst, &targets);
            memcpy(order[i] + b * BATCH, targets.sample, BATCH * sizeof **order);
        }
        oc_batcher_destroy(&batcher);
        for (int j = 0; j < i; j++) assert_memory_not_equal(order[i], order[j], sizeof order[i]);
    }
}

static void test_plain_rows(void **state) {
    (void)state;
    oc_batch_options options = plain();
    oc_batcher *batcher = batcher_create(&options, NULL);
    oc_targets targets;
    for (int64_t index = 0; index < 7; index++) {
        memset(dst, 0x55, sizeof dst);
        oc_batcher_fill(batcher, 0, index, dst, &targets);
        assert_int_equal(targets.rows, index < 6 ? BATCH : IMAGES - 6 * BATCH);
        assert_true(targets.lambda == 1.0);
        for (int64_t row = 0; row < BATCH; row++)
            for (int c = 0; c < 3; c++)
                for (int i = 0; i < SIDE * SIDE; i++) {
                    float got = dst[row * ROW + c * SIDE * SIDE + i], want = 0.0f;
                    if (row < targets.rows) {
                        oc_image image = oc_pack_image(pack, index * BATCH + row);
                        want = ((float)image.pixels[3 * i + c] / 255.0f - options.mean[c]) / options.std[c];
                    }
                    if (!(fabsf(got - want) < 1e-5f)) fail_msg("batch %d, row %d", (int)index, (int)row);
                }
        for (int64_t row = 0; row < targets.rows; row++) assert_int_equal(targets.mixed[row], targets.label[row]);
    }
    oc_batcher_destroy(&batcher);
}

/* An image's augmentation depends on (seed, epoch, sample), not on the batch it is in. */
static void test_augmentation_of_sample(void **state) {
    (void)state;
    static float image[IMAGES][ROW];
    oc_batch_options options = training();
    options.mixup_alpha = 0.0;
    options.drop_last = false;
    oc_batcher *batcher = batcher_create(&options, NULL);
    oc_targets targets;
    for (int64_t i = 0; i < 7; i++) {
        oc_batcher_fill(batcher, 4, i, dst, &targets);
        for (int64_t row = 0; row < targets.rows; row++)
            memcpy(image[targets.sample[row]], dst + row * ROW, sizeof *image);
    }
    oc_batcher_destroy(&batcher);
    options.shuffle = false;
    options.batch_size = 5;
    batcher = batcher_create(&options, NULL);
    int changed = 0;
    for (int64_t i = 0; i < oc_batcher_count(batcher); i++) {
        oc_batcher_fill(batcher, 4, i, dst, &targets);
        for (int64_t row = 0; row < targets.rows; row++)
            assert_memory_equal(image[targets.sample[row]], dst + row * ROW, sizeof *image);
        oc_batcher_fill(batcher, 5, i, dst, &targets);
        for (int64_t row = 0; row < targets.rows; row++)
            changed += memcmp(image[targets.sample[row]], dst + row * ROW, sizeof *image) != 0;
    }
    assert_int_equal(changed, IMAGES);
    oc_batcher_destroy(&batcher);
}

/* Every mixed row is λ·row + (1−λ)·(the row of one partner), partners are a permutation, and labels go with them. */
static void test_mixup(void **state) {
    (void)state;
    oc_batch_options options = training();
    options.mixup_alpha = 1.0; /* λ seldom near 0 or 1, where the partner could not be told */
    oc_batcher *mixed = batcher_create(&options, NULL);
    options.mixup_alpha = 0.0;
    oc_batcher *clean = batcher_create(&options, NULL);
    oc_targets m, c;
    int foreign = 0;
    for (int64_t index = 0; index < 6; index++) {
        oc_batcher_fill(mixed, 2, index, dst, &m);
        oc_batcher_fill(clean, 2, index, other, &c);
        assert_int_equal(m.rows, BATCH);
        assert_true(m.lambda > 0.0 && m.lambda < 1.0);
        unsigned taken = 0;
        for (int row = 0; row < BATCH; row++) {
            int best = -1;
            double least = INFINITY;
            for (int partner = 0; partner < BATCH; partner++) {
                double worst = 0.0;
                for (int i = 0; i < ROW; i++) {
                    double want = m.lambda * other[row * ROW + i] + (1.0 - m.lambda) * other[partner * ROW + i];
                    worst = fmax(worst, fabs(dst[row * ROW + i] - want));
                }
                if (worst < least) least = worst, best = partner;
            }
            assert_true(least < 1e-5);
            assert_int_equal(m.sample[row], c.sample[row]);
            assert_int_equal(m.label[row], c.label[row]);
            assert_int_equal(m.mixed[row], c.label[best]);
            foreign += best != row;
            taken |= 1u << best;
        }
        assert_int_equal(taken, (1u << BATCH) - 1);
    }
    assert_true(foreign > 24);
    oc_batcher_destroy(&mixed);
    oc_batcher_destroy(&clean);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Distribution function of Beta(0.2, 0.2) by the midpoint rule: t = u⁵ takes the pole at 0 away, symmetry the other. */
static double beta_integral(double x) {
    double limit = pow(x, 0.2), sum = 0.0;
    int steps = 400;
    for (int i = 0; i < steps; i++) sum += 5.0 * pow(1.0 - pow((i + 0.5) / steps * limit, 5.0), -0.8) * limit / steps;
    return sum;
}

static double beta_cdf(double x, double half) {
    return x <= 0.5 ? 0.5 * beta_integral(x) / half : 1.0 - 0.5 * beta_integral(1.0 - x) / half;
}

static void test_lambda(void **state) {
    (void)state;
    enum { DRAWS = 4000 };
    static double lambda[DRAWS];
    oc_batch_options options = training();
    options.batch_size = 2;
    options.size = 1;
    options.augment = options.shuffle = false;
    oc_batcher *batcher = batcher_create(&options, NULL);
    oc_targets targets;
    float pixels[2 * 3];
    double sum = 0.0, squares = 0.0, largest = 0.0, half = beta_integral(0.5);
    print_message("seed %d\n", (int)options.seed);
    for (int i = 0; i < DRAWS; i++) {
        oc_batcher_fill(batcher, i / 26, i % 26, pixels, &targets);
        lambda[i] = targets.lambda;
        assert_true(lambda[i] >= 0.0 && lambda[i] <= 1.0);
        sum += lambda[i];
        squares += (lambda[i] - 0.5) * (lambda[i] - 0.5);
    }
    /* Variance 1/(4(2α + 1)); bounds of four standard deviations. */
    double variance = 1.0 / 5.6;
    assert_true(fabs(sum / DRAWS - 0.5) < 4.0 * sqrt(variance / DRAWS));
    assert_true(fabs(squares / DRAWS - variance) < 4.0 * 0.09 / sqrt(DRAWS));
    qsort(lambda, DRAWS, sizeof *lambda, ascending);
    for (int i = 0; i < DRAWS; i++) {
        double f = beta_cdf(lambda[i], half);
        largest = fmax(largest, fmax(fabs(f - (double)i / DRAWS), fabs(f - (i + 1.0) / DRAWS)));
    }
    /* A right sample exceeds this once in a thousand times. */
    assert_true(largest < 1.95 / sqrt(DRAWS));
    oc_batcher_destroy(&batcher);
}

/* A central crop of larger images, a smaller size than the pack was made for. */
static void test_other_size(void **state) {
    (void)state;
    oc_batch_options options = plain();
    options.size = 56; /* 64 is within 1.25 × 56: cropped, not resized */
    oc_batcher *batcher = batcher_create(&options, NULL);
    oc_targets targets;
    oc_batcher_fill(batcher, 0, 0, dst, &targets);
    for (int row = 0; row < BATCH; row++) {
        oc_image image = oc_pack_image(pack, row);
        for (int y = 0; y < 56; y++)
            for (int x = 0; x < 56; x++)
                for (int c = 0; c < 3; c++) {
                    float value = (float)image.pixels[3 * ((y + 4) * 64 + x + 4) + c] / 255.0f;
                    float want = (value - options.mean[c]) / options.std[c];
                    assert_true(fabsf(dst[((row * 3 + c) * 56 + y) * 56 + x] - want) < 1e-5f);
                }
    }
    oc_batcher_destroy(&batcher);
}

static void test_refused(void **state) {
    (void)state;
    oc_batcher *batcher = NULL;
    oc_error err = {0};
    oc_batch_options options = training();
    options.batch_size = IMAGES + 1;
    assert_int_equal(oc_batcher_create(&batcher, pack, &options, NULL, &err), OC_E_USAGE);
    assert_null(batcher);
    assert_non_null(strstr(err.message, "53"));
    assert_non_null(strstr(err.message, "52"));
    options.drop_last = false;
    assert_int_equal(oc_batcher_create(&batcher, pack, &options, NULL, &err), OC_OK);
    assert_int_equal(oc_batcher_count(batcher), 1);
    oc_batcher_destroy(&batcher);
    options = training();
    options.batch_size = 0;
    assert_int_equal(oc_batcher_create(&batcher, pack, &options, NULL, &err), OC_E_USAGE);
    options = training();
    options.std[1] = 0.0f;
    assert_int_equal(oc_batcher_create(&batcher, pack, &options, NULL, &err), OC_E_USAGE);
    options = training();
    options.mixup_alpha = -0.1;
    assert_int_equal(oc_batcher_create(&batcher, pack, &options, NULL, &err), OC_E_USAGE);
    oc_batcher_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),     cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_permutation), cmocka_unit_test(test_orders_differ),
        cmocka_unit_test(test_plain_rows),  cmocka_unit_test(test_augmentation_of_sample),
        cmocka_unit_test(test_mixup),       cmocka_unit_test(test_lambda),
        cmocka_unit_test(test_other_size),  cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
