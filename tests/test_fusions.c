/* What rewrites make one node of, against the operators one by one in double precision: both modes, odd sizes, and the
 * cases that must stay apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "graph/op.h"
#include "graph/ops.h"
#include "graph/ops/batch_norm.h"
#include "graph/rewrite.h"
#include "support/net.h"

#define SEED 20261130U

static int count_op(const oc_graph *graph, const oc_op *op) {
    int count = 0;
    for (int i = 0; i < graph->nodes; i++) count += graph->node[i].op == op;
    return count;
}

/* ---- Batch norm, ReLU and max-pool ---- */

/* The windows of myresnet, of a ResNet's stem, and others, over maps that they tile and do not. */
static const struct {
    int64_t kernel, stride, pad, c, h, w;
} pools[] = {
    {2, 2, 0, 16, 8, 6}, {2, 2, 0, 5, 7, 6},  {2, 2, 0, 17, 4, 4}, {3, 2, 1, 16, 8, 8}, {3, 2, 1, 16, 7, 9},
    {3, 2, 1, 5, 6, 5},  {3, 2, 1, 32, 1, 2}, {3, 2, 0, 8, 7, 8},  {3, 1, 1, 3, 5, 4},  {2, 3, 0, 16, 8, 9},
};
#define POOLS (sizeof pools / sizeof *pools)

static void test_norm_pool(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    for (size_t i = 0; i < POOLS; i++)
        for (int relu = 0; relu < 2; relu++, cases++) {
            net n;
            int x;
            char what[96];
            const int64_t batch = cases % 3 + 2;
            snprintf(what, sizeof what, "norm%s, max_pool %d/%d N%d %dx%dx%d", relu ? ", relu" : "",
                     (int)pools[i].kernel, (int)pools[i].stride, (int)batch, (int)pools[i].c, (int)pools[i].h,
                     (int)pools[i].w);
            net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, pools[i].c, pools[i].h, pools[i].w);
            x = net_batch_norm(&n, "norm", x);
            if (relu) x = net_relu(&n, x);
            net_flatten(&n, net_max_pool(&n, x, pools[i].kernel, pools[i].stride, pools[i].pad));
            net_check(&n, what, &errors);
        }
    net_report("norm_pool", cases, SEED, &errors);
}

/* The norm's map used by another as well, and a pool of something else. */
static void test_norm_pool_apart(void **state) {
    (void)state;
    net_errors errors = {0};
    net n;
    int x, y;
    net_create_probed(&n, &x, SEED, 3, 16, 6, 8);
    x = net_relu(&n, net_batch_norm(&n, "norm", x));
    y = net_max_pool(&n, x, 3, 2, 1);
    y = net_add(&n, y, net_max_pool(&n, net_conv(&n, "conv", x, 16, 3, 1, 1, 1, 1, true), 2, 2, 0));
    net_flatten(&n, y);
    net_check(&n, "two users of a norm", &errors);
    net_report("norm_pool", 1, SEED, &errors);
}

static void test_norm_pool_rewrite(void **state) {
    (void)state;
    oc_graph *graph = NULL, *copy = NULL;
    assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
    oc_value x = oc_graph_input(graph, 4, 12, 12);
    x = oc_op_max_pool(graph, oc_op_relu(graph, oc_op_batch_norm(graph, "n0", x, 1)), 2, 2, 0);
    x = oc_op_relu(graph, oc_op_batch_norm(graph, "n1", x, 1));
    x = oc_op_add(graph, oc_op_max_pool(graph, x, 3, 1, 1), x);
    oc_graph_output(graph, oc_op_flatten(graph, x));
    assert_int_equal(oc_graph_finish(graph, NULL), OC_OK);
    assert_int_equal(oc_graph_copy(&copy, graph, NULL), OC_OK);
    assert_int_equal(oc_rewrite_norm_relu(copy, NULL), OC_OK);
    assert_int_equal(oc_rewrite_norm_pool(copy, NULL), OC_OK);
    assert_int_equal(count_op(copy, &oc_max_pool_op), 1); /* n1 has another user */
    const oc_node *joined = &copy->node[1];
    const oc_batch_norm_node *attr = joined->attr;
    assert_string_equal(joined->name, "n0");
    assert_true(attr->relu && attr->pooled);
    assert_int_equal(attr->pool.kernel, 2);
    assert_int_equal(joined->dst.dim[1], 6);
    assert_false(((const oc_batch_norm_node *)copy->node[2].attr)->pooled);
    oc_graph_destroy(&copy);
    oc_graph_destroy(&graph);
}

