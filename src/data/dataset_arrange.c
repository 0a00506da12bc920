/* Recognising how a data set's folders are arranged. What can be meant in one way only is taken so, whatever lies
 * around it that holds no images; what would make one class of several is refused. */
#define _GNU_SOURCE 1
#include "data/dataset_arrange.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"

static oc_status fail_at(const oc_dataset *dataset, oc_error *err, const oc_folder *folder, const char *message) {
    char where[OC_ERROR_WHERE_SIZE];
    return oc_fail(err, OC_E_FORMAT, oc_source_where(dataset->source, folder->path, where, sizeof where), "%s",
                   message);
}

/* ---- names ---- */

/* What a folder is called that holds a split. */
static int role_of(const char *name, size_t length) {
    static const struct {
        const char *name;
        int role;
    } names[] = {{"train", OC_ROLE_TRAIN}, {"training", OC_ROLE_TRAIN}, {"val", OC_ROLE_VAL},
                 {"valid", OC_ROLE_VAL},   {"validation", OC_ROLE_VAL}, {"dev", OC_ROLE_VAL},
                 {"test", OC_ROLE_TEST},   {"testing", OC_ROLE_TEST},   {"eval", OC_ROLE_TEST}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == length && strncasecmp(names[i].name, name, length) == 0) return names[i].role;
    return -1;
}

static bool is_role(const char *word, size_t length) {
    return role_of(word, length) >= 0;
}

/* What folders are called that hold a data set's classes, or a part of each. */
static bool is_whole(const char *word, size_t length) {
    static const char *const words[] = {"data",   "dataset",  "datasets", "images", "image",   "imgs",      "img",
                                        "photos", "pictures", "fold",     "folds",  "split",   "splits",    "subset",
                                        "batch",  "batches",  "shard",    "chunk",  "classes", "categories"};
    size_t i = 0;
    while (i < sizeof words / sizeof *words && (strlen(words[i]) != length || strncasecmp(words[i], word, length) != 0))
        i++;
    return i < sizeof words / sizeof *words;
}

/* Whether one of the words of a name, which anything but letters holds apart, is one of those. */
static bool has_word(const char *name, bool (*is_one)(const char *word, size_t length)) {
    while (*name) {
        size_t length = 0;
        while ((name[length] | 32) >= 'a' && (name[length] | 32) <= 'z') length++;
        if (is_one(name, length)) return true;
        name += length;
        if (*name) name++;
    }
    return false;
}

bool oc_folder_is_split_like(const oc_folder *folder) {
    return is_role(folder->name, strlen(folder->name));
}

bool oc_folder_is_images(const oc_folder *folder) {
    return strcasecmp(folder->name, "images") == 0;
}

/* ---- what a folder holds ---- */

const oc_folder *oc_folder_images(const oc_folder *folder) {
    for (size_t i = 0; i < folder->folders; i++)
        if (oc_folder_is_images(&folder->folder[i])) return &folder->folder[i];
    return NULL;
}

/* Whether a folder could be a class of the one that it lies in: it holds images, and is not where a class keeps its own
 * (<class>/images/). */
static bool is_class(const oc_folder *folder) {
    return folder->images_within > 0 && !(oc_folder_is_images(folder) && folder->images > 0);
}

static size_t classes_in(const oc_folder *folder) {
    size_t count = 0;
    for (size_t i = 0; i < folder->folders; i++) count += is_class(&folder->folder[i]);
    return count;
}

bool oc_folder_holds_classes(const oc_folder *folder) {
    return folder->images == 0 && classes_in(folder) > 0;
}

/* The same, but that images may lie beside several. */
static bool looks_like_classes(const oc_folder *folder) {
    return oc_folder_holds_classes(folder) || classes_in(folder) > 1;
}

/* The one folder in it that holds images; NULL: there is none, or several. */
static const oc_folder *only_in(const oc_folder *folder) {
    const oc_folder *only = NULL;
    for (size_t i = 0; i < folder->folders; i++) {
        if (folder->folder[i].images_within == 0) continue;
        if (only) return NULL;
        only = &folder->folder[i];
    }
    return only;
}

/* ---- splits ---- */

