/* Kernels that treat element by element, at every level: the same bits as plain loops, for odd counts and places, in
 * place where that is allowed, and nothing written beside the result. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "kernels/elementwise.h"
#include "kernels/image.h"
#include "kernels/loss.h"
#include "kernels/optimizer.h"
#include "support/levels.h"
#include "support/maps.h"

#define MOST 1061
static const int64_t counts[] = {0, 1, 7, 8, 15, 16, 17, 33, MOST};
#define COUNTS (sizeof counts / sizeof *counts)

/* What every case works on: sources of `n` numbers at a place that no vector begins at, some of them special. */
typedef struct fixture {
    const oc_kernels *kernels;
    int64_t n;
    float *a, *b, *c, *d; /* guarded */
    uint8_t *mask;
    float want[3 * MOST], also[MOST], third[MOST];
} fixture;

static float *draw(size_t count, size_t shift, uint64_t seed, bool special) {
    static const float odd[] = {0.0F, -0.0F, INFINITY, -INFINITY, NAN, 1e-42F, -1e-42F};
    float *x = test_guarded(count, sizeof *x, shift);
    oc_random random;
    oc_random_init(&random, 5, OC_RANDOM_TEST, 31, seed);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)oc_random_normal(&random);
        if (special && i % 11 == 3) x[i] = odd[i / 11 % (sizeof odd / sizeof *odd)];
    }
    return x;
}

static void fixture_fill(fixture *f, size_t count, bool special) {
    f->a = draw(count, 1, 1, special);
    f->b = draw(count, 2, 2, special);
    f->c = draw(count, 3, 3, special);
    f->d = draw(count, 5, 4, special);
    f->mask = test_guarded(count, 1, 3);
    for (size_t i = 0; i < count; i++) f->mask[i] = i % 3 == 1;
}

static void fixture_free(fixture *f) {
    void *all[] = {f->a, f->b, f->c, f->d, f->mask};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) test_guarded_free(all[i]);
}

/* The same bits, but for what a NaN is made of. */
static void same(const fixture *f, const char *what, const float *is, const float *want, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if ((isnan(is[i]) && isnan(want[i])) || memcmp(&is[i], &want[i], sizeof *is) == 0) continue;
        print_message("%s, %s: number %d of %d is %a, not %a\n", f->kernels->name, what, (int)i, (int)n, is[i],
                      want[i]);
        fail();
    }
}

/* Calls `test` for every level and count. */
static void each(void (*test)(fixture *f), int64_t planes, bool special) {
    static fixture f;
    const oc_kernels *list[TEST_LEVELS_MOST];
    const size_t levels = test_levels(list);
    for (size_t level = 0; level < levels; level++)
        for (size_t i = 0; i < COUNTS; i++) {
            f.kernels = list[level];
            f.n = counts[i];
            fixture_fill(&f, (size_t)(planes * counts[i]), special);
            test(&f);
            fixture_free(&f);
        }
}

#define WANT(expression)                                                                                               \
    for (int64_t i = 0; i < f->n; i++) f->want[i] = (expression)

static void sums(fixture *f) {
    const oc_elementwise_kernels *k = f->kernels->elementwise;
    const float *a = f->a, *b = f->b, *c = f->c;
    WANT(a[i] + b[i]);
    k->sum_2(f->d, a, b, f->n);
    same(f, "sum_2", f->d, f->want, f->n);
    WANT(a[i] + b[i] + c[i]);
    k->sum_3(f->d, a, b, c, f->n);
    same(f, "sum_3", f->d, f->want, f->n);
    k->sum_3(f->b, a, b, c, f->n);
    same(f, "sum_3 in place", f->b, f->want, f->n);
}

static void relus(fixture *f) {
    const oc_elementwise_kernels *k = f->kernels->elementwise;
    const float *a = f->a, *b = f->b, *c = f->c;
    WANT(a[i] < 0 ? 0 : a[i]);
    k->relu(f->d, a, f->n);
    same(f, "relu", f->d, f->want, f->n);
    WANT(a[i] > 0 ? b[i] : 0);
    k->relu_backward(f->d, a, b, f->n);
    same(f, "relu_backward", f->d, f->want, f->n);
    uint8_t *mask = test_guarded((size_t)f->n, 1, 1);
    WANT((a[i] + b[i] < 0 ? 0 : a[i] + b[i]) + c[i]);
    k->join(f->d, mask, a, b, c, f->n);
    same(f, "join of three", f->d, f->want, f->n);
    for (int64_t i = 0; i < f->n; i++) assert_int_equal(mask[i] != 0, a[i] + b[i] > 0);
    WANT(a[i] + b[i] < 0 ? 0 : a[i] + b[i]);
    k->join(f->d, NULL, a, b, NULL, f->n);
    same(f, "join of two", f->d, f->want, f->n);
    WANT(mask[i] ? c[i] : 0);
    k->join_backward(f->d, mask, c, f->n);
    same(f, "join_backward", f->d, f->want, f->n);
    test_guarded_free(mask);
    WANT(a[i] < 0 ? 0 : a[i]);
    k->relu(f->a, a, f->n);
    same(f, "relu in place", a, f->want, f->n);
}

