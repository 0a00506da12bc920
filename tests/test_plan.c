/* Plans as a whole: memory and its reuse, working copies and when they are refreshed, repeatability, profile,
 * description, errors. That their numbers are right is the matter of test_operators.c and test_golden.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "graph/ops.h"
#include "graph/plan_internal.h"
#include "support/net.h"

#define SEED 20250302U
#define BATCH 4
#define CLASSES 10

static const oc_init zero = {OC_INIT_CONSTANT, 0};

static oc_value conv(oc_graph *graph, const char *name, oc_value src, int64_t oc) {
    return oc_op_conv(graph, name, src,
                      &(oc_conv_attr){.oc = oc, .kernel = 3, .stride = 1, .pad = 1, .bias = true, .weight_init = zero});
}

/* A little of everything: channels that fill no block, a residual block whose input is added twice, a pool. */
static oc_graph *create_graph(void) {
    oc_graph *graph = NULL;
    assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
    oc_value x = oc_graph_input(graph, 3, 8, 8);
    x = oc_op_relu(graph, oc_op_batch_norm(graph, "n0", conv(graph, "c0", x, 12), 1));
    oc_value y = oc_op_relu(graph, oc_op_batch_norm(graph, "n1", conv(graph, "c1", x, 12), 1));
    y = oc_op_batch_norm(graph, "n2", conv(graph, "c2", y, 12), 1);
    x = oc_op_add(graph, oc_op_relu(graph, oc_op_add(graph, x, y)), x);
    x = oc_op_max_pool(graph, x, 2, 2, 0);
    oc_graph_output(graph, oc_op_linear(graph, "fc", oc_op_flatten(graph, x), CLASSES, zero, zero));
    assert_int_equal(oc_graph_finish(graph, NULL), OC_OK);
    return graph;
}

typedef struct fixture {
    oc_graph *graph;
    oc_team *team;
    oc_slab *slab;
    oc_weights weights;
    size_t floats;
    float *gradients;
} fixture;

static float *floats(size_t count) {
    float *memory = NULL;
    assert_int_equal(oc_alloc(&memory, count, sizeof *memory, NULL), OC_OK);
    return memory;
}

static void fill(float *dst, size_t count, uint64_t seed, double low, double high) {
    oc_random random;
    oc_random_init(&random, seed, OC_RANDOM_TEST, 3, 0);
    for (size_t i = 0; i < count; i++) dst[i] = (float)(low + (high - low) * oc_random_uniform(&random));
}

static void fill_weights(const fixture *f, float *arena, uint64_t seed) {
    const oc_table *table = oc_graph_table(f->graph);
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        bool positive = tensor->init.value == 1; /* γ and running variances */
        fill(arena + tensor->offset, tensor->count, seed + i, positive ? 0.5 : -0.3, positive ? 1.5 : 0.3);
    }
}

static int setup(void **state) {
    fixture *f = NULL;
    assert_int_equal(oc_alloc(&f, 1, sizeof *f, NULL), OC_OK);
    f->graph = create_graph();
    assert_int_equal(oc_team_create(&f->team, 2, NULL), OC_OK);
    assert_int_equal(oc_slab_create(&f->slab, NULL), OC_OK);
    f->floats = oc_table_arena_size(oc_graph_table(f->graph));
    f->weights.arena = floats(f->floats);
    f->gradients = floats(f->floats);
    fill_weights(f, f->weights.arena, SEED);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    oc_slab_destroy(&f->slab);
    oc_team_destroy(&f->team);
    oc_graph_destroy(&f->graph);
    oc_free(f->weights.arena);
    oc_free(f->gradients);
    oc_free(f);
    return 0;
}

