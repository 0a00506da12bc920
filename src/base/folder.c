/* Folders that are written whole or not at all. */
#define _GNU_SOURCE 1
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#define MARKED ((size_t)1024) /* bytes of the marked file that are looked at */
#define HANDLES 16            /* open at once while a folder is removed */

struct oc_folder_writer {
    char *path, *target, *temporary; /* path: as given, for messages; target: what is replaced, links followed */
    const oc_folder_mark *mark;
    bool made; /* the temporary one is there and to be removed */
};

/* ---- What is there ---- */

static bool listed(const oc_folder_mark *mark, const char *name) {
    for (const char *const *n = mark->names; *n; n++)
        if (strcmp(*n, name) == 0) return true;
    return false;
}

static bool marked(const char *folder, const oc_folder_mark *mark) {
    char *path = NULL, begin[MARKED + 1];
    size_t got = 0;
    bool found = false;
    if (oc_path_join(&path, folder, mark->file, NULL) == OC_OK &&
        oc_file_peek(path, begin, MARKED, &got, NULL) == OC_OK) {
        begin[got] = '\0';
        found = strstr(begin, mark->text) != NULL;
    }
    oc_free(path);
    return found;
}

/* That nothing is lost with what lies at `folder`. */
static oc_status check_replaceable(const char *folder, const char *path, const oc_folder_mark *mark, oc_error *err) {
    oc_status status = OC_OK;
    struct stat info;
    bool empty = true;
    if (lstat(folder, &info) != 0) return errno == ENOENT ? OC_OK : oc_file_fail(err, path, "look at it", errno);
    if (!S_ISDIR(info.st_mode))
        return oc_fail(err, OC_E_EXISTS, path, "this is a file, and a folder is to be written: name another");
    DIR *entries = opendir(folder);
    if (!entries) return oc_file_fail(err, path, "list this folder", errno);
    for (struct dirent *entry; status == OC_OK && (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        empty = false;
        if (!listed(mark, entry->d_name))
            status = oc_fail(err, OC_E_EXISTS, path,
                             "this folder holds other things ('%s'), which would be lost: name one that is empty or "
                             "not there",
                             entry->d_name);
    }
    closedir(entries);
    if (status == OC_OK && !empty && !marked(folder, mark))
        status = oc_fail(err, OC_E_EXISTS, path,
                         "this folder holds files that another program wrote (%s is not of Ocelli), which would be "
                         "lost: name one that is empty or not there",
                         mark->file);
    return status;
}

/* ---- Writing ---- */

/* *out = the folder that `path` means, freed with oc_free: links followed, no slash at its end. */
static oc_status resolve(char **out, const char *path, oc_error *err) {
    oc_status status = OC_OK;
    char *real = realpath(path, NULL);
    OC_TRY(oc_strdup(out, real ? real : path, err));
    for (size_t length = strlen(*out); length > 1 && (*out)[length - 1] == '/'; length--) (*out)[length - 1] = '\0';
cleanup:
    free(real);
    return status;
}

oc_status oc_folder_writer_create(oc_folder_writer **out, const char *path, const oc_folder_mark *mark, oc_error *err) {
    oc_status status = OC_OK;
    oc_folder_writer *writer = NULL;
    *out = NULL;
    OC_TRY(oc_alloc(&writer, 1, sizeof *writer, err));
    writer->mark = mark;
    OC_TRY(oc_strdup(&writer->path, path, err));
    OC_TRY(resolve(&writer->target, path, err));
    OC_TRY(check_replaceable(writer->target, path, mark, err));
    for (int i = 0; i < OC_FILE_NAME_TRIES && !writer->made; i++) {
        OC_TRY(oc_file_temporary_name(&writer->temporary, writer->target, i, err));
        writer->made = mkdir(writer->temporary, 0777) == 0;
        if (!writer->made && errno != EEXIST) break;
    }
    if (!writer->made) {
        status = oc_file_fail(err, path, "create this folder", errno);
        goto cleanup;
    }
    *out = writer;
    writer = NULL;
cleanup:
    oc_folder_writer_destroy(&writer);
    return status;
}

oc_status oc_folder_writer_path(const oc_folder_writer *writer, char **out, const char *name, oc_error *err) {
    return oc_path_join(out, writer->temporary, name, err);
}

oc_status oc_folder_writer_file(const oc_folder_writer *writer, const char *name, const void *data, size_t size,
                                oc_error *err) {
    oc_status status = OC_OK;
    char *path = NULL;
    OC_TRY(oc_folder_writer_path(writer, &path, name, err));
    OC_TRY(oc_file_write_atomic(path, data, size, err));
cleanup:
    oc_free(path);
    return status;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    (void)remove(path);
    return 0;
}

static void remove_folder(const char *path) {
    (void)nftw(path, remove_entry, HANDLES, FTW_DEPTH | FTW_PHYS);
}

/* For file systems that cannot exchange two names: the old folder steps aside and, should the new one not take its
 * place, comes back. */
static bool replace_in_turn(const char *from, const char *to, oc_error *err) {
    char *aside = NULL;
    const size_t size = strlen(from) + 8;
    if (oc_alloc(&aside, size, 1, err) != OC_OK) return false;
    snprintf(aside, size, "%s.old", from);
    bool done = rename(to, aside) == 0;
    if (done && rename(from, to) != 0) {
        const int error_number = errno;
        (void)rename(aside, to);
        errno = error_number;
        done = false;
    }
    if (done) remove_folder(aside);
    oc_free(aside);
    return done;
}

oc_status oc_folder_writer_commit(oc_folder_writer *writer, oc_error *err) {
    oc_status status = OC_OK;
    /* Whoever put something there meanwhile keeps it. */
    OC_TRY(check_replaceable(writer->target, writer->path, writer->mark, err));
    if (renameat2(AT_FDCWD, writer->temporary, AT_FDCWD, writer->target, RENAME_EXCHANGE) == 0) {
        remove_folder(writer->temporary);
    } else if (rename(writer->temporary, writer->target) != 0 &&
               !replace_in_turn(writer->temporary, writer->target, err)) {
        status = oc_file_fail(err, writer->path, "give the new folder its name", errno);
        goto cleanup;
    }
    writer->made = false;
    status = oc_file_sync_folder(writer->target, writer->path, err);
cleanup:
    return status;
}

void oc_folder_writer_destroy(oc_folder_writer **writer) {
    if (!writer || !*writer) return;
    oc_folder_writer *w = *writer;
    if (w->made) remove_folder(w->temporary);
    oc_free(w->temporary);
    oc_free(w->target);
    oc_free(w->path);
    oc_free(w);
    *writer = NULL;
}
