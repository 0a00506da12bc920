/* Comparing a weights file with a model. */
#include "models/fit.h"

#include <string.h>

#include "base/error.h"

/* Differences of each kind that are named; the others are counted. */
#define SHOWN ((size_t)3)
#define SHAPE_TEXT 128

/* A growing list of differences of one kind: "missing a, b, c and 9 more". */
typedef struct difference_list {
    const char *kind;
    oc_text text;
    size_t count;
} difference_list;

/* Room for one more: appends the separator, and tells whether the item is to be named. */
static oc_status begin_item(difference_list *list, bool *shown, oc_error *err) {
    *shown = list->count++ < SHOWN;
    return *shown ? oc_text_printf(&list->text, err, "%s", list->count > 1 ? ", " : "") : OC_OK;
}

static oc_status add_name(difference_list *list, const char *name, oc_error *err) {
    oc_status status = OC_OK;
    bool shown;
    OC_TRY(begin_item(list, &shown, err));
    if (shown) OC_TRY(oc_text_printf(&list->text, err, "%.100s", name));
cleanup:
    return status;
}

/* Adds the list to the sentence, and frees it. */
static oc_status close_list(difference_list *list, oc_text *sentence, oc_error *err) {
    oc_status status = OC_OK;
    if (list->count > 0) {
        OC_TRY(oc_text_printf(sentence, err, "%s%s %s", sentence->size ? "; " : "", list->kind, list->text.data));
        if (list->count > SHOWN) OC_TRY(oc_text_printf(sentence, err, " and %zu more", list->count - SHOWN));
    }
cleanup:
    oc_text_free(&list->text);
    return status;
}

bool oc_fit_ignored(const char *tensor) {
    static const char suffix[] = "num_batches_tracked";
    size_t length = strlen(tensor), ending = sizeof suffix - 1;
    return length >= ending && strcmp(tensor + length - ending, suffix) == 0;
}

static bool is_float(oc_dtype dtype) {
    return dtype == OC_F32 || dtype == OC_F64 || dtype == OC_F16 || dtype == OC_BF16;
}

static oc_status compare_tensors(oc_text *sentence, const oc_table *table, const oc_safetensors *file, oc_error *err) {
    oc_status status = OC_OK;
    difference_list misshapen = {.kind = "misshapen"}, missing = {.kind = "missing"},
                    unexpected = {.kind = "unexpected"};
    bool shown;
    for (size_t i = 0; i < oc_table_count(table); i++) {
        const oc_tensor *tensor = oc_table_at(table, i);
        const oc_safetensors_view *view = oc_safetensors_find(file, tensor->name);
        char theirs[SHAPE_TEXT], ours[SHAPE_TEXT];
        if (!view) {
            OC_TRY(add_name(&missing, tensor->name, err));
        } else if (!oc_shape_equal(&view->shape, &tensor->shape)) {
            OC_TRY(begin_item(&misshapen, &shown, err));
            if (shown)
                OC_TRY(oc_text_printf(&misshapen.text, err, "%s (%s in the file, %s in the model)", tensor->name,
                                      oc_shape_text(&view->shape, theirs, sizeof theirs),
                                      oc_shape_text(&tensor->shape, ours, sizeof ours)));
        } else if (!is_float(view->dtype)) {
            OC_TRY(begin_item(&misshapen, &shown, err));
            if (shown)
                OC_TRY(oc_text_printf(&misshapen.text, err, "%s (of type %s, which is no float)", tensor->name,
                                      oc_dtype_name(view->dtype)));
        }
    }
    for (size_t i = 0; i < oc_safetensors_count(file); i++) {
        const char *name = oc_safetensors_at(file, i)->name;
        if (!oc_table_find(table, name) && !oc_fit_ignored(name)) OC_TRY(add_name(&unexpected, name, err));
    }
cleanup:
    if (status == OC_OK) status = close_list(&misshapen, sentence, err);
    if (status == OC_OK) status = close_list(&missing, sentence, err);
    if (status == OC_OK) status = close_list(&unexpected, sentence, err);
    oc_text_free(&misshapen.text);
    oc_text_free(&missing.text);
    oc_text_free(&unexpected.text);
    return status;
}

/* Adds to `list` the names that only `these` holds. */
static oc_status add_strangers(difference_list *list, const oc_names *these, const oc_names *those, oc_error *err) {
    oc_status status = OC_OK;
    oc_names sorted = {0};
    for (size_t i = 0; i < those->count; i++) OC_TRY(oc_names_add(&sorted, those->item[i], err));
    oc_names_sort(&sorted);
    for (size_t i = 0; i < these->count; i++)
        if (oc_names_find(&sorted, these->item[i]) < 0) OC_TRY(add_name(list, these->item[i], err));
cleanup:
    oc_names_free(&sorted);
    return status;
}

static oc_status compare_classes(oc_text *sentence, const oc_names *ours, const oc_names *theirs, oc_error *err) {
    oc_status status = OC_OK;
    difference_list only_theirs = {.kind = "only in the file: class"}, only_ours = {.kind = "only in the model: class"};
    size_t i = 0;
    while (i < ours->count && i < theirs->count && strcmp(ours->item[i], theirs->item[i]) == 0) i++;
    if (i == ours->count && i == theirs->count) return OC_OK;
    OC_TRY(oc_text_printf(sentence, err, "%sthe class lists differ (%zu in the file, %zu in the model)",
                          sentence->size ? "; " : "", theirs->count, ours->count));
    OC_TRY(add_strangers(&only_theirs, theirs, ours, err));
    OC_TRY(add_strangers(&only_ours, ours, theirs, err));
    if (only_theirs.count == 0 && only_ours.count == 0 && i < ours->count && i < theirs->count)
        OC_TRY(oc_text_printf(sentence, err,
                              ": the order differs, class %zu is %.100s in the file and %.100s in the model", i,
                              theirs->item[i], ours->item[i]));
    OC_TRY(close_list(&only_theirs, sentence, err));
    OC_TRY(close_list(&only_ours, sentence, err));
cleanup:
    oc_text_free(&only_theirs.text);
    oc_text_free(&only_ours.text);
    return status;
}

oc_status oc_fit_check(const oc_model *model, const oc_safetensors *file, const oc_origin *origin, const char *path,
                       oc_error *err) {
    oc_status status = OC_OK;
    oc_text sentence = {0};
    if (origin->model) {
        if (strcmp(origin->model, model->entry->name) != 0)
            OC_TRY(oc_text_printf(&sentence, err, "they are of %.100s", origin->model));
        if (model->entry->fixed_size && origin->size != model->size)
            OC_TRY(oc_text_printf(&sentence, err, "%sthey are for images of size %lld, the model is for %lld",
                                  sentence.size ? "; " : "", (long long)origin->size, (long long)model->size));
        OC_TRY(compare_classes(&sentence, &model->classes, &origin->classes, err));
    }
    OC_TRY(compare_tensors(&sentence, oc_graph_table(model->graph), file, err));
    if (sentence.size > 0)
        status =
            oc_fail(err, OC_E_MISMATCH, path, "these weights do not fit %s: %s", model->entry->name, sentence.data);
cleanup:
    oc_text_free(&sentence);
    return status;
}