static oc_plan *create_plan(const fixture *f, int64_t batch, oc_plan_mode mode, oc_slab *slab) {
    oc_plan *plan = NULL;
    oc_error err = {0};
    oc_plan_options options = {.batch = batch, .mode = mode, .team = f->team, .slab = slab};
    if (oc_plan_create(&plan, f->graph, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    return plan;
}

static void forward(fixture *f, oc_plan *plan, int64_t batch, uint64_t seed, float *dst) {
    fill(oc_plan_src(plan), (size_t)batch * 3 * 8 * 8, seed, -1, 1);
    assert_int_equal(oc_plan_forward(plan, &f->weights, NULL), OC_OK);
    memcpy(dst, oc_plan_dst(plan), (size_t)batch * CLASSES * sizeof *dst);
}

static void backward(fixture *f, oc_plan *plan, uint64_t seed, float *gradients) {
    fill(oc_plan_diff_dst(plan), BATCH * CLASSES, seed, -1, 1);
    assert_int_equal(oc_plan_backward(plan, &f->weights, gradients, NULL), OC_OK);
}

static double difference(const float *a, const float *b, size_t count) {
    double worst = 0;
    for (size_t i = 0; i < count; i++) worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
    return worst;
}

/* No two buffers that are alive at the same time share a byte, unless one was put over the other in place. */
static void assert_apart(const oc_plan *plan) {
    size_t sum = 0;
    for (int i = 0; i < plan->buffers; i++) {
        const oc_buffer_info *a = &plan->buffer[i];
        if (a->space != OC_SPACE_SLAB || a->last < 0) continue;
        assert_int_equal(a->offset % OC_ALIGNMENT, 0);
        assert_true(a->offset + a->bytes <= plan->slab_bytes);
        sum += a->bytes;
        for (int j = 0; j < i; j++) {
            const oc_buffer_info *b = &plan->buffer[j];
            if (b->space != OC_SPACE_SLAB || b->last < 0) continue;
            bool together = a->first <= b->last && b->first <= a->last;
            bool apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            bool handed_over = a->offset == b->offset && a->bytes == b->bytes &&
                               (a->root == j || b->root == i || (a->root == b->root && a->root != i && b->root != j));
            assert_true(!together || apart || handed_over);
        }
    }
    assert_true(plan->slab_bytes < sum);
}

static void test_memory(void **state) {
    fixture *f = *state;
    oc_plan *train = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
    size_t bytes = oc_slab_bytes(f->slab);
    assert_apart(train);
    assert_true(bytes >= train->slab_bytes);
    oc_plan *infer = create_plan(f, BATCH, OC_PLAN_INFER, f->slab);
    assert_apart(infer);
    assert_true(infer->slab_bytes < train->slab_bytes / 2);
    const oc_plan_memory memory = oc_plan_memory_of(train);
    size_t used = 0;
    for (int use = 0; use < OC_USES; use++) used += memory.used[use];
    assert_int_equal(used, memory.live);
    assert_true(memory.live <= memory.slab && memory.slab == train->slab_bytes);
    assert_true(memory.used[OC_USE_ACTIVATIONS] >= sizeof(float) * BATCH * 3 * 8 * 8 && memory.layer[0]);
    assert_int_equal(oc_plan_memory_of(infer).used[OC_USE_GRADIENTS], 0);
    assert_int_equal(oc_slab_bytes(f->slab), bytes);
    oc_plan_destroy(&train);
    oc_plan_destroy(&infer);
    assert_null(infer);
}

/* Two plans that take turns on one slab give the bits that each gives alone, also after the slab has moved. */
static void test_shared_slab(void **state) {
    fixture *f = *state;
    float alone[2][BATCH * CLASSES], together[2][BATCH * CLASSES];
    oc_slab *own = NULL;
    float *gradients = floats(f->floats), *statistics = floats(f->floats);
    memcpy(statistics, f->weights.arena, f->floats * sizeof(float));
    assert_int_equal(oc_slab_create(&own, NULL), OC_OK);
    oc_plan *plan = create_plan(f, BATCH, OC_PLAN_TRAIN, own);
    forward(f, plan, BATCH, 1, alone[0]);
    backward(f, plan, 2, gradients);
    oc_plan_destroy(&plan);
    plan = create_plan(f, 2, OC_PLAN_INFER, own);
    forward(f, plan, 2, 3, alone[1]);
    oc_plan_destroy(&plan);
    oc_slab_destroy(&own);

    memcpy(f->weights.arena, statistics, f->floats * sizeof(float));
    oc_plan *infer = create_plan(f, 2, OC_PLAN_INFER, f->slab);
    forward(f, infer, 2, 5, together[1]);
    oc_plan *train = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
    forward(f, infer, 2, 5, together[1]);
    forward(f, train, BATCH, 1, together[0]);
    backward(f, train, 2, f->gradients);
    forward(f, infer, 2, 3, together[1]);
    assert_memory_equal(alone[0], together[0], sizeof alone[0]);
    assert_memory_equal(alone[1], together[1], 2 * CLASSES * sizeof(float));
    assert_memory_equal(gradients, f->gradients, f->floats * sizeof(float));
    oc_plan_destroy(&train);
    oc_plan_destroy(&infer);
    oc_free(gradients);
    oc_free(statistics);
}

/* A plan that yields has nothing of its own, and gives the same bits as one that does not, whatever another plan does
 * to the slab in between. */
static void test_yields(void **state) {
    fixture *f = *state;
    float want[BATCH * CLASSES], got[BATCH * CLASSES], other[BATCH * CLASSES];
    oc_plan *plan = create_plan(f, BATCH, OC_PLAN_INFER, f->slab), *yielding = NULL, *second = NULL;
    const oc_plan_options options = {
        .batch = BATCH, .mode = OC_PLAN_INFER, .team = f->team, .slab = f->slab, .yields = true};
    assert_int_equal(oc_plan_create(&yielding, f->graph, &options, NULL), OC_OK);
    assert_apart(yielding);
    assert_true(plan->own_bytes > 0 && yielding->own_bytes == 0);
    assert_true(yielding->slab_bytes >= plan->slab_bytes + plan->own_bytes);
    assert_int_equal(oc_plan_memory_of(plan).used[OC_USE_COPIES], 0);
    assert_true(oc_plan_memory_of(yielding).used[OC_USE_COPIES] >= plan->own_bytes / 2);
    forward(f, plan, BATCH, 1, want);
    forward(f, yielding, BATCH, 1, got);
    assert_memory_equal(got, want, sizeof want);
    forward(f, yielding, BATCH, 1, got); /* without another in between */
    assert_memory_equal(got, want, sizeof want);
    fill(oc_plan_src(plan), BATCH * 3 * 8 * 8, 9, -1, 1); /* a batch alone is enough */
    forward(f, yielding, BATCH, 1, got);
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(oc_plan_create(&second, f->graph, &options, NULL), OC_OK);
    forward(f, yielding, BATCH, 1, got);
    assert_memory_equal(got, want, sizeof want);
    forward(f, second, BATCH, 2, other);
    forward(f, yielding, BATCH, 1, got);
    assert_memory_equal(got, want, sizeof want);
    oc_plan_destroy(&second);
    oc_plan_destroy(&yielding);
    oc_plan_destroy(&plan);
}

static void test_refresh(void **state) {
    fixture *f = *state;
    float first[BATCH * CLASSES], second[BATCH * CLASSES], fresh[BATCH * CLASSES];
    oc_plan *plan = create_plan(f, BATCH, OC_PLAN_INFER, f->slab), *other = NULL;
    forward(f, plan, BATCH, 1, first);
    fill_weights(f, f->weights.arena, SEED + 1000);
    f->weights.version++;
    forward(f, plan, BATCH, 1, second);
    assert_true(difference(first, second, BATCH * CLASSES) > 1e-3);
    other = create_plan(f, BATCH, OC_PLAN_INFER, f->slab);
    forward(f, other, BATCH, 1, fresh);
    assert_memory_equal(second, fresh, sizeof fresh);

    /* Running statistics move without a new version. */
    const oc_tensor *mean = oc_table_find(oc_graph_table(f->graph), "n1.running_mean");
    f->weights.arena[mean->offset] += 1;
    forward(f, plan, BATCH, 1, first);
    assert_true(difference(first, second, BATCH * CLASSES) > 1e-4);

    /* Another arena with the same version is another set of weights. */
    float *arena = floats(f->floats), *old = f->weights.arena;
    fill_weights(f, arena, SEED);
    f->weights.arena = arena;
    forward(f, plan, BATCH, 1, first);
    oc_plan_destroy(&other);
    other = create_plan(f, BATCH, OC_PLAN_INFER, f->slab);
    forward(f, other, BATCH, 1, fresh);
    assert_memory_equal(first, fresh, sizeof fresh);
    f->weights.arena = old;
    oc_free(arena);
    oc_plan_destroy(&plan);
    oc_plan_destroy(&other);
}

static void test_gradients_overwritten(void **state) {
    fixture *f = *state;
    float dst[2][BATCH * CLASSES];
    float *again = floats(f->floats);
    const oc_table *table = oc_graph_table(f->graph);
    oc_plan *plan = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
    for (size_t i = 0; i < f->floats; i++) f->gradients[i] = again[i] = 77;
    forward(f, plan, BATCH, 1, dst[0]);
    backward(f, plan, 2, f->gradients);
    forward(f, plan, BATCH, 1, dst[1]);
    backward(f, plan, 3, again);
    assert_memory_not_equal(again, f->gradients, f->floats * sizeof(float));
    forward(f, plan, BATCH, 1, dst[1]);
    backward(f, plan, 2, again); /* over what is there */
    assert_memory_equal(dst[0], dst[1], sizeof dst[0]);
    assert_memory_equal(again, f->gradients, f->floats * sizeof(float));
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        for (size_t j = 0; j < tensor->count; j++) assert_int_equal(again[tensor->offset + j] != 77, tensor->parameter);
    }
    oc_plan_destroy(&plan);
    oc_free(again);
}

static void test_same_bits(void **state) {
    fixture *f = *state;
    float dst[2][BATCH * CLASSES];
    float *arena = floats(f->floats), *gradients = floats(f->floats);
    memcpy(arena, f->weights.arena, f->floats * sizeof(float));
    for (int i = 0; i < 2; i++) {
        oc_plan *plan = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
        memcpy(f->weights.arena, arena, f->floats * sizeof(float));
        for (int step = 0; step < 3; step++) {
            forward(f, plan, BATCH, (uint64_t)step, dst[i]);
            backward(f, plan, 9, i ? f->gradients : gradients);
        }
        oc_plan_destroy(&plan);
    }
    assert_memory_equal(dst[0], dst[1], sizeof dst[0]);
    assert_memory_equal(gradients, f->gradients, f->floats * sizeof(float));
    oc_free(arena);
    oc_free(gradients);
}

static void test_non_finite(void **state) {
    fixture *f = *state;
    float dst[BATCH * CLASSES];
    const oc_table *table = oc_graph_table(f->graph);
    const oc_tensor *weight = oc_table_find(table, "c1.weight"), *mean = oc_table_find(table, "n0.running_mean");
    oc_plan *plan = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
    forward(f, plan, BATCH, 1, dst);
    float before = f->weights.arena[mean->offset];
    assert_null(oc_plan_non_finite(plan));
    assert_true(before == f->weights.arena[mean->offset]);
    f->weights.arena[weight->offset + 5] = INFINITY;
    f->weights.version++;
    forward(f, plan, BATCH, 1, dst);
    assert_string_equal(oc_plan_non_finite(plan), "c1");
    oc_plan_src(plan)[7] = NAN;
    assert_int_equal(oc_plan_forward(plan, &f->weights, NULL), OC_OK);
    assert_string_equal(oc_plan_non_finite(plan), "input");
    oc_plan_destroy(&plan);
}

/* Steps of one kind of a layer that are of the bare floor. */
static int count_steps(const oc_plan *plan, const char *layer, oc_step_kind kind) {
    int count = 0;
    for (int i = 0; i < oc_plan_steps(plan); i++) {
        const oc_step_info step = oc_plan_step_info(plan, i);
        count += step.product && step.kind == kind && strcmp(step.layer, layer) == 0;
    }
    return count;
}

static void test_steps(void **state) {
    fixture *f = *state;
    float dst[BATCH * CLASSES];
    oc_plan *plan = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
    forward(f, plan, BATCH, 1, dst);
    for (int i = 0; i < oc_plan_steps(plan); i++) assert_true(oc_plan_step_info(plan, i).seconds == 0);
    oc_plan_profile(plan, true);
    forward(f, plan, BATCH, 1, dst);
    backward(f, plan, 2, f->gradients);
    oc_plan_profile(plan, false);
    for (int i = 0; i < oc_plan_steps(plan); i++) {
        const oc_step_info step = oc_plan_step_info(plan, i);
        const oc_node_info info = oc_graph_node_info(f->graph, step.node);
        assert_string_equal(step.op, info.op);
        assert_string_equal(step.layer, info.name[0] ? info.name : info.op);
        assert_true(step.seconds > 0 && step.bytes > 0 && step.algorithm[0]);
        assert_true(step.flops == (step.product ? 2.0 * BATCH * (double)info.macs : 0));
        assert_true(!step.product || strcmp(step.op, "conv") == 0 || strcmp(step.op, "linear") == 0);
        if (strcmp(step.op, "add") == 0) assert_string_equal(step.algorithm, "own");
        /* Source, filter, bias and result, channels filled up to blocks in both maps. */
        if (step.product && step.kind == OC_STEP_FORWARD && strcmp(step.layer, "c1") == 0) {
            const double maps = 2 * BATCH * 16 * 8 * 8, weights = 12 * 12 * 3 * 3 + 12;
            assert_true(step.bytes >= sizeof(float) * (maps + weights) && step.bytes < 8 * sizeof(float) * maps);
        }
    }
    static const char *const layers[] = {"c0", "c1", "c2", "fc"};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        assert_int_equal(count_steps(plan, layers[i], OC_STEP_FORWARD), 1);
        assert_int_equal(count_steps(plan, layers[i], OC_STEP_BACKWARD_DATA), i > 0);
        assert_int_equal(count_steps(plan, layers[i], OC_STEP_BACKWARD_WEIGHTS), 1);
    }
    oc_plan_profile_reset(plan);
    for (int i = 0; i < oc_plan_steps(plan); i++) assert_true(oc_plan_step_info(plan, i).seconds == 0);
    oc_plan_destroy(&plan);
}

