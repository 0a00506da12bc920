/* The kernels over elements at every level: each result is that of the same operations done one by one, to the bit;
 * counts around the vectors' and the stretches', unaligned arrays, results over sources, NaN, infinities and zeros. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "kernels/elementwise.h"
#include "support/levels.h"
#include "support/maps.h"

#define SOURCES 3
#define MOST 2100 /* elements */
#define FACTOR 1.0001F
#define EXACT_FACTOR (1 / 3.0)
#define RATE 0.3F

/* A sum, difference or product of two floats, rounded once: double precision holds it closely enough to round again. */
static float rounded(double exact) {
    return (float)exact;
}

static float plus(float a, float b) {
    return rounded((double)a + (double)b);
}

static float times(float a, float b) {
    return rounded((double)a * (double)b);
}

static float positive(float x) {
    return x < 0 ? 0 : x;
}

/* What the functions compute for one element, */
typedef struct element {
    float x[SOURCES];
    uint8_t byte;
} element;

static float want_sum_2(const element *e) {
    return plus(e->x[0], e->x[1]);
}

static float want_sum_3(const element *e) {
    return plus(plus(e->x[0], e->x[1]), e->x[2]);
}

static float want_relu(const element *e) {
    return positive(e->x[0]);
}

static float want_relu_backward(const element *e) {
    return e->x[1] > 0 ? e->x[0] : 0;
}

static float want_join(const element *e) {
    return positive(plus(e->x[0], e->x[1]));
}

static float want_join_3(const element *e) {
    return plus(want_join(e), e->x[2]);
}

static float want_join_backward(const element *e) {
    return e->byte ? e->x[0] : 0;
}

static float want_sigmoid(const element *e) {
    return (float)(1 / (1 + exp(-(double)e->x[0])));
}

static float want_sigmoid_backward(const element *e) {
    return times(e->x[0], times(e->x[1], plus(1, -e->x[1])));
}

static float want_scale(const element *e) {
    return times(e->x[0], FACTOR);
}

static float want_scale_kept(const element *e) {
    return times(e->x[0], e->byte ? FACTOR : 0);
}

static float want_scale_exact(const element *e) {
    return rounded((double)e->x[0] * EXACT_FACTOR);
}

static float want_blend(const element *e) {
    return plus(times(FACTOR, e->x[0]), times(RATE, e->x[1]));
}

static float want_average(const element *e) {
    return plus(e->x[0], times(RATE, plus(e->x[1], -e->x[0])));
}

/* and how they are called; bytes are read or written. */
typedef struct call {
    float *dst, *x[SOURCES];
    uint8_t *bytes;
    int64_t n;
} call;

static void run_sum_2(const oc_elementwise_kernels *k, const call *c) {
    k->sum_2(c->dst, c->x[0], c->x[1], c->n);
}

static void run_sum_3(const oc_elementwise_kernels *k, const call *c) {
    k->sum_3(c->dst, c->x[0], c->x[1], c->x[2], c->n);
}

static void run_relu(const oc_elementwise_kernels *k, const call *c) {
    k->relu(c->dst, c->x[0], c->n);
}

static void run_relu_backward(const oc_elementwise_kernels *k, const call *c) {
    k->relu_backward(c->dst, c->x[1], c->x[0], c->n);
}

static void run_join(const oc_elementwise_kernels *k, const call *c) {
    k->join(c->dst, NULL, c->x[0], c->x[1], NULL, c->n);
}

static void run_join_3(const oc_elementwise_kernels *k, const call *c) {
    k->join(c->dst, NULL, c->x[0], c->x[1], c->x[2], c->n);
}

static void run_join_mask(const oc_elementwise_kernels *k, const call *c) {
    k->join(c->dst, c->bytes, c->x[0], c->x[1], NULL, c->n);
}

static void run_join_mask_3(const oc_elementwise_kernels *k, const call *c) {
    k->join(c->dst, c->bytes, c->x[0], c->x[1], c->x[2], c->n);
}

