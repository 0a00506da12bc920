/* label: slow */
/* Folders for timm as they are written: what config.json says for each model and variant, the tensors beside it, what
 * is refused and what then stays. That timm computes the same from them is for tests/cli_timm_export.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "models/model.h"
#include "ocelli/export.h"
#include "ocelli/models.h"
#include "support/ensembles.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

static char folder[256], target[320];

static const char *inside(char path[400], const char *name) {
    snprintf(path, 400, "%s/%s", target, name);
    return path;
}

static oc_model *made(const char *name, const char *stem, bool no_stem_pool) {
    oc_model *model = NULL;
    oc_error err = {0};
    const oc_model_options options = {.stem = stem, .no_stem_pool = no_stem_pool};
    if (oc_model_create(&model, name, test_codes, TEST_CLASSES, 64, &options, &err) != OC_OK)
        fail_msg("%s", err.message);
    oc_model_init(model, 1);
    return model;
}

static json_t *exported(oc_model *model, const oc_timm_options *options) {
    oc_error err = {0};
    char path[400];
    json_t *config = NULL;
    if (oc_export_timm(model, target, options, &err) != OC_OK) fail_msg("%s: %s", err.where, err.message);
    assert_int_equal(oc_json_read(&config, inside(path, "config.json"), &err), OC_OK);
    return config;
}

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    if (!value) fail_msg("no text %s", key);
    return value;
}

/* Every tensor of the model, and no other but the counters of the batch norms. */
static void check_tensors(const oc_model *model) {
    char path[400];
    oc_safetensors *file = NULL;
    const oc_table *table = oc_graph_table(model->graph);
    size_t norms = 0;
    assert_int_equal(oc_safetensors_open(&file, inside(path, "model.safetensors"), NULL), OC_OK);
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        const oc_safetensors_view *view = oc_safetensors_find(file, tensor->name);
        assert_non_null(view);
        assert_memory_equal(view->data, model->weights.arena + tensor->offset, tensor->count * sizeof(float));
        norms += strstr(tensor->name, "running_var") != NULL;
    }
    assert_int_equal(oc_safetensors_count(file), oc_table_count(table) + norms);
    oc_safetensors_destroy(&file);
}

