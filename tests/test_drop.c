/* What drop_path and dropout draw: how much is kept and by which factor, that it is a function of (seed, step, layer,
 * image) and of nothing else, that a repeated pass and the backward pass use the same, and that inference is the
 * identity. The nets end in a flattened map, so that what was drawn can be read from the result. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "graph/ops.h"
#include "graph/plan.h"

#define SEED 20240919U
#define BATCH 64
#define C 12
#define AREA 15 /* 5×3 */
#define FLOATS ((size_t)BATCH * C * AREA)

static const oc_init any = {OC_INIT_CONSTANT, 0};

typedef enum kind { PATH, ELEMENTS } kind;

static oc_value drop(oc_graph *g, kind kind, oc_value x, double p) {
    return kind == PATH ? oc_op_drop_path(g, x, p) : oc_op_dropout(g, x, p);
}

/* A 1×1 convolution that can be made to give all ones, a drop, and, with `second`, another one of the same source
 * instead. p 0: none. */
static oc_graph *create_graph(kind kind, double p, bool second) {
    oc_graph *g = NULL;
    const oc_conv_attr attr = {.oc = C, .kernel = 1, .stride = 1, .bias = true, .weight_init = any, .bias_init = any};
    assert_int_equal(oc_graph_create(&g, NULL), OC_OK);
    oc_value x = oc_op_conv(g, "c", oc_graph_input(g, 2, 5, 3), &attr), y = drop(g, kind, x, p);
    /* The second drop's result alone is seen: the first one's is multiplied by a gate that is 0. */
    if (second)
        y = oc_op_add(g, oc_op_scale(g, y, oc_op_global_pool(g, oc_op_conv(g, "zero", x, &attr))), drop(g, kind, x, p));
    oc_graph_output(g, oc_op_flatten(g, y));
    assert_int_equal(oc_graph_finish(g, NULL), OC_OK);
    return g;
}

typedef struct run {
    oc_graph *graph;
    oc_team *team;
    oc_slab *slab;
    oc_plan *plan;
    oc_weights weights;
    float *gradients;
} run;

