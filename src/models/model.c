/* A model: made by name, filled with its first weights, and looked at. */
#include "models/model.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/random.h"
#include "models/build.h"
#include "models/ensemble_parts.h"
#include "ocelli/models.h"

/* Images larger than this are no task for a classifier; the bound keeps every product of sizes far from overflow. */
#define SIZE_LIMIT 4096
#define CLASS_LIMIT ((size_t)1 << 24)

/* The evaluation normalisation of the reference, on [0, 1]. */
static const float default_mean[3] = {0.4824F, 0.4495F, 0.3981F};
static const float default_std[3] = {0.2765F, 0.2691F, 0.2825F};

/* A class is its name: it is there, differs from all others, and is UTF-8, as JSON wants it. */
static oc_status check_classes(const oc_names *classes, oc_error *err) {
    oc_status status = OC_OK;
    oc_names sorted = {0};
    for (size_t i = 0; i < classes->count; i++) {
        const char *code = classes->item[i];
        json_t *text = json_string(code);
        json_decref(text);
        if (!text || code[0] == '\0') {
            status = oc_fail(err, OC_E_USAGE, NULL, "class %zu of %zu has an %s name", i, classes->count,
                             text ? "empty" : "unusable (not UTF-8)");
            goto cleanup;
        }
        OC_TRY(oc_names_add(&sorted, code, err));
    }
    oc_names_sort(&sorted);
    for (size_t i = 1; i < sorted.count; i++)
        if (strcmp(sorted.item[i - 1], sorted.item[i]) == 0) {
            status = oc_fail(err, OC_E_USAGE, NULL, "two classes are called '%s'", sorted.item[i]);
            goto cleanup;
        }
cleanup:
    oc_names_free(&sorted);
    return status;
}

static const char *const stems[] = {"own", "3x3", "7x7", "deep"};
#define STEMS (sizeof stems / sizeof stems[0])

const char *oc_model_stem(const char *name) {
    for (size_t i = 1; i < STEMS; i++)
        if (strcmp(stems[i], name) == 0) return stems[i];
    return NULL;
}

/* Options within their ranges that the entry has, their text static: *out. */
static oc_status check_options(oc_model_options *out, const oc_model_entry *entry, const oc_model_options *options,
                               oc_error *err) {
    *out = *options;
    out->stem = NULL;
    if (options->stem && strcmp(options->stem, stems[0]) != 0) {
        out->stem = oc_model_stem(options->stem);
        const char *nearest = oc_text_nearest(options->stem, stems, STEMS);
        if (!out->stem)
            return oc_fail(err, OC_E_USAGE, "model.stem",
                           "no stem is called '%.100s'%s%s%s; there are own, 3x3, 7x7, deep", options->stem,
                           nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
        if (entry->stem && strcmp(out->stem, entry->stem) == 0) out->stem = NULL;
    }
    if (!(options->drop_path >= 0 && options->drop_path < 1))
        return oc_fail(err, OC_E_USAGE, "model.drop_path", "%g is not from 0 up to, but without, 1",
                       options->drop_path);
    if (!(options->dropout >= 0 && options->dropout < 1))
        return oc_fail(err, OC_E_USAGE, "model.dropout", "%g is not from 0 up to, but without, 1", options->dropout);
    if (entry->stem) return OC_OK;
    const char *where = out->stem            ? "model.stem"
                        : out->no_stem_pool  ? "model.stem_pool"
                        : out->drop_path > 0 ? "model.drop_path"
                        : out->dropout > 0   ? "model.dropout"
                                             : NULL;
    return where ? oc_fail(err, OC_E_USAGE, where, "%s is made in one way only and does not have this option",
                           entry->name)
                 : OC_OK;
}

oc_status oc_model_build(oc_model **out, const char *name, const char *const *classes, size_t count, int64_t size,
                         const oc_model_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_model *model = NULL;
    oc_model_spec spec = {.classes = (int64_t)count, .size = size};
    *out = NULL;
    OC_TRY(oc_alloc(&model, 1, sizeof *model, err));
    OC_TRY(oc_model_entry_find(&model->entry, name, err));
    OC_TRY(check_options(&spec.options, model->entry, options ? options : &(oc_model_options){0}, err));
    if (count < 1 || count > CLASS_LIMIT) {
        status = oc_fail(err, OC_E_USAGE, NULL, "a model needs 1 to %zu classes, not %zu", CLASS_LIMIT, count);
        goto cleanup;
    }
    if (size < 1 || size > SIZE_LIMIT) {
        status = oc_fail(err, OC_E_USAGE, "data.size", "images must have a side of 1 to %d pixels, not %lld",
                         SIZE_LIMIT, (long long)size);
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++) OC_TRY(oc_names_add(&model->classes, classes[i], err));
    OC_TRY(check_classes(&model->classes, err));
    model->size = size;
    memcpy(model->mean, default_mean, sizeof model->mean);
    memcpy(model->std, default_std, sizeof model->std);
    model->image = (oc_image_options)OC_IMAGE_OPTIONS_DEFAULT;
    OC_TRY(oc_graph_create(&model->graph, err));
    model->options = spec.options;
    model->entry->build(model->graph, model->entry, &spec);
    OC_TRY(oc_graph_finish(model->graph, err));
    *out = model;
    model = NULL;
cleanup:
    oc_model_destroy(&model);
    return status;
}

oc_status oc_model_allocate(oc_model *model, oc_error *err) {
    return oc_alloc(&model->weights.arena, oc_table_arena_size(oc_graph_table(model->graph)), sizeof(float), err);
}

oc_status oc_model_create(oc_model **out, const char *name, const char *const *classes, size_t count, int64_t size,
                          const oc_model_options *options, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_model_build(out, name, classes, count, size, options, err));
    OC_TRY(oc_model_allocate(*out, err));
cleanup:
    if (status != OC_OK) oc_model_destroy(out);
    return status;
}