static void products(fixture *f) {
    const oc_elementwise_kernels *k = f->kernels->elementwise;
    const float *a = f->a, *b = f->b;
    WANT(a[i] * 1.7F);
    k->scale(f->d, a, 1.7F, f->n);
    same(f, "scale", f->d, f->want, f->n);
    WANT(a[i] * (f->mask[i] ? 1.7F : 0.0F));
    k->scale_kept(f->d, a, f->mask, 1.7F, f->n);
    same(f, "scale_kept", f->d, f->want, f->n);
    WANT((float)(a[i] * (1 / 0.9)));
    k->scale_exact(f->d, a, 1 / 0.9, f->n);
    same(f, "scale_exact", f->d, f->want, f->n);
    WANT(0.3F * a[i] + 0.7F * b[i]);
    k->blend(f->d, 0.3F, a, 0.7F, b, f->n);
    same(f, "blend", f->d, f->want, f->n);
    WANT(f->c[i] + 0.01F * (a[i] - f->c[i]));
    k->average(f->c, a, 0.01F, f->n);
    same(f, "average", f->c, f->want, f->n);
}

static void sigmoids(fixture *f) {
    const oc_elementwise_kernels *k = f->kernels->elementwise;
    const float *a = f->a, *b = f->b;
    WANT((float)(1 / (1 + exp(-(double)a[i]))));
    k->sigmoid(f->d, a, f->n);
    same(f, "sigmoid", f->d, f->want, f->n);
    WANT(b[i] * (a[i] * (1 - a[i])));
    k->sigmoid_backward(f->d, a, b, f->n);
    same(f, "sigmoid_backward", f->d, f->want, f->n);
}

static void squares(fixture *f) {
    double part[8] = {0}, want = 0;
    const int64_t whole = f->n / 8 * 8;
    for (int64_t i = 0; i < whole; i++) part[i % 8] += (double)f->a[i] * (double)f->a[i];
    for (int64_t i = whole; i < f->n; i++) want += (double)f->a[i] * (double)f->a[i];
    for (int i = 0; i < 8; i++) want += part[i];
    assert_true(f->kernels->elementwise->sum_of_squares(f->a, f->n) == want);
}

static void optimizers(fixture *f) {
    const oc_optimizer_kernels *k = f->kernels->optimizer;
    const oc_adamw by = {0.999F, 0.1F, 0.98F, 0.02F, 3e-3F, 1.25F, 1e-8F};
    const float *g = f->d;
    for (int64_t i = 0; i < f->n; i++) {
        f->c[i] = fabsf(f->c[i]); /* a second moment */
        f->also[i] = f->b[i] + 0.1F * (g[i] - f->b[i]);
        f->third[i] = 0.98F * f->c[i] + 0.02F * (g[i] * g[i]);
        f->want[i] = f->a[i] * 0.999F - 3e-3F * (f->also[i] / (sqrtf(f->third[i]) * 1.25F + 1e-8F));
    }
    k->adamw(f->a, g, f->b, f->c, f->n, &by);
    same(f, "adamw's parameters", f->a, f->want, f->n);
    same(f, "adamw's first moments", f->b, f->also, f->n);
    same(f, "adamw's second moments", f->c, f->third, f->n);

    oc_sgd sgd = {.decay = 0.01F, .rate = 0.1F, .momentum = 0.9F};
    WANT(f->a[i] - 0.1F * (g[i] + 0.01F * f->a[i]));
    k->sgd(f->a, g, NULL, f->n, &sgd);
    same(f, "sgd", f->a, f->want, f->n);
    for (int64_t i = 0; i < f->n; i++) {
        f->also[i] = 0.9F * f->b[i] + (g[i] + 0.01F * f->a[i]);
        f->want[i] = f->a[i] - 0.1F * f->also[i];
    }
    k->sgd(f->a, g, f->b, f->n, &sgd);
    same(f, "sgd with momentum", f->a, f->want, f->n);
    same(f, "its buffer", f->b, f->also, f->n);
    sgd.nesterov = true;
    for (int64_t i = 0; i < f->n; i++) {
        const float gradient = g[i] + 0.01F * f->a[i];
        f->also[i] = 0.9F * f->b[i] + gradient;
        f->want[i] = f->a[i] - 0.1F * (gradient + 0.9F * f->also[i]);
    }
    k->sgd(f->a, g, f->b, f->n, &sgd);
    same(f, "sgd by Nesterov's rule", f->a, f->want, f->n);
    same(f, "its buffer", f->b, f->also, f->n);
}

