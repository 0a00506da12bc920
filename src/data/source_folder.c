/* A data set in a folder. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "data/source.h"

static oc_status folder_fail(oc_source *source, const char *folder, int error_number, oc_error *err) {
    char where[OC_ERROR_WHERE_SIZE], text[128];
    const bool absent = error_number == ENOENT || error_number == ENOTDIR;
    oc_source_where(source, folder, where, sizeof where);
    return oc_fail(err, absent ? OC_E_NOT_FOUND : OC_E_IO, where, "cannot list the folder: %s",
                   strerror_r(error_number, text, sizeof text));
}

/* What tells a file from a changed one without reading it. */
static uint64_t state_of(const struct stat *info) {
    const uint64_t state[] = {(uint64_t)info->st_size,         (uint64_t)info->st_mtim.tv_sec,
                              (uint64_t)info->st_mtim.tv_nsec, (uint64_t)info->st_ctim.tv_sec,
                              (uint64_t)info->st_ctim.tv_nsec, (uint64_t)info->st_ino};
    return XXH3_64bits(state, sizeof state);
}

static oc_status entry_add(const char *name, int folder_fd, oc_folder *out, oc_error *err) {
    struct stat info = {0}; /* stays that for a link that leads nowhere */
    fstatat(folder_fd, name, &info, 0);
    if (S_ISDIR(info.st_mode)) {
        struct stat own;
        const bool linked = fstatat(folder_fd, name, &own, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(own.st_mode);
        return oc_folder_add_folder(out, name, linked, err);
    }
    if (oc_entry_hidden(name)) return oc_folder_add_entry(out, name, OC_ENTRY_HIDDEN, 0, err);
    if (S_ISREG(info.st_mode)) return oc_folder_add_entry(out, name, OC_ENTRY_FILE, state_of(&info), err);
    return oc_folder_add_entry(out, name, OC_ENTRY_NEITHER, 0, err);
}

static oc_status folder_list(oc_source *source, oc_folder *out, oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL;
    DIR *dir = NULL;
    struct stat info;
    OC_TRY(oc_path_join(&path, source->path, out->path, err));
    dir = opendir(path);
    if (!dir || fstat(dirfd(dir), &info) != 0) {
        status = folder_fail(source, out->path, errno, err);
        goto cleanup;
    }
    out->device = info.st_dev;
    out->inode = info.st_ino;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) break;
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) OC_TRY(entry_add(name, dirfd(dir), out, err));
    }
    if (errno != 0) status = folder_fail(source, out->path, errno, err);
cleanup:
    if (dir) closedir(dir);
    oc_free(path);
    return status;
}

static oc_status folder_read(oc_source *source, const char *path, size_t limit, char **data, size_t *size,
                             oc_error *err) {
    char *whole = NULL;
    oc_status status;
    OC_TRY(oc_path_join(&whole, source->path, path, err));
    status = oc_file_read(data, size, whole, limit, err);
cleanup:
    oc_free(whole);
    return status;
}

static oc_status folder_peek(oc_source *source, const char *path, void *data, size_t size, size_t *got, oc_error *err) {
    char *whole = NULL;
    oc_status status;
    OC_TRY(oc_path_join(&whole, source->path, path, err));
    status = oc_file_peek(whole, data, size, got, err);
cleanup:
    oc_free(whole);
    return status;
}

static void folder_destroy(oc_source *source) {
    oc_free(source->path);
    oc_free(source);
}

static const oc_source_ops folder_ops = {folder_list, folder_read, folder_peek, folder_destroy};

oc_status oc_source_folder_create(oc_source **out, const char *path, oc_error *err) {
    oc_source *source = NULL;
    oc_status status;
    OC_TRY(oc_alloc(&source, 1, sizeof(*source), err));
    source->ops = &folder_ops;
    OC_TRY(oc_strdup(&source->path, path, err));
    *out = source;
    source = NULL;
cleanup:
    oc_source_destroy(&source);
    return status;
}
