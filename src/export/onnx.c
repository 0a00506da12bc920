/* A model as an ONNX file: its input, its networks, what joins them, and what is told of it. */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/image_options.h"
#include "base/json.h"
#include "base/memory.h"
#include "eval/classifier.h"
#include "export/onnx_network.h"
#include "models/ensemble.h"
#include "ocelli/export.h"
#include "ocelli/models.h"

#define INPUT "images"
#define OUTPUT "logits"

/* What is exported, and the constants that the builder borrows meanwhile. */
typedef struct job {
    oc_onnx *onnx;
    oc_model *model;
    bool preprocessing;
    float weight[OC_ENSEMBLE_MOST]; /* logarithms */
} job;

static const float full = 255;

static bool reads_alike(const oc_model *a, const oc_model *b) {
    return a->size == b->size && oc_image_options_equal(&a->image, &b->image);
}

/* One file has one input. */
static oc_status check(oc_model *model, oc_error *err) {
    const oc_model *first = oc_model_network(model, 0);
    for (size_t m = 1; m < oc_model_networks(model); m++) {
        const oc_model *other = oc_model_network(model, m);
        if (!reads_alike(first, other))
            return oc_fail(err, OC_E_USAGE, model->path,
                           "its members read images in different ways (%lldx%lld, %s, and %lldx%lld, %s), and an ONNX "
                           "file has one input: export each member's own weights file",
                           (long long)first->size, (long long)first->size, oc_fit_name(first->image.fit),
                           (long long)other->size, (long long)other->size, oc_fit_name(other->image.fit));
    }
    return OC_OK;
}

/* ---- Images ---- */

static oc_onnx_value binary(oc_onnx *onnx, const char *op, const char *name, oc_onnx_value a, oc_onnx_value b) {
    return oc_onnx_node(onnx, op, name, 2, (const oc_onnx_value[]){a, b});
}

static oc_onnx_value channels(oc_onnx *onnx, const char *name, const float values[3]) {
    const oc_shape shape = oc_shape_make(3, 3, 1, 1);
    return oc_onnx_floats(onnx, name, &shape, values);
}

/* Decoded images as values in [0, 1]. */
static oc_onnx_value unit_values(oc_onnx *onnx, oc_onnx_value images) {
    const oc_shape scalar = oc_shape_make(0);
    const oc_onnx_value floats = oc_onnx_node(onnx, "Cast", "preprocessing.float", 1, &images);
    oc_onnx_attribute(onnx, "to", 1); /* FLOAT */
    const oc_onnx_value planes = oc_onnx_node(onnx, "Transpose", "preprocessing.planes", 1, &floats);
    oc_onnx_attributes(onnx, "perm", 4, (const int64_t[]){0, 3, 1, 2});
    return binary(onnx, "Div", "preprocessing.unit", planes,
                  oc_onnx_floats(onnx, "preprocessing.full", &scalar, &full));
}

/* (values − mean) / std, as `network` wants it. */
static oc_onnx_value normalised(oc_onnx *onnx, const oc_model *network, const char *prefix, oc_onnx_value values) {
    char name[4][96];
    static const char *const suffix[] = {"mean", "centered", "std", "normalised"};
    for (int i = 0; i < 4; i++) snprintf(name[i], sizeof name[i], "%spreprocessing.%s", prefix, suffix[i]);
    const oc_onnx_value centered = binary(onnx, "Sub", name[1], values, channels(onnx, name[0], network->mean));
    return binary(onnx, "Div", name[3], centered, channels(onnx, name[2], network->std));
}

/* Images normalised for the first network, as values in [0, 1] for the others. */
static oc_onnx_value restored(oc_onnx *onnx, const oc_model *network, oc_onnx_value images) {
    const oc_onnx_value scaled =
        binary(onnx, "Mul", "preprocessing.scaled", images, channels(onnx, "preprocessing.restored.std", network->std));
    return binary(onnx, "Add", "preprocessing.restored", scaled,
                  channels(onnx, "preprocessing.restored.mean", network->mean));
}

static bool normalises_alike(const oc_model *a, const oc_model *b) {
    return oc_normalisation_equal(a->mean, a->std, b->mean, b->std);
}

/* ---- Joining logits ---- */

