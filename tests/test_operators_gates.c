/* Sigmoid, scale, select, drop_path and dropout against plain loops in double precision (support/net.h), alone and as
 * the models put them together; and what the rewrites make of graphs in which they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "graph/ops.h"
#include "graph/plan_internal.h"
#include "support/net.h"

#define SEED 20240917U

static const int64_t channels[] = {3, 8, 12, 64};
static const int64_t heights[] = {7, 1, 4, 5}, widths[] = {5, 1, 4, 9};
#define SHAPES 4

static void report(const char *op, int cases, const net_errors *e) {
    print_message("  %-10s %3d cases, seed %u: errors infer %.2g, train %.2g, running %.2g, gradients %.2g; "
                  "finite differences %.2g\n",
                  op, cases, SEED, e->infer, e->train, e->running, e->gradients, e->differences);
}

static int conv(net *n, const char *name, int src, int64_t oc, int64_t kernel) {
    return net_conv(n, name, src, oc, kernel, 1, kernel / 2, 1, 1, true);
}

static void test_sigmoid(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    for (; cases < 16; cases++) {
        const int shape = cases % SHAPES;
        const int64_t batch = cases / SHAPES % 2 ? 3 : 1, c = channels[(shape + cases / SHAPES) % 4];
        char what[96];
        net n;
        int x;
        snprintf(what, sizeof what, "sigmoid %d N%d %dx%dx%d", cases, (int)batch, (int)c, (int)heights[shape],
                 (int)widths[shape]);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, heights[shape], widths[shape]);
        switch (cases / SHAPES) {
        case 0:
        case 1: /* alone, on what a convolution left */
            net_flatten(&n, net_sigmoid(&n, x));
            break;
        case 2: /* on a convolution's padded channels, before another one, and used twice */
            x = net_sigmoid(&n, conv(&n, "c1", x, 12, 3));
            net_flatten(&n, net_add(&n, conv(&n, "c2", x, 12, 3), x));
            break;
        default: /* on flat features */
            net_linear(&n, "fc", net_sigmoid(&n, net_flatten(&n, x)), 10);
            break;
        }
        net_check(&n, what, &errors);
    }
    report("sigmoid", cases, &errors);
}

/* Squeeze-and-excitation as the models write it. */
static int excite(net *n, int x, int64_t c) {
    const int64_t inner = c / 4 > 0 ? c / 4 : 1;
    int g = net_relu(n, conv(n, "fc1", net_global_pool(n, x), inner, 1));
    return net_scale(n, x, net_sigmoid(n, conv(n, "fc2", g, c, 1)));
}

static void test_scale(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    for (; cases < 24; cases++) {
        const int shape = cases % SHAPES;
        const int64_t batch = cases / SHAPES % 2 ? 3 : 1, c = channels[(shape + cases / SHAPES) % 4];
        const int64_t h = heights[shape], w = widths[shape];
        char what[96];
        net n;
        int x, y;
        snprintf(what, sizeof what, "scale %d N%d %dx%dx%d", cases, (int)batch, (int)c, (int)h, (int)w);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        switch (cases / SHAPES) {
        case 0: /* a gate of its own; a map and a gate of the probe itself would have no probe's layout */
        case 1:
            y = net_global_pool(&n, conv(&n, "gate", x, c, 1));
            net_flatten(&n, net_scale(&n, x, y));
            break;
        case 2: /* the gate comes from the map */
        case 3:
            net_flatten(&n, excite(&n, x, c));
            break;
        case 4: /* one gate for two maps, one of which has other users */
            y = net_sigmoid(&n, net_global_pool(&n, x));
            y = net_add(&n, net_scale(&n, x, y), net_scale(&n, conv(&n, "c1", x, c, 3), y));
            net_flatten(&n, net_add(&n, y, x));
            break;
        default: /* a block of a squeeze-and-excitation net */
            y = net_relu(&n, net_batch_norm(&n, "n1", net_conv(&n, "c1", x, c, 3, 1, 1, 1, 1, false)));
            y = net_batch_norm(&n, "n2", net_conv(&n, "c2", y, c, 3, 1, 1, 1, 1, false));
            net_flatten(&n, net_relu(&n, net_add(&n, excite(&n, y, c), x)));
            break;
        }
        net_check(&n, what, &errors);
    }
    report("scale", cases, &errors);
}

