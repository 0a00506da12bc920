/* A small network built twice, and compared. */
#include "support/net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/ops.h"
#include "graph/plan.h"

/* Single precision over sums of a few hundred products. */
#define TOLERANCE 1e-5
/* Central differences in double precision of a loss of some ten units. */
#define STEP 1e-6
#define DIFFERENCE_TOLERANCE 1e-6
#define DIFFERENCES_EACH 6

void net_create(net *n, uint64_t seed, int64_t batch, int64_t c, int64_t h, int64_t w) {
    *n = (net){.smooth = true};
    oc_random_init(&n->random, seed, OC_RANDOM_TEST, 0, 0);
    assert_int_equal(oc_graph_create(&n->graph, NULL), OC_OK);
    n->tape = tape_create(batch, c, h, w);
    n->value[0] = oc_graph_input(n->graph, c, h, w);
}

void net_create_probed(net *n, int *node, uint64_t seed, int64_t batch, int64_t c, int64_t h, int64_t w) {
    net_create(n, seed, batch, c + batch * h * w, h, w);
    n->probed = c;
    *node = net_conv(n, "probe", 0, c, 1, 1, 0, 1, 1, false);
}

/* Remembers which value of the graph is which node of the tape. */
static int both(net *n, int node, oc_value value) {
    n->value[node] = value;
    return node;
}

static const oc_init any = {OC_INIT_CONSTANT, 0};

int net_conv(net *n, const char *name, int src, int64_t oc, int64_t kernel, int64_t stride, int64_t pad,
             int64_t dilation, int64_t groups, bool bias) {
    const oc_conv_attr attr = {.oc = oc,
                               .kernel = kernel,
                               .stride = stride,
                               .pad = pad,
                               .dilation = dilation,
                               .groups = groups,
                               .bias = bias,
                               .weight_init = any,
                               .bias_init = any};
    return both(n, tape_conv(n->tape, name, src, oc, kernel, stride, pad, dilation, groups, bias),
                oc_op_conv(n->graph, name, n->value[src], &attr));
}

int net_batch_norm(net *n, const char *name, int src) {
    return both(n, tape_batch_norm(n->tape, name, src), oc_op_batch_norm(n->graph, name, n->value[src], 1));
}

int net_relu(net *n, int src) {
    return both(n, tape_relu(n->tape, src), oc_op_relu(n->graph, n->value[src]));
}

int net_add(net *n, int a, int b) {
    return both(n, tape_add(n->tape, a, b), oc_op_add(n->graph, n->value[a], n->value[b]));
}

int net_max_pool(net *n, int src, int64_t kernel, int64_t stride, int64_t pad) {
    return both(n, tape_max_pool(n->tape, src, kernel, stride, pad),
                oc_op_max_pool(n->graph, n->value[src], kernel, stride, pad));
}

int net_avg_pool(net *n, int src, int64_t kernel, int64_t stride, int64_t pad, bool ceil) {
    return both(n, tape_avg_pool(n->tape, src, kernel, stride, pad, ceil),
                oc_op_avg_pool(n->graph, n->value[src], kernel, stride, pad, ceil));
}

int net_global_pool(net *n, int src) {
    return both(n, tape_global_pool(n->tape, src), oc_op_global_pool(n->graph, n->value[src]));
}

int net_slice(net *n, int src, int64_t begin, int64_t count) {
    return both(n, tape_slice(n->tape, src, begin, count), oc_op_slice(n->graph, n->value[src], begin, count));
}

int net_subsample(net *n, int src, int64_t stride) {
    return both(n, tape_subsample(n->tape, src, stride), oc_op_subsample(n->graph, n->value[src], stride));
}

int net_sigmoid(net *n, int src) {
    return both(n, tape_sigmoid(n->tape, src), oc_op_sigmoid(n->graph, n->value[src]));
}

int net_scale(net *n, int src, int gate) {
    return both(n, tape_scale(n->tape, src, gate), oc_op_scale(n->graph, n->value[src], n->value[gate]));
}

int net_select(net *n, int a, int b, int scores) {
    return both(n, tape_select(n->tape, a, b, scores),
                oc_op_select(n->graph, n->value[a], n->value[b], n->value[scores]));
}

