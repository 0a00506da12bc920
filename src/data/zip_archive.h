/* libzip's handles on an archive in memory. One serves one thread at a time: each thread takes its own and gives it
 * back. */
#ifndef OC_DATA_ZIP_ARCHIVE_H
#define OC_DATA_ZIP_ARCHIVE_H

#include <zip.h>

#include "data/zip_directory.h"
#include "ocelli/ocelli.h"

typedef struct oc_zip_archive oc_zip_archive;

/* `path`, for messages, and the mapping are borrowed. Nothing is opened yet. OC_E_MEMORY. */
oc_status oc_zip_archive_create(oc_zip_archive **out, const char *path, const oc_mapping *file, oc_error *err);
void oc_zip_archive_destroy(oc_zip_archive **archive);

/* A member to be read: the one at `index` of `zip`. Not to be moved while it is taken. */
typedef struct oc_zip_handle {
    zip_t *zip;
    zip_uint64_t index;
    bool whole;           /* the archive is, and not of this member alone */
    oc_zip_single single; /* which else it consists of */
} oc_zip_handle;

/* Takes a handle for the member at `index`: one that knows this member alone, by its `record` in the central directory,
 * which costs little more than reading it; or, without a record (NULL), one that knows all members, for which libzip
 * lists them. Thread-safe. OC_E_FORMAT: no zip that libzip reads; OC_E_IO, OC_E_MEMORY. */
oc_status oc_zip_archive_take(oc_zip_archive *archive, oc_zip_handle *out, zip_uint64_t index, const uint8_t *record,
                              oc_error *err);
/* Gives back what was taken. */
void oc_zip_archive_give(oc_zip_archive *archive, oc_zip_handle *handle);

#endif
