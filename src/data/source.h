/* Where a data set's files lie: a folder or a zip. A data set is listed and read through this and knows no
 * difference. */
#ifndef OC_DATA_SOURCE_H
#define OC_DATA_SOURCE_H

#include "base/text.h"

typedef struct oc_source oc_source;

typedef enum oc_entry_kind {
    OC_ENTRY_FILE,
    OC_ENTRY_HIDDEN,   /* begins with '.', or is what macOS puts beside files: a file or a whole folder with some */
    OC_ENTRY_NEITHER,  /* a link that leads nowhere, a pipe */
    OC_ENTRY_LOOP,     /* a link back to a folder that it lies in */
    OC_ENTRY_CLOSED,   /* a folder that cannot be listed */
    OC_ENTRY_REPEATED, /* an earlier member of a zip with the name of a later one */
} oc_entry_kind;

/* What lies directly in a folder but for the folders in it. */
typedef struct oc_entry {
    char *name;
    oc_entry_kind kind;
    /* Of a file XXH3-64 over what tells it from a changed one without reading it: size, times of change of the content
     * and of the file itself (ns), inode; of a zip's member size and checksum. Links are followed. */
    uint64_t state;
    int64_t files; /* 1; of a hidden folder those within */
    int unread;    /* set by kind.h's oc_folder_look: an oc_unread, of an image OC_UNREAD_COUNT */
} oc_entry;

/* A folder and all that is in it; starts from {0} but for the path. */
typedef struct oc_folder oc_folder;
struct oc_folder {
    char *path;       /* relative to the source's root, parts joined by '/', "" the root; owned */
    const char *name; /* the end of the path */
    oc_entry *entry;
    size_t entries, entry_capacity;
    oc_folder *folder;
    size_t folders, folder_capacity;
    uint64_t device, inode; /* 0: of a zip, where nothing can loop */
    bool linked;            /* it, or a folder that it lies in, is there by a link */
    bool hidden;            /* it, or a folder that it lies in, is hidden */
    /* Set by oc_folder_look: images that are read directly in it, and with all folders. */
    int64_t images, images_within;
};

/* The operations of one kind of source. Paths are relative to the source's root. */
typedef struct oc_source_ops {
    /* Adds what is directly in folder->path, unsorted, and sets its device and inode; the folders in it have a path and
     * a name and are otherwise empty. Links are followed. OC_E_NOT_FOUND, OC_E_IO. */
    oc_status (*list)(oc_source *source, oc_folder *folder, oc_error *err);
    /* Reads a file whole; as oc_file_read. Thread-safe. */
    oc_status (*read)(oc_source *source, const char *path, size_t limit, char **data, size_t *size, oc_error *err);
    /* Reads the first bytes of a file into data[size]; *got of them, fewer where it is shorter. */
    oc_status (*peek)(oc_source *source, const char *path, void *data, size_t size, size_t *got, oc_error *err);
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

/* Fills *root, which is {0}, with the whole tree, entries and folders sorted bytewise by name. A link that leads back
 * to a folder it lies in is an entry, and so are a folder in it that cannot be listed and a hidden one with files. The
 * caller frees it, also after an error. OC_E_FORMAT: nested, or multiplied by links, beyond all measure. */
oc_status oc_source_walk(oc_source *source, oc_folder *root, oc_error *err);
/* Leaves {0}. */
void oc_folder_free(oc_folder *folder);
/* The folder or file of that name in it; NULL: there is none. */
const oc_folder *oc_folder_in(const oc_folder *folder, const char *name);
const oc_entry *oc_folder_file(const oc_folder *folder, const char *name);
/* For the kinds of source: add to a folder; `linked`: by a link, which of what is hidden is not followed but an entry.
 * OC_E_MEMORY. */
oc_status oc_folder_add_entry(oc_folder *folder, const char *name, oc_entry_kind kind, uint64_t state, oc_error *err);
oc_status oc_folder_add_folder(oc_folder *folder, const char *name, bool linked, oc_error *err);
/* Whether an entry of that name is passed over as hidden. */
bool oc_entry_hidden(const char *name);

/* "PATH/relative" for messages into text[size]; returns text. */
const char *oc_source_where(const oc_source *source, const char *relative, char *text, size_t size);

/* The two kinds. Used by oc_source_open only. */
oc_status oc_source_folder_create(oc_source **out, const char *path, oc_error *err);
oc_status oc_source_zip_create(oc_source **out, const char *path, oc_error *err);

#endif
