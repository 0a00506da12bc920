/* Weights files: round trips to the bit, files of others, everything that does not fit named, and damage refused. */
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

#include "base/text.h"
#include "models/model.h"
#include "ocelli/models.h"
#include "support/bytes.h"
#include "support/temporary.h"
#include "tensor/safetensors.h"

#define SEED 77U
#define NAME "myresnet-tiny"

static const char *const codes[] = {"n02124075", "a \"quoted\" name", "n01443537", "\xC3\xA4\xE2\x82\xAC"};
#define CODES 4

static char folder[256];

/* A file of the test's folder; the text is overwritten by the fourth call after. */
static const char *in_folder(const char *name) {
    static char paths[4][320];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static oc_model *make_model(const char *name, size_t classes, int64_t size) {
    oc_model *model = NULL;
    assert_int_equal(oc_model_create(&model, name, codes, classes, size, NULL, NULL), OC_OK);
    oc_model_init(model, SEED);
    return model;
}

static size_t arena_bytes(const oc_model *model) {
    return oc_table_arena_size(oc_graph_table(model->graph)) * sizeof(float);
}

/* An opening that must fail; the message is in *err. */
static void refuse(oc_status want, oc_error *err, const char *path, const char *name, const char *const *classes,
                   size_t count, int64_t size) {
    oc_model *model = (oc_model *)(uintptr_t)1;
    memset(err, 0, sizeof *err);
    const oc_status status = oc_model_open(&model, path, name, classes, count, size, NULL, err);
    if (status != want) fail_msg("%s instead of %s: %s", oc_status_text(status), oc_status_text(want), err->message);
    assert_null(model);
    assert_true(strlen(err->message) > 0);
}

static void says(const oc_error *err, const char *text) {
    if (!strstr(err->message, text)) fail_msg("the message does not say '%s': %s", text, err->message);
}

static void test_round_trip(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, CODES, 32), *back = NULL;
    const float mean[3] = {0.1F, -1e-8F, 123.456F}, std[3] = {1, 1.0F / 3, 1e6F};
    memcpy(model->mean, mean, sizeof mean);
    memcpy(model->std, std, sizeof std);
    const oc_image_options image = {false, {0, 200, 255}, OC_FIT_LETTERBOX};
    model->image = image;
    assert_int_equal(oc_model_save(model, in_folder("a"), NULL), OC_OK);
    assert_int_equal(oc_model_open(&back, in_folder("a"), NULL, NULL, 0, 0, NULL, NULL), OC_OK);
    assert_memory_equal(back->weights.arena, model->weights.arena, arena_bytes(model));
    assert_string_equal(oc_model_name(back), NAME);
    assert_int_equal(oc_model_size(back), 32);
    assert_int_equal(oc_model_class_count(back), CODES);
    for (size_t i = 0; i < CODES; i++) assert_string_equal(oc_model_class(back, i), codes[i]);
    assert_memory_equal(back->mean, mean, sizeof mean);
    assert_memory_equal(back->std, std, sizeof std);
    assert_true(oc_image_options_equal(&back->image, &image));
    assert_true(back->weights.version > 0);

    /* Equal models give equal files. */
    size_t first_size, second_size;
    assert_int_equal(oc_model_save(back, in_folder("b"), NULL), OC_OK);
    unsigned char *first = test_bytes_read(in_folder("a"), &first_size);
    unsigned char *second = test_bytes_read(in_folder("b"), &second_size);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    free(first);
    free(second);
    oc_model_destroy(&back);

    /* Arguments that say the same as the file are fine. */
    assert_int_equal(oc_model_open(&back, in_folder("a"), NAME, codes, CODES, 32, NULL, NULL), OC_OK);
    oc_model_destroy(&back);

    /* What is written may lie in another arena, and what is read replaces what was there. */
    float *other = calloc(arena_bytes(model), 1);
    for (size_t i = 0; i < arena_bytes(model) / sizeof(float); i++) other[i] = 2 * model->weights.arena[i];
    assert_int_equal(oc_model_write(model, other, in_folder("a"), NULL), OC_OK);
    back = make_model(NAME, CODES, 32);
    const uint64_t version = back->weights.version;
    assert_int_equal(oc_model_read(back, in_folder("a"), NULL, NULL), OC_OK);
    assert_memory_equal(back->weights.arena, other, arena_bytes(model));
    assert_int_equal(back->weights.version, version + 1);
    free(other);
    oc_model_destroy(&back);
    oc_model_destroy(&model);
}

