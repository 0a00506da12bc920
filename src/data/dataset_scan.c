/* Recognising a data set by its folders: Tiny ImageNet as distributed, the same with class folders in val, or any
 * folder of class folders. The whole tree is known before anything is decided, and every file of it becomes a sample or
 * is counted among what was left out. */
#define _GNU_SOURCE 1
#include "data/dataset_arrange.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/sort.h"
#include "data/annotations.h"
#include "data/kind.h"

#define TEXT_LIMIT ((size_t)64 << 20) /* of a text file; words.txt has 2.6 MB */

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

/* ---- files ---- */

/* Within a split, a folder that cannot be listed hides images. */
static oc_status closed_refuse(oc_dataset *dataset, const oc_folder *folder, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    for (size_t i = 0; i < folder->entries; i++)
        if (folder->entry[i].kind == OC_ENTRY_CLOSED)
            return oc_fail(err, OC_E_IO, oc_source_where(dataset->source, folder->path, where, sizeof where),
                           "the folder %s in it cannot be listed: let it be read, or remove it", folder->entry[i].name);
    return OC_OK;
}

/* Adds the images in a folder and in the folders within it, and counts what else is there. */
static oc_status folder_read(oc_dataset *dataset, const oc_place *place, const oc_folder *folder, oc_error *err) {
    oc_status status;
    OC_TRY(closed_refuse(dataset, folder, err));
    for (size_t i = 0; i < folder->entries; i++) {
        const oc_entry *entry = &folder->entry[i];
        OC_TRY(entry->unread == OC_UNREAD_COUNT
                   ? oc_dataset_add(dataset, place, folder->path, entry, err)
                   : oc_dataset_leave_out(dataset, place->split, place->label, folder->path, entry,
                                          (oc_unread)entry->unread, err));
    }
    for (size_t i = 0; i < folder->folders; i++) OC_TRY(folder_read(dataset, place, &folder->folder[i], err));
cleanup:
    return status;
}

/* Counts what lies directly in a folder as left out of a split, images among it for the reason `why`. */
static oc_status entries_leave_out(oc_dataset *dataset, int split, const oc_folder *folder, oc_unread why,
                                   oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < folder->entries; i++) {
        const oc_entry *entry = &folder->entry[i];
        OC_TRY(oc_dataset_leave_out(dataset, split, -1, folder->path, entry,
                                    entry->unread == OC_UNREAD_COUNT ? why : (oc_unread)entry->unread, err));
    }
cleanup:
    return status;
}

/* The same with the folders within, but for splits' own folders. */
static oc_status folder_leave_out(oc_dataset *dataset, int split, const oc_folder *folder, oc_unread why,
                                  const oc_folder *const taken[OC_ROLES], oc_error *err) {
    oc_status status = OC_OK;
    for (int i = 0; taken && i < OC_ROLES; i++)
        if (taken[i] == folder) return OC_OK;
    OC_TRY(entries_leave_out(dataset, split, folder, why, err));
    for (size_t i = 0; i < folder->folders; i++)
        OC_TRY(folder_leave_out(dataset, split, &folder->folder[i], why, taken, err));
cleanup:
    return status;
}

static int sample_compare(const void *a, const void *b) {
    const oc_sample *first = a, *second = b;
    if (first->label != second->label) return first->label < second->label ? -1 : 1;
    const int order = strcmp(first->in_class, second->in_class);
    return order ? order : strcmp(first->path, second->path);
}

static void split_sort(oc_split *split) {
    oc_sort(split->sample, (size_t)split->count, sizeof(*split->sample), sample_compare);
}

/* ---- classes ---- */

/* Sets the classes of a data set with splits: the folders in train; without train the lines of wnids.txt, or the
 * folders in val, or those in test. */