int net_drop_path(net *n, int src, double p) {
    oc_value value = oc_op_drop_path(n->graph, n->value[src], p);
    return both(n, tape_drop(n->tape, src, p, false, (uint32_t)value), value);
}

int net_dropout(net *n, int src, double p) {
    oc_value value = oc_op_dropout(n->graph, n->value[src], p);
    return both(n, tape_drop(n->tape, src, p, true, (uint32_t)value), value);
}

int net_flatten(net *n, int src) {
    return both(n, tape_flatten(n->tape, src), oc_op_flatten(n->graph, n->value[src]));
}

int net_linear(net *n, const char *name, int src, int64_t out) {
    return both(n, tape_linear(n->tape, name, src, out), oc_op_linear(n->graph, name, n->value[src], out, any, any));
}

/* ---- Numbers ---------------------------------------------------------------------------------------------------- */

/* A number that single precision holds exactly, so that both sides begin alike. */
static double draw(net *n, double low, double high) {
    return (float)oc_random_range(&n->random, low, high);
}

static void draw_input(net *n) {
    const tape_node *input = &n->tape->node[0];
    const int64_t area = input->h * input->w;
    for (size_t i = 0; i < input->count; i++) {
        const int64_t image = (int64_t)i / (input->c * area), c = (int64_t)i / area % input->c, p = (int64_t)i % area;
        double value = draw(n, -1, 1);
        if (n->tied) value = floor(value * 2) / 2;
        if (n->probed && c >= n->probed) value = c - n->probed == image * area + p ? 1 : 0;
        input->value[i] = value;
    }
}

static bool has_suffix(const char *name, const char *suffix) {
    const size_t length = strlen(name), ending = strlen(suffix);
    return length >= ending && strcmp(name + length - ending, suffix) == 0;
}

static void draw_params(net *n) {
    tape *t = n->tape;
    for (int k = 0; k < t->params; k++) {
        tape_param *param = &t->param[k];
        const bool variance = has_suffix(param->name, ".running_var");
        for (size_t i = 0; i < param->count; i++) param->value[i] = variance ? draw(n, 0.5, 1.5) : draw(n, -1, 1);
    }
    /* γ around 1 and weights by fan-in keep every value of the order of 1. */
    for (int k = 1; k < t->nodes; k++) {
        const tape_node *node = &t->node[k];
        if (node->weight == TAPE_NONE) continue;
        tape_param *weight = &t->param[node->weight];
        const double fan_in = (double)weight->count / (double)node->c;
        for (size_t i = 0; i < weight->count; i++)
            weight->value[i] =
                node->op == TAPE_BATCH_NORM ? 1 + 0.5 * weight->value[i] : (float)(weight->value[i] * sqrt(3 / fan_in));
    }
    if (!n->probed) return;
    tape_param *probe = tape_find(t, "probe.weight");
    const int64_t ic = t->node[0].c;
    for (size_t i = 0; i < probe->count; i++) probe->value[i] = (int64_t)i / ic == (int64_t)i % ic ? 1 : 0;
}

/* ---- The two sides ---------------------------------------------------------------------------------------------- */

typedef struct side {
    oc_team *team;
    oc_slab *slab;
    oc_weights weights;
    float *gradients;
    const oc_table *table;
} side;

static void load_weights(net *n, side *s) {
    for (int k = 0; k < n->tape->params; k++) {
        const tape_param *param = &n->tape->param[k];
        const oc_tensor *tensor = oc_table_find(s->table, param->name);
        assert_non_null(tensor);
        assert_int_equal(tensor->count, param->count);
        for (size_t i = 0; i < param->count; i++) s->weights.arena[tensor->offset + i] = (float)param->value[i];
    }
    s->weights.version++;
}

/* max|a − b| ÷ max|b|; arrays of zeros must be matched to `scale`. Fails the test beyond the tolerance. */
static double compare(const char *what, const char *array, const float *is, const double *want, size_t count,
                      double scale) {
    double error = 0, largest = scale;
    for (size_t i = 0; i < count; i++) {
        const double difference = fabs((double)is[i] - want[i]);
        error = isnan(difference) ? INFINITY : fmax(error, difference);
        largest = fmax(largest, fabs(want[i]));
    }
    if (error > TOLERANCE * largest)
        fail_msg("%s: %s is off by %g of %g, allowed is %g of it", what, array, error, largest, TOLERANCE);
    return error / largest;
}

