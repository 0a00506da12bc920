/* label: slow */
/* Variants of the ResNets, stems, pool, dropping, and their weights: what the file says of them, what contradicts it,
 * and weights for other classes to train on from. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/ops/drop.h"
#include "models/model.h"
#include "models/weights_io.h"
#include "ocelli/models.h"
#include "support/bytes.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

#define SEED 31U

static const char *const codes[] = {"ant", "bee", "cat", "dog", "eel"};

static char folder[256];

/* A file of the test's folder; the text is overwritten by the fourth call after. */
static const char *in_folder(const char *name) {
    static char paths[4][320];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static oc_model *make_model(const char *name, size_t classes, int64_t size, const oc_model_options *options) {
    oc_model *model = NULL;
    oc_error err = {0};
    if (oc_model_create(&model, name, codes, classes, size, options, &err) != OC_OK)
        fail_msg("%s: %s", err.where, err.message);
    return model;
}

/* The same with its first weights. */
static oc_model *make_begun(const char *name, size_t classes, int64_t size, const oc_model_options *options) {
    oc_model *model = make_model(name, classes, size, options);
    oc_model_init(model, SEED);
    return model;
}

static const oc_tensor *tensor_of(const oc_model *model, const char *name) {
    const oc_tensor *tensor = oc_table_find(oc_graph_table(model->graph), name);
    assert_non_null(tensor);
    return tensor;
}

static void says(const oc_error *err, const char *text) {
    if (!strstr(err->message, text)) fail_msg("the message does not say '%s': %s", text, err->message);
}

/* Making it must fail with OC_E_USAGE about `where`. */
static void refuse(const char *name, int64_t size, oc_model_options options, const char *where, const char *text) {
    oc_model *model = (oc_model *)(uintptr_t)1;
    oc_error err = {0};
    assert_int_equal(oc_model_create(&model, name, codes, 3, size, &options, &err), OC_E_USAGE);
    assert_null(model);
    assert_string_equal(err.where, where);
    says(&err, text);
}

static void test_options(void **state) {
    (void)state;
    for (size_t i = 0; i < oc_models_count(); i++) {
        const char *name = oc_models_name(i);
        if (strncmp(name, "myresnet", 8) == 0) {
            refuse(name, 64, (oc_model_options){.stem = "7x7"}, "model.stem", name);
            refuse(name, 64, (oc_model_options){.no_stem_pool = true}, "model.stem_pool", name);
            refuse(name, 64, (oc_model_options){.drop_path = 0.1}, "model.drop_path", name);
            refuse(name, 64, (oc_model_options){.dropout = 0.1}, "model.dropout", name);
            oc_model *model = make_model(name, 3, 64, &(oc_model_options){.stem = "own"});
            oc_model_destroy(&model);
            continue;
        }
        static const int64_t bad[] = {-1, 0, 1, 31, 4097};
        for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++)
            refuse(name, bad[k], (oc_model_options){0}, "data.size", "");
        refuse(name, 64, (oc_model_options){.stem = "depe"}, "model.stem", "did you mean 'deep'?");
        refuse(name, 64, (oc_model_options){.stem = ""}, "model.stem", "own, 3x3, 7x7, deep");
        refuse(name, 64, (oc_model_options){.drop_path = 1}, "model.drop_path", "1");
        refuse(name, 64, (oc_model_options){.drop_path = NAN}, "model.drop_path", "");
        refuse(name, 64, (oc_model_options){.dropout = -0.1}, "model.dropout", "");
        refuse(name, 64, (oc_model_options){.dropout = INFINITY}, "model.dropout", "");
        for (int64_t size = 32; size < 50; size += 1 + size % 3) {
            oc_model *model = make_model(name, 3, size, NULL);
            oc_model_destroy(&model);
        }
    }
}

/* Size of the feature map that reaches the first block: that of the first convolution in it. */
static int64_t map_of(const oc_model *model) {
    for (size_t i = 0; i < oc_model_layers(model); i++) {
        const oc_layer layer = oc_model_layer(model, i);
        if (strncmp(layer.name, "layer1.0.conv1", 14) == 0) return layer.dst[1];
    }
    fail_msg("there is no first block");
    return 0;
}