void oc_model_destroy(oc_model **model) {
    if (!model || !*model) return;
    oc_ensemble_destroy(&(*model)->ensemble);
    oc_graph_destroy(&(*model)->graph);
    oc_names_free(&(*model)->classes);
    oc_trained_free(&(*model)->trained);
    oc_free((*model)->path);
    oc_free((*model)->note);
    oc_free((*model)->weights.arena);
    oc_free(*model);
    *model = NULL;
}

bool oc_normalisation_equal(const float mean[3], const float std[3], const float other_mean[3],
                            const float other_std[3]) {
    bool same = true;
    for (int c = 0; c < 3; c++) same = same && mean[c] == other_mean[c] && std[c] == other_std[c];
    return same;
}

void oc_model_init(oc_model *model, uint64_t seed) {
    const oc_table *table = oc_graph_table(model->graph);
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        const double value = tensor->init.value;
        float *data = model->weights.arena + tensor->offset;
        oc_random random;
        oc_random_init(&random, seed, OC_RANDOM_INIT, (uint32_t)i, 0);
        for (size_t j = 0; j < tensor->count; j++) {
            switch (tensor->init.kind) {
            case OC_INIT_CONSTANT:
                data[j] = (float)value;
                break;
            case OC_INIT_UNIFORM:
                data[j] = (float)oc_random_range(&random, -value, value);
                break;
            case OC_INIT_NORMAL:
                data[j] = (float)(value * oc_random_normal(&random));
                break;
            }
        }
    }
    model->weights.version++;
}

const char *oc_model_name(const oc_model *model) {
    return model->ensemble ? OC_ENSEMBLE_NAME : model->entry->name;
}

int64_t oc_model_size(const oc_model *model) {
    return model->size;
}

size_t oc_model_class_count(const oc_model *model) {
    return model->classes.count;
}

const char *oc_model_class(const oc_model *model, size_t index) {
    return index < model->classes.count ? model->classes.item[index] : NULL;
}

size_t oc_model_layers(const oc_model *model) {
    return model->ensemble ? oc_ensemble_layers(model->ensemble) : (size_t)oc_graph_nodes(model->graph);
}

oc_layer oc_model_layer(const oc_model *model, size_t index) {
    oc_layer layer = {.op = "", .name = ""};
    if (index >= oc_model_layers(model)) return layer;
    if (model->ensemble) return oc_ensemble_layer(model->ensemble, index);
    const oc_node_info info = oc_graph_node_info(model->graph, (int)index);
    layer.op = info.op;
    layer.name = info.name;
    layer.parameters = info.parameters;
    layer.macs = info.macs;
    layer.dims = info.dst.ndim < 4 ? info.dst.ndim : 4;
    for (int i = 0; i < layer.dims; i++) layer.dst[i] = info.dst.dim[i];
    return layer;
}

static const oc_table *table_of(const oc_model *model) {
    return model->ensemble ? model->ensemble->table : oc_graph_table(model->graph);
}

size_t oc_model_tensors(const oc_model *model) {
    return oc_table_count(table_of(model));
}

oc_tensor_info oc_model_tensor(const oc_model *model, size_t index) {
    oc_tensor_info info = {.name = ""};
    if (index >= oc_model_tensors(model)) return info;
    const oc_tensor *tensor = oc_table_at(table_of(model), index);
    info.name = tensor->name;
    info.parameter = tensor->parameter;
    info.dims = tensor->shape.ndim;
    for (int i = 0; i < info.dims; i++) info.shape[i] = tensor->shape.dim[i];
    return info;
}

void oc_model_totals(const oc_model *model, int64_t *parameters, int64_t *macs) {
    if (parameters) *parameters = 0;
    if (macs) *macs = 0;
    for (size_t i = 0; i < oc_model_layers(model); i++) {
        const oc_layer layer = oc_model_layer(model, i);
        if (parameters) *parameters += layer.parameters;
        if (macs) *macs += layer.macs;
    }
}
