/* The images' kernels at every level: the same bits as those of plain loops, hue also that of HSV; for any number of
 * taps, odd widths and places, and nothing written beside the result. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

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
    oc_random_init(&random, TEST_SEED, OC_RANDOM_TEST, 32, seed);
    for (int64_t i = 0; i < count; i++) x[i] = (float)oc_random_uniform(&random);
}

static float *draw(int64_t count, size_t shift, uint64_t seed) {
    float *x = test_guarded((size_t)count, sizeof *x, shift);
    fill(x, count, seed);
    return x;
}

/* ---- Sizes ---- */

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

static void check_unit(const oc_kernels *level) {
    for (int64_t n = 0; n <= 256; n += n < 40 ? 1 : 27) {
        uint8_t *src = test_guarded((size_t)n, 1, 3);
        float *dst = test_guarded((size_t)n, sizeof *dst, 1);
        for (int64_t i = 0; i < n; i++) src[i] = (uint8_t)(255 - i);
        level->image->unit(dst, src, n);
        for (int64_t i = 0; i < n; i++) assert_true(dst[i] == (float)(255 - i) / 255.0F);
        test_guarded_free(src), test_guarded_free(dst);
    }
}

static void test_unit(void **state) {
    (void)state;
    test_each_level(check_unit);
}

static void check_row(const oc_kernels *level) {
    int64_t start[64];
    float weight[64 * MOST_TAPS];
    for (int k = 0; k < SIZES * MOST_TAPS; k++) {
        const int64_t out = sizes[k % SIZES], taps = k / SIZES + 1, in = taps + k % 11, stride = out + 3;
        const oc_resampling axis = axis_make(in, out, taps, start, weight);
        float *row = draw(3 * in + 1, (size_t)k % 3, (uint64_t)k);
        float *dst = draw(2 * stride + out, 1, 99), *before = draw(2 * stride + out, 1, 99);
        level->image->resample_row(dst, stride, row, &axis);
        for (int64_t i = 0; i < 2 * stride + out; i++)
            assert_true(dst[i] == (i % stride < out ? plain(&axis, i % stride, row + i / stride, 3) : before[i]));
        test_guarded_free(row), test_guarded_free(dst), test_guarded_free(before);
    }
}

static void test_row(void **state) {
    (void)state;
    test_each_level(check_row);
}

static void check_columns(const oc_kernels *level) {
    int64_t start[64];
    float weight[64 * MOST_TAPS];
    for (int k = 0; k < SIZES * MOST_TAPS; k++) {
        const int64_t width = sizes[k % SIZES], taps = k / SIZES + 1, in = taps + k % 11, out = sizes[k * 7 % SIZES];
        const oc_resampling axis = axis_make(in, out, taps, start, weight);
        float *src = draw(in * width, (size_t)k % 3, (uint64_t)k);
        float *dst = test_guarded((size_t)(out * width), sizeof *dst, 1);
        level->image->resample_columns(dst, src, width, &axis);
        for (int64_t i = 0; i < out * width; i++)
            assert_true(dst[i] == plain(&axis, i / width, src + i % width, width));
        test_guarded_free(src), test_guarded_free(dst);
    }
}

static void test_columns(void **state) {
    (void)state;
    test_each_level(check_columns);
}

/* ---- Colours ---- */

static float clamped(float x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* Planes of n pixels, some of whose channels are at the ends or alike, and results like them. */
typedef struct picture {
    int64_t n;
    float *planes, *is, *want;
} picture;

static picture picture_make(int64_t n) {
    picture p = {.n = n, .planes = draw(3 * n, 2, 7), .want = test_guarded((size_t)(3 * n), sizeof(float), 0)};
    for (int64_t i = 0; i < 3 * n; i++) {
        p.planes[i] = clamped(1.8F * p.planes[i] - 0.4F);
        if (i >= n && i % 5 == 2) p.planes[i] = p.planes[i % n];
    }
    p.is = test_floats_copy(p.planes, (size_t)(3 * n));
    return p;
}

static void picture_check(picture *p, const char *what) {
    test_same_floats(what, p->is, p->want, (size_t)(3 * p->n));
    test_guarded_free(p->planes), test_guarded_free(p->is), test_guarded_free(p->want);
}

static void check_brightness(const oc_image_kernels *k, int64_t n) {
    picture p = picture_make(n);
    for (int64_t i = 0; i < 3 * n; i++) p.want[i] = clamped(p.planes[i] * 1.4F);
    k->brightness(p.is, n, 1.4F);
    picture_check(&p, "brightness");
}

static void check_saturation(const oc_image_kernels *k, int64_t n) {
    picture p = picture_make(n);
    for (int64_t i = 0; i < 3 * n; i++) {
        const float *of = p.planes + i % n;
        const float grey = 0.2989F * of[0] + 0.587F * of[n] + 0.114F * of[2 * n];
        p.want[i] = clamped(0.6F * p.planes[i] + (1.0F - 0.6F) * grey);
    }
    k->saturation(p.is, n, 0.6F);
    picture_check(&p, "saturation");
}

/* Hue as HSV has it, Python's colorsys: for one pixel, in double precision. */
static void turned(double colour[3], double turn) {
    const double r = colour[0], g = colour[1], b = colour[2], high = fmax(fmax(r, g), b), low = fmin(fmin(r, g), b);
    const double chroma = high - low;
    double h = 0;
    if (chroma > 0)
        h = high == r ? fmod((g - b) / chroma + 6, 6) : high == g ? (b - r) / chroma + 2 : (r - g) / chroma + 4;
    h = fmod(h + 6 * turn + 12, 6);
    static const int offset[] = {5, 3, 1};
    for (int i = 0; i < 3; i++) {
        const double k = fmod(offset[i] + h, 6), share = fmax(0, fmin(fmin(k, 4 - k), 1));
        colour[i] = high - chroma * share;
    }
}

static void check_hue(const oc_image_kernels *k, int64_t n, float turn) {
    picture p = picture_make(n);
    k->hue(p.is, n, turn);
    for (int64_t i = 0; i < n; i++) {
        double colour[] = {p.planes[i], p.planes[n + i], p.planes[2 * n + i]};
        turned(colour, turn);
        for (int c = 0; c < 3; c++) test_near(p.is[c * n + i], colour[c], 1e-5);
    }
    for (int64_t i = 0; i < 3 * n; i++) p.want[i] = p.planes[i];
    oc_kernels_at(OC_CPU_BASELINE, OC_STORAGE_F32)->image->hue(p.want, n, turn);
    picture_check(&p, "hue");
}

static void check_normalise(const oc_image_kernels *k, int64_t n) {
    picture p = picture_make(n);
    for (int64_t i = 0; i < 3 * n; i++) p.want[i] = i < n ? (p.planes[i] - 0.4F) * 3.5F : p.planes[i];
    k->normalise(p.is, n, 0.4F, 3.5F);
    picture_check(&p, "normalise");
}

static void check_colours(const oc_kernels *level) {
    for (int64_t n = 0; n <= 1061; n += n < 70 ? 1 : 991) {
        check_brightness(level->image, n);
        check_saturation(level->image, n);
        check_hue(level->image, n, -0.2F);
        check_hue(level->image, n, 0);
        check_hue(level->image, n, 0.13F);
        check_normalise(level->image, n);
    }
}

static void test_colours(void **state) {
    (void)state;
    test_each_level(check_colours);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unit),
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_colours),
    };
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
