/* Recognising a data set by its folders: Tiny ImageNet as distributed, the same with class folders in val, or any
 * folder of class folders. Folders are looked into to a fixed depth, so links that lead in a circle do no harm. */
#define _GNU_SOURCE 1
#include "data/dataset_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/annotations.h"
#include "data/decode.h"

#define TEXT_LIMIT ((size_t)64 << 20) /* of a text file; words.txt has 2.6 MB */
#define IMAGES "images"
#define ANNOTATIONS "val_annotations.txt"

static bool has(const oc_names *names, const char *name) {
    return oc_names_find(names, name) >= 0;
}

static bool has_image(const oc_names *files) {
    for (size_t i = 0; i < files->count; i++)
        if (oc_image_name(files->item[i])) return true;
    return false;
}

/* Lists parent/name (name "": parent itself) into *v, which is empty. */
static oc_status folder_open(oc_listing *v, oc_dataset *dataset, const char *parent, const char *name,
                             XXH3_state_t *hash, oc_error *err) {
    oc_status status;
    if (*name)
        OC_TRY(oc_path_join(&v->path, parent, name, err));
    else
        OC_TRY(oc_strdup(&v->path, parent, err));
    status = oc_source_list(dataset->source, v, hash, err);
cleanup:
    return status;
}

static oc_status fail_at(oc_dataset *dataset, oc_error *err, const char *folder, const char *message) {
    char where[OC_ERROR_WHERE_SIZE];
    return oc_fail(err, OC_E_FORMAT, oc_source_where(dataset->source, folder, where, sizeof where), "%s", message);
}

/* Reads folder/name; *text is freed with oc_free. */
static oc_status text_read(oc_dataset *dataset, const char *folder, const char *name, char **text, size_t *size,
                           char *where, oc_error *err) {
    char *path = NULL;
    oc_status status;
    OC_TRY(oc_path_join(&path, folder, name, err));
    oc_source_where(dataset->source, path, where, OC_ERROR_WHERE_SIZE);
    status = dataset->source->ops->read(dataset->source, path, TEXT_LIMIT, text, size, err);
cleanup:
    oc_free(path);
    return status;
}

static int sample_compare(const void *a, const void *b) {
    const oc_sample *first = a, *second = b;
    if (first->label != second->label) return first->label < second->label ? -1 : 1;
    const int order = strcmp(first->name, second->name);
    return order ? order : strcmp(first->path, second->path);
}

static void split_sort(oc_split *split, int64_t from) {
    if (split->count - from > 1)
        qsort(split->sample + from, (size_t)(split->count - from), sizeof(*split->sample), sample_compare);
}

/* Counts entries that are neither files nor folders as left out of a split. */
static oc_status others_leave_out(oc_dataset *dataset, int split, const oc_listing *v, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < v->others.count; i++)
        OC_TRY(oc_dataset_leave_out(dataset, split, v->path, v->others.item[i], "a link that leads nowhere, or no file",
                                    err));
cleanup:
    return status;
}

/* The same for a file that has the name of an image in a format that is not read; others are passed over. */
static oc_status format_leave_out(oc_dataset *dataset, int split, const oc_listing *v, const char *name,
                                  oc_error *err) {
    if (!oc_image_name_other(name)) return OC_OK;
    return oc_dataset_leave_out(dataset, split, v->path, name, "only .jpeg, .jpg and .png are read", err);
}

static oc_status images_add(oc_dataset *dataset, int split, const oc_listing *v, int32_t label, oc_error *err) {
    oc_status status;
    OC_TRY(others_leave_out(dataset, split, v, err));
    for (size_t i = 0; i < v->folders.count; i++)
        if (oc_image_name(v->folders.item[i]))
            OC_TRY(oc_dataset_leave_out(dataset, split, v->path, v->folders.item[i], "a folder", err));
    for (size_t i = 0; i < v->files.count; i++) {
        const char *name = v->files.item[i];
        OC_TRY(oc_image_name(name) ? oc_dataset_add(dataset, split, v->path, name, label, err)
                                   : format_leave_out(dataset, split, v, name, err));
    }
cleanup:
    return status;
}

