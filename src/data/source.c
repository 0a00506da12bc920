/* Opening a source, and the tree of what is in it. */
#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/sort.h"

#define DEPTH_MOST 64
#define LINKED_MOST 100000 /* folders reached by links: two in each of 30 folders lead to the last in 2^30 ways */

oc_status oc_source_open(oc_source **out, const char *path, oc_error *err) {
    if (!oc_path_exists(path))
        return oc_fail(err, OC_E_NOT_FOUND, path, "there is no such folder or zip; give the data set's path");
    return oc_path_is_folder(path) ? oc_source_folder_create(out, path, err) : oc_source_zip_create(out, path, err);
}

void oc_source_destroy(oc_source **source) {
    if (*source) (*source)->ops->destroy(*source);
    *source = NULL;
}

/* ---- the tree ---- */

bool oc_entry_hidden(const char *name) {
    return name[0] == '.' || strcmp(name, "__MACOSX") == 0;
}

oc_status oc_folder_add_entry(oc_folder *folder, const char *name, oc_entry_kind kind, uint64_t state, oc_error *err) {
    oc_status status;
    char *own = NULL;
    OC_TRY(oc_strdup(&own, name, err));
    OC_TRY(oc_grow(&folder->entry, &folder->entry_capacity, folder->entries + 1, sizeof *folder->entry, err));
    folder->entry[folder->entries++] = (oc_entry){own, kind, state, .files = 1};
    own = NULL;
cleanup:
    oc_free(own);
    return status;
}

oc_status oc_folder_add_folder(oc_folder *folder, const char *name, bool linked, oc_error *err) {
    const bool hidden = folder->hidden || oc_entry_hidden(name);
    oc_status status;
    char *path = NULL;
    if (hidden && linked) return oc_folder_add_entry(folder, name, OC_ENTRY_HIDDEN, 0, err);
    OC_TRY(*folder->path ? oc_path_join(&path, folder->path, name, err) : oc_strdup(&path, name, err));
    OC_TRY(oc_grow(&folder->folder, &folder->folder_capacity, folder->folders + 1, sizeof *folder->folder, err));
    folder->folder[folder->folders++] = (oc_folder){
        .path = path, .name = path + strlen(path) - strlen(name), .linked = linked || folder->linked, .hidden = hidden};
    path = NULL;
cleanup:
    oc_free(path);
    return status;
}

void oc_folder_free(oc_folder *folder) {
    for (size_t i = 0; i < folder->entries; i++) oc_free(folder->entry[i].name);
    for (size_t i = 0; i < folder->folders; i++) oc_folder_free(&folder->folder[i]);
    oc_free(folder->entry);
    oc_free(folder->folder);
    oc_free(folder->path);
    *folder = (oc_folder){0};
}

static int entry_compare(const void *a, const void *b) {
    const oc_entry *first = a, *second = b;
    const int order = strcmp(first->name, second->name);
    return order ? order : (int)first->kind - (int)second->kind;
}

static int folder_compare(const void *a, const void *b) {
    return strcmp(((const oc_folder *)a)->name, ((const oc_folder *)b)->name);
}

const oc_folder *oc_folder_in(const oc_folder *folder, const char *name) {
    const oc_folder key = {.name = name};
    return folder->folders ? bsearch(&key, folder->folder, folder->folders, sizeof key, folder_compare) : NULL;
}

const oc_entry *oc_folder_file(const oc_folder *folder, const char *name) {
    const oc_entry key = {.name = (char *)(uintptr_t)name, .kind = OC_ENTRY_FILE};
    return folder->entries ? bsearch(&key, folder->entry, folder->entries, sizeof key, entry_compare) : NULL;
}

/* The folders that one lies in, up to the root. */
typedef struct ancestors {
    const oc_folder *folder;
    const struct ancestors *above;
} ancestors;

static bool is_among(const oc_folder *folder, const ancestors *above) {
    if (folder->inode == 0) return false;
    for (; above; above = above->above)
        if (above->folder->inode == folder->inode && above->folder->device == folder->device) return true;
    return false;
}

