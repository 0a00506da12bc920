/* What kind of file something is: by its name where that says so, else by its content. */
#ifndef OC_DATA_KIND_H
#define OC_DATA_KIND_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a file's beginning that tell its kind. */
#define OC_KIND_BYTES 64

typedef enum oc_kind {
    OC_KIND_UNSAID,      /* of a name: says neither */
    OC_KIND_IMAGE,       /* in a format that is read */
    OC_KIND_OTHER_IMAGE, /* in one that is not */
    OC_KIND_NO_IMAGE,
} oc_kind;

/* By a file's name: IMAGE for one that ends as those of the formats that are read, in any case; else UNSAID. */
oc_kind oc_kind_of_name(const char *name);

/* By a name and the first `size` bytes, OC_KIND_BYTES of them unless the file is shorter: never UNSAID. The bytes
 * decide; a name alone makes an OTHER_IMAGE of what they do not tell. */
oc_kind oc_kind_of_content(const char *name, const void *data, size_t size);

#endif
