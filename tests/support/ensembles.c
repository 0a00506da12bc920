/* Small ensembles for tests. */
#include "support/ensembles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

const char *const test_codes[TEST_CLASSES] = {"n3", "n1", "n4", "n2"};
const size_t test_turn[TEST_CLASSES] = {2, 0, 3, 1};
const char *const test_labels[3] = {"a.safetensors", "b.safetensors", "c.safetensors"};

oc_model *test_network(const char *const *classes, int64_t size, uint64_t seed) {
    oc_model *model = NULL;
    assert_int_equal(oc_model_create(&model, TEST_NETWORK, classes, TEST_CLASSES, size, NULL, NULL), OC_OK);
    oc_model_init(model, seed);
    return model;
}

static float *tensor_of(const oc_model *network, const char *name) {
    return network->weights.arena + oc_table_find(oc_graph_table(network->graph), name)->offset;
}

size_t test_arena_bytes(const oc_model *network) {
    return oc_table_arena_size(oc_graph_table(network->graph)) * sizeof(float);
}

oc_model *test_network_turned(int64_t size, uint64_t seed) {
    const char *turned[TEST_CLASSES];
    for (size_t i = 0; i < TEST_CLASSES; i++) turned[i] = test_codes[test_turn[i]];
    oc_model *straight = test_network(test_codes, size, seed), *model = test_network(turned, size, seed);
    const oc_tensor *head = oc_table_find(oc_graph_table(model->graph), "fc.1.weight");
    const size_t columns = head->count / TEST_CLASSES;
    for (size_t i = 0; i < TEST_CLASSES; i++) {
        memcpy(tensor_of(model, "fc.1.weight") + i * columns,
               tensor_of(straight, "fc.1.weight") + test_turn[i] * columns, columns * sizeof(float));
        tensor_of(model, "fc.1.bias")[i] = tensor_of(straight, "fc.1.bias")[test_turn[i]];
    }
    oc_model_destroy(&straight);
    return model;
}

oc_model *test_ensemble(oc_combine combine, oc_model *a, oc_model *b, oc_model *c) {
    oc_model *members[] = {a, b, c}, *model = NULL;
    oc_error err = {0};
    if (oc_ensemble_create(&model, combine, members, test_labels, c ? 3 : 2, &err) != OC_OK)
        fail_msg("%s", err.message);
    assert_true(!members[0] && !members[1] && !members[2]);
    return model;
}

void test_combiner_fill(oc_model *model, uint64_t seed) {
    oc_ensemble *e = model->ensemble;
    const size_t c = model->classes.count;
    oc_random random;
    oc_random_init(&random, seed, OC_RANDOM_INIT, 0, 0);
    double sum = 0;
    if (e->combine == OC_COMBINE_STACK) {
        for (size_t i = 0; i < c * c * e->members; i++) e->weight[i] = (float)oc_random_range(&random, -1, 1);
        for (size_t i = 0; i < c; i++) e->bias[i] = (float)oc_random_range(&random, -1, 1);
    } else if (e->combine == OC_COMBINE_WEIGHTED) {
        for (size_t m = 0; m < e->members; m++) sum += (double)(e->weight[m] = (float)(m + 1));
        for (size_t m = 0; m < e->members; m++) e->weight[m] = (float)((double)e->weight[m] / sum);
    }
}
