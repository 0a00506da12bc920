/* Weights files: safetensors with PyTorch's tensor names, and metadata that makes a file of ours complete by itself. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/build.h"
#include "models/fit.h"
#include "models/origin.h"

/* What a file that says nothing of itself is taken to be made for: the reference's images. */
#define DEFAULT_SIZE 64

oc_status oc_model_write(const oc_model *model, const float *arena, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    const oc_table *table = oc_graph_table(model->graph);
    const size_t count = oc_table_count(table);
    oc_safetensors_view *views = NULL;
    oc_origin_text text = {0};
    if (!arena) arena = model->weights.arena;
    OC_TRY(oc_origin_write(&text, model, err));
    OC_TRY(oc_alloc(&views, count, sizeof *views, err));
    for (size_t i = 0; i < count; i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        views[i] = (oc_safetensors_view){.name = tensor->name,
                                         .dtype = OC_F32,
                                         .shape = tensor->shape,
                                         .data = (const uint8_t *)(arena + tensor->offset),
                                         .size = tensor->count * sizeof(float)};
    }
    const oc_metadata metadata[] = {
        {"model", model->entry->name}, {"classes", text.classes}, {"size", text.size},
        {"mean", text.mean},           {"std", text.std},
    };
    OC_TRY(oc_safetensors_write(path, views, count, metadata, sizeof metadata / sizeof metadata[0], err));
cleanup:
    oc_free(views);
    oc_origin_text_free(&text);
    return status;
}

oc_status oc_model_save(const oc_model *model, const char *path, oc_error *err) {
    return oc_model_write(model, NULL, path, err);
}

/* Copies the tensors of a file that fits into `arena`. */
static oc_status read_tensors(float *arena, const oc_table *table, const oc_safetensors *file, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        OC_TRY(oc_safetensors_read_f32(oc_safetensors_find(file, tensor->name), arena + tensor->offset, err));
    }
cleanup:
    return status;
}

oc_status oc_model_read(oc_model *model, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    const oc_table *table = oc_graph_table(model->graph);
    const size_t arena_size = oc_table_arena_size(table);
    oc_safetensors *file = NULL;
    oc_origin origin = {0};
    float *arena = NULL;
    OC_TRY(oc_safetensors_open(&file, path, err));
    OC_TRY(oc_origin_read(&origin, file, path, err));
    OC_TRY(oc_fit_check(model, file, &origin, path, err));
    OC_TRY(oc_alloc(&arena, arena_size, sizeof *arena, err));
    OC_TRY(read_tensors(arena, table, file, err));
    memcpy(model->weights.arena, arena, arena_size * sizeof *arena);
    model->weights.version++;
cleanup:
    oc_free(arena);
    oc_origin_free(&origin);
    oc_safetensors_destroy(&file);
    return status;
}

/* The model that the arguments, or else the file's metadata, describe; without an arena. */
static oc_status build_described(oc_model **out, const oc_origin *origin, const char *path, const char *name,
                                 const char *const *classes, size_t count, int64_t size,
                                 const oc_model_options *options, oc_error *err) {
    if (!origin->model && (!name || !classes || count == 0))
        return oc_fail(err, OC_E_USAGE, path, "this weights file does not say what it is of: pass %s%s%s",
                       name ? "" : "--model NAME", !name && count == 0 ? " and " : "",
                       count == 0 ? "--classes N (a count) or FILE (a file of names)" : "");
    const bool asked = name || count > 0 || size > 0;
    if (count == 0) {
        classes = (const char *const *)origin->classes.item;
        count = origin->classes.count;
    }
    if (!name) name = origin->model;
    if (size == 0) size = origin->model ? origin->size : DEFAULT_SIZE;
    oc_error why = {0};
    oc_status status = oc_model_build(out, name, classes, count, size, options, &why);
    /* What the file alone says is no usage error of the caller. */
    if (status == OC_E_USAGE && !asked) return oc_fail(err, OC_E_FORMAT, path, "%s", why.message);
    if (status != OC_OK) return oc_fail(err, status, why.where, "%s", why.message);
    return OC_OK;
}

oc_status oc_model_open(oc_model **out, const char *path, const char *name, const char *const *classes, size_t count,
                        int64_t size, const oc_model_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_safetensors *file = NULL;
    oc_origin origin = {0};
    oc_model *model = NULL;
    *out = NULL;
    OC_TRY(oc_safetensors_open(&file, path, err));
    OC_TRY(oc_origin_read(&origin, file, path, err));
    OC_TRY(build_described(&model, &origin, path, name, classes, count, size, options, err));
    OC_TRY(oc_fit_check(model, file, &origin, path, err));
    OC_TRY(oc_model_allocate(model, err));
    OC_TRY(read_tensors(model->weights.arena, oc_graph_table(model->graph), file, err));
    model->weights.version++;
    if (origin.model) {
        memcpy(model->mean, origin.mean, sizeof model->mean);
        memcpy(model->std, origin.std, sizeof model->std);
    }
    *out = model;
    model = NULL;
cleanup:
    oc_model_destroy(&model);
    oc_origin_free(&origin);
    oc_safetensors_destroy(&file);
    return status;
}
