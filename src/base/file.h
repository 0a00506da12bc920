/* Files: reading whole, mapping, and the atomic write: to a temporary beside the target, flushed to the disk,
 * renamed. Until the rename the previous generation is untouched; after it the new one is complete.
 *
 * A process under a limit on file sizes (RLIMIT_FSIZE) must ignore SIGXFSZ to be told of it by OC_E_IO instead of
 * being killed; that is the command's business, as signals are. */
#ifndef OC_BASE_FILE_H
#define OC_BASE_FILE_H

#include <stdio.h>

#include "ocelli/base.h"

typedef struct oc_file_writer oc_file_writer;

/* Opens "<path>.tmp.<unique>" for a write that will replace `path` (parent folder must exist); of a symbolic link what
 * it leads to, there or not, and the link stays. OC_E_IO, also for what is there and no regular file. */
oc_status oc_file_writer_create(oc_file_writer **out, const char *path, oc_error *err);
/* Appends; buffered. OC_E_IO leaves the writer fit only for destroy. */
oc_status oc_file_writer_write(oc_file_writer *writer, const void *data, size_t size, oc_error *err);
/* Flushes, syncs the file, renames it over the target and syncs the folder. OC_E_IO: the target is as it was (only
 * where the file system cannot exchange two names and the very last step failed may it be the new file, complete).
 * After it the writer is fit only for destroy. */
oc_status oc_file_writer_commit(oc_file_writer *writer, oc_error *err);
/* Frees; removes the temporary unless committed. */
void oc_file_writer_destroy(oc_file_writer **writer);

/* The above in one call. */
oc_status oc_file_write_atomic(const char *path, const void *data, size_t size, oc_error *err);

/* Whether such a write can begin, without a trace: for telling before long work whose result would have no place.
 * OC_E_IO.
 */
oc_status oc_file_check_writable(const char *path, oc_error *err);

/* Removes temporaries of writes to `path` that a killed process left behind. Only for the one process that may write
 * `path` now. OC_E_IO. */
oc_status oc_file_remove_leftovers(const char *path, oc_error *err);

/* Renames `from` to `to` in the same folder, in the place of a file there perhaps, and syncs the folder. OC_E_IO: both
 * are as they were, unless it was the sync that failed. */
oc_status oc_file_rename(const char *from, const char *to, oc_error *err);

/* What such a write consists of, for what is written otherwise: the name beside `target` under which it is begun, into
 * *name, which is allocated where it is NULL and freed with oc_free (attempt counts up while that is taken, to
 * OC_FILE_NAME_TRIES); syncing the folder that holds `target`, so that a rename in it outlives a power cut; and the
 * error of a call of the system's, "cannot <what>: ...", with what a person can do about it. */
#define OC_FILE_NAME_TRIES 100
oc_status oc_file_temporary_name(char **name, const char *target, int attempt, oc_error *err);
oc_status oc_file_sync_folder(const char *target, const char *path, oc_error *err);
oc_status oc_file_fail(oc_error *err, const char *path, const char *what, int error_number);

/* Reads a whole file of at most `limit` bytes; *data is NUL-terminated beyond *size and freed with oc_free.
 * OC_E_NOT_FOUND, OC_E_IO, OC_E_FORMAT (larger than limit, or not a regular file). */
oc_status oc_file_read(char **data, size_t *size, const char *path, size_t limit, oc_error *err);

/* Reads the first bytes of a file into data[size]; *got of them, fewer where it is shorter. OC_E_NOT_FOUND, OC_E_IO,
 * OC_E_FORMAT (not a regular file). */
oc_status oc_file_peek(const char *path, void *data, size_t size, size_t *got, oc_error *err);

/* A read-only mapping of a whole file (size may be 0, data then NULL). */
typedef struct oc_mapping {
    const uint8_t *data;
    size_t size;
} oc_mapping;
oc_status oc_mapping_open(oc_mapping *out, const char *path, oc_error *err);
void oc_mapping_close(oc_mapping *mapping);

/* An append-only text log (metrics, steps, events): each write is one call to the system, so that a killed process
 * leaves whole lines or a torn last one. */
typedef struct oc_file_appender oc_file_appender;
/* Opens (creates) `path` and cuts it to `size` bytes, where writing goes on. OC_E_IO; OC_E_FORMAT when it is shorter
 * than that or no regular file. */
oc_status oc_file_appender_create(oc_file_appender **out, const char *path, size_t size, oc_error *err);
/* OC_E_IO: what was appended of `data` is cut off again, if the system allows. */
oc_status oc_file_appender_write(oc_file_appender *appender, const void *data, size_t size, oc_error *err);
/* Bytes in the file so far. */
size_t oc_file_appender_size(const oc_file_appender *appender);
/* Syncs to the disk. */
oc_status oc_file_appender_sync(oc_file_appender *appender, oc_error *err);
void oc_file_appender_destroy(oc_file_appender **appender);

/* Creates `path` and its parents; one that is there is fine. OC_E_IO. */
oc_status oc_folder_create(const char *path, oc_error *err);
bool oc_path_exists(const char *path);
bool oc_path_is_folder(const char *path);

/* *out = "a/b", freed with oc_free; `b` absolute: `b` alone. */
oc_status oc_path_join(char **out, const char *a, const char *b, oc_error *err);

#endif
