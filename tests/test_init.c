/* label: slow */
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

/* Normal around 0. The kurtosis of a normal distribution is 3; seven deviations do not occur among these counts. */
static void check_normal(const oc_tensor *tensor, const float *data, double deviation) {
    const moments m = measure(data, tensor->count);
    const double n = (double)tensor->count;
    if (fmax(m.high, -m.low) > 7 * deviation || (n > 1000 && fmin(m.high, -m.low) < 2 * deviation))
        fail_msg("%s lies in [%g, %g], with a deviation of %g", tensor->name, m.low, m.high, deviation);
    if (fabs(m.mean) > SIGMAS * deviation / sqrt(n)) fail_msg("%s has the mean %g", tensor->name, m.mean);
    if (fabs(m.deviation - deviation) > SIGMAS * deviation / sqrt(2 * n))
        fail_msg("%s has the deviation %g, not %g", tensor->name, m.deviation, deviation);
}

/* Of the layer whose bias this is: 1/√fan_in. */
static double bias_bound(const oc_table *table, const char *bias) {
    char name[128];
    snprintf(name, sizeof name, "%.*s.weight", (int)(strlen(bias) - strlen(".bias")), bias);
    const oc_tensor *weight = oc_table_find(table, name);
    assert_non_null(weight);
    return 1 / sqrt((double)weight->count / (double)weight->shape.dim[0]);
}

/* timm's: convolutions Kaiming-normal by fan_out = OC·KH·KW; the replaced 3×3 stem, the last layer and the biases as
 * PyTorch begins its layers, uniform ±1/√fan_in; γ 0 in the last batch norm of each block but of the SK nets. */
static void check_resnet(const oc_table *table, const oc_tensor *tensor, const float *data, const char *last_norm,
                         int *zero_gammas) {
    const oc_shape *shape = &tensor->shape;
    const bool replaced = strcmp(tensor->name, "conv1.weight") == 0;
    if (shape->ndim == 2 || replaced) {
        check_uniform(tensor, data, 1 / sqrt((double)tensor->count / (double)shape->dim[0]));
    } else if (shape->ndim == 4) {
        check_normal(tensor, data, sqrt(2.0 / (double)(shape->dim[0] * shape->dim[2] * shape->dim[3])));
    } else if (has_suffix(tensor->name, ".weight")) {
        const bool last = last_norm && strncmp(tensor->name, "layer", 5) == 0 && has_suffix(tensor->name, last_norm);
        *zero_gammas += last;
        check_constant(tensor, data, last ? 0 : 1);
    } else if (strcmp(tensor->name, "fc.bias") == 0 || strstr(tensor->name, ".se.")) {
        check_uniform(tensor, data, bias_bound(table, tensor->name));
    } else {
        check_constant(tensor, data, has_suffix(tensor->name, ".running_var") ? 1 : 0);
    }
}

/* How a model's tensors begin: by family, the last batch norm of its blocks, and how many blocks there are. */
static const struct known {
    const char *name, *last_norm; /* NULL: no γ is 0 */
    int zero_gammas;
} known[] = {
    {"resnet18", ".bn2.weight", 8},
    {"resnet34", ".bn2.weight", 16},
    {"seresnet18", ".bn2.weight", 8},
    {"seresnet34", ".bn2.weight", 16},
    {"skresnet18", NULL, 0},
    {"skresnet34", NULL, 0},
    {"resnet26d", ".bn3.weight", 8},
    {"seresnext26d_32x4d", ".bn3.weight", 8},
    {"resnet50", ".bn3.weight", 16},
    {"seresnet50", ".bn3.weight", 16},
    {"resnext50_32x4d", ".bn3.weight", 16},
};

static const struct known *find_known(const char *name) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0) return &known[i];
    fail_msg("this test does not know how %s begins", name);
    return NULL;
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
        const bool own = strncmp(name, "myresnet-", 9) == 0;
        int zero_gammas = 0;
        for (size_t k = 0; k < oc_table_count(table); k++) {
            const oc_tensor *tensor = oc_table_at(table, k);
            const float *data = model->weights.arena + tensor->offset;
            if (own)
                check_myresnet(tensor, data, &zero_gammas);
            else
                check_resnet(table, tensor, data, find_known(name)->last_norm, &zero_gammas);
        }
        assert_int_equal(zero_gammas, own ? 3 : find_known(name)->zero_gammas);
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