static void test_stems(void **state) {
    (void)state;
    static const struct {
        const char *stem;
        bool no_pool;
        int64_t map;
        const char *first;
        int64_t channels, kernel;
    } cases[] = {
        {"3x3", false, 32, "conv1.weight", 64, 3},    {"3x3", true, 64, "conv1.weight", 64, 3},
        {"7x7", false, 16, "conv1.weight", 64, 7},    {"7x7", true, 32, "conv1.weight", 64, 7},
        {"deep", false, 16, "conv1.0.weight", 32, 3}, {"deep", true, 32, "conv1.0.weight", 32, 3},
    };
    static const char *const names[] = {"resnet18", "skresnet18", "seresnext26d_32x4d"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            const oc_model_options options = {.stem = cases[i].stem, .no_stem_pool = cases[i].no_pool};
            oc_model *model = make_model(names[k], 3, 64, &options);
            const bool own = strcmp(cases[i].stem, k == 2 ? "deep" : "3x3") == 0;
            assert_int_equal(map_of(model), cases[i].map);
            const oc_tensor *first = tensor_of(model, cases[i].first);
            assert_int_equal(first->shape.dim[0], cases[i].channels);
            assert_int_equal(first->shape.dim[2], cases[i].kernel);
            /* The 3×3 one begins as a new layer of PyTorch's, timm's own ones as timm begins them. */
            assert_int_equal(first->init.kind, strcmp(cases[i].stem, "3x3") == 0 ? OC_INIT_UNIFORM : OC_INIT_NORMAL);
            if (own)
                assert_null(model->options.stem);
            else
                assert_string_equal(model->options.stem, cases[i].stem);
            oc_model_destroy(&model);
        }
}

/* Probabilities of the nodes that drop: block i of n that of the last times i / (n − 1). */
static void test_dropping(void **state) {
    (void)state;
    oc_model *model = make_model("resnet34", 3, 32, &(oc_model_options){.drop_path = 0.3, .dropout = 0.25});
    int blocks = 0, elements = 0;
    for (int i = 0; i < model->graph->nodes; i++) {
        const oc_node *node = &model->graph->node[i];
        if (node->op != &oc_drop_path_op && node->op != &oc_dropout_op) continue;
        const oc_drop_node *attr = node->attr;
        if (attr->elements) {
            elements++;
            assert_true(attr->p == 0.25);
            assert_int_equal(node->dst.dim[0], 512);
        } else {
            blocks++;
            assert_true(fabs(attr->p - 0.3 * blocks / 15) < 1e-15);
        }
    }
    assert_int_equal(blocks, 15); /* the first block's probability is 0 */
    assert_int_equal(elements, 1);
    oc_model_destroy(&model);
    model = make_model("resnet34", 3, 32, NULL);
    for (int i = 0; i < model->graph->nodes; i++)
        assert_true(model->graph->node[i].op != &oc_drop_path_op && model->graph->node[i].op != &oc_dropout_op);
    oc_model_destroy(&model);
}

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static void check_equal_files(const char *a, const char *b) {
    size_t first_size, second_size;
    unsigned char *first = test_bytes_read(a, &first_size), *second = test_bytes_read(b, &second_size);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    free(first);
    free(second);
}

