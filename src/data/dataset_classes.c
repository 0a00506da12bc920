/* The classes of a data set: adding them, and finding them by the names that folders and text files use. */
#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "data/dataset_internal.h"

oc_status oc_dataset_class_add(oc_dataset *dataset, const char *folder, const char *name, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    oc_text shown = {0};
    oc_status status = OC_OK;
    json_t *text = json_string(name);
    if (text) {
        const int64_t twin = oc_names_find_alike(&dataset->classes, name);
        status = twin < 0 ? oc_names_add(&dataset->classes, name, err)
                          : oc_fail(err, OC_E_FORMAT, oc_source_where(dataset->source, folder, where, sizeof where),
                                    "two classes are called \"%s\", their accents written in two ways of Unicode: put "
                                    "all their images into one folder",
                                    dataset->classes.item[twin]);
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

int64_t oc_dataset_class_find(oc_dataset *dataset, const char *name) {
    const int64_t label = oc_names_find_alike(&dataset->classes, name);
    if (label >= 0 && strcmp(dataset->classes.item[label], name) != 0) dataset->alike = (int32_t)label;
    return label;
}

/* Whether wnids.txt's list has a folder for a class. */
static bool has_folder(const oc_folder *train, const char *code) {
    if (oc_folder_in(train, code)) return true;
    for (size_t i = 0; i < train->folders; i++)
        if (oc_text_alike(train->folder[i].name, code)) return true;
    return false;
}

oc_status oc_dataset_classes_check(oc_dataset *dataset, const oc_names *listed, const oc_folder *train, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE];
    const char *missing = NULL;
    size_t count = 0;
    for (size_t i = 0; i < listed->count; i++)
        if (!has_folder(train, listed->item[i]) && count++ == 0) missing = listed->item[i];
    oc_source_where(dataset->source, train->path, where, sizeof where);
    if (missing)
        return oc_fail(
            err, OC_E_FORMAT, where,
            "half-unpacked data set: %zu of the %zu classes in wnids.txt have no folder here, the first is %s; "
            "unpack it again",
            count, listed->count, missing);
    for (size_t i = 0; i < train->folders; i++)
        if (oc_names_find_alike(listed, train->folder[i].name) < 0)
            return oc_fail(err, OC_E_FORMAT, where, "the folder %s is not a class listed in wnids.txt",
                           train->folder[i].name);
    return OC_OK;
}

oc_status oc_dataset_class_unknown(oc_dataset *dataset, const char *where, const char *code, oc_error *err) {
    const oc_names *classes = &dataset->classes;
    const char *nearest = oc_text_nearest(code, (const char *const *)classes->item, classes->count);
    return oc_fail(err, OC_E_FORMAT, where, "class %s is not among the %zu training classes%s%s%s", code,
                   classes->count, nearest ? " (the nearest is " : "", nearest ? nearest : "", nearest ? ")" : "");
}