static void test_select(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    for (; cases < 20; cases++) {
        const int shape = cases % SHAPES, form = cases / SHAPES;
        const int64_t batch = form == 4 ? 5 : form % 2 ? 3 : 1, c = channels[(shape + form) % 4];
        const int64_t h = heights[shape], w = widths[shape];
        char what[96];
        net n;
        int x, y, z;
        snprintf(what, sizeof what, "select %d N%d %dx%dx%d", cases, (int)batch, (int)c, (int)h, (int)w);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        switch (form) {
        case 0: /* the first path is the probe's */
        case 1:
            y = conv(&n, "c1", x, c, 3);
            net_flatten(&n, net_select(&n, x, y, net_global_pool(&n, conv(&n, "scores", x, 2 * c, 1))));
            break;
        case 2: /* the second; and both paths one */
            y = conv(&n, "c1", x, c, 3);
            z = net_global_pool(&n, conv(&n, "scores", y, 2 * c, 1));
            net_flatten(&n, net_add(&n, net_select(&n, y, x, z), net_select(&n, x, x, z)));
            break;
        case 3: /* scores that pass through a sigmoid and are used twice */
            y = conv(&n, "c1", x, c, 3);
            z = net_sigmoid(&n, conv(&n, "scores", net_global_pool(&n, x), 2 * c, 1));
            net_flatten(&n, net_select(&n, net_select(&n, x, y, z), x, z));
            break;
        default: /* a selective kernel, but for its groups */
            y = net_relu(&n, net_batch_norm(&n, "n1", net_conv(&n, "c1", x, c, 3, 1, 1, 1, 1, false)));
            z = net_relu(&n, net_batch_norm(&n, "n2", net_conv(&n, "c2", x, c, 3, 1, 2, 2, 1, false)));
            x = net_conv(&n, "reduce", net_global_pool(&n, net_add(&n, y, z)), 16, 1, 1, 0, 1, 1, false);
            x = net_relu(&n, net_batch_norm(&n, "n3", x));
            net_flatten(&n, net_select(&n, y, z, net_conv(&n, "scores", x, 2 * c, 1, 1, 0, 1, 1, false)));
            break;
        }
        net_check(&n, what, &errors);
    }
    report("select", cases, &errors);
}

/* The reference draws by itself, so this is also a test of which number goes where. */
static void test_drops(void **state) {
    (void)state;
    net_errors errors = {0};
    int cases = 0;
    for (; cases < 20; cases++) {
        const int shape = cases % SHAPES;
        const int64_t batch = cases % 2 ? 3 : 8, c = channels[(shape + cases / SHAPES) % 4];
        const int64_t h = heights[shape], w = widths[shape];
        char what[96];
        net n;
        int x, y;
        snprintf(what, sizeof what, "drop %d N%d %dx%dx%d", cases, (int)batch, (int)c, (int)h, (int)w);
        net_create_probed(&n, &x, SEED + (uint64_t)cases, batch, c, h, w);
        switch (cases / SHAPES) {
        case 0:
            net_flatten(&n, net_drop_path(&n, x, 0.5));
            break;
        case 1: /* a map with padded channels, before a convolution that would see what is there */
            net_flatten(&n, conv(&n, "c1", net_dropout(&n, x, 0.3), 5, 3));
            break;
        case 2: /* a residual block; two drops that must not agree */
            y = net_batch_norm(&n, "n1", net_conv(&n, "c1", x, c, 3, 1, 1, 1, 1, false));
            x = net_relu(&n, net_add(&n, net_drop_path(&n, y, 0.4), net_drop_path(&n, x, 0.4)));
            net_flatten(&n, x);
            break;
        case 3: /* features */
            y = net_flatten(&n, net_global_pool(&n, x));
            net_linear(&n, "fc", net_dropout(&n, y, 0.25), 10);
            break;
        default: /* a source that others use, and a result that is used twice */
            y = net_dropout(&n, x, 0.5);
            net_flatten(&n, net_add(&n, net_add(&n, y, net_relu(&n, y)), x));
            break;
        }
        net_check(&n, what, &errors);
    }
    report("drops", cases, &errors);
}

/* ---- Rewrites ---- */

static const oc_init any = {OC_INIT_CONSTANT, 0};

static oc_value norm_conv(oc_graph *g, const char *conv_name, const char *norm, oc_value src) {
    const oc_conv_attr attr = {.oc = 16, .kernel = 3, .stride = 1, .pad = 1, .weight_init = any};
    return oc_op_batch_norm(g, norm, oc_op_conv(g, conv_name, src, &attr), 1);
}

/* Two residual blocks and a head; p 0 is a graph without drops, since that appends nothing. */
static oc_graph *residual(double p, bool gate) {
    oc_graph *g = NULL;
    assert_int_equal(oc_graph_create(&g, NULL), OC_OK);
    oc_value x = oc_op_relu(g, norm_conv(g, "c0", "n0", oc_graph_input(g, 3, 8, 8)));
    for (int i = 0; i < 2; i++) {
        oc_value y = norm_conv(g, i ? "c1" : "c2", i ? "n1" : "n2", x);
        if (gate) y = oc_op_scale(g, y, oc_op_sigmoid(g, oc_op_global_pool(g, y)));
        x = oc_op_relu(g, oc_op_add(g, oc_op_drop_path(g, y, p), x));
    }
    x = oc_op_dropout(g, oc_op_flatten(g, x), p);
    oc_graph_output(g, oc_op_dropout(g, oc_op_linear(g, "fc", x, 10, any, any), p));
    assert_int_equal(oc_graph_finish(g, NULL), OC_OK);
    return g;
}