static void test_metadata(void **state) {
    (void)state;
    oc_model *model = make_begun("seresnet18", 3, 40, &(oc_model_options){.stem = "7x7", .no_stem_pool = true});
    oc_model *back = NULL;
    oc_safetensors *file = NULL;
    model->holdout = 0.1;
    model->steps = 12345678901;
    assert_int_equal(oc_model_save(model, in_folder("a"), NULL), OC_OK);
    assert_int_equal(oc_safetensors_open(&file, in_folder("a"), NULL), OC_OK);
    assert_string_equal(oc_safetensors_metadata(file, "stem"), "7x7");
    assert_string_equal(oc_safetensors_metadata(file, "stem_pool"), "false");
    assert_string_equal(oc_safetensors_metadata(file, "holdout"), "0.1");
    int64_t steps = 0;
    memcpy(&steps, oc_safetensors_find(file, "layer4.1.bn2.num_batches_tracked")->data, sizeof steps);
    assert_true(steps == 12345678901);
    oc_safetensors_destroy(&file);

    assert_int_equal(oc_model_open(&back, in_folder("a"), NULL, NULL, 0, 0, NULL, NULL), OC_OK);
    assert_string_equal(back->options.stem, "7x7");
    assert_true(back->options.no_stem_pool && back->holdout == 0.1 && back->steps == model->steps);
    assert_int_equal(map_of(back), map_of(model));
    assert_int_equal(oc_model_save(back, in_folder("b"), NULL), OC_OK);
    check_equal_files(in_folder("a"), in_folder("b"));
    oc_model_destroy(&back);
    oc_model_destroy(&model);

    /* A model as its row says, nothing held out: not a word of it. */
    model = make_begun("seresnet18", 3, 40, &(oc_model_options){.stem = "3x3", .drop_path = 0.1, .dropout = 0.1});
    assert_int_equal(oc_model_save(model, in_folder("a"), NULL), OC_OK);
    assert_int_equal(oc_safetensors_open(&file, in_folder("a"), NULL), OC_OK);
    assert_null(oc_safetensors_metadata(file, "stem"));
    assert_null(oc_safetensors_metadata(file, "stem_pool"));
    assert_null(oc_safetensors_metadata(file, "holdout"));
    oc_safetensors_destroy(&file);
    oc_model_destroy(&model);
}

static void refuse_open(oc_status want, const char *path, const char *name, const oc_model_options *options,
                        const char *text) {
    oc_model *model = NULL;
    oc_error err = {0};
    const oc_status status =
        oc_model_open(&model, path, name, name ? codes : NULL, name ? 3 : 0, name ? 32 : 0, options, &err);
    if (status != want) fail_msg("%s instead of %s: %s", oc_status_text(status), oc_status_text(want), err.message);
    assert_null(model);
    assert_string_equal(err.where, path);
    says(&err, text);
}

static void test_contradictions(void **state) {
    (void)state;
    oc_model *plain = make_begun("resnet18", 3, 32, NULL);
    oc_model *deep = make_begun("resnet18", 3, 32, &(oc_model_options){.stem = "deep"});
    oc_model *open = make_begun("resnet18", 3, 32, &(oc_model_options){.no_stem_pool = true});
    oc_error err = {0};
    assert_int_equal(oc_model_save(deep, in_folder("deep"), NULL), OC_OK);
    assert_int_equal(oc_model_save(open, in_folder("open"), NULL), OC_OK);
    refuse_open(OC_E_MISMATCH, in_folder("deep"), NULL, &(oc_model_options){.stem = "7x7"},
                "their stem is deep, the model's is 7x7");
    refuse_open(OC_E_MISMATCH, in_folder("deep"), NULL, &(oc_model_options){.no_stem_pool = true},
                "they are made with a pool behind the stem, the model without");
    assert_int_equal(oc_model_read(plain, in_folder("deep"), NULL, &err), OC_E_MISMATCH);
    says(&err, "their stem is deep, the model's is 3x3");
    says(&err, "missing conv1.weight");
    says(&err, "unexpected conv1.0.weight");
    /* The tensors are the same: only the file's word tells. */
    assert_int_equal(oc_model_read(plain, in_folder("open"), NULL, &err), OC_E_MISMATCH);
    says(&err, "they are made without a pool behind the stem, the model with");
    oc_model_destroy(&plain);
    oc_model_destroy(&deep);
    oc_model_destroy(&open);
}

static void test_damaged_metadata(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
    } lies[] = {{"stem", "9x9"},    {"stem", ""},        {"stem", "own"},     {"stem_pool", "maybe"},
                {"stem_pool", ""},  {"holdout", ""},     {"holdout", "1"},    {"holdout", "-0.1"},
                {"holdout", "nan"}, {"holdout", "0.1x"}, {"holdout", "1e999"}};
    const float zero = 0;
    const oc_safetensors_view view = {.name = "fc.bias",
                                      .dtype = OC_F32,
                                      .shape = oc_shape_make(1, (int64_t)1),
                                      .data = (const uint8_t *)&zero,
                                      .size = sizeof zero};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const oc_metadata metadata[] = {{"model", "resnet18"}, {"classes", "[\"a\"]"}, {"size", "32"},
                                        {"mean", "[0,0,0]"},   {"std", "[1,1,1]"},     {lies[i].key, lies[i].value}};
        assert_int_equal(oc_safetensors_write(in_folder("lie"), &view, 1, metadata, 6, NULL), OC_OK);
        char text[32];
        snprintf(text, sizeof text, "'%s'", lies[i].key);
        refuse_open(OC_E_FORMAT, in_folder("lie"), NULL, NULL, text);
    }
    /* An own ResNet has no variants. */
    const oc_metadata metadata[] = {{"model", "myresnet-small"}, {"classes", "[\"a\"]"}, {"size", "32"},
                                    {"mean", "[0,0,0]"},         {"std", "[1,1,1]"},     {"stem", "7x7"}};
    assert_int_equal(oc_safetensors_write(in_folder("lie"), &view, 1, metadata, 6, NULL), OC_OK);
    refuse_open(OC_E_FORMAT, in_folder("lie"), NULL, NULL, "myresnet-small");
}

