/* A data set in a folder. */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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

/* Puts an entry into the list it belongs to. */
static oc_status entry_add(const struct dirent *entry, int folder_fd, oc_listing *out, oc_error *err) {
    bool is_file = entry->d_type == DT_REG, is_folder = entry->d_type == DT_DIR;
    if (!is_file && !is_folder) {
        struct stat info = {0}; /* stays that for a link that leads nowhere */
        fstatat(folder_fd, entry->d_name, &info, 0);
        is_file = S_ISREG(info.st_mode);
        is_folder = S_ISDIR(info.st_mode);
    }
    return oc_names_add(is_file ? &out->files : is_folder ? &out->folders : &out->others, entry->d_name, err);
}

static oc_status folder_list(oc_source *source, oc_listing *out, XXH3_state_t *hash, oc_error *err) {
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
    if (hash) {
        const int64_t times[] = {info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
        XXH3_64bits_update(hash, times, sizeof times);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) break;
        if (entry->d_name[0] != '.') OC_TRY(entry_add(entry, dirfd(dir), out, err));
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

/* The listings gave every folder's time. */
static oc_status folder_hash(oc_source *source, XXH3_state_t *hash, oc_error *err) {
    (void)source, (void)hash, (void)err;
    return OC_OK;
}

static void folder_destroy(oc_source *source) {
    oc_free(source->path);
    oc_free(source);
}

static const oc_source_ops folder_ops = {folder_list, folder_read, folder_hash, folder_destroy};

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
