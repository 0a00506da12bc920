/* The list of what is in a zip, read from its central directory alone (APPNOTE.TXT, 4.3.12 and 4.3.16), which takes a
 * small part of the time that libzip needs to open the archive; and each member as an archive of its own, which libzip
 * opens in no time. */
#ifndef OC_DATA_ZIP_DIRECTORY_H
#define OC_DATA_ZIP_DIRECTORY_H

#include "base/file.h"

/* One member's entry, in the mapping. */
typedef struct oc_zip_entry {
    const char *name; /* `length` (>= 1) bytes, none of them 0, and no 0 behind them */
    size_t length;
    uint64_t size; /* of its bytes, unpacked */
    uint32_t crc;
    const uint8_t *record; /* the entry's own bytes */
} oc_zip_entry;

/* Where the next entry lies, and how many are left, this one included. */
typedef struct oc_zip_cursor {
    const uint8_t *at;
    uint64_t left;
} oc_zip_cursor;

/* Whether the archive is of the common kind: one disk, below 4 GB, one record at its end and no comment, every entry as
 * long as it says, nothing between them, and UTF-8 what is said to be. *out = its first entry. Of any other, and of
 * what is no zip, libzip is to judge. */
bool oc_zip_directory_find(oc_zip_cursor *out, const oc_mapping *file);
/* The entry under the cursor, which moves on. For `left` > 0. */
oc_zip_entry oc_zip_directory_next(oc_zip_cursor *cursor);

/* An archive of one member: what it consists of, one after the other. It lies in the mapping, in the program and, the
 * record at the end, here: it is not to be moved. */
#define OC_ZIP_PARTS 5
typedef struct oc_zip_single {
    struct {
        const uint8_t *data;
        size_t size;
    } part[OC_ZIP_PARTS];
    uint8_t end[22];
} oc_zip_single;

/* Makes one of the member of a record that was found in `file`. False where something in it, a zip in a zip say, could
 * be taken for the record at its end. Whether the member is whole is for its reader to see. */
bool oc_zip_directory_single(oc_zip_single *out, const oc_mapping *file, const uint8_t *record);

#endif
