/* Comparing a weights file with a model. */
#include "models/match.h"

#include <string.h>

#include "base/error.h"
#include "models/difference.h"
#include "models/ensemble_parts.h"

#define SHAPE_TEXT 128

bool oc_match_ignored(const char *tensor) {
    static const char suffix[] = OC_TRACKED;
    size_t length = strlen(tensor), ending = sizeof suffix - 1;
    return length >= ending && strcmp(tensor + length - ending, suffix) == 0;
}

static bool is_float(oc_dtype dtype) {
    return dtype == OC_F32 || dtype == OC_F64 || dtype == OC_F16 || dtype == OC_BF16;
}

const char *oc_model_head(const oc_model *model) {
    for (int i = oc_graph_nodes(model->graph); i-- > 0;) {
        const oc_node_info info = oc_graph_node_info(model->graph, i);
        if (strcmp(info.op, "linear") == 0) return info.name;
    }
    return "";
}

bool oc_match_is_of(const char *tensor, const char *layer) {
    const size_t length = strlen(layer);
    return length > 0 && strncmp(tensor, layer, length) == 0 && tensor[length] == '.';
}

/* Compares all tensors but those of the layer `left_out`. */
static oc_status compare_tensors(oc_text *sentence, const oc_table *table, const oc_safetensors *file,
                                 const char *left_out, oc_error *err) {
    oc_status status = OC_OK;
    oc_difference misshapen = OC_DIFFERENCE("misshapen"), missing = OC_DIFFERENCE("missing"),
                  unexpected = OC_DIFFERENCE("unexpected");
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        const oc_safetensors_view *view = oc_safetensors_find(file, tensor->name);
        char theirs[SHAPE_TEXT], ours[SHAPE_TEXT];
        if (oc_match_is_of(tensor->name, left_out)) continue;
        if (!view) {
            OC_TRY(oc_text_list_add(&missing.list, err, "%.100s", tensor->name));
        } else if (!oc_shape_equal(&view->shape, &tensor->shape)) {
            OC_TRY(oc_text_list_add(&misshapen.list, err, "%s (%s in the file, %s in the model)", tensor->name,
                                    oc_shape_text(&view->shape, theirs, sizeof theirs),
                                    oc_shape_text(&tensor->shape, ours, sizeof ours)));
        } else if (!is_float(view->dtype)) {
            OC_TRY(oc_text_list_add(&misshapen.list, err, "%s (of type %s, which is no float)", tensor->name,
                                    oc_dtype_name(view->dtype)));
        }
    }
    for (size_t i = 0; i < oc_safetensors_count(file); i++) {
        const char *name = oc_safetensors_at(file, i)->name;
        if (!oc_table_find(table, name) && !oc_match_ignored(name))
            OC_TRY(oc_text_list_add(&unexpected.list, err, "%.100s", name));
    }
cleanup:
    if (status == OC_OK) status = oc_difference_close(&misshapen, sentence, err);
    if (status == OC_OK) status = oc_difference_close(&missing, sentence, err);
    if (status == OC_OK) status = oc_difference_close(&unexpected, sentence, err);
    oc_difference_free(&misshapen);
    oc_difference_free(&missing);
    oc_difference_free(&unexpected);
    return status;
}

oc_status oc_match_tensors(oc_text *sentence, const oc_table *table, const oc_safetensors *file, oc_error *err) {
    return compare_tensors(sentence, table, file, "", err);
}

oc_status oc_match_classes(oc_text *sentence, const oc_names *ours, const oc_names *theirs, oc_error *err) {
    oc_status status = OC_OK;
    oc_difference only_theirs = OC_DIFFERENCE("only in the file: class");
    oc_difference only_ours = OC_DIFFERENCE("only in the model: class");
    size_t i = 0;
    while (i < ours->count && i < theirs->count && oc_text_alike(ours->item[i], theirs->item[i])) i++;
    if (i == ours->count && i == theirs->count) return OC_OK;
    OC_TRY(oc_text_printf(sentence, err, "%sthe class lists differ (%zu in the file, %zu in the model)",
                          sentence->size ? "; " : "", theirs->count, ours->count));
    OC_TRY(oc_difference_strangers(&only_theirs, theirs, ours, err));
    OC_TRY(oc_difference_strangers(&only_ours, ours, theirs, err));
    if (only_theirs.list.count == 0 && only_ours.list.count == 0 && i < ours->count && i < theirs->count)
        OC_TRY(oc_text_printf(sentence, err,
                              ": the order differs, class %zu is %.100s in the file and %.100s in the model", i,
                              theirs->item[i], ours->item[i]));
    OC_TRY(oc_difference_close(&only_theirs, sentence, err));
    OC_TRY(oc_difference_close(&only_ours, sentence, err));
cleanup:
    oc_difference_free(&only_theirs);
    oc_difference_free(&only_ours);
    return status;
}