/* The gradients of a convolution whose result is used twice are summed by a step of its own, which is not its product.
 */
static void test_products_of_two_uses(void **state) {
    fixture *f = *state;
    oc_graph *graph = NULL;
    oc_plan *plan = NULL;
    assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
    const oc_value x = conv(graph, "c", oc_graph_input(graph, 3, 8, 8), 12);
    const oc_value y = oc_op_add(graph, oc_op_sigmoid(graph, x), x);
    oc_graph_output(graph, oc_op_linear(graph, "fc", oc_op_flatten(graph, y), CLASSES, zero, zero));
    assert_int_equal(oc_graph_finish(graph, NULL), OC_OK);
    const oc_plan_options options = {.batch = BATCH, .mode = OC_PLAN_TRAIN, .team = f->team, .slab = f->slab};
    assert_int_equal(oc_plan_create(&plan, graph, &options, NULL), OC_OK);
    int sums = 0;
    for (int i = 0; i < oc_plan_steps(plan); i++) {
        const oc_step_info step = oc_plan_step_info(plan, i);
        sums += step.kind == OC_STEP_BACKWARD_DATA && strcmp(step.layer, "c") == 0;
    }
    assert_int_equal(sums, 1);
    assert_int_equal(count_steps(plan, "c", OC_STEP_BACKWARD_DATA), 0);
    assert_int_equal(count_steps(plan, "c", OC_STEP_BACKWARD_WEIGHTS), 1);
    oc_plan_destroy(&plan);
    oc_graph_destroy(&graph);
}