static run open_run(oc_graph *graph, int threads, oc_plan_mode mode) {
    run r = {.graph = graph};
    oc_error err = {0};
    const size_t size = oc_table_arena_size(oc_graph_table(graph));
    assert_int_equal(oc_team_create(&r.team, threads, NULL), OC_OK);
    assert_int_equal(oc_slab_create(&r.slab, NULL), OC_OK);
    assert_int_equal(oc_alloc(&r.weights.arena, size, sizeof(float), NULL), OC_OK);
    assert_int_equal(oc_alloc(&r.gradients, size, sizeof(float), NULL), OC_OK);
    const oc_plan_options options = {.batch = BATCH, .mode = mode, .team = r.team, .slab = r.slab};
    if (oc_plan_create(&r.plan, graph, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    const oc_tensor *bias = oc_table_find(oc_graph_table(graph), "c.bias");
    for (size_t i = 0; i < C; i++) r.weights.arena[bias->offset + i] = 1;
    return r;
}

static void close_run(run *r) {
    oc_plan_destroy(&r->plan);
    oc_slab_destroy(&r->slab);
    oc_team_destroy(&r->team);
    oc_free(r->weights.arena);
    oc_free(r->gradients);
    oc_graph_destroy(&r->graph);
}

static void forward(run *r, float *dst) {
    memset(oc_plan_src(r->plan), 0, (size_t)BATCH * 2 * AREA * sizeof(float));
    assert_int_equal(oc_plan_forward(r->plan, &r->weights, NULL), OC_OK);
    memcpy(dst, oc_plan_dst(r->plan), FLOATS * sizeof *dst);
}

/* What the drop made of ones, for one (seed, step). */
static void drawn(kind kind, bool second, int threads, uint64_t seed, int64_t step, float *dst) {
    run r = open_run(create_graph(kind, 0.3, second), threads, OC_PLAN_TRAIN);
    oc_plan_set_draw(r.plan, seed, step);
    forward(&r, dst);
    close_run(&r);
}

static float *floats(void) {
    float *memory = NULL;
    assert_int_equal(oc_alloc(&memory, FLOATS, sizeof *memory, NULL), OC_OK);
    return memory;
}

/* Share of elements that are equal. */
static double agreement(const float *a, const float *b) {
    size_t same = 0;
    for (size_t i = 0; i < FLOATS; i++) same += a[i] == b[i];
    return (double)same / FLOATS;
}

static void test_statistics(void **state) {
    (void)state;
    static const double probabilities[] = {0.05, 0.3, 0.5, 0.9};
    float *dst = floats();
    for (int k = 0; k < 8; k++) {
        const double p = probabilities[k % 4];
        const kind kind = k / 4 ? ELEMENTS : PATH;
        run r = open_run(create_graph(kind, p, false), 2, OC_PLAN_TRAIN);
        double kept = 0, draws = 0;
        for (int step = 0; step < (kind == PATH ? 100 : 4); step++) {
            oc_plan_set_draw(r.plan, SEED, step);
            forward(&r, dst);
            for (size_t i = 0; i < FLOATS; i++) {
                assert_true(dst[i] == 0 || fabs(dst[i] * (1 - p) - 1) < 1e-6);
                /* A whole image has one fate. */
                if (kind == PATH && i % (C * AREA)) assert_true(dst[i] == dst[i - 1]);
                if (kind == PATH && i % (C * AREA)) continue;
                kept += dst[i] != 0, draws++;
            }
        }
        /* Four standard deviations. */
        const double allowed = 4 * sqrt(p * (1 - p) / draws);
        print_message("  %s p %.2f: kept %.4f of %.0f (allowed: off by %.4f)\n", kind == PATH ? "drop_path" : "dropout",
                      p, kept / draws, draws, allowed);
        assert_true(fabs(kept / draws - (1 - p)) < allowed);
        close_run(&r);
    }
    oc_free(dst);
}

static void test_keys(void **state) {
    (void)state;
    float *a = floats(), *b = floats();
    for (int k = PATH; k <= ELEMENTS; k++) {
        const kind kind = (enum kind)k;
        drawn(kind, false, 1, SEED, 7, a);
        for (int threads = 1; threads <= 3; threads++) {
            drawn(kind, false, threads, SEED, 7, b);
            assert_memory_equal(a, b, FLOATS * sizeof *a);
        }
        drawn(kind, false, 2, SEED + 1, 7, b);
        assert_true(agreement(a, b) < 0.85); /* 0.58 of what is drawn anew */
        drawn(kind, false, 2, SEED, 8, b);
        assert_true(agreement(a, b) < 0.85);
        drawn(kind, true, 2, SEED, 7, b);
        assert_true(agreement(a, b) < 0.85);
    }
    /* No two images have the same elements. */
    for (size_t n = 1; n < BATCH; n++) assert_memory_not_equal(a, a + n * C * AREA, C * AREA * sizeof *a);
    oc_free(a);
    oc_free(b);
}

/* A pass that is looked at again, and one that is repeated after others (as a run is resumed), draw the same. */
static void test_again(void **state) {
    (void)state;
    float *a = floats(), *b = floats();
    for (int k = PATH; k <= ELEMENTS; k++) {
        run r = open_run(create_graph((kind)k, 0.3, false), 2, OC_PLAN_TRAIN);
        oc_plan_set_draw(r.plan, SEED, 3);
        forward(&r, a);
        assert_null(oc_plan_non_finite(r.plan));
        assert_memory_equal(a, oc_plan_dst(r.plan), FLOATS * sizeof *a);
        oc_plan_set_draw(r.plan, SEED, 4);
        forward(&r, b);
        assert_true(agreement(a, b) < 0.85);
        oc_plan_set_draw(r.plan, SEED, 3);
        forward(&r, b);
        assert_memory_equal(a, b, FLOATS * sizeof *a);
        close_run(&r);
    }
    oc_free(a);
    oc_free(b);
}

/* With ones for the result's gradient, that of the convolution's bias counts what the forward pass has kept. */
static void test_backward(void **state) {
    (void)state;
    float *dst = floats();
    for (int k = PATH; k <= ELEMENTS; k++) {
        run r = open_run(create_graph((kind)k, 0.3, false), 2, OC_PLAN_TRAIN);
        oc_plan_set_draw(r.plan, SEED, 3);
        forward(&r, dst);
        /* The next step's draw is none of the backward pass's business. */
        oc_plan_set_draw(r.plan, SEED, 4);
        float *diff = oc_plan_diff_dst(r.plan);
        for (size_t i = 0; i < FLOATS; i++) diff[i] = 1;
        assert_int_equal(oc_plan_backward(r.plan, &r.weights, r.gradients, NULL), OC_OK);
        const oc_tensor *bias = oc_table_find(oc_graph_table(r.graph), "c.bias");
        for (size_t c = 0; c < C; c++) {
            double sum = 0;
            for (size_t i = 0; i < FLOATS; i++) sum += i / AREA % C == c ? dst[i] : 0;
            assert_true(fabs(r.gradients[bias->offset + c] - sum) < 1e-5 * sum);
        }
        close_run(&r);
    }
    oc_free(dst);
}

static void test_inference(void **state) {
    (void)state;
    float *dst = floats();
    for (int k = PATH; k <= ELEMENTS; k++) {
        run r = open_run(create_graph((kind)k, 0.9, false), 2, OC_PLAN_INFER);
        oc_plan_set_draw(r.plan, SEED, 3);
        forward(&r, dst);
        for (size_t i = 0; i < FLOATS; i++) assert_true(dst[i] == 1);
        close_run(&r);
        /* Probability 0 appends nothing, and no plan draws. */
        oc_graph *with = create_graph((kind)k, 0.9, false);
        r = open_run(create_graph((kind)k, 0, false), 2, OC_PLAN_TRAIN);
        assert_int_equal(oc_graph_nodes(with), oc_graph_nodes(r.graph) + 1);
        oc_plan_set_draw(r.plan, SEED, 3);
        forward(&r, dst);
        for (size_t i = 0; i < FLOATS; i++) assert_true(dst[i] == 1);
        oc_graph_destroy(&with);
        close_run(&r);
    }
    oc_free(dst);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics), cmocka_unit_test(test_keys),      cmocka_unit_test(test_again),
        cmocka_unit_test(test_backward),   cmocka_unit_test(test_inference),
    };
    print_message("seed %u\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