/* ---- Weights of others ------------------------------------------------------------------------------------------ */

/* Writes the model's tensors as a file that says nothing of itself. */
static void write_bare(const oc_model *model, const char *path) {
    const oc_table *table = oc_graph_table(model->graph);
    float **data = calloc(oc_table_count(table), sizeof *data);
    for (size_t i = 0; i < oc_table_count(table); i++) data[i] = model->weights.arena + oc_table_at(table, i)->offset;
    assert_int_equal(oc_weights_write(path, table, data, NULL, NULL, 0, NULL), OC_OK);
    free(data);
}

/* Scores of two fixed images. */
static void score(oc_model *model, float *dst) {
    oc_team *team = NULL;
    oc_slab *slab = NULL;
    oc_plan *plan = NULL;
    assert_int_equal(oc_team_create(&team, 0, NULL), OC_OK);
    assert_int_equal(oc_slab_create(&slab, NULL), OC_OK);
    const oc_plan_options options = {.batch = 2, .mode = OC_PLAN_INFER, .team = team, .slab = slab};
    assert_int_equal(oc_plan_create(&plan, model->graph, &options, NULL), OC_OK);
    float *src = oc_plan_src(plan);
    for (int64_t i = 0; i < 2 * 3 * model->size * model->size; i++) src[i] = (float)(i * 37 % 101) / 50 - 1;
    assert_int_equal(oc_plan_forward(plan, &model->weights, NULL), OC_OK);
    memcpy(dst, oc_plan_dst(plan), 2 * model->classes.count * sizeof *dst);
    oc_plan_destroy(&plan);
    oc_slab_destroy(&slab);
    oc_team_destroy(&team);
}

/* Weights of others, read, saved and read again, score the same to the bit. */
static void test_same_scores(void **state) {
    (void)state;
    static const char *const names[] = {"resnet18", "seresnext26d_32x4d", "skresnet18"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        oc_model *model = make_begun(names[i], 3, 33, NULL), *first = NULL, *second = NULL;
        float want[6], got[6];
        write_bare(model, in_folder("bare"));
        assert_int_equal(oc_model_open(&first, in_folder("bare"), names[i], codes, 3, 33, NULL, NULL), OC_OK);
        assert_int_equal(oc_model_save(first, in_folder("saved"), NULL), OC_OK);
        assert_int_equal(oc_model_open(&second, in_folder("saved"), NULL, NULL, 0, 0, NULL, NULL), OC_OK);
        score(first, want);
        score(second, got);
        assert_memory_equal(want, got, sizeof want);
        assert_true(want[0] != want[1] && isfinite(want[0]));
        oc_model_destroy(&model);
        oc_model_destroy(&first);
        oc_model_destroy(&second);
    }
}

static void keep_note(void *user, oc_log_level level, const char *text) {
    assert_int_equal(level, OC_LOG_INFO);
    snprintf(user, 512, "%s", text);
}

/* Reading must fail with `text` and change nothing. */
static void refuse_read(oc_model *model, const char *path, const char *text) {
    const size_t bytes = oc_table_arena_size(oc_graph_table(model->graph)) * sizeof(float);
    float *before = malloc(bytes);
    oc_error err = {0};
    char note[512] = "";
    memcpy(before, model->weights.arena, bytes);
    assert_int_equal(oc_model_read(model, path, &(oc_log){keep_note, note}, &err), OC_E_MISMATCH);
    says(&err, text);
    assert_string_equal(note, "");
    assert_memory_equal(before, model->weights.arena, bytes);
    free(before);
}

