/* label: slow */
/* Ensembles as models: made, told about, their scores joined as plain formulas in double precision say, written to a
 * weights file and read; and what is damaged or does not fit is refused. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "models/build.h"
#include "ocelli/models.h"
#include "support/bytes.h"
#include "support/ensembles.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

#define SEED 4711U
#define NAME TEST_NETWORK

static char folder[256];

/* A file of the test's folder; the text is overwritten by the eighth call after. */
static const char *in_folder(const char *name) {
    static char paths[8][320];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Without arenas: enough where only names count. */
static oc_model *build_network(const char *const *classes, size_t count) {
    oc_model *model = NULL;
    assert_int_equal(oc_model_build(&model, NAME, classes, count, 32, NULL, NULL), OC_OK);
    return model;
}

static void says(const oc_error *err, const char *text) {
    if (!strstr(err->message, text)) fail_msg("the message does not say '%s': %s", text, err->message);
}

/* ---- Joining scores --------------------------------------------------------------------------------------------- */

static void test_names(void **state) {
    (void)state;
    oc_error err = {0};
    for (int i = 0; i < OC_COMBINES; i++) {
        oc_combine found = OC_COMBINES;
        assert_int_equal(oc_combine_find(&found, oc_combine_name((oc_combine)i), "--method", &err), OC_OK);
        assert_int_equal(found, i);
    }
    oc_combine found;
    assert_int_equal(oc_combine_find(&found, "stak", "--method", &err), OC_E_USAGE);
    assert_string_equal(err.where, "--method");
    says(&err, "stack, mean or weighted");
    says(&err, "did you mean stack");
}

/* What the joined scores of one row should be, in the plainest words. */
static void expect_joined(const oc_model *model, const float *const *src, int64_t row, long double *dst) {
    const oc_ensemble *e = model->ensemble;
    const size_t classes = model->classes.count, columns = classes * e->members;
    for (size_t c = 0; c < classes; c++) {
        dst[c] = e->combine == OC_COMBINE_STACK ? (long double)e->bias[c] : 0;
        for (size_t m = 0; m < e->members; m++) {
            const float *x = src[m] + (size_t)row * classes;
            long double sum = 0;
            for (size_t k = 0; k < classes; k++) {
                if (e->combine == OC_COMBINE_STACK)
                    dst[c] += (long double)e->weight[c * columns + m * classes + k] * (long double)x[k];
                sum += expl((long double)x[k]);
            }
            if (e->combine == OC_COMBINE_MEAN) dst[c] += expl((long double)x[c]) / sum / (long double)e->members;
            if (e->combine == OC_COMBINE_WEIGHTED) dst[c] += (long double)e->weight[m] * expl((long double)x[c]) / sum;
        }
        if (e->combine != OC_COMBINE_STACK) dst[c] = logl(dst[c]);
    }
}

static void test_combine(void **state) {
    (void)state;
    enum { MANY = 11, MEMBERS = 3, ROWS = 5 };
    char names[MANY][8];
    const char *classes[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        classes[i] = names[i];
    }
    for (int way = 0; way < OC_COMBINES; way++) {
        oc_model *model = test_ensemble((oc_combine)way, build_network(classes, MANY), build_network(classes, MANY),
                                        build_network(classes, MANY));
        static float src[MEMBERS][ROWS * MANY];
        float dst[ROWS * MANY], again[MANY];
        const float *rows[MEMBERS];
        oc_random random;
        oc_random_init(&random, SEED, OC_RANDOM_INIT, 0, (uint32_t)way);
        test_combiner_fill(model, SEED);
        for (int m = 0; m < MEMBERS; m++) {
            /* The last row is of scores whose exponentials double precision does not hold. */
            for (int i = 0; i < ROWS * MANY; i++)
                src[m][i] = (float)(oc_random_range(&random, -8, 8) * (i >= (ROWS - 1) * MANY ? 300 : 1));
            rows[m] = src[m];
        }
        oc_ensemble_combine(model, rows, ROWS, dst);
        for (int64_t row = 0; row < ROWS; row++) {
            long double expected[MANY];
            expect_joined(model, rows, row, expected);
            for (int c = 0; c < MANY; c++) {
                const double got = (double)dst[row * MANY + c], want = (double)expected[c];
                if (!(fabs(got - want) <= 1e-6 * fmax(1, fabs(want))))
                    fail_msg("%s, row %d, class %d: %.9g, not %.9g", oc_combine_name((oc_combine)way), (int)row, c, got,
                             want);
            }
            /* A row is joined alike alone and among others. */
            const float *alone[MEMBERS];
            for (int m = 0; m < MEMBERS; m++) alone[m] = src[m] + row * MANY;
            oc_ensemble_combine(model, alone, 1, again);
            assert_memory_equal(again, dst + row * MANY, sizeof again);
        }
        oc_model_destroy(&model);
    }
}

/* A member that weighs nothing has no say, even where its scores are no numbers; with no weights at all, nobody has. */
static void test_no_weight(void **state) {
    (void)state;
    oc_model *model =
        test_ensemble(OC_COMBINE_WEIGHTED, build_network(test_codes, 3), build_network(test_codes, 3), NULL);
    const float a[3] = {1, 2, 3}, b[3] = {NAN, INFINITY, 0}, *const rows[2] = {a, b};
    float dst[3];
    oc_ensemble_combine(model, rows, 1, dst);
    for (int c = 0; c < 3; c++) assert_true(dst[c] == 0);
    model->ensemble->weight[0] = 1;
    oc_ensemble_combine(model, rows, 1, dst);
    const double sum = exp(1) + exp(2) + exp(3);
    for (int c = 0; c < 3; c++) assert_float_equal(dst[c], (double)a[c] - log(sum), 1e-6);
    oc_model_destroy(&model);
}

static void test_gather(void **state) {
    (void)state;
    const char *turned[TEST_CLASSES];
    for (size_t i = 0; i < TEST_CLASSES; i++) turned[i] = test_codes[test_turn[i]];
    oc_model *model = test_ensemble(OC_COMBINE_MEAN, build_network(test_codes, TEST_CLASSES),
                                    build_network(turned, TEST_CLASSES), NULL);
    float src[2 * TEST_CLASSES], dst[2 * TEST_CLASSES];
    for (size_t i = 0; i < 2 * TEST_CLASSES; i++) src[i] = (float)i;
    oc_ensemble_gather(model, 0, src, 2, dst);
    assert_memory_equal(src, dst, sizeof dst);
    oc_ensemble_gather(model, 1, src, 2, dst);
    for (size_t row = 0; row < 2; row++)
        for (size_t i = 0; i < TEST_CLASSES; i++)
            assert_true(dst[row * TEST_CLASSES + test_turn[i]] == src[row * TEST_CLASSES + i]);
    /* A network is its own only member. */
    assert_int_equal(oc_model_networks(model), 2);
    oc_model *network = oc_model_network(model, 1);
    assert_int_equal(oc_model_networks(network), 1);
    assert_ptr_equal(oc_model_network(network, 0), network);
    const float *const rows[] = {src};
    memset(dst, 0, sizeof dst);
    oc_ensemble_gather(network, 0, src, 2, dst);
    assert_memory_equal(src, dst, sizeof dst);
    memset(dst, 0, sizeof dst);
    oc_ensemble_combine(network, rows, 2, dst);
    assert_memory_equal(src, dst, sizeof dst);
    oc_model_destroy(&model);
}

/* ---- Making ----------------------------------------------------------------------------------------------------- */

static void refuse_members(oc_status want, oc_error *err, oc_model **members, size_t count) {
    oc_model *model = (oc_model *)(uintptr_t)1;
    const char *names[OC_ENSEMBLE_MOST + 1];
    for (size_t m = 0; m <= OC_ENSEMBLE_MOST; m++) names[m] = test_labels[m % 3];
    memset(err, 0, sizeof *err);
    assert_int_equal(oc_ensemble_create(&model, OC_COMBINE_STACK, members, names, count, err), want);
    assert_null(model);
    for (size_t m = 0; m < count; m++) assert_null(members[m]);
    assert_true(strlen(err->message) > 0);
}

static void test_refused_members(void **state) {
    (void)state;
    oc_error err;
    oc_model *members[OC_ENSEMBLE_MOST + 1] = {0};
    refuse_members(OC_E_USAGE, &err, members, 0);
    says(&err, "2 to 64 members, not 0");
    members[0] = build_network(test_codes, 2);
    refuse_members(OC_E_USAGE, &err, members, 1);
    says(&err, "not 1");
    for (size_t m = 0; m <= OC_ENSEMBLE_MOST; m++) members[m] = build_network(test_codes, 2);
    refuse_members(OC_E_USAGE, &err, members, OC_ENSEMBLE_MOST + 1);
    says(&err, "not 65");

    members[0] = build_network(test_codes, 2);
    members[1] = test_ensemble(OC_COMBINE_MEAN, build_network(test_codes, 2), build_network(test_codes, 2), NULL);
    refuse_members(OC_E_USAGE, &err, members, 2);
    assert_string_equal(err.where, test_labels[1]);
    says(&err, "ensemble");

    const char *const renamed[] = {"n3", "zebra", "n4"};
    members[0] = build_network(test_codes, 3);
    members[1] = build_network(test_codes, 3);
    members[2] = build_network(renamed, 3);
    refuse_members(OC_E_MISMATCH, &err, members, 3);
    assert_string_equal(err.where, test_labels[2]);
    says(&err, "only in a.safetensors: class n1");
    says(&err, "only in c.safetensors: class zebra");
    members[0] = build_network(test_codes, 3);
    members[1] = build_network(test_codes, 2);
    refuse_members(OC_E_MISMATCH, &err, members, 2);
    says(&err, "only in a.safetensors: class n4");
    assert_null(strstr(err.message, "only in b.safetensors"));
}

/* What `ocelli models` and whoever else asks is told. */
static void test_told(void **state) {
    (void)state;
    static const struct {
        oc_combine combine;
        int64_t parameters, macs;
        size_t tensors;
    } cases[] = {{OC_COMBINE_STACK, 2 * 16 + 4, 2 * 16, 2}, {OC_COMBINE_MEAN, 0, 0, 0}, {OC_COMBINE_WEIGHTED, 2, 8, 1}};
    for (size_t i = 0; i < 3; i++) {
        oc_model *network = build_network(test_codes, TEST_CLASSES);
        oc_model *model = test_ensemble(cases[i].combine, build_network(test_codes, TEST_CLASSES),
                                        build_network(test_codes, TEST_CLASSES), NULL);
        const size_t layers = oc_model_layers(network), tensors = oc_model_tensors(network);
        assert_string_equal(oc_model_name(model), "ensemble");
        assert_int_equal(oc_model_size(model), 32);
        assert_int_equal(oc_model_class_count(model), TEST_CLASSES);
        for (size_t c = 0; c < TEST_CLASSES; c++) assert_string_equal(oc_model_class(model, c), test_codes[c]);
        assert_int_equal(oc_model_layers(model), 2 * layers + 1);
        for (size_t k = 0; k < 2 * layers; k++) {
            char name[128] = "";
            const oc_layer got = oc_model_layer(model, k), plain = oc_model_layer(network, k % layers);
            if (plain.name[0]) snprintf(name, sizeof name, "models.%zu.%s", k / layers, plain.name);
            assert_string_equal(got.name, name);
            assert_string_equal(got.op, plain.op);
            assert_true(got.parameters == plain.parameters && got.macs == plain.macs && got.dims == plain.dims);
        }
        const oc_layer last = oc_model_layer(model, 2 * layers);
        assert_string_equal(last.op, "combine");
        assert_true(last.parameters == cases[i].parameters && last.macs == cases[i].macs);
        assert_true(last.dims == 1 && last.dst[0] == (int64_t)TEST_CLASSES);
        assert_string_equal(oc_model_layer(model, 2 * layers + 1).op, "");
        assert_int_equal(oc_model_tensors(model), 2 * tensors + cases[i].tensors);
        assert_string_equal(oc_model_tensor(model, tensors).name, "models.1.conv1.0.weight");
        if (cases[i].combine == OC_COMBINE_STACK) {
            const oc_tensor_info weight = oc_model_tensor(model, 2 * tensors),
                                 bias = oc_model_tensor(model, 2 * tensors + 1);
            assert_string_equal(weight.name, "clf.weight");
            assert_true(weight.dims == 2 && weight.shape[0] == 4 && weight.shape[1] == 8 && weight.parameter);
            assert_string_equal(bias.name, "clf.bias");
            assert_true(bias.dims == 1 && bias.shape[0] == 4);
        }
        oc_model_destroy(&network);
        oc_model_destroy(&model);
    }
}

/* ---- The weights file ------------------------------------------------------------------------------------------- */

static void same_network(const oc_model *a, const oc_model *b) {
    assert_string_equal(oc_model_name(a), oc_model_name(b));
    assert_memory_equal(a->weights.arena, b->weights.arena, test_arena_bytes(a));
    assert_memory_equal(a->mean, b->mean, sizeof a->mean);
    assert_memory_equal(a->std, b->std, sizeof a->std);
    assert_true(a->size == b->size && a->holdout == b->holdout && a->steps == b->steps);
    assert_int_equal(a->classes.count, b->classes.count);
    for (size_t c = 0; c < a->classes.count; c++) assert_string_equal(a->classes.item[c], b->classes.item[c]);
}

static void same_bytes(const char *a, const char *b) {
    size_t first_size, second_size;
    unsigned char *first = test_bytes_read(a, &first_size), *second = test_bytes_read(b, &second_size);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    free(first);
    free(second);
}

static void test_round_trip(void **state) {
    (void)state;
    for (int way = 0; way < OC_COMBINES; way++) {
        oc_model *model =
            test_ensemble((oc_combine)way, test_network(test_codes, 32, SEED), test_network_turned(64, SEED + 1), NULL);
        oc_model *back = NULL, *second = model->ensemble->member[1];
        oc_error err = {0};
        second->mean[1] = 1.0F / 3;
        second->std[2] = 1e-7F;
        second->holdout = 0.1;
        second->steps = 77;
        test_combiner_fill(model, SEED);
        assert_int_equal(oc_model_save(model, in_folder("a"), &err), OC_OK);
        if (oc_model_open(&back, in_folder("a"), NULL, NULL, 0, 0, NULL, &err) != OC_OK) fail_msg("%s", err.message);
        const oc_ensemble *e = model->ensemble, *f = back->ensemble;
        assert_non_null(f);
        assert_true(f->combine == e->combine && f->members == 2 && back->size == 32);
        for (size_t m = 0; m < 2; m++) {
            same_network(e->member[m], f->member[m]);
            assert_true(f->member[m]->weights.version > 0);
            assert_memory_equal(e->class_map[m], f->class_map[m], TEST_CLASSES * sizeof **e->class_map);
        }
        if (way == OC_COMBINE_STACK) {
            assert_memory_equal(e->weight, f->weight, TEST_CLASSES * TEST_CLASSES * 2 * sizeof(float));
            assert_memory_equal(e->bias, f->bias, TEST_CLASSES * sizeof(float));
        } else if (way == OC_COMBINE_WEIGHTED) {
            assert_memory_equal(e->weight, f->weight, 2 * sizeof(float));
        }
        assert_int_equal(oc_model_save(back, in_folder("b"), &err), OC_OK);
        same_bytes(in_folder("a"), in_folder("b"));
        oc_model_destroy(&back);
        oc_model_destroy(&model);
    }
    /* Each member's tensors are there by the names and in the number that a file of its own has. */
    oc_safetensors *file = NULL, *alone = NULL;
    oc_model *network = test_network(test_codes, 32, SEED);
    assert_int_equal(oc_model_save(network, in_folder("alone"), NULL), OC_OK);
    assert_int_equal(oc_safetensors_open(&file, in_folder("a"), NULL), OC_OK);
    assert_int_equal(oc_safetensors_open(&alone, in_folder("alone"), NULL), OC_OK);
    assert_string_equal(oc_safetensors_metadata(file, "model"), "ensemble");
    assert_int_equal(oc_safetensors_count(file), 2 * oc_safetensors_count(alone) + 1);
    for (size_t i = 0; i < oc_safetensors_count(alone); i++) {
        const oc_safetensors_view *view = oc_safetensors_at(alone, i), *there = oc_safetensors_at(file, i);
        char name[160];
        snprintf(name, sizeof name, "models.0.%s", view->name);
        assert_string_equal(there->name, name);
        assert_int_equal(there->size, view->size);
        assert_memory_equal(there->data, view->data, view->size);
    }
    oc_safetensors_destroy(&file);
    oc_safetensors_destroy(&alone);
    oc_model_destroy(&network);
}

/* An opening that must fail. */
static void refuse(oc_status want, oc_error *err, const char *path, const char *name, const char *const *classes,
                   size_t count, int64_t size, const oc_model_options *options) {
    oc_model *model = (oc_model *)(uintptr_t)1;
    memset(err, 0, sizeof *err);
    const oc_status status = oc_model_open(&model, path, name, classes, count, size, options, err);
    if (status != want) fail_msg("%s instead of %s: %s", oc_status_text(status), oc_status_text(want), err->message);
    assert_null(model);
    assert_true(strlen(err->message) > 0);
}

static void test_contradicted(void **state) {
    (void)state;
    oc_model *model =
        test_ensemble(OC_COMBINE_STACK, test_network(test_codes, 32, 1), test_network(test_codes, 32, 2), NULL);
    oc_model *network = test_network(test_codes, 32, 3), *back = NULL;
    oc_error err = {0};
    const char *path = in_folder("asked"), *const turned[] = {test_codes[1], test_codes[0], test_codes[2],
                                                              test_codes[3]};
    assert_int_equal(oc_model_save(model, path, NULL), OC_OK);
    oc_model_destroy(&model);
    refuse(OC_E_MISMATCH, &err, path, NAME, NULL, 0, 0, NULL);
    says(&err, "ensemble");
    says(&err, "not of " NAME);
    refuse(OC_E_MISMATCH, &err, path, NULL, turned, 4, 0, NULL);
    says(&err, "order differs");
    refuse(OC_E_MISMATCH, &err, path, NULL, test_codes, 3, 0, NULL);
    says(&err, "only in the file: class n2");
    refuse(OC_E_MISMATCH, &err, path, NULL, NULL, 0, 64, NULL);
    says(&err, "size 32, not 64");
    refuse(OC_E_MISMATCH, &err, path, NULL, NULL, 0, 0, &(oc_model_options){.stem = "7x7"});
    says(&err, "stem");
    assert_int_equal(
        oc_model_open(&back, path, "ensemble", test_codes, 4, 32, &(oc_model_options){.stem = "own"}, &err), OC_OK);
    oc_model_destroy(&back);

    /* It is not trained on from. */
    float *before = malloc(test_arena_bytes(network));
    memcpy(before, network->weights.arena, test_arena_bytes(network));
    assert_int_equal(oc_model_read(network, path, NULL, &err), OC_E_MISMATCH);
    assert_string_equal(err.where, path);
    says(&err, "of an ensemble, which is not trained");
    assert_memory_equal(before, network->weights.arena, test_arena_bytes(network));
    free(before);
    oc_model_destroy(&network);
}

static void test_damage(void **state) {
    (void)state;
    oc_model *model =
        test_ensemble(OC_COMBINE_MEAN, test_network(test_codes, 32, 1), test_network(test_codes, 32, 2), NULL);
    oc_model *back = NULL;
    oc_error err;
    size_t size;
    const char *path = in_folder("damaged");
    assert_int_equal(oc_model_save(model, path, NULL), OC_OK);
    oc_model_destroy(&model);
    free(test_bytes_read(path, &size));
    for (size_t place = 0; place < size; place += place < 4096 ? 151 : place / 2) {
        test_bytes_change(path, place, 0x02);
        refuse(OC_E_FORMAT, &err, path, NULL, NULL, 0, 0, NULL);
        assert_string_equal(err.where, path);
        test_bytes_change(path, place, 0x02);
    }
    assert_int_equal(oc_model_open(&back, path, NULL, NULL, 0, 0, NULL, NULL), OC_OK);
    oc_model_destroy(&back);
    for (size_t left = size - 1; left > 0; left /= 3) {
        assert_int_equal(truncate(path, (off_t)left), 0);
        refuse(OC_E_FORMAT, &err, path, NULL, NULL, 0, 0, NULL);
    }
}

#define ONE "{\"model\":\"" NAME "\",\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,1]}"
#define MEMBERS(list) "{\"combine\":\"mean\",\"members\":[" list "]}"
#define WITH(rest) MEMBERS(ONE ",{\"model\":\"" NAME "\"," rest "}")

/* Metadata that lies, in a file whose checksum is right. */
static void test_lying_metadata(void **state) {
    (void)state;
    static const struct {
        const char *ensemble;
        oc_status status;
        const char *says;
    } cases[] = {
        {MEMBERS(ONE "," ONE), OC_E_MISMATCH, "missing models.0.conv1.0.weight"}, /* only the tensors are wrong */
        {MEMBERS(ONE "," ONE), OC_E_MISMATCH, "unexpected clf.weight, clf.odd"},
        {"{\"combine\":\"stack\",\"members\":[" ONE "," ONE "]}", OC_E_MISMATCH, "misshapen clf.weight ([4096] in"},
        {NULL, OC_E_FORMAT, "'ensemble' is missing"},
        {"", OC_E_FORMAT, "not valid JSON"},
        {"[]", OC_E_FORMAT, "combine"},
        {"{\"combine\":\"mean\"}", OC_E_FORMAT, "2 to 64"},
        {"{\"members\":[" ONE "," ONE "]}", OC_E_FORMAT, "combine"},
        {"{\"combine\":\"median\",\"members\":[" ONE "," ONE "]}", OC_E_FORMAT, "combine"},
        {"{\"combine\":0,\"members\":[" ONE "," ONE "]}", OC_E_FORMAT, "combine"},
        {"{\"combine\":\"mean\",\"combine\":\"mean\",\"members\":[" ONE "," ONE "]}", OC_E_FORMAT, "not valid JSON"},
        {"{\"combine\":\"mean\",\"members\":{}}", OC_E_FORMAT, "2 to 64"},
        {MEMBERS(""), OC_E_FORMAT, "2 to 64"},
        {MEMBERS(ONE), OC_E_FORMAT, "2 to 64"},
        {MEMBERS(ONE "," ONE) "x", OC_E_FORMAT, "not valid JSON"},
        {MEMBERS(ONE ",7"), OC_E_FORMAT, "no object"},
        {MEMBERS(ONE ",{}"), OC_E_FORMAT, "member 1: damaged metadata: 'model'"},
        {WITH("\"size\":32,\"mean\":[0,0,0]"), OC_E_FORMAT, "'std'"},
        {WITH("\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,0]"), OC_E_FORMAT, "'std'"},
        {WITH("\"size\":32,\"mean\":[0,0],\"std\":[1,1,1]"), OC_E_FORMAT, "'mean'"},
        {WITH("\"size\":\"x\",\"mean\":[0,0,0],\"std\":[1,1,1]"), OC_E_FORMAT, "'size'"},
        {WITH("\"size\":33,\"mean\":[0,0,0],\"std\":[1,1,1]"), OC_E_FORMAT, "member 1"},
        {WITH("\"size\":1000000000000000,\"mean\":[0,0,0],\"std\":[1,1,1]"), OC_E_FORMAT, "member 1"},
        {WITH("\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,1],\"classes\":{}"), OC_E_FORMAT, "'classes'"},
        {WITH("\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,1],\"classes\":[\"x\",\"y\"]"), OC_E_FORMAT,
         "only in member 1"},
        {WITH("\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,1],\"stem\":\"odd\""), OC_E_FORMAT, "'stem'"},
        {WITH("\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,1],\"holdout\":2"), OC_E_FORMAT, "'holdout'"},
        {MEMBERS(ONE ",{\"model\":\"zebra\",\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,1]}"), OC_E_FORMAT, "zebra"},
        {MEMBERS(ONE ",{\"model\":\"ensemble\",\"size\":32,\"mean\":[0,0,0],\"std\":[1,1,1]}"), OC_E_FORMAT,
         "it is an ensemble"},
        {MEMBERS("{\"model\":\"" NAME "\",\"size\":64,\"mean\":[0,0,0],\"std\":[1,1,1]}," ONE), OC_E_FORMAT,
         "not those of its first member"},
    };
    static const float zeros[4096];
    const oc_safetensors_view views[] = {{.name = "clf.weight",
                                          .dtype = OC_F32,
                                          .shape = oc_shape_make(1, 4096),
                                          .data = (const uint8_t *)zeros,
                                          .size = sizeof zeros},
                                         {.name = "clf.odd",
                                          .dtype = OC_F32,
                                          .shape = oc_shape_make(1, 1),
                                          .data = (const uint8_t *)zeros,
                                          .size = sizeof *zeros}};
    const char *path = in_folder("lying");
    oc_error err;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const oc_metadata metadata[] = {{"model", "ensemble"}, {"classes", "[\"a\",\"b\"]"},
                                        {"size", "32"},        {"mean", "[0,0,0]"},
                                        {"std", "[1,1,1]"},    {"ensemble", cases[i].ensemble}};
        assert_int_equal(oc_safetensors_write(path, views, 2, metadata, cases[i].ensemble ? 6 : 5, NULL), OC_OK);
        refuse(cases[i].status, &err, path, NULL, NULL, 0, 0, NULL);
        assert_string_equal(err.where, path);
        if (!strstr(err.message, cases[i].says))
            fail_msg("case %zu does not say '%s': %s", i, cases[i].says, err.message);
    }
    /* More classes than the file can have weights for. */
    oc_text many = {0};
    for (int i = 0; i < 20000; i++) assert_int_equal(oc_text_printf(&many, NULL, "%c\"%d\"", i ? ',' : '[', i), OC_OK);
    assert_int_equal(oc_text_append(&many, "]", 1, NULL), OC_OK);
    const oc_metadata metadata[] = {{"model", "ensemble"}, {"classes", many.data}, {"size", "32"},
                                    {"mean", "[0,0,0]"},   {"std", "[1,1,1]"},     {"ensemble", MEMBERS(ONE "," ONE)}};
    assert_int_equal(oc_safetensors_write(path, views, 2, metadata, 6, NULL), OC_OK);
    refuse(OC_E_MISMATCH, &err, path, NULL, NULL, 0, 0, NULL);
    says(&err, "too few for 2 members and 20000 classes");
    oc_text_free(&many);
}