/* The metadata is what others are told to expect. */
static void test_metadata(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, 2, 64);
    oc_safetensors *file = NULL;
    assert_int_equal(oc_model_save(model, in_folder("a"), NULL), OC_OK);
    assert_int_equal(oc_safetensors_open(&file, in_folder("a"), NULL), OC_OK);
    assert_true(oc_safetensors_is_own(file));
    assert_string_equal(oc_safetensors_metadata(file, "model"), NAME);
    assert_string_equal(oc_safetensors_metadata(file, "classes"), "[\"n02124075\",\"a \\\"quoted\\\" name\"]");
    assert_string_equal(oc_safetensors_metadata(file, "size"), "64");
    assert_string_equal(oc_safetensors_metadata(file, "mean"), "[0.4824,0.4495,0.3981]");
    assert_string_equal(oc_safetensors_metadata(file, "std"), "[0.2765,0.2691,0.2825]");
    const oc_table *table = oc_graph_table(model->graph);
    /* The table's order, and after each running variance the count that PyTorch's strict loading asks for. */
    size_t place = 0, counts = 0;
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_safetensors_view *view = oc_safetensors_at(file, place++);
        const char *name = oc_table_at(table, i)->name, *suffix = strstr(name, ".running_var");
        assert_string_equal(view->name, name);
        assert_int_equal(view->dtype, OC_F32);
        if (!suffix) continue;
        char tracked[128];
        snprintf(tracked, sizeof tracked, "%.*s.num_batches_tracked", (int)(suffix - name), name);
        view = oc_safetensors_at(file, place++);
        counts++;
        assert_string_equal(view->name, tracked);
        assert_int_equal(view->dtype, OC_I64);
        assert_int_equal(view->shape.ndim, 0);
    }
    assert_int_equal(counts, 11);
    assert_int_equal(oc_safetensors_count(file), place);
    oc_safetensors_destroy(&file);
    oc_model_destroy(&model);
}

/* ---- Files of others -------------------------------------------------------------------------------------------- */

typedef struct foreign {
    oc_dtype dtype;      /* of all tensors */
    const char *skip;    /* leave this one out */
    const char *extra;   /* add a scalar I64 of this name */
    const char *integer; /* write this one as zeros of I64 */
    const char *about;   /* its __metadata__ as JSON */
    const char *prefix;  /* before every name */
} foreign;

/* One float as another type; exact for the values that the tests use with F16. */
static void put_number(unsigned char *dst, oc_dtype dtype, float value) {
    const double wide = value;
    uint32_t bits;
    uint16_t half;
    memcpy(&bits, &value, sizeof bits);
    switch (dtype) {
    case OC_F32:
        memcpy(dst, &value, sizeof value);
        break;
    case OC_F64:
        memcpy(dst, &wide, sizeof wide);
        break;
    case OC_BF16:
        half = (uint16_t)(bits >> 16);
        memcpy(dst, &half, sizeof half);
        break;
    case OC_F16:
        half = bits << 1 == 0
                   ? 0
                   : (uint16_t)((bits >> 16 & 0x8000) | ((bits >> 23 & 0xFF) - 112) << 10 | (bits >> 13 & 0x3FF));
        memcpy(dst, &half, sizeof half);
        break;
    default:
        break; /* zeros */
    }
}

