/* The list of what is in a zip, read from its central directory alone (APPNOTE.TXT, 4.3.12 and 4.3.16), which takes a
 * small part of the time that libzip needs to open the archive. */
#ifndef OC_DATA_ZIP_DIRECTORY_H
#define OC_DATA_ZIP_DIRECTORY_H

#include "base/file.h"

/* One member's entry, in the mapping. */
typedef struct oc_zip_entry {
    const char *name; /* `length` (>= 1) bytes, none of them 0, and no 0 behind them */
    size_t length;
    uint64_t size; /* of its bytes, unpacked */
    uint32_t crc;
} oc_zip_entry;

/* Where the next entry lies, and how many are left, this one included. */
typedef struct oc_zip_cursor {
    const uint8_t *at;
    uint64_t left;
} oc_zip_cursor;

/* Whether the archive is of the common kind: one disk, below 4 GB, no comment at its end, every entry as long as
 * it says and nothing between them. *out = its first entry. Of any other, and of what is no zip, libzip is to judge. */
bool oc_zip_directory_find(oc_zip_cursor *out, const oc_mapping *file);
/* The entry under the cursor, which moves on. For `left` > 0. */
oc_zip_entry oc_zip_directory_next(oc_zip_cursor *cursor);

#endif
