/* Resampling's kernels at every level: the same bits as plain loops, for any number of taps, odd widths and places, and
 * nothing written beside the result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "kernels/image.h"
#include "support/levels.h"
#include "support/maps.h"

#define MOST_TAPS 6

static const int64_t sizes[] = {1, 2, 5, 7, 8, 9, 16, 17, 33, 64};
#define SIZES ((int)(sizeof sizes / sizeof *sizes))

static void fill(float *x, int64_t count, uint64_t seed) {
    oc_random random;
    oc_random_init(&random, 6, OC_RANDOM_TEST, 32, seed);
    for (int64_t i = 0; i < count; i++) x[i] = (float)oc_random_uniform(&random);
}

static float *draw(int64_t count, size_t shift, uint64_t seed) {
    float *x = test_guarded((size_t)count, sizeof *x, shift);
    fill(x, count, seed);
    return x;
}

/* Outputs that start anywhere in `in` >= taps inputs, first and last included. */
static oc_resampling axis_make(int64_t in, int64_t out, int64_t taps, int64_t *start, float *weight) {
    for (int64_t i = 0; i < out; i++) start[i] = i + 1 == out ? in - taps : i * 7 % (in - taps + 1);
    fill(weight, out * taps, (uint64_t)(out * taps));
    return (oc_resampling){out, taps, start, weight};
}

/* Output i of inputs `step` floats apart. */
static float plain(const oc_resampling *axis, int64_t i, const float *src, int64_t step) {
    float sum = 0;
    for (int64_t k = 0; k < axis->taps; k++) sum += axis->weight[i * axis->taps + k] * src[(axis->start[i] + k) * step];
    return sum;
}

static void test_unit(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (size_t level = 0; level < levels; level++)
        for (int64_t n = 0; n <= 256; n += n < 40 ? 1 : 27) {
            uint8_t *src = test_guarded((size_t)n, 1, 3);
            float *dst = test_guarded((size_t)n, sizeof *dst, 1);
            for (int64_t i = 0; i < n; i++) src[i] = (uint8_t)(255 - i);
            list[level]->image->unit(dst, src, n);
            for (int64_t i = 0; i < n; i++) assert_true(dst[i] == (float)(255 - i) / 255.0F);
            test_guarded_free(src), test_guarded_free(dst);
        }
}

static void test_row(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    int64_t start[64];
    float weight[64 * MOST_TAPS];
    for (size_t level = 0; level < levels; level++)
        for (int k = 0; k < SIZES * MOST_TAPS; k++) {
            const int64_t out = sizes[k % SIZES], taps = k / SIZES + 1, in = taps + k % 11, stride = out + 3;
            const oc_resampling axis = axis_make(in, out, taps, start, weight);
            float *row = draw(3 * in + 1, (size_t)k % 3, (uint64_t)k);
            float *dst = draw(2 * stride + out, 1, 99), *before = draw(2 * stride + out, 1, 99);
            list[level]->image->resample_row(dst, stride, row, &axis);
            for (int64_t i = 0; i < 2 * stride + out; i++)
                assert_true(dst[i] == (i % stride < out ? plain(&axis, i % stride, row + i / stride, 3) : before[i]));
            test_guarded_free(row), test_guarded_free(dst), test_guarded_free(before);
        }
}

static void test_columns(void **state) {
    (void)state;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    int64_t start[64];
    float weight[64 * MOST_TAPS];
    for (size_t level = 0; level < levels; level++)
        for (int k = 0; k < SIZES * MOST_TAPS; k++) {
            const int64_t width = sizes[k % SIZES], taps = k / SIZES + 1, in = taps + k % 11,
                          out = sizes[k * 7 % SIZES];
            const oc_resampling axis = axis_make(in, out, taps, start, weight);
            float *src = draw(in * width, (size_t)k % 3, (uint64_t)k);
            float *dst = test_guarded((size_t)(out * width), sizeof *dst, 1);
            list[level]->image->resample_columns(dst, src, width, &axis);
            for (int64_t i = 0; i < out * width; i++)
                assert_true(dst[i] == plain(&axis, i / width, src + i % width, width));
            test_guarded_free(src), test_guarded_free(dst);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_unit), cmocka_unit_test(test_row),
                                       cmocka_unit_test(test_columns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