/* Shares of an average that are none. */
static void test_lying_shares(void **state) {
    (void)state;
    static const float shares[][2] = {{0.5F, 0.6F}, {-0.5F, 1.5F}, {NAN, 1}, {INFINITY, 0}};
    oc_error err;
    oc_model *model =
        test_ensemble(OC_COMBINE_WEIGHTED, test_network(test_codes, 32, 1), test_network(test_codes, 32, 2), NULL);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        memcpy(model->ensemble->weight, shares[i], sizeof shares[i]);
        assert_int_equal(oc_model_save(model, in_folder("shares"), NULL), OC_OK);
        refuse(OC_E_FORMAT, &err, in_folder("shares"), NULL, NULL, 0, 0, NULL);
        says(&err, isfinite(shares[i][0]) ? "shares of 1" : "element 0 of clf.weight");
    }
    oc_model_destroy(&model);
}

/* Neither in a member nor in what joins them. */
static void test_not_finite(void **state) {
    (void)state;
    oc_error err;
    oc_model *model =
        test_ensemble(OC_COMBINE_STACK, test_network(test_codes, 32, 1), test_network(test_codes, 32, 2), NULL);
    const oc_ensemble *e = model->ensemble;
    static const char *const names[] = {"models.1.fc.1.weight", "clf.bias"};
    for (size_t i = 0; i < 2; i++) {
        size_t place = 0;
        while (strcmp(oc_table_at(e->table, place)->name, names[i]) != 0) place++;
        const float before = e->data[place][3];
        e->data[place][3] = NAN;
        assert_int_equal(oc_model_save(model, in_folder("nan"), NULL), OC_OK);
        refuse(OC_E_FORMAT, &err, in_folder("nan"), NULL, NULL, 0, 0, NULL);
        says(&err, names[i]);
        says(&err, "element 3");
        assert_string_equal(err.where, in_folder("nan"));
        e->data[place][3] = before;
    }
    oc_model_destroy(&model);
}

static int set_up(void **state) {
    (void)state;
    print_message("seed %u\n", SEED);
    test_temporary_create(folder, sizeof folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    test_temporary_remove(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),           cmocka_unit_test(test_combine),
        cmocka_unit_test(test_no_weight),       cmocka_unit_test(test_gather),
        cmocka_unit_test(test_refused_members), cmocka_unit_test(test_told),
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_contradicted),
        cmocka_unit_test(test_damage),          cmocka_unit_test(test_lying_metadata),
        cmocka_unit_test(test_lying_shares),    cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