/* Writes the model's tensors as PyTorch's tools would, without metadata and in the opposite order. */
static void write_foreign(const oc_model *model, const char *path, const foreign *how) {
    const oc_table *table = oc_graph_table(model->graph);
    oc_text header = {0};
    unsigned char *data = calloc(arena_bytes(model), 2);
    size_t used = 0;
    if (how->about) oc_text_printf(&header, NULL, "{\"__metadata__\":%s", how->about);
    for (size_t k = oc_table_count(table); k-- > 0;) {
        const oc_tensor *tensor = oc_table_at(table, k);
        if (how->skip && strcmp(how->skip, tensor->name) == 0) continue;
        const oc_dtype dtype = how->integer && strcmp(how->integer, tensor->name) == 0 ? OC_I64 : how->dtype;
        const size_t start = used;
        char shape[128];
        for (size_t i = 0; i < tensor->count; i++, used += oc_dtype_size(dtype))
            put_number(data + used, dtype, model->weights.arena[tensor->offset + i]);
        oc_text_printf(&header, NULL, "%c\"%s%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
                       header.size ? ',' : '{', how->prefix ? how->prefix : "", tensor->name, oc_dtype_name(dtype),
                       oc_shape_text(&tensor->shape, shape, sizeof shape), start, used);
    }
    if (how->extra) {
        oc_text_printf(&header, NULL, ",\"%s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[%zu,%zu]}", how->extra,
                       used, used + 8);
        used += 8;
    }
    oc_text_printf(&header, NULL, "}");
    unsigned char *file = malloc(8 + header.size + used);
    for (size_t i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)header.size >> 8 * i);
    memcpy(file + 8, header.data, header.size);
    memcpy(file + 8 + header.size, data, used);
    test_bytes_write(path, file, 8 + header.size + used);
    free(file);
    free(data);
    oc_text_free(&header);
}

static void test_foreign(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, 3, 32), *back = NULL;
    oc_error err;
    const size_t count = arena_bytes(model) / sizeof(float);
    /* Numbers that every type holds. */
    for (size_t k = 0; k < oc_table_count(oc_graph_table(model->graph)); k++) {
        const oc_tensor *tensor = oc_table_at(oc_graph_table(model->graph), k);
        const bool variance = strstr(tensor->name, ".running_var");
        for (size_t i = 0; i < tensor->count; i++) {
            const float value = (float)((int)((i * 7 + k) % 127) - 63) / 64;
            model->weights.arena[tensor->offset + i] = variance ? fabsf(value) : value;
        }
    }
    static const oc_dtype dtypes[] = {OC_F32, OC_F64, OC_F16, OC_BF16};
    for (size_t i = 0; i < 4; i++) {
        write_foreign(model, in_folder("foreign"),
                      &(foreign){.dtype = dtypes[i], .extra = i == 1 ? NULL : "conv1.1.num_batches_tracked"});
        assert_int_equal(oc_model_open(&back, in_folder("foreign"), NAME, codes, 3, 32, NULL, &err), OC_OK);
        for (size_t k = 0; k < count; k++)
            if (back->weights.arena[k] != model->weights.arena[k])
                fail_msg("%s: element %zu is %g, not %g", oc_dtype_name(dtypes[i]), k, (double)back->weights.arena[k],
                         (double)model->weights.arena[k]);
        assert_string_equal(oc_model_class(back, 2), codes[2]);
        /* The reference's normalisation at evaluation. */
        assert_true(back->mean[0] == 0.4824F && back->std[2] == 0.2825F);
        oc_model_destroy(&back);
    }

    refuse(OC_E_USAGE, &err, in_folder("foreign"), NULL, NULL, 0, 0);
    says(&err, "does not say of which model and classes");
    assert_string_equal(err.where, in_folder("foreign"));
    refuse(OC_E_USAGE, &err, in_folder("foreign"), NAME, NULL, 0, 32);
    refuse(OC_E_USAGE, &err, in_folder("foreign"), NULL, codes, 3, 32);
    assert_string_equal(err.where, in_folder("foreign"));
    refuse(OC_E_USAGE, &err, in_folder("foreign"), "myresnet-bas", codes, 3, 32);
    says(&err, "myresnet-base");

    write_foreign(model, in_folder("foreign"), &(foreign){.skip = "res1.layers.3.bias"});
    refuse(OC_E_MISMATCH, &err, in_folder("foreign"), NAME, codes, 3, 32);
    says(&err, "missing res1.layers.3.bias");
    write_foreign(model, in_folder("foreign"), &(foreign){.extra = "conv1.1.number"});
    refuse(OC_E_MISMATCH, &err, in_folder("foreign"), NAME, codes, 3, 32);
    says(&err, "unexpected conv1.1.number");
    write_foreign(model, in_folder("foreign"), &(foreign){.integer = "conv1.0.bias"});
    refuse(OC_E_MISMATCH, &err, in_folder("foreign"), NAME, codes, 3, 32);
    says(&err, "conv1.0.bias");
    says(&err, "I64");
    oc_model_destroy(&model);
}

