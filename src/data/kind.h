/* What kind of file something is, by its name where that says so, else by its content; and why one is not read. */
#ifndef OC_DATA_KIND_H
#define OC_DATA_KIND_H

#include "data/source.h"

/* Bytes of a file's beginning that tell its kind: of an SVG all. */
#define OC_KIND_BYTES 512

typedef enum oc_kind {
    OC_KIND_UNSAID,      /* of a name: says neither */
    OC_KIND_IMAGE,       /* in a format that is read */
    OC_KIND_OTHER_IMAGE, /* in one that is not */
    OC_KIND_NO_IMAGE,
} oc_kind;

/* By a file's name: IMAGE for one that ends as those of the formats that are read, in any case; else UNSAID. */
oc_kind oc_kind_of_name(const char *name);

/* By a name and the first `size` bytes, OC_KIND_BYTES of them unless the file is shorter: never UNSAID. The bytes
 * decide; a name alone makes an OTHER_IMAGE of what they do not tell, such as a camera's raw file of a TIFF. */
oc_kind oc_kind_of_content(const char *name, const void *data, size_t size);

/* Why a file or another entry is not read as an image. */
typedef enum oc_unread {
    OC_UNREAD_NO_IMAGE,   /* by name and content */
    OC_UNREAD_HIDDEN,     /* a file, or in such a folder */
    OC_UNREAD_FORMAT,     /* an image in a format that is not read */
    OC_UNREAD_NEITHER,    /* no file: a link that leads nowhere, a pipe */
    OC_UNREAD_LOOP,       /* a link back to a folder that it lies in */
    OC_UNREAD_REPEATED,   /* an earlier file of a zip with the name of a later one */
    OC_UNREAD_UNREADABLE, /* cannot be opened: a file or a folder */
    OC_UNREAD_LOOSE,      /* an image beside class folders */
    OC_UNREAD_ELSEWHERE,  /* an image in a folder that is no split's */
    OC_UNREAD_COUNT
} oc_unread;
/* The reason in words; whether a person would have expected an image there, which deserves a warning. */
typedef struct oc_unread_reason {
    const char *text;
    bool expected;
} oc_unread_reason;
extern const oc_unread_reason oc_unread_reasons[OC_UNREAD_COUNT];

/* Finds for a whole tree, once, which entries are images that are read, and why the others are not: looks into every
 * file whose name does not tell, however many there are, since a bound would make what a folder is depend on what sorts
 * before its images. */
void oc_folder_look(oc_source *source, oc_folder *folder);

#endif