static char *describe(const oc_graph *g, oc_plan_mode mode, oc_team *team) {
    oc_slab *slab = NULL;
    oc_plan *plan = NULL;
    oc_error err = {0};
    char *text = NULL;
    assert_int_equal(oc_slab_create(&slab, NULL), OC_OK);
    const oc_plan_options options = {.batch = 2, .mode = mode, .team = team, .slab = slab};
    if (oc_plan_create(&plan, g, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    assert_int_equal(oc_plan_describe(plan, &text, NULL), OC_OK);
    oc_plan_destroy(&plan);
    oc_slab_destroy(&slab);
    return text;
}

static int occurrences(const char *text, const char *word) {
    int count = 0;
    for (; (text = strstr(text, word)); text++) count++;
    return count;
}

static void test_rewrites(void **state) {
    (void)state;
    oc_team *team = NULL;
    assert_int_equal(oc_team_create(&team, 2, NULL), OC_OK);
    for (int gate = 0; gate < 2; gate++) {
        oc_graph *with = residual(0.2, gate), *without = residual(0, gate);
        assert_int_equal(oc_graph_nodes(with), oc_graph_nodes(without) + 4);
        char *a = describe(with, OC_PLAN_INFER, team), *b = describe(without, OC_PLAN_INFER, team);
        /* In inference a drop leaves no trace: what stands about it fuses as if it were not there. */
        assert_string_equal(a, b);
        assert_int_equal(occurrences(a, "dropping"), 0);
        assert_int_equal(occurrences(a, "batch norm forward"), 0);
        assert_int_equal(occurrences(a, "ReLU"), 0);
        assert_int_equal(occurrences(a, "gate and residual join forward"), gate ? 2 : 0);
        assert_int_equal(occurrences(a, "residual join forward"), gate ? 2 : 0);
        oc_free(a);
        oc_free(b);
        a = describe(with, OC_PLAN_TRAIN, team);
        assert_int_equal(occurrences(a, "dropping forward"), 4);
        assert_int_equal(occurrences(a, "dropping backward"), 4);
        assert_int_equal(occurrences(a, "residual join forward"), 2);
        assert_int_equal(occurrences(a, "gate backward"), gate ? 2 : 0);
        oc_free(a);
        oc_graph_destroy(&with);
        oc_graph_destroy(&without);
    }
    oc_team_destroy(&team);
}

/* ---- Errors ---- */

static oc_value refused_scale(oc_graph *g, oc_value x) {
    return oc_op_scale(g, x, x);
}
static oc_value refused_flat_gate(oc_graph *g, oc_value x) {
    return oc_op_scale(g, x, oc_op_flatten(g, oc_op_global_pool(g, x)));
}
static oc_value refused_select(oc_graph *g, oc_value x) {
    return oc_op_select(g, x, x, oc_op_global_pool(g, x));
}
static oc_value refused_choice(oc_graph *g, oc_value x) {
    return oc_op_select(g, x, oc_op_max_pool(g, x, 2, 2, 0), x);
}
static oc_value refused_drop(oc_graph *g, oc_value x) {
    return oc_op_drop_path(g, x, 1);
}
static oc_value refused_negative(oc_graph *g, oc_value x) {
    return oc_op_dropout(g, x, -0.1);
}

static void test_errors(void **state) {
    (void)state;
    static const struct {
        oc_value (*build)(oc_graph *g, oc_value x);
        const char *message;
    } cases[] = {
        {refused_scale, "scale: a gate"},
        {refused_flat_gate, "scale: a gate"},
        {refused_select, "select: shape mismatch between attention logits"},
        {refused_choice, "select: shape mismatch"},
        {refused_drop, "drop_path: the probabili"},
        {refused_negative, "dropout: the probabili"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oc_graph *g = NULL;
        oc_error err = {0};
        assert_int_equal(oc_graph_create(&g, NULL), OC_OK);
        assert_int_equal(cases[i].build(g, oc_graph_input(g, 4, 6, 6)), -1);
        assert_int_equal(oc_graph_finish(g, &err), OC_E_USAGE);
        assert_non_null(strstr(err.message, cases[i].message));
        oc_graph_destroy(&g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sigmoid), cmocka_unit_test(test_scale),    cmocka_unit_test(test_select),
        cmocka_unit_test(test_drops),   cmocka_unit_test(test_rewrites), cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
