/* Opening a source, and the tree of what is in it. */
#include "data/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

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
    folder->entry[folder->entries++] = (oc_entry){.name = own, .kind = kind, .state = state};
    own = NULL;
cleanup:
    oc_free(own);
    return status;
}

oc_status oc_folder_add_folder(oc_folder *folder, const char *name, bool linked, oc_error *err) {
    oc_status status;
    char *path = NULL;
    OC_TRY(*folder->path ? oc_path_join(&path, folder->path, name, err) : oc_strdup(&path, name, err));
    OC_TRY(oc_grow(&folder->folder, &folder->folder_capacity, folder->folders + 1, sizeof *folder->folder, err));
    folder->folder[folder->folders++] =
        (oc_folder){.path = path, .name = path + strlen(path) - strlen(name), .linked = linked || folder->linked};
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

/* Moves the i-th folder in `folder` to its entries. */
static oc_status loop_mark(oc_folder *folder, size_t i, oc_error *err) {
    oc_folder loop = folder->folder[i];
    const oc_status status = oc_folder_add_entry(folder, loop.name, OC_ENTRY_LOOP, 0, err);
    if (status != OC_OK) return status;
    memmove(folder->folder + i, folder->folder + i + 1, (--folder->folders - i) * sizeof *folder->folder);
    oc_folder_free(&loop);
    return OC_OK;
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
    if (folder->folders > 1) qsort(folder->folder, folder->folders, sizeof *folder->folder, folder_compare);
    for (size_t i = 0; i < folder->folders;) {
        oc_folder *inner = &folder->folder[i];
        if (inner->linked && ++*linked > LINKED_MOST)
            return oc_fail(err, OC_E_FORMAT, oc_source_where(source, inner->path, where, sizeof where),
                           "links to folders lead to more than %d of them: remove those that lead to one folder in "
                           "many ways",
                           LINKED_MOST);
        OC_TRY(source->ops->list(source, inner, err));
        if (is_among(inner, &here)) {
            OC_TRY(loop_mark(folder, i, err));
            continue;
        }
        OC_TRY(walk(source, inner, &here, depth + 1, linked, err));
        i++;
    }
    if (folder->entries > 1) qsort(folder->entry, folder->entries, sizeof *folder->entry, entry_compare);
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