/* The bare floor runs in both modes, and whatever it left in memory, the next step is the one that would have been. */
static void test_products(void **state) {
    fixture *f = *state;
    float first[BATCH * CLASSES], again[BATCH * CLASSES];
    float *gradients = floats(f->floats);
    oc_plan *plan = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
    forward(f, plan, BATCH, 1, first);
    backward(f, plan, 2, f->gradients);
    memcpy(gradients, f->gradients, f->floats * sizeof *gradients);
    for (size_t i = 0; i < f->floats; i++) f->gradients[i] = NAN;
    assert_int_equal(oc_plan_run_products(plan, NULL), OC_OK);
    const oc_table *table = oc_graph_table(f->graph);
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        const bool made = tensor->name[0] == 'c' || tensor->name[0] == 'f'; /* not a norm's */
        assert_true(made == !isnan(f->gradients[tensor->offset]));
    }
    forward(f, plan, BATCH, 1, again);
    backward(f, plan, 2, f->gradients);
    assert_memory_equal(first, again, sizeof first);
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        if (tensor->parameter)
            assert_memory_equal(gradients + tensor->offset, f->gradients + tensor->offset,
                                tensor->count * sizeof *gradients);
    }
    oc_plan_destroy(&plan);
    plan = create_plan(f, BATCH, OC_PLAN_INFER, f->slab);
    forward(f, plan, BATCH, 1, first);
    assert_int_equal(oc_plan_run_products(plan, NULL), OC_OK);
    forward(f, plan, BATCH, 1, again);
    assert_memory_equal(first, again, sizeof first);
    oc_plan_destroy(&plan);
    oc_free(gradients);
}

