/* Predictions of image files and folders, and the contest's submission file. */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "data/kind.h"
#include "eval/classifier.h"
#include "eval/ids.h"
#include "eval/scores.h"
#include "eval/statistics.h"
#include "ocelli/eval.h"

/* ---- files and folders ---- */

/* A file that is meant: an image to classify, or what one would have expected to be one. */
typedef struct target {
    char *path;    /* as it is shown and opened; owned */
    oc_unread why; /* it is not read; OC_UNREAD_COUNT: it is */
} target;

typedef struct target_list {
    target *item;
    size_t count, capacity;
} target_list;

static void targets_free(target_list *list) {
    for (size_t i = 0; i < list->count; i++) oc_free(list->item[i].path);
    oc_free(list->item);
}

static oc_status target_add(target_list *list, const char *path, oc_unread why, oc_error *err) {
    oc_status status;
    OC_TRY(oc_grow(&list->item, &list->capacity, list->count + 1, sizeof *list->item, err));
    OC_TRY(oc_strdup(&list->item[list->count].path, path, err));
    list->item[list->count++].why = why;
cleanup:
    return status;
}

static int target_compare(const void *a, const void *b) {
    return strcmp(((const target *)a)->path, ((const target *)b)->path);
}

/* Adds what is meant by a folder and those inside it. */
static oc_status folder_add(target_list *list, oc_source *source, const oc_folder *folder, oc_error *err) {
    oc_status status = OC_OK;
    char *inner = NULL, *path = NULL;
    for (size_t i = 0; i < folder->entries; i++) {
        const oc_entry *entry = &folder->entry[i];
        const oc_unread why = (oc_unread)entry->unread;
        if (why != OC_UNREAD_COUNT && !oc_unread_reasons[why].expected) continue;
        OC_TRY(oc_path_join(&inner, folder->path, entry->name, err));
        OC_TRY(oc_path_join(&path, source->path, inner, err));
        OC_TRY(target_add(list, path, why, err));
        oc_free(inner), oc_free(path);
        inner = path = NULL;
    }
    for (size_t i = 0; i < folder->folders; i++) OC_TRY(folder_add(list, source, &folder->folder[i], err));
cleanup:
    oc_free(inner), oc_free(path);
    return status;
}

/* Adds what is meant by a path to a folder, sorted. */
static oc_status tree_add(target_list *list, const char *path, oc_error *err) {
    const size_t before = list->count;
    oc_source *source = NULL;
    oc_folder root = {0};
    oc_status status;
    OC_TRY(oc_source_open(&source, path, err));
    OC_TRY(oc_source_walk(source, &root, err));
    oc_folder_look(source, &root);
    OC_TRY(folder_add(list, source, &root, err));
    if (list->count == before) {
        status = oc_fail(err, OC_E_NOT_FOUND, path, "no image in this folder");
        goto cleanup;
    }
    qsort(list->item + before, list->count - before, sizeof *list->item, target_compare);
cleanup:
    oc_folder_free(&root);
    oc_source_destroy(&source);
    return status;
}

/* Everything that the paths mean, in order. */
static oc_status targets_find(target_list *list, const char *const *paths, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < count; i++)
        if (!oc_path_exists(paths[i])) return oc_fail(err, OC_E_NOT_FOUND, paths[i], "there is no such file or folder");
    for (size_t i = 0; i < count; i++)
        OC_TRY(oc_path_is_folder(paths[i]) ? tree_add(list, paths[i], err)
                                           : target_add(list, paths[i], OC_UNREAD_COUNT, err));
cleanup:
    return status;
}

/* Classifies the next targets, as many as a batch has room for, and tells each in its turn; *next moves past them. */
static oc_status batch_classify(oc_classifier *classifier, const target_list *list, size_t *next,
                                oc_classifier_item *items, oc_prediction *predictions, size_t top_k,
                                oc_on_image on_image, void *user, int64_t *failed, oc_error *err) {
    const size_t begin = *next, capacity = (size_t)oc_classifier_capacity(classifier);
    size_t rows = 0, row = 0;
    oc_status status = OC_OK;
    for (; *next < list->count && rows < capacity; ++*next) {
        if (list->item[*next].why != OC_UNREAD_COUNT) continue;
        items[rows] = (oc_classifier_item){.path = list->item[*next].path};
        rows++;
    }
    if (rows > 0) OC_TRY(oc_classifier_batch(classifier, items, (int64_t)rows, predictions, top_k, err));
    for (size_t i = begin; i < *next; i++) {
        const target *t = &list->item[i];
        oc_error reason = {0};
        if (t->why != OC_UNREAD_COUNT) {
            oc_fail(&reason, OC_E_FORMAT, t->path, "not read: %s", oc_unread_reasons[t->why].text);
            on_image(user, t->path, NULL, top_k, &reason);
            ++*failed;
            continue;
        }
        const bool ok = items[row].status == OC_OK;
        if (!ok) ++*failed;
        on_image(user, t->path, ok ? predictions + row * top_k : NULL, top_k, ok ? NULL : &items[row].error);
        row++;
    }
cleanup:
    return status;
}

