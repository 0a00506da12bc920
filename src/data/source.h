/* Where a data set's files lie: a folder or a zip. A data set is listed and read through this and knows no difference.
 */
#ifndef OC_DATA_SOURCE_H
#define OC_DATA_SOURCE_H

#include <xxhash.h>

#include "base/text.h"

typedef struct oc_source oc_source;

/* What one folder holds, by name; starts from {0} but for the path. */
typedef struct oc_listing {
    char *path; /* of the folder, relative to the source's root; owned */
    oc_names files, folders;
    oc_names others; /* what is neither: a link that leads nowhere, a pipe */
} oc_listing;
/* Leaves {0}. */
void oc_listing_free(oc_listing *listing);

/* The operations of one kind of source. Paths are relative to the source's root, parts joined by '/', "" the root. */
typedef struct oc_source_ops {
    /* Fills the three empty lists with the names (not paths) of what is directly in out->path, unsorted. Links are
     * followed; names beginning with '.' are left out. The folder's own state (its times) goes into `hash` (may be
     * NULL). OC_E_NOT_FOUND, OC_E_IO. */
    oc_status (*list)(oc_source *source, oc_listing *out, XXH3_state_t *hash, oc_error *err);
    /* Reads a file whole; as oc_file_read. Thread-safe. */
    oc_status (*read)(oc_source *source, const char *path, size_t limit, char **data, size_t *size, oc_error *err);
    /* Adds what tells the whole source from a changed one, beyond what its listings gave. OC_E_IO. */
    oc_status (*hash)(oc_source *source, XXH3_state_t *hash, oc_error *err);
    void (*destroy)(oc_source *source);
} oc_source_ops;

/* Every kind's struct begins with this. */
struct oc_source {
    const oc_source_ops *ops;
    char *path; /* as given by the user, for messages */
};

/* Opens `path`: a folder, or a zip (a regular file). OC_E_NOT_FOUND, OC_E_IO, OC_E_FORMAT (neither). */
oc_status oc_source_open(oc_source **out, const char *path, oc_error *err);
void oc_source_destroy(oc_source **source);

/* The same, sorted. The caller frees the listing, also after an error. */
oc_status oc_source_list(oc_source *source, oc_listing *out, XXH3_state_t *hash, oc_error *err);
/* "PATH/relative" for messages into text[size]; returns text. */
const char *oc_source_where(const oc_source *source, const char *relative, char *text, size_t size);

/* The two kinds. Used by oc_source_open only. */
oc_status oc_source_folder_create(oc_source **out, const char *path, oc_error *err);
oc_status oc_source_zip_create(oc_source **out, const char *path, oc_error *err);

#endif