/* The folder that holds all of a split's class folders: the split's own, or what alone is in it; but what `train` has
 * as a class is one. */
static const oc_folder *unwrap(const oc_folder *split, const oc_folder *train) {
    while (split->folders == 1) {
        const oc_folder *inner = &split->folder[0];
        if (!(oc_folder_is_images(inner) ? oc_folder_holds_classes(inner) : classes_in(inner) > 1)) break;
        if (train && oc_folder_in(train, inner->name)) break;
        split = inner;
    }
    return split;
}

/* Which of the folders in `base` are called as splits. */
static oc_arrangement arrange(const oc_folder *base) {
    oc_arrangement a = {.base = base};
    for (size_t i = 0; i < base->folders; i++) {
        const oc_folder *folder = &base->folder[i];
        const int role = role_of(folder->name, strlen(folder->name));
        if (role < 0) continue;
        if (a.split[role])
            a.second[role] = folder;
        else
            a.split[role] = folder;
    }
    for (int role = 0; role < OC_ROLES; role++)
        if (a.split[role]) a.split[role] = unwrap(a.split[role], role == OC_ROLE_TRAIN ? NULL : a.split[OC_ROLE_TRAIN]);
    return a;
}

/* Whether they are: what a class of images could be called as well is a split where it holds class folders. */
static bool is_split(const oc_arrangement *a) {
    const oc_folder *train = a->split[OC_ROLE_TRAIN], *val = a->split[OC_ROLE_VAL], *test = a->split[OC_ROLE_TEST];
    if (oc_folder_file(a->base, OC_WNIDS) && (val || test)) return true;
    if (train) return val || oc_folder_holds_classes(train);
    if (val) return oc_folder_holds_classes(val) || oc_folder_file(val, OC_ANNOTATIONS);
    return test && oc_folder_holds_classes(test);
}

/* Whether they must be, since nothing that holds images is called otherwise. */
static bool is_split_only(const oc_arrangement *a) {
    for (size_t i = 0; i < a->base->folders; i++)
        if (a->base->folder[i].images_within > 0 && !oc_folder_is_split_like(&a->base->folder[i])) return false;
    return a->split[OC_ROLE_TRAIN] || a->split[OC_ROLE_VAL] ||
           (a->split[OC_ROLE_TEST] && looks_like_classes(a->split[OC_ROLE_TEST]));
}

/* Whether splits with images lie anywhere in a folder. */
static bool holds_splits(const oc_folder *folder) {
    const oc_arrangement a = arrange(folder);
    if (folder->images_within == 0) return false;
    if (is_split(&a)) return true;
    for (size_t i = 0; i < folder->folders; i++)
        if (holds_splits(&folder->folder[i])) return true;
    return false;
}

/* ---- class folders ---- */

/* A folder that would make one class of all that is in it. */
static oc_status class_refuse(oc_dataset *dataset, const oc_folder *folder, oc_error *err) {
    const bool wraps = looks_like_classes(folder) || (folder->images == 0 && oc_folder_images(folder));
    if (holds_splits(folder))
        return fail_at(dataset, err, folder,
                       "folders in it are called as splits, and would be read as one class: give this folder's path, "
                       "or, if it is a class, call them otherwise");
    if (wraps && has_word(folder->name, is_role))
        return fail_at(dataset, err, folder,
                       "this looks like a split, but is not called as one, and would be read as one class: move its "
                       "class folders into a folder train, val or test");
    if (classes_in(folder) > 1 && has_word(folder->name, is_whole))
        return fail_at(dataset, err, folder,
                       "the folders in it look like classes, and would be read as one: give this folder's path, move "
                       "them together with those beside it, or, if it is a class, call it otherwise");
    return OC_OK;
}

/* Folders of the same name in two, both sorted. */
static size_t shared(const oc_folder *a, const oc_folder *b) {
    size_t count = 0;
    for (size_t i = 0, k = 0; i < a->folders && k < b->folders;) {
        const int order = strcmp(a->folder[i].name, b->folder[k].name);
        count += order == 0 && is_class(&a->folder[i]) && is_class(&b->folder[k]);
        if (order <= 0) i++;
        if (order >= 0) k++;
    }
    return count;
}