/* Which constructor's arguments each stem of each architecture asks for, and when there is a load.py. */
static void test_stems(void **state) {
    (void)state;
    static const struct {
        const char *model, *stem;
        const char *type, *first; /* stem_type among the arguments, NULL: none; and the first convolution */
        int width;
        bool no_pool, loader;
    } rows[] = {
        {"resnet18", NULL, NULL, "conv1", 0, false, true},
        {"resnet18", "7x7", NULL, "conv1", 0, false, false},
        {"resnet18", "7x7", NULL, "conv1", 0, true, true},
        {"resnet18", "deep", "deep", "conv1.0", 32, false, false},
        {"seresnet18", "deep", "deep", "conv1.0", 32, true, true},
        {"skresnet18", NULL, NULL, "conv1", 0, true, true},
        {"resnet26d", NULL, NULL, "conv1.0", 0, false, false},
        {"resnet26d", "7x7", "", "conv1", 64, false, false},
        {"seresnext26d_32x4d", "3x3", NULL, "conv1", 0, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char path[400];
        oc_model *model = made(rows[i].model, rows[i].stem, rows[i].no_pool);
        json_t *config = exported(model, NULL), *args = json_object_get(config, "model_args");
        const json_t *loader = json_object_get(args, "open_with_load_py");
        assert_string_equal(text(config, "architecture"), rows[i].model);
        assert_string_equal(text(json_object_get(config, "pretrained_cfg"), "first_conv"), rows[i].first);
        assert_int_equal(oc_path_exists(inside(path, "load.py")), rows[i].loader);
        assert_int_equal(loader != NULL, rows[i].loader);
        if (loader) {
            assert_int_equal(json_is_true(json_object_get(loader, "maxpool")), !rows[i].no_pool);
            assert_int_equal(strcmp(text(loader, "conv1"), "3x3") == 0, !rows[i].stem || rows[i].stem[0] == '3');
        }
        assert_int_equal(json_object_get(args, "stem_type") != NULL, rows[i].type != NULL);
        if (rows[i].type) {
            assert_string_equal(text(args, "stem_type"), rows[i].type);
            assert_int_equal(json_integer_value(json_object_get(args, "stem_width")), rows[i].width);
        }
        check_tensors(model);
        json_decref(config);
        oc_model_destroy(&model);
    }
}

static void check_triple(const json_t *cfg, const char *key, const float expected[3]) {
    const json_t *list = json_object_get(cfg, key);
    assert_int_equal(json_array_size(list), 3);
    for (size_t c = 0; c < 3; c++) assert_true((float)json_real_value(json_array_get(list, c)) == expected[c]);
}

/* How images are prepared, and what the classes are called. */
static void test_preparation(void **state) {
    (void)state;
    static const char *const mode[] = {"center", "squash", "border"};
    static const char *const words[TEST_CLASSES] = {"apple", NULL, "n4", "pear"};
    for (int fit = OC_FIT_CROP; fit <= OC_FIT_LETTERBOX; fit++) {
        oc_model *model = made("resnet18", "7x7", false);
        model->image.fit = (oc_fit)fit;
        for (int c = 0; c < 3; c++) {
            model->mean[c] = 0.1F + 0.1F * (float)c;
            model->std[c] = 0.3F + 0.1F * (float)c;
        }
        json_t *config = exported(model, &(oc_timm_options){.crop_pct = fit == OC_FIT_CROP ? 0.8 : 0, .words = words});
        const json_t *cfg = json_object_get(config, "pretrained_cfg"), *labels = json_object_get(config, "label_names"),
                     *described = json_object_get(config, "label_descriptions");
        assert_string_equal(text(cfg, "crop_mode"), mode[fit]);
        assert_string_equal(text(cfg, "interpolation"), "bilinear");
        assert_string_equal(text(cfg, "classifier"), "fc");
        assert_true(json_real_value(json_object_get(cfg, "crop_pct")) == (fit == OC_FIT_CROP ? 0.8 : 1.0));
        assert_true(json_is_false(json_object_get(cfg, "fixed_input_size")));
        for (size_t d = 0; d < 3; d++)
            assert_int_equal(json_integer_value(json_array_get(json_object_get(cfg, "input_size"), d)), d ? 64 : 3);
        check_triple(cfg, "mean", model->mean);
        check_triple(cfg, "std", model->std);
        assert_int_equal(json_integer_value(json_object_get(cfg, "num_classes")), TEST_CLASSES);
        assert_int_equal(json_integer_value(json_object_get(config, "num_classes")), TEST_CLASSES);
        assert_int_equal(json_array_size(labels), TEST_CLASSES);
        for (size_t c = 0; c < TEST_CLASSES; c++)
            assert_string_equal(json_string_value(json_array_get(labels, c)), test_codes[c]);
        assert_int_equal(json_object_size(described), 2); /* what only repeats the name is no description */
        assert_string_equal(text(described, test_codes[3]), "pear");
        json_decref(config);
        oc_model_destroy(&model);
    }
}

static void refused(oc_model *model, const oc_timm_options *options, oc_status status, const char *message) {
    oc_error err = {0};
    assert_int_equal(oc_export_timm(model, target, options, &err), status);
    if (!strstr(err.message, message)) fail_msg("the message does not say '%s': %s", message, err.message);
}

static void test_refusals(void **state) {
    (void)state;
    char path[400], *data = NULL;
    size_t size = 0;
    oc_model *good = made("resnet18", "7x7", false);
    oc_model *own = test_network(test_codes, 32, 1);
    oc_model *both =
        test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, 32, 1), test_network(test_codes, 32, 2), NULL);
    json_decref(exported(good, NULL));
    refused(own, NULL, OC_E_USAGE, "use --onnx");
    refused(both, NULL, OC_E_USAGE, "each member's own weights file");
    refused(good, &(oc_timm_options){.crop_pct = 1.01}, OC_E_USAGE, "1.01");
    refused(good, &(oc_timm_options){.crop_pct = -1}, OC_E_USAGE, "-1");
    good->image.fit = OC_FIT_SQUASH;
    refused(good, &(oc_timm_options){.crop_pct = 0.8}, OC_E_USAGE, "squash");
    check_tensors(good); /* the first export is there still */
    /* What timm's Python leaves there is replaced; what someone put there is not. */
    assert_int_equal(mkdir(inside(path, "__pycache__"), 0777), 0);
    json_decref(exported(good, NULL));
    assert_int_equal(test_folder_entries(target), 2);
    assert_int_equal(oc_file_write_atomic(inside(path, "mine.txt"), "precious", 8, NULL), OC_OK);
    refused(good, NULL, OC_E_EXISTS, "'mine.txt'");
    assert_int_equal(oc_file_read(&data, &size, path, 100, NULL), OC_OK);
    assert_string_equal(data, "precious");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(oc_file_write_atomic(inside(path, "config.json"), "{\"architecture\": \"resnet18\"}", 28, NULL),
                     OC_OK);
    refused(good, NULL, OC_E_EXISTS, "config.json is not of Ocelli");
    check_tensors(good);
    assert_int_equal(test_folder_entries(folder), 1); /* nothing temporary is left beside it */
    oc_free(data);
    oc_model_destroy(&good);
    oc_model_destroy(&own);
    oc_model_destroy(&both);
}

static int enter(void **state) {
    (void)state;
    test_temporary_create(folder, sizeof folder);
    snprintf(target, sizeof target, "%s/timm", folder);
    return 0;
}

static int leave(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_stems, enter, leave),
                                       cmocka_unit_test_setup_teardown(test_preparation, enter, leave),
                                       cmocka_unit_test_setup_teardown(test_refusals, enter, leave)};
    return cmocka_run_group_tests_name("timm", tests, NULL, NULL);
}