static oc_status classes_read(oc_dataset *dataset, const oc_arrangement *a, oc_error *err) {
    const oc_folder *train = a->split[OC_ROLE_TRAIN], *source = train                   ? train
                                                                : a->split[OC_ROLE_VAL] ? a->split[OC_ROLE_VAL]
                                                                                        : a->split[OC_ROLE_TEST];
    oc_names listed = {0};
    char *text = NULL, where[OC_ERROR_WHERE_SIZE];
    size_t size;
    oc_status status = OC_OK;
    if (oc_folder_file(a->base, OC_WNIDS)) {
        OC_TRY(text_read(dataset, a->base->path, OC_WNIDS, &text, &size, where, err));
        OC_TRY(oc_lines_parse(&listed, text, size, where, err));
        oc_names_sort(&listed);
        if (train) OC_TRY(oc_dataset_classes_check(dataset, &listed, train, err));
    }
    if (!train && listed.count > 0) {
        for (size_t i = 0; i < listed.count; i++)
            if (i == 0 || strcmp(listed.item[i - 1], listed.item[i]) != 0)
                OC_TRY(oc_dataset_class_add(dataset, a->base->path, listed.item[i], err));
        goto cleanup;
    }
    for (size_t i = 0; source && i < source->folders; i++)
        if (train || !oc_folder_is_images(&source->folder[i]))
            OC_TRY(oc_dataset_class_add(dataset, source->path, source->folder[i].name, err));
cleanup:
    oc_names_free(&listed);
    oc_free(text);
    return status;
}

/* ---- splits ---- */

/* What was left out of a class and would have been expected to be an image. */
static int64_t class_left_out(const oc_split *split, int32_t label) {
    int64_t count = 0;
    for (size_t i = 0; i < split->left_outs; i++)
        if (split->left_out[i].label == label && oc_unread_reasons[split->left_out[i].why].expected)
            count += split->left_out[i].count;
    return count;
}

/* A class folder without images: of a data set as distributed a sign of a broken download. */
static oc_status class_empty(oc_dataset *dataset, const oc_folder *train, const char *name, int64_t left_out,
                             oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    oc_source_where(dataset->source, train->path, where, sizeof where);
    if (left_out > 0)
        return oc_fail(
            err, OC_E_FORMAT, where,
            "class %s has no images but %lld that cannot be read: make .jpg or .png files of them, or remove "
            "the folder",
            name, (long long)left_out);
    return oc_fail(err, OC_E_FORMAT, where, "class %s has no images: remove the empty folder, or put images in", name);
}

static oc_status train_read(oc_dataset *dataset, const oc_folder *train, bool distributed, oc_error *err) {
    oc_split *split = &dataset->split[OC_SPLIT_TRAIN];
    oc_status status = OC_OK;
    if (train->folders == 0) return fail_at(dataset, err, train->path, "this folder has no class folders in it");
    OC_TRY(oc_class_folders_check(dataset, train, err));
    OC_TRY(closed_refuse(dataset, train, err));
    OC_TRY(entries_leave_out(dataset, OC_SPLIT_TRAIN, train, OC_UNREAD_LOOSE, err));
    for (size_t i = 0; i < train->folders; i++) {
        const oc_folder *folder = &train->folder[i];
        const oc_place place = {OC_SPLIT_TRAIN, (int32_t)i, train->path, folder->path};
        const int64_t before = split->count;
        OC_TRY(folder_read(dataset, &place, folder, err));
        if (split->count > before) continue;
        if (distributed) {
            char where[OC_ERROR_WHERE_SIZE];
            status = oc_fail(err, OC_E_FORMAT, oc_source_where(dataset->source, train->path, where, sizeof where),
                             "half-unpacked data set: class %s has no images; unpack it again", folder->name);
        } else {
            status = class_empty(dataset, train, folder->name, class_left_out(split, (int32_t)i), err);
        }
        goto cleanup;
    }
    split_sort(split);
    dataset->present[OC_SPLIT_TRAIN] = true;
cleanup:
    return status;
}

/* Class folders in val or test, whose classes must be known. */
static oc_status labelled_read(oc_dataset *dataset, int split, const oc_folder *folder, oc_error *err) {
    oc_status status;
    char where[OC_ERROR_WHERE_SIZE];
    OC_TRY(closed_refuse(dataset, folder, err));
    OC_TRY(entries_leave_out(dataset, split, folder, OC_UNREAD_LOOSE, err));
    for (size_t i = 0; i < folder->folders; i++) {
        const oc_folder *class = &folder->folder[i];
        const int64_t label = oc_dataset_class_find(dataset, class->name);
        const oc_place place = {split, (int32_t)label, folder->path, class->path};
        if (label < 0 && !oc_folder_is_images(class))
            return oc_dataset_class_unknown(
                dataset, oc_source_where(dataset->source, folder->path, where, sizeof where), class->name, err);
        OC_TRY(label < 0 ? folder_leave_out(dataset, split, class, OC_UNREAD_LOOSE, NULL, err)
                         : folder_read(dataset, &place, class, err));
    }
    split_sort(&dataset->split[split]);
cleanup:
    return status;
}