/* Folders within classes belong to them; but where all have the same, or one alone has some, they may be the classes.
 */
static oc_status classes_doubt(oc_dataset *dataset, const oc_folder *base, oc_error *err) {
    const oc_folder *last = NULL;
    size_t nested = 0;
    for (size_t i = 0; i < base->folders; i++) {
        const oc_folder *folder = &base->folder[i];
        if (classes_in(folder) == 0) continue;
        nested++;
        if (classes_in(folder) == 1) continue;
        if (last && shared(last, folder) > 1)
            return oc_dataset_doubt(dataset, err,
                                    "%s and %s are read as classes, though both hold folders of the same names: if "
                                    "those are the classes, put the images of each into one folder",
                                    last->path, folder->path);
        last = folder;
    }
    if (nested == 1 && last && last->images == 0)
        return oc_dataset_doubt(dataset, err,
                                "%s is read as one class, though it alone holds folders of images: if those are the "
                                "classes, give its path",
                                last->path);
    return OC_OK;
}

oc_status oc_class_folders_check(oc_dataset *dataset, const oc_folder *base, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < base->folders; i++) OC_TRY(class_refuse(dataset, &base->folder[i], err));
    if (base->folders > 1) status = classes_doubt(dataset, base, err);
cleanup:
    return status;
}

/* ---- the whole ---- */

/* *inner = the folder in `base` that holds splits, or NULL. One that is beside other images must have two of them. */
static oc_status splits_in(oc_dataset *dataset, const oc_folder *base, const oc_folder **inner, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    int roles = 0;
    *inner = NULL;
    for (size_t i = 0; i < base->folders; i++) {
        const oc_folder *folder = &base->folder[i];
        const oc_arrangement a = arrange(folder);
        if (folder->images_within == 0 || !is_split(&a)) continue;
        if (*inner)
            return oc_fail(err, OC_E_FORMAT, oc_source_where(dataset->source, base->path, where, sizeof where),
                           "several data sets here, %s and %s: give the path of one, or, if they are classes, put them "
                           "into folders of the splits",
                           (*inner)->name, folder->name);
        *inner = folder;
        for (int role = 0; role < OC_ROLES; role++) roles += a.split[role] != NULL;
    }
    if (roles < 2 && *inner != only_in(base)) *inner = NULL;
    return OC_OK;
}

static bool is_empty(const oc_folder *folder) {
    bool empty = folder->entries == 0;
    for (size_t i = 0; i < folder->folders; i++) empty &= is_empty(&folder->folder[i]);
    return empty;
}

/* A folder without anything beside the one that holds the classes might have been a class. */
static oc_status empty_doubt(oc_dataset *dataset, const oc_folder *base, const oc_folder *inner, oc_error *err) {
    oc_status status = OC_OK;
    for (size_t i = 0; i < base->folders; i++)
        if (is_empty(&base->folder[i]))
            OC_TRY(oc_dataset_doubt(dataset, err, "nothing is in the folder %s; the classes are taken from %s",
                                    base->folder[i].path, inner->path));
cleanup:
    return status;
}

/* Archives, and folders they were unpacked into, often hold one folder with everything in it, beside others perhaps:
 * the arrangement is that of the first folder from the root inwards that holds splits, or class folders. */
oc_status oc_arrangement_find(oc_dataset *dataset, const oc_folder *root, oc_arrangement *out, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    const oc_folder *inner;
    oc_status status = OC_OK;
    *out = arrange(root);
    while (!(out->splits = is_split(out) || is_split_only(out))) {
        OC_TRY(splits_in(dataset, out->base, &inner, err));
        if (!inner) {
            inner = only_in(out->base);
            if (!inner || !looks_like_classes(inner)) break;
            OC_TRY(empty_doubt(dataset, out->base, inner, err));
        }
        *out = arrange(inner);
    }
    for (int role = 0; out->splits && role < OC_ROLES; role++)
        if (out->second[role])
            return oc_fail(err, OC_E_FORMAT, oc_source_where(dataset->source, out->base->path, where, sizeof where),
                           "both %s and %s are names of one split: rename or remove one", out->split[role]->path,
                           out->second[role]->path);
cleanup:
    return status;
}