#define SAYING(classes, size, std)                                                                                     \
    "{\"model\":\"" NAME "\",\"classes\":\"" classes "\",\"size\":\"" size "\",\"mean\":\"[0,0,0]\",\"std\":\"" std    \
    "\"}"

/* What others say in the same words, but not as it is understood here: the entry is named, and the arguments do. */
static void test_foreign_words(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {SAYING("[1", "32", "[1,1,1]"), "'classes'"},
        {SAYING("cat and dog", "32", "[1,1,1]"), "'classes'"},
        {SAYING("[1]", "32", "[1,1,1]"), "'classes'"},
        {SAYING("[\\\"a\\\",\\\"b\\\",\\\"c\\\"]", "large", "[1,1,1]"), "'size'"},
        {SAYING("[\\\"a\\\",\\\"b\\\",\\\"c\\\"]", "32", "[1"), "'std'"},
        {SAYING("[\\\"a\\\",\\\"b\\\",\\\"c\\\"]", "32", "[1,0,1]"), "'std'"},
        {"{\"model\":\"" NAME "\"}", "'classes'"},
        {"{\"classes\":\"[]\"}", "'model'"},
    };
    oc_model *model = make_model(NAME, 3, 32), *back = NULL;
    oc_error err;
    const char *path = in_folder("words");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_foreign(model, path, &(foreign){.about = cases[i][0]});
        refuse(OC_E_USAGE, &err, path, NULL, NULL, 0, 0);
        says(&err, cases[i][1]);
        assert_string_equal(err.where, path);
        assert_int_equal(oc_model_open(&back, path, NAME, codes, 3, 32, NULL, &err), OC_OK);
        oc_model_destroy(&back);
    }
    write_foreign(model, path, &(foreign){.about = SAYING("[\\\"a\\\",\\\"b\\\",\\\"c\\\"]", "32", "[1,1,1]")});
    assert_int_equal(oc_model_open(&back, path, NULL, NULL, 0, 0, NULL, &err), OC_OK);
    assert_string_equal(oc_model_class(back, 2), "c");
    oc_model_destroy(&back);
    oc_model_destroy(&model);
}

static char logged[2000];

static void on_log(void *user, oc_log_level level, const char *line) {
    (void)user;
    (void)level;
    snprintf(logged, sizeof logged, "%s", line);
}