/* *out: both lists hold the same names, in whatever order. */
static oc_status same_set(bool *out, const oc_names *a, const oc_names *b, oc_error *err) {
    oc_status status = OC_OK;
    oc_names sorted = {0};
    *out = a->count == b->count;
    OC_TRY(oc_names_sorted(&sorted, b, err));
    for (size_t i = 0; *out && i < a->count; i++) *out = oc_names_find_alike(&sorted, a->item[i]) >= 0;
cleanup:
    oc_names_free(&sorted);
    return status;
}

/* *out: the file has the head of the model for other classes: other names, or, where it names none, another count. */
static oc_status is_head_of_others(bool *out, const oc_model *model, const oc_safetensors *file,
                                   const oc_weights_info *info, oc_error *err) {
    oc_status status = OC_OK;
    const char *head = oc_model_head(model);
    const oc_table *table = oc_graph_table(model->graph);
    bool same = !info->model;
    int64_t count = 0;
    *out = false;
    if (info->model) OC_TRY(same_set(&same, &model->classes, &info->classes, err));
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        if (!oc_match_is_of(tensor->name, head)) continue;
        const oc_safetensors_view *view = oc_safetensors_find(file, tensor->name);
        if (!view || !is_float(view->dtype) || view->shape.ndim != tensor->shape.ndim) return OC_OK;
        oc_shape shape = view->shape;
        if (count == 0) count = shape.dim[0];
        if (shape.dim[0] != count) return OC_OK;
        shape.dim[0] = tensor->shape.dim[0];
        if (!oc_shape_equal(&shape, &tensor->shape)) return OC_OK;
    }
    *out = count > 0 && (!same || (!info->model && count != (int64_t)model->classes.count));
cleanup:
    return status;
}

static const char *stem_of(const oc_model *model, const char *stem) {
    return stem ? stem : model->entry->stem ? model->entry->stem : "own";
}

/* What the file says of the model, classes aside. */
static oc_status compare_kind(oc_text *sentence, const oc_model *model, const oc_weights_info *info, oc_error *err) {
    oc_status status = OC_OK;
    if (strcmp(info->model, model->entry->name) != 0) {
        OC_TRY(oc_text_printf(sentence, err, "they are of %.100s", info->model));
    } else {
        const char *theirs = stem_of(model, info->stem), *ours = stem_of(model, model->options.stem);
        if (strcmp(theirs, ours) != 0)
            OC_TRY(oc_text_printf(sentence, err, "their stem is %s, the model's is %s", theirs, ours));
        if (info->no_stem_pool != model->options.no_stem_pool)
            OC_TRY(oc_text_printf(sentence, err, "%sthey are made %s a pool behind the stem, the model %s",
                                  sentence->size ? "; " : "", info->no_stem_pool ? "without" : "with",
                                  model->options.no_stem_pool ? "without" : "with"));
    }
    if (model->entry->fixed_size && info->size != model->size)
        OC_TRY(oc_text_printf(sentence, err, "%sthey are for images of size %lld, the model is for %lld",
                              sentence->size ? "; " : "", (long long)info->size, (long long)model->size));
cleanup:
    return status;
}

oc_status oc_match_check(const oc_model *model, const oc_safetensors *file, const oc_weights_info *info,
                         const char *path, bool *new_head, oc_error *err) {
    oc_status status = OC_OK;
    oc_text sentence = {0};
    bool others = false;
    if (info->model && strcmp(info->model, OC_ENSEMBLE_NAME) == 0)
        return oc_fail(err, OC_E_MISMATCH, path,
                       "these weights are of an ensemble, which is not trained further and does not fit %s: pass a "
                       "network's weights, its members' say",
                       model->entry->name);
    if (new_head) OC_TRY(is_head_of_others(&others, model, file, info, err));
    if (info->model) OC_TRY(compare_kind(&sentence, model, info, err));
    if (info->model && !others) OC_TRY(oc_match_classes(&sentence, &model->classes, &info->classes, err));
    OC_TRY(compare_tensors(&sentence, oc_graph_table(model->graph), file, others ? oc_model_head(model) : "", err));
    if (sentence.size > 0)
        status =
            oc_fail(err, OC_E_MISMATCH, path, "these weights do not fit %s: %s", model->entry->name, sentence.data);
    else if (new_head)
        *new_head = others;
cleanup:
    oc_text_free(&sentence);
    return status;
}
