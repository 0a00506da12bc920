/* The operators that pool, cut and thin out, and convolutions in groups or dilated, as test_operators.c tests its own;
 * and the rewrite that thins out before a dilated convolution. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "graph/op.h"
#include "graph/ops.h"
#include "graph/ops/conv.h"
#include "graph/ops/subsample.h"
#include "graph/plan.h"
#include "graph/rewrite.h"
#include "support/net.h"

#define SEED 20250711U

static oc_random shapes_of(int test) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 1, (uint64_t)test);
    return random;
}

/* A net whose probe is followed, where `plain`, by a convolution in groups of few channels, which oneDNN leaves in
 * plain layout on most processors (`c` is even then). */
static int start(net *n, uint64_t seed, int64_t batch, int64_t c, int64_t h, int64_t w, bool plain) {
    int x = 0;
    net_create_probed(n, &x, seed, batch, c, h, w);
    return plain ? net_conv(n, "mix", x, c, 1, 1, 0, 1, 2, false) : x;
}

static int64_t channels(oc_random *random, bool plain) {
    return plain ? NET_PICK(random, 4, 6, 10) : NET_PICK(random, 1, 3, 8, 11, 16, 17, 24);
}

static void avg_pool_case(uint64_t seed, int64_t batch, int64_t c, int64_t h, int64_t w, int64_t kernel, int64_t stride,
                          int64_t pad, bool ceil, bool plain, net_errors *errors) {
    char what[128];
    net n;
    snprintf(what, sizeof what, "avg_pool N%d %dx%dx%d k%d s%d p%d%s%s", (int)batch, (int)c, (int)h, (int)w,
             (int)kernel, (int)stride, (int)pad, ceil ? " ceil" : "", plain ? " plain" : "");
    int x = start(&n, seed, batch, c, h, w, plain);
    net_flatten(&n, net_avg_pool(&n, x, kernel, stride, pad, ceil));
    net_check(&n, what, errors);
}

