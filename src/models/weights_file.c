/* Weights files: safetensors with PyTorch's tensor names, and metadata that makes a file of ours complete by itself. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "models/build.h"
#include "models/ensemble_parts.h"
#include "models/match.h"
#include "models/weights_info.h"
#include "models/weights_io.h"

/* What a file that says nothing of itself is taken to be made for: the reference's images. */
#define DEFAULT_SIZE 64

/* Adds "<norm>.num_batches_tracked" to `names`, where `tensor` is called "<norm>.running_var". */
static oc_status add_tracked(oc_names *names, const char *tensor, bool *added, oc_error *err) {
    oc_status status = OC_OK;
    static const char suffix[] = ".running_var";
    const size_t length = strlen(tensor), ending = sizeof suffix - 1;
    oc_text name = {0};
    *added = length > ending && strcmp(tensor + length - ending, suffix) == 0;
    if (!*added) return OC_OK;
    OC_TRY(oc_text_printf(&name, err, "%.*s." OC_TRACKED, (int)(length - ending), tensor));
    OC_TRY(oc_names_add(names, name.data, err));
cleanup:
    oc_text_free(&name);
    return status;
}

oc_status oc_weights_write(const char *path, const oc_table *table, float *const *data, const int64_t *steps,
                           const oc_metadata *metadata, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    const size_t tensors = oc_table_count(table);
    size_t used = 0;
    oc_safetensors_view *views = NULL;
    oc_names tracked = {0};
    OC_TRY(oc_alloc(&views, 2 * tensors, sizeof *views, err));
    for (size_t i = 0; i < tensors; i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        bool norm = false;
        views[used++] = (oc_safetensors_view){.name = tensor->name,
                                              .dtype = OC_F32,
                                              .shape = tensor->shape,
                                              .data = (const uint8_t *)data[i],
                                              .size = tensor->count * sizeof(float)};
        if (steps) OC_TRY(add_tracked(&tracked, tensor->name, &norm, err));
        if (norm)
            views[used++] = (oc_safetensors_view){.name = tracked.item[tracked.count - 1],
                                                  .dtype = OC_I64,
                                                  .data = (const uint8_t *)&steps[i],
                                                  .size = sizeof steps[i]};
    }
    OC_TRY(oc_safetensors_write(path, views, used, metadata, count, err));
cleanup:
    oc_free(views);
    oc_names_free(&tracked);
    return status;
}

/* A batch norm divides by its root: a negative one makes NaN, which a ReLU behind it hides. */
static oc_status variance_check(const oc_tensor *tensor, const float *data, const char *path, oc_error *err) {
    static const char ending[] = ".running_var";
    const size_t length = strlen(tensor->name);
    if (length < sizeof ending || strcmp(tensor->name + length - (sizeof ending - 1), ending) != 0) return OC_OK;
    for (size_t i = 0; i < tensor->count; i++)
        if (data[i] < 0)
            return oc_fail(err, OC_E_FORMAT, path, "damaged weights: element %zu of %s is %g, a negative variance", i,
                           tensor->name, (double)data[i]);
    return OC_OK;
}

oc_status oc_weights_read(float *const *data, const oc_table *table, const oc_safetensors *file, const char *path,
                          oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        if (!data[i]) continue;
        OC_TRY(oc_safetensors_read_f32(oc_safetensors_find(file, tensor->name), data[i], err));
        size_t good = 0;
        while (good < tensor->count && isfinite(data[i][good])) good++;
        if (good == tensor->count) {
            OC_TRY(variance_check(tensor, data[i], path, err));
            continue;
        }
        status = oc_fail(err, OC_E_FORMAT, path, "damaged weights: element %zu of %s is %s", good, tensor->name,
                         isnan(data[i][good]) ? "not a number" : "infinite, or too large for a float");
        goto cleanup;
    }
cleanup:
    return status;
}

/* Where each tensor of a network lies: *out, freed with oc_free. */
static oc_status places_in_arena(float ***out, const oc_table *table, float *arena, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_alloc(out, oc_table_count(table), sizeof **out, err));
    for (size_t i = 0; i < oc_table_count(table); i++) (*out)[i] = arena + oc_table_at(table, i)->offset;
cleanup:
    return status;
}