/* Adds the images in parent/name and in parent/name/images; *found of them. */
static oc_status class_read(oc_dataset *dataset, int split, const char *parent, const char *name, int32_t label,
                            XXH3_state_t *hash, int64_t *found, oc_error *err) {
    const int64_t before = dataset->split[split].count;
    oc_listing folder = {0}, images = {0};
    oc_status status;
    OC_TRY(folder_open(&folder, dataset, parent, name, hash, err));
    OC_TRY(images_add(dataset, split, &folder, label, err));
    if (has(&folder.folders, IMAGES)) {
        OC_TRY(folder_open(&images, dataset, folder.path, IMAGES, hash, err));
        OC_TRY(images_add(dataset, split, &images, label, err));
    }
    *found = dataset->split[split].count - before;
    split_sort(&dataset->split[split], before);
cleanup:
    oc_listing_free(&folder);
    oc_listing_free(&images);
    return status;
}

/* ---- classes ---- */

/* Adds a class of the data set; `folder` is where it was found. A name must be UTF-8, which weights files and reports
 * are. */
static oc_status class_add(oc_dataset *dataset, const char *folder, const char *name, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    oc_text shown = {0};
    oc_status status = OC_OK;
    json_t *text = json_string(name);
    if (text) {
        status = oc_names_add(&dataset->classes, name, err);
        goto cleanup;
    }
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        OC_TRY(oc_text_printf(&shown, err, *c >= ' ' && *c < 127 && *c != '\\' ? "%c" : "\\x%02x", *c));
    oc_source_where(dataset->source, folder, where, sizeof where);
    status =
        oc_fail(err, OC_E_FORMAT, where, "the name of the class \"%s\" is not UTF-8: rename its folder", shown.data);
cleanup:
    json_decref(text);
    oc_text_free(&shown);
    return status;
}

/* Class folders against wnids.txt: a class without a folder, or a folder that is no class. */
static oc_status classes_check(oc_dataset *dataset, const oc_names *listed, const oc_listing *train, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    const char *missing = NULL;
    size_t count = 0;
    for (size_t i = 0; i < listed->count; i++)
        if (!has(&train->folders, listed->item[i]) && count++ == 0) missing = listed->item[i];
    oc_source_where(dataset->source, train->path, where, sizeof where);
    if (missing)
        return oc_fail(
            err, OC_E_FORMAT, where,
            "half-unpacked data set: %zu of the %zu classes in wnids.txt have no folder here, the first is %s; "
            "unpack it again",
            count, listed->count, missing);
    for (size_t i = 0; i < train->folders.count; i++)
        if (!has(listed, train->folders.item[i]))
            return oc_fail(err, OC_E_FORMAT, where, "the folder %s is not a class listed in wnids.txt",
                           train->folders.item[i]);
    return OC_OK;
}

/* Sets the classes of a data set with train and val: the folders in train; without train the lines of wnids.txt, or
 * the folders in val. `train` and `val` may be empty. */
static oc_status classes_read(oc_dataset *dataset, const oc_listing *root, const oc_listing *train,
                              const oc_listing *val, oc_error *err) {
    oc_names listed = {0};
    char *text = NULL, where[OC_ERROR_WHERE_SIZE];
    size_t size;
    oc_status status = OC_OK;
    if (has(&root->files, "wnids.txt")) {
        OC_TRY(text_read(dataset, root->path, "wnids.txt", &text, &size, where, err));
        OC_TRY(oc_lines_parse(&listed, text, size, where, err));
        oc_names_sort(&listed);
        if (train->path) OC_TRY(classes_check(dataset, &listed, train, err));
    }
    const oc_names *source = train->path ? &train->folders : listed.count > 0 ? &listed : &val->folders;
    for (size_t i = 0; i < source->count; i++)
        if (i == 0 || strcmp(source->item[i - 1], source->item[i]) != 0)
            OC_TRY(class_add(dataset,
                             train->path ? train->path
                             : val->path ? val->path
                                         : root->path,
                             source->item[i], err));
cleanup:
    oc_names_free(&listed);
    oc_free(text);
    return status;
}

static oc_status unknown_class(oc_dataset *dataset, const char *where, const char *code, oc_error *err) {
    const oc_names *classes = &dataset->classes;
    const char *nearest = oc_text_nearest(code, (const char *const *)classes->item, classes->count);
    return oc_fail(err, OC_E_FORMAT, where, "class %s is not among the %zu training classes%s%s%s", code,
                   classes->count, nearest ? " (the nearest is " : "", nearest ? nearest : "", nearest ? ")" : "");
}

/* ---- splits ---- */