static void test_other_head(void **state) {
    (void)state;
    oc_model *five = make_begun("skresnet18", 5, 32, NULL), *three = NULL;
    oc_error err = {0};
    write_bare(five, in_folder("bare"));
    assert_int_equal(oc_model_create(&three, "skresnet18", codes, 3, 48, NULL, NULL), OC_OK);
    oc_model_init(three, SEED + 1);
    const oc_tensor *head = tensor_of(three, "fc.weight"), *bias = tensor_of(three, "fc.bias");
    float kept[3 * 512 + 3];
    memcpy(kept, three->weights.arena + head->offset, head->count * sizeof(float));
    memcpy(kept + head->count, three->weights.arena + bias->offset, bias->count * sizeof(float));

    /* To train on: all but the head. */
    char note[512] = "";
    assert_int_equal(oc_model_read(three, in_folder("bare"), &(oc_log){keep_note, note}, &err), OC_OK);
    assert_non_null(strstr(note, "fc"));
    assert_memory_equal(kept, three->weights.arena + head->offset, head->count * sizeof(float));
    assert_memory_equal(kept + head->count, three->weights.arena + bias->offset, bias->count * sizeof(float));
    const oc_table *table = oc_graph_table(five->graph);
    for (size_t i = 0; i + 2 < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        assert_memory_equal(five->weights.arena + tensor->offset,
                            three->weights.arena + tensor_of(three, tensor->name)->offset,
                            tensor->count * sizeof(float));
    }
    /* To classify with: not at all. */
    refuse_open(OC_E_MISMATCH, in_folder("bare"), "skresnet18", NULL,
                "fc.weight ([5, 512] in the file, [3, 512] in the model)");
    oc_model_destroy(&three);

    /* The right head is taken over, without a note. */
    note[0] = '\0';
    oc_model *again = make_begun("skresnet18", 5, 32, NULL);
    oc_model_init(again, SEED + 2);
    assert_int_equal(oc_model_read(again, in_folder("bare"), &(oc_log){keep_note, note}, &err), OC_OK);
    assert_string_equal(note, "");
    assert_memory_equal(again->weights.arena, five->weights.arena, oc_table_arena_size(table) * sizeof(float));
    oc_model_destroy(&again);
    oc_model_destroy(&five);
}

/* Another head excuses nothing else. */
static void test_other_body(void **state) {
    (void)state;
    oc_model *five = make_begun("seresnet18", 5, 32, NULL);
    write_bare(five, in_folder("bare"));
    oc_model *deep = make_begun("seresnet18", 3, 32, &(oc_model_options){.stem = "deep"});
    refuse_read(deep, in_folder("bare"), "missing conv1.0.weight");
    refuse_read(deep, in_folder("bare"), "unexpected conv1.weight");
    oc_model_destroy(&deep);
    oc_model *plain = make_begun("resnet18", 3, 32, NULL);
    refuse_read(plain, in_folder("bare"), "unexpected layer1.0.se.fc1.weight");
    oc_model_destroy(&plain);
    oc_model *wide = make_begun("seresnet50", 3, 32, NULL);
    refuse_read(wide, in_folder("bare"), "misshapen layer1.0.conv1.weight ([64, 64, 3, 3]");
    oc_model_destroy(&wide);
    oc_model_destroy(&five);

    /* An own ResNet of another size has another last layer for another reason. */
    oc_model *large = make_begun("myresnet-tiny", 5, 64, NULL), *small = make_begun("myresnet-tiny", 3, 32, NULL);
    write_bare(large, in_folder("bare"));
    refuse_read(small, in_folder("bare"), "fc.1.weight ([5, 256] in the file, [3, 64] in the model)");
    oc_model_destroy(&large);
    oc_model_destroy(&small);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_options),        cmocka_unit_test(test_stems),
                                       cmocka_unit_test(test_dropping),       cmocka_unit_test(test_metadata),
                                       cmocka_unit_test(test_contradictions), cmocka_unit_test(test_damaged_metadata),
                                       cmocka_unit_test(test_same_scores),    cmocka_unit_test(test_other_head),
                                       cmocka_unit_test(test_other_body)};
    return cmocka_run_group_tests(tests, enter, leave);
}
