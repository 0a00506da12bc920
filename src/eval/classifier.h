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
    int64_t width, height; /* of `pixels`; of another, when it was decoded, what it has upright */
    oc_status status;      /* result: of reading and decoding this image */
    oc_error error;        /* where the status is not OC_OK */
} oc_classifier_item;

/* A classifier for a program that gets its images one by one, a few at once, and from strangers. */
typedef struct oc_classifier_setup {
    oc_classifier_options options;
    /* Batches smaller than `batch` do not cost as much as a whole one: there are plans for 1, 2, 4, … images as well,
     * each with its own copy of the weights, made when it is first needed. A plan's choices may differ from another's,
     * and the last bits of scores with them. */
    bool ladder;
    int64_t pixels_most; /* larger images are refused before they are decoded; 0: those beyond OC_IMAGE_PIXELS_LIMIT */
    size_t keep;         /* bytes that each decoder keeps from one batch to the next; 0: all that it ever needed */
} oc_classifier_setup;
oc_status oc_classifier_create_with(oc_classifier **out, oc_model *model, const oc_classifier_setup *setup,
                                    oc_error *err);
/* Makes all plans of a ladder, and computes with each once. OC_E_NON_FINITE for weights that are unfit for use. */
oc_status oc_classifier_warm(oc_classifier *classifier, oc_error *err);

/* Images at once: the `batch` of its options. */
int64_t oc_classifier_capacity(const oc_classifier *classifier);

/* Reads, decodes and classifies `count` (1 … capacity) images in parallel: predictions [count, top_k], top_k in
 * 1 … classes. An image that cannot be decoded gets its own status and no predictions, and is no failure of the call.
 * OC_E_USAGE for top_k, OC_E_COMPUTE. */
oc_status oc_classifier_batch(oc_classifier *classifier, oc_classifier_item *items, int64_t count,
                              oc_prediction *predictions, size_t top_k, oc_error *err);

/* The scores [count, classes] behind the predictions of the last batch, before the softmax; of an image that could not
 * be decoded anything. Owned by the classifier, valid until its next batch. */
const float *oc_classifier_scores(const oc_classifier *classifier);

#endif
