/* Text: a growing buffer, lists in sentences, and lists of names. Public, in ocelli/base.h: the nearest match for error
 * messages, text made fit to be printed, and fields of CSV. */
#ifndef OC_BASE_TEXT_H
#define OC_BASE_TEXT_H

#include "ocelli/base.h"

/* A growing NUL-terminated buffer; start from {0}. `data` is NULL while empty and is freed with oc_text_free. */
typedef struct oc_text {
    char *data;
    size_t size, capacity;
} oc_text;
oc_status oc_text_append(oc_text *text, const void *data, size_t size, oc_error *err);
oc_status oc_text_printf(oc_text *text, oc_error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Appends bytes in base64 (RFC 4648, section 4), with its padding. */
oc_status oc_text_base64(oc_text *text, const void *data, size_t size, oc_error *err);
void oc_text_free(oc_text *text);

/* A list in a sentence, of which the first `limit` items are named and the others counted: "a, b and 7 more". Start
 * from {.limit = 5}. */
typedef struct oc_text_list {
    size_t limit, count; /* items that are named at most, and all */
    oc_text text;        /* what there is of it; NULL data: nothing */
} oc_text_list;
/* One more item, which is formatted only if it is named. */
oc_status oc_text_list_add(oc_text_list *list, oc_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts those that are not named; once, behind the last item. */
oc_status oc_text_list_close(oc_text_list *list, oc_error *err);
void oc_text_list_free(oc_text_list *list);

/* Whether two names are the same text: the same bytes, or, of UTF-8, the same in normal form C, as "é" typed on one
 * system and unpacked on another may have one code point or two (Unicode Standard Annex #15). */
bool oc_text_alike(const char *a, const char *b);

/* *out = a text in that normal form, freed with oc_free; NULL where it is in it already for having no accents, or is no
 * UTF-8. OC_E_MEMORY. */
oc_status oc_text_composed(char **out, const char *text, oc_error *err);
/* Whether `size` bytes are UTF-8 (RFC 3629) without the control characters below a space. */
bool oc_text_is_utf8(const char *text, size_t size);

/* A list of owned strings; start from {0}. */
typedef struct oc_names {
    char **item;
    size_t count, capacity;
} oc_names;
oc_status oc_names_add(oc_names *names, const char *name, oc_error *err);
/* Sorts bytewise (strcmp), whatever the locale. */
void oc_names_sort(oc_names *names);
/* Fills *out, which starts from {0}, with a sorted copy. The caller frees it, also after an error. */
oc_status oc_names_sorted(oc_names *out, const oc_names *names, oc_error *err);
/* Place of `name` in a list that is bytewise sorted, or −1. */
int64_t oc_names_find(const oc_names *names, const char *name);
/* The same, or else of a name alike (oc_text_alike). */
int64_t oc_names_find_alike(const oc_names *names, const char *name);
void oc_names_free(oc_names *names);

#endif