/* Matches the annotated names with the files in `images` (both sorted) and labels them. */
static oc_status annotated_match(oc_dataset *dataset, const oc_annotations *annotations, const char *where,
                                 const oc_folder *val, const oc_folder *images, oc_error *err) {
    oc_status status = OC_OK;
    char place[OC_ERROR_WHERE_SIZE + 32];
    const oc_annotation *missing = NULL;
    size_t absent = 0;
    for (size_t i = 0; i < annotations->count; i++) {
        const oc_annotation *a = &annotations->item[i];
        const int64_t label = oc_dataset_class_find(dataset, a->code);
        const oc_entry *file = oc_folder_file(images, a->image);
        if (label < 0) {
            snprintf(place, sizeof place, "%s:%lld", where, (long long)a->line);
            return oc_dataset_class_unknown(dataset, place, a->code, err);
        }
        if (!file) {
            if (!missing || a->line < missing->line) missing = a;
            absent++;
            continue;
        }
        OC_TRY(oc_dataset_add(dataset, &(oc_place){OC_SPLIT_VAL, (int32_t)label, val->path, val->path}, images->path,
                              file, err));
    }
    if (missing) {
        snprintf(place, sizeof place, "%s:%lld", where, (long long)missing->line);
        return oc_fail(err, OC_E_FORMAT, place,
                       "half-unpacked data set: %zu of the %zu images listed are not in %s, the first is %s; "
                       "unpack it again",
                       absent, annotations->count, images->path, missing->image);
    }
    size_t next = 0;
    for (size_t i = 0; i < images->entries; i++) {
        const oc_entry *entry = &images->entry[i];
        while (next < annotations->count && strcmp(annotations->item[next].image, entry->name) < 0) next++;
        const bool listed = next < annotations->count && strcmp(annotations->item[next].image, entry->name) == 0;
        if (listed && entry->kind == OC_ENTRY_FILE) continue;
        if (entry->unread == OC_UNREAD_COUNT)
            return oc_fail(err, OC_E_FORMAT, where, "no line for the image %s, which is in %s", entry->name,
                           images->path);
        OC_TRY(oc_dataset_leave_out(dataset, OC_SPLIT_VAL, -1, images->path, entry, (oc_unread)entry->unread, err));
    }
    split_sort(&dataset->split[OC_SPLIT_VAL]);
cleanup:
    return status;
}

/* The images that lie in `images`, which is val or a folder in it, labelled by the text file in val. */
static oc_status annotated_read(oc_dataset *dataset, const oc_folder *val, const oc_folder *images, oc_error *err) {
    oc_annotations annotations = {0};
    char *text = NULL, where[OC_ERROR_WHERE_SIZE];
    size_t size;
    oc_status status;
    OC_TRY(text_read(dataset, val->path, OC_ANNOTATIONS, &text, &size, where, err));
    OC_TRY(oc_annotations_parse(&annotations, text, size, where, err));
    OC_TRY(annotated_match(dataset, &annotations, where, val, images, err));
    if (images != val) OC_TRY(entries_leave_out(dataset, OC_SPLIT_VAL, val, OC_UNREAD_LOOSE, err));
    for (size_t i = 0; i < val->folders; i++)
        if (&val->folder[i] != images)
            OC_TRY(folder_leave_out(dataset, OC_SPLIT_VAL, &val->folder[i], OC_UNREAD_ELSEWHERE, NULL, err));
    for (size_t i = 0; images != val && i < images->folders; i++)
        OC_TRY(folder_leave_out(dataset, OC_SPLIT_VAL, &images->folder[i], OC_UNREAD_ELSEWHERE, NULL, err));
cleanup:
    oc_annotations_free(&annotations);
    oc_free(text);
    return status;
}