/* A class folder without images: of a data set as distributed a sign of a broken download. */
static oc_status class_empty(oc_dataset *dataset, const oc_listing *train, const char *name, int64_t left_out,
                             bool distributed, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE], text[OC_ERROR_MESSAGE_SIZE];
    oc_source_where(dataset->source, train->path, where, sizeof where);
    snprintf(text, sizeof text, "class %s has no .JPEG, .jpg or .png files", name);
    if (left_out > 0)
        return oc_fail(
            err, OC_E_FORMAT, where,
            "%s, only others that cannot be read (%lld): make .jpg or .png files of them, or remove the folder", text,
            (long long)left_out);
    return oc_fail(err, OC_E_FORMAT, where,
                   distributed ? "half-unpacked data set: %s; unpack it again"
                               : "%s: remove the empty folder, or put images in",
                   text);
}

/* `distributed`: as Tiny ImageNet comes, with a wnids.txt. */
static oc_status train_read(oc_dataset *dataset, const oc_listing *train, bool distributed, XXH3_state_t *hash,
                            oc_error *err) {
    const oc_split *split = &dataset->split[OC_SPLIT_TRAIN];
    oc_status status;
    int64_t found;
    OC_TRY(others_leave_out(dataset, OC_SPLIT_TRAIN, train, err));
    if (train->folders.count == 0) return fail_at(dataset, err, train->path, "this folder has no class folders in it");
    for (size_t i = 0; i < train->folders.count; i++) {
        const char *name = train->folders.item[i];
        const int64_t left_out = split->left_out;
        OC_TRY(class_read(dataset, OC_SPLIT_TRAIN, train->path, name, (int32_t)i, hash, &found, err));
        if (found == 0) OC_TRY(class_empty(dataset, train, name, split->left_out - left_out, distributed, err));
    }
    dataset->present[OC_SPLIT_TRAIN] = true;
cleanup:
    return status;
}

/* Class folders in val or test, whose classes must be known. */
static oc_status labelled_read(oc_dataset *dataset, int split, const oc_listing *folder, XXH3_state_t *hash,
                               oc_error *err) {
    oc_status status = OC_OK;
    char where[OC_ERROR_WHERE_SIZE];
    int64_t found;
    for (size_t i = 0; i < folder->folders.count; i++) {
        const char *name = folder->folders.item[i];
        const int64_t label = oc_names_find(&dataset->classes, name);
        if (strcmp(name, IMAGES) == 0 && label < 0) continue;
        if (label < 0) {
            oc_source_where(dataset->source, folder->path, where, sizeof where);
            return unknown_class(dataset, where, name, err);
        }
        OC_TRY(class_read(dataset, split, folder->path, name, (int32_t)label, hash, &found, err));
    }
cleanup:
    return status;
}

/* Matches the annotated names with the files that are there (both sorted) and labels them. */
static oc_status annotated_match(oc_dataset *dataset, const oc_annotations *annotations, const char *where,
                                 const oc_listing *images, oc_error *err) {
    oc_status status = OC_OK;
    char place[OC_ERROR_WHERE_SIZE + 32];
    const oc_annotation *missing = NULL;
    size_t absent = 0;
    for (size_t i = 0; i < annotations->count; i++) {
        const oc_annotation *a = &annotations->item[i];
        const int64_t label = oc_names_find(&dataset->classes, a->code);
        if (label < 0) {
            snprintf(place, sizeof place, "%s:%lld", where, (long long)a->line);
            return unknown_class(dataset, place, a->code, err);
        }
        if (!has(&images->files, a->image)) {
            if (!missing || a->line < missing->line) missing = a;
            absent++;
            continue;
        }
        OC_TRY(oc_dataset_add(dataset, OC_SPLIT_VAL, images->path, a->image, (int32_t)label, err));
    }
    if (missing) {
        snprintf(place, sizeof place, "%s:%lld", where, (long long)missing->line);
        return oc_fail(err, OC_E_FORMAT, place,
                       "half-unpacked data set: %zu of the %zu images listed are not in %s, the first is %s; "
                       "unpack it again",
                       absent, annotations->count, images->path, missing->image);
    }
    size_t next = 0;
    for (size_t i = 0; i < images->files.count; i++) {
        const char *name = images->files.item[i];
        while (next < annotations->count && strcmp(annotations->item[next].image, name) < 0) next++;
        if (next < annotations->count && strcmp(annotations->item[next].image, name) == 0) continue;
        if (oc_image_name(name))
            return oc_fail(err, OC_E_FORMAT, where, "no line for the image %s, which is in %s", name, images->path);
        OC_TRY(format_leave_out(dataset, OC_SPLIT_VAL, images, name, err));
    }
    OC_TRY(others_leave_out(dataset, OC_SPLIT_VAL, images, err));
    split_sort(&dataset->split[OC_SPLIT_VAL], 0);
cleanup:
    return status;
}

