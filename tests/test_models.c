/* The registry, and what a model tells of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "models/model.h"
#include "ocelli/models.h"

static const char *const three[] = {"n01443537", "n01629819", "n01641577"};

static void test_registry(void **state) {
    (void)state;
    static const char *const names[] = {"myresnet-tiny", "myresnet-small",    "myresnet-base", "resnet18",
                                        "resnet34",      "seresnet18",        "seresnet34",    "skresnet18",
                                        "skresnet34",    "seresnext26d_32x4d"};
    const size_t count = oc_models_count();
    assert_true(count >= sizeof names / sizeof names[0]);
    assert_null(oc_models_name(count));
    assert_null(oc_models_summary(count));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) assert_string_equal(oc_models_name(i), names[i]);
    for (size_t i = 0; i < oc_models_count(); i++) {
        const oc_model_entry *entry = NULL;
        assert_true(strlen(oc_models_summary(i)) > 0);
        assert_null(strchr(oc_models_summary(i), '\n'));
        assert_int_equal(oc_model_entry_find(&entry, oc_models_name(i), NULL), OC_OK);
        assert_string_equal(entry->name, oc_models_name(i));
    }
}

static void test_unknown_name(void **state) {
    (void)state;
    oc_model *model = (oc_model *)(uintptr_t)1;
    oc_error err = {0};
    assert_int_equal(oc_model_create(&model, "myresnet-smal", three, 3, 64, NULL, &err), OC_E_USAGE);
    assert_null(model);
    assert_non_null(strstr(err.message, "'myresnet-smal'"));
    assert_non_null(strstr(err.message, "did you mean 'myresnet-small'?"));
    assert_non_null(strstr(err.message, "there are myresnet-tiny, myresnet-small, myresnet-base"));
    assert_int_equal(oc_model_create(&model, "zebra", three, 3, 64, NULL, &err), OC_E_USAGE);
    assert_null(strstr(err.message, "did you mean"));
    assert_non_null(strstr(err.message, "myresnet-small, myresnet-base"));
    assert_int_equal(oc_model_create(&model, "", three, 3, 64, NULL, NULL), OC_E_USAGE);
}

/* Scores and the last layer follow the image's size and the number of classes. */
static void test_sizes(void **state) {
    (void)state;
    static const int64_t good[] = {32, 64, 96, 128}, bad[] = {-64, 0, 1, 16, 31, 33, 63, 65, 100, 1 << 20, INT64_MAX};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        oc_model *model = NULL;
        assert_int_equal(oc_model_create(&model, "myresnet-small", three, 3, good[i], NULL, NULL), OC_OK);
        const oc_tensor *fc = oc_table_find(oc_graph_table(model->graph), "fc.1.weight");
        assert_int_equal(fc->shape.dim[0], 3);
        assert_int_equal(fc->shape.dim[1], 16 * 32 * (good[i] / 32) * (good[i] / 32));
        assert_int_equal(oc_model_size(model), good[i]);
        assert_int_equal(oc_graph_input_shape(model->graph).dim[2], good[i]);
        assert_int_equal(oc_graph_output_shape(model->graph).dim[0], 3);
        oc_model_destroy(&model);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        oc_model *model = NULL;
        oc_error err = {0};
        assert_int_equal(oc_model_create(&model, "myresnet-small", three, 3, bad[i], NULL, &err), OC_E_USAGE);
        assert_null(model);
        assert_string_equal(err.where, "data.size");
        assert_true(strlen(err.message) > 0);
    }
}

static void test_classes(void **state) {
    (void)state;
    oc_model *model = NULL;
    oc_error err = {0};
    const char *const twice[] = {"a", "b", "a"}, *const empty[] = {"a", ""}, *const broken[] = {"a", "\xFF"};
    assert_int_equal(oc_model_create(&model, "myresnet-small", NULL, 0, 64, NULL, &err), OC_E_USAGE);
    assert_int_equal(oc_model_create(&model, "myresnet-small", twice, 3, 64, NULL, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "'a'"));
    assert_int_equal(oc_model_create(&model, "myresnet-small", empty, 2, 64, NULL, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "empty"));
    assert_int_equal(oc_model_create(&model, "myresnet-small", broken, 2, 64, NULL, &err), OC_E_USAGE);
    assert_non_null(strstr(err.message, "UTF-8"));
    assert_null(model);

    /* The list is copied, and keeps its order. */
    char code[] = "zebra";
    const char *list[] = {code, "ant"};
    assert_int_equal(oc_model_create(&model, "myresnet-small", list, 2, 64, NULL, NULL), OC_OK);
    code[0] = 'x';
    list[1] = NULL;
    assert_int_equal(oc_model_class_count(model), 2);
    assert_string_equal(oc_model_class(model, 0), "zebra");
    assert_string_equal(oc_model_class(model, 1), "ant");
    assert_null(oc_model_class(model, 2));
    oc_model_destroy(&model);
    assert_null(model);
    oc_model_destroy(&model);
    oc_model_destroy(NULL);
}

/* Layers and tensors as the command lists them. */
static void test_layers(void **state) {
    (void)state;
    /* Multiply-accumulates of one image at 64×64 with p planes: nine times Σ in·out·area of the convolutions, and the
     * linear layer. */
    static const int64_t planes[] = {4, 32, 64};
    const size_t own_models = sizeof planes / sizeof planes[0];
    for (size_t i = 0; i < oc_models_count(); i++) {
        oc_model *model = NULL;
        const int64_t p = i < own_models ? planes[i] : 0;
        assert_int_equal(oc_model_create(&model, oc_models_name(i), three, 3, 64, NULL, NULL), OC_OK);
        assert_string_equal(oc_model_name(model), oc_models_name(i));
        int64_t parameters = 0, macs = 0;
        for (size_t k = 0; k < oc_model_layers(model); k++) {
            const oc_layer layer = oc_model_layer(model, k);
            assert_true(layer.dims == 1 || layer.dims == 3);
            assert_true(strlen(layer.op) > 0);
            parameters += layer.parameters;
            macs += layer.macs;
        }
        const int64_t convs = 3 * p * 4096 + p * 2 * p * 4096 + 2 * 4 * p * p * 1024 + 8 * p * p * 1024 +
                              32 * p * p * 256 + 2 * 64 * p * p * 64 + 128 * p * p * 64 + 2 * 256 * p * p * 16;
        const bool own = i < own_models;
        if (own) assert_int_equal(macs, 9 * convs + 16 * p * 4 * 3);
        assert_int_equal(parameters, oc_table_parameters(oc_graph_table(model->graph)));
        const oc_layer last = oc_model_layer(model, oc_model_layers(model) - 1);
        assert_string_equal(last.op, "linear");
        assert_string_equal(last.name, own ? "fc.1" : "fc");
        assert_int_equal(last.dims, 1);
        assert_int_equal(last.dst[0], 3);

        int64_t elements = 0;
        for (size_t k = 0; k < oc_model_tensors(model); k++) {
            const oc_tensor_info tensor = oc_model_tensor(model, k);
            int64_t count = 1;
            for (int d = 0; d < tensor.dims; d++) count *= tensor.shape[d];
            if (tensor.parameter) elements += count;
        }
        assert_int_equal(elements, parameters);
        if (own) assert_string_equal(oc_model_tensor(model, 0).name, "conv1.0.weight");
        assert_string_equal(oc_model_tensor(model, oc_model_tensors(model)).name, "");
        assert_string_equal(oc_model_layer(model, oc_model_layers(model)).op, "");
        oc_model_destroy(&model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry), cmocka_unit_test(test_unknown_name), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_classes),  cmocka_unit_test(test_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
