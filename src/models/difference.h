/* Lists of what differs, for errors that name the first few of many: "missing a, b, c and 9 more". */
#ifndef OC_MODELS_DIFFERENCE_H
#define OC_MODELS_DIFFERENCE_H

#include "base/text.h"

/* What is named of each kind, the rest being counted. Start from OC_DIFFERENCE("missing"); end with oc_difference_close
 * or oc_difference_free. */
typedef struct oc_difference {
    const char *kind; /* what its items are; borrowed */
    oc_text_list list;
} oc_difference;
#define OC_DIFFERENCE(what)                                                                                            \
    {                                                                                                                  \
        .kind = (what), .list = {.limit = 3 }                                                                          \
    }

/* Adds the names that only `these` holds. */
oc_status oc_difference_strangers(oc_difference *difference, const oc_names *these, const oc_names *those,
                                  oc_error *err);
/* Appends "kind items", if there are any, to `sentence`, behind a semicolon where that says something already. Frees
 * the difference. */
oc_status oc_difference_close(oc_difference *difference, oc_text *sentence, oc_error *err);
void oc_difference_free(oc_difference *difference);

#endif