static float clamped(float x) {
    return x < 0 ? 0 : x > 1 ? 1 : x;
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

static void images(fixture *f) {
    const oc_image_kernels *k = f->kernels->image;
    const int64_t n = f->n;
    for (int64_t i = 0; i < 3 * n; i++) f->a[i] = clamped(0.5F + 0.3F * f->a[i]);
    memcpy(f->b, f->a, (size_t)(3 * n) * sizeof(float));
    for (int64_t i = 0; i < 3 * n; i++) f->want[i] = clamped(f->a[i] * 1.4F);
    k->brightness(f->b, n, 1.4F);
    same(f, "brightness", f->b, f->want, 3 * n);

    memcpy(f->b, f->a, (size_t)(3 * n) * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        const float grey = 0.2989F * f->a[i] + 0.587F * f->a[n + i] + 0.114F * f->a[2 * n + i];
        for (int c = 0; c < 3; c++) f->want[c * n + i] = clamped(0.6F * f->a[c * n + i] + (1.0F - 0.6F) * grey);
    }
    k->saturation(f->b, n, 0.6F);
    same(f, "saturation", f->b, f->want, 3 * n);

    static const float turns[] = {-0.2F, 0, 0.13F};
    for (int t = 0; t < 3; t++) {
        memcpy(f->b, f->a, (size_t)(3 * n) * sizeof(float));
        k->hue(f->b, n, turns[t]);
        oc_kernels_at(OC_CPU_BASELINE)->image->hue(memcpy(f->c, f->a, (size_t)(3 * n) * sizeof(float)), n, turns[t]);
        same(f, "hue", f->b, f->c, 3 * n);
        for (int64_t i = 0; i < n; i++) {
            double colour[] = {f->a[i], f->a[n + i], f->a[2 * n + i]};
            turned(colour, turns[t]);
            for (int c = 0; c < 3; c++) test_near(f->b[c * n + i], colour[c], 1e-5);
        }
    }

    for (int64_t i = 0; i < n; i++) f->want[i] = (f->a[i] - 0.4F) * 3.5F;
    k->normalise(f->a, n, 0.4F, 3.5F);
    same(f, "normalise", f->a, f->want, n);
}

static void losses(fixture *f) {
    const oc_loss_kernels *k = f->kernels->loss;
    if (f->n == 0) return;
    double maximum = -INFINITY, sum = 0, exps = 0;
    for (int64_t i = 0; i < f->n; i++) maximum = fmax(maximum, f->a[i]);
    for (int64_t i = 0; i < f->n; i++) sum += f->a[i] - maximum;
    for (int64_t i = 0; i < f->n; i++) exps += exp(f->a[i] - maximum);
    const oc_loss_row row = k->row(f->a, f->n);
    assert_true(row.maximum == maximum && row.sum == sum && row.log_sum == log(exps));
    k->gradient(f->d, f->a, f->n, &row, 0.001, 64);
    WANT((float)((exp(f->a[i] - maximum - log(exps)) - 0.001) / 64));
    same(f, "the loss's gradient", f->d, f->want, f->n);
}

static void test_sums(void **state) {
    (void)state;
    each(sums, 1, true);
}

static void test_relus(void **state) {
    (void)state;
    each(relus, 1, true);
}

static void test_products(void **state) {
    (void)state;
    each(products, 1, true);
    each(squares, 1, false);
}

static void test_sigmoids(void **state) {
    (void)state;
    each(sigmoids, 1, true);
}

static void test_optimizers(void **state) {
    (void)state;
    each(optimizers, 1, false);
}

static void test_images(void **state) {
    (void)state;
    each(images, 3, false);
}

static void test_losses(void **state) {
    (void)state;
    each(losses, 1, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums),       cmocka_unit_test(test_relus),
                                       cmocka_unit_test(test_products),   cmocka_unit_test(test_sigmoids),
                                       cmocka_unit_test(test_optimizers), cmocka_unit_test(test_images),
                                       cmocka_unit_test(test_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
