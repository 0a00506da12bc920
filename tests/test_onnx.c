/* ONNX files as they are written: what stands in them, for every model and for ensembles, and what is refused. That a
 * runtime computes the same from them is for tests/cli_onnx.sh. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "base/memory.h"
#include "export/onnx.pb-c.h"
#include "export/onnx_builder.h"
#include "models/ensemble.h"
#include "ocelli/export.h"
#include "ocelli/models.h"
#include "support/ensembles.h"
#include "support/temporary.h"

static char folder[256];

static Onnx__ModelProto *exported(oc_model *model, bool preprocessing) {
    oc_error err = {0};
    char path[320], *data = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    const oc_onnx_options options = {.preprocessing = preprocessing};
    if (oc_export_onnx(model, path, &options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    assert_int_equal(oc_file_read(&data, &size, path, SIZE_MAX / 2, NULL), OC_OK);
    Onnx__ModelProto *proto = onnx__model_proto__unpack(NULL, size, (const uint8_t *)data);
    oc_free(data);
    assert_non_null(proto);
    return proto;
}

static const Onnx__TensorProto *constant(const Onnx__GraphProto *graph, const char *name) {
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (strcmp(graph->initializer[i]->name, name) == 0) return graph->initializer[i];
    return NULL;
}

/* A value is there before a node uses it: the input, a constant, or an earlier node's. */
static bool known(const Onnx__GraphProto *graph, size_t before, const char *name) {
    if (strcmp(graph->input[0]->name, name) == 0 || constant(graph, name)) return true;
    for (size_t i = 0; i < before; i++)
        if (strcmp(graph->node[i]->output[0], name) == 0) return true;
    return false;
}

static void check_graph(const Onnx__GraphProto *graph) {
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        if (known(graph, i, node->output[0])) fail_msg("value %s is made twice", node->output[0]);
        for (size_t k = 0; k < node->n_input; k++)
            if (!known(graph, i, node->input[k]))
                fail_msg("%s uses %s, which is not there", node->name, node->input[k]);
    }
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (constant(graph, graph->initializer[i]->name) != graph->initializer[i])
            fail_msg("two constants are called %s", graph->initializer[i]->name);
    assert_true(known(graph, graph->n_node, graph->output[0]->name));
}

static void check_tensors(const Onnx__GraphProto *graph, const oc_model *network, const char *prefix) {
    const oc_table *table = oc_graph_table(network->graph);
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, tensor->name);
        const Onnx__TensorProto *proto = constant(graph, name);
        if (!proto) fail_msg("no constant %s", name);
        assert_int_equal(proto->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        assert_int_equal(proto->n_dims, tensor->shape.ndim);
        for (int d = 0; d < tensor->shape.ndim; d++) assert_int_equal(proto->dims[d], tensor->shape.dim[d]);
        assert_int_equal(proto->raw_data.len, tensor->count * sizeof(float));
        assert_memory_equal(proto->raw_data.data, network->weights.arena + tensor->offset, proto->raw_data.len);
    }
}

static const char *told(const Onnx__ModelProto *proto, const char *key) {
    for (size_t i = 0; i < proto->n_metadata_props; i++)
        if (strcmp(proto->metadata_props[i]->key, key) == 0) return proto->metadata_props[i]->value;
    fail_msg("no metadata %s", key);
    return "";
}

/* The input's sizes behind N. */
static void check_input(const Onnx__GraphProto *graph, int32_t type, int64_t a, int64_t b, int64_t c) {
    const Onnx__TypeProto__Tensor *tensor = graph->input[0]->type->tensor_type;
    const int64_t expected[] = {0, a, b, c};
    assert_string_equal(graph->input[0]->name, "images");
    assert_int_equal(tensor->elem_type, type);
    assert_int_equal(tensor->shape->n_dim, 4);
    assert_string_equal(tensor->shape->dim[0]->dim_param, "N");
    for (int i = 1; i < 4; i++) assert_int_equal(tensor->shape->dim[i]->dim_value, expected[i]);
}

static void check_metadata(const Onnx__ModelProto *proto, const oc_model *model) {
    json_t *classes = json_loads(told(proto, "classes"), 0, NULL);
    json_t *logits = json_loads(told(proto, "reference_logits"), 0, NULL);
    assert_int_equal(json_array_size(classes), model->classes.count);
    assert_int_equal(json_array_size(logits), model->classes.count);
    for (size_t c = 0; c < model->classes.count; c++)
        assert_string_equal(json_string_value(json_array_get(classes, c)), model->classes.item[c]);
    assert_string_equal(told(proto, "model"), oc_model_name(model));
    assert_non_null(strstr(told(proto, "reading"), "\"fit\":\"crop\""));
    json_decref(classes);
    json_decref(logits);
}

