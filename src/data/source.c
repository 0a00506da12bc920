/* Opening a source and what both kinds share. */
#include "data/source.h"

#include <stdio.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

oc_status oc_source_open(oc_source **out, const char *path, oc_error *err) {
    if (!oc_path_exists(path))
        return oc_fail(err, OC_E_NOT_FOUND, path, "there is no such folder or zip; give the data set's path");
    return oc_path_is_folder(path) ? oc_source_folder_create(out, path, err) : oc_source_zip_create(out, path, err);
}

void oc_source_destroy(oc_source **source) {
    if (*source) (*source)->ops->destroy(*source);
    *source = NULL;
}

void oc_listing_free(oc_listing *listing) {
    oc_free(listing->path);
    oc_names_free(&listing->files);
    oc_names_free(&listing->folders);
    oc_names_free(&listing->others);
    *listing = (oc_listing){0};
}

oc_status oc_source_list(oc_source *source, oc_listing *out, XXH3_state_t *hash, oc_error *err) {
    const oc_status status = source->ops->list(source, out, hash, err);
    oc_names_sort(&out->files);
    oc_names_sort(&out->folders);
    oc_names_sort(&out->others);
    return status;
}

const char *oc_source_where(const oc_source *source, const char *relative, char *text, size_t size) {
    size_t length = 0;
    while (source->path[length]) length++;
    const char *slash = *relative && length > 0 && source->path[length - 1] != '/' ? "/" : "";
    snprintf(text, size, "%s%s%s", source->path, slash, relative);
    return text;
}
