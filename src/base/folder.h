/* Writing a folder of files at once: in a temporary one beside it, which then takes its name. Until then the folder
 * that was there is untouched; after it the new one is complete. */
#ifndef OC_BASE_FOLDER_H
#define OC_BASE_FOLDER_H

#include "ocelli/base.h"

typedef struct oc_folder_writer oc_folder_writer;

/* By what a folder is known as an earlier one of the same kind, which may be replaced. */
typedef struct oc_folder_mark {
    const char *const *names; /* what may lie in it, NULL-terminated */
    const char *file, *text;  /* one of them, and what stands in its first KiB */
} oc_folder_mark;

/* Begins the folder that will be `path`, its parent being there; of a symbolic link what it leads to. `mark` is
 * borrowed. OC_E_EXISTS where something lies there that is neither an empty folder nor one of that mark, with the first
 * thing in it that does not belong; OC_E_IO. */
oc_status oc_folder_writer_create(oc_folder_writer **out, const char *path, const oc_folder_mark *mark, oc_error *err);
/* Where to write a file of the folder: *out, freed with oc_free. */
oc_status oc_folder_writer_path(const oc_folder_writer *writer, char **out, const char *name, oc_error *err);
/* Writes one whole. OC_E_IO. */
oc_status oc_folder_writer_file(const oc_folder_writer *writer, const char *name, const void *data, size_t size,
                                oc_error *err);
/* Gives it its name and syncs the folder that it lies in. OC_E_IO, OC_E_EXISTS: what was there is as it was, unless it
 * was the sync that failed. After it the writer is fit only for destroy. */
oc_status oc_folder_writer_commit(oc_folder_writer *writer, oc_error *err);
/* Frees; removes the temporary folder unless it has its name. */
void oc_folder_writer_destroy(oc_folder_writer **writer);

#endif