static oc_status val_read(oc_dataset *dataset, const oc_folder *val, bool distributed, oc_error *err) {
    const oc_folder *images = oc_folder_images(val);
    const oc_folder *flat = val->images > 0 ? val : images && images->images > 0 ? images : NULL;
    const bool annotated = oc_folder_file(val, OC_ANNOTATIONS), class_folders = val->folders > (images ? 1 : 0);
    oc_status status = OC_OK;
    if (annotated && (flat || !class_folders))
        status = annotated_read(dataset, val, flat ? flat : images ? images : val, err);
    else if (class_folders)
        status = labelled_read(dataset, OC_SPLIT_VAL, val, err);
    else if (flat)
        status = fail_at(dataset, err, flat->path,
                         "images without class folders need a " OC_ANNOTATIONS " beside them in val");
    if (status == OC_OK && dataset->split[OC_SPLIT_VAL].count == 0)
        status =
            fail_at(dataset, err, val->path,
                    distributed || annotated ? "half-unpacked data set: no images in this folder; unpack it again"
                                             : "no images that are read in this folder: remove it, or put images in");
    dataset->present[OC_SPLIT_VAL] = true;
    return status;
}

/* Whether a folder in it has the name of a class. */
static bool has_class(const oc_dataset *dataset, const oc_folder *folder) {
    for (size_t i = 0; i < folder->folders; i++)
        if (oc_names_find_alike(&dataset->classes, folder->folder[i].name) >= 0) return true;
    return false;
}

/* Test images have no labels, unless they lie in class folders. */
static oc_status test_read(oc_dataset *dataset, const oc_folder *test, oc_error *err) {
    const oc_place place = {OC_SPLIT_TEST, -1, test->path, test->path};
    const oc_folder *images = oc_folder_images(test);
    const bool flat = test->images > 0 || (images && images->images > 0);
    const oc_status status = has_class(dataset, test) || (!flat && oc_folder_holds_classes(test))
                                 ? labelled_read(dataset, OC_SPLIT_TEST, test, err)
                                 : folder_read(dataset, &place, test, err);
    split_sort(&dataset->split[OC_SPLIT_TEST]);
    dataset->present[OC_SPLIT_TEST] = dataset->split[OC_SPLIT_TEST].count > 0;
    return status;
}

/* Keeps a split's folder, and makes room for its images, at once for all. */
static oc_status split_begin(oc_dataset *dataset, int split, const oc_folder *folder, oc_error *err) {
    oc_split *s = &dataset->split[split];
    oc_status status;
    OC_TRY(oc_dataset_text(dataset, folder->path, &s->folder, err));
    status = oc_grow(&s->sample, &dataset->capacity[split], (size_t)folder->images_within, sizeof *s->sample, err);
cleanup:
    return status;
}

static oc_status splits_read(oc_dataset *dataset, oc_arrangement *a, oc_error *err) {
    static const int split_of[OC_ROLES] = {OC_SPLIT_TRAIN, OC_SPLIT_VAL, OC_SPLIT_TEST};
    const bool distributed = oc_folder_file(a->base, OC_WNIDS);
    oc_status status;
    for (int role = 0; role < OC_ROLES; role++)
        if (a->split[role]) OC_TRY(split_begin(dataset, split_of[role], a->split[role], err));
    OC_TRY(classes_read(dataset, a, err));
    if (a->split[OC_ROLE_TRAIN]) OC_TRY(train_read(dataset, a->split[OC_ROLE_TRAIN], distributed, err));
    if (a->split[OC_ROLE_VAL]) OC_TRY(val_read(dataset, a->split[OC_ROLE_VAL], distributed, err));
    if (a->split[OC_ROLE_TEST]) OC_TRY(test_read(dataset, a->split[OC_ROLE_TEST], err));
    if (!dataset->present[OC_SPLIT_TEST]) {
        /* Without images it is no split, and what is in it lies elsewhere. */
        dataset->split[OC_SPLIT_TEST].left_outs = 0;
        a->split[OC_ROLE_TEST] = NULL;
    }
cleanup:
    return status;
}

/* ---- one level of class folders ---- */

/* A folder beside class folders, all of which are read: one more class, or, without images, none, which is told. One
 * with what would have been expected to be images is refused, as a class of them is lost. */