static oc_plan *make_plan(net *n, const side *s, oc_plan_mode mode, const char *what) {
    const oc_plan_options options = {
        .batch = n->tape->batch, .mode = mode, .precision = OC_PRECISION_FP32, .team = s->team, .slab = s->slab};
    oc_plan *plan = NULL;
    oc_error err = {0};
    if (oc_plan_create(&plan, n->graph, &options, &err) != OC_OK) fail_msg("%s: %s %s", what, err.where, err.message);
    return plan;
}

static void plan_forward(net *n, side *s, oc_plan *plan, const char *what) {
    const tape_node *input = &n->tape->node[0];
    oc_error err = {0};
    float *src = oc_plan_src(plan);
    for (size_t i = 0; i < input->count; i++) src[i] = (float)input->value[i];
    if (oc_plan_forward(plan, &s->weights, &err) != OC_OK) fail_msg("%s: %s %s", what, err.where, err.message);
}

static void check_infer(net *n, side *s, const char *what, net_errors *errors) {
    const tape_node *last = &n->tape->node[n->tape->nodes - 1];
    oc_plan *plan = make_plan(n, s, OC_PLAN_INFER, what);
    tape_forward(n->tape, false, false);
    plan_forward(n, s, plan, what);
    errors->infer = fmax(errors->infer, compare(what, "dst (infer)", oc_plan_dst(plan), last->value, last->count, 0));
    oc_plan_destroy(&plan);
}

/* A step: forward and backward of both sides. */
static void check_train(net *n, side *s, oc_plan *plan, const char *what, net_errors *errors) {
    tape *t = n->tape;
    const tape_node *last = &t->node[t->nodes - 1];
    oc_error err = {0};
    tape_forward(t, true, true);
    plan_forward(n, s, plan, what);
    errors->train = fmax(errors->train, compare(what, "dst (train)", oc_plan_dst(plan), last->value, last->count, 0));
    float *diff_dst = oc_plan_diff_dst(plan);
    for (size_t i = 0; i < last->count; i++) {
        last->diff[i] = draw(n, -1, 1);
        diff_dst[i] = (float)last->diff[i];
    }
    tape_backward(t);
    if (oc_plan_backward(plan, &s->weights, s->gradients, &err) != OC_OK) fail_msg("%s: %s", what, err.message);
    for (int k = 0; k < t->params; k++) {
        const tape_param *param = &t->param[k];
        const oc_tensor *tensor = oc_table_find(s->table, param->name);
        assert_int_equal(tensor->parameter, param->grad != NULL);
        if (param->grad)
            errors->gradients = fmax(errors->gradients, compare(what, param->name, s->gradients + tensor->offset,
                                                                param->grad, param->count, 0.1));
        else
            errors->running = fmax(errors->running, compare(what, param->name, s->weights.arena + tensor->offset,
                                                            param->value, param->count, 0.01));
    }
}

/* ---- Finite differences ----------------------------------------------------------------------------------------- */

static double tape_loss(tape *t) {
    const tape_node *last = &t->node[t->nodes - 1];
    double loss = 0;
    tape_forward(t, true, false);
    for (size_t i = 0; i < last->count; i++) loss += last->value[i] * last->diff[i];
    return loss;
}

/* Some elements of `value`, whose gradients are said to be `grad`. */
static double difference(net *n, const char *what, const char *array, double *value, const double *grad, size_t count) {
    double error = 0, largest = 0.1;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(grad[i]));
    for (int k = 0; k < DIFFERENCES_EACH; k++) {
        const size_t i = oc_random_below(&n->random, (uint32_t)count);
        const double start = value[i];
        value[i] = start + STEP;
        const double above = tape_loss(n->tape);
        value[i] = start - STEP;
        const double below = tape_loss(n->tape);
        value[i] = start;
        error = fmax(error, fabs((above - below) / (2 * STEP) - grad[i]));
    }
    if (!(error <= DIFFERENCE_TOLERANCE * largest))
        fail_msg("%s: the reference's gradient of %s is off by %g of %g", what, array, error, largest);
    return error / largest;
}

