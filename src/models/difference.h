/* Lists of what differs, for errors that name the first few of many: "missing a, b, c and 9 more". */
#ifndef OC_MODELS_DIFFERENCE_H
#define OC_MODELS_DIFFERENCE_H

#include "base/text.h"

/* Start from {.kind = "missing"}; end with oc_difference_close or oc_difference_free. */
typedef struct oc_difference {
    const char *kind; /* what its items are; borrowed */
    oc_text text;
    size_t count;
} oc_difference;

/* Counts one more; *shown: the caller is to append its words to list->text. */
oc_status oc_difference_begin(oc_difference *list, bool *shown, oc_error *err);
/* One more, by its name. */
oc_status oc_difference_add(oc_difference *list, const char *name, oc_error *err);
/* Adds the names that only `these` holds. */
oc_status oc_difference_strangers(oc_difference *list, const oc_names *these, const oc_names *those, oc_error *err);
/* Appends "kind items", if there are any, to `sentence`, behind a semicolon where that says something already. Frees
 * the list. */
oc_status oc_difference_close(oc_difference *list, oc_text *sentence, oc_error *err);
void oc_difference_free(oc_difference *list);

#endif