static oc_status annotated_read(oc_dataset *dataset, const oc_listing *val, const oc_listing *images,
                                XXH3_state_t *hash, oc_error *err) {
    oc_annotations annotations = {0};
    char *text = NULL, where[OC_ERROR_WHERE_SIZE];
    size_t size;
    oc_status status;
    OC_TRY(text_read(dataset, val->path, ANNOTATIONS, &text, &size, where, err));
    XXH3_64bits_update(hash, text, size);
    OC_TRY(oc_annotations_parse(&annotations, text, size, where, err));
    status = annotated_match(dataset, &annotations, where, images, err);
cleanup:
    oc_annotations_free(&annotations);
    oc_free(text);
    return status;
}

static oc_status val_read(oc_dataset *dataset, const oc_listing *val, bool distributed, XXH3_state_t *hash,
                          oc_error *err) {
    const bool annotated = has(&val->files, ANNOTATIONS), direct = has_image(&val->files);
    const bool class_folders = val->folders.count > (has(&val->folders, IMAGES) ? 1 : 0);
    oc_listing images = {0};
    oc_status status = OC_OK;
    if (has(&val->folders, IMAGES)) OC_TRY(folder_open(&images, dataset, val->path, IMAGES, hash, err));
    const oc_listing *flat = direct ? val : &images;
    if (has_image(&flat->files)) {
        status = annotated ? annotated_read(dataset, val, flat, hash, err)
                           : fail_at(dataset, err, flat->path,
                                     "images without class folders need a " ANNOTATIONS " beside them in val");
    } else if (class_folders) {
        OC_TRY(others_leave_out(dataset, OC_SPLIT_VAL, val, err));
        status = labelled_read(dataset, OC_SPLIT_VAL, val, hash, err);
    } else if (annotated) {
        status = annotated_read(dataset, val, images.path ? &images : val, hash, err);
    }
    if (status == OC_OK && dataset->split[OC_SPLIT_VAL].count == 0)
        status = fail_at(dataset, err, val->path,
                         distributed || annotated
                             ? "half-unpacked data set: no images in this folder; unpack it again"
                             : "no .JPEG, .jpg or .png files in this folder: remove it, or put images in");
    dataset->present[OC_SPLIT_VAL] = true;
cleanup:
    oc_listing_free(&images);
    return status;
}

/* Test images have no labels, unless they lie in class folders. */
static oc_status test_read(oc_dataset *dataset, const oc_listing *root, XXH3_state_t *hash, oc_error *err) {
    oc_listing test = {0};
    int64_t found;
    oc_status status;
    OC_TRY(class_read(dataset, OC_SPLIT_TEST, root->path, "test", -1, hash, &found, err));
    if (found == 0) {
        OC_TRY(folder_open(&test, dataset, root->path, "test", NULL, err));
        OC_TRY(labelled_read(dataset, OC_SPLIT_TEST, &test, hash, err));
    }
    dataset->present[OC_SPLIT_TEST] = dataset->split[OC_SPLIT_TEST].count > 0;
cleanup:
    oc_listing_free(&test);
    return status;
}

/* ---- the whole ---- */

static oc_status splits_read(oc_dataset *dataset, const oc_listing *root, const oc_listing *train, XXH3_state_t *hash,
                             oc_error *err) {
    const bool distributed = has(&root->files, "wnids.txt");
    oc_listing val = {0};
    oc_status status = OC_OK;
    if (has(&root->folders, "val")) OC_TRY(folder_open(&val, dataset, root->path, "val", hash, err));
    OC_TRY(classes_read(dataset, root, train, &val, err));
    if (train->path) OC_TRY(train_read(dataset, train, distributed, hash, err));
    if (val.path) OC_TRY(val_read(dataset, &val, distributed, hash, err));
    if (has(&root->folders, "test")) OC_TRY(test_read(dataset, root, hash, err));
cleanup:
    oc_listing_free(&val);
    return status;
}