/* What PyTorch's wrappers put before all names is taken off, and told; before some it is a mismatch. */
static void test_prefixes(void **state) {
    (void)state;
    static const char *const prefixes[] = {"module.", "model.", "_orig_mod.", "module._orig_mod.", "model.module."};
    oc_model *model = make_model(NAME, CODES, 32), *back = NULL;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        oc_error err = {0};
        write_foreign(model, in_folder("wrapped"), &(foreign){.dtype = OC_F32, .prefix = prefixes[i]});
        if (oc_model_open(&back, in_folder("wrapped"), NAME, codes, CODES, 32, NULL, &err) != OC_OK)
            fail_msg("%s: %s", prefixes[i], err.message);
        assert_memory_equal(back->weights.arena, model->weights.arena, arena_bytes(model));
        assert_non_null(strstr(oc_model_note(back), prefixes[i]));
        logged[0] = '\0';
        assert_int_equal(oc_model_read(back, in_folder("wrapped"), &(oc_log){on_log, NULL}, &err), OC_OK);
        assert_non_null(strstr(logged, prefixes[i]));
        oc_model_destroy(&back);
    }
    write_foreign(model, in_folder("wrapped"), &(foreign){.dtype = OC_F32, .prefix = "module.", .extra = "step"});
    assert_int_equal(oc_model_open(&back, in_folder("wrapped"), NAME, codes, CODES, 32, NULL, NULL), OC_E_MISMATCH);
    write_foreign(model, in_folder("wrapped"), &(foreign){.dtype = OC_F32});
    assert_int_equal(oc_model_open(&back, in_folder("wrapped"), NAME, codes, CODES, 32, NULL, NULL), OC_OK);
    assert_string_equal(oc_model_note(back), "");
    oc_model_destroy(&back);
    oc_model_destroy(&model);
}

/* Of numbers alone a model is made: told by file and tensor, in every type, and nothing is taken over. */
static void test_not_finite(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, 3, 32), *back = make_model(NAME, 3, 32);
    oc_error err;
    static const struct {
        oc_dtype dtype;
        float value;
        const char *says;
    } cases[] = {
        {OC_F32, NAN, "element 2 of res3.layers.0.bias is not a number"},
        {OC_F32, -INFINITY, "element 2 of res3.layers.0.bias is infinite"},
        {OC_F64, INFINITY, "element 2 of res3.layers.0.bias is infinite"},
        {OC_BF16, NAN, "element 2 of res3.layers.0.bias is not a number"},
    };
    const oc_tensor *tensor = oc_table_find(oc_graph_table(model->graph), "res3.layers.0.bias");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model->weights.arena[tensor->offset + 2] = cases[i].value;
        write_foreign(model, in_folder("foreign"), &(foreign){.dtype = cases[i].dtype});
        refuse(OC_E_FORMAT, &err, in_folder("foreign"), NAME, codes, 3, 32);
        assert_string_equal(err.where, in_folder("foreign"));
        says(&err, cases[i].says);
    }
    /* A variance can only be so wrong that its root is not a number. */
    model->weights.arena[tensor->offset + 2] = 0;
    const oc_tensor *variance = oc_table_find(oc_graph_table(model->graph), "conv1.1.running_var");
    assert_non_null(variance);
    model->weights.arena[variance->offset + 1] = -0.5F;
    write_foreign(model, in_folder("foreign"), &(foreign){.dtype = OC_F32});
    refuse(OC_E_FORMAT, &err, in_folder("foreign"), NAME, codes, 3, 32);
    says(&err, "element 1 of conv1.1.running_var is -0.5, a negative variance");
    model->weights.arena[variance->offset + 1] = 1;
    model->weights.arena[tensor->offset + 2] = NAN;
    write_foreign(model, in_folder("foreign"), &(foreign){.dtype = OC_F32});
    float *before = malloc(arena_bytes(back));
    memcpy(before, back->weights.arena, arena_bytes(back));
    assert_int_equal(oc_model_read(back, in_folder("foreign"), NULL, &err), OC_E_FORMAT);
    says(&err, "res3.layers.0.bias");
    assert_memory_equal(before, back->weights.arena, arena_bytes(back));
    free(before);
    /* A file of ours is no better for its checksum. */
    assert_int_equal(oc_model_save(model, in_folder("own"), NULL), OC_OK);
    refuse(OC_E_FORMAT, &err, in_folder("own"), NULL, NULL, 0, 0);
    says(&err, "res3.layers.0.bias");
    oc_model_destroy(&back);
    oc_model_destroy(&model);
}

/* ---- What does not fit ------------------------------------------------------------------------------------------ */

