/* Plans in bfloat16: every operator comes to what fp32 comes to but for rounding, with less memory; conversions between
 * layouts and data types; what the plan says of itself. Whole models are the matter of test_golden_bf16.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "compute/reorder.h"
#include "graph/ops.h"
#include "graph/plan.h"
#include "models/model.h"

#define SEED 20261130U
#define BATCH 8
#define SIZE 16
#define CLASSES 10

static const oc_init zero = {OC_INIT_CONSTANT, 0};

static oc_value conv(oc_graph *graph, const char *name, oc_value src, int64_t oc, int64_t kernel, int64_t stride,
                     int64_t groups) {
    return oc_op_conv(graph, name, src,
                      &(oc_conv_attr){.oc = oc,
                                      .kernel = kernel,
                                      .stride = stride,
                                      .pad = kernel / 2,
                                      .groups = groups,
                                      .bias = true,
                                      .weight_init = zero});
}

static oc_value norm(oc_graph *graph, const char *name, oc_value src) {
    return oc_op_batch_norm(graph, name, src, 1);
}

/* Every operator there is, channels that fill no block, convolutions that any algorithm takes. */
static oc_graph *create_graph(void) {
    oc_graph *graph = NULL;
    assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
    oc_value x = oc_graph_input(graph, 3, SIZE, SIZE);
    x = oc_op_relu(graph, norm(graph, "n0", conv(graph, "c0", x, 40, 3, 1, 1)));
    oc_value y = norm(graph, "n1", conv(graph, "c1", x, 40, 3, 1, 1));
    oc_value gate = conv(graph, "squeeze", oc_op_global_pool(graph, y), 8, 1, 1, 1);
    gate = oc_op_sigmoid(graph, conv(graph, "excite", oc_op_relu(graph, gate), 40, 1, 1, 1));
    y = oc_op_drop_path(graph, oc_op_scale(graph, y, gate), 0.2);
    x = oc_op_add(graph, oc_op_relu(graph, oc_op_add(graph, x, y)), x);
    oc_value a = oc_op_slice(graph, x, 0, 20), b = oc_op_sigmoid(graph, oc_op_slice(graph, x, 20, 20));
    x = oc_op_select(graph, a, b, conv(graph, "choose", oc_op_global_pool(graph, oc_op_add(graph, a, b)), 40, 1, 1, 1));
    x = norm(graph, "n2", conv(graph, "grouped", oc_op_max_pool(graph, x, 3, 2, 1), 20, 3, 1, 5));
    y = conv(graph, "narrow", x, 24, 1, 2, 1);
    x = oc_op_add(graph, oc_op_relu(graph, y),
                  conv(graph, "wide", oc_op_avg_pool(graph, x, 2, 2, 0, true), 24, 1, 1, 1));
    x = conv(graph, "c2", oc_op_subsample(graph, x, 2), 32, 3, 2, 1); /* one pixel */
    x = oc_op_dropout(graph, oc_op_flatten(graph, x), 0.2);
    oc_graph_output(graph, oc_op_linear(graph, "fc", x, CLASSES, zero, zero));
    assert_int_equal(oc_graph_finish(graph, NULL), OC_OK);
    return graph;
}

static float *floats(size_t count) {
    float *memory = NULL;
    assert_int_equal(oc_alloc(&memory, count, sizeof *memory, NULL), OC_OK);
    return memory;
}

static void fill(float *dst, size_t count, uint64_t seed, double low, double high) {
    oc_random random;
    oc_random_init(&random, SEED, OC_RANDOM_TEST, 11, seed);
    for (size_t i = 0; i < count; i++) dst[i] = (float)oc_random_range(&random, low, high);
}

static void fill_weights(const oc_table *table, float *arena) {
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        const bool positive = tensor->init.value == 1; /* γ and running variances */
        fill(arena + tensor->offset, tensor->count, i, positive ? 0.5 : -0.3, positive ? 1.5 : 0.3);
    }
}

typedef struct fixture {
    oc_team *team;
    oc_slab *slab;
    oc_graph *graph;
    oc_weights weights;
    size_t count; /* of the arena */
} fixture;

static int setup(void **state) {
    static fixture f;
    f = (fixture){.graph = create_graph()};
    assert_int_equal(oc_team_create(&f.team, 2, NULL), OC_OK);
    assert_int_equal(oc_slab_create(&f.slab, NULL), OC_OK);
    f.count = oc_table_arena_size(oc_graph_table(f.graph));
    f.weights.arena = floats(f.count);
    fill_weights(oc_graph_table(f.graph), f.weights.arena);
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    oc_slab_destroy(&f->slab);
    oc_team_destroy(&f->team);
    oc_graph_destroy(&f->graph);
    oc_free(f->weights.arena);
    return 0;
}