oc_status oc_model_write(const oc_model *model, const float *arena, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_weights_info_text text = {0};
    float **data = NULL;
    int64_t *steps = NULL;
    if (model->ensemble) return oc_ensemble_write(model, path, err);
    const oc_table *table = oc_graph_table(model->graph);
    OC_TRY(oc_weights_info_write(&text, model, err));
    OC_TRY(places_in_arena(&data, table, arena ? (float *)(uintptr_t)arena : model->weights.arena, err));
    OC_TRY(oc_alloc(&steps, oc_table_count(table), sizeof *steps, err));
    for (size_t i = 0; i < oc_table_count(table); i++) steps[i] = model->steps;
    OC_TRY(oc_weights_write(path, table, data, steps, text.pair, text.pairs, err));
cleanup:
    oc_free(data);
    oc_free(steps);
    oc_weights_info_text_free(&text);
    return status;
}

oc_status oc_model_save(const oc_model *model, const char *path, oc_error *err) {
    return oc_model_write(model, NULL, path, err);
}

int64_t oc_weights_steps(const oc_safetensors *file, const char *prefix) {
    for (size_t i = 0; i < oc_safetensors_count(file); i++) {
        const oc_safetensors_view *view = oc_safetensors_at(file, i);
        int64_t steps = 0;
        if (strncmp(view->name, prefix, strlen(prefix)) != 0) continue;
        if (!oc_match_ignored(view->name) || view->dtype != OC_I64 || view->size != sizeof steps) continue;
        memcpy(&steps, view->data, sizeof steps);
        return steps > 0 ? steps : 0;
    }
    return 0;
}

/* Copies the tensors of a file that fits, but for those of the layer `left_out`, into `arena`. */
static oc_status read_tensors(float *arena, const oc_table *table, const oc_safetensors *file, const char *path,
                              const char *left_out, oc_error *err) {
    oc_status status = OC_OK;
    float **data = NULL;
    OC_TRY(places_in_arena(&data, table, arena, err));
    for (size_t i = 0; i < oc_table_count(table); i++)
        if (oc_match_is_of(oc_table_at(table, i)->name, left_out)) data[i] = NULL;
    OC_TRY(oc_weights_read(data, table, file, path, err));
cleanup:
    oc_free(data);
    return status;
}

/* Opens a weights file. Where all tensors' names begin with what a wrapper of PyTorch puts before them, that is taken
 * off, and *note (NULL: nothing to tell) is to be freed with oc_free. */
static oc_status open_file(oc_safetensors **out, char **note, const char *path, oc_error *err) {
    static const char *const prefixes[] = {"module.", "_orig_mod.", "model."};
    oc_status status = OC_OK;
    oc_safetensors *file = NULL;
    oc_text taken = {0}, sentence = {0};
    OC_TRY(oc_safetensors_open(&file, path, err));
    for (size_t i = 0; !oc_safetensors_is_own(file) && i < sizeof prefixes / sizeof *prefixes;) {
        bool stripped;
        OC_TRY(oc_safetensors_strip(file, prefixes[i], &stripped, err));
        if (stripped) OC_TRY(oc_text_printf(&taken, err, "%s", prefixes[i]));
        i = stripped ? 0 : i + 1; /* wrappers may lie in wrappers */
    }
    if (taken.size > 0)
        OC_TRY(oc_text_printf(&sentence, err,
                              "its tensors' names begin with \"%s\", which a wrapper of PyTorch has put there: read "
                              "without",
                              taken.data));
    *note = sentence.data;
    sentence = (oc_text){0};
    *out = file;
    file = NULL;
cleanup:
    oc_safetensors_destroy(&file);
    oc_text_free(&taken);
    oc_text_free(&sentence);
    return status;
}

oc_status oc_model_read(oc_model *model, const char *path, const oc_log *log, oc_error *err) {
    oc_status status = OC_OK;
    bool new_head = false;
    const oc_table *table = oc_graph_table(model->graph);
    const size_t arena_size = oc_table_arena_size(table);
    oc_safetensors *file = NULL;
    oc_weights_info info = {0};
    float *arena = NULL;
    char *note = NULL;
    OC_TRY(open_file(&file, &note, path, err));
    OC_TRY(oc_weights_info_read(&info, file, path, err));
    OC_TRY(oc_match_check(model, file, &info, path, &new_head, err));
    OC_TRY(oc_alloc(&arena, arena_size, sizeof *arena, err));
    memcpy(arena, model->weights.arena, arena_size * sizeof *arena);
    OC_TRY(read_tensors(arena, table, file, path, new_head ? oc_model_head(model) : "", err));
    OC_TRY(oc_trained_join(&model->trained, &info.trained, err));
    memcpy(model->weights.arena, arena, arena_size * sizeof *arena);
    if (note) oc_log_line(log, OC_LOG_WARN, "%s: %s", path, note);
    if (info.model && !oc_image_options_equal(&info.image, &model->image))
        oc_log_line(log, OC_LOG_INFO,
                    "%s: images were read otherwise for these weights (data.exif, data.background, data.fit) than they "
                    "are now",
                    path);
    if (new_head)
        oc_log_line(log, OC_LOG_INFO, "%s is for other classes: its last layer, %s, is left aside and begins anew",
                    path, oc_model_head(model));
    model->weights.version++;
cleanup:
    oc_free(arena);
    oc_free(note);
    oc_weights_info_free(&info);
    oc_safetensors_destroy(&file);
    return status;
}

