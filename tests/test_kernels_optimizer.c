/* Optimizers' steps at every level: the same bits as those of plain loops, for odd counts and places, and nothing
 * written beside the result. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernels/optimizer.h"
#include "support/levels.h"
#include "support/maps.h"

/* What a step works on, and what it is to leave there. */
typedef struct arrays {
    size_t n;
    float *p, *g, *first, *second; /* guarded, as are the others */
    float *want_p, *same_g, *want_first, *want_second;
} arrays;

static arrays arrays_make(size_t n) {
    arrays a = {.n = n,
                .p = test_floats(n, 0, 1),
                .g = test_floats(n, 0, 2),
                .first = test_floats(n, 0, 3),
                .second = test_floats(n, 0, 4)};
    for (size_t i = 0; i < n; i++) {
        a.second[i] = fabsf(a.second[i]);
        if (i % 7 == 3) a.g[i] = a.first[i] = a.second[i] = 0; /* as a weight that nothing has moved yet */
    }
    a.want_p = test_floats_copy(a.p, n);
    a.same_g = test_floats_copy(a.g, n);
    a.want_first = test_floats_copy(a.first, n);
    a.want_second = test_floats_copy(a.second, n);
    return a;
}

static void arrays_check(arrays *a, const char *what) {
    test_same_floats(what, a->p, a->want_p, a->n);
    test_same_floats("gradients", a->g, a->same_g, a->n);
    test_same_floats("first moments", a->first, a->want_first, a->n);
    test_same_floats("second moments", a->second, a->want_second, a->n);
    float *all[] = {a->p, a->g, a->first, a->second, a->want_p, a->same_g, a->want_first, a->want_second};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) test_guarded_free(all[i]);
}

static void check_adamw(const oc_optimizer_kernels *k, size_t n) {
    const oc_adamw by = {.decay = 0.999F,
                         .beta1_rest = 0.1F,
                         .beta2 = 0.98F,
                         .beta2_rest = 0.02F,
                         .rate = 3e-3F,
                         .root_scale = 1.25F,
                         .eps = 1e-8F};
    arrays a = arrays_make(n);
    for (size_t i = 0; i < n; i++) {
        a.want_first[i] = a.first[i] + 0.1F * (a.g[i] - a.first[i]);
        a.want_second[i] = 0.98F * a.second[i] + 0.02F * (a.g[i] * a.g[i]);
        a.want_p[i] = a.p[i] * 0.999F - 3e-3F * (a.want_first[i] / (sqrtf(a.want_second[i]) * 1.25F + 1e-8F));
    }
    k->adamw(a.p, a.g, a.first, a.second, (int64_t)n, &by);
    arrays_check(&a, "adamw");
}

static void check_sgd(const oc_optimizer_kernels *k, size_t n, bool momentum, bool nesterov) {
    const oc_sgd by = {.decay = 0.01F, .rate = 0.1F, .momentum = 0.9F, .nesterov = nesterov};
    arrays a = arrays_make(n);
    for (size_t i = 0; i < n; i++) {
        const float d = a.g[i] + 0.01F * a.p[i], b = 0.9F * a.first[i] + d;
        if (momentum) a.want_first[i] = b;
        a.want_p[i] = a.p[i] - 0.1F * (!momentum ? d : nesterov ? d + 0.9F * b : b);
    }
    k->sgd(a.p, a.g, momentum ? a.first : NULL, (int64_t)n, &by);
    arrays_check(&a, !momentum ? "sgd" : nesterov ? "sgd by Nesterov's rule" : "sgd with momentum");
}

static void check_steps(const oc_kernels *level) {
    for (size_t n = 0; n <= 1061; n += n < 70 ? 1 : 991) {
        check_adamw(level->optimizer, n);
        check_sgd(level->optimizer, n, false, false);
        check_sgd(level->optimizer, n, true, false);
        check_sgd(level->optimizer, n, true, true);
    }
}

static void test_steps(void **state) {
    (void)state;
    test_each_level(check_steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps)};
    printf("seed %u\n", TEST_SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
