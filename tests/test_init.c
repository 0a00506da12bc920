/* The first weights of every model: mean, deviation and bounds of each tensor by what its name and shape say, not by
 * the model's own words. Statistical bounds are six deviations of the estimate wide, the seeds fixed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "models/model.h"
#include "ocelli/models.h"

#define SEED 4711U
#define CLASSES 200
#define SIZE 64
#define SIGMAS 6

typedef struct moments {
    double mean, deviation, low, high;
} moments;

static moments measure(const float *data, size_t count) {
    moments m = {.low = INFINITY, .high = -INFINITY};
    double squares = 0;
    for (size_t i = 0; i < count; i++) {
        m.mean += data[i] / (double)count;
        m.low = fmin(m.low, data[i]);
        m.high = fmax(m.high, data[i]);
    }
    for (size_t i = 0; i < count; i++) squares += pow(data[i] - m.mean, 2);
    m.deviation = sqrt(squares / (double)count);
    return m;
}

static void check_constant(const oc_tensor *tensor, const float *data, float want) {
    for (size_t i = 0; i < tensor->count; i++)
        if (data[i] != want) fail_msg("%s[%zu] is %g, not %g", tensor->name, i, (double)data[i], (double)want);
}

/* Uniform in ±bound. */
static void check_uniform(const oc_tensor *tensor, const float *data, double bound) {
    const moments m = measure(data, tensor->count);
    const double n = (double)tensor->count, sigma = bound / sqrt(3);
    /* The kurtosis of a uniform distribution is 9/5. */
    const double mean_width = SIGMAS * sigma / sqrt(n), deviation_width = SIGMAS * sigma * sqrt(0.8 / (4 * n));
    if (m.high > (float)bound || m.low < -(float)bound)
        fail_msg("%s lies in [%g, %g], outside of ±%g", tensor->name, m.low, m.high, bound);
    /* All of n draws miss the outermost 2·20/n of the range with a probability of exp(−20). */
    if (m.high < bound * (1 - 40 / n) || m.low > -bound * (1 - 40 / n))
        fail_msg("%s lies in [%g, %g], far inside of ±%g", tensor->name, m.low, m.high, bound);
    if (fabs(m.mean) > mean_width) fail_msg("%s has the mean %g, more than %g", tensor->name, m.mean, mean_width);
    if (fabs(m.deviation - sigma) > deviation_width)
        fail_msg("%s has the deviation %g, not %g ± %g", tensor->name, m.deviation, sigma, deviation_width);
}

static bool has_suffix(const char *name, const char *suffix) {
    const size_t length = strlen(name), ending = strlen(suffix);
    return length >= ending && strcmp(name + length - ending, suffix) == 0;
}

/* The own ResNets: Xavier-uniform weights, biases 0, γ 1 but 0 in the last batch norm of each residual block. */
static void check_myresnet(const oc_tensor *tensor, const float *data, int *zero_gammas) {
    const oc_shape *shape = &tensor->shape;
    if (shape->ndim > 1) {
        double receptive = 1;
        for (int d = 2; d < shape->ndim; d++) receptive *= (double)shape->dim[d];
        const double fans = (double)(shape->dim[0] + shape->dim[1]) * receptive;
        check_uniform(tensor, data, sqrt(6 / fans));
    } else if (has_suffix(tensor->name, ".weight")) {
        const bool last = strncmp(tensor->name, "res", 3) == 0 && has_suffix(tensor->name, ".layers.4.weight");
        *zero_gammas += last;
        check_constant(tensor, data, last ? 0 : 1);
    } else {
        check_constant(tensor, data, has_suffix(tensor->name, ".running_var") ? 1 : 0);
    }
}

static oc_model *make_model(const char *name, uint64_t seed) {
    char codes[CLASSES][16];
    const char *classes[CLASSES];
    oc_model *model = NULL;
    for (int i = 0; i < CLASSES; i++) {
        snprintf(codes[i], sizeof codes[i], "c%d", i);
        classes[i] = codes[i];
    }
    assert_int_equal(oc_model_create(&model, name, classes, CLASSES, SIZE, NULL, NULL), OC_OK);
    const uint64_t version = model->weights.version;
    oc_model_init(model, seed);
    assert_int_equal(model->weights.version, version + 1);
    return model;
}

static void test_every_tensor(void **state) {
    (void)state;
    for (size_t i = 0; i < oc_models_count(); i++) {
        const char *name = oc_models_name(i);
        oc_model *model = make_model(name, SEED);
        const oc_table *table = oc_graph_table(model->graph);
        int zero_gammas = 0;
        for (size_t k = 0; k < oc_table_count(table); k++) {
            const oc_tensor *tensor = oc_table_at(table, k);
            if (strncmp(name, "myresnet-", 9) != 0) fail_msg("this test does not know how %s begins", name);
            check_myresnet(tensor, model->weights.arena + tensor->offset, &zero_gammas);
        }
        assert_int_equal(zero_gammas, 3);
        print_message("  %s: %zu tensors, seed %u\n", name, oc_table_count(table), SEED);
        oc_model_destroy(&model);
    }
}

/* The same seed gives the same bits, another seed others, and no two tensors share their numbers. */
static void test_seeds(void **state) {
    (void)state;
    oc_model *a = make_model("myresnet-small", SEED), *b = make_model("myresnet-small", SEED);
    oc_model *c = make_model("myresnet-small", SEED + 1);
    const oc_table *table = oc_graph_table(a->graph);
    const size_t bytes = oc_table_arena_size(table) * sizeof(float);
    assert_memory_equal(a->weights.arena, b->weights.arena, bytes);
    const float *before = NULL;
    for (size_t k = 0; k < oc_table_count(table); k++) {
        const oc_tensor *tensor = oc_table_at(table, k);
        const float *one = a->weights.arena + tensor->offset, *other = c->weights.arena + tensor->offset;
        if (tensor->shape.ndim == 1) continue;
        double equal = 0, product = 0, square = 0;
        for (size_t i = 0; i < 256; i++) {
            equal += one[i] == other[i];
            if (before) product += (double)one[i] * before[i], square += fabs((double)one[i] * before[i]);
        }
        assert_true(equal < 3);
        /* Equal streams would make every product positive. */
        if (before) assert_true(fabs(product) < 0.5 * square);
        before = one;
    }
    /* Over an old model's weights, as if they had never been. */
    memset(c->weights.arena, 0xFF, oc_table_at(table, 0)->count * sizeof(float));
    oc_model_init(c, SEED);
    assert_memory_equal(a->weights.arena, c->weights.arena, bytes);
    oc_model_destroy(&a);
    oc_model_destroy(&b);
    oc_model_destroy(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_tensor), cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
