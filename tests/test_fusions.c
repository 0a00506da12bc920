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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norm_pool),
        cmocka_unit_test(test_norm_pool_apart),
        cmocka_unit_test(test_norm_pool_rewrite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