/* A member's logits in the ensemble's order of classes. */
static oc_onnx_value gathered(job *e, size_t member, const char *prefix, oc_onnx_value logits) {
    oc_status status = OC_OK;
    oc_error err = {0};
    const oc_ensemble *ensemble = e->model->ensemble;
    const size_t classes = e->model->classes.count;
    char index[96], name[96];
    int64_t *map = NULL;
    oc_onnx_value result = logits;
    bool same = true;
    OC_TRY(oc_alloc(&map, classes, sizeof *map, &err));
    for (size_t c = 0; c < classes; c++) {
        map[c] = ensemble->class_map[member][c];
        same &= map[c] == (int64_t)c;
    }
    if (same) goto cleanup;
    snprintf(index, sizeof index, "%sclass_map", prefix);
    snprintf(name, sizeof name, "%sgathered", prefix);
    result = binary(e->onnx, "Gather", name, logits, oc_onnx_integers(e->onnx, index, (int)classes, map));
    oc_onnx_attribute(e->onnx, "axis", 1);
cleanup:
    if (status != OC_OK) oc_onnx_fail(e->onnx, status, "onnx", "%s", err.message);
    oc_free(map);
    return result;
}

/* The linear layer over all members' logits. */
static oc_onnx_value stacked(job *e, const oc_onnx_value *logits, int count) {
    const oc_ensemble *ensemble = e->model->ensemble;
    const int64_t classes = (int64_t)e->model->classes.count;
    const oc_shape weight = oc_shape_make(2, classes, classes * count), bias = oc_shape_make(1, classes);
    const oc_onnx_value all = oc_onnx_node(e->onnx, "Concat", "clf.logits", count, logits);
    oc_onnx_attribute(e->onnx, "axis", 1);
    const oc_onnx_value src[] = {all, oc_onnx_floats(e->onnx, "clf.weight", &weight, ensemble->weight),
                                 oc_onnx_floats(e->onnx, "clf.bias", &bias, ensemble->bias)};
    const oc_onnx_value dst = oc_onnx_node(e->onnx, "Gemm", "clf", 3, src);
    oc_onnx_attribute(e->onnx, "transB", 1);
    return dst;
}

/* log Σ w·softmax, by the logarithms throughout, as oc_ensemble_combine has it. Members of no weight are left out. */
static oc_onnx_value averaged(job *e, const oc_onnx_value *logits, int count) {
    const float *weight = e->model->ensemble->weight;
    const oc_shape scalar = oc_shape_make(0);
    oc_onnx_value member[OC_ENSEMBLE_MOST];
    int used = 0;
    for (int m = 0; m < count; m++) {
        const double share = weight ? (double)weight[m] : 1.0 / count;
        char name[4][64];
        static const char *const suffix[] = {"log_softmax", "log_weight", "weighted", "row"};
        if (!(share > 0)) continue;
        for (int i = 0; i < 4; i++) snprintf(name[i], sizeof name[i], "clf.%d.%s", m, suffix[i]);
        e->weight[m] = (float)log(share);
        const oc_onnx_value softmax = oc_onnx_node(e->onnx, "LogSoftmax", name[0], 1, &logits[m]);
        oc_onnx_attribute(e->onnx, "axis", 1);
        const oc_onnx_value weighted =
            binary(e->onnx, "Add", name[2], softmax, oc_onnx_floats(e->onnx, name[1], &scalar, &e->weight[m]));
        char axes[72];
        snprintf(axes, sizeof axes, "clf.%d.axes", m);
        member[used++] =
            binary(e->onnx, "Unsqueeze", name[3], weighted, oc_onnx_integers(e->onnx, axes, 1, (const int64_t[]){1}));
    }
    if (used == 0) {
        oc_onnx_fail(e->onnx, OC_E_USAGE, e->model->path, "no member has a weight: there is nothing to export");
        return NULL;
    }
    const oc_onnx_value rows = oc_onnx_node(e->onnx, "Concat", "clf.rows", used, member);
    oc_onnx_attribute(e->onnx, "axis", 1);
    const oc_onnx_value dst = oc_onnx_node(e->onnx, "ReduceLogSumExp", "clf", 1, &rows);
    oc_onnx_attributes(e->onnx, "axes", 1, (const int64_t[]){1});
    oc_onnx_attribute(e->onnx, "keepdims", 0);
    return dst;
}