oc_status oc_predict_files(oc_classifier *classifier, const char *const *paths, size_t count, size_t top_k,
                           oc_on_image on_image, void *user, int64_t *failed, oc_error *err) {
    oc_status status = OC_OK;
    target_list list = {0};
    oc_classifier_item *items = NULL;
    oc_prediction *predictions = NULL;
    const size_t capacity = (size_t)oc_classifier_capacity(classifier);
    size_t total = 0;
    *failed = 0;
    OC_TRY(targets_find(&list, paths, count, err));
    if (!oc_size_mul(capacity, top_k, &total)) {
        status = oc_fail(err, OC_E_USAGE, "top_k", "%zu is too many predictions", top_k);
        goto cleanup;
    }
    OC_TRY(oc_alloc(&items, capacity, sizeof *items, err));
    OC_TRY(oc_alloc(&predictions, total, sizeof *predictions, err));
    for (size_t next = 0; next < list.count;)
        OC_TRY(batch_classify(classifier, &list, &next, items, predictions, top_k, on_image, user, failed, err));
cleanup:
    targets_free(&list);
    oc_free(items);
    oc_free(predictions);
    return status;
}

/* ---- the submission ---- */

/* Appends a field and what follows it. */
static oc_status add_field(oc_text *csv, const char *text, const char *end, oc_error *err) {
    oc_status status = OC_OK;
    char *field = NULL;
    const size_t length = oc_csv_field(NULL, 0, text);
    OC_TRY(oc_alloc(&field, length + 1, 1, err));
    oc_csv_field(field, length + 1, text);
    OC_TRY(oc_text_append(csv, field, length, err));
    OC_TRY(oc_text_append(csv, end, strlen(end), err));
cleanup:
    oc_free(field);
    return status;
}

/* Appends the rows of the split options->split. Leaves in options->threads how many the team had, so that what became
 * of the number asked for is logged once. */
static oc_status add_split(oc_text *csv, oc_model *model, const oc_dataset *dataset, oc_id_form form,
                           oc_eval_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_scores scores = {0};
    oc_names ids = {0};
    oc_dataset_report(dataset, oc_dataset_split(dataset, options->split), &options->log);
    OC_TRY(oc_scores_compute(&scores, model, dataset, options, err));
    options->threads = scores.threads;
    for (int64_t i = 0; i < scores.images; i++) {
        OC_TRY(oc_id_add(&ids, form, options->split, scores.names.item[i], err));
        OC_TRY(add_field(csv, ids.item[i], ",", err));
        OC_TRY(add_field(csv, model->classes.item[oc_top1(scores.logits + i * scores.classes, scores.classes)], "\n",
                         err));
    }
cleanup:
    oc_scores_free(&scores);
    oc_names_free(&ids);
    return status;
}

/* What is wrong with the names of splits is told before minutes are spent on the first. */
static oc_status check_splits(const oc_names *names, const oc_dataset *dataset, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->item[i];
        OC_TRY(oc_scores_check_split(dataset, name, err));
        if (!oc_dataset_split(dataset, name))
            return oc_fail(err, OC_E_NOT_FOUND, oc_dataset_path(dataset), "the data set has no split \"%s\"", name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, names->item[j]) == 0)
                return oc_fail(err, OC_E_USAGE, oc_dataset_path(dataset),
                               "the split \"%s\" is named twice, and would be written twice", name);
    }
cleanup:
    return status;
}

oc_status oc_predict_submission(oc_model *model, const oc_dataset *dataset, const char *splits, const char *path,
                                const oc_eval_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_text csv = {0};
    oc_names names = {0};
    oc_id_form form;
    char *list = NULL;
    oc_eval_options of_split = options ? *options : (oc_eval_options){0};
    OC_TRY(oc_strdup(&list, splits, err));
    for (char *rest = list, *name; (name = strsep(&rest, ","));) OC_TRY(oc_names_add(&names, name, err));
    OC_TRY(check_splits(&names, dataset, err));
    OC_TRY(oc_file_check_writable(path, err));
    OC_TRY(oc_id_form_choose(&form, dataset, (const char *const *)names.item, names.count, &of_split.log, err));
    OC_TRY(oc_text_printf(&csv, err, "id,pred\n"));
    for (size_t i = 0; i < names.count; i++) {
        of_split.split = names.item[i];
        OC_TRY(add_split(&csv, model, dataset, form, &of_split, err));
    }
    OC_TRY(oc_file_write_atomic(path, csv.data, csv.size, err));
cleanup:
    oc_text_free(&csv);
    oc_names_free(&names);
    oc_free(list);
    return status;
}