/* ---- A gate and a residual join; the mean of what a batch norm makes ---- */

/* Squeeze-and-excitation over a norm's result, as the models have it. */
static int squeeze_excite(net *n, int x, int64_t channels) {
    int gate = net_conv(n, "fc1", net_global_pool(n, x), 3, 1, 1, 0, 1, 1, true);
    gate = net_conv(n, "fc2", net_relu(n, gate), channels, 1, 1, 0, 1, 1, true);
    return net_scale(n, x, net_sigmoid(n, gate));
}

/* How a block ends: what is added to the gated map, in which order, and who else uses what. */
enum { SHORTCUT, BEHIND, FIRST, ITSELF, NO_GRADIENT, TWICE, WITHOUT, GATE_ENDS };

static int block_end(net *n, int x, int gated, int64_t channels, int end) {
    switch (end) {
    case SHORTCUT:
        return net_relu(n, net_add(n, gated, x));
    case BEHIND: /* the shortcut is made after the gate */
        return net_relu(
            n, net_add(n, gated, net_batch_norm(n, "down", net_conv(n, "conv2", x, channels, 1, 1, 0, 1, 1, false))));
    case FIRST:
        return net_relu(n, net_add(n, x, gated));
    case ITSELF: /* used twice, so it stays */
        return net_relu(n, net_add(n, gated, gated));
    case NO_GRADIENT: /* of the network's input */
        return net_relu(n, net_add(n, gated, 0));
    case TWICE: /* with a third summand */
        return net_add(n, net_relu(n, net_add(n, gated, x)), x);
    default:
        return net_add(n, gated, x);
    }
}

static void test_scale_join(void **state) {
    (void)state;
    net_errors errors = {0};
    static const int64_t sizes[][3] = {{16, 5, 7}, {5, 4, 3}, {24, 3, 3}};
    int cases = 0;
    for (int end = 0; end < GATE_ENDS; end++)
        for (int k = 0; k < 3; k++, cases++) {
            const int64_t c = sizes[k][0];
            net n;
            char what[64];
            snprintf(what, sizeof what, "gate, end %d of %d channels", end, (int)c);
            net_create(&n, SEED + (uint64_t)cases, k + 2, c, sizes[k][1], sizes[k][2]);
            const int x = net_conv(&n, "conv0", 0, c, 3, 1, 1, 1, 1, true);
            const int y = net_batch_norm(&n, "norm", net_conv(&n, "conv1", x, c, 3, 1, 1, 1, 1, false));
            net_linear(&n, "fc", net_flatten(&n, block_end(&n, x, squeeze_excite(&n, y, c), c, end)), 5);
            net_check(&n, what, &errors);
        }
    net_report("scale_join", cases, SEED, &errors);
}

/* A mean over the pixels of a norm, with and without a ReLU, of a sum of two, beside other users and alone. */
static void test_mean_gradient(void **state) {
    (void)state;
    net_errors errors = {0};
    static const int64_t sizes[][3] = {{16, 5, 7}, {5, 4, 3}, {24, 1, 2}};
    int cases = 0;
    for (int k = 0; k < 12; k++, cases++) {
        const int64_t c = sizes[k % 3][0];
        net n;
        int x, y;
        char what[64];
        snprintf(what, sizeof what, "mean, case %d", k);
        net_create_probed(&n, &x, SEED + (uint64_t)k, k % 4 + 2, c, sizes[k % 3][1], sizes[k % 3][2]);
        y = net_batch_norm(&n, "norm", x);
        if (k % 2) y = net_relu(&n, y);
        switch (k / 3) {
        case 0: /* nobody but the mean */
            x = net_flatten(&n, net_global_pool(&n, y));
            break;
        case 1: /* and a gate */
            x = net_flatten(&n, squeeze_excite(&n, y, c));
            break;
        case 2: /* of a sum that is not written, whose summands are used as well */
            x = net_flatten(&n, net_scale(&n, y, net_sigmoid(&n, net_global_pool(&n, net_add(&n, x, y)))));
            break;
        default: /* two means of one map */
            x = net_add(&n, net_global_pool(&n, y), net_global_pool(&n, net_add(&n, y, x)));
            x = net_flatten(&n, net_scale(&n, y, x));
        }
        net_linear(&n, "fc", x, 4);
        net_check(&n, what, &errors);
    }
    net_report("mean", cases, SEED, &errors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm_pool),         cmocka_unit_test(test_norm_pool_apart),
        cmocka_unit_test(test_norm_pool_rewrite), cmocka_unit_test(test_scale_join),
        cmocka_unit_test(test_mean_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
