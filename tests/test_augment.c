/* Augmentation: against torchvision's numbers, against plain formulas, and the distributions of what is drawn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "data/augment.h"
#include "support/formula.h"

#define SEED 20241
#define DRAWS 20000

static const float zero[3] = {0.0f, 0.0f, 0.0f}, one[3] = {1.0f, 1.0f, 1.0f};

static int operation_find(const char *name) {
    for (int i = 0; i < OC_COLOUR_OPERATIONS; i++)
        if (strcmp(oc_colour_operations[i].name, name) == 0) return i;
    fail_msg("no operation '%s'", name);
    return -1;
}

/* ---- Against torchvision ---------------------------------------------------------------------------------------- */

#define SIDE 64

static void formula_image(uint8_t *pixels) {
    static const double along_x[3] = {1, 2, 3}, along_y[3] = {2, 1, 3};
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++)
            for (int c = 0; c < 3; c++) {
                int i = (row * SIDE + column) * 3 + c;
                double x = column / 63.0, y = row / 63.0;
                double value = 0.5 + 0.35 * sin(3.0 * x * along_x[c] + 2.0 * y * along_y[c]) +
                               0.3 * (formula_uniform("image", (uint64_t)i) - 0.5);
                pixels[i] = (uint8_t)floor(255.0 * fmin(fmax(value, 0.0), 1.0));
            }
}

static int32_t integer(const json_t *object, const char *key) {
    return (int32_t)json_integer_value(json_object_get(object, key));
}

static void check_case(const json_t *test, const uint8_t *pixels, int number) {
    oc_image image = {.pixels = pixels, .width = SIDE, .height = SIDE};
    oc_augmentation augmentation = {.top = integer(test, "top"),
                                    .left = integer(test, "left"),
                                    .height = integer(test, "height"),
                                    .width = integer(test, "width"),
                                    .flip = json_is_true(json_object_get(test, "flip"))};
    const json_t *jitter = json_object_get(test, "jitter"), *output = json_object_get(test, "output");
    const json_t *mean = json_object_get(output, "mean"), *points = json_object_get(output, "points");
    int64_t size = integer(test, "size");
    assert_true(size >= 32);
    augmentation.jitters = (int)json_array_size(jitter);
    for (int i = 0; i < augmentation.jitters; i++) {
        const json_t *step = json_array_get(jitter, (size_t)i);
        augmentation.jitter[i].operation = operation_find(json_string_value(json_object_get(step, "op")));
        augmentation.jitter[i].factor = (float)json_number_value(json_object_get(step, "factor"));
    }
    oc_resizer *resizer = NULL;
    assert_int_equal(oc_resizer_create(&resizer, SIDE, SIDE, size, size, NULL), OC_OK);
    float *dst = malloc((size_t)(3 * size * size) * sizeof *dst);
    assert_non_null(dst);
    oc_augmentation_apply(&augmentation, &image, size, zero, one, dst, resizer);
    assert_int_equal(json_array_size(mean), 3);
    for (int c = 0; c < 3; c++) {
        double sum = 0.0, want = json_number_value(json_array_get(mean, (size_t)c));
        for (int64_t i = 0; i < size * size; i++) sum += dst[c * size * size + i];
        double got = sum / (double)(size * size);
        if (!(fabs(got - want) < 1e-4)) fail_msg("case %d, mean of channel %d: %.9f, want %.9f", number, c, got, want);
    }
    assert_true(json_array_size(points) >= 4);
    for (size_t p = 0; p < json_array_size(points); p++) {
        const json_t *point = json_array_get(points, p), *rgb = json_object_get(point, "rgb");
        int64_t x = integer(point, "x"), y = integer(point, "y");
        assert_int_equal(json_array_size(rgb), 3);
        for (int c = 0; c < 3; c++) {
            double got = dst[(c * size + y) * size + x], want = json_number_value(json_array_get(rgb, (size_t)c));
            if (!(fabs(got - want) < 1e-4))
                fail_msg("case %d, channel %d at y %lld, x %lld: %.9f, want %.9f", number, c, (long long)y,
                         (long long)x, got, want);
        }
    }
    free(dst);
    oc_resizer_destroy(&resizer);
}

