/* What has come of a file so far, on the disk: its first bytes, and beside them the validator of the file that they are
 * of, so that parts of two different files are never joined. */
#ifndef OC_FETCH_PART_H
#define OC_FETCH_PART_H

#include "base/file.h"

#define OC_VALIDATOR_SIZE 512

typedef struct oc_part {
    char *path, *validator_path;
    oc_file_appender *file; /* NULL: not open for writing */
    int64_t size;
    char validator[OC_VALIDATOR_SIZE]; /* as If-Range takes it (RFC 9110, section 13.1.5); "": none, and no use to go on
                                        */
} oc_part;

/* Looks at what is there of the file that will be called `path`; nothing is fine. Fills *part, which starts from {0}
 * and is freed with oc_part_free, also after an error. OC_E_IO, OC_E_FORMAT (no regular file), OC_E_MEMORY. */
oc_status oc_part_find(oc_part *part, const char *path, oc_error *err);
/* Forgets what has come, for a file with that validator ("": it has none). OC_E_IO. */
oc_status oc_part_begin(oc_part *part, const char *validator, oc_error *err);
/* OC_E_IO: what is there counts, and can be gone on with. */
oc_status oc_part_append(oc_part *part, const void *data, size_t size, oc_error *err);
/* Brings it to the disk and gives it its name. OC_E_IO. */
oc_status oc_part_finish(oc_part *part, const char *path, oc_error *err);
/* Removes it, what is gone already included. */
void oc_part_remove(oc_part *part);
void oc_part_free(oc_part *part);

#endif
