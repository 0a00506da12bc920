/* The text files of Tiny ImageNet: val_annotations.txt, wnids.txt and words.txt, parsed in memory. A byte order mark
 * before the first line is passed over. */
#ifndef OC_DATA_ANNOTATIONS_H
#define OC_DATA_ANNOTATIONS_H

#include "base/text.h"

/* One line of val_annotations.txt: "val_0.JPEG <tab> n03444034 <tab> 0 <tab> 32 <tab> 44 <tab> 62". */
typedef struct oc_annotation {
    const char *image, *code; /* inside the parsed text */
    int64_t line;             /* from 1 */
} oc_annotation;

typedef struct oc_annotations {
    oc_annotation *item; /* sorted by image, bytewise */
    size_t count, capacity;
} oc_annotations;

/* Parses `size` bytes of `text` (NUL-terminated beyond them, changed in place, to be kept as long as *out) into *out
 * (starts as {0}, freed with oc_annotations_free also after an error). A line has an image name and a class code, and
 * after them nothing or the box as four whole numbers, all apart by tabs; empty lines and a carriage return before the
 * newline are allowed. `where` names the file. OC_E_FORMAT with where = "file:line": a malformed line, or an image
 * named twice. */
oc_status oc_annotations_parse(oc_annotations *out, char *text, size_t size, const char *where, oc_error *err);
void oc_annotations_free(oc_annotations *annotations);

/* Adds the lines of a list such as wnids.txt, blanks around them cut off, to *out. OC_E_FORMAT at a NUL byte. */
oc_status oc_lines_parse(oc_names *out, char *text, size_t size, const char *where, oc_error *err);

/* Finds in words.txt ("n01443537 <tab> goldfish, Carassius auratus") the human names of the sorted `classes`:
 * human[classes->count] (NULL at first) receives copies, freed with oc_free. Other lines are passed over. */
oc_status oc_words_parse(char **human, const oc_names *classes, char *text, size_t size, oc_error *err);

#endif
