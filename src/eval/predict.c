/* Predictions of image files and folders, and the contest's submission file. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/dataset.h"
#include "eval/classifier.h"
#include "eval/scores.h"
#include "eval/statistics.h"
#include "ocelli/eval.h"

/* Folders within folders before a loop of links is suspected. */
#define FOLDER_DEPTH 32

/* ---- files and folders ---- */

static bool is_image_name(const char *name) {
    static const char *const endings[] = {".jpeg", ".jpg", ".png"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcasecmp(name + length - ending, endings[i]) == 0) return true;
    }
    return false;
}

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
        else if (is_image_name(entries.item[i]))
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

/* A field as pandas writes it: quoted only where it holds a comma, a quote or a line break. */
static oc_status add_field(oc_text *csv, const char *field, const char *end, oc_error *err) {
    oc_status status = OC_OK;
    bool quote = strpbrk(field, ",\"\r\n") != NULL;
    if (quote) OC_TRY(oc_text_append(csv, "\"", 1, err));
    for (const char *c = field; *c; c++) {
        if (*c == '"') OC_TRY(oc_text_append(csv, "\"", 1, err));
        OC_TRY(oc_text_append(csv, c, 1, err));
    }
    if (quote) OC_TRY(oc_text_append(csv, "\"", 1, err));
    OC_TRY(oc_text_append(csv, end, strlen(end), err));
cleanup:
    return status;
}

/* Appends the rows of one split. */
static oc_status add_split(oc_text *csv, oc_model *model, const oc_dataset *dataset, const char *split,
                           const oc_eval_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_scores scores = {0};
    oc_eval_options of_split = *options;
    of_split.split = split;
    OC_TRY(oc_scores_compute(&scores, model, dataset, &of_split, err));
    for (int64_t i = 0; i < scores.images; i++) {
        OC_TRY(add_field(csv, scores.names.item[i], ",", err));
        OC_TRY(add_field(csv, model->classes.item[oc_top1(scores.logits + i * scores.classes, scores.classes)], "\n",
                         err));
    }
cleanup:
    oc_scores_free(&scores);
    return status;
}

oc_status oc_predict_submission(oc_model *model, const oc_dataset *dataset, const char *splits, const char *path,
                                const oc_eval_options *options, oc_error *err) {
    oc_status status = OC_OK;
    oc_text csv = {0};
    oc_names names = {0};
    char *list = NULL;
    const oc_eval_options defaults = {0};
    if (!options) options = &defaults;
    OC_TRY(oc_strdup(&list, splits, err));
    for (char *rest = list, *name; (name = strsep(&rest, ","));) OC_TRY(oc_names_add(&names, name, err));
    /* An absent split is told before minutes are spent on another. */
    for (size_t i = 0; i < names.count; i++) {
        if (oc_dataset_split(dataset, names.item[i])) continue;
        status =
            oc_fail(err, OC_E_NOT_FOUND, oc_dataset_path(dataset), "the data set has no split \"%s\"", names.item[i]);
        goto cleanup;
    }
    OC_TRY(oc_text_printf(&csv, err, "id,pred\n"));
    for (size_t i = 0; i < names.count; i++) OC_TRY(add_split(&csv, model, dataset, names.item[i], options, err));
    OC_TRY(oc_file_write_atomic(path, csv.data, csv.size, err));
cleanup:
    oc_text_free(&csv);
    oc_names_free(&names);
    oc_free(list);
    return status;
}