static void check_differences(net *n, const char *what, net_errors *errors) {
    tape *t = n->tape;
    tape_forward(t, true, false);
    tape_backward(t);
    for (int k = 0; k < t->params; k++) {
        tape_param *param = &t->param[k];
        if (!param->grad) continue;
        errors->differences =
            fmax(errors->differences, difference(n, what, param->name, param->value, param->grad, param->count));
    }
    tape_node *input = &t->node[0];
    errors->differences =
        fmax(errors->differences, difference(n, what, "input", input->value, input->diff, input->count));
}

/* The arenas' padding must stay as it was. */
static void check_padding(const side *s, const float *arena, float filler) {
    const size_t count = oc_table_count(s->table);
    for (size_t i = 0; i < count; i++) {
        const oc_tensor *tensor = oc_table_at(s->table, i);
        const size_t end = i + 1 < count ? oc_table_at(s->table, i + 1)->offset : oc_table_arena_size(s->table);
        for (size_t k = tensor->offset + tensor->count; k < end; k++) assert_true(arena[k] == filler);
    }
}

void net_check(net *n, const char *what, net_errors *errors) {
    side s = {0};
    oc_error err = {0};
    oc_graph_output(n->graph, n->value[n->tape->nodes - 1]);
    if (oc_graph_finish(n->graph, &err) != OC_OK) fail_msg("%s: %s %s", what, err.where, err.message);
    s.table = oc_graph_table(n->graph);
    assert_int_equal(oc_table_count(s.table), n->tape->params);
    const size_t size = oc_table_arena_size(s.table);
    s.weights.arena = aligned_alloc(64, (size + 16) * sizeof(float));
    s.gradients = aligned_alloc(64, (size + 16) * sizeof(float));
    assert_true(s.weights.arena && s.gradients);
    for (size_t i = 0; i < size; i++) s.weights.arena[i] = 0, s.gradients[i] = 77;
    assert_int_equal(oc_team_create(&s.team, 2, NULL), OC_OK);
    oc_team_enter(s.team);
    assert_int_equal(oc_slab_create(&s.slab, NULL), OC_OK);

    draw_input(n);
    draw_params(n);
    load_weights(n, &s);
    check_infer(n, &s, what, errors);
    oc_plan *plan = make_plan(n, &s, OC_PLAN_TRAIN, what);
    check_train(n, &s, plan, what, errors);
    if (n->smooth) check_differences(n, what, errors);
    /* Other numbers: nothing of the first step may be left, in gradients or in the plan's copies of the weights; what
     * is dropped was drawn from (0, 0) so far. */
    n->tape->seed = 99;
    n->tape->step = 1 << 20;
    oc_plan_set_draw(plan, n->tape->seed, n->tape->step);
    draw_input(n);
    draw_params(n);
    load_weights(n, &s);
    check_train(n, &s, plan, what, errors);
    check_infer(n, &s, what, errors);
    check_padding(&s, s.weights.arena, 0);
    check_padding(&s, s.gradients, 77);

    oc_plan_destroy(&plan);
    oc_slab_destroy(&s.slab);
    oc_team_destroy(&s.team);
    oc_graph_destroy(&n->graph);
    tape_destroy(n->tape);
    free(s.weights.arena);
    free(s.gradients);
}

void net_report(const char *op, int cases, unsigned seed, const net_errors *e) {
    print_message("  %-10s %3d cases, seed %u: errors infer %.2g, train %.2g, running %.2g, gradients %.2g; "
                  "finite differences %.2g\n",
                  op, cases, seed, e->infer, e->train, e->running, e->gradients, e->differences);
}

int64_t net_pick(oc_random *random, int64_t low, int64_t high) {
    return low + (int64_t)oc_random_below(random, (uint32_t)(high - low + 1));
}

int64_t net_pick_of(oc_random *random, const int64_t *list, size_t count) {
    return list[oc_random_below(random, (uint32_t)count)];
}