static void write_networks(job *e) {
    oc_model *first = oc_model_network(e->model, 0);
    const size_t count = oc_model_networks(e->model);
    const oc_shape planes = oc_shape_make(3, 3, first->size, first->size);
    const oc_shape pixels = oc_shape_make(3, first->size, first->size, 3);
    const oc_onnx_value images =
        oc_onnx_input(e->onnx, INPUT, e->preprocessing ? OC_U8 : OC_F32, e->preprocessing ? &pixels : &planes);
    oc_onnx_value logits[OC_ENSEMBLE_MOST] = {NULL}, unit = e->preprocessing ? unit_values(e->onnx, images) : NULL;
    oc_onnx_value own[OC_ENSEMBLE_MOST]; /* what each network is given */
    for (size_t m = 0; m < count; m++) {
        oc_model *network = oc_model_network(e->model, m);
        char prefix[32] = "";
        if (e->model->ensemble) snprintf(prefix, sizeof prefix, "models.%zu.", m);
        size_t like = 0;
        while (like < m && !normalises_alike(oc_model_network(e->model, like), network)) like++;
        if (like < m)
            own[m] = own[like];
        else if (m == 0 && !e->preprocessing)
            own[m] = images;
        else {
            if (!unit) unit = restored(e->onnx, first, images);
            own[m] = normalised(e->onnx, network, prefix, unit);
        }
        logits[m] = oc_onnx_network(e->onnx, network, prefix, own[m]);
        if (e->model->ensemble) logits[m] = gathered(e, m, prefix, logits[m]);
    }
    oc_onnx_value joined = logits[0];
    if (e->model->ensemble)
        joined = e->model->ensemble->combine == OC_COMBINE_STACK ? stacked(e, logits, (int)count)
                                                                 : averaged(e, logits, (int)count);
    oc_onnx_output(e->onnx, OUTPUT, joined, (int64_t)e->model->classes.count);
}

/* ---- What is told ---- */

/* Takes the reference. */
static void tell_json(oc_onnx *onnx, const char *key, json_t *json) {
    char *text = NULL;
    oc_error err = {0};
    const oc_status status = json ? oc_json_figures(&text, json, &err) : oc_json_no_memory(&err);
    if (status == OC_OK)
        oc_onnx_tell(onnx, key, text);
    else
        oc_onnx_fail(onnx, status, key, "%s", err.message);
    oc_free(text);
    json_decref(json);
}

#define FORMULA "value of row y, column x, channel c (0 red, 1 green, 2 blue) = (31 y + 17 x + 101 c + x y) mod 256"

static uint8_t formula(int64_t y, int64_t x, int64_t c) {
    return (uint8_t)((31 * y + 17 * x + 101 * c + x * y) % 256);
}

/* Scores of the formula's image, computed as always. */
static oc_status tell_reference(job *e, oc_error *err) {
    oc_status status = OC_OK;
    oc_classifier *classifier = NULL;
    uint8_t *pixels = NULL;
    oc_prediction best;
    const int64_t size = e->model->size;
    OC_TRY(oc_alloc(&pixels, (size_t)(size * size), 3, err));
    for (int64_t i = 0; i < size * size * 3; i++) pixels[i] = formula(i / 3 / size, i / 3 % size, i % 3);
    OC_TRY(oc_classifier_create(&classifier, e->model, NULL, err));
    oc_classifier_item item = {.pixels = pixels, .width = size, .height = size};
    OC_TRY(oc_classifier_batch(classifier, &item, 1, &best, 1, err));
    if (item.status != OC_OK) OC_TRY(oc_fail(err, item.status, item.error.where, "%s", item.error.message));
    oc_onnx_tell(e->onnx, "reference_image", FORMULA);
    tell_json(e->onnx, "reference_logits", oc_json_floats(oc_classifier_scores(classifier), e->model->classes.count));
cleanup:
    oc_classifier_destroy(&classifier);
    oc_free(pixels);
    return status;
}

static void tell(job *e) {
    const oc_model *first = oc_model_network(e->model, 0);
    const oc_image_options *image = &first->image;
    char background[16];
    snprintf(background, sizeof background, "#%02x%02x%02x", image->background[0], image->background[1],
             image->background[2]);
    oc_onnx_tell(e->onnx, "model", oc_model_name(e->model));
    tell_json(e->onnx, "classes", oc_json_strings(&e->model->classes));
    tell_json(e->onnx, "size", json_integer(first->size));
    tell_json(e->onnx, "mean", oc_json_floats(first->mean, 3));
    tell_json(e->onnx, "std", oc_json_floats(first->std, 3));
    tell_json(
        e->onnx, "reading",
        json_pack("{s:s, s:b, s:s}", "fit", oc_fit_name(image->fit), "exif", image->exif, "background", background));
    oc_onnx_tell(e->onnx, "preprocessing",
                 e->preprocessing ? "inside: images are uint8 [N, size, size, 3], RGB, as decoded and resized"
                                  : "outside: images are float32 [N, 3, size, size], RGB, (value / 255 - mean) / std");
}

oc_status oc_export_onnx(oc_model *model, const char *path, const oc_onnx_options *options, oc_error *err) {
    oc_status status = OC_OK;
    job e = {.model = model, .preprocessing = options && options->preprocessing};
    OC_TRY(check(model, err));
    OC_TRY(oc_onnx_create(&e.onnx, oc_model_name(model), err));
    write_networks(&e);
    tell(&e);
    OC_TRY(tell_reference(&e, err));
    OC_TRY(oc_onnx_write(e.onnx, path, err));
cleanup:
    oc_onnx_destroy(&e.onnx);
    return status;
}