static void test_describe(void **state) {
    fixture *f = *state;
    static const char *const layers[] = {"c0:", "n0:", "c1:", "n2:", "add:", "max_pool:", "fc:"};
    char *text[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        oc_plan *plan = create_plan(f, BATCH, OC_PLAN_TRAIN, f->slab);
        assert_int_equal(oc_plan_describe(plan, &text[i], NULL), OC_OK);
        oc_plan_destroy(&plan);
    }
    assert_string_equal(text[0], text[1]);
    assert_null(strstr(text[0], "ref:"));
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) assert_non_null(strstr(text[0], layers[i]));
    oc_free(text[0]);
    oc_free(text[1]);
}

/* Keeps the line of a log. */
static void on_line(void *user, oc_log_level level, const char *line) {
    assert_int_equal(level, OC_LOG_WARN);
    assert_string_equal(user, ""); /* one line */
    snprintf(user, 512, "%s", line);
}

static oc_plan *create_guided(const fixture *f, const char *choices, char line[512]) {
    oc_plan *plan = NULL;
    const oc_log log = {on_line, line};
    const oc_plan_options options = {.batch = BATCH,
                                     .mode = OC_PLAN_TRAIN,
                                     .team = f->team,
                                     .slab = f->slab,
                                     .guide = {.choices = choices, .log = &log}};
    line[0] = '\0';
    assert_int_equal(oc_plan_create(&plan, f->graph, &options, NULL), OC_OK);
    return plan;
}