static void test_torchvision(void **state) {
    (void)state;
    json_t *json = NULL;
    oc_error err = {0};
    if (oc_json_read(&json, OC_TEST_DATA "/augment.json", &err) != OC_OK) fail_msg("%s", err.message);
    static uint8_t pixels[SIDE * SIDE * 3];
    formula_image(pixels);
    const json_t *first = json_object_get(json, "first_pixels"), *cases = json_object_get(json, "cases");
    assert_true(json_array_size(first) >= 12);
    for (size_t i = 0; i < json_array_size(first); i++)
        assert_int_equal(pixels[i], json_integer_value(json_array_get(first, i)));
    assert_true(json_array_size(cases) >= 12);
    for (size_t i = 0; i < json_array_size(cases); i++) check_case(json_array_get(cases, i), pixels, (int)i);
    json_decref(json);
}

/* ---- Against plain formulas ------------------------------------------------------------------------------------- */

/* Hue by way of HSV, as textbooks have it. */
static void hue_plain(const float *src, double factor, double *dst) {
    double r = src[0], g = src[1], b = src[2];
    double high = fmax(r, fmax(g, b)), low = fmin(r, fmin(g, b)), chroma = high - low, h = 0.0;
    if (chroma > 0.0) {
        if (high == r)
            h = (g - b) / chroma;
        else if (high == g)
            h = 2.0 + (b - r) / chroma;
        else
            h = 4.0 + (r - g) / chroma;
    }
    h = h / 6.0 + factor;
    h = 6.0 * (h - floor(h));
    double f = h - floor(h), p = low, q = high - chroma * f, t = high - chroma * (1.0 - f);
    const double table[6][3] = {{high, t, p}, {q, high, p}, {p, high, t}, {p, q, high}, {t, p, high}, {high, p, q}};
    for (int c = 0; c < 3; c++) dst[c] = table[(int)h % 6][c];
}

static void test_hue(void **state) {
    (void)state;
    enum { COUNT = 5003 };
    static float planes[3 * COUNT], before[3 * COUNT];
    print_message("seed %d\n", SEED);
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 0, 0);
    int hue = operation_find("hue");
    for (int round = 0; round < 20; round++) {
        double factor = round == 0 ? 0.0 : oc_random_range(&random, -0.5, 0.5);
        for (int i = 0; i < COUNT; i++) {
            /* Coarse levels too: equal channels, grey, black and white, pure colours. */
            double levels = i % 3 == 0 ? 2.0 : i % 3 == 1 ? 5.0 : 255.0;
            for (int c = 0; c < 3; c++)
                planes[c * COUNT + i] = (float)(floor(oc_random_uniform(&random) * levels + 0.5) / levels);
        }
        memcpy(before, planes, sizeof planes);
        oc_colour_operations[hue].apply(oc_kernels_now()->image, planes, COUNT, (float)factor);
        for (int i = 0; i < COUNT; i++) {
            float src[3] = {before[i], before[COUNT + i], before[2 * COUNT + i]};
            double want[3];
            hue_plain(src, (float)factor, want);
            for (int c = 0; c < 3; c++) {
                float got = planes[c * COUNT + i];
                assert_true(got >= 0.0f && got <= 1.0f);
                if (!(fabs(got - want[c]) < 1e-5))
                    fail_msg("factor %g, (%g %g %g), channel %d: %g, want %g", factor, (double)src[0], (double)src[1],
                             (double)src[2], c, (double)got, want[c]);
            }
        }
    }
}

static void test_clamped(void **state) {
    (void)state;
    float planes[3] = {0.9f, 0.5f, 0.1f};
    oc_colour_operations[operation_find("brightness")].apply(oc_kernels_now()->image, planes, 1, 1.4f);
    assert_true(planes[0] == 1.0f && planes[1] == 0.5f * 1.4f && planes[2] == 0.1f * 1.4f);
    float pure[3] = {1.0f, 0.0f, 0.0f};
    oc_colour_operations[operation_find("saturation")].apply(oc_kernels_now()->image, pure, 1, 1.4f);
    assert_true(pure[0] == 1.0f && pure[1] == 0.0f && pure[2] == 0.0f);
    float half[3] = {1.0f, 0.0f, 0.0f};
    oc_colour_operations[operation_find("saturation")].apply(oc_kernels_now()->image, half, 1, 0.5f);
    assert_true(fabs(half[0] - (0.5 + 0.5 * 0.2989)) < 1e-6 && fabs(half[1] - 0.5 * 0.2989) < 1e-6);
}