static oc_plan *create_plan(const fixture *f, const oc_graph *graph, int64_t batch, oc_plan_mode mode,
                            oc_precision precision) {
    oc_plan *plan = NULL;
    oc_error err = {0};
    const oc_plan_options options = {
        .batch = batch, .mode = mode, .precision = precision, .team = f->team, .slab = f->slab};
    if (oc_plan_create(&plan, graph, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    return plan;
}

/* The output, and in training the gradients; whatever else there is in the slab. */
static void compute(fixture *f, oc_plan_mode mode, oc_precision precision, float *dst, float *gradients) {
    oc_plan *plan = create_plan(f, f->graph, BATCH, mode, precision);
    oc_plan_set_draw(plan, SEED, 3);
    fill(oc_plan_src(plan), BATCH * 3 * SIZE * SIZE, 100, -1, 1);
    assert_int_equal(oc_plan_forward(plan, &f->weights, NULL), OC_OK);
    memcpy(dst, oc_plan_dst(plan), BATCH * CLASSES * sizeof *dst);
    if (mode == OC_PLAN_TRAIN) {
        fill(oc_plan_diff_dst(plan), BATCH * CLASSES, 101, -1, 1);
        assert_int_equal(oc_plan_backward(plan, &f->weights, gradients, NULL), OC_OK);
    }
    oc_plan_destroy(&plan);
}

/* ‖a − b‖ ÷ ‖b‖. */
static double off(const float *a, const float *b, size_t count) {
    double between = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        between += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)b[i] * b[i];
    }
    return sqrt(between / norm);
}

/* bfloat16 has eight binary digits; where a ReLU is open or a pixel the largest in one of the two alone, a whole
 * gradient comes or goes. */
static void test_operators(void **state) {
    fixture *f = *state;
    float want[BATCH * CLASSES], is[BATCH * CLASSES];
    float *exact = floats(f->count), *rounded = floats(f->count);
    compute(f, OC_PLAN_INFER, OC_PRECISION_FP32, want, NULL);
    compute(f, OC_PLAN_INFER, OC_PRECISION_BF16, is, NULL);
    print_message("inference is off by %.2g\n", off(is, want, BATCH * CLASSES));
    assert_true(off(is, want, BATCH * CLASSES) < 0.01);
    compute(f, OC_PLAN_TRAIN, OC_PRECISION_FP32, want, exact);
    compute(f, OC_PLAN_TRAIN, OC_PRECISION_BF16, is, rounded);
    print_message("training is off by %.2g\n", off(is, want, BATCH * CLASSES));
    assert_true(off(is, want, BATCH * CLASSES) < 0.02);
    const oc_table *table = oc_graph_table(f->graph);
    double worst = 0;
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *t = oc_table_at(table, i);
        const bool idle = strcmp(t->name, "c0.bias") == 0 || strcmp(t->name, "c1.bias") == 0 ||
                          strcmp(t->name, "grouped.bias") == 0; /* before a batch norm: rounding is all there is */
        if (!t->parameter || idle) continue;
        const double error = off(rounded + t->offset, exact + t->offset, t->count);
        if (!(error < 0.3)) fail_msg("the gradient of %s is off by %g", t->name, error);
        worst = fmax(worst, error);
    }
    print_message("gradients are off by at most %.2g\n", worst);
    oc_free(exact);
    oc_free(rounded);
}

/* Repeated, it is the same to the bit. */
static void test_same_bits(void **state) {
    fixture *f = *state;
    float dst[2][BATCH * CLASSES], *gradients[2] = {floats(f->count), floats(f->count)};
    for (int i = 0; i < 2; i++) compute(f, OC_PLAN_TRAIN, OC_PRECISION_BF16, dst[i], gradients[i]);
    assert_memory_equal(dst[0], dst[1], sizeof dst[0]);
    assert_memory_equal(gradients[0], gradients[1], f->count * sizeof(float));
    for (int i = 0; i < 2; i++) oc_free(gradients[i]);
}

static void test_not_finite(void **state) {
    fixture *f = *state;
    const oc_tensor *weight = oc_table_find(oc_graph_table(f->graph), "grouped.weight");
    oc_plan *plan = create_plan(f, f->graph, BATCH, OC_PLAN_TRAIN, OC_PRECISION_BF16);
    fill(oc_plan_src(plan), BATCH * 3 * SIZE * SIZE, 100, -1, 1);
    assert_int_equal(oc_plan_forward(plan, &f->weights, NULL), OC_OK);
    assert_null(oc_plan_non_finite(plan));
    const float before = f->weights.arena[weight->offset];
    f->weights.arena[weight->offset] = 3e38F; /* finite, but its products are not */
    f->weights.version++;
    assert_int_equal(oc_plan_forward(plan, &f->weights, NULL), OC_OK);
    assert_string_equal(oc_plan_non_finite(plan), "grouped");
    f->weights.arena[weight->offset] = before;
    f->weights.version++;
    oc_plan_destroy(&plan);
}