/* Reading into `model` must fail and change nothing. */
static void refuse_read(oc_model *model, oc_error *err, const char *path) {
    float *before = malloc(arena_bytes(model));
    const uint64_t version = model->weights.version;
    memcpy(before, model->weights.arena, arena_bytes(model));
    memset(err, 0, sizeof *err);
    assert_int_equal(oc_model_read(model, path, NULL, err), OC_E_MISMATCH);
    assert_string_equal(err->where, path);
    assert_memory_equal(before, model->weights.arena, arena_bytes(model));
    assert_int_equal(model->weights.version, version);
    free(before);
}

static void test_other_size(void **state) {
    (void)state;
    oc_model *small = make_model(NAME, 3, 32), *large = make_model(NAME, 3, 64);
    oc_error err;
    assert_int_equal(oc_model_save(large, in_folder("large"), NULL), OC_OK);
    refuse_read(small, &err, in_folder("large"));
    says(&err, "fc.1.weight ([3, 256] in the file, [3, 64] in the model)");
    says(&err, "images of size 64");
    refuse(OC_E_MISMATCH, &err, in_folder("large"), NULL, NULL, 0, 32);
    says(&err, "fc.1.weight ([3, 256] in the file, [3, 64] in the model)");
    write_foreign(large, in_folder("foreign"), &(foreign){0});
    refuse_read(small, &err, in_folder("foreign"));
    says(&err, "fc.1.weight ([3, 256] in the file, [3, 64] in the model)");
    oc_model_destroy(&small);
    oc_model_destroy(&large);
}

static void test_other_model(void **state) {
    (void)state;
    oc_model *small = make_model(NAME, 3, 32), *base = make_model("myresnet-base", 3, 32);
    oc_error err;
    assert_int_equal(oc_model_save(small, in_folder("small"), NULL), OC_OK);
    refuse_read(base, &err, in_folder("small"));
    says(&err, "do not fit myresnet-base");
    says(&err, "of myresnet-tiny");
    says(&err, "conv1.0.weight ([4, 3, 3, 3] in the file, [64, 3, 3, 3] in the model)");
    says(&err, "more");
    refuse(OC_E_MISMATCH, &err, in_folder("small"), "myresnet-base", NULL, 0, 0);
    says(&err, "conv1.0.weight");
    oc_model_destroy(&small);
    oc_model_destroy(&base);
}

static void keep_note(void *user, oc_log_level level, const char *text) {
    (void)level;
    snprintf(user, 512, "%s", text);
}

static void test_other_classes(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, 3, 32), *other = NULL;
    oc_error err;
    assert_int_equal(oc_model_save(model, in_folder("a"), NULL), OC_OK);

    const char *const renamed[] = {codes[0], "zebra", codes[2]}, *const turned[] = {codes[0], codes[2], codes[1]};
    assert_int_equal(oc_model_create(&other, NAME, renamed, 3, 32, NULL, NULL), OC_OK);
    /* To train on from: the body is taken over, the head stays as it was, and the log says so. */
    oc_model_init(other, 9);
    const oc_tensor *head = oc_table_find(oc_graph_table(other->graph), "fc.1.weight");
    const oc_tensor *body = oc_table_find(oc_graph_table(other->graph), "res3.layers.0.weight");
    float *before = malloc(head->count * sizeof *before);
    memcpy(before, other->weights.arena + head->offset, head->count * sizeof *before);
    char note[512] = "";
    assert_int_equal(oc_model_read(other, in_folder("a"), &(oc_log){.fn = keep_note, .user = note}, &err), OC_OK);
    assert_non_null(strstr(note, "fc.1"));
    assert_memory_equal(before, other->weights.arena + head->offset, head->count * sizeof *before);
    assert_memory_equal(model->weights.arena + body->offset, other->weights.arena + body->offset,
                        body->count * sizeof *before);
    free(before);
    oc_model_destroy(&other);
    refuse(OC_E_MISMATCH, &err, in_folder("a"), NULL, renamed, 3, 0);
    says(&err, "zebra");

    refuse(OC_E_MISMATCH, &err, in_folder("a"), NULL, turned, 3, 0);
    says(&err, "class 1 is a \"quoted\" name in the file and n01443537 in the model");

    refuse(OC_E_MISMATCH, &err, in_folder("a"), NULL, codes, 4, 0);
    says(&err, "3 in the file, 4 in the model");
    says(&err, "only in the model: class \xC3\xA4\xE2\x82\xAC");
    says(&err, "fc.1.weight ([3, 64] in the file, [4, 64] in the model)");
    oc_model_destroy(&model);
}

