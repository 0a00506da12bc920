/* Every operator against plain loops in double precision, whose own backward is proven by finite differences: random
 * shapes, odd numbers of channels, batches of 1 to 5, forward in both modes, every parameter's gradient, and the
 * gradient with respect to the operator's source by a probe before it (support/net.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/net.h"

#define SEED 20240611U

static oc_random shapes_of(int test) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 1, (uint64_t)test);
    return random;
}

/* Convolutions, with a probe before them or directly on the input. */
static void conv_case(uint64_t seed, int64_t batch, int64_t ic, int64_t oc, int64_t h, int64_t w, int64_t kernel,
                      int64_t stride, int64_t pad, int64_t dilation, int64_t groups, bool bias, bool probed,
                      net_errors *errors) {
    char what[160];
    net n;
    int x = 0;
    snprintf(what, sizeof what, "conv N%d %dx%dx%d to %d k%d s%d p%d d%d g%d%s%s", (int)batch, (int)ic, (int)h, (int)w,
             (int)oc, (int)kernel, (int)stride, (int)pad, (int)dilation, (int)groups, bias ? " bias" : "",
             probed ? " probed" : "");
    if (probed)
        net_create_probed(&n, &x, seed, batch, ic, h, w);
    else
        net_create(&n, seed, batch, ic, h, w);
    x = net_conv(&n, "conv", x, oc, kernel, stride, pad, dilation, groups, bias);
    net_flatten(&n, x);
    net_check(&n, what, errors);
}