static void test_models(void **state) {
    (void)state;
    for (size_t i = 0; i < oc_models_count(); i++) {
        oc_model *model = NULL;
        oc_error err = {0};
        if (oc_model_create(&model, oc_models_name(i), test_codes, TEST_CLASSES, 64, NULL, &err) != OC_OK)
            fail_msg("%s", err.message);
        oc_model_init(model, i);
        Onnx__ModelProto *proto = exported(model, i % 2);
        assert_int_equal(proto->ir_version, 7);
        assert_int_equal(proto->n_opset_import, 1);
        assert_int_equal(proto->opset_import[0]->version, OC_ONNX_OPSET);
        check_graph(proto->graph);
        check_tensors(proto->graph, model, "");
        check_metadata(proto, model);
        if (i % 2)
            check_input(proto->graph, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8, 64, 64, 3);
        else
            check_input(proto->graph, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 3, 64, 64);
        onnx__model_proto__free_unpacked(proto, NULL);
        oc_model_destroy(&model);
    }
}

static int count_nodes(const Onnx__GraphProto *graph, const char *op) {
    int count = 0;
    for (size_t i = 0; i < graph->n_node; i++) count += strcmp(graph->node[i]->op_type, op) == 0;
    return count;
}

/* Members' names, the order of classes, other normalisations, and each way of joining. */
static void test_ensembles(void **state) {
    (void)state;
    for (int way = 0; way < OC_COMBINES; way++) {
        oc_model *other = test_network(test_codes, 32, 3);
        for (int c = 0; c < 3; c++) other->mean[c] += 0.125F;
        oc_model *model =
            test_ensemble((oc_combine)way, test_network(test_codes, 32, 1), test_network_turned(32, 2), other);
        test_combiner_fill(model, 5);
        Onnx__ModelProto *proto = exported(model, false);
        const Onnx__GraphProto *graph = proto->graph;
        check_graph(graph);
        check_metadata(proto, model);
        for (size_t m = 0; m < 3; m++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "models.%zu.", m);
            check_tensors(graph, model->ensemble->member[m], prefix);
        }
        /* The second member alone has another order, the third another mean. */
        assert_int_equal(count_nodes(graph, "Gather"), 1);
        const Onnx__TensorProto *map = constant(graph, "models.1.class_map");
        assert_non_null(map);
        for (size_t c = 0; c < TEST_CLASSES; c++) {
            int64_t place;
            memcpy(&place, map->raw_data.data + c * sizeof place, sizeof place);
            assert_int_equal(place, model->ensemble->class_map[1][c]);
        }
        assert_int_equal(count_nodes(graph, "Sub"), 1);
        assert_memory_equal(constant(graph, "models.2.preprocessing.mean")->raw_data.data, other->mean,
                            sizeof other->mean);
        assert_int_equal(count_nodes(graph, "LogSoftmax"), way == OC_COMBINE_STACK ? 0 : 3);
        assert_true((constant(graph, "clf.weight") != NULL) == (way == OC_COMBINE_STACK));
        onnx__model_proto__free_unpacked(proto, NULL);
        oc_model_destroy(&model);
    }
}

static void refused(oc_model *model, oc_status status, const char *text) {
    oc_error err = {0};
    char path[320], *data = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/there.onnx", folder);
    assert_int_equal(oc_file_write_atomic(path, "precious", 8, NULL), OC_OK);
    assert_int_equal(oc_export_onnx(model, path, NULL, &err), status);
    if (!strstr(err.message, text)) fail_msg("the message does not say '%s': %s", text, err.message);
    assert_int_equal(oc_file_read(&data, &size, path, 100, NULL), OC_OK);
    assert_string_equal(data, "precious");
    oc_free(data);
}

static void test_refusals(void **state) {
    (void)state;
    oc_error err = {0};
    oc_model *model =
        test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, 32, 1), test_network(test_codes, 64, 2), NULL);
    refused(model, OC_E_USAGE, "32x32, crop, and 64x64, crop");
    oc_model_destroy(&model);
    oc_model *squashed = test_network(test_codes, 32, 2);
    squashed->image.fit = OC_FIT_SQUASH;
    model = test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, 32, 1), squashed, NULL);
    refused(model, OC_E_USAGE, "squash");
    oc_model_destroy(&model);
    model = test_network(test_codes, 32, 1);
    const oc_tensor *first = oc_table_at(oc_graph_table(model->graph), 0);
    model->weights.arena[first->offset] = NAN;
    refused(model, OC_E_NON_FINITE, "");
    assert_int_equal(oc_export_onnx(model, "/nonexistent/a.onnx", NULL, &err), OC_E_NON_FINITE);
    oc_model_init(model, 1);
    assert_int_equal(oc_export_onnx(model, "/nonexistent/a.onnx", NULL, &err), OC_E_IO);
    oc_model_destroy(&model);
}

static int enter(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    return 0;
}

static int leave(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_models), cmocka_unit_test(test_ensembles),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("onnx", tests, enter, leave);
}