/* ---- Damage ----------------------------------------------------------------------------------------------------- */

/* The start of the file byte by byte, and the rest in strides. */
static size_t next_place(size_t place) {
    return place < 64 ? place + 1 : place < 8192 ? place + 97 : place + place / 3 + 1;
}

static void test_damage(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, 3, 32), *back = NULL;
    oc_error err;
    size_t size;
    assert_int_equal(oc_model_save(model, in_folder("a"), NULL), OC_OK);
    free(test_bytes_read(in_folder("a"), &size));
    for (size_t place = 0; place < size; place = next_place(place)) {
        test_bytes_change(in_folder("a"), place, 0x01);
        refuse(OC_E_FORMAT, &err, in_folder("a"), NULL, NULL, 0, 0);
        assert_string_equal(err.where, in_folder("a"));
        test_bytes_change(in_folder("a"), place, 0x01);
    }
    test_bytes_change(in_folder("a"), size - 1, 0x80);
    refuse(OC_E_FORMAT, &err, in_folder("a"), NULL, NULL, 0, 0);
    test_bytes_change(in_folder("a"), size - 1, 0x80);
    assert_int_equal(oc_model_open(&back, in_folder("a"), NULL, NULL, 0, 0, NULL, NULL), OC_OK);
    oc_model_destroy(&back);
    for (size_t left = size - 1; left > 0; left = left > 8192 ? left / 3 * 2 : left > 64 ? left - 61 : left - 1) {
        assert_int_equal(truncate(in_folder("a"), (off_t)left), 0);
        refuse(OC_E_FORMAT, &err, in_folder("a"), NULL, NULL, 0, 0);
    }
    assert_int_equal(truncate(in_folder("a"), 0), 0);
    refuse(OC_E_FORMAT, &err, in_folder("a"), NULL, NULL, 0, 0);
    refuse(OC_E_NOT_FOUND, &err, in_folder("nowhere"), NULL, NULL, 0, 0);
    oc_model_destroy(&model);
}

/* A changed file of others may be refused or loaded. */
static void test_foreign_damage(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, 3, 32);
    const char *path = in_folder("foreign");
    int loaded = 0, refused = 0;
    write_foreign(model, path, &(foreign){0});
    for (size_t place = 0; place < 7000; place += place < 200 ? 1 : 61) {
        for (int bit = 0; bit < 8; bit += 3) {
            oc_model *back = NULL;
            oc_error err = {0};
            test_bytes_change(path, place, (unsigned char)(1 << bit));
            if (oc_model_open(&back, path, NAME, codes, 3, 32, NULL, &err) == OC_OK) {
                assert_non_null(back);
                loaded++;
            } else {
                assert_null(back);
                assert_true(strlen(err.message) > 0);
                refused++;
            }
            oc_model_destroy(&back);
            test_bytes_change(path, place, (unsigned char)(1 << bit));
        }
    }
    assert_true(refused > 300);
    print_message("  %d changes refused, %d loaded\n", refused, loaded);
    oc_model_destroy(&model);
}