static void test_avg_pool(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(1);
    int cases = 0;
    /* The last window reaches over the border; may not begin in the padding behind it; covers one pixel. */
    static const int64_t fixed[][8] = {
        /* N, C, H, W, kernel, stride, pad, ceil */
        {1, 8, 7, 7, 2, 2, 0, 1},  {3, 16, 5, 6, 2, 2, 0, 1}, {2, 3, 5, 5, 2, 2, 1, 1},  {2, 8, 4, 4, 2, 2, 1, 1},
        {1, 16, 1, 1, 2, 2, 0, 1}, {3, 8, 2, 1, 2, 2, 0, 1},  {2, 17, 8, 8, 3, 2, 1, 0}, {1, 8, 8, 7, 3, 2, 1, 1},
        {3, 4, 9, 9, 5, 3, 2, 1},  {1, 8, 6, 6, 1, 2, 0, 0},  {2, 8, 6, 6, 3, 1, 1, 0},  {1, 5, 9, 8, 3, 3, 0, 1},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        for (int plain = 0; plain < 2; plain++, cases++)
            avg_pool_case(SEED + i, fixed[i][0], plain ? 4 : fixed[i][1], fixed[i][2], fixed[i][3], fixed[i][4],
                          fixed[i][5], fixed[i][6], fixed[i][7] != 0, plain, &errors);
    for (int i = 0; i < 24; i++, cases++) {
        const bool plain = i % 3 == 2;
        const int64_t kernel = net_pick(&random, 1, 4), stride = net_pick(&random, 1, 3);
        const int64_t c = channels(&random, plain), h = net_pick(&random, 4, 8), w = net_pick(&random, 4, 8);
        avg_pool_case(SEED + 100 + (uint64_t)i, i % 4 + 1, c, h, w, kernel, stride, net_pick(&random, 0, kernel / 2),
                      i % 2, plain, &errors);
    }
    net_report("avg_pool", cases, SEED, &errors);
}

static void test_global_pool(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(2);
    int cases = 0;
    for (; cases < 16; cases++) {
        const bool plain = cases % 3 == 2;
        const int64_t batch = cases % 4 + 1, c = channels(&random, plain);
        const int64_t h = cases < 2 ? 1 : net_pick(&random, 1, 12), w = cases < 2 ? 1 : net_pick(&random, 1, 9);
        char what[96];
        net n;
        snprintf(what, sizeof what, "global_pool N%d %dx%dx%d%s", (int)batch, (int)c, (int)h, (int)w,
                 plain ? " plain" : "");
        int x = net_global_pool(&n, start(&n, SEED + (uint64_t)cases, batch, c, h, w, plain));
        /* As inside a squeeze and excitation: 1×1 convolutions of single pixels, few channels. */
        if (cases % 2)
            x = net_conv(&n, "up", net_relu(&n, net_conv(&n, "down", x, 8, 1, 1, 0, 1, 1, true)), c, 1, 1, 0, 1, 1,
                         true);
        n.smooth = cases % 2 == 0;
        net_flatten(&n, x);
        net_check(&n, what, &errors);
    }
    net_report("global_pool", cases, SEED, &errors);
}

static void test_slice(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    static const int64_t fixed[][6] = {
        /* N, C, H, W, begin, count */
        {1, 32, 3, 5, 16, 16}, {3, 32, 4, 4, 0, 16}, {2, 32, 5, 3, 8, 8},  {3, 17, 3, 3, 5, 9}, {1, 16, 1, 1, 8, 8},
        {2, 24, 2, 2, 3, 20},  {3, 16, 3, 2, 15, 1}, {1, 10, 4, 4, 0, 10}, {3, 11, 1, 1, 7, 4}, {2, 20, 3, 3, 16, 4},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        for (int form = 0; form < 3; form++, cases++) {
            const int64_t *f = fixed[i], begin = f[4], count = f[5];
            const bool plain = form == 2 && f[1] % 2 == 0;
            char what[96];
            net n;
            snprintf(what, sizeof what, "slice N%d %dx%dx%d from %d: %d, form %d", (int)f[0], (int)f[1], (int)f[2],
                     (int)f[3], (int)begin, (int)count, form);
            int x = start(&n, SEED + i, f[0], f[1], f[2], f[3], plain);
            int y = net_slice(&n, x, begin, count);
            /* The source of a convolution; and overlapping slices of one value, which is used as a whole as well. */
            if (form == 1)
                y = net_conv(&n, "conv", y, 8, 3, 1, 1, 1, 1, false);
            else if (form == 2)
                y = net_add(&n, net_add(&n, y, net_slice(&n, x, begin / 2, count)),
                            net_slice(&n, net_conv(&n, "conv", x, f[1], 1, 1, 0, 1, 1, false), begin, count));
            net_flatten(&n, y);
            net_check(&n, what, &errors);
        }
    net_report("slice", cases, SEED, &errors);
}

static void test_subsample(void **state) {
    (void)state;
    net_errors errors = {0};
    oc_random random = shapes_of(4);
    int cases = 0;
    for (; cases < 18; cases++) {
        const bool plain = cases % 3 == 2;
        const int64_t batch = cases % 3 + 1, c = channels(&random, plain), stride = cases % 4 + 1;
        const int64_t h = cases < 3 ? 1 : net_pick(&random, 1, 9), w = cases < 3 ? 1 : net_pick(&random, 1, 9);
        char what[96];
        net n;
        snprintf(what, sizeof what, "subsample N%d %dx%dx%d s%d%s", (int)batch, (int)c, (int)h, (int)w, (int)stride,
                 plain ? " plain" : "");
        int x = start(&n, SEED + (uint64_t)cases, batch, c, h, w, plain), y = net_subsample(&n, x, stride);
        if (cases % 2) y = net_add(&n, y, net_conv(&n, "conv", x, c, 1, stride, 0, 1, 1, false));
        net_flatten(&n, y);
        net_check(&n, what, &errors);
    }
    net_report("subsample", cases, SEED, &errors);
}

/* Groups and dilation, on a whole value, on half of its channels, and before a batch norm that inference folds in. */
static void test_groups_and_dilation(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    static const int64_t fixed[][9] = {
        /* N, IC, OC, H, W, stride, pad, dilation, groups; kernel 3 */
        {1, 16, 16, 6, 6, 1, 1, 1, 4}, {3, 16, 16, 7, 5, 2, 1, 1, 4}, {2, 16, 32, 6, 6, 2, 1, 1, 2},
        {1, 32, 32, 5, 5, 1, 1, 1, 4}, {3, 32, 32, 4, 6, 2, 1, 1, 2}, {5, 8, 8, 1, 1, 1, 1, 1, 2},
        {3, 16, 16, 8, 8, 1, 2, 2, 1}, {1, 16, 8, 7, 9, 2, 2, 2, 1},  {2, 8, 16, 8, 8, 2, 2, 2, 1},
        {2, 6, 10, 9, 6, 2, 2, 2, 2},  {1, 16, 16, 7, 7, 2, 2, 2, 4}, {2, 3, 5, 11, 8, 3, 3, 3, 1},
        {1, 8, 8, 6, 6, 2, 3, 2, 1},   {3, 8, 8, 9, 9, 2, 0, 2, 1},   {1, 8, 8, 4, 4, 2, 4, 2, 1},
        {5, 8, 8, 1, 1, 2, 2, 2, 1},   {2, 16, 16, 6, 5, 1, 2, 2, 4}, {5, 32, 16, 2, 2, 2, 2, 2, 1},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        for (int form = 0; form < 3; form++, cases++) {
            const int64_t *f = fixed[i], ic = f[1], oc = f[2];
            char what[128];
            net n;
            snprintf(what, sizeof what, "conv N%d %dx%dx%d to %d s%d p%d d%d g%d, form %d", (int)f[0], (int)ic,
                     (int)f[3], (int)f[4], (int)oc, (int)f[5], (int)f[6], (int)f[7], (int)f[8], form);
            int x = start(&n, SEED + i, f[0], form == 1 ? 2 * ic : ic, f[3], f[4], false);
            if (form == 1) x = net_slice(&n, x, ic, ic);
            x = net_conv(&n, "conv", x, oc, 3, f[5], f[6], f[7], f[8], form == 0);
            if (form == 2) x = net_relu(&n, net_batch_norm(&n, "norm", x));
            n.smooth = form != 2;
            net_flatten(&n, x);
            net_check(&n, what, &errors);
        }
    net_report("groups", cases, SEED, &errors);
}

/* What residual networks put together: a deep stem, downsampling by averages, split channels, branches that join. */
static void test_together(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    for (; cases < 3; cases++) {
        net n;
        char what[64];
        int x, y, z;
        snprintf(what, sizeof what, "together N%d", cases + 1);
        net_create(&n, SEED + (uint64_t)cases, cases + 1, 3, 13, 13);
        x = net_relu(&n, net_batch_norm(&n, "norm1", net_conv(&n, "conv1", 0, 16, 7, 2, 3, 1, 1, false)));
        y = net_conv(&n, "left", net_slice(&n, x, 0, 8), 16, 3, 2, 1, 1, 1, false);
        z = net_conv(&n, "right", net_slice(&n, x, 8, 8), 16, 3, 2, 2, 2, 1, false);
        y = net_add(&n, net_relu(&n, net_batch_norm(&n, "norm2", y)), net_relu(&n, net_batch_norm(&n, "norm3", z)));
        y = net_batch_norm(&n, "norm4", net_conv(&n, "grouped", y, 16, 3, 1, 1, 1, 4, false));
        z = net_conv(&n, "shortcut", net_avg_pool(&n, x, 2, 2, 0, true), 16, 1, 1, 0, 1, 1, false);
        x = net_relu(&n, net_add(&n, y, net_batch_norm(&n, "norm5", z)));
        net_linear(&n, "fc", net_flatten(&n, net_global_pool(&n, x)), 10);
        n.smooth = false;
        net_check(&n, what, &errors);
    }
    net_report("together", cases, SEED, &errors);
}

/* ---- Fast paths, the rewrite, and errors ---- */

static const oc_init some = {OC_INIT_CONSTANT, 0.01};

static oc_value conv(oc_graph *graph, const char *name, oc_value src, int64_t oc, int64_t kernel, int64_t stride,
                     int64_t pad, int64_t dilation, int64_t groups) {
    return oc_op_conv(graph, name, src,
                      &(oc_conv_attr){.oc = oc,
                                      .kernel = kernel,
                                      .stride = stride,
                                      .pad = pad,
                                      .dilation = dilation,
                                      .groups = groups,
                                      .weight_init = some});
}

static void finish(oc_graph *graph, oc_value value) {
    oc_error err = {0};
    oc_graph_output(graph, oc_op_flatten(graph, value));
    if (oc_graph_finish(graph, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
}

typedef struct bench {
    oc_team *team;
    oc_slab *slab;
} bench;

static int setup(void **state) {
    static bench b;
    assert_int_equal(oc_team_create(&b.team, 2, NULL), OC_OK);
    assert_int_equal(oc_slab_create(&b.slab, NULL), OC_OK);
    *state = &b;
    return 0;
}

static int teardown(void **state) {
    bench *b = *state;
    oc_slab_destroy(&b->slab);
    oc_team_destroy(&b->team);
    return 0;
}

/* Every convolution of the models finds an implementation that is not oneDNN's reference: a plan refuses that. */
static void test_no_reference_implementation(void **state) {
    const bench *b = *state;
    static const int64_t fixed[][9] = {
        /* IC, of which begin the slice, OC, H = W, kernel, stride, pad, dilation, groups */
        {128, 0, 128, 16, 3, 1, 1, 1, 32},  {256, 0, 256, 16, 3, 2, 1, 1, 32}, {256, 0, 256, 8, 3, 1, 1, 1, 32},
        {512, 0, 512, 8, 3, 2, 1, 1, 32},   {512, 0, 512, 4, 3, 1, 1, 1, 32},  {1024, 0, 1024, 4, 3, 2, 1, 1, 32},
        {1024, 0, 1024, 2, 3, 1, 1, 1, 32}, {128, 0, 128, 1, 3, 1, 1, 1, 32},  {128, 64, 128, 8, 3, 2, 1, 1, 1},
        {128, 64, 128, 8, 3, 2, 2, 2, 1},   {64, 32, 64, 16, 3, 1, 2, 2, 1},   {512, 256, 512, 2, 3, 2, 2, 2, 1},
        {512, 256, 512, 1, 3, 1, 2, 2, 1},  {512, 0, 32, 1, 1, 1, 0, 1, 1},    {32, 0, 512, 1, 1, 1, 0, 1, 1},
        {64, 0, 8, 1, 1, 1, 0, 1, 1},       {64, 0, 16, 1, 1, 1, 0, 1, 1},     {8, 0, 64, 1, 1, 1, 0, 1, 1},
        {64, 0, 128, 16, 1, 2, 0, 1, 1},    {3, 0, 64, 33, 7, 2, 3, 1, 1},     {3, 0, 32, 32, 3, 2, 1, 1, 1},
        {2048, 0, 1024, 1, 1, 1, 0, 1, 1},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        const int64_t *f = fixed[i];
        oc_graph *graph = NULL;
        assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
        oc_value x = conv(graph, "first", oc_graph_input(graph, 3, f[3], f[3]), f[0], 1, 1, 0, 1, 1);
        if (f[1]) x = oc_op_slice(graph, x, f[1], f[0] - f[1]);
        finish(graph,
               oc_op_relu(graph, oc_op_batch_norm(graph, "norm",
                                                  conv(graph, "conv", x, f[2], f[4], f[5], f[6], f[7], f[8]), 1)));
        for (int batch = 1; batch < 4; batch += 2)
            for (int mode = 0; mode < 2; mode++) {
                if (mode && batch == 1 && f[3] <= f[5]) continue; /* nothing to take a batch norm of */
                const oc_plan_options options = {
                    .batch = batch, .mode = mode ? OC_PLAN_TRAIN : OC_PLAN_INFER, .team = b->team, .slab = b->slab};
                oc_plan *plan = NULL;
                oc_error err = {0};
                char *text = NULL;
                if (oc_plan_create(&plan, graph, &options, &err) != OC_OK)
                    fail_msg("case %zu, batch %d: %s: %s", i, batch, err.where, err.message);
                assert_int_equal(oc_plan_describe(plan, &text, NULL), OC_OK);
                assert_null(strstr(text, " ref:"));
                oc_free(text);
                oc_plan_destroy(&plan);
            }
        oc_graph_destroy(&graph);
    }
}

static int count_ops(const oc_graph *graph, const oc_op *op) {
    int count = 0;
    for (int i = 0; i < graph->nodes; i++) count += graph->node[i].op == op;
    return count;
}

/* Where the rewrite applies and where not, and what it leaves behind. */
static void test_rewrite(void **state) {
    (void)state;
    static const struct {
        int64_t kernel, stride, pad, dilation;
        bool applies;
    } fixed[] = {
        {3, 2, 2, 2, true},  {3, 2, 0, 2, true},  {3, 3, 6, 3, true},  {2, 2, 2, 2, true},  {3, 2, 1, 2, false},
        {3, 1, 2, 2, false}, {3, 2, 2, 1, false}, {1, 2, 0, 2, false}, {3, 4, 4, 2, false}, {3, 1, 1, 1, false},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        oc_graph *graph = NULL, *copy = NULL;
        assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
        oc_value x = conv(graph, "before", oc_graph_input(graph, 3, 11, 14), 8, 3, 1, 1, 1, 1);
        oc_value y = conv(graph, "conv", x, 8, fixed[i].kernel, fixed[i].stride, fixed[i].pad, fixed[i].dilation, 2);
        finish(graph, oc_op_add(graph, oc_op_relu(graph, y), y));
        assert_int_equal(oc_graph_copy(&copy, graph, NULL), OC_OK);
        assert_int_equal(oc_rewrite_subsample(copy, NULL), OC_OK);
        assert_int_equal(count_ops(copy, &oc_subsample_op), fixed[i].applies);
        assert_int_equal(copy->nodes, graph->nodes + fixed[i].applies);
        assert_int_equal(copy->output, copy->nodes - 1);
        assert_int_equal(copy->input, 0);
        const int at = y + fixed[i].applies;
        const oc_conv_attr *attr = &((const oc_conv_node *)copy->node[at].attr)->conv;
        assert_true(copy->node[at].op == &oc_conv_op);
        assert_true(oc_shape_equal(&copy->node[at].dst, &graph->node[y].dst));
        assert_int_equal(copy->node[at].built, y);
        assert_int_equal(copy->node[at].input[0], at - 1);
        assert_int_equal(copy->node[at + 1].input[0], at);
        assert_int_equal(copy->node[at + 2].input[1], at);
        assert_int_equal(attr->stride, fixed[i].applies ? 1 : fixed[i].stride);
        assert_int_equal(attr->dilation, fixed[i].applies ? 1 : fixed[i].dilation);
        assert_int_equal(attr->pad, fixed[i].applies ? fixed[i].pad / fixed[i].dilation : fixed[i].pad);
        if (fixed[i].applies) {
            assert_int_equal(((const oc_subsample_node *)copy->node[y].attr)->stride, fixed[i].dilation);
            assert_int_equal(copy->node[y].built, y);
            assert_int_equal(copy->node[y].input[0], x);
        }
        oc_graph_destroy(&copy);
        oc_graph_destroy(&graph);
    }
}

static void refused(const char *part, void (*build)(oc_graph *graph, oc_value x), bool flat) {
    oc_graph *graph = NULL;
    oc_error err = {0};
    assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
    oc_value x = oc_graph_input(graph, 6, 3, 3);
    build(graph, flat ? oc_op_flatten(graph, x) : x);
    assert_int_equal(oc_graph_finish(graph, &err), OC_E_USAGE);
    if (!strstr(err.message, part)) fail_msg("\"%s\" does not say \"%s\"", err.message, part);
    oc_graph_destroy(&graph);
}

static void slice_before(oc_graph *graph, oc_value x) {
    (void)oc_op_slice(graph, x, -1, 2);
}
static void slice_beyond(oc_graph *graph, oc_value x) {
    (void)oc_op_slice(graph, x, 4, 3);
}
static void slice_far(oc_graph *graph, oc_value x) {
    (void)oc_op_slice(graph, x, INT64_MAX, INT64_MAX);
}
static void slice_empty(oc_graph *graph, oc_value x) {
    (void)oc_op_slice(graph, x, 2, 0);
}
static void average_large(oc_graph *graph, oc_value x) {
    (void)oc_op_avg_pool(graph, x, 6, 1, 1, false);
}
static void average_padded(oc_graph *graph, oc_value x) {
    (void)oc_op_avg_pool(graph, x, 3, 1, 2, false);
}
static void subsample_none(oc_graph *graph, oc_value x) {
    (void)oc_op_subsample(graph, x, 0);
}
static void global_of_any(oc_graph *graph, oc_value x) {
    (void)oc_op_global_pool(graph, x);
}

static void test_errors(void **state) {
    (void)state;
    refused("2 channels from -1 on", slice_before, false);
    refused("3 channels from 4 on do not lie within 6", slice_beyond, false);
    refused("do not lie within 6", slice_far, false);
    refused("0 channels from 2 on", slice_empty, false);
    refused("a window of 6 does not fit into 3×3", average_large, false);
    refused("pad at most half of it", average_padded, false);
    refused("invalid stride 0", subsample_none, false);
    refused("global_pool: its input has 1 dimensions, not 3", global_of_any, true);
    refused("avg_pool: its input has 1 dimensions", average_padded, true);
    refused("slice: its input has 1 dimensions", slice_empty, true);
    refused("subsample: its input has 1 dimensions", subsample_none, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avg_pool),
        cmocka_unit_test(test_global_pool),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_subsample),
        cmocka_unit_test(test_groups_and_dilation),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_no_reference_implementation),
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