static int64_t files_in(const oc_folder *folder) {
    int64_t count = 0;
    for (size_t i = 0; i < folder->entries; i++) count += folder->entry[i].files;
    return count;
}

/* Moves the i-th folder in `folder` to its entries, as one that stands for so many files; for none it is removed. */
static oc_status entry_make(oc_folder *folder, size_t i, oc_entry_kind kind, int64_t files, oc_error *err) {
    oc_folder moved = folder->folder[i];
    if (files > 0) {
        const oc_status status = oc_folder_add_entry(folder, moved.name, kind, 0, err);
        if (status != OC_OK) return status;
        folder->entry[folder->entries - 1].files = files;
    }
    memmove(folder->folder + i, folder->folder + i + 1, (--folder->folders - i) * sizeof *folder->folder);
    oc_folder_free(&moved);
    return OC_OK;
}

static oc_status walk(oc_source *source, oc_folder *folder, const ancestors *above, int depth, int64_t *linked,
                      oc_error *err);

/* Fills the i-th folder in `folder` with all that is in it, or makes an entry of one that is none to go into. How deep
 * what is hidden goes is nobody's fault: there is an end, too, but no error. */
static oc_status enter(oc_source *source, oc_folder *folder, size_t i, const ancestors *above, int depth,
                       int64_t *linked, oc_error *err) {
    oc_folder *inner = &folder->folder[i];
    oc_error why = {0};
    if (inner->hidden && depth == DEPTH_MOST) return entry_make(folder, i, OC_ENTRY_HIDDEN, 1, err);
    oc_status status = source->ops->list(source, inner, &why);
    if (status == OC_E_IO || status == OC_E_NOT_FOUND)
        return entry_make(folder, i, inner->hidden ? OC_ENTRY_HIDDEN : OC_ENTRY_CLOSED, 1, err);
    if (status == OC_OK && is_among(inner, above)) return entry_make(folder, i, OC_ENTRY_LOOP, 1, err);
    if (status == OC_OK) status = walk(source, inner, above, depth + 1, linked, &why);
    if (status == OC_OK && inner->hidden) return entry_make(folder, i, OC_ENTRY_HIDDEN, files_in(inner), err);
    if (status != OC_OK && err) *err = why;
    return status;
}

/* *linked: folders reached by links so far. */
static oc_status walk(oc_source *source, oc_folder *folder, const ancestors *above, int depth, int64_t *linked,
                      oc_error *err) {
    const ancestors here = {folder, above};
    char where[OC_ERROR_WHERE_SIZE];
    oc_status status = OC_OK;
    if (depth > DEPTH_MOST)
        return oc_fail(err, OC_E_FORMAT, oc_source_where(source, folder->path, where, sizeof where),
                       "folders nested more than %d deep", DEPTH_MOST);
    oc_sort(folder->folder, folder->folders, sizeof *folder->folder, folder_compare);
    for (size_t i = 0, before; i < folder->folders; i += folder->folders == before) {
        before = folder->folders;
        if (folder->folder[i].linked && ++*linked > LINKED_MOST)
            return oc_fail(err, OC_E_FORMAT, oc_source_where(source, folder->folder[i].path, where, sizeof where),
                           "links to folders lead to more than %d of them: remove those that lead to one folder in "
                           "many ways",
                           LINKED_MOST);
        OC_TRY(enter(source, folder, i, &here, depth, linked, err));
    }
    oc_sort(folder->entry, folder->entries, sizeof *folder->entry, entry_compare);
cleanup:
    return status;
}

oc_status oc_source_walk(oc_source *source, oc_folder *root, oc_error *err) {
    int64_t linked = 0;
    oc_status status;
    OC_TRY(oc_strdup(&root->path, "", err));
    root->name = root->path;
    OC_TRY(source->ops->list(source, root, err));
    status = walk(source, root, NULL, 0, &linked, err);
cleanup:
    return status;
}

const char *oc_source_where(const oc_source *source, const char *relative, char *text, size_t size) {
    const size_t length = strlen(source->path);
    const char *slash = *relative && length > 0 && source->path[length - 1] != '/' ? "/" : "";
    snprintf(text, size, "%s%s%s", source->path, slash, relative);
    return text;
}