/* Bytes of the slab that the plan's text tells. */
static size_t slab_of(const fixture *f, const oc_graph *graph, int64_t batch, oc_precision precision) {
    oc_plan *plan = create_plan(f, graph, batch, OC_PLAN_TRAIN, precision);
    char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(oc_plan_describe(plan, &text, NULL), OC_OK);
    assert_non_null(strstr(text, precision == OC_PRECISION_BF16 ? ", training, bf16, " : ", training, fp32, "));
    assert_true((strstr(text, "dst bf16 aBcd") != NULL) == (precision == OC_PRECISION_BF16));
    const char *slab = strstr(text, "slab ");
    assert_non_null(slab);
    assert_int_equal(sscanf(slab, "slab %zu bytes", &bytes), 1);
    oc_free(text);
    oc_plan_destroy(&plan);
    return bytes;
}

static void test_memory(void **state) {
    const fixture *f = *state;
    static const char *const models[] = {"myresnet-small", "seresnet18"}, *const classes[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        oc_model *model = NULL;
        assert_int_equal(oc_model_create(&model, models[i], classes, 2, 64, NULL, NULL), OC_OK);
        const size_t fp32 = slab_of(f, model->graph, 16, OC_PRECISION_FP32);
        const size_t bf16 = slab_of(f, model->graph, 16, OC_PRECISION_BF16);
        print_message("%s, batch 16: %.1f MiB in fp32, %.1f in bf16\n", models[i], (double)fp32 / 0x1p20,
                      (double)bf16 / 0x1p20);
        assert_true((double)bf16 < 0.7 * (double)fp32);
        oc_model_destroy(&model);
    }
}

/* ---- Conversions ---- */

static void convert(oc_engine *engine, const oc_layout *from, const void *src, const oc_layout *to, void *dst) {
    oc_primitive *primitive = NULL;
    oc_error err = {0};
    if (oc_reorder_create(&primitive, engine, "here", from, to, &err) != OC_OK) fail_msg("%s", err.message);
    assert_int_equal(oc_primitive_bind(primitive, OC_SLOT_SRC, (void *)(uintptr_t)src, NULL), OC_OK);
    assert_int_equal(oc_primitive_bind(primitive, OC_SLOT_DST, dst, NULL), OC_OK);
    assert_int_equal(oc_primitive_execute(primitive, NULL), OC_OK);
    oc_primitive_destroy(&primitive);
}

/* From plain floats to every layout of bfloat16, on to every other, and back: what bfloat16 can hold comes home. */
static void test_conversions(void **state) {
    const fixture *f = *state;
    const oc_shape shape = oc_shape_make(4, 2, 21, 5, 3);
    const oc_layout plain = oc_layout_plain(OC_F32, &shape);
    const oc_layout forms[] = {oc_layout_plain(OC_BF16, &shape), oc_layout_blocked(OC_BF16, &shape, 8),
                               oc_layout_blocked(OC_BF16, &shape, 16), oc_layout_channels_last(OC_BF16, &shape)};
    const size_t count = (size_t)oc_layout_count(&plain);
    float *src = floats(count), *back = floats(count);
    unsigned char *one = NULL, *other = NULL;
    oc_engine *engine = NULL;
    assert_int_equal(oc_engine_create(&engine, f->team, NULL), OC_OK);
    assert_int_equal(oc_alloc(&one, 2 * 2 * 32 * 15, 1, NULL), OC_OK);
    assert_int_equal(oc_alloc(&other, 2 * 2 * 32 * 15, 1, NULL), OC_OK);
    for (size_t i = 0; i < count; i++) src[i] = (float)((int)(i % 251) - 125) / 64; /* of seven binary digits */
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            convert(engine, &plain, src, &forms[i], one);
            convert(engine, &forms[i], one, &forms[j], other);
            memset(back, 0xff, count * sizeof *back);
            convert(engine, &forms[j], other, &plain, back);
            assert_memory_equal(src, back, count * sizeof *src);
        }
    src[7] = 1 + 0x1.8p-8F; /* between two, nearer to the upper one */
    convert(engine, &plain, src, &forms[0], one);
    convert(engine, &forms[0], one, &plain, back);
    assert_true(back[7] == 1 + 0x1p-7F);
    oc_engine_destroy(&engine);
    oc_free(src);
    oc_free(back);
    oc_free(one);
    oc_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operators), cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_not_finite), cmocka_unit_test(test_memory),
                                       cmocka_unit_test(test_conversions)};
    printf("seed %u\n", SEED);
    return cmocka_run_group_tests(tests, setup, teardown);
}