static oc_status class_read(oc_dataset *dataset, const oc_folder *base, const oc_folder *folder, oc_error *err) {
    oc_split *split = &dataset->split[OC_SPLIT_TRAIN];
    const int32_t label = (int32_t)dataset->classes.count;
    const oc_place place = {OC_SPLIT_TRAIN, label, base->path, folder->path};
    oc_status status;
    OC_TRY(folder_read(dataset, &place, folder, err));
    if (folder->images_within > 0) {
        OC_TRY(oc_dataset_class_add(dataset, base->path, folder->name, err));
        if (oc_folder_is_split_like(folder))
            OC_TRY(oc_dataset_doubt(dataset, err,
                                    "the folder %s is read as a class, since it holds images and no class folders",
                                    folder->name));
        goto cleanup;
    }
    const int64_t left_out = class_left_out(split, label);
    if (left_out > 0) {
        status = class_empty(dataset, base, folder->name, left_out, err);
        goto cleanup;
    }
    for (size_t k = 0; k < split->left_outs; k++)
        if (split->left_out[k].label == label) split->left_out[k].label = -1;
    status = oc_names_add(&dataset->imageless, folder->name, err);
cleanup:
    return status;
}

/* One level of class folders. */
static oc_status classes_only_read(oc_dataset *dataset, const oc_folder *base, oc_error *err) {
    oc_split *split = &dataset->split[OC_SPLIT_TRAIN];
    oc_status status;
    OC_TRY(split_begin(dataset, OC_SPLIT_TRAIN, base, err));
    OC_TRY(oc_class_folders_check(dataset, base, err));
    OC_TRY(entries_leave_out(dataset, OC_SPLIT_TRAIN, base, OC_UNREAD_LOOSE, err));
    for (size_t i = 0; i < base->folders; i++) OC_TRY(class_read(dataset, base, &base->folder[i], err));
    split_sort(split);
    dataset->present[OC_SPLIT_TRAIN] = dataset->classes.count > 0;
    if (dataset->classes.count == 0)
        status = fail_at(dataset, err, base->path,
                         "no data set here: expected train/<class>/ and val/, or a folder of images for each class");
cleanup:
    return status;
}

/* ---- the whole ---- */

static oc_status words_read(oc_dataset *dataset, const oc_folder *base, oc_error *err) {
    char *text = NULL, where[OC_ERROR_WHERE_SIZE];
    size_t size;
    oc_status status;
    OC_TRY(oc_alloc(&dataset->human, dataset->classes.count, sizeof(*dataset->human), err));
    if (!dataset->without_words && oc_folder_file(base, "words.txt")) {
        OC_TRY(text_read(dataset, base->path, "words.txt", &text, &size, where, err));
        OC_TRY(oc_words_parse(dataset->human, &dataset->classes, text, size, err));
    }
cleanup:
    oc_free(text);
    return status;
}

/* data.val: test. */
static oc_status test_take(oc_dataset *dataset, oc_arrangement *a, oc_error *err) {
    if (!dataset->test_as_val) return OC_OK;
    if (!a->splits || !a->split[OC_ROLE_TEST])
        return oc_fail(err, OC_E_USAGE, "data.val", "the data set in %s has no test", dataset->source->path);
    if (a->split[OC_ROLE_VAL])
        return oc_fail(err, OC_E_USAGE, "data.val", "the data set in %s has a val of its own", dataset->source->path);
    a->split[OC_ROLE_VAL] = a->split[OC_ROLE_TEST];
    a->split[OC_ROLE_TEST] = NULL;
    return OC_OK;
}

oc_status oc_dataset_scan(oc_dataset *dataset, oc_error *err) {
    oc_folder root = {0};
    oc_arrangement a;
    oc_status status;
    OC_TRY(oc_source_walk(dataset->source, &root, err));
    oc_folder_look(dataset->source, &root);
    OC_TRY(oc_arrangement_find(dataset, &root, &a, err));
    OC_TRY(test_take(dataset, &a, err));
    OC_TRY(a.splits ? splits_read(dataset, &a, err) : classes_only_read(dataset, a.base, err));
    const oc_folder *const whole[OC_ROLES] = {a.base};
    OC_TRY(folder_leave_out(dataset, OC_SPLIT_ELSEWHERE, &root, OC_UNREAD_ELSEWHERE, a.splits ? a.split : whole, err));
    status = words_read(dataset, a.base, err);
cleanup:
    oc_folder_free(&root);
    return status;
}