/* Metadata that lies, in a file whose checksum is right. */
static void test_lying_metadata(void **state) {
    (void)state;
    static const struct {
        const char *model, *classes, *size, *mean, *std;
        oc_status status;
    } cases[] = {
        {NAME, "[\"a\",\"b\"]", "32", "[0,0,0]", "[1,1,1]", OC_E_MISMATCH}, /* only the tensors are wrong */
        {NAME, "[\"a\",\"b\"]", "4096", "[0,0,0]", "[1,1,1]", OC_E_MISMATCH},
        {"zebra", "[\"a\",\"b\"]", "32", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"a\"]", "32", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",1]", "32", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "{}", "32", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[]", "32", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\"", "32", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "33", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "-32", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "32x", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "99999999999999999999", "[0,0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "32", "[0,0]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "32", "[0,0,\"0\"]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "32", "[0,0,1e99]", "[1,1,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "32", "[0,0,0]", "[1,0,1]", OC_E_FORMAT},
        {NAME, "[\"a\",\"b\"]", "32", "[0,0,0]", "", OC_E_FORMAT},
    };
    const float zero = 0;
    const oc_safetensors_view view = {.name = "conv1.0.bias",
                                      .dtype = OC_F32,
                                      .shape = oc_shape_make(1, (int64_t)1),
                                      .data = (const uint8_t *)&zero,
                                      .size = sizeof zero};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const oc_metadata metadata[] = {{"model", cases[i].model},
                                        {"classes", cases[i].classes},
                                        {"size", cases[i].size},
                                        {"mean", cases[i].mean},
                                        {"std", cases[i].std}};
        oc_error err;
        assert_int_equal(oc_safetensors_write(in_folder("lie"), &view, 1, metadata, 5, NULL), OC_OK);
        refuse(cases[i].status, &err, in_folder("lie"), NULL, NULL, 0, 0);
        assert_string_equal(err.where, in_folder("lie"));
    }
    static const oc_metadata images[] = {{"exif", "maybe"},           {"exif", ""},
                                         {"background", "[1,2]"},     {"background", "[1,2,256]"},
                                         {"background", "[1,2,3.5]"}, {"background", "[1,2,-1]"},
                                         {"background", "255"},       {"background", "[1,2,-0.5]"}};
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        const oc_metadata metadata[] = {{"model", NAME},     {"classes", "[\"a\",\"b\"]"}, {"size", "32"},
                                        {"mean", "[0,0,0]"}, {"std", "[1,1,1]"},           images[i]};
        oc_error err;
        assert_int_equal(oc_safetensors_write(in_folder("lie"), &view, 1, metadata, 6, NULL), OC_OK);
        refuse(OC_E_FORMAT, &err, in_folder("lie"), NULL, NULL, 0, 0);
        says(&err, images[i].key);
    }
}

/* A run's state is a file of ours, but none of weights. */
static void test_state(void **state) {
    (void)state;
    oc_model *model = make_model(NAME, 3, 32);
    oc_error err;
    const float zero = 0;
    const oc_safetensors_view view = {
        .name = "model", .dtype = OC_F32, .shape = oc_shape_make(1, 1), .data = (const uint8_t *)&zero, .size = 4};
    const oc_metadata metadata[] = {{"kind", "state-1"}};
    assert_int_equal(oc_safetensors_write(in_folder("state"), &view, 1, metadata, 1, NULL), OC_OK);
    refuse(OC_E_FORMAT, &err, in_folder("state"), NULL, NULL, 0, 0);
    says(&err, "last.safetensors");
    assert_string_equal(err.where, in_folder("state"));
    refuse(OC_E_FORMAT, &err, in_folder("state"), NAME, codes, 3, 32);
    assert_int_equal(oc_model_read(model, in_folder("state"), NULL, &err), OC_E_FORMAT);
    says(&err, "last.safetensors");
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_metadata),
                                       cmocka_unit_test(test_foreign),        cmocka_unit_test(test_other_size),
                                       cmocka_unit_test(test_other_model),    cmocka_unit_test(test_other_classes),
                                       cmocka_unit_test(test_damage),         cmocka_unit_test(test_foreign_damage),
                                       cmocka_unit_test(test_lying_metadata), cmocka_unit_test(test_foreign_words),
                                       cmocka_unit_test(test_prefixes),       cmocka_unit_test(test_not_finite),
                                       cmocka_unit_test(test_state)};
    return cmocka_run_group_tests(tests, enter, leave);
}