/* Of the step of a layer that is a product of that kind. */
static const char *runner_up(const oc_plan *plan, const char *layer, const char *kind) {
    for (int i = 0; i < oc_plan_steps(plan); i++) {
        const oc_step_info step = oc_plan_step_info(plan, i);
        if (step.product && strcmp(step.layer, layer) == 0 && strcmp(oc_step_kind_text(step.kind), kind) == 0)
            return step.runner_up;
    }
    return NULL;
}

/* Every pass of every convolution has its ranking, and what is in front is what the plan does. */
static void test_rankings(void **state) {
    fixture *f = *state;
    char line[512], *text = NULL;
    oc_plan *plan = create_guided(f, NULL, line);
    int passes[3] = {0};
    assert_int_equal(oc_plan_describe(plan, &text, NULL), OC_OK);
    assert_int_equal(oc_plan_rankings(plan), 3 + 3 + 2); /* nobody wants the image's gradient */
    for (int i = 0; i < oc_plan_rankings(plan); i++) {
        static const char *const kinds[] = {"forward", "backward data", "backward weights"};
        const oc_plan_ranking *r = oc_plan_ranking_at(plan, i);
        char wanted[256];
        passes[r->pass]++;
        assert_string_equal(plan->graph->node[r->node].op->name, "conv");
        assert_true(r->ranking.count > 0);
        snprintf(wanted, sizeof wanted, "%s: %s: convolution %s: %s", plan->graph->node[r->node].name, kinds[r->pass],
                 (const char *[]){"forward", "backward by data", "backward by weights"}[r->pass],
                 oc_conv_algorithm_name(r->ranking.candidate[0].algorithm));
        if (!strstr(text, wanted)) fail_msg("%s: not in the plan", wanted);
        assert_string_equal(runner_up(plan, plan->graph->node[r->node].name, kinds[r->pass]),
                            r->ranking.count > 1 ? oc_conv_algorithm_name(r->ranking.candidate[1].algorithm) : "");
    }
    assert_true(passes[0] == 3 && passes[1] == 2 && passes[2] == 3);
    oc_free(text);
    oc_plan_destroy(&plan);
}