static void test_conv(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(1);
    int cases = 0;
    static const struct {
        int64_t batch, ic, oc, h, w, kernel, stride, pad, dilation, groups;
        bool bias;
    } fixed[] = {
        {1, 3, 5, 7, 9, 3, 1, 1, 1, 1, true},   {2, 17, 3, 6, 6, 3, 2, 1, 1, 1, false},
        {5, 5, 17, 5, 4, 1, 1, 0, 1, 1, true},  {3, 16, 32, 8, 8, 3, 1, 1, 1, 1, true},
        {2, 8, 16, 7, 7, 1, 2, 0, 1, 1, false}, {4, 3, 8, 9, 9, 7, 2, 3, 1, 1, false},
        {1, 1, 1, 3, 3, 3, 1, 0, 1, 1, true},   {2, 12, 8, 6, 6, 3, 1, 1, 1, 4, false},
        {2, 16, 16, 6, 5, 3, 1, 2, 2, 2, true}, {3, 3, 64, 6, 6, 3, 1, 1, 1, 1, true},
        {2, 6, 6, 5, 5, 3, 1, 1, 1, 6, true},   {1, 17, 5, 4, 4, 2, 2, 0, 1, 1, true},
        {2, 19, 21, 9, 8, 3, 1, 1, 1, 1, true}, {3, 24, 16, 6, 10, 3, 1, 1, 1, 1, false},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        for (int probed = 0; probed < 2; probed++, cases++)
            conv_case(SEED + i, fixed[i].batch, fixed[i].ic, fixed[i].oc, fixed[i].h, fixed[i].w, fixed[i].kernel,
                      fixed[i].stride, fixed[i].pad, fixed[i].dilation, fixed[i].groups, fixed[i].bias, probed,
                      &errors);
    for (int i = 0; i < 16; i++, cases++) {
        const int64_t kernel = NET_PICK(&random, 1, 3), batch = net_pick(&random, 1, 5),
                      ic = NET_PICK(&random, 1, 3, 5, 8, 16, 17);
        const int64_t oc = NET_PICK(&random, 1, 3, 5, 8, 17, 32), h = net_pick(&random, 4, 7),
                      w = net_pick(&random, 4, 7);
        const int64_t stride = net_pick(&random, 1, 2), pad = net_pick(&random, 0, kernel / 2);
        conv_case(SEED + 100 + (uint64_t)i, batch, ic, oc, h, w, kernel, stride, pad, 1, 1,
                  net_pick(&random, 0, 1) != 0, net_pick(&random, 0, 3) != 0, &errors);
    }
    net_report("conv", cases, SEED, &errors);
}

static void test_batch_norm(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(2);
    int cases = 0;
    for (; cases < 14; cases++) {
        const int64_t batch = cases % 5 + 1, c = NET_PICK(&random, 1, 3, 5, 8, 16, 17, 32);
        const int64_t h = net_pick(&random, 2, 6), w = net_pick(&random, 2, 6);
        char what[96];
        net n;
        int x;
        snprintf(what, sizeof what, "batch_norm N%d %dx%dx%d", (int)batch, (int)c, (int)h, (int)w);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        x = net_batch_norm(&n, "norm", x);
        if (cases % 2) x = net_relu(&n, x); /* a pair that may be computed in one */
        net_flatten(&n, x);
        net_check(&n, what, &errors);
    }
    net_report("batch_norm", cases, SEED, &errors);
}

static void test_relu(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(3);
    int cases = 0;
    for (; cases < 8; cases++) {
        const int64_t batch = cases % 5 + 1, c = NET_PICK(&random, 1, 3, 5, 16, 17);
        const int64_t h = net_pick(&random, 1, 7), w = net_pick(&random, 1, 7);
        char what[96];
        net n;
        int x;
        snprintf(what, sizeof what, "relu N%d %dx%dx%d", (int)batch, (int)c, (int)h, (int)w);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        /* Zeros among the sources: the gradient there is 0, as PyTorch has it. */
        n.tied = cases % 2;
        n.smooth = !n.tied;
        net_flatten(&n, net_relu(&n, x));
        net_check(&n, what, &errors);
    }
    net_report("relu", cases, SEED, &errors);
}

/* Values that several consumers use, and the same value twice in one. */
static void test_add(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(4);
    int cases = 0;
    for (; cases < 20; cases++) {
        const int64_t batch = cases % 5 + 1, c = NET_PICK(&random, 1, 3, 5, 16, 17);
        const int64_t h = net_pick(&random, 2, 6), w = net_pick(&random, 2, 6);
        const int form = cases / 5;
        static const char *const forms[] = {"a + a", "a + f(a)", "a into three", "residual, and once more"};
        char what[96];
        net n;
        int x, y;
        snprintf(what, sizeof what, "add (%s) N%d %dx%dx%d", forms[form], (int)batch, (int)c, (int)h, (int)w);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        switch (form) {
        case 0:
            x = net_add(&n, x, x);
            break;
        case 1:
            x = net_add(&n, x, net_relu(&n, x));
            break;
        case 2:
            y = net_conv(&n, "conv", x, c, 3, 1, 1, 1, 1, true);
            y = net_add(&n, net_relu(&n, x), y);
            x = net_add(&n, y, net_add(&n, x, y));
            break;
        default:
            y = net_batch_norm(&n, "norm", net_conv(&n, "conv", x, c, 3, 1, 1, 1, 1, false));
            x = net_add(&n, net_relu(&n, net_add(&n, x, y)), x);
            break;
        }
        net_flatten(&n, x);
        net_check(&n, what, &errors);
    }
    net_report("add", cases, SEED, &errors);
}

static void test_max_pool(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(5);
    int cases = 0;
    for (; cases < 24; cases++) {
        const int64_t batch = cases % 5 + 1, c = NET_PICK(&random, 1, 3, 5, 16, 17);
        const int64_t kernel = NET_PICK(&random, 2, 3), stride = net_pick(&random, 1, 2),
                      pad = net_pick(&random, 0, kernel / 2);
        const int64_t h = net_pick(&random, 3, 7), w = net_pick(&random, 3, 7);
        char what[96];
        net n;
        int x;
        /* Tied windows: the first of the largest takes the gradient, as PyTorch has it. */
        const bool tied = cases % 3 == 2;
        snprintf(what, sizeof what, "max_pool N%d %dx%dx%d k%d s%d p%d%s", (int)batch, (int)c, (int)h, (int)w,
                 (int)kernel, (int)stride, (int)pad, tied ? " tied" : "");
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        n.tied = tied;
        n.smooth = !tied;
        net_flatten(&n, net_max_pool(&n, x, kernel, stride, pad));
        net_check(&n, what, &errors);
    }
    net_report("max_pool", cases, SEED, &errors);
}

static void test_flatten_linear(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(6);
    int cases = 0;
    for (; cases < 12; cases++) {
        const int64_t batch = cases % 5 + 1, c = NET_PICK(&random, 1, 3, 5, 16, 17, 32),
                      out = NET_PICK(&random, 1, 3, 10, 17, 64);
        const int64_t h = net_pick(&random, 1, 5), w = net_pick(&random, 1, 5);
        char what[96];
        net n;
        int x;
        snprintf(what, sizeof what, "flatten and linear N%d %dx%dx%d to %d", (int)batch, (int)c, (int)h, (int)w,
                 (int)out);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        x = net_linear(&n, "linear", net_flatten(&n, x), out);
        if (cases % 3 == 2) net_linear(&n, "second", net_relu(&n, x), 7);
        net_check(&n, what, &errors);
    }
    net_report("linear", cases, SEED, &errors);
}

/* All operators in one net of the models' own kind, where layouts change between them. */
static void test_together(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    for (; cases < 5; cases++) {
        net n;
        char what[64];
        int x, y;
        snprintf(what, sizeof what, "together N%d", cases + 1);
        net_create(&n, SEED + (uint64_t)cases, cases + 1, 3, 12, 12);
        x = net_relu(&n, net_batch_norm(&n, "norm1", net_conv(&n, "conv1", 0, 16, 3, 1, 1, 1, 1, false)));
        x = net_max_pool(&n, x, 3, 2, 1);
        y = net_relu(&n, net_batch_norm(&n, "norm2", net_conv(&n, "conv2", x, 16, 3, 1, 1, 1, 1, false)));
        y = net_batch_norm(&n, "norm3", net_conv(&n, "conv3", y, 16, 3, 1, 1, 1, 1, false));
        x = net_add(&n, net_relu(&n, net_add(&n, x, y)), x);
        y = net_conv(&n, "conv4", x, 24, 3, 2, 1, 1, 1, true);
        x = net_conv(&n, "shortcut", x, 24, 1, 2, 0, 1, 1, false);
        x = net_max_pool(&n, net_relu(&n, net_add(&n, y, x)), 2, 2, 0);
        net_linear(&n, "fc", net_flatten(&n, x), 10);
        net_check(&n, what, &errors);
    }
    net_report("together", cases, SEED, &errors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),     cmocka_unit_test(test_batch_norm), cmocka_unit_test(test_relu),
        cmocka_unit_test(test_add),      cmocka_unit_test(test_max_pool),   cmocka_unit_test(test_flatten_linear),
        cmocka_unit_test(test_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