static void test_flip_and_normalise(void **state) {
    (void)state;
    enum { S = 33 };
    static uint8_t pixels[SIDE * SIDE * 3];
    static float plain[3 * S * S], flipped[3 * S * S];
    formula_image(pixels);
    oc_image image = {.pixels = pixels, .width = SIDE, .height = SIDE};
    oc_augmentation augmentation = {.top = 3, .left = 7, .height = 41, .width = 50};
    const float mean[3] = {0.1f, 0.2f, 0.3f}, std[3] = {0.5f, 0.25f, 2.0f};
    oc_resizer *resizer = NULL;
    assert_int_equal(oc_resizer_create(&resizer, SIDE, SIDE, S, S, NULL), OC_OK);
    oc_augmentation_apply(&augmentation, &image, S, zero, one, plain, resizer);
    augmentation.flip = true;
    oc_augmentation_apply(&augmentation, &image, S, mean, std, flipped, resizer);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < S; y++)
            for (int x = 0; x < S; x++) {
                float want = (plain[(c * S + y) * S + S - 1 - x] - mean[c]) / std[c];
                assert_true(fabsf(flipped[(c * S + y) * S + x] - want) < 1e-6f);
            }
    oc_resizer_destroy(&resizer);
}

/* ---- What is drawn ---------------------------------------------------------------------------------------------- */

static oc_augmentation draw(uint64_t sample, int32_t height, int32_t width) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_AUGMENT, 3, sample);
    return oc_augmentation_draw(&random, height, width);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Largest distance between the sample's distribution and `cdf`; sorts the sample. */
static double kolmogorov_smirnov(double *sample, int count, double (*cdf)(double)) {
    double largest = 0.0;
    qsort(sample, (size_t)count, sizeof *sample, ascending);
    for (int i = 0; i < count; i++) {
        double f = cdf(sample[i]);
        largest = fmax(largest, fmax(fabs(f - (double)i / count), fabs(f - (i + 1.0) / count)));
    }
    return largest;
}

/* The distance that a right sample exceeds once in a thousand times. */
static double critical(int count) {
    return 1.95 / sqrt(count);
}

static double uniform_cdf(double x) {
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* The area of boxes that fit into a square, U(0.3, 1) thinned by the share of aspects that fit: box of area t does
 * where |log aspect| <= −log t, so all up to 3/4 do, and −log t / log(4/3) of them beyond. */
static double area_integral(double x) {
    if (x <= 0.75) return x - 0.3;
    return 0.45 + ((x - x * log(x)) - (0.75 - 0.75 * log(0.75))) / log(4.0 / 3.0);
}

static double area_cdf(double x) {
    return area_integral(x) / area_integral(1.0);
}

static void test_crop(void **state) {
    (void)state;
    static double area[DRAWS], top[DRAWS], left[DRAWS];
    const int32_t side = 2048; /* large, so that rounding to pixels does not matter */
    double log_sum = 0.0;
    print_message("seed %d\n", SEED);
    for (int i = 0; i < DRAWS; i++) {
        oc_augmentation a = draw((uint64_t)i, side, side);
        assert_true(a.top >= 0 && a.left >= 0 && a.height >= 1 && a.width >= 1);
        assert_true(a.top + a.height <= side && a.left + a.width <= side);
        double aspect = (double)a.width / a.height;
        assert_true(aspect > 0.749 && aspect < 1.335);
        log_sum += log(aspect);
        area[i] = (double)a.height * a.width / ((double)side * side);
        assert_true(area[i] > 0.299 && area[i] <= 1.0);
        top[i] = (a.top + 0.5) / (side - a.height + 1);
        left[i] = (a.left + 0.5) / (side - a.width + 1);
    }
    assert_true(fabs(log_sum / DRAWS) < 0.005);
    assert_true(kolmogorov_smirnov(area, DRAWS, area_cdf) < critical(DRAWS));
    assert_true(kolmogorov_smirnov(top, DRAWS, uniform_cdf) < critical(DRAWS));
    assert_true(kolmogorov_smirnov(left, DRAWS, uniform_cdf) < critical(DRAWS));
}

static void test_crop_fallback(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 50; i++) {
        oc_augmentation a = draw(i, 1000, 10);
        assert_int_equal(a.width, 10);
        assert_int_equal(a.height, 13);
        assert_int_equal(a.left, 0);
        assert_int_equal(a.top, 493);
        a = draw(i, 10, 1000);
        assert_int_equal(a.width, 13);
        assert_int_equal(a.height, 10);
        assert_int_equal(a.left, 493);
        assert_int_equal(a.top, 0);
        a = draw(i, 1, 1);
        assert_true(a.top == 0 && a.left == 0 && a.height == 1 && a.width == 1);
    }
}