static void run_join_backward(const oc_elementwise_kernels *k, const call *c) {
    k->join_backward(c->dst, c->bytes, c->x[0], c->n);
}

static void run_sigmoid(const oc_elementwise_kernels *k, const call *c) {
    k->sigmoid(c->dst, c->x[0], c->n);
}

static void run_sigmoid_backward(const oc_elementwise_kernels *k, const call *c) {
    k->sigmoid_backward(c->dst, c->x[1], c->x[0], c->n);
}

static void run_scale(const oc_elementwise_kernels *k, const call *c) {
    k->scale(c->dst, c->x[0], FACTOR, c->n);
}

static void run_scale_kept(const oc_elementwise_kernels *k, const call *c) {
    k->scale_kept(c->dst, c->x[0], c->bytes, FACTOR, c->n);
}

static void run_scale_exact(const oc_elementwise_kernels *k, const call *c) {
    k->scale_exact(c->dst, c->x[0], EXACT_FACTOR, c->n);
}

static void run_blend(const oc_elementwise_kernels *k, const call *c) {
    k->blend(c->dst, FACTOR, c->x[0], RATE, c->x[1], c->n);
}

static void run_average(const oc_elementwise_kernels *k, const call *c) {
    k->average(c->dst, c->x[1], RATE, c->n);
}

/* Where the result may lie. */
enum { APART = 1, OVER_0 = 2, OVER_1 = 4, OVER_2 = 8 };

static const struct {
    const char *name;
    void (*run)(const oc_elementwise_kernels *kernels, const call *c);
    float (*want)(const element *e);
    int places;
    bool mask; /* bytes are written: whether x[0] + x[1] > 0 */
} functions[] = {
    {"sum_2", run_sum_2, want_sum_2, APART | OVER_0 | OVER_1, false},
    {"sum_3", run_sum_3, want_sum_3, APART | OVER_0 | OVER_1 | OVER_2, false},
    {"relu", run_relu, want_relu, APART | OVER_0, false},
    {"relu_backward", run_relu_backward, want_relu_backward, APART | OVER_0, false},
    {"join", run_join, want_join, APART | OVER_0 | OVER_1, false},
    {"join_3", run_join_3, want_join_3, APART | OVER_0 | OVER_1 | OVER_2, false},
    {"join_mask", run_join_mask, want_join, APART | OVER_0 | OVER_1, true},
    {"join_mask_3", run_join_mask_3, want_join_3, APART | OVER_0 | OVER_1 | OVER_2, true},
    {"join_backward", run_join_backward, want_join_backward, APART | OVER_0, false},
    {"sigmoid", run_sigmoid, want_sigmoid, APART | OVER_0, false},
    {"sigmoid_backward", run_sigmoid_backward, want_sigmoid_backward, APART | OVER_0, false},
    {"scale", run_scale, want_scale, APART | OVER_0, false},
    {"scale_kept", run_scale_kept, want_scale_kept, APART | OVER_0, false},
    {"scale_exact", run_scale_exact, want_scale_exact, APART | OVER_0, false},
    {"blend", run_blend, want_blend, APART | OVER_0 | OVER_1, false},
    {"average", run_average, want_average, OVER_0, false},
};
#define FUNCTIONS (sizeof functions / sizeof *functions)

/* Normal numbers, between them in turn those that are something else; the sources' do not fall together always. */
static void fill(float *x, int64_t n, int source) {
    static const float odd[] = {0.F, -0.F, NAN, INFINITY, -INFINITY, 1e-40F, -1e-40F, 3.4e38F, -3.4e38F, 1, -1};
    static const int64_t apart[SOURCES] = {3, 2, 5};
    oc_random random;
    oc_random_init(&random, TEST_SEED, OC_RANDOM_TEST, 1, (uint64_t)source);
    for (int64_t i = 0; i < n; i++)
        x[i] = i % apart[source] == 1 ? odd[(size_t)(i / apart[source]) % (sizeof odd / sizeof *odd)]
                                      : (float)(2 * oc_random_normal(&random));
}

