/* Predictions of image files and folders, and the contest's submission file. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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

/* Folders within folders before a loop of links is suspected. */
#define FOLDER_DEPTH 32

/* ---- files and folders ---- */

/* Adds the images of a folder and of those inside it to `images`, each folder's entries sorted bytewise. */
static oc_status add_folder(oc_names *images, const char *path, int depth, oc_error *err) {
    oc_status status = OC_OK;
    oc_names entries = {0};
    char *entry_path = NULL;
    DIR *folder = NULL;
    if (depth > FOLDER_DEPTH)
        return oc_fail(err, OC_E_FORMAT, path, "folders more than %d deep (a loop of links?)", FOLDER_DEPTH);
    folder = opendir(path);
    if (!folder) return oc_fail(err, OC_E_IO, path, "cannot read the folder: %s", strerror(errno));
    for (const struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') OC_TRY(oc_names_add(&entries, entry->d_name, err));
    oc_names_sort(&entries);
    for (size_t i = 0; i < entries.count; i++) {
        OC_TRY(oc_path_join(&entry_path, path, entries.item[i], err));
        if (oc_path_is_folder(entry_path))
            OC_TRY(add_folder(images, entry_path, depth + 1, err));
        else if (oc_kind_of_name(entries.item[i]) == OC_KIND_IMAGE)
            OC_TRY(oc_names_add(images, entry_path, err));
        oc_free(entry_path);
        entry_path = NULL;
    }
cleanup:
    closedir(folder);
    oc_free(entry_path);
    oc_names_free(&entries);
    return status;
}

/* Every image that the paths mean, in order. */
static oc_status find_images(oc_names *images, const char *const *paths, size_t count, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < count; i++)
        if (!oc_path_exists(paths[i])) return oc_fail(err, OC_E_NOT_FOUND, paths[i], "there is no such file or folder");
    for (size_t i = 0; i < count; i++) {
        size_t before = images->count;
        if (!oc_path_is_folder(paths[i])) {
            OC_TRY(oc_names_add(images, paths[i], err));
            continue;
        }
        OC_TRY(add_folder(images, paths[i], 0, err));
        if (images->count == before) {
            status = oc_fail(err, OC_E_NOT_FOUND, paths[i], "no .jpeg, .jpg or .png file in this folder");
            goto cleanup;
        }
    }
cleanup:
    return status;
}

oc_status oc_predict_files(oc_classifier *classifier, const char *const *paths, size_t count, size_t top_k,
                           oc_on_image on_image, void *user, int64_t *failed, oc_error *err) {
    oc_status status = OC_OK;
    oc_names images = {0};
    oc_classifier_item *items = NULL;
    oc_prediction *predictions = NULL;
    size_t capacity = (size_t)oc_classifier_capacity(classifier), total = 0;
    *failed = 0;
    OC_TRY(find_images(&images, paths, count, err));
    if (!oc_size_mul(capacity, top_k, &total)) {
        status = oc_fail(err, OC_E_USAGE, "top_k", "%zu is too many predictions", top_k);
        goto cleanup;
    }
    OC_TRY(oc_alloc(&items, capacity, sizeof *items, err));
    OC_TRY(oc_alloc(&predictions, total, sizeof *predictions, err));
    for (size_t begin = 0; begin < images.count; begin += capacity) {
        size_t rows = images.count - begin < capacity ? images.count - begin : capacity;
        for (size_t i = 0; i < rows; i++) {
            memset(&items[i], 0, sizeof items[i]);
            items[i].path = images.item[begin + i];
        }
        OC_TRY(oc_classifier_batch(classifier, items, (int64_t)rows, predictions, top_k, err));
        for (size_t i = 0; i < rows; i++) {
            bool ok = items[i].status == OC_OK;
            if (!ok) ++*failed;
            on_image(user, items[i].path, ok ? predictions + i * top_k : NULL, top_k, ok ? NULL : &items[i].error);
        }
    }
cleanup:
    oc_names_free(&images);
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

/* Appends the rows of one split. */
static oc_status add_split(oc_text *csv, oc_model *model, const oc_dataset *dataset, const char *split, oc_id_form form,
                           const oc_eval_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_scores scores = {0};
    oc_names ids = {0};
    oc_eval_options of_split = *options;
    of_split.split = split;
    OC_TRY(oc_scores_compute(&scores, model, dataset, &of_split, err));
    for (int64_t i = 0; i < scores.images; i++) {
        OC_TRY(oc_id_add(&ids, form, split, scores.names.item[i], err));
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
    const oc_eval_options defaults = {0};
    if (!options) options = &defaults;
    OC_TRY(oc_strdup(&list, splits, err));
    for (char *rest = list, *name; (name = strsep(&rest, ","));) OC_TRY(oc_names_add(&names, name, err));
    OC_TRY(check_splits(&names, dataset, err));
    OC_TRY(oc_file_check_writable(path, err));
    OC_TRY(oc_id_form_choose(&form, dataset, (const char *const *)names.item, names.count, &options->log, err));
    OC_TRY(oc_text_printf(&csv, err, "id,pred\n"));
    for (size_t i = 0; i < names.count; i++) OC_TRY(add_split(&csv, model, dataset, names.item[i], form, options, err));
    OC_TRY(oc_file_write_atomic(path, csv.data, csv.size, err));
cleanup:
    oc_text_free(&csv);
    oc_names_free(&names);
    oc_free(list);
    return status;
}