static void test_flip_and_jitter_drawn(void **state) {
    (void)state;
    static double factor[OC_COLOUR_OPERATIONS][DRAWS];
    static const double low[OC_COLOUR_OPERATIONS] = {0.6, 0.6, -0.2}, high[OC_COLOUR_OPERATIONS] = {1.4, 1.4, 0.2};
    int flips = 0, jittered = 0, order[27] = {0}, orders = 0;
    print_message("seed %d\n", SEED);
    for (int i = 0; i < DRAWS; i++) {
        oc_augmentation a = draw((uint64_t)i, 64, 64);
        flips += a.flip;
        if (a.jitters == 0) continue;
        assert_int_equal(a.jitters, OC_COLOUR_OPERATIONS);
        int seen = 0, code = 0;
        for (int k = 0; k < OC_COLOUR_OPERATIONS; k++) {
            int operation = a.jitter[k].operation;
            assert_in_range(operation, 0, OC_COLOUR_OPERATIONS - 1);
            seen |= 1 << operation;
            code = 3 * code + operation;
            factor[operation][jittered] = (a.jitter[k].factor - low[operation]) / (high[operation] - low[operation]);
        }
        assert_int_equal(seen, 7);
        order[code]++;
        jittered++;
    }
    /* Four standard deviations. */
    assert_true(fabs(flips - 0.5 * DRAWS) < 4.0 * sqrt(0.25 * DRAWS));
    assert_true(fabs(jittered - 0.8 * DRAWS) < 4.0 * sqrt(0.16 * DRAWS));
    for (int i = 0; i < 27; i++) {
        if (order[i] == 0) continue;
        orders++;
        assert_true(fabs(order[i] - jittered / 6.0) < 4.0 * sqrt(jittered * 5.0 / 36.0));
    }
    assert_int_equal(orders, 6);
    for (int k = 0; k < OC_COLOUR_OPERATIONS; k++)
        assert_true(kolmogorov_smirnov(factor[k], jittered, uniform_cdf) < critical(jittered));
}

static void test_central(void **state) {
    (void)state;
    static const int32_t cases[][7] = {
        /* height, width, size, top, left, height, width of the box */
        {64, 64, 64, 0, 0, 64, 64},   {80, 80, 64, 8, 8, 64, 64},       {80, 120, 64, 8, 28, 64, 64},
        {120, 81, 64, 27, 8, 65, 65}, {48, 64, 64, 0, 8, 48, 48},       {65, 65, 64, 0, 0, 64, 64},
        {1, 1, 32, 0, 0, 1, 1},       {200, 300, 64, 20, 70, 160, 160},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int32_t *c = cases[i];
        oc_augmentation a = oc_augmentation_plain(c[0], c[1], c[2], OC_FIT_CROP);
        assert_int_equal(a.top, c[3]);
        assert_int_equal(a.left, c[4]);
        assert_int_equal(a.height, c[5]);
        assert_int_equal(a.width, c[6]);
        assert_false(a.flip);
        assert_int_equal(a.jitters, 0);
        a = oc_augmentation_plain(c[0], c[1], c[2], i % 2 ? OC_FIT_SQUASH : OC_FIT_LETTERBOX);
        assert_true(a.top == 0 && a.left == 0 && a.height == c[0] && a.width == c[1] && !a.flip && a.jitters == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_torchvision),
        cmocka_unit_test(test_hue),
        cmocka_unit_test(test_clamped),
        cmocka_unit_test(test_flip_and_normalise),
        cmocka_unit_test(test_crop),
        cmocka_unit_test(test_crop_fallback),
        cmocka_unit_test(test_flip_and_jitter_drawn),
        cmocka_unit_test(test_central),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