/* One function over n elements whose result lies in one place. */
static void check_function(const oc_kernels *level, size_t f, int64_t n, int place) {
    const size_t count = (size_t)n;
    float *want = test_guarded(count, sizeof *want, 0), *apart = test_guarded(count, sizeof *apart, count % 3);
    uint8_t *want_bytes = test_guarded(count, 1, 0);
    call c = {.bytes = test_guarded(count, 1, count % 5), .n = n}, sources = c;
    for (int k = 0; k < SOURCES; k++) {
        c.x[k] = test_guarded(count, sizeof(float), (count + (size_t)k) % 4);
        sources.x[k] = test_guarded(count, sizeof(float), 0);
        fill(c.x[k], n, k);
        memcpy(sources.x[k], c.x[k], count * sizeof(float));
    }
    for (int64_t i = 0; i < n; i++) {
        const element e = {{c.x[0][i], c.x[1][i], c.x[2][i]}, (uint8_t)(i % 3 == 0 ? 0 : i % 5 == 0 ? 255 : 1)};
        want[i] = functions[f].want(&e);
        c.bytes[i] = e.byte;
        want_bytes[i] = functions[f].mask ? plus(e.x[0], e.x[1]) > 0 : e.byte;
    }
    c.dst = place == APART ? apart : place == OVER_0 ? c.x[0] : place == OVER_1 ? c.x[1] : c.x[2];
    functions[f].run(level->elementwise, &c);
    test_same_floats(functions[f].name, c.dst, want, count);
    assert_memory_equal(c.bytes, want_bytes, count);
    for (int k = 0; k < SOURCES; k++) {
        if (c.x[k] != c.dst) assert_memory_equal(c.x[k], sources.x[k], count * sizeof(float));
        test_guarded_free(c.x[k]), test_guarded_free(sources.x[k]);
    }
    test_guarded_free(want), test_guarded_free(apart), test_guarded_free(want_bytes), test_guarded_free(c.bytes);
}

static void check_functions(const oc_kernels *level) {
    static const int64_t stretches[] = {127, 1023, 1024, 1025, 2048, MOST};
    for (size_t f = 0; f < FUNCTIONS; f++)
        for (int place = APART; place <= OVER_2; place *= 2) {
            if (!(functions[f].places & place)) continue;
            for (int64_t n = 0; n <= 70; n++) check_function(level, f, n, place);
            for (size_t i = 0; i < sizeof stretches / sizeof *stretches; i++)
                check_function(level, f, stretches[i], place);
        }
}

static void test_functions(void **state) {
    (void)state;
    test_each_level(check_functions);
}

/* The order of the sum is part of the contract. */
static void check_sum_of_squares(const oc_kernels *level) {
    float *x = test_floats(MOST, 0, 1);
    for (int64_t n = 0; n <= MOST; n += n < 70 ? 1 : 29) {
        double sums[8] = {0}, want = 0, plain = 0;
        for (int64_t i = 0; i < n; i++) {
            const double square = (double)x[i] * (double)x[i];
            *(i < n / 8 * 8 ? &sums[i % 8] : &want) += square;
            plain += square;
        }
        for (int k = 0; k < 8; k++) want += sums[k];
        const double is = level->elementwise->sum_of_squares(x, n);
        assert_true(is == want);
        test_near(is, plain, 1e-14 * plain);
    }
    x[1000] = 1e30F; /* its square is no float */
    test_near(level->elementwise->sum_of_squares(x, 1001), 1e60, 1e54);
    x[1000] = INFINITY;
    test_near(level->elementwise->sum_of_squares(x, 1001), INFINITY, 0);
    x[3] = NAN;
    test_near(level->elementwise->sum_of_squares(x, 1001), NAN, 0);
    test_guarded_free(x);
}

static void test_sum_of_squares(void **state) {
    (void)state;
    test_each_level(check_sum_of_squares);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_sum_of_squares),
    };
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
