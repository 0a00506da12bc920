/* Several images at once through a classifier: what `predict` does with files; the public half is in ocelli.h. */
#ifndef OC_EVAL_CLASSIFIER_H
#define OC_EVAL_CLASSIFIER_H

#include "ocelli/ocelli.h"

/* One image: of `path`, `data` and `pixels` exactly one is set. */
typedef struct oc_classifier_item {
    const char *path; /* an image file */
    const void *data; /* the bytes of one; `where` names it in errors */
    size_t size;
    const char *where;
    const uint8_t *pixels; /* [height, width, 3] RGB */
    int64_t width, height;
    oc_status status; /* result: of reading and decoding this image */
    oc_error error;   /* where the status is not OC_OK */
} oc_classifier_item;

/* Images at once: the `batch` of oc_classifier_create. */
int64_t oc_classifier_capacity(const oc_classifier *classifier);

/* Reads, decodes and classifies `count` (1 … capacity) images in parallel: predictions [count, top_k], top_k in
 * 1 … classes. An image that cannot be decoded gets its own status and no predictions, and is no failure of the call.
 * OC_E_USAGE for top_k, OC_E_COMPUTE. */
oc_status oc_classifier_batch(oc_classifier *classifier, oc_classifier_item *items, int64_t count,
                              oc_prediction *predictions, size_t top_k, oc_error *err);

#endif