/* A recorded plan is followed without a word; of what it has not, or what is unknown here, one line tells. */
static void test_guide(void **state) {
    fixture *f = *state;
    char line[512], *text = NULL, *again = NULL;
    oc_plan *plan = create_guided(f, NULL, line);
    assert_int_equal(oc_plan_describe(plan, &text, NULL), OC_OK);
    oc_plan_destroy(&plan);
    plan = create_guided(f, text, line);
    assert_string_equal(line, "");
    oc_plan_destroy(&plan);

    static const char *const recorded =
        "c0: forward: convolution forward: direct\nc0: backward weights: convolution backward by weights: magic (own)\n"
        "c1: forward: convolution forward: direct, src f32 abcd\n"
        "c1: backward data: convolution backward by data: direct\n"
        "c1: backward weights: convolution backward by weights: direct\nc2: forward: convolution forward: direct\n"
        "c2: backward data: convolution backward by data: direct\n";
    plan = create_guided(f, recorded, line);
    assert_string_equal(line,
                        "algorithms of the recorded plan that this processor, library or version lacks are chosen "
                        "anew: c2 backward weights: none named, c0 backward weights: magic");
    assert_int_equal(oc_plan_describe(plan, &again, NULL), OC_OK);
    assert_non_null(strstr(again, "c1: forward: convolution forward: direct"));
    assert_null(strstr(again, "magic"));
    oc_plan_destroy(&plan);
    oc_free(text);
    oc_free(again);
}

static void assert_refused(const fixture *f, const oc_graph *graph, oc_plan_options options, const char *message) {
    oc_plan *plan = NULL;
    oc_error err = {0};
    options.team = f->team;
    options.slab = f->slab;
    assert_int_equal(oc_plan_create(&plan, graph, &options, &err), OC_E_USAGE);
    assert_null(plan);
    assert_non_null(strstr(err.message, message));
}

static void test_errors(void **state) {
    fixture *f = *state;
    oc_graph *graph = NULL;
    oc_error err = {0};
    assert_refused(f, f->graph, (oc_plan_options){.batch = 0}, "invalid batch size 0");
    assert_int_equal(oc_graph_create(&graph, NULL), OC_OK);
    assert_refused(f, graph, (oc_plan_options){.batch = 1}, "finished");
    oc_value x = oc_op_batch_norm(graph, "alone", oc_graph_input(graph, 3, 1, 1), 1);
    oc_graph_output(graph, oc_op_flatten(graph, x));
    assert_int_equal(oc_graph_finish(graph, NULL), OC_OK);
    assert_refused(f, graph, (oc_plan_options){.batch = 1, .mode = OC_PLAN_TRAIN}, "more than one value a channel");
    oc_graph_destroy(&graph);

    oc_plan *plan = create_plan(f, 1, OC_PLAN_INFER, f->slab);
    float dst[CLASSES];
    forward(f, plan, 1, 1, dst);
    assert_int_equal(oc_plan_backward(plan, &f->weights, f->gradients, &err), OC_E_USAGE);
    oc_plan_destroy(&plan);
    oc_plan_destroy(&plan);
    oc_plan_destroy(NULL);
}

/* More users of one value than one sum takes, and a join whose last summand is computed after its first ones. */
static void test_fan_out(void **state) {
    (void)state;
    net_errors errors = {0};
    net n;
    int x, y;
    net_create_probed(&n, &x, SEED, 2, 5, 4, 4);
    y = net_add(&n, x, x);
    for (int i = 0; i < 6; i++) y = net_add(&n, net_relu(&n, x), y);
    net_flatten(&n, y);
    net_check(&n, "fourteen uses", &errors);

    net_create_probed(&n, &x, SEED, 2, 5, 4, 4);
    y = net_relu(&n, net_add(&n, x, net_conv(&n, "c", x, 5, 3, 1, 1, 1, 1, true)));
    x = net_batch_norm(&n, "n", net_conv(&n, "d", x, 5, 1, 1, 0, 1, 1, false));
    net_flatten(&n, net_add(&n, y, x));
    net_check(&n, "a late summand", &errors);

    net_create_probed(&n, &x, SEED, 3, 9, 4, 4);
    y = net_batch_norm(&n, "n1", net_conv(&n, "c1", x, 16, 3, 2, 1, 1, 1, false));
    x = net_batch_norm(&n, "n2", net_conv(&n, "c2", x, 16, 1, 2, 0, 1, 1, false));
    net_flatten(&n, net_relu(&n, net_add(&n, y, x)));
    net_check(&n, "a projected shortcut", &errors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shared_slab, setup, teardown),
        cmocka_unit_test_setup_teardown(test_yields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refresh, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gradients_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_non_finite, setup, teardown),
        cmocka_unit_test_setup_teardown(test_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_products, setup, teardown),
        cmocka_unit_test_setup_teardown(test_products_of_two_uses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_describe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rankings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guide, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test(test_fan_out),
    };
    print_message("seed %u\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