/* One level of class folders; folders without images are none. */
static oc_status classes_only_read(oc_dataset *dataset, const oc_listing *root, XXH3_state_t *hash, oc_error *err) {
    const oc_split *split = &dataset->split[OC_SPLIT_TRAIN];
    char where[OC_ERROR_WHERE_SIZE];
    oc_status status;
    int64_t found;
    OC_TRY(others_leave_out(dataset, OC_SPLIT_TRAIN, root, err));
    for (size_t i = 0; i < root->folders.count; i++) {
        const int32_t label = (int32_t)dataset->classes.count;
        OC_TRY(class_read(dataset, OC_SPLIT_TRAIN, root->path, root->folders.item[i], label, hash, &found, err));
        if (found > 0) OC_TRY(class_add(dataset, root->path, root->folders.item[i], err));
    }
    dataset->present[OC_SPLIT_TRAIN] = dataset->classes.count > 0;
    if (dataset->classes.count == 0 && split->left_out > 0)
        status =
            oc_fail(err, OC_E_FORMAT, oc_source_where(dataset->source, root->path, where, sizeof where),
                    "no data set here: of all that looks like an image (%lld) none can be read, the first is %s (%s)",
                    (long long)split->left_out, split->left_out_first, split->left_out_why);
    else if (dataset->classes.count == 0)
        status = fail_at(dataset, err, root->path,
                         "no data set here: expected train/<class>/ and val/, or a folder of images for each class");
cleanup:
    return status;
}

/* True for a folder that holds folders other than "images" and no images itself: not one class but several. */
static bool holds_classes(const oc_listing *v) {
    return !has_image(&v->files) && v->folders.count > (has(&v->folders, IMAGES) ? 1 : 0);
}

/* Archives, and folders they were unpacked into, often hold one folder with everything in it: *root becomes that. */
static oc_status root_find(oc_dataset *dataset, oc_listing *root, oc_error *err) {
    oc_listing inner = {0};
    oc_status status;
    OC_TRY(folder_open(root, dataset, "", "", NULL, err));
    if (root->folders.count != 1 || has_image(&root->files)) return OC_OK;
    const char *name = root->folders.item[0];
    if (strcmp(name, "train") == 0 || strcmp(name, "val") == 0 || strcmp(name, "test") == 0) return OC_OK;
    OC_TRY(folder_open(&inner, dataset, "", name, NULL, err));
    if (holds_classes(&inner)) {
        oc_listing_free(root);
        *root = inner;
        inner = (oc_listing){0};
    }
cleanup:
    oc_listing_free(&inner);
    return status;
}

static oc_status words_read(oc_dataset *dataset, const oc_listing *root, oc_error *err) {
    char *text = NULL, where[OC_ERROR_WHERE_SIZE];
    size_t size;
    oc_status status;
    OC_TRY(oc_alloc(&dataset->human, dataset->classes.count, sizeof(*dataset->human), err));
    if (has(&root->files, "words.txt")) {
        OC_TRY(text_read(dataset, root->path, "words.txt", &text, &size, where, err));
        OC_TRY(oc_words_parse(dataset->human, &dataset->classes, text, size, err));
    }
cleanup:
    oc_free(text);
    return status;
}

oc_status oc_dataset_scan(oc_dataset *dataset, XXH3_state_t *hash, oc_error *err) {
    oc_listing root = {0}, train = {0};
    oc_status status;
    OC_TRY(root_find(dataset, &root, err));
    const bool has_train = has(&root.folders, "train"), has_val = has(&root.folders, "val");
    bool split = has(&root.files, "wnids.txt") && (has_val || has(&root.folders, "test"));
    if (has_train) {
        OC_TRY(folder_open(&train, dataset, root.path, "train", hash, err));
        /* A class may be called "train" (the vehicle). */
        split = split || has_val || holds_classes(&train) || root.folders.count == 1;
    } else if (has_val && !split) {
        oc_listing val = {0};
        status = folder_open(&val, dataset, root.path, "val", NULL, err);
        split = holds_classes(&val) || has(&val.files, ANNOTATIONS);
        oc_listing_free(&val);
        if (status != OC_OK) goto cleanup;
    }
    if (split)
        OC_TRY(splits_read(dataset, &root, &train, hash, err));
    else
        OC_TRY(classes_only_read(dataset, &root, hash, err));
    status = words_read(dataset, &root, err);
cleanup:
    oc_listing_free(&root);
    oc_listing_free(&train);
    return status;
}