oc_status oc_model_read_trained(oc_model *model, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    oc_safetensors *file = NULL;
    oc_weights_info info = {0};
    OC_TRY(oc_safetensors_open(&file, path, err));
    OC_TRY(oc_weights_info_read(&info, file, path, err));
    OC_TRY(oc_trained_join(&model->trained, &info.trained, err));
cleanup:
    oc_weights_info_free(&info);
    oc_safetensors_destroy(&file);
    return status;
}

/* The model that the arguments, or else the file's metadata, describe; without an arena. */
static oc_status build_described(oc_model **out, const oc_weights_info *info, const char *path, const char *name,
                                 const char *const *classes, size_t count, int64_t size,
                                 const oc_model_options *options, oc_error *err) {
    if (!info->model && (!name || !classes || count == 0))
        return oc_fail(err, OC_E_USAGE, path, "this weights file does not say of which model and classes it is%s%s%s",
                       info->why ? " (" : "", info->why ? info->why : "", info->why ? ")" : "");
    const bool asked = name || count > 0 || size > 0 || (options && (options->stem || options->no_stem_pool));
    oc_model_options described = options ? *options : (oc_model_options){0};
    /* What the caller leaves open the file says; oc_match_check sees where they contradict each other. */
    if (!described.stem) described.stem = info->stem;
    described.no_stem_pool |= info->no_stem_pool;
    if (count == 0) {
        classes = (const char *const *)info->classes.item;
        count = info->classes.count;
    }
    if (!name) name = info->model;
    if (size == 0) size = info->model ? info->size : DEFAULT_SIZE;
    oc_error why = {0};
    oc_status status = oc_model_build(out, name, classes, count, size, &described, &why);
    /* What the file alone says is no usage error of the caller. */
    if (status == OC_E_USAGE && !asked) return oc_fail(err, OC_E_FORMAT, path, "%s", why.message);
    if (status != OC_OK) return oc_fail(err, status, why.where, "%s", why.message);
    return OC_OK;
}

/* Fills a model that was built to fit the file. */
static oc_status read_network(oc_model *model, const oc_safetensors *file, const oc_weights_info *info,
                              const char *path, oc_error *err) {
    oc_status status = OC_OK;
    OC_TRY(oc_match_check(model, file, info, path, NULL, err));
    OC_TRY(oc_model_allocate(model, err));
    OC_TRY(read_tensors(model->weights.arena, oc_graph_table(model->graph), file, path, "", err));
    OC_TRY(oc_trained_join(&model->trained, &info->trained, err));
    model->holdout = info->holdout;
    model->steps = oc_weights_steps(file, "");
    model->weights.version++;
    model->told = info->model != NULL;
    if (info->model) {
        memcpy(model->mean, info->mean, sizeof model->mean);
        memcpy(model->std, info->std, sizeof model->std);
        model->image = info->image;
    }
cleanup:
    return status;
}

oc_status oc_model_open(oc_model **out, const char *path, const char *name, const char *const *classes, size_t count,
                        int64_t size, const oc_model_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_safetensors *file = NULL;
    oc_weights_info info = {0};
    oc_model *model = NULL;
    char *note = NULL;
    *out = NULL;
    OC_TRY(open_file(&file, &note, path, err));
    OC_TRY(oc_weights_info_read(&info, file, path, err));
    if (info.model && strcmp(info.model, OC_ENSEMBLE_NAME) == 0) {
        OC_TRY(oc_ensemble_open(&model, file, &info, path, name, classes, count, size, options, err));
    } else {
        OC_TRY(build_described(&model, &info, path, name, classes, count, size, options, err));
        OC_TRY(read_network(model, file, &info, path, err));
    }
    OC_TRY(oc_strdup(&model->path, path, err));
    model->note = note;
    note = NULL;
    *out = model;
    model = NULL;
cleanup:
    oc_model_destroy(&model);
    oc_free(note);
    oc_weights_info_free(&info);
    oc_safetensors_destroy(&file);
    return status;
}

const char *oc_model_note(const oc_model *model) {
    return model->note ? model->note : "";
}
